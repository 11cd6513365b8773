import numpy as np
import pytest
import torch

from tests.autograd.helpers_reduce import check, leaf, method, normal
from tinyrnn.autograd import ops_scan as ops

SHAPES = [(), (1,), (7,), (33,), (3, 1), (4, 17), (3, 33, 2), (2, 0, 3), (0,)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", ["cumsum", "cumprod", "prod"])
def test_matches_torch(name, shape):
    x = normal(*shape)
    for dim in range(-max(len(shape), 1), max(len(shape), 1)):
        check(*method(name, dim), x, second=bool(x.size))


@pytest.mark.parametrize("zeros", [[], [2], [0, 3], [0, 1, 2, 3, 4]], ids=str)
@pytest.mark.parametrize("name", ["cumprod", "prod"])
def test_products_with_zeros(name, zeros):
    x = normal(5, 3)
    x[zeros, 1] = 0
    check(*method(name, 0), x)


def test_product_of_all():
    check(*method("prod"), normal(2, 3))
    check(lambda x: ops.prod(x, keepdim=True), lambda x: x.prod().reshape(1, 1), normal(2, 3))
    check(*method("prod", 1, True), normal(2, 3))


@pytest.mark.parametrize("name", ["cumsum", "cumprod"])
def test_inf_and_nan_without_warnings(name):
    x = np.array([1, np.inf, 0, -np.inf, np.nan])
    np.testing.assert_array_equal(getattr(leaf(x), name)(0).array, getattr(torch.tensor(x), name)(0).numpy())


def test_long_sums_are_accurate():
    x = np.random.default_rng(0).random(100_000).astype(np.float32)
    np.testing.assert_allclose(leaf(x).cumsum(0).array, x.astype(np.float64).cumsum(), rtol=1e-7)


@pytest.mark.parametrize("dtype", [np.int64, np.bool_])
def test_integers(dtype):
    x = np.random.default_rng(0).integers(0, 3, (3, 4)).astype(dtype)
    for name in ("cumsum", "cumprod", "prod"):
        for dim in (0, -1):
            y = getattr(leaf(x), name)(dim)
            assert y.dtype == np.int64 and y.array.tolist() == getattr(torch.tensor(x), name)(dim).tolist()
    assert leaf(np.array(True)).cumsum(0).dtype == np.int64


def test_not_contiguous():
    for op in (lambda x: x.transpose(0, 1).cumsum(0), lambda x: x.transpose(0, 1).cumprod(0),
               lambda x: x.transpose(0, 1).prod(0)):
        check(op, op, normal(4, 5))


def test_wrong_dims_raise():
    for name in ("cumsum", "cumprod", "prod"):
        with pytest.raises(IndexError, match=rf"{name}: dim 2 is out of range for shape \(3, 4\)"):
            getattr(leaf(normal(3, 4)), name)(2)
    with pytest.raises(TypeError):
        leaf(normal(3, 4)).prod((0, 1))
