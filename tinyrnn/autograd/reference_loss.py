"""Cross-entropy in primitive operations, alone and after a linear layer: the specification of the fused ones."""
import numpy as np

from tinyrnn.autograd.arrays import DtypeError, ShapeError
from tinyrnn.autograd.engine import record
from tinyrnn.autograd.ops_linalg import linear
from tinyrnn.autograd.ops_softmax import log_softmax


def cross_entropy(input, target, weight=None, ignore_index=-100, reduction="mean", label_smoothing=0.0):
    """loss = -w_t log softmax(x)_t for the class t of every row; "mean" divides by the sum of the weights w_t.

    input (C,), (N, C) or (N, C, d1, ...), target (), (N,) or (N, d1, ...), weight (C,). Rows of class ignore_index
    count for nothing. With label smoothing a: (1 - a) of this loss, and a / C of the sum over all classes as targets.
    """
    dim = class_dim("cross_entropy", input)
    logs = log_softmax(input, dim)
    loss = negative_likelihood("cross_entropy", logs, target, weight, ignore_index, reduction)
    if label_smoothing == 0:
        return loss
    weighted = logs if weight is None else logs * over_classes(weight, logs, dim)
    even = -weighted.sum(dim).masked_fill(target == ignore_index, 0.0)
    if reduction != "none":
        even = even.sum()
    if reduction == "mean":
        even = even / total_weight(target, weight, ignore_index, even.dtype)
    return loss * (1 - label_smoothing) + even * (label_smoothing / input.shape[dim])


def linear_cross_entropy(input, linear_weight, linear_bias, target, weight=None, ignore_index=-100, reduction="mean",
                         label_smoothing=0.0):
    """loss = cross_entropy(x W^T + b, target, ...): input x (N, I), linear_weight W (C, I), linear_bias b (C,)."""
    scores = linear(input, linear_weight, linear_bias)
    return cross_entropy(scores, target, weight, ignore_index, reduction, label_smoothing)


def negative_likelihood(name, logs, target, weight, ignore_index, reduction):
    dim = class_dim(name, logs)
    check_classes(name, logs.shape, target, weight, ignore_index, dim)
    ignored = target == ignore_index
    kept = target.masked_fill(ignored, 0)
    loss = -logs.gather(dim, kept.unsqueeze(dim)).squeeze(dim) if logs.shape[dim] else logs.sum(dim)
    if weight is not None:
        loss = loss * weight[kept]
    loss = loss.masked_fill(ignored, 0.0)
    if reduction == "mean":
        return loss.sum() / total_weight(target, weight, ignore_index, loss.dtype)
    return loss.sum() if reduction == "sum" else loss


def class_dim(name, input):
    if input.ndim == 0:
        raise ShapeError(f"{name}: the input needs a dimension of classes, its shape is ()")
    return 0 if input.ndim == 1 else 1


def check_shapes(name, shape, target, weight, dim):
    classes = shape[dim]
    if target.dtype.kind != "i":
        raise DtypeError(f"{name}: expected classes as int64, not {target.dtype} of shape {target.shape} "
                         f"for an input of shape {shape}")
    if target.shape != shape[:dim] + shape[dim + 1:]:
        raise ShapeError(f"{name}: the input {shape} needs a target of shape {shape[:dim] + shape[dim + 1:]}, "
                         f"not {target.shape}")
    if weight is not None and weight.shape != (classes,):
        raise ShapeError(f"{name}: weight tensor should be defined either for all {classes} classes or no classes but "
                         f"got weight tensor of shape: {weight.shape}")


def check_classes(name, shape, target, weight, ignore_index, dim):
    """Raises unless every target is a class, or ignored, and the shapes fit."""
    check_shapes(name, shape, target, weight, dim)
    classes = shape[dim]
    wrong = ((target.array < 0) | (target.array >= classes)) & (target.array != ignore_index)
    if wrong.any():
        raise IndexError(f"{name}: Target {target.array[wrong][0]} is out of bounds for {classes} classes")


def total_weight(target, weight, ignore_index, dtype):
    """The sum of the weights of all rows that count."""
    kept = target.array[target.array != ignore_index]
    with np.errstate(over="ignore"):
        total = len(kept) if weight is None else weight.array[kept].sum()
    return record(np.asarray(total, dtype), (), None)


def over_classes(weight, logs, dim):
    """A weight (C,) in a shape that multiplies (N, C, d1, ...)."""
    classes = logs.shape[dim]
    if weight.shape != (classes,):
        raise ShapeError(f"cross_entropy: weight tensor should be defined either for all {classes} classes or no "
                         f"classes but got weight tensor of shape: {weight.shape}")
    return weight.reshape([classes] + [1] * (logs.ndim - dim - 1))
