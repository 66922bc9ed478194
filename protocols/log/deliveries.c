/* SPDX-License-Identifier: BSD-3-Clause */
/* Names of logged messages, and the ring of log-deliveries: deliveries.h says the rules. */
#include "deliveries.h"

#include <inttypes.h>
#include <stdio.h>

bool name_get(struct co *self, struct msg *m, struct name *x)
{
    const struct name_wire *w = msg_pull(m, NAME_BYTES);
    if (likely(w != NULL)) {
        *x = (struct name){.number = le64_get(w->number),
                           .incarnation = le32_get(w->incarnation),
                           .origin = le16_get(w->origin),
                           .kind = w->kind,
                           .user = w->user};
        if (likely(x->origin < self->st->n && x->number < RECORD_NUMBER_MAX &&
                   (x->kind == NAME_DATA || (x->kind == NAME_STORED && m->len == 0))))
            return true;
    }
    co_count(self, COUNT_drop_message, 1);
    return false;
}

int name_tell(struct msg m, char *text, size_t size)
{
    const struct name_wire *w = msg_pull(&m, NAME_BYTES);
    if (w == NULL || (w->kind != NAME_DATA && w->kind != NAME_STORED))
        return -1;
    return snprintf(text, size, "[%s p%u.%" PRIu32 " %" PRIu64 "]",
                    w->kind == NAME_DATA ? "DATA" : "STORED", (unsigned)le16_get(w->origin),
                    le32_get(w->incarnation), le64_get(w->number));
}

void deliveries_init(struct deliveries *d, const struct stack_conf *conf, struct delivery *rows)
{
    d->mask = deliveries_rows(conf) - 1;
    d->row = rows;
}

/* Give back the oldest message. */
static void let_go(struct deliveries *d)
{
    struct delivery *r = delivery_at(d, d->held++);
    msg_release(delivery_msg(r));
    *r = (struct delivery){0};
}

uint64_t deliveries_add(struct deliveries *d, uint16_t proc, const struct name *x, struct msg whole)
{
    assert(deliveries_room(d) > 0);
    msg_hold(whole);
    *delivery_at(d, d->next) = (struct delivery){.seg = whole.seg,
                                                 .off = whole.off,
                                                 .len = whole.len,
                                                 .proc = proc,
                                                 .user = x->user,
                                                 .incarnation = x->incarnation,
                                                 .number = x->number};
    return d->next++;
}

void deliveries_begin_at(struct deliveries *d, uint64_t position)
{
    while (d->held < d->next && d->held < position)
        let_go(d);
    if (d->first < d->held)
        d->first = d->held;
    if (d->next < position)
        d->held = d->first = d->next = position;
    d->stored = d->next;
}

bool deliveries_found(struct deliveries *d, uint64_t position, uint16_t proc, const struct name *x,
                      struct msg whole)
{
    if (position < d->next)
        return false;
    if (position > d->next)
        deliveries_begin_at(d, position);
    if (deliveries_room(d) == 0)
        deliveries_begin_at(d, d->held + 1);
    deliveries_add(d, proc, x, whole);
    d->stored = d->next;
    return true;
}

void deliveries_release(struct co *self, struct deliveries *d, uint64_t a, uint8_t user)
{
    uint64_t end = a < d->stored ? a : d->stored;
    for (uint64_t i = d->first; i < end; i++)
        if (user == UINT8_MAX || delivery_at(d, i)->user == user)
            delivery_at(d, i)->released = true;
    while (d->first < end && delivery_at(d, d->first)->released)
        d->first++;
    if (d->held < d->first)
        co_dirty(self);
}

void deliveries_flush(struct deliveries *d)
{
    while (d->held < d->first)
        let_go(d);
}

void deliveries_fini(struct deliveries *d)
{
    while (d->held < d->next)
        let_go(d);
}

void deliveries_check(const struct deliveries *d)
{
    assert(d->held <= d->first && d->first <= d->stored && d->stored <= d->next);
    assert(d->next - d->held <= d->mask + 1u);
}

void deliveries_show(const struct deliveries *d, struct view *v)
{
    view_u64(v, "first", d->first);
    view_u64(v, "stored", d->stored);
    for (uint64_t i = d->first; i < d->next; i++) {
        const struct delivery *r = delivery_at(d, i);
        view_group(v, "delivery", i);
        view_u64(v, "from", r->proc);
        view_u64(v, "released", r->released);
        view_msg(v, "m", delivery_msg(r));
    }
}
