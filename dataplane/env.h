/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The environment of a process: the only vtable between a stack and the world. env_dpdk.c binds it
 * to an ethdev and the TSC, env_sim.c to a multiset of frames in flight and a virtual clock.
 *
 * A packet that crosses this border, in either direction, begins at its frame header: lower headers
 * are the environment's. An environment belongs to the thread that runs its process.
 */
#ifndef UPON_ENV_H
#define UPON_ENV_H

#include "counters.h"
#include "pkt.h"

struct disk;
struct env;

struct env_ops {
    /* Take up to `n` received packets; the caller owns them. Returns how many. */
    uint16_t (*rx)(struct env *env, struct rte_mbuf **pkts, uint16_t n);
    /*
     * Send `n` packets to process `peer`. Takes all of them: what the device does not take is
     * freed and counted (drop_tx_full), as a fair-loss link may, and taken back from what the
     * caller has counted as sent.
     */
    void (*tx)(struct env *env, uint16_t peer, struct rte_mbuf **pkts, uint16_t n);
    /* Nanoseconds of the environment's clock, monotonic. */
    uint64_t (*now)(struct env *env);
};

struct env {
    const struct env_ops *ops;
    struct rte_mempool *pool;  /* packets of this process; frames and messages come from it */
    struct rte_mempool *slabs; /* messages come from here first; NULL: there is none apart */
    uint64_t *counters;        /* COUNTERS of them */
    uint32_t frame_bytes_max;  /* a frame that the device carries, header and records */
    bool multi_seg;            /* whether a packet may be a chain of segments */
    bool clock_dear;           /* reading the clock costs about as much as handling a frame */
    struct disk *disk;         /* of this process's log, formatted; NULL: it has none */
    uint32_t lower_bytes;      /* in front of each frame: the environment's own headers */
    /* Told how long each record waited until it was durable; NULL: nobody asks. */
    void (*stored)(void *ctx, uint64_t waited_ns);
    void *stored_ctx;
    /* Told before the log drops records, that what they had told is durable elsewhere: it may block.
     * NULL: nobody asks. */
    void (*dropping)(void *ctx);
    void *dropping_ctx;
    /* Told that the pool has no packet, before that is coped with; NULL: nobody asks. */
    void (*starved)(void *ctx);
    void *starved_ctx;
};

static inline void env_starved(const struct env *env)
{
    if (env->starved != NULL)
        env->starved(env->starved_ctx);
}

#endif
