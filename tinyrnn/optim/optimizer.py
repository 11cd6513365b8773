"""What all optimisers share: groups of parameters with their options, the state of each parameter, saving, loading.

An optimiser is a subclass that says how its options are checked (``check``) and how one parameter takes one step
(``update``). The arithmetic of a step is one compiled loop, see ``tinyrnn.autograd.ops_optimise``.
"""
import copy
import warnings
from collections import defaultdict
from itertools import chain

from tinyrnn.autograd.creation import tensor
from tinyrnn.autograd.grad_mode import enable_grad
from tinyrnn.autograd.tensor import Tensor
from tinyrnn.nn.parameter import forget_gradient

__all__ = ["Optimizer"]


class Optimizer:
    """Base of all optimisers.

    params    an iterable of tensors, of (name, tensor) pairs, or of dicts: groups with a "params" entry and options
    defaults  the options of a group that does not give its own

    ``param_groups`` is a list of dicts and may be changed between steps; ``state`` maps each parameter to a dict.
    """

    def __init__(self, params, defaults):
        if isinstance(params, Tensor):
            raise TypeError("params argument given to the optimizer should be an iterable of Tensors or dicts, "
                            f"but got {type(params).__name__}")
        self.check(defaults)
        self.defaults = defaults
        self.state = defaultdict(dict)
        self.param_groups = []
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        for group in groups if isinstance(groups[0], dict) else [{"params": groups}]:
            self.add_param_group(group)

    def __getstate__(self):
        return {"defaults": self.defaults, "state": self.state, "param_groups": self.param_groups}

    def __repr__(self):
        groups = "".join(
            f"Parameter Group {i}\n" + "".join(f"    {key}: {group[key]}\n" for key in sorted(group) if key != "params")
            for i, group in enumerate(self.param_groups))
        return f"{type(self).__name__} (\n{groups})"

    # ---- what a subclass says ----

    def check(self, options):
        """Raises ValueError for options that make no sense. Called with the defaults and with every group."""

    def update(self, parameter, group):
        """One step of one parameter that has a gradient, in place."""
        raise NotImplementedError(f"{type(self).__name__} has no update")

    # ---- training ----

    def step(self, closure=None):
        """One step of every parameter that has a gradient.

        ``closure`` computes the loss anew, with gradients, before the step; what it returns is returned.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self.update(parameter, group)
        return loss

    def zero_grad(self, set_to_none=True):
        """Forgets the gradients; with ``set_to_none=False`` fills them with zeros instead."""
        for parameter in chain.from_iterable(group["params"] for group in self.param_groups):
            forget_gradient(parameter, set_to_none)

    # ---- groups ----

    def add_param_group(self, param_group):
        """Adds a group: a dict with "params" and any options that differ from the defaults."""
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        params, names = split_names(param_group["params"])
        for parameter in params:
            if not isinstance(parameter, Tensor):
                raise TypeError("optimizer can only optimize Tensors, "
                                f"but one of the params is {type(parameter).__name__}")
            if not parameter.is_leaf:
                raise ValueError("can't optimize a non-leaf Tensor")
        group = {**self.defaults, **param_group, "params": params}
        if names:
            group["param_names"] = names
        self.check(group)
        self.check_against_others(group)
        param_group.update(group)
        self.param_groups.append(param_group)

    def check_against_others(self, new):
        present = set(chain.from_iterable(group["params"] for group in self.param_groups))
        if len(new["params"]) != len(set(new["params"])):
            warnings.warn("optimizer contains a parameter group with duplicate parameters; "
                          "in future, this will cause an error", stacklevel=5)
        if any(("param_names" in new) != ("param_names" in group) for group in self.param_groups):
            kind = "with names" if "param_names" in new else "without names"
            raise ValueError("all optimizer param groups should be with/without names. "
                             f"cannot add param group {kind} to the optimizer")
        if not present.isdisjoint(new["params"]):
            raise ValueError("some parameters appear in more than one parameter group")

    # ---- saving and loading ----

    def state_dict(self):
        """{"state": {number: state}, "param_groups": [...]} with a number in place of each parameter: PyTorch's format.

        The tensors in it are the optimiser's own, not copies.
        """
        numbers = {}
        for parameter in chain.from_iterable(group["params"] for group in self.param_groups):
            numbers.setdefault(parameter, len(numbers))
        groups = [{**{key: value for key, value in group.items() if key != "params"},
                   "params": [numbers[parameter] for parameter in group["params"]]} for group in self.param_groups]
        return {"state": {numbers.get(key, key): value for key, value in self.state.items()}, "param_groups": groups}

    def load_state_dict(self, state_dict):
        """Takes over a copy of what ``state_dict`` returned. Parameters are matched by their order.

        Floating-point state takes the dtype of its parameter. Raises ValueError if the groups do not fit; then
        nothing has changed.
        """
        saved = copy.deepcopy(state_dict["param_groups"])
        if len(saved) != len(self.param_groups):
            raise ValueError("loaded state dict has a different number of parameter groups")
        if any(len(a["params"]) != len(b["params"]) for a, b in zip(self.param_groups, saved, strict=True)):
            raise ValueError("loaded state dict contains a parameter group that doesn't match the size of "
                             "optimizer's group")
        parameters = dict(zip(chain.from_iterable(group["params"] for group in saved),
                              chain.from_iterable(group["params"] for group in self.param_groups), strict=True))
        state = defaultdict(dict)
        for key, value in state_dict["state"].items():
            if key in parameters:
                state[parameters[key]] = copied(value, parameters[key])
            else:
                state[key] = value
        for new, old in zip(saved, self.param_groups, strict=True):
            new["params"] = old["params"]
            if "param_names" in old:
                new.setdefault("param_names", old["param_names"])
            for name, default in self.defaults.items():
                new.setdefault(name, default)
            self.check({**new, "lr": self.defaults.get("lr")})      # a schedule may have led the rate anywhere
        self.state, self.param_groups = state, saved


def split_names(params):
    """The tensors of a group, and their names if they came as (name, tensor) pairs."""
    if isinstance(params, Tensor):
        return [params], []
    if isinstance(params, set):
        raise TypeError("optimizer parameters need to be organized in ordered collections, but the ordering of tensors "
                        "in sets will change between runs. Please use a list instead.")
    params = list(params)
    names = [item[0] for item in params if isinstance(item, tuple)]
    if names and len(names) != len(params):
        raise ValueError("all optimizer params should be with/without names. Some param names are missing")
    return [item[1] for item in params] if names else params, names


def copied(value, parameter, key=None):
    """A copy of one parameter's state; real tensors take the parameter's dtype, but a count of steps keeps its own."""
    if isinstance(value, dict):
        return {name: copied(item, parameter, name) for name, item in value.items()}
    if key == "step" and isinstance(value, (int, float)):
        return tensor(float(value))
    if not isinstance(value, Tensor):
        return copy.deepcopy(value)
    keeps = key == "step" or value.dtype.kind != "f"
    return tensor(value.array, dtype=value.dtype if keeps else parameter.dtype)


def new_step():
    """A count of steps, as PyTorch keeps it: a float32 tensor without dimensions."""
    return tensor(0.0)


def check_range(options, **names):
    """ValueError unless every option is a number >= 0: name="text in the message"."""
    for name, text in names.items():
        value = options[name]
        if isinstance(value, Tensor):
            raise TypeError(f"{name} must be a Python number, not a Tensor")
        if not 0.0 <= value:
            raise ValueError(f"Invalid {text}: {value}")


def refuse(options):
    """ValueError where an option of PyTorch that has no meaning here is on: every step is one compiled loop."""
    for name in ("foreach", "fused", "capturable", "differentiable"):
        if options.get(name) not in (None, False):
            raise ValueError(f"{name}={options[name]!r} is not supported: every step is already one compiled loop")
