"""The loops of rows.h."""
from libc.stdint cimport int64_t

cdef extern from "rows.h":
    void add_rows_f32(const int64_t* rows, const void* x, void* y, Py_ssize_t n, Py_ssize_t width) noexcept nogil
    void add_rows_f64(const int64_t* rows, const void* x, void* y, Py_ssize_t n, Py_ssize_t width) noexcept nogil
    void add_rows_i64(const int64_t* rows, const void* x, void* y, Py_ssize_t n, Py_ssize_t width) noexcept nogil
    Py_ssize_t first_outside(const int64_t* numbers, Py_ssize_t n, int64_t low, int64_t high) noexcept nogil
    void select_where(const char* mask, const void* a, Py_ssize_t step_a, const void* b, Py_ssize_t step_b, void* y,
                      Py_ssize_t n, Py_ssize_t item) noexcept nogil
    void take_rows(const void* x, const int64_t* rows, void* y, Py_ssize_t n, Py_ssize_t width) noexcept nogil
    void copy_pieces(const char* x, Py_ssize_t step_x, char* y, Py_ssize_t step_y, Py_ssize_t n,
                     Py_ssize_t width) noexcept nogil
    void best_f32(const void* x, int64_t* index, Py_ssize_t outer, Py_ssize_t n, Py_ssize_t inner, Py_ssize_t k,
                  bint largest) noexcept nogil
    void best_f64(const void* x, int64_t* index, Py_ssize_t outer, Py_ssize_t n, Py_ssize_t inner, Py_ssize_t k,
                  bint largest) noexcept nogil
