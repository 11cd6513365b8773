"""no_grad and its relatives: context managers, decorators, nested, in generators and in threads."""
import threading

import pytest

from tinyrnn.autograd.creation import ones
from tinyrnn.autograd.grad_mode import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)

x = ones(2, requires_grad=True)


def records():
    """Whether operations are recorded now, as an operation sees it."""
    assert is_grad_enabled() == (x * 2).requires_grad
    return is_grad_enabled()


@pytest.fixture(autouse=True)
def mode_is_put_back():
    assert records() and not is_inference_mode_enabled()
    yield
    assert records() and not is_inference_mode_enabled()


def test_nesting():
    with no_grad():
        assert not records()
        with enable_grad():
            assert records()
            with no_grad():
                assert not records()
            assert records()
        assert not records()


def test_one_guard_inside_itself():
    guard = no_grad()
    with guard:
        with guard, enable_grad(), guard:
            assert not records()
        assert not records()
    with guard:
        assert not records()


def test_mode_is_put_back_after_an_error():
    with pytest.raises(KeyError), no_grad():
        raise KeyError


@pytest.mark.parametrize("decorate, inside", [
    (no_grad, False), (no_grad(), False), (inference_mode, False), (inference_mode(), False),
    (inference_mode(False), True), (enable_grad, True), (enable_grad(), True)])
def test_decorated_function(decorate, inside):
    @decorate
    def seen(a, *, b):
        """Its text."""
        return a, b, records()
    assert seen(1, b=2) == (1, 2, inside) and seen.__name__ == "seen" and seen.__doc__ == "Its text."
    with no_grad():
        assert seen(1, b=2) == (1, 2, inside)


def test_decorated_recursion():
    @no_grad()
    def down(n):
        assert not records()
        return 0 if n == 0 else 1 + down(n - 1)
    assert down(3) == 3


def test_set_grad_enabled():
    set_grad_enabled(False)
    assert not records()
    with set_grad_enabled(True):
        assert records()
    assert not records()
    set_grad_enabled(True)
    guard = set_grad_enabled(False)
    with guard, guard:
        assert not records()
    assert records()


def test_set_grad_enabled_decorates():
    @set_grad_enabled(False)
    def seen():
        return records()
    assert records() and seen() is False


def test_decorated_generator():
    log = []

    @no_grad()
    def steps(n):
        try:
            for i in range(n):
                try:
                    log.append((yield i, records()))
                except KeyError:
                    log.append("thrown")
        finally:
            log.append(records())
        return "end"

    walk = steps(3)
    assert next(walk) == (0, False) and records()
    assert walk.send("sent") == (1, False) and records()
    assert walk.throw(KeyError()) == (2, False) and records()
    with pytest.raises(StopIteration) as stop:
        next(walk)
    assert stop.value.value == "end" and log == ["sent", "thrown", None, False]
    walk = steps(3)
    next(walk)
    walk.close()
    assert log[-1] is False


def test_inference_mode():
    with inference_mode():
        assert is_inference_mode_enabled() and not records()
        y = ones(2) * 2
        with inference_mode(False):
            assert records() and not is_inference_mode_enabled()
        with enable_grad():
            assert is_inference_mode_enabled()
            assert not (x * 2).requires_grad
    assert y.is_inference() and not (x * 2).is_inference()
    with pytest.raises(RuntimeError, match="inference_mode"):
        x * y
    with pytest.raises(RuntimeError, match="inference_mode"):
        y.add_(1)
    with pytest.raises(RuntimeError, match="inference_mode"):
        y.requires_grad_()


def test_threads_have_their_own_mode():
    guard, seen, inside, leave = no_grad(), [], threading.Event(), threading.Event()

    def other():
        seen.append(records())
        with guard:
            inside.set()
            leave.wait(10)
            seen.append(records())
        seen.append(records())

    thread = threading.Thread(target=other)
    with guard:
        thread.start()
        assert inside.wait(10)
    assert records()
    leave.set()
    thread.join()
    assert seen == [True, False, True]


def test_only_functions_are_decorated():
    for wrong in (3, type("Class", (), {})):
        with pytest.raises(TypeError, match="no_grad decorates functions"):
            no_grad()(wrong)


def test_async_functions_are_not_decorated():
    async def coroutine():
        pass

    async def generator():
        yield
    for function in (coroutine, generator):
        with pytest.raises(TypeError, match="no_grad does not decorate async functions"):
            no_grad()(function)
