/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reading a log back.
 *
 * Batches are followed from the oldest live segment on, each naming the one before it. Where the
 * next one is not good, that place is looked at (`here`), and everything behind it (`later`), and
 * whether the super block knows of more records, or of fewer lives (`known`); the table below then
 * says, for each combination, what is done. It cuts only what no batch and no super block shows to
 * have been acknowledged, and it refuses on any sector that no torn write could have left behind.
 */
#include "log_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "large.h"
#include "pkt.h"

enum log_outcome log_judge(enum log_here here, enum log_later later, enum log_known known)
{
    static const enum log_outcome table[KNOWNS][HERES][LATERS] = {
        /*                LATER_NONE      LATER_UNACKED      LATER_ACKED   LATER_BAD */
        [KNOWN_FOUND] =
            {
                [HERE_ABSENT] = {LOG_CLEAN, LOG_CUT_UNORDERED, LOG_LOST, LOG_DAMAGED},
                [HERE_TORN] = {LOG_CUT_TORN, LOG_CUT_TORN, LOG_LOST, LOG_DAMAGED},
                [HERE_BAD] = {LOG_DAMAGED, LOG_DAMAGED, LOG_DAMAGED, LOG_DAMAGED},
            },
        [KNOWN_MORE] =
            {
                [HERE_ABSENT] = {LOG_LOST, LOG_LOST, LOG_LOST, LOG_DAMAGED},
                [HERE_TORN] = {LOG_LOST, LOG_LOST, LOG_LOST, LOG_DAMAGED},
                [HERE_BAD] = {LOG_DAMAGED, LOG_DAMAGED, LOG_DAMAGED, LOG_DAMAGED},
            },
        [KNOWN_FEWER_LIVES] =
            {
                [HERE_ABSENT] = {LOG_LOST, LOG_LOST, LOG_LOST, LOG_DAMAGED},
                [HERE_TORN] = {LOG_LOST, LOG_LOST, LOG_LOST, LOG_DAMAGED},
                [HERE_BAD] = {LOG_DAMAGED, LOG_DAMAGED, LOG_DAMAGED, LOG_DAMAGED},
            },
    };
    return table[known][here][later];
}

/*
 * The segments are read as one stream, in portions, some of them ahead of the one that is looked at.
 * Memory is for few: the device's copy and the checksums find it in the processor's cache (of 1 or
 * 2 MiB, as a rule), which is worth a third of the rate (bench/findings.md). What has left it is read
 * again if it is asked for again.
 */
#define PORTION_BYTES (512u << 10)
#define PORTIONS      4 /* in memory */
#define AHEAD_MAX     2 /* on their way; the others are for a batch that lies in two */
static_assert(AHEAD_MAX <= DISK_READS_MAX, "as much as the disk takes at once");

/* A sector of the stream. */
struct place {
    uint64_t segment;
    uint32_t block, sector;
};

struct scan {
    struct log *log;
    struct log_report *report;
    uint64_t segment;  /* looked at */
    uint64_t first;    /* its first portion; they are numbered through, from the first segment's */
    uint64_t portions; /* of a segment; the last of them may be shorter */
    uint8_t *memory;   /* portion g lies at g % PORTIONS */
    uint64_t base;     /* portions before it have left memory, … */
    uint64_t ended;    /* … before it are there, … */
    uint64_t begun;    /* … and before it are on their way */
    uint32_t ahead;    /* as many may be on their way: more as the stream goes on */
    int error;         /* −errno of the first that could not be read … */
    uint64_t bad;      /* … which is this portion */
    uint8_t *record;   /* one that lies in several sectors, put together */
    uint64_t highest;  /* batch number seen anywhere */
    uint32_t life;     /* the same of incarnations */
    struct place damage; /* the first bad sector seen; segment UINT64_MAX: there was none … */
    bool idle;           /* … where nothing live is, as the header there says … */
    uint32_t owner;      /* … or of the log of this process; UINT32_MAX: of none */
};

static int refuse(struct log_report *r, enum log_outcome outcome)
{
    r->outcome = outcome;
    return -EILSEQ;
}

/* ---- the super block ------------------------------------------------------------------------- */

bool log_super_good(const uint8_t *block)
{
    const struct log_super_wire *w = (const struct log_super_wire *)block;
    uint64_t found, generation = le64_get(w->generation);
    if (log_sector_state(block, (struct log_id){0, 0}, LOG_SLOT_SUPER, 0, generation, &found) !=
            SECTOR_GOOD ||
        le32_get(w->magic) != LOG_MAGIC_SUPER)
        return false;
    for (uint32_t i = LOG_SECTOR_BYTES; i < LOG_BLOCK_BYTES; i++) /* no sum is over the others */
        if (block[i] != 0)
            return false;
    return true;
}

bool log_read_super(struct disk *d, int copy, uint8_t *block)
{
    return d->ops->read_super(d, copy, block) == 0 && log_super_good(block);
}

/* The files must be what the super block says: one that is gone, or another's, would be read, or
 * written, as if it were there. */
static int check_shape(const struct log *log, struct log_report *r)
{
    const struct disk *d = log->disk;
    if (log->shape.slots == d->slots && log->shape.segment_bytes == d->slot_bytes)
        return 0;
    snprintf(r->why, sizeof r->why,
             "the super block tells of %u segment files of %u KiB, and there are %u of %u KiB; "
             "bring the others back, or restore from a backup",
             log->shape.slots, log->shape.segment_bytes / 1024, d->slots, d->slot_bytes / 1024);
    return refuse(r, LOG_FOREIGN);
}

static int recover_super(struct log *log, uint64_t *durable, struct log_report *r)
{
    struct log_super_wire w[2];
    bool good[2];
    for (int copy = 0; copy < 2; copy++) {
        good[copy] = log_read_super(log->disk, copy, log->super);
        memcpy(&w[copy], log->super, sizeof w[copy]);
    }
    if (!good[0] && !good[1]) {
        snprintf(r->why, sizeof r->why,
                 "super: neither copy is a valid super block; is this the "
                 "folder of a log? If so, restore it from a backup");
        return refuse(r, LOG_NO_SUPER);
    }
    int take = !good[0] || (good[1] && le64_get(w[1].generation) > le64_get(w[0].generation));
    r->super_repaired = (uint32_t)(!good[0] + !good[1]);
    const struct log_super_wire *s = &w[take];
    struct log_id id = {le32_get(s->cluster), le32_get(s->process)};
    if (le32_get(s->version) != LOG_VERSION || id.cluster != log->id.cluster ||
        id.process != log->id.process) {
        snprintf(r->why, sizeof r->why,
                 "this is the log of process p%u of cluster %08x, version %u; asked for was p%u of "
                 "%08x, version %u",
                 id.process, id.cluster, le32_get(s->version), log->id.process, log->id.cluster,
                 LOG_VERSION);
        return refuse(r, LOG_FOREIGN);
    }
    log->shape = (struct log_shape){le32_get(s->slots), le32_get(s->segment_bytes)};
    log->generation = le64_get(s->generation);
    log->incarnation = le32_get(s->incarnation);
    log->first_segment = le64_get(s->first_segment);
    log->first_batch = le64_get(s->first_batch);
    log->first_seq = le64_get(s->first_seq);
    *durable = le64_get(s->durable_seq);
    return check_shape(log, r);
}

/* ---- segments -------------------------------------------------------------------------------- */

static uint8_t *portion_memory(const struct scan *s, uint64_t g)
{
    return s->memory + (size_t)(g % PORTIONS) * PORTION_BYTES;
}

/* Where portion g lies: its slot and offset, and how long it is. */
static uint32_t portion_place(const struct scan *s, uint64_t g, uint32_t *slot, uint64_t *offset)
{
    const struct log_shape *shape = &s->log->shape;
    *slot = (uint32_t)((s->log->first_segment + g / s->portions) % shape->slots);
    *offset = g % s->portions * PORTION_BYTES;
    uint64_t left = shape->segment_bytes - *offset;
    return left < PORTION_BYTES ? (uint32_t)left : PORTION_BYTES;
}

static void begin_portion(struct scan *s)
{
    struct disk *disk = s->log->disk;
    uint64_t g = s->begun++, offset;
    uint32_t slot, bytes = portion_place(s, g, &slot, &offset);
    if (s->begun - s->base > PORTIONS)
        s->base = s->begun - PORTIONS;
    if (disk->ops->read_begin != NULL)
        disk->ops->read_begin(disk, slot, offset, portion_memory(s, g), bytes);
}

/* Take the oldest portion. What could not be read is none of this log's sectors: their checksums
 * bind them to their place. So the walk may go on to its end, and be refused there. */
static void take_portion(struct scan *s)
{
    struct disk *disk = s->log->disk;
    uint64_t g = s->ended++, offset;
    uint32_t slot, bytes = portion_place(s, g, &slot, &offset);
    int64_t got = disk->ops->read_begin != NULL
                      ? disk->ops->read_end(disk)
                      : disk->ops->read(disk, slot, offset, portion_memory(s, g), bytes);
    if (got == (int64_t)bytes || s->error != 0)
        return;
    s->error = got < 0 ? (int)got : -ENODATA;
    s->bad = g;
}

static void read_ahead(struct scan *s)
{
    while (s->begun - s->ended < s->ahead && s->begun < s->log->shape.slots * s->portions)
        begin_portion(s);
}

/* What was read in vain is waited for, too: its memory is about to be used otherwise. */
static void end_reading(struct scan *s)
{
    while (s->ended < s->begun)
        take_portion(s);
}

/* Portion g is not there: go on reading up to it, or begin to read at it. */
static void fetch(struct scan *s, uint64_t g)
{
    if (g < s->base || g > s->begun) {
        end_reading(s);
        s->base = s->ended = s->begun = g;
        s->ahead = 0;
    }
    s->ahead = s->ahead < AHEAD_MAX ? s->ahead + 1 : AHEAD_MAX;
    for (read_ahead(s); s->ended <= g; read_ahead(s))
        take_portion(s);
}

static int unreadable(struct scan *s)
{
    uint64_t offset;
    uint32_t slot;
    (void)portion_place(s, s->bad, &slot, &offset);
    snprintf(s->report->why, sizeof s->report->why, "segment file %u: %s", slot,
             s->error != -ENODATA ? strerror(-s->error) : "shorter than the super block says");
    return refuse(s->report, LOG_UNREADABLE);
}

/* Look at a segment. */
static void look_at(struct scan *s, uint64_t number)
{
    s->segment = number;
    s->first = (number - s->log->first_segment) * s->portions;
}

/* A block of the segment looked at, until one of another portion is asked for. */
static uint8_t *block_at(struct scan *s, uint32_t block)
{
    uint64_t bytes = (uint64_t)block * LOG_BLOCK_BYTES, g = s->first + bytes / PORTION_BYTES;
    if (unlikely(g < s->base || g >= s->ended))
        fetch(s, g);
    return portion_memory(s, g) + bytes % PORTION_BYTES;
}

static enum sector_state sector_at(struct scan *s, uint32_t block, uint32_t sector, uint64_t batch,
                                   uint64_t *found)
{
    enum sector_state state =
        log_sector_state(block_at(s, block) + (size_t)sector * LOG_SECTOR_BYTES, s->log->id,
                         (uint32_t)(s->segment % s->log->shape.slots),
                         block * LOG_BLOCK_SECTORS + sector, batch, found);
    if (unlikely(state == SECTOR_BAD) && s->damage.segment == UINT64_MAX)
        s->damage = (struct place){s->segment, block, sector};
    return state;
}

/* Whether a batch begins with a block whose first sector is valid. */
static bool begins_batch(struct scan *s, uint32_t block)
{
    const uint8_t *sector = block_at(s, block);
    return ((const struct log_trailer_wire *)(sector + LOG_DATA_BYTES))->kind == LOG_BEGINS;
}

/* Whether the slot holds the segment that is looked for: its header says so. A header may
 * be all that came of the batch which opened the segment: its number is used up, too. */
static bool segment_present(struct scan *s, enum log_here *here)
{
    uint64_t found;
    enum sector_state state = sector_at(s, 0, 0, UINT64_MAX, &found);
    const struct log_segment_wire *w = (const struct log_segment_wire *)block_at(s, 0);
    *here = HERE_ABSENT;
    for (uint32_t i = 0; i < LOG_BLOCK_SECTORS; i++) {
        uint64_t other;
        if (sector_at(s, 0, i, UINT64_MAX, &other) == SECTOR_BAD) {
            *here = HERE_BAD;
            return false;
        }
    }
    if (state == SECTOR_STALE && found > s->highest)
        s->highest = found;
    return state == SECTOR_STALE && le32_get(w->magic) == LOG_MAGIC_SEGMENT &&
           le64_get(w->number) == s->segment;
}

/* The batch that opens a segment is written together with its header, which names it. Another one
 * there was cut by a recovery; of the next life's, the header alone came. */
static bool opens_segment(struct scan *s, uint64_t number)
{
    const struct log_segment_wire *w = (const struct log_segment_wire *)block_at(s, 0);
    return le64_get(w->first_batch) == number;
}

/* A block whose first sector is not of a new batch: absent, unless another of its sectors is. */
static enum log_here headless(struct scan *s, uint32_t block, uint64_t previous)
{
    enum log_here here = HERE_ABSENT;
    for (uint32_t i = 0; i < LOG_BLOCK_SECTORS; i++) {
        uint64_t number;
        enum sector_state state = sector_at(s, block, i, UINT64_MAX, &number);
        if (state == SECTOR_BAD)
            return HERE_BAD;
        if (state == SECTOR_STALE && number > previous)
            here = HERE_TORN;
    }
    return here;
}

/* What stands at a block where the batch after `previous` would: 1 and its header, or 0 and *here. */
static int batch_at(struct scan *s, uint32_t block, uint64_t previous, struct log_batch_wire *w,
                    enum log_here *here)
{
    uint32_t end = segment_blocks(&s->log->shape);
    uint64_t number;
    *here = HERE_ABSENT;
    if (block >= end)
        return 0;
    enum sector_state state = sector_at(s, block, 0, UINT64_MAX, &number);
    if (state != SECTOR_STALE || number <= previous || !begins_batch(s, block)) {
        *here = headless(s, block, previous);
        return 0;
    }
    if (block == 1 && !opens_segment(s, number)) {
        *here = HERE_TORN;
        return 0;
    }
    log_stream_get(block_at(s, block), 0, w, sizeof *w);
    uint32_t blocks = le32_get(w->blocks);
    if (le32_get(w->magic) != LOG_MAGIC_BATCH || le64_get(w->number) != number ||
        le64_get(w->previous) != previous || blocks == 0 || blocks > end - block)
        return 0; /* of a later batch: `later` will see it */
    bool torn = false;
    for (uint32_t i = 1; i < blocks * LOG_BLOCK_SECTORS; i++) {
        uint64_t found;
        state = sector_at(s, block + i / LOG_BLOCK_SECTORS, i % LOG_BLOCK_SECTORS, number, &found);
        if (state == SECTOR_BAD) {
            *here = HERE_BAD;
            return 0;
        }
        torn |= state != SECTOR_GOOD;
    }
    if (torn)
        *here = HERE_TORN;
    return !torn;
}

/* Copy from the stream of a batch that begins at `block`. */
static void stream_get(struct scan *s, uint32_t block, uint32_t pos, void *to, uint32_t len)
{
    const uint32_t block_data = LOG_BLOCK_SECTORS * LOG_DATA_BYTES;
    uint8_t *p = to;
    while (len > 0) {
        uint32_t at = pos % block_data, part = block_data - at < len ? block_data - at : len;
        log_stream_get(block_at(s, block + pos / block_data), at, p, part);
        p += part;
        pos += part;
        len -= part;
    }
}

/* The same without a copy, where it lies in one sector; borrowed until a block is asked for. */
static const void *stream_at(struct scan *s, uint32_t block, uint32_t pos, uint32_t len, void *room)
{
    const uint32_t block_data = LOG_BLOCK_SECTORS * LOG_DATA_BYTES;
    uint32_t at = pos % block_data, from = at % LOG_DATA_BYTES;
    if (likely(from + len <= LOG_DATA_BYTES))
        return block_at(s, block + pos / block_data) + at / LOG_DATA_BYTES * LOG_SECTOR_BYTES +
               from;
    stream_get(s, block, pos, room, len);
    return room;
}

/* Hand over the records of a good batch. False when its insides contradict each other. */
static bool batch_records(struct scan *s, uint32_t block, const struct log_batch_wire *w,
                          log_found_fn *found, void *ctx)
{
    uint32_t bytes = le32_get(w->bytes), pos = sizeof *w;
    uint64_t seq = le64_get(w->first_seq);
    if (bytes > le32_get(w->blocks) * LOG_BLOCK_SECTORS * LOG_DATA_BYTES)
        return false;
    for (uint32_t i = 0; i < le32_get(w->records); i++, seq++) {
        struct log_record_wire split;
        if (bytes - pos < sizeof split)
            return false;
        const struct log_record_wire *r = stream_at(s, block, pos, sizeof split, &split);
        pos += (uint32_t)sizeof *r;
        uint32_t len = le32_get(r->len);
        uint16_t type = le16_get(r->type);
        if (len > bytes - pos || le64_get(r->seq) != seq)
            return false;
        if (seq >= s->log->first_seq) {
            s->report->records++;
            if (found != NULL)
                found(ctx, seq, type, stream_at(s, block, pos, len, s->record), len);
        }
        pos += len;
    }
    return pos == bytes;
}

/* Who wrote a batch counted up, and stored that first: a super block that knows nothing of it was lost
 * though its disk said that it had it. */
static void saw_life(struct scan *s, const struct log_batch_wire *w)
{
    uint32_t life = le32_get(w->incarnation);
    if (life > s->life)
        s->life = life;
}

/* ---- behind the end -------------------------------------------------------------------------- */

/* Look at the segment looked at, from `block` on for batches above `last`. */
static enum log_later later_in(struct scan *s, uint32_t block, uint64_t last, uint64_t next_seq)
{
    enum log_later later = LATER_NONE;
    for (; block < segment_blocks(&s->log->shape); block++)
        for (uint32_t i = 0; i < LOG_BLOCK_SECTORS; i++) {
            uint64_t number;
            enum sector_state state = sector_at(s, block, i, UINT64_MAX, &number);
            if (state == SECTOR_BAD)
                return LATER_BAD;
            if (state != SECTOR_STALE)
                continue;
            if (number > s->highest)
                s->highest = number;
            if (i != 0 || number <= last || !begins_batch(s, block))
                continue;
            struct log_batch_wire w;
            log_stream_get(block_at(s, block), 0, &w, sizeof w);
            s->report->cut_batches++;
            saw_life(s, &w);
            enum log_later is = le64_get(w.committed) > next_seq ? LATER_ACKED : LATER_UNACKED;
            if (is > later)
                later = is;
        }
    return later;
}

/* Everything behind the place where the log seems to end. */
static void look_behind(struct scan *s, uint64_t segment, uint32_t block, enum log_later *later)
{
    struct log *log = s->log;
    *later = LATER_NONE;
    for (uint64_t k = segment; k < log->first_segment + log->shape.slots; k++) {
        look_at(s, k);
        enum log_later is = later_in(s, k == segment ? block : 0, log->previous, log->next_seq);
        if (is > *later)
            *later = is;
    }
}

/* Whether the header of the segment file that is damaged says that it holds an earlier segment, or
 * none. It is refused all the same: a disk that damages what is not needed is not to be trusted. */
static bool damage_is_idle(struct scan *s)
{
    uint64_t found;
    if (s->damage.segment == UINT64_MAX || s->damage.block == 0)
        return false;
    look_at(s, s->damage.segment);
    enum sector_state state = sector_at(s, 0, 0, UINT64_MAX, &found);
    const struct log_segment_wire *w = (const struct log_segment_wire *)block_at(s, 0);
    return state == SECTOR_ZERO || (state == SECTOR_STALE && le64_get(w->number) < s->segment);
}

/* The process of our cluster to whose log the damaged sector belongs; UINT32_MAX: to none. */
static uint32_t owner_of_damage(struct scan *s)
{
    const struct place *at = &s->damage;
    look_at(s, at->segment);
    const uint8_t *sector = block_at(s, at->block) + (size_t)at->sector * LOG_SECTOR_BYTES;
    for (uint32_t p = 0; p < PROCS_MAX; p++) {
        uint64_t found;
        struct log_id id = {s->log->id.cluster, p};
        if (log_sector_state(sector, id, (uint32_t)(at->segment % s->log->shape.slots),
                             at->block * LOG_BLOCK_SECTORS + at->sector, UINT64_MAX,
                             &found) == SECTOR_STALE)
            return p;
    }
    return UINT32_MAX;
}

static void explain_damage(struct scan *s, uint32_t slot, uint64_t offset)
{
    const struct log *log = s->log;
    struct log_report *r = s->report;
    if (s->damage.segment == UINT64_MAX) {
        snprintf(r->why, sizeof r->why,
                 "segment file %u, offset %" PRIu64 ": the batch after record %" PRIu64
                 " contradicts itself; restore from a backup",
                 slot, offset, log->next_seq);
        return;
    }
    offset = (uint64_t)s->damage.block * LOG_BLOCK_BYTES + s->damage.sector * LOG_SECTOR_BYTES;
    if (s->owner != UINT32_MAX) {
        snprintf(r->why, sizeof r->why,
                 "segment file %" PRIu64 ", offset %" PRIu64
                 ": of the log of p%u, and the super block is that of p%u; bring the files of each "
                 "log together again, or restore from a backup",
                 s->damage.segment % log->shape.slots, offset, s->owner, log->id.process);
        return;
    }
    snprintf(r->why, sizeof r->why,
             "segment file %" PRIu64 ", offset %" PRIu64
             ": damaged (no torn write leaves such a sector)%s; records before %" PRIu64
             " can be read; restore from a backup",
             s->damage.segment % log->shape.slots, offset,
             s->idle ? ", though by its header the file holds nothing live" : "", log->next_seq);
}

static void explain(struct scan *s, enum log_here here, uint64_t segment, uint32_t block)
{
    struct log *log = s->log;
    struct log_report *r = s->report;
    uint32_t slot = (uint32_t)(segment % log->shape.slots);
    uint64_t offset = (uint64_t)block * LOG_BLOCK_BYTES;
    switch (r->outcome) {
    case LOG_CUT_TORN:
    case LOG_CUT_UNORDERED:
        snprintf(r->why, sizeof r->why,
                 "segment file %u, offset %" PRIu64 ": a batch %s, and none that was acknowledged "
                 "follows: cut before record %" PRIu64,
                 slot, offset, here == HERE_TORN ? "was torn" : "is missing", log->next_seq);
        break;
    case LOG_LOST:
        if (s->life > log->incarnation) {
            snprintf(r->why, sizeof r->why,
                     "super: it tells of incarnation %u, and a batch of %u is there: the disk lost "
                     "a write of the super block; restore from a backup",
                     log->incarnation, s->life);
            break;
        }
        snprintf(r->why, sizeof r->why,
                 "segment file %u, offset %" PRIu64 ": record %" PRIu64 " was acknowledged, and is "
                 "%s: the disk lost a write; restore from a backup",
                 slot, offset, log->next_seq, here == HERE_TORN ? "torn" : "missing");
        break;
    default:
        explain_damage(s, slot, offset);
    }
}

/* ---- the walk -------------------------------------------------------------------------------- */

/* Follow the batches from the first live segment on. Ends where the next one is not good. */
static void walk(struct scan *s, log_found_fn *found, void *ctx, enum log_here *here,
                 uint64_t *segment, uint32_t *block)
{
    struct log *log = s->log;
    bool first = true;
    *segment = log->first_segment;
    *block = 1;
    for (;;) {
        struct log_batch_wire w;
        enum log_here there;
        look_at(s, *segment);
        if (*block == 1 && !segment_present(s, here)) {
            *block = 0;
            return;
        }
        if (first) { /* the chain begins with what this segment begins with */
            const struct log_segment_wire *h = (const struct log_segment_wire *)block_at(s, 0);
            if (log->first_batch != 0 && le64_get(h->first_batch) != log->first_batch) {
                *block = 0;
                return;
            }
            struct log_batch_wire b;
            log_stream_get(block_at(s, 1), 0, &b, sizeof b);
            log->previous = le64_get(b.previous) < le64_get(h->first_batch)
                                ? le64_get(b.previous)
                                : le64_get(h->first_batch) - 1;
            log->next_seq = le64_get(h->first_seq);
            s->report->first_seq = log->next_seq;
            first = false;
        }
        if (batch_at(s, *block, log->previous, &w, here)) {
            if (le64_get(w.first_seq) != log->next_seq ||
                !batch_records(s, *block, &w, found, ctx)) {
                *here = HERE_BAD;
                return;
            }
            if (*block == 1)
                *opening_of(log, *segment) =
                    (struct log_opening){log->next_seq, le64_get(w.number)};
            log->segment = *segment;
            *block += le32_get(w.blocks);
            log->block = *block;
            log->previous = le64_get(w.number);
            log->next_seq += le32_get(w.records);
            saw_life(s, &w);
            s->report->batches++;
            continue;
        }
        if (*here == HERE_BAD || *segment + 1 == log->first_segment + log->shape.slots)
            return;
        /* Not here: the next batch may have opened the next segment. Then what is torn here was cut
         * by a recovery, whose first batch did not fit in its place. */
        look_at(s, *segment + 1);
        if (!segment_present(s, &there) || !batch_at(s, 1, log->previous, &w, &there)) {
            if (*here == HERE_ABSENT && (there == HERE_BAD || there == HERE_TORN)) {
                *here = there;
                *segment += 1;
                *block = there == HERE_BAD ? 0 : 1;
            }
            return;
        }
        *segment += 1;
        *block = 1;
    }
}

/* In one large page, if there is one: the device writes into each page, and each costs it. It is the
 * kernel's and not the heap's, which may give small pages that it has had before. */
static uint8_t *scan_memory(const struct log_shape *shape)
{
    static_assert(PORTIONS * PORTION_BYTES == LARGE_PAGE_BYTES, "one page");
    uint64_t all = (uint64_t)shape->slots * shape->segment_bytes;
    bool large = all >= 4 * LARGE_PAGE_BYTES; /* of a small log it costs more */
    return large_map(LARGE_PAGE_BYTES, large);
}

int log_recover(struct log *log, log_found_fn *found, void *ctx, struct log_report *report)
{
    uint64_t durable; /* records below it were, says the super block */
    int err = recover_super(log, &durable, report);
    if (err != 0)
        return err;
    struct scan s = {.log = log,
                     .report = report,
                     .memory = scan_memory(&log->shape),
                     .damage = {.segment = UINT64_MAX}};
    s.portions = (log->shape.segment_bytes + PORTION_BYTES - 1) / PORTION_BYTES;
    s.record = malloc(log->shape.segment_bytes);
    log->opening = calloc(log->shape.slots, sizeof log->opening[0]);
    if (s.memory == NULL || s.record == NULL || log->opening == NULL) {
        snprintf(report->why, sizeof report->why, "no memory to read a log back");
        err = -ENOMEM;
        goto out;
    }
    log->segment = UINT64_MAX;
    log->next_seq = log->first_seq;
    enum log_here here = HERE_ABSENT;
    enum log_later later = LATER_NONE;
    uint64_t segment;
    uint32_t block;
    walk(&s, found, ctx, &here, &segment, &block);
    look_behind(&s, segment, block, &later);
    s.idle = damage_is_idle(&s);
    s.owner = s.damage.segment != UINT64_MAX ? owner_of_damage(&s) : UINT32_MAX;
    end_reading(&s);
    if (s.error != 0) {
        err = unreadable(&s);
        goto out;
    }
    if (log->previous > s.highest)
        s.highest = log->previous;
    log->batch = s.highest + 1; /* above every number that is on this disk */
    report->next_seq = log->next_seq;
    report->outcome = log_judge(here, later,
                                s.life > log->incarnation ? KNOWN_FEWER_LIVES
                                : log->next_seq < durable ? KNOWN_MORE
                                                          : KNOWN_FOUND);
    if (report->outcome != LOG_CLEAN)
        explain(&s, here, segment, block);
    err = report->outcome > LOG_CUT_UNORDERED ? -EILSEQ : 0;
out:
    large_free(s.memory, LARGE_PAGE_BYTES);
    free(s.record);
    return err;
}
