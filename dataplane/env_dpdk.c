/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames over ethdevs: strip and validate the lower headers, push them, poll and send. */
#include "env_dpdk.h"

#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_ring.h>

#include "clock.h"
#include "frame.h"

/* ---- receiving ------------------------------------------------------------------------------- */

/* Whether a UDP checksum that is there is right. Headers are in the first segment: checked. */
static bool udp_checksum_good(const struct rte_mbuf *pkt, uint32_t frame_bytes)
{
    const uint8_t *data = rte_pktmbuf_mtod(pkt, const uint8_t *);
    switch (pkt->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) {
    case RTE_MBUF_F_RX_L4_CKSUM_GOOD:
        return true;
    case RTE_MBUF_F_RX_L4_CKSUM_BAD:
        return false;
    default:
        return wire_fold(wire_udp_sum(data) + wire_sum(pkt, WIRE_BYTES, frame_bytes)) == 0xffff;
    }
}

/* Strip the lower headers and the padding. Returns -1, or the counter of what is wrong. */
static int strip(struct env_dpdk *e, struct rte_mbuf *pkt)
{
    const uint8_t *data = rte_pktmbuf_mtod(pkt, const uint8_t *);
    uint32_t frame_bytes;
    if (unlikely(pkt->ol_flags & RTE_MBUF_F_RX_VLAN)) /* there was a tag, whoever took it off */
        return COUNT_drop_not_ip;
    int bad = wire_check(data, pkt->data_len, pkt->pkt_len, &e->self, &frame_bytes);
    if (unlikely(bad >= 0))
        return bad;
    if (unlikely(wire_has_udp_checksum(data)) && !udp_checksum_good(pkt, frame_bytes))
        return COUNT_drop_udp_checksum;
    pkt->data_off = (uint16_t)(pkt->data_off + WIRE_BYTES);
    pkt->data_len = (uint16_t)(pkt->data_len - WIRE_BYTES);
    pkt->pkt_len -= WIRE_BYTES;
    if (unlikely(pkt->pkt_len > frame_bytes))
        rte_pktmbuf_trim(pkt, (uint16_t)(pkt->pkt_len - frame_bytes));
    return -1;
}

#define WARM_AHEAD 8 /* packets whose lines are on their way while one is looked at */

/* All of a packet's lines: the driver and the lower headers take two more than a frame. */
static inline void warm(struct rte_mbuf *pkt)
{
    env_dpdk_warm_frame(pkt);
    __builtin_prefetch((char *)pkt + RTE_CACHE_LINE_SIZE, 1);
    __builtin_prefetch((char *)(pkt + 1) + RTE_PKTMBUF_HEADROOM - RTE_CACHE_LINE_SIZE, 1);
}

/* Keep the good ones of `n` packets, in order; count and free the others. */
static uint16_t admit(struct env_dpdk *e, struct rte_mbuf **pkts, uint16_t n)
{
    struct rte_mbuf *reject[RX_BURST_FRAMES];
    uint16_t good = 0, rejects = 0;
    for (uint16_t i = 0; i < n && i < WARM_AHEAD; i++)
        warm(pkts[i]);
    for (uint16_t i = 0; i < n; i++) {
        struct rte_mbuf *pkt = pkts[i];
        if (i + WARM_AHEAD < n)
            warm(pkts[i + WARM_AHEAD]);
        int bad = strip(e, pkt);
        if (likely(bad < 0)) {
            pkts[good++] = pkt;
            continue;
        }
        e->counters[bad]++;
        reject[rejects++] = pkt;
        if (rejects == RX_BURST_FRAMES) {
            rte_pktmbuf_free_bulk(reject, rejects);
            rejects = 0;
        }
    }
    if (unlikely(rejects > 0))
        rte_pktmbuf_free_bulk(reject, rejects);
    return good;
}

/* Poll every queue, each breath another first, until `n` packets came. */
static inline uint16_t poll_sources(struct env_dpdk *e, struct rte_mbuf **pkts, uint16_t n)
{
    uint16_t got = 0, s = env_dpdk_first_source(e);
    for (uint16_t left = e->sources; left > 0 && got < n; left--) {
        struct env_queue q = e->source[s];
        got = (uint16_t)(got + rte_eth_rx_burst(q.port, q.queue, pkts + got, (uint16_t)(n - got)));
        s = (uint16_t)(s + 1) < e->sources ? (uint16_t)(s + 1) : 0;
    }
    return got;
}

static uint16_t dpdk_rx(struct env *env, struct rte_mbuf **pkts, uint16_t n)
{
    struct env_dpdk *e = env_dpdk_of(env);
    uint16_t got = poll_sources(e, pkts, n);
    return got > 0 ? admit(e, pkts, got) : 0;
}

/* Where a packet goes, by its UDP port; NULL: to ourselves, who will count what is wrong with it. */
static struct rte_ring *demux_out(const struct env_demux *d, const struct rte_mbuf *pkt)
{
    const struct wire_headers *h = rte_pktmbuf_mtod(pkt, const struct wire_headers *);
    if (pkt->data_len < WIRE_BYTES || h->ip_version_ihl != WIRE_IP_VERSION_IHL)
        return NULL;
    for (uint16_t k = 0; k < d->outs; k++)
        if (memcmp(h->udp_to, &d->out[k].udp_port, sizeof d->out[k].udp_port) == 0)
            return d->out[k].ring;
    return NULL;
}

/* Hand over what is for others, and keep the rest. */
static uint16_t hand_over(struct env_dpdk *e, struct rte_mbuf **pkts, uint16_t n)
{
    uint16_t kept = 0;
    for (uint16_t i = 0; i < n; i++) {
        struct rte_ring *to = demux_out(e->demux, pkts[i]);
        if (to == NULL) {
            pkts[kept++] = pkts[i];
        } else if (rte_ring_sp_enqueue(to, pkts[i]) != 0) {
            e->counters[COUNT_drop_rx_full]++;
            rte_pktmbuf_free(pkts[i]);
        }
    }
    return kept;
}

static uint16_t demux_rx(struct env *env, struct rte_mbuf **pkts, uint16_t n)
{
    struct env_dpdk *e = env_dpdk_of(env);
    uint16_t got = poll_sources(e, pkts, n);
    if (e->handed != NULL) {
        got = (uint16_t)(got + rte_ring_sc_dequeue_burst(e->handed, (void **)(pkts + got),
                                                         (unsigned)(n - got), NULL));
    } else if (got < n) {
        uint16_t more = rte_eth_rx_burst(e->demux->in.port, e->demux->in.queue, pkts + got,
                                         (uint16_t)(n - got));
        got = (uint16_t)(got + hand_over(e, pkts + got, more));
    }
    return got > 0 ? admit(e, pkts, got) : 0;
}

/* ---- sending --------------------------------------------------------------------------------- */

static void udp_checksum_software(struct rte_mbuf *pkt)
{
    uint8_t *data = rte_pktmbuf_mtod(pkt, uint8_t *);
    uint16_t sum = wire_sum(pkt, WIRE_BYTES, pkt->pkt_len - WIRE_BYTES);
    wire_set_udp_checksum(data, wire_fold(wire_udp_sum(data) + sum));
}

/* The port wants the pseudo header's sum in the field, and an IPv4 checksum of 0. */
static void udp_checksum_offload(struct rte_mbuf *pkt)
{
    struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(pkt, struct rte_ipv4_hdr *, ETHER_BYTES);
    struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(ip + 1);
    pkt->tx_offload = 0;
    pkt->ol_flags |= RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_UDP_CKSUM;
    pkt->l2_len = ETHER_BYTES;
    pkt->l3_len = IPV4_BYTES;
    ip->hdr_checksum = 0;
    udp->dgram_cksum = rte_ipv4_phdr_cksum(ip, pkt->ol_flags);
}

void env_dpdk_shed(struct env_dpdk *e, struct rte_mbuf **pkts, uint16_t n)
{
    uint64_t *c = e->env.counters;
    for (uint16_t i = 0; i < n; i++) {
        const struct frame_wire *w =
            (const struct frame_wire *)(pkt_data(pkts[i]) + e->env.lower_bytes);
        c[COUNT_tx_records] -= le16_get(w->records);
        c[COUNT_tx_bytes] -= pkts[i]->pkt_len;
    }
    c[COUNT_tx_frames] -= n;
    c[COUNT_drop_tx_full] += n;
    rte_pktmbuf_free_bulk(pkts, n);
}

#define PCAP_RECORD_BYTES 16

/*
 * Let the capture port read and free what is about to be sent: a reference more to each segment.
 * Once it was sent, its receiver may change it; so what the ring will refuse is found before: it is
 * ours alone to fill. Returns how many of them it will take.
 */
static uint16_t capture(struct env_dpdk *e, uint16_t peer, struct rte_mbuf **pkts, uint16_t n)
{
    struct env_capture *c = e->capture;
    const unsigned room = rte_ring_free_count(c->ring[peer]);
    n = n < room ? n : (uint16_t)room;
    for (uint16_t i = 0; i < n; i++) {
        c->bytes += PCAP_RECORD_BYTES + pkts[i]->pkt_len;
        for (struct rte_mbuf *seg = pkts[i]; seg != NULL; seg = seg->next)
            rte_mbuf_refcnt_update(seg, 1);
    }
    uint16_t taken = rte_eth_tx_burst(c->to.port, c->to.queue, pkts, n);
    for (uint16_t i = taken; i < n; i++)
        c->bytes -= PCAP_RECORD_BYTES + pkts[i]->pkt_len;
    e->counters[COUNT_drop_capture] += (uint64_t)(n - taken);
    rte_pktmbuf_free_bulk(pkts + taken, (unsigned)(n - taken));
    return n;
}

/* Packets with all their headers go to the port. */
static inline void hand_to_port(struct env_dpdk *e, uint16_t peer, struct rte_mbuf **pkts,
                                uint16_t n)
{
    const struct env_peer *p = &e->peer[peer];
    if (unlikely(e->capture != NULL)) {
        uint16_t room = capture(e, peer, pkts, n);
        if (unlikely(room < n))
            env_dpdk_shed(e, pkts + room, (uint16_t)(n - room));
        n = room;
    }
    if (unlikely(e->tx_lock != NULL))
        rte_spinlock_lock(e->tx_lock);
    uint16_t sent = rte_eth_tx_burst(p->tx.port, p->tx.queue, pkts, n);
    if (unlikely(e->tx_lock != NULL))
        rte_spinlock_unlock(e->tx_lock);
    if (unlikely(sent < n))
        env_dpdk_shed(e, pkts + sent, (uint16_t)(n - sent));
}

static void dpdk_tx(struct env *env, uint16_t peer, struct rte_mbuf **pkts, uint16_t n)
{
    struct env_dpdk *e = env_dpdk_of(env);
    const struct env_peer *p = &e->peer[peer];
    for (uint16_t i = 0; i < n; i++) {
        struct rte_mbuf *pkt = pkts[i];
        uint32_t frame_bytes = pkt->pkt_len;
        wire_write((uint8_t *)rte_pktmbuf_prepend(pkt, WIRE_BYTES), &p->headers, frame_bytes);
        if (unlikely(p->offload))
            udp_checksum_offload(pkt);
        else if (unlikely(e->udp_checksum))
            udp_checksum_software(pkt);
    }
    hand_to_port(e, peer, pkts, n);
}

void env_dpdk_tx_flipped(struct env *env, uint16_t peer, struct rte_mbuf *pkt, uint32_t bit)
{
    struct env_dpdk *e = env_dpdk_of(env);
    const struct env_peer *p = &e->peer[peer];
    uint32_t frame_bytes = pkt->pkt_len;
    wire_write((uint8_t *)rte_pktmbuf_prepend(pkt, WIRE_BYTES), &p->headers, frame_bytes);
    udp_checksum_software(pkt);
    struct rte_mbuf *seg = pkt;
    for (bit += WIRE_BYTES * 8; bit / 8 >= seg->data_len; seg = seg->next)
        bit -= seg->data_len * 8u;
    pkt_data(seg)[bit / 8] ^= (uint8_t)(1u << bit % 8);
    hand_to_port(e, peer, &pkt, 1);
}

uint64_t env_dpdk_now(struct env *env)
{
    (void)env;
    return clock_now_ns();
}

const struct env_ops env_dpdk_ops = {dpdk_rx, dpdk_tx, env_dpdk_now};
const struct env_ops env_demux_ops = {demux_rx, dpdk_tx, env_dpdk_now};
