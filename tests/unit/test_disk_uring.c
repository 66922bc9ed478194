/* SPDX-License-Identifier: BSD-3-Clause */
/* The log on real files through io_uring: create, store, reopen, and every refusal. */
#include <errno.h>
#include <fcntl.h>
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
        char command[128];
        snprintf(command, sizeof command, "rm -r %s", shm);
        assert_int_equal(system(command), 0);
    }
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
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
