"""What all schedules share: counting steps, and writing the learning rate into the optimiser's groups."""
import warnings
from contextlib import contextmanager
from functools import wraps
from weakref import ref

from tinyrnn.optim.optimizer import Optimizer

__all__ = ["LRScheduler"]

EPOCH_DEPRECATION_WARNING = (
    "The epoch parameter in `scheduler.step()` was not necessary and is being deprecated where possible. Please use "
    "`scheduler.step()` to step the scheduler. During the deprecation, if epoch is different from None, the closed "
    "form is used instead of the new chainable form, where available.")
OVERRIDDEN_WARNING = (
    "Seems like `optimizer.step()` has been overridden after learning rate scheduler initialization. Please, make sure "
    "to call `optimizer.step()` before `lr_scheduler.step()`.")
ORDER_WARNING = (
    "Detected call of `lr_scheduler.step()` before `optimizer.step()`. You should call them in the opposite order: "
    "`optimizer.step()` before `lr_scheduler.step()`. Failure to do this will result in skipping the first value of "
    "the learning rate schedule.")


class LRScheduler:
    """Base of all schedules.

    A subclass gives ``get_lr()``: the learning rate of every group for the step ``last_epoch``. Most compute it from
    the current rates (chainable: several schedules may work on one optimiser); those also give
    ``_get_closed_form_lr()``, from the initial rates.

    last_epoch   the step reached; -1 starts anew, otherwise the groups must know their "initial_lr"
    """

    _get_lr_called_within_step = False
    _is_initial = False

    def __init__(self, optimizer, last_epoch=-1):
        check_optimizer(optimizer)
        self.optimizer = optimizer
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise KeyError(f"param 'initial_lr' is not specified in param_groups[{i}] when resuming scheduler with "
                               "last_epoch >= 0: load the state of the optimizer first")
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        watch_steps(optimizer)
        self._initial_step()

    def _initial_step(self):
        self._step_count = 0
        with flag(self, "_is_initial"):
            self.step()

    def state_dict(self):
        """Everything but the optimiser."""
        return {key: value for key, value in self.__dict__.items() if key != "optimizer"}

    def load_state_dict(self, state_dict):
        """Takes over what ``state_dict`` returned."""
        self.__dict__.update(state_dict)

    def get_last_lr(self):
        """The learning rate of every group, as the last step left it."""
        return self._last_lr

    def get_lr(self):
        """The learning rate of every group for the step ``last_epoch``."""
        raise NotImplementedError(f"{type(self).__name__} has no get_lr")

    def step(self, epoch=None):
        """Goes on to the next step, or to step ``epoch``. Call it after ``optimizer.step()``."""
        if self._step_count == 1:
            if not hasattr(self.optimizer.step, "_wrapped_by_lr_sched"):
                warnings.warn(OVERRIDDEN_WARNING, UserWarning, stacklevel=2)
            elif not getattr(self.optimizer, "_opt_called", False):
                warnings.warn(ORDER_WARNING, UserWarning, stacklevel=2)
        self._step_count += 1
        if epoch is not None:
            warnings.warn(EPOCH_DEPRECATION_WARNING, UserWarning, stacklevel=2)
        self._update_lr(epoch)

    def _update_lr(self, epoch=None):
        with flag(self, "_get_lr_called_within_step"):
            self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
            closed = epoch is not None and hasattr(self, "_get_closed_form_lr")
            self._set_lr(self._get_closed_form_lr() if closed else self.get_lr())

    def _set_lr(self, rates):
        for group, lr in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = lr
        self._last_lr = self._current()

    def _current(self):
        """The groups' learning rates now."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def _warn_outside_step(self):
        if not self._get_lr_called_within_step:
            warnings.warn("To get the last learning rate computed by the scheduler, please use `get_last_lr()`.",
                          UserWarning, stacklevel=3)


@contextmanager
def flag(scheduler, name):
    """Sets an attribute to True for a while."""
    setattr(scheduler, name, True)
    try:
        yield
    finally:
        setattr(scheduler, name, False)


def check_optimizer(optimizer):
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")


def watch_steps(optimizer):
    """Lets this optimiser note that its step was called, so that a wrong order can be warned of."""
    if hasattr(optimizer.step, "_wrapped_by_lr_sched"):
        return
    own, function = ref(optimizer), optimizer.step.__func__        # weak: an optimiser must not hold itself

    @wraps(function)
    def step(*args, **kwargs):
        this = own()
        this._opt_called = True
        return function(this, *args, **kwargs)
    step._wrapped_by_lr_sched = True
    optimizer.step = step


def one_per_group(name, optimizer, value):
    """A list with one value for each group, from such a list or from one value."""
    groups = len(optimizer.param_groups)
    if not isinstance(value, (list, tuple)):
        return [value] * groups
    if len(value) != groups:
        raise ValueError(f"{name} must have the same length as optimizer.param_groups. {name} has {len(value)} values, "
                         f"param_groups has {groups}.")
    return list(value)


def set_momentum(group, value):
    """Sets the momentum of a group; Adam's is its first beta."""
    if "betas" in group:
        group["betas"] = (value, *group["betas"][1:])
    else:
        group["momentum"] = value
