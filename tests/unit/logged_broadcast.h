/* SPDX-License-Identifier: BSD-3-Clause */
/* A world of a logged broadcast, which its test names in `subject`, and what its processes have
 * log-delivered. */
#ifndef UPON_LOGGED_BROADCAST_H
#define UPON_LOGGED_BROADCAST_H

#include "logged_cases.h"

struct logged_broadcast {
    const char *stack;
    struct stack_conf conf;
    enum ev_type broadcast, release, deliver;
};
static const struct logged_broadcast subject;

static struct world w;
static struct logged got[LOGGED_PROCS];

static inline void start(uint16_t n)
{
    memset(got, 0, sizeof got);
    world_start(&w, stack_find(subject.stack), n, &subject.conf);
}

static inline uint32_t room(uint16_t p)
{
    return co_room(w.st[p]->app->use[0]);
}

static inline void broadcast(uint16_t p, uint64_t value, uint32_t bytes)
{
    world_request(&w, p, subject.broadcast, 0, 0, world_msg(&w, p, value, bytes));
}

/* p needs what was log-delivered below position `end` no more. */
static inline void release(uint16_t p, uint64_t end)
{
    trigger(w.st[p]->app->use[0], ev_make(subject.release, 0, 0, end, MSG_NONE));
}

static inline void take(void)
{
    logged_take(&w, got, subject.deliver);
}

#endif
