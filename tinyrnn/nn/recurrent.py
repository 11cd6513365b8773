"""Recurrent layers and cells, with PyTorch's names, shapes, parameters and initial values.

The arithmetic is in ``autograd/fused_recurrent.pyx``, and in primitive operations in ``autograd/reference.py``; here
are the parameters, the checks and the stacking of layers and directions.
"""
import math
import warnings
from numbers import Number

from tinyrnn.autograd import fused_recurrent, reference
from tinyrnn.autograd.creation import empty
from tinyrnn.autograd.fused import is_fused_enabled
from tinyrnn.autograd.grad_mode import no_grad
from tinyrnn.autograd.ops_join import cat, stack
from tinyrnn.autograd.streaming import Stepper
from tinyrnn.autograd.tensor import Tensor
from tinyrnn.nn import init
from tinyrnn.nn.lengths import as_lengths, dropout_of_steps
from tinyrnn.nn.module import Module
from tinyrnn.nn.parameter import Parameter
from tinyrnn.nn.utils.rnn import PackedSequence, pad_packed_sequence, repack

WEIGHTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
GATES = {"RNN_TANH": 1, "RNN_RELU": 1, "GRU": 3, "LSTM": 4}


class Recurrent(Module):
    """What layers and cells share."""

    def reset_parameters(self):
        bound = 1.0 / math.sqrt(self.hidden_size)
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    @property
    def operations(self):
        """The module whose rnn, gru and lstm do the work."""
        return fused_recurrent if self.fused and is_fused_enabled() else reference


class RNNBase(Recurrent):
    """What RNN, GRU and LSTM share: parameters, checks, layers and directions.

    Parameters of layer k, in this order; those of the reverse direction end in ``_reverse``:
    weight_ih_l{k} (G*H, I or D*H_out), weight_hh_l{k} (G*H, H_out), bias_ih_l{k} and bias_hh_l{k} (G*H), and with
    projection weight_hr_l{k} (P, H). All start from U(-1/sqrt(H), 1/sqrt(H)).
    """

    def __init__(self, mode, input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0.0,
                 bidirectional=False, proj_size=0, device=None, dtype=None, *, fused=True):
        super().__init__()
        if mode not in GATES:
            raise ValueError(f"Unrecognized RNN mode: {mode}")
        check_layer_arguments(input_size, hidden_size, num_layers, bias, batch_first, dropout, proj_size)
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bool(bidirectional)
        self.proj_size = proj_size
        self.fused = bool(fused)
        for layer in range(num_layers):
            for suffix in self.suffixes(layer):
                for name, shape in self.parameter_shapes(layer):
                    self.register_parameter(name + suffix, Parameter(empty(shape, dtype=dtype, device=device)))
        names = self.parameter_names()
        self.weight_names = [tuple(name + suffix if name in names else None for name in WEIGHTS)
                             for layer in range(num_layers) for suffix in self.suffixes(layer)]
        self.reset_parameters()
        self.stepper = None                 # made by the first step

    @property
    def num_directions(self):
        return 2 if self.bidirectional else 1

    @property
    def output_size(self):
        """The features of the output for one direction: proj_size, or hidden_size without projection."""
        return self.proj_size or self.hidden_size

    def suffixes(self, layer):
        return [f"_l{layer}", f"_l{layer}_reverse"][:self.num_directions]

    def parameter_names(self):
        biases = ("bias_ih", "bias_hh") if self.bias else ()
        return ("weight_ih", "weight_hh", *biases, *(("weight_hr",) if self.proj_size else ()))

    def parameter_shapes(self, layer):
        rows = GATES[self.mode] * self.hidden_size
        columns = self.input_size if layer == 0 else self.output_size * self.num_directions
        shapes = {"weight_ih": (rows, columns), "weight_hh": (rows, self.output_size), "bias_ih": (rows,),
                  "bias_hh": (rows,), "weight_hr": (self.proj_size, self.hidden_size)}
        return [(name, shapes[name]) for name in self.parameter_names()]

    @property
    def all_weights(self):
        """The parameters as a list of lists, one for each layer and direction."""
        return [[weight for weight in weights if weight is not None] for weights in self.current_weights()]

    def flatten_parameters(self):
        """Lets the next :meth:`step` pack the weights anew; there is no other copy of them."""
        self.stepper = None

    def extra_repr(self):
        defaults = {"proj_size": 0, "num_layers": 1, "bias": True, "batch_first": False, "dropout": 0.0,
                    "bidirectional": False, "fused": True}
        shown = [f"{name}={getattr(self, name)}" for name, value in defaults.items() if getattr(self, name) != value]
        return ", ".join([str(self.input_size), str(self.hidden_size), *shown])

    # ---- forward ----

    def forward(self, input, hx=None, lengths=None):
        """Runs the layer; see the class for shapes."""
        if not isinstance(input, Tensor):
            return self.forward_packed(input, hx, lengths)
        if input.ndim not in (2, 3):
            raise ValueError(f"{self.name}: Expected input to be 2D or 3D, got {input.ndim}D tensor instead")
        batched = input.ndim == 3
        weights = self.current_weights()
        if not batched:
            if lengths is not None:
                raise ValueError(f"{self.name}: lengths need a batched (3D) input, not {input.shape}")
            input = input.unsqueeze(1)
        elif self.batch_first:
            input = input.transpose(0, 1)
        self.check_input(input, weights[0][0])
        if lengths is not None:
            lengths = as_lengths(self.name, lengths, *input.shape[1::-1])
        states = None if hx is None else self.given_states(hx, batched, input)
        output, states = self.run(input, states, weights, lengths)
        if not batched:
            output, states = output.squeeze(1), [s.squeeze(1) for s in states]
        elif self.batch_first:
            output = output.transpose(0, 1)
        return output, self.final(states)

    def forward_packed(self, packed, hx, lengths):
        if not isinstance(packed, PackedSequence):
            raise TypeError(f"{self.name}: the input must be a tensor or a PackedSequence, not {type(packed).__name__}")
        if lengths is not None:
            raise ValueError(f"{self.name}: a packed sequence brings its lengths; lengths must be None")
        input, lengths = pad_packed_sequence(packed)
        weights = self.current_weights()
        self.check_input(input, weights[0][0])
        states = None if hx is None else self.given_states(hx, True, input)
        output, states = self.run(input, states, weights, as_lengths(self.name, lengths, *input.shape[1::-1]))
        return repack(output, packed), self.final(states)

    def current_weights(self):
        """For every layer and direction the parameters in the order of WEIGHTS, None where it has none."""
        own = self._parameters              # looked up there first: an attribute of a module is found by a slower way
        return [[own[name] if name in own else name and getattr(self, name) for name in names]
                for names in self.weight_names]

    def run(self, input, states, weights, lengths):
        """All layers and directions: input (T, B, I) -> output (T, B, D*H_out), final states [(D*L, B, H), ...].

        states is like the final states, or None for zeros.
        """
        if len(weights) == 1:               # the loops below would take a sixth of a short call
            output, *final = self.one_layer(input, self.state_of(states, 0), weights[0], lengths, False)
            return output, [part.unsqueeze(0) for part in final]
        finals = []
        for layer in range(self.num_layers):
            outputs = []
            for direction in range(self.num_directions):
                k = len(finals)
                output, *final = self.one_layer(input, self.state_of(states, k), weights[k], lengths, direction == 1)
                outputs.append(output)
                finals.append(final)
            input = cat(outputs, -1) if self.bidirectional else output
            if self.dropout and layer < self.num_layers - 1:
                input = dropout_of_steps(input, self.dropout, self.training, lengths)
        return input, [stack(list(rows)) for rows in zip(*finals, strict=True)]

    no_state: tuple[None, ...] = (None,)

    def state_of(self, states, k):
        """The parts of the state for layer and direction number k."""
        return self.no_state if states is None else [part[k] for part in states]

    def one_layer(self, input, state, weights, lengths, reverse):
        raise NotImplementedError

    def step(self, x, state=None):
        """One time step without recording, for serving: ``output, state = layer.step(x, state)``.

        x (B, input_size); the output is (B, hidden_size), or (B, proj_size) with projection. ``state`` is what the step
        before returned, shaped like ``hx``: None, to begin, is zeros. A state is never changed: keep it, go on from it
        several times, or pick rows with ``index_select(1, rows)``. The bits are those of the whole sequence at once.

        The weights are packed at the first step and again when they have changed, which a write to their ``.array`` or
        ``.numpy()``, or to a tensor on whose memory they were put (``p.data = q``), does not tell: call
        ``flatten_parameters()`` after one. Two directions, and dropout in training,
        raise RuntimeError.
        """
        if self.bidirectional or self.dropout and self.training:
            raise RuntimeError(f"{self.name}: step works in one direction and without dropout; "
                               f"bidirectional={self.bidirectional}, dropout={self.dropout}, training={self.training}")
        if not isinstance(x, Tensor) or x.ndim != 2:
            raise TypeError(f"{self.name}: step expects a tensor of shape (batch, {self.input_size}), not "
                            f"{tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__}")
        if self.fused and is_fused_enabled():
            stepper = self.stepper
            if stepper is None:
                stepper = self.stepper = Stepper(sum(self.weight_names, ()))
            return stepper.step(self, x, state)
        time = 1 if self.batch_first else 0
        with no_grad():
            output, state = self(x.unsqueeze(time), state)
        return output.squeeze(time), state

    # ---- checks ----

    @property
    def name(self):
        return type(self).__name__

    def check_input(self, input, weight):
        if input.dtype != weight.dtype:
            raise ValueError(f"{self.name} input dtype ({input.dtype}) does not match weight dtype ({weight.dtype}). "
                             f"Convert input: input.to({weight.dtype}), or convert model: model.to({input.dtype})")
        if input.shape[-1] != self.input_size:
            raise RuntimeError(f"{self.name}: input.size(-1) must be equal to input_size. "
                               f"Expected {self.input_size}, got {input.shape[-1]}")
        if len(input) == 0:
            raise RuntimeError(f"{self.name}: Expected sequence length to be larger than 0, got input {input.shape}")

    def state_sizes(self):
        """The features of every part of the state."""
        return [self.output_size]

    def given_states(self, hx, batched, input):
        """hx as a list of 3-D tensors that fit the input (T, B, I)."""
        sizes = self.state_sizes()
        parts = list(hx) if isinstance(hx, (tuple, list)) else [hx]
        if len(parts) != len(sizes) or isinstance(hx, (tuple, list)) == (len(sizes) == 1):
            expected = "(h_0, c_0)" if self.mode == "LSTM" else "one tensor"
            raise TypeError(f"{self.name}: expected the state as {expected}")
        for part in parts:
            check_tensor(self.name, "every part of the state", part)
            if part.ndim != (3 if batched else 2):
                kind = ("batched 3-D", 3) if batched else ("unbatched 2-D", 2)
                raise RuntimeError(f"{self.name}: For {kind[0]} input, hx should also be {kind[1]}-D "
                                   f"but got {part.ndim}-D tensor")
        parts = parts if batched else [part.unsqueeze(1) for part in parts]
        for k, (part, size) in enumerate(zip(parts, sizes, strict=True)):
            shape = (self.num_layers * self.num_directions, input.shape[1], size)
            if part.shape != shape:
                label = f"hidden[{k}]" if len(parts) > 1 else "hidden"
                raise RuntimeError(f"{self.name}: Expected {label} size {shape}, got {list(part.shape)}")
            if part.dtype != input.dtype:
                raise ValueError(f"{self.name}: the state's dtype {part.dtype} does not match "
                                 f"the input's {input.dtype}")
        return parts

    def final(self, states):
        return states[0]


def check_tensor(name, what, x):
    if not isinstance(x, Tensor):
        raise TypeError(f"{name}: {what} must be a tensor, not {type(x).__name__}")


def check_layer_arguments(input_size, hidden_size, num_layers, bias, batch_first, dropout, proj_size):
    if isinstance(dropout, bool) or not isinstance(dropout, Number) or not 0 <= dropout <= 1:
        raise ValueError("dropout should be a number in range [0, 1] representing the probability of an element being "
                         "zeroed")
    if dropout > 0 and num_layers == 1:
        warnings.warn("dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects "
                      f"num_layers greater than 1, but got dropout={dropout} and num_layers={num_layers}", stacklevel=4)
    for name, value, kind in (("bias", bias, bool), ("batch_first", batch_first, bool), ("input_size", input_size, int),
                              ("hidden_size", hidden_size, int), ("num_layers", num_layers, int),
                              ("proj_size", proj_size, int)):
        if not isinstance(value, kind):
            raise TypeError(f"{name} should be of type {kind.__name__}, got: {type(value).__name__}")
    for name, value in (("input_size", input_size), ("hidden_size", hidden_size), ("num_layers", num_layers)):
        if value <= 0:
            raise ValueError(f"{name} must be greater than zero")
    if proj_size < 0:
        raise ValueError("proj_size should be a positive integer or zero to disable projections")
    if proj_size >= hidden_size:
        raise ValueError("proj_size has to be smaller than hidden_size")


class RNN(RNNBase):
    """A stack of Elman layers: h_t = tanh(W_ih x_t + b_ih + W_hh h_(t-1) + b_hh), or relu instead of tanh.

    ``rnn(input, hx=None, lengths=None) -> output, h_n``

    input   (T, B, input_size), with ``batch_first`` (B, T, input_size), unbatched (T, input_size), or a PackedSequence
    hx      (D*num_layers, B, H), unbatched (D*num_layers, H); zeros if left out. D = 2 if ``bidirectional``, else 1.
    lengths (B,): how many steps each row has. No sorting is needed; the reverse direction starts at each row's own
            end, the output is zero in the padding, and what the padding holds has no influence on anything.
    output  (T, B, D*H): the last layer's states, forward direction first, in the layout of the input
    h_n     like hx: the final state of every layer and direction, in the order l0, l0_reverse, l1, ...

    ``dropout`` acts on the output of every layer but the last, in training. A wrong shape or dtype raises.
    ``fused=False`` runs the layer in primitive operations: the same up to rounding, and slower.
    """

    def __init__(self, input_size, hidden_size, num_layers=1, nonlinearity="tanh", bias=True, batch_first=False,
                 dropout=0.0, bidirectional=False, device=None, dtype=None, *, fused=True):
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'.")
        super().__init__(f"RNN_{nonlinearity.upper()}", input_size, hidden_size, num_layers, bias, batch_first, dropout,
                         bidirectional, 0, device, dtype, fused=fused)
        self.nonlinearity = nonlinearity

    @property
    def step_name(self):
        return f"rnn_{self.nonlinearity}"

    def one_layer(self, input, state, weights, lengths, reverse):
        return self.operations.rnn(input, *state, *weights[:4], nonlinearity=self.nonlinearity, lengths=lengths,
                                   reverse=reverse)


class GRU(RNNBase):
    """A stack of gated recurrent layers (Cho et al. 2014, arXiv:1406.1078). Call and shapes are those of :class:`RNN`.

    r = sigmoid(W_ir x + b_ir + W_hr h + b_hr),  z = sigmoid(W_iz x + b_iz + W_hz h + b_hz)
    n = tanh(W_in x + b_in + r (W_hn h + b_hn)),  h' = (1 - z) n + z h

    ``reset_after=False`` puts the reset gate before the product, n = tanh(W_in x + b_in + W_hn (r h) + b_hn), as the
    paper prints it. The rows of the weights are r, z, n.
    """

    def __init__(self, input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0.0,
                 bidirectional=False, device=None, dtype=None, *, reset_after=True, fused=True):
        super().__init__("GRU", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0,
                         device, dtype, fused=fused)
        self.reset_after = bool(reset_after)

    def extra_repr(self):
        return super().extra_repr() + ("" if self.reset_after else ", reset_after=False")

    @property
    def step_name(self):
        return "gru" if self.reset_after else "gru_reset_before"

    def one_layer(self, input, state, weights, lengths, reverse):
        return self.operations.gru(input, *state, *weights[:4], reset_after=self.reset_after, lengths=lengths,
                                   reverse=reverse)


class LSTM(RNNBase):
    """A stack of long short-term memory layers. Call and shapes are those of :class:`RNN`, with a state of two parts:

    ``lstm(input, (h_0, c_0)=None, lengths=None) -> output, (h_n, c_n)``, c (D*num_layers, B, hidden_size).

    i, f, o = sigmoid(W x + b + W h + b),  g = tanh(the same),  c' = f c + i g,  h' = o tanh(c')

    With ``proj_size`` P > 0, h' = W_hr (o tanh(c')) has P features (Sak et al. 2014, arXiv:1402.1128), and so have
    h and the output. The rows of the weights are i, f, g, o.
    """

    def __init__(self, input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0.0,
                 bidirectional=False, proj_size=0, device=None, dtype=None, *, fused=True):
        super().__init__("LSTM", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional,
                         proj_size, device, dtype, fused=fused)

    def state_sizes(self):
        return [self.output_size, self.hidden_size]

    step_name = "lstm"
    no_state = (None, None)

    def one_layer(self, input, state, weights, lengths, reverse):
        return self.operations.lstm(input, *state, *weights, lengths=lengths, reverse=reverse)

    def final(self, states):
        return tuple(states)
