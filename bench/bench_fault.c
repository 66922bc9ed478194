/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The fault engine, off and on.
 *
 * Off: breaths as a worker takes them, which looks for orders, beside breaths alone; no rule is
 * armed, so the stack's environment is the device's. On: packets through a rule to a device that
 * takes everything, beside the same packets to the device itself.
 */
#include <stdlib.h>

#include "bed.h"
#include "bench.h"
#include "control/process.h"
#include "tsc.h"

#define OPS     2048
#define PACKETS 8192
#define BYTES   64

/* ---- off ----------------------------------------------------------------------------------------- */

struct off {
    struct bed *bed;
    struct orders *orders;
    struct process process[2];
};

static void *off_open(const int64_t *args, const char **why)
{
    (void)args;
    struct off *o = calloc(1, sizeof *o);
    struct bed_conf conf = {.stack = "pl",
                            .n = 2,
                            .bytes = BYTES,
                            .stack_conf = {.detect_ns = 100 * BED_SECOND}};
    if (o == NULL || (o->bed = bed_open(&conf, why)) == NULL)
        return NULL;
    o->orders = aligned_alloc(64, 2 * sizeof o->orders[0]);
    if (o->orders == NULL) {
        *why = "no memory for orders";
        return NULL;
    }
    memset(o->orders, 0, 2 * sizeof o->orders[0]);
    for (uint16_t p = 0; p < 2; p++)
        if (process_init(&o->process[p], o->bed->st[p], &o->orders[p],
                         &(struct process_conf){.seed = 1, .held_max = 64}) != 0)
            rte_panic("bench: no memory\n");
    return o;
}

static void begin(struct off *o)
{
    bed_app(o->bed, 0)->target += OPS;
    o->bed->st[0]->app_wants = true;
}

static bool under_way(struct off *o)
{
    return bed_app(o->bed, 1)->heard < bed_app(o->bed, 0)->target;
}

static double off_floor(void *ctx)
{
    struct off *o = ctx;
    begin(o);
    uint64_t start = tsc_now();
    while (under_way(o))
        for (uint16_t p = 0; p < 2; p++)
            co_breath(o->process[p].st);
    return tsc_ns(tsc_now() - start) / OPS;
}

static double off_subject(void *ctx)
{
    struct off *o = ctx;
    begin(o);
    uint64_t start = tsc_now();
    while (under_way(o))
        for (uint16_t p = 0; p < 2; p++)
            process_step(&o->process[p]);
    return tsc_ns(tsc_now() - start) / OPS;
}

static void off_close(void *ctx)
{
    struct off *o = ctx;
    for (uint16_t p = 0; p < 2; p++)
        process_fini(&o->process[p]);
    bed_close(o->bed);
    free(o->orders);
    free(o);
}

BENCH(fault_off, .rounds = 301, .open = off_open, .floor = off_floor, .subject = off_subject,
      .close = off_close, .wanted = "a ratio of 1.00")

/* ---- on ------------------------------------------------------------------------------------------ */

struct on {
    struct bed *bed;
    struct env_fault fault;
};

static const char *const rules[] = {"loss 10% 0->1", "loss 10% 1->0", "duplicate 10%",
                                    "delay uniform 1us 20us", "rate 1M/s"};

static void *on_open(const int64_t *args, const char **why)
{
    struct on *o = calloc(1, sizeof *o);
    struct bed_conf conf = {.stack = "beb", .device = "null", .n = 2, .bytes = BYTES};
    struct fault_rule rule;
    static char sentence[256];
    if (o == NULL || (o->bed = bed_open(&conf, why)) == NULL)
        return NULL;
    struct stack *st = o->bed->st[0];
    const struct env_fault_conf fault = {.me = st->me, .seed = 7, .held_max = 1024};
    if (env_fault_init(&o->fault, st->env, &fault) != 0 ||
        fault_parse(rules[args[0]], &rule, sentence, sizeof sentence) != 0) {
        *why = sentence;
        return NULL;
    }
    env_fault_arm(&o->fault, 0, &rule);
    return o;
}

static double send_all(struct env *env)
{
    struct rte_mbuf *pkts[BED_BURST];
    uint64_t start = tsc_now();
    for (uint32_t done = 0; done < PACKETS; done += BED_BURST) {
        if (rte_pktmbuf_alloc_bulk(env->pool, pkts, BED_BURST) != 0)
            rte_panic("bench: the pool is empty\n");
        for (uint16_t i = 0; i < BED_BURST; i++) {
            memset(pkt_data(pkts[i]), (int)done, BYTES);
            pkts[i]->data_len = BYTES;
            pkts[i]->pkt_len = BYTES;
        }
        env->ops->tx(env, 1, pkts, BED_BURST);
    }
    return tsc_ns(tsc_now() - start) / PACKETS;
}

static double on_floor(void *ctx)
{
    struct on *o = ctx;
    return send_all(o->fault.below);
}

/* What is held back leaves when the next burst is sent: a breath polls in between, too. */
static double on_subject(void *ctx)
{
    struct on *o = ctx;
    double ns = send_all(&o->fault.env);
    env_fault_poll(&o->fault);
    return ns;
}

static void on_close(void *ctx)
{
    struct on *o = ctx;
    env_fault_fini(&o->fault);
    bed_close(o->bed);
    free(o);
}

BENCH(fault_on, .arg_names = {"rule"}, .cases = {{0}, {1}, {2}, {3}, {4}}, .case_count = 5,
      .rounds = 301, .open = on_open, .floor = on_floor, .subject = on_subject, .close = on_close,
      .wanted = "10 M packets/s through a loss rule: at most 100 ns")
