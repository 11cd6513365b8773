import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import tinyrnn
from tests.autograd.helpers_reduce import check, leaf, method, normal
from tinyrnn.autograd import ops_reduce as ops
from tinyrnn.autograd.arrays import DtypeError, ShapeError

inf, nan = np.inf, np.nan
SHAPES = [(), (1,), (7,), (33,), (3, 1), (4, 17), (17, 4), (129, 3), (2, 3, 5), (3, 33, 2), (2, 0, 3), (0,)]
SMOOTH = {
    "sum": {}, "mean": {}, "logsumexp": {}, "var": {"correction": 0}, "std": {"correction": 0}, "norm": {"p": 2},
}


def dims_of(shape):
    yield None
    yield from range(-len(shape), len(shape))
    if len(shape) > 1:
        yield (0, -1)
        yield (len(shape) - 1, 0)
        yield tuple(range(len(shape)))


@pytest.mark.filterwarnings("ignore:.*degrees of freedom:UserWarning")
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", SMOOTH)
def test_matches_torch_over_any_dims(name, shape):
    x = normal(*shape)
    empty = 0 in shape
    for dim in dims_of(shape):
        if name == "logsumexp" and dim is None:
            dim = tuple(range(len(shape)))
        for keepdim in (False, True):
            kwargs = dict(SMOOTH[name], dim=dim, keepdim=keepdim)
            check(*method(name, **kwargs), x,
                  second=not empty and 1 not in shape and shape != (),
                  dtypes=(np.float64,) if keepdim else (np.float64, np.float32))


@pytest.mark.parametrize("n", [0, 1, 7, 16, 17, 31, 33, 129, 511, 512, 513, 1025, 5000])
def test_sum_of_long_rows_and_columns(n):
    x = normal(n, 35).astype(np.float32)
    np.testing.assert_allclose(leaf(x).sum(0).array, x.astype(np.float64).sum(0), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(leaf(x.T.copy()).sum(1).array, x.astype(np.float64).sum(0), rtol=1e-5, atol=1e-5)


def test_sum_of_a_million_float32_is_accurate():
    x = np.random.default_rng(1).random(1_000_000).astype(np.float32)
    exact = x.astype(np.float64).sum()
    assert abs(float(leaf(x).sum()) / exact - 1) < 2e-7
    x = np.full(1_000_003, 0.1, np.float32)
    assert abs(float(leaf(x).sum()) / x.astype(np.float64).sum() - 1) < 1e-6


@pytest.mark.parametrize("name", ["sum", "mean", "var", "std", "norm", "logsumexp"])
@given(rows=st.integers(1, 40), n=st.integers(1, 1200), at=st.integers(0, 39))
def test_a_row_has_the_same_bits_alone_in_a_batch_and_as_a_column(name, rows, n, at):
    x = normal(rows, n).astype(np.float32)
    together = getattr(leaf(x), name)(dim=1).array
    as_columns = getattr(leaf(np.ascontiguousarray(x.T)), name)(dim=0).array
    alone = getattr(leaf(x[at % rows].copy()), name)(dim=0).array
    assert together.tobytes() == as_columns.tobytes()
    assert together[at % rows].tobytes() == alone.tobytes()


@pytest.mark.parametrize("name", ["sum", "mean", "var", "norm", "logsumexp"])
@pytest.mark.parametrize("row", [[inf, 1], [-inf, 1], [inf, -inf], [nan, 1], [-inf, -inf], [inf, inf], [3e38, 3e38]],
                         ids=str)
def test_inf_and_nan_without_warnings(name, row):
    kwargs = {"dim": 0}
    check(*method(name, **kwargs), np.array(row), second=False)


def test_not_contiguous():
    x = normal(6, 5, 4)
    for op in (lambda x: x.transpose(0, 2).sum(1), lambda x: x.transpose(0, 2).mean((0, 1)),
               lambda x: x.transpose(1, 0).logsumexp(-1)):
        check(op, op, x)
    assert float(leaf(np.arange(10.0)[::-2]).sum()) == 25


@pytest.mark.parametrize("dtype", [np.int64, np.bool_])
def test_sums_of_integers_are_int64(dtype):
    x = np.random.default_rng(0).integers(0, 2, (3, 4, 5)).astype(dtype)
    for dim in dims_of(x.shape):
        y, t = leaf(x).sum(dim), torch.tensor(x).sum(dim)
        assert y.dtype == np.int64 and y.array.tolist() == t.tolist()


# ---- variance --------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("kwargs", [
    {}, {"dim": 0}, {"dim": 1, "unbiased": False}, {"dim": (0, 2), "correction": 2}, {"dim": 1, "correction": 0.5},
    {"dim": -1, "keepdim": True, "unbiased": True}], ids=str)
def test_variance_and_standard_deviation(kwargs):
    if "unbiased" in kwargs and "correction" not in kwargs:
        args, named = (kwargs["dim"], kwargs["unbiased"], kwargs.get("keepdim", False)), {}
    else:
        args, named = (), kwargs
    for name in ("var", "std"):
        check(*method(name, *args, **named), normal(4, 5, 6))
    check(lambda x: ops.var_mean(x, **kwargs), lambda x: torch.var_mean(x, **kwargs), normal(4, 5, 6))


def test_the_norms_of_one_number():
    for p in (0, 0.5, 1, 2, 3, np.inf, -np.inf):
        for x in (0.0, 3.0, -2.5):
            check(*method("norm", p), np.float64(x), second=False)


def test_unbiased_alone():
    for op in (lambda x: x.var(False), lambda x: x.std(True)):
        check(op, op, normal(4, 5))
    with pytest.raises(TypeError, match="unbiased and correction"):
        leaf(normal(3)).var(0, True, correction=1)


def test_variance_of_equal_elements():
    check(*method("std", 0), np.array([[1.0, 2], [1, 3]]), second=False)
    check(*method("var", 0), np.ones((3, 2)))


@pytest.mark.filterwarnings("ignore:.*degrees of freedom:UserWarning")
def test_variance_of_too_few():
    for x in ([1.0], [], [2.0, 3.0]):
        for c in (1, 2):
            ours, theirs = leaf(np.array(x)).var(0, correction=c), torch.tensor(x).double().var(0, correction=c)
            np.testing.assert_array_equal(ours.array, theirs.numpy())


def test_mean_far_from_zero_does_not_cancel():
    x = (1e4 + normal(1000)).astype(np.float32)
    np.testing.assert_allclose(float(leaf(x).var()), x.astype(np.float64).var(ddof=1), rtol=1e-5)


# ---- norm ------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("p", ["fro", 2, 1, 0, inf, -inf])
@pytest.mark.parametrize("dim", [None, 0, -1, (0, 2)], ids=str)
def test_norm(p, dim):
    x = normal(3, 4, 5)
    x[0, 0, 0] = 0
    x[1, 2] = x[1, 1]
    check(*method("norm", p, dim), x, second=p != 0)
    if dim is not None:             # PyTorch refuses this one
        check(*method("norm", p, dim, True), x, second=False)


@pytest.mark.parametrize("p", [0.5, 1.5, 3, 4])
def test_norm_of_other_orders(p):
    check(*method("norm", p, 1), normal(3, 4), second=False)


@pytest.mark.parametrize("p", [2, 1, inf, -inf])
def test_norm_of_zeros_and_nan(p):
    for x in ([0.0, 0.0], [0.0, -2, 2], [nan, -2, 2]):
        check(*method("norm", p), np.array(x), second=False)


# ---- truth and counts ------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("x", [
    np.array([[0.0, nan], [0, 0]]), np.array([[1, 0, 2]]), np.zeros((2, 0), bool), np.array(3)], ids=str)
def test_any_all_and_count(x):
    t = torch.tensor(x)
    for name in ("any", "all"):
        for dim in dims_of(x.shape):
            assert getattr(leaf(x), name)(dim).array.tolist() == getattr(t, name)(dim).tolist()
        assert getattr(leaf(x), name)(0, keepdim=True).array.tolist() == getattr(t, name)(0, keepdim=True).tolist()
    for dim in (None, 0, -1):
        y = leaf(x).count_nonzero(dim)
        assert y.dtype == np.int64 and y.array.tolist() == t.count_nonzero(dim).tolist()


# ---- sum_to and errors -----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("shape", [(), (1,), (5,), (1, 5), (4, 1), (4, 5), (3, 1, 5), (1, 1, 1), (3, 4, 5)], ids=str)
def test_sum_to(shape):
    check(lambda x: ops.sum_to(x, shape), lambda x: x.sum_to_size(shape), normal(3, 4, 5))


@pytest.mark.parametrize("name", ["sum", "mean", "var", "std", "logsumexp", "any", "all"])
def test_wrong_dims_raise(name):
    x = leaf(normal(3, 4))
    for dim in (2, -3, (0, 5)):
        with pytest.raises(IndexError, match=rf"{name}: dim -?\d is out of range for shape \(3, 4\)"):
            getattr(x, name)(dim=dim)
    with pytest.raises(TypeError):
        getattr(x, name)(dim=1.5)


def test_other_errors():
    with pytest.raises(ShapeError, match=r"sum: dim 1 occurs twice in \(1, -1\)"):
        leaf(normal(3, 4)).sum((1, -1))
    for name in ("mean", "var", "std", "norm"):
        with pytest.raises(DtypeError, match=name):
            getattr(leaf(np.arange(3)), name)()
    with pytest.raises(ValueError, match="nuc"):
        leaf(normal(3)).norm("nuc")


@pytest.mark.parametrize("name", ["sum", "mean", "prod", "cumsum", "cumprod", "softmax", "log_softmax"])
@pytest.mark.parametrize("x", [np.arange(6).reshape(2, 3), normal(2, 3).astype(np.float32)], ids=["int64", "float32"])
def test_dtype_converts_before(name, x):
    dim = {"dim": 1}
    y, t = leaf(x), torch.tensor(x)
    y, t = getattr(y, name)(**dim, dtype=np.dtype(np.float64)), getattr(t, name)(**dim, dtype=torch.float64)
    assert y.dtype == np.float64
    np.testing.assert_allclose(y.array, t.numpy(), rtol=1e-10)


def test_norm_dtype():
    check(lambda x: x.norm(2, 1, dtype=x.dtype), lambda x: x.norm(2, 1, dtype=x.dtype), normal(2, 3))
    assert leaf(normal(2, 3).astype(np.float32)).norm(dtype=np.dtype(np.float64)).dtype == np.float64


@pytest.mark.parametrize("name", ["any", "all", "count_nonzero", "sum", "argmax", "logsumexp"])
def test_a_number_has_one_dimension_at_most(name):
    x = tinyrnn.tensor(2.0)
    assert getattr(x, name)(0).shape == getattr(x, name)(-1).shape == ()
    with pytest.raises(IndexError, match=rf"{name}: dim 1 is out of range for shape \(\)"):
        getattr(x, name)(1)
