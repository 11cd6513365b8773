/* The walk over the steps of a recurrent layer, for the cells of rnn.h, gru.h and lstm.h. The contract is in sequence.h. */
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

/* All steps of the rows from `first` up to `last`; the steps in the order of the layer, or against it. */
static void OF(all_steps)(const sequence *s, ptrdiff_t first, ptrdiff_t last, int reverse, const OF(cell_step) step)
{
    for (ptrdiff_t k = 0; k < s->T; k++) {
        const ptrdiff_t t = reverse ? s->T - 1 - k : k, rows = rows_at(s, t) < last ? rows_at(s, t) : last;
        if (rows > first) step(s, t, first, rows - first);
    }
}

static void OF(walk_forward)(const sequence *s, ptrdiff_t first, ptrdiff_t last)
{
    OF(enter)(s, first, last, s->P, s->h0, s->h, state_row(s->P));
    if (s->cell == LSTM) OF(enter)(s, first, last, s->H, s->c0, s->c, s->H);
    OF(all_steps)(s, first, last, s->reverse, OF(cell_forward)[s->cell]);
    OF(leave)(s, first, last, s->P, s->h, state_row(s->P), s->hn);
    if (s->cell == LSTM) OF(leave)(s, first, last, s->H, s->c, s->H, s->cn);
}

static void OF(walk_backward)(const sequence *s, ptrdiff_t first, ptrdiff_t last)
{
    OF(enter)(s, first, last, s->P, s->dhn, s->h, state_row(s->P));
    if (s->cell == LSTM) OF(enter)(s, first, last, s->H, s->dcn, s->c, s->H);
    OF(all_steps)(s, first, last, !s->reverse, OF(cell_backward)[s->cell]);
    OF(leave)(s, first, last, s->P, s->h, state_row(s->P), s->dh0);
    if (s->cell == LSTM) OF(leave)(s, first, last, s->H, s->c, s->H, s->dc0);
}

/* out (N, P): the state h with which every row of every step began, for the gradient of weight_hh. */
static void OF(states_before)(const sequence *s, void *vout)
{
    real *out = vout;
    for (ptrdiff_t t = 0; t < s->T; t++)
        for (ptrdiff_t i = 0; i < rows_at(s, t); i++)
            memcpy(out + at(s, t, i) * s->P, OF(h_before)(s, t, i), s->P * sizeof(real));
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
