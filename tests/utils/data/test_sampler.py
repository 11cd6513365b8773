"""Samplers against PyTorch's, from the same seeds; batches by length."""
import itertools

import numpy as np
import pytest
import torch
import torch.utils.data as theirs
from hypothesis import given
from hypothesis import strategies as st

import tinyrnn.utils.data as ours
from tinyrnn.autograd.creation import tensor
from tinyrnn.autograd.generator import Generator, manual_seed

SIZES = [1, 2, 7, 16, 17, 33, 129]


def seed_both(seed):
    manual_seed(seed)
    torch.manual_seed(seed)
    return Generator().manual_seed(seed), torch.Generator().manual_seed(seed)


RANDOM = {
    "plain": lambda m, n, g: m.RandomSampler(range(n), generator=g),
    "replacement": lambda m, n, g: m.RandomSampler(range(n), True, generator=g),
    "many": lambda m, n, g: m.RandomSampler(range(n), num_samples=3 * n + 1, generator=g),
    "many-replaced": lambda m, n, g: m.RandomSampler(range(n), True, 70, generator=g),
    "subset": lambda m, n, g: m.SubsetRandomSampler([2 * i for i in range(n)], generator=g),
    "weighted": lambda m, n, g: m.WeightedRandomSampler(np.arange(1, n + 1).tolist(), 40, generator=g),
    "weighted-once": lambda m, n, g: m.WeightedRandomSampler(np.arange(1, n + 1).tolist(), n, False, generator=g),
    "batch": lambda m, n, g: m.BatchSampler(m.RandomSampler(range(n), generator=g), 4, False),
    "batch-full": lambda m, n, g: m.BatchSampler(m.RandomSampler(range(n), generator=g), 4, True),
}


@pytest.mark.parametrize("own", [False, True], ids=["default", "generator"])
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("make", RANDOM.values(), ids=RANDOM)
def test_same_seed_same_order(make, n, own):
    a, b = seed_both(n)
    mine, other = make(ours, n, a if own else None), make(theirs, n, b if own else None)
    assert len(mine) == len(other)
    for _ in range(3):
        assert list(mine) == list(other)


def test_sequential():
    assert list(ours.SequentialSampler("abc")) == [0, 1, 2]
    assert list(ours.BatchSampler(ours.SequentialSampler("abcde"), 2, False)) == [[0, 1], [2, 3], [4]]
    assert list(ours.BatchSampler(ours.SequentialSampler("abcde"), 2, True)) == [[0, 1], [2, 3]]


@pytest.mark.parametrize("make", [
    lambda m: m.RandomSampler([]),
    lambda m: m.RandomSampler([1], num_samples=0),
    lambda m: m.RandomSampler([1], num_samples=1.5),
    lambda m: m.RandomSampler([1], replacement=1),
    lambda m: m.BatchSampler([1], 0, False),
    lambda m: m.BatchSampler([1], True, False),
    lambda m: m.BatchSampler([1], 2, 1),
    lambda m: m.WeightedRandomSampler([1.0], 0),
    lambda m: m.WeightedRandomSampler([1.0], 1, 3),
    lambda m: m.WeightedRandomSampler([[1.0]], 1),
], ids=range(10))
def test_errors_are_pytorchs(make):
    with pytest.raises((ValueError, TypeError)) as mine:
        make(ours)
    with pytest.raises((ValueError, TypeError)) as other:
        make(theirs)
    assert mine.type is other.type
    assert str(mine.value) == str(other.value)


# ---- by length ----

@given(st.lists(st.integers(0, 50), max_size=100), st.integers(1, 9), st.booleans(), st.booleans(), st.integers(1, 4))
def test_every_index_comes_once(lengths, size, shuffle, drop, pool):
    sampler = ours.BucketBatchSampler(lengths, size, shuffle, drop, Generator().manual_seed(1), pool)
    batches = list(sampler)
    assert len(batches) == len(sampler)
    indices = [i for batch in batches for i in batch]
    assert len(set(indices)) == len(indices)
    if drop:
        assert all(len(batch) == size for batch in batches)
        assert len(indices) == len(lengths) // size * size
    else:
        assert sorted(indices) == list(range(len(lengths)))
        assert sum(len(batch) < size for batch in batches) == (len(lengths) % size > 0)
    assert all(lengths[i] <= lengths[j] for batch in batches for i, j in zip(batch, batch[1:], strict=False))


def padding(batches, lengths):
    return sum(max(lengths[i] for i in batch) - lengths[j] for batch in batches for j in batch)


def test_buckets_save_padding():
    lengths = np.random.default_rng(0).integers(1, 100, 2000).tolist()
    bucketed = list(ours.BucketBatchSampler(lengths, 16, generator=Generator().manual_seed(0), pool=20))
    mixed = list(ours.BatchSampler(ours.RandomSampler(lengths, generator=Generator().manual_seed(0)), 16, False))
    assert padding(bucketed, lengths) < padding(mixed, lengths) / 5
    longest = [max(lengths[i] for i in batch) for batch in bucketed]
    assert longest != sorted(longest)


def test_buckets_are_decided_by_the_generator():
    lengths = tensor(np.arange(50) % 7)
    first, second = (ours.BucketBatchSampler(lengths, 4, generator=Generator().manual_seed(3)) for _ in range(2))
    epochs = [list(first), list(first)]
    assert epochs == [list(second), list(second)]
    assert epochs[0] != epochs[1]
    sampler = ours.BucketBatchSampler(lengths, 4)
    manual_seed(5)
    epoch = list(sampler)
    assert list(sampler) != epoch
    manual_seed(5)
    assert list(sampler) == epoch
    ordered = ours.BucketBatchSampler([3, 1, 2, 1], 2, shuffle=False)
    assert list(ordered) == list(ordered) == [[1, 3], [2, 0]]


def test_bucket_arguments():
    for arguments in [([1], 0), ([1], 2, True, False, None, 0), ([[1]], 2)]:
        with pytest.raises(ValueError):
            ours.BucketBatchSampler(*arguments)


@given(st.lists(st.integers(0, 20), max_size=60), st.integers(20, 90), st.booleans())
def test_batches_by_tokens(lengths, max_tokens, shuffle):
    """Every index once; no batch is too large, and it could not take the shortest item of the next one."""
    sampler = ours.TokenBatchSampler(lengths, max_tokens, shuffle, Generator().manual_seed(0))
    for _ in range(2):
        batches = list(sampler)
        assert len(batches) == len(sampler)
        assert sorted(sum(batches, [])) == list(range(len(lengths)))
        assert all(batch and len(batch) * max(lengths[i] for i in batch) <= max_tokens for batch in batches)
        if not shuffle:
            assert sum(batches, []) == sorted(range(len(lengths)), key=lengths.__getitem__)
            for batch, following in itertools.pairwise(batches):
                assert (len(batch) + 1) * lengths[following[0]] > max_tokens


def test_batches_by_tokens_are_shuffled():
    lengths = tensor(np.arange(40) % 8 + 1)
    sampler = ours.TokenBatchSampler(lengths, 16, generator=Generator().manual_seed(0))
    again = ours.TokenBatchSampler(lengths, 16, generator=Generator().manual_seed(0))
    first, second = list(sampler), list(sampler)
    assert first == list(again) and first != second
    assert {tuple(sorted(batch)) for batch in first} != {tuple(sorted(batch)) for batch in second}
    manual_seed(3)
    drawn = list(ours.TokenBatchSampler(lengths, 16))
    manual_seed(3)
    assert drawn == list(ours.TokenBatchSampler(lengths, 16))


def test_batches_by_tokens_of_what_does_not_fit():
    with pytest.raises(ValueError, match="item 1 has 9 tokens, more than max_tokens=8"):
        ours.TokenBatchSampler([1, 9], 8)
    with pytest.raises(ValueError, match="max_tokens"):
        ours.TokenBatchSampler([1, 9], 0)
    with pytest.raises(ValueError, match="1d sequence"):
        ours.TokenBatchSampler([[1, 9]], 20)
