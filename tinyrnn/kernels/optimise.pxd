"""The loops of optimise.h: one step of each optimiser."""

cdef extern from "optimise.h":
    ctypedef struct sgd_settings:
        double lr, momentum, dampening, weight_decay
        bint nesterov, maximize
    ctypedef struct adam_settings:
        double beta1, beta2, eps, weight_decay, shrink, step, root
        bint maximize
    ctypedef struct rmsprop_settings:
        double lr, alpha, eps, weight_decay, momentum
        bint maximize
    ctypedef struct adagrad_settings:
        double step, eps, weight_decay
        bint maximize
    ctypedef struct adadelta_settings:
        double lr, rho, eps, weight_decay
        bint maximize

    ctypedef void (*sgd_loop)(void* p, const void* g, void* b, const sgd_settings* s, Py_ssize_t n) noexcept nogil
    ctypedef void (*adam_loop)(
        void* p, const void* g, void* m, void* v, void* x, const adam_settings* s, Py_ssize_t n) noexcept nogil
    ctypedef void (*rmsprop_loop)(
        void* p, const void* g, void* v, void* a, void* b, const rmsprop_settings* s, Py_ssize_t n) noexcept nogil
    ctypedef void (*adagrad_loop)(
        void* p, const void* g, void* v, const adagrad_settings* s, Py_ssize_t n) noexcept nogil
    ctypedef void (*adadelta_loop)(
        void* p, const void* g, void* v, void* u, const adadelta_settings* s, Py_ssize_t n) noexcept nogil

    ctypedef struct sgd_table:
        sgd_loop f32
        sgd_loop f64
    ctypedef struct adam_table:
        adam_loop f32
        adam_loop f64
    ctypedef struct rmsprop_table:
        rmsprop_loop f32
        rmsprop_loop f64
    ctypedef struct adagrad_table:
        adagrad_loop f32
        adagrad_loop f64
    ctypedef struct adadelta_table:
        adadelta_loop f32
        adadelta_loop f64

    const sgd_table sgd_loops
    const adam_table adam_loops
    const rmsprop_table rmsprop_loops
    const adagrad_table adagrad_loops
    const adadelta_table adadelta_loops

    double square_sum_f32(const float* g, Py_ssize_t n) noexcept nogil
    double square_sum_f64(const double* g, Py_ssize_t n) noexcept nogil
    void scale_f32(float* g, float factor, Py_ssize_t n) noexcept nogil
    void scale_f64(double* g, double factor, Py_ssize_t n) noexcept nogil
