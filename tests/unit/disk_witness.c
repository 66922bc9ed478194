/* SPDX-License-Identifier: BSD-3-Clause */
#include "disk_witness.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/log_format.h"

/* The one whose requests are watched: the kernel's interface knows nothing of ours. */
static struct witness *watched;

static uint64_t place(const struct witness *w, uint32_t slot, uint64_t offset)
{
    return (uint64_t)slot * w->segment_bytes + offset;
}

/* ---- the cut --------------------------------------------------------------------------------- */

static void put_torn(struct witness *w, const struct witness_write *p)
{
    for (uint32_t at = 0; at < p->bytes; at += LOG_SECTOR_BYTES)
        if (random_below(&w->random, 2) == 0)
            memcpy(w->image + p->offset + at, p->data + at, LOG_SECTOR_BYTES);
    w->stats.torn++;
}

/* Every third time all that was not flushed is missing: the plainest loss, and the largest. */
void witness_cut(struct witness *w)
{
    if (w->cut)
        return;
    w->cut = true;
    w->stats.images++;
    w->stats.unflushed += w->writes;
    memcpy(w->image, w->medium, w->bytes);
    bool all_missing = random_below(&w->random, 3) == 0;
    for (uint32_t i = 0; i < w->writes; i++) {
        uint32_t fate = all_missing ? 0 : random_below(&w->random, 3);
        if (fate == 0) {
            w->stats.absent++;
        } else if (fate == 1) {
            memcpy(w->image + w->write[i].offset, w->write[i].data, w->write[i].bytes);
            w->stats.whole++;
        } else {
            put_torn(w, &w->write[i]);
        }
    }
}

/* Something is about to change: the last moment before it may be the chosen one. */
static void event(struct witness *w)
{
    if (!w->cut && w->events_left-- == 0)
        witness_cut(w);
}

/* ---- what the device holds ------------------------------------------------------------------- */

/* The super block lies in none. */
static uint32_t buffer_of(const struct witness *w, const void *data)
{
    uintptr_t at = (uintptr_t)data - (uintptr_t)w->disk.buffers;
    uintptr_t buffer = at / w->disk.buffer_bytes;
    return buffer < w->disk.buffer_count ? (uint32_t)buffer : UINT32_MAX;
}

static struct witness_write *write_begun(struct witness *w, uint32_t slot, uint64_t offset,
                                         const void *data, uint32_t bytes, uint64_t user_data)
{
    event(w);
    assert(w->writes < WITNESS_WRITES_MAX);
    assert(place(w, slot, offset) + bytes <= w->bytes);
    struct witness_write *p = &w->write[w->writes++];
    *p = (struct witness_write){.data = malloc(bytes),
                                .offset = place(w, slot, offset),
                                .user_data = user_data,
                                .slot = slot,
                                .buffer = buffer_of(w, data),
                                .bytes = bytes,
                                .told = slot == w->slots || w->fault == WITNESS_ACKS_EARLY};
    assert(p->data != NULL);
    memcpy(p->data, data, bytes);
    return p;
}

/* `linked`: the write that it is linked behind, or NULL. */
static void flush_begun(struct witness *w, uint32_t slot, const struct witness_write *linked,
                        uint64_t user_data)
{
    event(w);
    assert(w->flushes < WITNESS_WRITES_MAX);
    uint64_t name = ++w->flush_name;
    w->flush[w->flushes++] = (struct witness_flush){user_data, name};
    for (uint32_t i = 0; i < w->writes; i++) {
        struct witness_write *p = &w->write[i];
        if (p->slot == slot && p->flush == 0 && (p->ended || p == linked))
            p->flush = name;
    }
}

static void now_durable(struct witness *w, const struct witness_write *p)
{
    if (w->fault == WITNESS_DROPS_WRITE && p->slot < w->slots && w->drop_in-- == 0) {
        w->dropped++;
        return;
    }
    memcpy(w->medium + p->offset, p->data, p->bytes);
}

/*
 * A flushed write counts from when the log was told of it: until then the device might as well have
 * been slower, and the log cannot know.
 */
static void settle(struct witness *w)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < w->writes; i++) {
        if (w->write[i].flushed && w->write[i].told) {
            now_durable(w, &w->write[i]);
            free(w->write[i].data);
        } else {
            w->write[left++] = w->write[i];
        }
    }
    w->writes = left;
}

static void flush_ended(struct witness *w, uint32_t k, int result)
{
    uint64_t name = w->flush[k].name;
    w->flush[k] = w->flush[--w->flushes];
    for (uint32_t i = 0; i < w->writes; i++)
        w->write[i].flushed |= result == 0 && w->write[i].flush == name;
    settle(w);
}

static void told(struct witness *w, uint32_t buffer)
{
    event(w);
    for (uint32_t i = 0; i < w->writes; i++)
        w->write[i].told |= w->write[i].buffer == buffer;
    settle(w);
}

static void request_ended(struct witness *w, uint64_t user_data, int result)
{
    event(w);
    for (uint32_t k = 0; k < w->flushes; k++)
        if (w->flush[k].user_data == user_data) {
            flush_ended(w, k, result);
            return;
        }
    for (uint32_t i = 0; i < w->writes; i++)
        if (w->write[i].user_data == user_data && !w->write[i].ended) {
            w->write[i].ended = result == (int)w->write[i].bytes;
            return;
        }
}

/* ---- the kernel's interface, watched --------------------------------------------------------- */

int __real_io_uring_submit(struct io_uring *ring);
int __wrap_io_uring_submit(struct io_uring *ring);
unsigned __real_io_uring_peek_batch_cqe(struct io_uring *ring, struct io_uring_cqe **cqe,
                                        unsigned n);
unsigned __wrap_io_uring_peek_batch_cqe(struct io_uring *ring, struct io_uring_cqe **cqe,
                                        unsigned n);
ssize_t __real_pwrite(int fd, const void *data, size_t bytes, off_t offset);
ssize_t __wrap_pwrite(int fd, const void *data, size_t bytes, off_t offset);
ssize_t __wrap_pwrite64(int fd, const void *data, size_t bytes, off_t offset);
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);

int __wrap_io_uring_submit(struct io_uring *ring)
{
    const struct io_uring_sq *sq = &ring->sq;
    const struct witness_write *linked = NULL;
    for (unsigned i = sq->sqe_head; watched != NULL && i != sq->sqe_tail; i++) {
        const struct io_uring_sqe *sqe = &sq->sqes[i & sq->ring_mask];
        const struct witness_write *behind = linked;
        linked = NULL;
        if (sqe->opcode == IORING_OP_WRITE_FIXED || sqe->opcode == IORING_OP_WRITE) {
            const struct witness_write *p =
                write_begun(watched, (uint32_t)sqe->fd, sqe->off,
                            (const void *)(uintptr_t)sqe->addr, sqe->len, sqe->user_data);
            linked = sqe->flags & IOSQE_IO_LINK ? p : NULL;
        } else if (sqe->opcode == IORING_OP_FSYNC) {
            flush_begun(watched, (uint32_t)sqe->fd, behind, sqe->user_data);
        }
    }
    return __real_io_uring_submit(ring);
}

unsigned __wrap_io_uring_peek_batch_cqe(struct io_uring *ring, struct io_uring_cqe **cqe,
                                        unsigned n)
{
    unsigned got = __real_io_uring_peek_batch_cqe(ring, cqe, n);
    for (unsigned i = 0; watched != NULL && i < got; i++)
        request_ended(watched, cqe[i]->user_data, cqe[i]->res);
    return got;
}

/* The super file is written by plain calls, one after the other. */
ssize_t __wrap_pwrite(int fd, const void *data, size_t bytes, off_t offset)
{
    struct witness *w = watched;
    if (w == NULL || !w->in_super)
        return __real_pwrite(fd, data, bytes, offset);
    struct witness_write *p =
        write_begun(w, w->slots, (uint64_t)offset, data, (uint32_t)bytes, UINT64_MAX);
    ssize_t n = __real_pwrite(fd, data, bytes, offset);
    event(w);
    p->ended = n == (ssize_t)bytes;
    return n;
}

ssize_t __wrap_pwrite64(int fd, const void *data, size_t bytes, off_t offset)
{
    return __wrap_pwrite(fd, data, bytes, offset);
}

int __wrap_fdatasync(int fd)
{
    struct witness *w = watched;
    if (w == NULL || !w->in_super)
        return __real_fdatasync(fd);
    flush_begun(w, w->slots, NULL, UINT64_MAX);
    int err = __real_fdatasync(fd);
    request_ended(w, UINT64_MAX, err);
    return err;
}

/* ---- the disk -------------------------------------------------------------------------------- */

static void witness_write(struct disk *d, uint32_t slot, uint64_t offset, uint32_t buffer,
                          uint32_t from, uint32_t bytes)
{
    struct witness *w = (struct witness *)d;
    w->under_way++;
    w->below->ops->write(w->below, slot, offset, buffer, from, bytes);
    if (w->fault == WITNESS_ACKS_EARLY)
        w->early[w->earlies++] = (struct disk_done){buffer, (int32_t)bytes};
}

static void witness_submit(struct disk *d)
{
    struct witness *w = (struct witness *)d;
    w->below->ops->submit(w->below);
}

static uint32_t reap_early(struct witness *w, struct disk_done *done, uint32_t n)
{
    uint32_t told = w->earlies;
    (void)w->below->ops->reap(w->below, done, n);
    memcpy(done, w->early, told * sizeof done[0]);
    w->earlies = 0;
    return told;
}

static int by_buffer(const void *a, const void *b)
{
    const struct disk_done *x = a, *y = b;
    return (x->buffer > y->buffer) - (x->buffer < y->buffer);
}

/* Wait for all that is under way; in order of buffers, for the device ends them in any. */
static void await_all(struct witness *w)
{
    while (w->helds < w->under_way) {
        uint32_t got = w->below->ops->reap(w->below, w->held + w->helds, 64 - w->helds);
        w->helds += got;
        if (got == 0)
            sched_yield();
    }
    qsort(w->held, w->helds, sizeof w->held[0], by_buffer);
}

/*
 * By the seed, nothing has ended yet, or one of those under way has, whichever: all are awaited
 * first, so that a run hangs on the seed alone, and not on a device that ends most in order.
 */
static uint32_t witness_reap(struct disk *d, struct disk_done *done, uint32_t n)
{
    struct witness *w = (struct witness *)d;
    if (w->fault == WITNESS_ACKS_EARLY)
        return reap_early(w, done, n);
    if (w->under_way == 0 || random_below(&w->random, 3) != 0)
        return 0;
    await_all(w);
    uint32_t k = random_below(&w->random, w->helds);
    done[0] = w->held[k];
    told(w, done[0].buffer);
    w->held[k] = w->held[--w->helds];
    w->under_way--;
    return 1;
}

static int64_t witness_read(struct disk *d, uint32_t slot, uint64_t offset, void *to,
                            uint32_t bytes)
{
    struct witness *w = (struct witness *)d;
    return w->below->ops->read(w->below, slot, offset, to, bytes);
}

static void witness_read_begin(struct disk *d, uint32_t slot, uint64_t offset, void *to,
                               uint32_t bytes)
{
    struct witness *w = (struct witness *)d;
    w->below->ops->read_begin(w->below, slot, offset, to, bytes);
}

static int64_t witness_read_end(struct disk *d)
{
    struct witness *w = (struct witness *)d;
    return w->below->ops->read_end(w->below);
}

static int witness_flush(struct disk *d)
{
    struct witness *w = (struct witness *)d;
    return w->below->ops->flush(w->below);
}

static int witness_write_super(struct disk *d, const void *block)
{
    struct witness *w = (struct witness *)d;
    w->in_super = true;
    int err = w->below->ops->write_super(w->below, block);
    w->in_super = false;
    return err;
}

static int witness_read_super(struct disk *d, int copy, void *block)
{
    struct witness *w = (struct witness *)d;
    return w->below->ops->read_super(w->below, copy, block);
}

static const struct disk_ops witness_ops = {.write = witness_write,
                                            .submit = witness_submit,
                                            .reap = witness_reap,
                                            .read = witness_read,
                                            .read_begin = witness_read_begin,
                                            .read_end = witness_read_end,
                                            .flush = witness_flush,
                                            .write_super = witness_write_super,
                                            .read_super = witness_read_super};

void witness_init(struct witness *w, struct log_shape shape, uint64_t seed)
{
    *w = (struct witness){.slots = shape.slots,
                          .segment_bytes = shape.segment_bytes,
                          .bytes = (size_t)shape.slots * shape.segment_bytes + 2 * LOG_BLOCK_BYTES,
                          .random = random_seeded(seed, 6)};
    w->medium = calloc(1, w->bytes);
    w->image = calloc(1, w->bytes);
    assert(w->medium != NULL && w->image != NULL);
}

void witness_free(struct witness *w)
{
    free(w->medium);
    free(w->image);
}

static int write_file(const char *path, const uint8_t *data, size_t bytes)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    ssize_t n = write(fd, data, bytes);
    int err = n == (ssize_t)bytes ? 0 : n < 0 ? -errno : -EIO;
    close(fd);
    return err;
}

int witness_restore(struct witness *w, const char *dir, const uint8_t *image)
{
    char path[4096];
    int err = 0;
    for (uint32_t slot = 0; slot < w->slots && err == 0; slot++) {
        snprintf(path, sizeof path, "%s/seg-%04u", dir, slot);
        err = write_file(path, image + place(w, slot, 0), w->segment_bytes);
    }
    snprintf(path, sizeof path, "%s/super", dir);
    if (err == 0)
        err = write_file(path, image + place(w, w->slots, 0), 2 * LOG_BLOCK_BYTES);
    memmove(w->medium, image, w->bytes);
    return err;
}

int witness_open(struct witness *w, const struct disk_uring_conf *conf, uint32_t events, char *why,
                 size_t why_size)
{
    int err = disk_uring_open(&w->below, conf, false, why, why_size);
    if (err != 0)
        return err;
    w->disk = *w->below;
    w->disk.ops = &witness_ops;
    w->cut = false;
    w->events_left = events;
    watched = w;
    return 0;
}

void witness_close(struct witness *w)
{
    watched = NULL;
    w->below->ops->close(w->below);
    for (uint32_t i = 0; i < w->writes; i++)
        free(w->write[i].data);
    w->writes = w->flushes = w->earlies = w->helds = w->under_way = 0;
}
