"""The one door for the matrix product."""
from numpy cimport PyArray_DIMS, PyArray_MatrixProduct, PyArray_NDIM, PyArray_SIZE, import_array, ndarray

from tinyrnn.autograd.arrays cimport shape_of

import numpy as np

import_array()


cdef ndarray multiply(ndarray a, ndarray b):
    """(..., M, K) times (..., K, N) gives (..., M, N); the leading dimensions broadcast.

    One dtype, shapes that fit: the caller has seen to both. NumPy's ``dot`` does it, one matrix at a time. It would
    warn about inf and NaN, which are results like any other here.
    """
    with np.errstate(all="ignore"):
        return products(a, b)


cdef ndarray products(ndarray a, ndarray b):
    cdef Py_ssize_t m, n, k, i, rows = 1
    if PyArray_NDIM(a) == 2 and PyArray_NDIM(b) == 2:
        return PyArray_MatrixProduct(a, b)
    m, k = PyArray_DIMS(a)[PyArray_NDIM(a) - 2], PyArray_DIMS(a)[PyArray_NDIM(a) - 1]
    n = PyArray_DIMS(b)[PyArray_NDIM(b) - 1]
    if PyArray_NDIM(b) == 2:            # one matrix for all: its product with all rows at once
        for i in range(PyArray_NDIM(a) - 1):
            rows *= PyArray_DIMS(a)[i]
        return PyArray_MatrixProduct(a.reshape(rows, k), b).reshape(shape_of(a)[:-1] + (n,))
    batch = np.broadcast_shapes(shape_of(a)[:-2], shape_of(b)[:-2])
    y = np.empty(batch + (m, n), a.dtype)
    if PyArray_SIZE(y) == 0:
        return y
    if k == 0:
        y.fill(0)
        return y
    a = np.broadcast_to(a, batch + (m, k)).reshape(-1, m, k)
    b = np.broadcast_to(b, batch + (k, n)).reshape(-1, k, n)
    flat = y.reshape(-1, m, n)
    for i in range(PyArray_DIMS(a)[0]):
        np.dot(a[i], b[i], out=flat[i])
    return y
