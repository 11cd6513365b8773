"""The state of recurrent layers, carried from one piece of a long sequence to the next."""
from tinyrnn.autograd.tensor import Tensor

__all__ = ["CarriedState", "detach_state"]


def detach_state(state):
    """The same state without its history, so that a gradient stops there: h, (h, c), or any nesting of them; or None.

    Truncated backpropagation through time (Williams and Peng 1990) is one line more than backpropagation:

        for x, y in windows:
            output, state = rnn(x, detach_state(state))
    """
    if state is None:
        return None
    if isinstance(state, Tensor):
        return state.detach()
    if isinstance(state, (tuple, list)):
        parts = [detach_state(part) for part in state]
        return type(state)(*parts) if hasattr(state, "_fields") else type(state)(parts)
    raise TypeError(f"detach_state: a state is a tensor, or a tuple or list of states, not {type(state).__name__}")


class CarriedState:
    """A place for the state between two updates that can be saved with a model, so that a training can go on.

    ``value`` is the state without history; None, at first and after ``reset()``, is the beginning of a sequence.
    """

    def __init__(self):
        self.value = None

    def keep(self, state):
        """Keeps the state, without its history, for the next piece."""
        self.value = detach_state(state)

    def reset(self):
        """Back to the beginning of a sequence."""
        self.value = None

    def state_dict(self):
        return {"value": self.value}

    def load_state_dict(self, state_dict):
        self.value = state_dict["value"]
