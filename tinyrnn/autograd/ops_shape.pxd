from numpy cimport ndarray

cdef tuple sizes_of(str name, tuple shape)
