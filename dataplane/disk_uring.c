/* SPDX-License-Identifier: BSD-3-Clause */
#include "disk_uring.h"
#include "refuse.h"

#include "log_format.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <rte_branch_prediction.h>
#include <rte_pause.h>

#define SLOTS_MAX  4096
#define READ_LOOKS 512 /* some 50 us */

struct disk_uring {
    struct disk disk;
    struct io_uring ring;
    bool ring_up;
    int super;
    uint32_t slots;
    uint32_t under_way;  /* requests whose completion was not seen */
    int error;           /* −errno: the ring takes no more requests */
    uint64_t writing;    /* bitmap of buffers whose flush was not seen to end */
    int32_t written[64]; /* result of each buffer's write, until its flush has ended */
    struct {
        void *to;
        uint64_t offset;
        uint32_t slot, bytes;
        int32_t result;
        bool ended;
    } reading[DISK_READS_MAX]; /* by place in the order in which they were begun */
    uint64_t reads_begun, reads_taken;
    int fd[]; /* of each segment file, and `super`; registered under the same index */
};

static void slot_path(char *path, size_t size, const char *dir, uint32_t slot)
{
    snprintf(path, size, "%s/seg-%04u", dir, slot);
}

/* ---- creating -------------------------------------------------------------------------------- */

static int sync_folder(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int err = fsync(fd) != 0 ? -errno : 0;
    close(fd);
    return err;
}

int disk_folder_make(const char *dir, bool *made)
{
    char path[4096];
    *made = mkdir(dir, 0700) == 0;
    if (!*made)
        return errno == EEXIST ? 0 : -errno;
    snprintf(path, sizeof path, "%s/..", dir);
    int err = sync_folder(path);
    if (err != 0)
        rmdir(dir);
    return err;
}

static int write_zeros(int fd, uint64_t bytes)
{
    const size_t chunk = 1 << 20;
    void *zeros = aligned_alloc(LOG_BLOCK_BYTES, chunk);
    if (zeros == NULL)
        return -ENOMEM;
    memset(zeros, 0, chunk);
    int err = 0;
    for (uint64_t at = 0; at < bytes && err == 0;) {
        size_t part = bytes - at < chunk ? (size_t)(bytes - at) : chunk;
        ssize_t n = pwrite(fd, zeros, part, (off_t)at);
        if (n < 0 && errno != EINTR)
            err = -errno;
        else if (n > 0)
            at += (uint64_t)n;
    }
    free(zeros);
    return err == 0 && fsync(fd) != 0 ? -errno : err;
}

/* What went wrong with a file; on a full disk also how much a log takes. */
static int refuse_write(const struct disk_uring_conf *conf, const char *path, int err, char *why,
                        size_t why_size)
{
    struct statvfs fs;
    uint64_t bytes = (uint64_t)conf->shape.slots * conf->shape.segment_bytes;
    if ((err != -ENOSPC && err != -EDQUOT) || statvfs(conf->dir, &fs) != 0)
        return refuse_as(why, why_size, err, "%s: cannot be written: %s", path, strerror(-err));
    return refuse_as(why, why_size, err,
                     "%s: cannot be written: %s: the log takes %" PRIu64 " MiB, and %" PRIu64
                     " MiB are free there: lower log.size, or make room",
                     path, strerror(-err), bytes >> 20, (uint64_t)fs.f_bavail * fs.f_frsize >> 20);
}

static int create_file(const char *path, uint64_t bytes)
{
    int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    int err = write_zeros(fd, bytes);
    if (close(fd) != 0 && err == 0)
        err = -errno;
    if (err != 0)
        unlink(path);
    return err;
}

static void remove_files(const char *dir, uint32_t slots, bool folder)
{
    char path[4096];
    for (uint32_t i = 0; i < slots; i++) {
        slot_path(path, sizeof path, dir, i);
        unlink(path);
    }
    snprintf(path, sizeof path, "%s/super", dir);
    unlink(path);
    if (folder)
        rmdir(dir);
}

/* All files, or none. On an error `path` is what it befell. */
static int create_files(const struct disk_uring_conf *conf, bool folder, char *path, size_t size)
{
    uint32_t made = 0;
    snprintf(path, size, "%s/super", conf->dir);
    int err = create_file(path, 2 * LOG_BLOCK_BYTES);
    if (err != 0) {
        if (folder)
            rmdir(conf->dir);
        return err;
    }
    while (err == 0 && made < conf->shape.slots) {
        slot_path(path, size, conf->dir, made);
        err = create_file(path, conf->shape.segment_bytes);
        made += err == 0;
    }
    if (err == 0 && (err = sync_folder(conf->dir)) != 0)
        snprintf(path, size, "%s", conf->dir);
    if (err != 0)
        remove_files(conf->dir, made, folder);
    return err;
}

int disk_uring_create(const struct disk_uring_conf *conf, char *why, size_t why_size)
{
    char path[4096];
    if (conf->shape.slots < 2 || conf->shape.slots > SLOTS_MAX ||
        conf->shape.segment_bytes % LOG_BLOCK_BYTES != 0)
        return refuse_as(why, why_size, -EINVAL, "%s: a log has 2 to %d segments of whole blocks",
                         conf->dir, SLOTS_MAX);
    bool folder;
    int err = disk_folder_make(conf->dir, &folder);
    if (err != 0)
        return refuse_as(why, why_size, err, "%s: cannot be made: %s", conf->dir, strerror(-err));
    err = create_files(conf, folder, path, sizeof path);
    if (err == -EEXIST)
        return refuse_as(why, why_size, err, "%s: there is a log already, or what is left of one",
                         path);
    return err != 0 ? refuse_write(conf, path, err, why, why_size) : 0;
}

void disk_uring_remove(const char *dir, uint32_t slots)
{
    remove_files(dir, slots, true);
}

/* ---- the operations -------------------------------------------------------------------------- */

/* What a completion is of: a buffer's write, or the flush that is linked behind it. */
#define OF_FLUSH 0x100

/*
 * A write, and linked behind it a flush of the file's data. O_DSYNC would be one request instead of
 * two, but its end waits for a kernel worker bound to this very processor, which polls and does not
 * let it in before the next tick: 4 ms where this takes 50 us (README.md).
 */
static void uring_write(struct disk *d, uint32_t slot, uint64_t offset, uint32_t buffer,
                        uint32_t from, uint32_t bytes)
{
    struct disk_uring *u = (struct disk_uring *)d;
    struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring); /* sized so that there always is one */
    io_uring_prep_write_fixed(sqe, (int)slot, d->buffers + (size_t)buffer * d->buffer_bytes + from,
                              bytes, offset, 0);
    sqe->flags |= IOSQE_FIXED_FILE | IOSQE_IO_LINK;
    io_uring_sqe_set_data64(sqe, buffer);
    sqe = io_uring_get_sqe(&u->ring);
    io_uring_prep_fsync(sqe, (int)slot, IORING_FSYNC_DATASYNC);
    sqe->flags |= IOSQE_FIXED_FILE;
    io_uring_sqe_set_data64(sqe, OF_FLUSH | buffer);
    u->under_way += 2;
    u->written[buffer] = -EIO; /* should its flush ever end first */
    u->writing |= 1ull << buffer;
}

/*
 * Hand to the kernel what lies in the ring. What it cannot take now, for want of memory or of room
 * for completions, stays there and is handed over by the next call. But a write that was taken without
 * its flush is linked to nothing, and a flush that goes alone may end before it and tell nothing of it:
 * that is an error for good. (With a kernel thread, which may go on before we look, only a flush that
 * ends first tells.) 0, or −errno for good.
 */
static int hand_over(struct disk_uring *u)
{
    if (likely(io_uring_sq_ready(&u->ring) == 0) || u->error != 0)
        return u->error;
    int err = io_uring_submit(&u->ring);
    if (err < 0 && err != -EAGAIN && err != -EBUSY && err != -EINTR)
        u->error = err;
    else if (unlikely(u->writing != 0 && io_uring_sq_ready(&u->ring) % 2 != 0))
        u->error = -EIO; /* nothing is read while something is written: they come in twos */
    return u->error;
}

/* Requests that are the kernel's: no more than these will ever end. */
static uint32_t taken(const struct disk_uring *u)
{
    return u->under_way - io_uring_sq_ready(&u->ring);
}

static void uring_submit(struct disk *d)
{
    (void)hand_over((struct disk_uring *)d);
}

/* A write has ended when its flush has; it failed when either did. A short one breaks the link. When
 * the ring takes no more, one of those under way tells of it: which makes no difference. */
static uint32_t uring_reap(struct disk *d, struct disk_done *done, uint32_t n)
{
    struct disk_uring *u = (struct disk_uring *)d;
    struct io_uring_cqe *cqe[64];
    if (unlikely(hand_over(u) != 0 && u->writing != 0 && n > 0)) {
        done[0] = (struct disk_done){(uint32_t)__builtin_ctzll(u->writing), u->error};
        return 1;
    }
    unsigned got = io_uring_peek_batch_cqe(&u->ring, cqe, n < 64 ? n : 64);
    uint32_t dones = 0;
    for (unsigned i = 0; i < got; i++) {
        uint32_t buffer = (uint32_t)cqe[i]->user_data & (OF_FLUSH - 1);
        if (!(cqe[i]->user_data & OF_FLUSH)) {
            u->written[buffer] = cqe[i]->res;
            continue;
        }
        int32_t flushed = cqe[i]->res;
        int32_t result = u->written[buffer] < 0 || flushed == 0 ? u->written[buffer]
                         : flushed == -ECANCELED                ? -EIO
                                                                : flushed;
        u->writing &= ~(1ull << buffer);
        done[dones++] = (struct disk_done){buffer, result};
    }
    io_uring_cq_advance(&u->ring, got);
    u->under_way -= got;
    return dones;
}

static int64_t read_all(int fd, void *to, uint32_t bytes, uint64_t offset)
{
    uint32_t at = 0;
    while (at < bytes) {
        ssize_t n = pread(fd, (uint8_t *)to + at, bytes - at, (off_t)(offset + at));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        at += (uint32_t)n;
    }
    return at;
}

static int64_t uring_read(struct disk *d, uint32_t slot, uint64_t offset, void *to, uint32_t bytes)
{
    return read_all(((struct disk_uring *)d)->fd[slot], to, bytes, offset);
}

#define OF_READ 0x200

static void uring_read_begin(struct disk *d, uint32_t slot, uint64_t offset, void *to,
                             uint32_t bytes)
{
    struct disk_uring *u = (struct disk_uring *)d;
    uint32_t k = (uint32_t)(u->reads_begun++ % DISK_READS_MAX);
    u->reading[k].to = to;
    u->reading[k].offset = offset;
    u->reading[k].slot = slot;
    u->reading[k].bytes = bytes;
    u->reading[k].ended = false;
    struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);
    io_uring_prep_read(sqe, (int)slot, to, bytes, offset);
    sqe->flags |= IOSQE_FIXED_FILE;
    io_uring_sqe_set_data64(sqe, OF_READ | k);
    u->under_way++;
    (void)hand_over(u);
}

/*
 * Wait for a completion, whatever signals come meanwhile. One that is about to end is waited for
 * awake: the device would stand idle while we wake up. One that takes longer is not, where others may
 * need the processor. 0, or −errno: none will come.
 */
static int await_one(struct disk_uring *u, struct io_uring_cqe **cqe)
{
    for (uint32_t looks = 0;; looks++) {
        int err = hand_over(u);
        if (io_uring_peek_cqe(&u->ring, cqe) == 0)
            return 0;
        if (err != 0 && taken(u) == 0)
            return err;
        if (looks < READ_LOOKS || taken(u) == 0) {
            rte_pause();
            continue;
        }
        err = io_uring_wait_cqe(&u->ring, cqe);
        if (err != -EINTR && err != -EAGAIN)
            return err;
    }
}

static int64_t uring_read_end(struct disk *d)
{
    struct disk_uring *u = (struct disk_uring *)d;
    uint32_t k = (uint32_t)(u->reads_taken++ % DISK_READS_MAX);
    struct io_uring_cqe *cqe;
    while (!u->reading[k].ended) {
        int err = await_one(u, &cqe);
        if (err != 0)
            return err;
        uint32_t ended = (uint32_t)cqe->user_data & (OF_READ - 1);
        u->reading[ended].result = cqe->res;
        u->reading[ended].ended = true;
        io_uring_cqe_seen(&u->ring, cqe);
        u->under_way--;
    }
    if (u->reading[k].result == (int32_t)u->reading[k].bytes)
        return u->reading[k].result;
    /* In parts, or not at all: the plain way says what is the matter. */
    return uring_read(d, u->reading[k].slot, u->reading[k].offset, u->reading[k].to,
                      u->reading[k].bytes);
}

static int uring_flush(struct disk *d)
{
    struct disk_uring *u = (struct disk_uring *)d;
    for (uint32_t i = 0; i < u->slots; i++)
        if (fdatasync(u->fd[i]) != 0)
            return -errno;
    return 0;
}

static int uring_write_super(struct disk *d, const void *block)
{
    struct disk_uring *u = (struct disk_uring *)d;
    for (int copy = 0; copy < 2; copy++) {
        ssize_t n = pwrite(u->super, block, LOG_BLOCK_BYTES, copy * LOG_BLOCK_BYTES);
        if (n != LOG_BLOCK_BYTES)
            return n < 0 ? -errno : -EIO;
        if (fdatasync(u->super) != 0)
            return -errno;
    }
    return 0;
}

static int uring_read_super(struct disk *d, int copy, void *block)
{
    struct disk_uring *u = (struct disk_uring *)d;
    int64_t n = read_all(u->super, block, LOG_BLOCK_BYTES, (uint64_t)copy * LOG_BLOCK_BYTES);
    return n == LOG_BLOCK_BYTES ? 0 : n < 0 ? (int)n : -EIO;
}

/* Whoever opens these files next must not find writes of ours still on their way: the kernel ends a
 * ring behind our back. False: some are. */
static bool await_all(struct disk_uring *u)
{
    struct io_uring_cqe *cqe;
    while (u->under_way > 0 && await_one(u, &cqe) == 0) {
        io_uring_cqe_seen(&u->ring, cqe);
        u->under_way--;
    }
    return taken(u) == 0;
}

static void uring_close(struct disk *d)
{
    struct disk_uring *u = (struct disk_uring *)d;
    bool ended = true;
    if (u->ring_up) {
        ended = await_all(u);
        io_uring_queue_exit(&u->ring);
    }
    for (uint32_t i = 0; i < u->slots; i++)
        if (u->fd[i] >= 0)
            close(u->fd[i]);
    if (u->super >= 0) {
        if (ended) /* the ring may hold the file for a while yet; else it is to, for as long */
            flock(u->super, LOCK_UN);
        close(u->super);
    }
    free(d->buffers);
    free(u);
}

static const struct disk_ops uring_ops = {
    .write = uring_write,
    .submit = uring_submit,
    .reap = uring_reap,
    .read = uring_read,
    .read_begin = uring_read_begin,
    .read_end = uring_read_end,
    .flush = uring_flush,
    .write_super = uring_write_super,
    .read_super = uring_read_super,
    .close = uring_close,
};

/* ---- opening --------------------------------------------------------------------------------- */

int disk_uring_shape(const char *dir, struct log_shape *shape, char *why, size_t why_size)
{
    char path[4096];
    struct stat st;
    *shape = (struct log_shape){0, 0};
    for (;; shape->slots++) {
        slot_path(path, sizeof path, dir, shape->slots);
        if (stat(path, &st) != 0)
            break;
        if (shape->slots == 0)
            shape->segment_bytes = (uint32_t)st.st_size;
        else if ((uint32_t)st.st_size != shape->segment_bytes)
            return refuse_as(why, why_size, -EILSEQ, "%s: of another size than its neighbours",
                             path);
    }
    if (shape->slots == 0)
        return refuse_as(why, why_size, -ENOENT, "%s: holds no log: %s", dir, strerror(errno));
    return 0;
}

/* O_DIRECT that some file systems accept and ignore: then a misaligned read would work. */
static bool is_direct(int fd)
{
    uint8_t *buffer = aligned_alloc(LOG_BLOCK_BYTES, 2 * LOG_BLOCK_BYTES);
    bool direct = buffer != NULL && pread(fd, buffer + 1, 100, 1) < 0 && errno == EINVAL;
    free(buffer);
    return direct;
}

/* Who only looks, as at a backup, may do so through the page cache where there is nothing else. */
static int open_file(const char *path, bool read_only)
{
    int flags = (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC, fd = open(path, flags | O_DIRECT);
    if (fd < 0 && errno == EINVAL && read_only)
        fd = open(path, flags);
    return fd < 0 ? -errno : fd;
}

static int open_files(struct disk_uring *u, const struct disk_uring_conf *conf, bool read_only,
                      char *why, size_t why_size)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/super", conf->dir);
    u->super = open_file(path, read_only);
    if (u->super < 0)
        return refuse_as(why, why_size, u->super, "%s: %s", path,
                         u->super == -EINVAL ? "its file system has no direct I/O; choose another"
                                             : strerror(-u->super));
    if (flock(u->super, (read_only ? LOCK_SH : LOCK_EX) | LOCK_NB) != 0)
        return refuse_as(why, why_size, -EBUSY, "%s: another process has this log open", conf->dir);
    struct stat st;
    if (fstat(u->super, &st) != 0)
        return refuse_as(why, why_size, -errno, "%s: %s", path, strerror(errno));
    if (st.st_size < LOG_BLOCK_BYTES)
        return refuse_as(why, why_size, -EILSEQ,
                         "%s: %lld bytes, where two copies of the super block take %d; is this the "
                         "folder of a log? If so, restore it from a backup",
                         path, (long long)st.st_size, 2 * LOG_BLOCK_BYTES);
    if (!read_only && !is_direct(u->super))
        return refuse_as(why, why_size, -ENOTSUP,
                         "%s: its file system only pretends to do direct I/O; choose another",
                         conf->dir);
    for (uint32_t i = 0; i < u->slots; i++) {
        slot_path(path, sizeof path, conf->dir, i);
        u->fd[i] = open_file(path, read_only);
        if (u->fd[i] < 0)
            return refuse_as(why, why_size, u->fd[i], "%s: %s", path, strerror(-u->fd[i]));
    }
    return 0;
}

static int start_ring(struct disk_uring *u, const struct disk_uring_conf *conf, char *why,
                      size_t why_size)
{
    struct io_uring_params params = {.flags = conf->sqpoll ? IORING_SETUP_SQPOLL : 0,
                                     .sq_thread_idle = 1000};
    int err = io_uring_queue_init_params(4 * conf->buffers, &u->ring, &params);
    if (err != 0)
        return refuse_as(why, why_size, err, "io_uring: %s; see kernel.io_uring_disabled",
                         strerror(-err));
    u->ring_up = true;
    size_t bytes = (size_t)conf->buffers * conf->buffer_bytes;
    u->disk.buffers = aligned_alloc(LOG_BLOCK_BYTES, bytes);
    if (u->disk.buffers == NULL)
        return refuse_as(why, why_size, -ENOMEM, "no memory for %u log buffers", conf->buffers);
    memset(u->disk.buffers, 0, bytes);
    /* One registration: buffer 0 of the ring is the whole area. */
    struct iovec iov = {u->disk.buffers, bytes};
    err = io_uring_register_buffers(&u->ring, &iov, 1);
    /* `super` too, on which the lock lies: if this process is killed, the lock is released when the
     * kernel has ended its last write, not before. */
    u->fd[u->slots] = u->super;
    if (err == 0)
        err = io_uring_register_files(&u->ring, u->fd, u->slots + 1);
    if (err != 0)
        return refuse_as(why, why_size, err,
                         "io_uring: cannot register %zu bytes: %s; raise memlock "
                         "(ulimit -l)",
                         bytes, strerror(-err));
    return 0;
}

int disk_uring_open(struct disk **d, const struct disk_uring_conf *conf, bool read_only, char *why,
                    size_t why_size)
{
    *d = NULL;
    if (conf->buffers < 2 || conf->buffers > 64 || conf->buffer_bytes % LOG_BLOCK_BYTES != 0 ||
        conf->buffer_bytes < 2 * LOG_BLOCK_BYTES)
        return refuse_as(why, why_size, -EINVAL, "a log has 2 to 64 buffers of two blocks or more");
    struct disk_uring *u = calloc(1, sizeof *u + (conf->shape.slots + 1) * sizeof u->fd[0]);
    if (u == NULL)
        return refuse_as(why, why_size, -ENOMEM, "no memory for a log of %u segments",
                         conf->shape.slots);
    u->disk = (struct disk){.ops = &uring_ops,
                            .buffer_count = conf->buffers,
                            .buffer_bytes = conf->buffer_bytes,
                            .slots = conf->shape.slots,
                            .slot_bytes = conf->shape.segment_bytes};
    u->slots = conf->shape.slots;
    u->super = -1;
    for (uint32_t i = 0; i < u->slots; i++)
        u->fd[i] = -1;
    int err = open_files(u, conf, read_only, why, why_size);
    if (err == 0)
        err = start_ring(u, conf, why, why_size);
    if (err != 0) {
        uring_close(&u->disk);
        return err;
    }
    *d = &u->disk;
    return 0;
}
