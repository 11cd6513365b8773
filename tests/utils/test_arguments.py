"""Types of arguments take what fits and say what was expected."""
import argparse

import pytest

from tinyrnn.utils.arguments import above_zero, count, fraction, half, kind, nonnegative, positive, seed, threads


@pytest.mark.parametrize("kind, good, bad", [
    (positive, {"1": 1, "64": 64}, ["0", "-1", "1.5", "", "x", "\u0663", "1_0"]),
    (count, {"0": 0, "3": 3}, ["-1", "0.5", ""]),
    (threads, {"1": 1, "1024": 1024}, ["0", "1025", "-1", "two"]),
    (seed, {"0": 0, "4294967295": 4294967295}, ["-1", "4294967296", "1.0"]),
    (nonnegative, {"0": 0.0, "1e-3": 0.001, "7": 7.0}, ["-1", "nan", "inf", "x", ""]),
    (above_zero, {"1e-3": 0.001, "7": 7.0}, ["0", "-1", "nan", "inf", "x"]),
    (half, {"0": 0.0, "0.49": 0.49}, ["0.5", "-0.1", "nan", "x"]),
    (fraction, {"0": 0.0, "0.25": 0.25}, ["1", "-0.1", "nan", "x"]),
], ids=lambda value: getattr(value, "__name__", ""))
def test_types(kind, good, bad):
    assert {text: kind(text) for text in good} == good
    for text in bad:
        with pytest.raises(argparse.ArgumentTypeError, match="must be a"):
            kind(text)


def test_kinds():
    assert [kind(name) for name in ("seed", "threads", "batch")] == [seed, threads, positive]
