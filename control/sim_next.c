/* SPDX-License-Identifier: BSD-3-Clause */
/* What can happen next in a world: without faults, in any order; or as a clock has it. */
#include "sim_parts.h"

/* ---- choices --------------------------------------------------------------------------------- */

bool sim_world_request(const struct sim_world *w, uint16_t p, struct choice *c)
{
    const struct sim_proc *x = &w->proc[p];
    if (w->app.type == EV_NONE || x->state != SIM_RUNNING || x->ops >= w->job.ops ||
        co_room(x->st->app->use[0]) == 0)
        return false;
    *c = (struct choice){.kind = CHOICE_REQUEST, .p = p, .a = (uint64_t)p << 32 | (x->ops + 1)};
    if (w->app.to_process)
        c->q = (uint16_t)((p + 1 + x->ops) % w->n);
    if (w->app.instance)
        c->b = x->ops;
    return true;
}

bool sim_world_busy(const struct sim_world *w, uint16_t p)
{
    const struct sim_proc *x = &w->proc[p];
    return x->state == SIM_RUNNING &&
           (w->sim.env[p].ins > 0 || x->st->ready != 0 || x->st->dirty != 0 ||
            x->timer_ns <= w->sim.now_ns || sim_process_disk_done(w, x));
}

uint32_t sim_world_choices(const struct sim_world *w, struct choice *out, uint32_t max)
{
    uint32_t n = 0;
#define PUT(...)                                   \
    do {                                           \
        if (n < max)                               \
            out[n] = (struct choice){__VA_ARGS__}; \
        n++;                                       \
    } while (0)
    for (uint32_t k = 0; k < w->sim.flights; k++)
        if (w->proc[w->sim.flight[k].to].state != SIM_CRASHED) {
            if (n < max)
                out[n] = choice_frame(CHOICE_DELIVER, &w->sim, k);
            n++;
        }
    for (uint16_t p = 0; p < w->n; p++) {
        struct choice c;
        for (uint32_t k = 0; w->needs.disk && k < w->proc[p].disk->writes; k++, n++)
            if (n < max)
                out[n] = sim_disk_choice(w->proc[p].disk, p, k);
        if (sim_world_busy(w, p))
            PUT(.kind = CHOICE_STEP, .p = p);
        if (w->proc[p].state == SIM_RUNNING && w->proc[p].timer_ns != UINT64_MAX)
            PUT(.kind = CHOICE_TIMER, .p = p);
        if (sim_world_request(w, p, &c)) {
            if (n < max)
                out[n] = c;
            n++;
        }
    }
#undef PUT
    return n;
}

/* ---- where time is kept ---------------------------------------------------------------------- */

/* The frame due first, the oldest of equals; frames to a paused process wait. */
static uint32_t first_due(const struct sim_world *w)
{
    const struct sim *s = &w->sim;
    uint32_t first = UINT32_MAX;
    if (s->flights > 0 && w->due_ordered && w->proc[s->flight[0].to].state == SIM_RUNNING)
        return 0;
    for (uint32_t k = 0; k < s->flights; k++)
        if ((first == UINT32_MAX || s->flight[k].due_ns < s->flight[first].due_ns) &&
            w->proc[s->flight[k].to].state == SIM_RUNNING)
            first = k;
    return first;
}

/* The process that has something to do first, the lowest of equals. */
static uint16_t first_awake(const struct sim_world *w)
{
    uint16_t first = 0;
    for (uint16_t p = 1; p < w->n; p++)
        if (w->wake[p] < w->wake[first])
            first = p;
    return first;
}

/* The write that is due first, of all disks. UINT64_MAX: none is under way. */
static uint64_t first_write(const struct sim_world *w, struct choice *c)
{
    uint64_t due = UINT64_MAX;
    for (uint16_t p = 0; w->needs.disk && p < w->n; p++) {
        const struct disk_sim *d = w->proc[p].disk;
        uint32_t k = sim_disk_first(d);
        if (k == UINT32_MAX || d->write[k].due_ns >= due)
            continue;
        due = d->write[k].due_ns;
        *c = sim_disk_choice(d, p, k);
    }
    return due;
}

bool sim_world_timed(const struct sim_world *w, struct choice *c)
{
    uint64_t now = sim_world_now(w), next = UINT64_MAX;
    uint32_t k = first_due(w);
    if (k != UINT32_MAX && w->sim.flight[k].due_ns <= now) {
        *c = choice_frame(CHOICE_DELIVER, &w->sim, k);
        return true;
    }
    if (k != UINT32_MAX)
        next = w->sim.flight[k].due_ns;
    uint64_t written = first_write(w, c);
    if (written <= now)
        return true;
    next = written < next ? written : next;
    uint16_t p = first_awake(w);
    if (w->wake[p] <= now) {
        *c = (struct choice){.kind = CHOICE_STEP, .p = p};
        if (w->sim.now_ns < now) /* first bring everybody to the clock furthest ahead */
            *c = (struct choice){.kind = CHOICE_ADVANCE};
        return true;
    }
    if (w->wake[p] < next)
        next = w->wake[p];
    *c = (struct choice){.kind = CHOICE_ADVANCE, .a = next - now};
    return next != UINT64_MAX;
}

bool sim_world_late(const struct sim_world *w, const struct choice *c)
{
    const uint64_t then = w->front_ns + c->a;
    if (c->kind != CHOICE_ADVANCE || c->a == 0)
        return false;
    for (uint16_t p = 0; p < w->n; p++)
        if (w->wake[p] < then)
            return true;
    for (uint32_t k = 0; k < w->sim.flights; k++)
        if (w->sim.flight[k].due_ns < then && w->proc[w->sim.flight[k].to].state == SIM_RUNNING)
            return true;
    return false;
}
