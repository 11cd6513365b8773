"""What one small operation costs: 8 x 8 float32, recorded, forward alone and with its backward; tinyrnn beside PyTorch.

    python benchmarks/small_ops.py

The two take turns on one thread, so that a busy machine slows both; the table shows medians and their ratio.
"""
import statistics
import time

import numpy as np
import torch

from tinyrnn import Tensor

ROUNDS, CALLS = 41, 500


def operations(a, b):
    """The rows of the table: name -> a function without arguments."""
    rows = {
        "a + b": lambda: a + b,
        "a * b": lambda: a * b,
        "a * 2": lambda: a * 2.0,
        "tanh(a)": lambda: a.tanh(),
        "a @ b": lambda: a @ b,
    }
    return rows


def with_backward(forward, start, leaves):
    def step():
        forward().backward(start)
        for leaf in leaves:
            leaf.grad = None
    return step


def seconds(f):
    """The time of one call, from many."""
    begin = time.perf_counter()
    for _ in range(CALLS):
        f()
    return (time.perf_counter() - begin) / CALLS


def compare(ours, theirs):
    """Medians of both in microseconds, and of the ratio of neighbouring turns."""
    turns = [(seconds(ours), seconds(theirs)) for _ in range(ROUNDS)]
    return (statistics.median(t for t, _ in turns) * 1e6, statistics.median(t for _, t in turns) * 1e6,
            statistics.median(theirs / ours for ours, theirs in turns))


def main():
    torch.set_num_threads(1)
    values = np.random.default_rng(0).standard_normal((3, 8, 8)).astype(np.float32)
    ours, theirs = [Tensor(v) for v in values], [torch.tensor(v) for v in values]
    for leaf in ours[:2] + theirs[:2]:
        leaf.requires_grad = True
    rows, their_rows = operations(*ours[:2]), operations(*theirs[:2])
    print(f"{'8 x 8 float32':<24}{'tinyrnn us':>12}{'PyTorch us':>12}{'PyTorch / tinyrnn':>20}")
    for name in rows:
        for label, pair in (
            (name, (rows[name], their_rows[name])),
            (name + ", backward", (with_backward(rows[name], ours[2], ours[:2]),
                                   with_backward(their_rows[name], theirs[2], theirs[:2]))),
        ):
            a, b, ratio = compare(*pair)
            print(f"{label:<24}{a:>12.2f}{b:>12.2f}{ratio:>20.1f}")


if __name__ == "__main__":
    main()
