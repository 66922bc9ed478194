/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Handing over again and again.
 *
 * Abstraction   ho, handing over after a crash (ours)
 *
 * Algorithm     deliver again until told to stop: each log-delivery is handed over now, after each
 *               recovery, and whenever an alarm goes off, until the layer above says that it has
 *               taken it; that layer filters what it knows already
 *
 * Uses          lurb
 *
 * Properties    HO1, HO3, HO5
 *
 * Model         crash-recovery
 *
 * Space         `store_msgs` / 4 rows, and as many messages, which lurb holds as well. Nothing on
 *               the disk
 *
 * Differs       Nothing is stored, so a recovery hands over again all that the log still has; after a
 *               compaction, what was not taken. An alarm hands over 64 at most, oldest first.
 *               README.md of protocols/log says when to choose this, and when handover_cursor.
 */
#include "broadcast.h"
#include "protocols/log/deliveries.h"

#define AGAIN_MSGS 64 /* handed over again by one alarm */

struct redeliver {
    struct co co;
    struct deliveries d; /* `released`: taken */
    struct timer alarm;
};

static struct redeliver *redeliver(struct co *co)
{
    return (struct redeliver *)co;
}

static size_t redeliver_bytes(const struct stack_conf *conf)
{
    return sizeof(struct redeliver) + deliveries_rows(conf) * sizeof(struct delivery);
}

static void redeliver_init(struct co *self)
{
    struct redeliver *s = redeliver(self);
    deliveries_init(&s->d, &self->st->conf, (struct delivery *)(s + 1));
}

/* upon ⟨ho, Broadcast | m⟩ do trigger ⟨lurb, Broadcast | m⟩ */
static void upon_ho_broadcast(struct co *self, const struct ev *ev, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        trigger(self->use[0], ev_make(EV_LURB_BROADCAST, 0, 0, 0, ev_msg(&ev[i])));
}

static uint32_t redeliver_room(const struct co *self)
{
    return co_room(self->use[0]);
}

static void hand_over(struct redeliver *s, uint64_t position)
{
    const struct delivery *r = delivery_at(&s->d, position);
    indicate(&s->co, ev_make(EV_HO_DELIVER, r->proc, position, 0, delivery_msg(r)));
}

/* upon ⟨lurb, Deliver | i, p, m⟩ do keep it; trigger ⟨ho, Deliver | i, p, m⟩. lurb releases no row
 * that we have not released, and has as many as we. */
static void upon_lurb_deliver(struct co *self, const struct ev *ev, uint32_t n)
{
    struct redeliver *s = redeliver(self);
    struct name none = {0};
    deliveries_flush(&s->d);
    for (uint32_t i = 0; i < n; i++) {
        if (deliveries_found(&s->d, ev[i].inst, ev[i].proc, &none, ev_msg(&ev[i])))
            hand_over(s, ev[i].inst);
    }
    if (!timer_armed(&s->alarm))
        co_timer(self, &s->alarm, self->st->conf.rto_min_ns, 0);
}

/* upon ⟨ho, Done | i⟩: stop; lurb may forget what is taken without a gap. */
static void upon_ho_done(struct co *self, const struct ev *ev, uint32_t n)
{
    struct redeliver *s = redeliver(self);
    uint64_t before = s->d.first;
    for (uint32_t i = 0; i < n; i++)
        if (ev[i].inst >= s->d.first && ev[i].inst < s->d.next)
            delivery_at(&s->d, ev[i].inst)->released = true;
    while (s->d.first < s->d.next && delivery_at(&s->d, s->d.first)->released)
        s->d.first++;
    if (s->d.first == before)
        return;
    trigger(self->use[0], ev_make(EV_LURB_RELEASE, 0, 0, s->d.first, MSG_NONE));
    co_dirty(self);
    if (s->d.first == s->d.next)
        timer_cancel(&self->st->wheel, &s->alarm);
}

/* upon ⟨Timeout⟩ do forall i not taken: trigger ⟨ho, Deliver | i, p, m⟩ */
static void upon_timeout(struct co *self, const struct ev *ev, uint32_t n)
{
    (void)ev, (void)n;
    struct redeliver *s = redeliver(self);
    uint32_t left = AGAIN_MSGS;
    for (uint64_t i = s->d.first; i < s->d.next && left > 0; i++)
        if (!delivery_at(&s->d, i)->released) {
            hand_over(s, i);
            left--;
        }
    if (s->d.first < s->d.next)
        co_timer(self, &s->alarm, self->st->conf.rto_min_ns, 0);
}

static void redeliver_flush(struct co *self)
{
    deliveries_flush(&redeliver(self)->d);
}

static void redeliver_fini(struct co *self)
{
    deliveries_fini(&redeliver(self)->d);
}

static void redeliver_check(const struct co *self)
{
    const struct redeliver *s = (const struct redeliver *)self;
    deliveries_check(&s->d);
    assert(s->d.first == s->d.next || timer_armed(&s->alarm));
}

static void redeliver_show(const struct co *self, struct view *v)
{
    deliveries_show(&((const struct redeliver *)self)->d, v);
}

static co_upon_fn *const upon[EV_TYPES] = {[EV_HO_BROADCAST] = upon_ho_broadcast,
                                           [EV_HO_DONE] = upon_ho_done,
                                           [EV_LURB_DELIVER] = upon_lurb_deliver,
                                           [EV_TIMER_TIMEOUT] = upon_timeout};

const struct co_class handover_redeliver_class = {
    .name = "handover_redeliver",
    .title = "deliver again until told to stop (ours)",
    .implements = ABS_HO,
    .majority = true,
    .uses = {ABS_LURB},
    .bytes = redeliver_bytes,
    .init = redeliver_init,
    .upon = upon,
    .room = redeliver_room,
    .flush = redeliver_flush,
    .fini = redeliver_fini,
    .check = redeliver_check,
    .show = redeliver_show,
};
