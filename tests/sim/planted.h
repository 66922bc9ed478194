/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A stack with a planted bug: reliable broadcast that forgets to relay. When its origin crashes
 * between two sends, some correct process delivers and another does not: RB4.
 */
#ifndef UPON_TEST_PLANTED_H
#define UPON_TEST_PLANTED_H

#include "protocols/broadcast/broadcast.h"
#include "protocols/links/links.h"

static size_t planted_bytes(const struct stack_conf *conf)
{
    (void)conf;
    return sizeof(struct co);
}

static void planted_broadcast(struct co *self, const struct ev *ev, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        trigger(self->use[0], ev_make(EV_BEB_BROADCAST, 0, 0, 0, ev_msg(&ev[i])));
}

static void planted_deliver(struct co *self, const struct ev *ev, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) /* no relay */
        indicate(self, ev_make(EV_RB_DELIVER, ev[i].proc, 0, 0, ev_msg(&ev[i])));
}

static co_upon_fn *const planted_upon[EV_TYPES] =
    {[EV_RB_BROADCAST] = planted_broadcast, [EV_BEB_DELIVER] = planted_deliver};

static const struct co_class planted_class = {.name = "rb_without_relay",
                                              .title = "reliable broadcast that does not relay",
                                              .implements = ABS_RB,
                                              .uses = {ABS_BEB},
                                              .bytes = planted_bytes,
                                              .upon = planted_upon};

static const struct stack_def planted = {
    .name = "rb_without_relay",
    .summary = "a planted bug",
    .top = "rb",
    .layers = (const struct stack_layer[]){{"pl", &pl_window_class, {NULL}},
                                           {"beb", &beb_basic_class, {"pl"}},
                                           {"rb", &planted_class, {"beb"}},
                                           {0}},
};

#endif
