/* SPDX-License-Identifier: BSD-3-Clause */
#include "sent.h"

#define MS 1000000u

static struct world w;
static const struct stack_conf conf = {.rto_min_ns = 2 * MS};

static void send_value(uint16_t from, uint16_t to, uint64_t value)
{
    world_request(&w, from, EV_SL_SEND, to, 0, world_msg(&w, from, value, 16));
}

static void forget(uint16_t from, uint16_t to, uint64_t number)
{
    trigger(stack_co(w.st[from], "sl"),
            ev_make(EV_SL_FORGET, to, w.st[from]->app->port, number, MSG_NONE));
}

static void test_SL1_SL2_everything_is_delivered_again_and_again(void **state)
{
    (void)state;
    static const struct sent one = {EV_SL_SEND, EV_SL_DELIVER, 1, false};
    for (size_t s = 0; s < 4; s++) {
        world_start(&w, stack_find("sl"), sizes[s], &conf);
        sent_all(&one, &w);
        world_run(&w, 40 * MS);
        sent_judge(&one, &w, 15, 21); /* once, and every alarm or so */
        world_end(&w);
    }
}

static void test_SL1_SL2_over_loss_duplication_reordering(void **state)
{
    (void)state;
    static const struct sent five = {EV_SL_SEND, EV_SL_DELIVER, 5, false};
    for (size_t s = 0; s < 4; s++)
        for (uint64_t seed = 1; seed <= 10; seed++) {
            struct random r = random_seeded(seed, 0);
            world_start(&w, stack_find("sl"), sizes[s], &conf);
            sent_all(&five, &w);
            sent_disturb(&w, &r, 60 * w.n * w.n, 5);
            sent_judge(&five, &w, 5, UINT32_MAX);
            world_end(&w);
        }
}

static void test_SL1_a_store_longer_than_an_alarm_sends_goes_in_turns(void **state)
{
    (void)state;
    world_start(&w, stack_find("sl"), 2, &conf);
    for (uint64_t i = 0; i < 200; i++)
        send_value(0, 1, i);
    world_settle(&w);
    w.seens = 0;
    world_run(&w, 3 * MS); /* one alarm */
    assert_true(w.seens <= 64);
    world_run(&w, 9 * MS);
    for (uint64_t i = 0; i < 200; i++)
        assert_in_range(world_count(&w, 1, EV_SL_DELIVER, 0, i), 1, 3);
    world_end(&w);
}

static void test_what_was_forgotten_is_not_sent_again(void **state)
{
    (void)state;
    world_start(&w, stack_find("sl"), 2, &conf);
    struct co *sl = stack_co(w.st[0], "sl");
    for (uint64_t i = 1; i <= 6; i++)
        trigger(sl, ev_make(EV_SL_SEND, 1, w.st[0]->app->port, i, world_msg(&w, 0, i, 8)));
    world_settle(&w);
    forget(0, 1, 4);
    world_step(&w, 0);
    w.seens = 0;
    world_run(&w, 20 * MS);
    for (uint64_t i = 1; i <= 6; i++)
        assert_int_equal(world_count(&w, 1, EV_SL_DELIVER, 0, i) > 0, i > 4);
    forget(0, 1, UINT64_MAX);
    world_step(&w, 0);
    w.seens = 0;
    world_run(&w, 20 * MS);
    assert_int_equal(w.seens, 0);
    world_end(&w);
}

static void test_room_ends_at_half_the_store_and_comes_back_with_forgetting(void **state)
{
    (void)state;
    const struct stack_conf small = {.flight_msgs = 16, .ring_msgs = 32};
    world_start(&w, stack_find("sl"), 3, &small);
    struct co *sl = stack_co(w.st[0], "sl");
    assert_int_equal(co_room(sl), 16);
    for (uint64_t i = 1; i <= 16; i++) {
        trigger(sl, ev_make(EV_SL_SEND, 1, w.st[0]->app->port, i, world_msg(&w, 0, i, 8)));
        world_step(&w, 0);
        assert_int_equal(co_room(sl), 16 - i);
    }
    forget(0, 1, 10);
    world_step(&w, 0);
    assert_int_equal(co_room(sl), 10);
    world_end(&w);
}

static void test_a_store_that_is_filled_and_forgotten_keeps_its_memory(void **state)
{
    (void)state;
    const struct stack_conf small = {.flight_msgs = 16, .ring_msgs = 32};
    world_start(&w, stack_find("sl"), 2, &small);
    struct co *sl = stack_co(w.st[0], "sl");
    for (uint64_t i = 1; i <= 5000; i++) {
        trigger(sl, ev_make(EV_SL_SEND, 1, w.st[0]->app->port, i, world_msg(&w, 0, i, 8)));
        if (i > 8)
            forget(0, 1, i - 8);
        world_step(&w, 0);
        world_lose(&w, 0, 1);
    }
    assert_true(rte_mempool_in_use_count(w.pool) < 32);
    world_end(&w);
}

static void test_messages_without_a_user_are_dropped_and_counted(void **state)
{
    (void)state;
    world_start(&w, stack_find("sl"), 2, NULL);
    struct co *sl = stack_co(w.st[0], "sl");
    trigger(sl, ev_make(EV_FLL_DELIVER, 1, 0, 0, msg_new(w.st[0], 0)));
    struct msg m = msg_new(w.st[0], 9);
    msg_data(m)[0] = 200;
    trigger(sl, ev_make(EV_FLL_DELIVER, 1, 0, 0, m));
    world_settle(&w);
    assert_int_equal(w.st[0]->counters[COUNT_drop_message], 1);
    assert_int_equal(w.st[0]->counters[COUNT_drop_user], 1);
    assert_int_equal(w.seens, 0);
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_SL1_SL2_everything_is_delivered_again_and_again),
        cmocka_unit_test(test_SL1_SL2_over_loss_duplication_reordering),
        cmocka_unit_test(test_SL1_a_store_longer_than_an_alarm_sends_goes_in_turns),
        cmocka_unit_test(test_what_was_forgotten_is_not_sent_again),
        cmocka_unit_test(test_room_ends_at_half_the_store_and_comes_back_with_forgetting),
        cmocka_unit_test(test_a_store_that_is_filled_and_forgotten_keeps_its_memory),
        cmocka_unit_test(test_messages_without_a_user_are_dropped_and_counted),
    };
    harness_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
