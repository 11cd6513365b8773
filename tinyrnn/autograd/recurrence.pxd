from numpy cimport ndarray

from tinyrnn.autograd.tensor cimport Tensor
from tinyrnn.kernels.gemm cimport products
from tinyrnn.kernels.recurrent cimport sequence, walks


cdef class Layer:
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

    cdef ndarray array(self, Py_ssize_t rows, Py_ssize_t columns, bint zero=*)
    cdef void* space(self, Py_ssize_t count)
    cdef void* packed(self, ndarray w, Py_ssize_t first, Py_ssize_t N, Py_ssize_t K, Py_ssize_t row, Py_ssize_t col)
    cdef int multiply(
            self, Py_ssize_t M, Py_ssize_t N, Py_ssize_t K, ndarray a, Py_ssize_t a_first, Py_ssize_t a_row,
            Py_ssize_t a_col, ndarray b, Py_ssize_t b_first, ndarray c, Py_ssize_t c_first, int how) except -1
    cdef int plan(self, ndarray input) except -1
    cdef int forward(self, bint kept) except -1
    cdef int run(self, bint forward) except -1
    cdef bint single_step(self)
    cdef ndarray bounds(self, int threads)
    cdef ndarray backward(self, Tensor dout, Tensor dhn, Tensor dcn, bint wants_dx, ndarray dh0, ndarray dc0)
    cdef ndarray input_gradient(self)
    cdef int single_input_gradient(self, ndarray dx) except -1
    cdef ndarray spread(self, ndarray dx)
    cdef object weight_ih_gradient(self)
    cdef object weight_hh_gradient(self)
    cdef list states_before(self)
    cdef ndarray weight_hr_gradient(self)
    cdef tuple bias_gradients(self)
    cdef int sum_columns(self, ndarray x, Py_ssize_t columns, ndarray sums, Py_ssize_t first) except -1


cdef const walks* walks_of(bint single) noexcept
cdef int expect(str name, str what, Tensor x, Tensor like, Py_ssize_t rows, Py_ssize_t columns) except -1
cdef Py_ssize_t check_weights(str name, int gates, Tensor like, Py_ssize_t features, tuple weights) except -1
