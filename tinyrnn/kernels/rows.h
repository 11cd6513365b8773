/* Rows by number: the check of the numbers, and the sum y[rows[i]] += x[i], the gradient of all that gathers.
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

/* Where the first number outside low <= number < high stands; n if all of them are inside. */
static inline ptrdiff_t first_outside(const int64_t *numbers, ptrdiff_t n, int64_t low, int64_t high) {
    ptrdiff_t i = 0;
    while (i < n && numbers[i] >= low && numbers[i] < high) i++;
    return i;
}

#endif
