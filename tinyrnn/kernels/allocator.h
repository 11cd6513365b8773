/* What importing tinyrnn does to the allocator of the process, on Linux with glibc.
 *
 * It keeps what is freed, blocks of up to 32 MB, 256 MB of them, instead of asking the system again each time. New pages
 * cost as much as the arithmetic on medium arrays: layer normalisation of 1600 x 256 with its backward took 0.8 ms
 * instead of 2.7 ms, an update of a translator of 6,000 words 0.9 of the time.
 *
 * The next 192 MB of the heap, none of it in use yet, will consist of pages of 2 MB, if the system has them: the processor
 * finds them faster (a layer of 512 or 1,024 units: 3 to 6 %).
 */
#ifndef TINYRNN_ALLOCATOR_H
#define TINYRNN_ALLOCATOR_H
#include <stdlib.h>
#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__)
#include <malloc.h>
#include <sys/mman.h>
static void keep_memory(void)
{
    const size_t size = 192 << 20, page = 2 << 20;
    char *p = mallopt(M_MMAP_THRESHOLD, 2 * size) ? malloc(size) : NULL;        /* of the heap; glibc 2.35 */
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
    mallopt(M_TRIM_THRESHOLD, 256 << 20);
    if (p) madvise(p + (page - (size_t)p % page), size - page, MADV_HUGEPAGE);
    free(p);
}
#else
static void keep_memory(void) {}
#endif
#endif
