"""The loops of attention.h, which says what each pointer is."""

cdef extern from "attention.h":
    ctypedef struct attention:
        Py_ssize_t B, Q, S, A, V
        const void* query
        const void* keys
        const void* values
        Py_ssize_t key_row, key_step, value_row, value_step
        const void* v
        char* mask
    ctypedef struct attention_gradients:
        void* query
        void* keys
        void* values
        bint add_keys, add_values
        void* v
        void* scores
    void attention_forward_f32(
        const attention* x, void* weights, void* contexts, Py_ssize_t first, Py_ssize_t last) noexcept nogil
    void attention_forward_f64(
        const attention* x, void* weights, void* contexts, Py_ssize_t first, Py_ssize_t last) noexcept nogil
    void attention_backward_f32(
        const attention* x, const void* weights, const void* dweights, const void* dcontexts,
        const attention_gradients* d, Py_ssize_t first, Py_ssize_t last) noexcept nogil
    void attention_backward_f64(
        const attention* x, const void* weights, const void* dweights, const void* dcontexts,
        const attention_gradients* d, Py_ssize_t first, Py_ssize_t last) noexcept nogil
