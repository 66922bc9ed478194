/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The write-ahead log of one process. Sans-I/O: a state machine over a `struct disk`.
 *
 *   seq = log_append(…)   stage a record; it is copied
 *   log_pump(…)           once a breath: reap, then write what is staged if the device is free
 *   log_durable(…)        records below this are on stable storage, in order, for ever
 *
 * Group commit starts the moment the device is free: what is staged while a write is under way rides
 * in the next one. A write error, or a short write, ends the log for good: log_pump() says −errno,
 * the process crashes, and nothing that it had not acknowledged is ever acknowledged.
 *
 * Everything belongs to the thread of the process.
 */
#ifndef UPON_LOG_H
#define UPON_LOG_H

#include "disk.h"

struct log_id {
    uint32_t cluster;
    uint32_t process;
};

struct log_shape {
    uint32_t slots;         /* segment files, ≥ 2 */
    uint32_t segment_bytes; /* each, a multiple of a block */
};

struct log;

/* A record found by recovery, in order of seq. The data is borrowed for the call. */
typedef void log_found_fn(void *ctx, uint64_t seq, uint16_t type, const void *data, uint32_t len);

/* Why an opening ended as it did: one row of the recovery table each (log_recover.c). */
enum log_outcome {
    LOG_CLEAN,         /* ends where its last batch ends */
    LOG_CUT_TORN,      /* a torn batch that was never acknowledged: cut */
    LOG_CUT_UNORDERED, /* a batch missing before others that were never acknowledged: cut */
    LOG_DAMAGED,       /* a bad sector: refused */
    LOG_LOST,       /* an acknowledged batch is missing or torn, or the super block of a life that
                          wrote batches is: refused */
    LOG_FOREIGN,    /* of another cluster, process or version, or of another shape than its
                          files: refused */
    LOG_NO_SUPER,   /* neither copy of the super block is valid: refused */
    LOG_UNREADABLE, /* the disk says an error: refused */
    LOG_OUTCOMES
};

struct log_report {
    enum log_outcome outcome;
    uint32_t incarnation; /* of the process that opens it now */
    uint64_t records;
    uint64_t first_seq;
    uint64_t next_seq;
    uint64_t batches;
    uint64_t cut_batches;
    uint32_t super_repaired; /* copies rewritten from the other */
    char why[256];           /* one sentence, when refused, cut or failed */
};

/* Write the super block of a new, zero-filled log. 0 or −errno. */
int log_format(struct disk *d, struct log_id id, struct log_shape shape);

/*
 * This log was restored from a backup, after which its process may have had other lives: lead its
 * incarnation on by LOG_RESTORED_LIVES, so that the next life takes the name of none of them. 0 or
 * −errno; −EILSEQ: there is no valid super block.
 */
int log_restored(struct disk *d);

#define LOG_RESTORED_LIVES (1u << 20)

/*
 * Open a log: read it back, decide, count the incarnation up and store it. `found` may be NULL.
 * `read_only`: look and judge, change nothing (then *log is NULL). 0; or −EILSEQ when refused, with
 * the outcome and the sentence in *report; nothing is changed then. Another −errno: it could not be
 * done, and the sentence says what.
 */
int log_open(struct log **log, struct disk *d, struct log_id id, log_found_fn *found, void *ctx,
             bool read_only, struct log_report *report);

void log_close(struct log *log);

/* Bytes that one record may have. */
uint32_t log_record_bytes_max(const struct log *log);

/* Whether a record of `len` bytes can be staged now. False: wait for log_pump(). */
bool log_room(const struct log *log, uint32_t len);

/* Stage a record of two parts (a header and a body; either may be empty). Returns its seq. */
uint64_t log_append(struct log *log, uint16_t type, const void *head, uint32_t head_len,
                    const void *body, uint32_t body_len);

/* Reap and write. 0, or −errno once and for ever when a write failed. */
int log_pump(struct log *log);

/* All records below this are durable. */
uint64_t log_durable(const struct log *log);

/* The next record's seq. */
uint64_t log_next(const struct log *log);

/*
 * What is staged and has not begun to be written: copy its bytes from `from` on, at most `max`.
 * Returns how many; 0: that is all. For views; not cheap.
 */
uint32_t log_staged(const struct log *log, uint32_t from, void *to, uint32_t max);

/*
 * Records below `seq` are not needed any more: their segments are reused. Blocks for the super
 * block's writes: call it from time to time. 0 or −errno.
 */
int log_checkpoint(struct log *log, uint64_t seq);

/* Part of the log in use, in [0, 1]: a checkpoint is due well before 1. */
double log_fill(const struct log *log);

struct log_stats {
    uint64_t records, bytes, batches, blocks;
};
struct log_stats log_stats(const struct log *log);

/* ---- sectors: shared by log.c, log_recover.c and the tools ------------------------------------ */

enum sector_state { SECTOR_ZERO, SECTOR_STALE, SECTOR_GOOD, SECTOR_BAD, SECTOR_LATER };

/* Seal a sector: number, kind (enum log_kind) and checksum, bound to its place. */
void log_sector_seal(uint8_t *sector, struct log_id id, uint32_t slot, uint32_t index,
                     uint64_t batch, uint8_t kind);

/* What a sector is to whoever looks for batch `batch`; its number in *found when it is valid. */
enum sector_state log_sector_state(const uint8_t *sector, struct log_id id, uint32_t slot,
                                   uint32_t index, uint64_t batch, uint64_t *found);

/* Whether a block is a valid copy of a super block. */
bool log_super_good(const uint8_t *block);

#endif
