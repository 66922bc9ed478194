/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Power cuts on real files: the log is opened again from a copy of its files in which what was not
 * flushed is missing, there, or torn. `test_witness 2000` cuts as often; 64 without a number.
 *
 * The steps, the cut and what it leaves are drawn by a seed, and hang on nothing else. The folder lies in the working directory, whose file system must have direct I/O, or
 * the test is skipped.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "dataplane/log_format.h"
#include "disk_witness.h"

#define LIVES      8  /* of one log, each ended by a cut */
#define EVENTS_MAX 90 /* requests and completions of a life */
#define RECORD_MAX 700
#define SEQS_MAX   8192
#define NEGATIVES  12
#define SKIPPED    77 /* what the runner takes for it */

static char dir[] = "upon-witness-XXXXXX";
static char folder[2][64]; /* the log's, and the one that the next copy is made in */
static uint32_t cuts = 64;
static const struct log_id id = {0xc1, 2};
static struct disk_uring_conf conf = {.shape = {4, 24 * LOG_BLOCK_BYTES},
                                      .buffers = 4,
                                      .buffer_bytes = 8 * LOG_BLOCK_BYTES};
static struct witness witness;
static struct random rnd;

/* What the process was promised, and what it did: memory that no cut takes away. */
static struct {
    uint64_t appended; /* no record from here on was ever given to the log that was opened last */
    uint64_t durable;  /* records below were acknowledged */
    uint64_t needless; /* records below may be gone: a checkpoint began … */
    uint64_t gone;     /* … and records below must not come back: one was acknowledged */
    uint32_t incarnation;
    uint16_t life;
    uint16_t writer[SEQS_MAX]; /* the life that gave the record last */
} past;

static struct {
    uint64_t acknowledged, found, beyond;
} sum;

/* What recovery handed over. */
static uint64_t found_first, found_next;
static const char *found_wrong;

static uint32_t record_make(uint8_t *to, uint64_t seq, uint32_t life)
{
    uint32_t len = ((uint32_t)seq * 2654435761u + life * 97) % RECORD_MAX;
    for (uint32_t i = 0; i < len; i++)
        to[i] = (uint8_t)(seq * 31 + life * 17 + i);
    return len;
}

static void found(void *ctx, uint64_t seq, uint16_t type, const void *data, uint32_t len)
{
    (void)ctx;
    uint8_t want[RECORD_MAX];
    if (found_first == UINT64_MAX)
        found_first = found_next = seq;
    if (seq != found_next)
        found_wrong = "a record is out of order";
    else if (seq >= past.appended)
        found_wrong = "a record was never given to the log, or cut by an earlier recovery";
    else if (record_make(want, seq, past.writer[seq]) != len || type != (seq & 0xff) ||
             memcmp(data, want, len) != 0)
        found_wrong = "a record is not what was given last under its number";
    found_next = seq + 1;
    if (seq >= past.needless && seq < past.durable)
        sum.found++;
}

/* Why what recovery says is not what was promised, or NULL. */
static const char *judge(int err, const struct log_report *report)
{
    if (err != 0)
        return report->why;
    if (found_wrong != NULL)
        return found_wrong;
    if (report->next_seq < past.durable || report->next_seq > past.appended)
        return report->next_seq < past.durable ? "an acknowledged record is missing"
                                               : "there are records that were never given";
    if (past.durable > past.needless && (found_first > past.needless || found_next < past.durable))
        return "an acknowledged record was not handed over";
    if (found_first < past.gone)
        return "a record came back that a checkpoint had released";
    if (report->incarnation <= past.incarnation)
        return "an incarnation is used twice";
    return NULL;
}

/* Open the log of folder 0. What the judge objects to, or NULL. */
static const char *reopen(struct log **log, uint32_t events)
{
    static struct log_report report;
    char why[256];
    found_first = UINT64_MAX;
    found_next = 0;
    found_wrong = NULL;
    conf.dir = folder[0];
    if (witness_open(&witness, &conf, events, why, sizeof why) != 0)
        fail_msg("%s", why);
    const char *objection =
        judge(log_open(log, &witness.disk, id, found, NULL, false, &report), &report);
    if (objection != NULL)
        return objection;
    sum.acknowledged += past.durable - past.needless;
    sum.beyond += report.next_seq - past.durable;
    past.life++;
    past.appended = report.next_seq;
    if (!witness.cut) {
        past.incarnation = report.incarnation;
        past.durable = report.next_seq;
    }
    return NULL;
}

static void append(struct log *log)
{
    uint8_t data[RECORD_MAX];
    uint64_t seq = log_next(log);
    uint32_t len = record_make(data, seq, past.life), head = len / 3;
    assert_true(seq < SEQS_MAX);
    if (!log_room(log, len))
        return;
    past.writer[seq] = past.life;
    past.appended = seq + 1;
    log_append(log, (uint16_t)(seq & 0xff), data, head, data + head, len - head);
}

/* One step of the process. What is promised in it counts if the cut did not come before its end. */
static void step(struct log *log)
{
    if (random_below(&rnd, 2) == 0)
        append(log);
    else
        assert_int_equal(log_pump(log), 0);
    if (witness.cut)
        return;
    past.durable = log_durable(log);
    if (log_fill(log) < 0.5)
        return;
    past.needless = past.durable;
    assert_int_equal(log_checkpoint(log, past.needless), 0);
    if (!witness.cut)
        past.gone = past.needless;
}

/* The files are swapped for the copy that the cut has left. */
static void swap_copy(void)
{
    char was[sizeof folder[0]];
    witness_close(&witness);
    assert_int_equal(witness_restore(&witness, folder[1], witness.image), 0);
    memcpy(was, folder[0], sizeof was);
    memcpy(folder[0], folder[1], sizeof was);
    memcpy(folder[1], was, sizeof was);
}

static void fresh(uint64_t seed, enum witness_fault fault)
{
    struct witness_stats stats = witness.stats;
    char why[256];
    rnd = random_seeded(seed, 5);
    memset(&past, 0, sizeof past);
    witness_init(&witness, conf.shape, seed);
    witness.stats = stats;
    assert_int_equal(witness_restore(&witness, folder[0], witness.image), 0);
    conf.dir = folder[0];
    if (witness_open(&witness, &conf, UINT32_MAX, why, sizeof why) != 0)
        fail_msg("%s", why);
    assert_int_equal(log_format(&witness.disk, id, conf.shape), 0);
    witness_close(&witness);
    witness.fault = fault;
}

/* From one opening to the cut. What the judge objects to, or NULL. */
static const char *live(void)
{
    struct log *log;
    const char *objection = reopen(&log, random_below(&rnd, EVENTS_MAX));
    for (uint32_t i = 0; objection == NULL && !witness.cut; i++) {
        assert_true(i < 100000);
        step(log);
    }
    log_close(log);
    if (objection != NULL)
        witness_close(&witness);
    else
        swap_copy();
    return objection;
}

/* After the last cut: what is there is judged once more. */
static const char *end(void)
{
    struct log *log;
    const char *objection = reopen(&log, UINT32_MAX);
    log_close(log);
    witness_close(&witness);
    return objection;
}

static void test_nothing_acknowledged_is_lost_in_any_copy(void **state)
{
    (void)state;
    uint32_t done = 0;
    memset(&witness.stats, 0, sizeof witness.stats);
    memset(&sum, 0, sizeof sum);
    for (uint64_t seed = 1; done < cuts; seed++) {
        fresh(seed, WITNESS_HONEST);
        for (int life = 0; life <= LIVES; life++) {
            const char *objection = life < LIVES ? live() : end();
            if (objection != NULL)
                fail_msg("seed %u, life %d: %s", (unsigned)seed, life, objection);
        }
        done += LIVES;
        witness_free(&witness);
    }
    const struct witness_stats *s = &witness.stats;
    assert_int_equal(s->images, done);
    assert_true(s->absent > 0 && s->whole > 0 && s->torn > 0); /* or it has seen nothing */
    assert_true(sum.acknowledged > done);
    assert_int_equal(sum.found, sum.acknowledged);
    print_message("%u crash points, %u images, %u writes not flushed: %u absent, %u whole, %u "
                  "torn\n%llu records acknowledged and needed, %llu found, and %llu that were not "
                  "yet acknowledged\n",
                  done, s->images, s->unflushed, s->absent, s->whole, s->torn,
                  (unsigned long long)sum.acknowledged, (unsigned long long)sum.found,
                  (unsigned long long)sum.beyond);
}

/* A disk that says "durable" too early: what would have been missed if nothing were ever lost. */
static void test_an_early_acknowledgement_is_noticed(void **state)
{
    (void)state;
    const char *objection = NULL;
    uint32_t lives = 0;
    for (uint64_t seed = 1; objection == NULL && seed <= NEGATIVES; seed++) {
        fresh(seed, WITNESS_ACKS_EARLY);
        for (int life = 0; life <= LIVES && objection == NULL; life++, lives++)
            objection = life < LIVES ? live() : end();
        witness_free(&witness);
    }
    assert_non_null(objection);
    print_message("noticed after %u crash points: %s\n", lives - 1, objection);
}

static void finish(struct log *log)
{
    while (log_durable(log) < log_next(log))
        assert_int_equal(log_pump(log), 0);
    past.durable = log_durable(log);
}

/* Lose one of the first writes, or the last one, which no later batch bears witness of. */
static void lose_one_write(struct log *log, bool last)
{
    witness.drop_in = last ? UINT32_MAX : random_below(&rnd, 4);
    for (int i = 0; i < 60; i++)
        step(log);
    finish(log);
    if (!last)
        return;
    witness.drop_in = 0;
    append(log);
    finish(log);
}

/* A flushed and acknowledged write is not in the copy: every time it is noticed. */
static void test_a_flushed_write_that_is_missing_is_noticed(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= NEGATIVES; seed++) {
        struct log *log;
        fresh(seed, WITNESS_DROPS_WRITE);
        assert_null(reopen(&log, UINT32_MAX));
        lose_one_write(log, seed % 2 == 0);
        assert_int_equal(past.needless, 0); /* nothing is lost with permission */
        assert_int_equal(witness.dropped, 1);
        witness_cut(&witness);
        log_close(log);
        swap_copy();
        const char *objection = end();
        if (objection == NULL)
            fail_msg("seed %u: the missing write was not noticed", (unsigned)seed);
        if (seed > NEGATIVES - 2)
            print_message("%u of %u noticed; this one: %s\n", (unsigned)seed, NEGATIVES, objection);
        witness_free(&witness);
    }
}

static int make_folders(void **state)
{
    (void)state;
    char why[256];
    if (mkdtemp(dir) == NULL)
        return -1;
    for (int i = 0; i < 2; i++) {
        snprintf(folder[i], sizeof folder[i], "%s/p%d", dir, i);
        conf.dir = folder[i];
        if (disk_uring_create(&conf, why, sizeof why) != 0)
            return -1;
    }
    return 0;
}

static int remove_folders(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", dir);
    return system(command);
}

/* Whether the log can be opened here at all: without direct I/O there is nothing to witness. */
static bool can_open(void)
{
    char why[256];
    struct disk *d;
    int err = disk_uring_open(&d, &conf, false, why, sizeof why);
    if (err == 0)
        d->ops->close(d);
    else
        print_message("skipped: %s\n", why);
    return err == 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_acknowledged_is_lost_in_any_copy),
        cmocka_unit_test(test_an_early_acknowledgement_is_noticed),
        cmocka_unit_test(test_a_flushed_write_that_is_missing_is_noticed),
    };
    if (argc > 1)
        cuts = (uint32_t)strtoul(argv[1], NULL, 10);
    if (make_folders(NULL) != 0)
        return 1;
    int failed = can_open() ? cmocka_run_group_tests(tests, NULL, NULL) : SKIPPED;
    return remove_folders(NULL) != 0 ? 1 : failed;
}
