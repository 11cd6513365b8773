/* A gated recurrent layer (Cho et al. 2014), in both published forms. The contract is in sequence.h.
 *
 *   r = sigmoid(W_ir x + b_ir + W_hr h + b_hr),   z = sigmoid(W_iz x + b_iz + W_hz h + b_hz)
 *   GRU                 n = tanh(W_in x + b_in + r (W_hn h + b_hn))
 *   GRU_RESET_BEFORE    n = tanh(W_in x + b_in + W_hn (r h) + b_hn)
 *   h' = (h - n) z + n
 *
 * The gates lie in the order r, z, n.
 */
#ifndef TINYRNN_GRU_H
#define TINYRNN_GRU_H
#include "sequence.h"

#define KERNEL "gru.h"
#include "real.h"

#elif defined(real)

/* ---- the reset gate after the product ------------------------------------------------------------------------ */

/* One row, from r and z: n comes in as W_in x, w is W_hn h. Leaves the candidate, its recurrent part and h'. */
static void OF(gru_row)(ptrdiff_t H, const real *restrict b_in, const real *restrict b_hn, const real *restrict w,
                        const real *restrict r, const real *restrict z, real *restrict n, real *restrict recurrent,
                        real *restrict h, real *restrict out)
{
    for (ptrdiff_t j = 0; j < H; j++) {
        const real uj = w[j] + b_hn[j], nj = MATH(fast_tanh)((n[j] + b_in[j]) + r[j] * uj);
        n[j] = nj;
        recurrent[j] = uj;
        out[j] = h[j] = (h[j] - nj) * z[j] + nj;
    }
}

static void OF(gru_forward)(const sequence *s, ptrdiff_t t, ptrdiff_t first, ptrdiff_t n)
{
    const ptrdiff_t H = s->H, step = state_row(H);
    const real *b_ih = s->bias_ih, *b_hh = s->bias_hh;
    real *products = (real *)s->products + first * 3 * H;
    if (s->weight)
        OF(multiply)(n, 3 * H, H, (real *)s->h + first * step, step, 1, s->weight, products, 3 * H, 1, 0);
    for (ptrdiff_t i = 0; i < n; i++) {
        real *gates = (real *)s->gates + at(s, t, first + i) * s->gate_row;
        const real *w = products + i * 3 * H;                                         /* (3H): W_hh h */
        OF(sigmoid_gates)(2 * H, b_ih, b_hh, w, gates);
        OF(gru_row)(H, b_ih + 2 * H, b_hh + 2 * H, w + 2 * H, gates, gates + H, gates + 2 * H,
                    (real *)s->extra + at(s, t, first + i) * H, (real *)s->h + (first + i) * step,
                    (real *)s->out + (t * s->B + place(s, first + i)) * H);
    }
}

/* One row: the gates become the gradients of r, z and of W_hn h + b_hn, and the latter that of the candidate's input;
 * dh becomes what reaches the state before without passing the weights. */
static void OF(gru_row_backward)(ptrdiff_t H, const real *restrict before, real *restrict r, real *restrict z,
                                 real *restrict n, real *restrict recurrent, real *restrict dh)
{
    for (ptrdiff_t j = 0; j < H; j++) {
        const real rj = r[j], zj = z[j], nj = n[j];
        const real da = dh[j] * (1 - zj) * (1 - nj * nj);
        r[j] = da * recurrent[j] * (rj * (1 - rj));
        z[j] = dh[j] * (before[j] - nj) * (zj * (1 - zj));
        n[j] = da * rj;
        recurrent[j] = da;
        dh[j] *= zj;
    }
}

static void OF(gru_backward)(const sequence *s, ptrdiff_t t, ptrdiff_t first, ptrdiff_t n)
{
    const ptrdiff_t H = s->H, step = state_row(H);
    real *gates = (real *)s->gates + at(s, t, first) * s->gate_row;                   /* (n, 3H) */
    for (ptrdiff_t i = 0; i < n; i++) {
        real *row = gates + i * s->gate_row, *dh = (real *)s->h + (first + i) * step;
        OF(arrive)(s, t, first + i, dh);
        OF(gru_row_backward)(H, OF(h_before)(s, t, first + i), row, row + H, row + 2 * H,
                             (real *)s->extra + at(s, t, first + i) * H, dh);
    }
    if (s->weight)
        OF(multiply)(n, H, 3 * H, gates, s->gate_row, 1, s->weight, (real *)s->h + first * step, step, 1, 1);
}

/* ---- the reset gate before the product ----------------------------------------------------------------------- */

static void OF(gru_reset)(ptrdiff_t H, const real *restrict r, const real *restrict h, real *restrict reset)
{
    for (ptrdiff_t j = 0; j < H; j++) reset[j] = r[j] * h[j];
}

static void OF(gru_candidate)(ptrdiff_t H, const real *restrict b_ih, const real *restrict b_hh, const real *restrict w,
                              const real *restrict z, real *restrict n, real *restrict h, real *restrict out)
{
    for (ptrdiff_t j = 0; j < H; j++) {
        n[j] = MATH(fast_tanh)((n[j] + b_ih[2 * H + j]) + (w[j] + b_hh[2 * H + j]));
        out[j] = h[j] = (h[j] - n[j]) * z[j] + n[j];
    }
}

static void OF(gru_before_forward)(const sequence *s, ptrdiff_t t, ptrdiff_t first, ptrdiff_t n)
{
    const ptrdiff_t H = s->H, step = state_row(H);
    real *products = (real *)s->products + first * 3 * H, *reset = (real *)s->extra + at(s, t, first) * H;
    OF(multiply)(n, 2 * H, H, (real *)s->h + first * step, step, 1, s->weight, products, 2 * H, 1, 0);
    for (ptrdiff_t i = 0; i < n; i++) {
        real *gates = (real *)s->gates + at(s, t, first + i) * s->gate_row;
        OF(sigmoid_gates)(2 * H, s->bias_ih, s->bias_hh, products + i * 2 * H, gates);
        OF(gru_reset)(H, gates, (real *)s->h + (first + i) * step, reset + i * H);
    }
    OF(multiply)(n, H, H, reset, H, 1, s->weight_n, products, H, 1, 0);         /* (n, H): W_hn (r h) */
    for (ptrdiff_t i = 0; i < n; i++) {
        real *gates = (real *)s->gates + at(s, t, first + i) * s->gate_row;
        OF(gru_candidate)(H, s->bias_ih, s->bias_hh, products + i * H, gates + H, gates + 2 * H,
                          (real *)s->h + (first + i) * step, (real *)s->out + (t * s->B + place(s, first + i)) * H);
    }
}

/* z and n become their gradients, dh what reaches the state before through h' = (h - n) z + n alone. */
static void OF(gru_candidate_backward)(ptrdiff_t H, const real *restrict before, real *restrict z, real *restrict n,
                                       real *restrict dh)
{
    for (ptrdiff_t j = 0; j < H; j++) {
        const real zj = z[j], nj = n[j];
        z[j] = dh[j] * (before[j] - nj) * (zj * (1 - zj));
        n[j] = dh[j] * (1 - zj) * (1 - nj * nj);
        dh[j] *= zj;
    }
}

/* d is the gradient of r h. */
static void OF(gru_reset_backward)(ptrdiff_t H, const real *restrict before, const real *restrict d, real *restrict r,
                                   real *restrict dh)
{
    for (ptrdiff_t j = 0; j < H; j++) {
        const real rj = r[j];
        dh[j] += d[j] * rj;
        r[j] = d[j] * before[j] * (rj * (1 - rj));
    }
}

static void OF(gru_before_backward)(const sequence *s, ptrdiff_t t, ptrdiff_t first, ptrdiff_t n)
{
    const ptrdiff_t H = s->H, step = state_row(H);
    real *gates = (real *)s->gates + at(s, t, first) * s->gate_row, *products = (real *)s->products + first * 3 * H;
    for (ptrdiff_t i = 0; i < n; i++) {
        real *dh = (real *)s->h + (first + i) * step, *row = gates + i * s->gate_row;
        OF(arrive)(s, t, first + i, dh);
        OF(gru_candidate_backward)(H, OF(h_before)(s, t, first + i), row + H, row + 2 * H, dh);
    }
    OF(multiply)(n, H, H, gates + 2 * H, s->gate_row, 1, s->weight_n, products, H, 1, 0);
    for (ptrdiff_t i = 0; i < n; i++)
        OF(gru_reset_backward)(H, OF(h_before)(s, t, first + i), products + i * H, gates + i * s->gate_row,
                               (real *)s->h + (first + i) * step);
    OF(multiply)(n, H, 2 * H, gates, s->gate_row, 1, s->weight, (real *)s->h + first * step, step, 1, 1);
}

#endif
