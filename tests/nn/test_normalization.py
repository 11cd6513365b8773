import numpy as np
import pytest
import torch
from nn_helpers import assert_same_gradients, compare, leaf, transfer

from tinyrnn import nn
from tinyrnn.nn.functional import layer_norm


@pytest.mark.parametrize("options", [{}, {"bias": False}, {"elementwise_affine": False}, {"eps": 0.1}])
@pytest.mark.parametrize(("shape", "sizes"), [((5,), 5), ((3, 17), 17), ((2, 3, 4), (3, 4)), ((2, 3, 4), [4]),
                                              ((0, 4), 4), ((129, 33), 33)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_same_as_torch(shape, sizes, options, dtype):
    theirs = torch.nn.LayerNorm(sizes, **options, dtype=getattr(torch, dtype))
    for p in theirs.parameters():
        torch.nn.init.uniform_(p, 0.5, 2)
    ours = transfer(nn.LayerNorm(sizes, **options, dtype=np.dtype(dtype)), theirs)
    assert repr(ours) == repr(theirs)
    x = np.random.default_rng(0).standard_normal(shape).astype(dtype) * 3 + 1
    compare(ours, theirs, x, second=dtype == "float64" and x.size > 0)
    assert_same_gradients(ours.parameters(), theirs.parameters())


def test_constant_rows():
    compare(lambda x: layer_norm(x, (4,)), lambda x: torch.nn.functional.layer_norm(x, (4,)), np.full((2, 4), 3.0))


def test_errors():
    x = leaf(np.zeros((2, 3)))[0]
    for shape in ((2,), (3, 3), (), (1, 2, 3)):
        with pytest.raises(ValueError, match="layer_norm: normalized_shape"):
            layer_norm(x, shape)
    for name in ("weight", "bias"):
        with pytest.raises(ValueError, match=rf"layer_norm: expected {name} of shape \(3,\), got \(2,\)"):
            layer_norm(x, (3,), **{name: leaf(np.zeros(2))[0]})
