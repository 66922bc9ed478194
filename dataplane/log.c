/* SPDX-License-Identifier: BSD-3-Clause */
/* The log: staging, sealing, writing, acknowledging in order. */
#include "log_internal.h"

#include <errno.h>
#include <isa-l/crc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_hash_crc.h>

#include "pkt.h"

/* ---- sectors --------------------------------------------------------------------------------- */

/* CRC32C of a sector's data and batch number, seeded with its place. */
static uint32_t sector_crc(const uint8_t *sector, struct log_id id, uint32_t slot, uint32_t index)
{
    uint32_t crc = rte_hash_crc_8byte((uint64_t)id.process << 32 | id.cluster, 0xffffffffu);
    crc = rte_hash_crc_8byte((uint64_t)index << 32 | slot, crc);
    crc = crc32_iscsi((uint8_t *)(uintptr_t)sector, LOG_SECTOR_BYTES - 4, crc);
    return crc ^ 0xffffffffu;
}

#define KIND_SHIFT 56 /* number and kind are one word */

void log_sector_seal(uint8_t *sector, struct log_id id, uint32_t slot, uint32_t index,
                     uint64_t batch, uint8_t kind)
{
    struct log_trailer_wire *t = (struct log_trailer_wire *)(sector + LOG_DATA_BYTES);
    le64_put(t->batch, batch | (uint64_t)kind << KIND_SHIFT);
    le32_put(t->crc, sector_crc(sector, id, slot, index));
}

enum sector_state log_sector_state(const uint8_t *sector, struct log_id id, uint32_t slot,
                                   uint32_t index, uint64_t batch, uint64_t *found)
{
    const struct log_trailer_wire *t = (const struct log_trailer_wire *)(sector + LOG_DATA_BYTES);
    *found = le64_get(t->batch) & ((1ull << KIND_SHIFT) - 1);
    if (le32_get(t->crc) == sector_crc(sector, id, slot, index))
        return *found == batch ? SECTOR_GOOD : *found < batch ? SECTOR_STALE : SECTOR_LATER;
    static const uint8_t zero[LOG_SECTOR_BYTES];
    return memcmp(sector, zero, sizeof zero) == 0 ? SECTOR_ZERO : SECTOR_BAD;
}

void log_stream_put(uint8_t *sectors, uint32_t pos, const void *from, uint32_t len)
{
    const uint8_t *p = from;
    while (len > 0) {
        uint32_t at = pos % LOG_DATA_BYTES, part = LOG_DATA_BYTES - at;
        if (part > len)
            part = len;
        memcpy(sectors + pos / LOG_DATA_BYTES * LOG_SECTOR_BYTES + at, p, part);
        p += part;
        pos += part;
        len -= part;
    }
}

void log_stream_get(const uint8_t *sectors, uint32_t pos, void *to, uint32_t len)
{
    uint8_t *p = to;
    while (len > 0) {
        uint32_t at = pos % LOG_DATA_BYTES, part = LOG_DATA_BYTES - at;
        if (part > len)
            part = len;
        memcpy(p, sectors + pos / LOG_DATA_BYTES * LOG_SECTOR_BYTES + at, part);
        p += part;
        pos += part;
        len -= part;
    }
}

/* ---- the super block ------------------------------------------------------------------------- */

static uint8_t *new_block(void)
{
    return aligned_alloc(LOG_BLOCK_BYTES, LOG_BLOCK_BYTES);
}

static int write_super(struct disk *d, uint8_t *block, uint64_t generation)
{
    le64_put(((struct log_super_wire *)block)->generation, generation);
    log_sector_seal(block, (struct log_id){0, 0}, LOG_SLOT_SUPER, 0, generation, LOG_BODY);
    return d->ops->write_super(d, block);
}

int log_write_super(struct log *log)
{
    memset(log->super, 0, LOG_BLOCK_BYTES);
    struct log_super_wire *w = (struct log_super_wire *)log->super;
    le32_put(w->magic, LOG_MAGIC_SUPER);
    le32_put(w->version, LOG_VERSION);
    le32_put(w->cluster, log->id.cluster);
    le32_put(w->process, log->id.process);
    le32_put(w->slots, log->shape.slots);
    le32_put(w->segment_bytes, log->shape.segment_bytes);
    le32_put(w->incarnation, log->incarnation);
    le64_put(w->first_segment, log->first_segment);
    le64_put(w->first_batch, log->first_batch);
    le64_put(w->first_seq, log->first_seq);
    le64_put(w->durable_seq, log->durable_seq);
    return write_super(log->disk, log->super, ++log->generation);
}

int log_restored(struct disk *d)
{
    uint8_t *block[2] = {new_block(), new_block()};
    bool good[2] = {false, false};
    for (int copy = 0; copy < 2 && block[0] != NULL && block[1] != NULL; copy++)
        good[copy] = log_read_super(d, copy, block[copy]);
    int err = block[0] == NULL || block[1] == NULL ? -ENOMEM : good[0] || good[1] ? 0 : -EILSEQ;
    if (err == 0) {
        const struct log_super_wire *w[2] = {(void *)block[0], (void *)block[1]};
        int take = !good[0] || (good[1] && le64_get(w[1]->generation) > le64_get(w[0]->generation));
        struct log_super_wire *s = (struct log_super_wire *)block[take];
        le32_put(s->incarnation, le32_get(s->incarnation) + LOG_RESTORED_LIVES);
        err = write_super(d, block[take], le64_get(s->generation) + 1);
    }
    free(block[0]);
    free(block[1]);
    return err;
}

int log_format(struct disk *d, struct log_id id, struct log_shape shape)
{
    struct log fresh = {.disk = d, .id = id, .shape = shape};
    if (shape.slots < 2 || shape.segment_bytes % LOG_BLOCK_BYTES != 0 ||
        shape.segment_bytes < d->buffer_bytes + LOG_BLOCK_BYTES)
        return -EINVAL;
    if ((fresh.super = new_block()) == NULL)
        return -ENOMEM;
    int err = log_write_super(&fresh);
    free(fresh.super);
    return err;
}

/* Whether the batch that opens a segment is durable: a log does not begin where nothing may be. */
static bool segment_there(const struct log *log, uint64_t segment)
{
    const struct log_opening *o = opening_of(log, segment);
    return o->batch != 0 && o->seq < log->durable_seq;
}

/* The super block says with which batch the first segment begins: a write that was lost may leave an
 * older one there, of the same segment, which a recovery had cut. */
static void name_first_batch(struct log *log)
{
    bool there = segment_there(log, log->first_segment);
    log->first_batch = there ? opening_of(log, log->first_segment)->batch : 0;
}

/* ---- opening --------------------------------------------------------------------------------- */

static void stage_nothing(struct log *log)
{
    log->buffer = log->frees > 0 ? log->free_buffers[--log->frees] : UINT32_MAX;
    log->stream = sizeof(struct log_batch_wire);
    log->records = 0;
    log->staged_seq = log->next_seq;
}

/*
 * A new life begins. What was found counts as durable from now on, and the super block says so: what
 * a killed process had written and not flushed is flushed first.
 */
static int begin_life(struct log *log, struct log_report *report)
{
    struct disk *d = log->disk;
    int err = d->ops->flush != NULL ? d->ops->flush(d) : 0;
    if (err != 0) {
        snprintf(report->why, sizeof report->why, "the segment files cannot be flushed: %s",
                 strerror(-err));
        return err;
    }
    log->durable_seq = log->next_seq;
    name_first_batch(log);
    log->incarnation++;
    err = log_write_super(log);
    if (err != 0)
        snprintf(report->why, sizeof report->why, "the super block cannot be written: %s",
                 strerror(-err));
    return err;
}

int log_open(struct log **out, struct disk *d, struct log_id id, log_found_fn *found, void *ctx,
             bool read_only, struct log_report *report)
{
    assert(d->buffer_count <= LOG_BUFFERS_MAX);
    struct log *log = calloc(1, sizeof *log);
    *out = NULL;
    memset(report, 0, sizeof *report);
    if (log == NULL || (log->super = new_block()) == NULL) {
        snprintf(report->why, sizeof report->why, "no memory for a log");
        free(log);
        return -ENOMEM;
    }
    log->disk = d;
    log->id = id;
    int err = log_recover(log, found, ctx, report);
    if (err == 0 && !read_only)
        err = begin_life(log, report);
    report->incarnation = log->incarnation;
    if (err != 0 || read_only) {
        log_close(log);
        return err;
    }
    for (uint32_t i = 0; i < d->buffer_count; i++)
        log->free_buffers[log->frees++] = i;
    stage_nothing(log);
    *out = log;
    return 0;
}

void log_close(struct log *log)
{
    if (log == NULL)
        return;
    free(log->opening);
    free(log->super);
    free(log);
}

/* ---- staging --------------------------------------------------------------------------------- */

/* The first block of a buffer is for a segment's header, which only its first write carries. */
static uint8_t *staged(const struct log *log)
{
    return log->disk->buffers + (size_t)log->buffer * log->disk->buffer_bytes + LOG_BLOCK_BYTES;
}

static uint32_t stream_max(const struct log *log)
{
    return (log->disk->buffer_bytes / LOG_SECTOR_BYTES - LOG_BLOCK_SECTORS) * LOG_DATA_BYTES;
}

uint32_t log_record_bytes_max(const struct log *log)
{
    return stream_max(log) - (uint32_t)sizeof(struct log_batch_wire) -
           (uint32_t)sizeof(struct log_record_wire);
}

static bool next_segment_free(const struct log *log)
{
    return log->segment == UINT64_MAX || log->segment + 1 - log->first_segment < log->shape.slots;
}

bool log_room(const struct log *log, uint32_t len)
{
    if (log->error != 0 || log->buffer == UINT32_MAX)
        return false;
    uint32_t stream = log->stream + (uint32_t)sizeof(struct log_record_wire) + len;
    if (stream > stream_max(log))
        return false;
    if (next_segment_free(log))
        return true;
    return log->block + stream_blocks(stream) <= segment_blocks(&log->shape);
}

uint64_t log_append(struct log *log, uint16_t type, const void *head, uint32_t head_len,
                    const void *body, uint32_t body_len)
{
    assert(log_room(log, head_len + body_len));
    struct log_record_wire r = {{0}};
    uint8_t *to = staged(log);
    le32_put(r.len, head_len + body_len);
    le16_put(r.type, type);
    le64_put(r.seq, log->next_seq);
    log_stream_put(to, log->stream, &r, sizeof r);
    log->stream += (uint32_t)sizeof r;
    log_stream_put(to, log->stream, head, head_len);
    log->stream += head_len;
    log_stream_put(to, log->stream, body, body_len);
    log->stream += body_len;
    log->records++;
    log->stats.records++;
    log->stats.bytes += head_len + body_len;
    return log->next_seq++;
}

/* ---- writing --------------------------------------------------------------------------------- */

/* Fill what the stream leaves of its last block, so that every sector of the batch is written. */
static void pad(uint8_t *to, uint32_t stream, uint32_t blocks)
{
    uint32_t end = blocks * LOG_BLOCK_SECTORS * LOG_DATA_BYTES;
    while (stream < end) {
        uint32_t at = stream % LOG_DATA_BYTES, part = LOG_DATA_BYTES - at;
        memset(to + stream / LOG_DATA_BYTES * LOG_SECTOR_BYTES + at, 0, part);
        stream += part;
    }
}

static void put_segment_header(struct log *log, uint8_t *block, uint32_t slot)
{
    struct log_segment_wire *w = (struct log_segment_wire *)block;
    memset(block, 0, LOG_BLOCK_BYTES);
    le32_put(w->magic, LOG_MAGIC_SEGMENT);
    le32_put(w->version, LOG_VERSION);
    le64_put(w->number, log->segment);
    le64_put(w->first_batch, log->batch);
    le64_put(w->first_seq, log->staged_seq);
    for (uint32_t i = 0; i < LOG_BLOCK_SECTORS; i++)
        log_sector_seal(block + i * LOG_SECTOR_BYTES, log->id, slot, i, log->batch, LOG_BODY);
}

/* Seal what is staged and begin to write it. */
static void write_batch(struct log *log)
{
    uint32_t blocks = stream_blocks(log->stream);
    bool fresh = log->segment == UINT64_MAX || log->block + blocks > segment_blocks(&log->shape);
    if (fresh) {
        log->segment = log->segment == UINT64_MAX ? log->first_segment : log->segment + 1;
        log->block = 1;
        *opening_of(log, log->segment) = (struct log_opening){log->staged_seq, log->batch};
    }
    uint32_t slot = (uint32_t)(log->segment % log->shape.slots);
    uint8_t *to = staged(log);
    struct log_batch_wire w;
    le32_put(w.magic, LOG_MAGIC_BATCH);
    le32_put(w.blocks, blocks);
    le64_put(w.number, log->batch);
    le64_put(w.previous, log->previous);
    le64_put(w.first_seq, log->staged_seq);
    le64_put(w.committed, log->durable_seq);
    le32_put(w.records, log->records);
    le32_put(w.bytes, log->stream);
    le32_put(w.incarnation, log->incarnation);
    log_stream_put(to, 0, &w, sizeof w);
    pad(to, log->stream, blocks);
    for (uint32_t i = 0; i < blocks * LOG_BLOCK_SECTORS; i++)
        log_sector_seal(to + i * LOG_SECTOR_BYTES, log->id, slot,
                        log->block * LOG_BLOCK_SECTORS + i, log->batch,
                        i == 0 ? LOG_BEGINS : LOG_BODY);
    uint32_t skip = LOG_BLOCK_BYTES, bytes = blocks * LOG_BLOCK_BYTES;
    uint64_t offset = (uint64_t)log->block * LOG_BLOCK_BYTES;
    if (fresh) {
        put_segment_header(log, to - LOG_BLOCK_BYTES, slot);
        skip = 0;
        bytes += LOG_BLOCK_BYTES;
        offset = 0;
    }
    log->flight[log->flight_tail++ % LOG_FLIGHTS_MAX] =
        (struct log_flight){log->next_seq, log->buffer, bytes, false};
    log->disk->ops->write(log->disk, slot, offset, log->buffer, skip, bytes);
    log->block += blocks;
    log->previous = log->batch++;
    log->stats.batches++;
    log->stats.blocks += blocks;
    stage_nothing(log);
}

static void written(struct log *log, const struct disk_done *done)
{
    for (uint64_t i = log->flight_head; i < log->flight_tail; i++) {
        struct log_flight *f = &log->flight[i % LOG_FLIGHTS_MAX];
        if (f->buffer != done->buffer || f->done)
            continue;
        if (done->result != (int32_t)f->bytes)
            log->error = done->result < 0 ? done->result : -EIO;
        f->done = true;
        log->free_buffers[log->frees++] = f->buffer; /* whatever those before it do */
        return;
    }
}

/* Acknowledge in order: a batch counts once all before it are durable. */
static void acknowledge(struct log *log)
{
    while (log->flight_head < log->flight_tail) {
        struct log_flight *f = &log->flight[log->flight_head % LOG_FLIGHTS_MAX];
        if (!f->done)
            return;
        log->durable_seq = f->end_seq;
        log->flight_head++;
    }
}

int log_pump(struct log *log)
{
    struct disk_done done[LOG_BUFFERS_MAX];
    if (log->error != 0)
        return log->error;
    uint32_t n = log->disk->ops->reap(log->disk, done, LOG_BUFFERS_MAX);
    for (uint32_t i = 0; i < n; i++)
        written(log, &done[i]);
    if (log->error != 0)
        return log->error; /* and nothing more is acknowledged */
    acknowledge(log);
    if (log->buffer == UINT32_MAX)
        stage_nothing(log);
    /* One buffer stays back to stage into while the others are on their way. */
    if (log->records > 0 && log->frees > 0 &&
        log->flight_tail - log->flight_head < LOG_FLIGHTS_MAX) {
        write_batch(log);
        log->disk->ops->submit(log->disk);
    }
    return 0;
}

uint64_t log_durable(const struct log *log)
{
    return log->durable_seq;
}

uint64_t log_next(const struct log *log)
{
    return log->next_seq;
}

uint32_t log_staged(const struct log *log, uint32_t from, void *to, uint32_t max)
{
    from += (uint32_t)sizeof(struct log_batch_wire);
    if (log->records == 0 || from >= log->stream)
        return 0;
    uint32_t len = log->stream - from < max ? log->stream - from : max;
    log_stream_get(staged(log), from, to, len);
    return len;
}

/* ---- checkpoints ----------------------------------------------------------------------------- */

int log_checkpoint(struct log *log, uint64_t seq)
{
    if (log->segment == UINT64_MAX || seq > log->durable_seq)
        return seq > log->durable_seq ? -EINVAL : 0;
    uint64_t first = log->first_segment;
    while (first < log->segment && opening_of(log, first + 1)->seq <= seq &&
           segment_there(log, first + 1))
        first++;
    if (seq <= log->first_seq)
        return 0;
    log->first_seq = seq;
    log->first_segment = first;
    name_first_batch(log);
    return log_write_super(log);
}

double log_fill(const struct log *log)
{
    if (log->segment == UINT64_MAX)
        return 0;
    double used = (double)(log->segment - log->first_segment) +
                  (double)log->block / segment_blocks(&log->shape);
    return used / log->shape.slots;
}

struct log_stats log_stats(const struct log *log)
{
    return log->stats;
}
