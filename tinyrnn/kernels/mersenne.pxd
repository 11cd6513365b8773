from libc.stdint cimport int64_t, uint32_t, uint64_t

from tinyrnn.kernels.real cimport real


cdef struct Mersenne:
    uint32_t key[624]     # the recurrence of MT19937, one block of 624 words
    uint32_t word[624]    # the same block after tempering: what the draws return
    int position          # words of the block already drawn; 624 = the next draw makes a new block
    bint has_normal       # small normal draws come in pairs: is the second one waiting?
    double next_normal


cdef void seed(Mersenne *g, uint32_t value) noexcept nogil
cdef void temper(Mersenne *g) noexcept nogil
cdef void uniform(Mersenne *g, real low, real high, real *out, Py_ssize_t n) noexcept nogil
cdef void normal(Mersenne *g, double mean, double std, bint blocks, real *out, Py_ssize_t n) noexcept nogil
cdef void exponential(Mersenne *g, double rate, real *out, Py_ssize_t n) noexcept nogil
cdef void bernoulli(Mersenne *g, double p, real *out, Py_ssize_t n) noexcept nogil
cdef void integers(Mersenne *g, int64_t low, uint64_t span, int64_t *out, Py_ssize_t n) noexcept nogil
cdef void naturals(Mersenne *g, int64_t *out, Py_ssize_t n) noexcept nogil
cdef void permutation(Mersenne *g, int64_t *out, int64_t n) noexcept nogil
