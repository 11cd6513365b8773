"""One step of a stack of recurrent layers, for inference: the weights stay packed from step to step.

A step has the same bits as that step of ``fused_recurrent`` over a whole sequence.

Several threads may step through the same layers. Whatever makes an array may let another thread run, so what is shared
is first made, then put in place at once: packed weights as one object, a work space right before the walk that uses it.
"""
cimport cython
from numpy cimport (
    NPY_DOUBLE, NPY_FLOAT, PyArray_BYTES, PyArray_DATA, PyArray_DIMS, PyArray_EMPTY, PyArray_NDIM, PyArray_TYPE,
    PyArray_ZEROS, import_array, ndarray, npy_intp,
)

from tinyrnn.autograd.arrays cimport contiguous
from tinyrnn.autograd.recurrence cimport check_weights, walks_of
from tinyrnn.autograd.tensor cimport Tensor, wrap, writes_to
from tinyrnn.kernels.gemm cimport aligned, pack_all, products, products_of
from tinyrnn.kernels.recurrent cimport (
    GRU, GRU_RESET_BEFORE, LSTM, RNN_RELU, RNN_TANH, sequence, state_row, walks, whole_hh,
)

from tinyrnn.autograd.arrays import DtypeError, ShapeError

import_array()

CELLS = {"rnn_tanh": (RNN_TANH, 1), "rnn_relu": (RNN_RELU, 1), "gru": (GRU, 3),
         "gru_reset_before": (GRU_RESET_BEFORE, 3), "lstm": (LSTM, 4)}


@cython.final
cdef class PackedLayer:
    """The weights of one layer, packed, and the work space of a step."""

    cdef sequence s
    cdef list memory, work              # what the pointers point into

    cdef int pack(self, const products* product, int cell, Py_ssize_t gates, tuple weights) except -1:
        cdef sequence* s = &self.s
        cdef ndarray w_ih, w_hh, b_ih, b_hh, w_hr
        w_ih, w_hh, b_ih, b_hh, w_hr = [None if w is None else contiguous((<Tensor> w).array) for w in weights]
        self.memory = [b_ih, b_hh]
        s.inputs = PyArray_DIMS(w_ih)[1]
        s.B, s.T, s.stride, s.cell = -1, 1, 1, cell
        s.G, s.P = PyArray_DIMS(w_hh)[0], PyArray_DIMS(w_hh)[1]
        s.H, s.gate_row = s.G // gates, s.G
        s.bias_ih = space(product, self.memory, s.G) if b_ih is None else PyArray_DATA(b_ih)
        s.bias_hh = space(product, self.memory, s.G) if b_hh is None else PyArray_DATA(b_hh)
        s.weight_ih = packed(product, self.memory, w_ih, 0, s.G)
        s.weight = packed(product, self.memory, w_hh, 0, whole_hh(s))
        if whole_hh(s) < s.G:
            s.weight_n = packed(product, self.memory, w_hh, whole_hh(s), s.H)
        if w_hr is not None:
            s.weight_hr = packed(product, self.memory, w_hr, 0, s.P)
        return 0

    cdef int reserve(self, const products* product, Py_ssize_t B) except -1:
        """Work space for B rows."""
        cdef sequence s = self.s
        cdef list work = [], _before = self.work
        s.B = B
        s.gates = space(product, work, B * s.G)
        s.extra = space(product, work, B * s.H)
        s.products = space(product, work, B * s.G)
        s.hidden = space(product, work, B * s.H) if s.weight_hr is not NULL else NULL
        s.h = space(product, work, B * state_row(s.P))
        s.c = space(product, work, B * s.H)
        self.s, self.work = s, work     # what was there before is freed after both
        return 0


cdef void* space(const products* product, list memory, Py_ssize_t count):
    """Room for so many elements, zeros at first."""
    cdef npy_intp n = count + 64
    cdef ndarray array = PyArray_ZEROS(1, &n, NPY_FLOAT if product.size == sizeof(float) else NPY_DOUBLE, 0)
    memory.append(array)
    return aligned(PyArray_DATA(array))


cdef void* packed(const products* product, list memory, ndarray w, Py_ssize_t first, Py_ssize_t N):
    """N rows of a weight (., K) from ``first`` on, for x W^T."""
    cdef Py_ssize_t K = PyArray_DIMS(w)[1]
    cdef void* panels = space(product, memory, product.space(N, K))
    pack_all(product, N, K, PyArray_BYTES(w) + first * K * product.size, 1, K, panels, 1)
    return panels


@cython.final
cdef class Stack:
    """A stack of layers, packed from the weights that a module has now. Only the work space changes afterwards."""

    cdef str cell
    cdef list layers, seen              # PackedLayer for each layer; the weights they were packed from
    cdef long writes                    # to those weights, by then
    cdef int type_num
    cdef const walks* walk
    cdef const products* product

    cdef int pack(self, str cell, tuple names, module) except -1:
        cdef PackedLayer layer
        cdef Tensor w
        cdef Py_ssize_t features = -1, k
        number, gates = CELLS[cell]
        self.cell = cell
        self.seen, self.layers = [None if name is None else getattr(module, name) for name in names], []
        for w in self.seen:
            self.writes += 0 if w is None else writes_to(w)
        for k in range(0, len(names), 5):
            weights = tuple(self.seen[k:k + 5])
            features = check_weights("step", gates, self.seen[0], features, weights)
            self.type_num = PyArray_TYPE((<Tensor> self.seen[0]).array)
            self.product = products_of(self.type_num == NPY_FLOAT)
            layer = PackedLayer.__new__(PackedLayer)
            layer.pack(self.product, number, gates, weights)
            self.layers.append(layer)
        self.walk = walks_of(self.type_num == NPY_FLOAT)
        return 0

    cdef bint is_fresh(self, tuple names, dict own) except -1:
        """Whether these are the weights of the module, unchanged since."""
        cdef Tensor w
        cdef long writes = 0
        cdef Py_ssize_t k = 0
        for name in names:
            w = None if name is None else own.get(name)
            if w is not self.seen[k] or w is None and name is not None:
                return False
            writes += 0 if w is None else writes_to(w)
            k += 1
        return writes == self.writes

    cdef ndarray part(self, object given, Py_ssize_t B, Py_ssize_t size):
        """A part of the state as a contiguous array, if it is of the right shape."""
        cdef Py_ssize_t L = len(self.layers)
        cdef npy_intp* dims
        cdef Tensor state
        if not isinstance(given, Tensor):
            raise TypeError(f"step: expected a tensor as state, or as a part of it, not {type(given).__name__}")
        state = given
        dims = PyArray_DIMS(state.array)
        if PyArray_NDIM(state.array) != 3 or dims[0] != L or dims[1] != B or dims[2] != size:
            raise ShapeError(f"step: expected a state of shape ({L}, {B}, {size}), not {state.shape}")
        if PyArray_TYPE(state.array) != self.type_num:
            raise DtypeError(f"step: the state is {state.dtype}, the weights {self.seen[0].dtype}")
        return contiguous(state.array)

    cdef int run(self, Py_ssize_t B, ndarray input, ndarray h0, ndarray c0, ndarray out, ndarray h,
                 ndarray c) except -1:
        """All layers. The lock is kept from `reserve` to the end of a layer's walk."""
        cdef PackedLayer layer
        cdef sequence* s
        cdef const char* x = PyArray_BYTES(input)
        cdef Py_ssize_t k = 0, h_size, c_size, size = self.product.size
        for layer in self.layers:
            if layer.s.B != B:
                layer.reserve(self.product, B)
            s = &layer.s
            h_size, c_size = B * s.P * size, B * s.H * size
            s.h0 = NULL if h0 is None else PyArray_BYTES(h0) + k * h_size
            s.c0 = NULL if c0 is None else PyArray_BYTES(c0) + k * c_size
            s.hn = PyArray_BYTES(h) + k * h_size
            s.cn = NULL if c is None else PyArray_BYTES(c) + k * c_size
            s.out = PyArray_DATA(out)           # every layer's in turn; the last one's stays
            s.x = x
            self.walk.forward(s, 0, B)
            x = <const char*> s.hn
            k += 1
        return 0


@cython.final
@cython.binding(False)
cdef class Stepper:
    """Takes a stack of layers step by step. ``names``: those of five weights for every layer, None where it has none.

    A copy, or one from a pickle, packs the weights anew.
    """

    cdef tuple names
    cdef Stack stack

    def __init__(self, tuple names not None):
        self.names = names

    def __reduce__(self):
        return Stepper, (self.names,)

    cdef Stack current(self, module):
        """The layers with the weights of now, of the cell that the module is now."""
        cdef Stack stack = self.stack
        cdef str cell = module.step_name
        if stack is None or stack.cell != cell or not stack.is_fresh(self.names, module._parameters):
            stack = Stack.__new__(Stack)
            stack.pack(cell, self.names, module)
            self.stack = stack
        return stack

    def step(self, module, Tensor x not None, state):
        """x (B, inputs); state: (L, B, P), for an LSTM a tuple of it and (L, B, H), or None for zeros. Returns the
        output (B, P) and the new state."""
        cdef Stack stack = self.current(module)
        cdef PackedLayer layer = stack.layers[0]
        cdef ndarray out, h, c = None, h0 = None, c0 = None, input = contiguous(x.array)
        cdef Py_ssize_t B, L = len(stack.layers)
        if PyArray_NDIM(input) != 2 or PyArray_DIMS(input)[1] != layer.s.inputs:
            raise ShapeError(f"step: expected an input of shape (batch, {layer.s.inputs}), not {x.shape}")
        if PyArray_TYPE(input) != stack.type_num:
            raise DtypeError(f"step: the input is {x.dtype}, the weights {stack.seen[0].dtype}")
        B = PyArray_DIMS(input)[0]
        if layer.s.cell == LSTM and state is not None:
            if not isinstance(state, (tuple, list)) or len(state) != 2:
                raise TypeError("step: expected the state as (h, c)")
            h0, c0 = stack.part(state[0], B, layer.s.P), stack.part(state[1], B, layer.s.H)
        elif state is not None:
            h0 = stack.part(state, B, layer.s.P)
        out, h = fresh(0, B, layer.s.P, stack.type_num), fresh(L, B, layer.s.P, stack.type_num)
        if layer.s.cell == LSTM:
            c = fresh(L, B, layer.s.H, stack.type_num)
        stack.run(B, input, h0, c0, out, h, c)
        return wrap(out), wrap(h) if c is None else (wrap(h), wrap(c))


cdef ndarray fresh(Py_ssize_t L, Py_ssize_t B, Py_ssize_t n, int type_num):
    """An array (L, B, n), or (B, n) for L = 0."""
    cdef npy_intp dims[3]
    dims[0], dims[1], dims[2] = L, B, n
    return PyArray_EMPTY(3, dims, type_num, 0) if L else PyArray_EMPTY(2, &dims[1], type_num, 0)
