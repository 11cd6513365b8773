"""Gradients of a weight that is used in many steps: one product of all rows, the same sum as step by step."""
import numpy as np
import pytest

import tinyrnn
from tinyrnn import get_num_threads, set_num_threads
from tinyrnn.autograd import grad, gradcheck, gradgradcheck
from tinyrnn.nn.functional import linear


def leaf(*shape, dtype=np.float64, seed=0):
    return tinyrnn.tensor(np.random.default_rng(seed).standard_normal(shape).astype(dtype), requires_grad=True)


def chain(x, w, b, steps):
    for _ in range(steps):
        x = linear(x, w, b).tanh()
    return x


def slow(x, w, b, steps):
    for _ in range(steps):
        x = (x @ w.T + b).tanh()
    return x


@pytest.mark.parametrize(("rows", "size", "steps"), [(1, 3, 1), (2, 3, 7), (0, 3, 2), (2, 0, 2), (60, 512, 40)])
def test_sum_over_steps(rows, size, steps):
    """The last one has more rows than may wait."""
    x, w, b = leaf(rows, size), leaf(size, size, seed=1), leaf(size, seed=2)
    with tinyrnn.no_grad():
        w *= max(size, 1) ** -0.5
    for ours, theirs in zip(*(grad(f(x, w, b, steps).sum(), (x, w, b)) for f in (chain, slow)), strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-9, atol=1e-9)


def test_other_gradients_of_the_same_weight():
    """Before, between and after: whole tensors, views of parts, and products of one row without a batch."""
    w, x, y = leaf(4, 3), leaf(2, 5, 3, seed=1), leaf(3, seed=2)

    def ours(w, x, y):
        return (w * 2).sum() + linear(x, w).square().sum() + w[1].sin().sum() + linear(y, w).cos().sum() + w[:, 2].sum()

    def theirs(w, x, y):
        return (w * 2).sum() + (x @ w.T).square().sum() + w[1].sin().sum() + (w @ y).cos().sum() + w[:, 2].sum()
    for a, b in zip(grad(ours(w, x, y), (w, x, y)), grad(theirs(w, x, y), (w, x, y)), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-12)
    assert gradcheck(ours, (w, x, y)) and gradgradcheck(ours, (w, x, y))


def test_hooks_and_accumulation_see_the_sum():
    x, w, b = leaf(1, 3), leaf(3, 3, seed=1), leaf(3, seed=2)         # one row: few enough to wait
    seen = []
    w.register_hook(lambda g: seen.append(g.clone()))
    chain(x, w, b, 5).sum().backward()
    once = w.grad.clone()
    chain(x, w, b, 5).sum().backward()
    assert len(seen) == 2 and (seen[0] == once).all()
    assert (w.grad == once * 2).all()


def test_weight_that_is_no_leaf():
    x, w, b = leaf(1, 3), leaf(3, 3, seed=1), leaf(3, seed=2)         # one row: few enough to wait
    found = [grad(f(x, (w * 0.5).tanh(), b, 4).sum(), w)[0].numpy() for f in (chain, slow)]
    np.testing.assert_allclose(*found, rtol=1e-12)


def test_same_bits_with_any_number_of_threads():
    x, w, b = leaf(64, 200, dtype=np.float32), leaf(200, 200, dtype=np.float32, seed=1), leaf(200, dtype=np.float32)
    found, before = [], get_num_threads()
    try:
        for threads in (1, 2, 3, 8):
            set_num_threads(threads)
            found.append(grad(chain(x, w, b, 60).sum(), w)[0].numpy())
    finally:
        set_num_threads(before)
    for g in found[1:]:
        np.testing.assert_array_equal(g, found[0])
