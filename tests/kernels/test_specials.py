"""specials.h through the operations that use it, against wider arithmetic."""

import math

import numpy as np
import pytest
import torch

import tinyrnn

# Units in the last place: the largest error measured, rounded up. The header promises 3.
BOUND = {"sin": 2.5, "cos": 2.5, "erf": 1.8, "log2": 1.8, "log10": 1.9}
WIDER = {np.float32: np.float64, np.float64: np.longdouble}
INF, NAN = float("inf"), float("nan")

each_dtype = pytest.mark.parametrize("dtype", WIDER, ids=["float32", "float64"])
each_name = pytest.mark.parametrize("name", BOUND)


def arguments(name, dtype):
    """Dense where the functions do their work, and from end to end of the exponents."""
    rng = np.random.default_rng(0)
    near, wide = rng.uniform(-8, 8, 60_000), rng.uniform(-1e6, 1e6, 60_000)
    tiny = np.ldexp(rng.uniform(-1, 1, 20_000), rng.integers(np.finfo(dtype).minexp, 0, 20_000))
    quarters = rng.integers(-600_000, 600_000, 20_000) * (np.pi / 2)    # where sine or cosine is close to 0
    x = np.concatenate([near, wide, tiny, quarters]).astype(dtype)
    if name.startswith("log"):
        return np.abs(np.concatenate([x, np.ldexp(dtype(1.3), rng.integers(-125, 126, 999)).astype(dtype)]))
    return x


def exact(name, x):
    if name == "erf":           # NumPy has none; C's is within one unit
        return np.array([math.erf(v) for v in x], x.dtype)
    with np.errstate(divide="ignore"):
        return getattr(np, name)(x)


@each_dtype
@each_name
def test_error_stays_within_the_bound(name, dtype):
    if np.finfo(WIDER[dtype]).nmant <= np.finfo(dtype).nmant:
        pytest.skip("long double is no wider than double here")
    x = arguments(name, dtype)
    got, want = getattr(tinyrnn, name)(tinyrnn.tensor(x)).numpy(), exact(name, x.astype(WIDER[dtype]))
    unit = np.spacing(np.maximum(np.abs(want), np.finfo(dtype).tiny).astype(dtype))
    with np.errstate(invalid="ignore"):
        error = np.where(np.isfinite(want), np.abs(got - want) / unit, got != want)
    assert error.max() <= BOUND[name] + (name == "erf" and dtype == np.float64), x[error.argmax()]


@each_dtype
@each_name
def test_special_values(name, dtype):
    x = np.array([0.0, -0.0, INF, -INF, NAN, 1e30, -1e30, 2.0**20, 1.5 * 2.0**20, 1.0, -1.0], dtype)
    got = getattr(tinyrnn, name)(tinyrnn.tensor(x)).numpy()
    want = getattr(torch, name)(torch.tensor(x.astype(np.float64))).numpy().astype(dtype)
    np.testing.assert_allclose(got, want, rtol=4 * np.finfo(dtype).eps)
    np.testing.assert_array_equal(np.signbit(got[:2]), np.signbit(want[:2]))


@each_dtype
def test_log2_of_a_power_of_two_is_exact(dtype):
    k = np.arange(np.finfo(dtype).minexp - 20, np.finfo(dtype).maxexp, dtype=np.int64)
    np.testing.assert_array_equal(tinyrnn.tensor(np.ldexp(dtype(1), k)).log2().numpy(), k.astype(dtype))


@each_dtype
def test_the_place_of_a_large_angle_changes_no_other(dtype):
    x = np.linspace(-9, 9, 1500).astype(dtype)
    y = x.copy()
    y[700] = 1e8
    a, b = tinyrnn.tensor(x).sin().numpy(), tinyrnn.tensor(y).sin().numpy()
    assert b[700] == pytest.approx(math.sin(1e8), rel=1e-6)
    np.testing.assert_array_equal(np.delete(a, 700), np.delete(b, 700))


@pytest.mark.parametrize("power", [-2, -1, -0.5, 0, 0.5, 1, 2, 2.5, 3, 7])
@each_dtype
def test_powers_are_pytorchs(power, dtype):
    x = np.array([0.0, -0.0, INF, -INF, NAN, 1.5, -1.5, 1e-30, 3e8, 1.0, -1.0], dtype)
    got, want = (tinyrnn.tensor(x) ** power).numpy(), (torch.tensor(x) ** power).numpy()
    np.testing.assert_allclose(got, want, rtol=1e-6 if dtype == np.float32 else 1e-14)
    np.testing.assert_array_equal(np.signbit(got[got == 0]), np.signbit(want[want == 0]))
    exponents = np.full(x.shape, power, dtype)
    both = tinyrnn.tensor(x).pow(tinyrnn.tensor(exponents)).numpy()
    np.testing.assert_allclose(both, torch.tensor(x).pow(torch.tensor(exponents)).numpy(), rtol=1e-6)
