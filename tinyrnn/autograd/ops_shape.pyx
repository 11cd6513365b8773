"""Shapes: other views of the same memory.

A view costs no copy: it is a new array header with other lengths and strides, made by ``strided``. It shares the
version counter of the tensor it views, so that changes in place are seen through both.
"""
from cpython.number cimport PyNumber_Index
from numpy cimport (
    NPY_ARRAY_WRITEABLE, PyArray_BYTES, PyArray_DIMS, PyArray_FLAGS, PyArray_ITEMSIZE, PyArray_NDIM, PyArray_New,
    PyArray_SIZE, PyArray_STRIDES, PyArray_TYPE, import_array, ndarray, npy_intp, set_array_base,
)

from tinyrnn.autograd.arrays cimport shape_of
from tinyrnn.autograd.engine cimport record, record_view
from tinyrnn.autograd.rows cimport dim_of
from tinyrnn.autograd.tensor cimport Part, Tensor

from math import prod

from tinyrnn.autograd.arrays import ShapeError

import_array()


# ---- arguments and arrays --------------------------------------------------------------------------------------------

cdef tuple axes_of(str name, object dims, Tensor x):
    """Several different dimensions, each counted from the front."""
    cdef tuple axes = tuple([dim_of(name, d, x.array) for d in dims])
    if len(set(axes)) != len(axes):
        raise ShapeError(f"{name}: a dimension occurs twice in {tuple(dims)}")
    return axes


cdef tuple sizes_of(str name, tuple shape):
    """The lengths in ``*shape``, which the caller may also have given as one tuple or list."""
    if len(shape) == 1 and isinstance(shape[0], (tuple, list)):
        shape = tuple(shape[0])
    if len(shape) > 64:
        raise ShapeError(f"{name}: {len(shape)} dimensions are too many")
    return tuple([PyNumber_Index(n) for n in shape])


cdef Py_ssize_t length(Tensor x, int dim) noexcept:
    return PyArray_DIMS(x.array)[dim] if PyArray_NDIM(x.array) else 1


cdef ndarray strided(ndarray x, int ndim, npy_intp* shape, npy_intp* strides, Py_ssize_t offset):
    """A view of x with other lengths and strides, ``offset`` bytes further on."""
    cdef ndarray y = PyArray_New(ndarray, ndim, shape, PyArray_TYPE(x), strides, PyArray_BYTES(x) + offset, 0,
                                 PyArray_FLAGS(x) & NPY_ARRAY_WRITEABLE, None)
    set_array_base(y, x)
    return y


cdef ndarray reordered(ndarray x, tuple order):
    """The view whose dimension i is x's dimension ``order[i]``."""
    cdef npy_intp shape[64]
    cdef npy_intp strides[64]
    cdef int i, j
    for i in range(len(order)):
        j = order[i]
        shape[i], strides[i] = PyArray_DIMS(x)[j], PyArray_STRIDES(x)[j]
    return strided(x, <int> len(order), shape, strides, 0)


# ---- the same elements in another shape ------------------------------------------------------------------------------

cdef ndarray reshaped(str name, Tensor x, tuple shape):
    if shape and min(shape) < -1:                               # to NumPy any negative length is the one to find out
        raise ShapeError(f"{name}: {x.shape} cannot become {shape}")
    try:
        return x.array.reshape(shape)
    except ValueError:
        raise ShapeError(f"{name}: {x.shape} cannot become {shape}") from None


def view(Tensor input not None, *shape):
    """The same memory in another shape; one length may be -1.    dx = dy in the old shape

    Raises where the elements do not lie in memory in that order: ``reshape`` copies then.
    """
    cdef tuple before = shape_of(input.array), sizes
    cdef ndarray out
    if len(shape) == 1 and not isinstance(shape[0], (tuple, list)) and not hasattr(shape[0], "__index__"):
        raise TypeError("view: the same memory as another dtype is not supported; convert with .to(dtype)")
    sizes = sizes_of("view", shape)
    out = reshaped("view", input, sizes)

    def backward(y, dy):
        return reshape(dy, before)
    if PyArray_BYTES(out) != PyArray_BYTES(input.array) and PyArray_SIZE(out):
        raise ShapeError(f"view: {before} with strides {input.stride()} cannot be seen as {sizes} without a copy; "
                         "use reshape")
    return record_view(out, input, backward, (view, sizes))


def reshape(Tensor input not None, *shape):
    """The same elements in another shape; one may be -1: a view where memory allows.    dx = dy in the old shape"""
    cdef tuple before = shape_of(input.array), sizes = sizes_of("reshape", shape)
    cdef ndarray out = reshaped("reshape", input, sizes)

    def backward(y, dy):
        return reshape(dy, before)
    if PyArray_BYTES(out) == PyArray_BYTES(input.array):
        return record_view(out, input, backward, (reshape, sizes))
    return record(out, (input,), backward, ())


def view_as(Tensor input not None, Tensor other not None):
    """``view`` in the shape of another tensor."""
    return view(input, shape_of(other.array))


def reshape_as(Tensor input not None, Tensor other not None):
    """``reshape`` to the shape of another tensor."""
    return reshape(input, shape_of(other.array))


def flatten(Tensor input not None, start_dim=0, end_dim=-1):
    """Joins the dimensions from ``start_dim`` to ``end_dim`` into one."""
    cdef int first = dim_of("flatten", start_dim, input.array), last = dim_of("flatten", end_dim, input.array)
    cdef tuple shape = shape_of(input.array)
    if first > last:
        raise ShapeError(f"flatten: start_dim {start_dim} comes after end_dim {end_dim} in {shape}")
    return reshape(input, shape[:first] + (prod(shape[first:last + 1]),) + shape[last + 1:])


def unflatten(Tensor input not None, dim, sizes):
    """Splits one dimension into several; one of ``sizes`` may be -1."""
    cdef int d = dim_of("unflatten", dim, input.array)
    cdef tuple shape = shape_of(input.array), given = sizes_of("unflatten", (sizes,)), parts = given
    cdef Py_ssize_t known = prod([n for n in parts if n >= 0])
    if parts.count(-1) == 1 and known and length(input, d) % known == 0:
        parts = tuple([length(input, d) // known if n == -1 else n for n in parts])
        known = length(input, d)
    if not parts or min(parts) < 0 or known != length(input, d):
        raise ShapeError(f"unflatten: dimension {d} of {shape} cannot become {given}")
    return reshape(input, shape[:d] + parts + shape[d + 1:])


def ravel(Tensor input not None):
    """All elements in one dimension."""
    return reshape(input, (-1,) if PyArray_SIZE(input.array) else (0,))


def squeeze(Tensor input not None, dim=None):
    """A view without the dimensions of length 1: all, or those of them in ``dim``.    dx = dy in the old shape"""
    cdef tuple before = shape_of(input.array), dims
    cdef npy_intp shape[64]
    cdef npy_intp strides[64]
    cdef int i, n = 0
    dims = tuple(range(len(before))) if dim is None else \
        axes_of("squeeze", dim if isinstance(dim, (tuple, list)) else (dim,), input)
    for i in range(len(before)):
        if before[i] != 1 or i not in dims:
            shape[n], strides[n] = before[i], PyArray_STRIDES(input.array)[i]
            n += 1

    def backward(y, dy):
        return reshape(dy, before)
    return record_view(strided(input.array, n, shape, strides, 0), input, backward, (squeeze, dims))


def unsqueeze(Tensor input not None, dim):
    """A view with a new dimension of length 1 at ``dim``.    dx = dy in the old shape"""
    cdef int d = dim_of("unsqueeze", dim, input.array, 1), i
    cdef tuple before = shape_of(input.array)
    cdef ndarray x = input.array
    cdef npy_intp shape[65]
    cdef npy_intp strides[65]
    for i in range(len(before)):
        shape[i + (i >= d)], strides[i + (i >= d)] = PyArray_DIMS(x)[i], PyArray_STRIDES(x)[i]
    shape[d] = 1
    strides[d] = PyArray_DIMS(x)[d] * PyArray_STRIDES(x)[d] if d < len(before) else PyArray_ITEMSIZE(x)

    def backward(y, dy):
        return reshape(dy, before)
    return record_view(strided(x, <int> len(before) + 1, shape, strides, 0), input, backward, (unsqueeze, d))


# ---- another order of dimensions -------------------------------------------------------------------------------------

def transpose(Tensor input not None, dim0, dim1):
    """A view with two dimensions swapped.    dx = dy with them swapped back"""
    cdef int a = dim_of("transpose", dim0, input.array), b = dim_of("transpose", dim1, input.array)
    cdef list order = list(range(PyArray_NDIM(input.array)))
    if order:
        order[a], order[b] = b, a

    def backward(y, dy):
        return transpose(dy, a, b)
    return record_view(reordered(input.array, tuple(order)), input, backward, (transpose, a, b))


swapaxes = swapdims = transpose


def permute(Tensor input not None, *dims):
    """A view with the dimensions in the order ``dims``.    dx = dy in the old order"""
    cdef tuple order = axes_of("permute", sizes_of("permute", dims), input)
    if len(order) != PyArray_NDIM(input.array):
        raise ShapeError(f"permute: {order} does not name every dimension of {input.shape} once")

    def backward(y, dy):
        back = [0] * len(order)
        for i, d in enumerate(order):
            back[d] = i
        return permute(dy, *back)
    return record_view(reordered(input.array, order), input, backward, (permute, order))


def movedim(Tensor input not None, source, destination):
    """A view with dimension ``source`` (or several) moved to ``destination``; the others keep their order."""
    cdef tuple old = axes_of("movedim", sizes_of("movedim", (source,)), input)
    cdef tuple new = axes_of("movedim", sizes_of("movedim", (destination,)), input)
    cdef list order
    if len(old) != len(new):
        raise ShapeError(f"movedim: {len(old)} sources but {len(new)} destinations")
    order = [d for d in range(PyArray_NDIM(input.array)) if d not in old]
    if PyArray_NDIM(input.array):
        for place, d in sorted(zip(new, old)):
            order.insert(place, d)
    return permute(input, tuple(order))


moveaxis = movedim


def t(Tensor input not None):
    """A matrix transposed; fewer dimensions stay as they are."""
    if PyArray_NDIM(input.array) > 2:
        raise ShapeError(f"t: expected at most 2 dimensions, not {input.shape}; transpose swaps any two")
    return transpose(input, 0, -1)


def T(Tensor self not None):
    """``x.T``: a view with the dimensions in reverse order."""
    return permute(self, tuple(range(PyArray_NDIM(self.array) - 1, -1, -1)))


def mT(Tensor self not None):
    """``x.mT``: a view with the last two dimensions swapped."""
    if PyArray_NDIM(self.array) < 2:
        raise ShapeError(f"mT: expected at least 2 dimensions, not {self.shape}")
    return transpose(self, -2, -1)


# ---- repeated elements -----------------------------------------------------------------------------------------------

def expand(Tensor input not None, *shape):
    """A view in which dimensions of length 1 are repeated; -1 keeps a length.    dx = dy, summed where it was repeated

    One element then stands for several, so the view cannot be changed in place.
    """
    cdef tuple sizes = sizes_of("expand", shape)
    cdef ndarray x = input.array
    cdef npy_intp lengths[64]
    cdef npy_intp strides[64]
    cdef int i, new = <int> len(sizes) - PyArray_NDIM(x)
    cdef Py_ssize_t have, want
    cdef bint fits = new >= 0
    for i in range(len(sizes) if fits else 0):
        want = sizes[i]
        have = PyArray_DIMS(x)[i - new] if i >= new else 1
        if want == -1 and i >= new:
            want = have
        lengths[i], strides[i] = want, 0
        if want == have and i >= new:
            strides[i] = PyArray_STRIDES(x)[i - new]
        fits = fits and want >= 0 and (want == have or have == 1)
    if not fits:
        raise ShapeError(f"expand: {input.shape} cannot be expanded to {sizes}")

    def backward(y, dy):
        return dy
    return record_view(strided(x, <int> len(sizes), lengths, strides, 0), input, backward, (expand, sizes))


def expand_as(Tensor input not None, Tensor other not None):
    """``expand`` to the shape of another tensor."""
    return expand(input, shape_of(other.array))


def broadcast_to(Tensor input not None, size):
    """``expand`` to a shape."""
    return expand(input, size)


# ---- parts -----------------------------------------------------------------------------------------------------------

def narrow(Tensor input not None, dim, start, length):
    """A view of the elements ``start`` to ``start + length`` of a dimension.    dx = dy there, zero elsewhere"""
    cdef int d = dim_of("narrow", dim, input.array), i
    cdef Py_ssize_t first = PyNumber_Index(start), n = PyNumber_Index(length), have
    cdef ndarray x = input.array
    cdef npy_intp shape[64]
    if PyArray_NDIM(x) == 0:
        raise ShapeError("narrow: expected at least one dimension, not ()")
    have = PyArray_DIMS(x)[d]
    first += have if first < 0 else 0
    if first < 0 or n < 0 or first > have or n > have - first:
        raise IndexError(f"narrow: {start} to {start} + {length} is out of range for dimension {d} of shape "
                         f"{input.shape}")
    for i in range(PyArray_NDIM(x)):
        shape[i] = PyArray_DIMS(x)[i]
    shape[d] = n

    def backward(y, dy):
        return Part(dy, narrow, d, first, n)
    return record_view(strided(x, PyArray_NDIM(x), shape, PyArray_STRIDES(x), first * PyArray_STRIDES(x)[d]), input,
                       backward, (narrow, d, first, n))


def select(Tensor input not None, dim, index):
    """A view of the elements with one index in a dimension, which disappears.    dx = dy there, zero elsewhere"""
    cdef int d = dim_of("select", dim, input.array), i
    cdef Py_ssize_t k = PyNumber_Index(index), have
    cdef ndarray x = input.array
    cdef npy_intp shape[64]
    cdef npy_intp strides[64]
    if PyArray_NDIM(x) == 0:
        raise IndexError("select: a tensor of shape () has no dimension to select from")
    have = PyArray_DIMS(x)[d]
    if k < -have or k >= have:
        raise IndexError(f"select: {k} is out of range for dimension {d} of shape {input.shape}")
    k += have if k < 0 else 0
    for i in range(PyArray_NDIM(x) - 1):
        shape[i], strides[i] = PyArray_DIMS(x)[i + (i >= d)], PyArray_STRIDES(x)[i + (i >= d)]

    def backward(y, dy):
        return Part(dy, select, d, k)
    return record_view(strided(x, PyArray_NDIM(x) - 1, shape, strides, k * PyArray_STRIDES(x)[d]), input, backward,
                       (select, d, k))


def unbind(Tensor input not None, dim=0):
    """All views along a dimension, which disappears, as a tuple."""
    cdef int d = dim_of("unbind", dim, input.array)
    if PyArray_NDIM(input.array) == 0:
        raise TypeError("unbind: a tensor of shape () cannot be iterated over")
    return tuple([select(input, d, i) for i in range(length(input, d))])


def split(Tensor tensor not None, split_size_or_sections, dim=0):
    """A tuple of views side by side along a dimension: of one size (the last may be smaller), or of those given."""
    cdef int d = dim_of("split", dim, tensor.array)
    cdef Py_ssize_t have = length(tensor, d), size, start = 0
    cdef list sizes, pieces = []
    if isinstance(split_size_or_sections, (tuple, list)):
        sizes = [PyNumber_Index(n) for n in split_size_or_sections]
        if sum(sizes) != have or (sizes and min(sizes) < 0):
            raise ShapeError(f"split: {sizes} do not add up to dimension {d} of shape {tensor.shape}")
    else:
        size = PyNumber_Index(split_size_or_sections)
        if size < 0 or (size == 0 and have):
            raise ShapeError(f"split: a size of {size} cannot divide dimension {d} of shape {tensor.shape}")
        sizes = [min(size, have - i) for i in range(0, have, max(size, 1))] or [0]
    for size in sizes:
        pieces.append(narrow(tensor, d, start, size))
        start += size
    return tuple(pieces)


def chunk(Tensor input not None, chunks, dim=0):
    """At most ``chunks`` views of one size (the last may be smaller) side by side along a dimension, as a tuple."""
    cdef Py_ssize_t n = PyNumber_Index(chunks), have = length(input, dim_of("chunk", dim, input.array))
    if n <= 0:
        raise ValueError(f"chunk: the number of chunks must be positive, not {n}")
    return split(input, [0] * n, dim) if have == 0 else split(input, 1 + (have - 1) // n, dim)


def diagonal(Tensor input not None, offset=0, dim1=0, dim2=1):
    """A view of the diagonal of two dimensions, which becomes the last dimension.    dx = dy there, zero elsewhere"""
    cdef int a = dim_of("diagonal", dim1, input.array), b = dim_of("diagonal", dim2, input.array), i, n = 0
    cdef Py_ssize_t k = offset, first
    cdef ndarray x = input.array
    cdef npy_intp shape[64]
    cdef npy_intp strides[64]
    if a == b:
        raise ShapeError(f"diagonal: two different dimensions of {input.shape} are needed, not {dim1} and {dim2}")
    k = max(-PyArray_DIMS(x)[a], min(k, PyArray_DIMS(x)[b]))            # further out there is nothing either
    for i in range(PyArray_NDIM(x)):
        if i != a and i != b:
            shape[n], strides[n] = PyArray_DIMS(x)[i], PyArray_STRIDES(x)[i]
            n += 1
    shape[n] = max(0, min(PyArray_DIMS(x)[a] - max(-k, 0), PyArray_DIMS(x)[b] - max(k, 0)))
    strides[n] = PyArray_STRIDES(x)[a] + PyArray_STRIDES(x)[b]
    first = 0 if shape[n] == 0 else max(-k, 0) * PyArray_STRIDES(x)[a] + max(k, 0) * PyArray_STRIDES(x)[b]

    def backward(y, dy):
        return Part(dy, diagonal, k, a, b)
    return record_view(strided(x, n + 1, shape, strides, first), input, backward, (diagonal, k, a, b))
