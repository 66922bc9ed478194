/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A view of a process's state: a component shows its fields, by name, to whoever looks. One show()
 * serves the hash of a configuration, its dump and the difference of two. Show every field that
 * decides about the future; show a message by content; leave out capacities and statistics.
 */
#ifndef UPON_VIEW_H
#define UPON_VIEW_H

#include "dataplane/pkt.h"

struct view {
    /* A new group: a row of a table, a peer. `index` tells equal names apart. */
    void (*group)(struct view *v, const char *name, uint64_t index);
    void (*number)(struct view *v, const char *name, uint64_t value);
    void (*bytes)(struct view *v, const char *name, const void *data, uint32_t len);
    /* Show also what decides only where clocks move: when something was sent, round trips. */
    bool times;
};

static inline void view_group(struct view *v, const char *name, uint64_t index)
{
    v->group(v, name, index);
}

static inline void view_u64(struct view *v, const char *name, uint64_t value)
{
    v->number(v, name, value);
}

static inline void view_msg(struct view *v, const char *name, struct msg m)
{
    v->bytes(v, name, m.seg != NULL ? msg_data(m) : NULL, m.seg != NULL ? m.len : 0);
}

struct stack;

/* Show a whole process: its random stream, armed timers, inboxes and every component. */
void stack_show(struct stack *st, struct view *v);

/* The hash (XXH3, 64 bits) of what stack_show() shows. */
uint64_t stack_hash(struct stack *st);

/* The same, with times. */
uint64_t stack_hash_timed(struct stack *st);

/* Write what stack_show() shows as text, a field a line, through `put`. */
void stack_dump(struct stack *st, void (*put)(void *ctx, const char *line), void *ctx);

#endif
