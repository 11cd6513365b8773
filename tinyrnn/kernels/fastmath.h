/* exp, expm1, log, log1p, tanh and sigmoid for float and double, written so that a plain loop over them vectorises:
 *
 *     for (i = 0; i < n; i++) y[i] = fast_tanhf(x[i]);
 *
 * Each is a straight line of arithmetic and selects: no branch, no table, no call. Names follow libm, where the suffix
 * f means float. Compile with -O3 -fno-math-errno -fno-trapping-math, and never with -ffast-math, which cancels the
 * addition and subtraction that round to an integer in fm_expm1_reduced.
 *
 * Accuracy: within 3 units in the last place of the exact result everywhere, subnormal results included. Infinities,
 * NaN and signed zeros come out as C99 Annex F asks. (Subnormal ones in the processor's default mode alone: a recurrent
 * walk flushes them to zero, see denormals.h.)
 * Largest errors measured, float over every argument against double, double over 3e7 of them against long double:
 *
 *               exp    expm1   tanh   sigmoid   log    log1p
 *     float     1.06   1.61    2.61   2.41      0.77   1.34
 *     double    1.04   1.76    2.63   2.34      0.75   1.30
 *
 * Same bits: a result depends on its argument alone, never on the vector width or the place in the loop. Where the
 * target has a fused multiply-add (x86 with FMA, arm64), every rounded product that feeds a sum is written as one, so
 * all such machines agree to the last bit. Elsewhere it is a multiply and an add: same bound, slightly different bits.
 *
 * The polynomials are minimax fits by Remez exchange in 45-digit arithmetic, weighted to level the relative error of
 * the function itself. The error beside each was measured again after rounding its coefficients to the type.
 */
#ifndef TINYRNN_FASTMATH_H
#define TINYRNN_FASTMATH_H

#include <math.h>
#include <stdint.h>
#include <string.h>

/* In a large file GCC stops inlining what is only `inline`, and a loop with a call in it is not vectorised. */
#ifdef __GNUC__
#define FM_INLINE static inline __attribute__((always_inline))
#else
#define FM_INLINE static inline
#endif

#if defined(__GNUC__) && (defined(__FMA__) || defined(__aarch64__) || defined(__FP_FAST_FMA))
#define FM_FMAF(a, b, c) __builtin_fmaf(a, b, c)
#define FM_FMA(a, b, c) __builtin_fma(a, b, c)
#else
#define FM_FMAF(a, b, c) ((a) * (b) + (c))
#define FM_FMA(a, b, c) ((a) * (b) + (c))
#endif

/* A function by the type of its argument: REAL(exp, x)(x) is expf(x) for a float. */
#define REAL(FUN, x) _Generic((x), float: FUN##f, default: FUN)

FM_INLINE uint32_t fm_bitsf(float x) { uint32_t u; memcpy(&u, &x, sizeof u); return u; }
FM_INLINE uint64_t fm_bits(double x) { uint64_t u; memcpy(&u, &x, sizeof u); return u; }
FM_INLINE float fm_from_bitsf(uint32_t u) { float x; memcpy(&x, &u, sizeof x); return x; }
FM_INLINE double fm_from_bits(uint64_t u) { double x; memcpy(&x, &u, sizeof x); return x; }

/* yes ? a : b where both are computed: GCC would branch around the longer one, and not vectorise. */
FM_INLINE float fm_selectf(int yes, float a, float b) {
    const uint32_t mask = 0u - (uint32_t)yes;
    return fm_from_bitsf((fm_bitsf(a) & mask) | (fm_bitsf(b) & ~mask));
}
FM_INLINE double fm_select(int yes, double a, double b) {
    const uint64_t mask = 0u - (uint64_t)yes;
    return fm_from_bits((fm_bits(a) & mask) | (fm_bits(b) & ~mask));
}

/* 2^(e - bias) from the low bits of e, which may carry anything above the exponent's field and sign. */
FM_INLINE float fm_pow2f(uint32_t e) { return fm_from_bitsf(e << 23); }
FM_INLINE double fm_pow2(uint64_t e) { return fm_from_bits(e << 52); }

/* ---- The exponential family ------------------------------------------------------------------------------------ */

/* x = k ln 2 + r with k an integer and |r| <= ln(2)/2. Returns e^r - 1; the low bits of *n become k + 2 bias.
 *
 * Adding 1.5 * 2^23 (2^52) leaves no bits for a fraction: the sum is rounded to an integer, which can be read off its
 * low bits. Adding 2 bias in the same constant saves doing so later. ln 2 is split in two; the first part is short
 * enough for k times it to be exact, so r loses nothing to cancellation.
 *
 * e^r - 1 = r + r^2 P(r). Relative error of the fit: 2^-25.8 for float (P of degree 4), 2^-54.4 for double (9). */
FM_INLINE float fm_expm1_reducedf(float x, uint32_t *n)
{
    const float shift = 0x1.8p23f + 254;
    float t = FM_FMAF(x, 0x1.715476p0f, shift), k = t - shift, r, p;
    r = FM_FMAF(k, -0x1.62e4p-1f, x);
    r = FM_FMAF(k, -0x1.7f7d1cp-20f, r);
    p = FM_FMAF(r, 0.00138560077f, 0.00836923998f);
    p = FM_FMAF(r, p, 0.0416676067f);
    p = FM_FMAF(r, p, 0.166665226f);
    p = FM_FMAF(r, p, 0.49999997f);
    *n = fm_bitsf(t);
    return FM_FMAF(r * r, p, r);
}

FM_INLINE double fm_expm1_reduced(double x, uint64_t *n)
{
    const double shift = 0x1.8p52 + 2046;
    double t = FM_FMA(x, 0x1.71547652b82fep0, shift), k = t - shift, r, p;
    r = FM_FMA(k, -0x1.62e42fefa38p-1, x);
    r = FM_FMA(k, -0x1.ef35793c7673p-45, r);
    p = FM_FMA(r, 2.5110154340462048e-08, 2.7632791582662336e-07);
    p = FM_FMA(r, p, 2.7557242059340425e-06);
    p = FM_FMA(r, p, 2.4801486965350888e-05);
    p = FM_FMA(r, p, 0.00019841269886836392);
    p = FM_FMA(r, p, 0.0013888888948140007);
    p = FM_FMA(r, p, 0.008333333333322127);
    p = FM_FMA(r, p, 0.04166666666652095);
    p = FM_FMA(r, p, 0.16666666666666674);
    p = FM_FMA(r, p, 0.500000000000001);
    *n = fm_bits(t);
    return FM_FMA(r * r, p, r);
}

/* e^x = 2^k (1 + (e^r - 1)). 2^k alone may not be a normal number, so it is applied as two factors of half the
 * exponent: only the last product rounds, to inf, to a subnormal or to 0. The clamps lie just past where that happens,
 * and are written so that NaN passes. */
FM_INLINE float fast_expf(float x)
{
    uint32_t n, half;
    x = x > 89.0f ? 89.0f : x;
    x = x < -104.0f ? -104.0f : x;
    float q = fm_expm1_reducedf(x, &n);
    half = n >> 1;
    return (1.0f + q) * fm_pow2f(half) * fm_pow2f(n - half);
}

FM_INLINE double fast_exp(double x)
{
    uint64_t n, half;
    x = x > 710.0 ? 710.0 : x;
    x = x < -746.0 ? -746.0 : x;
    double q = fm_expm1_reduced(x, &n);
    half = n >> 1;
    return (1.0 + q) * fm_pow2(half) * fm_pow2(n - half);
}

/* e^x where x is not positive, the same bits with less work: 2^(k + 64) is never subnormal, and one factor. */
FM_INLINE float fast_decayf(float x)
{
    uint32_t n;
    x = x < -104.0f ? -104.0f : x;
    float q = fm_expm1_reducedf(x, &n);
    return (1.0f + q) * fm_pow2f(n - 63) * 0x1p-64f;
}

FM_INLINE double fast_decay(double x)
{
    uint64_t n;
    x = x < -746.0 ? -746.0 : x;
    double q = fm_expm1_reduced(x, &n);
    return (1.0 + q) * fm_pow2(n - 959) * 0x1p-64;
}

/* e^x - 1 = 2^k (e^r - 1) + (2^k - 1), formed at half its size because 2^k may be just out of range. Below the lower
 * clamp the result rounds to -1. Tiny x is its own result, which keeps -0 and the last bit of a subnormal. */
FM_INLINE float fast_expm1f(float x)
{
    uint32_t n;
    float z = x > 89.0f ? 89.0f : x;
    z = z < -18.0f ? -18.0f : z;
    float q = fm_expm1_reducedf(z, &n), s = fm_pow2f(n - 128);
    float y = 2.0f * FM_FMAF(s, q, s - 0.5f);
    return fabsf(x) < 0x1p-25f ? x : y;
}

FM_INLINE double fast_expm1(double x)
{
    uint64_t n;
    double z = x > 710.0 ? 710.0 : x;
    z = z < -38.0 ? -38.0 : z;
    double q = fm_expm1_reduced(z, &n), s = fm_pow2(n - 1024);
    double y = 2.0 * FM_FMA(s, q, s - 0.5);
    return fabs(x) < 0x1p-54 ? x : y;
}

/* tanh |x| = t / (t + 2) with t = e^(2|x|) - 1: no cancellation anywhere, and the quotient damps the error of t. Beyond
 * the clamp the result rounds to 1. */
FM_INLINE float fast_tanhf(float x)
{
    uint32_t n;
    float a = fabsf(x);
    a = a > 10.0f ? 10.0f : a;
    float q = fm_expm1_reducedf(2.0f * a, &n), s = fm_pow2f(n - 127);
    float t = FM_FMAF(s, q, s - 1.0f);
    return copysignf(t / (t + 2.0f), x);
}

FM_INLINE double fast_tanh(double x)
{
    uint64_t n;
    double a = fabs(x);
    a = a > 20.0 ? 20.0 : a;
    double q = fm_expm1_reduced(2.0 * a, &n), s = fm_pow2(n - 1023);
    double t = FM_FMA(s, q, s - 1.0);
    return copysign(t / (t + 2.0), x);
}

/* sigmoid x = 1 / (1 + e^-x) = e^x / (1 + e^x): the side whose exponential is at most 1 neither overflows nor loses
 * small results, which fade through the subnormals to 0. */
FM_INLINE float fast_sigmoidf(float x)
{
    float e = fast_decayf(-fabsf(x));
    return (x < 0.0f ? e : 1.0f) / (1.0f + e);
}

FM_INLINE double fast_sigmoid(double x)
{
    double e = fast_decay(-fabs(x));
    return (x < 0.0 ? e : 1.0) / (1.0 + e);
}

/* ---- The logarithm family -------------------------------------------------------------------------------------- */

/* The exponent k, biased, for which x = 2^k m with sqrt(1/2) <= m < sqrt(2); x normal and positive. Adding the distance
 * from sqrt(1/2) to 1 makes the exponent's field step up at sqrt(1/2) instead of at 1. */
FM_INLINE uint32_t fm_exponentf(float x) { return (fm_bitsf(x) + (0x3f800000u - 0x3f3504f3u)) >> 23; }
FM_INLINE uint64_t fm_exponent(double x)
{
    return (fm_bits(x) + (UINT64_C(0x3ff0000000000000) - UINT64_C(0x3fe6a09e667f3bcd))) >> 52;
}

/* k ln 2 + log(1 + f), for m = 1 + f as above and the biased exponent e of 2^k.
 *
 * e is added to the low bits of 1.5 * 2^23 (2^52), which makes it a float without an integer conversion (AVX2 has none
 * for 64 bits). With s = f / (2 + f), log(1 + f) = 2 atanh(s) = 2s + s R(s^2), R(z) = 2/3 z + 2/5 z^2 + ...
 * Since 2s = f - f^2/2 + s f^2/2, the sum starts with f itself, exact, and s only enters small terms:
 * log(1 + f) = f - f^2/2 + s (f^2/2 + R). Relative error of the fit, R = z P(z): 2^-30.2 for float (P of degree 2),
 * 2^-59.3 for double (6). k times the first part of ln 2 is exact. */
FM_INLINE float fm_log_sumf(uint32_t e, float f)
{
    float k = fm_from_bitsf(e + 0x4b400000u) - (0x1.8p23f + 127);
    float s = f / (2.0f + f), z = s * s, half_square = 0.5f * f * f, p, w;
    p = FM_FMAF(z, 0.29870695f, 0.39977586f);
    p = FM_FMAF(z, p, 0.66666776f);
    w = FM_FMAF(s, FM_FMAF(z, p, half_square), k * 0x1.7f7d1cp-20f);
    return FM_FMAF(k, 0x1.62e4p-1f, f + FM_FMAF(-0.5f * f, f, w));
}

FM_INLINE double fm_log_sum(uint64_t e, double f)
{
    double k = fm_from_bits(e + UINT64_C(0x4338000000000000)) - (0x1.8p52 + 1023);
    double s = f / (2.0 + f), z = s * s, half_square = 0.5 * f * f, p, w;
    p = FM_FMA(z, 0.14774021033028692, 0.15316408992777394);
    p = FM_FMA(z, p, 0.18183463811638712);
    p = FM_FMA(z, p, 0.22222200721038776);
    p = FM_FMA(z, p, 0.28571428718508224);
    p = FM_FMA(z, p, 0.3999999999954255);
    p = FM_FMA(z, p, 0.666666666666671);
    w = FM_FMA(s, FM_FMA(z, p, half_square), k * 0x1.ef35793c7673p-45);
    return FM_FMA(k, 0x1.62e42fefa38p-1, f + FM_FMA(-0.5 * f, f, w));
}

/* log x. A subnormal is first scaled into the normal range and the exponent of the scale taken off again.
 * log 0 = -inf, log of less = NaN. */
FM_INLINE float fast_logf(float x)
{
    int tiny = x < 0x1p-126f;
    float z = tiny ? x * 0x1p24f : x;
    uint32_t e = fm_exponentf(z);
    float m = fm_from_bitsf(fm_bitsf(z) - ((e - 127) << 23));
    float y = fm_log_sumf(tiny ? e - 24 : e, m - 1.0f);
    y = x < INFINITY ? y : x;
    return x > 0.0f ? y : x == 0.0f ? -INFINITY : NAN;
}

FM_INLINE double fast_log(double x)
{
    int tiny = x < 0x1p-1022;
    double z = tiny ? x * 0x1p54 : x;
    uint64_t e = fm_exponent(z);
    double m = fm_from_bits(fm_bits(z) - ((e - 1023) << 52));
    double y = fm_log_sum(tiny ? e - 54 : e, m - 1.0);
    y = x < INFINITY ? y : x;
    return x > 0.0 ? y : x == 0.0 ? -INFINITY : NAN;
}

/* log(1 + x), with k taken from the rounded 1 + x but f from x itself: f = 2^-k (1 + x) - 1 = 2^-k x + (2^-k - 1) in
 * one rounding, and f = x exactly when k = 0. 2^-k is written as 2^(2 - k) / 4: for the largest x it is subnormal.
 * The result has the sign of x, also for -0. log1p(-1) = -inf, log1p of less = NaN. */
FM_INLINE float fast_log1pf(float x)
{
    uint32_t e = fm_exponentf(1.0f + x);
    float s = 0.25f * fm_pow2f(256 - e);
    float y = copysignf(fm_log_sumf(e, FM_FMAF(x, s, s - 1.0f)), x);
    y = x < INFINITY ? y : x;
    return x > -1.0f ? y : x == -1.0f ? -INFINITY : NAN;
}

FM_INLINE double fast_log1p(double x)
{
    uint64_t e = fm_exponent(1.0 + x);
    double s = 0.25 * fm_pow2(2048 - e);
    double y = copysign(fm_log_sum(e, FM_FMA(x, s, s - 1.0)), x);
    y = x < INFINITY ? y : x;
    return x > -1.0 ? y : x == -1.0 ? -INFINITY : NAN;
}

#endif
