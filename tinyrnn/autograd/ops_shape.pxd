from tinyrnn.autograd.tensor cimport Tensor

cdef tuple axes_of(str name, object dims, Tensor x)
cdef tuple sizes_of(str name, tuple shape)
