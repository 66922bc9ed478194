/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Guarded handlers: "upon event ⟨co, Ev | x⟩ such that C(x) do body". Our handlers are pure: what
 * comes in is handled. So a guard is rewritten in three steps:
 *
 *   1. upon ⟨co, Ev | x⟩: if C(x), do the body; if not, guard_hold() the event;
 *   2. whoever changes what C depends on looks at guard_first(), and if C is true of it now,
 *      triggers an internal event;
 *   3. upon that internal event: guard_take() whatever C is true of, and do the body.
 *
 * The conditions that our algorithms wait for become true in the order of a key: the next sequence
 * number, a round, an epoch. So the store is sorted by key, and among equal keys by arrival; only
 * its first event needs to be looked at. It is bounded: what does not fit is refused, and the
 * caller drops it by a rule of its own, or has shown that it always fits.
 *
 * The store holds its messages. Those of events that were taken stay valid until the breath ends:
 * the component's flush() calls guard_flush().
 */
#ifndef UPON_GUARD_H
#define UPON_GUARD_H

#include "co.h"
#include "view.h"

struct guard_row {
    struct ev ev;
    uint64_t key;
};

struct guard {
    struct guard_row *row;
    uint32_t rows;  /* capacity */
    uint32_t gone;  /* [gone, first): taken in this breath */
    uint32_t first; /* [first, end): held, in order */
    uint32_t end;
};

static inline size_t guard_bytes(uint32_t rows)
{
    return rows * sizeof(struct guard_row);
}

/* Begin, empty, with `rows` rows of memory. */
static inline void guard_init(struct guard *g, void *memory, uint32_t rows)
{
    *g = (struct guard){.row = memory, .rows = rows};
}

static inline uint32_t guard_held(const struct guard *g)
{
    return g->end - g->first;
}

/* The event that comes first, with its key; NULL if none is held. */
static inline const struct guard_row *guard_first(const struct guard *g)
{
    return g->first < g->end ? &g->row[g->first] : NULL;
}

static inline void guard_pack(struct guard *g)
{
    uint32_t live = g->end - g->gone;
    memmove(g->row, g->row + g->gone, live * sizeof g->row[0]);
    g->first -= g->gone;
    g->gone = 0;
    g->end = live;
}

/* Hold an event, and its message, until its condition is true. False: the store is full. */
static inline bool guard_hold(struct guard *g, uint64_t key, const struct ev *ev)
{
    if (unlikely(g->end == g->rows)) {
        if (g->gone == 0)
            return false;
        guard_pack(g);
    }
    uint32_t i = g->end++;
    for (; i > g->first && g->row[i - 1].key > key; i--)
        g->row[i] = g->row[i - 1];
    g->row[i] = (struct guard_row){*ev, key};
    if (ev->seg != NULL)
        msg_hold(ev_msg(ev));
    return true;
}

/* Take the first event. Its message stays valid until the breath ends. */
static inline struct ev guard_take(struct co *self, struct guard *g)
{
    co_dirty(self);
    return g->row[g->first++].ev;
}

/* No event refers to what was taken any more: give its messages back. */
static inline void guard_flush(struct guard *g)
{
    struct msg_refs refs = {NULL, 0};
    for (; g->gone < g->first; g->gone++)
        if (g->row[g->gone].ev.seg != NULL)
            msg_refs_release(&refs, g->row[g->gone].ev.seg);
    msg_refs_release_flush(&refs);
    if (g->first == g->end)
        g->gone = g->first = g->end = 0;
}

/* Forget everything that is held. */
static inline void guard_fini(struct guard *g)
{
    g->first = g->end;
    guard_flush(g);
}

static inline void guard_show(const struct guard *g, struct view *v)
{
    for (uint32_t i = g->first; i < g->end; i++) {
        const struct guard_row *r = &g->row[i];
        view_u64(v, "held", r->key);
        view_u64(v, "type", r->ev.type);
        view_u64(v, "proc", r->ev.proc);
        view_u64(v, "inst", r->ev.inst);
        view_u64(v, "attr", r->ev.attr);
        view_msg(v, "msg", ev_msg(&r->ev));
    }
}

#endif
