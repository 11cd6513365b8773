"""The character language model learns, goes on bit for bit, and writes; on a text and a model of a few seconds."""
import gzip
import os
import random
from pathlib import Path

import numpy as np
import pytest

import tinyrnn

pytest.importorskip("tqdm", reason="tqdm is not installed")
pytest.importorskip("matplotlib", reason="matplotlib is not installed")
ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("TINYRNN_DATA", ROOT.parent / "shared" / "data")) / "text" / "tinyshakespeare.txt.gz"
SMALL = ["--size", "16", "--steps", "10", "--batch", "4", "--epochs", "2", "--threads", "1", "--lr", "0.01"]


@pytest.fixture(scope="module")
def char_lm(load_example):
    return load_example("char_lm")


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """Words that repeat, in a gzip file."""
    rng = random.Random(0)
    path = tmp_path_factory.mktemp("text") / "text.txt.gz"
    path.write_bytes(gzip.compress(" ".join(rng.choice(("Katze", "läuft", "sieht\n")) for _ in range(400)).encode()))
    return path


def train(char_lm, text, out, *options):
    char_lm.main(["train", "--text", str(text), "--out", str(out), *SMALL, *options])


def results(folder):
    saved = tinyrnn.load(folder / "last.npz")
    return saved["model"] | saved["norms"], [line["valid_bits"] for line in saved["run"]["history"]]


@pytest.mark.parametrize("unit", ["gru", "lstm"])
def test_it_learns_and_writes(char_lm, text, tmp_path, capsys, unit):
    train(char_lm, text, tmp_path, "--unit", unit, "--watch", "--epochs", "6", "--dropout", "0.1")
    assert results(tmp_path)[1][-1] < 2.5                   # log2 of the 15 characters is 3.9
    assert "bits per character: valid " in capsys.readouterr().out
    for picture in ("bits.png", "gradients.png", "memory.png"):
        assert (tmp_path / picture).read_bytes().startswith(b"\x89PNG")
    written = []
    for _ in range(2):
        char_lm.main(["sample", "--run", str(tmp_path), "--prime", "Katze ", "-n", "30", "--temperature", "0.5"])
        written.append(capsys.readouterr().out)
    assert written[0] == written[1] and written[0].startswith("Katze ") and len(written[0]) == 6 + 30 + 1
    with pytest.raises(SystemExit, match="unknown: 'XY'"):
        char_lm.main(["sample", "--run", str(tmp_path), "--prime", "XY"])
    for wrong in ("0", "nan", "inf"):
        with pytest.raises(SystemExit):
            char_lm.main(["sample", "--run", str(tmp_path), "--temperature", wrong])
        assert "--temperature: must be a number above 0" in capsys.readouterr().err


@pytest.fixture(scope="module")
def whole(char_lm, text, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    train(char_lm, text, folder, "--unit", "lstm", "--watch")
    return results(folder)


@pytest.mark.parametrize("number", [3, 37])                 # inside the first epoch, where a state is carried
def test_going_on_is_bit_for_bit(char_lm, text, whole, tmp_path, interrupt, number):
    interrupt(char_lm, "update", number)
    with pytest.raises(SystemExit, match=f"Stopped after {number} updates"):
        train(char_lm, text, tmp_path, "--unit", "lstm", "--watch")
    train(char_lm, text, tmp_path, "--unit", "lstm", "--watch", "--resume")
    cut, bits = results(tmp_path)
    assert bits == whole[1]
    for name, a in whole[0].items():
        np.testing.assert_array_equal(np.asarray(a), np.asarray(cut[name]), err_msg=name)


def test_resume_refuses_other_text(char_lm, text, tmp_path):
    (tmp_path / "text").write_bytes(gzip.decompress(text.read_bytes()))
    train(char_lm, tmp_path / "text", tmp_path / "run")
    (tmp_path / "text").write_text((tmp_path / "text").read_text()[::-1])
    with pytest.raises(SystemExit, match="data: "):
        train(char_lm, tmp_path / "text", tmp_path / "run", "--resume")


def test_a_step_is_the_layer(char_lm):
    """What writes, a step at a time, has the bits of what was trained."""
    model = char_lm.CharLM(7, size=16, dropout=0.0).eval()
    x = tinyrnn.randint(0, 7, (12, 3))
    scores, _ = model(x)
    state = None
    for t in range(12):
        one, state = model.step(x[t], state)
        np.testing.assert_array_equal(one.numpy(), scores[t].detach().numpy())


def test_what_is_missing_or_wrong_is_said(char_lm, tmp_path):
    with pytest.raises(SystemExit, match="tiny Shakespeare is at https://github.com/karpathy/char-rnn"):
        train(char_lm, tmp_path / "none.txt", tmp_path)
    for content, message in ((b"\xff\xfe\xfa", "no text in UTF-8"), (b"\x1f\x8b\x08rest", "no text in UTF-8"),
                             (b"short", "5 characters: too few")):
        (tmp_path / "text.txt").write_bytes(content)
        with pytest.raises(SystemExit, match=message):
            train(char_lm, tmp_path / "text.txt", tmp_path)
    with pytest.raises(SystemExit, match="best.npz is not there: train first"):
        char_lm.main(["sample", "--run", str(tmp_path)])
    (tmp_path / "best.npz").touch()
    (tmp_path / "config.json").write_text('{"unit": "gru", "size": 8}')
    with pytest.raises(SystemExit, match="is the run of another program: it has no characters, layers"):
        char_lm.main(["sample", "--run", str(tmp_path)])


def test_tiny_shakespeare(char_lm):
    if not DATA.exists():
        pytest.skip(f"{DATA} is not there")
    text = char_lm.read_text(DATA)
    assert len(text) == 1_115_394 and len(set(text)) == 65
    assert [len(part) for part in char_lm.split(text)] == [1_003_854, 55_770, 55_770]
