import numpy as np
import pytest
import torch

from tests.autograd.helpers_reduce import check, leaf, method, normal

inf, nan = np.inf, np.nan
SHAPES = [(), (1,), (7,), (16,), (33,), (600,), (3, 1), (4, 17), (17, 4), (2, 3, 5), (3, 33, 2)]


def drawn(shape, dtype=float):
    """Few different values: many ties."""
    return np.random.default_rng(0).integers(0, 5, shape).astype(dtype)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", ["max", "min", "amax", "amin"])
def test_values_and_gradients(name, shape):
    for x in (normal(*shape), drawn(shape)):
        check(*method(name), x)
        for dim in range(-len(shape), len(shape)):
            for keepdim in (False, True):
                check(*method(name, dim, keepdim), x)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_places(name, shape):
    for x in (normal(*shape), drawn(shape), drawn(shape, np.int64), drawn(shape, np.float32)):
        for dim in (None, *range(-len(shape), len(shape))):
            y = getattr(leaf(x), name)(dim, True)
            assert y.dtype == np.int64
            np.testing.assert_array_equal(y.array, getattr(torch.tensor(x), name)(dim, True).numpy())


@pytest.mark.parametrize("row", [
    [nan, 1], [1, nan, nan, 2], [-inf, -inf], [inf, nan], [-inf, 0, inf], [0.0, -0.0], [1.0] * 40 + [nan],
    [-inf] * 20], ids=str)
@pytest.mark.parametrize("name", ["max", "min", "amax", "amin"])
def test_nan_inf_and_ties(name, row):
    x = np.array(row)
    check(*method(name), x, second=False)
    check(*method(name, 0), x, second=False)
    x = np.stack([x, np.arange(len(x)) * 1.0], 1)
    check(*method(name, 0), x, second=False)


@pytest.mark.parametrize("name", ["maximum", "minimum"])
def test_of_two_where_one_is_nan(name):
    check(*method(name), np.array([nan, 1.0, 2.0, nan, 3.0]), np.array([1.0, nan, 2.0, nan, inf]), second=False)


def test_keepdim_beside_a_second_tensor_is_refused():
    x = leaf(np.ones(3))
    for name in ("max", "min"):
        with pytest.raises(TypeError, match=f"{name}: keepdim"):
            getattr(x, name)(x, keepdim=True)


def test_several_dims():
    for op in (lambda x: x.amax((0, 2)), lambda x: x.amin((1, 2), True), lambda x: x.transpose(0, 1).amax((0, -1))):
        check(op, op, drawn((3, 4, 5)))


@pytest.mark.parametrize("dtype", [np.int64, np.bool_])
def test_integers(dtype):
    x = drawn((4, 5), dtype)
    for name in ("max", "min"):
        y, t = getattr(leaf(x), name)(1), getattr(torch.tensor(x), name)(1)
        assert y.values.dtype == dtype and y.indices.dtype == np.int64
        np.testing.assert_array_equal(y.values.array, t.values)
        np.testing.assert_array_equal(y.indices.array, t.indices)
        assert int(getattr(leaf(x), name)()) == int(getattr(torch.tensor(x), name)())


def test_two_tensors():
    check(lambda a, b: a.max(b), lambda a, b: a.max(b), normal(3, 4), normal(4))
    check(lambda a, b: a.min(b), lambda a, b: a.min(b), normal(3, 4), normal(4))


def test_changed_indices_do_not_reach_backward():
    x = leaf(normal(3, 4))
    values, indices = x.max(1)
    indices.array[...] = 10**15
    values.sum().backward()
    assert float(x.grad.sum()) == 3


@pytest.mark.parametrize("name", ["max", "min", "amax", "amin", "argmax", "argmin"])
def test_errors(name):
    for x in (np.zeros(0), np.zeros((0, 3)), np.zeros((0, 3), np.int64)):
        with pytest.raises(IndexError, match=rf"{name}: an empty row of \(0,"):
            getattr(leaf(x), name)()
        with pytest.raises(IndexError, match=rf"{name}: an empty row of \(0,"):
            getattr(leaf(x), name)(0)
    with pytest.raises(IndexError, match=rf"{name}: dim 2 is out of range"):
        getattr(leaf(normal(3, 4)), name)(2)
    result = getattr(leaf(np.zeros((0, 3))), name)(1)
    assert (result.values if isinstance(result, tuple) else result).shape == (0,)
