"""The switch between fused operations and their twins, and second derivatives through a twin."""
import threading

import numpy as np
import pytest

from tinyrnn import tensor
from tinyrnn.autograd.check import gradcheck, gradgradcheck
from tinyrnn.autograd.engine import record
from tinyrnn.autograd.fused import is_fused_enabled, twin_gradients, use_fused
from tinyrnn.autograd.grad_mode import is_grad_enabled


def test_switch_nests_decorates_and_comes_back():
    @use_fused(False)
    def inside():
        return is_fused_enabled()

    assert is_fused_enabled() and not inside() and is_fused_enabled()
    with use_fused(False):
        assert not is_fused_enabled()
        with use_fused(True):
            assert is_fused_enabled()
        assert not is_fused_enabled()
    with pytest.raises(KeyError), use_fused(False):
        raise KeyError
    assert is_fused_enabled() and is_grad_enabled()


def test_switch_belongs_to_the_thread():
    seen = []
    with use_fused(False):
        thread = threading.Thread(target=lambda: seen.append(is_fused_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_switch_takes_a_truth_value():
    with pytest.raises(TypeError, match="use_fused"):
        use_fused(1)


def product(a, b):
    """The twin of ``fused_product``."""
    return a * b, a + b


def fused_product(a, b):
    """A stand-in for a fused operation: plain arrays forward and backward, the twin where backward is recorded."""
    def backward(y, dy):
        if is_grad_enabled():
            return twin_gradients(product, (a, b), (dy, None))
        return record(dy.array * b.array, (), None), record(dy.array * a.array, (), None)
    return record(a.array * b.array, (a, b), backward, (a, b))


def test_second_derivatives_come_from_the_twin():
    noise = np.random.default_rng(0)
    a, b = (tensor(noise.standard_normal(5), requires_grad=True) for _ in range(2))
    assert gradcheck(fused_product, (a, b)) and gradgradcheck(fused_product, (a, b))
    # b computed from a: the gradient of each is its own share only
    assert gradgradcheck(lambda a: fused_product(a, a * a), (a,))
