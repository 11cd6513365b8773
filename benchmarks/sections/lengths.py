"""Sequences of different lengths: tinyrnn's `lengths=`, PyTorch's packed sequences."""
from results import Table
from sizes import Size, half_lengths

from sections.training import against, speed

TITLE = "Sequences of different lengths"
PACKAGES = ("torch",)
SKIPPABLE = ()
SIZE = Size(32, 50, 128, 128)
DEMANDED = {"GRU": 4, "LSTM": 3}


def run(bench):
    positions = int(half_lengths(SIZE).sum())
    yield (f"Training step, {SIZE}, milliseconds; {positions} of {SIZE.B * SIZE.T} positions are not padding, and "
           "GF/s count only those. PyTorch packs and unpacks (`enforce_sorted=False`), tinyrnn takes `lengths=`.")
    table = Table("layer", "threads", "tinyrnn", "GF/s", "of peak", "2 to 1", "PyTorch", "ratio", "demanded  ")
    yield table.head()
    contenders = dict.fromkeys(("tinyrnn", "torch"), "eager.training")
    for cell, least in DEMANDED.items():
        times = bench.compare(contenders, cell, SIZE, True)
        for threads in bench.threads:
            yield table.row(cell, threads, *speed(bench, times, threads, 3 * SIZE.operations(cell, positions)),
                            *against(times, "torch", threads, least))
