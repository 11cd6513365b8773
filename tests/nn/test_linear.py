import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from nn_helpers import assert_same_gradients, compare, transfer

from tinyrnn import nn


def pair(name, *args, dtype="float64", **options):
    theirs = getattr(torch.nn, name)(*args, dtype=getattr(torch, dtype), **options)
    return transfer(getattr(nn, name)(*args, dtype=np.dtype(dtype), **options), theirs), theirs


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(3,), (1, 3), (5, 3), (2, 4, 3), (0, 3), (129, 3)])
def test_linear(shape, dtype, bias):
    ours, theirs = pair("Linear", 3, 17, bias=bias, dtype=dtype)
    assert repr(ours) == repr(theirs)
    compare(ours, theirs, np.random.default_rng(0).standard_normal(shape).astype(dtype))
    assert_same_gradients(ours.parameters(), theirs.parameters())


@given(st.lists(st.integers(0, 5), max_size=3), st.integers(1, 33), st.integers(1, 33), st.integers(0, 2**32 - 1))
def test_linear_of_any_shape(batch, inputs, outputs, seed):
    ours, theirs = pair("Linear", inputs, outputs)
    compare(ours, theirs, np.random.default_rng(seed).standard_normal((*batch, inputs)), second=True)
    assert_same_gradients(ours.parameters(), theirs.parameters())


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("batch", [(), (6,), (2, 5), (0,)])
def test_bilinear(batch, bias):
    rng = np.random.default_rng(0)
    ours, theirs = pair("Bilinear", 3, 4, 5, bias=bias)
    assert repr(ours) == repr(theirs)
    compare(ours, theirs, rng.standard_normal((*batch, 3)), rng.standard_normal((*batch, 4)), second=bool(batch))
    assert_same_gradients(ours.parameters(), theirs.parameters())


def test_identity():
    x = object()
    assert nn.Identity(54, unused=0.1)(x) is x
    assert repr(nn.Identity(3)) == repr(torch.nn.Identity(3))


def test_errors():
    with pytest.raises(ValueError, match="linear"):
        compare(nn.Linear(3, 4), torch.nn.Linear(3, 4), np.zeros((2, 5), np.float32))
    with pytest.raises(ValueError, match="in1_features must be > 0"):
        nn.Bilinear(0, 1, 1)
    with pytest.raises(RuntimeError, match="cuda"):
        nn.Linear(1, 1, device="cuda")
