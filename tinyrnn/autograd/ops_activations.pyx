"""Activations, and dropout.

Written so that nothing overflows where the result does not: softplus(1000) = 1000, logsigmoid(-1000) = -1000, and the
gradients of both are finite. Where PyTorch keeps a NaN or an infinity, so do these.
"""
from numpy cimport import_array

from tinyrnn.autograd.arrays cimport as_it_lies, contiguous, is_real, map_binary, map_unary
from tinyrnn.autograd.engine cimport OUTPUT, record
from tinyrnn.autograd.ops_arithmetic cimport operand, real
from tinyrnn.autograd.tensor cimport RECORDING, Tensor, get_mode, wrap
from tinyrnn.kernels.pointwise cimport (
    binary_loops, elu_loops, elu_slope_loops, gelu_backward_loops, gelu_loops, gelu_tanh_loops, leaky_relu_loops,
    leaky_relu_slope_loops, logsigmoid_backward_loops, logsigmoid_loops, relu_backward_loops, relu_loops,
    sigmoid_backward_loops, sigmoid_loops, silu_backward_loops, silu_loops, softplus_loops, softplus_slope_loops,
    tanh_backward_loops, tanh_loops,
)

import numpy as np

from tinyrnn.autograd.arrays import DtypeError
from tinyrnn.autograd.engine import in_place
from tinyrnn.autograd.generator import default_generator

import_array()

cdef double ROOT_HALF = 0.707106781186547524, ROOT_TWO_OVER_PI = 0.797884560802865356
cdef double PHI_0 = 0.398942280401432678                # the normal density at 0: 1/sqrt(2 pi)
cdef double CUBIC = 0.044715                            # gelu's tanh form: Hendrycks and Gimpel 2016, section 2


# ---- backward in one pass --------------------------------------------------------------------------------------------

cdef Tensor one_pass(const binary_loops* loops, Tensor a, Tensor dy):
    """What backward says in operations, for when nobody wants to differentiate it: one loop, written in pointwise.h."""
    return wrap(map_binary("backward", loops, a.array, dy.array, False))


# ---- squashing -------------------------------------------------------------------------------------------------------

def tanh(Tensor input not None):
    """y = tanh x.    dx = dy (1 - y^2)"""
    def backward(y, dy):
        return dy * (1 - y * y) if get_mode() == RECORDING else one_pass(&tanh_backward_loops, y, dy)
    return record(map_unary(&tanh_loops, real(input)), (input,), backward, (OUTPUT,))


def sigmoid(Tensor input not None):
    """y = 1 / (1 + e^-x).    dx = dy y (1 - y)"""
    def backward(y, dy):
        return dy * (y * (1 - y)) if get_mode() == RECORDING else one_pass(&sigmoid_backward_loops, y, dy)
    return record(map_unary(&sigmoid_loops, real(input)), (input,), backward, (OUTPUT,))


def logsigmoid(Tensor input not None):
    """y = ln sigmoid(x) = min(x, 0) - ln(1 + e^-|x|).    dx = dy sigmoid(-x)"""
    def backward(y, dy):
        return dy * sigmoid(-input) if get_mode() == RECORDING else one_pass(&logsigmoid_backward_loops, input, dy)
    return record(map_unary(&logsigmoid_loops, contiguous(real(input))), (input,), backward, (input,))


def softsign(Tensor input not None):
    """y = x / (1 + |x|).    dx = dy / (1 + |x|)^2"""
    return input / (input.abs() + 1)


def hardtanh(Tensor input not None, min_val=-1.0, max_val=1.0, bint inplace=False):
    """y = min(max(x, min_val), max_val).    dx = dy strictly inside, 0 on the bounds"""
    if min_val > max_val:
        raise ValueError(f"hardtanh: min_val {min_val} must not be greater than max_val {max_val}")
    if inplace:
        return hardtanh_(input, min_val, max_val)

    def backward(y, dy):
        return dy.masked_fill((input <= min_val) | (input >= max_val), 0)
    if not is_real(input.array):
        min_val, max_val = int(min_val), int(max_val)
    return record(wrap(input.array).clamp(min_val, max_val), (input,), backward, (input,))


# ---- rectifiers ------------------------------------------------------------------------------------------------------

def relu(Tensor input not None, bint inplace=False):
    """y = max(x, 0).    dx = dy where y > 0"""
    if inplace:
        return relu_(input)
    if input.array.dtype == bool:
        raise DtypeError(f"relu: truth values have no sign: {input.shape}")

    def backward(y, dy):
        return dy.masked_fill(y <= 0, 0) if get_mode() == RECORDING else one_pass(&relu_backward_loops, y, dy)
    out = map_unary(&relu_loops, input.array) if is_real(input.array) else np.maximum(input.array, 0)
    return record(out, (input,), backward, (OUTPUT,))


def relu6(Tensor input not None, bint inplace=False):
    """y = min(max(x, 0), 6).    dx = dy where 0 < x < 6"""
    return hardtanh(input, 0.0, 6.0, inplace)


def leaky_relu(Tensor input not None, double negative_slope=0.01, bint inplace=False):
    """y = x where x > 0, else slope x.    dx = dy where x > 0, else slope dy"""
    cdef Tensor x = wrap(real(input))
    if inplace:
        return leaky_relu_(input, negative_slope)

    def backward(y, dy):
        if get_mode() != RECORDING:
            return dy * one_pass(&leaky_relu_slope_loops, input, operand("leaky_relu", negative_slope, input))
        return dy * input.new_full(input.shape, negative_slope).masked_fill(input > 0, 1)
    return record(map_binary("leaky_relu", &leaky_relu_loops, x.array, operand("leaky_relu", negative_slope, x).array,
                             False), (input,), backward, (input,))


def elu(Tensor input not None, double alpha=1.0, bint inplace=False):
    """y = x where x > 0, else alpha (e^x - 1).    dx = dy where x > 0, else dy alpha e^x"""
    cdef Tensor x = wrap(real(input))
    if inplace:
        return elu_(input, alpha)

    def backward(y, dy):
        if get_mode() != RECORDING:
            return dy * one_pass(&elu_slope_loops, input, operand("elu", alpha, input))
        return dy * (input.clamp(max=0).exp() * alpha).masked_fill(input > 0, 1)
    return record(map_binary("elu", &elu_loops, x.array, operand("elu", alpha, x).array, False), (input,), backward,
                  (input,))


def softplus(Tensor input not None, double beta=1.0, double threshold=20.0):
    """y = ln(1 + e^(beta x)) / beta, and x itself where beta x > threshold.    dx = dy sigmoid(beta x), or dy"""
    cdef Tensor x = wrap(real(input))
    cdef Tensor z = x if beta == 1 else x * beta, limit = operand("softplus", threshold, x)

    def backward(y, dy):
        z = input * beta
        if get_mode() != RECORDING:
            return dy * one_pass(&softplus_slope_loops, z, limit)
        return dy * sigmoid(z).masked_fill(z > threshold, 1)
    out = wrap(map_binary("softplus", &softplus_loops, z.array, limit.array, False))
    return record(out if beta == 1 else out / beta, (input,), backward, (input,))


# ---- gates on their own input ----------------------------------------------------------------------------------------

def silu(Tensor input not None, bint inplace=False):
    """y = x s with s = sigmoid(x).    dx = dy s (1 + x (1 - s))"""
    if inplace:
        return silu_(input)

    def backward(y, dy):
        if get_mode() != RECORDING:
            return one_pass(&silu_backward_loops, input, dy)
        s = sigmoid(input)
        return dy * (s * (1 + input * (1 - s)))
    return record(map_unary(&silu_loops, real(input)), (input,), backward, (input,))


def gelu(Tensor input not None, *, str approximate="none"):
    """y = x P with P = (1 + erf(x / sqrt 2)) / 2, the normal distribution.    dx = dy (P + x p), p its density

    ``approximate="tanh"``: P = (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) / 2.
    """
    if approximate == "tanh":
        return gelu_tanh(input)
    if approximate != "none":
        raise RuntimeError(f'gelu: approximate must be "none" or "tanh", not {approximate!r}')

    def backward(y, dy):
        if get_mode() != RECORDING:
            return one_pass(&gelu_backward_loops, input, dy)
        P, p = ((input * ROOT_HALF).erf() + 1) * 0.5, (input * input * -0.5).exp() * PHI_0
        return dy * (P + input * p)
    return record(map_unary(&gelu_loops, real(input)), (input,), backward, (input,))


cdef Tensor gelu_tanh(Tensor input):
    """y = x (1 + t) / 2, t = tanh(u), u = c (x + k x^3).    dx = dy (1 + t + x (1 - t^2) c (1 + 3 k x^2)) / 2"""
    def backward(y, dy):
        x2 = input * input
        t = tanh(input * (x2 * CUBIC + 1) * ROOT_TWO_OVER_PI)
        return dy * ((1 + t + input * (1 - t * t) * (x2 * (3 * CUBIC) + 1) * ROOT_TWO_OVER_PI) * 0.5)
    backward.__qualname__ = "gelu"
    return record(map_unary(&gelu_tanh_loops, real(input)), (input,), backward, (input,))


# ---- dropout ---------------------------------------------------------------------------------------------------------

def dropout(Tensor input not None, double p=0.5, bint training=True, bint inplace=False):
    """y = x m / (1 - p), each m 0 with probability p, else 1 (Srivastava et al. 2014).    dx = dy m / (1 - p)

    The mask comes from the default generator. Outside training, or for p = 0, x itself is returned.
    """
    if not 0 <= p <= 1:
        raise ValueError(f"dropout: p must be a probability in [0, 1], not {p}")
    if not training or p == 0:
        return input
    if not is_real(input.array):
        raise DtypeError(f"dropout: expected float32 or float64, not {input.dtype} {input.shape}")
    if p == 1:                                          # nothing is drawn, as in PyTorch
        mask = np.zeros(input.shape, input.dtype)
    else:
        mask = as_it_lies(lambda shape: default_generator.bernoulli(1 - p, shape, input.dtype), input.array)
        mask *= 1 / (1 - p)
    return input.mul_(wrap(mask)) if inplace else input * wrap(mask)


tanh_, sigmoid_, relu_, leaky_relu_ = in_place(tanh), in_place(sigmoid), in_place(relu), in_place(leaky_relu)
elu_, silu_, hardtanh_ = in_place(elu), in_place(silu), in_place(hardtanh)
