from tinyrnn.autograd.tensor cimport Tensor

cdef Tensor convert(Tensor x, object dtype, bint copy)
