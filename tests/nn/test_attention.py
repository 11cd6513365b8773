"""Additive attention beside the same formula in PyTorch."""

import numpy as np
import pytest
import torch

import tinyrnn
from tinyrnn.nn import AdditiveAttention


def both(rng, *shape, dtype="float64"):
    array = rng.standard_normal(shape).astype(dtype)
    return tinyrnn.tensor(array, requires_grad=True), torch.tensor(array, requires_grad=True)


def formula(layer, query, keys, values, mask):
    """The equations of Bahdanau et al. 2015 in PyTorch, with the layer's weights."""
    W_q, W_k, v = (torch.tensor(p.detach().numpy(), requires_grad=True) for p in layer.parameters())
    q = query if query.ndim == 3 else query[:, None]
    score = torch.tanh((q @ W_q.T)[:, :, None] + (keys @ W_k.T)[:, None]) @ v[0]
    if mask is not None:
        score = score.masked_fill(~torch.tensor(mask)[:, None], -torch.inf)
    weights = score.softmax(-1)
    context = weights @ values
    if query.ndim == 2:
        context, weights = context[:, 0], weights[:, 0]
    return context, weights, (W_q, W_k, v)


@pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-10), ("float32", 1e-5)])
@pytest.mark.parametrize("queries", [None, 1, 4])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("own_values", [False, True])
@pytest.mark.parametrize("S", [1, 7, 33])
def test_like_the_formula(dtype, tolerance, queries, masked, own_values, S):
    rng = np.random.default_rng(0)
    B = 3
    layer = AdditiveAttention(5, 6, 4, dtype=dtype)
    q, q_t = both(rng, *((B, 5) if queries is None else (B, queries, 5)), dtype=dtype)
    k, k_t = both(rng, B, S, 6, dtype=dtype)
    v, v_t = both(rng, B, S, 2, dtype=dtype)
    lengths = np.array([S, max(S // 2, 1), 1])
    mask = np.arange(S) < lengths[:, None] if masked else None
    context, weights = layer(q, k, v if own_values else None, None if mask is None else tinyrnn.tensor(mask))
    context_t, weights_t, parameters = formula(layer, q_t, k_t, v_t if own_values else k_t, mask)
    (context.square().sum() + (weights * weights).sum()).backward()
    (context_t.square().sum() + (weights_t * weights_t).sum()).backward()
    close = {"rtol": tolerance, "atol": tolerance / 10}
    np.testing.assert_allclose(context.detach().numpy(), context_t.detach().numpy(), **close)
    np.testing.assert_allclose(weights.detach().numpy(), weights_t.detach().numpy(), **close)
    pairs = [(q, q_t), (k, k_t), *zip(layer.parameters(), parameters, strict=True)] + [(v, v_t)] * own_values
    for a, b in pairs:
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), **close)


def test_projected_keys_are_used():
    layer = AdditiveAttention(5, 6, 4)
    q, k = tinyrnn.randn(2, 5), tinyrnn.randn(2, 7, 6)
    once = layer.project(k)
    for a, b in zip(layer(q, k), layer(q, k, projected=once), strict=True):
        np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())
    changed = layer(q, k, projected=once + tinyrnn.randn(2, 7, 4))[1]
    assert not np.allclose(changed.detach().numpy(), layer(q, k)[1].detach().numpy())


def test_masked_positions_and_empty_rows():
    """What is masked has no weight and no influence, NaN included; a row without any position gets zeros."""
    layer = AdditiveAttention(5, 6, 4)
    q, k = tinyrnn.randn(3, 5), tinyrnn.randn(3, 4, 6)
    mask = tinyrnn.tensor([[True, True, False, False], [True] * 4, [False] * 4])
    context, weights = layer(q, k, mask=mask)
    assert not weights.detach().numpy()[~mask.numpy()].any()
    np.testing.assert_allclose(weights.detach().numpy().sum(1), [1, 1, 0], rtol=1e-6)
    assert not context.detach().numpy()[2].any()
    (context.sum() + weights.square().sum()).backward()
    for p in layer.parameters():
        assert np.isfinite(p.grad.numpy()).all()
    other = k.clone()
    other[0, 2:] = 1e6
    np.testing.assert_array_equal(layer(q, other, mask=mask)[0].detach().numpy()[0], context.detach().numpy()[0])


def test_gradients_of_gradients():
    rng = np.random.default_rng(1)
    layer = AdditiveAttention(2, 3, 2, dtype="float64")
    q, _ = both(rng, 2, 2)
    k, _ = both(rng, 2, 3, 3)
    mask = tinyrnn.tensor([[True, True, False], [True, True, True]])

    def run(q, k, *weights):
        return layer(q, k, mask=mask)
    tinyrnn.autograd.gradcheck(run, (q, k, *layer.parameters()))
    tinyrnn.autograd.gradgradcheck(run, (q, k))


def test_bad_shapes():
    layer = AdditiveAttention(5, 6, 4)
    q, k = tinyrnn.randn(2, 5), tinyrnn.randn(2, 7, 6)
    wrong = [
        {"query": tinyrnn.randn(3, 5)}, {"query": tinyrnn.randn(2, 4)}, {"query": tinyrnn.randn(5)},
        {"values": tinyrnn.randn(2, 6, 3)}, {"projected": tinyrnn.randn(2, 7, 3)},
        {"mask": tinyrnn.ones(2, 6, dtype=tinyrnn.bool)}, {"mask": tinyrnn.ones(2, 7)},
    ]
    for arguments in wrong:
        with pytest.raises(ValueError, match="AdditiveAttention"):
            layer(**{"query": q, "keys": k, **arguments})


@pytest.mark.parametrize("fused", [True, False])
def test_what_is_masked_reaches_no_weight(fused):
    layer = AdditiveAttention(2, 3, 4, fused=fused)
    keys, mask = tinyrnn.randn(1, 2, 3), tinyrnn.tensor([[True, False]])
    keys[0, 1] = float("nan")
    context, _ = layer(tinyrnn.randn(1, 2), keys, mask=mask)
    context.sum().backward()
    assert all(np.isfinite(p.grad.numpy()).all() for p in layer.parameters())
    with pytest.raises(ValueError, match="projected keys"):
        layer(tinyrnn.randn(1, 2), keys, projected=tinyrnn.randn(3))
