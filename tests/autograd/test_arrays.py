"""Loops over elements: shared among threads, in the memory order of what they read, in memory used before."""
import platform
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import tinyrnn


@pytest.fixture(autouse=True)
def threads_as_before():
    before = tinyrnn.get_num_threads()
    yield
    tinyrnn.set_num_threads(before)


def values(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


OPERATIONS = {
    "unary": (lambda x, y: x.tanh(), (300_001,), (1,)),
    "same shape": (lambda x, y: x * y, (600, 501), (600, 501)),
    "row": (lambda x, y: x + y, (600, 501), (501,)),
    "column": (lambda x, y: x - y, (600, 501), (600, 1)),
    "outer": (lambda x, y: x / y, (600, 1), (1, 501)),
    "few long rows": (lambda x, y: x + y, (2, 200_003), (2, 1)),
    "comparison": (lambda x, y: x > y, (600, 501), (501,)),
    "transposed": (lambda x, y: x.t() + y, (501, 600), (600, 501)),
    "three dimensions": (lambda x, y: x * y, (7, 80, 601), (7, 1, 601)),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_number_of_threads_changes_no_bit(name):
    operation, a, b = OPERATIONS[name]
    x, y = values(*a), values(*b)
    want = operation(torch.tensor(x), torch.tensor(y)).numpy()
    results = []
    for n in (1, 2, 3, 8):
        tinyrnn.set_num_threads(n)
        results.append(operation(tinyrnn.tensor(x), tinyrnn.tensor(y)).numpy())
    np.testing.assert_allclose(results[0], want, rtol=1e-6)
    assert len({r.tobytes() for r in results}) == 1


def test_transposed_matrices_stay_transposed_as_in_pytorch():
    x, y = values(5, 7), values(5, 7)
    for f in (lambda a, b: a.t().exp(), lambda a, b: a.t() * b.t(), lambda a, b: a.t() > b.t(),
              lambda a, b: a.t() + b.reshape(7, 5)):
        got, want = f(tinyrnn.tensor(x), tinyrnn.tensor(y)), f(torch.tensor(x), torch.tensor(y))
        np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-6)
    assert (tinyrnn.tensor(x).t() * tinyrnn.tensor(y).t()).stride() == (1, 7)


def test_gradients_through_transposed_matrices():
    x, y = values(5, 7), values(7, 5)
    p, q = tinyrnn.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    (p.t().tanh() * tinyrnn.tensor(y)).sum().backward()
    (q.t().tanh() * torch.tensor(y)).sum().backward()
    np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-5, atol=1e-7)


def test_a_gradient_that_nobody_else_sees_is_kept_and_not_copied():
    p, seen = tinyrnn.ones(8, requires_grad=True), []

    def backward(y, dy):
        dx = dy * 2
        seen.append(dx.data_ptr())
        return dx
    tinyrnn.record(p.array * 2, (p,), backward, ()).backward(tinyrnn.ones(8))
    assert p.grad.data_ptr() == seen[0]


def test_a_gradient_that_somebody_sees_is_copied():
    p, q, seed = tinyrnn.ones(8, requires_grad=True), tinyrnn.ones(8, requires_grad=True), tinyrnn.ones(8)
    (p + q).backward(seed)
    assert len({p.grad.data_ptr(), q.grad.data_ptr(), seed.data_ptr()}) == 3
    p.grad.zero_()
    assert q.grad.sum() == 8 and seed.sum() == 8


def test_add_in_place_on_shared_memory():
    x = np.arange(10, dtype=np.float32)
    t = tinyrnn.tensor(x)
    t.add_(t)
    np.testing.assert_array_equal(t.numpy(), 2 * x)
    want = [0, *(x[1:] + x[:-1])]
    tinyrnn.from_numpy(x[1:]).add_(tinyrnn.from_numpy(x[:-1]))
    np.testing.assert_array_equal(x, want)


SCRIPT = """
import resource
import sys
import tinyrnn
x = tinyrnn.ones(int(sys.argv[1]), 256)
for _ in range(3):
    y = (x + x, x * x, x - x)
    del y
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    y = (x + x, x * x, x - x)
    del y
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other allocators have their own ways")
@pytest.mark.parametrize("rows", [1600, 30000])
def test_freed_memory_is_used_again(rows):
    """60 results of 1.6 or 31 MB: if they were new to the process, there would be 24,000 page faults and more."""
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(rows)], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 200


# ---- the order of the dimensions in memory ---------------------------------------------------------------------------

@st.composite
def lying(draw, shape):
    """One tensor of that shape for both libraries: its dimensions in any order, some with gaps, some repeated."""
    order = draw(st.permutations(range(len(shape))))
    lengths = [shape[d] for d in order]
    steps = [draw(st.sampled_from([1, 1, 2])) for _ in lengths]
    held = [1 if draw(st.integers(0, 5)) == 0 else n for n in lengths]
    x = np.arange(np.prod([n * s for n, s in zip(held, steps, strict=True)]), dtype="f")
    x = x.reshape([n * s for n, s in zip(held, steps, strict=True)])
    made = []
    for lib in tinyrnn, torch:
        t = lib.tensor(x)[tuple(slice(None, None, s) for s in steps)]
        made.append(t.expand(*lengths).permute(*np.argsort(order).tolist()) if shape else t)
    return made


@st.composite
def two(draw):
    """Two such tensors that can be broadcast together, in any order."""
    shape = draw(st.lists(st.sampled_from([1, 2, 3, 4]), max_size=4))
    other = [1 if draw(st.integers(0, 3)) == 0 else n for n in shape][draw(st.integers(0, 1)) * len(shape) // 2:]
    pairs = [draw(lying(shape)), draw(lying(other))]
    return draw(st.permutations(pairs))


def steps(t):
    return [step for step, n in zip(t.stride(), t.shape, strict=True) if n > 1]


@pytest.mark.parametrize("name", ["unary", "number", "clone", "zeros_like", "power", "binary", "comparison", "dropout"])
@given(pairs=two())
def test_results_lie_as_pytorchs_do(name, pairs):
    operation = {"unary": lambda lib, x, y: x.tanh(), "number": lambda lib, x, y: 1 - x,
                 "power": lambda lib, x, y: x**2,
                 "clone": lambda lib, x, y: x.clone(), "zeros_like": lambda lib, x, y: lib.zeros_like(x),
                 "binary": lambda lib, x, y: x * y, "comparison": lambda lib, x, y: x > y,
                 "dropout": lambda lib, x, y: lib.nn.functional.dropout(x.relu(), 0.4)}[name]
    found = []
    for lib, x, y in zip((tinyrnn, torch), *pairs, strict=True):
        lib.manual_seed(0)
        found.append(operation(lib, x, y))
    ours, theirs = found
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-5)
    if theirs.numel() > 1 and all(min(t.stride(), default=1) > 0 for pair in pairs for t in pair):
        assert steps(ours) == steps(theirs)


@pytest.mark.parametrize("operation", [
    lambda lib, x: x.flip(0), lambda lib, x: x.sum().flip(()), lambda lib, x: x.index_fill(0, lib.tensor([0]), 1.0),
    lambda lib, x: x.scatter(0, lib.zeros(1, 1, 1, dtype=lib.int64), x), lambda lib, x: 2 ** x,
    lambda lib, x: x.scatter_add(0, lib.zeros(1, 1, 1, dtype=lib.int64), x),
    lambda lib, x: x.index_add(0, lib.tensor([1]), x[:1]), lambda lib, x: x.index_copy(0, lib.tensor([1]), x[:1]),
    lambda lib, x: x.masked_scatter(x > 3, x.reshape(-1)), lambda lib, x: lib.nn.functional.logsigmoid(x)])
def test_which_results_are_in_order(operation):
    found = []
    for lib in tinyrnn, torch:
        x = lib.tensor(np.arange(24, dtype="f").reshape(2, 3, 4)).permute(2, 0, 1)
        found.append(operation(lib, x))
    ours, theirs = found
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-5)
    assert ours.shape == theirs.shape and steps(ours) == steps(theirs)
