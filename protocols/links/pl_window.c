/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Perfect links by a sliding window.
 *
 * Abstraction   pl, perfect links (CGR Module 2.3)
 * Algorithm     ours: sequence numbers, a cumulative and a selective acknowledgement that ride on
 *               data, retransmission after a timeout that follows the measured round trip
 *               (RFC 6298; Karn's rule: what was sent twice is not measured), credit, incarnations
 * Uses          the device, directly: it owns frames of kind WINDOW
 * Properties    PL1, PL2, PL3
 * Model         crash-stop; a peer that comes back under a higher incarnation is a new peer that is
 *               sent again what its former self had not acknowledged
 * Space         per peer `ring_msgs` sent messages and `flight_msgs` bits; nothing received is kept
 * Differs       The textbook (CGR Algorithm 2.2) remembers every message ever delivered and repeats
 *               every message ever sent. Here a bit per message inside the window is enough, since
 *               a sender never goes beyond the window. Perfect links do not promise order, so what
 *               arrives out of order is delivered at once and only marked. A peer that takes
 *               nothing for `give_up_ns` while its ring is half full, which stops all sources, is
 *               given up: treated as crashed, which asynchrony cannot tell apart from slow. It is
 *               counted, and a verdict knows of it. With give_up_ns = UINT64_MAX silence alone never
 *               has that effect. Where a detector stands above (⟨pl, Suspect | q⟩), a peer that it
 *               suspects holds up nobody from then on: what it is owed is kept in its ring, for it
 *               may be restored; when the others have filled that ring, it is given up.
 */
#include "frames.h"
#include "links.h"
#include "silence.h"
#include "protocols/post.h"
#include "protocols/view.h"

#include <assert.h>

#define SACK_MSGS   64 /* messages that one selective acknowledgement speaks of */
#define WARM_MSGS   16 /* when more wait, the next frame is fetched while this one is written … */
#define WARM_BYTES  1408 /* … so much of it, about what an MTU of 1500 carries */
#define BACKOFF_MAX 32   /* doublings of a timeout: beyond any rto_max_ns that is of use */

struct sent {
    struct rte_mbuf *seg;
    uint16_t off;
    uint16_t len;
    uint8_t user;
    uint8_t pad[3];
};
static_assert(sizeof(struct sent) == 16, "four to a cache line");

static struct msg sent_msg(const struct sent *s)
{
    return (struct msg){s->seg, s->off, s->len};
}

struct peer {
    /* One cache line: what every frame touches, coming or going. */
    /* Sending: [kept, una) is to be released, [una, nxt) in flight, [nxt, tail) waits for credit. */
    uint64_t una;
    uint64_t nxt;
    uint64_t tail;
    uint64_t kept;
    uint64_t limit; /* the peer takes sequence numbers below this */
    /* Receiving: everything below rcv has arrived; bit (s mod flight) of seen: s ≥ rcv has. */
    uint64_t rcv;
    uint32_t owed;        /* records not yet acknowledged */
    uint32_t incarnation; /* of the peer; 0: not heard of yet */
    uint32_t bound;       /* from so many messages in the ring on, sending looks closer: admit() */
    uint8_t backoff;      /* alarms since the last progress: each doubles the timeout */
    bool ack_now : 1;
    bool resend : 1; /* una is believed lost */
    bool lost : 1;   /* given up */
    bool tight : 1;  /* its ring is more than three quarters full, and it is not suspected */
    bool suspected : 1;
    /* Another: what messages touch, and what they are acknowledged by. */
    struct sent *ring;
    uint64_t *seen;
    uint64_t sack;      /* bit i: una + 1 + i has arrived */
    uint64_t probe_seq; /* acknowledged beyond this: the round trip since probe_ns; 0: no probe */
    uint64_t probe_ns;
    uint64_t since_ns;     /* the oldest message in flight waits since then, or the last progress */
    uint64_t recover;      /* after an alarm: all below may be lost, … */
    uint32_t ahead;        /* bits set in seen */
    uint32_t again_frames; /* how many frames the next step of the recovery sends again */
    /* Now and then. */
    uint64_t srtt_ns;
    uint64_t rttvar_ns;
    uint64_t resent;    /* … and all below this has been sent again */
    uint64_t resent_ns; /* when una was last sent again */
    uint64_t resends;   /* messages sent again, in all; for post() */
    struct timer rto;
    struct timer ack;
} __attribute__((aligned(64)));
static_assert(offsetof(struct peer, ring) == 64 && offsetof(struct peer, srtt_ns) == 128,
              "lines, as said");

struct pl_window {
    struct co co;
    uint32_t ring_mask;
    uint32_t flight;
    uint32_t tight; /* peers whose ring is tight */
    struct co *user[CO_PORTS_MAX];
    struct procs dirty;  /* peers to look at when the breath ends */
    struct procs broken; /* … and when its frames have left: their silence begins anew */
    struct peer peer[];
};

enum { ALARM_RTO, ALARM_ACK };

static struct pl_window *window(struct co *co)
{
    return (struct pl_window *)co;
}

/* A ring is tight that is more than three quarters full. */
static uint32_t tight_from(const struct pl_window *w)
{
    return (w->ring_mask + 1) / 4 * 3;
}

static size_t pl_window_bytes(const struct stack_conf *conf)
{
    return sizeof(struct pl_window) + conf->n * sizeof(struct peer) +
           conf->n * (conf->ring_msgs * sizeof(struct sent) + (conf->flight_msgs + 63) / 64 * 8);
}

static void pl_window_init(struct co *co)
{
    struct pl_window *w = window(co);
    const struct stack_conf *conf = &co->st->conf;
    w->ring_mask = conf->ring_msgs - 1;
    w->flight = conf->flight_msgs;
    uint8_t *table = (uint8_t *)&w->peer[conf->n];
    size_t words = (conf->flight_msgs + 63) / 64;
    for (uint16_t q = 0; q < conf->n; q++) {
        struct peer *p = &w->peer[q];
        p->ring = (struct sent *)table;
        table += conf->ring_msgs * sizeof(struct sent);
        p->seen = (uint64_t *)table;
        table += words * 8;
        p->limit = conf->flight_msgs;
        p->bound = tight_from(w);
    }
    for (uint16_t i = 0; i < co->users; i++)
        w->user[co->user[i]->port] = co->user[i];
}

static void mark(struct pl_window *w, uint16_t q)
{
    procs_add(&w->dirty, q);
    co_dirty(&w->co);
}

static uint64_t used(const struct peer *p)
{
    return p->tail - p->kept;
}

static void set_tight(struct pl_window *w, struct peer *p)
{
    bool tight = used(p) > tight_from(w) && !p->suspected;
    w->tight += (uint32_t)tight - (uint32_t)p->tight;
    p->tight = tight;
    p->bound = p->lost ? 0 : tight || p->suspected ? w->ring_mask + 1 : tight_from(w);
}

/* Messages in the fullest ring, of peers that are not suspected. */
static uint64_t fullest(const struct pl_window *w)
{
    uint64_t most = 0;
    for (uint16_t q = 0; q < w->co.st->n; q++)
        if (used(&w->peer[q]) > most && likely(!w->peer[q].suspected))
            most = used(&w->peer[q]);
    return most;
}

/* Half of the fullest ring is for sources; the other half is for what must be sent in answer. */
static uint32_t pl_window_room(const struct co *co)
{
    const struct pl_window *w = (const struct pl_window *)co;
    uint64_t half = (w->ring_mask + 1) / 2, most = fullest(w);
    return most < half ? (uint32_t)(half - most) : 0;
}

/* ---- sending --------------------------------------------------------------------------------- */

static void give_up(struct pl_window *w, struct peer *p);

/* Whether one more message may go into the ring of q, which is lost, suspected, tight, or about to
 * be. */
static bool __attribute__((noinline, cold)) admit(struct pl_window *w, uint16_t q)
{
    struct peer *p = &w->peer[q];
    if (p->suspected && !p->lost && used(p) > w->ring_mask)
        give_up(w, p);
    if (p->lost) {
        co_count(&w->co, COUNT_drop_lost_peer, 1);
        return false;
    }
    if (used(p) > w->ring_mask)
        rte_panic("p%u pl: %u messages to p%u wait: a layer sends beyond its room()\n",
                  w->co.st->self, w->ring_mask + 1, q);
    if (!p->tight && !p->suspected) {
        p->tight = true;
        p->bound = w->ring_mask + 1;
        w->tight++;
    }
    return true;
}

/* upon ⟨pl, Send | q, m⟩: keep m until q acknowledges it; it leaves when the breath ends. */
static void upon_pl_send(struct co *self, const struct ev *ev, uint32_t n)
{
    struct pl_window *w = window(self);
    struct msg_refs refs = {NULL, 0};
    for (uint32_t i = 0; i < n; i++) {
        const struct ev *e = &ev[i];
        uint16_t q = e->proc;
        if (q == self->st->self) { /* to ourselves: it has as good as arrived */
            trigger_own(w->user[e->inst], ev_make(EV_PL_DELIVER, q, 0, 0, ev_msg(e)));
            continue;
        }
        struct peer *p = &w->peer[q];
        if (unlikely(used(p) >= p->bound)) {
            msg_refs_hold_flush(&refs); /* who is given up has its messages released */
            if (!admit(w, q))
                continue;
        }
        p->ring[p->tail++ & w->ring_mask] =
            (struct sent){e->seg, e->off, e->len, (uint8_t)e->inst, {0}};
        msg_refs_hold(&refs, e->seg);
        procs_add(&w->dirty, q);
    }
    co_dirty(self);
    msg_refs_hold_flush(&refs);
}

/* What has arrived beyond the first that is missing. */
static uint64_t __attribute__((noinline)) sack_of(const struct pl_window *w, const struct peer *p)
{
    uint64_t sack = 0;
    for (uint32_t i = 0; i < SACK_MSGS && i + 1 < w->flight; i++) {
        uint64_t s = (p->rcv + 1 + i) & (w->flight - 1);
        sack |= (p->seen[s / 64] >> s % 64 & 1) << i;
    }
    return sack;
}

/* Every frame to a peer tells it what has arrived. */
static void close_frame(struct pl_window *w, struct frame_builder *b, uint16_t q, uint64_t seq)
{
    struct peer *p = &w->peer[q];
    struct frame f = {.kind = FRAME_KIND_WINDOW,
                      .to_incarn = p->incarnation,
                      .seq = seq,
                      .ack = p->rcv,
                      .sack = unlikely(p->ahead > 0) ? sack_of(w, p) : 0,
                      .credit = w->flight};
    p->owed = 0;
    p->ack_now = false;
    frame_close(b, q, f);
}

/* Send the messages from `seq` to before `end` that follow each other, as many as one frame takes.
 */
static uint64_t send_frame(struct pl_window *w, uint16_t q, uint64_t seq, uint64_t end)
{
    struct frame_builder b;
    if (unlikely(!frame_open(&b, w->co.st)))
        return seq;
    struct peer *p = &w->peer[q];
    uint64_t first = seq;
    if (end - seq > WARM_MSGS)
        pkt_warm_next(w->co.st->env->pool, WARM_BYTES);
    struct frame_pen pen = frame_pen(&b, w->co.st);
    const struct sent *s = NULL;
    for (; seq < end; seq++) {
        s = &p->ring[seq & w->ring_mask];
        if (!frame_write(&pen, sent_msg(s), s->user))
            break;
    }
    frame_pen_down(&b, pen);
    if (seq < end && s->len > pen.copy_max && frame_share(&b, sent_msg(s), s->user))
        seq++;
    if (unlikely(seq == first && first != end)) { /* no packet for a shared body */
        pkt_free(b.pkt);
        co_count(&w->co, COUNT_drop_pool_empty, 1);
        return seq;
    }
    close_frame(w, &b, q, first);
    return seq;
}

static bool sacked(const struct peer *p, uint64_t seq)
{
    return seq > p->una && seq - p->una - 1 < SACK_MSGS && (p->sack >> (seq - p->una - 1) & 1);
}

/*
 * Send again what the peer lacks up to the last message that it has told of. After an alarm nothing
 * is known of what is behind the first message: one frame, and with each that arrives twice as many.
 */
static void __attribute__((noinline)) resend(struct pl_window *w, uint16_t q)
{
    struct peer *p = &w->peer[q];
    uint32_t frames = p->una < p->recover ? p->again_frames : SACK_MSGS;
    uint64_t end = p->una + SACK_MSGS < p->nxt ? p->una + SACK_MSGS : p->nxt;
    if (p->sack != 0) {
        uint64_t known = p->una + 1 + (63 - (uint64_t)__builtin_clzll(p->sack));
        if (known < end)
            end = known;
    }
    uint64_t seq = p->una;
    while (seq < end && frames > 0) {
        uint64_t stop = seq;
        while (stop < end && !sacked(p, stop))
            stop++;
        for (; seq < stop && frames > 0; frames--) {
            uint64_t next = send_frame(w, q, seq, stop);
            if (next == seq)
                return;
            co_count(&w->co, COUNT_tx_retransmits, next - seq);
            p->resends += next - seq;
            seq = next;
        }
        while (seq < end && sacked(p, seq))
            seq++;
    }
    p->resent = seq;
    p->probe_seq = 0;
    p->resent_ns = w->co.st->now;
    p->resend = false;
}

/* The timeout that the measured round trip asks for (RFC 6298), doubled by each alarm in a row. */
static uint64_t rto_ns(const struct pl_window *w, const struct peer *p)
{
    const struct stack_conf *conf = &w->co.st->conf;
    uint64_t rto = p->srtt_ns + 4 * p->rttvar_ns + conf->ack_delay_ns;
    rto = rto < conf->rto_min_ns ? conf->rto_min_ns : rto;
    return rto < conf->rto_max_ns >> p->backoff ? rto << p->backoff : conf->rto_max_ns;
}

static void flush_peer(struct pl_window *w, uint16_t q)
{
    struct peer *p = &w->peer[q];
    struct stack *st = w->co.st;
    if (unlikely(p->resend) && p->una < p->nxt)
        resend(w, q);
    uint64_t end = p->tail < p->limit ? p->tail : p->limit;
    if (p->una == p->nxt && p->nxt < end) {
        p->since_ns = st->now;
        silence_broken(&w->co, &w->broken, q);
    }
    while (p->nxt < end) {
        uint64_t next = send_frame(w, q, p->nxt, end);
        if (unlikely(next == p->nxt))
            break; /* no packet now: the alarm tries again */
        if (p->probe_seq == 0) {
            p->probe_seq = next;
            p->probe_ns = st->now;
        }
        p->nxt = next;
    }
    if (p->ack_now) {
        send_frame(w, q, p->nxt, p->nxt);
        co_count(&w->co, COUNT_tx_acks, !p->ack_now);
    }
    if (p->una < end && !timer_armed(&p->rto))
        co_timer(&w->co, &p->rto, rto_ns(w, p), (uint64_t)q << 1 | ALARM_RTO);
}

static void pl_window_flush(struct co *self)
{
    struct pl_window *w = window(self);
    struct procs_walk walk = procs_walk(&w->dirty);
    for (uint16_t q; procs_take(&w->dirty, &walk, &q);) {
        flush_peer(w, q);
        stack_transmit(self->st); /* it reads while the next one's are made */
    }
}

/* ---- what a peer tells ----------------------------------------------------------------------- */

static void release_until(struct pl_window *w, struct peer *p, uint64_t end)
{
    struct msg_refs refs = {NULL, 0};
    while (p->kept < end)
        msg_refs_release(&refs, p->ring[p->kept++ & w->ring_mask].seg);
    msg_refs_release_flush(&refs);
    if (unlikely(p->tight))
        set_tight(w, p);
}

/* When this breath's frames have left: give back what was acknowledged. No peer waits for that. */
static void pl_window_settle(struct co *self)
{
    struct pl_window *w = window(self);
    struct procs_walk walk = procs_walk(&w->broken);
    for (uint16_t q; procs_take(&w->broken, &walk, &q);) {
        struct peer *p = &w->peer[q];
        p->since_ns = self->st->now;
        release_until(w, p, p->una);
    }
}

static void measure(struct peer *p, uint64_t now)
{
    uint64_t rtt = now - p->probe_ns;
    if (p->srtt_ns == 0) {
        p->srtt_ns = rtt;
        p->rttvar_ns = rtt / 2;
    } else {
        uint64_t off = rtt > p->srtt_ns ? rtt - p->srtt_ns : p->srtt_ns - rtt;
        p->rttvar_ns += off / 4 - p->rttvar_ns / 4;
        p->srtt_ns += rtt / 8 - p->srtt_ns / 8;
    }
    p->probe_seq = 0;
}

/*
 * The first unacknowledged message has moved on. A window that was lost as a whole is sent again
 * part by part, the next when the one before has arrived and nothing else, as RFC 6582 does on a
 * partial acknowledgement; not by an alarm each, whose delays double. Where more has arrived than
 * was sent again, the alarm rang too early (RFC 5682, F-RTO): the peer was paused, not the window
 * lost, and to send the rest again would load the very process that is behind.
 */
static void progressed(struct pl_window *w, struct peer *p)
{
    p->since_ns = w->co.st->now;
    p->resend = false;
    p->backoff = 0; /* whatever arrived ends it */
    if (unlikely(p->una < p->recover)) {
        if (p->una > p->resent)
            p->recover = p->una;
        p->resend = p->una == p->resent;
        if (p->resend && p->again_frames < SACK_MSGS)
            p->again_frames *= 2;
    }
}

/* What arrived behind the first that is missing; nothing is believed about what is not in flight. */
static void __attribute__((noinline))
selected(struct pl_window *w, struct peer *p, const struct frame *f)
{
    uint64_t flying = p->nxt - p->una;
    p->sack = flying > SACK_MSGS ? f->sack
              : flying > 1       ? f->sack & ((1ull << (flying - 1)) - 1)
                                 : 0;
    if (p->sack != 0 && w->co.st->now - p->resent_ns > p->srtt_ns)
        p->resend = true;
}

/* False when the frame acknowledges what was never sent: then nothing in it is believed. */
static bool acknowledged(struct pl_window *w, struct peer *p, uint16_t q, const struct frame *f)
{
    if (unlikely(f->ack > p->nxt)) {
        co_count(&w->co, COUNT_drop_ack_future, 1);
        return false;
    }
    if (f->ack < p->una)
        return true; /* overtaken by a later one */
    if (f->ack > p->una) {
        p->una = f->ack;
        silence_broken(&w->co, &w->broken, q);
        if (p->probe_seq != 0 && f->ack >= p->probe_seq)
            measure(p, w->co.st->now);
        progressed(w, p);
    }
    if (unlikely((f->sack | p->sack) != 0))
        selected(w, p, f);
    uint64_t credit = f->credit < w->flight ? f->credit : w->flight;
    if (f->ack + credit > p->limit)
        p->limit = f->ack + credit;
    if (p->resend || p->nxt < p->tail)
        mark(w, q);
    return true;
}

static void reverse(struct sent *ring, uint64_t lo, uint64_t hi)
{
    while (lo + 1 < hi) {
        struct sent t = ring[lo];
        ring[lo++] = ring[--hi];
        ring[hi] = t;
    }
}

/* Number what waits for a peer from 0 again, for its new incarnation: rotate the ring in place. */
static void renumber(struct pl_window *w, struct peer *p)
{
    release_until(w, p, p->una);
    uint64_t keep = used(p), from = p->una & w->ring_mask, size = w->ring_mask + 1;
    reverse(p->ring, 0, from);
    reverse(p->ring, from, size);
    reverse(p->ring, 0, size);
    p->kept = p->una = p->nxt = 0;
    p->tail = keep;
}

/*
 * Who has not heard of a process yet takes it to be in its first life. A further one takes nothing
 * that was not addressed to it: the numbers are those of messages that a former life had.
 */
static uint32_t life(uint32_t told)
{
    return told != 0 ? told : 1;
}

/* A frame from a life that we do not know: false when it is an earlier one, of the peer or of ours. */
static bool __attribute__((noinline))
new_incarnation(struct pl_window *w, uint16_t q, const struct frame *f)
{
    struct peer *p = &w->peer[q];
    const struct stack_conf *conf = &w->co.st->conf;
    if (f->incarnation < p->incarnation || (p->lost && f->incarnation <= life(p->incarnation))) {
        co_count(&w->co, COUNT_drop_incarnation, 1);
        return false;
    }
    if (f->incarnation > p->incarnation) {
        if (f->incarnation > life(p->incarnation)) { /* what was sent to a former life is lost */
            renumber(w, p);
            p->rcv = 0;
            p->ahead = p->owed = 0;
            memset(p->seen, 0, (w->flight + 63) / 64 * 8);
            p->limit = w->flight;
            p->sack = p->probe_seq = p->recover = p->resent = 0;
            p->resend = p->lost = false;
            p->since_ns = w->co.st->now;
            set_tight(w, p);
        }
        p->incarnation = f->incarnation;
        mark(w, q);
    }
    if (life(f->to_incarn) != conf->incarnation) {
        co_count(&w->co, COUNT_drop_incarnation, 1);
        p->ack_now = true; /* tell it who we are now */
        mark(w, q);
        return false;
    }
    return true;
}

static inline void deliver(struct pl_window *w, uint16_t from, struct msg m, uint8_t user)
{
    struct co *to = user < CO_PORTS_MAX ? w->user[user] : NULL;
    if (unlikely(to == NULL)) {
        co_count(&w->co, COUNT_drop_user, 1);
        return;
    }
    trigger(to, ev_make(EV_PL_DELIVER, from, 0, 0, m));
}

/* Whether `seq` arrives for the first time; marks it, and moves rcv over what is complete. */
static bool first_time(struct pl_window *w, struct peer *p, uint64_t seq)
{
    if (seq < p->rcv)
        return false;
    uint64_t bit = seq & (w->flight - 1);
    if (p->seen[bit / 64] >> bit % 64 & 1)
        return false;
    p->seen[bit / 64] |= 1ull << bit % 64;
    p->ahead++;
    while (p->ahead > 0) {
        bit = p->rcv & (w->flight - 1);
        if (!(p->seen[bit / 64] >> bit % 64 & 1))
            break;
        p->seen[bit / 64] &= ~(1ull << bit % 64);
        p->ahead--;
        p->rcv++;
    }
    return true;
}

/* In order, and nothing has come early: no bit is touched. Returns the number behind the last. */
static inline uint64_t records_in_order(struct pl_window *w, struct peer *p, uint16_t q,
                                        struct frame_cursor c)
{
    struct msg m;
    uint8_t user;
    int more;
    uint64_t seq = p->rcv;
    while ((more = frame_next_record(&c, &m, &user)) > 0) {
        deliver(w, q, m, user);
        seq++;
    }
    if (unlikely(more < 0))
        co_count(&w->co, COUNT_drop_record, 1);
    p->rcv = seq;
    return seq;
}

static uint64_t __attribute__((noinline))
records_out_of_order(struct pl_window *w, struct peer *p, uint16_t q, struct frame_cursor c,
                     uint64_t seq)
{
    struct msg m;
    uint8_t user;
    int more;
    p->ack_now = true;
    while ((more = frame_next_record(&c, &m, &user)) > 0) {
        if (first_time(w, p, seq))
            deliver(w, q, m, user);
        else
            co_count(&w->co, COUNT_drop_duplicate, 1);
        seq++;
    }
    if (unlikely(more < 0))
        co_count(&w->co, COUNT_drop_record, 1);
    return seq;
}

static void records(struct pl_window *w, struct peer *p, uint16_t q, const struct frame *f,
                    struct rte_mbuf *pkt)
{
    if (unlikely(f->seq > UINT64_MAX / 2 || f->seq + f->records > p->rcv + w->flight)) {
        co_count(&w->co, COUNT_drop_seq_future, 1);
        return;
    }
    uint64_t seq;
    if (likely(f->seq == p->rcv && p->ahead == 0))
        seq = records_in_order(w, p, q, frame_records(pkt, f));
    else
        seq = records_out_of_order(w, p, q, frame_records(pkt, f), f->seq);
    co_count(&w->co, COUNT_rx_records, seq - f->seq);
    p->owed += (uint32_t)(seq - f->seq);
    if (p->ack_now || p->owed >= w->flight / 8) {
        p->ack_now = true;
        mark(w, q);
    } else if (!timer_armed(&p->ack)) {
        co_timer(&w->co, &p->ack, w->co.st->conf.ack_delay_ns, (uint64_t)q << 1 | ALARM_ACK);
    }
}

/*
 * How many records this batch of frames may deliver. Each may be answered by a message to every
 * peer, and a ring must hold the answers: what goes beyond is shed before it is acknowledged, and
 * its sender sends it again. Near the end of a ring only half of what is left is given out at a
 * time, so that two processes whose rings to each other fill still take something from each other.
 */
static uint32_t __attribute__((noinline)) delivery_budget(const struct pl_window *w)
{
    uint64_t left = w->ring_mask + 1u - fullest(w);
    return (uint32_t)(w->tight > 0 ? left / 2 : left);
}

/* upon a frame from p: learn what it acknowledges; deliver each message that is new. */
static void upon_net_frame(struct co *self, const struct ev *ev, uint32_t n)
{
    struct pl_window *w = window(self);
    /* A quarter is free where no ring is tight: all peers are looked at only beyond that. */
    const uint32_t me = self->st->conf.incarnation;
    bool exact = w->tight > 0;
    uint32_t given = 0, budget = exact ? delivery_budget(w) : (w->ring_mask + 1) / 4;
    for (uint32_t i = 0; i < n; i++) {
        const struct frame *f = (const struct frame *)(uintptr_t)ev[i].attr;
        uint16_t q = ev[i].proc;
        struct peer *p = &w->peer[q];
        bool known = f->incarnation == p->incarnation && f->to_incarn == me && !p->lost;
        if (unlikely(!known) && !new_incarnation(w, q, f))
            continue;
        if (unlikely(!acknowledged(w, p, q, f)) || f->records == 0)
            continue;
        if (unlikely(given + f->records > budget) && !exact) {
            budget = delivery_budget(w);
            exact = true;
        }
        if (unlikely(given + f->records > budget)) {
            co_count(self, COUNT_drop_no_room, f->records);
            continue;
        }
        given += f->records;
        records(w, p, q, f, ev[i].seg);
    }
}

/* ---- who has crashed ------------------------------------------------------------------------- */

static void suspect(struct pl_window *w, const struct ev *ev, uint32_t n, bool suspected)
{
    for (uint32_t i = 0; i < n; i++) {
        struct peer *p = &w->peer[ev[i].proc];
        p->suspected = suspected;
        set_tight(w, p);
    }
}

/* upon ⟨pl, Suspect | q⟩: what q is owed stays in its ring, and holds up nobody. */
static void upon_pl_suspect(struct co *self, const struct ev *ev, uint32_t n)
{
    suspect(window(self), ev, n, true);
}

/* upon ⟨pl, Restore | q⟩: it is waited for again. */
static void upon_pl_restore(struct co *self, const struct ev *ev, uint32_t n)
{
    suspect(window(self), ev, n, false);
}

static void give_up(struct pl_window *w, struct peer *p)
{
    co_count(&w->co, COUNT_drop_lost_peer, used(p));
    release_until(w, p, p->tail);
    p->una = p->nxt = p->tail;
    p->lost = true;
    set_tight(w, p);
}

/* ---- time ------------------------------------------------------------------------------------ */

static void upon_timeout(struct co *self, const struct ev *ev, uint32_t n)
{
    struct pl_window *w = window(self);
    uint64_t now = self->st->now;
    for (uint32_t i = 0; i < n; i++) {
        uint16_t q = (uint16_t)(ev[i].attr >> 1);
        struct peer *p = &w->peer[q];
        if ((ev[i].attr & 1) == ALARM_ACK) {
            if (p->owed > 0) {
                p->ack_now = true;
                mark(w, q);
            }
            continue;
        }
        if (p->una == p->nxt) {
            if (p->nxt < p->tail) /* there was no packet for it */
                mark(w, q);
            continue;
        }
        uint64_t last = p->resent_ns > p->since_ns ? p->resent_ns : p->since_ns;
        uint64_t rto = rto_ns(w, p);
        if (now - last < rto) { /* there was progress: the alarm moves along with it */
            co_timer(self, &p->rto, rto - (now - last), ev[i].attr);
            continue;
        }
        if (now - p->since_ns >= self->st->conf.give_up_ns && used(p) >= (w->ring_mask + 1) / 2) {
            give_up(w, p);
            continue;
        }
        p->resend = true;
        p->recover = p->nxt;
        p->again_frames = 1;
        p->resent_ns = now;
        if (p->backoff < BACKOFF_MAX)
            p->backoff++;
        mark(w, q);
        co_timer(self, &p->rto, rto_ns(w, p), ev[i].attr);
    }
}

/* ---- the rest -------------------------------------------------------------------------------- */

static void pl_window_fini(struct co *self)
{
    struct pl_window *w = window(self);
    for (uint16_t q = 0; q < self->st->n; q++)
        release_until(w, &w->peer[q], w->peer[q].tail);
}

static void pl_window_check(const struct co *self)
{
    const struct pl_window *w = (const struct pl_window *)self;
    uint32_t tight = 0;
    for (uint16_t q = 0; q < self->st->n; q++) {
        const struct peer *p = &w->peer[q];
        assert(p->kept <= p->una && p->una <= p->nxt && p->nxt <= p->tail);
        assert(p->nxt <= p->limit || p->lost);
        assert(used(p) <= w->ring_mask + 1);
        assert(!p->tight || !p->suspected);
        assert(p->ahead < w->flight);
        tight += p->tight;
    }
    assert(tight == w->tight);
}

static void show_times(const struct peer *p, struct view *v)
{
    bool flying = p->una < p->nxt;
    view_u64(v, "sack", flying ? p->sack : 0);
    view_u64(v, "backoff", p->backoff);
    view_u64(v, "probe", p->probe_seq);
    view_u64(v, "probe_ns", p->probe_seq != 0 ? p->probe_ns : 0);
    view_u64(v, "srtt_ns", p->srtt_ns);
    view_u64(v, "rttvar_ns", p->rttvar_ns);
    view_u64(v, "since_ns", flying ? p->since_ns : 0);
    view_u64(v, "resent_ns", p->resent_ns);
}

static void pl_window_show(const struct co *self, struct view *v)
{
    const struct pl_window *w = (const struct pl_window *)self;
    for (uint16_t q = 0; q < self->st->n; q++) {
        const struct peer *p = &w->peer[q];
        view_group(v, "peer", q);
        view_u64(v, "una", p->una);
        view_u64(v, "nxt", p->nxt);
        view_u64(v, "limit", p->limit);
        view_u64(v, "recover", p->recover > p->una ? p->recover : p->una);
        view_u64(v, "resent", p->resent > p->una ? p->resent : p->una);
        view_u64(v, "again", p->recover > p->una ? p->again_frames : 0);
        view_u64(v, "rcv", p->rcv);
        view_u64(v, "incarnation", p->incarnation);
        view_u64(v, "owed", p->owed);
        view_u64(v, "flags",
                 (uint64_t)p->lost | (uint64_t)p->resend << 1 | (uint64_t)p->suspected << 2);
        if (v->times)
            show_times(p, v);
        if (p->ahead > 0)
            v->bytes(v, "seen", p->seen, (w->flight + 63) / 64 * 8);
        for (uint64_t s = p->una; s < p->tail; s++) {
            const struct sent *m = &p->ring[s & w->ring_mask];
            view_msg(v, "unacknowledged", (struct msg){m->seg, m->off, m->len});
        }
    }
}

static void pl_window_post(const struct co *self, struct co_post *post)
{
    const struct pl_window *w = (const struct pl_window *)self;
    for (uint16_t q = 0; q < self->st->n; q++) {
        const struct peer *p = &w->peer[q];
        link_post(self, post, q, p->lost, p->incarnation,
                  (struct post_link){.window = w->flight,
                                     .flight = p->nxt - p->una,
                                     .queued = p->tail - p->nxt,
                                     .credit = p->limit > p->nxt ? p->limit - p->nxt : 0,
                                     .rtt_ns = p->srtt_ns,
                                     .stalled_ns =
                                         p->una < p->nxt ? self->st->now - p->since_ns : 0,
                                     .resent = p->resends});
    }
}

static co_upon_fn *const upon[EV_TYPES] = {[EV_PL_SEND] = upon_pl_send,
                                           [EV_PL_SUSPECT] = upon_pl_suspect,
                                           [EV_PL_RESTORE] = upon_pl_restore,
                                           [EV_NET_FRAME] = upon_net_frame,
                                           [EV_TIMER_TIMEOUT] = upon_timeout};

const struct co_class pl_window_class = {
    .name = "pl_window",
    .title = "sliding window with selective acknowledgement (ours)",
    .implements = ABS_PL,
    .frame_kind = FRAME_KIND_WINDOW,
    .bytes = pl_window_bytes,
    .init = pl_window_init,
    .upon = upon,
    .room = pl_window_room,
    .flush = pl_window_flush,
    .settle = pl_window_settle,
    .fini = pl_window_fini,
    .check = pl_window_check,
    .show = pl_window_show,
    .post = pl_window_post,
};
