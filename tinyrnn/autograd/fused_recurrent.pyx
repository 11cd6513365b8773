"""rnn, gru and lstm over a whole sequence, one node each. Their twins in ``reference.py`` say what they compute.

A part of the state may be None: zeros. The work is done in ``recurrence.pyx``.
"""
from numpy cimport NPY_FLOAT, PyArray_DATA, PyArray_DIMS, PyArray_NDIM, PyArray_TYPE, import_array, ndarray

from tinyrnn.autograd.arrays cimport contiguous, is_real
from tinyrnn.autograd.recurrence cimport Layer, check_weights, expect, walks_of
from tinyrnn.autograd.tensor cimport RECORDING, Tensor, get_mode, wrap
from tinyrnn.kernels.gemm cimport products_of
from tinyrnn.kernels.recurrent cimport GRU, GRU_RESET_BEFORE, LSTM, RNN_RELU, RNN_TANH, sequence

from _thread import allocate_lock
from functools import partial

import numpy as np

from tinyrnn.autograd import reference
from tinyrnn.autograd.arrays import ShapeError
from tinyrnn.autograd.engine import record_many
from tinyrnn.autograd.fused import twin_gradients

import_array()

# ---- the node --------------------------------------------------------------------------------------------------------

cdef int check(str name, int gates, Tensor input, tuple state, tuple weights, object lengths) except -1:
    """Everything the kernels rely on."""
    cdef Tensor w_hh = weights[1]
    cdef Py_ssize_t T, B
    if PyArray_NDIM(input.array) != 3 or not is_real(input.array):
        raise ShapeError(f"{name}: expected a float input (steps, batch, features), not {input.dtype} {input.shape}")
    T, B = PyArray_DIMS(input.array)[0], PyArray_DIMS(input.array)[1]
    if T == 0:
        raise ShapeError(f"{name}: expected at least one step, not an input of shape {input.shape}")
    check_weights(name, gates, input, PyArray_DIMS(input.array)[2], weights)
    if state[0] is not None:
        expect(name, "the state", state[0], input, B, PyArray_DIMS(w_hh.array)[1])
    if len(state) == 2 and state[1] is not None:
        expect(name, "the cell state", state[1], input, B, PyArray_DIMS(w_hh.array)[0] // gates)
    if lengths is not None and (not isinstance(lengths, np.ndarray) or lengths.dtype != np.int64
                                or lengths.shape != (B,) or B and (lengths.min() < 0 or lengths.max() > T)):
        raise ValueError(f"{name}: lengths must be an int64 array of shape ({B},) with values from 0 to {T}")
    return 0


cdef Layer new_layer(
        int cell, Py_ssize_t gates, Tensor input, tuple state, tuple weights, object lengths, bint reverse):
    cdef Layer layer = Layer.__new__(Layer)
    cdef sequence* s = &layer.s
    layer.type_num = PyArray_TYPE(input.array)
    layer.single = layer.type_num == NPY_FLOAT
    layer.walk, layer.product = walks_of(layer.single), products_of(layer.single)
    layer.w_ih, layer.w_hh, layer.b_ih, layer.b_hh = [
        None if w is None else contiguous((<Tensor> w).array) for w in weights[:4]]
    if len(weights) == 5 and weights[4] is not None:
        layer.w_hr = contiguous((<Tensor> weights[4]).array)
    s.cell, s.reverse = cell, reverse
    s.T, s.B, layer.s.inputs = PyArray_DIMS(input.array)[0], PyArray_DIMS(input.array)[1], PyArray_DIMS(input.array)[2]
    s.G, s.P = PyArray_DIMS(layer.w_hh)[0], PyArray_DIMS(layer.w_hh)[1]
    s.H = s.G // gates
    zeros = layer.array(1, s.G, zero=True) if layer.b_ih is None or layer.b_hh is None else None
    layer.b_ih = zeros if layer.b_ih is None else layer.b_ih
    layer.b_hh = zeros if layer.b_hh is None else layer.b_hh
    layer.lengths = lengths
    layer.h0 = first_state(layer, state[0], s.P)
    layer.plan(input.array)
    layer.out = layer.array(s.T * s.B, s.P, zero=lengths is not None)
    layer.hn = layer.array(s.B, s.P)
    if cell == LSTM:
        layer.c0 = first_state(layer, state[1], s.H)
        layer.cn = layer.array(s.B, s.H)
        s.c0, s.cn = PyArray_DATA(layer.c0), PyArray_DATA(layer.cn)
    s.bias_ih, s.bias_hh, s.h0 = PyArray_DATA(layer.b_ih), PyArray_DATA(layer.b_hh), PyArray_DATA(layer.h0)
    s.out, s.hn = PyArray_DATA(layer.out), PyArray_DATA(layer.hn)
    return layer


cdef ndarray first_state(Layer layer, Tensor part, Py_ssize_t size):
    return layer.array(layer.s.B, size, zero=True) if part is None else contiguous(part.array)


cdef tuple gradients(Layer layer, tuple parents, dict dys):
    """The gradient of every parent that wants one: input, state (one part or two), weights."""
    cdef Py_ssize_t parts = 2 if layer.s.cell == LSTM else 1, B = layer.s.B
    cdef list wanted = [p is not None and (<Tensor> p).requires for p in parents], found
    cdef ndarray dh0 = layer.array(B, layer.s.P), dc0 = layer.array(B, layer.s.H) if parts == 2 else None
    dx = layer.backward(dys.get(0), dys.get(1), dys.get(2), wanted[0], dh0, dc0)
    found = [None if dx is None else layer.spread(dx), dh0] + ([dc0] if parts == 2 else [])
    found += [layer.weight_ih_gradient() if wanted[1 + parts] else None,
              layer.weight_hh_gradient() if wanted[2 + parts] else None]
    found += layer.bias_gradients() if wanted[3 + parts] or wanted[4 + parts] else (None, None)
    if layer.s.cell == LSTM:
        found.append(layer.weight_hr_gradient() if wanted[7] else None)
    layer.gates = layer.extra = layer.hidden = layer.dprojected = None
    return tuple([wrap(g) if isinstance(g, np.ndarray) else g for g in found])


cdef tuple sequence_of(
        str name, int cell, Py_ssize_t gates, Tensor input, tuple state, tuple weights, object lengths, bint reverse,
        object twin, dict options):
    """The layer as one node: output (T, B, P) and the last state, one part or two. ``options``: the twin's own."""
    cdef tuple parents = (input, *state, *weights)
    cdef bint recorded = get_mode() == RECORDING and any([p is not None and p.requires_grad for p in parents])
    cdef Layer layer
    check(name, gates, input, state, weights, lengths)
    layer = new_layer(cell, gates, input, state, weights, lengths, reverse)
    layer.forward(recorded)
    out = wrap(layer.out.reshape((layer.s.T, layer.s.B, layer.s.P)))
    if not recorded:
        return (out, wrap(layer.hn), wrap(layer.cn)) if cell == LSTM else (out, wrap(layer.hn))

    def backward(y, dys):
        if get_mode() == RECORDING:
            again = partial(twin, lengths=lengths, reverse=reverse, **options)
            return twin_gradients(again, parents, [dys.get(k) for k in range(1 + len(state))])
        with alone:                     # two threads may go through the same graph
            return gradients(layer, parents, dys)
    alone = allocate_lock()
    backward.__qualname__ = name
    outs = (out, layer.hn, layer.cn) if cell == LSTM else (out, layer.hn)
    return record_many(outs, parents, backward, parents + (out,))


# ---- the three -------------------------------------------------------------------------------------------------------

def rnn(Tensor input not None, Tensor h, Tensor weight_ih not None, Tensor weight_hh not None,
        Tensor bias_ih=None, Tensor bias_hh=None, *, nonlinearity="tanh", lengths=None, reverse=False):
    """One layer of ``rnn_step`` over time: input (T, B, I), h (B, H) -> output (T, B, H), h_n (B, H)."""
    if nonlinearity not in ("tanh", "relu"):
        raise ValueError(f"rnn: nonlinearity must be 'tanh' or 'relu', not {nonlinearity!r}")
    return sequence_of("rnn", RNN_TANH if nonlinearity == "tanh" else RNN_RELU, 1, input, (h,),
                       (weight_ih, weight_hh, bias_ih, bias_hh), lengths, reverse, reference.rnn,
                       {"nonlinearity": nonlinearity})


def gru(Tensor input not None, Tensor h, Tensor weight_ih not None, Tensor weight_hh not None,
        Tensor bias_ih=None, Tensor bias_hh=None, *, reset_after=True, lengths=None, reverse=False):
    """One layer of ``gru_step`` over time: input (T, B, I), h (B, H) -> output (T, B, H), h_n (B, H)."""
    return sequence_of("gru", GRU if reset_after else GRU_RESET_BEFORE, 3, input, (h,),
                       (weight_ih, weight_hh, bias_ih, bias_hh), lengths, reverse, reference.gru,
                       {"reset_after": reset_after})


def lstm(Tensor input not None, Tensor h, Tensor c, Tensor weight_ih not None,
         Tensor weight_hh not None, Tensor bias_ih=None, Tensor bias_hh=None, Tensor weight_hr=None, *, lengths=None,
         reverse=False):
    """One layer of ``lstm_step`` over time: input (T, B, I), h (B, P), c (B, H) -> output (T, B, P), h_n, c_n."""
    return sequence_of("lstm", LSTM, 4, input, (h, c), (weight_ih, weight_hh, bias_ih, bias_hh, weight_hr), lengths,
                       reverse, reference.lstm, {})
