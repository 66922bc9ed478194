/* SPDX-License-Identifier: BSD-3-Clause */
#include "disk_sim.h"

#include "log_format.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pkt.h"

static struct disk_sim *sim(struct disk *d)
{
    return (struct disk_sim *)d;
}

static uint8_t *place(struct disk_sim *s, uint32_t slot, uint64_t offset)
{
    return s->image + (size_t)slot * s->shape.segment_bytes + offset;
}

/*
 * A batch names the records that were acknowledged when it was made, and so does a super block: a lost
 * write among them, if all before it had come to their end.
 */
static uint32_t tells(const struct disk_sim *s)
{
    for (uint32_t k = 0; k < s->writes; k++)
        if (s->write[k].ordinal < s->lost)
            return 0;
    return s->lied ? s->lost + 1 : 0;
}

static void sim_write(struct disk *d, uint32_t slot, uint64_t offset, uint32_t buffer,
                      uint32_t from, uint32_t bytes)
{
    struct disk_sim *s = sim(d);
    struct disk_sim_write *w = &s->write[s->writes];
    *w = (struct disk_sim_write){.data = malloc(bytes),
                                 .offset = offset,
                                 .slot = slot,
                                 .buffer = buffer,
                                 .bytes = bytes,
                                 .ordinal = s->ordinal++,
                                 .tells = tells(s)};
    s->writes++;
    if (w->data == NULL)
        abort();
    memcpy(w->data, d->buffers + (size_t)buffer * d->buffer_bytes + from, bytes);
    if (s->beginning != NULL)
        s->beginning(s->ctx, w);
}

static void sim_submit(struct disk *d)
{
    (void)d;
}

static uint32_t sim_reap(struct disk *d, struct disk_done *done, uint32_t n)
{
    struct disk_sim *s = sim(d);
    uint32_t got = s->dones < n ? s->dones : n;
    memcpy(done, s->done, got * sizeof done[0]);
    s->dones -= got;
    memmove(s->done, s->done + got, s->dones * sizeof done[0]);
    return got;
}

static int64_t sim_read(struct disk *d, uint32_t slot, uint64_t offset, void *to, uint32_t bytes)
{
    memcpy(to, place(sim(d), slot, offset), bytes);
    return bytes;
}

static int sim_write_super(struct disk *d, const void *block)
{
    struct disk_sim *s = sim(d);
    unsigned loses = s->super_loses;
    uint32_t life = le32_get(((const struct log_super_wire *)block)->incarnation);
    s->super_loses = 0;
    if (s->super_fails != NULL && s->super_fails(s->ctx))
        s->super_crash = 0;
    s->supers++;
    for (int copy = 0; copy < 2; copy++) {
        if (s->super_crash == copy)
            s->crashed = true;
        if (s->crashed)
            return -EIO;
        if (loses >> copy & 1) {
            s->tainted = true;
            continue;
        }
        memcpy(s->super + copy * LOG_BLOCK_BYTES, block, LOG_BLOCK_BYTES);
        s->lied &= s->dones > 0 || tells(s) == 0; /* it names what was durable, too */
    }
    s->life_told &= life == s->life;
    s->life = life;
    return 0;
}

uint32_t disk_sim_life(const struct disk_sim *s)
{
    uint64_t newest = 0;
    uint32_t life = 0;
    for (int copy = 0; copy < 2; copy++) {
        const uint8_t *block = s->super + copy * LOG_BLOCK_BYTES;
        const struct log_super_wire *w = (const struct log_super_wire *)block;
        if (!log_super_good(block) || le64_get(w->generation) < newest)
            continue;
        newest = le64_get(w->generation);
        life = le32_get(w->incarnation);
    }
    return life;
}

bool disk_sim_life_hidden(const struct disk_sim *s)
{
    return !s->life_told && disk_sim_life(s) < s->life;
}

static int sim_read_super(struct disk *d, int copy, void *block)
{
    memcpy(block, sim(d)->super + copy * LOG_BLOCK_BYTES, LOG_BLOCK_BYTES);
    return 0;
}

static void sim_close(struct disk *d)
{
    disk_sim_free(sim(d));
}

static const struct disk_ops sim_ops = {
    .write = sim_write,
    .submit = sim_submit,
    .reap = sim_reap,
    .read = sim_read,
    .write_super = sim_write_super,
    .read_super = sim_read_super,
    .close = sim_close,
};

struct disk_sim *disk_sim_new(struct log_shape shape, uint32_t buffers, uint32_t buffer_bytes)
{
    struct disk_sim *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    *s = (struct disk_sim){.disk = {.ops = &sim_ops,
                                    .buffer_count = buffers,
                                    .buffer_bytes = buffer_bytes,
                                    .slots = shape.slots,
                                    .slot_bytes = shape.segment_bytes},
                           .shape = shape,
                           .super_crash = -1};
    s->disk.buffers = calloc(buffers, buffer_bytes);
    s->image = calloc(shape.slots, shape.segment_bytes);
    s->super = calloc(2, LOG_BLOCK_BYTES);
    s->write = calloc(buffers, sizeof s->write[0]);
    s->used = calloc(shape.slots, sizeof s->used[0]);
    if (s->disk.buffers == NULL || s->image == NULL || s->super == NULL || s->write == NULL ||
        s->used == NULL) {
        disk_sim_free(s);
        return NULL;
    }
    return s;
}

static void drop_writes(struct disk_sim *s)
{
    for (uint32_t k = 0; k < s->writes; k++)
        free(s->write[k].data);
    s->writes = s->dones = 0;
}

void disk_sim_reset(struct disk_sim *s)
{
    drop_writes(s);
    for (uint32_t slot = 0; slot < s->shape.slots; slot++) {
        memset(place(s, slot, 0), 0, s->used[slot]);
        s->used[slot] = 0;
    }
    memset(s->super, 0, 2 * LOG_BLOCK_BYTES);
    s->ordinal = s->life = s->super_loses = 0;
    s->supers = 0;
    s->changes = 0;
    s->life_told = false;
    s->tainted = s->lied = s->crashed = false;
    s->super_crash = -1;
}

void disk_sim_free(struct disk_sim *s)
{
    if (s->write != NULL)
        drop_writes(s);
    free(s->disk.buffers);
    free(s->image);
    free(s->super);
    free(s->write);
    free(s->used);
    free(s);
}

static void apply(struct disk_sim *s, const struct disk_sim_write *w, bool (*keep)(void *ctx),
                  void *ctx)
{
    for (uint32_t at = 0; at < w->bytes; at += LOG_SECTOR_BYTES)
        if (keep == NULL || keep(ctx))
            memcpy(place(s, w->slot, w->offset + at), w->data + at, LOG_SECTOR_BYTES);
    if (w->offset + w->bytes > s->used[w->slot])
        s->used[w->slot] = (uint32_t)(w->offset + w->bytes);
}

/* A write that it says to be durable is not there. Only what is written from now on can tell. */
static void lie(struct disk_sim *s, uint32_t ordinal)
{
    if (!s->lied || ordinal > s->lost)
        s->lost = ordinal;
    s->tainted = s->lied = true;
}

void disk_sim_finish(struct disk_sim *s, uint32_t k, enum disk_sim_fate fate,
                     bool (*keep)(void *ctx), void *ctx)
{
    struct disk_sim_write w = s->write[k];
    int32_t result = (int32_t)w.bytes;
    switch (fate) {
    case DISK_KEEPS:
        apply(s, &w, NULL, NULL);
        s->lied &= w.tells != s->lost + 1;
        s->life_told = true;
        break;
    case DISK_LOSES:
        lie(s, w.ordinal);
        break;
    case DISK_MISDIRECTS:
        lie(s, w.ordinal);
        w.offset = w.offset == LOG_BLOCK_BYTES ? 2 * LOG_BLOCK_BYTES : LOG_BLOCK_BYTES;
        if (w.offset + w.bytes > s->shape.segment_bytes)
            w.bytes = (uint32_t)(s->shape.segment_bytes - w.offset);
        apply(s, &w, NULL, NULL);
        break;
    case DISK_FAILS:
        apply(s, &w, keep, ctx);
        result = -EIO;
        break;
    case DISK_SHORT:
        w.bytes = LOG_BLOCK_BYTES;
        apply(s, &w, NULL, NULL);
        result = LOG_BLOCK_BYTES;
        break;
    case DISK_FULL:
    case DISK_FATES:
        result = -ENOSPC;
        break;
    }
    free(w.data);
    s->writes--;
    memmove(s->write + k, s->write + k + 1, (s->writes - k) * sizeof s->write[0]);
    s->done[s->dones++] = (struct disk_done){w.buffer, result};
}

void disk_sim_crash(struct disk_sim *s, bool (*keep)(void *ctx), void *ctx)
{
    for (uint32_t k = 0; k < s->writes; k++)
        apply(s, &s->write[k], keep, ctx);
    drop_writes(s);
    s->crashed = false;
    s->super_crash = -1;
    s->super_loses = 0;
}

void disk_sim_flip(struct disk_sim *s, uint32_t slot, uint64_t byte, unsigned bit)
{
    *place(s, slot, byte) ^= (uint8_t)(1u << bit);
    s->tainted = true;
    if (byte >= s->used[slot])
        s->used[slot] = (uint32_t)byte + 1;
}
