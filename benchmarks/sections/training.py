"""Forward and backward of one layer, beside PyTorch and JAX."""
from results import Table, verdict
from sizes import SIZES, TRAINING

TITLE = "Training a layer"
PACKAGES = ("torch",)
SKIPPABLE = ("jax",)


def run(bench):
    yield ("Forward, and backward to the input and every weight; batch x time x input -> hidden, milliseconds. "
           "`demanded` is the ratio to PyTorch that tinyrnn has to reach; JAX, compiled, has to be slower as well. "
           "`2 to 1` is how many times faster two threads are than one.")
    contenders = bench.available({"tinyrnn": "eager.training", "torch": "eager.training", "jax": "scan.training"})
    for cell, demanded in TRAINING.items():
        table = Table(f"{cell}, B x T x I -> H", "threads", "tinyrnn", "GF/s", "of peak", "2 to 1", "PyTorch", "ratio",
                      "demanded   ", "JAX", "ratio", "demanded  ")
        yield table.head()
        for size, least in bench.some(zip(SIZES, demanded, strict=True)):
            times = bench.compare(contenders, cell, size)
            for threads in bench.threads:
                yield table.row(str(size), threads, *speed(bench, times, threads, 3 * size.operations(cell)),
                                *against(times, "torch", threads, least), *against(times, "jax", threads, 1))


def speed(bench, times, threads, operations):
    """tinyrnn's milliseconds, GF/s, share of the peak, and gain from the second thread."""
    seconds = times.median("tinyrnn", threads)
    rate = operations / seconds / 1e9
    gain = times.ratio("tinyrnn", 1, ("tinyrnn", threads)) if threads > 1 else None
    return seconds * 1e3, rate, f"{rate / bench.peak(threads):.0%}", gain


def against(times, peer, threads, demanded):
    """A peer's milliseconds, its ratio, and what was demanded."""
    seconds, ratio = times.median(peer, threads), times.ratio(peer, threads)
    return seconds and seconds * 1e3, ratio, verdict(ratio, demanded)
