/* One tile of a matrix product, kept in registers.
 *
 *   C (rows x width) = A (rows x K) B (K x width),   or C += A B
 *
 * Every element of C is one chain of fused multiply-adds, c = fma(a[k], b[k], c), with k going up, from c = 0 or from
 * what C holds. So neither how a product is cut into tiles nor how many rows it has changes a bit of it. (Without a
 * fused instruction, which only x86-64 processors from before 2013 lack, it is a chain of products and sums.)
 *
 * a    read in place, with any steps: element (i, k) is a[i * a_row + k * a_col]
 * b    panels of K rows of PANEL elements side by side; the panels are `panel` elements apart, their rows b_row
 * c    rows c_row elements apart, of so many vectors side by side; any alignment
 * next where the tile after this one will be in C: fetched into the cache meanwhile (15 % at 938 x 256 x 5977)
 * ahead  a share of the panel after these, or NULL: K elements, ahead_row apart, whose lines are fetched into the second
 *      cache, one for each k (gemm.h)
 * keep where a tile_keeping copies its panel to, PANEL elements a row: there is time to store (8 to 13 %, if B is new)
 */
#ifndef TINYRNN_TILE_H
#define TINYRNN_TILE_H
#include <stddef.h>
#include <string.h>

/* A tile of TILE_ROWS rows is a panel wide, TILE_VECTORS vectors: 6 x 4 of 32 vector registers, 6 x 2 of 16, 4 x 2 of
 * whatever there is. With fewer rows it is up to TILE_WIDEST(rows) vectors wide, or the chains would wait for
 * themselves; the last columns of a product may be only 2. With 32 registers 12 x 2 would hold as many chains, but takes
 * 14 loads for each k, not 10, and a load costs multiply-adds (5 to 9 %). */
#if defined(__AVX512F__)
#include <immintrin.h>
#define TILE_ROWS 6
#define TILE_BYTES 64
#define TILE_VECTORS 4
#define TILE_WIDEST(rows) ((rows) <= 1 ? 8 : 4)
typedef __m512 tile_vec_f32;
typedef __m512d tile_vec_f64;
#define TILE_FMA_f32(x, b, c) _mm512_fmadd_ps(_mm512_set1_ps(x), b, c)
#define TILE_FMA_f64(x, b, c) _mm512_fmadd_pd(_mm512_set1_pd(x), b, c)
#elif defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>
#define TILE_ROWS 6
#define TILE_BYTES 32
#define TILE_VECTORS 2
#define TILE_WIDEST(rows) ((rows) <= 1 ? 8 : (rows) <= 3 ? 4 : 2)
typedef __m256 tile_vec_f32;
typedef __m256d tile_vec_f64;
#define TILE_FMA_f32(x, b, c) _mm256_fmadd_ps(_mm256_set1_ps(x), b, c)
#define TILE_FMA_f64(x, b, c) _mm256_fmadd_pd(_mm256_set1_pd(x), b, c)
#elif defined(__aarch64__) && defined(__GNUC__)
#include <arm_neon.h>
#define TILE_ROWS 6
#define TILE_BYTES 16
#define TILE_VECTORS 4
#define TILE_WIDEST(rows) ((rows) <= 1 ? 8 : 4)
typedef float32x4_t tile_vec_f32;
typedef float64x2_t tile_vec_f64;
#define TILE_FMA_f32(x, b, c) vfmaq_n_f32(c, b, x)
#define TILE_FMA_f64(x, b, c) vfmaq_n_f64(c, b, x)
#elif defined(__GNUC__)
#define TILE_ROWS 4
#define TILE_BYTES 16
#define TILE_VECTORS 2
#define TILE_WIDEST(rows) ((rows) <= 1 ? 8 : (rows) <= 2 ? 4 : 2)
typedef float tile_vec_f32 __attribute__((vector_size(16)));
typedef double tile_vec_f64 __attribute__((vector_size(16)));
#define TILE_FMA_f32(x, b, c) ((c) + (x) * (b))
#define TILE_FMA_f64(x, b, c) ((c) + (x) * (b))
#else                                   /* plain C: a double or two floats are a vector */
#define TILE_ROWS 4
#define TILE_BYTES 8
#define TILE_VECTORS 2
#define TILE_WIDEST(rows) 2
typedef double tile_vec_f64;
typedef struct { float lane[2]; } tile_vec_f32;
static tile_vec_f32 tile_fma_f32(float x, tile_vec_f32 b, tile_vec_f32 c) {
    c.lane[0] += x * b.lane[0];
    c.lane[1] += x * b.lane[1];
    return c;
}
#define TILE_FMA_f32(x, b, c) tile_fma_f32(x, b, c)
#define TILE_FMA_f64(x, b, c) ((c) + (x) * (b))
#endif

#if defined(__GNUC__)
#define TILE_INLINE static inline __attribute__((always_inline))
#define TILE_ALIGNED __attribute__((aligned(64)))
#define TILE_PREFETCH(p) __builtin_prefetch(p, 1)
#define TILE_FETCH(p) __builtin_prefetch(p, 0, 2)
#else
#define TILE_INLINE static __forceinline
#define TILE_ALIGNED __declspec(align(64))
#define TILE_PREFETCH(p) (void)(p)
#define TILE_FETCH(p) (void)(p)
#endif

/* Four k at a time: the core has less to decode, which it shares with whoever runs beside it (3 to 8 %). And loops over
 * the tile that are gone before GCC looks for arrays to keep in registers: else the sums take a way round through memory
 * before and after the k (2 to 7 % of a layer of up to 256 units). */
#if defined(__clang__)
#define TILE_UNROLL _Pragma("clang loop unroll_count(4)")
#define TILE_GONE _Pragma("clang loop unroll(full)")
#elif defined(__GNUC__)
#define TILE_UNROLL _Pragma("GCC unroll 4")
#define TILE_GONE _Pragma("GCC unroll 8")
#else
#define TILE_UNROLL
#define TILE_GONE
#endif
#define TILE_EACH(i, n) TILE_GONE for (int i = 0; i < (n); i++)

/* The heights up to half of TILE_ROWS, and those above. */
#if TILE_ROWS == 6
#define TILE_LOW_CASES TILE_CASE(1) TILE_CASE(2) TILE_CASE(3)
#define TILE_HIGH_CASES TILE_CASE(4) TILE_CASE(5) TILE_CASE(6)
#else
#define TILE_LOW_CASES TILE_CASE(1) TILE_CASE(2)
#define TILE_HIGH_CASES TILE_CASE(3) TILE_CASE(4)
#endif

/* A vector anywhere in memory. */
#if defined(__GNUC__)
typedef tile_vec_f32 tile_place_f32 __attribute__((aligned(4), may_alias));
typedef tile_vec_f64 tile_place_f64 __attribute__((aligned(8), may_alias));
#else
typedef tile_vec_f32 tile_place_f32;
typedef tile_vec_f64 tile_place_f64;
#endif

/* How many elements a line of the cache has. */
#define TILE_LINE ((ptrdiff_t)(64 / sizeof(real)))

/* Columns of a panel, and of the narrowest tile. */
#define PANEL_f32 ((ptrdiff_t)(TILE_VECTORS * TILE_BYTES / sizeof(float)))
#define PANEL_f64 ((ptrdiff_t)(TILE_VECTORS * TILE_BYTES / sizeof(double)))
#define NARROW_f32 ((ptrdiff_t)(2 * TILE_BYTES / sizeof(float)))
#define NARROW_f64 ((ptrdiff_t)(2 * TILE_BYTES / sizeof(double)))

#define KERNEL "tile.h"
#include "real.h"

#elif defined(real)

/* What one k adds to the tile. */
#define TILE_STEP                                                                                                   \
    do {                                                                                                            \
        V bk[8];                                                                                                    \
        TILE_EACH(j, vectors)                                                                                       \
            bk[j] = ((const P *)(b + j / TILE_VECTORS * panel + k * b_row))[j % TILE_VECTORS];                      \
        TILE_EACH(i, rows) {                                                                                        \
            const real x = a[i * a_row + k * a_col];                                                                \
            TILE_EACH(j, vectors) sum[i][j] = OF(TILE_FMA)(x, bk[j], sum[i][j]);                                    \
        }                                                                                                           \
    } while (0)

/* rows, vectors and keeping are constants where this is called, so `sum` is registers and the loops over it are gone. */
TILE_INLINE void OF(tile_of)(const int rows, const int vectors, ptrdiff_t K, const real *a, ptrdiff_t a_row,
                             ptrdiff_t a_col, const real *b, ptrdiff_t panel, ptrdiff_t b_row, real *c,
                             ptrdiff_t c_row, int add, const real *next, const real *ahead, ptrdiff_t ahead_row,
                             const int keeping, real *keep)
{
    typedef OF(tile_vec) V;
    typedef OF(tile_place) P;
    const ptrdiff_t width = vectors * TILE_BYTES / sizeof(real);
    V sum[TILE_ROWS][8];                                                        /* [rows][vectors] */
    TILE_EACH(i, rows)
        TILE_EACH(j, vectors) {
            if (add) sum[i][j] = ((const P *)(c + i * c_row))[j];
            else memset(&sum[i][j], 0, sizeof(V));
        }
    TILE_EACH(i, rows)                      /* the last line first: panels have been where a row begins within a line */
        for (ptrdiff_t j = width - 1; j >= 0; j -= TILE_LINE) TILE_PREFETCH(next + i * c_row + j);
    if (keeping) {
        TILE_UNROLL
        for (ptrdiff_t k = 0; k < K; k++) {
            TILE_STEP;
            TILE_EACH(j, TILE_VECTORS) ((P *)(keep + k * OF(PANEL)))[j] = ((const P *)(b + k * b_row))[j];
        }
    } else if (vectors == TILE_VECTORS && rows > TILE_ROWS / 2 && ahead) {
        TILE_UNROLL
        for (ptrdiff_t k = 0; k < K; k++) {
            TILE_FETCH(ahead + k * ahead_row);
            TILE_STEP;
        }
    } else {
        TILE_UNROLL
        for (ptrdiff_t k = 0; k < K; k++) TILE_STEP;
    }
    TILE_EACH(i, rows)
        TILE_EACH(j, vectors) ((P *)(c + i * c_row))[j] = sum[i][j];
}

#define TILE_OF(R, V)                                                                                               \
    OF(tile_of)(R, V, K, a, a_row, a_col, b, panel, b_row, c, c_row, add, next, ahead, ahead_row, 0, NULL)
#define TILE_CASE(R)                                                                                                \
    case R:                                                                                                         \
        if (TILE_WIDEST(R) >= 8 && vectors == 8) TILE_OF(R, TILE_WIDEST(R) >= 8 ? 8 : 2);                           \
        else if (TILE_WIDEST(R) >= 4 && vectors == 4) TILE_OF(R, TILE_WIDEST(R) >= 4 ? 4 : 2);                      \
        else TILE_OF(R, 2);                                                                                         \
        return;

/* vectors: 2, or any power of two up to TILE_WIDEST(rows). */
static void OF(tile)(int rows, int vectors, ptrdiff_t K, const real *a, ptrdiff_t a_row, ptrdiff_t a_col,
                     const real *b, ptrdiff_t panel, ptrdiff_t b_row, real *c, ptrdiff_t c_row, int add,
                     const real *next, const real *ahead, ptrdiff_t ahead_row)
{
    switch (rows) { TILE_LOW_CASES TILE_HIGH_CASES }
}

#undef TILE_OF
#undef TILE_CASE
#define TILE_CASE(R)                                                                                                \
    case R:                                                                                                         \
        OF(tile_of)(R, TILE_VECTORS, K, a, a_row, a_col, b, 0, b_row, c, c_row, add, next, NULL, 0, 1, keep);       \
        return;

/* One panel wide, more than half as high as can be. */
static void OF(tile_keeping)(int rows, ptrdiff_t K, const real *a, ptrdiff_t a_row, ptrdiff_t a_col, const real *b,
                             ptrdiff_t b_row, real *c, ptrdiff_t c_row, int add, const real *next, real *keep)
{
    switch (rows) { TILE_HIGH_CASES }
}

#undef TILE_STEP
#undef TILE_CASE

#endif
