/* A simple recurrent layer: h' = f(W_ih x + b_ih + W_hh h + b_hh), f = tanh or relu. The contract is in sequence.h. */
#ifndef TINYRNN_RNN_H
#define TINYRNN_RNN_H
#include "sequence.h"

#define KERNEL "rnn.h"
#include "real.h"

#elif defined(real)

/* Step t of the rows from `first` on, n of them. */
static void OF(rnn_forward)(const sequence *s, ptrdiff_t t, ptrdiff_t first, ptrdiff_t n)
{
    const ptrdiff_t H = s->H, step = state_row(H);
    const real *restrict b_ih = s->bias_ih, *restrict b_hh = s->bias_hh;
    real *products = (real *)s->products + first * H;                                 /* (n, H): W_hh h */
    if (s->weight) OF(multiply)(n, H, H, (real *)s->h + first * step, step, 1, s->weight, products, H, 1, 0);
    for (ptrdiff_t i = 0; i < n; i++) {
        const real *restrict x = (real *)s->gates + at(s, t, first + i) * s->gate_row, *restrict w = products + i * H;
        real *restrict h = (real *)s->h + (first + i) * step;
        real *restrict out = (real *)s->out + (t * s->B + place(s, first + i)) * H;
        if (s->cell == RNN_TANH)
            for (ptrdiff_t j = 0; j < H; j++) out[j] = h[j] = MATH(fast_tanh)((x[j] + b_ih[j]) + (w[j] + b_hh[j]));
        else
            for (ptrdiff_t j = 0; j < H; j++) {
                const real a = (x[j] + b_ih[j]) + (w[j] + b_hh[j]);
                out[j] = h[j] = a < 0 ? 0 : a;                                  /* a NaN stays one */
            }
    }
}

/* s->h is dh now. da = dh f'(a), from f's own value: 1 - h^2, or whether h > 0. */
static void OF(rnn_backward)(const sequence *s, ptrdiff_t t, ptrdiff_t first, ptrdiff_t n)
{
    const ptrdiff_t H = s->H, step = state_row(H);
    real *das = (real *)s->gates + at(s, t, first) * s->gate_row;                     /* (n, H) */
    for (ptrdiff_t i = 0; i < n; i++) {
        const real *restrict h = (real *)s->out + (t * s->B + place(s, first + i)) * H;
        real *restrict da = das + i * s->gate_row, *restrict dh = (real *)s->h + (first + i) * step;
        OF(arrive)(s, t, first + i, dh);
        if (s->cell == RNN_TANH)
            for (ptrdiff_t j = 0; j < H; j++) da[j] = dh[j] * (1 - h[j] * h[j]);
        else
            for (ptrdiff_t j = 0; j < H; j++) da[j] = h[j] > 0 ? dh[j] : 0;
    }
    if (s->weight) OF(multiply)(n, H, H, das, s->gate_row, 1, s->weight, (real *)s->h + first * step, step, 1, 0);
}

#endif
