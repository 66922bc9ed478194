/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the components of a process say about it to whoever looks on: whom it trusts and suspects,
 * what its links hold, which operations are open and whom they wait for. An observer asks now and
 * then, between two events, by the hook `post` of each class, bottom first; each fills in its own
 * part. Nothing of it decides about the future (that is view.h), and asking changes nothing.
 *
 * All words are 64 bits wide, so that the whole can be copied word by word to another thread.
 */
#ifndef UPON_POST_H
#define UPON_POST_H

#include "co.h"

#define POST_WAITS_MAX 8 /* of all components of a process; what is beyond is left out */

/* Which words have been filled in. */
enum {
    POST_TRUSTED = 1,   /* by Ω, or elected by le */
    POST_SUSPECTED = 2, /* by ◇P */
    POST_CRASHED = 4,   /* by P */
    POST_EPOCH = 8,     /* and its leader */
    POST_LINKS = 16
};

/* Whom an operation waits for. */
enum post_kind {
    POST_QUORUM, /* answers of `need` processes */
    POST_ALL,    /* a sign of all that are not given up */
    POST_READ,   /* the leader of an epoch: what `need` processes know, before it may propose */
    POST_LEADER, /* the leader */
    POST_EPOCH_CHANGE,
    POST_WINDOW, /* room: the slowest holds half of a window open */
    POST_DISK,
    POST_KINDS
};

/* The oldest open operation of a component. */
struct post_wait {
    uint64_t layer;  /* of the component, in its stack */
    uint64_t kind;   /* enum post_kind */
    uint64_t open;   /* operations, this one included */
    uint64_t origin; /* of the operation; NOBODY_POSTED: its name is an instance, or is none's */
    uint64_t oldest; /* its number or instance */
    uint64_t have;   /* who has answered */
    uint64_t missing;
    uint64_t need;     /* answers */
    uint64_t since_ns; /* the observer's: when it was seen first */
};

#define NOBODY_POSTED UINT64_MAX

enum post_link_state { POST_LINK_NONE, POST_LINK_UNHEARD, POST_LINK_UP, POST_LINK_LOST };

/* A link to one peer. */
struct post_link {
    uint64_t state;      /* enum post_link_state */
    uint64_t window;     /* messages in flight, at most */
    uint64_t flight;     /* sent and not acknowledged */
    uint64_t queued;     /* waiting to be sent */
    uint64_t credit;     /* messages that the peer takes beyond those */
    uint64_t rtt_ns;     /* measured; 0: not measured */
    uint64_t stalled_ns; /* something is in flight, and nothing was acknowledged for so long */
    uint64_t resent;     /* messages sent again, in all */
};

struct co_post {
    uint64_t have; /* POST_TRUSTED | … */
    uint64_t trusted;
    uint64_t suspected;
    uint64_t crashed;
    uint64_t epoch;
    uint64_t leader; /* of the epoch */
    uint64_t waits;
    struct post_wait wait[POST_WAITS_MAX];
    struct post_link link[PSET_PROCS]; /* last: an observer copies those of n processes */
};
static_assert(sizeof(struct co_post) % 8 == 0, "words");

/* Name the oldest open operation of a component. */
static inline void post_wait(const struct co *self, struct co_post *p, struct post_wait wait)
{
    if (p->waits == POST_WAITS_MAX)
        return;
    wait.layer = self->index;
    p->wait[p->waits++] = wait;
}

/* Ask all components of a process. At most PSET_PROCS processes. */
void stack_post(const struct stack *st, struct co_post *p);

#endif
