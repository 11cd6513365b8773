"""Sequences of different length: padded, or packed without padding, with PyTorch's names and layouts.

Packed, the rows are sorted by length, longest first, and lie time step after time step, each step only as wide as
there are rows still running: abc and x become a x b c, with batch sizes 2, 1, 1. The recurrent layers take ``lengths``
and need none of this; it is here for programs that use it.

Shapes: T steps, B rows, * any further dimensions, N the sum of all lengths.
"""
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from tinyrnn.autograd.arrays import ShapeError, cast
from tinyrnn.autograd.engine import record
from tinyrnn.autograd.ops_join import cat
from tinyrnn.autograd.tensor import Tensor


class PackedFields(NamedTuple):
    data: Tensor                            # (N, *)
    batch_sizes: Tensor                     # (T,) int64
    sorted_indices: Tensor | None           # (B,) int64: the row of the caller that became row k
    unsorted_indices: Tensor | None         # (B,) int64: where the caller's row k went


class PackedSequence(PackedFields):
    """Sequences without padding; made by :func:`pack_padded_sequence` and :func:`pack_sequence`, not by hand."""

    def __new__(cls, data, batch_sizes=None, sorted_indices=None, unsorted_indices=None):
        if batch_sizes is None:
            if not isinstance(data, (list, tuple)) or len(data) != 2:
                raise TypeError("PackedSequence: without batch_sizes, data must be the pair (data, batch_sizes)")
            data, batch_sizes = data
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def __reduce__(self):
        return type(self), tuple(self)

    def to(self, *args, **kwargs):
        """With its data converted as by ``Tensor.to``."""
        return type(self)(self.data.to(*args, **kwargs), *self[1:])

    def float(self):
        """With float32 data."""
        return self.to(np.float32)

    def double(self):
        """With float64 data."""
        return self.to(np.float64)


def integers(array):
    return record(np.asarray(array, np.int64), (), None)


def invert_permutation(permutation):
    """The permutation that undoes this one: y[x[k]] = k. None stays None."""
    if permutation is None:
        return None
    order = as_array("invert_permutation", permutation)
    if not np.array_equal(np.sort(order), np.arange(len(order))):
        raise ValueError(f"invert_permutation: {order} does not name every row once")
    return integers(np.argsort(order))


def checked_sizes(sequence):
    """The batch sizes of a packed sequence, if they can be some, as an array (T,)."""
    sizes, n = as_array("PackedSequence", sequence.batch_sizes), len(sequence.data)
    if not len(sizes) or sizes[-1] < 1 or sizes[0] > n or (np.diff(sizes) > 0).any() or sizes.sum() != n:
        raise ValueError(f"PackedSequence: batch_sizes {sizes} must fall, be at least 1 and add up to the {n} rows of "
                         f"its data {sequence.data.shape}")
    rows = None if sequence.unsorted_indices is None else as_array("PackedSequence", sequence.unsorted_indices)
    if rows is not None and not np.array_equal(np.sort(rows), np.arange(sizes[0])):
        raise ValueError(f"PackedSequence: unsorted_indices {rows} do not name each of the {sizes[0]} rows once")
    return sizes


def as_array(name, lengths):
    """Lengths as an int64 array (B,)."""
    values = np.asarray(lengths.array if isinstance(lengths, Tensor) else lengths)
    if values.ndim != 1:
        raise ShapeError(f"{name}: lengths must have one dimension, not {values.shape}")
    if values.size and values.dtype.kind not in "iu":
        raise TypeError(f"{name}: lengths must be integers, not {values.dtype}")
    return values.astype(np.int64)


def places(batch_sizes):
    """Where each packed element came from: its step and its row in the sorted batch, both (N,)."""
    steps = np.repeat(np.arange(len(batch_sizes)), batch_sizes)
    starts = np.cumsum(batch_sizes) - batch_sizes
    return steps, np.arange(len(steps)) - np.repeat(starts, batch_sizes)


# ---- packed ----------------------------------------------------------------------------------------------------------

def pack_padded_sequence(input, lengths, batch_first=False, enforce_sorted=True):
    """Packs a padded batch: input (T, B, *), with ``batch_first`` (B, T, *); lengths (B,), all at least 1.

    With ``enforce_sorted`` the lengths must already fall; otherwise the rows are sorted here. Differentiable.
    """
    lengths = as_array("pack_padded_sequence", lengths)
    if input.ndim < 2:
        raise ShapeError(f"pack_padded_sequence: the input needs at least 2 dimensions, its shape is {input.shape}")
    steps, rows = input.shape[1::-1] if batch_first else input.shape[:2]
    if len(lengths) != rows:
        raise ShapeError(f"Expected `len(lengths)` to be equal to batch_size, but got {len(lengths)} "
                         f"(batch_size={rows})")
    if not rows:
        raise ShapeError("Cannot pack empty tensors.")
    order = None
    if not enforce_sorted:
        order = np.argsort(-lengths, kind="stable")
        lengths = lengths[order]
    if lengths.min() <= 0:
        raise ValueError("Length of all samples has to be greater than 0, but found an element in 'lengths' that is "
                         "<= 0")
    if (np.diff(lengths) > 0).any():
        raise ValueError("`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can "
                         "pass `enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to sidestep this "
                         "requirement.")
    if lengths[0] > steps:
        raise ShapeError(f"Expected `len(lengths)` to be at most the {steps} steps of the input {input.shape}, "
                         f"but found {lengths[0]}")
    batch_sizes = (lengths > np.arange(lengths[0])[:, None]).sum(1)                 # (T,)
    sorted_indices = None if order is None else integers(order)
    return PackedSequence(packed_data(input, batch_sizes, order, batch_first), integers(batch_sizes), sorted_indices)


def packed_data(input, batch_sizes, order, batch_first):
    """The elements of a padded tensor in packed order: (N, *)."""
    step, row = places(batch_sizes)
    row = row if order is None else order[row]
    steps, rows = input.shape[1::-1] if batch_first else input.shape[:2]
    return rows_at(input.flatten(0, 1), row * steps + step if batch_first else step * rows + row)


def repack(input, like):
    """A padded (T, B, *), rows in the caller's order, packed as ``like`` is."""
    order = None if like.sorted_indices is None else like.sorted_indices.array
    return PackedSequence(packed_data(input, like.batch_sizes.array, order, False), *like[1:])


def pad_packed_sequence(sequence, batch_first=False, padding_value=0.0, total_length=None):
    """Undoes :func:`pack_padded_sequence`: returns the padded (T, B, *), or (B, T, *), and the lengths (B,).

    ``total_length``: pad up to this T. Differentiable.
    """
    batch_sizes = checked_sizes(sequence)
    steps, rows = len(batch_sizes), int(batch_sizes[0])
    if total_length is not None:
        if total_length < steps:
            raise ValueError("Expected total_length to be at least the length of the longest sequence in input, but "
                             f"got total_length={total_length} and max sequence length being {steps}")
        steps = total_length
    lengths = (batch_sizes > np.arange(rows)[:, None]).sum(1)                       # (B,) in sorted order
    step, row = places(batch_sizes)
    source = np.full((steps, rows), -1)                                             # which packed element; -1: padding
    source[step, row] = np.arange(len(step))
    if sequence.unsorted_indices is not None:
        back = sequence.unsorted_indices.array
        source, lengths = source[:, back], lengths[back]
    padded = rows_at(sequence.data, source.T if batch_first else source, padding_value)
    return padded, integers(lengths)


def rows_at(x, source, fill=0.0):
    """y[i, j] = x[source[i, j]], or ``fill`` where that is -1; no row of x is wanted twice, so x's gradient is read in
    the same way: x (n, *), source of any shape."""
    n, outside = len(x), source < 0
    out = x.array.take(source, 0)
    out[outside] = cast(fill, out.dtype)

    def backward(y, dy):
        wanted, inverse = np.flatnonzero(~outside), np.full(n, -1)
        inverse[source.ravel()[wanted]] = wanted
        return rows_at(dy.flatten(0, source.ndim - 1), inverse)
    return record(out, (x,), backward, ())


# ---- padded ----------------------------------------------------------------------------------------------------------

def pad_sequence(sequences, batch_first=False, padding_value=0.0, padding_side="right"):
    """Sequences (L_k, *) as one padded tensor (T, B, *), with ``batch_first`` (B, T, *). Differentiable.

    ``padding_side``: "right" puts the padding after a sequence, "left" before it.
    """
    if not isinstance(sequences, Iterable):
        raise TypeError(f"pad_sequence: Expected iterable for input sequences, but got arg of type: {type(sequences)}")
    if padding_side not in ("left", "right"):
        raise ValueError(f"Expected padding_side to be one of left or right, but got {padding_side}.")
    sequences = list(sequences)
    if not sequences:
        raise ValueError("pad_sequence: received an empty list of sequences")
    if len({(x.shape[1:], x.dtype) for x in sequences}) > 1 or sequences[0].ndim == 0:
        raise ShapeError("pad_sequence: the sequences must agree in dtype and all dimensions but the first, not: "
                         + ", ".join(f"{x.dtype} {x.shape}" for x in sequences))
    lengths = np.array([len(x) for x in sequences])
    steps = np.arange(lengths.max())[:, None]                                      # (T, 1)
    first = lengths.max() - lengths if padding_side == "left" else np.zeros_like(lengths)
    inside = (steps >= first) & (steps < first + lengths)                          # (T, B)
    source = np.where(inside, steps - first + np.cumsum(lengths) - lengths, -1)
    return rows_at(cat(sequences), source.T if batch_first else source, padding_value)


def unpad_sequence(padded_sequences, lengths, batch_first=False):
    """The rows of a padded tensor, each cut to its length: a list of (L_k, *)."""
    if not batch_first:
        padded_sequences = padded_sequences.transpose(0, 1)
    lengths = as_array("unpad_sequence", lengths)
    if len(lengths) != len(padded_sequences):
        raise ShapeError(f"unpad_sequence: {len(lengths)} lengths for {len(padded_sequences)} rows")
    return [row[:max(int(n), 0)] for row, n in zip(padded_sequences, lengths, strict=True)]


def pack_sequence(sequences, enforce_sorted=True):
    """Packs a list of sequences (L_k, *): :func:`pad_sequence`, then :func:`pack_padded_sequence`."""
    sequences = list(sequences)
    return pack_padded_sequence(pad_sequence(sequences), [len(x) for x in sequences], enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences):
    """Undoes :func:`pack_sequence`: the list of sequences."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
