"""The output layer and cross-entropy as one, some rows at a time: beside PyTorch's, and what it may not do."""
import contextlib
import threading
import tracemalloc

import numpy as np
import pytest
import torch.nn.functional as theirs
from nn_helpers import compare, leaf

from tinyrnn import DtypeError, ShapeError
from tinyrnn.nn import functional as ours

RNG = np.random.default_rng(0)


def normal(*shape, dtype=np.float64):
    return np.asarray(RNG.standard_normal(shape), dtype)


def pair(array):
    """An array that takes no gradient, as an argument of both functions."""
    return leaf(np.asarray(array), False)


@pytest.mark.parametrize("options", [{}, {"ignore_index": 0}, {"label_smoothing": 0.3}, {"label_smoothing": 1.0}],
                         ids=str)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(("rows", "size", "count"), [(None, 3, 4), (0, 3, 4), (1, 1, 1), (33, 17, 129), (1500, 2, 701)])
def test_linear_cross_entropy(rows, size, count, reduction, bias, weighted, options):
    """The last one has more scores than are made at a time."""
    shape = (size,) if rows is None else (rows, size)
    target = RNG.integers(0, count, shape[:-1])
    a, b = pair(RNG.uniform(0.1, 2, count)) if weighted else (None, None)
    arrays = normal(*shape), normal(count, size), normal(count) if bias else None
    options = options | {"reduction": reduction}
    compare(lambda x, w, c: ours.linear_cross_entropy(x, w, pair(target)[0], linear_bias=c, weight=a, **options),
            lambda x, w, c: theirs.linear_cross_entropy(x, w, pair(target)[1], linear_bias=c, weight=b, **options),
            *arrays, second=rows == 33)


def hidden_layer(rows=6, size=3, count=5):
    return [leaf(normal(*shape))[0] for shape in ((rows, size), (count, size), (count,))]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_has_the_bits_of_the_two(dtype):
    """All of them, over several pieces."""
    results = []
    arrays = [normal(*shape, dtype=dtype) for shape in ((1500, 17), (1601, 17), (1601,))]
    target = pair(RNG.integers(-1, 1601, 1500))[0]
    for fused in (True, False):
        x, w, b = (leaf(a)[0] for a in arrays)
        loss = (ours.linear_cross_entropy(x, w, target, linear_bias=b, ignore_index=-1) if fused else
                ours.cross_entropy(ours.linear(x, w, b), target, ignore_index=-1))
        loss.backward()
        results.append([loss.detach().array, x.grad.array, w.grad.array, b.grad.array])
    for one, two in zip(*results, strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("weights", [[0, 0, 1, 2], [1, -1, 1, 2]])
def test_a_mean_over_a_weight_of_zero_is_not_finite(weights):
    """Neither is its gradient, as in the two functions."""
    a, b = pair(np.array(weights, float))
    target = np.array([0, 1])
    compare(lambda x, w: ours.linear_cross_entropy(x, w, pair(target)[0], weight=a),
            lambda x, w: theirs.linear_cross_entropy(x, w, pair(target)[1], weight=b), normal(2, 3), normal(4, 3))


def test_classes_that_change_meanwhile():
    """Another thread writes classes that do not exist, after those that do were checked: no memory is touched."""
    x, w = (leaf(normal(*shape))[0] for shape in ((600, 16), (400, 16)))
    target = pair(np.zeros(600, np.int64))[0]
    ended = threading.Event()

    def write():
        while not ended.is_set():
            target.array[:] = 2 ** 40
            target.array[:] = 0
    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(30):
            with contextlib.suppress(IndexError):
                ours.linear_cross_entropy(x, w, target).backward()
            with contextlib.suppress(IndexError):
                ours.cross_entropy(ours.linear(x, w), target).backward()
    finally:
        ended.set()
        writer.join()


def test_twice_over_a_kept_graph():
    """What the first pass handed out is not used again, even if it was written to."""
    x, w, b = hidden_layer()
    loss = ours.linear_cross_entropy(x, w, pair(np.array([1, 3, 0, 4, 2, 2]))[0], linear_bias=b)
    loss.backward(retain_graph=True)
    first = [t.grad.array.copy() for t in (x, w, b)]
    for t in (x, w, b):
        t.grad.mul_(7.0)
    (loss * 3).backward()
    for t, once in zip((x, w, b), first, strict=True):
        np.testing.assert_allclose(t.grad.array, 10 * once, rtol=1e-12)


def test_holds_few_scores_at_once():
    """512 rows of scores and of their gradients, 12 MB, where all of them are 92 MB."""
    x, w, b = [leaf(normal(*shape, dtype=np.float32))[0] for shape in ((4000, 4), (3000, 4), (3000,))]
    target = pair(RNG.integers(0, 3000, 4000))[0]
    tracemalloc.start()
    ours.linear_cross_entropy(x, w, target, linear_bias=b).backward()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 14 << 20


@pytest.mark.parametrize(("error", "message", "change"), [
    (IndexError, "Target 5 is out of bounds for 5 classes", {"target": np.array([1, 5, 0, 4, 2, 2])}),
    (ShapeError, r"\(6, 3\) with a weight of \(5, 4\)", {"linear_weight": np.zeros((5, 4))}),
    (ShapeError, r"a bias of \(4,\) beside a weight of \(5, 3\)", {"linear_bias": np.zeros(4)}),
    (ShapeError, r"needs a target of shape \(6,\), not \(5,\)", {"target": np.zeros(5, np.int64)}),
    (ShapeError, "all 5 classes", {"weight": np.ones(4)}),
    (DtypeError, r"float64 \(6, 3\) and float32 \(5,\) do not mix", {"linear_bias": np.zeros(5, np.float32)}),
    (DtypeError, "expected a float input", {"input": np.zeros((6, 3), np.int64)}),
    (ValueError, "not a valid value for reduction", {"reduction": "all"}),
    (ValueError, "label_smoothing must be between", {"label_smoothing": 1.5}),
])
def test_errors(error, message, change):
    x, w, b = (t.detach().array for t in hidden_layer())
    given = {"input": x, "linear_weight": w, "target": np.array([1, 3, 0, 4, 2, 2]), "linear_bias": b} | change
    with pytest.raises(error, match=message):
        ours.linear_cross_entropy(**{k: pair(v)[0] if isinstance(v, np.ndarray) else v for k, v in given.items()})
