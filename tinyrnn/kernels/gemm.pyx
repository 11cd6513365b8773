"""The one door for the matrix product: C = A B with any steps, on one or several threads."""
from cython.parallel cimport prange
from libc.stdint cimport uintptr_t
from libc.stdlib cimport free, malloc

from tinyrnn.kernels.parallel cimport threads_for
from tinyrnn.kernels.real cimport real

cdef extern from "gemm.h":
    ctypedef struct gemm_f32:
        Py_ssize_t M, N, K, a_row, a_col, b_row, b_col, c_row, c_col
        const float* a
        const float* b
        float* c
        float* packed
    ctypedef struct gemm_f64:
        Py_ssize_t M, N, K, a_row, a_col, b_row, b_col, c_row, c_col
        const double* a
        const double* b
        double* c
        double* packed
    Py_ssize_t gemm_space_f32(Py_ssize_t M, Py_ssize_t N, Py_ssize_t K) noexcept nogil
    Py_ssize_t gemm_space_f64(Py_ssize_t M, Py_ssize_t N, Py_ssize_t K) noexcept nogil
    Py_ssize_t gemm_panels_f32(Py_ssize_t n) noexcept nogil
    Py_ssize_t gemm_panels_f64(Py_ssize_t n) noexcept nogil
    gemm_f32 gemm_turned_f32(gemm_f32 g) noexcept nogil
    gemm_f64 gemm_turned_f64(gemm_f64 g) noexcept nogil
    void gemm_pack_f32(const gemm_f32* g, Py_ssize_t first, Py_ssize_t last) noexcept nogil
    void gemm_pack_f64(const gemm_f64* g, Py_ssize_t first, Py_ssize_t last) noexcept nogil
    void gemm_rows_f32(const gemm_f32* g, Py_ssize_t first, Py_ssize_t last) noexcept nogil
    void gemm_rows_f64(const gemm_f64* g, Py_ssize_t first, Py_ssize_t last) noexcept nogil
    const Py_ssize_t TILE_ROWS


cdef int gemm(
        Py_ssize_t M, Py_ssize_t N, Py_ssize_t K, const real* a, Py_ssize_t a_row, Py_ssize_t a_col, const real* b,
        Py_ssize_t b_row, Py_ssize_t b_col, real* c, Py_ssize_t c_row, Py_ssize_t c_col) noexcept nogil:
    """C (M x N) = A (M x K) B (K x N); steps in elements. Returns 0, or -1 if there is no memory for the work space.

    The threads share the packed side and take rows of the other: every element is made by one of them.
    """
    cdef gemm_f32 g
    cdef gemm_f64 h
    cdef Py_ssize_t bytes, i, threads
    cdef char small[8192]
    cdef void* memory = small
    bytes = sizeof(real) * (gemm_space_f32(M, N, K) if real is float else gemm_space_f64(M, N, K)) + 64
    if bytes > <Py_ssize_t> sizeof(small):
        memory = malloc(bytes)
    if memory is NULL:
        return -1
    threads = threads_for(M * N * K // 256)     # a small product ends before a busy machine wakes a second thread
    if real is float:
        g = gemm_turned_f32(
            gemm_f32(M, N, K, a_row, a_col, b_row, b_col, c_row, c_col, a, b, c, <float*> aligned(memory)))
        gemm_pack_f32(&g, 0, gemm_panels_f32(g.N))
        if threads == 1:
            gemm_rows_f32(&g, 0, g.M)
        else:
            for i in prange(threads, num_threads=threads, schedule="static"):
                gemm_rows_f32(&g, share(g.M, i, threads), share(g.M, i + 1, threads))
    else:
        h = gemm_turned_f64(
            gemm_f64(M, N, K, a_row, a_col, b_row, b_col, c_row, c_col, a, b, c, <double*> aligned(memory)))
        gemm_pack_f64(&h, 0, gemm_panels_f64(h.N))
        if threads == 1:
            gemm_rows_f64(&h, 0, h.M)
        else:
            for i in prange(threads, num_threads=threads, schedule="static"):
                gemm_rows_f64(&h, share(h.M, i, threads), share(h.M, i + 1, threads))
    if bytes > <Py_ssize_t> sizeof(small):
        free(memory)
    return 0


cdef void* aligned(void* memory) noexcept nogil:
    return <void*> ((<uintptr_t> memory + 63) & ~<uintptr_t> 63)


cdef Py_ssize_t share(Py_ssize_t M, Py_ssize_t i, Py_ssize_t threads) noexcept nogil:
    """Where thread i's rows begin: whole tiles for everyone."""
    cdef Py_ssize_t tiles = (M + TILE_ROWS - 1) // TILE_ROWS
    return min(tiles * i // threads * TILE_ROWS, M)
