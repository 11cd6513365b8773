"""record, in-place changes, versions, views and what is freed when."""
import threading

import numpy as np
import pytest
import torch

import tinyrnn.autograd.methods  # noqa: F401
from tinyrnn.autograd.engine import record
from tinyrnn.autograd.grad_mode import no_grad
from tinyrnn.autograd.graph import grad
from tinyrnn.autograd.tensor import Tensor

torch.set_num_threads(1)


def leaf(values, dtype=np.float64):
    x = record(np.array(values, dtype), (), None)
    x.requires_grad = True
    return x


# ---- record ----------------------------------------------------------------------------------------------------------

def square(x):
    return record(x.array ** 2, (x,), lambda y, dy: 2 * x * dy, (x,))


def test_record_makes_an_operation_of_plain_python():
    x = leaf([1.0, -2.0, 3.0])
    dx, = grad(square(x).sum(), x, create_graph=True)
    np.testing.assert_array_equal(dx.array, [2, -4, 6])
    np.testing.assert_array_equal(grad(dx.sum(), x)[0].array, [2, 2, 2])
    assert square(x).grad_fn.name() == "SquareBackward"


def test_record_writes_nothing_without_a_reason():
    x = leaf([1.0])
    assert record(np.ones(1), (), None).requires_grad is False
    assert record(np.ones(1, np.int64), (x,), lambda y, dy: dy).requires_grad is False
    with no_grad():
        assert square(x).requires_grad is False


@pytest.mark.parametrize("wrong, message", [
    (lambda y, dy: (dy, dy), "square_of.*2 gradients for 1"),
    (lambda y, dy: np.ones(3, np.float32), "square_of.*float32"),
    (lambda y, dy: np.ones((2,)), r"square_of.*\(2,\).*\(3,\)"),
    (lambda y, dy: np.ones(()), r"square_of.*\(\).*\(3,\)"),
    (lambda y, dy: "text", "float32, float64"),
    (lambda y, dy: object(), "float32, float64"),
])
def test_record_with_a_wrong_backward_says_so(wrong, message):
    wrong.__qualname__ = "square_of"
    x = leaf([1.0, 2.0, 3.0])
    with pytest.raises((RuntimeError, TypeError), match=message):
        record(x.array ** 2, (x,), wrong).sum().backward()
    assert x.grad is None
    square(x).sum().backward()                       # and nothing is left broken
    np.testing.assert_array_equal(x.grad.array, [2, 4, 6])


def test_a_gradient_larger_than_its_parent_is_summed():
    x = leaf([1.0, 2.0, 3.0])
    record(np.ones((4, 3)), (x,), lambda y, dy: dy, ()).sum().backward()
    np.testing.assert_array_equal(x.grad.array, [4, 4, 4])


@pytest.mark.parametrize("array", [
    np.zeros(2, np.float16), np.zeros(2, complex), np.array(["a"]), np.array([object()]),
])
def test_record_refuses_arrays_that_tensors_cannot_hold(array):
    with pytest.raises(TypeError, match="float32, float64, int64 or bool"):
        record(array, (), None)


def test_record_takes_foreign_byte_order_and_unaligned_memory():
    swapped = np.arange(3.0).astype(">f8")
    unaligned = np.frombuffer(b"x" + np.arange(3.0).tobytes(), np.uint8)[1:].view(np.float64)
    for array in (swapped, unaligned):
        np.testing.assert_array_equal((record(array, (), None) + 1).array, [1, 2, 3])


def test_record_refuses_nonsense():
    x = leaf([1.0])
    for arguments in ((np.ones(1), None, None), (np.ones(1), [x], None), (np.ones(1), (x,), None, (3,)),
                      (np.ones(1), (3,), None)):
        with pytest.raises(TypeError):
            record(*arguments)


# ---- versions: torch raises, so must we ------------------------------------------------------------------------------

def both(program):
    """Runs program(x, w) in torch and here; returns the two outcomes: gradients, or None where it raised."""
    outcomes = []
    for tensor in (lambda v: torch.tensor(v, dtype=torch.float64, requires_grad=True), leaf):
        x, w = tensor([[1.0, 2.0], [3.0, 4.0]]), tensor([[0.5, -1.0], [2.0, 1.5]])
        try:
            program(x, w).sum().backward()
            outcomes.append([None if t.grad is None else np.asarray(getattr(t.grad, "array", t.grad)) for t in (x, w)])
        except RuntimeError:
            outcomes.append(None)
    return outcomes


def saved_input_changed(x, w):
    h = x * 1
    y = h * w
    h.add_(1)
    return y


def saved_input_not_needed(x, w):
    h = x * 1
    y = h * 3
    h.add_(1)
    return y * w


def saved_output_changed(x, w):
    y = (x * w).tanh()
    y.mul_(2)
    return y


def saved_output_of_in_place_changed(x, w):
    y = x * w
    y.tanh_() if isinstance(y, torch.Tensor) or hasattr(y, "tanh_") else y.pow_(w)
    y.mul_(2)
    return y


def leaf_changed(x, w):
    x.add_(1)
    return x * w


def view_of_leaf_changed(x, w):
    x.transpose(0, 1).add_(1)
    return x * w


def saved_view_changed_through_base(x, w):
    h = x * 1
    y = h.transpose(0, 1) * w
    h.add_(1)
    return y


def saved_base_changed_through_view(x, w):
    h = x * 1
    y = h * w
    h.transpose(0, 1).add_(1)
    return y


def detached_changed(x, w):
    h = x * 1
    y = h * w
    h.detach().add_(1)
    return y


def own_factor(x, w):
    h = x * w
    h.mul_(h)
    return h


def old_value_kept(x, w):
    h = x * 1
    h.mul_(w)
    h.mul_(w)
    return h


def power_in_place(x, w):
    h = x * w
    h.pow_(2)
    return h


def changed_in_no_grad_after_saving(x, w):
    h = x * 1
    y = h * w
    with torch.no_grad() if isinstance(x, torch.Tensor) else no_grad():
        h.add_(1)
    return y


def changed_before_saving(x, w):
    h = x * 1
    h.add_(1)
    return h * w


PROGRAMS = [saved_input_changed, saved_input_not_needed, saved_output_changed, saved_output_of_in_place_changed,
            leaf_changed, view_of_leaf_changed, saved_view_changed_through_base, saved_base_changed_through_view,
            detached_changed, own_factor, old_value_kept, power_in_place, changed_in_no_grad_after_saving,
            changed_before_saving]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_in_place_raises_where_torch_raises_and_agrees_elsewhere(program):
    theirs, ours = both(program)
    assert (theirs is None) == (ours is None)
    if theirs is not None:
        for a, b in zip(ours, theirs, strict=False):
            np.testing.assert_allclose(a, b, rtol=1e-12)


def no_grad_view(tensor, change):
    x = tensor([[1.0, 2.0], [3.0, 4.0]])
    h = x * 1
    with torch.no_grad() if isinstance(x, torch.Tensor) else no_grad():
        v, u = h.transpose(0, 1), x.transpose(0, 1)
    return change(x, h, v, u)


def change_base_of_no_grad_view(x, h, v, u):
    h.mul_(2)
    return v * x


def change_no_grad_view(x, h, v, u):
    return v.mul_(2)


def change_no_grad_view_of_leaf(x, h, v, u):
    return u.mul_(x)


def use_no_grad_view(x, h, v, u):
    return v * x


@pytest.mark.parametrize("change, raises", [(change_base_of_no_grad_view, True), (change_no_grad_view, True),
                                            (change_no_grad_view_of_leaf, True), (use_no_grad_view, False)])
def test_views_made_in_no_grad(change, raises):
    for tensor in (lambda v: torch.tensor(v, requires_grad=True), leaf):
        if raises:
            with pytest.raises(RuntimeError):
                no_grad_view(tensor, change)
        else:
            no_grad_view(tensor, change)


def test_a_view_that_was_made_a_leaf_stays_one():
    base = record(np.zeros((2, 2)), (), None)
    view = base.transpose(0, 1)
    view.requires_grad = True
    with no_grad():
        base.add_(1)
    assert view.requires_grad and view.is_leaf
    with pytest.raises(RuntimeError, match="leaf"):
        view.mul_(2)


def test_retain_grad_follows_an_in_place_change():
    x = leaf([1.0, 2.0])
    h = x * 1
    h.retain_grad()
    h.mul_(3)
    h.sum().backward()
    np.testing.assert_array_equal(h.grad.array, [1, 1])
    np.testing.assert_array_equal(x.grad.array, [3, 3])


def test_in_place_on_a_view_of_memory_in_another_order():
    root = record(np.asfortranarray(np.arange(6.0).reshape(2, 3)), (), None)
    w = leaf(np.ones(6))
    v = root.transpose(0, 1).reshape(-1)
    if not hasattr(Tensor, "zero_"):
        pytest.skip("in-place changes of views need zero_")
    v.mul_(w)
    v.mul_(2)
    root.sum().backward()
    np.testing.assert_array_equal(w.grad.array, 2 * np.arange(6.0).reshape(2, 3).T.reshape(-1))


# ---- threads ---------------------------------------------------------------------------------------------------------

def in_threads(work, count=8):
    errors = []

    def guarded(k):
        try:
            work(k)
        except BaseException as error:
            errors.append(error)
    threads = [threading.Thread(target=guarded, args=(k,)) for k in range(count)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not errors, errors


def test_threads_with_graphs_of_their_own():
    def work(k):
        for _ in range(50):
            x = leaf(np.full(5, k + 1.0))
            y = x
            for _ in range(20):
                y = y * 1.01 + x
            (y * y).sum().backward()
            expected.setdefault(k, x.grad.array)
            np.testing.assert_array_equal(x.grad.array, expected[k])
    expected = {}
    in_threads(work)


def test_threads_share_leaves():
    x = leaf(np.ones(5))

    def work(k):
        for _ in range(100):
            (x * 2).sum().backward()
    in_threads(work)
    np.testing.assert_array_equal(x.grad.array, np.full(5, 1600.0))


def test_grad_mode_belongs_to_the_thread():
    x = leaf([1.0])
    seen = []
    with no_grad():
        assert not (x * 2).requires_grad
        thread = threading.Thread(target=lambda: seen.append((x * 2).requires_grad))
        thread.start()
        thread.join()
    assert seen == [True] and (x * 2).requires_grad
