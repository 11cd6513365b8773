import numpy as np
import pytest
import torch

from tests.autograd.helpers_shape import check, ours, pair, same, tensor, values

MASK = np.array([[True, False, True], [False, True, True]])
AT = np.array([[0, 2, 0, 1], [1, 1, 1, 1]])


def to(lib, array):
    return tensor(array.copy()) if lib is ours else torch.from_numpy(array.copy())


def changed(x, change):
    """A copy after a change in place."""
    y = x * 1
    change(y)
    return y * y


def cut(lib, source, *shape):
    """The part that the index covers: PyTorch has no gradient for a larger source."""
    return source if lib is ours else source[tuple(slice(n) for n in shape)]


WITHOUT_SOURCE = {
    "where number": ((2, 3), lambda lib, x: lib.where(to(lib, MASK), x, 0.5)),
    "where number first": ((2, 3), lambda lib, x: lib.where(to(lib, MASK), 2, x)),
    "where method": ((2, 3), lambda lib, x: x.where(to(lib, MASK), x * 2)),
    "masked_fill": ((2, 3), lambda lib, x: x.masked_fill(to(lib, MASK), 0.25)),
    "masked_fill broadcast": ((2, 3), lambda lib, x: x.masked_fill(to(lib, MASK[:, :1]), -1)),
    "masked_fill larger mask": ((3,), lambda lib, x: x.masked_fill(to(lib, MASK), -1)),
    "masked_fill_": ((2, 3), lambda lib, x: changed(x, lambda y: y.masked_fill_(to(lib, MASK), 0.25))),
    "masked_select": ((2, 3), lambda lib, x: x.masked_select(to(lib, MASK))),
    "masked_select broadcast": ((3,), lambda lib, x: x.masked_select(to(lib, MASK))),
    "masked_select broadcast mask": ((2, 3), lambda lib, x: x.masked_select(to(lib, MASK[0]))),
    "masked_select none": ((2, 3), lambda lib, x: x.masked_select(to(lib, MASK & False))),
    "gather": ((2, 3), lambda lib, x: x.gather(1, to(lib, AT))),
    "gather front": ((3, 4), lambda lib, x: x.gather(0, to(lib, AT))),
    "gather part": ((3, 5, 2), lambda lib, x: x.gather(-1, to(lib, AT[:, :2, None] % 2))),
    "gather 0-d": ((), lambda lib, x: x.gather(0, to(lib, np.array(0)))),
    "gather nothing": ((2, 3), lambda lib, x: x.gather(1, to(lib, AT[:, :0]))),
    "gather transposed": ((3, 2), lambda lib, x: x.t().gather(1, to(lib, AT))),
    "scatter number": ((2, 3), lambda lib, x: x.scatter(1, to(lib, AT), 0.5)),
    "scatter value": ((2, 3), lambda lib, x: x.scatter(1, to(lib, AT), value=2)),
    "index_select": ((2, 3), lambda lib, x: x.index_select(1, to(lib, AT[0]))),
    "index_select front": ((3, 2, 2), lambda lib, x: x.index_select(0, to(lib, AT[0]))),
    "index_select 0-d": ((), lambda lib, x: x.index_select(0, to(lib, np.array([0])))),
    "index_select one": ((2, 3), lambda lib, x: x.index_select(1, to(lib, np.array(2)))),
    "index_fill": ((2, 3), lambda lib, x: x.index_fill(1, to(lib, AT[0]), 0.5)),
    "index_fill_": ((2, 3), lambda lib, x: changed(x, lambda y: y.t().index_fill_(0, to(lib, AT[0, :2]), 0.5))),
    "take": ((2, 3), lambda lib, x: x.take(to(lib, AT))),
    "take_along_dim": ((2, 3), lambda lib, x: x.take_along_dim(to(lib, AT), 1)),
    "take_along_dim broadcast": ((1, 3), lambda lib, x: x.take_along_dim(to(lib, AT), 1)),
    "take_along_dim broadcast index": ((2, 3), lambda lib, x: x.take_along_dim(to(lib, AT[:1]), dim=-1)),
    "take_along_dim flat": ((2, 3), lambda lib, x: x.take_along_dim(to(lib, AT))),
}

WITH_SOURCE = {
    "where": ((2, 3), (2, 3), lambda lib, x, s: lib.where(to(lib, MASK), x, s)),
    "where broadcast": ((3,), (2, 1), lambda lib, x, s: lib.where(to(lib, MASK[:, None]), x, s)),
    "masked_fill": ((2, 3), (), lambda lib, x, s: x.masked_fill(to(lib, MASK), s)),
    "masked_scatter": ((2, 3), (5,), lambda lib, x, s: x.masked_scatter(to(lib, MASK), s)),
    "masked_scatter_": (
        (2, 3),
        (2, 4),
        lambda lib, x, s: changed(x, lambda y: y.masked_scatter_(to(lib, MASK[:1]), s)),
    ),
    "scatter": ((2, 5), (2, 4), lambda lib, x, s: x.scatter(1, to(lib, AT + [[0, 1, 4, 2], [3, 2, 1, 0]]), s)),
    "scatter larger source": ((3, 4), (3, 5), lambda lib, x, s: x.scatter(0, to(lib, AT[:1]), cut(lib, s, 1, 4))),
    "scatter_": ((5, 2), (2, 2), lambda lib, x, s: changed(x, lambda y: y.t().scatter_(1, to(lib, AT[:, 1:3] * 2), s))),
    "scatter_add": ((2, 3), (2, 4), lambda lib, x, s: x.scatter_add(1, to(lib, AT), s)),
    "scatter_add larger": (
        (2, 3, 2),
        (3, 4, 2),
        lambda lib, x, s: x.scatter_add(1, to(lib, AT[:, :, None]), cut(lib, s, 2, 4, 1)),
    ),
    "scatter_add_": ((3, 2), (2, 4), lambda lib, x, s: changed(x, lambda y: y.t().scatter_add_(1, to(lib, AT), s))),
    "scatter_add 0-d": ((), (), lambda lib, x, s: x.scatter_add(0, to(lib, np.array(0)), s)),
    "index_add": ((2, 3), (2, 4), lambda lib, x, s: x.index_add(1, to(lib, AT[0]), s)),
    "index_add front": ((3, 2), (4, 2), lambda lib, x, s: x.index_add(0, to(lib, AT[0]), s, alpha=-2)),
    "index_add_": ((3, 2), (2, 4), lambda lib, x, s: changed(x, lambda y: y.t().index_add_(1, to(lib, AT[0]), s))),
    "index_copy": ((2, 3), (2, 2), lambda lib, x, s: x.index_copy(1, to(lib, AT[0, :2]), s)),
    "index_copy_": ((3, 2), (2, 2), lambda lib, x, s: changed(x, lambda y: y.index_copy_(0, to(lib, AT[0, 1:3]), s))),
    "index_fill": ((2, 3), (), lambda lib, x, s: x.index_fill(1, to(lib, AT[0]), s)),
}


@pytest.mark.parametrize("name", WITHOUT_SOURCE)
def test_without_source(name):
    shape, operation = WITHOUT_SOURCE[name]
    check(operation, values(*shape))


@pytest.mark.parametrize("name", WITH_SOURCE)
def test_with_source(name):
    shape, source, operation = WITH_SOURCE[name]
    check(operation, values(*shape), values(*source, seed=1))


@pytest.mark.parametrize("width", [1, 7, 16, 17, 31, 33, 129])
def test_sums_of_rows_at_tile_edges(width):
    rows = np.random.default_rng(0).integers(0, 5, 40)
    check(lambda lib, x, s: x.index_add(0, to(lib, rows), s), values(5, width), values(40, width, seed=1))
    check(lambda lib, x: x[to(lib, rows)], values(5, width))


def test_where_with_numbers_and_alone():
    m, n = pair(MASK)
    same(ours.where(m, 1.0, 2), torch.where(n, 1.0, 2))
    same(ours.where(m, 1, 2), torch.where(n, 1, 2))
    same(ours.where(m, True, False), torch.where(n, True, False))
    x, t = pair(values(2, 3, dtype="float32"))
    same(ours.where(m, x, 1), torch.where(n, t, 1))
    for a, b in zip(ours.where(m), torch.where(n), strict=True):
        same(a, b)
    with pytest.raises(TypeError, match="where: float32 and float64 do not mix"):
        ours.where(m, x, tensor(values(2, 3)))


@pytest.mark.parametrize("array", [MASK, AT, values(2, 2) > 9, np.array(3.0), np.array(0), np.array([np.nan, 0, -0.0])])
def test_nonzero(array):
    x, t = pair(array)
    same(x.nonzero(), t.nonzero())
    same(x.argwhere(), t.argwhere())
    for a, b in zip(x.nonzero(as_tuple=True), t.nonzero(as_tuple=True), strict=True):
        same(a, b)


def test_whole_numbers():
    for operation in (
        lambda lib, x: x.scatter_add(1, to(lib, AT), to(lib, AT)),
        lambda lib, x: x.index_add(1, to(lib, AT[0]), to(lib, AT), alpha=3),
        lambda lib, x: x.masked_fill(to(lib, MASK), 1.5),
        lambda lib, x: x.gather(1, to(lib, AT)),
        lambda lib, x: (x > 2).gather(1, to(lib, AT)),
        lambda lib, x: x.index_fill_(0, to(lib, AT[0, :1]), 9),
    ):
        x, t = pair(np.arange(6).reshape(2, 3))
        same(operation(ours, x), operation(torch, t))


def test_masked_fill_keeps_inf_out_of_the_gradient():
    x = tensor(np.array([np.inf, 1.0]), True)
    y = x.masked_fill(tensor(np.array([True, False])), 0)
    (y * y).sum().backward()
    same(x.grad, np.array([0.0, 2.0]))


def test_a_mask_is_watched():
    m = tensor(MASK.copy())
    x = tensor(values(2, 3), True)
    y = ours.where(m, x, 0.0)
    m.zero_()
    with pytest.raises(RuntimeError, match="where"):
        y.sum().backward()


def i64(*numbers):
    return tensor(np.array(numbers, np.int64))


BAD = [
    (lambda x: x.masked_fill(tensor(AT[:, :3]), 1), TypeError, "masked_fill: a mask holds truth values, not int64"),
    (lambda x: x.masked_fill(tensor(MASK.T), 1), ValueError, r"masked_fill: \(2, 3\) and \(3, 2\)"),
    (lambda x: x.masked_fill(tensor(MASK), x), ValueError, "masked_fill: expected one value"),
    (lambda x: x[0].masked_fill_(tensor(MASK), 1), ValueError, r"\(2, 3\) does not fit into \(3,\)"),
    (lambda x: ours.where(tensor(MASK.T), x, 1), ValueError, r"where: \(3, 2\) and \(2, 3\)"),
    (lambda x: ours.where(x, x, 1), TypeError, "where: a mask holds truth values"),
    (lambda x: x.masked_scatter(tensor(MASK), x[0]), ValueError, "masked_scatter: the mask is true 4 times"),
    (lambda x: x.gather(1, i64(0)), ValueError, r"gather: the index \(1,\) must have as many dimensions as \(2, 3\)"),
    (lambda x: x.gather(1, tensor(AT.T)), ValueError, r"gather: the index \(4, 2\) is larger than \(2, 3\)"),
    (lambda x: x.gather(1, tensor(AT + 2)), IndexError, "gather: 4 is out of range for dimension 1"),
    (lambda x: x.gather(1, x), TypeError, "gather: the index must hold int64, not float64"),
    (lambda x: x.gather(2, tensor(AT)), IndexError, "gather: dim 2"),
    (
        lambda x: x.scatter(1, tensor(AT), x),
        ValueError,
        r"scatter: the index \(2, 4\) is larger than the source \(2, 3\)",
    ),
    (lambda x: x.scatter(1, tensor(AT), 1.0, reduce="add"), NotImplementedError, "scatter: reduce"),
    (lambda x: x.scatter(1, tensor(AT)), TypeError, "scatter: expected either src or value"),
    (lambda x: x.scatter_add(1, tensor(AT), i64(1)), ValueError, "scatter_add"),
    (lambda x: x.scatter_add(1, tensor(AT), tensor(AT)), TypeError, "scatter_add: int64 values"),
    (
        lambda x: x.index_select(1, i64(3)),
        IndexError,
        r"index_select: 3 is out of range for dimension 1 of shape \(2, 3\)",
    ),
    (lambda x: x.index_select(1, tensor(AT)), ValueError, "index_select: the index must have one dimension"),
    (lambda x: x.index_select(1, [0]), TypeError, "index_select: the index must be a tensor, not list"),
    (
        lambda x: x.index_add(0, i64(0, 1), x[:1]),
        ValueError,
        r"index_add: a source of shape \(1, 3\) does not fit \(2, 3\)",
    ),
    (lambda x: x.index_fill(0, i64(0), x), ValueError, "index_fill: expected one value"),
    (lambda x: x.take(i64(6)), IndexError, "take: 6 is out of range"),
    (lambda x: x.take_along_dim(i64(0), 1), ValueError, "take_along_dim"),
]


@pytest.mark.parametrize("case", range(len(BAD)))
def test_bad_arguments(case):
    operation, error, message = BAD[case]
    with pytest.raises(error, match=message):
        operation(tensor(values(2, 3)))


@pytest.mark.parametrize("name", [
    "gather", "index_select", "scatter", "scatter_add", "index_add", "index_copy", "take", "take_along_dim",
    "index_fill"])
def test_an_index_counts_from_the_back_where_pytorchs_does(name):
    def result(lib):
        x, at, more = (to(lib, a) for a in (np.array([1.0, 2.0, 3.0]), np.array([-1]), np.array([5.0])))
        arguments = {"take": (at,), "take_along_dim": (at, 0), "gather": (0, at), "index_select": (0, at),
                     "index_fill": (0, at, 4.0)}
        return getattr(x, name)(*arguments.get(name, (0, at, more))).tolist()
    if name in ("take", "take_along_dim", "index_fill"):
        assert result(ours) == result(torch)
    else:
        for lib, message in ((torch, "index"), (ours, f"{name}: -1 is out of range for dimension 0")):
            with pytest.raises((IndexError, RuntimeError), match=message):
                result(lib)


def test_a_tensor_is_added_to_itself_as_it_was():
    for name in ("index_add_", "scatter_add_"):
        x = tensor(np.array([1.0, 2.0, 3.0]))
        getattr(x, name)(0, tensor(np.array([1, 2, 0])), x)
        assert x.tolist() == [4, 3, 5]
    x = tensor(np.arange(4.0))
    x[1:].index_add_(0, tensor(np.array([0, 1, 2])), x[:-1])
    assert x.tolist() == [0, 1, 3, 5]
