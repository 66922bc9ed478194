/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Logged read/write epoch consensus.
 *
 * Abstraction   lep, logged epoch consensus (CGR Module 5.8), a row of instances
 *
 * Algorithm     logged read/write epoch consensus (CGR Algorithm 5.10): ep_read_write.c, with what a
 *               process must not forget on stable storage
 *
 * Uses          beb, pl, ◇P (for collecting garbage only), log
 *
 * Properties    LEP1, LEP2, LEP3, LEP4, LEP5, LEP6
 *
 * Model         fail-recovery; a majority of processes that are correct
 *
 * Space         as ep; on its way to stable storage at most one record of each row, and one of done
 *
 * Differs       - As ep. The handlers of ep_read_write.c are ours; where it has a log, it calls what
 *                 stands here.
 *               - A decision is made when a majority has its value on stable storage: whoever leads
 *                 later reads it there. It is indicated where the value is on stable storage too, so
 *                 that no process acknowledges what only others hold. The book has each process
 *                 store the decision before it indicates it, a second write behind the first. What
 *                 that would add is that a process knows of the decision by itself; here, who
 *                 crashes before its record of done is stored has the value, and is told again that
 *                 it is decided, by the majority without which it could decide nothing either.
 *               - ⟨lep, Release | i⟩ says that decisions before i are not needed any more. The others
 *                 are indicated again after a recovery, behind ⟨lep, Resumed | i⟩.
 *
 * What is stored, and when:
 *
 * - The epoch: by lec, before ⟨lec, StartEpoch⟩, and so before anything is answered in it.
 * - (valts, val) of a row: as soon as it is learned. ACCEPT waits for it. STATE need not: what a
 *   process tells of and then forgets was really written, and it had not accepted it.
 * - done: a record tells how far we have decided without a gap, one at a time. Others hear of done
 *   when that is stored and our user has released what is below: so what a process may still ask
 *   for, in this life or the next, is not recycled by anybody who does not suspect it. Nobody waits
 *   for this record, so it rides in the write of a later value (lep_store_done()).
 *
 * After a recovery a process goes on in the epoch that it was in; if it led it, it only follows,
 * since it has forgotten what it wrote. It sends RESUME to its leader, which sends again each value
 * written in this epoch or decided, and each DECIDED, from the done of the recovered process on; and
 * reads again, if it has not got its majority yet: perfect links deliver to one life only.
 */
#include "consensus.h"
#include "ep_rows.h"

#include "protocols/log/deliveries.h"

#include <assert.h>

struct done_wire {
    uint8_t floor[8];
    uint8_t done[8];
};
static_assert(sizeof(struct done_wire) == 16, "the layout is the record");

/* ---- storing --------------------------------------------------------------------------------- */

/* store(valts, val): the message that told of it, whole as it came. `copy`: 0, or 1 for one that
 * nobody waits for. */
static void store_value(struct ep *s, const struct row *r, uint64_t inst, uint16_t copy)
{
    struct msg whole = {r->seg, (uint16_t)(r->off - r->front), (uint16_t)(r->len + r->front)};
    log_store(&s->co, s->log, record_name(RECORD_ROWS, copy, inst & RECORD_NUMBER_MAX), whole);
}

/* store what was learned. One record of a row at a time, so that however long the disk takes, no
 * more are on their way than there are rows. */
void lep_store_row(struct ep *s, struct row *r, uint64_t inst)
{
    if (unlikely(r->storing)) {
        r->flags |= ROW_AGAIN;
        return;
    }
    r->storing = 1;
    s->stored = true;
    store_value(s, r, inst, 0);
}

static void store_position(struct ep *s, uint16_t copy)
{
    struct msg m = msg_new(s->co.st, sizeof(struct done_wire));
    struct done_wire *w = (struct done_wire *)msg_data(m);
    le64_put(w->floor, s->kept);
    le64_put(w->done, s->done);
    log_store(&s->co, s->log, record_name(RECORD_POSITION, copy, 0), m);
}

/*
 * Behind the records of the values that it speaks of, and in the write of another value, so that it
 * costs none of its own; unless a quarter of the window was decided since the last one, or no value
 * was stored for a heartbeat.
 */
void lep_store_done(struct ep *s)
{
    uint64_t now = s->co.st->now, rest_ns = s->co.st->conf.heartbeat_ns;
    if (s->stored)
        s->stored_at = now;
    bool due = s->stored || s->done - s->sure >= quarter(s) || now - s->stored_at >= rest_ns;
    s->stored = false;
    if (s->done == s->sure || s->sure_asked)
        return;
    if (!due) {
        if (!timer_armed(&s->rest))
            co_timer(&s->co, &s->rest, s->stored_at + rest_ns - now, 0);
        return;
    }
    s->sure_asked = true;
    s->sure_next = s->done;
    store_position(s, 0);
}

static void upon_log_stored(struct co *self, const struct ev *ev, uint32_t n)
{
    struct ep *s = state(self);
    for (uint32_t i = 0; i < n; i++) {
        if (record_proc(ev[i].inst) != 0)
            continue; /* stored again by a compaction */
        if (record_kind(ev[i].inst) == RECORD_POSITION) {
            s->sure_asked = false;
            s->sure = s->sure_next;
            continue;
        }
        uint64_t inst = record_number(ev[i].inst);
        struct row *r = row_of(s, inst);
        assert(inst >= s->floor && r->storing); /* sure, and so the floor, waits for it */
        r->storing = 0;
        if (unlikely(r->flags & ROW_AGAIN)) {
            r->flags &= (uint8_t)~ROW_AGAIN;
            lep_store_row(s, r, inst);
            continue;
        }
        if (s->active && r->valts == s->ets)
            ep_accept(s, r, inst);
        ep_decide_told(s, r, inst);
    }
    ep_conclude(s);
}

/* upon ⟨lep, Release | i⟩: decisions before i are not needed any more. */
static void upon_lep_release(struct co *self, const struct ev *ev, uint32_t n)
{
    struct ep *s = state(self);
    for (uint32_t i = 0; i < n; i++)
        s->released = most(s->released, least(ev[i].inst, s->done));
    ep_conclude(s);
}

/* Rows begin at `floor` at least: a row was stored only when all that it replaced was recycled. */
static void begin_at(struct ep *s, uint64_t floor)
{
    while (s->floor < floor && s->floor < s->top) {
        struct row *r = row_of(s, s->floor++);
        if (r->seg != NULL)
            msg_release(value_of(r));
        memset(r, 0, sizeof *r);
    }
    s->floor = most(s->floor, floor);
    s->top = most(s->top, s->floor);
    s->done = most(s->done, s->floor);
}

static void found_row(struct ep *s, struct msg m)
{
    struct said said;
    uint16_t len = m.len;
    if (!ep_decode(&m, &said) || (said.kind != WRITE && said.kind != STATE)) {
        unreadable(s);
        return;
    }
    uint64_t inst = said.inst, ts = said.kind == STATE ? said.more : said.ets;
    if (inst < s->floor)
        return;
    if (inst > s->floor + s->mask)
        begin_at(s, inst - s->mask);
    struct row *r = row_of(s, inst);
    if (r->seg != NULL && ts <= r->valts)
        return;
    if (r->seg != NULL)
        msg_release(value_of(r));
    msg_hold(m);
    r->seg = m.seg;
    r->off = m.off;
    r->len = m.len;
    r->front = (uint8_t)(len - m.len);
    r->valts = ts;
    s->top = most(s->top, inst + 1);
}

static void found_position(struct ep *s, struct msg m)
{
    const struct done_wire *w = (const struct done_wire *)msg_pull(&m, sizeof *w);
    if (w == NULL || le64_get(w->done) < le64_get(w->floor) || le64_get(w->done) > WIRE_MAX) {
        unreadable(s);
        return;
    }
    begin_at(s, le64_get(w->floor));
    s->done = most(s->done, le64_get(w->done));
}

/* upon ⟨lep, Recovery⟩ do retrieve(valts, val) */
static void upon_log_found(struct co *self, const struct ev *ev, uint32_t n)
{
    struct ep *s = state(self);
    for (uint32_t i = 0; i < n; i++) {
        enum record_kind kind = record_kind(ev[i].inst);
        if (kind == RECORD_ROWS)
            found_row(s, ev_msg(&ev[i]));
        else if (kind == RECORD_POSITION)
            found_position(s, ev_msg(&ev[i]));
        else
            unreadable(s);
    }
}

/* All below done was decided: say so again, from where our user has not released it. */
static void upon_log_recovered(struct co *self, const struct ev *ev, uint32_t n)
{
    (void)n;
    struct ep *s = state(self);
    s->recovered = ev->attr > 1;
    s->released = s->stable = s->kept = s->floor;
    s->sure = s->sure_next = s->told = s->done;
    s->scan = s->over = s->floor;
    indicate(self, ev_make(EV_LEP_RESUMED, 0, s->floor, 0, MSG_NONE));
    for (uint64_t i = s->floor; i < s->done; i++) {
        struct row *r = row_of(s, i);
        assert(r->seg != NULL); /* it was stored before the record of done */
        r->flags |= ROW_DECIDED;
        indicate(self, ev_make(EV_LEP_DECIDE, 0, i, 0, value_of(r)));
    }
    /* Whoever leads is to know that this is another life, of whatever length. */
    for (uint16_t q = 0; q < self->st->n && s->recovered; q++)
        if (q != self->st->self)
            ep_to_process(s, q, ep_plain(s, RESUME, settled(s), 0, 0));
}

static void upon_log_compact(struct co *self, const struct ev *ev, uint32_t n)
{
    (void)ev, (void)n;
    struct ep *s = state(self);
    for (uint64_t i = s->floor; i < s->top; i++) {
        const struct row *r = row_of(s, i);
        if (r->seg != NULL)
            store_value(s, r, i, 1);
    }
    store_position(s, 1);
}

static bool lep_keeps(uint64_t i, const void *data, uint32_t len, uint64_t *from)
{
    const struct done_wire *w = data;
    if (record_kind(i) != RECORD_POSITION || record_proc(i) == 0 || len < sizeof *w)
        return false;
    *from = le64_get(w->floor);
    return true;
}

/* A record of each row and one of done, and at a compaction all again. */
static uint32_t lep_stores(const struct stack_conf *conf)
{
    return 2 * (conf->instances + 1);
}

static void lep_init(struct co *self)
{
    struct ep *s = state(self);
    ep_init(self);
    s->log = self->use[USE_LOG];
}

static co_upon_fn *const lep_upon[EV_TYPES] = {[EV_LEP_INIT] = ep_upon_init,
                                               [EV_LEP_PROPOSE] = ep_upon_propose,
                                               [EV_LEP_ABORT] = ep_upon_abort,
                                               [EV_LEP_RELEASE] = upon_lep_release,
                                               [EV_BEB_DELIVER] = ep_upon_beb_deliver,
                                               [EV_PL_DELIVER] = ep_upon_pl_deliver,
                                               [EV_EPFD_SUSPECT] = ep_upon_suspect,
                                               [EV_EPFD_RESTORE] = ep_upon_restore,
                                               [EV_LOG_STORED] = upon_log_stored,
                                               [EV_LOG_FOUND] = upon_log_found,
                                               [EV_LOG_RECOVERED] = upon_log_recovered,
                                               [EV_LOG_COMPACT] = upon_log_compact,
                                               [EV_TIMER_TIMEOUT] = ep_upon_timeout};

const struct co_class lep_read_write_class = {
    .name = "lep_read_write",
    .title = "logged read/write epoch consensus (CGR Algorithm 5.10)",
    .implements = ABS_LEP,
    .majority = true,
    .uses = {ABS_BEB, ABS_PL, ABS_EPFD, ABS_LOG},
    .header_bytes = HEADER_MAX,
    .procs_max = PSET_PROCS,
    .bytes = ep_bytes,
    .init = lep_init,
    .upon = lep_upon,
    .room = ep_room,
    .spans = ep_spans,
    .unasked = ep_unasked,
    .settle = ep_settle,
    .stores = lep_stores,
    .keeps = lep_keeps,
    .fini = ep_fini,
    .check = ep_check,
    .show = ep_show,
    .post = ep_post,
    .tell = ep_tell,
};
