import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.autograd.helpers_shape import check, ours, pair, same, tensor, values
from tinyrnn.autograd.tensor import swap_mode

MASK = np.array([[True, False, True], [False, True, True]])
LONG = np.array([[1, 0, 1], [-1, 1, 0]])

# What can stand in the brackets behind a tensor of shape (2, 3, 4). Arrays become tensors of each library.
INDICES = [
    0, -1, (1, 2), (1, 2, 3), slice(None), slice(1, None), (slice(None), slice(None, None, 2)), (..., 0), (0, ..., 1),
    None, (None, 0, None), (slice(None), None, slice(1, 3)), (), ..., (..., None), (slice(5, 9),), slice(-1, None),
    [0, 1], [1], [], [True, False], (0, slice(None), [1, 2]), (slice(None), [0, 2]), ([0, 1], [1, 2]),
    ([0, 1], slice(None), [1, 2]), (slice(None), [0, 2], [1, 3]), ([0, 1], 0, [1, 2]), (slice(None), 0, [1, 2]),
    ([0, 1], None, [1, 2]), (None, [0, 0, 1]), (..., [0, -1]), (..., [0, 2], slice(1, 3)), (slice(0, 1), [2, 2, 2]),
    True, False, (True, 0), (0, True), ([1, 0], True), MASK, (MASK, 1), (MASK, slice(1, 3)), (MASK, [0, 1, 2, 3]),
    (0, [True, False, True]), (..., np.array([True, False, True, True])), ~(MASK | True), LONG, (LONG, LONG),
    (slice(None), LONG), (LONG, slice(None), LONG), (LONG[:, :1], LONG[:1]), (np.array(1), [0, 2]), np.array(-1),
    (slice(None), np.array(2), slice(None, np.array(3))), np.zeros((0, 2), int), (np.array(True), 0),
    (np.arange(2)[:, None], slice(None), [1, 2]), (np.array([True, True]), slice(None), [3, 0]),
]  # fmt: skip


def of(lib_tensor, index):
    """An index with its arrays as tensors of one library."""
    if isinstance(index, tuple):
        return tuple(of(lib_tensor, i) for i in index)
    if isinstance(index, slice):
        return slice(*(of(lib_tensor, i) for i in (index.start, index.stop, index.step)))
    return lib_tensor(index.copy()) if isinstance(index, np.ndarray) else index


def to(lib):
    return tensor if lib is ours else torch.from_numpy


@pytest.mark.parametrize("case", range(len(INDICES)))
def test_reading(case):
    check(lambda lib, x: x[of(to(lib), INDICES[case])], values(2, 3, 4))
    check(lambda lib, x: (x * 2).permute(1, 2, 0).mT.transpose(0, 1)[of(to(lib), INDICES[case])], values(2, 3, 4))


@pytest.mark.parametrize("case", range(len(INDICES)))
def test_writing_a_number(case):
    def operation(lib, x):
        y = x * 1
        early = y[0]
        y[of(to(lib), INDICES[case])] = 0.5
        return y * y, early * 3

    check(operation, values(2, 3, 4))


@pytest.mark.parametrize("case", range(len(INDICES)))
def test_writing_a_tensor(case):
    shape = torch.zeros(2, 3, 4)[of(torch.from_numpy, INDICES[case])].shape

    def operation(lib, x, v):
        y = x * 1
        early = y.mT
        y[of(to(lib), INDICES[case])] = v * 2
        return y * y, early * 3

    check(operation, values(2, 3, 4), values(*shape, seed=1))
    if shape and 0 not in shape:
        check(operation, values(2, 3, 4), values(*shape[1:], seed=1))
        check(operation, values(2, 3, 4), values(1, *shape[:-1], 1, seed=1))


def test_numpy_arrays_lists_of_tensors_and_numpy_numbers():
    x = tensor(values(3, 4))
    same(x[np.array([0, 2])], values(3, 4)[[0, 2]])
    same(x[np.array([True, False, True]), 1:], values(3, 4)[[0, 2], 1:])
    same(x[np.int64(1), np.int32(2)], values(3, 4)[1, 2])
    same(x[[tensor(np.array(1)), 2]], values(3, 4)[[1, 2]])
    same(x[range(2)], values(3, 4)[:2])
    same(x[: tensor(np.array(2))], values(3, 4)[:2])
    x[0] = [1, 2.5, 3, 4]
    x[1:] = values(4, seed=1)
    x[[0, 1], [0, 1]] = [7, 8]
    expected = np.concatenate([[[7, 2.5, 3, 4]], np.tile(values(4, seed=1), (2, 1))])
    expected[1, 1] = 8
    same(x, expected)


@pytest.mark.parametrize("index", [slice(None, None, -1), (0, slice(None, None, -2)), (..., slice(3, 0, -1))])
def test_negative_steps(index):
    x = tensor(values(2, 3, 4), True)
    y = x * 1
    w = values(*values(2, 3, 4)[index].shape, seed=1)
    y[index] *= tensor(w)
    same(y[index], values(2, 3, 4)[index] * w)
    y.sum().backward()
    expected = np.ones((2, 3, 4))
    expected[index] = w
    same(x.grad, expected)


def test_basic_indices_give_views():
    x = tensor(values(3, 4))
    for index in (0, slice(1, 3), (..., 1), (None, 0), (1, 2)):
        y = x[index]
        assert y._base is x
        assert np.shares_memory(y.array, x.array)
        before = x._version
        x[0] = 1.0
        assert y._version == before + 1
    assert x[[0]]._base is None


def test_each_write_counts_once():
    x, t = pair(values(3, 4))
    for index in (0, [0, 1], ([0], 1), slice(1, 2)):
        x[index] = 1.0
        t[index] = 1.0
        assert x._version == t._version


def test_last_of_several_values_stays_and_all_get_the_gradient():
    def operation(lib, x, v):
        y = x * 1
        y[[0, 1, 0]] = v
        return y

    check(operation, values(3, 2), np.repeat(values(1, 2), 3, 0))
    x = tensor(values(2))
    x[[0, 0, 0]] = tensor(values(3))
    assert x[0].item() == values(3)[2]


def test_value_alone_needs_a_gradient():
    for index in (0, [0, 2], (slice(None), 1)):

        def operation(lib, v, index=index):
            y = to(lib)(np.zeros((3, 3), v.dtype if lib is ours else str(v.dtype)[6:]))
            y[index] = v * v
            y[index] = y[index] * 2
            return y * y

        check(operation, values(3))


def test_writing_through_a_view_and_in_a_loop():
    def operation(lib, x, w):
        y = x * 1
        v = y.t()[1:]
        for i in range(3):
            v[i % 2, [0, 1]] = w[i] * v[0, :2].clone()
            v[:, 2] = v[:, 2].clone() * w[i, 0]
        return y * y, v * 2

    check(operation, values(3, 4), values(3, 2, seed=1))


def test_saved_values_are_watched():
    x = tensor(values(3), True)
    y = x * 1
    z = y * y
    y[0] = 1.0
    with pytest.raises(RuntimeError, match="mul"):
        z.sum().backward()


def test_an_index_may_change_after_use():
    index = np.array([0, 1, 1])
    x = tensor(values(3), True)
    y = x[tensor(index)]
    index[:] = 99
    y.sum().backward()
    same(x.grad, np.array([1.0, 2, 0]))


def test_writing_without_recording():
    x = tensor(values(3, 2), True)
    before = swap_mode(0)
    try:
        x[0] = 1.0
        x[[1]] = 2.0
        x[1:][1:].zero_()
    finally:
        swap_mode(before)
    same(x, np.array([[1.0, 1], [2, 2], [0, 0]]))
    assert x.is_leaf
    assert x.requires_grad


def test_a_refused_write_changes_nothing():
    y = tensor(values(3, 2), True) * 1
    before = swap_mode(0)
    v = y[1:]
    swap_mode(before)
    for write in (
        lambda: v.__setitem__(0, 1.0),
        lambda: v.__setitem__([0], 1.0),
        lambda: v.copy_(y[:2] * 2),
        lambda: v.zero_(),
        lambda: v.index_add_(0, tensor(np.array([0])), y[:1] * 2),
    ):
        with pytest.raises(RuntimeError, match="no_grad"):
            write()
        same(y, values(3, 2))


def test_writing_costs_the_part_alone():
    x = tensor(np.zeros((1 << 26,), np.bool_))  # 64 MB: copying it 2000 times would take half a minute
    for i in range(2000):
        x[i] = True
        x[[i]] = True
    assert x.array.sum() == 2000


def test_dtypes_convert_as_in_pytorch():
    for own in ("float32", "float64", "int64", "bool"):
        for other in ("float32", "float64", "int64", "bool"):
            x, t = pair(np.zeros((2, 3), own))
            v, u = pair((values(3) * 3).astype(other))
            x[0], t[0] = v, u
            x[1].copy_(v)
            t[1].copy_(u)
            same(x, t)
            x[[0]], t[0] = v[0], u[0]
            same(x, t)
            if own != other:
                with pytest.raises(TypeError, match=f"setitem: {other} values cannot be written to a {own} tensor"):
                    x[[0]] = v
    x, t = pair(np.zeros(3, "int64"))
    x[0], t[0] = 2.7, 2.7
    x[[1]], t[[1]] = -2.7, -2.7
    same(x, t)


def test_copy_fill_and_zero():
    def operation(lib, x, v):
        y = x * 1
        y.copy_(v[0])
        z = x * 1
        z[0].fill_(v[0, 0])
        w = x * 1
        assert w.zero_() is w
        assert w.requires_grad
        return y * y, z * z, w

    check(operation, values(2, 3), values(2, 3, seed=1))
    x, t = pair(np.zeros(3, "int64"))
    same(x.fill_(2.7), t.fill_(2.7))
    same(x.copy_(pair(np.array([np.inf, 1, 2]))[0])[1:], t.copy_(torch.tensor([0.0, 1, 2]))[1:])


def test_copy_converts_gradients():
    v = tensor(values(3, dtype="float32"), True)
    x = tensor(np.zeros((2, 3)))
    x.copy_(v)
    (x * x).sum().backward()
    same(v.grad, 4 * values(3, dtype="float32"))


BAD = [
    (lambda x: x[7], IndexError, r"index: 7 is out of range for dimension 0 of shape \(5, 3\)"),
    (lambda x: x[..., -4], IndexError, r"index: -4 is out of range for dimension 1 of shape \(5, 3\)"),
    (lambda x: x[None, :, 3], IndexError, r"index: 3 is out of range for dimension 1 of shape \(5, 3\)"),
    (lambda x: x[[0, 7]], IndexError, r"index: 7 is out of range for dimension 0 of shape \(5, 3\)"),
    (lambda x: x[:, [-4]], IndexError, r"index: -4 is out of range for dimension 1 of shape \(5, 3\)"),
    (lambda x: x[7, [0]], IndexError, r"index: 7 is out of range for dimension 0 of shape \(5, 3\)"),
    (lambda x: x[0, 0, 0], IndexError, r"index: too many indices \(3\) for shape \(5, 3\)"),
    (lambda x: x[[0], 0, 0], IndexError, r"index: too many indices \(3\) for shape \(5, 3\)"),
    (lambda x: x[..., ...], IndexError, "index: too many indices"),
    (lambda x: x[np.ones((5, 4), bool)], IndexError, r"index: a mask of shape \(5, 4\) does not fit shape \(5, 3\)"),
    (lambda x: x[:, [True, False]], IndexError, r"index: a mask of shape \(2,\) does not fit .* from dimension 1"),
    (lambda x: x[1.0], IndexError, "index: expected integers.*not float"),
    (lambda x: x[[1.0]], IndexError, r"index: only integers and truth values .*float64 \(1,\)"),
    (lambda x: x["a"], IndexError, "index: expected integers.*not str"),
    (lambda x: x[x], IndexError, "index: only integers and truth values"),
    (lambda x: x[[0, 1], [0, 1, 2]], IndexError, r"broadcast"),
    (lambda x: x[:: 0], ValueError, "step"),
    (lambda x: x[0, 0][0], IndexError, r"too many indices \(1\) for shape \(\)"),
    (lambda x: x.__setitem__(7, 0), IndexError, r"index: 7 is out of range for dimension 0 of shape \(5, 3\)"),
    (lambda x: x.__setitem__([7], 0), IndexError, r"index: 7 is out of range for dimension 0 of shape \(5, 3\)"),
    (lambda x: x.__setitem__(0, values(2)), ValueError, r"values of shape \(2,\) cannot be written to \(3,\)"),
    (lambda x: x.__setitem__([0, 1], values(3, 1)), ValueError, r"shape \(3, 1\) cannot be written to \(2, 3\)"),
    (lambda x: x.__setitem__(0, values(2, 3)), ValueError, r"shape \(2, 3\) cannot be written to \(3,\)"),
    (lambda x: x.__setitem__(0, "a"), TypeError, "setitem: expected numbers, not str"),
    (lambda x: x.__setitem__(0, 1j), TypeError, "setitem: expected numbers, not complex"),
    (lambda x: x.__setitem__([0], None), TypeError, "setitem: expected numbers"),
    (lambda x: x.copy_(x[:2]), ValueError, r"copy_: values of shape \(2, 3\) cannot be written to \(5, 3\)"),
    (lambda x: x.fill_(x[0]), ValueError, "fill_: expected one value"),
]  # fmt: skip


@pytest.mark.parametrize("case", range(len(BAD)))
def test_bad_arguments(case):
    operation, error, message = BAD[case]
    x = tensor(values(5, 3))
    with pytest.raises(error, match=message):
        operation(x)
    same(x, values(5, 3))
    y = tensor(values(5, 3), True) * 1
    with pytest.raises(error, match=message):
        operation(y)
    same(y, values(5, 3))


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_any_mix(data):
    shape = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    block = data.draw(st.sampled_from([(3,), (2, 1), (1, 2), (0,)]))
    index = []
    for n in shape[: data.draw(st.integers(0, len(shape)))]:
        rows = np.random.default_rng(n).integers(-n, n, block)
        index.append(data.draw(st.one_of(st.integers(-n, n - 1), st.just(rows), st.builds(slice, st.integers(-n, n)))))
        index += [None] * data.draw(st.integers(0, 1))
    index = tuple(index)

    def read(lib, x):
        return x[of(to(lib), index)]

    def write(lib, x):
        y = x * 1
        y[of(to(lib), index)] = (x * 2)[of(to(lib), index)]
        return y * y

    check(read, values(*shape), dtypes=("float64",))
    check(write, values(*shape), dtypes=("float64",))
