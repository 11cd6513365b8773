"""Samplers: in which order, and in which batches, the items of a dataset are visited.

Where PyTorch has the sampler, the same seed gives the same order.
"""
import itertools
from typing import Generic, TypeVar

import numpy as np

from tinyrnn.autograd.generator import Generator, default_generator

__all__ = [
    "BatchSampler", "BucketBatchSampler", "RandomSampler", "Sampler", "SequentialSampler", "SubsetRandomSampler",
    "TokenBatchSampler", "WeightedRandomSampler",
]

Index = TypeVar("Index", covariant=True)


class Sampler(Generic[Index]):
    """Base of all samplers: a subclass gives ``__iter__`` over indices (or lists of them) and, usually, ``__len__``."""

    def __iter__(self):
        raise NotImplementedError("Subclasses of Sampler should implement __iter__.")


class SequentialSampler(Sampler[int]):
    """0, 1, 2 ... up to the length of the dataset."""

    def __init__(self, data_source):
        self.data_source = data_source

    def __iter__(self):
        return iter(range(len(self.data_source)))

    def __len__(self):
        return len(self.data_source)


class RandomSampler(Sampler[int]):
    """All indices in random order, or ``num_samples`` random ones with ``replacement``.

    Without replacement a larger ``num_samples`` begins the next random order.
    """

    def __init__(self, data_source, replacement=False, num_samples=None, generator=None):
        self.data_source, self.replacement = data_source, replacement
        self._num_samples, self.generator = num_samples, generator
        if not isinstance(replacement, bool):
            raise TypeError(f"replacement should be a boolean value, but got replacement={replacement}")
        check_positive("num_samples", self.num_samples)

    @property
    def num_samples(self):
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self):
        n, total, generator = len(self.data_source), self.num_samples, seeded(self.generator)
        if self.replacement:                        # PyTorch draws 32 at a time
            for _ in range(total // 32):
                yield from generator.randint(0, n, 32).tolist()
            yield from generator.randint(0, n, total % 32).tolist()
        else:
            for _ in range(total // n):
                yield from generator.randperm(n).tolist()
            yield from generator.randperm(n).tolist()[:total % n]

    def __len__(self):
        return self.num_samples


class SubsetRandomSampler(Sampler[int]):
    """The given indices in random order."""

    def __init__(self, indices, generator=None):
        self.indices, self.generator = indices, generator

    def __iter__(self):
        for i in (self.generator or default_generator).randperm(len(self.indices)).tolist():
            yield self.indices[i]

    def __len__(self):
        return len(self.indices)


class WeightedRandomSampler(Sampler[int]):
    """``num_samples`` indices, i with probability proportional to ``weights[i]``."""

    def __init__(self, weights, num_samples, replacement=True, generator=None):
        check_positive("num_samples", num_samples)
        if not isinstance(replacement, bool):
            raise ValueError(f"replacement should be a boolean value, but got replacement={replacement}")
        self.weights = np.array(getattr(weights, "array", weights), np.float64)
        if self.weights.ndim != 1:
            raise ValueError(f"weights should be a 1d sequence but given weights have shape {self.weights.shape}")
        self.num_samples, self.replacement, self.generator = num_samples, replacement, generator

    def __iter__(self):
        generator = self.generator or default_generator
        yield from generator.multinomial(self.weights, self.num_samples, self.replacement).tolist()

    def __len__(self):
        return self.num_samples


class BatchSampler(Sampler[list]):
    """Lists of ``batch_size`` indices from another sampler; ``drop_last`` leaves out a smaller last one."""

    def __init__(self, sampler, batch_size, drop_last):
        check_positive("batch_size", batch_size)
        if not isinstance(drop_last, bool):
            raise ValueError(f"drop_last should be a boolean value, but got drop_last={drop_last}")
        self.sampler, self.batch_size, self.drop_last = sampler, batch_size, drop_last

    def __iter__(self):
        indices = iter(self.sampler)
        while batch := list(itertools.islice(indices, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch

    def __len__(self):
        return number_of_batches(len(self.sampler), self.batch_size, self.drop_last)


class BucketBatchSampler(Sampler[list]):
    """Batches of items of similar length, so that little of a batch is padding. Every index comes exactly once.

    With ``shuffle`` the indices are put in random order, cut into pools of ``pool`` batches, and sorted by length
    within a pool; its batches are drawn from that, and all batches are put in random order. A larger pool means less
    padding and less chance. Without ``shuffle`` the batches go from short to long, equal lengths in the given order.

    lengths     the length of every item: ints, an array or a tensor
    drop_last   leaves out the one batch that is smaller than ``batch_size``
    generator   decides the order; by default one seeded by the default generator, as RandomSampler's
    """

    def __init__(self, lengths, batch_size, shuffle=True, drop_last=False, generator=None, pool=100):
        check_positive("batch_size", batch_size)
        check_positive("pool", pool)
        self.lengths = one_dimensional(lengths)
        self.batch_size, self.shuffle, self.drop_last = batch_size, shuffle, drop_last
        self.generator, self.pool = generator, pool

    def __iter__(self):
        n = len(self.lengths)
        if self.shuffle:
            generator, span = seeded(self.generator), self.pool * self.batch_size
            order = generator.randperm(n)
            pools = [order[start:start + span] for start in range(0, n, span)]
        else:
            pools = [np.arange(n)]
        batches = []
        for pool in pools:
            pool = pool[np.argsort(self.lengths[pool], kind="stable")].tolist()
            batches += BatchSampler(pool, self.batch_size, self.drop_last)
        if self.shuffle:
            batches = [batches[i] for i in generator.randperm(len(batches))]
        yield from batches

    def __len__(self):
        return number_of_batches(len(self.lengths), self.batch_size, self.drop_last)


class TokenBatchSampler(Sampler[list]):
    """Batches of items of similar length, each of at most ``max_tokens`` tokens, padding included: number of items x
    longest item. Every index comes exactly once. Long items come in small batches, so all batches take similar time.

    With ``shuffle`` items of equal length are put in random order before they are cut into batches, and all batches are
    put in random order; the number of batches stays the same. Without it the batches go from short to long.

    lengths     the length of every item: ints, an array or a tensor; one above ``max_tokens`` raises ValueError
    generator   decides the order; by default one seeded by the default generator, as RandomSampler's
    """

    def __init__(self, lengths, max_tokens, shuffle=True, generator=None):
        check_positive("max_tokens", max_tokens)
        self.lengths = one_dimensional(lengths)
        self.max_tokens, self.shuffle, self.generator = max_tokens, shuffle, generator
        if self.lengths.max(initial=0) > max_tokens:
            raise ValueError(f"item {self.lengths.argmax()} has {self.lengths.max()} tokens, more than "
                             f"max_tokens={max_tokens}")
        self.cuts = self.find_cuts()

    def find_cuts(self):
        """Where the batches begin, and the last one ends, among the items from short to long."""
        cuts = [0]
        for i, length in enumerate(np.sort(self.lengths).tolist()):
            if (i + 1 - cuts[-1]) * length > self.max_tokens:
                cuts.append(i)
        return [*cuts, len(self.lengths)] if len(self.lengths) else cuts

    def __iter__(self):
        generator = seeded(self.generator) if self.shuffle else None
        order = generator.randperm(len(self.lengths)) if generator else np.arange(len(self.lengths))
        order = order[np.argsort(self.lengths[order], kind="stable")].tolist()
        batches = [order[start:end] for start, end in itertools.pairwise(self.cuts)]
        yield from (batches[i] for i in generator.randperm(len(batches))) if generator else batches

    def __len__(self):
        return len(self.cuts) - 1


def one_dimensional(lengths):
    lengths = np.array(getattr(lengths, "array", lengths))
    if lengths.ndim != 1:
        raise ValueError(f"lengths should be a 1d sequence but has shape {lengths.shape}")
    return lengths


def check_positive(name, value):
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise ValueError(f"{name} should be a positive integer value, but got {name}={value}")


def number_of_batches(items, batch_size, drop_last):
    return items // batch_size if drop_last else -(-items // batch_size)


def seeded(generator):
    """The generator given, or a new one whose seed is one draw from the default generator, as in PyTorch."""
    return generator or Generator().manual_seed(int(default_generator.random_()))
