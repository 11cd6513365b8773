"""Noise is there inside, gone outside to the last bit, and the gradient is that at the noisy weights."""
import copy

import numpy as np
import pytest
import torch
from nn_helpers import assert_same, transfer

import tinyrnn
from tinyrnn import nn
from tinyrnn.nn.utils import weight_noise


def layer():
    tinyrnn.manual_seed(0)
    return nn.Linear(3, 2)


def bits(model):
    return [p.detach().numpy().tobytes() for p in model.parameters()]


def test_the_weights_come_back_bit_for_bit():
    model = layer()
    before = bits(model)
    with weight_noise(model.parameters(), 0.075):
        assert all(a != b for a, b in zip(before, bits(model), strict=True))
    assert bits(model) == before
    with pytest.raises(KeyError), weight_noise(model.parameters(), 1e30):
        raise KeyError("anything")
    assert bits(model) == before


def test_gradients_and_draws_are_those_of_pytorch():
    theirs = torch.nn.Linear(3, 2)
    model, x = transfer(nn.Linear(3, 2), theirs), np.ones((4, 3), np.float32)
    tinyrnn.manual_seed(5)
    torch.manual_seed(5)
    with weight_noise(model.parameters(), 0.1):
        model(tinyrnn.tensor(x)).square().sum().backward()
    noisy = copy.deepcopy(theirs)
    with torch.no_grad():
        for p in noisy.parameters():
            p.add_(torch.randn_like(p), alpha=0.1)
    noisy(torch.tensor(x)).square().sum().backward()
    for p, q in zip(model.parameters(), noisy.parameters(), strict=True):
        assert_same(p.grad, q.grad)


def test_it_has_the_standard_deviation():
    weight = tinyrnn.zeros(100, 100, requires_grad=True)
    with weight_noise(weight, 0.5, tinyrnn.Generator().manual_seed(1)):
        values = weight.detach().numpy().copy()
    assert abs(values.std() - 0.5) < 0.01 and abs(values.mean()) < 0.02


def test_zero_draws_nothing_and_a_negative_one_raises():
    model = layer()
    before, expected = bits(model), tinyrnn.rand(3).tolist()
    model = layer()
    with weight_noise(model.parameters(), 0):
        assert bits(model) == before
    assert tinyrnn.rand(3).tolist() == expected
    for std in (-1, float("nan")):
        with pytest.raises(ValueError, match="weight_noise: std must be at least 0"), weight_noise([], std):
            pass


def test_backward_belongs_inside():
    model = layer()
    with weight_noise(model.parameters(), 0.1):
        loss = model(tinyrnn.ones(1, 3, requires_grad=True)).sum()
    with pytest.raises(RuntimeError, match=r"modified|changed"):
        loss.backward()


def test_an_error_while_noise_is_added_leaves_none():
    model = layer()
    before = bits(model)
    parameters = [*model.parameters(), tinyrnn.ones(2, requires_grad=True).expand(3, 2)]     # cannot be added to
    with pytest.raises(RuntimeError, match="expand"), weight_noise(parameters, 0.1):
        pass
    assert bits(model) == before
