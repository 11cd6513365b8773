"""Order: sort, topk, unique, bincount. NaN counts as larger than any number, as in PyTorch.

Each of them picks elements; so the values are ``pick`` with the indices that NumPy finds, and the gradient goes back to
where they came from with ``place``. The two are each other's backward.
"""
from collections import namedtuple

from libc.stdint cimport int64_t
from numpy cimport NPY_FLOAT, PyArray_DATA, PyArray_DIMS, PyArray_NDIM, PyArray_TYPE, import_array, ndarray

from tinyrnn.autograd.arrays cimport cast, contiguous, is_real, shape_of
from tinyrnn.autograd.engine cimport record
from tinyrnn.autograd.rows cimport Rows, by_rows, dim_of
from tinyrnn.autograd.tensor cimport Tensor, wrap
from tinyrnn.kernels.reduce cimport pick_loops, place_loops
from tinyrnn.kernels.rows cimport best_f32, best_f64

import numpy as np

from tinyrnn.autograd.arrays import ShapeError

import_array()

cdef enum:
    FEW = 32                        # more than these are partitioned, not inserted one by one

Picked = namedtuple("Picked", ("values", "indices"), module=__name__)


# ---- pick and place --------------------------------------------------------------------------------------------------

cdef Tensor pick(Tensor x, ndarray index, int dim):
    """y[..., i, ...] = x[..., index[..., i, ...], ...] along dim.    dx = place dy

    ``index``: int64, x's shape except along dim; every entry in [0, x.shape[dim]), which the caller has seen to.
    """
    cdef Rows rows
    cdef ndarray source, y
    cdef Py_ssize_t n = PyArray_DIMS(x.array)[dim] if PyArray_NDIM(x.array) else 1
    if PyArray_NDIM(x.array) == 0:
        return x.reshape(shape_of(index))
    if not is_real(x.array):
        return wrap(np.take_along_axis(x.array, index, dim))
    source, index = by_rows("pick", x.array, dim, True, &rows), contiguous(index)
    y = np.empty(shape_of(index), source.dtype)
    (pick_loops.f32 if PyArray_TYPE(source) == NPY_FLOAT else pick_loops.f64)(
        PyArray_DATA(source), <int64_t*> PyArray_DATA(index), PyArray_DATA(y), rows.outer, rows.n, rows.inner,
        PyArray_DIMS(index)[dim])

    def backward(y, dy):
        return place(dy, index, dim, n)
    return record(y, (x,), backward, ())


cdef Tensor place(Tensor x, ndarray index, int dim, Py_ssize_t size):
    """y[..., index[..., i, ...], ...] += x[..., i, ...] for a y of zeros, ``size`` long along dim.    dx = pick dy"""
    cdef Rows rows
    cdef ndarray source, y
    if PyArray_NDIM(x.array) == 0:
        return x.reshape(shape_of(index))
    source, index = contiguous(x.array), contiguous(index)
    shape = shape_of(source)
    y = np.zeros(shape[:dim] + (size,) + shape[dim + 1:], source.dtype)
    by_rows("place", y, dim, True, &rows)
    (place_loops.f32 if PyArray_TYPE(source) == NPY_FLOAT else place_loops.f64)(
        PyArray_DATA(source), <int64_t*> PyArray_DATA(index), PyArray_DATA(y), rows.outer, rows.n, rows.inner,
        PyArray_DIMS(index)[dim])

    def backward(y, dy):
        return pick(dy, index, dim)
    return record(y, (x,), backward, ())


cdef object picked(Tensor x, ndarray index, int dim):
    """(values, indices). The indices are a copy: whoever changes them must not change what backward reads."""
    return Picked(pick(x, index, dim), wrap(index.copy()))


# ---- order -----------------------------------------------------------------------------------------------------------

cdef ndarray order(ndarray x, int dim, bint descending):
    """The indices that sort x along dim; equal elements stay in their order. x is at least 1-d."""
    if not descending:
        return np.argsort(x, axis=dim, kind="stable")
    back = np.flip(np.argsort(np.flip(x, dim), axis=dim, kind="stable"), dim)
    return PyArray_DIMS(x)[dim] - 1 - back


def sort(Tensor input not None, dim=-1, descending=False, stable=False):
    """(values, indices) of x sorted along dim.    dx = dy, each at its index

    It is stable, that is equal elements stay in their order, whether ``stable`` asks for it or not.
    """
    cdef int d = dim_of("sort", dim, input.array)
    cdef ndarray index = np.zeros((), np.int64) if input.ndim == 0 else order(input.array, d, descending)
    return picked(input, index, d)


def argsort(Tensor input not None, dim=-1, descending=False, stable=False):
    """The indices that sort x along dim; see :func:`sort`."""
    return sort(input.detach(), dim, descending, stable).indices


cdef ndarray best(ndarray x, int dim, Py_ssize_t k, bint largest):
    """The places of the k largest or smallest along dim, in order: one pass that keeps the best so far sorted."""
    cdef Rows rows
    cdef tuple shape = shape_of(x)
    cdef ndarray index = np.empty((*shape[:dim], k, *shape[dim + 1:]), np.int64)
    x = by_rows("topk", x, dim, True, &rows)
    (best_f32 if PyArray_TYPE(x) == NPY_FLOAT else best_f64)(
        PyArray_DATA(x), <int64_t*> PyArray_DATA(index), rows.outer, rows.n, rows.inner, k, largest)
    return index


def topk(Tensor input not None, k, dim=-1, largest=True, sorted=True):
    """(values, indices) of the k largest (or smallest) along dim.    dx = dy, each at its index

    ``sorted``: from the largest (smallest) on, equal ones by their index; otherwise in no particular order.
    """
    cdef int d = dim_of("topk", dim, input.array)
    cdef ndarray x = np.atleast_1d(input.array), index
    cdef Py_ssize_t n = PyArray_DIMS(x)[d], count = k
    if not 0 <= count <= n:
        raise ShapeError(f"topk: k = {k} is not between 0 and the {n} entries of dim {dim} of {input.shape}")
    if input.ndim and is_real(x) and 0 < count <= FEW:
        return picked(input, best(x, d, count, largest), d)
    if 0 < count < n:
        index = np.argpartition(x, n - count if largest else count - 1, axis=d)
        index = index.take(range(n - count, n) if largest else range(count), axis=d)
        index.sort(axis=d)
    else:
        index = np.broadcast_to(np.arange(count).reshape((-1,) + (1,) * (x.ndim - 1 - d)),
                                shape_of(x)[:d] + (count,) + shape_of(x)[d + 1:])
    if sorted:
        index = np.take_along_axis(index, order(np.take_along_axis(x, index, d), d, largest), d)
    if input.ndim == 0:
        index = index.reshape(() if count else (0,))
        return Picked(pick(input, index, 0) if count else wrap(np.empty(0, x.dtype)), wrap(index.copy()))
    return picked(input, index, d)


# ---- sets and counts: no gradient ------------------------------------------------------------------------------------

def unique(Tensor input not None, sorted=True, return_inverse=False, return_counts=False, dim=None):
    """The different elements, in ascending order (``sorted=False`` only leaves the order open). Each NaN is different.

    ``return_inverse``: also where in the result each element is; ``return_counts``: also how often each occurs.
    ``dim``: the different slices along one dimension instead.
    """
    axis = None if dim is None else dim_of("unique", dim, input.array)
    if axis is not None and input.ndim == 0:
        raise ShapeError("unique: dim needs a tensor with dimensions, not a single number")
    results = np.unique(input.array, return_inverse=return_inverse, return_counts=return_counts, axis=axis,
                        equal_nan=False)
    if not isinstance(results, tuple):
        return wrap(results)
    results = [wrap(np.asarray(r)) for r in results]
    if return_inverse and axis is not None:
        results[1] = results[1].reshape(-1)
    return tuple(results)


def bincount(Tensor input not None, weights=None, minlength=0):
    """y_v = how often v occurs in a 1-d tensor of integers >= 0, or the sum of its weights there.

    y is max(largest + 1, minlength) long: int64, float32 for float32 weights, else float64.
    """
    cdef ndarray x = input.array
    if is_real(x) or x.ndim != 1 or (x.size and x.min() < 0):
        raise ShapeError(f"bincount: expected a 1-d tensor of integers >= 0, not {input.dtype} {input.shape}")
    if x.size and x.max() == np.iinfo(np.int64).max:        # NumPy would count up to the largest + 1, which wraps round
        raise ValueError(f"bincount: {x.max()} is too large")
    if minlength < 0:
        raise ValueError(f"bincount: minlength must be >= 0, not {minlength}")
    if weights is None:
        return wrap(np.bincount(x, minlength=minlength))
    if weights.shape != input.shape:
        raise ShapeError(f"bincount: weights of shape {weights.shape} for {input.shape} integers")
    y = np.bincount(x, weights.array, minlength)
    return wrap(cast(y, weights.dtype) if weights.dtype == np.float32 else y)
