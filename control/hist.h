/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A log-linear histogram of latencies, with the bucket layout of HdrHistogram (Tene): three
 * significant digits from 1 ns to 2^40 − 1 ns (18 minutes); larger values count as the largest.
 *
 * One thread records; any thread may read a count that lags by a moment. No pointers inside, so
 * that it can lie in memory that is shared among OS processes. All zero is the empty histogram.
 */
#ifndef UPON_HIST_H
#define UPON_HIST_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define HIST_HALF_SHIFT 10 /* 2^11 sub-buckets: 3 significant digits */
#define HIST_MAX_SHIFT  40
#define HIST_BUCKETS    (HIST_MAX_SHIFT - HIST_HALF_SHIFT)
#define HIST_SLOTS      ((HIST_BUCKETS + 1) << HIST_HALF_SHIFT)
#define HIST_VALUE_MAX  ((1ull << HIST_MAX_SHIFT) - 1)

struct hist {
    uint64_t max;
    uint64_t groups; /* bit g: slots [g << HIST_HALF_SHIFT, +1 << HIST_HALF_SHIFT) have counts */
    uint64_t count[HIST_SLOTS];
};

static inline uint32_t hist_slot(uint64_t value)
{
    uint32_t shift = 63 - HIST_HALF_SHIFT -
                     (uint32_t)__builtin_clzll(value | ((1u << (HIST_HALF_SHIFT + 1)) - 1));
    return (shift << HIST_HALF_SHIFT) + (uint32_t)(value >> shift);
}

/* One writer: plain stores are enough, as long as a reader sees each whole. */
static inline void hist_record(struct hist *h, uint64_t value)
{
    if (__builtin_expect(value > HIST_VALUE_MAX, 0))
        value = HIST_VALUE_MAX;
    uint32_t slot = hist_slot(value);
    __atomic_store_n(&h->count[slot], h->count[slot] + 1, __ATOMIC_RELAXED);
    if (value > h->max)
        __atomic_store_n(&h->max, value, __ATOMIC_RELAXED);
    __atomic_store_n(&h->groups, h->groups | 1ull << (slot >> HIST_HALF_SHIFT), __ATOMIC_RELAXED);
}

/* Add the counts of `from`, which another thread may be writing. */
void hist_add(struct hist *to, const struct hist *from);

/* Leave in `h` what it has beyond `before`, an earlier copy of it; `before` becomes h. */
void hist_since(struct hist *h, struct hist *before);

uint64_t hist_count(const struct hist *h);

/* The largest value that counts in the same slot as `value`. */
uint64_t hist_slot_top(uint64_t value);

/* Samples that are at most `value`; those of its slot are taken to be. */
uint64_t hist_count_to(const struct hist *h, uint64_t value);

/* The sum of the samples, to three digits. */
double hist_sum(const struct hist *h);

/*
 * The value at or below which `percent` of the samples lie. False when fewer than 10 samples lie
 * beyond it: such a percentile says nothing.
 */
bool hist_percentile(const struct hist *h, double percent, uint64_t *value);

/*
 * Write a HdrHistogram log (format 1.3) with one tagged interval for each of `hists`. `start_unix`
 * in seconds since the epoch, `seconds` the length of the interval. 0 or −errno.
 */
int hist_log_write(FILE *out, const struct hist *const hists[], const char *const tags[],
                   uint32_t count, double start_unix, double seconds);

#endif
