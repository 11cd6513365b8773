"""The date reader learns, stops at Ctrl-C, goes on bit for bit, and answers; on a model small enough for a test."""

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tinyrnn

pytest.importorskip("babel", reason="Babel is not installed")
pytest.importorskip("tqdm", reason="tqdm is not installed")
pytest.importorskip("matplotlib", reason="matplotlib is not installed")
SCRIPT = Path(__file__).parents[2] / "examples" / "dates.py"


@pytest.fixture
def dates(load_example, monkeypatch):
    module = load_example("dates")
    for name, value in {"SIZE": 8, "BATCH": 4, "POOL": 2, "TESTED": 8}.items():
        monkeypatch.setattr(module, name, value)
    return module


def test_training_lowers_the_loss(dates):
    training = dates.Training(40)
    losses = [training.step() for _ in range(40)]
    assert np.mean(losses[-5:]) < 0.9 * np.mean(losses[:5])


def test_going_on_is_bit_for_bit(dates, tmp_path):
    """Three steps, a checkpoint, and three more in a fresh object are six steps: every parameter and every moment."""
    whole, half = dates.Training(6), dates.Training(6)
    expected = [whole.step() for _ in range(6)]
    losses = [half.step() for _ in range(3)]
    half.save(tmp_path / "checkpoint.npz")
    tinyrnn.manual_seed(99)
    resumed = dates.Training(6)
    resumed.load(tmp_path / "checkpoint.npz")
    losses += [resumed.step() for _ in range(3)]
    assert losses == expected
    for (name, a), b in zip(whole.model.state_dict().items(), resumed.model.state_dict().values(), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy(), err_msg=name)
    for a, b in zip(whole.optimizer.state.values(), resumed.optimizer.state.values(), strict=True):
        np.testing.assert_array_equal(a["exp_avg_sq"].numpy(), b["exp_avg_sq"].numpy())


def test_train_and_read(dates, tmp_path, capsys):
    dates.train(tmp_path, steps=2, resume=False)
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("exact match: ") and last.endswith(" %")
    assert (tmp_path / "attention.png").read_bytes().startswith(b"\x89PNG")
    dates.read_dates(tmp_path, ["21 marraskuuta 2026", "a character never seen: \N{SNOWMAN}"])
    assert "21 marraskuuta 2026" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="train first"):
        dates.read_dates(tmp_path / "elsewhere", ["1 May 1999"])
    with pytest.raises(SystemExit, match="nothing to go on from"):
        dates.train(tmp_path / "elsewhere", steps=2, resume=True)
    before = (tmp_path / "checkpoint.npz").read_bytes()
    for steps, resume, message in ((2, False, "is there already"), (3, True, "a training of 2 steps, not 3")):
        with pytest.raises(SystemExit, match=message):
            dates.train(tmp_path, steps, resume)
    dates.train(tmp_path, None, True)                       # all done: it is tested again
    assert capsys.readouterr().out.splitlines()[-1] == last
    assert (tmp_path / "checkpoint.npz").read_bytes() == before


RUN = """
import runpy, sys
sys.argv = ["dates.py", "--folder", {folder!r}, *{arguments!r}]
import importlib.util
spec = importlib.util.spec_from_file_location("dates", {script!r})
dates = importlib.util.module_from_spec(spec)
spec.loader.exec_module(dates)
dates.SIZE, dates.BATCH, dates.POOL, dates.TESTED = 8, 4, 2, 8
step = dates.Training.step
def counted(self):
    loss = step(self)
    print("step", self.done, flush=True)
    return loss
dates.Training.step = counted
dates.main()
"""


def test_ctrl_c_saves_and_says_how_to_go_on(tmp_path):
    def start(*arguments):
        code = RUN.format(folder=str(tmp_path), arguments=arguments, script=str(SCRIPT))
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
        return subprocess.Popen([sys.executable, "-c", code], **pipes)
    process = start("--steps", "100000")
    assert process.stdout.readline() == "step 1\n"
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "--resume" in out.splitlines()[-1]
    done = tinyrnn.load(tmp_path / "checkpoint.npz")["done"]
    assert f"Stopped after {done} steps" in out
    process = start("--resume")
    assert process.stdout.readline() == f"step {done + 1}\n"
    process.kill()
    process.communicate()
