/* SPDX-License-Identifier: BSD-3-Clause */
#include "sent.h"

static struct world w;

static void start(uint16_t n)
{
    world_start(&w, stack_find("sbeb"), n, NULL);
}

static void broadcast(uint16_t p, uint64_t value, uint64_t number)
{
    trigger(w.st[p]->app->use[0],
            ev_make(EV_SBEB_BROADCAST, 0, 0, number, world_msg(&w, p, value, 20)));
}

static void test_SBEB1_SBEB2_delivered_again_and_again_by_all(void **state)
{
    (void)state;
    static const struct sent three = {EV_SBEB_BROADCAST, EV_SBEB_DELIVER, 3, true};
    for (size_t s = 0; s < 4; s++) {
        start(sizes[s]);
        sent_all(&three, &w);
        world_run(&w, 50000000);
        sent_judge(&three, &w, 6, UINT32_MAX);
        world_end(&w);
    }
}

static void test_SBEB1_who_recovers_hears_what_was_broadcast_before(void **state)
{
    (void)state;
    start(3);
    world_crash(&w, 2);
    broadcast(0, 7, 1);
    world_run(&w, 10000000);
    assert_int_equal(world_count_type(&w, 2, EV_SBEB_DELIVER), 0);
    world_restart(&w, 2);
    world_run(&w, 10000000);
    assert_true(world_count(&w, 2, EV_SBEB_DELIVER, 0, 7) > 0);
    world_end(&w);
}

static void test_what_is_forgotten_for_one_receiver_still_goes_to_the_others(void **state)
{
    (void)state;
    start(3);
    broadcast(0, 7, 1);
    broadcast(0, 8, 2);
    world_run(&w, 10000000);
    trigger(w.st[0]->app->use[0], ev_make(EV_SBEB_FORGET, 1, 0, 1, MSG_NONE));
    world_step(&w, 0);
    world_settle(&w);
    w.seens = 0;
    world_run(&w, 10000000);
    assert_int_equal(world_count(&w, 1, EV_SBEB_DELIVER, 0, 7), 0);
    assert_true(world_count(&w, 1, EV_SBEB_DELIVER, 0, 8) > 0);
    assert_true(world_count(&w, 2, EV_SBEB_DELIVER, 0, 7) > 0);
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_SBEB1_SBEB2_delivered_again_and_again_by_all),
        cmocka_unit_test(test_SBEB1_who_recovers_hears_what_was_broadcast_before),
        cmocka_unit_test(test_what_is_forgotten_for_one_receiver_still_goes_to_the_others),
    };
    harness_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
