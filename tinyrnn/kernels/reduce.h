/* Loops that go along one dimension: sums and other folds, running sums, softmax. Written once for float and double.
 *
 * An array is seen as (outer, n, inner): the dimension to go along has n entries, `inner` elements apart, and there are
 * outer * inner such rows. What folds into one number a row has shape (outer, inner). Everything is C-contiguous,
 * results never overlap their operands, and every table holds the float and the double version, as in pointwise.h.
 *
 * Same bits: a result depends on its own row alone. Entry i of a row is always added to lane i % LANES of its block,
 * lanes and blocks are always joined in the same tree, whether the row lies in one piece (inner == 1: the lanes are one
 * vector) or is a column (inner > 1: neighbouring columns are one vector). The tree also keeps rounding errors small:
 * a sum of n entries passes through BLOCK / LANES + log2 n additions, not n.
 *
 * Work is shared out in tiles: a tile is one row where inner == 1, else up to TILE neighbouring columns. Folds and
 * softmax do the tiles first <= t < last of the outer * tiles(inner) there are, so that threads can share them.
 */
#ifndef TINYRNN_REDUCE_H
#define TINYRNN_REDUCE_H
#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "fastmath.h"

enum { LANES = 16, BLOCK = 512, TILE = 128 };               /* TILE: columns that are folded together */

typedef void (*fold_loop)(const void *x, const void *c, void *y, ptrdiff_t n, ptrdiff_t inner, ptrdiff_t first,
                          ptrdiff_t last);
typedef void (*row_loop)(const void *x, void *y, ptrdiff_t n, ptrdiff_t inner, ptrdiff_t first, ptrdiff_t last);
typedef void (*scan_loop)(const void *x, void *y, ptrdiff_t outer, ptrdiff_t n, ptrdiff_t inner, int backward);
typedef void (*recur_loop)(const void *u, const void *a, void *y, ptrdiff_t outer, ptrdiff_t n, ptrdiff_t inner,
                           int backward);
typedef void (*find_loop)(const void *x, const void *y, int64_t *index, ptrdiff_t outer, ptrdiff_t n, ptrdiff_t inner);
typedef void (*index_loop)(const void *x, const int64_t *index, void *y, ptrdiff_t outer, ptrdiff_t n, ptrdiff_t inner,
                          ptrdiff_t k);
typedef void (*join_loop)(const void *a, const void *b, void *y, ptrdiff_t n);
typedef void (*scale_loop)(void *y, double divisor, ptrdiff_t n);

typedef struct { fold_loop f32, f64; join_loop join_f32, join_f64; } fold_loops;
typedef struct { row_loop f32, f64; } row_loops;
typedef struct { scan_loop f32, f64; } scan_loops;
typedef struct { recur_loop f32, f64; } recur_loops;
typedef struct { find_loop f32, f64; } find_loops;
typedef struct { index_loop f32, f64; } index_loops;
typedef struct { scale_loop f32, f64; } scale_loops;

/* The loop over lanes must stay one for GCC to see a vector in it: unrolled, a maximum took six times as long. */
#if defined(__GNUC__) && !defined(__clang__)
#define ROLLED _Pragma("GCC unroll 1")
#else
#define ROLLED
#endif

/* Asks for the memory of a row some rows ahead: rows of a tile lie too far apart for the processor to guess. */
#ifdef __GNUC__
#define FETCH(p) __builtin_prefetch(p)
#else
#define FETCH(p) ((void)(p))
#endif

/* Makes the float and the double version of a loop, and their table. */
#define BOTH(KIND, SHAPE, NAME, ...)                                                                                \
    SHAPE(float, NAME##_float, __VA_ARGS__) SHAPE(double, NAME##_double, __VA_ARGS__)                               \
    static const KIND NAME##_loops = {NAME##_float, NAME##_double};

#define LEAST(a, b) ((a) < (b) ? (a) : (b))

/* How many tiles `inner` columns make, and where tile t of (outer, n, inner) is: the rows o, from column j on. */
static inline ptrdiff_t tiles(ptrdiff_t inner) { return (inner + TILE - 1) / TILE; }
typedef struct { ptrdiff_t o, j; int width; } tile;
static inline tile tile_at(ptrdiff_t t, ptrdiff_t inner) {
    const ptrdiff_t o = t / tiles(inner), j = t % tiles(inner) * TILE;
    return (tile){o, j, (int)LEAST(TILE, inner - j)};
}

/* Where a row of n > BLOCK entries is cut in two; the halves are cut again. */
static inline ptrdiff_t half_of(ptrdiff_t n) { return (n + BLOCK - 1) / BLOCK / 2 * BLOCK; }

/* ---- folds: y = VALUE(x_0, c) JOIN VALUE(x_1, c) JOIN ... ------------------------------------------------------
 *
 * x     (outer, n, inner)
 * c     (outer, inner): a number each row's VALUE may use, such as its mean; NULL stands for zeros
 * y     (outer, inner)
 * INIT  leaves every value as it is when joined with it, and is the result where n == 0
 * VALUE an expression of x and c; JOIN an expression of a and b
 */
#define FOLD_OF(T, NAME, INIT, VALUE, JOIN)                                                                         \
    /* at most BLOCK entries of one row that lies in one piece */                                                   \
    static inline T NAME##_piece(const T *restrict px, const T c, ptrdiff_t n) {                                    \
        T lane[LANES];                                                                                              \
        ptrdiff_t i = 0;                                                                                            \
        for (int l = 0; l < LANES; l++) lane[l] = INIT;                                                             \
        for (; i + LANES <= n; i += LANES)                                                                          \
            ROLLED for (int l = 0; l < LANES; l++) {                                                                \
                const T x = px[i + l], a = lane[l], b = (VALUE);                                                    \
                lane[l] = (JOIN);                                                                                   \
            }                                                                                                       \
        for (int l = 0; i < n; i++, l++) { const T x = px[i], a = lane[l], b = (VALUE); lane[l] = (JOIN); }         \
        for (int w = LANES / 2; w; w /= 2)                                                                          \
            for (int l = 0; l < w; l++) { const T a = lane[l], b = lane[l + w]; lane[l] = (JOIN); }                 \
        return lane[0];                                                                                             \
    }                                                                                                               \
    static T NAME##_row(const T *px, const T c, ptrdiff_t n) {                                                      \
        if (n <= BLOCK) return NAME##_piece(px, c, n);                                                              \
        const ptrdiff_t half = half_of(n);                                                                          \
        const T a = NAME##_row(px, c, half), b = NAME##_row(px + half, c, n - half);                                \
        return (JOIN);                                                                                              \
    }                                                                                                               \
    /* the same for `width` columns side by side */                                                                 \
    static void NAME##_pieces(const T *restrict px, const T *restrict pc, T *restrict y, ptrdiff_t n,               \
                              ptrdiff_t inner, int width) {                                                         \
        T lane[LANES][TILE];                                                                                        \
        const int used = n >= LANES ? LANES : n ? (int)n : 1;                                                       \
        for (int l = 0; l < used; l++)                                                                              \
            for (int j = 0; j < width; j++) lane[l][j] = INIT;                                                      \
        for (ptrdiff_t i = 0; i < n; i++) {                                                                         \
            T *to = lane[i % LANES];                                                                                \
            const ptrdiff_t ahead = LEAST(i + 4, n - 1) * inner;                                                    \
            for (int j = 0; j < width; j += 64 / (int)sizeof(T)) FETCH(px + ahead + j);                             \
            for (int j = 0; j < width; j++) {                                                                       \
                const T x = px[i * inner + j], c = pc[j], a = to[j], b = (VALUE);                                   \
                (void)c;                                                                                            \
                to[j] = (JOIN);                                                                                     \
            }                                                                                                       \
        }                                                                                                           \
        for (int w = LANES / 2; w; w /= 2)                                                                          \
            for (int l = 0; l < w && l + w < used; l++)                                                             \
                for (int j = 0; j < width; j++) { const T a = lane[l][j], b = lane[l + w][j]; lane[l][j] = (JOIN); }\
        for (int j = 0; j < width; j++) y[j] = lane[0][j];                                                          \
    }                                                                                                               \
    static void NAME##_columns(const T *px, const T *pc, T *y, ptrdiff_t n, ptrdiff_t inner, int width) {           \
        if (n <= BLOCK) { NAME##_pieces(px, pc, y, n, inner, width); return; }                                      \
        const ptrdiff_t half = half_of(n);                                                                          \
        T second[TILE];                                                                                             \
        NAME##_columns(px, pc, y, half, inner, width);                                                              \
        NAME##_columns(px + half * inner, pc, second, n - half, inner, width);                                      \
        for (int j = 0; j < width; j++) { const T a = y[j], b = second[j]; y[j] = (JOIN); }                         \
    }                                                                                                               \
    static void NAME##_tile(const T *px, const T *pc, T *y, ptrdiff_t n, ptrdiff_t inner, int width) {              \
        if (inner == 1) *y = NAME##_row(px, *pc, n);                                                                \
        else NAME##_columns(px, pc, y, n, inner, width);                                                            \
    }                                                                                                               \
    static void NAME(const void *vx, const void *vc, void *vy, ptrdiff_t n, ptrdiff_t inner, ptrdiff_t first,       \
                     ptrdiff_t last) {                                                                              \
        static const T zeros[TILE];                                                                                 \
        for (ptrdiff_t t = first; t < last; t++) {                                                                  \
            const tile at = tile_at(t, inner);                                                                      \
            const ptrdiff_t to = at.o * inner + at.j;                                                               \
            const T *c = vc ? (const T *)vc + to : zeros;                                                           \
            NAME##_tile((const T *)vx + at.o * n * inner + at.j, c, (T *)vy + to, n, inner, at.width);              \
        }                                                                                                           \
    }

#define JOIN_OF(T, NAME, JOIN)                                                                                      \
    static void NAME(const void *va, const void *vb, void *vy, ptrdiff_t n) {                                       \
        for (ptrdiff_t i = 0; i < n; i++) {                                                                         \
            const T a = ((const T *)va)[i], b = ((const T *)vb)[i];                                                 \
            ((T *)vy)[i] = (JOIN);                                                                                  \
        }                                                                                                           \
    }

#define FOLD(NAME, INIT, VALUE, JOIN)                                                                               \
    FOLD_OF(float, NAME##_float, INIT, VALUE, JOIN) FOLD_OF(double, NAME##_double, INIT, VALUE, JOIN)               \
    JOIN_OF(float, NAME##_join_float, JOIN) JOIN_OF(double, NAME##_join_double, JOIN)                               \
    static const fold_loops NAME##_loops = {NAME##_float, NAME##_double, NAME##_join_float, NAME##_join_double};

/* A NaN wins, as in NumPy and PyTorch. */
#define LARGER ((b > a) | (b != b) ? b : a)
#define SMALLER ((b < a) | (b != b) ? b : a)

FOLD(sum, 0, x, a + b)
FOLD(prod, 1, x, a * b)
FOLD(largest, -INFINITY, x, LARGER)
FOLD(smallest, INFINITY, x, SMALLER)
FOLD(squares, 0, (x - c) * (x - c), a + b)
FOLD(exponentials, 0, REAL(fast_exp, x)(x - c), a + b)
FOLD(magnitudes, 0, REAL(fabs, x)(x), a + b)
FOLD(powers, 0, REAL(pow, x)(REAL(fabs, x)(x), c), a + b)
FOLD(largest_magnitude, 0, REAL(fabs, x)(x), LARGER)
FOLD(smallest_magnitude, INFINITY, REAL(fabs, x)(x), SMALLER)

/* y /= divisor */
#define QUOTIENT_OF(T, NAME, ...)                                                                                   \
    static void NAME(void *vy, double divisor, ptrdiff_t n) {                                                       \
        T *restrict y = vy;                                                                                         \
        for (ptrdiff_t i = 0; i < n; i++) y[i] /= (T)divisor;                                                       \
    }
BOTH(scale_loops, QUOTIENT_OF, quotient, )

/* ---- where: the first entry of each row that is y, or is NaN where y is NaN --------------------------------------
 *
 * x (outer, n, inner), y (outer, inner) -> index (outer, inner). y occurs in its row.
 */
enum { WINDOW = 64 };
#define FIND_OF(T, NAME, ...)                                                                                       \
    static void NAME(const void *vx, const void *vy, int64_t *index, ptrdiff_t outer, ptrdiff_t n, ptrdiff_t inner) {\
        const T *x = vx, *y = vy;                                                                                   \
        for (ptrdiff_t o = 0; o < outer; o++, x += n * inner, y += inner, index += inner) {                         \
            if (inner == 1) {                                                                                       \
                ptrdiff_t i = 0;                                                                                    \
                for (; i + WINDOW <= n; i += WINDOW) {      /* is it in the next window? */                         \
                    int among = 0;                                                                                  \
                    for (int l = 0; l < WINDOW; l++) among |= (x[i + l] == *y) | (x[i + l] != x[i + l]);            \
                    if (among) break;                                                                               \
                }                                                                                                   \
                while (i < n - 1 && x[i] == x[i] && x[i] != *y) i++;                                                \
                *index = i;                                                                                         \
            } else                                                                                                  \
                for (ptrdiff_t i = n - 1; i >= 0; i--)                                                              \
                    for (ptrdiff_t j = 0; j < inner; j++) {                                                         \
                        const T e = x[i * inner + j];                                                               \
                        index[j] = (e == y[j]) | (e != e) ? i : index[j];                                           \
                    }                                                                                               \
        }                                                                                                           \
    }
BOTH(find_loops, FIND_OF, first, )

/* ---- pick: y[o, i, j] = x[o, index[o, i, j], j];   place: y[o, index[o, i, j], j] += x[o, i, j] ------------------
 *
 * index (outer, k, inner), every entry checked to be in [0, n); place adds to what is there.
 */
#define PICK_OF(T, NAME, ...)                                                                                       \
    static void NAME(const void *vx, const int64_t *index, void *vy, ptrdiff_t outer, ptrdiff_t n, ptrdiff_t inner, \
                     ptrdiff_t k) {                                                                                 \
        const T *x = vx;                                                                                            \
        T *y = vy;                                                                                                  \
        for (ptrdiff_t o = 0; o < outer; o++, x += n * inner)                                                       \
            for (ptrdiff_t i = 0; i < k; i++, y += inner, index += inner)                                           \
                for (ptrdiff_t j = 0; j < inner; j++) y[j] = x[index[j] * inner + j];                               \
    }
#define PLACE_OF(T, NAME, ...)                                                                                      \
    static void NAME(const void *vx, const int64_t *index, void *vy, ptrdiff_t outer, ptrdiff_t n, ptrdiff_t inner, \
                     ptrdiff_t k) {                                                                                 \
        const T *x = vx;                                                                                            \
        T *y = vy;                                                                                                  \
        for (ptrdiff_t o = 0; o < outer; o++, y += n * inner)                                                       \
            for (ptrdiff_t i = 0; i < k; i++, x += inner, index += inner)                                           \
                for (ptrdiff_t j = 0; j < inner; j++) y[index[j] * inner + j] += x[j];                              \
    }
BOTH(index_loops, PICK_OF, pick, )
BOTH(index_loops, PLACE_OF, place, )

/* ---- running sums and products --------------------------------------------------------------------------------
 *
 * x, y (outer, n, inner): y_i = x_0 JOIN ... JOIN x_i, or x_i JOIN ... JOIN x_{n-1} when backward. Kept in double.
 */
#define SCAN_OF(T, NAME, INIT, JOIN)                                                                                \
    /* `width` running sums side by side: entry i of the j-th is at i * step + j * apart */                         \
    static inline void NAME##_side_by_side(const T *restrict x, T *restrict y, ptrdiff_t n, ptrdiff_t step,         \
                                           ptrdiff_t apart, int width) {                                            \
        double so_far[TILE];                                                                                        \
        for (int j = 0; j < width; j++) so_far[j] = INIT;                                                           \
        for (ptrdiff_t i = 0; i < n; i++)                                                                           \
            for (int j = 0; j < width; j++) {                                                                       \
                const double a = so_far[j], b = x[i * step + j * apart];                                            \
                so_far[j] = (JOIN);                                                                                 \
                y[i * step + j * apart] = (T)so_far[j];                                                             \
            }                                                                                                       \
    }                                                                                                               \
    static void NAME(const void *vx, void *vy, ptrdiff_t outer, ptrdiff_t n, ptrdiff_t inner, int backward) {       \
        const ptrdiff_t step = backward ? -inner : inner, begin = backward ? (n - 1) * inner : 0;                   \
        const T *x = (const T *)vx + begin;                                                                         \
        T *y = (T *)vy + begin;                                                                                     \
        ptrdiff_t o = 0;                                                                                            \
        for (; inner == 1 && o + 8 <= outer; o += 8)    /* 8 rows at once: each sum waits for its last addition */  \
            NAME##_side_by_side(x + o * n, y + o * n, n, step, n, 8);                                               \
        for (; o < outer; o++)                                                                                      \
            for (ptrdiff_t at = 0; at < inner; at += TILE)                                                          \
                NAME##_side_by_side(x + o * n * inner + at, y + o * n * inner + at, n, step, 1,                     \
                                    (int)LEAST(TILE, inner - at));                                                  \
    }
BOTH(scan_loops, SCAN_OF, cumsum, 0, a + b)
BOTH(scan_loops, SCAN_OF, cumprod, 1, a * b)

/* The recurrence y_i = u_i + a_i y_{i-1}; backward: y_i = u_i + a_{i+1} y_{i+1}. All (outer, n, inner). */
#define RECUR_OF(T, NAME, ...)                                                                                      \
    static void NAME(const void *vu, const void *va, void *vy, ptrdiff_t outer, ptrdiff_t n, ptrdiff_t inner,       \
                     int backward) {                                                                                \
        const ptrdiff_t step = backward ? -inner : inner, factor = backward ? inner : 0;                            \
        for (ptrdiff_t o = 0; o < outer && n; o++) {                                                                \
            ptrdiff_t at = (o * n + (backward ? n - 1 : 0)) * inner;                                                \
            const T *u = (const T *)vu + at, *a = (const T *)va + at;                                               \
            T *y = (T *)vy + at;                                                                                    \
            for (ptrdiff_t j = 0; j < inner; j++) y[j] = u[j];                                                      \
            for (ptrdiff_t i = 1; i < n; i++) {                                                                     \
                u += step, a += step, y += step;                                                                    \
                for (ptrdiff_t j = 0; j < inner; j++) y[j] = u[j] + a[j + factor] * y[j - step];                    \
            }                                                                                                       \
        }                                                                                                           \
    }
BOTH(recur_loops, RECUR_OF, recurrence, )

/* ---- softmax --------------------------------------------------------------------------------------------------
 *
 * A row whose largest entry is infinite comes out as NaN: inf - inf. In logsumexp it does not.
 *
 * softmax      y_i = e^(x_i - m) / sum_j e^(x_j - m),  m = max_j x_j        x, y (outer, n, inner)
 * log_softmax  y_i = x_i - m - log sum_j e^(x_j - m)
 * logsumexp    y = m + log sum_j e^(x_j - m)                                y (outer, inner)
 */
#define SOFTMAX_OF(T, NAME, ...)                                                                                    \
    static void NAME(const void *vx, void *vy, ptrdiff_t n, ptrdiff_t inner, ptrdiff_t first, ptrdiff_t last) {     \
        static const T zeros[TILE];                                                                                 \
        for (ptrdiff_t t = first; t < last; t++) {                                                                  \
            const tile at = tile_at(t, inner);                                                                      \
            const T *restrict x = (const T *)vx + at.o * n * inner + at.j;                                          \
            T *restrict y = (T *)vy + at.o * n * inner + at.j;                                                      \
            T m[TILE], s[TILE];                                                                                     \
            largest_##T##_tile(x, zeros, m, n, inner, at.width);                                                    \
            if (inner == 1)                                                                                         \
                for (ptrdiff_t i = 0; i < n; i++) y[i] = REAL(fast_decay, *m)(x[i] - *m);                           \
            else                                                                                                    \
                for (ptrdiff_t i = 0; i < n; i++)                                                                   \
                    for (int j = 0; j < at.width; j++)                                                              \
                        y[i * inner + j] = REAL(fast_decay, *m)(x[i * inner + j] - m[j]);                           \
            sum_##T##_tile(y, zeros, s, n, inner, at.width);                                                        \
            for (int j = 0; j < at.width; j++) s[j] = 1 / s[j];                                                     \
            if (inner == 1)                                                                                         \
                for (ptrdiff_t i = 0; i < n; i++) y[i] *= *s;                                                       \
            else                                                                                                    \
                for (ptrdiff_t i = 0; i < n; i++)                                                                   \
                    for (int j = 0; j < at.width; j++) y[i * inner + j] *= s[j];                                    \
        }                                                                                                           \
    }
BOTH(row_loops, SOFTMAX_OF, softmax, )

#define LOG_SOFTMAX_OF(T, NAME, ...)                                                                                \
    static void NAME(const void *vx, void *vy, ptrdiff_t n, ptrdiff_t inner, ptrdiff_t first, ptrdiff_t last) {     \
        static const T zeros[TILE];                                                                                 \
        for (ptrdiff_t t = first; t < last; t++) {                                                                  \
            const tile at = tile_at(t, inner);                                                                      \
            const T *restrict x = (const T *)vx + at.o * n * inner + at.j;                                          \
            T *restrict y = (T *)vy + at.o * n * inner + at.j;                                                      \
            T m[TILE], s[TILE];                                                                                     \
            largest_##T##_tile(x, zeros, m, n, inner, at.width);                                                    \
            exponentials_##T##_tile(x, m, s, n, inner, at.width);                                                   \
            for (int j = 0; j < at.width; j++) s[j] = REAL(fast_log, *s)(s[j]);                                     \
            if (inner == 1)                                                                                         \
                for (ptrdiff_t i = 0; i < n; i++) y[i] = x[i] - *m - *s;                                            \
            else                                                                                                    \
                for (ptrdiff_t i = 0; i < n; i++)                                                                   \
                    for (int j = 0; j < at.width; j++) y[i * inner + j] = x[i * inner + j] - m[j] - s[j];           \
        }                                                                                                           \
    }
BOTH(row_loops, LOG_SOFTMAX_OF, log_softmax, )

#define LOGSUMEXP_OF(T, NAME, ...)                                                                                  \
    static void NAME(const void *vx, void *vy, ptrdiff_t n, ptrdiff_t inner, ptrdiff_t first, ptrdiff_t last) {     \
        static const T zeros[TILE];                                                                                 \
        for (ptrdiff_t t = first; t < last; t++) {                                                                  \
            const tile at = tile_at(t, inner);                                                                      \
            const T *x = (const T *)vx + at.o * n * inner + at.j;                                                   \
            T *y = (T *)vy + at.o * inner + at.j;                                                                   \
            T m[TILE], s[TILE];                                                                                     \
            largest_##T##_tile(x, zeros, m, n, inner, at.width);                                                    \
            for (int j = 0; j < at.width; j++) m[j] = m[j] - m[j] == 0 || m[j] != m[j] ? m[j] : 0;    /* not inf */ \
            exponentials_##T##_tile(x, m, s, n, inner, at.width);                                                   \
            for (int j = 0; j < at.width; j++) y[j] = REAL(fast_log, *s)(s[j]) + m[j];                              \
        }                                                                                                           \
    }
BOTH(row_loops, LOGSUMEXP_OF, logsumexp, )

#endif
