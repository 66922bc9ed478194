/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Majority-ack uniform reliable broadcast.
 *
 * Abstraction   urb, uniform reliable broadcast (CGR Module 3.3)
 *
 * Algorithm     majority-ack (CGR Algorithm 3.5): everybody relays what it sees for the first time;
 *               deliver when a majority has relayed
 *
 * Uses          beb
 *
 * Properties    URB1, URB2, URB3, URB4
 *
 * Model         fail-silent, f < N/2 crashes
 *
 * Space         per origin a floor and `store_msgs` rows of 8 bytes: the set of those who relayed,
 *               of which `delivered` is that it is a majority. No message is kept. A row is free
 *               again when its message is delivered here and all relays have come, less those of
 *               processes that were given up (acks.h). To free it is safe: all that the others need
 *               of us is our relay, and it was handed to perfect links to all of them when the
 *               message was seen first; each reaches its majority from the relays of the correct
 *               ones. What comes has a row since its origin keeps to its window (flow.h).
 *
 * Differs       `pending` is not stored: the copy that completes the majority carries the message,
 *               and all copies of one name are equal, since processes crash but do not lie. Nothing
 *               can become deliverable without a copy that arrives, so none has to wait in store.
 *               Without P a silent process is given up in the end, as flow.h tells.
 */
#include "acks.h"
#include "broadcast.h"

static void urb_majority_ack_init(struct co *self)
{
    acks_init(self, self->st->n / 2u + 1);
}

/* upon ⟨urb, Broadcast | m⟩ do trigger ⟨beb, Broadcast | [DATA, self, m]⟩ */
static void upon_urb_broadcast(struct co *self, const struct ev *ev, uint32_t n)
{
    struct acks *a = acks_of(self);
    flow_broadcast(self, &a->flow, self->use[0], ev, n);
    acks_watch(a);
}

/* upon ⟨beb, Deliver | p, [DATA, s, m]⟩ do ack[m] := ack[m] ∪ {p}; if not seen before then relay;
 * exists (s, m) not delivered, #(ack[m]) > N/2: trigger ⟨urb, Deliver | s, m⟩ */
static inline void data(struct acks *a, const struct ev *e, struct flow_id id, struct msg m)
{
    uint32_t relayed = acks_add(a, e->proc, id);
    if (relayed == 0)
        return; /* it is finished, or p had relayed it */
    if (relayed == 1 &&
        id.origin != a->co.st->self) /* our own was broadcast when it was asked for */
        trigger(a->co.use[0], ev_make(EV_BEB_BROADCAST, 0, 0, 0, ev_msg(e)));
    if (relayed == a->quorum)
        indicate(&a->co, ev_make(EV_URB_DELIVER, id.origin, 0, 0, m));
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

static co_upon_fn *const upon[EV_TYPES] = {[EV_URB_BROADCAST] = upon_urb_broadcast,
                                           [EV_BEB_DELIVER] = upon_beb_deliver,
                                           [EV_TIMER_TIMEOUT] = acks_upon_timeout};

const struct co_class urb_majority_ack_class = {
    .name = "urb_majority_ack",
    .title = "majority-ack uniform reliable broadcast (CGR Algorithm 3.5)",
    .implements = ABS_URB,
    .majority = true,
    .uses = {ABS_BEB},
    .header_bytes = FLOW_HEADER_BYTES,
    .procs_max = PSET_PROCS,
    .bytes = acks_bytes,
    .init = urb_majority_ack_init,
    .upon = upon,
    .room = acks_room,
    .unasked = flow_unasked,
    .check = acks_check,
    .show = acks_show,
    .post = acks_post,
    .tell = flow_tell,
};
