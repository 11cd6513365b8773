"""Types for the arguments of a command, for ``argparse``: what does not fit gets its message, not a traceback."""
import argparse
import math

__all__ = ["fraction", "kind", "nonnegative", "positive", "seed", "threads"]


def positive(text):
    """A whole number above 0."""
    return whole(text, "a whole number above 0", 1, math.inf)


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
    return number(text, "a number of at least 0", math.inf)


def fraction(text):
    """A number from 0 up to, but not including, 1."""
    return number(text, "a number from 0 up to, but not including, 1", 1)


def number(text, expected, end):
    try:
        if 0 <= float(text) < end:
            return float(text)
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"must be {expected}, not {text!r}")
