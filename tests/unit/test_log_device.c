/* SPDX-License-Identifier: BSD-3-Clause */
#include "harness.h"

#include "protocols/log/log.h"
#include "protocols/view.h"

#include <errno.h>

static struct world w;

static void store(uint16_t p, uint64_t i, uint64_t value, uint32_t bytes)
{
    struct co *log = w.st[p]->app->use[0];
    log_store(w.st[p]->app, log, i, world_msg(&w, p, value, bytes));
}

static uint32_t stored(uint16_t p, uint64_t i)
{
    uint32_t n = 0;
    for (uint32_t k = 0; k < w.seens; k++)
        n += w.seen_by[k] == p && w.seen[k].type == EV_LOG_STORED && w.seen[k].inst == i;
    return n;
}

static void test_LOG1_stored_is_said_once_durable_and_not_before(void **state)
{
    (void)state;
    world_start(&w, stack_find("log"), 1, NULL);
    w.disks_held = true;
    store(0, 5, 55, 100);
    for (int i = 0; i < 10; i++)
        world_step(&w, 0);
    assert_int_equal(stored(0, 5), 0);
    assert_int_equal(w.disk[0]->writes, 1);
    disk_sim_finish(w.disk[0], 0, DISK_KEEPS, NULL, NULL);
    world_step(&w, 0);
    assert_int_equal(stored(0, 5), 1);
    world_end(&w);
}

/* LOG2, LOG3, LOG4 over crashes at every write boundary, with every legal state left behind. */
static void test_LOG2_LOG3_LOG4_crash_sweep(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct stack_conf conf = {.store_msgs = 64};
        world_start(&w, stack_find("log"), 1, &conf);
        w.random = random_seeded(seed, 0);
        w.disks_held = true;
        uint64_t next = 0, durable = 0, incarnation = 1;
        for (int life = 0; life < 8; life++) {
            uint32_t steps = random_below(&w.random, 40);
            for (uint32_t k = 0; k < steps; k++) {
                uint32_t what = random_below(&w.random, 4);
                if (what < 2 && co_room(w.st[0]->co[0]) > 0) {
                    store(0, next, next, 8 + random_below(&w.random, 600));
                    next++;
                } else if (what == 2 && w.disk[0]->writes > 0) {
                    disk_sim_finish(w.disk[0], random_below(&w.random, w.disk[0]->writes),
                                    DISK_KEEPS, NULL, NULL);
                }
                world_step(&w, 0);
            }
            for (uint64_t i = durable; i < next; i++) {
                if (stored(0, i) == 0)
                    break;
                durable = i + 1;
            }
            w.seens = 0;
            world_restart(&w, 0);
            uint64_t found = 0;
            for (uint32_t k = 0; k < w.seens; k++) {
                if (w.seen[k].type == EV_LOG_RECOVERED) {
                    assert_true(w.seen[k].attr > incarnation);
                    incarnation = w.seen[k].attr;
                    assert_int_equal(k, w.seens - 1);
                } else {
                    assert_int_equal(w.seen[k].type, EV_LOG_FOUND);
                    assert_int_equal(w.seen[k].inst, found);
                    assert_int_equal(w.seen[k].value, found);
                    found++;
                }
            }
            assert_true(found >= durable);
            durable = next = found; /* what was not stored is as if it had never been asked for */
        }
        world_end(&w);
    }
}

static void test_a_failing_disk_crashes_the_process(void **state)
{
    (void)state;
    const enum disk_sim_fate fates[] = {DISK_FAILS, DISK_SHORT, DISK_FULL};
    for (int f = 0; f < 3; f++) {
        world_start(&w, stack_find("log"), 1, NULL);
        w.disks_held = true;
        store(0, 1, 1, 8000);
        world_step(&w, 0);
        disk_sim_finish(w.disk[0], 0, fates[f], NULL, NULL);
        world_step(&w, 0);
        assert_true(w.st[0]->halted);
        assert_int_equal(w.st[0]->counters[COUNT_log_failed], 1);
        assert_int_equal(w.st[0]->disk_error, fates[f] == DISK_FULL ? -ENOSPC : -EIO);
        assert_int_equal(stored(0, 1), 0);
        world_end(&w);
    }
}

/* The probe keeps nothing: a compaction frees all, and the log never fills. */
static void test_the_log_is_bounded_by_compaction(void **state)
{
    (void)state;
    struct stack_conf conf = {.store_msgs = 64};
    world_start(&w, stack_find("log"), 1, &conf);
    for (uint64_t i = 0; i < 20000; i++) {
        while (co_room(w.st[0]->co[0]) == 0)
            world_step(&w, 0);
        store(0, i, i, 200);
        if (i % 16 == 0)
            world_step(&w, 0);
        w.seens = 0;
    }
    assert_true(w.st[0]->counters[COUNT_log_compactions] > 2);
    world_end(&w);
}

/* More is asked for than the disk takes, all the time: something always waits for room. What is kept is
 * what was asked for since the compaction, in order. */
static void test_a_compaction_comes_though_requests_never_end(void **state)
{
    (void)state;
    struct stack_conf conf = {.store_msgs = 512};
    uint64_t asked = 0, answered = 0, since = 0;
    world_start(&w, stack_find("log"), 1, &conf);
    w.disks_held = true;
    for (int round = 0; round < 4000; round++) {
        while (asked - answered < 300)
            store(0, asked++, 0, 1000);
        world_step(&w, 0);
        for (uint32_t k = 0; k < w.seens; k++) {
            answered += w.seen[k].type == EV_LOG_STORED;
            if (w.seen[k].type == EV_LOG_COMPACT)
                since = asked;
        }
        w.seens = 0;
        if (w.disk[0]->writes > 0)
            disk_sim_finish(w.disk[0], 0, DISK_KEEPS, NULL, NULL);
    }
    assert_true(answered > 10000); /* ten times what the log holds */
    assert_true(w.st[0]->counters[COUNT_log_compactions] > 2);
    world_restart(&w, 0);
    assert_true(since > 0 && w.seens > 2);
    assert_true(w.seen[0].inst <= since && w.seen[w.seens - 2].inst + 1 >= answered);
    for (uint32_t k = 1; k + 1 < w.seens; k++)
        assert_int_equal(w.seen[k].inst, w.seen[k - 1].inst + 1);
    world_end(&w);
}

/* What must be stored again does not fit: the process crashes, and does not wait for ever. */
static void test_a_log_without_room_for_a_compaction_crashes_the_process(void **state)
{
    (void)state;
    struct stack_conf conf = {.store_msgs = 4096};
    world_start(&w, stack_find("log"), 1, &conf);
    for (uint64_t i = 0; i < 1200; i++)
        store(0, i, 0, 1000);
    for (int round = 0; round < 4000 && !w.st[0]->halted; round++)
        world_step(&w, 0);
    assert_true(w.st[0]->halted);
    assert_int_equal(w.st[0]->disk_error, -ENOSPC);
    world_end(&w);
}

/* What a component stores before it is told to store its state again is dropped; so it is told before
 * anything else that the breath brings, and to which it might answer by storing a change. */
static void test_a_compaction_is_the_first_thing_that_a_breath_brings(void **state)
{
    (void)state;
    struct stack_conf conf = {.store_msgs = 64};
    uint32_t told = 0, among = 0;
    world_start(&w, stack_find("log"), 1, &conf);
    w.disks_held = true;
    for (uint64_t i = 0; i < 10000; i++) {
        if (co_room(w.st[0]->co[0]) > 0)
            store(0, i, i, 500);
        w.seens = 0;
        world_step(&w, 0);
        for (uint32_t k = 0; k < w.seens; k++)
            if (w.seen[k].type == EV_LOG_COMPACT) {
                assert_int_equal(k, 0);
                told++;
                among += w.seens > 1;
            }
        if (w.disk[0]->writes > 0)
            disk_sim_finish(w.disk[0], 0, DISK_KEEPS, NULL, NULL);
    }
    assert_true(told > 2 && among > 0);
    world_end(&w);
}

/* Stored while all buffers but one are on their way: staged, and in no write yet. */
static uint64_t hash_of_staged(uint64_t value)
{
    world_start(&w, stack_find("log"), 1, &(struct stack_conf){.store_msgs = 64});
    w.disks_held = true;
    uint32_t writes = UINT32_MAX;
    for (uint64_t i = 0; writes != w.disk[0]->writes; i++) {
        writes = w.disk[0]->writes;
        store(0, i, i, 100);
        world_step(&w, 0);
    }
    store(0, 99, value, 100);
    world_step(&w, 0);
    uint64_t hash = stack_hash(w.st[0]);
    world_end(&w);
    return hash;
}

static void test_what_is_staged_and_not_yet_written_is_part_of_the_state(void **state)
{
    (void)state;
    assert_true(hash_of_staged(1) == hash_of_staged(1));
    assert_true(hash_of_staged(1) != hash_of_staged(2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_LOG1_stored_is_said_once_durable_and_not_before),
        cmocka_unit_test(test_LOG2_LOG3_LOG4_crash_sweep),
        cmocka_unit_test(test_a_failing_disk_crashes_the_process),
        cmocka_unit_test(test_the_log_is_bounded_by_compaction),
        cmocka_unit_test(test_a_compaction_comes_though_requests_never_end),
        cmocka_unit_test(test_a_log_without_room_for_a_compaction_crashes_the_process),
        cmocka_unit_test(test_a_compaction_is_the_first_thing_that_a_breath_brings),
        cmocka_unit_test(test_what_is_staged_and_not_yet_written_is_part_of_the_state),
    };
    harness_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
