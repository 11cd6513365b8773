"""Products and recurrent layers count denormals as zeros, and nothing else does after them."""
import threading

import numpy as np
import pytest

import tinyrnn
from tinyrnn import from_numpy, nn

TINY = {"float32": 1e-40, "float64": 1e-310}


def denormals_are_kept():
    """Does this thread still compute with them?"""
    return all(np.array([x], dtype)[0] * np.array([0.5], dtype)[0] > 0 for dtype, x in TINY.items())


@pytest.mark.parametrize("dtype", TINY)
def test_a_product_counts_them_as_zeros(dtype):
    tiny = from_numpy(np.full((20, 20), TINY[dtype], dtype))
    assert not (tiny @ tinyrnn.ones(20, 20, dtype=dtype)).numpy().any()
    assert denormals_are_kept()
    assert (tiny * 0.5).numpy().all()


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("dtype", TINY)
@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_a_layer_leaves_every_thread_as_it_was(kind, dtype, threads):
    before = tinyrnn.get_num_threads()
    tinyrnn.set_num_threads(threads)
    kept = []

    def run():
        layer = getattr(nn, kind)(40, 70, bias=False, dtype=dtype)
        x = from_numpy(np.full((9, 16, 40), TINY[dtype], dtype)).requires_grad_()
        y, _ = layer(x)
        y.sum().backward()
        kept.append(denormals_are_kept() and abs(y.detach().numpy()).max() < np.finfo(dtype).tiny)

    run()
    other = threading.Thread(target=run)
    other.start()
    other.join()
    tinyrnn.set_num_threads(before)
    assert kept == [True, True]
