/* SPDX-License-Identifier: BSD-3-Clause */
/* The log on real files through io_uring: create, store, reopen, and every refusal. */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "dataplane/disk_uring.h"
#include "dataplane/log_format.h"

/* ---- the kernel's interface, which may be told to give trouble -------------------------------- */

static struct {
    int signals;      /* so many waits are interrupted */
    int busy;         /* so many submissions are not taken */
    int broken;       /* −errno of all submissions */
    bool split;       /* of the next submission all is taken but the last request */
    int32_t written;  /* what writes end with, if not 0 … */
    int32_t flushed;  /* … and the flushes behind them */
    int unsynced;     /* the so-manieth fdatasync() from here on fails */
    unsigned unended; /* requests that the kernel had taken when a ring was given up */
    ino_t synced[64]; /* by fsync() */
    int syncs;
} trouble;

int __real_io_uring_submit(struct io_uring *ring);
int __wrap_io_uring_submit(struct io_uring *ring);
int __real_io_uring_submit_and_wait(struct io_uring *ring, unsigned n);
int __wrap_io_uring_submit_and_wait(struct io_uring *ring, unsigned n);
int __real___io_uring_get_cqe(struct io_uring *ring, struct io_uring_cqe **cqe, unsigned submit,
                              unsigned wait, sigset_t *mask);
int __wrap___io_uring_get_cqe(struct io_uring *ring, struct io_uring_cqe **cqe, unsigned submit,
                              unsigned wait, sigset_t *mask);
void __real_io_uring_queue_exit(struct io_uring *ring);
void __wrap_io_uring_queue_exit(struct io_uring *ring);
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
unsigned __real_io_uring_peek_batch_cqe(struct io_uring *ring, struct io_uring_cqe **cqe,
                                        unsigned n);
unsigned __wrap_io_uring_peek_batch_cqe(struct io_uring *ring, struct io_uring_cqe **cqe,
                                        unsigned n);

int __wrap_io_uring_submit(struct io_uring *ring)
{
    if (trouble.broken != 0)
        return trouble.broken;
    if (trouble.split) {
        trouble.split = false;
        ring->sq.sqe_tail--;
        int taken = __real_io_uring_submit(ring);
        ring->sq.sqe_tail++;
        return taken;
    }
    return trouble.busy > 0 ? (trouble.busy--, -EAGAIN) : __real_io_uring_submit(ring);
}

int __wrap_io_uring_submit_and_wait(struct io_uring *ring, unsigned n)
{
    return trouble.signals > 0 ? (trouble.signals--, -EINTR)
                               : __real_io_uring_submit_and_wait(ring, n);
}

int __wrap___io_uring_get_cqe(struct io_uring *ring, struct io_uring_cqe **cqe, unsigned submit,
                              unsigned wait, sigset_t *mask)
{
    if (wait > 0 && trouble.signals > 0)
        return trouble.signals--, -EINTR;
    return __real___io_uring_get_cqe(ring, cqe, submit, wait, mask);
}

void __wrap_io_uring_queue_exit(struct io_uring *ring)
{
    trouble.unended += *ring->sq.khead - *ring->cq.khead;
    __real_io_uring_queue_exit(ring);
}

int __wrap_fsync(int fd)
{
    struct stat st;
    if (trouble.syncs < 64 && fstat(fd, &st) == 0)
        trouble.synced[trouble.syncs++] = st.st_ino;
    return __real_fsync(fd);
}

int __wrap_fdatasync(int fd)
{
    if (trouble.unsynced > 0 && --trouble.unsynced == 0)
        return errno = EIO, -1;
    return __real_fdatasync(fd);
}

/* Of a write bytes are told, of a flush 0. */
unsigned __wrap_io_uring_peek_batch_cqe(struct io_uring *ring, struct io_uring_cqe **cqe,
                                        unsigned n)
{
    unsigned got = __real_io_uring_peek_batch_cqe(ring, cqe, n);
    for (unsigned i = 0; i < got; i++) {
        const int32_t instead = cqe[i]->res > 0 ? trouble.written : trouble.flushed;
        cqe[i]->res = instead != 0 ? instead : cqe[i]->res;
    }
    return got;
}

/* ---- the log ---------------------------------------------------------------------------------- */

static char dir[] = "upon-log-XXXXXX"; /* in the build folder: a real file system */
static char path[256];

static struct disk_uring_conf conf = {.shape = {2, 64 * LOG_BLOCK_BYTES},
                                      .buffers = 4,
                                      .buffer_bytes = 8 * LOG_BLOCK_BYTES};
static const struct log_id id = {7, 0};

static void refused(int err, int want, const char *why, const char *part)
{
    assert_int_equal(err, want);
    if (strstr(why, part) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", why, part);
}

static struct log *open_log(struct disk **d, log_found_fn *found, void *ctx)
{
    char why[256];
    struct log *log;
    struct log_report report;
    if (disk_uring_open(d, &conf, false, why, sizeof why) != 0)
        fail_msg("%s", why);
    if (log_open(&log, *d, id, found, ctx, false, &report) != 0)
        fail_msg("%s", report.why);
    return log;
}

static void count(void *ctx, uint64_t seq, uint16_t type, const void *data, uint32_t len)
{
    assert_int_equal(seq, *(uint64_t *)ctx);
    assert_int_equal(type, 9);
    assert_int_equal(len, 64);
    assert_int_equal(*(const uint8_t *)data, seq & 0xff);
    ++*(uint64_t *)ctx;
}

static void test_stored_records_survive_reopening(void **state)
{
    (void)state;
    char why[256];
    struct disk *d;
    snprintf(path, sizeof path, "%s/p0", dir);
    conf.dir = path;
    assert_int_equal(disk_uring_create(&conf, why, sizeof why), 0);
    refused(disk_uring_create(&conf, why, sizeof why), -EEXIST, why, "there is a log already");
    assert_int_equal(disk_uring_open(&d, &conf, false, why, sizeof why), 0);
    assert_int_equal(log_format(d, id, conf.shape), 0);
    d->ops->close(d);

    uint64_t seen = 0;
    struct log *log = open_log(&d, count, &seen);
    for (int i = 0; i < 200; i++) {
        uint8_t data[64] = {(uint8_t)i};
        while (!log_room(log, sizeof data))
            assert_int_equal(log_pump(log), 0);
        log_append(log, 9, data, 8, data + 8, 56);
        assert_int_equal(log_pump(log), 0);
    }
    while (log_durable(log) < 200)
        assert_int_equal(log_pump(log), 0);
    struct disk *second;
    refused(disk_uring_open(&second, &conf, false, why, sizeof why), -EBUSY, why,
            "another process has this log open");
    log_close(log);
    d->ops->close(d);

    seen = 0;
    log = open_log(&d, count, &seen);
    assert_int_equal(seen, 200);
    log_close(log);
    d->ops->close(d);
}

static void test_refusals_name_the_place(void **state)
{
    (void)state;
    char why[256];
    struct disk *d;
    struct log_shape shape;
    struct disk_uring_conf c = conf;
    c.dir = "no/such/folder";
    refused(disk_uring_open(&d, &c, false, why, sizeof why), -ENOENT, why, "no/such/folder/super");
    refused(disk_uring_create(&c, why, sizeof why), -ENOENT, why, "cannot be made");
    refused(disk_uring_shape(c.dir, &shape, why, sizeof why), -ENOENT, why, "holds no log");
    assert_int_equal(disk_uring_shape(path, &shape, why, sizeof why), 0);
    assert_int_equal(shape.slots, 2);
    /* A file system that has no direct I/O, or only pretends to. */
    if (access("/dev/shm", W_OK) == 0) {
        char shm[64];
        snprintf(shm, sizeof shm, "/dev/shm/upon-log-%d", getpid());
        c.dir = shm;
        assert_int_equal(disk_uring_create(&c, why, sizeof why), 0);
        int err = disk_uring_open(&d, &c, false, why, sizeof why);
        assert_true(err == -EINVAL || err == -ENOTSUP);
        assert_non_null(strstr(why, "direct I/O"));
        assert_int_equal(disk_uring_open(&d, &c, true, why, sizeof why), 0); /* to be looked at */
        d->ops->close(d);
        char command[128];
        snprintf(command, sizeof command, "rm -r %s", shm);
        assert_int_equal(system(command), 0);
    }
}

/* A log of its own, large enough that reading it back takes a while. */
static void make_log(const char *name)
{
    char why[256];
    struct disk *d = NULL;
    memset(&trouble, 0, sizeof trouble);
    snprintf(path, sizeof path, "%s/%s", dir, name);
    conf.dir = path;
    conf.shape = (struct log_shape){4, 256 * LOG_BLOCK_BYTES};
    if (disk_uring_create(&conf, why, sizeof why) != 0 ||
        disk_uring_open(&d, &conf, false, why, sizeof why) != 0)
        fail_msg("%s", why);
    assert_int_equal(log_format(d, id, conf.shape), 0);
    d->ops->close(d);
}

static void append(struct log *log)
{
    const uint8_t data[64] = {(uint8_t)log_next(log)};
    log_append(log, 9, data, 8, data + 8, 56);
}

/* Each wait of a recovery, and of a closing, is interrupted: by SIGSTOP and SIGCONT, say. */
static void test_a_signal_ends_no_wait(void **state)
{
    (void)state;
    struct disk *d;
    uint64_t seen = 0;
    make_log("signals");
    for (int i = 0; i < 20; i++) {
        seen = 0;
        trouble.signals = 1000;
        struct log *log = open_log(&d, count, &seen);
        assert_int_equal(seen, (uint64_t)(3 * i)); /* of a life that ended with writes under way */
        for (int k = 0; k < 3; k++) {
            append(log);
            assert_int_equal(log_pump(log), 0);
        }
        trouble.signals = 3;
        log_close(log);
        d->ops->close(d);
        assert_int_equal(trouble.unended, 0); /* so nothing of theirs reaches the disk later */
    }
}

static void test_what_the_kernel_does_not_take_is_given_again(void **state)
{
    (void)state;
    struct disk *d;
    uint64_t seen = 0;
    make_log("busy");
    for (int i = 0; i < 5; i++) {
        seen = 0;
        trouble.busy = 3; /* of the reads */
        struct log *log = open_log(&d, count, &seen);
        assert_int_equal(seen, i);
        trouble.busy = 3; /* of the write */
        append(log);
        while (log_durable(log) < log_next(log))
            assert_int_equal(log_pump(log), 0);
        log_close(log);
        d->ops->close(d);
    }
}

static void test_a_ring_that_takes_no_more_is_an_error_of_the_log(void **state)
{
    (void)state;
    char why[256];
    struct disk *d;
    struct log_report report;
    make_log("broken");
    struct log *log = open_log(&d, NULL, NULL);
    append(log);
    trouble.broken = -EBADF;
    assert_int_equal(log_pump(log), 0);
    assert_int_equal(log_pump(log), -EBADF);
    assert_int_equal(log_durable(log), 0);
    log_close(log);
    d->ops->close(d);
    assert_int_equal(disk_uring_open(&d, &conf, false, why, sizeof why), 0);
    assert_int_equal(log_open(&log, d, id, NULL, NULL, false, &report), -EILSEQ);
    assert_int_equal(report.outcome, LOG_UNREADABLE);
    assert_non_null(strstr(report.why, "Bad file descriptor"));
    d->ops->close(d);
    assert_int_equal(trouble.unended, 0);
    trouble.broken = 0;
}

/* Pump until the log says an error; nothing may become durable meanwhile. */
static void must_end(struct log *log, int want)
{
    const uint64_t durable = log_durable(log);
    int err;
    while ((err = log_pump(log)) == 0)
        assert_int_equal(log_durable(log), durable);
    assert_int_equal(err, want);
    assert_int_equal(log_durable(log), durable);
    assert_int_equal(log_pump(log), want);
}

/* A buffer's last write went well, so there is a good result to be taken for that of the next. */
static void test_what_the_kernel_says_of_a_write_and_of_its_flush_counts(void **state)
{
    (void)state;
    static const struct {
        int32_t written, flushed;
        int want;
    } ends[] = {{0, -EIO, -EIO},
                {LOG_BLOCK_BYTES, -ECANCELED, -EIO},
                {LOG_BLOCK_BYTES, 0, -EIO}, /* short, and flushed: no less short */
                {0, -ECANCELED, -EIO},
                {-ENOSPC, -ECANCELED, -ENOSPC},
                {-EIO, 0, -EIO}};
    struct disk *d;
    make_log("ends");
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        uint64_t seen = 0;
        memset(&trouble, 0, sizeof trouble);
        struct log *log = open_log(&d, count, &seen);
        assert_true(seen >= 5 * i);
        for (int k = 0; k < 5; k++) {
            append(log);
            while (log_durable(log) < log_next(log))
                assert_int_equal(log_pump(log), 0);
        }
        for (int k = 0; k < 100; k++) /* more than a block */
            append(log);
        trouble.written = ends[i].written;
        trouble.flushed = ends[i].flushed;
        must_end(log, ends[i].want);
        log_close(log);
        d->ops->close(d);
    }
    memset(&trouble, 0, sizeof trouble);
}

/* The write goes, and its flush would go alone. */
static void test_a_write_that_is_taken_without_its_flush_is_an_error(void **state)
{
    (void)state;
    struct disk *d;
    make_log("split");
    struct log *log = open_log(&d, NULL, NULL);
    append(log);
    while (log_durable(log) < log_next(log))
        assert_int_equal(log_pump(log), 0);
    append(log);
    trouble.split = true;
    must_end(log, -EIO);
    log_close(log);
    d->ops->close(d);
    assert_int_equal(trouble.unended, 0);
}

/* Each flush of a beginning: of the segment files, then of both copies of the super block. */
static void test_a_life_begins_only_when_all_is_flushed(void **state)
{
    (void)state;
    char why[256];
    struct disk *d;
    struct log *log;
    struct log_report report;
    make_log("beginning");
    for (int k = 1; k <= (int)conf.shape.slots + 2; k++) {
        assert_int_equal(disk_uring_open(&d, &conf, false, why, sizeof why), 0);
        trouble.unsynced = k;
        assert_int_equal(log_open(&log, d, id, NULL, NULL, false, &report), -EIO);
        assert_int_equal(trouble.unsynced, 0);
        assert_non_null(strstr(report.why, k <= (int)conf.shape.slots
                                               ? "segment files cannot be flushed"
                                               : "super block cannot be written"));
        d->ops->close(d);
    }
    log = open_log(&d, NULL, NULL);
    append(log);
    while (log_durable(log) < log_next(log))
        assert_int_equal(log_pump(log), 0);
    trouble.unsynced = 2;
    assert_int_equal(log_checkpoint(log, 1), -EIO);
    log_close(log);
    d->ops->close(d);
}

/* log.sqpoll: a thread of the kernel takes what lies in the ring, whether or not it has gone to sleep
 * since. Every other life ends with writes under way. */
static void test_a_thread_of_the_kernel_may_take_the_requests(void **state)
{
    (void)state;
    char why[256];
    struct disk *d;
    make_log("sqpoll");
    conf.sqpoll = true;
    if (disk_uring_open(&d, &conf, false, why, sizeof why) != 0) {
        conf.sqpoll = false;
        print_message("%s\n", why);
        skip();
    }
    d->ops->close(d);
    for (int i = 0; i < 6; i++) {
        uint64_t seen = 0;
        struct log *log = open_log(&d, count, &seen);
        assert_int_equal(seen, 3 * (uint64_t)i);
        for (int k = 0; k < 3; k++) {
            if (i == 1 && k == 2)
                (void)usleep(1200 * 1000); /* it sleeps after a second without work */
            append(log);
            assert_int_equal(log_pump(log), 0);
        }
        while (i % 2 == 1 && log_durable(log) < log_next(log))
            assert_int_equal(log_pump(log), 0);
        log_close(log);
        d->ops->close(d);
        assert_int_equal(trouble.unended, 0);
    }
    conf.sqpoll = false;
}

/* What is left of a log whose super file is gone. */
static void test_making_a_log_removes_only_what_it_made(void **state)
{
    (void)state;
    char why[256], super[300], segment[300];
    make_log("left");
    snprintf(super, sizeof super, "%s/super", path);
    assert_int_equal(unlink(super), 0);
    for (int gone = 0; gone < 2; gone++) {
        refused(disk_uring_create(&conf, why, sizeof why), -EEXIST, why, "what is left of one");
        assert_int_equal(access(super, F_OK), -1);
        for (int i = gone; i < 4; i++) {
            snprintf(segment, sizeof segment, "%s/seg-%04d", path, i);
            assert_int_equal(access(segment, F_OK), 0);
        }
        snprintf(segment, sizeof segment, "%s/seg-0000", path);
        (void)unlink(segment); /* then seg-0001 is in the way, and seg-0000 is made and removed */
    }
    assert_int_equal(access(segment, F_OK), -1);
}

static void test_the_folder_of_a_new_folder_is_flushed(void **state)
{
    (void)state;
    struct stat st;
    bool synced = false;
    make_log("parent");
    assert_int_equal(stat(dir, &st), 0);
    for (int i = 0; i < trouble.syncs; i++)
        synced |= trouble.synced[i] == st.st_ino;
    assert_true(synced);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(dir) == NULL;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", dir);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stored_records_survive_reopening),
        cmocka_unit_test(test_refusals_name_the_place),
        cmocka_unit_test(test_a_signal_ends_no_wait),
        cmocka_unit_test(test_what_the_kernel_does_not_take_is_given_again),
        cmocka_unit_test(test_a_ring_that_takes_no_more_is_an_error_of_the_log),
        cmocka_unit_test(test_what_the_kernel_says_of_a_write_and_of_its_flush_counts),
        cmocka_unit_test(test_a_write_that_is_taken_without_its_flush_is_an_error),
        cmocka_unit_test(test_a_life_begins_only_when_all_is_flushed),
        cmocka_unit_test(test_a_thread_of_the_kernel_may_take_the_requests),
        cmocka_unit_test(test_making_a_log_removes_only_what_it_made),
        cmocka_unit_test(test_the_folder_of_a_new_folder_is_flushed),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
