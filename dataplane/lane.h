/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A lane: a queue of packets from one thread to another, of one writer and one reader, in which
 * the slot itself says whether a packet lies in it. No index is shared, so that a packet alone
 * costs one line that travels from core to core, where a ring with a head and a tail costs three:
 * how far the writer came, the slot, and how far the reader came.
 *
 * Rule: J. Giacomoni, T. Moseley, M. Vachharajani, "FastForward for Efficient Pipeline Parallelism"
 * (PPoPP 2008). A burst is written from its last slot to its first: the reader, which stands at the
 * first, sees all of it or nothing.
 */
#ifndef UPON_LANE_H
#define UPON_LANE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct rte_mbuf;

typedef _Atomic(struct rte_mbuf *) lane_slot; /* NULL: free */

/* Where a thread stands in a lane; each end is its own thread's. `slots` is a power of two. */
struct lane_end {
    lane_slot *slot;
    uint32_t at;
    uint32_t mask;
};

static inline lane_slot *lane_at(const struct lane_end *e, uint32_t ahead)
{
    return &e->slot[(e->at + ahead) & e->mask];
}

static inline bool lane_is_free(const struct lane_end *e, uint32_t ahead)
{
    return atomic_load_explicit(lane_at(e, ahead), memory_order_acquire) == NULL;
}

/* How many of the next `n` slots are free. The reader frees them in order: the last one tells. */
static inline uint16_t lane_room(const struct lane_end *e, uint16_t n)
{
    if (n > e->mask + 1)
        n = (uint16_t)(e->mask + 1);
    while (n > 0 && !lane_is_free(e, n - 1u))
        n--;
    return n;
}

/* The writer's: hand over up to `n` packets; how many. The others are still the caller's. */
static inline uint16_t lane_put(struct lane_end *e, struct rte_mbuf *const *pkts, uint16_t n)
{
    n = lane_room(e, n);
    if (n == 0)
        return 0;
    for (uint16_t i = (uint16_t)(n - 1); i > 0; i--)
        atomic_store_explicit(lane_at(e, i), pkts[i], memory_order_relaxed);
    atomic_store_explicit(lane_at(e, 0), pkts[0], memory_order_release);
    e->at += n;
    return n;
}

/* The reader's: take up to `n` packets; how many. They are the caller's. */
static inline uint16_t lane_get(struct lane_end *e, struct rte_mbuf **pkts, uint16_t n)
{
    uint16_t got = 0;
    for (; got < n; got++) {
        lane_slot *s = lane_at(e, got);
        pkts[got] = atomic_load_explicit(s, memory_order_acquire);
        if (pkts[got] == NULL)
            break;
        atomic_store_explicit(s, NULL, memory_order_release);
    }
    e->at += got;
    return got;
}

#endif
