"""The optimisers' steps, and clipping: the thin door between ``tinyrnn.optim`` and the loops of ``kernels/optimise.h``.

Each function does one step on one parameter, in place and unrecorded; what an optimiser remembers between steps comes
in as tensors of the parameter's shape and dtype and is changed in place too. These are no methods of Tensor.
"""
from cython.parallel cimport prange
from libc.math cimport pow, sqrt
from numpy cimport (
    NPY_FLOAT, PyArray_BYTES, PyArray_DATA, PyArray_ISCARRAY, PyArray_ISWRITEABLE, PyArray_ITEMSIZE, PyArray_NBYTES,
    PyArray_SIZE, PyArray_TYPE, import_array, ndarray,
)

from tinyrnn.autograd.arrays cimport contiguous, is_real, same_shape
from tinyrnn.autograd.tensor cimport Tensor, changed
from tinyrnn.kernels.optimise cimport (
    adadelta_loop, adadelta_loops, adadelta_settings, adagrad_loop, adagrad_loops, adagrad_settings, adam_loop,
    adam_loops, adam_settings, rmsprop_loop, rmsprop_loops, rmsprop_settings, scale_f32, scale_f64, sgd_loop, sgd_loops,
    sgd_settings, square_sum_f32, square_sum_f64,
)
from tinyrnn.kernels.parallel cimport threads_for

import numpy as np

from tinyrnn.autograd.arrays import DtypeError, ShapeError

import_array()

# ---- tensors to memory and back --------------------------------------------------------------------------------------

cdef bint overlap(ndarray a, ndarray b) noexcept:
    """Do two C-contiguous arrays share memory?"""
    return (PyArray_BYTES(a) < PyArray_BYTES(b) + PyArray_NBYTES(b)
            and PyArray_BYTES(b) < PyArray_BYTES(a) + PyArray_NBYTES(a))


cdef int check(str name, Tensor parameter, Tensor x) except -1:
    if not same_shape(parameter.array, x.array):
        raise ShapeError(f"{name}: a parameter of shape {parameter.shape} with a gradient or state of {x.shape}")
    if PyArray_TYPE(parameter.array) != PyArray_TYPE(x.array):
        raise DtypeError(f"{name}: a {parameter.dtype} parameter with a gradient or state of {x.dtype}")
    return 0


cdef list workspace(str name, Tensor parameter, Tensor gradient, tuple state):
    """The arrays a loop runs on: the tensors' own where they are contiguous, else copies. None stays None."""
    cdef Tensor x
    cdef ndarray array
    cdef list arrays = []
    if not is_real(parameter.array):
        raise DtypeError(f"{name}: only float32 and float64 parameters can be optimised, not {parameter.dtype}")
    for x in (parameter, gradient, *state):
        if x is None:
            arrays.append(None)
            continue
        check(name, parameter, x)
        if x is not gradient and not PyArray_ISWRITEABLE(x.array):
            raise ValueError(f"{name}: the memory of a parameter or state of shape {x.shape} is read-only")
        array = x.array if PyArray_ISCARRAY(x.array) else x.array.copy()
        if any([other is not None and overlap(array, other) for other in arrays]):
            if x is not gradient:
                raise ValueError(f"{name}: a parameter and its state share memory")
            array = array.copy()
        arrays.append(array)
    return arrays


cdef int finish(Tensor parameter, tuple state, list arrays) except -1:
    """Writes copies back and notes that the tensors were changed."""
    cdef Tensor x
    for x, array in zip((parameter, None, *state), arrays):
        if x is not None:
            if array is not x.array:
                x.array[...] = array
            changed(x)
    return 0


cdef struct Shares:                     # the arrays of one step, cut into pieces of the same elements: one a thread
    char* start[5]
    Py_ssize_t item                     # bytes
    Py_ssize_t n
    Py_ssize_t threads


cdef Shares shares_of(list arrays):
    cdef Shares s
    cdef ndarray array
    cdef int k
    for k in range(len(arrays)):
        array = arrays[k]
        s.start[k] = NULL if array is None else PyArray_BYTES(array)
    array = arrays[0]
    s.item, s.n = PyArray_ITEMSIZE(array), PyArray_SIZE(array)
    s.threads = threads_for(2 * s.n)    # about 2 nanoseconds an element, most of it memory
    return s


cdef void* at(const Shares* s, int k, Py_ssize_t i) noexcept nogil:
    """Where piece i of array k begins."""
    return NULL if s.start[k] is NULL else s.start[k] + s.n * i // s.threads * s.item


cdef Py_ssize_t length(const Shares* s, Py_ssize_t i) noexcept nogil:
    return s.n * (i + 1) // s.threads - s.n * i // s.threads


cdef double advance(str name, Tensor step) except? -1:
    """Adds one to an optimiser's count of steps, a tensor with one element, and returns it."""
    if not is_real(step.array) or PyArray_SIZE(step.array) != 1 or not PyArray_ISCARRAY(step.array):
        raise ValueError(f"{name}: step must be one float32 or float64 number, not {step.dtype} {step.shape}")
    changed(step)
    if PyArray_TYPE(step.array) == NPY_FLOAT:
        (<float*> PyArray_DATA(step.array))[0] += 1
        return (<float*> PyArray_DATA(step.array))[0]
    (<double*> PyArray_DATA(step.array))[0] += 1
    return (<double*> PyArray_DATA(step.array))[0]


# ---- one step of each ------------------------------------------------------------------------------------------------

def sgd(Tensor parameter not None, Tensor gradient not None, Tensor momentum_buffer, *, double lr, double momentum,
        double dampening, double weight_decay, bint nesterov, bint maximize):
    """Stochastic gradient descent; ``momentum_buffer`` is None without momentum, and starts as zeros."""
    cdef sgd_settings s = sgd_settings(lr, momentum, dampening, weight_decay, nesterov, maximize)
    cdef tuple state = (momentum_buffer,)
    cdef list arrays = workspace("SGD", parameter, gradient, state)
    cdef Shares x = shares_of(arrays)
    cdef sgd_loop loop
    cdef Py_ssize_t i
    loop = sgd_loops.f32 if PyArray_TYPE(parameter.array) == NPY_FLOAT else sgd_loops.f64
    for i in prange(x.threads, nogil=True, num_threads=x.threads, schedule="static"):
        loop(at(&x, 0, i), at(&x, 1, i), at(&x, 2, i), &s, length(&x, i))
    finish(parameter, state, arrays)


def adam(Tensor parameter not None, Tensor gradient not None, Tensor exp_avg not None, Tensor exp_avg_sq not None,
         Tensor max_exp_avg_sq, Tensor step not None, *, double lr, double beta1, double beta2, double eps,
         double weight_decay, bint decoupled_weight_decay, bint maximize):
    """Adam; AMSGrad where ``max_exp_avg_sq`` is given; AdamW with ``decoupled_weight_decay``."""
    cdef adam_settings s
    cdef tuple state = (exp_avg, exp_avg_sq, max_exp_avg_sq)
    cdef list arrays = workspace("Adam", parameter, gradient, state)
    cdef Shares x = shares_of(arrays)
    cdef adam_loop loop
    cdef Py_ssize_t i
    cdef double t = advance("Adam", step)
    s = adam_settings(beta1, beta2, eps, 0 if decoupled_weight_decay else weight_decay,
                      1 - lr * weight_decay if decoupled_weight_decay else 1,
                      lr / (1 - pow(beta1, t)), sqrt(1 - pow(beta2, t)), maximize)
    loop = adam_loops.f32 if PyArray_TYPE(parameter.array) == NPY_FLOAT else adam_loops.f64
    for i in prange(x.threads, nogil=True, num_threads=x.threads, schedule="static"):
        loop(at(&x, 0, i), at(&x, 1, i), at(&x, 2, i), at(&x, 3, i), at(&x, 4, i), &s, length(&x, i))
    finish(parameter, state, arrays)


def rmsprop(Tensor parameter not None, Tensor gradient not None, Tensor square_avg not None, Tensor grad_avg,
            Tensor momentum_buffer, Tensor step not None, *, double lr, double alpha, double eps, double weight_decay,
            double momentum, bint maximize):
    """RMSprop; centered where ``grad_avg`` is given, with momentum where ``momentum_buffer`` is."""
    cdef rmsprop_settings s = rmsprop_settings(lr, alpha, eps, weight_decay, momentum, maximize)
    cdef tuple state = (square_avg, grad_avg, momentum_buffer)
    cdef list arrays = workspace("RMSprop", parameter, gradient, state)
    cdef Shares x = shares_of(arrays)
    cdef rmsprop_loop loop
    cdef Py_ssize_t i
    advance("RMSprop", step)
    loop = rmsprop_loops.f32 if PyArray_TYPE(parameter.array) == NPY_FLOAT else rmsprop_loops.f64
    for i in prange(x.threads, nogil=True, num_threads=x.threads, schedule="static"):
        loop(at(&x, 0, i), at(&x, 1, i), at(&x, 2, i), at(&x, 3, i), at(&x, 4, i), &s, length(&x, i))
    finish(parameter, state, arrays)


def adagrad(Tensor parameter not None, Tensor gradient not None, Tensor sum not None, Tensor step not None, *,
            double lr, double lr_decay, double eps, double weight_decay, bint maximize):
    """Adagrad."""
    cdef adagrad_settings s
    cdef tuple state = (sum,)
    cdef list arrays = workspace("Adagrad", parameter, gradient, state)
    cdef Shares x = shares_of(arrays)
    cdef adagrad_loop loop
    cdef Py_ssize_t i
    cdef double t = advance("Adagrad", step)
    s = adagrad_settings(lr / (1 + (t - 1) * lr_decay), eps, weight_decay, maximize)
    loop = adagrad_loops.f32 if PyArray_TYPE(parameter.array) == NPY_FLOAT else adagrad_loops.f64
    for i in prange(x.threads, nogil=True, num_threads=x.threads, schedule="static"):
        loop(at(&x, 0, i), at(&x, 1, i), at(&x, 2, i), &s, length(&x, i))
    finish(parameter, state, arrays)


def adadelta(Tensor parameter not None, Tensor gradient not None, Tensor square_avg not None, Tensor acc_delta not None,
             Tensor step not None, *, double lr, double rho, double eps, double weight_decay, bint maximize):
    """Adadelta."""
    cdef adadelta_settings s = adadelta_settings(lr, rho, eps, weight_decay, maximize)
    cdef tuple state = (square_avg, acc_delta)
    cdef list arrays = workspace("Adadelta", parameter, gradient, state)
    cdef Shares x = shares_of(arrays)
    cdef adadelta_loop loop
    cdef Py_ssize_t i
    advance("Adadelta", step)
    loop = adadelta_loops.f32 if PyArray_TYPE(parameter.array) == NPY_FLOAT else adadelta_loops.f64
    for i in prange(x.threads, nogil=True, num_threads=x.threads, schedule="static"):
        loop(at(&x, 0, i), at(&x, 1, i), at(&x, 2, i), at(&x, 3, i), &s, length(&x, i))
    finish(parameter, state, arrays)


# ---- clipping --------------------------------------------------------------------------------------------------------

cdef enum:
    PIECE = 1 << 16                     # elements whose squares are added up apart: so the sum knows no threads


def square_sum(Tensor x not None):
    """sum x_i^2 of a float tensor, as a Python number."""
    cdef ndarray a = contiguous(x.array)
    cdef Py_ssize_t n = PyArray_SIZE(a), i
    cdef char* start = PyArray_BYTES(a)
    cdef bint is_float = PyArray_TYPE(a) == NPY_FLOAT
    cdef double sum = 0
    cdef ndarray parts
    cdef double* sums
    if not is_real(a):
        raise DtypeError(f"square_sum: expected float32 or float64, not {x.dtype}")
    parts = np.empty((n + PIECE - 1) // PIECE)
    sums = <double*> PyArray_DATA(parts)
    for i in prange((n + PIECE - 1) // PIECE, nogil=True, num_threads=threads_for(n // 4), schedule="static"):
        if is_float:
            sums[i] = square_sum_f32(<float*> start + i * PIECE, min(PIECE, n - i * PIECE))
        else:
            sums[i] = square_sum_f64(<double*> start + i * PIECE, min(PIECE, n - i * PIECE))
    for i in range(PyArray_SIZE(parts)):
        sum += sums[i]
    return sum


def scale(Tensor x not None, double factor):
    """x *= factor, in place and unrecorded."""
    cdef list arrays = workspace("scale", x, None, ())
    cdef Shares all = shares_of(arrays)
    cdef Py_ssize_t i
    cdef bint is_float = PyArray_TYPE(x.array) == NPY_FLOAT
    for i in prange(all.threads, nogil=True, num_threads=all.threads, schedule="static"):
        if is_float:
            scale_f32(<float*> at(&all, 0, i), <float> factor, length(&all, i))
        else:
            scale_f64(<double*> at(&all, 0, i), factor, length(&all, i))
    finish(x, (), arrays)
