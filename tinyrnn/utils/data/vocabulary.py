"""Vocabularies: the tokens of a text and their numbers."""
import re
from collections import Counter

from tinyrnn.io.atomic import replacing

__all__ = ["Vocabulary"]

SHORT = {"\\": "\\\\", "\n": "\\n", "\r": "\\r"}
LONG = {short: character for character, short in SHORT.items()}


class Vocabulary:
    """Tokens and their numbers, 0 to len - 1: specials first, then the tokens in the given order.

    The specials are padding, unknown, beginning and end of a sequence, in this order; their numbers are the
    attributes ``pad``, ``unk``, ``bos`` and ``eos``. A special set to None is left out, and its attribute is None.

        words = Vocabulary.from_iterable(text.split() for text in texts)
        words.encode(["a", "b"]);   words.decode([4, 5])
    """

    def __init__(self, tokens, *, pad="<pad>", unk="<unk>", bos="<bos>", eos="<eos>"):
        specials = [token for token in (pad, unk, bos, eos) if token is not None]
        self.tokens = specials + list(tokens)
        for token in self.tokens:
            if not isinstance(token, str):
                raise TypeError(f"Vocabulary: tokens are strings, not {token!r}")
        self.numbers = {token: i for i, token in enumerate(self.tokens)}
        if len(self.numbers) != len(self.tokens):
            twice = [token for token, count in Counter(self.tokens).items() if count > 1]
            raise ValueError(f"Vocabulary: tokens given more than once: {twice[:10]}")
        self.pad, self.unk, self.bos, self.eos = (self.numbers.get(token) for token in (pad, unk, bos, eos))

    @classmethod
    def from_tokens(cls, tokens, **specials):
        """The specials, then these tokens."""
        return cls(tokens, **specials)

    @classmethod
    def from_iterable(cls, sequences, *, min_freq=1, max_size=None, **specials):
        """The tokens that occur in the sequences (lists of tokens, or strings: their characters), frequent ones first.

        Ties go by the order of the tokens as strings. ``min_freq`` leaves out rarer tokens; ``max_size`` is the most
        that the vocabulary may hold, specials included.
        """
        counts = Counter()
        for sequence in sequences:
            counts.update(sequence)
        empty = cls((), **specials)
        tokens = sorted((token for token, count in counts.items() if count >= min_freq and token not in empty),
                        key=lambda token: (-counts[token], token))
        if max_size is not None:
            if max_size < len(empty):
                raise ValueError(f"Vocabulary: max_size={max_size} is smaller than the number of specials {len(empty)}")
            tokens = tokens[:max_size - len(empty)]
        return cls(tokens, **specials)

    def __len__(self):
        return len(self.tokens)

    def __iter__(self):
        return iter(self.tokens)

    def __contains__(self, token):
        return token in self.numbers

    def __getitem__(self, key):
        """The number of a token, or the token of a number."""
        if isinstance(key, str):
            return self._number(key)
        if not 0 <= key < len(self.tokens):
            raise IndexError(f"Vocabulary: number {key} is outside 0 .. {len(self.tokens) - 1}")
        return self.tokens[key]

    def __eq__(self, other):
        return (isinstance(other, Vocabulary) and self.tokens == other.tokens
                and (self.pad, self.unk, self.bos, self.eos) == (other.pad, other.unk, other.bos, other.eos))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self):
        return f"Vocabulary({len(self)} tokens)"

    def _number(self, token):
        number = self.numbers.get(token, self.unk)
        if number is None:
            raise KeyError(f"Vocabulary: {token!r} is unknown, and there is no token for unknown ones")
        return number

    def encode(self, tokens, *, bos=False, eos=False):
        """The numbers of tokens, with ``bos`` before and ``eos`` after them if wanted."""
        numbers = [self._number(token) for token in tokens]
        for wanted, name in (bos, "bos"), (eos, "eos"):
            if wanted and getattr(self, name) is None:
                raise ValueError(f"encode: this vocabulary has no {name}")
        return [self.bos] * bool(bos) + numbers + [self.eos] * bool(eos)

    def decode(self, numbers, *, stop_at_eos=True, skip_specials=True):
        """The tokens of numbers (ints, an array or a tensor), up to ``eos``, without padding, beginning and end.

        Unknown tokens stay visible. ``stop_at_eos=False`` goes on behind the end, ``skip_specials=False`` shows all.
        """
        tokens, hidden = [], {self.pad, self.bos, self.eos} if skip_specials else ()
        for number in numbers.tolist() if hasattr(numbers, "tolist") else numbers:
            if stop_at_eos and number == self.eos:
                break
            token = self[number]
            if number not in hidden:
                tokens.append(token)
        return tokens

    # ---- files ----

    def save(self, path):
        """Writes a UTF-8 text file with one token a line: the first line is number 0.

        Inside a token a line break, a carriage return and a backslash are written \\n, \\r and \\\\, half of a
        surrogate pair \\uD800. The file is complete or not there: it replaces an older one in one step.
        """
        text = "".join(escaped(token) + "\n" for token in self.tokens)
        with replacing(path) as file:
            file.write(text.encode())

    @classmethod
    def load(cls, path, *, pad="<pad>", unk="<unk>", bos="<bos>", eos="<eos>"):
        """Reads what ``save`` wrote; the specials must be those it was made with. Raises ValueError for other files."""
        with open(path, "rb") as file:
            data = file.read()
        try:
            lines = data.decode().split("\n")
        except UnicodeDecodeError as error:
            raise ValueError(f"{path}: not a UTF-8 text file: {error}") from None
        if lines.pop():
            raise ValueError(f"{path}: the last line does not end: the file is not complete")
        tokens = [unescaped(line, f"{path}, line {i}") for i, line in enumerate(lines, 1)]
        specials = [token for token in (pad, unk, bos, eos) if token is not None]
        if tokens[:len(specials)] != specials:
            raise ValueError(f"{path}: the first lines are {tokens[:len(specials)]}, expected the specials {specials}")
        try:
            return cls(tokens[len(specials):], pad=pad, unk=unk, bos=bos, eos=eos)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None


def escaped(token):
    return re.sub(r"[\\\n\r\ud800-\udfff]", lambda m: SHORT.get(m[0]) or f"\\u{ord(m[0]):04X}", token)


def unescaped(line, place):
    def character(match):
        text = match[0]
        if text in LONG:
            return LONG[text]
        if re.fullmatch(r"\\u[Dd][89A-Fa-f][0-9A-Fa-f]{2}", text):
            return chr(int(text[2:], 16))
        raise ValueError(f"{place}: {text!r} means nothing; a backslash is written twice")
    if "\r" in line:
        raise ValueError(f"{place}: a carriage return; lines must end with a line feed alone")
    return re.sub(r"\\u[0-9A-Fa-f]{4}|\\.?", character, line)
