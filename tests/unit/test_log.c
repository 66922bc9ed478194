/* SPDX-License-Identifier: BSD-3-Clause */
/* The log over a disk under an adversary: what was acknowledged is found again, or said to be lost. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/disk_sim.h"
#include "dataplane/log_format.h"
#include "dataplane/log_internal.h"
#include "protocols/random.h"

#define BUFFERS      4
#define BUFFER_BYTES (8 * LOG_BLOCK_BYTES)

static const struct log_shape shape = {4, 24 * LOG_BLOCK_BYTES};
static const struct log_id id = {0xc1, 2};

static struct disk_sim *disk;
static struct random rnd;

/* What recovery handed over. */
static uint64_t found_first, found_next;
static bool found_wrong;

static uint32_t record_len(uint64_t seq)
{
    return (uint32_t)(seq * 2654435761u % 700);
}

static void fill(uint8_t *to, uint64_t seq, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++)
        to[i] = (uint8_t)(seq * 31 + i);
}

static void found(void *ctx, uint64_t seq, uint16_t type, const void *data, uint32_t len)
{
    (void)ctx;
    uint8_t want[1024];
    if (found_first == UINT64_MAX)
        found_first = found_next = seq;
    fill(want, seq, record_len(seq));
    if (seq != found_next || type != (seq & 0xff) || len != record_len(seq) ||
        memcmp(data, want, len) != 0)
        found_wrong = true;
    found_next = seq + 1;
}

static int open_log(struct log **log, struct log_report *report)
{
    found_first = UINT64_MAX;
    found_next = 0;
    found_wrong = false;
    int err = log_open(log, &disk->disk, id, found, NULL, false, report);
    assert_false(found_wrong);
    return err;
}

static void append(struct log *log)
{
    uint8_t data[1024];
    uint64_t seq = log_next(log);
    uint32_t len = record_len(seq), head = len / 3;
    fill(data, seq, len);
    assert_true(log_append(log, (uint16_t)(seq & 0xff), data, head, data + head, len - head) ==
                seq);
}

static bool coin(void *ctx)
{
    (void)ctx;
    return random_below(&rnd, 2) == 0;
}

static void fresh(uint64_t seed)
{
    rnd = random_seeded(seed, 5);
    disk = disk_sim_new(shape, BUFFERS, BUFFER_BYTES);
    assert_non_null(disk);
    assert_int_equal(log_format(&disk->disk, id, shape), 0);
}

static void finish_all(struct log *log)
{
    do {
        while (disk->writes > 0)
            disk_sim_finish(disk, 0, DISK_KEEPS, NULL, NULL);
        assert_int_equal(log_pump(log), 0);
    } while (disk->writes > 0);
}

static void test_what_was_stored_is_found_again_in_order(void **state)
{
    (void)state;
    struct log *log;
    struct log_report report;
    fresh(1);
    assert_int_equal(open_log(&log, &report), 0);
    assert_int_equal(report.incarnation, 1);
    for (int i = 0; i < 100; i++) {
        append(log);
        if (i % 7 == 0)
            finish_all(log);
    }
    finish_all(log);
    assert_int_equal(log_durable(log), 100);
    log_close(log);
    assert_int_equal(open_log(&log, &report), 0);
    assert_int_equal(report.outcome, LOG_CLEAN);
    assert_int_equal(report.incarnation, 2);
    assert_int_equal(found_first, 0);
    assert_int_equal(found_next, 100);
    log_close(log);
    disk_sim_free(disk);
}

/* Reads that are begun and come at the very end: until then what they go to is nothing of use. */
static struct late_read {
    uint32_t slot, bytes;
    uint64_t offset;
    uint8_t *to;
} late[DISK_READS_MAX];
static uint64_t lates_begun, lates_ended;

static void late_begin(struct disk *d, uint32_t slot, uint64_t offset, void *to, uint32_t bytes)
{
    (void)d;
    assert_true(lates_begun - lates_ended < DISK_READS_MAX);
    memset(to, 0xee, bytes);
    late[lates_begun++ % DISK_READS_MAX] = (struct late_read){slot, bytes, offset, to};
}

static int64_t late_end(struct disk *d)
{
    const struct late_read *r = &late[lates_ended++ % DISK_READS_MAX];
    return d->ops->read(d, r->slot, r->offset, r->to, r->bytes);
}

/*
 * Segments of several portions, the last of them not whole, and batches from one block to more than
 * recovery keeps in memory; from the first segment on, and from a later one on, round the slots.
 */
static void large_log(bool reads_late)
{
    const struct log_shape large = {4, 7 * (512u << 10) - 5 * LOG_BLOCK_BYTES};
    struct log *log;
    struct log_report report;
    struct disk_ops ops;
    rnd = random_seeded(7, 5);
    disk = disk_sim_new(large, BUFFERS, 3u << 20);
    assert_non_null(disk);
    assert_int_equal(log_format(&disk->disk, id, large), 0);
    ops = *disk->disk.ops;
    if (reads_late)
        ops.read_begin = late_begin, ops.read_end = late_end;
    disk->disk.ops = &ops;
    uint64_t kept = 0;
    for (int life = 0; life < 5; life++) {
        assert_int_equal(open_log(&log, &report), 0);
        assert_int_equal(report.outcome, LOG_CLEAN);
        assert_true(life == 0 || found_first == kept);
        assert_true(life == 0 || found_next == log_next(log));
        assert_true(lates_begun == lates_ended);
        while (log_fill(log) < 0.9) {
            uint32_t records = 1u << random_below(&rnd, 14);
            for (uint32_t i = 0; i < records && log_room(log, record_len(log_next(log))); i++)
                append(log);
            finish_all(log);
        }
        kept = log_next(log) - log_next(log) / (uint64_t)(life + 5);
        assert_int_equal(log_checkpoint(log, kept), 0);
        log_close(log);
    }
    disk_sim_free(disk);
}

static void test_a_large_log_is_read_back_in_portions(void **state)
{
    (void)state;
    large_log(false);
    large_log(true);
    assert_true(lates_begun > 100);
}

/*
 * Crash at every write boundary, again and again, each time with another legal state of what was
 * under way. Promise: every record below the durable mark is found; what is found is a prefix of
 * what was stored; incarnations never repeat.
 */
static void test_crash_sweep_nothing_acknowledged_is_lost(void **state)
{
    (void)state;
    uint32_t crashes = 0;
    for (uint64_t seed = 1; seed <= 150; seed++) {
        uint64_t durable = 0, checkpoint = 0;
        uint32_t incarnation = 0;
        fresh(seed);
        for (int life = 0; life < 12; life++) {
            struct log *log;
            struct log_report report;
            if (open_log(&log, &report) != 0)
                fail_msg("seed %u life %d: %s", (unsigned)seed, life, report.why);
            assert_true(report.incarnation > incarnation);
            incarnation = report.incarnation;
            assert_true(report.next_seq >= durable);
            assert_true(found_first == UINT64_MAX || found_first >= checkpoint);
            uint32_t steps = random_below(&rnd, 60);
            for (uint32_t i = 0; i < steps; i++) {
                uint32_t what = random_below(&rnd, 10);
                if (what < 6 && log_room(log, record_len(log_next(log))))
                    append(log);
                else if (what < 8 && disk->writes > 0)
                    disk_sim_finish(disk, random_below(&rnd, disk->writes), DISK_KEEPS, NULL, NULL);
                else
                    assert_int_equal(log_pump(log), 0);
                if (log_fill(log) > 0.6) {
                    uint64_t mark = log_durable(log);
                    disk->super_crash =
                        random_below(&rnd, 4) == 0 ? (int)random_below(&rnd, 2) : -1;
                    if (log_checkpoint(log, mark) != 0)
                        break;
                    checkpoint = mark;
                }
                if (log_durable(log) > durable)
                    durable = log_durable(log);
            }
            log_close(log);
            disk_sim_crash(disk, coin, NULL);
            crashes++;
        }
        disk_sim_free(disk);
    }
    assert_int_equal(crashes, 1800);
}

/* Keep every sector of a write but its first, or that one alone. */
static bool all_but_the_first(void *ctx)
{
    return ++*(uint32_t *)ctx > 1;
}

static bool the_first(void *ctx)
{
    return ++*(uint32_t *)ctx == 1;
}

/*
 * The batch that opens a segment loses the sector which says that the segment is there, so a recovery
 * cuts it. Of what the next life writes in its place that very sector comes, and nothing else: what
 * was cut must not be found again, since a life has gone on without it.
 */
static void cut_stays_cut(uint32_t segment_batches)
{
    struct log *log;
    struct log_report report;
    uint32_t sectors = 0;
    uint64_t before;
    fresh(3);
    assert_int_equal(open_log(&log, &report), 0);
    do {
        before = log_durable(log);
        append(log);
        if (log->segment == UINT64_MAX
                ? segment_batches == 0
                : log->block + 1 == shape.segment_bytes / LOG_BLOCK_BYTES + 1)
            break;
        finish_all(log);
    } while (true);
    assert_int_equal(log_pump(log), 0);
    append(log);
    assert_int_equal(log_pump(log), 0); /* a second batch, which is there before the first */
    assert_int_equal(disk->writes, 2);
    disk_sim_finish(disk, 1, DISK_KEEPS, NULL, NULL);
    log_close(log);
    disk_sim_crash(disk, all_but_the_first, &sectors);
    assert_int_equal(open_log(&log, &report), 0);
    assert_int_equal(log_next(log), before);
    append(log);
    assert_int_equal(log_pump(log), 0);
    log_close(log);
    sectors = 0;
    disk_sim_crash(disk, the_first, &sectors);
    assert_int_equal(open_log(&log, &report), 0);
    assert_int_equal(log_next(log), before);
    append(log);
    finish_all(log);
    log_close(log);
    assert_int_equal(open_log(&log, &report), 0);
    assert_int_equal(found_next, before + 1);
    log_close(log);
    disk_sim_free(disk);
}

static void test_what_was_cut_with_a_segment_header_stays_cut(void **state)
{
    (void)state;
    cut_stays_cut(0); /* the log's first segment */
    cut_stays_cut(1); /* a later one */
}

static bool every_other(void *ctx)
{
    return ++*(uint32_t *)ctx % 2 == 0;
}

/*
 * A recovery cuts a torn batch in the last block of a segment, and what it writes first is too large
 * for that block. The remains of the torn batch must not hide it from the next recovery.
 */
static void test_what_follows_a_torn_end_of_a_segment_is_found(void **state)
{
    (void)state;
    struct log *log;
    struct log_report report;
    uint32_t sectors = 0;
    fresh(7);
    assert_int_equal(open_log(&log, &report), 0);
    for (uint32_t block = 1; block < shape.segment_bytes / LOG_BLOCK_BYTES - 1; block++) {
        append(log);
        finish_all(log);
    }
    append(log);
    assert_int_equal(log_pump(log), 0);
    log_close(log);
    disk_sim_crash(disk, every_other, &sectors);
    assert_int_equal(sectors,
                     LOG_BLOCK_SECTORS); /* it was the last block, and no segment's first */
    assert_int_equal(open_log(&log, &report), 0);
    assert_int_equal(report.outcome, LOG_CUT_TORN);
    uint64_t before = log_durable(log);
    for (uint32_t bytes = 0; bytes < LOG_BLOCK_BYTES; bytes += record_len(log_next(log) - 1))
        append(log);
    finish_all(log);
    uint64_t after = log_durable(log);
    assert_true(after > before);
    log_close(log);
    assert_int_equal(open_log(&log, &report), 0);
    assert_int_equal(found_next, after);
    assert_int_equal(report.outcome, LOG_CLEAN);
    log_close(log);
    disk_sim_free(disk);
}

/* The first sectors that a crash asks for are not there, and all others are. */
static bool all_but_the_first_block(void *ctx)
{
    return (*(uint32_t *)ctx)++ >= LOG_BLOCK_SECTORS;
}

/*
 * A life writes a segment's last batch, and the batch that opens the next segment; a crash leaves only
 * the second, and a recovery cuts both. The next life writes both again, and the disk loses the second
 * though it says that it has it. Since the log is truncated there, no batch before it is left that
 * could tell the older one in its place from it.
 */
static uint64_t opening_is_lost(uint64_t needed, int err, struct log_report *report)
{
    struct log *log;
    uint32_t sectors = 0, blocks = shape.segment_bytes / LOG_BLOCK_BYTES;
    fresh(9);
    assert_int_equal(open_log(&log, report), 0);
    for (uint32_t block = 1; block < blocks - 1; block++) {
        append(log);
        finish_all(log);
    }
    append(log);
    assert_int_equal(log_pump(log), 0);
    for (int i = 0; i < 4; i++)
        append(log);
    assert_int_equal(log_pump(log), 0);
    log_close(log);
    assert_int_equal(disk->writes, 2);
    disk_sim_crash(disk, all_but_the_first_block, &sectors);
    assert_int_equal(open_log(&log, report), 0);
    assert_int_equal(report->cut_batches, 1);
    append(log);
    finish_all(log);
    uint64_t opens = log_next(log);
    append(log);
    assert_int_equal(log_pump(log), 0);
    assert_int_equal(disk->write[0].offset, 0);
    disk_sim_finish(disk, 0, DISK_LOSES, NULL, NULL);
    assert_int_equal(log_pump(log), 0);
    assert_int_equal(log_durable(log), opens + 1);
    assert_int_equal(log_checkpoint(log, opens + needed), 0);
    log_close(log);
    disk_sim_crash(disk, coin, NULL);
    assert_int_equal(open_log(&log, report), err);
    log_close(log);
    disk_sim_free(disk);
    return opens;
}

static void test_a_lost_batch_that_opens_the_log_is_missed(void **state)
{
    (void)state;
    struct log_report report;
    uint64_t opens = opening_is_lost(0, -EILSEQ, &report);
    assert_int_equal(report.outcome, LOG_LOST);
    assert_int_equal(found_first, UINT64_MAX); /* the older one is not handed over */
    assert_int_equal(report.next_seq, opens);
    opens = opening_is_lost(1, 0, &report); /* what was lost was not needed any more */
    assert_int_equal(found_first, UINT64_MAX);
    assert_int_equal(report.next_seq, opens + 1);
}

/* Every bit of an acknowledged batch: flipped, it is refused, never cut and never handed over. */
static void test_damage_in_the_middle_is_refused(void **state)
{
    (void)state;
    struct log *log;
    struct log_report report;
    fresh(3);
    assert_int_equal(open_log(&log, &report), 0);
    for (int i = 0; i < 12; i++) {
        append(log);
        finish_all(log);
    }
    log_close(log);
    for (uint64_t byte = 0; byte < 13ull * LOG_BLOCK_BYTES; byte += 37) {
        disk_sim_flip(disk, 0, byte, byte % 8);
        struct log *none;
        int err = log_open(&none, &disk->disk, id, NULL, NULL, true, &report);
        if (err != -EILSEQ || report.outcome != LOG_DAMAGED)
            fail_msg("byte %u: outcome %d: %s", (unsigned)byte, report.outcome, report.why);
        disk_sim_flip(disk, 0, byte, byte % 8);
    }
    disk_sim_free(disk);
}

static void test_a_lost_write_is_found_by_the_next_batch(void **state)
{
    (void)state;
    struct log *log;
    struct log_report report;
    fresh(4);
    assert_int_equal(open_log(&log, &report), 0);
    for (int i = 0; i < 6; i++) {
        append(log);
        assert_int_equal(log_pump(log), 0);
        disk_sim_finish(disk, 0, i == 3 ? DISK_LOSES : DISK_KEEPS, NULL, NULL);
        assert_int_equal(log_pump(log), 0);
    }
    log_close(log);
    assert_int_equal(open_log(&log, &report), -EILSEQ);
    assert_int_equal(report.outcome, LOG_LOST);
    assert_non_null(strstr(report.why, "record 3 was acknowledged"));
    disk_sim_free(disk);
}

static void test_a_misdirected_write_is_refused(void **state)
{
    (void)state;
    struct log *log;
    struct log_report report;
    fresh(5);
    assert_int_equal(open_log(&log, &report), 0);
    for (int i = 0; i < 6; i++) {
        append(log);
        assert_int_equal(log_pump(log), 0);
        disk_sim_finish(disk, 0, i == 3 ? DISK_MISDIRECTS : DISK_KEEPS, NULL, NULL);
        assert_int_equal(log_pump(log), 0);
    }
    log_close(log);
    assert_int_equal(open_log(&log, &report), -EILSEQ);
    assert_int_equal(report.outcome, LOG_DAMAGED);
    disk_sim_free(disk);
}

static void test_an_error_is_a_crash_and_acknowledges_nothing(void **state)
{
    (void)state;
    const enum disk_sim_fate fates[] = {DISK_FAILS, DISK_SHORT};
    for (int f = 0; f < 2; f++) {
        struct log *log;
        struct log_report report;
        fresh(6);
        assert_int_equal(open_log(&log, &report), 0);
        for (int i = 0; i < 20; i++)
            append(log);
        assert_int_equal(log_pump(log), 0);
        disk_sim_finish(disk, 0, fates[f], coin, NULL);
        assert_int_equal(log_pump(log), -EIO);
        assert_int_equal(log_durable(log), 0);
        assert_false(log_room(log, 1));
        assert_int_equal(log_pump(log), -EIO);
        log_close(log);
        disk_sim_free(disk);
    }
}

/* A buffer is free when its own write has ended. What is durable is still told in order, however many
 * writes have overtaken the oldest; and there is a bound to these. */
static void test_writes_that_overtake_the_oldest_do_not_wait_for_it(void **state)
{
    (void)state;
    const struct log_shape wide = {4, 256 * LOG_BLOCK_BYTES};
    struct log *log;
    struct log_report report;
    disk = disk_sim_new(wide, BUFFERS, BUFFER_BYTES);
    assert_non_null(disk);
    assert_int_equal(log_format(&disk->disk, id, wide), 0);
    assert_int_equal(open_log(&log, &report), 0);
    uint64_t appended = 0, overtaken = 0;
    for (int i = 0; i < 1000 && log_room(log, record_len(appended)); i++) {
        append(log);
        appended++;
        assert_int_equal(log_pump(log), 0);
        if (disk->writes == BUFFERS - 1) { /* all that may be under way at a time */
            disk_sim_finish(disk, disk->writes - 1, DISK_KEEPS, NULL, NULL);
            overtaken++;
        }
        assert_int_equal(log_durable(log), 0);
    }
    assert_int_equal(overtaken, LOG_FLIGHTS_MAX - (BUFFERS - 2));
    disk_sim_finish(disk, 0, DISK_KEEPS, NULL, NULL);
    finish_all(log);
    assert_int_equal(log_durable(log), appended);
    log_close(log);
    assert_int_equal(open_log(&log, &report), 0);
    assert_int_equal(report.outcome, LOG_CLEAN);
    assert_int_equal(found_next, appended);
    log_close(log);
    disk_sim_free(disk);
}

static void test_the_log_of_another_is_refused(void **state)
{
    (void)state;
    struct log *log;
    struct log_report report;
    fresh(7);
    assert_int_equal(log_open(&log, &disk->disk, (struct log_id){0xc1, 1}, NULL, NULL, false,
                              &report),
                     -EILSEQ);
    assert_int_equal(report.outcome, LOG_FOREIGN);
    assert_int_equal(log_open(&log, &disk->disk, (struct log_id){0xc2, 2}, NULL, NULL, false,
                              &report),
                     -EILSEQ);
    assert_int_equal(report.outcome, LOG_FOREIGN);
    disk->super[3] ^= 1; /* one copy damaged: the other serves, and the first is rewritten */
    assert_int_equal(open_log(&log, &report), 0);
    assert_int_equal(report.super_repaired, 1);
    log_close(log);
    assert_int_equal(open_log(&log, &report), 0);
    assert_int_equal(report.super_repaired, 0);
    log_close(log);
    disk->super[3] ^= 1;
    disk->super[LOG_BLOCK_BYTES + 3] ^= 1;
    assert_int_equal(open_log(&log, &report), -EILSEQ);
    assert_int_equal(report.outcome, LOG_NO_SUPER);
    disk_sim_free(disk);
}

static void test_a_full_log_waits_for_a_checkpoint(void **state)
{
    (void)state;
    struct log *log;
    struct log_report report;
    fresh(8);
    assert_int_equal(open_log(&log, &report), 0);
    uint64_t stored = 0;
    for (int round = 0; round < 200; round++) {
        while (log_room(log, record_len(log_next(log)))) {
            append(log);
            stored++;
            if (random_below(&rnd, 3) == 0)
                finish_all(log);
        }
        finish_all(log);
        if (log_fill(log) > 0.9)
            assert_int_equal(log_checkpoint(log, log_durable(log)), 0);
    }
    assert_true(stored > 5000); /* many times round the segments */
    uint64_t last = log_durable(log);
    log_close(log);
    assert_int_equal(open_log(&log, &report), 0);
    assert_int_equal(report.next_seq, last);
    log_close(log);
    disk_sim_free(disk);
}

static void judge_one(enum log_here here, enum log_later later, enum log_known known)
{
    enum log_outcome o = log_judge(here, later, known);
    bool bad = here == HERE_BAD || later == LATER_BAD;
    bool lost = !bad && (later == LATER_ACKED || known != KNOWN_FOUND);
    bool clean = !bad && !lost && here == HERE_ABSENT && later == LATER_NONE;
    bool torn = !bad && !lost && here == HERE_TORN;
    bool unordered = !bad && !lost && here == HERE_ABSENT && later == LATER_UNACKED;
    assert_int_equal(bad + lost + clean + torn + unordered, 1);
    assert_int_equal(o, bad     ? LOG_DAMAGED
                        : lost  ? LOG_LOST
                        : clean ? LOG_CLEAN
                        : torn  ? LOG_CUT_TORN
                                : LOG_CUT_UNORDERED);
}

/* Each combination of what can be found has one row; those that cut are these three and no others. */
static void test_recovery_table(void **state)
{
    (void)state;
    for (int here = 0; here < HERES; here++)
        for (int later = 0; later < LATERS; later++)
            for (int known = 0; known < KNOWNS; known++)
                judge_one((enum log_here)here, (enum log_later)later, (enum log_known)known);
}

static bool all_but_the_second(void *ctx)
{
    return ++*(uint32_t *)ctx != 2;
}

/* A record whose bytes look like the header of a batch, over several blocks, is torn at a crash: what
 * a user wrote says nothing about what was acknowledged. */
static void test_bytes_of_a_record_are_not_taken_for_a_batch(void **state)
{
    (void)state;
    struct log *log;
    struct log_report report;
    uint8_t data[8192];
    uint32_t sectors = 0;
    fresh(11);
    assert_int_equal(open_log(&log, &report), 0);
    for (uint32_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t) "UPBT"[i % 4];
    append(log);
    finish_all(log);
    (void)log_append(log, 1, data, 0, data, sizeof data);
    assert_int_equal(log_pump(log), 0);
    assert_int_equal(disk->writes, 1);
    log_close(log);
    disk_sim_crash(disk, all_but_the_second, &sectors);
    assert_true(sectors > 2 * LOG_BLOCK_SECTORS);
    if (open_log(&log, &report) != 0)
        fail_msg("%s", report.why);
    assert_int_equal(report.outcome, LOG_CUT_TORN);
    assert_int_equal(report.next_seq, 1);
    log_close(log);
    disk_sim_free(disk);
}

/* What a compaction stores again opens a segment, and the disk loses it, though it said that it has
 * it. No batch tells of that, but the super block which lets go of all that is older. */
static void test_a_lost_compaction_is_found_by_its_super_block(void **state)
{
    (void)state;
    struct log *log;
    struct log_report report;
    fresh(12);
    assert_int_equal(open_log(&log, &report), 0);
    do {
        append(log);
        finish_all(log);
    } while (log->block < segment_blocks(&shape));
    uint64_t seq = log_next(log);
    append(log);
    assert_int_equal(log_pump(log), 0);
    assert_int_equal(log->segment, 1);
    disk_sim_finish(disk, 0, DISK_LOSES, NULL, NULL);
    assert_int_equal(log_pump(log), 0);
    assert_int_equal(log_durable(log), seq + 1);
    assert_int_equal(log_checkpoint(log, seq), 0);
    log_close(log);
    assert_int_equal(open_log(&log, &report), -EILSEQ);
    assert_int_equal(report.outcome, LOG_LOST);
    assert_false(disk->lied); /* and the simulator knows that it can be seen */
    disk_sim_free(disk);
}

/* Damage in front of the first record that is needed, in the segment that begins the log. */
static void test_damage_is_said_to_be_damage_though_records_are_missing(void **state)
{
    (void)state;
    struct log *log;
    struct log_report report;
    fresh(13);
    assert_int_equal(open_log(&log, &report), 0);
    for (int i = 0; i < 10; i++) {
        append(log);
        finish_all(log);
    }
    assert_int_equal(log_checkpoint(log, 8), 0);
    log_close(log);
    disk_sim_flip(disk, 0, 3 * LOG_BLOCK_BYTES + LOG_SECTOR_BYTES + 7, 3);
    assert_int_equal(open_log(&log, &report), -EILSEQ);
    assert_int_equal(report.outcome, LOG_DAMAGED);
    assert_non_null(strstr(report.why, "segment file 0, offset 12800: damaged"));
    disk_sim_free(disk);
}

static void test_files_that_are_not_what_the_super_block_says_are_refused(void **state)
{
    (void)state;
    struct log *log;
    struct log_report report;
    fresh(14);
    disk->disk.slots = 3;
    assert_int_equal(open_log(&log, &report), -EILSEQ);
    assert_int_equal(report.outcome, LOG_FOREIGN);
    assert_non_null(strstr(report.why, "tells of 4 segment files of 96 KiB, and there are 3"));
    disk->disk.slots = 4;
    disk->disk.slot_bytes /= 2;
    assert_int_equal(open_log(&log, &report), -EILSEQ);
    assert_int_equal(report.outcome, LOG_FOREIGN);
    disk_sim_free(disk);
}

/* Lives that came after a backup are none of its restored log's. */
static void test_a_restored_log_takes_an_incarnation_of_its_own(void **state)
{
    (void)state;
    struct log *log;
    struct log_report report;
    fresh(15);
    assert_int_equal(open_log(&log, &report), 0);
    append(log);
    finish_all(log);
    log_close(log);
    assert_int_equal(log_restored(&disk->disk), 0);
    disk->super[3] ^= 1; /* either copy says so */
    assert_int_equal(open_log(&log, &report), 0);
    assert_int_equal(report.incarnation, 2 + LOG_RESTORED_LIVES);
    assert_int_equal(found_next, 1);
    log_close(log);
    disk->super[3] ^= 1;
    disk->super[LOG_BLOCK_BYTES + 3] ^= 1;
    assert_int_equal(log_restored(&disk->disk), -EILSEQ);
    disk_sim_free(disk);
}

/* A life whose super block the disk loses: both copies, or one, which loses nothing. */
static int next_life_of(unsigned loses, bool (*keep)(void *ctx), struct log_report *report)
{
    struct log *log;
    uint32_t sectors = 0;
    fresh(17);
    for (int life = 0; life < 2; life++) {
        disk->super_loses = life == 0 ? 0 : loses;
        assert_int_equal(open_log(&log, report), 0);
        assert_int_equal(report->incarnation, 1 + life);
        append(log);
        assert_int_equal(log_pump(log), 0);
        if (life == 0)
            finish_all(log);
        log_close(log);
        disk_sim_crash(disk, keep, &sectors);
    }
    int err = open_log(&log, report);
    if (err == 0)
        log_close(log);
    disk_sim_free(disk);
    return err;
}

static void test_a_life_whose_super_block_is_lost_is_found_by_its_batch(void **state)
{
    (void)state;
    struct log_report report;
    bool (*const keep[])(void *ctx) = {NULL, all_but_the_second, the_first};
    for (int i = 0; i < 3; i++) { /* whole, or torn: its beginning is there */
        assert_int_equal(next_life_of(3, keep[i], &report), -EILSEQ);
        assert_int_equal(report.outcome, LOG_LOST);
        assert_non_null(strstr(report.why, "incarnation 1, and a batch of 2 is there"));
    }
    for (unsigned copy = 1; copy < 3; copy++) {
        assert_int_equal(next_life_of(copy, NULL, &report), 0);
        assert_int_equal(report.incarnation, 3);
    }
}

/* Its log begins where it began before. */
static void test_a_checkpoint_whose_super_block_is_lost_loses_nothing(void **state)
{
    (void)state;
    struct log *log;
    struct log_report report;
    fresh(18);
    assert_int_equal(open_log(&log, &report), 0);
    for (int i = 0; i < 30; i++) {
        append(log);
        finish_all(log);
    }
    disk->super_loses = 3;
    assert_int_equal(log_checkpoint(log, 28), 0);
    append(log);
    finish_all(log);
    log_close(log);
    assert_int_equal(open_log(&log, &report), 0);
    assert_int_equal(report.outcome, LOG_CLEAN);
    assert_int_equal(found_first, 0);
    assert_int_equal(found_next, 31);
    log_close(log);
    disk_sim_free(disk);
}

static bool none(void *ctx)
{
    (void)ctx;
    return false;
}

/* All is released that is durable, while the batch that opens the next segment is under way: it never
 * comes. What was released before is not taken for what was cut. */
static void test_a_checkpoint_at_the_very_end_leaves_a_clean_log(void **state)
{
    (void)state;
    struct log *log;
    struct log_report report;
    fresh(19);
    assert_int_equal(open_log(&log, &report), 0);
    do {
        append(log);
        finish_all(log);
    } while (log->block < segment_blocks(&shape));
    uint64_t end = log_durable(log);
    append(log);
    assert_int_equal(log_pump(log), 0);
    assert_int_equal(log->segment, 1);
    assert_int_equal(log_checkpoint(log, end), 0);
    log_close(log);
    disk_sim_crash(disk, none, NULL);
    assert_int_equal(open_log(&log, &report), 0);
    assert_int_equal(report.next_seq, end);
    assert_int_equal(report.outcome, LOG_CLEAN);
    assert_int_equal(report.cut_batches, 0);
    log_close(log);
    disk_sim_free(disk);
}

static void test_a_super_block_that_cannot_be_written_is_said(void **state)
{
    (void)state;
    struct log *log;
    struct log_report report;
    fresh(16);
    disk->super_crash = 0;
    assert_int_equal(open_log(&log, &report), -EIO);
    assert_non_null(strstr(report.why, "the super block cannot be written: Input/output error"));
    disk_sim_free(disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_stored_is_found_again_in_order),
        cmocka_unit_test(test_a_large_log_is_read_back_in_portions),
        cmocka_unit_test(test_crash_sweep_nothing_acknowledged_is_lost),
        cmocka_unit_test(test_what_follows_a_torn_end_of_a_segment_is_found),
        cmocka_unit_test(test_damage_in_the_middle_is_refused),
        cmocka_unit_test(test_a_lost_write_is_found_by_the_next_batch),
        cmocka_unit_test(test_a_misdirected_write_is_refused),
        cmocka_unit_test(test_an_error_is_a_crash_and_acknowledges_nothing),
        cmocka_unit_test(test_writes_that_overtake_the_oldest_do_not_wait_for_it),
        cmocka_unit_test(test_the_log_of_another_is_refused),
        cmocka_unit_test(test_a_full_log_waits_for_a_checkpoint),
        cmocka_unit_test(test_recovery_table),
        cmocka_unit_test(test_bytes_of_a_record_are_not_taken_for_a_batch),
        cmocka_unit_test(test_a_lost_compaction_is_found_by_its_super_block),
        cmocka_unit_test(test_damage_is_said_to_be_damage_though_records_are_missing),
        cmocka_unit_test(test_files_that_are_not_what_the_super_block_says_are_refused),
        cmocka_unit_test(test_a_restored_log_takes_an_incarnation_of_its_own),
        cmocka_unit_test(test_a_life_whose_super_block_is_lost_is_found_by_its_batch),
        cmocka_unit_test(test_a_checkpoint_whose_super_block_is_lost_loses_nothing),
        cmocka_unit_test(test_a_checkpoint_at_the_very_end_leaves_a_clean_log),
        cmocka_unit_test(test_a_super_block_that_cannot_be_written_is_said),
        cmocka_unit_test(test_what_was_cut_with_a_segment_header_stays_cut),
        cmocka_unit_test(test_a_lost_batch_that_opens_the_log_is_missed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
