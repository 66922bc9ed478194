/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The simulator on one core, all checkers on: ns for each complete schedule of a broadcast, for
 * each component event, for each distinct state of an exhaustive search; and how an event's cost
 * grows with n. No floor: what is simulated has no cheaper form.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "bench.h"
#include "control/explore.h"
#include "dataplane/eal.h"

#define POOL_PKTS 65535
#define PKT_BYTES 1024

static const char *const stacks[] = {"beb", "rb_eager", "urb"};

struct lab {
    struct sim_world *w;
    struct adversary *a;
    struct sim_job job;
    struct mix mix;
    struct explore_conf search;
    uint64_t seed;
    uint64_t schedules, events, transitions, states, ns;
};

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static struct rte_mempool *lab_pool(void)
{
    static struct rte_mempool *pool;
    if (pool == NULL)
        pool = eal_pool("bench-sim", POOL_PKTS, 256, PKT_BYTES);
    return pool;
}

static struct lab *lab_open(const char *stack, uint16_t n, uint32_t ops, const char **why)
{
    struct lab *l = calloc(1, sizeof *l);
    struct rte_mempool *pool = lab_pool();
    l->w = pool != NULL ? sim_world_new(pool) : NULL;
    l->a = adversary_new();
    if (l->w == NULL || l->a == NULL) {
        *why = "no memory for a simulated world";
        return NULL;
    }
    l->job = (struct sim_job){.def = stack_find(stack), .n = n, .ops = ops, .delay_ns = 20000};
    l->w->recording = false;
    return l;
}

static void lab_close(void *ctx)
{
    struct lab *l = ctx;
    sim_world_free(l->w);
    adversary_free(l->a);
    free(l);
}

static void start(struct lab *l)
{
    char why[256];
    l->job.seed = ++l->seed;
    if (sim_world_start(l->w, &l->job, why, sizeof why) != 0)
        rte_panic("bench: %s\n", why);
}

static void count(struct lab *l, uint64_t schedules, uint64_t begin)
{
    l->ns += now_ns() - begin;
    l->schedules += schedules;
}

static void must_hold(const struct lab *l)
{
    uint16_t layer;
    if (sim_world_violation(l->w, &layer) != NULL)
        rte_panic("bench: a property was violated in seed %u\n", (unsigned)l->seed);
}

/* ---- complete schedules ---------------------------------------------------------------------- */

#define SCHEDULES 200 /* in a round */

/* A broadcast of p0, every order of its frames equally likely, to its end; then judged. */
static void schedule(struct lab *l)
{
    struct sim_world *w = l->w;
    struct choice c;
    start(l);
    struct random r = random_seeded(l->seed, 1);
    for (uint16_t p = 0; p < w->n; p++) {
        c = (struct choice){.kind = CHOICE_STEP, .p = p};
        sim_world_apply(w, &c);
    }
    sim_world_request(w, 0, &c);
    sim_world_apply(w, &c);
    while (w->sim.flights > 0) {
        c = choice_frame(CHOICE_DELIVER, &w->sim, random_below(&r, w->sim.flights));
        sim_world_apply(w, &c);
    }
    sim_world_end(w, true);
    must_hold(l);
    l->events += w->events;
}

static double schedules_round(void *ctx)
{
    struct lab *l = ctx;
    uint64_t begin = now_ns();
    for (int i = 0; i < SCHEDULES; i++)
        schedule(l);
    uint64_t ns = now_ns() - begin;
    count(l, SCHEDULES, begin);
    return (double)ns / SCHEDULES;
}

static void *schedules_open(const int64_t *args, const char **why)
{
    return lab_open(stacks[args[0]], 3, 1, why);
}

static void schedules_report(void *ctx, struct bench_out *out)
{
    struct lab *l = ctx;
    bench_put(out, "schedules/s", (double)l->schedules * 1e9 / (double)l->ns);
    bench_put(out, "events/s", (double)l->events * 1e9 / (double)l->ns);
}

BENCH(sim_schedule, .arg_names = {"stack"}, .rounds = 101, .cases = {{0}, {1}, {2}},
      .case_count = 3, .open = schedules_open, .subject = schedules_round,
      .report = schedules_report, .close = lab_close,
      .wanted = "at least 20 k schedules/s: 50,000 ns or less (0 beb, 1 rb_eager, 2 urb)")

/* ---- an adversary's schedule, with its faults and its fair phase ----------------------------- */

static double adversary_round(void *ctx)
{
    struct lab *l = ctx;
    uint64_t begin = now_ns();
    for (int i = 0; i < SCHEDULES / 4; i++) {
        start(l);
        if (adversary_run(l->a, l->w, &l->mix, l->seed).violated)
            rte_panic("bench: a property was violated in seed %u\n", (unsigned)l->seed);
        l->events += l->w->events;
    }
    uint64_t ns = now_ns() - begin;
    count(l, SCHEDULES / 4, begin);
    return (double)ns / (SCHEDULES / 4);
}

static void *adversary_open(const int64_t *args, const char **why)
{
    struct lab *l = lab_open(stacks[args[0]], 3, 1, why);
    if (l != NULL)
        l->mix = mix_default(STRATEGY_RANDOM, l->job.def, 3);
    return l;
}

BENCH(sim_adversary, .arg_names = {"stack"}, .rounds = 51, .cases = {{0}, {1}, {2}},
      .case_count = 3, .open = adversary_open, .subject = adversary_round,
      .report = schedules_report, .close = lab_close,
      .wanted = "at least 1 M events/s (0 beb, 1 rb_eager, 2 urb)")

/* ---- events, and how they grow with n -------------------------------------------------------- */

#define DELIVERIES 4096 /* frames, in a round */

/* Among n processes, and beside it among three: the floor of "not growing with n". */
struct crowd {
    struct lab *many, *few;
};

/* Requests of all processes in turn, frames in the order of sending. ns for each event. */
static double events(struct lab *l)
{
    struct sim_world *w = l->w;
    uint64_t events = w->events, begin = now_ns();
    uint16_t p = 0;
    for (int i = 0; i < DELIVERIES; i++) {
        struct choice c;
        if (w->sim.flights > 0) {
            c = choice_frame(CHOICE_DELIVER, &w->sim, 0);
            sim_world_apply(w, &c);
        } else if (sim_world_request(w, p = (uint16_t)((p + 1) % w->n), &c)) {
            sim_world_apply(w, &c);
        } else if (sim_world_timed(w, &c)) {
            sim_world_apply(w, &c);
        }
    }
    must_hold(l);
    l->events += w->events - events;
    uint64_t ns = now_ns() - begin;
    count(l, 0, begin);
    return (double)ns / (double)(w->events - events);
}

static double events_round(void *ctx)
{
    return events(((struct crowd *)ctx)->many);
}

static double events_floor(void *ctx)
{
    return events(((struct crowd *)ctx)->few);
}

static struct lab *events_lab(uint16_t n, const char **why)
{
    struct lab *l = lab_open("beb", n, 1u << 20, why);
    if (l == NULL)
        return NULL;
    l->job.conf = (struct stack_conf){.ring_msgs = 16, .flight_msgs = 4, .inbox_events = 2048};
    start(l);
    return l;
}

static void *events_open(const int64_t *args, const char **why)
{
    struct crowd *c = calloc(1, sizeof *c);
    c->many = events_lab((uint16_t)args[0], why);
    c->few = c->many != NULL ? events_lab(3, why) : NULL;
    return c->few != NULL ? c : NULL;
}

static void events_report(void *ctx, struct bench_out *out)
{
    struct lab *l = ((struct crowd *)ctx)->many;
    bench_put(out, "events/s", (double)l->events * 1e9 / (double)l->ns);
}

static void events_close(void *ctx)
{
    struct crowd *c = ctx;
    lab_close(c->many);
    lab_close(c->few);
    free(c);
}

BENCH(sim_events, .arg_names = {"n"}, .rounds = 51, .cases = {{3}, {10}, {100}, {1000}},
      .case_count = 4, .open = events_open, .floor = events_floor, .subject = events_round,
      .report = events_report, .close = events_close,
      .wanted = "1,000 ns or less for an event of beb, not growing with n (floor: n = 3)")

/* ---- states ---------------------------------------------------------------------------------- */

static double states_round(void *ctx)
{
    struct lab *l = ctx;
    struct explore_result r;
    char why[256];
    l->w->recording = true; /* a backtrack runs the record again */
    if (explore_run(l->w, &l->search, &r, why, sizeof why) != 0 || r.out.violated)
        rte_panic("bench: the search ended: %s\n", r.out.violated ? r.out.result.code : why);
    l->states += r.states;
    l->transitions += r.transitions;
    l->ns += r.ns;
    return (double)r.ns / (double)r.states;
}

static void *states_open(const int64_t *args, const char **why)
{
    struct lab *l = lab_open(stacks[args[0]], 3, 1, why);
    if (l != NULL)
        l->search = (struct explore_conf){.job = l->job,
                                          .sources = 2,
                                          .crashes = 1,
                                          .states_max = 20000,
                                          .safety_only = true};
    return l;
}

static void states_report(void *ctx, struct bench_out *out)
{
    struct lab *l = ctx;
    bench_put(out, "states/s", (double)l->states * 1e9 / (double)l->ns);
    bench_put(out, "transitions/s", (double)l->transitions * 1e9 / (double)l->ns);
}

BENCH(sim_states, .arg_names = {"stack"}, .rounds = 7, .cases = {{0}, {1}, {2}}, .case_count = 3,
      .open = states_open, .subject = states_round, .report = states_report, .close = lab_close)
