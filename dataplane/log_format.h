/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the log looks like on disk. A log is one folder per process: `super`, and a fixed number of
 * segment files of equal size, zero-filled when it is created and from then on only overwritten.
 *
 * The unit that a disk may tear is a sector of 512 bytes, so every sector vouches for itself: its
 * trailer holds the number of the batch that wrote it, whether a batch begins with it, and a CRC32C
 * over all that, seeded with the sector's place (cluster, process, slot, index). What is read as the
 * header of a batch is so never a user's bytes. A sector is therefore exactly one of
 *
 *   zero    never written
 *   stale   valid, of an earlier batch than the one looked for: an earlier use of the segment, or a
 *           tail that a recovery has cut
 *   good    valid, of the batch looked for
 *   bad     none of these: what no torn write leaves behind
 *
 * A batch is what one write makes durable: whole blocks of 4 KiB, a header, records back to back
 * over the data parts of its sectors. Every sector of a batch is written, so a batch with a zero or
 * stale sector was torn, and one with a bad sector was damaged: the two are never confused. Batches
 * are numbered without gaps while a process runs; a recovery continues above every number that it
 * saw. `committed` says which records were durable when the batch was made: a later batch is thus
 * the witness that an earlier one had been acknowledged. And each names the life that wrote it: the
 * witness of a super block that the disk has lost, after which that life's name would be used again.
 * The chain of batches hangs on the super block, which names the first: where the disk has lost that
 * one, an older one may stand in its place, of the same segment, that a recovery had cut.
 */
#ifndef UPON_LOG_FORMAT_H
#define UPON_LOG_FORMAT_H

#include <assert.h>
#include <stdint.h>

#define LOG_VERSION       4
#define LOG_SECTOR_BYTES  512
#define LOG_TRAILER_BYTES 12
#define LOG_DATA_BYTES    (LOG_SECTOR_BYTES - LOG_TRAILER_BYTES)
#define LOG_BLOCK_BYTES   4096
#define LOG_BLOCK_SECTORS (LOG_BLOCK_BYTES / LOG_SECTOR_BYTES)

#define LOG_MAGIC_SUPER   0x50535055u /* "UPSP" */
#define LOG_MAGIC_SEGMENT 0x47535055u /* "UPSG" */
#define LOG_MAGIC_BATCH   0x54425055u /* "UPBT" */

/* The slot with which the sectors of the super file are bound. */
#define LOG_SLOT_SUPER UINT32_MAX

struct log_trailer_wire {
    uint8_t batch[7]; /* number of the batch that wrote this sector; super: its generation */
    uint8_t kind;     /* enum log_kind */
    uint8_t crc[4];
};
static_assert(sizeof(struct log_trailer_wire) == LOG_TRAILER_BYTES, "the layout is the protocol");

enum log_kind {
    LOG_BODY,  /* whatever the stream has here; all of a super block, or of a segment's header */
    LOG_BEGINS /* the first of a batch: log_batch_wire */
};

/* Block 0 and block 1 of `super`: two copies, written one after the other. */
struct log_super_wire {
    uint8_t magic[4];
    uint8_t version[4];
    uint8_t cluster[4];
    uint8_t process[4];
    uint8_t slots[4]; /* segment files */
    uint8_t segment_bytes[4];
    uint8_t generation[8];  /* of this super, from 1 */
    uint8_t incarnation[4]; /* of the process that opened the log last */
    uint8_t reserved[4];
    uint8_t first_segment[8]; /* the oldest that is needed */
    uint8_t first_batch[8];   /* number of the batch that opens it; 0: not durable yet */
    uint8_t first_seq[8];     /* records below it are not needed any more */
    uint8_t durable_seq[8];   /* records below it were durable when this was written */
};
static_assert(sizeof(struct log_super_wire) == 72, "the layout is the protocol");

/* Block 0 of a segment, written together with its first batch. */
struct log_segment_wire {
    uint8_t magic[4];
    uint8_t version[4];
    uint8_t number[8]; /* from 0; it lies in slot number mod slots */
    uint8_t first_batch[8];
    uint8_t first_seq[8];
};
static_assert(sizeof(struct log_segment_wire) == 32, "the layout is the protocol");

struct log_batch_wire {
    uint8_t magic[4];
    uint8_t blocks[4]; /* of this batch, this header's included */
    uint8_t number[8];
    uint8_t previous[8]; /* number of the batch before it; they differ by 1 but for a recovery */
    uint8_t first_seq[8];
    uint8_t committed[8]; /* records below it were durable when this batch was made */
    uint8_t records[4];
    uint8_t bytes[4];       /* of the stream: this header and all records */
    uint8_t incarnation[4]; /* of the process that wrote it: never above the super block's */
};
static_assert(sizeof(struct log_batch_wire) == 52, "the layout is the protocol");

struct log_record_wire {
    uint8_t len[4];
    uint8_t type[2];
    uint8_t reserved[2];
    uint8_t seq[8];
};
static_assert(sizeof(struct log_record_wire) == 16, "the layout is the protocol");

#endif
