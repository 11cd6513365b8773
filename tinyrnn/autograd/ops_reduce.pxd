from numpy cimport ndarray

from tinyrnn.autograd.rows cimport Rows
from tinyrnn.autograd.tensor cimport Tensor

cdef int floats_only(str name, Tensor x) except -1
cdef ndarray fold_whole(object ufunc, ndarray x, Rows* rows)
cdef Tensor shared(Tensor dy, object mask, tuple kept)
