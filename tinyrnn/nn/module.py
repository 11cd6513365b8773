"""Module: the base of everything that has parameters."""
from collections import OrderedDict

from tinyrnn.autograd.device import device as Device
from tinyrnn.autograd.dtypes import as_dtype, float32, float64
from tinyrnn.autograd.handle import RemovableHandle
from tinyrnn.autograd.tensor import Tensor
from tinyrnn.nn import state
from tinyrnn.nn.parameter import Buffer, Parameter, forget_gradient


class Module:
    """The base class of layers and models, with PyTorch's interface.

    A subclass calls ``super().__init__()``, assigns its parameters and layers as attributes, and defines ``forward``;
    calling the module calls ``forward``. Attributes that are a :class:`Parameter`, a :class:`Module` or a
    :class:`Buffer` are registered under their names: that is how ``parameters()``, ``state_dict()`` and ``train()``
    find them.
    """

    def __init__(self):
        self.__dict__.update(
            training=True, _parameters={}, _buffers={}, _non_persistent_buffers_set=set(), _modules={},
            _forward_hooks=OrderedDict(), _forward_pre_hooks=OrderedDict())

    def forward(self, *args, **kwargs):
        raise NotImplementedError(f'Module [{type(self).__name__}] is missing the required "forward" function')

    # ---- calling ----

    def __call__(self, *args, **kwargs):
        if not self._forward_hooks and not self._forward_pre_hooks:
            return self.forward(*args, **kwargs)
        for hook, with_kwargs in list(self._forward_pre_hooks.values()):
            if with_kwargs:
                changed = hook(self, args, kwargs)
                if changed is not None:
                    if not isinstance(changed, tuple) or len(changed) != 2:
                        raise RuntimeError("forward pre-hook must return None or a tuple of (new_args, new_kwargs), "
                                           f"but got {changed}.")
                    args, kwargs = changed
            else:
                changed = hook(self, args)
                if changed is not None:
                    args = changed if isinstance(changed, tuple) else (changed,)
        output = self.forward(*args, **kwargs)
        for hook, with_kwargs in list(self._forward_hooks.values()):
            changed = hook(self, args, kwargs, output) if with_kwargs else hook(self, args, output)
            output = output if changed is None else changed
        return output

    def register_forward_pre_hook(self, hook, *, prepend=False, with_kwargs=False):
        """Calls ``hook(module, args)`` before ``forward``; what it returns, if anything, replaces the arguments.

        With ``with_kwargs`` it is ``hook(module, args, kwargs)``, which returns both. Returns a handle: ``remove()``.
        """
        return add_hook(self._forward_pre_hooks, hook, prepend, with_kwargs)

    def register_forward_hook(self, hook, *, prepend=False, with_kwargs=False):
        """Calls ``hook(module, args, output)`` after ``forward``; what it returns, if anything, replaces the output.

        With ``with_kwargs`` it is ``hook(module, args, kwargs, output)``. Returns a handle: ``remove()``.
        """
        return add_hook(self._forward_hooks, hook, prepend, with_kwargs)

    # ---- attributes ----

    def __setattr__(self, name, value):
        if isinstance(value, Parameter):
            self._forget(name, "_parameters", "parameters")
            self.register_parameter(name, value)
        elif name in self.__dict__.get("_parameters", ()):
            self._parameters[name] = only_none(name, value, "parameter", "Parameter")
        elif isinstance(value, Module):
            self._forget(name, "_modules", "module")
            self._modules[name] = value
        elif name in self.__dict__.get("_modules", ()):
            self._modules[name] = only_none(name, value, "child module", "Module")
        elif isinstance(value, Buffer) or name in self.__dict__.get("_buffers", ()):
            self._set_buffer(name, value)
        else:
            super().__setattr__(name, value)

    def _set_buffer(self, name, value):
        if value is not None and not isinstance(value, Tensor):
            raise TypeError(f"cannot assign '{type(value).__name__}' as buffer '{name}' "
                            "(Buffer, Tensor or None expected)")
        default = name not in self.__dict__.get("_non_persistent_buffers_set", ())
        self.register_buffer(name, value, getattr(value, "persistent", default))

    def _forget(self, name, keep, what):
        """Takes a name out of every place that can hold one, except ``keep``."""
        if keep not in self.__dict__:
            raise AttributeError(f"cannot assign {what} before Module.__init__() call")
        self.__dict__.pop(name, None)
        for members in {"_parameters", "_buffers", "_modules"} - {keep}:
            self.__dict__[members].pop(name, None)
        self._non_persistent_buffers_set.discard(name)

    def __getattr__(self, name):                    # called only for what is not an ordinary attribute
        for members in ("_parameters", "_buffers", "_modules"):
            found = self.__dict__.get(members)
            if found is not None and name in found:
                return found[name]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __delattr__(self, name):
        for members in (self._parameters, self._buffers, self._modules):
            if name in members:
                del members[name]
                self._non_persistent_buffers_set.discard(name)
                return
        super().__delattr__(name)

    def __dir__(self):
        names = [*super().__dir__(), *self._parameters, *self._modules, *self._buffers]
        return sorted({name for name in names if not name[:1].isdigit()})

    # ---- registration ----

    def register_parameter(self, name, param):
        """Adds a parameter, or None as the place of one."""
        self._check_name("parameter", "_parameters", name)
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(f"cannot assign '{type(param).__name__}' object to parameter '{name}' "
                            "(Parameter or None required)")
        if param is not None and param.grad_fn is not None:
            raise ValueError(f"Cannot assign non-leaf Tensor to parameter '{name}'. Model parameters must be created "
                             f"explicitly. To express '{name}' as a function of another Tensor, compute the value in "
                             "the forward() method.")
        self._parameters[name] = param

    def register_buffer(self, name, tensor, persistent=True):
        """Adds a tensor that is state but not trained; with ``persistent`` it is part of the ``state_dict``."""
        self._check_name("buffer", "_buffers", name)
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(f"cannot assign '{type(tensor).__name__}' object to buffer '{name}' "
                            "(Tensor or None required)")
        self._buffers[name] = tensor
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def register_module(self, name, module):
        """Adds a child module, or None as the place of one."""
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"{type(module).__name__} is not a Module subclass")
        self._check_name("module", "_modules", name)
        self._modules[name] = module

    def add_module(self, name, module):
        """The same as :meth:`register_module`."""
        self.register_module(name, module)

    def _check_name(self, what, members, name):
        if members not in self.__dict__:
            raise AttributeError(f"cannot assign {what} before Module.__init__() call")
        if not isinstance(name, str):
            raise TypeError(f"{what} name should be a string. Got {type(name).__name__}")
        if "." in name:
            raise KeyError(f'{what} name can\'t contain "."' + (f", got: {name}" if what == "module" else ""))
        if name == "":
            raise KeyError(f'{what} name can\'t be empty string ""')
        if name not in self.__dict__[members] and hasattr(self, name):
            raise KeyError(f"attribute '{name}' already exists")

    # ---- walking ----

    def _members(self, which, prefix, recurse, remove_duplicate):
        seen = set()
        for path, module in self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate) if recurse \
                else [(prefix, self)]:
            for name, value in getattr(module, which).items():
                if value is None or id(value) in seen:
                    continue
                if remove_duplicate:
                    seen.add(id(value))
                yield f"{path}.{name}" if path else name, value

    def named_parameters(self, prefix="", recurse=True, remove_duplicate=True):
        """(name, parameter) pairs, a shared parameter once."""
        return self._members("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse=True):
        """The parameters of this module and, with ``recurse``, of those below."""
        return (p for _, p in self.named_parameters(recurse=recurse))

    def named_buffers(self, prefix="", recurse=True, remove_duplicate=True):
        """(name, buffer) pairs."""
        return self._members("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse=True):
        """The buffers of this module and, with ``recurse``, of those below."""
        return (b for _, b in self.named_buffers(recurse=recurse))

    def named_children(self):
        """(name, module) pairs of the modules directly below."""
        seen = set()
        for name, module in self._modules.items():
            if module is not None and id(module) not in seen:
                seen.add(id(module))
                yield name, module

    def children(self):
        """The modules directly below."""
        return (module for _, module in self.named_children())

    def named_modules(self, memo=None, prefix="", remove_duplicate=True):
        """(path, module) pairs: this module and all below, in depth-first order. ``memo``: modules to leave out."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                yield from module.named_modules(memo, f"{prefix}.{name}" if prefix else name, remove_duplicate)

    def modules(self):
        """This module and all below."""
        return (module for _, module in self.named_modules())

    def get_submodule(self, target):
        """The module at a path such as "encoder.rnn"; "" is this one."""
        module = self
        for name in target.split(".") if target else ():
            if not hasattr(module, name):
                raise AttributeError(f"{type(module).__name__} has no attribute `{name}`")
            module = getattr(module, name)
            if not isinstance(module, Module):
                raise AttributeError(f"`{name}` is not an nn.Module")
        return module

    def get_parameter(self, target):
        """The parameter at a path such as "encoder.rnn.weight_ih_l0"."""
        return self._find(target, Parameter, "_parameters", "an nn.Parameter")

    def get_buffer(self, target):
        """The buffer at a path."""
        return self._find(target, Tensor, "_buffers", "a buffer")

    def _find(self, target, kind, members, article):
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        if not hasattr(module, name):
            raise AttributeError(f"{type(module).__name__} has no attribute `{name}`")
        value = getattr(module, name)
        if not isinstance(value, kind) or name not in getattr(module, members):
            raise AttributeError(f"`{name}` is not {article}")
        return value

    # ---- changing all at once ----

    def apply(self, fn):
        """Calls ``fn(module)`` for every module below, then for this one."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def train(self, mode=True):
        """Sets ``training`` here and below: what dropout goes by."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self):
        """Leaves training mode."""
        return self.train(False)

    def requires_grad_(self, requires_grad=True):
        """Says whether gradients are wanted for all parameters."""
        for p in self.parameters():
            p.requires_grad = requires_grad
        return self

    def zero_grad(self, set_to_none=True):
        """Forgets the gradients of all parameters, or sets them to zero."""
        for p in self.parameters():
            forget_gradient(p, set_to_none)

    def to(self, *args, device=None, dtype=None, non_blocking=False):
        """Converts the float parameters and buffers, in place: ``to(dtype)``, ``to("cpu", dtype)``, ``to(tensor)``.

        The CPU is the only device; any other raises. ``non_blocking``, which may come last, has nothing to wait for.
        """
        for value in args[:-1] if args and isinstance(args[-1], bool) else args:
            if isinstance(value, (str, Device)):
                device = value
            elif value is not None:
                dtype = value.dtype if isinstance(value, Tensor) else value
        if device is not None:
            Device(device)
        if dtype is not None:
            state.convert(self, as_dtype("Module.to", dtype))
        return self

    def float(self):
        """Converts to float32."""
        return self.to(float32)

    def double(self):
        """Converts to float64."""
        return self.to(float64)

    def cpu(self):
        """Does nothing: everything is there."""
        return self

    # ---- saving ----

    def state_dict(self, *, destination=None, prefix="", keep_vars=False):
        """All parameters and persistent buffers by name, in an ordered dict.

        The tensors lie on the module's own memory, without history; with ``keep_vars`` they are the parameters
        themselves. Given a ``destination``, it is filled and returned. A module that has more to keep defines
        ``get_extra_state()`` and ``set_extra_state(state)``.
        """
        return state.collect(self, OrderedDict() if destination is None else destination, prefix, keep_vars)

    def load_state_dict(self, state_dict, strict=True, assign=False):
        """Copies values from a mapping of names to tensors or arrays into this module.

        ``strict``: names missing here or there raise. A shape that differs always raises. Everything is checked
        first: if anything does not fit, a RuntimeError lists all of it and nothing has been changed. ``assign`` takes
        the tensors themselves instead of copying. Returns ``(missing_keys, unexpected_keys)``.
        """
        return state.load(self, state_dict, strict, assign)

    # ---- showing ----

    def extra_repr(self):
        """What ``repr`` shows between the brackets."""
        return ""

    def __repr__(self):
        extra = self.extra_repr().splitlines()
        children = [f"({name}): {indent(repr(module))}" for name, module in self._modules.items()]
        if len(extra) == 1 and not children:
            return f"{type(self).__name__}({extra[0]})"
        body = "".join(f"\n  {line}" for line in extra + children)
        return f"{type(self).__name__}({body}" + ("\n)" if body else ")")


def indent(text):
    """All lines but the first, two to the right."""
    return text.replace("\n", "\n  ")


def only_none(name, value, what, expected):
    if value is not None:
        raise TypeError(f"cannot assign '{type(value).__name__}' as {what} '{name}' ({expected} or None expected)")


def add_hook(hooks, hook, prepend, with_kwargs):
    handle = RemovableHandle(hooks, (hook, with_kwargs))
    if prepend:
        hooks.move_to_end(next(reversed(hooks)), last=False)
    return handle
