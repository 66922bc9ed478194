/* SPDX-License-Identifier: BSD-3-Clause */
/* Two cores: p0 on the bench's own thread, the others on a helper's. */
#include <stdio.h>
#include <stdlib.h>

#include <rte_ethdev.h>
#include <rte_lcore.h>

#include "bed.h"
#include "tsc.h"

static void bare_hear(struct duo *d)
{
    struct rte_mbuf *pkts[BED_BURST];
    uint64_t sum = 0;
    uint16_t n = rte_eth_rx_burst(d->bare->port[1], 0, pkts, BED_BURST);
    if (n == 0)
        return;
    for (uint16_t i = 0; i < n; i++)
        sum += le64_get(pkt_data(pkts[i]));
    keep(&sum);
    rte_pktmbuf_free_bulk(pkts, n);
    atomic_store_explicit(&d->bare_heard, d->bare_heard + n, memory_order_release);
}

static void bare_answer(struct duo *d)
{
    struct rte_mbuf *pkt;
    if (rte_eth_rx_burst(d->bare->port[1], 0, &pkt, 1) == 1)
        rte_eth_tx_burst(d->bare->port[1], 0, &pkt, 1);
}

/* Allocate a packet, write `bytes` of it, hand it over. */
static void bare_say(struct duo *d, uint16_t side, uint64_t number)
{
    struct rte_mbuf *pkt = rte_pktmbuf_alloc(d->bare->pool);
    if (pkt == NULL)
        rte_panic("bench: the bare pool is empty\n");
    memset(pkt_data(pkt), (int)number, d->bare->bytes);
    pkt->data_len = (uint16_t)d->bare->bytes;
    pkt->pkt_len = d->bare->bytes;
    lane_put(&d->bare->side[side].out, &pkt, 1);
}

/* Read the whole of a packet. */
static uint64_t bare_read(const struct rte_mbuf *pkt)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i + 8 <= pkt->data_len; i += 8)
        sum += le64_get(pkt_data(pkt) + i);
    return sum;
}

static void bare_hear_and_say(struct duo *d)
{
    struct rte_mbuf *pkt;
    if (lane_get(&d->bare->side[1].in, &pkt, 1) == 0)
        return;
    bare_say(d, 1, bare_read(pkt));
    rte_pktmbuf_free(pkt);
}

static void *help(void *arg)
{
    struct duo *d = arg;
    tsc_bind(1, &d->allowed);
    bool registered = rte_thread_register() == 0; /* for a cache of its own in each pool */
    int mode = DUO_IDLE;
    while (mode != DUO_STOP) {
        mode = atomic_load_explicit(&d->mode, memory_order_acquire);
        if (atomic_load_explicit(&d->seen, memory_order_relaxed) != mode)
            atomic_store_explicit(&d->seen, mode, memory_order_release);
        if (mode == DUO_BARE)
            bare_hear(d);
        else if (mode == DUO_BARE_ECHO)
            bare_answer(d);
        else if (mode == DUO_BARE_ANSWER)
            bare_hear_and_say(d);
        else if (mode == DUO_BED)
            bed_breath(d->bed, 1);
        else
            rte_pause();
    }
    if (registered)
        rte_thread_unregister();
    return NULL;
}

static void set_mode(struct duo *d, enum duo_mode mode)
{
    atomic_store_explicit(&d->mode, mode, memory_order_release);
    while (atomic_load_explicit(&d->seen, memory_order_acquire) != (int)mode)
        rte_pause();
}

struct duo *duo_open(const struct bed_conf *conf, const char **why)
{
    cpu_set_t allowed;
    pthread_getaffinity_np(pthread_self(), sizeof allowed, &allowed);
    if (CPU_COUNT(&allowed) < 2) {
        *why = "it takes two processors";
        return NULL;
    }
    struct duo *d = aligned_alloc(128, sizeof *d);
    memset(d, 0, sizeof *d);
    d->allowed = allowed;
    d->bare = bare_open(conf->bytes, why);
    d->bed = d->bare != NULL ? bed_open(conf, why) : NULL;
    if (d->bed == NULL) {
        free(d);
        return NULL;
    }
    bed_app(d->bed, (uint16_t)(conf->n - 1))->shown = &d->bed_heard;
    tsc_bind(0, &allowed);
    if (pthread_create(&d->helper, NULL, help, d) != 0) {
        *why = "no thread for the second processor";
        bed_close(d->bed);
        free(d);
        return NULL;
    }
    return d;
}

/* Let everything that is under way arrive, on one thread again. */
static void quiet(struct bed *b)
{
    uint64_t end = tsc_now() + rte_get_tsc_hz() / 100;
    while (tsc_now() < end)
        bed_breath(b, 0);
}

void duo_close(struct duo *d)
{
    set_mode(d, DUO_STOP);
    pthread_join(d->helper, NULL);
    pthread_setaffinity_np(pthread_self(), sizeof d->allowed, &d->allowed);
    quiet(d->bed);
    bed_close(d->bed);
    free(d);
}

double duo_bare_stream(struct duo *d, uint64_t ops)
{
    set_mode(d, DUO_BARE);
    uint64_t begun = d->bare_heard, end = begun + ops, start = tsc_now();
    while (begun < end) {
        struct rte_mbuf *pkts[BED_BURST];
        if (rte_pktmbuf_alloc_bulk(d->bare->pool, pkts, BED_BURST) != 0)
            continue;
        for (uint16_t i = 0; i < BED_BURST; i++) {
            memset(pkt_data(pkts[i]), (int)begun, d->bare->bytes);
            pkts[i]->data_len = (uint16_t)d->bare->bytes;
            pkts[i]->pkt_len = d->bare->bytes;
        }
        for (uint16_t sent = 0; sent < BED_BURST;)
            sent = (uint16_t)(sent + rte_eth_tx_burst(d->bare->port[0], 0, pkts + sent,
                                                      (uint16_t)(BED_BURST - sent)));
        begun += BED_BURST;
    }
    while (atomic_load_explicit(&d->bare_heard, memory_order_acquire) < begun)
        rte_pause();
    double ns = tsc_ns(tsc_now() - start) / (double)ops;
    set_mode(d, DUO_IDLE);
    return ns;
}

double duo_bed_stream(struct duo *d, uint64_t ops)
{
    struct bed *b = d->bed;
    struct bed_app *source = bed_app(b, 0);
    set_mode(d, DUO_BED);
    source->target += ops;
    b->st[0]->app_wants = true;
    uint64_t start = tsc_now();
    while (source->begun < source->target || (!b->link && source->heard < source->target) ||
           atomic_load_explicit(&d->bed_heard, memory_order_acquire) < source->target)
        co_breath(b->st[0]);
    double ns = tsc_ns(tsc_now() - start) / (double)ops;
    set_mode(d, DUO_IDLE);
    return ns;
}

/* ---- one at a time --------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static double median_ns(uint64_t *cycles, uint32_t n)
{
    qsort(cycles, n, sizeof cycles[0], by_value);
    return tsc_ns(cycles[n / 2]);
}

#define ALONE_MAX 4096

double duo_bare_echo(struct duo *d, uint32_t ops)
{
    static uint64_t cycles[ALONE_MAX];
    struct rte_mbuf *pkt = rte_pktmbuf_alloc(d->bare->pool);
    pkt->data_len = (uint16_t)d->bare->bytes;
    pkt->pkt_len = d->bare->bytes;
    set_mode(d, DUO_BARE_ECHO);
    for (uint32_t i = 0; i < ops; i++) {
        uint64_t start = tsc_now();
        rte_eth_tx_burst(d->bare->port[0], 0, &pkt, 1);
        while (rte_eth_rx_burst(d->bare->port[0], 0, &pkt, 1) == 0)
            ;
        cycles[i] = tsc_now() - start;
    }
    set_mode(d, DUO_IDLE);
    rte_pktmbuf_free(pkt);
    return median_ns(cycles, ops);
}

double duo_bare_answer(struct duo *d, uint32_t ops)
{
    static uint64_t cycles[ALONE_MAX];
    struct rte_mbuf *pkt;
    set_mode(d, DUO_BARE_ANSWER);
    for (uint32_t i = 0; i < ops; i++) {
        uint64_t start = tsc_now();
        bare_say(d, 0, i);
        while (lane_get(&d->bare->side[0].in, &pkt, 1) == 0)
            ;
        uint64_t sum = bare_read(pkt);
        keep(&sum);
        cycles[i] = tsc_now() - start;
        rte_pktmbuf_free(pkt);
    }
    set_mode(d, DUO_IDLE);
    return median_ns(cycles, ops);
}

/* From p0's request to its own indication; the next request is made in the same breath. */
double duo_bed_alone(struct duo *d, uint32_t ops)
{
    static uint64_t cycles[ALONE_MAX];
    struct bed *b = d->bed;
    struct bed_app *source = bed_app(b, 0);
    b->took = cycles;
    set_mode(d, DUO_BED);
    source->target += ops;
    b->alone = b->st[0]->app_wants = true;
    while (source->heard < source->target)
        co_breath(b->st[0]);
    b->alone = false;
    b->took = NULL;
    set_mode(d, DUO_IDLE);
    return median_ns(cycles, ops);
}
