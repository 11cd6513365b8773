"""RESULTS.md and its tables."""
import importlib.metadata
import os
import platform
import re
from datetime import datetime, timezone
from pathlib import Path

HEAD = """# Measured beside the peers

`make bench` writes this file; `python benchmarks/run.py --only SECTION` renews one section. Every peer runs in a
process of its own, bound to as many processors as it has threads; the processes take turns, so that a busy machine
slows all of them. Times are medians. A ratio is a peer's time divided by tinyrnn's, the median over neighbouring turns:
above 1, tinyrnn is faster. Before anything is timed, all results are checked to agree. Everything is float32. GF/s
count the matrix products alone, beside the peak of fused multiply-adds measured in the same run (`peak.c`).
"""


class Table:
    """A Markdown table, line by line, to be printed while it is measured. Columns are titles; None becomes a dash."""

    def __init__(self, *columns):
        self.widths = [max(len(title), 5) for title in columns]
        self.widths[0] = max(self.widths[0], 28)
        self.columns = columns

    def head(self):
        rule = ["-" * self.widths[0], *("-" * (width - 1) + ":" for width in self.widths[1:])]
        return "\n" + self.row(*self.columns) + "\n| " + " | ".join(rule) + " |"

    def row(self, first, *cells):
        shown = [first.ljust(self.widths[0])]
        shown += [text(cell).rjust(width) for cell, width in zip(cells, self.widths[1:], strict=True)]
        return "| " + " | ".join(shown) + " |"


def text(cell):
    """Three digits of a number; a dash for what is not there."""
    if cell is None:
        return "-"
    if not isinstance(cell, float):
        return str(cell)
    return f"{cell:.0f}" if cell >= 100 else f"{cell:.1f}" if cell >= 10 else f"{cell:.2f}"


def verdict(ratio, demanded):
    """The demanded ratio, marked where it is missed."""
    return None if demanded is None or ratio is None else f"{demanded:g}" + ("" if ratio >= demanded else " MISSED")


def processor():
    try:
        return re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())[1]
    except (OSError, TypeError):
        return platform.processor() or platform.machine()


def circumstances(packages, peaks, others):
    """One line: when, where, with which versions, and what share of the processors other processes took meanwhile."""
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    speeds = ", ".join(f"{speed:.0f} GF/s with {n} thread{'s' * (n > 1)}" for n, speed in sorted(peaks.items()))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    now = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    return (f"{now}. {processor()}, {cores} cores{'; peak ' * bool(speeds)}{speeds}; "
            f"other processes took {others:.0%} of the machine. "
            f"Python {platform.python_version()}, {versions}.")


def version(package):
    if package == "tinyrnn":
        import tinyrnn  # built in place it has no metadata
        return tinyrnn.__version__
    return importlib.metadata.version(package)


def refresh(path, sections, order):
    """Writes RESULTS.md: the sections {title: text} just measured and those it has; `order` lists all titles."""
    old = dict(re.findall(r"^## (.*)\n+((?:(?!## ).*\n?)*)", path.read_text(), re.MULTILINE)) if path.exists() else {}
    known = {**old, **sections}
    parts = [f"## {title}\n\n{known[title].strip()}\n" for title in order if title in known]
    path.write_text("\n".join([HEAD, *parts]))
