"""The one door for the matrix product of arrays."""
from cython.parallel cimport prange
from numpy cimport (
    NPY_FLOAT, NPY_INT64, PyArray_BYTES, PyArray_DIMS, PyArray_EMPTY, PyArray_NDIM, PyArray_SIZE,
    PyArray_STRIDES, PyArray_TYPE, import_array, ndarray, npy_intp,
)

from tinyrnn.autograd.arrays cimport shape_of
from tinyrnn.kernels.gemm cimport PER_NANOSECOND, gemm, threads_to_multiply
from tinyrnn.kernels.parallel cimport threads_for

from math import prod

import numpy as np

import_array()

cdef struct Sizes:                # the sizes of one, and the steps of its arrays in elements
    bint single
    Py_ssize_t M, N, K, a_row, a_col, b_row, b_col, y_row

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
    cdef Sizes p = sizes_of(a, b, y)
    cdef char* at_a = PyArray_BYTES(a)
    cdef char* at_b = PyArray_BYTES(b)
    cdef char* at_y = PyArray_BYTES(y)
    cdef int failed
    if p.M * p.N * p.K < SMALL:
        failed = run(&p, at_a, at_b, at_y, add)
    else:
        with nogil:
            failed = run(&p, at_a, at_b, at_y, add)
    return out_of_memory(a, b) if failed else 0


cdef ndarray batched(ndarray a, ndarray b):
    """One product for each place in the leading dimensions."""
    cdef tuple batch = shape_of(a)[:-2]
    if batch != shape_of(b)[:-2]:
        batch = np.broadcast_shapes(batch, shape_of(b)[:-2])
        a, b = np.broadcast_to(a, batch + shape_of(a)[-2:]), np.broadcast_to(b, batch + shape_of(b)[-2:])
    y = np.empty(batch + (shape_of(a)[-2], shape_of(b)[-1]), a.dtype)
    batched_into(y, a, b, False)
    return y


cdef int batched_into(ndarray y, ndarray a, ndarray b, bint add) except -1:
    """y = a b, or y += a b, for every place in the leading dimensions, which all three have, and a y in one piece. The
    threads take products, or share every one if it is large."""
    cdef Py_ssize_t n = prod(shape_of(y)[:-2]), i
    cdef int threads, failed = 0
    cdef Sizes p
    if PyArray_SIZE(y) == 0:
        return 0
    a, b, y = a.reshape((n,) + shape_of(a)[-2:]), b.reshape((n,) + shape_of(b)[-2:]), y.reshape((n,) + shape_of(y)[-2:])
    p = sizes_of(a, b, y)
    threads = threads_for(n * nanoseconds(&p)) if threads_to_multiply(p.M * p.N * p.K) == 1 else 1
    if threads == 1:
        with nogil:
            for i in range(n):
                failed |= run(&p, place(a, i), place(b, i), place(y, i), add)
    else:
        for i in prange(n, nogil=True, num_threads=threads, schedule="static"):
            failed |= run(&p, place(a, i), place(b, i), place(y, i), add)
    return out_of_memory(a, b) if failed else 0


cdef Sizes sizes_of(ndarray a, ndarray b, ndarray y) noexcept:
    """Of matrices, or of those in the last two dimensions."""
    cdef int i = PyArray_NDIM(a) - 2, j = PyArray_NDIM(b) - 2, k = PyArray_NDIM(y) - 2
    cdef bint single = PyArray_TYPE(a) == NPY_FLOAT
    cdef int shift = 2 if single else 3         # from bytes to elements: five divisions would take 15 ns
    cdef Sizes p
    p.single, p.M, p.K, p.N = single, PyArray_DIMS(a)[i], PyArray_DIMS(a)[i + 1], PyArray_DIMS(b)[j + 1]
    p.a_row, p.a_col = PyArray_STRIDES(a)[i] >> shift, PyArray_STRIDES(a)[i + 1] >> shift
    p.b_row, p.b_col = PyArray_STRIDES(b)[j] >> shift, PyArray_STRIDES(b)[j + 1] >> shift
    p.y_row = PyArray_STRIDES(y)[k] >> shift
    return p


cdef int run(const Sizes* p, const char* a, const char* b, char* y, bint add) noexcept nogil:
    return gemm(p.single, p.M, p.N, p.K, a, p.a_row, p.a_col, b, p.b_row, p.b_col, y, p.y_row, add)


cdef Py_ssize_t nanoseconds(const Sizes* p) noexcept nogil:
    """About what one takes: its multiply-adds, and reading and writing, which is most of it for a single row."""
    return p.M * p.N * p.K // PER_NANOSECOND + (p.M * p.K + p.K * p.N + p.M * p.N) // 4


cdef char* place(ndarray x, Py_ssize_t i) noexcept nogil:
    """Where number i in the first dimension begins."""
    return PyArray_BYTES(x) + i * PyArray_STRIDES(x)[0]


cdef int out_of_memory(ndarray a, ndarray b) except -1:
    raise MemoryError(f"matmul: no memory for the product of {shape_of(a)} and {shape_of(b)}")
