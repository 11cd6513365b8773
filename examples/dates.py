"""Read dates that people write in many languages, and answer in ISO 8601: `21 marraskuuta 2026` -> `2026-11-21`.

The dates are written with the locale data of Unicode's CLDR, which Babel carries: every date format of 26 locales, in
nine scripts and four sets of digits. Dates are tested in years that never occur in training.

    python examples/dates.py                                        train (Ctrl-C saves; go on with --resume)
    python examples/dates.py "21 marraskuuta 2026" "20/11/2026"     read dates with the trained model
"""

import argparse
import datetime
import random
import re
import unicodedata
import zlib
from collections import Counter
from functools import cache, lru_cache
from itertools import product
from pathlib import Path
from typing import NamedTuple

import tinyrnn
from tinyrnn import optim
from tinyrnn.nn import Seq2Seq
from tinyrnn.nn.utils import clip_grad_norm_
from tinyrnn.nn.utils.rnn import pad_sequence
from tinyrnn.utils.arguments import positive
from tinyrnn.utils.data import Vocabulary
from tinyrnn.utils.extras import optional
from tinyrnn.utils.plots import draw_attention
from tinyrnn.utils.training import Run, options_of

# --- The data: dates as people write them ----------------------------------------------------------------------------

LOCALES = (
    "ar", "ar_EG", "bn", "cs", "de", "el", "en_GB", "en_US", "es", "fi", "fr", "he", "hi",
    "hr", "it", "ja", "ko", "mr", "nl", "pl", "pt", "ru", "sv", "tr", "uk", "zh",
)  # fmt: skip
DIGITS = {"latn": "0123456789", "arab": "٠١٢٣٤٥٦٧٨٩", "beng": "০১২৩৪৫৬৭৮৯", "deva": "०१२३४५६७८९"}
CASES = (str, str.lower, str.title, str.upper)  # str leaves the text as CLDR has it
CARELESS = 0.25  # the share of dates without STOPS, as in `21 marraskuuta 2026`
YEARS = range(1900, 2100)
NOTHING, YEAR, MONTH, DAY, WEEKDAY = range(5)  # the parts of a date that a piece of text may depend on

BIDI_MARKS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
NUMBER = re.compile(r"\d+")
STOPS = re.compile(r"[,،]|(?<!\d)\.|\.(?!\s*\d)")  # commas, and full stops except between two numbers


def normalise(text: str) -> str:
    """One spelling for what looks the same: NFKC, no invisible direction marks, single plain spaces."""
    return " ".join(BIDI_MARKS.sub("", unicodedata.normalize("NFKC", text)).split())


class Format(NamedTuple):
    """A date pattern of a locale, compiled: each piece is (part, table), and writes the table's entry for that part."""

    locale: str
    pattern: str
    pieces: tuple

    def write(self, date: datetime.date) -> str:
        """The date in this format, exactly as CLDR has it."""
        parts = (None, date.year, date.month, date.day, date.weekday())
        return "".join([table[parts[part]] for part, table in self.pieces])


def compile_field(locale, letter: str, width: int) -> tuple:
    """The piece that writes one field of a CLDR pattern: Finnish `MMMM` is (MONTH, {1: "tammikuuta", ...}).

    Letters and widths are those of Unicode Technical Standard 35, part 4, "Date Field Symbol Table".
    """
    dates = optional("babel.dates")
    style = {4: "wide", 5: "narrow"}.get(width, "abbreviated")
    context = "stand-alone" if letter in "Lc" else "format"
    if letter == "G":
        return NOTHING, {None: dates.get_era_names(style, locale)[1]}
    if letter in "Ec":
        return WEEKDAY, dict(dates.get_day_names(style, context, locale))
    if letter in "ML" and width > 2:
        return MONTH, dict(dates.get_month_names(style, context, locale))
    digits = str.maketrans(DIGITS["latn"], DIGITS[locale.default_numbering_system])
    if letter == "y":
        return YEAR, {year: str(year)[-2 if width == 2 else 0 :].translate(digits) for year in YEARS}
    part = {"M": MONTH, "L": MONTH, "d": DAY}[letter]
    return part, {number: f"{number:0{width}}".translate(digits) for number in range(1, 32)}


@cache
def formats() -> tuple[Format, ...]:
    """CLDR's short, medium, long and full format of every locale, and all its skeletons with year, month and day.

    Left out is what names a year by its weeks (`Y`): CLDR 48 has one such German format, by mistake.
    """
    Locale, dates = optional("babel").Locale, optional("babel.dates")
    compiled = {}
    for locale in map(Locale.parse, LOCALES):
        chosen = [p for name, p in locale.datetime_skeletons.items() if set("yMd") <= set(name) <= set("GyMEcd")]
        for pattern in (p.pattern for p in (*locale.date_formats.values(), *chosen)):
            tokens = dates.tokenize_pattern(pattern)
            if any(kind == "field" and value[0] == "Y" for kind, value in tokens):
                continue
            pieces = [
                (NOTHING, {None: value}) if kind == "chars" else compile_field(locale, *value)
                for kind, value in tokens
            ]
            compiled[str(locale), pattern] = Format(str(locale), pattern, tuple(pieces))
    return tuple(compiled.values())


@cache
def wordings() -> tuple[tuple[str, int], ...]:
    """Everything the formats can say but the numbers, as (written, month): each month, weekday, format and case.

    Seven days in a row, whose day and year cannot be taken for anything else, show every weekday of a month.
    """
    choices = product(range(1, 13), range(13, 20), formats(), CASES)
    return tuple((normalise(case(form.write(datetime.date(1999, m, d)))), m) for m, d, form, case in choices)


def alphabet() -> list[str]:
    """The characters that dates are written with, sorted."""
    return sorted(set().union(*DIGITS.values(), *(written for written, _ in wordings())))


def longest() -> int:
    """The number of characters of the longest written date."""
    return max(len(written) for written, _ in wordings())


def shape(written: str) -> str:
    """What a date says besides its numbers: both `21. marraskuuta 2026` and `1 MARRASKUUTA 1999` are `NmarraskuutaN`.

    Case, leading zeros, spaces and STOPS do not count, because people are careless with them.
    """
    return "".join(NUMBER.sub("N", STOPS.sub("", written.casefold())).split())


@cache
def meanings() -> dict[str, set]:
    """For each shape, what its numbers can be in any format of any locale: {"NmarraskuutaN": {("dy", 11)}, ...}.

    A meaning is the order of year, month and day among the numbers, and the month if it is a word, else 0.
    """
    found = {}
    for written, month in wordings():
        field = {1999: "y", 99: "y", month: "m"}
        order = "".join(field.get(int(number), "d") for number in NUMBER.findall(written))
        found.setdefault(shape(written), set()).add((order, 0 if "m" in order else month))
    return found


def readings(written: str) -> set[datetime.date]:
    """Every date that a normalised text can stand for in any format of any locale.

    A weekday rules no reading out: nobody knows the calendar by heart. A year of two digits is of either century.
    """
    found = set()
    numbers = NUMBER.findall(written)
    for order, month in meanings().get(shape(written), ()):
        year, day = numbers[order.index("y")], numbers[order.index("d")]
        for century in (1900, 2000) if len(year) <= 2 else (0,):
            try:
                found.add(datetime.date(century + int(year), month or int(numbers[order.index("m")]), int(day)))
            except (ValueError, OverflowError):  # there is no such day
                continue
    return found


@cache
def split_dates(split: str) -> tuple[datetime.date, ...]:
    """All dates of "train", "validation" or "test". By a hash, whole years are held out: about one in ten for each."""
    buckets = {"validation": (0,), "test": (1,), "train": range(2, 10)}[split]
    first, end = (datetime.date(year, 1, 1).toordinal() for year in (YEARS.start, YEARS.stop))
    days = map(datetime.date.fromordinal, range(first, end))
    return tuple(day for day in days if zlib.crc32(b"%d" % day.year) % 10 in buckets)


def corpus(seed: int, n: int, split: str = "train") -> list[tuple[str, str]]:
    """`n` random pairs (written, ISO 8601): evenly any locale, format, date and case, and nothing ambiguous."""
    rng = random.Random(seed)
    formats_of = Counter(form.locale for form in formats())
    weights = [1 / formats_of[form.locale] for form in formats()]
    pairs = []
    while missing := n - len(pairs):
        forms = rng.choices(formats(), weights, k=missing)
        dates = rng.choices(split_dates(split), k=missing)
        for form, date, case in zip(forms, dates, rng.choices(CASES, k=missing), strict=True):
            written = case(form.write(date))
            if rng.random() < CARELESS:
                written = STOPS.sub("", written)
            written = normalise(written)
            if len(readings(written)) == 1:
                pairs.append((written, date.isoformat()))
    return pairs


# --- The model: what it reads and writes ------------------------------------------------------------------------------

SIZE = 96  # features of the embeddings, of both directions of the encoder, and of the decoder
BATCH = 64
POOL = 64  # batches that are drawn together, so that each can hold dates of similar length
STEPS = 1500
EPOCH = 500  # updates between two looks at held-out dates
ISO_LENGTH = 10
TESTED = 5000  # held-out dates in the last figure


def new_model(source, target):
    """Bahdanau et al. 2015: a bidirectional GRU reads, additive attention looks, a GRU writes."""
    return Seq2Seq.build(len(source), len(target), SIZE // 2, SIZE, cell="gru", bos=target.bos, eos=target.eos)


def tokens(vocabulary, texts, ends=False):
    """Texts as one padded tensor of character ids (B, S), and their lengths."""
    rows = [vocabulary.encode(text) for text in texts]
    if ends:
        rows = [[vocabulary.bos, *row, vocabulary.eos] for row in rows]
    return pad_sequence([tinyrnn.tensor(row) for row in rows], batch_first=True), [len(row) for row in rows]


def answer(model, source, target, texts):
    """What the model reads in each text, as (ISO date, attention of every character written)."""
    ids, lengths = tokens(source, texts)
    best = model.greedy(ids, lengths, max_length=ISO_LENGTH + 1)
    return [("".join(target.decode(one.tokens)), one.attention) for one in best]


def exact_match(model, source, target, pairs):
    """The share of dates that are answered without a mistake."""
    model.eval()
    pairs = sorted(pairs, key=lambda pair: len(pair[0]))
    right = 0
    for batch in (pairs[i : i + 4 * BATCH] for i in range(0, len(pairs), 4 * BATCH)):
        written, iso = zip(*batch, strict=True)
        right += sum(one == true for (one, _), true in zip(answer(model, source, target, written), iso, strict=True))
    model.train()
    return right / len(pairs)


# --- Training ---------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def pool(index):
    """The batches of one pool, in random order: the same for the same index, wherever training was interrupted."""
    pairs = sorted(corpus(seed=index, n=POOL * BATCH), key=lambda pair: len(pair[0]))
    batches = [pairs[i : i + BATCH] for i in range(0, len(pairs), BATCH)]
    random.Random(index).shuffle(batches)
    return batches


def update(model, optimizer, vocabularies, pairs):
    """One update on a batch; returns the loss a character."""
    written, iso = zip(*pairs, strict=True)
    source, lengths = tokens(vocabularies["source"], written)
    target, _ = tokens(vocabularies["target"], iso, ends=True)
    optimizer.zero_grad()
    loss = model.loss(source, target, lengths)
    loss.backward()
    clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return loss.item()


def train(folder, steps, resume):
    """Trains, with a look at held-out dates every EPOCH updates; then tests on years never seen."""
    tinyrnn.manual_seed(0)
    characters = {"source": alphabet(), "target": sorted(DIGITS["latn"] + "-")}
    vocabularies = {name: Vocabulary(known) for name, known in characters.items()}
    model = new_model(**vocabularies)
    optimizer = optim.Adam(model.parameters(), lr=2e-3)
    schedule = optim.lr_scheduler.OneCycleLR(optimizer, max_lr=6e-3, total_steps=steps, pct_start=0.1)
    parts = {"model": model, "optimizer": optimizer, "schedule": schedule}
    run = Run(folder, parts, {"steps": steps, **characters}, resume)
    held_out = corpus(seed=0, n=TESTED // 10, split="validation")
    for epoch in run.epochs(-(-steps // EPOCH)):
        for step in run.steps(range((epoch - 1) * EPOCH, min(epoch * EPOCH, steps))):
            loss = update(model, optimizer, vocabularies, pool(step // POOL)[step % POOL])
            schedule.step()
        run.log(loss=loss, held_out=exact_match(model, **vocabularies, pairs=held_out))
    test = corpus(seed=1, n=TESTED, split="test")
    draw_examples(model, vocabularies, test, folder / "attention.png")
    print(f"{len(test)} dates of {len({iso[:4] for _, iso in test})} years that never occur in training")
    print(f"exact match: {100 * exact_match(model, **vocabularies, pairs=test):.1f} %")


def is_written_in(script, text):
    letters = [unicodedata.name(character) for character in text if character.isalpha()]
    return len(letters) > 3 and all(name.startswith(script) for name in letters)


def draw_examples(model, vocabularies, test, path):
    """A picture of where the model looked, for a few dates in the scripts that matplotlib's own font can show."""
    found = [[text for text, _ in test if is_written_in(script, text)] for script in ("LATIN", "GREEK", "CYRILLIC")]
    examples = [texts[0] for texts in found if texts] + ["21 marraskuuta 2026", "vendredi 20 novembre 2026"]
    answers = [answer(model, **vocabularies, texts=[text])[0] for text in examples]
    draw_attention(path, [(text, iso, looked) for text, (iso, looked) in zip(examples, answers, strict=True)])


def read_dates(folder, texts):
    """Answers from the checkpoint; Babel is not needed for that."""
    config = options_of(folder, "source", "target", checkpoint="last.npz")
    vocabularies = {name: Vocabulary(config[name]) for name in ("source", "target")}
    model = new_model(**vocabularies)
    model.load_state_dict(tinyrnn.load(folder / "last.npz")["model"])
    model.eval()
    answers = answer(model, **vocabularies, texts=[normalise(text) for text in texts])
    for text, (iso, _) in zip(texts, answers, strict=True):
        print(f"{iso}  {text}")


def main():
    parser = argparse.ArgumentParser(description="Learn to read dates in many languages, or read some.")
    parser.add_argument("dates", nargs="*", help="dates to read with the trained model; without any, train it")
    parser.add_argument("--folder", type=Path, default=Path("runs/dates"), help="the folder of the run")
    parser.add_argument("--steps", type=positive, help=f"updates to train for (default {STEPS})")
    parser.add_argument("--resume", action="store_true", help="go on with the training that was interrupted")
    arguments = parser.parse_args()
    if not all(map(str.strip, arguments.dates)):
        parser.error("a date to read is empty")
    if arguments.dates and (arguments.steps or arguments.resume):
        parser.error("--steps and --resume belong to a training, not to dates to read")
    if arguments.dates:
        read_dates(arguments.folder, arguments.dates)
    else:
        train(arguments.folder, arguments.steps or STEPS, arguments.resume)


if __name__ == "__main__":
    main()
