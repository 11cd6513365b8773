"""The translator learns, stops at Ctrl-C, goes on bit for bit, translates and scores; small enough for a test."""

import gzip
import io
import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

import tinyrnn
from tinyrnn.utils.data import TextError, Words, read_columns, read_lines

pytest.importorskip("tqdm", reason="tqdm is not installed")
pytest.importorskip("matplotlib", reason="matplotlib is not installed")
ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("TINYRNN_DATA", ROOT.parent / "shared" / "data"))
TINY = ["--embedding", "8", "--hidden", "8", "--threads", "1", "--epochs", "2", "--min-count", "1"]
DIGITS = "null eins zwei drei vier fünf sechs sieben acht neun".split()
NUMBERS = "zero one two three four five six seven eight nine".split()


@pytest.fixture
def translate(load_example):
    return load_example("translate")


def sentences(n, seed=0):
    """Pairs that are translated word by word."""
    rng = np.random.default_rng(seed)
    rows = [rng.integers(0, 10, rng.integers(1, 5)) for _ in range(n)]
    return [(" ".join(DIGITS[i] for i in row) + ".", " ".join(NUMBERS[i] for i in row) + ".") for row in rows]


@pytest.fixture
def files(tmp_path):
    """The arguments that name the data: gzipped for training, plain for validation."""
    for name, pairs in ("train", sentences(256)), ("valid", sentences(16, 1)):
        for side, lines in zip(("src", "tgt"), zip(*pairs, strict=True), strict=True):
            text = "".join(line + "\n" for line in lines).encode()
            (tmp_path / f"{name}.{side}").write_bytes(text)
            (tmp_path / f"{name}.{side}.gz").write_bytes(gzip.compress(text))
    return ["--src", f"{tmp_path}/train.src.gz", "--tgt", f"{tmp_path}/train.tgt.gz",
            "--valid-src", f"{tmp_path}/valid.src", "--valid-tgt", f"{tmp_path}/valid.tgt"]


def read(translate, capsys, text, *arguments, monkeypatch):
    """What `translate` prints for a text on standard input."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode()), "ascii"))
    capsys.readouterr()
    translate.main(["translate", "--threads", "1", *map(str, arguments)])
    return capsys.readouterr().out.splitlines()


def test_it_learns_to_translate(translate, files, tmp_path, capsys, monkeypatch):
    run = tmp_path / "run"
    translate.main(["train", *files, *TINY, "--embedding", "32", "--hidden", "32", "--epochs", "8", "--lr", "0.01",
                    "--batch", "8", "--dropout", "0", "--schedule", "cosine", "--out", str(run)])
    pairs = sentences(20, 2)
    found = read(translate, capsys, "\n".join(source for source, _ in pairs), "--run", run, monkeypatch=monkeypatch)
    assert sum(one == target for one, (_, target) in zip(found, pairs, strict=True)) >= 16


def test_the_folder(translate, files, tmp_path):
    run = tmp_path / "run"
    translate.main(["train", *files, *TINY, "--batch", "8", "--epochs", "3", "--average", "2", "--out", str(run)])
    assert sorted(path.name for path in run.iterdir()) == [
        "average.npz", "best.npz", "config.json", "epoch-2.npz", "epoch-3.npz", "last.npz", "log.jsonl",
        "perplexity.png", "source.txt", "target.txt"]
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [list(line) for line in lines] == [["epoch", "updates", "train_ppl", "valid_ppl", "tokens_per_second",
                                               "gradient_norm", "seconds"]] * 3
    assert lines[-1]["valid_ppl"] < lines[0]["valid_ppl"]
    assert set(read_lines(run / "source.txt")[4:]) == {*DIGITS, "."}
    states = [tinyrnn.load(run / f"{name}.npz") for name in ("epoch-2", "epoch-3", "average")]
    for name, mean in states[2].items():
        np.testing.assert_allclose(mean.numpy(), (states[0][name].numpy() + states[1][name].numpy()) / 2, rtol=1e-6)
    model = translate.load_model(run, "last.npz")[0]
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), states[1][name].numpy())


OPTIONS = {
    "plain": ["--batch", "8"],
    "all": ["--schedule", "plateau", "--label-smoothing", "0.1", "--scheduled-sampling", "0.5", "--accumulate", "2",
            "--tie", "--cell", "lstm", "--layers", "2", "--batch-tokens", "28", "--no-attention"],
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_going_on_is_bit_for_bit(translate, files, tmp_path, interrupt, options):
    """Ctrl-C in the second epoch; what goes on from there ends where the other training ends."""
    command = ["train", *files, *TINY, *options]
    translate.main([*command, "--out", f"{tmp_path}/whole"])
    interrupt(translate, "update", 34)
    with pytest.raises(SystemExit, match="Stopped after 34 updates"):
        translate.main([*command, "--out", f"{tmp_path}/cut"])
    translate.main([*command, "--out", f"{tmp_path}/cut", "--resume"])
    for name in "best.npz", "average.npz", "epoch-2.npz":
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "cut" / name).read_bytes()
    logs = [[json.loads(line) for line in (tmp_path / run / "log.jsonl").read_text().splitlines()]
            for run in ("whole", "cut")]
    for whole, cut in zip(*logs, strict=True):
        for name in "valid_ppl", "train_ppl", "gradient_norm", "updates":
            assert whole[name] == cut[name]


def test_resume_refuses_other_data(translate, files, tmp_path):
    command = ["train", *files, *TINY, "--out", f"{tmp_path}/run"]
    translate.main(command)
    with pytest.raises(SystemExit, match="is there already"):
        translate.main(command)
    with (tmp_path / "valid.src").open("a") as source, (tmp_path / "valid.tgt").open("a") as target:
        source.write("neun\n")
        target.write("nine\n")
    with pytest.raises(SystemExit, match="data: "):
        translate.main([*command, "--resume"])


def test_patience_ends_the_training(translate, files, tmp_path):
    command = ["train", *files, *TINY, "--epochs", "9", "--lr", "0", "--patience", "2", "--out", f"{tmp_path}/run"]
    for resume in [], ["--resume"]:
        translate.main([*command, *resume])
        assert len(read_lines(tmp_path / "run" / "log.jsonl")) == 3


def test_accumulated_batches_are_one_batch(translate, files):
    """Two batches of 5 and 3 pairs move the parameters exactly as the 8 pairs do, but for rounding."""
    parser = translate.argparse.ArgumentParser()
    translate.add_training(parser)
    args = parser.parse_args([*files, *TINY, "--dropout", "0", "--label-smoothing", "0.1"])
    language, _, (data, _) = translate.prepare(args)
    gradients = []
    for places in [[range(5), range(5, 8)], [range(8)]]:
        tinyrnn.manual_seed(0)
        model = translate.new_model(language, vars(args)).to(tinyrnn.float64)
        optimizer = translate.optim.SGD(model.parameters(), lr=1.0)
        _, tokens, norm = translate.update(model, optimizer, [data[batch] for batch in places], 1.0, args)
        gradients.append([p.detach().numpy() for p in model.parameters()])
        assert tokens == sum(len(target) - 1 for _, target in data.pairs[:8]) and norm > 0
    for a, b in zip(*gradients, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


@pytest.fixture
def runs(translate, files, tmp_path):
    folders = [tmp_path / "run0", tmp_path / "run1"]
    for seed, folder in enumerate(folders):
        translate.main(["train", *files, *TINY, "--batch", "8", "--lr", "0.02", "--seed", str(seed),
                        "--out", str(folder)])
    return folders


def test_translating(translate, runs, tmp_path, capsys, monkeypatch):
    def lines(*arguments):
        return read(translate, capsys, text, *arguments, monkeypatch=monkeypatch)
    text = "Zwei neun.\n\nacht FÜNF\n"
    plain = lines("--run", runs[0])
    assert len(plain) == 3 and plain[1] == ""
    (tmp_path / "text").write_text(text)
    assert lines(tmp_path / "text", "--run", runs[0]) == plain
    scored = [line.split("\t") for line in lines("--run", runs[0], "--scores")]
    assert [[number, words] for number, _, words in scored] == [[str(i), line] for i, line in enumerate(plain, 1)]
    several = [line.split("\t") for line in lines("--run", runs[0], "--n-best", 3)]
    assert [number for number, *_ in several] == ["1"] * 3 + ["2"] + ["3"] * 3
    assert [float(score) for _, score, _ in several[:3]] == sorted((float(s) for _, s, _ in several[:3]), reverse=True)
    assert several[0] == scored[0]
    covered = lines("--run", runs[0], "--scores", "--length-penalty", 1, "--coverage-penalty", 0.2)
    assert covered[0] != scored[0]
    together = lines("--run", *runs, "--checkpoint", "best.npz", "average.npz", "--scores",
                     "--attention", tmp_path / "a.png")
    assert together[0].split("\t")[1] != scored[0][1]
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_unknown_words_are_copied(translate):
    target = translate.Vocabulary(["the"])
    looked = np.array([[0.1, 0.9, 0.0], [0.2, 0.3, 0.5]])
    one = translate.Hypothesis([target["the"], target.unk], -1.0, looked)
    assert translate.written(one, ["die", "nele"], target) == ["the", "nele"]       # the third is the end: no word
    assert translate.written(one, ["die", "nele"], target, keep_unknown=True) == ["the", "<unk>"]
    assert translate.written(one._replace(attention=None), ["die", "nele"], target) == ["the", "<unk>"]


def test_columns_and_pieces(translate, tmp_path, capsys, monkeypatch):
    """A file of pairs is split without a source sentence on two sides; pieces of words are put together again."""
    pytest.importorskip("sentencepiece", reason="sentencepiece is not installed")
    pairs, run = sentences(200), tmp_path / "run"
    (tmp_path / "pairs.tsv").write_text("".join(f"{a}\t{b}\tby somebody\n" for a, b in pairs))
    translate.main(["train", "--pairs", f"{tmp_path}/pairs.tsv", "--held-out", "0.2", "--bpe", "50", *TINY,
                    "--max-length", "12", "--out", str(run)])
    test = list(zip(read_lines(run / "test.src"), read_lines(run / "test.tgt"), strict=True))
    assert test and set(test) < set(pairs)
    found = read(translate, capsys, "Zwei neun.\n", "--run", run, monkeypatch=monkeypatch)
    assert len(found) == 1 and "▁" not in found[0]


def test_columns_that_are_empty(translate, tmp_path):
    """A line without a source is no pair of its other two columns; a blank line is none at all."""
    (tmp_path / "pairs.txt").write_text("\tBonjour\tCC-BY\nHi.\t Salut. \tCC-BY\n\n")
    assert read_columns(tmp_path / "pairs.txt") == [("", "Bonjour"), ("Hi.", "Salut.")]
    (tmp_path / "pairs.txt").write_text("Hi.\tSalut.\nGo.\n")
    with pytest.raises(TextError, match="line 2: expected two columns"):
        read_columns(tmp_path / "pairs.txt")


def test_what_a_run_that_was_cut_short_left_is_gone(translate, files, tmp_path):
    """Else words would be cut into its pieces."""
    (tmp_path / "run").mkdir()
    for name in ("bpe.model", "test.src", "test.tgt"):
        (tmp_path / "run" / name).write_text("old")
    translate.main(["train", *files, *TINY, "--epochs", "1", "--out", f"{tmp_path}/run"])
    assert not {"bpe.model", "test.src", "test.tgt"} & {path.name for path in (tmp_path / "run").iterdir()}


def test_a_damaged_model_is_said(translate, runs, tmp_path):
    best = runs[0] / "best.npz"
    best.write_bytes(best.read_bytes()[:-100])
    with pytest.raises(SystemExit, match=r"best.npz"):
        translate.main(["translate", "--run", str(runs[0])])


def test_scoring(translate, tmp_path, capsys):
    pytest.importorskip("sacrebleu", reason="sacrebleu is not installed")
    for name, text in ("hyp", "the cat is on the mat.\n"), ("ref", "The cat is on a mat.\n"), ("long", "a\nb\n"):
        (tmp_path / name).write_text(text)
    command = ["score", "--hyp", f"{tmp_path}/hyp", "--ref"]
    translate.main([*command, f"{tmp_path}/ref"])
    lower = capsys.readouterr().out.splitlines()
    assert lower[0].startswith("BLEU = 48.89") and "case:lc" in lower[1] and "tok:13a" in lower[1]
    assert lower[2].startswith("chrF2 = ") and "case:lc" in lower[3]
    translate.main([*command, f"{tmp_path}/ref", "--cased"])
    assert "case:mixed" in capsys.readouterr().out
    translate.main([*command, f"{tmp_path}/ref", f"{tmp_path}/hyp"])
    assert capsys.readouterr().out.startswith("BLEU = 100.00")
    with pytest.raises(SystemExit, match="hyp has 1 lines, .*long has 2"):
        translate.main([*command, f"{tmp_path}/long"])


@pytest.mark.parametrize("arguments, message", [
    (["train", "--src", "nowhere.de", "--tgt", "nowhere.en"], r"nowhere.de is not there.*github.com/multi30k"),
    (["train", "--pairs", "nowhere.txt"], r"nowhere.txt is not there.*manythings.org/anki"),
    (["train", "--src", "a"], "--src and --tgt belong together"),
    (["train", "--pairs", "a", "--valid-src", "b"], "--valid-src and --valid-tgt"),
    (["train", "--pairs", "a", "--tie", "--hidden", "8"], "--tie needs"),
    (["translate", "--run", "nowhere"], "best.npz is not there: train first"),
    (["translate", "--beam", "2", "--n-best", "3"], "--n-best 3 needs"),
    (["score", "--hyp", "nowhere", "--ref", "nowhere"], "nowhere is not there"),
])
def test_what_cannot_be_done(translate, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=message):
        translate.main(arguments)


@pytest.mark.parametrize("arguments", [["--batch", "0"], ["--dropout", "1"], ["--batch", "4", "--batch-tokens", "50"],
                                       ["--src", "a"], ["--lr", "-1"], ["--cell", "rnn"]], ids=" ".join)
def test_wrong_options(translate, capsys, arguments):
    with pytest.raises(SystemExit):
        translate.main(["train", "--pairs", "a", *arguments])
    assert arguments[0] in capsys.readouterr().err


def test_what_does_not_fit_the_data(translate, files, runs, tmp_path, capsys, monkeypatch):
    for options, message in (["--max-length", "1"], "no pairs for training"), (["--bpe", "9999"], "9999 pieces"), \
                            (["--batch-tokens", "3"], "too small for a sentence of 7 tokens"):
        with pytest.raises(SystemExit, match=message):
            translate.main(["train", *files, *TINY, *options, "--out", f"{tmp_path}/other"])
    (runs[1] / "target.txt").write_text((runs[1] / "target.txt").read_text().replace("nine", "ten"))
    with pytest.raises(SystemExit, match="different vocabularies"):
        read(translate, capsys, "acht", "--run", *runs, monkeypatch=monkeypatch)
    translate.main(["train", *files, *TINY, "--no-attention", "--out", f"{tmp_path}/blind"])
    with pytest.raises(SystemExit, match="need a model with attention"):
        read(translate, capsys, "acht", "--run", tmp_path / "blind", "--coverage-penalty", 1, monkeypatch=monkeypatch)


# --- The real files ---------------------------------------------------------------------------------------------------


def real(*names):
    for name in names:
        if not (DATA / name).exists():
            pytest.skip(f"{name} is not there: set TINYRNN_DATA to the folder of the data")
    return [DATA / name for name in names]


def test_multi30k_as_words_has_the_bleu_of_the_text():
    bleu = pytest.importorskip("sacrebleu", reason="sacrebleu is not installed").metrics.BLEU(lowercase=True)
    lines, words = read_lines(*real("multi30k/test_2016_flickr.en.gz")), Words()
    assert bleu.corpus_score([words.join(words.split(line)) for line in lines], [lines]).score == pytest.approx(100)


def test_multi30k_and_tatoeba_are_read(translate, tmp_path):
    source, target, columns = map(str, real("multi30k/val.de.gz", "multi30k/val.en.gz", "tatoeba/fra-eng.zip"))
    small = tmp_path / "fra.txt"
    small.write_bytes(b"".join(zipfile.ZipFile(columns).open("fra-eng/fra.txt").readlines()[:3000]))
    parallel = ["--src", source, "--tgt", target, "--valid-src", source, "--valid-tgt", target]
    for data in ["--pairs", str(small), "--max-length", "10"], parallel:
        run = tmp_path / f"run{len(data)}"
        translate.main(["train", *data, *TINY, "--batch", "64", "--epochs", "1", "--out", str(run)])
        assert 1 < json.loads((run / "log.jsonl").read_text())["valid_ppl"] < 5000
    held_out = set(zip(*map(read_lines, (tmp_path / "run4" / "test.src", tmp_path / "run4" / "test.tgt")), strict=True))
    assert held_out and held_out < set(translate.read_columns(small))
