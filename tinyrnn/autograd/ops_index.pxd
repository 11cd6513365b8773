from numpy cimport ndarray

from tinyrnn.autograd.tensor cimport Tensor

cdef ndarray in_range(str name, ndarray index, Tensor x, int dim, bint back=*)
cdef Tensor take_at(str name, Tensor x, list arrays)
cdef Tensor put_at(str name, Tensor x, list arrays, Tensor value)
cdef Tensor add_at(str name, Tensor x, list arrays, Tensor value)
cdef Tensor sum_at(str name, tuple shape, list arrays, Tensor dy)
