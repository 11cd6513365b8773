"""Mixture densities beside torch.distributions, at the ends of the range of floats, and as a layer."""
import math

import numpy as np
import pytest
import torch
from nn_helpers import assert_same, compare, leaf
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

import tinyrnn
from tinyrnn import nn
from tinyrnn.autograd import gradcheck, gradgradcheck
from tinyrnn.autograd.arrays import ShapeError
from tinyrnn.nn.functional import mixture_nll_loss

RNG = np.random.default_rng(0)


def torch_mixture(logits, means, log_scales):
    return MixtureSameFamily(Categorical(logits=logits), Independent(Normal(means, log_scales.exp()), 1))


def torch_loss(logits, means, log_scales, target, reduction="mean"):
    nll = -torch_mixture(logits, means, log_scales).log_prob(target)
    return {"mean": nll.mean(), "sum": nll.sum(), "none": nll}[reduction]


def case(*rows, K=5, D=3):
    return [RNG.standard_normal(shape) for shape in ((*rows, K), (*rows, K, D), (*rows, K, D), (*rows, D))]


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("rows", [(), (4,), (2, 3)])
def test_loss_and_gradients(rows, reduction):
    compare(mixture_nll_loss, torch_loss, *case(*rows), reduction=reduction)


def test_second_order_and_single_component():
    compare(mixture_nll_loss, torch_loss, *case(3), second=True)
    compare(mixture_nll_loss, torch_loss, *case(3, K=1, D=1))


def test_against_differences():
    given = [leaf(array)[0] for array in case(2, K=3, D=2)]
    assert gradcheck(mixture_nll_loss, given)
    assert gradgradcheck(mixture_nll_loss, given)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_densities_beyond_the_range_of_floats(dtype):
    """Points 1e8 away from means, logits 1e4 apart, scales of e^-30 and e^30: the densities themselves are 0 or inf."""
    logits = np.array([[0.0, 1e4], [0.0, -1e4], [0.0, 0.0], [0.0, 0.0]], dtype)
    means = np.array([[[0.0], [1.0]], [[0.0], [1.0]], [[1e8], [-1e8]], [[0.0], [0.0]]], dtype)
    scales = np.array([[[0.0], [0.0]], [[0.0], [0.0]], [[0.0], [0.0]], [[-30.0], [30.0]]], dtype)
    target = np.array([[0.5], [0.5], [3.0], [0.0]], dtype)
    (ours, theirs) = zip(*map(leaf, (logits, means, scales, target)), strict=True)
    y, z = mixture_nll_loss(*ours, reduction="none"), torch_loss(*theirs, reduction="none")
    assert_same(y, z)
    y.sum().backward()
    assert all(np.isfinite(x.grad.numpy()).all() for x in ours)
    with tinyrnn.no_grad():
        expected = [0.5 * math.log(2 * math.pi) + 0.125] * 2 + [0.5e16, 0.5 * math.log(2 * math.pi) - 30 + math.log(2)]
    np.testing.assert_allclose(y.detach().numpy(), expected, rtol=1e-6)


def test_wrong_shapes_are_named():
    logits, means, scales, target = (leaf(array)[0] for array in case(4))
    for wrong in ((logits[:, :2], means, scales, target), (logits, means[:1], scales, target),
                  (logits, means, scales[..., :1], target), (logits, means, scales, target[..., 0])):
        with pytest.raises(ShapeError, match="mixture_nll_loss: expected logits"):
            mixture_nll_loss(*wrong)
    with pytest.raises(ValueError, match="not a valid value for reduction"):
        mixture_nll_loss(logits, means, scales, target, reduction="batchmean")


# ---- the layer -------------------------------------------------------------------------------------------------------

def test_layer_is_a_linear_layer_cut_up():
    tinyrnn.manual_seed(0)
    layer = nn.MixtureDensity(4, 3, 5, min_log_scale=-2.0).double()
    torch.manual_seed(0)
    linear = torch.nn.Linear(4, 5 * 7)
    np.testing.assert_array_equal(layer.linear.weight.detach().numpy(), linear.weight.detach().double().numpy())
    x, t = RNG.standard_normal((2, 6, 4)), RNG.standard_normal((2, 6, 3))
    raw = linear.double()(torch.tensor(x))
    expected = (raw[..., :5], raw[..., 5:20].reshape(2, 6, 5, 3),
                torch.nn.functional.softplus(raw[..., 20:].reshape(2, 6, 5, 3) + 2) - 2)
    mixture = layer(tinyrnn.tensor(x))
    for ours, theirs in zip(mixture, expected, strict=True):
        assert_same(ours, theirs)
    assert_same(layer.loss(tinyrnn.tensor(x), tinyrnn.tensor(t)), torch_loss(*expected, torch.tensor(t)))
    assert_same(mixture.mean(), torch_mixture(*expected).mean)
    assert "in_features=4, out_features=3, n_components=5, min_log_scale=-2.0" in repr(layer)


def test_log_scales_have_a_limit():
    layer = nn.MixtureDensity(1, 1, 1)
    log_scales = layer(tinyrnn.tensor([[-1e30], [0.0], [1e30]])).log_scales.detach().numpy()
    assert log_scales.min() >= -7 and np.isfinite(log_scales).all()
    with pytest.raises(ValueError, match="must be positive"):
        nn.MixtureDensity(1, 1, 0)


def test_samples_follow_the_mixture():
    """20,000 draws of two far components: weights, means and scales within five standard errors."""
    tinyrnn.manual_seed(0)
    n = 20_000
    mixture = nn.Mixture(tinyrnn.tensor([math.log(0.25), math.log(0.75)]).expand(n, 2),
                         tinyrnn.tensor([[-10.0, 5.0], [10.0, 0.0]]).expand(n, 2, 2),
                         tinyrnn.tensor([[0.5, 1.0], [2.0, 0.1]]).log().expand(n, 2, 2))
    draws = mixture.sample().numpy()
    left = draws[:, 0] < 0
    assert abs(left.mean() - 0.25) < 5 * math.sqrt(0.25 * 0.75 / n)
    for rows, means, scales in ((left, (-10, 5), (0.5, 1.0)), (~left, (10, 0), (2.0, 0.1))):
        error = 5 * np.array(scales) / math.sqrt(rows.sum())
        assert (np.abs(draws[rows].mean(0) - means) < error).all()
        assert (np.abs(draws[rows].std(0) - scales) < error).all()
    np.testing.assert_allclose(mixture.mean()[0].numpy(), [5.0, 1.25], rtol=1e-6)
    again = mixture.sample(tinyrnn.Generator().manual_seed(7)).numpy()
    np.testing.assert_array_equal(again, mixture.sample(tinyrnn.Generator().manual_seed(7)).numpy())


def test_training_finds_two_branches():
    """t = +-1 at random: a mixture says so, where a single value would be 0 (Bishop 1994)."""
    tinyrnn.manual_seed(0)
    layer = nn.MixtureDensity(1, 1, 2)
    optimizer = tinyrnn.optim.Adam(layer.parameters(), lr=0.05)
    x = tinyrnn.ones(64, 1)
    for _ in range(200):
        optimizer.zero_grad()
        sign = 2.0 * tinyrnn.randint(0, 2, (64, 1)).float() - 1
        layer.loss(x, sign + 0.1 * tinyrnn.randn(64, 1)).backward()
        optimizer.step()
    means = np.sort(layer(x[:1]).means.detach().numpy().ravel())
    np.testing.assert_allclose(means, [-1, 1], atol=0.1)
