/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The environment of a process on ethdevs and the TSC. The fabric fills it in; the thread that runs
 * the process uses it.
 */
#ifndef UPON_ENV_DPDK_H
#define UPON_ENV_DPDK_H

#include <rte_spinlock.h>

#include "env.h"
#include "lane.h"
#include "wire_headers.h"

struct rte_ring;

struct env_queue {
    uint16_t port;
    uint16_t queue;
};

/* What it takes to send to a peer. */
struct env_peer {
    struct wire_template headers;
    struct env_queue tx;
    bool offload; /* that port computes the checksums */
};

/*
 * A software demultiplexer, for a port that cannot steer: one process polls it and hands the others
 * their frames, by UDP port. It must take steps for them to hear anything.
 */
struct env_demux {
    struct env_queue in;
    uint16_t outs;
    struct {
        uint16_t udp_port; /* as it stands in a packet's memory */
        struct rte_ring *ring;
    } out[];
};

/* A port that writes to a capture file what a process sends. */
struct env_capture {
    struct env_queue to;
    uint64_t bytes; /* that the file must have in the end */
    struct rte_ring
        *ring[]; /* by peer, what leads there: what it has no room for, is not captured */
};

struct env_dpdk {
    struct env env;
    struct env_peer *peer;    /* n of them */
    struct env_queue *source; /* queues where our frames arrive */
    uint16_t sources;
    uint16_t next_source; /* polled first in the next breath, so that no peer starves the others */
    struct lane_end *in; /* instead of queues, where frames stay in memory: `sources` of them, … */
    struct lane_end *out;        /* … and n of them, by peer; NULL */
    struct env_capture *capture; /* a copy of what is sent goes there; NULL: nowhere */
    bool udp_checksum;           /* compute it in software, where the port does not */
    struct env_demux *demux;     /* we poll a port for others too; NULL: no */
    struct rte_ring *handed;     /* what another hands us; NULL: nothing */
    rte_spinlock_t *tx_lock; /* the port has too few queues to send without; NULL: it has enough */
    struct wire_self self;
    uint64_t counters[COUNTERS] __attribute__((aligned(RTE_CACHE_LINE_SIZE)));
};

extern const struct env_ops env_dpdk_ops;

/*
 * Send one packet, which is ours alone, with bit `bit` of its frame flipped on its way: it carries
 * the UDP checksum of what it was, computed for it where the run computes none, and its receiver,
 * which verifies every checksum that is there, counts and drops it. Not over memory, where frames
 * have no lower headers.
 */
void env_dpdk_tx_flipped(struct env *env, uint16_t peer, struct rte_mbuf *pkt, uint32_t bit);

/* The same for a process that shares a port by a demultiplexer. */
extern const struct env_ops env_demux_ops;

/*
 * The same where a frame goes from memory to memory of one OS process, and no wire is ever between:
 * over lanes, without lower headers. What arrives was sent by a process of this fabric to this very
 * one, for its lane says so.
 */
extern const struct env_ops env_memory_ops;

static inline bool env_dpdk_has_headers(const struct env *env)
{
    return env->ops == &env_dpdk_ops || env->ops == &env_demux_ops;
}

/* ---- between the kinds of environments here --------------------------------------------------- */

static inline struct env_dpdk *env_dpdk_of(struct env *env)
{
    return (struct env_dpdk *)env;
}

/* env_ops.now of all of them. */
uint64_t env_dpdk_now(struct env *env);

/* Which source is polled first this time. */
static inline uint16_t env_dpdk_first_source(struct env_dpdk *e)
{
    uint16_t s = e->next_source;
    e->next_source = (uint16_t)(s + 1) < e->sources ? (uint16_t)(s + 1) : 0;
    return s;
}

/*
 * Fetch the lines of a packet that another core has written, all at once instead of one miss after
 * the other, and for writing: whoever answers takes this packet again. Where its buffer stands is
 * known without reading it; a wrong guess (an external buffer) costs nothing.
 */
static inline void env_dpdk_warm_frame(struct rte_mbuf *pkt)
{
    char *data = (char *)(pkt + 1) + RTE_PKTMBUF_HEADROOM;
    __builtin_prefetch(pkt, 1);
    __builtin_prefetch(data, 1);
    __builtin_prefetch(data + RTE_CACHE_LINE_SIZE, 1);
}

/*
 * What the device does not take was not sent. It was counted as sent with the rest of its burst, so
 * that a burst which is taken costs one addition and no look at its frames: take it back.
 */
void env_dpdk_shed(struct env_dpdk *e, struct rte_mbuf **pkts, uint16_t n);

#endif
