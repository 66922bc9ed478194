/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Basic stubborn broadcast.
 *
 * Abstraction   sbeb, stubborn best-effort broadcast (CGR Module 3.5)
 * Algorithm     basic stubborn broadcast (CGR Algorithm 3.6): send to every process over stubborn
 *               links
 * Uses          sl
 * Properties    SBEB1, of what the user has not told us to forget; SBEB2
 * Model         crash-recovery; any number of crashes
 * Space         none; sl keeps the messages
 * Differs       ⟨sbeb, Forget | q, a⟩ is ours, as that of sl, to which it goes: the user numbers its
 *               broadcasts (their attribute) and releases those up to number a to one receiver.
 */
#include "broadcast.h"
#include "protocols/co.h"

struct sbeb_basic {
    struct co co;
};

static size_t sbeb_basic_bytes(const struct stack_conf *conf)
{
    (void)conf;
    return sizeof(struct sbeb_basic);
}

/* upon ⟨sbeb, Broadcast | m⟩ do forall q ∈ Π do trigger ⟨sl, Send | q, m⟩ */
static void upon_sbeb_broadcast(struct co *self, const struct ev *ev, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        for (uint16_t q = 0; q < self->st->n; q++)
            trigger(self->use[0], ev_make(EV_SL_SEND, q, self->port, ev[i].attr, ev_msg(&ev[i])));
}

/* upon ⟨sbeb, Forget | q, a⟩ do trigger ⟨sl, Forget | q, a⟩ */
static void upon_sbeb_forget(struct co *self, const struct ev *ev, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        trigger(self->use[0], ev_make(EV_SL_FORGET, ev[i].proc, self->port, ev[i].attr, MSG_NONE));
}

/* upon ⟨sl, Deliver | p, m⟩ do trigger ⟨sbeb, Deliver | p, m⟩ */
static void upon_sl_deliver(struct co *self, const struct ev *ev, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        indicate(self, ev_make(EV_SBEB_DELIVER, ev[i].proc, 0, 0, ev_msg(&ev[i])));
}

static uint32_t sbeb_basic_room(const struct co *self)
{
    return co_room(self->use[0]);
}

static co_upon_fn *const upon[EV_TYPES] = {[EV_SBEB_BROADCAST] = upon_sbeb_broadcast,
                                           [EV_SBEB_FORGET] = upon_sbeb_forget,
                                           [EV_SL_DELIVER] = upon_sl_deliver};

const struct co_class sbeb_basic_class = {
    .name = "sbeb_basic",
    .title = "basic stubborn broadcast (CGR Algorithm 3.6)",
    .implements = ABS_SBEB,
    .uses = {ABS_SL},
    .bytes = sbeb_basic_bytes,
    .upon = upon,
    .room = sbeb_basic_room,
};
