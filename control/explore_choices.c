/* SPDX-License-Identifier: BSD-3-Clause */
/* What can be chosen in a state, and what sleeps there. */
#include "explore_state.h"

#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

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

/* ---- what can be chosen in a state ----------------------------------------------------------- */

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
        uint64_t content = explore_frame_hash(&s->flight[k]);
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
        put(l, &c, explore_write_hash(&w->proc[p].disk->write[k]), p, 0);
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

/* Another life, or one that ends while its super block is written: a crash, too. */
static void put_recovery(const struct explore *x, struct level *l, uint16_t p)
{
    struct choice c = {.kind = CHOICE_RECOVER, .p = p};
    put(l, &c, 0, p, ALONE);
    for (c.k = 1; c.k <= 2 && l->crashes < x->conf.crashes; c.k++)
        put(l, &c, c.k, p, ALONE | USES_CRASH);
}

uint32_t explore_put_all(const struct explore *x, struct level *l)
{
    l->acts = l->next = 0;
    put_frames(x, l);
    for (uint16_t p = 0; p < x->w->n; p++)
        put_process(x, l, p);
    uint32_t useful = l->acts;
    for (uint16_t p = 0; l->crashes < x->conf.crashes && p < x->w->n; p++) {
        const struct choice c = {.kind = CHOICE_CRASH, .p = p};
        if (x->w->proc[p].state == SIM_RUNNING)
            put(l, &c, 0, p, USES_CRASH);
    }
    for (uint16_t p = 0; l->recoveries < x->conf.recoveries && p < x->w->n; p++) {
        if (x->w->proc[p].state == SIM_CRASHED)
            put_recovery(x, l, p);
    }
    return useful;
}

/* Room for so many choices that are the next to be explored. */
static struct act *new_acts(struct level *l, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        new_act(l);
    memmove(&l->act[l->next + count], &l->act[l->next],
            (l->acts - count - l->next) * sizeof l->act[0]);
    return &l->act[l->next];
}

/*
 * The same step, with a crash at each event and send. A crash before it is a choice of its own, unless
 * the step comes out of the cause alone: of what happened to a disk or the network, or of being
 * started.
 */
static void put_crashes(const struct explore *x, struct level *l, const struct act *a)
{
    struct act variant = {.first = a->c, .variant = true};
    if (l->crashes >= x->conf.crashes || !choice_without_step(&variant.first))
        return;
    uint16_t actor = key_proc(a->key);
    variant.key = (a->key & (KEY_PROC | KEY_USES)) | USES_CRASH;
    uint32_t least = x->w->needs.disk || l->started < x->w->n ? 0 : 1;
    uint32_t points = x->sent + (x->events > least ? x->events - least : 0);
    struct act *to = new_acts(l, points);
    for (uint32_t point = 0; point < points; point++) {
        bool between = point < x->sent;
        variant.c = (struct choice){.kind = between ? CHOICE_CRASH_SENT : CHOICE_CRASH_AT,
                                    .p = actor,
                                    .k = between ? point : point - x->sent + least};
        to[point] = variant;
    }
}

/* The same crash, of which the disk keeps something. */
static void put_torn(const struct explore *x, struct level *l, const struct act *a)
{
    if (!x->w->needs.disk || a->c.a != KEEPS_NOTHING)
        return;
    uint32_t changes = x->w->proc[a->c.p].disk->changes;
    uint32_t others = (uint32_t)sim_disk_states(changes) - 1;
    struct act *to = new_acts(l, others);
    x->r->whole += changes > 0 && changes <= SIM_DISK_SECTORS;
    x->r->partial += changes > SIM_DISK_SECTORS;
    for (uint32_t k = 0; k < others; k++) {
        to[k] = *a;
        to[k].variant = true;
        to[k].c.a = sim_disk_state(changes, k + 1);
    }
}

void explore_put_variants(const struct explore *x, struct level *l, const struct act *a)
{
    if (crashes(&a->c))
        put_torn(x, l, a);
    else
        put_crashes(x, l, a);
}

bool explore_put_start(const struct explore *x, struct level *l)
{
    struct choice c = {.kind = CHOICE_STEP, .p = l->started};
    if (l->started == x->w->n)
        return false;
    l->acts = l->next = 0;
    put(l, &c, 0, c.p, 0);
    return true;
}

/* ---- sleep sets ------------------------------------------------------------------------------ */

bool explore_asleep(const choice_key *sleep, uint32_t sleeps, choice_key key)
{
    for (uint32_t i = 0; i < sleeps; i++)
        if (sleep[i] == key)
            return true;
    return false;
}

/*
 * A crash may also fall into the step that sleeps, so that it must wake where this crash may not
 * commute:
 *
 *   with another one;
 *   of a stack with a log, with any step. What is sent to who is down is lost; what was sent before
 *   may reach the next life. There nothing sleeps until the last crash has happened.
 */
void explore_inherit_sleep(const struct explore *x, const struct level *l, choice_key key,
                           struct level *child)
{
    bool wake = x->w->needs.disk ? l->crashes < x->conf.crashes
                                 : (key & USES_CRASH) && child->crashes < x->conf.crashes;
    child->sleeps = 0;
    for (uint32_t i = 0; i < l->sleeps && !wake; i++)
        if (independent(l->sleep[i], key))
            child->sleep[child->sleeps++] = l->sleep[i];
}

void explore_put_to_sleep(const struct explore *x, struct level *l, const struct act *a)
{
    if (!x->conf.unreduced && !a->variant && l->sleeps < SLEEP_MAX)
        l->sleep[l->sleeps++] = a->key;
}

void explore_drop_asleep(struct explore *x, struct level *l)
{
    uint32_t keep = 0;
    for (uint32_t i = 0; i < l->acts; i++)
        if (!explore_asleep(l->sleep, l->sleeps, l->act[i].key))
            l->act[keep++] = l->act[i];
    x->r->slept += l->acts - keep;
    l->acts = keep;
}
