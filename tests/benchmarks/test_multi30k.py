"""The comparison on real batches runs: both libraries agree without dropout, and both are timed."""
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")
SCRIPT = Path(__file__).parents[2] / "benchmarks" / "multi30k.py"


def test_both_are_timed(tmp_path):
    for side, words in ("src", "ein kleiner hund läuft"), ("tgt", "a little dog runs"):
        lines = [" ".join(words.split()[:1 + i % 4]) + ".\n" for i in range(200)]
        (tmp_path / side).write_text("".join(lines), encoding="utf-8")
    command = [sys.executable, SCRIPT, "--src", tmp_path / "src", "--tgt", tmp_path / "tgt", "--updates", "2",
               "--rounds", "2", "--threads", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("2 rounds of 2 updates of 64 pairs, 1 threads, Recipe(V=9, W=9,")
    assert [line.split()[0] for line in lines[1:]] == ["tinyrnn", "torch", "PyTorch"]
