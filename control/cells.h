/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cells of time: what a process delivered in each 10 ms of a run, and how late. Written by the
 * load at each batch, read when the processes have returned; the timeline is drawn from them.
 *
 * A cell keeps the times of its first and last delivery, so a gap between two cells is known to
 * the nanosecond. Latencies are counted in slots of a power of two divided by 8: a percentile is
 * within 12.5 %.
 */
#ifndef UPON_CELLS_H
#define UPON_CELLS_H

#include <stdint.h>
#include <string.h>

#define CELL_NS     10000000 /* least width; longer runs have wider cells */
#define CELLS_MAX   4096
#define CELL_SHIFT  3
#define CELL_SLOTS  256
#define CELL_NS_TOP (1ull << 34)

struct cell {
    uint64_t first_ns; /* delivery of this cell; 0: there is none */
    uint64_t last_ns;
    uint32_t delivered;
    uint32_t completed; /* own operations: they have a latency */
    uint32_t slot[CELL_SLOTS];
};

/* Of one process; the cells stand elsewhere. */
struct cells {
    struct cell *cell; /* NULL: none are kept */
    uint64_t start_ns;
    uint64_t width_ns;
    uint32_t count;
};

/* The cell of a moment; NULL: none is kept for it. */
static inline struct cell *cells_at(const struct cells *c, uint64_t now_ns)
{
    if (c->cell == NULL || now_ns < c->start_ns)
        return NULL;
    uint64_t k = (now_ns - c->start_ns) / c->width_ns;
    return k < c->count ? &c->cell[k] : NULL;
}

static inline uint32_t cell_slot(uint64_t ns)
{
    if (ns >= CELL_NS_TOP)
        ns = CELL_NS_TOP - 1;
    uint32_t shift = 63 - CELL_SHIFT - (uint32_t)__builtin_clzll(ns | ((2u << CELL_SHIFT) - 1));
    return (shift << CELL_SHIFT) + (uint32_t)(ns >> shift);
}

/* The largest latency that counts in a slot. */
static inline uint64_t cell_slot_top(uint32_t slot)
{
    if (slot < 2u << CELL_SHIFT)
        return slot;
    uint32_t shift = (slot >> CELL_SHIFT) - 1;
    return ((uint64_t)(slot - (shift << CELL_SHIFT)) + 1) * (1ull << shift) - 1;
}

static inline void cell_complete(struct cell *c, uint64_t latency_ns)
{
    c->completed++;
    c->slot[cell_slot(latency_ns)]++;
}

static inline void cell_deliver(struct cell *c, uint64_t now_ns, uint64_t count)
{
    if (count == 0)
        return;
    if (c->first_ns == 0)
        c->first_ns = now_ns;
    c->last_ns = now_ns;
    c->delivered += (uint32_t)count;
}

#endif
