/* SPDX-License-Identifier: BSD-3-Clause */
#include "audit.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "dataplane/refuse.h"
#include "host.h"
#include "ledger.h"
#include "storage.h"

/* By a key that is not 0, a value. Open addressing, at most half full. */
struct map {
    struct slot {
        uint64_t key; /* 0: it is free */
        uint64_t value;
    } * slot;
    uint64_t mask;
    uint64_t count;
    bool no_memory;
};

/* A log that is being read. */
struct reading {
    const struct load_reader *reader;
    const struct stack_layer *layer; /* whose records they are, by port … */
    uint32_t layers;                 /* … below this */
    bool delivers;                   /* its log-deliveries are told apart */
    struct map held;                 /* what it holds, tags: by tag, or by place + 1 … */
    struct map message;              /* … with those of messages, by their names */
    struct map key;                  /* of the ledger, by tag; without slots: nobody asks */
    uint64_t end;                    /* log-deliveries are at places below this */
    uint64_t first_seq;              /* of its records; UINT64_MAX: none yet */
    uint64_t kept;                   /* what its first compaction kept begins at this place … */
    bool said;                       /* … if it says so */
};

static struct slot *slot_of(struct slot *slot, uint64_t mask, uint64_t key)
{
    uint64_t i = key * 0x9e3779b97f4a7c15 >> 20 & mask;
    while (slot[i].key != 0 && slot[i].key != key)
        i = (i + 1) & mask;
    return &slot[i];
}

static bool grow(struct map *m)
{
    uint64_t mask = m->mask * 2 + 1;
    struct slot *slot = calloc(mask + 1, sizeof *slot);
    if (slot == NULL)
        return false;
    for (uint64_t i = 0; m->slot != NULL && i <= m->mask; i++)
        if (m->slot[i].key != 0)
            *slot_of(slot, mask, m->slot[i].key) = m->slot[i];
    free(m->slot);
    m->slot = slot;
    m->mask = mask;
    return true;
}

/* 0: there is none. */
static uint64_t get(const struct map *m, uint64_t key)
{
    return slot_of(m->slot, m->mask, key)->value;
}

/* Whether it is new; the value of one that is there stays. */
static bool add(struct map *m, uint64_t key, uint64_t value)
{
    if (m->no_memory || slot_of(m->slot, m->mask, key)->key != 0)
        return false;
    if (2 * ++m->count > m->mask)
        m->no_memory = !grow(m);
    if (!m->no_memory)
        *slot_of(m->slot, m->mask, key) = (struct slot){key, value};
    return true;
}

static bool map_open(struct map *m)
{
    *m = (struct map){.mask = (1 << 15) - 1};
    return grow(m);
}

/* A log-delivery is one when it names a message, and counts at its position alone; a second one
 * there is none, as for a recovery. */
static void delivery_found(struct reading *r, const struct co_record *told, uint64_t tag)
{
    if (!told->delivered && tag != 0)
        (void)add(&r->message, told->message, tag);
    if (!told->delivered)
        return;
    if (tag == 0)
        tag = get(&r->message, told->message);
    if (tag != 0)
        (void)add(&r->held, told->position + 1, tag);
    if (told->position >= r->end)
        r->end = told->position + 1;
}

static void record_found(void *ctx, uint64_t seq, uint16_t type, const void *data, uint32_t len)
{
    struct reading *r = ctx;
    const struct co_class *cls = type < r->layers ? r->layer[type].cls : NULL;
    const uint8_t *behind = (const uint8_t *)data + 8; /* the record's name */
    uint64_t key, tag = load_reader_tag(r->reader, data, len, &key);
    struct co_record told;
    if (seq < r->first_seq)
        r->first_seq = seq;
    if (tag != 0 && r->key.slot != NULL)
        (void)add(&r->key, tag, key + 1);
    if (!r->delivers && tag != 0)
        (void)add(&r->held, tag, tag);
    if (cls == NULL || len < 8)
        return;
    if (cls->tells != NULL && cls->tells(le64_get(data), behind, len - 8, &told))
        delivery_found(r, &told, tag);
    if (!r->said && cls->keeps != NULL)
        r->said = cls->keeps(le64_get(data), behind, len - 8, &r->kept);
}

/* Whether the log holds what was acknowledged there. */
static bool holds(const struct reading *r, uint64_t place, uint64_t tag)
{
    return get(&r->held, r->delivers ? place + 1 : tag) == tag;
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
                    struct map *told)
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
        if (!add(told, tag, tag) && !told->no_memory) {
            a->doubled++;
            broken(a, p, key, " twice");
        } else if (holds(log, place, tag)) {
            a->found++;
        } else if (place < gone) {
            a->released++;
        } else {
            a->lost++;
            broken(a, p, key, ", and its log does not hold it");
        }
    }
}

static struct reading reading_of(const struct job *job, const struct load_reader *reader)
{
    struct reading r = {.reader = reader, .layer = job->def->layers, .first_seq = UINT64_MAX};
    for (; r.layer[r.layers].name != NULL; r.layers++)
        r.delivers |= r.layer[r.layers].cls->tells != NULL;
    return r;
}

static bool audit_log(struct audit *a, const struct job *job, struct board *b, uint16_t p,
                      const struct load_reader *reader)
{
    struct reading r = reading_of(job, reader);
    struct map told = {0};
    struct log_report report;
    char why[sizeof a->why] = "";
    bool good = map_open(&r.held) && map_open(&r.message) && map_open(&told);
    if (!good) {
        /* said by the caller */
    } else if (storage_read(job, p, record_found, &r, &report, why, sizeof why) != 0) {
        if (!a->refused)
            snprintf(a->why, sizeof a->why, "the log of p%u: %.280s", p, why);
        a->refused = true;
    } else if (report.incarnation / LOG_RESTORED_LIVES != ledger_restores(b->run)) {
        if (!a->refused)
            snprintf(
                a->why, sizeof a->why,
                "the log of p%u, or its ledger, was restored from a backup and others were not", p);
        a->refused = true;
    } else {
        a->logs++;
        a->records += report.records;
        compare(a, b, p, &r, &told);
    }
    free(r.held.slot);
    free(r.message.slot);
    free(told.slot);
    return good && !r.held.no_memory && !r.message.no_memory && !told.no_memory;
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

/* ---- after a loss of power --------------------------------------------------------------------- */

/* A log-delivery is one when it is in the log, whether its process came to tell of it or not. */
static int refill(struct board *b, uint16_t p, const struct reading *log, char *why,
                  size_t why_size)
{
    for (uint64_t place = 0; place < log->end; place++) {
        struct board_entry *e = &board_ledger(b, p)[place < b->ledger_max ? place : 0];
        uint64_t tag = get(&log->held, place + 1);
        if (place < b->ledger_max && board_get(&e->tag) != 0)
            continue;
        if (place >= b->ledger_max || tag == 0)
            return refuse_as(why, why_size, -ENODATA,
                             "the machine went down while a run was under way, and neither the log "
                             "of p%u nor its ledger tells of log-delivery %" PRIu64,
                             p, place);
        board_put(&e->key, get(&log->key, tag) - 1);
        board_put(&e->tag, tag);
    }
    return 0;
}

static int refill_from_log(const struct job *job, struct board *b, uint16_t p,
                           const struct load_reader *reader, char *why, size_t why_size)
{
    struct reading r = reading_of(job, reader);
    struct log_report report;
    int err = -ENOMEM;
    if (map_open(&r.held) && map_open(&r.message) && map_open(&r.key))
        err = storage_read(job, p, record_found, &r, &report, why, why_size);
    if (r.held.no_memory || r.message.no_memory || r.key.no_memory)
        err = -ENOMEM;
    if (err == 0)
        err = refill(b, p, &r, why, why_size);
    if (err == -ENOMEM)
        snprintf(why, why_size, "no memory to read the logs");
    free(r.held.slot);
    free(r.message.slot);
    free(r.key.slot);
    return err;
}

int audit_refill(const struct job *job, struct board *board, char *why, size_t why_size)
{
    const struct load_conf conf = host_load_conf(job, board, 0);
    struct load_reader *reader = load_reader_open(&conf, (uint16_t)job->n);
    int err = reader == NULL ? refuse_as(why, why_size, -ENOMEM, "no memory to read the logs") : 0;
    for (uint16_t p = 0; p < job->n && err == 0; p++)
        err = refill_from_log(job, board, p, reader, why, why_size);
    free(reader);
    return err;
}
