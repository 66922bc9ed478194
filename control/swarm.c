/* SPDX-License-Identifier: BSD-3-Clause */
/* What a seed draws: load, sizes, strategy and faults; and how a mix is printed. */
#include "adversary.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define STREAM_SWARM  0x7377726du /* streams of a seed, apart from those of the processes */
#define STREAM_HEALED 0x6865616cu
#define STREAM_STORE  0x73746f72u
#define STREAM_LIES   0x6c696573u
#define STREAM_LOAD   0x6c6f6164u
#define MS            1000000ull

static uint32_t one_of(struct random *r, const uint32_t *values, uint32_t count)
{
    return values[random_below(r, count)];
}
#define ONE_OF(r, ...)                         \
    one_of(r, (const uint32_t[]){__VA_ARGS__}, \
           (uint32_t)(sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t)))

/* Off in half of the cases, else anything between rare and often. */
static uint32_t draw_ppm(struct random *r, uint32_t most)
{
    uint32_t odds = random_below(r, 2), shift = random_below(r, 6);
    return odds == 0 ? 0 : most >> shift;
}

/*
 * Tables that wrap soon. A ring holds what every process may have outstanding at once: with less,
 * broadcasts that relay can fill all rings, and each end sheds what would let the other proceed.
 */
static void draw_sizes(struct random *r, struct sim_job *job)
{
    struct stack_conf *c = &job->conf;
    c->flight_msgs = ONE_OF(r, 2, 4, 16);
    c->frame_records = ONE_OF(r, 1, 2, 4);
    c->batch_events = ONE_OF(r, 1, 2, 5, 64);
    c->msg_copy_bytes = ONE_OF(r, 1, 64, 512);
    c->store_msgs = ONE_OF(r, 8, 16);
    c->ring_msgs = job->n <= 4 ? 128 : job->n <= 8 ? 256 : 1024;
    c->instances = ONE_OF(r, 8, 16, 64);
    c->forward = random_below(r, 2) == 0;
    job->msg_bytes = ONE_OF(r, 8, 8, 40, 200);
    job->ops = ONE_OF(r, 1, 2, 3, 5, 8, 40);
    struct sim_needs needs = sim_needs(job->def);
    if (needs.endless && job->ops > 8) /* all is sent again, to everybody, for ever */
        job->ops = 8;
    if (job->ops > 8) /* nobody is given up: a ring keeps all that a crashed process was sent */
        c->ring_msgs = 1024;
    /* See ep_read_write: rows for what overtakes, and for whom a false suspicion leaves behind. */
    if (c->instances < 2 * c->flight_msgs || c->instances < 8 * job->ops)
        c->instances = job->ops > 8 ? 512 : 64;
    if (needs.disk) {
        /* A compaction stores a record for each process, and all that is live, in one step. */
        job->ops = job->ops > 8 ? 8 : job->ops;
        while (c->store_msgs < 8u * job->n)
            c->store_msgs *= 2;
        while (c->ring_msgs < c->store_msgs)
            c->ring_msgs *= 2;
        job->disk_ns = ONE_OF(r, 1000, 100000, 1000000);
        job->lag = ONE_OF(r, 0, 0, 1, 2);
    }
    if (!sim_needs(job->def).synchronous)
        return;
    /* The bound that P relies on holds for messages, so no backlog may wait for credit. */
    c->flight_msgs = 16;
    c->heartbeat_ns = 5 * MS;
    c->detect_ns = 50 * MS;
    job->ops = job->ops > 8 ? 8 : job->ops;
}

static void add_rule(struct sim_job *job, struct fault_rule rule)
{
    if (job->faults < FAULT_RULES_MAX)
        job->fault[job->faults++] = rule;
}

/* A delay law for a schedule that keeps time. P is promised a bound. */
static void draw_delay(struct random *r, struct sim_job *job, bool synchronous)
{
    struct fault_rule rule = {.kind = FAULT_DELAY,
                              .from = FAULT_ANY,
                              .to = FAULT_ANY,
                              .ppm = FAULT_PPM};
    rule.law = (uint8_t)random_below(r, LAWS);
    rule.a_ns = ONE_OF(r, 1000, 20000, 200000);
    rule.b_ns = synchronous ? 400000 : ONE_OF(r, 400000, 5000000, 50000000);
    add_rule(job, rule);
}

/* A window in which a rule holds; where no clock is kept, choices arm and disarm it. */
static void draw_window(struct random *r, const struct mix *mix, struct fault_rule *rule)
{
    uint64_t since_ns = random_below(r, 20) * MS;
    uint64_t until_ns = since_ns + (1 + random_below(r, 40)) * MS;
    rule->off = mix->strategy != STRATEGY_TIMED;
    if (!rule->off) {
        rule->since_ns = since_ns;
        rule->until_ns = until_ns;
    }
}

/* A cut for a while: in two, in one direction, or of one process. */
static void draw_cut(struct random *r, struct sim_job *job, const struct mix *mix)
{
    struct fault_rule rule = {.from = FAULT_ANY, .to = FAULT_ANY, .ppm = FAULT_PPM};
    rule.kind = (uint8_t)ONE_OF(r, FAULT_PARTITION, FAULT_ONEWAY);
    draw_window(r, mix, &rule);
    bool isolate = random_below(r, 2) != 0;
    rule.side = isolate ? 1ull << random_below(r, job->n) % FAULT_SET_PROCS : random_u64(r) | 1;
    add_rule(job, rule);
}

static void draw_omission(struct random *r, struct sim_job *job)
{
    struct fault_rule rule = {.from = FAULT_ANY, .to = FAULT_ANY, .off = true};
    rule.kind = (uint8_t)ONE_OF(r, FAULT_SEND_OMIT, FAULT_RECEIVE_OMIT);
    rule.ppm = ONE_OF(r, 20000, 200000, 1000000);
    uint16_t p = (uint16_t)random_below(r, job->n);
    if (rule.kind == FAULT_SEND_OMIT)
        rule.from = p;
    else
        rule.to = p;
    add_rule(job, rule);
}

static void draw_loss(struct random *r, struct sim_job *job)
{
    struct fault_rule rule = {.kind = FAULT_LOSS, .from = FAULT_ANY, .to = FAULT_ANY};
    rule.ppm = ONE_OF(r, 10000, 100000, 400000);
    add_rule(job, rule);
}

/* Some frames are held back, and others overtake them. */
static void draw_reorder(struct random *r, struct sim_job *job)
{
    struct fault_rule rule = {.kind = FAULT_REORDER, .from = FAULT_ANY, .to = FAULT_ANY};
    rule.ppm = ONE_OF(r, 10000, 100000, 500000);
    rule.law = (uint8_t)random_below(r, LAWS);
    rule.a_ns = ONE_OF(r, 50000, 500000, 5000000);
    rule.b_ns = 50000000;
    add_rule(job, rule);
}

/* Edges carry so much and no more. */
static void draw_rate(struct random *r, struct sim_job *job)
{
    struct fault_rule rule = {.kind = FAULT_RATE,
                              .from = FAULT_ANY,
                              .to = FAULT_ANY,
                              .ppm = FAULT_PPM};
    rule.per_s = ONE_OF(r, 500, 2000, 10000);
    rule.burst = ONE_OF(r, 1, 4, 32);
    add_rule(job, rule);
}

static void draw_slow_disk(struct random *r, struct sim_job *job)
{
    struct fault_rule rule = {.kind = FAULT_DISK_SLOW, .to = FAULT_ANY, .ppm = FAULT_PPM};
    bool all = random_below(r, 2) == 0;
    rule.from = all ? FAULT_ANY : (uint16_t)random_below(r, job->n);
    rule.law = (uint8_t)random_below(r, LAWS);
    rule.a_ns = ONE_OF(r, 100000, 1000000, 10000000);
    rule.b_ns = 50000000;
    add_rule(job, rule);
}

/* Heartbeats alone come late, or when the rule is over: Ω and ◇P may err for so long. */
static void draw_heartbeats(struct random *r, struct sim_job *job, const struct mix *mix)
{
    struct fault_rule rule = {.befalls = FAULT_HEARTBEATS, .from = FAULT_ANY, .to = FAULT_ANY};
    rule.kind = (uint8_t)ONE_OF(r, FAULT_DELAY, FAULT_LOSS);
    rule.ppm = rule.kind == FAULT_DELAY ? FAULT_PPM : ONE_OF(r, 100000, 500000, 1000000);
    if (random_below(r, 2) == 0)
        rule.from = (uint16_t)random_below(r, job->n);
    if (rule.kind == FAULT_DELAY) {
        rule.law = (uint8_t)random_below(r, LAWS);
        rule.a_ns = ONE_OF(r, 1000000, 10000000, 50000000);
        rule.b_ns = 100000000;
    }
    draw_window(r, mix, &rule);
    add_rule(job, rule);
}

/* Restarts, and what disks do to processes; those of a few may break their word. */
static void draw_disk(struct random *r, const struct sim_job *job, struct mix *mix)
{
    mix->restarts = (uint16_t)ONE_OF(r, 0, 1, 2, 4, 8);
    mix->crash *= 2;
    mix->recover = ONE_OF(r, 10000, 50000, 200000);
    mix->disk_fail = draw_ppm(r, 50000);
    mix->disk_lie = draw_ppm(r, 200000);
    mix->flip = draw_ppm(r, 20000);
    for (uint16_t i = 0; i < mix->crashes && random_below(r, 2) == 0; i++)
        mix->bad_disks |= 1ull << random_below(r, job->n) % 64;
}

static void draw_mix(struct random *r, const struct sim_job *job, struct mix *mix)
{
    bool synchronous = sim_needs(job->def).synchronous;
    uint32_t which = random_below(r, 100);
    *mix = mix_default(which < 20   ? STRATEGY_TIMED
                       : which < 45 ? STRATEGY_PCTCP
                                    : STRATEGY_RANDOM,
                       job->def, job->n);
    mix->depth = (uint8_t)(1 + random_below(r, 5));
    mix->steps = ONE_OF(r, 30, 60, 100, 200, 400) * (job->ops > 8 ? 4 : 1);
    uint32_t requests = ONE_OF(r, 30000, 100000, 300000);
    mix->request = mix->strategy == STRATEGY_PCTCP ? 0 : requests;
    mix->crash = draw_ppm(r, 40000);
    mix->duplicate = draw_ppm(r, 200000);
    if (synchronous)
        return;
    mix->drop = draw_ppm(r, 300000);
    mix->corrupt = draw_ppm(r, 100000);
    mix->arrive = draw_ppm(r, 500000);
    uint32_t timers = draw_ppm(r, 200000);
    mix->timer = mix->strategy == STRATEGY_TIMED ? 0 : timers;
    mix->pause = draw_ppm(r, 20000);
    mix->arm = 30000u >> random_below(r, 6);
    if (sim_needs(job->def).disk)
        draw_disk(r, job, mix);
    if (adversary_may_lie(job->def)) /* for as long as the adversary likes, not for ever */
        mix->lie = draw_ppm(r, 20000);
}

/*
 * Of a few seeds the healed world is no quick one. Partial synchrony (Dwork, Lynch, Stockmeyer 1988)
 * promises a bound and does not tell it: frames arrive in convoys, further apart than any detector
 * waits at first. And of processes that recover one need never stop crashing.
 */
static void draw_healed(uint64_t seed, struct sim_job *job)
{
    struct random r = random_seeded(seed, STREAM_HEALED);
    struct sim_needs needs = sim_needs(job->def);
    uint32_t which = random_below(&r, 16);
    if (which == 0 && needs.detector && !needs.synchronous) {
        job->conf.detect_ns = 2 * MS;
        job->conf.flight_msgs = 16; /* traffic holds heartbeats up, but not for long */
        job->conf.instances = job->conf.instances < 64 ? 64 : job->conf.instances;
        job->ops = job->ops > 3 ? 3 : job->ops;
        job->convoy_ns = ONE_OF(&r, 5, 7) * MS;
    } else if (which == 1 && needs.disk) {
        job->unstable = (uint16_t)(1 + random_below(&r, job->n));
    }
}

/*
 * Of a third of the seeds much load for small tables: rows of consensus are used again and again, also
 * ahead of somebody who was suspected, and a log is compacted a few times. What is sent again to
 * everybody for ever costs too much among many.
 */
static void draw_load(uint64_t seed, struct sim_job *job)
{
    struct random r = random_seeded(seed, STREAM_LOAD);
    struct sim_needs needs = sim_needs(job->def);
    const bool rows = needs.omega && needs.majority;
    if (random_below(&r, 3) != 0 || !(needs.disk || rows) || job->n > (needs.endless ? 4 : 5))
        return;
    job->ops = ONE_OF(&r, 20, 30, rows ? 60 : 40);
    job->conf.ring_msgs = 1024;
    if (!rows)
        return;
    job->conf.instances = ONE_OF(&r, 8, 16, 64);
    if (job->conf.flight_msgs * 2 > job->conf.instances)
        job->conf.flight_msgs = job->conf.instances / 2;
}

/* Of a few seeds the log's queue is short: who stores waits for room, and windows are of one. */
static void draw_short_queue(uint64_t seed, struct sim_job *job)
{
    struct random r = random_seeded(seed, STREAM_STORE);
    if (sim_needs(job->def).disk && random_below(&r, 4) == 0)
        job->conf.store_msgs = ONE_OF(&r, 2, 4, 8);
}

/* Of a quarter of the seeds P lies. What does not rest on its accuracy must stand that. */
static void draw_lies(uint64_t seed, struct sim_job *job, struct mix *mix)
{
    struct random r = random_seeded(seed, STREAM_LIES);
    if (!sim_needs(job->def).synchronous || random_below(&r, 4) != 0)
        return;
    mix->lie = ONE_OF(&r, 5000, 20000, 80000);
    job->lies_void = true;
}

/* Rules of the network, of disks, and of heartbeats. P is promised a bound, and that nothing is lost. */
static void draw_rules(struct random *r, struct sim_job *job, const struct mix *mix)
{
    struct sim_needs needs = sim_needs(job->def);
    bool timed = mix->strategy == STRATEGY_TIMED;
    if (timed)
        draw_delay(r, job, needs.synchronous);
    if (needs.synchronous)
        return;
    for (uint32_t cuts = random_below(r, 5); cuts > 2; cuts--)
        draw_cut(r, job, mix);
    if (random_below(r, 3) == 0)
        draw_omission(r, job);
    if (timed && random_below(r, 2) == 0)
        draw_loss(r, job);
    if (timed && random_below(r, 3) == 0)
        draw_reorder(r, job);
    if (timed && random_below(r, 4) == 0)
        draw_rate(r, job);
    if (timed && needs.disk && random_below(r, 3) == 0)
        draw_slow_disk(r, job);
    if (needs.detector && job->n <= PSET_PROCS && random_below(r, 4) == 0)
        draw_heartbeats(r, job, mix);
}

void adversary_draw(uint64_t seed, struct sim_job *job, struct mix *mix)
{
    struct random r = random_seeded(seed, STREAM_SWARM);
    struct sim_needs needs = sim_needs(job->def);
    if (job->n == 0)
        job->n = (uint16_t)ONE_OF(&r, 1, 2, 3, 3, 3, 3, 4, 4, 5, 7);
    job->seed = seed;
    job->delay_ns = 20000;
    draw_sizes(&r, job);
    draw_load(seed, job);
    draw_short_queue(seed, job);
    draw_healed(seed, job);
    draw_mix(&r, job, mix);
    draw_lies(seed, job, mix);
    draw_rules(&r, job, mix);
    mix->rules = job->faults;
    if (mix->rules == 0 || needs.synchronous)
        mix->arm = 0;
}

/* ---- a mix in words -------------------------------------------------------------------------- */

struct text {
    char *text;
    size_t size;
    size_t at;
};

static void put(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(struct text *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (t->at < t->size)
        t->at += (size_t)vsnprintf(t->text + t->at, t->size - t->at, format, args);
    va_end(args);
}

static void put_job(struct text *t, const struct sim_job *job)
{
    const struct stack_conf *c = &job->conf;
    put(t,
        " ops=%u bytes=%u flight=%u ring=%u store=%u instances=%u copy=%u records=%u batch=%u "
        "forward=%u",
        job->ops, job->msg_bytes, c->flight_msgs, c->ring_msgs, c->store_msgs, c->instances,
        c->msg_copy_bytes, c->frame_records, c->batch_events, c->forward);
}

static void put_mix(struct text *t, const struct mix *m)
{
    put(t, " crashes≤%u crash=%u drop=%u dup=%u corrupt=%u arrive=%u pause=%u lie=%u arm=%u",
        m->crashes, m->crash, m->drop, m->duplicate, m->corrupt, m->arrive, m->pause, m->lie,
        m->arm);
    if (m->strategy != STRATEGY_TIMED)
        put(t, " timer=%u", m->timer);
    if (m->strategy != STRATEGY_PCTCP)
        put(t, " request=%u", m->request);
    put(t, " (ppm)");
}

static void put_needs(struct text *t, const struct sim_job *job, const struct mix *m)
{
    struct sim_needs needs = sim_needs(job->def);
    if (needs.detector)
        put(t, "; heartbeat=%" PRIu64 "ns detect=%" PRIu64 "ns", job->conf.heartbeat_ns,
            job->conf.detect_ns);
    if (needs.disk)
        put(t,
            "; disk=%" PRIu64 "ns lag=%u restarts≤%u recover=%u fail=%u lie=%u flip=%u "
            "bad=%" PRIx64,
            job->disk_ns, job->lag, m->restarts, m->recover, m->disk_fail, m->disk_lie, m->flip,
            m->bad_disks);
    if (job->convoy_ns != 0)
        put(t, "; healed: convoys every %" PRIu64 " ns", job->convoy_ns);
    if (job->lies_void)
        put(t, "; P lies: what rests on its accuracy is void then");
    if (job->unstable != 0)
        put(t, "; healed: p%u crashes and recovers for ever", job->unstable - 1);
}

int adversary_text(const struct sim_job *job, const struct mix *mix, char *text, size_t size)
{
    struct text t = {text, size, 0};
    put(&t, "%s n=%u seed=%" PRIu64 " %s", job->def->name, job->n, job->seed,
        strategy_names[mix->strategy]);
    if (mix->strategy == STRATEGY_PCTCP)
        put(&t, " d=%u", mix->depth);
    put(&t, " delay=%" PRIu64 "ns steps≤%u", job->delay_ns, mix->steps);
    put_job(&t, job);
    put_mix(&t, mix);
    put_needs(&t, job, mix);
    for (uint16_t i = 0; i < job->faults; i++) {
        char text_of[160];
        struct fault_rule rule = job->fault[i];
        if (job->n < 64) /* a side is drawn of any 64 processes */
            rule.side &= (1ull << job->n) - 1;
        fault_text(&rule, text_of, sizeof text_of);
        put(&t, "; %s%s", text_of, rule.off ? ", off at first" : "");
    }
    return (int)t.at;
}
