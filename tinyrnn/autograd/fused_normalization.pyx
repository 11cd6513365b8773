"""Layer normalisation as one node. Its twin in ``reference.py`` says the same in primitive operations."""
from cython.parallel cimport prange
from numpy cimport (
    NPY_FLOAT, PyArray_DATA, PyArray_EMPTY, PyArray_SIZE, PyArray_TYPE, import_array, ndarray, npy_intp,
)

from tinyrnn.autograd.arrays cimport address, contiguous, empty, is_real
from tinyrnn.autograd.engine cimport record
from tinyrnn.autograd.tensor cimport RECORDING, Tensor, get_mode, wrap
from tinyrnn.kernels.normalize cimport (
    NORM_BLOCK, layer_norm_backward_f32, layer_norm_backward_f64, layer_norm_forward_f32, layer_norm_forward_f64,
)
from tinyrnn.kernels.parallel cimport threads_for

from math import prod

from tinyrnn.autograd import reference
from tinyrnn.autograd.arrays import DtypeError
from tinyrnn.autograd.fused import twin_gradients

import_array()


cdef struct Sizes:
    npy_intp rows
    npy_intp n
    npy_intp blocks             # of NORM_BLOCK rows
    int type_num


cdef Sizes checked(Tensor input, tuple shape, Tensor weight, Tensor bias) except *:
    cdef Sizes s
    cdef Tensor p
    reference.check_shapes(input, shape, weight, bias)
    for name, p in (("weight", weight), ("bias", bias)):
        if p is not None and p.dtype != input.dtype:
            raise DtypeError(f"layer_norm: the input is {input.dtype}, {name} is {p.dtype}")
    if not is_real(input.array):
        raise DtypeError(f"layer_norm: expected float32 or float64, not {input.dtype}")
    s.n = prod(shape)
    s.rows = PyArray_SIZE(input.array) // s.n if s.n else 0
    s.blocks = (s.rows + NORM_BLOCK - 1) // NORM_BLOCK
    s.type_num = PyArray_TYPE(input.array)
    return s


cdef void forward(Sizes* s, void* x, void* w, void* b, void* y, void* means, void* scales, double eps) noexcept nogil:
    cdef Py_ssize_t i, threads = min(threads_for(s.rows * s.n), s.rows)
    for i in prange(threads, num_threads=threads, schedule="static"):
        if s.type_num == NPY_FLOAT:
            layer_norm_forward_f32(
                x, w, b, y, means, scales, s.n, eps, s.rows * i // threads, s.rows * (i + 1) // threads)
        else:
            layer_norm_forward_f64(
                x, w, b, y, means, scales, s.n, eps, s.rows * i // threads, s.rows * (i + 1) // threads)


cdef void backward_rows(Sizes* s, void* x, void* w, void* means, void* scales, void* dy, void* dx, void* dw,
                        void* db) noexcept nogil:
    """Threads take whole blocks of rows."""
    cdef Py_ssize_t i, first, last, threads = min(threads_for(2 * s.rows * s.n), s.blocks)
    for i in prange(threads, num_threads=threads, schedule="static"):
        first, last = s.blocks * i // threads * NORM_BLOCK, min(s.blocks * (i + 1) // threads * NORM_BLOCK, s.rows)
        if s.type_num == NPY_FLOAT:
            layer_norm_backward_f32(x, w, means, scales, dy, dx, dw, db, s.n, first, last)
        else:
            layer_norm_backward_f64(x, w, means, scales, dy, dx, dw, db, s.n, first, last)


def layer_norm(Tensor input not None, normalized_shape, Tensor weight=None, Tensor bias=None, eps=1e-5):
    """y = z w + b,  z = (x - mean) r,  r = 1 / sqrt(variance + eps), over the last dimensions (Ba et al. 2016,
    arXiv:1607.06450).    With g = dy w:  dx = r (g - mean g - z mean(g z)),  dw = sum dy z,  db = sum dy

    input (..., *normalized_shape), weight and bias normalized_shape. Other shapes raise ShapeError.
    """
    cdef tuple shape = tuple(normalized_shape)
    cdef Sizes sizes = checked(input, shape, weight, bias)
    cdef ndarray x = contiguous(input.array), y = empty(x), means, scales
    cdef ndarray w = None if weight is None else contiguous(weight.array)
    cdef ndarray b = None if bias is None else contiguous(bias.array)
    cdef double small = eps
    means, scales = [PyArray_EMPTY(1, &sizes.rows, sizes.type_num, 0) for _ in range(2)]
    forward(&sizes, PyArray_DATA(x), address(w), address(b), PyArray_DATA(y), PyArray_DATA(means),
            PyArray_DATA(scales), small)

    def backward(y, Tensor dy):
        cdef Sizes s = sizes
        if get_mode() == RECORDING:
            inputs = (input, shape, weight, bias, eps)
            dx, _, dw, db, _ = twin_gradients(reference.layer_norm, inputs, (dy,))
            return dx, dw, db
        return gradients(&s, x, w, means, scales, contiguous(dy.array), shape)
    return record(y, (input, weight, bias), backward, (input, weight))


cdef tuple gradients(Sizes* s, ndarray x, ndarray w, ndarray means, ndarray scales, ndarray dy, tuple shape):
    cdef npy_intp[2] dims = [s.blocks, s.n]
    cdef ndarray dx = empty(x), dw = PyArray_EMPTY(2, dims, s.type_num, 0), db = PyArray_EMPTY(2, dims, s.type_num, 0)
    backward_rows(s, PyArray_DATA(x), address(w), PyArray_DATA(means), PyArray_DATA(scales), PyArray_DATA(dy),
                  PyArray_DATA(dx), PyArray_DATA(dw), PyArray_DATA(db))
    return wrap(dx), wrap(dw).sum(0).reshape(shape), wrap(db).sum(0).reshape(shape)
