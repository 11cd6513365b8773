import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.autograd.helpers_shape import check, pair, same, tensor, values

VIEWS = {
    "view": ((2, 3, 4), lambda x: x.view(6, 4)),
    "view tuple": ((2, 3, 4), lambda x: x.view((4, -1))),
    "view 0-d": ((1,), lambda x: x.view(())),
    "view empty": ((0, 3), lambda x: x.view(3, 0)),
    "view_as": ((2, 6), lambda x: x.view_as(x.T.reshape(6, 2))),
    "reshape": ((2, 3, 4), lambda x: x.reshape(4, 6)),
    "reshape -1": ((2, 3, 4), lambda x: x.reshape(-1)),
    "reshape copy": ((2, 3, 4), lambda x: x.transpose(0, 2).reshape(6, 4)),
    "reshape_as": ((2, 6), lambda x: x.reshape_as(x.T)),
    "flatten": ((2, 3, 4), lambda x: x.flatten()),
    "flatten from 1": ((2, 3, 4), lambda x: x.flatten(1)),
    "flatten to -2": ((2, 3, 4), lambda x: x.flatten(0, -2)),
    "flatten 0-d": ((), lambda x: x.flatten()),
    "flatten empty": ((2, 0, 3), lambda x: x.flatten(1)),
    "unflatten": ((2, 12), lambda x: x.unflatten(1, (3, -1))),
    "unflatten front": ((6, 2), lambda x: x.unflatten(-2, (2, 3))),
    "ravel": ((2, 3), lambda x: x.ravel()),
    "transpose": ((2, 3, 4), lambda x: x.transpose(0, -1)),
    "transpose 0-d": ((), lambda x: x.transpose(0, -1)),
    "swapaxes": ((2, 3, 4), lambda x: x.swapaxes(1, 2)),
    "swapdims": ((2, 3, 4), lambda x: x.swapdims(0, 1)),
    "permute": ((2, 3, 4, 5), lambda x: x.permute(2, 0, -1, 1)),
    "permute tuple": ((2, 3, 4), lambda x: x.permute((1, 2, 0))),
    "movedim": ((2, 3, 4, 5), lambda x: x.movedim(0, 2)),
    "movedim several": ((2, 3, 4, 5), lambda x: x.movedim((0, 3), (-1, 0))),
    "moveaxis": ((2, 3, 4), lambda x: x.moveaxis(-1, 0)),
    "t": ((2, 3), lambda x: x.t()),
    "t vector": ((3,), lambda x: x.t()),
    "T": ((2, 3), lambda x: x.T),
    "mT": ((2, 3, 4), lambda x: x.mT),
    "squeeze": ((1, 2, 1, 3), lambda x: x.squeeze()),
    "squeeze one": ((1, 2, 1, 3), lambda x: x.squeeze(-2)),
    "squeeze longer": ((1, 2, 1, 3), lambda x: x.squeeze(1)),
    "squeeze several": ((1, 2, 1, 3), lambda x: x.squeeze((0, 1, 2))),
    "squeeze 0-d": ((), lambda x: x.squeeze(0)),
    "unsqueeze": ((2, 3), lambda x: x.unsqueeze(1)),
    "unsqueeze end": ((2, 3), lambda x: x.unsqueeze(-1)),
    "unsqueeze 0-d": ((), lambda x: x.unsqueeze(0)),
    "expand": ((2, 1, 3), lambda x: x.expand(4, 2, 5, 3)),
    "expand -1": ((2, 1), lambda x: x.expand(-1, 3)),
    "expand to nothing": ((2, 1), lambda x: x.expand(2, 0)),
    "expand 0-d": ((), lambda x: x.expand(2, 3)),
    "expand_as": ((1, 3), lambda x: x.expand_as(x.T * x)),
    "broadcast_to": ((1, 3), lambda x: x.broadcast_to((2, 3))),
    "narrow": ((5, 3), lambda x: x.narrow(0, 1, 3)),
    "narrow negative": ((2, 5), lambda x: x.narrow(-1, -3, 2)),
    "narrow nothing": ((2, 5), lambda x: x.narrow(1, 5, 0)),
    "select": ((2, 3, 4), lambda x: x.select(1, -1)),
    "unbind": ((3, 2), lambda x: x.unbind()),
    "unbind inside": ((2, 3, 2), lambda x: x.unbind(1)),
    "iterate": ((3, 2), lambda x: list(x)),
    "split": ((7, 2), lambda x: x.split(3)),
    "split sizes": ((2, 7), lambda x: x.split([1, 0, 4, 2], dim=1)),
    "split nothing": ((0, 2), lambda x: x.split(3)),
    "chunk": ((7, 2), lambda x: x.chunk(3)),
    "chunk many": ((3, 2), lambda x: x.chunk(5)),
    "chunk nothing": ((0, 2), lambda x: x.chunk(2)),
    "diagonal": ((3, 4), lambda x: x.diagonal()),
    "diagonal above": ((2, 3, 4), lambda x: x.diagonal(1, -2, -1)),
    "diagonal below": ((4, 2, 3), lambda x: x.diagonal(-2, 0, 2)),
    "diagonal outside": ((3, 3), lambda x: x.diagonal(5)),
    "diagonal far outside": ((3, 3), lambda x: x.diagonal(-2**63)),
    "chain": ((4, 3, 2), lambda x: x[1:].transpose(0, 2)[0].t()[::2].flatten()),
}


@pytest.mark.parametrize("name", VIEWS)
def test_as_pytorch(name):
    shape, operation = VIEWS[name]
    check(lambda lib, x: operation(x), values(*shape))


@pytest.mark.parametrize("name", VIEWS)
def test_shares_memory_where_pytorch_does(name):
    shape, operation = VIEWS[name]
    x, t = pair(values(*shape))
    y, u = operation(x), operation(t)
    for a, b in zip(y, u, strict=True) if isinstance(y, (tuple, list)) else [(y, u)]:
        assert (a._base is not None) == (b._base is not None)
        assert a.stride() == b.stride() or b.numel() == 0
        if a.numel():
            assert a.data_ptr() - x.data_ptr() == b.data_ptr() - t.data_ptr() or a._base is None
        if a._base is not None:
            before = x._version
            x.zero_()
            assert a._version == before + 1


CHANGES = {
    "a view of a view": lambda y, w: y[1:].t().mul_(w[:, :2]),
    "the base, with a view alive": lambda y, w: y.mul_(w.T),
    "overlapping parts": lambda y, w: (y[:2].mul_(w.T[:2]), y[1:].add_(w.T[1:])),
    "copied in": lambda y, w: y.narrow(1, 1, 2).copy_(w[:2].T),
    "zeroed": lambda y, w: y.select(0, 1).zero_(),
    "filled": lambda y, w: y.diagonal().fill_(w[0, 0]),
    "the chain": lambda y, w: y.unsqueeze(0).transpose(1, 2)[0, 1:].view(3, 3).squeeze().mul_(w[1:]),
    "three times": lambda y, w: [y.view(-1)[k : k + 5].mul_(w.reshape(-1)[k : k + 5]) for k in (0, 2, 4)],
    "itself": lambda y, w: y[0].copy_(y[1] + 2 * y[2]),
    "reshape": lambda y, w: y.reshape(4, 3)[0].mul_(w[0]),
    "swapped dims": lambda y, w: y.permute(1, 0).flatten(0).mul_(2.0),
}


@pytest.mark.parametrize("name", CHANGES)
def test_changes_through_views(name):
    def operation(lib, x, w):
        y = x * 1
        early = y[:, 1:].t()
        sibling = y.view(-1)[3:9]
        CHANGES[name](y, w)
        return y * y, early * 2, sibling * sibling, y[0] * 3

    check(operation, values(3, 4), values(4, 3, seed=1))


def test_changes_of_base_then_view_then_base():
    def operation(lib, x, w):
        y = x * 1
        v = y[1:]
        y.mul_(w)
        v.add_(w[0])
        u = v[:, 0]
        y[1].mul_(w[1])
        return y * w, v * v, u * 2

    check(operation, values(3, 4), values(3, 4, seed=1))


def test_pieces_of_a_split_can_be_written_to():
    """PyTorch refuses this; the same with narrow is what it must give."""
    x, t = pair(values(4, 3))
    x.requires_grad = t.requires_grad = True
    y, u = x * 1, t * 1
    pieces = y.chunk(2)
    pieces[0].add_(pieces[1] * 3)
    pieces[1].mul_(2)
    u.narrow(0, 0, 2).add_(u.narrow(0, 2, 2) * 3)
    u.narrow(0, 2, 2).mul_(2)
    (y * y * pieces[0][0]).sum().backward()
    (u * u * u[0]).sum().backward()
    same(x.grad, t.grad)


def test_leaf_is_not_changed_through_a_view():
    x = tensor(values(2, 3), True)
    with pytest.raises(RuntimeError, match="leaf"):
        x[0].zero_()
    with pytest.raises(RuntimeError, match="leaf"):
        x[0, 0] = 1


def test_expanded_and_read_only_tensors_are_not_written_to():
    x = tensor(values(1, 3))
    for y in (x.expand(2, 3), x.expand(2, 3).t(), x.expand(4, 1, 3)[1:, 0]):
        with pytest.raises(RuntimeError, match="several places"):
            y.mul_(2)
        with pytest.raises(RuntimeError, match="several places"):
            y[...] = 2
    same(x.expand(1, 3).mul_(2), values(1, 3) * 2)
    array = values(3)
    array.flags.writeable = False
    for change in (lambda y: y.mul_(2), lambda y: y[1:].zero_(), lambda y: y.__setitem__([0], 1.0)):
        with pytest.raises(RuntimeError, match="read-only"):
            change(tensor(array))


BAD = [
    (lambda x: x.view(5), ValueError, r"view: \(2, 3\) cannot become \(5,\)"),
    (lambda x: x.t().view(6), ValueError, r"view: \(3, 2\) with strides \(1, 3\) .* use reshape"),
    (lambda x: x.view(np.float64), TypeError, r"view: .* \.to\(dtype\)"),
    (lambda x: x.reshape(4, -1), ValueError, r"reshape: \(2, 3\) cannot become \(4, -1\)"),
    (lambda x: x[:0].reshape(0, -1), ValueError, "reshape"),
    (lambda x: x.reshape(2.0, 3), TypeError, "float"),
    (lambda x: x.flatten(1, 0), ValueError, "flatten: start_dim 1 comes after end_dim 0"),
    (lambda x: x.unflatten(1, (2, 2)), ValueError, r"unflatten: dimension 1 of \(2, 3\)"),
    (lambda x: x.unflatten(1, (2, -1)), ValueError, "unflatten"),
    (lambda x: x.transpose(0, 2), IndexError, r"transpose: dim 2 is out of range for shape \(2, 3\)"),
    (lambda x: x.permute(0), ValueError, "permute"),
    (lambda x: x.permute(0, 0), ValueError, "permute: a dimension occurs twice"),
    (lambda x: x.permute(0, 5), IndexError, "permute: dim 5"),
    (lambda x: x.movedim((0, 1), 0), ValueError, "movedim: 2 sources but 1 destinations"),
    (lambda x: x.unsqueeze(0).t(), ValueError, r"t: .*\(1, 2, 3\)"),
    (lambda x: x[0].mT, ValueError, "mT"),
    (lambda x: x.squeeze(2), IndexError, "squeeze: dim 2"),
    (lambda x: x.unsqueeze(3), IndexError, "unsqueeze: dim 3"),
    (lambda x: x.unsqueeze(-4), IndexError, "unsqueeze: dim -4"),
    (lambda x: x.expand(3), ValueError, r"expand: \(2, 3\) cannot be expanded to \(3,\)"),
    (lambda x: x.expand(4, 3), ValueError, r"expand: \(2, 3\) cannot be expanded to \(4, 3\)"),
    (lambda x: x.expand(-1, 2, 3), ValueError, "expand"),
    (lambda x: x.narrow(1, 1, 3), IndexError, r"narrow: 1 to 1 \+ 3 is out of range for dimension 1 of shape \(2, 3\)"),
    (lambda x: x.narrow(1, 0, -1), IndexError, "narrow"),
    (lambda x: x.narrow(1, 2**62, 2**62), IndexError, "narrow"),
    (lambda x: x.select(0, 2), IndexError, r"select: 2 is out of range for dimension 0 of shape \(2, 3\)"),
    (lambda x: x[0, 0].select(0, 0), IndexError, "select"),
    (lambda x: x[0, 0].unbind(), TypeError, "unbind"),
    (lambda x: x.split([1, 2]), ValueError, r"split: \[1, 2\] do not add up to dimension 0 of shape \(2, 3\)"),
    (lambda x: x.split([3, -1]), ValueError, "split"),
    (lambda x: x.split(0), ValueError, "split"),
    (lambda x: x.chunk(0), ValueError, "chunk"),
    (lambda x: x.diagonal(0, 1, 1), ValueError, "diagonal"),
    (lambda x: x[0].diagonal(), IndexError, "diagonal"),
]


@pytest.mark.parametrize("case", range(len(BAD)))
def test_bad_arguments(case):
    operation, error, message = BAD[case]
    with pytest.raises(error, match=message):
        operation(tensor(values(2, 3)))


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_chains_of_views(data):
    x, t = pair(values(*data.draw(st.lists(st.integers(0, 4), min_size=2, max_size=4))))
    x.requires_grad = t.requires_grad = True
    y, u = x * 2, t * 2
    for _ in range(data.draw(st.integers(1, 4))):
        a, b = data.draw(st.integers(-u.ndim, u.ndim - 1)), data.draw(st.integers(-u.ndim, u.ndim - 1))
        start = data.draw(st.integers(0, u.shape[a]))
        n = data.draw(st.integers(0, u.shape[a] - start))
        steps = {
            "transpose": lambda z, a=a, b=b: z.transpose(a, b),
            "narrow": lambda z, a=a, start=start, n=n: z.narrow(a, start, n),
            "unsqueeze": lambda z, a=a: z.unsqueeze(a),
            "flatten": lambda z: z.flatten(1),
            "diagonal": lambda z, a=a, b=b: z if a % z.ndim == b % z.ndim else z.diagonal(0, a, b),
            "squeeze": lambda z, a=a: z.squeeze(a),
        }
        step = steps[data.draw(st.sampled_from(sorted(steps)))]
        y, u = step(y), step(u)
        if u.ndim < 2:
            y, u = y.unsqueeze(0), u.unsqueeze(0)
    y.mul_(3)
    same(y, u.mul_(3))
    (y * y).sum().backward()
    (u * u).sum().backward()
    same(x.grad, t.grad)
