/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames over lanes, from memory to memory of one OS process: no wire, so no lower headers. */
#include "env_dpdk.h"

/* Poll every lane, each breath another first, until `n` packets came. */
static uint16_t memory_rx(struct env *env, struct rte_mbuf **pkts, uint16_t n)
{
    struct env_dpdk *e = env_dpdk_of(env);
    uint16_t got = 0, s = env_dpdk_first_source(e);
    for (uint16_t left = e->sources; left > 0 && got < n; left--) {
        uint16_t more = lane_get(&e->in[s], pkts + got, (uint16_t)(n - got));
        for (uint16_t i = 0; i < more; i++)
            env_dpdk_warm_frame(pkts[got + i]);
        got = (uint16_t)(got + more);
        s = (uint16_t)(s + 1) < e->sources ? (uint16_t)(s + 1) : 0;
    }
    return got;
}

#define DEMOTED_FRAMES 2 /* a burst of so few is waited for: see demote_frame() */

/*
 * Push a line out to the cache that the cores share, where the receiver finds it sooner than in
 * ours. A hint (CLDEMOTE), and no instruction at all to a processor without it.
 */
static inline void demote(const void *line)
{
#ifdef RTE_ARCH_X86_64
    __asm__ volatile(".byte 0x0f, 0x1c, 0x06" ::"S"(line) : "memory");
#else
    (void)line;
#endif
}

/*
 * The lines of a small frame. For single frames: in a stream it gains nothing, and between
 * processes that share a core it would be the wrong way.
 */
static inline void demote_frame(const struct rte_mbuf *pkt)
{
    const char *data = rte_pktmbuf_mtod(pkt, const char *);
    demote(pkt);
    demote(data);
    demote(data + RTE_CACHE_LINE_SIZE);
}

static void memory_tx(struct env *env, uint16_t peer, struct rte_mbuf **pkts, uint16_t n)
{
    struct env_dpdk *e = env_dpdk_of(env);
    const lane_slot *first = lane_at(&e->out[peer], 0);
    for (uint16_t i = 0; n <= DEMOTED_FRAMES && i < n; i++)
        demote_frame(pkts[i]);
    uint16_t sent = lane_put(&e->out[peer], pkts, n);
    if (n <= DEMOTED_FRAMES)
        demote(first);
    if (unlikely(sent < n))
        env_dpdk_shed(e, pkts + sent, (uint16_t)(n - sent));
}

const struct env_ops env_memory_ops = {memory_rx, memory_tx, env_dpdk_now};
