/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Read/write epoch consensus.
 *
 * Abstraction   ep, epoch consensus (CGR Module 5.4), a row of instances
 *
 * Algorithm     read/write epoch consensus (CGR Algorithm 5.6): the leader of an epoch reads from a
 *               majority, writes the value of the highest timestamp, or its own proposal, to a
 *               majority, and then tells everybody that it is decided
 *
 * Uses          beb, pl, ◇P (for collecting garbage only; no safety depends on it)
 *
 * Properties    EP1, EP2, EP3, EP4, EP5, EP6
 *
 * Model         fail-noisy; a majority of correct processes
 *
 * Space         `instances` rows: a value and five words each. Let done be the instance below which
 *               a process has decided everything. It tells it to the leader in each ACCEPT, and in
 *               a DONE when it has advanced by a quarter of the window. The leader puts stable, the
 *               least done of all, or of all that it neither suspects nor passes over less a quarter
 *               of the rows if that is more, into each WRITE. Rows below stable (and below the own
 *               done) are recycled. The leader writes nothing beyond stable +
 *               instances / 2; the other half of the rows takes what links without order deliver
 *               early. A value pins the packet that it came in, for as long as its row.
 *
 * Differs       - One component for all instances and all epochs. What the textbook hands from one
 *                 epoch's instance to the next as ⟨ep, Aborted | (valts, val)⟩ stays in the rows.
 *               - Epoch 0, led by p0, starts from initial states everywhere, so nothing is read. A
 *                 later leader reads once for all instances, and then writes each new one without
 *                 reading: nobody in its majority has a value for it.
 *               - ACCEPT and DECIDED speak of runs of consecutive instances.
 *               - DECIDED carries no value. Who has a value of the same or of a later timestamp
 *                 knows what was decided: by lock-in they are equal. Who has none remembers the
 *                 DECIDED in the row and decides when such a value comes. So a decision may be
 *                 learned in a later epoch than it was made in. One of an epoch that has not been
 *                 started here is none of this epoch's: it is indicated as ⟨ep, Learn⟩, in place of
 *                 ⟨ep, Decide⟩, and EP1 to EP3 do not speak of it.
 *               - A row keeps the value of the highest timestamp that any WRITE (or STATE) told of,
 *                 of whatever epoch. ACCEPT, which is what a quorum is made of, is sent only by a
 *                 process that is in the epoch of the WRITE; for a WRITE of an epoch that it has
 *                 not started yet, when it starts it. Perfect links have no order and deliver only
 *                 once, so such a WRITE must not be lost. READ likewise.
 *               - The leader decides when a majority has accepted, and does not wait for its own
 *                 DECIDED; so its next WRITE can leave in one frame with the DECIDED. lep's waits for
 *                 its own disk, like everybody; the DECIDED does not.
 *               - A decided instance is not forgotten by an epoch: ⟨ep, Decide⟩ comes once for each
 *                 instance, not once in each epoch.
 *               - Logged epoch consensus is the same with a log (lep_read_write.c). What only it
 *                 needs is marked "lep" here, and can be skipped.
 *
 * Why keeping values of other epochs is safe: consider the proposals (ts, v) in the order in which
 * they were written. If w is accepted by a majority in epoch e, then each later-written (ts, v)
 * with ts > e has v = w: its leader read from a majority, one of which had accepted (e, w) before it
 * answered; so the highest timestamp that was read is ≥ e, and belongs to an earlier-written
 * proposal, of w. The argument does not ask which epoch a process was in when it kept a value, only
 * that it keeps the highest, that the value was really proposed, and that it accepts nothing of an
 * epoch older than the last that it answered.
 *
 * Recycled rows: who answers READ says where its rows begin. The leader proposes nothing below the
 * highest such floor in its quorum: that is decided. A WRITE below one's own floor is acknowledged
 * without being kept; the floor speaks for it.
 *
 * Left behind: a process that was suspected while it lagged, or lep's that was down, by more than a
 * quarter of the rows, may need decisions whose rows all others have recycled (left_behind). Their
 * messages still come over its perfect links, unless their sender crashed. After some patience it
 * gives up what is below stable, tells its user so (⟨ep, Missed | i⟩: what was not decided here
 * before i never will be; missed counts it), and goes on with the others from there: stable is decided
 * by all whom a leader waited for, so that its own floor may say so, too. It asks its leader to send
 * again what went beyond its rows ([RESUME]), who waits for it from then on. It never decides
 * differently. To bring back what it lacks takes a state transfer, by whoever uses it.
 */
#include "consensus.h"
#include "ep_rows.h"

#include <assert.h>

#define BURST_MSGS 256 /* sent in one go when catching up */
#define PATIENCE   4   /* times what ◇P begins with, before somebody silent is suspected */

enum { GO_ON, LEFT_BEHIND, HELD_BACK }; /* what a timer is for */

size_t ep_bytes(const struct stack_conf *conf)
{
    return sizeof(struct ep) + conf->instances * sizeof(struct row) + conf->n * sizeof(struct peer);
}

void ep_init(struct co *self)
{
    struct ep *s = state(self);
    uint32_t rows = self->st->conf.instances;
    s->mask = rows - 1;
    s->window = rows > 1 ? rows / 2 : 1;
    s->leader = NOBODY;
    s->peer = (struct peer *)&s->row[rows];
}

/* ---- messages -------------------------------------------------------------------------------- */

/* A message without a value. */
struct msg ep_plain(struct ep *s, enum kind kind, uint64_t inst, uint32_t count, uint64_t more)
{
    uint16_t bytes = kind == END || kind == ACCEPT ? sizeof(struct ep_wire) : SHORT_BYTES;
    struct msg m = msg_new(s->co.st, bytes);
    struct ep_wire *w = (struct ep_wire *)msg_data(m);
    ep_header(w, bytes, kind, s->ets, inst, count, more);
    if (kind == READ || kind == END)
        le16_put(w->round, kind == READ ? s->round : s->answer_round);
    return m;
}

/* A value of our own that nobody has sent yet takes the header in place; any other is copied. */
struct msg ep_with_value(struct ep *s, struct msg value, bool fresh, enum kind kind, uint64_t inst,
                         uint32_t count, uint64_t more)
{
    uint16_t bytes = kind == STATE ? sizeof(struct ep_wire) : SHORT_BYTES;
    struct msg m = value;
    if (!fresh || (m.seg->ol_flags & (PKT_SLAB | RTE_MBUF_F_INDIRECT)) != PKT_SLAB) {
        m = msg_new(s->co.st, value.len);
        pkt_copy(msg_data(m), msg_data(value), value.len);
    }
    struct ep_wire *w = msg_push(&m, bytes);
    ep_header(w, bytes, kind, s->ets, inst, count, more);
    if (kind == STATE)
        le16_put(w->round, s->answer_round);
    return m;
}

static void broadcast(struct ep *s, struct msg m)
{
    trigger(s->co.use[USE_BEB], ev_make(EV_BEB_BROADCAST, 0, 0, 0, m));
}

void ep_to_process(struct ep *s, uint16_t q, struct msg m)
{
    link_send(&s->co, s->co.use[USE_PL], EV_PL_SEND, q, m);
}

/* Go on with what the links, or the rows, had no room for. */
void ep_later(struct ep *s)
{
    if (!timer_armed(&s->timer))
        co_timer(&s->co, &s->timer, s->co.st->conf.ack_delay_ns, 0);
}

/* ---- runs ------------------------------------------------------------------------------------ */

static void flush_accepts(struct ep *s)
{
    if (s->accepts.count == 0)
        return;
    ep_to_process(s, s->leader,
                  ep_plain(s, ACCEPT, s->accepts.first, s->accepts.count, settled(s)));
    s->told = settled(s);
    s->accepts.count = 0;
}

static void flush_decides(struct ep *s)
{
    if (s->decides.count > 0)
        broadcast(s, ep_plain(s, DECIDED, s->decides.first, s->decides.count, 0));
    s->decides.count = 0;
}

static void run_add(struct ep *s, struct run *run, void (*flush)(struct ep *), uint64_t inst)
{
    if (run->count > 0 && (inst != run->first + run->count || run->count > s->mask))
        flush(s);
    if (run->count == 0)
        run->first = inst;
    run->count++;
}

/* ---- garbage --------------------------------------------------------------------------------- */

static uint64_t recyclable(const struct ep *s)
{
    return least(s->stable, settled(s));
}

/* What had no room has it now: nobody is written to beyond stable + window. */
static bool may_resume(const struct ep *s)
{
    return s->lost && s->active && s->leader != s->co.st->self && s->floor >= s->stable;
}

/*
 * Recycle rows that nobody needs, when this breath's frames have left: no peer waits for that, and
 * until then a value that the breath has decided is borrowed by the events that tell of it.
 */
void ep_settle(struct co *self)
{
    struct ep *s = state(self);
    uint64_t end = recyclable(s);
    struct msg_refs refs = {NULL, 0};
    while (s->floor < end) {
        struct row *r = row_of(s, s->floor++);
        if (r->seg != NULL)
            msg_refs_release(&refs, r->seg);
        if (r->prop_seg != NULL)
            msg_refs_release(&refs, r->prop_seg);
        memset(r, 0, sizeof *r);
    }
    msg_refs_release_flush(&refs);
    s->kept = s->floor;
    s->top = most(s->top, s->floor);
    s->scan = most(s->scan, s->floor);
    if (unlikely(leading(s) ? s->scan < s->top || s->unheard : may_resume(s)))
        ep_later(s);
}

static uint64_t a_quarter_of_rows(const struct ep *s)
{
    return s->window / 2;
}

/* Leader: we have decided much that somebody has not, who is to show that it is getting on. */
static void expect_progress(struct ep *s)
{
    if (timer_armed(&s->hold))
        return;
    s->held = s->stable;
    co_timer(&s->co, &s->hold, PATIENCE * s->co.st->conf.detect_ns, HELD_BACK);
}

/*
 * Leader: stable has not moved all the while. Who holds it back is up, or ◇P would suspect it. It may
 * be slow, and is waited for then. But if it crashes and recovers again and again, and no life of it
 * is long enough to come as far as this epoch, or to decide anything in it, then the others do not
 * wait for it any longer than for a suspect.
 */
static void pass_over(struct ep *s)
{
    uint64_t far = settled(s) - least(settled(s), a_quarter_of_rows(s));
    if (!leading(s) || s->stable != s->held || far <= s->stable)
        return;
    for (uint16_t q = 0; q < s->co.st->n; q++)
        if ((s->relived >> q & 1) && (!(s->heard >> q & 1) || s->peer[q].done < far))
            s->passed |= 1ull << q;
}

/*
 * Leader: stable is the least done of all, without those that were suspected and left behind. Who
 * is suspected now holds it back too, but by a quarter of the rows at most: a suspicion may be
 * false, and who sent him what he lacks may have crashed; then we lead him through it again. Who has
 * not told its done in this epoch yet is waited for; but so long only as stable moves now and then
 * (pass_over()).
 */
static void find_stable(struct ep *s)
{
    uint64_t low = settled(s), slow = low, out = s->suspected | s->passed;
    if (unlikely(low > s->stable + a_quarter_of_rows(s)))
        expect_progress(s);
    for (uint16_t q = 0; q < s->co.st->n; q++) {
        bool is_out = out >> q & 1;
        if (q == s->co.st->self)
            continue;
        if (!is_out && !(s->heard >> q & 1))
            return;
        /* A suspect's done may be news from long ago: all we know is that it may be at stable. */
        if (is_out)
            slow = least(slow, most(s->stable, s->peer[q].done));
        else if (s->peer[q].done >= s->stable)
            low = least(low, s->peer[q].done);
    }
    uint64_t keep = a_quarter_of_rows(s);
    if (slow < low)
        low = low > keep + slow ? low - keep : slow;
    s->stable = most(s->stable, low);
}

/*
 * Another process knows that stable is at least this. A leader that hears it is behind; whose done
 * it does not know to be above, it waits to hear from again. Stable above our own done: we were not
 * waited for, and lack what others recycle. Our links may still bring it; else we stay behind, and
 * somebody wants to know.
 */
static void hear_stable(struct ep *s, uint64_t stable)
{
    if (likely(stable <= s->stable))
        return;
    s->stable = stable;
    if (unlikely(stable > s->done))
        co_count(&s->co, COUNT_left_behind, 1);
    for (uint16_t q = 0; q < s->co.st->n && leading(s); q++)
        if (s->peer[q].done < stable)
            s->heard &= ~(1ull << q);
}

/* Left behind: the links may still bring what we lack, unless its sender crashed. */
static void have_patience(struct ep *s)
{
    if (timer_armed(&s->patience))
        return;
    s->behind = s->stable;
    co_timer(&s->co, &s->patience, PATIENCE * s->co.st->conf.detect_ns, LEFT_BEHIND);
}

static void hear_done(struct ep *s, uint16_t q, uint64_t done)
{
    if (done > s->peer[q].done) {
        s->peer[q].done = done;
        s->passed &= ~(1ull << q);
        s->relived &= ~(1ull << q);
    }
    s->heard |= 1ull << q;
}

/* ---- deciding -------------------------------------------------------------------------------- */

static void decide(struct ep *s, struct row *r, uint64_t inst, enum ev_type how)
{
    r->flags = (uint8_t)((r->flags & ~ROW_TOLD) | ROW_DECIDED);
    if (unlikely(s->log != NULL))
        how = how == EV_EP_DECIDE ? EV_LEP_DECIDE : EV_LEP_LEARN;
    indicate(&s->co, ev_make(how, 0, inst, 0, value_of(r)));
    while (s->done <= s->floor + s->mask && (row_of(s, s->done)->flags & ROW_DECIDED))
        s->done++;
}

/* The row of an instance that is neither recycled nor too far ahead; else NULL, and counted. */
static struct row *row_find(struct ep *s, uint64_t inst)
{
    if (unlikely(inst < s->kept)) {
        co_count(&s->co, COUNT_drop_stale, 1);
        return NULL;
    }
    if (unlikely(inst > s->floor + s->mask)) {
        co_count(&s->co, COUNT_drop_early, 1);
        s->lost = true;
        s->lost_end = most(s->lost_end, inst + 1);
        return NULL;
    }
    return row_of(s, inst);
}

/*
 * Decide what DECIDED told of, once its value has come; lep: and is on stable storage here. A
 * decision of an epoch that has not been started here is none of the current epoch's; but who waited
 * for that epoch, while others decide and recycle without him, could fall behind for good. So it is
 * learned.
 */
void ep_decide_told(struct ep *s, struct row *r, uint64_t inst)
{
    if ((r->flags & ROW_TOLD) && settles(r) && r->storing == 0)
        decide(s, r, inst, r->told_ts <= s->ets ? EV_EP_DECIDE : EV_EP_LEARN);
}

/* It is decided in epoch `ets`: decide it too, now or when its value comes. */
static void told(struct ep *s, struct row *r, uint64_t inst, uint64_t ets)
{
    if (r->flags & ROW_DECIDED)
        return;
    if (!(r->flags & ROW_TOLD) || ets < r->told_ts) {
        r->flags |= ROW_TOLD;
        r->told_ts = ets;
    }
    ep_decide_told(s, r, inst);
}

/* (valts, val) := (ts, v), if that is newer. A decided value stays: a newer one equals it. `front`:
 * bytes of the message in front of the value. */
static void learn(struct ep *s, struct row *r, uint64_t inst, uint64_t ts, struct msg v,
                  uint8_t front, struct msg_refs *refs)
{
    if (r->seg != NULL && ts <= r->valts)
        return;
    r->valts = ts;
    if (r->flags & ROW_DECIDED)
        return;
    if (r->seg != NULL) {
        msg_refs_hold_flush(refs); /* it may wait there for its first count */
        msg_release(value_of(r));
    }
    r->seg = v.seg;
    r->off = v.off;
    r->len = v.len;
    r->front = front;
    msg_refs_hold(refs, v.seg);
    s->top = most(s->top, inst + 1);
    if (unlikely(s->log != NULL))
        lep_store_row(s, r, inst);
    if (unlikely(r->flags & ROW_TOLD))
        ep_decide_told(s, r, inst);
}

/* trigger ⟨pl, Send | l, [ACCEPT]⟩; if the value is on its way to stable storage: when it is there.
 */
void ep_accept(struct ep *s, const struct row *r, uint64_t inst)
{
    if (r->storing == 0)
        run_add(s, &s->accepts, flush_accepts, inst);
}

/* ---- leading --------------------------------------------------------------------------------- */

/* trigger ⟨beb, Broadcast | [WRITE, val]⟩ */
static void write_value(struct ep *s, struct row *r, uint64_t inst, struct msg v, bool fresh)
{
    r->flags |= ROW_LED;
    r->accepted = 0;
    broadcast(s, ep_with_value(s, v, fresh, WRITE, inst, ahead_of_stable(s, inst), 0));
}

/* How much may be sent in this call: each message asks for another in answer. */
uint32_t ep_budget(const struct ep *s)
{
    uint32_t room = co_room(s->co.use[USE_PL]) / 2;
    return room < BURST_MSGS ? room : BURST_MSGS;
}

/* Then a majority has started a later epoch, and so will we: leave it to that one's leader. */
static bool of_later_epoch(const struct ep *s, const struct row *r)
{
    return r->seg != NULL && r->valts > s->ets;
}

/* Leader, ready: write what waits, the highest value read before a proposal of our own. */
static void drive(struct ep *s)
{
    uint32_t left = ep_budget(s);
    uint64_t end = least(s->top, s->floor + s->window);
    while (s->scan < end && left > 0) {
        struct row *r = row_of(s, s->scan);
        bool led = (r->flags & ROW_LED) || of_later_epoch(s, r);
        if (!led && r->seg != NULL) {
            write_value(s, r, s->scan, value_of(r), false);
            left--;
        } else if (!led && r->prop_seg != NULL) {
            write_value(s, r, s->scan, (struct msg){r->prop_seg, r->prop_off, r->prop_len}, false);
            left--;
        }
        if (r->prop_seg != NULL) {
            msg_release((struct msg){r->prop_seg, r->prop_off, r->prop_len});
            r->prop_seg = NULL;
        }
        s->scan++;
    }
    if (s->scan < end) /* what is beyond the window waits for an ACCEPT or a DONE to open it */
        ep_later(s);
}

/*
 * trigger ⟨beb, Broadcast | [READ]⟩: all from our floor on. Once an epoch; again only if we lagged
 * so far behind that answers went beyond our rows, and have made headway since.
 */
static void read_majority(struct ep *s)
{
    s->round++;
    s->read_from = s->floor;
    s->unheard = false;
    s->answered = 0;
    for (uint16_t q = 0; q < s->co.st->n; q++) {
        s->peer[q].states = 0;
        s->peer[q].states_all = COUNT_OPEN;
    }
    broadcast(s, ep_plain(s, READ, s->floor, 0, 0));
}

/* Leader: WRITE for each row of this epoch, and each decided one, and DECIDED. By lock-in a decided
 * value is the only one that this epoch can write. */
static void send_again(struct ep *s)
{
    s->again = false;
    for (uint16_t q = 0; q < s->co.st->n; q++) {
        struct peer *p = &s->peer[q];
        uint32_t left = p->again < p->again_end ? ep_budget(s) : 0;
        p->again = most(p->again, s->floor);
        for (; p->again < p->again_end && left > 1; p->again++) {
            const struct row *r = row_of(s, p->again);
            if (r->seg == NULL || !((r->flags & ROW_LED) || settles(r)) || r->valts > s->ets)
                continue; /* the last: of an epoch that we have yet to hear of, whose leader sends it */
            ep_to_process(s, q,
                          ep_with_value(s, value_of(r), false, WRITE, p->again,
                                        ahead_of_stable(s, p->again), 0));
            if ((r->flags & ROW_CHOSEN) || settles(r))
                ep_to_process(s, q, ep_plain(s, DECIDED, p->again, 1, 0));
            left -= 2;
        }
        if (p->again < p->again_end) {
            s->again = true;
            ep_later(s);
        }
    }
}

/* Tell the leader that it is to send again what we have lost. */
static void resume(struct ep *s)
{
    if (s->leader == s->co.st->self)
        return;
    ep_to_process(s, s->leader, ep_plain(s, RESUME, settled(s), 0, 0));
    s->lost = false;
}

/* End of a handler: tell what it has found out, and use what it has made room for. */
void ep_conclude(struct ep *s)
{
    flush_accepts(s);
    flush_decides(s);
    if (s->log != NULL)
        lep_store_done(s);
    if (leading(s)) {
        if (unlikely(s->again))
            send_again(s);
        find_stable(s);
        if (unlikely(!s->ready && s->unheard && s->floor > s->read_from))
            read_majority(s);
        if (unlikely(s->scan < s->top) && s->ready)
            drive(s);
    } else if (s->active && settled(s) - s->told >= quarter(s)) {
        s->told = settled(s);
        ep_to_process(s, s->leader, ep_plain(s, DONE, s->told, 0, 0));
    }
    if (unlikely(s->stable > s->done))
        have_patience(s);
    else if (unlikely(may_resume(s)))
        resume(s);
    if (s->floor < recyclable(s))
        s->co.st->late |= s->co.bit;
}

/* lep: a record of a row before `end` is on its way. */
static bool storing_before(struct ep *s, uint64_t end)
{
    for (uint64_t i = s->floor; i < least(end, s->top); i++)
        if (row_of(s, i)->storing)
            return true;
    return false;
}

/*
 * What we waited for has not come: all before stable is decided, and recycled by the others. We tell
 * our user that it will not learn those decisions here, and go on from there with the others, who
 * would wait for us for ever if we led them. The rows are recycled when this breath ends.
 */
static void give_up(struct ep *s)
{
    if (s->done >= s->behind || storing_before(s, s->stable))
        return;
    for (uint64_t i = s->done; i < s->stable; i++)
        if (i > s->floor + s->mask || !(row_of(s, i)->flags & ROW_DECIDED))
            co_count(&s->co, COUNT_missed, 1);
    if (!s->gap)
        s->gap_from = s->done;
    s->gap = true;
    s->kept = s->done = s->stable;
    s->scan = most(s->scan, s->kept);
    while (s->done <= s->floor + s->mask && (row_of(s, s->done)->flags & ROW_DECIDED))
        s->done++;
    indicate(&s->co,
             ev_make(s->log != NULL ? EV_LEP_MISSED : EV_EP_MISSED, 0, s->kept, 0, MSG_NONE));
    if (s->active)
        resume(s);
}

static void propose(struct ep *s, const struct ev *e)
{
    uint64_t inst = e->inst;
    if (unlikely(inst < s->over)) {
        co_count(&s->co, COUNT_drop_stale, 1);
        return;
    }
    struct row *r = row_find(s, inst);
    if (r == NULL || (r->flags & (ROW_LED | ROW_DECIDED)) || unlikely(of_later_epoch(s, r)))
        return;
    if (likely(s->ready && inst <= s->scan && inst < s->floor + s->window)) {
        bool own = r->seg == NULL; /* a value that came late is as good as any */
        write_value(s, r, inst, own ? ev_msg(e) : value_of(r), own && e->attr != 0);
        s->scan = most(s->scan, inst + 1);
        s->top = most(s->top, inst + 1);
        return;
    }
    if (r->prop_seg != NULL)
        return;
    r->prop_seg = e->seg;
    r->prop_off = e->off;
    r->prop_len = e->len;
    msg_hold(ev_msg(e));
    s->top = most(s->top, inst + 1);
}

/* upon ⟨ep, Propose | i, v⟩ (only leader): write it, or keep it until a majority has been read. */
void ep_upon_propose(struct co *self, const struct ev *ev, uint32_t n)
{
    struct ep *s = state(self);
    if (!leading(s)) /* aborted meanwhile: whoever proposed hears of it and keeps its value */
        return;
    for (uint32_t i = 0; i < n; i++)
        propose(s, &ev[i]);
    ep_conclude(s);
}

/* ---- answering the leader -------------------------------------------------------------------- */

/* Tell the leader of this epoch of each value in our rows, as fast as the links take it. */
static void answer_more(struct ep *s)
{
    if (!s->answering || !s->active)
        return;
    uint32_t left = ep_budget(s);
    s->answer_at = most(s->answer_at, s->floor);
    for (; s->answer_at < s->answer_end && left > 0; s->answer_at++) {
        const struct row *r = row_of(s, s->answer_at);
        if (r->seg == NULL)
            continue;
        ep_to_process(s, s->leader,
                      ep_with_value(s, value_of(r), false, STATE, s->answer_at,
                                    ahead_of_stable(s, s->answer_at), r->valts));
        s->answer_count++;
        left--;
    }
    if (s->answer_at < s->answer_end) {
        ep_later(s);
        return;
    }
    ep_to_process(s, s->leader, ep_plain(s, END, settled(s), s->answer_count, s->kept));
    s->told = settled(s);
    s->answering = false;
}

/* upon ⟨beb, Deliver | l, [READ]⟩ do trigger ⟨pl, Send | l, [STATE, valts, val]⟩ */
static void answer(struct ep *s, uint64_t from, uint16_t round)
{
    s->answering = true;
    s->answer_round = round;
    s->answer_count = 0;
    s->answer_at = from;
    s->answer_end = s->top;
    answer_more(s);
}

static void hear_read(struct ep *s, uint16_t l, const struct said *said)
{
    struct peer *p = &s->peer[l];
    bool newer =
        said->ets > p->read_ets || (said->ets == p->read_ets && said->round > p->read_round);
    if (s->active && said->ets == s->ets && said->round > s->answer_round) {
        answer(s, said->inst, said->round);
    } else if (said->ets > s->ets && newer) {
        p->read_ets = said->ets;
        p->read_from = said->inst;
        p->read_round = said->round;
    } else {
        co_count(&s->co, COUNT_drop_stale, 1);
    }
}

/* upon ⟨beb, Deliver | l, [WRITE, v]⟩ do (valts, val) := (ets, v); ⟨pl, Send | l, [ACCEPT]⟩ */
static void hear_write(struct ep *s, const struct said *said, struct msg v, struct msg_refs *refs)
{
    uint64_t inst = said->inst;
    if (unlikely(said->count > inst)) {
        unreadable(s);
        return;
    }
    bool current = likely(said->ets == s->ets) && s->active;
    hear_stable(s, inst - said->count);
    if (unlikely(inst < s->kept)) {
        co_count(&s->co, COUNT_drop_stale, 1);
        if (current)
            run_add(s, &s->accepts, flush_accepts, inst);
        return;
    }
    struct row *r = row_find(s, inst);
    if (unlikely(r == NULL))
        return;
    learn(s, r, inst, said->ets, v, SHORT_BYTES, refs);
    if (current)
        ep_accept(s, r, inst);
}

/* upon ⟨beb, Deliver | l, [DECIDED]⟩ do trigger ⟨ep, Decide | v⟩, as soon as v is known. */
static void hear_decided(struct ep *s, const struct said *said)
{
    if (unlikely(said->count == 0 || said->count > s->mask + 1)) {
        unreadable(s);
        return;
    }
    uint64_t inst = most(said->inst, s->done), end = said->inst + said->count;
    for (; inst < end; inst++) {
        struct row *r = row_find(s, inst);
        if (unlikely(r == NULL))
            continue;
        told(s, r, inst, said->ets);
    }
}

void ep_upon_beb_deliver(struct co *self, const struct ev *ev, uint32_t n)
{
    struct ep *s = state(self);
    struct msg_refs refs = {NULL, 0};
    for (uint32_t i = 0; i < n; i++) {
        struct msg m = ev_msg(&ev[i]);
        struct said said;
        uint16_t l = ev[i].proc;
        /* Each epoch has one leader, whose rank is the rest of its timestamp. */
        if (unlikely(!ep_decode(&m, &said)) ||
            (unlikely(said.ets != s->ets || l != s->leader) && said.ets % self->st->n != l))
            unreadable(s);
        else if (said.kind == WRITE)
            hear_write(s, &said, m, &refs);
        else if (said.kind == DECIDED)
            hear_decided(s, &said);
        else if (said.kind == READ)
            hear_read(s, l, &said);
        else
            unreadable(s);
    }
    msg_refs_hold_flush(&refs);
    ep_conclude(s);
}

/* ---- hearing the answers --------------------------------------------------------------------- */

/* Leader: once a majority has answered in full, the values of the highest timestamps are known. */
static void answered(struct ep *s, uint16_t q)
{
    if (s->peer[q].states != s->peer[q].states_all || s->ready)
        return;
    s->answered |= 1ull << q;
    if (__builtin_popcountll(s->answered) > s->co.st->n / 2) {
        s->ready = true;
        s->scan = most(s->floor, s->over);
    }
}

/* upon ⟨pl, Deliver | q, [STATE, ts, v]⟩ do states[q] := (ts, v); only the highest matters. */
static void hear_state(struct ep *s, uint16_t q, const struct said *said, struct msg v,
                       struct msg_refs *refs)
{
    if (unlikely(said->count > said->inst)) {
        unreadable(s);
        return;
    }
    hear_stable(s, said->inst - said->count);
    if (said->round != s->round)
        return;
    if (said->inst > s->floor + s->mask) { /* we are behind: this answer will never be full */
        s->unheard = true;
        co_count(&s->co, COUNT_drop_early, 1);
        return;
    }
    struct row *r = row_of(s, said->inst);
    if (said->inst >= s->kept)
        learn(s, r, said->inst, said->more, v, sizeof(struct ep_wire), refs);
    s->peer[q].states++;
    answered(s, q);
}

/* The end of q's answer: how many STATEs there were, and where its rows begin. */
static void hear_end(struct ep *s, uint16_t q, const struct said *said)
{
    hear_stable(s, said->more);
    hear_done(s, q, said->inst);
    if (said->round != s->round)
        return;
    if (s->peer[q].states_all != COUNT_OPEN || said->count == COUNT_OPEN) {
        unreadable(s);
        return;
    }
    s->peer[q].states_all = said->count;
    if (!s->ready)
        s->over = most(s->over, said->more);
    answered(s, q);
}

/* upon ⟨pl, Deliver | q, [ACCEPT]⟩; upon #accepted > N/2 do ⟨beb, Broadcast | [DECIDED]⟩ */
static void hear_accept(struct ep *s, uint16_t q, const struct said *said)
{
    if (unlikely(said->count == 0 || said->count > s->mask + 1)) {
        unreadable(s);
        return;
    }
    int majority = s->co.st->n / 2 + 1;
    uint64_t end = least(said->inst + said->count, s->floor + s->mask + 1);
    hear_done(s, q, said->more);
    for (uint64_t inst = most(said->inst, s->kept); inst < end; inst++) {
        struct row *r = row_of(s, inst);
        if ((r->flags & (ROW_LED | ROW_CHOSEN)) != ROW_LED)
            continue;
        r->accepted |= 1ull << q;
        if (__builtin_popcountll(r->accepted) < majority)
            continue;
        r->flags |= ROW_CHOSEN;
        run_add(s, &s->decides, flush_decides, inst);
        told(s, r, inst, s->ets);
    }
}

/*
 * Leader: q has recovered, or has given up what others had recycled. What it lost is sent again; what
 * it lacks before stable it will not get, and from there on it is waited for: else stable would run
 * away from it.
 */
static void hear_resume(struct ep *s, uint16_t q, const struct said *said)
{
    uint64_t done = said->inst;
    bool here = said->ets == s->ets && leading(s);
    if (here)
        hear_done(s, q, most(done, s->stable));
    s->relived |= 1ull << q; /* it has yet to decide what hear_done() was told */
    if (!here)
        return;
    if (done < s->stable) /* no WRITE may come that would tell it so */
        ep_to_process(s, q, ep_plain(s, DONE, s->stable, 0, 0));
    s->peer[q].again = most(done, s->floor);
    s->peer[q].again_end = s->top;
    s->again = true;
    if (!s->ready)
        read_majority(s);
}

/* What may come over a link: answers, and what a leader sends again. */
static bool answers(const struct ep *s, uint16_t q, enum kind kind, uint64_t ets)
{
    if (likely(kind == ACCEPT || kind == DONE || kind == STATE || kind == END))
        return true;
    return kind == RESUME || ((kind == WRITE || kind == DECIDED) && ets % s->co.st->n == q);
}

void ep_upon_pl_deliver(struct co *self, const struct ev *ev, uint32_t n)
{
    struct ep *s = state(self);
    struct msg_refs refs = {NULL, 0};
    for (uint32_t i = 0; i < n; i++) {
        struct msg m = ev_msg(&ev[i]);
        struct said said;
        uint16_t q = ev[i].proc;
        if (unlikely(!ep_decode(&m, &said)) || !answers(s, q, said.kind, said.ets))
            unreadable(s);
        else if (unlikely(said.kind == WRITE))
            hear_write(s, &said, m, &refs);
        else if (unlikely(said.kind == DECIDED))
            hear_decided(s, &said);
        else if (unlikely(said.kind == DONE && said.ets == s->ets && q == s->leader &&
                          q != self->st->self))
            hear_stable(s, said.inst);
        else if (unlikely(said.kind == RESUME))
            hear_resume(s, q, &said);
        else if (unlikely(said.ets != s->ets || !leading(s)))
            co_count(self, COUNT_drop_stale, 1);
        else if (said.kind == ACCEPT)
            hear_accept(s, q, &said);
        else if (said.kind == DONE)
            hear_done(s, q, said.inst);
        else if (said.kind == STATE)
            hear_state(s, q, &said, m, &refs);
        else
            hear_end(s, q, &said);
    }
    msg_refs_hold_flush(&refs);
    ep_conclude(s);
}

/* ---- epochs ---------------------------------------------------------------------------------- */

static void start_leading(struct ep *s)
{
    s->ready = s->ets == 0;
    s->scan = s->floor;
    s->over = s->floor;
    s->heard = s->passed = 0;
    s->round = 0;
    for (uint64_t i = 0; i <= s->mask; i++)
        s->row[i].flags &= (uint8_t) ~(ROW_LED | ROW_CHOSEN);
    if (!s->ready)
        read_majority(s);
}

/* What of this epoch has come before it was started here counts now. */
static void accept_early(struct ep *s)
{
    for (uint64_t i = s->floor; i < s->top; i++) {
        const struct row *r = row_of(s, i);
        if (r->seg != NULL && r->valts == s->ets)
            ep_accept(s, r, i);
    }
    const struct peer *l = &s->peer[s->leader];
    if (l->read_ets == s->ets && s->ets != 0)
        answer(s, l->read_from, l->read_round);
}

static void forget_old_reads(struct ep *s)
{
    for (uint16_t q = 0; q < s->co.st->n; q++)
        if (s->peer[q].read_ets <= s->ets)
            s->peer[q].read_ets = s->peer[q].read_from = s->peer[q].read_round = 0;
}

/* upon ⟨ep, Init | ets, l⟩: the rows are the state that it is initialised with. */
void ep_upon_init(struct co *self, const struct ev *ev, uint32_t n)
{
    struct ep *s = state(self);
    for (uint32_t i = 0; i < n; i++) {
        assert(!s->active && (ev[i].attr > s->ets || s->leader == NOBODY));
        assert(ev[i].proc == ev[i].attr % self->st->n);
        s->ets = ev[i].attr;
        s->leader = ev[i].proc;
        s->active = true;
        s->resumed = ev[i].inst != 0;
        s->answering = false;
        s->answer_round = 0;
        if (leading(s))
            start_leading(s);
        else
            accept_early(s);
        if (unlikely(s->recovered || s->lost_end > s->done))
            resume(s);
        forget_old_reads(s);
        ep_conclude(s);
    }
}

/* upon ⟨ep, Abort⟩ do trigger ⟨ep, Aborted | ets⟩; the state stays in the rows. */
void ep_upon_abort(struct co *self, const struct ev *ev, uint32_t n)
{
    struct ep *s = state(self);
    enum ev_type aborted = s->log != NULL ? EV_LEP_ABORTED : EV_EP_ABORTED;
    for (uint32_t i = 0; i < n; i++)
        indicate(self, ev_make(aborted, 0, 0, s->ets, MSG_NONE));
    s->active = s->ready = s->answering = false;
    for (uint16_t q = 0; q < self->st->n; q++)
        s->peer[q].again = s->peer[q].again_end = 0;
    for (uint64_t i = 0; i <= s->mask; i++) {
        struct row *r = &s->row[i];
        if (r->prop_seg != NULL)
            msg_release((struct msg){r->prop_seg, r->prop_off, r->prop_len});
        r->prop_seg = NULL;
    }
}

/* ---- who is suspected ------------------------------------------------------------------------ */

void ep_upon_suspect(struct co *self, const struct ev *ev, uint32_t n)
{
    struct ep *s = state(self);
    for (uint32_t i = 0; i < n; i++)
        s->suspected |= 1ull << ev[i].proc;
    ep_conclude(s);
}

void ep_upon_restore(struct co *self, const struct ev *ev, uint32_t n)
{
    struct ep *s = state(self);
    for (uint32_t i = 0; i < n; i++)
        s->suspected &= ~(1ull << ev[i].proc);
}

/* ---- the rest -------------------------------------------------------------------------------- */

void ep_upon_timeout(struct co *self, const struct ev *ev, uint32_t n)
{
    struct ep *s = state(self);
    answer_more(s);
    for (uint32_t i = 0; i < n; i++)
        if (ev[i].attr == LEFT_BEHIND)
            give_up(s);
        else if (ev[i].attr == HELD_BACK)
            pass_over(s);
    ep_conclude(s);
}

/* What the links take: a WRITE, and later a DECIDED. Whether there is a row is for the user to see
 * to: it proposes nothing beyond `instances` / 2 above what it has decided. What the window does
 * not admit yet waits in its row. */
uint32_t ep_room(const struct co *self)
{
    return co_room(self->use[USE_BEB]) / 2;
}

void ep_spans(const struct co *self, uint64_t *from, uint64_t *to)
{
    const struct ep *s = (const struct ep *)self;
    *from = s->floor;
    *to = s->gap ? s->gap_from : s->done; /* what was given up is never finished */
}

/* READ or END, ACCEPT, DONE, DECIDED: each of the first three follows one of the leader's, and a run
 * of decisions the answers to it. */
uint32_t ep_unasked(const struct stack_conf *conf)
{
    (void)conf;
    return 4;
}

void ep_fini(struct co *self)
{
    struct ep *s = state(self);
    for (uint64_t i = 0; i <= s->mask; i++) {
        struct row *r = &s->row[i];
        if (r->seg != NULL)
            msg_release(value_of(r));
        if (r->prop_seg != NULL)
            msg_release((struct msg){r->prop_seg, r->prop_off, r->prop_len});
        r->seg = r->prop_seg = NULL;
    }
}

static co_upon_fn *const upon[EV_TYPES] =
    {[EV_EP_INIT] = ep_upon_init,          [EV_EP_PROPOSE] = ep_upon_propose,
     [EV_EP_ABORT] = ep_upon_abort,        [EV_BEB_DELIVER] = ep_upon_beb_deliver,
     [EV_PL_DELIVER] = ep_upon_pl_deliver, [EV_EPFD_SUSPECT] = ep_upon_suspect,
     [EV_EPFD_RESTORE] = ep_upon_restore,  [EV_TIMER_TIMEOUT] = ep_upon_timeout};

const struct co_class ep_read_write_class = {
    .name = "ep_read_write",
    .title = "read/write epoch consensus (CGR Algorithm 5.6)",
    .implements = ABS_EP,
    .majority = true,
    .uses = {ABS_BEB, ABS_PL, ABS_EPFD},
    .header_bytes = HEADER_MAX,
    .procs_max = PSET_PROCS,
    .bytes = ep_bytes,
    .init = ep_init,
    .upon = upon,
    .room = ep_room,
    .spans = ep_spans,
    .unasked = ep_unasked,
    .settle = ep_settle,
    .fini = ep_fini,
    .check = ep_check,
    .show = ep_show,
    .post = ep_post,
    .tell = ep_tell,
};
