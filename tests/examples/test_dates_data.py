"""The data of examples/dates.py: written as CLDR has it, and never a text that could mean two dates."""

import datetime
import random
import subprocess
import sys
import unicodedata
from collections import Counter, defaultdict
from pathlib import Path

import pytest

pytest.importorskip("babel", reason="the dates come from Babel's locale data")
from babel.dates import format_date  # noqa: E402

EXAMPLE = Path(__file__).parents[2] / "examples" / "dates.py"
SPLITS = ("train", "validation", "test")
ASCII = {ord(digit): str(unicodedata.digit(digit)) for digit in "٠١٢٣٤٥٦٧٨٩০১২৩৪৫৬৭৮৯०१२३४५६७८९"}


@pytest.fixture(scope="module")
def data(load_example):
    return load_example("dates")


@pytest.fixture(scope="module")
def sample(data):
    """200,000 pairs of all splits together."""
    counts = {"train": 160_000, "validation": 20_000, "test": 20_000}
    return [pair for split, n in counts.items() for pair in data.corpus(7, n, split)]


def dates_of(data, written):
    return {date.isoformat() for date in data.readings(data.normalise(written))}


def test_every_format_writes_what_babel_writes(data):
    rng = random.Random(0)
    days = [date for split in SPLITS for date in data.split_dates(split)]
    for form in data.formats():
        for date in [*rng.sample(days, 20), datetime.date(1900, 1, 1), datetime.date(2099, 12, 31)]:
            expected = format_date(date, form.pattern, form.locale)
            assert form.write(date).translate(ASCII) == expected, (form.locale, form.pattern)


def test_native_digits_are_used_where_cldr_says_so(data):
    script = {"ar_EG": "ARABIC-INDIC", "bn": "BENGALI", "mr": "DEVANAGARI"}
    for form in data.formats():
        digits = [c for c in form.write(datetime.date(2046, 11, 28)) if c.isdigit()]
        names = {unicodedata.name(c).rpartition("DIGIT")[0].strip() for c in digits}
        assert names == {script.get(form.locale, "")}, form.locale
    for digits in data.DIGITS.values():
        assert [unicodedata.digit(c) for c in digits] == list(range(10))


def test_locales_and_formats(data):
    assert len(data.LOCALES) >= 20
    assert {"en_US", "en_GB", "ko", "fi", "fr", "de", "ja", "ar", "hi", "es"} <= set(data.LOCALES)
    christmas = datetime.date(2030, 12, 25)
    usable = [form for form in data.formats() if data.readings(data.normalise(form.write(christmas))) == {christmas}]
    readable = Counter(form.locale for form in usable)
    assert set(readable) == set(data.LOCALES)
    assert min(readable.values()) >= 4
    assert len(data.formats()) == len({(form.locale, form.pattern) for form in data.formats()})


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("21 marraskuuta 2026", "2026-11-21"),
        ("21. MARRASKUUTA 2026", "2026-11-21"),
        ("vendredi 20 novembre 2026", "2026-11-20"),
        ("November 20 2026", "2026-11-20"),
        ("Fri, Nov 20, 2026", "2026-11-20"),
        ("2026년 11월 20일 금요일", "2026-11-20"),
        ("2026年11月20日", "2026-11-20"),
        ("２０２６年１１月２０日", "2026-11-20"),  # full-width
        ("٢٠ نوفمبر ٢٠٢٦", "2026-11-20"),
        ("20 KASIM 2026 CUMA", "2026-11-20"),  # in Turkish the small letter is a dotless i
        ("2026-11-20", "2026-11-20"),
        ("13/04/2005", "2005-04-13"),
        ("04/13/2005", "2005-04-13"),
        ("2/2/2030", "2030-02-02"),
        ("1.2.2030", "2030-02-01"),  # no locale has the month first between full stops
        ("29/02/2028", "2028-02-29"),
        ("pt., 20 lis 2026", "2026-11-20"),
    ],
)
def test_readable(data, written, meant):
    assert dates_of(data, written) == {meant}
    assert len(dates_of(data, written)) == 1


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("1/2/2030", {"2030-01-02", "2030-02-01"}),
        ("01/02/2030", {"2030-01-02", "2030-02-01"}),
        ("Wed, 1/2/2030", {"2030-01-02", "2030-02-01"}),  # a calendar would tell, a reader cannot
        ("13/04/05", {"1905-04-13", "2005-04-13", "1913-04-05", "2013-04-05"}),
        ("20 listopada 2026", {"2026-10-20", "2026-11-20"}),  # October in Croatian, November in Polish
        ("20. LISTOPADA 2026.", {"2026-10-20", "2026-11-20"}),
        ("20 lip 2026", {"2026-06-20", "2026-07-20"}),
    ],
)
def test_ambiguous(data, written, meant):
    assert dates_of(data, written) == meant
    assert len(dates_of(data, written)) > 1


def test_short_years_are_ambiguous(data):
    assert len(dates_of(data, "03/04/05")) > 1
    assert len(dates_of(data, "03/04/05")) == 6
    short = [form for form in data.formats() if "yy" in form.pattern]
    assert short
    for form in short:
        assert len(dates_of(data, form.write(datetime.date(1999, 12, 25)))) > 1, form.pattern


@pytest.mark.parametrize(
    "written", ["", "tomorrow", "31/02/2030", "#/1/2030", "N/1/2030", "1/2", "9" * 5000 + "/1/2030", "1/2/" + "9" * 30]
)
def test_no_date(data, written):
    assert dates_of(data, written) == set()


def test_the_rule_finds_every_clash_between_written_dates(data):
    """Brute force: every date of two years a century apart, in every format, grouped by what they look like."""
    meant = defaultdict(set)
    for year in (1905, 2005):
        days = (datetime.date(year, 1, 1) + datetime.timedelta(n) for n in range(365))
        for date in days:
            for form in data.formats():
                meant[data.normalise(form.write(date)).casefold()].add(date)
    clashes = [written for written, dates in meant.items() if len(dates) > 1]
    assert len(clashes) > 1000
    for written in clashes:
        assert data.readings(written) >= meant[written], written


def test_no_text_has_two_answers(sample):
    answers = defaultdict(set)
    for written, iso in sample:
        answers["".join(written.casefold().split())].add(iso)
    assert [written for written, isos in answers.items() if len(isos) > 1] == []
    assert len(answers) > 100_000


def test_sample_is_read_back(data, sample):
    for written, iso in sample[::10]:
        assert dates_of(data, written) == {iso}


def test_years_are_disjoint(data):
    years = {split: {date.year for date in data.split_dates(split)} for split in SPLITS}
    assert set.union(*years.values()) == set(data.YEARS)
    assert sum(map(len, years.values())) == len(data.YEARS)
    assert min(map(len, years.values())) >= 10
    for split in SPLITS:
        drawn = {int(iso[:4]) for _, iso in data.corpus(3, 3000, split)}
        assert drawn == years[split]
    days = [date for split in SPLITS for date in data.split_dates(split)]
    assert len(days) == len(set(days)) == (datetime.date(2100, 1, 1) - datetime.date(1900, 1, 1)).days


def test_the_seed_decides(data):
    assert data.corpus(0, 500) == data.corpus(0, 500)
    assert data.corpus(0, 500) != data.corpus(1, 500)
    assert len(data.corpus(0, 777)) == 777
    assert data.corpus(0, 0) == []
    with pytest.raises(KeyError, match="tset"):
        data.corpus(0, 1, "tset")


def test_another_process_draws_the_same(data):
    """String hashes differ between processes; the samples must not."""
    code = f"import runpy; print(ascii(runpy.run_path({str(EXAMPLE)!r})['corpus'](5, 50)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ascii(data.corpus(5, 50))


def test_alphabet_and_length(data, sample):
    alphabet = data.alphabet()
    assert alphabet == sorted(set(alphabet))
    seen = set().union(*(written for written, _ in sample))
    assert seen <= set(alphabet)
    assert set(alphabet) - seen <= {"\u2019"}         # CLDR 48 has it before years of two digits, which are ambiguous
    assert max(len(written) for written, _ in sample) <= data.longest() < 50
    assert all(written == data.normalise(written) for written, _ in sample[::10])


def test_all_cases_occur(sample):
    october = [written for written, _ in sample if "oktober" in written.lower()]
    for case in (str.lower, str.title, str.upper):
        assert sum(written == case(written) for written in october) > 50


def test_normalise(data):
    assert data.normalise("  20\u202f\u00a0Nov\t2026\n") == "20 Nov 2026"
    assert data.normalise("1\u200f/2\u200f/\u061c2030") == "1/2/2030"
    assert data.normalise("e\u0301 ２０") == "é 20"
    assert data.normalise(data.normalise("ﷺ ½ ǆ")) == data.normalise("ﷺ ½ ǆ")


def test_babel_missing(data, monkeypatch):
    monkeypatch.setitem(sys.modules, "babel", None)
    with pytest.raises(ImportError, match="this needs babel: pip install babel"):
        data.formats.__wrapped__()


def test_stops_are_sometimes_left_out(sample):
    finnish = [written for written, _ in sample if "marraskuuta" in written.lower()]
    bare = sum("." not in written for written in finnish)
    assert 0.1 * len(finnish) < bare < 0.5 * len(finnish)
