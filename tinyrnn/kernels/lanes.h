/* Sums and dot products of numbers that lie side by side.
 *
 * Entry i is added to lane i % LANES, and the lanes are joined in pairs: the same bits whatever the machine's vectors,
 * a function of the numbers alone. Products are rounded before they are added: no fused instruction is needed.
 */
#ifndef TINYRNN_LANES_H
#define TINYRNN_LANES_H
#include <stddef.h>
#include <string.h>

/* Marks functions whose loops are worth the widest vectors: those full of arithmetic. Elsewhere the compiler's own choice
 * on processors with AVX-512, half that width, is better. tanh and exp took two thirds of the time (GCC 12, Xeon). */
#if defined(__AVX512F__) && defined(__GNUC__) && !defined(__clang__)
#define WIDE __attribute__((noinline, target("prefer-vector-width=512")))   /* inlined, it would be its caller's */
#else
#define WIDE
#endif

#define LANES_OF(T) ((ptrdiff_t)(64 / sizeof(T)))           /* 16 floats, 8 doubles */

#if defined(__GNUC__)                                       /* compilers do not find these vectors by themselves */
typedef float half_f32 __attribute__((vector_size(32), aligned(4), may_alias));
typedef float quarter_f32 __attribute__((vector_size(16), aligned(4), may_alias));
typedef double half_f64 __attribute__((vector_size(32), aligned(8), may_alias));
typedef double quarter_f64 __attribute__((vector_size(16), aligned(8), may_alias));
#define LANES_ADD(acc, x) ((acc) += (x))
#define LANES_ADD_PRODUCT(acc, x, y) ((acc) += (x) * (y))
#define LANE(x, i) (x)[i]
#else
typedef struct { float lane[8]; } half_f32;
typedef struct { float lane[4]; } quarter_f32;
typedef struct { double lane[4]; } half_f64;
typedef struct { double lane[2]; } quarter_f64;
#define LANES_EACH(acc, e) for (size_t l = 0; l < sizeof(acc.lane) / sizeof(acc.lane[0]); l++) acc.lane[l] += e
#define LANES_ADD(acc, x) LANES_EACH(acc, (x).lane[l])
#define LANES_ADD_PRODUCT(acc, x, y) LANES_EACH(acc, (x).lane[l] * (y).lane[l])
#define LANE(x, i) (x).lane[i]
#endif

/* The lanes are two halves. JOIN: the sum of a quarter's lanes. */
#define LANES_FOLDS(T, N, JOIN)                                                                                     \
    static inline T join_##N(half_##N lower, half_##N upper) {                                                      \
        quarter_##N q, last;                                                                                        \
        LANES_ADD(lower, upper);                                                                                    \
        memcpy(&q, &lower, 16);                                                                                     \
        memcpy(&last, (char *)&lower + 16, 16);                                                                     \
        LANES_ADD(q, last);                                                                                         \
        return JOIN;                                                                                                \
    }                                                                                                               \
                                                                                                                    \
    static inline T sum_of_##N(const T *x, ptrdiff_t n) {                                                           \
        half_##N lower = {0}, upper = {0};                                                                          \
        const half_##N *h = (const half_##N *)x;                                                                    \
        for (; n >= LANES_OF(T); n -= LANES_OF(T), h += 2) {                                                        \
            LANES_ADD(lower, h[0]);                                                                                 \
            LANES_ADD(upper, h[1]);                                                                                 \
        }                                                                                                           \
        if (n) {                                                                                                    \
            half_##N rest[2] = {{0}};                                                                               \
            memcpy(rest, h, n * sizeof(T));                                                                         \
            LANES_ADD(lower, rest[0]);                                                                              \
            LANES_ADD(upper, rest[1]);                                                                              \
        }                                                                                                           \
        return join_##N(lower, upper);                                                                              \
    }                                                                                                               \
                                                                                                                    \
    static inline T dot_of_##N(const T *x, const T *y, ptrdiff_t n) {                                               \
        half_##N lower = {0}, upper = {0};                                                                          \
        const half_##N *h = (const half_##N *)x, *k = (const half_##N *)y;                                          \
        for (; n >= LANES_OF(T); n -= LANES_OF(T), h += 2, k += 2) {                                                \
            LANES_ADD_PRODUCT(lower, h[0], k[0]);                                                                   \
            LANES_ADD_PRODUCT(upper, h[1], k[1]);                                                                   \
        }                                                                                                           \
        if (n) {                                                                                                    \
            half_##N rest_x[2] = {{0}}, rest_y[2] = {{0}};                                                          \
            memcpy(rest_x, h, n * sizeof(T));                                                                       \
            memcpy(rest_y, k, n * sizeof(T));                                                                       \
            LANES_ADD_PRODUCT(lower, rest_x[0], rest_y[0]);                                                         \
            LANES_ADD_PRODUCT(upper, rest_x[1], rest_y[1]);                                                         \
        }                                                                                                           \
        return join_##N(lower, upper);                                                                              \
    }

LANES_FOLDS(float, f32, (LANE(q, 0) + LANE(q, 2)) + (LANE(q, 1) + LANE(q, 3)))
LANES_FOLDS(double, f64, LANE(q, 0) + LANE(q, 1))

#endif
