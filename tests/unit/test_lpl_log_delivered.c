/* SPDX-License-Identifier: BSD-3-Clause */
#include "logged_cases.h"

static struct world w;
static struct logged got[LOGGED_PROCS];

static const struct stack_conf small = {.store_msgs = 64, .ring_msgs = 64, .flight_msgs = 16};

static void start(uint16_t n)
{
    memset(got, 0, sizeof got);
    world_start(&w, stack_find("lpl"), n, &small);
}

static void send(uint16_t p, uint16_t q, uint64_t value)
{
    world_request(&w, p, EV_LPL_SEND, q, 0, world_msg(&w, p, value, (uint32_t)(8 + value % 50)));
}

static void release(uint16_t p, uint64_t a)
{
    struct co *top = w.st[p]->app->use[0];
    trigger(top, ev_make(EV_LPL_RELEASE, 0, w.st[p]->app->port, a, MSG_NONE));
}

static void take(void)
{
    logged_take(&w, got, EV_LPL_DELIVER);
}

static void test_LPL1_LPL2_LPL3_sent_is_log_delivered_once(void **state)
{
    (void)state;
    for (int k = 0; k < 4; k++) {
        uint16_t n = sizes[k];
        start(n);
        for (uint16_t p = 0; p < n; p++)
            for (uint16_t q = 0; q < n; q++)
                send(p, q, 100 + p * 10u + q);
        world_settle(&w);
        world_run(&w, 20000000);
        take();
        for (uint16_t p = 0; p < n; p++) {
            assert_int_equal(got[p].positions, n);
            for (uint16_t q = 0; q < n; q++)
                assert_int_equal(logged_from(got, p, q, 100 + q * 10u + p), 1);
        }
        world_end(&w);
    }
}

static void test_nothing_is_delivered_or_acknowledged_before_it_is_stored(void **state)
{
    (void)state;
    start(2);
    w.disks_held = true;
    send(0, 1, 7);
    for (int i = 0; i < 20; i++)
        world_run(&w, 4 << 18);
    assert_int_equal(world_count(&w, 1, EV_LPL_DELIVER, 0, 7), 0);
    world_restart(&w, 1); /* the disk may have kept the record, or not: the message still comes */
    heal(&w, 20000000);
    take();
    assert_int_equal(logged_count(got, 1, 7), 1);
    world_end(&w);
}

static void test_LPL2_a_restart_delivers_the_same_positions_again(void **state)
{
    (void)state;
    start(2);
    for (uint64_t i = 0; i < 10; i++)
        send(0, 1, i);
    world_run(&w, 10000000);
    take();
    assert_int_equal(got[1].positions, 10);
    world_restart(&w, 1);
    assert_int_equal(world_count_type(&w, 1, EV_LPL_DELIVER), 10);
    take();
    world_run(&w, 30000000);
    assert_int_equal(w.seens, 0);
    world_end(&w);
}

static void test_a_sender_that_crashed_begins_anew_without_reusing_ids(void **state)
{
    (void)state;
    start(2);
    for (uint64_t i = 0; i < 5; i++)
        send(0, 1, i);
    world_run(&w, 10000000);
    world_restart(&w, 0);
    for (uint64_t i = 5; i < 10; i++)
        send(0, 1, i);
    world_run(&w, 10000000);
    take();
    for (uint64_t i = 0; i < 10; i++)
        assert_int_equal(logged_count(got, 1, i), 1);
    world_end(&w);
}

static void test_memory_is_bounded_and_the_sender_waits_for_a_receiver_that_is_down(void **state)
{
    (void)state;
    start(2);
    world_crash(&w, 1);
    uint64_t sent = 0;
    for (int i = 0; i < 100; i++) {
        for (; co_room(w.st[0]->app->use[0]) > 0; sent++) {
            send(0, 1, sent);
            world_step(&w, 0);
        }
        world_run(&w, 2 << 18);
    }
    assert_int_equal(sent, 16);
    world_restart(&w, 1);
    world_run(&w, 50000000);
    take();
    assert_int_equal(got[1].positions, 16);
    assert_true(co_room(w.st[0]->app->use[0]) > 0);
    world_end(&w);
}

static void test_what_is_not_released_stops_the_sender(void **state)
{
    (void)state;
    start(2);
    uint64_t sent = 0;
    for (int i = 0; i < 200; i++) {
        if (co_room(w.st[0]->app->use[0]) > 0)
            send(0, 1, sent++);
        world_run(&w, 1 << 18);
    }
    take();
    assert_int_equal(got[1].positions, 16);
    release(1, 16);
    world_run(&w, 50000000);
    take();
    assert_true(got[1].positions > 16);
    world_end(&w);
}

/* What a compaction stores of a sender: of 2^19 rows a quarter was a record of 16 KiB, more than a packet
 * of the pool. */
static void test_large_tables_are_compacted(void **state)
{
    (void)state;
    const struct stack_conf large = {.store_msgs = 1u << 19, .ring_msgs = 1u << 19};
    memset(got, 0, sizeof got);
    world_start(&w, stack_find("lpl"), 1, &large);
    trigger(w.st[0]->app->use[0], ev_make(EV_LOG_COMPACT, 0, 0, 0, MSG_NONE));
    world_step(&w, 0);
    world_run(&w, 50000000);
    assert_int_equal(w.st[0]->counters[COUNT_log_records], 1);
    world_end(&w);
}

/* A log of 1 MiB, many times over: it is compacted, through crashes, and nothing is lost. */
static void test_small_logs_are_compacted_and_lose_nothing(void **state)
{
    (void)state;
    start(2);
    uint64_t sent = 0, heard = 0;
    for (int round = 0; round < 1500; round++) {
        for (int i = 0; i < 16 && co_room(w.st[0]->app->use[0]) > 0; i++) {
            world_request(&w, 0, EV_LPL_SEND, 1, 0, world_msg(&w, 0, sent++, 900));
            world_step(&w, 0);
        }
        world_run(&w, 1 << 18);
        if (round % 97 == 50)
            world_restart(&w, 1);
        for (uint32_t k = 0; k < w.seens; k++)
            if (w.seen[k].type == EV_LPL_DELIVER && w.seen[k].inst >= heard) {
                assert_int_equal(w.seen[k].inst, heard);
                heard++;
            }
        w.seens = 0;
        release(1, heard);
    }
    world_run(&w, 20000000);
    for (uint32_t k = 0; k < w.seens; k++)
        if (w.seen[k].type == EV_LPL_DELIVER)
            heard = w.seen[k].inst + 1;
    assert_true(w.st[1]->counters[COUNT_log_compactions] > 3);
    assert_int_equal(heard, sent);
    world_end(&w);
}

/* Loss, disks that write in any order, and crashes of the receivers. */
static void crashing_receivers(uint16_t n, uint64_t seed)
{
    start(n);
    w.random = random_seeded(seed, 0);
    w.disks_held = true;
    uint64_t sent = 0, all = 0;
    uint16_t others = (uint16_t)(n > 1 ? n - 1 : 1), first = n > 1; /* p0 alone: to itself */
    for (int i = 0; i < 600; i++) {
        if (random_below(&w.random, 20) == 0 && sent < 30 && co_room(w.st[0]->app->use[0]) > 0) {
            send(0, (uint16_t)(first + sent % others), sent);
            sent++;
            world_step(&w, 0);
        }
        if (n > 1 && random_below(&w.random, 60) == 0)
            world_restart(&w, (uint16_t)(1 + random_below(&w.random, others)));
        wander(&w);
        if (w.seens > SEEN_MAX / 2)
            take();
        if (random_below(&w.random, 10) == 0) {
            take();
            release(first, got[first].positions / 2);
        }
    }
    heal(&w, 50000000);
    take();
    for (uint64_t v = 0; v < sent; v++)
        assert_int_equal(logged_from(got, (uint16_t)(first + v % others), 0, v), 1);
    for (uint16_t p = 0; p < n; p++)
        all += got[p].positions;
    assert_int_equal(all, sent);
    world_end(&w);
}

static void test_LPL1_LPL2_LPL3_under_crashes_of_the_receiver(void **state)
{
    (void)state;
    for (size_t s = 0; s < 4; s++)
        for (uint64_t seed = 1; seed <= 20; seed++)
            crashing_receivers(sizes[s], seed);
}

static void test_bad_messages_are_dropped_and_counted(void **state)
{
    (void)state;
    start(2);
    struct co *sl = w.st[0]->co[2], *fll = w.st[0]->co[1];
    for (uint32_t bytes = 0; bytes < 16; bytes++) {
        struct msg m = msg_new(w.st[0], bytes);
        memset(msg_data(m), 1, bytes);
        link_send(w.st[0]->co[3], sl, EV_SL_SEND, 1, m);
        link_send(w.st[0]->co[3], fll, EV_FLL_SEND, 1, m);
    }
    struct msg m = msg_new(w.st[0], 16);
    memset(msg_data(m), 0xff, 16);
    link_send(w.st[0]->co[3], fll, EV_FLL_SEND, 1, m);
    world_settle(&w);
    assert_true(w.st[1]->counters[COUNT_drop_message] >= 33);
    assert_int_equal(world_count_type(&w, 1, EV_LPL_DELIVER), 0);
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_LPL1_LPL2_LPL3_sent_is_log_delivered_once),
        cmocka_unit_test(test_nothing_is_delivered_or_acknowledged_before_it_is_stored),
        cmocka_unit_test(test_LPL2_a_restart_delivers_the_same_positions_again),
        cmocka_unit_test(test_a_sender_that_crashed_begins_anew_without_reusing_ids),
        cmocka_unit_test(test_memory_is_bounded_and_the_sender_waits_for_a_receiver_that_is_down),
        cmocka_unit_test(test_what_is_not_released_stops_the_sender),
        cmocka_unit_test(test_large_tables_are_compacted),
        cmocka_unit_test(test_small_logs_are_compacted_and_lose_nothing),
        cmocka_unit_test(test_LPL1_LPL2_LPL3_under_crashes_of_the_receiver),
        cmocka_unit_test(test_bad_messages_are_dropped_and_counted),
    };
    harness_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
