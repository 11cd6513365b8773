"""Gradients that are too large, made smaller in place."""
import math
import types
import warnings

import numpy as np

from tinyrnn.autograd.engine import record
from tinyrnn.autograd.grad_mode import no_grad
from tinyrnn.autograd.ops_optimise import scale, square_sum
from tinyrnn.autograd.tensor import Tensor


def gradients(parameters):
    """The gradients that the parameters, or the one parameter, have."""
    parameters = [parameters] if isinstance(parameters, Tensor) else parameters
    return [p.grad for p in parameters if p.grad is not None]


def norm(x, norm_type):
    """(sum |x|^p)^(1/p) of a tensor: for p = inf the largest |x|, for -inf the smallest, for 0 how many are not 0."""
    if norm_type == 2:
        return math.sqrt(square_sum(x))
    x = x.array
    size = np.abs(x)
    with np.errstate(all="ignore"):                 # inf and nan are answers here
        if norm_type == np.inf:
            return size.max(initial=0)
        if norm_type == -np.inf:
            return size.min(initial=np.inf)
        if norm_type == 0:
            return np.count_nonzero(x)
        return (size ** norm_type).sum() ** (1 / norm_type)


def check_foreach(foreach):
    if foreach is not None:
        raise NotImplementedError(f"clip_grad: foreach={foreach} is not supported; leave it at None")


def get_total_norm(tensors, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """The norm of all tensors together, as if they were one vector: the norm of their norms.

    ``norm_type``: p of the p-norm, or inf. With ``error_if_nonfinite`` a norm that is inf or nan raises.
    """
    check_foreach(foreach)
    tensors = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    norm_type = float(norm_type)
    dtype = tensors[0].dtype if tensors else np.dtype(np.float32)
    with np.errstate(over="ignore"):                # a norm may be too large for the first tensor's dtype
        norms = np.array([norm(x, norm_type) for x in tensors], dtype)
    total = norm(record(norms, (), None), norm_type) if tensors else 0.0
    if error_if_nonfinite and not np.isfinite(total):
        raise RuntimeError(
            f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, so it cannot be "
            "clipped. To disable this error and scale the gradients by the non-finite norm anyway, set "
            "`error_if_nonfinite=False`")
    return record(np.asarray(total, dtype), (), None)


def clip_grads_with_norm_(parameters, max_norm, total_norm, foreach=None):
    """grad <- grad min(1, max_norm / (total_norm + 1e-6)), with a norm that is already known."""
    check_foreach(foreach)
    found = gradients(parameters)
    with no_grad():
        factor = (max_norm / (total_norm + 1e-6)).clamp(max=1.0).item()
    for grad in found if factor != 1 else ():
        scale(grad, factor)


def clip_grad_norm_(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """Scales all gradients so that their norm together is at most ``max_norm``. Returns the norm before that.

    The norm is that of :func:`get_total_norm`. A norm that is not finite makes the gradients nan or zero, unless
    ``error_if_nonfinite``.
    """
    if not isinstance(parameters, Tensor):
        generator, parameters = isinstance(parameters, types.GeneratorType), list(parameters)
        if generator and not parameters:
            warnings.warn("`parameters` is an empty generator, no gradient clipping will occur.", stacklevel=2)
    total = get_total_norm(gradients(parameters), norm_type, error_if_nonfinite, foreach)
    clip_grads_with_norm_(parameters, max_norm, total, foreach)
    return total


def clip_grad_value_(parameters, clip_value, foreach=None):
    """Cuts every element of the gradients to [-clip_value, clip_value]."""
    check_foreach(foreach)
    clip_value = float(clip_value)
    with no_grad():
        for grad in gradients(parameters):
            grad.clamp_(-clip_value, clip_value)
