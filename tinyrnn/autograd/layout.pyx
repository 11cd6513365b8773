"""In which order the dimensions of an array lie in memory, from the longest step to the shortest.

What is made of one array, or of two, element by element has its dimensions in their order. That is PyTorch's rule, down
to the strides: it decides in which order random numbers fill the result, and what of it is a view.
"""
from libc.stdlib cimport llabs
from numpy cimport (
    PyArray_DIMS, PyArray_Dims, PyArray_NDIM, PyArray_STRIDES, PyArray_Transpose, import_array, ndarray, npy_intp,
)

import_array()


cdef int longer(const Loop* loop, npy_intp d, npy_intp e) noexcept:
    """1 if the step of dimension d is longer than that of e, -1 if it is shorter. The first array that tells decides; a
    step of 0 tells nothing, and of two equal ones the larger dimension's counts as the longer."""
    cdef npy_intp one, other
    cdef int i
    for i in range(2):
        one, other = (loop.step_b[d], loop.step_b[e]) if i else (loop.step_a[d], loop.step_a[e])
        if one == 0 or other == 0:
            continue
        if llabs(one) != llabs(other):
            return 1 if llabs(one) > llabs(other) else -1
        if loop.size[d] > loop.size[e]:
            return 1
    return 0


cdef bint arrange(Loop* loop, Axes* axes) noexcept:
    """Sorts the dimensions by their steps, as PyTorch does; False if that is the order they have."""
    cdef Loop before = loop[0]
    cdef int n = loop.ndim, i, j, k, told
    cdef bint other = False
    for i in range(n):
        axes.order[i] = i
    for i in range(n - 2, -1, -1):
        j = i
        for k in range(i + 1, n):
            told = longer(loop, axes.order[k], axes.order[j])
            if told < 0:
                break
            if told > 0:
                axes.order[j], axes.order[k] = axes.order[k], axes.order[j]
                j = k
    for i in range(n):
        k = axes.order[i]
        axes.back[k] = i
        other = other or k != i
        loop.size[i], loop.step_a[i], loop.step_b[i] = before.size[k], before.step_a[k], before.step_b[k]
    return other


cdef bint arrange_one(ndarray x, Axes* axes) noexcept:
    """``arrange`` for one array."""
    cdef Loop loop
    cdef int i
    loop.ndim = PyArray_NDIM(x)
    for i in range(loop.ndim):
        loop.size[i], loop.step_a[i], loop.step_b[i] = PyArray_DIMS(x)[i], PyArray_STRIDES(x)[i], 0
    return arrange(&loop, axes)


cdef ndarray turned(ndarray x, npy_intp* axes):
    """The view of x with its dimensions in this order."""
    cdef PyArray_Dims dims
    dims.ptr, dims.len = axes, PyArray_NDIM(x)
    return PyArray_Transpose(x, &dims)
