/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One hop: trigger an event, and the handler of the component that it is for runs.
 *
 * The floor stores the same events into a plain array and calls the same handler through a pointer.
 */
#include <stdlib.h>

#include "bench.h"
#include "dataplane/env_sim.h"
#include "protocols/co.h"
#include "tsc.h"

#define EVENTS 65536 /* in one round */

struct sink {
    struct co co;
    uint64_t sum;
};

static size_t sink_bytes(const struct stack_conf *conf)
{
    (void)conf;
    return sizeof(struct sink);
}

static void upon_broadcast(struct co *self, const struct ev *ev, uint32_t n)
{
    struct sink *s = (struct sink *)self;
    for (uint32_t i = 0; i < n; i++)
        s->sum += ev[i].attr;
}

static co_upon_fn *const sink_upon[EV_TYPES] = {[EV_BEB_BROADCAST] = upon_broadcast};
static const struct co_class sink_class = {.name = "sink",
                                           .title = "counts what it is told",
                                           .implements = ABS_BEB,
                                           .bytes = sink_bytes,
                                           .upon = sink_upon};
static const struct stack_def hop_def =
    {.name = "hop",
     .top = "sink",
     .layers = (const struct stack_layer[]){{"sink", &sink_class, {NULL}}, {0}}};

static uint64_t no_time(struct env *env)
{
    (void)env;
    return 0;
}

static const struct env_ops no_ops = {NULL, NULL, no_time};

struct hop {
    struct env env;
    uint64_t counters[COUNTERS];
    void *mem;
    struct stack *st;
    struct ev *plain;
    co_upon_fn *volatile handler;
    uint32_t batch;
};

static void *hop_open(const int64_t *args, const char **why)
{
    struct hop *h = calloc(1, sizeof *h);
    struct stack_conf conf = {.n = 1, .batch_events = CO_BATCH_EVENTS};
    stack_conf_default(&conf);
    if (h == NULL || co_check_wiring(&hop_def, NULL, &conf, (char[256]){0}, 256) != 0) {
        *why = "its stack does not fit";
        return NULL;
    }
    h->env = (struct env){.ops = &no_ops, .counters = h->counters};
    h->mem = aligned_alloc(64, co_wire_bytes(&hop_def, NULL, &conf));
    h->st = co_wire(h->mem, &hop_def, NULL, &conf, &h->env);
    h->plain = aligned_alloc(64, CO_BATCH_EVENTS * sizeof(struct ev));
    h->handler = upon_broadcast;
    h->batch = (uint32_t)args[0];
    return h;
}

static double hop_floor(void *ctx)
{
    struct hop *h = ctx;
    struct co *sink = h->st->co[0];
    uint64_t start = tsc_now();
    for (uint32_t i = 0; i < EVENTS; i += h->batch) {
        for (uint32_t k = 0; k < h->batch; k++)
            h->plain[k] = ev_make(EV_BEB_BROADCAST, 0, 0, i + k, MSG_NONE);
        keep(h->plain);
        h->handler(sink, h->plain, h->batch);
    }
    return tsc_ns(tsc_now() - start) / EVENTS;
}

static double hop_subject(void *ctx)
{
    struct hop *h = ctx;
    struct co *sink = h->st->co[0];
    uint64_t start = tsc_now();
    for (uint32_t i = 0; i < EVENTS; i += h->batch) {
        for (uint32_t k = 0; k < h->batch; k++)
            trigger(sink, ev_make(EV_BEB_BROADCAST, 0, 0, i + k, MSG_NONE));
        co_run(h->st);
    }
    return tsc_ns(tsc_now() - start) / EVENTS;
}

static void hop_close(void *ctx)
{
    struct hop *h = ctx;
    free(h->plain);
    free(h->mem);
    free(h);
}

BENCH(hop, .arg_names = {"batch"}, .cases = {{1}, {8}, {32}, {64}}, .case_count = 4,
      .open = hop_open, .floor = hop_floor, .subject = hop_subject, .close = hop_close,
      .wanted = "at most 3 ns per event at batch 32")
