/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Handing over with a cursor.
 *
 * Abstraction   ho, handing over after a crash (ours)
 *
 * Algorithm     logged delivery with a cursor: what lurb has log-delivered is read off stable storage
 *               by the layer above, which keeps on stable storage how far it has come
 *
 * Uses          lurb, log
 *
 * Properties    HO1, HO2, HO3, HO4
 *
 * Model         crash-recovery
 *
 * Space         four words. On the disk one record of 8 bytes at a time: while one is on its way, the
 *               cursor moves on, and the next record tells of all
 *
 * Differs       What was taken, and whose cursor was not stored yet, is delivered again after a
 *               crash. Who must not do anything twice puts the position into its own record of what
 *               it did. README.md of protocols/log says when to choose this, and when
 *               handover_redeliver.
 */
#include "broadcast.h"
#include "protocols/log/deliveries.h"

enum { USE_LURB, USE_LOG };

struct cursor {
    struct co co;
    uint64_t taken;  /* our user has taken all below */
    uint64_t asked;  /* a record of this is on its way … */
    uint64_t stored; /* … or stored: all below are over */
    bool storing;
};

static struct cursor *cursor(struct co *co)
{
    return (struct cursor *)co;
}

static size_t cursor_bytes(const struct stack_conf *conf)
{
    (void)conf;
    return sizeof(struct cursor);
}

/* A cursor, and at a compaction the same again. */
static uint32_t cursor_stores(const struct stack_conf *conf)
{
    (void)conf;
    return 2;
}

/* upon ⟨ho, Broadcast | m⟩ do trigger ⟨lurb, Broadcast | m⟩ */
static void upon_ho_broadcast(struct co *self, const struct ev *ev, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        trigger(self->use[USE_LURB], ev_make(EV_LURB_BROADCAST, 0, 0, 0, ev_msg(&ev[i])));
}

static uint32_t cursor_room(const struct co *self)
{
    return co_room(self->use[USE_LURB]);
}

/* upon ⟨lurb, Deliver | i, p, m⟩ such that i ≥ cursor do trigger ⟨ho, Deliver | i, p, m⟩ */
static void upon_lurb_deliver(struct co *self, const struct ev *ev, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (ev[i].inst >= cursor(self)->stored)
            indicate(self, ev_make(EV_HO_DELIVER, ev[i].proc, ev[i].inst, 0, ev_msg(&ev[i])));
}

static void store(struct cursor *s, uint64_t at)
{
    struct msg m = msg_new(s->co.st, 8);
    le64_put(msg_data(m), at);
    log_store(&s->co, s->co.use[USE_LOG], record_name(RECORD_POSITION, 0, at), m);
}

static void go_on(struct cursor *s)
{
    if (s->storing || s->taken == s->stored)
        return;
    s->storing = true;
    s->asked = s->taken;
    store(s, s->asked);
}

/* upon ⟨ho, Done | i⟩: taken, in order; store(cursor) */
static void upon_ho_done(struct co *self, const struct ev *ev, uint32_t n)
{
    struct cursor *s = cursor(self);
    for (uint32_t i = 0; i < n; i++)
        if (ev[i].inst >= s->taken)
            s->taken = ev[i].inst + 1;
    go_on(s);
}

/* The cursor is stored: lurb may forget what is behind it. */
static void upon_log_stored(struct co *self, const struct ev *ev, uint32_t n)
{
    struct cursor *s = cursor(self);
    for (uint32_t i = 0; i < n; i++) {
        if (!s->storing || record_number(ev[i].inst) != s->asked)
            continue; /* stored again by a compaction */
        s->storing = false;
        s->stored = s->asked;
        trigger(self->use[USE_LURB], ev_make(EV_LURB_RELEASE, 0, 0, s->stored, MSG_NONE));
    }
    go_on(s);
}

/* upon ⟨ho, Recovery⟩ do retrieve(cursor) */
static void upon_log_found(struct co *self, const struct ev *ev, uint32_t n)
{
    struct cursor *s = cursor(self);
    for (uint32_t i = 0; i < n; i++) {
        if (record_kind(ev[i].inst) != RECORD_POSITION || ev[i].len != 8) {
            co_count(self, COUNT_drop_message, 1);
            continue;
        }
        uint64_t at = le64_get(msg_data(ev_msg(&ev[i])));
        s->stored = at > s->stored ? at : s->stored;
    }
}

static void upon_log_recovered(struct co *self, const struct ev *ev, uint32_t n)
{
    (void)ev, (void)n;
    struct cursor *s = cursor(self);
    s->taken = s->asked = s->stored;
    trigger(self->use[USE_LURB], ev_make(EV_LURB_RELEASE, 0, 0, s->stored, MSG_NONE));
}

static void upon_log_compact(struct co *self, const struct ev *ev, uint32_t n)
{
    (void)ev, (void)n;
    store(cursor(self), cursor(self)->asked); /* what is on its way to the disk included */
}

static void cursor_check(const struct co *self)
{
    const struct cursor *s = (const struct cursor *)self;
    assert(s->stored <= s->asked && s->asked <= s->taken);
    assert(s->storing || s->stored == s->taken);
}

static void cursor_show(const struct co *self, struct view *v)
{
    const struct cursor *s = (const struct cursor *)self;
    view_u64(v, "taken", s->taken);
    view_u64(v, "asked", s->asked);
    view_u64(v, "stored", s->stored);
}

static co_upon_fn *const upon[EV_TYPES] =
    {[EV_HO_BROADCAST] = upon_ho_broadcast, [EV_HO_DONE] = upon_ho_done,
     [EV_LURB_DELIVER] = upon_lurb_deliver, [EV_LOG_STORED] = upon_log_stored,
     [EV_LOG_FOUND] = upon_log_found,       [EV_LOG_RECOVERED] = upon_log_recovered,
     [EV_LOG_COMPACT] = upon_log_compact};

const struct co_class handover_cursor_class = {
    .name = "handover_cursor",
    .title = "logged delivery with a cursor (ours)",
    .implements = ABS_HO,
    .majority = true,
    .uses = {ABS_LURB, ABS_LOG},
    .bytes = cursor_bytes,
    .upon = upon,
    .room = cursor_room,
    .stores = cursor_stores,
    .check = cursor_check,
    .show = cursor_show,
};
