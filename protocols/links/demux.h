/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The users of a link: each message names one by its port, and goes to that one alone. A link that
 * stands on another link writes the port of its user into its own header, and is itself the user of
 * the link below; so every link's border is complete in itself.
 */
#ifndef UPON_DEMUX_H
#define UPON_DEMUX_H

#include "protocols/co.h"

struct demux {
    struct co *user[CO_PORTS_MAX];
};

static inline void demux_init(struct demux *d, const struct co *link)
{
    for (uint16_t i = 0; i < link->users; i++)
        d->user[link->user[i]->port] = link->user[i];
}

/* Deliver to the user of that port, as it stands on the wire; what names none is counted. */
static inline void demux_deliver(const struct demux *d, struct co *link, enum ev_type type,
                                 uint8_t port, uint16_t from, struct msg m)
{
    struct co *to = port < CO_PORTS_MAX ? d->user[port] : NULL;
    if (unlikely(to == NULL))
        co_count(link, COUNT_drop_user, 1);
    else
        trigger(to, ev_make(type, from, 0, 0, m));
}

#endif
