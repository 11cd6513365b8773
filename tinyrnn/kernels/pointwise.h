/* Loops over elements, written once for float and double.
 *
 * Each line below makes two C functions (float, double) and a table that holds both. The one function that knows
 * arrays (autograd/arrays.pyx) picks from the table by dtype, so the dtype is tested once an operation. The loops
 * are plain: the compiler turns them into vector code for the machine it compiles for.
 *
 *   UNARY(name, y)     y[i] = f(x[i]);              x, y: n elements side by side
 *   BINARY(name, y)    y[i] = f(a[i], b[i]);        a and b may each be one repeated element (stride 0)
 *   COMPARE(name, y)   the same with a truth value as the result
 *
 * No loop allocates, reads past n, or touches Python. Results never overlap their operands.
 */
#ifndef TINYRNN_POINTWISE_H
#define TINYRNN_POINTWISE_H
#include <math.h>
#include <stddef.h>

#include "fastmath.h"

typedef void (*unary_loop)(const void *x, void *y, ptrdiff_t n);
typedef void (*binary_loop)(const void *a, ptrdiff_t step_a, const void *b, ptrdiff_t step_b, void *y, ptrdiff_t n);

typedef struct { unary_loop f32, f64; } unary_loops;
typedef struct { binary_loop f32, f64; } binary_loops;      /* steps are counted in elements */

/* C's mathematical functions by the type of their argument: REAL(exp)(x) is expf(x) for a float. */
#define REAL(FUN, x) _Generic((x), float: FUN##f, default: FUN)
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
UNARY(sqrt, REAL(sqrt, x)(x))
UNARY(rsqrt, 1 / REAL(sqrt, x)(x))
UNARY(exp, REAL(fast_exp, x)(x))
UNARY(expm1, REAL(fast_expm1, x)(x))
UNARY(log, REAL(fast_log, x)(x))
UNARY(log1p, REAL(fast_log1p, x)(x))
UNARY(log2, REAL(log2, x)(x))
UNARY(log10, REAL(log10, x)(x))
UNARY(sin, REAL(sin, x)(x))
UNARY(cos, REAL(cos, x)(x))
UNARY(erf, REAL(erf, x)(x))
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
UNARY(gelu, x * 0.5f * (1 + REAL(erf, x)(x * CONSTANT(0.70710678118654752, x))))       /* sqrt(1/2) */
UNARY(gelu_tanh, x * 0.5f * (1 + REAL(fast_tanh, x)(                                    /* sqrt(2/pi) */
    CONSTANT(0.79788456080286536, x) * (x + CONSTANT(0.044715, x) * (x * x * x)))))

/* ---- functions of two elements ------------------------------------------------------------------------------- */

BINARY(add, a + b)
BINARY(sub, a - b)
BINARY(mul, a * b)
BINARY(div, a / b)
BINARY(pow, REAL(pow, a)(a, b))
BINARY(maximum, a > b || a != a ? a : b)                            /* NaN wins, as in NumPy and PyTorch */
BINARY(minimum, a < b || a != a ? a : b)

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
BINARY(elu, a > 0 ? a : b * REAL(fast_expm1, a)(a))
BINARY(softplus, a > b ? a : REAL(fast_log1p, a)(REAL(fast_exp, a)(a)))

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
