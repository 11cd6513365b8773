"""The methods that Tensor gets from the operations are PyTorch's, and nothing else."""
import pytest
import torch

import tinyrnn
from tinyrnn.autograd import methods


def test_every_method_is_one_of_pytorchs():
    assert len(methods.methods) > 200
    assert [name for name in methods.methods if not hasattr(torch.Tensor, name)] == []


def test_what_pytorch_reads_as_an_attribute_is_one():
    mine, theirs = tinyrnn.ones(2, 2), torch.ones(2, 2)
    assert [name for name in methods.methods if callable(getattr(mine, name)) != callable(getattr(theirs, name))] == []


def test_the_exceptions_exist():
    assert methods.FUNCTIONS_ONLY | methods.PROTOCOLS | methods.PROPERTIES <= set(methods.operations)


def test_backward_of_one_tensor_calls_its_gradient_gradient():
    x = tinyrnn.tensor([1.0, 2.0], requires_grad=True)
    (x * x).backward(gradient=tinyrnn.tensor([1.0, 10.0]))
    assert x.grad.tolist() == [2.0, 40.0]
    with pytest.raises(TypeError):
        (x * x).sum().backward(grad_tensors=None)


def test_where_starts_from_the_values():
    x = tinyrnn.tensor([1.0, -2.0])
    assert x.where(x > 0, 0.0).tolist() == torch.tensor([1.0, -2.0]).where(torch.tensor([True, False]), 0.0).tolist()
