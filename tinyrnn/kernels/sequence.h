/* What the recurrent kernels share: a layer in one direction, and the walk over its steps, forward and backward.
 *
 * Rows of the batch are independent, so a thread takes some rows and walks all their steps alone. The batch is sorted
 * by length, longest first: the rows that take part in step t are the first rows[t], nothing is done for the others.
 * Arrays over all steps hold these rows only, N in total: row i of step t is number start[t] + i.
 *
 * The walk goes in strides of some steps, so that one product makes the gates of a stride from its input, and they are
 * still in the cache when the steps come by. Where nothing is kept for backward, one stride's gates are all there is.
 *
 * Letters: T steps, B rows, I inputs, H units, P features of the state that is fed back (H but for an LSTM with
 * projection), G the gates times H. "sorted" arrays have the batch in the order of the walk, the others in the
 * caller's: row i of the walk is order[i] there. All arrays are C-contiguous; none overlap.
 */
#ifndef TINYRNN_SEQUENCE_H
#define TINYRNN_SEQUENCE_H
#include <stdint.h>

#include "fastmath.h"
#include "gemm.h"

enum { RNN_TANH, RNN_RELU, GRU, GRU_RESET_BEFORE, LSTM, CELLS };

typedef struct {
    ptrdiff_t T, B, inputs, H, P, G;
    ptrdiff_t stride;                           /* steps of a stride */
    ptrdiff_t gate_row;                         /* from row to row of `gates`: G; gate_row(G) if products read them */
    int cell, reverse, kept;                    /* reverse: from the last step to the first; kept: backward will come */
    const int64_t *rows, *start, *order;        /* (T), (T), (B); all NULL: every row takes part in every step */
    const void *bias_ih, *bias_hh;              /* (G) */
    /* Packed, for x W^T forward and gradient x W backward: weight_ih; weight_hh, in two parts where the candidate of a
     * GRU has a product of its own; the projection. NULL for the first two: there is one step, and what they make is
     * in `gates` and `products` already (forward), or made later (backward). For a GRU's backward weight_ih is in two
     * parts as well: the candidate's own rows are weight_in. */
    const void *weight_ih, *weight_in, *weight, *weight_n, *weight_hr;
    const void *x;                              /* (N, I): the input */
    void *dx;                                   /* (N, I), or NULL */
    const void *h0, *c0;                        /* (B, P), (B, H): the first state; forward, NULL: zeros */
    void *out;                                  /* (T, B, P): the state after every step; padding is not written */
    void *hn, *cn;                              /* (B, P), (B, H): the last state */
    /* (N, G), or of one stride if not kept: the gates. The backward walk puts their gradients here. */
    void *gates;
    /* (N, H), or of one stride. RNN: none. GRU: W_hn h + b_hn; backward leaves the gradient of the candidate's input
     * here. GRU_RESET_BEFORE: r h. LSTM: c after every step. */
    void *extra;
    void *hidden;                               /* like extra: an LSTM's o tanh(c) where it is projected; or NULL */
    const void *dout;                           /* (T, B, P) or NULL: no gradient */
    const void *dhn, *dcn;                      /* (B, P), (B, H), or NULL */
    void *dh0, *dc0;                            /* (B, P), (B, H) */
    void *dprojected;                           /* (N, P), with `hidden`: the gradient of the projection's result */
    /* Work space, sorted: the state, whose rows are state_row(P) apart, or its gradient; c; and products (B, G). */
    void *h, *c, *products;
} sequence;

/* Rows of the state and of the gates do not all begin on the same lines of the first cache. */
static inline ptrdiff_t state_row(ptrdiff_t P) { return P + 16; }
static inline ptrdiff_t gate_row(ptrdiff_t G) { return G % 256 ? G : G + 16; }

/* The rows of weight_hh, and of weight_ih, that are one product: not a candidate's that takes r h, and not those of a
 * GRU whose gradient is another for the input than for the state. */
static inline ptrdiff_t whole_hh(const sequence *s) { return s->cell == GRU_RESET_BEFORE ? s->G - s->H : s->G; }
static inline ptrdiff_t whole_ih(const sequence *s) { return s->cell == GRU ? s->G - s->H : s->G; }

static inline ptrdiff_t rows_at(const sequence *s, ptrdiff_t t) { return s->rows ? s->rows[t] : s->B; }

/* The number of row i of step t in the arrays over all steps; in those that may hold one stride; in the caller's. */
static inline ptrdiff_t number(const sequence *s, ptrdiff_t t, ptrdiff_t i)
{
    return (s->start ? s->start[t] : t * s->B) + i;
}
static inline ptrdiff_t at(const sequence *s, ptrdiff_t t, ptrdiff_t i)
{
    return s->kept ? number(s, t, i) : t % s->stride * s->B + i;
}
static inline ptrdiff_t place(const sequence *s, ptrdiff_t i) { return s->order ? s->order[i] : i; }

/* The step before t for row i, or -1: t is its first. */
static inline ptrdiff_t step_before(const sequence *s, ptrdiff_t t, ptrdiff_t i)
{
    const ptrdiff_t before = s->reverse ? t + 1 : t - 1;
    return before >= 0 && before < s->T && i < rows_at(s, before) ? before : -1;
}

#define KERNEL "sequence.h"
#include "real.h"

#elif defined(real)

/* The state h, and an LSTM's c, with which row i enters step t. */
static const real *OF(h_before)(const sequence *s, ptrdiff_t t, ptrdiff_t i)
{
    const ptrdiff_t before = step_before(s, t, i);
    if (before < 0) return (const real *)s->h0 + place(s, i) * s->P;
    return (const real *)s->out + (before * s->B + place(s, i)) * s->P;
}

static const real *OF(c_before)(const sequence *s, ptrdiff_t t, ptrdiff_t i)
{
    const ptrdiff_t before = step_before(s, t, i);
    return before < 0 ? (const real *)s->c0 + place(s, i) * s->H : (const real *)s->extra + at(s, before, i) * s->H;
}

/* n gates of one row: they come in as W_ih x, w is W_hh h. One loop over everything in a cell took a seventh longer:
 * its chain of exponentials is longer than a processor looks ahead. */
static void OF(sigmoid_gates)(ptrdiff_t n, const real *restrict b_ih, const real *restrict b_hh,
                              const real *restrict w, real *restrict gates)
{
    for (ptrdiff_t j = 0; j < n; j++) gates[j] = MATH(fast_sigmoid)((gates[j] + b_ih[j]) + (w[j] + b_hh[j]));
}

static void OF(tanh_gates)(ptrdiff_t n, const real *restrict b_ih, const real *restrict b_hh, const real *restrict w,
                           real *restrict gates)
{
    for (ptrdiff_t j = 0; j < n; j++) gates[j] = MATH(fast_tanh)((gates[j] + b_ih[j]) + (w[j] + b_hh[j]));
}

/* The gradient that reaches the state after step t of row i: from the step after, and from the output. */
static void OF(arrive)(const sequence *s, ptrdiff_t t, ptrdiff_t i, real *restrict dh)
{
    const real *restrict dout = (const real *)s->dout + (t * s->B + place(s, i)) * s->P;
    for (ptrdiff_t j = 0; s->dout && j < s->P; j++) dh[j] += dout[j];
}

/* Copies rows of n elements between a sorted array and one in the caller's order. No array: zeros. */
static void OF(enter)(const sequence *s, ptrdiff_t first, ptrdiff_t last, ptrdiff_t n, const real *from, real *to,
                      ptrdiff_t to_row)
{
    for (ptrdiff_t i = first; i < last; i++)
        for (ptrdiff_t j = 0; j < n; j++) to[i * to_row + j] = from ? from[place(s, i) * n + j] : 0;
}

static void OF(leave)(const sequence *s, ptrdiff_t first, ptrdiff_t last, ptrdiff_t n, const real *from,
                      ptrdiff_t from_row, real *to)
{
    for (ptrdiff_t i = first; i < last; i++) memcpy(to + place(s, i) * n, from + i * from_row, n * sizeof(real));
}

#endif
