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
