"""The tables of loops in reduce.h, which says what each computes."""
from libc.stdint cimport int64_t

cdef extern from "reduce.h":
    ctypedef void (*fold_loop)(
        const void* x, const void* c, void* y, Py_ssize_t n, Py_ssize_t inner, Py_ssize_t first,
        Py_ssize_t last) noexcept nogil
    ctypedef void (*row_loop)(
        const void* x, void* y, Py_ssize_t n, Py_ssize_t inner, Py_ssize_t first, Py_ssize_t last) noexcept nogil
    ctypedef void (*scan_loop)(
        const void* x, void* y, Py_ssize_t outer, Py_ssize_t n, Py_ssize_t inner, bint backward) noexcept nogil
    ctypedef void (*recur_loop)(
        const void* u, const void* a, void* y, Py_ssize_t outer, Py_ssize_t n, Py_ssize_t inner,
        bint backward) noexcept nogil
    ctypedef void (*find_loop)(
        const void* x, const void* y, int64_t* index, Py_ssize_t outer, Py_ssize_t n, Py_ssize_t inner) noexcept nogil
    ctypedef void (*index_loop)(
        const void* x, const int64_t* index, void* y, Py_ssize_t outer, Py_ssize_t n, Py_ssize_t inner,
        Py_ssize_t k) noexcept nogil
    ctypedef void (*scale_loop)(void* y, double divisor, Py_ssize_t n) noexcept nogil
    ctypedef void (*join_loop)(const void* a, const void* b, void* y, Py_ssize_t n) noexcept nogil
    ctypedef struct fold_loops:
        fold_loop f32
        fold_loop f64
        join_loop join_f32
        join_loop join_f64
    ctypedef struct row_loops:
        row_loop f32
        row_loop f64
    ctypedef struct scan_loops:
        scan_loop f32
        scan_loop f64
    ctypedef struct recur_loops:
        recur_loop f32
        recur_loop f64
    ctypedef struct find_loops:
        find_loop f32
        find_loop f64
    ctypedef struct index_loops:
        index_loop f32
        index_loop f64
    ctypedef struct scale_loops:
        scale_loop f32
        scale_loop f64
    enum:
        BLOCK
    Py_ssize_t half_of(Py_ssize_t n) noexcept nogil
    Py_ssize_t tiles(Py_ssize_t inner) noexcept nogil
    const fold_loops sum_loops, prod_loops, largest_loops, smallest_loops, squares_loops, magnitudes_loops
    const fold_loops powers_loops, largest_magnitude_loops, smallest_magnitude_loops
    const row_loops softmax_loops, log_softmax_loops, logsumexp_loops
    const scan_loops cumsum_loops, cumprod_loops
    const recur_loops recurrence_loops
    const find_loops first_loops
    const index_loops pick_loops, place_loops
    const scale_loops quotient_loops
