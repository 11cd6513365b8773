/* The few things asked of OpenMP, and their twins for a build without it. */
#ifndef TINYRNN_PARALLEL_H
#define TINYRNN_PARALLEL_H

#ifdef _OPENMP

#include <omp.h>
#define HAS_OPENMP 1

/* How many threads a region of `threads` really gets. */
static int count_team(int threads) {
    int team = 0;
#pragma omp parallel num_threads(threads) reduction(+ : team)
    team += 1;
    return team;
}

#else

#define HAS_OPENMP 0
static int omp_get_max_threads(void) { return 1; }
static int count_team(int threads) { (void)threads; return 1; }

#endif

/* Call `in_child` in every process forked from this one. 0 when that is settled. */
#ifdef _WIN32
static int after_fork(void (*in_child)(void)) { (void)in_child; return 0; } /* nothing forks here */
#else
#include <pthread.h>
static int after_fork(void (*in_child)(void)) { return pthread_atfork(NULL, NULL, in_child); }
#endif

#endif
