/* SPDX-License-Identifier: BSD-3-Clause */
#include "harness.h"

#include "protocols/detectors/heartbeat.h"
#include "protocols/random.h"

#define MS 1000000u

static struct world w;
static const uint16_t sizes[] = {1, 3, 4, 7};
static const struct stack_conf conf = {.heartbeat_ns = 2 * MS,
                                       .detect_ns = 10 * MS,
                                       .rto_max_ns = 4 * MS};

static uint32_t crashes_seen(uint16_t at, uint16_t of)
{
    uint32_t seen = 0;
    for (uint32_t i = 0; i < w.seens; i++)
        seen += w.seen_by[i] == at && w.seen[i].type == EV_P_CRASH && w.seen[i].proc == of;
    return seen;
}

static void test_PFD1_PFD2_every_crash_is_detected_by_all_correct_once(void **state)
{
    (void)state;
    for (size_t s = 0; s < 4; s++) {
        uint16_t n = sizes[s], f = n / 2;
        world_start(&w, stack_find("P"), n, &conf);
        world_run(&w, 20 * MS);
        for (uint16_t p = 0; p < f; p++) {
            world_crash(&w, p);
            world_run(&w, 20 * MS);
        }
        for (uint16_t p = f; p < n; p++)
            for (uint16_t q = 0; q < n; q++)
                assert_int_equal(crashes_seen(p, q), q < f ? 1 : 0);
        world_end(&w);
    }
}

static void test_PFD1_within_the_timeout_and_two_periods(void **state)
{
    (void)state;
    const uint64_t slack = 2 << 18; /* of world_run() */
    for (uint64_t phase = 0; phase < 4 * MS; phase += 700000) {
        world_start(&w, stack_find("P"), 3, &conf);
        world_run(&w, 20 * MS + phase);
        world_crash(&w, 2);
        world_run(&w, conf.detect_ns + 2 * conf.heartbeat_ns + slack);
        assert_int_equal(crashes_seen(0, 2), 1);
        assert_int_equal(crashes_seen(1, 2), 1);
        world_end(&w);
    }
}

/* Frames are lost, doubled and reordered, but a request is answered within the timeout. */
static void test_PFD2_nobody_is_detected_while_delays_are_bounded(void **state)
{
    (void)state;
    const struct stack_conf lossy = {.heartbeat_ns = 2 * MS,
                                     .detect_ns = 200 * MS,
                                     .rto_min_ns = 1 * MS,
                                     .rto_max_ns = 4 * MS};
    for (uint64_t seed = 1; seed <= 24; seed++) {
        struct random r = random_seeded(seed, 0);
        world_start(&w, stack_find("P"), sizes[seed % 4], &lossy);
        for (int slice = 0; slice < 1000; slice++) {
            for (uint16_t p = 0; p < w.n; p++) {
                w.sim.env[p].now_ns += MS / 2;
                world_step(&w, p);
            }
            while (w.sim.flights > 0) {
                uint32_t k = random_below(&r, w.sim.flights), what = random_below(&r, 10);
                if (what < 2)
                    sim_drop(&w.sim, k);
                else if (what == 2 && w.sim.flights < 100)
                    sim_duplicate(&w.sim, k);
                else
                    world_deliver(&w, k);
            }
        }
        assert_int_equal(w.seens, 0);
        world_end(&w);
    }
}

static void test_PFD2_a_paused_process_does_not_find_everybody_late(void **state)
{
    (void)state;
    for (size_t s = 0; s < 4; s++) {
        world_start(&w, stack_find("P"), sizes[s], &conf);
        world_run(&w, 7 * MS);
        w.sim.env[0].now_ns += 1000 * MS; /* its clock goes on, it takes no step */
        world_run(&w, 20 * MS);
        for (uint16_t q = 0; q < w.n; q++)
            assert_int_equal(crashes_seen(0, q), 0);
        world_end(&w);
    }
}

static void test_a_crashed_peer_is_owed_one_request_however_long_it_is_away(void **state)
{
    (void)state;
    world_start(&w, stack_find("P"), 2, &conf);
    world_run(&w, 20 * MS);
    world_crash(&w, 1);
    world_run(&w, 4 * MS);
    uint64_t sent = w.st[0]->counters[COUNT_tx_records] - w.st[0]->counters[COUNT_tx_retransmits];
    world_run(&w, 500 * MS);
    assert_int_equal(w.st[0]->counters[COUNT_tx_records] - w.st[0]->counters[COUNT_tx_retransmits],
                     sent);
    world_end(&w);
}

static void test_messages_that_are_no_heartbeats_are_dropped_and_counted(void **state)
{
    (void)state;
    static const uint8_t bad[][2] = {{0}, {3}, {255}, {HEARTBEAT_REPLY, 0}};
    world_start(&w, stack_find("P"), 2, &conf);
    struct co *detector = stack_co(w.st[0], "P");
    for (uint32_t i = 0; i < 5; i++) {
        struct msg m = msg_new(w.st[0], i == 3 ? 2 : i == 4 ? 0 : 1);
        memcpy(msg_data(m), bad[i % 4], m.len);
        trigger(detector, ev_make(EV_PL_DELIVER, 1, 0, 0, m));
    }
    world_settle(&w);
    assert_int_equal(w.st[0]->counters[COUNT_drop_message], 5);
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_PFD1_PFD2_every_crash_is_detected_by_all_correct_once),
        cmocka_unit_test(test_PFD1_within_the_timeout_and_two_periods),
        cmocka_unit_test(test_PFD2_nobody_is_detected_while_delays_are_bounded),
        cmocka_unit_test(test_PFD2_a_paused_process_does_not_find_everybody_late),
        cmocka_unit_test(test_a_crashed_peer_is_owed_one_request_however_long_it_is_away),
        cmocka_unit_test(test_messages_that_are_no_heartbeats_are_dropped_and_counted),
    };
    harness_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
