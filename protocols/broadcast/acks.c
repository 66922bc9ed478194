/* SPDX-License-Identifier: BSD-3-Clause */
/* The store of broadcasts in which everybody relays: acks.h says the rules. */
#include "acks.h"

size_t acks_bytes(const struct stack_conf *conf)
{
    return sizeof(struct acks) +
           conf->n * (sizeof(struct acks_origin) + conf->store_msgs * sizeof(uint64_t));
}

void acks_init(struct co *self, uint32_t quorum)
{
    struct acks *a = acks_of(self);
    const struct stack_conf *conf = &self->st->conf;
    flow_init(self, &a->flow);
    a->mask = conf->store_msgs - 1;
    a->relayers = flow_everybody(conf->n);
    a->quorum = quorum;
    a->tell_every = (a->flow.window + 3) / 4;
    uint64_t *rows = (uint64_t *)&a->origin[conf->n];
    for (uint16_t s = 0; s < conf->n; s++)
        a->origin[s].ack = rows + (size_t)s * conf->store_msgs;
}

void acks_advance(struct acks *a, uint16_t s)
{
    struct acks_origin *o = &a->origin[s];
    while (o->floor < o->top && acks_finished(a, o->ack[o->floor & a->mask]))
        o->ack[o->floor++ & a->mask] = 0;
    if (s == a->co.st->self) {
        a->flow.floor[s] = o->floor;
    } else if (o->floor - o->told >= a->tell_every) {
        o->told = o->floor;
        flow_tell_floor(&a->co, a->co.use[0], s, o->floor);
    }
}

/* Whose relay the oldest unfinished message of an origin lacks, where half of its window is open,
 * and whose floor keeps half of ours open. */
static uint64_t laggards(const struct acks *a)
{
    uint64_t late = flow_laggards(&a->co, &a->flow);
    for (uint16_t s = 0; s < a->co.st->n; s++) {
        const struct acks_origin *o = &a->origin[s];
        if (o->top - o->floor >= (a->flow.window + 1) / 2)
            late |= a->relayers & ~o->ack[o->floor & a->mask];
    }
    return late & ~(1ull << a->co.st->self);
}

void acks_watch(struct acks *a)
{
    if (!timer_armed(&a->flow.alarm) && a->co.st->conf.give_up_ns != UINT64_MAX)
        flow_watch(&a->co, &a->flow, laggards(a));
}

void acks_upon_timeout(struct co *self, const struct ev *ev, uint32_t n)
{
    (void)ev, (void)n;
    struct acks *a = acks_of(self);
    a->relayers &= ~flow_timeout(self, &a->flow, laggards(a));
    for (uint16_t s = 0; s < self->st->n; s++)
        acks_advance(a, s);
}

uint32_t acks_room(const struct co *self)
{
    uint32_t own = flow_room(&((const struct acks *)self)->flow);
    uint32_t below = co_room(self->use[0]);
    return own < below ? own : below;
}

void acks_check(const struct co *self)
{
    const struct acks *a = (const struct acks *)self;
    flow_check(self, &a->flow);
    for (uint16_t s = 0; s < self->st->n; s++) {
        const struct acks_origin *o = &a->origin[s];
        assert(o->told <= o->floor && o->floor <= o->top);
        assert(o->top - o->floor <= a->flow.window);
        if (o->top - o->floor <= a->mask)
            assert(o->ack[o->top & a->mask] == 0);
        if (o->floor < o->top)
            assert(!acks_finished(a, o->ack[o->floor & a->mask]));
    }
    assert(a->origin[self->st->self].floor == a->flow.floor[self->st->self]);
}

/* The oldest message of an origin that is not finished; undelivered ones, and our own, first. */
void acks_post(const struct co *self, struct co_post *p)
{
    const struct acks *a = (const struct acks *)self;
    uint64_t open = 0;
    int found = -1, worth = 0;
    for (uint16_t s = 0; s < self->st->n; s++) {
        const struct acks_origin *o = &a->origin[s];
        open += o->top - o->floor;
        if (o->floor == o->top)
            continue;
        uint32_t relayed = (uint32_t)__builtin_popcountll(o->ack[o->floor & a->mask]);
        int value = 1 + (s == self->st->self) + 2 * (relayed < a->quorum);
        if (value > worth) {
            worth = value;
            found = s;
        }
    }
    if (found >= 0) {
        const struct acks_origin *o = &a->origin[found];
        uint64_t ack = o->ack[o->floor & a->mask];
        bool delivered = (uint32_t)__builtin_popcountll(ack) >= a->quorum;
        post_wait(self, p,
                  (struct post_wait){.kind = delivered ? POST_ALL : POST_QUORUM,
                                     .open = open,
                                     .origin = (uint64_t)found,
                                     .oldest = o->floor,
                                     .have = ack,
                                     .missing =
                                         (delivered ? a->relayers : flow_everybody(self->st->n)) &
                                         ~ack,
                                     .need = delivered
                                                 ? (uint64_t)__builtin_popcountll(a->relayers | ack)
                                                 : a->quorum});
    }
    flow_post(self, &a->flow, p);
}

void acks_show(const struct co *self, struct view *v)
{
    const struct acks *a = (const struct acks *)self;
    flow_show(self, &a->flow, v);
    view_u64(v, "relayers", a->relayers);
    for (uint16_t s = 0; s < self->st->n; s++) {
        const struct acks_origin *o = &a->origin[s];
        view_group(v, "origin", s);
        view_u64(v, "floor", o->floor);
        view_u64(v, "told", o->told);
        view_u64(v, "top", o->top);
        for (uint64_t k = o->floor; k < o->top; k++)
            view_u64(v, "ack", o->ack[k & a->mask]);
    }
}
