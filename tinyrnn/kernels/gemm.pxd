from tinyrnn.kernels.real cimport real

cdef int gemm(
    Py_ssize_t M, Py_ssize_t N, Py_ssize_t K, const real* a, Py_ssize_t a_row, Py_ssize_t a_col, const real* b,
    Py_ssize_t b_row, Py_ssize_t b_col, real* c, Py_ssize_t c_row, Py_ssize_t c_col) noexcept nogil
