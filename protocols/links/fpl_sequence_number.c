/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sequence number.
 *
 * Abstraction   fpl, FIFO perfect links (CGR Module 2.11)
 *
 * Algorithm     sequence number (CGR Algorithm 2.11): number the messages to each peer, and keep
 *               what arrives early until its turn
 *
 * Uses          pl
 *
 * Properties    FPL1, FPL2, FPL3, FPL4
 *
 * Model         crash-stop. A sender that comes back under a higher incarnation begins anew; a
 *               receiver that comes back has missed numbers for good and hears no more
 *
 * Space         per peer `ring_msgs` early messages: a perfect link of ours runs no further ahead
 *               of a message that is missing, so none is refused; and as much again as one receive
 *               burst brings, for those whose turn came in this very breath
 *
 * Differs       "Upon exists (s, m, sn) ∈ pending such that sn = next[s]" is rewritten as guard.h
 *               says. A message is copied behind its header.
 */
#include "demux.h"
#include "links.h"
#include "protocols/guard.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

struct fpl_wire {
    uint8_t incarnation[4]; /* of the sender */
    uint8_t user;           /* port of the component above */
    uint8_t reserved[3];    /* 0 */
    uint8_t number[8];      /* from 0 */
};
static_assert(sizeof(struct fpl_wire) == 16, "the layout is the protocol");

struct fpl_peer {
    uint64_t sent;        /* the number of the next message to it: the book's lsn */
    uint64_t next;        /* the number of the next message from it to be delivered */
    uint32_t incarnation; /* of what it sends; 0: not heard of yet */
    struct guard pending;
};

struct fpl_sequence {
    struct co co;
    struct demux demux;
    struct fpl_peer peer[];
};

static struct fpl_sequence *fpl(struct co *co)
{
    return (struct fpl_sequence *)co;
}

static uint32_t pending_rows(const struct stack_conf *conf)
{
    return conf->ring_msgs + RX_BURST_FRAMES * conf->frame_records;
}

static size_t fpl_bytes(const struct stack_conf *conf)
{
    return sizeof(struct fpl_sequence) +
           conf->n * (sizeof(struct fpl_peer) + guard_bytes(pending_rows(conf)));
}

/* upon ⟨fpl, Init⟩ do forall p ∈ Π do lsn[p] := 0; next[p] := … */
static void fpl_init(struct co *self)
{
    struct fpl_sequence *s = fpl(self);
    const struct stack_conf *conf = &self->st->conf;
    uint32_t rows = pending_rows(conf);
    uint8_t *memory = (uint8_t *)&s->peer[conf->n];
    demux_init(&s->demux, self);
    for (uint16_t q = 0; q < conf->n; q++)
        guard_init(&s->peer[q].pending, memory + q * guard_bytes(rows), rows);
}

static uint32_t fpl_room(const struct co *self)
{
    return co_room(self->use[0]);
}

/* upon ⟨fpl, Send | q, m⟩ do lsn[q] := lsn[q] + 1; trigger ⟨pl, Send | q, (m, lsn[q])⟩ */
static void upon_fpl_send(struct co *self, const struct ev *ev, uint32_t n)
{
    struct fpl_sequence *s = fpl(self);
    for (uint32_t i = 0; i < n; i++) {
        struct msg m = msg_copy_behind(self->st, ev_msg(&ev[i]), sizeof(struct fpl_wire));
        struct fpl_wire *w = (struct fpl_wire *)msg_data(m);
        *w = (struct fpl_wire){.user = (uint8_t)ev[i].inst};
        le32_put(w->incarnation, self->st->conf.incarnation);
        le64_put(w->number, s->peer[ev[i].proc].sent++);
        link_send(self, self->use[0], EV_PL_SEND, ev[i].proc, m);
    }
}

/* The body of the guarded handler: next[p] := next[p] + 1; trigger ⟨fpl, Deliver | p, m⟩ */
static void deliver(struct fpl_sequence *s, const struct ev *ev)
{
    struct msg m = ev_msg(ev);
    const struct fpl_wire *w = msg_pull(&m, sizeof *w);
    s->peer[ev->proc].next++;
    demux_deliver(&s->demux, &s->co, EV_FPL_DELIVER, w->user, ev->proc, m);
}

static bool current_incarnation(struct fpl_sequence *s, struct fpl_peer *p, uint32_t incarnation)
{
    if (unlikely(incarnation < p->incarnation)) {
        co_count(&s->co, COUNT_drop_incarnation, 1);
        return false;
    }
    if (unlikely(incarnation > p->incarnation)) {
        if (p->incarnation != 0) { /* it crashed: what is missing of its former self stays so */
            while (guard_held(&p->pending) > 0)
                guard_take(&s->co, &p->pending);
            p->next = 0;
        }
        p->incarnation = incarnation;
    }
    return true;
}

static bool its_turn(const struct fpl_peer *p)
{
    const struct guard_row *first = guard_first(&p->pending);
    return first != NULL && first->key <= p->next;
}

static void receive(struct fpl_sequence *s, const struct ev *ev)
{
    struct fpl_peer *p = &s->peer[ev->proc];
    struct msg m = ev_msg(ev);
    const struct fpl_wire *w = msg_pull(&m, sizeof *w);
    if (unlikely(w == NULL)) {
        co_count(&s->co, COUNT_drop_message, 1);
        return;
    }
    if (unlikely(!current_incarnation(s, p, le32_get(w->incarnation))))
        return;
    uint64_t number = le64_get(w->number);
    if (likely(number == p->next)) {
        deliver(s, ev);
        if (unlikely(its_turn(p)))
            trigger(&s->co, ev_make(EV_FPL_TURN, ev->proc, 0, 0, MSG_NONE));
    } else if (number < p->next) {
        co_count(&s->co, COUNT_drop_duplicate, 1);
    } else if (number - p->next > pending_rows(&s->co.st->conf) ||
               !guard_hold(&p->pending, number, ev)) {
        co_count(&s->co, COUNT_drop_early, 1);
    }
}

/* upon ⟨pl, Deliver | p, (m, sn)⟩ such that sn = next[p]; else pending := pending ∪ {(p, m, sn)} */
static void upon_pl_deliver(struct co *self, const struct ev *ev, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        receive(fpl(self), &ev[i]);
}

/* upon exists (p, m, sn) ∈ pending such that sn = next[p] */
static void upon_fpl_turn(struct co *self, const struct ev *ev, uint32_t n)
{
    struct fpl_sequence *s = fpl(self);
    for (uint32_t i = 0; i < n; i++) {
        struct fpl_peer *p = &s->peer[ev[i].proc];
        while (its_turn(p)) {
            bool again = guard_first(&p->pending)->key < p->next;
            struct ev e = guard_take(self, &p->pending);
            if (unlikely(again))
                co_count(self, COUNT_drop_duplicate, 1);
            else
                deliver(s, &e);
        }
    }
}

static void fpl_flush(struct co *self)
{
    for (uint16_t q = 0; q < self->st->n; q++)
        guard_flush(&fpl(self)->peer[q].pending);
}

static void fpl_fini(struct co *self)
{
    for (uint16_t q = 0; q < self->st->n; q++)
        guard_fini(&fpl(self)->peer[q].pending);
}

static void fpl_check(const struct co *self)
{
    const struct fpl_sequence *s = (const struct fpl_sequence *)self;
    for (uint16_t q = 0; q < self->st->n; q++)
        assert(!its_turn(&s->peer[q]));
}

static void fpl_show(const struct co *self, struct view *v)
{
    const struct fpl_sequence *s = (const struct fpl_sequence *)self;
    for (uint16_t q = 0; q < self->st->n; q++) {
        const struct fpl_peer *p = &s->peer[q];
        view_group(v, "peer", q);
        view_u64(v, "sent", p->sent);
        view_u64(v, "next", p->next);
        view_u64(v, "incarnation", p->incarnation);
        guard_show(&p->pending, v);
    }
}

static int fpl_tell(struct msg m, char *text, size_t size)
{
    const struct fpl_wire *w = msg_pull(&m, sizeof *w);
    if (w == NULL)
        return -1;
    return snprintf(text, size, "[NUMBER %" PRIu64 "]", le64_get(w->number));
}

static co_upon_fn *const upon[EV_TYPES] = {[EV_FPL_SEND] = upon_fpl_send,
                                           [EV_PL_DELIVER] = upon_pl_deliver,
                                           [EV_FPL_TURN] = upon_fpl_turn};

const struct co_class fpl_sequence_number_class = {
    .name = "fpl_sequence_number",
    .title = "sequence number (CGR Algorithm 2.11)",
    .implements = ABS_FPL,
    .uses = {ABS_PL},
    .bytes = fpl_bytes,
    .init = fpl_init,
    .upon = upon,
    .room = fpl_room,
    .flush = fpl_flush,
    .fini = fpl_fini,
    .check = fpl_check,
    .show = fpl_show,
    .tell = fpl_tell,
};
