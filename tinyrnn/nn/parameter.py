"""Parameter: a tensor that a module trains; Buffer: one that it only keeps."""
from tinyrnn.autograd.tensor import Tensor


class Parameter(Tensor):
    """A tensor that becomes a parameter of the module it is assigned to.

    ``Parameter(data, requires_grad=True)`` lies on the memory of ``data`` and has no history. What is computed from a
    parameter is a plain tensor. Without ``data`` it is empty.
    """

    def __init__(self, data=None, requires_grad=True):
        place(self, data)
        self.requires_grad = requires_grad

    def __deepcopy__(self, memo):
        """A parameter with its own memory; its gradient is not copied."""
        grad, self.grad = self.grad, None
        try:
            return super().__deepcopy__(memo)
        finally:
            self.grad = grad

    def __repr__(self):
        return "Parameter containing:\n" + super().__repr__()


class Buffer(Tensor):
    """A tensor that becomes a buffer of the module it is assigned to: state that is not trained.

    It is saved in the ``state_dict`` unless ``persistent`` is False.
    """

    def __init__(self, data=None, *, persistent=True):
        place(self, data)
        self.persistent = persistent


def forget_gradient(tensor, set_to_none):
    """The tensor has no gradient from now on, or the same one, without its history and full of zeros."""
    if set_to_none or tensor.grad is None:
        tensor.grad = None
        return
    if tensor.grad.grad_fn is None:
        tensor.grad.requires_grad = False
    else:
        tensor.grad.detach_()
    tensor.grad.zero_()


def place(tensor, data):
    """Puts a new tensor on the memory of ``data``."""
    if data is None:
        return
    if not isinstance(data, Tensor):
        raise TypeError(f"{type(tensor).__name__}: expected a tensor, not {type(data).__name__}")
    tensor.data = data
