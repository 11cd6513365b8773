"""Checks a built wheel: alone with NumPy, and the suite at every level that this processor runs.

    python tests/wheel/check.py dist/*.whl

Run it with the Python of an environment that has the test tools. The wheel is installed into folders of its own, and
the tests run on a copy without the source beside them. Left out: what builds or reads the source.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE_TESTS = ["test_structure.py", "test_setup.py", "test_package.py", "test_stubs.py", "test_readme.py",
                "kernels/test_fastmath.py", "examples", "benchmarks"]
BUDGET = 5e6                            # bytes

SMOKE = """
import sys, numpy as np, tinyrnn
from tinyrnn import nn
tinyrnn.show_config()
assert len({p.split("-")[0] for p in sys.argv[1].split()} - {"numpy", "tinyrnn", "pip", "setuptools"}) == 0, sys.argv[1]
layer, y = nn.GRU(5, 7), None
for _ in range(3):
    y = layer(tinyrnn.ones(4, 2, 5))[0].sum()
    y.backward()
assert y.shape == ()
"""
LEVELS = """
from tinyrnn.kernels import cpu
levels = cpu.levels()
for name, sets in levels.items():
    print(name + ("" if sets <= cpu.available() else "!") + ("+" if "FMA" in sets else ""))
"""


def run(python, *arguments, cwd, **environment):
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("TINYRNN_", "PYTHON"))}
    command = [str(python), *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=clean | environment, text=True, capture_output=True)


def output(done):
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def levels_of(python, folder, **environment):
    """(every level, those this processor runs, those with fused multiply-adds among them)"""
    said = output(run(python, "-c", LEVELS, cwd=folder, **environment)).split()
    runs = [name for name in said if "!" not in name]
    return [x.strip("!+") for x in said], [x.strip("+") for x in runs], [x.strip("+") for x in runs if "+" in x]


def check_alone(wheel, folder):
    """In an empty environment, with NumPy and nothing else; a level that is not there or cannot run: ImportError."""
    venv.create(folder / "empty", with_pip=True)
    python = folder / "empty" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    output(run(python, "-m", "pip", "install", "--quiet", wheel, cwd=folder))
    listed = output(run(python, "-m", "pip", "list", "--format=json", cwd=folder))
    print(output(run(python, "-c", SMOKE, " ".join(entry["name"] for entry in json.loads(listed)), cwd=folder)))
    every, runs, _ = levels_of(python, folder)
    for level in [*every, "pdp11"]:
        done = run(python, "-c", "import tinyrnn; tinyrnn.show_config()", cwd=folder, TINYRNN_ISA=level)
        if level in runs:
            assert f"processor level   {level}, of {' '.join(every)}" in output(done)
        else:
            assert done.returncode == 1 and f"ImportError: TINYRNN_ISA={level}" in done.stderr, done.stderr
            print(done.stderr.splitlines()[-1])


def check_bits(folder, fused, environment):
    """Levels with fused multiply-adds agree in every bit."""
    levels = ROOT / "tests" / "wheel" / "levels.py"
    found = {x: output(run(sys.executable, levels, cwd=folder, TINYRNN_ISA=x, **environment)) for x in fused}
    if list(ROOT.glob("tinyrnn/kernels/cpu.*.so")):             # the source beside this, built for this machine
        found["source"] = output(run(sys.executable, levels, cwd=folder, PYTHONPATH=str(ROOT)))
    found = {name: json.loads(text) for name, text in found.items()}
    first = next(iter(found))
    for name, bits in found.items():
        different = [key for key in bits if bits[key] != found[first][key]]
        assert not different, f"{name} and {first} differ: {different}"
    print(f"{len(found[first])} results have the same bits at", *found)


def main(wheel):
    wheel = Path(wheel).resolve()
    size = wheel.stat().st_size
    print(wheel.name, f"{size / 1e6:.2f} MB")
    assert size <= BUDGET, "too large"
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        check_alone(wheel, folder)
        install = ["-m", "pip", "install", "--quiet", "--no-deps", "--target", folder / "installed", wheel]
        output(run(sys.executable, *install, cwd=folder))
        ignored = shutil.ignore_patterns("__pycache__", *(Path(name).name for name in SOURCE_TESTS))
        shutil.copytree(ROOT / "tests", folder / "tests", ignore=ignored)
        shutil.copy(ROOT / "pyproject.toml", folder)
        environment = {"PYTHONPATH": str(folder / "installed")}
        _, runs, fused = levels_of(sys.executable, folder, **environment)
        check_bits(folder, fused, environment)
        for level in runs:
            print(f"--- the suite at {level}", flush=True)
            done = run(sys.executable, "-m", "pytest", "-q", "-m", "not slow", "-p", "no:cacheprovider", cwd=folder,
                       TINYRNN_ISA=level, **environment)
            print("\n".join(done.stdout.splitlines()[-15:]), done.stderr, flush=True)
            assert done.returncode == 0


if __name__ == "__main__":
    main(*sys.argv[1:])
