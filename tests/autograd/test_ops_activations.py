"""Activations against PyTorch: values, gradients, gradients of gradients, and the edges."""
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tests.autograd.helpers_functions import assert_same, assert_same_op, pair
from tinyrnn.autograd import methods
from tinyrnn.autograd.arrays import DtypeError
from tinyrnn.autograd.creation import ones, tensor
from tinyrnn.autograd.generator import manual_seed
from tinyrnn.autograd.tensor import Tensor

inf, nan = math.inf, math.nan

CASES = [
    ("tanh", {}), ("sigmoid", {}), ("relu", {}), ("logsigmoid", {}), ("silu", {}), ("softsign", {}), ("relu6", {}),
    ("gelu", {}), ("gelu", {"approximate": "tanh"}), ("leaky_relu", {}), ("leaky_relu", {"negative_slope": 0.2}),
    ("elu", {}), ("elu", {"alpha": 0.5}), ("softplus", {}), ("softplus", {"beta": 2.0, "threshold": 3.0}),
    ("hardtanh", {}), ("hardtanh", {"min_val": -0.5, "max_val": 2.0}),
]


def both(name, kwargs):
    ours = methods.operations[name]
    theirs = getattr(F, name) if hasattr(F, name) else getattr(torch, name)
    return lambda x: ours(x, **kwargs), lambda z: theirs(z, **kwargs)


@pytest.mark.filterwarnings("ignore:nn.functional:UserWarning")
@pytest.mark.parametrize("name, kwargs", CASES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(), (1,), (0, 3), (33,), (7, 17)])
def test_activation(name, kwargs, dtype, shape):
    x = np.random.default_rng(1).uniform(-4, 4, shape).astype(dtype)
    assert_same_op(*both(name, kwargs), x)


@pytest.mark.parametrize("name, kwargs", CASES)
def test_activation_far_out(name, kwargs):
    x = np.array([-inf, -1000, -40, -1, -0.0, 0, 1, 20, 20.5, 40, 1000, inf])
    assert_same_op(*both(name, kwargs), x, second=False)
    smooth = np.array([-1000, -40, -1.1, 0.1, 1.1, 21, 40, 1000])
    assert_same_op(*both(name, kwargs), smooth)


@pytest.mark.parametrize("name, kwargs", CASES)
def test_nan_stays_nan(name, kwargs):
    ours, theirs = both(name, kwargs)
    x, z = pair(np.array([nan, 1.0]))
    assert_same(ours(x), theirs(z))


@pytest.mark.parametrize("name, kwargs", CASES)
def test_strided_memory(name, kwargs):
    ours, theirs = both(name, kwargs)
    x, z = pair(np.random.default_rng(2).normal(size=(5, 6)))
    assert_same(ours(x.transpose(0, 1)), theirs(z.transpose(0, 1)))


@pytest.mark.parametrize("name", ["relu", "relu6", "hardtanh", "leaky_relu", "elu", "silu"])
def test_inplace_argument(name):
    x = np.random.default_rng(3).normal(size=(3, 4))
    ours, theirs = both(name, {"inplace": True})
    assert_same_op(lambda x: ours(x * 1), lambda z: theirs(z * 1), x)
    y = tensor(x)
    assert ours(y) is y


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "relu"])
def test_in_place_methods(name):
    x = np.random.default_rng(3).normal(size=(3, 4))
    assert_same_op(lambda x: getattr(x * 1, name + "_")(), lambda z: getattr(z * 1, name + "_")(), x)


def test_integers():
    assert_same(tensor([1, 2]).tanh(), torch.tensor([1, 2]).tanh())
    assert_same(tensor([1, -2]).relu(), torch.tensor([1, -2]).relu())
    with pytest.raises(DtypeError, match="relu"):
        tensor([True]).relu()


def test_functions_that_are_no_methods():
    for name in ("leaky_relu", "elu", "gelu", "silu", "softplus", "logsigmoid", "hardtanh", "dropout"):
        assert not hasattr(Tensor, name)


def test_gelu_checks_approximate():
    with pytest.raises(RuntimeError, match="gelu: approximate"):
        methods.operations["gelu"](tensor([1.0]), approximate="exact")


# ---- dropout ----

dropout = methods.operations["dropout"]


def test_dropout_keeps_the_expectation_and_masks_the_gradient():
    manual_seed(0)
    x = ones(100, 100, requires_grad=True)
    y = dropout(x, 0.2)
    kept = y.array != 0
    assert abs(kept.mean() - 0.8) < 0.02
    np.testing.assert_allclose(y.array[kept], 1.25, rtol=1e-6)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.array, y.array)


def test_dropout_follows_the_seed():
    x = ones(50)
    manual_seed(3)
    first = dropout(x)
    second = dropout(x)
    manual_seed(3)
    assert dropout(x).equal(first) and not first.equal(second)


def test_dropout_at_the_ends():
    x = ones(5, requires_grad=True)
    assert dropout(x, 0.0) is x and dropout(x, 0.5, training=False) is x
    y = dropout(x, 1.0)
    assert y.tolist() == [0.0] * 5
    y.sum().backward()
    assert x.grad.tolist() == [0.0] * 5
    z = ones(5)
    assert dropout(z, 1.0, inplace=True) is z and z.tolist() == [0.0] * 5


def test_dropout_checks_its_arguments():
    for p in (-0.1, 1.1, nan):
        with pytest.raises(ValueError, match="dropout"):
            dropout(ones(2), p)
    with pytest.raises(DtypeError, match="dropout"):
        dropout(tensor([1, 2]))
