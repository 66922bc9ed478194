/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/disk_uring.h"
#include "dataplane/log_format.h"
#include "dataplane/refuse.h"

#define SEGMENTS         16
#define BUFFERS          8
#define BUFFER_BYTES     (128u << 10)
#define BUSY_PATIENCE_MS 2000 /* for the writes of a process that was killed */
#define BUSY_POLL_MS     5

static_assert(BUFFER_BYTES > 2 * LOG_BLOCK_BYTES + MSG_BYTES_MAX * 5 / 4,
              "a batch holds the largest record");

struct place {
    char dir[JOB_TEXT_BYTES + 16];
    struct disk_uring_conf conf;
};

static struct log_id id_of(const struct job *job, uint16_t p)
{
    const struct stack_conf *c = &job->conf;
    return (struct log_id){c->log_cluster != 0 ? c->log_cluster : c->cluster, p};
}

static void place_of(const struct job *job, uint16_t p, struct place *at)
{
    uint64_t segment = job->log_size / SEGMENTS / LOG_BLOCK_BYTES * LOG_BLOCK_BYTES;
    snprintf(at->dir, sizeof at->dir, "%s/p%u", job->log_dir, p);
    at->conf = (struct disk_uring_conf){.dir = at->dir,
                                        .shape = {SEGMENTS, (uint32_t)segment},
                                        .buffers = BUFFERS,
                                        .buffer_bytes = BUFFER_BYTES,
                                        .sqpoll = job->log_sqpoll != 0};
}

/* What comes in a burst is written in full batches, and some segments end where the next batch does
 * not fit: of a half, all but one segment hold as many full ones as go into them. */
uint64_t storage_least(uint64_t records, uint32_t bytes)
{
    const uint32_t blocks = BUFFER_BYTES / LOG_BLOCK_BYTES - 1; /* of a full batch */
    const uint32_t stream =
        blocks * LOG_BLOCK_SECTORS * LOG_DATA_BYTES - (uint32_t)sizeof(struct log_batch_wire);
    const uint32_t each = stream / (bytes + (uint32_t)sizeof(struct log_record_wire));
    const uint64_t batches = (records + each - 1) / each, segments = SEGMENTS / 2 - 1;
    return SEGMENTS * (1 + (batches + segments - 1) / segments * blocks) * LOG_BLOCK_BYTES;
}

/* ---- making, and removing ---------------------------------------------------------------------- */

static int create(const struct job *job, uint16_t p, char *why, size_t why_size)
{
    struct place at;
    struct disk *disk;
    place_of(job, p, &at);
    int err = disk_uring_create(&at.conf, why, why_size); /* what fails there leaves nothing */
    if (err != 0)
        return err;
    err = disk_uring_open(&disk, &at.conf, false, why, why_size);
    if (err != 0) {
        disk_uring_remove(at.dir, SEGMENTS);
        return err;
    }
    err = log_format(disk, id_of(job, p), at.conf.shape);
    disk->ops->close(disk);
    if (err != 0) {
        snprintf(why, why_size, "%s: the super block cannot be written: %s", at.dir,
                 strerror(-err));
        disk_uring_remove(at.dir, SEGMENTS);
    }
    return err;
}

static void remove_one(const struct job *job, uint16_t p)
{
    struct place at;
    place_of(job, p, &at);
    disk_uring_remove(at.dir, SEGMENTS);
}

int storage_create(const struct job *job, char *why, size_t why_size)
{
    bool made;
    if (storage_found(job))
        return refuse_as(
            why, why_size, -EEXIST,
            "log.dir = %s: there is a log already; write log.reuse = yes to go on with "
            "it, or name another folder",
            job->log_dir);
    int err = disk_folder_make(job->log_dir, &made);
    if (err != 0) {
        snprintf(why, why_size, "log.dir = %s: cannot be made: %s; name a folder of a real disk",
                 job->log_dir, strerror(-err));
        return err;
    }
    for (uint16_t p = 0; p < job->n; p++) {
        err = create(job, p, why, why_size);
        if (err == 0)
            continue;
        while (p-- > 0)
            remove_one(job, p);
        if (made)
            rmdir(job->log_dir);
        return err;
    }
    return 0;
}

void storage_remove(const struct job *job)
{
    for (uint16_t p = 0; p < job->n; p++)
        remove_one(job, p);
    rmdir(job->log_dir); /* unless something else is in it */
}

/* ---- of an earlier run ------------------------------------------------------------------------- */

bool storage_found(const struct job *job)
{
    struct place at;
    bool found = false;
    for (uint16_t p = 0; p < job->n; p++) {
        place_of(job, p, &at);
        found |= access(at.dir, F_OK) == 0;
    }
    return found;
}

int storage_find(struct job *job, char *why, size_t why_size)
{
    struct place at;
    struct log_shape shape = {0};
    uint64_t size = 0;
    for (uint16_t p = 0; p < job->n; p++) {
        place_of(job, p, &at);
        int err = disk_uring_shape(at.dir, &shape, why, why_size);
        if (err != 0)
            return err;
        uint64_t bytes = (uint64_t)shape.slots * shape.segment_bytes;
        if (shape.slots != SEGMENTS || (p > 0 && bytes != size))
            return refuse(why, why_size, "%s: %u segments of %u bytes: it is not of such a run",
                          at.dir, shape.slots, shape.segment_bytes);
        size = bytes;
    }
    if (shape.segment_bytes != at.conf.shape.segment_bytes &&
        job_given(job, offsetof(struct job, log_size)))
        return refuse(why, why_size,
                      "log.dir = %s: the logs there have %llu KiB, and log.size is %llu KiB; leave "
                      "it out, or name another folder",
                      job->log_dir, (unsigned long long)size >> 10,
                      (unsigned long long)job->log_size >> 10);
    job->log_size = size;
    return 0;
}

/* ---- a life ------------------------------------------------------------------------------------- */

/* The lock of a process that was killed is released when its last write has ended. */
static int open_patiently(const struct job *job, uint16_t p, struct disk **disk, bool read_only,
                          char *why, size_t why_size)
{
    struct place at;
    place_of(job, p, &at);
    int err = disk_uring_open(disk, &at.conf, read_only, why, why_size);
    for (int ms = 0; err == -EBUSY && ms < BUSY_PATIENCE_MS; ms += BUSY_POLL_MS) {
        nanosleep(&(struct timespec){0, BUSY_POLL_MS * 1000000L}, NULL);
        err = disk_uring_open(disk, &at.conf, read_only, why, why_size);
    }
    return err;
}

int storage_open(const struct job *job, uint16_t p, struct disk **disk, char *why, size_t why_size)
{
    return open_patiently(job, p, disk, false, why, why_size);
}

int storage_read(const struct job *job, uint16_t p, log_found_fn *found, void *ctx,
                 struct log_report *report, char *why, size_t why_size)
{
    struct disk *disk;
    struct log *log;
    int err = open_patiently(job, p, &disk, true, why, why_size);
    if (err != 0)
        return err;
    err = log_open(&log, disk, id_of(job, p), found, ctx, true, report);
    if (err != 0)
        snprintf(why, why_size, "%s", report->why);
    disk->ops->close(disk);
    return err;
}

void storage_close(struct disk *disk)
{
    if (disk != NULL)
        disk->ops->close(disk);
}

/* ---- for a person ------------------------------------------------------------------------------- */

/* The file system of a device, as the kernel lists it. */
static void find_mount(dev_t dev, char *type, size_t type_size, char *source, size_t source_size)
{
    char line[1024];
    unsigned major_, minor_;
    FILE *f = fopen("/proc/self/mountinfo", "r");
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        const char *behind = strstr(line, " - ");
        if (behind == NULL || sscanf(line, "%*d %*d %u:%u", &major_, &minor_) != 2 ||
            makedev(major_, minor_) != dev)
            continue;
        char kind[64], from[128];
        if (sscanf(behind, " - %63s %127s", kind, from) == 2) {
            snprintf(type, type_size, "%s", kind);
            snprintf(source, source_size, "%s", from);
        }
    }
    if (f != NULL)
        fclose(f);
}

void storage_describe(const struct job *job, char *text, size_t size)
{
    struct stat st;
    char type[64] = "unknown file system", source[128] = "?";
    if (stat(job->log_dir, &st) == 0)
        find_mount(st.st_dev, type, sizeof type, source, sizeof source);
    snprintf(text, size, "%s on %s, O_DIRECT verified", type, source);
}
