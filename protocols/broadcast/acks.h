/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who has relayed what: the store of the broadcasts in which everybody relays and that have no P
 * (rb_eager, urb_majority_ack). One word per message: ack[m], a set of processes.
 *
 * A row is finished, and its origin may reuse it, when `quorum` processes have relayed its message,
 * so that it is delivered, and when everybody has, less those that were given up: flow.h says why.
 * Who was given up is not waited for again as a relayer, since nobody can tell what it lacks.
 */
#ifndef UPON_ACKS_H
#define UPON_ACKS_H

#include "flow.h"

struct acks_origin {
    uint64_t floor; /* all below is finished */
    uint64_t top;   /* none from here on was seen */
    uint64_t told;  /* the floor that we last told */
    uint64_t *ack;  /* of number k at k mod store_msgs */
};

struct acks {
    struct co co;
    uint64_t mask;
    uint64_t relayers; /* whose relays a floor waits for */
    uint32_t quorum;
    uint32_t tell_every; /* numbers between two tellings of a floor */
    struct flow flow;
    struct acks_origin origin[];
};

static inline struct acks *acks_of(struct co *self)
{
    return (struct acks *)self;
}

size_t acks_bytes(const struct stack_conf *conf);
void acks_init(struct co *self, uint32_t quorum);

/* Move the floor of an origin over what is finished; tell it when it has become much. */
void acks_advance(struct acks *a, uint16_t origin);

/* Watch for signs of life of those whose relays keep half of an origin's window open. */
void acks_watch(struct acks *a);

static inline bool acks_finished(const struct acks *a, uint64_t ack)
{
    return (a->relayers & ~ack) == 0 && (uint32_t)__builtin_popcountll(ack) >= a->quorum;
}

/*
 * ack[m] := ack[m] ∪ {p}. Returns how many have relayed m now, if p is new among them: 1 when m is
 * seen for the first time, `quorum` when it is to be delivered; else 0. When the event is dealt
 * with, acks_done() lets the floor move.
 */
static inline uint32_t acks_add(struct acks *a, uint16_t p, struct flow_id id)
{
    struct acks_origin *o = &a->origin[id.origin];
    if (!flow_has_row(&a->co, &a->flow, id, o->floor))
        return 0;
    uint64_t *ack = &o->ack[id.number & a->mask], before = *ack;
    *ack = before | 1ull << p;
    if (before == 0) {
        if (id.number >= o->top)
            o->top = id.number + 1;
        if (unlikely(id.number - o->floor >= a->flow.window / 2))
            acks_watch(a);
    }
    return before == *ack ? 0 : (uint32_t)__builtin_popcountll(*ack);
}

static inline void acks_done(struct acks *a, struct flow_id id)
{
    struct acks_origin *o = &a->origin[id.origin];
    if (id.number == o->floor && acks_finished(a, o->ack[id.number & a->mask]))
        acks_advance(a, id.origin);
}

void acks_upon_timeout(struct co *self, const struct ev *ev, uint32_t n);
uint32_t acks_room(const struct co *self);
void acks_check(const struct co *self);
void acks_post(const struct co *self, struct co_post *p);
void acks_show(const struct co *self, struct view *v);

#endif
