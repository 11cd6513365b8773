"""The one door for the matrix product of arrays."""
from numpy cimport (
    NPY_FLOAT, NPY_INT64, PyArray_BYTES, PyArray_DIMS, PyArray_EMPTY, PyArray_NDIM, PyArray_SIZE,
    PyArray_STRIDES, PyArray_TYPE, import_array, ndarray, npy_intp,
)

from tinyrnn.autograd.arrays cimport shape_of
from tinyrnn.kernels.gemm cimport gemm

from math import prod

import numpy as np

import_array()

cdef enum:
    SMALL = 1 << 15                 # multiply-adds: a product that is over sooner than the lock is given up


cdef ndarray multiply(ndarray a, ndarray b):
    """(..., M, K) times (..., K, N) gives (..., M, N); the leading dimensions broadcast.

    One dtype, shapes that fit: the caller has seen to both. Integers go to NumPy.
    """
    cdef ndarray y
    cdef npy_intp dims[2]
    if PyArray_TYPE(a) == NPY_INT64:
        return np.matmul(a, b)
    if PyArray_NDIM(a) == 2 and PyArray_NDIM(b) == 2:
        dims[0], dims[1] = PyArray_DIMS(a)[0], PyArray_DIMS(b)[1]
        y = PyArray_EMPTY(2, dims, PyArray_TYPE(a), 0)
        multiply_into(y, a, b, False)
        return y
    if PyArray_NDIM(b) == 2:            # one matrix for all: its product with all rows at once
        shape = shape_of(a)
        return multiply(a.reshape((prod(shape[:-1]), shape[-1])), b).reshape(shape[:-1] + (PyArray_DIMS(b)[1],))
    return batched(a, b)


cdef int multiply_into(ndarray y, ndarray a, ndarray b, bint add) except -1:
    """y = a b, or y += a b, for matrices of one float dtype whose shapes fit; the elements of a row of y lie side by
    side."""
    return one(a, b, y, PyArray_BYTES(a), PyArray_BYTES(b), PyArray_BYTES(y), add)


cdef ndarray batched(ndarray a, ndarray b):
    """One product for each place in the leading dimensions."""
    cdef tuple batch = shape_of(a)[:-2]
    cdef ndarray y
    cdef Py_ssize_t i, n
    if batch != shape_of(b)[:-2]:
        batch = np.broadcast_shapes(batch, shape_of(b)[:-2])
        a, b = np.broadcast_to(a, batch + shape_of(a)[-2:]), np.broadcast_to(b, batch + shape_of(b)[-2:])
    y = np.empty(batch + (shape_of(a)[-2], shape_of(b)[-1]), a.dtype)
    if PyArray_SIZE(y) == 0:
        return y
    n = prod(batch)
    a, b = a.reshape((n,) + shape_of(a)[-2:]), b.reshape((n,) + shape_of(b)[-2:])
    y = y.reshape((n,) + shape_of(y)[-2:])
    for i in range(n):
        one(a, b, y, PyArray_BYTES(a) + i * PyArray_STRIDES(a)[0], PyArray_BYTES(b) + i * PyArray_STRIDES(b)[0],
            PyArray_BYTES(y) + i * PyArray_STRIDES(y)[0], False)
    return y.reshape(batch + shape_of(y)[1:])


cdef int one(ndarray a, ndarray b, ndarray y, char* at_a, char* at_b, char* at_y, bint add) except -1:
    """y = a b, or y += a b, for the matrices that begin there; the last two dimensions give shapes and steps."""
    cdef int i = PyArray_NDIM(a) - 2, j = PyArray_NDIM(b) - 2, k = PyArray_NDIM(y) - 2, failed
    cdef bint single = PyArray_TYPE(a) == NPY_FLOAT
    cdef int shift = 2 if single else 3         # from bytes to elements: five divisions would take 15 ns
    cdef npy_intp M = PyArray_DIMS(a)[i], K = PyArray_DIMS(a)[i + 1], N = PyArray_DIMS(b)[j + 1]
    cdef npy_intp a_row = PyArray_STRIDES(a)[i] >> shift, a_col = PyArray_STRIDES(a)[i + 1] >> shift
    cdef npy_intp b_row = PyArray_STRIDES(b)[j] >> shift, b_col = PyArray_STRIDES(b)[j + 1] >> shift
    cdef npy_intp y_row = PyArray_STRIDES(y)[k] >> shift
    if M * N * K < SMALL:
        failed = gemm(single, M, N, K, at_a, a_row, a_col, at_b, b_row, b_col, at_y, y_row, add)
    else:
        with nogil:
            failed = gemm(single, M, N, K, at_a, a_row, a_col, at_b, b_row, b_col, at_y, y_row, add)
    if failed:
        raise MemoryError(f"matmul: no memory for the product of {shape_of(a)} and {shape_of(b)}")
    return 0
