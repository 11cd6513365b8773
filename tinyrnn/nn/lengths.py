"""How long each row of a padded batch is."""
import numpy as np

from tinyrnn.autograd.creation import ones
from tinyrnn.autograd.engine import record
from tinyrnn.autograd.ops_activations import dropout
from tinyrnn.autograd.tensor import Tensor


def as_lengths(name, lengths, batch, steps):
    """Checks ``lengths`` (any sequence of integers, array or tensor) and returns it as an int64 array of (batch,)."""
    values = np.asarray(lengths.array if isinstance(lengths, Tensor) else lengths)
    if values.size == 0 and values.dtype.kind == "f":           # an empty list
        values = values.astype(np.int64)
    if values.dtype.kind not in "iu":
        raise TypeError(f"{name}: lengths must be integers, not {values.dtype}: {values!r}")
    if values.shape != (batch,):
        raise ValueError(f"{name}: lengths must have shape ({batch},), one for each row of the batch, "
                         f"not {values.shape}")
    if batch and (values.min() < 0 or values.max() > steps):
        raise ValueError(f"{name}: lengths must lie between 0 and the {steps} steps of the input, but go from "
                         f"{values.min()} to {values.max()}")
    return values.astype(np.int64)


def length_mask(lengths, steps=None):
    """True at the positions that exist: lengths (B,) -> bool (B, steps). ``steps`` defaults to the longest."""
    values = np.asarray(lengths.array if isinstance(lengths, Tensor) else lengths)
    if steps is None:
        steps = int(values.max(initial=0))
    values = as_lengths("length_mask", values, len(values), steps)
    return record(np.arange(steps) < values[:, None], (), None)


def dropout_of_steps(input, p, training, lengths):
    """``dropout`` of (T, B, F) whose mask is drawn as PyTorch draws it for a packed sequence: for the steps that exist,
    one after the other, longest rows first. ``lengths`` (B,), or None: all steps exist."""
    if lengths is None or not training:
        return dropout(input, p, training)
    T, B, F = input.shape
    order = np.argsort(-lengths, kind="stable")
    steps, rows = np.nonzero(np.arange(T)[:, None] < lengths[order])
    mask = np.zeros((T, B, F), input.dtype)
    mask[steps, order[rows]] = dropout(ones(len(steps), F, dtype=input.dtype), p).array
    return input * record(mask, (), None)
