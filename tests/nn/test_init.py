"""Initial values: after the same seed the same numbers as PyTorch's."""
import numpy as np
import pytest
import torch
from nn_helpers import leaf

import tinyrnn
from tinyrnn import nn
from tinyrnn.autograd.generator import Generator, default_generator, manual_seed
from tinyrnn.nn import init

UNIFORM = [("uniform_", {}), ("uniform_", {"a": -3, "b": 0.5}), ("xavier_uniform_", {}),
           ("xavier_uniform_", {"gain": 2.5}), ("kaiming_uniform_", {}), ("kaiming_uniform_", {"a": 5 ** 0.5}),
           ("kaiming_uniform_", {"mode": "fan_out", "nonlinearity": "relu"})]
NORMAL = [("normal_", {}), ("normal_", {"mean": 2, "std": 0.1}), ("xavier_normal_", {}),
          ("kaiming_normal_", {"mode": "fan_out", "nonlinearity": "tanh"}), ("sparse_", {"sparsity": 0.3}),
          ("trunc_normal_", {}), ("trunc_normal_", {"mean": 0.5, "std": 0.7, "a": 0, "b": 1}),
          ("trunc_normal_", {"mean": 0, "std": 1, "a": 1.5, "b": 1.7}), ("orthogonal_", {}),
          ("orthogonal_", {"gain": 3})]
PLAIN = [("constant_", {"val": 3.5}), ("ones_", {}), ("zeros_", {}), ("eye_", {})]
SHAPES = [(3, 4), (4, 3), (7, 33), (17, 1), (1, 5), (4, 3, 2)]
MATRIX_ONLY = ("eye_", "sparse_")


def with_shapes(table):
    return [(name, options, shape) for name, options in table for shape in SHAPES
            if len(shape) == 2 or name not in MATRIX_ONLY]


def filled(name, shape, dtype, options):
    ours, theirs = leaf(np.full(shape, np.nan, dtype))
    default_generator.manual_seed(5)
    torch.manual_seed(5)
    assert getattr(init, name)(ours, **options) is ours and ours.requires_grad and ours.is_leaf
    getattr(torch.nn.init, name)(theirs, **options)
    following = (default_generator.uniform(1), torch.rand(1).numpy())
    return ours.array, theirs.detach().numpy(), following


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("name", "options", "shape"), with_shapes(UNIFORM + PLAIN))
def test_equal_to_the_last_bit(name, options, shape, dtype):
    ours, theirs, (next_ours, next_theirs) = filled(name, shape, dtype, options)
    assert (ours == theirs).all() and next_ours == next_theirs


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("name", "options", "shape"), with_shapes(NORMAL))
def test_equal_to_rounding(name, options, shape, dtype):
    ours, theirs, (next_ours, next_theirs) = filled(name, shape, dtype, options)
    epsilon = np.finfo(dtype).eps
    np.testing.assert_allclose(ours, theirs, rtol=20 * epsilon, atol=(200 if name == "orthogonal_" else 8) * epsilon)
    assert next_ours == next_theirs


def test_own_generator():
    ours, theirs = leaf(np.zeros((5, 5), np.float32))
    before = default_generator.get_state()["key"].copy()
    init.kaiming_uniform_(ours, generator=Generator().manual_seed(3))
    torch.nn.init.kaiming_uniform_(theirs, generator=torch.Generator().manual_seed(3))
    assert (ours.array == theirs.detach().numpy()).all() and (default_generator.get_state()["key"] == before).all()


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 2, 3)])
def test_orthogonal(shape):
    w = init.orthogonal_(leaf(np.zeros(shape))[0], gain=2).array.reshape(shape[0], -1)
    w = w if w.shape[0] <= w.shape[1] else w.T
    np.testing.assert_allclose(w @ w.T, 4 * np.eye(len(w)), atol=1e-12)


def test_a_change_is_noticed():
    w, x = leaf(np.ones(2))[0], leaf(np.ones(2))[0]
    y = (w * x).sum()
    init.ones_(w)
    with pytest.raises(RuntimeError, match="changed"):
        y.backward()


@pytest.mark.parametrize("args", [("linear",), ("conv2d",), ("sigmoid",), ("tanh",), ("relu",), ("selu",),
                                  ("leaky_relu",), ("leaky_relu", 0.3), ("leaky_relu", 2)])
def test_gain(args):
    assert init.calculate_gain(*args) == torch.nn.init.calculate_gain(*args)


def test_errors():
    vector, matrix = leaf(np.zeros(3))[0], leaf(np.zeros((2, 2)))[0]
    for name in ("xavier_uniform_", "kaiming_normal_"):
        with pytest.raises(ValueError, match="fewer than 2 dimensions"):
            getattr(init, name)(vector)
    with pytest.raises(ValueError, match="2 or more dimensions"):
        init.orthogonal_(vector)
    for call in (lambda: init.eye_(vector), lambda: init.sparse_(vector, 0.1)):
        with pytest.raises(ValueError, match="Only tensors with 2 dimensions"):
            call()
    with pytest.raises(ValueError, match="Mode fan not supported"):
        init.kaiming_uniform_(matrix, mode="fan")
    with pytest.raises(ValueError, match="Unsupported nonlinearity swish"):
        init.calculate_gain("swish")
    with pytest.raises(ValueError, match="not a valid number"):
        init.calculate_gain("leaky_relu", True)
    with pytest.warns(UserWarning, match="zero-element"):
        init.kaiming_uniform_(leaf(np.zeros((0, 2)))[0])
    with pytest.warns(UserWarning, match="more than 2 std"):
        init.trunc_normal_(matrix, mean=5)
    assert init.orthogonal_(leaf(np.zeros((0, 2)))[0]).shape == (0, 2)


LAYERS = [("Linear", (3, 4), {}), ("Linear", (33, 17), {"bias": False}), ("Linear", (1, 1), {}),
          ("Bilinear", (3, 4, 5), {}), ("Embedding", (7, 5), {}), ("Embedding", (7, 5), {"padding_idx": -2}),
          ("LayerNorm", ((3, 4),), {})]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "args", "options"), LAYERS)
def test_layers_start_as_pytorchs(name, args, options, dtype):
    manual_seed(0)
    torch.manual_seed(0)
    ours = getattr(nn, name)(*args, **options, dtype=np.dtype(dtype))
    theirs = getattr(torch.nn, name)(*args, **options, dtype=getattr(torch, dtype))
    for (key, a), (other, b) in zip(ours.state_dict().items(), theirs.state_dict().items(), strict=True):
        assert key == other and a.dtype == dtype
        if name == "Embedding":
            np.testing.assert_allclose(a.array, b.numpy(), rtol=1e-6, atol=1e-7)
        else:
            assert (a.array == b.numpy()).all(), key


@pytest.mark.parametrize("shape, groups", [((4, 3, 5), 1), ((6, 2, 3, 4), 2), ((2, 5, 1, 2, 3), 1), ((6, 3, 3), 3)])
def test_dirac(shape, groups):
    ours = init.dirac_(tinyrnn.ones(shape), groups)
    np.testing.assert_array_equal(ours.numpy(), torch.nn.init.dirac_(torch.ones(shape), groups).numpy())


@pytest.mark.parametrize("shape, groups", [((4, 3), 1), ((4, 3, 1, 1, 1, 1), 1), ((5, 3, 3), 2)])
def test_dirac_checks_its_shape(shape, groups):
    with pytest.raises(ValueError):
        torch.nn.init.dirac_(torch.ones(shape), groups)
    with pytest.raises(ValueError):
        init.dirac_(tinyrnn.ones(shape), groups)
