"""Compares an operation with PyTorch's: values, gradients, and gradients of gradients."""

import numpy as np
import torch

import tinyrnn.autograd.methods  # noqa: F401  the methods of Tensor
from tinyrnn.autograd.engine import record
from tinyrnn.autograd.graph import grad

torch.set_num_threads(1)
TOLERANCE = {np.float32: 1e-5, np.float64: 1e-10}


def leaf(array, requires_grad=True):
    x = record(np.asarray(array), (), None)
    x.requires_grad = requires_grad and x.array.dtype.kind == "f"
    return x


def close(ours, theirs, dtype, what):
    assert ours.shape == tuple(theirs.shape), what
    assert str(ours.dtype) == str(theirs.dtype).removeprefix("torch."), what
    theirs = theirs.detach().numpy(force=True)
    finite = np.abs(theirs[np.isfinite(theirs)])
    tolerance = TOLERANCE[dtype]
    np.testing.assert_allclose(ours.array, theirs, rtol=tolerance, atol=tolerance * max(1, finite.max(initial=0)),
                               err_msg=what)


def tensors(results):
    """The float results of an operation that may return several."""
    results = results if isinstance(results, tuple) else (results,)
    return [r for r in results if "float" in str(r.dtype)]


def method(name, *args, **kwargs):
    """The method of that name, called on tensors of ours and of PyTorch's."""
    def call(x, *others):
        return getattr(x, name)(*others, *args, **kwargs)
    return call, call


def check(ours, theirs, *arrays, second=True, dtypes=(np.float64, np.float32)):
    """``ours`` and ``theirs``: the same function, of tensors of either library."""
    for dtype in dtypes:
        cast = [a.astype(dtype) if a.dtype.kind == "f" else a for a in map(np.asarray, arrays)]
        xs, ts = [leaf(a) for a in cast], [torch.tensor(a, requires_grad=a.dtype.kind == "f") for a in cast]
        y, t = ours(*xs), theirs(*ts)
        for one, other in zip(y if isinstance(y, tuple) else (y,), t if isinstance(t, tuple) else (t,), strict=True):
            close(one, other, dtype, "value")
        xs, ts = [x for x in xs if x.requires_grad], [x for x in ts if x.requires_grad]
        random = np.random.default_rng(0)
        dy = [random.standard_normal(tuple(r.shape)).astype(dtype) for r in tensors(t)]
        seeds, other_seeds = [leaf(d) for d in dy], [torch.tensor(d, requires_grad=True) for d in dy]
        dx = grad(tensors(y), xs, seeds, create_graph=True, materialize_grads=True)
        dt = torch.autograd.grad(tensors(t), ts, other_seeds, create_graph=True, materialize_grads=True)
        for one, other in zip(dx, dt, strict=True):
            close(one, other, dtype, "gradient")
        if second:
            check_second(xs + seeds, dx, ts + other_seeds, dt, dtype, random)


def check_second(xs, dx, ts, dt, dtype, random):
    pairs = [(d, t) for d, t in zip(dx, dt, strict=True) if d.requires_grad and t.requires_grad]
    if not pairs:
        return
    dx, dt = zip(*pairs, strict=True)
    v = [random.standard_normal(tuple(d.shape)).astype(dtype) for d in dt]
    ddx = grad(dx, xs, [leaf(a, False) for a in v], materialize_grads=True)
    ddt = torch.autograd.grad(dt, ts, [torch.tensor(a) for a in v], materialize_grads=True)
    for one, other in zip(ddx, ddt, strict=True):
        close(one, other, dtype, "gradient of the gradient")


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)
