/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Alternating bit.
 *
 * Abstraction   fpl, FIFO perfect links (CGR Module 2.11)
 *
 * Algorithm     alternating bit (Bartlett, Scantlebury, Wilkinson 1969): one message at a time, with
 *               a bit that alternates; sent again until it is acknowledged with the same bit
 *
 * Uses          fll
 *
 * Properties    FPL1, FPL2, FPL3, FPL4, as long as the network keeps the order of frames
 *
 * Model         crash-stop; fair-loss links that lose and repeat, but do not reorder. Where frames
 *               overtake each other one bit is not enough: see the page of this laboratory.
 *
 * Space         QUEUE messages for each peer
 *
 * Differs       The sender keeps a queue of its own, so that its user need not wait. It has one user.
 */
#include "alternating_bit.h"

#include <assert.h>
#include <stdio.h>

#include "protocols/view.h"

#define QUEUE 16 /* a power of two */

enum kind { DATA = 1, ACK };

struct ab_wire {
    uint8_t kind;
    uint8_t bit;
};
static_assert(sizeof(struct ab_wire) == 2, "the layout is the protocol");

struct peer {
    /* Sending: message k has bit k mod 2; the head is under way, those behind it wait. */
    uint64_t head;
    uint64_t tail;
    struct msg queue[QUEUE]; /* with their headers; held */
    struct timer timer;
    /* Receiving: */
    uint8_t expected;
};

struct alternating_bit {
    struct co co;
    struct peer peer[];
};

static struct alternating_bit *ab(struct co *co)
{
    return (struct alternating_bit *)co;
}

static size_t ab_bytes(const struct stack_conf *conf)
{
    return sizeof(struct alternating_bit) + conf->n * sizeof(struct peer);
}

/* Send the head, and look again when its acknowledgement should have come. */
static void send_head(struct alternating_bit *s, uint16_t q)
{
    struct peer *p = &s->peer[q];
    link_send(&s->co, s->co.use[0], EV_FLL_SEND, q, p->queue[p->head % QUEUE]);
    co_timer(&s->co, &p->timer, s->co.st->conf.rto_min_ns, q);
}

/* upon ⟨fpl, Send | q, m⟩ do queue m; if nothing is under way to q, send it. */
static void upon_fpl_send(struct co *self, const struct ev *ev, uint32_t n)
{
    struct alternating_bit *s = ab(self);
    for (uint32_t i = 0; i < n; i++) {
        struct peer *p = &s->peer[ev[i].proc];
        struct msg m = ev_msg(&ev[i]);
        assert(p->tail - p->head < QUEUE && "the application sends beyond its room()");
        struct ab_wire *w = msg_push(&m, sizeof *w);
        *w = (struct ab_wire){.kind = DATA, .bit = (uint8_t)(p->tail % 2)};
        msg_hold(m);
        p->queue[p->tail++ % QUEUE] = m;
        if (p->tail - p->head == 1)
            send_head(s, ev[i].proc);
    }
}

static void acknowledge(struct alternating_bit *s, uint16_t p, uint8_t bit)
{
    struct msg m = msg_new(s->co.st, sizeof(struct ab_wire));
    *(struct ab_wire *)msg_data(m) = (struct ab_wire){.kind = ACK, .bit = bit};
    link_send(&s->co, s->co.use[0], EV_FLL_SEND, p, m);
}

/* upon ⟨fll, Deliver | p, [DATA, b, m]⟩: acknowledge b; if b is expected, deliver m. */
static void data(struct alternating_bit *s, uint16_t p, uint8_t bit, struct msg m)
{
    acknowledge(s, p, bit);
    if (bit != s->peer[p].expected)
        return; /* it came before, and its acknowledgement was lost or is late */
    s->peer[p].expected ^= 1;
    indicate(&s->co, ev_make(EV_FPL_DELIVER, p, 0, 0, m));
}

/* upon ⟨fll, Deliver | q, [ACK, b]⟩: if it is the head's bit, go on to the next message. */
static void ack(struct alternating_bit *s, uint16_t q, uint8_t bit)
{
    struct peer *p = &s->peer[q];
    if (p->head == p->tail || bit != p->head % 2)
        return;
    msg_release(p->queue[p->head++ % QUEUE]);
    timer_cancel(&s->co.st->wheel, &p->timer);
    if (p->head < p->tail)
        send_head(s, q);
}

static void upon_fll_deliver(struct co *self, const struct ev *ev, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        struct msg m = ev_msg(&ev[i]);
        const struct ab_wire *w = msg_pull(&m, sizeof *w);
        if (w != NULL && w->kind == DATA && w->bit <= 1)
            data(ab(self), ev[i].proc, w->bit, m);
        else if (w != NULL && w->kind == ACK && w->bit <= 1 && m.len == 0)
            ack(ab(self), ev[i].proc, w->bit);
        else
            co_count(self, COUNT_drop_message, 1);
    }
}

/* upon ⟨timer, Timeout | q⟩: send the head again. */
static void upon_timeout(struct co *self, const struct ev *ev, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (ab(self)->peer[ev[i].attr].head < ab(self)->peer[ev[i].attr].tail)
            send_head(ab(self), (uint16_t)ev[i].attr);
}

static uint32_t ab_room(const struct co *self)
{
    const struct alternating_bit *s = (const struct alternating_bit *)self;
    uint64_t most = 0;
    for (uint16_t q = 0; q < self->st->n; q++)
        if (s->peer[q].tail - s->peer[q].head > most)
            most = s->peer[q].tail - s->peer[q].head;
    return (uint32_t)(QUEUE - most);
}

static void ab_fini(struct co *self)
{
    for (uint16_t q = 0; q < self->st->n; q++)
        for (struct peer *p = &ab(self)->peer[q]; p->head < p->tail; p->head++)
            msg_release(p->queue[p->head % QUEUE]);
}

static void ab_check(const struct co *self)
{
    const struct alternating_bit *s = (const struct alternating_bit *)self;
    for (uint16_t q = 0; q < self->st->n; q++) {
        const struct peer *p = &s->peer[q];
        assert(p->head <= p->tail && p->tail - p->head <= QUEUE && p->expected <= 1);
        assert(timer_armed(&p->timer) == (p->head < p->tail));
    }
}

static void ab_show(const struct co *self, struct view *v)
{
    const struct alternating_bit *s = (const struct alternating_bit *)self;
    for (uint16_t q = 0; q < self->st->n; q++) {
        const struct peer *p = &s->peer[q];
        view_group(v, "peer", q);
        view_u64(v, "bit", p->head % 2);
        view_u64(v, "expected", p->expected);
        for (uint64_t k = p->head; k < p->tail; k++)
            view_msg(v, "queue", p->queue[k % QUEUE]);
    }
}

static int ab_tell(struct msg m, char *text, size_t size)
{
    const struct ab_wire *w = msg_pull(&m, sizeof *w);
    if (w == NULL || (w->kind != DATA && w->kind != ACK))
        return -1;
    return snprintf(text, size, "[%s %u]", w->kind == DATA ? "DATA" : "ACK", w->bit);
}

static co_upon_fn *const upon[EV_TYPES] = {[EV_FPL_SEND] = upon_fpl_send,
                                           [EV_FLL_DELIVER] = upon_fll_deliver,
                                           [EV_TIMER_TIMEOUT] = upon_timeout};

const struct co_class fpl_alternating_bit_class = {
    .name = "fpl_alternating_bit",
    .title = "alternating bit (Bartlett, Scantlebury, Wilkinson 1969)",
    .implements = ABS_FPL,
    .uses = {ABS_FLL},
    .header_bytes = sizeof(struct ab_wire),
    .bytes = ab_bytes,
    .upon = upon,
    .room = ab_room,
    .fini = ab_fini,
    .check = ab_check,
    .show = ab_show,
    .tell = ab_tell,
};
