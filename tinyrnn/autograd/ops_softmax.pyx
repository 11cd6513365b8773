"""Softmax and its logarithm, one node each: the gradient needs only the output."""
from numpy cimport import_array, ndarray

from tinyrnn.autograd.engine cimport OUTPUT, record
from tinyrnn.autograd.ops_reduce cimport floats_only
from tinyrnn.autograd.rows cimport Rows, along, by_rows, dim_of
from tinyrnn.autograd.tensor cimport Tensor
from tinyrnn.kernels.reduce cimport log_softmax_loops, row_loops, softmax_loops

import_array()


cdef ndarray forward(str name, const row_loops* loops, Tensor input, int dim):
    cdef Rows rows
    floats_only(name, input)
    return along(loops, by_rows(name, input.array, dim, True, &rows), &rows)


cdef int checked(str name, object dim, Tensor input) except -1:
    if dim is None:
        raise TypeError(f"{name}: dim must be given, for {input.shape}")
    return dim_of(name, dim, input.array)


def softmax(Tensor input not None, dim=None, dtype=None):
    """y_i = e^(x_i) / sum_j e^(x_j) along dim.    dx = y (dy - sum dy y)

    A row of -inf alone gives NaN. ``dtype``: what to convert x to before.
    """
    cdef int d = checked("softmax", dim, input)
    if dtype is not None:
        return softmax(input.to(dtype), d)

    def backward(y, dy):
        weighted = dy * y
        return weighted - y * weighted.sum(d, True)
    return record(forward("softmax", &softmax_loops, input, d), (input,), backward, (OUTPUT,))


def softmin(Tensor input not None, dim=None, dtype=None):
    """softmax(-x) along dim."""
    return softmax(-input, dim, dtype)


def log_softmax(Tensor input not None, dim=None, dtype=None):
    """y_i = x_i - log sum_j e^(x_j) along dim.    dx = dy - e^y sum dy

    A row of -inf alone gives NaN. ``dtype``: what to convert x to before.
    """
    cdef int d = checked("log_softmax", dim, input)
    if dtype is not None:
        return log_softmax(input.to(dtype), d)

    def backward(y, dy):
        return dy - y.exp() * dy.sum(d, True)
    return record(forward("log_softmax", &log_softmax_loops, input, d), (input,), backward, (OUTPUT,))
