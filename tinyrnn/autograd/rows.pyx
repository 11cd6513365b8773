"""Any reduction, over any dimensions, as one loop over rows: the one place that reads ``dim`` arguments.

``by_rows`` turns an array and its ``dim`` (a number, several, or None for all) into (outer, n, inner), which is what
the kernels in reduce.h go along. Neighbouring dimensions need no copy; others are brought together first.
"""
from cpython.number cimport PyNumber_Index
from cython.parallel cimport prange
from libc.string cimport memcpy
from numpy cimport (
    NPY_FLOAT, PyArray_BYTES, PyArray_DATA, PyArray_DIMS, PyArray_EMPTY, PyArray_ITEMSIZE, PyArray_NDIM, PyArray_SIZE,
    PyArray_TYPE, import_array, ndarray, npy_intp,
)

from tinyrnn.autograd.arrays cimport contiguous, empty, shape_of, threads_of
from tinyrnn.kernels.reduce cimport (
    BLOCK, fold_loop, fold_loops, half_of, join_loop, quotient_loops, row_loop, row_loops, tiles,
)

import numpy as np

from tinyrnn.autograd.arrays import ShapeError

import_array()

cdef enum:
    PIECES = 8                      # that a long row is cut into: a power of two, the leaves of a tree


cdef int dim_of(str name, object dim, ndarray x, int new=0) except -1:
    """``dim`` counted from the front. A 0-d array takes 0 and -1, as in PyTorch. ``new``: dimensions that the result
    has more than x."""
    cdef int n = max(PyArray_NDIM(x) + new, 1)
    cdef Py_ssize_t d = PyNumber_Index(dim)
    if d < -n or d >= n:
        raise IndexError(f"{name}: dim {d} is out of range for shape {shape_of(x)}")
    return <int> (d + n if d < 0 else d)


cdef int mark(str name, object dim, ndarray x, bint* reduced) except -1:
    """Sets ``reduced`` for every dimension that ``dim`` names; None and an empty tuple name all of them."""
    cdef int i, d
    cdef bint every = dim is None or (isinstance(dim, (tuple, list)) and not dim)
    for i in range(PyArray_NDIM(x)):
        reduced[i] = every
    if every:
        return 0
    if not isinstance(dim, (tuple, list)):
        reduced[dim_of(name, dim, x)] = True
        return 0
    for one in dim:
        d = dim_of(name, one, x)
        if reduced[d]:
            raise ShapeError(f"{name}: dim {d} occurs twice in {tuple(dim)}")
        reduced[d] = True
    return 0


cdef ndarray by_rows(str name, ndarray x, object dim, bint keepdim, Rows* rows):
    """Fills ``rows`` and returns x as a C-contiguous array of rows.outer * rows.n * rows.inner elements."""
    cdef bint reduced[65]
    cdef int i, ndim = PyArray_NDIM(x), first = ndim, last = -1, split = ndim
    cdef bint apart = False
    cdef npy_intp size
    reduced[0] = False
    mark(name, dim, x, reduced)
    rows.outer = rows.n = rows.inner = 1
    rows.ndim, rows.ndim_out = ndim, 0
    for i in range(ndim):
        size = PyArray_DIMS(x)[i]
        rows.kept[i] = 1 if reduced[i] else size
        if keepdim or not reduced[i]:
            rows.out[rows.ndim_out] = rows.kept[i]
            rows.ndim_out += 1
        if reduced[i]:
            split = i
            if size != 1:
                first, last = (i if first == ndim else first), i
    if last < 0:                        # only dimensions of length 1, if any
        first = last = split
    for i in range(ndim):
        size = PyArray_DIMS(x)[i]
        if reduced[i]:
            rows.n *= size
        elif i < first or i < last:
            rows.outer *= size
            apart = apart or (i > first and size != 1)
        else:
            rows.inner *= size
    if not apart:
        return contiguous(x)
    order = [i for i in range(ndim) if not reduced[i]] + [i for i in range(ndim) if reduced[i]]
    rows.outer *= rows.inner
    rows.inner = 1
    return contiguous(x.transpose(order))


cdef tuple kept_shape(Rows* rows):
    """The shape of the result with keepdim: it broadcasts against the array that was reduced."""
    cdef int i
    return tuple([rows.kept[i] for i in range(rows.ndim)])


cdef ndarray result(Rows* rows, int type_num):
    """A new array for one number a row, its values not set."""
    return PyArray_EMPTY(rows.ndim_out, rows.out, type_num, 0)


cdef ndarray fold(const fold_loops* loops, ndarray x, ndarray c, Rows* rows):
    """One number a row; ``c`` (None, or one number a row too) is what the fold may use."""
    cdef ndarray y = result(rows, PyArray_TYPE(x))
    cdef fold_loop f = loops.f32 if PyArray_TYPE(x) == NPY_FLOAT else loops.f64
    cdef char* px = PyArray_BYTES(x)
    cdef char* pc = NULL if c is None else PyArray_BYTES(c)
    cdef char* py = PyArray_BYTES(y)
    cdef npy_intp n = rows.n, inner = rows.inner, count = rows.outer * tiles(inner), part
    cdef int team = threads_of(rows.outer * n * inner)
    if team == 1:
        f(px, pc, py, n, inner, 0, count)
    elif count < team and rows.outer == 1 and n >= 2 * PIECES * BLOCK:
        fold_long(loops, x, pc, y, rows)
    else:
        team = <int> min(team, count)
        for part in prange(team, nogil=True, num_threads=team, schedule="static"):
            f(px, pc, py, n, inner, count * part // team, count * (part + 1) // team)
    return y


cdef int fold_long(const fold_loops* loops, ndarray x, char* c, ndarray y, Rows* rows) except -1:
    """Few and long rows: threads take PIECES of them, cut where the fold itself cuts, and joined as it joins."""
    cdef bint f32 = PyArray_TYPE(x) == NPY_FLOAT
    cdef fold_loop f = loops.f32 if f32 else loops.f64
    cdef join_loop join = loops.join_f32 if f32 else loops.join_f64
    cdef npy_intp width = rows.inner * PyArray_ITEMSIZE(x), inner = rows.inner, count = tiles(inner), i
    cdef npy_intp[2 * PIECES] n, begin
    cdef char* px = PyArray_BYTES(x)
    cdef ndarray parts = np.empty((2 * PIECES, inner), y.dtype)
    cdef char* to = PyArray_BYTES(parts)
    n[1], begin[1] = rows.n, 0
    for i in range(1, PIECES):                  # piece i is cut into 2 i and 2 i + 1
        n[2 * i] = half_of(n[i])
        n[2 * i + 1] = n[i] - n[2 * i]
        begin[2 * i], begin[2 * i + 1] = begin[i], begin[i] + n[2 * i]
    for i in prange(PIECES, 2 * PIECES, nogil=True, num_threads=threads_of(rows.n * inner), schedule="static"):
        f(px + begin[i] * width, c, to + i * width, n[i], inner, 0, count)
    for i in range(PIECES - 1, 0, -1):
        join(to + 2 * i * width, to + (2 * i + 1) * width, to + i * width, inner)
    memcpy(PyArray_DATA(y), to + width, width)
    return 0


cdef ndarray along(const row_loops* loops, ndarray x, Rows* rows):
    """One number an element."""
    cdef ndarray y = empty(x)
    each_row(loops, x, y, rows)
    return y


cdef int each_row(const row_loops* loops, ndarray x, ndarray y, Rows* rows) except -1:
    """Runs a loop over all rows of x, into y."""
    cdef row_loop f = loops.f32 if PyArray_TYPE(x) == NPY_FLOAT else loops.f64
    cdef void* px = PyArray_DATA(x)
    cdef void* py = PyArray_DATA(y)
    cdef npy_intp n = rows.n, inner = rows.inner, count = rows.outer * tiles(inner), part
    cdef int team = threads_of(4 * rows.outer * n * inner)        # an exponential each
    if team == 1:
        f(px, py, n, inner, 0, count)
    else:
        team = <int> min(team, count)
        for part in prange(team, nogil=True, num_threads=team, schedule="static"):
            f(px, py, n, inner, count * part // team, count * (part + 1) // team)
    return 0


cdef int divide(ndarray y, double divisor) except -1:
    """y /= divisor for a C-contiguous y, also by zero."""
    (quotient_loops.f32 if PyArray_TYPE(y) == NPY_FLOAT else quotient_loops.f64)(
        PyArray_DATA(y), divisor, PyArray_SIZE(y))
    return 0
