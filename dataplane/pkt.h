/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages are slices of packets; a packet is an rte_mbuf everywhere, in the simulator too.
 *
 * Ownership is one rule: a message that an event carries is valid until the end of the breath.
 * Who needs it longer takes msg_hold() and gives it back with msg_release(), once each. Nothing
 * else is ever freed by a protocol. A message may be read by any number of holders; only the
 * process that made it with msg_new() may write it or push headers onto it, and only before it was
 * sent.
 *
 * All functions belong to the thread of the process; reference counts alone are shared.
 */
#ifndef UPON_PKT_H
#define UPON_PKT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <rte_mbuf.h>
#include <rte_memcpy.h>

#include "limits.h"

/* A slice of one segment: `off` counts from the buffer's address, so no header moves it. */
struct msg {
    struct rte_mbuf *seg; /* NULL: no message */
    uint16_t off;         /* bytes */
    uint16_t len;         /* bytes */
};

#define MSG_NONE ((struct msg){0})

/* Set on the packets that msg_new() carves messages from: only those take pushed headers. */
#define PKT_SLAB RTE_MBUF_F_LAST_FREE

static inline uint8_t *msg_data(struct msg m)
{
    return (uint8_t *)m.seg->buf_addr + m.off;
}

/* Keep a message beyond this breath. Pairs with msg_release(). */
static inline void msg_hold(struct msg m)
{
    rte_mbuf_refcnt_update(m.seg, 1);
}

/* Give back what msg_hold() took; the packet returns to its pool with the last reference. */
static inline void msg_release(struct msg m)
{
    rte_pktmbuf_free_seg(m.seg);
}

/*
 * Put a header of `bytes` in front of a message of our own and return where to write it.
 * A received message is read-only and shared: relay it whole, with the header it came with.
 */
static inline void *msg_push(struct msg *m, uint16_t bytes)
{
    if (unlikely((m->seg->ol_flags & (PKT_SLAB | RTE_MBUF_F_INDIRECT)) != PKT_SLAB ||
                 m->off < bytes))
        rte_panic("msg_push: %u bytes in front of a message that is not ours to write\n", bytes);
    m->off = (uint16_t)(m->off - bytes);
    m->len = (uint16_t)(m->len + bytes);
    return msg_data(*m);
}

/* Narrow a message past a header of `bytes`; NULL, and no change, if it is shorter than that. */
static inline const void *msg_pull(struct msg *m, uint16_t bytes)
{
    if (unlikely(m->len < bytes))
        return NULL;
    const void *header = msg_data(*m);
    m->off = (uint16_t)(m->off + bytes);
    m->len = (uint16_t)(m->len - bytes);
    return header;
}

/*
 * Holds and releases of many messages, one reference count update for each run of equal segments:
 * messages made together, or received together, share their packet.
 */
struct msg_refs {
    struct rte_mbuf *seg;
    uint32_t n;
};

static inline void msg_refs_hold_flush(struct msg_refs *r)
{
    if (r->n > 0)
        rte_mbuf_refcnt_update(r->seg, (int16_t)r->n);
    r->n = 0;
}

static inline void msg_refs_hold(struct msg_refs *r, struct rte_mbuf *seg)
{
    if (r->seg != seg) {
        msg_refs_hold_flush(r);
        r->seg = seg;
    }
    r->n++;
}

static inline void msg_refs_release_flush(struct msg_refs *r)
{
    if (r->n > 1)
        rte_mbuf_refcnt_update(r->seg, (int16_t)(1 - (int)r->n));
    if (r->n > 0)
        rte_pktmbuf_free_seg(r->seg);
    r->n = 0;
}

static inline void msg_refs_release(struct msg_refs *r, struct rte_mbuf *seg)
{
    if (r->seg != seg) {
        msg_refs_release_flush(r);
        r->seg = seg;
    }
    r->n++;
}

/* ---- whole packets, for the runtime and the links ------------------------------------------- */

/*
 * An empty packet of one segment; NULL when the pool is empty. What lies in a pool has one reference
 * and no successor, so its second cache line is not touched: a packet of one segment that passes
 * from core to core takes one line of descriptor with it, not two.
 */
static inline struct rte_mbuf *pkt_alloc(struct rte_mempool *pool)
{
    struct rte_mbuf *pkt = rte_mbuf_raw_alloc(pool);
    if (unlikely(pkt == NULL))
        return NULL;
    pkt->data_off = RTE_PKTMBUF_HEADROOM;
    pkt->ol_flags = 0;
    pkt->packet_type = 0;
    pkt->pkt_len = 0;
    pkt->data_len = 0;
    pkt->vlan_tci = 0;
    return pkt;
}

/* Fetch, to be written, the packet that pkt_alloc() gives this thread next, with `bytes` of it. */
static inline void pkt_warm_next(struct rte_mempool *pool, uint32_t bytes)
{
    const struct rte_mempool_cache *c = rte_mempool_default_cache(pool, rte_lcore_id());
    if (unlikely(c == NULL || c->len == 0))
        return;
    char *pkt = c->objs[c->len - 1];
    char *data = pkt + sizeof(struct rte_mbuf) + RTE_PKTMBUF_HEADROOM;
    __builtin_prefetch(pkt, 1);
    for (uint32_t i = 0; i < bytes; i += RTE_CACHE_LINE_SIZE)
        __builtin_prefetch(data + i, 1);
}

/*
 * Fetch what lies behind the first two lines of a packet that arrived, all at once: records are read
 * one after the other, and where the next one begins stands in this one.
 */
static inline void pkt_warm_rest(const struct rte_mbuf *pkt)
{
    const char *data = rte_pktmbuf_mtod(pkt, const char *);
    for (uint32_t i = 2 * RTE_CACHE_LINE_SIZE; i < pkt->data_len; i += RTE_CACHE_LINE_SIZE)
        __builtin_prefetch(data + i);
}

/* One segment, its own buffer, and nobody else holds it: it goes back to its pool as it is. */
static inline bool pkt_is_plain(const struct rte_mbuf *pkt)
{
    return pkt->nb_segs == 1 && rte_mbuf_refcnt_read(pkt) == 1 && RTE_MBUF_DIRECT(pkt);
}

/* Release a packet with all its segments. */
static inline void pkt_free(struct rte_mbuf *pkt)
{
    if (likely(pkt_is_plain(pkt)))
        rte_mbuf_raw_free(pkt);
    else
        rte_pktmbuf_free(pkt);
}

/* Release `n` packets. The plain ones of a pool go back together; the array is written over. */
static inline void pkt_free_bulk(struct rte_mbuf **pkts, uint32_t n)
{
    uint32_t plain = 0;
    for (uint32_t i = 0; i < n; i++) {
        struct rte_mbuf *pkt = pkts[i];
        if (likely(pkt_is_plain(pkt)) && (plain == 0 || pkt->pool == pkts[0]->pool))
            pkts[plain++] = pkt;
        else
            pkt_free(pkt);
    }
    if (plain > 0)
        rte_mempool_put_bulk(pkts[0]->pool, (void **)pkts, plain);
}

/* Release one segment. */
static inline void pkt_free_seg(struct rte_mbuf *seg)
{
    rte_pktmbuf_free_seg(seg);
}

static inline uint8_t *pkt_data(const struct rte_mbuf *pkt)
{
    return (uint8_t *)pkt->buf_addr + pkt->data_off;
}

/* Make an empty segment stand for the bytes of `m`, which lives as long as the segment does. */
static inline void pkt_refer(struct rte_mbuf *seg, struct msg m)
{
    rte_pktmbuf_attach(seg, m.seg);
    seg->data_off = m.off;
    seg->data_len = m.len;
}

/* Copy bytes into a packet of our own. */
static inline void pkt_copy(void *to, const void *from, uint32_t bytes)
{
    rte_memcpy(to, from, bytes);
}

/* Explicit little-endian loads and stores, for any alignment. */
static inline uint16_t le16_get(const void *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return rte_le_to_cpu_16(v);
}

static inline uint32_t le32_get(const void *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return rte_le_to_cpu_32(v);
}

static inline uint64_t le64_get(const void *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return rte_le_to_cpu_64(v);
}

static inline void le16_put(void *p, uint16_t v)
{
    v = rte_cpu_to_le_16(v);
    memcpy(p, &v, sizeof v);
}

static inline void le32_put(void *p, uint32_t v)
{
    v = rte_cpu_to_le_32(v);
    memcpy(p, &v, sizeof v);
}

static inline void le64_put(void *p, uint64_t v)
{
    v = rte_cpu_to_le_64(v);
    memcpy(p, &v, sizeof v);
}

#endif
