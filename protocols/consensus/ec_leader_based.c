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
 *               - Of one file with lec, logged epoch change (lec_leader_based: fail-recovery, uses Ω
 *                 of lower epochs, beb, pl, log; CGR Module 5.6, Algorithm 5.9). What it announces,
 *                 and what it starts, is stored before: after a recovery it starts the last epoch
 *                 again, marked as resumed (the instance of ⟨lec, StartEpoch⟩ is 1), since whoever
 *                 led it in an earlier life must not lead it again; and it announces above all that
 *                 it ever announced. What came for its former life is asked for once, of each
 *                 process that it comes to trust ([ASK]).
 *
 * Why EC3 holds: let all correct processes trust l for ever. Whoever has started a later epoch than
 * all that l announced says so, l announces a higher one, and nobody else's is started any more.
 * So the last announcement of l is above all others, and everybody starts it, or is in it.
 */
#include "consensus.h"
#include "protocols/co.h"
#include "protocols/log/deliveries.h"
#include "protocols/view.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#define TS_MAX (UINT64_MAX >> 2) /* no timestamp on the wire is above: sums do not overflow */

enum kind { NEWEPOCH = 1, NACK, ASK };

#define NOBODY UINT16_MAX

struct ec_wire {
    uint8_t kind;
    uint8_t reserved[7];
    uint8_t ts[8]; /* NEWEPOCH: of the epoch; NACK, ASK: of the epoch that the sender is in */
};
static_assert(sizeof(struct ec_wire) == 16, "the layout is the protocol");

/* lec: the record of an epoch. */
struct epoch_wire {
    uint8_t lastts[8];
    uint8_t ts[8];
};
static_assert(sizeof(struct epoch_wire) == 16, "the layout is the record");

enum { STORE_ANNOUNCE, STORE_START, STORE_AGAIN }; /* what waits for ⟨log, Stored⟩ */

struct ec_leader_based {
    struct co co;
    struct co *log;     /* lec; NULL: ec */
    uint64_t stores[2]; /* lec: records asked for, by what waits for them */
    bool storing[2];    /* lec: one is on its way … */
    bool again[2];      /* … and its values are not the present ones any more */
    uint64_t announced; /* lec: the last that was broadcast in this life */
    bool recovered;     /* lec: this is not the first life */
    uint64_t lastts;    /* of the epoch started last */
    uint64_t ts;        /* announced last, by ourselves; its leader is its rest modulo n */
    uint64_t heard;     /* the highest that anybody told of */
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

/* lec: store what must survive, one record for each purpose at a time; ⟨log, Stored⟩ of the one that
 * holds the present values goes on. */
static void store(struct ec_leader_based *s, uint16_t what)
{
    if (what != STORE_AGAIN && s->storing[what]) {
        s->again[what] = true;
        return;
    }
    if (what != STORE_AGAIN)
        s->storing[what] = true;
    struct msg m = msg_new(s->co.st, sizeof(struct epoch_wire));
    struct epoch_wire *w = (struct epoch_wire *)msg_data(m);
    le64_put(w->lastts, s->lastts);
    le64_put(w->ts, s->ts);
    uint64_t number = what == STORE_AGAIN ? 0 : ++s->stores[what];
    log_store(&s->co, s->log, record_name(RECORD_EPOCH, what, number), m);
}

static void broadcast_newepoch(struct ec_leader_based *s)
{
    s->announced = s->ts;
    trigger(s->co.use[1], ev_make(EV_BEB_BROADCAST, 0, 0, 0, message(s, NEWEPOCH, s->ts)));
}

static void start_epoch(struct ec_leader_based *s, uint16_t l, bool resumed)
{
    indicate(&s->co, ev_make(s->log != NULL ? EV_LEC_START_EPOCH : EV_EC_START_EPOCH, l, resumed,
                             s->lastts, MSG_NONE));
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
    if (s->log != NULL)
        store(s, STORE_ANNOUNCE);
    else
        broadcast_newepoch(s);
}

/* Start the newest epoch of whom we trust; or tell it that all of its epochs are too old. */
static void consider(struct ec_leader_based *s)
{
    uint16_t l = s->trusted;
    if (s->newest[l] > s->lastts) {
        s->lastts = s->newest[l];
        if (s->log != NULL)
            store(s, STORE_START);
        else
            start_epoch(s, l, false);
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
        if (s->recovered && s->trusted != self->st->self)
            link_send(self, self->use[2], EV_PL_SEND, s->trusted, message(s, ASK, s->lastts));
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
static void hear_newepoch(struct ec_leader_based *s, const struct ev *e)
{
    uint16_t l = e->proc;
    uint64_t ts = hear(s, e, NEWEPOCH);
    if (ts <= s->newest[l])
        return;
    s->newest[l] = ts;
    if (l == s->trusted)
        consider(s);
}

static void upon_beb_deliver(struct co *self, const struct ev *ev, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        hear_newepoch(state(self), &ev[i]);
}

/* upon ⟨pl, Deliver | p, [ASK, ts]⟩: p has forgotten what it heard of us. */
static void hear_ask(struct ec_leader_based *s, uint16_t p, uint64_t ts)
{
    if (ts > TS_MAX) {
        co_count(&s->co, COUNT_drop_message, 1);
        return;
    }
    if (ts > s->heard)
        s->heard = ts;
    if (s->trusted != s->co.st->self)
        return;
    if (ts > s->ts)
        announce(s);
    else if (s->announced != 0)
        link_send(&s->co, s->co.use[2], EV_PL_SEND, p, message(s, NEWEPOCH, s->announced));
}

/* upon ⟨pl, Deliver | p, [NACK, ts]⟩: if we still lead, and announced nothing above it since. */
static void upon_pl_deliver(struct co *self, const struct ev *ev, uint32_t n)
{
    struct ec_leader_based *s = state(self);
    for (uint32_t i = 0; i < n; i++) {
        const struct ec_wire *w = (const struct ec_wire *)msg_data(ev_msg(&ev[i]));
        if (s->log != NULL && ev[i].len == sizeof *w && w->kind == ASK) {
            hear_ask(s, ev[i].proc, le64_get(w->ts));
            continue;
        }
        if (s->log != NULL && ev[i].len == sizeof *w && w->kind == NEWEPOCH) {
            hear_newepoch(s, &ev[i]);
            continue;
        }
        uint64_t ts = hear(s, &ev[i], NACK);
        if (ts > s->ts && s->trusted == self->st->self)
            announce(s);
    }
}

/* An announcement, and a NACK or an ASK. */
static uint32_t ec_unasked(const struct stack_conf *conf)
{
    (void)conf;
    return 2;
}

/* ---- on stable storage: lec ------------------------------------------------------------------ */

static void lec_leader_based_init(struct co *self)
{
    state(self)->log = self->use[3];
}

static uint32_t lec_stores(const struct stack_conf *conf)
{
    (void)conf;
    return 3; /* of each purpose one */
}

static void upon_log_stored(struct co *self, const struct ev *ev, uint32_t n)
{
    struct ec_leader_based *s = state(self);
    for (uint32_t i = 0; i < n; i++) {
        uint16_t what = record_proc(ev[i].inst);
        if (what == STORE_AGAIN)
            continue;
        s->storing[what] = false;
        if (s->again[what]) {
            s->again[what] = false;
            store(s, what);
        } else if (what == STORE_ANNOUNCE) {
            broadcast_newepoch(s);
        } else {
            start_epoch(s, (uint16_t)(s->lastts % self->st->n), false);
        }
    }
}

/* upon ⟨lec, Recovery⟩ do retrieve(ts, lastts) */
static void upon_log_found(struct co *self, const struct ev *ev, uint32_t n)
{
    struct ec_leader_based *s = state(self);
    for (uint32_t i = 0; i < n; i++) {
        struct msg m = ev_msg(&ev[i]);
        const struct epoch_wire *w = (const struct epoch_wire *)msg_pull(&m, sizeof *w);
        if (w == NULL || record_kind(ev[i].inst) != RECORD_EPOCH || le64_get(w->lastts) > TS_MAX ||
            le64_get(w->ts) > TS_MAX) {
            co_count(self, COUNT_drop_message, 1);
            continue;
        }
        if (le64_get(w->lastts) > s->lastts)
            s->lastts = le64_get(w->lastts);
        if (le64_get(w->ts) > s->ts)
            s->ts = le64_get(w->ts);
    }
}

/* The epoch that was started last goes on; whom we trusted, Ω says again. */
static void upon_log_recovered(struct co *self, const struct ev *ev, uint32_t n)
{
    (void)n;
    struct ec_leader_based *s = state(self);
    s->recovered = ev->attr > 1;
    s->trusted = s->recovered ? NOBODY : 0;
    s->newest[s->lastts % self->st->n] = s->lastts;
    start_epoch(s, (uint16_t)(s->lastts % self->st->n), s->recovered);
}

static void upon_log_compact(struct co *self, const struct ev *ev, uint32_t n)
{
    (void)ev, (void)n;
    store(state(self), STORE_AGAIN);
}

/* ---- the rest -------------------------------------------------------------------------------- */

static void ec_leader_based_check(const struct co *self)
{
    const struct ec_leader_based *s = (const struct ec_leader_based *)self;
    assert(s->trusted < self->st->n || (s->recovered && s->trusted == NOBODY));
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
    if (s->log != NULL) {
        view_u64(v, "announced", s->announced);
        view_u64(v, "announcing", s->stores[STORE_ANNOUNCE]);
        view_u64(v, "starting", s->stores[STORE_START]);
        for (int what = 0; what < STORE_AGAIN; what++)
            view_u64(v, "storing", (uint64_t)s->storing[what] | (uint64_t)s->again[what] << 1);
        view_u64(v, "recovered", s->recovered);
    }
    for (uint16_t q = 0; q < self->st->n; q++)
        view_u64(v, "newest", s->newest[q]);
}

static int ec_leader_based_tell(struct msg m, char *text, size_t size)
{
    const struct ec_wire *w = msg_pull(&m, sizeof *w);
    static const char *const names[] = {NULL, "NEWEPOCH", "NACK", "ASK"};
    if (w == NULL || w->kind < NEWEPOCH || w->kind > ASK)
        return -1;
    return snprintf(text, size, "[%s %" PRIu64 "]", names[w->kind], le64_get(w->ts));
}

static co_upon_fn *const upon[EV_TYPES] = {[EV_OMEGA_TRUST] = upon_omega_trust,
                                           [EV_BEB_DELIVER] = upon_beb_deliver,
                                           [EV_PL_DELIVER] = upon_pl_deliver};

const struct co_class ec_leader_based_class = {
    .name = "ec_leader_based",
    .title = "leader-based epoch change (CGR Algorithm 5.5)",
    .implements = ABS_EC,
    .uses = {ABS_OMEGA, ABS_BEB, ABS_PL},
    .procs_max = PSET_PROCS,
    .bytes = ec_leader_based_bytes,
    .upon = upon,
    .unasked = ec_unasked,
    .check = ec_leader_based_check,
    .show = ec_leader_based_show,
    .tell = ec_leader_based_tell,
};

static co_upon_fn *const lec_upon[EV_TYPES] =
    {[EV_OMEGA_TRUST] = upon_omega_trust, [EV_BEB_DELIVER] = upon_beb_deliver,
     [EV_PL_DELIVER] = upon_pl_deliver,   [EV_LOG_STORED] = upon_log_stored,
     [EV_LOG_FOUND] = upon_log_found,     [EV_LOG_RECOVERED] = upon_log_recovered,
     [EV_LOG_COMPACT] = upon_log_compact};

const struct co_class lec_leader_based_class = {
    .name = "lec_leader_based",
    .title = "logged leader-based epoch change (CGR Algorithm 5.9)",
    .implements = ABS_LEC,
    .uses = {ABS_OMEGA, ABS_BEB, ABS_PL, ABS_LOG},
    .procs_max = PSET_PROCS,
    .bytes = ec_leader_based_bytes,
    .init = lec_leader_based_init,
    .upon = lec_upon,
    .unasked = ec_unasked,
    .stores = lec_stores,
    .check = ec_leader_based_check,
    .show = ec_leader_based_show,
    .tell = ec_leader_based_tell,
};
