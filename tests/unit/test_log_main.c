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
#include <sys/stat.h>
#include <sys/wait.h>
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

static char said[4096]; /* by the last verb that was heard */

/* The same, and what it says. */
static int heard(const char *what, const char *a, const char *b)
{
    char path[64];
    int old[2] = {dup(STDOUT_FILENO), dup(STDERR_FILENO)};
    snprintf(path, sizeof path, "%s/said", dir);
    int fd = open(path, O_CREAT | O_TRUNC | O_RDWR, 0600);
    fflush(NULL);
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
    int status = verb(what, a, b);
    fflush(NULL);
    dup2(old[0], STDOUT_FILENO);
    dup2(old[1], STDERR_FILENO);
    close(old[0]);
    close(old[1]);
    ssize_t n = pread(fd, said, sizeof said - 1, 0);
    said[n > 0 ? n : 0] = '\0';
    close(fd);
    return status;
}

static void says(const char *words)
{
    if (strstr(said, words) == NULL)
        fail_msg("\"%s\" lacks \"%s\"", said, words);
}

/* Files are said to be as long as they were: another program cuts them while they are read. */
static bool short_files;

int __real_stat(const char *path, struct stat *st);
int __wrap_stat(const char *path, struct stat *st);
int __wrap_stat64(const char *path, struct stat *st);

int __wrap_stat(const char *path, struct stat *st)
{
    int err = __real_stat(path, st);
    if (err == 0 && short_files)
        st->st_size = 64 * LOG_BLOCK_BYTES;
    return err;
}

int __wrap_stat64(const char *path, struct stat *st)
{
    return __wrap_stat(path, st);
}

static uint32_t process = 1;

static void make_log(uint32_t slots)
{
    char why[256];
    struct disk *d;
    struct log *log;
    struct log_report report;
    struct log_id id = {9, process};
    struct disk_uring_conf conf = {.dir = one,
                                   .shape = {slots, 64 * LOG_BLOCK_BYTES},
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

static void flip(const char *folder, const char *file, off_t at)
{
    char path[128];
    uint8_t byte;
    snprintf(path, sizeof path, "%s/%s", folder, file);
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
    make_log(2);
    assert_int_equal(verb("inspect", one, NULL), 0);
    assert_int_equal(verb("verify", one, NULL), 0);
    assert_int_equal(verb("backup", one, copy), 0);
    flip(one, "seg-0000", 10 * LOG_BLOCK_BYTES + 100); /* the disaster */
    assert_int_equal(verb("verify", one, NULL), 1);
    assert_int_equal(verb("backup", one, again), 1); /* damage is not copied */
    assert_int_equal(verb("restore", copy, one), 2); /* nor is a log overwritten */
    assert_int_equal(heard("restore", copy, again), 0);
    says("incarnation 1048577 so far"); /* none of a life after the backup */
    assert_int_equal(heard("verify", copy, NULL), 0);
    says("incarnation 1 so far");
    assert_int_equal(verb("verify", again, NULL), 0);
}

static void test_what_is_no_log_is_said_to_be_none(void **state)
{
    (void)state;
    assert_int_equal(verb("verify", "no-such-folder", NULL), 2);
    assert_int_equal(verb("mend", dir, NULL), 2);
}

/* A log of its own, of so many segments. */
static void another_log(const char *name, uint32_t slots)
{
    snprintf(one, sizeof one, "%s/%s", dir, name);
    snprintf(copy, sizeof copy, "%s/%s-copy", dir, name);
    make_log(slots);
}

static void test_damage_is_said_where_it_is(void **state)
{
    (void)state;
    another_log("where", 4);
    flip(one, "seg-0003", 2 * LOG_BLOCK_BYTES + 4 * LOG_SECTOR_BYTES + 7);
    assert_int_equal(heard("verify", one, NULL), 1);
    says("segment file 3, offset 10240: damaged");
    says("the file holds nothing live");
    flip(one, "seg-0000", 10 * LOG_BLOCK_BYTES + LOG_SECTOR_BYTES + 100);
    assert_int_equal(heard("verify", one, NULL), 1);
    says("segment file 0, offset 41472: damaged");
    assert_null(strstr(said, "live"));
}

static void test_one_copy_of_the_super_block_is_enough_and_said(void **state)
{
    (void)state;
    another_log("half", 2);
    assert_int_equal(heard("verify", one, NULL), 0);
    assert_null(strstr(said, "super"));
    for (int k = 0; k < 2; k++) { /* the cluster of the first copy, then of the second */
        flip(one, "super", k * LOG_BLOCK_BYTES + 8);
        assert_int_equal(heard("verify", one, NULL), 0);
        says("sound, but for a copy of its super block");
        flip(one, "super", k * LOG_BLOCK_BYTES + 8);
    }
    flip(one, "super", 2000); /* where nothing is written */
    assert_int_equal(heard("verify", one, NULL), 0);
    says("sound, but for a copy of its super block");
    flip(one, "super", 2000);
    char path[128];
    snprintf(path, sizeof path, "%s/super", one);
    assert_int_equal(truncate(path, LOG_BLOCK_BYTES), 0);
    assert_int_equal(heard("verify", one, NULL), 0);
    says("sound, but for a copy of its super block");
    assert_int_equal(heard("backup", one, copy), 0);
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(heard("verify", one, NULL), 1);
    says("super: 0 bytes");
    says("backup");
}

static void test_files_of_two_logs_are_told_apart(void **state)
{
    (void)state;
    char from[128], to[128];
    another_log("mine", 2);
    snprintf(to, sizeof to, "%s/super", one);
    process = 3;
    another_log("theirs", 2);
    process = 1;
    snprintf(from, sizeof from, "%s/super", one);
    assert_int_equal(rename(from, to), 0);
    snprintf(one, sizeof one, "%s/mine", dir);
    assert_int_equal(heard("verify", one, NULL), 1);
    says("of the log of p1, and the super block is that of p3");
}

static void test_a_copy_that_fails_leaves_nothing_behind(void **state)
{
    (void)state;
    char path[128];
    another_log("fails", 2);
    assert_int_equal(mkdir(copy, 0700), 0);
    snprintf(path, sizeof path, "%s/super", copy); /* it comes last, and is in the way */
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(heard("backup", one, copy), 2);
    says("super: File exists");
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(heard("backup", one, copy), 0); /* segments would be in the way, too */
}

/* Where there is no direct I/O a log can be kept, and looked at, but not live. */
static void test_a_backup_may_lie_where_no_log_could_live(void **state)
{
    (void)state;
    char shm[] = "/dev/shm/upon-logs-XXXXXX", where[64], live[64], command[64];
    if (access("/dev/shm", W_OK) != 0)
        skip();
    assert_non_null(mkdtemp(shm));
    another_log("elsewhere", 2);
    snprintf(where, sizeof where, "%s/kept", shm);
    assert_int_equal(heard("backup", one, where), 0);
    assert_int_equal(heard("restore", where, copy), 0);
    snprintf(live, sizeof live, "%s/live", shm);
    assert_int_equal(heard("restore", where, live), 2);
    says("direct I/O");
    assert_int_equal(access(live, F_OK), -1);
    snprintf(command, sizeof command, "rm -r %s", shm);
    assert_int_equal(system(command), 0);
}

static void test_a_missing_file_is_not_read(void **state)
{
    (void)state;
    char path[128];
    another_log("gone", 4);
    snprintf(path, sizeof path, "%s/seg-0003", one);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(heard("verify", one, NULL), 1);
    says("tells of 4 segment files of 256 KiB, and there are 3 of 256 KiB");
}

static void test_what_cannot_be_read_ends_with_2(void **state)
{
    (void)state;
    char path[128];
    another_log("short", 2);
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/seg-%04d", one, i);
        assert_int_equal(truncate(path, 32 * LOG_BLOCK_BYTES), 0);
    }
    short_files = true; /* both, so that it is not their shape that is wrong */
    assert_int_equal(heard("verify", one, NULL), 2);
    short_files = false;
    says("cannot be read: segment file 0: shorter than the super block says");
}

static void test_wrong_arguments_end_with_the_status_of_the_help(void **state)
{
    (void)state;
    static const char *const wrong[][2] = {{"--from", "-1"}, {"--count", "x"}, {"--nope", "1"}};
    for (size_t i = 0; i < 3; i++) {
        char *argv[] = {"upon log",
                        "inspect",
                        dir,
                        (char *)(uintptr_t)wrong[i][0],
                        (char *)(uintptr_t)wrong[i][1],
                        NULL};
        int status;
        fflush(NULL);
        pid_t child = fork();
        if (child == 0) {
            fclose(stderr);
            _exit(log_main(5, argv) == 2 ? 99 : 98); /* it is to end before */
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 2);
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
        cmocka_unit_test(test_backup_and_restore_drill),
        cmocka_unit_test(test_what_is_no_log_is_said_to_be_none),
        cmocka_unit_test(test_damage_is_said_where_it_is),
        cmocka_unit_test(test_one_copy_of_the_super_block_is_enough_and_said),
        cmocka_unit_test(test_files_of_two_logs_are_told_apart),
        cmocka_unit_test(test_a_copy_that_fails_leaves_nothing_behind),
        cmocka_unit_test(test_a_backup_may_lie_where_no_log_could_live),
        cmocka_unit_test(test_a_missing_file_is_not_read),
        cmocka_unit_test(test_what_cannot_be_read_ends_with_2),
        cmocka_unit_test(test_wrong_arguments_end_with_the_status_of_the_help),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
