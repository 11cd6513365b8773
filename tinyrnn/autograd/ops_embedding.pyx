"""Rows of a table: embedding and one_hot."""
from libc.stdint cimport int64_t
from numpy cimport NPY_INT64, PyArray_DATA, PyArray_NDIM, PyArray_SIZE, PyArray_TYPE, import_array, ndarray

from tinyrnn.autograd.arrays cimport cast, contiguous, shape_of
from tinyrnn.autograd.engine cimport record
from tinyrnn.autograd.ops_index cimport sum_at
from tinyrnn.autograd.tensor cimport Tensor, changed, wrap
from tinyrnn.kernels.rows cimport first_outside

import numpy as np

from tinyrnn.autograd.arrays import DtypeError, ShapeError

import_array()

cdef object INT64 = np.dtype(np.int64)


cdef ndarray row_numbers(Tensor input, Py_ssize_t rows):
    cdef ndarray index = input.array
    cdef Py_ssize_t bad
    cdef int64_t* numbers
    if PyArray_TYPE(index) != NPY_INT64:
        raise DtypeError(f"embedding: the indices must be int64, not {index.dtype} {input.shape}")
    index = contiguous(index)
    numbers = <int64_t*> PyArray_DATA(index)
    bad = first_outside(numbers, PyArray_SIZE(index), 0, rows)
    if bad < PyArray_SIZE(index):
        raise IndexError(f"embedding: index {numbers[bad]} is out of range for a table of {rows} rows")
    return index


def embedding(Tensor input not None, Tensor weight not None, padding_idx=None, max_norm=None, norm_type=2.0,
              scale_grad_by_freq=False, sparse=False):
    """y[...] = weight[input[...]].    dweight = dy added to those rows

    ``padding_idx``: a row that gets no gradient. ``max_norm``: rows used here that are longer (in the norm
    ``norm_type``) are first scaled down to it, in place. ``scale_grad_by_freq``: dy is divided by how often its row
    occurs in ``input``.
    """
    cdef ndarray index
    cdef Py_ssize_t rows, padding = -1
    if sparse:
        raise NotImplementedError("embedding: sparse gradients do not exist here; use sparse=False")
    if PyArray_NDIM(weight.array) != 2:
        raise ShapeError(f"embedding: the table must have 2 dimensions, not {weight.shape}")
    rows = len(weight.array)
    index = row_numbers(input, rows)
    if padding_idx is not None:
        padding = padding_idx + rows if padding_idx < 0 else padding_idx
        if not 0 <= padding < rows:
            raise IndexError(f"embedding: padding_idx {padding_idx} is out of range for a table of {rows} rows")
    if max_norm is not None:
        shorten(weight, np.unique(index), max_norm, norm_type)
    return table_rows(weight, index.copy() if weight.requires_grad else index, padding, scale_grad_by_freq)


cdef Tensor table_rows(Tensor weight, ndarray index, Py_ssize_t padding, bint by_frequency):
    cdef tuple shape = shape_of(weight.array)

    def backward(y, dy):
        if by_frequency:
            often = np.bincount(index.ravel(), minlength=shape[0])[index]
            dy = dy / wrap(often.astype(dy.dtype)[..., None])
        if padding >= 0:
            dy = dy.masked_fill(wrap((index == padding)[..., None]), 0)
        return sum_at("embedding", shape, [index, None], dy)
    backward.__qualname__ = "embedding"
    return record(weight.array.take(index, 0), (weight,), backward, ())


cdef int shorten(Tensor weight, ndarray rows, object max_norm, object norm_type) except -1:
    """Scales rows that are longer than max_norm down to it, in place and unrecorded, as PyTorch does."""
    cdef ndarray used = np.abs(weight.array[rows].astype(np.float64)), length
    if norm_type == np.inf:
        length = used.max(1, initial=0)
    elif norm_type == 0:
        length = (used != 0).sum(1).astype(np.float64)
    else:
        with np.errstate(all="ignore"):
            length = (used ** norm_type).sum(1) ** (1 / norm_type)
    long = length > max_norm
    if long.any():
        weight.array[rows[long]] *= cast(max_norm / (length[long] + 1e-7), weight.array.dtype)[:, None]
        changed(weight)
    return 0


def one_hot(Tensor tensor not None, num_classes=-1):
    """y[..., k] = 1 where k is the class, else 0, in int64. ``num_classes`` = -1: the largest class + 1."""
    cdef ndarray index = tensor.array, out
    cdef Py_ssize_t n = num_classes
    if PyArray_TYPE(index) != NPY_INT64:
        raise DtypeError(f"one_hot: the classes must be int64, not {index.dtype} {tensor.shape}")
    if PyArray_SIZE(index) == 0 and n <= 0:
        raise ValueError(f"one_hot: num_classes must be given for an empty tensor of shape {tensor.shape}")
    if n != -1 and n < 1:
        raise ValueError(f"one_hot: num_classes must be positive or -1, not {n}")
    if PyArray_SIZE(index):
        n = int(index.max()) + 1 if n == -1 else n
        if index.min() < 0 or index.max() >= n:
            raise IndexError(f"one_hot: class {index.min() if index.min() < 0 else index.max()} is out of range for "
                             f"{n} classes")
    out = np.zeros(shape_of(index) + (n,), INT64)
    np.put_along_axis(out, index[..., None], 1, -1)
    return wrap(out)
