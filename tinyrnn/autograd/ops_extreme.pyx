"""The largest and the smallest element, their places, and their gradients. A NaN wins, as in PyTorch."""
from libc.stdint cimport int64_t
from numpy cimport NPY_FLOAT, NPY_INT64, PyArray_DATA, PyArray_TYPE, import_array, ndarray

from tinyrnn.autograd.arrays cimport is_real
from tinyrnn.autograd.engine cimport OUTPUT, record
from tinyrnn.autograd.ops_reduce cimport shared
from tinyrnn.autograd.ops_sort cimport pick
from tinyrnn.autograd.rows cimport Rows, by_rows, dim_of, fold, kept_shape, result
from tinyrnn.autograd.tensor cimport Tensor, wrap
from tinyrnn.kernels.reduce cimport first_loops, largest_loops, smallest_loops

import numpy as np

from tinyrnn.autograd.ops_arithmetic import maximum, minimum
from tinyrnn.autograd.ops_sort import Picked

import_array()


cdef ndarray rows_of(str name, Tensor input, object dim, bint keepdim, Rows* rows):
    cdef ndarray x = by_rows(name, input.array, dim, keepdim, rows)
    if rows.n == 0:
        raise IndexError(f"{name}: an empty row of {input.shape} has no {name}")
    return x


cdef ndarray extreme_of(bint larger, ndarray x, Rows* rows):
    """The largest (or smallest) of every row."""
    cdef ndarray y
    if is_real(x):
        return fold(&largest_loops if larger else &smallest_loops, x, None, rows)
    y = x.reshape(rows.outer, rows.n, rows.inner)
    return (y.max(axis=1) if larger else y.min(axis=1)).reshape(tuple([rows.out[i] for i in range(rows.ndim_out)]))


cdef ndarray place_of(bint larger, ndarray x, Rows* rows):
    """Where it is: the first place if there are several."""
    cdef ndarray y, index = result(rows, NPY_INT64)
    if not is_real(x):
        y = x.reshape(rows.outer, rows.n, rows.inner)
        index[...] = (y.argmax(axis=1) if larger else y.argmin(axis=1)).reshape(np.shape(index))
        return index
    y = extreme_of(larger, x, rows)
    (first_loops.f32 if PyArray_TYPE(x) == NPY_FLOAT else first_loops.f64)(
        PyArray_DATA(x), PyArray_DATA(y), <int64_t*> PyArray_DATA(index), rows.outer, rows.n, rows.inner)
    return index


cdef Tensor over_dims(str name, bint larger, Tensor input, object dim, bint keepdim):
    """The values alone; where several are equal, they share the gradient."""
    cdef Rows rows
    cdef ndarray x = rows_of(name, input, dim, keepdim, &rows)
    kept = kept_shape(&rows)
    nan_too = name == "max" or name == "min"

    def backward(y, dy):
        top = y.array.reshape(kept)
        mask = input.array == top
        if nan_too:                                 # PyTorch's amax leaves nothing but NaN where there is one
            mask |= (input.array != input.array) & (top != top)
        return shared(dy.reshape(kept), mask, kept)
    backward.__qualname__ = name
    return record(extreme_of(larger, x, &rows), (input,), backward, (input, OUTPUT))


cdef object with_places(str name, bint larger, Tensor input, object dim, bint keepdim):
    """(values, indices) along one dimension; the first of several equal ones gets the gradient."""
    cdef Rows rows
    cdef int d = dim_of(name, dim, input.array)
    cdef ndarray index = place_of(larger, rows_of(name, input, d, keepdim, &rows), &rows)
    values = pick(input, index.reshape(kept_shape(&rows)), d)
    return Picked(values if keepdim or input.ndim == 0 else values.reshape(np.shape(index)), wrap(index.copy()))


cdef Tensor where_is(str name, bint larger, Tensor input, object dim, bint keepdim):
    cdef Rows rows
    return wrap(place_of(larger, rows_of(name, input, None if dim is None else dim_of(name, dim, input.array), keepdim,
                                         &rows), &rows))


def max(Tensor input not None, dim=None, keepdim=False):
    """Without dim the largest element; ties share the gradient. With dim (values, indices): the first of each row.

    ``max(a, b)`` of two tensors is :func:`maximum`.
    """
    if isinstance(dim, Tensor):
        if keepdim:
            raise TypeError("max: keepdim belongs to a dimension, not to a second tensor")
        return maximum(input, dim)
    if dim is None:
        return over_dims("max", True, input, None, keepdim)
    return with_places("max", True, input, dim, keepdim)


def min(Tensor input not None, dim=None, keepdim=False):
    """Without dim the smallest element; ties share the gradient. With dim (values, indices): the first of each row.

    ``min(a, b)`` of two tensors is :func:`minimum`.
    """
    if isinstance(dim, Tensor):
        if keepdim:
            raise TypeError("min: keepdim belongs to a dimension, not to a second tensor")
        return minimum(input, dim)
    if dim is None:
        return over_dims("min", False, input, None, keepdim)
    return with_places("min", False, input, dim, keepdim)


def amax(Tensor input not None, dim=(), keepdim=False):
    """The largest over dim (a number, several, or () for all); ties share the gradient."""
    return over_dims("amax", True, input, dim, keepdim)


def amin(Tensor input not None, dim=(), keepdim=False):
    """The smallest over dim (a number, several, or () for all); ties share the gradient."""
    return over_dims("amin", False, input, dim, keepdim)


def argmax(Tensor input not None, dim=None, keepdim=False):
    """Where the largest is along dim, or in the flattened tensor; the first place if there are several."""
    return where_is("argmax", True, input, dim, keepdim)


def argmin(Tensor input not None, dim=None, keepdim=False):
    """Where the smallest is along dim, or in the flattened tensor; the first place if there are several."""
    return where_is("argmin", False, input, dim, keepdim)
