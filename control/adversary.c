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
    uint32_t choices; /* of the first phase, so far */
    /* PCTCP: the priority of each chain. The first n chains are the requests of the processes. */
    uint32_t *priority;
    uint32_t chains;
    uint32_t chains_max;
    uint32_t change[8]; /* at which choices the highest chain is lowered, to priority 0, 1, … */
    uint32_t changes;
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
    const struct sim_needs needs = sim_needs(def);
    return sim_crashes_max(&needs, n);
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
        mix.drop = mix.arrive = 0;
    }
    if (mix.strategy == STRATEGY_TIMED) /* when they are due */
        mix.timer = 0;
    if (mix.strategy == STRATEGY_PCTCP) /* by their chains */
        mix.request = 0;
    return mix;
}

void adversary_keep_time(struct mix *mix, const struct faults *plan)
{
    mix->strategy = STRATEGY_TIMED;
    mix->timer = 0;
    mix->request = 10000;
    mix->plan = plan;
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
    c = (struct choice){.kind = CHOICE_CRASH_AT, .p = p};
    c.k = random_below(&a->random, 12); /* not in an initializer, which has no order */
    c.a = some_sectors(a);
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

/* Somebody who is down begins another life; now and then it ends while the super block is written, and
 * of a bad disk that may be lost. */
static bool recover(struct adversary *a)
{
    struct choice c = {.kind = CHOICE_RECOVER, .p = some_process(a)};
    if (a->w->proc[c.p].state != SIM_CRASHED)
        return false;
    if ((a->mix->bad_disks >> c.p % 64 & 1) && chance(a, a->mix->disk_lie))
        apply(a, (struct choice){.kind = CHOICE_LOSE_SUPER,
                                 .p = c.p,
                                 .k = 1 + random_below(&a->random, 3)});
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
    uint32_t drawn = a->mix->rules < e->rules ? a->mix->rules : e->rules;
    if (drawn == 0)
        return false;
    uint32_t k = random_below(&a->random, drawn);
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
    struct choice c = {.kind = CHOICE_LIE, .p = some_process(a)};
    c.q = some_process(a);
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

/* ---- what becomes of what is chosen ---------------------------------------------------------- */

/* A frame: it is delivered, unless a fault befalls it. */
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

/* A write comes to its end. */
static bool on_write(struct adversary *a, struct choice c)
{
    if (c.b == DISK_KEEPS)
        c.b = fate_of(a, c.p);
    if (c.b == DISK_FAILS)
        c.a = some_sectors(a);
    if (chance(a, a->mix->arrive))
        c.b += WRITTEN_WAITS;
    return apply(a, c);
}

/* What a clock or a chain would have next, with the faults that befall it. */
static bool carry_out(struct adversary *a, struct choice c)
{
    if (c.kind == CHOICE_DELIVER)
        return on_frame(a, c.hint);
    return c.kind == CHOICE_WRITTEN ? on_write(a, c) : apply(a, c);
}

/* ---- uniform random -------------------------------------------------------------------------- */

/* The k-th of all writes under way. */
static struct choice some_write(const struct sim_world *w, uint32_t k)
{
    uint16_t p = 0;
    for (; k >= w->proc[p].disk->writes; p++)
        k -= w->proc[p].disk->writes;
    return sim_disk_choice(w->proc[p].disk, p, k);
}

/* So much is in flight that nothing is done to make more of it. */
static bool flooded(const struct sim_world *w)
{
    return w->sim.flights > 64u * w->n;
}

/* One choice; false: it came to nothing. */
static bool random_choice(struct adversary *a)
{
    struct sim_world *w = a->w;
    if (mishap(a))
        return true;
    if (!flooded(w) && chance(a, a->mix->timer) && some_timer(a))
        return true;
    if (!flooded(w) && chance(a, a->mix->request) && request(a, some_process(a), false))
        return true;
    uint32_t writes = settle_writes(w);
    if (w->sim.flights + writes > 0) {
        uint32_t k = random_below(&a->random, w->sim.flights + writes);
        return k < w->sim.flights ? on_frame(a, k) : on_write(a, some_write(w, k - w->sim.flights));
    }
    uint16_t p = some_process(a);
    if (sim_world_busy(w, p))
        return apply(a, (struct choice){.kind = CHOICE_STEP, .p = p});
    return request(a, p, false) || some_timer(a);
}

/* ---- probabilistic concurrency testing ------------------------------------------------------- */

/*
 * After Ozkan, Majumdar, Niksic, Tabaei Befrouei and Weissenbacher (2018). Theirs are the chains of
 * causally ordered messages, found as messages are sent; their random priorities, the enabled
 * message of the highest chain being delivered; and the d − 1 events drawn as an unordered tuple, at
 * the i-th of which its chain falls to the i-th of the reserved priorities below all others.
 *
 * Ours: a chain goes on with the first frame that a delivery sends, and each other frame begins one;
 * requests of a process are a chain, and so is each write of a disk. An event is drawn by its place
 * in the schedule, as by Burckhardt et al. (2010), not by the order in which messages were sent.
 * How many there will be is not known: the bound is guessed, each doubling of what the requests alone
 * would send, up to all choices, being as likely as any other, which costs the published bound a
 * factor of their number. Losses, copies, lies, timers, crashes and what else the mix has befall a
 * schedule as they do any other, apart from its d − 1 events.
 */

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

/* Below how many choices the tuple is drawn. */
static uint32_t guess_length(struct adversary *a)
{
    const struct sim_world *w = a->w;
    uint64_t least = 2ull * w->n * w->n * w->job.ops;
    uint32_t doublings = 0;
    while (least << doublings < a->mix->steps && least > 0)
        doublings++;
    uint64_t length = least << random_below(&a->random, doublings + 1);
    return length == 0 || length > a->mix->steps ? a->mix->steps : (uint32_t)length;
}

/* Whether the choice is among the first `n` of the tuple: at which place, or `n`. */
static uint32_t place_of(const struct adversary *a, uint32_t choice, uint32_t n)
{
    uint32_t i = 0;
    while (i < n && a->change[i] != choice)
        i++;
    return i;
}

static void pctcp_begin(struct adversary *a)
{
    struct sim_world *w = a->w;
    a->chains = 0;
    w->tag = NEW_WRITE;
    for (uint16_t p = 0; p < w->n; p++)
        new_chain(a);
    uint32_t length = guess_length(a);
    uint32_t changes = a->mix->depth > 0 ? a->mix->depth - 1u : 0;
    changes = changes > RTE_DIM(a->change) ? RTE_DIM(a->change) : changes;
    changes = changes > length ? length : changes;
    for (a->changes = 0; a->changes < changes;) {
        uint32_t choice = random_below(&a->random, length);
        if (place_of(a, choice, a->changes) == a->changes)
            a->change[a->changes++] = choice;
    }
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

/* What waits in an InBuf, or was finished by a disk, though nothing else is enabled. */
static bool some_step(struct adversary *a)
{
    for (uint16_t p = 0; p < a->w->n; p++)
        if (sim_world_busy(a->w, p))
            return apply(a, (struct choice){.kind = CHOICE_STEP, .p = p});
    return false;
}

/* The next event of the highest chain; time, where no chain has one. Returns the chain. */
static uint32_t advance_chain(struct adversary *a, bool *done)
{
    struct choice c;
    uint32_t chain = highest(a, &c), place = place_of(a, a->choices, a->changes);
    if (chain != UINT32_MAX && place < a->changes) {
        a->priority[chain] = place;
        chain = highest(a, &c);
    }
    *done = chain != UINT32_MAX ? carry_out(a, c) : some_step(a) || earliest_timer(a);
    if (!*done && a->mix->recover != 0 && a->w->alive < a->w->n)
        *done = recover(a);
    return chain;
}

static bool pctcp_choice(struct adversary *a)
{
    struct sim_world *w = a->w;
    uint64_t id = w->sim.next_id;
    uint32_t chain = UINT32_MAX;
    bool done = mishap(a) || (!flooded(w) && chance(a, a->mix->timer) && some_timer(a));
    if (!done)
        chain = advance_chain(a, &done);
    extend_chains(a, id, chain);
    return done;
}

/* ---- keeping time ---------------------------------------------------------------------------- */

/* Requests that are left to those who run. */
static uint64_t requests_left(const struct sim_world *w)
{
    uint64_t left = 0;
    for (uint16_t p = 0; p < w->n; p++)
        if (w->app.type != EV_NONE && w->proc[p].state == SIM_RUNNING)
            left += w->job.ops - w->proc[p].ops;
    return left;
}

/* Nothing happens for a while: requests fall into it, too, half of them while a plan lasts. */
static bool request_meanwhile(struct adversary *a, struct choice advance)
{
    uint64_t now = sim_world_now(a->w), end = 2 * sim_plan_end_ns(&a->plan);
    unsigned __int128 expected = (unsigned __int128)requests_left(a->w) * advance.a;
    if (advance.kind != CHOICE_ADVANCE || advance.a == 0 || now >= end ||
        (unsigned __int128)random_u64(&a->random) * (end - now) >> 64 >= expected)
        return false;
    advance.a = 1 + (uint64_t)((unsigned __int128)random_u64(&a->random) * advance.a >> 64);
    apply(a, advance);
    request(a, some_process(a), false);
    return true;
}

static bool timed_choice(struct adversary *a)
{
    struct choice c;
    if (mishap(a))
        return true;
    if (chance(a, a->mix->request) && request(a, some_process(a), false))
        return true;
    if (!sim_plan_timed(&a->plan, a->w, &c))
        return request(a, some_process(a), false);
    return request_meanwhile(a, c) || carry_out(a, c);
}

/* ---- the first phase ------------------------------------------------------------------------- */

/* Its choices; more, where a plan takes longer. */
static bool lasts(const struct adversary *a)
{
    const uint32_t most = a->mix->plan_most != 0 ? a->mix->plan_most : PLAN_CHOICES;
    return a->choices < a->mix->steps || (a->choices < most && !sim_plan_over(&a->plan));
}

static void first_phase(struct adversary *a)
{
    static bool (*const choose[STRATEGIES])(struct adversary *) = {
        [STRATEGY_RANDOM] = random_choice,
        [STRATEGY_PCTCP] = pctcp_choice,
        [STRATEGY_TIMED] = timed_choice,
    };
    uint32_t idle = 0;
    uint16_t layer;
    if (a->mix->strategy == STRATEGY_PCTCP)
        pctcp_begin(a);
    for (a->choices = 0; lasts(a) && idle < 8u * a->w->n; a->choices++) {
        idle = choose[a->mix->strategy](a) ? 0 : idle + 1;
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
    bool scripted = a->mix->plan != NULL && a->mix->recover == 0; /* who recovers, too */
    down += unstable < w->n && w->proc[unstable].state != SIM_CRASHED;
    for (uint16_t p = 0; w->needs.disk && p < w->n; p++) {
        if (w->proc[p].state != SIM_CRASHED || w->proc[p].refused)
            continue;
        if (down <= a->mix->crashes && (scripted || random_below(&a->random, 4) == 0))
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
    first_phase(a);
    w->tag = 0;
    out.first_steps = w->steps;
    out.state = sim_world_hash(w);
    const struct check_result *r = sim_world_violation(w, &out.layer);
    out.missed = r == NULL ? sim_plan_next(&a->plan) : NULL;
    if (out.missed != NULL)
        return out;
    if (r == NULL && !mix->unfair) {
        revive(a);
        if (mix->unsettled && adversary_may_lie(w->job.def))
            unsettled_phase(a);
        else
            out.fair = adversary_settle(w, mix);
        r = sim_world_violation(w, &out.layer);
    }
    out.beyond = !sim_world_owes(w);
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
