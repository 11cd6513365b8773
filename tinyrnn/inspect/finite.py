"""Where a NaN or an infinity comes from."""
from collections.abc import Mapping

import numpy as np

from tinyrnn.autograd.tensor import Tensor

__all__ = ["find_nan"]


class find_nan:  # noqa: N801 - used as a function
    """Raises FloatingPointError at the first module that makes a NaN or an infinity out of finite numbers::

        with inspect.find_nan(model):
            model(x).sum().backward()

    The message names the module by its path in the model, and whether it happened forward, in its output, or backward,
    in the gradient of its input or of a parameter. What is not finite when it arrives (the model's input, a parameter,
    the gradient of the loss) is named too.
    """

    def __init__(self, model):
        self.model = model

    def __enter__(self):
        self.handles, self.entered, self.seen = [], [], {}
        self.paths = {module: path for path, module in self.model.named_modules()}
        for module in self.paths:
            self.handles += [module.register_forward_pre_hook(self.enter, with_kwargs=True),
                             module.register_forward_hook(self.leave, with_kwargs=True)]
            for name, parameter in module.named_parameters(recurse=False):
                self.watch(parameter).owner = f"{name} of {self.name(self.paths[module])}"
        return self

    def __exit__(self, *_):
        for handle in self.handles:
            handle.remove()
        self.seen.clear()

    def name(self, path):
        return path or type(self.model).__name__

    def enter(self, module, args, kwargs):
        """Before a module runs: its parameters and its input."""
        path = self.paths[module]
        if not path:                                        # an earlier call may have been cut short
            self.entered.clear()
        for name, parameter in module.named_parameters(recurse=False):
            check(parameter, f"the parameter {name} of {self.name(path)} is not finite")
        inputs = list(tensors((args, kwargs)))
        finite = all(map(is_finite, inputs))
        if not self.entered:
            if not finite:
                raise FloatingPointError(f"find_nan: the input of {self.name(path)} is not finite")
            self.seen = {key: pair for key, pair in self.seen.items() if is_leaf(pair[0])}   # of this call alone
        self.entered.append(finite)
        for x in inputs:
            self.watch(x).takers[path] = True

    def leave(self, module, args, kwargs, output):
        """After a module has run: its output, and the gradient that will arrive there."""
        path, finite = self.paths[module], self.entered.pop()
        inputs = {id(x) for x in tensors((args, kwargs))}
        for y in tensors(output):
            if finite:
                check(y, f"forward: {self.name(path)} makes an output that is not finite from an input that is")
            trace = self.watch(y)
            trace.makers[path] = True
            if id(y) in inputs:                         # handed on as it came: it has no backward of its own
                trace.takers.pop(path, None)

    def watch(self, x):
        """The trace of a tensor, whose gradient is looked at when it is complete."""
        if id(x) not in self.seen:
            trace = Trace()
            self.seen[id(x)] = x, trace                 # the tensor is kept, so that its id stays its own
            if x.requires_grad:
                handle = x.register_hook(lambda grad: check(grad, f"backward: {self.blame(trace)}"))
                if is_leaf(x):                          # on others it goes with the tensor
                    self.handles.append(handle)
        return self.seen[id(x)][1]

    def blame(self, trace):
        if trace.owner:
            return f"the gradient of {trace.owner} is not finite"
        inner = [path for path in trace.takers if not any(is_below(other, path) for other in trace.takers)]
        if inner:
            return f"{' or '.join(map(self.name, inner))} makes a gradient that is not finite for its input"
        return f"the gradient that arrives at the output of {self.name(next(iter(trace.makers)))} is not finite"


class Trace:
    """Where a tensor has been: the modules that made it, innermost first, and those that took it as input."""

    def __init__(self):
        self.owner, self.makers, self.takers = None, {}, {}         # dicts as ordered sets


def is_leaf(x):
    return x.requires_grad and x.grad_fn is None


def is_below(path, above):
    return path != above and (above == "" or path.startswith(f"{above}."))


def check(x, message):
    if not is_finite(x):
        raise FloatingPointError(f"find_nan: {message}")


def is_finite(x):
    return x.dtype.kind != "f" or bool(np.isfinite(x.array).all())


def tensors(x):
    """The tensors in nested tuples, lists and mappings."""
    if isinstance(x, Tensor):
        yield x
    elif isinstance(x, (tuple, list, Mapping)):
        for part in x.values() if isinstance(x, Mapping) else x:
            yield from tensors(part)
