"""The loops of normalize.h, which says what each pointer is."""

cdef extern from "normalize.h":
    const Py_ssize_t NORM_BLOCK
    void softmax_gradient_f32(
        const void* y, const void* dy, void* dx, Py_ssize_t n, Py_ssize_t inner, bint is_log, Py_ssize_t first,
        Py_ssize_t last) noexcept nogil
    void softmax_gradient_f64(
        const void* y, const void* dy, void* dx, Py_ssize_t n, Py_ssize_t inner, bint is_log, Py_ssize_t first,
        Py_ssize_t last) noexcept nogil
    void layer_norm_forward_f32(
        const void* x, const void* w, const void* b, void* y, void* means, void* scales, Py_ssize_t n, double eps,
        Py_ssize_t first, Py_ssize_t last) noexcept nogil
    void layer_norm_forward_f64(
        const void* x, const void* w, const void* b, void* y, void* means, void* scales, Py_ssize_t n, double eps,
        Py_ssize_t first, Py_ssize_t last) noexcept nogil
    void layer_norm_backward_f32(
        const void* x, const void* w, const void* means, const void* scales, const void* dy, void* dx, void* dw,
        void* db, Py_ssize_t n, Py_ssize_t first, Py_ssize_t last) noexcept nogil
    void layer_norm_backward_f64(
        const void* x, const void* w, const void* means, const void* scales, const void* dy, void* dx, void* dw,
        void* db, Py_ssize_t n, Py_ssize_t first, Py_ssize_t last) noexcept nogil
