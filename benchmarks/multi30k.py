"""The training of examples/translate.py beside the same model, recipe and batches in PyTorch, taking turns.

    python benchmarks/multi30k.py --src train.de.gz --tgt train.en.gz --updates 50 --rounds 5

`peers/translator.py` is the PyTorch model. A round is so many updates of one library and then, on the same batches, of
the other; the figures are medians over the rounds. Without --updates a round is an epoch.
"""
import argparse
import sys
from pathlib import Path
from statistics import median

import numpy as np
from peers.recipe import Recipe
from workers import Worker

ROOT = Path(__file__).parents[1]
CONTENDERS = {"tinyrnn": "recipe.native", "torch": "recipe.scripted"}
HIDDEN, DROPOUT, BATCH, MIN_COUNT = 256, 0.3, 64, 2


def load(source, target):
    """The recipe for these files and an epoch of batches as arrays."""
    sys.path[:0] = [str(ROOT), str(ROOT / "examples")]
    import translate  # here: the processes of the peers need nothing of it

    pairs = translate.read_parallel(source, target)
    language = translate.Language.learn(translate.Words(), pairs, MIN_COUNT)
    data = translate.Batches([language.encode(*pair) for pair in pairs], BATCH)
    batches = [(source.numpy(), np.array(lengths), target.numpy())
               for source, lengths, target, _ in map(data.__getitem__, data.order(seed=1))]
    return Recipe(len(language.source), len(language.target), HIDDEN, DROPOUT), batches


def compare(recipe, batches, updates, rounds, threads):
    """Mean seconds of an update: {package: one for each round}."""
    workers = {package: Worker(package, threads) for package in CONTENDERS}
    losses = [workers[package].prepare(function, recipe._replace(dropout=0.0), batches)["loss"]
              for package, function in CONTENDERS.items()]
    np.testing.assert_allclose(*losses, rtol=1e-4, err_msg="the first losses, without dropout")
    for package, function in CONTENDERS.items():
        workers[package].prepare(function, recipe, batches)
    seconds = {package: [] for package in CONTENDERS}
    for number in range(rounds):
        for package in list(CONTENDERS)[::1 - number % 2 * 2]:
            seconds[package] += workers[package].turn(0, updates)
    for worker in workers.values():
        worker.close()
    return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--src", type=Path, required=True, help="training text, one sentence a line")
    parser.add_argument("--tgt", type=Path, required=True, help="its translation")
    parser.add_argument("--updates", type=int, help="updates in a round; an epoch if left out")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    try:
        recipe, batches = load(args.src, args.tgt)
    except OSError as error:
        sys.exit(f"{error.filename}: {error.strerror}")
    updates = args.updates or len(batches)
    tokens = sum(int((target[:, 1:] != 0).sum()) for _, _, target in batches) / len(batches)
    seconds = compare(recipe, batches, updates, args.rounds, args.threads)
    print(f"{args.rounds} rounds of {updates} updates of {BATCH} pairs, {args.threads} threads, {recipe}")
    for package, times in seconds.items():
        middle = median(times)
        print(f"{package:8} {middle * len(batches):6.1f} s an epoch  {tokens / middle:6.0f} target tokens/s")
    ratios = sorted(theirs / ours for ours, theirs in zip(*seconds.values(), strict=True))
    print(f"PyTorch takes {median(ratios):.2f} times as long ({ratios[0]:.2f} to {ratios[-1]:.2f})")


if __name__ == "__main__":
    main()
