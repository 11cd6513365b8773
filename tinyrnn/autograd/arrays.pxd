from numpy cimport dtype, ndarray

from tinyrnn.kernels.pointwise cimport binary_loops, unary_loops

cdef int threads_of(Py_ssize_t n) noexcept nogil
cdef bint is_real(ndarray x) noexcept
cpdef ndarray cast(object a, object kind)
cpdef ndarray as_it_lies(object draw, ndarray x)
cdef ndarray scalar(double value, int type_num)
cdef tuple shape_of(ndarray x)
cdef bint same_shape(ndarray a, ndarray b) noexcept
cdef bint has_shape(ndarray x, tuple shape) except -1
cdef ndarray empty(ndarray like)
cdef ndarray adopt(object x)
cdef ndarray contiguous(ndarray x)
cdef ndarray copy_as_it_lies(ndarray x)
cdef void* address(ndarray x) noexcept
cdef ndarray map_unary(const unary_loops* loops, ndarray x)
cdef ndarray map_binary(str name, const binary_loops* loops, ndarray a, ndarray b, bint truth)
cdef int accumulate(ndarray y, ndarray x) except -1
cdef int add_to_rows(ndarray y, ndarray row) except -1
cdef dtype common_dtype(str name, ndarray a, ndarray b)
