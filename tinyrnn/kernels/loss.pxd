"""The loops of loss.h, which says what each pointer is."""
from libc.stdint cimport int64_t

cdef extern from "loss.h":
    ctypedef struct cross_entropy:
        Py_ssize_t N, C
        const void* x
        int64_t* target
        int64_t ignored
        const void* weight
        double smoothing, weights
    void cross_entropy_forward_f32(
        const cross_entropy* p, void* loss, void* largest, void* sums, Py_ssize_t first, Py_ssize_t last) noexcept nogil
    void cross_entropy_forward_f64(
        const cross_entropy* p, void* loss, void* largest, void* sums, Py_ssize_t first, Py_ssize_t last) noexcept nogil
    void cross_entropy_backward_f32(
        const cross_entropy* p, const void* largest, const void* sums, const void* dloss, Py_ssize_t step, void* dx,
        Py_ssize_t first, Py_ssize_t last) noexcept nogil
    void cross_entropy_backward_f64(
        const cross_entropy* p, const void* largest, const void* sums, const void* dloss, Py_ssize_t step, void* dx,
        Py_ssize_t first, Py_ssize_t last) noexcept nogil
