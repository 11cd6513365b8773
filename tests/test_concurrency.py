"""The same bits in a child process, forked or spawned, and in many Python threads at once, each with its own model."""
import hashlib
import multiprocessing

import numpy as np
import pytest

import tinyrnn
from tinyrnn import nn


def digest(kind, seed, T=12, B=24, inputs=40, hidden=72):
    """A hash of the output and of every gradient of one layer, on one input; large enough for several threads."""
    generator = np.random.default_rng(seed)
    layer = getattr(nn, kind)(inputs, hidden, bidirectional=True)
    for parameter in layer.parameters():
        parameter.data.copy_(tinyrnn.from_numpy(generator.uniform(-0.2, 0.2, parameter.shape).astype(np.float32)))
    x = tinyrnn.from_numpy(generator.standard_normal((T, B, inputs)).astype(np.float32)).requires_grad_()
    y, _ = layer(x)
    (y * y).sum().backward()
    parts = [y, x.grad, *(parameter.grad for parameter in layer.parameters())]
    return hashlib.sha256(b"".join(part.detach().numpy().tobytes() for part in parts)).hexdigest()


def in_child(results, kind):
    tinyrnn.set_num_threads(2)
    results.put(digest(kind, 0))


@pytest.fixture
def two_threads():
    before = tinyrnn.get_num_threads()
    tinyrnn.set_num_threads(2)
    yield
    tinyrnn.set_num_threads(before)


@pytest.mark.parametrize("kind", ["GRU", "LSTM"])
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_child_process_gets_the_same_bits(two_threads, method, kind):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} here")
    here = digest(kind, 0)                              # opens threads before the fork
    context = multiprocessing.get_context(method)
    results = context.Queue()
    child = context.Process(target=in_child, args=(results, kind), daemon=True)
    child.start()
    assert results.get(timeout=60) == here
    child.join(60)
    assert child.exitcode == 0
    assert digest(kind, 0) == here


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_many_python_threads_get_the_bits_of_one(two_threads, in_threads, kind):
    alone = [digest(kind, seed) for seed in range(4)]
    assert len(set(alone)) == 4
    found = {}

    def work(seed):
        found[seed] = [digest(kind, seed) for _ in range(3)]

    in_threads(work, [(seed,) for seed in range(4)])
    assert found == {seed: [alone[seed]] * 3 for seed in range(4)}


@pytest.mark.parametrize("layer", [nn.RNN(64, 96), nn.GRU(64, 96), nn.LSTM(64, 96), nn.GRU(64, 96, reset_after=False)])
def test_two_threads_go_back_through_one_graph(in_threads, layer):
    x = tinyrnn.randn(40, 16, 64, requires_grad=True)
    output = layer(x)[0]
    output.sum().backward(retain_graph=True)
    once = x.grad.numpy().copy()
    for _ in range(5):
        losses, x.grad = [output.sum(), output.sum() * 2], None
        in_threads(lambda loss: loss.backward(retain_graph=True), [(loss,) for loss in losses])
        np.testing.assert_allclose(x.grad.numpy(), 3 * once, rtol=1e-4, atol=1e-4)


def test_gradients_of_several_threads_add_up_in_one_leaf(two_threads, in_threads):
    n = 500_000                                     # large enough for another thread to run in between
    for _ in range(10):
        x, dy = tinyrnn.ones(n, requires_grad=True), tinyrnn.ones(n)
        in_threads(lambda y, dy=dy: y.backward(dy), [(x + 1,) for _ in range(4)])
        np.testing.assert_array_equal(x.grad.numpy(), 4)
