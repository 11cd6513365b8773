"""The benchmark command works: every section that needs only PyTorch, at its smallest size, whatever the times."""

import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")
FOLDER = Path(__file__).parents[2] / "benchmarks"


def command(output, *arguments):
    done = subprocess.run([sys.executable, FOLDER / "run.py", "--smoke", "--output", output, *arguments],
                          capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def load(name, monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    return importlib.import_module(name)


@pytest.mark.slow
def test_every_section_runs_and_is_written(tmp_path):
    """Results are compared before anything is timed, so this also shows that they agree."""
    output = tmp_path / "RESULTS.md"
    printed = command(output, "--peers", "numpy", "torch")
    written = output.read_text()
    titles = [line for line in printed.splitlines() if line.startswith("## ")]
    assert len(titles) == 10 and [line for line in written.splitlines() if line.startswith("## ")] == titles
    assert "Without jax: jax was left out." in printed
    rows = [line for line in written.splitlines() if line.startswith("| ") and "---" not in line]
    assert sum("PyTorch" in row for row in rows) >= 9           # the heads of the tables
    assert len(rows) >= 30


def test_a_section_without_its_package_is_skipped_and_the_others_stay(tmp_path):
    output = tmp_path / "RESULTS.md"
    output.write_text("# Old\n\n## Training a layer\n\nold table\n\n## Import and size\n\nold times\n")
    printed = command(output, "--peers", "numpy", "--only", "importing", "--only", "training")
    assert "Skipped: torch was left out." in printed
    written = output.read_text()
    assert "old table" in written and "old times" not in written
    assert written.index("## Training a layer") < written.index("| numpy ")


def test_other_results_are_not_timed(monkeypatch):
    bench = load("bench", monkeypatch)
    ours = {"output": np.array([1.0, 2.0])}
    bench.check(ours, {"output": np.array([1.0, 2.0001])}, "gru")
    for wrong in (np.array([1.0, 2.01]), np.array([1.0, np.nan]), np.array([1.0])):
        with pytest.raises(bench.Disagreement, match="gru: output"):
            bench.check(ours, {"output": wrong}, "gru")
    with pytest.raises(bench.Disagreement, match="instead of"):
        bench.check(ours, {}, "gru")


def test_ratios_are_of_neighbouring_turns(monkeypatch):
    times = load("bench", monkeypatch).Times({
        ("tinyrnn", 1): [[1.0, 1.0, 9.0], [10.0], [2.0]],
        ("torch", 1): [[3.0], [50.0], [12.0]],
    })
    assert times.median("tinyrnn") == 2 and times.median("torch") == 12
    assert times.ratio("torch") == 5                            # the middle of 3, 5 and 6, not 12 / 2
    assert times.ratio("torch", to=("torch", 1)) == 1
    assert times.median("jax") is times.ratio("jax") is None
    assert times.percentile(100, "tinyrnn") == 10
