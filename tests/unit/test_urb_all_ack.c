/* SPDX-License-Identifier: BSD-3-Clause */
#include "broadcast_cases.h"

static const struct subject urb = {.stack = "urb_all_ack",
                                   .layer = "urb",
                                   .broadcast = EV_URB_BROADCAST,
                                   .deliver = EV_URB_DELIVER,
                                   .uniform = true,
                                   .detects = true,
                                   .majority = false};

static void test_URB1_URB2_URB3_every_message_once(void **state)
{
    (void)state;
    case_every_message_once(&urb);
}

static void test_URB1_to_URB4_over_loss_duplication_reordering_crashes(void **state)
{
    (void)state;
    case_adversary(&urb);
}

static void test_URB4_when_the_sender_crashes_in_mid_broadcast(void **state)
{
    (void)state;
    case_sender_crashes_in_mid_broadcast(&urb);
}

static void test_URB4_when_whoever_delivers_crashes(void **state)
{
    (void)state;
    case_deliverers_crash(&urb);
}

static void test_what_is_no_message_of_ours_is_dropped_and_counted(void **state)
{
    (void)state;
    case_garbage(&urb);
}

static void test_a_run_longer_than_the_window_keeps_its_memory(void **state)
{
    (void)state;
    case_memory_stays_flat(&urb);
}

static void test_full_load_and_a_cut_between_two_end_in_no_gridlock(void **state)
{
    (void)state;
    case_no_gridlock(&urb);
}

static void test_the_hash_sees_every_message(void **state)
{
    (void)state;
    case_show_sees_every_message(&urb);
}

static void test_URB2_a_copy_that_comes_again_is_ignored(void **state)
{
    (void)state;
    start(&urb, 3, 8);
    for (uint64_t k = 0; k < 20; k++) {
        struct msg m = msg_new(w.st[1], FLOW_HEADER_BYTES + 8);
        struct flow_wire *h = (void *)msg_data(m);
        memset(h, 0, m.len);
        h->kind = FLOW_DATA;
        h->origin[0] = 1;
        le64_put(h->number, k);
        broadcast(&urb, 1, k);
        world_settle(&w);
        for (int i = 0; i < 5; i++) {
            trigger(layer(&urb, 0), ev_make(EV_BEB_DELIVER, (uint16_t)(i % 3), 0, 0, m));
            world_settle(&w);
        }
        assert_int_equal(world_count_type(&w, 0, urb.deliver), k + 1);
    }
    world_end(&w);
}

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

static void test_sources_go_on_when_P_has_detected_a_crash(void **state)
{
    (void)state;
    start(&urb, 3, 32);
    world_crash(&w, 2);
    uint64_t sent = pump(&urb, 0, 0, 200);
    assert_int_equal(sent, 32);
    detect(&urb, 2);
    world_run(&w, MS);
    assert_int_equal(pump(&urb, 0, sent, 200), 200);
    for (uint64_t k = 0; k < 200; k++)
        assert_int_equal(delivered(&urb, 1, 0, k), 1);
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
    world_start(&w, stack_find(urb.stack), 3, &conf);
    world_run(&w, 10 * MS);
    broadcast(&urb, 0, 0);
    world_step(&w, 0);
    world_lose(&w, 0, 2);
    world_crash(&w, 0);
    world_run(&w, 40 * MS);
    assert_int_equal(delivered(&urb, 1, 0, 0), 1);
    assert_int_equal(delivered(&urb, 2, 0, 0), 1);
    judge(&urb, sent);
    world_end(&w);
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
        cmocka_unit_test(test_URB1_URB2_URB3_every_message_once),
        cmocka_unit_test(test_URB1_to_URB4_over_loss_duplication_reordering_crashes),
        cmocka_unit_test(test_URB4_when_the_sender_crashes_in_mid_broadcast),
        cmocka_unit_test(test_URB4_when_whoever_delivers_crashes),
        cmocka_unit_test(test_what_is_no_message_of_ours_is_dropped_and_counted),
        cmocka_unit_test(test_a_run_longer_than_the_window_keeps_its_memory),
        cmocka_unit_test(test_full_load_and_a_cut_between_two_end_in_no_gridlock),
        cmocka_unit_test(test_the_hash_sees_every_message),
        cmocka_unit_test(test_URB2_a_copy_that_comes_again_is_ignored),
        cmocka_unit_test(test_URB4_nobody_delivers_what_only_its_sender_has),
        cmocka_unit_test(test_sources_go_on_when_P_has_detected_a_crash),
        cmocka_unit_test(test_a_crash_that_P_itself_detects),
        cmocka_unit_test(test_URB1_a_crash_makes_a_whole_window_deliverable),
    };
    harness_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
