"""Recurrent cells: one step of the layers in ``recurrent.py``, with PyTorch's names and shapes."""

from tinyrnn.autograd.creation import empty, zeros
from tinyrnn.nn.parameter import Parameter
from tinyrnn.nn.recurrent import Recurrent, check_tensor


class RNNCellBase(Recurrent):
    """Parameters weight_ih (G*H, I), weight_hh (G*H, H), bias_ih, bias_hh (G*H), all from U(-1/sqrt(H), 1/sqrt(H))."""

    def __init__(self, input_size, hidden_size, bias, num_chunks, device=None, dtype=None, fused=True):
        super().__init__()
        for name, value in (("input_size", input_size), ("hidden_size", hidden_size)):
            if isinstance(value, bool) or not isinstance(value, int):
                raise TypeError(f"{name} should be of type int, got: {type(value).__name__}")
            if value <= 0:
                raise ValueError(f"{name} must be greater than zero")
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bool(bias)
        self.fused = bool(fused)
        rows = num_chunks * hidden_size
        self.weight_ih = Parameter(empty((rows, input_size), dtype=dtype, device=device))
        self.weight_hh = Parameter(empty((rows, hidden_size), dtype=dtype, device=device))
        for name in ("bias_ih", "bias_hh"):
            self.register_parameter(name, Parameter(empty((rows,), dtype=dtype, device=device)) if bias else None)
        self.reset_parameters()

    def extra_repr(self):
        return (f"{self.input_size}, {self.hidden_size}" + ("" if self.bias else ", bias=False")
                + ("" if self.fused else ", fused=False"))

    def enter(self, input, states):
        """Checks the input and the parts of the state and returns what the layers' operations take, for one step."""
        name = type(self).__name__
        for x in (input, *(states or ())):
            check_tensor(name, "every input and part of the state", x)
        if input.ndim not in (1, 2):
            raise ValueError(f"{name}: Expected input to be 1D or 2D, got {input.ndim}D instead")
        if input.dtype != self.weight_ih.dtype:
            raise ValueError(f"{name}: input dtype ({input.dtype}) does not match weight dtype "
                             f"({self.weight_ih.dtype})")
        if input.shape[-1] != self.input_size:
            raise RuntimeError(f"{name}: input has inconsistent input_size: got {input.shape[-1]} expected "
                               f"{self.input_size}, in an input of shape {input.shape}")
        expected = (*input.shape[:-1], self.hidden_size)
        if states is None:
            states = [zeros(expected, dtype=input.dtype)] * self.state_parts
        for k, part in enumerate(states):
            if part.ndim not in (1, 2):
                raise ValueError(f"{name}: Expected hx[{k}] to be 1D or 2D, got {part.ndim}D instead")
            if part.shape != expected:
                raise RuntimeError(f"{name}: Expected hx[{k}] of shape {expected} beside input {input.shape}, got "
                                   f"{part.shape}")
            if part.dtype != input.dtype:
                raise ValueError(f"{name}: hx[{k}] has dtype {part.dtype}, the input {input.dtype}")
        if input.ndim == 1:
            input, states = input.unsqueeze(0), [part.unsqueeze(0) for part in states]
        return (input.unsqueeze(0), *states, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)

    state_parts = 1


def leave(new, input):
    """The new state in the input's layout."""
    return new if input.ndim == 2 else new.squeeze(0)


class RNNCell(RNNCellBase):
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu: ``cell(input (B, I), hx (B, H) = zeros) -> (B, H)``.

    Without a batch, (I,) and (H,). A wrong shape or dtype raises.
    """

    def __init__(self, input_size, hidden_size, bias=True, nonlinearity="tanh", device=None, dtype=None, *,
                 fused=True):
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'.")
        super().__init__(input_size, hidden_size, bias, 1, device, dtype, fused)
        self.nonlinearity = nonlinearity

    def extra_repr(self):
        return super().extra_repr() + ("" if self.nonlinearity == "tanh" else f", nonlinearity={self.nonlinearity}")

    def forward(self, input, hx=None):
        step = self.enter(input, None if hx is None else [hx])
        return leave(self.operations.rnn(*step, nonlinearity=self.nonlinearity)[1], input)


class GRUCell(RNNCellBase):
    """One step of :class:`GRU`: ``cell(input (B, I), hx (B, H) = zeros) -> (B, H)``; without a batch, (I,) and (H,)."""

    def __init__(self, input_size, hidden_size, bias=True, device=None, dtype=None, *, reset_after=True, fused=True):
        super().__init__(input_size, hidden_size, bias, 3, device, dtype, fused)
        self.reset_after = bool(reset_after)

    def extra_repr(self):
        return super().extra_repr() + ("" if self.reset_after else ", reset_after=False")

    def forward(self, input, hx=None):
        step = self.enter(input, None if hx is None else [hx])
        return leave(self.operations.gru(*step, reset_after=self.reset_after)[1], input)


class LSTMCell(RNNCellBase):
    """One step of :class:`LSTM`: ``cell(input (B, I), (h, c) = zeros) -> (h', c')``, each (B, H); or without B."""

    state_parts = 2

    def __init__(self, input_size, hidden_size, bias=True, device=None, dtype=None, *, fused=True):
        super().__init__(input_size, hidden_size, bias, 4, device, dtype, fused)

    def forward(self, input, hx=None):
        if hx is not None and (not isinstance(hx, (tuple, list)) or len(hx) != 2):
            raise TypeError("LSTMCell: expected the state as (h, c)")
        _, h, c = self.operations.lstm(*self.enter(input, hx))
        return leave(h, input), leave(c, input)
