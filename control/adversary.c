/* SPDX-License-Identifier: BSD-3-Clause */
#include "adversary.h"

#include <stdlib.h>

#include "settle.h"

#define STREAM_STRATEGY 0x61647665u /* streams of a seed, apart from those of the processes */
#define NEW_WRITE       UINT32_MAX  /* PCTCP: a write that is in no chain yet */

const char *const strategy_names[STRATEGIES] = {"random", "pctcp", "timed"};

#define PLAN_CHOICES      4000000 /* of a first phase that follows a plan, at most */
#define UNSETTLED_CHOICES 3000    /* of a second phase in which detectors lie for ever */
#define UNSETTLED_EVERY   8       /* of them, on average, a lie */

struct adversary {
    struct random random;
    struct sim_world *w;
    const struct mix *mix;
    struct sim_plan plan;
    uint16_t crashed;
    /* PCTCP: the priority of each chain. The first n chains are the requests of the processes. */
    uint32_t *priority;
    uint32_t chains;
    uint32_t chains_max;
    uint32_t change[8]; /* at which choices the highest priority is lowered, ascending */
    uint32_t changes;
    uint32_t changed;
};

struct adversary *adversary_new(void)
{
    return calloc(1, sizeof(struct adversary));
}

void adversary_free(struct adversary *a)
{
    if (a != NULL)
        free(a->priority);
    free(a);
}

uint16_t adversary_crashes_max(const struct stack_def *def, uint16_t n)
{
    return sim_needs(def).majority ? (uint16_t)((n - 1) / 2) : (uint16_t)(n - 1);
}

struct mix mix_default(enum strategy strategy, const struct stack_def *def, uint16_t n)
{
    struct sim_needs needs = sim_needs(def);
    struct mix mix = {.strategy = (uint8_t)strategy,
                      .depth = 3,
                      .crashes = adversary_crashes_max(def, n),
                      .steps = 40u + 20u * n,
                      .drop = 50000,
                      .duplicate = 30000,
                      .arrive = 100000,
                      .timer = 30000,
                      .request = 150000,
                      .crash = 3000};
    if (needs.disk) {
        mix.restarts = 4;
        mix.recover = 30000;
    }
    if (needs.synchronous) { /* P: a clock is kept, and nothing is lost or late */
        mix.strategy = STRATEGY_TIMED;
        mix.drop = mix.arrive = mix.timer = 0;
    }
    return mix;
}

/* ---- choices that all strategies make -------------------------------------------------------- */

static bool chance(struct adversary *a, uint32_t ppm)
{
    return ppm != 0 && random_below(&a->random, 1000000) < ppm;
}

static uint16_t some_process(struct adversary *a)
{
    return (uint16_t)random_below(&a->random, a->w->n);
}

static bool apply(struct adversary *a, struct choice c)
{
    return sim_world_apply(a->w, &c);
}

static bool request(struct adversary *a, uint16_t p, bool waiting)
{
    struct choice c;
    if (!sim_world_request(a->w, p, &c))
        return false;
    if (a->w->app.to_process)
        c.q = some_process(a);
    c.k = waiting;
    return sim_world_apply(a->w, &c);
}

static bool may_crash(const struct adversary *a)
{
    return a->crashed < a->mix->crashes + a->mix->restarts;
}

/* What a crash leaves of what was on its way to the disk. */
static uint64_t some_sectors(struct adversary *a)
{
    if (!a->w->needs.disk)
        return KEEPS_NOTHING;
    uint32_t keeps = random_below(&a->random, 2 * KEEPS);
    return keeps < KEEPS ? keeps : KEEPS + random_below(&a->random, 1u << 16);
}

/* The process crashes in the breath that takes notice of a write, or the next time it compacts. */
static bool crash_at_disk(struct adversary *a, uint16_t p)
{
    const struct disk_sim *d = a->w->proc[p].disk;
    struct choice c = {.kind = CHOICE_CRASH_SUPER, .p = p, .k = random_below(&a->random, 2)};
    if (random_below(&a->random, 4) == 0)
        return apply(a, c);
    if (d->writes > 0)
        apply(a, (struct choice){.kind = CHOICE_WRITTEN,
                                 .p = p,
                                 .k = d->write[random_below(&a->random, d->writes)].ordinal,
                                 .b = WRITTEN_WAITS});
    c = (struct choice){.kind = CHOICE_CRASH_AT,
                        .p = p,
                        .k = random_below(&a->random, 12),
                        .a = some_sectors(a)};
    return apply(a, c);
}

/* Crash where it hurts: before a step, at an event of one that has work, or between its sends. */
static bool crash(struct adversary *a)
{
    struct sim_world *w = a->w;
    uint16_t p = some_process(a);
    if (!may_crash(a) || w->proc[p].state == SIM_CRASHED)
        return false;
    if (w->needs.disk && random_below(&a->random, 3) == 0) {
        a->crashed++;
        return crash_at_disk(a, p);
    }
    uint32_t kind = random_below(&a->random, 5);
    if (kind == 0) {
        request(a, p, true);
    } else if (kind <= 2 && w->sim.flights > 0) {
        uint32_t k = random_below(&a->random, w->sim.flights);
        p = w->sim.flight[k].to;
        apply(a, choice_frame(CHOICE_ARRIVE, &w->sim, k));
    }
    struct choice c = {.kind = CHOICE_CRASH, .p = p};
    if (kind % 2 == 0) {
        c.kind = CHOICE_CRASH_SENT;
        c.k = random_below(&a->random, w->n);
    } else if (kind == 1) {
        c.kind = CHOICE_CRASH_AT;
        c.k = random_below(&a->random, 8);
    }
    c.a = some_sectors(a);
    a->crashed++;
    return sim_world_apply(w, &c);
}

/* Somebody who is down begins another life; now and then it ends while the super block is written. */
static bool recover(struct adversary *a)
{
    struct choice c = {.kind = CHOICE_RECOVER, .p = some_process(a)};
    if (a->w->proc[c.p].state != SIM_CRASHED)
        return false;
    if (may_crash(a) && random_below(&a->random, 8) == 0) {
        c.k = 1 + random_below(&a->random, 2);
        a->crashed++;
    }
    return apply(a, c);
}

/* A bit flips where something was written, or in the super block. */
static bool flip(struct adversary *a)
{
    struct sim_world *w = a->w;
    struct choice c = {.kind = CHOICE_FLIP, .p = some_process(a)};
    if (!(a->mix->bad_disks >> c.p % 64 & 1))
        return false;
    c.k = random_below(&a->random, SIM_DISK_SLOTS + 2);
    uint32_t bytes = c.k < SIM_DISK_SLOTS ? w->proc[c.p].disk->used[c.k] : 512;
    c.a = bytes > 0 ? random_below(&a->random, bytes) : 0;
    c.b = random_below(&a->random, 8);
    return apply(a, c);
}

static bool toggle_pause(struct adversary *a)
{
    uint16_t p = some_process(a);
    enum choice_kind kind = a->w->proc[p].state == SIM_PAUSED ? CHOICE_RESUME : CHOICE_PAUSE;
    return apply(a, (struct choice){.kind = (uint8_t)kind, .p = p});
}

static bool toggle_rule(struct adversary *a)
{
    const struct fault_engine *e = &a->w->faults;
    if (e->rules == 0)
        return false;
    uint32_t k = random_below(&a->random, e->rules);
    enum choice_kind kind = e->armed >> k & 1 ? CHOICE_DISARM : CHOICE_ARM;
    return apply(a, (struct choice){.kind = (uint8_t)kind, .k = k});
}

static bool some_timer(struct adversary *a)
{
    return apply(a, (struct choice){.kind = CHOICE_TIMER, .p = some_process(a)});
}

/* Somebody's detector says something about somebody. */
static bool lie(struct adversary *a)
{
    struct choice c = {.kind = CHOICE_LIE, .p = some_process(a), .q = some_process(a)};
    const struct sim_needs *needs = &a->w->needs;
    if (needs->epfd && (!needs->omega || random_below(&a->random, 2) == 0))
        c.k = LIE_EPFD;
    return apply(a, c);
}

/* What may befall any schedule, now and then. True: it was that. */
static bool mishap(struct adversary *a)
{
    const struct mix *m = a->mix;
    if (chance(a, m->crash))
        return crash(a);
    if (chance(a, m->pause))
        return toggle_pause(a);
    if (chance(a, m->arm))
        return toggle_rule(a);
    if (chance(a, m->recover))
        return recover(a);
    if (chance(a, m->flip))
        return flip(a);
    if (chance(a, m->lie))
        return lie(a);
    return false;
}

/* ---- uniform random -------------------------------------------------------------------------- */

static bool on_frame(struct adversary *a, uint32_t k)
{
    const struct mix *m = a->mix;
    enum choice_kind kind = CHOICE_DELIVER;
    if (chance(a, m->drop))
        kind = CHOICE_DROP;
    else if (chance(a, m->duplicate))
        kind = CHOICE_DUPLICATE;
    else if (chance(a, m->corrupt))
        kind = CHOICE_CORRUPT;
    else if (chance(a, m->arrive))
        kind = CHOICE_ARRIVE;
    struct choice c = choice_frame(kind, &a->w->sim, k);
    if (kind == CHOICE_CORRUPT)
        c.a = random_below(&a->random, 4096);
    return sim_world_apply(a->w, &c);
}

/* What becomes of a write of p's disk. */
static enum disk_sim_fate fate_of(struct adversary *a, uint16_t p)
{
    if (may_crash(a) && chance(a, a->mix->disk_fail)) {
        a->crashed++;
        return DISK_FAILS + random_below(&a->random, 3);
    }
    if ((a->mix->bad_disks >> p % 64 & 1) && chance(a, a->mix->disk_lie))
        return random_below(&a->random, 2) == 0 ? DISK_LOSES : DISK_MISDIRECTS;
    return DISK_KEEPS;
}

/* The k-th of all writes under way comes to its end. */
static bool on_write(struct adversary *a, uint32_t k)
{
    struct sim_world *w = a->w;
    uint16_t p = 0;
    for (; k >= w->proc[p].disk->writes; p++)
        k -= w->proc[p].disk->writes;
    struct choice c = sim_disk_choice(w->proc[p].disk, p, k);
    if (c.b == DISK_KEEPS)
        c.b = fate_of(a, p);
    if (c.b == DISK_FAILS)
        c.a = some_sectors(a);
    if (chance(a, a->mix->arrive))
        c.b += WRITTEN_WAITS;
    return apply(a, c);
}

/* One choice; false: it came to nothing. */
static bool random_choice(struct adversary *a)
{
    struct sim_world *w = a->w;
    if (mishap(a))
        return true;
    bool flood = w->sim.flights > 64u * w->n;
    if (!flood && chance(a, a->mix->timer) && some_timer(a))
        return true;
    if (!flood && chance(a, a->mix->request) && request(a, some_process(a), false))
        return true;
    uint32_t writes = settle_writes(w);
    if (w->sim.flights + writes > 0) {
        uint32_t k = random_below(&a->random, w->sim.flights + writes);
        return k < w->sim.flights ? on_frame(a, k) : on_write(a, k - w->sim.flights);
    }
    uint16_t p = some_process(a);
    if (sim_world_busy(w, p))
        return apply(a, (struct choice){.kind = CHOICE_STEP, .p = p});
    return request(a, p, false) || some_timer(a);
}

static void random_phase(struct adversary *a)
{
    uint32_t idle = 0;
    for (uint32_t i = 0; i < a->mix->steps && idle < 8u * a->w->n; i++) {
        idle = random_choice(a) ? 0 : idle + 1;
        uint16_t layer;
        if (sim_world_violation(a->w, &layer) != NULL)
            return;
    }
}

/* ---- probabilistic concurrency testing ------------------------------------------------------- */

static uint32_t new_chain(struct adversary *a)
{
    if (a->chains == a->chains_max) {
        a->chains_max = a->chains_max == 0 ? 1024 : 2 * a->chains_max;
        a->priority = realloc(a->priority, a->chains_max * sizeof a->priority[0]);
        if (a->priority == NULL)
            rte_panic("adversary: out of memory for %u chains\n", a->chains_max);
    }
    /* Above all lowered priorities, in random order among the others. */
    a->priority[a->chains] = (uint32_t)(random_u64(&a->random) >> 33) + 16;
    return a->chains++;
}

static int ascending(const void *x, const void *y)
{
    uint32_t p = *(const uint32_t *)x, q = *(const uint32_t *)y;
    return p < q ? -1 : p > q;
}

static void pctcp_begin(struct adversary *a)
{
    struct sim_world *w = a->w;
    a->chains = a->changed = 0;
    w->tag = NEW_WRITE;
    for (uint16_t p = 0; p < w->n; p++)
        new_chain(a);
    uint32_t span = 2u * w->n * w->n * w->job.ops;
    a->changes = a->mix->depth > 0 ? a->mix->depth - 1u : 0;
    if (a->changes > RTE_DIM(a->change))
        a->changes = RTE_DIM(a->change);
    for (uint32_t i = 0; i < a->changes; i++)
        a->change[i] = random_below(&a->random, span < a->mix->steps ? span + 1 : a->mix->steps);
    qsort(a->change, a->changes, sizeof a->change[0], ascending);
}

/* The enabled choice whose chain stands highest. Its chain, or UINT32_MAX: none is enabled. */
static uint32_t highest(struct adversary *a, struct choice *best)
{
    struct sim_world *w = a->w;
    uint32_t chain = UINT32_MAX;
    for (uint32_t k = 0; k < w->sim.flights; k++) {
        uint32_t c = w->sim.flight[k].tag;
        if (w->proc[w->sim.flight[k].to].state == SIM_RUNNING &&
            (chain == UINT32_MAX || a->priority[c] > a->priority[chain])) {
            chain = c;
            *best = choice_frame(CHOICE_DELIVER, &w->sim, k);
        }
    }
    for (uint16_t p = 0; p < w->n; p++) {
        struct choice c;
        const struct disk_sim *d = w->needs.disk ? w->proc[p].disk : NULL;
        for (uint32_t k = 0; d != NULL && k < d->writes; k++)
            if (chain == UINT32_MAX || a->priority[d->write[k].tag] > a->priority[chain]) {
                chain = d->write[k].tag;
                *best = sim_disk_choice(d, p, k);
            }
        if ((chain == UINT32_MAX || a->priority[p] > a->priority[chain]) &&
            sim_world_request(w, p, &c)) {
            chain = p;
            *best = c;
        }
    }
    return chain;
}

/* Put the frames sent by the choice just applied into chains: one continues its cause's chain. */
static void extend_chains(struct adversary *a, uint64_t first_id, uint32_t chain)
{
    for (uint16_t p = 0; a->w->needs.disk && p < a->w->n; p++) {
        struct disk_sim *d = a->w->proc[p].disk;
        for (uint32_t k = 0; k < d->writes; k++)
            if (d->write[k].tag == NEW_WRITE)
                d->write[k].tag = new_chain(a);
    }
    struct sim *s = &a->w->sim;
    uint32_t k = s->flights;
    while (k > 0 && s->flight[k - 1].id >= first_id)
        k--;
    for (; k < s->flights; k++) {
        bool next = chain >= a->w->n && chain != UINT32_MAX;
        s->flight[k].tag = next ? chain : new_chain(a);
        chain = UINT32_MAX;
    }
}

/* Nothing is enabled but time: the earliest timer of all. */
static bool earliest_timer(struct adversary *a)
{
    uint64_t first = UINT64_MAX;
    uint16_t who = 0;
    for (uint16_t p = 0; p < a->w->n; p++)
        if (a->w->proc[p].state == SIM_RUNNING && a->w->proc[p].timer_ns < first) {
            first = a->w->proc[p].timer_ns;
            who = p;
        }
    return first != UINT64_MAX && apply(a, (struct choice){.kind = CHOICE_TIMER, .p = who});
}

/* At a change point the highest chain falls below all others; a timer may fire, a crash befall. */
static void change_point(struct adversary *a)
{
    struct choice c;
    uint32_t chain = highest(a, &c);
    if (chain != UINT32_MAX)
        a->priority[chain] = a->changes - a->changed;
    a->changed++;
    uint64_t id = a->w->sim.next_id;
    if (a->mix->timer != 0 && random_below(&a->random, 2) == 0)
        some_timer(a);
    if (a->mix->crash != 0 && random_below(&a->random, 3) == 0)
        crash(a);
    if (a->mix->recover != 0 && random_below(&a->random, 2) == 0)
        recover(a);
    extend_chains(a, id, UINT32_MAX);
}

static void pctcp_phase(struct adversary *a)
{
    struct sim_world *w = a->w;
    pctcp_begin(a);
    for (uint32_t i = 0; i < a->mix->steps; i++) {
        while (a->changed < a->changes && a->change[a->changed] == i)
            change_point(a);
        uint64_t id = w->sim.next_id;
        struct choice c;
        uint32_t chain = highest(a, &c);
        bool done = chain != UINT32_MAX ? sim_world_apply(w, &c) : earliest_timer(a);
        if (!done && a->mix->recover != 0 && w->alive < w->n)
            done = recover(a);
        if (!done)
            return;
        extend_chains(a, id, chain);
        uint16_t layer;
        if (sim_world_violation(w, &layer) != NULL)
            return;
    }
}

/* ---- keeping time ---------------------------------------------------------------------------- */

static bool timed_choice(struct adversary *a)
{
    struct choice c;
    if (mishap(a))
        return true;
    if (chance(a, a->mix->request) && request(a, some_process(a), false))
        return true;
    if (!sim_plan_timed(&a->plan, a->w, &c))
        return request(a, some_process(a), false);
    return sim_world_apply(a->w, &c);
}

/* Its choices; more, where a plan takes longer. */
static bool timed_phase_lasts(const struct adversary *a, uint32_t choices)
{
    return choices < a->mix->steps || (choices < PLAN_CHOICES && !sim_plan_over(&a->plan));
}

static void timed_phase(struct adversary *a)
{
    uint32_t idle = 0;
    for (uint32_t i = 0; timed_phase_lasts(a, i) && idle < 8u * a->w->n; i++) {
        idle = timed_choice(a) ? 0 : idle + 1;
        uint16_t layer;
        if (sim_world_violation(a->w, &layer) != NULL)
            return;
    }
}

/* ---- between the phases ----------------------------------------------------------------------- */

/*
 * Restarts are finite: from here on who is up stays up, but for one that may be unstable. As many
 * as the stack withstands may stay down for good, and those must whose logs were refused.
 */
static void revive(struct adversary *a)
{
    struct sim_world *w = a->w;
    uint16_t unstable = (uint16_t)(w->job.unstable - 1);
    uint32_t down = (uint32_t)(w->n - w->alive);
    down += unstable < w->n && w->proc[unstable].state != SIM_CRASHED;
    for (uint16_t p = 0; w->needs.disk && p < w->n; p++) {
        if (w->proc[p].state != SIM_CRASHED || w->proc[p].refused)
            continue;
        if (down <= a->mix->crashes && random_below(&a->random, 4) == 0)
            continue;
        apply(a, (struct choice){.kind = CHOICE_RECOVER, .p = p});
        down -= w->proc[p].state == SIM_RUNNING;
    }
}

/* The second phase, but Ω and ◇P never settle: in the end nothing is owed that needs them. */
static void unsettled_phase(struct adversary *a)
{
    struct sim_world *w = a->w;
    struct choice c = {.kind = CHOICE_HEAL};
    uint64_t most = a->mix->fair_most != 0 ? a->mix->fair_most : UNSETTLED_CHOICES;
    uint16_t layer;
    apply(a, c);
    apply(a, (struct choice){.kind = CHOICE_ADVANCE});
    for (uint64_t i = 0; i < most && sim_world_violation(w, &layer) == NULL; i++) {
        settle_requests(w, SETTLE_NOBODY);
        if (random_below(&a->random, UNSETTLED_EVERY) == 0)
            lie(a);
        else if (sim_world_timed(w, &c))
            apply(a, c);
    }
}

bool adversary_may_lie(const struct stack_def *def)
{
    struct sim_needs needs = sim_needs(def);
    return needs.omega || needs.epfd;
}

/* ---- a run ----------------------------------------------------------------------------------- */

struct outcome adversary_run(struct adversary *a, struct sim_world *w, const struct mix *mix,
                             uint64_t seed)
{
    struct outcome out = {0};
    a->random = random_seeded(seed, STREAM_STRATEGY);
    a->w = w;
    a->mix = mix;
    a->plan = sim_plan_begin(mix->plan);
    a->crashed = 0;
    if (mix->strategy == STRATEGY_PCTCP)
        pctcp_phase(a);
    else if (mix->strategy == STRATEGY_TIMED)
        timed_phase(a);
    else
        random_phase(a);
    w->tag = 0;
    out.first_steps = w->steps;
    out.state = sim_world_hash(w);
    const struct check_result *r = sim_world_violation(w, &out.layer);
    if (r == NULL && !mix->unfair) {
        revive(a);
        if (mix->unsettled && adversary_may_lie(w->job.def))
            unsettled_phase(a);
        else
            out.fair = adversary_settle(w, mix);
        r = sim_world_violation(w, &out.layer);
    }
    if (r == NULL) {
        sim_world_end(w, out.fair);
        r = sim_world_violation(w, &out.layer);
    }
    if (r != NULL) {
        out.violated = true;
        out.result = *r;
    }
    return out;
}

static bool is_liveness(const struct sim_world *w, const struct outcome *out)
{
    for (uint32_t i = 0; i < property_info_count; i++)
        if (strcmp(property_infos[i].code, out->result.code) == 0 &&
            property_infos[i].abstraction == w->check[out->layer]->cls->abstraction)
            return property_infos[i].kind == LIVENESS;
    return false;
}

struct outcome adversary_judge(struct adversary *a, struct sim_world *w, const struct mix *mix,
                               uint64_t seed)
{
    struct outcome out = adversary_run(a, w, mix, seed);
    if (!out.violated || !is_liveness(w, &out))
        return out;
    char why[256];
    struct mix patient = *mix;
    patient.patience = 9;
    if (sim_world_start(w, &w->job, why, sizeof why) != 0)
        return out;
    return adversary_run(a, w, &patient, seed);
}
