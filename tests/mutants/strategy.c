/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The adversary of the mutant runs. Its first phase picks at random among what is possible: in an
 * asynchronous system any process's next timer may fire at any time; a stack with a perfect failure
 * detector gets a synchronous one, in which time is kept and delays are bounded.
 */
#include "strategy.h"

#include <stdio.h>
#include <stdlib.h>

#include "protocols/random.h"

#define MS              1000000ull
#define FAIR_BOUND_NS   (3000 * MS) /* virtual time of the fair phase, at most */
#define FAIR_STEPS      60000
#define FAIR_SLICE_NS   (20 * MS)
#define QUIET_NS        (60 * MS) /* obligations met: run on for so long, for what may come twice */
#define FLIGHT_BUSY_MAX 120       /* frames in flight: nothing that makes more of them */

struct adversary {
    struct sim_world *w;
    const char *property; /* "": any */
    struct random r;
    uint32_t steps;       /* of the first phase */
    uint32_t crashes;     /* that may still fall */
    uint32_t stay;        /* who may stay down for good, where processes recover */
    uint32_t drop_pct;    /* of deliveries */
    uint32_t twice_pct;   /* of deliveries */
    uint32_t timer_pct;   /* of choices */
    uint32_t request_pct; /* of choices */
    uint32_t write_pct;   /* of choices, where there are disks: a write comes to its end */
    uint64_t apart;       /* processes cut off from the others */
};

static uint32_t draw(struct adversary *a, uint32_t bound)
{
    return random_below(&a->r, bound);
}

static bool percent(struct adversary *a, uint32_t pct)
{
    return draw(a, 100) < pct;
}

static void apply(struct adversary *a, struct choice c)
{
    sim_world_apply(a->w, &c);
}

/* Whether there is what the run is to find. */
static bool violated(const struct adversary *a)
{
    for (int i = 0; i < CO_STACK_MAX; i++) {
        const struct check *c = a->w->check[i];
        for (uint16_t r = 0; c != NULL && c->violations > 0 && r < c->results; r++)
            if (c->result[r].state == CHECK_VIOLATED &&
                (a->property[0] == '\0' || strcmp(c->result[r].code, a->property) == 0))
                return true;
    }
    return false;
}

/* ---- the first phase ------------------------------------------------------------------------- */

/* What a crash leaves of what was on its way to the disk. */
static uint64_t some_sectors(struct adversary *a)
{
    return a->w->needs.disk ? draw(a, 2 * KEEPS) : KEEPS_NOTHING;
}

/* A write of somebody's disk comes to its end. */
static bool write_something(struct adversary *a)
{
    struct sim_world *w = a->w;
    uint16_t p = (uint16_t)draw(a, w->n);
    const struct disk_sim *d = w->proc[p].disk;
    if (d->writes == 0)
        return false;
    struct choice c = {.kind = CHOICE_WRITTEN, .p = p};
    c.k = d->write[draw(a, d->writes)].ordinal; /* not in an initializer, which has no order */
    c.b = percent(a, 20) ? WRITTEN_WAITS : 0;
    apply(a, c);
    return true;
}

static void recover_somebody(struct adversary *a)
{
    uint16_t p = (uint16_t)draw(a, a->w->n);
    if (a->w->proc[p].state == SIM_CRASHED)
        apply(a, (struct choice){.kind = CHOICE_RECOVER, .p = p});
}

/* All crash at once: what no disk holds, nobody holds. */
static void cut_power(struct adversary *a)
{
    for (uint16_t p = 0; p < a->w->n; p++)
        apply(a, (struct choice){.kind = CHOICE_CRASH, .p = p, .a = some_sectors(a)});
    a->crashes--;
}

static void crash_somebody(struct adversary *a)
{
    struct sim_world *w = a->w;
    uint16_t p = (uint16_t)draw(a, w->n);
    if (w->proc[p].state == SIM_CRASHED)
        return;
    if (w->needs.disk && percent(a, 25)) {
        cut_power(a);
        return;
    }
    if (w->needs.disk && percent(a, 30)) /* in the breath that takes notice of a write */
        write_something(a);
    static const uint8_t kinds[] = {CHOICE_CRASH, CHOICE_CRASH_AT, CHOICE_CRASH_SENT};
    uint8_t kind = kinds[draw(a, 3)];
    struct choice request;
    /* A crash between the sends of a broadcast needs a broadcast. */
    if (kind != CHOICE_CRASH && percent(a, 50) && sim_world_request(w, p, &request)) {
        struct sim_proc *x = &w->proc[p];
        if (kind == CHOICE_CRASH_SENT)
            x->sends_left = draw(a, w->n);
        else
            x->events_left = draw(a, 4 * w->n);
        apply(a, request);
        x->events_left = x->sends_left = UINT64_MAX;
        kind = CHOICE_CRASH;
    }
    struct choice c = {.kind = kind, .p = p};
    c.k = draw(a, 8);
    c.a = some_sectors(a);
    apply(a, c);
    a->crashes--;
}

static bool cut_off(const struct adversary *a, const struct sim_frame *f)
{
    return ((a->apart >> f->from ^ a->apart >> f->to) & 1) != 0;
}

static void deliver_something(struct adversary *a)
{
    struct sim *s = &a->w->sim;
    if (s->flights == 0)
        return;
    uint32_t k = draw(a, s->flights);
    if (cut_off(a, &s->flight[k]))
        return;
    enum choice_kind kind = CHOICE_DELIVER;
    if (percent(a, a->drop_pct))
        kind = CHOICE_DROP;
    else if (percent(a, a->twice_pct))
        kind = CHOICE_DUPLICATE;
    else if (percent(a, 15))
        kind = CHOICE_ARRIVE;
    apply(a, choice_frame(kind, s, k));
}

static void act(struct adversary *a)
{
    struct sim_world *w = a->w;
    struct choice c;
    uint16_t p = (uint16_t)draw(a, w->n);
    bool busy = w->sim.flights > FLIGHT_BUSY_MAX;
    if (a->crashes > 0 && draw(a, a->steps) < (w->needs.disk ? 8 : 2))
        crash_somebody(a);
    else if (w->needs.disk && draw(a, 20) == 0)
        recover_somebody(a);
    else if (w->needs.disk && percent(a, a->write_pct) && write_something(a))
        return;
    else if (draw(a, 40) == 0)
        a->apart = percent(a, 50) ? 0 : random_u64(&a->r);
    else if (!busy && percent(a, a->request_pct) && sim_world_request(w, p, &c))
        apply(a, c);
    else if (!busy && percent(a, a->timer_pct))
        apply(a, (struct choice){.kind = CHOICE_TIMER, .p = p});
    else if (sim_world_busy(w, p) && percent(a, 30))
        apply(a, (struct choice){.kind = CHOICE_STEP, .p = p});
    else
        deliver_something(a);
}

/* Time is kept, nothing is lost: only the order within the delays, and crashes. */
static void act_timed(struct adversary *a)
{
    struct sim_world *w = a->w;
    struct choice c;
    if (a->crashes > 0 && draw(a, a->steps) < 2)
        crash_somebody(a);
    else if (percent(a, a->request_pct) && sim_world_request(w, (uint16_t)draw(a, w->n), &c))
        apply(a, c);
    else if (sim_world_timed(w, &c))
        apply(a, c);
}

/* ---- the second phase ------------------------------------------------------------------------ */

/* Whether some obligation is still open. */
static bool owing(struct sim_world *w)
{
    bool open = false;
    sim_world_end(w, false);
    for (int i = 0; i < CO_STACK_MAX; i++)
        for (uint16_t r = 0; w->check[i] != NULL && r < w->check[i]->results; r++)
            open |= w->check[i]->result[r].state == CHECK_NOT_YET;
    return open;
}

/*
 * Everybody requests what is left to request; frames and timers in the order of time, up to a
 * moment at which nothing more is due: what was sent has arrived.
 */
static uint64_t pass(struct adversary *a, uint64_t until_ns, uint64_t steps)
{
    struct sim_world *w = a->w;
    struct choice c;
    uint64_t taken = 0;
    while (taken < steps) {
        for (uint16_t p = 0; p < w->n; p++)
            if (sim_world_request(w, p, &c))
                taken += sim_world_apply(w, &c);
        if (!sim_world_timed(w, &c) ||
            (c.kind == CHOICE_ADVANCE && sim_world_now(w) + c.a > until_ns))
            break;
        sim_world_apply(w, &c);
        taken++;
    }
    return taken;
}

/* Restarts are finite: from here on who is up stays up. */
static void revive(struct adversary *a)
{
    struct sim_world *w = a->w;
    uint32_t down = (uint32_t)(w->n - w->alive) + (w->job.unstable != 0);
    for (uint16_t p = 0; w->needs.disk && p < w->n; p++)
        if (w->proc[p].state == SIM_CRASHED && (down > a->stay || percent(a, 50))) {
            apply(a, (struct choice){.kind = CHOICE_RECOVER, .p = p});
            down--;
        }
}

/* True: whatever is owed by now is owed. */
static bool heal(struct adversary *a)
{
    struct sim_world *w = a->w;
    if (w->needs.disk && w->job.seed % 3 == 0) /* what do the disks hold? */
        cut_power(a);
    revive(a);
    if (w->job.convoy_ns != 0 || w->job.unstable != 0)
        return adversary_settle(w, &(struct mix){.patience = 1});
    uint64_t begin = sim_world_now(w), left = FAIR_STEPS;
    apply(a, (struct choice){.kind = CHOICE_HEAL});
    bool open = true;
    while (open && left > 0 && sim_world_now(w) < begin + FAIR_BOUND_NS && !violated(a)) {
        uint64_t taken = pass(a, sim_world_now(w) + FAIR_SLICE_NS, left);
        left -= taken;
        open = owing(w);
        if (taken == 0) /* everything rests for longer than a slice: jump to what comes next */
            sim_world_apply(w, &(struct choice){.kind = CHOICE_ADVANCE, .a = FAIR_SLICE_NS});
    }
    if (!violated(a))
        pass(a, sim_world_now(w) + QUIET_NS, FAIR_STEPS);
    return !violated(a); /* a run that stops early was not fair to its end */
}

/* ---- a run ----------------------------------------------------------------------------------- */

static struct sim_job draw_job(struct adversary *a, const struct stack_def *def, uint64_t seed,
                               const struct mutant *row)
{
    static const uint16_t some[] = {2, 3, 3, 4, 5};
    struct sim_needs needs = sim_needs(def);
    struct sim_job job = {.def = def, .seed = seed, .msg_bytes = 8};
    uint32_t from = needs.majority ? 1 : 0;
    job.n = some[from + draw(a, 5 - from)];
    uint32_t ops = 2 + draw(a, 10);
    ops = needs.disk && ops > 8 ? 8 : ops;
    job.ops = row->ops != 0 ? row->ops : ops;
    job.conf.flight_msgs = percent(a, 50) ? 4 : 16;
    /* A ring holds what a broadcast's window admits, relays of all origins included: pl_window sheds
     * what arrives while a ring is nearly full, and two processes that do so wait for each other. */
    job.conf.store_msgs = percent(a, 50) ? 4 : 16;
    job.conf.ring_msgs = 512;
    job.conf.frame_records = 1 + draw(a, 4);
    job.conf.batch_events = percent(a, 50) ? 1 : 64;
    /* Rows for whom a false suspicion leaves behind: with too few it misses some (ep_read_write). */
    job.conf.instances = 128;
    job.conf.forward = percent(a, 50);
    if (needs.detector && !needs.synchronous && percent(a, 70))
        job.conf.detect_ns = 2 * MS; /* one period: who does not answer at once is suspected */
    if (needs.synchronous) {
        /* Below the detectors' bound, and far below it where other traffic delays heartbeats. */
        uint64_t slowest = percent(a, 50) ? MS : MS / 4;
        if (sim_app_of(def).type == EV_NONE && percent(a, 50))
            slowest = 4 * MS;
        job.faults = 1;
        job.fault[0] = (struct fault_rule){.kind = FAULT_DELAY,
                                           .law = LAW_UNIFORM,
                                           .from = FAULT_ANY,
                                           .to = FAULT_ANY,
                                           .ppm = FAULT_PPM,
                                           .a_ns = MS / 100,
                                           .b_ns = slowest};
    }
    a->steps = 40 + draw(a, 400);
    if (needs.detector)
        a->steps *= 2;
    a->crashes = draw(a, needs.majority ? (job.n + 1u) / 2 : job.n);
    if (needs.disk) { /* who crashes recovers, or not; logs that are compacted now and then */
        a->stay = needs.majority ? (job.n - 1u) / 2 : job.n - 1u;
        a->crashes = draw(a, 6);
        a->write_pct = percent(a, 50) ? 30 : 1 + draw(a, 6); /* slow disks: much is on its way */
        a->steps += draw(a, 600);
        /* What a compaction stores must fit. In most runs a window of lurb, which gives nobody up,
         * holds all that an origin broadcasts while somebody is down, so that much happens. */
        job.conf.store_msgs = 64;
        while (job.conf.store_msgs < 16 * job.n * (seed % 4 == 0 || row->ops != 0 ? 1 : ops))
            job.conf.store_msgs *= 2;
        job.conf.instances = percent(a, 50) ? 64 : 128;
        job.lag = percent(a, 50) ? 0 : draw(a, 3);
    }
    if (row->instances != 0)
        job.conf.instances = row->instances;
    if (job.conf.instances < 2 * job.conf.flight_msgs)
        job.conf.flight_msgs = job.conf.instances / 2;
    a->drop_pct = percent(a, 40) ? 0 : draw(a, 40);
    a->twice_pct = percent(a, 40) ? 0 : draw(a, 30);
    a->timer_pct = 1 + draw(a, 25);
    a->request_pct = 2 + draw(a, 40);
    return job;
}

/* In a few runs frames are slow once the world is healed, or somebody never stops crashing. */
static void draw_healed(struct sim_job *job, uint64_t seed)
{
    struct sim_needs needs = sim_needs(job->def);
    struct random r = random_seeded(seed, 78);
    uint32_t which = random_below(&r, 12);
    if (which == 0 && needs.detector && !needs.synchronous) {
        job->conf.detect_ns = 2 * MS;
        job->conf.flight_msgs = 16;
        job->ops = job->ops > 3 ? 3 : job->ops;
        job->convoy_ns = 5 * MS;
    } else if (which == 1 && needs.disk) {
        job->unstable = (uint16_t)(1 + random_below(&r, job->n));
    }
}

uint64_t strategy_run(struct sim_world *w, const struct stack_def *def, uint64_t seed,
                      const struct mutant *row)
{
    struct adversary a = {.w = w, .property = row->breaks, .r = random_seeded(seed, 77)};
    struct sim_job job = draw_job(&a, def, seed, row);
    draw_healed(&job, seed);
    char why[256];
    if (sim_world_start(w, &job, why, sizeof why) != 0) {
        fprintf(stderr, "stack %s: %s\n", def->name, why);
        exit(2);
    }
    bool timed = w->needs.synchronous;
    for (uint32_t i = 0; i < a.steps && !violated(&a); i++)
        timed ? act_timed(&a) : act(&a);
    if (!violated(&a)) {
        bool fair = heal(&a);
        sim_world_end(w, fair);
    }
    return w->steps;
}
