/* SPDX-License-Identifier: BSD-3-Clause */
/* What log.c and log_recover.c share. */
#ifndef UPON_LOG_INTERNAL_H
#define UPON_LOG_INTERNAL_H

#include "log.h"
#include "log_format.h"

#define LOG_BUFFERS_MAX 64
#define LOG_FLIGHTS_MAX 256 /* batches from the oldest that is not durable on */

/* A batch on its way to the disk, or there before an older one. */
struct log_flight {
    uint64_t end_seq; /* of its last record, plus one */
    uint32_t buffer;
    uint32_t bytes;
    bool done;
};

/* What a segment begins with. */
struct log_opening {
    uint64_t seq;   /* of its first record */
    uint64_t batch; /* number of its first batch; 0: none yet */
};

struct log {
    struct disk *disk;
    struct log_id id;
    struct log_shape shape;
    uint32_t incarnation;
    uint64_t generation; /* of the super block */
    uint64_t first_segment;
    uint64_t first_batch; /* what opened it, as the super block says; 0: it does not */
    uint64_t first_seq;
    /* Where the next batch goes. */
    uint64_t segment; /* number; UINT64_MAX: none yet */
    uint32_t block;   /* in the segment */
    uint64_t batch;   /* number of the next one */
    uint64_t previous;
    /* Records. */
    uint64_t next_seq;
    uint64_t durable_seq;
    /* The batch being staged. */
    uint32_t buffer; /* UINT32_MAX: no buffer is free */
    uint32_t stream; /* bytes staged, header included */
    uint32_t records;
    uint64_t staged_seq; /* of its first record */
    uint32_t free_buffers[LOG_BUFFERS_MAX];
    uint32_t frees;
    struct log_flight flight[LOG_FLIGHTS_MAX];
    uint64_t flight_head, flight_tail;
    struct log_opening *opening; /* of each live segment, by slot: what a checkpoint may release */
    int error;                   /* −errno: over for good */
    uint8_t *super;              /* a block, to write it from */
    struct log_stats stats;
};

static inline uint32_t segment_blocks(const struct log_shape *s)
{
    return s->segment_bytes / LOG_BLOCK_BYTES;
}

static inline struct log_opening *opening_of(const struct log *log, uint64_t segment)
{
    return &log->opening[segment % log->shape.slots];
}

/* Blocks for a stream of so many bytes. */
static inline uint32_t stream_blocks(uint32_t stream)
{
    uint32_t sectors = (stream + LOG_DATA_BYTES - 1) / LOG_DATA_BYTES;
    return (sectors + LOG_BLOCK_SECTORS - 1) / LOG_BLOCK_SECTORS;
}

/* Copy into, or out of, a stream that lies over the data parts of sectors. */
void log_stream_put(uint8_t *sectors, uint32_t pos, const void *from, uint32_t len);
void log_stream_get(const uint8_t *sectors, uint32_t pos, void *to, uint32_t len);

/* Write it from log->super. 0 or −errno. */
int log_write_super(struct log *log);

/* Read a copy of it into `block`; true when it is valid. */
bool log_read_super(struct disk *d, int copy, uint8_t *block);

/* Read a log back into *log (position, sequence numbers) and judge it. log_recover.c. */
int log_recover(struct log *log, log_found_fn *found, void *ctx, struct log_report *report);

/* The recovery table: what stands where the log seems to end × what stands behind it × whether the
 * super block knows of more records, or of fewer lives, than were found. */
enum log_here { HERE_ABSENT, HERE_TORN, HERE_BAD, HERES };
enum log_later { LATER_NONE, LATER_UNACKED, LATER_ACKED, LATER_BAD, LATERS };
enum log_known { KNOWN_FOUND, KNOWN_MORE, KNOWN_FEWER_LIVES, KNOWNS };
enum log_outcome log_judge(enum log_here here, enum log_later later, enum log_known known);

#endif
