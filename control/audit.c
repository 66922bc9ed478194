/* SPDX-License-Identifier: BSD-3-Clause */
#include "audit.h"

#include <inttypes.h>
#include <stdlib.h>

#include "host.h"
#include "storage.h"

/* A set of tags. Open addressing, at most half full; 0 is no tag. */
struct tags {
    uint64_t *slot;
    uint64_t mask;
    uint64_t count;
    bool no_memory;
};

/* A log that is being read. */
struct reading {
    const struct load_reader *reader;
    const struct stack_layer *layer; /* whose records they are, by port … */
    uint32_t layers;                 /* … below this */
    struct tags tags;                /* that it holds */
    uint64_t first_seq;              /* of its records; UINT64_MAX: none yet */
    uint64_t kept;                   /* what its first compaction kept begins at this place … */
    bool said;                       /* … if it says so */
};

static void put(uint64_t *slot, uint64_t mask, uint64_t tag)
{
    uint64_t i = tag & mask;
    while (slot[i] != 0 && slot[i] != tag)
        i = (i + 1) & mask;
    slot[i] = tag;
}

static bool grow(struct tags *t)
{
    uint64_t mask = t->mask * 2 + 1, *slot = calloc(mask + 1, sizeof *slot);
    if (slot == NULL)
        return false;
    for (uint64_t i = 0; t->slot != NULL && i <= t->mask; i++)
        if (t->slot[i] != 0)
            put(slot, mask, t->slot[i]);
    free(t->slot);
    t->slot = slot;
    t->mask = mask;
    return true;
}

static bool has(const struct tags *t, uint64_t tag)
{
    uint64_t i = tag & t->mask;
    while (t->slot[i] != 0 && t->slot[i] != tag)
        i = (i + 1) & t->mask;
    return t->slot[i] == tag;
}

/* Whether it is new. */
static bool add(struct tags *t, uint64_t tag)
{
    if (t->no_memory || has(t, tag))
        return false;
    if (2 * ++t->count > t->mask)
        t->no_memory = !grow(t);
    if (!t->no_memory)
        put(t->slot, t->mask, tag);
    return true;
}

static bool tags_open(struct tags *t)
{
    *t = (struct tags){.mask = (1 << 15) - 1};
    return grow(t);
}

static void record_found(void *ctx, uint64_t seq, uint16_t type, const void *data, uint32_t len)
{
    struct reading *r = ctx;
    const struct co_class *cls = type < r->layers ? r->layer[type].cls : NULL;
    uint64_t tag = load_reader_tag(r->reader, data, len);
    if (tag != 0)
        (void)add(&r->tags, tag);
    if (seq < r->first_seq)
        r->first_seq = seq;
    if (!r->said && cls != NULL && cls->keeps != NULL && len >= 8)
        r->said = cls->keeps(le64_get(data), (const uint8_t *)data + 8, len - 8, &r->kept);
}

/* Places below this are in the log no more, since a compaction dropped them: it begins with what that
 * one stored. A log that begins with the first of all records has dropped nothing. */
static uint64_t dropped(const struct reading *r)
{
    return r->said && r->first_seq > 0 ? r->kept : 0;
}

static void broken(struct audit *a, uint16_t p, uint64_t key, const char *what)
{
    if (a->lost + a->doubled == 1 && !a->refused)
        snprintf(a->why, sizeof a->why, "p%u acknowledged operation %" PRIu64 " of p%u%s", p,
                 (uint64_t)(key & ((1ull << BOARD_KEY_SHIFT) - 1)),
                 (unsigned)(key >> BOARD_KEY_SHIFT), what);
}

/* Look for each entry of the ledger of p; each is there once, and none was dropped before it was. */
static void compare(struct audit *a, const struct board *b, uint16_t p, const struct reading *log,
                    struct tags *told)
{
    uint64_t missing = 0, gone = dropped(log);
    for (uint64_t place = 0; place < b->ledger_max && missing < LOAD_WINDOW_OPS; place++) {
        const struct board_entry *e = &board_ledger(b, p)[place];
        uint64_t tag = board_get(&e->tag), key = board_get(&e->key);
        missing = tag != 0 ? 0 : missing + 1;
        if (tag == 0 && place < gone) {
            a->lost++;
            if (a->lost + a->doubled == 1 && !a->refused)
                snprintf(a->why, sizeof a->why,
                         "p%u never acknowledged %" PRIu64 ", and its log has dropped it", p,
                         place);
        }
        if (tag == 0)
            continue;
        a->acknowledged++;
        if (!add(told, tag) && !told->no_memory) {
            a->doubled++;
            broken(a, p, key, " twice");
        }
        if (has(&log->tags, tag)) {
            a->found++;
        } else if (place < gone) {
            a->released++;
        } else {
            a->lost++;
            broken(a, p, key, ", and its log does not hold it");
        }
    }
}

static bool audit_log(struct audit *a, const struct job *job, struct board *b, uint16_t p,
                      const struct load_reader *reader)
{
    struct reading r = {.reader = reader, .layer = job->def->layers, .first_seq = UINT64_MAX};
    while (r.layer[r.layers].name != NULL)
        r.layers++;
    struct tags told = {0};
    struct log_report report;
    char why[sizeof a->why] = "";
    bool good = tags_open(&r.tags) && tags_open(&told);
    if (!good) {
        /* said by the caller */
    } else if (storage_read(job, p, record_found, &r, &report, why, sizeof why) != 0) {
        if (!a->refused)
            snprintf(a->why, sizeof a->why, "the log of p%u: %.280s", p, why);
        a->refused = true;
    } else {
        a->logs++;
        a->records += report.records;
        compare(a, b, p, &r, &told);
    }
    free(r.tags.slot);
    free(told.slot);
    return good && !r.tags.no_memory && !told.no_memory;
}

bool audit_logs(struct audit *a, const struct job *job, struct board *board)
{
    *a = (struct audit){0};
    const struct load_conf conf = host_load_conf(job, board, 0);
    struct load_reader *reader = load_reader_open(&conf, (uint16_t)job->n);
    bool good = reader != NULL;
    for (uint16_t p = 0; p < job->n && good; p++) {
        a->lives += board_get(&board_row(board, p)->lives);
        a->unaudited += board_get(&board_row(board, p)->forgotten);
        good = audit_log(a, job, board, p, reader);
    }
    free(reader);
    return good;
}
