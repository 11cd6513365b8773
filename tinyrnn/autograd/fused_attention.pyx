"""Additive attention as one node. Its twin in ``reference.py`` says the same in primitive operations."""
from cython.parallel cimport prange
from numpy cimport (
    NPY_BOOL, NPY_FLOAT, PyArray_DATA, PyArray_DIMS, PyArray_EMPTY, PyArray_ITEMSIZE, PyArray_NDIM, PyArray_STRIDES,
    PyArray_TYPE, import_array, ndarray, npy_intp,
)

from tinyrnn.autograd.arrays cimport address, contiguous, is_real
from tinyrnn.autograd.tensor cimport RECORDING, Tensor, get_mode, wrap
from tinyrnn.kernels.attention cimport (
    attention, attention_backward_f32, attention_backward_f64, attention_forward_f32, attention_forward_f64,
    attention_gradients,
)
from tinyrnn.kernels.parallel cimport threads_for

import numpy as np

from tinyrnn.autograd import reference
from tinyrnn.autograd.arrays import DtypeError, ShapeError
from tinyrnn.autograd.engine import record_many
from tinyrnn.autograd.fused import twin_gradients

import_array()

# ---- what fits -------------------------------------------------------------------------------------------------------

cdef int check(Tensor query, Tensor keys, Tensor values, Tensor v, Tensor mask) except -1:
    shapes = f"query {query.shape}, keys {keys.shape}, values {values.shape}, v {v.shape}"
    if mask is not None:
        shapes += f", mask {mask.shape}"
    if query.ndim not in (2, 3) or keys.ndim != 3 or values.ndim != 3 or v.ndim != 1 \
            or query.shape[0] != keys.shape[0] or query.shape[-1] != keys.shape[2] or v.shape[0] != keys.shape[2] \
            or values.shape[:2] != keys.shape[:2] or (mask is not None and mask.shape != keys.shape[:2]):
        raise ShapeError(f"additive_attention: {shapes} do not fit together")
    if not is_real(query.array) or any([x.dtype != query.dtype for x in (keys, values, v)]):
        raise DtypeError(f"additive_attention: {query.dtype}, {keys.dtype}, {values.dtype} and {v.dtype} do not mix")
    if mask is not None and PyArray_TYPE(mask.array) != NPY_BOOL:
        raise DtypeError(f"additive_attention: the mask must be bool, not {mask.dtype}")
    return 0


# ---- tensors to pointers ---------------------------------------------------------------------------------------------

cdef ndarray rows_in_one_piece(ndarray x):
    """x if the elements along its last dimension are neighbours, else a copy; the other steps are of no matter."""
    cdef int last = PyArray_NDIM(x) - 1
    return x if PyArray_STRIDES(x)[last] == PyArray_ITEMSIZE(x) else contiguous(x)


cdef attention described(ndarray query, ndarray keys, ndarray values, ndarray v, ndarray mask) noexcept:
    """The kernel's view of arrays that are laid out as it wants them."""
    cdef Py_ssize_t item = PyArray_ITEMSIZE(query)
    cdef attention x
    x.B, x.S, x.A, x.V = PyArray_DIMS(keys)[0], PyArray_DIMS(keys)[1], PyArray_DIMS(keys)[2], PyArray_DIMS(values)[2]
    x.Q = PyArray_DIMS(query)[1] if PyArray_NDIM(query) == 3 else 1
    x.query, x.keys, x.values, x.v = PyArray_DATA(query), PyArray_DATA(keys), PyArray_DATA(values), PyArray_DATA(v)
    x.key_row, x.key_step = PyArray_STRIDES(keys)[0] // item, PyArray_STRIDES(keys)[1] // item
    x.value_row, x.value_step = PyArray_STRIDES(values)[0] // item, PyArray_STRIDES(values)[1] // item
    x.mask = <char*> address(mask)
    return x


cdef ndarray like_query(ndarray query, Py_ssize_t last):
    """A new array (B, last) or (B, Q, last)."""
    cdef npy_intp dims[3]
    cdef int n = PyArray_NDIM(query)
    dims[0], dims[1], dims[n - 1] = PyArray_DIMS(query)[0], PyArray_DIMS(query)[1], last
    return PyArray_EMPTY(n, dims, PyArray_TYPE(query), 0)


cdef void forward(bint is_float, const attention* x, void* weights, void* context) noexcept nogil:
    """A score and its share of the context cost about a nanosecond for 4 attention units or 16 values."""
    cdef Py_ssize_t i, threads = min(threads_for(x.B * x.Q * x.S * (x.A // 4 + x.V // 16)), x.B)
    for i in prange(threads, num_threads=threads, schedule="static"):
        if is_float:
            attention_forward_f32(x, weights, context, x.B * i // threads, x.B * (i + 1) // threads)
        else:
            attention_forward_f64(x, weights, context, x.B * i // threads, x.B * (i + 1) // threads)


cdef void backward_rows(bint is_float, const attention* x, const void* weights, const void* dweights,
                        const void* dcontext, const attention_gradients* d) noexcept nogil:
    cdef Py_ssize_t i, threads = min(threads_for(x.B * x.Q * x.S * (x.A // 2 + x.V // 8)), x.B)
    for i in prange(threads, num_threads=threads, schedule="static"):
        if is_float:
            attention_backward_f32(x, weights, dweights, dcontext, d, x.B * i // threads, x.B * (i + 1) // threads)
        else:
            attention_backward_f64(x, weights, dweights, dcontext, d, x.B * i // threads, x.B * (i + 1) // threads)


cdef tuple gradients(attention* x, ndarray query, ndarray weights, ndarray dcontext, ndarray dweights, tuple sums):
    """dquery, dkeys, dvalues, dv. The gradients of keys and values are added to the sums that wait for them: a decoder
    looks at the same ones in every step. (With several queries a sum would have other bits.)"""
    cdef ndarray dquery = like_query(query, x.A), shares, scores
    cdef Tensor dkeys = None, dvalues = None
    cdef attention_gradients d
    kind = query.dtype
    if sums is not None and x.Q == 1:
        dkeys, dvalues = sums[1], sums[2]
    d.add_keys, d.add_values = dkeys is not None, dvalues is not None
    dkeys = wrap(np.empty((x.B, x.S, x.A), kind)) if dkeys is None else dkeys
    dvalues = wrap(np.empty((x.B, x.S, x.V), kind)) if dvalues is None else dvalues
    shares, scores = np.empty((x.B, x.A), kind), np.empty((x.B, x.S), kind)
    dcontext = np.zeros_like(like_query(query, x.V)) if dcontext is None else contiguous(dcontext)
    dweights = None if dweights is None else contiguous(dweights)
    d.query, d.keys, d.values = PyArray_DATA(dquery), PyArray_DATA(dkeys.array), PyArray_DATA(dvalues.array)
    d.v, d.scores = PyArray_DATA(shares), PyArray_DATA(scores)
    with nogil:
        backward_rows(PyArray_TYPE(query) == NPY_FLOAT, x, PyArray_DATA(weights),
                      NULL if dweights is None else PyArray_DATA(dweights), PyArray_DATA(dcontext), &d)
    return wrap(dquery), dkeys, dvalues, wrap(shares).sum(0)


# ---- the operation ---------------------------------------------------------------------------------------------------

def additive_attention(Tensor query not None, Tensor keys not None, Tensor values not None, Tensor v not None,
                       Tensor mask=None):
    """Additive attention (Bahdanau et al. 2015, arXiv:1409.0473, appendix A.1.2), queries and keys already projected.

    score_ij = v . tanh(query_i + key_j),   weights = softmax over j,   context_i = sum_j weights_ij value_j

    query (B, A) or (B, Q, A), keys (B, S, A), values (B, S, V), v (A,), mask (B, S): True where a source position takes
    part. Returns context (B, V) or (B, Q, V) and weights (B, S) or (B, Q, S). A row whose mask is all False gets zeros.
    What stands at masked positions is never read. Other shapes raise ShapeError, mixed dtypes DtypeError.
    """
    cdef ndarray q, k, values_, v_, m = None, weights, context
    cdef Tensor kept
    cdef attention x
    check(query, keys, values, v, mask)
    q, v_ = contiguous(query.array), contiguous(v.array)
    k, values_ = rows_in_one_piece(keys.array), rows_in_one_piece(values.array)
    if mask is not None:
        m = contiguous(mask.array)
    x = described(q, k, values_, v_, m)
    weights, context = like_query(q, x.S), like_query(q, x.V)
    with nogil:
        forward(PyArray_TYPE(q) == NPY_FLOAT, &x, PyArray_DATA(weights), PyArray_DATA(context))
    kept = wrap(weights)

    def backward(y, dys, sums):
        cdef Tensor dcontext = dys.get(0), dweights = dys.get(1)
        cdef attention x = described(q, k, values_, v_, m)
        if get_mode() == RECORDING:
            inputs = (query, keys, values, v, mask)
            return twin_gradients(reference.additive_attention, inputs, (dcontext, dweights))[:4]
        return gradients(&x, q, weights, None if dcontext is None else dcontext.array,
                         None if dweights is None else dweights.array, sums)
    return record_many((context, kept), (query, keys, values, v), backward, (query, keys, values, v, mask, kept), True)
