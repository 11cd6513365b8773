/* Additive attention over all source positions: scores, softmax and context of a batch row, forward and backward.
 *
 *   score_s = v . tanh(query + key_s),   weights = softmax over s,   context = sum_s weight_s value_s
 *
 * for each of Q queries. Rows of the batch are independent, so threads take rows: the functions work on those from
 * `first` up to `last`. Positions where the mask is 0 are skipped: what stands there is never read.
 *
 * Same bits: a score is one dot product (lanes.h); sums over positions and queries go up one by one. So neither the
 * other rows nor padding changes a bit. tanh is computed again in backward: it costs no more than writing (B, Q, S, A)
 * numbers and reading them back, and nothing has to be kept.
 */
#ifndef TINYRNN_ATTENTION_H
#define TINYRNN_ATTENTION_H
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "fastmath.h"
#include "lanes.h"

enum { PIECE = 256 };                               /* attention units whose tanh are kept at a time */

/* What forward and backward read. All are contiguous but keys and values, whose last dimension is: their steps from
 * row to row and from position to position are counted in elements. */
typedef struct {
    ptrdiff_t B, Q, S, A, V;
    const void *query;                              /* (B, Q, A) */
    const void *keys, *values;                      /* (B, S, A), (B, S, V) */
    ptrdiff_t key_row, key_step, value_row, value_step;
    const void *v;                                  /* (A) */
    const char *mask;                               /* (B, S): 0 where a position takes no part; NULL: all do */
} attention;

/* What backward makes, all contiguous. Every element is written, or with `add_` added to: for one query only. */
typedef struct {
    void *query, *keys, *values;                    /* shaped like what they are gradients of */
    int add_keys, add_values;
    void *v;                                        /* (B, A): each row's share of the gradient of v */
    void *scores;                                   /* (B, S): work space */
} attention_gradients;

/* T: the type; N: the suffix of our names; F: the suffix of C's functions of this type; FMA: its multiply-add. */
#define ATTENTION(T, N, F, FMA)                                                                                     \
                                                                                                                    \
    static inline T score_##N(const T *restrict q, const T *restrict k, const T *restrict v, ptrdiff_t A) {         \
        T t[PIECE], sum = 0;                                                                                        \
        for (ptrdiff_t first = 0; first < A; first += PIECE) {                                                      \
            const ptrdiff_t n = A - first < PIECE ? A - first : PIECE;                                              \
            for (ptrdiff_t a = 0; a < n; a++) t[a] = fast_tanh##F(q[first + a] + k[first + a]);                     \
            sum += dot_of_##N(v + first, t, n);                                                                     \
        }                                                                                                           \
        return sum;                                                                                                 \
    }                                                                                                               \
                                                                                                                    \
    /* y = scale x where y is fresh, without values yet; else y += scale x, rounded once or, `apart`, twice. */     \
    static inline void add_scaled_##N(T scale, const T *restrict x, T *restrict y, ptrdiff_t n, int fresh,          \
                                      int apart) {                                                                  \
        if (fresh)                                                                                                  \
            for (ptrdiff_t i = 0; i < n; i++) y[i] = scale * x[i];                                                  \
        else if (apart)                                                                                             \
            for (ptrdiff_t i = 0; i < n; i++) y[i] += scale * x[i];                                                 \
        else                                                                                                        \
            for (ptrdiff_t i = 0; i < n; i++) y[i] = FMA(scale, x[i], y[i]);                                        \
    }                                                                                                               \
                                                                                                                    \
    /* Scores to weights, in place: the scores of positions that take no part are not looked at. */                 \
    static inline void weigh_##N(const char *mask, T *restrict w, ptrdiff_t S) {                                    \
        T largest = -INFINITY, sum = 0;                                                                             \
        for (ptrdiff_t s = 0; s < S; s++)                           /* a NaN wins */                                \
            if (!mask || mask[s]) largest = largest > w[s] || largest != largest ? largest : w[s];                  \
        for (ptrdiff_t s = 0; s < S; s++) {                                                                         \
            const T e = fast_decay##F(w[s] - largest);                                                              \
            w[s] = !mask || mask[s] ? e : 0;                                                                        \
        }                                                                                                           \
        for (ptrdiff_t s = 0; s < S; s++) sum += w[s];                                                              \
        for (ptrdiff_t s = 0; s < S; s++) w[s] = !mask || mask[s] ? w[s] / sum : 0;                                 \
    }                                                                                                               \
                                                                                                                    \
    /* weights (B, Q, S), context (B, Q, V) */                                                                      \
    static inline void attention_forward_##N(const attention *x, void *weights, void *contexts,                     \
                                             ptrdiff_t first, ptrdiff_t last) {                                     \
        const ptrdiff_t Q = x->Q, S = x->S, A = x->A, V = x->V;                                                     \
        for (ptrdiff_t b = first; b < last; b++) {                                                                  \
            const T *keys = (const T *)x->keys + b * x->key_row, *values = (const T *)x->values + b * x->value_row; \
            const char *mask = x->mask ? x->mask + b * S : NULL;                                                    \
            for (ptrdiff_t q = b * Q; q < (b + 1) * Q; q++) {                                                       \
                const T *query = (const T *)x->query + q * A;                                                       \
                T *w = (T *)weights + q * S, *context = (T *)contexts + q * V;                                      \
                for (ptrdiff_t s = 0; s < S; s++)                                                                   \
                    w[s] = !mask || mask[s] ? score_##N(query, keys + s * x->key_step, x->v, A) : 0;                \
                weigh_##N(mask, w, S);                                                                              \
                memset(context, 0, V * sizeof(T));                                                                  \
                for (ptrdiff_t s = 0; s < S; s++)                                                                   \
                    if (!mask || mask[s]) add_scaled_##N(w[s], values + s * x->value_step, context, V, 0, 0);       \
            }                                                                                                       \
        }                                                                                                           \
    }                                                                                                               \
                                                                                                                    \
    /* From the gradient d of one score: dq += z, dk += z with z = d v (1 - tanh^2), and dv += d tanh. */           \
    static inline void score_gradient_##N(T d, const T *restrict q, const T *restrict k, const T *restrict v,       \
                                          T *restrict dq, T *restrict dk, T *restrict dv, ptrdiff_t A,              \
                                          const int fresh) {                                                        \
        for (ptrdiff_t a = 0; a < A; a++) {                                                                         \
            const T t = fast_tanh##F(q[a] + k[a]), z = d * v[a] * FMA(-t, t, (T)1);                                 \
            dq[a] += z;                                                                                             \
            dk[a] = fresh ? z : dk[a] + z;                                                                          \
            dv[a] = FMA(d, t, dv[a]);                                                                               \
        }                                                                                                           \
    }                                                                                                               \
                                                                                                                    \
    /* weights as forward made them; their gradient (B, Q, S), NULL for zeros; that of the context (B, Q, V) */     \
    static inline void attention_backward_##N(const attention *x, const void *weights, const void *dweights,        \
                                              const void *dcontexts, const attention_gradients *d,                  \
                                              ptrdiff_t first, ptrdiff_t last) {                                    \
        const ptrdiff_t Q = x->Q, S = x->S, A = x->A, V = x->V;                                                     \
        for (ptrdiff_t b = first; b < last; b++) {                                                                  \
            const T *keys = (const T *)x->keys + b * x->key_row, *values = (const T *)x->values + b * x->value_row; \
            const char *mask = x->mask ? x->mask + b * S : NULL;                                                    \
            T *dkeys = (T *)d->keys + b * S * A, *dvalues = (T *)d->values + b * S * V;                             \
            T *dv = (T *)d->v + b * A, *ds = (T *)d->scores + b * S;                                                \
            memset(dv, 0, A * sizeof(T));                                                                           \
            for (ptrdiff_t s = 0; s < S; s++)               /* the first query fills the others */                  \
                if (Q == 0 || (mask && !mask[s])) {                                                                 \
                    if (!d->add_keys) memset(dkeys + s * A, 0, A * sizeof(T));                                      \
                    if (!d->add_values) memset(dvalues + s * V, 0, V * sizeof(T));                                  \
                }                                                                                                   \
            for (ptrdiff_t q = b * Q; q < (b + 1) * Q; q++) {                                                       \
                const T *query = (const T *)x->query + q * A, *dcontext = (const T *)dcontexts + q * V;             \
                const T *w = (const T *)weights + q * S, *dw = dweights ? (const T *)dweights + q * S : NULL;       \
                T *dquery = (T *)d->query + q * A, sum = 0;                                                         \
                memset(dquery, 0, A * sizeof(T));                                                                   \
                for (ptrdiff_t s = 0; s < S; s++)                                                                   \
                    if (!mask || mask[s]) {                                                                         \
                        ds[s] = dot_of_##N(dcontext, values + s * x->value_step, V) + (dw ? dw[s] : 0);             \
                        sum = FMA(w[s], ds[s], sum);                                                                \
                        add_scaled_##N(w[s], dcontext, dvalues + s * V, V, q == b * Q && !d->add_values,            \
                                       d->add_values);                                                              \
                    }                                                                                               \
                for (ptrdiff_t s = 0; s < S; s++) {                                                                 \
                    if (mask && !mask[s]) continue;                                                                 \
                    const T *key = keys + s * x->key_step, slope = w[s] * (ds[s] - sum);                            \
                    T *dkey = dkeys + s * A;                                                                        \
                    if (q == b * Q && !d->add_keys)                                                                 \
                        score_gradient_##N(slope, query, key, x->v, dquery, dkey, dv, A, 1);                        \
                    else                                                                                            \
                        score_gradient_##N(slope, query, key, x->v, dquery, dkey, dv, A, 0);                        \
                }                                                                                                   \
            }                                                                                                       \
        }                                                                                                           \
    }

ATTENTION(float, f32, f, FM_FMAF)
ATTENTION(double, f64, , FM_FMA)

#endif
