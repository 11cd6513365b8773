"""Every Python block of the README runs as it stands."""

import re
from pathlib import Path

import pytest

README = (Path(__file__).parents[1] / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("code", BLOCKS, ids=lambda code: code.split("\n")[0][:30])
def test_block_runs(code, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "readme"}
    exec(compile(code, "README.md", "exec"), namespace)
    printed = capsys.readouterr().out
    for expected in re.findall(r"print\(.*\) +# (.*)", code):
        assert expected in printed
    if match := re.search(r"loss ([\d.]+)", printed):
        assert float(match[1]) < 0.3            # it learns: the sums have a variance of 1.3


def test_there_are_blocks():
    assert len(BLOCKS) >= 4
