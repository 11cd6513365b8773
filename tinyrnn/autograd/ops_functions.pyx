"""Functions of one tensor, element by element: exponentials, roots, rounding, activations."""
from numpy cimport import_array

from tinyrnn.autograd.arrays cimport map_unary
from tinyrnn.autograd.engine cimport OUTPUT, record
from tinyrnn.autograd.ops_arithmetic cimport real
from tinyrnn.autograd.tensor cimport Tensor
from tinyrnn.kernels.pointwise cimport exp_loops, log_loops, sigmoid_loops, sign_loops, tanh_loops

import_array()


def exp(Tensor input not None):
    """y = e^x.    dx = dy y"""
    def backward(y, dy):
        return dy * y
    return record(map_unary(&exp_loops, real(input)), (input,), backward, (OUTPUT,))


def log(Tensor input not None):
    """y = ln x.    dx = dy / x"""
    def backward(y, dy):
        return dy / input
    return record(map_unary(&log_loops, real(input)), (input,), backward, (input,))


def sign(Tensor input not None):
    """y = -1, 0 or 1. Its gradient is zero."""
    def backward(y, dy):
        return None
    return record(map_unary(&sign_loops, real(input)), (input,), backward, ())


def tanh(Tensor input not None):
    """y = tanh x.    dx = dy (1 - y^2)"""
    def backward(y, dy):
        return dy * (1 - y * y)
    return record(map_unary(&tanh_loops, real(input)), (input,), backward, (OUTPUT,))


def sigmoid(Tensor input not None):
    """y = 1 / (1 + e^-x).    dx = dy y (1 - y)"""
    def backward(y, dy):
        return dy * y * (1 - y)
    return record(map_unary(&sigmoid_loops, real(input)), (input,), backward, (OUTPUT,))
