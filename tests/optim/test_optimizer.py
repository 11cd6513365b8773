"""Groups, gradients, closures, saving and loading: what all optimisers share."""
import copy

import numpy as np
import pytest
import torch

import tinyrnn.autograd.methods  # noqa: F401  (activates the methods of Tensor)
from tinyrnn import optim
from tinyrnn.autograd.creation import tensor
from tinyrnn.autograd.grad_mode import no_grad

FRAMEWORKS = [(optim, tensor), (torch.optim, torch.tensor)]


def leaf(*values):
    return tensor(np.array(values, np.float32), requires_grad=True)


def both_raise(build):
    """``build(optim, tensor)`` must raise the same error with the same message in both frameworks."""
    errors = []
    for module, make in FRAMEWORKS:
        with pytest.raises((ValueError, TypeError, KeyError)) as error:
            build(module, lambda make=make: make([1.0, 2.0], requires_grad=True))
        errors.append((error.type, str(error.value).replace("torch.", "").replace("FloatTensor", "Tensor")))
    assert errors[0] == errors[1]
    return errors[0][1]


# ---- groups ----

@pytest.mark.parametrize("build", [
    lambda o, x: o.SGD([]),
    lambda o, x: o.SGD(iter([])),
    lambda o, x: o.SGD(x()),
    lambda o, x: o.SGD([{"params": {x(), x()}}]),
    lambda o, x: o.SGD([1, 2]),
    lambda o, x: o.SGD([x() * 2]),
    lambda o, x: o.SGD([("a", x()), x()]),
    lambda o, x: o.SGD([{"params": [("a", x())]}, {"params": [x()]}]),
    lambda o, x: o.SGD([{"params": [x()]}, {"params": [("a", x())]}]),
    lambda o, x: o.SGD([x()]).add_param_group([x()]),
    lambda o, x: o.SGD([{"lr": 1}]),
], ids=range(11))
def test_bad_parameters_raise_as_in_pytorch(build):
    assert both_raise(build)


def test_a_parameter_belongs_to_one_group():
    def build(module, make):
        x = make()
        module.SGD([{"params": [x]}, {"params": [x]}])
    assert both_raise(build) == "some parameters appear in more than one parameter group"


def test_duplicates_in_a_group_warn():
    x = leaf(1, 2)
    with pytest.warns(UserWarning, match="duplicate parameters"):
        optim.SGD([x, x])


def test_a_refused_group_is_not_added():
    x, y = leaf(1), leaf(2)
    optimizer = optim.SGD([x])
    with pytest.raises(ValueError, match="Invalid learning rate: -1"):
        optimizer.add_param_group({"params": [y], "lr": -1})
    assert len(optimizer.param_groups) == 1


def test_groups_have_their_own_options():
    x, y, z = leaf(1), leaf(1), leaf(1)
    optimizer = optim.SGD([{"params": [x]}, {"params": y, "lr": 0.5}], lr=0.1)
    optimizer.add_param_group({"params": (p for p in [z]), "lr": 0.25})
    for p in (x, y, z):
        p.grad = tensor(np.ones(1, np.float32))
    optimizer.step()
    np.testing.assert_allclose([x.array[0], y.array[0], z.array[0]], [0.9, 0.5, 0.75], rtol=1e-6)


def test_names_are_kept():
    optimizer = optim.SGD([("w", leaf(1)), ("b", leaf(2))])
    assert optimizer.param_groups[0]["param_names"] == ["w", "b"]
    assert optimizer.state_dict()["param_groups"][0]["param_names"] == ["w", "b"]
    other = optim.SGD([leaf(1), leaf(2)])
    optimizer.load_state_dict(other.state_dict())
    assert optimizer.param_groups[0]["param_names"] == ["w", "b"]


# ---- gradients ----

def test_zero_grad():
    x, y = leaf(1, 2), leaf(3)
    optimizer = optim.SGD([x, y])
    x.grad = held = tensor(np.ones(2, np.float32))
    optimizer.zero_grad(set_to_none=False)
    assert x.grad is held and held.array.tolist() == [0, 0]
    assert y.grad is None
    (x * x).sum().backward(create_graph=True)
    optimizer.zero_grad(set_to_none=False)
    assert x.grad.is_leaf and not x.grad.requires_grad and x.grad.array.tolist() == [0, 0]
    optimizer.zero_grad()
    assert x.grad is None


def test_a_parameter_without_gradient_stays():
    x, y = leaf(1), leaf(1)
    optimizer = optim.Adam([x, y])
    y.grad = tensor(np.ones(1, np.float32))
    optimizer.step()
    assert x.array == 1
    assert y.array != 1
    assert list(optimizer.state) == [y]


def test_a_refused_first_step_is_still_the_first():
    x = leaf(1)
    optimizer = optim.SGD([x], lr=0.1, momentum=0.9, dampening=0.5)
    x.grad = tensor(np.ones(1, np.float32))
    x.array.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        optimizer.step()
    x.array.flags.writeable = True
    optimizer.step()                                    # without dampening, as the first one goes
    np.testing.assert_allclose(x.array, 0.9, rtol=1e-6)


def test_closure_runs_with_gradients_and_its_value_is_returned():
    x = leaf(3)
    optimizer = optim.SGD([x], lr=0.5)

    def closure():
        optimizer.zero_grad()
        loss = (x * x).sum()
        loss.backward()
        return loss
    with no_grad():
        loss = optimizer.step(closure)
    assert loss.array == 9
    assert x.array == 0


def test_a_graph_recorded_before_the_step_notices_the_change():
    x = leaf(3)
    loss = (x * x).sum()
    x.grad = leaf(1).detach()
    optim.SGD([x]).step()
    with pytest.raises(RuntimeError, match="in place"):
        loss.backward()


def test_the_base_class_has_no_update():
    x = leaf(1)
    x.grad = leaf(1).detach()
    with pytest.raises(NotImplementedError):
        optim.Optimizer([x], {"lr": 0.1}).step()


# ---- saving and loading ----

def trained(steps=2):
    optimizer = optim.Adam([leaf(1, 2), leaf(3)], lr=0.1)
    for _ in range(steps):
        for p in optimizer.param_groups[0]["params"]:
            p.grad = tensor(np.ones(p.shape, np.float32))
        optimizer.step()
    return optimizer


def test_state_is_copied_on_loading():
    source, target = trained(), trained(0)
    target.load_state_dict(source.state_dict())
    for p, q in zip(source.param_groups[0]["params"], target.param_groups[0]["params"], strict=True):
        for key, value in source.state[p].items():
            assert np.array_equal(target.state[q][key].array, value.array)
            assert not np.shares_memory(target.state[q][key].array, value.array)


def test_state_takes_the_dtype_of_its_parameter():
    target = optim.Adam([tensor(np.ones(n), dtype=np.float64, requires_grad=True) for n in (2, 1)])
    target.load_state_dict(trained().state_dict())
    state = target.state[target.param_groups[0]["params"][0]]
    assert state["exp_avg"].dtype == np.float64
    assert state["step"].dtype == np.float32


def test_a_step_count_that_is_a_number_is_accepted():
    saved = trained().state_dict()
    saved["state"] = {key: {**value, "step": 2} for key, value in saved["state"].items()}
    target = trained(0)
    target.load_state_dict(saved)
    assert target.state[target.param_groups[0]["params"][0]]["step"].array == 2


@pytest.mark.parametrize(("change", "match"), [
    (lambda s: s["param_groups"].append(s["param_groups"][0]), "a different number of parameter groups"),
    (lambda s: s["param_groups"][0]["params"].append(7), "doesn't match the size of optimizer's group"),
    (lambda s: s["param_groups"][0].update(weight_decay=-1), "Invalid weight_decay"),
])
def test_a_state_that_does_not_fit_changes_nothing(change, match):
    target, saved = trained(), trained(5).state_dict()
    saved["param_groups"] = copy.deepcopy(saved["param_groups"])
    change(saved)
    before = copy.deepcopy(target.state_dict()["param_groups"])
    state = target.state
    with pytest.raises(ValueError, match=match):
        target.load_state_dict(saved)
    assert target.state is state
    assert target.state_dict()["param_groups"] == before


def test_a_learning_rate_that_a_schedule_led_below_zero_is_loaded():
    target, source = trained(), trained(5)
    schedule = optim.lr_scheduler.LinearLR(source, 0.1, 0.0, total_iters=5)
    for _ in range(5):
        source.step()
        schedule.step()
    rate = source.param_groups[0]["lr"]
    target.load_state_dict(source.state_dict())
    assert rate < 0 and target.param_groups[0]["lr"] == rate


def test_missing_options_get_their_defaults():
    target, saved = trained(), trained().state_dict()
    del saved["param_groups"][0]["amsgrad"]
    target.load_state_dict(saved)
    assert target.param_groups[0]["amsgrad"] is False
