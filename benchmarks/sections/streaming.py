"""One step at a time, batch 1: how long an answer takes."""
from results import Table, verdict
from sizes import Size

TITLE = "One streaming step"
PACKAGES = ("torch",)
SKIPPABLE = ("onnxruntime",)
SIZE = Size(1, 1, 64, 128)


def run(bench):
    yield (f"GRU {SIZE.I} -> {SIZE.H}, batch 1, one thread, microseconds of single calls: "
           "`layer.step`, a session of one GRU node, `nn.GRUCell`.")
    contenders = bench.available(
        {"tinyrnn": "eager.streaming", "onnxruntime": "onnx_graph.streaming", "torch": "eager.streaming"})
    times = bench.compare(contenders, "GRU", SIZE, threads=(1,))
    table = Table("library", "median", "99th percentile", "ratio", "demanded  ")
    yield table.head()
    for name, demanded in (("tinyrnn", None), ("onnxruntime", 3), ("torch", None)):
        if name in contenders:
            ratio = times.ratio(name)
            yield table.row(name, times.median(name) * 1e6, times.percentile(99, name) * 1e6, ratio,
                            verdict(ratio, demanded))
