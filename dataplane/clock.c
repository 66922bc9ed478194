/* SPDX-License-Identifier: BSD-3-Clause */
/* How fast the TSC runs. */
#include "clock.h"

#include <time.h>

#define MEASURE_NS   20000000
#define SAMPLE_TRIES 16
#define HZ_STEP      1000 /* the kernel knows the TSC's frequency in kHz */

uint64_t clock_mult;
static uint64_t clock_hz;

struct sample {
    uint64_t cycles;
    uint64_t ns;
};

/* Both clocks at one moment: of several tries the one with the shortest way around it. */
static struct sample sample(void)
{
    struct sample best = {0};
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < SAMPLE_TRIES; i++) {
        struct timespec t;
        uint64_t before = rte_rdtsc();
        clock_gettime(CLOCK_MONOTONIC_RAW, &t);
        uint64_t after = rte_rdtsc();
        if (after - before < least) {
            least = after - before;
            best = (struct sample){before + least / 2,
                                   (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec};
        }
    }
    return best;
}

static uint64_t measure_hz(void)
{
    struct sample a = sample();
    nanosleep(&(struct timespec){0, MEASURE_NS}, NULL);
    struct sample b = sample();
    double hz = (double)(b.cycles - a.cycles) * (double)NS_PER_S / (double)(b.ns - a.ns);
    return (uint64_t)(hz / HZ_STEP + 0.5) * HZ_STEP;
}

uint64_t clock_start(uint64_t hz)
{
    if (clock_mult == 0) {
        clock_hz = hz != 0 ? hz : measure_hz();
        clock_mult = (uint64_t)(((unsigned __int128)NS_PER_S << CLOCK_SHIFT) / clock_hz);
    }
    return clock_hz;
}
