"""Types for the arguments of a command, for ``argparse``: what does not fit gets its message, not a traceback."""
import argparse
import math

__all__ = ["fraction", "nonnegative", "positive"]


def positive(text):
    """A whole number above 0."""
    if not (text.isascii() and text.isdecimal()) or int(text) == 0:
        raise argparse.ArgumentTypeError(f"must be a whole number above 0, not {text!r}")
    return int(text)


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
