/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Elect lower epoch.
 *
 * Abstraction   Ω, eventual leader detector (CGR Module 2.9)
 *
 * Algorithm     elect lower epoch (CGR Algorithm 2.9): each process counts its lives on stable
 *               storage and tells the count in its heartbeats; trust, of those that were heard of,
 *               the one with the fewest lives, and of these the one of highest rank
 *
 * Uses          fll, log
 *
 * Properties    ELD1, ELD2
 *
 * Model         crash-recovery, partially synchronous: delays that are bounded by something, known
 *               or not. A process that crashes and recovers for ever has an ever higher epoch, so
 *               that in the end it is not elected while there is one that does not
 *
 * Space         8 bytes a process
 *
 * Differs       - The epoch is the incarnation, which the log has counted up and stored before
 *                 anything is sent.
 *               - Period (`heartbeat_ns`) and delay are apart: the delay begins with `detect_ns`
 *                 and grows by `detect_ns` when the leader changes. What arrives in the same breath
 *                 as the alarm is in time.
 *               - We are always a candidate ourselves. The first leader is elected when the first
 *                 delay has passed; until then nobody is trusted.
 */
#include "detectors.h"
#include "protocols/co.h"
#include "protocols/post.h"
#include "protocols/view.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

enum { USE_FLL, USE_LOG };

#define NOBODY UINT16_MAX

struct elect_wire {
    uint8_t epoch[4];
};
static_assert(sizeof(struct elect_wire) == 4, "the layout is the protocol");

struct elect {
    struct co co;
    uint64_t candidates;
    uint64_t delay_ns;
    uint64_t waited_ns; /* of the delay */
    uint16_t leader;
    struct timer timer;
    uint32_t epoch[]; /* of each process, the highest heard of */
};

static struct elect *elect(struct co *co)
{
    return (struct elect *)co;
}

static size_t elect_bytes(const struct stack_conf *conf)
{
    return sizeof(struct elect) + conf->n * sizeof(uint32_t);
}

static uint32_t elect_stores(const struct stack_conf *conf)
{
    (void)conf;
    return 0; /* its epoch is the incarnation, which the log keeps */
}

static void elect_init(struct co *self)
{
    elect(self)->leader = NOBODY;
    elect(self)->delay_ns = self->st->conf.detect_ns;
}

/* forall p ∈ Π do trigger ⟨fll, Send | p, [HEARTBEAT, epoch]⟩ */
static void send_heartbeats(struct co *self)
{
    struct msg m = msg_new(self->st, sizeof(struct elect_wire));
    le32_put(((struct elect_wire *)msg_data(m))->epoch, self->st->conf.incarnation);
    for (uint16_t q = 0; q < self->st->n; q++)
        if (q != self->st->self)
            link_send(self, self->use[USE_FLL], EV_FLL_SEND, q, m);
    co_timer(self, &elect(self)->timer, self->st->conf.heartbeat_ns, 0);
}

/* upon ⟨Ω, Recovery⟩ do retrieve(epoch); epoch := epoch + 1; store(epoch): the log has done so;
 * candidates := ∅; send heartbeats; starttimer(delay) */
static void upon_log_recovered(struct co *self, const struct ev *ev, uint32_t n)
{
    (void)n;
    struct elect *s = elect(self);
    s->candidates = 1ull << self->st->self;
    s->epoch[self->st->self] = (uint32_t)ev->attr;
    send_heartbeats(self);
}

/* upon ⟨Timeout⟩: judge behind what this breath has received. */
static void upon_timeout(struct co *self, const struct ev *ev, uint32_t n)
{
    (void)ev, (void)n;
    elect(self)->waited_ns += self->st->conf.heartbeat_ns;
    trigger(self, ev_make(EV_OMEGA_JUDGE, 0, 0, 0, MSG_NONE));
}

/* select(candidates): the lowest epoch; of several, the lowest process number. */
static uint16_t selected(const struct elect *s)
{
    uint16_t best = s->co.st->self;
    for (uint64_t set = s->candidates; set != 0; set &= set - 1) {
        uint16_t q = (uint16_t)__builtin_ctzll(set);
        if (s->epoch[q] < s->epoch[best] || (s->epoch[q] == s->epoch[best] && q < best))
            best = q;
    }
    return best;
}

/* newleader := select(candidates); if newleader ≠ leader then delay := delay + Δ;
 * leader := newleader; trigger ⟨Ω, Trust | leader⟩; candidates := ∅ */
static void upon_omega_judge(struct co *self, const struct ev *ev, uint32_t n)
{
    (void)ev, (void)n;
    struct elect *s = elect(self);
    if (s->waited_ns >= s->delay_ns) {
        uint16_t leader = selected(s);
        if (leader != s->leader) {
            if (s->leader != NOBODY)
                s->delay_ns += self->st->conf.detect_ns;
            s->leader = leader;
            indicate(self, ev_make(EV_OMEGA_TRUST, leader, 0, 0, MSG_NONE));
        }
        s->candidates = 1ull << self->st->self;
        s->waited_ns = 0;
    }
    send_heartbeats(self);
}

/* upon ⟨fll, Deliver | q, [HEARTBEAT, ep]⟩ do candidates := candidates ∪ {(q, ep)}; of several
 * epochs of one process the highest counts */
static void upon_fll_deliver(struct co *self, const struct ev *ev, uint32_t n)
{
    struct elect *s = elect(self);
    for (uint32_t i = 0; i < n; i++) {
        struct msg m = ev_msg(&ev[i]);
        uint16_t q = ev[i].proc;
        const struct elect_wire *w = (const struct elect_wire *)msg_pull(&m, sizeof *w);
        if (w == NULL || m.len != 0 || le32_get(w->epoch) == 0 || q == self->st->self) {
            co_count(self, COUNT_drop_message, 1);
            continue;
        }
        if (le32_get(w->epoch) < s->epoch[q])
            continue; /* of a life that is over */
        s->epoch[q] = le32_get(w->epoch);
        s->candidates |= 1ull << q;
    }
}

/* The log keeps the epoch itself; nothing else is stored. */
static void upon_log_other(struct co *self, const struct ev *ev, uint32_t n)
{
    (void)self, (void)ev, (void)n;
}

static void elect_check(const struct co *self)
{
    const struct elect *s = (const struct elect *)self;
    assert(s->leader < self->st->n || s->leader == NOBODY);
    assert(s->candidates >> self->st->self & 1);
    assert(timer_armed(&s->timer));
}

static void elect_show(const struct co *self, struct view *v)
{
    const struct elect *s = (const struct elect *)self;
    view_u64(v, "leader", s->leader);
    view_u64(v, "candidates", s->candidates);
    view_u64(v, "delay_ns", s->delay_ns);
    view_u64(v, "waited_ns", s->waited_ns);
    for (uint16_t q = 0; q < self->st->n; q++)
        view_u64(v, "epoch", s->epoch[q]);
}

static int elect_tell(struct msg m, char *text, size_t size)
{
    const struct elect_wire *w = (const struct elect_wire *)msg_pull(&m, sizeof *w);
    if (w == NULL || m.len != 0)
        return -1;
    return snprintf(text, size, "[HEARTBEAT %" PRIu32 "]", le32_get(w->epoch));
}

static void elect_post(const struct co *self, struct co_post *p)
{
    const struct elect *s = (const struct elect *)self;
    if (s->leader == NOBODY)
        return;
    p->trusted = s->leader;
    p->have |= POST_TRUSTED;
}

static co_upon_fn *const upon[EV_TYPES] =
    {[EV_TIMER_TIMEOUT] = upon_timeout,   [EV_OMEGA_JUDGE] = upon_omega_judge,
     [EV_FLL_DELIVER] = upon_fll_deliver, [EV_LOG_RECOVERED] = upon_log_recovered,
     [EV_LOG_STORED] = upon_log_other,    [EV_LOG_FOUND] = upon_log_other,
     [EV_LOG_COMPACT] = upon_log_other};

const struct co_class omega_elect_lower_epoch_class = {
    .name = "omega_elect_lower_epoch",
    .title = "elect lower epoch (CGR Algorithm 2.9)",
    .implements = ABS_OMEGA,
    .uses = {ABS_FLL, ABS_LOG},
    .procs_max = PSET_PROCS,
    .bytes = elect_bytes,
    .init = elect_init,
    .stores = elect_stores,
    .upon = upon,
    .check = elect_check,
    .show = elect_show,
    .post = elect_post,
    .tell = elect_tell,
};
