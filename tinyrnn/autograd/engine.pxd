from numpy cimport ndarray

from tinyrnn.autograd.tensor cimport Tensor

cdef object OUTPUT                  # in ``saved``: backward reads the output too

cpdef Tensor record(object out, tuple parents, object backward, tuple saved=*, bint adds=*)
cdef object edge(Tensor p)
cdef Tensor record_view(ndarray out, Tensor x, object backward, tuple replay)
cpdef Tensor overwrite(Tensor x, Tensor old, Tensor new)
cdef int rebase(Tensor x, Tensor new, bint hidden=*) except -1
cpdef Tensor before(Tensor x)
cdef int touch(Tensor x) except -1
