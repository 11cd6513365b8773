"""States carried over: the forward pass is that of one long sequence, and no gradient goes further back."""
import collections

import numpy as np
import pytest
import torch
from nn_helpers import assert_same, assert_same_gradients, transfer

import tinyrnn
from tinyrnn import nn
from tinyrnn.nn.utils import CarriedState, detach_state

X = np.random.default_rng(0).standard_normal((9, 2, 3))


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_truncated_backpropagation(kind):
    """Three windows, as in PyTorch: the same gradients of all three, and the same bits as the sequence in one call."""
    theirs = getattr(torch.nn, kind)(3, 4).double()
    ours = transfer(getattr(nn, kind)(3, 4).double(), theirs)
    x = tinyrnn.tensor(X, requires_grad=True)
    state, other, outputs = None, None, []
    for start in (0, 3, 6):
        output, state = ours(x[start:start + 3], detach_state(state))
        (output ** 3).sum().backward()
        outputs.append(output.detach().numpy())
        if other is not None:
            other = tuple(s.detach() for s in other) if isinstance(other, tuple) else other.detach()
        u, other = theirs(torch.tensor(X[start:start + 3]), other)
        (u ** 3).sum().backward()
        assert_same(output, u)
    assert_same_gradients(list(ours.parameters()), list(theirs.parameters()))
    np.testing.assert_array_equal(np.concatenate(outputs), ours(x)[0].detach().numpy())


def test_any_nesting():
    h = tinyrnn.ones(1, requires_grad=True) * 2
    found = detach_state([h, (h, None)])
    assert isinstance(found, list) and isinstance(found[1], tuple) and found[1][1] is None
    assert not found[0].requires_grad and not found[1][0].requires_grad and h.requires_grad
    named = collections.namedtuple("State", "h c")(h, [h])
    assert type(detach_state(named)) is type(named) and not detach_state(named).c[0].requires_grad
    with pytest.raises(TypeError, match="detach_state: a state is a tensor, or a tuple or list of states, not int"):
        detach_state((h, 1))


def test_a_carried_state_is_saved(tmp_path):
    _, state = nn.LSTM(3, 4)(tinyrnn.randn(5, 2, 3))
    carried = CarriedState()
    for value in (None, state):
        carried.keep(value)
        tinyrnn.save(carried.state_dict(), tmp_path / "state.npz")
        again = CarriedState()
        again.load_state_dict(tinyrnn.load(tmp_path / "state.npz"))
        assert type(again.value) is type(value)
    for a, b in zip(again.value, state, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.detach().numpy())
    carried.reset()
    assert carried.value is None
