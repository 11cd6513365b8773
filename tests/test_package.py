"""The package as others get it: light to import, and whole as sdist and as wheel."""

import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import tinyrnn

ROOT = Path(__file__).parents[1]
NOT_SOURCE = shutil.ignore_patterns(".*", "build", "dist", "runs", "*.egg-info", "*.so", "*.pyd", "__pycache__")


def python(*arguments, **options):
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_import_brings_only_numpy():
    code = (
        "import sys; before = set(sys.modules); import tinyrnn\n"
        "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before} - sys.stdlib_module_names))"
    )
    brought = {name for name in python("-c", code).split() if not name.startswith(("_cython_", "cython_runtime"))}
    assert brought == {"numpy", "tinyrnn"}


def test_the_heap_has_large_pages_to_come():
    pages = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    if not pages.exists() or "[never]" in pages.read_text():
        pytest.skip("the system has no transparent huge pages")
    if platform.libc_ver()[0] != "glibc" or tuple(map(int, platform.libc_ver()[1].split("."))) < (2, 35):
        pytest.skip("not glibc, or one that takes large blocks from elsewhere than the heap")
    mappings = python("-c", "import tinyrnn; print(open('/proc/self/smaps').read())").split("VmFlags:")
    advised = [text for text, flags in zip(mappings, mappings[1:], strict=False)
               if "[heap]" in text and "hg" in flags.splitlines()[0].split()]
    sizes = [int(re.search(r"^Size: +(\d+)", text, re.MULTILINE)[1]) for text in advised]
    used = [int(re.search(r"^Rss: +(\d+)", text, re.MULTILINE)[1]) for text in advised]
    assert 180_000 < sum(sizes) < 200_000           # kB
    assert sum(used) <= 4096                        # not in use yet


@pytest.mark.slow
def test_a_folder_that_is_not_compiled_says_so(tmp_path):
    for folder in ("", "kernels"):
        (tmp_path / "tinyrnn" / folder).mkdir()
        shutil.copy(ROOT / "tinyrnn" / folder / "__init__.py", tmp_path / "tinyrnn" / folder)
    failed = subprocess.run([sys.executable, "-c", "import tinyrnn"], cwd=tmp_path, capture_output=True, text=True)
    assert failed.returncode and "ImportError: tinyrnn: nothing in this folder is compiled" in failed.stderr


def test_import_takes_at_most_half_longer_than_numpy():
    # Processor time, not the clock, and the best of several neighbouring pairs: a busy moment slows one of the two.
    # benchmarks/ measures the ratio itself.
    code = "import time; start = time.process_time(); import {}; print(time.process_time() - start)"
    # Compiled Python files may be kept, as they are for everyone who installed a package.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["OMP_NUM_THREADS"] = "1"
    times = {"numpy": [], "tinyrnn": []}
    for _ in range(8):
        for name, taken in times.items():
            taken.append(float(python("-c", code.format(name), env=environment)))
    assert min(ours / theirs for ours, theirs in zip(times["tinyrnn"], times["numpy"], strict=True)) <= 1.5, times


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """(sdist, wheel, folder of the installed wheel), built one from the other, each time with what came before gone."""
    pytest.importorskip("Cython", reason="the build tools are not installed")
    pytest.importorskip("setuptools", minversion="77", reason="the build tools are not installed")
    tmp = tmp_path_factory.mktemp("built")
    source = shutil.copytree(ROOT, tmp / "source", ignore=NOT_SOURCE)
    code = "import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])"
    python("-c", code, str(tmp), cwd=source)
    shutil.rmtree(source)
    (sdist,) = tmp.glob("*.tar.gz")

    offline = ["--no-deps", "--no-index", "--disable-pip-version-check"]
    serial = os.environ | {"TINYRNN_OPENMP": "off"}  # so that a build without threads is tried as well
    wheel_command = ["-m", "pip", "wheel", *offline, "--no-build-isolation", "--wheel-dir", str(tmp), str(sdist)]
    python(*wheel_command, cwd=tmp, env=serial)
    (wheel,) = tmp.glob("*.whl")
    python("-m", "pip", "install", *offline, "--target", str(tmp / "installed"), str(wheel), cwd=tmp)
    return sdist, wheel, tmp / "installed"


def package_files(suffix):
    return {path.relative_to(ROOT).as_posix() for path in (ROOT / "tinyrnn").rglob(f"*{suffix}")}


@pytest.mark.slow
def test_sdist_has_every_source_and_no_generated_one(built):
    with tarfile.open(built[0]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for suffix in (".py", ".pyx", ".pxd", ".pyi", ".h", "py.typed"):
        assert package_files(suffix) <= names
    assert names >= {"LICENSE", "README.md", "CHANGELOG.md", "Makefile", "setup.py", "tests/test_package.py",
                     "tests/kernels/guards.c"}
    assert not [name for name in names if name.endswith((".so", ".pyd"))]
    assert not [name for name in names if name.startswith("tinyrnn/") and name.endswith((".c", ".html"))]


@pytest.mark.slow
def test_wheel_has_the_modules_the_stubs_and_no_c(built):
    names = zipfile.ZipFile(built[1]).namelist()
    assert {name for name in names if name.endswith(".pyi")} == package_files(".pyi")
    assert {name for name in names if name.endswith(".py")} == package_files(".py")
    assert {name for name in names if name.endswith((".pxd", ".h"))} == package_files(".pxd") | package_files(".h")
    assert "tinyrnn/py.typed" in names
    modules = {name.partition(".")[0] for name in names if name.endswith((".so", ".pyd"))}
    assert modules == {name.removesuffix(".pyx") for name in package_files(".pyx")}
    assert not [name for name in names if name.endswith((".c", ".pyx"))]
    assert built[1].stat().st_size <= 5e6


@pytest.mark.slow
def test_installed_wheel_works_without_the_source(built, tmp_path):
    code = "import tinyrnn; print(tinyrnn.__file__); tinyrnn.show_config()"
    lines = python("-c", code, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(built[2])}).splitlines()
    assert Path(lines[0]).parent == built[2] / "tinyrnn"
    assert lines[1].split() == ["tinyrnn", tinyrnn.__version__]
    assert lines[4].split() == ["OpenMP", "no"]


def test_subpackages_need_no_import_of_their_own():
    names = "t.utils.data.DataLoader, t.nn.utils.rnn.pad_sequence, t.optim.lr_scheduler.StepLR"
    python("-c", f"import tinyrnn as t; {names}")
