/* Cross-entropy of rows of scores, forward and backward, each in one pass.
 *
 *   loss_i = (1 - a) w_t l_t + a / C sum_c w_c l_c,   l_c = -log softmax(x_i)_c = (m - x_c) + log s
 *   m = max_c x_c,  s = sum_c e^(x_c - m),  t the row's class, a the label smoothing
 *
 * Rows of class `ignored` have no loss and no gradient, and are not read. Every other class is in [0, C). A row's bits
 * depend on the row alone; threads take rows, from `first` up to `last`.
 */
#ifndef TINYRNN_LOSS_H
#define TINYRNN_LOSS_H
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "fastmath.h"
#include "lanes.h"

enum { LOSS_PIECE = 256 };                          /* scores whose exponentials are kept at a time */

/* What forward and backward read; contiguous. */
typedef struct {
    ptrdiff_t N, C;
    const void *x;                                  /* (N, C) */
    const int64_t *target;                          /* (N) */
    int64_t ignored;
    const void *weight;                             /* (C): w; NULL for ones */
    double smoothing, weights;                      /* a, and sum_c w_c */
} cross_entropy;

#define CROSS_ENTROPY(T, S, F)                                                                                      \
                                                                                                                    \
    /* loss, largest (m) and sums (s): (N), written by forward; ignored rows have m = 0, s = 1 */                   \
    static inline void cross_entropy_forward_##S(const cross_entropy *p, void *loss, void *largest, void *sums,     \
                                                 ptrdiff_t first, ptrdiff_t last) {                                 \
        const ptrdiff_t C = p->C;                                                                                   \
        const T a = (T)p->smoothing, *weight = p->weight;                                                           \
        for (ptrdiff_t i = first; i < last; i++) {                                                                  \
            const T *restrict x = (const T *)p->x + i * C;                                                          \
            const int64_t t = p->target[i];                                                                         \
            T part[LOSS_PIECE], m = 0, s = 0, even = 0, l = 0;                                                      \
            if (t != p->ignored) {                                                                                  \
                m = largest_of_##S(x, C);                                                                           \
                for (ptrdiff_t c = 0; c < C; c += LOSS_PIECE) {                                                     \
                    const ptrdiff_t n = C - c < LOSS_PIECE ? C - c : LOSS_PIECE;                                    \
                    for (ptrdiff_t j = 0; j < n; j++) part[j] = x[c + j] - m;                                       \
                    if (a != 0) even -= weight ? dot_of_##S(weight + c, part, n) : sum_of_##S(part, n);             \
                    for (ptrdiff_t j = 0; j < n; j++) part[j] = fast_decay##F(part[j]);                             \
                    s += sum_of_##S(part, n);                                                                       \
                }                                                                                                   \
                l = (m - x[t] + fast_log##F(s)) * (weight ? weight[t] : 1);                                         \
                if (a != 0) l = (1 - a) * l + a / C * (even + (T)p->weights * fast_log##F(s));                      \
            }                                                                                                       \
            ((T *)loss)[i] = l;                                                                                     \
            ((T *)largest)[i] = m;                                                                                  \
            ((T *)sums)[i] = t != p->ignored ? s : 1;                                                               \
        }                                                                                                           \
    }                                                                                                               \
                                                                                                                    \
    /* dx (N, C) from dloss, `step` elements a row: dx_c = g (p_c - [c = t]) + e (weights p_c - w_c), p the softmax,\
     * g = dloss (1 - a) w_t, e = dloss a / C */                                                                    \
    static inline void cross_entropy_backward_##S(const cross_entropy *p, const void *largest, const void *sums,    \
                                                  const void *dloss, ptrdiff_t step, void *vdx,                     \
                                                  ptrdiff_t first, ptrdiff_t last) {                                \
        const ptrdiff_t C = p->C;                                                                                   \
        const T a = (T)p->smoothing, *restrict weight = p->weight;                                                  \
        for (ptrdiff_t i = first; i < last; i++) {                                                                  \
            const T *restrict x = (const T *)p->x + i * C;                                                          \
            T *restrict dx = (T *)vdx + i * C;                                                                      \
            const int64_t t = p->target[i];                                                                         \
            if (t == p->ignored) {                                                                                  \
                memset(dx, 0, C * sizeof(T));                                                                       \
                continue;                                                                                           \
            }                                                                                                       \
            const T d = ((const T *)dloss)[i * step], m = ((const T *)largest)[i];                                  \
            const T g = d * (1 - a) * (weight ? weight[t] : 1), e = d * a / C;                                      \
            const T scale = (g + e * (T)p->weights) / ((const T *)sums)[i];                                         \
            for (ptrdiff_t c = 0; c < C; c++) dx[c] = scale * fast_decay##F(x[c] - m);                              \
            if (e != 0 && weight)                                                                                   \
                for (ptrdiff_t c = 0; c < C; c++) dx[c] -= e * weight[c];                                           \
            else if (e != 0)                                                                                        \
                for (ptrdiff_t c = 0; c < C; c++) dx[c] -= e;                                                       \
            dx[t] -= g;                                                                                             \
        }                                                                                                           \
    }

CROSS_ENTROPY(float, f32, f)
CROSS_ENTROPY(double, f64, )

#endif
