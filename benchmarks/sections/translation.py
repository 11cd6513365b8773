"""The training step of a whole attention encoder-decoder: one PyTorch script, run by both, and tinyrnn's Seq2Seq."""
from peers.translation import Translation
from results import Table, verdict

TITLE = "A whole translator"
PACKAGES = ("torch",)
SKIPPABLE = ()
CASES = [(Translation(40, 64, 64, 30, 11), {"tinyrnn": 5, "tinyrnn Seq2Seq": 8}),
         (Translation(8000, 256, 64, 14, 14), {"tinyrnn": 1.4, "tinyrnn Seq2Seq": 1.5})]
CONTENDERS = {"tinyrnn": "translation.scripted", "tinyrnn Seq2Seq": "translation.native",
              "torch": "translation.scripted"}


def run(bench):
    yield ("Bidirectional GRU over packed input, a Python loop of additive attention and GRUCell, cross-entropy, "
           "clipping, Adam: `peers/translator.py`, in which only the import lines change. Milliseconds a step; "
           "V vocabulary, H units, B batch, S source and T target steps.")
    table = Table("case", "threads", "tinyrnn by", "tinyrnn", "2 to 1", "PyTorch", "ratio", "demanded  ")
    yield table.head()
    for case, demanded in bench.some(CASES):
        times = bench.compare(CONTENDERS, case)
        for threads in bench.threads:
            for name, least in demanded.items():
                key = (name, threads)
                gain = times.ratio(name, 1, key) if threads > 1 else None
                ratio = times.ratio("torch", threads, key)
                yield table.row(str(case), threads, "Seq2Seq" if " " in name else "script", times.median(*key) * 1e3,
                                gain, times.median("torch", threads) * 1e3, ratio, verdict(ratio, least))
