# `for i in prange(rows, nogil=True, num_threads=threads_for(work))` is how a kernel uses more than one core.
# work: about the nanoseconds the loop takes on one core. A pointwise loop counts its elements, a matrix product its
# multiply-adds by PER_NANOSECOND (gemm.pxd).
cdef int threads_for(Py_ssize_t work) noexcept nogil
