"""Reductions and rows on several threads: the same bits as on one."""

import numpy as np
import pytest

import tinyrnn

SHAPES = [(300_001,), (3, 100_003), (100_003, 3), (1000, 401), (2, 700, 301)]       # all of them large enough to share


@pytest.fixture(autouse=True)
def threads_as_before():
    before = tinyrnn.get_num_threads()
    yield
    tinyrnn.set_num_threads(before)


def on_each_number_of_threads(f):
    """The bytes of a result on 1, 2, 3 and 8 threads; all of them must be the same."""
    results = []
    for n in (1, 2, 3, 8):
        tinyrnn.set_num_threads(n)
        results.append(f().numpy().tobytes())
    return results


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_number_of_threads_changes_no_bit(shape, dtype):
    x = tinyrnn.tensor(np.random.default_rng(0).standard_normal(shape).astype(dtype))
    operations = [lambda x: x.sum(), lambda x: x.var(), lambda x: x.amax(), lambda x: x.logsumexp(0)]
    for d in range(len(shape)):
        operations += [lambda x, d=d: x.sum(d), lambda x, d=d: x.softmax(d), lambda x, d=d: x.log_softmax(d)]
    for operation in operations:
        assert len(set(on_each_number_of_threads(lambda f=operation: f(x)))) == 1


@pytest.mark.parametrize("n", [2**18, 2**18 + 1, 2**18 + 4097, 1_000_003])
def test_a_long_row_cut_for_threads_has_the_sum_of_the_whole(n):
    x = np.random.default_rng(1).standard_normal(n)
    tinyrnn.set_num_threads(2)
    assert float(tinyrnn.tensor(x).sum()) == pytest.approx(x.sum(), abs=1e-9)
    assert float(tinyrnn.tensor(x).var()) == pytest.approx(x.var(ddof=1), rel=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_maximum_finds_nan_in_any_lane(dtype):
    for n in (1, 15, 16, 17, 513, 2000):
        for at in (0, n // 2, n - 1):
            x = np.zeros((n, 3), dtype)
            x[at, 1] = np.nan
            assert np.isnan(tinyrnn.tensor(x[:, 1].copy()).amax().numpy())
            np.testing.assert_array_equal(np.isnan(tinyrnn.tensor(x).amax(0).numpy()), [False, True, False])
            assert int(tinyrnn.tensor(x[:, 1].copy()).argmax()) == at
