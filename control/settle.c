/* SPDX-License-Identifier: BSD-3-Clause */
#include "settle.h"

#include "adversary.h"

uint32_t settle_writes(const struct sim_world *w)
{
    uint32_t n = 0;
    for (uint16_t p = 0; w->needs.disk && p < w->n; p++)
        n += w->proc[p].disk->writes;
    return n;
}

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

/* The second phase, as far as it has come. */
struct settling {
    struct sim_world *w;
    const struct mix *mix;
    uint64_t since;    /* the last request, or when the unstable one had outlived all others */
    uint64_t turn_ns;  /* when the unstable process crashes or recovers next */
    uint16_t unstable; /* SETTLE_NOBODY: all who are up stay up */
};

/* Who goes on crashing and recovering: one of those whom the stack does without. */
static uint16_t unstable_of(const struct sim_world *w)
{
    const uint16_t p = (uint16_t)(w->job.unstable - 1);
    if (!w->needs.disk || p >= w->n || w->proc[p].refused)
        return SETTLE_NOBODY;
    const bool up = w->proc[p].state != SIM_CRASHED;
    return w->n - w->alive + up <= adversary_crashes_max(w->job.def, w->n) ? p : SETTLE_NOBODY;
}

bool settle_requests(struct sim_world *w, uint16_t unstable)
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
    uint64_t detects = s->unstable != SETTLE_NOBODY ? 16 : 4;
    return (w->needs.endless ? 8 : 2) * c->rto_max_ns +
           (w->needs.detector ? detects * c->detect_ns : 0) + 16 * w->job.convoy_ns;
}

/*
 * How long detectors may err before their timeouts, which grow by `detect_ns` with each error, are
 * beyond what a request and its reply take: an error and its correction take less than twice that.
 * What the healed world finds lost is sent again within the longest timeout of a link.
 */
static uint64_t learning_ns(const struct sim_world *w)
{
    const struct stack_conf *c = &w->job.conf;
    if (!w->needs.omega && !w->needs.epfd)
        return 0;
    uint64_t slowest_ns = w->job.convoy_ns != 0 ? w->job.convoy_ns : c->rto_max_ns;
    uint64_t round_ns = 2 * (slowest_ns + c->heartbeat_ns);
    return (round_ns / c->detect_ns + 1) * 2 * (round_ns + c->detect_ns);
}

/* Whether ◇P or Ω is wrong somewhere, as of now. */
static bool errs(const struct sim_world *w)
{
    uint64_t all = w->n < 64 ? (1ull << w->n) - 1 : UINT64_MAX, up = 0;
    uint16_t leader = UINT16_MAX;
    for (uint16_t p = 0; p < w->n && p < 64; p++)
        up |= (uint64_t)(w->proc[p].state == SIM_RUNNING) << p;
    for (uint16_t p = 0; p < w->n && p < 64; p++) {
        const struct sim_proc *x = &w->proc[p];
        if (!(up >> p & 1))
            continue;
        leader = leader == UINT16_MAX ? x->leader : leader;
        if (w->needs.epfd && (x->suspected & all) != (all & ~up))
            return true;
        if (w->needs.omega && (x->leader != leader || leader >= w->n || !(up >> leader % 64 & 1)))
            return true;
    }
    return false;
}

/* When detectors that change their minds for ever are waited for no more. */
static uint64_t learnt_ns(const struct settling *s)
{
    return s->since + 5 * (1 + s->mix->patience) * learning_ns(s->w);
}

/*
 * When what counts last happened. That is what crosses the border of the top, where somebody asks
 * for it: a detector that changes its mind for ever would keep its own stack from ever resting. So
 * detectors keep still as well, but are judged as they are after five times what learning takes.
 * Where timeouts have to grow, they are given time to learn even if they say nothing.
 */
static uint64_t last_ns(const struct settling *s)
{
    const struct sim_world *w = s->w;
    const bool slow = w->job.convoy_ns != 0, steady = s->unstable == SETTLE_NOBODY;
    const bool listens = w->app.type == EV_NONE && (w->needs.omega || w->needs.epfd);
    const uint64_t end = learnt_ns(s);
    uint64_t last = s->since + (slow ? learning_ns(w) : 0);
    if ((slow || steady) && w->erred_ns > last)
        last = w->erred_ns < end ? w->erred_ns : end;
    if (!w->needs.endless && steady && !listens && w->top_ns > last)
        last = w->top_ns;
    return last;
}

/*
 * Whether the world has come to rest: nothing that counts happened for longer than any armed timer
 * takes, several times over. What sends again for ever is given as long from the last request on,
 * and so is what an unstable process stirs up. Nothing may be in flight, or what was sent last would
 * count as lost; heartbeats that are slower than their period are always in flight, and arrive when
 * all else is at rest. Who still changes its mind when it should have learnt is judged when it errs,
 * if it does so once more within as long.
 */
static bool at_rest(const struct settling *s)
{
    const struct sim_world *w = s->w;
    uint64_t patience = 1 + s->mix->patience, base = quiet_base_ns(s);
    uint64_t now = w->sim.now_ns, last = last_ns(s);
    uint64_t quiet = now > last ? now - last : 0;
    uint64_t learnt = learnt_ns(s);
    if (s->unstable == SETTLE_NOBODY && w->erred_ns > learnt && !errs(w) &&
        now - s->since < 2 * (learnt - s->since))
        return false;
    return (w->job.convoy_ns != 0 || w->sim.flights == 0) && settle_writes(w) == 0 &&
           quiet > patience * base && quiet > patience * (base + 2 * horizon_ns(w, now));
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
    if (s->unstable == SETTLE_NOBODY || (more && c->kind != CHOICE_ADVANCE))
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
    if (s->unstable != SETTLE_NOBODY && w->proc[s->unstable].state != SIM_CRASHED) {
        struct choice c = turn(s);
        sim_world_apply(w, &c);
    }
    if (s->unstable != SETTLE_NOBODY || w->job.convoy_ns != 0)
        arrive(w);
}

/* Time has passed. True: the world is at rest. */
static bool passed(struct settling *s)
{
    if (settle_requests(s->w, s->unstable) || (s->unstable != SETTLE_NOBODY && !outlived(s)))
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
    settle_requests(w, s.unstable);
    for (uint64_t i = 0; i < most && !rested; i++) {
        if (!next_choice(&s, &c)) {
            rested = !settle_requests(w, s.unstable);
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
