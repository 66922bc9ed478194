/* SPDX-License-Identifier: BSD-3-Clause */
#include "protocols/log/intake.h"

#include "logged_broadcast.h"

static const struct logged_broadcast subject = {
    .stack = "lbeb",
    .conf = {.store_msgs = 64, .ring_msgs = 64, .flight_msgs = 16},
    .broadcast = EV_LBEB_BROADCAST,
    .release = EV_LBEB_RELEASE,
    .deliver = EV_LBEB_DELIVER,
};

static void test_LBEB1_LBEB2_LBEB3_all_log_deliver_what_is_broadcast(void **state)
{
    (void)state;
    for (int k = 0; k < 4; k++) {
        uint16_t n = sizes[k];
        start(n);
        for (uint16_t p = 0; p < n; p++)
            broadcast(p, 100u + p, 30);
        world_run(&w, 20000000);
        take();
        for (uint16_t p = 0; p < n; p++) {
            assert_int_equal(got[p].positions, n);
            for (uint16_t s = 0; s < n; s++)
                assert_int_equal(logged_from(got, p, s, 100u + s), 1);
        }
        world_end(&w);
    }
}

static void test_nothing_is_delivered_before_it_is_stored(void **state)
{
    (void)state;
    start(3);
    w.disks_held = true;
    broadcast(0, 7, 30);
    world_run(&w, 20000000);
    assert_int_equal(w.seens, 0);
    heal(&w, 20000000);
    take();
    for (uint16_t p = 0; p < 3; p++)
        assert_int_equal(logged_count(got, p, 7), 1);
    world_end(&w);
}

static void test_LBEB1_who_was_down_delivers_what_was_broadcast_meanwhile(void **state)
{
    (void)state;
    start(3);
    world_crash(&w, 2);
    uint64_t sent = 0;
    for (; room(0) > 0; sent++) {
        broadcast(0, sent, 30);
        world_run(&w, 1 << 18);
    }
    assert_int_equal(sent, 16);
    world_restart(&w, 2);
    world_run(&w, 50000000);
    take();
    assert_int_equal(got[2].positions, 16);
    assert_true(room(0) > 0);
    world_end(&w);
}

static void test_LBEB2_over_many_compactions_and_lives(void **state)
{
    (void)state;
    start(3);
    uint64_t sent = 0, heard[3] = {0};
    for (int round = 0; round < 1200; round++) {
        for (int i = 0; i < 8 && room(0) > 0; i++) {
            broadcast(0, sent++, 900);
            world_step(&w, 0);
        }
        world_run(&w, 1 << 18);
        if (round % 97 == 50)
            world_restart(&w, (uint16_t)(1 + round % 2));
        for (uint32_t k = 0; k < w.seens; k++) {
            uint64_t *h = &heard[w.seen_by[k]];
            if (w.seen[k].inst < *h)
                continue; /* told of again */
            assert_int_equal(w.seen[k].inst, *h);
            ++*h;
        }
        w.seens = 0;
        for (uint16_t p = 0; p < 3; p++)
            release(p, heard[p]);
    }
    world_run(&w, 50000000);
    for (uint16_t p = 0; p < 3; p++) {
        assert_int_equal(heard[p] + world_count_type(&w, p, EV_LBEB_DELIVER), sent);
        assert_true(w.st[p]->counters[COUNT_log_compactions] > 3);
    }
    world_end(&w);
}

static void take_and_release(void)
{
    take();
    for (uint16_t p = 0; p < w.n; p++)
        release(p, got[p].positions);
}

static void crashing_receivers(uint16_t n, uint64_t seed)
{
    start(n);
    w.random = random_seeded(seed, 0);
    w.disks_held = true;
    uint64_t sent = 0;
    for (int i = 0; i < 600; i++) {
        if (random_below(&w.random, 20) == 0 && room(0) > 0 && sent < 30) {
            broadcast(0, sent++, 30);
            world_step(&w, 0);
        }
        if (n > 1 && random_below(&w.random, 60) == 0)
            world_restart(&w, (uint16_t)(1 + random_below(&w.random, n - 1u)));
        wander(&w);
        if (w.seens > SEEN_MAX / 2 || i % 32 == 0)
            take_and_release();
    }
    heal(&w, 20000000);
    take_and_release();
    heal(&w, 50000000);
    take();
    for (uint16_t p = 0; p < n; p++) {
        for (uint64_t v = 0; v < sent; v++)
            assert_int_equal(logged_from(got, p, 0, v), 1);
        assert_int_equal(got[p].positions, sent);
    }
    world_end(&w);
}

static void test_LBEB1_LBEB2_LBEB3_under_crashes_of_receivers(void **state)
{
    (void)state;
    for (size_t s = 0; s < 4; s++)
        for (uint64_t seed = 1; seed <= 20; seed++)
            crashing_receivers(sizes[s], seed);
}

/* p1's number 2 was on its way to the disk when a compaction wrote down how far p1 had come: it is
 * found, then a floor that does not know of it. It must not be taken for new when it comes again. */
static void test_LBEB2_a_floor_found_forgets_nothing(void **state)
{
    (void)state;
    enum { FLOOR_BYTES = 24 };
    start(2);
    struct stack *st = w.st[0];
    struct co *lbeb = st->app->use[0];
    uint32_t beyond = (intake_window(&st->conf) + 7) / 8;
    struct msg m = world_msg(&w, 1, 77, 8), floor = msg_new(st, FLOOR_BYTES + beyond);
    struct name x = {.kind = NAME_DATA, .origin = 1, .incarnation = 1, .number = 2};
    name_put(msg_push(&m, NAME_BYTES), x);
    memset(msg_data(floor), 0, floor.len);
    le32_put(msg_data(floor), x.incarnation);
    trigger(lbeb, ev_make(EV_LOG_FOUND, 0, record_name(RECORD_DELIVERED, 1, 0), 0, m));
    trigger(lbeb, ev_make(EV_LOG_FOUND, 0, record_name(RECORD_FLOOR, 1, 0), 0, floor));
    trigger(lbeb, ev_make(EV_LOG_RECOVERED, 0, 0, 1, MSG_NONE));
    world_step(&w, 0);
    trigger(lbeb, ev_make(EV_SBEB_DELIVER, 1, 0, 0, m));
    world_run(&w, 20000000);
    assert_int_equal(st->counters[COUNT_drop_duplicate], 1);
    take();
    assert_int_equal(logged_count(got, 0, 77), 1);
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_LBEB1_LBEB2_LBEB3_all_log_deliver_what_is_broadcast),
        cmocka_unit_test(test_nothing_is_delivered_before_it_is_stored),
        cmocka_unit_test(test_LBEB1_who_was_down_delivers_what_was_broadcast_meanwhile),
        cmocka_unit_test(test_LBEB2_over_many_compactions_and_lives),
        cmocka_unit_test(test_LBEB1_LBEB2_LBEB3_under_crashes_of_receivers),
        cmocka_unit_test(test_LBEB2_a_floor_found_forgets_nothing),
    };
    harness_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
