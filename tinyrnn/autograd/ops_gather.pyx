"""Reading, writing and adding where an index or a mask says.

Most of these are ``take_at``, ``put_at`` and ``add_at`` of ``ops_index`` with the arrays of integers that the operation
means. One that is not in place is the one in place on a copy.
"""
from numpy cimport (
    NPY_BOOL, NPY_INT64, PyArray_BYTES, PyArray_DATA, PyArray_ITEMSIZE, PyArray_NDIM, PyArray_SIZE, PyArray_TYPE,
    import_array, ndarray,
)

from tinyrnn.autograd.arrays cimport contiguous, shape_of
from tinyrnn.autograd.engine cimport record
from tinyrnn.autograd.ops_arithmetic cimport multiple, operand
from tinyrnn.autograd.ops_convert cimport convert
from tinyrnn.autograd.ops_index cimport add_at, in_range, put_at, take_at
from tinyrnn.autograd.ops_memory cimport fresh, value_of
from tinyrnn.autograd.ops_sort cimport pick
from tinyrnn.autograd.rows cimport dim_of
from tinyrnn.autograd.tensor cimport Tensor, requires_now, wrap
from tinyrnn.kernels.rows cimport select_where

import numpy as np

from tinyrnn.autograd.arrays import DtypeError, ShapeError
from tinyrnn.autograd.engine import in_place

import_array()

cdef object INT64 = np.dtype(np.int64), FLOAT32 = np.dtype(np.float32)


# ---- masks -----------------------------------------------------------------------------------------------------------

cdef Tensor mask_of(str name, object mask):
    cdef Tensor m = mask if isinstance(mask, Tensor) else wrap(np.asarray(mask))
    if PyArray_TYPE(m.array) != NPY_BOOL:
        raise DtypeError(f"{name}: a mask holds truth values, not {m.dtype} {m.shape}")
    return m


cdef tuple joint_shape(str name, tuple a, tuple b):
    if a == b or not b:
        return a
    try:
        return np.broadcast_shapes(a, b)
    except ValueError:
        raise ShapeError(f"{name}: {a} and {b} cannot be broadcast together") from None


def where(condition, input=None, other=None):
    """y = input where the condition is true, else other.    dinput = dy where it is true,  dother = dy elsewhere

    With the condition alone: the indices where it is true, one tensor a dimension.
    """
    cdef Tensor c, a, b
    if input is None and other is None:
        return nonzero(condition, as_tuple=True)
    c = mask_of("where", condition)
    if not isinstance(input, Tensor) and not isinstance(other, Tensor):
        kind = np.result_type(np.min_scalar_type(input), np.min_scalar_type(other))
        input = wrap(np.asarray(input, FLOAT32 if kind.kind == "f" else kind if kind.kind == "b" else INT64))
    a, b = operand("where", input, other), operand("where", other, input)
    shape = joint_shape("where", shape_of(c.array), joint_shape("where", shape_of(a.array), shape_of(b.array)))
    a_wanted, b_wanted = a.requires, b.requires

    def backward(y, dy):
        return None, where(c, dy, 0) if a_wanted else None, where(c, 0, dy) if b_wanted else None
    return record(choice(shape, c.array, a.array, b.array), (c, a, b), backward, (c,))


cdef ndarray choice(tuple shape, ndarray mask, ndarray a, ndarray b):
    """mask ? a : b, all three broadcast to ``shape``; a and b are of one dtype."""
    cdef ndarray y = np.empty(shape, a.dtype)
    mask = spread(mask, shape)
    a = a if PyArray_SIZE(a) == 1 else spread(a, shape)
    b = b if PyArray_SIZE(b) == 1 else spread(b, shape)
    select_where(PyArray_BYTES(mask), PyArray_DATA(a), PyArray_SIZE(a) != 1, PyArray_DATA(b), PyArray_SIZE(b) != 1,
                 PyArray_DATA(y), PyArray_SIZE(y), PyArray_ITEMSIZE(y))
    return y


cdef ndarray spread(ndarray x, tuple shape):
    """x broadcast to ``shape``, C-contiguous."""
    return contiguous(x if shape_of(x) == shape else np.broadcast_to(x, shape))


def masked_fill(Tensor input not None, mask, value):
    """y = value where the mask is true, else x.    dx = dy where it is false,  dvalue = sum of dy where it is true"""
    cdef Tensor m = mask_of("masked_fill", mask)
    cdef Tensor v = convert(value_of("masked_fill", value, input), input.array.dtype, False)
    if PyArray_NDIM(v.array):
        raise ShapeError(f"masked_fill: expected one value, not {v.shape}")
    shape = joint_shape("masked_fill", shape_of(input.array), shape_of(m.array))

    def backward(y, dy):
        return masked_fill(dy, m, 0), where(m, dy, 0) if v_wanted else None
    v_wanted = requires_now(v)
    return record(choice(shape, m.array, v.array, input.array), (input, v), backward, (m,))


masked_fill_ = in_place(masked_fill)


def masked_select(Tensor input not None, mask):
    """The elements where the mask is true, in one dimension.    dx = dy there, zero elsewhere"""
    cdef Tensor m = mask_of("masked_select", mask)
    cdef tuple shape = joint_shape("masked_select", shape_of(input.array), shape_of(m.array))
    return input.expand(shape)[m.expand(shape)]


def masked_scatter_(Tensor self not None, mask, Tensor source not None):
    """Writes the elements of ``source``, in order, where the mask is true."""
    cdef Tensor m = mask_of("masked_scatter", mask)
    cdef Py_ssize_t n
    if joint_shape("masked_scatter", shape_of(self.array), shape_of(m.array)) != shape_of(self.array):
        raise ShapeError(f"masked_scatter: a mask of shape {m.shape} does not fit a tensor of shape {self.shape}")
    m = m.expand(self.shape)
    n = np.count_nonzero(m.array)
    if n > PyArray_SIZE(source.array):
        raise ShapeError(f"masked_scatter: the mask is true {n} times but the source of shape {source.shape} has fewer "
                         "elements")
    self[m] = source.reshape(-1)[:n]
    return self


def masked_scatter(Tensor input not None, mask, source):
    """A copy with the elements of ``source``, in order, where the mask is true."""
    shape = joint_shape("masked_scatter", shape_of(input.array), shape_of(mask_of("masked_scatter", mask).array))
    return masked_scatter_(fresh(input.expand(shape)), mask, source)


def nonzero(Tensor input not None, *, as_tuple=False):
    """The indices of all elements that are not zero: (count, ndim), or one tensor a dimension."""
    if as_tuple:
        return tuple([wrap(a.copy()) for a in np.nonzero(np.atleast_1d(input.array))])
    return wrap(np.argwhere(input.array))


def argwhere(Tensor input not None):
    """The indices of all elements that are not zero: (count, ndim)."""
    return nonzero(input)


# ---- one index for every element -------------------------------------------------------------------------------------
# As in PyTorch, indices count from the front alone, but for take, take_along_dim and index_fill: a -1 that stands for
# padding is an error and not the last element.

cdef ndarray integers(str name, object index):
    """An index as an array of int64."""
    cdef ndarray a
    if not isinstance(index, Tensor):
        raise TypeError(f"{name}: the index must be a tensor, not {type(index).__name__}")
    a = (<Tensor> index).array
    if PyArray_TYPE(a) != NPY_INT64:
        raise DtypeError(f"{name}: the index must hold int64, not {a.dtype} {shape_of(a)}")
    return a


cdef list grid(str name, Tensor x, int d, ndarray index):
    """Every element's place: its own in all dimensions but d, where the index says."""
    cdef tuple shape = shape_of(index)
    cdef list arrays = []
    cdef int i, n = <int> len(shape)
    if n != PyArray_NDIM(x.array):
        raise ShapeError(f"{name}: the index {shape} must have as many dimensions as {x.shape}")
    for i in range(n):
        if i != d and shape[i] > x.array.shape[i] and PyArray_SIZE(index):
            raise ShapeError(f"{name}: the index {shape} is larger than {x.shape} in dimension {i}")
        arrays.append(np.arange(shape[i]).reshape((-1,) + (1,) * (n - 1 - i)))
    arrays[d] = in_range(name, index, x, d, False)
    return arrays


cdef ndarray at_least_1d(ndarray a):
    return a if PyArray_NDIM(a) else a.reshape(1)


def gather(Tensor input not None, dim, index):
    """y[i][j][k] = x[i][index[i][j][k]][k] for dim 1, and so on.    dx = dy added there"""
    cdef int d = dim_of("gather", dim, input.array)
    cdef ndarray at = integers("gather", index)
    cdef tuple shape = shape_of(at), own = shape_of(input.array)
    if len(own) == len(shape) > 0 and own[:d] == shape[:d] and own[d + 1:] == shape[d + 1:]:
        at = in_range("gather", at, input, d, False)
        return pick(input, at.copy() if requires_now(input) else at, d)
    if PyArray_NDIM(input.array) == 0:
        return gather(input.reshape(1), 0, wrap(at_least_1d(at))).reshape(shape)
    return take_at("gather", input, grid("gather", input, d, at_least_1d(at))).reshape(shape)


cdef Tensor scattered(str name, Tensor x, object dim, object index, object src, bint adding):
    """scatter_ and scatter_add_: the part of src that the index covers is written or added."""
    cdef int d = dim_of(name, dim, x.array)
    cdef ndarray at = at_least_1d(integers(name, index))
    cdef Tensor whole = x if PyArray_NDIM(x.array) else x.view(1), values = value_of(name, src, x)
    cdef tuple shape = shape_of(at)
    if isinstance(src, Tensor) and (adding or PyArray_NDIM(values.array)):
        values = values if PyArray_NDIM(values.array) else values.reshape(1)
        if values.ndim != len(shape) or any([m > n for m, n in zip(shape, values.shape)]):
            raise ShapeError(f"{name}: the index {shape} is larger than the source {values.shape}")
        if values.shape != shape:
            values = values[tuple([slice(0, n) for n in shape])]
    arrays = grid(name, whole, d, at)
    if adding:
        add_at(name, whole, arrays, values)
    else:
        put_at(name, whole, arrays, values)
    return x


cdef object source_of(object src, object value, object reduce):
    if reduce is not None:
        raise NotImplementedError("scatter: reduce is not supported; scatter_add adds")
    if (src is None) == (value is None):
        raise TypeError("scatter: expected either src or value")
    return value if src is None else src


def scatter_(Tensor self not None, dim, index, src=None, *, value=None, reduce=None):
    """x[i][index[i][j][k]][k] = src[i][j][k] for dim 1, in place; ``src`` is a tensor or a number.

    dx = dy, with zeros there;  dsrc = dy there. Of several values for one element the last one stays.
    """
    return scattered("scatter", self, dim, index, source_of(src, value, reduce), False)


def scatter(Tensor input not None, dim, index, src=None, *, value=None, reduce=None):
    """``scatter_`` on a copy."""
    return scattered("scatter", fresh(input), dim, index, source_of(src, value, reduce), False)


def scatter_add_(Tensor self not None, dim, index, Tensor src not None):
    """x[i][index[i][j][k]][k] += src[i][j][k] for dim 1, in place.    dx = dy,  dsrc = dy there"""
    return scattered("scatter_add", self, dim, index, src, True)


def scatter_add(Tensor input not None, dim, index, Tensor src not None):
    """``scatter_add_`` on a copy."""
    return scattered("scatter_add", fresh(input), dim, index, src, True)


def take(Tensor input not None, index):
    """The elements with these places in the flattened tensor, in the shape of the index.    dx = dy added there"""
    cdef Tensor flat = input.reshape(PyArray_SIZE(input.array))
    return take_at("take", flat, [in_range("take", integers("take", index), flat, 0)])


def take_along_dim(Tensor input not None, Tensor indices not None, dim=None):
    """``gather`` with broadcasting in the other dimensions; without ``dim``: ``take``."""
    cdef int d
    if dim is None:
        return take(input, indices.reshape(-1))
    d = dim_of("take_along_dim", dim, input.array)
    a, b = list(input.shape), list(indices.shape)
    if len(a) != len(b) or not a:
        raise ShapeError(f"take_along_dim: {input.shape} and the indices {indices.shape} differ in dimensions")
    n, m, a[d], b[d] = a[d], b[d], 1, 1
    common = list(joint_shape("take_along_dim", tuple(a), tuple(b)))
    indices = wrap(in_range("take_along_dim", integers("take_along_dim", indices), input, d))
    return gather(input.expand(common[:d] + [n] + common[d + 1:]), d, indices.expand(common[:d] + [m] + common[d + 1:]))


# ---- one index for a whole dimension ---------------------------------------------------------------------------------

cdef list line(str name, Tensor x, int d, object index, bint back=False):
    """The arrays for x.select(d, i) of every i in the index."""
    cdef ndarray at = at_least_1d(integers(name, index))
    if PyArray_NDIM(at) > 1:
        raise ShapeError(f"{name}: the index must have one dimension, not {shape_of(at)}")
    return [None] * d + [in_range(name, at, x, d, back)] + [None] * (max(PyArray_NDIM(x.array), 1) - d - 1)


cdef Tensor row_values(str name, Tensor x, int d, list arrays, Tensor source):
    cdef tuple shape = shape_of(x.array)
    shape = shape[:d] + shape_of(arrays[d]) + shape[d + 1:] if shape else shape
    if shape_of(source.array) != shape:
        raise ShapeError(f"{name}: a source of shape {source.shape} does not fit {shape}")
    return source


def index_select(Tensor input not None, dim, index):
    """The elements with these indices along a dimension.    dx = dy added there"""
    cdef int d = dim_of("index_select", dim, input.array)
    cdef list arrays = line("index_select", input, d, index)
    if PyArray_NDIM(input.array) == 0:
        return take_at("index_select", input.reshape(1), arrays).reshape(())
    return take_at("index_select", input, arrays)


def index_add_(Tensor self not None, dim, index, Tensor source not None, *, alpha=1):
    """x.select(dim, index[i]) += alpha source.select(dim, i), in place.    dx = dy,  dsource = alpha dy there"""
    cdef int d = dim_of("index_add", dim, self.array)
    cdef list arrays = line("index_add", self, d, index)
    cdef Tensor values = row_values("index_add", self, d, arrays, source)
    values = multiple("index_add", alpha, values)
    add_at("index_add", self if PyArray_NDIM(self.array) else self.view(1), arrays, values)
    return self


def index_add(Tensor input not None, dim, index, source, *, alpha=1):
    """``index_add_`` on a copy."""
    return index_add_(fresh(input), dim, index, source, alpha=alpha)


def index_copy_(Tensor self not None, dim, index, Tensor source not None):
    """x.select(dim, index[i]) = source.select(dim, i), in place.    dx = dy, with zeros there;  dsource = dy there"""
    cdef int d = dim_of("index_copy", dim, self.array)
    cdef list arrays = line("index_copy", self, d, index)
    put_at("index_copy", self if PyArray_NDIM(self.array) else self.view(1), arrays,
           row_values("index_copy", self, d, arrays, source))
    return self


def index_copy(Tensor input not None, dim, index, source):
    """``index_copy_`` on a copy."""
    return index_copy_(fresh(input), dim, index, source)


def index_fill_(Tensor self not None, dim, index, value):
    """x.select(dim, i) = value for every i in the index, in place.

    dx = dy, with zeros there;  dvalue = sum of dy there
    """
    cdef int d = dim_of("index_fill", dim, self.array)
    cdef Tensor given = value_of("index_fill", value, self)
    cdef list arrays = line("index_fill", self, d, index, True)
    if PyArray_NDIM(given.array):
        raise ShapeError(f"index_fill: expected one value, not {given.shape}")
    arrays[d] = np.unique(arrays[d])            # one gradient an element, however often it is named
    put_at("index_fill", self if PyArray_NDIM(self.array) else self.view(1), arrays, given)
    return self


def index_fill(Tensor input not None, dim, index, value):
    """``index_fill_`` on a copy."""
    return index_fill_(input.clone(), dim, index, value)
