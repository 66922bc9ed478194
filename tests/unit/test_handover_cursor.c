/* SPDX-License-Identifier: BSD-3-Clause */
#include "handover_cases.h"

static void test_HO1_HO3_handed_over_in_order_and_not_again(void **state)
{
    (void)state;
    start("handover_cursor");
    for (uint64_t v = 0; v < 50; v++)
        broadcast_and_run(v);
    world_run(&w, 10000000);
    take(true);
    for (uint16_t p = 0; p < 3; p++) {
        assert_int_equal(at[p], 50);
        assert_int_equal(handed[p], 50);
    }
    world_end(&w);
}

static void test_HO1_what_was_not_taken_is_handed_over_after_a_recovery(void **state)
{
    (void)state;
    start("handover_cursor");
    world_request(&w, 0, EV_HO_BROADCAST, 0, 0, world_msg(&w, 0, 0, 30));
    world_run(&w, 10000000);
    take(false);
    assert_int_equal(handed[1], 1);
    world_restart(&w, 1);
    take(true);
    assert_int_equal(handed[1], 2);
    world_run(&w, 10000000);
    world_end(&w);
}

static void test_HO2_what_the_stored_cursor_has_passed_is_never_handed_over_again(void **state)
{
    (void)state;
    start("handover_cursor");
    for (uint64_t v = 0; v < 200; v++) {
        broadcast_and_run(v);
        if (v % 10 == 5) {
            world_run(&w, 2000000); /* the cursor is stored */
            world_restart(&w, (uint16_t)(v % 3));
        }
    }
    world_run(&w, 20000000);
    take(true);
    for (uint16_t p = 0; p < 3; p++) {
        assert_int_equal(at[p], 200);
        assert_int_equal(handed[p], 200);
    }
    world_end(&w);
}

static void test_a_cursor_that_was_not_stored_hands_over_again(void **state)
{
    (void)state;
    start("handover_cursor");
    world_request(&w, 0, EV_HO_BROADCAST, 0, 0, world_msg(&w, 0, 0, 30));
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_HO1_HO3_handed_over_in_order_and_not_again),
        cmocka_unit_test(test_HO1_what_was_not_taken_is_handed_over_after_a_recovery),
        cmocka_unit_test(test_HO2_what_the_stored_cursor_has_passed_is_never_handed_over_again),
        cmocka_unit_test(test_a_cursor_that_was_not_stored_hands_over_again),
    };
    harness_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
