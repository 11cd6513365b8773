"""Running sums and products along a dimension, and the product of all.

The gradient of a running product must not divide by x, which may be 0. It is made of two things that never do: the
running product itself, one place later, and a linear recurrence, which is its own derivative.
"""
from numpy cimport (
    NPY_FLOAT, PyArray_DATA, PyArray_NDIM, PyArray_TYPE, import_array, ndarray,
)

from tinyrnn.autograd.arrays cimport contiguous, empty, is_real
from tinyrnn.autograd.engine cimport OUTPUT, record
from tinyrnn.autograd.ops_reduce cimport fold_whole
from tinyrnn.autograd.ops_sort cimport place
from tinyrnn.autograd.rows cimport Rows, by_rows, dim_of, fold, kept_shape
from tinyrnn.autograd.tensor cimport Tensor, wrap
from tinyrnn.kernels.reduce cimport cumprod_loops, cumsum_loops, prod_loops, recurrence_loops, scan_loops

import numpy as np

from tinyrnn.autograd.engine import in_place

import_array()


# ---- along the dimension ---------------------------------------------------------------------------------------------

cdef ndarray scan(const scan_loops* loops, ndarray x, int dim, bint backward):
    cdef Rows rows
    cdef ndarray y
    x = by_rows("scan", x, dim, True, &rows)
    y = empty(x)
    (loops.f32 if PyArray_TYPE(x) == NPY_FLOAT else loops.f64)(
        PyArray_DATA(x), PyArray_DATA(y), rows.outer, rows.n, rows.inner, backward)
    return y


cdef ndarray scan_whole(object ufunc, ndarray x, int dim):
    """Running sums and products of integers and truth values are int64."""
    if PyArray_NDIM(x) == 0:
        return x.astype(np.int64)
    return ufunc.accumulate(x, axis=dim, dtype=np.int64)


cdef Tensor later(Tensor x, int dim, object first, bint backward):
    """y_i = x_{i-1} along dim, and ``first`` where there is none; backward: y_i = x_{i+1}.    dx_i = dy_{i+1}"""
    cdef ndarray y = empty(x.array), source = x.array
    if PyArray_NDIM(y):
        y, source = y.swapaxes(0, dim), source.swapaxes(0, dim)
    else:
        y, source = y.reshape(1), source.reshape(1)
    if backward:
        y[:-1] = source[1:]
        y[-1:] = first
    else:
        y[1:] = source[:-1]
        y[:1] = first

    def backward_(y, dy):
        return later(dy, dim, 0, not backward)
    return record(y.swapaxes(0, dim) if PyArray_NDIM(x.array) else y.reshape(()), (x,), backward_, ())


cdef Tensor recur(Tensor u, Tensor a, int dim, bint backward):
    """y_i = u_i + a_i y_{i-1} along dim; backward: y_i = u_i + a_{i+1} y_{i+1}.

    s = recur(dy, a) the other way:  du = s,  da_i = s_i y_{i-1}; backward: da_i = s_{i-1} y_i
    """
    cdef Rows rows
    cdef ndarray x = by_rows("recur", u.array, dim, True, &rows), factor = contiguous(a.array), y = empty(x)
    (recurrence_loops.f32 if PyArray_TYPE(x) == NPY_FLOAT else recurrence_loops.f64)(
        PyArray_DATA(x), PyArray_DATA(factor), PyArray_DATA(y), rows.outer, rows.n, rows.inner, backward)

    def backward_(y, dy):
        s = recur(dy, a, dim, not backward)
        return s, later(s, dim, 0, False) * y if backward else s * later(y, dim, 0, False)
    return record(y, (u, a), backward_, (a, OUTPUT))


# ---- the operations --------------------------------------------------------------------------------------------------

cdef Tensor running_sum(Tensor x, int dim, bint from_end):
    def backward(y, dy):
        return running_sum(dy, dim, not from_end)
    backward.__qualname__ = "cumsum"
    return record(scan(&cumsum_loops, x.array, dim, from_end), (x,), backward, ())


def cumsum(Tensor input not None, dim, *, dtype=None):
    """y_i = x_0 + ... + x_i along dim, added in double precision.    dx_i = dy_i + dy_{i+1} + ...

    Integers and truth values give int64. ``dtype``: what to convert x to before.
    """
    cdef int d = dim_of("cumsum", dim, input.array)
    if dtype is not None:
        return cumsum(input.to(dtype), d)
    if not is_real(input.array):
        return wrap(scan_whole(np.add, input.array, d))
    return running_sum(input, d, False)


def cumprod(Tensor input not None, dim, *, dtype=None):
    """y_i = x_0 ... x_i along dim.    dx_i = y_{i-1} r_i  with r_i = dy_i + x_{i+1} r_{i+1}

    Integers and truth values give int64. ``dtype``: what to convert x to before.
    """
    cdef int d = dim_of("cumprod", dim, input.array)
    if dtype is not None:
        return cumprod(input.to(dtype), d)
    if not is_real(input.array):
        return wrap(scan_whole(np.multiply, input.array, d))

    def backward(y, dy):
        return later(y, d, 1, False) * recur(dy, input, d, True)
    return record(scan(&cumprod_loops, input.array, d, False), (input,), backward, (input, OUTPUT))


def prod(Tensor input not None, dim=None, keepdim=False, *, dtype=None):
    """y = product of x over dim (one number, or None for all).    dx_i = dy x_0 ... x_{i-1} x_{i+1} ... x_{n-1}

    It is the last of the running products, and so is its gradient. Integers and truth values give int64. ``dtype``:
    what to convert x to before.
    """
    cdef Rows rows
    cdef ndarray x
    cdef int d
    if dtype is not None:
        return prod(input.to(dtype), dim, keepdim).to(dtype)      # truth values multiply to int64
    if dim is None and input.ndim > 1:
        y = prod(input.reshape(-1), 0)
        return y.reshape((1,) * input.ndim) if keepdim else y
    d = dim_of("prod", 0 if dim is None else dim, input.array)
    x = by_rows("prod", input.array, d, keepdim, &rows)
    if not is_real(x):
        return wrap(fold_whole(np.multiply, x, &rows))
    kept, n, shape = kept_shape(&rows), rows.n, input.shape

    def backward(y, dy):
        if n == 0:
            return wrap(np.zeros(shape, dy.dtype))
        last = place(dy.reshape(kept), np.full(kept, n - 1), d, n)
        return later(cumprod(input, d), d, 1, False) * recur(last, input, d, True)
    return record(fold(&prod_loops, x, None, &rows), (input,), backward, (input,))


cumsum_, cumprod_ = in_place(cumsum), in_place(cumprod)
