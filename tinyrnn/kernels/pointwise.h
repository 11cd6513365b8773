/* Loops over elements, written once for float and double.
 *
 * Each line below makes two C functions (float, double) and a table that holds both. The one function that knows
 * arrays (autograd/arrays.pyx) picks from the table by dtype, so the dtype is tested once an operation. The loops
 * are plain: the compiler turns them into vector code for the machine it compiles for.
 *
 *   UNARY(name, y)     y[i] = f(x[i]);              x, y: n elements side by side
 *   BINARY(name, y)    y[i] = f(a[i], b[i]);        a and b with any step; 0 repeats one element
 *   COMPARE(name, y)   the same with a truth value as the result
 *
 * No loop allocates, reads past n, or touches Python. Results never overlap their operands.
 */
#ifndef TINYRNN_POINTWISE_H
#define TINYRNN_POINTWISE_H
#include <math.h>
#include <stddef.h>

#include "fastmath.h"
#include "specials.h"

typedef void (*unary_loop)(const void *x, void *y, ptrdiff_t n);
typedef void (*binary_loop)(const void *a, ptrdiff_t step_a, const void *b, ptrdiff_t step_b, void *y, ptrdiff_t n);

typedef struct { unary_loop f32, f64; } unary_loops;
typedef struct { binary_loop f32, f64; } binary_loops;      /* steps are counted in elements */

#define CONSTANT(c, x) _Generic((x), float: c##f, default: c)       /* so that floats are not computed in double */

/* ---- the three shapes of a loop ------------------------------------------------------------------------------ */

#define UNARY_OF(T, NAME, Y)                                                                                        \
    static void NAME(const void *vx, void *vy, ptrdiff_t n) {                                                       \
        const T *restrict px = vx;                                                                                  \
        T *restrict py = vy;                                                                                        \
        for (ptrdiff_t i = 0; i < n; i++) { const T x = px[i]; py[i] = (T)(Y); }                                    \
    }

/* Constant steps let the compiler vectorise: so the three common cases get a loop of their own. */
#define BINARY_OF(T, R, NAME, Y)                                                                                    \
    static void NAME(const void *va, ptrdiff_t sa, const void *vb, ptrdiff_t sb, void *vy, ptrdiff_t n) {           \
        const T *restrict pa = va, *restrict pb = vb;                                                               \
        R *restrict py = vy;                                                                                        \
        if (sa == 1 && sb == 1)                                                                                     \
            for (ptrdiff_t i = 0; i < n; i++) { const T a = pa[i], b = pb[i]; py[i] = (R)(Y); }                     \
        else if (sa == 1 && sb == 0) {                                                                              \
            const T b = *pb;                                                                                        \
            for (ptrdiff_t i = 0; i < n; i++) { const T a = pa[i]; py[i] = (R)(Y); }                                \
        } else if (sa == 0 && sb == 1) {                                                                            \
            const T a = *pa;                                                                                        \
            for (ptrdiff_t i = 0; i < n; i++) { const T b = pb[i]; py[i] = (R)(Y); }                                \
        } else                                                                                                      \
            for (ptrdiff_t i = 0; i < n; i++) { const T a = pa[i * sa], b = pb[i * sb]; py[i] = (R)(Y); }           \
    }

#define UNARY(NAME, Y)                                                                                              \
    UNARY_OF(float, NAME##_f32, Y) UNARY_OF(double, NAME##_f64, Y)                                                  \
    static const unary_loops NAME##_loops = {NAME##_f32, NAME##_f64};

/* A formula that a few arguments are out of reach of: where RARE(x), the result is EXACT. */
#define UNARY_REPAIRED_OF(T, NAME, Y, RARE, EXACT)                                                                  \
    UNARY_OF(T, NAME##_fast, Y)                                                                                     \
    static void NAME(const void *vx, void *vy, ptrdiff_t n) {                                                       \
        for (ptrdiff_t start = 0; start < n; start += 512) {                                                        \
            const T *px = (const T *)vx + start;                                                                    \
            T *py = (T *)vy + start;                                                                                \
            const int width = n - start < 512 ? (int)(n - start) : 512;                                             \
            int any = 0;                                                                                            \
            NAME##_fast(px, py, width);                                                                             \
            for (int i = 0; i < width; i++) { const T x = px[i]; any |= (RARE); }                                   \
            for (int i = 0; any && i < width; i++) { const T x = px[i]; if (RARE) py[i] = (EXACT); }                \
        }                                                                                                           \
    }

#define UNARY_REPAIRED(NAME, Y, RARE, EXACT)                                                                        \
    UNARY_REPAIRED_OF(float, NAME##_f32, Y, RARE, EXACT) UNARY_REPAIRED_OF(double, NAME##_f64, Y, RARE, EXACT)      \
    static const unary_loops NAME##_loops = {NAME##_f32, NAME##_f64};

#define BINARY(NAME, Y)                                                                                             \
    BINARY_OF(float, float, NAME##_f32, Y) BINARY_OF(double, double, NAME##_f64, Y)                                 \
    static const binary_loops NAME##_loops = {NAME##_f32, NAME##_f64};

#define COMPARE(NAME, Y)                                                                                            \
    BINARY_OF(float, char, NAME##_f32, Y) BINARY_OF(double, char, NAME##_f64, Y)                                    \
    static const binary_loops NAME##_loops = {NAME##_f32, NAME##_f64};

/* ---- functions of one element -------------------------------------------------------------------------------- */

UNARY(neg, -x)
UNARY(absolute, REAL(fabs, x)(x))
UNARY(sign, (x > 0) - (x < 0))
UNARY(reciprocal, 1 / x)
UNARY(square, x * x)
UNARY(cube, x * x * x)
UNARY(sqrt, REAL(sqrt, x)(x))
UNARY(rsqrt, 1 / REAL(sqrt, x)(x))
UNARY(exp, REAL(fast_exp, x)(x))
UNARY(expm1, REAL(fast_expm1, x)(x))
UNARY(log, REAL(fast_log, x)(x))
UNARY(log1p, REAL(fast_log1p, x)(x))
UNARY(log2, REAL(fast_log2, x)(x))
UNARY(log10, REAL(fast_log10, x)(x))
UNARY_REPAIRED(sin, REAL(fast_sin, x)(x), REAL(large_angle, x)(x), REAL(sin, x)(x))
UNARY_REPAIRED(cos, REAL(fast_cos, x)(x), REAL(large_angle, x)(x), REAL(cos, x)(x))
UNARY(erf, REAL(fast_erf, x)(x))
UNARY(floor, REAL(floor, x)(x))
UNARY(ceil, REAL(ceil, x)(x))
UNARY(trunc, REAL(trunc, x)(x))
UNARY(frac, x - REAL(trunc, x)(x))
UNARY(round, REAL(rint, x)(x))                                      /* halves go to the even neighbour */
UNARY(tanh, REAL(fast_tanh, x)(x))
UNARY(relu, x < 0 ? 0 : x)                                          /* a NaN stays one */
UNARY(sigmoid, REAL(fast_sigmoid, x)(x))
UNARY(logsigmoid, (x < 0 ? x : 0) - REAL(fast_log1p, x)(REAL(fast_exp, x)(-REAL(fabs, x)(x))))
UNARY(silu, x * REAL(fast_sigmoid, x)(x))
UNARY(gelu, x * 0.5f * (1 + REAL(fast_erf, x)(x * CONSTANT(0.70710678118654752, x))))  /* sqrt(1/2) */
UNARY(gelu_tanh, x * 0.5f * (1 + REAL(fast_tanh, x)(                                    /* sqrt(2/pi) */
    CONSTANT(0.79788456080286536, x) * (x + CONSTANT(0.044715, x) * (x * x * x)))))

/* ---- functions of two elements ------------------------------------------------------------------------------- */

BINARY(add, a + b)
BINARY(sub, a - b)
BINARY(mul, a * b)
BINARY(div, a / b)

/* a^b = e^(b ln a), for floats in double, where that loses nothing; other arguments are left to the C library. */
static inline int ordinary(float a, float b) { return (a > 0) & (a < INFINITY) & (fabsf(b) < INFINITY); }
BINARY_OF(float, float, pow_fast_f32, (float)fast_exp(b * fast_log(a)))
static void pow_f32(const void *va, ptrdiff_t sa, const void *vb, ptrdiff_t sb, void *vy, ptrdiff_t n) {
    for (ptrdiff_t start = 0; start < n; start += 512) {
        const float *a = (const float *)va + start * sa, *b = (const float *)vb + start * sb;
        float *y = (float *)vy + start;
        const int width = n - start < 512 ? (int)(n - start) : 512;
        int rare = 0;
        pow_fast_f32(a, sa, b, sb, y, width);
        for (int i = 0; i < width; i++) rare |= !ordinary(a[i * sa], b[i * sb]);
        for (int i = 0; rare && i < width; i++)
            if (!ordinary(a[i * sa], b[i * sb])) y[i] = powf(a[i * sa], b[i * sb]);
    }
}
BINARY_OF(double, double, pow_f64, pow(a, b))
static const binary_loops pow_loops = {pow_f32, pow_f64};

BINARY(maximum, (a > b) | (a != a) ? a : b)                         /* NaN wins, as in NumPy and PyTorch */
BINARY(minimum, (a < b) | (a != a) ? a : b)

/* Python's %: the sign of the divisor. */
static inline float python_modf(float a, float b) {
    float r = fmodf(a, b);
    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}
static inline double python_mod(double a, double b) {
    double r = fmod(a, b);
    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}
BINARY(remainder, REAL(python_mod, a)(a, b))
BINARY(fmod, REAL(fmod, a)(a, b))

/* Python's //: from the exact remainder, since floor(a / b) can be one too high. */
static inline float python_floor_divf(float a, float b) {
    if (b == 0) return a / b;
    float r = fmodf(a, b), q = (a - r) / b - (r != 0 && (r < 0) != (b < 0)), whole = floorf(q);
    return q - whole > 0.5f ? whole + 1 : whole == 0 ? copysignf(0, a / b) : whole;
}
static inline double python_floor_div(double a, double b) {
    if (b == 0) return a / b;
    double r = fmod(a, b), q = (a - r) / b - (r != 0 && (r < 0) != (b < 0)), whole = floor(q);
    return q - whole > 0.5 ? whole + 1 : whole == 0 ? copysign(0, a / b) : whole;
}
BINARY(floor_divide, REAL(python_floor_div, a)(a, b))

/* Activations with a parameter b. */
BINARY(leaky_relu, a > 0 ? a : a * b)
BINARY(elu, REAL(fm_select, a)(a > 0, a, b * REAL(fast_expm1, a)(a)))
BINARY(softplus, REAL(fm_select, a)(a > b, a, REAL(fast_log1p, a)(REAL(fast_exp, a)(a))))

/* Their slopes where x = a, again with the parameter b. */
BINARY(leaky_relu_slope, a > 0 ? 1 : b)
BINARY(elu_slope, REAL(fm_select, a)(a > 0, 1, b * REAL(fast_exp, a)(a)))
BINARY(softplus_slope, REAL(fm_select, a)(a > b, 1, REAL(fast_sigmoid, a)(a)))

/* Gradients of activations in one pass: b is the output's, the result the input's. y means that a is the output. */
BINARY(tanh_backward, b * (1 - a * a))                                                                   /* y */
BINARY(sigmoid_backward, b * (a * (1 - a)))                                                              /* y */
BINARY(relu_backward, a <= 0 ? 0 : b)                                                                    /* y */
BINARY(logsigmoid_backward, b * REAL(fast_sigmoid, a)(-a))
BINARY(silu_backward, b * (REAL(fast_sigmoid, a)(a) * (1 + a * (1 - REAL(fast_sigmoid, a)(a)))))
BINARY(gelu_backward, b * ((1 + REAL(fast_erf, a)(a * CONSTANT(0.70710678118654752, a))) * 0.5f          /* sqrt(1/2) */
    + a * (REAL(fast_exp, a)(a * a * -0.5f) * CONSTANT(0.39894228040143268, a))))                 /* 1/sqrt(2 pi) */

COMPARE(eq, a == b)
COMPARE(ne, a != b)
COMPARE(lt, a < b)
COMPARE(le, a <= b)
COMPARE(gt, a > b)
COMPARE(ge, a >= b)

/* ---- sums in place: y += x ------------------------------------------------------------------------------------ */

#define ACCUMULATE(T, NAME)                                                                                         \
    static void NAME(const void *vx, void *vy, ptrdiff_t n) {                                                       \
        const T *restrict x = vx;                                                                                   \
        T *restrict y = vy;                                                                                         \
        for (ptrdiff_t i = 0; i < n; i++) y[i] += x[i];                                                             \
    }
ACCUMULATE(float, accumulate_f32)
ACCUMULATE(double, accumulate_f64)
static const unary_loops accumulate_loops = {accumulate_f32, accumulate_f64};

#endif
