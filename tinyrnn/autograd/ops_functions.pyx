"""Functions of elements: exponentials, roots, rounding, bounds, tests for special values.

Each derivative is one line of ordinary operations, so it can be differentiated again. It is written in the output
where that saves work (exp, sqrt), in the input where that is more exact.
"""
from libc.math cimport INFINITY
from numpy cimport import_array

from tinyrnn.autograd.arrays cimport cast, is_real, map_unary, shape_of
from tinyrnn.autograd.engine cimport OUTPUT, record
from tinyrnn.autograd.ops_arithmetic cimport compute, multiple, operand, real, zeros_of
from tinyrnn.autograd.tensor cimport Tensor, wrap
from tinyrnn.kernels.pointwise cimport (
    ceil_loops, cos_loops, erf_loops, exp_loops, expm1_loops, floor_loops, fmod_loops, frac_loops, log10_loops,
    log1p_loops, log2_loops, log_loops, maximum_loops, minimum_loops, reciprocal_loops, round_loops, rsqrt_loops,
    sign_loops, sin_loops, sqrt_loops, trunc_loops, unary_loops,
)

import numpy as np

from tinyrnn.autograd.arrays import DtypeError
from tinyrnn.autograd.engine import in_place

import_array()

cdef double LN2 = 0.693147180559945309, LN10 = 2.30258509299404568, TWO_OVER_ROOT_PI = 1.12837916709551257


# ---- exponentials and logarithms -------------------------------------------------------------------------------------

def exp(Tensor input not None):
    """y = e^x.    dx = dy y"""
    def backward(y, dy):
        return dy * y
    return record(map_unary(&exp_loops, real(input)), (input,), backward, (OUTPUT,))


def expm1(Tensor input not None):
    """y = e^x - 1, exact for small x.    dx = dy (y + 1)"""
    def backward(y, dy):
        return dy * (y + 1)
    return record(map_unary(&expm1_loops, real(input)), (input,), backward, (OUTPUT,))


def log(Tensor input not None):
    """y = ln x.    dx = dy / x"""
    def backward(y, dy):
        return dy / input
    return record(map_unary(&log_loops, real(input)), (input,), backward, (input,))


def log1p(Tensor input not None):
    """y = ln(1 + x), exact for small x.    dx = dy / (1 + x)"""
    def backward(y, dy):
        return dy / (input + 1)
    return record(map_unary(&log1p_loops, real(input)), (input,), backward, (input,))


def log2(Tensor input not None):
    """y = log2 x.    dx = dy / (x ln 2)"""
    def backward(y, dy):
        return dy / (input * LN2)
    return record(map_unary(&log2_loops, real(input)), (input,), backward, (input,))


def log10(Tensor input not None):
    """y = log10 x.    dx = dy / (x ln 10)"""
    def backward(y, dy):
        return dy / (input * LN10)
    return record(map_unary(&log10_loops, real(input)), (input,), backward, (input,))


# ---- powers ----------------------------------------------------------------------------------------------------------

def sqrt(Tensor input not None):
    """y = x^(1/2).    dx = dy / (2 y)"""
    def backward(y, dy):
        return dy / (y * 2)
    return record(map_unary(&sqrt_loops, real(input)), (input,), backward, (OUTPUT,))


def rsqrt(Tensor input not None):
    """y = x^(-1/2).    dx = -dy y^3 / 2"""
    def backward(y, dy):
        return dy * (y * y * y) * -0.5
    return record(map_unary(&rsqrt_loops, real(input)), (input,), backward, (OUTPUT,))


def square(Tensor input not None):
    """y = x^2.    dx = 2 dy x"""
    return input * input if input.array.dtype != bool else input.long()


def reciprocal(Tensor input not None):
    """y = 1 / x.    dx = -dy y^2"""
    def backward(y, dy):
        return -dy * (y * y)
    return record(map_unary(&reciprocal_loops, real(input)), (input,), backward, (OUTPUT,))


# ---- waves and the error function ------------------------------------------------------------------------------------

def sin(Tensor input not None):
    """y = sin x.    dx = dy cos x"""
    def backward(y, dy):
        return dy * cos(input)
    return record(map_unary(&sin_loops, real(input)), (input,), backward, (input,))


def cos(Tensor input not None):
    """y = cos x.    dx = -dy sin x"""
    def backward(y, dy):
        return -dy * sin(input)
    return record(map_unary(&cos_loops, real(input)), (input,), backward, (input,))


def erf(Tensor input not None):
    """y = 2/sqrt(pi) integral of e^(-t^2) from 0 to x.    dx = dy 2/sqrt(pi) e^(-x^2)"""
    def backward(y, dy):
        return dy * (exp(-(input * input)) * TWO_OVER_ROOT_PI)
    return record(map_unary(&erf_loops, real(input)), (input,), backward, (input,))


# ---- steps: their gradient is zero -----------------------------------------------------------------------------------

cdef Tensor step(str name, const unary_loops* loops, Tensor input):
    """A function that is flat between its jumps. Whole numbers are their own floor, ceil, round and trunc."""
    def backward(y, dy):
        return zeros_of(dy)
    backward.__qualname__ = name
    return record(map_unary(loops, input.array) if is_real(input.array) else input.array.copy(), (input,), backward, ())


def sign(Tensor input not None):
    """y = -1, 0 or 1; 0 for NaN. Its gradient is zero."""
    if not is_real(input.array):
        return wrap(input.array.copy() if input.array.dtype == bool else np.asarray(np.sign(input.array)))
    return step("sign", &sign_loops, input)


def floor(Tensor input not None):
    """The largest whole number <= x. Its gradient is zero."""
    return step("floor", &floor_loops, input)


def ceil(Tensor input not None):
    """The smallest whole number >= x. Its gradient is zero."""
    return step("ceil", &ceil_loops, input)


def trunc(Tensor input not None):
    """x without its fraction, toward zero. Its gradient is zero."""
    return step("trunc", &trunc_loops, input)


def round(Tensor input not None, *, int decimals=0):
    """x to that many decimals (negative: tens, hundreds); halves go to the even neighbour. Its gradient is zero."""
    if decimals == 0:
        return step("round", &round_loops, input)
    if not is_real(input.array):
        raise DtypeError(f"round: decimals={decimals} needs float32 or float64, not {input.dtype} {input.shape}")
    if decimals > 0:
        return round(input * 10.0 ** decimals) / 10.0 ** decimals
    return round(input / 10.0 ** -decimals) * 10.0 ** -decimals


def frac(Tensor input not None):
    """y = x - trunc(x).    dx = dy"""
    if not is_real(input.array):
        raise DtypeError(f"frac: expected float32 or float64, not {input.dtype} {input.shape}")

    def backward(y, dy):
        return dy
    return record(map_unary(&frac_loops, input.array), (input,), backward, ())


def fmod(input, other):
    """y = a - b trunc(a / b), C's remainder: it has the sign of a.    da = dy,  db = -dy trunc(a / b)"""
    cdef Tensor a = operand("fmod", input, other), b = operand("fmod", other, input)
    cdef Tensor kept_a = a if b.requires else None, kept_b = b if b.requires else None
    if not is_real(a.array) and not b.array.all():
        raise ZeroDivisionError("fmod: integer division by zero")

    def backward(y, dy):
        return dy, None if kept_a is None else -dy * trunc(kept_a / kept_b)
    return record(compute("fmod", &fmod_loops, "fmod", a, b), (a, b), backward, (kept_a, kept_b))


# ---- bounds ----------------------------------------------------------------------------------------------------------

def clamp_min(Tensor input not None, min):
    """y = max(x, min); a NaN stays.    dx = dy where x >= min,  dmin = dy where x < min"""
    cdef Tensor x = operand("clamp_min", input, min), low = operand("clamp_min", min, input)
    cdef bint low_wanted = low.requires

    def backward(y, dy):
        return dy.masked_fill(~(x >= low), 0), dy.masked_fill(~(x < low), 0) if low_wanted else None
    return record(compute("clamp_min", &maximum_loops, "maximum", x, low), (x, low), backward, (x, low))


def clamp_max(Tensor input not None, max):
    """y = min(x, max); a NaN stays.    dx = dy where x <= max,  dmax = dy where x > max"""
    cdef Tensor x = operand("clamp_max", input, max), high = operand("clamp_max", max, input)
    cdef bint high_wanted = high.requires

    def backward(y, dy):
        return dy.masked_fill(~(x <= high), 0), dy.masked_fill(~(x > high), 0) if high_wanted else None
    return record(compute("clamp_max", &minimum_loops, "minimum", x, high), (x, high), backward, (x, high))


def clamp(Tensor input not None, min=None, max=None):
    """y = min(max(x, min), max) for bounds that are numbers or tensors; max wins where they cross.    dx = dy inside

    A value on a bound passes its gradient on; a value outside passes it to the bound.
    """
    if min is None and max is None:
        raise RuntimeError("clamp: at least one of min and max is needed")
    y = input if min is None else clamp_min(input, min)
    return y if max is None else clamp_max(y, max)


def clamp_(Tensor input not None, min=None, max=None):
    """In-place clamp: the result replaces the values of the tensor, which is returned."""
    if min is None and max is None:
        raise RuntimeError("clamp_: at least one of min and max is needed")
    if not isinstance(max, (int, float, type(None))):               # tried before anything is written
        clamp_max(wrap(input.array), max).expand(input.shape)
    if min is not None:
        clamp_min_(input, min)
    return input if max is None else clamp_max_(input, max)


# ---- combinations ----------------------------------------------------------------------------------------------------

def lerp(Tensor input not None, Tensor end not None, weight):
    """y = a + w (b - a).    da = dy (1 - w),  db = dy w,  dw = dy (b - a)"""
    return input + (end - input) * weight


def addcmul(Tensor input not None, Tensor tensor1 not None, Tensor tensor2 not None, *, value=1):
    """y = x + value a b.    dx = dy,  da = dy value b,  db = dy value a"""
    return input + multiple("addcmul", value, tensor1 * tensor2)


def addcdiv(Tensor input not None, Tensor tensor1 not None, Tensor tensor2 not None, *, value=1):
    """y = x + value a / b.    dx = dy,  da = dy value / b,  db = -dy value a / b^2"""
    return input + multiple("addcdiv", value, tensor1 / tensor2)


# ---- special values --------------------------------------------------------------------------------------------------

def isnan(Tensor input not None):
    """Whether x is NaN."""
    return input != input


def isinf(Tensor input not None):
    """Whether x is infinite."""
    return wrap(np.asarray(np.isinf(input.array)))


def isfinite(Tensor input not None):
    """Whether x is neither infinite nor NaN."""
    return wrap(np.asarray(np.isfinite(input.array)))


def nan_to_num(Tensor input not None, nan=0.0, posinf=None, neginf=None):
    """x with NaN and infinities replaced, these by the dtype's limits unless given.    dx = dy, 0 where replaced"""
    if not is_real(input.array):
        return wrap(input.array.copy())

    def backward(y, dy):
        return dy.masked_fill(~isfinite(input), 0)
    values = [None if x is None else cast(x, input.array.dtype) for x in (0 if nan is None else nan, posinf, neginf)]
    out = np.asarray(np.nan_to_num(input.array, True, *values))
    return record(out, (input,), backward, (input,))


def isclose(Tensor input not None, Tensor other not None, double rtol=1e-5, double atol=1e-8, bint equal_nan=False):
    """|a - b| <= atol + rtol |b|, element by element; equal infinities are close, NaNs with ``equal_nan``."""
    cdef Tensor a = wrap(input.array), b = wrap(other.array)
    if not (rtol >= 0 and atol >= 0):
        raise ValueError(f"isclose: rtol {rtol} and atol {atol} must not be negative")
    if a.array.dtype != b.array.dtype:
        raise DtypeError(f"isclose: {a.dtype} and {b.dtype} do not match")
    if a.array.dtype == bool:
        return a == b
    distance = abs(a - b)
    close = (a == b) | ((distance <= abs(b) * rtol + atol) & (distance < INFINITY))
    return close | (isnan(a) & isnan(b)) if equal_nan else close


def allclose(Tensor input not None, Tensor other not None, double rtol=1e-5, double atol=1e-8, bint equal_nan=False):
    """Whether all elements are close, as :func:`isclose` defines it. Returns True or False."""
    return bool(isclose(input, other, rtol, atol, equal_nan).array.all())


def equal(Tensor input not None, Tensor other not None):
    """Whether both have the same shape and the same elements. Returns True or False."""
    return shape_of(input.array) == shape_of(other.array) and bool((input.array == other.array).all())


clip, clip_ = clamp, clamp_
exp_, expm1_, log_, log1p_ = in_place(exp), in_place(expm1), in_place(log), in_place(log1p)
log2_, log10_ = in_place(log2), in_place(log10)
sqrt_, rsqrt_, square_, reciprocal_ = in_place(sqrt), in_place(rsqrt), in_place(square), in_place(reciprocal)
sin_, cos_, erf_, sign_ = in_place(sin), in_place(cos), in_place(erf), in_place(sign)
floor_, ceil_, trunc_, round_ = in_place(floor), in_place(ceil), in_place(trunc), in_place(round)
frac_, fmod_, clamp_min_, clamp_max_ = in_place(frac), in_place(fmod), in_place(clamp_min), in_place(clamp_max)
lerp_, addcmul_, addcdiv_, nan_to_num_ = in_place(lerp), in_place(addcmul), in_place(addcdiv), in_place(nan_to_num)
