/* SPDX-License-Identifier: BSD-3-Clause */
/* Receiving, for lpl and lbeb: intake.h says the rules. */
#include "intake.h"

struct floor_wire {
    uint8_t incarnation[4];
    uint8_t reserved[4];
    uint8_t floor[8];
    uint8_t first[8]; /* position of the oldest log-delivery that is not released */
    uint8_t beyond[]; /* a bit for each number of the window: stored */
};
static_assert(sizeof(struct floor_wire) == 24, "the layout is the record");

size_t intake_bytes(const struct stack_conf *conf)
{
    return deliveries_rows(conf) * sizeof(struct delivery) +
           conf->n * (sizeof(struct intake_peer) + ((intake_window(conf) + 7u) & ~7u));
}

static struct intake *intake(struct co *co)
{
    return (struct intake *)co;
}

void intake_init(struct co *self, enum ev_type type, struct co *log, struct co *fll, void *tables)
{
    struct intake *in = intake(self);
    const struct stack_conf *conf = &self->st->conf;
    struct delivery *rows = (struct delivery *)tables;
    in->log = log;
    in->fll = fll;
    in->type = (uint16_t)type;
    in->mask = intake_window(conf) - 1;
    deliveries_init(&in->d, conf, rows);
    in->peer = (struct intake_peer *)(rows + deliveries_rows(conf));
    uint8_t *state = (uint8_t *)(in->peer + conf->n);
    for (uint16_t p = 0; p < conf->n; p++)
        in->peer[p].state = state + p * ((intake_window(conf) + 7u) & ~7u);
}

/* The window of p in that life; false: the life is over. A new life has delivered nothing yet. */
static bool life(struct intake *in, uint16_t p, uint32_t incarnation)
{
    struct intake_peer *q = &in->peer[p];
    if (likely(incarnation == q->incarnation))
        return true;
    if (incarnation < q->incarnation)
        return false;
    q->incarnation = incarnation;
    q->floor = 0;
    memset(q->state, NUMBER_NEW, in->mask + 1);
    return true;
}

static void mark_stored(struct intake *in, struct intake_peer *q, uint64_t number)
{
    if (number - q->floor > in->mask)
        return;
    q->state[number & in->mask] = NUMBER_STORED;
    while (q->state[q->floor & in->mask] == NUMBER_STORED)
        q->state[q->floor++ & in->mask] = NUMBER_NEW;
}

/* DATA from p; `budget`: records that the log takes in this call of the handler. */
static void data(struct co *self, struct intake *in, uint16_t p, const struct name *x,
                 struct msg whole, uint32_t *budget)
{
    struct intake_peer *q = &in->peer[p];
    if (unlikely(x->origin != p)) {
        co_count(self, COUNT_drop_message, 1);
        return;
    }
    if (unlikely(!life(in, p, x->incarnation))) {
        co_count(self, COUNT_drop_incarnation, 1);
        return;
    }
    in->answer |= 1ull << p;
    if (x->number < q->floor ||
        (x->number - q->floor <= in->mask && q->state[x->number & in->mask] != NUMBER_NEW)) {
        co_count(self, COUNT_drop_duplicate, 1);
        return;
    }
    if (unlikely(x->number - q->floor > in->mask)) {
        co_count(self, COUNT_drop_early, 1);
        return;
    }
    if (unlikely(*budget == 0 || deliveries_room(&in->d) == 0)) {
        co_count(self, COUNT_drop_no_room, 1);
        return;
    }
    --*budget;
    q->state[x->number & in->mask] = NUMBER_STORING;
    uint64_t position = deliveries_add(&in->d, p, x, whole);
    log_store(self, in->log, record_name(RECORD_DELIVERED, p, position), whole);
}

/* Answer whoever is to be answered: once, at the end of a handler. */
static void answer(struct co *self, struct intake *in)
{
    for (; in->answer != 0; in->answer &= in->answer - 1) {
        uint16_t p = (uint16_t)__builtin_ctzll(in->answer);
        struct msg m = msg_new(self->st, NAME_BYTES);
        name_put(msg_data(m), (struct name){.kind = NAME_STORED,
                                            .origin = p,
                                            .incarnation = in->peer[p].incarnation,
                                            .number = in->peer[p].floor});
        co_count(self, COUNT_tx_acks, 1);
        link_send(self, in->fll, EV_FLL_SEND, p, m);
    }
}

void intake_upon_deliver(struct co *self, const struct ev *ev, uint32_t n)
{
    struct intake *in = intake(self);
    uint32_t budget = co_room(in->log);
    for (uint32_t i = 0; i < n; i++) {
        struct msg m = ev_msg(&ev[i]), whole = m;
        struct name x;
        if (!name_get(self, &m, &x))
            continue;
        if (likely(x.kind == NAME_DATA))
            data(self, in, ev[i].proc, &x, whole, &budget);
        else
            co_count(self, COUNT_drop_message, 1);
    }
    answer(self, in);
}

/* trigger ⟨…, Deliver | i, p, m⟩ */
static void deliver(struct co *self, struct intake *in, uint64_t position)
{
    const struct delivery *r = delivery_at(&in->d, position);
    struct msg m = delivery_msg(r);
    msg_pull(&m, NAME_BYTES);
    struct ev ev = ev_make((enum ev_type)in->type, r->proc, position, 0, m);
    if (in->user == NULL) {
        indicate(self, ev);
    } else if (likely(r->user < CO_PORTS_MAX && in->user[r->user] != NULL)) {
        trigger(in->user[r->user], ev);
    } else { /* nobody will ever release it */
        co_count(self, COUNT_drop_user, 1);
        deliveries_release(self, &in->d, position + 1, r->user);
    }
}

void intake_upon_stored(struct co *self, const struct ev *ev, uint32_t n)
{
    struct intake *in = intake(self);
    for (uint32_t i = 0; i < n; i++) {
        /* Of what a compaction stored again, the first storing counts. */
        if (record_kind(ev[i].inst) != RECORD_DELIVERED ||
            record_number(ev[i].inst) != in->d.stored)
            continue;
        uint64_t position = in->d.stored++;
        const struct delivery *r = delivery_at(&in->d, position);
        struct intake_peer *q = &in->peer[r->proc];
        if (likely(r->incarnation == q->incarnation))
            mark_stored(in, q, r->number);
        in->answer |= 1ull << r->proc;
        deliver(self, in, position);
    }
    answer(self, in);
}

void intake_upon_release(struct co *self, const struct ev *ev, uint32_t n)
{
    struct intake *in = intake(self);
    for (uint32_t i = 0; i < n; i++)
        deliveries_release(self, &in->d, ev[i].attr,
                           in->user == NULL ? UINT8_MAX : (uint8_t)ev[i].inst);
}

/* ---- lives ----------------------------------------------------------------------------------- */

static void found_delivered(struct co *self, struct intake *in, uint16_t p, uint64_t position,
                            struct msg m)
{
    struct msg whole = m;
    struct name x;
    if (!name_get(self, &m, &x))
        return;
    if (!deliveries_found(&in->d, position, p, &x, whole))
        return;
    if (life(in, p, x.incarnation) && x.number >= in->peer[p].floor)
        mark_stored(in, &in->peer[p], x.number);
}

/* What was known to be stored stays so: a number above the floor whose record lies before this one
 * was on its way when the floor was written down. */
static void raise_floor(struct intake *in, struct intake_peer *q, uint64_t floor)
{
    if (floor <= q->floor)
        return;
    uint64_t from = floor - q->floor > in->mask ? floor - in->mask - 1 : q->floor;
    for (uint64_t k = from; k < floor; k++)
        q->state[k & in->mask] = NUMBER_NEW;
    for (q->floor = floor; q->state[q->floor & in->mask] == NUMBER_STORED; q->floor++)
        q->state[q->floor & in->mask] = NUMBER_NEW;
}

static void found_floor(struct co *self, struct intake *in, uint16_t p, struct msg m)
{
    const struct floor_wire *w = (const struct floor_wire *)msg_pull(&m, sizeof *w);
    if (w == NULL || m.len != (in->mask + 8u) / 8) {
        co_count(self, COUNT_drop_message, 1);
        return;
    }
    if (le64_get(w->first) > in->d.first)
        deliveries_begin_at(&in->d, le64_get(w->first));
    struct intake_peer *q = &in->peer[p];
    uint64_t floor = le64_get(w->floor);
    if (!life(in, p, le32_get(w->incarnation)))
        return;
    raise_floor(in, q, floor);
    for (uint32_t i = 0; i <= in->mask; i++)
        if (w->beyond[i / 8] >> i % 8 & 1)
            mark_stored(in, q, floor + i);
}

void intake_upon_found(struct co *self, const struct ev *ev, uint32_t n)
{
    struct intake *in = intake(self);
    for (uint32_t i = 0; i < n; i++) {
        uint16_t p = record_proc(ev[i].inst);
        enum record_kind kind = record_kind(ev[i].inst);
        if (p < self->st->n && kind == RECORD_DELIVERED)
            found_delivered(self, in, p, record_number(ev[i].inst), ev_msg(&ev[i]));
        else if (p < self->st->n && kind == RECORD_FLOOR)
            found_floor(self, in, p, ev_msg(&ev[i]));
        else
            co_count(self, COUNT_drop_message, 1);
    }
}

void intake_upon_recovered(struct co *self, const struct ev *ev, uint32_t n)
{
    struct intake *in = intake(self);
    (void)ev, (void)n;
    for (uint64_t i = in->d.first; i < in->d.next; i++)
        deliver(self, in, i);
}

static void store_floor(struct co *self, struct intake *in, uint16_t p)
{
    const struct intake_peer *q = &in->peer[p];
    uint32_t bytes = (in->mask + 8u) / 8;
    struct msg m = msg_new(self->st, (uint32_t)sizeof(struct floor_wire) + bytes);
    struct floor_wire *w = (struct floor_wire *)msg_data(m);
    memset(w, 0, m.len);
    le32_put(w->incarnation, q->incarnation);
    le64_put(w->floor, q->floor);
    le64_put(w->first, in->d.first);
    for (uint32_t i = 0; i <= in->mask; i++)
        if (q->state[(q->floor + i) & in->mask] == NUMBER_STORED)
            w->beyond[i / 8] |= (uint8_t)(1u << i % 8);
    log_store(self, in->log, record_name(RECORD_FLOOR, p, 0), m);
}

bool intake_keeps(uint64_t i, const void *data, uint32_t len, uint64_t *from)
{
    const struct floor_wire *w = data;
    if (record_kind(i) != RECORD_FLOOR || len < sizeof *w)
        return false;
    *from = le64_get(w->first);
    return true;
}

bool intake_tells(uint64_t i, const void *data, uint32_t len, struct co_record *r)
{
    (void)data;
    if (record_kind(i) != RECORD_DELIVERED || len < NAME_BYTES)
        return false;
    *r = (struct co_record){.delivered = true, .position = record_number(i), .message = i};
    return true;
}

/* What is being stored is stored again too: its first record lies in what is about to be dropped. */
void intake_upon_compact(struct co *self, const struct ev *ev, uint32_t n)
{
    struct intake *in = intake(self);
    (void)ev, (void)n;
    for (uint16_t p = 0; p < self->st->n; p++)
        store_floor(self, in, p);
    for (uint64_t i = in->d.first; i < in->d.next; i++) {
        const struct delivery *r = delivery_at(&in->d, i);
        log_store(self, in->log, record_name(RECORD_DELIVERED, r->proc, i), delivery_msg(r));
    }
}

/* ---- the sender's side ------------------------------------------------------------------------ */

bool intake_answered(struct co *self, const struct ev *ev, uint64_t next, uint64_t *acked)
{
    struct msg m = ev_msg(ev);
    struct name x;
    if (!name_get(self, &m, &x))
        return false;
    if (x.incarnation != self->st->conf.incarnation) {
        co_count(self, COUNT_drop_incarnation, 1);
        return false;
    }
    if (x.kind != NAME_STORED || x.origin != self->st->self || x.number > next) {
        co_count(self, COUNT_drop_message, 1);
        return false;
    }
    bool more = x.number > *acked;
    if (more)
        *acked = x.number;
    return more;
}

/* ---- the rest -------------------------------------------------------------------------------- */

void intake_flush(struct co *self)
{
    deliveries_flush(&intake(self)->d);
}

void intake_fini(struct co *self)
{
    deliveries_fini(&intake(self)->d);
}

void intake_check(const struct co *self)
{
    const struct intake *in = (const struct intake *)self;
    deliveries_check(&in->d);
    for (uint16_t p = 0; p < self->st->n; p++)
        assert(in->peer[p].state[in->peer[p].floor & in->mask] != NUMBER_STORED);
}

void intake_show(const struct co *self, struct view *v)
{
    const struct intake *in = (const struct intake *)self;
    deliveries_show(&in->d, v);
    for (uint16_t p = 0; p < self->st->n; p++) {
        const struct intake_peer *q = &in->peer[p];
        view_group(v, "sender", p);
        view_u64(v, "incarnation", q->incarnation);
        view_u64(v, "floor", q->floor);
        v->bytes(v, "window", q->state, in->mask + 1);
    }
}
