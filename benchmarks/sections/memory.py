"""How much memory a training step takes at its peak."""
import sys

from results import Table, verdict
from sizes import SIZES, TRAINING, Size
from workers import Worker

TITLE = "Peak memory of a training step"
PACKAGES = ("torch",)
SKIPPABLE = ()
SMALL = Size(2, 2, 4, 4)


def run(bench):
    if not sys.platform.startswith("linux"):
        yield "Skipped: the high-water mark is read from Linux's /proc."
        return
    yield ("Growth of the resident memory in MB during the first step, gradients included; each in a fresh process "
           "that holds the weights and the input and has run a tiny step before. One thread.")
    workers = {package: Worker(package, 1) for package in ("tinyrnn", "torch")}
    try:
        for cell in TRAINING:
            table = Table(f"{cell}, B x T x I -> H", "tinyrnn", "PyTorch", "ratio", "demanded  ")
            yield table.head()
            for size in bench.some(SIZES):
                ours, theirs = (worker.peak_memory("eager.training", (cell, SMALL), (cell, size)) / 1e6
                                for worker in workers.values())
                ratio = theirs / ours if ours else None
                yield table.row(str(size), ours, theirs, ratio, verdict(ratio, 1))
    finally:
        for worker in workers.values():
            worker.close()
