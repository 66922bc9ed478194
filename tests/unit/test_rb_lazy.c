/* SPDX-License-Identifier: BSD-3-Clause */
#include "broadcast_cases.h"

static const struct subject rb = {.stack = "rb_lazy",
                                  .layer = "rb",
                                  .broadcast = EV_RB_BROADCAST,
                                  .deliver = EV_RB_DELIVER,
                                  .uniform = false,
                                  .detects = true,
                                  .majority = false};

static void test_RB1_RB2_RB3_every_message_once(void **state)
{
    (void)state;
    case_every_message_once(&rb);
}

static void test_RB1_to_RB4_over_loss_duplication_reordering_crashes(void **state)
{
    (void)state;
    case_adversary(&rb);
}

static void test_RB4_when_the_sender_crashes_in_mid_broadcast(void **state)
{
    (void)state;
    case_sender_crashes_in_mid_broadcast(&rb);
}

static void test_RB4_when_whoever_delivers_crashes(void **state)
{
    (void)state;
    case_deliverers_crash(&rb);
}

static void test_what_is_no_message_of_ours_is_dropped_and_counted(void **state)
{
    (void)state;
    case_garbage(&rb);
}

static void test_a_run_longer_than_the_window_keeps_its_memory(void **state)
{
    (void)state;
    case_memory_stays_flat(&rb);
}

static void test_full_load_and_a_cut_between_two_end_in_no_gridlock(void **state)
{
    (void)state;
    case_no_gridlock(&rb);
}

static void test_the_hash_sees_every_message(void **state)
{
    (void)state;
    case_show_sees_every_message(&rb);
}

static void test_RB2_a_copy_that_comes_again_is_ignored(void **state)
{
    (void)state;
    start(&rb, 3, 8);
    for (uint64_t k = 0; k < 20; k++) {
        struct msg m = msg_new(w.st[1], FLOW_HEADER_BYTES + 8);
        struct flow_wire *h = (void *)msg_data(m);
        memset(h, 0, m.len);
        h->kind = FLOW_DATA;
        h->origin[0] = 1;
        le64_put(h->number, k);
        broadcast(&rb, 1, k);
        world_settle(&w);
        for (int i = 0; i < 5; i++) {
            trigger(layer(&rb, 0), ev_make(EV_BEB_DELIVER, (uint16_t)(i % 3), 0, 0, m));
            world_settle(&w);
        }
        assert_int_equal(world_count_type(&w, 0, rb.deliver), k + 1);
    }
    world_end(&w);
}

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

static void test_sources_go_on_when_P_has_detected_a_crash(void **state)
{
    (void)state;
    start(&rb, 3, 32);
    world_crash(&w, 2);
    uint64_t sent = pump(&rb, 0, 0, 200);
    assert_int_equal(sent, 32);
    detect(&rb, 2);
    world_run(&w, MS);
    assert_int_equal(pump(&rb, 0, sent, 200), 200);
    for (uint64_t k = 0; k < 200; k++)
        assert_int_equal(delivered(&rb, 1, 0, k), 1);
    world_end(&w);
}

static void test_a_crash_that_P_itself_detects(void **state)
{
    (void)state;
    struct stack_conf conf = {.heartbeat_ns = 2 * MS,
                              .detect_ns = 10 * MS,
                              .rto_max_ns = 4 * MS,
                              .store_msgs = 8};
    uint64_t sent[7] = {1};
    world_start(&w, stack_find(rb.stack), 3, &conf);
    world_run(&w, 10 * MS);
    broadcast(&rb, 0, 0);
    world_step(&w, 0);
    world_lose(&w, 0, 2);
    world_crash(&w, 0);
    world_run(&w, 40 * MS);
    assert_int_equal(delivered(&rb, 1, 0, 0), 1);
    assert_int_equal(delivered(&rb, 2, 0, 0), 1);
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
        cmocka_unit_test(test_RB1_RB2_RB3_every_message_once),
        cmocka_unit_test(test_RB1_to_RB4_over_loss_duplication_reordering_crashes),
        cmocka_unit_test(test_RB4_when_the_sender_crashes_in_mid_broadcast),
        cmocka_unit_test(test_RB4_when_whoever_delivers_crashes),
        cmocka_unit_test(test_what_is_no_message_of_ours_is_dropped_and_counted),
        cmocka_unit_test(test_a_run_longer_than_the_window_keeps_its_memory),
        cmocka_unit_test(test_full_load_and_a_cut_between_two_end_in_no_gridlock),
        cmocka_unit_test(test_the_hash_sees_every_message),
        cmocka_unit_test(test_RB2_a_copy_that_comes_again_is_ignored),
        cmocka_unit_test(test_RB4_is_not_uniform),
        cmocka_unit_test(test_sources_go_on_when_P_has_detected_a_crash),
        cmocka_unit_test(test_a_crash_that_P_itself_detects),
        cmocka_unit_test(test_RB4_a_whole_window_is_relayed_in_portions),
        cmocka_unit_test(test_nothing_is_relayed_and_little_kept_while_nobody_crashes),
    };
    harness_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
