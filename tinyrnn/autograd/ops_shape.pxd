from numpy cimport ndarray

from tinyrnn.autograd.tensor cimport Tensor

cdef int axis_of(str name, object dim, Tensor x, int new=*) except -1
cdef tuple sizes_of(str name, tuple shape)
