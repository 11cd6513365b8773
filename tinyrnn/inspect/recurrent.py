"""What happens inside RNN, GRU and LSTM: how gradients travel through time, and which gates are saturated.

Both look at one layer (with its stack and directions) while a ``with`` block lasts, wherever in a model it stands.
"""
import numpy as np

from tinyrnn.autograd import reference
from tinyrnn.autograd.creation import as_tensor
from tinyrnn.autograd.grad_mode import no_grad
from tinyrnn.autograd.ops_gather import where
from tinyrnn.autograd.ops_join import cat, stack
from tinyrnn.nn.functional import linear
from tinyrnn.nn.recurrent import RNNBase
from tinyrnn.utils.plots import draw_curves, figure

__all__ = ["draw_saturation", "draw_state_gradients", "saturation", "state_gradients"]

GATES = {"RNN_TANH": ("state",), "GRU": ("reset", "update", "candidate"), "LSTM": ("input", "forget", "cell", "output")}
TANH = ("state", "candidate", "cell")               # the others are sigmoids


class Watch:
    """Takes the place of ``rnn.one_layer``, which runs one layer in one direction, while a ``with`` block lasts."""

    def __init__(self, rnn):
        if not isinstance(rnn, RNNBase):
            raise TypeError(f"{type(self).__name__}: expected an RNN, GRU or LSTM, not {type(rnn).__name__}")
        self.rnn = rnn
        self.names = [suffix[1:] for layer in range(rnn.num_layers) for suffix in rnn.suffixes(layer)]
        self.calls = 0

    def __enter__(self):
        if "one_layer" in vars(self.rnn):
            raise RuntimeError(f"{type(self).__name__}: the layer is being watched already")
        self.original = self.rnn.one_layer
        self.rnn.one_layer = self.one_layer
        return self

    def __exit__(self, *_):
        del self.rnn.one_layer

    def next_name(self):
        """The layer and direction that is about to run: "l0", "l0_reverse", "l1", ..."""
        self.calls += 1
        return self.names[(self.calls - 1) % len(self.names)]

    def first_state(self, state, input):
        """The parts of the state that a layer starts from, zeros where they are None."""
        sizes = self.rnn.state_sizes()
        return [reference.first_state(part, input, size) for part, size in zip(state, sizes, strict=True)]


# ---- gradients through time ------------------------------------------------------------------------------------------

class state_gradients(Watch):  # noqa: N801 - used as a function
    """The norm of dL/dh_t for every step t, which tells how far back a loss reaches (Pascanu et al. 2013)::

        with inspect.state_gradients(rnn) as watch:
            loss = ...                                  # from one call of rnn
            loss.backward()
        watch.norms                                     # (D*num_layers, T, B), in the order of h_n

    dL/dh_t is the whole derivative: by way of the output at t, and of every later state. An LSTM has ``cell_norms`` as
    well, with |dL/dc_t|, which includes the way of c_t through h_t; h_t is varied with c_t held. Steps in the padding
    are 0. Within the block the layer runs step by step in primitive operations: the same up to rounding, and slower.
    After several calls the last one counts.
    """

    def __enter__(self):
        self.steps = {}
        self.fused = self.rnn.fused
        super().__enter__()
        self.rnn.fused = False                          # a fused LSTM would make h_t without the c_t that it returns
        return self

    def __exit__(self, *exception):
        self.rnn.fused = self.fused
        super().__exit__(*exception)

    def one_layer(self, input, state, weights, lengths, reverse):
        T, state = len(input), self.first_state(state, input)
        states, outputs = [None] * T, [None] * T
        alive = None if lengths is None else as_tensor(np.arange(T)[:, None, None] < lengths[:, None])      # (T, B, 1)
        input = input if lengths is None else where(alive, input, 0.0)
        for t in reversed(range(T)) if reverse else range(T):
            _, *new = self.original(input[t:t + 1], state, weights, None, False)
            for part in new:
                if part.requires_grad:
                    part.retain_grad()
            states[t] = new
            outputs[t] = new[0] if lengths is None else where(alive[t], new[0], 0.0)
            state = new if lengths is None else [where(alive[t], *parts) for parts in zip(new, state, strict=True)]
        self.steps[self.next_name()] = states
        return stack(outputs), *state

    def norms_of(self, part):
        if not self.steps:
            raise RuntimeError("state_gradients: the layer was not called inside the with block")
        if all(state[part].grad is None for states in self.steps.values() for state in states):
            raise RuntimeError("state_gradients: no gradient has arrived; call backward() on a loss first")
        return np.stack([[length_of_gradient(state[part]) for state in states] for states in self.steps.values()])

    @property
    def norms(self):
        """|dL/dh_t| (D*num_layers, T, B)."""
        return self.norms_of(0)

    @property
    def cell_norms(self):
        """|dL/dc_t| (D*num_layers, T, B) of an LSTM."""
        if self.rnn.mode != "LSTM":
            raise AttributeError(f"cell_norms: a {type(self.rnn).__name__} has no cell")
        return self.norms_of(1)


def length_of_gradient(state):
    """(B, H) -> the norm of each row's gradient (B,); zeros if the loss does not depend on the state."""
    return np.zeros(len(state)) if state.grad is None else np.linalg.norm(state.grad.numpy().astype(float), axis=1)


def draw_state_gradients(path, norms):
    """Saves a picture of norms over the distance from the last step: ``norms`` is {label: (T,)}."""
    curves = {label: (np.arange(len(values)), np.asarray(values)[::-1]) for label, values in norms.items()}
    draw_curves(path, curves, "steps before the last", "norm of dL/dh", log_y=True)


# ---- saturated gates -------------------------------------------------------------------------------------------------

class saturation(Watch):  # noqa: N801 - used as a function
    """How often each gate is nearly shut or nearly open (Karpathy et al. 2015, arXiv:1506.02078, section 4.2)::

        with inspect.saturation(rnn) as watch:
            model(x)                                    # any number of calls
        watch.shares                                    # {"l0.forget": (shut, open), ...}
        watch.units                                     # {"l0.forget": array (2, H), ...}, the same for every unit

    A sigmoid counts as shut below ``margin`` and as open above 1 - margin; a tanh (the state of an RNN, the candidate
    of a GRU, the cell input of an LSTM) below -(1 - margin) and above 1 - margin. Padding does not count, nor
    does ``rnn.step``. A layer with relu raises ValueError: it has no such limits.
    """

    def __init__(self, rnn, margin=0.1):
        super().__init__(rnn)
        if rnn.mode not in GATES:
            raise ValueError(f"saturation: {rnn.mode} has no gates and no limits")
        if not 0 < margin < 0.5:
            raise ValueError(f"saturation: margin must be between 0 and 0.5, not {margin}")
        self.margin = margin

    def __enter__(self):
        self.counts, self.total = {}, {}
        return super().__enter__()

    def one_layer(self, input, state, weights, lengths, reverse):
        state = self.first_state(state, input)
        output, *final = self.original(input, state, weights, lengths, reverse)
        T, B, _ = input.shape
        alive = np.arange(T)[:, None] < (np.full(B, T) if lengths is None else lengths)
        with no_grad():
            before = states_before(output, state[0], alive, reverse)
            gates = self.gates(input, before, output, *weights)
        name = self.next_name()
        for gate, values in zip(GATES[self.rnn.mode], gates, strict=True):
            self.count(f"{name}.{gate}", values.detach().numpy()[alive], -1 if gate in TANH else 0)
        return output, *final

    def count(self, name, values, lowest):
        """values (N, H) of a gate that goes from ``lowest`` to 1."""
        found = np.stack([(values < lowest + self.margin).sum(0), (values > 1 - self.margin).sum(0)])
        self.counts[name] = self.counts.get(name, 0) + found
        self.total[name] = self.total.get(name, 0) + len(values)

    def gates(self, input, before, output, weight_ih, weight_hh, bias_ih=None, bias_hh=None, weight_hr=None):
        """The activations (T, B, H) of every gate, from the input and the state before each step."""
        if self.rnn.mode == "RNN_TANH":
            return [output]
        given = linear(input, weight_ih, bias_ih)
        if self.rnn.mode == "LSTM":
            return reference.lstm_gates(given, before, weight_hh, bias_hh)
        return reference.gru_gates(given, before, weight_hh, bias_hh, reset_after=self.rnn.reset_after)

    @property
    def units(self):
        """{gate: array (2, H)}: the share of steps in which each unit is shut, and is open."""
        if not self.calls:
            raise RuntimeError("saturation: the layer was not called inside the with block; step() does not count")
        return {name: counts / self.total[name] for name, counts in self.counts.items()}

    @property
    def shares(self):
        """{gate: (shut, open)}, over all units."""
        return {name: tuple(shares.mean(1).tolist()) for name, shares in self.units.items()}


def states_before(output, first, alive, reverse):
    """The state that each step starts from (T, B, H), of a layer whose output is ``output``."""
    if not reverse:
        return cat([first.unsqueeze(0), output[:-1]])
    later = cat([output[1:], first.unsqueeze(0)])
    goes_on = np.concatenate([alive[1:], np.zeros_like(alive[:1])])
    return where(as_tensor(goes_on[:, :, None]), later, first)


def draw_saturation(path, units):
    """Saves a picture of ``saturation.units``: a point for every unit of every gate."""
    picture, axes = figure()
    for name, (shut, opened) in units.items():
        axes.plot(opened, shut, ".", alpha=0.5, label=name)
    axes.set(xlabel="share of steps open", ylabel="share of steps shut", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axes.legend()
    axes.grid(alpha=0.3)
    picture.savefig(path, dpi=120)
