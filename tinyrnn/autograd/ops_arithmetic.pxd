from numpy cimport ndarray

from tinyrnn.autograd.tensor cimport Tensor

cdef Tensor operand(str name, object a, object other)
cdef ndarray real(Tensor x)
cdef Tensor times(Tensor dy, Tensor factor)
