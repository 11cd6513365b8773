"""Tensor as an object: leaves, .grad, .data, subclasses, and attempts to crash the interpreter."""
import copy
import gc
import pickle
import sys
import weakref

import numpy as np
import pytest

import tinyrnn.autograd.methods  # noqa: F401
from tinyrnn.autograd.engine import record
from tinyrnn.autograd.graph import backward, grad, register_hook, retain_grad, retains_grad
from tinyrnn.autograd.tensor import Node, Part, Tensor, Version


def leaf(values, dtype=np.float64):
    x = record(np.array(values, dtype), (), None)
    x.requires_grad = True
    return x


class Parameter(Tensor):
    """A subclass in Python, with attributes of its own."""


def test_making_tensors():
    assert Tensor([[1, 2], [3, 4]]).shape == (2, 2)
    assert Tensor(2, 3).shape == (2, 3) and Tensor().shape == (0,)
    assert Tensor(np.float64(2)).shape == ()
    source = Tensor([1, 2])
    assert Tensor(source).array is not source.array
    for wrong in (("text",), (object(),), (1, "a"), (-1,), ([[1], [1, 2]],), (2 ** 62, 2 ** 62), (1,) * 65):
        with pytest.raises((TypeError, ValueError, MemoryError)):
            Tensor(*wrong)
    with pytest.raises(TypeError):
        Tensor(data=3)


def test_an_uninitialised_tensor_is_empty():
    for x in (Tensor.__new__(Tensor), Parameter.__new__(Parameter)):
        assert x.shape == (0,) and x.grad is None and x.is_leaf and x._version == 0 and x._base is None
        assert (x + 1).shape == (0,) and len(x) == 0
        x.requires_grad = True
        (x * 2).sum().backward()
        assert x.grad.shape == (0,)


def test_leaves():
    x = leaf([1.0])
    y = x * 2
    assert x.is_leaf and not y.is_leaf and x.grad_fn is None and y.grad_fn.name() == "MulBackward"
    assert y.grad_fn.next_functions[0] == (x, 0) and repr(y.grad_fn) == "<MulBackward>"
    with pytest.raises(RuntimeError, match="leaf"):
        y.requires_grad = False
    with pytest.raises(TypeError, match="int64"):
        record(np.zeros(1, np.int64), (), None).requires_grad = True


def test_grad_can_be_set_to_what_fits():
    x = leaf([1.0, 2.0])
    x.grad = record(np.ones(2), (), None)
    (x * 2).sum().backward()
    np.testing.assert_array_equal(x.grad.array, [3, 3])
    x.grad = None
    assert x.grad is None
    for wrong, error in ((record(np.ones(3), (), None), ValueError), (Tensor([1, 2]), ValueError), (x, ValueError),
                         (np.ones(2), TypeError)):
        with pytest.raises(error):
            x.grad = wrong
    x.grad = record(np.ones(2), (), None)
    del x.grad
    assert x.grad is None


def test_data_shares_memory_and_can_be_replaced():
    x = leaf([1.0, 2.0])
    np.copyto(x.data.array, 5)
    np.testing.assert_array_equal(x.array, [5, 5])
    y = x * x
    x.data = record(np.ones((2, 2)), (), None)
    assert x.shape == (2, 2) and x.requires_grad
    with pytest.raises(RuntimeError, match="changed in place"):
        y.sum().backward()
    for wrong in (Tensor([1.0]) > 0, None, np.ones(2)):
        with pytest.raises(TypeError):
            x.data = wrong


def test_data_replaced_under_a_gradient_or_a_view_raises_instead_of_reading_past_it():
    x = leaf(np.ones(1000))
    (x * 2).sum().backward()
    x.data = record(np.ones(10), (), None)
    with pytest.raises((RuntimeError, ValueError)):
        (x * 2).sum().backward()
    base = leaf(np.ones((4, 5))) * 1
    view = base.transpose(0, 1)
    base.data = record(np.ones((2, 2)), (), None)
    with pytest.raises(RuntimeError, match="data"):
        view + 1
    plain = record(np.ones((4, 5)), (), None)
    view = plain.transpose(0, 1)
    plain.data = record(np.ones((2, 2)), (), None)
    assert (view + 1).shape == (5, 4)


def test_arrays_resized_beneath():
    x = leaf(np.ones(100))
    y = x * x
    (x * 3).sum().backward()
    x.grad.array.resize(5, refcheck=False)
    with pytest.raises((RuntimeError, ValueError)):
        (x * 3).sum().backward()
    x.array.resize(7, refcheck=False)
    with pytest.raises((RuntimeError, ValueError)):
        y.sum().backward()


@pytest.mark.parametrize("attempt", [
    lambda x: Node(), lambda x: Version.__new__(Version).count, lambda x: Part.__new__(Part), lambda x: Part(None, 1),
    lambda x: Part(x), lambda x: pickle.dumps((x * 2).grad_fn), lambda x: copy.copy((x * 2).grad_fn),
    lambda x: register_hook(None, print), lambda x: retain_grad(None), lambda x: retains_grad(None),
    lambda x: backward([None]), lambda x: backward(None), lambda x: grad(x * 2, [None]), lambda x: grad([x, None], x),
    lambda x: backward(x.sum(), inputs=[None]), lambda x: backward(x.sum(), [3]), lambda x: backward(x.sum(), 3),
    lambda x: Tensor.backward(None), lambda x: Tensor.__dict__["grad"].__get__(3), lambda x: setattr(x, "array", 3),
    lambda x: delattr(x, "array"), lambda x: Tensor.shape.__get__(None), lambda x: record(x.array, (None, 3), None),
    lambda x: type("Sub", (Node,), {}), lambda x: type("Sub", (Version,), {}), lambda x: setattr(Tensor, "new", 1),
])
def test_nothing_crashes(attempt):
    with pytest.raises((TypeError, AttributeError, RuntimeError)):
        attempt(leaf([1.0, 2.0]))


def test_a_bare_node_is_harmless():
    node = Node.__new__(Node)
    assert node.next_functions == () and node.name() and repr(node)
    gc.collect()


def test_subclasses_are_freed():
    gc.collect()
    count, types = sys.getrefcount(Parameter), sys.getrefcount(Tensor)
    for _ in range(1000):                           # more than the free list holds
        p = Parameter([1.0])
        p.requires_grad = True
        p.name = "weight"
        (p * p).sum().backward()
        reference = weakref.ref(p)
        del p
        assert reference() is None
    many = [Parameter([1.0]) for _ in range(1000)] + [Tensor([1.0]) for _ in range(1000)]
    del many
    assert sys.getrefcount(Parameter) == count and abs(sys.getrefcount(Tensor) - types) <= 1


def test_a_cycle_through_a_subclass_or_a_hook_is_collected():
    p = Parameter([1.0])
    p.requires_grad, p.itself = True, p
    x = leaf([1.0])
    x.register_hook(lambda g, x=x: None)
    references = weakref.ref(p), weakref.ref(x)
    del p, x
    gc.collect()
    assert [r() for r in references] == [None, None]


def test_nothing_and_a_text_are_not_equal():
    x = Tensor([1.0])
    assert (x == None) is False and (x != None) is True and (x == "a") is False         # noqa: E711


def test_tensors_are_keys_by_identity():
    x, y = Tensor([1.0]), Tensor([1.0])
    assert {x: 1, y: 2}[x] == 1 and hash(x) != hash(y)


def test_a_subclass_works_as_a_leaf():
    p = Parameter([1.0, 2.0])
    p.requires_grad = True
    (p * p).sum().backward()
    np.testing.assert_array_equal(p.grad.array, [2, 4])
    assert type(p * 2) is Tensor
