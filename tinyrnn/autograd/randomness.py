"""Tensors of random numbers: PyTorch's for the same seed and the same calls.

``generator=None`` stands for the default generator, the one that ``manual_seed`` seeds.
"""
import numpy as np

from tinyrnn.autograd import dtypes
from tinyrnn.autograd.arrays import DtypeError, ShapeError, as_it_lies, cast
from tinyrnn.autograd.creation import leaf, sizes_of
from tinyrnn.autograd.dtypes import as_dtype
from tinyrnn.autograd.engine import in_place
from tinyrnn.autograd.generator import Generator, default_generator
from tinyrnn.autograd.tensor import Tensor


def _chosen(generator):
    if generator is not None and not isinstance(generator, Generator):
        raise TypeError(f"generator: expected a Generator, not {type(generator).__name__}")
    return default_generator if generator is None else generator


def _real_dtype(operation, dtype):
    dtype = as_dtype(operation, dtype) or dtypes.float32
    if dtype not in (dtypes.float32, dtypes.float64):
        raise DtypeError(f"{operation}: the numbers are float32 or float64, not {dtype}")
    return dtype


# ---- new tensors -----------------------------------------------------------------------------------------------------

def rand(*size, generator=None, dtype=None, device=None, requires_grad=False) -> Tensor:
    """Uniform in [0, 1)."""
    array = _chosen(generator).uniform(sizes_of("rand", size), _real_dtype("rand", dtype))
    return leaf(array, requires_grad, device)


def randn(*size, generator=None, dtype=None, device=None, requires_grad=False) -> Tensor:
    """Normal with mean 0 and standard deviation 1."""
    array = _chosen(generator).normal(sizes_of("randn", size), _real_dtype("randn", dtype))
    return leaf(array, requires_grad, device)


def randint(low, high=None, size=None, *, generator=None, dtype=None, device=None, requires_grad=False) -> Tensor:
    """Integers in [low, high), int64 unless given: ``randint(high, size)`` starts at 0."""
    if size is None and not isinstance(high, (int, np.integer)):
        low, high, size = 0, low, high
    if high is None or size is None:
        raise TypeError("randint: expected randint(high, size) or randint(low, high, size)")
    array = _chosen(generator).randint(low, high, sizes_of("randint", (size,)))
    return leaf(cast(array, as_dtype("randint", dtype) or dtypes.int64), requires_grad, device)


def randperm(n, *, generator=None, dtype=None, device=None, requires_grad=False) -> Tensor:
    """0 .. n-1 in random order, int64 unless given."""
    array = _chosen(generator).randperm(n)
    return leaf(cast(array, as_dtype("randperm", dtype) or dtypes.int64), requires_grad, device)


def rand_like(input, *, generator=None, dtype=None, device=None, requires_grad=False) -> Tensor:
    """Uniform in [0, 1), in the input's shape and dtype."""
    dtype = dtype or input.dtype
    array = as_it_lies(lambda shape: rand(shape, generator=generator, dtype=dtype).array, input.array)
    return leaf(array, requires_grad, device)


def randn_like(input, *, generator=None, dtype=None, device=None, requires_grad=False) -> Tensor:
    """Normal with mean 0 and standard deviation 1, in the input's shape and dtype."""
    dtype, whole = _real_dtype("randn_like", dtype or input.dtype), as_it_lies(np.empty, input.array).flags.c_contiguous
    array = as_it_lies(lambda shape: _chosen(generator).normal(shape, dtype, blocks=whole), input.array)
    return leaf(array, requires_grad, device)


def randint_like(input, low, high=None, *, generator=None, dtype=None, device=None, requires_grad=False) -> Tensor:
    """Integers in [low, high), in the input's shape and dtype: ``randint_like(input, high)`` starts at 0."""
    low, high = (0, low) if high is None else (low, high)
    dtype = dtype or input.dtype
    array = as_it_lies(lambda shape: randint(low, high, shape, generator=generator, dtype=dtype).array, input.array)
    return leaf(array, requires_grad, device)


def normal(mean, std=1.0, size=None, *, generator=None, dtype=None, device=None, requires_grad=False) -> Tensor:
    """Normal, element by element: mean and std are numbers beside a size, or one or both are tensors."""
    given = [x for x in (mean, std) if isinstance(x, Tensor)]
    if bool(given) == (size is not None):
        raise TypeError("normal: expected a tensor as mean or std, or two numbers and a size")
    if not given:
        array = _chosen(generator).normal(sizes_of("normal", (size,)), _real_dtype("normal", dtype), mean, std)
        return leaf(array, requires_grad, device)
    if (np.asarray(std.array if isinstance(std, Tensor) else std) < 0).any():
        raise RuntimeError("normal: a standard deviation is negative")
    mean, std = (x.detach() if isinstance(x, Tensor) else x for x in (mean, std))
    try:
        shape = np.broadcast_shapes(*(x.shape for x in given))
    except ValueError:
        raise ShapeError(f"normal: {mean.shape} and {std.shape} cannot be broadcast together") from None
    return randn(shape, generator=generator, dtype=dtype or given[0].dtype, device=device) * std + mean


def bernoulli(input, p=None, *, generator=None) -> Tensor:
    """0 or 1, and 1 with the probability that each element states; or all with probability ``p``."""
    if p is None:
        return leaf(_chosen(generator).bernoulli(np.asarray(input.array, order="C")))
    return leaf(_chosen(generator).bernoulli(p, input.shape, input.dtype))


def multinomial(input, num_samples, replacement=False, *, generator=None) -> Tensor:
    """Indices drawn with the given weights: (C,) gives (num_samples,), (B, C) gives (B, num_samples)."""
    return leaf(_chosen(generator).multinomial(input.array, num_samples, replacement))


# ---- in place --------------------------------------------------------------------------------------------------------

_refill = in_place(lambda input, array: leaf(array))


def _fill(self, draw) -> Tensor:
    """Fills the tensor with what ``draw(shape)`` returns, one number after the other as its elements lie in memory."""
    return _refill(self, cast(as_it_lies(draw, self.array), self.dtype))


def uniform_(self, from_=0.0, to=1.0, *, generator=None) -> Tensor:
    """Fills the tensor with numbers uniform in [from_, to)."""
    return _fill(self, lambda shape: _chosen(generator).uniform(shape, self.dtype, from_, to))


def normal_(self, mean=0.0, std=1.0, *, generator=None) -> Tensor:
    """Fills the tensor with normal numbers."""
    return _fill(self, lambda shape: _chosen(generator).normal(shape, self.dtype, mean, std, self.is_contiguous()))


def exponential_(self, lambd=1.0, *, generator=None) -> Tensor:
    """Fills the tensor with exponential numbers of rate ``lambd``."""
    return _fill(self, lambda shape: _chosen(generator).exponential(shape, self.dtype, lambd))


def bernoulli_(self, p=0.5, *, generator=None) -> Tensor:
    """Fills the tensor with 0 and 1, 1 with probability ``p``: a number, or a tensor of the same shape."""
    if isinstance(p, Tensor):
        chances = np.empty_like(self.array, p.dtype)
        chances[...] = p.array
        return _refill(self, cast(_chosen(generator).bernoulli(chances), self.dtype))
    return _fill(self, lambda shape: _chosen(generator).bernoulli(p, shape))


def random_(self, from_=None, to=None, *, generator=None) -> Tensor:
    """Fills the tensor with whole numbers: in [from_, to), or below one bound, or all that the dtype counts exactly."""
    if from_ is None and to is not None:
        raise TypeError(f"random_: to={to} needs from_; one bound alone is random_({to})")
    if from_ is None and self.dtype == dtypes.int64:
        return _fill(self, _chosen(generator).random_)
    if from_ is None:
        to = {dtypes.float32: 2 ** 24 + 1, dtypes.float64: 2 ** 53 + 1, dtypes.bool: 2}[self.dtype]
    elif to is None:
        from_, to = 0, from_
    return _fill(self, lambda shape: _chosen(generator).randint(from_ or 0, to, shape))
