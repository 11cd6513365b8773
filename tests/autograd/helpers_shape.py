"""One call that compares an operation with PyTorch's: values, gradients, and gradients of the gradients."""

from types import SimpleNamespace

import numpy as np
import torch

import tinyrnn.autograd.methods as methods
from tinyrnn.autograd.engine import record
from tinyrnn.autograd.graph import grad
from tinyrnn.autograd.tensor import Tensor

torch.set_num_threads(1)

ours = SimpleNamespace(**methods.operations)
theirs = torch
TOLERANCE = {"float64": 1e-10, "float32": 1e-5}


def tensor(array, grad=False):
    """A tensor around an array, on its memory."""
    x = record(np.asarray(array), (), None)
    if grad:
        x.requires_grad = True
    return x


def pair(array):
    """The same values twice: ours and PyTorch's, each on memory of its own."""
    return tensor(np.array(array)), torch.from_numpy(np.array(array))


def values(*shape, dtype="float64", seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def numpy_of(x):
    if isinstance(x, Tensor):
        return x.array
    return x.detach().numpy() if isinstance(x, torch.Tensor) else np.asarray(x)


def same(a, b):
    """Equal dtype and shape, and values as close as the dtype allows."""
    a, b = numpy_of(a), numpy_of(b)
    assert a.dtype == b.dtype
    assert a.shape == b.shape
    tolerance = TOLERANCE.get(str(a.dtype), 0)
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def outputs(y):
    return list(y) if isinstance(y, (tuple, list)) else [y]


def filled(grads, xs, zeros):
    return [zeros(x) if g is None else g for g, x in zip(grads, xs, strict=True)]


def first_and_second(y, xs, weights, grad, zeros):
    """The gradients of sum(weights y), and those of a function of these gradients."""
    loss = sum((a * w).sum() for a, w in zip(y, weights, strict=True))
    first = filled(grad(loss, xs, create_graph=True, allow_unused=True), xs, zeros)
    loss = sum((g * g * 0.5 + g).sum() for g in first)
    sources = [*xs, *weights]
    if not loss.requires_grad:
        return first, [zeros(x) for x in sources]
    return first, filled(grad(loss, sources, allow_unused=True), sources, zeros)


def check(operation, *arrays, dtypes=("float64", "float32")):
    """``operation(lib, *xs)`` for both libraries: the same values, first and second derivatives for every input."""
    for dtype in dtypes:
        given = [np.asarray(a).astype(dtype) for a in arrays]
        xs, ts = [tensor(a.copy(), True) for a in given], [torch.from_numpy(a.copy()).requires_grad_() for a in given]
        y, u = outputs(operation(ours, *xs)), outputs(operation(theirs, *ts))
        assert len(y) == len(u)
        for a, b in zip(y, u, strict=True):
            same(a, b)
        weights = [values(*b.shape, dtype=dtype, seed=i + 7) for i, b in enumerate(u)]
        ours_ws = [tensor(w, True) for w in weights]
        theirs_ws = [torch.from_numpy(w.copy()).requires_grad_() for w in weights]
        got = first_and_second(y, xs, ours_ws, grad, lambda x: tensor(np.zeros(x.shape, x.dtype)))
        wanted = first_and_second(u, ts, theirs_ws, torch.autograd.grad, torch.zeros_like)
        for a, b in zip(got[0] + got[1], wanted[0] + wanted[1], strict=True):
            same(a, b)
