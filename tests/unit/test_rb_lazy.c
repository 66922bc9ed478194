/* SPDX-License-Identifier: BSD-3-Clause */
#include "broadcast_cases.h"

static const struct subject rb = {.stack = "rb_lazy",
                                  .layer = "rb",
                                  .broadcast = EV_RB_BROADCAST,
                                  .deliver = EV_RB_DELIVER,
                                  .uniform = false,
                                  .detects = true,
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

/* p1 alone has the whole window of p0, more than a portion and than a link has room for. */
static void test_RB4_a_whole_window_is_relayed_in_portions(void **state)
{
    (void)state;
    struct stack_conf conf = quiet;
    uint64_t sent[7] = {1024};
    conf.store_msgs = 1024;
    conf.flight_msgs = 64;
    conf.ring_msgs = 16384;
    world_start(&w, stack_find("rb_lazy"), 3, &conf);
    for (uint64_t k = 0; k < sent[0]; k++)
        broadcast(&rb, 0, k);
    world_step(&w, 0);
    for (int i = 0; i < 200; i++) {
        world_lose(&w, 0, 2);
        for (uint16_t p = 0; p < 3; p++) {
            w.sim.env[p].now_ns += MS / 10;
            world_step(&w, p);
        }
        world_lose(&w, 0, 2);
        while (w.sim.flights > 0)
            if (w.sim.flight[0].from == 0 && w.sim.flight[0].to == 2)
                sim_drop(&w.sim, 0);
            else
                world_deliver(&w, 0);
    }
    crash(0);
    assert_int_equal(world_count_type(&w, 1, EV_RB_DELIVER), 1024);
    assert_int_equal(world_count_type(&w, 2, EV_RB_DELIVER), 0);
    detect(&rb, 0);
    heal();
    assert_int_equal(world_count_type(&w, 2, EV_RB_DELIVER), 1024);
    judge(&rb, sent);
    world_end(&w);
}

static void test_nothing_is_relayed_and_little_kept_while_nobody_crashes(void **state)
{
    (void)state;
    start(&rb, 3, 4096);
    uint64_t before = count_all(COUNT_tx_records);
    assert_int_equal(pump(&rb, 0, 0, 1200), 1200);
    world_run(&w, 5 * MS);
    uint64_t records = count_all(COUNT_tx_records) - before;
    assert_true(records >= 2400 && records < 2400 + 2400 / 8); /* floors, heartbeats */
    assert_true(rte_mempool_in_use_count(w.pool) < 100);
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
        CASE("sources_go_on_when_P_has_detected_a_crash", case_P_frees_sources, &rb),
        CASE("a_crash_that_P_itself_detects", case_P_itself_detects, &rb),
        CASE("a_crash_that_P_detects_stops_no_source", case_P_frees_links, &rb),
        cmocka_unit_test(test_RB4_a_whole_window_is_relayed_in_portions),
        cmocka_unit_test(test_nothing_is_relayed_and_little_kept_while_nobody_crashes),
    };
    harness_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
