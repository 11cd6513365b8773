/* One tile of a matrix product, kept in registers.
 *
 *   C (rows x PANEL) = A (rows x K) B (K x PANEL)
 *
 * Every element of C is one chain of fused multiply-adds, c = fma(a[k], b[k], c), from c = 0 with k going up. So neither
 * how a product is cut into tiles nor how many rows it has changes a bit of it. (Without a fused instruction, which only
 * x86-64 processors from before 2013 lack, it is a chain of multiplications and additions.)
 *
 * B comes packed: K rows of PANEL elements side by side, aligned to the width of a vector.
 * A is read in place, with any steps: element (i, k) is a[i * row + k * col].
 */
#ifndef TINYRNN_TILE_H
#define TINYRNN_TILE_H
#include <stddef.h>

/* A tile takes most of the vector registers: 12 x 2 of 32, 6 x 2 of 16, or 4 x 2 of whatever there is. */
#if defined(__AVX512F__)
#include <immintrin.h>
#define TILE_ROWS 12
#define TILE_BYTES 64
typedef __m512 tile_vec_f32;
typedef __m512d tile_vec_f64;
#define TILE_FMA_f32(x, b, c) _mm512_fmadd_ps(_mm512_set1_ps(x), b, c)
#define TILE_FMA_f64(x, b, c) _mm512_fmadd_pd(_mm512_set1_pd(x), b, c)
#elif defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>
#define TILE_ROWS 6
#define TILE_BYTES 32
typedef __m256 tile_vec_f32;
typedef __m256d tile_vec_f64;
#define TILE_FMA_f32(x, b, c) _mm256_fmadd_ps(_mm256_set1_ps(x), b, c)
#define TILE_FMA_f64(x, b, c) _mm256_fmadd_pd(_mm256_set1_pd(x), b, c)
#elif defined(__aarch64__) && defined(__GNUC__)
#include <arm_neon.h>
#define TILE_ROWS 8
#define TILE_BYTES 16
typedef float32x4_t tile_vec_f32;
typedef float64x2_t tile_vec_f64;
#define TILE_FMA_f32(x, b, c) vfmaq_n_f32(c, b, x)
#define TILE_FMA_f64(x, b, c) vfmaq_n_f64(c, b, x)
#elif defined(__GNUC__)
#define TILE_ROWS 4
#define TILE_BYTES 16
typedef float tile_vec_f32 __attribute__((vector_size(16)));
typedef double tile_vec_f64 __attribute__((vector_size(16)));
#define TILE_FMA_f32(x, b, c) ((c) + (x) * (b))
#define TILE_FMA_f64(x, b, c) ((c) + (x) * (b))
#else                                   /* plain C: one element is a vector */
#define TILE_ROWS 4
#define TILE_BYTES 8
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
#else
#define TILE_INLINE static __forceinline
#endif

/* Elements in a panel: two vectors. */
#define PANEL(T) ((ptrdiff_t)(2 * TILE_BYTES / sizeof(T)))

/* `rows` is a constant where this is called, so that `sum` is registers and the loops over it are gone. */
#define TILE(T, SUFFIX)                                                                                             \
    TILE_INLINE void tile_rows_##SUFFIX(const int rows, ptrdiff_t K, const T *a, ptrdiff_t row, ptrdiff_t col,      \
                                        const T *b, T *out) {                                                       \
        typedef tile_vec_##SUFFIX V;                                                                                \
        V sum[TILE_ROWS][2] = {0};                                                                                  \
        for (ptrdiff_t k = 0; k < K; k++) {                                                                         \
            const V b0 = ((const V *)b)[2 * k], b1 = ((const V *)b)[2 * k + 1];                                     \
            for (int i = 0; i < rows; i++) {                                                                        \
                const T x = a[i * row + k * col];                                                                   \
                sum[i][0] = TILE_FMA_##SUFFIX(x, b0, sum[i][0]);                                                    \
                sum[i][1] = TILE_FMA_##SUFFIX(x, b1, sum[i][1]);                                                    \
            }                                                                                                       \
        }                                                                                                           \
        for (int i = 0; i < rows; i++) {                                                                            \
            ((V *)out)[2 * i] = sum[i][0];                                                                          \
            ((V *)out)[2 * i + 1] = sum[i][1];                                                                      \
        }                                                                                                           \
    }                                                                                                               \
    static void tile_##SUFFIX(int rows, ptrdiff_t K, const T *a, ptrdiff_t row, ptrdiff_t col, const T *b, T *out) {\
        switch (rows) {                                                                                             \
        case 1: tile_rows_##SUFFIX(1, K, a, row, col, b, out); return;                                              \
        case 2: tile_rows_##SUFFIX(2, K, a, row, col, b, out); return;                                              \
        case 3: tile_rows_##SUFFIX(3, K, a, row, col, b, out); return;                                              \
        case 4: tile_rows_##SUFFIX(4, K, a, row, col, b, out); return;                                              \
        TILE_MORE_CASES(SUFFIX)                                                                                     \
        }                                                                                                           \
    }

#define TILE_CASE(N, SUFFIX) case N: tile_rows_##SUFFIX(N, K, a, row, col, b, out); return;
#if TILE_ROWS == 12
#define TILE_MORE_CASES(S) TILE_CASE(5, S) TILE_CASE(6, S) TILE_CASE(7, S) TILE_CASE(8, S) TILE_CASE(9, S)          \
    TILE_CASE(10, S) TILE_CASE(11, S) TILE_CASE(12, S)
#elif TILE_ROWS == 8
#define TILE_MORE_CASES(S) TILE_CASE(5, S) TILE_CASE(6, S) TILE_CASE(7, S) TILE_CASE(8, S)
#elif TILE_ROWS == 6
#define TILE_MORE_CASES(S) TILE_CASE(5, S) TILE_CASE(6, S)
#else
#define TILE_MORE_CASES(S)
#endif

TILE(float, f32)
TILE(double, f64)

#endif
