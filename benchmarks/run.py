"""Measures tinyrnn beside PyTorch, ONNX Runtime, JAX and NumPy, and writes RESULTS.md.

    python benchmarks/run.py                     everything: about ten minutes on two quiet cores
    python benchmarks/run.py --only training     one section; RESULTS.md keeps the others
    python benchmarks/run.py --quick             fewer sizes and turns, less than two minutes; printed, not written

A ratio that misses what is demanded is marked in its table; that is no error, different results are.
"""
import argparse
import importlib
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))       # the tinyrnn beside this folder; workers inherit the path

from bench import PEERS, Bench, Disagreement  # noqa: E402
from load import Load  # noqa: E402
from results import circumstances, refresh  # noqa: E402

SECTIONS = ["products", "training", "memory", "inference", "lengths", "streaming", "translation", "small_operations",
            "pointwise", "importing"]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=SECTIONS, action="append", metavar="SECTION", help=", ".join(SECTIONS))
    effort = parser.add_mutually_exclusive_group()
    effort.add_argument("--quick", dest="effort", action="store_const", const="quick", default="full")
    effort.add_argument("--smoke", dest="effort", action="store_const", const="smoke",
                        help="every section once at its smallest size: does it work at all?")
    parser.add_argument("--peers", nargs="*", default=list(PEERS), choices=PEERS, help="only these, if installed")
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2][:os.cpu_count()], help="default: 1 2")
    parser.add_argument("--output", type=Path, help="the file to write or renew; without --quick RESULTS.md")
    return parser.parse_args()


def measure(section, bench):
    """Prints a section as it is measured; returns its text, or None if a package it needs is missing."""
    print(f"\n## {section.TITLE}\n")
    obstacles = [reason for package in section.PACKAGES if (reason := bench.missing(package))]
    if obstacles:
        print(f"Skipped: {', '.join(obstacles)}.")
        return None
    lines = [f"Without {package}: {reason}.\n" for package in section.SKIPPABLE if (reason := bench.missing(package))]
    print(*lines, sep="\n", end="")
    load = Load(bench.pids())
    for line in section.run(bench):
        print(line, flush=True)
        lines.append(line)
    packages = [name for name in ("tinyrnn", *section.PACKAGES, *section.SKIPPABLE) if bench.missing(name) is None]
    lines.append("\n" + circumstances(packages, bench.peaks, load.share(bench.pids())))
    print(lines[-1])
    return "\n".join(lines)


def main():
    options = arguments()
    output = options.output or (ROOT / "benchmarks" / "RESULTS.md" if options.effort == "full" else None)
    modules = {name: importlib.import_module(f"sections.{name}") for name in SECTIONS}
    bench, measured, failed = Bench(options.effort, options.peers, options.threads), {}, False
    try:
        for name in options.only or SECTIONS:
            try:
                measured[modules[name].TITLE] = measure(modules[name], bench)
            except Disagreement as error:
                print(f"\nStopped, results differ: {error}")
                failed = True
    finally:
        bench.close()
        if output:
            done = {title: text for title, text in measured.items() if text}
            refresh(output, done, [module.TITLE for module in modules.values()])
    print(f"\n{sum((text or '').count('MISSED') for text in measured.values())} ratios miss what is demanded.")
    return failed


if __name__ == "__main__":
    sys.exit(main())
