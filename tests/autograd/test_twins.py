"""Every fused operation beside its twin in primitive operations: same name, same signature, same results."""
import importlib
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import tinyrnn
from tinyrnn import get_num_threads, kernels, set_num_threads
from tinyrnn.autograd import assert_equivalent, fused, grad, gradcheck, gradgradcheck
from tinyrnn.autograd.tensor import Tensor

# Relative, absolute. Without fused multiply-adds sums of hundreds of products that cancel are rounded twice as often.
FUSED_MULTIPLY_ADD = "FMA" in kernels.cpu.levels()[kernels.level]
TOLERANCE = {"float64": (1e-10, 1e-12), "float32": (1e-5, 1e-5 if FUSED_MULTIPLY_ADD else 5e-5)}


class Case(NamedTuple):
    """``name`` is the operation's; ``inputs(dtype)`` makes tensors and other arguments, a new set each time."""

    name: str
    inputs: Callable
    options: dict = {}          # keyword arguments  # noqa: RUF012
    small: bool = False         # small enough for finite differences
    rows: tuple = ()            # where the batch is: a dimension for each input (None: the input has no batch), ...
    rows_out: tuple = ()        # ... and for each output; a row must have the same bits alone


def fused_modules():
    folder = Path(fused.__file__).parent
    return [importlib.import_module(f"tinyrnn.autograd.{path.stem}") for path in sorted(folder.glob("fused_*.py*"))
            if path.suffix in (".pyi", ".py")]     # an installed package has stubs, not sources


def public(module):
    return {name: f for name, f in vars(module).items()
            if not name.startswith("_") and callable(f) and not inspect.isclass(f) and f.__module__ == module.__name__}


FUSED = {name: f for module in fused_modules() for name, f in public(module).items()}
TWINS = {name: f for path in sorted(Path(fused.__file__).parent.glob("reference*.py"))
         for name, f in public(importlib.import_module(f"tinyrnn.autograd.{path.stem}")).items()}


def normal(shape, dtype="float64", seed=0, requires_grad=True):
    return tinyrnn.tensor(np.random.default_rng(seed).standard_normal(shape).astype(dtype),
                          requires_grad=requires_grad)


# ---- attention -------------------------------------------------------------------------------------------------------

def attention(B, S, A, V, queries=None, mask=None, lay=lambda x: x):
    """``mask``: None, or the part of the positions that it leaves; the second row then has none."""
    def inputs(dtype):
        query = normal((B, A) if queries is None else (B, queries, A), dtype, 1)
        keys, values = lay(normal((B, S, A), dtype, 2)), lay(normal((B, S, V), dtype, 3))
        v = (normal((A,), dtype, 4) * A ** -0.5).detach().requires_grad_()      # scores of about 1 for any A
        if mask is None:
            return query, keys, values, v
        left = np.random.default_rng(5).random((B, S)) < mask
        left[1:2] = False
        return query, keys, values, v, tinyrnn.tensor(left)
    return inputs


def turned(x):
    """The same values, laid out with the first two dimensions swapped, as an encoder's output comes."""
    y = tinyrnn.tensor(np.ascontiguousarray(x.numpy(force=True).swapaxes(0, 1)).swapaxes(0, 1))
    return y.requires_grad_()


def gaps(x):
    """The same values with every other element of a larger array between them."""
    return tinyrnn.from_numpy(np.repeat(x.numpy(force=True), 2, -1)[..., ::2]).requires_grad_()


ROWS = {"rows": (0, 0, 0, None, 0), "rows_out": (0, 0)}
ATTENTION = [
    Case("additive_attention", attention(2, 3, 4, 2), small=True),
    Case("additive_attention", attention(3, 3, 2, 2, mask=0.7), small=True, **ROWS),
    Case("additive_attention", attention(2, 3, 2, 2, queries=2, mask=0.7), small=True, **ROWS),
    *(Case("additive_attention", attention(3, S, A, V, queries, mask), **ROWS)
      for S, A, V in ((1, 1, 1), (7, 17, 16), (16, 31, 33), (5, 129, 7), (3, 257, 1), (33, 600, 129))
      for queries, mask in ((None, None), (None, 0.5), (3, 0.5))),
    *(Case("additive_attention", attention(B, S, A, V, queries, mask))
      for B, S, A, V, queries in ((0, 3, 4, 2, None), (2, 0, 4, 2, None), (2, 3, 4, 0, 2), (2, 3, 4, 2, 0))
      for mask in (None, 0.5)),
    Case("additive_attention", attention(3, 7, 17, 5, None, 0.5, turned), **ROWS),
    Case("additive_attention", attention(3, 7, 17, 5, 2, 0.5, gaps), **ROWS),
    Case("additive_attention", attention(65, 30, 64, 128, None, 0.8), **ROWS),            # enough work for threads
]

# ---- losses and normalisation ----------------------------------------------------------------------------------------

def scores(*shape, weighted=False, ignored=0.2):
    """Scores with classes in dimension 1 (or the only one), and targets of which some are ignored."""
    def inputs(dtype):
        classes, others = (shape[0], ()) if len(shape) == 1 else (shape[1], shape[:1] + shape[2:])
        random = np.random.default_rng(1)
        target = random.integers(0, max(classes, 1), others)
        target = np.where(random.random(others) < ignored, -100, target) if classes else np.full(others, -100)
        x = (normal(shape, dtype) * 3).detach().requires_grad_()
        weight = tinyrnn.tensor(random.random(classes).astype(dtype)) if weighted else None
        return x, tinyrnn.tensor(target), weight
    return inputs


PER_ROW = {"rows": (0, 0, None), "rows_out": (0,)}
CROSS_ENTROPY = [
    *(Case("cross_entropy", scores(*shape, weighted=weighted), {"reduction": reduction, "label_smoothing": smoothing},
           small=True)
      for shape in ((3, 4), (2, 3, 2)) for weighted in (False, True) for reduction in ("mean", "sum", "none")
      for smoothing in (0.0, 0.3)),
    *(Case("cross_entropy", scores(5, classes, weighted=weighted), {"reduction": "none", "label_smoothing": smoothing},
           **PER_ROW)
      for classes in (1, 7, 8, 15, 16, 17, 31, 33, 129, 255, 257, 1000) for weighted, smoothing in ((False, 0.0),
                                                                                                   (True, 0.1))),
    Case("cross_entropy", scores(4, ignored=0.0)),
    Case("cross_entropy", scores(0, 4), {"reduction": "sum"}),
    Case("cross_entropy", scores(3, 0), {"reduction": "sum"}),
    Case("cross_entropy", scores(3, 4, 2, 5, ignored=1.0), {"reduction": "sum"}),
    Case("cross_entropy", scores(300, 500, weighted=True)),                               # enough work for threads
]


def hidden(N, size, C, bias=True, weighted=False, ignored=0.2):
    """Rows of hidden values, a linear layer to C scores, and the targets of ``scores``."""
    def inputs(dtype):
        _, target, weight = scores(N, C, weighted=weighted, ignored=ignored)(dtype)
        x, w, b = normal((N, size), dtype, 2), normal((C, size), dtype, 3), normal((C,), dtype, 4)
        return x, w, b if bias else None, target, weight
    return inputs


LINEAR = [
    *(Case("linear_cross_entropy", hidden(3, 2, 4, bias, weighted),
           {"reduction": reduction, "label_smoothing": smoothing}, small=True)
      for bias in (True, False) for weighted in (False, True) for reduction in ("mean", "sum")
      for smoothing in (0.0, 0.3)),
    *(Case("linear_cross_entropy", hidden(N, size, C)) for N, size, C in ((1, 1, 1), (7, 17, 16), (33, 31, 129))),
    *(Case("linear_cross_entropy", hidden(*shape), {"reduction": "sum"}) for shape in ((0, 3, 4), (3, 0, 4))),
    Case("linear_cross_entropy", hidden(3, 2, 4, ignored=1.0), {"reduction": "sum"}),
    Case("linear_cross_entropy", hidden(700, 16, 3001, weighted=True)),                   # in pieces
]


def rows(*shape, over=1, weight=True, bias=True):
    def inputs(dtype):
        end = shape[len(shape) - over:]
        x = (normal(shape, dtype, 1) * 2 + 1).detach().requires_grad_()
        return x, end, normal(end, dtype, 2) if weight else None, normal(end, dtype, 3) if bias else None
    return inputs


NORM = [
    Case("layer_norm", rows(3, 4), small=True),
    Case("layer_norm", rows(2, 2, 3, over=2, bias=False), {"eps": 0.1}, small=True),
    Case("layer_norm", rows(3, 5, weight=False, bias=False), small=True),
    Case("layer_norm", rows(3, 5, weight=False), small=True),
    *(Case("layer_norm", rows(5, n), rows=(0, None, None, None), rows_out=(0,))
      for n in (2, 7, 8, 15, 16, 17, 31, 33, 129, 255, 257, 600)),
    *(Case("layer_norm", rows(*shape)) for shape in ((0, 3), (3, 0), (63, 5), (64, 5), (65, 5), (128, 7), (300, 500))),
]

# ---- recurrent layers: test_fused_recurrent.py has many more ---------------------------------------------------------

def sequence(T, B, size, H, gates, states=1, projected=None):
    def inputs(dtype):
        P, G = projected or H, gates * H
        shapes = [(T, B, size), (B, P), *[(B, H)] * (states - 1), (G, size), (G, P), (G,), (G,)]
        shapes += [(P, H)] if projected else []
        return tuple((normal(s, dtype, k) * 0.5).detach().requires_grad_() for k, s in enumerate(shapes))
    return inputs


def sequences(name, gates, states=1, projected=None, **options):
    batch = {"rows": (1, 0, 0)[:1 + states] + (None,) * 5, "rows_out": (1, 0, 0)[:1 + states]}
    padded = options | {"lengths": np.array([2, 0, 3]), "reverse": True}
    return [
        Case(name, sequence(2, 2, 2, 3, gates, states, projected and 2), options, small=True),
        Case(name, sequence(3, 3, 2, 2, gates, states, projected and 1), padded, small=True),
        Case(name, sequence(5, 17, 33, 31, gates, states, projected), options, **batch),
    ]


RECURRENT = [
    *sequences("rnn", 1), *sequences("rnn", 1, nonlinearity="relu"), *sequences("gru", 3),
    *sequences("gru", 3, reset_after=False), *sequences("lstm", 4, 2), *sequences("lstm", 4, 2, 7),
]

CASES = ATTENTION + CROSS_ENTROPY + LINEAR + NORM + RECURRENT
each = pytest.mark.parametrize("case", [pytest.param(x, id=f"{x.name}-{i}") for i, x in enumerate(CASES)])


def results(case, inputs, functions=FUSED):
    """The outputs and the gradients of all inputs, as arrays, for the same gradients of the outputs each time."""
    outputs = functions[case.name](*inputs, **case.options)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    wanted = [x for x in inputs if isinstance(x, Tensor) and x.requires_grad]
    starts = [tinyrnn.tensor(np.cos(np.arange(y.numel())).reshape(y.shape).astype(y.dtype)) for y in outputs]
    grads = grad(list(outputs), wanted, starts)
    return [y.numpy(force=True) for y in outputs], [g.numpy() for g in grads]


# ---- the checks ------------------------------------------------------------------------------------------------------

def test_every_fused_operation_has_a_twin_and_cases():
    assert FUSED
    assert {x.name for x in CASES} == set(FUSED)
    for name, function in FUSED.items():
        assert name in TWINS, f"{name} has no twin in reference*.py"
        ours, theirs = (inspect.signature(f).parameters.values() for f in (function, TWINS[name]))
        assert [(p.name, p.default, p.kind) for p in ours] == [(p.name, p.default, p.kind) for p in theirs], name


@pytest.mark.parametrize("dtype", TOLERANCE)
@each
def test_like_the_twin(case, dtype):
    def call(function):
        return lambda *inputs: function(*inputs, **case.options)
    rtol, atol = TOLERANCE[dtype]
    assert_equivalent(call(FUSED[case.name]), call(TWINS[case.name]), *case.inputs(dtype), rtol=rtol, atol=atol)


@pytest.mark.parametrize("case", [x for x in CASES if x.small], ids=lambda x: x.name)
def test_gradients_against_differences(case):
    inputs = case.inputs("float64")

    def call(*inputs):
        return FUSED[case.name](*inputs, **case.options)
    assert gradcheck(call, inputs)
    assert gradgradcheck(call, inputs)


@pytest.mark.parametrize("dtype", TOLERANCE)
@each
def test_same_bits_with_any_number_of_threads(case, dtype):
    before, found = get_num_threads(), []
    try:
        for threads in (1, 2, 3, 8):
            set_num_threads(threads)
            found.append(results(case, case.inputs(dtype)))
    finally:
        set_num_threads(before)
    for outputs, grads in found[1:]:
        for a, b in zip(outputs + grads, found[0][0] + found[0][1], strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("case", [x for x in CASES if x.rows], ids=lambda x: x.name)
def test_same_bits_for_a_row_alone(case, dtype):
    inputs = case.inputs(dtype)
    outputs, _ = results(case, inputs)
    assert len(outputs) == len(case.rows_out)
    batch = next(x.shape[d] for x, d in zip(inputs, case.rows, strict=False) if d is not None)
    for row in {0, 1, batch // 2, batch - 1} & set(range(batch)):
        alone = [x if d is None else x.narrow(d, row, 1) for x, d in zip(inputs, case.rows, strict=False)]
        found = FUSED[case.name](*alone, **case.options)
        for y, a, d in zip(outputs, found if isinstance(found, tuple) else (found,), case.rows_out, strict=True):
            np.testing.assert_array_equal(a.numpy(force=True), y.take([row], d))


# ---- what is particular to one operation -----------------------------------------------------------------------------

@pytest.mark.parametrize("functions", [FUSED, TWINS], ids=["fused", "twin"])
def test_what_is_masked_has_no_influence_on_attention(functions):
    query, keys, values, v, mask = attention(3, 7, 17, 5, 2, 0.5)("float64")
    clean = results(ATTENTION[0], (query, keys, values, v, mask), functions)
    with tinyrnn.no_grad():
        for x in (keys, values):
            x[~mask] = float("nan")
    dirty = results(ATTENTION[0], (query, keys, values, v, mask), functions)
    for a, b in zip(clean[0] + clean[1], dirty[0] + dirty[1], strict=True):
        np.testing.assert_array_equal(a, b)


def test_attention_refuses_what_does_not_fit():
    query, keys, values, v, mask = attention(3, 7, 17, 5, mask=0.5)("float64")
    wrong = [(query[:2], keys, values, v, mask), (query, keys[:, :6], values, v, mask), (query, keys, values, v[:3]),
             (query, keys, values, v, mask[:, :3]), (query[0], keys, values, v), (query, keys, values[0], v)]
    for arguments in wrong:
        with pytest.raises(tinyrnn.ShapeError, match="additive_attention"):
            FUSED["additive_attention"](*arguments)
    for arguments in [(query.float(), keys, values, v), (query, keys, values, v, mask.double())]:
        with pytest.raises(tinyrnn.DtypeError, match="additive_attention"):
            FUSED["additive_attention"](*arguments)


def test_attention_notices_weights_that_were_changed():
    weights = FUSED["additive_attention"](*attention(2, 3, 4, 2)("float64"))[1]
    start = weights.sum()
    with tinyrnn.no_grad():
        weights.zero_()
    with pytest.raises(RuntimeError, match="changed in place"):
        start.backward()


@pytest.mark.parametrize("value", [1e4, -1e4, np.inf, -np.inf, np.nan])
def test_cross_entropy_of_extreme_scores(value):
    """Large scores do not overflow, those of minus infinity have no share, and NaN stays in its row."""
    x = normal((3, 40), "float64").detach()
    x[1, 5] = value
    x.requires_grad_()
    target = tinyrnn.tensor([3, 2, 1])
    for name in ("float64", "float32"):
        y = x.detach().to(getattr(tinyrnn, name)).requires_grad_()
        assert_equivalent(lambda y: FUSED["cross_entropy"](y, target, reduction="none"),
                          lambda y: TWINS["cross_entropy"](y, target, reduction="none"), y, rtol=TOLERANCE[name][0])


def test_cross_entropy_checks_classes_first():
    for bad in (-1, 4, 2 ** 40, -2 ** 40):
        with pytest.raises(IndexError, match=f"cross_entropy: Target {bad} is out of bounds for 4 classes"):
            FUSED["cross_entropy"](normal((2, 4)), tinyrnn.tensor([1, bad]))


def test_cross_entropy_differentiates_its_weight_as_the_twin_does():
    x, target, _ = scores(5, 4)("float64")
    assert_equivalent(FUSED["cross_entropy"], TWINS["cross_entropy"], x, target, normal(4))
