"""The comparison of the language models runs, from equal weights to nearly equal losses."""
import os
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "char_lm.py"


@pytest.mark.parametrize("unit", ["gru", "lstm"])
def test_both_learn_the_same(tmp_path, unit):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    rng = random.Random(0)
    (tmp_path / "text.txt").write_text("".join(rng.choice("abcde \n") for _ in range(3000)))
    command = [sys.executable, str(SCRIPT), "--text", str(tmp_path / "text.txt"), "--size", "16", "--steps", "10",
               "--batch", "5", "--updates", "20", "--unit", unit]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    ours, theirs = map(float, re.findall(r"(?:tinyrnn|PyTorch): ([\d.]+) bits per character", done.stdout))
    assert ours == pytest.approx(theirs, abs=1e-3)
    assert "PyTorch took" in done.stdout.splitlines()[-1]
