/* SPDX-License-Identifier: BSD-3-Clause */
#include "broadcast_cases.h"

static const struct subject rb = {.stack = "rb_eager",
                                  .layer = "rb",
                                  .broadcast = EV_RB_BROADCAST,
                                  .deliver = EV_RB_DELIVER,
                                  .uniform = false,
                                  .detects = false,
                                  .majority = false};

static void test_RB4_is_not_uniform(void **state)
{
    (void)state;
    uint64_t sent[7] = {1};
    start(&rb, 3, 8);
    broadcast(&rb, 0, 0);
    world_step(&w, 0);
    assert_int_equal(delivered(&rb, 0, 0, 0), 1);
    crash(0);
    detect(&rb, 0);
    heal();
    assert_int_equal(delivered(&rb, 1, 0, 0) + delivered(&rb, 2, 0, 0), 0);
    judge(&rb, sent);
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE("RB1_RB2_RB3_every_message_once", case_every_message_once, &rb),
        CASE("RB1_to_RB4_over_loss_duplication_reordering_crashes", case_adversary, &rb),
        CASE("RB4_when_the_sender_crashes_in_mid_broadcast", case_sender_crashes_in_mid_broadcast,
             &rb),
        CASE("RB4_when_whoever_delivers_crashes", case_deliverers_crash, &rb),
        CASE("what_is_no_message_of_ours_is_dropped_and_counted", case_garbage, &rb),
        CASE("a_run_longer_than_the_window_keeps_its_memory", case_memory_stays_flat, &rb),
        CASE("full_load_and_a_cut_between_two_end_in_no_gridlock", case_no_gridlock, &rb),
        CASE("the_hash_sees_every_message", case_show_sees_every_message, &rb),
        CASE("RB2_a_copy_that_comes_again_is_ignored", case_a_copy_comes_again, &rb),
        cmocka_unit_test(test_RB4_is_not_uniform),
        CASE("a_silent_process_is_given_up_and_sources_go_on", case_silent_is_given_up, &rb),
        CASE("a_slow_process_that_is_heard_of_is_waited_for", case_slow_is_waited_for, &rb),
        CASE("a_process_given_up_too_early_is_waited_for_again", case_given_up_too_early, &rb),
    };
    harness_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
