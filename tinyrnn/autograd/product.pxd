from numpy cimport ndarray

cdef ndarray multiply(ndarray a, ndarray b)
cdef int multiply_into(ndarray y, ndarray a, ndarray b, bint add) except -1
cdef int batched_into(ndarray y, ndarray a, ndarray b, bint add) except -1
