"""Types for the arguments of a command, for ``argparse``: what does not fit gets its message, not a traceback."""
import argparse

__all__ = ["fraction", "positive"]


def positive(text):
    """A whole number above 0."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"must be a whole number above 0, not {text!r}")
    return int(text)


def fraction(text):
    """A number from 0 up to, but not including, 1."""
    try:
        if 0 <= float(text) < 1:
            return float(text)
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"must be a number from 0 up to, but not including, 1, not {text!r}")
