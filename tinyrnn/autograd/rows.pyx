"""Any reduction, over any dimensions, as one loop over rows: the one place that reads ``dim`` arguments.

``by_rows`` turns an array and its ``dim`` (a number, several, or None for all) into (outer, n, inner), which is what
the kernels in reduce.h go along. Neighbouring dimensions need no copy; others are brought together first.
"""
from cpython.number cimport PyNumber_Index
from numpy cimport (
    NPY_FLOAT, PyArray_DATA, PyArray_DIMS, PyArray_EMPTY, PyArray_NDIM, PyArray_SIZE, PyArray_TYPE, import_array,
    ndarray, npy_intp,
)

from tinyrnn.autograd.arrays cimport contiguous, empty, shape_of
from tinyrnn.kernels.reduce cimport fold_loops, quotient_loops, row_loops

from tinyrnn.autograd.arrays import ShapeError

import_array()


cdef int dim_of(str name, object dim, ndarray x) except -1:
    """``dim`` counted from the front. A 0-d array takes 0 and -1, as in PyTorch."""
    cdef int n = PyArray_NDIM(x) or 1
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
    (loops.f32 if PyArray_TYPE(x) == NPY_FLOAT else loops.f64)(
        PyArray_DATA(x), NULL if c is None else PyArray_DATA(c), PyArray_DATA(y), rows.outer, rows.n, rows.inner)
    return y


cdef ndarray along(const row_loops* loops, ndarray x, Rows* rows):
    """One number an element."""
    cdef ndarray y = empty(x)
    (loops.f32 if PyArray_TYPE(x) == NPY_FLOAT else loops.f64)(
        PyArray_DATA(x), PyArray_DATA(y), rows.outer, rows.n, rows.inner)
    return y


cdef int divide(ndarray y, double divisor) except -1:
    """y /= divisor for a C-contiguous y, also by zero."""
    (quotient_loops.f32 if PyArray_TYPE(y) == NPY_FLOAT else quotient_loops.f64)(
        PyArray_DATA(y), divisor, PyArray_SIZE(y))
    return 0
