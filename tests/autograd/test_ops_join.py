import numpy as np
import pytest
import torch

from tests.autograd.helpers_shape import check, ours, pair, same, tensor, values


def pads(lib):
    return lib.pad if lib is ours else torch.nn.functional.pad


ONE = {
    "repeat": ((2, 3), lambda lib, x: x.repeat(2, 3)),
    "repeat new": ((2, 3), lambda lib, x: x.repeat(4, 1, 2)),
    "repeat tuple": ((2,), lambda lib, x: x.repeat((2, 2))),
    "repeat nothing": ((2,), lambda lib, x: x.repeat(0)),
    "repeat 0-d": ((), lambda lib, x: x.repeat(3)),
    "repeat not at all": ((), lambda lib, x: x.repeat(())),
    "tile": ((2, 3), lambda lib, x: x.tile(2)),
    "tile more": ((3,), lambda lib, x: x.tile((2, 1))),
    "repeat_interleave": ((2, 3), lambda lib, x: x.repeat_interleave(2)),
    "repeat_interleave dim": ((2, 3), lambda lib, x: x.repeat_interleave(3, dim=-1)),
    "repeat_interleave counts": (
        (2, 3),
        lambda lib, x: x.repeat_interleave((tensor if lib is ours else torch.from_numpy)(np.array([2, 0, 1])), 1),
    ),
    "flip": ((2, 3, 4), lambda lib, x: x.flip(0)),
    "flip several": ((2, 3, 4), lambda lib, x: x.flip((0, -1))),
    "flip args": ((2, 3), lambda lib, x: x.flip(0, 1)),
    "roll": ((2, 3), lambda lib, x: x.roll(2)),
    "roll dim": ((2, 3, 4), lambda lib, x: x.roll(-1, 1)),
    "roll dims": ((2, 3, 4), lambda lib, x: x.roll((5, -1), (0, -1))),
    "roll nothing": ((0,), lambda lib, x: x.roll(1, 0)),
    "tril": ((3, 4), lambda lib, x: x.tril()),
    "tril batch": ((2, 4, 3), lambda lib, x: x.tril(-1)),
    "triu": ((3, 4), lambda lib, x: x.triu()),
    "triu batch": ((2, 4, 3), lambda lib, x: x.triu(1)),
    "diag vector": ((3,), lambda lib, x: x.diag()),
    "diag vector above": ((3,), lambda lib, x: x.diag(2)),
    "diag vector below": ((3,), lambda lib, x: x.diag(-1)),
    "diag matrix": ((3, 4), lambda lib, x: x.diag(1)),
    "pad": ((2, 3), lambda lib, x: pads(lib)(x, (1, 2))),
    "pad value": ((2, 3), lambda lib, x: pads(lib)(x, (1, 0, 0, 2), "constant", 1.5)),
    "pad cuts": ((4, 5), lambda lib, x: pads(lib)(x, (-1, 2, 1, -2))),
    "pad cuts all": ((2, 3), lambda lib, x: pads(lib)(x, (-3, 0))),
    "pad nothing": ((2, 3), lambda lib, x: pads(lib)(x, ())),
    "pad empty": ((0, 3), lambda lib, x: pads(lib)(x, (0, 0, 1, 1))),
}


@pytest.mark.parametrize("name", ONE)
def test_one_tensor(name):
    shape, operation = ONE[name]
    check(operation, values(*shape))
    if len(shape) == 2:
        check(lambda lib, x: operation(lib, x.t()), values(*shape[::-1]))


def test_pad_may_cut_into_what_it_adds():
    x = tensor(values(2, 3), True)
    y = ours.pad(x, (-4, 2))
    same(y, np.zeros((2, 1)))
    y.sum().backward()
    same(x.grad, np.zeros((2, 3)))


def test_cat():
    check(lambda lib, a, b: lib.cat([a, b]), values(2, 3), values(4, 3))
    check(lambda lib, a, b: lib.cat((a, b, a), dim=-1), values(2, 3), values(2, 1))
    check(lambda lib, a, b: lib.concat([a, b]), values(0, 3), values(4, 3))
    check(lambda lib, a, b: lib.concatenate([a, b], 1), values(2, 3), values(0))
    check(lambda lib, a: lib.cat([a]), values(0))
    check(lambda lib, a: lib.cat([a.t(), a.t() * 2], 1), values(2, 3))


def test_cat_in_a_common_dtype():
    x, t = pair(values(2, dtype="float32"))
    i, j = pair([1, 2])
    b, c = pair([True, False])
    same(ours.cat([i, x, b]), torch.cat([j, t, c]))
    same(ours.cat([b, i]), torch.cat([c, j]))
    x.requires_grad = True
    ours.cat([i, x]).sum().backward()
    same(x.grad, np.ones(2, np.float32))
    with pytest.raises(TypeError, match="cat: float32 and float64 do not mix"):
        ours.cat([x, tensor(values(2))])


def test_stack():
    check(lambda lib, a, b: lib.stack([a, b]), values(2, 3), values(2, 3, seed=1))
    check(lambda lib, a, b: lib.stack((a, b, a), dim=-1), values(2, 3), values(2, 3, seed=1))
    check(lambda lib, a, b: lib.stack([a, b], 1), values(2, 3), values(2, 3, seed=1))
    check(lambda lib, a: lib.stack([a, a * 2]), values())
    check(lambda lib, a: lib.stack(a.unbind(1), 1), values(2, 3))


def test_whole_numbers():
    x, t = pair(np.arange(6).reshape(2, 3))
    for operation in (
        lambda lib, x: x.tril(),
        lambda lib, x: x.flip(0).repeat(2, 1),
        lambda lib, x: pads(lib)(x, (1, 1), value=7),
        lambda lib, x: lib.stack([x, x], 1),
    ):
        same(operation(ours, x), operation(torch, t))


BAD = [
    (lambda x: ours.cat([]), ValueError, "cat: expected at least one"),
    (lambda x: ours.cat([x, x[0]]), ValueError, r"cat: \(2, 3\) and \(3,\) cannot be joined along dimension 0"),
    (lambda x: ours.cat([x, x[:, :2]]), ValueError, r"cat: \(2, 3\) and \(2, 2\) cannot be joined along dimension 0"),
    (lambda x: ours.cat([x[0, 0]]), ValueError, r"cat: \(\)"),
    (lambda x: ours.cat([x, 1]), TypeError, "cat: expected tensors, not int"),
    (lambda x: ours.cat([x], 2), IndexError, "cat: dim 2"),
    (lambda x: ours.stack([x, x[0]]), ValueError, r"stack: \(2, 3\) and \(3,\)"),
    (lambda x: ours.stack([x], 3), IndexError, "stack: dim 3"),
    (lambda x: x.repeat(2), ValueError, "repeat"),
    (lambda x: x.repeat(2, -1), ValueError, "repeat"),
    (lambda x: x.repeat_interleave(tensor(np.array([1, 2])), 1), ValueError, "repeat_interleave"),
    (lambda x: x.repeat_interleave(-1), ValueError, "repeat_interleave"),
    (lambda x: x.flip(0, 0), ValueError, "flip"),
    (lambda x: x.flip(2), IndexError, "flip: dim 2"),
    (lambda x: x.roll((1, 2)), ValueError, "roll"),
    (lambda x: x.roll(1, 2), IndexError, "roll: dim 2"),
    (lambda x: x[0].tril(), ValueError, "tril"),
    (lambda x: x[0].triu(), ValueError, "triu"),
    (lambda x: x[None].diag(), ValueError, "diag"),
    (lambda x: ours.pad(x, (1,)), ValueError, r"pad: \(1,\)"),
    (lambda x: ours.pad(x, (1,) * 6), ValueError, "pad"),
    (lambda x: ours.pad(x, (-2, -2)), ValueError, "pad: .* cuts more off"),
    (lambda x: ours.pad(x, (1, 1), "reflect"), NotImplementedError, "reflect"),
]


@pytest.mark.parametrize("case", range(len(BAD)))
def test_bad_arguments(case):
    operation, error, message = BAD[case]
    with pytest.raises(error, match=message):
        operation(tensor(values(2, 3)))
