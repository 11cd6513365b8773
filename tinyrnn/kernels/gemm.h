/* Matrix products C = A B, or C += A B, out of tiles: A (M x K), B (K x N), C (M x N).
 *
 * Element (i, k) of A is a[i * a_row + k * a_col], and so on. C overlaps neither A nor B. The bits of an element depend
 * on its row of A and its column of B alone (see tile.h): K is cut into blocks, but a chain goes on where it stopped.
 *
 *   pack_panels   B into panels, once;  packed: pack_space(N, K) elements, aligned to 64 bytes
 *   multiply      A by the packed B, any rows of A, as often as wanted, from several threads at once
 *   multiply_once  A by a B that is used but once: read where it lies, or packed bit by bit for every GEMM_ROWS rows
 */
#ifndef TINYRNN_GEMM_H
#define TINYRNN_GEMM_H
#include <stdint.h>

#include "denormals.h"
#include "tile.h"

/* A block of A and a panel as deep stay in the first two caches while they are multiplied. Blocks are deeper where B is
 * packed and A is read in place, as every block in K reads and writes C (a layer of 512 units: 3 to 6 %). */
#define GEMM_DEPTH_BYTES 1024
#define GEMM_DEPTH ((ptrdiff_t)(GEMM_DEPTH_BYTES / sizeof(real)))
#define GEMM_DEEP (4 * GEMM_DEPTH)
#define GEMM_ROWS 96

/* Rows of a copied tile, unused ones included; columns between the one that is copied and the one that is fetched. */
#define GEMM_COPIED ((TILE_ROWS + 3) / 4 * 4)
#define GEMM_LATER 6

/* So many tiles read a B that lies well without packing it (32 x 256 x 768: 162 to 180 GF/s), and if its vectors are cut
 * by lines of the cache (32 x 128 x 384: 148 to 166 GF/s). */
#define GEMM_FEW (2 * TILE_VECTORS)
#define GEMM_FEW_CUT 4

/* Elements of a B that will not stay in the second cache; and bytes that do while the blocks of A pass by, one after the
 * other (896 x 256 x 8000: 169 to 183 GF/s). */
#define GEMM_LARGE (1 << 18)
#define GEMM_NEAR (1 << 19)

#if defined(__clang__)
#define GEMM_SHUFFLE(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#elif defined(__GNUC__)
#define GEMM_SHUFFLE(a, b, i, j, k, l) __builtin_shuffle(a, b, (OF(gemm_index)){i, j, k, l})
typedef int gemm_index_f32 __attribute__((vector_size(16)));
typedef long long gemm_index_f64 __attribute__((vector_size(32)));
#endif

/* What there is for one type, which the door (gemm.pyx) takes as its first argument. */
typedef struct {
    ptrdiff_t size, panel;                              /* bytes of an element, elements of a panel */
    ptrdiff_t (*space)(ptrdiff_t N, ptrdiff_t K);
    void (*pack)(ptrdiff_t first, ptrdiff_t last, ptrdiff_t N, ptrdiff_t K, const void *b, ptrdiff_t b_row,
                 ptrdiff_t b_col, void *packed);
    void (*multiply)(ptrdiff_t M, ptrdiff_t N, ptrdiff_t K, const void *a, ptrdiff_t a_row, ptrdiff_t a_col,
                     const void *packed, void *c, ptrdiff_t c_row, ptrdiff_t c_col, int add);
    void (*multiply_once)(ptrdiff_t M, ptrdiff_t N, ptrdiff_t K, const void *a, ptrdiff_t a_row, ptrdiff_t a_col,
                          const void *b, ptrdiff_t b_row, ptrdiff_t b_col, void *c, ptrdiff_t c_row, ptrdiff_t c_col,
                          int add);
} products;

#define KERNEL "gemm.h"
#include "real.h"

#elif defined(real)

/* The last panel is narrower if so few columns are left. */
static ptrdiff_t OF(panel_row)(ptrdiff_t left) { return left > OF(NARROW) ? OF(PANEL) : OF(NARROW); }

static ptrdiff_t OF(pack_space)(ptrdiff_t N, ptrdiff_t K)
{
    return (N + OF(NARROW) - 1) / OF(NARROW) * OF(NARROW) * K;
}

/* out[k * step + j] = in[j * in_row + k] for n rows and K columns: a transpose, four by four. */
static void OF(transpose)(ptrdiff_t n, ptrdiff_t K, const real *in, ptrdiff_t in_row, real *out, ptrdiff_t step)
{
    ptrdiff_t j = 0;
#ifdef GEMM_SHUFFLE
    typedef real Q __attribute__((vector_size(4 * sizeof(real))));
    for (; j + 4 <= n; j += 4) {
        const real *row = in + j * in_row;
        ptrdiff_t k = 0;
        for (; k + 4 <= K; k += 4) {
            Q r0, r1, r2, r3;
            memcpy(&r0, row + k, sizeof(Q));
            memcpy(&r1, row + k + in_row, sizeof(Q));
            memcpy(&r2, row + k + 2 * in_row, sizeof(Q));
            memcpy(&r3, row + k + 3 * in_row, sizeof(Q));
            const Q low01 = GEMM_SHUFFLE(r0, r1, 0, 4, 1, 5), high01 = GEMM_SHUFFLE(r0, r1, 2, 6, 3, 7);
            const Q low23 = GEMM_SHUFFLE(r2, r3, 0, 4, 1, 5), high23 = GEMM_SHUFFLE(r2, r3, 2, 6, 3, 7);
            const Q columns[4] = {GEMM_SHUFFLE(low01, low23, 0, 1, 4, 5), GEMM_SHUFFLE(low01, low23, 2, 3, 6, 7),
                                  GEMM_SHUFFLE(high01, high23, 0, 1, 4, 5), GEMM_SHUFFLE(high01, high23, 2, 3, 6, 7)};
            for (int i = 0; i < 4; i++) memcpy(out + (k + i) * step + j, &columns[i], sizeof(Q));
        }
        for (; k < K; k++)
            for (int i = 0; i < 4; i++) out[k * step + j + i] = row[k + i * in_row];
    }
#endif
    for (; j < n; j++)
        for (ptrdiff_t k = 0; k < K; k++) out[k * step + j] = in[j * in_row + k];
}

/* out[k * width + j] = in[k * k_step + j] for a constant width, in pieces that the compiler does not make calls of. */
TILE_INLINE void OF(copy_rows)(const size_t width, ptrdiff_t K, const real *in, ptrdiff_t k_step, real *out)
{
    const size_t bytes = width * sizeof(real);
    const size_t piece = bytes % TILE_BYTES == 0 ? TILE_BYTES : bytes % 32 == 0 ? 32 : bytes % 16 == 0 ? 16 : 8;
    for (ptrdiff_t k = 0; k < K; k++)
        for (size_t at = 0; at < bytes; at += piece)
            memcpy((char *)(out + k * width) + at, (const char *)(in + k * k_step) + at, piece);
}

/* n vectors of K elements, j_step apart, as K rows of n elements side by side, `width` apart; the rest of them zero. */
static void OF(interleave)(ptrdiff_t n, ptrdiff_t K, const real *in, ptrdiff_t j_step, ptrdiff_t k_step, real *out,
                           ptrdiff_t width)
{
    if (k_step == 1)                    /* a line of the cache is read at once, not when its turn comes again */
        for (ptrdiff_t k = 0; k < K; k += TILE_LINE)
            OF(transpose)(n, K - k < TILE_LINE ? K - k : TILE_LINE, in + k, j_step, out + k * width, width);
    else if (j_step == 1 && n == width && width == OF(PANEL))
        OF(copy_rows)(OF(PANEL), K, in, k_step, out);
    else if (j_step == 1)
        for (ptrdiff_t k = 0; k < K; k++)
            for (ptrdiff_t j = 0; j < n; j++) out[k * width + j] = in[j + k * k_step];
    else
        for (ptrdiff_t k = 0; k < K; k++)
            for (ptrdiff_t j = 0; j < n; j++) out[k * width + j] = in[j * j_step + k * k_step];
    for (ptrdiff_t k = 0; n < width && k < K; k++)
        for (ptrdiff_t j = n; j < width; j++) out[k * width + j] = 0;
}

/* The panels from `first` up to `last` of B. */
static void OF(pack_panels)(ptrdiff_t first, ptrdiff_t last, ptrdiff_t N, ptrdiff_t K, const void *vb, ptrdiff_t b_row,
                            ptrdiff_t b_col, void *vpacked)
{
    const real *b = vb;
    real *packed = vpacked;
    const ptrdiff_t stop = b_col == 1 ? 16 : K;         /* rows of B are read as they lie, a few at a time */
    for (ptrdiff_t k = 0; k < K; k += stop)
        for (ptrdiff_t p = first; p < last; p++) {
            const ptrdiff_t j = p * OF(PANEL), row = OF(panel_row)(N - j), n = N - j < row ? N - j : row;
            OF(interleave)(n, K - k < stop ? K - k : stop, b + j * b_col + k * b_row, b_col, b_row,
                           packed + j * K + k * row, row);
        }
}

/* A block of A, K deep, in tiles of `height` rows; the first `higher` tiles have one more. Where it was copied
 * (copy_block) the tiles are `tile` elements apart, else 0. */
typedef struct {
    const real *a;
    ptrdiff_t K, a_row, a_col, tiles, height, higher, tile;
} OF(block);

/* How many vectors wide a tile is where so many columns are left. */
static int OF(vectors_of)(const OF(block) *block, ptrdiff_t left)
{
    int vectors = TILE_WIDEST(block->height + (block->higher > 0));
    while (vectors > 2 && vectors / 2 * OF(NARROW) >= left + OF(NARROW)) vectors /= 2;
    return vectors;
}

/* The block times so many vectors of B, of whose columns the first n are there. keep: where the first tile copies a
 * panel to, and the others find it, or NULL. ahead: the panel after these, or NULL. If it is packed, all tiles fetch it
 * bit by bit, in the order in which it lies (32 x 512 x 2048: 140 to 170 GF/s, and 180 if B were near; all of it during
 * the last tiles gains nothing: the loads of this panel wait for those of the next); else the last ones. */
static void OF(multiply_panels)(const OF(block) *block, int vectors, ptrdiff_t n, const real *b, ptrdiff_t panel,
                                ptrdiff_t b_row, real *keep, real *c, ptrdiff_t c_row, ptrdiff_t c_col, int add,
                                const real *ahead, ptrdiff_t ahead_row)
{
    real edge[TILE_ROWS * 8 * TILE_BYTES / sizeof(real)] TILE_ALIGNED;
    const ptrdiff_t width = vectors / 2 * OF(NARROW), tiles = block->tiles, K = block->K;
    const int whole = n == width && c_col == 1, spread = ahead_row == OF(PANEL);
    const ptrdiff_t share = spread ? (ahead_row + tiles - 1) / tiles : ahead_row;
    for (ptrdiff_t t = 0, i0 = 0; t < tiles; i0 += block->height + (t < block->higher), t++) {
        const int height = (int)block->height + (t < block->higher);
        const ptrdiff_t last = tiles - 1 - t;               /* tiles after this one */
        const real *a = block->a + (block->tile ? t * block->tile : i0 * block->a_row);
        real *to = c + i0 * c_row, *out = whole ? to : edge;
        const ptrdiff_t out_row = whole ? c_row : width;
        const real *next = !whole ? edge : t + 1 < tiles ? to + height * c_row : c + width;
        for (int i = 0; add && !whole && i < height; i++)
            for (ptrdiff_t l = 0; l < n; l++) edge[i * width + l] = to[i * c_row + l * c_col];
        if (keep && t == 0) {
            OF(tile_keeping)(height, K, a, block->a_row, block->a_col, b, b_row, out, out_row, add, next, keep);
            b = keep;
            b_row = OF(PANEL);
        } else
            OF(tile)(height, vectors, K, a, block->a_row, block->a_col, b, panel, b_row, out, out_row, add, next,
                     !ahead ? NULL : spread ? ahead + t * K * share
                     : last * TILE_LINE < OF(PANEL) ? ahead + last * TILE_LINE : NULL, share);
        if (whole)
            continue;
        if (c_row == 1 && c_col != 1)
            OF(transpose)(height, n, edge, width, to, c_col);
        else if (c_col == 1)
            for (int i = 0; i < height; i++)
                for (ptrdiff_t l = 0; l < n; l++) to[i * c_row + l] = edge[i * width + l];
        else
            for (int i = 0; i < height; i++)
                for (ptrdiff_t l = 0; l < n; l++) to[i * c_row + l * c_col] = edge[i * width + l];
    }
}

/* A copy of the block, tile after tile, each as K rows of GEMM_COPIED elements. Where the elements of a column lie side
 * by side it goes column by column, since each is as much as there is of a line of the cache, and fetches those to come,
 * which the processor does not foresee (3 to 10 % of a gradient of weights); and tiles do not begin a power of two apart. */
static void OF(copy_block)(OF(block) *block, real *copy)
{
    const ptrdiff_t K = block->K, tiles = block->tiles, a_row = block->a_row, a_col = block->a_col;
    const real *a = block->a;
    ptrdiff_t first[GEMM_ROWS + 1];
    for (ptrdiff_t t = 0; t <= tiles; t++) first[t] = t * block->height + (t < block->higher ? t : block->higher);
    block->a = copy, block->a_row = 1, block->a_col = GEMM_COPIED, block->tile = GEMM_COPIED * K + 16;
    if (a_row != 1)
        for (ptrdiff_t t = 0; t < tiles; t++)
            OF(interleave)(first[t + 1] - first[t], K, a + first[t] * a_row, a_row, a_col, copy + t * block->tile,
                           GEMM_COPIED);
    else
        for (ptrdiff_t k = 0; k < K; k++) {
            const real *column = a + k * a_col, *later = k + GEMM_LATER < K ? column + GEMM_LATER * a_col : column;
            for (ptrdiff_t i = 0; i < first[tiles]; i += TILE_LINE) TILE_FETCH(later + i);
            for (ptrdiff_t t = 0; t < tiles; t++) {     /* a lower tile's copy ends with rows of the next, unused */
                real *to = copy + t * block->tile + k * GEMM_COPIED;
                if (first[t] + GEMM_COPIED <= first[tiles]) OF(copy_rows)(GEMM_COPIED, 1, column + first[t], 0, to);
                else memcpy(to, column + first[t], (first[t + 1] - first[t]) * sizeof(real));
            }
        }
}

/* The block times a packed B (depth x N), of which it takes the rows from k on. far: B comes from far away. */
static void OF(times_packed)(const OF(block) *block, ptrdiff_t N, const real *packed, ptrdiff_t depth, ptrdiff_t k,
                             int far, real *c, ptrdiff_t c_row, ptrdiff_t c_col, int add)
{
    for (ptrdiff_t j = 0, width; j < N; j += width) {
        const int vectors = OF(vectors_of)(block, N - j);
        const ptrdiff_t row = OF(panel_row)(N - j), panel = depth * OF(PANEL);
        const real *b = packed + j * depth + k * row;
        width = vectors / 2 * OF(NARROW);
        OF(multiply_panels)(block, vectors, N - j < width ? N - j : width, b, panel, row, NULL, c + j * c_col, c_row,
                            c_col, add, far ? b + panel : NULL, OF(PANEL));
    }
}

/* The block times a B as it lies; what must be packed is packed when its turn comes, and is read from the cache. Where
 * rows of B lie in one piece, a few tiles read it there, and of more the first one packs; but what comes from far
 * away is packed beforehand, as copying waits for more loads at once (24 x 1024 x 3072: 82 to 106 GF/s). */
static void OF(times_rows)(const OF(block) *block, ptrdiff_t N, const real *b, ptrdiff_t b_row, ptrdiff_t b_col,
                           real *c, ptrdiff_t c_row, ptrdiff_t c_col, int add)
{
    real here[GEMM_DEPTH_BYTES * TILE_VECTORS * TILE_BYTES / sizeof(real) / sizeof(real)] TILE_ALIGNED;
    const int large = block->K * N > GEMM_LARGE, far = block->K * N > 2 * GEMM_LARGE;
    const int cut = ((uintptr_t)b | b_row * sizeof(real)) % TILE_BYTES != 0;
    const int few = block->tiles <= (far ? 2 : cut ? GEMM_FEW_CUT : GEMM_FEW);
    for (ptrdiff_t j = 0, width; j < N; j += width) {
        int vectors = OF(vectors_of)(block, N - j);
        if (vectors * block->K > TILE_VECTORS * GEMM_DEPTH) vectors = TILE_VECTORS;
        width = vectors / 2 * OF(NARROW);
        const ptrdiff_t n = N - j < width ? N - j : width, row = width < OF(PANEL) ? width : OF(PANEL);
        const int lies = b_col == 1 && n == width && (few || (vectors == TILE_VECTORS && !far));
        for (ptrdiff_t p = 0; p < n && !lies; p += row)
            OF(interleave)(n - p < row ? n - p : row, block->K, b + (j + p) * b_col, b_col, b_row, here + p * block->K,
                           row);
        OF(multiply_panels)(block, vectors, n, lies ? b + j : here, lies ? OF(PANEL) : block->K * OF(PANEL),
                            lies ? b_row : row, lies && !few ? here : NULL, c + j * c_col, c_row, c_col, add,
                            large && b_col == 1 && n == OF(PANEL) ? b + j + n : NULL, b_row);
    }
}

/* C (+)= A B, block by block. A block of A that would be read with long steps is copied first. */
static void OF(all_blocks)(ptrdiff_t M, ptrdiff_t N, ptrdiff_t K, const real *a, ptrdiff_t a_row, ptrdiff_t a_col,
                           int packed, const real *b, ptrdiff_t b_row, ptrdiff_t b_col, real *c, ptrdiff_t c_row,
                           ptrdiff_t c_col, int add)
{
    const float_mode before = flush_denormals();
    real copy[GEMM_ROWS / TILE_ROWS * GEMM_COPIED * (GEMM_DEPTH_BYTES / sizeof(real) + 16)] TILE_ALIGNED;
    const int copies = N > 2 * OF(NARROW) && M > 1 && a_col != 1 && K > 16;
    const ptrdiff_t most = packed ? (copies ? GEMM_DEPTH : GEMM_DEEP) : GEMM_DEPTH * TILE_VECTORS / TILE_WIDEST(M);
    if (K == 0 && !add)
        for (ptrdiff_t i = 0; i < M; i++)
            for (ptrdiff_t j = 0; j < N; j++) c[i * c_row + j * c_col] = 0;
    for (ptrdiff_t k = 0; k < K; k += most) {
        const ptrdiff_t depth = K - k < most ? K - k : most, passes = packed && M > GEMM_ROWS && N * depth > GEMM_LARGE;
        const ptrdiff_t columns = passes ? GEMM_NEAR / (ptrdiff_t)sizeof(real) / depth / OF(PANEL) * OF(PANEL) : N;
        for (ptrdiff_t n = 0; n < N; n += columns)
            for (ptrdiff_t m = 0; m < M; m += GEMM_ROWS) {
                const ptrdiff_t width = N - n < columns ? N - n : columns, rows = M - m < GEMM_ROWS ? M - m : GEMM_ROWS;
                const ptrdiff_t tiles = (rows + TILE_ROWS - 1) / TILE_ROWS;
                const int far = N * K > GEMM_LARGE && m == 0;       /* afterwards it is in the second cache */
                OF(block) block = {a + m * a_row + k * a_col, depth, a_row, a_col, tiles, rows / tiles, rows % tiles, 0};
                real *to = c + m * c_row + n * c_col;
                if (copies) OF(copy_block)(&block, copy);
                if (packed) OF(times_packed)(&block, width, b + n * K, K, k, far, to, c_row, c_col, add || k);
                else OF(times_rows)(&block, N, b + k * b_row, b_row, b_col, to, c_row, c_col, add || k);
            }
    }
    keep_denormals(before);
}

static void OF(multiply)(ptrdiff_t M, ptrdiff_t N, ptrdiff_t K, const void *a, ptrdiff_t a_row, ptrdiff_t a_col,
                         const void *packed, void *c, ptrdiff_t c_row, ptrdiff_t c_col, int add)
{
    OF(all_blocks)(M, N, K, a, a_row, a_col, 1, packed, 0, 0, c, c_row, c_col, add);
}

static void OF(multiply_once)(ptrdiff_t M, ptrdiff_t N, ptrdiff_t K, const void *a, ptrdiff_t a_row, ptrdiff_t a_col,
                              const void *b, ptrdiff_t b_row, ptrdiff_t b_col, void *c, ptrdiff_t c_row,
                              ptrdiff_t c_col, int add)
{
    OF(all_blocks)(M, N, K, a, a_row, a_col, 0, b, b_row, b_col, c, c_row, c_col, add);
}

static const products OF(products) = {sizeof(real), OF(PANEL), OF(pack_space), OF(pack_panels), OF(multiply),
                                      OF(multiply_once)};

#endif
