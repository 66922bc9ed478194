/* SPDX-License-Identifier: BSD-3-Clause */
#include "handover_cases.h"

static void test_HO1_HO2_HO3_HO4_handed_over_in_order_and_not_again(void **state)
{
    (void)state;
    for (size_t s = 0; s < 4; s++) {
        start("handover_cursor", sizes[s]);
        while (sent < 50)
            broadcast_and_run();
        world_run(&w, 10000000);
        take(true);
        all_taken();
        for (uint16_t p = 0; p < w.n; p++)
            assert_int_equal(handed[p], 50);
        world_end(&w);
    }
}

static void test_HO1_what_was_not_taken_is_handed_over_after_a_recovery(void **state)
{
    (void)state;
    for (size_t s = 0; s < 4; s++) {
        start("handover_cursor", sizes[s]);
        uint16_t p = (uint16_t)(w.n - 1);
        broadcast(30);
        world_run(&w, 10000000);
        take(false);
        assert_int_equal(handed[p], 1);
        world_restart(&w, p);
        take(true);
        assert_int_equal(handed[p], 2);
        world_run(&w, 10000000);
        world_end(&w);
    }
}

static void
test_HO1_HO2_HO3_what_the_stored_cursor_has_passed_is_never_handed_over_again(void **state)
{
    (void)state;
    for (size_t s = 0; s < 4; s++) {
        start("handover_cursor", sizes[s]);
        while (sent < 200) {
            broadcast_and_run();
            if (sent % 10 == 6) {
                world_run(&w, 2000000); /* the cursor is stored */
                take(true);
                world_run(&w, 2000000);
                world_restart(&w, (uint16_t)(sent / 10 % w.n));
            }
        }
        world_run(&w, 20000000);
        take(true);
        all_taken();
        for (uint16_t p = 0; p < w.n; p++)
            assert_int_equal(handed[p], 200);
        world_end(&w);
    }
}

static void test_a_cursor_that_was_not_stored_hands_over_again(void **state)
{
    (void)state;
    start("handover_cursor", 3);
    broadcast(30);
    world_run(&w, 10000000);
    w.disks_held = true;
    take(true);
    world_step(&w, 1);
    w.random = random_seeded(3, 0); /* no sector of the write survives */
    assert_int_equal(w.disk[1]->writes, 1);
    disk_sim_crash(w.disk[1], keep_nothing, NULL);
    world_restart(&w, 1);
    take(true);
    assert_int_equal(handed[1], 2);
    assert_int_equal(at[1], 1);
    heal(&w, 1000000);
    world_end(&w);
}

/* A compaction begins while a cursor is on its way to the disk, which that makes durable: so what the
 * compaction keeps is that one, not the one before. */
static void test_HO2_a_compaction_keeps_the_cursor_that_is_on_its_way(void **state)
{
    (void)state;
    uint32_t compactions = 0, kept = 0;
    start("handover_cursor", 3);
    for (int round = 0; round < 600 && kept < 3; round++) {
        struct stack *st = w.st[0];
        if (co_room(st->app->use[0]) > 0)
            broadcast(3000);
        for (uint16_t p = 1; p < 3; p++)
            world_run(&w, 1 << 18);
        take(true);
        w.disks_held = true;
        co_breath(st); /* the cursor is on its way, and a compaction may begin */
        uint32_t begun = (uint32_t)st->counters[COUNT_log_compactions];
        w.disks_held = false;
        if (begun == compactions)
            continue;
        compactions = begun;
        world_run(&w, 4 << 20); /* both come to their end */
        take(false);
        world_restart(&w, 0);
        for (uint32_t k = 0; k < w.seens; k++)
            assert_false(w.seen_by[k] == 0 && w.seen[k].type == EV_HO_DELIVER &&
                         w.seen[k].inst < at[0]);
        kept++;
    }
    assert_int_equal(kept, 3);
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_HO1_HO2_HO3_HO4_handed_over_in_order_and_not_again),
        cmocka_unit_test(test_HO1_what_was_not_taken_is_handed_over_after_a_recovery),
        cmocka_unit_test(
            test_HO1_HO2_HO3_what_the_stored_cursor_has_passed_is_never_handed_over_again),
        cmocka_unit_test(test_a_cursor_that_was_not_stored_hands_over_again),
        cmocka_unit_test(test_HO2_a_compaction_keeps_the_cursor_that_is_on_its_way),
    };
    harness_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
