import numpy as np
import pytest

import tinyrnn.autograd.methods  # noqa: F401
from tinyrnn.autograd.check import GradcheckError, assert_equivalent, gradcheck, gradgradcheck
from tinyrnn.autograd.engine import record


def leaf(shape, dtype=np.float64, seed=0):
    x = record(np.random.default_rng(seed).standard_normal(shape).astype(dtype), (), None)
    x.requires_grad = True
    return x


def wrong(factor):
    """tanh with a backward that is off by a factor."""
    def tanh(x):
        y = np.tanh(x.array)
        return record(y, (x,), lambda o, dy: dy * (1 - o * o) * factor)
    return tanh


def test_right_gradients_pass_and_inputs_are_restored():
    x, y = leaf((2, 3)), leaf((3,), seed=1)
    before = x.array.copy()
    assert gradcheck(lambda a, b, n: (a * b * n, (a + b).tanh(), a > b), (x, y, 3))
    assert gradgradcheck(lambda a, b: (a * b * a, (a + b).tanh()), (x, y))
    np.testing.assert_array_equal(x.array, before)
    assert x.grad is None


@pytest.mark.parametrize("check", [gradcheck, gradgradcheck])
def test_wrong_gradients_fail(check):
    x = leaf((2,))
    assert check(wrong(1), x)

    def second(x):
        def backward(o, dy):
            return 2 * record(x.array * dy.array, (x, dy), lambda o, d: (d, d))
        return record(x.array ** 2, (x,), backward)
    if check is gradcheck:
        with pytest.raises(GradcheckError, match="output 0.*input 0"):
            check(wrong(1.01), x)
        assert check(wrong(1.01), x, raise_exception=False) is False
    else:
        assert check(second, leaf((2,), seed=3), raise_exception=False) is False


def test_non_contiguous_and_empty_inputs():
    x = record(np.arange(6.0).reshape(2, 3).T, (), None)
    x.requires_grad = True
    assert gradcheck(lambda a: a * a, x)
    assert gradcheck(lambda a: a * 2, leaf((0, 3)))


def test_unfit_inputs():
    with pytest.warns(UserWarning, match="float32"):
        gradcheck(lambda a: a * 2, leaf((2,), np.float32), eps=1e-2, atol=1e-2)
    with pytest.raises(ValueError, match="requires grad"):
        gradcheck(lambda a: a * 2, record(np.ones(2), (), None))
    expanded = record(np.broadcast_to(1.0, (3,)), (), None)
    expanded.requires_grad = True
    with pytest.raises(RuntimeError, match="share memory"):
        gradcheck(lambda a: a * 2, expanded)
    with pytest.raises(TypeError):
        gradcheck(lambda a: a, leaf((2,)), fast_mode=True)


def test_nondeterminism_is_noticed():
    count = []

    def noisy(x):
        def backward(y, dy):
            count.append(0)
            return dy * (1 + 1e-7 * len(count))
        return record(x.array, (x,), backward, ())
    with pytest.raises(GradcheckError, match="deterministic"):
        gradcheck(lambda a: noisy(a * 1), leaf((2,)))
    assert gradcheck(lambda a: noisy(a * 1), leaf((2,)), nondet_tol=1e-4)


def test_assert_equivalent():
    x = leaf((2, 3))
    assert_equivalent(wrong(1), lambda a: a.tanh(), x)
    with pytest.raises(AssertionError, match="gradient 0"):
        assert_equivalent(wrong(1.01), lambda a: a.tanh(), x)
    with pytest.raises(AssertionError, match="output 0"):
        assert_equivalent(lambda a: a * 2, lambda a: a * 3, x)
    with pytest.raises(AssertionError, match="2 outputs"):
        assert_equivalent(lambda a: (a, a), lambda a: a, x)
    with pytest.raises(AssertionError, match="require grad"):
        assert_equivalent(lambda a: a * 2, lambda a: a.detach() * 2, x)


def test_functions_without_a_gradient():
    assert gradcheck(lambda a: a.detach().floor(), leaf((3,)))
    assert gradgradcheck(lambda a: a * 2, leaf((3,)))
    with pytest.raises(GradcheckError, match="output 0 does not require grad, and yet it depends on input 0"):
        gradcheck(lambda a: a.detach() * 2, leaf((3,)))
