"""The gradient of a weight as a product still to be made: uses in many steps become one product.

A loop over the steps of a sequence uses its weights once a step. Each use asks for the sum of dy^T x, (O, I), over its
few rows; made at once, the product is small, and reading and writing the sum costs more than the arithmetic. So the
backward of ``linear`` hands over dy and x, and the pass stacks the rows of several steps before it multiplies.
"""
cimport cython
from numpy cimport PyArray_DIMS, PyArray_NDIM, PyArray_SIZE, import_array, ndarray

from tinyrnn.autograd.arrays cimport accumulate, shape_of
from tinyrnn.autograd.product cimport multiply
from tinyrnn.autograd.tensor cimport Tensor, wrap

from math import prod

import numpy as np

import_array()


@cython.final
@cython.auto_pickle(False)
cdef class Product:
    """The gradient dy^T x of a weight (O, I), from dy (..., O) and x (..., I)."""

    def __cinit__(self, Tensor dy not None, Tensor x not None):
        self.dy, self.x = dy, x


cdef bint worth_deferring(Tensor dy, Tensor x):
    """Whether copying these rows costs less than reading and writing the sum: fewer elements than the weight has."""
    return elements(dy, x) < columns(dy.array) * columns(x.array)


cdef object joined(object waiting, Product g):
    """``waiting`` (None, a tensor, or what this returned before) and one more product: a list of them all.

    What waits takes no more than three times the memory of the weight.
    """
    cdef list sum = waiting if isinstance(waiting, list) else [] if waiting is None else [waiting]
    cdef Py_ssize_t size = 0
    sum.append(g)
    for part in sum:
        if isinstance(part, Product):
            size += elements((<Product> part).dy, (<Product> part).x)
    return settled(sum) if size > 2 * columns(g.dy.array) * columns(g.x.array) else sum


cdef Py_ssize_t elements(Tensor dy, Tensor x):
    return PyArray_SIZE(dy.array) + PyArray_SIZE(x.array)


cdef object settled(object waiting):
    """The sum of what waits, as one tensor; anything but a list of products stays as it is."""
    cdef Tensor total
    if not isinstance(waiting, list):
        return waiting
    products = [part for part in waiting if isinstance(part, Product)]
    dy, x = stacked([(<Product> p).dy for p in products]), stacked([(<Product> p).x for p in products])
    total = wrap(multiply(dy.T, x))
    if len(products) < len(waiting):                    # a tensor was there before
        accumulate(total.array, (<Tensor> waiting[0]).array)
    return total


cdef ndarray stacked(list tensors):
    """(..., N) of each as rows, one below the other."""
    cdef Tensor x
    rows = [x.array.reshape((prod(shape_of(x.array)[:-1]), columns(x.array))) for x in tensors]
    return rows[0] if len(rows) == 1 else np.concatenate(rows)


cdef Py_ssize_t columns(ndarray x):
    return PyArray_DIMS(x)[PyArray_NDIM(x) - 1]
