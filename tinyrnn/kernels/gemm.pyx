"""The one door for the matrix product: C = A B or C += A B with any steps, on one or several threads."""
from cython.parallel cimport prange
from libc.stdint cimport uintptr_t
from libc.stdlib cimport free, malloc

from tinyrnn.kernels.parallel cimport threads_for

# What an element takes where a multiply-add takes 1, which is 1/32 of a cycle (2.5 GHz, AVX-512): to copy it, and to
# copy it from a row to a column. They only have to be right about which of two ways is shorter.
cdef enum:
    COPY = 3
    TRANSPOSE = 16


cdef int gemm(
        bint single, Py_ssize_t M, Py_ssize_t N, Py_ssize_t K, const void* a, Py_ssize_t a_row, Py_ssize_t a_col,
        const void* b, Py_ssize_t b_row, Py_ssize_t b_col, void* c, Py_ssize_t c_row, bint add) noexcept nogil:
    """C (M x N) = A (M x K) B (K x N), or C += A B; steps in elements, those of a row of C are 1.

    ``single``: float32, else float64. Returns 0, or -1 if there is no memory for the work space. As C^T = B^T A^T has
    the same elements, the roles are turned where packing A is the shorter way. Every element is made by one thread.
    """
    cdef const products* of = products_of(single)
    cdef Py_ssize_t c_col = 1
    if cost(of, N, M, K, b_row != 1, a_col == 1, True) < cost(of, M, N, K, a_col != 1, b_row == 1, False):
        M, N, a, b, a_row, b_col, a_col, b_row, c_row, c_col = N, M, b, a, b_col, a_row, b_row, a_col, 1, c_row
    if M <= 2 * GEMM_ROWS:
        return low(of, M, N, K, a, a_row, a_col, b, b_row, b_col, c, c_row, c_col, add)
    return high(of, M, N, K, a, a_row, a_col, b, b_row, b_col, c, c_row, c_col, add)


cdef const products* products_of(bint single) noexcept nogil:
    """The loops for float32 or float64, which are compiled in this module alone."""
    return &products_f32 if single else &products_f64


cdef int threads_to_multiply(Py_ssize_t count) noexcept nogil:
    """How many threads so many multiply-adds get: two from 6.3 million on, 33 microseconds each."""
    return threads_for(count // PER_NANOSECOND)


cdef Py_ssize_t cost(
        const products* of, Py_ssize_t M, Py_ssize_t N, Py_ssize_t K, bint copy, bint transpose,
        bint turned) noexcept nogil:
    """About the time of a product that copies its A side (M x K), or not, and packs its B side (K x N)."""
    cdef Py_ssize_t width = of.space(N, 1)
    cdef Py_ssize_t pack = TRANSPOSE if transpose else COPY if M > 2 * GEMM_ROWS else 0
    cdef Py_ssize_t blocks = (K * of.size + GEMM_DEPTH_BYTES - 1) // GEMM_DEPTH_BYTES       # each reads and writes C
    return width * M * K + copy * M * K * COPY + N * K * pack + turned * M * N * blocks * TRANSPOSE


cdef int low(
        const products* of, Py_ssize_t M, Py_ssize_t N, Py_ssize_t K, const void* a, Py_ssize_t a_row, Py_ssize_t a_col,
        const void* b, Py_ssize_t b_row, Py_ssize_t b_col, void* c, Py_ssize_t c_row, Py_ssize_t c_col,
        bint add) noexcept nogil:
    """A product of few rows, where packing all of B first would take too long. The threads take columns, or rows where
    there are too few panels to share evenly."""
    cdef int threads = threads_to_multiply(M * N * K)
    cdef Py_ssize_t width = threads * of.panel, a_step, b_step, c_step, i, first, last
    cdef bint columns
    if threads == 1:
        of.multiply_once(M, N, K, a, a_row, a_col, b, b_row, b_col, c, c_row, c_col, add)
        return 0
    columns = N >= 4 * width or N % width == 0 or M < 2 * threads * TILE_ROWS
    a_step, b_step = 0 if columns else of.size * a_row, of.size * b_col * columns
    c_step = of.size * (c_col if columns else c_row)
    for i in prange(threads, num_threads=threads, schedule="static"):
        first = share(N, of.panel, i, threads) if columns else share(M, TILE_ROWS, i, threads)
        last = share(N, of.panel, i + 1, threads) if columns else share(M, TILE_ROWS, i + 1, threads)
        of.multiply_once(M if columns else last - first, last - first if columns else N, K,
                         <const char*> a + first * a_step, a_row, a_col, <const char*> b + first * b_step, b_row,
                         b_col, <char*> c + first * c_step, c_row, c_col, add)
    return 0


cdef int high(
        const products* of, Py_ssize_t M, Py_ssize_t N, Py_ssize_t K, const void* a, Py_ssize_t a_row, Py_ssize_t a_col,
        const void* b, Py_ssize_t b_row, Py_ssize_t b_col, void* c, Py_ssize_t c_row, Py_ssize_t c_col,
        bint add) noexcept nogil:
    """A product of many rows: all of B is packed first. The threads take rows."""
    cdef Py_ssize_t i, first, last
    cdef int threads = threads_to_multiply(M * N * K)
    cdef void* memory = malloc(of.size * of.space(N, K) + 64)
    cdef void* packed = aligned(memory)
    if memory is NULL:
        return -1
    pack_all(of, N, K, b, b_row, b_col, packed, threads)
    if threads == 1:
        of.multiply(M, N, K, a, a_row, a_col, packed, c, c_row, c_col, add)
    else:
        for i in prange(threads, num_threads=threads, schedule="static"):
            first = share(M, TILE_ROWS, i, threads)
            last = share(M, TILE_ROWS, i + 1, threads)
            of.multiply(last - first, N, K, <const char*> a + of.size * first * a_row, a_row, a_col, packed,
                        <char*> c + of.size * first * c_row, c_row, c_col, add)
    free(memory)
    return 0


cdef void pack_all(
        const products* of, Py_ssize_t N, Py_ssize_t K, const void* b, Py_ssize_t b_row, Py_ssize_t b_col, void* packed,
        int threads) noexcept nogil:
    """All panels of B (K x N)."""
    cdef Py_ssize_t panels = (N + of.panel - 1) // of.panel, i
    if threads == 1:
        of.pack(0, panels, N, K, b, b_row, b_col, packed)
        return
    for i in prange(threads, num_threads=threads, schedule="static"):
        of.pack(share(panels, 1, i, threads), share(panels, 1, i + 1, threads), N, K, b, b_row, b_col, packed)


cdef void* aligned(void* memory) noexcept nogil:
    return <void*> ((<uintptr_t> memory + 63) & ~<uintptr_t> 63)


cdef Py_ssize_t share(Py_ssize_t n, Py_ssize_t unit, Py_ssize_t i, Py_ssize_t parts) noexcept nogil:
    """Where the share of thread i begins, when n things are dealt out in whole units."""
    return min((n + unit - 1) // unit * i // parts * unit, n)
