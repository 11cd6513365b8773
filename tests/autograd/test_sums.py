"""Backward functions that add to the gradient that waits for an input, as additive attention's does."""
import numpy as np
import pytest

from tinyrnn import float32, float64, tanh, tensor
from tinyrnn.autograd import grad, reference
from tinyrnn.autograd.engine import record_many
from tinyrnn.autograd.fused_attention import additive_attention


def made(dtype, *shapes):
    noise = np.random.default_rng(0)
    return [tensor(noise.standard_normal(shape), dtype=dtype, requires_grad=True) for shape in shapes]


def walk(attention, query, keys, values, v, mask, steps, copies=False):
    """A decoder: every query comes from the context before. copies: each step gets keys and values of its own."""
    used = []
    for _ in range(steps):
        k, u = (keys.detach().clone(), values.detach().clone()) if copies else (keys, values)
        for x in (k, u) if copies else ():
            x.requires_grad_()
        used.append((k, u))
        context, weights = attention(query, k, u, v, mask)
        query = tanh(query + context)
    return query, used


@pytest.mark.parametrize("dtype", [float32, float64])
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 7, 5), (2, 17, 33), (4, 31, 129)])
def test_steps_add_up_to_the_bits_of_separate_sums(dtype, shape):
    B, S, A = shape
    query, keys, values, v = made(dtype, (B, A), (B, S, A), (B, S, A), (A,))
    mask = tensor(np.random.default_rng(1).random((B, S)) < 0.8)
    end, _ = walk(additive_attention, query, keys, values, v, mask, 4)
    end.sum().backward()
    end, used = walk(additive_attention, query.detach(), keys, values, v.detach(), mask, 4, copies=True)
    end.sum().backward()
    for x, part in ((keys, 0), (values, 1)):
        total = used[-1][part].grad.numpy().copy()          # the pass meets the last step first
        for step in reversed(used[:-1]):
            total += step[part].grad.numpy()
        np.testing.assert_array_equal(x.grad.numpy(), total)


def test_the_same_tensor_as_keys_and_values():
    query, keys, v = made(float64, (3, 6), (3, 5, 6), (6,))
    results = []
    for attention in (additive_attention, reference.additive_attention):
        end, _ = walk(attention, query, keys, keys, v, None, 3)
        results.append(grad(end.sum(), (query, keys, v)))
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-11, atol=1e-13)


def double(x, seen, adds=True):
    """y = 2 x, whose backward adds to what waits. seen: whether something did; None: nothing is ever handed over."""
    def backward(y, dys, *sums):
        seen.append(sums[0][0] is not None if sums and sums[0] is not None else None)
        if not seen[-1]:
            return 2 * dys[0]
        sums[0][0].array[...] += 2 * dys[0].numpy()
        return sums[0][0]
    return record_many((2 * x.detach().numpy(),), (x,), backward, (), adds)[0]


def test_what_waits_is_handed_over_once_nobody_else_sees_it():
    x, = made(float64, (4,))
    seen = []
    y = 3 * x
    (double(y, seen) + double(y, seen) + double(y, seen)).sum().backward()
    assert seen == [False, True, True]
    np.testing.assert_array_equal(x.grad.numpy(), np.full(4, 18.0))


def test_what_somebody_else_sees_is_left_alone():
    x, = made(float64, (4,))
    seen, start = [], tensor(np.ones(4))
    z = 1 * x                                                # the gradient of z + double(z) arrives as `start` itself
    (z + double(z, seen)).backward(start)
    assert seen == [False]
    np.testing.assert_array_equal(start.numpy(), np.ones(4))
    np.testing.assert_array_equal(x.grad.numpy(), np.full(4, 3.0))


def test_nothing_is_handed_over_while_the_pass_is_recorded():
    x, = made(float64, (4,))
    seen = []
    y = 1 * x
    grad((double(y, seen) + double(y, seen)).sum(), x, create_graph=True)
    double(x, seen, adds=False).sum().backward()
    assert seen == [None, None, None]
