"""Fused operations and their twins: which of the two runs, and second derivatives.

A fused operation is one node and one pass of compiled loops. Its twin, of the same name and signature in
``reference*.py``, is written in primitive operations; it says what the fused one computes, and lends it the derivatives
of its derivatives.
"""
from contextvars import ContextVar

from tinyrnn.autograd.engine import record
from tinyrnn.autograd.grad_mode import Guard, enable_grad
from tinyrnn.autograd.graph import grad
from tinyrnn.autograd.tensor import Tensor

switch = ContextVar("fused", default=True)          # of the thread, or of the asyncio task


def swap_fused(mode):
    """Sets the mode and returns the one before."""
    before = switch.get()
    switch.set(mode)
    return before


class use_fused(Guard):
    """``with use_fused(False):`` runs every layer and operation inside as its readable twin; a decorator as well.

    The results agree up to rounding; the twins are slower and use more memory. The mode belongs to the thread, or
    to the asyncio task (a context variable).
    """

    swap = staticmethod(swap_fused)

    def __init__(self, mode=True):
        super().__init__()
        if not isinstance(mode, bool):
            raise TypeError(f"use_fused: expected True or False, not {mode!r}")
        self.enabled = mode

    def mode(self):
        return self.enabled


def is_fused_enabled():
    """Whether this thread, or task, uses the fused operations."""
    return switch.get()


def twin_gradients(twin, inputs, dys):
    """The gradients of ``twin(*inputs)`` as recorded operations, one for each input (None where none is wanted).

    ``dys`` are the gradients of its outputs, None for zero. This is how a fused operation's backward is differentiated
    once more: in the backward pass with create_graph=True, which records.
    """
    with enable_grad():
        # each input under a name of its own: one may have been computed from another
        inputs = [alias(x) if isinstance(x, Tensor) else x for x in inputs]
        outputs = twin(*inputs)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        pairs = [(y, dy) for y, dy in zip(outputs, dys, strict=True) if dy is not None and y.requires_grad]
        wanted = [x for x in inputs if isinstance(x, Tensor) and x.requires_grad]
        if not pairs or not wanted:
            return (None,) * len(inputs)
        found = iter(grad([y for y, _ in pairs], wanted, [dy for _, dy in pairs], create_graph=True, allow_unused=True))
    return tuple(next(found) if isinstance(x, Tensor) and x.requires_grad else None for x in inputs)


def alias(x):
    """x again, with a node of its own."""
    def backward(y, dy):
        return dy
    return record(x, (x,), backward, ())
