/* SPDX-License-Identifier: BSD-3-Clause */
/* What checkers share: tables, names of messages, verdicts, and where to find each. */
#include "check_table.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "dataplane/large.h"

const struct check_class *check_find(enum abstraction a)
{
    static const struct check_class *const classes[ABSTRACTIONS] = {
#define X(ID, name) [ABS_##ID] = &check_##name##_class,
        CHECK_CLASSES(X)
#undef X
    };
    return a < ABSTRACTIONS ? classes[a] : NULL;
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void *not_null(void *p)
{
    if (p == NULL) {
        fprintf(stderr, "checker: out of memory: judge a shorter run\n");
        abort();
    }
    return p;
}

void *check_zeroed(size_t bytes)
{
    return not_null(calloc(1, bytes));
}

void *check_grow(void *array, size_t count, size_t *capacity, size_t item_bytes)
{
    if (count < *capacity)
        return array;
    *capacity = *capacity == 0 ? 64 : 2 * *capacity;
    return not_null(realloc(array, *capacity * item_bytes));
}

/* ---- rows by key ----------------------------------------------------------------------------- */

static size_t slots_bytes(const struct check_table *t)
{
    return (t->mask + (size_t)1) * sizeof t->slot[0];
}

static size_t chunk_bytes(const struct check_table *t, uint32_t k)
{
    return (size_t)check_chunk_rows(k) * t->row_bytes;
}

void check_table_init(struct check_table *t, size_t row_bytes)
{
    *t = (struct check_table){.row_bytes = (row_bytes + 7) & ~(size_t)7, .mask = 63};
    t->slot = not_null(large_new(slots_bytes(t)));
    t->generation = 1;
}

void check_table_fini(struct check_table *t)
{
    for (uint32_t i = 0; i < t->chunks; i++)
        large_free(t->chunk[i], chunk_bytes(t, i));
    large_free(t->slot, slots_bytes(t));
}

void check_table_reset(struct check_table *t)
{
    t->rows = 0;
    if (++t->generation == 0) { /* wrapped: slots of the first generation would seem taken */
        memset(t->slot, 0, slots_bytes(t));
        t->generation = 1;
    }
}

/* The slot of `key`: taken by it, or the free one where it belongs. */
static struct check_slot *slot_of(const struct check_table *t, uint64_t key)
{
    uint32_t i = (uint32_t)key & t->mask, home = i;
    while (t->slot[i].generation == t->generation && t->slot[i].key != key) {
        i = (i + CHECK_BLOCK_SLOTS) & t->mask;
        if (i == home) /* that place is taken in every block */
            i = home = (home + 1) & t->mask;
    }
    return &t->slot[i];
}

static void rehash(struct check_table *t)
{
    struct check_table old = *t;
    t->mask = 2 * t->mask + 1;
    t->slot = not_null(large_new(slots_bytes(t)));
    for (uint32_t i = 0; i <= old.mask; i++)
        if (old.slot[i].generation == t->generation)
            *slot_of(t, old.slot[i].key) = old.slot[i];
    large_free(old.slot, slots_bytes(&old));
}

void *check_table_find(const struct check_table *t, uint64_t key)
{
    const struct check_slot *s = slot_of(t, key);
    return s->generation == t->generation ? check_table_row(t, s->row) : NULL;
}

void *check_table_get(struct check_table *t, uint64_t key)
{
    struct check_slot *s = slot_of(t, key);
    if (s->generation == t->generation)
        return check_table_row(t, s->row);
    if (2 * t->rows > t->mask) {
        rehash(t);
        s = slot_of(t, key);
    }
    *s = (struct check_slot){key, t->generation, t->rows};
    if (check_chunk_of(t->rows) == t->chunks) {
        t->chunk[t->chunks] = not_null(large_new(chunk_bytes(t, t->chunks)));
        t->chunks++;
    }
    return memset(check_table_row(t, t->rows++), 0, t->row_bytes);
}

/* ---- the name of a message ------------------------------------------------------------------- */

struct check_tag check_tag(const struct check_event *e)
{
    struct check_tag t = {.hash = check_bytes_key(0, 0, e->msg, e->len), .len = e->len};
    if (e->named) {
        t.value = e->name;
        t.len = sizeof t.value;
        return t;
    }
    if (e->len <= 8) {
        for (uint32_t i = 0; i < e->len; i++)
            t.value |= (uint64_t)e->msg[i] << 8 * i;
        return t;
    }
    t.value = 0xcbf29ce484222325u; /* FNV-1a, as traces print */
    for (uint32_t i = 0; i < e->len; i++)
        t.value = (t.value ^ e->msg[i]) * 0x100000001b3u;
    return t;
}

struct check_text check_tag_text(const struct check_tag *t)
{
    struct check_text text;
    if (t->len <= 8)
        snprintf(text.s, sizeof text.s, "%" PRIu64, t->value);
    else
        snprintf(text.s, sizeof text.s, "%uB#%06" PRIx64, t->len, t->value >> 40);
    return text;
}

struct check_text check_times_text(uint32_t times)
{
    static const char *const word[] = {"never", "once", "twice"};
    struct check_text text;
    if (times < 3)
        snprintf(text.s, sizeof text.s, "%s", word[times]);
    else
        snprintf(text.s, sizeof text.s, "%u times", times);
    return text;
}

/* ---- judging --------------------------------------------------------------------------------- */

void *check_open(const struct check_class *cls, uint16_t n, size_t bytes)
{
    struct check *c = not_null(calloc(1, bytes));
    c->cls = cls;
    c->n = n;
    check_restart(c);
    return c;
}

void check_restart(struct check *c)
{
    memset(c->crashed, 0, ((size_t)c->n + 63) / 64 * 8);
    memset(c->restarted, 0, ((size_t)c->n + 63) / 64 * 8);
    c->violations = 0;
    c->results = 0;
    for (uint32_t i = 0; i < property_info_count; i++) {
        const struct property_info *p = &property_infos[i];
        if (p->abstraction != c->cls->abstraction)
            continue;
        struct check_result *r = &c->result[c->results++];
        r->code = p->code;
        r->state = p->kind == SAFETY ? CHECK_HOLDS : CHECK_NOT_YET;
        r->step = 0;
        r->witness[0] = '\0';
    }
}

void check_crash(struct check *c, uint16_t p, uint64_t step)
{
    (void)step;
    if (p < c->n)
        c->crashed[p / 64] |= 1ull << p % 64;
}

void check_recovered(struct check *c, uint16_t p, uint64_t step)
{
    (void)step;
    if (p < c->n)
        c->crashed[p / 64] &= ~(1ull << p % 64);
}

static void say(struct check_result *r, enum check_state state, uint64_t step, const char *format,
                va_list args)
{
    r->state = state;
    r->step = step;
    vsnprintf(r->witness, sizeof r->witness, format, args);
}

void check_violate(struct check *c, uint32_t property, uint64_t step, const char *format, ...)
{
    struct check_result *r = &c->result[property];
    va_list args;
    c->violations++;
    if (r->state == CHECK_VIOLATED)
        return;
    va_start(args, format);
    say(r, CHECK_VIOLATED, step, format, args);
    va_end(args);
}

void check_judge(struct check *c)
{
    for (uint32_t i = 0; i < c->results; i++)
        if (c->result[i].state == CHECK_NOT_YET) {
            c->result[i].state = CHECK_HOLDS;
            c->result[i].witness[0] = '\0';
        }
}

void check_owed(struct check *c, uint32_t property, bool fair, uint64_t step, const char *format,
                ...)
{
    struct check_result *r = &c->result[property];
    va_list args;
    c->violations += fair;
    if (r->state != CHECK_HOLDS)
        return;
    va_start(args, format);
    say(r, fair ? CHECK_VIOLATED : CHECK_NOT_YET, step, format, args);
    va_end(args);
}
