"""From a list of items to a batch."""
import copy
from collections.abc import Mapping, MutableMapping, MutableSequence, Sequence

import numpy as np

from tinyrnn.autograd.creation import as_tensor, tensor
from tinyrnn.autograd.ops_join import stack
from tinyrnn.autograd.tensor import Tensor

__all__ = ["default_collate", "default_convert"]


def default_collate(batch):
    """One batch from a list of items of the same kind.

    Tensors, arrays and numbers become one tensor with a new first dimension (Python floats float64, as in PyTorch);
    strings and bytes stay a list; mappings, sequences and named tuples are collated part by part, and keep their type
    (a tuple becomes a list).
    """
    item = batch[0]
    if isinstance(item, Tensor):
        return stack(batch)
    if isinstance(item, np.ndarray):
        check_numbers(item.dtype)
        return stack([as_tensor(x) for x in batch])
    if isinstance(item, np.generic) and not isinstance(item, (str, bytes, float)):
        check_numbers(item.dtype)
        return tensor(np.array(batch, item.dtype))
    if isinstance(item, float):
        return tensor(np.array(batch, np.float64))
    if isinstance(item, int):
        return tensor(batch)
    if isinstance(item, (str, bytes)):
        return batch
    if isinstance(item, Mapping):
        return rebuilt(item, {key: default_collate([x[key] for x in batch]) for key in item})
    if isinstance(item, tuple) and hasattr(item, "_fields"):
        return type(item)(*map(default_collate, zip(*batch, strict=True)))
    if isinstance(item, Sequence):
        if any(len(x) != len(item) for x in batch):
            raise RuntimeError("each element in list of batch should be of equal size")
        return rebuilt(item, [default_collate(part) for part in zip(*batch, strict=True)])
    raise TypeError("default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; "
                    f"found {type(item)}")


def default_convert(data):
    """Arrays inside nested mappings and sequences become tensors; everything else stays: for unbatched loading."""
    if isinstance(data, (np.ndarray, np.generic)) and data.dtype.kind not in "SaUO":
        return as_tensor(np.asarray(data))
    if isinstance(data, Mapping):
        return rebuilt(data, {key: default_convert(value) for key, value in data.items()})
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*map(default_convert, data))
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        return rebuilt(data, [default_convert(value) for value in data])
    return data


def check_numbers(dtype):
    if dtype.kind in "SaUO":
        raise TypeError("default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; "
                        f"found {dtype}")


def rebuilt(model, parts):
    """``parts``, a dict or list, in the type of ``model`` where that type can hold them. A tuple becomes a list."""
    if isinstance(model, tuple):
        return parts
    try:
        if isinstance(model, MutableMapping):
            new = copy.copy(model)              # keeps what else a subclass carries, as a default factory
            new.update(parts)
            return new
        if isinstance(model, MutableSequence):
            new = copy.copy(model)
            for i, part in enumerate(parts):
                new[i] = part
            return new
        return type(model)(parts)
    except TypeError:
        return parts
