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
from tinyrnn.kernels import cpu
cpu.check(cpu.required(), cpu.available())
from tinyrnn.kernels import parallel
print(parallel.has_openmp(), *sorted(cpu.required()))
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
    kernels = [path for path in kernels if path.name.partition(".")[0] in ("cpu", "parallel") and path.suffix != ".so"]
    for path in ["setup.py", "pyproject.toml", "README.md", "LICENSE", "tinyrnn/config.py", *kernels]:
        shutil.copy(ROOT / path, tmp_path / path)
    for folder in ("tinyrnn", "tinyrnn/kernels"):
        (tmp_path / folder / "__init__.py").touch()
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


def report(folder):
    return run(folder, "-c", REPORT)


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
