"""Every schedule against PyTorch's, to the last digit."""
import gc
import math
import warnings
import weakref

import numpy as np
import pytest
import torch

from tinyrnn import optim
from tinyrnn.autograd.creation import tensor
from tinyrnn.optim import lr_scheduler

STEPS = 25


def halve(t):
    return 0.5 ** (t // 3)


class Slope:
    """A callable object: its attributes are part of the state."""

    def __init__(self, slope):
        self.slope = slope

    def __call__(self, t):
        return 1 / (1 + self.slope * t)


def simple(name, *args, **kwargs):
    return lambda module, optimizer: getattr(module, name)(optimizer, *args, **kwargs)


def warmup(module, optimizer):
    first = module.LinearLR(optimizer, 0.1, total_iters=4)
    second = module.CosineAnnealingLR(optimizer, 10)
    third = module.ExponentialLR(optimizer, 0.9)
    return module.SequentialLR(optimizer, [first, second, third], [4, 16])


def nested(module, optimizer):
    first = module.SequentialLR(
        optimizer, [module.ConstantLR(optimizer, 0.3, 2), module.StepLR(optimizer, 3)], milestones=[5])
    optimizer.step()                    # or PyTorch warns that a schedule made a step first
    return module.SequentialLR(optimizer, [first, module.LambdaLR(optimizer, halve)], milestones=[12])


def chained(module, optimizer):
    return module.ChainedScheduler([module.StepLR(optimizer, 4, 0.5), module.ExponentialLR(optimizer, 0.9)])


CASES = {
    "lambda": simple("LambdaLR", halve),
    "lambda-list": simple("LambdaLR", [halve, Slope(0.3)]),
    "multiplicative": simple("MultiplicativeLR", halve),
    "step": simple("StepLR", 4, 0.3),
    "multistep": simple("MultiStepLR", [3, 3, 7, 20], gamma=0.3),
    "constant": simple("ConstantLR"),
    "constant-0": simple("ConstantLR", 0.5, total_iters=9),
    "linear": simple("LinearLR", 0.2, 0.9, total_iters=11),
    "exponential": simple("ExponentialLR", 0.93),
    "polynomial": simple("PolynomialLR", 12, 2.0),
    "cosine": simple("CosineAnnealingLR", 7, eta_min=0.001),
    "restarts": simple("CosineAnnealingWarmRestarts", 3, 2, 0.01),
    "restarts-1": simple("CosineAnnealingWarmRestarts", 4),
    "one-cycle": simple("OneCycleLR", 0.5, total_steps=STEPS),
    "one-cycle-3": simple("OneCycleLR", [0.5, 0.7], epochs=5, steps_per_epoch=5, three_phase=True, pct_start=0.4),
    "one-cycle-linear": simple("OneCycleLR", 0.5, total_steps=STEPS, anneal_strategy="linear", base_momentum=0.7,
                               max_momentum=[0.9, 0.8], div_factor=10.0, final_div_factor=50.0),
    "one-cycle-still": simple("OneCycleLR", 0.5, total_steps=STEPS, cycle_momentum=False),
    "sequential": warmup,
    "nested": nested,
    "chained": chained,
}
all_cases = pytest.mark.parametrize("build", CASES.values(), ids=CASES)


def optimizers(kind="SGD", **options):
    """The same optimiser with two groups in both frameworks."""
    options = options or {"lr": 0.1, **({"momentum": 0.9} if kind == "SGD" else {})}
    ours = [tensor(np.ones(1, np.float32), requires_grad=True) for _ in range(2)]
    theirs = [torch.ones(1, requires_grad=True) for _ in range(2)]
    return [getattr(module, kind)([{"params": p[:1]}, {"params": p[1:], "lr": 0.03}], **options)
            for module, p in ((optim, ours), (torch.optim, theirs))]


def walk(pairs, steps=STEPS):
    """The learning rate and momentum of every group after each step of each (optimiser, schedule)."""
    for _ in range(steps):
        for optimizer, scheduler in pairs:
            optimizer.step()
            scheduler.step()
        yield [([(g["lr"], g.get("momentum"), g.get("betas")) for g in optimizer.param_groups], scheduler.get_last_lr())
               for optimizer, scheduler in pairs]


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
@all_cases
def test_values_are_pytorchs(build, kind):
    a, b = optimizers(kind)
    ours, theirs = build(lr_scheduler, a), build(torch.optim.lr_scheduler, b)
    assert ours.get_last_lr() == theirs.get_last_lr()
    rates = set()
    for mine, other in walk([(a, ours), (b, theirs)], STEPS - 1):
        assert mine == other
        rates.add(mine[1][0])
    assert len(rates) > 1


@all_cases
def test_state_has_pytorchs_entries_and_resumes(build):
    a, b = optimizers()
    ours, theirs = build(lr_scheduler, a), build(torch.optim.lr_scheduler, b)
    list(walk([(a, ours), (b, theirs)], 6))
    state = ours.state_dict()
    assert state.keys() == theirs.state_dict().keys()
    assert state["_last_lr"] == theirs.state_dict()["_last_lr"]
    c, _ = optimizers()
    other = build(lr_scheduler, c)
    other.load_state_dict(state)
    c.load_state_dict(a.state_dict())
    for mine, resumed in walk([(a, ours), (c, other)], 10):
        assert mine == resumed


def test_pytorchs_state_loads():
    a, b = optimizers()
    ours, theirs = warmup(lr_scheduler, a), warmup(torch.optim.lr_scheduler, b)
    list(walk([(b, theirs)], 5))
    ours.load_state_dict(theirs.state_dict())
    a.load_state_dict(b.state_dict())
    for mine, other in walk([(a, ours), (b, theirs)], 12):
        assert mine == other


def test_functions_are_not_saved_but_attributes_are():
    a, _ = optimizers()
    state = lr_scheduler.LambdaLR(a, [halve, Slope(0.3)]).state_dict()
    assert state["lr_lambdas"] == [None, {"slope": 0.3}]
    slope = Slope(7)
    lr_scheduler.LambdaLR(a, [halve, slope]).load_state_dict(state)
    assert slope.slope == 0.3


@pytest.mark.parametrize("name", ["StepLR", "MultiStepLR", "ConstantLR", "LinearLR", "ExponentialLR", "PolynomialLR",
                                  "CosineAnnealingLR", "LambdaLR"])
def test_a_given_epoch_uses_the_closed_form_and_warns(name):
    args = {"StepLR": [4], "MultiStepLR": [[2, 5]], "ExponentialLR": [0.9], "CosineAnnealingLR": [7],
            "LambdaLR": [halve]}
    a, b = optimizers()
    ours = getattr(lr_scheduler, name)(a, *args.get(name, []))
    theirs = getattr(torch.optim.lr_scheduler, name)(b, *args.get(name, []))
    a.step()
    b.step()
    for epoch in (3, 9, 1, 6):
        with pytest.warns(UserWarning, match="epoch parameter"):
            theirs.step(epoch)
        with pytest.warns(UserWarning, match="epoch parameter"):
            ours.step(epoch)
        assert ours.get_last_lr() == theirs.get_last_lr()


@pytest.mark.parametrize("multiple", [1, 2])
def test_warm_restarts_take_fractions(multiple):
    a, b = optimizers()
    ours = lr_scheduler.CosineAnnealingWarmRestarts(a, 3, multiple)
    theirs = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(b, 3, multiple)
    for i in range(40):
        ours.step(i / 3)
        theirs.step(i / 3)
        assert ours.get_last_lr() == theirs.get_last_lr()
    with pytest.raises(ValueError, match="non-negative"):
        ours.step(-1)


@pytest.mark.parametrize("options", [
    {}, {"mode": "max"}, {"threshold_mode": "abs", "threshold": 0.05}, {"mode": "max", "threshold_mode": "abs"},
    {"patience": 1, "cooldown": 3, "factor": 0.5}, {"patience": 0, "min_lr": 0.02},
    {"patience": 0, "min_lr": [0.05, 0]}, {"patience": 0, "eps": 0.01},
])
def test_plateau(options):
    options = {"patience": 2, **options}
    rng = np.random.default_rng(0)
    a, b = optimizers()
    ours = lr_scheduler.ReduceLROnPlateau(a, **options)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(b, **options)
    assert ours.get_last_lr() == theirs.get_last_lr()
    for i in range(40):
        measure = math.nan if i == 5 else 1 / (1 + min(i, 15)) + 0.02 * rng.random()
        ours.step(measure)
        theirs.step(measure)
        assert ours.get_last_lr() == theirs.get_last_lr()
        assert ours.in_cooldown == theirs.in_cooldown
    assert ours.get_last_lr() != [0.1, 0.03]
    mine, other = ours.state_dict(), theirs.state_dict()
    assert mine == {key: other[key] for key in mine}
    assert other.keys() == mine.keys()
    resumed = lr_scheduler.ReduceLROnPlateau(a)
    resumed.load_state_dict(mine)
    assert resumed.state_dict() == mine


def test_plateau_after_a_new_group():
    a, _ = optimizers()
    one = lr_scheduler.ReduceLROnPlateau(a, patience=0, min_lr=0.01)
    several = lr_scheduler.ReduceLROnPlateau(a, patience=0, min_lr=[0.01, 0.02])
    a.add_param_group({"params": tensor(np.ones(1, np.float32), requires_grad=True), "lr": 1.0})
    for _ in range(2):
        one.step(1)
    assert one.get_last_lr() == pytest.approx([0.01, 0.01, 0.1])
    several.step(1)
    with pytest.raises(RuntimeError, match="number of param groups"):
        several.step(1)


# ---- warnings and errors ----

def messages(module, schedulers, steps):
    """The warnings of some calls, in order; only their beginnings, since the rest names PyTorch's pages."""
    x = tensor(np.ones(1, np.float32), requires_grad=True) if module is optim else torch.ones(1, requires_grad=True)
    optimizer = module.SGD([x], lr=0.1)
    scheduler = schedulers.StepLR(optimizer, 2)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        steps(optimizer, scheduler)
    return [(warning.category, str(warning.message)[:40]) for warning in caught]


def overridden(o, s):
    o.step = lambda: None
    s.step()


@pytest.mark.parametrize(("steps", "count"), [
    (lambda o, s: (o.step(), s.step(), o.step(), s.step()), 0),
    (lambda o, s: (s.step(), o.step(), s.step()), 1),
    (lambda o, s: (s.step(), s.step(), s.step()), 1),
    (overridden, 1),
    (lambda o, s: s.get_lr(), 1),
    (lambda o, s: (o.step(), s.step(4)), 1),
])
def test_warnings_are_pytorchs(steps, count):
    ours = messages(optim, lr_scheduler, steps)
    assert ours == messages(torch.optim, torch.optim.lr_scheduler, steps)
    assert len(ours) == count


@pytest.mark.parametrize("build", [
    simple("StepLR", 2, last_epoch=3),
    simple("LambdaLR", [halve]),
    simple("MultiplicativeLR", 3),
    simple("ConstantLR", 1.5),
    simple("ConstantLR", -0.5),
    simple("LinearLR", 0.0),
    simple("LinearLR", 0.5, 1.5),
    simple("CosineAnnealingWarmRestarts", 0),
    simple("CosineAnnealingWarmRestarts", 2, 0),
    simple("CosineAnnealingWarmRestarts", 2, 1, "a"),
    simple("OneCycleLR", 0.1),
    simple("OneCycleLR", 0.1, epochs=3),
    simple("OneCycleLR", 0.1, total_steps=0),
    simple("OneCycleLR", 0.1, epochs=0, steps_per_epoch=3),
    simple("OneCycleLR", 0.1, epochs=3, steps_per_epoch=-1),
    simple("OneCycleLR", 0.1, total_steps=9, pct_start=1.5),
    simple("OneCycleLR", 0.1, total_steps=9, anneal_strategy="sine"),
    simple("OneCycleLR", [0.1], total_steps=9),
    simple("ReduceLROnPlateau", factor=1.0),
    simple("ReduceLROnPlateau", mode="mean"),
    simple("ReduceLROnPlateau", threshold_mode="mean"),
    simple("ReduceLROnPlateau", min_lr=[0.1]),
    simple("SequentialLR", [], []),
    lambda m, o: m.SequentialLR(o, [m.StepLR(o, 2)], [3]),
    lambda m, o: m.SequentialLR(o, [m.ReduceLROnPlateau(o)], []),
    lambda m, o: m.SequentialLR(o, [3], []),
    lambda m, o: m.ChainedScheduler([]),
    lambda m, o: m.StepLR(3, 2),
], ids=range(28))
def test_errors_are_pytorchs(build):
    a, b = optimizers()
    errors = (ValueError, TypeError, KeyError)
    with pytest.raises(errors) as ours:
        build(lr_scheduler, a)
    with pytest.raises(errors) as theirs:
        build(torch.optim.lr_scheduler, b)
    assert ours.type is theirs.type
    assert str(ours.value)[:60] == str(theirs.value)[:60]


def test_one_cycle_ends_and_needs_momentum():
    a, _ = optimizers()
    scheduler = lr_scheduler.OneCycleLR(a, 0.1, total_steps=2)
    a.step()
    scheduler.step()
    scheduler.step()
    with pytest.raises(ValueError, match="Tried to step 3 times"):
        scheduler.step()
    a, _ = optimizers("Adagrad")
    with pytest.raises(ValueError, match="momentum or beta1"):
        lr_scheduler.OneCycleLR(a, 0.1, total_steps=2)


def test_schedules_of_another_optimizer_are_refused():
    a, _ = optimizers()
    b, _ = optimizers()
    with pytest.raises(ValueError, match="same optimizer"):
        lr_scheduler.SequentialLR(a, [lr_scheduler.StepLR(b, 2)], [])


def test_resuming_with_last_epoch():
    a, b = optimizers()
    ours, theirs = warmup(lr_scheduler, a), warmup(torch.optim.lr_scheduler, b)
    list(walk([(a, ours), (b, theirs)], 3))
    ours = lr_scheduler.CosineAnnealingLR(a, 7, last_epoch=3)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(b, 7, last_epoch=3)
    for mine, other in walk([(a, ours), (b, theirs)], 9):
        assert mine == other


def test_an_optimizer_is_freed_with_its_schedule():
    gc.disable()
    try:
        a, _ = optimizers()
        scheduler = lr_scheduler.StepLR(a, 2)
        gone = weakref.ref(a)
        del a, scheduler
        assert gone() is None
    finally:
        gc.enable()
