"""Shapes: views of the same memory, and the operations that join and repeat."""
from numpy cimport import_array, ndarray

from tinyrnn.autograd.engine cimport record, record_view
from tinyrnn.autograd.tensor cimport Tensor, version_of, wrap

from tinyrnn.autograd.arrays import ShapeError

import_array()


def expand(Tensor input not None, *shape):
    """A view in which dimensions of length 1 are repeated; -1 keeps a length.    dx = dy, summed where it was repeated"""
    import numpy as np
    sizes = tuple(shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape)
    new = len(sizes) - input.ndim
    try:
        sizes = tuple(input.shape[i - new] if n == -1 and i >= new else n for i, n in enumerate(sizes))
        out = np.broadcast_to(input.array, sizes)
    except (ValueError, IndexError):
        raise ShapeError(f"expand: {input.shape} cannot be expanded to {sizes}") from None

    def backward(y, dy):
        return dy
    return record_view(out, input, backward, (expand, sizes))


def transpose(Tensor input not None, dim0, dim1):
    """A view with two dimensions swapped.    dx = transpose dy"""
    def backward(y, dy):
        return transpose(dy, dim0, dim1)
    return record_view(input.array.swapaxes(dim0, dim1), input, backward, (transpose, dim0, dim1))


def reshape(Tensor input not None, *shape):
    """The same elements in another shape: a view where the memory allows it.    dx = dy in the old shape"""
    import numpy as np
    sizes = tuple(shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape)
    before = input.shape

    def backward(y, dy):
        return reshape(dy, before)
    try:
        out = input.array.reshape(sizes)
    except ValueError:
        raise ShapeError(f"reshape: {before} cannot become {sizes}") from None
    if np.shares_memory(out, input.array):
        return record_view(out, input, backward, (reshape, sizes))
    return record(out, (input,), backward, ())


def clone(Tensor input not None):
    """A copy on its own memory.    dx = dy"""
    def backward(y, dy):
        return dy
    return record(input.array.copy(), (input,), backward, ())


def detach(Tensor input not None):
    """The values on the same memory, without the history."""
    cdef Tensor y = wrap(input.array)
    y.version = version_of(input)
    return y


def item(Tensor input not None):
    """The one element as a Python number."""
    if input.array.size != 1:
        raise ValueError(f"item: only one element can become a Python number, not a tensor of shape {input.shape}")
    return input.array.item()
