/* The most multiply-adds a core can do: independent chains of fused multiply-adds that never leave the registers.
   CHAINS covers the latency of the instruction on every pipe and leaves room for the two operands in 16 registers. */
#if defined(__AVX512F__)
#define BYTES 64
#elif defined(__AVX__)
#define BYTES 32
#else
#define BYTES 16
#endif
#define CHAINS 12

typedef float Vector __attribute__((vector_size(BYTES)));

/* 2 operations (a product and a sum) for each element of each chain: what one round does. */
int operations_per_round(void) { return 2 * CHAINS * BYTES / (int)sizeof(float); }

float run(long rounds, float factor, float term)
{
    const Vector a = factor - (Vector){0}, b = term - (Vector){0};      /* element by element they would be memory */
    Vector chain[CHAINS];
    float sum = 0;
    for (int c = 0; c < CHAINS; c++) chain[c] = a * (float)c;
    for (long round = 0; round < rounds; round++)
        for (int c = 0; c < CHAINS; c++) chain[c] = chain[c] * a + b;
    for (int c = 0; c < CHAINS; c++) sum += chain[c][0];
    return sum;
}
