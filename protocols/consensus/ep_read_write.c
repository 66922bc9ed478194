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
 *               least done of all, or of all that it does not suspect less a quarter of the rows if
 *               that is more, into each WRITE. Rows below stable (and
 *               below the own done) are recycled. The leader writes nothing beyond stable +
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
 *
 *               - Of one file with lep, logged epoch consensus (lep_read_write: fail-recovery, uses
 *                 beb, pl, ◇P, log; CGR Module 5.8, Algorithm 5.10). Said at its place below.
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
 * Limit: a process that was suspected while it lagged, or lep's that was down, by more than a quarter
 * of the rows, may need decisions whose rows all others have recycled (left_behind). Their messages
 * still come over its perfect links, unless their sender crashed; then it stays behind (drop_stale,
 * drop_early), and if it is the leader, proposals wait. It never decides differently. State transfer
 * would help it; it is not built.
 */
#include "consensus.h"
#include "protocols/co.h"
#include "protocols/log/deliveries.h"
#include "protocols/post.h"
#include "protocols/view.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#define WIRE_MAX   (UINT64_MAX >> 2) /* no number on the wire is above: sums do not overflow */
#define BURST_MSGS 256               /* sent in one go when catching up */
#define NOBODY     UINT16_MAX
#define COUNT_OPEN UINT32_MAX /* END has not come yet */
#define HEADER_MAX 32

enum { USE_BEB, USE_PL, USE_EPFD, USE_LOG };

enum kind { READ = 1, STATE, END, WRITE, ACCEPT, DECIDED, DONE, RESUME };

static const char *const kind_names[] = {"",       "READ",    "STATE", "END",   "WRITE",
                                         "ACCEPT", "DECIDED", "DONE",  "RESUME"};

/*              count           inst               more
 *   READ       -               first to tell of   -
 *   STATE      inst − stable   instance           valts          + value
 *   END        STATEs sent     done               floor
 *   WRITE      inst − stable   instance           -              + value
 *   ACCEPT     of instances    first              done
 *   DECIDED    of instances    first              -
 *   DONE       -               done               -
 *   RESUME     -               done               -                  lep only
 */
struct ep_wire {
    uint8_t kind;
    uint8_t reserved;
    uint8_t round[2]; /* of reading in this epoch: READ, STATE, END */
    uint8_t count[4];
    uint8_t ets[8]; /* of the epoch that it belongs to */
    uint8_t inst[8];
    uint8_t more[8]; /* STATE, END, ACCEPT only */
};
static_assert(sizeof(struct ep_wire) == HEADER_MAX, "the layout is the protocol");
#define SHORT_BYTES ((uint16_t)offsetof(struct ep_wire, more))

/* A message's header, decoded. */
struct said {
    uint64_t ets;
    uint64_t inst;
    uint64_t more;
    uint32_t count;
    uint16_t round;
    uint8_t kind;
};

enum {
    ROW_DECIDED = 1, /* and indicated */
    ROW_TOLD = 2,    /* DECIDED has come, of epoch told_ts, before its value, or its record */
    ROW_LED = 4,     /* leader: its WRITE of this epoch has been sent */
    ROW_CHOSEN = 8,  /* leader: a majority accepted; DECIDED has been sent */
    ROW_AGAIN = 16,  /* lep: an older value is on its way to stable storage, this one follows */
};

struct row {
    struct rte_mbuf *seg; /* val, held; NULL: ⊥ */
    uint16_t off;
    uint16_t len;
    uint8_t flags;
    uint8_t front;     /* lep: bytes of the message that told of val, in front of it */
    uint16_t prop_off; /* leader: a proposal that waits for its WRITE, held */
    uint64_t valts;
    uint64_t told_ts;
    uint64_t accepted; /* leader: who sent ACCEPT in this epoch */
    struct rte_mbuf *prop_seg;
    uint16_t prop_len;
    uint16_t storing; /* lep: 1 while a record of the value is on its way to stable storage */
    uint8_t pad2[12];
};
static_assert(sizeof(struct row) == 64, "a row to a cache line");

/* Consecutive instances that wait to be told of, in one call of a handler. */
struct run {
    uint64_t first;
    uint32_t count;
};

/* What is known of a process. */
struct peer {
    uint64_t done;     /* the highest that it told */
    uint64_t read_ets; /* its READ for an epoch that we have not started; 0: none */
    uint64_t read_from;
    uint16_t read_round;
    uint32_t states;     /* leader: STATEs that came */
    uint32_t states_all; /* leader: as many as its END says, or COUNT_OPEN */
    uint64_t again;      /* lep, leader: what it lost in a crash is sent again, from here … */
    uint64_t again_end;  /* … to here */
};

struct ep {
    struct co co;
    struct co *log;     /* lep; NULL: ep */
    bool recovered;     /* lep: this is not the first life */
    bool resumed;       /* lep: the epoch is of an earlier life, and we do not lead it any more */
    bool sure_asked;    /* lep: a record of done is on its way */
    bool stored;        /* lep: this call stores a value: a record of done costs no write more */
    uint64_t stored_at; /* lep: ns: when it stored one last */
    uint64_t sure_next; /* lep: the done that it tells */
    uint64_t sure;      /* lep: done, on stable storage */
    uint64_t released;  /* lep: our user needs no decision before it */
    uint64_t ets;
    uint16_t leader;
    bool active;        /* not aborted */
    bool ready;         /* leader: a majority has been read */
    uint32_t mask;      /* rows − 1 */
    uint32_t window;    /* instances from stable on that a leader writes */
    uint64_t floor;     /* rows are [floor, floor + rows); all before it is decided and recycled */
    uint64_t stable;    /* everybody who is not suspected has decided all before it */
    uint64_t done;      /* we have decided all before it */
    uint64_t told;      /* done, as we told it last */
    uint64_t top;       /* no row from here on has a value or a proposal */
    uint64_t scan;      /* leader: all before it that could be written has been */
    uint64_t over;      /* leader: its quorum has recycled the rows before it */
    uint16_t round;     /* leader: how often it has read in this epoch */
    bool unheard;       /* leader: an answer went beyond its rows; it has to read again */
    uint64_t read_from; /* leader: its floor when it read */
    uint64_t suspected; /* by ◇P */
    uint64_t heard;     /* leader: who told its done in this epoch */
    uint64_t answered;  /* leader: who answered READ in full */
    /* Answering a READ. */
    uint64_t answer_at;
    uint64_t answer_end;
    uint32_t answer_count;
    uint16_t answer_round; /* the last one that we answered, or are about to */
    bool answering;
    struct timer timer;
    struct timer rest; /* lep: what is decided and not stored waits for it at most */
    struct run accepts;
    struct run decides;
    struct peer *peer;
    struct row row[];
};

static struct ep *state(struct co *co)
{
    return (struct ep *)co;
}

static size_t ep_bytes(const struct stack_conf *conf)
{
    return sizeof(struct ep) + conf->instances * sizeof(struct row) + conf->n * sizeof(struct peer);
}

static void ep_init(struct co *self)
{
    struct ep *s = state(self);
    uint32_t rows = self->st->conf.instances;
    s->mask = rows - 1;
    s->window = rows > 1 ? rows / 2 : 1;
    s->leader = NOBODY;
    s->peer = (struct peer *)&s->row[rows];
}

static struct row *row_of(struct ep *s, uint64_t inst)
{
    return &s->row[inst & s->mask];
}

static struct msg value_of(const struct row *r)
{
    return (struct msg){r->seg, r->off, r->len};
}

static bool leading(const struct ep *s)
{
    return s->active && s->leader == s->co.st->self && !s->resumed;
}

/* Below this, we need nothing of anybody any more. It is what we tell others. */
static uint64_t settled(const struct ep *s)
{
    if (likely(s->log == NULL))
        return s->done;
    return s->sure < s->released ? s->sure : s->released;
}

/* Of the window: so much may be decided before others, or our own stable storage, are told. */
static uint64_t quarter(const struct ep *s)
{
    return (s->window + 3) / 4;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t most(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* ---- messages -------------------------------------------------------------------------------- */

static void header(struct ep_wire *w, uint16_t bytes, enum kind kind, uint64_t ets, uint64_t inst,
                   uint32_t count, uint64_t more)
{
    memset(w, 0, 8);
    w->kind = (uint8_t)kind;
    le32_put(w->count, count);
    le64_put(w->ets, ets);
    le64_put(w->inst, inst);
    if (bytes == sizeof *w)
        le64_put(w->more, more);
}

/* How the messages that carry a value tell stable. */
static uint32_t ahead_of_stable(const struct ep *s, uint64_t inst)
{
    return (uint32_t)(inst - least(s->stable, inst));
}

/* A message without a value. */
static struct msg plain(struct ep *s, enum kind kind, uint64_t inst, uint32_t count, uint64_t more)
{
    uint16_t bytes = kind == END || kind == ACCEPT ? sizeof(struct ep_wire) : SHORT_BYTES;
    struct msg m = msg_new(s->co.st, bytes);
    struct ep_wire *w = (struct ep_wire *)msg_data(m);
    header(w, bytes, kind, s->ets, inst, count, more);
    if (kind == READ || kind == END)
        le16_put(w->round, kind == READ ? s->round : s->answer_round);
    return m;
}

/* A value of our own that nobody has sent yet takes the header in place; any other is copied. */
static struct msg with_value(struct ep *s, struct msg value, bool fresh, enum kind kind,
                             uint64_t inst, uint32_t count, uint64_t more)
{
    uint16_t bytes = kind == STATE ? sizeof(struct ep_wire) : SHORT_BYTES;
    struct msg m = value;
    if (!fresh || (m.seg->ol_flags & (PKT_SLAB | RTE_MBUF_F_INDIRECT)) != PKT_SLAB) {
        m = msg_new(s->co.st, value.len);
        pkt_copy(msg_data(m), msg_data(value), value.len);
    }
    struct ep_wire *w = msg_push(&m, bytes);
    header(w, bytes, kind, s->ets, inst, count, more);
    if (kind == STATE)
        le16_put(w->round, s->answer_round);
    return m;
}

static void broadcast(struct ep *s, struct msg m)
{
    trigger(s->co.use[USE_BEB], ev_make(EV_BEB_BROADCAST, 0, 0, 0, m));
}

static void to_process(struct ep *s, uint16_t q, struct msg m)
{
    link_send(&s->co, s->co.use[USE_PL], EV_PL_SEND, q, m);
}

/* Decode a header; what it says is within bounds, or false. The value, if any, is left in *m. */
static bool decode(struct msg *m, struct said *said)
{
    const struct ep_wire *w = msg_pull(m, SHORT_BYTES);
    if (w == NULL || w->kind < READ || w->kind > RESUME)
        return false;
    said->kind = w->kind;
    said->round = le16_get(w->round);
    said->count = le32_get(w->count);
    said->ets = le64_get(w->ets);
    said->inst = le64_get(w->inst);
    said->more = 0;
    if (w->kind == STATE || w->kind == END || w->kind == ACCEPT) {
        if (msg_pull(m, sizeof w->more) == NULL)
            return false;
        said->more = le64_get(w->more);
    }
    return said->ets <= WIRE_MAX && said->inst <= WIRE_MAX && said->more <= WIRE_MAX &&
           (m->len == 0 || w->kind == STATE || w->kind == WRITE);
}

static void unreadable(struct ep *s)
{
    co_count(&s->co, COUNT_drop_message, 1);
}

/* Go on with what the links, or the rows, had no room for. */
static void later(struct ep *s)
{
    if (!timer_armed(&s->timer))
        co_timer(&s->co, &s->timer, s->co.st->conf.ack_delay_ns, 0);
}

/* ---- runs ------------------------------------------------------------------------------------ */

static void flush_accepts(struct ep *s)
{
    if (s->accepts.count == 0)
        return;
    to_process(s, s->leader, plain(s, ACCEPT, s->accepts.first, s->accepts.count, settled(s)));
    s->told = settled(s);
    s->accepts.count = 0;
}

static void flush_decides(struct ep *s)
{
    if (s->decides.count > 0)
        broadcast(s, plain(s, DECIDED, s->decides.first, s->decides.count, 0));
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

/*
 * Recycle rows that nobody needs, when this breath's frames have left: no peer waits for that, and
 * until then a value that the breath has decided is borrowed by the events that tell of it.
 */
static void ep_settle(struct co *self)
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
    s->top = most(s->top, s->floor);
    s->scan = most(s->scan, s->floor);
    if (unlikely(leading(s) && (s->scan < s->top || s->unheard)))
        later(s);
}

/*
 * Leader: stable is the least done of all, without those that were suspected and left behind. Who
 * is suspected now holds it back too, but by a quarter of the rows at most: a suspicion may be
 * false, and who sent him what he lacks may have crashed; then we lead him through it again. Who has
 * not told its done in this epoch yet is waited for.
 */
static void find_stable(struct ep *s)
{
    uint64_t low = settled(s), slow = low;
    for (uint16_t q = 0; q < s->co.st->n; q++) {
        bool suspected = s->suspected >> q & 1;
        if (q == s->co.st->self)
            continue;
        if (!suspected && !(s->heard >> q & 1))
            return;
        /* A suspect's done may be news from long ago: all we know is that it may be at stable. */
        if (suspected)
            slow = least(slow, most(s->stable, s->peer[q].done));
        else if (s->peer[q].done >= s->stable)
            low = least(low, s->peer[q].done);
    }
    uint64_t keep = s->window / 2; /* a quarter of the rows */
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

static void hear_done(struct ep *s, uint16_t q, uint64_t done)
{
    s->peer[q].done = most(s->peer[q].done, done);
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
    if (unlikely(inst < s->floor)) {
        co_count(&s->co, COUNT_drop_stale, 1);
        return NULL;
    }
    if (unlikely(inst > s->floor + s->mask)) {
        co_count(&s->co, COUNT_drop_early, 1);
        return NULL;
    }
    return row_of(s, inst);
}

/* Whether the row's value is known to be what was decided. */
static bool settles(const struct row *r)
{
    return (r->flags & ROW_DECIDED) ||
           ((r->flags & ROW_TOLD) && r->seg != NULL && r->valts >= r->told_ts);
}

/*
 * Decide what DECIDED told of, once its value has come; lep: and is on stable storage here. A
 * decision of an epoch that has not been started here is none of the current epoch's; but who waited
 * for that epoch, while others decide and recycle without him, could fall behind for good. So it is
 * learned.
 */
static void decide_told(struct ep *s, struct row *r, uint64_t inst)
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
    decide_told(s, r, inst);
}

/* lep: store(valts, val): the message that told of it, whole as it came. `copy`: 0, or 1 for one that
 * nobody waits for. */
static void store_value(struct ep *s, const struct row *r, uint64_t inst, uint16_t copy)
{
    struct msg whole = {r->seg, (uint16_t)(r->off - r->front), (uint16_t)(r->len + r->front)};
    log_store(&s->co, s->log, record_name(RECORD_ROWS, copy, inst & RECORD_NUMBER_MAX), whole);
}

/* lep: store what was learned. One record of a row at a time, so that however long the disk takes, no
 * more are on their way than there are rows. */
static void store_row(struct ep *s, struct row *r, uint64_t inst)
{
    if (unlikely(r->storing)) {
        r->flags |= ROW_AGAIN;
        return;
    }
    r->storing = 1;
    s->stored = true;
    store_value(s, r, inst, 0);
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
        store_row(s, r, inst);
    if (unlikely(r->flags & ROW_TOLD))
        decide_told(s, r, inst);
}

/* trigger ⟨pl, Send | l, [ACCEPT]⟩; if the value is on its way to stable storage: when it is there.
 */
static void accept(struct ep *s, const struct row *r, uint64_t inst)
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
    broadcast(s, with_value(s, v, fresh, WRITE, inst, ahead_of_stable(s, inst), 0));
}

/* How much may be sent in this call: each message asks for another in answer. */
static uint32_t budget(const struct ep *s)
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
    uint32_t left = budget(s);
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
        later(s);
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
    broadcast(s, plain(s, READ, s->floor, 0, 0));
}

static void store_done(struct ep *s);
static void send_again(struct ep *s);

/* End of a handler: tell what it has found out, and use what it has made room for. */
static void conclude(struct ep *s)
{
    flush_accepts(s);
    flush_decides(s);
    if (s->log != NULL)
        store_done(s);
    if (leading(s)) {
        if (unlikely(s->log != NULL))
            send_again(s);
        find_stable(s);
        if (unlikely(!s->ready && s->unheard && s->floor > s->read_from))
            read_majority(s);
        if (unlikely(s->scan < s->top) && s->ready)
            drive(s);
    } else if (s->active && settled(s) - s->told >= quarter(s)) {
        s->told = settled(s);
        to_process(s, s->leader, plain(s, DONE, s->told, 0, 0));
    }
    if (s->floor < recyclable(s))
        s->co.st->late |= s->co.bit;
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
static void upon_ep_propose(struct co *self, const struct ev *ev, uint32_t n)
{
    struct ep *s = state(self);
    if (!leading(s)) /* aborted meanwhile: whoever proposed hears of it and keeps its value */
        return;
    for (uint32_t i = 0; i < n; i++)
        propose(s, &ev[i]);
    conclude(s);
}

/* ---- answering the leader -------------------------------------------------------------------- */

/* Tell the leader of this epoch of each value in our rows, as fast as the links take it. */
static void answer_more(struct ep *s)
{
    if (!s->answering || !s->active)
        return;
    uint32_t left = budget(s);
    s->answer_at = most(s->answer_at, s->floor);
    for (; s->answer_at < s->answer_end && left > 0; s->answer_at++) {
        const struct row *r = row_of(s, s->answer_at);
        if (r->seg == NULL)
            continue;
        to_process(s, s->leader,
                   with_value(s, value_of(r), false, STATE, s->answer_at,
                              ahead_of_stable(s, s->answer_at), r->valts));
        s->answer_count++;
        left--;
    }
    if (s->answer_at < s->answer_end) {
        later(s);
        return;
    }
    to_process(s, s->leader, plain(s, END, settled(s), s->answer_count, s->floor));
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
    if (unlikely(inst < s->floor)) {
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
        accept(s, r, inst);
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

static void upon_beb_deliver(struct co *self, const struct ev *ev, uint32_t n)
{
    struct ep *s = state(self);
    struct msg_refs refs = {NULL, 0};
    for (uint32_t i = 0; i < n; i++) {
        struct msg m = ev_msg(&ev[i]);
        struct said said;
        uint16_t l = ev[i].proc;
        /* Each epoch has one leader, whose rank is the rest of its timestamp. */
        if (unlikely(!decode(&m, &said)) ||
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
    conclude(s);
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
    if (said->inst >= s->floor)
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
    for (uint64_t inst = most(said->inst, s->floor); inst < end; inst++) {
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

/* lep, leader: q has recovered in this epoch. What its former life got is sent again. */
static void hear_resume(struct ep *s, uint16_t q, uint64_t done)
{
    hear_done(s, q, done);
    s->peer[q].again = most(done, s->floor);
    s->peer[q].again_end = s->top;
    if (!s->ready)
        read_majority(s);
}

/* What may come over a link, by itself; lep: also what a leader sends again. */
static bool answers(const struct ep *s, uint16_t q, enum kind kind, uint64_t ets)
{
    if (likely(kind == ACCEPT || kind == DONE || kind == STATE || kind == END))
        return true;
    if (s->log == NULL)
        return false;
    return kind == RESUME || ((kind == WRITE || kind == DECIDED) && ets % s->co.st->n == q);
}

static void upon_pl_deliver(struct co *self, const struct ev *ev, uint32_t n)
{
    struct ep *s = state(self);
    struct msg_refs refs = {NULL, 0};
    for (uint32_t i = 0; i < n; i++) {
        struct msg m = ev_msg(&ev[i]);
        struct said said;
        uint16_t q = ev[i].proc;
        if (unlikely(!decode(&m, &said)) || !answers(s, q, said.kind, said.ets))
            unreadable(s);
        else if (unlikely(said.kind == WRITE))
            hear_write(s, &said, m, &refs);
        else if (unlikely(said.kind == DECIDED))
            hear_decided(s, &said);
        else if (unlikely(said.ets != s->ets || !leading(s)))
            co_count(self, COUNT_drop_stale, 1);
        else if (said.kind == ACCEPT)
            hear_accept(s, q, &said);
        else if (said.kind == DONE)
            hear_done(s, q, said.inst);
        else if (said.kind == RESUME)
            hear_resume(s, q, said.inst);
        else if (said.kind == STATE)
            hear_state(s, q, &said, m, &refs);
        else
            hear_end(s, q, &said);
    }
    msg_refs_hold_flush(&refs);
    conclude(s);
}

/* ---- epochs ---------------------------------------------------------------------------------- */

static void start_leading(struct ep *s)
{
    s->ready = s->ets == 0;
    s->scan = s->floor;
    s->over = s->floor;
    s->heard = 0;
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
            accept(s, r, i);
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
static void upon_ep_init(struct co *self, const struct ev *ev, uint32_t n)
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
        if (unlikely(s->recovered) && s->leader != self->st->self)
            to_process(s, s->leader, plain(s, RESUME, settled(s), 0, 0));
        forget_old_reads(s);
        conclude(s);
    }
}

/* upon ⟨ep, Abort⟩ do trigger ⟨ep, Aborted | ets⟩; the state stays in the rows. */
static void upon_ep_abort(struct co *self, const struct ev *ev, uint32_t n)
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

static void upon_epfd_suspect(struct co *self, const struct ev *ev, uint32_t n)
{
    struct ep *s = state(self);
    for (uint32_t i = 0; i < n; i++)
        s->suspected |= 1ull << ev[i].proc;
    conclude(s);
}

static void upon_epfd_restore(struct co *self, const struct ev *ev, uint32_t n)
{
    struct ep *s = state(self);
    for (uint32_t i = 0; i < n; i++)
        s->suspected &= ~(1ull << ev[i].proc);
}

/* ---- on stable storage: lep ------------------------------------------------------------------ */

/*
 * Logged epoch consensus (CGR Algorithm 5.10). What a process must not forget, and when it is
 * stored:
 *
 * - The epoch: by lec, before ⟨lec, StartEpoch⟩, and so before anything is answered in it.
 * - (valts, val) of a row: as soon as it is learned. ACCEPT waits for it. STATE need not: what a
 *   process tells of and then forgets was really written, and it had not accepted it.
 * - done: a record tells how far we have decided without a gap, one at a time. Others hear of done
 *   when that is stored and our user has released what is below: so what a process may still ask
 *   for, in this life or the next, is not recycled by anybody who does not suspect it. Nobody waits
 *   for this record, so it rides in the write of a later value (store_done()).
 *
 * A decision is made when a majority has its value on stable storage: whoever leads later reads it
 * there. It is indicated where the value is on stable storage too, so that no process acknowledges
 * what only others hold. The book has each process store the decision before it indicates it, a
 * second write behind the first. What that would add is that a process knows of the decision by
 * itself; here, who crashes before its record of done is stored has the value, and is told again
 * that it is decided, by the majority without which it could decide nothing either.
 *
 * After a recovery a process goes on in the epoch that it was in; if it led it, it only follows,
 * since it has forgotten what it wrote. It sends RESUME to its leader, which sends again each value
 * written in this epoch or decided, and each DECIDED, from the done of the recovered process on; and
 * reads again, if it has not got its majority yet: perfect links deliver to one life only.
 */

struct done_wire {
    uint8_t floor[8];
    uint8_t done[8];
};
static_assert(sizeof(struct done_wire) == 16, "the layout is the record");

static void store_position(struct ep *s, uint16_t copy)
{
    struct msg m = msg_new(s->co.st, sizeof(struct done_wire));
    struct done_wire *w = (struct done_wire *)msg_data(m);
    le64_put(w->floor, s->floor);
    le64_put(w->done, s->done);
    log_store(&s->co, s->log, record_name(RECORD_POSITION, copy, 0), m);
}

/*
 * Behind the records of the values that it speaks of, and in the write of another value, so that it
 * costs none of its own; unless a quarter of the window was decided since the last one, or no value
 * was stored for a heartbeat.
 */
static void store_done(struct ep *s)
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

/* Leader: WRITE for each row of this epoch, and each decided one, and DECIDED. By lock-in a decided
 * value is the only one that this epoch can write. */
static void send_again(struct ep *s)
{
    for (uint16_t q = 0; q < s->co.st->n; q++) {
        struct peer *p = &s->peer[q];
        uint32_t left = p->again < p->again_end ? budget(s) : 0;
        p->again = most(p->again, s->floor);
        for (; p->again < p->again_end && left > 1; p->again++) {
            const struct row *r = row_of(s, p->again);
            if (r->seg == NULL || !((r->flags & ROW_LED) || settles(r)))
                continue;
            to_process(s, q,
                       with_value(s, value_of(r), false, WRITE, p->again,
                                  ahead_of_stable(s, p->again), 0));
            if ((r->flags & ROW_CHOSEN) || settles(r))
                to_process(s, q, plain(s, DECIDED, p->again, 1, 0));
            left -= 2;
        }
        if (p->again < p->again_end)
            later(s);
    }
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
            store_row(s, r, inst);
            continue;
        }
        if (s->active && r->valts == s->ets)
            accept(s, r, inst);
        decide_told(s, r, inst);
    }
    conclude(s);
}

/* upon ⟨lep, Release | i⟩: decisions before i are not needed any more. */
static void upon_lep_release(struct co *self, const struct ev *ev, uint32_t n)
{
    struct ep *s = state(self);
    for (uint32_t i = 0; i < n; i++)
        s->released = most(s->released, least(ev[i].inst, s->done));
    conclude(s);
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
    if (!decode(&m, &said) || (said.kind != WRITE && said.kind != STATE)) {
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
    s->released = s->stable = s->floor;
    s->sure = s->sure_next = s->told = s->done;
    s->scan = s->over = s->floor;
    indicate(self, ev_make(EV_LEP_RESUMED, 0, s->floor, 0, MSG_NONE));
    for (uint64_t i = s->floor; i < s->done; i++) {
        struct row *r = row_of(s, i);
        assert(r->seg != NULL); /* it was stored before the record of done */
        r->flags |= ROW_DECIDED;
        indicate(self, ev_make(EV_LEP_DECIDE, 0, i, 0, value_of(r)));
    }
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

/* ---- the rest -------------------------------------------------------------------------------- */

static void upon_timeout(struct co *self, const struct ev *ev, uint32_t n)
{
    struct ep *s = state(self);
    answer_more(s);
    conclude(s);
}

/* What the links take: a WRITE, and later a DECIDED. Whether there is a row is for the user to see
 * to: it proposes nothing beyond `instances` / 2 above what it has decided. What the window does
 * not admit yet waits in its row. */
static uint32_t ep_room(const struct co *self)
{
    return co_room(self->use[USE_BEB]) / 2;
}

static void ep_fini(struct co *self)
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

static void ep_check(const struct co *self)
{
    const struct ep *s = (const struct ep *)self;
    assert(s->floor <= s->done && s->done <= s->floor + s->mask + 1);
    assert(s->told <= s->done && s->sure <= s->done);
    assert(s->floor <= s->top && s->top <= s->floor + s->mask + 1);
    assert(s->accepts.count == 0 && s->decides.count == 0);
    assert(!s->ready || leading(s));
    for (uint64_t i = s->floor; i <= s->floor + s->mask; i++) {
        const struct row *r = &s->row[i & s->mask];
        bool decided = r->flags & ROW_DECIDED;
        assert(!decided || r->seg != NULL);
        assert(i >= s->done || decided);
        assert(i != s->done || !decided);
        assert(i < s->top || (r->seg == NULL && r->prop_seg == NULL));
        assert(!(r->flags & ROW_TOLD) || (!decided && (r->storing || !settles(r))));
        if (r->flags & ROW_CHOSEN)
            assert(__builtin_popcountll(r->accepted) > self->st->n / 2);
    }
}

static void show_row(const struct ep *s, struct view *v, uint64_t inst)
{
    const struct row *r = &s->row[inst & s->mask];
    if (r->flags == 0 && r->seg == NULL && r->prop_seg == NULL)
        return;
    view_group(v, "instance", inst);
    view_u64(v, "flags", r->flags);
    if (r->seg != NULL) {
        view_u64(v, "valts", r->valts);
        view_u64(v, "storing", r->storing);
        view_msg(v, "val", value_of(r));
    }
    if (r->flags & ROW_TOLD)
        view_u64(v, "told_ts", r->told_ts);
    if (r->flags & ROW_LED)
        view_u64(v, "accepted", r->accepted);
    if (r->prop_seg != NULL)
        view_msg(v, "proposal", (struct msg){r->prop_seg, r->prop_off, r->prop_len});
}

static void ep_show(const struct co *self, struct view *v)
{
    const struct ep *s = (const struct ep *)self;
    view_u64(v, "ets", s->ets);
    view_u64(v, "leader", s->leader);
    view_u64(v, "is",
             (uint64_t)s->active | (uint64_t)s->ready << 1 | (uint64_t)s->answering << 2 |
                 (uint64_t)timer_armed(&s->timer) << 3);
    view_u64(v, "floor", s->floor);
    view_u64(v, "stable", s->stable);
    view_u64(v, "done", s->done);
    view_u64(v, "told", s->told);
    view_u64(v, "top", s->top);
    view_u64(v, "suspected", s->suspected);
    view_u64(v, "answer_round", s->answer_round);
    if (s->answering) {
        view_u64(v, "answer_at", s->answer_at);
        view_u64(v, "answer_end", s->answer_end);
        view_u64(v, "answer_count", s->answer_count);
    }
    if (s->log != NULL) {
        view_u64(v, "sure", s->sure);
        view_u64(v, "rest", timer_armed(&s->rest));
        view_u64(v, "sure_next", s->sure_next);
        view_u64(v, "released", s->released);
        view_u64(v, "lives",
                 (uint64_t)s->recovered | (uint64_t)s->resumed << 1 | (uint64_t)s->sure_asked << 2);
    }
    if (leading(s)) {
        view_u64(v, "scan", s->scan);
        view_u64(v, "over", s->over);
        view_u64(v, "heard", s->heard);
        view_u64(v, "round", s->round);
        view_u64(v, "unheard", s->unheard);
        view_u64(v, "read_from", s->read_from);
        view_u64(v, "answered", s->answered);
    }
    for (uint16_t q = 0; q < self->st->n; q++) {
        view_group(v, "peer", q);
        view_u64(v, "done", s->peer[q].done);
        view_u64(v, "read_ets", s->peer[q].read_ets);
        view_u64(v, "read_from", s->peer[q].read_from);
        view_u64(v, "read_round", s->peer[q].read_round);
        if (s->peer[q].again < s->peer[q].again_end) {
            view_u64(v, "again", s->peer[q].again);
            view_u64(v, "again_end", s->peer[q].again_end);
        }
        if (leading(s) && !s->ready) {
            view_u64(v, "states", s->peer[q].states);
            view_u64(v, "states_all", s->peer[q].states_all);
        }
    }
    for (uint64_t i = s->floor; i <= s->floor + s->mask; i++)
        show_row(s, v, i);
}

static int ep_tell(struct msg m, char *text, size_t size)
{
    struct said said;
    if (!decode(&m, &said))
        return -1;
    const char *name = kind_names[said.kind];
    if (said.kind == STATE || said.kind == END)
        return snprintf(text, size, "[%s %" PRIu64 " %" PRIu64 " %" PRIu64 "]", name, said.ets,
                        said.inst, said.more);
    if ((said.kind == ACCEPT || said.kind == DECIDED) && said.count > 1)
        return snprintf(text, size, "[%s %" PRIu64 " %" PRIu64 "..%" PRIu64 "]", name, said.ets,
                        said.inst, said.inst + said.count - 1);
    return snprintf(text, size, "[%s %" PRIu64 " %" PRIu64 "]", name, said.ets, said.inst);
}

/* Leader: what its oldest instance that is not decided waits for. */
static void post_leading(const struct ep *s, const struct row *r, struct post_wait *wait)
{
    uint16_t n = s->co.st->n;
    wait->kind = s->ready ? POST_QUORUM : POST_READ;
    wait->have = s->ready ? r->accepted : s->answered;
    wait->need = n / 2 + 1;
    if (s->ready && !(r->flags & ROW_LED) && s->scan >= s->floor + s->window) {
        wait->kind = POST_WINDOW;
        wait->have = s->suspected;
        for (uint16_t q = 0; q < n; q++)
            if (q == s->co.st->self || s->peer[q].done > s->stable)
                wait->have |= 1ull << q;
        wait->need = n;
    }
    wait->missing = ~wait->have & (~0ull >> (PSET_PROCS - n));
}

static void ep_post(const struct co *self, struct co_post *p)
{
    const struct ep *s = (const struct ep *)self;
    if (s->leader == NOBODY)
        return;
    p->epoch = s->ets;
    p->leader = s->leader;
    p->have |= POST_EPOCH;
    if (s->top <= s->done)
        return;
    struct post_wait wait = {.kind = POST_LEADER,
                             .open = s->top - s->done,
                             .origin = NOBODY_POSTED,
                             .oldest = s->done,
                             .missing = 1ull << s->leader,
                             .need = 1};
    if (!s->active)
        wait = (struct post_wait){.kind = POST_EPOCH_CHANGE,
                                  .open = wait.open,
                                  .origin = NOBODY_POSTED,
                                  .oldest = s->done};
    else if (leading(s))
        post_leading(s, &s->row[s->done & s->mask], &wait);
    post_wait(self, p, wait);
}

static co_upon_fn *const upon[EV_TYPES] =
    {[EV_EP_INIT] = upon_ep_init,           [EV_EP_PROPOSE] = upon_ep_propose,
     [EV_EP_ABORT] = upon_ep_abort,         [EV_BEB_DELIVER] = upon_beb_deliver,
     [EV_PL_DELIVER] = upon_pl_deliver,     [EV_EPFD_SUSPECT] = upon_epfd_suspect,
     [EV_EPFD_RESTORE] = upon_epfd_restore, [EV_TIMER_TIMEOUT] = upon_timeout};

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
    .settle = ep_settle,
    .fini = ep_fini,
    .check = ep_check,
    .show = ep_show,
    .post = ep_post,
    .tell = ep_tell,
};

static co_upon_fn *const lep_upon[EV_TYPES] = {[EV_LEP_INIT] = upon_ep_init,
                                               [EV_LEP_PROPOSE] = upon_ep_propose,
                                               [EV_LEP_ABORT] = upon_ep_abort,
                                               [EV_LEP_RELEASE] = upon_lep_release,
                                               [EV_BEB_DELIVER] = upon_beb_deliver,
                                               [EV_PL_DELIVER] = upon_pl_deliver,
                                               [EV_EPFD_SUSPECT] = upon_epfd_suspect,
                                               [EV_EPFD_RESTORE] = upon_epfd_restore,
                                               [EV_LOG_STORED] = upon_log_stored,
                                               [EV_LOG_FOUND] = upon_log_found,
                                               [EV_LOG_RECOVERED] = upon_log_recovered,
                                               [EV_LOG_COMPACT] = upon_log_compact,
                                               [EV_TIMER_TIMEOUT] = upon_timeout};

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
    .settle = ep_settle,
    .stores = lep_stores,
    .keeps = lep_keeps,
    .fini = ep_fini,
    .check = ep_check,
    .show = ep_show,
    .post = ep_post,
    .tell = ep_tell,
};
