from numpy cimport ndarray

from tinyrnn.autograd.tensor cimport Tensor
from tinyrnn.kernels.pointwise cimport binary_loops

cdef Tensor operand(str name, object a, object other)
cdef ndarray real(Tensor x)
cdef Tensor multiple(str name, object factor, Tensor x)
cdef Tensor times(Tensor dy, Tensor factor)
cdef ndarray compute(str name, const binary_loops* loops, str ufunc, Tensor a, Tensor b)
cdef Tensor zeros_of(Tensor dy)
