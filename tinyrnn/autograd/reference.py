"""The recurrent layers, additive attention and layer normalisation in primitive operations: the specification.

Cell, layer, stack: a *step* takes the gates that the input contributes and the state before it, and returns the new
state; ``scan`` runs a step over all time steps of one layer in one direction; the stacking is done in ``nn``.

Shapes: T time steps, B batch rows, I input size, H hidden size, P projected size (H without projection), G gates.
"""
import numpy as np

from tinyrnn.autograd.arrays import ShapeError
from tinyrnn.autograd.engine import record
from tinyrnn.autograd.ops_gather import where
from tinyrnn.autograd.ops_join import stack
from tinyrnn.autograd.ops_linalg import linear, matmul

# ---- one step --------------------------------------------------------------------------------------------------------

def rnn_step(gates, h, weight_hh, bias_hh=None, *, nonlinearity="tanh"):
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu instead of tanh.

    gates (B, H) is W_ih x + b_ih; h (B, H). Returns (h',).
    """
    a = gates + linear(h, weight_hh, bias_hh)
    return (a.tanh() if nonlinearity == "tanh" else a.relu(),)


def gru_gates(gates, h, weight_hh, bias_hh=None, *, reset_after=True):
    """r, z and n of a gated recurrent unit (Cho et al. 2014, arXiv:1406.1078). gates (..., 3H), h (..., H).

    r = sigmoid(W_ir x + b_ir + W_hr h + b_hr)
    z = sigmoid(W_iz x + b_iz + W_hz h + b_hz)
    n = tanh(W_in x + b_in + r (W_hn h + b_hn))        reset_after=True: PyTorch's and cuDNN's form
    n = tanh(W_in x + b_in + W_hn (r h) + b_hn)        reset_after=False: as equation (8) there prints it
    """
    H = h.shape[-1]
    if reset_after:
        recurrent = linear(h, weight_hh, bias_hh)
        candidate = recurrent[..., 2 * H:]
    else:
        recurrent = linear(h, weight_hh[:2 * H], None if bias_hh is None else bias_hh[:2 * H])
    r = (gates[..., :H] + recurrent[..., :H]).sigmoid()
    z = (gates[..., H:2 * H] + recurrent[..., H:2 * H]).sigmoid()
    if not reset_after:
        candidate = linear(r * h, weight_hh[2 * H:], None if bias_hh is None else bias_hh[2 * H:])
    return r, z, (gates[..., 2 * H:] + (r * candidate if reset_after else candidate)).tanh()


def gru_step(gates, h, weight_hh, bias_hh=None, *, reset_after=True):
    """h' = (1 - z) n + z h. gates (B, 3H), h (B, H). Returns (h',)."""
    _, z, n = gru_gates(gates, h, weight_hh, bias_hh, reset_after=reset_after)
    return ((h - n) * z + n,)


def lstm_gates(gates, h, weight_hh, bias_hh=None):
    """i, f, g and o of long short-term memory, in the order of the weights' rows. gates (..., 4H), h (..., P).

    i, f, o = sigmoid(W_i. x + b_i. + W_h. h + b_h.),  g = tanh(the same)
    """
    i, f, g, o = (gates + linear(h, weight_hh, bias_hh)).chunk(4, -1)
    return i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()


def lstm_step(gates, h, c, weight_hh, bias_hh=None, weight_hr=None):
    """One step of long short-term memory, with projection (Sak et al. 2014, arXiv:1402.1128) if weight_hr is given.

    c' = f c + i g,   h' = o tanh(c'),   with projection h' = W_hr (o tanh(c'))

    gates (B, 4H), h (B, P), c (B, H). Returns (h', c').
    """
    i, f, g, o = lstm_gates(gates, h, weight_hh, bias_hh)
    c = f * c + i * g
    h = o * c.tanh()
    return (h if weight_hr is None else linear(h, weight_hr), c)


# ---- one layer in one direction --------------------------------------------------------------------------------------

def scan(step, gates, state, lengths=None, reverse=False):
    """Runs ``state = step(gates[t], *state)`` over time. Returns (output, *final state).

    gates (T, B, G); every part of the state (B, H); output (T, B, H) holds the state's first part after every step.
    ``reverse`` walks from the last step to the first. With ``lengths`` (B,) a row takes part in its own steps alone:
    its state stays as it is in the others, where its output is zero.
    """
    T = len(gates)
    outputs = [None] * T
    steps = gates.unbind(0)
    full = T if lengths is None else lengths.min(initial=T)          # below it every row takes part
    for t in reversed(range(T)) if reverse else range(T):
        new = step(steps[t], *state)
        if t < full:
            state = new
            outputs[t] = new[0]
        else:
            alive = record((lengths > t)[:, None], (), None)         # (B, 1)
            state = tuple(where(alive, after, before) for after, before in zip(new, state, strict=True))
            outputs[t] = where(alive, new[0], 0.0)
    return stack(outputs), *state


def project(input, weight_ih, bias_ih, lengths):
    """The gates of all steps in one product: (T, B, I) -> (T, B, G). What stands in the padding is not looked at."""
    if lengths is not None:
        padding = np.arange(len(input))[:, None] >= lengths                                      # (T, B)
        input = input.masked_fill(record(padding[:, :, None], (), None), 0.0)
    return linear(input, weight_ih, bias_ih)


def first_state(part, input, size):
    """A part of the state that a layer starts from: zeros (B, size) where it is None."""
    return record(np.zeros((input.shape[1], size), input.dtype), (), None) if part is None else part


def rnn(input, h, weight_ih, weight_hh, bias_ih=None, bias_hh=None, *, nonlinearity="tanh", lengths=None,
        reverse=False):
    """One layer of ``rnn_step`` over time: input (T, B, I), h (B, H) -> output (T, B, H), h_n (B, H).

    Here and below a part of the state may be None: zeros.
    """
    h = first_state(h, input, weight_hh.shape[1])

    def step(gates, h):
        return rnn_step(gates, h, weight_hh, bias_hh, nonlinearity=nonlinearity)
    return scan(step, project(input, weight_ih, bias_ih, lengths), (h,), lengths, reverse)


def gru(input, h, weight_ih, weight_hh, bias_ih=None, bias_hh=None, *, reset_after=True, lengths=None, reverse=False):
    """One layer of ``gru_step`` over time: input (T, B, I), h (B, H) -> output (T, B, H), h_n (B, H)."""
    h = first_state(h, input, weight_hh.shape[1])

    def step(gates, h):
        return gru_step(gates, h, weight_hh, bias_hh, reset_after=reset_after)
    return scan(step, project(input, weight_ih, bias_ih, lengths), (h,), lengths, reverse)


def lstm(input, h, c, weight_ih, weight_hh, bias_ih=None, bias_hh=None, weight_hr=None, *, lengths=None,
         reverse=False):
    """One layer of ``lstm_step`` over time: input (T, B, I), h (B, P), c (B, H) -> output (T, B, P), h_n, c_n."""
    h, c = first_state(h, input, weight_hh.shape[1]), first_state(c, input, len(weight_hh) // 4)

    def step(gates, h, c):
        return lstm_step(gates, h, c, weight_hh, bias_hh, weight_hr)
    return scan(step, project(input, weight_ih, bias_ih, lengths), (h, c), lengths, reverse)


# ---- attention -------------------------------------------------------------------------------------------------------

def additive_attention(query, keys, values, v, mask=None):
    """Additive attention (Bahdanau et al. 2015, arXiv:1409.0473, appendix A.1.2), queries and keys already projected.

    score_ij = v . tanh(query_i + key_j),   weights = softmax over j,   context_i = sum_j weights_ij value_j

    query (B, A) or (B, Q, A), keys (B, S, A), values (B, S, V), v (A,), mask (B, S): True where a source position takes
    part. Returns context (B, V) or (B, Q, V) and weights (B, S) or (B, Q, S). A row whose mask is all False gets zeros.
    What stands at masked positions has no influence, be it NaN.
    """
    single = query.ndim == 2
    if single:
        query = query.unsqueeze(1)
    if mask is not None:
        keys, values = [x.masked_fill(~mask.unsqueeze(2), 0.0) for x in (keys, values)]
    score = matmul((query.unsqueeze(2) + keys.unsqueeze(1)).tanh(), v)              # (B, Q, S)
    if mask is not None:
        out = ~mask.unsqueeze(1)                                                   # (B, 1, S)
        score = score.masked_fill(out, float(np.finfo(score.dtype).min))
    weights = score.softmax(-1)
    if mask is not None:
        weights = weights.masked_fill(out, 0.0)
    context = matmul(weights, values)                                              # (B, Q, V)
    return (context.squeeze(1), weights.squeeze(1)) if single else (context, weights)


# ---- normalisation ---------------------------------------------------------------------------------------------------

def check_shapes(input, shape, weight, bias):
    for name, x in ("weight", weight), ("bias", bias):
        if x is not None and x.shape != shape:
            raise ShapeError(f"layer_norm: expected {name} of shape {shape}, got {x.shape}")
    if not shape or input.shape[-len(shape):] != shape:
        raise ShapeError(f"layer_norm: normalized_shape {shape} must be the end of the input's shape {input.shape}")


def layer_norm(input, normalized_shape, weight=None, bias=None, eps=1e-5):
    """y = (x - mean) / sqrt(variance + eps) * weight + bias over the last dimensions (Ba et al. 2016,
    arXiv:1607.06450). input (..., *normalized_shape), weight and bias normalized_shape.
    """
    check_shapes(input, normalized_shape, weight, bias)
    dims = tuple(range(-len(normalized_shape), 0))
    x = input - input.mean(dims, keepdim=True)
    y = x * ((x * x).mean(dims, keepdim=True) + eps).rsqrt()
    y = y if weight is None else y * weight
    return y if bias is None else y + bias
