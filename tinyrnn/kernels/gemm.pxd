cdef extern from "gemm.h" nogil:
    ctypedef struct products:
        Py_ssize_t size, panel
        Py_ssize_t (*space)(Py_ssize_t N, Py_ssize_t K) noexcept nogil
        void (*pack)(
            Py_ssize_t first, Py_ssize_t last, Py_ssize_t N, Py_ssize_t K, const void* b, Py_ssize_t b_row,
            Py_ssize_t b_col, void* packed) noexcept nogil
        void (*multiply)(
            Py_ssize_t M, Py_ssize_t N, Py_ssize_t K, const void* a, Py_ssize_t a_row, Py_ssize_t a_col,
            const void* packed, void* c, Py_ssize_t c_row, Py_ssize_t c_col, bint add) noexcept nogil
        void (*multiply_once)(
            Py_ssize_t M, Py_ssize_t N, Py_ssize_t K, const void* a, Py_ssize_t a_row, Py_ssize_t a_col,
            const void* b, Py_ssize_t b_row, Py_ssize_t b_col, void* c, Py_ssize_t c_row, Py_ssize_t c_col,
            bint add) noexcept nogil
    const products products_f32, products_f64
    const Py_ssize_t TILE_ROWS, GEMM_ROWS, GEMM_DEPTH_BYTES

cdef enum:
    PER_NANOSECOND = 96     # multiply-adds of one core, about

cdef int gemm(
    bint single, Py_ssize_t M, Py_ssize_t N, Py_ssize_t K, const void* a, Py_ssize_t a_row, Py_ssize_t a_col,
    const void* b, Py_ssize_t b_row, Py_ssize_t b_col, void* c, Py_ssize_t c_row, bint add) noexcept nogil
cdef const products* products_of(bint single) noexcept nogil
cdef void pack_all(
    const products* of, Py_ssize_t N, Py_ssize_t K, const void* b, Py_ssize_t b_row, Py_ssize_t b_col, void* packed,
    int threads) noexcept nogil
cdef int threads_to_multiply(Py_ssize_t count) noexcept nogil
cdef void* aligned(void* memory) noexcept nogil
cdef Py_ssize_t share(Py_ssize_t n, Py_ssize_t unit, Py_ssize_t i, Py_ssize_t parts) noexcept nogil
