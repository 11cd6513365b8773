from libc.stdint cimport int64_t


cdef extern from "recurrent.h" nogil:
    enum: RNN_TANH
    enum: RNN_RELU
    enum: GRU
    enum: GRU_RESET_BEFORE
    enum: LSTM
    ctypedef struct sequence:                   # sequence.h says what is what
        Py_ssize_t T, B, inputs, H, P, G, stride, gate_row
        int cell
        bint reverse, kept
        const int64_t* rows
        const int64_t* start
        const int64_t* order
        const void* bias_ih
        const void* bias_hh
        const void* weight_ih
        const void* weight_in
        const void* weight
        const void* weight_n
        const void* weight_hr
        const void* x
        void* dx
        const void* h0
        const void* c0
        void* out
        void* hn
        void* cn
        void* gates
        void* extra
        void* hidden
        const void* dout
        const void* dhn
        const void* dcn
        void* dh0
        void* dc0
        void* dprojected
        void* h
        void* c
        void* products
    ctypedef struct walks:
        void (*forward)(const sequence* s, Py_ssize_t first, Py_ssize_t last) noexcept nogil
        void (*backward)(const sequence* s, Py_ssize_t first, Py_ssize_t last) noexcept nogil
        void (*before)(const sequence* s, void* out) noexcept nogil
        void (*column_sums)(
            Py_ssize_t rows, Py_ssize_t columns, const void* x, Py_ssize_t x_row, void* sums) noexcept nogil
    const walks walks_f32, walks_f64
    Py_ssize_t state_row(Py_ssize_t P)
    Py_ssize_t gate_row(Py_ssize_t G)
    Py_ssize_t whole_hh(const sequence* s)
    Py_ssize_t whole_ih(const sequence* s)
