/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Heartbeats, for the detectors: every period a request to each peer, and a reply to each request.
 *
 * A peer has at most one request of ours outstanding: the next one follows its reply. So a peer that
 * crashed costs its link one message, and no more however long it stays away, and one that is far
 * away two, a request and a reply, however long they take. Whatever a peer sends is a sign of life,
 * its own requests too: a peer that came back to life, and to which the link had given up, or whose
 * former life took our request with it, is known by them.
 *
 * Time is counted in periods that this process lived through, never read off a clock: a process
 * that was paused does not wake up to find that everybody is late.
 */
#ifndef UPON_HEARTBEAT_H
#define UPON_HEARTBEAT_H

#include "protocols/co.h"
#include "protocols/view.h"

#include <assert.h>
#include <stdio.h>

enum heartbeat_kind { HEARTBEAT_REQUEST = 1, HEARTBEAT_REPLY = 2 };

struct heartbeat_wire {
    uint8_t kind; /* enum heartbeat_kind */
};
static_assert(sizeof(struct heartbeat_wire) == 1, "the layout is the protocol");

struct heartbeat {
    uint64_t peers;           /* Π without ourselves */
    uint64_t heard;           /* gave a sign of life in this period: the book's alive */
    uint64_t asked;           /* have a request of ours to answer */
    uint32_t age[PSET_PROCS]; /* periods without a sign of life since then */
    struct timer timer;
};

/* co_class.unasked: a request and a reply. */
static inline uint32_t heartbeat_unasked(const struct stack_conf *conf)
{
    (void)conf;
    return 2;
}

static inline uint64_t heartbeat_all(const struct co *self)
{
    return ~0ull >> (64 - self->st->n);
}

static inline void heartbeat_init(struct co *self, struct heartbeat *h)
{
    h->peers = heartbeat_all(self) & ~(1ull << self->st->self);
    if (h->peers != 0)
        co_timer(self, &h->timer, self->st->conf.heartbeat_ns, 0);
}

/* One message for all processes of `to`. */
static inline void heartbeat_send(struct co *self, uint64_t to, enum heartbeat_kind kind)
{
    if (to == 0)
        return;
    struct msg m = msg_new(self->st, sizeof(struct heartbeat_wire));
    *(struct heartbeat_wire *)msg_data(m) = (struct heartbeat_wire){(uint8_t)kind};
    for (; to != 0; to &= to - 1)
        link_send(self, self->use[0], EV_PL_SEND, (uint16_t)__builtin_ctzll(to), m);
}

/* upon ⟨pl, Deliver | q, …⟩: q is alive; a request is answered, once for a batch of them. */
static inline void heartbeat_deliver(struct co *self, struct heartbeat *h, const struct ev *ev,
                                     uint32_t n)
{
    uint64_t asking = 0;
    for (uint32_t i = 0; i < n; i++) {
        struct msg m = ev_msg(&ev[i]);
        const struct heartbeat_wire *w = msg_pull(&m, sizeof *w);
        if (unlikely(w == NULL || m.len != 0 || w->kind < HEARTBEAT_REQUEST ||
                     w->kind > HEARTBEAT_REPLY)) {
            co_count(self, COUNT_drop_message, 1);
            continue;
        }
        uint64_t q = 1ull << ev[i].proc;
        h->heard |= q;
        if (w->kind == HEARTBEAT_REQUEST)
            asking |= q;
        else
            h->asked &= ~q;
    }
    heartbeat_send(self, asking & h->peers, HEARTBEAT_REPLY);
}

/*
 * The period has ended: the peers that owe an answer and have given no sign of life for
 * `timeout_ns`, rounded up to whole periods.
 */
static inline uint64_t heartbeat_late(struct co *self, struct heartbeat *h, uint64_t timeout_ns)
{
    uint64_t period_ns = self->st->conf.heartbeat_ns, late = 0;
    for (uint64_t set = h->asked & h->heard; set != 0; set &= set - 1)
        h->age[__builtin_ctzll(set)] = 0;
    for (uint64_t set = h->asked & ~h->heard; set != 0; set &= set - 1) {
        int q = __builtin_ctzll(set);
        if (h->age[q] * period_ns < timeout_ns)
            h->age[q]++;
        if (h->age[q] * period_ns >= timeout_ns)
            late |= 1ull << q;
    }
    return late;
}

/* The next period begins: ask those of `whom` who owe no answer. */
static inline void heartbeat_next(struct co *self, struct heartbeat *h, uint64_t whom)
{
    uint64_t ask = whom & h->peers & ~h->asked;
    for (uint64_t set = ask; set != 0; set &= set - 1)
        h->age[__builtin_ctzll(set)] = 0;
    h->asked |= ask;
    h->heard = 0;
    heartbeat_send(self, ask, HEARTBEAT_REQUEST);
    co_timer(self, &h->timer, self->st->conf.heartbeat_ns, 0);
}

/* Tell the link whom not to wait for, or to wait for again: EV_PL_SUSPECT, EV_PL_RESTORE. */
static inline void heartbeat_tell_link(struct co *self, enum ev_type type, uint64_t set)
{
    for (; set != 0; set &= set - 1)
        trigger(self->use[0],
                ev_make(type, (uint16_t)__builtin_ctzll(set), self->port, 0, MSG_NONE));
}

static inline void heartbeat_check(const struct co *self, const struct heartbeat *h)
{
    assert((h->peers >> self->st->self & 1) == 0);
    assert((h->asked & ~h->peers) == 0);
    assert(h->peers == 0 || timer_armed(&h->timer));
}

static inline void heartbeat_show(const struct heartbeat *h, struct view *v)
{
    view_u64(v, "heard", h->heard);
    view_u64(v, "asked", h->asked);
    for (uint64_t set = h->asked; set != 0; set &= set - 1)
        view_u64(v, "age", h->age[__builtin_ctzll(set)]);
}

static inline int heartbeat_tell(struct msg m, char *text, size_t size)
{
    const struct heartbeat_wire *w = msg_pull(&m, sizeof *w);
    if (w == NULL || m.len != 0 || w->kind < HEARTBEAT_REQUEST || w->kind > HEARTBEAT_REPLY)
        return -1;
    return snprintf(text, size, "[HEARTBEAT-%s]",
                    w->kind == HEARTBEAT_REQUEST ? "REQUEST" : "REPLY");
}

#endif
