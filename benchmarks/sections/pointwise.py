"""Pointwise operations, reductions and softmax beside NumPy."""
from results import Table

TITLE = "Pointwise operations, reductions, softmax"
PACKAGES = ("numpy",)
SKIPPABLE = ()
NAMES = ["a + b", "a * b", "exp(a)", "tanh(a)", "sqrt(b)", "sum(a)", "max(a)", "mean(a, -1)", "softmax(a)"]
ELEMENTS = {10: 500, 1000: 50, 1_000_000: 1}        # elements -> calls in a row
CONTENDERS = {"tinyrnn": "eager.pointwise", "numpy": "arrays.pointwise"}


def run(bench):
    yield ("float32, nothing recorded, microseconds a call; a million elements are 1,000 rows of 1,000. "
           "NumPy uses one thread here, whatever it is allowed.")
    for threads in bench.threads:
        columns = [title for n in ELEMENTS for title in (f"{n:,}", "NumPy", "ratio")]
        table = Table(f"{threads} thread{'s' * (threads > 1)}", *columns, "slower than NumPy at")
        yield table.head()
        for name in bench.some(NAMES):
            cells, slower = [], []
            for elements, calls in ELEMENTS.items():
                times = bench.compare(CONTENDERS, name, elements, threads=(threads,), calls=calls)
                ratio = times.ratio("numpy", threads)
                cells += [times.median("tinyrnn", threads) * 1e6, times.median("numpy", threads) * 1e6, ratio]
                slower += [f"{elements:,}"] * (ratio < 1)
            yield table.row(name, *cells, " ".join(slower) or None)
