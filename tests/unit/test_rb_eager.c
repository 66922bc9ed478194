/* SPDX-License-Identifier: BSD-3-Clause */
#include "broadcast_cases.h"

static const struct subject rb = {.stack = "rb_eager",
                                  .layer = "rb",
                                  .broadcast = EV_RB_BROADCAST,
                                  .deliver = EV_RB_DELIVER,
                                  .uniform = false,
                                  .detects = false,
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

/* Nothing tells a crashed process from a slow one: the window bounds what it may lack. */
static void test_a_silent_process_is_given_up_and_sources_go_on(void **state)
{
    (void)state;
    struct stack_conf conf = quiet;
    conf.store_msgs = 32;
    conf.give_up_ns = 50 * MS;
    world_start(&w, stack_find(rb.stack), 3, &conf);
    world_crash(&w, 2);
    uint64_t sent = pump(&rb, 0, 0, 200);
    assert_int_equal(sent, 32);
    assert_int_equal(count_all(COUNT_given_up), 0);
    world_run(&w, 60 * MS);
    assert_int_equal(w.st[0]->counters[COUNT_given_up], 1);
    assert_int_equal(pump(&rb, 0, sent, 200), 200);
    for (uint64_t k = 0; k < 200; k++)
        assert_int_equal(delivered(&rb, 1, 0, k), 1);
    world_end(&w);
}

static void test_a_slow_process_that_is_heard_of_is_waited_for(void **state)
{
    (void)state;
    struct stack_conf conf = quiet;
    conf.store_msgs = 32;
    conf.give_up_ns = 20 * MS;
    world_start(&w, stack_find(rb.stack), 3, &conf);
    assert_int_equal(pump(&rb, 0, 0, 32), 32);
    for (uint64_t k = 32; k < 60; k++)
        broadcast(&rb, 0, k);
    cut_off(&rb, 2, 200, 10);
    assert_int_equal(w.st[0]->counters[COUNT_given_up], 0);
    assert_true(co_room(layer(&rb, 0)) <= 4);
    heal();
    for (uint64_t k = 0; k < 60; k++)
        assert_int_equal(delivered(&rb, 2, 0, k), 1);
    assert_int_equal(count_all(COUNT_drop_early), 0);
    world_end(&w);
}

static void test_a_process_given_up_too_early_is_waited_for_again(void **state)
{
    (void)state;
    struct stack_conf conf = quiet;
    conf.store_msgs = 32;
    conf.give_up_ns = 20 * MS;
    world_start(&w, stack_find(rb.stack), 3, &conf);
    for (uint64_t k = 0; k < 32; k++)
        broadcast(&rb, 0, k);
    cut_off(&rb, 2, 60, 0);
    assert_int_equal(w.st[0]->counters[COUNT_given_up], 1);
    heal();
    assert_int_equal(pump(&rb, 0, 32, 200), 200);
    for (uint64_t k = 0; k < 200; k++)
        assert_int_equal(delivered(&rb, 2, 0, k), 1);
    assert_int_equal(count_all(COUNT_drop_early), 0);
    world_crash(&w, 2);
    assert_true(pump(&rb, 0, 200, 400) < 400); /* again it is one of those that it waits for */
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
        cmocka_unit_test(test_a_silent_process_is_given_up_and_sources_go_on),
        cmocka_unit_test(test_a_slow_process_that_is_heard_of_is_waited_for),
        cmocka_unit_test(test_a_process_given_up_too_early_is_waited_for_again),
    };
    harness_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
