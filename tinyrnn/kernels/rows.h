/* Rows by number, and choice by a mask. First the sum y[rows[i]] += x[i], the gradient of all that gathers.
 *
 *   rows   n row numbers, each inside y                 read
 *   x      n rows of `width` elements                   read
 *   y      rows of `width` elements, not x's memory     read and written
 *
 * The rows are taken in order, so equal row numbers always add up in the same order: the same bits every time.
 */
#ifndef TINYRNN_ROWS_H
#define TINYRNN_ROWS_H
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ADD_ROWS(T, NAME)                                                                                           \
    static inline void NAME(const int64_t *rows, const void *vx, void *vy, ptrdiff_t n, ptrdiff_t width) {          \
        const T *restrict x = vx;                                                                                   \
        if (width == 1)                                                                                             \
            for (ptrdiff_t i = 0; i < n; i++) ((T *)vy)[rows[i]] += x[i];                                           \
        else                                                                                                        \
            for (ptrdiff_t i = 0; i < n; i++, x += width) {                                                         \
                T *restrict y = (T *)vy + rows[i] * width;                                                          \
                for (ptrdiff_t j = 0; j < width; j++) y[j] += x[j];                                                 \
            }                                                                                                       \
    }

ADD_ROWS(float, add_rows_f32)
ADD_ROWS(double, add_rows_f64)
ADD_ROWS(int64_t, add_rows_i64)

/* y = mask ? a : b for elements of 1, 4 or 8 bytes; a and b may each be one repeated element (step 0). */
#define SELECT(T, NAME)                                                                                             \
    static inline void NAME(const char *mask, const void *va, ptrdiff_t sa, const void *vb, ptrdiff_t sb, void *vy, \
                            ptrdiff_t n) {                                                                          \
        const T *restrict a = va, *restrict b = vb, a0 = n ? *a : 0, b0 = n ? *b : 0;                               \
        T *restrict y = vy;                                                                                         \
        if (sa && sb) for (ptrdiff_t i = 0; i < n; i++) y[i] = mask[i] ? a[i] : b[i];                               \
        else if (sa) for (ptrdiff_t i = 0; i < n; i++) y[i] = mask[i] ? a[i] : b0;                                  \
        else if (sb) for (ptrdiff_t i = 0; i < n; i++) y[i] = mask[i] ? a0 : b[i];                                  \
        else for (ptrdiff_t i = 0; i < n; i++) y[i] = mask[i] ? a0 : b0;                                            \
    }

SELECT(uint8_t, select_8)
SELECT(uint32_t, select_32)
SELECT(uint64_t, select_64)

static inline void select_where(const char *mask, const void *a, ptrdiff_t sa, const void *b, ptrdiff_t sb, void *y,
                                ptrdiff_t n, ptrdiff_t item) {
    (item == 1 ? select_8 : item == 4 ? select_32 : select_64)(mask, a, sa, b, sb, y, n);
}

/* y[i] = x[rows[i]] for rows of `width` bytes: 1, 4, 8 or more. */
static inline void take_rows(const void *vx, const int64_t *rows, void *vy, ptrdiff_t n, ptrdiff_t width) {
    if (width == 4)
        for (ptrdiff_t i = 0; i < n; i++) ((uint32_t *)vy)[i] = ((const uint32_t *)vx)[rows[i]];
    else if (width == 8)
        for (ptrdiff_t i = 0; i < n; i++) ((uint64_t *)vy)[i] = ((const uint64_t *)vx)[rows[i]];
    else
        for (ptrdiff_t i = 0; i < n; i++) memcpy((char *)vy + i * width, (const char *)vx + rows[i] * width, width);
}

/* `n` pieces of `width` bytes, `step_x` bytes apart in x and `step_y` in y. */
static inline void copy_pieces(const char *x, ptrdiff_t step_x, char *y, ptrdiff_t step_y, ptrdiff_t n,
                               ptrdiff_t width) {
    for (ptrdiff_t i = 0; i < n; i++) memcpy(y + i * step_y, x + i * step_x, width);
}

/* The places of the k best of every row of x (outer, n, inner), 1 <= k <= n, best first: index (outer, k, inner). Best
 * is largest, or smallest; of equals the first comes first, and NaN is larger than any number. */
#define BEST(T, NAME)                                                                                               \
    static inline int NAME##_better(T a, T b, int largest) {                                                        \
        return largest ? (a > b) | ((a != a) & (b == b)) : (a < b) | ((b != b) & (a == a));                         \
    }                                                                                                               \
    static inline void NAME(const void *vx, int64_t *index, ptrdiff_t outer, ptrdiff_t n, ptrdiff_t inner,          \
                            ptrdiff_t k, int largest) {                                                             \
        for (ptrdiff_t row = 0; row < outer * inner; row++) {                                                       \
            const T *x = (const T *)vx + row / inner * n * inner + row % inner;                                     \
            int64_t *best = index + row / inner * k * inner + row % inner;                                          \
            for (ptrdiff_t i = 0; i < n; i++) {                                                                     \
                ptrdiff_t at = i < k ? i : k;               /* how many there are; then where i goes */             \
                const T e = x[i * inner];                                                                           \
                if (at == k && !NAME##_better(e, x[best[(k - 1) * inner] * inner], largest)) continue;              \
                for (at -= at == k; at && NAME##_better(e, x[best[(at - 1) * inner] * inner], largest); at--)       \
                    best[at * inner] = best[(at - 1) * inner];                                                      \
                best[at * inner] = i;                                                                               \
            }                                                                                                       \
        }                                                                                                           \
    }

BEST(float, best_f32)
BEST(double, best_f64)

/* Where the first number outside low <= number < high stands; n if all of them are inside. */
static inline ptrdiff_t first_outside(const int64_t *numbers, ptrdiff_t n, int64_t low, int64_t high) {
    ptrdiff_t i = 0;
    while (i < n && numbers[i] >= low && numbers[i] < high) i++;
    return i;
}

#endif
