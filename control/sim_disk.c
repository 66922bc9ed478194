/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim_disk.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/log_format.h"
#define XXH_INLINE_ALL
#include <xxhash.h>

/* ---- sectors that survive -------------------------------------------------------------------- */

#define SECTORS_MAX 512

/* Sectors are asked for one after the other: which of how many this is. */
struct survival {
    uint64_t keeps;
    uint32_t at;
    uint32_t sectors;
    uint32_t asked;             /* of those that change the medium */
    bool changing[SECTORS_MAX]; /* it does: for KEEPS_CHOSEN */
};

static bool survives(void *ctx)
{
    struct survival *s = ctx;
    uint32_t at = s->at++;
    switch (s->keeps) {
    case KEEPS_NOTHING:
        return false;
    case KEEPS_ALL:
        return true;
    case KEEPS_FIRST:
        return at < s->sectors / 2;
    case KEEPS_LAST:
        return at >= s->sectors / 2;
    default:
        if (s->keeps >= KEEPS_CHOSEN)
            return at < SECTORS_MAX && s->changing[at] && s->asked < 32 &&
                   (s->keeps >> s->asked++ & 1);
        return XXH3_64bits_withSeed(&at, sizeof at, s->keeps) & 1;
    }
}

/* ---- a disk ---------------------------------------------------------------------------------- */

/*
 * Small, so that a log is compacted within a few dozen batches: a buffer holds the largest record,
 * and half of the log all that can be live, which is what a component may store. Of records that
 * are larger than a block it holds four times as many, since a batch takes whole blocks.
 */
static struct log_shape shape_for(const struct stack_conf *conf, uint32_t msg_bytes,
                                  uint32_t *buffer_bytes)
{
    uint32_t blocks = 4 + (msg_bytes + 1024) / LOG_BLOCK_BYTES;
    uint64_t live = (uint64_t)conf->store_msgs * (msg_bytes + 96) / 2;
    live *= msg_bytes > LOG_BLOCK_BYTES ? 4 : 1;
    uint64_t segment = 2 * blocks;
    while (segment * LOG_BLOCK_BYTES * SIM_DISK_SLOTS < 2 * live)
        segment++;
    *buffer_bytes = blocks * LOG_BLOCK_BYTES;
    return (struct log_shape){SIM_DISK_SLOTS, (uint32_t)(segment * LOG_BLOCK_BYTES)};
}

static struct log_id id_of(const struct stack_conf *conf)
{
    return (struct log_id){conf->cluster, conf->self};
}

int sim_disk_start(struct disk_sim **d, const struct stack_conf *conf, uint32_t msg_bytes,
                   void (*beginning)(void *ctx, struct disk_sim_write *write), void *ctx)
{
    uint32_t buffer_bytes;
    struct log_shape shape = shape_for(conf, msg_bytes, &buffer_bytes);
    if (*d != NULL && ((*d)->disk.buffer_bytes != buffer_bytes ||
                       (*d)->shape.segment_bytes != shape.segment_bytes)) {
        disk_sim_free(*d);
        *d = NULL;
    }
    if (*d == NULL)
        *d = disk_sim_new(shape, SIM_DISK_BUFFERS, buffer_bytes);
    else
        disk_sim_reset(*d);
    if (*d == NULL)
        return -ENOMEM;
    (*d)->beginning = beginning;
    (*d)->super_fails = NULL;
    (*d)->ctx = ctx;
    return log_format(&(*d)->disk, id_of(conf), shape);
}

uint32_t sim_disk_find(const struct disk_sim *d, uint32_t ordinal)
{
    for (uint32_t k = 0; k < d->writes; k++)
        if (d->write[k].ordinal == ordinal)
            return k;
    return UINT32_MAX;
}

uint32_t sim_disk_first(const struct disk_sim *d)
{
    uint32_t first = UINT32_MAX;
    for (uint32_t k = 0; k < d->writes; k++)
        if (first == UINT32_MAX || d->write[k].due_ns < d->write[first].due_ns)
            first = k;
    return first;
}

void sim_disk_finish(struct disk_sim *d, uint32_t k, enum disk_sim_fate fate, uint64_t keeps)
{
    struct survival s = {.keeps = keeps, .sectors = d->write[k].bytes / LOG_SECTOR_BYTES};
    disk_sim_finish(d, k, fate, survives, &s);
}

void sim_disk_crash(struct disk_sim *d, uint64_t keeps)
{
    struct survival s = {.keeps = keeps};
    d->changes = 0;
    for (uint32_t k = 0; k < d->writes; k++) {
        const struct disk_sim_write *w = &d->write[k];
        const uint8_t *medium = d->image + (size_t)w->slot * d->shape.segment_bytes + w->offset;
        for (uint32_t at = 0; at < w->bytes; at += LOG_SECTOR_BYTES, s.sectors++) {
            bool changes = memcmp(medium + at, w->data + at, LOG_SECTOR_BYTES) != 0;
            d->changes += changes;
            if (s.sectors < SECTORS_MAX)
                s.changing[s.sectors] = changes;
        }
    }
    disk_sim_crash(d, survives, &s);
}

uint64_t sim_disk_states(uint32_t changes)
{
    if (changes <= SIM_DISK_SECTORS)
        return 1ull << changes;
    return changes <= SIM_DISK_SECTORS_MOST ? 4ull * changes - 4 : KEEPS;
}

/* What is kept of n > 2 sectors, as bits, by the k-th of the states but the first. */
static uint64_t sectors_kept(uint32_t n, uint64_t k)
{
    const uint64_t all = (1ull << n) - 1;
    if (k <= n)
        return (1ull << k) - 1; /* all up to the k-th */
    k -= n;
    if (k < n)
        return all & ~((1ull << k) - 1); /* all behind it */
    k -= n - 1;
    if (k < n - 1)
        return 1ull << k;                  /* one that is neither the first nor the last */
    return all & ~(1ull << (k - (n - 2))); /* all but one of these */
}

uint64_t sim_disk_state(uint32_t changes, uint64_t k)
{
    if (k == 0)
        return KEEPS_NOTHING;
    if (changes > SIM_DISK_SECTORS_MOST)
        return k;
    return KEEPS_CHOSEN + (changes <= SIM_DISK_SECTORS ? k : sectors_kept(changes, k));
}

bool sim_disk_flip(struct disk_sim *d, uint32_t slot, uint64_t byte, uint64_t bit)
{
    uint64_t bytes = slot < SIM_DISK_SLOTS ? d->shape.segment_bytes : LOG_BLOCK_BYTES;
    if (slot >= SIM_DISK_SLOTS + 2 || byte >= bytes || bit > 7)
        return false;
    if (slot < SIM_DISK_SLOTS) {
        disk_sim_flip(d, slot, byte, (unsigned)bit);
    } else {
        d->super[(slot - SIM_DISK_SLOTS) * LOG_BLOCK_BYTES + byte] ^= (uint8_t)(1u << bit);
        d->tainted = true;
    }
    return true;
}

bool sim_disk_trusted(struct disk_sim *d, const struct stack_conf *conf, char *why, size_t size)
{
    struct log *log;
    struct log_report report;
    if (!d->tainted)
        return true;
    if (log_open(&log, &d->disk, id_of(conf), NULL, NULL, true, &report) != 0) {
        snprintf(why, size, "log: %s", report.why);
        return false;
    }
    bool hidden = disk_sim_life_hidden(d);
    if (d->lied || hidden)
        snprintf(why, size, "the disk lost %s, and nothing on it shows that",
                 d->lied ? "what it had acknowledged" : "the super block of a life");
    return !d->lied && !hidden;
}

uint64_t sim_disk_hash(const struct disk_sim *d)
{
    uint64_t h[2] = {d->writes, XXH3_64bits(d->super, 2 * LOG_BLOCK_BYTES)};
    for (uint32_t slot = 0; slot < d->shape.slots; slot++)
        h[1] = XXH3_64bits_withSeed(d->image + (size_t)slot * d->shape.segment_bytes, d->used[slot],
                                    h[1]);
    for (uint32_t k = 0; k < d->writes; k++) {
        const struct disk_sim_write *w = &d->write[k];
        uint64_t at[3] = {w->slot, w->offset, w->buffer};
        h[1] = XXH3_64bits_withSeed(at, sizeof at, h[1]);
        h[1] = XXH3_64bits_withSeed(w->data, w->bytes, h[1]);
    }
    h[1] = XXH3_64bits_withSeed(d->done, d->dones * sizeof d->done[0], h[1]);
    return XXH3_64bits(h, sizeof h);
}
