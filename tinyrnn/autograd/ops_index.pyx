"""Reading and writing with square brackets, and the writes they are made of.

An index is taken in two steps. Integers, slices, None and ... come first: they give a view, so that writing through it
is writing to the tensor. What is left are arrays of integers, one for each of some dimensions of that view: ``take_at``
reads there (a copy), ``put_at`` writes, ``add_at`` adds. The three are each other's gradients. As in PyTorch, and
unlike in NumPy, an integer beside an array of integers is not an array: ``x[0, :, [1, 2]]`` is ``x[0][:, [1, 2]]``.
"""
from cpython.number cimport PyNumber_Index
from libc.stdint cimport int64_t
from numpy cimport (
    NPY_DOUBLE, NPY_FLOAT, NPY_INT64, PyArray_BYTES, PyArray_DATA, PyArray_DIMS, PyArray_EMPTY, PyArray_ITEMSIZE,
    PyArray_NDIM, PyArray_SIZE, PyArray_TYPE, import_array, ndarray, npy_intp,
)

from tinyrnn.autograd.arrays cimport contiguous, shape_of
from tinyrnn.autograd.engine cimport before, rebase, record, record_view
from tinyrnn.autograd.ops_convert cimport convert
from tinyrnn.autograd.ops_memory cimport fitted, value_of, write
from tinyrnn.autograd.tensor cimport RECORDING, Part, Tensor, get_mode, refresh, requires_now, version_of, wrap
from tinyrnn.kernels.rows cimport add_rows_f32, add_rows_f64, add_rows_i64, first_outside, take_rows

from math import prod

import numpy as np

from tinyrnn.autograd.arrays import DtypeError

import_array()

cdef object INT64 = np.dtype(np.int64)
cdef slice ALL = slice(None)


# ---- reading an index ------------------------------------------------------------------------------------------------

cdef tuple views_alone(object index):
    """The index as a tuple that ends in ..., if integers, slices, None and one ... are all there is; else None."""
    cdef tuple items = index if isinstance(index, tuple) else (index,)
    cdef bint rest = False
    for i in items:
        if type(i) is int or i is None:
            continue
        if i is Ellipsis and not rest:
            rest = True
        elif type(i) is not slice or not (whole(i.start) and whole(i.stop) and whole(i.step)):
            return None
    return items if rest else items + (Ellipsis,)


cdef bint whole(object i):
    return i is None or type(i) is int


cdef object item_of(object i):
    """One item of an index: an int, a slice of ints, None, ..., or an array of int64 or bool."""
    cdef object a
    if i is None or i is Ellipsis:
        return i
    if isinstance(i, slice):
        return slice(*[None if p is None else PyNumber_Index(p) for p in (i.start, i.stop, i.step)])
    if isinstance(i, Tensor):
        a = (<Tensor> i).array
    elif isinstance(i, (list, tuple, range)):
        a = np.asarray([(<Tensor> p).array if isinstance(p, Tensor) else p for p in i])
        a = a if a.size else a.astype(INT64)
    elif isinstance(i, (bool, np.ndarray, np.bool_)):
        a = np.asarray(i)
    elif hasattr(i, "__index__"):
        return PyNumber_Index(i)
    else:
        raise IndexError("index: expected integers, slices, None, ... and lists, arrays or tensors of integers or "
                         f"truth values, not {type(i).__name__}")
    if a.dtype.kind not in "biu":
        raise IndexError(f"index: only integers and truth values can be an index, not {a.dtype} {a.shape}")
    if a.dtype.kind == "b":
        return a
    return a.astype(INT64, copy=False) if a.ndim else int(a)


cdef bint leading(Tensor index, Tensor x) noexcept:
    """Whether the index is the usual one, a tensor of integers for the first dimension."""
    return PyArray_TYPE(index.array) == NPY_INT64 and PyArray_NDIM(index.array) > 0 and PyArray_NDIM(x.array) > 0


cdef tuple parse(Tensor x, object index):
    """(the part of the index that gives a view, for each dimension of that view None or an array of int64)."""
    cdef list items = [item_of(i) for i in (index if isinstance(index, tuple) else (index,))], views = [], arrays = []
    cdef int dim = 0, used = 0, n
    for i in items:
        used += 0 if i is None or i is Ellipsis else i.ndim if isinstance(i, ndarray) and i.dtype.kind == "b" else 1
    if used > PyArray_NDIM(x.array) or sum([i is Ellipsis for i in items]) > 1:
        raise IndexError(f"index: too many indices ({len(items)}) for shape {x.shape}")
    if not any([i is Ellipsis for i in items]):
        items.append(Ellipsis)
    for i in items:
        if isinstance(i, int):
            views.append(i)
            dim += 1
            continue
        if isinstance(i, ndarray):
            found = [in_range("index", i, x, dim)] if i.dtype.kind != "b" else positions(i, x, dim)
            n = max(1, len(found)) if i.ndim else 0
            arrays += found
            views += [ALL] * n if n else [None]
        else:
            n = 0 if i is None else PyArray_NDIM(x.array) - used if i is Ellipsis else 1
            arrays += [None] * (1 if i is None else n)
            views += [ALL] * n if i is Ellipsis else [i]
        dim += n
    return tuple(views), arrays


cdef list positions(ndarray mask, Tensor x, int dim):
    """The places where a mask is true, one array of int64 a dimension. A single truth value indexes a new dimension."""
    if PyArray_NDIM(mask) == 0:
        return [np.zeros(1 if mask else 0, INT64)]
    if shape_of(mask) != x.shape[dim:dim + PyArray_NDIM(mask)]:
        raise IndexError(f"index: a mask of shape {shape_of(mask)} does not fit shape {x.shape} from dimension "
                         f"{dim} on")
    return list(mask.nonzero())


cdef ndarray in_range(str name, ndarray index, Tensor x, int dim, bint back=True):
    """Indices of a dimension of x, all inside it, counted from the front. back: some may count from the back."""
    cdef Py_ssize_t n = PyArray_DIMS(x.array)[dim] if PyArray_NDIM(x.array) else 1
    cdef Py_ssize_t count = PyArray_SIZE(index), bad
    cdef int64_t* numbers
    index = contiguous(index)
    numbers = <int64_t*> PyArray_DATA(index)
    if first_outside(numbers, count, 0, n) == count:
        return index
    bad = first_outside(numbers, count, -n if back else 0, n)
    if bad < count:
        raise IndexError(f"{name}: {numbers[bad]} is out of range for dimension {dim} of shape {x.shape}")
    return np.where(index < 0, index + n, index)


def _complain(Tensor x, tuple index):
    """Raises the error for an index of integers, slices, None and ... that does not fit."""
    cdef int dim = 0, used = len([i for i in index if i is not None and i is not Ellipsis])
    if used > x.ndim:
        raise IndexError(f"index: too many indices ({used}) for shape {x.shape}")
    for i in index:
        if isinstance(i, int) and not -x.shape[dim] <= i < x.shape[dim]:
            raise IndexError(f"index: {i} is out of range for dimension {dim} of shape {x.shape}")
        dim += 0 if i is None else x.ndim - used if i is Ellipsis else 1
    raise IndexError(f"index: {index} does not fit shape {x.shape}")


# ---- x[index] --------------------------------------------------------------------------------------------------------

def getitem(Tensor input not None, index):
    """y = x[index].    dx = dy there, zero elsewhere; added up where an element was read more than once

    Integers, slices (of any step), None and ... give a view; lists, arrays and tensors give a copy.
    """
    cdef tuple views = views_alone(index)
    if views is None:
        if isinstance(index, Tensor) and leading(index, input):
            return take_at("getitem", input, [in_range("index", (<Tensor> index).array, input, 0)])
        views, arrays = parse(input, index)
        if any([i is not ALL for i in views]) or not indexed(arrays):
            input = getitem(input, views)
        return take_at("getitem", input, arrays) if indexed(arrays) else input
    try:
        out = input.array[views]
    except IndexError:
        _complain(input, views)

    def backward(y, dy):
        return Part(dy, getitem, views)
    return record_view(out, input, backward, (getitem, views))


def setitem(Tensor input not None, index, value):
    """x[index] = value.    dvalue = dy there;  dx = dy elsewhere"""
    cdef tuple views = views_alone(index)
    cdef list arrays = []
    cdef Tensor part, given = value_of("setitem", value, input)
    if views is None:
        views, arrays = parse(input, index)
        views += (Ellipsis,)
    refresh(input)
    refresh(given)
    if get_mode() == RECORDING and (input.requires or given.requires or input.source is not None):
        part = getitem(input, views)
    else:                               # nothing to write down: no need for a tensor that knows what it views
        try:
            part = wrap(input.array[views])
        except IndexError:
            _complain(input, views)
        part.version, part.inference = version_of(input), input.inference
    if indexed(arrays):
        put_at("setitem", part, arrays, given)
    else:
        write(part, given, True)


# ---- arrays of integers as an index ----------------------------------------------------------------------------------

cdef tuple key(list arrays):
    return tuple([ALL if a is None else a for a in arrays])


cdef list indexed(list arrays):
    """The dimensions that have an array."""
    return [i for i in range(len(arrays)) if arrays[i] is not None]


cdef list frozen(list arrays):
    """Copies, so that nothing can change them before backward."""
    return [None if a is None else a.copy() for a in arrays]


cdef Tensor take_at(str name, Tensor x, list arrays):
    """y = x[arrays], one array of int64 or None a dimension.    dx = zeros, with dy added there"""
    cdef tuple shape = shape_of(x.array)
    cdef list kept
    cdef ndarray out
    cdef list dims = indexed(arrays)
    try:
        out = take_along(x.array, arrays[dims[0]], dims[0]) if len(dims) == 1 else np.asarray(x.array[key(arrays)])
    except IndexError:
        raise IndexError(f"{name}: indices of the shapes {[a.shape for a in arrays if a is not None]} cannot be "
                         "broadcast together") from None
    kept = frozen(arrays) if requires_now(x) and get_mode() == RECORDING else None

    def backward(y, dy):
        return sum_at(name, shape, kept, dy)
    backward.__qualname__ = name
    return record(out, (x,), backward, ())


cdef ndarray take_along(ndarray x, ndarray index, int dim):
    """x[:, index] for any one dimension: rows of all that comes after it are copied. The index is inside x."""
    cdef npy_intp shape[128]
    cdef npy_intp outer = 1, count = PyArray_SIZE(index), width = PyArray_ITEMSIZE(x), o
    cdef int i, j, n = 0
    cdef ndarray y
    cdef char* px
    cdef char* py
    cdef int64_t* rows
    x, index = contiguous(x), contiguous(index)
    rows = <int64_t*> PyArray_DATA(index)
    for i in range(PyArray_NDIM(x)):
        if i == dim:
            for j in range(PyArray_NDIM(index)):
                shape[n + j] = PyArray_DIMS(index)[j]
            n += PyArray_NDIM(index)
            continue
        shape[n] = PyArray_DIMS(x)[i]
        n += 1
        if i < dim:
            outer *= PyArray_DIMS(x)[i]
        else:
            width *= PyArray_DIMS(x)[i]
    y = PyArray_EMPTY(n, shape, PyArray_TYPE(x), 0)
    px, py = PyArray_BYTES(x), PyArray_BYTES(y)
    for o in range(outer):
        take_rows(px + o * PyArray_DIMS(x)[dim] * width, rows, py + o * count * width, count, width)
    return y


cdef Tensor sum_at(str name, tuple shape, list arrays, Tensor dy):
    """Zeros with dy added at [arrays]; an element that is named several times gets the sum."""
    cdef ndarray out = np.zeros(shape, dy.array.dtype)
    add_rows_at(out, arrays, dy.array)

    def backward(y, ddy):
        return take_at(name, ddy, arrays)
    backward.__qualname__ = name
    return record(out, (dy,), backward, ())


cdef Tensor put_at(str name, Tensor x, list arrays, Tensor value):
    """x[arrays] = value, in place. Of several values for one element the last one stays.

    dx = dy, with zeros there;  dvalue = dy[arrays]
    """
    cdef Tensor old
    cdef tuple target = target_shape(name, x, arrays)
    cdef list kept
    if PyArray_TYPE(value.array) != PyArray_TYPE(x.array):
        if PyArray_NDIM(value.array):
            raise DtypeError(f"{name}: {value.dtype} values cannot be written to a {x.dtype} tensor; convert them with "
                             ".to(dtype)")
        value = convert(value, x.array.dtype, False)
    value = fitted(name, value, target)
    old = before(x)
    kept = frozen(arrays) if old.requires or requires_now(value) else None

    def backward(y, dy):
        return put_at(name, dy.clone(), kept, wrap(np.zeros((), dy.dtype))), take_at(name, dy, kept)
    backward.__qualname__ = name
    rebase(x, record(x.array, (old, value), backward, ()), name == "setitem")     # may refuse: so first of all
    x.array[key(arrays)] = value.array
    return x


cdef Tensor add_at(str name, Tensor x, list arrays, Tensor value):
    """x[arrays] += value, in place; an element that is named several times gets the sum.

    dx = dy,  dvalue = dy[arrays]
    """
    cdef Tensor old
    cdef list kept
    cdef ndarray whole
    if PyArray_TYPE(value.array) != PyArray_TYPE(x.array):
        raise DtypeError(f"{name}: {value.dtype} values cannot be added to a {x.dtype} tensor")
    value = fitted(name, value, target_shape(name, x, arrays))
    old = before(x)
    kept = frozen(arrays) if requires_now(value) else None

    def backward(y, dy):
        return dy, None if kept is None else take_at(name, dy, kept)
    backward.__qualname__ = name
    rebase(x, record(x.array, (old, value), backward, ()))
    whole = contiguous(x.array)
    add_rows_at(whole, arrays, value.array.copy() if np.may_share_memory(whole, value.array) else value.array)
    if whole is not x.array:
        x.array[...] = whole
    return x


cdef int add_rows_at(ndarray x, list arrays, ndarray value) except -1:
    """x[arrays] += value for a C-contiguous x: as sums of whole rows, the indexed dimensions first."""
    cdef list dims = indexed(arrays), lead = list(range(len(dims)))
    cdef tuple shape = shape_of(x), block = np.broadcast_shapes(*[a.shape for a in arrays if a is not None])
    cdef ndarray rows = arrays[dims[0]], y
    cdef int at = dims[0] if dims[-1] - dims[0] == len(dims) - 1 else 0, b = <int> len(block)
    for i in dims[1:]:
        rows = rows * shape[i] + arrays[i]
    if len(dims) == 1:
        return add_rows(x, rows, np.broadcast_to(value, block_first(shape, dims, at, block)), prod(shape[:at]))
    value = np.broadcast_to(value, block_first(shape, dims, at, block))
    value = np.moveaxis(value, range(at, at + b), range(b))
    if dims == lead:
        return add_rows(x, rows, value, 1)
    y = np.ascontiguousarray(np.moveaxis(x, dims, lead))
    add_rows(y, rows, value, 1)
    x[...] = np.moveaxis(y, lead, dims)
    return 0


cdef int add_rows(ndarray y, ndarray rows, ndarray x, Py_ssize_t outer) except -1:
    """y[o, rows[i]] += x[o, i] for a C-contiguous y seen as (outer, N, width). All ``rows`` are inside y."""
    cdef Py_ssize_t n = PyArray_SIZE(rows), _o, width
    cdef int64_t* at
    cdef char* px
    cdef char* py
    rows, x = contiguous(rows), contiguous(x)
    if n == 0 or PyArray_SIZE(x) == 0:
        return 0
    at, px, py, width = <int64_t*> PyArray_DATA(rows), PyArray_BYTES(x), PyArray_BYTES(y), PyArray_SIZE(x) // n // outer
    for _o in range(outer):
        if PyArray_TYPE(y) == NPY_FLOAT:
            add_rows_f32(at, px, py, n, width)
        elif PyArray_TYPE(y) == NPY_DOUBLE:
            add_rows_f64(at, px, py, n, width)
        elif PyArray_TYPE(y) == NPY_INT64:
            add_rows_i64(at, px, py, n, width)
        else:
            raise DtypeError(f"truth values cannot be added up: {shape_of(x)}")
        px += n * width * PyArray_ITEMSIZE(x)
        py += PyArray_SIZE(y) // outer * PyArray_ITEMSIZE(y)
    return 0


cdef tuple block_first(tuple shape, list dims, int at, tuple block):
    """The shape of x[arrays]: the block of indices stands at ``at`` instead of the indexed dimensions."""
    rest = [n for i, n in enumerate(shape) if i not in dims]
    return (*rest[:at], *block, *rest[at:])


cdef tuple target_shape(str name, Tensor x, list arrays):
    cdef list dims = indexed(arrays)
    cdef tuple block
    try:
        block = np.broadcast_shapes(*[a.shape for a in arrays if a is not None])
    except ValueError:
        raise IndexError(f"{name}: indices of the shapes {[a.shape for a in arrays if a is not None]} cannot be "
                         "broadcast together") from None
    return block_first(shape_of(x.array), dims, dims[0] if dims[-1] - dims[0] == len(dims) - 1 else 0, block)
