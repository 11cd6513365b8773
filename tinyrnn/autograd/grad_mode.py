"""Whether operations are recorded: context managers that are decorators too.

The mode belongs to the thread; a new thread records. One guard may be entered again inside itself, and used by several
threads at once.
"""
import functools
import inspect
from _thread import get_ident  # threading takes a while to import
from collections import defaultdict

from tinyrnn.autograd.tensor import current_mode, swap_mode

RECORDING, INFERENCE = 1, 2


class Guard:
    """Sets the mode on entry and puts the one before back on exit. Subclasses say which mode, in ``mode``."""

    swap = staticmethod(swap_mode)                  # sets a mode and returns the one before

    def __init__(self):
        self.before = defaultdict(list)             # thread -> modes to return to

    def mode(self):
        raise NotImplementedError

    def __enter__(self):
        self.before[get_ident()].append(self.swap(self.mode()))

    def __exit__(self, *exception):
        modes = self.before[get_ident()]
        self.swap(modes.pop())
        if not modes:
            del self.before[get_ident()]

    def __call__(self, function):
        if not callable(function) or isinstance(function, type):
            raise TypeError(f"{type(self).__name__} decorates functions, not {function!r}")
        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(f"{type(self).__name__} does not decorate async functions: use it with `with` inside")
        if inspect.isgeneratorfunction(function):
            return self.guarded_generator(function)

        @functools.wraps(function)
        def guarded(*args, **kwargs):
            return self.during(function, *args, **kwargs)
        return guarded

    def during(self, function, /, *args, **kwargs):
        """The function's result; the mode holds during the call."""
        before = self.swap(self.mode())
        try:
            return function(*args, **kwargs)
        finally:
            self.swap(before)

    def guarded_generator(self, function):
        """The mode holds while the generator runs, not while its caller does."""
        @functools.wraps(function)
        def guarded(*args, **kwargs):
            generator = function(*args, **kwargs)
            resume, value = generator.send, None
            try:
                while True:
                    result = self.during(resume, value)
                    try:
                        resume, value = generator.send, (yield result)
                    except GeneratorExit:
                        raise
                    except BaseException as error:
                        resume, value = generator.throw, error
            except StopIteration as stop:
                return stop.value
            finally:
                self.during(generator.close)
        return guarded


class Switch(Guard):
    """A guard without arguments, which decorates with parentheses or without."""

    def __new__(cls, function=None):
        return super().__new__(cls) if function is None else cls()(function)


class no_grad(Switch):
    """Operations inside are not recorded: ``with no_grad():`` or ``@no_grad()``."""

    def mode(self):
        return current_mode() & ~RECORDING


class enable_grad(Switch):
    """Operations inside are recorded, also within ``no_grad``."""

    def mode(self):
        return current_mode() | RECORDING


class set_grad_enabled(Guard):
    """Switches recording on or off: from the call on, or for a ``with`` block, or for a decorated function."""

    def __init__(self, mode):
        super().__init__()
        self.enabled = bool(mode)
        self.outer = swap_mode(self.mode())         # to return to; None once __enter__ has taken it

    def mode(self):
        return current_mode() | RECORDING if self.enabled else current_mode() & ~RECORDING

    def __enter__(self):
        before = swap_mode(self.mode())
        self.before[get_ident()].append(before if self.outer is None else self.outer)
        self.outer = None

    def __call__(self, function):
        if self.outer is not None:
            swap_mode(self.outer)
            self.outer = None
        return super().__call__(function)


class inference_mode(Guard):
    """Like no_grad, and its tensors may never take part in a recorded operation whose backward would read them.

    ``inference_mode(False)`` is the ordinary, recording mode.
    """

    def __new__(cls, mode=True):
        return cls()(mode) if callable(mode) else super().__new__(cls)

    def __init__(self, mode=True):
        super().__init__()
        self.enabled = bool(mode)

    def mode(self):
        return INFERENCE if self.enabled else RECORDING


def is_grad_enabled():
    """Whether this thread is recording."""
    return bool(current_mode() & RECORDING)


def is_inference_mode_enabled():
    """Whether this thread is in inference mode."""
    return bool(current_mode() & INFERENCE)
