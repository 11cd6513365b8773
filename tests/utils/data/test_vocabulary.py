"""Vocabularies: numbers, and files that keep every token."""
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyrnn.utils.data import Vocabulary


def test_specials_come_first():
    words = Vocabulary(["a", "b"])
    assert (words.pad, words.unk, words.bos, words.eos) == (0, 1, 2, 3)
    assert list(words) == ["<pad>", "<unk>", "<bos>", "<eos>", "a", "b"]
    assert len(words) == 6
    assert words["b"] == 5
    assert words[5] == "b"
    assert "b" in words
    assert "c" not in words
    assert words == Vocabulary.from_tokens(["a", "b"])
    assert words != Vocabulary(["b", "a"])


def test_specials_may_be_renamed_or_left_out():
    words = Vocabulary("ab", pad="_", unk=None, bos=None, eos="$")
    assert list(words) == ["_", "$", "a", "b"]
    assert (words.pad, words.unk, words.bos, words.eos) == (0, None, None, 1)
    with pytest.raises(KeyError, match="'c' is unknown"):
        words.encode("abc")
    with pytest.raises(ValueError, match="no bos"):
        words.encode("ab", bos=True)


def test_encode_and_decode():
    words = Vocabulary(["a", "b"])
    assert words.encode(["b", "x", "a"]) == [5, 1, 4]
    assert words.encode("ab", bos=True, eos=True) == [2, 4, 5, 3]
    assert words.decode([2, 4, 1, 0, 5, 3, 4]) == ["a", "<unk>", "b"]
    assert words.decode([2, 4, 3, 4], stop_at_eos=False) == ["a", "a"]
    assert words.decode([2, 4, 3, 4], skip_specials=False) == ["<bos>", "a"]
    assert words.decode([2, 4, 3], stop_at_eos=False, skip_specials=False) == ["<bos>", "a", "<eos>"]
    assert words.decode(np.array([4, 5])) == ["a", "b"]
    for number in (6, -1):
        with pytest.raises(IndexError, match="outside 0 .. 5"):
            words.decode([number])


def test_frequent_tokens_first_ties_in_order():
    words = Vocabulary.from_iterable([["b", "c", "a"], ["c", "d", "<eos>"]])
    assert list(words)[4:] == ["c", "a", "b", "d"]
    assert list(Vocabulary.from_iterable(["cab", "c"], min_freq=2))[4:] == ["c"]
    assert list(Vocabulary.from_iterable(["cab", "c"], max_size=6))[4:] == ["c", "a"]
    assert list(Vocabulary.from_iterable(["cab"], max_size=2, unk=None, bos=None, eos=None)) == ["<pad>", "a"]
    with pytest.raises(ValueError, match="max_size=3"):
        Vocabulary.from_iterable(["cab"], max_size=3)


def test_bad_tokens_are_refused():
    with pytest.raises(ValueError, match="more than once: \\['a'\\]"):
        Vocabulary(["a", "b", "a"])
    with pytest.raises(ValueError, match="<pad>"):
        Vocabulary(["<pad>"])
    with pytest.raises(TypeError, match="3"):
        Vocabulary([3])


# ---- files ----

def test_the_file_is_one_token_a_line(tmp_path):
    Vocabulary(["a", " ", "\n", "\\", "\r", "é", "\\n"]).save(tmp_path / "v.txt")
    lines = (tmp_path / "v.txt").read_bytes().decode().split("\n")
    assert lines == ["<pad>", "<unk>", "<bos>", "<eos>", "a", " ", "\\n", "\\\\", "\\r", "é", "\\\\n", ""]
    assert os.listdir(tmp_path) == ["v.txt"]


TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=4)


@given(st.lists(TEXT, unique=True, max_size=20))
def test_any_tokens_come_back(tmp_path_factory, tokens):
    path = tmp_path_factory.getbasetemp() / "vocabulary.txt"
    words = Vocabulary(tokens)
    words.save(path)
    assert Vocabulary.load(path) == words


def test_every_awkward_character_comes_back(tmp_path):
    tokens = [chr(i) for i in range(0x300)] + ["\u2028", "\ufeff", "\ud800", "\udfff", "\U0001f600", "", "\\uD800"]
    words = Vocabulary(tokens, pad="\ufeff pad")
    words.save(tmp_path / "v.txt")
    assert Vocabulary.load(tmp_path / "v.txt", pad="\ufeff pad") == words


@pytest.mark.parametrize(("data", "match"), [
    (b"<pad>\n<unk>\n<bos>\n<eos>\na\nb\na\n", "more than once"),
    (b"<pad>\n<unk>\n<bos>\n<eos>\na\nb", "last line does not end"),
    (b"<pad>\n<unk>\n<eos>\n<bos>\na\n", "expected the specials"),
    (b"", "expected the specials"),
    (b"<pad>\n<unk>\n<bos>\n<eos>\n\xff\n", "UTF-8"),
    (b"<pad>\r\n<unk>\r\n<bos>\r\n<eos>\r\n", "line 1: a carriage return"),
    (b"<pad>\n<unk>\n<bos>\n<eos>\na\\t\n", "line 5: '\\\\\\\\t' means nothing"),
    (b"<pad>\n<unk>\n<bos>\n<eos>\na\\\n", "means nothing"),
    (b"<pad>\n<unk>\n<bos>\n<eos>\n\\u0041\n", "means nothing"),
])
def test_bad_files_are_refused(tmp_path, data, match):
    path = tmp_path / "v.txt"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=match) as error:
        Vocabulary.load(path)
    assert str(path) in str(error.value)
