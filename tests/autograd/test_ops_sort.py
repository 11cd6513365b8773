import pickle

import numpy as np
import pytest
import torch

import tinyrnn
from tests.autograd.helpers_reduce import check, leaf, method, normal
from tinyrnn.autograd.arrays import ShapeError

inf, nan = np.inf, np.nan
SHAPES = [(), (1,), (7,), (33,), (3, 1), (4, 17), (3, 33, 2), (2, 0, 3), (0,)]
SPECIAL = np.array([[nan, 1, -inf, inf, 0, nan], [2, 2, 1, 1, 2, 0]])


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("descending", [False, True])
def test_sort(shape, descending):
    x = normal(*shape)
    for dim in range(-max(1, len(shape)), max(1, len(shape))):
        check(*method("sort", dim, descending), x)
        order = leaf(x).argsort(dim, descending)
        np.testing.assert_array_equal(order.array, torch.tensor(x).argsort(dim, descending).numpy())


@pytest.mark.parametrize("descending", [False, True])
def test_equal_elements_stay_in_their_order_and_nan_is_largest(descending):
    for x in (SPECIAL, np.random.default_rng(0).integers(0, 3, (2, 40)), SPECIAL[1:] > 1):
        y, t = leaf(x).sort(1, descending), torch.tensor(x).sort(dim=1, descending=descending, stable=True)
        np.testing.assert_array_equal(y.values.array, t.values.numpy())
        np.testing.assert_array_equal(y.indices.array, t.indices.numpy())


@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("k", [0, 1, 3, 17])
def test_topk(k, largest):
    x = normal(4, 17, 3)
    check(*method("topk", k, 1, largest), x)
    y = leaf(x).topk(k, 1, largest, False).values.array
    np.testing.assert_array_equal(np.sort(y, 1), np.sort(torch.tensor(x).topk(k, 1, largest).values.numpy(), 1))


@pytest.mark.parametrize("largest", [True, False])
def test_topk_of_special_values(largest):
    for k in range(7):
        y, t = leaf(SPECIAL).topk(k, 1, largest), torch.tensor(SPECIAL).topk(k, 1, largest)
        np.testing.assert_array_equal(y.values.array, t.values.numpy())
        np.testing.assert_array_equal(np.take_along_axis(SPECIAL, y.indices.array, 1), y.values.array)
    assert leaf(np.array([2, 1, 2, 2])).topk(2).indices.array.tolist() in ([0, 2], [0, 3], [2, 3])
    y = leaf(np.array(3.0)).topk(1)
    assert float(y.values) == 3 and int(y.indices) == 0


def test_changed_indices_do_not_reach_backward():
    for op in (lambda x: x.sort(1), lambda x: x.topk(2, 1)):
        x = leaf(normal(3, 4))
        values, indices = op(x)
        indices.array[...] = 10**15
        values.sum().backward()
        assert float(x.grad.sum()) == values.array.size


@pytest.mark.parametrize("x", [
    np.array([3, 1, 3, 2, 1]), np.array([[1.5, 0], [1.5, 2]]), np.zeros(0), np.array([True, True])], ids=str)
def test_unique(x):
    y, t = leaf(x, False).unique(True, True, True), torch.tensor(x).unique(True, True, True)
    for one, other in zip(y, t, strict=True):
        assert one.dtype == other.numpy().dtype
        np.testing.assert_array_equal(one.array, other.numpy())
    np.testing.assert_array_equal(leaf(x, False).unique().array, t[0].numpy())


def test_unique_along_a_dimension_and_of_nan():
    x = np.array([[1, 2, 1], [0, 5, 0]])
    y, t = leaf(x).unique(True, True, True, 1), torch.tensor(x).unique(True, True, True, 1)
    for one, other in zip(y, t, strict=True):
        np.testing.assert_array_equal(one.array, other.numpy())
    assert leaf(np.array([nan, 1, nan])).unique().shape == torch.tensor([nan, 1, nan]).unique().shape == (3,)


def test_bincount():
    x = np.array([0, 3, 3, 1])
    assert leaf(x).bincount().array.tolist() == [1, 1, 0, 2]
    assert leaf(x).bincount(minlength=6).array.tolist() == torch.tensor(x).bincount(minlength=6).tolist()
    for dtype in (np.float32, np.float64, np.int64):
        w = np.array([1, 2, 3, 4], dtype)
        y, t = leaf(x).bincount(leaf(w)), torch.tensor(x).bincount(torch.tensor(w))
        assert y.dtype == t.numpy().dtype and y.array.tolist() == t.tolist()
    assert leaf(np.zeros(0, np.int64)).bincount().shape == (0,)


def test_errors():
    with pytest.raises(ShapeError, match=r"topk: k = 5 is not between 0 and the 4 entries of dim 1 of \(3, 4\)"):
        leaf(normal(3, 4)).topk(5, 1)
    with pytest.raises(IndexError, match=r"sort: dim 2 is out of range for shape \(3, 4\)"):
        leaf(normal(3, 4)).sort(2)
    for x in (np.array([-1]), np.array([1.0]), np.array([[1]])):
        with pytest.raises(ShapeError, match="bincount: expected a 1-d tensor of integers >= 0"):
            leaf(x).bincount()
    with pytest.raises(ShapeError, match=r"bincount: weights of shape \(2,\) for \(1,\) integers"):
        leaf(np.array([1])).bincount(leaf(normal(2)))
    with pytest.raises(ValueError, match="minlength"):
        leaf(np.array([1])).bincount(minlength=-1)


def test_values_and_indices_have_names():
    x = tinyrnn.tensor([[1.0, 3.0], [2.0, 0.0]])
    for picked in (x.max(1), x.min(dim=1), x.sort(1), x.topk(1, 1)):
        values, indices = picked
        assert picked.values is values and picked.indices is indices
        assert pickle.loads(pickle.dumps(picked)).indices.tolist() == indices.tolist()
