import numpy as np
import pytest
import torch
import torch.nn.utils as theirs
from nn_helpers import assert_same, assert_same_gradients, leaf, transfer

from tinyrnn import nn
from tinyrnn.nn import utils as ours


def test_there_and_back():
    b = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(3, 1))
    a = transfer(nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1)), b)
    x, y = ours.parameters_to_vector(a.parameters()), theirs.parameters_to_vector(b.parameters())
    assert_same(x, y)
    (x * x).sum().backward()
    (y * y).sum().backward()
    assert_same_gradients(a.parameters(), b.parameters())
    v, w = leaf(np.arange(13, dtype=np.float32), False)
    ours.vector_to_parameters(v, a.parameters())
    theirs.vector_to_parameters(w, b.parameters())
    for p, q in zip(a.parameters(), b.parameters(), strict=True):
        assert_same(p, q)
        assert isinstance(p, nn.Parameter) and np.shares_memory(p.array, v.array)


def test_errors():
    with pytest.raises(TypeError, match="expected Tensor, but got: list"):
        ours.vector_to_parameters([1.0], [])
    with pytest.raises(ValueError, match="13"):
        ours.vector_to_parameters(leaf(np.zeros(12))[0], [leaf(np.zeros(13))[0]])
    with pytest.raises(ValueError, match="of 2 elements, for parameters that have 1"):
        ours.vector_to_parameters(leaf(np.zeros(2))[0], [leaf(np.zeros(1))[0]])
