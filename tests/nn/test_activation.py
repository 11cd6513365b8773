import numpy as np
import pytest
import torch
from nn_helpers import compare, leaf

from tinyrnn import nn

CASES = [("ReLU", ()), ("ReLU6", ()), ("SiLU", ()), ("Tanh", ()), ("Sigmoid", ()), ("LogSigmoid", ()), ("Softsign", ()),
         ("Softplus", ()), ("Softplus", (2.0, 1.5)), ("GELU", ()), ("GELU", ("tanh",)), ("LeakyReLU", ()),
         ("LeakyReLU", (0.3,)), ("ELU", ()), ("ELU", (0.7,)), ("Hardtanh", ()), ("Hardtanh", (-0.5, 2.0)),
         ("Softmax", (-1,)), ("Softmax", (0,)), ("LogSoftmax", (1,))]
INPLACE = [("ReLU", ()), ("ReLU6", ()), ("SiLU", ()), ("LeakyReLU", (0.3,)), ("ELU", (0.7,)), ("Hardtanh", ())]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "args"), CASES)
def test_same_as_torch(name, args, dtype):
    ours, theirs = (getattr(library, name)(*args) for library in (nn, torch.nn))
    assert repr(ours) == repr(theirs)
    for shape in ((7, 33), (1, 1), (0, 3)):
        compare(ours, theirs, np.random.default_rng(0).standard_normal(shape).astype(dtype) * 3)


@pytest.mark.parametrize(("name", "args"), INPLACE)
def test_inplace(name, args):
    ours, theirs = (getattr(library, name)(*args, inplace=True) for library in (nn, torch.nn))
    assert repr(ours) == repr(theirs)
    x = leaf(np.array([-2.0, 0.5, 7.0]), False)[0]
    y = ours(x)
    assert np.shares_memory(y.array, x.array)
    compare(lambda x: ours(x * 2), lambda x: theirs(x * 2), np.array([-2.0, -0.1, 0.5, 7.0]))


def test_errors():
    with pytest.raises(ValueError, match="greater than min_val"):
        nn.Hardtanh(1, 1)
    with pytest.raises(TypeError, match="dim"):
        nn.Softmax()(leaf(np.zeros((2, 3)))[0])
