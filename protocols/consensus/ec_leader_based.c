/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Leader-based epoch change.
 *
 * Abstraction   ec, epoch change (CGR Module 5.3)
 *
 * Algorithm     leader-based epoch change (CGR Algorithm 5.5)
 *
 * Uses          Ω, beb, pl
 *
 * Properties    EC1, EC2, EC3
 *
 * Model         fail-noisy; any number of crashes
 *
 * Space         one timestamp per process
 *
 * Differs       - Epoch 0, led by p0, is under way when a process starts (as CGR Algorithm 5.7 has
 *                 it), and everybody trusts p0 until Ω says otherwise.
 *               - The textbook answers NACK to a NEWEPOCH of somebody whom it does not trust, who
 *                 then announces again, at network speed, until it is trusted. Here the newest
 *                 NEWEPOCH of each process is remembered, and started when its sender comes to be
 *                 trusted. NACK is sent only where waiting cannot help: to the leader that we
 *                 trust, if all that it has announced is older than the epoch that we are in. It
 *                 says how far we are, so that one new announcement is enough.
 *               - That NACK is also sent when trust returns to a leader that has never lost it at
 *                 home: such a leader hears no ⟨Ω, Trust⟩ and would not announce again, while
 *                 others are in the epoch of whom they trusted in between.
 *
 * Why EC3 holds: let all correct processes trust l for ever. Whoever has started a later epoch than
 * all that l announced says so, l announces a higher one, and nobody else's is started any more.
 * So the last announcement of l is above all others, and everybody starts it, or is in it.
 */
#include "consensus.h"
#include "protocols/co.h"
#include "protocols/view.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#define TS_MAX (UINT64_MAX >> 2) /* no timestamp on the wire is above: sums do not overflow */

enum kind { NEWEPOCH = 1, NACK };

struct ec_wire {
    uint8_t kind;
    uint8_t reserved[7];
    uint8_t ts[8]; /* NEWEPOCH: of the epoch; NACK: of the epoch that the sender is in */
};
static_assert(sizeof(struct ec_wire) == 16, "the layout is the protocol");

struct ec_leader_based {
    struct co co;
    uint64_t lastts; /* of the epoch started last */
    uint64_t ts;     /* announced last, by ourselves; its leader is its rest modulo n */
    uint64_t heard;  /* the highest that anybody told of */
    uint16_t trusted;
    uint64_t newest[]; /* of each process: the highest that it announced */
};

static struct ec_leader_based *state(struct co *co)
{
    return (struct ec_leader_based *)co;
}

static size_t ec_leader_based_bytes(const struct stack_conf *conf)
{
    return sizeof(struct ec_leader_based) + conf->n * sizeof(uint64_t);
}

static struct msg message(struct ec_leader_based *s, enum kind kind, uint64_t ts)
{
    struct msg m = msg_new(s->co.st, sizeof(struct ec_wire));
    struct ec_wire *w = (struct ec_wire *)msg_data(m);
    *w = (struct ec_wire){.kind = (uint8_t)kind};
    le64_put(w->ts, ts);
    return m;
}

/* ts := ts + N, as often as it takes to be above all that we know of; broadcast [NEWEPOCH, ts] */
static void announce(struct ec_leader_based *s)
{
    uint16_t n = s->co.st->n;
    uint64_t above = s->ts > s->lastts ? s->ts : s->lastts;
    if (s->heard > above)
        above = s->heard;
    s->ts = above - above % n + s->co.st->self;
    if (s->ts <= above)
        s->ts += n;
    trigger(s->co.use[1], ev_make(EV_BEB_BROADCAST, 0, 0, 0, message(s, NEWEPOCH, s->ts)));
}

/* Start the newest epoch of whom we trust; or tell it that all of its epochs are too old. */
static void consider(struct ec_leader_based *s)
{
    uint16_t l = s->trusted;
    if (s->newest[l] > s->lastts) {
        s->lastts = s->newest[l];
        indicate(&s->co, ev_make(EV_EC_START_EPOCH, l, 0, s->lastts, MSG_NONE));
    } else if (s->newest[l] < s->lastts && l != s->co.st->self) {
        link_send(&s->co, s->co.use[2], EV_PL_SEND, l, message(s, NACK, s->lastts));
    }
}

/* upon ⟨Ω, Trust | p⟩: the new leader announces an epoch; the others wait for it. */
static void upon_omega_trust(struct co *self, const struct ev *ev, uint32_t n)
{
    struct ec_leader_based *s = state(self);
    for (uint32_t i = 0; i < n; i++) {
        if (ev[i].proc == s->trusted)
            continue;
        s->trusted = ev[i].proc;
        if (s->trusted == self->st->self)
            announce(s);
        else
            consider(s);
    }
}

/* A message's timestamp; 0 for what cannot be read: no message carries it. */
static uint64_t hear(struct ec_leader_based *s, const struct ev *ev, enum kind kind)
{
    struct msg m = ev_msg(ev);
    const struct ec_wire *w = msg_pull(&m, sizeof *w);
    uint64_t ts = w != NULL && w->kind == kind && m.len == 0 ? le64_get(w->ts) : 0;
    if (ts > TS_MAX || (kind == NEWEPOCH && ts % s->co.st->n != ev->proc))
        ts = 0;
    if (ts == 0)
        co_count(&s->co, COUNT_drop_message, 1);
    else if (ts > s->heard)
        s->heard = ts;
    return ts;
}

/* upon ⟨beb, Deliver | l, [NEWEPOCH, newts]⟩: start it if l is trusted and it is newer. */
static void upon_beb_deliver(struct co *self, const struct ev *ev, uint32_t n)
{
    struct ec_leader_based *s = state(self);
    for (uint32_t i = 0; i < n; i++) {
        uint16_t l = ev[i].proc;
        uint64_t ts = hear(s, &ev[i], NEWEPOCH);
        if (ts <= s->newest[l])
            continue;
        s->newest[l] = ts;
        if (l == s->trusted)
            consider(s);
    }
}

/* upon ⟨pl, Deliver | p, [NACK, ts]⟩: if we still lead, and announced nothing above it since. */
static void upon_pl_deliver(struct co *self, const struct ev *ev, uint32_t n)
{
    struct ec_leader_based *s = state(self);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t ts = hear(s, &ev[i], NACK);
        if (ts > s->ts && s->trusted == self->st->self)
            announce(s);
    }
}

static void ec_leader_based_check(const struct co *self)
{
    const struct ec_leader_based *s = (const struct ec_leader_based *)self;
    assert(s->trusted < self->st->n);
    assert(s->ts == 0 || s->ts % self->st->n == self->st->self);
    assert(s->lastts == 0 || s->lastts <= s->newest[s->lastts % self->st->n]);
}

static void ec_leader_based_show(const struct co *self, struct view *v)
{
    const struct ec_leader_based *s = (const struct ec_leader_based *)self;
    view_u64(v, "trusted", s->trusted);
    view_u64(v, "lastts", s->lastts);
    view_u64(v, "ts", s->ts);
    view_u64(v, "heard", s->heard);
    for (uint16_t q = 0; q < self->st->n; q++)
        view_u64(v, "newest", s->newest[q]);
}

static int ec_leader_based_tell(struct msg m, char *text, size_t size)
{
    const struct ec_wire *w = msg_pull(&m, sizeof *w);
    if (w == NULL || (w->kind != NEWEPOCH && w->kind != NACK))
        return -1;
    return snprintf(text, size, "[%s %" PRIu64 "]", w->kind == NACK ? "NACK" : "NEWEPOCH",
                    le64_get(w->ts));
}

static const struct co_upon upon[] = {{EV_OMEGA_TRUST, upon_omega_trust},
                                      {EV_BEB_DELIVER, upon_beb_deliver},
                                      {EV_PL_DELIVER, upon_pl_deliver},
                                      {EV_NONE, NULL}};

const struct co_class ec_leader_based_class = {
    .name = "ec_leader_based",
    .title = "leader-based epoch change (CGR Algorithm 5.5)",
    .implements = ABS_EC,
    .uses = {ABS_OMEGA, ABS_BEB, ABS_PL},
    .procs_max = PSET_PROCS,
    .bytes = ec_leader_based_bytes,
    .upon = upon,
    .check = ec_leader_based_check,
    .show = ec_leader_based_show,
    .tell = ec_leader_based_tell,
};
