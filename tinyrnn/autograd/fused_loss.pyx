"""Cross-entropy as one node, alone and with the linear layer before it. Their twins in ``reference_loss.py`` say the
same in primitive operations."""
cimport cython
from cython.parallel cimport prange
from libc.stdint cimport int64_t
from numpy cimport (
    NPY_FLOAT, PyArray_BYTES, PyArray_DATA, PyArray_DIMS, PyArray_EMPTY, PyArray_ITEMSIZE, PyArray_TYPE, import_array,
    ndarray, npy_intp,
)

from tinyrnn.autograd.arrays cimport add_to_rows, contiguous, empty, is_real, scalar
from tinyrnn.autograd.engine cimport record
from tinyrnn.autograd.product cimport multiply_into
from tinyrnn.autograd.tensor cimport RECORDING, Tensor, get_mode, wrap
from tinyrnn.kernels cimport loss as kernel
from tinyrnn.kernels.parallel cimport threads_for
from tinyrnn.kernels.reduce cimport BLOCK, half_of

import numpy as np

from tinyrnn.autograd import reference_loss
from tinyrnn.autograd.arrays import DtypeError, ShapeError
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


cdef double described(kernel.cross_entropy* p, Py_ssize_t rows, Py_ssize_t classes, ndarray target, ndarray weight,
                      int64_t ignored, double smoothing) except? -1:
    """Fills in the kernel's view, all but the scores; returns the sum of the weights of all rows that count."""
    cdef const int64_t* t = <const int64_t*> PyArray_DATA(target)
    cdef Py_ssize_t i
    cdef double total = 0
    p.N, p.C, p.x, p.target = rows, classes, NULL, <int64_t*> PyArray_DATA(target)
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
    if reduction not in ("mean", "sum"):
        raise ValueError(f'cross_entropy: reduction must be "none", "mean" or "sum", not {reduction!r}')
    for i in range(n):
        sum += number(loss, i)
    return scalar(sum / total if reduction == "mean" else sum, PyArray_TYPE(loss))


cdef Tensor of_rows(Tensor input, Tensor target, Tensor weight, int64_t ignored, str reduction, double smoothing):
    """input (N, C), target (N,)"""
    cdef ndarray x = contiguous(input.array), t = target.array.copy(), w = None, loss, largest, sums
    cdef npy_intp dims = PyArray_DIMS(x)[0]
    cdef int type_num = PyArray_TYPE(x)
    cdef Py_ssize_t step = 1 if reduction == "none" else 0
    cdef double total
    cdef kernel.cross_entropy p
    if weight is not None:
        w = contiguous(weight.array)
    total = described(&p, dims, PyArray_DIMS(x)[1], t, w, ignored, smoothing)
    p.x = PyArray_DATA(x)
    loss, largest, sums = [PyArray_EMPTY(1, &dims, type_num, 0) for _ in range(3)]
    with nogil:
        forward(type_num == NPY_FLOAT, &p, PyArray_DATA(loss), PyArray_DATA(largest), PyArray_DATA(sums))

    def backward(y, Tensor dy):
        cdef ndarray d = contiguous(dy.array), dx = empty(x)
        cdef kernel.cross_entropy p
        if get_mode() == RECORDING:
            inputs = (input, target, weight, ignored, reduction, smoothing)
            return twin_gradients(reference_loss.cross_entropy, inputs, (dy,))[0]
        described(&p, dims, PyArray_DIMS(x)[1], t, w, ignored, smoothing)
        p.x = PyArray_DATA(x)
        if reduction == "mean":
            d = scalar(number(d, 0) / total, type_num)
        with nogil:
            backward_rows(type_num == NPY_FLOAT, &p, PyArray_DATA(largest), PyArray_DATA(sums), PyArray_DATA(d),
                          step, PyArray_DATA(dx))
        return wrap(dx)
    backward.__qualname__ = "cross_entropy"
    return record(reduced(loss, dims, reduction, total), (input,), backward, (input, target, weight))


# ---- with the linear layer before it ---------------------------------------------------------------------------------

@cython.final
@cython.auto_pickle(False)
cdef class Pieces:
    """``linear_cross_entropy`` at work: the scores of some rows after the other, and at once what they give.

    The pieces are the leaves of the tree by which sums are made (``reduce.h``), at most 512 rows, so that every bit is
    what it is when all scores are made at once.
    """

    cdef kernel.cross_entropy p
    cdef ndarray x, w, b, t, weight, loss, largest, sums, scores, slopes, slope, dx, dw
    cdef bint is_float, wants_db
    cdef double total

    cdef int take(self, tuple inputs, int64_t ignored, double smoothing) except -1:
        """What came in, as the loops want it; the classes as a copy, which stays as it was checked."""
        cdef Tensor input, linear_weight, linear_bias, target, weight
        cdef npy_intp N
        input, linear_weight, linear_bias, target, weight = inputs
        self.x, self.w, self.t = contiguous(input.array), linear_weight.array, target.array.copy()
        self.b = None if linear_bias is None else linear_bias.array
        self.weight = None if weight is None else contiguous(weight.array)
        self.is_float = PyArray_TYPE(self.x) == NPY_FLOAT
        N = PyArray_DIMS(self.x)[0]
        self.total = described(&self.p, N, PyArray_DIMS(self.w)[0], self.t, self.weight, ignored, smoothing)
        self.loss, self.largest, self.sums = [np.empty(N, self.x.dtype) for _ in range(3)]
        return 0

    cdef ndarray run(self, double slope, bint wants_dx, bint wants_dw, bint wants_db):
        """Everything, with the gradients that are wanted for the gradient ``slope`` of every row's loss. Returns that
        of the bias."""
        cdef Py_ssize_t N = PyArray_DIMS(self.x)[0], C = self.p.C
        self.dx = np.empty_like(self.x) if wants_dx else None
        self.dw = np.zeros((C, PyArray_DIMS(self.x)[1]), self.x.dtype) if wants_dw else None
        self.wants_db = wants_db
        self.scores = np.empty((min(N, BLOCK), C), self.x.dtype)
        if wants_dx or wants_dw or wants_db:
            self.slopes, self.slope = np.empty_like(self.scores), scalar(slope, PyArray_TYPE(self.x))
        return self.rows(0, N)

    cdef ndarray rows(self, Py_ssize_t first, Py_ssize_t last):
        """The rows from ``first`` up to ``last``. Returns their sum of the gradient of the scores, if it is wanted."""
        cdef ndarray x, s, d = None, a, b
        if last - first > BLOCK:
            middle = first + half_of(last - first)
            a, b = self.rows(first, middle), self.rows(middle, last)
            return a + b if self.wants_db else None
        x, s = self.x[first:last], self.scores[:last - first]
        multiply_into(s, x, self.w.T, False)
        if self.b is not None:
            add_to_rows(s, self.b)
        if self.slopes is not None:
            d = self.slopes[:last - first]
        self.losses(s, d, first)
        if self.dx is not None:
            multiply_into(self.dx[first:last], d, self.w, False)
        if self.dw is not None:
            multiply_into(self.dw, d.T, x, True)
        return wrap(d).sum(0).array if self.wants_db else None

    cdef int losses(self, ndarray s, ndarray d, Py_ssize_t first) except -1:
        """The losses of the rows from ``first`` on, from their scores s, and the gradient d of these, if it is one."""
        cdef Py_ssize_t at = first * PyArray_ITEMSIZE(s)
        cdef char* largest = PyArray_BYTES(self.largest) + at
        cdef char* sums = PyArray_BYTES(self.sums) + at
        self.p.x, self.p.N = PyArray_DATA(s), PyArray_DIMS(s)[0]
        self.p.target = <int64_t*> PyArray_DATA(self.t) + first
        with nogil:
            forward(self.is_float, &self.p, PyArray_BYTES(self.loss) + at, largest, sums)
            if d is not None:
                backward_rows(self.is_float, &self.p, largest, sums, PyArray_DATA(self.slope), 0, PyArray_DATA(d))
        return 0


cdef tuple in_pieces(tuple inputs, tuple options, list wants):
    """The loss, and the gradients of input, weight and bias for dy = 1: None for what ``wants`` denies."""
    cdef Pieces pieces = Pieces.__new__(Pieces)
    pieces.take(inputs, options[0], options[2])
    db = pieces.run(1 / pieces.total if options[1] == "mean" else 1, wants[0], wants[1], wants[2])
    loss = reduced(pieces.loss, len(pieces.loss), options[1], pieces.total)
    return loss, tuple([None if g is None else wrap(g) for g in (pieces.dx, pieces.dw, db)])


cdef int check_linear(Tensor input, Tensor linear_weight, Tensor linear_bias, Tensor target, Tensor weight) except -1:
    """Everything the loops rely on."""
    cdef str name = "linear_cross_entropy"
    if not is_real(input.array):
        raise DtypeError(f"{name}: expected a float input, not {input.dtype} {input.shape}")
    for x in (linear_weight, linear_bias, weight):
        if x is not None and x.dtype != input.dtype:
            raise DtypeError(f"{name}: {input.dtype} {input.shape} and {x.dtype} {x.shape} do not mix")
    if input.ndim != 2 or linear_weight.ndim != 2 or input.shape[1] != linear_weight.shape[1]:
        raise ShapeError(f"{name}: {input.shape} with a weight of {linear_weight.shape}")
    if linear_bias is not None and linear_bias.shape != linear_weight.shape[:1]:
        raise ShapeError(f"{name}: a bias of {linear_bias.shape} beside a weight of {linear_weight.shape}")
    reference_loss.check_shapes(name, input.shape[:1] + linear_weight.shape[:1], target, weight, 1)
    return 0


def linear_cross_entropy(Tensor input not None, Tensor linear_weight not None, Tensor linear_bias,
                         Tensor target not None, Tensor weight=None, ignore_index=-100, reduction="mean",
                         label_smoothing=0.0):
    """loss = cross_entropy(x W^T + b, target, ...) of input x (N, I), linear_weight W (C, I), linear_bias b (C,) or
    None, target (N,), with the reduction "mean" or "sum".

    The scores are made at most 512 rows at a time, and where gradients are recorded these with them, for dy = 1: all
    N x C are never there at once.
    Other shapes raise ShapeError, other dtypes DtypeError, a class outside [0, C) IndexError.
    """
    cdef tuple inputs = (input, linear_weight, linear_bias, target, weight)
    cdef tuple options = (ignore_index, reduction, label_smoothing)
    cdef list wants = [get_mode() == RECORDING and x is not None and x.requires_grad for x in inputs[:3]]
    cdef object made
    check_linear(input, linear_weight, linear_bias, target, weight)
    loss, made = in_pieces(inputs, options, wants)

    def backward(y, Tensor dy):
        nonlocal made
        if get_mode() == RECORDING:
            return twin_gradients(reference_loss.linear_cross_entropy, inputs + options, (dy,))[:3]
        found, made = made if made is not None else in_pieces(inputs, options, wants)[1], None
        return tuple([g if g is None or number(dy.array, 0) == 1 else g * dy for g in found])
    backward.__qualname__ = "linear_cross_entropy"
    return record(loss, inputs[:3], backward, inputs)
