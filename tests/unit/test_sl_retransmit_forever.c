/* SPDX-License-Identifier: BSD-3-Clause */
#include "harness.h"

#include "protocols/random.h"

#define MS 1000000u

static struct world w;
static const uint16_t sizes[] = {1, 3, 4, 7};
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

static void test_SL1_everything_is_delivered_again_and_again(void **state)
{
    (void)state;
    for (size_t s = 0; s < 4; s++) {
        uint16_t n = sizes[s];
        world_start(&w, stack_find("sl"), n, &conf);
        for (uint16_t p = 0; p < n; p++)
            for (uint16_t q = 0; q < n; q++)
                send_value(p, q, 100u * p + q);
        world_run(&w, 40 * MS);
        for (uint16_t p = 0; p < n; p++)
            for (uint16_t q = 0; q < n; q++) {
                uint32_t times = world_count(&w, q, EV_SL_DELIVER, p, 100u * p + q);
                assert_true(times >= 15 && times <= 21); /* once, and every alarm or so */
            }
        world_end(&w);
    }
}

static void test_SL1_SL2_over_loss_duplication_reordering(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct random r = random_seeded(seed, 0);
        world_start(&w, stack_find("sl"), 3, &conf);
        for (uint64_t i = 0; i < 10; i++)
            for (uint16_t p = 0; p < 3; p++)
                send_value(p, (uint16_t)((p + 1) % 3), i);
        for (int step = 0; step < 400; step++) {
            if (w.sim.flights == 0) {
                for (uint16_t p = 0; p < 3; p++) {
                    w.sim.env[p].now_ns += 2 * MS;
                    world_step(&w, p);
                }
                continue;
            }
            uint32_t k = random_below(&r, w.sim.flights), what = random_below(&r, 10);
            if (what < 5)
                sim_drop(&w.sim, k);
            else if (what == 5)
                sim_duplicate(&w.sim, k);
            else
                world_deliver(&w, k);
        }
        for (uint64_t i = 0; i < 10; i++)
            for (uint16_t p = 0; p < 3; p++) {
                uint16_t to = (uint16_t)((p + 1) % 3);
                assert_true(world_count(&w, to, EV_SL_DELIVER, p, i) > 10);
                assert_int_equal(world_count(&w, p, EV_SL_DELIVER, to, i), 0);
            }
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
        cmocka_unit_test(test_SL1_everything_is_delivered_again_and_again),
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
