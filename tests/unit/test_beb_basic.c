/* SPDX-License-Identifier: BSD-3-Clause */
#include "sent.h"

static struct world w;

static void broadcast(uint16_t p, uint64_t value, uint32_t bytes)
{
    world_request(&w, p, EV_BEB_BROADCAST, 0, 0, world_msg(&w, p, value, bytes));
}

static void test_BEB1_BEB2_BEB3_everyone_delivers_each_message_once(void **state)
{
    (void)state;
    static const struct sent ten = {EV_BEB_BROADCAST, EV_BEB_DELIVER, 10, true};
    for (size_t s = 0; s < 4; s++) {
        world_start(&w, stack_find("beb"), sizes[s], NULL);
        sent_all(&ten, &w);
        world_settle(&w);
        sent_judge(&ten, &w, 1, 1);
        world_end(&w);
    }
}

static void test_a_sender_that_crashes_in_mid_broadcast_reaches_some(void **state)
{
    (void)state;
    world_start(&w, stack_find("beb"), 3, NULL);
    broadcast(0, 7, 16);
    world_step(&w, 0);
    world_crash(&w, 0);
    assert_int_equal(world_lose(&w, 0, 2), 1); /* best effort promises nothing for the faulty */
    world_settle(&w);
    assert_int_equal(world_count(&w, 1, EV_BEB_DELIVER, 0, 7), 1);
    assert_int_equal(world_count(&w, 2, EV_BEB_DELIVER, 0, 7), 0);
    world_end(&w);
}

static void test_BEB1_a_lost_message_is_sent_again(void **state)
{
    (void)state;
    world_start(&w, stack_find("beb"), 4, NULL);
    broadcast(1, 9, 16);
    world_step(&w, 1);
    world_lose(&w, UINT16_MAX, UINT16_MAX);
    world_run(&w, 50000000);
    for (uint16_t q = 0; q < 4; q++)
        assert_int_equal(world_count(&w, q, EV_BEB_DELIVER, 1, 9), 1);
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_BEB1_BEB2_BEB3_everyone_delivers_each_message_once),
        cmocka_unit_test(test_a_sender_that_crashes_in_mid_broadcast_reaches_some),
        cmocka_unit_test(test_BEB1_a_lost_message_is_sent_again),
    };
    harness_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
