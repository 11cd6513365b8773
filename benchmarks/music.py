"""Epochs of examples/music.py on whole pieces, tinyrnn's and PyTorch's in turns: seconds, ratio and peak memory.

    python benchmarks/music.py --data music                                         JSB Chorales and Nottingham
    python benchmarks/music.py --data music --sets musedata pianomidi --alone       long pieces, tinyrnn alone

Both get the same weights, batches and optimiser (RMSProp, clipped gradients); tinyrnn takes `lengths=`, PyTorch packed
sequences. The losses of the first updates are checked to agree. Each library is in a process of its own; memory is what
one epoch adds to it at its peak. The GRU has PyTorch's form, `reset_after=True`.
"""
import argparse
import importlib.util
import statistics
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))       # the tinyrnn beside this folder; workers inherit the path

from load import Load  # noqa: E402
from results import Table, circumstances  # noqa: E402
from workers import Worker  # noqa: E402

TOLERANCE = 1e-3                # of the losses of 20 updates: float32, and each update adds its rounding


def example():
    """examples/music.py as a module."""
    spec = importlib.util.spec_from_file_location("music_example", ROOT / "examples" / "music.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a folder with the files of the sets")
    parser.add_argument("--sets", nargs="+", default=["jsb", "nottingham"], help="default: jsb nottingham")
    parser.add_argument("--units", nargs="+", default=["tanh", "gru", "lstm"], help="default: tanh gru lstm")
    parser.add_argument("--batch", type=int, default=8, help="pieces of an update (default 8)")
    parser.add_argument("--rounds", type=int, default=3, help="epochs of each that are timed (default 3)")
    parser.add_argument("--updates", type=int, help="only so many updates an epoch: does it work at all?")
    parser.add_argument("--threads", type=int, default=1, help="of each library (default 1)")
    parser.add_argument("--alone", action="store_true", help="leave PyTorch out")
    return parser.parse_args()


def compare(workers, case, small, rounds):
    """{library: (median seconds, peak MB)}, and PyTorch's time divided by tinyrnn's: the median over the rounds."""
    losses = {name: worker.prepare("music.epoch", *case)["losses"] for name, worker in workers.items()}
    for name, found in losses.items():
        if not np.allclose(found, losses["tinyrnn"], rtol=TOLERANCE):
            raise SystemExit(f"{name} has other losses: {found}, tinyrnn {losses['tinyrnn']}")
    times = {name: [] for name in workers}
    for _ in range(rounds):
        for name, worker in workers.items():
            times[name] += worker.turn(0)
    memory = {name: worker.peak_memory("music.epoch", small, case) / 1e6 for name, worker in workers.items()}
    found = {name: (statistics.median(times[name]), memory[name]) for name in workers}
    ratio = None
    if "torch" in times:
        ratio = statistics.median(b / a for a, b in zip(times["tinyrnn"], times["torch"], strict=True))
    return found, ratio


def rows(args, music, workers):
    """The lines of the table, as they are measured."""
    for name in args.sets:
        pieces = music.read_music(args.data / f"{name}.npz")["train"]
        batches = music.batches(pieces, args.batch, 0, 1)[: args.updates]
        lengths = [[len(piece) for piece in batch] for batch in batches]
        steps = sum(map(sum, lengths))
        padding = 1 - steps / sum(max(each) * len(each) for each in lengths)
        for unit in args.units:
            hidden = music.HIDDEN[unit]
            found, ratio = compare(workers, (unit, hidden, batches), (unit, hidden, [[pieces[0][:2]]]), args.rounds)
            (ours, mine), (theirs, other) = found["tinyrnn"], found.get("torch", (None, None))
            yield (f"{name}, {unit} {hidden}", steps, max(map(max, lengths)), f"{padding:.0%}", ours, theirs, ratio,
                   mine, other)


def main():
    args = arguments()
    print(f"One epoch, batches of {args.batch} pieces, {args.threads} thread{'s' * (args.threads > 1)}.")
    table = Table("set, unit", "steps", "longest", "padding", "tinyrnn s", "PyTorch s", "ratio", "tinyrnn MB",
                  "PyTorch MB")
    print(table.head())
    workers = {name: Worker(name, args.threads) for name in ("tinyrnn", "torch")[: 1 if args.alone else 2]}
    pids = [worker.process.pid for worker in workers.values()]
    load = Load(pids)
    try:
        for row in rows(args, example(), workers):
            print(table.row(*row), flush=True)
        print(f"\n{circumstances(workers, {}, load.share(pids))}")
    finally:
        for worker in workers.values():
            worker.close()


if __name__ == "__main__":
    main()
