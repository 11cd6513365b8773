/* Sums, dot products and maxima of numbers that lie side by side.
 *
 * Entry i is added to lane i % LANES, and the lanes are joined in pairs: the same bits whatever the machine's vectors,
 * a function of the numbers alone. Products are rounded before they are added: no fused instruction is needed.
 */
#ifndef TINYRNN_LANES_H
#define TINYRNN_LANES_H
#include <stddef.h>
#include <string.h>

#define LANES_OF(T) ((ptrdiff_t)(64 / sizeof(T)))           /* 16 floats, 8 doubles */

#if defined(__GNUC__)                                       /* compilers do not find these vectors by themselves */
typedef float half_f32 __attribute__((vector_size(32), aligned(4), may_alias));
typedef float quarter_f32 __attribute__((vector_size(16), aligned(4), may_alias));
typedef double half_f64 __attribute__((vector_size(32), aligned(8), may_alias));
typedef double quarter_f64 __attribute__((vector_size(16), aligned(8), may_alias));
#define LANES_ADD(acc, x) ((acc) += (x))
#define LANES_ADD_PRODUCT(acc, x, y) ((acc) += (x) * (y))
#define LANES_MAX(acc, x) /* no conditional expression of vectors in C: the choice is made bit by bit */            \
    do {                                                                                                            \
        const __typeof__((acc) > (x)) bigger = (acc) > (x);                                                         \
        (acc) = (__typeof__(acc))((bigger & (__typeof__(bigger))(acc)) | (~bigger & (__typeof__(bigger))(x)));      \
    } while (0)
#define LANE(x, i) (x)[i]
#else
typedef struct { float lane[8]; } half_f32;
typedef struct { float lane[4]; } quarter_f32;
typedef struct { double lane[4]; } half_f64;
typedef struct { double lane[2]; } quarter_f64;
#define LANES_EACH(acc, e) for (size_t l = 0; l < sizeof(acc.lane) / sizeof(acc.lane[0]); l++) acc.lane[l] += e
#define LANES_ADD(acc, x) LANES_EACH(acc, (x).lane[l])
#define LANES_ADD_PRODUCT(acc, x, y) LANES_EACH(acc, (x).lane[l] * (y).lane[l])
#define LANES_MAX(acc, x)                                                                                           \
    for (size_t l = 0; l < sizeof(acc.lane) / sizeof(acc.lane[0]); l++)                                             \
        acc.lane[l] = acc.lane[l] > (x).lane[l] ? acc.lane[l] : (x).lane[l]
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
            half_##N rest[2];                                                                                       \
            memset(rest, 0, 64);                                                                                    \
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
            half_##N rest_x[2], rest_y[2];                                                                          \
            memset(rest_x, 0, 64);                                                                                  \
            memset(rest_y, 0, 64);                                                                                  \
            memcpy(rest_x, h, n * sizeof(T));                                                                       \
            memcpy(rest_y, k, n * sizeof(T));                                                                       \
            LANES_ADD_PRODUCT(lower, rest_x[0], rest_y[0]);                                                         \
            LANES_ADD_PRODUCT(upper, rest_x[1], rest_y[1]);                                                         \
        }                                                                                                           \
        return join_##N(lower, upper);                                                                              \
    }                                                                                                               \
                                                                                                                    \
    /* The largest of n > 0 numbers; where one is NaN, any of them. */                                              \
    static inline T largest_of_##N(const T *x, ptrdiff_t n) {                                                       \
        T largest = x[0];                                                                                           \
        if (n < LANES_OF(T)) {                                                                                      \
            for (ptrdiff_t i = 1; i < n; i++) largest = largest > x[i] ? largest : x[i];                            \
            return largest;                                                                                         \
        }                                                                                                           \
        const half_##N *h = (const half_##N *)x, *end = (const half_##N *)(x + n - LANES_OF(T));                    \
        half_##N lower = end[0], upper = end[1];                    /* may overlap the ones before: no matter here */\
        quarter_##N q, last;                                                                                        \
        for (; h < end; h += 2) {                                                                                   \
            LANES_MAX(lower, h[0]);                                                                                 \
            LANES_MAX(upper, h[1]);                                                                                 \
        }                                                                                                           \
        LANES_MAX(lower, upper);                                                                                    \
        memcpy(&q, &lower, 16);                                                                                     \
        memcpy(&last, (char *)&lower + 16, 16);                                                                     \
        LANES_MAX(q, last);                                                                                         \
        largest = LANE(q, 0);                                                                                       \
        for (size_t l = 1; l < 16 / sizeof(T); l++) largest = largest > LANE(q, l) ? largest : LANE(q, l);          \
        return largest;                                                                                             \
    }

LANES_FOLDS(float, f32, (LANE(q, 0) + LANE(q, 2)) + (LANE(q, 1) + LANE(q, 3)))
LANES_FOLDS(double, f64, LANE(q, 0) + LANE(q, 1))

#endif
