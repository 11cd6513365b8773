"""Datasets, and splitting them as PyTorch does."""
import numpy as np
import pytest
import torch
import torch.utils.data as theirs

import tinyrnn.autograd.methods  # noqa: F401  (activates the methods of Tensor)
import tinyrnn.utils.data as ours
from tinyrnn.autograd.creation import tensor
from tinyrnn.autograd.generator import Generator, manual_seed


class Letters(ours.IterableDataset):
    def __init__(self, text):
        self.text = text

    def __iter__(self):
        return iter(self.text)

    def __len__(self):
        return len(self.text)


def test_tensors():
    x, y = tensor(np.arange(6.0).reshape(3, 2)), tensor(np.arange(3))
    data = ours.TensorDataset(x, y)
    assert len(data) == 3
    a, b = data[1]
    assert a.array.tolist() == [2, 3]
    assert b.array == 1
    with pytest.raises(AssertionError, match="Size mismatch"):
        ours.TensorDataset(x, tensor(np.arange(4)))


def test_concat_and_subset():
    data = ours.ConcatDataset(["abc", "", "de"])
    assert len(data) == 5
    assert [data[i] for i in range(5)] == list("abcde")
    assert data[-1] == "e"
    with pytest.raises(IndexError, match="5 is out of range"):
        data[5]
    with pytest.raises(ValueError):
        data[-6]
    assert list(data) == list("abcde")
    part = ours.Subset(data, [4, 0])
    assert len(part) == 2
    assert [part[i] for i in range(2)] == ["e", "a"]
    assert part.__getitems__([1, 0]) == ["a", "e"]
    joined = part + ours.Subset(data, [1])
    assert [joined[i] for i in range(3)] == ["e", "a", "b"]
    with pytest.raises(AssertionError):
        ours.ConcatDataset([])
    with pytest.raises(AssertionError):
        ours.ConcatDataset([Letters("a")])


def test_chain():
    chain = Letters("ab") + Letters("c")
    assert list(chain) == list("abc")
    assert len(chain) == 3
    with pytest.raises(AssertionError):
        list(ours.ChainDataset(["ab"]))


def test_the_base_classes_hold_nothing():
    with pytest.raises(NotImplementedError):
        ours.Dataset()[0]
    with pytest.raises(NotImplementedError):
        iter(ours.IterableDataset())


@pytest.mark.parametrize("lengths", [[10, 0, 23], [33], [0.5, 0.25, 0.25], [0.1] * 10, [0.34, 0.33, 0.33]])
def test_split_is_pytorchs(lengths):
    manual_seed(3)
    torch.manual_seed(3)
    mine, other = ours.random_split(range(33), lengths), theirs.random_split(range(33), lengths)
    assert [part.indices for part in mine] == [part.indices for part in other]
    mine = ours.random_split(range(33), lengths, Generator().manual_seed(5))
    other = theirs.random_split(range(33), lengths, torch.Generator().manual_seed(5))
    assert [list(part) for part in mine] == [list(part) for part in other]


def test_split_errors():
    with pytest.raises(ValueError, match="does not equal"):
        ours.random_split(range(5), [1, 2])
    with pytest.raises(ValueError, match="index 0 is not between"):
        ours.random_split(range(5), [1.5, -0.5])
    with pytest.warns(UserWarning, match="Length of split at index 1 is 0"):
        ours.random_split(range(2), [0.9, 0.1])
