/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>

#include "protocols/log/deliveries.h"

#include "logged_broadcast.h"

static const struct logged_broadcast subject = {
    .stack = "lurb",
    .conf = {.store_msgs = 128, .ring_msgs = 64, .flight_msgs = 16},
    .broadcast = EV_LURB_BROADCAST,
    .release = EV_LURB_RELEASE,
    .deliver = EV_LURB_DELIVER,
};

static void take_and_release(void)
{
    take();
    for (uint16_t p = 0; p < w.n; p++)
        release(p, got[p].positions);
}

static void test_LURB1_to_LURB4_all_log_deliver_what_is_broadcast(void **state)
{
    (void)state;
    for (int k = 0; k < 4; k++) {
        uint16_t n = sizes[k];
        start(n);
        for (uint16_t p = 0; p < n; p++)
            broadcast(p, 100u + p, 30);
        world_run(&w, 30000000);
        take();
        for (uint16_t p = 0; p < n; p++) {
            assert_int_equal(got[p].positions, n);
            for (uint16_t s = 0; s < n; s++)
                assert_int_equal(logged_from(got, p, s, 100u + s), 1);
            assert_true(room(p) > 0);
        }
        world_end(&w);
    }
}

/* Whoever delivers could crash for ever: so nobody does before a majority has stored it. */
static void test_LURB4_nothing_is_delivered_before_a_majority_has_stored_it(void **state)
{
    (void)state;
    for (size_t s = 0; s < 4; s++) {
        start(sizes[s]);
        w.disks_held = true;
        broadcast(0, 7, 30);
        for (uint16_t prompt = 0; prompt <= w.n / 2; prompt++) { /* p0 … have disks that write */
            assert_int_equal(w.seens, 0);
            for (int i = 0; i < 40; i++) {
                world_run(&w, 1 << 20);
                for (uint16_t p = 0; p <= prompt; p++)
                    finish_some(&w, p);
            }
        }
        for (uint16_t p = 0; p < w.n; p++)
            assert_int_equal(world_count(&w, p, EV_LURB_DELIVER, 0, 7), p <= w.n / 2);
        heal(&w, 20000000);
        take();
        for (uint16_t p = 0; p < w.n; p++)
            assert_int_equal(logged_from(got, p, 0, 7), 1);
        world_end(&w);
    }
}

static void test_LURB1_a_majority_is_enough(void **state)
{
    (void)state;
    start(4);
    world_crash(&w, 3);
    broadcast(0, 7, 30);
    world_run(&w, 20000000);
    for (uint16_t p = 0; p < 3; p++)
        assert_int_equal(world_count(&w, p, EV_LURB_DELIVER, 0, 7), 1);
    world_restart(&w, 3);
    world_run(&w, 20000000);
    assert_int_equal(world_count(&w, 3, EV_LURB_DELIVER, 0, 7), 1);
    world_end(&w);
}

static void test_everybody_crashes_and_what_was_stored_is_delivered(void **state)
{
    (void)state;
    start(3);
    w.disks_held = true;
    broadcast(0, 7, 30);
    world_step(&w, 0);
    finish_some(&w, 0); /* pending at its origin, and nowhere else */
    for (uint16_t p = 0; p < 3; p++)
        world_restart(&w, p);
    world_lose(&w, UINT16_MAX, UINT16_MAX);
    heal(&w, 20000000);
    take();
    for (uint16_t p = 0; p < 3; p++)
        assert_int_equal(logged_count(got, p, 7), 1);
    world_end(&w);
}

static void test_ids_go_on_through_the_lives_of_an_origin(void **state)
{
    (void)state;
    start(3);
    for (uint64_t v = 0; v < 40; v++) {
        for (int i = 0; i < 30 && room(0) == 0; i++)
            world_run(&w, 1 << 20);
        broadcast(0, v, 30);
        world_run(&w, 1 << 20);
        if (v % 3 == 2)
            world_restart(&w, 0);
        take();
        for (uint16_t p = 0; p < 3; p++)
            release(p, got[p].positions);
    }
    world_run(&w, 50000000);
    take();
    for (uint16_t p = 0; p < 3; p++)
        for (uint64_t v = 0; v < 40; v++)
            assert_int_equal(logged_count(got, p, v), 1);
    world_end(&w);
}

static void test_memory_is_bounded_while_a_process_is_down(void **state)
{
    (void)state;
    start(3);
    world_crash(&w, 2);
    uint64_t sent = 0;
    for (int i = 0; i < 60; i++) {
        if (room(0) > 0)
            broadcast(0, sent++, 30);
        world_run(&w, 1 << 20);
    }
    assert_int_equal(sent, 4); /* a window */
    world_restart(&w, 2);
    world_run(&w, 50000000);
    take();
    assert_int_equal(got[2].positions, sent);
    assert_true(room(0) > 0);
    world_end(&w);
}

/* Time stands still, so that nothing is sent again, and p2 hears of nothing. */
static void without_p2(void)
{
    for (int i = 0; i < 10; i++) {
        for (uint16_t p = 0; p < 2; p++)
            world_step(&w, p);
        world_lose(&w, UINT16_MAX, 2);
        while (w.sim.flights > 0) {
            world_deliver(&w, 0);
            world_lose(&w, UINT16_MAX, 2);
        }
    }
}

/* p2 log-delivers what p1 broadcast, not what p0 did before, and is down from then on. */
static void test_LURB1_LURB4_what_is_owed_of_one_origin_stops_no_other(void **state)
{
    (void)state;
    start(3);
    broadcast(0, 7, 30);
    without_p2();
    broadcast(1, 1000, 30);
    for (int i = 0; i < 10; i++)
        for (uint16_t p = 0; p < 3; p++) {
            world_step(&w, p);
            world_settle(&w);
        }
    take();
    assert_int_equal(logged_count(got, 0, 7) + logged_count(got, 1, 7), 2);
    assert_int_equal(got[2].positions, 1);
    assert_int_equal(logged_count(got, 2, 1000), 1);
    world_crash(&w, 2);
    uint64_t sent = 1001;
    for (int i = 0; i < 60; i++) {
        if (room(1) > 0)
            broadcast(1, sent++, 30);
        world_run(&w, 1 << 20);
        take();
    }
    assert_int_equal(sent, 1005); /* a window beyond what p2 has log-delivered */
    for (uint64_t m = 1000; m < sent; m++)
        for (uint16_t p = 0; p < 2; p++)
            assert_int_equal(logged_count(got, p, m), 1);
    world_restart(&w, 2);
    world_run(&w, 50000000);
    take();
    for (uint16_t p = 0; p < 3; p++)
        assert_int_equal(got[p].positions, 6);
    world_end(&w);
}

#define KEPT_FROM_P2 0x7ead7ead7ead7eadull

static void lose_what_is_kept(void)
{
    const uint64_t kept = KEPT_FROM_P2;
    for (uint32_t k = w.sim.flights; k-- > 0;) {
        const struct sim_frame *f = &w.sim.flight[k];
        if (f->to == 2 && memmem(rte_pktmbuf_mtod(f->pkt, void *), f->pkt->data_len, &kept, 8))
            sim_drop(&w.sim, k);
    }
}

/* Frames of one record, so that p2 lacks one message and gets all others: they go on without end,
 * and each time round what it lacks is relayed anew. */
static void test_what_is_owed_for_long_is_relayed_anew(void **state)
{
    (void)state;
    struct stack_conf conf = subject.conf;
    conf.frame_records = 1;
    memset(got, 0, sizeof got);
    world_start(&w, stack_find("lurb"), 3, &conf);
    broadcast(0, KEPT_FROM_P2, 30);
    uint64_t sent = 0;
    for (int slice = 0; slice < 1000 && sent < 60; slice++) {
        if (got[0].positions > 0 && room(1) > 0)
            broadcast(1, ++sent, 30);
        for (uint16_t p = 0; p < 3; p++) {
            w.sim.env[p].now_ns += 1 << 18;
            world_step(&w, p);
        }
        for (lose_what_is_kept(); w.sim.flights > 0; lose_what_is_kept())
            world_deliver(&w, 0);
        take();
        for (uint16_t p = 0; p < 3; p++)
            release(p, got[p].positions);
    }
    assert_int_equal(sent, 60);
    assert_int_equal(logged_count(got, 2, KEPT_FROM_P2), 0);
    world_run(&w, 50000000);
    take();
    for (uint16_t p = 0; p < 3; p++)
        assert_int_equal(got[p].positions, 61);
    world_end(&w);
}

static void test_LURB2_over_many_compactions_and_lives(void **state)
{
    (void)state;
    start(3);
    uint64_t sent = 0, heard[3] = {0};
    for (int round = 0; round < 1000; round++) {
        for (uint16_t p = 0; p < 3; p++)
            for (int i = 0; i < 4 && room(p) > 0; i++) {
                broadcast(p, sent++, 900);
                world_step(&w, p);
            }
        world_run(&w, 1 << 18);
        if (round % 97 == 50)
            world_restart(&w, (uint16_t)(round % 3));
        for (uint32_t k = 0; k < w.seens; k++) {
            uint64_t *h = &heard[w.seen_by[k]];
            if (w.seen[k].inst >= *h) {
                assert_int_equal(w.seen[k].inst, *h);
                ++*h;
            }
        }
        w.seens = 0;
        for (uint16_t p = 0; p < 3; p++)
            release(p, heard[p]);
    }
    world_run(&w, 50000000);
    for (uint16_t p = 0; p < 3; p++) {
        assert_int_equal(heard[p] + world_count_type(&w, p, EV_LURB_DELIVER), sent);
        assert_true(w.st[p]->counters[COUNT_log_compactions] > 1);
    }
    world_end(&w);
}

/* Loss, disks that write in any order, and crashes of everybody. */
static void crashing_all(uint16_t n, uint64_t seed)
{
    uint16_t origin[40];
    uint32_t before[LOGGED_PROCS][40];
    start(n);
    w.random = random_seeded(seed, 0);
    w.disks_held = true;
    uint64_t sent = 0;
    for (int i = 0; i < 800; i++) {
        uint16_t p = (uint16_t)random_below(&w.random, n);
        if (random_below(&w.random, 20) == 0 && room(p) > 0 && sent < 40) {
            origin[sent] = p;
            broadcast(p, sent++, 30);
            world_step(&w, p);
        }
        if (random_below(&w.random, 60) == 0)
            world_restart(&w, p);
        wander(&w);
        if (i % 16 == 0)
            take_and_release();
    }
    take();
    for (uint16_t p = 0; p < n; p++)
        for (uint64_t v = 0; v < sent; v++)
            before[p][v] = logged_count(got, p, v);
    for (int i = 0; i < 3; i++) {
        heal(&w, 10000000);
        take_and_release();
    }
    uint64_t all = 0;
    for (uint64_t v = 0; v < sent; v++) {
        uint32_t times = logged_from(got, 0, origin[v], v);
        assert_true(times <= 1);
        all += times;
        for (uint16_t p = 0; p < n; p++) { /* what had been delivered by anybody is by all */
            assert_int_equal(logged_from(got, p, origin[v], v), times);
            assert_true(before[p][v] <= times);
        }
    }
    for (uint16_t p = 0; p < n; p++)
        assert_int_equal(got[p].positions, all);
    world_end(&w);
}

static void test_LURB1_to_LURB4_under_crashes_of_all(void **state)
{
    (void)state;
    for (size_t s = 0; s < 4; s++)
        for (uint64_t seed = 1; seed <= 20; seed++)
            crashing_all(sizes[s], seed);
}

/* ---- crash sweep ----------------------------------------------------------------------------- */

/*
 * A fixed run: each process broadcasts, frames arrive in order, disks finish a write a step. Step
 * by step is a place for a crash: before and after each delivery, each write, each breath. Crash
 * `victim` there, recover it at once or later, let all end well: nothing that was delivered is lost,
 * nothing is delivered twice, all agree, and the origins that did not crash are delivered.
 */
static bool sweep_step(uint32_t step)
{
    if (step % 3 == 0)
        for (uint16_t p = 0; p < 3; p++)
            w.sim.env[p].now_ns += 1 << 17;
    if (w.sim.flights > 0 && step % 2 == 0) {
        world_deliver(&w, 0);
        return true;
    }
    uint16_t p = (uint16_t)(step / 2 % 3);
    if (w.disk[p]->writes > 0)
        disk_sim_finish(w.disk[p], 0, DISK_KEEPS, NULL, NULL);
    world_step(&w, p);
    return w.sim.flights > 0 || step < 60;
}

static void sweep_point(uint16_t victim, uint32_t at, uint32_t back, uint64_t seed)
{
    start(3);
    w.random = random_seeded(seed, at);
    w.disks_held = true;
    for (uint16_t p = 0; p < 3; p++)
        broadcast(p, 10u + p, 40);
    for (uint32_t step = 0; step < at + back; step++) {
        if (step == at)
            world_crash(&w, victim);
        sweep_step(step);
    }
    world_restart(&w, victim);
    take();
    uint32_t before[3][3];
    for (uint16_t p = 0; p < 3; p++)
        for (uint16_t s = 0; s < 3; s++)
            before[p][s] = logged_count(got, p, 10u + s);
    heal(&w, 10000000);
    take();
    for (uint16_t p = 0; p < 3; p++)
        for (uint16_t s = 0; s < 3; s++) {
            uint32_t n = logged_count(got, p, 10u + s);
            assert_true(n >= before[p][s] && n <= 1);
            assert_int_equal(n, logged_count(got, 0, 10u + s));
            if (s != victim)
                assert_int_equal(n, 1);
        }
    world_end(&w);
}

static void test_crash_sweep(void **state)
{
    (void)state;
    uint32_t points = 0;
    for (uint16_t victim = 0; victim < 3; victim++)
        for (uint32_t at = 0; at < 160; at++)
            for (uint32_t back = 0; back <= 24; back += 24, points++)
                sweep_point(victim, at, back, 1 + points);
    printf("lurb, n = 3: %u crash points\n", points);
}

static void test_bad_messages_are_dropped_and_counted(void **state)
{
    (void)state;
    start(3);
    struct co *top = w.st[0]->app->use[0];
    for (uint32_t bytes = 0; bytes <= 16; bytes++) {
        struct msg m = msg_new(w.st[0], bytes);
        memset(msg_data(m), 0xff, bytes);
        trigger(top->use[0], ev_make(EV_SBEB_BROADCAST, 0, 0, bytes, m));
        link_send(top, top->use[1], EV_FLL_SEND, 1, m);
    }
    struct msg m = msg_new(w.st[0], 16); /* of p1, which never sent it */
    name_put(msg_data(m), (struct name){.kind = NAME_DATA, .origin = 1, .number = 0});
    trigger(top->use[0], ev_make(EV_SBEB_BROADCAST, 0, 0, 17, m));
    world_settle(&w);
    assert_true(w.st[1]->counters[COUNT_drop_message] >= 35);
    assert_int_equal(world_count_type(&w, 1, EV_LURB_DELIVER), 0);
    world_end(&w);
}

/* Tables so small that the records of the origins alone fill as many requests as they have rows. */
static void test_a_compaction_fits_the_log_of_small_tables(void **state)
{
    (void)state;
    const struct stack_conf least = {.store_msgs = 8, .ring_msgs = 32, .flight_msgs = 16};
    memset(got, 0, sizeof got);
    world_start(&w, stack_find("lurb"), 7, &least);
    for (int round = 0; round < 400; round++) {
        for (uint16_t p = 0; p < 7; p++)
            if (room(p) > 0)
                broadcast(p, (uint64_t)round * 7 + p, 2000);
        world_run(&w, 1 << 18);
        take();
        for (uint16_t p = 0; p < 7; p++)
            release(p, got[p].positions);
    }
    for (uint16_t p = 0; p < 7; p++)
        assert_true(w.st[p]->counters[COUNT_log_compactions] > 0);
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_LURB1_to_LURB4_all_log_deliver_what_is_broadcast),
        cmocka_unit_test(test_LURB4_nothing_is_delivered_before_a_majority_has_stored_it),
        cmocka_unit_test(test_LURB1_a_majority_is_enough),
        cmocka_unit_test(test_everybody_crashes_and_what_was_stored_is_delivered),
        cmocka_unit_test(test_ids_go_on_through_the_lives_of_an_origin),
        cmocka_unit_test(test_memory_is_bounded_while_a_process_is_down),
        cmocka_unit_test(test_LURB1_LURB4_what_is_owed_of_one_origin_stops_no_other),
        cmocka_unit_test(test_what_is_owed_for_long_is_relayed_anew),
        cmocka_unit_test(test_LURB2_over_many_compactions_and_lives),
        cmocka_unit_test(test_LURB1_to_LURB4_under_crashes_of_all),
        cmocka_unit_test(test_crash_sweep),
        cmocka_unit_test(test_bad_messages_are_dropped_and_counted),
        cmocka_unit_test(test_a_compaction_fits_the_log_of_small_tables),
    };
    harness_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
