/* SPDX-License-Identifier: BSD-3-Clause */
/* Time and place of a bench: the TSC, and the processor that a thread is bound to. */
#ifndef UPON_BENCH_TSC_H
#define UPON_BENCH_TSC_H

#include <pthread.h>
#include <sched.h>
#include <stdint.h>

#include <rte_cycles.h>

static inline uint64_t tsc_now(void)
{
    return rte_rdtsc();
}

static inline double tsc_ns(uint64_t cycles)
{
    return (double)cycles * 1e9 / (double)rte_get_tsc_hz();
}

/* Bind the calling thread to the k-th processor that it may run on; false if there is none. */
static inline int tsc_bind(int k, const cpu_set_t *allowed)
{
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, allowed) && k-- == 0) {
            cpu_set_t one;
            CPU_ZERO(&one);
            CPU_SET(cpu, &one);
            return pthread_setaffinity_np(pthread_self(), sizeof one, &one) == 0;
        }
    return 0;
}

/* Keep the compiler from knowing a value. */
static inline void keep(const void *p)
{
    __asm__ volatile("" : : "r"(p) : "memory");
}

#endif
