/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Nanoseconds from the invariant TSC: one multiplication, no division, no system call.
 *
 * The time is a function of the counter alone, so all threads of a host read the same clock. OS
 * processes that compare their times must agree on the frequency: one measures it, the others are
 * told (clock_start with its hz), since an error of 1 kHz is a millisecond within an hour.
 */
#ifndef UPON_CLOCK_H
#define UPON_CLOCK_H

#include <stdint.h>

#include <rte_cycles.h>

#define CLOCK_SHIFT 32

extern uint64_t clock_mult; /* nanoseconds per cycle, times 2^CLOCK_SHIFT; 0: not started */

/* Measure the TSC's frequency (20 ms), or take `hz` if it is not 0. Once a process; a second call
 * does nothing. Returns the frequency. */
uint64_t clock_start(uint64_t hz);

static inline uint64_t clock_ns(uint64_t cycles)
{
    return (uint64_t)((unsigned __int128)cycles * clock_mult >> CLOCK_SHIFT);
}

static inline uint64_t clock_now_ns(void)
{
    return clock_ns(rte_rdtsc());
}

#endif
