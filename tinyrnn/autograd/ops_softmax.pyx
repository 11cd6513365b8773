"""Softmax and its logarithm, one node each: the gradient needs only the output."""
from cython.parallel cimport prange
from numpy cimport NPY_FLOAT, PyArray_DATA, PyArray_TYPE, import_array, ndarray

from tinyrnn.autograd.arrays cimport contiguous, empty
from tinyrnn.autograd.engine cimport OUTPUT, record
from tinyrnn.autograd.ops_reduce cimport floats_only
from tinyrnn.autograd.rows cimport Rows, along, by_rows, dim_of
from tinyrnn.autograd.tensor cimport RECORDING, Tensor, get_mode, wrap
from tinyrnn.kernels.normalize cimport softmax_gradient_f32, softmax_gradient_f64
from tinyrnn.kernels.parallel cimport threads_for
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


cdef Tensor gradient(Tensor y, Tensor dy, int dim, bint is_log):
    """The gradient of x in one pass, where it is not recorded."""
    cdef Rows rows
    cdef ndarray a = by_rows("softmax", y.array, dim, True, &rows), d = contiguous(dy.array), dx = empty(a)
    cdef Py_ssize_t i, threads = min(threads_for(rows.outer * rows.n * rows.inner), rows.outer)
    cdef bint is_float = PyArray_TYPE(a) == NPY_FLOAT
    cdef void* py = PyArray_DATA(a)
    cdef void* pdy = PyArray_DATA(d)
    cdef void* pdx = PyArray_DATA(dx)
    for i in prange(threads, nogil=True, num_threads=threads, schedule="static"):
        if is_float:
            softmax_gradient_f32(
                py, pdy, pdx, rows.n, rows.inner, is_log, rows.outer * i // threads, rows.outer * (i + 1) // threads)
        else:
            softmax_gradient_f64(
                py, pdy, pdx, rows.n, rows.inner, is_log, rows.outer * i // threads, rows.outer * (i + 1) // threads)
    return wrap(dx)


def softmax(Tensor input not None, dim=None, dtype=None):
    """y_i = e^(x_i) / sum_j e^(x_j) along dim.    dx = y (dy - sum dy y)

    A row of -inf alone gives NaN. ``dtype``: what to convert x to before.
    """
    cdef int d = checked("softmax", dim, input)
    if dtype is not None:
        return softmax(input.to(dtype), d)

    def backward(y, dy):
        if get_mode() != RECORDING:
            return gradient(y, dy, d, False)
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
        if get_mode() != RECORDING:
            return gradient(y, dy, d, True)
        return dy - y.exp() * dy.sum(d, True)
    return record(forward("log_softmax", &log_softmax_loops, input, d), (input,), backward, (OUTPUT,))
