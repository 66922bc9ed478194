/* SPDX-License-Identifier: BSD-3-Clause */
/* A disk that keeps writes back: until they are due, and for good if its process is killed. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "control/disk_held.h"
#include "dataplane/disk_sim.h"
#include "dataplane/env.h"
#include "dataplane/log_format.h"

#define BUFFERS 4
#define MOST_NS 1000

static uint64_t clock_ns;

static uint64_t now(struct env *env)
{
    (void)env;
    return clock_ns;
}

static const struct env_ops clock_ops = {.now = now};
static struct env clock_env = {.ops = &clock_ops};
static struct disk_sim *below;
static struct disk_held held;

static void begin(uint64_t most_ns, uint64_t seed)
{
    below = disk_sim_new((struct log_shape){2, 16 * LOG_BLOCK_BYTES}, BUFFERS, LOG_BLOCK_BYTES);
    assert_non_null(below);
    clock_ns = 5000;
    assert_int_equal(disk_held_init(&held, &below->disk, most_ns, seed, &clock_env), 0);
}

static void submit(void)
{
    held.over.disk.ops->submit(&held.over.disk);
}

/* Buffer b goes to block b of slot 1, filled with b + 1. */
static void write_all(void)
{
    struct disk *d = &held.over.disk;
    for (uint32_t b = 0; b < BUFFERS; b++) {
        memset(d->buffers + (size_t)b * d->buffer_bytes, (int)b + 1, LOG_BLOCK_BYTES);
        d->ops->write(d, 1, (uint64_t)b * LOG_BLOCK_BYTES, b, 0, LOG_BLOCK_BYTES);
    }
}

static void test_a_write_is_handed_on_when_it_is_due(void **state)
{
    (void)state;
    uint32_t reordered = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        begin(MOST_NS, seed);
        write_all();
        assert_int_equal(below->writes, 0); /* not even asked for before the breath ends */
        uint64_t due[BUFFERS], last = 0;
        for (uint32_t b = 0; b < BUFFERS; b++) {
            due[b] = held.write[b].due_ns;
            assert_in_range(due[b], 5000, 5000 + MOST_NS);
        }
        for (; clock_ns <= 5000 + MOST_NS; clock_ns += 50) {
            uint32_t there = 0;
            submit();
            for (uint32_t b = 0; b < BUFFERS; b++)
                there += due[b] <= clock_ns;
            assert_int_equal(below->writes, there);
            assert_int_equal(held.writes, BUFFERS - there);
        }
        assert_int_equal(below->writes, BUFFERS);
        for (uint32_t k = 0; k < BUFFERS; k++) {
            const struct disk_sim_write *w = &below->write[k];
            assert_int_equal(w->slot, 1);
            assert_int_equal(w->offset, w->buffer * LOG_BLOCK_BYTES);
            assert_int_equal(w->bytes, LOG_BLOCK_BYTES);
            assert_int_equal(w->data[0], w->buffer + 1);
            reordered += w->buffer < last;
            last = w->buffer;
        }
        disk_sim_free(below);
    }
    assert_true(reordered > 0);
}

static void test_the_seed_says_how_long(void **state)
{
    (void)state;
    uint64_t due[BUFFERS];
    begin(1000000000, 7);
    write_all();
    for (uint32_t b = 0; b < BUFFERS; b++)
        due[b] = held.write[b].due_ns;
    disk_sim_free(below);
    for (uint64_t seed = 7; seed <= 8; seed++) {
        begin(1000000000, seed);
        write_all();
        for (uint32_t b = 0; b < BUFFERS; b++)
            assert_int_equal(held.write[b].due_ns == due[b], seed == 7);
        disk_sim_free(below);
    }
}

static void test_to_look_for_what_is_finished_hands_on_as_well(void **state)
{
    (void)state;
    struct disk_done done[BUFFERS];
    struct disk *d = &held.over.disk;
    begin(MOST_NS, 1);
    write_all();
    clock_ns += MOST_NS;
    assert_int_equal(d->ops->reap(d, done, BUFFERS), 0);
    assert_int_equal(below->writes, BUFFERS);
    disk_sim_finish(below, 0, DISK_KEEPS, NULL, NULL);
    assert_int_equal(d->ops->reap(d, done, BUFFERS), 1);
    assert_int_equal(done[0].result, LOG_BLOCK_BYTES);
    disk_sim_free(below);
}

static void test_without_a_delay_nothing_is_held(void **state)
{
    (void)state;
    begin(0, 1);
    write_all();
    submit();
    assert_int_equal(below->writes, BUFFERS);
    assert_int_equal(held.writes, 0);
    disk_sim_free(below);
}

/* Read back by whoever comes after a kill: what was held is not there, the super block is. */
static void test_what_is_held_is_missing_and_the_super_block_is_there(void **state)
{
    (void)state;
    struct disk *d = &held.over.disk;
    uint8_t block[LOG_BLOCK_BYTES];
    begin(MOST_NS, 1);
    write_all();
    memset(block, 9, sizeof block);
    assert_int_equal(d->ops->write_super(d, block), 0);
    assert_int_equal(below->supers, 1);
    uint64_t first = UINT64_MAX;
    for (uint32_t b = 0; b < BUFFERS; b++)
        first = held.write[b].due_ns < first ? held.write[b].due_ns : first;
    clock_ns = first - 1;
    submit();
    memset(&held, 0, sizeof held);
    assert_int_equal(below->writes, 0);
    assert_int_equal(below->disk.ops->read(&below->disk, 1, 0, block, sizeof block), sizeof block);
    for (size_t i = 0; i < sizeof block; i++)
        assert_int_equal(block[i], 0);
    disk_sim_free(below);
}

static void test_more_buffers_than_it_holds_are_refused(void **state)
{
    (void)state;
    struct disk many = {.buffer_count = DISK_HELD_BUFFERS_MAX + 1};
    struct disk_held d;
    assert_int_equal(disk_held_init(&d, &many, 0, 1, &clock_env), -E2BIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_write_is_handed_on_when_it_is_due),
        cmocka_unit_test(test_the_seed_says_how_long),
        cmocka_unit_test(test_to_look_for_what_is_finished_hands_on_as_well),
        cmocka_unit_test(test_without_a_delay_nothing_is_held),
        cmocka_unit_test(test_what_is_held_is_missing_and_the_super_block_is_there),
        cmocka_unit_test(test_more_buffers_than_it_holds_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
