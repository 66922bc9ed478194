/* SPDX-License-Identifier: BSD-3-Clause */
#include "ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dataplane/refuse.h"
#include "storage.h"

#define LEDGER_MAGIC   "UPLEDGER"
#define LEDGER_VERSION 1
#define LEDGER_NEW     LEDGER_FILE ".new"
#define BOOT_BYTES     40
#define CHUNK_ENTRIES  4096

/* The beginning of the file: the rows that processes write, then whose ledger it is. */
struct ledger_head {
    struct board_past past[BOARD_NODES_MAX];
    char magic[8];
    uint32_t version;
    uint32_t n;
    char stack[64];
    uint64_t seed; /* of the tags */
    uint64_t size; /* of an operation */
    uint64_t sources;
    uint32_t cluster;
    uint32_t run;
    uint32_t instances;
    uint32_t store_msgs;
    uint32_t entries; /* of a process */
    uint32_t ended;   /* all is on stable storage */
    char boot[BOOT_BYTES];
};
static_assert(sizeof(struct ledger_head) <= BOARD_PAST_BYTES, "it fits in front of the ledgers");

static void path_of(char *path, size_t size, const char *dir, const char *name)
{
    snprintf(path, size, "%s/%s", dir, name);
}

/* Which start of the machine this is: memory that was not written to a disk is lost with it. */
static void boot_id(char id[BOOT_BYTES])
{
    FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");
    memset(id, 0, BOOT_BYTES);
    if (f != NULL && fgets(id, BOOT_BYTES, f) != NULL)
        id[strcspn(id, "\n")] = '\0';
    if (f != NULL)
        fclose(f);
}

/* ---- reading ----------------------------------------------------------------------------------- */

/* 0, or −errno with a sentence. */
static int read_head(int fd, const char *dir, struct ledger_head *h, char *why, size_t why_size)
{
    struct stat st;
    ssize_t got = pread(fd, h, sizeof *h, 0);
    if (got < 0 || fstat(fd, &st) != 0)
        return refuse_as(why, why_size, -errno, "%s/" LEDGER_FILE ": it cannot be read: %s", dir,
                         strerror(errno));
    if (got != sizeof *h || memcmp(h->magic, LEDGER_MAGIC, sizeof h->magic) != 0 || h->n == 0 ||
        h->n > BOARD_NODES_MAX || memchr(h->stack, '\0', sizeof h->stack) == NULL ||
        (uint64_t)st.st_size < board_ledger_bytes(h->n, h->entries))
        return refuse_as(why, why_size, -EILSEQ, "%s/" LEDGER_FILE ": it is no ledger", dir);
    if (h->version != LEDGER_VERSION)
        return refuse_as(why, why_size, -EILSEQ, "%s/" LEDGER_FILE ": it is of version %u, not %u",
                         dir, h->version, LEDGER_VERSION);
    return 0;
}

static off_t entries_at(const struct ledger_head *h, uint32_t p)
{
    return (off_t)(BOARD_PAST_BYTES + (uint64_t)p * h->entries * sizeof(struct board_entry));
}

/* Places of p that have an entry, and in *end those below which all are. False: it cannot be read. */
static bool count_entries(int fd, const struct ledger_head *h, uint32_t p, uint64_t *count,
                          uint64_t *end)
{
    struct board_entry entry[CHUNK_ENTRIES];
    for (uint64_t at = 0; at < h->entries; at += CHUNK_ENTRIES) {
        uint64_t left = h->entries - at, n = left < CHUNK_ENTRIES ? left : CHUNK_ENTRIES;
        size_t bytes = n * sizeof entry[0];
        off_t from = entries_at(h, p) + (off_t)(at * sizeof entry[0]);
        if (pread(fd, entry, bytes, from) != (ssize_t)bytes)
            return false;
        for (uint64_t i = 0; i < n; i++)
            if (board_get(&entry[i].tag) != 0) {
                ++*count;
                *end = at + i + 1;
            }
    }
    return true;
}

/* ---- going on ---------------------------------------------------------------------------------- */

#define DIFFERS(why, why_size, job, format, ...)                                         \
    refuse(why, why_size, "log.dir = %s: the logs there are of " format, (job)->log_dir, \
           __VA_ARGS__)

/* What a log, or an operation in it, depends on must be as it was. */
static int check_same(const struct ledger_head *h, const struct job *job, char *why,
                      size_t why_size)
{
    const struct stack_conf *c = &job->conf;
    if (strcmp(h->stack, job->stack) != 0)
        return DIFFERS(why, why_size, job,
                       "stack %s, and job.stack is %s; run that one, or name "
                       "another folder",
                       h->stack, job->stack);
    if (h->n != job->n)
        return DIFFERS(why, why_size, job,
                       "%u processes, and job.n is %u; write %u, or name "
                       "another folder",
                       h->n, job->n, h->n);
    if (h->size != job->size)
        return DIFFERS(why, why_size, job,
                       "operations of %" PRIu64 " bytes, and job.size is %" PRIu64
                       "; write that, or name another folder",
                       h->size, job->size);
    if (h->cluster != job->cluster && job->cluster != 0)
        return DIFFERS(why, why_size, job,
                       "cluster %" PRIu32 ", and job.cluster is %" PRIu32
                       "; leave it out, or name another folder",
                       h->cluster, job->cluster);
    if (h->seed != job->seed && job_given(job, offsetof(struct job, seed)))
        return DIFFERS(why, why_size, job,
                       "seed %" PRIu64 ", which vouches for operations, and "
                       "job.seed is %" PRIu64 "; leave it out, or name another folder",
                       h->seed, job->seed);
    if (h->instances != c->instances || h->store_msgs != c->store_msgs)
        return DIFFERS(why, why_size, job,
                       "params.instances = %u and params.store_msgs = %u, "
                       "which say what they hold; write that, or name another folder",
                       h->instances, h->store_msgs);
    return 0;
}

/* Whether a loss of power took entries with the machine's memory. */
static bool is_torn(const struct ledger_head *h)
{
    char boot[BOOT_BYTES];
    boot_id(boot);
    return !h->ended && strncmp(boot, h->boot, BOOT_BYTES) != 0;
}

/* Whether all that the earlier runs were told is known, or can be found in the logs: of a broadcast
 * that stores what is requested. The log of consensus does not say which accepted values were
 * decided, for an auditor. */
static int check_whole(const struct ledger_head *h, const struct job *job, char *why,
                       size_t why_size)
{
    if (is_torn(h) && (job->top->shape == LOAD_ONE_VALUE || job->top->logged != LOAD_LOG_STORES))
        return refuse_as(
            why, why_size, -ENODATA,
            "log.dir = %s: the machine went down while a run was under way there, and "
            "its log does not tell what that had acknowledged; go on from a backup, or "
            "name another folder (the logs can be read: upon log verify)",
            job->log_dir);
    for (uint32_t p = 0; p < h->n; p++)
        if (board_get(&h->past[p].forgotten) > 0)
            return refuse_as(why, why_size, -ENODATA,
                             "log.dir = %s: an earlier run acknowledged more at p%u than a ledger "
                             "holds; begin in another folder, with a lower load.rate",
                             job->log_dir, p);
    return 0;
}

/* lpl and lbeb do not store what a source requests: what was not delivered when the run ended is
 * known to nobody. */
static int check_finished(const struct ledger_head *h, const struct job *job, const uint64_t *count,
                          char *why, size_t why_size)
{
    uint64_t issued = 0, told = 0;
    for (uint32_t p = 0; p < h->n; p++) {
        issued += board_get(&h->past[p].issued);
        told += count[p];
    }
    if (job->top->logged != LOAD_LOG_DELIVERS ||
        told == issued * (job->top->shape == LOAD_TO_ALL ? h->n : 1))
        return 0;
    return refuse_as(why, why_size, -ENODATA,
                     "log.dir = %s: the last run did not come to its end, and %s does not store "
                     "what a source requests, so nobody can tell what is owed; begin in another "
                     "folder, or run lurb",
                     job->log_dir, job->stack);
}

static int check_room(struct ledger *l, const struct job *job, char *why, size_t why_size)
{
    if (l->places < job_ledger_most(job))
        return 0;
    return refuse_as(why, why_size, -ENOSPC,
                     "log.dir = %s: earlier runs acknowledged %" PRIu64
                     " operations at a process, which is all that a ledger holds; begin in another "
                     "folder",
                     job->log_dir, l->places);
}

static int take(struct ledger *l, struct job *job, const struct ledger_head *h, char *why,
                size_t why_size)
{
    uint64_t count[BOARD_NODES_MAX] = {0};
    int err = check_same(h, job, why, why_size);
    if (err == 0)
        err = check_whole(h, job, why, why_size);
    for (uint32_t p = 0; p < h->n && err == 0; p++) {
        uint64_t end = 0;
        if (!count_entries(l->fd, h, p, &count[p], &end))
            err = refuse_as(why, why_size, -EIO, "%s/" LEDGER_FILE ": it cannot be read",
                            job->log_dir);
        l->places = end > l->places ? end : l->places;
    }
    if (err == 0)
        err = check_finished(h, job, count, why, why_size);
    if (err == 0)
        err = check_room(l, job, why, why_size);
    if (err == 0)
        err = storage_find(job, why, why_size);
    if (err != 0)
        return err;
    l->found = true;
    l->torn = is_torn(h);
    l->run = h->run + 1;
    l->cluster = h->cluster;
    l->sources = h->sources;
    job->seed = job->conf.seed = h->seed;
    job->conf.log_cluster = h->cluster;
    job->told_before = l->places;
    job->goes_on = true;
    return 0;
}

int ledger_find(struct ledger *l, struct job *job, char *why, size_t why_size)
{
    char path[4096];
    struct stat st;
    struct ledger_head h;
    *l = (struct ledger){.fd = -1};
    if (!job_logs(job) || !job->log_reuse)
        return 0;
    path_of(path, sizeof path, job->log_dir, LEDGER_FILE);
    l->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (l->fd < 0 && errno == ENOENT && !storage_found(job))
        return 0;
    if (l->fd < 0 && errno == ENOENT)
        return refuse_as(why, why_size, -ENOENT,
                         "log.dir = %s: there are logs and no ledger, since their run was not to "
                         "keep them, or they were restored one by one; name another folder, or "
                         "restore all logs of a backup",
                         job->log_dir);
    if (l->fd < 0)
        return refuse_as(why, why_size, -errno, "%s: %s", path, strerror(errno));
    if (flock(l->fd, LOCK_EX | LOCK_NB) != 0 || fstat(l->fd, &st) != 0 || st.st_nlink == 0)
        return refuse_as(why, why_size, -EBUSY, "%s: another run uses these logs", path);
    int err = read_head(l->fd, job->log_dir, &h, why, why_size);
    return err != 0 ? err : take(l, job, &h, why, why_size);
}

/* ---- making ------------------------------------------------------------------------------------ */

static bool write_all(int fd, const void *data, size_t bytes, off_t at)
{
    for (const uint8_t *from = data; bytes > 0;) {
        ssize_t n = pwrite(fd, from, bytes, at);
        if (n <= 0)
            return false;
        from += n;
        at += n;
        bytes -= (size_t)n;
    }
    return true;
}

/* The entries of p in earlier runs. */
static bool copy_entries(int fd, const struct ledger_head *h, uint32_t p, const struct ledger *l,
                         const struct ledger_head *old)
{
    struct board_entry entry[CHUNK_ENTRIES];
    for (uint64_t at = 0; at < l->places && at < old->entries; at += CHUNK_ENTRIES) {
        uint64_t left = old->entries - at, n = left < CHUNK_ENTRIES ? left : CHUNK_ENTRIES;
        off_t from = (off_t)(at * sizeof entry[0]);
        size_t bytes = n * sizeof entry[0];
        if (pread(l->fd, entry, bytes, entries_at(old, p) + from) != (ssize_t)bytes)
            return false;
        if (n > h->entries - at)
            bytes = (h->entries - at) * sizeof entry[0];
        if (!write_all(fd, entry, bytes, entries_at(h, p) + from))
            return false;
    }
    return true;
}

static struct ledger_head head_of(const struct ledger *l, const struct job *job,
                                  const struct board *b, const struct ledger_head *old)
{
    struct ledger_head h = *old; /* what processes wrote */
    memcpy(h.magic, LEDGER_MAGIC, sizeof h.magic);
    h.version = LEDGER_VERSION;
    h.n = job->n;
    snprintf(h.stack, sizeof h.stack, "%.63s", job->stack);
    h.seed = job->seed;
    h.size = job->size;
    h.sources = l->sources | job->sources;
    h.cluster = l->found ? l->cluster : job->conf.cluster;
    h.run = l->run;
    h.instances = job->conf.instances;
    h.store_msgs = job->conf.store_msgs;
    h.entries = b->ledger_max;
    h.ended = 0;
    boot_id(h.boot);
    return h;
}

/* The whole file, durable. */
static bool write_ledger(int fd, const struct ledger *l, const struct job *job,
                         const struct board *b)
{
    struct ledger_head old = {0};
    if (l->found && pread(l->fd, &old, sizeof old, 0) != sizeof old)
        return false;
    const struct ledger_head h = head_of(l, job, b, &old);
    /* No block may be missing when a process stores to it: that would end it. */
    bool good = (errno = posix_fallocate(fd, 0, (off_t)board_ledger_bytes(h.n, h.entries))) == 0;
    for (uint32_t p = 0; p < h.n && good; p++)
        good = copy_entries(fd, &h, p, l, &old);
    return good && write_all(fd, &h, sizeof h, 0) && fsync(fd) == 0;
}

static int sync_folder(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int err = fd < 0 || fsync(fd) != 0 ? -errno : 0;
    if (fd >= 0)
        close(fd);
    return err;
}

int ledger_open(struct ledger *l, const struct job *job, struct board *b, char *why,
                size_t why_size)
{
    char path[4096], to[4096];
    path_of(path, sizeof path, job->log_dir, LEDGER_NEW);
    path_of(to, sizeof to, job->log_dir, LEDGER_FILE);
    int fd = open(path, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) != 0 || !write_ledger(fd, l, job, b) ||
        !board_lay_ledger(b, fd) || rename(path, to) != 0 || sync_folder(job->log_dir) != 0) {
        int err = errno != 0 ? -errno : -EIO;
        if (fd >= 0)
            close(fd);
        unlink(path);
        return refuse_as(why, why_size, err, "%s: the ledger of the run cannot be written: %s",
                         path, strerror(-err));
    }
    if (l->fd >= 0)
        close(l->fd);
    l->fd = fd; /* and its lock */
    b->run = l->run;
    b->log_cluster = job->conf.log_cluster;
    b->sources_before = l->sources;
    b->ledger_kept = true;
    return 0;
}

int ledger_join(const struct job *job, struct board *b, char *why, size_t why_size)
{
    char path[4096];
    path_of(path, sizeof path, job->log_dir, LEDGER_FILE);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    int err = fd < 0 || !board_lay_ledger(b, fd) ? -errno : 0;
    if (fd >= 0)
        close(fd);
    return err == 0 ? 0 : refuse_as(why, why_size, err, "%s: %s", path, strerror(-err));
}

void ledger_sync(struct board *b, uint32_t p)
{
    uintptr_t from = (uintptr_t)board_ledger(b, p) & ~(uintptr_t)4095;
    uintptr_t to = (uintptr_t)(board_ledger(b, p) + b->ledger_max);
    (void)msync((void *)from, to - from, MS_SYNC); /* what fails here is missed by a later run */
}

int ledger_end(struct board *b)
{
    struct ledger_head *h = (struct ledger_head *)board_past(b, 0);
    size_t bytes = board_ledger_bytes(b->n, b->ledger_max);
    if (msync(h, bytes, MS_SYNC) != 0)
        return -errno;
    h->ended = 1;
    return msync(h, BOARD_PAST_BYTES, MS_SYNC) != 0 ? -errno : 0;
}

void ledger_close(struct ledger *l)
{
    if (l->fd >= 0)
        close(l->fd);
    l->fd = -1;
}

void ledger_remove(const struct job *job)
{
    char path[4096];
    path_of(path, sizeof path, job->log_dir, LEDGER_FILE);
    unlink(path);
}

/* ---- for `upon log` ---------------------------------------------------------------------------- */

int ledger_hold(const char *dir, struct ledger_summary *s, int *fd, char *why, size_t why_size)
{
    char path[4096];
    struct ledger_head h;
    path_of(path, sizeof path, dir, LEDGER_FILE);
    *fd = open(path, O_RDONLY | O_CLOEXEC);
    if (*fd < 0)
        return refuse_as(why, why_size, -errno, "%s: %s", path, strerror(errno));
    int err = read_head(*fd, dir, &h, why, why_size);
    if (err == 0 && flock(*fd, LOCK_SH | LOCK_NB) != 0)
        err = refuse_as(why, why_size, -EBUSY, "%s: a run uses these logs", path);
    *s = (struct ledger_summary){.n = h.n, .run = h.run, .ended = h.ended != 0};
    snprintf(s->stack, sizeof s->stack, "%.63s", h.stack);
    for (uint32_t p = 0; p < h.n && err == 0; p++) {
        uint64_t end;
        if (!count_entries(*fd, &h, p, &s->told, &end))
            err = refuse_as(why, why_size, -EIO, "%s: it cannot be read", path);
    }
    if (err != 0)
        close(*fd);
    return err;
}

int ledger_restored(const char *dir, char *why, size_t why_size)
{
    char path[4096];
    struct ledger_head h;
    path_of(path, sizeof path, dir, LEDGER_FILE);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    int err = fd < 0 ? refuse_as(why, why_size, -errno, "%s: %s", path, strerror(errno))
                     : read_head(fd, dir, &h, why, why_size);
    h.run += LEDGER_RESTORED_RUNS;
    if (err == 0 && (!write_all(fd, &h, sizeof h, 0) || fsync(fd) != 0))
        err = refuse_as(why, why_size, -EIO, "%s: it cannot be written", path);
    if (fd >= 0)
        close(fd);
    return err;
}
