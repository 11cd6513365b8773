"""Tensors from data, of one value, and ranges, against PyTorch."""
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.autograd.helpers_functions import assert_same
from tinyrnn.autograd import creation, dtypes
from tinyrnn.autograd.arrays import DtypeError
from tinyrnn.autograd.creation import as_tensor, from_numpy, tensor
from tinyrnn.autograd.device import device

T32, T64 = np.arange(6, dtype=np.float32).reshape(2, 3), np.arange(6.0).reshape(2, 3)


# ---- data ----

@pytest.mark.parametrize("data", [
    1, 1.5, True, [], [[]], [1, 2], [1, 2.5], [True, 2], [True, False], [[1, 2], [3, 4.5]], ([1.0, 2.0], (3, 4)),
    T32, T64, T64.T, T64[:, ::-2].copy(), np.array([1, 2]), np.array(True), np.float64(2), np.float32(2), np.int64(3),
    [np.float64(1), 2], [np.float32(1), np.float32(2)], 2**62, [1e300]])
def test_tensor(data):
    assert_same(tensor(data), torch.tensor(data))


@pytest.mark.parametrize("data", [1, 1.5, True, [0, 2], [0.5, -1.5], T32, T64, [True, False]])
@pytest.mark.parametrize("ours, theirs", [
    (dtypes.float32, torch.float32), (dtypes.float64, torch.float64), (dtypes.int64, torch.int64),
    (dtypes.bool, torch.bool), (float, float), (int, int), (bool, bool)])
def test_tensor_with_dtype(data, ours, theirs):
    assert_same(tensor(data, dtype=ours), torch.tensor(data, dtype=theirs))


nested = st.recursive(st.floats(-9, 9, width=32) | st.integers(-9, 9) | st.booleans(),
                      lambda x: st.integers(0, 3).flatmap(lambda n: x.map(lambda item: [item] * n)), max_leaves=20)


@settings(max_examples=50, deadline=None)
@given(nested)
def test_nested_sequences(data):
    assert_same(tensor(data), torch.tensor(data))


def test_arrays_inside_sequences():
    assert_same(tensor([np.array([1.0, 2.0]), np.array([3.0, 4.0])]), torch.tensor([[1.0, 2], [3, 4]], dtype=float))


def test_tensors_inside_sequences():
    a, b = tensor(1.0, requires_grad=True), tensor(2.0, dtype=float)
    assert tensor([a, 2]).dtype == np.float32 and tensor([a, b]).dtype == np.float64
    assert tensor([tensor(1), tensor(2)]).dtype == np.int64
    assert tensor([[tensor([1, 2])], [(3, 4)]]).tolist() == [[[1, 2]], [[3, 4]]]


def test_tensor_copies():
    x = tensor(T32)
    y = tensor(x)
    y.add_(1)
    assert_same(x, torch.tensor(T32))
    assert tensor([1.0], requires_grad=True).requires_grad and tensor([1.0]).is_leaf


@pytest.mark.parametrize("data", [
    "a", None, 1j, 2**63, [None], object(), np.zeros(2, np.float16), np.zeros(2, np.int32), np.zeros(2, ">f4")])
def test_data_that_is_no_tensor(data):
    with pytest.raises(DtypeError, match="tensor: expected numbers"):
        tensor(data)


def test_ragged_data():
    with pytest.raises(ValueError, match="equal lengths"):
        tensor([[1], [2, 3]])


def test_gradients_are_for_floats():
    with pytest.raises(TypeError, match="requires_grad"):
        tensor([1, 2], requires_grad=True)


def test_from_numpy_shares_memory():
    for array in (T32.copy(), T64.T.copy().T, np.array([1, 2]), np.array([True]), np.array(2.0), np.zeros((0, 3)),
                  np.arange(10.0)[::-2]):
        x = from_numpy(array)
        assert np.shares_memory(x.numpy(), array) or array.size == 0
        assert x.dtype == array.dtype and x.tolist() == array.tolist()
    x.add_(1)
    assert array[0] == 10
    array.shape = (5, 1)
    assert x.shape == (5,)


def odd_strides():
    return np.zeros(4, [("a", np.float32), ("b", np.int8)])["a"]


def misaligned():
    return np.ndarray((1,), np.float64, bytearray(9), 1)


@pytest.mark.parametrize("array, error", [
    (np.zeros(2, np.int32), DtypeError), (np.zeros(2, ">f8"), DtypeError), (np.zeros(2, "U1"), DtypeError),
    (np.broadcast_to(1.0, 3), ValueError), (odd_strides(), ValueError), (misaligned(), ValueError), ([1.0], TypeError)])
def test_from_numpy_refuses(array, error):
    with pytest.raises(error, match="from_numpy"):
        from_numpy(array)


def test_as_tensor():
    array, x = T32.copy(), tensor([1.0], requires_grad=True)
    assert np.shares_memory(as_tensor(array).numpy(), array)
    assert as_tensor(x) is x and as_tensor(x * 2).requires_grad
    assert as_tensor(array, dtype=float).dtype == np.float64
    assert as_tensor([1, 2]).dtype == np.int64
    array.flags.writeable = False
    assert not np.shares_memory(as_tensor(array).numpy(), array)


# ---- one value ----

@pytest.mark.parametrize("name", ["zeros", "ones", "empty"])
@pytest.mark.parametrize("size", [(3,), (2, 3), ((2, 3),), ([2, 3],), (0, 4), ((),)])
@pytest.mark.parametrize("dtype", [None, "float32", "float64", "int64", "bool"])
def test_shapes(name, size, dtype):
    ours = getattr(creation, name)(*size, dtype=dtype and getattr(dtypes, dtype))
    theirs = getattr(torch, name)(*size, dtype=dtype and getattr(torch, dtype))
    assert ours.shape == tuple(theirs.shape) and str(ours.dtype) == str(theirs.dtype).removeprefix("torch.")
    if name != "empty":
        assert_same(ours, theirs)


@pytest.mark.parametrize("size", [2, (2,), (2, 3), ()])
@pytest.mark.parametrize("value", [1, 1.5, True])
def test_full(size, value):
    size_there = (size,) if isinstance(size, int) else size
    assert_same(creation.full(size, value), torch.full(size_there, value))
    assert_same(creation.full(size, value, dtype=float), torch.full(size_there, value, dtype=float))
    assert_same(tensor([1.0]).new_full(size, value), torch.tensor([1.0]).new_full(size_there, value))
    assert_same(creation.full_like(tensor(T32), value), torch.full_like(torch.tensor(T32), value))


@pytest.mark.parametrize("name", ["zeros", "ones", "empty"])
def test_like_and_new(name):
    x = tensor(T64)
    for y in (getattr(creation, name + "_like")(x), getattr(x, "new_" + name)(2, 3)):
        assert y.shape == (2, 3) and y.dtype == np.float64
    y = getattr(creation, name + "_like")(x, dtype=dtypes.int64)
    assert y.dtype == np.int64
    assert getattr(creation, name + "_like")(x, requires_grad=True).requires_grad
    assert not hasattr(x, name + "_like")


def test_new_tensor():
    assert_same(tensor([1, 2]).new_tensor([1.5]), torch.tensor([1, 2]).new_tensor([1.5]))


@pytest.mark.parametrize("size", [(3,), (2, 3), (3, 2), (0,)])
def test_eye(size):
    assert_same(creation.eye(*size), torch.eye(*size))


def test_bad_arguments():
    for call in (lambda: creation.zeros(-1), lambda: creation.eye(-1), lambda: creation.zeros((2, -1))):
        with pytest.raises(RuntimeError, match="negative"):
            call()
    for call in (lambda: creation.zeros(), lambda: creation.zeros(2.0), lambda: creation.zeros(2, out=None)):
        with pytest.raises(TypeError):
            call()
    for dtype in (np.int32, "nonsense", np.float16):
        with pytest.raises(DtypeError, match="zeros: the dtype must be float32, float64, int64 or bool"):
            creation.zeros(2, dtype=dtype)


# ---- ranges ----

@pytest.mark.parametrize("arguments", [
    (5,), (0,), (2, 7), (0, 5.0), (5, 0, -2), (0, 1, 0.1), (1, 2, 0.3), (-3, 4, 2), (0, 7, 7), (0.5,), (1, 1),
    (2.5, -2, -0.7)])
def test_arange(arguments):
    assert_same(creation.arange(*arguments), torch.arange(*arguments))
    assert_same(creation.arange(*arguments, dtype=float), torch.arange(*arguments, dtype=float))
    if all(isinstance(x, int) for x in arguments[2:]):      # of int64, a step of 0.1 is none
        assert_same(creation.arange(*arguments, dtype=int), torch.arange(*arguments, dtype=int))


@pytest.mark.parametrize("arguments", [(-2.7, 3), (0.5, 3.7), (0.1,), (7.9, 1, -2.5), (0, 9, 2.9)])
def test_arange_of_whole_numbers_without_fractions(arguments):
    assert_same(creation.arange(*arguments, dtype=int), torch.arange(*arguments, dtype=int))
    with pytest.raises(RuntimeError, match="step nonzero"):
        creation.arange(0, 3, 0.5, dtype=int)


@pytest.mark.parametrize("arguments", [(5, 1), (1, 5, -1), (1, 5, 0), (0, float("inf"))])
def test_arange_that_leads_nowhere(arguments):
    with pytest.raises(RuntimeError, match="arange"):
        creation.arange(*arguments)


@pytest.mark.parametrize("arguments", [(0, 1, 5), (3, -2, 7), (1, 2, 1), (1, 2, 0), (-1e3, 1e3, 129)])
def test_linspace(arguments):
    assert_same(creation.linspace(*arguments), torch.linspace(*arguments))
    assert_same(creation.linspace(*arguments, dtype=float), torch.linspace(*arguments, dtype=float))
    with pytest.raises(RuntimeError, match="linspace"):
        creation.linspace(0, 1, -1)


# ---- older constructors, devices ----

def test_legacy_constructors():
    for name in ("FloatTensor", "DoubleTensor", "LongTensor", "BoolTensor"):
        ours, theirs = getattr(creation, name), getattr(torch, name)
        assert_same(ours([1, 0, 2]), theirs([1, 0, 2]))
        assert ours(2, 3).shape == (2, 3) and ours().shape == (0,)


def test_devices():
    assert creation.zeros(1, device="cpu").device == device("cpu") == device(device("cpu"))
    assert repr(device("cpu", 0)) == repr(torch.device("cpu", 0)) and str(device("cpu:0")) == "cpu:0"
    assert device("cpu") != device("cpu:0") and len({device("cpu"), device()}) == 1
    for wrong in ("cuda", "cpu:1", "cuda:0", 0, "mps"):
        with pytest.raises(RuntimeError, match="only the CPU"):
            creation.zeros(1, device=wrong)


def test_is_tensor():
    assert creation.is_tensor(tensor(1)) and not creation.is_tensor(T32)
