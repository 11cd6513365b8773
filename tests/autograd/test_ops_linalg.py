import numpy as np
import pytest
import torch
import torch.nn.functional as F

import tinyrnn
from tests.autograd.helpers_reduce import check, leaf, normal
from tinyrnn import get_num_threads, set_num_threads
from tinyrnn.autograd import ops_linalg as ops
from tinyrnn.autograd.arrays import DtypeError, ShapeError

SHAPES = [
    ((3,), (3,)), ((3,), (3, 4)), ((2, 3), (3,)), ((2, 3), (3, 4)), ((1, 1), (1, 1)), ((17, 33), (33, 16)),
    ((5, 2, 3), (3, 4)), ((5, 2, 3), (5, 3, 4)), ((2, 3), (5, 3, 4)), ((3,), (5, 3, 4)), ((5, 2, 3), (3,)),
    ((6, 1, 2, 3), (5, 3, 4)), ((1, 2, 3), (5, 3, 4)), ((2, 5, 2, 3), (3, 4)), ((2, 5, 2, 3), (2, 5, 3, 1)),
    ((0, 3), (3, 4)), ((2, 0), (0, 4)), ((2, 3), (3, 0)), ((0,), (0,)), ((5, 2, 0), (0, 4)), ((0, 2, 3), (3, 4)),
    ((0, 2, 3), (0, 3, 4)), ((5, 2, 0), (5, 0, 4)),
]


@pytest.mark.parametrize(("a", "b"), SHAPES, ids=str)
def test_matmul(a, b):
    check(lambda a, b: a @ b, lambda a, b: a @ b, normal(*a), normal(*b, seed=1))


# Few rows and few columns, few rows, many rows; B in one piece and by panels, near and far, with K in several blocks.
LARGE = [(192, 800, 64), (65, 600, 193), (40, 1030, 200), (7, 900, 1100), (200, 300, 1100), (210, 1530, 130)]


@pytest.mark.parametrize("sizes", LARGE, ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_products_have_the_same_bits_on_any_number_of_threads(sizes, dtype):
    M, K, N = sizes
    before, noise = get_num_threads(), np.random.default_rng(0)
    exact = 1e-5 if dtype == np.float32 else 1e-12
    try:
        for turn_a, turn_b, begin in ((False, False, 0), (False, True, 1), (True, False, 1), (True, True, 0)):
            shapes = (K, M) if turn_a else (M, K), (N, K) if turn_b else (K, N)
            flat = [noise.standard_normal(begin + r * c).astype(dtype)[begin:].reshape(r, c) for r, c in shapes]
            a, b = (x.T if turned else x for x, turned in zip(flat, (turn_a, turn_b), strict=True))
            found = []
            for threads in (1, 2, 3, 8):
                set_num_threads(threads)
                found.append(ops.matmul(leaf(a, False), leaf(b, False)).array)
            rows = ops.matmul(leaf(a[3:5], False), leaf(b, False)).array            # other tiles, other ways
            np.testing.assert_allclose(found[0], a.astype(np.float64) @ b.astype(np.float64), rtol=0, atol=exact * K)
            assert np.array_equal(rows, found[0][3:5])
            assert all(np.array_equal(found[0], other) for other in found[1:])
    finally:
        set_num_threads(before)


BATCHES = [
    ((64, 1, 200), (64, 200, 100)), ((70, 33, 1), (70, 1, 65)), ((9, 40, 70), (9, 70, 50)), ((40, 5, 60), (60, 90)),
    ((3, 250, 300), (3, 300, 280)), ((2, 1, 30, 40), (5, 40, 90)),
]


@pytest.mark.parametrize("shapes", BATCHES, ids=str)
def test_batches_have_the_same_bits_on_any_number_of_threads(shapes):
    before = get_num_threads()
    found = []
    try:
        for threads in (1, 2, 3, 8):
            set_num_threads(threads)
            a, b = (leaf(normal(*shape, seed=k).astype(np.float32)) for k, shape in enumerate(shapes))
            y = a @ b + a @ (b * 2)
            (y * y.detach()).sum().backward()
            found.append((y.array, a.grad.array, b.grad.array))
    finally:
        set_num_threads(before)
    first = tuple(ops.matmul(leaf(a.array[:1], False), leaf(b.array[:1] if b.ndim > 2 else b.array, False)).array
                  for b in (b, b * 2))
    assert np.array_equal(first[0] + first[1], found[0][0][:1, :first[0].shape[1]])     # a batch of one
    assert all(np.array_equal(x, y) for other in found[1:] for x, y in zip(found[0], other, strict=True))


@pytest.mark.parametrize("other", [(4, 3, 3), (3, 3), (1, 3, 3)], ids=str)
def test_the_gradients_of_many_uses(other):
    def uses(a, b):
        y = a @ b
        for k in range(3):                          # the same operands again, and one operand on both sides
            y = y + (a * k) @ b + a @ (y @ b)
        return y + a @ a
    check(uses, uses, normal(4, 3, 3), normal(*other, seed=1))


def test_a_gradient_that_somebody_sees_is_not_added_to():
    a, b = leaf(normal(4, 1, 3)), leaf(normal(4, 3, 2))
    c = b * 1
    y = a @ c
    dy = leaf(normal(4, 3, 2, seed=2), False)
    kept = dy.array.copy()
    tinyrnn.autograd.backward([c, y], [dy, y.detach()])
    np.testing.assert_array_equal(dy.array, kept)
    np.testing.assert_allclose(b.grad.array, kept + a.array.transpose(0, 2, 1) @ y.array)


def test_matmul_of_views():
    for op in (lambda a, b: a.transpose(0, 1) @ b.transpose(0, 1), lambda a, b: a.transpose(0, 1) @ b.transpose(0, 1)):
        check(op, op, normal(3, 2), normal(4, 3))
    for op in (lambda a, b: a.transpose(1, 2) @ b.transpose(1, 2).expand(5, 3, 4),):
        check(op, op, normal(5, 3, 2), normal(1, 4, 3))


def test_only_the_wanted_gradient_is_computed():
    a, b = leaf(normal(2, 3)), leaf(normal(3, 4), False)
    (a @ b).sum().backward()
    np.testing.assert_allclose(a.grad.array, np.ones((2, 4)) @ b.array.T)
    assert b.grad is None


@pytest.mark.parametrize("name, shapes", [
    ("mm", [(2, 3), (3, 4)]), ("bmm", [(5, 2, 3), (5, 3, 4)]), ("mv", [(2, 3), (3,)]), ("dot", [(3,), (3,)]),
    ("outer", [(3,), (4,)]), ("inner", [(3,), (3,)]), ("inner", [(2, 3), (4, 5, 3)]), ("inner", [(), (4, 3)]),
])
def test_two_operands(name, shapes):
    check(lambda a, b: getattr(ops, name)(a, b), lambda a, b: getattr(torch, name)(a, b),
          *[normal(*s, seed=i) for i, s in enumerate(shapes)])


@pytest.mark.parametrize("name, shapes", [
    ("addmm", [(2, 4), (2, 3), (3, 4)]), ("addmm", [(4,), (2, 3), (3, 4)]), ("addmv", [(2,), (2, 3), (3,)]),
    ("baddbmm", [(5, 2, 4), (5, 2, 3), (5, 3, 4)]), ("baddbmm", [(4,), (5, 2, 3), (5, 3, 4)]),
])
@pytest.mark.parametrize("kwargs", [{}, {"beta": 0.5, "alpha": -2}, {"beta": 0}], ids=str)
def test_product_and_sum(name, shapes, kwargs):
    arrays = [normal(*s, seed=i) for i, s in enumerate(shapes)]
    check(lambda *x: getattr(ops, name)(*x, **kwargs), lambda *x: getattr(torch, name)(*x, **kwargs), *arrays)
    if kwargs == {"beta": 0}:
        arrays[0][...] = np.nan
        assert np.isfinite(getattr(ops, name)(*map(leaf, arrays), beta=0).array).all()


@pytest.mark.parametrize("x", [(3,), (1, 3), (17, 3), (2, 5, 3), (0, 3), (2, 0, 3)], ids=str)
@pytest.mark.parametrize("bias", [False, True])
def test_linear(x, bias):
    check(ops.linear, F.linear, normal(*x), normal(4, 3, seed=1), *[normal(4, seed=2)] * bias)


def test_linear_with_a_vector_and_nothing_to_sum():
    check(ops.linear, F.linear, normal(2, 3), normal(3))
    check(ops.linear, F.linear, normal(2, 0), normal(4, 0), normal(4))


def test_bilinear():
    check(ops.bilinear, F.bilinear, normal(6, 3), normal(6, 2, seed=1), normal(4, 3, 2, seed=2), normal(4, seed=3))
    check(ops.bilinear, F.bilinear, normal(2, 5, 3), normal(2, 5, 2, seed=1), normal(4, 3, 2, seed=2))


def test_inf_and_nan_without_warnings():
    a, b = np.array([[np.inf, 0], [np.nan, 1]]), np.array([[-np.inf, 0], [1e308, 1e308]])
    for x, y in ((a, b), (np.stack([a, b]), np.stack([b, a]))):
        np.testing.assert_array_equal((leaf(x) @ leaf(y)).array, (torch.tensor(x) @ torch.tensor(y)).numpy())
    bias = np.array([-np.inf, np.inf])
    y = ops.linear(leaf(a), leaf(b), leaf(bias))
    np.testing.assert_array_equal(y.array, F.linear(*map(torch.tensor, (a, b, bias))).numpy())


def test_integers():
    a, b = np.arange(6).reshape(2, 3), np.arange(24).reshape(2, 3, 4)
    y = leaf(a) @ leaf(b)
    assert y.dtype == np.int64 and y.array.tolist() == (torch.tensor(a) @ torch.tensor(b)).tolist()
    y = ops.linear(leaf(a), leaf(a), leaf(a[:, 0]))
    assert y.array.tolist() == F.linear(*map(torch.tensor, (a, a, a[:, 0]))).tolist()


@pytest.mark.parametrize("call, message", [
    (lambda x: x(32, 10) @ x(12, 64), r"matmul: \(32, 10\) @ \(12, 64\)"),
    (lambda x: x(3) @ x(4), r"matmul: \(3,\) @ \(4,\)"),
    (lambda x: x(3) @ x(4, 3), r"matmul: \(3,\) @ \(4, 3\)"),
    (lambda x: x(2, 2, 3) @ x(3, 3, 4), r"matmul: \(2, 2, 3\) @ \(3, 3, 4\)"),
    (lambda x: x() @ x(3), r"matmul: \(\) @ \(3,\): both need at least one dimension"),
    (lambda x: ops.mm(x(2, 3), x(3)), r"mm: \(2, 3\) @ \(3,\)"),
    (lambda x: ops.bmm(x(1, 2, 3), x(5, 3, 4)), r"bmm: \(1, 2, 3\) @ \(5, 3, 4\)"),
    (lambda x: ops.mv(x(2, 3), x(2)), r"mv: \(2, 3\) @ \(2,\)"),
    (lambda x: ops.dot(x(2), x(3)), r"dot: \(2,\) @ \(3,\)"),
    (lambda x: ops.inner(x(2), x(3)), r"inner: \(2,\) and \(3,\)"),
    (lambda x: ops.outer(x(2, 1), x(3)), r"outer: expected two vectors, not \(2, 1\) and \(3,\)"),
    (lambda x: ops.addmm(x(3, 4), x(2, 3), x(3, 4)), r"addmm: \(3, 4\) cannot be broadcast to the product's \(2, 4\)"),
    (lambda x: ops.addmm(x(5, 2, 4), x(2, 3), x(3, 4)), "addmm: .* cannot be broadcast"),
    (lambda x: ops.linear(x(2, 3), x(4, 5)), r"linear: \(2, 3\) with a weight of \(4, 5\)"),
    (lambda x: ops.linear(x(2, 3), x(4, 3), x(3)), r"linear: a bias of \(3,\) beside a weight of \(4, 3\)"),
    (lambda x: ops.bilinear(x(2, 3), x(2, 4), x(5, 3, 3)),
     r"bilinear: \(2, 3\) and \(2, 4\) with a weight of \(5, 3, 3\)"),
])
def test_shapes_that_do_not_fit(call, message):
    with pytest.raises(ShapeError, match=message):
        call(lambda *shape: leaf(normal(*shape)))


@pytest.mark.parametrize("call", [lambda a, b: a @ b, lambda a, b: ops.linear(a, b), lambda a, b: ops.mm(a, b)])
def test_dtypes_that_do_not_mix(call):
    x = normal(3, 3)
    for a, b in ((x, x.astype(np.float32)), (x, x.astype(int)), (x > 0, x > 0)):
        with pytest.raises(DtypeError):
            call(leaf(a), leaf(b))


@pytest.mark.parametrize(("K", "error"), [(1_000, 2.4e-6), (100_000, 2.4e-5)])
def test_long_sums(K, error):
    rng = np.random.default_rng(0)
    a, b = rng.random((8, K), np.float32), rng.random((K, 8), np.float32)
    exact = a.astype(np.float64) @ b.astype(np.float64)
    assert (np.abs((tinyrnn.tensor(a) @ tinyrnn.tensor(b)).numpy() - exact) / exact).max() < error
