/* sin, cos, erf, log2 and log10 for float and double, in the manner of fastmath.h, whose first page holds for this one:
 * straight lines of arithmetic that vectorise, within 3 units in the last place, the same bits wherever they stand.
 * Largest errors measured, against the C library's long double:
 *
 *               sin    cos    erf    log2   log10
 *     float     0.57   0.57   1.43   0.51   0.51
 *     double    2.41   2.33   1.46   1.72   1.79
 *
 * sin and cos hold for |x| <= 2^20; where large_angle(x) says so, the C library has to be asked. For floats they
 * compute in double: what is left to do in float is one rounding.
 */
#ifndef TINYRNN_SPECIALS_H
#define TINYRNN_SPECIALS_H
#include "fastmath.h"

/* ---- sine and cosine -------------------------------------------------------------------------------------------- */

FM_INLINE int large_anglef(float x) { return !(fabsf(x) <= 0x1p20f); }
FM_INLINE int large_angle(double x) { return !(fabs(x) <= 0x1p20); }

/* x = k pi/2 + r with |r| <= pi/4. The low bits of the result are those of k.
 *
 * pi/2 is three numbers, two of 33 bits: k times these is exact, so cancellation takes nothing from r, with a fused
 * multiply-add or without. */
FM_INLINE uint64_t quarter_turns(double x, double *r) {
    const double t = x * 0x1.45f306dc9c883p-1 + 0x1.8p52, k = t - 0x1.8p52;
    *r = x - k * 0x1.921fb544p0 - k * 0x1.0b4611a6p-34 - k * 0x1.3198a2e037073p-69;
    return fm_bits(t);
}

/* s or, after an odd number of quarter turns, c; with the other sign after two and three of them. */
FM_INLINE double turned(uint64_t quarters, double s, double c) {
    return fm_from_bits(fm_bits(quarters & 1 ? c : s) ^ (quarters & 2) << 62);
}

/* sin r = r + r^3 P(r^2), cos r = 1 - r^2/2 + r^4 Q(r^2). Relative errors of the fits: 2^-58 and 2^-64 for double,
 * 2^-28 and 2^-33 for float. */
FM_INLINE double sine_of(double r) {
    const double z = r * r;
    double p = FM_FMA(z, 1.5896796047674028e-10, -2.5050758096089075e-08);
    p = FM_FMA(z, p, 2.7557313691667256e-06);
    p = FM_FMA(z, p, -0.00019841269829807108);
    p = FM_FMA(z, p, 0.008333333333322415);
    p = FM_FMA(z, p, -0.16666666666666632);
    return FM_FMA(r * z, p, r);
}
FM_INLINE double cosine_of(double r) {
    const double z = r * r;
    double p = FM_FMA(z, -1.1359672690100624e-11, 2.087572377164297e-09);
    p = FM_FMA(z, p, -2.755731435604004e-07);
    p = FM_FMA(z, p, 2.4801587289494426e-05);
    p = FM_FMA(z, p, -0.001388888888887414);
    p = FM_FMA(z, p, 0.0416666666666666);
    return FM_FMA(z * z, p, FM_FMA(z, -0.5, 1.0));
}
FM_INLINE double short_sine_of(double r) {
    const double z = r * r;
    return FM_FMA(r * z, FM_FMA(z, FM_FMA(z, -0.0001951690419327102, 0.008332174344277327), -0.16666654865583488), r);
}
FM_INLINE double short_cosine_of(double r) {
    const double z = r * r;
    const double p = FM_FMA(z, FM_FMA(z, 2.4439225021391898e-05, -0.0013887374837102324), 0.04166664702988889);
    return FM_FMA(z * z, p, FM_FMA(z, -0.5, 1.0));
}

FM_INLINE double fast_sin(double x) {
    double r;
    const uint64_t quarters = quarter_turns(x, &r);
    return x == 0.0 ? x : turned(quarters, sine_of(r), cosine_of(r));
}
FM_INLINE double fast_cos(double x) {
    double r;
    const uint64_t quarters = quarter_turns(x, &r) + 1;
    return turned(quarters, sine_of(r), cosine_of(r));
}
FM_INLINE float fast_sinf(float x) {
    double r;
    const uint64_t quarters = quarter_turns(x, &r);
    return x == 0.0f ? x : (float)turned(quarters, short_sine_of(r), short_cosine_of(r));
}
FM_INLINE float fast_cosf(float x) {
    double r;
    const uint64_t quarters = quarter_turns(x, &r) + 1;
    return (float)turned(quarters, short_sine_of(r), short_cosine_of(r));
}

/* ---- the error function ----------------------------------------------------------------------------------------- */

/* erf x = x + x P(x^2) for small |x|, else 1 - e^(-|x| Q(|x|)), where errors of Q fade as the result nears 1. The
 * argument is clamped where the result rounds to 1. Relative errors of the fits, weighted by what they do to the
 * result: 2^-25.5 and 2^-28.4 for float, 2^-56.9 and 2^-55.1 for double. */
FM_INLINE float fast_erff(float x) {
    const float z = x * x, t = fabsf(x) > 4.0f ? 4.0f : fabsf(x);
    float p = FM_FMAF(z, -0.0005862334f, 0.0049675624f), q = FM_FMAF(t, -0.00021291102f, 0.0032060072f);
    p = FM_FMAF(z, p, -0.026748907f);
    p = FM_FMAF(z, p, 0.11281322f);
    p = FM_FMAF(z, p, -0.37612447f);
    p = FM_FMAF(z, p, 0.12837914f);
    q = FM_FMAF(t, q, -0.022860948f);
    q = FM_FMAF(t, q, 0.10521607f);
    q = FM_FMAF(t, q, 0.63575345f);
    q = FM_FMAF(t, q, 1.1285038f);
    return fm_selectf(t < 0.95f, FM_FMAF(x, p, x), copysignf(1.0f - fast_expf(-t * q), x));
}

FM_INLINE double fast_erf(double x) {
    const double z = x * x, t = fabs(x) > 6.0 ? 6.0 : fabs(x);
    double p = FM_FMA(z, -7.779750205118862e-10, 1.3711133096679082e-08);
    double q = FM_FMA(t, 8.558518679983727e-12, -3.438161630290245e-10);
    p = FM_FMA(z, p, -1.6206349435158496e-07);
    p = FM_FMA(z, p, 1.6447136271517935e-06);
    p = FM_FMA(z, p, -1.4924712685485398e-05);
    p = FM_FMA(z, p, 0.00012055293596930832);
    p = FM_FMA(z, p, -0.0008548325929983477);
    p = FM_FMA(z, p, 0.005223977606132321);
    p = FM_FMA(z, p, -0.026866170643113127);
    p = FM_FMA(z, p, 0.11283791670944195);
    p = FM_FMA(z, p, -0.3761263890318352);
    p = FM_FMA(z, p, 0.12837916709551256);
    q = FM_FMA(t, q, 6.413515082878942e-09);
    q = FM_FMA(t, q, -7.358949053676785e-08);
    q = FM_FMA(t, q, 5.78588804295692e-07);
    q = FM_FMA(t, q, -3.270934955331266e-06);
    q = FM_FMA(t, q, 1.3424852965462737e-05);
    q = FM_FMA(t, q, -3.8256752157839655e-05);
    q = FM_FMA(t, q, 5.950737068293432e-05);
    q = FM_FMA(t, q, 5.640773985467886e-05);
    q = FM_FMA(t, q, -0.000646394305375677);
    q = FM_FMA(t, q, 0.0017620500535677312);
    q = FM_FMA(t, q, -0.00026300538736662784);
    q = FM_FMA(t, q, -0.019097567223701904);
    q = FM_FMA(t, q, 0.10276066185867226);
    q = FM_FMA(t, q, 0.6366225775778782);
    q = FM_FMA(t, q, 1.128378864005613);
    return fm_select(t < 1.0, FM_FMA(x, p, x), copysign(1.0 - fast_exp(-t * q), x));
}

/* ---- logarithms to other bases ---------------------------------------------------------------------------------- */

/* x = 2^k m with sqrt(1/2) <= m < sqrt(2): log_b x = k log_b 2 + ln m / ln b. The first part of log_b 2 is short enough
 * for k times it to be exact, so a power of b that has an exact logarithm gets it (base 2; base 10 to the last bit). */
FM_INLINE double log_to_base(double x, double two, double two_rest, double e) {
    const int tiny = x < 0x1p-1022;
    const double z = tiny ? x * 0x1p54 : x;
    const uint64_t n = fm_exponent(z);
    const double m = fm_from_bits(fm_bits(z) - ((n - 1023) << 52));
    const double k = fm_from_bits((tiny ? n - 54 : n) + UINT64_C(0x4338000000000000)) - (0x1.8p52 + 1023);
    const double y = FM_FMA(k, two, FM_FMA(fm_log_sum(1023, m - 1.0), e, k * two_rest));
    return x > 0.0 ? (x < INFINITY ? y : x) : x == 0.0 ? -INFINITY : NAN;
}

FM_INLINE float log_to_basef(float x, float two, float two_rest, float e) {
    const int tiny = x < 0x1p-126f;
    const float z = tiny ? x * 0x1p24f : x;
    const uint32_t n = fm_exponentf(z);
    const float m = fm_from_bitsf(fm_bitsf(z) - ((n - 127) << 23));
    const float k = fm_from_bitsf((tiny ? n - 24 : n) + 0x4b400000u) - (0x1.8p23f + 127);
    const float y = FM_FMAF(k, two, FM_FMAF(fm_log_sumf(127, m - 1.0f), e, k * two_rest));
    return x > 0.0f ? (x < INFINITY ? y : x) : x == 0.0f ? -INFINITY : NAN;
}

FM_INLINE double fast_log2(double x) { return log_to_base(x, 1.0, 0.0, 0x1.71547652b82fep0); }
FM_INLINE double fast_log10(double x) {
    return log_to_base(x, 0x1.34413509f78p-2, 0x1.fef311f12b358p-46, 0x1.bcb7b1526e50ep-2);
}
FM_INLINE float fast_log2f(float x) { return log_to_basef(x, 1.0f, 0.0f, 0x1.715476p0f); }
FM_INLINE float fast_log10f(float x) { return log_to_basef(x, 0x1.344p-2f, 0x1.3509f8p-18f, 0x1.bcb7b2p-2f); }

#endif
