from numpy cimport ndarray, npy_intp

cdef enum:
    MAX_DIMS = 64                       # NumPy's own limit


cdef struct Loop:                       # the walk over two operands that are broadcast to one shape
    int ndim
    npy_intp size[MAX_DIMS]             # elements
    npy_intp step_a[MAX_DIMS]           # elements of a
    npy_intp step_b[MAX_DIMS]


cdef struct Axes:
    npy_intp order[MAX_DIMS]            # the dimensions from the longest step to the shortest
    npy_intp back[MAX_DIMS]             # and back again


cdef bint arrange(Loop* loop, Axes* axes) noexcept
cdef bint arrange_one(ndarray x, Axes* axes) noexcept
cdef ndarray turned(ndarray x, npy_intp* axes)
