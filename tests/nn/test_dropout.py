import numpy as np
import pytest
import torch
from nn_helpers import leaf

import tinyrnn
from tinyrnn import nn


def test_training_and_evaluation():
    layer, x = nn.Dropout(0.25), leaf(np.ones((200, 100)))[0]
    y = layer(x)
    kept = y.array != 0
    assert abs(kept.mean() - 0.75) < 0.01 and np.allclose(y.array[kept], 1 / 0.75)
    y.sum().backward()
    assert (x.grad.array == y.array).all()
    assert (layer.eval()(x).array == 1).all()


@pytest.mark.parametrize("p", [0, 0.0, 1, 1.0])
def test_ends(p):
    x = leaf(np.ones(50))[0]
    y = nn.Dropout(p)(x)
    assert (y.array == 1 - p).all()
    y.sum().backward()
    assert (x.grad.array == 1 - p).all()


def test_nothing_is_drawn_where_all_is_dropped():
    gru = nn.GRU(4, 4, 2, dropout=1.0)
    tinyrnn.manual_seed(0)
    expected = tinyrnn.rand(3)
    for run in (nn.Dropout(1.0), gru, lambda x: gru(x, lengths=[1, 2])):
        tinyrnn.manual_seed(0)
        run(tinyrnn.zeros(2, 2, 4))
        assert (tinyrnn.rand(3) == expected).all()


def test_inplace():
    x = leaf(np.ones(100), False)[0]
    y = nn.Dropout(0.5, inplace=True)(x)
    assert y is x and set(x.array) == {0.0, 2.0}
    assert (nn.Dropout(0.5, inplace=True).eval()(x).array == x.array).all()


@pytest.mark.parametrize("args", [(), (0.2,), (0.3, True), (1,)])
def test_repr(args):
    assert repr(nn.Dropout(*args)) == repr(torch.nn.Dropout(*args))


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_errors(p):
    with pytest.raises(ValueError, match=f"dropout probability has to be between 0 and 1, but got {p}"):
        nn.Dropout(p)
