"""Batches from items, in PyTorch's types."""
import collections

import numpy as np
import pytest
import torch
import torch.utils.data as theirs

import tinyrnn.autograd.methods  # noqa: F401  (activates the methods of Tensor)
from tinyrnn.autograd.creation import tensor
from tinyrnn.autograd.tensor import Tensor
from tinyrnn.utils.data import default_collate, default_convert

Point = collections.namedtuple("Point", "x y")


def plain(value):
    """Values in terms that both frameworks share."""
    if isinstance(value, Tensor):
        return "tensor", str(value.dtype), value.shape, value.array.tolist()
    if isinstance(value, torch.Tensor):
        return "tensor", str(value.dtype).removeprefix("torch."), tuple(value.shape), value.tolist()
    if isinstance(value, dict):
        return type(value), {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, collections.deque)):
        return type(value), [plain(item) for item in value]
    return value


BATCHES = {
    "floats": [1.5, 2.5],
    "ints": [1, 2, 3],
    "bools": [True, False],
    "strings": ["a", "b"],
    "bytes": [b"a"],
    "arrays": [np.ones((2, 3), np.float32), np.zeros((2, 3), np.float32)],
    "int-arrays": [np.arange(3), np.arange(3)],
    "0d": [np.array(2.0), np.array(3.0)],
    "numpy-numbers": [np.float32(1), np.float32(2)],
    "numpy-float64": [np.float64(1), np.float64(2)],
    "numpy-ints": [np.int64(1), np.int64(2)],
    "numpy-bools": [np.bool_(True), np.bool_(False)],
    "tuples": [(1, "a"), (2, "b")],
    "lists": [[1, 2.0], [3, 4.0]],
    "dicts": [{"x": 1, "y": np.ones(2)}, {"x": 2, "y": np.zeros(2)}],
    "ordered": [collections.OrderedDict(b=1, a=2), collections.OrderedDict(b=3, a=4)],
    "named": [Point(1, "a"), Point(2, "b")],
    "nested": [({"a": [1, (2.0,)]}, 5), ({"a": [3, (4.0,)]}, 6)],
    "deque": [collections.deque([1, 2]), collections.deque([3, 4])],
    "empty": [(), ()],
}


@pytest.mark.parametrize("batch", BATCHES.values(), ids=BATCHES)
def test_batches_are_pytorchs(batch):
    assert plain(default_collate(batch)) == plain(theirs.default_collate(batch))


@pytest.mark.parametrize("item", [batch[0] for batch in BATCHES.values()], ids=BATCHES)
def test_converted_items_are_pytorchs(item):
    assert plain(default_convert(item)) == plain(theirs.default_convert(item))


def test_tensors_are_stacked():
    batch = default_collate([tensor([1.0, 2.0]), tensor([3.0, 4.0])])
    assert batch.array.tolist() == [[1, 2], [3, 4]]
    x = tensor([1.0], requires_grad=True)
    default_collate([x, x]).sum().backward()
    assert x.grad.array == 2


def test_dict_types_keep_what_they_carry():
    items = [collections.defaultdict(list, a=1), collections.defaultdict(list, a=2)]
    batch = default_collate(items)
    assert batch.default_factory is list
    assert items[0]["a"] == 1


@pytest.mark.parametrize(("batch", "error"), [
    ([object()], TypeError), ([None], TypeError), ([np.array(["a"])], TypeError), ([[1], [1, 2]], RuntimeError),
    ([{1}], TypeError),
])
def test_errors_are_pytorchs(batch, error):
    with pytest.raises(error) as mine:
        default_collate(batch)
    with pytest.raises(error) as other:
        theirs.default_collate(batch)
    assert str(mine.value) == str(other.value)
