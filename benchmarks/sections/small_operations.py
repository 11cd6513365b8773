"""What the engine costs: one recorded operation on 8 x 8 matrices."""
from results import Table, verdict

TITLE = "Small operations"
PACKAGES = ("torch",)
SKIPPABLE = ()
NAMES = ["a + b", "a * b", "a * 2", "tanh(a)", "a @ b"]
CONTENDERS = dict.fromkeys(("tinyrnn", "torch"), "eager.small_operation")


def run(bench):
    yield "8 x 8 float32, recorded, microseconds a call, one thread: forward alone, and with its backward."
    table = Table("operation", "tinyrnn", "PyTorch", "ratio", "demanded  ")
    yield table.head()
    for name in bench.some(NAMES):
        for backward in (False, True):
            times = bench.compare(CONTENDERS, name, backward, threads=(1,), calls=200)
            ratio = times.ratio("torch")
            yield table.row(name + (", backward" if backward else ""), times.median("tinyrnn") * 1e6,
                            times.median("torch") * 1e6, ratio, verdict(ratio, 5))
