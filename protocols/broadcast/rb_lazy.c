/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lazy reliable broadcast.
 *
 * Abstraction   rb, reliable broadcast (CGR Module 3.2)
 *
 * Algorithm     lazy (CGR Algorithm 3.2): keep what was delivered; relay the messages of an origin
 *               that has crashed
 *
 * Uses          beb, P
 *
 * Properties    RB1, RB2, RB3, RB4; not uniform: who delivers and crashes may be the only one
 *
 * Model         fail-stop; any number of crashes. A process that P fails to detect leaves RB4 open:
 *               who delivered what its origin sent to some only would never relay it. So does one
 *               that P suspects falsely, for longer than the window lasts: nobody keeps what it
 *               still lacks. (In the textbook, whose memory has no bound, that is harmless.)
 *
 * Space         per origin a floor of each process, and 2 × `store_msgs` rows of 16 bytes, of which
 *               `store_msgs` at most hold a message between two breaths: `from[s]`, as far as it is
 *               needed. The book keeps it for ever. A message may go once all correct processes
 *               have delivered it, since a relay would then tell nobody anything: when each
 *               process that P has not detected has told a floor above it; or, which proves the
 *               same, when a message `store_msgs` later has come, since its origin waited for those
 *               floors (flow.h). Nothing is lost by this: there is no message beyond the window.
 *               Floors are told often enough that each process keeps some hundred messages of
 *               an origin as a rule.
 *
 * Differs       Floors are told; messages that nobody lacks are forgotten. What a crash makes us
 *               relay goes out in portions that the link has room for.
 */
#include "broadcast.h"
#include "flow.h"

#define PORTION_MSGS 256 /* relayed in one breath because of a crash */

struct row {
    struct rte_mbuf *seg; /* the message with our header, for a relay; NULL: not here */
    uint16_t off;
    uint16_t len;
};
static_assert(sizeof(struct row) == 16, "the header comment says so");

struct origin {
    uint64_t low;   /* all below is delivered by everybody correct, and forgotten */
    uint64_t floor; /* all below is delivered here */
    uint64_t top;   /* none from here on was seen */
    uint64_t told;  /* the floor that we last told */
    uint64_t relay; /* it has crashed: [relay, relay_end) is still to be relayed */
    uint64_t relay_end;
    uint64_t *floors; /* of each process, as it told */
    struct row *row;  /* of number k at k mod 2 × store_msgs */
};

struct rb_lazy {
    struct co co;
    uint64_t mask;
    uint64_t correct;
    uint64_t relaying;   /* origins with something still to be relayed */
    uint64_t changed;    /* origins whose messages may have become stable */
    uint32_t tell_every; /* numbers between two tellings of a floor */
    struct timer alarm;  /* the next portion */
    struct flow flow;
    struct origin origin[];
};

static size_t origin_bytes(const struct stack_conf *conf)
{
    return sizeof(struct origin) + conf->n * sizeof(uint64_t) +
           2 * (size_t)conf->store_msgs * sizeof(struct row);
}

static size_t rb_lazy_bytes(const struct stack_conf *conf)
{
    return sizeof(struct rb_lazy) + conf->n * origin_bytes(conf);
}

static void rb_lazy_init(struct co *self)
{
    struct rb_lazy *l = (struct rb_lazy *)self;
    const struct stack_conf *conf = &self->st->conf;
    l->mask = 2 * (uint64_t)conf->store_msgs - 1;
    l->correct = flow_everybody(conf->n);
    flow_init(self, &l->flow);
    /* Each process tells n others: one part in 32 of what the messages themselves cost. */
    l->tell_every = 32u * conf->n;
    if (l->tell_every > (l->flow.window + 3) / 4)
        l->tell_every = (l->flow.window + 3) / 4;
    struct row *rows = (struct row *)&l->origin[conf->n];
    uint64_t *floors = (uint64_t *)(rows + 2 * (size_t)conf->store_msgs * conf->n);
    for (uint16_t s = 0; s < conf->n; s++) {
        l->origin[s].row = rows + 2 * (size_t)conf->store_msgs * s;
        l->origin[s].floors = floors + (size_t)conf->n * s;
    }
}

/* upon ⟨rb, Broadcast | m⟩ do trigger ⟨beb, Broadcast | [DATA, self, m]⟩ */
static void upon_rb_broadcast(struct co *self, const struct ev *ev, uint32_t n)
{
    flow_broadcast(self, &((struct rb_lazy *)self)->flow, self->use[0], ev, n);
}

static void change(struct rb_lazy *l, uint64_t origins)
{
    l->changed |= origins;
    co_dirty(&l->co);
}

/*
 * Tell our floor for an origin when it has become much; but not a window beyond what we have heard
 * from the slowest. Then who cannot hear us holds up the origin, by its own floor, before what we
 * have told in vain fills our link to it.
 */
static void tell(struct rb_lazy *l, uint16_t s)
{
    struct origin *o = &l->origin[s];
    if (o->floor - o->told < l->tell_every ||
        o->floor > flow_lowest(o->floors, l->correct) + l->flow.window)
        return;
    o->told = o->floor;
    flow_tell_floor(&l->co, l->co.use[0], s, o->floor);
}

/* Move the floor of an origin over what is here without a gap. */
static void advance(struct rb_lazy *l, uint16_t s)
{
    struct origin *o = &l->origin[s];
    while (o->floor < o->top && o->row[o->floor & l->mask].seg != NULL)
        o->floor++;
    uint16_t self = l->co.st->self;
    o->floors[self] = o->floor;
    if (s == self)
        l->flow.floor[s] = o->floor;
    tell(l, s);
}

/*
 * upon ⟨beb, Deliver | p, [DATA, s, m]⟩: if m ∉ from[s] then
 * trigger ⟨rb, Deliver | s, m⟩; from[s] := from[s] ∪ {m}; if s ∉ correct then relay
 */
static inline void data(struct rb_lazy *l, const struct ev *e, struct flow_id id, struct msg m)
{
    struct origin *o = &l->origin[id.origin];
    if (!flow_has_row(&l->co, &l->flow, id, o->floor))
        return;
    if (unlikely(id.number - o->low > l->mask)) {
        co_count(&l->co, COUNT_drop_early, 1);
        return;
    }
    struct row *r = &o->row[id.number & l->mask];
    if (r->seg != NULL)
        return;
    *r = (struct row){e->seg, e->off, e->len};
    msg_hold(ev_msg(e));
    if (id.number >= o->top)
        o->top = id.number + 1;
    indicate(&l->co, ev_make(EV_RB_DELIVER, id.origin, 0, 0, m));
    if (unlikely(!(l->correct >> id.origin & 1)))
        trigger(l->co.use[0], ev_make(EV_BEB_BROADCAST, 0, 0, 0, ev_msg(e)));
    if (id.number == o->floor)
        advance(l, id.origin);
    change(l, 1ull << id.origin);
}

/* upon ⟨beb, Deliver | p, [FLOOR, s, floor]⟩ */
static void told(struct rb_lazy *l, uint16_t p, struct flow_id id)
{
    struct origin *o = &l->origin[id.origin];
    if (id.origin == l->co.st->self)
        flow_told(&l->co, &l->flow, p, id.number);
    if (p != l->co.st->self && id.number > o->floors[p]) {
        o->floors[p] = id.number;
        change(l, 1ull << id.origin);
        tell(l, id.origin);
    }
}

static void upon_beb_deliver(struct co *self, const struct ev *ev, uint32_t n)
{
    struct rb_lazy *l = (struct rb_lazy *)self;
    for (uint32_t i = 0; i < n; i++) {
        struct msg m = ev_msg(&ev[i]);
        struct flow_id id;
        if (unlikely(!flow_decode(self, &m, &id)))
            continue;
        if (likely(id.kind == FLOW_DATA))
            data(l, &ev[i], id, m);
        else
            told(l, ev[i].proc, id);
    }
}

/* ---- crashes --------------------------------------------------------------------------------- */

/* Relay what is due of crashed origins, as much as the link takes. */
static void relay_portion(struct rb_lazy *l)
{
    uint32_t left = co_room(l->co.use[0]);
    if (left > PORTION_MSGS)
        left = PORTION_MSGS;
    for (uint64_t set = l->relaying; set != 0; set &= set - 1) {
        int s = __builtin_ctzll(set);
        struct origin *o = &l->origin[s];
        if (o->relay < o->low)
            o->relay = o->low;
        for (; o->relay < o->relay_end && left > 0; o->relay++) {
            const struct row *r = &o->row[o->relay & l->mask];
            if (r->seg == NULL)
                continue; /* not here yet: relayed when it comes */
            trigger(l->co.use[0],
                    ev_make(EV_BEB_BROADCAST, 0, 0, 0, (struct msg){r->seg, r->off, r->len}));
            left--;
        }
        if (o->relay >= o->relay_end)
            l->relaying &= ~(1ull << s);
    }
    if (l->relaying != 0)
        co_timer(&l->co, &l->alarm, l->co.st->conf.ack_delay_ns, 0);
}

/* upon ⟨P, Crash | p⟩ do correct := correct \ {p}; forall m ∈ from[p]: relay m */
static void upon_p_crash(struct co *self, const struct ev *ev, uint32_t n)
{
    struct rb_lazy *l = (struct rb_lazy *)self;
    for (uint32_t i = 0; i < n; i++) {
        uint16_t p = ev[i].proc;
        if (p == self->st->self || !(l->correct >> p & 1))
            continue;
        l->correct &= ~(1ull << p);
        flow_crashed(&l->flow, p);
        l->origin[p].relay = l->origin[p].low;
        l->origin[p].relay_end = l->origin[p].top;
        l->relaying |= 1ull << p;
    }
    for (uint16_t s = 0; s < self->st->n; s++)
        tell(l, s);
    change(l, flow_everybody(self->st->n));
    if (!timer_armed(&l->alarm))
        relay_portion(l);
}

static void upon_timeout(struct co *self, const struct ev *ev, uint32_t n)
{
    (void)ev, (void)n;
    relay_portion((struct rb_lazy *)self);
}

/* ---- forgetting ------------------------------------------------------------------------------ */

/* Release the messages below `end`. */
static void forget(struct rb_lazy *l, struct origin *o, uint64_t end)
{
    struct msg_refs refs = {NULL, 0};
    for (; o->low < end; o->low++) {
        struct row *r = &o->row[o->low & l->mask];
        if (r->seg != NULL)
            msg_refs_release(&refs, r->seg);
        r->seg = NULL;
    }
    msg_refs_release_flush(&refs);
}

/* At the end of the breath, when no event refers to a message any more. */
static void rb_lazy_flush(struct co *self)
{
    struct rb_lazy *l = (struct rb_lazy *)self;
    for (uint64_t set = l->changed; set != 0; set &= set - 1) {
        struct origin *o = &l->origin[__builtin_ctzll(set)];
        uint64_t stable = flow_lowest(o->floors, l->correct);
        if (o->top > l->flow.window && o->top - l->flow.window > stable)
            stable = o->top - l->flow.window;
        forget(l, o, stable);
    }
    l->changed = 0;
}

static void rb_lazy_fini(struct co *self)
{
    struct rb_lazy *l = (struct rb_lazy *)self;
    for (uint16_t s = 0; s < self->st->n; s++)
        forget(l, &l->origin[s], l->origin[s].top);
}

/* ---- the rest -------------------------------------------------------------------------------- */

static uint32_t rb_lazy_room(const struct co *self)
{
    uint32_t own = flow_room(&((const struct rb_lazy *)self)->flow);
    uint32_t below = co_room(self->use[0]);
    return own < below ? own : below;
}

static void rb_lazy_check(const struct co *self)
{
    const struct rb_lazy *l = (const struct rb_lazy *)self;
    flow_check(self, &l->flow);
    for (uint16_t s = 0; s < self->st->n; s++) {
        const struct origin *o = &l->origin[s];
        assert(o->told <= o->floor && o->low <= o->floor && o->floor <= o->top);
        assert(o->top - o->low <= l->flow.window);
        assert(o->floors[self->st->self] == o->floor);
        for (uint64_t k = o->low; k < o->floor; k++)
            assert(o->row[k & l->mask].seg != NULL);
        if (o->floor < o->top)
            assert(o->row[o->floor & l->mask].seg == NULL);
    }
    assert(l->origin[self->st->self].floor == l->flow.floor[self->st->self]);
}

static void rb_lazy_show(const struct co *self, struct view *v)
{
    const struct rb_lazy *l = (const struct rb_lazy *)self;
    flow_show(self, &l->flow, v);
    view_u64(v, "correct", l->correct);
    view_u64(v, "relaying", l->relaying);
    for (uint16_t s = 0; s < self->st->n; s++) {
        const struct origin *o = &l->origin[s];
        view_group(v, "origin", s);
        view_u64(v, "low", o->low);
        view_u64(v, "floor", o->floor);
        view_u64(v, "told", o->told);
        view_u64(v, "top", o->top);
        if (l->relaying >> s & 1) {
            view_u64(v, "relay", o->relay);
            view_u64(v, "relay_end", o->relay_end);
        }
        for (uint16_t p = 0; p < self->st->n; p++)
            view_u64(v, "floors", o->floors[p]);
        for (uint64_t k = o->low; k < o->top; k++) {
            const struct row *r = &o->row[k & l->mask];
            view_msg(v, "from", (struct msg){r->seg, r->off, r->len});
        }
    }
}

static void rb_lazy_post(const struct co *self, struct co_post *p)
{
    flow_post(self, &((const struct rb_lazy *)self)->flow, p);
}

static co_upon_fn *const upon[EV_TYPES] = {[EV_RB_BROADCAST] = upon_rb_broadcast,
                                           [EV_BEB_DELIVER] = upon_beb_deliver,
                                           [EV_P_CRASH] = upon_p_crash,
                                           [EV_TIMER_TIMEOUT] = upon_timeout};

const struct co_class rb_lazy_class = {
    .name = "rb_lazy",
    .title = "lazy reliable broadcast (CGR Algorithm 3.2)",
    .implements = ABS_RB,
    .uses = {ABS_BEB, ABS_P},
    .accurate = "RB4",
    .header_bytes = FLOW_HEADER_BYTES,
    .procs_max = PSET_PROCS,
    .bytes = rb_lazy_bytes,
    .init = rb_lazy_init,
    .upon = upon,
    .room = rb_lazy_room,
    .unasked = flow_unasked,
    .flush = rb_lazy_flush,
    .fini = rb_lazy_fini,
    .check = rb_lazy_check,
    .show = rb_lazy_show,
    .post = rb_lazy_post,
    .tell = flow_tell,
};
