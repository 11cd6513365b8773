"""Element functions against PyTorch: values, gradients, gradients of gradients, and the edges."""
import math
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes

from tests.autograd.helpers_functions import assert_same, assert_same_op, call, pair
from tinyrnn.autograd import methods
from tinyrnn.autograd.arrays import DtypeError
from tinyrnn.autograd.creation import tensor

DTYPES = [np.float32, np.float64]
inf, nan = math.inf, math.nan

EVERYWHERE = ["exp", "expm1", "square", "sin", "cos", "erf", "sign", "floor", "ceil", "trunc", "round", "frac",
              "nan_to_num", "abs", "neg"]
POSITIVE = ["log", "log1p", "log2", "log10", "sqrt", "rsqrt", "reciprocal"]


def values(shape, dtype, low=-3.0, high=3.0):
    return np.random.default_rng(0).uniform(low, high, shape).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", EVERYWHERE + POSITIVE)
@pytest.mark.parametrize("shape", [(), (1,), (0, 3), (33,), (7, 17)])
def test_function(name, shape, dtype):
    assert_same_op(*call(name), values(shape, dtype, 0.1 if name in POSITIVE else -3.0))


@pytest.mark.parametrize("name", EVERYWHERE + POSITIVE)
def test_function_of_infinities_zeros_and_nan(name):
    x = np.array([-inf, -1000, -1, -0.0, 0, 1, 25, 1000, inf, nan])
    assert_same_op(*call(name), x, second=False)


@pytest.mark.parametrize("name", EVERYWHERE + POSITIVE)
def test_function_of_strided_memory(name):
    ours, theirs = call(name)
    x, z = pair(values((6, 5), np.float64, 0.1))
    assert_same(ours(x.transpose(0, 1)), theirs(z.transpose(0, 1)))


@settings(max_examples=25, deadline=None)
@given(shape=array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5), name=st.sampled_from(EVERYWHERE))
def test_any_shape(shape, name):
    assert_same_op(*call(name), values(shape, np.float64), second=False)


@pytest.mark.parametrize("name", ["exp", "log1p", "sqrt", "reciprocal", "erf", "sign", "floor", "round", "square"])
@pytest.mark.parametrize("array", [np.array([0, 1, 5]), np.array([True, False])])
def test_integers_and_truth_values(name, array):
    if array.dtype == bool and name in ("floor", "round", "square"):
        return
    ours, theirs = call(name)
    assert_same(ours(tensor(array)), theirs(torch.tensor(array)))


@pytest.mark.parametrize("name", EVERYWHERE + POSITIVE)
def test_in_place(name):
    def ours(x):
        return getattr(x * 1, name + "_")()

    def theirs(x):
        return getattr(x * 1, name + "_")()
    assert_same_op(ours, theirs, values((3, 4), np.float64, 0.1), second=False)


@pytest.mark.parametrize("decimals", [-1, 0, 1, 3])
def test_round_to_decimals(decimals):
    x = np.array([12.345, -0.5, 0.5, 1.5, 2.5, 1234.5678, inf, nan])
    assert_same_op(lambda x: x.round(decimals=decimals), lambda z: z.round(decimals=decimals), x, second=False)
    with pytest.raises(DtypeError, match="round"):
        tensor([1, 2]).round(decimals=1)


# ---- bounds ----

@pytest.mark.parametrize("bounds", [{"min": -1.0}, {"max": 1.0}, {"min": -1.0, "max": 1.0}, {"min": 1.0, "max": -1.0}])
@pytest.mark.parametrize("dtype", DTYPES)
def test_clamp_by_numbers(bounds, dtype):
    x = np.array([-inf, -2, -1, -0.5, 0, 1, 2, inf, nan], dtype)
    for ours, theirs in (call("clamp"), call("clip")):
        assert_same_op(partial(ours, **bounds), partial(theirs, **bounds), x)


def test_clamp_by_tensors():
    x, low = np.array([[1.0, 2, 3, -5]] * 2), np.array([[1.0, 3, 0, 0], [-9, -9, -9, -9]])
    high = np.array([1.0, 2, 2, 7])
    for name in ("clamp", "clip"):
        assert_same_op(*call(name), x, low, high)
    assert_same_op(*call("clamp_min"), x, low)
    assert_same_op(*call("clamp_max"), x, high)


@pytest.mark.parametrize("bounds", [(0.5, None), (None, 2), (1, 2), (0.5, 2.5)])
def test_clamp_of_integers(bounds):
    assert_same(tensor([0, 1, 2, 3]).clamp(*bounds), torch.tensor([0, 1, 2, 3]).clamp(*bounds))


def test_clamp_in_place():
    x = values((4, 5), np.float64)
    assert_same_op(lambda x: (x * 2).clamp_(-1, 1), lambda z: (z * 2).clamp_(-1, 1), x)
    assert_same_op(lambda x: (x * 2).clamp_min_(-1), lambda z: (z * 2).clamp_min_(-1), x)
    with pytest.raises(DtypeError):
        tensor([1, 2]).clamp_(0.5)


def test_clamp_needs_a_bound():
    for name in ("clamp", "clamp_"):
        with pytest.raises(RuntimeError, match=f"{name}: at least one"):
            getattr(tensor([1.0]), name)()


# ---- combinations ----

@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_lerp(weight):
    a, b = values((3, 1), np.float64), values((4,), np.float64) + 1
    assert_same_op(lambda x, y: x.lerp(y, weight), lambda x, y: x.lerp(y, weight), a, b)
    a = values((3, 4), np.float64)
    assert_same_op(*call("lerp"), a, b, values((3, 1), np.float64))
    assert_same_op(lambda x, y: (x * 1).lerp_(y, weight), lambda x, y: (x * 1).lerp_(y, weight), a, b)


@pytest.mark.parametrize("name", ["addcmul", "addcdiv"])
@pytest.mark.parametrize("value", [1, -0.5])
def test_addcmul_addcdiv(name, value):
    arrays = [values((3, 4), np.float64), values((4,), np.float64), values((3, 1), np.float64, 1)]
    ours, theirs = call(name)
    assert_same_op(lambda *x: ours(*x, value=value), lambda *x: theirs(*x, value=value), *arrays)
    assert_same_op(lambda x, a, b: getattr(x * 1, name + "_")(a, b, value=value),
                   lambda x, a, b: getattr(x * 1, name + "_")(a, b, value=value), *arrays, second=False)


def test_fmod():
    a, b = values((5, 4), np.float64, -9, 9), np.array([0.7, -0.7, 2.5, 1e-3])
    assert_same_op(*call("fmod"), a, b, second=False)
    assert_same_op(lambda x: x.fmod(0.7), lambda z: z.fmod(0.7), np.array([-inf, -1.0, 0, 5, inf, nan]), second=False)
    assert_same(tensor([5, -5]).fmod(3), torch.tensor([5, -5]).fmod(3))
    with pytest.raises(ZeroDivisionError, match="fmod"):
        tensor([5, -5]).fmod(0)


@pytest.mark.parametrize("alias, name", [("absolute", "abs"), ("negative", "neg"), ("subtract", "sub"),
                                         ("multiply", "mul"), ("divide", "div"), ("true_divide", "div")])
def test_aliases(alias, name):
    assert methods.operations[alias] is methods.operations[name]


# ---- special values ----

SPECIAL = np.array([-inf, -1.0, -0.0, 0, 1 + 1e-6, 5, inf, nan])


@pytest.mark.parametrize("name", ["isnan", "isinf", "isfinite"])
@pytest.mark.parametrize("array", [SPECIAL, SPECIAL.astype(np.float32), np.array([1, 2]), np.array(True)])
def test_tests(name, array):
    ours, theirs = call(name)
    assert_same(ours(tensor(array)), theirs(torch.tensor(array)))


@pytest.mark.parametrize("equal_nan", [False, True])
def test_isclose(equal_nan):
    a, b = SPECIAL[:, None], np.array([-inf, -1.0, 0, 1, 5.1, inf, nan])
    for rtol, atol in ((1e-5, 1e-8), (0.1, 0.0), (0.0, 2.0)):
        ours = tensor(a).isclose(tensor(b), rtol, atol, equal_nan)
        assert_same(ours, torch.tensor(a).isclose(torch.tensor(b), rtol, atol, equal_nan))
    assert_same(tensor([1, 2]).isclose(tensor([1, 3])), torch.tensor([True, False]))
    assert_same(tensor([True]).isclose(tensor([True])), torch.tensor([True]))


def test_a_clamp_that_is_refused_changes_nothing():
    for maximum in ("x", tensor([1.0, 1.0]), tensor(np.ones((2, 3))), tensor([1.0, 1.0, 1.0]).double()):
        x = tensor(np.zeros(3, np.float32))
        with pytest.raises((TypeError, ValueError, RuntimeError), match="clamp_max|expand"):
            x.clamp_(min=2, max=maximum)
        assert x.tolist() == [0, 0, 0]


def test_isclose_within_less_than_nothing():
    for tolerances in ({"rtol": -1}, {"atol": -1}, {"rtol": nan}):
        with pytest.raises(ValueError, match="isclose: rtol"):
            tensor([1.0]).isclose(tensor([1.0]), **tolerances)


def test_quotients_toward_zero():
    a = np.array([inf, -inf, 7, -7, -0.0, nan, 1e300, inf])
    b = np.array([2.0, 0.5, 2, 3, -1, 0, inf, nan, -inf])
    for dtype in (np.float64, np.float32):
        with np.errstate(over="ignore"):
            x, y = a.astype(dtype)[:, None], b.astype(dtype)
        assert_same(tensor(x).div(tensor(y), rounding_mode="trunc"),
                    torch.tensor(x).div(torch.tensor(y), rounding_mode="trunc"))


@pytest.mark.parametrize("name", ["add", "sub", "addcmul", "addcdiv", "addmm", "index_add"])
def test_a_fraction_of_whole_numbers_is_refused(name):
    x = tensor([[1]])
    arguments = {"addcmul": ({"value": 0.5}, x, x), "addmm": ({"alpha": 0.5}, x, x), "add": ({"alpha": 0.5}, x),
                 "sub": ({"alpha": np.float64(2)}, x), "index_add": ({"alpha": 0.5}, 0, tensor([0]), x)}
    if name == "addcdiv":                       # a quotient is a fraction itself
        assert x.addcdiv(x, x, value=0.5).item() == 1.5
        return
    keywords, *rest = arguments[name]
    with pytest.raises(DtypeError, match=f"{name}: .* times a tensor of int64"):
        getattr(x, name)(*rest, **keywords)
    assert tensor([1.0]).add(tensor([2]), alpha=0.5).item() == 2 == tensor([1]).add(tensor([2.0]), alpha=0.5).item()


def test_allclose_and_equal():
    a = values((3, 4), np.float32)
    assert tensor(a).allclose(tensor(a + 1e-6)) is True
    assert tensor(a).allclose(tensor(a + 1e-3)) is False
    assert tensor(a).equal(tensor(a)) is True
    assert tensor(a).equal(tensor(a + 1e-6)) is False
    assert tensor(a).equal(tensor(a[:2])) is False
    assert tensor([1]).equal(tensor([1.0])) is True
    with pytest.raises(DtypeError, match="isclose"):
        tensor([1]).allclose(tensor([1.0]))


def test_nan_to_num():
    for kwargs in ({}, {"nan": 1.0}, {"posinf": 2.0, "neginf": -2.0}):
        ours, theirs = call("nan_to_num")
        assert_same_op(partial(ours, **kwargs), partial(theirs, **kwargs), SPECIAL)
    assert_same(tensor([1, 2]).nan_to_num(), torch.tensor([1, 2]))
