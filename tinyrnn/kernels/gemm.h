/* The matrix product C = A B out of tiles: A (M x K), B (K x N), C (M x N), each with any steps.
 *
 * Element (i, j) of A is a[i * a_row + j * a_col], and so on; C overlaps neither A nor B. The smaller of the two sides is
 * packed, in one pass, and the other is read where it is: as C^T = B^T A^T has the same elements, the roles can be
 * swapped. The bits of an element depend on its row of A and its column of B alone (see tile.h).
 *
 * `packed` is work space: gemm_space(M, N, K) elements, aligned to 64 bytes. A product can be made piece by piece: after
 * gemm_pack, any panels from `first` up to `last` can be multiplied at the same time.
 */
#ifndef TINYRNN_GEMM_H
#define TINYRNN_GEMM_H
#include "tile.h"

/* Rows of A that stay in the second-level cache while all panels pass by, for K = 1024 floats. */
#define GEMM_CHUNK (8 * TILE_ROWS)

#define GEMM(T, S)                                                                                                  \
    typedef struct {                                                                                                \
        ptrdiff_t M, N, K, a_row, a_col, b_row, b_col, c_row, c_col;                                                \
        const T *a, *b;                                                                                             \
        T *c, *packed;                                                                                              \
    } gemm_##S;                                                                                                     \
                                                                                                                    \
    static ptrdiff_t gemm_panels_##S(ptrdiff_t n) { return (n + PANEL(T) - 1) / PANEL(T); }                         \
                                                                                                                    \
    static ptrdiff_t gemm_space_##S(ptrdiff_t M, ptrdiff_t N, ptrdiff_t K) {                                        \
        return gemm_panels_##S(M < N ? M : N) * PANEL(T) * K;                                                       \
    }                                                                                                               \
                                                                                                                    \
    /* The same product with the wider side on the left, where it need not be packed. */                            \
    static gemm_##S gemm_turned_##S(gemm_##S g) {                                                                   \
        if (g.M >= g.N) return g;                                                                                   \
        gemm_##S t = {g.N, g.M, g.K, g.b_col, g.b_row, g.a_col, g.a_row, g.c_col, g.c_row, g.b, g.a, g.c, g.packed};\
        return t;                                                                                                   \
    }                                                                                                               \
                                                                                                                    \
    /* B into panels, the last one filled up with zeros. Squares of 16 keep reads and writes in the cache. */       \
    static void gemm_pack_##S(const gemm_##S *g, ptrdiff_t first, ptrdiff_t last) {                                 \
        for (ptrdiff_t p = first; p < last; p++) {                                                                  \
            const ptrdiff_t n = g->N - p * PANEL(T) < PANEL(T) ? g->N - p * PANEL(T) : PANEL(T);                    \
            const T *b = g->b + p * PANEL(T) * g->b_col;                                                            \
            T *out = g->packed + p * PANEL(T) * g->K;                                                               \
            for (ptrdiff_t k0 = 0; k0 < g->K; k0 += 16) {                                                           \
                const ptrdiff_t k1 = k0 + 16 < g->K ? k0 + 16 : g->K;                                               \
                if (g->b_col == 1)                                                                                  \
                    for (ptrdiff_t k = k0; k < k1; k++)                                                             \
                        for (ptrdiff_t j = 0; j < n; j++) out[k * PANEL(T) + j] = b[k * g->b_row + j];              \
                else                                                                                                \
                    for (ptrdiff_t j = 0; j < n; j++)                                                               \
                        for (ptrdiff_t k = k0; k < k1; k++)                                                         \
                            out[k * PANEL(T) + j] = b[k * g->b_row + j * g->b_col];                                 \
                for (ptrdiff_t k = k0; k < k1; k++)                                                                 \
                    for (ptrdiff_t j = n; j < PANEL(T); j++) out[k * PANEL(T) + j] = 0;                             \
            }                                                                                                       \
        }                                                                                                           \
    }                                                                                                               \
                                                                                                                    \
    /* The rows from `first` up to `last` of C. */                                                                  \
    static void gemm_rows_##S(const gemm_##S *g, ptrdiff_t first, ptrdiff_t last) {                                 \
        T tile[TILE_ROWS * 2 * TILE_BYTES / sizeof(T)] GEMM_ALIGNED;                                                \
        for (ptrdiff_t m0 = first; m0 < last; m0 += GEMM_CHUNK) {                                                   \
            const ptrdiff_t m1 = m0 + GEMM_CHUNK < last ? m0 + GEMM_CHUNK : last;                                   \
            for (ptrdiff_t j = 0; j < g->N; j += PANEL(T)) {                                                        \
                const ptrdiff_t n = g->N - j < PANEL(T) ? g->N - j : PANEL(T);                                      \
                for (ptrdiff_t i = m0; i < m1; i += TILE_ROWS) {                                                    \
                    const int rows = (int)(m1 - i < TILE_ROWS ? m1 - i : TILE_ROWS);                                \
                    T *c = g->c + i * g->c_row + j * g->c_col;                                                      \
                    tile_##S(rows, g->K, g->a + i * g->a_row, g->a_row, g->a_col, g->packed + j * g->K, tile);      \
                    if (g->c_col == 1)                                                                              \
                        for (int r = 0; r < rows; r++)                                                              \
                            for (ptrdiff_t l = 0; l < n; l++) c[r * g->c_row + l] = tile[r * PANEL(T) + l];         \
                    else                                                                                            \
                        for (ptrdiff_t l = 0; l < n; l++)                                                           \
                            for (int r = 0; r < rows; r++) c[r * g->c_row + l * g->c_col] = tile[r * PANEL(T) + l]; \
                }                                                                                                   \
            }                                                                                                       \
        }                                                                                                           \
    }

#if defined(__GNUC__)
#define GEMM_ALIGNED __attribute__((aligned(64)))
#else
#define GEMM_ALIGNED
#endif

GEMM(float, f32)
GEMM(double, f64)

#endif
