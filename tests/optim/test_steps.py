"""Every optimiser against PyTorch's, step by step, on parameters of many sizes."""
import numpy as np
import pytest
import torch

import tinyrnn.autograd.methods  # noqa: F401  (activates the methods of Tensor)
from tinyrnn import get_num_threads, optim, set_num_threads
from tinyrnn.autograd.creation import from_numpy, tensor

SIZES = [(1,), (7,), (17, 3), (129,), (0, 3), ()]
TYPES = [(np.float32, 1e-5), (np.float64, 1e-10)]
both_types = pytest.mark.parametrize(("dtype", "tolerance"), TYPES, ids=["float32", "float64"])

CASES = [
    ("SGD", {"lr": 0.05}),
    ("SGD", {"lr": 0.05, "momentum": 0.9}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.01, "maximize": True}),
    ("SGD", {"lr": 0.05, "momentum": 0.8, "nesterov": True, "weight_decay": 0.1}),
    ("Adam", {}),
    ("Adam", {"lr": 0.02, "betas": (0.3, 0.95), "eps": 1e-5, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.02, "amsgrad": True, "maximize": True}),
    ("Adam", {"lr": 0.02, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("AdamW", {"lr": 0.02}),
    ("AdamW", {"lr": 0.02, "weight_decay": 0.3, "amsgrad": True}),
    ("RMSprop", {}),
    ("RMSprop", {"momentum": 0.9, "alpha": 0.3, "weight_decay": 0.01}),
    ("RMSprop", {"centered": True, "maximize": True}),
    ("RMSprop", {"centered": True, "momentum": 0.5, "eps": 1e-3}),
    ("Adagrad", {"lr": 0.1}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.01, "weight_decay": 0.1, "initial_accumulator_value": 0.5, "maximize": True}),
    ("Adadelta", {}),
    ("Adadelta", {"lr": 0.5, "rho": 0.7, "eps": 1e-4, "weight_decay": 0.1, "maximize": True}),
]
all_cases = pytest.mark.parametrize(("name", "options"), CASES, ids=[f"{c[0]}-{i}" for i, c in enumerate(CASES)])


def pair(arrays):
    """The same parameters for both frameworks, on memory of their own."""
    ours = [tensor(a.copy(), dtype=a.dtype, requires_grad=True) for a in arrays]
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    return ours, theirs


def give_gradients(rng, ours, theirs):
    """Random gradients of varying size; the first parameter now and then has none."""
    for i, (p, q) in enumerate(zip(ours, theirs, strict=True)):
        g = np.asarray(rng.normal(size=p.shape) * 10.0 ** rng.integers(-3, 2), p.dtype)
        missing = i == 0 and rng.random() < 0.2
        p.grad = None if missing else tensor(g, dtype=g.dtype)
        q.grad = None if missing else torch.tensor(g)


def start(name, options, dtype, sizes=SIZES):
    rng = np.random.default_rng(0)
    ours, theirs = pair([np.asarray(rng.normal(size=size), dtype) for size in sizes])
    return rng, ours, theirs, getattr(optim, name)(ours, **options), getattr(torch.optim, name)(theirs, **options)


def assert_same(ours, theirs, tolerance):
    theirs = theirs.detach().numpy()
    assert ours.array.dtype == theirs.dtype
    np.testing.assert_allclose(ours.array, theirs, rtol=tolerance, atol=tolerance)


@both_types
@all_cases
def test_100_steps_agree_with_pytorch(name, options, dtype, tolerance):
    rng, ours, theirs, a, b = start(name, options, dtype)
    for _ in range(100):
        give_gradients(rng, ours, theirs)
        a.step()
        b.step()
    for p, q in zip(ours, theirs, strict=True):
        assert_same(p, q, tolerance)
        assert a.state.get(p, {}).keys() == b.state.get(q, {}).keys()
        for key, value in a.state.get(p, {}).items():
            assert_same(value, b.state[q][key], tolerance)


@both_types
@all_cases
def test_one_step_moves_the_parameter(name, options, dtype, tolerance):
    rng, ours, theirs, a, b = start(name, options, dtype, [(5,)])
    before = ours[0].array.copy()
    ours[0].grad = tensor(np.ones(5, dtype), dtype=dtype)
    a.step()
    assert (ours[0].array != before).all()


@all_cases
def test_repr_and_state_dict_are_pytorchs(name, options):
    rng, ours, theirs, a, b = start(name, options, np.float32, [(3, 2), (4,)])
    for _ in range(2):
        for p, q in zip(ours, theirs, strict=True):
            g = rng.normal(size=p.shape).astype(np.float32)
            p.grad, q.grad = tensor(g), torch.tensor(g)
        a.step()
        b.step()
    assert repr(a) == repr(b)
    mine, other = a.state_dict(), b.state_dict()
    assert mine["param_groups"] == other["param_groups"]
    assert mine["state"].keys() == other["state"].keys()
    for number, state in other["state"].items():
        assert mine["state"][number].keys() == state.keys()
        for key, value in state.items():
            assert mine["state"][number][key].shape == tuple(value.shape)
            assert str(mine["state"][number][key].dtype) == str(value.dtype).removeprefix("torch.")


@all_cases
def test_goes_on_where_pytorch_stopped(name, options):
    """Both ways: ours loads PyTorch's state, PyTorch loads ours; the next steps agree."""
    rng, ours, theirs, a, b = start(name, options, np.float64, [(9,), (2, 3)])
    for _ in range(3):
        give_gradients(rng, ours, theirs)
        b.step()
    for p, q in zip(ours, theirs, strict=True):
        p.array[...] = q.detach().numpy()
    a.load_state_dict(converted(b.state_dict(), torch.Tensor, lambda x: tensor(x.numpy(), dtype=x.numpy().dtype)))
    b.load_state_dict(converted(a.state_dict(), tinyrnn.autograd.tensor.Tensor, lambda x: torch.tensor(x.array)))
    for _ in range(3):
        give_gradients(rng, ours, theirs)
        a.step()
        b.step()
    for p, q in zip(ours, theirs, strict=True):
        assert_same(p, q, 1e-10)


def converted(value, kind, convert):
    if isinstance(value, kind):
        return convert(value)
    if isinstance(value, dict):
        return {key: converted(item, kind, convert) for key, item in value.items()}
    return value


@all_cases
def test_changes_memory_in_place(name, options):
    memory = np.ones((4, 3), np.float32)
    p = from_numpy(memory)
    view = p.reshape(12)
    p.requires_grad = True
    optimizer = getattr(optim, name)([p], **options)
    p.grad = tensor(np.full((4, 3), 0.5, np.float32))
    version = p._version
    optimizer.step()
    assert np.shares_memory(p.array, memory)
    assert (memory != 1).all()
    assert np.array_equal(view.array, memory.reshape(12))
    assert p._version > version


@all_cases
def test_memory_of_any_layout(name, options):
    """Transposed, strided and Fortran parameters and gradients take the same step as contiguous ones."""
    rng = np.random.default_rng(1)
    values, gradient = rng.normal(size=(5, 4)), rng.normal(size=(5, 4))
    layouts = [lambda a: a.copy(), lambda a: a.T.copy().T, lambda a: np.repeat(a, 2, axis=1)[:, ::2],
               lambda a: a[::-1].copy()[::-1]]
    results = []
    for layout in layouts:
        p = from_numpy(layout(values))
        p.requires_grad = True
        optimizer = getattr(optim, name)([p], **options)
        for _ in range(3):
            p.grad = from_numpy(layout(gradient))
            optimizer.step()
        results.append(p.array)
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])


@all_cases
def test_nan_and_inf_gradients_are_followed_silently(name, options):
    rng, ours, theirs, a, b = start(name, options, np.float64, [(6,)])
    for g in ([np.nan, 1, 2, np.inf, -np.inf, 0], [1, 1, np.nan, 1, 1, 0]):
        ours[0].grad, theirs[0].grad = tensor(np.array(g), dtype=np.float64), torch.tensor(np.array(g))
        a.step()
        b.step()
    np.testing.assert_allclose(ours[0].array, theirs[0].detach().numpy(), rtol=1e-10, equal_nan=True)


@all_cases
def test_a_gradient_on_the_parameters_memory(name, options):
    memory, apart = np.arange(1.0, 40), np.arange(1.0, 40)
    p, q = from_numpy(memory[:32]), from_numpy(apart[:32].copy())
    p.grad, q.grad = from_numpy(memory[3:35]), from_numpy(apart[3:35].copy())
    getattr(optim, name)([p], **options).step()
    getattr(optim, name)([q], **options).step()
    np.testing.assert_array_equal(p.array, q.array)


BAD = [
    ("SGD", {"lr": -1}), ("SGD", {"momentum": -0.5}), ("SGD", {"weight_decay": -2}), ("SGD", {"nesterov": True}),
    ("SGD", {"nesterov": True, "momentum": 0.9, "dampening": 0.1}),
    ("Adam", {"lr": -1.0}), ("Adam", {"eps": -1}), ("Adam", {"betas": (1.0, 0.9)}), ("Adam", {"betas": (0.9, -0.1)}),
    ("Adam", {"weight_decay": -1}), ("AdamW", {"lr": -1}),
    ("RMSprop", {"lr": -1}), ("RMSprop", {"eps": -1}), ("RMSprop", {"momentum": -1}), ("RMSprop", {"weight_decay": -1}),
    ("RMSprop", {"alpha": -1}),
    ("Adagrad", {"lr": -1}), ("Adagrad", {"lr_decay": -1}), ("Adagrad", {"weight_decay": -1}), ("Adagrad", {"eps": -1}),
    ("Adagrad", {"initial_accumulator_value": -1}),
    ("Adadelta", {"lr": -1}), ("Adadelta", {"rho": 1.5}), ("Adadelta", {"rho": -1}), ("Adadelta", {"eps": -1}),
    ("Adadelta", {"weight_decay": -1}),
]


@pytest.mark.parametrize(("name", "options"), BAD)
def test_bad_options_raise_pytorchs_message(name, options):
    ours, theirs = pair([np.ones(2, np.float32)])
    with pytest.raises(ValueError) as their_error:
        getattr(torch.optim, name)(theirs, **options)
    with pytest.raises(ValueError) as our_error:
        getattr(optim, name)(ours, **options)
    assert str(our_error.value) == str(their_error.value)


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta"])
@pytest.mark.parametrize("option", ["foreach", "fused", "capturable", "differentiable"])
def test_options_without_meaning_are_refused(name, option):
    ours, _ = pair([np.ones(2, np.float32)])
    with pytest.raises((ValueError, TypeError), match=option):      # TypeError where PyTorch has no such argument
        getattr(optim, name)(ours, **{option: True})


def test_a_tensor_learning_rate_is_refused():
    ours, _ = pair([np.ones(2, np.float32)])
    with pytest.raises(TypeError, match="lr must be a Python number"):
        optim.SGD(ours, lr=tensor(0.1))


def test_adamw_goes_on_as_adamw_after_loading_adam():
    ours, _ = pair([np.ones(2, np.float32)])
    optimizer = optim.AdamW(ours)
    optimizer.load_state_dict(optim.Adam(ours).state_dict())
    assert optimizer.param_groups[0]["decoupled_weight_decay"] is True


@both_types
@all_cases
def test_same_bits_with_any_number_of_threads(name, options, dtype, tolerance):
    found, before = [], get_num_threads()
    try:
        for threads in (1, 2, 3, 8):
            set_num_threads(threads)
            rng, ours, theirs, optimizer, _ = start(name, options, dtype, [(150_001,)])
            for _ in range(2):
                give_gradients(rng, ours, theirs)
                optimizer.step()
            found.append(ours[0].array)
    finally:
        set_num_threads(before)
    for array in found[1:]:
        np.testing.assert_array_equal(array, found[0])
