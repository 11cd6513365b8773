"""Pairs of tensors with the same values, one of tinyrnn and one of PyTorch, and their comparison."""
import numpy as np
import torch

from tinyrnn.autograd import methods
from tinyrnn.autograd.creation import tensor
from tinyrnn.autograd.graph import grad

torch.set_num_threads(1)

TOLERANCE = {np.dtype(np.float32): 1e-5, np.dtype(np.float64): 1e-10}


def call(name):
    """The tinyrnn function and PyTorch's of that name."""
    theirs = getattr(torch, name, None) or getattr(torch.nn.functional, name)
    return methods.operations[name], theirs


def pair(array, requires_grad=False):
    ours = tensor(array, requires_grad=requires_grad)
    return ours, torch.tensor(array, requires_grad=requires_grad)


def assert_same(ours, theirs):
    """Equal dtype and shape, and values within 1e-10 (float64) or 1e-5 (float32) of each other."""
    theirs = theirs.detach().numpy(force=True)
    assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
    tolerance = TOLERANCE.get(ours.dtype, 0)
    np.testing.assert_allclose(ours.detach().numpy(), theirs, rtol=tolerance, atol=tolerance)


def assert_same_op(ours, theirs, *arrays, second=True):
    """Values, every gradient, and every gradient of the gradients agree."""
    inputs = [pair(a, requires_grad=True) for a in arrays]
    xs, zs = [x for x, _ in inputs], [z for _, z in inputs]
    y, w = ours(*xs), theirs(*zs)
    assert_same(y, w)
    seed = np.cos(np.arange(y.array.size)).reshape(y.shape).astype(y.dtype)
    dy, dw = pair(seed, requires_grad=True)
    dxs, dzs = grad(y, xs, dy, create_graph=True), torch.autograd.grad(w, zs, dw, create_graph=True)
    for dx, dz in zip(dxs, dzs, strict=True):
        assert_same(dx, dz)
    if not second:
        return
    for dx, dz in zip(dxs, dzs, strict=True):
        if dz.requires_grad:
            ggs = grad(dx, [dy, *xs], dx.new_ones(dx.shape), retain_graph=True, materialize_grads=True)
            hhs = torch.autograd.grad(dz, [dw, *zs], torch.ones_like(dz), retain_graph=True, materialize_grads=True)
            for g, h in zip(ggs, hhs, strict=True):
                assert_same(g, h)
