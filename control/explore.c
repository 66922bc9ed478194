/* SPDX-License-Identifier: BSD-3-Clause */
/* The search: depth first over the adversary's choices, each state once. */
#include "explore_state.h"

#include "dataplane/refuse.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define MEMORY_BYTES (1ull << 30)

/* ---- visiting -------------------------------------------------------------------------------- */

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
        if (explore_asleep(l->sleep, l->sleeps, then[i]))
            then[keep++] = then[i];
        else
            awake[woken++] = then[i];
    }
    if (woken == 0)
        return false;
    l->sleeps = keep;
    s->sleeps = (uint16_t)keep;
    memcpy(l->sleep, then, keep * sizeof then[0]);
    explore_put_all(x, l);
    keep = 0;
    for (uint32_t i = 0; i < l->acts; i++)
        if (explore_asleep(awake, woken, l->act[i].key))
            l->act[keep++] = l->act[i];
    l->acts = keep;
    return keep > 0;
}

bool explore_violated(struct explore *x)
{
    const struct check_result *v = sim_world_violation(x->w, &x->r->out.layer);
    if (v == NULL)
        return false;
    x->r->out.violated = true;
    x->r->out.result = *v;
    return true;
}

void explore_go_to(struct explore *x, const struct level *l)
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
    return explore_violated(x);
}

bool explore_judge_end(struct explore *x, const struct level *l)
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
        if (!explore_violated(x))
            sim_world_end(w, x->r->out.fair);
        x->there = false;
        if (!explore_violated(x) || mix.patience == 9)
            break;
        x->r->out.violated = false;
        explore_go_to(x, l);
    }
    x->r->judged += x->r->out.fair || x->r->out.violated;
    x->r->unfair += !x->r->out.fair && !x->r->out.violated;
    return x->r->out.violated;
}

/* Arrive in a state. True: something is to be explored from it. */
static bool arrive(struct explore *x, struct level *l)
{
    uint64_t hash = explore_state_hash(x, l);
    struct seen *s = table_find(&x->table, hash);
    if (l->records > x->r->depth)
        x->r->depth = l->records;
    if (explore_put_start(x, l))
        return true;
    if (s->hash != 0) {
        x->r->matched++;
        return wake(x, s, l);
    }
    if (!table_remember(&x->table, s, hash, l)) {
        x->table.full = true;
        return false;
    }
    uint32_t useful = explore_put_all(x, l);
    x->r->ends += useful == 0;
    if (useful == 0 && (x->conf.safety_only ? judge_safety(x) : explore_judge_end(x, l)))
        return false;
    explore_drop_asleep(x, l);
    return l->acts > 0;
}

/* ---- the search ------------------------------------------------------------------------------ */

struct level *explore_level(struct explore *x, uint32_t i)
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

struct level *explore_child(struct explore *x)
{
    struct level *child = explore_level(x, x->depth), *l = &x->level[x->depth - 1];
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
    l->crashes += crashes(c);
    l->crashes += c->kind == CHOICE_RECOVER && c->k > 0;
    l->recoveries += c->kind == CHOICE_RECOVER;
    if (c->kind == CHOICE_LIE)
        l->told[c->p] |= (uint8_t)(1u << c->q);
}

void explore_apply(struct explore *x, const struct act *a, struct level *child)
{
    struct sim_world *w = x->w;
    uint16_t actor = key_proc(a->key);
    uint64_t before = w->events;
    explore_hear(x, child);
    if (a->c.kind == CHOICE_RECOVER && a->c.k == 0)
        explore_begin_life(x, child, a->c.p);
    if ((a->first.kind != CHOICE_NONE && !sim_world_apply(w, &a->first)) ||
        !sim_world_apply(w, &a->c))
        rte_panic("exhaustive search: choice %" PRIu64 " is not possible\n", w->records + 1);
    w->observer = (struct sim_observer){0};
    x->r->transitions++;
    x->events = (uint32_t)(w->events - before);
    child->started = (uint16_t)(child->started + (child->started < w->n));
    count_use(child, &a->first);
    count_use(child, &a->c);
    child->state[actor] = explore_process_hash(x, child, actor);
    child->records = w->records;
}

/* Explore the next choice of the last level. */
static void advance(struct explore *x)
{
    struct level *child = explore_child(x), *l = &x->level[x->depth - 1];
    struct act a = l->act[l->next++];
    if (!x->there)
        explore_go_to(x, l);
    x->there = false;
    explore_apply(x, &a, child);
    explore_put_variants(x, l, &a);
    explore_inherit_sleep(x, l, a.key, child);
    explore_put_to_sleep(x, l, &a);
    if (explore_violated(x))
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
    if (arrive(x, explore_level(x, 0)))
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
    if (table_init(&x->table, c->memory_bytes != 0 ? c->memory_bytes : MEMORY_BYTES) != 0)
        return refuse_as(why, size, -ENOMEM, "out of memory for a table of states");
    return sim_world_start(x->w, &c->job, why, size);
}

static void release(struct explore *x)
{
    for (uint32_t i = 0; i < x->levels_max; i++)
        free(x->level[i].act);
    free(x->level);
    table_fini(&x->table);
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
        explore_walks(&x);
    r->states = x.table.states;
    r->memory_bytes = table_peak(&x.table);
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
    if (r->whole + r->partial > 0)
        at += snprintf(text + at, size - (size_t)at,
                       "; every state of the disk at %" PRIu64 " crashes, some at %" PRIu64,
                       r->whole, r->partial);
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
