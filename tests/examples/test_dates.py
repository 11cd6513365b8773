"""The date reader learns, stops at Ctrl-C, goes on bit for bit, and answers; on a model small enough for a test."""

import json

import numpy as np
import pytest

import tinyrnn

pytest.importorskip("babel", reason="Babel is not installed")
pytest.importorskip("tqdm", reason="tqdm is not installed")
pytest.importorskip("matplotlib", reason="matplotlib is not installed")


@pytest.fixture
def dates(load_example, monkeypatch):
    module = load_example("dates")
    for name, value in {"SIZE": 8, "BATCH": 4, "POOL": 2, "TESTED": 20, "EPOCH": 4}.items():
        monkeypatch.setattr(module, name, value)
    return module


def saved(folder):
    """The model and optimizer of a run, and its figures."""
    last = tinyrnn.load(folder / "last.npz")
    figures = [(line["updates"], line["loss"], line["held_out"]) for line in last["run"]["history"]]
    return last["model"] | {str(key): value["exp_avg_sq"] for key, value in last["optimizer"]["state"].items()}, figures


def test_training_lowers_the_loss(dates, tmp_path):
    dates.train(tmp_path, 40, False)
    losses = [loss for _, loss, _ in saved(tmp_path)[1]]
    assert len(losses) == 10 and np.mean(losses[-3:]) < 0.9 * np.mean(losses[:3])


def test_ctrl_c_saves_and_going_on_is_bit_for_bit(dates, tmp_path, interrupt):
    """Interrupted in the middle of a pool and of an epoch, and gone on with by the same command, six steps are six."""
    dates.train(tmp_path / "whole", 6, False)
    interrupt(dates, "update", 3)
    with pytest.raises(SystemExit, match="Stopped after 3 updates and saved; the same command with --resume goes on"):
        dates.train(tmp_path / "cut", 6, False)
    dates.train(tmp_path / "cut", 6, True)
    (whole, expected), (cut, figures) = saved(tmp_path / "whole"), saved(tmp_path / "cut")
    assert figures == expected and [updates for updates, _, _ in figures] == [4, 6]
    for (name, a), b in zip(whole.items(), cut.values(), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy(), err_msg=name)


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
    before = (tmp_path / "last.npz").read_bytes()
    for steps, resume, message in ((2, False, "is there already"), (3, True, "steps: 2 before, now 3")):
        with pytest.raises(SystemExit, match=message):
            dates.train(tmp_path, steps, resume)
    dates.train(tmp_path, 2, True)                          # all done: it is tested again
    assert capsys.readouterr().out.splitlines()[-1] == last
    assert (tmp_path / "last.npz").read_bytes() == before


def test_the_command(dates, tmp_path, capsys, monkeypatch):
    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["dates.py", "--folder", str(tmp_path), *arguments])
        dates.main()
    run("--steps", "1")
    assert json.loads((tmp_path / "config.json").read_text())["steps"] == 1
    run("1 May 1999")
    assert "1 May 1999" in capsys.readouterr().out
    for arguments, message in ((["1 May 1999", "--resume"], "belong to a training"), ([" "], "is empty"),
                               (["--steps", "0"], "--steps")):
        with pytest.raises(SystemExit):
            run(*arguments)
        assert message in capsys.readouterr().err
