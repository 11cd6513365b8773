"""The fused rnn, gru and lstm: equal to their twins, and the same bits however the work is cut up."""
import itertools

import numpy as np
import pytest

from tinyrnn import get_num_threads, set_num_threads, tensor
from tinyrnn.autograd import fused_recurrent, reference
from tinyrnn.autograd.arrays import DtypeError, ShapeError
from tinyrnn.autograd.check import assert_equivalent, gradcheck, gradgradcheck
from tinyrnn.autograd.graph import grad

# name, keywords, gates, whether it has a cell state, whether it projects
CELLS = [("rnn", {}, 1, False, False), ("rnn", {"nonlinearity": "relu"}, 1, False, False), ("gru", {}, 3, False, False),
         ("gru", {"reset_after": False}, 3, False, False), ("lstm", {}, 4, True, False), ("lstm", {}, 4, True, True)]
LABELS = ["rnn tanh", "rnn relu", "gru", "gru reset before", "lstm", "lstm projected"]
cells = pytest.mark.parametrize("cell", CELLS, ids=LABELS)
dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


def arguments(cell, T, B, F, H, dtype, bias=True, seed=0):
    """input, state..., weights... for a layer of this cell, as leaves."""
    _, _, gates, has_c, projects = cell
    noise = np.random.default_rng(seed)
    P = max(H // 2, 1) if projects else H
    shapes = [(T, B, F), (B, P)] + [(B, H)] * has_c + [(gates * H, F), (gates * H, P)]
    shapes += [(gates * H,)] * 2 if bias else [None] * 2
    shapes += [(P, H)] * projects
    return [None if shape is None else tensor((0.5 * noise.standard_normal(shape)).astype(dtype), requires_grad=True)
            for shape in shapes]


def apply(module, cell, lengths=None, reverse=False):
    return lambda *args: getattr(module, cell[0])(*args, **cell[1], lengths=lengths, reverse=reverse)


def results(function, args, seed=0):
    """Outputs and the gradients of all arguments, as arrays; the gradients start from random ones."""
    outputs = function(*args)
    noise = np.random.default_rng(seed)
    starts = [tensor(noise.standard_normal(y.shape).astype(y.dtype)) for y in outputs]
    wanted = [x for x in args if x is not None]
    return [y.array for y in outputs], [g.array for g in grad(outputs, wanted, starts)]


def assert_same(ours, theirs, label=""):
    for k, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        assert a.dtype == b.dtype and a.shape == b.shape, f"{label} {k}: {a.dtype} {a.shape}, {b.dtype} {b.shape}"
        assert np.array_equal(a, b), f"{label} {k}: {np.argwhere(a != b)[:3]} differ by up to {np.abs(a - b).max()}"


# ---- right -----------------------------------------------------------------------------------------------------------

SIZES = [(1, 1, 1, 1), (3, 2, 5, 7), (2, 17, 33, 31), (4, 13, 7, 46), (2, 33, 16, 17), (2, 7, 129, 33), (3, 1, 31, 129)]


@cells
@dtypes
@pytest.mark.parametrize("reverse", [False, True], ids=["", "reverse"])
def test_twin(cell, dtype, reverse):
    bound = {"rtol": 1e-9, "atol": 1e-11} if dtype == "float64" else {"rtol": 1e-4, "atol": 2e-5}
    for k, (T, B, F, H) in enumerate(SIZES):
        for lengths in (None, np.random.default_rng(k).integers(0, T + 1, B)):
            args = arguments(cell, T, B, F, H, dtype, bias=k % 3 > 0)
            assert_equivalent(apply(fused_recurrent, cell, lengths, reverse), apply(reference, cell, lengths, reverse),
                              *args, **bound)


@cells
def test_empty_batch_and_all_lengths_zero(cell):
    args = arguments(cell, 3, 0, 4, 5, "float64")
    assert_equivalent(apply(fused_recurrent, cell), apply(reference, cell), *args)
    args = arguments(cell, 3, 2, 4, 5, "float64")
    none = np.zeros(2, np.int64)
    assert_equivalent(apply(fused_recurrent, cell, none), apply(reference, cell, none), *args)


@cells
def test_gradcheck(cell):
    args = arguments(cell, 3, 2, 2, 2, "float64")
    lengths = np.array([1, 3])
    assert gradcheck(apply(fused_recurrent, cell, lengths, True), args)
    if cell[1].get("nonlinearity") != "relu":
        assert gradgradcheck(apply(fused_recurrent, cell, lengths), arguments(cell, 3, 2, 1, 2, "float64"))


@cells
def test_only_some_gradients(cell):
    """Each argument alone: the others need no gradient, and one output may be all that is used."""
    for k in range(len(arguments(cell, 3, 2, 4, 5, "float64"))):
        args = arguments(cell, 3, 2, 4, 5, "float64")
        for j, x in enumerate(args):
            x.requires_grad = j == k
        for output in range(2 + cell[3]):
            def one(*args, output=output):
                return apply(fused_recurrent, cell)(*args)[output]

            def twin(*args, output=output):
                return apply(reference, cell)(*args)[output]
            assert_equivalent(one, twin, *args)


@cells
def test_a_kept_graph_can_be_walked_again(cell):
    args = arguments(cell, 4, 3, 2, 5, "float32")
    lengths = np.array([4, 2, 3])
    outputs = apply(fused_recurrent, cell, lengths)(*args)
    starts = [tensor(np.ones(y.shape, y.dtype)) for y in outputs]
    before = [y.array.copy() for y in outputs]
    first = grad(outputs, args, starts, retain_graph=True)
    second = grad(outputs, args, starts)
    assert_same([g.array for g in second], [g.array for g in first])
    assert_same([y.array for y in outputs], before)
    with pytest.raises(RuntimeError, match="freed|second time|retain_graph"):
        grad(outputs, args, starts)


@cells
def test_walking_again_leaves_alone_what_the_caller_has_made_of_the_outputs(cell):
    args = arguments(cell, 4, 3, 2, 5, "float32")
    outputs = apply(fused_recurrent, cell)(*args)
    starts = [tensor(np.ones(y.shape, y.dtype)) for y in outputs]
    first = grad(outputs, args, starts, retain_graph=True)
    for y in outputs:
        y.data.zero_()
    second = grad(outputs, args, starts)
    assert_same([g.array for g in second], [g.array for g in first])
    assert not any(y.array.any() for y in outputs)


@cells
def test_changed_in_place_is_noticed(cell):
    for k in range(1, len(arguments(cell, 2, 2, 3, 4, "float64"))):
        args = arguments(cell, 2, 2, 3, 4, "float64")
        total = sum(y.sum() for y in apply(fused_recurrent, cell)(*args))
        args[k].detach().add_(1.0)
        with pytest.raises(RuntimeError, match="changed in place"):
            total.backward()


@cells
def test_padding_is_never_looked_at(cell):
    args = arguments(cell, 4, 3, 2, 5, "float32")
    lengths = np.array([4, 0, 2])
    clean = results(apply(fused_recurrent, cell, lengths), args)
    dirty = args[0].array.copy()
    dirty[np.arange(4)[:, None] >= lengths] = np.nan
    again = results(apply(fused_recurrent, cell, lengths), [tensor(dirty, requires_grad=True), *args[1:]])
    assert_same(again[0] + again[1], clean[0] + clean[1])
    assert not clean[0][0][np.arange(4)[:, None] >= lengths].any()


# ---- the same bits ---------------------------------------------------------------------------------------------------

@cells
@dtypes
@pytest.mark.parametrize("reverse", [False, True], ids=["", "reverse"])
def test_alone_in_a_batch_or_padded(cell, dtype, reverse):
    """Row by row: outputs, and the gradients of input and state."""
    for T, B, F, H in [(3, 29, 7, 33), (2, 13, 17, 16), (5, 7, 33, 31), (2, 3, 5, 129)]:
        lengths = np.random.default_rng(B).integers(1, T + 1, B)
        lengths[0] = T
        args = arguments(cell, T, B, F, H, dtype)
        own = 2 + cell[3]                                   # arguments with a row for each sequence
        starts = np.random.default_rng(9).standard_normal((2 + cell[3], T, B, args[1].shape[1])).astype(dtype)

        def run(rows, T, lengths, args=args, starts=starts, own=own):
            """The rows as a batch of T steps; the gradient of the output alone."""
            data = [args[0].array[:T, rows]] + [x.array[rows] for x in args[1:own]]
            leaves = [tensor(x.copy(), requires_grad=True) for x in data]
            outputs = apply(fused_recurrent, cell, lengths, reverse)(*leaves, *args[own:])
            grads = grad(outputs[0], leaves, tensor(starts[0][:T, rows]), allow_unused=True)
            return [y.array for y in outputs], [np.zeros_like(x.array) if g is None else g.array
                                                for x, g in zip(leaves, grads, strict=True)]

        whole = run(np.arange(B), T, lengths)
        order = np.random.default_rng(1).permutation(B)
        moved = run(order, T, lengths[order])
        assert_same([whole[0][0][:, order]] + [y[order] for y in whole[0][1:]], moved[0], "moved")
        assert_same([whole[1][0][:, order]] + [g[order] for g in whole[1][1:]], moved[1], "moved gradient")
        for b in range(min(B, 8)):
            n = lengths[b]
            alone = run([b], n, None)
            assert_same([whole[0][0][:n, [b]]] + [y[[b]] for y in whole[0][1:]], alone[0], "alone")
            assert_same([whole[1][0][:n, [b]]] + [g[[b]] for g in whole[1][1:]], alone[1], "alone, gradient")


@cells
@dtypes
def test_in_chunks_or_step_by_step(cell, dtype):
    for T, B, F, H in [(6, 5, 7, 33), (4, 17, 16, 17), (6, 1, 31, 46)]:
        args = arguments(cell, T, B, F, H, dtype)
        own = 2 + cell[3]
        dout = np.random.default_rng(3).standard_normal((T, B, args[1].shape[1])).astype(dtype)

        def run(cuts, args=args, dout=dout, own=own, T=T):
            x, *state = [tensor(x.array.copy(), requires_grad=True) for x in args[:own]]
            leaves, outputs = [x, *state], []
            for start, stop in itertools.pairwise([0, *cuts, T]):
                y, *state = apply(fused_recurrent, cell)(x[start:stop], *state, *args[own:])
                outputs.append(y)
            starts = [tensor(d) for d in np.split(dout, cuts)]
            grads = grad(outputs, leaves, starts)
            return [np.concatenate([y.array for y in outputs])] + [s.array for s in state], [g.array for g in grads]

        whole = run([])
        for cuts in ([T // 2], list(range(1, T))):
            parts = run(cuts)
            assert_same(parts[0], whole[0])
            assert_same(parts[1], whole[1], "gradient")


@cells
@dtypes
def test_threads(cell, dtype):
    """Large enough for several: all gradients, those of the weights too."""
    before = get_num_threads()
    try:
        for lengths in (None, np.random.default_rng(0).integers(1, 41, 65)):
            args = arguments(cell, 40, 65, 129, 257, dtype)
            found = []
            for threads in (1, 2, 3, 8):
                set_num_threads(threads)
                found.append(results(apply(fused_recurrent, cell, lengths), args))
            for one in found[1:]:
                assert_same(one[0], found[0][0])
                assert_same(one[1], found[0][1], "gradient")
    finally:
        set_num_threads(before)


@cells
@pytest.mark.parametrize("module", [fused_recurrent, reference], ids=["fused", "reference"])
def test_no_state_is_zeros(cell, module):
    x, *rest = arguments(cell, 3, 2, 4, 6, "float32")
    parts = rest[:1 + cell[3]]

    def layer(*state):
        return results(lambda x, *weights: apply(module, cell)(x, *state, *weights), [x, *rest[len(parts):]])
    zeros, nothing = layer(*[tensor(np.zeros_like(part.array)) for part in parts]), layer(*[None for _ in parts])
    for left, right in zip(zeros, nothing, strict=True):
        assert_same(left, right, cell[0])


# ---- errors ----------------------------------------------------------------------------------------------------------

@cells
def test_errors_name_the_shapes(cell):
    call = apply(fused_recurrent, cell)
    good = arguments(cell, 3, 2, 4, 6, "float64")
    for k, x in enumerate(good):
        bad = list(good)
        bad[k] = tensor(np.zeros((*x.shape[:-1], x.shape[-1] + 1)))
        with pytest.raises(ShapeError, match=cell[0]):
            call(*bad)
        bad[k] = tensor(x.array.astype("float32"))
        with pytest.raises(DtypeError, match=cell[0]):
            call(*bad)
        if k in (0, 2 + cell[3], 3 + cell[3]):          # the input and the two weights have to be there
            bad[k] = None
            with pytest.raises(TypeError):
                call(*bad)
    for lengths in (np.array([1]), np.array([1, 4]), np.array([-1, 2]), np.array([1.0, 2.0]), [1, 2]):
        with pytest.raises(ValueError, match="lengths"):
            apply(fused_recurrent, cell, lengths)(*good)
    with pytest.raises(ShapeError, match="at least one step"):
        call(tensor(np.zeros((0, 2, 4))), *good[1:])
