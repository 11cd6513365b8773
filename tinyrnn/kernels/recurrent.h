/* The walk over the steps of a recurrent layer, for the cells of rnn.h, gru.h and lstm.h. The contract: sequence.h. */
#ifndef TINYRNN_RECURRENT_H
#define TINYRNN_RECURRENT_H
#include "gru.h"
#include "lstm.h"
#include "rnn.h"

typedef void (*walk)(const sequence *s, ptrdiff_t first, ptrdiff_t last);
typedef struct {
    walk forward, backward;
    void (*before)(const sequence *s, void *out);
    void (*column_sums)(ptrdiff_t rows, ptrdiff_t columns, const void *x, ptrdiff_t x_row, void *sums);
} walks;

#define KERNEL "recurrent.h"
#include "real.h"

#elif defined(real)

typedef void (*OF(cell_step))(const sequence *s, ptrdiff_t t, ptrdiff_t first, ptrdiff_t n);

static const OF(cell_step) OF(cell_forward)[CELLS] = {OF(rnn_forward), OF(rnn_forward), OF(gru_forward),
                                                      OF(gru_before_forward), OF(lstm_forward)};
static const OF(cell_step) OF(cell_backward)[CELLS] = {OF(rnn_backward), OF(rnn_backward), OF(gru_backward),
                                                       OF(gru_before_backward), OF(lstm_backward)};

/* The rows of step t from `first` up to `last` that take part. */
static ptrdiff_t OF(taking_part)(const sequence *s, ptrdiff_t t, ptrdiff_t first, ptrdiff_t last)
{
    const ptrdiff_t rows = rows_at(s, t) < last ? rows_at(s, t) : last;
    return rows > first ? rows - first : 0;
}

/* The gates' share of the input, for n rows of x from number `from` on, put at number `to`. */
static void OF(project)(const sequence *s, ptrdiff_t n, ptrdiff_t from, ptrdiff_t to)
{
    OF(multiply)(n, s->G, s->inputs, (const real *)s->x + from * s->inputs, s->inputs, 1, s->weight_ih,
                 (real *)s->gates + to * s->gate_row, s->gate_row, 1, 0);
}

/* The gradient of the input: of the gates' gradients with weight_ih, and of a GRU's candidate apart. */
static void OF(project_back)(const sequence *s, ptrdiff_t n, ptrdiff_t from, ptrdiff_t to)
{
    const ptrdiff_t whole = whole_ih(s);
    real *dx = (real *)s->dx + to * s->inputs;
    OF(multiply)(n, s->inputs, whole, (real *)s->gates + from * s->gate_row, s->gate_row, 1, s->weight_ih, dx,
                 s->inputs, 1, 0);
    if (whole < s->G)
        OF(multiply)(n, s->inputs, s->H, (real *)s->extra + from * s->H, s->H, 1, s->weight_in, dx, s->inputs, 1, 1);
}

/* One of the two for the steps from t0 up to t1: as one product where their rows follow each other. */
static void OF(stride_product)(const sequence *s, ptrdiff_t t0, ptrdiff_t t1, ptrdiff_t first, ptrdiff_t last, int back)
{
    if (first == 0 && last == s->B && (s->kept || !s->rows)) {
        const ptrdiff_t from = number(s, t0, 0), n = number(s, t1 - 1, 0) + rows_at(s, t1 - 1) - from;
        if (back) OF(project_back)(s, n, from, from);
        else OF(project)(s, n, from, at(s, t0, 0));
        return;
    }
    for (ptrdiff_t t = t0; t < t1; t++) {
        const ptrdiff_t n = OF(taking_part)(s, t, first, last);
        if (n && back) OF(project_back)(s, n, number(s, t, first), number(s, t, first));
        else if (n) OF(project)(s, n, number(s, t, first), at(s, t, first));
    }
}

/* The steps in the order of `reverse`, which is against the layer's own when going back. */
static void OF(all_steps)(const sequence *s, ptrdiff_t first, ptrdiff_t last, int reverse, int back)
{
    const OF(cell_step) step = (back ? OF(cell_backward) : OF(cell_forward))[s->cell];
    const ptrdiff_t strides = (s->T + s->stride - 1) / s->stride;
    for (ptrdiff_t k = 0; k < strides; k++) {
        const ptrdiff_t t0 = (reverse ? strides - 1 - k : k) * s->stride;
        const ptrdiff_t t1 = t0 + s->stride < s->T ? t0 + s->stride : s->T;
        if (!back && s->weight_ih) OF(stride_product)(s, t0, t1, first, last, 0);
        for (ptrdiff_t j = 0; j < t1 - t0; j++) {
            const ptrdiff_t t = reverse ? t1 - 1 - j : t0 + j, n = OF(taking_part)(s, t, first, last);
            if (n) step(s, t, first, n);
        }
        if (back && s->weight_ih) OF(stride_product)(s, t0, t1, first, last, 1);
    }
}

static void OF(walk_forward)(const sequence *s, ptrdiff_t first, ptrdiff_t last)
{
    const float_mode before = flush_denormals();
    OF(enter)(s, first, last, s->P, s->h0, s->h, state_row(s->P));
    if (s->cell == LSTM) OF(enter)(s, first, last, s->H, s->c0, s->c, s->H);
    OF(all_steps)(s, first, last, s->reverse, 0);
    OF(leave)(s, first, last, s->P, s->h, state_row(s->P), s->hn);
    if (s->cell == LSTM) OF(leave)(s, first, last, s->H, s->c, s->H, s->cn);
    keep_denormals(before);
}

static void OF(walk_backward)(const sequence *s, ptrdiff_t first, ptrdiff_t last)
{
    const float_mode before = flush_denormals();
    OF(enter)(s, first, last, s->P, s->dhn, s->h, state_row(s->P));
    if (s->cell == LSTM) OF(enter)(s, first, last, s->H, s->dcn, s->c, s->H);
    OF(all_steps)(s, first, last, !s->reverse, 1);
    OF(leave)(s, first, last, s->P, s->h, state_row(s->P), s->dh0);
    if (s->cell == LSTM) OF(leave)(s, first, last, s->H, s->c, s->H, s->dc0);
    keep_denormals(before);
}

/* out (N, P): the state h with which every row of every step began, for the gradient of weight_hh. */
static void OF(states_before)(const sequence *s, void *vout)
{
    real *out = vout;
    for (ptrdiff_t t = 0; t < s->T; t++)
        for (ptrdiff_t i = 0; i < rows_at(s, t); i++)
            memcpy(out + number(s, t, i) * s->P, OF(h_before)(s, t, i), s->P * sizeof(real));
}

/* sums[j] = the sum of column j of x, from the first row to the last. */
static void OF(column_sums)(ptrdiff_t rows, ptrdiff_t columns, const void *vx, ptrdiff_t x_row, void *vsums)
{
    const real *restrict x = vx;
    real *restrict sums = vsums;
    for (ptrdiff_t j = 0; j < columns; j++) sums[j] = 0;
    for (ptrdiff_t i = 0; i < rows; i++)
        for (ptrdiff_t j = 0; j < columns; j++) sums[j] += x[i * x_row + j];
}

static const walks OF(walks) = {OF(walk_forward), OF(walk_backward), OF(states_before), OF(column_sums)};

#endif
