"""Cross-entropy as one node. Its twin in ``reference_loss.py`` says the same in primitive operations."""
from cython.parallel cimport prange
from libc.stdint cimport int64_t
from numpy cimport (
    NPY_FLOAT, PyArray_DATA, PyArray_DIMS, PyArray_EMPTY, PyArray_TYPE, import_array, ndarray, npy_intp,
)

from tinyrnn.autograd.arrays cimport contiguous, empty, is_real
from tinyrnn.autograd.engine cimport record
from tinyrnn.autograd.tensor cimport RECORDING, Tensor, get_mode, wrap
from tinyrnn.kernels cimport loss as kernel
from tinyrnn.kernels.parallel cimport threads_for

from tinyrnn.autograd import reference_loss
from tinyrnn.autograd.arrays import DtypeError
from tinyrnn.autograd.fused import twin_gradients

import_array()

# ---- the loops -------------------------------------------------------------------------------------------------------

cdef void forward(bint is_float, const kernel.cross_entropy* p, void* loss, void* largest, void* sums) noexcept nogil:
    cdef Py_ssize_t i, threads = min(threads_for(p.N * p.C), p.N)
    for i in prange(threads, num_threads=threads, schedule="static"):
        if is_float:
            kernel.cross_entropy_forward_f32(p, loss, largest, sums, p.N * i // threads, p.N * (i + 1) // threads)
        else:
            kernel.cross_entropy_forward_f64(p, loss, largest, sums, p.N * i // threads, p.N * (i + 1) // threads)


cdef void backward_rows(bint is_float, const kernel.cross_entropy* p, const void* largest, const void* sums,
                        const void* dloss, Py_ssize_t step, void* dx) noexcept nogil:
    cdef Py_ssize_t i, threads = min(threads_for(p.N * p.C), p.N)
    for i in prange(threads, num_threads=threads, schedule="static"):
        if is_float:
            kernel.cross_entropy_backward_f32(
                p, largest, sums, dloss, step, dx, p.N * i // threads, p.N * (i + 1) // threads)
        else:
            kernel.cross_entropy_backward_f64(
                p, largest, sums, dloss, step, dx, p.N * i // threads, p.N * (i + 1) // threads)


cdef double number(ndarray x, Py_ssize_t i) noexcept:
    if PyArray_TYPE(x) == NPY_FLOAT:
        return (<float*> PyArray_DATA(x))[i]
    return (<double*> PyArray_DATA(x))[i]


cdef ndarray scalar(double value, int type_num):
    cdef ndarray y = PyArray_EMPTY(0, NULL, type_num, 0)
    if type_num == NPY_FLOAT:
        (<float*> PyArray_DATA(y))[0] = <float> value
    else:
        (<double*> PyArray_DATA(y))[0] = value
    return y


# ---- the operation ---------------------------------------------------------------------------------------------------

def cross_entropy(Tensor input not None, Tensor target not None, Tensor weight=None, ignore_index=-100,
                  reduction="mean", label_smoothing=0.0):
    """loss = -w_t log softmax(x)_t for the class t of every row; "mean" divides by the sum of the weights w_t.

    dx_c = dy w_t (softmax(x)_c - [c = t]), and 0 in the rows of class ``ignore_index``

    input (C,), (N, C) or (N, C, d1, ...), target (), (N,) or (N, d1, ...), weight (C,). With label smoothing a:
    (1 - a) of this loss, and a / C of the sum over all classes as targets. Other shapes raise ShapeError, other dtypes
    DtypeError, a class outside [0, C) IndexError.
    """
    cdef int dim = reference_loss.class_dim("cross_entropy", input)
    cdef Tensor rows = input, loss
    reference_loss.check_shapes("cross_entropy", input.shape, target, weight, dim)
    if not is_real(input.array) or (weight is not None and weight.dtype != input.dtype):
        raise DtypeError("cross_entropy: expected scores and weights of one float dtype, not "
                         f"{input.dtype}{'' if weight is None else f' and {weight.dtype}'}")
    if weight is not None and weight.requires_grad:     # the loops make no gradient for it
        return reference_loss.cross_entropy(input, target, weight, ignore_index, reduction, label_smoothing)
    if input.ndim != 2:
        rows = input.unsqueeze(0) if dim == 0 else input.movedim(1, -1)
        rows = rows.reshape(target.numel(), input.shape[dim])
        loss = of_rows(rows, target.reshape(-1), weight, ignore_index, reduction, label_smoothing)
        return loss.reshape(target.shape) if reduction == "none" else loss
    return of_rows(rows, target, weight, ignore_index, reduction, label_smoothing)


cdef double described(kernel.cross_entropy* p, ndarray x, ndarray target, ndarray weight, int64_t ignored,
                      double smoothing) except? -1:
    """Fills in the kernel's view; returns the sum of the weights of all rows that count."""
    cdef const int64_t* t = <const int64_t*> PyArray_DATA(target)
    cdef Py_ssize_t i
    cdef double total = 0
    p.N, p.C, p.x, p.target = PyArray_DIMS(x)[0], PyArray_DIMS(x)[1], PyArray_DATA(x), <int64_t*> PyArray_DATA(target)
    p.ignored, p.smoothing, p.weights = ignored, smoothing, p.C
    p.weight = NULL
    if weight is not None:
        p.weight, p.weights = PyArray_DATA(weight), 0
        for i in range(p.C):
            p.weights += number(weight, i)
    for i in range(p.N):
        if t[i] != ignored:
            if t[i] < 0 or t[i] >= p.C:
                raise IndexError(f"cross_entropy: Target {t[i]} is out of bounds for {p.C} classes")
            total += 1 if weight is None else number(weight, t[i])
    return total


cdef ndarray reduced(ndarray loss, Py_ssize_t n, str reduction, double total):
    cdef double sum = 0
    cdef Py_ssize_t i
    if reduction == "none":
        return loss
    for i in range(n):
        sum += number(loss, i)
    return scalar(sum / total if reduction == "mean" else sum, PyArray_TYPE(loss))


cdef Tensor of_rows(Tensor input, Tensor target, Tensor weight, int64_t ignored, str reduction, double smoothing):
    """input (N, C), target (N,)"""
    cdef ndarray x = contiguous(input.array), t = contiguous(target.array), w = None, loss, largest, sums
    cdef npy_intp dims = PyArray_DIMS(x)[0]
    cdef int type_num = PyArray_TYPE(x)
    cdef Py_ssize_t step = 1 if reduction == "none" else 0
    cdef double total
    cdef kernel.cross_entropy p
    if weight is not None:
        w = contiguous(weight.array)
    total = described(&p, x, t, w, ignored, smoothing)
    loss, largest, sums = [PyArray_EMPTY(1, &dims, type_num, 0) for _ in range(3)]
    with nogil:
        forward(type_num == NPY_FLOAT, &p, PyArray_DATA(loss), PyArray_DATA(largest), PyArray_DATA(sums))

    def backward(y, Tensor dy):
        cdef ndarray d = contiguous(dy.array), dx = empty(x)
        cdef kernel.cross_entropy p
        if get_mode() == RECORDING:
            inputs = (input, target, weight, ignored, reduction, smoothing)
            return twin_gradients(reference_loss.cross_entropy, inputs, (dy,))[0]
        described(&p, x, t, w, ignored, smoothing)
        if reduction == "mean":
            d = scalar(number(d, 0) / total, type_num)
        with nogil:
            backward_rows(type_num == NPY_FLOAT, &p, PyArray_DATA(largest), PyArray_DATA(sums), PyArray_DATA(d),
                          step, PyArray_DATA(dx))
        return wrap(dx)
    backward.__qualname__ = "cross_entropy"
    return record(reduced(loss, dims, reduction, total), (input,), backward, (input, target, weight))
