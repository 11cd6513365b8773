import operator

import pytest
import torch

from tests.autograd.helpers_shape import check, pair, same, tensor, values


def test_clone_and_contiguous():
    check(lambda lib, x: [x.clone(), x.contiguous(), x.t().contiguous()], values(3, 4))
    x = tensor(values(3, 4))
    assert x.contiguous() is x
    assert x.t().contiguous().is_contiguous()
    y = x.clone()
    y.zero_()
    same(x, values(3, 4))


def test_detach_shares_memory_and_version():
    x = tensor(values(2), True)
    y = x * 1
    z = y.detach()
    assert not z.requires_grad
    assert z.is_leaf
    w = y * y
    z.zero_()
    assert y._version == 1
    same(y, values(2) * 0)
    with pytest.raises(RuntimeError, match="mul"):
        w.sum().backward()


def test_detach_in_place():
    x = tensor(values(2), True)
    y = x * 2
    assert y.detach_() is y
    assert y.is_leaf
    assert not y.requires_grad
    with pytest.raises(RuntimeError, match="detach_"):
        (x * 2)[0].detach_()


@pytest.mark.parametrize("write", [lambda t: t.mul_(3), lambda t: t.copy_(t.detach() * 3), lambda t: t.zero_(),
                                   lambda t: t.__setitem__(0, t[0] * 3)])
def test_what_was_written_to_a_view_is_known_after_its_base_is_cut_off(write):
    found = []
    for x in pair(values(3)):
        x.requires_grad_()
        h = x * 2
        top = h[:2]
        write(top)
        h.detach_()
        (top * x[:2]).sum().backward()
        found.append(x.grad)
    same(*found)


def test_a_cut_off_tensor_collects_its_gradient_as_a_leaf():
    for x in pair(values(3)):
        x.requires_grad_()
        y = x * 2
        y.retain_grad()
        y.detach_().requires_grad_()
        (y * 3).sum().backward(inputs=[y])
        assert y.grad.tolist() == [3, 3, 3] and x.grad is None


@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (4, 1, 5)])
def test_layout(shape):
    x, t = pair(values(*shape, dtype="float32"))
    for y, u in [(x, t), (x.T, t.permute(tuple(range(t.ndim))[::-1]))]:
        assert y.size() == tuple(u.size())
        assert y.dim() == u.dim()
        assert y.numel() == y.nelement() == u.numel()
        assert y.is_contiguous() == u.is_contiguous()
        assert y.element_size() == u.element_size()
        if u.numel():
            assert y.stride() == u.stride()
        for d in range(-len(shape), len(shape)):
            assert y.size(d) == u.size(d)
    assert x.data_ptr() == x.array.ctypes.data
    for method in (x.size, x.stride):
        with pytest.raises(IndexError, match="out of range for shape"):
            method(len(shape))


def test_item_and_index():
    assert tensor(values(1, 1)).item() == values(1, 1)[0, 0]
    with pytest.raises(ValueError, match=r"item: .*\(2,\)"):
        tensor(values(2)).item()
    i, _ = pair([2])
    assert [5, 6, 7][i] == 7
    assert operator.index(pair(True)[0]) == 1
    for bad in (tensor(values(1)), pair([1, 2])[0]):
        with pytest.raises(TypeError, match="index"):
            operator.index(bad)


def test_dtypes_stay():
    for array in (torch.arange(6).reshape(2, 3).numpy(), torch.tensor([True, False]).numpy()):
        x, t = pair(array)
        same(x.T.contiguous(), t.T.contiguous() if t.ndim == 2 else t)
        same(x.clone(), t.clone())
