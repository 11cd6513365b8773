"""Forward alone, beside ONNX Runtime and PyTorch."""
from results import Table
from sizes import SIZES

from sections.training import against, speed

TITLE = "Inference"
PACKAGES = ("torch",)
SKIPPABLE = ("onnxruntime",)


def run(bench):
    yield "Forward of one layer, milliseconds; ONNX Runtime runs one node of its own GRU or LSTM with the same weights."
    contenders = bench.available(
        {"tinyrnn": "eager.inference", "onnxruntime": "onnx_graph.inference", "torch": "eager.inference"})
    for cell in ("GRU", "LSTM"):
        table = Table(f"{cell}, B x T x I -> H", "threads", "tinyrnn", "GF/s", "of peak", "2 to 1", "ONNX RT", "ratio",
                      "demanded  ", "PyTorch", "ratio")
        yield table.head()
        for size in bench.some(SIZES):
            times = bench.compare(contenders, cell, size)
            for threads in bench.threads:
                demanded = 1.3 if size.H <= 256 else 1
                yield table.row(str(size), threads, *speed(bench, times, threads, size.operations(cell)),
                                *against(times, "onnxruntime", threads, demanded),
                                *against(times, "torch", threads, None)[:2])
