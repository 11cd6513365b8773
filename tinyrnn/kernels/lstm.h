/* Long short-term memory, with projection if there is one (Sak et al. 2014). The contract is in sequence.h.
 *
 *   i, f, o = sigmoid(W_i. x + b_i. + W_h. h + b_h.),   g = tanh(the same)
 *   c' = f c + i g,   h' = o tanh(c'),   with projection h' = W_hr (o tanh(c'))
 *
 * The gates lie in the order i, f, g, o.
 */
#ifndef TINYRNN_LSTM_H
#define TINYRNN_LSTM_H
#include "sequence.h"

#define KERNEL "lstm.h"
#include "real.h"

#elif defined(real)

/* One row, from its gates: c' twice and o tanh(c'). */
static void OF(lstm_row)(ptrdiff_t H, const real *restrict i, const real *restrict f, const real *restrict g,
                         const real *restrict o, real *restrict c, real *restrict c_kept, real *restrict hidden)
{
    for (ptrdiff_t j = 0; j < H; j++) {
        const real cj = f[j] * c[j] + i[j] * g[j];
        c_kept[j] = c[j] = cj;
        hidden[j] = o[j] * MATH(fast_tanh)(cj);
    }
}

static void OF(lstm_forward)(const sequence *s, ptrdiff_t t, ptrdiff_t first, ptrdiff_t n)
{
    const ptrdiff_t H = s->H, P = s->P, step = state_row(P);
    const real *b_ih = s->bias_ih, *b_hh = s->bias_hh;
    real *products = (real *)s->products + first * 4 * H, *state = (real *)s->h + first * step;
    real *hidden = s->hidden ? (real *)s->hidden + at(s, t, first) * H : state;
    const ptrdiff_t hidden_row = s->hidden ? H : step;
    if (s->weight) OF(multiply)(n, 4 * H, P, state, step, 1, s->weight, products, 4 * H, 1, 0);
    for (ptrdiff_t k = 0; k < n; k++) {
        real *i = (real *)s->gates + at(s, t, first + k) * s->gate_row, *g = i + 2 * H, *o = i + 3 * H;
        const real *w = products + k * 4 * H;                                         /* (4H): W_hh h */
        OF(sigmoid_gates)(2 * H, b_ih, b_hh, w, i);
        OF(tanh_gates)(H, b_ih + 2 * H, b_hh + 2 * H, w + 2 * H, g);
        OF(sigmoid_gates)(H, b_ih + 3 * H, b_hh + 3 * H, w + 3 * H, o);
        OF(lstm_row)(H, i, i + H, g, o, (real *)s->c + (first + k) * H, (real *)s->extra + at(s, t, first + k) * H,
                     hidden + k * hidden_row);
    }
    if (s->hidden) OF(multiply)(n, P, H, hidden, H, 1, s->weight_hr, state, step, 1, 0);
    for (ptrdiff_t k = 0; k < n; k++)
        memcpy((real *)s->out + (t * s->B + place(s, first + k)) * P, state + k * step, P * sizeof(real));
}

/* One row: the gates become their gradients; d is the gradient of o tanh(c'), dc goes from that of c' to that of c. */
static void OF(lstm_row_backward)(ptrdiff_t H, const real *restrict before, const real *restrict after,
                                  const real *restrict d, real *restrict i, real *restrict f, real *restrict g,
                                  real *restrict o, real *restrict dc)
{
    for (ptrdiff_t j = 0; j < H; j++) {
        const real ij = i[j], fj = f[j], gj = g[j], oj = o[j], tj = MATH(fast_tanh)(after[j]);
        const real dcj = dc[j] + d[j] * oj * (1 - tj * tj);
        i[j] = dcj * gj * (ij * (1 - ij));
        f[j] = dcj * before[j] * (fj * (1 - fj));
        g[j] = dcj * ij * (1 - gj * gj);
        o[j] = d[j] * tj * (oj * (1 - oj));
        dc[j] = dcj * fj;
    }
}

static void OF(lstm_backward)(const sequence *s, ptrdiff_t t, ptrdiff_t first, ptrdiff_t n)
{
    const ptrdiff_t H = s->H, P = s->P, step = state_row(P);
    real *gates = (real *)s->gates + at(s, t, first) * s->gate_row, *products = (real *)s->products + first * 4 * H;
    real *dh = (real *)s->h + first * step;
    for (ptrdiff_t k = 0; k < n; k++) {
        OF(arrive)(s, t, first + k, dh + k * step);
        if (s->hidden) memcpy((real *)s->dprojected + number(s, t, first + k) * P, dh + k * step, P * sizeof(real));
    }
    if (s->hidden) OF(multiply)(n, H, P, dh, step, 1, s->weight_hr, products, H, 1, 0);
    for (ptrdiff_t k = 0; k < n; k++) {
        real *row = gates + k * s->gate_row;
        OF(lstm_row_backward)(H, OF(c_before)(s, t, first + k), (real *)s->extra + at(s, t, first + k) * H,
                              s->hidden ? products + k * H : dh + k * step, row, row + H, row + 2 * H, row + 3 * H,
                              (real *)s->c + (first + k) * H);
    }
    if (s->weight) OF(multiply)(n, P, 4 * H, gates, s->gate_row, 1, s->weight, dh, step, 1, 0);
}

#endif
