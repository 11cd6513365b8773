"""Memory: copies, writing over it, cutting the history off, and what a tensor says about its layout."""
from numpy cimport (
    NPY_CORDER, PyArray_DATA, PyArray_DIMS, PyArray_IS_C_CONTIGUOUS, PyArray_ITEMSIZE, PyArray_NDIM, PyArray_NewCopy,
    PyArray_SIZE, PyArray_STRIDES, PyArray_TYPE, import_array,
)

from tinyrnn.autograd.arrays cimport accumulate, cast, copy_as_it_lies, is_real, same_shape, scalar, shape_of
from tinyrnn.autograd.engine cimport before, rebase, record
from tinyrnn.autograd.ops_convert cimport convert
from tinyrnn.autograd.ops_arithmetic cimport zeros_of
from tinyrnn.autograd.rows cimport dim_of
from tinyrnn.autograd.tensor cimport Tensor, changed, requires_now, version_of, wrap

import numpy as np

from tinyrnn.autograd.arrays import ShapeError
from tinyrnn.autograd.engine import in_place
from tinyrnn.autograd.ops_arithmetic import add

import_array()

recorded_add_ = in_place(add)


def clone(Tensor input not None):
    """A copy on its own memory, with its dimensions in the same order there.    dx = dy"""
    def backward(y, dy):
        return dy
    return record(copy_as_it_lies(input.array), (input,), backward, ())


def contiguous(Tensor input not None):
    """The tensor itself if its elements lie side by side in order, else a copy that has them so."""
    if PyArray_IS_C_CONTIGUOUS(input.array):
        return input

    def backward(y, dy):
        return dy
    return record(PyArray_NewCopy(input.array, NPY_CORDER), (input,), backward, ())


cdef Tensor fresh(Tensor x):
    """A copy whose elements lie side by side in order."""
    return clone(x) if PyArray_IS_C_CONTIGUOUS(x.array) else contiguous(x)


def detach(Tensor input not None):
    """The values on the same memory, without the history."""
    cdef Tensor y = wrap(input.array)
    y.version, y.inference = version_of(input), input.inference
    return y


def detach_(Tensor self not None):
    """Takes the history away from the tensor itself: it becomes a leaf."""
    if self.source is not None:
        raise RuntimeError("detach_: a view cannot be cut off from the tensor it views; use detach()")
    self.node, self.requires, self.retains = None, False, False
    return self


# ---- writing over the values -----------------------------------------------------------------------------------------

cdef Tensor value_of(str name, object value, Tensor x):
    """A tensor as it is; a number, list or array as a tensor of x's dtype."""
    cdef object a
    if isinstance(value, Tensor):
        return value
    if (type(value) is int or type(value) is float) and is_real(x.array):
        return wrap(scalar(value, PyArray_TYPE(x.array)))
    a = np.asarray(value)
    if a.dtype.kind not in "biuf":
        raise TypeError(f"{name}: expected numbers, not {type(value).__name__} of dtype {a.dtype}")
    return wrap(cast(a, x.array.dtype))


cdef int assign(str name, ndarray x, ndarray value) except -1:
    """x[...] = value, converted and broadcast."""
    try:
        x[...] = cast(value, x.dtype)
    except ValueError:
        raise ShapeError(f"{name}: values of shape {shape_of(value)} cannot be written to {shape_of(x)}") from None
    return 0


cdef Tensor fitted(str name, Tensor value, tuple target):
    """The value without surplus leading dimensions of length 1, once it is clear that it can be broadcast."""
    cdef tuple shape = shape_of(value.array)
    cdef int extra = max(0, len(shape) - len(target))
    if any([n != 1 for n in shape[:extra]]) or any([
            n != 1 and n != m for n, m in zip(shape[extra:][::-1], target[::-1])]):
        raise ShapeError(f"{name}: values of shape {shape} cannot be written to {target}")
    return value.reshape(shape[extra:]) if extra else value


def copy_(Tensor self not None, src):
    """x = src, in place, broadcast and converted to x's dtype.    dsrc = dy"""
    return write(self, src, False)


cdef Tensor write(Tensor self, object src, bint hidden):
    """copy_; for ``hidden`` see ``rebase``."""
    cdef Tensor value = value_of("copy_", src, self), old
    cdef object kind = value.array.dtype
    value = fitted("copy_", value, shape_of(self.array))
    old = before(self)
    wanted = old.requires

    def backward(y, dy):
        return zeros_of(dy) if wanted else None, convert(dy, kind, False)
    backward.__qualname__ = "copy_"
    rebase(self, record(self.array, (old, value), backward, ()), hidden)     # may refuse: so before anything is written
    assign("copy_", self.array, value.array)
    return self


def add_(Tensor input not None, other, *, alpha=1):
    """In-place add: the result replaces the values of the tensor, which is returned."""
    cdef Tensor b
    if type(other) is Tensor and alpha == 1 and not input.requires and input.source is None:
        b = other
        if (not requires_now(b) and PyArray_TYPE(b.array) == PyArray_TYPE(input.array) and is_real(b.array)
                and same_shape(input.array, b.array) and PyArray_IS_C_CONTIGUOUS(input.array)
                and not np.may_share_memory(input.array, b.array)):
            before(input)
            accumulate(input.array, b.array)        # nothing to write down: one loop and no copy
            changed(input)
            return input
    return recorded_add_(input, other, alpha=alpha)


def fill_(Tensor self not None, value):
    """Every element becomes one value, a number or a 0-d tensor.    dvalue = sum of dy"""
    if getattr(value, "ndim", 0):
        raise ShapeError(f"fill_: expected one value, not {value.shape}")
    return copy_(self, value)


def zero_(Tensor self not None):
    """Every element becomes 0."""
    cdef Tensor old = before(self)

    def backward(y, dy):
        return zeros_of(dy)
    rebase(self, record(self.array, (old,), backward, ()))
    self.array.fill(0)
    return self


# ---- what it says about itself ---------------------------------------------------------------------------------------

def size(Tensor self not None, dim=None):
    """The shape, or the length of one dimension."""
    cdef int d
    if dim is None:
        return shape_of(self.array)
    d = dim_of("size", dim, self.array)
    if PyArray_NDIM(self.array) == 0:
        raise IndexError(f"size: dim {dim} is out of range for shape ()")
    return PyArray_DIMS(self.array)[d]


def dim(Tensor self not None):
    """The number of dimensions."""
    return PyArray_NDIM(self.array)


def numel(Tensor input not None):
    """The number of elements."""
    return PyArray_SIZE(input.array)


nelement = numel


def stride(Tensor self not None, dim=None):
    """How many elements further in memory the next element of every dimension lies, or of one dimension."""
    cdef int i
    cdef tuple steps = tuple([PyArray_STRIDES(self.array)[i] // PyArray_ITEMSIZE(self.array)
                              for i in range(PyArray_NDIM(self.array))])
    if dim is None:
        return steps
    i = dim_of("stride", dim, self.array)
    if not steps:
        raise IndexError(f"stride: dim {dim} is out of range for shape ()")
    return steps[i]


def is_contiguous(Tensor self not None):
    """Whether the elements lie side by side in memory, in order."""
    return <bint> PyArray_IS_C_CONTIGUOUS(self.array)


def element_size(Tensor self not None):
    """The bytes of one element."""
    return PyArray_ITEMSIZE(self.array)


def data_ptr(Tensor self not None):
    """The address of the first element."""
    return <Py_ssize_t> PyArray_DATA(self.array)
