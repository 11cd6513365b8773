"""What every section is handed: workers that take turns, the checks that they agree, and the machine's peak."""
import importlib.util
import itertools
import statistics
import time

import numpy as np
import peak
from workers import Worker

PEERS = ("numpy", "torch", "jax", "onnxruntime")
NEEDS = {"onnxruntime": ["onnx"]}
TOLERANCE = 1e-4                # of the largest element: float32, sums of thousands of products in another order
REST = 0.02                     # seconds for the threads of a turn to fall asleep
LEAST_ROUNDS, PATIENCE = 3, 8   # beyond the least, no new round once a table row has taken this many seconds


class Disagreement(Exception):
    """A peer has other results than tinyrnn: then their times cannot be compared."""


class Bench:
    """How thoroughly to measure, and the workers, which are started when first needed and kept."""

    def __init__(self, effort="full", peers=PEERS, threads=(1, 2)):
        self.rounds, self.seconds = {"full": (9, 0.05), "quick": (3, 0.02), "smoke": (1, 0)}[effort]
        self.effort, self.peers = effort, peers
        self.threads = (1,) if effort == "smoke" else threads
        self.workers = {}
        self.peaks = {}

    def peak(self, threads):
        """GF/s of fused multiply-adds, measured once."""
        if threads not in self.peaks:
            self.peaks[threads] = peak.measure(threads)
        return self.peaks[threads]

    def some(self, cases):
        """All of them, or a few that say enough for a quick look."""
        cases = list(cases)
        return {"full": cases, "quick": cases[1::3] or cases, "smoke": cases[:1]}[self.effort]

    def available(self, contenders):
        """Those of {name: what it runs} whose packages are wanted and installed; a name begins with its package."""
        return {name: function for name, function in contenders.items() if self.missing(name.split()[0]) is None}

    def missing(self, package):
        """What keeps a package from taking part, or None."""
        if package not in ("tinyrnn", *self.peers):
            return f"{package} was left out"
        absent = [name for name in (package, *NEEDS.get(package, ())) if not importlib.util.find_spec(name)]
        return f"{' and '.join(absent)} not installed" if absent else None

    def pids(self):
        return [worker.process.pid for worker in self.workers.values()]

    def worker(self, contender, threads=1):
        if (contender, threads) not in self.workers:
            self.workers[contender, threads] = Worker(contender.split()[0], threads)
        return self.workers[contender, threads]

    def close(self):
        for worker in self.workers.values():
            worker.close()
        self.workers.clear()

    def compare(self, contenders, *case, threads=None, calls=1):
        """Builds {name: "file.function"} on the case, checks that all agree with the first, lets them take turns."""
        keys = list(itertools.product(contenders, threads or self.threads))
        results = {key: self.worker(*key).prepare(contenders[key[0]], *case) for key in keys}
        for key in keys:
            check(results[keys[0]], results[key], f"{', '.join(map(str, case))}: {key[0]} with {key[1]} threads")
        turns, begin = {key: [] for key in keys}, time.monotonic()
        for number in range(self.rounds):
            if number >= LEAST_ROUNDS and time.monotonic() - begin > PATIENCE:
                break
            for key in keys:
                turns[key].append(self.worker(*key).turn(self.seconds, calls))
                if key[1] > 1:
                    time.sleep(REST)
        return Times(turns)


class Times:
    """The seconds of every call of every turn: (package, threads) -> one list for each turn."""

    def __init__(self, turns):
        self.turns = turns
        self.medians = {key: [statistics.median(turn) for turn in each] for key, each in turns.items()}

    def median(self, contender, threads=1):
        """Seconds; None if it did not take part."""
        medians = self.medians.get((contender, threads))
        return statistics.median(medians) if medians else None

    def ratio(self, contender, threads=1, to=None):
        """How many times longer than `to` (tinyrnn with as many threads): the median over neighbouring turns."""
        if (contender, threads) not in self.medians:
            return None
        pairs = zip(self.medians[contender, threads], self.medians[to or ("tinyrnn", threads)], strict=True)
        return statistics.median(a / b for a, b in pairs)

    def percentile(self, q, package, threads=1):
        return float(np.percentile(np.concatenate(self.turns[package, threads]), q))


def check(ours, theirs, what):
    """Raises Disagreement unless both hold the same names and, up to float32's rounding, the same arrays."""
    if ours.keys() != theirs.keys():
        raise Disagreement(f"{what}: {sorted(theirs)} instead of {sorted(ours)}")
    for name, expected in ours.items():
        found = theirs[name]
        if found.shape != expected.shape:
            raise Disagreement(f"{what}: {name} has shape {found.shape} instead of {expected.shape}")
        error = np.abs(found - expected).max(initial=0)
        if not error <= TOLERANCE * np.abs(expected).max(initial=0):
            raise Disagreement(f"{what}: {name} differs from tinyrnn's by up to {error:.2g}")
