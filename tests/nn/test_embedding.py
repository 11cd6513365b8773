import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from nn_helpers import assert_same, assert_same_gradients, compare, leaf, transfer

from tinyrnn import nn

OPTIONS = [{}, {"padding_idx": 2}, {"padding_idx": -1}, {"max_norm": 0.7}, {"max_norm": 1.0, "norm_type": 1.0},
           {"scale_grad_by_freq": True}, {"padding_idx": 0, "scale_grad_by_freq": True}]


def pair(*args, **options):
    theirs = torch.nn.Embedding(*args, dtype=torch.float64, **options)
    return transfer(nn.Embedding(*args, dtype=np.float64, **options), theirs), theirs


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("shape", [(), (1,), (9,), (3, 4), (0, 2)])
def test_same_as_torch(shape, options):
    ours, theirs = pair(5, 3, **options)
    assert repr(ours) == repr(theirs)
    compare(ours, theirs, np.random.default_rng(0).integers(0, 5, shape))
    assert_same(ours.weight, theirs.weight)                 # max_norm changes it
    assert_same_gradients(ours.parameters(), theirs.parameters())


@given(st.lists(st.integers(0, 6), max_size=3), st.integers(1, 20), st.integers(1, 33), st.booleans(),
       st.integers(0, 2**32 - 1))
def test_any_shape(shape, rows, width, frequency, seed):
    ours, theirs = pair(rows, width, padding_idx=rows - 1, scale_grad_by_freq=frequency)
    compare(ours, theirs, np.random.default_rng(seed).integers(0, rows, shape))
    assert_same_gradients(ours.parameters(), theirs.parameters())


@pytest.mark.parametrize("freeze", [True, False])
def test_from_pretrained(freeze):
    table, other = leaf(np.random.default_rng(0).standard_normal((4, 3)), False)
    ours = nn.Embedding.from_pretrained(table, freeze, padding_idx=-1, max_norm=2.0)
    theirs = torch.nn.Embedding.from_pretrained(other, freeze, padding_idx=-1, max_norm=2.0)
    assert repr(ours) == repr(theirs)
    assert ours.weight.requires_grad is not freeze and np.shares_memory(ours.weight.array, table.array)
    assert ours.num_embeddings == 4 and ours.embedding_dim == 3
    index = leaf(np.array([0, 3, 0]))
    assert_same(ours(index[0]), theirs(index[1]))


def test_padding_starts_at_zero():
    layer = nn.Embedding(4, 3, padding_idx=1)
    assert not layer.weight.array[1].any() and layer.weight.array[0].all()
    assert layer.weight.is_leaf and layer.weight.requires_grad


def test_errors():
    with pytest.raises(NotImplementedError, match="sparse"):
        nn.Embedding(3, 2, sparse=True)
    for index in (3, -4):
        with pytest.raises(ValueError, match="Padding_idx must be within num_embeddings"):
            nn.Embedding(3, 2, padding_idx=index)
    with pytest.raises(ValueError, match="2-dimensional"):
        nn.Embedding.from_pretrained(leaf(np.zeros(3))[0])
    for index in (3, -1):
        with pytest.raises(IndexError, match=f"embedding: index {index} is out of range"):
            nn.Embedding(3, 2)(leaf(np.array([0, index]))[0])
    with pytest.raises(TypeError, match="int64"):
        nn.Embedding(3, 2)(leaf(np.zeros(2))[0])
