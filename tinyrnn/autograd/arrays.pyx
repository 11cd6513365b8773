"""Between NumPy's arrays and the loops of the kernels: dtype choice, contiguity and broadcasting.

This is the one place that knows them. An operation hands a table of loops and its arrays to ``map_unary`` or
``map_binary`` and gets a new array; the kernels see pointers and sizes only. Large loops are shared among threads,
element by element, so the result does not depend on how many there are.
"""
cimport numpy as cnp
from cython.parallel cimport prange
from libc.string cimport memcmp, memcpy
from numpy cimport (
    NPY_BOOL, NPY_DOUBLE, NPY_FLOAT, NPY_INT64, PyArray_BYTES, PyArray_DATA, PyArray_DIMS, PyArray_EMPTY,
    PyArray_ISBEHAVED_RO, PyArray_IS_C_CONTIGUOUS, PyArray_IS_F_CONTIGUOUS, PyArray_ITEMSIZE, PyArray_NDIM,
    PyArray_SIZE, PyArray_STRIDES, PyArray_TYPE, dtype, ndarray, npy_intp,
)

from tinyrnn.autograd.layout cimport MAX_DIMS, Axes, Loop, arrange, arrange_one, turned
from tinyrnn.kernels.parallel cimport threads_for
from tinyrnn.kernels.pointwise cimport accumulate_loops, binary_loop, binary_loops, unary_loop, unary_loops

import numpy as np

cdef extern from "numpy/arrayobject.h":
    tuple PyArray_IntTupleFromIntp(int n, const npy_intp* values)

cnp.import_array()

cdef enum:
    SHORT = 4                       # dimensions of a shape that is kept,
    KNOWN = 64                      # and how many are


cdef extern from "allocator.h":
    void keep_memory()

keep_memory()


class ShapeError(ValueError, RuntimeError):
    """Shapes that do not fit an operation. PyTorch raises RuntimeError here and NumPy ValueError: it is both."""


class DtypeError(TypeError, RuntimeError):
    """A dtype that does not fit an operation. PyTorch raises RuntimeError here, Python TypeError: it is both."""


DTYPES = {
    NPY_FLOAT: cnp.PyArray_DescrFromType(NPY_FLOAT),
    NPY_DOUBLE: cnp.PyArray_DescrFromType(NPY_DOUBLE),
    NPY_INT64: cnp.PyArray_DescrFromType(NPY_INT64),
    NPY_BOOL: cnp.PyArray_DescrFromType(NPY_BOOL),
}


cdef bint is_real(ndarray x) noexcept:
    return PyArray_TYPE(x) == NPY_FLOAT or PyArray_TYPE(x) == NPY_DOUBLE


cpdef ndarray cast(object a, object kind):
    """An array, list or number as an array of the dtype ``kind``; itself if it is one. Values that do not fit become
    inf or wrap, in silence, as in PyTorch."""
    cdef ndarray x = np.asarray(a)
    if x.dtype == kind:
        return x
    if x.dtype.kind != "f":
        return x.astype(kind)
    with np.errstate(all="ignore"):
        return x.astype(kind)


cpdef ndarray as_it_lies(object draw, ndarray x):
    """An array like x of what ``draw(shape)`` returns, one number after the other in the order in which x's elements
    lie in memory."""
    cdef Axes axes
    if PyArray_IS_C_CONTIGUOUS(x) or not arrange_one(x, &axes):
        return draw(shape_of(x))
    return turned(draw(shape_of(turned(x, axes.order))), axes.back)


cdef ndarray scalar(double value, int type_num):
    """A number as an array without dimensions, float32 or float64."""
    cdef ndarray y = PyArray_EMPTY(0, NULL, type_num, 0)
    if type_num == NPY_FLOAT:
        (<float*> PyArray_DATA(y))[0] = <float> value
    else:
        (<double*> PyArray_DATA(y))[0] = value
    return y


cdef struct Shape:
    int ndim
    npy_intp size[SHORT]
    void* shape                             # the tuple, which ``kept`` holds; NULL: none yet

cdef Shape[KNOWN] shapes
cdef list kept = [None] * KNOWN


cdef tuple shape_of(ndarray x):
    """The shape. One of few dimensions that was asked for before is the same tuple (5 % of a small operation)."""
    cdef int ndim = PyArray_NDIM(x), i
    cdef const npy_intp* size = PyArray_DIMS(x)
    cdef size_t place = ndim
    cdef Shape* known
    if ndim == 0 or ndim > SHORT:
        return PyArray_IntTupleFromIntp(ndim, size)
    for i in range(ndim):
        place = 31 * place + <size_t> size[i]
    place %= KNOWN
    known = &shapes[place]
    if known.shape is NULL or known.ndim != ndim or memcmp(known.size, size, ndim * sizeof(npy_intp)) != 0:
        kept[place] = PyArray_IntTupleFromIntp(ndim, size)
        known.shape, known.ndim = <void*> kept[place], ndim
        memcpy(known.size, size, ndim * sizeof(npy_intp))
    return <tuple> known.shape


cdef bint same_shape(ndarray a, ndarray b) noexcept:
    cdef int i
    if PyArray_NDIM(a) != PyArray_NDIM(b):
        return False
    for i in range(PyArray_NDIM(a)):
        if PyArray_DIMS(a)[i] != PyArray_DIMS(b)[i]:
            return False
    return True


cdef bint has_shape(ndarray x, tuple shape) except -1:
    cdef int i
    if PyArray_NDIM(x) != len(shape):
        return False
    for i in range(PyArray_NDIM(x)):
        if PyArray_DIMS(x)[i] != <npy_intp> shape[i]:
            return False
    return True


cdef ndarray empty(ndarray like):
    """A new C-contiguous array with the shape and dtype of ``like``, its values not set."""
    return PyArray_EMPTY(PyArray_NDIM(like), PyArray_DIMS(like), PyArray_TYPE(like), 0)


cdef ndarray adopt(object x):
    """The array that a tensor is built around: a dtype that tensors have, in this machine's byte order, aligned."""
    cdef ndarray array = x if isinstance(x, ndarray) else cnp.PyArray_FROM_O(x)
    cdef int t = PyArray_TYPE(array)
    if t != NPY_FLOAT and t != NPY_DOUBLE and t != NPY_INT64 and t != NPY_BOOL:
        raise DtypeError(f"a tensor holds float32, float64, int64 or bool, not {array.dtype}")
    return array if PyArray_ISBEHAVED_RO(array) else array.astype(DTYPES[t], copy=True)


cdef ndarray contiguous(ndarray x):
    return x if PyArray_IS_C_CONTIGUOUS(x) else cnp.PyArray_NewCopy(x, cnp.NPY_CORDER)


cdef ndarray copy_as_it_lies(ndarray x):
    """A copy with its dimensions in the order of x's."""
    cdef Axes axes
    if PyArray_IS_C_CONTIGUOUS(x) or not arrange_one(x, &axes):
        return cnp.PyArray_NewCopy(x, cnp.NPY_CORDER)
    return turned(cnp.PyArray_NewCopy(turned(x, axes.order), cnp.NPY_CORDER), axes.back)


cdef void* address(ndarray x) noexcept:
    """Where the memory of x begins; None has none."""
    return NULL if x is None else PyArray_BYTES(x)


# ---- one array -------------------------------------------------------------------------------------------------------

cdef int threads_of(Py_ssize_t n) noexcept nogil:
    """How many threads a loop over n elements gets, at a quarter of a nanosecond each: two from 262,144 on."""
    return threads_for(n // 4)


cdef ndarray map_unary(const unary_loops* loops, ndarray x):
    """y = f(x), element by element, for a float32 or float64 array, with the dimensions of y in the order of x's."""
    cdef ndarray y
    cdef Axes axes
    if not PyArray_IS_C_CONTIGUOUS(x):
        if arrange_one(x, &axes):
            return turned(map_unary(loops, contiguous(turned(x, axes.order))), axes.back)
        x = contiguous(x)
    y = empty(x)
    run_unary(loops, x, y)
    return y


cdef int run_unary(const unary_loops* loops, ndarray x, ndarray y) except -1:
    """y = f(x) for arrays whose elements lie side by side in the same order."""
    cdef unary_loop f = loops.f32 if PyArray_TYPE(x) == NPY_FLOAT else loops.f64
    cdef Py_ssize_t n = PyArray_SIZE(x), item = PyArray_ITEMSIZE(x), part, first
    cdef int team = threads_of(n)
    cdef char* px = PyArray_BYTES(x)
    cdef char* py = PyArray_BYTES(y)
    if team == 1:
        f(px, py, n)
    else:
        for part in prange(team, nogil=True, num_threads=team, schedule="static"):
            first = n * part // team
            f(px + first * item, py + first * item, n * (part + 1) // team - first)
    return 0


cdef int accumulate(ndarray y, ndarray x) except -1:
    """y += x for a C-contiguous, writable y and an x of the same shape and dtype (float32 or float64)."""
    if PyArray_TYPE(x) != PyArray_TYPE(y) or not is_real(y) or not same_shape(x, y):
        raise ShapeError(f"gradient: {x.dtype} {shape_of(x)} cannot be added to {y.dtype} {shape_of(y)}")
    x = contiguous(x)
    return run_unary(&accumulate_loops, x, y)


cdef int add_to_rows(ndarray y, ndarray row) except -1:
    """y += row for a C-contiguous y: inf and NaN raise no warning. The threads take rows."""
    cdef Py_ssize_t n = PyArray_SIZE(row), size = n * PyArray_ITEMSIZE(y), rows = PyArray_SIZE(y) // max(n, 1), i
    cdef unary_loop add = accumulate_loops.f32 if PyArray_TYPE(y) == NPY_FLOAT else accumulate_loops.f64
    cdef char* start = PyArray_BYTES(y)
    cdef char* at_row
    if not is_real(y):
        y += row
        return 0
    row = contiguous(row)
    at_row = PyArray_BYTES(row)
    for i in prange(rows, num_threads=threads_of(rows * n), schedule="static", nogil=True):
        add(at_row, start + i * size, n)
    return 0


# ---- two arrays ------------------------------------------------------------------------------------------------------

cdef dtype common_dtype(str name, ndarray a, ndarray b):
    """The dtype of ``a op b``: bool < int64 < float32 or float64. The two floats do not mix: that is an error."""
    cdef int s = PyArray_TYPE(a), t = PyArray_TYPE(b)
    if s == t:
        return a.dtype
    if is_real(a) and is_real(b):
        raise DtypeError(f"{name}: float32 and float64 do not mix: {a.dtype} {shape_of(a)} and "
                         f"{b.dtype} {shape_of(b)}; convert one of them with .to(dtype)")
    if is_real(a) or t == NPY_BOOL:
        return a.dtype
    return b.dtype


cdef int broadcast(str name, ndarray a, ndarray b, Loop* loop) except -1:
    """The shape of ``a op b`` and how each operand walks over it: a dimension of length 1 is repeated (step 0)."""
    cdef int n = max(PyArray_NDIM(a), PyArray_NDIM(b)), i, ia, ib
    cdef npy_intp na, nb, item = PyArray_ITEMSIZE(a)
    loop.ndim = n
    for i in range(n):
        ia, ib = i - n + PyArray_NDIM(a), i - n + PyArray_NDIM(b)
        na = PyArray_DIMS(a)[ia] if ia >= 0 else 1
        nb = PyArray_DIMS(b)[ib] if ib >= 0 else 1
        if na != nb and na != 1 and nb != 1:
            raise ShapeError(f"{name}: {shape_of(a)} and {shape_of(b)} cannot be broadcast together")
        loop.size[i] = nb if na == 1 else na
        loop.step_a[i] = PyArray_STRIDES(a)[ia] // item if na != 1 or (nb == 1 and ia >= 0) else 0
        loop.step_b[i] = PyArray_STRIDES(b)[ib] // item if nb != 1 or (na == 1 and ib >= 0) else 0
    return 0


cdef void merge(Loop* loop) noexcept:
    """Joins neighbouring dimensions that are walked in one stride, so that the innermost loop is long."""
    cdef int i, last = -1
    for i in range(loop.ndim):
        if loop.size[i] == 1:
            continue
        if last >= 0 and loop.step_a[last] == loop.step_a[i] * loop.size[i] \
                and loop.step_b[last] == loop.step_b[i] * loop.size[i]:
            loop.size[last] *= loop.size[i]
        else:
            last += 1
            loop.size[last] = loop.size[i]
        loop.step_a[last] = loop.step_a[i]
        loop.step_b[last] = loop.step_b[i]
    loop.ndim = last + 1


cdef void walk(Loop* loop, binary_loop f, char* a, char* b, char* y, Py_ssize_t item, Py_ssize_t item_y) noexcept nogil:
    """Calls f on every innermost row; y is filled from front to back."""
    cdef npy_intp place[MAX_DIMS]
    cdef int inner = loop.ndim - 1, i
    cdef npy_intp n = loop.size[inner]
    for i in range(inner):
        place[i] = 0
    while True:
        f(a, loop.step_a[inner], b, loop.step_b[inner], y, n)
        y += n * item_y
        i = inner - 1
        while i >= 0:                   # the next row, as an odometer counts
            place[i] += 1
            a += loop.step_a[i] * item
            b += loop.step_b[i] * item
            if place[i] < loop.size[i]:
                break
            a -= loop.step_a[i] * loop.size[i] * item
            b -= loop.step_b[i] * loop.size[i] * item
            place[i] = 0
            i -= 1
        if i < 0:
            return


cdef void walk_part(Loop loop, binary_loop f, char* a, char* b, char* y, Py_ssize_t item, Py_ssize_t item_y, int part,
                    int parts) noexcept nogil:
    """``walk`` over one of several equal parts of the outermost dimension."""
    cdef npy_intp first = loop.size[0] * part // parts, row = item_y, at = first * item
    cdef int i
    for i in range(1, loop.ndim):
        row *= loop.size[i]
    loop.size[0] = loop.size[0] * (part + 1) // parts - first
    if loop.size[0]:
        walk(&loop, f, a + at * loop.step_a[0], b + at * loop.step_b[0], y + first * row, item, item_y)


cdef int run_binary(binary_loop f, Loop* loop, ndarray a, ndarray b, ndarray y) except -1:
    """y = f(a, b) along the merged dimensions of ``loop``."""
    cdef Py_ssize_t item = PyArray_ITEMSIZE(a), item_y = PyArray_ITEMSIZE(y)
    cdef int team = threads_of(PyArray_SIZE(y)), part
    cdef char* pa = PyArray_BYTES(a)
    cdef char* pb = PyArray_BYTES(b)
    cdef char* py = PyArray_BYTES(y)
    if loop.ndim == 0:                  # one element
        f(pa, 1, pb, 1, py, 1)
    elif team == 1:
        walk(loop, f, pa, pb, py, item, item_y)
    else:
        for part in prange(team, nogil=True, num_threads=team, schedule="static"):
            walk_part(loop[0], f, pa, pb, py, item, item_y, part, team)
    return 0


cdef bint together(ndarray a, ndarray b) noexcept:
    """Whether both have one shape and their elements side by side in one order, as transposed matrices may."""
    return same_shape(a, b) and (PyArray_IS_C_CONTIGUOUS(a) and PyArray_IS_C_CONTIGUOUS(b)
                                 or PyArray_IS_F_CONTIGUOUS(a) and PyArray_IS_F_CONTIGUOUS(b))


cdef ndarray map_binary(str name, const binary_loops* loops, ndarray a, ndarray b, bint truth):
    """y = f(a, b) with broadcasting, for two arrays of one dtype, float32 or float64; ``truth``: y is bool. Its
    dimensions are in the order of theirs."""
    cdef binary_loop f = loops.f32 if PyArray_TYPE(a) == NPY_FLOAT else loops.f64
    cdef int type_y = NPY_BOOL if truth else PyArray_TYPE(a)
    cdef ndarray y
    cdef Loop loop
    cdef Axes axes
    cdef bint other
    if together(a, b):
        y = PyArray_EMPTY(PyArray_NDIM(a), PyArray_DIMS(a), type_y, not PyArray_IS_C_CONTIGUOUS(a))
        loop.ndim, loop.size[0] = 1, PyArray_SIZE(a)
        loop.step_a[0] = loop.step_b[0] = 1
        run_binary(f, &loop, a, b, y)
        return y
    broadcast(name, a, b, &loop)
    other = not (PyArray_IS_C_CONTIGUOUS(a) and PyArray_IS_C_CONTIGUOUS(b)) and arrange(&loop, &axes)
    y = PyArray_EMPTY(loop.ndim, loop.size, type_y, 0)
    if PyArray_SIZE(y):
        merge(&loop)
        run_binary(f, &loop, a, b, y)
    return turned(y, axes.back) if other else y
