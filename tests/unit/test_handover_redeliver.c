/* SPDX-License-Identifier: BSD-3-Clause */
#include "handover_cases.h"

static void test_HO1_HO3_handed_over_in_order(void **state)
{
    (void)state;
    start("handover_redeliver");
    for (uint64_t v = 0; v < 50; v++)
        broadcast_and_run(v);
    world_run(&w, 10000000);
    take(true);
    for (uint16_t p = 0; p < 3; p++)
        assert_int_equal(at[p], 50);
    world_end(&w);
}

static void test_HO1_handed_over_again_until_told_to_stop(void **state)
{
    (void)state;
    start("handover_redeliver");
    world_request(&w, 0, EV_HO_BROADCAST, 0, 0, world_msg(&w, 0, 0, 30));
    world_run(&w, 30000000);
    take(false);
    assert_true(handed[1] > 5);
    take_at(1, 0);
    world_step(&w, 1);
    take(false);
    uint64_t before = handed[1];
    world_run(&w, 30000000);
    take(false);
    assert_int_equal(handed[1], before);
    assert_true(handed[2] > before);
    world_end(&w);
}

static void test_HO1_a_recovery_hands_over_again_and_the_user_filters(void **state)
{
    (void)state;
    start("handover_redeliver");
    for (uint64_t v = 0; v < 200; v++) {
        broadcast_and_run(v);
        if (v % 10 == 5)
            world_restart(&w, (uint16_t)(v % 3));
    }
    world_run(&w, 30000000);
    take(true);
    for (uint16_t p = 0; p < 3; p++) {
        assert_int_equal(at[p], 200);
        assert_true(handed[p] > 200);
    }
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_HO1_HO3_handed_over_in_order),
        cmocka_unit_test(test_HO1_handed_over_again_until_told_to_stop),
        cmocka_unit_test(test_HO1_a_recovery_hands_over_again_and_the_user_filters),
    };
    harness_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
