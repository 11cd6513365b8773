"""What can be chosen when building, on a copy of the package that holds two small modules only."""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("Cython", reason="the build tools are not installed")
pytest.importorskip("setuptools", minversion="77", reason="the build tools are not installed")

ROOT = Path(__file__).parents[1]
REPORT = """
from tinyrnn import kernels
from tinyrnn.kernels import cpu, parallel
print(parallel.has_openmp(), *sorted(cpu.levels()[kernels.level]))
"""
# A compiler that does not know OpenMP.
SERIAL_CC = """#!/bin/sh
for argument in "$@"; do [ "$argument" != -fopenmp ] || exit 1; done
exec cc "$@"
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="replaces the compiler by a shell script"),
]
on_x86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="TINYRNN_ISA is for x86-64")


@pytest.fixture
def copy(tmp_path):
    (tmp_path / "tinyrnn/kernels").mkdir(parents=True)
    kernels = [path.relative_to(ROOT) for path in (ROOT / "tinyrnn/kernels").iterdir()]
    wanted = ("__init__", "cpu", "parallel")
    kernels = [path for path in kernels if path.name.partition(".")[0] in wanted and path.suffix != ".so"]
    for path in ["setup.py", "pyproject.toml", "README.md", "LICENSE", "tinyrnn/config.py", *kernels]:
        shutil.copy(ROOT / path, tmp_path / path)
    (tmp_path / "tinyrnn/__init__.py").touch()
    (tmp_path / "serial-cc").write_text(SERIAL_CC)
    (tmp_path / "serial-cc").chmod(0o755)
    return tmp_path


def run(folder, *arguments, **environment):
    """(exit status, everything printed)"""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("TINYRNN_", "OMP_"))}
    done = subprocess.run([sys.executable, *arguments], cwd=folder, env=clean | environment, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode, done.stdout


def build(folder, **environment):
    return run(folder, "setup.py", "-q", "build_ext", "--inplace", **environment)


def report(folder, **environment):
    return run(folder, "-c", REPORT, **environment)


def test_unknown_choice_is_refused(copy):
    status, text = build(copy, TINYRNN_OPENMP="maybe")
    assert status != 0
    assert "TINYRNN_OPENMP must be auto, on or off, not 'maybe'" in text


def test_on_without_a_working_openmp_fails(copy):
    status, text = build(copy, TINYRNN_OPENMP="on", CC=str(copy / "serial-cc"))
    assert status != 0
    assert "TINYRNN_OPENMP=on, but a small OpenMP program does not work here" in text


def test_auto_without_a_working_openmp_warns_and_builds(copy):
    status, text = build(copy, CC=str(copy / "serial-cc"), LDSHARED=f"{copy / 'serial-cc'} -shared")
    assert status == 0, text
    assert "building without threads, a small OpenMP program does not work here" in text
    status, text = report(copy)
    assert (status, text.split()[0]) == (0, "False")


@on_x86
def test_a_build_for_every_processor_asks_for_nothing_and_a_changed_choice_rebuilds(copy):
    status, text = build(copy, TINYRNN_OPENMP="off", TINYRNN_ISA="x86-64")
    assert status == 0, text
    assert report(copy) == (0, "False\n")
    status, text = build(copy, TINYRNN_OPENMP="on", TINYRNN_ISA="x86-64-v2")
    if "does not work here" in text:
        pytest.skip("no OpenMP here")
    assert status == 0, text
    assert report(copy) == (0, "True POPCNT SSE3 SSE4_1 SSE4_2 SSSE3\n")


@on_x86
def test_a_build_for_another_processor_is_refused(copy):
    status, text = build(copy, TINYRNN_ISA="bdver4")  # has FMA4, TBM and XOP, which every later processor dropped
    assert status == 0, text
    status, text = report(copy)
    assert status == 1
    assert "ImportError: tinyrnn was compiled for a processor with FMA4, TBM, XOP, which this one lacks" in text


@on_x86
def test_an_unknown_processor_is_refused(copy):
    status, text = build(copy, TINYRNN_ISA="pdp11")
    assert status != 0
    assert "pdp11" in text


@on_x86
def test_several_levels_and_the_choice_among_them(copy):
    (copy / "tinyrnn/kernels/loops.pyx").write_text('"""A kernel."""\ndef file():\n    return __file__\n')
    code = "from tinyrnn.kernels import level, loops; print(level, loops.file())"
    status, text = build(copy, TINYRNN_OPENMP="off", TINYRNN_ISA="x86-64,x86-64-v2,bdver4")
    assert status == 0, text
    built = sorted(path.relative_to(copy).as_posix().partition(".")[0] for path in copy.rglob("*.so"))
    assert [path for path in built if path.startswith("tinyrnn")] == [
        "tinyrnn/kernels/bdver4/loops", "tinyrnn/kernels/cpu", "tinyrnn/kernels/loops", "tinyrnn/kernels/parallel",
        "tinyrnn/kernels/x86-64-v2/loops",
    ]
    for chosen, folder in (("", "/x86-64-v2/"), ("x86-64-v2", "/x86-64-v2/"), ("x86-64", "/kernels/loops")):
        status, text = run(copy, "-c", code, TINYRNN_ISA=chosen)
        assert status == 0, text
        assert text.split()[0] == (chosen or "x86-64-v2") and folder in text.split()[1]
    assert report(copy, TINYRNN_ISA="x86-64") == (0, "False\n")
    status, text = report(copy, TINYRNN_ISA="bdver4")
    assert status == 1
    assert "ImportError: TINYRNN_ISA=bdver4 is for a processor with FMA4, TBM, XOP, which this one lacks" in text
    status, text = report(copy, TINYRNN_ISA="native")
    assert status == 1
    assert "ImportError: TINYRNN_ISA=native: this tinyrnn was compiled for x86-64, x86-64-v2, bdver4" in text
