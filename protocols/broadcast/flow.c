/* SPDX-License-Identifier: BSD-3-Clause */
/* Names and windows of broadcasts: flow.h says the rules. */
#include "flow.h"

#include <inttypes.h>
#include <stdio.h>

void flow_init(struct co *self, struct flow *f)
{
    const struct stack_conf *conf = &self->st->conf;
    uint32_t share = conf->ring_msgs / 4 / conf->n;
    f->window = share == 0 ? 1 : share < conf->store_msgs ? share : conf->store_msgs;
    f->waited = flow_everybody(self->st->n);
}

uint32_t flow_unasked(const struct stack_conf *conf)
{
    return 2u * conf->n;
}

static void put_header(void *at, enum flow_kind kind, uint16_t origin, uint64_t number)
{
    struct flow_wire *w = at;
    w->kind = (uint8_t)kind;
    w->reserved = 0;
    le16_put(w->origin, origin);
    le64_put(w->number, number);
}

void flow_broadcast(struct co *self, struct flow *f, struct co *beb, const struct ev *ev,
                    uint32_t n)
{
    assert(n <= flow_room(f));
    for (uint32_t i = 0; i < n; i++) {
        struct msg m = ev_msg(&ev[i]);
        put_header(msg_push(&m, FLOW_HEADER_BYTES), FLOW_DATA, self->st->self, f->next++);
        trigger(beb, ev_make(EV_BEB_BROADCAST, 0, 0, 0, m));
    }
}

void flow_tell_floor(struct co *self, struct co *beb, uint16_t origin, uint64_t floor)
{
    struct msg m = msg_new(self->st, FLOW_HEADER_BYTES);
    put_header(msg_data(m), FLOW_FLOOR, origin, floor);
    trigger(beb, ev_make(EV_BEB_BROADCAST, 0, 0, 0, m));
}

void flow_told(struct co *self, struct flow *f, uint16_t p, uint64_t floor)
{
    if (unlikely(floor > f->next)) {
        co_count(self, COUNT_drop_message, 1);
        return;
    }
    if (floor > f->floor[p]) /* else overtaken by a later one: links keep no order */
        f->floor[p] = floor;
    uint64_t back = f->given_up & 1ull << p;
    if (unlikely(back != 0) && f->next - f->floor[p] <= f->window) {
        f->given_up &= ~back;
        f->waited |= back;
    }
}

/* ---- silence --------------------------------------------------------------------------------- */

uint64_t flow_laggards(const struct co *self, const struct flow *f)
{
    uint64_t late = 0;
    for (uint64_t set = f->waited & ~(1ull << self->st->self); set != 0; set &= set - 1) {
        int p = __builtin_ctzll(set);
        if (f->next - f->floor[p] >= (f->window + 1) / 2)
            late |= 1ull << p;
    }
    return late;
}

void flow_watch(struct co *self, struct flow *f, uint64_t late)
{
    if (late == 0 || timer_armed(&f->alarm) || self->st->conf.give_up_ns == UINT64_MAX)
        return;
    f->heard = 0;
    co_timer(self, &f->alarm, self->st->conf.give_up_ns, 0);
}

uint64_t flow_timeout(struct co *self, struct flow *f, uint64_t late)
{
    uint64_t silent = late & ~f->heard;
    f->given_up |= f->waited & silent;
    f->waited &= ~silent;
    co_count(self, COUNT_given_up, (uint64_t)__builtin_popcountll(silent));
    flow_watch(self, f, late & ~silent);
    return silent;
}

/* ---- the rest -------------------------------------------------------------------------------- */

void flow_check(const struct co *self, const struct flow *f)
{
    assert((f->waited & f->given_up) == 0);
    assert(f->waited >> self->st->self & 1);
    for (uint16_t p = 0; p < self->st->n; p++)
        assert(f->floor[p] <= f->next);
    assert(f->next - flow_lowest(f->floor, f->waited) <= f->window);
}

void flow_post(const struct co *self, const struct flow *f, struct co_post *p)
{
    uint64_t late = flow_laggards(self, f), low = flow_lowest(f->floor, f->waited);
    if (late == 0)
        return;
    post_wait(self, p,
              (struct post_wait){.kind = POST_WINDOW,
                                 .open = f->next - low,
                                 .origin = self->st->self,
                                 .oldest = low,
                                 .have = f->waited & ~late,
                                 .missing = late,
                                 .need = (uint64_t)__builtin_popcountll(f->waited)});
}

void flow_show(const struct co *self, const struct flow *f, struct view *v)
{
    view_u64(v, "next", f->next);
    view_u64(v, "waited", f->waited);
    view_u64(v, "given_up", f->given_up);
    view_u64(v, "alarm", timer_armed(&f->alarm));
    if (timer_armed(&f->alarm))
        view_u64(v, "heard", f->heard);
    for (uint16_t p = 0; p < self->st->n; p++)
        view_u64(v, "floor", f->floor[p]);
}

int flow_tell(struct msg m, char *text, size_t size)
{
    const struct flow_wire *w = msg_pull(&m, FLOW_HEADER_BYTES);
    if (w == NULL || (w->kind != FLOW_DATA && w->kind != FLOW_FLOOR))
        return -1;
    unsigned origin = le16_get(w->origin);
    uint64_t number = le64_get(w->number), payload = 0;
    if (w->kind == FLOW_FLOOR)
        return snprintf(text, size, "[FLOOR p%u %" PRIu64 "]", origin, number);
    if (m.len > sizeof payload)
        return snprintf(text, size, "[DATA p%u %" PRIu64 " %uB]", origin, number, m.len);
    uint8_t le[8] = {0};
    memcpy(le, msg_data(m), m.len);
    payload = le64_get(le);
    return snprintf(text, size, "[DATA p%u %" PRIu64 " %" PRIu64 "]", origin, number, payload);
}
