"""Random tensors: PyTorch's numbers for the same seed, and the in-place fills."""
import numpy as np
import pytest
import torch

import tinyrnn
from tests.autograd.helpers_functions import assert_same
from tinyrnn.autograd import creation, dtypes, randomness
from tinyrnn.autograd.arrays import DtypeError
from tinyrnn.autograd.creation import tensor, zeros
from tinyrnn.autograd.generator import Generator, manual_seed

FLOATS = [("float32", torch.float32), ("float64", torch.float64)]


@pytest.fixture(autouse=True)
def same_seed():
    manual_seed(5)
    torch.manual_seed(5)


@pytest.mark.parametrize("name", ["rand", "randn"])
@pytest.mark.parametrize("size", [(3,), (2, 3), ((4, 7),), (0,), ((),), (129,)])
@pytest.mark.parametrize("ours, theirs", FLOATS)
def test_rand_randn(name, size, ours, theirs):
    x = getattr(randomness, name)(*size, dtype=getattr(dtypes, ours))
    assert_same(x, getattr(torch, name)(*size, dtype=theirs))
    x, z = zeros(3, 5), torch.zeros(3, 5)
    assert_same(getattr(randomness, name + "_like")(x), getattr(torch, name + "_like")(z))


def test_integers():
    assert_same(randomness.randint(3, (7,)), torch.randint(3, (7,)))
    assert_same(randomness.randint(-3, 9, (2, 4)), torch.randint(-3, 9, (2, 4)))
    assert_same(randomness.randint(9, (5,), dtype=dtypes.float32), torch.randint(9, (5,), dtype=torch.float32))
    assert_same(randomness.randperm(17), torch.randperm(17))
    x, z = zeros(3, 5), torch.zeros(3, 5)
    assert_same(randomness.randint_like(x, 7), torch.randint_like(z, 7))
    assert_same(randomness.randint_like(x, 2, 7), torch.randint_like(z, 2, 7))
    with pytest.raises(TypeError, match="randint"):
        randomness.randint(3)


def test_normal():
    assert_same(randomness.normal(2.0, 3.0, (4, 5)), torch.normal(2.0, 3.0, (4, 5)))
    mean, std = np.linspace(-1, 1, 20, dtype=np.float32), np.linspace(0, 2, 20, dtype=np.float32)
    for a, b in ((mean, std), (mean, 2.0), (1.0, std)):
        ours = [tensor(x) if isinstance(x, np.ndarray) else x for x in (a, b)]
        theirs = [torch.tensor(x) if isinstance(x, np.ndarray) else x for x in (a, b)]
        assert_same(randomness.normal(*ours), torch.normal(*theirs))
    with pytest.raises(RuntimeError, match="negative"):
        randomness.normal(0.0, tensor([-1.0]))
    for wrong in ((0.0, 1.0), (tensor([0.0]), 1.0, (1,))):
        with pytest.raises(TypeError, match="normal"):
            randomness.normal(*wrong)


@pytest.mark.parametrize("name, arguments", [
    ("uniform_", ()), ("uniform_", (-2, 3)), ("normal_", ()), ("normal_", (1, 2)), ("exponential_", ()),
    ("exponential_", (2,)), ("random_", (7,)), ("random_", (-3, 9)), ("random_", ())])
@pytest.mark.parametrize("ours, theirs", FLOATS)
def test_in_place(name, arguments, ours, theirs):
    x, z = zeros(5, 4, dtype=getattr(dtypes, ours)), torch.zeros(5, 4, dtype=theirs)
    version = x._version
    assert getattr(x, name)(*arguments) is x and x._version > version
    assert_same(x, getattr(z, name)(*arguments))


def test_random_of_integers_and_truth_values():
    assert_same(zeros(9, dtype=int).random_(), torch.zeros(9, dtype=int).random_())
    assert_same(zeros(9, dtype=int).random_(4), torch.zeros(9, dtype=int).random_(4))
    assert_same(zeros(9, dtype=bool).random_(), torch.zeros(9, dtype=bool).random_())


def test_in_place_on_leaves():
    x = zeros(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf"):
        x.uniform_()
    y = x * 2
    y.normal_()
    assert not y.requires_grad
    with pytest.raises(NotImplementedError):
        zeros(3, dtype=int).uniform_()


def test_bernoulli():
    p = creation.full((2000,), 0.3)
    for x in (randomness.bernoulli(p), p.bernoulli(), zeros(2000).bernoulli(0.3), zeros(2000).bernoulli_(0.3),
              zeros(2000).bernoulli_(p), zeros(2000, dtype=int).bernoulli_(0.3)):
        values = x.numpy()
        assert set(values.tolist()) == {0, 1} and abs(values.mean() - 0.3) < 0.05
    assert zeros(3, dtype=bool).bernoulli_(1.0).tolist() == [True] * 3
    with pytest.raises(RuntimeError, match="bernoulli"):
        randomness.bernoulli(tensor([1.5]))


def test_multinomial():
    weights = np.array([[0.0, 1, 3, 2], [1, 0, 0, 1]], np.float32)
    draws = tensor(weights).multinomial(2)
    assert draws.shape == (2, 2) and draws.dtype == np.int64
    assert set(draws.tolist()[1]) == {0, 3} and 0 not in draws.tolist()[0]
    draws = tensor(weights[0]).multinomial(3000, replacement=True).numpy()
    np.testing.assert_allclose(np.bincount(draws, minlength=4) / 3000, weights[0] / 6, atol=0.05)


def test_a_generator_of_ones_own():
    g = Generator().manual_seed(9)
    h = torch.Generator().manual_seed(9)
    assert_same(randomness.rand(4, generator=g), torch.rand(4, generator=h))
    assert_same(zeros(4).normal_(generator=g), torch.zeros(4).normal_(generator=h))
    assert_same(randomness.rand(4), torch.rand(4))
    with pytest.raises(TypeError, match="expected a Generator"):
        randomness.rand(4, generator=9)


def test_dtypes():
    for name in ("rand", "randn"):
        with pytest.raises(DtypeError, match=name):
            getattr(randomness, name)(3, dtype=int)
    x = randomness.rand(3, requires_grad=True, device="cpu")
    assert x.requires_grad and x.is_leaf


LYING = [lambda x: x.transpose(0, 1), lambda x: x.permute(2, 0, 1), lambda x: x[:, ::2],
         lambda x: x[:, :1].transpose(0, 1), lambda x: x[:, :2].transpose(0, 1), lambda x: x.permute(2, 0, 1)[:, :, :3]]


@pytest.mark.parametrize("lying", LYING)
@pytest.mark.parametrize("draw", [
    lambda lib, x: lib.nn.functional.dropout(x, 0.4), lambda lib, x: lib.rand_like(x),
    lambda lib, x: lib.randint_like(x, 100), lambda lib, x: lib.randn_like(x), lambda lib, x: x.uniform_(),
    lambda lib, x: x.normal_(2, 3), lambda lib, x: x.exponential_(), lambda lib, x: x.random_(),
    lambda lib, x: x.random_(3, 9), lambda lib, x: x.bernoulli_(0.4)])
def test_numbers_come_in_the_order_of_the_memory(lying, draw):
    x, z = (draw(lib, lying(lib.ones(5, 4, 3))) for lib in (tinyrnn, torch))
    assert_same(x, z)


@pytest.mark.parametrize("lying", [lambda x: x[:1].expand(3, 4, 3), lambda x: x[:1].expand(3, 4, 3).transpose(0, 2),
                                   lambda x: x[:, :1].expand(5, 4, 3).permute(1, 2, 0)])
@pytest.mark.parametrize("draw", [
    lambda lib, x: lib.nn.functional.dropout(x, 0.4), lambda lib, x: lib.rand_like(x),
    lambda lib, x: lib.randn_like(x)])
def test_numbers_like_an_expanded_tensor(lying, draw):
    test_numbers_come_in_the_order_of_the_memory(lying, draw)


@pytest.mark.parametrize("draw", [
    lambda lib, x: x.bernoulli_(lib.linspace(0.1, 0.9, 3).expand(x.shape[:-1] + (3,)) if x.shape[-1] == 3 else x * 0.3),
    lambda lib, x: lib.bernoulli(x * 0.4), lambda lib, x: lib.multinomial(x[0], 3) if x.ndim == 3 else x,
    lambda lib, x: lib.nn.init.uniform_(x, -1, 2), lambda lib, x: lib.nn.init.normal_(x, 1, 2),
    lambda lib, x: lib.nn.init.kaiming_uniform_(x), lambda lib, x: lib.nn.init.xavier_normal_(x),
    lambda lib, x: lib.nn.init.trunc_normal_(x)])
@pytest.mark.parametrize("lying", [lambda x: x, lambda x: x.transpose(0, 1), lambda x: x.permute(2, 0, 1)])
def test_other_draws_in_the_order_of_the_memory(lying, draw):
    x, z = (draw(lib, lying(lib.ones(5, 4, 3))) for lib in (tinyrnn, torch))
    assert_same(x, z)
