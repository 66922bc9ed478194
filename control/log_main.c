/* SPDX-License-Identifier: BSD-3-Clause */
/* `upon log inspect|verify|backup|restore`: the log of a process, for people. */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dataplane/disk_uring.h"
#include "dataplane/log_format.h"
#include "dataplane/pkt.h"
#include "ledger.h"
#include "number.h"
#include "verbs.h"

#define BUFFER_BYTES (2 * LOG_BLOCK_BYTES) /* nothing is written by looking */

struct args {
    const char *what;
    const char *dir;
    const char *to;
    uint64_t from_seq;
    uint64_t count;
};

static const struct argp_option options[] =
    {{"from", 'f', "SEQ", 0, "inspect: begin with this record (default: the first)", 0},
     {"count", 'c', "N", 0, "inspect: show so many records (default: 20; 0: all)", 0},
     {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct args *a = state->input;
    switch (key) {
    case 'f':
    case 'c':
        if (!number_parse(arg, key == 'f' ? &a->from_seq : &a->count))
            argp_error(state, "\"%s\" is not a number", arg);
        return 0;
    case ARGP_KEY_ARG:
        if (a->what == NULL)
            a->what = arg;
        else if (a->dir == NULL)
            a->dir = arg;
        else if (a->to == NULL)
            a->to = arg;
        else
            argp_error(state, "\"%s\" is one argument too many", arg);
        return 0;
    case ARGP_KEY_END: {
        bool copy =
            a->what != NULL && (strcmp(a->what, "backup") == 0 || strcmp(a->what, "restore") == 0);
        if (a->what == NULL || a->dir == NULL || copy != (a->to != NULL))
            argp_usage(state);
        return 0;
    }
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    options,
    parse,
    "inspect DIR\nverify DIR\nbackup DIR COPY\nrestore COPY DIR",
    "Look at the log of a process, judge it, copy it; or all logs of a run (log.keep, log.reuse).\v"
    "inspect  show what the log of a process holds, record by record\n"
    "verify   read all of it as a recovery would, and judge it; changes nothing\n"
    "backup   copy a log that no process has open, if it is sound, and verify the copy; of a run's "
    "folder all logs as of one moment, and what they had acknowledged\n"
    "restore  copy a backup to where no log is, lead its incarnation on past all lives that the "
    "process may have had since, and verify it there\n\n"
    "Exit status: 0 sound, 1 refused or damaged, 2 it could not be looked at. What a crash may "
    "leave behind, and the next opening mends, is sound and said: a torn tail that was never "
    "acknowledged, one damaged copy of the super block's two.",
    NULL,
    NULL,
    NULL};

/* ---- reading --------------------------------------------------------------------------------- */

struct show {
    const struct args *args;
    uint64_t shown;
};

static void show_record(void *ctx, uint64_t seq, uint16_t type, const void *data, uint32_t len)
{
    struct show *s = ctx;
    if (seq < s->args->from_seq || (s->args->count != 0 && s->shown >= s->args->count))
        return;
    s->shown++;
    printf("%10" PRIu64 "  type %-3u %6u B ", seq, type, len);
    for (uint32_t i = 0; i < len && i < 24; i++)
        printf("%s%02x", i % 8 == 0 ? " " : "", ((const uint8_t *)data)[i]);
    printf("%s\n", len > 24 ? " …" : "");
}

static const char *const outcomes[LOG_OUTCOMES] = {
    [LOG_CLEAN] = "sound",
    [LOG_CUT_TORN] = "sound, with a torn tail that was never acknowledged",
    [LOG_CUT_UNORDERED] = "sound, with a tail that was never acknowledged",
    [LOG_DAMAGED] = "damaged",
    [LOG_LOST] = "an acknowledged write is lost",
    [LOG_FOREIGN] = "of another version, or of another shape than its files",
    [LOG_NO_SUPER] = "without a valid super block",
    [LOG_UNREADABLE] = "unreadable",
};

/* Whose log it is stands in its super block. */
static int identity(struct disk *d, struct log_id *id)
{
    uint8_t *block = aligned_alloc(LOG_BLOCK_BYTES, LOG_BLOCK_BYTES);
    int err = -EILSEQ;
    for (int copy = 0; block != NULL && copy < 2 && err != 0; copy++) {
        const struct log_super_wire *w = (const struct log_super_wire *)block;
        if (d->ops->read_super(d, copy, block) == 0 && log_super_good(block)) {
            *id = (struct log_id){le32_get(w->cluster), le32_get(w->process)};
            err = 0;
        }
    }
    free(block);
    return err;
}

/* Open the files of a log. 0 or −errno, with the sentence printed. */
static int open_disk(const char *dir, bool read_only, struct disk **disk)
{
    char why[256];
    struct disk_uring_conf conf = {.dir = dir, .buffers = 2, .buffer_bytes = BUFFER_BYTES};
    int err = disk_uring_shape(dir, &conf.shape, why, sizeof why);
    if (err == 0)
        err = disk_uring_open(disk, &conf, read_only, why, sizeof why);
    if (err != 0)
        fprintf(stderr, "upon log: %s\n", why);
    return err;
}

/* Read a log as recovery does. 0, 1 or 2: the exit status, with the sentence printed. */
static int look(const char *dir, log_found_fn *found, void *ctx)
{
    struct disk *disk;
    struct log *log;
    struct log_report r;
    struct log_id id = {0, 0};
    int err = open_disk(dir, true, &disk);
    if (err != 0)
        return err == -EILSEQ ? 1 : 2;
    uint32_t slots = disk->slots, slot_bytes = disk->slot_bytes;
    identity(disk, &id); /* if there is none, opening says so */
    err = log_open(&log, disk, id, found, ctx, true, &r);
    disk->ops->close(disk);
    if (err != 0 && (err != -EILSEQ || r.outcome == LOG_UNREADABLE)) {
        fprintf(stderr, "upon log: %s: cannot be read: %s\n", dir, r.why);
        return 2;
    }
    bool half = err == 0 && r.super_repaired > 0;
    printf("%s: %s%s\n", dir, outcomes[r.outcome],
           half ? ", but for a copy of its super block" : "");
    if (r.why[0] != '\0')
        printf("  %s\n", r.why);
    if (half)
        printf("  super: one of its two copies is damaged; the next opening writes both again\n");
    if (err == 0)
        printf("  process p%u of cluster %08x, incarnation %u so far; records %" PRIu64
               " to before %" PRIu64 " in %" PRIu64 " batches; %u segments of %u KiB\n",
               id.process, id.cluster, r.incarnation, r.first_seq, r.next_seq, r.batches, slots,
               slot_bytes / 1024);
    return err == 0 ? 0 : 1;
}

/* ---- copying --------------------------------------------------------------------------------- */

static int copy_bytes(int in, int out)
{
    static char buffer[1 << 20];
    ssize_t n;
    while ((n = read(in, buffer, sizeof buffer)) > 0)
        for (ssize_t at = 0; at < n;) {
            ssize_t w = write(out, buffer + at, (size_t)(n - at));
            if (w < 0)
                return -errno;
            at += w;
        }
    return n < 0 || fsync(out) != 0 ? -errno : 0;
}

/* Copy a file to where none is; what fails leaves nothing behind. */
static int copy_file(const char *from_dir, const char *to_dir, const char *name)
{
    char from[4096], to[4096];
    snprintf(from, sizeof from, "%s/%s", from_dir, name);
    snprintf(to, sizeof to, "%s/%s", to_dir, name);
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = in < 0 ? -1 : open(to, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    int err = in < 0 || out < 0 ? -errno : copy_bytes(in, out);
    if (in >= 0)
        close(in);
    if (out >= 0 && close(out) != 0 && err == 0)
        err = -errno;
    if (out >= 0 && err != 0)
        unlink(to);
    if (err != 0)
        fprintf(stderr, "upon log: %s to %s: %s%s\n", from, to, strerror(-err),
                err == -ENOSPC || err == -EDQUOT ? "; make room, or choose another folder" : "");
    return err;
}

static void file_name(char *name, size_t size, uint32_t i, uint32_t slots)
{
    if (i < slots)
        snprintf(name, size, "seg-%04u", i);
    else /* last: without it a copy that was cut short is no log */
        snprintf(name, size, "super");
}

/* A copy in the making. */
struct copy {
    const char *from, *to;
    uint32_t slots;
    uint32_t files; /* that were copied */
    bool folder;    /* was made for it */
};

static void remove_copy(const struct copy *c)
{
    char name[32], path[4096];
    for (uint32_t i = 0; i < c->files; i++) {
        file_name(name, sizeof name, i, c->slots);
        snprintf(path, sizeof path, "%s/%s", c->to, name);
        unlink(path);
    }
    if (c->folder)
        rmdir(c->to);
}

/* 0 or −errno, with the sentence printed, here and below. */
static int sync_folder(const char *to)
{
    int err = 0, dir = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0 || fsync(dir) != 0) {
        err = -errno;
        fprintf(stderr, "upon log: %s: %s\n", to, strerror(-err));
    }
    if (dir >= 0)
        close(dir);
    return err;
}

static int copy_files(struct copy *c)
{
    char name[32];
    const char *to = c->to;
    int err = disk_folder_make(to, &c->folder);
    if (err != 0)
        fprintf(stderr, "upon log: %s: %s\n", to, strerror(-err));
    while (err == 0 && c->files <= c->slots) {
        file_name(name, sizeof name, c->files, c->slots);
        err = copy_file(c->from, to, name);
        c->files += err == 0;
    }
    return err == 0 ? sync_folder(to) : err;
}

/* The lives that came after the backup are not in it: no later one may be taken for one of them. */
static int set_apart(const char *dir)
{
    struct disk *disk;
    int err = open_disk(dir, false, &disk);
    if (err != 0)
        return err;
    err = log_restored(disk);
    disk->ops->close(disk);
    if (err != 0)
        fprintf(stderr, "upon log: %s: the super block cannot be written: %s\n", dir,
                strerror(-err));
    return err;
}

/* Nobody is to open it while it is copied. A file to close, or −1 with a sentence. */
static int hold(const char *dir)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/super", dir);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        fprintf(stderr, "upon log: %s: %s\n", path, strerror(errno));
    else if (flock(fd, LOCK_SH | LOCK_NB) != 0) {
        fprintf(stderr, "upon log: %s: another process has this log open\n", dir);
        close(fd);
        fd = -1;
    }
    return fd;
}

/* A copy that is not good, or cannot be looked at, is none. */
static int copy_log(const char *from, const char *to, bool restore)
{
    char why[256];
    struct log_shape shape;
    int held = hold(from);
    if (held < 0)
        return 2;
    int status = look(from, NULL, NULL);
    if (status == 0 && disk_uring_shape(from, &shape, why, sizeof why) != 0)
        status = 2;
    if (status != 0) {
        close(held);
        return status;
    }
    struct copy c = {.from = from, .to = to, .slots = shape.slots};
    int err = copy_files(&c);
    close(held);
    status = err != 0 || (restore && set_apart(to) != 0) ? 2 : look(to, NULL, NULL);
    if (status != 0)
        remove_copy(&c);
    return status;
}

/* ---- all logs of a run ------------------------------------------------------------------------- */

static bool is_folder_of_logs(const char *dir)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/" LEDGER_FILE, dir);
    return access(path, F_OK) == 0;
}

/* What its ledger says, and the lock of it: a file to close, or −1 with a sentence. */
static int hold_folder(const char *dir, struct ledger_summary *s)
{
    char why[512];
    int fd, err = ledger_hold(dir, s, &fd, why, sizeof why);
    if (err != 0)
        fprintf(stderr, "upon log: %s\n", why);
    return err != 0 ? -1 : fd;
}

static void log_path(char *path, size_t size, const char *dir, uint32_t p)
{
    snprintf(path, size, "%s/p%u", dir, p);
}

static int verify_folder(const char *dir)
{
    struct ledger_summary s;
    char path[4096];
    int held = hold_folder(dir, &s), status = 0;
    if (held < 0)
        return 2;
    for (uint32_t p = 0; p < s.n; p++) {
        log_path(path, sizeof path, dir, p);
        int one = look(path, NULL, NULL);
        status = one > status ? one : status;
    }
    close(held);
    printf("%s: %s among %u; run %" PRIu32 " over these logs%s%s; %" PRIu64
           " operations acknowledged\n",
           dir, s.stack, s.n, ledger_runs(s.run) + 1,
           ledger_restores(s.run) > 0 ? ", restored" : "",
           s.ended ? "" : ", did not come to its end", s.told);
    return status;
}

static void remove_copies(const char *to, uint32_t copies, bool folder)
{
    char path[4096], why[256];
    struct log_shape shape;
    for (uint32_t p = 0; p < copies; p++) {
        log_path(path, sizeof path, to, p);
        if (disk_uring_shape(path, &shape, why, sizeof why) == 0)
            disk_uring_remove(path, shape.slots);
    }
    snprintf(path, sizeof path, "%s/" LEDGER_FILE, to);
    unlink(path);
    if (folder)
        rmdir(to);
}

/* The logs of a run, all of one moment: nobody writes there meanwhile. The ledger comes last: without
 * it there are no logs to go on with. */
static int copy_folder(const char *dir, const char *to, bool restore)
{
    struct ledger_summary s;
    char from_path[4096], to_path[4096], why[512];
    bool folder;
    if (is_folder_of_logs(to)) {
        fprintf(stderr, "upon log: %s: there are logs already\n", to);
        return 2;
    }
    int held = hold_folder(dir, &s);
    if (held < 0)
        return 2;
    int err = disk_folder_make(to, &folder), status = err != 0 ? 2 : 0;
    uint32_t copies = 0;
    if (err != 0)
        fprintf(stderr, "upon log: %s: %s\n", to, strerror(-err));
    for (; copies < s.n && status == 0; copies += status == 0) {
        log_path(from_path, sizeof from_path, dir, copies);
        log_path(to_path, sizeof to_path, to, copies);
        status = copy_log(from_path, to_path, restore);
    }
    if (status == 0 && (copy_file(dir, to, LEDGER_FILE) != 0 || sync_folder(to) != 0))
        status = 2;
    if (status == 0 && restore && ledger_restored(to, why, sizeof why) != 0) {
        fprintf(stderr, "upon log: %s\n", why);
        status = 2;
    }
    close(held);
    if (status != 0)
        remove_copies(to, copies, err == 0 && folder);
    return status;
}

/* The log of one process, or all of a run. */
static int copy(const char *from, const char *to, bool restore)
{
    return is_folder_of_logs(from) ? copy_folder(from, to, restore) : copy_log(from, to, restore);
}

int log_main(int argc, char **argv)
{
    struct args args = {.count = 20};
    argp_err_exit_status = 2;
    argp_parse(&argp, argc, argv, 0, NULL, &args);
    struct show show = {&args, 0};
    if (strcmp(args.what, "inspect") == 0 && is_folder_of_logs(args.dir)) {
        fprintf(stderr, "upon log: %s: the logs of all processes; name one, as %s/p0\n", args.dir,
                args.dir);
        return 2;
    }
    if (strcmp(args.what, "inspect") == 0)
        return look(args.dir, show_record, &show);
    if (strcmp(args.what, "verify") == 0)
        return is_folder_of_logs(args.dir) ? verify_folder(args.dir) : look(args.dir, NULL, NULL);
    if (strcmp(args.what, "backup") == 0 || strcmp(args.what, "restore") == 0)
        return copy(args.dir, args.to, args.what[0] == 'r');
    fprintf(stderr, "upon log: there is no \"%s\"; it is inspect, verify, backup or restore\n",
            args.what);
    return 2;
}
