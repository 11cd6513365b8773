/* Rows that are brought to a standard: layer normalisation, and the gradients of softmax and its logarithm.
 *
 * Each is one pass over memory: what a row needs twice is still in the cache. A row's bits depend on the row alone;
 * threads take rows, from `first` up to `last`.
 */
#ifndef TINYRNN_NORMALIZE_H
#define TINYRNN_NORMALIZE_H
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "fastmath.h"
#include "lanes.h"

enum { NORM_PIECE = 256, NORM_COLUMNS = 32 };       /* elements of a row kept at a time; columns side by side */
#define NORM_BLOCK ((ptrdiff_t)64)                  /* rows whose shares of dw and db are added up apart */

#define NORMALIZE(T, S, F, ROOT)                                                                                    \
                                                                                                                    \
    static inline void columns_gradient_##S(const T *restrict y, const T *restrict dy, T *restrict dx, ptrdiff_t n, \
                                            ptrdiff_t inner, int is_log) {                                          \
        for (ptrdiff_t start = 0; start < inner; start += NORM_COLUMNS) {                                           \
            const ptrdiff_t end = inner - start < NORM_COLUMNS ? inner : start + NORM_COLUMNS;                      \
            T sum[NORM_COLUMNS] = {0};                                                                              \
            for (ptrdiff_t i = 0; i < n * inner; i += inner)                                                        \
                for (ptrdiff_t j = start; j < end; j++) sum[j - start] += is_log ? dy[i + j] : dy[i + j] * y[i + j];\
            for (ptrdiff_t i = 0; i < n * inner; i += inner)                                                        \
                if (is_log) for (ptrdiff_t j = start; j < end; j++)                                                 \
                    dx[i + j] = dy[i + j] - fast_exp##F(y[i + j]) * sum[j - start];                                 \
                else for (ptrdiff_t j = start; j < end; j++) dx[i + j] = y[i + j] * (dy[i + j] - sum[j - start]);   \
        }                                                                                                           \
    }                                                                                                               \
                                                                                                                    \
    /* ---- softmax: dx = y (dy - sum y dy);   log-softmax: dx = dy - e^y sum dy ----                               \
     *                                                                                                              \
     * y, dy, dx (rows, n, inner): along n. Where inner > 1, NORM_COLUMNS columns go side by side. */               \
    static inline void softmax_gradient_##S(const void *vy, const void *vdy, void *vdx, ptrdiff_t n, ptrdiff_t inner,\
                                            int is_log, ptrdiff_t first, ptrdiff_t last) {                          \
        for (ptrdiff_t at = first * n * inner; at < last * n * inner; at += n * inner) {                            \
            const T *restrict y = (const T *)vy + at, *restrict dy = (const T *)vdy + at;                           \
            T *restrict dx = (T *)vdx + at;                                                                         \
            if (inner > 1) {                                                                                        \
                columns_gradient_##S(y, dy, dx, n, inner, is_log);                                                  \
                continue;                                                                                           \
            }                                                                                                       \
            const T sum = is_log ? sum_of_##S(dy, n) : dot_of_##S(y, dy, n);                                        \
            if (is_log) for (ptrdiff_t i = 0; i < n; i++) dx[i] = dy[i] - fast_exp##F(y[i]) * sum;                  \
            else for (ptrdiff_t i = 0; i < n; i++) dx[i] = y[i] * (dy[i] - sum);                                    \
        }                                                                                                           \
    }                                                                                                               \
                                                                                                                    \
    /* ---- layer normalisation: y = z w + b,  z = (x - mean) r,  r = 1 / sqrt(mean of (x - mean)^2 + eps) ----     \
     *                                                                                                              \
     * x, y (rows, n); w, b (n), NULL for ones and zeros; means, scales (rows): each row's mean and r */            \
    static inline void layer_norm_forward_##S(const void *vx, const void *vw, const void *vb, void *vy, void *means,\
                                              void *scales, ptrdiff_t n, double eps, ptrdiff_t first,               \
                                              ptrdiff_t last) {                                                     \
        const T *restrict w = vw, *restrict b = vb;                                                                 \
        for (ptrdiff_t row = first; row < last; row++) {                                                            \
            const T *restrict x = (const T *)vx + row * n;                                                          \
            T *restrict y = (T *)vy + row * n, part[NORM_PIECE], square = 0;                                        \
            const T mean = sum_of_##S(x, n) / n;                                                                    \
            for (ptrdiff_t i = 0; i < n; i += NORM_PIECE) {                                                         \
                const ptrdiff_t size = n - i < NORM_PIECE ? n - i : NORM_PIECE;                                     \
                for (ptrdiff_t j = 0; j < size; j++) part[j] = x[i + j] - mean;                                     \
                square += dot_of_##S(part, part, size);                                                             \
            }                                                                                                       \
            const T scale = 1 / ROOT(square / n + (T)eps);                                                          \
            if (w && b) for (ptrdiff_t i = 0; i < n; i++) y[i] = (x[i] - mean) * scale * w[i] + b[i];               \
            else if (w) for (ptrdiff_t i = 0; i < n; i++) y[i] = (x[i] - mean) * scale * w[i];                      \
            else for (ptrdiff_t i = 0; i < n; i++) y[i] = (x[i] - mean) * scale + (b ? b[i] : 0);                   \
            ((T *)means)[row] = mean;                                                                               \
            ((T *)scales)[row] = scale;                                                                             \
        }                                                                                                           \
    }                                                                                                               \
                                                                                                                    \
    /* With g = dy w:  dx = r (g - mean g - z mean(g z)),  dw = sum dy z,  db = sum dy, both over the rows.         \
     *                                                                                                              \
     * dy, dx (rows, n). dw, db: one row for every NORM_BLOCK rows of x, so that the sums do not depend on the threads.\
     * first is a multiple of NORM_BLOCK, and last is one or the number of rows. */                                 \
    static inline void layer_norm_backward_##S(const void *vx, const void *vw, const void *means, const void *scales,\
                                               const void *vdy, void *vdx, void *vdw, void *vdb, ptrdiff_t n,       \
                                               ptrdiff_t first, ptrdiff_t last) {                                   \
        const T *restrict w = vw;                                                                                   \
        for (ptrdiff_t row = first; row < last; row++) {                                                            \
            const T *restrict x = (const T *)vx + row * n, *restrict dy = (const T *)vdy + row * n;                 \
            T *restrict dx = (T *)vdx + row * n, *restrict dw = (T *)vdw + row / NORM_BLOCK * n;                    \
            T *restrict db = (T *)vdb + row / NORM_BLOCK * n;                                                       \
            const T mean = ((const T *)means)[row], scale = ((const T *)scales)[row];                               \
            T g[NORM_PIECE], z[NORM_PIECE], sum = 0, product = 0;                                                   \
            if (row % NORM_BLOCK == 0) {                                                                            \
                memset(dw, 0, n * sizeof(T));                                                                       \
                memset(db, 0, n * sizeof(T));                                                                       \
            }                                                                                                       \
            for (ptrdiff_t i = 0; i < n; i += NORM_PIECE) {                                                         \
                const ptrdiff_t size = n - i < NORM_PIECE ? n - i : NORM_PIECE;                                     \
                for (ptrdiff_t j = 0; j < size; j++) {                                                              \
                    z[j] = (x[i + j] - mean) * scale;                                                               \
                    dw[i + j] += dy[i + j] * z[j];                                                                  \
                    db[i + j] += dy[i + j];                                                                         \
                }                                                                                                   \
                if (w) for (ptrdiff_t j = 0; j < size; j++) g[j] = dy[i + j] * w[i + j];                            \
                else memcpy(g, dy + i, size * sizeof(T));                                                           \
                sum += sum_of_##S(g, size);                                                                         \
                product += dot_of_##S(g, z, size);                                                                  \
            }                                                                                                       \
            const T level = sum / n, slope = product / n * scale;                                                   \
            if (w) for (ptrdiff_t i = 0; i < n; i++) dx[i] = (dy[i] * w[i] - level - (x[i] - mean) * slope) * scale;\
            else for (ptrdiff_t i = 0; i < n; i++) dx[i] = (dy[i] - level - (x[i] - mean) * slope) * scale;         \
        }                                                                                                           \
    }

NORMALIZE(float, f32, f, sqrtf)
NORMALIZE(double, f64, , sqrt)

#endif
