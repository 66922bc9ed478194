/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device null takes everything and delivers zeros without end: what is left is our own cost.
 *
 * Transmit: p0 broadcasts, nobody ever acknowledges, and it begins again before a window is full;
 * its breaths refuse what the device delivers on the side. Floor: a packet of the same size to each
 * peer. Reject: a breath in which nothing happens but frames of zeros. Floor: receive and free.
 */
#include <stdlib.h>

#include <rte_ethdev.h>

#include "bed.h"
#include "bench.h"
#include "dataplane/env_dpdk.h"
#include "tsc.h"

#define N       3
#define BYTES   64
#define OPS     512 /* fits every window */
#define BREATHS 1024

static void *null_open(const char *stack, const char **why)
{
    struct bed_conf conf = {.stack = stack,
                            .device = "null",
                            .n = N,
                            .bytes = BYTES,
                            .stack_conf = {.detect_ns = 100 * BED_SECOND,
                                           .heartbeat_ns = 10 * BED_SECOND}};
    return bed_open(&conf, why);
}

static struct env_dpdk *env_of_p0(struct bed *b)
{
    return (struct env_dpdk *)fabric_env(b->fabric, 0);
}

static double transmit_floor(void *ctx)
{
    struct env_dpdk *e = env_of_p0(ctx);
    struct rte_mbuf *pkts[BED_BURST];
    uint64_t start = tsc_now();
    for (uint32_t done = 0; done < OPS; done += BED_BURST)
        for (uint16_t q = 1; q < N; q++) {
            if (rte_pktmbuf_alloc_bulk(e->env.pool, pkts, BED_BURST) != 0)
                rte_panic("bench: the pool is empty\n");
            for (uint16_t i = 0; i < BED_BURST; i++) {
                memset(pkt_data(pkts[i]), (int)done, BYTES);
                pkts[i]->data_len = BYTES;
                pkts[i]->pkt_len = BYTES;
            }
            rte_eth_tx_burst(e->peer[q].tx.port, e->peer[q].tx.queue, pkts, BED_BURST);
        }
    return tsc_ns(tsc_now() - start) / OPS;
}

static double transmit(void *ctx)
{
    struct bed *b = ctx;
    bed_begin_again(b, 0);
    struct bed_app *source = bed_app(b, 0);
    source->target = OPS;
    b->st[0]->app_wants = true;
    uint64_t start = tsc_now(), before;
    do { /* until it waits for somebody's answer */
        before = source->begun;
        co_breath(b->st[0]);
    } while (source->begun < OPS && source->begun > before);
    return tsc_ns(tsc_now() - start) / (double)source->begun;
}

static double reject_floor(void *ctx)
{
    struct env_dpdk *e = env_of_p0(ctx);
    struct rte_mbuf *pkts[BED_BURST];
    uint64_t start = tsc_now();
    for (int i = 0; i < BREATHS; i++) {
        uint16_t n = rte_eth_rx_burst(e->source[0].port, e->source[0].queue, pkts, BED_BURST);
        rte_pktmbuf_free_bulk(pkts, n);
    }
    return tsc_ns(tsc_now() - start) / (BREATHS * BED_BURST);
}

static double reject(void *ctx)
{
    struct bed *b = ctx;
    uint64_t start = tsc_now();
    for (int i = 0; i < BREATHS; i++)
        co_breath(b->st[0]);
    return tsc_ns(tsc_now() - start) / (BREATHS * BED_BURST);
}

static void null_close(void *ctx)
{
    bed_close(ctx);
}

#define TRANSMIT(stack)                                                                        \
    static void *stack##_open(const int64_t *args, const char **why)                           \
    {                                                                                          \
        (void)args;                                                                            \
        return null_open(#stack, why);                                                         \
    }                                                                                          \
    BENCH(null_transmit_##stack, .rounds = 301, .open = stack##_open, .floor = transmit_floor, \
          .subject = transmit, .close = null_close)

TRANSMIT(beb)
TRANSMIT(rb_lazy)
TRANSMIT(rb_eager)
TRANSMIT(urb_all_ack)
TRANSMIT(urb)

BENCH(null_reject, .rounds = 301, .open = beb_open, .floor = reject_floor, .subject = reject,
      .close = null_close)
