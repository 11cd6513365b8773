"""Function: the same classes, with torch's base and with ours."""
import gc
import pickle

import numpy as np
import pytest
import torch

import tinyrnn.autograd.methods  # noqa: F401
from tinyrnn.autograd.engine import record
from tinyrnn.autograd.function import Function, once_differentiable
from tinyrnn.autograd.graph import grad as gradient
from tinyrnn.autograd.tensor import Tensor, swap_mode

torch.set_num_threads(1)


def leaf(values):
    x = record(np.array(values, np.float64), (), None)
    x.requires_grad = True
    return x


class Ours:
    Function, once = Function, staticmethod(once_differentiable)
    leaf, grad = staticmethod(leaf), staticmethod(gradient)

    @staticmethod
    def array(t):
        return t.array


class Theirs:
    Function, once = torch.autograd.Function, staticmethod(torch.autograd.function.once_differentiable)
    grad = staticmethod(torch.autograd.grad)

    @staticmethod
    def leaf(values):
        return torch.tensor(values, dtype=torch.float64, requires_grad=True)

    @staticmethod
    def array(t):
        return t.detach().numpy()


def agree(program):
    """program(lib) returns tensors (or None); both libraries must give the same."""
    ours, theirs = program(Ours), program(Theirs)
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=False):
        assert (a is None) == (b is None)
        if a is not None:
            np.testing.assert_allclose(Ours.array(a), Theirs.array(b), rtol=1e-12)


def cube(lib):
    class Cube(lib.Function):
        @staticmethod
        def forward(ctx, x, times):
            ctx.save_for_backward(x)
            ctx.times = times
            return x * x * x * times

        @staticmethod
        def backward(ctx, dy):
            x, = ctx.saved_tensors
            return 3 * ctx.times * x * x * dy, None
    return Cube


def with_setup(lib):
    class Exp(lib.Function):
        @staticmethod
        def forward(x):
            return x.exp()

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(output)

        @staticmethod
        def backward(ctx, dy):
            return ctx.saved_tensors[0] * dy
    return Exp


def both_of(lib, materialize=True):
    class Both(lib.Function):
        @staticmethod
        def forward(ctx, a, b):
            ctx.set_materialize_grads(materialize)
            product, total = a * b, a + b
            ctx.save_for_backward(a, b, product)
            return product, total

        @staticmethod
        def backward(ctx, dp, ds):
            a, b, product = ctx.saved_tensors
            seen.append((dp is None, ds is None))
            if dp is None:
                return ds, ds
            if ds is None:
                return dp * b, dp * product / b
            return dp * b + ds, dp * product / b + ds
    seen = Both.seen = []
    return Both


def double_of(lib):
    class Double(lib.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.mark_dirty(x)
            return x.mul_(2)

        @staticmethod
        def backward(ctx, dy):
            return dy * 2
    return Double


def test_first_to_third_derivative():
    def program(lib):
        x = lib.leaf([1.0, -2.0, 3.0])
        y = cube(lib).apply(x, 2)
        first, = lib.grad(y.sum(), x, create_graph=True)
        second, = lib.grad(first.sum(), x, create_graph=True)
        third, = lib.grad(second.sum(), x)
        return y, first, second, third
    agree(program)


def test_saved_output_and_setup_context():
    def program(lib):
        x = lib.leaf([1.0, -2.0])
        y = with_setup(lib).apply(x)
        first, = lib.grad(y.sum(), x, create_graph=True)
        second, = lib.grad((first * first).sum(), x)
        return y, first, second
    agree(program)


@pytest.mark.parametrize("use", ["first", "second", "both", "twice"])
def test_several_outputs(use):
    def program(lib):
        a, b = lib.leaf([1.0, 2.0]), lib.leaf([3.0, -4.0])
        p, s = both_of(lib).apply(a, b)
        loss = {"first": p * p, "second": s * s, "both": p * s, "twice": p + p * s}[use].sum()
        first = lib.grad(loss, (a, b), create_graph=True)
        return (p, s, *first, *lib.grad((first[0] * first[1]).sum(), (a, b)))
    agree(program)


@pytest.mark.parametrize("materialize", [True, False])
def test_gradients_that_did_not_arrive(materialize):
    seen = []
    for lib in (Ours, Theirs):
        both = both_of(lib, materialize)
        a, b = lib.leaf([1.0]), lib.leaf([2.0])
        p, s = both.apply(a, b)
        lib.grad(p.sum(), a, retain_graph=True)
        lib.grad(s.sum(), a)
        seen.append(both.seen)
    assert seen[0] == seen[1] == ([(False, True), (True, False)] if not materialize else [(False, False)] * 2)


def test_outputs_of_other_kinds():
    class Odd(Function):
        @staticmethod
        def forward(ctx, x):
            fixed = x * 2
            ctx.mark_non_differentiable(fixed)
            return x * 3, None, fixed, x > 0

        @staticmethod
        def backward(ctx, dy, nothing, fixed, positive):
            assert nothing is None
            return dy * 3
    x = leaf([1.0, -1.0])
    y, nothing, fixed, positive = Odd.apply(x)
    assert y.requires_grad and nothing is None and not fixed.requires_grad and not positive.requires_grad
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.array, [3, 3])


def test_dirty():
    def program(lib):
        x = lib.leaf([1.0, 2.0])
        h = x * x
        y = double_of(lib).apply(h)
        assert y is h
        return (h, *lib.grad((h * h).sum(), x))
    agree(program)


def exponential_of(lib):
    class Exponential(lib.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.mark_dirty(x.exp_())
            ctx.save_for_backward(x)
            return x

        @staticmethod
        def backward(ctx, dy):
            return dy * ctx.saved_tensors[0]
    return Exponential


def test_what_a_function_changed_itself_it_may_save():
    def program(lib):
        x = lib.leaf([1.0, -2.0, 3.0])
        whole, part = x * 1, x * 1
        exponential_of(lib).apply(whole)
        exponential_of(lib).apply(part[1:])
        return (whole, part, *lib.grad(whole.sum(), x), *lib.grad(part.sum(), x))
    agree(program)
    for lib in (Ours, Theirs):
        h = lib.leaf([1.0]) * 1
        exponential_of(lib).apply(h)
        h.add_(1)                                # that is another's change
        with pytest.raises(RuntimeError, match="in.?place"):
            h.sum().backward()


@pytest.mark.parametrize("lib", [Ours, Theirs])
def test_dirty_leaf_raises(lib):
    with pytest.raises(RuntimeError, match="leaf"):
        double_of(lib).apply(lib.leaf([1.0]))


@pytest.mark.parametrize("which", [0, 2])
def test_saved_tensor_changed_raises(which):
    for lib in (Ours, Theirs):
        a, b = lib.leaf([1.0]) * 1, lib.leaf([2.0])
        p, s = both_of(lib).apply(a, b)
        (a, b, p)[which].add_(1) if which == 0 else p.add_(1)
        with pytest.raises(RuntimeError, match="in.?place"):
            (p * s).sum().backward()


def test_second_backward_raises_and_retained_does_not():
    for lib in (Ours, Theirs):
        x = lib.leaf([1.0])
        y = cube(lib).apply(x, 1).sum()
        y.backward(retain_graph=True)
        y.backward()
        with pytest.raises(RuntimeError, match="retain_graph"):
            y.backward()


def test_once_differentiable():
    for lib in (Ours, Theirs):
        class Square(lib.Function):
            @staticmethod
            def forward(ctx, x):
                ctx.save_for_backward(x)
                return x * x

            @staticmethod
            @lib.once
            def backward(ctx, dy):
                return 2 * ctx.saved_tensors[0] * dy
        x = lib.leaf([3.0])
        first, = lib.grad(Square.apply(x).sum(), x)
        assert lib.array(first) == 6
        dy = lib.leaf([1.0])
        first, = lib.grad(Square.apply(x), x, dy, create_graph=True)
        with pytest.raises(RuntimeError, match="once_differentiable"):
            first.sum().backward()


def returning(result):
    class Wrong(Function):
        @staticmethod
        def forward(ctx, x, n):
            return x * n

        @staticmethod
        def backward(ctx, dy):
            return result(dy)
    return Wrong


@pytest.mark.parametrize("result, message", [
    (lambda dy: dy, "Wrong.*1 gradients for 2"),
    (lambda dy: (dy, None, dy), "Wrong.*3 gradients for 2"),
    (lambda dy: (dy, dy), "Wrong.*argument 1 must be None"),
    (lambda dy: (3.0, None), "Wrong.*argument 0"),
    (lambda dy: (dy.sum(), None), r"Wrong.*shape \(\).*\(2,\)"),
])
def test_wrong_gradients_name_the_class(result, message):
    x = leaf([1.0, 2.0])
    with pytest.raises((RuntimeError, TypeError), match=message):
        returning(result).apply(x, 2).sum().backward()
    assert x.grad is None


def test_trailing_none_is_allowed_and_none_means_zero():
    x = leaf([1.0, 2.0])
    returning(lambda dy: (None, None, None)).apply(x, 2).sum().backward()
    assert x.grad is None


def test_misuse():
    class Bad(Function):
        @staticmethod
        def forward(ctx, x):
            return 3

    with pytest.raises(TypeError, match="Bad.forward"):
        Bad.apply(leaf([1.0]))
    with pytest.raises(TypeError, match="apply"):
        Bad()
    with pytest.raises(NotImplementedError):
        Function.apply(leaf([1.0]))


def test_nothing_is_recorded_in_no_grad_and_needs_input_grad_is_told():
    told = []

    class Same(Function):
        @staticmethod
        def forward(ctx, x, y, n):
            told.append(ctx.needs_input_grad)
            return x + y

        @staticmethod
        def backward(ctx, dy):
            return dy, dy, None
    x, y = leaf([1.0]), record(np.ones(1), (), None)
    assert Same.apply(x, y, 3).requires_grad and told == [(True, False, False)]
    mode = swap_mode(0)
    try:
        assert not Same.apply(x, y, 3).requires_grad
    finally:
        swap_mode(mode)


def test_no_cycles():
    x, both, double = leaf([1.0, 2.0]), both_of(Ours), double_of(Ours)
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            p, s = both.apply(x, x)
            (p * s).sum().backward()
            both.apply(x, x)
            with_setup(Ours)
            double.apply(x * 1).sum().backward()
        del p, s
        classes = gc.collect()                   # a class is a cycle by nature; no tensor may hang on one
        assert not any(isinstance(o, Tensor) for o in gc.garbage) and classes < 200
        p, s = both.apply(x, x)
        y = double.apply(x * 1)
        del p, s, y
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_nodes_cannot_be_pickled():
    with pytest.raises(TypeError):
        pickle.dumps((leaf([1.0]) * 2).grad_fn)
