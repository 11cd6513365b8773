"""Operations that join, repeat, reorder and frame: their results have memory of their own."""
from cpython.number cimport PyNumber_Index
from numpy cimport (
    PyArray_BYTES, PyArray_ITEMSIZE, PyArray_NDIM, PyArray_SIZE, PyArray_TYPE, import_array, ndarray,
)

from tinyrnn.autograd.arrays cimport cast, common_dtype, contiguous, copy_as_it_lies, shape_of
from tinyrnn.autograd.engine cimport record
from tinyrnn.autograd.ops_index cimport take_at
from tinyrnn.autograd.ops_shape cimport axes_of, sizes_of
from tinyrnn.autograd.rows cimport dim_of
from tinyrnn.autograd.tensor cimport Tensor, wrap
from tinyrnn.kernels.rows cimport copy_pieces

from math import prod

import numpy as np

from tinyrnn.autograd.arrays import ShapeError
from tinyrnn.autograd.engine import in_place
from tinyrnn.autograd.ops_shape import diagonal as diagonal_of
from tinyrnn.autograd.ops_shape import narrow, select

import_array()

LIMIT = 2.0 ** 60                   # elements of the largest array that could be asked for


# ---- joining ---------------------------------------------------------------------------------------------------------

cdef list arrays_of(str name, object tensors):
    """The arrays of several tensors, in one dtype."""
    cdef list arrays = []
    cdef ndarray a
    cdef object kind = None
    for x in tensors:
        if not isinstance(x, Tensor):
            raise TypeError(f"{name}: expected tensors, not {type(x).__name__}")
        arrays.append((<Tensor> x).array)
    if not arrays:
        raise ValueError(f"{name}: expected at least one tensor")
    a = arrays[0]
    for b in arrays[1:]:
        if PyArray_TYPE(a) != PyArray_TYPE(<ndarray> b):
            kind = common_dtype(name, a, b)
            a = a if a.dtype == kind else b
    return arrays if kind is None else [b.astype(kind, copy=False) for b in arrays]


def cat(tensors, dim=0):
    """Tensors joined along a dimension; those of shape (0,) are left out.    dx = the piece of dy that came from x"""
    cdef list arrays
    cdef int d
    cdef tuple parents = tuple(tensors), first, shape
    arrays = arrays_of("cat", parents)
    kept = [i for i, a in enumerate(arrays) if a.shape != (0,)] or [0]
    parents, arrays = tuple([parents[i] for i in kept]), [arrays[i] for i in kept]
    d, first = dim_of("cat", dim, arrays[0]), arrays[0].shape
    for a in arrays:
        shape = a.shape
        if not shape or len(shape) != len(first) or shape[:d] + shape[d + 1:] != first[:d] + first[d + 1:]:
            raise ShapeError(f"cat: {first} and {shape} cannot be joined along dimension {d}")
    lengths = [a.shape[d] for a in arrays]

    def backward(y, dy):
        pieces, start = [], 0
        for n in lengths:
            pieces.append(narrow(dy, d, start, n))
            start += n
        return tuple(pieces)
    return record(joined(arrays, first[:d], sum(lengths), first[d + 1:]), parents, backward, ())


cdef ndarray joined(list arrays, tuple before, Py_ssize_t n, tuple after):
    """(*before, n, *after) from arrays of (*before, n_i, *after), whose n_i add up to n."""
    cdef ndarray x = arrays[0], y = np.empty((*before, n, *after), x.dtype)
    cdef Py_ssize_t outer = max(1, prod(before)), row = PyArray_SIZE(y) // outer * PyArray_ITEMSIZE(y), width
    cdef char* to = PyArray_BYTES(y)
    for x in arrays:
        x = contiguous(x)
        width = PyArray_SIZE(x) // outer * PyArray_ITEMSIZE(x)
        copy_pieces(PyArray_BYTES(x), width, to, row, outer, width)
        to += width
    return y


concat = concatenate = cat


def stack(tensors, dim=0):
    """Tensors of one shape joined along a new dimension.    dx_i = dy at i"""
    cdef tuple parents = tuple(tensors), first
    cdef list arrays = arrays_of("stack", parents)
    cdef int d = dim_of("stack", dim, arrays[0], 1), count = <int> len(parents)
    first = arrays[0].shape
    for a in arrays:
        if a.shape != first:
            raise ShapeError(f"stack: {first} and {a.shape} are not one shape")

    def backward(y, dy):
        return tuple([select(dy, d, i) for i in range(count)])
    return record(joined(arrays, first[:d], count, first[d:]), parents, backward, ())


# ---- repeating -------------------------------------------------------------------------------------------------------

def repeat(Tensor input not None, *repeats):
    """The whole tensor several times along each dimension; new ones come first.    dx = dy, summed over the copies"""
    cdef tuple times = sizes_of("repeat", repeats), shape = shape_of(input.array)
    if len(times) < len(shape) or (times and min(times) < 0):
        raise ShapeError(f"repeat: {times} does not say how often to repeat every dimension of {shape}")
    shape = (1,) * (len(times) - len(shape)) + shape

    def backward(y, dy):
        split = [n for pair in zip(times, shape) for n in pair]         # (times, length) of every dimension
        return dy.reshape(split).sum(tuple(range(0, len(split), 2))) if split else dy
    return record(np.tile(input.array, times), (input,), backward, ())


def tile(Tensor input not None, *dims):
    """``repeat``, where dimensions that are not named come once."""
    cdef tuple times = sizes_of("tile", dims)
    return repeat(input, (1,) * (PyArray_NDIM(input.array) - len(times)) + times)


def repeat_interleave(Tensor input not None, repeats, dim=None):
    """Every element along ``dim`` several times in a row; without ``dim`` of the flattened tensor.    dx = dy, summed

    ``repeats``: one number, or an integer tensor with one for each element along the dimension.
    """
    cdef int d
    cdef ndarray counts
    if dim is None:
        input, dim = input.reshape(PyArray_SIZE(input.array)), 0
    if PyArray_NDIM(input.array) == 0:
        raise IndexError(f"repeat_interleave: dim {dim} is out of range for shape ()")
    d = dim_of("repeat_interleave", dim, input.array)
    counts = (<Tensor> repeats).array if isinstance(repeats, Tensor) else np.asarray(PyNumber_Index(repeats))
    n = input.array.shape[d]
    if counts.dtype.kind != "i" or counts.ndim > 1 or (counts.size not in (1, n)) or (counts < 0).any():
        raise ShapeError(f"repeat_interleave: {counts.dtype} repeats of shape {shape_of(counts)} must be one or {n} "
                         "integers, none of them negative")
    if counts.size and counts.astype(np.float64).sum() * max(n, 1) > LIMIT:     # NumPy's own sum would wrap round
        raise ShapeError(f"repeat_interleave: too many elements for {input.shape}")
    index = np.repeat(np.arange(n), counts)
    return take_at("repeat_interleave", input, [None] * d + [index] + [None] * (PyArray_NDIM(input.array) - d - 1))


# ---- another order ---------------------------------------------------------------------------------------------------

def flip(Tensor input not None, *dims):
    """The elements in reverse order along some dimensions.    dx = dy, reversed again"""
    cdef tuple axes = axes_of("flip", sizes_of("flip", dims), input)

    def backward(y, dy):
        return flip(dy, axes)
    flipped = np.asarray(np.flip(input.array, axes if PyArray_NDIM(input.array) else ()))
    return record(copy_as_it_lies(flipped), (input,), backward, ())


def roll(Tensor input not None, shifts, dims=None):
    """The elements moved by ``shifts`` along ``dims``; what falls off comes back in front.    dx = dy, moved back

    Without ``dims`` the flattened tensor is rolled, as in PyTorch.
    """
    cdef tuple by = sizes_of("roll", (shifts,)), axes = None
    if dims is not None:
        axes = tuple([dim_of("roll", d, input.array) for d in sizes_of("roll", (dims,))])
    if len(by) != (1 if axes is None else len(axes)):
        raise ShapeError(f"roll: {len(by)} shifts for {1 if axes is None else len(axes)} dimensions")
    back = tuple([-n for n in by])

    def backward(y, dy):
        return roll(dy, back, axes)
    return record(np.roll(input.array, by if axes is not None else by[0], axes), (input,), backward, ())


# ---- triangles and diagonals -----------------------------------------------------------------------------------------

def tril(Tensor input not None, diagonal=0):
    """The lower triangle of matrices, up to a diagonal; zero above it.    dx = the lower triangle of dy"""
    if PyArray_NDIM(input.array) < 2:
        raise ShapeError(f"tril: expected at least 2 dimensions, not {input.shape}")

    def backward(y, dy):
        return tril(dy, diagonal)
    return record(np.tril(input.array, diagonal), (input,), backward, ())


def triu(Tensor input not None, diagonal=0):
    """The upper triangle of matrices, from a diagonal on; zero below it.    dx = the upper triangle of dy"""
    if PyArray_NDIM(input.array) < 2:
        raise ShapeError(f"triu: expected at least 2 dimensions, not {input.shape}")

    def backward(y, dy):
        return triu(dy, diagonal)
    return record(np.triu(input.array, diagonal), (input,), backward, ())


def diag(Tensor input not None, diagonal=0):
    """A matrix with a vector on a diagonal, zero elsewhere; or a copy of a matrix's diagonal.    dx = that of dy"""
    cdef Tensor out
    cdef Py_ssize_t k = diagonal, n = PyArray_SIZE(input.array) + (k if k >= 0 else -k)
    if PyArray_NDIM(input.array) == 2:
        return diagonal_of(input, k).clone()
    if PyArray_NDIM(input.array) != 1:
        raise ShapeError(f"diag: expected 1 or 2 dimensions, not {input.shape}")

    def backward(y, dy):
        return diagonal_of(dy, k)
    out = wrap(np.zeros((n, n), input.array.dtype))
    (<Tensor> diagonal_of(out, k)).array[...] = input.array
    return record(out.array, (input,), backward, ())


# ---- a frame ---------------------------------------------------------------------------------------------------------

def pad(Tensor input not None, pad, mode="constant", value=None):
    """Adds elements of one value at the ends of the last dimensions.    dx = dy without them

    ``pad`` = (before the last dimension, after it, before the last but one, ...); a negative number cuts elements off.
    """
    cdef tuple ends = sizes_of("pad", (pad,))
    if mode != "constant":
        raise NotImplementedError(f'pad: only mode="constant" exists, not {mode!r}')
    if len(ends) % 2 or len(ends) > 2 * PyArray_NDIM(input.array):
        raise ShapeError(f"pad: {ends} is not one pair for each of the last dimensions of {input.shape}")
    return framed(input, ends, 0 if value is None else value)


cdef Tensor framed(Tensor x, tuple ends, object value):
    cdef list shape = list(shape_of(x.array)), inner = [slice(None)] * len(shape), taken = [slice(None)] * len(shape)
    cdef Py_ssize_t i, d, n, first, last
    cdef ndarray out
    for i in range(len(ends) // 2):
        d = len(shape) - 1 - i
        first, last, n = ends[2 * i], ends[2 * i + 1], shape[d]
        shape[d] = n + ends[2 * i] + ends[2 * i + 1]        # Python's integers: no sum is too large
        if shape[d] < 0:
            raise ShapeError(f"pad: {ends} cuts more off than there is in {x.shape}")
        taken[d] = slice(max(0, -first), max(max(0, -first), n - max(0, -last)))
        inner[d] = slice(max(0, first), max(max(0, first), shape[d] - max(0, last)))
    out = np.full(shape, cast(value, x.array.dtype))
    out[tuple(inner)] = x.array[tuple(taken)]
    back = tuple([-n for n in ends])

    def backward(y, dy):
        return framed(dy, back, 0)
    backward.__qualname__ = "pad"
    return record(out, (x,), backward, ())


tril_, triu_ = in_place(tril), in_place(triu)
