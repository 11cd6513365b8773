"""Random programs of out-of-place operations, in-place changes, views and no_grad: torch decides what is right."""
import random

import numpy as np
import pytest
import torch

import tinyrnn.autograd.methods  # noqa: F401
from tinyrnn.autograd.engine import record
from tinyrnn.autograd.grad_mode import no_grad
from tinyrnn.autograd.tensor import Tensor

torch.set_num_threads(1)


def leaf(values, dtype=np.float64):
    x = record(np.array(values, dtype), (), None)
    x.requires_grad = True
    return x


VIEWS = {
    "transpose": lambda x: x.transpose(0, 1),
    "reshape": lambda x: x.reshape(x.shape[1], x.shape[0]),
    "narrow": lambda x: x.narrow(0, 0, 2) if x.shape[0] > 2 else x.narrow(1, 0, x.shape[1]),
    "select": lambda x: x.select(0, 0).reshape(1, x.shape[1]),
    "expand": lambda x: x.expand(x.shape),
}
OUT_OF_PLACE = {
    "add": lambda x, y: x + y, "mul": lambda x, y: x * y, "sub": lambda x, y: x - y, "tanh": lambda x, y: x.tanh(),
    "scale": lambda x, y: x * 0.5, "clone": lambda x, y: x.clone(), "detach": lambda x, y: x.detach(),
    "exp": lambda x, y: (x * 0.1).exp(), "div": lambda x, y: x / (y * y + 1), "sum": lambda x, y: x + y.sum(),
}
IN_PLACE = {
    "add_": lambda x, y: x.add_(y), "mul_": lambda x, y: x.mul_(y), "mul_2": lambda x, y: x.mul_(2),
    "sub_": lambda x, y: x.sub_(y), "div_": lambda x, y: x.div_(3), "sub_1": lambda x, y: x.sub_(1),
}


def program_of(seed):
    """A list of (kind, name, i, j): what to do with the i-th and j-th tensor."""
    choose = random.Random(seed)
    steps = []
    for _ in range(choose.randint(4, 11)):
        kind = choose.choices(["view", "out", "in", "no_grad out", "no_grad in"], [4, 5, 4, 0.6, 0.6])[0]
        table = VIEWS if "view" in kind else IN_PLACE if "in" in kind.split()[-1] else OUT_OF_PLACE
        names = [name for name in table if name not in ("narrow", "select") or hasattr(Tensor, name)]
        steps.append((kind, choose.choice(names), choose.random(), choose.random()))
    return steps


def fitting(tensors, shape, where):
    found = [t for t in tensors if tuple(t.shape) == tuple(shape)]
    return found[int(where * len(found))]


def run(steps, tensor, off):
    """Runs a program; returns all values and gradients, or the step at which it raised."""
    leaves = [tensor(np.linspace(-1, 1, 9).reshape(3, 3)), tensor(np.linspace(0.5, 1.5, 9).reshape(3, 3) ** 2)]
    tensors = leaves + [leaves[0] * 1]
    for number, (kind, name, a, b) in enumerate(steps):
        pool = tensors[1:] if kind == "in" else tensors         # the leaf at 1 stays: changing it must raise
        x = pool[int(a * len(pool))]
        y = fitting(tensors, x.shape, b)
        try:
            _ = x.grad_fn                           # torch refuses a view whose base changed, unless it was asked this
            with off() if kind.startswith("no_grad") else no_context():
                if "view" in kind:
                    tensors.append(VIEWS[name](x))
                elif kind.endswith("in"):
                    IN_PLACE[name](x, y)
                else:
                    tensors.append(OUT_OF_PLACE[name](x, y))
        except RuntimeError as error:
            return None if "single memory location" in str(error) else number       # torch alone: x.add_(x.transpose)
    values = [t.detach().numpy() if isinstance(t, torch.Tensor) else t.array for t in tensors]
    try:
        flags = [bool(t.requires_grad) for t in tensors]
        total = sum((t * t).sum() for t in tensors if t.requires_grad)
        total.backward()
    except RuntimeError:
        return values, "backward raised"
    return values, flags, [None if x.grad is None else np.asarray(getattr(x.grad, "array", x.grad)) for x in leaves]


class no_context:
    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass


@pytest.mark.parametrize("block", range(20))
def test_random_programs_do_what_torch_does(block):
    if not hasattr(Tensor, "zero_"):
        pytest.skip("in-place changes of views need zero_")
    for seed in range(block * 50, block * 50 + 50):
        steps = program_of(seed)
        theirs = run(steps, lambda v: torch.tensor(v, requires_grad=True), torch.no_grad)
        if theirs is None:
            continue
        ours = run(steps, leaf, no_grad)
        assert type(theirs) is type(ours), (seed, steps, theirs, ours)
        if isinstance(theirs, int):
            assert theirs == ours, (seed, steps)
            continue
        for a, b in zip(ours[0], theirs[0], strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10, err_msg=str((seed, steps)))
        assert ours[1] == theirs[1], (seed, steps)
        if len(theirs) == 3:
            for a, b in zip(ours[2], theirs[2], strict=True):
                assert (a is None) == (b is None), (seed, steps)
                if a is not None:
                    np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10, err_msg=str((seed, steps)))
