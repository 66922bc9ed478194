/* SPDX-License-Identifier: BSD-3-Clause */
#include "explore.h"

#include "dataplane/refuse.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "protocols/view.h"
#define XXH_INLINE_ALL
#include <xxhash.h>

#define LIVES_MAX    8  /* of a process, of which others hear */
#define SLEEP_MAX    64 /* choices asleep at one state; those beyond are explored again */
#define MEMORY_BYTES (1ull << 30)
#define SLOTS_START  4096u
#define STREAM_WALKS 0x77616c6bu /* of the seed, apart from those of the processes */

/* ---- choices as the search sees them --------------------------------------------------------- */

/* A choice by content, so that it means the same in every path to a state. */
typedef uint64_t choice_key; /* hash, then the process that it acts on, then what it uses up */

enum {
    USES_CRASH = 1,
    USES_LOSS = 2,
    USES_DUPLICATE = 4,
    KEY_PROC = 0x38,
    ALONE = 0x40, /* it commutes with nothing */
    KEY_USES = USES_CRASH | USES_LOSS | USES_DUPLICATE | ALONE,
};
static_assert(EXPLORE_PROCS_MAX <= 8, "a process fits into its bits of a key");

struct act {
    struct choice first; /* in_step: what makes the step in which c crashes; NONE: nothing does */
    struct choice c;
    choice_key key;
    bool in_step;
};

static choice_key key_of(const struct choice *c, uint64_t content, uint16_t actor, uint32_t uses)
{
    uint64_t h[3] = {c->kind, content, (uint64_t)actor << 32 | c->q};
    return (XXH3_64bits(h, sizeof h) & ~(uint64_t)(KEY_USES | KEY_PROC)) | (uint64_t)actor << 3 |
           uses;
}

static bool independent(choice_key a, choice_key b)
{
    return (a & KEY_PROC) != (b & KEY_PROC) && (a & b & KEY_USES) == 0 && ((a | b) & ALONE) == 0;
}

/* ---- the table of states --------------------------------------------------------------------- */

struct seen {
    uint64_t hash;  /* 0: free */
    uint32_t sleep; /* where in the pool the choices start that were asleep */
    uint16_t sleeps;
    bool met; /* by a walk */
};

struct table {
    struct seen *slot;
    uint64_t mask;
    uint64_t states;
    choice_key *pool;
    uint64_t pooled;
    uint64_t pool_max;
    uint64_t memory_max;
    uint64_t peak; /* bytes, while one of the two grew */
    bool full;
};

static uint64_t table_bytes(const struct table *t)
{
    return (t->mask + 1) * sizeof t->slot[0] + t->pool_max * sizeof t->pool[0];
}

static struct seen *slot_of(const struct table *t, uint64_t hash)
{
    uint64_t i = hash & t->mask;
    while (t->slot[i].hash != 0 && t->slot[i].hash != hash)
        i = (i + 1) & t->mask;
    return &t->slot[i];
}

static bool grow_table(struct table *t)
{
    struct table bigger = *t;
    bigger.mask = 2 * t->mask + 1;
    uint64_t old = (t->mask + 1) * sizeof t->slot[0]; /* there until all are in the bigger one */
    if (table_bytes(&bigger) + old > t->memory_max ||
        (bigger.slot = calloc(bigger.mask + 1, sizeof t->slot[0])) == NULL)
        return false;
    if (table_bytes(&bigger) + old > t->peak)
        t->peak = table_bytes(&bigger) + old;
    for (uint64_t i = 0; i <= t->mask; i++)
        if (t->slot[i].hash != 0)
            *slot_of(&bigger, t->slot[i].hash) = t->slot[i];
    free(t->slot);
    *t = bigger;
    return true;
}

static bool grow_pool(struct table *t)
{
    struct table bigger = *t;
    bigger.pool_max = t->pool_max == 0 ? SLOTS_START : 2 * t->pool_max;
    uint64_t old = t->pool_max * sizeof t->pool[0]; /* realloc may have both for a while */
    if (table_bytes(&bigger) + old > t->memory_max || bigger.pool_max > UINT32_MAX)
        return false;
    if (table_bytes(&bigger) + old > t->peak)
        t->peak = table_bytes(&bigger) + old;
    bigger.pool = realloc(t->pool, bigger.pool_max * sizeof t->pool[0]);
    if (bigger.pool == NULL)
        return false;
    *t = bigger;
    return true;
}

/* ---- the path -------------------------------------------------------------------------------- */

/* A state on the path: what is left to be explored from it. */
struct level {
    uint64_t state[EXPLORE_PROCS_MAX];   /* hash of each process */
    uint64_t counted[EXPLORE_PROCS_MAX]; /* what its checkers heard: as a multiset … */
    uint64_t ordered[EXPLORE_PROCS_MAX]; /* … and in order */
    uint64_t heard[EXPLORE_PROCS_MAX];   /* bit 8 q + i: in this life, from incarnation i of p_q */
    uint32_t timers[EXPLORE_PROCS_MAX];
    uint8_t told[EXPLORE_PROCS_MAX]; /* bit c: its P has told that p_c crashed */
    uint16_t started;                /* so many have taken the step in which they start */
    uint32_t crashes;
    uint32_t losses;
    uint32_t duplicates;
    uint32_t recoveries;
    uint64_t records; /* the choices that lead here are the first of the world's record */
    struct act *act;
    uint32_t acts;
    uint32_t act_max;
    uint32_t next;
    uint32_t sleeps;
    choice_key sleep[SLEEP_MAX];
};

struct explore {
    struct sim_world *w;
    struct explore_conf conf;
    struct explore_result *r;
    struct table table;
    struct level *level;
    uint32_t levels_max;
    uint32_t depth; /* levels on the path */
    bool there;     /* the world stands in the state of the last level */
    uint32_t sent;  /* frames of the choice being applied */
    struct level *hearing;
    struct timespec begin;
};

/* ---- what checkers hear ---------------------------------------------------------------------- */

/* All that these checkers remember of events is which there were, and how often. */
static bool counts_only(const struct check *c)
{
    uint8_t a = c->cls->abstraction;
    return a == ABS_FLL || a == ABS_PL || a == ABS_BEB || a == ABS_RB || a == ABS_URB ||
           a == ABS_UC;
}

/* A link's checker remembers which life of a peer a process has heard of. */
static void on_heard(struct explore *x, const struct stack *st, const struct ev *e)
{
    const struct frame *f = (const struct frame *)(uintptr_t)e->attr;
    x->hearing->heard[st->self] |= 1ull << (8 * e->proc + f->incarnation % LIVES_MAX);
}

/* What belongs to an earlier life is no part of the multiset and of the order of this one. */
static void begin_life(struct explore *x, struct level *l, uint16_t p)
{
    uint16_t at = x->conf.total_order ? 0 : p;
    uint64_t h[4] = {p, l->counted[p], l->ordered[at], l->heard[p]};
    l->ordered[at] = XXH3_64bits(h, sizeof h);
    l->counted[p] = l->heard[p] = 0;
}

static void on_event(void *ctx, struct sim_world *w, struct stack *st, struct co *to,
                     const struct ev *e)
{
    struct explore *x = ctx;
    uint32_t layer = w->border[to->index][e->type];
    if (w->needs.disk && e->type == EV_NET_FRAME && w->check[to->index] != NULL &&
        w->check[to->index]->cls->heard != NULL)
        on_heard(x, st, e);
    if (layer == 0 || w->check[layer - 1] == NULL)
        return;
    uint64_t h[4] = {(uint64_t)layer << 32 | (uint64_t)to->port << 16 | e->type, e->proc, e->inst,
                     e->attr};
    uint64_t hash = e->seg != NULL ? XXH3_64bits(msg_data(ev_msg(e)), e->len) : 0;
    hash = XXH3_64bits_withSeed(h, sizeof h, hash);
    uint64_t *in_order = &x->hearing->ordered[x->conf.total_order ? 0 : st->self];
    if (x->conf.total_order)
        hash ^= (uint64_t)st->self * 0x9e3779b97f4a7c15u;
    if (!x->conf.total_order && counts_only(w->check[layer - 1]))
        x->hearing->counted[st->self] += hash;
    else
        *in_order = XXH3_64bits_withSeed(&hash, sizeof hash, *in_order);
}

static void on_sent(void *ctx, struct sim_world *w, const struct sim_frame *f, bool lost)
{
    (void)w, (void)f, (void)lost;
    ((struct explore *)ctx)->sent++;
}

/* ---- hashes of states ------------------------------------------------------------------------ */

/* A write by content: where it goes, what it writes, in which buffer. */
static uint64_t write_hash(const struct disk_sim_write *d)
{
    uint64_t h[4] = {d->slot, d->offset, d->buffer, d->fails};
    return XXH3_64bits_withSeed(h, sizeof h, XXH3_64bits(d->data, d->bytes));
}

/* The clock of a process, and when each of its armed timers is due, in the order of firing. */
static uint64_t timers_hash(const struct stack *st, uint64_t now)
{
    uint64_t hash = now;
    for (int l = 0; l < TIMER_LEVELS; l++)
        for (int s = 0; s < TIMER_SLOTS; s++)
            for (const struct timer *t = st->wheel.slot[l][s].next; t != &st->wheel.slot[l][s];
                 t = t->next) {
                uint64_t h[3] = {t->when_ns, t->arg, ((const struct co *)t->owner)->index};
                hash = XXH3_64bits_withSeed(h, sizeof h, hash);
            }
    return hash;
}

static uint64_t process_hash(const struct explore *x, const struct level *l, uint16_t p)
{
    const struct sim_proc *proc = &x->w->proc[p];
    bool disk = x->w->needs.disk, down = proc->state == SIM_CRASHED;
    if (down && !disk)
        return 0;
    uint64_t (*hash)(struct stack *) = x->conf.timers > 0 ? stack_hash_timed : stack_hash;
    uint64_t h[7] = {down ? 0 : hash(proc->st), proc->ops,    l->told[p],
                     x->w->sim.env[p].now_ns,   l->timers[p], disk ? sim_disk_hash(proc->disk) : 0,
                     sim_world_busy(x->w, p)};
    if (!down && x->conf.timers > 0)
        h[3] = timers_hash(proc->st, h[3]);
    return (XXH3_64bits(h, sizeof h) & ~(uint64_t)1) | !down;
}

static uint64_t frame_hash(const struct sim_frame *f)
{
    uint64_t hash = (uint64_t)f->from << 16 | f->to;
    for (const struct rte_mbuf *s = f->pkt; s != NULL; s = s->next)
        hash = XXH3_64bits_withSeed(rte_pktmbuf_mtod(s, const void *), s->data_len, hash);
    return hash;
}

static uint64_t state_hash(const struct explore *x, const struct level *l)
{
    const struct sim *s = &x->w->sim;
    uint64_t h[4] = {0, (uint64_t)l->crashes << 32 | l->losses,
                     (uint64_t)l->recoveries << 32 | l->duplicates, s->flights};
    for (uint32_t k = 0; k < s->flights; k++)
        h[0] += frame_hash(&s->flight[k]);
    uint64_t hash = XXH3_64bits(h, sizeof h);
    size_t bytes = x->w->n * sizeof l->state[0];
    hash = XXH3_64bits_withSeed(l->state, bytes, hash);
    hash = XXH3_64bits_withSeed(l->counted, bytes, hash);
    hash = XXH3_64bits_withSeed(l->ordered, bytes, hash);
    hash = XXH3_64bits_withSeed(l->heard, bytes, hash);
    return hash != 0 ? hash : 1;
}

/* ---- what can be chosen in a state ----------------------------------------------------------- */

static bool asleep(const choice_key *sleep, uint32_t sleeps, choice_key key)
{
    for (uint32_t i = 0; i < sleeps; i++)
        if (sleep[i] == key)
            return true;
    return false;
}

static struct act *new_act(struct level *l)
{
    if (l->acts == l->act_max) {
        l->act_max = l->act_max == 0 ? 64 : 2 * l->act_max;
        l->act = realloc(l->act, l->act_max * sizeof l->act[0]);
        if (l->act == NULL)
            rte_panic("exhaustive search: out of memory for %u choices\n", l->act_max);
    }
    return &l->act[l->acts++];
}

static void put(struct level *l, const struct choice *c, uint64_t content, uint16_t actor,
                uint32_t uses)
{
    choice_key key = key_of(c, content, actor, uses);
    for (uint32_t i = 0; i < l->acts; i++)
        if (l->act[i].key == key)
            return; /* an equal frame on the same edge: the same state follows */
    *new_act(l) = (struct act){.c = *c, .key = key};
}

static void put_frames(const struct explore *x, struct level *l)
{
    const struct sim *s = &x->w->sim;
    for (uint32_t k = 0; k < s->flights; k++) {
        uint64_t content = frame_hash(&s->flight[k]);
        uint16_t to = s->flight[k].to;
        bool up = x->w->proc[to].state != SIM_CRASHED; /* else it may reach the next life */
        struct choice c = choice_frame(CHOICE_DELIVER, s, k);
        if (up)
            put(l, &c, content, to, 0);
        c.kind = CHOICE_DROP;
        if (l->losses < x->conf.losses)
            put(l, &c, content, to, USES_LOSS);
        c.kind = CHOICE_DUPLICATE;
        if (up && l->duplicates < x->conf.duplicates)
            put(l, &c, content, to, USES_DUPLICATE);
    }
}

static void put_process(const struct explore *x, struct level *l, uint16_t p)
{
    const struct sim_world *w = x->w;
    struct choice c;
    if (w->proc[p].state != SIM_RUNNING)
        return;
    for (uint32_t k = 0; w->needs.disk && k < w->proc[p].disk->writes; k++) {
        c = sim_disk_choice(w->proc[p].disk, p, k);
        put(l, &c, write_hash(&w->proc[p].disk->write[k]), p, 0);
    }
    if (sim_world_busy(w, p)) {
        c = (struct choice){.kind = CHOICE_STEP, .p = p};
        put(l, &c, 0, p, 0);
    }
    if (p < x->conf.sources && sim_world_request(w, p, &c))
        put(l, &c, c.a, p, 0);
    for (uint16_t q = 0; w->needs.synchronous && q < w->n; q++)
        if (w->proc[q].state == SIM_CRASHED && !(l->told[p] >> q & 1)) {
            c = (struct choice){.kind = CHOICE_LIE, .p = p, .q = q};
            put(l, &c, 0, p, 0);
        }
    c = (struct choice){.kind = CHOICE_TIMER, .p = p};
    if (l->timers[p] < x->conf.timers && w->proc[p].timer_ns != UINT64_MAX)
        put(l, &c, 0, p, 0);
}

/* How many states of the disk a crash is to leave: of what is on its way nothing, all, or half. */
static uint64_t keeps(const struct explore *x, uint16_t p)
{
    bool torn = x->w->needs.disk && x->w->proc[p].disk->writes > 0;
    return torn ? KEEPS : KEEPS_NOTHING + 1;
}

/* A crash before a step: without what is on its way to the disk, with all, or with half of it. */
static void put_crash(const struct explore *x, struct level *l, uint16_t p)
{
    struct choice c = {.kind = CHOICE_CRASH, .p = p};
    for (c.a = KEEPS_NOTHING; c.a < keeps(x, p); c.a++)
        put(l, &c, c.a, p, USES_CRASH);
}

/* Another life, or one that ends while its super block is written: a crash, too. */
static void put_recovery(const struct explore *x, struct level *l, uint16_t p)
{
    struct choice c = {.kind = CHOICE_RECOVER, .p = p};
    put(l, &c, 0, p, ALONE);
    for (c.k = 1; c.k <= 2 && l->crashes < x->conf.crashes; c.k++)
        put(l, &c, c.k, p, ALONE | USES_CRASH);
}

/* Returns how many choices are neither crash nor recovery: with none, nothing is left to do. */
static uint32_t put_all(const struct explore *x, struct level *l)
{
    l->acts = l->next = 0;
    put_frames(x, l);
    for (uint16_t p = 0; p < x->w->n; p++)
        put_process(x, l, p);
    uint32_t useful = l->acts;
    for (uint16_t p = 0; l->crashes < x->conf.crashes && p < x->w->n; p++) {
        if (x->w->proc[p].state == SIM_RUNNING)
            put_crash(x, l, p);
    }
    for (uint16_t p = 0; l->recoveries < x->conf.recoveries && p < x->w->n; p++) {
        if (x->w->proc[p].state == SIM_CRASHED)
            put_recovery(x, l, p);
    }
    return useful;
}

/*
 * Behind a step that was just explored: the same step, with a crash at each event and send. A crash
 * before it is a choice of its own, unless the step comes out of the cause alone: of what happened
 * to a disk or the network, or of being started.
 */
static void put_crashes(const struct explore *x, struct level *l, const struct act *a,
                        uint64_t events, uint32_t sent)
{
    struct act variant = {.first = a->c, .in_step = true};
    if (l->crashes >= x->conf.crashes || !choice_without_step(&variant.first))
        return;
    uint16_t actor = (uint16_t)((a->key & KEY_PROC) >> 3);
    variant.key = (a->key & (KEY_PROC | KEY_USES)) | USES_CRASH;
    uint32_t least = x->w->needs.disk || l->started < x->w->n ? 0 : 1;
    uint32_t points = sent + (events > least ? (uint32_t)events - least : 0);
    uint32_t at = l->next, count = points * (uint32_t)keeps(x, actor);
    for (uint32_t i = 0; i < count; i++)
        new_act(l);
    memmove(&l->act[at + count], &l->act[at], (l->acts - count - at) * sizeof l->act[0]);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t point = i % points;
        bool between = point < sent;
        variant.c = (struct choice){.kind = between ? CHOICE_CRASH_SENT : CHOICE_CRASH_AT,
                                    .p = actor,
                                    .k = between ? point : point - sent + least,
                                    .a = i / points};
        l->act[at + i] = variant;
    }
}

/* ---- sleep sets ------------------------------------------------------------------------------ */

/*
 * What sleeps behind a choice: what slept or was explored before it, and commutes with it. A crash
 * may also fall into the step that sleeps, so that it must wake where this crash may not commute:
 *
 *   with another one;
 *   of a stack with a log, with any step. What is sent to who is down is lost; what was sent before
 *   may reach the next life. There nothing sleeps until the last crash has happened.
 */
static void inherit_sleep(const struct explore *x, const struct level *l, choice_key key,
                          struct level *child)
{
    bool wake = x->w->needs.disk ? l->crashes < x->conf.crashes
                                 : (key & USES_CRASH) && child->crashes < x->conf.crashes;
    child->sleeps = 0;
    for (uint32_t i = 0; i < l->sleeps && !wake; i++)
        if (independent(l->sleep[i], key))
            child->sleep[child->sleeps++] = l->sleep[i];
}

static void put_to_sleep(const struct explore *x, struct level *l, const struct act *a)
{
    if (!x->conf.unreduced && !a->in_step && l->sleeps < SLEEP_MAX)
        l->sleep[l->sleeps++] = a->key;
}

static void drop_asleep(struct explore *x, struct level *l)
{
    uint32_t keep = 0;
    for (uint32_t i = 0; i < l->acts; i++)
        if (!asleep(l->sleep, l->sleeps, l->act[i].key))
            l->act[keep++] = l->act[i];
    x->r->slept += l->acts - keep;
    l->acts = keep;
}

/* ---- visiting -------------------------------------------------------------------------------- */

/* A new state: remember it with what sleeps in it. False: the memory is used up. */
static bool remember(struct table *t, struct seen *s, uint64_t hash, const struct level *l)
{
    if (4 * (t->states + 1) > 3 * (t->mask + 1)) {
        if (!grow_table(t))
            return false;
        s = slot_of(t, hash);
    }
    while (t->pool == NULL || t->pooled + l->sleeps > t->pool_max)
        if (!grow_pool(t))
            return false;
    *s = (struct seen){hash, (uint32_t)t->pooled, (uint16_t)l->sleeps, false};
    memcpy(t->pool + t->pooled, l->sleep, l->sleeps * sizeof l->sleep[0]);
    t->pooled += l->sleeps;
    t->states++;
    return true;
}

/*
 * A state seen before, in which other choices slept: what slept then and does not now is explored
 * now. False: there is nothing of that kind.
 */
static bool wake(struct explore *x, struct seen *s, struct level *l)
{
    choice_key *then = x->table.pool + s->sleep;
    uint32_t keep = 0, woken = 0;
    choice_key awake[SLEEP_MAX];
    for (uint32_t i = 0; i < s->sleeps; i++) {
        if (asleep(l->sleep, l->sleeps, then[i]))
            then[keep++] = then[i];
        else
            awake[woken++] = then[i];
    }
    if (woken == 0)
        return false;
    l->sleeps = keep;
    s->sleeps = (uint16_t)keep;
    memcpy(l->sleep, then, keep * sizeof then[0]);
    put_all(x, l);
    keep = 0;
    for (uint32_t i = 0; i < l->acts; i++)
        if (asleep(awake, woken, l->act[i].key))
            l->act[keep++] = l->act[i];
    l->acts = keep;
    return keep > 0;
}

static bool violated(struct explore *x)
{
    const struct check_result *v = sim_world_violation(x->w, &x->r->out.layer);
    if (v == NULL)
        return false;
    x->r->out.violated = true;
    x->r->out.result = *v;
    return true;
}

static void go_to(struct explore *x, const struct level *l)
{
    char why[256];
    struct sim_world *w = x->w;
    w->observer = (struct sim_observer){0};
    if (sim_world_start(w, &w->job, why, sizeof why) != 0)
        rte_panic("exhaustive search: %s\n", why);
    for (uint64_t i = 0; i < l->records; i++)
        if (!sim_world_apply(w, &w->record[i]))
            rte_panic("exhaustive search: choice %" PRIu64 " is not possible again\n", i + 1);
    x->r->replayed += l->records;
}

/* Nothing is left to do: what is judged at the end alone, and owed by nobody. True: it is violated. */
static bool judge_safety(struct explore *x)
{
    sim_world_end(x->w, false);
    x->there = false;
    return violated(x);
}

/* Nothing is left to do: let the world be fair, and judge what is owed. True: it is violated. */
static bool judge_end(struct explore *x, const struct level *l)
{
    struct sim_world *w = x->w;
    struct mix mix = mix_default(STRATEGY_RANDOM, w->job.def, w->n);
    uint32_t ops = w->job.ops;
    if (!sim_world_owes(w)) {
        x->r->beyond++;
        return judge_safety(x);
    }
    for (;; mix.patience = 9) { /* what seems to be owed is given more time before it is said */
        w->observer = (struct sim_observer){0};
        w->job.ops = 0; /* requests are choices: only sources make them */
        x->r->out.fair = adversary_settle(w, &mix);
        w->job.ops = ops;
        if (!violated(x))
            sim_world_end(w, x->r->out.fair);
        x->there = false;
        if (!violated(x) || mix.patience == 9)
            break;
        x->r->out.violated = false;
        go_to(x, l);
    }
    x->r->judged += x->r->out.fair || x->r->out.violated;
    x->r->unfair += !x->r->out.fair && !x->r->out.violated;
    return x->r->out.violated;
}

/* Everybody takes the step in which it starts, one after the other: no states yet. */
static bool put_start(const struct explore *x, struct level *l)
{
    struct choice c = {.kind = CHOICE_STEP, .p = l->started};
    if (l->started == x->w->n)
        return false;
    l->acts = l->next = 0;
    put(l, &c, 0, c.p, 0);
    return true;
}

/* Arrive in a state. True: something is to be explored from it. */
static bool arrive(struct explore *x, struct level *l)
{
    uint64_t hash = state_hash(x, l);
    struct seen *s = slot_of(&x->table, hash);
    l->records = x->w->records;
    if (l->records > x->r->depth)
        x->r->depth = l->records;
    if (put_start(x, l))
        return true;
    if (s->hash != 0) {
        x->r->matched++;
        return wake(x, s, l);
    }
    if (!remember(&x->table, s, hash, l)) {
        x->table.full = true;
        return false;
    }
    uint32_t useful = put_all(x, l);
    x->r->ends += useful == 0;
    if (useful == 0 && (x->conf.safety_only ? judge_safety(x) : judge_end(x, l)))
        return false;
    drop_asleep(x, l);
    return l->acts > 0;
}

/* ---- the search ------------------------------------------------------------------------------ */

static struct level *level_at(struct explore *x, uint32_t i)
{
    if (i >= x->levels_max) {
        uint32_t max = x->levels_max == 0 ? 64 : 2 * x->levels_max;
        x->level = realloc(x->level, max * sizeof x->level[0]);
        if (x->level == NULL)
            rte_panic("exhaustive search: out of memory for a path of %u choices\n", max);
        memset(x->level + x->levels_max, 0, (max - x->levels_max) * sizeof x->level[0]);
        x->levels_max = max;
    }
    return &x->level[i];
}

/* The level behind `l`, which keeps the memory of its own list. */
static struct level *child_of(struct explore *x)
{
    struct level *child = level_at(x, x->depth), *l = &x->level[x->depth - 1];
    struct act *act = child->act;
    uint32_t max = child->act_max;
    memcpy(child, l, offsetof(struct level, sleep));
    child->act = act;
    child->act_max = max;
    return child;
}

static void count_use(struct level *l, const struct choice *c)
{
    l->losses += c->kind == CHOICE_DROP;
    l->duplicates += c->kind == CHOICE_DUPLICATE;
    l->timers[c->p] += c->kind == CHOICE_TIMER;
    l->crashes +=
        c->kind == CHOICE_CRASH || c->kind == CHOICE_CRASH_AT || c->kind == CHOICE_CRASH_SENT;
    l->crashes += c->kind == CHOICE_RECOVER && c->k > 0;
    l->recoveries += c->kind == CHOICE_RECOVER;
    if (c->kind == CHOICE_LIE)
        l->told[c->p] |= (uint8_t)(1u << c->q);
}

static void apply(struct explore *x, const struct act *a, struct level *child)
{
    struct sim_world *w = x->w;
    w->observer = (struct sim_observer){.event = on_event, .sent = on_sent, .ctx = x};
    x->hearing = child;
    x->sent = 0;
    if (a->c.kind == CHOICE_RECOVER && a->c.k == 0)
        begin_life(x, child, a->c.p);
    if ((a->first.kind != CHOICE_NONE && !sim_world_apply(w, &a->first)) ||
        !sim_world_apply(w, &a->c))
        rte_panic("exhaustive search: choice %" PRIu64 " is not possible\n", w->records + 1);
    w->observer = (struct sim_observer){0};
    x->r->transitions++;
    child->started = (uint16_t)(child->started + (child->started < w->n));
    count_use(child, &a->first);
    count_use(child, &a->c);
}

/* Explore the next choice of the last level. */
static void advance(struct explore *x)
{
    struct level *child = child_of(x), *l = &x->level[x->depth - 1];
    struct act a = l->act[l->next++];
    uint64_t before;
    if (!x->there)
        go_to(x, l);
    x->there = false;
    before = x->w->events;
    apply(x, &a, child);
    uint16_t actor = (uint16_t)((a.key & KEY_PROC) >> 3);
    child->state[actor] = process_hash(x, child, actor);
    if (!a.in_step)
        put_crashes(x, l, &a, x->w->events - before, x->sent);
    inherit_sleep(x, l, a.key, child);
    put_to_sleep(x, l, &a);
    if (violated(x))
        return;
    x->there = true;
    if (arrive(x, child)) {
        x->depth++;
        return;
    }
    x->there = false;
}

static uint64_t since_ns(const struct timespec *begin)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)(now.tv_sec - begin->tv_sec) * 1000000000u + (uint64_t)now.tv_nsec -
           (uint64_t)begin->tv_nsec;
}

/* What ends the search before all is seen; NULL: nothing yet. */
static const char *bound(const struct explore *x)
{
    const struct explore_conf *c = &x->conf;
    if (x->table.full)
        return "memory";
    if (c->stop != NULL && *c->stop != 0)
        return "interruption";
    if (c->states_max != 0 && x->table.states >= c->states_max)
        return "states";
    if (c->time_ns != 0 && x->r->transitions % 256 == 0 && since_ns(&x->begin) >= c->time_ns)
        return "time";
    return NULL;
}

static void begin(struct explore *x)
{
    x->there = true;
    if (arrive(x, level_at(x, 0)))
        x->depth = 1;
}

static void search(struct explore *x)
{
    const char *limited = NULL; /* by the length of schedules: the rest is searched all the same */
    begin(x);
    while (x->depth > 0 && !x->r->out.violated && (x->r->bound = bound(x)) == NULL) {
        struct level *l = &x->level[x->depth - 1];
        bool too_long = x->conf.choices_max != 0 && l->records >= x->conf.choices_max;
        if (too_long && l->next < l->acts)
            limited = "steps";
        if (l->next == l->acts || too_long) {
            x->depth--;
            x->there = false;
            continue;
        }
        advance(x);
    }
    if (x->r->bound == NULL)
        x->r->bound = x->table.full ? "memory" : limited;
}

/* ---- schedules in which no state is matched -------------------------------------------------- */

/* A level with nothing in it; its list keeps its memory. */
static void blank(struct level *l)
{
    struct act *act = l->act;
    uint32_t max = l->act_max;
    memset(l, 0, sizeof *l);
    l->act = act;
    l->act_max = max;
}

/* The world takes the choice, and comes to the child. */
static void walk_on(struct explore *x, const struct act *a, struct level *child)
{
    uint16_t actor = (uint16_t)((a->key & KEY_PROC) >> 3);
    apply(x, a, child);
    child->state[actor] = process_hash(x, child, actor);
    child->records = x->w->records;
}

/* One of the choices of the last level; now and then a crash, or a crash within the step. */
static void walk_somewhere(struct explore *x, struct random *random, uint32_t useful)
{
    struct level *child = child_of(x), *l = &x->level[x->depth - 1];
    bool crash = useful == 0 || random_below(random, 8) == 0;
    struct act a = l->act[random_below(random, crash ? l->acts : useful)];
    uint64_t before = x->w->events;
    uint32_t acts = l->acts;
    walk_on(x, &a, child);
    if (random_below(random, 8) != 0 || violated(x))
        return;
    l->next = acts;
    put_crashes(x, l, &a, x->w->events - before, x->sent);
    if (l->acts == acts)
        return;
    a = l->act[acts + random_below(random, l->acts - acts)];
    go_to(x, l);
    walk_on(x, &a, child_of(x));
}

/* Where a walk stands is a state that the search has seen, too. */
static bool met(const struct explore *x, const struct level *l, uint64_t *states)
{
    struct seen *s = slot_of(&x->table, state_hash(x, l));
    *states += !s->met;
    s->met = s->hash != 0;
    return s->met;
}

/* From the start until nothing can be chosen. False: something on the way was unseen. */
static bool walk(struct explore *x, struct random *random, uint64_t *states)
{
    blank(level_at(x, 0));
    go_to(x, x->level);
    for (x->depth = 1;; x->depth++) {
        struct level *l = &x->level[x->depth - 1];
        bool starts = put_start(x, l);
        if (violated(x) || (!starts && !met(x, l, states)))
            return false;
        uint32_t useful = starts ? 1 : put_all(x, l);
        if (l->acts == 0)
            return x->conf.safety_only || !judge_end(x, l);
        walk_somewhere(x, random, useful);
    }
}

static void walks(struct explore *x)
{
    struct explore_result *r = x->r, aside = {0}; /* what a walk counts is not the search's */
    struct random random = random_seeded(x->conf.job.seed, STREAM_WALKS);
    x->r = &aside;
    for (uint32_t i = 0; i < x->conf.walks && !r->unseen; i++)
        r->unseen = !walk(x, &random, &r->met);
    x->r = r;
}

static int prepare(struct explore *x, const struct explore_conf *conf, char *why, size_t size)
{
    struct explore_conf *c = &x->conf;
    bool synchronous = sim_needs(conf->job.def).synchronous;
    *c = *conf;
    why[0] = '\0';
    if (conf->job.n > EXPLORE_PROCS_MAX)
        snprintf(why, size, "an exhaustive search has at most %d processes", EXPLORE_PROCS_MAX);
    else if (conf->job.faults > 0)
        snprintf(why, size, "an exhaustive search takes no fault rules: allow losses and crashes");
    else if (conf->recoveries > 0 && !sim_needs(conf->job.def).disk)
        snprintf(why, size, "stack %s has no log: who crashes stays down", conf->job.def->name);
    else if (conf->recoveries >= LIVES_MAX - 1)
        snprintf(why, size, "an exhaustive search has at most %d recoveries", LIVES_MAX - 2);
    else if (synchronous && (conf->timers | conf->losses) > 0)
        snprintf(why, size, "stack %s relies on P: neither timers nor losses can be searched",
                 conf->job.def->name);
    if (why[0] != '\0')
        return -EINVAL;
    struct stack_conf *s = &c->job.conf;
    s->ring_msgs = s->ring_msgs != 0 ? s->ring_msgs : 64;
    s->instances = s->instances != 0 ? s->instances : 4;
    s->store_msgs = s->store_msgs != 0 ? s->store_msgs : 8;
    c->sources = c->sources != 0 ? c->sources : 1;
    c->unreduced |= c->total_order;
    x->table.memory_max = c->memory_bytes != 0 ? c->memory_bytes : MEMORY_BYTES;
    x->table.mask = SLOTS_START - 1;
    x->table.slot = calloc(SLOTS_START, sizeof x->table.slot[0]);
    if (x->table.slot == NULL)
        return refuse_as(why, size, -ENOMEM, "out of memory for a table of states");
    return sim_world_start(x->w, &c->job, why, size);
}

static void release(struct explore *x)
{
    for (uint32_t i = 0; i < x->levels_max; i++)
        free(x->level[i].act);
    free(x->level);
    free(x->table.slot);
    free(x->table.pool);
}

int explore_run(struct sim_world *w, const struct explore_conf *conf, struct explore_result *r,
                char *why, size_t size)
{
    struct explore x = {.w = w, .r = r};
    *r = (struct explore_result){0};
    clock_gettime(CLOCK_MONOTONIC, &x.begin);
    int err = prepare(&x, conf, why, size);
    if (err == 0)
        search(&x);
    if (err == 0 && !r->out.violated && r->bound == NULL)
        walks(&x);
    r->states = x.table.states;
    r->memory_bytes = table_bytes(&x.table) > x.table.peak ? table_bytes(&x.table) : x.table.peak;
    r->ns = since_ns(&x.begin);
    release(&x);
    return err;
}

int explore_text(const struct explore_conf *c, const struct explore_result *r, char *text,
                 size_t size)
{
    double seconds = (double)r->ns / 1e9;
    int at = snprintf(text, size,
                      "%s n=%u, %u source%s × %u requests, at most %u crashes, %u recoveries, %u "
                      "losses, %u duplicates, %u timers each\n",
                      c->job.def->name, c->job.n, c->sources > 1 ? c->sources : 1,
                      c->sources > 1 ? "s" : "", c->job.ops, c->crashes, c->recoveries, c->losses,
                      c->duplicates, c->timers);
    const char *how = r->out.violated ? "ended by a violation" : "exhausted";
    if (!r->out.violated && r->bound != NULL)
        how = "bounded by";
    at += snprintf(text + at, size - (size_t)at,
                   "%s%s%s: %" PRIu64 " distinct states, %" PRIu64 " transitions (%" PRIu64
                   " to states seen before, %" PRIu64
                   " more left out: they commute), longest schedule %" PRIu64
                   " choices, liveness judged in %" PRIu64 " of %" PRIu64 " ends",
                   how, how[0] == 'b' ? " " : "", how[0] == 'b' ? r->bound : "", r->states,
                   r->transitions, r->matched, r->slept, r->depth, r->judged, r->ends);
    if (r->beyond > 0)
        at +=
            snprintf(text + at, size - (size_t)at,
                     ", not in %" PRIu64 " with more crashes than the stack withstands", r->beyond);
    if (r->unfair > 0)
        at += snprintf(text + at, size - (size_t)at,
                       ", not in %" PRIu64 " that did not come to rest", r->unfair);
    if (sim_needs(c->job.def).synchronous)
        at += snprintf(text + at, size - (size_t)at,
                       "; P is an oracle here, and its properties are not judged");
    at += snprintf(text + at, size - (size_t)at, "\n");
    at += snprintf(text + at, size - (size_t)at,
                   "%.2f s, %.0f distinct states/s, %.0f transitions/s, %.1f choices run again for "
                   "each, %.1f MiB",
                   seconds, (double)r->states / seconds, (double)r->transitions / seconds,
                   r->transitions > 0 ? (double)r->replayed / (double)r->transitions : 0,
                   (double)r->memory_bytes / (1u << 20));
    return at;
}
