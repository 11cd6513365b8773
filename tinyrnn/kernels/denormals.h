/* Numbers too small for the usual form of a float (below 1.2e-38, or 2.2e-308 in double) make a multiply-add a hundred
 * times slower on many processors. Between flush_denormals and keep_denormals they count as zeros, read and written; the
 * switch belongs to the thread. A state that fades away comes by there, and PyTorch's accuracy is kept: the difference is
 * below the smallest usual number. */
#ifndef TINYRNN_DENORMALS_H
#define TINYRNN_DENORMALS_H
#include <stdint.h>

#if defined(__x86_64__) || defined(_M_X64)
#include <xmmintrin.h>
typedef unsigned float_mode;
static inline float_mode get_float_mode(void) { return _mm_getcsr(); }
static inline void set_float_mode(float_mode mode) { _mm_setcsr(mode); }
#define FLUSHES 0x8040u /* results and operands */
#elif defined(__aarch64__) && defined(__GNUC__)
typedef uint64_t float_mode;
static inline float_mode get_float_mode(void)
{
    float_mode mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    return mode;
}
static inline void set_float_mode(float_mode mode) { __asm__ volatile("msr fpcr, %0" : : "r"(mode) : "memory"); }
#define FLUSHES ((float_mode)1 << 24)
#else
typedef unsigned float_mode;
static inline float_mode get_float_mode(void) { return 0; }
static inline void set_float_mode(float_mode mode) { (void)mode; }
#define FLUSHES 0u
#endif

#if defined(__GNUC__)
#define NO_READ_OR_WRITE_PASSES __asm__ volatile("" : : : "memory") /* here: arithmetic stays between the two switches */
#else
#define NO_READ_OR_WRITE_PASSES
#endif

/* Returns the mode to be given to keep_denormals. */
static inline float_mode flush_denormals(void)
{
    const float_mode before = get_float_mode();
    set_float_mode(before | FLUSHES);
    NO_READ_OR_WRITE_PASSES;
    return before;
}

static inline void keep_denormals(float_mode before)
{
    NO_READ_OR_WRITE_PASSES;
    set_float_mode(before);
}

#endif
