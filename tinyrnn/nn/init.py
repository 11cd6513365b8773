"""Initial values for parameters, in place and without history, drawn as PyTorch draws them.

After ``manual_seed(n)`` each function leaves the numbers that PyTorch leaves. ``generator=None`` is the default one.
"""
import math
import warnings

import numpy as np

from tinyrnn.autograd.arrays import as_it_lies, cast
from tinyrnn.autograd.engine import record
from tinyrnn.autograd.generator import default_generator
from tinyrnn.autograd.grad_mode import no_grad

GAINS = {"linear": 1, "sigmoid": 1, "tanh": 5 / 3, "relu": math.sqrt(2), "selu": 3 / 4,
         **{f"conv{kind}{n}d": 1 for n in (1, 2, 3) for kind in ("", "_transpose")}}


def fill(tensor, values):
    """Copies an array, or a number, into the tensor."""
    values = np.broadcast_to(cast(values, tensor.dtype), tensor.shape)
    with no_grad():
        tensor.copy_(record(values, (), None))
    return tensor


def draw(tensor, distribution, first, second, generator):
    """An array like the tensor from "uniform" (low, high) or "normal" (mean, standard deviation)."""
    source = default_generator if generator is None else generator
    more = () if distribution == "uniform" else (tensor.is_contiguous(),)
    return as_it_lies(lambda shape: getattr(source, distribution)(shape, tensor.dtype, first, second, *more),
                      tensor.array)


def calculate_gain(nonlinearity, param=None):
    """The factor that keeps the size of activations through a nonlinearity, by its name in ``nn.functional``.

    1 for linear, conv and sigmoid; 5/3 for tanh; sqrt(2) for relu; 3/4 for selu; sqrt(2 / (1 + s^2)) for leaky_relu
    with slope s = ``param``, 0.01 if left out.
    """
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, (int, float)):
            raise ValueError(f"negative_slope {slope} not a valid number")
        return math.sqrt(2 / (1 + slope ** 2))
    if nonlinearity not in GAINS:
        raise ValueError(f"Unsupported nonlinearity {nonlinearity}")
    return GAINS[nonlinearity]


# ---- plain values ----------------------------------------------------------------------------------------------------

def constant_(tensor, val):
    """Every element is ``val``."""
    return fill(tensor, val)


def ones_(tensor):
    """Every element is 1."""
    return fill(tensor, 1)


def zeros_(tensor):
    """Every element is 0."""
    return fill(tensor, 0)


def eye_(tensor):
    """The identity matrix, as far as it goes."""
    require(tensor.ndim == 2, "Only tensors with 2 dimensions are supported")
    return fill(tensor, np.eye(*tensor.shape))


def dirac_(tensor, groups=1):
    """A convolution's weight (out, in, *kernel) that lets as many channels of each group through as it can."""
    require(tensor.ndim in (3, 4, 5), "Only tensors with 3, 4, or 5 dimensions are supported")
    require(tensor.shape[0] % groups == 0, "dim 0 must be divisible by groups")
    out, centre = tensor.shape[0] // groups, tuple(n // 2 for n in tensor.shape[2:])
    values = np.zeros(tensor.shape)
    for group in range(groups):
        for channel in range(min(out, tensor.shape[1])):
            values[(group * out + channel, channel, *centre)] = 1
    return fill(tensor, values)


def uniform_(tensor, a=0.0, b=1.0, generator=None):
    """U(a, b)."""
    return fill(tensor, draw(tensor, "uniform", a, b, generator))


def normal_(tensor, mean=0.0, std=1.0, generator=None):
    """N(mean, std^2)."""
    return fill(tensor, draw(tensor, "normal", mean, std, generator))


# ---- sizes that fit the number of inputs and outputs -----------------------------------------------------------------

def _calculate_fan_in_and_fan_out(tensor):
    """How many inputs an output has, and how many outputs an input, for a weight (out, in, *kernel)."""
    require(tensor.ndim >= 2, "Fan in and fan out can not be computed for tensor with fewer than 2 dimensions")
    outputs, inputs, *kernel = tensor.shape
    return inputs * math.prod(kernel), outputs * math.prod(kernel)


def xavier_std(tensor, gain):
    return gain * math.sqrt(2.0 / float(sum(_calculate_fan_in_and_fan_out(tensor))))


def xavier_uniform_(tensor, gain=1.0, generator=None):
    """U(-a, a), a = gain sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio 2010)."""
    bound = math.sqrt(3.0) * xavier_std(tensor, gain)
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor, gain=1.0, generator=None):
    """N(0, s^2), s = gain sqrt(2 / (fan_in + fan_out)) (Glorot and Bengio 2010)."""
    return normal_(tensor, 0.0, xavier_std(tensor, gain), generator)


def kaiming_std(tensor, a, mode, nonlinearity):
    """gain / sqrt(fan); None, with a warning, for a tensor without elements."""
    if 0 in tensor.shape:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=3)
        return None
    modes = ["fan_in", "fan_out"]
    require(mode.lower() in modes, f"Mode {mode.lower()} not supported, please use one of {modes}")
    fan = _calculate_fan_in_and_fan_out(tensor)[modes.index(mode.lower())]
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


def kaiming_uniform_(tensor, a=0, mode="fan_in", nonlinearity="leaky_relu", generator=None):
    """U(-b, b), b = gain sqrt(3 / fan) (He et al. 2015, arXiv:1502.01852). ``a``: the slope of a leaky_relu."""
    std = kaiming_std(tensor, a, mode, nonlinearity)
    if std is None:
        return tensor
    bound = math.sqrt(3.0) * std
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(tensor, a=0, mode="fan_in", nonlinearity="leaky_relu", generator=None):
    """N(0, s^2), s = gain / sqrt(fan) (He et al. 2015, arXiv:1502.01852). ``a``: the slope of a leaky_relu."""
    std = kaiming_std(tensor, a, mode, nonlinearity)
    return tensor if std is None else normal_(tensor, 0.0, std, generator)


# ---- others ----------------------------------------------------------------------------------------------------------

def orthogonal_(tensor, gain=1, generator=None):
    """Rows, or columns where there are fewer of them, orthogonal and of length ``gain`` (Saxe et al. 2013).

    Dimensions after the first count as one. It is the Q of a normal matrix, each column with the sign that makes the
    diagonal of R positive.
    """
    require(tensor.ndim >= 2, "Only tensors with 2 or more dimensions are supported")
    if tensor.array.size == 0:
        return tensor
    flat = draw(tensor.contiguous(), "normal", 0.0, 1.0, generator).reshape(tensor.shape[0], -1)
    wide = flat.shape[0] < flat.shape[1]
    q, r = np.linalg.qr(flat.T if wide else flat)
    q *= np.sign(np.diagonal(r))
    return fill(tensor, (q.T if wide else q).reshape(tensor.shape) * tensor.dtype.type(gain))


def sparse_(tensor, sparsity, std=0.01, generator=None):
    """N(0, std^2), but in every column a share of ``sparsity`` of the rows, rounded up, is zero (Martens 2010)."""
    require(tensor.ndim == 2, "Only tensors with 2 dimensions are supported")
    rows, columns = tensor.shape
    zeros = math.ceil(sparsity * rows)
    values = draw(tensor, "normal", 0.0, std, generator)
    for column in range(columns):
        # as in PyTorch, the rows come from the default generator even if another one was given
        values[default_generator.randperm(rows)[:zeros], column] = 0
    return fill(tensor, values)


def trunc_normal_(tensor, mean=0.0, std=1.0, a=-2.0, b=2.0, generator=None):
    """N(mean, std^2) inside [a, b]: what falls outside is drawn anew."""
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn("mean is more than 2 std from [a, b] in nn.init.trunc_normal_. The distribution of values may be "
                      "incorrect.", stacklevel=2)
    inside = (math.erf((b - mean) / std / math.sqrt(2)) - math.erf((a - mean) / std / math.sqrt(2))) / 2
    # where most normal draws would be rejected, uniform draws are accepted with the density as probability
    method = redraw_normal if inside > 0.3 else accept_uniform
    return fill(tensor, method(tensor, mean, std, a, b, generator))


def redraw_normal(tensor, mean, std, a, b, generator):
    low, high = tensor.dtype.type(a), tensor.dtype.type(b)
    values = draw(tensor, "normal", mean, std, generator)
    while True:
        outside = (values < low) | (values > high)
        if not outside.any():
            return values
        values = np.where(outside, draw(tensor, "normal", mean, std, generator), values)


def accept_uniform(tensor, mean, std, a, b, generator):
    peak = -0.5 * ((max(a, min(mean, b)) - mean) / std) ** 2
    values, pending = None, True
    while np.any(pending):
        candidates = draw(tensor, "uniform", a, b, generator)
        values = candidates if values is None else np.where(pending, candidates, values)
        with np.errstate(divide="ignore"):
            score = np.log(draw(tensor, "uniform", 0.0, 1.0, generator))
        pending &= score > -0.5 * ((candidates - mean) / std) ** 2 - peak
    return values


def require(condition, message):
    if not condition:
        raise ValueError(message)
