/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Eliminate duplicates.
 *
 * Abstraction   pl, perfect links (CGR Module 2.3)
 *
 * Algorithm     eliminate duplicates (CGR Algorithm 2.2): deliver what a stubborn link delivers,
 *               the first time
 *
 * Uses          sl for messages, fll for acknowledgements
 *
 * Properties    PL1, PL2, PL3
 *
 * Model         crash-stop; a peer that comes back under a higher incarnation is a new peer, and
 *               gets nothing of what was meant for its former self
 *
 * Space         per peer one bit for each of `ring_msgs` numbers; the messages are kept by sl
 *
 * Differs       The book remembers every message ever delivered and sends every message for ever.
 *               Here messages to a peer are numbered; what was delivered is known by a floor, below
 *               which all was, and by bits above it. Each arrival, a repeated one too, is answered
 *               by an acknowledgement of the floor, on which the sender has its stubborn link
 *               forget. An acknowledgement needs no stubbornness, since the message is stubborn.
 *               A message is copied behind its header: this is the textbook's pair, to be read and
 *               measured against; pl_window is the one to build on. As there, a peer that takes
 *               nothing for `give_up_ns` while half of its store is used is treated as crashed,
 *               and a receiver whose own stores run full sheds what will come again. A peer that a
 *               detector suspects (⟨pl, Suspect | q⟩) is given up as soon as half of its store is
 *               used; pl_window keeps the other half for it.
 */
#include "demux.h"
#include "links.h"
#include "silence.h"
#include "protocols/view.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

struct pl_data_wire {
    uint8_t incarnation[4]; /* of the sender */
    uint8_t user;           /* port of the component above */
    uint8_t reserved[3];    /* 0 */
    uint8_t first[8];       /* all numbers below were acknowledged, or are given up */
    uint8_t number[8];      /* from 1 */
};
static_assert(sizeof(struct pl_data_wire) == 24, "the layout is the protocol");

struct pl_ack_wire {
    uint8_t incarnation[4]; /* of the receiver of the messages */
    uint8_t reserved[4];    /* 0 */
    uint8_t floor[8];       /* all numbers up to this one were delivered */
};
static_assert(sizeof(struct pl_ack_wire) == 16, "the layout is the protocol");

struct pl_peer {
    /* Sending: (acked, last] is with sl. */
    uint64_t acked;
    uint64_t last;
    uint64_t progress_ns; /* when the oldest of them was sent, or the last acknowledgement came */
    /* Receiving: all up to floor were delivered; bit (k mod window): floor < k was. */
    uint64_t floor;
    uint64_t *delivered;
    uint32_t incarnation; /* the highest that we have seen; 0: not heard of yet */
    bool lost;            /* given up */
    bool suspected;
};

enum { PL_SL, PL_FLL }; /* what it uses */

struct pl_eliminate {
    struct co co;
    struct demux demux;
    struct timer alarm;
    uint64_t window;
    struct procs broken; /* peers whose silence begins anew with this breath */
    struct procs answer; /* whom to acknowledge when this batch is through */
    struct pl_peer peer[];
};

static struct pl_eliminate *pl(struct co *co)
{
    return (struct pl_eliminate *)co;
}

static size_t words(const struct stack_conf *conf)
{
    return (conf->ring_msgs + 63) / 64;
}

static size_t pl_bytes(const struct stack_conf *conf)
{
    return sizeof(struct pl_eliminate) + conf->n * (sizeof(struct pl_peer) + words(conf) * 8);
}

static void pl_init(struct co *self)
{
    struct pl_eliminate *s = pl(self);
    const struct stack_conf *conf = &self->st->conf;
    demux_init(&s->demux, self);
    s->window = conf->ring_msgs;
    uint64_t *bits = (uint64_t *)&s->peer[conf->n];
    for (uint16_t q = 0; q < conf->n; q++)
        s->peer[q].delivered = bits + q * words(conf);
}

static uint64_t in_flight(const struct pl_peer *p)
{
    return p->last - p->acked;
}

static uint64_t most_in_flight(const struct pl_eliminate *s)
{
    uint64_t most = 0;
    for (uint16_t q = 0; q < s->co.st->n; q++)
        if (in_flight(&s->peer[q]) > most)
            most = in_flight(&s->peer[q]);
    return most;
}

/* Half of the fullest store is for sources; the other half is for what must be sent in answer. */
static uint32_t pl_room(const struct co *self)
{
    const struct pl_eliminate *s = (const struct pl_eliminate *)self;
    uint64_t half = s->window / 2, most = most_in_flight(s);
    uint64_t room = most < half ? half - most : 0, below = co_room(self->use[PL_SL]);
    return (uint32_t)(room < below ? room : below);
}

/* ---- sending --------------------------------------------------------------------------------- */

static struct msg with_header(struct pl_eliminate *s, const struct pl_peer *p, const struct ev *ev)
{
    struct msg m = msg_copy_behind(s->co.st, ev_msg(ev), sizeof(struct pl_data_wire));
    struct pl_data_wire *w = (struct pl_data_wire *)msg_data(m);
    *w = (struct pl_data_wire){.user = (uint8_t)ev->inst};
    le32_put(w->incarnation, s->co.st->conf.incarnation);
    le64_put(w->first, p->acked + 1);
    le64_put(w->number, p->last);
    return m;
}

/* The silence of q begins now. */
static void speak(struct pl_eliminate *s, uint16_t q)
{
    s->peer[q].progress_ns = s->co.st->now;
    silence_broken(&s->co, &s->broken, q);
}

/* All up to number `k` is done with: sl need not send it any more. */
static void done(struct pl_eliminate *s, uint16_t q, uint64_t k)
{
    s->peer[q].acked = k;
    speak(s, q);
    trigger(s->co.use[PL_SL], ev_make(EV_SL_FORGET, q, s->co.port, k, MSG_NONE));
}

static void give_up(struct pl_eliminate *s, uint16_t q)
{
    struct pl_peer *p = &s->peer[q];
    co_count(&s->co, COUNT_drop_lost_peer, in_flight(p));
    done(s, q, p->last);
    p->lost = true;
}

/* Whether it stops the sources: room() is that of the fullest store. */
static bool holds_up(const struct pl_eliminate *s, const struct pl_peer *p)
{
    return in_flight(p) >= s->window / 2;
}

/* q holds up the sources: if it is suspected, it has done so long enough. */
static void __attribute__((noinline)) watch(struct pl_eliminate *s, uint16_t q)
{
    if (s->peer[q].suspected)
        give_up(s, q);
    else if (!timer_armed(&s->alarm) && s->co.st->conf.give_up_ns != UINT64_MAX)
        co_timer(&s->co, &s->alarm, s->co.st->conf.give_up_ns, 0);
}

/* upon ⟨pl, Send | q, m⟩ do trigger ⟨sl, Send | q, m⟩ */
static void upon_pl_send(struct co *self, const struct ev *ev, uint32_t n)
{
    struct pl_eliminate *s = pl(self);
    for (uint32_t i = 0; i < n; i++) {
        struct pl_peer *p = &s->peer[ev[i].proc];
        if (unlikely(p->lost)) {
            co_count(self, COUNT_drop_lost_peer, 1);
            continue;
        }
        if (in_flight(p) == 0)
            speak(s, ev[i].proc);
        p->last++;
        trigger(self->use[PL_SL],
                ev_make(EV_SL_SEND, ev[i].proc, self->port, p->last, with_header(s, p, &ev[i])));
        if (unlikely(holds_up(s, p)))
            watch(s, ev[i].proc);
    }
}

/* What was meant for a former self of the peer is void, and so is what we know of that self. */
static void new_incarnation(struct pl_eliminate *s, uint16_t q, uint32_t incarnation)
{
    struct pl_peer *p = &s->peer[q];
    if (p->incarnation != 0 || p->lost) {
        co_count(&s->co, COUNT_drop_lost_peer, in_flight(p));
        done(s, q, p->last);
        p->floor = 0;
        memset(p->delivered, 0, words(&s->co.st->conf) * 8);
        p->lost = false;
    }
    p->incarnation = incarnation;
}

/* False when the message is from an earlier life of the peer, or from one that was given up: the
 * first, of who was not heard of. */
static bool current_incarnation(struct pl_eliminate *s, uint16_t q, uint32_t incarnation)
{
    const struct pl_peer *p = &s->peer[q];
    uint32_t life = p->incarnation != 0 ? p->incarnation : 1;
    if (unlikely(incarnation < p->incarnation || (p->lost && incarnation <= life))) {
        co_count(&s->co, COUNT_drop_incarnation, 1);
        return false;
    }
    if (unlikely(incarnation > p->incarnation))
        new_incarnation(s, q, incarnation);
    return true;
}

/* upon an acknowledgement: have sl forget what it covers. */
static void upon_fll_deliver(struct co *self, const struct ev *ev, uint32_t n)
{
    struct pl_eliminate *s = pl(self);
    for (uint32_t i = 0; i < n; i++) {
        uint16_t q = ev[i].proc;
        struct msg m = ev_msg(&ev[i]);
        const struct pl_ack_wire *w = msg_pull(&m, sizeof *w);
        if (unlikely(w == NULL || m.len != 0)) {
            co_count(self, COUNT_drop_message, 1);
            continue;
        }
        if (!current_incarnation(s, q, le32_get(w->incarnation)))
            continue;
        uint64_t floor = le64_get(w->floor);
        if (unlikely(floor > s->peer[q].last))
            co_count(self, COUNT_drop_ack_future, 1);
        else if (floor > s->peer[q].acked)
            done(s, q, floor);
    }
}

/* ---- receiving ------------------------------------------------------------------------------- */

static uint64_t *word_of(const struct pl_eliminate *s, const struct pl_peer *p, uint64_t k,
                         uint64_t *bit)
{
    k &= s->window - 1;
    *bit = 1ull << k % 64;
    return &p->delivered[k / 64];
}

/* The sender will not send numbers up to `k` again: all up to it count as delivered. */
static void raise_floor(const struct pl_eliminate *s, struct pl_peer *p, uint64_t k)
{
    uint64_t bit;
    if (k > p->floor && k - p->floor > s->window) {
        memset(p->delivered, 0, words(&s->co.st->conf) * 8);
        p->floor = k;
    }
    while (p->floor < k) {
        p->floor++;
        *word_of(s, p, p->floor, &bit) &= ~bit;
    }
    while (*word_of(s, p, p->floor + 1, &bit) & bit) {
        p->floor++;
        *word_of(s, p, p->floor, &bit) &= ~bit;
    }
}

/* Whether number k arrives for the first time; marks it. */
static bool first_time(const struct pl_eliminate *s, struct pl_peer *p, uint64_t k)
{
    uint64_t bit, *word = word_of(s, p, k, &bit);
    if (k <= p->floor || (*word & bit))
        return false;
    *word |= bit;
    raise_floor(s, p, p->floor);
    return true;
}

static void receive(struct pl_eliminate *s, uint16_t q, struct msg m)
{
    struct pl_peer *p = &s->peer[q];
    const struct pl_data_wire *w = msg_pull(&m, sizeof *w);
    uint64_t first = w != NULL ? le64_get(w->first) : 0, k = w != NULL ? le64_get(w->number) : 0;
    if (unlikely(first == 0 || k < first || k - first >= s->window)) {
        co_count(&s->co, COUNT_drop_message, 1);
        return;
    }
    if (!current_incarnation(s, q, le32_get(w->incarnation)))
        return;
    raise_floor(s, p, first - 1);
    procs_add(&s->answer, q);
    if (first_time(s, p, k)) /* k is in the window, since first is within the floor */
        demux_deliver(&s->demux, &s->co, EV_PL_DELIVER, w->user, q, m);
    else
        co_count(&s->co, COUNT_drop_duplicate, 1);
}

static void acknowledge(struct pl_eliminate *s, uint16_t q)
{
    struct msg m = msg_new(s->co.st, sizeof(struct pl_ack_wire));
    struct pl_ack_wire *w = (struct pl_ack_wire *)msg_data(m);
    *w = (struct pl_ack_wire){{0}};
    le32_put(w->incarnation, s->co.st->conf.incarnation);
    le64_put(w->floor, s->peer[q].floor);
    co_count(&s->co, COUNT_tx_acks, 1);
    link_send(&s->co, s->co.use[PL_FLL], EV_FLL_SEND, q, m);
}

/* upon ⟨sl, Deliver | p, m⟩ do if m ∉ delivered then delivered := delivered ∪ {m}; trigger
 * ⟨pl, Deliver | p, m⟩. What is delivered makes messages: shed it while a store could overflow. */
static void upon_sl_deliver(struct co *self, const struct ev *ev, uint32_t n)
{
    struct pl_eliminate *s = pl(self);
    if (unlikely(most_in_flight(s) > s->window / 4 * 3)) {
        co_count(self, COUNT_drop_no_room, n);
        return;
    }
    for (uint32_t i = 0; i < n; i++)
        receive(s, ev[i].proc, ev_msg(&ev[i]));
    struct procs_walk walk = procs_walk(&s->answer);
    for (uint16_t q; procs_take(&s->answer, &walk, &q);)
        acknowledge(s, q);
}

/* ---- giving up ------------------------------------------------------------------------------- */

/* upon ⟨pl, Suspect | q⟩ */
static void upon_pl_suspect(struct co *self, const struct ev *ev, uint32_t n)
{
    struct pl_eliminate *s = pl(self);
    for (uint32_t i = 0; i < n; i++) {
        s->peer[ev[i].proc].suspected = true;
        if (holds_up(s, &s->peer[ev[i].proc]))
            give_up(s, ev[i].proc);
    }
}

/* upon ⟨pl, Restore | q⟩ */
static void upon_pl_restore(struct co *self, const struct ev *ev, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        pl(self)->peer[ev[i].proc].suspected = false;
}

/* When this breath's frames have left. */
static void pl_settle(struct co *self)
{
    struct pl_eliminate *s = pl(self);
    struct procs_walk walk = procs_walk(&s->broken);
    for (uint16_t q; procs_take(&s->broken, &walk, &q);)
        s->peer[q].progress_ns = self->st->now;
}

/* upon ⟨Timeout⟩: a peer that has taken nothing since give_up_ns, and holds up all, has crashed. */
static void upon_timeout(struct co *self, const struct ev *ev, uint32_t n)
{
    (void)ev, (void)n;
    struct pl_eliminate *s = pl(self);
    uint64_t patience_ns = self->st->conf.give_up_ns, least_ns = UINT64_MAX;
    for (uint16_t q = 0; q < self->st->n; q++) {
        struct pl_peer *p = &s->peer[q];
        uint64_t silent_ns = self->st->now - p->progress_ns;
        if (!holds_up(s, p))
            continue;
        if (silent_ns >= patience_ns)
            give_up(s, q);
        else if (patience_ns - silent_ns < least_ns)
            least_ns = patience_ns - silent_ns;
    }
    if (least_ns != UINT64_MAX)
        co_timer(self, &s->alarm, least_ns, 0);
}

/* ---- the rest -------------------------------------------------------------------------------- */

static void pl_check(const struct co *self)
{
    const struct pl_eliminate *s = (const struct pl_eliminate *)self;
    for (uint16_t q = 0; q < self->st->n; q++) {
        const struct pl_peer *p = &s->peer[q];
        uint64_t bit;
        assert(p->acked <= p->last && in_flight(p) <= s->window);
        assert((*word_of(s, p, p->floor + 1, &bit) & bit) == 0);
    }
}

static void pl_show(const struct co *self, struct view *v)
{
    const struct pl_eliminate *s = (const struct pl_eliminate *)self;
    for (uint16_t q = 0; q < self->st->n; q++) {
        const struct pl_peer *p = &s->peer[q];
        view_group(v, "peer", q);
        view_u64(v, "acked", p->acked);
        view_u64(v, "last", p->last);
        if (v->times)
            view_u64(v, "progress_ns", p->acked < p->last ? p->progress_ns : 0);
        view_u64(v, "floor", p->floor);
        view_u64(v, "incarnation", p->incarnation);
        view_u64(v, "lost", p->lost);
        view_u64(v, "suspected", p->suspected);
        v->bytes(v, "delivered", p->delivered, (uint32_t)(words(&self->st->conf) * 8));
    }
}

static int pl_tell(struct msg m, char *text, size_t size)
{
    if (m.len == sizeof(struct pl_ack_wire)) {
        const struct pl_ack_wire *a = msg_pull(&m, sizeof *a);
        return snprintf(text, size, "[ACK %" PRIu64 "]", le64_get(a->floor));
    }
    const struct pl_data_wire *w = msg_pull(&m, sizeof *w);
    if (w == NULL)
        return -1;
    return snprintf(text, size, "[DATA %" PRIu64 "]", le64_get(w->number));
}

static void pl_post(const struct co *self, struct co_post *post)
{
    const struct pl_eliminate *s = (const struct pl_eliminate *)self;
    for (uint16_t q = 0; q < self->st->n; q++) {
        const struct pl_peer *p = &s->peer[q];
        link_post(self, post, q, p->lost, p->incarnation,
                  (struct post_link){.window = s->window / 2,
                                     .flight = in_flight(p),
                                     .credit = holds_up(s, p) ? 0 : s->window / 2 - in_flight(p),
                                     .stalled_ns =
                                         in_flight(p) > 0 ? self->st->now - p->progress_ns : 0,
                                     .resent = post->link[q].resent});
    }
}

static co_upon_fn *const upon[EV_TYPES] =
    {[EV_PL_SEND] = upon_pl_send,         [EV_PL_SUSPECT] = upon_pl_suspect,
     [EV_PL_RESTORE] = upon_pl_restore,   [EV_SL_DELIVER] = upon_sl_deliver,
     [EV_FLL_DELIVER] = upon_fll_deliver, [EV_TIMER_TIMEOUT] = upon_timeout};

const struct co_class pl_eliminate_duplicates_class = {
    .name = "pl_eliminate_duplicates",
    .title = "eliminate duplicates (CGR Algorithm 2.2)",
    .implements = ABS_PL,
    .uses = {ABS_SL, ABS_FLL},
    .bytes = pl_bytes,
    .init = pl_init,
    .upon = upon,
    .room = pl_room,
    .settle = pl_settle,
    .check = pl_check,
    .show = pl_show,
    .post = pl_post,
    .tell = pl_tell,
};
