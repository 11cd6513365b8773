"""Text for training: reading it, pairing it, and cutting it into tokens."""
import gzip
import io
import re
import zlib

from tinyrnn.utils.extras import optional

__all__ = ["Pieces", "TextError", "Words", "read_columns", "read_lines", "read_parallel", "split_by_hash"]

WORD = re.compile(r"[\w'’-]+|[^\w\s]")
ENDS = re.compile(r" (?=[.,;:!?](?: |$))")


class TextError(ValueError):
    """A text file that is not what it should be. The message names the file."""


# ---- files ----

def read_lines(path, ends=None):
    """The lines of a UTF-8 text file, without white space, or the characters ``ends``, at their ends.

    The path may end in ``.gz`` for a gzipped file; an open binary file does as well, and is closed.
    """
    opened = gzip.open if str(path).endswith(".gz") else open
    try:
        binary = path if hasattr(path, "read") else opened(path, "rb")
        with io.TextIOWrapper(binary, "utf-8-sig", newline="\n") as file:
            return [line.strip(ends) for line in file]
    except IsADirectoryError:
        raise TextError(f"{path} is a folder, not a text file") from None
    except (gzip.BadGzipFile, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise TextError(f"{path} is not UTF-8 text, plain or gzipped: {error}") from None


def read_parallel(source, target):
    """Pairs from two files: line n of one is the translation of line n of the other."""
    lines = read_lines(source), read_lines(target)
    if len(lines[0]) != len(lines[1]):
        raise TextError(f"{source} has {len(lines[0])} lines, {target} has {len(lines[1])}: they must be parallel")
    return list(zip(*lines, strict=True))


def read_columns(path):
    """Pairs from the first two columns of a file that is separated by tabs. Blank lines are left out."""
    pairs = []
    for number, line in enumerate(read_lines(path, "\r\n"), 1):
        row = line.split("\t")
        if len(row) > 1:
            pairs.append((row[0].strip(), row[1].strip()))
        elif line.strip():
            raise TextError(f"{path}, line {number}: expected two columns separated by a tab")
    return pairs


def split_by_hash(pairs, share):
    """Pairs for training, validation and test: the CRC-32 of the lower-cased source sentence decides which.

    ``share`` of the sentences goes into each of the two held-out sets; no source sentence is in two sets.
    """
    parts = [], [], []
    for pair in pairs:
        place = zlib.crc32(pair[0].lower().encode()) / 2**32
        parts[1 if place < share else 2 if place < 2 * share else 0].append(pair)
    return parts


# ---- tokens ----

class Words:
    """Lower-cased words and punctuation marks.

    ``split`` cuts where the tokenizer 13a of sacrebleu cuts, and ``join`` puts no space before a mark that ends a
    phrase: so a text that was split and joined has the BLEU of the lower-cased text.
    """

    def split(self, text):
        return WORD.findall(text.lower())

    def join(self, tokens):
        return ENDS.sub("", " ".join(tokens))


class Pieces:
    """Lower-cased pieces of words: byte-pair encoding (Sennrich et al. 2016, arXiv:1508.07909), with SentencePiece.

    ``Pieces.learn(texts, size)`` finds the pieces; ``model`` is what they are made from again, as bytes.
    """

    def __init__(self, model):
        self.model = model
        self.processor = optional("sentencepiece").SentencePieceProcessor(model_proto=model)

    @classmethod
    def learn(cls, texts, size):
        """``size`` pieces for these strings; raises TextError if there are too few or too many of them for that."""
        model, texts = io.BytesIO(), iter([text.lower() for text in texts])
        try:
            optional("sentencepiece").SentencePieceTrainer.train(
                sentence_iterator=texts, model_writer=model, model_type="bpe", vocab_size=size, character_coverage=1.0,
                minloglevel=2)
        except RuntimeError as error:
            raise TextError(f"{size} pieces do not suit these texts: {error}") from None
        return cls(model.getvalue())

    def split(self, text):
        return self.processor.encode(text.lower(), out_type=str)

    def join(self, tokens):
        return "".join(tokens).replace("\N{LOWER ONE EIGHTH BLOCK}", " ").strip()
