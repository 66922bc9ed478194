/* SPDX-License-Identifier: BSD-3-Clause */
#include "audit.h"

#include <inttypes.h>
#include <stdlib.h>

#include "host.h"
#include "storage.h"

/* The tags that a log holds. Open addressing, at most half full; 0 is no tag. */
struct tags {
    const struct load_reader *reader;
    uint64_t *slot;
    uint64_t mask;
    uint64_t count;
    bool no_memory;
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

static void record_found(void *ctx, uint64_t seq, uint16_t type, const void *data, uint32_t len)
{
    struct tags *t = ctx;
    (void)seq, (void)type;
    uint64_t tag = load_reader_tag(t->reader, data, len);
    if (tag == 0 || t->no_memory)
        return;
    if (2 * ++t->count > t->mask)
        t->no_memory = !grow(t);
    if (!t->no_memory)
        put(t->slot, t->mask, tag);
}

/* Look for each entry of the ledger of p. */
static void compare(struct audit *a, const struct board *b, uint16_t p, const struct tags *t,
                    bool compacted)
{
    uint64_t missing = 0;
    for (uint64_t place = 0; place < b->ledger_max && missing < LOAD_WINDOW_OPS; place++) {
        const struct board_entry *e = &board_ledger(b, p)[place];
        uint64_t tag = board_get(&e->tag), key = board_get(&e->key);
        missing = tag != 0 ? 0 : missing + 1;
        if (tag == 0)
            continue;
        a->acknowledged++;
        if (has(t, tag)) {
            a->found++;
        } else if (compacted) {
            a->released++;
        } else if (a->lost++ == 0) {
            snprintf(a->why, sizeof a->why,
                     "p%u acknowledged operation %" PRIu64 " of p%u, and its log does not hold it",
                     p, (uint64_t)(key & ((1ull << BOARD_KEY_SHIFT) - 1)),
                     (unsigned)(key >> BOARD_KEY_SHIFT));
        }
    }
}

static bool audit_log(struct audit *a, const struct job *job, struct board *b, uint16_t p,
                      const struct load_reader *reader, bool compacted)
{
    struct tags t = {.reader = reader, .mask = (1 << 15) - 1};
    struct log_report report;
    char why[sizeof a->why] = "";
    if (!grow(&t))
        return false;
    if (storage_read(job, p, record_found, &t, &report, why, sizeof why) != 0) {
        if (!a->refused)
            snprintf(a->why, sizeof a->why, "the log of p%u: %.280s", p, why);
        a->refused = true;
    } else {
        a->logs++;
        a->records += report.records;
        compare(a, b, p, &t, compacted);
    }
    free(t.slot);
    return !t.no_memory;
}

bool audit_logs(struct audit *a, const struct job *job, struct board *board, uint64_t compacted)
{
    *a = (struct audit){0};
    const struct load_conf conf = host_load_conf(job, board, 0);
    struct load_reader *reader = load_reader_open(&conf, (uint16_t)job->n);
    bool good = reader != NULL;
    for (uint16_t p = 0; p < job->n && good; p++) {
        a->lives += board_get(&board_row(board, p)->lives);
        good = audit_log(a, job, board, p, reader, compacted >> p & 1);
    }
    free(reader);
    return good;
}
