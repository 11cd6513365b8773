"""Every kernel, forward and backward, at every size from 0 to 70 in each dimension: for watchers of memory.

    PYTHONPATH=.:tests python tests/kernels/exercise.py FAMILY [end|start]

With ``end`` or ``start``, every array lies against a page that nobody may touch (see guards.py): a read or write past
it ends the process; with ``start``, where loops seldom go wrong, at every fifth size. Without, a sanitizer may watch.
Nothing is compared here; PyTorch is not needed.
"""
import sys

import guards
import numpy as np
from autograd.table_of_operations import ARITHMETIC, FUNCTIONS, PLACES, PRODUCTS, REDUCTIONS, SHAPES

import tinyrnn
from tinyrnn import Tensor, from_numpy, nn, optim

SIZES = range(0, 71, 5 if "start" in sys.argv else 1)
REFUSALS = ValueError, IndexError, RuntimeError      # a size that the call does not fit
rng = np.random.default_rng(0)
dtype = np.float32                                   # or float64: set by main


def leaf(*shape):
    return from_numpy(rng.standard_normal(shape).astype(dtype)).requires_grad_()


def indices(n, *shape):
    return from_numpy(rng.integers(0, n, shape, np.int64))


def backward(*outputs):
    for y in outputs:
        if y.requires_grad:
            y.backward(tinyrnn.ones_like(y))


def cube(dimensions, *others):
    """Every size in each dimension, with the others from a few: (n, 1, 1), (n, 7, 7), ... (7, 7, n)."""
    for place in range(dimensions):
        for n in SIZES:
            for other in others:
                yield tuple(n if i == place else other for i in range(dimensions))


# ---- the families ----------------------------------------------------------------------------------------------------

class Functions:
    """F.exp is found where it is: in nn.functional, in the package, or among the methods of Tensor."""

    Tensor = Tensor

    def __getattr__(self, name):
        return next(getattr(p, name) for p in (nn.functional, tinyrnn, Tensor) if hasattr(p, name))


def table(lines):
    """The lines of the table of operations, their shapes (3, 4) made (m, n) with every m and n."""
    done = 0
    for line in lines:
        for m, n in [*((m, 4) for m in SIZES), *((3, n) for n in SIZES)]:
            inputs = [leaf(*({3: m, 4: n}.get(size, size) for size in shape)) for shape in line.shapes]
            if line.domain == "positive":
                inputs = [(x.detach().abs() + 0.5).requires_grad_() for x in inputs]
            try:
                y = line.call(Functions(), *inputs)
            except REFUSALS:
                continue
            backward(*(y if isinstance(y, (tuple, list)) else (y,)))
            done += 1
    assert done > len(SIZES) * len(lines), "most sizes should fit"


def operations():
    table(ARITHMETIC + FUNCTIONS + PRODUCTS)


def reductions():
    table(REDUCTIONS)


def places():
    table(SHAPES + PLACES)


def matmul():
    """In all transpositions, and out of larger matrices; many rows, deep, a B that is far away, and all three."""
    for M, K, N in [*cube(3, 1, 7, 33), (200, 40, 70), (7, 600, 70), (7, 600, 600), (200, 600, 600)]:
        for a in (leaf(M, K), leaf(K, M).t(), leaf(M, K + 3)[:, 3:]):
            for b in (leaf(K, N), leaf(N, K).t(), leaf(K, N + 1)[:, :-1]):
                backward(a @ b)


def optimisers():
    cases = [("SGD", {}), ("SGD", {"momentum": 0.9, "nesterov": True}), ("Adam", {}), ("Adam", {"amsgrad": True}),
             ("AdamW", {}), ("RMSprop", {"centered": True, "momentum": 0.5}), ("Adagrad", {}), ("Adadelta", {})]
    for n in SIZES:
        for name, options in cases:
            w = leaf(n)
            optimiser = getattr(optim, name)([w], lr=0.1, **options)
            for _ in range(2):
                w.grad = leaf(n).detach()
                nn.utils.clip_grad_norm_([w], 0.5)
                optimiser.step()


def layers():
    for B, n in cube(2, 1, 7, 33):
        backward(nn.functional.layer_norm(leaf(B, n), (n,), leaf(n), leaf(n)))
        backward(nn.functional.dropout(leaf(B, n), 0.4))
        backward(nn.functional.linear(leaf(B, n), leaf(5, n), leaf(5)))
        if n and B:
            targets = indices(n, B)
            targets[0] = -100
            backward(nn.functional.cross_entropy(leaf(B, n), targets, label_smoothing=0.1))
            backward(nn.functional.embedding(indices(n, B, 2), leaf(n, B), padding_idx=0))


def attention():
    for B, S, A, V in cube(4, 5):
        layer = nn.AdditiveAttention(3, 4, A, dtype=dtype)
        for query in (leaf(B, 3), leaf(B, 2, 3)):
            mask = from_numpy(rng.random((B, S)) < 0.7)
            backward(layer(query, leaf(B, S, 4), leaf(B, S, V), mask)[0])


KINDS = {
    "rnn": [("RNN", {}), ("RNN", {"nonlinearity": "relu", "bias": False})],
    "gru": [("GRU", {}), ("GRU", {"reset_after": False})],
    "lstm": [("LSTM", {}), ("LSTM", {"proj_size": 2})],
}


def recurrent(kinds):
    for place in range(4):
        for n in SIZES:
            T, B, inputs, H = (n if i == place else (3, 5, 2, 4)[i] for i in range(4))
            if not T * inputs or H < 3:
                continue
            for name, options in kinds:
                layer = getattr(nn, name)(inputs, H, dtype=dtype, bidirectional=n % 2 == 0, **options)
                backward(layer(leaf(T, B, inputs))[0])
                if B:
                    backward(layer(leaf(T, B, inputs), lengths=indices(T, B) + 1)[0])
                if not layer.bidirectional:
                    layer.step(leaf(B, inputs), layer.step(leaf(B, inputs))[1])


def cells():
    for B, inputs, H in cube(3, 1, 7):
        if inputs and H:
            for name in ("RNNCell", "GRUCell", "LSTMCell"):
                y = getattr(nn, name)(inputs, H, dtype=np.dtype(dtype).name)(leaf(B, inputs))
                backward(y[0] if name == "LSTMCell" else y)


FAMILIES = {f.__name__: f for f in (operations, reductions, places, matmul, optimisers, layers, attention, cells)}
FAMILIES |= {name: lambda kinds=kinds: recurrent(kinds) for name, kinds in KINDS.items()}


def main(family, side=None):
    global dtype
    if side is not None:
        guards.guard(side)
    for dtype in (np.float32, np.float64):  # noqa: B007
        FAMILIES[family]()


if __name__ == "__main__":
    main(*sys.argv[1:])
