from numpy cimport ndarray

from tinyrnn.autograd.tensor cimport Tensor

cdef Tensor pick(Tensor x, ndarray index, int dim)
cdef Tensor place(Tensor x, ndarray index, int dim, Py_ssize_t size)
