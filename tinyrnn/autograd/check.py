"""Checks of gradients: against finite differences, and of one implementation against another."""
import warnings

import numpy as np

from tinyrnn.autograd.engine import record
from tinyrnn.autograd.grad_mode import RECORDING
from tinyrnn.autograd.graph import grad
from tinyrnn.autograd.tensor import Tensor, swap_mode


class GradcheckError(RuntimeError):
    """The gradients that backward computes are not those of the function."""


def gradcheck(func, inputs, *, eps=1e-6, atol=1e-5, rtol=1e-3, raise_exception=True, nondet_tol=0.0,
              check_undefined_grad=True):
    """Compares the gradients of ``func(*inputs)`` with finite differences, (f(x + eps) - f(x - eps)) / (2 eps).

    Every float output is differentiated with respect to every input that requires grad. They agree where
    |analytic - numeric| <= atol + rtol |numeric|; the defaults are for float64, other inputs get a warning. Where no
    output requires grad, the differences must be zero.
    ``nondet_tol``: how much two backward passes may differ. ``check_undefined_grad``: with several outputs, the
    gradients must also be right when only one of them is used. Returns True; a difference raises
    :class:`GradcheckError`, or returns False with ``raise_exception=False``.
    """
    inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    check_inputs(inputs)
    try:
        compare(func, inputs, eps, atol, rtol, nondet_tol, check_undefined_grad)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(func, inputs, grad_outputs=None, *, eps=1e-6, atol=1e-5, rtol=1e-3, raise_exception=True,
                  nondet_tol=0.0, check_undefined_grad=True):
    """:func:`gradcheck` of the gradients of ``func`` instead of ``func``: its second derivatives.

    ``grad_outputs`` are the gradients to start from, random ones by default; those that require grad are inputs too.
    """
    inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    check_inputs(inputs)
    outputs = float_outputs(func, inputs)
    if grad_outputs is None:
        noise = np.random.default_rng(0)
        grad_outputs = tuple(leaf(noise.standard_normal(y.shape).astype(y.dtype)) for y in outputs)
    starts = (grad_outputs,) if isinstance(grad_outputs, Tensor) else tuple(grad_outputs)

    def first(*args):
        x, dy = args[:len(inputs)], args[len(inputs):]
        wanted = tuple(t for t in x if isinstance(t, Tensor) and t.requires_grad)
        return grad(float_outputs(func, x), wanted, dy, create_graph=True, materialize_grads=True)
    return gradcheck(first, inputs + starts, eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception,
                     nondet_tol=nondet_tol, check_undefined_grad=check_undefined_grad)


def assert_equivalent(fused, twin, *inputs, rtol=1e-7, atol=1e-9):
    """Raises AssertionError unless two functions of the same signature agree on the inputs: in every output, and in the
    gradient of every input for the same random gradients of the outputs, within atol + rtol |twin|.

    Inputs may be tensors (gradients are compared for those that require grad) or anything else; so may outputs.
    """
    results = []
    for function in (fused, twin):
        outputs = as_tuple(function(*inputs))
        values = [y for y in outputs if isinstance(y, Tensor)]
        noise = np.random.default_rng(0)
        starts = [(y, record(noise.standard_normal(y.shape).astype(y.dtype), (), None))
                  for y in values if y.dtype.kind == "f"]
        starts = [(y, dy) for y, dy in starts if y.requires_grad]
        wanted = [x for x in inputs if isinstance(x, Tensor) and x.requires_grad]
        grads = grad([y for y, _ in starts], wanted, [dy for _, dy in starts], materialize_grads=True) \
            if starts and wanted else ()
        results.append((values, [y.requires_grad for y in values], grads))
    (ours, ours_require, our_grads), (theirs, theirs_require, their_grads) = results
    assert len(ours) == len(theirs), f"{len(ours)} outputs against the twin's {len(theirs)}"
    assert ours_require == theirs_require, f"outputs that require grad: {ours_require} against {theirs_require}"
    for label, pairs in (("output", zip(ours, theirs, strict=True)),
                         ("gradient", zip(our_grads, their_grads, strict=True))):
        for k, (a, b) in enumerate(pairs):
            assert a.shape == b.shape and a.dtype == b.dtype, \
                f"{label} {k}: {a.dtype} {a.shape} against {b.dtype} {b.shape}"
            np.testing.assert_allclose(a.array, b.array, rtol=rtol, atol=atol, err_msg=f"{label} {k}")


# ---- the parts -------------------------------------------------------------------------------------------------------

def as_tuple(outputs):
    return tuple(outputs) if isinstance(outputs, (tuple, list)) else (outputs,)


def leaf(array):
    x = record(array, (), None)
    x.requires_grad = True
    return x


def check_inputs(inputs):
    wanted = [x for x in inputs if isinstance(x, Tensor) and x.requires_grad]
    if not wanted:
        raise ValueError("gradcheck: at least one input must be a tensor that requires grad")
    for x in wanted:
        if x.dtype != np.float64:
            warnings.warn(f"gradcheck: an input of shape {x.shape} is {x.dtype}; only float64 is precise enough",
                          stacklevel=3)
        if x.array.size and any(step == 0 and n > 1 for step, n in zip(x.array.strides, x.shape, strict=False)):
            raise RuntimeError(f"gradcheck: an input of shape {x.shape} has elements that share memory; "
                               "use x.contiguous()")


def float_outputs(func, inputs):
    """The outputs that can have gradients."""
    return tuple(y for y in as_tuple(func(*inputs)) if isinstance(y, Tensor) and y.dtype.kind == "f")


def compare(func, inputs, eps, atol, rtol, nondet_tol, check_undefined_grad):
    wanted = [x for x in inputs if isinstance(x, Tensor) and x.requires_grad]
    outputs = [y for y in float_outputs(func, inputs) if y.requires_grad]
    if not outputs:
        constant(func, inputs, wanted, eps, atol)
    analytic = jacobian(outputs, wanted)
    again = jacobian(outputs, wanted)
    keep = [k for k, y in enumerate(float_outputs(func, inputs)) if y.requires_grad]
    numeric = [differences(func, inputs, x, keep, eps) for x in wanted]
    for i in range(len(wanted)):
        for k in range(len(outputs)):
            a, n = analytic[k][i], numeric[i][k]
            if not np.allclose(a, again[k][i], rtol=0, atol=nondet_tol, equal_nan=True):
                raise GradcheckError(f"backward is not deterministic: output {k}, input {i} differ between two passes")
            if not np.allclose(a, n, rtol, atol, equal_nan=True):
                raise GradcheckError(f"the gradient of output {k} with respect to input {i} is wrong\n"
                                     f"backward:\n{a}\nfinite differences:\n{n}")
    if check_undefined_grad and len(outputs) > 1:
        together(outputs, wanted, analytic, atol, rtol)


def constant(func, inputs, wanted, eps, atol):
    """Where no output has a gradient, none may depend on the inputs: a step function passes, a cut graph does not."""
    every = range(len(float_outputs(func, inputs)))
    for i, x in enumerate(wanted):
        for k, numeric in enumerate(differences(func, inputs, x, every, eps)):
            if not np.allclose(numeric, 0, rtol=0, atol=atol):
                raise GradcheckError(f"output {k} does not require grad, and yet it depends on input {i}:\n{numeric}")


def together(outputs, wanted, analytic, atol, rtol):
    """``analytic`` came from one output at a time; from all of them at once the gradients must add up."""
    starts = [record(np.ones(y.shape, y.dtype), (), None) for y in outputs]
    grads = grad(outputs, wanted, starts, retain_graph=True, allow_unused=True)
    for i, g in enumerate(grads):
        total = sum(rows[i].sum(0) for rows in analytic)
        if not np.allclose(0 if g is None else g.array.reshape(-1), total, rtol, atol, equal_nan=True):
            raise GradcheckError(f"the gradient of input {i} from all outputs is not the sum of those from each")


def jacobian(outputs, wanted):
    """For every output and input: a row for every element of the output, a column for every element of the input."""
    result = []
    for y in outputs:
        rows = [np.zeros((y.array.size, x.array.size)) for x in wanted]
        for j in range(y.array.size):
            start = np.zeros(y.array.size, y.dtype)
            start[j] = 1
            grads = grad(y, wanted, record(start.reshape(y.shape), (), None), retain_graph=True, allow_unused=True)
            for row, g in zip(rows, grads, strict=False):
                if g is not None:
                    row[j] = g.array.reshape(-1)
        result.append(rows)
    return result


def differences(func, inputs, x, keep, eps):
    """The same for one input, from finite differences. Its values are changed in place and put back."""
    columns = []
    values = x.array
    for index in np.ndindex(*x.shape):
        ends = []
        before = values[index].copy()
        try:
            for step in (eps, -eps):
                values[index] = before + step
                ends.append(evaluate(func, inputs, keep))
        finally:
            values[index] = before
        columns.append([(up - down) / (2 * eps) for up, down in zip(*ends, strict=False)])
    if not columns:
        return [np.zeros((y.size, 0)) for y in evaluate(func, inputs, keep)]
    return [np.stack(column, 1) for column in zip(*columns, strict=False)]


def evaluate(func, inputs, keep):
    """The outputs as flat arrays. Recording stays on: the function may itself ask for gradients."""
    mode = swap_mode(RECORDING)
    try:
        outputs = float_outputs(func, inputs)
        return [outputs[k].array.astype(np.float64).reshape(-1) for k in keep]
    finally:
        swap_mode(mode)
