/* SPDX-License-Identifier: BSD-3-Clause */
#include "adversary.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define STREAM_STRATEGY 0x61647665u /* streams of a seed, apart from those of the processes */
#define STREAM_SWARM    0x7377726du
#define STREAM_HEALED   0x6865616cu
#define MS              1000000ull
#define NEW_WRITE       UINT32_MAX /* PCTCP: a write that is in no chain yet */

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

/* Writes under way, of all disks. */
static uint32_t writes_of(const struct sim_world *w)
{
    uint32_t n = 0;
    for (uint16_t p = 0; w->needs.disk && p < w->n; p++)
        n += w->proc[p].disk->writes;
    return n;
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
    uint32_t writes = writes_of(w);
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

/* ---- the second phase ------------------------------------------------------------------------ */

/* The latest timer that is armed anywhere: how long a process may wait before it does something. */
static uint64_t horizon_ns(const struct sim_world *w, uint64_t now)
{
    uint64_t last = now;
    for (uint16_t p = 0; p < w->n; p++) {
        const struct timer_wheel *wheel = &w->proc[p].st->wheel;
        if (w->proc[p].state != SIM_RUNNING || wheel->armed == 0)
            continue;
        for (int l = 0; l < TIMER_LEVELS; l++)
            for (int s = 0; s < TIMER_SLOTS; s++)
                for (const struct timer *t = wheel->slot[l][s].next; t != &wheel->slot[l][s];
                     t = t->next)
                    last = t->when_ns > last ? t->when_ns : last;
    }
    return last - now;
}

#define NOBODY UINT16_MAX

/* The second phase, as far as it has come. */
struct settling {
    struct sim_world *w;
    const struct mix *mix;
    uint64_t since;    /* the last request, or when the unstable one had outlived all others */
    uint64_t turn_ns;  /* when the unstable process crashes or recovers next */
    uint16_t unstable; /* NOBODY: all who are up stay up */
};

/* Who goes on crashing and recovering: one of those whom the stack does without. */
static uint16_t unstable_of(const struct sim_world *w)
{
    const uint16_t p = (uint16_t)(w->job.unstable - 1);
    if (!w->needs.disk || p >= w->n || w->proc[p].refused)
        return NOBODY;
    const bool up = w->proc[p].state != SIM_CRASHED;
    return w->n - w->alive + up <= adversary_crashes_max(w->job.def, w->n) ? p : NOBODY;
}

/* Every correct process makes what is left of its requests. True: something was requested. */
static bool request_rest(struct sim_world *w, uint16_t unstable)
{
    bool any = false;
    struct choice c;
    for (uint16_t p = 0; p < w->n; p++)
        while (p != unstable && sim_world_request(w, p, &c) && sim_world_apply(w, &c))
            any = true;
    return any;
}

static uint64_t quiet_base_ns(const struct settling *s)
{
    const struct sim_world *w = s->w;
    const struct stack_conf *c = &w->job.conf;
    uint64_t detects = s->unstable != NOBODY ? 16 : 4;
    return (w->needs.endless ? 8 : 2) * c->rto_max_ns +
           (w->needs.detector ? detects * c->detect_ns : 0) + 16 * w->job.convoy_ns;
}

/*
 * How long detectors may err before their timeouts, which grow by `detect_ns` with each error, are
 * beyond what a request and its reply take: an error and its correction take less than twice that.
 */
static uint64_t learning_ns(const struct sim_world *w)
{
    const struct stack_conf *c = &w->job.conf;
    if (w->job.convoy_ns == 0 || !w->needs.detector)
        return 0;
    uint64_t round_ns = 2 * (w->job.convoy_ns + c->heartbeat_ns);
    return (round_ns / c->detect_ns + 1) * 2 * (round_ns + c->detect_ns);
}

/*
 * Whether the world has come to rest: the border of the top was not crossed for longer than any
 * armed timer takes, several times over. What sends again for ever is given as long from the last
 * request on, and so is what an unstable process stirs up. Where timeouts have to grow, detectors
 * keep still as well, since traffic may hold up heartbeats, or are judged as they are in the end.
 * Nothing may be in flight, or what was sent last would count as lost; heartbeats that are slower
 * than their period are always in flight, and arrive when all else is at rest.
 */
static bool at_rest(const struct settling *s)
{
    const struct sim_world *w = s->w;
    const bool slow = w->job.convoy_ns != 0, listens = w->app.type == EV_NONE;
    uint64_t patience = 1 + s->mix->patience, base = quiet_base_ns(s);
    uint64_t now = w->sim.now_ns, last = s->since;
    if (slow) {
        uint64_t end = last + 5 * patience * learning_ns(w);
        last += learning_ns(w);
        if (w->erred_ns > last)
            last = w->erred_ns < end ? w->erred_ns : end;
    }
    if (!w->needs.endless && s->unstable == NOBODY && !(slow && listens) && w->top_ns > last)
        last = w->top_ns;
    uint64_t quiet = now > last ? now - last : 0;
    return (slow || w->sim.flights == 0) && writes_of(w) == 0 && quiet > patience * base &&
           quiet > patience * (base + 2 * horizon_ns(w, now));
}

/* Whether the unstable process has begun more lives than any other. */
static bool outlived(const struct settling *s)
{
    const struct sim_world *w = s->w;
    for (uint16_t p = 0; p < w->n; p++)
        if (p != s->unstable && w->proc[p].incarnation >= w->proc[s->unstable].incarnation)
            return w->proc[s->unstable].refused;
    return true;
}

/* The unstable process crashes, soon recovers, stays for a few heartbeats, and so on. */
static struct choice turn(struct settling *s)
{
    const struct sim_proc *x = &s->w->proc[s->unstable];
    const uint64_t heartbeat_ns = s->w->job.conf.heartbeat_ns;
    const bool down = x->state == SIM_CRASHED;
    s->turn_ns = sim_world_now(s->w) + (down ? 3 : 1) * heartbeat_ns;
    return (struct choice){.kind = down ? CHOICE_RECOVER : CHOICE_CRASH,
                           .p = s->unstable,
                           .a = down ? 0 : x->incarnation % KEEPS};
}

/* What comes next when time is kept. False: nothing ever. */
static bool next_choice(struct settling *s, struct choice *c)
{
    const uint64_t now = sim_world_now(s->w);
    const bool more = sim_world_timed(s->w, c);
    if (s->unstable == NOBODY || (more && c->kind != CHOICE_ADVANCE))
        return more;
    if (now >= s->turn_ns)
        *c = turn(s);
    else if (!more || now + c->a > s->turn_ns)
        *c = (struct choice){.kind = CHOICE_ADVANCE, .a = s->turn_ns - now};
    return true;
}

/* What is still on its way, and what comes of it, arrives; no timer fires any more. */
static void arrive(struct sim_world *w)
{
    for (uint32_t left = SIM_FRAMES_MAX; left > 0; left--) {
        struct choice c = {0};
        for (uint16_t p = 0; w->needs.disk && p < w->n; p++)
            if (w->proc[p].disk->writes > 0)
                c = sim_disk_choice(w->proc[p].disk, p, sim_disk_first(w->proc[p].disk));
        if (c.kind == CHOICE_NONE && w->sim.flights > 0)
            c = choice_frame(w->proc[w->sim.flight[0].to].state == SIM_CRASHED ? CHOICE_DROP
                                                                               : CHOICE_DELIVER,
                             &w->sim, 0);
        if (c.kind == CHOICE_NONE || !sim_world_apply(w, &c))
            return;
    }
}

/* The end of a run that came to rest: who is not stable is down, and nothing is on its way. */
static void come_to_rest(struct settling *s)
{
    struct sim_world *w = s->w;
    if (s->unstable != NOBODY && w->proc[s->unstable].state != SIM_CRASHED) {
        struct choice c = turn(s);
        sim_world_apply(w, &c);
    }
    if (s->unstable != NOBODY || w->job.convoy_ns != 0)
        arrive(w);
}

/* Time has passed. True: the world is at rest. */
static bool passed(struct settling *s)
{
    if (request_rest(s->w, s->unstable) || (s->unstable != NOBODY && !outlived(s)))
        s->since = s->w->sim.now_ns;
    return at_rest(s);
}

bool adversary_settle(struct sim_world *w, const struct mix *mix)
{
    struct choice c = {.kind = CHOICE_HEAL};
    uint16_t layer;
    sim_world_apply(w, &c);
    c = (struct choice){.kind = CHOICE_ADVANCE};
    sim_world_apply(w, &c);
    struct settling s = {.w = w,
                         .mix = mix,
                         .since = w->sim.now_ns,
                         .turn_ns = w->sim.now_ns,
                         .unstable = unstable_of(w)};
    uint64_t most = mix->fair_most != 0 ? mix->fair_most : 1000000;
    bool rested = false;
    request_rest(w, s.unstable);
    for (uint64_t i = 0; i < most && !rested; i++) {
        if (!next_choice(&s, &c)) {
            rested = !request_rest(w, s.unstable);
            continue;
        }
        sim_world_apply(w, &c);
        if (c.kind == CHOICE_ADVANCE)
            rested = passed(&s);
        if (sim_world_violation(w, &layer) != NULL)
            return false;
    }
    if (rested)
        come_to_rest(&s);
    return rested;
}

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
        request_rest(w, NOBODY);
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

/* ---- swarm ----------------------------------------------------------------------------------- */

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
    /* See ep_read_write: rows for what overtakes, and for whom a false suspicion left behind. */
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

/* A cut for a while: in two, in one direction, or of one process. */
static void draw_cut(struct random *r, struct sim_job *job)
{
    struct fault_rule rule = {.from = FAULT_ANY, .to = FAULT_ANY, .ppm = FAULT_PPM};
    rule.kind = (uint8_t)ONE_OF(r, FAULT_PARTITION, FAULT_ONEWAY);
    rule.since_ns = random_below(r, 20) * MS;
    rule.until_ns = rule.since_ns + (1 + random_below(r, 40)) * MS;
    bool isolate = random_below(r, 2) != 0;
    rule.side = isolate ? 1ull << random_below(r, job->n) : random_u64(r) | 1;
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
        mix->bad_disks |= 1ull << random_below(r, job->n);
}

static void draw_mix(struct random *r, const struct sim_job *job, struct mix *mix)
{
    *mix = mix_default(STRATEGY_RANDOM, job->def, job->n);
    bool synchronous = sim_needs(job->def).synchronous;
    uint32_t which = random_below(r, 100);
    mix->strategy = synchronous || which < 20 ? STRATEGY_TIMED
                    : which < 45              ? STRATEGY_PCTCP
                                              : STRATEGY_RANDOM;
    mix->depth = (uint8_t)(1 + random_below(r, 5));
    mix->steps = ONE_OF(r, 30, 60, 100, 200, 400) * (job->ops > 8 ? 4 : 1);
    mix->request = ONE_OF(r, 30000, 100000, 300000);
    mix->crash = draw_ppm(r, 40000);
    mix->duplicate = draw_ppm(r, 200000);
    if (synchronous)
        return;
    mix->drop = draw_ppm(r, 300000);
    mix->corrupt = draw_ppm(r, 100000);
    mix->arrive = draw_ppm(r, 500000);
    mix->timer = draw_ppm(r, 200000);
    mix->pause = draw_ppm(r, 20000);
    mix->arm = draw_ppm(r, 30000);
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

void adversary_draw(uint64_t seed, struct sim_job *job, struct mix *mix)
{
    struct random r = random_seeded(seed, STREAM_SWARM);
    if (job->n == 0)
        job->n = (uint16_t)ONE_OF(&r, 1, 2, 3, 3, 3, 3, 4, 4, 5, 7);
    job->seed = seed;
    job->delay_ns = 20000;
    draw_sizes(&r, job);
    draw_healed(seed, job);
    draw_mix(&r, job, mix);
    if (mix->strategy == STRATEGY_TIMED)
        draw_delay(&r, job, sim_needs(job->def).synchronous);
    if (sim_needs(job->def).synchronous)
        return;
    for (uint32_t cuts = random_below(&r, 5); cuts > 2; cuts--)
        draw_cut(&r, job);
    if (random_below(&r, 3) == 0)
        draw_omission(&r, job);
    if (mix->strategy == STRATEGY_TIMED && random_below(&r, 2) == 0)
        draw_loss(&r, job);
}

int adversary_text(const struct sim_job *job, const struct mix *mix, char *text, size_t size)
{
    size_t at = (size_t)
        snprintf(text, size,
                 "%s n=%u seed=%" PRIu64 " %s%s%.0u delay=%" PRIu64
                 "ns steps≤%u ops=%u bytes=%u flight=%u records=%u batch=%u "
                 "crashes≤%u crash=%u drop=%u dup=%u corrupt=%u timer=%u pause=%u lie=%u (ppm)",
                 job->def->name, job->n, job->seed, strategy_names[mix->strategy],
                 mix->strategy == STRATEGY_PCTCP ? " d=" : "",
                 mix->strategy == STRATEGY_PCTCP ? mix->depth : 0, job->delay_ns, mix->steps,
                 job->ops, job->msg_bytes, job->conf.flight_msgs, job->conf.frame_records,
                 job->conf.batch_events, mix->crashes, mix->crash, mix->drop, mix->duplicate,
                 mix->corrupt, mix->timer, mix->pause, mix->lie);
    if (sim_needs(job->def).detector && at < size)
        at +=
            (size_t)snprintf(text + at, size - at, "; heartbeat=%" PRIu64 "ns detect=%" PRIu64 "ns",
                             job->conf.heartbeat_ns, job->conf.detect_ns);
    if (sim_needs(job->def).disk && at < size)
        at += (size_t)snprintf(text + at, size - at,
                               "; disk=%" PRIu64 "ns lag=%u restarts≤%u recover=%u fail=%u lie=%u "
                               "flip=%u bad=%" PRIx64,
                               job->disk_ns, job->lag, mix->restarts, mix->recover, mix->disk_fail,
                               mix->disk_lie, mix->flip, mix->bad_disks);
    if (job->convoy_ns != 0 && at < size)
        at += (size_t)snprintf(text + at, size - at, "; healed: convoys every %" PRIu64 " ns",
                               job->convoy_ns);
    if (job->unstable != 0 && at < size)
        at += (size_t)snprintf(text + at, size - at, "; healed: p%u crashes and recovers for ever",
                               job->unstable - 1);
    for (uint16_t i = 0; i < job->faults && at < size; i++) {
        char text_of[160];
        struct fault_rule rule = job->fault[i];
        if (job->n < 64) /* a side is drawn of any 64 processes */
            rule.side &= (1ull << job->n) - 1;
        fault_text(&rule, text_of, sizeof text_of);
        at += (size_t)snprintf(text + at, size - at, "; %s", text_of);
    }
    return (int)at;
}
