from numpy cimport ndarray, npy_intp

from tinyrnn.kernels.reduce cimport fold_loops, row_loops

cdef struct Rows:                   # an array seen as (outer, n, inner); n entries go into one
    npy_intp outer
    npy_intp n
    npy_intp inner
    int ndim                        # of the array
    npy_intp kept[64]               # its shape with length 1 where it was reduced
    int ndim_out                    # of the result
    npy_intp out[64]                # the result's shape

cdef int dim_of(str name, object dim, ndarray x, int new=*) except -1
cdef ndarray by_rows(str name, ndarray x, object dim, bint keepdim, Rows* rows)
cdef tuple kept_shape(Rows* rows)
cdef ndarray result(Rows* rows, int type_num)
cdef ndarray fold(const fold_loops* loops, ndarray x, ndarray c, Rows* rows)
cdef ndarray along(const row_loops* loops, ndarray x, Rows* rows)
cdef int each_row(const row_loops* loops, ndarray x, ndarray y, Rows* rows) except -1
cdef int divide(ndarray y, double divisor) except -1
