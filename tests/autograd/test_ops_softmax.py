import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.autograd.helpers_reduce import check, leaf, method, normal
from tinyrnn.autograd import ops_softmax
from tinyrnn.autograd.arrays import DtypeError

inf, nan = np.inf, np.nan
NAMES = ["softmax", "log_softmax"]


@pytest.mark.parametrize("shape", [
    (), (1,), (7,), (33,), (3, 1), (4, 17), (17, 4), (3, 33, 2), (2, 129, 40), (2, 0, 3), (0,)], ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_matches_torch(name, shape):
    for dim in range(-max(1, len(shape)), max(1, len(shape))):
        check(*method(name, dim), 3 * normal(*shape), second=0 not in shape)


@pytest.mark.parametrize("row", [
    [-inf, 1, 2], [-inf, -inf], [inf, 1], [nan, 1], [1000, 1001, 999], [-1e30, 1e30], [3e38, -3e38, 3e38]], ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_extremes_without_warnings(name, row):
    check(*method(name, 0), np.array(row, float), second=False)
    x = np.stack([row, np.arange(len(row))], 1).astype(float)
    check(*method(name, 0), x, second=False)


@pytest.mark.parametrize("name", NAMES)
@given(rows=st.integers(1, 40), n=st.integers(1, 1200), at=st.integers(0, 39))
def test_a_row_has_the_same_bits_alone_in_a_batch_and_as_a_column(name, rows, n, at):
    x = normal(rows, n).astype(np.float32)
    together = getattr(leaf(x), name)(1).array
    as_columns = getattr(leaf(np.ascontiguousarray(x.T)), name)(0).array
    alone = getattr(leaf(x[at % rows].copy()), name)(0).array
    assert together.tobytes() == np.ascontiguousarray(as_columns.T).tobytes()
    assert together[at % rows].tobytes() == alone.tobytes()


def test_softmin():
    check(lambda x: ops_softmax.softmin(x, 1), lambda x: torch.nn.functional.softmin(x, 1), normal(3, 4))


@pytest.mark.parametrize("name", NAMES)
def test_errors(name):
    with pytest.raises(TypeError, match=f"{name}: dim must be given"):
        getattr(leaf(normal(3)), name)()
    with pytest.raises(IndexError, match=f"{name}: dim 1 is out of range"):
        getattr(leaf(normal(3)), name)(1)
    with pytest.raises(DtypeError, match=f"{name}: expected float32 or float64, not int64"):
        getattr(leaf(np.arange(3)), name)(0)
