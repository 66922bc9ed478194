/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * All-ack uniform reliable broadcast.
 *
 * Abstraction   urb, uniform reliable broadcast (CGR Module 3.3)
 *
 * Algorithm     all-ack (CGR Algorithm 3.4): everybody relays what it sees for the first time;
 *               deliver when all processes that have not crashed have relayed
 *
 * Uses          beb, P
 *
 * Properties    URB1, URB2, URB3, URB4
 *
 * Model         fail-stop; any number of crashes. URB4 rests on P's accuracy: nobody waits for who
 *               is suspected.
 *
 * Space         per origin `store_msgs` rows of 24 bytes, and as many messages at most: `pending`
 *               keeps a message until it is delivered, since the one thing that is missing may be
 *               ⟨P, Crash⟩, which brings no copy. A row is free again as soon as its message, and
 *               all before it, is delivered here: our own relay is with the links by then. The
 *               origin's window (flow.h), which waits for whom P has not detected, sees to it that
 *               what comes has a row.
 *
 * Differs       The copy that completes ack[m] is the one that is delivered. What a crash makes
 *               deliverable is delivered from the store in portions, one a breath, so that it
 *               cannot flood the inboxes above.
 */
#include "broadcast.h"
#include "flow.h"

#define PORTION_MSGS 256 /* delivered in one breath because of a crash */

struct row {
    uint64_t ack;         /* who relayed it; 0: not seen */
    struct rte_mbuf *seg; /* pending: the message without our header */
    uint16_t off;
    uint16_t len;
    bool delivered;
};
static_assert(sizeof(struct row) == 24, "the header comment says so");

struct origin {
    uint64_t floor; /* all below is delivered */
    uint64_t top;   /* none from here on was seen */
    uint64_t told;  /* the floor that we last told */
    struct row *row;
};

struct urb_all_ack {
    struct co co;
    uint64_t mask;
    uint64_t correct;
    uint32_t tell_every; /* numbers between two tellings of a floor */
    struct timer alarm;  /* the next portion */
    struct flow flow;
    struct origin origin[];
};

static size_t urb_all_ack_bytes(const struct stack_conf *conf)
{
    return sizeof(struct urb_all_ack) +
           conf->n * (sizeof(struct origin) + conf->store_msgs * sizeof(struct row));
}

static void urb_all_ack_init(struct co *self)
{
    struct urb_all_ack *u = (struct urb_all_ack *)self;
    const struct stack_conf *conf = &self->st->conf;
    u->mask = conf->store_msgs - 1;
    u->correct = flow_everybody(conf->n);
    flow_init(self, &u->flow);
    u->tell_every = (u->flow.window + 3) / 4;
    struct row *rows = (struct row *)&u->origin[conf->n];
    for (uint16_t s = 0; s < conf->n; s++)
        u->origin[s].row = rows + (size_t)s * conf->store_msgs;
}

/* upon ⟨urb, Broadcast | m⟩ do trigger ⟨beb, Broadcast | [DATA, self, m]⟩ */
static void upon_urb_broadcast(struct co *self, const struct ev *ev, uint32_t n)
{
    flow_broadcast(self, &((struct urb_all_ack *)self)->flow, self->use[0], ev, n);
}

/* candeliver(m): correct ⊆ ack[m] */
static bool can_deliver(const struct urb_all_ack *u, const struct row *r)
{
    return (u->correct & ~r->ack) == 0 && !r->delivered;
}

static void release(struct row *r)
{
    msg_release((struct msg){r->seg, r->off, r->len});
    r->seg = NULL;
}

/* Free the rows of what is delivered without a gap; tell the origin when it has become much. */
static void advance(struct urb_all_ack *u, uint16_t s)
{
    struct origin *o = &u->origin[s];
    while (o->floor < o->top) {
        struct row *r = &o->row[o->floor & u->mask];
        if (!r->delivered || r->seg != NULL)
            break;
        *r = (struct row){0};
        o->floor++;
    }
    if (s == u->co.st->self) {
        u->flow.floor[s] = o->floor;
    } else if (o->floor - o->told >= u->tell_every) {
        o->told = o->floor;
        flow_tell_floor(&u->co, u->co.use[0], s, o->floor);
    }
}

/*
 * upon ⟨beb, Deliver | p, [DATA, s, m]⟩ do ack[m] := ack[m] ∪ {p}; if not pending then
 * pending := pending ∪ {(s, m)}, relay; if candeliver(m): trigger ⟨urb, Deliver | s, m⟩
 */
static inline void data(struct urb_all_ack *u, const struct ev *e, struct flow_id id, struct msg m)
{
    struct origin *o = &u->origin[id.origin];
    if (!flow_has_row(&u->co, &u->flow, id, o->floor))
        return;
    struct row *r = &o->row[id.number & u->mask];
    if (r->ack == 0) {
        if (id.number >= o->top)
            o->top = id.number + 1;
        if (id.origin != u->co.st->self) /* our own was broadcast when it was asked for */
            trigger(u->co.use[0], ev_make(EV_BEB_BROADCAST, 0, 0, 0, ev_msg(e)));
        r->seg = m.seg;
        r->off = m.off;
        r->len = m.len;
        msg_hold(m);
    }
    r->ack |= 1ull << e->proc;
    if (can_deliver(u, r)) {
        r->delivered = true;
        release(r); /* no event refers to it: those of the breath that brought it are gone, or it
                       is this breath's, whose packets live on until the end */
        indicate(&u->co, ev_make(EV_URB_DELIVER, id.origin, 0, 0, m));
        if (id.number == o->floor)
            advance(u, id.origin);
    }
}

static void upon_beb_deliver(struct co *self, const struct ev *ev, uint32_t n)
{
    struct urb_all_ack *u = (struct urb_all_ack *)self;
    for (uint32_t i = 0; i < n; i++) {
        struct msg m = ev_msg(&ev[i]);
        struct flow_id id;
        if (unlikely(!flow_decode(self, &m, &id)))
            continue;
        if (likely(id.kind == FLOW_DATA))
            data(u, &ev[i], id, m);
        else if (id.origin == self->st->self)
            flow_told(self, &u->flow, ev[i].proc, id.number);
    }
}

/* ---- crashes --------------------------------------------------------------------------------- */

/*
 * exists (s, m) ∈ pending such that candeliver(m): deliver a portion of them. Their messages are
 * released with the next portion, when no event of this breath refers to them any more.
 */
static void deliver_portion(struct urb_all_ack *u)
{
    uint32_t delivered = 0;
    for (uint16_t s = 0; s < u->co.st->n; s++) {
        struct origin *o = &u->origin[s];
        for (uint64_t k = o->floor; k < o->top; k++) {
            struct row *r = &o->row[k & u->mask];
            if (r->delivered && r->seg != NULL) {
                release(r);
            } else if (r->ack != 0 && delivered < PORTION_MSGS && can_deliver(u, r)) {
                r->delivered = true;
                delivered++;
                indicate(&u->co,
                         ev_make(EV_URB_DELIVER, s, 0, 0, (struct msg){r->seg, r->off, r->len}));
            }
        }
        advance(u, s);
    }
    if (delivered > 0)
        co_timer(&u->co, &u->alarm, 0, 0);
}

/* upon ⟨P, Crash | p⟩ do correct := correct \ {p} */
static void upon_p_crash(struct co *self, const struct ev *ev, uint32_t n)
{
    struct urb_all_ack *u = (struct urb_all_ack *)self;
    for (uint32_t i = 0; i < n; i++) {
        if (ev[i].proc == self->st->self)
            continue;
        u->correct &= ~(1ull << ev[i].proc);
        flow_crashed(&u->flow, ev[i].proc);
    }
    if (!timer_armed(&u->alarm))
        deliver_portion(u);
}

static void upon_timeout(struct co *self, const struct ev *ev, uint32_t n)
{
    (void)ev, (void)n;
    deliver_portion((struct urb_all_ack *)self);
}

/* ---- the rest -------------------------------------------------------------------------------- */

static uint32_t urb_all_ack_room(const struct co *self)
{
    uint32_t own = flow_room(&((const struct urb_all_ack *)self)->flow);
    uint32_t below = co_room(self->use[0]);
    return own < below ? own : below;
}

static void urb_all_ack_fini(struct co *self)
{
    struct urb_all_ack *u = (struct urb_all_ack *)self;
    for (uint16_t s = 0; s < self->st->n; s++)
        for (uint64_t k = u->origin[s].floor; k < u->origin[s].top; k++)
            if (u->origin[s].row[k & u->mask].seg != NULL)
                release(&u->origin[s].row[k & u->mask]);
}

static void urb_all_ack_check(const struct co *self)
{
    const struct urb_all_ack *u = (const struct urb_all_ack *)self;
    flow_check(self, &u->flow);
    assert((u->flow.waited & ~u->correct) == 0);
    for (uint16_t s = 0; s < self->st->n; s++) {
        const struct origin *o = &u->origin[s];
        assert(o->told <= o->floor && o->floor <= o->top && o->top - o->floor <= u->mask + 1);
        if (o->floor < o->top) {
            const struct row *r = &o->row[o->floor & u->mask];
            assert(!r->delivered || r->seg != NULL);
        }
        for (uint64_t k = o->floor; k < o->top; k++) {
            const struct row *r = &o->row[k & u->mask];
            assert((r->ack == 0) == (r->seg == NULL && !r->delivered));
        }
    }
    assert(u->origin[self->st->self].floor == u->flow.floor[self->st->self]);
}

static void urb_all_ack_show(const struct co *self, struct view *v)
{
    const struct urb_all_ack *u = (const struct urb_all_ack *)self;
    flow_show(self, &u->flow, v);
    view_u64(v, "correct", u->correct);
    for (uint16_t s = 0; s < self->st->n; s++) {
        const struct origin *o = &u->origin[s];
        view_group(v, "origin", s);
        view_u64(v, "floor", o->floor);
        view_u64(v, "told", o->told);
        view_u64(v, "top", o->top);
        for (uint64_t k = o->floor; k < o->top; k++) {
            const struct row *r = &o->row[k & u->mask];
            view_u64(v, "ack", r->ack);
            view_u64(v, "delivered", r->delivered);
            view_msg(v, "pending", (struct msg){r->seg, r->off, r->len});
        }
    }
}

static void urb_all_ack_post(const struct co *self, struct co_post *p)
{
    const struct urb_all_ack *u = (const struct urb_all_ack *)self;
    uint64_t open = 0;
    int found = -1;
    for (uint16_t s = 0; s < self->st->n; s++) {
        const struct origin *o = &u->origin[s];
        open += o->top - o->floor;
        if (o->floor < o->top && (found < 0 || s == self->st->self))
            found = s;
    }
    if (found >= 0) {
        const struct origin *o = &u->origin[found];
        uint64_t ack = o->row[o->floor & u->mask].ack;
        post_wait(self, p,
                  (struct post_wait){.kind = POST_ALL,
                                     .open = open,
                                     .origin = (uint64_t)found,
                                     .oldest = o->floor,
                                     .have = ack,
                                     .missing = u->correct & ~ack,
                                     .need = (uint64_t)__builtin_popcountll(u->correct)});
    }
    flow_post(self, &u->flow, p);
}

static co_upon_fn *const upon[EV_TYPES] = {[EV_URB_BROADCAST] = upon_urb_broadcast,
                                           [EV_BEB_DELIVER] = upon_beb_deliver,
                                           [EV_P_CRASH] = upon_p_crash,
                                           [EV_TIMER_TIMEOUT] = upon_timeout};

const struct co_class urb_all_ack_class = {
    .name = "urb_all_ack",
    .title = "all-ack uniform reliable broadcast (CGR Algorithm 3.4)",
    .implements = ABS_URB,
    .uses = {ABS_BEB, ABS_P},
    .accurate = "URB4",
    .header_bytes = FLOW_HEADER_BYTES,
    .procs_max = PSET_PROCS,
    .bytes = urb_all_ack_bytes,
    .init = urb_all_ack_init,
    .upon = upon,
    .room = urb_all_ack_room,
    .unasked = flow_unasked,
    .fini = urb_all_ack_fini,
    .check = urb_all_ack_check,
    .show = urb_all_ack_show,
    .post = urb_all_ack_post,
    .tell = flow_tell,
};
