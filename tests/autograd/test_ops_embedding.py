import numpy as np
import pytest
import torch

from tests.autograd.helpers_shape import check, ours, pair, same, tensor, values

AT = np.array([[1, 0, 3], [3, 3, 2]])


def embed(lib, index, *args, **kwargs):
    if lib is ours:
        return ours.embedding(tensor(index), *args, **kwargs)
    return torch.nn.functional.embedding(torch.from_numpy(index), *args, **kwargs)


@pytest.mark.parametrize("width", [1, 7, 17, 33])
@pytest.mark.parametrize("index", [AT, AT[0], np.array(2)], ids=["matrix", "vector", "number"])
def test_rows(index, width):
    check(lambda lib, w: embed(lib, index, w), values(4, width))


def test_no_rows():
    w = tensor(values(4, 3), True)
    y = embed(ours, AT[:, :0], w)
    assert y.shape == (2, 0, 3)
    y.sum().backward()
    same(w.grad, np.zeros((4, 3)))


@pytest.mark.parametrize("padding", [3, -1, 0])
def test_padding_row_has_no_gradient(padding):
    check(lambda lib, w: embed(lib, AT, w, padding), values(4, 3))


def test_gradient_by_frequency():
    for options in ({}, {"padding_idx": 3}):
        w, t = tensor(values(4, 3), True), torch.from_numpy(values(4, 3)).requires_grad_()
        dy = values(2, 3, 3, seed=1)
        (embed(ours, AT, w, scale_grad_by_freq=True, **options) * tensor(dy)).sum().backward()
        (embed(torch, AT, t, scale_grad_by_freq=True, **options) * torch.from_numpy(dy)).sum().backward()
        same(w.grad, t.grad)


@pytest.mark.parametrize("norm", [1.0, 2.0, 3.0, np.inf])
def test_max_norm_shortens_the_rows_in_use(norm):
    for dtype in ("float32", "float64"):
        w, t = pair(values(4, 3, dtype=dtype) * 3)
        w.requires_grad = t.requires_grad = True
        y, u = embed(ours, AT[:1], w, None, 1.5, norm), embed(torch, AT[:1], t, None, 1.5, norm)
        same(y, u)
        same(w, t)
        assert w._version == 1
        y.sum().backward()
        u.sum().backward()
        same(w.grad, t.grad)


def test_the_index_may_change_after_use():
    index = AT.copy()
    w = tensor(values(4, 3), True)
    y = embed(ours, index, w)
    index[:] = 10**9
    y.sum().backward()
    same(w.grad, np.repeat([[1.0], [1], [1], [3]], 3, 1))


def test_one_hot():
    for array, classes in [(AT, -1), (AT, 6), (np.array(2), -1), (AT[:, :0], 3), (AT[0], 4)]:
        x, t = pair(array)
        same(ours.one_hot(x, classes), torch.nn.functional.one_hot(t, classes))


def i64(*numbers):
    return tensor(np.array(numbers, np.int64))


BAD = [
    (lambda w: ours.embedding(i64(7), w), IndexError, "embedding: index 7 is out of range for a table of 4 rows"),
    (lambda w: ours.embedding(i64(-1, 0), w), IndexError, "embedding: index -1 is out of range for a table of 4 rows"),
    (lambda w: ours.embedding(w, w), TypeError, "embedding: the indices must be int64, not float64"),
    (lambda w: ours.embedding(i64(0), w[0]), ValueError, r"embedding: the table must have 2 dimensions, not \(3,\)"),
    (lambda w: ours.embedding(i64(0), w, 4), IndexError, "embedding: padding_idx 4"),
    (lambda w: ours.embedding(i64(0), w, sparse=True), NotImplementedError, "sparse"),
    (lambda w: ours.one_hot(w), TypeError, "one_hot: the classes must be int64"),
    (lambda w: ours.one_hot(i64(3), 3), IndexError, "one_hot: class 3 is out of range for 3 classes"),
    (lambda w: ours.one_hot(i64(-1)), IndexError, "one_hot: class -1"),
    (lambda w: ours.one_hot(i64()), ValueError, "one_hot: num_classes must be given"),
    (lambda w: ours.one_hot(i64(0), 0), ValueError, "one_hot: num_classes"),
]


@pytest.mark.parametrize("case", range(len(BAD)))
def test_bad_arguments(case):
    operation, error, message = BAD[case]
    with pytest.raises(error, match=message):
        operation(tensor(values(4, 3)))
