"""fastmath.h, compiled here with the system's C compiler into one loop per function, against wider arithmetic."""

import ctypes
import os
import shlex
import shutil
import subprocess
from functools import cache
from pathlib import Path

import numpy as np
import pytest

HEADER = Path(__file__).parents[2] / "tinyrnn" / "kernels" / "fastmath.h"
COMPILER = shlex.split(os.environ.get("CC", "")) or [shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")]
FLAGS = ["-std=c11", "-O3", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror"]
BUILDS = {"native": ["-march=native"], "baseline": []}  # on x86 the baseline has no fused multiply-add

# Units in the last place: the largest error measured, rounded up. The header promises 3.
BOUND = {"exp": 1.1, "expm1": 1.9, "log": 0.9, "log1p": 1.4, "tanh": 2.7, "sigmoid": 2.5}
NAMES = list(BOUND)
DTYPES = {"f": np.float32, "": np.float64}
WIDER = {"f": np.float64, "": np.longdouble}
SOURCES = [*NAMES, "decay"]
LOOP = "void all_{0}({1} *restrict x, {1} *restrict y, long n) {{ while (n--) *y++ = fast_{0}(*x++); }}\n"

pytestmark = pytest.mark.skipif(COMPILER == [None] or shutil.which(COMPILER[0]) is None, reason="no C compiler found")
each_name = pytest.mark.parametrize("name", NAMES)
each_suffix = pytest.mark.parametrize("suffix", DTYPES, ids=["float", "double"])


def write_source(folder):
    """One loop per function, each on its own line."""
    source = folder / "loops.c"
    loops = [LOOP.format(name + "f", "float") + LOOP.format(name, "double") for name in SOURCES]
    source.write_text('#include "fastmath.h"\n' + "".join(loops))
    return source


def compile_source(source, output, flags):
    paths = [f"-I{HEADER.parent}", str(source), "-o", str(output), "-lm"]
    command = [*COMPILER, *FLAGS, *flags, "-shared", "-fPIC", *paths]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module", params=BUILDS)
def call(request, tmp_path_factory):
    """call(name, x) runs the compiled loop over an array, for each build."""
    folder = tmp_path_factory.mktemp(request.param)
    done = compile_source(write_source(folder), folder / "loops.so", BUILDS[request.param])
    if request.param == "native" and "march" in done.stderr:
        pytest.skip("the compiler does not know -march=native")
    assert done.returncode == 0, done.stderr
    library = ctypes.CDLL(str(folder / "loops.so"))

    def run(name, x):
        y = np.empty_like(x)
        loop = getattr(library, f"all_{name}" + ("f" if x.dtype == np.float32 else ""))
        loop(ctypes.c_void_p(x.ctypes.data), ctypes.c_void_p(y.ctypes.data), ctypes.c_long(x.size))
        return y

    return run


@cache
def arguments(suffix):
    """Bit patterns from end to end of the type, and a dense part where the functions do their work."""
    if suffix == "f":
        return np.arange(0, 2**32, 3001, dtype=np.uint64).astype(np.uint32).view(np.float32)
    rng = np.random.default_rng(0)
    patterns = rng.integers(0, 2**64, 100_000, dtype=np.uint64).view(np.float64)
    wide, middle, near = (rng.uniform(-width, width, 100_000) for width in (750.0, 40.0, 3.0))
    return np.concatenate([patterns, wide, middle, near, np.ldexp(near, rng.integers(-60, 0, near.size))])


def exact(name, x):
    if name == "sigmoid":
        e = np.exp(-np.abs(x))
        return np.where(x < 0, e, x.dtype.type(1)) / (1 + e)
    return getattr(np, name)(x)


@cache
def reference(name, suffix):
    with np.errstate(all="ignore"):
        return exact(name, arguments(suffix).astype(WIDER[suffix]))


def ulps(got, want):
    """|got - want| in units in the last place of want; below the normal range that unit stays the smallest number."""
    info = np.finfo(got.dtype)
    exponent = np.maximum(np.frexp(want)[1] - 1, info.minexp) - info.nmant
    return np.abs(got.astype(want.dtype) - want) / np.ldexp(want.dtype.type(1), exponent)


@each_suffix
@each_name
def test_error_stays_within_the_bound(call, name, suffix):
    if np.finfo(WIDER[suffix]).nmant <= np.finfo(DTYPES[suffix]).nmant:
        pytest.skip("long double is no wider than double here")
    x, want = arguments(suffix), reference(name, suffix)
    got = call(name, x)
    with np.errstate(all="ignore"):
        rounded = want.astype(x.dtype)
        finite = np.isfinite(rounded)
        worst = np.where(finite, ulps(got, want), 0)
    np.testing.assert_array_equal(got[~finite], rounded[~finite])  # overflow, poles, NaN
    np.testing.assert_array_equal(np.signbit(got[finite]), np.signbit(rounded[finite]))
    at = worst.argmax()
    assert worst[at] <= BOUND[name], f"{name}{suffix}({x[at]!r}): largest error {float(worst[at]):.3f} ulp"


def test_header_promises_no_less_than_is_asserted():
    assert max(BOUND.values()) <= 3 and "within 3 units in the last place" in HEADER.read_text()


INF, NAN = float("inf"), float("nan")
SPECIAL = {  # arguments, results
    "exp": ([0.0, -0.0, INF, -INF, 1e30, -1e30], [1, 1, INF, 0.0, INF, 0.0]),
    "expm1": ([INF, -INF, 1e30, -1e30], [INF, -1, INF, -1]),
    "log": ([0.0, -0.0, 1.0, INF, -INF, -1.0, -1e-40], [-INF, -INF, 0.0, INF, NAN, NAN, NAN]),
    "log1p": ([-1.0, INF, -INF, -1.5, -1e30], [-INF, INF, NAN, NAN, NAN]),
    "tanh": ([INF, -INF, 1e30, -1e30], [1, -1, 1, -1]),
    "sigmoid": ([0.0, -0.0, INF, -INF, 1e30, -1e30], [0.5, 0.5, 1, 0.0, 1, 0.0]),
}


@each_suffix
@each_name
def test_special_values(call, name, suffix):
    dtype = DTYPES[suffix]
    x, want = np.array(SPECIAL[name], dtype)
    np.testing.assert_array_equal(call(name, x), want)
    assert not np.signbit(call(name, x)[want == 0]).any()
    assert np.isnan(call(name, np.array([NAN, -NAN], dtype))).all()


@each_suffix
def test_decay_is_exp_where_x_is_not_positive(call, suffix):
    x = arguments(suffix)
    edges = [-np.linspace(low, high, 20_001, dtype=x.dtype) for low, high in ((80, 110), (700, 750))]
    x = np.concatenate([x[~(x > 0)], *edges])
    kind = np.uint32 if suffix else np.uint64
    ours, theirs = call("decay", x), call("exp", x)
    assert np.array_equal(np.isnan(ours), np.isnan(x))
    assert np.array_equal(ours.view(kind)[~np.isnan(x)], theirs.view(kind)[~np.isnan(x)])


@each_suffix
@pytest.mark.parametrize("name", ["expm1", "log1p", "tanh"])
def test_functions_through_zero_return_tiny_arguments_unchanged(call, name, suffix):
    dtype = DTYPES[suffix]
    smallest, normal = np.finfo(dtype).smallest_subnormal, np.finfo(dtype).smallest_normal
    x = np.array([0, smallest, 3 * smallest, normal - smallest, normal, 1.5 * normal], dtype)
    x = np.concatenate([x, -x])
    np.testing.assert_array_equal(call(name, x).view(np.uint8), x.view(np.uint8))


@each_suffix
@pytest.mark.parametrize("name", ["exp", "sigmoid"])
def test_underflow_is_gradual(call, name, suffix):
    first, last = (-87.4, -103.9) if suffix == "f" else (-708.5, -745.1)
    y = call(name, np.linspace(first, last, 200).astype(DTYPES[suffix]))
    info = np.finfo(y.dtype)
    assert (np.diff(y) <= 0).all() and y[0] < info.smallest_normal and y[-1] == info.smallest_subnormal
    assert np.unique(y).size > 150


@each_suffix
@each_name
def test_results_rise_with_the_argument(call, name, suffix):
    low, high = {"log": (0.01, 20), "log1p": (-0.99, 20), "tanh": (-3, 3)}.get(name, (-6, 6))
    assert (np.diff(call(name, np.linspace(low, high, 6001).astype(DTYPES[suffix]))) > 0).all()


@each_suffix
def test_squashing_functions_stay_in_their_range(call, suffix):
    x = arguments(suffix)
    x = x[~np.isnan(x)]
    assert np.abs(call("tanh", x)).max() == 1
    y = call("sigmoid", x)
    assert y.min() == 0 and y.max() == 1


@each_suffix
@each_name
def test_bits_do_not_depend_on_the_place_in_the_loop(call, name, suffix):
    x = np.linspace(-9, 9, 165).astype(DTYPES[suffix])
    whole = call(name, x)
    for start in (0, 1, 3):
        for length in (1, 7, 16, 17, 31, 33, 129):
            part = slice(start, start + length)
            np.testing.assert_array_equal(call(name, x[part]), whole[part])


def test_gcc_vectorises_every_loop(tmp_path):
    macros = subprocess.run([*COMPILER, "-dM", "-E", "-x", "c", os.devnull], capture_output=True, text=True, check=True)
    defined = dict(line.split(maxsplit=2)[1:] for line in macros.stdout.splitlines() if len(line.split()) > 2)
    if "__clang__" in defined or int(defined.get("__GNUC__", 0)) < 12:
        pytest.skip("needs the report of GCC 12 or later")
    flags = ["-march=x86-64-v3"] if "__x86_64__" in defined else []
    done = compile_source(write_source(tmp_path), tmp_path / "loops.so", [*flags, "-fopt-info-vec-optimized"])
    assert done.returncode == 0, done.stderr
    lines = {int(line.split(":")[1]) for line in done.stderr.splitlines() if "loop vectorized" in line}
    assert lines == set(range(2, 2 + 2 * len(SOURCES))), done.stderr
