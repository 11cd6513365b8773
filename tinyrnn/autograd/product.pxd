from numpy cimport ndarray

cdef ndarray multiply(ndarray a, ndarray b)
