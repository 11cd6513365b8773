from numpy cimport ndarray

from tinyrnn.autograd.tensor cimport Tensor

cdef Tensor value_of(str name, object value, Tensor x)
cdef Tensor fresh(Tensor x)
cdef Tensor fitted(str name, Tensor value, tuple target)
cdef Tensor write(Tensor self, object src, bint hidden)
