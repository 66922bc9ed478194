/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Eager reliable broadcast.
 *
 * Abstraction   rb, reliable broadcast (CGR Module 3.2)
 *
 * Algorithm     eager (CGR Algorithm 3.3): deliver and relay what is seen for the first time
 *
 * Uses          beb
 *
 * Properties    RB1, RB2, RB3, RB4; not uniform: who delivers and crashes may be the only one
 *
 * Model         fail-silent; any number of crashes
 *
 * Space         per origin a floor and `store_msgs` bits: `delivered`. A message is finished the
 *               moment it is seen: the relay is with the links, which keep it until it has arrived.
 *               The origin's window (flow.h) sees to it that what comes has a bit.
 *
 * Differs       The origin does not relay its own message to itself a second time. Without P a
 *               silent process is given up in the end, as flow.h tells.
 */
#include "broadcast.h"
#include "flow.h"

struct origin {
    uint64_t floor;      /* all below is delivered */
    uint64_t told;       /* the floor that we last told */
    uint64_t ahead;      /* bits set */
    uint64_t *delivered; /* bit k mod store_msgs: number k ≥ floor is delivered */
};

struct rb_eager {
    struct co co;
    uint64_t mask;
    uint32_t tell_every; /* numbers between two tellings of a floor */
    struct flow flow;
    struct origin origin[];
};

static size_t words(const struct stack_conf *conf)
{
    return (conf->store_msgs + 63) / 64;
}

static size_t rb_eager_bytes(const struct stack_conf *conf)
{
    return sizeof(struct rb_eager) +
           conf->n * (sizeof(struct origin) + words(conf) * sizeof(uint64_t));
}

static void rb_eager_init(struct co *self)
{
    struct rb_eager *r = (struct rb_eager *)self;
    const struct stack_conf *conf = &self->st->conf;
    r->mask = conf->store_msgs - 1;
    r->tell_every = (conf->store_msgs + 3) / 4;
    flow_init(self, &r->flow);
    uint64_t *bits = (uint64_t *)&r->origin[conf->n];
    for (uint16_t s = 0; s < conf->n; s++)
        r->origin[s].delivered = bits + s * words(conf);
}

/* upon ⟨rb, Broadcast | m⟩ do trigger ⟨beb, Broadcast | [DATA, self, m]⟩ */
static void upon_rb_broadcast(struct co *self, const struct ev *ev, uint32_t n)
{
    struct rb_eager *r = (struct rb_eager *)self;
    flow_broadcast(self, &r->flow, self->use[0], ev, n);
    flow_watch(self, &r->flow);
}

/* Whether a number in the window is seen for the first time; marks it, and moves the floor. */
static bool first_time(struct rb_eager *r, struct origin *o, uint64_t number)
{
    if (likely(number == o->floor && o->ahead == 0)) { /* in order: no bit is touched */
        o->floor++;
        return true;
    }
    uint64_t at = number & r->mask;
    if (o->delivered[at / 64] >> at % 64 & 1)
        return false;
    o->delivered[at / 64] |= 1ull << at % 64;
    o->ahead++;
    while (o->ahead > 0) {
        at = o->floor & r->mask;
        if (!(o->delivered[at / 64] >> at % 64 & 1))
            break;
        o->delivered[at / 64] &= ~(1ull << at % 64);
        o->ahead--;
        o->floor++;
    }
    return true;
}

/* Our floor for an origin has moved: tell it when it has become much. */
static void advanced(struct rb_eager *r, uint16_t s)
{
    struct origin *o = &r->origin[s];
    if (s == r->co.st->self) {
        r->flow.floor[s] = o->floor;
    } else if (o->floor - o->told >= r->tell_every) {
        o->told = o->floor;
        flow_tell_floor(&r->co, r->co.use[0], s, o->floor);
    }
}

/* upon ⟨beb, Deliver | p, [DATA, s, m]⟩: if m ∉ delivered then
 * delivered := delivered ∪ {m}; trigger ⟨rb, Deliver | s, m⟩; relay */
static inline void data(struct rb_eager *r, const struct ev *e, struct flow_id id, struct msg m)
{
    struct origin *o = &r->origin[id.origin];
    if (!flow_has_row(&r->co, &r->flow, id, o->floor) || !first_time(r, o, id.number))
        return;
    indicate(&r->co, ev_make(EV_RB_DELIVER, id.origin, 0, 0, m));
    if (id.origin != r->co.st->self)
        trigger(r->co.use[0], ev_make(EV_BEB_BROADCAST, 0, 0, 0, ev_msg(e)));
    advanced(r, id.origin);
}

static void upon_beb_deliver(struct co *self, const struct ev *ev, uint32_t n)
{
    struct rb_eager *r = (struct rb_eager *)self;
    for (uint32_t i = 0; i < n; i++) {
        struct msg m = ev_msg(&ev[i]);
        struct flow_id id;
        r->flow.heard |= 1ull << ev[i].proc;
        if (unlikely(!flow_decode(self, &m, &id)))
            continue;
        if (likely(id.kind == FLOW_DATA))
            data(r, &ev[i], id, m);
        else if (id.origin == self->st->self)
            flow_told(self, &r->flow, ev[i].proc, id.number);
    }
}

static void upon_timeout(struct co *self, const struct ev *ev, uint32_t n)
{
    (void)ev, (void)n;
    flow_timeout(self, &((struct rb_eager *)self)->flow);
}

static uint32_t rb_eager_room(const struct co *self)
{
    uint32_t own = flow_room(&((const struct rb_eager *)self)->flow);
    uint32_t below = co_room(self->use[0]);
    return own < below ? own : below;
}

static void rb_eager_check(const struct co *self)
{
    const struct rb_eager *r = (const struct rb_eager *)self;
    flow_check(self, &r->flow);
    for (uint16_t s = 0; s < self->st->n; s++) {
        const struct origin *o = &r->origin[s];
        uint64_t at = o->floor & r->mask;
        assert(o->told <= o->floor && o->ahead <= r->mask);
        assert(!(o->delivered[at / 64] >> at % 64 & 1));
    }
    assert(r->origin[self->st->self].floor == r->flow.floor[self->st->self]);
}

static void rb_eager_show(const struct co *self, struct view *v)
{
    const struct rb_eager *r = (const struct rb_eager *)self;
    flow_show(self, &r->flow, v);
    for (uint16_t s = 0; s < self->st->n; s++) {
        const struct origin *o = &r->origin[s];
        view_group(v, "origin", s);
        view_u64(v, "floor", o->floor);
        view_u64(v, "told", o->told);
        if (o->ahead > 0)
            v->bytes(v, "delivered", o->delivered,
                     (uint32_t)(words(&self->st->conf) * sizeof(uint64_t)));
    }
}

static const struct co_upon upon[] = {{EV_RB_BROADCAST, upon_rb_broadcast},
                                      {EV_BEB_DELIVER, upon_beb_deliver},
                                      {EV_TIMER_TIMEOUT, upon_timeout},
                                      {EV_NONE, NULL}};

const struct co_class rb_eager_class = {
    .name = "rb_eager",
    .title = "eager reliable broadcast (CGR Algorithm 3.3)",
    .implements = ABS_RB,
    .uses = {ABS_BEB},
    .header_bytes = FLOW_HEADER_BYTES,
    .procs_max = PSET_PROCS,
    .bytes = rb_eager_bytes,
    .init = rb_eager_init,
    .upon = upon,
    .room = rb_eager_room,
    .check = rb_eager_check,
    .show = rb_eager_show,
    .tell = flow_tell,
};
