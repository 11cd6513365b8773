"""The matrix product: every layer's work."""
from results import Table

TITLE = "Matrix products"
PACKAGES = ("numpy",)
SKIPPABLE = ("torch",)
SHAPES = [(16, 64, 192), (32, 128, 384), (32, 256, 768), (64, 512, 1536), (64, 1024, 3072), (1024, 1024, 1024),
          (1, 128, 384)]


def run(bench):
    yield "`a @ b` in GF/s, M x K x N; fresh memory for every result, nothing packed beforehand."
    contenders = bench.available(
        {"tinyrnn": "eager.product", "numpy": "arrays.product", "torch": "eager.product"})
    table = Table("M x K x N", "threads", "tinyrnn", "of peak", "NumPy", "PyTorch", "to NumPy", "to PyTorch")
    yield table.head()
    for M, K, N in bench.some(SHAPES):
        times = bench.compare(contenders, M, K, N)
        for threads in bench.threads:
            speeds = [2 * M * K * N / seconds / 1e9 if (seconds := times.median(name, threads)) else None
                      for name in ("tinyrnn", "numpy", "torch")]
            share = f"{speeds[0] / bench.peak(threads):.0%}"
            yield table.row(f"{M} x {K} x {N}", threads, speeds[0], share, *speeds[1:],
                            times.ratio("numpy", threads), times.ratio("torch", threads))
