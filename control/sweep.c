/* SPDX-License-Identifier: BSD-3-Clause */
#include "sweep.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define CALM_CHOICES 400  /* the measure ends when nothing was stored or delivered for so many */
#define MOST_CHOICES 8000 /* … or after so many */

/* What a choice of the measure did. */
struct mark {
    uint16_t p;      /* who stepped */
    uint32_t events; /* of that step */
    uint32_t sends;
    bool stores, begins, finishes, delivers, checkpoints;
};

struct sweep {
    struct sim_world *w;
    const struct sim_job *job;
    struct sweep_result *r;
    struct choice *choice; /* the measure */
    struct mark *mark;
    uint64_t choices;
    uint64_t limit_ns;
    const volatile sig_atomic_t *stop;
    struct timespec begin;
    struct mark now;  /* of the choice that is being applied */
    uint64_t written; /* writes begun by all disks before it … */
    uint64_t supers;  /* … and super blocks written */
};

/* What ends the sweep before every point is tried; NULL: nothing yet. */
static const char *bound(const struct sweep *s)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    int64_t ns =
        (int64_t)(t.tv_sec - s->begin.tv_sec) * 1000000000 + (t.tv_nsec - s->begin.tv_nsec);
    if (s->stop != NULL && *s->stop != 0)
        return "interruption";
    return s->limit_ns != 0 && ns >= (int64_t)s->limit_ns ? "time" : NULL;
}

/* ---- the measure ----------------------------------------------------------------------------- */

static void on_event(void *ctx, struct sim_world *w, struct stack *st, struct co *to,
                     const struct ev *ev)
{
    struct sweep *s = ctx;
    (void)w;
    s->now.p = st->self;
    s->now.events++;
    s->now.stores |= ev->type == EV_LOG_STORE;
    s->now.delivers |= to == st->app && ev_infos[ev->type].way == EV_WAY_INDICATION;
}

static void on_sent(void *ctx, struct sim_world *w, const struct sim_frame *f, bool lost)
{
    (void)w, (void)f, (void)lost;
    ((struct sweep *)ctx)->now.sends++;
}

static uint64_t writes_begun(const struct sim_world *w)
{
    uint64_t n = 0;
    for (uint16_t p = 0; p < w->n; p++)
        n += w->proc[p].disk->ordinal;
    return n;
}

static uint64_t supers_written(const struct sim_world *w)
{
    uint64_t n = 0;
    for (uint16_t p = 0; p < w->n; p++)
        n += w->proc[p].disk->supers;
    return n;
}

/* Whether a crash is tried at it. */
static bool is_point(const struct mark *m)
{
    return m->stores || m->begins || m->finishes || m->delivers || m->checkpoints;
}

/* Apply a choice, and note what it did. True: it is one at which a crash is tried. */
static bool measure(struct sweep *s, const struct choice *c)
{
    struct sim_world *w = s->w;
    uint64_t at = w->records;
    s->now = (struct mark){.p = c->p};
    s->written = writes_begun(w);
    s->supers = supers_written(w);
    if (!sim_world_apply(w, c))
        return false;
    s->now.begins = writes_begun(w) > s->written;
    s->now.checkpoints = supers_written(w) > s->supers;
    s->now.finishes = c->kind == CHOICE_WRITTEN;
    s->choice[at] = *c;
    s->mark[at] = s->now;
    s->choices = at + 1;
    return is_point(&s->now);
}

/* An undisturbed execution that keeps time, until it has calmed down. */
static void take_measure(struct sweep *s)
{
    struct sim_world *w = s->w;
    struct choice c;
    uint32_t calm = 0;
    w->observer = (struct sim_observer){.event = on_event, .sent = on_sent, .ctx = s};
    while (calm < CALM_CHOICES && w->records + w->n < MOST_CHOICES) {
        calm++;
        for (uint16_t p = 0; p < w->n; p++)
            if (sim_world_request(w, p, &c) && measure(s, &c))
                calm = 0;
        if (!sim_world_timed(w, &c))
            break;
        if (measure(s, &c))
            calm = 0;
    }
    s->r->cut = calm < CALM_CHOICES && w->records + w->n >= MOST_CHOICES;
    w->observer = (struct sim_observer){0};
}

static void count(struct sweep *s)
{
    for (uint64_t i = 0; i < s->choices; i++) {
        s->r->stores += s->mark[i].stores;
        s->r->begun += s->mark[i].begins;
        s->r->finished += s->mark[i].finishes;
        s->r->deliveries += s->mark[i].delivers;
        s->r->checkpoints += s->mark[i].checkpoints;
    }
}

/* ---- a crash --------------------------------------------------------------------------------- */

/* Run up to choice i, crash as `crash` says (after the choice's cause, if `within`; at the super block
 * that it writes, if of that kind), and recover. */
static bool run_into(struct sweep *s, uint64_t i, struct choice crash, bool within, uint32_t super)
{
    struct sim_world *w = s->w;
    char why[256];
    if (sim_world_start(w, s->job, why, sizeof why) != 0)
        return false;
    for (uint64_t k = 0; k < i; k++)
        sim_world_apply(w, &s->choice[k]);
    struct choice cause = s->choice[i];
    if (within && choice_without_step(&cause) && cause.kind != CHOICE_NONE)
        sim_world_apply(w, &cause);
    struct choice recover = {.kind = CHOICE_RECOVER, .p = crash.p, .k = super};
    bool done = sim_world_apply(w, &crash);
    if (done && crash.kind == CHOICE_CRASH_SUPER)
        sim_world_apply(w, &cause);
    if (done && super > 0) {
        sim_world_apply(w, &recover);
        recover.k = 0;
    }
    return done && sim_world_apply(w, &recover);
}

static bool judge(struct sweep *s, uint32_t patience)
{
    struct sim_world *w = s->w;
    struct mix mix = mix_default(STRATEGY_RANDOM, w->job.def, w->n);
    struct outcome *out = &s->r->out;
    mix.patience = patience;
    out->first_steps = w->steps;
    out->fair = adversary_settle(w, &mix);
    if (sim_world_violation(w, &out->layer) == NULL)
        sim_world_end(w, out->fair);
    const struct check_result *v = sim_world_violation(w, &out->layer);
    out->violated = v != NULL;
    if (v != NULL)
        out->result = *v;
    return out->violated;
}

/* One crash point. True: a property is violated, also with much more patience. */
static bool try_crash(struct sweep *s, uint64_t i, struct choice crash, bool within, uint32_t super)
{
    if (!run_into(s, i, crash, within, super))
        return false;
    s->r->points++;
    s->r->in_supers += crash.kind == CHOICE_CRASH_SUPER;
    if (!judge(s, 0) && s->r->out.fair)
        return false;
    if (!run_into(s, i, crash, within, super))
        return false;
    bool violated = judge(s, 9);
    if (!violated && !s->r->out.fair && s->r->unfinished++ == 0) {
        s->r->open = crash;
        s->r->open_at = i;
    }
    return violated;
}

/* A crash before a choice: of what is on its way to the disk whatever may be there. True: a property
 * is violated. */
static bool try_states(struct sweep *s, uint64_t i, struct choice crash)
{
    if (try_crash(s, i, crash, false, 0))
        return true;
    uint32_t changes = s->w->proc[crash.p].disk->changes;
    s->r->whole += changes > 0 && changes <= SIM_DISK_SECTORS;
    s->r->partial += changes > SIM_DISK_SECTORS;
    for (uint64_t k = 1; k < sim_disk_states(changes); k++) {
        crash.a = sim_disk_state(changes, k);
        if (try_crash(s, i, crash, false, 0))
            return true;
    }
    return false;
}

/* The same within its step: nothing of it, all, or either half. */
static bool try_keeps(struct sweep *s, uint64_t i, struct choice crash)
{
    crash.a = KEEPS_NOTHING;
    if (try_crash(s, i, crash, true, 0))
        return true;
    bool torn = s->w->proc[crash.p].disk->changes > 0;
    for (crash.a++; torn && crash.a < KEEPS; crash.a++)
        if (try_crash(s, i, crash, true, 0))
            return true;
    return false;
}

/* All crashes at one choice. True: one of them violates a property. */
static bool sweep_choice(struct sweep *s, uint64_t i)
{
    const struct mark *m = &s->mark[i];
    struct choice c = {.kind = CHOICE_CRASH, .p = m->p};
    if (try_states(s, i, c))
        return true;
    for (uint32_t super = 1; super <= 2; super++)
        if (try_crash(s, i, c, false, super))
            return true;
    c.kind = CHOICE_CRASH_SUPER;
    for (c.k = 0; m->checkpoints && c.k < 2; c.k++)
        if (try_crash(s, i, c, false, 0))
            return true;
    c.kind = CHOICE_CRASH_AT;
    for (c.k = 0; c.k < m->events; c.k++)
        if (try_keeps(s, i, c))
            return true;
    c.kind = CHOICE_CRASH_SENT;
    for (c.k = 0; c.k <= m->sends; c.k++)
        if (try_keeps(s, i, c))
            return true;
    return false;
}

int sweep_run(struct sim_world *w, const struct sim_job *job, uint64_t limit_ns,
              const volatile sig_atomic_t *stop, struct sweep_result *r, char *why, size_t size)
{
    struct sweep s = {.w = w, .job = job, .r = r, .limit_ns = limit_ns, .stop = stop};
    *r = (struct sweep_result){0};
    if (!sim_needs(job->def).disk) {
        snprintf(why, size,
                 "stack %s has no log: who crashes stays down, and there is nothing to "
                 "sweep",
                 job->def->name);
        return -EINVAL;
    }
    clock_gettime(CLOCK_MONOTONIC, &s.begin);
    s.choice = calloc(MOST_CHOICES, sizeof s.choice[0]);
    s.mark = calloc(MOST_CHOICES, sizeof s.mark[0]);
    int err = s.choice != NULL && s.mark != NULL ? 0 : -ENOMEM;
    snprintf(why, size, "out of memory for the measure");
    if (err == 0)
        err = sim_world_start(w, job, why, size);
    if (err == 0) {
        take_measure(&s);
        count(&s);
    }
    for (uint64_t i = 0; err == 0 && i < s.choices && r->bound == NULL; i++) {
        if (!is_point(&s.mark[i]))
            continue;
        r->bound = bound(&s);
        if (r->bound == NULL && sweep_choice(&s, i))
            break;
    }
    if (r->bound == NULL && r->cut && !r->out.violated)
        r->bound = "the length of its measure";
    free(s.choice);
    free(s.mark);
    return err;
}
