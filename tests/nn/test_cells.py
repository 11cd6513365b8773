"""RNNCell, LSTMCell and GRUCell beside PyTorch's."""

import numpy as np
import pytest
import torch

import tinyrnn
from tinyrnn import nn

KINDS = [("RNNCell", {}), ("RNNCell", {"nonlinearity": "relu"}), ("LSTMCell", {}), ("GRUCell", {})]


def parts(state):
    return list(state) if isinstance(state, tuple) else [state]


@pytest.mark.parametrize("kind, options", KINDS, ids=str)
@pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-10), ("float32", 1e-5)])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("batch", [(), (1,), (17,)])
@pytest.mark.parametrize("with_state", [True, False])
def test_like_pytorch(kind, options, dtype, tolerance, bias, batch, with_state):
    rng = np.random.default_rng(0)
    torch.manual_seed(1)
    theirs = getattr(torch.nn, kind)(3, 5, bias=bias, **options)
    tinyrnn.manual_seed(1)
    ours = getattr(nn, kind)(3, 5, bias=bias, **options)
    assert list(ours.state_dict()) == list(theirs.state_dict()) and repr(ours) == repr(theirs)
    for name, w in theirs.state_dict().items():
        np.testing.assert_array_equal(ours.state_dict()[name].numpy(), w.numpy())
    theirs, ours = theirs.to(getattr(torch, dtype)), ours.to(getattr(tinyrnn, dtype))
    arrays = [rng.standard_normal((*batch, 3)).astype(dtype)]
    if with_state:
        arrays += [rng.standard_normal((*batch, 5)).astype(dtype) for _ in range(2 if kind == "LSTMCell" else 1)]
    mine = [tinyrnn.tensor(a, requires_grad=True) for a in arrays]
    yours = [torch.tensor(a, requires_grad=True) for a in arrays]

    def call(cell, x, *state):
        return parts(cell(x, (state[0] if len(state) == 1 else state) if state else None))
    out, expected = call(ours, *mine), call(theirs, *yours)
    for a, b in zip(out, expected, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=tolerance, atol=tolerance / 10)
    sum((a * a).sum() for a in out).backward()
    sum((b * b).sum() for b in expected).backward()
    for a, b in [*zip(mine, yours, strict=True), *zip(ours.parameters(), theirs.parameters(), strict=True)]:
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=tolerance, atol=tolerance / 10)


def test_cell_is_one_step_of_the_layer():
    for reset_after in (True, False):
        layer = nn.GRU(3, 4, reset_after=reset_after)
        cell = nn.GRUCell(3, 4, reset_after=reset_after)
        cell.load_state_dict({name[:-3]: w for name, w in layer.state_dict().items()})
        x, h = tinyrnn.randn(5, 2, 3), tinyrnn.randn(1, 2, 4)
        expected, _ = layer(x, h)
        state = h[0]
        for t in range(5):
            state = cell(x[t], state)
            np.testing.assert_array_equal(state.detach().numpy(), expected[t].detach().numpy())


@pytest.mark.parametrize("kind", ["RNNCell", "LSTMCell", "GRUCell"])
def test_bad_input(kind):
    build = getattr(nn, kind)
    for arguments in ((0, 3), (3, 0), (2.5, 3), (3, True)):
        with pytest.raises((ValueError, TypeError)):
            build(*arguments)
    cell = build(3, 4)

    def state(*shape):
        part = tinyrnn.zeros(shape)
        return (part, part) if kind == "LSTMCell" else part
    with pytest.raises(ValueError, match="1D or 2D"):
        cell(tinyrnn.zeros(1, 2, 3))
    with pytest.raises(RuntimeError, match=kind):
        cell(tinyrnn.zeros(2, 5))
    with pytest.raises(ValueError, match="dtype"):
        cell(tinyrnn.zeros(2, 3).double())
    for wrong in (state(2, 5), state(3, 4), state(4)):
        with pytest.raises(RuntimeError, match=kind):
            cell(tinyrnn.zeros(2, 3), wrong)
    if kind == "LSTMCell":
        with pytest.raises(TypeError, match="LSTMCell"):
            cell(tinyrnn.zeros(2, 3), tinyrnn.zeros(2, 4))
