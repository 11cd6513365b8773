"""What a module holds, as a whole: saved to a dict of tensors, loaded from one, converted to another dtype."""
from collections import namedtuple
from collections.abc import Mapping

import numpy as np

from tinyrnn.autograd.arrays import cast
from tinyrnn.autograd.engine import record
from tinyrnn.autograd.grad_mode import no_grad
from tinyrnn.autograd.tensor import Tensor
from tinyrnn.nn.parameter import Parameter

NUMBERS = "fiub"                                    # kinds of dtype that have a real value
EXTRA = "_extra_state"                              # what a module with get_extra_state keeps besides tensors


class IncompatibleKeys(namedtuple("IncompatibleKeys", ["missing_keys", "unexpected_keys"])):
    """The names that only one of the two sides knew."""

    __slots__ = ()

    def __repr__(self):
        return super().__repr__() if self.missing_keys or self.unexpected_keys else "<All keys matched successfully>"

    __str__ = __repr__


def persistent(module):
    """(name, tensor) pairs of what is saved of one module without its children."""
    for name, tensor in [*module._parameters.items(), *module._buffers.items()]:
        if tensor is not None and name not in module._non_persistent_buffers_set:
            yield name, tensor


def places(module, prefix=""):
    """(key, module, name, tensor) for all that is saved, a shared tensor under each of its names."""
    for name, tensor in persistent(module):
        yield prefix + name, module, name, tensor
    for name, child in module._modules.items():
        if child is not None:
            yield from places(child, f"{prefix}{name}.")


def collect(module, destination, prefix, keep_vars):
    """Fills ``destination``; children add their own part, so that a subclass can override ``state_dict``."""
    for name, tensor in persistent(module):
        destination[prefix + name] = tensor if keep_vars else tensor.detach()
    if hasattr(module, "get_extra_state"):
        destination[prefix + EXTRA] = module.get_extra_state()
    for name, child in module._modules.items():
        if child is not None:
            child.state_dict(destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
    return destination


# ---- loading ---------------------------------------------------------------------------------------------------------

def load(module, state_dict, strict, assign):
    """Checks everything, then copies everything."""
    if not isinstance(state_dict, Mapping):
        raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
    expected = list(places(module))
    extra = {f"{path}.{EXTRA}".lstrip("."): part for path, part in module.named_modules(remove_duplicate=False)
             if hasattr(part, "set_extra_state")}
    known = dict.fromkeys([key for key, *_ in expected] + list(extra))
    missing = [key for key in known if key not in state_dict]
    unexpected = [key for key in state_dict if key not in known]
    errors = []
    if strict and missing:
        errors.append("Missing key(s) in state_dict: {}. ".format(", ".join(f'"{key}"' for key in missing)))
    if strict and unexpected:
        errors.append("Unexpected key(s) in state_dict: {}. ".format(", ".join(f'"{key}"' for key in unexpected)))
    own = {tensor.data_ptr() for *_, tensor in expected}
    found = [(place, as_values(place, state_dict[place[0]], assign, errors, own)) for place in expected
             if place[0] in state_dict]
    if errors:
        raise RuntimeError("Error(s) in loading state_dict for {}:\n\t{}".format(
            type(module).__name__, "\n\t".join(errors)))
    for (key, owner, name, tensor), values in found:
        put(owner, name, tensor, state_dict[key], values, assign)
    for key in extra.keys() & state_dict.keys():
        extra[key].set_extra_state(state_dict[key])
    return IncompatibleKeys(missing, unexpected)


def as_values(place, given, assign, errors, own):
    """The given values as an array that fits the place, or a line in ``errors``. ``own``: where the module's tensors
    lie; values of another one there are copied before it is written to."""
    key, _, _, tensor = place
    if not isinstance(given, Tensor) and not hasattr(given, "__array__"):
        errors.append(f'While copying the parameter named "{key}", expected Tensor or Tensor-like object from '
                      f"checkpoint but received {type(given)}")
        return None
    values = given.array if isinstance(given, Tensor) else np.asarray(given)
    if tensor.shape == () and values.shape == (1,):
        values = values[0:1].reshape(())
    if values.shape != tensor.shape:
        errors.append(f"size mismatch for {key}: copying a param with shape {values.shape} from checkpoint, the shape "
                      f"in current model is {tensor.shape}.")
    elif values.dtype.kind not in NUMBERS or (assign and values.dtype.kind != tensor.dtype.kind):
        errors.append(f'While copying the parameter named "{key}", its dtype {values.dtype} cannot become '
                      f"{tensor.dtype}")
    elif not assign and not tensor.array.flags.writeable:
        errors.append(f'While copying the parameter named "{key}": its memory is read-only')
    there = values.__array_interface__["data"][0]
    return values.copy() if not assign and there in own and there != tensor.data_ptr() else values


def put(owner, name, tensor, given, values, assign):
    if not assign:
        with no_grad():
            tensor.copy_(record(cast(values, tensor.dtype), (), None))
        return
    new = given if isinstance(given, Tensor) else record(values, (), None)
    if isinstance(tensor, Parameter):
        new = new if isinstance(new, Parameter) else Parameter(new, requires_grad=False)
        new.requires_grad = tensor.requires_grad
    setattr(owner, name, new)


# ---- converting ------------------------------------------------------------------------------------------------------

def convert(module, dtype):
    """Converts the float parameters (with their gradients) and buffers of a module and those below to ``dtype``."""
    if dtype not in (np.float32, np.float64):
        raise TypeError(f"Module.to only accepts floating point dtypes, but got desired dtype={dtype}")
    for owner in module.modules():
        for p in owner._parameters.values():
            if p is not None and p.dtype != dtype:
                grad, p.grad = p.grad, None
                p.data = p.data.to(dtype)
                p.grad = None if grad is None else grad.detach().to(dtype)
        for name, buffer in owner._buffers.items():
            if buffer is not None and buffer.dtype.kind == "f":
                owner._buffers[name] = buffer if buffer.dtype == dtype else buffer.detach().to(dtype)
