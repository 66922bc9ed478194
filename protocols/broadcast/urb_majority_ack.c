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
 * Space         per origin `store_msgs` rows of 8 bytes: the set of those who relayed. No message is
 *               kept. A row is free again as soon as its message, and all before it, is delivered
 *               here. That is safe: what remains to be done for the others is our own relay, and it
 *               was handed to perfect links to all of them before a majority could be complete;
 *               each of them reaches its majority from the relays of the correct ones, none of which
 *               depends on our row. Late relays fall below the floor and are ignored. The origin's
 *               window (flow.h) sees to it that what comes above the floor has a row.
 *
 * Differs       `pending` is not stored: the copy that completes the majority carries the message,
 *               and all copies of one name are equal, since processes crash but do not lie. Nothing
 *               can become deliverable without a copy that arrives, so none has to wait in store.
 *               Without P a silent process is given up in the end, as flow.h tells.
 */
#include "broadcast.h"
#include "flow.h"

struct origin {
    uint64_t floor; /* all below is delivered */
    uint64_t top;   /* none from here on was seen */
    uint64_t told;  /* the floor that we last told */
    uint64_t *ack;  /* of number k at k mod store_msgs: who relayed it */
};

struct urb_majority_ack {
    struct co co;
    uint64_t mask;
    int majority;
    uint32_t tell_every; /* numbers between two tellings of a floor */
    struct flow flow;
    struct origin origin[];
};

static size_t urb_majority_ack_bytes(const struct stack_conf *conf)
{
    return sizeof(struct urb_majority_ack) +
           conf->n * (sizeof(struct origin) + conf->store_msgs * sizeof(uint64_t));
}

static void urb_majority_ack_init(struct co *self)
{
    struct urb_majority_ack *u = (struct urb_majority_ack *)self;
    const struct stack_conf *conf = &self->st->conf;
    u->mask = conf->store_msgs - 1;
    u->majority = conf->n / 2 + 1;
    u->tell_every = (conf->store_msgs + 3) / 4;
    flow_init(self, &u->flow);
    uint64_t *rows = (uint64_t *)&u->origin[conf->n];
    for (uint16_t s = 0; s < conf->n; s++)
        u->origin[s].ack = rows + (size_t)s * conf->store_msgs;
}

/* upon ⟨urb, Broadcast | m⟩ do trigger ⟨beb, Broadcast | [DATA, self, m]⟩ */
static void upon_urb_broadcast(struct co *self, const struct ev *ev, uint32_t n)
{
    struct urb_majority_ack *u = (struct urb_majority_ack *)self;
    flow_broadcast(self, &u->flow, self->use[0], ev, n);
    flow_watch(self, &u->flow);
}

static bool majority_acked(const struct urb_majority_ack *u, uint64_t ack)
{
    return __builtin_popcountll(ack) >= u->majority;
}

/* Free the rows of what is delivered without a gap; tell the origin when it has become much. */
static void advance(struct urb_majority_ack *u, uint16_t s)
{
    struct origin *o = &u->origin[s];
    while (o->floor < o->top && majority_acked(u, o->ack[o->floor & u->mask]))
        o->ack[o->floor++ & u->mask] = 0;
    if (s == u->co.st->self) {
        u->flow.floor[s] = o->floor;
    } else if (o->floor - o->told >= u->tell_every) {
        o->told = o->floor;
        flow_tell_floor(&u->co, u->co.use[0], s, o->floor);
    }
}

/*
 * upon ⟨beb, Deliver | p, [DATA, s, m]⟩ do ack[m] := ack[m] ∪ {p}; if not seen before then relay;
 * exists (s, m) not delivered, #(ack[m]) > N/2: trigger ⟨urb, Deliver | s, m⟩
 */
static inline void data(struct urb_majority_ack *u, const struct ev *e, struct flow_id id,
                        struct msg m)
{
    struct origin *o = &u->origin[id.origin];
    if (!flow_has_row(&u->co, &u->flow, id, o->floor))
        return;
    uint64_t *row = &o->ack[id.number & u->mask];
    uint64_t before = *row, ack = before | 1ull << e->proc;
    *row = ack;
    if (before == 0) {
        if (id.number >= o->top)
            o->top = id.number + 1;
        if (id.origin != u->co.st->self) /* our own was broadcast when it was asked for */
            trigger(u->co.use[0], ev_make(EV_BEB_BROADCAST, 0, 0, 0, ev_msg(e)));
    }
    /* It grows by one: it becomes a majority once. */
    if (ack != before && __builtin_popcountll(ack) == u->majority) {
        indicate(&u->co, ev_make(EV_URB_DELIVER, id.origin, 0, 0, m));
        if (id.number == o->floor)
            advance(u, id.origin);
    }
}

static void upon_beb_deliver(struct co *self, const struct ev *ev, uint32_t n)
{
    struct urb_majority_ack *u = (struct urb_majority_ack *)self;
    for (uint32_t i = 0; i < n; i++) {
        struct msg m = ev_msg(&ev[i]);
        struct flow_id id;
        u->flow.heard |= 1ull << ev[i].proc;
        if (unlikely(!flow_decode(self, &m, &id)))
            continue;
        if (likely(id.kind == FLOW_DATA))
            data(u, &ev[i], id, m);
        else if (id.origin == self->st->self)
            flow_told(self, &u->flow, ev[i].proc, id.number);
    }
}

static void upon_timeout(struct co *self, const struct ev *ev, uint32_t n)
{
    (void)ev, (void)n;
    flow_timeout(self, &((struct urb_majority_ack *)self)->flow);
}

static uint32_t urb_majority_ack_room(const struct co *self)
{
    uint32_t own = flow_room(&((const struct urb_majority_ack *)self)->flow);
    uint32_t below = co_room(self->use[0]);
    return own < below ? own : below;
}

static void urb_majority_ack_check(const struct co *self)
{
    const struct urb_majority_ack *u = (const struct urb_majority_ack *)self;
    flow_check(self, &u->flow);
    for (uint16_t s = 0; s < self->st->n; s++) {
        const struct origin *o = &u->origin[s];
        assert(o->told <= o->floor && o->floor <= o->top && o->top - o->floor <= u->mask + 1);
        if (o->top - o->floor <= u->mask)
            assert(o->ack[o->top & u->mask] == 0);
        if (o->floor < o->top)
            assert(!majority_acked(u, o->ack[o->floor & u->mask]));
    }
    assert(u->origin[self->st->self].floor == u->flow.floor[self->st->self]);
}

static void urb_majority_ack_show(const struct co *self, struct view *v)
{
    const struct urb_majority_ack *u = (const struct urb_majority_ack *)self;
    flow_show(self, &u->flow, v);
    for (uint16_t s = 0; s < self->st->n; s++) {
        const struct origin *o = &u->origin[s];
        view_group(v, "origin", s);
        view_u64(v, "floor", o->floor);
        view_u64(v, "told", o->told);
        view_u64(v, "top", o->top);
        for (uint64_t k = o->floor; k < o->top; k++)
            view_u64(v, "ack", o->ack[k & u->mask]);
    }
}

static const struct co_upon upon[] = {{EV_URB_BROADCAST, upon_urb_broadcast},
                                      {EV_BEB_DELIVER, upon_beb_deliver},
                                      {EV_TIMER_TIMEOUT, upon_timeout},
                                      {EV_NONE, NULL}};

const struct co_class urb_majority_ack_class = {
    .name = "urb_majority_ack",
    .title = "majority-ack uniform reliable broadcast (CGR Algorithm 3.5)",
    .implements = ABS_URB,
    .majority = true,
    .uses = {ABS_BEB},
    .header_bytes = FLOW_HEADER_BYTES,
    .procs_max = PSET_PROCS,
    .bytes = urb_majority_ack_bytes,
    .init = urb_majority_ack_init,
    .upon = upon,
    .room = urb_majority_ack_room,
    .check = urb_majority_ack_check,
    .show = urb_majority_ack_show,
    .tell = flow_tell,
};
