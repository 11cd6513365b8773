/* One step of each optimiser: a single pass over a parameter, its gradient and its moments.
 *
 * Written once for float and double, as pointwise.h. In every loop
 *   p   the parameter, n elements: read and written
 *   g   its gradient: read
 *   the other arrays are what the optimiser remembers: read and written.
 * Arrays are contiguous and do not overlap. The constants are computed in double and rounded once to the type of the
 * loop; the order of operations is PyTorch's, so that many steps stay together.
 */
#ifndef TINYRNN_OPTIMISE_H
#define TINYRNN_OPTIMISE_H
#include <math.h>
#include <stddef.h>

#include "lanes.h"

/* C's square root by the type of its argument. */
#define ROOT(x) _Generic((x), float: sqrtf, default: sqrt)(x)

/* The gradient to descend along: its sign turned to ascend, plus the decay of the weights. */
#define DECAYED (decay != 0 ? sign * g[i] + decay * p[i] : sign * g[i])

/* A loop over the elements for each case that stores other arrays: a store under a condition would not vectorise. */
#define EACH(...) for (ptrdiff_t i = 0; i < n; i++) { __VA_ARGS__ }

/* a moved towards b by the fraction t; from the nearer end, as PyTorch's lerp. */
#define TOWARDS(a, b, t) (2 * (t) < 1 ? (a) + (t) * ((b) - (a)) : (b) - ((b) - (a)) * (1 - (t)))

/* Two functions (float, double) and the table that holds both. */
#define FOR_BOTH(NAME)                                                                                              \
    NAME##_OF(float, NAME##_f32)                                                                                    \
    NAME##_OF(double, NAME##_f64)                                                                                   \
    static const NAME##_table NAME##_loops = {NAME##_f32, NAME##_f64};

/* ---- stochastic gradient descent -------------------------------------------------------------------------------
 * b = momentum b + (1 - dampening) g      (the first step starts from b = 0 without dampening: b = g)
 * p = p - lr b,   nesterov: p - lr (g + momentum b),   without momentum (b is NULL): p - lr g
 */
typedef struct { double lr, momentum, dampening, weight_decay; int nesterov, maximize; } sgd_settings;
typedef void (*sgd_loop)(void *p, const void *g, void *b, const sgd_settings *s, ptrdiff_t n);
typedef struct { sgd_loop f32, f64; } sgd_table;

#define sgd_OF(T, NAME)                                                                                             \
    static void NAME(void *vp, const void *vg, void *vb, const sgd_settings *s, ptrdiff_t n) {                      \
        T *restrict p = vp, *restrict b = vb;                                                                       \
        const T *restrict g = vg;                                                                                   \
        const T decay = (T)s->weight_decay, sign = s->maximize ? -1 : 1, down = (T)-s->lr;                          \
        const T keep = (T)s->momentum, add = (T)(1 - s->dampening);                                                 \
        const int nesterov = s->nesterov;                                                                           \
        if (b)                                                                                                      \
            EACH(                                                                                                   \
                const T d = DECAYED;                                                                                \
                b[i] = b[i] * keep + add * d;                                                                       \
                p[i] += down * (nesterov ? d + keep * b[i] : b[i]);                                                 \
            )                                                                                                       \
        else                                                                                                        \
            EACH(p[i] += down * DECAYED;)                                                                           \
    }
FOR_BOTH(sgd)

/* ---- Adam, AMSGrad, AdamW ---------------------------------------------------------------------------------------
 * m = m towards g by 1 - beta1;   v = beta2 v + (1 - beta2) g g;   x = max(x, v), without AMSGrad (x is NULL): v
 * p = p - step m / (sqrt(x) / root + eps),   step = lr / (1 - beta1^t),   root = sqrt(1 - beta2^t)
 * AdamW: first p = shrink p, shrink = 1 - lr weight_decay
 */
typedef struct { double beta1, beta2, eps, weight_decay, shrink, step, root; int maximize; } adam_settings;
typedef void (*adam_loop)(void *p, const void *g, void *m, void *v, void *x, const adam_settings *s, ptrdiff_t n);
typedef struct { adam_loop f32, f64; } adam_table;

#define ADAM(T, SQUARE)                                                                                             \
    EACH(                                                                                                           \
        const T d = DECAYED;                                                                                        \
        v[i] = v[i] * keep + add * d * d;                                                                           \
        m[i] = TOWARDS(m[i], d, t);                                                                                 \
        p[i] = p[i] * shrink + down * m[i] / (ROOT(SQUARE) / root + eps);                                           \
    )
#define adam_OF(T, NAME)                                                                                            \
    static void NAME(void *vp, const void *vg, void *vm, void *vv, void *vx, const adam_settings *s, ptrdiff_t n) { \
        T *restrict p = vp, *restrict m = vm, *restrict v = vv, *restrict x = vx;                                   \
        const T *restrict g = vg;                                                                                   \
        const T decay = (T)s->weight_decay, sign = s->maximize ? -1 : 1, shrink = (T)s->shrink;                     \
        const T t = (T)(1 - s->beta1), keep = (T)s->beta2, add = (T)(1 - s->beta2);                                 \
        const T root = (T)s->root, eps = (T)s->eps, down = (T)-s->step;                                             \
        if (x)                                                                                                      \
            ADAM(T, x[i] = x[i] > v[i] || x[i] != x[i] ? x[i] : v[i])                                               \
        else                                                                                                        \
            ADAM(T, v[i])                                                                                           \
    }
FOR_BOTH(adam)

/* ---- RMSprop ----------------------------------------------------------------------------------------------------
 * v = alpha v + (1 - alpha) g g;   centered: a = a towards g by 1 - alpha, c = v - a a;   else (a is NULL): c = v
 * b = momentum b + g / (sqrt(c) + eps), p = p - lr b;   without momentum (b is NULL): p = p - lr g / (sqrt(c) + eps)
 */
typedef struct { double lr, alpha, eps, weight_decay, momentum; int maximize; } rmsprop_settings;
typedef void (*rmsprop_loop)(
    void *p, const void *g, void *v, void *a, void *b, const rmsprop_settings *s, ptrdiff_t n);
typedef struct { rmsprop_loop f32, f64; } rmsprop_table;

#define RMSPROP(T, SQUARE, MOVE)                                                                                    \
    EACH(                                                                                                           \
        const T d = DECAYED;                                                                                        \
        v[i] = v[i] * keep + add * d * d;                                                                           \
        const T scale = ROOT(SQUARE) + eps;                                                                         \
        MOVE;                                                                                                       \
    )
#define CENTERED (a[i] = TOWARDS(a[i], d, add), v[i] - a[i] * a[i])
#define PLAIN p[i] += down * d / scale
#define HEAVY (b[i] = b[i] * momentum + d / scale, p[i] += down * b[i])
#define rmsprop_OF(T, NAME)                                                                                         \
    static void NAME(                                                                                               \
        void *vp, const void *vg, void *vv, void *va, void *vb, const rmsprop_settings *s, ptrdiff_t n) {           \
        T *restrict p = vp, *restrict v = vv, *restrict a = va, *restrict b = vb;                                   \
        const T *restrict g = vg;                                                                                   \
        const T decay = (T)s->weight_decay, sign = s->maximize ? -1 : 1, down = (T)-s->lr;                          \
        const T keep = (T)s->alpha, add = (T)(1 - s->alpha), eps = (T)s->eps, momentum = (T)s->momentum;            \
        if (a && b)                                                                                                 \
            RMSPROP(T, CENTERED, HEAVY)                                                                             \
        else if (a)                                                                                                 \
            RMSPROP(T, CENTERED, PLAIN)                                                                             \
        else if (b)                                                                                                 \
            RMSPROP(T, v[i], HEAVY)                                                                                 \
        else                                                                                                        \
            RMSPROP(T, v[i], PLAIN)                                                                                 \
    }
FOR_BOTH(rmsprop)

/* ---- Adagrad ----------------------------------------------------------------------------------------------------
 * v = v + g g;   p = p - step g / (sqrt(v) + eps),   step = lr / (1 + (t - 1) lr_decay)
 */
typedef struct { double step, eps, weight_decay; int maximize; } adagrad_settings;
typedef void (*adagrad_loop)(void *p, const void *g, void *v, const adagrad_settings *s, ptrdiff_t n);
typedef struct { adagrad_loop f32, f64; } adagrad_table;

#define adagrad_OF(T, NAME)                                                                                         \
    static void NAME(void *vp, const void *vg, void *vv, const adagrad_settings *s, ptrdiff_t n) {                  \
        T *restrict p = vp, *restrict v = vv;                                                                       \
        const T *restrict g = vg;                                                                                   \
        const T decay = (T)s->weight_decay, sign = s->maximize ? -1 : 1, eps = (T)s->eps, down = (T)-s->step;       \
        EACH(                                                                                                       \
            const T d = DECAYED;                                                                                    \
            v[i] += d * d;                                                                                          \
            p[i] += down * d / (ROOT(v[i]) + eps);                                                                  \
        )                                                                                                           \
    }
FOR_BOTH(adagrad)

/* ---- Adadelta ---------------------------------------------------------------------------------------------------
 * v = rho v + (1 - rho) g g;   d = g sqrt(u + eps) / sqrt(v + eps);   u = rho u + (1 - rho) d d;   p = p - lr d
 */
typedef struct { double lr, rho, eps, weight_decay; int maximize; } adadelta_settings;
typedef void (*adadelta_loop)(void *p, const void *g, void *v, void *u, const adadelta_settings *s, ptrdiff_t n);
typedef struct { adadelta_loop f32, f64; } adadelta_table;

#define adadelta_OF(T, NAME)                                                                                        \
    static void NAME(void *vp, const void *vg, void *vv, void *vu, const adadelta_settings *s, ptrdiff_t n) {       \
        T *restrict p = vp, *restrict v = vv, *restrict u = vu;                                                     \
        const T *restrict g = vg;                                                                                   \
        const T decay = (T)s->weight_decay, sign = s->maximize ? -1 : 1, down = (T)-s->lr;                          \
        const T keep = (T)s->rho, add = (T)(1 - s->rho), eps = (T)s->eps;                                           \
        EACH(                                                                                                       \
            const T d = DECAYED;                                                                                    \
            v[i] = v[i] * keep + add * d * d;                                                                       \
            const T delta = ROOT(u[i] + eps) / ROOT(v[i] + eps) * d;                                                \
            u[i] = u[i] * keep + add * delta * delta;                                                               \
            p[i] += down * delta;                                                                                   \
        )                                                                                                           \
    }
FOR_BOTH(adadelta)

/* ---- clipping ---------------------------------------------------------------------------------------------------
 * The sum of g g in pieces of CLIP_PIECE, each rounded once and added up in double; and g = factor g
 */
enum { CLIP_PIECE = 1024 };

#define CLIP(T, NAME)                                                                                               \
    static double square_sum_##NAME(const T *g, ptrdiff_t n) {                                                      \
        double sum = 0;                                                                                             \
        for (ptrdiff_t i = 0; i < n; i += CLIP_PIECE)                                                               \
            sum += dot_of_##NAME(g + i, g + i, n - i < CLIP_PIECE ? n - i : CLIP_PIECE);                            \
        return sum;                                                                                                 \
    }                                                                                                               \
    static void scale_##NAME(T *restrict g, T factor, ptrdiff_t n) {                                                \
        for (ptrdiff_t i = 0; i < n; i++) g[i] *= factor;                                                           \
    }
CLIP(float, f32)
CLIP(double, f64)

#undef CLIP
#undef ROOT
#undef DECAYED
#undef EACH
#undef ADAM
#undef RMSPROP
#undef CENTERED
#undef PLAIN
#undef HEAVY
#undef TOWARDS
#undef FOR_BOTH
#endif
