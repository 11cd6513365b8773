"""The benchmark of the music example runs, after a check that both libraries have the same losses."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("matplotlib", reason="matplotlib is not installed")
pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from Linux's /proc")
SCRIPT = Path(__file__).parents[2] / "benchmarks" / "music.py"


@pytest.fixture
def folder(tmp_path):
    """jsb.npz: five pieces of 3 to 7 steps with one note each."""
    lens = np.array([3, 7, 5, 4, 6], np.int32)
    one = {"notes": np.arange(lens.sum(), dtype=np.uint8), "counts": np.ones(lens.sum(), np.uint8), "lens": lens}
    splits = {f"{split}_{name}": array for split in ("train", "valid", "test") for name, array in one.items()}
    np.savez(tmp_path / "jsb.npz", **splits)
    return tmp_path


@pytest.mark.parametrize(("unit", "options", "missing"), [pytest.param("tanh", (), 0, marks=pytest.mark.slow),
                                                        ("gru", ("--alone",), 3)])
def test_it_runs(folder, unit, options, missing):
    command = [sys.executable, SCRIPT, "--data", folder, "--sets", "jsb", "--units", unit, "--batch", "2", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("| jsb")]
    cells = [cell.strip() for cell in line.split("|")]
    assert cells[1].startswith(f"jsb, {unit}") and cells[2:4] == ["25", "7"]
    assert cells.count("-") == missing
