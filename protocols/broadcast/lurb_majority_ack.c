/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Logged majority-ack uniform reliable broadcast.
 *
 * Abstraction   lurb, logged uniform reliable broadcast (CGR Module 3.7)
 *
 * Algorithm     logged majority-ack (CGR Algorithm 3.8): a message is stored as `pending` before it
 *               is relayed; relays go to everybody, stubbornly; who knows that a majority has stored
 *               it stores it as delivered, and then delivers it
 *
 * Uses          sbeb; fll (for telling what is delivered, only); log
 *
 * Properties    LURB1, LURB2, LURB3, LURB4
 *
 * Model         crash-recovery; a majority of correct processes: such that are up for ever in the end
 *
 * Space         per origin a window of numbers, W: a power of two up to min(`ring_msgs` / 4,
 *               `store_msgs` / 8) / n; as many messages, and sl keeps a copy for each process that
 *               has not delivered it. `store_msgs` / 4 log-deliveries that the layer above has not
 *               released. On the disk: as much, and what was appended since the last compaction.
 *
 * Differs       - Each process tells, per origin, below which number it has delivered all
 *                 ([STORED s k]): everybody when it has risen, and whoever relays something to it;
 *                 and with it below which number it knows that everybody has.
 *                 Relays to a process are forgotten when it has told so, in the order of relaying;
 *                 what keeps too many behind it is relayed anew, as the last. A row is free when all
 *                 have told so. An origin goes no further than W numbers beyond the least that it
 *                 was told; what comes and has no row yet is dropped, since it comes again.
 *               - Nobody is given up: who is down may come back, and then is to deliver all. While it
 *                 is down, origins stop when their windows are used up.
 *               - The book rewrites the variable `pending`; here a record is one message. The record
 *                 of a log-delivery names the message, whose payload lies in the record that made it
 *                 pending; a compaction stores it whole.
 *               - Numbers of an origin go on through its lives, since no message leaves before its
 *                 record is stored: an id is never used for two messages that anybody has seen.
 *
 * Why nothing delivered is lost: who delivers knows that a majority has stored the message as
 * pending, and so some correct process has. It relays it for ever, through all its lives, to whoever
 * does not say that it has delivered it, which is said only when that is stored.
 */
#include "broadcast.h"
#include "protocols/log/deliveries.h"
#include "protocols/post.h"

enum { USE_SBEB, USE_FLL, USE_LOG };

#define RESUME_MSGS 32 /* relayed again in one breath after a recovery */

enum {
    ROW_STORED = 1,     /* it is pending on stable storage */
    ROW_RELAYED = 2,    /* sbeb has it */
    ROW_DELIVERING = 4, /* its log-delivery is on the way to stable storage */
    ROW_DELIVERED = 8,
};

struct row {
    struct rte_mbuf *seg; /* the message with its name, held; NULL: not seen */
    uint16_t off;
    uint16_t len;
    uint8_t flags;
    uint8_t pad[3];
    uint64_t ack; /* who is known to have it pending on stable storage */
};
static_assert(sizeof(struct row) == 24, "no holes");

struct origin {
    uint64_t floor; /* rows are [floor, floor + W); all before it is delivered by everybody */
    uint64_t top;   /* none from here on was seen */
    struct row *row;
};

/* The record of an origin: what a compaction keeps of what is over. */
struct origin_wire {
    uint8_t floor[8];
    uint8_t done[8];
    uint8_t top[8];
    uint8_t first[8];    /* position of the oldest log-delivery that is not released */
    uint8_t delivered[]; /* a bit for each row from the floor on */
};
static_assert(sizeof(struct origin_wire) == 32, "the layout is the record");

struct relay {
    uint64_t number;
    uint16_t origin; /* RELAY_OVER: it was relayed anew */
};
#define RELAY_OVER UINT16_MAX

struct lurb {
    struct co co;
    struct deliveries d;
    uint32_t mask;       /* W − 1 */
    uint32_t relay_mask; /* of the ring of relays */
    uint64_t relays;     /* relays so far in this life */
    uint64_t risen;      /* origins of which we have to tell everybody */
    uint64_t resume;     /* rows looked at for relaying again */
    struct timer timer;
    struct relay *relay;
    uint64_t *done;              /* [q · n + s]: q has delivered all of s below */
    uint64_t forgot[PSET_PROCS]; /* relays below this are forgotten for that process */
    uint64_t answer[PSET_PROCS]; /* origins of which that process is to be told */
    struct origin origin[];
};

static struct lurb *lurb(struct co *co)
{
    return (struct lurb *)co;
}

/* W: the greatest power of two that fits. */
static uint32_t window(const struct stack_conf *conf)
{
    uint32_t share =
        conf->ring_msgs / 4 < conf->store_msgs / 8 ? conf->ring_msgs / 4 : conf->store_msgs / 8;
    share /= conf->n;
    uint32_t w = 1;
    while (2 * w <= share)
        w *= 2;
    return w;
}

/* Of each origin, whose window is one message at least, that message and an answer. */
static uint32_t lurb_unasked(const struct stack_conf *conf)
{
    return 2u * conf->n;
}

/* Records on their way at once: messages and log-deliveries, and at a compaction all again with the
 * records of the origins. */
static uint32_t lurb_stores(const struct stack_conf *conf)
{
    return 2 * (conf->n * window(conf) + deliveries_rows(conf)) + conf->n;
}

/* Twice as many as there are rows, or more: see relay(). */
static uint32_t relay_rows(const struct stack_conf *conf)
{
    uint32_t rows = 1;
    while (rows < 2 * window(conf) * conf->n)
        rows *= 2;
    return rows;
}

static size_t lurb_bytes(const struct stack_conf *conf)
{
    size_t n = conf->n;
    return sizeof(struct lurb) + n * sizeof(struct origin) + n * n * sizeof(uint64_t) +
           n * window(conf) * sizeof(struct row) + relay_rows(conf) * sizeof(struct relay) +
           deliveries_rows(conf) * sizeof(struct delivery);
}

static void lurb_init(struct co *self)
{
    struct lurb *u = lurb(self);
    const struct stack_conf *conf = &self->st->conf;
    uint16_t n = conf->n;
    u->mask = window(conf) - 1;
    u->relay_mask = relay_rows(conf) - 1;
    u->done = (uint64_t *)&u->origin[n];
    struct row *rows = (struct row *)(u->done + (size_t)n * n);
    for (uint16_t s = 0; s < n; s++)
        u->origin[s].row = rows + (size_t)s * (u->mask + 1);
    u->relay = (struct relay *)(rows + (size_t)n * (u->mask + 1));
    deliveries_init(&u->d, conf, (struct delivery *)(u->relay + u->relay_mask + 1));
}

static uint64_t *done_of(const struct lurb *u, uint16_t q, uint16_t s)
{
    return &u->done[(size_t)q * u->co.st->n + s];
}

static struct row *row_at(const struct lurb *u, uint16_t s, uint64_t number)
{
    return &u->origin[s].row[number & u->mask];
}

/* The row of a number inside the window; NULL: it is over, or too far ahead. */
static struct row *row_find(const struct lurb *u, uint16_t s, uint64_t number)
{
    return number - u->origin[s].floor <= u->mask ? row_at(u, s, number) : NULL;
}

static struct msg message(const struct row *r)
{
    return (struct msg){r->seg, r->off, r->len};
}

/* ---- telling, and forgetting ----------------------------------------------------------------- */

static void tell(struct lurb *u, uint16_t q, uint16_t s)
{
    struct msg m = msg_new(u->co.st, NAME_BYTES);
    uint64_t done = *done_of(u, u->co.st->self, s);
    name_put(msg_data(m),
             (struct name){.kind = NAME_STORED,
                           .origin = s,
                           .incarnation =
                               (uint32_t)(done - u->origin[s].floor), /* below a window */
                           .number = done});
    co_count(&u->co, COUNT_tx_acks, 1);
    link_send(&u->co, u->co.use[USE_FLL], EV_FLL_SEND, q, m);
}

static struct relay *relay_at(const struct lurb *u, uint64_t k)
{
    return &u->relay[k & u->relay_mask];
}

/* Forget our relays to q up to the first that it has not delivered. */
static void forget(struct lurb *u, uint16_t q)
{
    uint64_t before = u->forgot[q];
    while (u->forgot[q] < u->relays) {
        const struct relay *r = relay_at(u, u->forgot[q]);
        if (r->origin != RELAY_OVER && r->number >= *done_of(u, q, r->origin))
            break;
        u->forgot[q]++;
    }
    if (u->forgot[q] > before)
        trigger(u->co.use[USE_SBEB], ev_make(EV_SBEB_FORGET, q, 0, u->forgot[q] - 1, MSG_NONE));
}

/* The oldest relay that somebody has not been let off. */
static uint64_t oldest_relay(const struct lurb *u)
{
    uint64_t oldest = u->relays;
    for (uint16_t q = 0; q < u->co.st->n; q++)
        oldest = u->forgot[q] < oldest ? u->forgot[q] : oldest;
    return oldest;
}

/* trigger ⟨sbeb, Broadcast | [DATA, s, m]⟩ */
static void put_relay(struct lurb *u, struct relay x)
{
    *relay_at(u, u->relays) = x;
    trigger(u->co.use[USE_SBEB],
            ev_make(EV_SBEB_BROADCAST, 0, 0, u->relays++, message(row_at(u, x.origin, x.number))));
}

/*
 * Relays are forgotten in their order, so what one process does not deliver, since it is down, keeps
 * all that were relayed after it. No more are needed than there are rows: beyond that, for each that
 * is put the oldest is put anew, so that no more than twice as many are ever kept.
 */
static void relay(struct lurb *u, struct row *r, uint16_t s, uint64_t number)
{
    uint64_t k = oldest_relay(u);
    if (unlikely(u->relays - k > (u->relay_mask + 1) / 2)) {
        struct relay again = *relay_at(u, k);
        relay_at(u, k)->origin = RELAY_OVER;
        put_relay(u, again);
        for (uint16_t q = 0; q < u->co.st->n; q++)
            forget(u, q);
    }
    r->flags |= ROW_RELAYED;
    put_relay(u, (struct relay){number, s});
}

/* End of a handler: tell everybody what has risen, and those who relayed where we are; forget what
 * has been told of. */
static void conclude(struct lurb *u)
{
    for (uint16_t q = 0; q < u->co.st->n; q++) {
        uint64_t of = q == u->co.st->self ? 0 : u->risen | u->answer[q];
        u->answer[q] = 0;
        for (; of != 0; of &= of - 1)
            tell(u, q, (uint16_t)__builtin_ctzll(of));
        forget(u, q);
    }
    u->risen = 0;
    co_dirty(&u->co);
}

/* The end of the breath: free rows that nobody needs. */
static void lurb_flush(struct co *self)
{
    struct lurb *u = lurb(self);
    for (uint16_t s = 0; s < self->st->n; s++) {
        struct origin *o = &u->origin[s];
        uint64_t end = o->top;
        for (uint16_t q = 0; q < self->st->n; q++)
            end = *done_of(u, q, s) < end ? *done_of(u, q, s) : end;
        for (; o->floor < end; o->floor++) {
            struct row *r = row_at(u, s, o->floor);
            if (r->seg != NULL)
                msg_release(message(r));
            *r = (struct row){0};
        }
    }
    deliveries_flush(&u->d);
}

/* ---- broadcasting ---------------------------------------------------------------------------- */

static void see(struct lurb *u, uint16_t s, uint64_t number, struct msg whole)
{
    struct row *r = row_at(u, s, number);
    struct origin *o = &u->origin[s];
    msg_hold(whole);
    r->seg = whole.seg;
    r->off = whole.off;
    r->len = whole.len;
    if (number >= o->top)
        o->top = number + 1;
}

static uint32_t lurb_room(const struct co *self)
{
    const struct lurb *u = (const struct lurb *)self;
    uint16_t me = self->st->self;
    uint64_t open = u->origin[me].top - u->origin[me].floor;
    uint32_t own = open <= u->mask ? u->mask + 1 - (uint32_t)open : 0;
    uint32_t below = co_room(self->use[USE_SBEB]), log = co_room(self->use[USE_LOG]);
    own = own < below ? own : below;
    return own < log ? own : log;
}

/* upon ⟨lurb, Broadcast | m⟩ do pending := pending ∪ {(self, m)}; store(pending) */
static void upon_lurb_broadcast(struct co *self, const struct ev *ev, uint32_t n)
{
    struct lurb *u = lurb(self);
    uint16_t me = self->st->self;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t number = u->origin[me].top;
        assert(row_find(u, me, number) != NULL); /* users keep to room() */
        struct msg m = ev_msg(&ev[i]);
        name_put(msg_push(&m, NAME_BYTES),
                 (struct name){.kind = NAME_DATA, .origin = me, .number = number});
        see(u, me, number, m);
        log_store(self, self->use[USE_LOG], record_name(RECORD_PENDING, me, number), m);
    }
}

/* ---- delivering ------------------------------------------------------------------------------ */

/* upon #(ack[m]) > N/2 and (s, m) ∉ delivered do delivered := delivered ∪ {(s, m)};
 * store(delivered). Without room for it now: when m comes again, as it does. */
static void try_deliver(struct lurb *u, struct row *r, uint16_t s, uint64_t number,
                        uint32_t *budget)
{
    if (!(r->flags & ROW_STORED) || (r->flags & (ROW_DELIVERING | ROW_DELIVERED)) ||
        __builtin_popcountll(r->ack) <= u->co.st->n / 2)
        return;
    if (unlikely(*budget == 0 || deliveries_room(&u->d) == 0))
        return;
    --*budget;
    r->flags |= ROW_DELIVERING;
    struct name x = {.kind = NAME_DATA, .origin = s, .number = number};
    uint64_t position = deliveries_add(&u->d, s, &x, message(r));
    struct msg name = message(r);
    name.len = NAME_BYTES;
    log_store(&u->co, u->co.use[USE_LOG], record_name(RECORD_DELIVERED, s, position), name);
}

static void deliver(struct lurb *u, uint64_t position)
{
    const struct delivery *r = delivery_at(&u->d, position);
    struct msg m = delivery_msg(r);
    msg_pull(&m, NAME_BYTES);
    indicate(&u->co, ev_make(EV_LURB_DELIVER, r->proc, position, 0, m));
}

/* All of s without a gap that we have delivered. */
static void rise(struct lurb *u, uint16_t s)
{
    const struct origin *o = &u->origin[s];
    uint16_t me = u->co.st->self;
    uint64_t done = *done_of(u, me, s);
    while (done < o->top && (row_at(u, s, done)->flags & ROW_DELIVERED))
        done++;
    if (done == *done_of(u, me, s))
        return;
    u->risen |= 1ull << s;
    *done_of(u, me, s) = done;
}

/*
 * upon ⟨sbeb, Deliver | p, [DATA, s, m]⟩ do if (s, m) ∉ pending then pending := pending ∪ {(s, m)};
 * store(pending); ack[m] := ack[m] ∪ {p}
 */
static void data(struct lurb *u, uint16_t p, const struct name *x, struct msg whole,
                 uint32_t *budget)
{
    uint16_t s = x->origin;
    u->answer[p] |= 1ull << s;
    if (x->number < u->origin[s].floor) {
        co_count(&u->co, COUNT_drop_stale, 1);
        return;
    }
    if (unlikely(s == u->co.st->self && x->number >= u->origin[s].top)) {
        co_count(&u->co, COUNT_drop_message, 1); /* it was never sent */
        return;
    }
    struct row *r = row_find(u, s, x->number);
    if (unlikely(r == NULL)) {
        co_count(&u->co, COUNT_drop_early, 1);
        return;
    }
    if (r->seg == NULL && !(r->flags & ROW_DELIVERED)) {
        if (unlikely(*budget == 0)) {
            co_count(&u->co, COUNT_drop_no_room, 1);
            return;
        }
        --*budget;
        see(u, s, x->number, whole);
        log_store(&u->co, u->co.use[USE_LOG], record_name(RECORD_PENDING, s, x->number), whole);
    }
    r->ack |= 1ull << p;
    try_deliver(u, r, s, x->number, budget);
}

static void upon_sbeb_deliver(struct co *self, const struct ev *ev, uint32_t n)
{
    struct lurb *u = lurb(self);
    uint32_t budget = co_room(self->use[USE_LOG]);
    for (uint32_t i = 0; i < n; i++) {
        struct msg m = ev_msg(&ev[i]), whole = m;
        struct name x;
        if (!name_get(self, &m, &x))
            continue;
        if (likely(x.kind == NAME_DATA))
            data(u, ev[i].proc, &x, whole, &budget);
        else
            co_count(self, COUNT_drop_message, 1);
    }
    conclude(u);
}

/* Everybody has delivered all of s below this, says somebody who was told so. Who has recovered may
 * not hear it from those who are down. */
static void hear_floor(struct lurb *u, uint16_t s, uint64_t floor)
{
    for (uint16_t q = 0; q < u->co.st->n; q++)
        if (q != u->co.st->self && floor > *done_of(u, q, s))
            *done_of(u, q, s) = floor;
}

/* upon ⟨fll, Deliver | q, [STORED s k]⟩ */
static void upon_fll_deliver(struct co *self, const struct ev *ev, uint32_t n)
{
    struct lurb *u = lurb(self);
    for (uint32_t i = 0; i < n; i++) {
        struct msg m = ev_msg(&ev[i]);
        struct name x;
        if (!name_get(self, &m, &x))
            continue;
        if (x.kind != NAME_STORED || ev[i].proc == self->st->self || x.incarnation > x.number ||
            (x.origin == self->st->self && x.number > u->origin[x.origin].top)) {
            co_count(self, COUNT_drop_message, 1);
            continue;
        }
        if (x.number > *done_of(u, ev[i].proc, x.origin))
            *done_of(u, ev[i].proc, x.origin) = x.number;
        hear_floor(u, x.origin, x.number - x.incarnation);
        if (x.number - x.incarnation < u->origin[x.origin].floor) /* it lacks what we were told */
            u->answer[ev[i].proc] |= 1ull << x.origin;
    }
    conclude(u);
}

/* (s, m) is pending on stable storage: relay it, which says so. */
static void pending_stored(struct lurb *u, uint16_t s, uint64_t number, uint32_t *budget)
{
    struct row *r = row_find(u, s, number);
    if (r == NULL || r->seg == NULL || (r->flags & ROW_STORED))
        return; /* stored again by a compaction */
    r->flags |= ROW_STORED;
    r->ack |= 1ull << u->co.st->self;
    relay(u, r, s, number);
    try_deliver(u, r, s, number, budget);
}

/* trigger ⟨lurb, Deliver | delivered⟩ */
static void delivery_stored(struct lurb *u, uint64_t position)
{
    if (position != u->d.stored)
        return; /* stored again by a compaction */
    const struct delivery *d = delivery_at(&u->d, u->d.stored++);
    struct row *r = row_find(u, d->proc, d->number);
    assert(r != NULL); /* we have not told that we have delivered it */
    r->flags = (uint8_t)((r->flags | ROW_DELIVERED) & ~ROW_DELIVERING);
    deliver(u, position);
    rise(u, d->proc);
}

static void upon_log_stored(struct co *self, const struct ev *ev, uint32_t n)
{
    struct lurb *u = lurb(self);
    uint32_t budget = co_room(self->use[USE_LOG]);
    for (uint32_t i = 0; i < n; i++) {
        enum record_kind kind = record_kind(ev[i].inst);
        if (kind == RECORD_PENDING)
            pending_stored(u, record_proc(ev[i].inst), record_number(ev[i].inst), &budget);
        else if (kind == RECORD_DELIVERED)
            delivery_stored(u, record_number(ev[i].inst));
    }
    conclude(u);
}

/* upon ⟨lurb, Release | a⟩: the layer above needs no log-delivery below a any more. */
static void upon_lurb_release(struct co *self, const struct ev *ev, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        deliveries_release(self, &lurb(self)->d, ev[i].attr, UINT8_MAX);
}

/* ---- lives ----------------------------------------------------------------------------------- */

/* Rows of s begin at `floor`: everybody has delivered what is below. */
static void begin_at(struct lurb *u, uint16_t s, uint64_t floor)
{
    struct origin *o = &u->origin[s];
    for (; o->floor < floor && o->floor < o->top; o->floor++) {
        struct row *r = row_at(u, s, o->floor);
        if (r->seg != NULL)
            msg_release(message(r));
        *r = (struct row){0};
    }
    if (o->floor < floor)
        o->floor = o->top = floor;
    uint64_t *done = done_of(u, u->co.st->self, s);
    *done = *done < o->floor ? o->floor : *done;
}

/* A number was stored only when it had a row: everybody had delivered all a window before it. */
static void found_pending(struct lurb *u, uint16_t s, uint64_t number, struct msg whole)
{
    if (number < u->origin[s].floor)
        return;
    if (number - u->origin[s].floor > u->mask)
        begin_at(u, s, number - u->mask);
    struct row *r = row_at(u, s, number);
    if (r->seg != NULL)
        return;
    see(u, s, number, whole);
    r->flags |= ROW_STORED;
    r->ack = 1ull << u->co.st->self;
}

static void found_delivered(struct lurb *u, uint16_t s, uint64_t position, struct msg m)
{
    struct msg whole = m;
    struct name x;
    if (!name_get(&u->co, &m, &x))
        return;
    struct row *r = row_find(u, s, x.number);
    if (r != NULL)
        r->flags |= ROW_DELIVERED;
    if (r != NULL && r->seg != NULL)
        whole = message(r);
    deliveries_found(&u->d, position, s, &x, whole);
    uint64_t *done = done_of(u, u->co.st->self, s);
    while (*done < u->origin[s].top && (row_at(u, s, *done)->flags & ROW_DELIVERED))
        ++*done;
}

static void found_origin(struct lurb *u, uint16_t s, struct msg m)
{
    const struct origin_wire *w = (const struct origin_wire *)msg_pull(&m, sizeof *w);
    if (w == NULL || m.len != (u->mask + 8u) / 8 ||
        le64_get(w->top) - le64_get(w->floor) > u->mask + 1u) {
        co_count(&u->co, COUNT_drop_message, 1);
        return;
    }
    struct origin *o = &u->origin[s];
    uint64_t floor = le64_get(w->floor), *done = done_of(u, u->co.st->self, s);
    if (le64_get(w->first) > u->d.first)
        deliveries_begin_at(&u->d, le64_get(w->first));
    if (floor < o->floor)
        return;
    begin_at(u, s, floor);
    if (o->top < le64_get(w->top))
        o->top = le64_get(w->top);
    if (*done < le64_get(w->done))
        *done = le64_get(w->done);
    for (uint64_t k = floor; k < o->top; k++)
        if (k < *done || (w->delivered[(k - floor) / 8] >> (k - floor) % 8 & 1))
            row_at(u, s, k)->flags |= ROW_DELIVERED;
}

/* upon ⟨lurb, Recovery⟩ do retrieve(pending, delivered) */
static void upon_log_found(struct co *self, const struct ev *ev, uint32_t n)
{
    struct lurb *u = lurb(self);
    for (uint32_t i = 0; i < n; i++) {
        uint16_t s = record_proc(ev[i].inst);
        uint64_t number = record_number(ev[i].inst);
        enum record_kind kind = record_kind(ev[i].inst);
        if (s < self->st->n && kind == RECORD_PENDING && ev[i].len >= NAME_BYTES)
            found_pending(u, s, number, ev_msg(&ev[i]));
        else if (s < self->st->n && kind == RECORD_DELIVERED)
            found_delivered(u, s, number, ev_msg(&ev[i]));
        else if (s < self->st->n && kind == RECORD_FLOOR)
            found_origin(u, s, ev_msg(&ev[i]));
        else
            co_count(self, COUNT_drop_message, 1);
    }
}

/* forall (s, m) ∈ pending do trigger ⟨sbeb, Broadcast | [DATA, s, m]⟩: in portions */
static void upon_timeout(struct co *self, const struct ev *ev, uint32_t n)
{
    (void)ev, (void)n;
    struct lurb *u = lurb(self);
    uint32_t left = RESUME_MSGS;
    uint64_t rows = (uint64_t)self->st->n * (u->mask + 1);
    for (; u->resume < rows && left > 0; u->resume++) {
        uint16_t s = (uint16_t)(u->resume / (u->mask + 1));
        struct row *r = &u->origin[s].row[u->resume % (u->mask + 1)];
        if (!(r->flags & ROW_STORED) || (r->flags & ROW_RELAYED))
            continue;
        const struct name_wire *w = (const struct name_wire *)msg_data(message(r));
        relay(u, r, s, le64_get(w->number));
        left--;
    }
    if (u->resume < rows)
        co_timer(self, &u->timer, 0, 0);
    conclude(u);
}

/* trigger ⟨lurb, Deliver | delivered⟩ */
static void upon_log_recovered(struct co *self, const struct ev *ev, uint32_t n)
{
    (void)n;
    struct lurb *u = lurb(self);
    for (uint64_t i = u->d.first; i < u->d.next; i++)
        deliver(u, i);
    if (ev->attr > 1)
        co_timer(self, &u->timer, 0, 0);
}

static void store_origin(struct lurb *u, uint16_t s)
{
    const struct origin *o = &u->origin[s];
    uint32_t bytes = (u->mask + 8u) / 8;
    struct msg m = msg_new(u->co.st, (uint32_t)sizeof(struct origin_wire) + bytes);
    struct origin_wire *w = (struct origin_wire *)msg_data(m);
    memset(w, 0, m.len);
    le64_put(w->floor, o->floor);
    le64_put(w->done, *done_of(u, u->co.st->self, s));
    le64_put(w->top, o->top);
    le64_put(w->first, u->d.first);
    for (uint64_t k = o->floor; k < o->top; k++)
        if (row_at(u, s, k)->flags & ROW_DELIVERED)
            w->delivered[(k - o->floor) / 8] |= (uint8_t)(1u << (k - o->floor) % 8);
    log_store(&u->co, u->co.use[USE_LOG], record_name(RECORD_FLOOR, s, 0), m);
}

static bool lurb_keeps(uint64_t i, const void *data, uint32_t len, uint64_t *from)
{
    const struct origin_wire *w = data;
    if (record_kind(i) != RECORD_FLOOR || len < sizeof *w)
        return false;
    *from = le64_get(w->first);
    return true;
}

/* A log-delivery names a message that was pending. */
static bool lurb_tells(uint64_t i, const void *data, uint32_t len, struct co_record *r)
{
    const struct name_wire *w = data;
    enum record_kind kind = record_kind(i);
    if ((kind != RECORD_PENDING && kind != RECORD_DELIVERED) || len < sizeof *w ||
        le64_get(w->number) > RECORD_NUMBER_MAX)
        return false;
    *r = (struct co_record){.delivered = kind == RECORD_DELIVERED,
                            .position = record_number(i),
                            .message =
                                record_name(RECORD_PENDING, record_proc(i), le64_get(w->number))};
    return true;
}

/* Rows first: the record of an origin says which of them were delivered. What is on its way to
 * stable storage is stored again too: its first record lies in what is about to be dropped. */
static void upon_log_compact(struct co *self, const struct ev *ev, uint32_t n)
{
    (void)ev, (void)n;
    struct lurb *u = lurb(self);
    struct co *log = self->use[USE_LOG];
    for (uint16_t s = 0; s < self->st->n; s++) {
        for (uint64_t k = u->origin[s].floor; k < u->origin[s].top; k++) {
            const struct row *r = row_at(u, s, k);
            if (r->seg != NULL)
                log_store(self, log, record_name(RECORD_PENDING, s, k), message(r));
        }
        store_origin(u, s);
    }
    for (uint64_t i = u->d.first; i < u->d.next; i++) {
        const struct delivery *r = delivery_at(&u->d, i);
        log_store(self, log, record_name(RECORD_DELIVERED, r->proc, i), delivery_msg(r));
    }
}

/* ---- the rest -------------------------------------------------------------------------------- */

static void lurb_fini(struct co *self)
{
    struct lurb *u = lurb(self);
    for (uint64_t i = 0; i < (uint64_t)self->st->n * (u->mask + 1); i++) {
        struct row *r = &u->origin[0].row[i];
        if (r->seg != NULL)
            msg_release(message(r));
        r->seg = NULL;
    }
    deliveries_fini(&u->d);
}

static void lurb_check(const struct co *self)
{
    const struct lurb *u = (const struct lurb *)self;
    deliveries_check(&u->d);
    assert(u->risen == 0);
    for (uint16_t s = 0; s < self->st->n; s++) {
        const struct origin *o = &u->origin[s];
        uint64_t done = *done_of(u, self->st->self, s);
        assert(o->floor <= done && done <= o->top && o->top - o->floor <= u->mask + 1u);
        for (uint64_t k = o->floor; k < o->top; k++) {
            const struct row *r = row_at(u, s, k);
            assert(r->seg != NULL || r->ack == 0 || (r->flags & ROW_DELIVERED));
            assert(!(r->flags & ROW_RELAYED) || (r->flags & ROW_STORED));
            assert(!(r->flags & ROW_DELIVERING) || (r->flags & ROW_STORED));
        }
    }
    for (uint16_t q = 0; q < self->st->n; q++)
        assert(u->relays - u->forgot[q] <= u->relay_mask + 1u);
}

static void lurb_show(const struct co *self, struct view *v)
{
    const struct lurb *u = (const struct lurb *)self;
    deliveries_show(&u->d, v);
    view_u64(v, "resume", u->resume);
    view_u64(v, "timer", timer_armed(&u->timer));
    for (uint16_t q = 0; q < self->st->n; q++) {
        view_group(v, "process", q);
        for (uint16_t s = 0; s < self->st->n; s++)
            view_u64(v, "done", *done_of(u, q, s));
        for (uint64_t t = u->forgot[q]; t < u->relays; t++) {
            view_u64(v, "relayed of", relay_at(u, t)->origin);
            view_u64(v, "relayed", relay_at(u, t)->number);
        }
    }
    for (uint16_t s = 0; s < self->st->n; s++) {
        const struct origin *o = &u->origin[s];
        view_group(v, "origin", s);
        view_u64(v, "floor", o->floor);
        view_u64(v, "top", o->top);
        for (uint64_t k = o->floor; k < o->top; k++) {
            view_u64(v, "flags", row_at(u, s, k)->flags);
            view_u64(v, "ack", row_at(u, s, k)->ack);
            view_msg(v, "m", message(row_at(u, s, k)));
        }
    }
}

/* The oldest message of an origin, ours before others', that is not delivered here. */
static void lurb_post(const struct co *self, struct co_post *p)
{
    const struct lurb *u = (const struct lurb *)self;
    uint16_t n = self->st->n;
    uint64_t open = 0, number = 0;
    int found = -1;
    for (uint16_t s = 0; s < n; s++) {
        const struct origin *o = &u->origin[s];
        uint64_t k = *done_of(u, self->st->self, s);
        if (k >= o->top)
            continue;
        open += o->top - k;
        if (found < 0 || s == self->st->self) {
            found = s;
            number = k;
        }
    }
    if (found < 0)
        return;
    uint64_t ack = row_at(u, (uint16_t)found, number)->ack;
    post_wait(self, p,
              (struct post_wait){.kind = POST_QUORUM,
                                 .open = open,
                                 .origin = (uint64_t)found,
                                 .oldest = number,
                                 .have = ack,
                                 .missing = ~ack & (~0ull >> (PSET_PROCS - n)),
                                 .need = n / 2 + 1});
}

static co_upon_fn *const upon[EV_TYPES] =
    {[EV_LURB_BROADCAST] = upon_lurb_broadcast, [EV_LURB_RELEASE] = upon_lurb_release,
     [EV_SBEB_DELIVER] = upon_sbeb_deliver,     [EV_FLL_DELIVER] = upon_fll_deliver,
     [EV_LOG_STORED] = upon_log_stored,         [EV_LOG_FOUND] = upon_log_found,
     [EV_LOG_RECOVERED] = upon_log_recovered,   [EV_LOG_COMPACT] = upon_log_compact,
     [EV_TIMER_TIMEOUT] = upon_timeout};

const struct co_class lurb_majority_ack_class = {
    .name = "lurb_majority_ack",
    .title = "logged majority-ack uniform reliable broadcast (CGR Algorithm 3.8)",
    .implements = ABS_LURB,
    .uses = {ABS_SBEB, ABS_FLL, ABS_LOG},
    .header_bytes = NAME_BYTES,
    .majority = true,
    .procs_max = PSET_PROCS,
    .bytes = lurb_bytes,
    .init = lurb_init,
    .upon = upon,
    .room = lurb_room,
    .unasked = lurb_unasked,
    .stores = lurb_stores,
    .keeps = lurb_keeps,
    .tells = lurb_tells,
    .flush = lurb_flush,
    .fini = lurb_fini,
    .check = lurb_check,
    .show = lurb_show,
    .post = lurb_post,
    .tell = name_tell,
};
