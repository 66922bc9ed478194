/* SPDX-License-Identifier: BSD-3-Clause */
#include "broadcast_cases.h"

static const struct subject urb = {.stack = "urb_all_ack",
                                   .layer = "urb",
                                   .broadcast = EV_URB_BROADCAST,
                                   .deliver = EV_URB_DELIVER,
                                   .uniform = true,
                                   .detects = true,
                                   .majority = false};

static void test_URB4_nobody_delivers_what_only_its_sender_has(void **state)
{
    (void)state;
    for (size_t i = 1; i < 4; i++) {
        start(&urb, sizes[i], 8);
        broadcast(&urb, 0, 0);
        world_step(&w, 0);
        world_run(&w, 0);
        assert_int_equal(world_count_type(&w, 0, EV_URB_DELIVER), 0);
        world_end(&w);
    }
}

/* Everything waits for p2 alone; ⟨P, Crash⟩ makes more deliverable than one portion. */
static void test_URB1_a_crash_makes_a_whole_window_deliverable(void **state)
{
    (void)state;
    struct stack_conf conf = quiet;
    uint64_t sent[7] = {1024};
    conf.store_msgs = 1024;
    conf.ring_msgs = 16384;
    world_start(&w, stack_find(urb.stack), 3, &conf);
    world_crash(&w, 2);
    assert_int_equal(pump(&urb, 0, 0, 1024), 1024);
    assert_int_equal(world_count_type(&w, 0, EV_URB_DELIVER), 0);
    detect(&urb, 2);
    world_step(&w, 0);
    assert_int_equal(world_count_type(&w, 0, EV_URB_DELIVER), 256);
    world_run(&w, 10 * MS);
    assert_int_equal(world_count_type(&w, 0, EV_URB_DELIVER), 1024);
    judge(&urb, sent);
    assert_true(co_room(layer(&urb, 0)) > 0);
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE("URB1_URB2_URB3_every_message_once", case_every_message_once, &urb),
        CASE("URB1_to_URB4_over_loss_duplication_reordering_crashes", case_adversary, &urb),
        CASE("URB4_when_the_sender_crashes_in_mid_broadcast", case_sender_crashes_in_mid_broadcast,
             &urb),
        CASE("URB4_when_whoever_delivers_crashes", case_deliverers_crash, &urb),
        CASE("what_is_no_message_of_ours_is_dropped_and_counted", case_garbage, &urb),
        CASE("a_run_longer_than_the_window_keeps_its_memory", case_memory_stays_flat, &urb),
        CASE("full_load_and_a_cut_between_two_end_in_no_gridlock", case_no_gridlock, &urb),
        CASE("the_hash_sees_every_message", case_show_sees_every_message, &urb),
        CASE("URB2_a_copy_that_comes_again_is_ignored", case_a_copy_comes_again, &urb),
        cmocka_unit_test(test_URB4_nobody_delivers_what_only_its_sender_has),
        CASE("sources_go_on_when_P_has_detected_a_crash", case_P_frees_sources, &urb),
        CASE("a_crash_that_P_itself_detects", case_P_itself_detects, &urb),
        CASE("a_crash_that_P_detects_stops_no_source", case_P_frees_links, &urb),
        cmocka_unit_test(test_URB1_a_crash_makes_a_whole_window_deliverable),
    };
    harness_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
