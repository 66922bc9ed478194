/* SPDX-License-Identifier: BSD-3-Clause */
/* Views of a process: hash and dump. */
#include "view.h"

#include "co.h"

#include <inttypes.h>
#include <stdio.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

/* Events that wait in inboxes: none between two breaths, some when a breath is cut short. */
static void show_inbox(const struct co *c, struct view *v)
{
    for (uint32_t i = c->head; i < c->tail; i++) {
        const struct ev *e = &c->inbox[i];
        view_group(v, "event", i - c->head);
        view_u64(v, "type", e->type);
        view_u64(v, "proc", e->proc);
        view_u64(v, "inst", e->inst);
        if (e->type != EV_NET_FRAME)
            view_u64(v, "attr", e->attr);
        view_msg(v, "msg", ev_msg(e));
    }
}

void stack_show(struct stack *st, struct view *v)
{
    view_group(v, "process", st->self);
    for (int i = 0; i < 4; i++)
        view_u64(v, "random", st->random.s[i]);
    view_u64(v, "timers", st->wheel.armed);
    for (uint32_t i = 0; i < st->components; i++) {
        struct co *c = st->co[i];
        view_group(v, c->name, 0);
        show_inbox(c, v);
        if (c->cls->show != NULL)
            c->cls->show(c, v);
    }
}

/* ---- hash ------------------------------------------------------------------------------------ */

struct hash_view {
    struct view view;
    XXH3_state_t state;
};

static void hash_text(struct hash_view *h, const char *name)
{
    XXH3_64bits_update(&h->state, name, strlen(name) + 1);
}

static void hash_number(struct view *v, const char *name, uint64_t value)
{
    struct hash_view *h = (struct hash_view *)v;
    uint8_t le[8];
    le64_put(le, value);
    hash_text(h, name);
    XXH3_64bits_update(&h->state, le, sizeof le);
}

static void hash_bytes(struct view *v, const char *name, const void *data, uint32_t len)
{
    hash_number(v, name, len);
    if (len > 0)
        XXH3_64bits_update(&((struct hash_view *)v)->state, data, len);
}

static uint64_t hash_of(struct stack *st, bool times)
{
    struct hash_view h = {.view = {hash_number, hash_number, hash_bytes, times}};
    XXH3_64bits_reset(&h.state);
    stack_show(st, &h.view);
    return XXH3_64bits_digest(&h.state);
}

uint64_t stack_hash(struct stack *st)
{
    return hash_of(st, false);
}

uint64_t stack_hash_timed(struct stack *st)
{
    return hash_of(st, true);
}

/* ---- dump ------------------------------------------------------------------------------------ */

struct dump_view {
    struct view view;
    void (*put)(void *ctx, const char *line);
    void *ctx;
    struct stack *st;
    char co[32]; /* "pl.": whose state is shown */
    char group[64];
};

static void dump_group(struct view *v, const char *name, uint64_t index)
{
    struct dump_view *d = (struct dump_view *)v;
    if (stack_co(d->st, name) != NULL) {
        snprintf(d->co, sizeof d->co, "%s.", name);
        d->group[0] = '\0';
        return;
    }
    snprintf(d->group, sizeof d->group, "%s[%" PRIu64 "].", name, index);
}

static void dump_number(struct view *v, const char *name, uint64_t value)
{
    struct dump_view *d = (struct dump_view *)v;
    char line[256];
    snprintf(line, sizeof line, "%s%s%s = %" PRIu64, d->co, d->group, name, value);
    d->put(d->ctx, line);
}

static void dump_bytes(struct view *v, const char *name, const void *data, uint32_t len)
{
    struct dump_view *d = (struct dump_view *)v;
    char line[256];
    int at = snprintf(line, sizeof line, "%s%s%.32s = %u:", d->co, d->group, name, len);
    /* By hand: a process that runs stands still while it is dumped. */
    for (uint32_t i = 0; i < len && i < 48 && (size_t)at + 3 < sizeof line; i++) {
        uint8_t byte = ((const uint8_t *)data)[i];
        line[at++] = "0123456789abcdef"[byte >> 4];
        line[at++] = "0123456789abcdef"[byte & 15];
        line[at] = '\0';
    }
    if (len > 48)
        snprintf(line + at, sizeof line - (size_t)at, "…");
    d->put(d->ctx, line);
}

void stack_dump(struct stack *st, void (*put)(void *ctx, const char *line), void *ctx)
{
    struct dump_view d = {.view = {dump_group, dump_number, dump_bytes},
                          .put = put,
                          .ctx = ctx,
                          .st = st};
    stack_show(st, &d.view);
}
