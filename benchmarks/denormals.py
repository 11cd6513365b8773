"""Does a step get slower when its numbers are denormals, too small for the usual form of a float?

    python benchmarks/denormals.py

Forward and backward of a layer with ordinary numbers and with inputs, states and gradients around 1e-40 (float32) or
1e-310 (float64), in turns on one thread; the table shows medians and the ratio, which should stay below 2.
"""
import argparse
import statistics
import time

import numpy as np

import tinyrnn
from tinyrnn import from_numpy, nn

ROUNDS, T, B, I, H = 41, 20, 16, 64, 64  # noqa: E741
TINY = {"float32": 1e-40, "float64": 1e-310}


def training_step(kind, dtype, scale):
    """A function that runs one pass forward and backward. The weights are ordinary, what flows is times `scale`."""
    generator = np.random.default_rng(0)
    layer = getattr(nn, kind)(I, H, bias=False, dtype=dtype)
    x = from_numpy((generator.standard_normal((T, B, I)) * scale).astype(dtype)).requires_grad_()
    dy = from_numpy((generator.standard_normal((T, B, H)) * scale).astype(dtype))

    def step():
        y, _ = layer(x)
        y.backward(dy)
        for leaf in (x, *layer.parameters()):
            leaf.grad = None
        return y
    return step


def seconds(step):
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def main():
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    tinyrnn.set_num_threads(1)
    print(f"{T} steps, batch {B}, {I} -> {H}, forward and backward")
    print(f"{'':<16}{'ordinary ms':>14}{'denormal ms':>14}{'ratio':>8}")
    for kind in ("RNN", "GRU", "LSTM"):
        for dtype, tiny in TINY.items():
            ordinary, denormal = training_step(kind, dtype, 1.0), training_step(kind, dtype, tiny)
            last = np.abs(denormal().detach().numpy()[-1])
            assert last.max() < np.finfo(dtype).tiny, "denormals, or zeros where they count as zeros"
            times = [(seconds(ordinary), seconds(denormal)) for _ in range(ROUNDS)]
            a, b = (statistics.median(column) * 1e3 for column in zip(*times, strict=True))
            print(f"{kind + ' ' + dtype:<16}{a:14.3f}{b:14.3f}{statistics.median(y / x for x, y in times):8.2f}")


if __name__ == "__main__":
    main()
