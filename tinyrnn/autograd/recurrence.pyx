"""A recurrent layer in one direction at work: its arrays, and the walks of ``kernels/recurrent.h`` over them.

Forward: one walk over the steps, which leaves the activated gates where backward will come. Backward: the walk against
the steps, which puts the gradients of the gates in their place; then the gradients of the weights are one product each.
"""
cimport cython
from cython.parallel cimport prange
from libc.stdint cimport int64_t
from numpy cimport (
    PyArray_BYTES, PyArray_DATA, PyArray_DIMS, PyArray_EMPTY, PyArray_NDIM, PyArray_SIZE, PyArray_TYPE, PyArray_ZEROS,
    import_array, ndarray, npy_intp,
)

from tinyrnn.autograd.arrays cimport address, contiguous, is_real, threads_of
from tinyrnn.autograd.deferred cimport Product, worth_deferring
from tinyrnn.autograd.product cimport multiply as matrix_product
from tinyrnn.autograd.tensor cimport Tensor, wrap
from tinyrnn.kernels.gemm cimport aligned, gemm, pack_all, share, threads_to_multiply
from tinyrnn.kernels.parallel cimport threads_for
from tinyrnn.kernels.recurrent cimport (
    GRU, GRU_RESET_BEFORE, LSTM, RNN_RELU, RNN_TANH, gate_row, sequence, state_row, walks, walks_f32, walks_f64,
    whole_hh, whole_ih,
)

import numpy as np

from tinyrnn.autograd.arrays import DtypeError, ShapeError

import_array()

cdef enum:
    ADD = 1                             # how to multiply
    TRANSPOSED = 2
    STRIDE_ROWS = 256                   # rows that a stride of the walk should have


# ---- what the kernels rely on ----------------------------------------------------------------------------------------

cdef int expect(str name, str what, Tensor x, Tensor like, Py_ssize_t rows, Py_ssize_t columns) except -1:
    """x is there, has the dtype of ``like``, and is (rows, columns), or (columns,) if rows is -1."""
    cdef int ndim = 1 if rows < 0 else 2
    if x is None:
        raise TypeError(f"{name}: {what} must be a tensor, not None")
    if PyArray_TYPE(x.array) != PyArray_TYPE(like.array):
        raise DtypeError(f"{name}: {what} is {x.dtype} where {like.dtype} is needed")
    cdef npy_intp* dims = PyArray_DIMS(x.array)
    if PyArray_NDIM(x.array) != ndim or dims[ndim - 1] != columns or ndim == 2 and dims[0] != rows:
        needed = f"({columns},)" if rows < 0 else f"({rows}, {columns})"
        raise ShapeError(f"{name}: {what} of shape {x.shape} where {needed} is needed")
    return 0


cdef Py_ssize_t check_weights(str name, int gates, Tensor like, Py_ssize_t features, tuple weights) except -1:
    """weight_ih, weight_hh, two biases (or None) and weight_hr (left out, or None) fit together, ``features`` to read
    (-1: as many as weight_ih has) and the dtype of ``like``. Returns the features of the output."""
    cdef Tensor w_ih = weights[0], w_hh = weights[1], w_hr = weights[4] if len(weights) == 5 else None
    cdef Py_ssize_t H, P
    if w_ih is None or w_hh is None:
        raise TypeError(f"{name}: weight_ih and weight_hh must be tensors, not None")
    if PyArray_NDIM(w_hh.array) != 2 or PyArray_DIMS(w_hh.array)[0] % gates:
        raise ShapeError(f"{name}: weight_hh must be ({gates} * hidden_size, features), not {w_hh.shape}")
    H, P = PyArray_DIMS(w_hh.array)[0] // gates, PyArray_DIMS(w_hh.array)[1]
    if w_hr is None and H != P:
        raise ShapeError(f"{name}: weight_hh must be ({gates} * hidden_size, hidden_size), not {w_hh.shape}")
    if features < 0 and PyArray_NDIM(w_ih.array) == 2:
        features = PyArray_DIMS(w_ih.array)[1]
    expect(name, "weight_ih", w_ih, like, gates * H, features)
    expect(name, "weight_hh", w_hh, like, gates * H, P)
    for bias in weights[2:4]:
        if bias is not None:
            expect(name, "a bias", bias, like, -1, gates * H)
    if w_hr is not None:
        expect(name, "weight_hr", w_hr, like, P, H)
    if not is_real(w_ih.array):
        raise DtypeError(f"{name}: the weights must be float32 or float64, not {w_ih.dtype}")
    return P


cdef const walks* walks_of(bint single) noexcept:
    """The loops for float32 or float64, which are compiled in this module alone."""
    return &walks_f32 if single else &walks_f64


# ---- at work ---------------------------------------------------------------------------------------------------------

@cython.final
cdef class Layer:
    """The arrays of a layer at work, and the pointers to them that the kernels take."""

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
        cdef void* memory = NULL if N == 0 else self.space(self.product.space(N, K))
        cdef const char* at = PyArray_BYTES(w) + first * PyArray_DIMS(w)[1] * self.product.size
        if memory is NULL:
            return NULL
        with nogil:
            pack_all(self.product, N, K, at, row, col, memory, threads_for(N * K // 16))
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
        cdef Py_ssize_t H = s.H, P = s.P, G = s.G, whole = whole_hh(s), rows
        s.kept = kept
        s.stride = min(max(STRIDE_ROWS // max(s.B, 1), 1), s.T)
        rows = self.N if kept else s.stride * s.B
        self.held = []
        s.gate_row = gate_row(G) if kept and not self.single_step() else G
        self.gates = self.array(rows, s.gate_row)
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
        cdef int threads = <int> min(threads_to_multiply(self.N * s.G * (s.P + s.inputs)), max(s.B, 1))
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
        shares = np.arange(threads + 1, dtype=np.int64)
        if self.lengths is None:
            return self.s.B * shares // threads
        steps = np.cumsum(self.lengths[self.order])
        return np.concatenate([[0], np.searchsorted(steps, self.N * shares[1:-1] / threads), [self.s.B]])

    # ---- backward ----

    cdef ndarray backward(self, Tensor dout, Tensor dhn, Tensor dcn, bint wants_dx, ndarray dh0, ndarray dc0):
        """The walk against the steps: from the gradients of what came out to those of the gates, the first state, and
        the input (N, I), which is returned, or None."""
        cdef sequence* s = &self.s
        cdef Py_ssize_t H = s.H, P = s.P, G = s.G, whole = whole_hh(s)
        cdef list keep = [None if g is None else contiguous((<Tensor> g).array) for g in (dout, dhn, dcn)]
        cdef ndarray dx = None
        if self.spent:                  # a second pass over a kept graph; what the first returned is the caller's
            self.out = self.array(s.T * s.B, P, zero=self.lengths is not None)
            self.hn, self.cn = self.array(s.B, P), self.array(s.B, H)
            s.out, s.hn, s.cn = PyArray_DATA(self.out), PyArray_DATA(self.hn), PyArray_DATA(self.cn)
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
        cdef Py_ssize_t F = s.inputs, whole = whole_ih(s)
        cdef ndarray dx = self.array(self.N, F)
        s.dx = PyArray_DATA(dx)
        if not self.single_step():
            s.weight_ih = self.packed(self.w_ih, 0, F, whole, F, 1)
            s.weight_in = self.packed(self.w_ih, whole, F, s.G - whole, F, 1)
        return dx

    cdef int single_input_gradient(self, ndarray dx) except -1:
        cdef Py_ssize_t G = self.s.G, H = self.s.H, whole = whole_ih(&self.s)
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

    cdef object weight_ih_gradient(self):
        cdef Py_ssize_t G = self.s.G, H = self.s.H, whole = whole_ih(&self.s), row = self.s.gate_row
        cdef ndarray dw
        if self.single_step() and whole == G:
            return deferred(self.gates, self.x)
        if self.single_step():
            return deferred(np.concatenate([self.gates[:, :whole], self.extra], 1), self.x)
        dw = self.array(G, self.s.inputs)
        self.multiply(whole, self.s.inputs, self.N, self.gates, 0, 1, row, self.x, 0, dw, 0, 0)
        if whole < G:
            self.multiply(H, self.s.inputs, self.N, self.extra, 0, 1, H, self.x, 0, dw, whole, 0)
        return dw

    cdef object weight_hh_gradient(self):
        cdef Py_ssize_t G = self.s.G, H = self.s.H, P = self.s.P, row = self.s.gate_row, first = 0
        cdef Py_ssize_t whole = whole_hh(&self.s)
        cdef ndarray dw, states
        if self.single_step():
            return deferred(self.gates, self.h0)
        dw = self.array(G, P)
        for states, start, rows in self.states_before():
            self.multiply(whole, P, rows, self.gates, first * row, 1, row, states, start, dw, 0,
                          ADD if first else 0)
            first += rows
        if whole < G:                   # the candidate saw r h
            self.multiply(H, P, self.N, self.gates, whole, 1, row, self.extra, 0, dw, whole, 0)
        return dw

    cdef list states_before(self):
        """The states with which all N rows began: (array, first row, rows), one after the other."""
        cdef Py_ssize_t B = self.s.B, later = self.N - B
        cdef ndarray states
        if self.order is not None:      # the output is in the caller's order
            states = self.array(self.N, self.s.P)
            self.walk.before(&self.s, PyArray_DATA(states))
            return [(states, 0, self.N)]
        return [(self.out, B, later), (self.h0, 0, B)] if self.s.reverse else [(self.h0, 0, B), (self.out, 0, later)]

    cdef ndarray weight_hr_gradient(self):
        cdef ndarray dw = self.array(self.s.P, self.s.H)
        self.multiply(self.s.P, self.s.H, self.N, self.dprojected, 0, 1, self.s.P, self.hidden, 0, dw, 0, 0)
        return dw

    cdef tuple bias_gradients(self):
        """Of bias_ih and bias_hh. They differ where the two have gates of their own: a GRU's candidate."""
        cdef ndarray ih, hh = self.array(1, self.s.G).reshape((self.s.G,))
        self.sum_columns(self.gates, self.s.G, hh, 0)
        ih = hh.copy()
        if self.s.cell == GRU:
            self.sum_columns(self.extra, self.s.H, ih, 2 * self.s.H)
        return ih, hh

    cdef int sum_columns(self, ndarray x, Py_ssize_t columns, ndarray sums, Py_ssize_t first) except -1:
        """sums[first:] = the sum of every one of the first columns of x. The threads take columns."""
        cdef Py_ssize_t row = PyArray_DIMS(x)[1], size = self.product.size, start, end, i
        cdef int threads = threads_of(self.N * columns)
        cdef const char* at_x = PyArray_BYTES(x)
        cdef char* at_sums = PyArray_BYTES(sums) + first * size
        if threads == 1:
            self.walk.column_sums(self.N, columns, at_x, row, at_sums)
            return 0
        for i in prange(threads, num_threads=threads, schedule="static", nogil=True):
            start, end = share(columns, 16, i, threads), share(columns, 16, i + 1, threads)
            self.walk.column_sums(self.N, end - start, at_x + start * size, row, at_sums + start * size)
        return 0


cdef object deferred(ndarray dy, ndarray x):
    """dy^T x, or the promise of it: in a loop over steps the products of many become one."""
    cdef Tensor ours = wrap(dy), theirs = wrap(x)
    if worth_deferring(ours, theirs):
        return Product(ours, theirs)
    return matrix_product(dy.T, x)
