"""Sums over dimensions."""
from numpy cimport import_array

from tinyrnn.autograd.engine cimport record
from tinyrnn.autograd.tensor cimport Tensor

import_array()


def sum(Tensor input not None, dim=None, keepdim=False):
    """y = sum of x over dim.    dx = dy, repeated"""
    import numpy as np
    shape = input.shape
    kept = np.sum(input.array, axis=dim, keepdims=True).shape

    def backward(y, dy):
        return dy.reshape(kept).expand(shape)
    return record(np.sum(input.array, axis=dim, keepdims=keepdim), (input,), backward, ())


def sum_to(Tensor input not None, shape):
    """Sums over the dimensions in which a tensor of ``shape`` was broadcast to this one's shape."""
    extra = input.ndim - len(shape)
    dims = tuple(range(extra)) + tuple(extra + i for i, n in enumerate(shape) if n == 1 and input.shape[extra + i] != 1)
    return sum(input, dims, True).reshape(shape) if dims else input.reshape(shape)
