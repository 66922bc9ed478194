/* SPDX-License-Identifier: BSD-3-Clause */
/* What each choice does to a world. */
#include "sim_parts.h"

#include <inttypes.h>
#include <stdlib.h>

/* ---- frames ---------------------------------------------------------------------------------- */

static bool flying(const struct sim *s, uint32_t k, const struct choice *c)
{
    const struct sim_frame *f = &s->flight[k];
    return f->from == c->p && f->to == c->q && f->ordinal == c->k;
}

/* The index of the frame that a choice names; UINT32_MAX: it is not in flight. */
static uint32_t find_frame(const struct sim *s, const struct choice *c)
{
    if (c->hint < s->flights && flying(s, c->hint, c))
        return c->hint;
    for (uint32_t k = 0; k < s->flights; k++)
        if (flying(s, k, c))
            return k;
    return UINT32_MAX;
}

/* Frames mostly arrive in the order of sending: the next one is likely to be that which follows. Of
 * the one behind it is fetched what says where the rest lies. */
static void fetch_ahead(const struct sim_world *w, uint32_t k)
{
    const struct sim_frame *f = &w->sim.flight[k];
    if (k + 1 < w->sim.flights) {
        rte_prefetch0(&w->proc[f[1].to]);
        rte_prefetch0(f[1].pkt);
    }
    rte_prefetch0(&w->sim.ordinal[(size_t)f->to * w->n + f->from]); /* of an answer */
    sim_fetch_ahead(&w->fetch, w->proc[f->to].st, &w->sim.env[f->to], f->pkt);
}

static bool on_frame(struct sim_world *w, const struct choice *c)
{
    uint32_t k = find_frame(&w->sim, c);
    if (k == UINT32_MAX)
        return false;
    struct sim_proc *x = &w->proc[c->q];
    if (x->state == SIM_CRASHED && c->kind != CHOICE_DROP)
        return false; /* it waits for the next life of q */
    if (x->state != SIM_CRASHED && (c->kind == CHOICE_DROP || c->kind == CHOICE_CORRUPT))
        sim_rules_strain(w, STRAIN_LOSS);
    switch (c->kind) {
    case CHOICE_DELIVER:
        sim_deliver(&w->sim, k);
        if (w->n >= SIM_FETCH_PROCS && k < w->sim.flights)
            fetch_ahead(w, k);
        sim_process_step(w, x);
        return true;
    case CHOICE_ARRIVE:
        sim_deliver(&w->sim, k);
        return true;
    case CHOICE_DUPLICATE:
        sim_duplicate(&w->sim, k);
        if (c->b != WAITS)
            sim_process_step(w, x);
        return true;
    case CHOICE_CORRUPT:
        sim_corrupt(&w->sim, k, (uint32_t)c->a);
        return true;
    default:
        sim_drop(&w->sim, k);
        return true;
    }
}

/* ---- processes ------------------------------------------------------------------------------- */

bool sim_world_takes(const struct sim_world *w, const struct choice *c)
{
    const struct co *top = w->proc[c->p].st->app->use[0];
    return co_room(top) > 0 &&
           (!w->app.instance || top->cls->takes == NULL || top->cls->takes(top, c->b));
}

static bool on_request(struct sim_world *w, struct sim_proc *x, const struct choice *c)
{
    struct stack *st = x->st;
    struct co *top = st->app->use[0];
    if (w->app.type == EV_NONE || c->q >= w->n || !sim_world_takes(w, c))
        return false;
    struct msg m = sim_app_payload(st, c->a, sim_process_payload(w));
    bool link = sim_is_link(top->cls->implements), log = w->app.type == EV_LOG_STORE;
    uint64_t inst = link ? st->app->port : w->app.instance ? c->b : 0;
    trigger(top,
            ev_make(w->app.type, w->app.to_process ? c->q : 0, inst, log ? st->app->port : 0, m));
    x->ops++;
    if (c->k == 0)
        sim_process_step(w, x);
    return true;
}

/* A write comes to its end. */
static bool on_written(struct sim_world *w, struct sim_proc *x, const struct choice *c)
{
    uint64_t fate = c->b % WRITTEN_WAITS;
    uint32_t k = w->needs.disk ? sim_disk_find(x->disk, c->k) : UINT32_MAX;
    if (k == UINT32_MAX || fate >= DISK_FATES)
        return false;
    sim_disk_finish(x->disk, k, (enum disk_sim_fate)fate, c->a);
    if (c->b < WRITTEN_WAITS)
        sim_process_step(w, x);
    return true;
}

/* What befalls a disk whether its process is up or down. */
static bool on_medium(struct disk_sim *d, const struct choice *c)
{
    if (c->kind == CHOICE_FLIP)
        return sim_disk_flip(d, c->k, c->a, c->b);
    if (c->k > 3)
        return false;
    d->super_loses = c->k;
    return true;
}

/* Its clock moves to its earliest timer. */
static bool on_timer(struct sim_world *w, struct sim_proc *x, const struct choice *c)
{
    if (x->timer_ns == UINT64_MAX)
        return false;
    if (x->timer_ns > w->sim.env[c->p].now_ns)
        w->sim.env[c->p].now_ns = x->timer_ns;
    if (x->timer_ns > w->front_ns) {
        sim_rules_strain(w, STRAIN_DELAY); /* nobody else has come as far */
        w->front_ns = x->timer_ns;
    }
    if (c->b != WAITS)
        sim_process_step(w, x);
    return true;
}

static bool on_process(struct sim_world *w, const struct choice *c)
{
    struct sim_proc *x = &w->proc[c->p];
    if (c->kind == CHOICE_RECOVER)
        return sim_process_recover(w, x, c);
    if (c->kind == CHOICE_FLIP || c->kind == CHOICE_LOSE_SUPER)
        return w->needs.disk && on_medium(x->disk, c);
    if (x->state == SIM_CRASHED)
        return false;
    bool running = x->state == SIM_RUNNING;
    switch (c->kind) {
    case CHOICE_STEP:
        sim_process_step(w, x);
        return running;
    case CHOICE_TIMER:
        return running && on_timer(w, x, c);
    case CHOICE_REQUEST:
        return running && on_request(w, x, c);
    case CHOICE_CRASH:
        sim_process_crash(w, x, c->a);
        return true;
    case CHOICE_CRASH_AT:
    case CHOICE_CRASH_SENT:
        sim_process_crash_in_step(w, x, c);
        return true;
    case CHOICE_CRASH_SUPER:
        if (!w->needs.disk || c->k > 1)
            return false;
        x->disk->super_crash = (int)c->k;
        return true;
    case CHOICE_WRITTEN:
        return on_written(w, x, c);
    case CHOICE_PAUSE:
        sim_rules_strain(w, STRAIN_PAUSE);
        x->state = SIM_PAUSED;
        return running;
    case CHOICE_RESUME:
        x->state = SIM_RUNNING;
        return !running;
    case CHOICE_LIE:
        return running && sim_lies_tell(w, x, c);
    default:
        return false;
    }
}

/* ---- the world ------------------------------------------------------------------------------- */

/* From here on nothing goes wrong that did not go wrong before. */
static void heal(struct sim_world *w)
{
    w->healed = true;
    w->faults.armed = 0;
    sim_rules_arm(w);
    for (uint16_t p = 0; p < w->n; p++) {
        struct sim_proc *x = &w->proc[p];
        for (uint32_t k = 0; w->needs.disk && k < x->disk->writes; k++)
            x->disk->write[k].fails = false;
        if (w->needs.disk) {
            x->disk->super_crash = -1;
            x->disk->super_loses = 0;
        }
        if (x->state == SIM_CRASHED)
            sim_process_lose_frames(&w->sim, p);
        if (x->state == SIM_PAUSED)
            x->state = SIM_RUNNING;
        if (x->state == SIM_RUNNING && (x->misled || x->told != x->suspected))
            sim_lies_correct(w, x);
        if (x->state == SIM_RUNNING && sim_app_release_all(x->st))
            sim_process_step(w, x);
    }
    for (int i = 0; i < CO_STACK_MAX; i++)
        if (w->check[i] != NULL)
            check_healed(w->check[i], w->steps);
}

static bool on_world(struct sim_world *w, const struct choice *c)
{
    switch (c->kind) {
    case CHOICE_ADVANCE: {
        if (c->a > UINT64_MAX - w->front_ns)
            return false;
        if (w->needs.synchronous && w->strain == STRAIN_NONE && sim_world_late(w, c))
            w->strain = STRAIN_DELAY;
        w->front_ns += c->a;
        w->sim.now_ns = w->front_ns;
        return true;
    }
    case CHOICE_ARM:
    case CHOICE_DISARM:
        if (c->k >= w->faults.rules)
            return false;
        fault_arm(&w->faults, c->k, c->kind == CHOICE_ARM);
        sim_rules_arm(w);
        return true;
    case CHOICE_HEAL:
        heal(w);
        return true;
    default:
        return false;
    }
}

/* ---- one choice ------------------------------------------------------------------------------ */

static void refresh_after(struct sim_world *w, const struct choice *c)
{
    if (c->kind == CHOICE_HEAL)
        for (uint16_t p = 0; p < w->n; p++)
            sim_process_refresh(w, p);
    else if (c->kind >= CHOICE_DELIVER && c->kind <= CHOICE_CORRUPT)
        sim_process_refresh(w, c->q);
    else if (c->kind != CHOICE_ADVANCE)
        sim_process_refresh(w, c->p);
}

static void record(struct sim_world *w, const struct choice *c)
{
    if (w->records == w->record_max) {
        w->record_max = w->record_max == 0 ? 1024 : 2 * w->record_max;
        w->record = realloc(w->record, w->record_max * sizeof w->record[0]);
        if (w->record == NULL)
            rte_panic("simulator: out of memory for %" PRIu64 " choices\n", w->record_max);
    }
    w->record[w->records++] = *c;
}

bool sim_world_apply(struct sim_world *w, const struct choice *c)
{
    if (unlikely(w->observer.choice != NULL))
        w->observer.choice(w->observer.ctx, w, c);
    bool done = false;
    w->current = *c;
    w->trace_before = w->trace_hash;
    w->steps++;
    if (c->kind == CHOICE_NONE || c->kind >= CHOICES || c->p >= w->n)
        done = false;
    else if (c->kind == CHOICE_ADVANCE || c->kind >= CHOICE_ARM)
        done = on_world(w, c);
    else if (c->kind >= CHOICE_DELIVER && c->kind <= CHOICE_CORRUPT)
        done = on_frame(w, c);
    else
        done = on_process(w, c);
    if (!done) {
        w->steps--;
        return false;
    }
    refresh_after(w, &w->current);
    if (w->recording)
        record(w, &w->current);
    if (unlikely(w->observer.done != NULL))
        w->observer.done(w->observer.ctx, w, &w->current);
    return true;
}
