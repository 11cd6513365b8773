"""Losses, as functions; ``functional.py`` shows them, ``loss.py`` makes modules of them.

``reduction`` is "mean", "sum" or "none". The old ``size_average`` and ``reduce`` arguments raise.
"""
import math
import warnings

import numpy as np

from tinyrnn.autograd import fused_loss, reference_loss
from tinyrnn.autograd.arrays import DtypeError, ShapeError, cast
from tinyrnn.autograd.engine import record
from tinyrnn.autograd.fused import is_fused_enabled
from tinyrnn.autograd.grad_mode import no_grad
from tinyrnn.autograd.ops_activations import logsigmoid
from tinyrnn.autograd.ops_gather import where
from tinyrnn.autograd.ops_linalg import linear
from tinyrnn.autograd.ops_softmax import log_softmax
from tinyrnn.autograd.reference_loss import class_dim, negative_likelihood, over_classes

SMALLEST = float(np.float32(1e-12))          # PyTorch's constant is a float32, also where the numbers are float64


def check_reduction(name, reduction, size_average=None, reduce=None):
    if size_average is not None or reduce is not None:
        raise TypeError(f"{name}: size_average and reduce are gone; use reduction='mean', 'sum' or 'none'")
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{reduction} is not a valid value for reduction")


def check_smoothing(label_smoothing):
    if not 0.0 <= label_smoothing <= 1.0:
        raise ValueError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")


def check_ignored(name, ignore_index):
    if not hasattr(ignore_index, "__index__"):
        raise TypeError(f"{name}: ignore_index must be a whole number, not {ignore_index!r}")


def reduced(loss, reduction):
    return loss.mean() if reduction == "mean" else loss.sum() if reduction == "sum" else loss


# ---- classes ---------------------------------------------------------------------------------------------------------

def cross_entropy(input, target, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean",
                  label_smoothing=0.0):
    """loss = -w_t log softmax(x)_t for the class t of every row; "mean" divides by the sum of the weights w_t.

    input   (C,), (N, C) or (N, C, d1, ...): scores of C classes
    target  the classes, int64: (), (N,) or (N, d1, ...); or their probabilities, in the shape of input
    weight  (C,): a weight for every class
    ignore_index     rows of this class count for nothing; a mean over no row at all is nan
    label_smoothing  the share of every target that is spread evenly over all classes (Szegedy et al. 2016)

    A class outside [0, C) raises IndexError.
    """
    check_reduction("cross_entropy", reduction, size_average, reduce)
    check_smoothing(label_smoothing)
    check_ignored("cross_entropy", ignore_index)
    if target.shape == input.shape and input.ndim:
        return soft_cross_entropy(input, target, weight, reduction, label_smoothing, ignore_index)
    module = fused_loss if is_fused_enabled() else reference_loss
    return module.cross_entropy(input, target, weight, ignore_index, reduction, label_smoothing)


def linear_cross_entropy(input, linear_weight, target, *, linear_bias=None, weight=None, reduction="mean",
                         ignore_index=None, label_smoothing=0.0):
    """cross_entropy(linear(input, linear_weight, linear_bias), target, ...), without all the scores in memory at once.

    input (N, I) or (I,), linear_weight (C, I), linear_bias (C,); the others, and what is raised, as in
    :func:`cross_entropy`. With the reductions "mean" and "sum" and targets (N,) that are classes it is one node, which
    makes the scores of at most 512 rows at a time, and the gradients at once: without a backward pass to come, call it
    in ``no_grad``. For a gradient of 1, as ``loss.backward()`` gives it, every bit is that of the two functions.
    """
    check_reduction("linear_cross_entropy", reduction)
    check_smoothing(label_smoothing)
    ignore_index = -100 if ignore_index is None else ignore_index
    check_ignored("linear_cross_entropy", ignore_index)
    differentiated = weight is not None and weight.requires_grad
    if reduction == "none" or target.dtype.kind == "f" or input.ndim != 2 or differentiated:
        return cross_entropy(linear(input, linear_weight, linear_bias), target, weight, ignore_index=ignore_index,
                             reduction=reduction, label_smoothing=label_smoothing)
    module = fused_loss if is_fused_enabled() else reference_loss
    return module.linear_cross_entropy(input, linear_weight, linear_bias, target, weight, ignore_index, reduction,
                                       label_smoothing)


def soft_cross_entropy(input, target, weight, reduction, label_smoothing, ignore_index):
    """Targets that are probabilities: loss = -sum_c w_c p_c log softmax(x)_c; "mean" divides by the number of rows."""
    if target.dtype.kind != "f":
        raise DtypeError("cross_entropy: Expected floating point type for target with class probabilities, got "
                         f"{target.dtype}")
    if ignore_index >= 0:
        raise ValueError("cross_entropy: ignore_index is not supported for targets that are class probabilities")
    dim = class_dim("cross_entropy", input)
    logs, classes = log_softmax(input, dim), input.shape[dim]
    if label_smoothing > 0:
        target = target * (1 - label_smoothing) + label_smoothing / classes
    product = logs * target if weight is None else logs * target * over_classes(weight, logs, dim)
    if reduction == "none":
        return -product.sum(dim)
    rows = logs.array.size / classes if classes else 0
    return -product.sum() / rows if reduction == "mean" else -product.sum()


def nll_loss(input, target, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean"):
    """loss = -w_t x_t, x log-probabilities: what :func:`cross_entropy` does after its log-softmax. Shapes as there."""
    check_reduction("nll_loss", reduction, size_average, reduce)
    check_ignored("nll_loss", ignore_index)
    return negative_likelihood("nll_loss", input, target, weight, ignore_index, reduction)


# ---- yes or no -------------------------------------------------------------------------------------------------------

def binary_cross_entropy(input, target, weight=None, size_average=None, reduce=None, reduction="mean"):
    """loss = -w (t log x + (1 - t) log(1 - x)) for probabilities x, t in [0, 1]. Logarithms stop at -100.

    Its gradient dx = dy w (x - t) / (x (1 - x)) does not stop there; its denominator is at least 1e-12.
    """
    check_reduction("binary_cross_entropy", reduction, size_average, reduce)
    if target.shape != input.shape:
        raise ShapeError(f"Using a target size ({target.shape}) that is different to the input size ({input.shape}) is "
                         "deprecated. Please ensure they have the same size.")
    for name, x in (("input", input), ("target", target)):
        if not ((x.array >= 0) & (x.array <= 1)).all():
            raise ValueError(f"binary_cross_entropy: all elements of {name} should be between 0 and 1")

    def backward(y, dy):
        dx = dy * (input - target) / ((1 - input) * input).clamp(min=SMALLEST)
        dt = dy * ((-input).log1p() - input.log()) if target.requires_grad else None
        return dx, dt

    with no_grad():
        yes, no = input.log().clamp(min=-100), (-input).log1p().clamp(min=-100)
        out = (target - 1) * no - target * yes
    loss = record(out, (input, target), backward, (input, target))
    return reduced(loss if weight is None else loss * weight, reduction)


def binary_cross_entropy_with_logits(input, target, weight=None, size_average=None, reduce=None, reduction="mean",
                                     pos_weight=None):
    """loss = -w (p t log s(x) + (1 - t) log(1 - s(x))), s the sigmoid, without overflow for any score x.

    ``pos_weight`` p: the weight of a yes, broadcast over the last dimensions.
    """
    check_reduction("binary_cross_entropy_with_logits", reduction, size_average, reduce)
    if target.shape != input.shape:
        raise ShapeError(f"Target size ({target.shape}) must be the same as input size ({input.shape})")
    logs = logsigmoid(input)
    if pos_weight is not None:
        logs = logs * ((pos_weight - 1) * target + 1)
    loss = (1 - target) * input - logs                  # log(1 - s(x)) = log s(x) - x
    return reduced(loss if weight is None else loss * weight, reduction)


# ---- numbers ---------------------------------------------------------------------------------------------------------

def difference(input, target):
    """input - target, with PyTorch's warning where one of them is broadcast."""
    if target.shape != input.shape:
        warnings.warn(f"Using a target size ({target.shape}) that is different to the input size ({input.shape}). This "
                      "will likely lead to incorrect results due to broadcasting. Please ensure they have the same "
                      "size.", stacklevel=3)
    return input - target


def weighted(input, loss, weight, reduction):
    """The loss times a weight of the input's shape; "mean" divides by the sum of the weights."""
    if weight is None:
        return reduced(loss, reduction)
    if weight.shape != input.shape:
        raise ShapeError(f"Weights and input must have the same size: {weight.shape} and {input.shape}")
    loss = loss * weight
    return loss.sum() / weight.sum() if reduction == "mean" else reduced(loss, reduction)


def mse_loss(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    """loss = w (x - t)^2."""
    check_reduction("mse_loss", reduction, size_average, reduce)
    d = difference(input, target)
    return weighted(input, d * d, weight, reduction)


def l1_loss(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    """loss = w |x - t|."""
    check_reduction("l1_loss", reduction, size_average, reduce)
    return weighted(input, difference(input, target).abs(), weight, reduction)


def smooth_l1_loss(input, target, size_average=None, reduce=None, reduction="mean", beta=1.0):
    """loss = d^2 / (2 beta) where |d| < beta, else |d| - beta / 2, with d = x - t (Girshick 2015)."""
    check_reduction("smooth_l1_loss", reduction, size_average, reduce)
    if beta < 0:
        raise ValueError(f"smooth_l1_loss does not support negative values for beta: {beta}")
    d = difference(input, target)
    size, small = d.abs(), d.masked_fill(d.isinf(), 0.0)    # a square of infinity, unused, has a gradient NaN
    loss = size if beta == 0 else where(size < beta, small * small * (0.5 / beta), size - 0.5 * beta)
    return reduced(loss, reduction)


def huber_loss(input, target, reduction="mean", delta=1.0, weight=None):
    """loss = d^2 / 2 where |d| <= delta, else delta (|d| - delta / 2), with d = x - t (Huber 1964)."""
    check_reduction("huber_loss", reduction)
    if delta <= 0:
        raise ValueError(f"huber_loss does not support non-positive values for delta: {delta}")
    d = difference(input, target)
    size, small = d.abs(), d.masked_fill(d.isinf(), 0.0)    # as above
    loss = where(size <= delta, small * small * 0.5, (size - 0.5 * delta) * delta)
    if weight is not None and weight.shape != input.shape:
        raise ShapeError(f"Weights and input must have the same size: {weight.shape} and {input.shape}")
    return reduced(loss if weight is None else loss * weight, reduction)     # a plain mean, as in PyTorch


def kl_div(input, target, size_average=None, reduce=None, reduction="mean", log_target=False):
    """loss = t (log t - x) for log-probabilities x; with ``log_target`` t is given as a logarithm too.

    "batchmean" divides the sum by the length of the first dimension, which is the mathematical definition.
    """
    check_reduction("kl_div", "sum" if reduction == "batchmean" else reduction, size_average, reduce)
    if reduction == "mean":
        warnings.warn("reduction: 'mean' divides the total loss by both the batch size and the support size. "
                      "'batchmean' divides only by the batch size, and aligns with the KL div math definition.",
                      stacklevel=2)
    if log_target:
        loss = target.exp() * (target - input)
    else:                                               # t log t is 0 at t = 0
        loss = target * target.masked_fill(target == 0, 1.0).log() - target * input
    if reduction == "batchmean":
        return loss.sum() / input.shape[0] if input.ndim else loss.sum()
    return reduced(loss, reduction)


def gaussian_nll_loss(input, target, var, full=False, eps=1e-6, reduction="mean"):
    """loss = (log v + (x - t)^2 / v) / 2, with v = max(var, eps); with ``full`` plus log(2 pi) / 2.

    ``var``: a number, or the shape of input with its last dimension, or any one, of length 1 or missing. The limit
    ``eps`` is not seen by the gradient (Nix and Weigend 1994).
    """
    check_reduction("gaussian_nll_loss", reduction)
    if isinstance(var, (int, float)):
        var = record(np.full(input.shape, cast(var, input.dtype)), (), None)
    if (var.array < 0).any():
        raise ValueError("var has negative entry/entries")
    if var.shape != input.shape:
        different = [b for a, b in zip(input.shape, var.shape, strict=False) if a != b]
        if var.shape == input.shape[:-1]:
            var = var.unsqueeze(-1)
        elif var.ndim != input.ndim or different != [1]:
            raise ShapeError(f"var is of incorrect size: {var.shape} for an input of shape {input.shape}")
    var = where(var < eps, var - var.detach() + eps, var)
    loss = (var.log() + (input - target) ** 2 / var) * 0.5
    return reduced(loss + 0.5 * math.log(2 * math.pi) if full else loss, reduction)


def mixture_nll_loss(logits, means, log_scales, target, reduction="mean"):
    """loss = -log sum_k w_k prod_d N(t_d; m_kd, s_kd), with w = softmax of the logits and s = exp(log_scales).

    logits (..., K), means and log_scales (..., K, D), target (..., D); "none" gives (...). The sum is taken over
    logarithms, so that densities too small or large for a float are right. Another shape raises ShapeError.
    """
    check_reduction("mixture_nll_loss", reduction)
    *rows, D = target.shape
    shape = (*rows, logits.shape[-1], D)
    if logits.shape != shape[:-1] or means.shape != shape or log_scales.shape != shape:
        raise ShapeError(f"mixture_nll_loss: expected logits (..., K), means and log_scales (..., K, D), target "
                         f"(..., D); got {logits.shape}, {means.shape}, {log_scales.shape}, {target.shape}")
    z = (target.unsqueeze(-2) - means) * (-log_scales).exp()
    logs = -0.5 * (z * z + math.log(2 * math.pi)) - log_scales
    return reduced(-(logits.log_softmax(-1) + logs.sum(-1)).logsumexp(-1), reduction)
