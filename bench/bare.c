/* SPDX-License-Identifier: BSD-3-Clause */
/* The floors: packets over bare rings and lanes, with nothing of Upon in between. */
#include <stdio.h>
#include <stdlib.h>

#include <rte_eth_ring.h>
#include <rte_ethdev.h>

#include "bed.h"
#include "dataplane/eal.h"
#include "dataplane/large.h"
#include "tsc.h"

#define RING_SLOTS 2048
#define POOL_PKTS  16384

static int bare_port(const char *name, struct rte_ring *rx, struct rte_ring *tx,
                     struct rte_mempool *pool)
{
    struct rte_eth_conf conf = {.txmode = {.offloads = RTE_ETH_TX_OFFLOAD_MULTI_SEGS}};
    int port = rte_eth_from_rings(name, &rx, 1, &tx, 1, 0);
    if (port < 0 || rte_eth_dev_configure((uint16_t)port, 1, 1, &conf) != 0 ||
        rte_eth_rx_queue_setup((uint16_t)port, 0, 1024, 0, NULL, pool) != 0 ||
        rte_eth_tx_queue_setup((uint16_t)port, 0, 1024, 0, NULL) != 0 ||
        rte_eth_dev_start((uint16_t)port) != 0)
        return -1;
    return port;
}

static bool bare_lanes(struct bare *r)
{
    size_t bytes = RING_SLOTS * sizeof(lane_slot);
    for (uint16_t k = 0; k < 2; k++) {
        struct lane_end end = {.slot = large_new(bytes), .mask = RING_SLOTS - 1};
        if (end.slot == NULL)
            return false;
        r->side[k].out = r->side[1 - k].in = end;
    }
    return true;
}

/* One pair of bare ports, and of lanes, serves all benches: made once, kept. */
struct bare *bare_open(uint32_t bytes, const char **why)
{
    static struct bare bare;
    bare.bytes = bytes;
    if (bare.pool != NULL)
        return &bare;
    struct rte_ring *r[2];
    bare.pool = eal_pool("bare", POOL_PKTS, 256, 9216);
    r[0] = rte_ring_create("bare0", RING_SLOTS, 0, RING_F_SP_ENQ | RING_F_SC_DEQ);
    r[1] = rte_ring_create("bare1", RING_SLOTS, 0, RING_F_SP_ENQ | RING_F_SC_DEQ);
    if (bare.pool == NULL || r[0] == NULL || r[1] == NULL || !bare_lanes(&bare)) {
        *why = "no memory for the bare rings and lanes";
        return NULL;
    }
    int a = bare_port("bare_a", r[1], r[0], bare.pool),
        b = bare_port("bare_b", r[0], r[1], bare.pool);
    if (a < 0 || b < 0) {
        *why = "the bare ring ports do not start";
        return NULL;
    }
    bare.port[0] = (uint16_t)a;
    bare.port[1] = (uint16_t)b;
    return &bare;
}

static struct rte_mbuf *written(struct bare *r, uint64_t number)
{
    struct rte_mbuf *m = rte_pktmbuf_alloc(r->pool);
    if (m == NULL)
        rte_panic("bench: the bare pool is empty\n");
    memset(pkt_data(m), (int)number, r->bytes);
    m->data_len = (uint16_t)r->bytes;
    m->pkt_len = r->bytes;
    return m;
}

static uint16_t receive(struct bare *r, uint16_t side, uint64_t *sum)
{
    struct rte_mbuf *pkts[BED_BURST];
    uint16_t n = rte_eth_rx_burst(r->port[side], 0, pkts, BED_BURST);
    for (uint16_t i = 0; i < n; i++)
        *sum += le64_get(pkt_data(pkts[i]));
    rte_pktmbuf_free_bulk(pkts, n);
    return n;
}

static uint16_t send_burst(struct bare *r, uint64_t number)
{
    struct rte_mbuf *pkts[BED_BURST];
    for (uint16_t i = 0; i < BED_BURST; i++)
        pkts[i] = written(r, number + i);
    uint16_t sent = rte_eth_tx_burst(r->port[0], 0, pkts, BED_BURST);
    if (sent < BED_BURST)
        rte_pktmbuf_free_bulk(pkts + sent, (unsigned)(BED_BURST - sent));
    return sent;
}

double bare_round(struct bare *r, uint64_t packets)
{
    uint64_t sum = 0, heard = 0, start = tsc_now();
    while (heard < packets) {
        send_burst(r, heard);
        heard += receive(r, 1, &sum);
    }
    keep(&sum);
    return tsc_ns(tsc_now() - start) / (double)heard;
}

double bare_alone(struct bare *r, uint64_t packets)
{
    struct rte_mbuf *pkt = written(r, 0);
    uint64_t start = tsc_now();
    for (uint64_t i = 0; i < packets; i++)
        for (uint16_t side = 0; side < 2; side++) {
            rte_eth_tx_burst(r->port[side], 0, &pkt, 1);
            while (rte_eth_rx_burst(r->port[1 - side], 0, &pkt, 1) == 0)
                ;
        }
    double ns = tsc_ns(tsc_now() - start) / (double)packets;
    rte_pktmbuf_free(pkt);
    return ns;
}

/* A packet to one peer: a copy of the body, or an empty head that the body hangs on. */
static struct rte_mbuf *addressed(struct bare *r, struct rte_mbuf *body)
{
    struct rte_mbuf *head = rte_pktmbuf_alloc(r->pool);
    if (head == NULL)
        rte_panic("bench: the bare pool is empty\n");
    if (r->bytes <= MSG_COPY_BYTES) {
        rte_memcpy(pkt_data(head), pkt_data(body), r->bytes);
        head->data_len = (uint16_t)r->bytes;
        head->pkt_len = r->bytes;
        return head;
    }
    struct rte_mbuf *part = rte_pktmbuf_alloc(r->pool);
    if (part == NULL)
        rte_panic("bench: the bare pool is empty\n");
    rte_pktmbuf_attach(part, body);
    head->data_len = FRAME_BYTES;
    head->pkt_len = FRAME_BYTES + r->bytes;
    head->next = part;
    head->nb_segs = 2;
    return head;
}

double bare_broadcast_round(struct bare *r, uint16_t peers, uint64_t broadcasts)
{
    uint64_t sum = 0, start = tsc_now();
    for (uint64_t done = 0; done < broadcasts; done += BED_BURST) {
        struct rte_mbuf *body[BED_BURST], *pkts[BED_BURST];
        for (uint16_t i = 0; i < BED_BURST; i++)
            body[i] = written(r, done + i);
        for (uint16_t q = 0; q < peers; q++) {
            for (uint16_t i = 0; i < BED_BURST; i++)
                pkts[i] = addressed(r, body[i]);
            rte_eth_tx_burst(r->port[0], 0, pkts, BED_BURST);
            receive(r, 1, &sum);
        }
        rte_pktmbuf_free_bulk(body, BED_BURST);
    }
    keep(&sum);
    return tsc_ns(tsc_now() - start) / (double)broadcasts;
}
