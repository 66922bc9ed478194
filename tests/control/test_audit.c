/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The audit of logs, over real ones that were written by hand: what was acknowledged and is there is
 * found; what is lost, altered, pending only, delivered elsewhere, acknowledged twice or in the log of another is told; so is a log that
 * cannot be read. Of a log that has dropped something, what its compaction said to have kept is lost
 * if it is missing, and the rest is not.
 */
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
#include <xxhash.h>

#include "control/audit.h"
#include "control/host.h"
#include "control/load_state.h"
#include "control/storage.h"
#include "protocols/log/deliveries.h"

#define N    3
#define OPS  40
#define SIZE 64
#define HEAD 24 /* of a record: its name, and that of the message */

struct desk {
    char dir[32];
    struct job job;
    struct board *board;
    struct load *load; /* for its pattern */
    struct audit audit;
};

static struct desk desk;

static void write_op(uint8_t *to, uint16_t source, uint64_t number)
{
    struct op_wire *w = (struct op_wire *)to;
    memset(to, 0, SIZE);
    le64_put(w->intended_ns, 1000 * number);
    le64_put(w->number, number);
    le16_put(w->source, source);
    le16_put(w->bytes, SIZE);
    le64_put(w->tag, XXH3_64bits_withSeed(w, offsetof(struct op_wire, tag), desk.job.seed));
    memcpy(w + 1, desk.load->pattern, SIZE - sizeof *w);
}

static struct board_entry *entry(uint16_t p, uint64_t place)
{
    return &board_ledger(desk.board, p)[place];
}

static void acknowledge(uint16_t p, uint64_t place, uint16_t source, uint64_t number)
{
    uint8_t op[SIZE];
    write_op(op, source, number);
    board_put(&entry(p, place)->key, (uint64_t)source << BOARD_KEY_SHIFT | number);
    board_put(&entry(p, place)->tag, le64_get(((struct op_wire *)op)->tag));
}

static uint16_t port_of_lurb(void)
{
    uint16_t port = 0;
    while (strcmp(desk.job.def->layers[port].name, "lurb") != 0)
        port++;
    return port;
}

/* A record of message `number` of p0, whole if there is an operation. */
static void append(struct log *log, enum record_kind kind, uint64_t position, uint64_t number,
                   const uint8_t *op)
{
    uint8_t head[HEAD];
    le64_put(head, record_name(kind, 0, position));
    name_put(head + 8, (struct name){.kind = NAME_DATA, .number = number});
    log_append(log, port_of_lurb(), head, sizeof head, op, op != NULL ? SIZE : 0);
}

/* Log-delivered at this position, in write_log() and compact_log(): itself, unless a test says else. */
static uint64_t (*position_of)(uint64_t number);

static uint64_t position(uint64_t number)
{
    return position_of != NULL ? position_of(number) : number;
}

/* Write the log of p: operations of p0 from `first` to `last`, without `skip`; of `altered` the byte
 * at `at` is another. */
static void write_log(uint16_t p, uint64_t first, uint64_t last, uint64_t skip, uint64_t altered,
                      uint32_t at)
{
    struct disk *disk;
    struct log *log;
    struct log_report report;
    char why[320];
    assert_int_equal(storage_open(&desk.job, p, &disk, why, sizeof why), 0);
    assert_int_equal(log_open(&log, disk, (struct log_id){desk.job.conf.cluster, p}, NULL, NULL,
                              false, &report),
                     0);
    for (uint64_t k = first; k <= last; k++) {
        uint8_t op[SIZE];
        write_op(op, 0, k);
        op[k == altered ? at : 0] ^= k == altered;
        if (k == skip)
            continue;
        append(log, RECORD_PENDING, k, k, op);
        if (position(k) != UINT64_MAX)
            append(log, RECORD_DELIVERED, position(k), k, NULL);
    }
    while (log_durable(log) < log_next(log))
        assert_int_equal(log_pump(log), 0);
    log_close(log);
    storage_close(disk);
}

/* A run of p0's operations 0 to OPS − 1, log-delivered everywhere. */
static void open_desk(void)
{
    char set[4][64], why[320];
    char *const sets[] = {set[0], set[1], set[2], set[3]};
    memset(&desk, 0, sizeof desk);
    strcpy(desk.dir, "test-audit-XXXXXX");
    assert_non_null(mkdtemp(desk.dir));
    snprintf(set[0], sizeof set[0], "job.stack=lurb");
    snprintf(set[1], sizeof set[1], "job.size=%d", SIZE);
    snprintf(set[2], sizeof set[2], "log.dir=%s", desk.dir);
    snprintf(set[3], sizeof set[3], "log.size=4MiB");
    if (job_read(&desk.job, NULL, sets, 4, why, sizeof why) != 0 ||
        job_check(&desk.job, why, sizeof why) != 0 ||
        storage_create(&desk.job, why, sizeof why) != 0)
        fail_msg("%s", why);
    desk.board = board_open_ledger(N, 1, 1, 1, 2 * OPS, 0, NULL);
    assert_non_null(desk.board);
    desk.load = calloc(1, sizeof *desk.load);
    desk.load->conf = host_load_conf(&desk.job, desk.board, 0);
    load_fill(desk.load);
    for (uint16_t p = 0; p < N; p++)
        for (uint64_t k = 0; k < OPS; k++)
            acknowledge(p, k, 0, k);
}

/* As a compaction does: that all from place `kept` on follows, then it, and then the rest is dropped. */
static void compact_log(uint16_t p, uint64_t kept, uint64_t last, uint64_t skip, bool drop)
{
    struct disk *disk;
    struct log *log;
    struct log_report report;
    char why[320];
    uint8_t floor[8 + 32 + 64] = {0}, op[SIZE];
    assert_int_equal(storage_open(&desk.job, p, &disk, why, sizeof why), 0);
    assert_int_equal(log_open(&log, disk, (struct log_id){desk.job.conf.cluster, p}, NULL, NULL,
                              false, &report),
                     0);
    uint64_t seq = log_next(log);
    le64_put(floor, record_name(RECORD_FLOOR, 0, 0));
    le64_put(floor + 8 + 24, kept);
    log_append(log, port_of_lurb(), floor, sizeof floor, NULL, 0);
    for (uint64_t k = kept; k <= last; k++) {
        write_op(op, 0, k);
        if (k != skip)
            append(log, RECORD_DELIVERED, k, k, op);
    }
    while (log_durable(log) < log_next(log))
        assert_int_equal(log_pump(log), 0);
    if (drop)
        assert_int_equal(log_checkpoint(log, seq), 0);
    log_close(log);
    storage_close(disk);
}

static bool look(void)
{
    assert_true(audit_logs(&desk.audit, &desk.job, desk.board));
    return desk.audit.lost == 0 && desk.audit.doubled == 0 && !desk.audit.refused;
}

static void close_desk(void)
{
    storage_remove(&desk.job);
    board_close(desk.board);
    free(desk.load);
}

static void test_what_was_acknowledged_is_found(void **state)
{
    (void)state;
    open_desk();
    for (uint16_t p = 0; p < N; p++) {
        write_log(p, 0, OPS - 1, UINT64_MAX, UINT64_MAX, 0);
        write_log(p, 0, OPS / 2, UINT64_MAX, UINT64_MAX, 0); /* again, as a compaction does */
    }
    assert_true(look());
    assert_int_equal(desk.audit.logs, N);
    assert_int_equal(desk.audit.acknowledged, N * OPS);
    assert_int_equal(desk.audit.found, N * OPS);
    close_desk();
}

static void test_what_the_ledger_did_not_hold_is_counted(void **state)
{
    (void)state;
    open_desk();
    for (uint16_t p = 0; p < N; p++)
        write_log(p, 0, OPS - 1, UINT64_MAX, UINT64_MAX, 0);
    desk.load->row = board_row(desk.board, 1);
    desk.load->co.st = &(struct stack){.self = 1, .n = N};
    desk.load->places = desk.load->told = 2 * OPS; /* it is full */
    for (uint64_t k = 0; k < 3; k++) {
        const struct op op = {.number = 2 * OPS + k, .tag = 1 + k};
        assert_true(load_remember(desk.load, 2 * OPS + k, &op));
    }
    assert_true(look());
    assert_int_equal(desk.audit.acknowledged, N * OPS);
    assert_int_equal(desk.audit.unaudited, 3);
    close_desk();
}

static void test_a_lost_operation_is_told(void **state)
{
    (void)state;
    open_desk();
    for (uint16_t p = 0; p < N; p++)
        write_log(p, 0, OPS - 1, p == 1 ? 17 : UINT64_MAX, UINT64_MAX, 0);
    assert_false(look());
    assert_int_equal(desk.audit.lost, 1);
    assert_int_equal(desk.audit.found, N * OPS - 1);
    assert_string_equal(desk.audit.why,
                        "p1 acknowledged operation 17 of p0, and its log does not hold it");
    close_desk();
}

static uint64_t all_but_17(uint64_t number)
{
    return number == 17 ? UINT64_MAX : number;
}

/* The message is there, and no record of its log-delivery: another life would tell of it anew. */
static void test_what_is_pending_only_is_not_log_delivered(void **state)
{
    (void)state;
    open_desk();
    for (uint16_t p = 0; p < N; p++) {
        position_of = p == 1 ? all_but_17 : NULL;
        write_log(p, 0, OPS - 1, UINT64_MAX, UINT64_MAX, 0);
    }
    position_of = NULL;
    assert_false(look());
    assert_int_equal(desk.audit.lost, 1);
    assert_string_equal(desk.audit.why,
                        "p1 acknowledged operation 17 of p0, and its log does not hold it");
    close_desk();
}

static uint64_t with_17_and_18_swapped(uint64_t number)
{
    return number == 17 ? 18 : number == 18 ? 17 : number;
}

static void test_a_log_delivery_at_another_position_is_another(void **state)
{
    (void)state;
    open_desk();
    for (uint16_t p = 0; p < N; p++) {
        position_of = p == 1 ? with_17_and_18_swapped : NULL;
        write_log(p, 0, OPS - 1, UINT64_MAX, UINT64_MAX, 0);
    }
    position_of = NULL;
    assert_false(look());
    assert_int_equal(desk.audit.lost, 2);
    close_desk();
}

static void test_what_a_compaction_dropped_is_not_lost(void **state)
{
    (void)state;
    open_desk();
    for (uint16_t p = 0; p < N; p++) {
        write_log(p, 0, 20, UINT64_MAX, UINT64_MAX, 0);
        compact_log(p, 15, OPS - 1, UINT64_MAX, true);
    }
    assert_true(look());
    assert_int_equal(desk.audit.released, N * 15);
    assert_int_equal(desk.audit.found, N * (OPS - 15));
    compact_log(0, 25, OPS - 1, UINT64_MAX, false); /* one that has not dropped anything yet */
    assert_true(look());
    assert_int_equal(desk.audit.released, N * 15);
    close_desk();
}

static void test_what_a_compaction_kept_and_is_missing_is_lost(void **state)
{
    (void)state;
    open_desk();
    for (uint16_t p = 0; p < N; p++) {
        write_log(p, 0, 20, UINT64_MAX, UINT64_MAX, 0);
        compact_log(p, 15, OPS - 1, p == 2 ? 15 : UINT64_MAX, true);
    }
    assert_false(look());
    assert_int_equal(desk.audit.lost, 1);
    assert_int_equal(desk.audit.released, N * 15);
    assert_string_equal(desk.audit.why,
                        "p2 acknowledged operation 15 of p0, and its log does not hold it");
    close_desk();
}

/* What a compaction says excuses nothing before it has dropped something. */
static void test_a_compaction_that_was_cut_short_excuses_nothing(void **state)
{
    (void)state;
    open_desk();
    for (uint16_t p = 0; p < N; p++) {
        write_log(p, 0, 20, p == 1 ? 3 : UINT64_MAX, UINT64_MAX, 0);
        compact_log(p, 15, OPS - 1, UINT64_MAX, p != 1);
    }
    assert_false(look());
    assert_int_equal(desk.audit.lost, 1);
    assert_int_equal(desk.audit.released, (N - 1) * 15);
    close_desk();
}

static void test_what_is_dropped_and_was_never_acknowledged_is_told(void **state)
{
    (void)state;
    open_desk();
    for (uint16_t p = 0; p < N; p++) {
        write_log(p, 0, OPS - 1, UINT64_MAX, UINT64_MAX, 0);
        compact_log(p, p == 1 ? OPS + 1 : OPS, OPS - 1, UINT64_MAX, true);
    }
    assert_false(look());
    assert_int_equal(desk.audit.lost, 1);
    assert_string_equal(desk.audit.why, "p1 never acknowledged 40, and its log has dropped it");
    close_desk();
}

static void test_an_altered_operation_is_told(void **state)
{
    (void)state;
    for (uint32_t at = 0; at < SIZE; at++) { /* time, number, source, size, tag, payload */
        open_desk();
        for (uint16_t p = 0; p < N; p++)
            write_log(p, 0, OPS - 1, UINT64_MAX, p == 2 ? 5 : UINT64_MAX, at);
        assert_false(look());
        assert_int_equal(desk.audit.lost, 1);
        assert_string_equal(desk.audit.why,
                            "p2 acknowledged operation 5 of p0, and its log does not hold it");
        close_desk();
        at += at > 32 ? 7 : 2;
    }
}

static void test_a_doubled_operation_is_told(void **state)
{
    (void)state;
    open_desk();
    for (uint16_t p = 0; p < N; p++)
        write_log(p, 0, OPS - 1, UINT64_MAX, UINT64_MAX, 0);
    acknowledge(1, OPS, 0, 30);
    assert_false(look());
    assert_int_equal(desk.audit.doubled, 1);
    assert_int_equal(desk.audit.lost, 0);
    assert_string_equal(desk.audit.why, "p1 acknowledged operation 30 of p0 twice");
    close_desk();
}

static void test_the_log_of_another_process_does_not_vouch(void **state)
{
    (void)state;
    open_desk();
    for (uint16_t p = 0; p < N; p++)
        write_log(p, 0, p == 1 ? OPS - 2 : OPS - 1, UINT64_MAX, UINT64_MAX, 0);
    assert_false(look());
    assert_int_equal(desk.audit.lost, 1);
    close_desk();
}

static void test_a_damaged_log_is_refused(void **state)
{
    (void)state;
    char path[64];
    open_desk();
    for (uint16_t p = 0; p < N; p++)
        write_log(p, 0, OPS - 1, UINT64_MAX, UINT64_MAX, 0);
    snprintf(path, sizeof path, "%s/p0/seg-0000", desk.dir);
    int fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, "x", 1, 4096 + 700), 1);
    close(fd);
    assert_false(look());
    assert_true(desk.audit.refused);
    assert_int_equal(desk.audit.logs, N - 1);
    assert_memory_equal(desk.audit.why, "the log of p0: ", 15);
    close_desk();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_acknowledged_is_found),
        cmocka_unit_test(test_what_the_ledger_did_not_hold_is_counted),
        cmocka_unit_test(test_a_lost_operation_is_told),
        cmocka_unit_test(test_what_is_pending_only_is_not_log_delivered),
        cmocka_unit_test(test_a_log_delivery_at_another_position_is_another),
        cmocka_unit_test(test_what_a_compaction_dropped_is_not_lost),
        cmocka_unit_test(test_what_a_compaction_kept_and_is_missing_is_lost),
        cmocka_unit_test(test_a_compaction_that_was_cut_short_excuses_nothing),
        cmocka_unit_test(test_what_is_dropped_and_was_never_acknowledged_is_told),
        cmocka_unit_test(test_an_altered_operation_is_told),
        cmocka_unit_test(test_a_doubled_operation_is_told),
        cmocka_unit_test(test_the_log_of_another_process_does_not_vouch),
        cmocka_unit_test(test_a_damaged_log_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
