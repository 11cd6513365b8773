"""A light framework for recurrent networks on CPUs, with PyTorch's names and numbers."""

# ruff: noqa: I001 - the order matters: no other compiled module may load before the processor is checked
from tinyrnn import kernels  # noqa: F401

from tinyrnn.autograd.arrays import DtypeError, ShapeError
from tinyrnn.autograd.device import device
from tinyrnn.autograd.dtypes import bool, double, float, float32, float64, int64, long
from tinyrnn.autograd.engine import record
from tinyrnn.autograd.generator import (
    Generator, default_generator, get_rng_state, initial_seed, manual_seed, set_rng_state,
)
from tinyrnn.autograd.grad_mode import (
    enable_grad, inference_mode, is_grad_enabled, is_inference_mode_enabled, no_grad, set_grad_enabled,
)
from tinyrnn.autograd.fused import is_fused_enabled, use_fused
from tinyrnn.autograd.tensor import Tensor
from tinyrnn.autograd.ops_arithmetic import (
    abs, absolute, add, bitwise_and, bitwise_not, bitwise_or, bitwise_xor, div, divide, eq, floor_divide, ge,
    gt, le, logical_and, logical_not, logical_or, logical_xor, lt, maximum, minimum, mul, multiply, ne, neg,
    negative, pow, remainder, sub, subtract, true_divide,
)
from tinyrnn.autograd.ops_functions import (
    addcdiv, addcmul, allclose, ceil, clamp, clamp_max, clamp_min, clip, cos, equal, erf, exp, expm1, floor,
    fmod, frac, isclose, isfinite, isinf, isnan, lerp, log, log10, log1p, log2, nan_to_num, reciprocal, round,
    rsqrt, sign, sin, sqrt, square, trunc,
)
from tinyrnn.autograd.ops_activations import dropout, relu, sigmoid, tanh
from tinyrnn.autograd.ops_memory import clone, detach, numel
from tinyrnn.autograd.ops_shape import (
    broadcast_to, chunk, diagonal, flatten, moveaxis, movedim, narrow, permute, ravel, reshape, select, split,
    squeeze, swapaxes, swapdims, t, transpose, unbind, unflatten, unsqueeze,
)
from tinyrnn.autograd.ops_join import (
    cat, concat, concatenate, diag, flip, repeat_interleave, roll, stack, tile, tril, triu,
)
from tinyrnn.autograd.ops_gather import (
    argwhere, gather, index_add, index_copy, index_fill, index_select, masked_fill, masked_scatter,
    masked_select, nonzero, scatter, scatter_add, take, take_along_dim, where,
)
from tinyrnn.autograd.ops_reduce import all, any, count_nonzero, logsumexp, mean, norm, std, sum, var, var_mean
from tinyrnn.autograd.ops_extreme import amax, amin, argmax, argmin, max, min
from tinyrnn.autograd.ops_scan import cumprod, cumsum, prod
from tinyrnn.autograd.ops_softmax import log_softmax, softmax
from tinyrnn.autograd.ops_sort import argsort, bincount, sort, topk, unique
from tinyrnn.autograd.ops_linalg import addmm, addmv, baddbmm, bilinear, bmm, dot, inner, matmul, mm, mv, outer
from tinyrnn.autograd.ops_einsum import einsum
from tinyrnn.autograd.ops_convert import is_floating_point, is_inference
from tinyrnn.autograd.creation import (
    arange, as_tensor, BoolTensor, DoubleTensor, empty, empty_like, eye, FloatTensor, from_numpy, full,
    full_like, is_tensor, linspace, LongTensor, ones, ones_like, tensor, zeros, zeros_like,
)
from tinyrnn.autograd.randomness import (
    bernoulli, multinomial, normal, rand, rand_like, randint, randint_like, randn, randn_like, randperm,
)
from tinyrnn.config import __version__, show_config
from tinyrnn.io.checkpoint import CheckpointError, load, save
from tinyrnn.kernels.parallel import get_num_threads, set_num_threads

from tinyrnn import autograd, io, nn, optim

__all__ = [
    "__version__", "abs", "absolute", "add", "addcdiv", "addcmul", "addmm", "addmv", "all", "allclose",
    "amax", "amin", "any", "arange", "argmax", "argmin", "argsort", "argwhere", "as_tensor", "autograd",
    "baddbmm", "bernoulli", "bilinear", "bincount", "bitwise_and", "bitwise_not", "bitwise_or", "bitwise_xor",
    "bmm", "bool", "BoolTensor", "broadcast_to", "cat", "ceil", "CheckpointError", "chunk", "clamp",
    "clamp_max", "clamp_min", "clip", "clone", "concat", "concatenate", "cos", "count_nonzero", "cumprod",
    "cumsum", "default_generator", "detach", "device", "diag", "diagonal", "div", "divide", "dot", "double",
    "DoubleTensor", "dropout", "DtypeError", "einsum", "empty", "empty_like", "enable_grad", "eq", "equal",
    "erf", "exp", "expm1", "eye", "flatten", "flip", "float", "float32", "float64", "FloatTensor", "floor",
    "floor_divide", "fmod", "frac", "from_numpy", "full", "full_like", "gather", "ge", "Generator",
    "get_num_threads", "get_rng_state", "gt", "index_add", "index_copy", "index_fill", "index_select",
    "inference_mode", "initial_seed", "inner", "inspect", "int64", "io", "is_floating_point", "is_fused_enabled",
    "is_grad_enabled", "is_inference", "is_inference_mode_enabled", "is_tensor", "isclose", "isfinite",
    "isinf", "isnan", "le", "lerp", "linspace", "load", "log", "log10", "log1p", "log2", "log_softmax",
    "logical_and", "logical_not", "logical_or", "logical_xor", "logsumexp", "long", "LongTensor", "lt",
    "manual_seed", "masked_fill", "masked_scatter", "masked_select", "matmul", "max", "maximum", "mean",
    "min", "minimum", "mm", "moveaxis", "movedim", "mul", "multinomial", "multiply", "mv", "nan_to_num",
    "narrow", "ne", "neg", "negative", "nn", "no_grad", "nonzero", "norm", "normal", "numel", "ones",
    "ones_like", "optim", "outer", "permute", "pow", "prod", "rand", "rand_like", "randint", "randint_like",
    "randn", "randn_like", "randperm", "ravel", "reciprocal", "record", "relu", "remainder",
    "repeat_interleave", "reshape", "roll", "round", "rsqrt", "save", "scatter", "scatter_add", "select",
    "set_grad_enabled", "set_num_threads", "set_rng_state", "ShapeError", "show_config", "sigmoid", "sign",
    "sin", "softmax", "sort", "split", "sqrt", "square", "squeeze", "stack", "std", "sub", "subtract", "sum",
    "swapaxes", "swapdims", "t", "take", "take_along_dim", "tanh", "tensor", "Tensor", "tile", "topk",
    "transpose", "tril", "triu", "true_divide", "trunc", "unbind", "unflatten", "unique", "unsqueeze",
    "use_fused", "utils", "var", "var_mean", "where", "zeros", "zeros_like",
]


def __getattr__(name):
    """inspect and utils are loaded when first used: a program that serves a model needs neither."""
    if name in ("inspect", "utils"):
        import importlib

        return importlib.import_module(f"tinyrnn.{name}")
    raise AttributeError(f"module 'tinyrnn' has no attribute {name!r}")
