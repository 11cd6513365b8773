"""A run on disk: it goes on bit for bit, refuses what does not fit, and keeps the best model."""
import json
import math
import os
import signal

import numpy as np
import pytest

import tinyrnn
from tinyrnn import nn, optim
from tinyrnn.utils.training import Run

pytest.importorskip("tqdm", reason="tqdm is not installed")


def train(folder, epochs=3, resume=False, interrupt=None, lr=0.1, figures=(3.0, 1.0, 2.0)):
    """A small training, with noise from the default generator; Ctrl-C comes before update number ``interrupt``."""
    tinyrnn.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.5))
    optimizer = optim.Adam(model.parameters(), lr=lr)
    run = Run(folder, {"model": model, "optimizer": optimizer}, {"lr": lr, "epochs": epochs}, resume, "valid",
              progress=False)
    for epoch in run.epochs(epochs):
        rng = np.random.default_rng(epoch)
        for batch in run.steps([tinyrnn.tensor(rng.normal(size=(4, 3)).astype("f")) for _ in range(5)]):
            optimizer.zero_grad()
            loss = model(batch).square().sum()
            loss.backward()
            optimizer.step()
            run.add(loss=loss.item())
            run.show(loss=loss.item())
            if run.updates == interrupt:
                os.kill(os.getpid(), signal.SIGINT)
        run.log(train=run.totals["loss"], valid=figures[epoch - 1])
    return run


def without_seconds(run):
    return [{name: value for name, value in line.items() if name != "seconds"} for line in run.history]


def test_a_folder_has_one_training_at_a_time(tmp_path):
    run = Run(tmp_path, {}, progress=False)
    (tmp_path / ".saving-1.tmp").touch()            # what the run under way is about to rename
    for _ in run.epochs(1):
        with pytest.raises(SystemExit, match="under way"):
            Run(tmp_path, {}, progress=False)
        assert (tmp_path / ".saving-1.tmp").exists()
        run.log()
    Run(tmp_path, {}, resume=True, progress=False)
    assert not (tmp_path / ".saving-1.tmp").exists()


def test_a_run_that_was_set_up_before_another_does_not_begin(tmp_path):
    first, second = (Run(tmp_path, {}, {"lr": lr}, progress=False) for lr in (1, 2))
    with pytest.raises(SystemExit, match="another training"):
        next(first.epochs(1))
    for _ in second.epochs(1):
        second.log()
    assert [line["epoch"] for line in second.history] == [1]
    for _ in second.epochs(2):                      # its own files do not stop it
        second.log()


def test_odd_figures(tmp_path):
    run = Run(tmp_path, {"model": nn.Linear(1, 1)}, {"clip": math.nan}, best="loss", progress=False)
    epochs = run.epochs(2)
    next(epochs)
    with pytest.raises(TypeError):
        run.log(loss=object())
    assert run.history == []
    run.log(loss=np.float32(math.nan))
    assert not (tmp_path / "best.npz").exists()
    next(epochs)
    run.log(loss=np.float32(1))
    assert (tmp_path / "best.npz").exists()
    epochs.close()
    assert len(Run(tmp_path, {"model": nn.Linear(1, 1)}, {"clip": math.nan}, True, progress=False).history) == 2


@pytest.mark.parametrize("interrupt", [0, 2, 4, 5, 8, 14])
def test_going_on_is_bit_for_bit(tmp_path, interrupt):
    whole = train(tmp_path / "whole")
    with pytest.raises(SystemExit, match=f"Stopped after {interrupt + 1} updates"):
        train(tmp_path / "cut", interrupt=interrupt)
    cut = train(tmp_path / "cut", resume=True)
    assert without_seconds(cut) == without_seconds(whole)
    for part in ("model", "best"):
        a, b = (tinyrnn.load(run.folder / ("best.npz" if part == "best" else "last.npz")) for run in (whole, cut))
        for x, y in zip((a if part == "best" else a[part]).values(), (b if part == "best" else b[part]).values(),
                        strict=True):
            np.testing.assert_array_equal(x.numpy(), y.numpy())


def test_ctrl_c_is_itself_again_afterwards(tmp_path):
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(SystemExit):
        train(tmp_path, interrupt=1)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_run_in_another_thread(tmp_path, in_threads):
    runs = []
    in_threads(lambda name: runs.append(train(tmp_path / name)), [("a",)])
    assert len(runs[0].history) == 3


def test_the_folder(tmp_path):
    (tmp_path / ".saving-old.tmp").write_text("half of a checkpoint: the process was killed")
    run = train(tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    assert [line["updates"] for line in lines] == [5, 10, 15]
    assert [line["valid"] for line in lines] == [3.0, 1.0, 2.0]
    assert json.loads((tmp_path / "config.json").read_text()) == {"lr": 0.1, "epochs": 3}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best.npz", "config.json", "last.npz", "log.jsonl"]
    assert run.since_best() == 1


def test_more_epochs_are_no_other_training(tmp_path):
    whole = train(tmp_path / "whole")
    train(tmp_path / "more", epochs=2)
    assert without_seconds(train(tmp_path / "more", resume=True)) == without_seconds(whole)


def test_what_does_not_fit_is_refused(tmp_path):
    with pytest.raises(SystemExit, match="nothing to go on from"):
        train(tmp_path / "elsewhere", resume=True)
    train(tmp_path, epochs=1)
    with pytest.raises(SystemExit, match="is there already"):
        train(tmp_path)
    with pytest.raises(SystemExit, match="lr: 0.1 before, now 0.2"):
        train(tmp_path, resume=True, lr=0.2)
    model = tinyrnn.nn.Linear(1, 1)
    with pytest.raises(SystemExit, match="last.npz holds no ema, schedule"):
        Run(tmp_path, {"model": model, "schedule": model, "ema": model}, {"lr": 0.1}, resume=True)
    (tmp_path / "config.json").unlink()
    with pytest.raises(SystemExit, match="holds no config.json"):
        train(tmp_path, resume=True)


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("here first")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(SystemExit, match="cannot be made: (File exists|Not a directory)"):
            train(folder)


def test_nan_is_never_best(tmp_path):
    run = train(tmp_path, figures=(math.nan, 2.0, math.nan))
    assert run.since_best() == 1


def test_the_figure_that_tells_the_best_must_be_logged(tmp_path):
    run = Run(tmp_path, {"model": nn.Linear(2, 2)}, best="valid", progress=False)
    for _ in run.epochs(1):
        with pytest.raises(KeyError, match="'valid'"):
            run.log(train=1.0)
        assert not run.history and not (tmp_path / "log.jsonl").exists()
        run.log(valid=1.0)


def test_an_epoch_must_be_logged(tmp_path):
    run = Run(tmp_path, {}, progress=False)
    with pytest.raises(RuntimeError, match="must end with log"):
        for _ in run.epochs(2):
            pass


def test_stop_ends_the_epochs(tmp_path):
    run = Run(tmp_path, {}, progress=False)
    for epoch in run.epochs(5):
        run.log(valid=float(epoch))
        if epoch == 2:
            run.stop()
    assert len(run.history) == 2
    assert list(Run(tmp_path, {}, resume=True, progress=False).epochs(5)) == []


def test_progress_is_printed(tmp_path, capsys):
    run = Run(tmp_path, {})
    for _ in run.epochs(1):
        list(run.steps([1, 2]))
        run.log(valid=1.0)
    assert capsys.readouterr().out.startswith("epoch 1  updates 2  valid 1  seconds")
