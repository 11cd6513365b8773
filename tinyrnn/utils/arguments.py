"""Types for the arguments of a command, for ``argparse``: what does not fit gets its message, not a traceback."""
import argparse
import math

__all__ = ["above_zero", "count", "fraction", "half", "kind", "nonnegative", "positive", "seed", "threads"]


def positive(text):
    """A whole number above 0."""
    return whole(text, "a whole number above 0", 1, math.inf)


def count(text):
    """A whole number of at least 0."""
    return whole(text, "a whole number of at least 0", 0, math.inf)


def threads(text):
    """How many threads: a whole number from 1 to 1024."""
    return whole(text, "a whole number from 1 to 1024", 1, 1024)


def seed(text):
    """The seed of random numbers: a whole number from 0 to 2^32 - 1."""
    return whole(text, f"a whole number from 0 to {2**32 - 1}", 0, 2**32 - 1)


def kind(name):
    """The type of a whole number by its name: of a seed, of threads, or of anything there is at least one of."""
    return {"seed": seed, "threads": threads}.get(name, positive)


def whole(text, expected, first, last):
    if text.isascii() and text.isdecimal() and first <= int(text) <= last:
        return int(text)
    raise argparse.ArgumentTypeError(f"must be {expected}, not {text!r}")


def nonnegative(text):
    """A number of at least 0."""
    return number(text, "a number of at least 0", lambda x: 0 <= x < math.inf)


def above_zero(text):
    """A number above 0."""
    return number(text, "a number above 0", lambda x: 0 < x < math.inf)


def fraction(text):
    """A number from 0 up to, but not including, 1."""
    return number(text, "a number from 0 up to, but not including, 1", lambda x: 0 <= x < 1)


def half(text):
    """A number from 0 up to, but not including, 0.5: the share of each of two parts that leave something over."""
    return number(text, "a number from 0 up to, but not including, 0.5", lambda x: 0 <= x < 0.5)


def number(text, expected, fits):
    try:
        if fits(float(text)):
            return float(text)
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"must be {expected}, not {text!r}")
