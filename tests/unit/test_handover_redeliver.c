/* SPDX-License-Identifier: BSD-3-Clause */
#include "handover_cases.h"

static void test_HO1_HO3_handed_over_in_order(void **state)
{
    (void)state;
    for (size_t s = 0; s < 4; s++) {
        start("handover_redeliver", sizes[s]);
        while (sent < 50)
            broadcast_and_run();
        world_run(&w, 10000000);
        take(true);
        all_taken();
        world_end(&w);
    }
}

static void test_HO1_HO5_handed_over_again_until_told_to_stop(void **state)
{
    (void)state;
    for (size_t s = 0; s < 4; s++) {
        start("handover_redeliver", sizes[s]);
        uint16_t p = (uint16_t)(w.n - 1);
        broadcast(30);
        world_run(&w, 30000000);
        take(false);
        assert_true(handed[p] > 5);
        take_at(p, 0);
        world_step(&w, p);
        take(false);
        uint64_t before = handed[p];
        world_run(&w, 30000000);
        take(false);
        assert_int_equal(handed[p], before);
        for (uint16_t q = 0; q < p; q++)
            assert_true(handed[q] > before);
        world_end(&w);
    }
}

static void test_HO1_HO3_a_recovery_hands_over_again_and_the_user_filters(void **state)
{
    (void)state;
    for (size_t s = 0; s < 4; s++) {
        start("handover_redeliver", sizes[s]);
        while (sent < 200) {
            broadcast_and_run();
            if (sent % 10 == 6)
                world_restart(&w, (uint16_t)(sent / 10 % w.n));
        }
        world_run(&w, 30000000);
        take(true);
        all_taken();
        for (uint16_t p = 0; p < w.n; p++)
            assert_true(handed[p] > 200);
        world_end(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_HO1_HO3_handed_over_in_order),
        cmocka_unit_test(test_HO1_HO5_handed_over_again_until_told_to_stop),
        cmocka_unit_test(test_HO1_HO3_a_recovery_hands_over_again_and_the_user_filters),
    };
    harness_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
