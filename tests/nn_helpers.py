"""The same tensor, module or text in both frameworks, and whether they agree."""
import re

import numpy as np
import torch

from tinyrnn.autograd.engine import record
from tinyrnn.autograd.graph import grad
from tinyrnn.autograd.tensor import Tensor

torch.set_num_threads(1)

TOLERANCE = {"float64": (1e-10, 1e-12), "float32": (1e-5, 1e-6)}            # relative, absolute


def leaf(array, requires_grad=None):
    """An array as a leaf of both frameworks; real ones want a gradient unless told otherwise."""
    array = np.asarray(array)
    wanted = array.dtype.kind == "f" if requires_grad is None else requires_grad
    ours, theirs = record(array.copy(), (), None), torch.tensor(array)
    ours.requires_grad = wanted
    return ours, theirs.requires_grad_(wanted)


def array_of(x):
    return x.array if isinstance(x, Tensor) else x.numpy(force=True)


def assert_same(ours, theirs, what=""):
    """Same shape, dtype and values."""
    a, b = array_of(ours), array_of(theirs)
    assert a.shape == b.shape and a.dtype == b.dtype, (what, a.shape, a.dtype, b.shape, b.dtype)
    relative, absolute = TOLERANCE.get(a.dtype.name, (0, 0))
    absolute *= max(1.0, np.abs(b[np.isfinite(b)]).max(initial=0))          # sums of large terms that cancel
    np.testing.assert_allclose(a, b, rtol=relative, atol=absolute, err_msg=what)


def assert_same_gradients(ours, theirs, what=""):
    """The same .grad in pairs of tensors, None included."""
    for k, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        assert (a.grad is None) == (b.grad is None), (what, k, a.grad, b.grad)
        if a.grad is not None:
            assert_same(a.grad, b.grad, f"{what}: gradient {k}")


def compare(ours_function, theirs_function, *arrays, second=False, **options):
    """Values and all gradients of a function of leaves; with ``second`` gradients of gradients too."""
    pairs = [leaf(a) if isinstance(a, np.ndarray) else (a, a) for a in arrays]
    ours, theirs = [p[0] for p in pairs], [p[1] for p in pairs]
    y, z = ours_function(*ours, **options), theirs_function(*theirs, **options)
    assert_same(y, z, "value")
    mine = [x for x in ours if isinstance(x, Tensor) and x.requires_grad]
    his = [x for x in theirs if isinstance(x, torch.Tensor) and x.requires_grad]
    if not mine or not z.requires_grad:
        return
    seed = np.random.default_rng(3).standard_normal(y.shape).astype(y.dtype)
    if second:
        second_order(y, z, mine, his, seed)
    y.backward(record(seed, (), None))
    z.backward(torch.tensor(seed))
    assert_same_gradients(mine, his)


def second_order(y, z, mine, his, seed):
    """The gradients of the sum of the squared gradients; where one side has none, the other's are zero."""
    first = grad(y, mine, record(seed, (), None), create_graph=True, allow_unused=True)
    other = torch.autograd.grad(z, his, torch.tensor(seed), create_graph=True, allow_unused=True)
    for a, b in zip(seconds(first, mine, grad), seconds(other, his, torch.autograd.grad), strict=True):
        if a is None or b is None:
            assert all(x is None or not array_of(x).any() for x in (a, b)), (a, b)
        else:
            assert_same(a, b, "second order")


def seconds(gradients, inputs, grad):
    squares = [(g * g).sum() for g in gradients if g is not None and g.requires_grad]
    return grad(sum(squares[1:], start=squares[0]), inputs, allow_unused=True, retain_graph=True) if squares \
        else [None] * len(inputs)


def transfer(ours, theirs):
    """Gives ours the weights of theirs, through NumPy."""
    ours.load_state_dict({name: w.numpy() for name, w in theirs.state_dict().items()})
    return ours


def plain(text):
    """PyTorch's text as ours: shapes are tuples, and its name does not appear."""
    text = re.sub(r"torch\.Size\(\[(\d+)\]\)", r"(\1,)", text)
    text = re.sub(r"torch\.Size\(\[([^\]]*)\]\)", r"(\1)", text)
    text = re.sub(r"torch\.(Float|Double)Tensor", lambda m: "float32" if m[1] == "Float" else "float64", text)
    return text.replace("torch.nn.", "").replace("torch.", "")
