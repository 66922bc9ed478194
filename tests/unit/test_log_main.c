/* SPDX-License-Identifier: BSD-3-Clause */
/* `upon log` on real files: sound, damaged, backed up and restored. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/verbs.h"
#include "dataplane/disk_uring.h"
#include "dataplane/log_format.h"

static char dir[] = "upon-logs-XXXXXX";
static char one[64], copy[64], again[64];

static int verb(const char *what, const char *a, const char *b)
{
    char *argv[] = {"upon log", (char *)(uintptr_t)what, (char *)(uintptr_t)a, (char *)(uintptr_t)b,
                    NULL};
    return log_main(b == NULL ? 3 : 4, argv);
}

static void make_log(void)
{
    char why[256];
    struct disk *d;
    struct log *log;
    struct log_report report;
    struct log_id id = {9, 1};
    struct disk_uring_conf conf = {.dir = one,
                                   .shape = {2, 64 * LOG_BLOCK_BYTES},
                                   .buffers = 4,
                                   .buffer_bytes = 8 * LOG_BLOCK_BYTES};
    assert_int_equal(disk_uring_create(&conf, why, sizeof why), 0);
    assert_int_equal(disk_uring_open(&d, &conf, false, why, sizeof why), 0);
    assert_int_equal(log_format(d, id, conf.shape), 0);
    assert_int_equal(log_open(&log, d, id, NULL, NULL, false, &report), 0);
    for (int i = 0; i < 50; i++) {
        log_append(log, 1, "record", 6, &i, sizeof i);
        while (log_durable(log) < log_next(log))
            assert_int_equal(log_pump(log), 0);
    }
    assert_int_equal(verb("verify", one, NULL), 2); /* it is open: not now */
    log_close(log);
    d->ops->close(d);
}

static void flip(const char *folder, off_t at)
{
    char path[128];
    uint8_t byte;
    snprintf(path, sizeof path, "%s/seg-0000", folder);
    int fd = open(path, O_RDWR);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    fsync(fd);
    close(fd);
}

static void test_backup_and_restore_drill(void **state)
{
    (void)state;
    snprintf(one, sizeof one, "%s/one", dir);
    snprintf(copy, sizeof copy, "%s/copy", dir);
    snprintf(again, sizeof again, "%s/again", dir);
    make_log();
    assert_int_equal(verb("inspect", one, NULL), 0);
    assert_int_equal(verb("verify", one, NULL), 0);
    assert_int_equal(verb("backup", one, copy), 0);
    flip(one, 10 * LOG_BLOCK_BYTES + 100); /* the disaster */
    assert_int_equal(verb("verify", one, NULL), 1);
    assert_int_equal(verb("backup", one, again), 1); /* damage is not copied */
    assert_int_equal(verb("restore", copy, one), 2); /* nor is a log overwritten */
    assert_int_equal(verb("restore", copy, again), 0);
    assert_int_equal(verb("verify", again, NULL), 0);
}

static void test_what_is_no_log_is_said_to_be_none(void **state)
{
    (void)state;
    assert_int_equal(verb("verify", "no-such-folder", NULL), 2);
    assert_int_equal(verb("mend", dir, NULL), 2);
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
        cmocka_unit_test(test_backup_and_restore_drill),
        cmocka_unit_test(test_what_is_no_log_is_said_to_be_none),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
