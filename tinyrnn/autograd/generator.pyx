# cython: language_level=3
"""Random numbers equal to PyTorch's for the same seed, as NumPy arrays.

    g = Generator().manual_seed(0)
    g.uniform((2, 3), np.float32)         # the numbers of torch.rand(2, 3) after torch.manual_seed(0)

The numbers come from the Mersenne Twister MT19937 in the order in which PyTorch draws them on a CPU, so a program that
makes the same calls sees the same numbers. Where PyTorch uses AVX2 or AVX-512 they are equal to the last bit, except
that float64 logarithms, sines and cosines are the C library's. Draws hold the interpreter's lock: threads may share a
generator.
"""
import operator
import os

import numpy as np

cimport cython
from libc.string cimport memcpy
from numpy cimport PyArray_DATA

from tinyrnn.autograd.arrays cimport as_it_lies
from tinyrnn.kernels cimport mersenne
from tinyrnn.kernels.mersenne cimport Mersenne, int64_t, uint32_t, uint64_t

DEFAULT_SEED = 67280421310721     # PyTorch's: the seed of a new generator before manual_seed


# ---- arguments ----

def _new_array(operation, shape, dtype):
    """An uninitialised array; `shape` is an int or a tuple of ints."""
    sizes = [operator.index(size) for size in (shape if isinstance(shape, (tuple, list)) else (shape,))]
    if sizes and min(sizes) < 0:
        raise RuntimeError(f"{operation}: Trying to create tensor with negative dimension {min(sizes)}: {sizes}")
    return np.empty(sizes, dtype)


def _new_real_array(operation, shape, dtype):
    dtype = np.dtype(dtype)
    if dtype != np.float32 and dtype != np.float64:
        raise NotImplementedError(f"{operation}: not implemented for {dtype}, only for float32 and float64")
    return _new_array(operation, shape, dtype)


def _int64_argument(operation, value):
    value = operator.index(value)
    if not -2**63 <= value < 2**63:
        raise ValueError(f"{operation}: {value} does not fit into an int64")
    return value


def _check_uniform_bounds(low, high, dtype):
    limit = float(np.finfo(dtype).max)
    for name, bound in ("from", low), ("to", high):
        if not abs(bound) <= limit:
            raise RuntimeError(f"uniform_: {name} is out of bounds for {dtype}, got {bound}")
    if low > high:
        raise RuntimeError(f"uniform_ expects to return a [from, to) range, but found from={low} > to={high}")
    if high - low > limit:
        raise RuntimeError(f"uniform_ expects to - from <= {limit:g}, the largest {dtype}, "
                           f"but found to={high} and from={low}")


def _check_weights(weights, num_samples, replacement):
    if weights.dtype != np.float32 and weights.dtype != np.float64:
        raise RuntimeError(f"multinomial only supports floating-point dtypes for input, got: {weights.dtype}")
    if weights.ndim not in (1, 2) or weights.shape[-1] == 0:
        raise RuntimeError(f"multinomial: prob_dist must be 1 or 2 dim and not empty, got shape {weights.shape}")
    if num_samples <= 0:
        raise RuntimeError(f"multinomial: cannot sample n_sample <= 0 samples, got {num_samples}")
    if not replacement and num_samples > weights.shape[-1]:
        raise RuntimeError("multinomial: cannot sample n_sample > prob_dist.size(-1) samples without replacement, "
                           f"got {num_samples} > {weights.shape[-1]}")
    if not ((weights >= 0) & (weights < np.inf)).all():
        raise RuntimeError("multinomial: probability tensor contains either `inf`, `nan` or element < 0")
    if not (weights > 0).any(axis=-1).all():
        raise RuntimeError("multinomial: invalid multinomial distribution (sum of probabilities <= 0)")


# ---- the generator ----

@cython.binding(False)          # Generator.random_(3) must raise: a method bound by Cython takes anything for its self
cdef class Generator:
    """A stream of random numbers (torch.Generator). A new one starts at PyTorch's default seed, 67280421310721."""

    cdef Mersenne state
    cdef uint64_t first_seed

    def __init__(self, device="cpu"):
        if str(device) != "cpu":
            raise RuntimeError(f"Generator: the only device is 'cpu', got {str(device)!r}")
        self.manual_seed(DEFAULT_SEED)

    def __reduce__(self):
        return Generator, (), self.get_state()

    def __setstate__(self, state):
        self.set_state(state)

    @property
    def device(self):
        return "cpu"

    # ---- seed and state ----

    def manual_seed(self, seed):
        """Start the stream of `seed`, an int in [-2^63, 2^64); a negative one counts as seed + 2^64. Returns self.

        As in PyTorch only the low 32 bits choose the stream.
        """
        if isinstance(seed, bool) or not hasattr(seed, "__index__"):
            raise RuntimeError(f"manual_seed expected a long, but got {type(seed).__name__}")
        seed = operator.index(seed)
        if not -2**63 <= seed < 2**64:
            raise ValueError(f"manual_seed: {seed} is outside [-2^63, 2^64)")
        self.first_seed = seed % 2**64
        mersenne.seed(&self.state, <uint32_t> self.first_seed)
        return self

    def seed(self):
        """Seed with 53 bits from the operating system and return them."""
        self.manual_seed(int.from_bytes(os.urandom(8), "little") >> 11)
        return self.initial_seed()

    def initial_seed(self):
        """The seed this stream started from, in [0, 2^64)."""
        return self.first_seed

    def get_state(self):
        """Everything that decides the coming numbers, as a dict:

        seed         what initial_seed() returns
        key          (624,) uint32, the block of the recurrence (`key` of NumPy's MT19937)
        position     int in [0, 624], words of the block already drawn (`pos` of NumPy's MT19937)
        next_normal  the second float64 of a pair of small normal draws that nobody took yet, or None
        """
        key = np.empty(624, np.uint32)
        memcpy(PyArray_DATA(key), self.state.key, sizeof(self.state.key))
        return {"seed": self.first_seed, "key": key, "position": self.state.position,
                "next_normal": self.state.next_normal if self.state.has_normal else None}

    def set_state(self, state):
        """Continue from a dict that get_state returned. The dict is copied."""
        if not isinstance(state, dict) or state.keys() != {"seed", "key", "position", "next_normal"}:
            raise TypeError("set_state expects the dict that get_state returns: seed, key, position, next_normal")
        key, next_normal = np.array(state["key"], order="C"), state["next_normal"]
        position = operator.index(state["position"])
        if key.shape != (624,) or key.dtype != np.uint32 or not 0 <= position <= 624:
            raise ValueError(f"set_state: key must be 624 uint32 and position in [0, 624], "
                             f"got key {key.shape} {key.dtype} and position {position}")
        second = 0.0 if next_normal is None else float(next_normal)
        self.first_seed = operator.index(state["seed"])
        memcpy(self.state.key, PyArray_DATA(key), sizeof(self.state.key))
        mersenne.temper(&self.state)
        self.state.position = position
        self.state.has_normal = next_normal is not None
        self.state.next_normal = second

    # ---- real numbers ----

    def uniform(self, shape, dtype=np.float32, double low=0.0, double high=1.0):
        """Uniform in [low, high): torch.rand, Tensor.uniform_."""
        out = _new_real_array("uniform_", shape, dtype)
        _check_uniform_bounds(low, high, out.dtype)
        if out.dtype == np.float32:
            mersenne.uniform[float](&self.state, <float> low, <float> high, <float *> PyArray_DATA(out), out.size)
        else:
            mersenne.uniform[double](&self.state, low, high, <double *> PyArray_DATA(out), out.size)
        return out

    def normal(self, shape, dtype=np.float32, double mean=0.0, double std=1.0, bint blocks=True):
        """Normal with the given mean and standard deviation: torch.randn, Tensor.normal_. blocks: 16 numbers at a time,
        as PyTorch fills a contiguous tensor; any other gets them one by one."""
        out = _new_real_array("normal_", shape, dtype)
        if not std >= 0:
            raise RuntimeError(f"normal expects std >= 0.0, but found std {std}")
        if out.dtype == np.float32:
            mersenne.normal[float](&self.state, mean, std, blocks, <float *> PyArray_DATA(out), out.size)
        else:
            mersenne.normal[double](&self.state, mean, std, blocks, <double *> PyArray_DATA(out), out.size)
        return out

    def exponential(self, shape, dtype=np.float32, double lambd=1.0):
        """Exponential with density lambd * exp(-lambd x): Tensor.exponential_."""
        out = _new_real_array("exponential_", shape, dtype)
        if not lambd > 0:
            raise RuntimeError(f"exponential_ expects lambda > 0.0, but found lambda={lambd}")
        if out.dtype == np.float32:
            mersenne.exponential[float](&self.state, lambd, <float *> PyArray_DATA(out), out.size)
        else:
            mersenne.exponential[double](&self.state, lambd, <double *> PyArray_DATA(out), out.size)
        return out

    def bernoulli(self, p, shape=None, dtype=np.float32):
        """Ones with probability p, else zeros.

        A number p takes a shape: Tensor.bernoulli_(p), and so the mask of dropout. An array p gives shape and dtype
        itself: torch.bernoulli(p).
        """
        if shape is None:
            p = np.asarray(p)
            out = _new_real_array("bernoulli", p.shape, p.dtype)        # of a dtype that can be drawn
            if not ((0 <= p) & (p <= 1)).all():
                raise RuntimeError("bernoulli expects every p to be in [0, 1]")
            np.less(as_it_lies(lambda shape: self.uniform(shape, p.dtype), p), p, out=out, casting="unsafe")
            return out
        if not 0 <= p <= 1:
            raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={p}")
        out = _new_real_array("bernoulli_", shape, dtype)
        if out.dtype == np.float32:
            mersenne.bernoulli[float](&self.state, p, <float *> PyArray_DATA(out), out.size)
        else:
            mersenne.bernoulli[double](&self.state, p, <double *> PyArray_DATA(out), out.size)
        return out

    # ---- integers ----

    def randint(self, low, high, shape):
        """int64 in [low, high): torch.randint."""
        low, high = _int64_argument("randint", low), _int64_argument("randint", high)
        if low >= high:
            raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}")
        out = _new_array("randint", shape, np.int64)
        mersenne.integers(&self.state, low, high - low, <int64_t *> PyArray_DATA(out), out.size)
        return out

    def random_(self, shape=()):
        """int64 in [0, 2^63): Tensor.random_() without arguments."""
        out = _new_array("random_", shape, np.int64)
        mersenne.naturals(&self.state, <int64_t *> PyArray_DATA(out), out.size)
        return out

    def randperm(self, n):
        """The int64 numbers 0 .. n-1 in random order: torch.randperm."""
        n = _int64_argument("randperm", n)
        out = _new_array("randperm", n, np.int64)
        mersenne.permutation(&self.state, <int64_t *> PyArray_DATA(out), n)
        return out

    def multinomial(self, weights, num_samples, replacement=False):
        """Indices drawn with probability proportional to weights, (C,) or (B, C): torch.multinomial.

        Returns int64 (num_samples,) or (B, num_samples). Weights need not sum to one. Without replacement the order is
        by w_i / q_i, q exponential with rate 1 (Efraimidis and Spirakis 2006).
        """
        weights = np.asarray(weights)
        _check_weights(weights, num_samples, replacement)
        if num_samples == 1 or not replacement:
            with np.errstate(over="ignore"):
                score = weights / as_it_lies(lambda shape: self.exponential(shape, weights.dtype), weights)
            return np.argsort(-score, axis=-1, kind="stable")[..., :num_samples]
        edges = np.cumsum(weights, axis=-1)
        edges /= edges[..., -1:].copy()
        edges[..., -1] = 1
        u = self.uniform((*weights.shape[:-1], num_samples), np.float64)
        if weights.ndim == 1:
            return np.searchsorted(edges, u)
        rows = [np.searchsorted(edge, row) for edge, row in zip(edges, u)]
        return np.array(rows, np.int64).reshape(u.shape)


# ---- the default generator ----

default_generator = Generator()
default_generator.seed()


def manual_seed(seed):
    """Seed the default generator and return it."""
    return default_generator.manual_seed(int(seed))


def initial_seed():
    """The seed of the default generator."""
    return default_generator.initial_seed()


def get_rng_state():
    """The state of the default generator, see Generator.get_state."""
    return default_generator.get_state()


def set_rng_state(new_state):
    """Set the state of the default generator."""
    default_generator.set_state(new_state)
