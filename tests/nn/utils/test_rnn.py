"""Padded and packed sequences beside PyTorch's."""
import copy
import pickle

import numpy as np
import pytest
import torch
import torch.nn.utils.rnn as theirs
from hypothesis import given
from hypothesis import strategies as st
from nn_helpers import array_of, assert_same, assert_same_gradients, leaf

from tinyrnn.nn.utils import rnn as ours

LENGTHS = st.lists(st.integers(1, 7), min_size=1, max_size=6)
EXTRA = st.sampled_from([(), (1,), (3,), (2, 3)])


def sequences(lengths, extra, dtype=np.float64):
    rng = np.random.default_rng(sum(lengths))
    pairs = [leaf(rng.standard_normal((n, *extra)).astype(dtype)) for n in lengths]
    return [p[0] for p in pairs], [p[1] for p in pairs]


def same_packed(a, b):
    for field in ("data", "batch_sizes", "sorted_indices", "unsorted_indices"):
        x, y = getattr(a, field), getattr(b, field)
        if x is None or y is None:
            assert x is y, field
        else:
            assert_same(x, y, field)


def backward(a, b):
    """The gradient of the same random function of both."""
    seed = np.random.default_rng(1).standard_normal(a.shape)
    (a * leaf(seed, False)[0]).sum().backward()
    (b * torch.tensor(seed)).sum().backward()


@given(LENGTHS, EXTRA, st.booleans(), st.sampled_from([0.0, -1.5]), st.sampled_from(["left", "right"]))
def test_pad_sequence(lengths, extra, batch_first, value, side):
    a, b = sequences(lengths, extra)
    x, y = (library.pad_sequence(s, batch_first, value, side) for library, s in ((ours, a), (theirs, b)))
    assert_same(x, y)
    backward(x, y)
    assert_same_gradients(a, b)


@given(LENGTHS, EXTRA, st.booleans(), st.booleans(), st.integers(0, 2), st.sampled_from([0.0, 2.5]), st.integers(0, 2))
def test_pack_and_pad(lengths, extra, batch_first, sort, longer, value, total):
    if not sort:
        lengths = sorted(lengths, reverse=True)
    steps = max(lengths) + longer
    shape = (len(lengths), steps) if batch_first else (steps, len(lengths))
    x, y = leaf(np.random.default_rng(0).standard_normal((*shape, *extra)))
    a = ours.pack_padded_sequence(x, lengths, batch_first, enforce_sorted=not sort)
    b = theirs.pack_padded_sequence(y, lengths, batch_first, enforce_sorted=not sort)
    if sort and len(set(lengths)) < len(lengths):           # the order of equal lengths is PyTorch's own affair
        np.testing.assert_array_equal(a.batch_sizes.array, b.batch_sizes)
    else:
        same_packed(a, b)
    total = None if not total else max(lengths) + total
    for back_first in (False, True):
        (p, n), (q, m) = (library.pad_packed_sequence(s, back_first, value, total)
                          for library, s in ((ours, a), (theirs, b)))
        assert_same(p, q)
        assert_same(n, m)
    backward(p, q)
    assert_same_gradients([x], [y])


@given(LENGTHS, EXTRA, st.booleans())
def test_pack_sequence_and_back(lengths, extra, sort):
    lengths = lengths if sort else sorted(lengths, reverse=True)
    a, b = sequences(lengths, extra)
    p, q = (library.pack_sequence(s, enforce_sorted=not sort) for library, s in ((ours, a), (theirs, b)))
    np.testing.assert_array_equal(p.batch_sizes.array, q.batch_sizes)
    back = ours.unpack_sequence(p)
    for x, y, z in zip(a, back, theirs.unpack_sequence(q), strict=True):
        assert_same(y, z)
        assert (x.array == y.array).all()
    sum((y * y).sum() for y in back[1:]).backward() if len(back) > 1 else None
    for x in a[1:]:
        np.testing.assert_allclose(x.grad.array, 2 * x.array)


@given(LENGTHS, EXTRA, st.booleans())
def test_repack_undoes_padding(lengths, extra, sort):
    lengths = lengths if sort else sorted(lengths, reverse=True)
    packed = ours.pack_sequence(sequences(lengths, extra)[0], enforce_sorted=not sort)
    again = ours.repack(ours.pad_packed_sequence(packed)[0], packed)
    assert (again.data.array == packed.data.array).all() and again[1:] == packed[1:]


def test_integers_can_be_packed():
    x, y = leaf(np.array([[1, 2, 0], [3, 0, 0], [4, 5, 6]]))
    for lengths in ([2, 1, 3], np.array([2, 1, 3]), leaf(np.array([2, 1, 3]))[0]):
        same_packed(ours.pack_padded_sequence(x, lengths, True, False),
                    theirs.pack_padded_sequence(y, [2, 1, 3], True, False))


def test_unpad():
    x, y = leaf(np.random.default_rng(0).standard_normal((3, 4, 2)))
    for batch_first in (True, False):
        n = [4, 0, 2] if batch_first else [3, 0, 1, 2]
        expected = theirs.unpad_sequence(y.clone(), torch.tensor(n), batch_first)
        for a, b in zip(ours.unpad_sequence(x, n, batch_first), expected, strict=True):
            assert_same(a, b)
    assert x.shape == (3, 4, 2)
    with pytest.raises(ValueError, match="2 lengths for 3 rows"):
        ours.unpad_sequence(x, [1, 2], batch_first=True)


def test_packed_sequence_object():
    packed = ours.pack_sequence(sequences([1, 3, 2], (2,))[0], enforce_sorted=False)
    assert packed.double() is not None and packed.float().data.dtype == np.float32
    assert packed.to(np.float64).data is packed.data
    assert isinstance(packed, tuple) and len(packed) == 4 and type(packed.to(np.float32)) is ours.PackedSequence
    for again in (pickle.loads(pickle.dumps(ours.PackedSequence(packed.data.detach(), *packed[1:]))),
                  copy.copy(packed), ours.PackedSequence((packed.data, packed.batch_sizes), None, *packed[2:])):
        assert all((x.array == y.array).all() for x, y in zip(again, packed, strict=True))
    with pytest.raises(TypeError, match="pair"):
        ours.PackedSequence(packed.data)


@given(st.permutations(range(6)))
def test_invert_permutation(order):
    a, b = leaf(np.array(order, np.int64))
    assert_same(ours.invert_permutation(a), theirs.invert_permutation(b))
    assert (array_of(ours.invert_permutation(a))[order] == np.arange(6)).all()
    assert ours.invert_permutation(None) is None


X = np.zeros((3, 2, 4))
ERRORS = [
    (lambda L, x: L.pack_padded_sequence(x, [1, 2]), "sorted in decreasing order when `enforce_sorted` is True"),
    (lambda L, x: L.pack_padded_sequence(x, [1, 0]), "has to be greater than 0"),
    (lambda L, x: L.pack_padded_sequence(x, [3, 2, 1]), "to be equal to batch_size, but got 3 "),
    (lambda L, x: L.pad_packed_sequence(L.pack_padded_sequence(x, [3, 2]), total_length=2),
     "total_length=2 and max sequence length being 3"),
    (lambda L, x: L.pad_sequence([x], padding_side="middle"), "padding_side to be one of left or right"),
    (lambda L, x: L.pad_sequence([]), "received an empty list of sequences"),
    (lambda L, x: L.pad_sequence(3), "Expected iterable for input sequences"),
]


@pytest.mark.parametrize(("call", "message"), ERRORS)
def test_errors_as_in_torch(call, message):
    for library, x in zip((ours, theirs), leaf(X), strict=True):
        with pytest.raises((ValueError, RuntimeError, TypeError), match=message):
            call(library, x)


@pytest.mark.parametrize(("call", "message"), [
    (lambda x: ours.pack_padded_sequence(x, [4, 2]), "3 steps"),
    (lambda x: ours.pack_padded_sequence(x[:, :0], []), "empty"),
    (lambda x: ours.pack_padded_sequence(x, [1.5, 1.0]), "must be integers"),
    (lambda x: ours.pack_padded_sequence(x, [[1], [1]]), "one dimension"),
    (lambda x: ours.pack_padded_sequence(x[0, 0], [1]), "at least 2 dimensions"),
    (lambda x: ours.pad_sequence([x, x[0]]), "must agree"),
])
def test_own_errors(call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call(leaf(X)[0])
