/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Eager reliable broadcast.
 *
 * Abstraction   rb, reliable broadcast (CGR Module 3.2)
 *
 * Algorithm     eager (CGR Algorithm 3.3): deliver and relay what is seen for the first time
 *
 * Uses          beb
 *
 * Properties    RB1, RB2, RB3, RB4; not uniform: who delivers and crashes may be the only one
 *
 * Model         fail-silent; any number of crashes
 *
 * Space         per origin a floor and `store_msgs` rows of 8 bytes: the set of those who relayed,
 *               of which `delivered` is that it is not empty. No message is kept: its relay is with
 *               the links. A row is free again when all relays have come (acks.h), and what comes
 *               has a row since its origin keeps to its window (flow.h).
 *
 * Differs       The origin does not relay its own message a second time. Without P a silent process
 *               is given up in the end, as flow.h tells.
 */
#include "acks.h"
#include "broadcast.h"

static void rb_eager_init(struct co *self)
{
    acks_init(self, 1);
}

/* upon ⟨rb, Broadcast | m⟩ do trigger ⟨beb, Broadcast | [DATA, self, m]⟩ */
static void upon_rb_broadcast(struct co *self, const struct ev *ev, uint32_t n)
{
    struct acks *a = acks_of(self);
    flow_broadcast(self, &a->flow, self->use[0], ev, n);
    acks_watch(a);
}

/* upon ⟨beb, Deliver | p, [DATA, s, m]⟩: if m ∉ delivered then
 * delivered := delivered ∪ {m}; trigger ⟨rb, Deliver | s, m⟩; relay */
static inline void data(struct acks *a, const struct ev *e, struct flow_id id, struct msg m)
{
    uint32_t relayed = acks_add(a, e->proc, id);
    if (relayed == 0)
        return; /* it is finished, or p had relayed it */
    if (relayed == 1 &&
        id.origin != a->co.st->self) /* our own was broadcast when it was asked for */
        trigger(a->co.use[0], ev_make(EV_BEB_BROADCAST, 0, 0, 0, ev_msg(e)));
    if (relayed == a->quorum)
        indicate(&a->co, ev_make(EV_RB_DELIVER, id.origin, 0, 0, m));
    acks_done(a, id);
}

static void upon_beb_deliver(struct co *self, const struct ev *ev, uint32_t n)
{
    struct acks *a = acks_of(self);
    for (uint32_t i = 0; i < n; i++) {
        struct msg m = ev_msg(&ev[i]);
        struct flow_id id;
        a->flow.heard |= 1ull << ev[i].proc;
        if (unlikely(!flow_decode(self, &m, &id)))
            continue;
        if (likely(id.kind == FLOW_DATA))
            data(a, &ev[i], id, m);
        else if (id.origin == self->st->self)
            flow_told(self, &a->flow, ev[i].proc, id.number);
    }
}

static co_upon_fn *const upon[EV_TYPES] = {[EV_RB_BROADCAST] = upon_rb_broadcast,
                                           [EV_BEB_DELIVER] = upon_beb_deliver,
                                           [EV_TIMER_TIMEOUT] = acks_upon_timeout};

const struct co_class rb_eager_class = {
    .name = "rb_eager",
    .title = "eager reliable broadcast (CGR Algorithm 3.3)",
    .implements = ABS_RB,
    .uses = {ABS_BEB},
    .header_bytes = FLOW_HEADER_BYTES,
    .procs_max = PSET_PROCS,
    .bytes = acks_bytes,
    .init = rb_eager_init,
    .upon = upon,
    .room = acks_room,
    .unasked = flow_unasked,
    .check = acks_check,
    .show = acks_show,
    .post = acks_post,
    .tell = flow_tell,
};
