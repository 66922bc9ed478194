/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Basic broadcast.
 *
 * Abstraction   beb, best-effort broadcast (CGR Module 3.1)
 * Algorithm     basic broadcast (CGR Algorithm 3.1): send to every process over perfect links
 * Uses          pl
 * Properties    BEB1, BEB2, BEB3
 * Model         fail-silent; any number of crashes
 * Space         none
 * Differs       nothing. All n links share the one message; none copies a large body.
 */
#include "broadcast.h"
#include "protocols/co.h"

struct beb_basic {
    struct co co;
};

static size_t beb_basic_bytes(const struct stack_conf *conf)
{
    (void)conf;
    return sizeof(struct beb_basic);
}

/* upon ⟨beb, Broadcast | m⟩ do forall q ∈ Π do trigger ⟨pl, Send | q, m⟩ */
static void upon_beb_broadcast(struct co *self, const struct ev *ev, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        for (uint16_t q = 0; q < self->st->n; q++)
            link_send(self, self->use[0], EV_PL_SEND, q, ev_msg(&ev[i]));
}

/* upon ⟨pl, Deliver | p, m⟩ do trigger ⟨beb, Deliver | p, m⟩ */
static void upon_pl_deliver(struct co *self, const struct ev *ev, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        indicate(self, ev_make(EV_BEB_DELIVER, ev[i].proc, 0, 0, ev_msg(&ev[i])));
}

static uint32_t beb_basic_room(const struct co *self)
{
    return co_room(self->use[0]);
}

static co_upon_fn *const upon[EV_TYPES] =
    {[EV_BEB_BROADCAST] = upon_beb_broadcast, [EV_PL_DELIVER] = upon_pl_deliver};

const struct co_class beb_basic_class = {
    .name = "beb_basic",
    .title = "basic broadcast (CGR Algorithm 3.1)",
    .implements = ABS_BEB,
    .uses = {ABS_PL},
    .bytes = beb_basic_bytes,
    .upon = upon,
    .room = beb_basic_room,
};
