"""rnn, gru and lstm over a whole sequence, one node each. Their twins in ``reference.py`` say what they compute.

Forward: a walk over the steps (``kernels/recurrent.h``), which leaves the activated gates where backward will come.
Backward: the walk against the steps, which puts the gradients of the gates in their place; then the gradients of the
weights are one product each.
"""
cimport cython
from cython.parallel cimport prange
from libc.stdint cimport int64_t
from numpy cimport (
    NPY_FLOAT, PyArray_BYTES, PyArray_DATA, PyArray_DIMS, PyArray_EMPTY, PyArray_NDIM, PyArray_SIZE, PyArray_TYPE,
    PyArray_ZEROS, import_array, ndarray, npy_intp,
)

from tinyrnn.autograd.arrays cimport contiguous, is_real, shape_of
from tinyrnn.autograd.tensor cimport RECORDING, Tensor, get_mode, wrap
from tinyrnn.kernels.gemm cimport aligned, gemm, products, products_f32, products_f64, share
from tinyrnn.kernels.parallel cimport threads_for
from tinyrnn.kernels.recurrent cimport (
    GRU, GRU_RESET_BEFORE, LSTM, RNN_RELU, RNN_TANH, sequence, state_row, walks, walks_f32, walks_f64,
)

from functools import partial

import numpy as np

from tinyrnn.autograd import reference
from tinyrnn.autograd.arrays import DtypeError, ShapeError
from tinyrnn.autograd.engine import record_many
from tinyrnn.autograd.fused import twin_gradients

import_array()

cdef enum:
    ADD = 1                             # how to multiply
    TRANSPOSED = 2
    STRIDE_ROWS = 96                    # rows that a stride of the walk should have


# ---- one layer in one direction ----------------------------------------------------------------------------------------

@cython.final
cdef class Layer:
    """The arrays of a layer at work, and the pointers to them that the kernels take."""

    cdef sequence s
    cdef const walks* walk
    cdef const products* product
    cdef bint single, spent             # spent: backward has put gradients where the gates were
    cdef int type_num
    cdef Py_ssize_t N                   # rows of all steps that take part
    cdef ndarray x, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr            # what came in, contiguous
    cdef ndarray lengths, rows, start, order, flat                  # None without lengths; flat (N,): places in (T * B)
    cdef ndarray out, hn, cn, gates, extra, hidden, dprojected, products
    cdef list held                                                  # work space, alive while a walk runs

    cdef ndarray array(self, Py_ssize_t rows, Py_ssize_t columns, bint zero=False):
        cdef npy_intp dims[2]
        dims[0], dims[1] = rows, columns
        return PyArray_ZEROS(2, dims, self.type_num, 0) if zero else PyArray_EMPTY(2, dims, self.type_num, 0)

    cdef void* space(self, Py_ssize_t count):
        """Work space of so many elements."""
        cdef ndarray memory = self.array(1, count + 64)
        self.held.append(memory)
        return aligned(PyArray_DATA(memory))

    cdef void* packed(self, ndarray w, Py_ssize_t first, Py_ssize_t N, Py_ssize_t K, Py_ssize_t row, Py_ssize_t col):
        """The weight from row ``first`` on, packed as the right side (K x N) of a product."""
        cdef void* memory = self.space(self.product.space(N, K))
        cdef const char* at = PyArray_BYTES(w) + first * PyArray_DIMS(w)[1] * self.product.size
        cdef Py_ssize_t panels = (N + self.product.panel - 1) // self.product.panel, i
        cdef int threads = threads_for(N * K // 2)
        with nogil:
            for i in prange(threads, num_threads=threads, schedule="static"):
                self.product.pack(share(panels, 1, i, threads), share(panels, 1, i + 1, threads), N, K, at, row, col,
                                  memory)
        return memory

    cdef int multiply(
            self, Py_ssize_t M, Py_ssize_t N, Py_ssize_t K, ndarray a, Py_ssize_t a_first, Py_ssize_t a_row,
            Py_ssize_t a_col, ndarray b, Py_ssize_t b_first, ndarray c, Py_ssize_t c_first, int how) except -1:
        """C (M x N) = A (M x K) B. B and C are arrays of rows, B from row b_first on, C from c_first, A from element
        a_first. ``how``: ADD, C += A B; TRANSPOSED, B^T instead of B."""
        cdef Py_ssize_t size = self.product.size, width = PyArray_DIMS(b)[1], failed
        cdef char* at_a = PyArray_BYTES(a) + a_first * size
        cdef char* at_b = PyArray_BYTES(b) + b_first * width * size
        cdef char* at_c = PyArray_BYTES(c) + c_first * N * size
        with nogil:
            failed = gemm(self.single, M, N, K, at_a, a_row, a_col, at_b, 1 if how & TRANSPOSED else width,
                          width if how & TRANSPOSED else 1, at_c, N, how & ADD)
        if failed:
            raise MemoryError(f"recurrent layer: no memory for a product of ({M}, {K}) and ({K}, {N})")
        return 0

    # ---- forward ----

    cdef int plan(self, ndarray input) except -1:
        """Which rows take part in which step, and the input of those alone, (N, I)."""
        cdef sequence* s = &self.s
        self.N = s.T * s.B
        self.x = contiguous(input).reshape((self.N, self.s.inputs))
        s.x = PyArray_DATA(self.x)
        if self.lengths is None:
            return 0
        self.order = np.argsort(-self.lengths, kind="stable")
        alive = np.arange(s.T)[:, None] < self.lengths[self.order]                      # (T, B), sorted
        self.rows = alive.sum(1)
        self.start = np.cumsum(self.rows) - self.rows
        self.flat = (np.arange(s.T)[:, None] * s.B + self.order)[alive]
        self.N = PyArray_SIZE(self.flat)
        self.x = self.x[self.flat]
        s.x = PyArray_DATA(self.x)
        s.rows, s.start = <int64_t*> PyArray_DATA(self.rows), <int64_t*> PyArray_DATA(self.start)
        s.order = <int64_t*> PyArray_DATA(self.order)
        return 0

    cdef int forward(self, bint kept) except -1:
        """From the input to the output and the last state. ``kept``: backward may come."""
        cdef sequence* s = &self.s
        cdef Py_ssize_t H = s.H, P = s.P, G = s.G, whole = G - H if s.cell == GRU_RESET_BEFORE else G, rows
        s.kept = kept
        s.stride = min(max(STRIDE_ROWS // max(s.B, 1), 1), s.T)
        rows = self.N if kept else s.stride * s.B
        self.held = []
        self.gates = self.array(rows, G)
        s.gates = PyArray_DATA(self.gates)
        if s.cell != RNN_TANH and s.cell != RNN_RELU:
            self.extra = self.array(rows, H)
            s.extra = PyArray_DATA(self.extra)
        if self.w_hr is not None:
            self.hidden = self.array(rows, H)
            s.hidden = PyArray_DATA(self.hidden)
            s.weight_hr = self.packed(self.w_hr, 0, P, H, 1, H)
        if self.single_step():
            self.products = self.array(s.B, G)
            self.multiply(s.B, G, s.inputs, self.x, 0, s.inputs, 1, self.w_ih, 0, self.gates, 0, TRANSPOSED)
            self.multiply(s.B, G, P, self.h0, 0, P, 1, self.w_hh, 0, self.products, 0, TRANSPOSED)
        else:
            s.weight_ih = self.packed(self.w_ih, 0, G, s.inputs, 1, s.inputs)
            s.weight = self.packed(self.w_hh, 0, whole, P, 1, P)
            s.weight_n = self.packed(self.w_hh, whole, G - whole, P, 1, P)
        self.run(True)
        self.spent = False
        return 0

    cdef int run(self, bint forward) except -1:
        """The walk. Every thread takes rows of about the same number of steps together."""
        cdef sequence* s = &self.s
        cdef int threads = <int> min(threads_for(self.N * s.G * (s.P + s.inputs) // 64), max(s.B, 1))
        cdef ndarray bounds
        cdef int64_t* bound
        cdef Py_ssize_t i
        s.h = self.space(s.B * state_row(s.P))
        s.products = self.space(s.B * s.G) if self.products is None else PyArray_DATA(self.products)
        if s.cell == LSTM:
            s.c = self.space(s.B * s.H)
        if threads == 1:
            with nogil:
                (self.walk.forward if forward else self.walk.backward)(s, 0, s.B)
        else:
            bounds = self.bounds(threads)
            bound = <int64_t*> PyArray_DATA(bounds)
            for i in prange(threads, num_threads=threads, schedule="static", nogil=True):
                (self.walk.forward if forward else self.walk.backward)(s, bound[i], bound[i + 1])
        self.held = self.products = None
        return 0

    cdef bint single_step(self):
        """Whether packing the weights would take as long as using them: there is one step, and its product is plain."""
        return self.s.T == 1 and self.order is None and self.s.cell != GRU_RESET_BEFORE

    cdef ndarray bounds(self, int threads):
        """Where every thread's rows begin."""
        steps = np.full(self.s.B, self.s.T) if self.lengths is None else self.lengths[self.order]
        inner = np.searchsorted(np.cumsum(steps), self.N * np.arange(1, threads) / threads)
        return np.concatenate([[0], inner, [self.s.B]]).astype(np.int64)

    # ---- backward ----

    cdef ndarray backward(self, Tensor dout, Tensor dhn, Tensor dcn, bint wants_dx, ndarray dh0, ndarray dc0):
        """The walk against the steps: from the gradients of what came out to those of the gates, the first state, and
        the input (N, I), which is returned, or None."""
        cdef sequence* s = &self.s
        cdef Py_ssize_t H = s.H, P = s.P, G = s.G, whole = G - H if s.cell == GRU_RESET_BEFORE else G
        cdef list keep = [None if g is None else contiguous((<Tensor> g).array) for g in (dout, dhn, dcn)]
        cdef ndarray dx = None
        if self.spent:                  # a second pass over a kept graph
            self.hn, self.cn = self.array(s.B, P), self.array(s.B, H)
            s.hn, s.cn = PyArray_DATA(self.hn), PyArray_DATA(self.cn)
            self.forward(True)
        self.held, self.spent = [], True
        s.dout, s.dhn, s.dcn = address(keep[0]), address(keep[1]), address(keep[2])
        s.dh0, s.dc0 = PyArray_DATA(dh0), address(dc0)
        s.weight_ih = s.weight = NULL
        if self.w_hr is not None:
            self.dprojected = self.array(self.N, P)
            s.dprojected = PyArray_DATA(self.dprojected)
            s.weight_hr = self.packed(self.w_hr, 0, H, P, H, 1)
        if not self.single_step():
            s.weight = self.packed(self.w_hh, 0, P, whole, P, 1)
            s.weight_n = self.packed(self.w_hh, whole, P, G - whole, P, 1)
        if wants_dx:
            dx = self.input_gradient()
        self.run(False)
        if self.single_step():
            self.multiply(s.B, P, G, self.gates, 0, G, 1, self.w_hh, 0, dh0, 0, ADD if s.cell == GRU else 0)
            if wants_dx:
                self.single_input_gradient(dx)
        return dx

    cdef ndarray input_gradient(self):
        """Where the walk will put it, and the weights for it."""
        cdef sequence* s = &self.s
        cdef Py_ssize_t F = s.inputs, whole = s.G - s.H if s.cell == GRU else s.G
        cdef ndarray dx = self.array(self.N, F)
        s.dx = PyArray_DATA(dx)
        if not self.single_step():
            s.weight_ih = self.packed(self.w_ih, 0, F, whole, F, 1)
            s.weight_in = self.packed(self.w_ih, whole, F, s.G - whole, F, 1)
        return dx

    cdef int single_input_gradient(self, ndarray dx) except -1:
        cdef Py_ssize_t G = self.s.G, H = self.s.H, whole = G - H if self.s.cell == GRU else G
        self.multiply(self.N, self.s.inputs, whole, self.gates, 0, G, 1, self.w_ih, 0, dx, 0, 0)
        if whole < G:                   # the candidate's gates have a gradient of their own
            self.multiply(self.N, self.s.inputs, H, self.extra, 0, H, 1, self.w_ih, whole, dx, 0, ADD)
        return 0

    cdef ndarray spread(self, ndarray dx):
        """(N, I) -> (T, B, I), zero in the padding."""
        cdef ndarray padded = dx
        if self.flat is not None:
            padded = self.array(self.s.T * self.s.B, self.s.inputs, zero=True)
            padded[self.flat] = dx
        return padded.reshape((self.s.T, self.s.B, self.s.inputs))

    cdef ndarray weight_ih_gradient(self):
        cdef Py_ssize_t G = self.s.G, H = self.s.H, whole = G - H if self.s.cell == GRU else G
        cdef ndarray dw = self.array(G, self.s.inputs)
        self.multiply(whole, self.s.inputs, self.N, self.gates, 0, 1, G, self.x, 0, dw, 0, 0)
        if self.s.cell == GRU:
            self.multiply(H, self.s.inputs, self.N, self.extra, 0, 1, H, self.x, 0, dw, whole, 0)
        return dw

    cdef ndarray weight_hh_gradient(self):
        cdef Py_ssize_t G = self.s.G, H = self.s.H, P = self.s.P
        cdef bint before = self.s.cell == GRU_RESET_BEFORE
        cdef ndarray dw = self.array(G, P), states = self.h0
        if self.s.T > 1 or self.order is not None:
            states = self.array(self.N, P)
            self.walk.before(&self.s, PyArray_DATA(states))
        self.multiply(2 * H if before else G, P, self.N, self.gates, 0, 1, G, states, 0, dw, 0, 0)
        if before:                      # the candidate saw r h
            self.multiply(H, P, self.N, self.gates, 2 * H, 1, G, self.extra, 0, dw, 2 * H, 0)
        return dw

    cdef ndarray weight_hr_gradient(self):
        cdef ndarray dw = self.array(self.s.P, self.s.H)
        self.multiply(self.s.P, self.s.H, self.N, self.dprojected, 0, 1, self.s.P, self.hidden, 0, dw, 0, 0)
        return dw

    cdef ndarray bias_gradient(self, bint ih):
        cdef Py_ssize_t G = self.s.G, H = self.s.H, whole = G - H if ih and self.s.cell == GRU else G
        cdef ndarray db = self.array(1, G)
        self.walk.column_sums(self.N, whole, PyArray_DATA(self.gates), G, PyArray_DATA(db))
        if whole < G:
            self.walk.column_sums(self.N, H, PyArray_DATA(self.extra), H,
                                  PyArray_BYTES(db) + whole * self.product.size)
        return db.reshape((G,))


cdef void* address(ndarray x) noexcept:
    return NULL if x is None else PyArray_DATA(x)


# ---- the node -----------------------------------------------------------------------------------------------------------

cdef int expect(str name, str what, Tensor x, Tensor input, tuple shape) except -1:
    if x is None:
        raise TypeError(f"{name}: {what} must be a tensor, not None")
    if PyArray_TYPE(x.array) != PyArray_TYPE(input.array):
        raise DtypeError(f"{name}: {what} is {x.dtype}, the input {input.dtype}")
    if shape_of(x.array) != shape:
        raise ShapeError(f"{name}: {what} of shape {x.shape} where {shape} is needed, for an input {input.shape}")
    return 0


cdef int check(str name, int gates, Tensor input, tuple state, tuple weights, object lengths) except -1:
    """Everything the kernels rely on."""
    cdef Tensor h = state[0], w_hh = weights[1], w_hr = weights[4] if len(weights) == 5 else None
    cdef Py_ssize_t T, B, H, P
    if PyArray_NDIM(input.array) != 3 or not is_real(input.array):
        raise ShapeError(f"{name}: expected a float input (steps, batch, features), not {input.dtype} {input.shape}")
    T, B = PyArray_DIMS(input.array)[0], PyArray_DIMS(input.array)[1]
    if T == 0:
        raise ShapeError(f"{name}: expected at least one step, not an input of shape {input.shape}")
    if PyArray_NDIM(w_hh.array) != 2 or PyArray_DIMS(w_hh.array)[0] % gates:
        raise ShapeError(f"{name}: weight_hh must be ({gates} * hidden_size, features), not {w_hh.shape}")
    H, P = PyArray_DIMS(w_hh.array)[0] // gates, PyArray_DIMS(w_hh.array)[1]
    if w_hr is None and H != P:
        raise ShapeError(f"{name}: weight_hh must be ({gates} * hidden_size, hidden_size), not {w_hh.shape}")
    expect(name, "the state", h, input, (B, P))
    if len(state) == 2:
        expect(name, "the cell state", state[1], input, (B, H))
    expect(name, "weight_ih", weights[0], input, (gates * H, PyArray_DIMS(input.array)[2]))
    expect(name, "weight_hh", w_hh, input, (gates * H, P))
    for bias in weights[2:4]:
        if bias is not None:
            expect(name, "a bias", bias, input, (gates * H,))
    if w_hr is not None:
        expect(name, "weight_hr", w_hr, input, (P, H))
    if lengths is not None and (not isinstance(lengths, np.ndarray) or lengths.dtype != np.int64
                                or lengths.shape != (B,) or B and (lengths.min() < 0 or lengths.max() > T)):
        raise ValueError(f"{name}: lengths must be an int64 array of shape ({B},) with values from 0 to {T}")
    return 0


cdef Layer new_layer(int cell, Py_ssize_t gates, Tensor input, tuple state, tuple weights, object lengths, bint reverse):
    cdef Layer layer = Layer.__new__(Layer)
    cdef sequence* s = &layer.s
    layer.type_num = PyArray_TYPE(input.array)
    layer.single = layer.type_num == NPY_FLOAT
    layer.walk = &walks_f32 if layer.single else &walks_f64
    layer.product = &products_f32 if layer.single else &products_f64
    layer.w_ih, layer.w_hh, layer.b_ih, layer.b_hh = [
        None if w is None else contiguous((<Tensor> w).array) for w in weights[:4]]
    if len(weights) == 5 and weights[4] is not None:
        layer.w_hr = contiguous((<Tensor> weights[4]).array)
    layer.h0 = contiguous((<Tensor> state[0]).array)
    s.cell, s.reverse = cell, reverse
    s.T, s.B, layer.s.inputs = PyArray_DIMS(input.array)[0], PyArray_DIMS(input.array)[1], PyArray_DIMS(input.array)[2]
    s.G, s.P = PyArray_DIMS(layer.w_hh)[0], PyArray_DIMS(layer.w_hh)[1]
    s.H = s.G // gates
    zeros = layer.array(1, s.G, zero=True) if layer.b_ih is None or layer.b_hh is None else None
    layer.b_ih = zeros if layer.b_ih is None else layer.b_ih
    layer.b_hh = zeros if layer.b_hh is None else layer.b_hh
    layer.lengths = lengths
    layer.plan(input.array)
    layer.out = layer.array(s.T * s.B, s.P, zero=lengths is not None)
    layer.hn = layer.array(s.B, s.P)
    if cell == LSTM:
        layer.c0 = contiguous((<Tensor> state[1]).array)
        layer.cn = layer.array(s.B, s.H)
        s.c0, s.cn = PyArray_DATA(layer.c0), PyArray_DATA(layer.cn)
    s.bias_ih, s.bias_hh, s.h0 = PyArray_DATA(layer.b_ih), PyArray_DATA(layer.b_hh), PyArray_DATA(layer.h0)
    s.out, s.hn = PyArray_DATA(layer.out), PyArray_DATA(layer.hn)
    return layer


cdef tuple gradients(Layer layer, tuple parents, dict dys):
    """The gradient of every parent that wants one: input, state (one part or two), weights."""
    cdef Py_ssize_t parts = 2 if layer.s.cell == LSTM else 1, B = layer.s.B
    cdef list wanted = [p is not None and (<Tensor> p).requires for p in parents], found
    cdef ndarray dh0 = layer.array(B, layer.s.P), dc0 = layer.array(B, layer.s.H) if parts == 2 else None
    dx = layer.backward(dys.get(0), dys.get(1), dys.get(2), wanted[0], dh0, dc0)
    found = [None if dx is None else layer.spread(dx), dh0] + ([dc0] if parts == 2 else [])
    found += [layer.weight_ih_gradient() if wanted[1 + parts] else None,
              layer.weight_hh_gradient() if wanted[2 + parts] else None,
              layer.bias_gradient(True) if wanted[3 + parts] else None,
              layer.bias_gradient(False) if wanted[4 + parts] else None]
    if layer.s.cell == LSTM:
        found.append(layer.weight_hr_gradient() if wanted[7] else None)
    layer.gates = layer.extra = layer.hidden = layer.dprojected = None
    return tuple([None if g is None else wrap(g) for g in found])


cdef tuple sequence_of(
        str name, int cell, Py_ssize_t gates, Tensor input, tuple state, tuple weights, object lengths, bint reverse,
        object twin):
    """The layer as one node: output (T, B, P) and the last state, one part or two."""
    cdef tuple parents = (input, *state, *weights)
    cdef Layer layer
    check(name, gates, input, state, weights, lengths)
    layer = new_layer(cell, gates, input, state, weights, lengths, reverse)
    layer.forward(get_mode() == RECORDING and any([p is not None and p.requires_grad for p in parents]))

    def backward(y, dys):
        if get_mode() & RECORDING:
            return twin_gradients(twin, parents, [dys.get(k) for k in range(1 + len(state))])
        return gradients(layer, parents, dys)
    backward.__qualname__ = name
    out = wrap(layer.out.reshape((layer.s.T, layer.s.B, layer.s.P)))
    return record_many((out, layer.hn) + ((layer.cn,) if len(state) == 2 else ()), parents, backward, parents + (out,))


# ---- the three ----------------------------------------------------------------------------------------------------------

def rnn(Tensor input not None, Tensor h not None, Tensor weight_ih not None, Tensor weight_hh not None,
        Tensor bias_ih=None, Tensor bias_hh=None, *, nonlinearity="tanh", lengths=None, reverse=False):
    """One layer of ``rnn_step`` over time: input (T, B, I), h (B, H) -> output (T, B, H), h_n (B, H)."""
    if nonlinearity not in ("tanh", "relu"):
        raise ValueError(f"rnn: nonlinearity must be 'tanh' or 'relu', not {nonlinearity!r}")
    twin = partial(reference.rnn, nonlinearity=nonlinearity, lengths=lengths, reverse=reverse)
    return sequence_of("rnn", RNN_TANH if nonlinearity == "tanh" else RNN_RELU, 1, input, (h,),
                       (weight_ih, weight_hh, bias_ih, bias_hh), lengths, reverse, twin)


def gru(Tensor input not None, Tensor h not None, Tensor weight_ih not None, Tensor weight_hh not None,
        Tensor bias_ih=None, Tensor bias_hh=None, *, reset_after=True, lengths=None, reverse=False):
    """One layer of ``gru_step`` over time: input (T, B, I), h (B, H) -> output (T, B, H), h_n (B, H)."""
    twin = partial(reference.gru, reset_after=reset_after, lengths=lengths, reverse=reverse)
    return sequence_of("gru", GRU if reset_after else GRU_RESET_BEFORE, 3, input, (h,),
                       (weight_ih, weight_hh, bias_ih, bias_hh), lengths, reverse, twin)


def lstm(Tensor input not None, Tensor h not None, Tensor c not None, Tensor weight_ih not None,
         Tensor weight_hh not None, Tensor bias_ih=None, Tensor bias_hh=None, Tensor weight_hr=None, *, lengths=None,
         reverse=False):
    """One layer of ``lstm_step`` over time: input (T, B, I), h (B, P), c (B, H) -> output (T, B, P), h_n, c_n."""
    twin = partial(reference.lstm, lengths=lengths, reverse=reverse)
    return sequence_of("lstm", LSTM, 4, input, (h, c), (weight_ih, weight_hh, bias_ih, bias_hh, weight_hr), lengths,
                       reverse, twin)
