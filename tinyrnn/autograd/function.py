"""Operations that bring their own backward, written as in PyTorch.

    class Square(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, dy):
            x, = ctx.saved_tensors
            return 2 * x * dy

    y = Square.apply(x)

:func:`tinyrnn.record` does the same with one output and no class.
"""
import functools
import weakref

import numpy as np

from tinyrnn.autograd.engine import before, output_of, overwrite, record, record_many, watch_anew
from tinyrnn.autograd.grad_mode import RECORDING
from tinyrnn.autograd.tensor import Tensor, current_mode, swap_mode


class Context:
    """What ``forward`` notes for ``backward``: ``ctx``. Attributes of any name may be set on it."""

    def __init__(self, name, needs_input_grad):
        self.needs_input_grad = needs_input_grad
        self._name, self._saved, self._dirty, self._constant, self._materialize = name, (), (), (), True
        self._outputs, self._node = (), None

    def save_for_backward(self, *tensors):
        """Keeps tensors (or None) for ``saved_tensors``; changing one in place makes backward raise."""
        for t in tensors:
            if t is not None and not isinstance(t, Tensor):
                raise TypeError(f"{self._name}: save_for_backward takes tensors or None, not {type(t).__name__}; "
                                "set an attribute of ctx for anything else")
        self._saved = tensors

    def mark_dirty(self, *tensors):
        """Names the inputs that forward changed in place; it must return them."""
        self._dirty = tensors

    def mark_non_differentiable(self, *tensors):
        """Names the outputs that have no gradient."""
        self._constant = tensors

    def set_materialize_grads(self, value):
        """Whether backward gets zeros (the default) or None for an output that nothing depends on."""
        self._materialize = value

    @property
    def saved_tensors(self):
        """The tensors given to ``save_for_backward``, each with the history it has outside."""
        node = None if self._node is None else self._node()
        if node is None:
            return self._saved
        return tuple(output_of(node, k, t) if (k := place(t, self._outputs)) is not None else t for t in self._saved)


class Function:
    """The base of such an operation. It is never instantiated: ``apply`` is called on the class.

    ``forward(ctx, *args)``, or ``forward(*args)`` and ``setup_context(ctx, inputs, output)``, computes one tensor or a
    tuple of tensors (and None), unrecorded. ``backward(ctx, *grads)`` gets one gradient an output and returns
    one an argument, None for what is no tensor or needs no gradient. Written in operations on tensors it can itself be
    differentiated; otherwise decorate it with :func:`once_differentiable`.
    """

    def __init__(self, *args, **kwargs):
        raise TypeError(f"{type(self).__name__} is not instantiated: call {type(self).__name__}.apply(...)")

    @staticmethod
    def forward(*args):
        raise NotImplementedError("a Function must define forward as a static method")

    @staticmethod
    def setup_context(ctx, inputs, output):
        raise NotImplementedError("a Function whose forward takes no ctx must define setup_context")

    @staticmethod
    def backward(ctx, *grads):
        raise NotImplementedError("a Function must define backward as a static method to be differentiated")

    @classmethod
    def apply(cls, *args):
        ctx = Context(cls.__name__, tuple(isinstance(a, Tensor) and a.requires_grad for a in args))
        mode = swap_mode(current_mode() & ~RECORDING)
        try:
            if cls.setup_context is Function.setup_context:
                result = cls.forward(ctx, *args)
            else:
                result = cls.forward(*args)
                cls.setup_context(ctx, args, result)
        finally:
            swap_mode(mode)
        outputs = result if isinstance(result, tuple) else (result,)
        check_outputs(ctx, args, outputs)
        if current_mode() == RECORDING and any(ctx.needs_input_grad):
            outputs = attach(cls, ctx, args, outputs)
        return outputs if isinstance(result, tuple) else outputs[0]


def place(t, tensors):
    """The index of t itself (not of an equal one) among the tensors, or None."""
    return next((k for k, other in enumerate(tensors) if other is t), None)


def check_outputs(ctx, args, outputs):
    for out in outputs:
        if out is not None and not isinstance(out, Tensor):
            raise TypeError(f"{ctx._name}.forward: expected tensors or None, not {type(out).__name__}")
    for t in ctx._dirty:
        if place(t, args) is None or place(t, outputs) is None:
            raise RuntimeError(f"{ctx._name}: mark_dirty takes inputs that forward changed in place and returns")


def attach(cls, ctx, args, outputs):
    """Gives the outputs their history: one node for all of them."""
    tensors = [a for a in args if isinstance(a, Tensor)]
    dirty = {id(t): before(t) for t in ctx._dirty}              # the same inputs as they were, with their old history
    ctx._outputs = tuple(None if t is None or place(t, ctx._constant) is not None or t.dtype.kind != "f"
                         else t.detach() if id(t) in dirty else t for t in outputs)
    alias = {id(t): own for t, own in zip(outputs, ctx._outputs, strict=False) if id(t) in dirty}
    ctx._saved = tuple(alias.get(id(t), t) for t in ctx._saved)
    real = [k for k, t in enumerate(ctx._outputs) if t is not None]
    made = record_many(tuple(ctx._outputs[k] for k in real), tuple(dirty.get(id(t), t) for t in tensors),
                       backward_of(cls, ctx, args, real), ctx._saved)
    node = made[0].grad_fn.next_functions[0][0] if made else None
    ctx._node = weakref.ref(node) if made else None
    ctx._outputs = tuple(ctx._outputs[k] for k in real)
    ctx._dirty = ()                                             # the outputs hold the node, and it holds ctx
    result = list(outputs)
    for k, y in zip(real, made, strict=False):
        result[k] = overwrite(outputs[k], dirty[id(outputs[k])], y) if id(outputs[k]) in dirty else y
    if node is not None and dirty:
        watch_anew(node)
    return tuple(t.detach() if t is not None and t.requires_grad and place(t, tensors) is not None
                 and id(t) not in dirty else t for t in result)


def backward_of(cls, ctx, args, real):
    """What the engine calls: from the gradients that arrived to one gradient for every tensor argument."""
    kinds = [(t.shape, t.dtype) for t in ctx._outputs if t is not None]
    count = len(ctx._outputs)
    is_tensor = [isinstance(a, Tensor) for a in args]

    def backward(y, dys):
        grads = [None] * count
        for number, (k, (shape, dtype)) in enumerate(zip(real, kinds, strict=False)):
            grads[k] = dys.get(number)
            if grads[k] is None and ctx._materialize:
                grads[k] = record(np.zeros(shape, dtype), (), None)
        results = cls.backward(ctx, *grads)
        results = results if isinstance(results, tuple) else (results,)
        given = len(is_tensor)                                  # not of args: one that is dirty would be a cycle
        if len(results) < given or any(g is not None for g in results[given:]):
            raise RuntimeError(f"{cls.__name__}.backward: returned {len(results)} gradients for {given} arguments")
        for k, (g, wanted) in enumerate(zip(results, is_tensor, strict=False)):
            if g is not None and not (wanted and isinstance(g, Tensor)):
                raise TypeError(f"{cls.__name__}.backward: the gradient of argument {k} must be "
                                f"{'a tensor or None' if wanted else 'None'}, not {type(g).__name__}")
        return tuple(g for g, wanted in zip(results, is_tensor, strict=False) if wanted)
    backward.__qualname__ = cls.__name__
    return backward


def once_differentiable(backward):
    """For a ``backward`` that is not written in differentiable operations: differentiating it raises."""
    @functools.wraps(backward)
    def wrapper(ctx, *grads):
        mode = swap_mode(current_mode() & ~RECORDING)
        try:
            results = backward(ctx, *grads)
        finally:
            swap_mode(mode)
        sources = tuple(g for g in grads if g is not None and g.requires_grad)
        if mode != RECORDING or not sources:
            return results

        def twice(y, dy):
            raise RuntimeError(f"{ctx._name}: its backward is once_differentiable; it cannot be differentiated again")
        results = results if isinstance(results, tuple) else (results,)
        return tuple(record(g, sources, twice, ()) if isinstance(g, Tensor) else g for g in results)
    return wrapper
