import warnings

import numpy as np
import pytest
import torch
import torch.nn.utils as theirs
from nn_helpers import assert_same, assert_same_gradients, leaf

from tinyrnn import get_num_threads, set_num_threads
from tinyrnn.autograd.engine import record
from tinyrnn.nn import utils as ours

NORMS = [2, 2.0, 1, 3.5, float("inf"), "inf", 0, float("-inf")]


def parameters(dtype=np.float64, scale=1.0):
    rng = np.random.default_rng(0)
    pairs = [leaf(rng.standard_normal(shape).astype(dtype)) for shape in ((3, 4), (), (5,), (2,))]
    for x, y in pairs[:3]:
        g = (rng.standard_normal(x.shape) * scale).astype(dtype)
        x.grad, y.grad = record(np.asarray(g), (), None), torch.tensor(g)
    return [p[0] for p in pairs], [p[1] for p in pairs]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("max_norm", [0.5, 1000, 0])
@pytest.mark.parametrize("norm_type", NORMS)
def test_clip_grad_norm(norm_type, max_norm, dtype):
    a, b = parameters(dtype)
    x, y = ours.clip_grad_norm_(a, max_norm, norm_type), theirs.clip_grad_norm_(b, max_norm, norm_type)
    assert_same(x, y)
    assert_same_gradients(a, b)


@pytest.mark.parametrize("norm_type", NORMS)
def test_get_total_norm(norm_type):
    a, b = parameters()
    assert_same(ours.get_total_norm(a, norm_type), theirs.get_total_norm(b, norm_type))
    assert_same(ours.get_total_norm(a[0], norm_type), theirs.get_total_norm(b[0], norm_type))
    x, y = ours.get_total_norm(iter(a), norm_type), theirs.get_total_norm(iter(b), norm_type)
    ours.clip_grads_with_norm_(a, 0.3, x)
    theirs.clip_grads_with_norm_(b, 0.3, y)
    assert_same_gradients(a, b)


@pytest.mark.parametrize("bad", [np.inf, np.nan])
def test_norms_that_are_not_finite(bad):
    a, b = parameters()
    for p in (a[0].grad.array, b[0].grad.numpy()):
        p[0, 0] = bad
    for library, p in ((ours, a), (theirs, b)):
        with pytest.raises(RuntimeError, match="norm of order 2.0 for gradients from `parameters` is non-finite"):
            library.clip_grad_norm_(p, 1.0, error_if_nonfinite=True)
    assert_same(ours.clip_grad_norm_(a, 1.0), theirs.clip_grad_norm_(b, 1.0))
    assert_same_gradients(a, b)


def test_large_gradients_do_not_warn():
    a, b = parameters(np.float32, 1e25)
    assert_same(ours.clip_grad_norm_(a, 1.0), theirs.clip_grad_norm_(b, 1.0))
    assert_same_gradients(a, b)


def test_nothing_to_clip():
    for library, make in ((ours, lambda: leaf(np.ones(2))[0]), (theirs, lambda: leaf(np.ones(2))[1])):
        assert library.clip_grad_norm_([], 1.0) == 0 and library.clip_grad_norm_(make(), 1.0) == 0
        with pytest.warns(UserWarning, match="`parameters` is an empty generator, no gradient clipping will occur."):
            library.clip_grad_norm_((p for p in []), 1.0)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            library.clip_grad_norm_((p for p in [make()]), 1.0)


@pytest.mark.parametrize("value", [0.3, 100, 0])
def test_clip_grad_value(value):
    a, b = parameters()
    assert ours.clip_grad_value_(a, value) is None
    theirs.clip_grad_value_(b, value)
    assert_same_gradients(a, b)
    ours.clip_grad_value_(a[0], 0.1)
    assert abs(a[0].grad.array).max() <= 0.1


def test_foreach_is_not_there():
    p = parameters()[0]
    for call in (lambda: ours.clip_grad_norm_(p, 1.0, foreach=True),
                 lambda: ours.clip_grad_value_(p, 1.0, foreach=False), lambda: ours.get_total_norm(p, foreach=True)):
        with pytest.raises(NotImplementedError, match="foreach"):
            call()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_same_bits_with_any_number_of_threads(dtype):
    """The norm of a large gradient, and the gradient afterwards."""
    found, before = [], get_num_threads()
    try:
        for threads in (1, 2, 3, 8):
            set_num_threads(threads)
            x = leaf(np.zeros(300_001, dtype))[0]
            x.grad = record(np.random.default_rng(0).standard_normal(300_001).astype(dtype), (), None)
            found.append((ours.clip_grad_norm_(x, 1.0).numpy(), x.grad.numpy()))
    finally:
        set_num_threads(before)
    for norm, grad in found[1:]:
        assert norm == found[0][0]
        np.testing.assert_array_equal(grad, found[0][1])


def test_gradients_with_gaps():
    """Gradients whose elements are not side by side are scaled where they are."""
    memory = np.ones((4, 6))
    x = leaf(np.zeros((3, 4)))[0]
    x.grad = record(memory.T[::2], (), None)
    ours.clip_grad_norm_(x, 1.0)
    np.testing.assert_allclose(memory[:, ::2], 12 ** -0.5, rtol=1e-5)
    assert (memory[:, 1::2] == 1).all()


def test_small_gradients_are_not_touched():
    x = leaf(np.zeros(3))[0]
    x.grad = record(np.full(3, 0.1), (), None)
    ours.clip_grad_norm_(x, 1.0)
    assert x.grad._version == 0 and (x.grad.array == 0.1).all()
