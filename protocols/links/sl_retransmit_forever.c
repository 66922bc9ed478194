/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Retransmit forever.
 *
 * Abstraction   sl, stubborn links (CGR Module 2.2)
 *
 * Algorithm     retransmit forever (CGR Algorithm 2.1): send again, each time an alarm goes off,
 *               whatever was ever sent
 *
 * Uses          fll
 *
 * Properties    SL1, of what the user has not told us to forget; SL2
 *
 * Model         crash-stop and crash-recovery
 *
 * Space         per peer `ring_msgs` messages. A stubborn link must not forget, so a store that is
 *               half full is told by room(), and one that is full is a bug of the layer above
 *
 * Differs       ⟨sl, Forget | q, a⟩ is ours: a user that numbers its messages (the attribute of its
 *               ⟨sl, Send⟩) releases those to q up to number a. Who never forgets can send
 *               `ring_msgs` messages to a peer in all. An alarm sends at most 64 messages to each
 *               peer again, in turns, so that a store full of messages to a dead peer does not
 *               drown the others; each message is still sent again for ever. What was sent since
 *               the last alarm is not repeated by this one. Messages are kept as copies: a kept
 *               slice of a received packet would keep the whole packet.
 */
#include "demux.h"
#include "links.h"
#include "protocols/post.h"
#include "protocols/view.h"

#include <assert.h>

#define AGAIN_MSGS 64 /* sent again to one peer, at most, by one alarm */

struct sl_wire {
    uint8_t user; /* port of the component above */
};
static_assert(sizeof(struct sl_wire) == 1, "the layout is the protocol");

struct sl_sent {
    struct rte_mbuf *seg;
    uint16_t off;
    uint16_t len;
    uint8_t user;
    bool forgotten;
    uint64_t number; /* the user's, for Forget */
};

struct sl_peer {
    uint64_t held;  /* the oldest message whose memory is ours still */
    uint64_t head;  /* the oldest message that is not forgotten */
    uint64_t fresh; /* from here on: sent since the last alarm */
    uint64_t tail;
    uint64_t turn; /* where the next alarm begins */
    struct sl_sent *ring;
};

struct sl_retransmit {
    struct co co;
    struct demux demux;
    struct timer alarm;
    uint64_t kept; /* messages that are not forgotten, to all peers */
    uint64_t mask;
    struct sl_peer peer[];
};

static struct sl_retransmit *sl(struct co *co)
{
    return (struct sl_retransmit *)co;
}

static size_t sl_bytes(const struct stack_conf *conf)
{
    return sizeof(struct sl_retransmit) +
           conf->n * (sizeof(struct sl_peer) + conf->ring_msgs * sizeof(struct sl_sent));
}

static void sl_init(struct co *self)
{
    struct sl_retransmit *s = sl(self);
    uint16_t n = self->st->n;
    demux_init(&s->demux, self);
    s->mask = self->st->conf.ring_msgs - 1;
    struct sl_sent *rows = (struct sl_sent *)&s->peer[n];
    for (uint16_t q = 0; q < n; q++)
        s->peer[q].ring = rows + q * (s->mask + 1);
}

static uint64_t used(const struct sl_peer *p)
{
    return p->tail - p->held;
}

/* Half of the fullest ring is for sources; the other half is for what must be sent in answer. */
static uint32_t sl_room(const struct co *self)
{
    const struct sl_retransmit *s = (const struct sl_retransmit *)self;
    uint64_t half = (s->mask + 1) / 2, most = 0;
    for (uint16_t q = 0; q < self->st->n; q++)
        if (used(&s->peer[q]) > most)
            most = used(&s->peer[q]);
    uint64_t room = most < half ? half - most : 0, below = co_room(self->use[0]);
    return (uint32_t)(room < below ? room : below);
}

/* upon ⟨sl, Send | q, m⟩ do trigger ⟨fll, Send | q, m⟩; sent := sent ∪ {(q, m)} */
static void upon_sl_send(struct co *self, const struct ev *ev, uint32_t n)
{
    struct sl_retransmit *s = sl(self);
    struct msg_refs refs = {NULL, 0};
    for (uint32_t i = 0; i < n; i++) {
        struct sl_peer *p = &s->peer[ev[i].proc];
        if (unlikely(used(p) > s->mask))
            rte_panic("p%u %s: %u messages to p%u are kept: a layer sends beyond its room()\n",
                      self->st->self, self->name, (uint32_t)s->mask + 1, ev[i].proc);
        struct msg m = msg_copy_behind(self->st, ev_msg(&ev[i]), sizeof(struct sl_wire));
        *(struct sl_wire *)msg_data(m) = (struct sl_wire){(uint8_t)ev[i].inst};
        msg_refs_hold(&refs, m.seg);
        p->ring[p->tail++ & s->mask] =
            (struct sl_sent){m.seg, m.off, m.len, (uint8_t)ev[i].inst, false, ev[i].attr};
        link_send(self, self->use[0], EV_FLL_SEND, ev[i].proc, m);
    }
    msg_refs_hold_flush(&refs);
    s->kept += n;
    if (!timer_armed(&s->alarm))
        co_timer(self, &s->alarm, self->st->conf.rto_min_ns, 0);
}

/* upon ⟨sl, Forget | q, a⟩: what its user sent to q under a number up to a is not sent again. */
static void upon_sl_forget(struct co *self, const struct ev *ev, uint32_t n)
{
    struct sl_retransmit *s = sl(self);
    for (uint32_t i = 0; i < n; i++) {
        struct sl_peer *p = &s->peer[ev[i].proc];
        for (uint64_t k = p->head; k < p->tail; k++) {
            struct sl_sent *row = &p->ring[k & s->mask];
            if (row->forgotten || row->user != ev[i].inst)
                continue;
            if (row->number > ev[i].attr)
                break; /* a user's numbers increase */
            row->forgotten = true;
            s->kept--;
        }
        while (p->head < p->tail && p->ring[p->head & s->mask].forgotten)
            p->head++;
    }
    co_dirty(self);
    if (s->kept == 0)
        timer_cancel(&self->st->wheel, &s->alarm);
}

/* No event of this breath refers to a message of ours any more: give back the forgotten ones. */
static void sl_flush(struct co *self)
{
    struct sl_retransmit *s = sl(self);
    struct msg_refs refs = {NULL, 0};
    for (uint16_t q = 0; q < self->st->n; q++)
        for (struct sl_peer *p = &s->peer[q]; p->held < p->head; p->held++)
            msg_refs_release(&refs, p->ring[p->held & s->mask].seg);
    msg_refs_release_flush(&refs);
}

/* upon ⟨Timeout⟩ do forall (q, m) ∈ sent do trigger ⟨fll, Send | q, m⟩; starttimer(Δ): one peer
 * after the other, so that fll takes what there is for one before the next. */
static void upon_timeout(struct co *self, const struct ev *ev, uint32_t n)
{
    (void)ev, (void)n;
    trigger(self, ev_make(EV_SL_AGAIN, 0, 0, 0, MSG_NONE));
    co_timer(self, &sl(self)->alarm, self->st->conf.rto_min_ns, 0);
}

static void again(struct sl_retransmit *s, uint16_t q)
{
    struct sl_peer *p = &s->peer[q];
    uint64_t end = p->fresh;
    p->fresh = p->tail;
    if (end <= p->head)
        return;
    uint32_t sent = 0;
    uint64_t k = p->turn > p->head && p->turn < end ? p->turn : p->head, left = end - p->head;
    for (; left > 0 && sent < AGAIN_MSGS; left--) {
        const struct sl_sent *row = &p->ring[k & s->mask];
        if (!row->forgotten) {
            link_send(&s->co, s->co.use[0], EV_FLL_SEND, q,
                      (struct msg){row->seg, row->off, row->len});
            sent++;
        }
        k = k + 1 < end ? k + 1 : p->head;
    }
    p->turn = k;
    co_count(&s->co, COUNT_tx_retransmits, sent);
}

static void upon_sl_again(struct co *self, const struct ev *ev, uint32_t n)
{
    struct sl_retransmit *s = sl(self);
    for (uint32_t i = 0; i < n; i++) {
        again(s, ev[i].proc);
        if (ev[i].proc + 1 < self->st->n)
            trigger(self, ev_make(EV_SL_AGAIN, (uint16_t)(ev[i].proc + 1), 0, 0, MSG_NONE));
    }
}

/* upon ⟨fll, Deliver | p, m⟩ do trigger ⟨sl, Deliver | p, m⟩ */
static void upon_fll_deliver(struct co *self, const struct ev *ev, uint32_t n)
{
    struct sl_retransmit *s = sl(self);
    for (uint32_t i = 0; i < n; i++) {
        struct msg m = ev_msg(&ev[i]);
        const struct sl_wire *w = msg_pull(&m, sizeof *w);
        if (unlikely(w == NULL))
            co_count(self, COUNT_drop_message, 1);
        else
            demux_deliver(&s->demux, self, EV_SL_DELIVER, w->user, ev[i].proc, m);
    }
}

static void sl_fini(struct co *self)
{
    struct sl_retransmit *s = sl(self);
    for (uint16_t q = 0; q < self->st->n; q++)
        s->peer[q].head = s->peer[q].tail;
    sl_flush(self);
}

static void sl_check(const struct co *self)
{
    const struct sl_retransmit *s = (const struct sl_retransmit *)self;
    uint64_t kept = 0;
    for (uint16_t q = 0; q < self->st->n; q++) {
        const struct sl_peer *p = &s->peer[q];
        assert(p->held <= p->head && p->head <= p->tail && p->fresh <= p->tail);
        assert(used(p) <= s->mask + 1);
        for (uint64_t k = p->head; k < p->tail; k++)
            kept += !p->ring[k & s->mask].forgotten;
        assert(p->head == p->tail || !p->ring[p->head & s->mask].forgotten);
    }
    assert(kept == s->kept);
    assert(kept == 0 || timer_armed(&s->alarm));
}

static void sl_show(const struct co *self, struct view *v)
{
    const struct sl_retransmit *s = (const struct sl_retransmit *)self;
    for (uint16_t q = 0; q < self->st->n; q++) {
        const struct sl_peer *p = &s->peer[q];
        view_group(v, "peer", q);
        view_u64(v, "fresh", p->fresh > p->head ? p->fresh - p->head : 0);
        view_u64(v, "turn", p->turn > p->head ? p->turn - p->head : 0);
        for (uint64_t k = p->head; k < p->tail; k++) {
            const struct sl_sent *row = &p->ring[k & s->mask];
            view_u64(v, "forgotten", row->forgotten);
            if (row->forgotten)
                continue;
            view_u64(v, "number", row->number);
            view_msg(v, "sent", (struct msg){row->seg, row->off, row->len});
        }
    }
}

static void sl_post(const struct co *self, struct co_post *post)
{
    const struct sl_retransmit *s = (const struct sl_retransmit *)self;
    for (uint16_t q = 0; q < self->st->n; q++) {
        const struct sl_peer *p = &s->peer[q];
        if (q != self->st->self)
            post->link[q] = (struct post_link){.state = POST_LINK_UP,
                                               .window = s->mask + 1,
                                               .flight = p->tail - p->head,
                                               .credit = s->mask + 1 - used(p)};
    }
    post->have |= POST_LINKS;
}

static co_upon_fn *const upon[EV_TYPES] = {[EV_SL_SEND] = upon_sl_send,
                                           [EV_SL_FORGET] = upon_sl_forget,
                                           [EV_SL_AGAIN] = upon_sl_again,
                                           [EV_FLL_DELIVER] = upon_fll_deliver,
                                           [EV_TIMER_TIMEOUT] = upon_timeout};

const struct co_class sl_retransmit_forever_class = {
    .name = "sl_retransmit_forever",
    .title = "retransmit forever (CGR Algorithm 2.1)",
    .implements = ABS_SL,
    .uses = {ABS_FLL},
    .bytes = sl_bytes,
    .init = sl_init,
    .upon = upon,
    .room = sl_room,
    .flush = sl_flush,
    .fini = sl_fini,
    .check = sl_check,
    .show = sl_show,
    .post = sl_post,
};
