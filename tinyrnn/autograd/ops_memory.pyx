"""Memory: copies, cutting the history off, and what a tensor says about its layout."""
from numpy cimport (
    PyArray_DATA, PyArray_DIMS, PyArray_IS_C_CONTIGUOUS, PyArray_ITEMSIZE, PyArray_NDIM, PyArray_SIZE, PyArray_STRIDES,
    import_array,
)

from tinyrnn.autograd.arrays cimport shape_of
from tinyrnn.autograd.engine cimport record
from tinyrnn.autograd.ops_shape cimport axis_of
from tinyrnn.autograd.tensor cimport Tensor, version_of, wrap

import_array()


def clone(Tensor input not None):
    """A copy on its own memory.    dx = dy"""
    def backward(y, dy):
        return dy
    return record(input.array.copy(), (input,), backward, ())


def contiguous(Tensor input not None):
    """The tensor itself if its elements lie side by side in order, else a copy that has them so."""
    return input if PyArray_IS_C_CONTIGUOUS(input.array) else clone(input)


def detach(Tensor input not None):
    """The values on the same memory, without the history."""
    cdef Tensor y = wrap(input.array)
    y.version, y.inference = version_of(input), input.inference
    return y


def detach_(Tensor self not None):
    """Takes the history away from the tensor itself: it becomes a leaf."""
    if self.source is not None:
        raise RuntimeError("detach_: a view cannot be cut off from the tensor it views; use detach()")
    self.node, self.requires = None, False
    return self


def size(Tensor self not None, dim=None):
    """The shape, or the length of one dimension."""
    cdef int d
    if dim is None:
        return shape_of(self.array)
    d = axis_of("size", dim, self)
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
    i = axis_of("stride", dim, self)
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
