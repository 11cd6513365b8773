"""Reading text, splitting pairs, and tokens that can be put together again."""
import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyrnn.utils.data import Pieces, TextError, Words, read_columns, read_lines, read_parallel, split_by_hash


def test_files(tmp_path):
    plain, packed, byte_order = (tmp_path / name for name in ("a.txt", "a.gz", "bom.txt"))
    plain.write_bytes("Grüße \u2028 da \r\n\n x\n".encode())
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    byte_order.write_bytes("a\n\nb".encode("utf-8-sig"))
    assert read_lines(plain) == read_lines(str(packed)) == ["Grüße \u2028 da", "", "x"]
    assert read_parallel(plain, byte_order) == [("Grüße \u2028 da", "a"), ("", ""), ("x", "b")]
    with pytest.raises(FileNotFoundError):
        read_lines(tmp_path / "none.gz")
    with pytest.raises(TextError, match="is a folder"):
        read_lines(tmp_path)
    (tmp_path / "latin").write_bytes("Grüße".encode("latin1"))
    (tmp_path / "cut.gz").write_bytes(packed.read_bytes()[:-12])
    (tmp_path / "not.gz").write_text("plain")
    for name in "latin", "cut.gz", "not.gz":
        with pytest.raises(TextError, match=f"{name} is not UTF-8 text"):
            read_lines(tmp_path / name)
    (tmp_path / "long").write_text("1\n2\n3\n4\n")
    with pytest.raises(TextError, match="3 lines, .*long has 4"):
        read_parallel(plain, tmp_path / "long")


def test_columns(tmp_path):
    file = tmp_path / "pairs.tsv"
    file.write_text("Go.\tVa !\tattribution\nHi.\tSalut !\n")
    assert read_columns(file) == [("Go.", "Va !"), ("Hi.", "Salut !")]
    file.write_text("a\tb\nalone\n")
    with pytest.raises(TextError, match="line 2: expected two columns"):
        read_columns(file)


def test_no_source_sentence_is_in_two_parts():
    pairs = [(f"Sentence {i // 3}" if i % 2 else f"sentence {i // 3}", str(i)) for i in range(6000)]
    parts = split_by_hash(pairs, 0.1)
    assert sorted(sum(parts, [])) == sorted(pairs)
    train, valid, test = ({source.lower() for source, _ in part} for part in parts)
    assert not (train & valid or train & test or valid & test)
    assert 150 < len(valid) < 250 and 150 < len(test) < 250
    assert split_by_hash(pairs, 0.0) == (pairs, [], [])
    later = split_by_hash([("something new", "?"), *pairs], 0.1)
    assert all(set(part) <= set(grown) for part, grown in zip(parts, later, strict=True))    # old pairs stay in place


def test_words():
    words = Words()
    text = "Two MEN's t-shirts, e.g. the \"red\" one, cost 3 (or 4) Euros: why?"
    tokens = words.split(text)
    assert tokens == ["two", "men's", "t-shirts", ",", "e", ".", "g", ".", "the", '"', "red", '"', "one", ",", "cost",
                      "3", "(", "or", "4", ")", "euros", ":", "why", "?"]
    assert words.join(words.split("A man, in red.")) == "a man, in red."
    assert words.split(" ") == [] and words.join([]) == ""


@given(st.lists(st.text("abz.,!?'\"-() ", min_size=1, max_size=30), min_size=1, max_size=5))
def test_joined_words_score_as_the_text(lines):
    """What was split and joined is, for sacrebleu's tokenizer, the lower-cased text."""
    tokenizer = pytest.importorskip("sacrebleu.tokenizers.tokenizer_13a", reason="sacrebleu is not installed")
    words, cut = Words(), tokenizer.Tokenizer13a()
    for line in lines:
        assert cut(words.join(words.split(line))).split() == cut(line.lower()).split()


def test_pieces():
    pytest.importorskip("sentencepiece", reason="sentencepiece is not installed")
    texts = ["Ein kleiner Hund läuft.", "Kleine Hunde laufen, kleine Katzen auch."] * 3
    pieces = Pieces.learn(texts, 45)
    tokens = pieces.split("Kleine Hunde laufen.")
    assert len(tokens) > 4 and pieces.join(tokens) == "kleine hunde laufen."
    assert Pieces(pieces.model).split("Kleine Hunde laufen.") == tokens
    assert pieces.join(pieces.split("\N{SNOWMAN} hund")) == "\N{SNOWMAN} hund"
    assert pieces.model == Pieces.learn(texts, 45).model
    with pytest.raises(TextError, match="9999 pieces do not suit"):
        Pieces.learn(texts, 9999)
