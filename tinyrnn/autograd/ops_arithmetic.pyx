"""Arithmetic, comparison and logic, element by element, with broadcasting.

The first operations to read. Each is one function: the docstring says what it computes and its derivative, ``backward``
says the same again in code, and ``record`` writes it down together with the tensors whose values backward reads.
Gradients of broadcast operands need no care here: the backward pass sums them.
"""
from numpy cimport NPY_BOOL, PyArray_TYPE, import_array, ndarray

from tinyrnn.autograd.arrays cimport cast, common_dtype, contiguous, is_real, map_binary, map_unary, scalar, shape_of
from tinyrnn.autograd.engine cimport OUTPUT, record
from tinyrnn.autograd.tensor cimport Tensor, refresh, wrap
from tinyrnn.kernels.pointwise cimport (
    absolute_loops, add_loops, binary_loops, cube_loops, div_loops, eq_loops, floor_divide_loops, ge_loops, gt_loops,
    le_loops, lt_loops, maximum_loops, minimum_loops, mul_loops, ne_loops, neg_loops, pow_loops, reciprocal_loops,
    remainder_loops, rsqrt_loops, sqrt_loops, square_loops, sub_loops, unary_loops,
)

import numpy as np

from tinyrnn.autograd.arrays import DtypeError, ShapeError
from tinyrnn.autograd.engine import in_place

import_array()

FLOAT32, INT64, BOOL = np.dtype(np.float32), np.dtype(np.int64), np.dtype(np.bool_)


# ---- operands --------------------------------------------------------------------------------------------------------

cdef Tensor operand(str name, object a, object other):
    """``a`` as a tensor of the dtype that ``a op other`` has. A Python number takes the dtype of the tensor."""
    cdef Tensor x
    if not isinstance(a, Tensor):
        return number(name, a, other)
    x = a
    refresh(x)
    if isinstance(other, Tensor):
        if PyArray_TYPE(x.array) == PyArray_TYPE((<Tensor> other).array):
            return x
        dtype = common_dtype(name, x.array, (<Tensor> other).array)
    elif is_real(x.array):
        return x
    elif isinstance(other, (np.ndarray, list, tuple)):
        return operand(name, x, numbers(name, other, x))
    else:
        dtype = beside(x.array.dtype, kind(name, other))
    return x if x.array.dtype == dtype else wrap(x.array.astype(dtype))


cdef Tensor number(str name, object a, object other):
    """A Python number, NumPy scalar or array as a tensor beside ``other``."""
    if (type(a) is float or type(a) is int) and isinstance(other, Tensor) and is_real((<Tensor> other).array):
        return wrap(scalar(a, PyArray_TYPE((<Tensor> other).array)))
    if isinstance(a, (np.ndarray, list, tuple)):
        return operand(name, numbers(name, a, other), other)
    if not isinstance(other, Tensor):
        raise TypeError(f"{name}: one of the two must be a tensor, not {type(a).__name__} and {type(other).__name__}")
    dtype = other.dtype
    if not is_real((<Tensor> other).array):
        dtype = beside(dtype, kind(name, a))
    else:
        kind(name, a)
    return wrap(cast(a, dtype))


cdef Tensor numbers(str name, object a, object other):
    """An array, or a list, as a tensor. Fractions in a list take the other's dtype, as a single one does."""
    cdef object array = np.asarray(a), given = array.dtype
    if given.kind not in "biuf":
        raise TypeError(f"{name}: expected numbers, not {type(a).__name__} of dtype {given}")
    if given.kind == "f" and not isinstance(a, np.ndarray) and isinstance(other, Tensor):
        array = cast(array, other.dtype if is_real((<Tensor> other).array) else FLOAT32)
    return wrap(array.astype(INT64) if given.kind in "iu" else array)


cdef object beside(object dtype, object kind):
    """The dtype of integers or truth values and a number: any float makes float32 of them."""
    return FLOAT32 if kind is FLOAT32 else np.result_type(dtype, kind)


cdef object kind(str name, object a):
    """The dtype of a number beside a tensor of integers or truth values."""
    if isinstance(a, (bool, np.bool_)):
        return BOOL
    if isinstance(a, (int, np.integer)):
        return INT64
    if isinstance(a, (float, np.floating)):
        return FLOAT32
    raise TypeError(f"{name}: expected a tensor or a number, not {type(a).__name__}")


cdef ndarray real(Tensor x):
    """The values as floats: integers and truth values become float32."""
    return x.array if is_real(x.array) else x.array.astype(FLOAT32)


cdef Tensor zeros_of(Tensor dy):
    """The gradient of what does not change: not dy * 0, which is NaN where dy is not finite."""
    return wrap(np.zeros(shape_of(dy.array), dy.array.dtype))


cdef Tensor times(Tensor dy, Tensor factor):
    """dy * factor; no factor was kept where no gradient is wanted."""
    return None if factor is None else mul(dy, factor)


cdef ndarray compute(str name, const binary_loops* loops, str ufunc, Tensor a, Tensor b):
    """a op b: floats in our loops, which never warn about inf and NaN; integers and truth values in NumPy's."""
    if is_real(a.array):
        return map_binary(name, loops, a.array, b.array, False)
    return whole(name, ufunc, a, b)


cdef ndarray whole(str name, str ufunc, Tensor a, Tensor b):
    try:
        np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        raise ShapeError(f"{name}: {a.shape} and {b.shape} cannot be broadcast together") from None
    with np.errstate(over="ignore"):            # -2^63 // -1 wraps round, in silence like every other overflow
        return np.asarray(getattr(np, ufunc)(a.array, b.array))


# ---- arithmetic ------------------------------------------------------------------------------------------------------

cdef Tensor multiple(str name, object factor, Tensor x):
    """factor x, where x is what another tensor is added to: a fraction would change the dtype of whole numbers."""
    if isinstance(factor, (float, np.floating)) and not is_real(x.array):
        raise DtypeError(f"{name}: {factor} times a tensor of {x.dtype} has another dtype")
    return x if factor == 1 else mul(x, factor)


def add(input, other, *, alpha=1):
    """y = a + alpha b.    da = dy,  db = alpha dy"""
    cdef Tensor a = operand("add", input, other), b = operand("add", other, input)
    if alpha != 1:
        return add(a, multiple("add", alpha, b))

    def backward(y, dy):
        return dy, dy
    return record(compute("add", &add_loops, "add", a, b), (a, b), backward, ())


def sub(input, other, *, alpha=1):
    """y = a - alpha b.    da = dy,  db = -alpha dy"""
    cdef Tensor a = operand("sub", input, other), b = operand("sub", other, input)
    cdef bint b_wanted = b.requires
    if alpha != 1:
        return sub(a, multiple("sub", alpha, b))
    if PyArray_TYPE(a.array) == NPY_BOOL:
        raise DtypeError("sub: truth values cannot be subtracted; use ^ or logical_xor")

    def backward(y, dy):
        return dy, neg(dy) if b_wanted else None
    return record(compute("sub", &sub_loops, "subtract", a, b), (a, b), backward, ())


def mul(input, other):
    """y = a b.    da = dy b,  db = dy a"""
    cdef Tensor a = operand("mul", input, other), b = operand("mul", other, input)
    cdef Tensor kept_a = a if b.requires else None, kept_b = b if a.requires else None

    def backward(y, dy):
        return times(dy, kept_b), times(dy, kept_a)
    return record(compute("mul", &mul_loops, "multiply", a, b), (a, b), backward, (kept_a, kept_b))


def div(input, other, *, rounding_mode=None):
    """y = a / b.    da = dy / b,  db = -dy (a / b) / b

    ``rounding_mode``: None, "floor", or "trunc" (toward zero); a rounded quotient has no gradient.
    """
    cdef Tensor a = operand("div", input, other), b = operand("div", other, input)
    cdef Tensor kept_a
    if rounding_mode is not None:
        return _rounded_quotient(a, b, rounding_mode)
    if not is_real(a.array):
        a, b = wrap(real(a)), wrap(real(b))
    kept_a = a if b.requires else None

    def backward(y, dy):
        da = div(dy, b)
        return da, None if kept_a is None else neg(mul(da, div(kept_a, b)))
    return record(map_binary("div", &div_loops, a.array, b.array, False), (a, b), backward, (b, kept_a))


def _rounded_quotient(Tensor a not None, Tensor b not None, rounding_mode):
    """a / b rounded down ("floor") or toward zero ("trunc"), in the dtype of a and b. Its gradient is zero."""
    cdef Tensor x, z
    if rounding_mode == "floor":
        return floor_divide(a, b)
    if rounding_mode != "trunc":
        raise ValueError(f'div: rounding_mode must be None, "trunc" or "floor", not {rounding_mode!r}')
    x, z = wrap(a.array), wrap(b.array)
    if is_real(a.array):
        y = wrap(np.asarray(np.trunc(div(x, z).array)))
    else:
        y = mul(floor_divide(abs(x), abs(z)), 1 - 2 * bitwise_xor(lt(x, 0), lt(z, 0)).to(a.dtype))

    def backward(y, dy):
        return zeros_of(dy), zeros_of(dy)
    return record(y, (a, b), backward, ())


def floor_divide(input, other):
    """y = floor(a / b), Python's //. Its gradient is zero."""
    cdef Tensor a = operand("floor_divide", input, other), b = operand("floor_divide", other, input)
    if not is_real(a.array) and not b.array.all():
        raise ZeroDivisionError("floor_divide: integer division by zero")

    def backward(y, dy):
        return zeros_of(dy), zeros_of(dy)
    return record(compute("floor_divide", &floor_divide_loops, "floor_divide", a, b), (a, b), backward, ())


def remainder(input, other):
    """y = a - b floor(a / b), Python's %: it has the sign of b.    da = dy,  db = -dy floor(a / b)"""
    cdef Tensor a = operand("remainder", input, other), b = operand("remainder", other, input)
    cdef Tensor kept_a = a if b.requires else None, kept_b = b if b.requires else None
    if not is_real(a.array) and not b.array.all():
        raise ZeroDivisionError("remainder: integer division by zero")

    def backward(y, dy):
        return dy, None if kept_a is None else neg(mul(dy, floor_divide(kept_a, kept_b)))
    return record(compute("remainder", &remainder_loops, "remainder", a, b), (a, b), backward, (kept_a, kept_b))


def pow(input, exponent):
    """y = a^b.    da = dy b a^(b-1),  db = dy y ln a;  zero where b = 0, and where a = 0 and b >= 0"""
    if isinstance(input, Tensor) and isinstance(exponent, (int, float)) and is_real((<Tensor> input).array):
        return power(input, exponent)
    cdef Tensor a = operand("pow", input, exponent), b = operand("pow", exponent, input)
    cdef bint a_wanted = a.requires, b_wanted = b.requires
    if not is_real(a.array) and (b.array < 0).any():
        raise RuntimeError("pow: integers to negative integer powers are not allowed; convert to a float dtype")

    def backward(y, dy):
        da = (dy * b * pow(a, b - 1)).masked_fill(b == 0, 0) if a_wanted else None
        db = (dy * y * a.log()).masked_fill((a == 0) & (b >= 0), 0) if b_wanted else None
        return da, db
    y = compute("pow", &pow_loops, "power", a, b)
    y = y if isinstance(input, Tensor) else contiguous(y)          # as PyTorch's
    return record(y, (a, b), backward, (a, b, OUTPUT if b_wanted else None))


cdef Tensor power(Tensor x, double p):
    """y = x^p for a number p.    dx = dy p x^(p-1); zero for p = 0"""
    cdef const unary_loops* simple = (
        &square_loops if p == 2 else &cube_loops if p == 3 else &sqrt_loops if p == 0.5 else
        &rsqrt_loops if p == -0.5 else &reciprocal_loops if p == -1 else NULL)

    def backward(y, dy):
        if p == 0:
            return zeros_of(dy)
        return dy * (x * 2 if p == 2 else power(x, p - 1) * p)
    backward.__qualname__ = "pow"
    if p == 1:
        return record(x.array.copy(), (x,), backward, (x,))
    return record(map_binary("pow", &pow_loops, x.array, scalar(p, PyArray_TYPE(x.array)), False)
                  if simple is NULL else map_unary(simple, x.array), (x,), backward, (x,))


def neg(Tensor input not None):
    """y = -x.    dx = -dy"""
    if PyArray_TYPE(input.array) == NPY_BOOL:
        raise DtypeError("neg: truth values cannot be negated; use ~ or logical_not")

    def backward(y, dy):
        return neg(dy)
    out = map_unary(&neg_loops, input.array) if is_real(input.array) else np.negative(input.array)
    return record(out, (input,), backward, ())


def abs(Tensor input not None):
    """y = |x|.    dx = dy sign(x)"""
    def backward(y, dy):
        return dy * input.sign()
    out = map_unary(&absolute_loops, input.array) if is_real(input.array) else np.abs(input.array)
    return record(out, (input,), backward, (input,))


def maximum(input, other):
    """y = max(a, b); a NaN wins.    The gradient goes to the larger one, half to each where they are equal, and
    all of it to both where one is NaN."""
    return extreme("maximum", &maximum_loops, "maximum", input, other)


def minimum(input, other):
    """y = min(a, b); a NaN wins.    The gradient goes to the smaller one, half to each where they are equal, and
    all of it to both where one is NaN."""
    return extreme("minimum", &minimum_loops, "minimum", input, other)


cdef Tensor extreme(str name, const binary_loops* loops, str ufunc, object input, object other):
    cdef Tensor a = operand(name, input, other), b = operand(name, other, input)
    cdef bint larger = name == "maximum"

    def backward(y, dy):
        most = 1 - (a == b).to(dy.dtype) / 2
        smaller, bigger = (a < b).to(dy.dtype), (a > b).to(dy.dtype)        # both 0 beside a NaN
        return dy * (most - (smaller if larger else bigger)), dy * (most - (bigger if larger else smaller))
    backward.__qualname__ = name
    return record(compute(name, loops, ufunc, a, b), (a, b), backward, (a, b))


# ---- comparison: the result is bool and has no gradient --------------------------------------------------------------

cdef Tensor compare(str name, const binary_loops* loops, str ufunc, object input, object other):
    cdef Tensor a = operand(name, input, other), b = operand(name, other, input)
    if is_real(a.array):
        return wrap(map_binary(name, loops, a.array, b.array, True))
    return wrap(whole(name, ufunc, a, b))


def eq(input, other):
    """a == b, element by element."""
    return compare("eq", &eq_loops, "equal", input, other)


def ne(input, other):
    """a != b, element by element."""
    return compare("ne", &ne_loops, "not_equal", input, other)


def lt(input, other):
    """a < b, element by element."""
    return compare("lt", &lt_loops, "less", input, other)


def le(input, other):
    """a <= b, element by element."""
    return compare("le", &le_loops, "less_equal", input, other)


def gt(input, other):
    """a > b, element by element."""
    return compare("gt", &gt_loops, "greater", input, other)


def ge(input, other):
    """a >= b, element by element."""
    return compare("ge", &ge_loops, "greater_equal", input, other)


# ---- logic -----------------------------------------------------------------------------------------------------------

cdef Tensor bits(str name, str ufunc, object input, object other):
    cdef Tensor a = operand(name, input, other), b = operand(name, other, input)
    if is_real(a.array):
        raise DtypeError(f"{name}: expected integers or truth values, not {a.dtype} {a.shape}")
    return wrap(whole(name, ufunc, a, b))


def bitwise_and(input, other):
    """a & b of integers or truth values."""
    return bits("bitwise_and", "bitwise_and", input, other)


def bitwise_or(input, other):
    """a | b of integers or truth values."""
    return bits("bitwise_or", "bitwise_or", input, other)


def bitwise_xor(input, other):
    """a ^ b of integers or truth values."""
    return bits("bitwise_xor", "bitwise_xor", input, other)


def bitwise_not(Tensor input not None):
    """~a of integers or truth values."""
    if is_real(input.array):
        raise DtypeError(f"bitwise_not: expected integers or truth values, not {input.dtype} {input.shape}")
    return wrap(np.asarray(np.invert(input.array)))


def logical_and(Tensor input not None, Tensor other not None):
    """Whether both are nonzero."""
    return bitwise_and(ne(input, 0), ne(other, 0))


def logical_or(Tensor input not None, Tensor other not None):
    """Whether one of them is nonzero."""
    return bitwise_or(ne(input, 0), ne(other, 0))


def logical_xor(Tensor input not None, Tensor other not None):
    """Whether exactly one of them is nonzero."""
    return bitwise_xor(ne(input, 0), ne(other, 0))


def logical_not(Tensor input not None):
    """Whether it is zero."""
    return eq(input, 0)


sub_, mul_, div_ = in_place(sub), in_place(mul), in_place(div)
floor_divide_, remainder_, pow_ = in_place(floor_divide), in_place(remainder), in_place(pow)
bitwise_and_, bitwise_or_, bitwise_xor_ = in_place(bitwise_and), in_place(bitwise_or), in_place(bitwise_xor)
bitwise_not_, abs_, neg_ = in_place(bitwise_not), in_place(abs), in_place(neg)
absolute, negative, subtract, multiply, divide, true_divide = abs, neg, sub, mul, div, div
absolute_, negative_, subtract_, multiply_, divide_, true_divide_ = abs_, neg_, sub_, mul_, div_, div_
