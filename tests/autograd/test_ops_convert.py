"""Conversions: dtypes, Python, NumPy, text, pickling and deep copies."""
import copy
import math
import pickle

import numpy as np
import pytest
import torch

from tests.autograd.helpers_functions import assert_same, assert_same_op, pair
from tinyrnn import nn
from tinyrnn.autograd import dtypes
from tinyrnn.autograd.arrays import DtypeError
from tinyrnn.autograd.creation import ones, tensor, zeros
from tinyrnn.autograd.device import device
from tinyrnn.autograd.tensor import Tensor

NAMES = ["float32", "float64", "int64", "bool"]
VALUES = np.array([[-2.5, 0, 0.3], [1, 7.9, 1e3]])


# ---- dtypes ----

@pytest.mark.parametrize("before", NAMES)
@pytest.mark.parametrize("after", NAMES)
def test_to_dtype(before, after):
    x, z = pair(VALUES.astype(before))
    ours, theirs = getattr(dtypes, after), getattr(torch, after)
    assert_same(x.to(ours), z.to(theirs))
    for y in (x.to(dtype=ours), x.to("cpu", ours), x.to(device("cpu"), dtype=ours), x.to(zeros(1, dtype=ours)),
              x.to(other=zeros(1, dtype=ours)), x.type(ours), x.type_as(zeros(1, dtype=ours)), x.to(None, ours)):
        assert_same(y, z.to(theirs))
    assert (x.to(ours) is x) == (before == after)
    assert x.to(ours, copy=True) is not x and x.to(ours, False, True) is not x


def written(x):
    x[0] = 1e300
    return x


LARGE = np.array([1e300, -1e300])
TOO_LARGE = {
    "to": lambda x: tensor(LARGE).to(x.dtype), "copy_": lambda x: x.copy_(tensor(LARGE)),
    "a NumPy scalar": lambda x: x + np.float64(1e300), "a long double": lambda x: x + np.longdouble(1e300),
    "setitem": written, "fill_": lambda x: x.fill_(1e300), "masked_fill": lambda x: x.masked_fill(x == 0, 1e300),
    "scatter": lambda x: x.scatter(0, tensor([0]), 1e300), "pad": lambda x: nn.functional.pad(x, (1, 1), value=1e300),
    "index_fill": lambda x: x.index_fill(0, tensor([0]), 1e300), "constant_": lambda x: nn.init.constant_(x, 1e300),
    "nan_to_num": lambda x: (x / 0).nan_to_num(1e300),
    "load_state_dict": lambda x: loaded(nn.Linear(2, 1, bias=False)), "float": lambda x: loaded(large()).float().weight,
}


def large():
    return nn.Linear(2, 1, bias=False, dtype="float64")


def loaded(layer):
    layer.load_state_dict({"weight": tensor(LARGE[None])})
    return layer.weight if layer.weight.dtype == dtypes.float32 else layer


@pytest.mark.parametrize("name", TOO_LARGE)
def test_numbers_that_do_not_fit_become_infinite_without_a_warning(name):
    y = TOO_LARGE[name](zeros(2))
    assert y.dtype == dtypes.float32 and np.isinf(y.numpy(force=True)).any()


def test_named_conversions():
    x, z = pair(VALUES)
    for name in ("float", "double", "long", "bool"):
        assert_same(getattr(x, name)(), getattr(z, name)())
    with pytest.raises(DtypeError, match="long()"):
        x.int()


def test_gradients_return_in_the_old_dtype():
    assert_same_op(lambda x: x.float().double() * x, lambda z: z.float().double() * z, VALUES)
    x = tensor(VALUES, requires_grad=True)
    assert not x.long().requires_grad and not x.bool().requires_grad
    x.float().sum().backward()
    assert x.grad.dtype == np.float64


def test_values_that_do_not_fit():
    x, z = pair(np.array([math.inf, -math.inf, math.nan, 1e300, -1e300]))
    assert_same(x.float(), z.float())
    assert_same(x.bool(), z.bool())
    assert x.long().dtype == np.int64


def test_to_refuses():
    x = ones(2)
    for arguments in (("cuda",), (device("cpu"), dtypes.float32, False, False, 1), (np.int32,), ("float32",)):
        with pytest.raises((RuntimeError, TypeError)):
            x.to(*arguments)
    with pytest.raises(TypeError):
        x.to(other=np.zeros(2))
    with pytest.raises(RuntimeError, match="only the CPU"):
        x.cuda()


def test_device_and_kind():
    x = ones(2)
    assert x.cpu() is x and x.device == device("cpu") and x.is_cuda is False
    assert [zeros(1, dtype=d).is_floating_point() for d in dtypes.SUPPORTED] == [True, True, False, False]
    assert [zeros(1, dtype=d).type() for d in dtypes.SUPPORTED] == [
        "tinyrnn.FloatTensor", "tinyrnn.DoubleTensor", "tinyrnn.LongTensor", "tinyrnn.BoolTensor"]


def test_requires_grad_():
    x = ones(2)
    assert x.requires_grad_() is x and x.requires_grad
    assert not x.requires_grad_(False).requires_grad


# ---- to Python and NumPy ----

def test_numbers():
    assert tensor([[1.5]]).item() == 1.5 and type(tensor(3).item()) is int and tensor(True).item() is True
    assert tensor([[1, 2], [3, 4]]).tolist() == [[1, 2], [3, 4]] and tensor(2.5).tolist() == 2.5
    assert float(tensor(2.5)) == 2.5 and int(tensor(2.9)) == 2 and bool(tensor([0])) is False
    with pytest.raises(RuntimeError, match="item"):
        tensor([1, 2]).item()
    with pytest.raises(RuntimeError):
        bool(tensor([]))


def test_index():
    assert [10, 20][tensor(1)] == 20 and list(range(tensor([3]))) == [0, 1, 2]
    for wrong in (tensor(1.0), tensor([1, 2])):
        with pytest.raises(TypeError, match="index"):
            [1, 2][wrong]


def test_numpy_shares_memory():
    x = tensor(VALUES)
    array = x.numpy()
    array[0, 0] = 9
    assert x.tolist()[0][0] == 9
    array.shape = (6,)
    assert x.shape == (2, 3)
    assert np.shares_memory(np.asarray(x), array)
    x.requires_grad_()
    for call in (x.numpy, lambda: np.asarray(x), lambda: np.array([x])):
        with pytest.raises(RuntimeError, match="detach"):
            call()
    assert np.shares_memory(x.numpy(force=True), array)


def test_array_protocol():
    x = tensor(VALUES)
    assert np.asarray(x, np.float32).dtype == np.float32
    assert not np.shares_memory(np.array(x), x.array)
    with pytest.raises(ValueError, match="copy"):
        np.array(x, np.float32, copy=False)
    assert np.stack([x, x]).shape == (2, 2, 3)


# ---- text ----

@pytest.mark.parametrize("array", [
    np.array(1.5, np.float32), np.array(3), np.array(True), np.array([1.0, 2], np.float32),
    np.array([1.0, 2.5], np.float32),
    np.array([[1, 20], [-3, 4]]), np.array([True, False]), np.zeros(0, np.float32), np.zeros((0, 3), np.float32),
    np.arange(24, dtype=np.float32).reshape(2, 3, 4) / 7, np.array([math.nan, 1.5], np.float32),
    np.array([1e-6, 1.0], np.float32), np.arange(40)])
def test_repr_is_pytorchs(array):
    x, z = pair(array)
    assert repr(x) == str(x) == repr(z)


def test_repr_summarises():
    assert repr(tensor(np.arange(2000))) == "tensor([   0,    1,    2, ..., 1997, 1998, 1999])"


def test_repr_tells_what_is_unusual():
    x = tensor([[1.0, 2.0]], requires_grad=True)
    assert repr(x) == "tensor([[1., 2.]], requires_grad=True)"
    assert repr(x * 2) == "tensor([[2., 4.]], grad_fn=<MulBackward>)"
    assert repr(tensor([1.0], dtype=float)) == "tensor([1.], dtype=tinyrnn.float64)"
    assert repr(zeros(0, dtype=int)) == "tensor([], dtype=tinyrnn.int64)"


def test_format():
    assert f"{tensor(1.5):.3f} {tensor(7):03d} {tensor(1.5, requires_grad=True)}" == "1.500 007 1.5"
    assert f"{tensor([1.5])}" == "tensor([1.5000])"
    with pytest.raises(TypeError, match="item"):
        f"{tensor([1.5]):.3f}"


# ---- whole tensors ----

class Named(Tensor):
    """A subclass with attributes, as nn.Parameter is."""

    def __init__(self, data, name):
        self.data = tensor(data)
        self.name = name
        self.requires_grad = True


@pytest.mark.parametrize("again", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_deepcopy_and_pickle(again):
    for dtype in dtypes.SUPPORTED:
        x = tensor(VALUES, dtype=dtype)
        y = again(x)
        assert y.equal(x) and y.dtype == dtype and not np.shares_memory(y.array, x.array)
    assert again(tensor(1.0, requires_grad=True)).requires_grad
    x = Named([1.0, 2.0], ["list"])
    y = again(x)
    assert type(y) is Named and y.requires_grad and y.name == ["list"] and y.name is not x.name and y.equal(x)
    y = again(tensor(VALUES).transpose(0, 1))
    assert y.tolist() == VALUES.T.tolist()


def test_deepcopy_keeps_identity_and_gradient():
    x = tensor([1.0, 2.0], requires_grad=True)
    (x * x).sum().backward()
    y, z = copy.deepcopy([x, x])
    assert y is z and y is not x and y.grad.tolist() == [2.0, 4.0] and y.grad is not x.grad
    with pytest.raises(RuntimeError, match="deepcopy"):
        copy.deepcopy(x * 2)


def test_pickle_leaves_the_history_behind():
    x = tensor([1.0, 2.0], requires_grad=True) * 2
    y = pickle.loads(pickle.dumps(x))
    assert y.is_leaf and y.requires_grad and y.tolist() == [2.0, 4.0]
