"""Parallel streams: every element once, in order, with its successor as target."""
import numpy as np
import pytest

import tinyrnn
from tinyrnn.utils.data import ParallelStreams


@pytest.mark.parametrize(("n", "batch", "steps"), [(25, 3, 4), (24, 3, 4), (2, 1, 10), (101, 5, 20), (7, 3, 1)])
@pytest.mark.parametrize("offset", [0, 1, 2])
def test_rows_are_the_sequence_in_order(n, batch, steps, offset):
    if n - offset < batch:
        return
    windows = ParallelStreams(list(range(n)), batch, steps, offset)
    length = (n - offset) // batch
    assert len(windows) == len(list(windows)) == -(-length // steps)
    assert [len(x) for x, _ in windows][:-1] == [steps] * (len(windows) - 1)
    inputs, targets = (np.concatenate([pair[k].numpy() for pair in windows]) for k in (0, 1))
    np.testing.assert_array_equal(inputs.T, np.arange(length * batch).reshape(batch, length))
    np.testing.assert_array_equal(targets, inputs + offset)


def test_elements_may_be_vectors():
    x = np.random.default_rng(0).normal(size=(21, 3))
    a, b = ParallelStreams(x, 4, 2)[1]
    assert a.shape == b.shape == (2, 4, 3) and a.dtype == np.float64
    np.testing.assert_array_equal(a[0, 2].numpy(), x[12])
    np.testing.assert_array_equal(b[1, 2].numpy(), x[14])


def test_tensors_are_not_copied():
    codes = tinyrnn.arange(10)
    windows = ParallelStreams(codes, 1, 3)
    codes[0] = 77
    assert windows[0][0][0, 0].item() == 77


def test_mistakes_are_named():
    with pytest.raises(ValueError, match="3 elements are too few for 3 streams"):
        ParallelStreams([1, 2, 3], 3, 1)
    for wrong in ({"batch_size": 0}, {"steps": 0}, {"offset": -1}):
        with pytest.raises(ValueError, match="must be positive"):
            ParallelStreams([1, 2, 3], **({"batch_size": 1, "steps": 1} | wrong))
    with pytest.raises(IndexError, match="window 2 of 2"):
        ParallelStreams([1, 2, 3], 1, 1)[2]
