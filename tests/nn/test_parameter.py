import copy
import pickle

import numpy as np
import pytest
from nn_helpers import leaf

from tinyrnn import nn, no_grad, randn
from tinyrnn.autograd.tensor import Tensor


def tensor(*values, dtype=np.float32):
    return leaf(np.array(values, dtype), False)[0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_lies_on_the_memory_of_its_data(dtype):
    x = tensor(1, 2, dtype=dtype)
    p = nn.Parameter(x)
    assert p.dtype == dtype and p.requires_grad and p.is_leaf
    assert np.shares_memory(p.array, x.array)
    assert not nn.Parameter(x, requires_grad=False).requires_grad


def test_has_no_history():
    x = leaf(np.ones(2))[0]
    p = nn.Parameter(x * 2)
    assert p.is_leaf and p.grad_fn is None
    (p * 3).sum().backward()
    assert p.grad.array.tolist() == [3, 3] and x.grad is None


def test_results_are_plain_tensors():
    p = nn.Parameter(tensor(1, 2))
    for result in (p + 1, p.exp(), p[0], p.detach(), p.data, p.clone()):
        assert type(result) is Tensor


def test_says_what_it_is():
    p = nn.Parameter(tensor(1.5, 2.25))
    assert repr(p) == "Parameter containing:\n" + repr(leaf(np.array([1.5, 2.25], np.float32))[0])
    assert "requires_grad=True" in repr(p)


@pytest.mark.parametrize("requires_grad", [True, False])
@pytest.mark.parametrize("again", [copy.deepcopy, copy.copy, lambda p: pickle.loads(pickle.dumps(p))])
def test_copies_keep_the_class(again, requires_grad):
    p = nn.Parameter(tensor(1, 2, dtype=np.float64), requires_grad)
    q = again(p)
    assert type(q) is nn.Parameter and q is not p
    assert q.requires_grad == requires_grad and q.dtype == np.float64 and q.array.tolist() == [1, 2]


def test_deepcopy_has_its_own_memory_and_no_gradient():
    p = nn.Parameter(tensor(1, 2))
    (p * p).sum().backward()
    q = copy.deepcopy(p)
    assert not np.shares_memory(p.array, q.array)
    assert q.grad is None and p.grad.array.tolist() == [2, 4]
    pair = copy.deepcopy([p, p])
    assert pair[0] is pair[1]


def test_buffer():
    b = nn.Buffer(tensor(1, 2), persistent=False)
    assert not b.requires_grad and not b.persistent
    assert type(copy.deepcopy(b)) is nn.Buffer and not copy.deepcopy(b).persistent
    assert nn.Buffer(tensor(1)).persistent


def test_errors():
    with pytest.raises(TypeError, match="Parameter: expected a tensor, not list"):
        nn.Parameter([1.0])
    with pytest.raises(TypeError, match="float32 and float64"):
        nn.Parameter(leaf(np.array([1, 2]))[0])


def test_a_change_of_the_data_is_noticed():
    x = nn.Parameter(tensor(1, 2))
    p = nn.Parameter(x)
    y = (p * p).sum()
    with no_grad():
        x.mul_(10)
    with pytest.raises(RuntimeError, match="changed in place"):
        y.backward()
    gru, same, step = nn.GRU(3, 4), nn.GRU(3, 4), randn(1, 3)
    same.load_state_dict(gru.state_dict(), assign=True)
    same.step(step)
    with no_grad():
        gru.weight_hh_l0.mul_(2), gru.weight_ih_l0.mul_(2)
    assert np.array_equal(same.step(step)[0].numpy(), same(step[None])[0][0].numpy(force=True))
