"""Read dates that people write in many languages, and answer in ISO 8601: `21 marraskuuta 2026` -> `2026-11-21`.

The dates are written with the locale data of Unicode's CLDR, which Babel carries: every date format of 26 locales, in
nine scripts and four sets of digits. Dates are tested in years that never occur in training.
"""

import datetime
import random
import re
import unicodedata
import zlib
from collections import Counter
from functools import cache
from itertools import product
from typing import NamedTuple

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
    from babel import dates

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
    """CLDR's short, medium, long and full format of every locale, and all its skeletons with year, month and day."""
    try:
        from babel import Locale, dates
    except ImportError as error:
        raise ImportError("the dates come from Babel's locale data: pip install 'tinyrnn[examples]'") from error
    compiled = {}
    for locale in map(Locale.parse, LOCALES):
        chosen = [p for name, p in locale.datetime_skeletons.items() if set("yMd") <= set(name) <= set("GyMEcd")]
        for pattern in (p.pattern for p in (*locale.date_formats.values(), *chosen)):
            pieces = [
                (NOTHING, {None: value}) if kind == "chars" else compile_field(locale, *value)
                for kind, value in dates.tokenize_pattern(pattern)
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


def is_ambiguous(written: str) -> bool:
    """Whether the same text can mean several dates: 03/04/05 and 1/2/2030 can, 13/2/2030 cannot."""
    return len(readings(normalise(written))) > 1


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


if __name__ == "__main__":
    for written, iso in corpus(seed=0, n=30, split="test"):
        print(iso, "", written)
