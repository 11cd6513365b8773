# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The Mersenne Twister MT19937 (Matsumoto and Nishimura 1998) and PyTorch's way from its words to numbers.

Every function advances the generator `g`, which the caller owns, and writes n elements to `out`, which it never reads
before writing. Nothing here locks: one thread at a time per generator.

PyTorch's kernels are compiled with contraction, so `x * scale + shift` is one fused multiply-add there. It is spelled
out here as `fma`, because the last bit depends on it.
"""
from libc.math cimport ceil, cos, fma, fmaf, log, log1p, sin, sqrt, sqrtf
from libc.string cimport memcpy

cdef enum:
    WORDS = 624
    MIDDLE = 397

cdef extern from *:
    """
    #define TWO_PI 6.283185307179586
    #define SQRT_HALF 0.707106781186547524f
    #define ULP24 0x1p-24f   /* a float32 uniform is a multiple of it */
    #define ULP53 0x1p-53    /* a float64 uniform is a multiple of it */
    """
    const double TWO_PI, ULP53
    const float SQRT_HALF, ULP24


# ---- words ----

cdef void seed(Mersenne *g, uint32_t value) noexcept nogil:
    cdef int i
    g.key[0] = value
    for i in range(1, WORDS):
        g.key[i] = <uint32_t> 1812433253 * (g.key[i - 1] ^ (g.key[i - 1] >> 30)) + <uint32_t> i
    g.position = WORDS
    g.has_normal = False


cdef inline uint32_t twist(uint32_t upper, uint32_t lower) noexcept nogil:
    cdef uint32_t mixed = (upper & <uint32_t> 0x80000000) | (lower & <uint32_t> 0x7fffffff)
    return (mixed >> 1) ^ (-(lower & 1) & <uint32_t> 0x9908b0df)


cdef void temper(Mersenne *g) noexcept nogil:
    """Fill g.word from g.key. Whole blocks at once, so that the compiler can use its widest registers."""
    cdef int i
    cdef uint32_t y
    for i in range(WORDS):
        y = g.key[i]
        y ^= y >> 11
        y ^= (y << 7) & <uint32_t> 0x9d2c5680
        y ^= (y << 15) & <uint32_t> 0xefc60000
        g.word[i] = y ^ (y >> 18)


cdef void next_block(Mersenne *g) noexcept nogil:
    cdef int i
    for i in range(WORDS - MIDDLE):
        g.key[i] = g.key[i + MIDDLE] ^ twist(g.key[i], g.key[i + 1])
    for i in range(WORDS - MIDDLE, WORDS - 1):
        g.key[i] = g.key[i + MIDDLE - WORDS] ^ twist(g.key[i], g.key[i + 1])
    g.key[WORDS - 1] = g.key[MIDDLE - 1] ^ twist(g.key[WORDS - 1], g.key[0])
    temper(g)
    g.position = 0


cdef inline uint32_t draw32(Mersenne *g) noexcept nogil:
    if g.position == WORDS:
        next_block(g)
    g.position += 1
    return g.word[g.position - 1]


cdef inline uint64_t draw64(Mersenne *g) noexcept nogil:
    cdef uint64_t high = draw32(g)     # the first word drawn is the high half
    return (high << 32) | draw32(g)


# ---- real numbers ----

cdef inline real multiply_add(real x, real scale, real shift) noexcept nogil:
    if real is float:
        return fmaf(x, scale, shift)
    else:
        return fma(x, scale, shift)


cdef inline double unit64(Mersenne *g) noexcept nogil:
    """One float64 in [0, 1)."""
    return <double> (draw64(g) & ((<uint64_t> 1 << 53) - 1)) * ULP53


cdef inline real unit(Mersenne *g, real like) noexcept nogil:
    """One number in [0, 1) of the type of `like`: a word for a float32, two for a float64."""
    if real is float:
        return <float> (draw32(g) & 0xffffff) * ULP24
    else:
        return unit64(g)


cdef void uniform(Mersenne *g, real low, real high, real *out, Py_ssize_t n) noexcept nogil:
    """out[i] = u * (high - low) + low, with `high` itself, which rounding can reach, replaced by `low`."""
    cdef real x, scale = high - low
    cdef Py_ssize_t i
    for i in range(n):
        x = multiply_add(unit(g, low), scale, low)
        out[i] = low if x == high else x


cdef inline float log_float(float x) noexcept nogil:
    """ln x for x in [2^-24, 1] as Cephes computes it (Moshier 1992, logf): x = 2^e (1 + t), then a polynomial in t.

    PyTorch takes this logarithm, and the sine below, for float32 normals: these polynomials decide their last bits.
    """
    cdef uint32_t bits
    cdef float e, t, y
    memcpy(&bits, &x, 4)
    e = <float> (<int> (bits >> 23) - 126)
    bits = (bits & 0x007fffff) | 0x3f000000
    memcpy(&t, &bits, 4)                    # the mantissa in [1/2, 1)
    e = e - 1 if t < SQRT_HALF else e
    t = t + t - 1 if t < SQRT_HALF else t - 1
    y = fmaf(<float> 7.0376836292E-2, t, <float> -1.1514610310E-1)
    y = fmaf(y, t, <float> 1.1676998740E-1)
    y = fmaf(y, t, <float> -1.2420140846E-1)
    y = fmaf(y, t, <float> 1.4249322787E-1)
    y = fmaf(y, t, <float> -1.6668057665E-1)
    y = fmaf(y, t, <float> 2.0000714765E-1)
    y = fmaf(y, t, <float> -2.4999993993E-1)
    y = fmaf(y, t, <float> 3.3333331174E-1)
    y = fmaf(y * t, t * t, e * <float> -2.12194440E-4)        # ln 2 = 0.693359375 - 2.12194440e-4
    return fmaf(e, <float> 0.693359375, t + fmaf(t * t, <float> -0.5, y))


cdef inline void sincos_float(float x, float *sine, float *cosine) noexcept nogil:
    """sin x and cos x for x in [0, 2 pi] as Cephes computes them (Moshier 1992, sinf): x = j pi/4 + t, j even."""
    cdef int j = (<int> (x * <float> 1.27323954473516) + 1) & ~1
    cdef float t, z, p, q
    t = fmaf(<float> j, <float> -0.78515625, x)               # pi/4 in three parts: t keeps its last bits
    t = fmaf(<float> j, <float> -2.4187564849853515625E-4, t)
    t = fmaf(<float> j, <float> -3.77489497744594108E-8, t)
    z = t * t
    p = fmaf(<float> 2.443315711809948E-5, z, <float> -1.388731625493765E-3)
    p = fmaf(p, z, <float> 4.166664568298827E-2) * z
    p = fmaf(p, z, z * <float> -0.5) + 1                      # cos t
    q = fmaf(<float> -1.9515295891E-4, z, <float> 8.3321608736E-3)
    q = fmaf(q, z, <float> -1.6666654611E-1) * z
    q = fmaf(q, t, t)                                         # sin t
    sine[0] = (p if j & 2 else q) * (-1 if j & 4 else 1)
    cosine[0] = (q if j & 2 else p) * (-1 if (j + 2) & 4 else 1)


cdef inline void box_muller(real mean, real std, real *x) noexcept nogil:
    """Turn 16 uniforms into 16 normals in place: number j pairs with number j + 8 (Box and Muller 1958)."""
    cdef real radius, theta, c, s
    cdef int j
    for j in range(8):
        theta = <real> TWO_PI * x[j + 8]
        if real is float:
            radius = sqrtf(-2 * log_float(1 - x[j]))
            sincos_float(theta, &s, &c)
        else:
            radius = sqrt(-2 * log(1 - x[j]))
            c = cos(theta)
            s = sin(theta)
        x[j] = multiply_add(radius * c, std, mean)
        x[j + 8] = multiply_add(radius * s, std, mean)


cdef inline double one_normal(Mersenne *g) noexcept nogil:
    """One standard normal in float64; its twin waits in the generator for the next call."""
    cdef double u, radius, theta
    if g.has_normal:
        g.has_normal = False
        return g.next_normal
    u = unit64(g)
    radius = sqrt(-2.0 * log1p(-unit64(g)))
    theta = TWO_PI * u
    g.next_normal = radius * sin(theta)
    g.has_normal = True
    return radius * cos(theta)


cdef void normal(Mersenne *g, double mean, double std, bint blocks, real *out, Py_ssize_t n) noexcept nogil:
    """Below 16 numbers, or not in blocks: one by one in float64. From 16 on in blocks of 16, a last partial block drawn
    anew over the last 16 places. The blocks neither read nor clear the waiting twin."""
    cdef Py_ssize_t i
    if n < 16 or not blocks:
        for i in range(n):
            out[i] = <real> fma(one_normal(g), std, mean)
        return
    uniform(g, <real> 0, <real> 1, out, n)
    for i in range(0, n - 15, 16):
        box_muller(<real> mean, <real> std, out + i)
    if n % 16:
        uniform(g, <real> 0, <real> 1, out + n - 16, 16)
        box_muller(<real> mean, <real> std, out + n - 16)


cdef void exponential(Mersenne *g, double rate, real *out, Py_ssize_t n) noexcept nogil:
    """out[i] = -ln(1 - u) / rate, in float64 and then rounded."""
    cdef Py_ssize_t i
    cdef double scale = -1.0 / rate
    for i in range(n):
        out[i] = <real> (scale * log1p(-unit64(g)))


cdef void bernoulli(Mersenne *g, double p, real *out, Py_ssize_t n) noexcept nogil:
    """out[i] = 1 with probability p, else 0: u < p in float64 for both types, decided by the 53 bits of u."""
    cdef int64_t bound = <int64_t> ceil(p / ULP53), bits = (<int64_t> 1 << 53) - 1
    cdef Py_ssize_t i = 0, j, whole
    cdef const uint32_t *word
    while i < n:
        word = g.word + g.position
        whole = min((WORDS - g.position) // 2, n - i)       # pairs of words left in the block
        for j in range(whole):
            out[i + j] = ((<int64_t> word[2 * j] << 32 | word[2 * j + 1]) & bits) < bound
        g.position += 2 * <int> whole
        i += whole
        if i < n:
            out[i] = unit64(g) < p
            i += 1


# ---- integers ----

cdef void integers(Mersenne *g, int64_t low, uint64_t span, int64_t *out, Py_ssize_t n) noexcept nogil:
    """out[i] in [low, low + span), span > 0. From a span of 2^28 on a single word would favour small numbers."""
    cdef Py_ssize_t i
    if span < 1 << 28:
        for i in range(n):
            out[i] = <int64_t> (draw32(g) % <uint32_t> span + <uint64_t> low)
    else:
        for i in range(n):
            out[i] = <int64_t> (draw64(g) % span + <uint64_t> low)


cdef void naturals(Mersenne *g, int64_t *out, Py_ssize_t n) noexcept nogil:
    """out[i] in [0, 2^63)."""
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = <int64_t> (draw64(g) & ((<uint64_t> 1 << 63) - 1))


cdef void permutation(Mersenne *g, int64_t *out, int64_t n) noexcept nogil:
    """0 .. n-1 in random order, by the shuffle of Fisher and Yates.

    From 2^32 / 20 numbers on a single word would favour small ones; PyTorch takes the inside-out form there.
    """
    cdef int64_t i, j
    for i in range(n):
        out[i] = i
    if n < 214748364:
        for i in range(n - 1):
            j = i + draw32(g) % (n - i)
            out[i], out[j] = out[j], out[i]
    else:
        for i in range(n):
            j = <int64_t> (draw64(g) % <uint64_t> (i + 1))
            out[i], out[j] = out[j], out[i]
