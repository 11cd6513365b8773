"""Reductions: one number for every row of elements along one dimension, several, or all.

The arithmetic on floats is in kernels/reduce.h: it never warns about inf and NaN, and the result of a row does not
depend on the rows beside it. Integers and truth values are left to NumPy.
"""
from libc.math cimport INFINITY
from numpy cimport PyArray_TYPE, import_array, ndarray

from tinyrnn.autograd.arrays cimport is_real, map_unary, shape_of
from tinyrnn.autograd.engine cimport OUTPUT, record
from tinyrnn.autograd.ops_arithmetic cimport real
from tinyrnn.autograd.rows cimport Rows, by_rows, dim_of, divide, each_row, fold, kept_shape, result
from tinyrnn.autograd.tensor cimport Tensor, wrap
from tinyrnn.kernels.pointwise cimport sqrt_loops
from tinyrnn.kernels.reduce cimport (
    largest_magnitude_loops, logsumexp_loops, magnitudes_loops, powers_loops, smallest_magnitude_loops, squares_loops,
    sum_loops,
)

import numpy as np

from tinyrnn.autograd.arrays import DtypeError, ShapeError

import_array()


# ---- helpers ---------------------------------------------------------------------------------------------------------

cdef Tensor spread(Tensor dy, tuple kept, tuple shape):
    """The gradient of a result beside every element it was made from."""
    return (dy if shape_of(dy.array) == kept else dy.reshape(kept)).expand(shape)


cdef int floats_only(str name, Tensor x) except -1:
    if not is_real(x.array):
        raise DtypeError(f"{name}: expected float32 or float64, not {x.dtype} {x.shape}")
    return 0


cdef ndarray fold_whole(object ufunc, ndarray x, Rows* rows):
    """The same as ``fold`` for integers and truth values: the result is int64."""
    cdef tuple shape = tuple([rows.out[i] for i in range(rows.ndim_out)])
    return ufunc.reduce(x.reshape(rows.outer, rows.n, rows.inner), axis=1, dtype=np.int64).reshape(shape)


cdef Tensor constant(object truth, Tensor like):
    """0 and 1 for truth values, in the dtype of a gradient."""
    return wrap(np.asarray(truth, like.array.dtype))


# ---- sums ------------------------------------------------------------------------------------------------------------

def sum(Tensor input not None, dim=None, keepdim=False, *, dtype=None):
    """y = sum of x over dim (a number, several, or None for all).    dx = dy, repeated

    Integers and truth values give int64. ``dtype``: what to convert x to before.
    """
    cdef Rows rows
    cdef ndarray x
    if dtype is not None:
        return sum(input.to(dtype), dim, keepdim).to(dtype)      # truth values add up to int64
    x = by_rows("sum", input.array, dim, keepdim, &rows)
    if not is_real(x):
        return wrap(fold_whole(np.add, x, &rows))
    shape, kept = input.shape, kept_shape(&rows)

    def backward(y, dy):
        return spread(dy, kept, shape)
    return record(fold(&sum_loops, x, None, &rows), (input,), backward, ())


def sum_to(Tensor input not None, shape):
    """Sums over the dimensions in which a tensor of ``shape`` was broadcast to this one's shape."""
    cdef int extra = input.ndim - <int> len(shape), i
    cdef list dims = list(range(extra))
    for i in range(extra, input.ndim):
        if shape[i - extra] == 1 and input.array.shape[i] != 1:
            dims.append(i)
    if dims:
        input = sum(input, dims, True)
    return input if input.shape == tuple(shape) else input.reshape(shape)


def mean(Tensor input not None, dim=None, keepdim=False, *, dtype=None):
    """y = (sum of x over dim) / n for n elements; NaN when there are none.    dx = dy / n, repeated"""
    cdef Rows rows
    cdef ndarray y
    if dtype is not None:
        return mean(input.to(dtype), dim, keepdim)
    floats_only("mean", input)
    y = fold(&sum_loops, by_rows("mean", input.array, dim, keepdim, &rows), None, &rows)
    divide(y, rows.n)
    shape, kept, n = input.shape, kept_shape(&rows), rows.n

    def backward(y, dy):
        return spread(dy / n, kept, shape)
    return record(y, (input,), backward, ())


def logsumexp(Tensor input not None, dim, keepdim=False):
    """y = log sum e^x over dim, without overflow.    dx = dy e^(x - y)"""
    cdef Rows rows
    cdef ndarray x = by_rows("logsumexp", real(input), dim, keepdim, &rows), y = result(&rows, PyArray_TYPE(x))
    each_row(&logsumexp_loops, x, y, &rows)
    kept = kept_shape(&rows)

    def backward(y, dy):
        return dy.reshape(kept) * (input - y.reshape(kept)).exp()
    return record(y, (input,), backward, (input, OUTPUT))


# ---- mean, variance and norm -----------------------------------------------------------------------------------------

cdef object correction_of(str name, object unbiased, object correction):
    """How much less than n the sum of squares is divided by: PyTorch's older and newer way to say it."""
    if unbiased is None:
        return 1 if correction is None else correction
    if correction is not None:
        raise TypeError(f"{name}: unbiased and correction say the same; give one of them")
    return 1 if unbiased else 0


cdef ndarray variance(str name, Tensor input, object dim, bint keepdim, object correction, Rows* rows):
    """The sum of (x - mean)^2 over dim, divided by n - correction, or by 0 when that is negative."""
    cdef ndarray x, m, y
    floats_only(name, input)
    x = by_rows(name, input.array, dim, keepdim, rows)
    m = fold(&sum_loops, x, None, rows)
    divide(m, rows.n)
    y = fold(&squares_loops, x, m, rows)
    divide(y, divisor(rows.n, correction))
    return y


cdef double divisor(Py_ssize_t n, double correction) noexcept:
    return n - correction if n > correction else 0


def var(Tensor input not None, dim=None, unbiased=None, keepdim=False, *, correction=None):
    """y = sum (x - mean)^2 / (n - correction) over dim.    dx = dy 2 (x - mean) / (n - correction)

    ``correction`` is 1 by default; ``unbiased`` is the older way to say 1 (True) or 0 (False).
    """
    cdef Rows rows
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    correction = correction_of("var", unbiased, correction)
    y = variance("var", input, dim, keepdim, correction, &rows)
    kept, n = kept_shape(&rows), divisor(rows.n, correction)

    def backward(y, dy):
        scale = dy.reshape(kept) * 2 / n
        return scale * (input - mean(input, dim, True))
    return record(y, (input,), backward, (input,))


def std(Tensor input not None, dim=None, unbiased=None, keepdim=False, *, correction=None):
    """y = sqrt(sum (x - mean)^2 / (n - correction)) over dim.    dx = dy (x - mean) / (y (n - correction)); 0 for y = 0

    The arguments are those of :func:`var`.
    """
    cdef Rows rows
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    correction = correction_of("std", unbiased, correction)
    out = map_unary(&sqrt_loops, variance("std", input, dim, keepdim, correction, &rows))
    kept, n = kept_shape(&rows), divisor(rows.n, correction)

    def backward(y, dy):
        scale = over(dy, y).reshape(kept) / n
        return scale * (input - mean(input, dim, True))
    return record(out, (input,), backward, (input, OUTPUT))


def var_mean(Tensor input not None, dim=None, unbiased=None, keepdim=False, *, correction=None):
    """(var, mean) over dim; see :func:`var`."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    return var(input, dim, unbiased, keepdim, correction=correction), mean(input, dim, keepdim)


cdef Tensor over(Tensor dy, Tensor y):
    """dy / y, and 0 where y = 0."""
    zero = np.asarray(y.array == 0)
    if not zero.any():
        return dy / y
    return dy * constant(~zero, y) / (y + constant(zero, y))


def norm(Tensor input not None, p="fro", dim=None, keepdim=False, dtype=None):
    """y = (sum |x|^p)^(1/p) over dim.    dx = dy sign(x) (|x| / y)^(p - 1); 0 for y = 0

    ``p``: "fro" is 2; inf and -inf give the largest and the smallest |x| (ties share the gradient), 0 the number of
    elements that are not 0 (no gradient).
    """
    cdef Rows rows
    cdef ndarray x
    if dtype is not None:
        return norm(input.to(dtype), p, dim, keepdim)
    if p == "fro":
        p = 2
    if isinstance(p, str):
        raise ValueError(f'norm: p must be a number or "fro", not {p!r}')
    floats_only("norm", input)
    x = by_rows("norm", input.array, dim, keepdim, &rows)
    if rows.n == 0 and (p < 0 or p == INFINITY):
        raise IndexError(f"norm: an empty row of {input.shape} has no norm of order {p}")
    y, kept = norm_of(x, p, &rows), kept_shape(&rows)

    def backward(y, dy):
        if p == 0:
            return None
        y, dy = y.reshape(kept), dy.reshape(kept)
        if p == 2:
            return input * over(dy, y)
        sign = input.sign().detach()
        if p == 1:
            return sign * dy
        if p in (INFINITY, -INFINITY):
            return sign * shared(dy, (np.abs(input.array) == y.array) | (input.array != input.array), kept)
        size = input * sign
        zero = constant(size.array == 0, size)
        return sign * (1 - zero) * (size + zero) ** (p - 1) * over(dy, y ** (p - 1))
    return record(y, (input,), backward, (input, OUTPUT))


cdef ndarray norm_of(ndarray x, double p, Rows* rows):
    cdef ndarray y, exponent
    if p == 2:
        return map_unary(&sqrt_loops, fold(&squares_loops, x, None, rows))
    if p == 1:
        return fold(&magnitudes_loops, x, None, rows)
    if p == INFINITY:
        return fold(&largest_magnitude_loops, x, None, rows)
    if p == -INFINITY:
        return fold(&smallest_magnitude_loops, x, None, rows)
    exponent = result(rows, PyArray_TYPE(x))
    exponent.fill(p)
    if p == 0:
        return fold(&sum_loops, np.asarray(x != 0, x.dtype), None, rows)
    y = fold(&powers_loops, x, exponent, rows)
    exponent.fill(1 / p)
    return (<Tensor> (wrap(y) ** wrap(exponent))).array


cdef Tensor shared(Tensor dy, object mask, tuple kept):
    """dy shared evenly among the elements of each row that the mask marks."""
    cdef tuple dims = tuple([i for i in range(len(kept)) if kept[i] == 1])
    cdef Tensor mark = constant(mask, dy)
    return dy / sum(mark, dims, True).reshape(kept) * mark


# ---- truth and counts ------------------------------------------------------------------------------------------------

cdef object dims_of(str name, object dim, Tensor x):
    """What NumPy calls axis: None for all dimensions."""
    if dim is None:
        return None
    dims = tuple([dim_of(name, d, x.array) for d in (dim if isinstance(dim, (tuple, list)) else (dim,))])
    if len(set(dims)) < len(dims):
        raise ShapeError(f"{name}: a dimension occurs twice in {tuple(dim)}")
    return dims if x.array.ndim else None


def any(Tensor input not None, dim=None, keepdim=False):
    """Whether any element over dim is not zero; NaN counts as not zero."""
    return wrap(np.asarray(np.logical_or.reduce(input.array, axis=dims_of("any", dim, input), keepdims=keepdim)))


def all(Tensor input not None, dim=None, keepdim=False):
    """Whether no element over dim is zero; NaN counts as not zero."""
    return wrap(np.asarray(np.logical_and.reduce(input.array, axis=dims_of("all", dim, input), keepdims=keepdim)))


def count_nonzero(Tensor input not None, dim=None):
    """How many elements over dim are not zero, as int64."""
    dim = None if isinstance(dim, (tuple, list)) and not dim else dim           # () names all of them
    return wrap(np.asarray(np.count_nonzero(input.array, axis=dims_of("count_nonzero", dim, input)), np.int64))
