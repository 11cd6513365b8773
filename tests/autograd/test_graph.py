"""The backward pass: what it collects, where, and what it leaves behind when something raises."""
import contextlib
import warnings

import numpy as np
import pytest
import torch

import tinyrnn
import tinyrnn.autograd.methods  # noqa: F401
from tinyrnn.autograd.engine import record
from tinyrnn.autograd.graph import backward, grad
from tinyrnn.autograd.tensor import Tensor, current_mode, swap_mode

torch.set_num_threads(1)


def leaf(values, dtype=np.float64):
    x = record(np.array(values, dtype), (), None)
    x.requires_grad = True
    return x


def plain(values):
    return record(np.array(values, np.float64), (), None)


def theirs(values):
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


def values_of(tensors):
    return [None if t is None else np.asarray(t.array if isinstance(t, Tensor) else t.detach()) for t in tensors]


def agree(program):
    """program(leaf, backward, grad) returns tensors or None; torch must give the same."""
    ours = values_of(program(leaf, backward, grad))
    expected = values_of(program(theirs, torch.autograd.backward, torch.autograd.grad))
    for a, b in zip(ours, expected, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            np.testing.assert_allclose(a, b, rtol=1e-10)


def test_accumulation():
    def program(leaf, backward, grad):
        x, y = leaf([1.0, 2.0]), leaf([3.0, 4.0])
        (x * y).sum().backward()
        (x * x + x).sum().backward()
        first = x.grad
        x.grad = None
        (x + x + y * x).sum().backward()
        return first, x.grad, y.grad
    agree(program)


def test_the_first_gradient_is_nobody_elses():
    a, b, start = leaf([1.0, 2.0]), leaf([1.0, 2.0]), plain([1.0, 1.0])
    for create in (False, True):
        a.grad = b.grad = None
        (a + b).backward(start, create_graph=create)
        assert a.grad is not b.grad and not np.shares_memory(a.grad.array, b.grad.array)
        assert not np.shares_memory(a.grad.array, start.array)


def test_third_order_and_create_graph_through_grad():
    def program(leaf, backward, grad):
        x = leaf([0.3, -0.7])
        y = (x * x * x).tanh() / (x * x + 1)
        results = []
        for _ in range(3):
            y, = grad(y.sum(), x, create_graph=True)
            results.append(y)
        return results
    agree(program)


def test_backward_with_create_graph_accumulates_a_graph():
    def program(leaf, backward, grad):
        x = leaf([1.0, 2.0])
        (x * x * x).sum().backward(create_graph=True)
        g = x.grad
        x.grad = None
        (g * g).sum().backward()
        return g, x.grad
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")             # torch warns of the cycle it makes
        agree(program)


def test_several_outputs_and_grad_outputs():
    def program(leaf, backward, grad):
        x, w = leaf([1.0, 2.0]), leaf([3.0, 4.0])
        a, b = x * w, x * x
        one, two = grad((a, b), (x, w), (w, x), retain_graph=True)
        backward([a.sum(), b.sum()])
        return one, two, x.grad, w.grad
    agree(program)


def test_the_same_output_twice():
    def program(leaf, backward, grad):
        x = leaf([1.0, 2.0])
        y = (x * x).sum()
        backward([y, y])
        return [x.grad]
    agree(program)


def test_unused_inputs():
    x, y = leaf([1.0]), leaf([1.0, 2.0])
    with pytest.raises(RuntimeError, match=r"do not depend.*\(2,\)"):
        grad((x * 2).sum(), (x, y))
    assert grad((x * 2).sum(), (x, y), allow_unused=True)[1] is None
    np.testing.assert_array_equal(grad((x * 2).sum(), (x, y), materialize_grads=True)[1].array, [0, 0])
    with pytest.raises(ValueError):
        grad((x * 2).sum(), (x, y), allow_unused=False, materialize_grads=True)


def test_a_freed_graph_raises_and_says_what_to_do():
    x = leaf([1.0, 2.0])
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    with pytest.raises(RuntimeError, match="mul.*freed.*detach.*retain_graph=True"):
        y.backward()
    with pytest.raises(RuntimeError, match="retain_graph=True"):
        grad(y, x, allow_unused=True)
    np.testing.assert_array_equal(x.grad.array, [4, 8])


def test_only_what_leads_to_the_inputs_is_run_and_freed():
    def program(leaf, backward, grad):
        x, y = leaf([1.0, 2.0]), leaf([3.0, 4.0])
        h = x * x
        first, = grad((h * 2).sum(), h)             # h's own node is not run
        second, = grad((h * h).sum(), x)            # now it is
        third, = grad((h * y).sum(), y)             # and though it is freed, this pass does not need it
        return first, second, third
    agree(program)


def test_backward_for_some_inputs():
    def program(leaf, backward, grad):
        x, y = leaf([1.0, 2.0]), leaf([3.0, 4.0])
        h = x * y
        backward((h * h).sum(), inputs=[x, x], retain_graph=True)
        backward((h * h).sum(), inputs=h)
        return x.grad, y.grad, h.grad
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")             # torch warns when .grad of a non-leaf is read
        agree(program)
    with pytest.raises(RuntimeError, match="empty"):
        backward(leaf([1.0]).sum(), inputs=[])


@pytest.mark.parametrize("call, error", [
    (lambda x: x.backward(), "one element"),
    (lambda x: (x * 2).backward(plain([1.0])), r"\(1,\).*\(2,\)"),
    (lambda x: x.detach().sum().backward(), "does not require grad"),
    (lambda x: backward([x.sum()], [None, None]), "1 tensors but 2"),
    (lambda x: (x * 2).backward(Tensor([1.0, 1.0])), "float32"),
    (lambda x: grad(x.sum(), plain([1.0])), "does not require grad"),
])
def test_wrong_calls(call, error):
    with pytest.raises((RuntimeError, TypeError), match=error):
        call(leaf([1.0, 2.0]))


# ---- hooks -----------------------------------------------------------------------------------------------------------

def test_hooks_run_in_order_and_replace():
    def program(leaf, backward, grad):
        x = leaf([1.0, 2.0])
        h = x * 3
        order = []
        handles = [h.register_hook(lambda g: order.append("a")),
                   h.register_hook(lambda g: (order.append("b"), g * 10)[1]),
                   h.register_hook(lambda g: order.append(float(g.sum()))),
                   x.register_hook(lambda g: g + 1)]
        h.sum().backward()
        handles[1].remove()
        handles[1].remove()
        handles[3].remove()
        (x * 1).sum().backward()
        assert order == ["a", "b", 20.0]
        return [x.grad]
    agree(program)


def test_hook_on_a_leaf_sees_the_sum_once():
    x, seen = leaf([1.0]), []
    with x.register_hook(lambda g: seen.append(g.item())):
        (x * 2 + x * 3).sum().backward()
    (x * 2).sum().backward()
    assert seen == [5.0]


@pytest.mark.parametrize("result, message", [
    (lambda g: g.sum(), r"\(2,\).*\(\)"), (lambda g: Tensor([1.0, 1.0]), "float32"), (lambda g: 3, "int"),
])
def test_a_hook_that_returns_something_else_raises(result, message):
    x = leaf([1.0, 2.0])
    x.register_hook(result)
    with pytest.raises((TypeError, RuntimeError), match=message):
        (x * 2).sum().backward()
    assert x.grad is None


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_whatever_raises_inside_the_pass_leaves_the_engine_usable(error):
    x = leaf([1.0, 2.0])

    def fail(*_):
        raise error("inside")
    mode = current_mode()
    for build in (lambda: record(x.array, (x,), fail, ()).sum(), lambda: hooked(x, fail)):
        with pytest.raises(error, match="inside"):
            build().backward()
        assert current_mode() == mode and x.grad is None
    (x * x).sum().backward()
    np.testing.assert_array_equal(x.grad.array, [2, 4])


def hooked(x, hook):
    h = x * 1
    h.register_hook(hook)
    return h.sum()


def test_a_hook_needs_a_gradient_to_come():
    for method in ("register_hook", "retain_grad"):
        with pytest.raises(RuntimeError, match="require grad"):
            getattr(plain([1.0]), method)(*([print] if method == "register_hook" else []))


@pytest.mark.parametrize("package", [tinyrnn, torch])
def test_a_pass_for_some_inputs_leaves_tensors_beside_its_way_alone(package):
    a, b = (package.tensor(np.ones(3), requires_grad=True) for _ in range(2))
    h, beside, seen = a * 2, b * 2, []
    for x in (a, b, h, beside):
        x.register_hook(lambda g, x=x: seen.append(id(x)))
    h.retain_grad()
    beside.retain_grad()
    (h * beside).sum().backward(inputs=[a])
    assert seen == [id(h), id(a)] and beside.grad is None and b.grad is None
    np.testing.assert_array_equal(h.grad.numpy(), np.full(3, 2.0))


def test_a_changed_output_of_several_is_named():
    a, v = (leaf(np.ones(shape)) for shape in ((2, 3, 4), (4,)))
    keys = a * 1
    context, weights = tinyrnn.autograd.fused_attention.additive_attention(leaf(np.ones((2, 4))), keys, keys, v)
    with tinyrnn.no_grad():
        weights.mul_(2)
    with pytest.raises(RuntimeError, match="additive_attention: an output or an input that its backward needs"):
        context.sum().backward()


def test_retain_grad():
    def program(leaf, backward, grad):
        x = leaf([1.0, 2.0])
        h, k = x * 2, x * 3
        h.retain_grad()
        k.retain_grad()
        x.retain_grad()
        y = h + k
        y.retain_grad()
        (y * y).sum().backward()
        assert h.retains_grad and y.grad is not h.grad and h.grad is not k.grad
        return x.grad, h.grad, k.grad, y.grad
    agree(program)


# ---- a pass inside a pass --------------------------------------------------------------------------------------------

@contextlib.contextmanager
def recording():
    mode = swap_mode(1)
    yield
    swap_mode(mode)


def test_a_backward_may_run_another():
    x = leaf([2.0])

    def cube_by_inner_pass(y, dy):
        inner = leaf(x.array)
        with recording():
            g, = grad((inner * inner * inner).sum(), inner)
        return g * dy
    record(x.array ** 3, (x,), cube_by_inner_pass, (x,)).sum().backward()
    assert x.grad.item() == 12


def test_a_hook_may_run_another():
    x, z = leaf([2.0]), leaf([3.0])
    h = x * x

    def hook(g):
        with recording():
            (z * z).sum().backward()
    h.register_hook(hook)
    h.sum().backward()
    assert (x.grad.item(), z.grad.item()) == (4, 6)


def test_a_diamond_is_visited_once():
    count = []
    x = leaf([1.0])
    h = record(x.array, (x,), lambda y, dy: (count.append(1), dy)[1], ())
    for _ in range(30):
        h = h + h                                   # 2^30 paths
    h.sum().backward()
    assert x.grad.item() == 2 ** 30 and count == [1]


@pytest.mark.parametrize("flat", [
    lambda t, x: t.div(x, 2.0, rounding_mode="floor"), lambda t, x: t.div(x, 2.0, rounding_mode="trunc"),
    lambda t, x: (x * 1).zero_(), lambda t, x: (x * 1).fill_(3.0), lambda t, x: (x * 1).copy_(t.ones(2)),
    lambda t, x: x.floor(), lambda t, x: x[:0].prod(),
])
def test_what_does_not_change_has_a_gradient_of_zeros(flat):
    for library in (tinyrnn, torch):
        x = library.tensor([1.5, -2.5], requires_grad=True)
        flat(library, x).sum().backward()
        assert x.grad.tolist() == [0.0, 0.0]


# ---- where a pass ends ----

def test_a_leaf_that_was_frozen_gets_nothing():
    for lib in (leaf, theirs):
        x = lib([1.0, 2.0])
        y = x * 2
        x.requires_grad_(False)
        y.sum().backward()
        assert x.grad is None


def test_a_retained_gradient_is_added_once():
    for lib in (leaf, theirs):
        x = lib([1.0, 2.0])
        y = x * 1
        y.retain_grad()
        (y * 2).sum().backward(inputs=[y])
        assert y.grad.tolist() == [2, 2] and x.grad is None


def test_a_gradient_on_shared_memory_is_not_added_to():
    x = leaf([1.0, 1.0, 1.0])
    x.grad = plain([1.0]).expand(3)
    with pytest.raises(RuntimeError, match=r"\(3,\) share their memory"):
        (x * plain([1.0, 2.0, 3.0])).sum().backward()
    assert x.grad.tolist() == [1, 1, 1]


def test_a_gradient_that_overlaps_with_the_sum():
    memory = np.arange(1.0, 41.0)
    x, sum = leaf(np.zeros(36).tolist()), memory.copy()
    x.grad = tinyrnn.from_numpy(sum[4:])
    (x * 1).backward(tinyrnn.from_numpy(sum[:36]))
    assert x.grad.tolist() == (memory[4:] + memory[:36]).tolist()


def test_a_penalty_on_gradients_that_wait_in_grad():
    found = []
    for make in theirs, leaf:
        x, v, w = make([1.0, 2.0]), make([3.0, -1.0]), make([0.5, 4.0])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")         # torch warns of the cycle it makes
            (x * v * w * x).sum().backward(create_graph=True)
        sum((t.grad * t.grad).sum() for t in (x, v, w)).backward()
        found.append([t.grad.tolist() for t in (x, v, w)])
    assert found[0] == found[1]
