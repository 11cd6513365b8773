"""How long an import takes, and how much of the disk a library."""
import importlib.util
import os
import statistics
import subprocess
import sys
from pathlib import Path

from results import Table

TITLE = "Import and size"
PACKAGES = ("numpy",)
SKIPPABLE = ("torch", "jax", "onnxruntime")
PROGRAM = "import time; begin = time.perf_counter(); import {}; print(time.perf_counter() - begin)"
PARTS = {"jax": ["jax", "jaxlib"]}
ROOT = Path(__file__).parents[2]


def run(bench):
    yield ("A fresh process for every import, in turns; the import of NumPy is part of every other. All modules are "
           "compiled to bytecode before, as an installer does. Size: the installed files of the package alone, in MB.")
    packages = list(bench.available(dict.fromkeys(("numpy", "tinyrnn", *SKIPPABLE))))
    import_seconds("tinyrnn")               # the others have their bytecode since they were installed
    turns = [[import_seconds(package) for package in packages] for _ in range(bench.rounds)]
    table = Table("import", "milliseconds", "to NumPy's", "installed MB", "at most   ")
    yield table.head()
    for k, package in enumerate(packages):
        ratio = statistics.median(turn[k] / turn[0] for turn in turns)
        demanded = ("1.5" if ratio <= 1.5 else "1.5 MISSED") if package == "tinyrnn" else None
        yield table.row(package, statistics.median(turn[k] for turn in turns) * 1e3, ratio,
                        installed_size(package) / 1e6, demanded)
    wheels = sorted(ROOT.glob("dist/*.whl"), key=lambda path: path.stat().st_mtime)
    yield ""
    yield f"{wheels[-1].name}: {wheels[-1].stat().st_size / 1e6:.1f} MB." if wheels else "No wheel in `dist/`."


def import_seconds(package):
    """In a process that leaves bytecode for the next one."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    run = subprocess.run([sys.executable, "-c", PROGRAM.format(package)], cwd=ROOT, check=True, capture_output=True,
                         env=environment)
    return float(run.stdout)


def installed_size(package):
    folders = [importlib.util.find_spec(name).submodule_search_locations[0] for name in PARTS.get(package, [package])]
    return sum(path.stat().st_size for folder in folders for path in Path(folder).rglob("*")
               if path.is_file() and "__pycache__" not in path.parts)
