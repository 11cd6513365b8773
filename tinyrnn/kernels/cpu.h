/* Which instruction sets this processor and its operating system can run.
 *
 * The table lists what a compiler uses unasked beyond plain x86-64. A name is the compiler's own macro for the set,
 * without its underscores: setup.py reads the names from here and asks the compiler which of them it was allowed. */
#ifndef TINYRNN_CPU_H
#define TINYRNN_CPU_H

#include <stddef.h>

/* "level set set;level set": what setup.py compiled for. */
#ifndef TINYRNN_LEVELS
#define TINYRNN_LEVELS "default"
#endif

#if defined(__x86_64__) && defined(__GNUC__)
#include <cpuid.h>

enum { EAX, EBX, ECX, EDX };

/* Bits of the register XCR0: the wide registers the operating system saves on a task switch. */
#define ANY 0x00u
#define YMM 0x06u
#ifdef __APPLE__
#define ZMM YMM /* macOS turns the other bits on at the first use of a wide register */
#else
#define ZMM 0xe6u
#endif

typedef struct {
    const char *name;
    unsigned leaf, subleaf; /* the question to the cpuid instruction */
    int reg, bit;           /* where the answer is */
    unsigned state;         /* the XCR0 bits it needs */
} cpu_feature;

static const cpu_feature cpu_features[] = {
    {"SSE3", 1, 0, ECX, 0, ANY},
    {"SSSE3", 1, 0, ECX, 9, ANY},
    {"SSE4_1", 1, 0, ECX, 19, ANY},
    {"SSE4_2", 1, 0, ECX, 20, ANY},
    {"MOVBE", 1, 0, ECX, 22, ANY},
    {"POPCNT", 1, 0, ECX, 23, ANY},
    {"LZCNT", 0x80000001u, 0, ECX, 5, ANY},
    {"BMI", 7, 0, EBX, 3, ANY},
    {"BMI2", 7, 0, EBX, 8, ANY},
    {"GFNI", 7, 0, ECX, 8, ANY},
    {"TBM", 0x80000001u, 0, ECX, 21, ANY},
    {"XOP", 0x80000001u, 0, ECX, 11, YMM},
    {"FMA4", 0x80000001u, 0, ECX, 16, YMM},
    {"AVX", 1, 0, ECX, 28, YMM},
    {"F16C", 1, 0, ECX, 29, YMM},
    {"FMA", 1, 0, ECX, 12, YMM},
    {"AVX2", 7, 0, EBX, 5, YMM},
    {"AVXVNNI", 7, 1, EAX, 4, YMM},
    {"AVXVNNIINT8", 7, 1, EDX, 4, YMM},
    {"AVXVNNIINT16", 7, 1, EDX, 10, YMM},
    {"AVX512F", 7, 0, EBX, 16, ZMM},
    {"AVX512DQ", 7, 0, EBX, 17, ZMM},
    {"AVX512IFMA", 7, 0, EBX, 21, ZMM},
    {"AVX512CD", 7, 0, EBX, 28, ZMM},
    {"AVX512BW", 7, 0, EBX, 30, ZMM},
    {"AVX512VL", 7, 0, EBX, 31, ZMM},
    {"AVX512VBMI", 7, 0, ECX, 1, ZMM},
    {"AVX512VBMI2", 7, 0, ECX, 6, ZMM},
    {"AVX512VNNI", 7, 0, ECX, 11, ZMM},
    {"AVX512BITALG", 7, 0, ECX, 12, ZMM},
    {"AVX512VPOPCNTDQ", 7, 0, ECX, 14, ZMM},
    {"AVX512FP16", 7, 0, EDX, 23, ZMM},
    {"AVX512BF16", 7, 1, EAX, 5, ZMM},
    {"APX_F", 7, 1, EDX, 21, 1u << 19},
};

#define CPU_FEATURES ((int)(sizeof cpu_features / sizeof cpu_features[0]))

static unsigned cpu_saved_state(void) {
    unsigned answer[4], low, high;
    if (!__get_cpuid(1, &answer[EAX], &answer[EBX], &answer[ECX], &answer[EDX]) || !(answer[ECX] >> 27 & 1))
        return 0; /* the instruction that reads XCR0 is not enabled */
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static const char *cpu_feature_name(int i) { return cpu_features[i].name; }

/* The answer is kept for the features that follow: on a virtual machine the instruction takes 7 microseconds. */
static int cpu_feature_present(int i) {
    static const cpu_feature *asked;
    static unsigned answer[4], state;
    const cpu_feature *f = &cpu_features[i];
    if (!asked) state = cpu_saved_state();
    if (!asked || asked->leaf != f->leaf || asked->subleaf != f->subleaf)
        if (!__get_cpuid_count(f->leaf, f->subleaf, &answer[EAX], &answer[EBX], &answer[ECX], &answer[EDX]))
            answer[EAX] = answer[EBX] = answer[ECX] = answer[EDX] = 0;
    asked = f;
    return (answer[f->reg] >> f->bit & 1) && (state & f->state) == f->state;
}

#else /* elsewhere setup.py leaves the compiler at its default, which every machine of the kind runs */

#define CPU_FEATURES 0
static const char *cpu_feature_name(int i) { (void)i; return NULL; }
static int cpu_feature_present(int i) { (void)i; return 0; }

#endif
#endif
