/* SPDX-License-Identifier: BSD-3-Clause */
#include "scripted.h"

#include <inttypes.h>

#define MS 1000000u

static struct world w;
static struct ledger l;
static const uint16_t sizes[] = {1, 3, 4, 7};
static const struct stack_conf small = {.flight_msgs = 16,
                                        .ring_msgs = 2048,
                                        .instances = 32,
                                        .store_msgs = 32,
                                        .inbox_events = 2048,
                                        .rto_min_ns = 1 * MS,
                                        .rto_max_ns = 4 * MS,
                                        .give_up_ns = UINT64_MAX};

static void start(uint16_t n, const struct stack_conf *conf)
{
    memset(&l, 0, sizeof l);
    world_start(&w, &scripted_uc, n, conf);
}

static void propose(uint16_t p, uint64_t inst)
{
    ledger_propose(&l, &w, p, inst, EV_UC_PROPOSE);
}

static void propose_all(uint64_t from, uint64_t end)
{
    for (uint64_t i = from; i < end; i++)
        for (uint16_t p = 0; p < w.n; p++)
            if (!w.crashed[p])
                propose(p, i);
}

static void test_UC1_UC2_UC3_UC4_without_failures(void **state)
{
    (void)state;
    for (size_t s = 0; s < 4; s++) {
        start(sizes[s], &small);
        propose_all(0, 10);
        world_settle(&w);
        ledger_all_decided(&l, &w, 10, "no failure");
        for (uint64_t i = 0; i < 10; i++)
            assert_true(l.value[i] == proposal_of(0, i));
        world_end(&w);
    }
}

static void test_a_decision_costs_one_round_trip_at_the_leader(void **state)
{
    (void)state;
    start(3, &small);
    world_settle(&w);
    propose(0, 0);
    world_step(&w, 0);
    assert_int_equal(w.sim.flights, 2); /* WRITE to p1, to p2 */
    world_deliver(&w, 0);
    assert_int_equal(w.sim.flights, 2);
    world_deliver(&w, 1); /* ACCEPT of p1 */
    assert_int_equal(world_count_type(&w, 0, EV_UC_DECIDE), 1);
    world_settle(&w);
    world_end(&w);
}

static void test_a_burst_of_proposals_costs_one_frame_each_way(void **state)
{
    (void)state;
    start(3, &small);
    world_settle(&w);
    for (uint64_t i = 0; i < 16; i++)
        propose(0, i);
    world_step(&w, 0);
    assert_int_equal(w.sim.flights, 2);
    world_deliver(&w, 0);
    assert_int_equal(w.sim.flights, 2);
    world_deliver(&w, 1);
    assert_int_equal(world_count_type(&w, 0, EV_UC_DECIDE), 16);
    assert_int_equal(w.st[1]->counters[COUNT_tx_records], 1); /* one ACCEPT for the run */
    world_settle(&w);
    world_end(&w);
}

/* Crash `leader` and let the others notice. Its frames in flight arrive, or are lost. */
static void crash_leader(uint16_t leader, bool lose)
{
    world_crash(&w, leader);
    if (lose)
        world_lose(&w, leader, UINT16_MAX);
    script_stable(&w);
}

static void test_UC1_UC4_the_leader_crashes_at_every_point(void **state)
{
    (void)state;
    for (size_t s = 1; s < 4; s++)
        for (int lose = 0; lose < 2; lose++) {
            uint32_t more = 1;
            for (uint32_t k = 0; more; k++) {
                struct stack_conf conf = small;
                conf.frame_records = 1;
                start(sizes[s], &conf);
                propose_all(0, 3);
                for (uint16_t p = 0; p < w.n; p++)
                    world_step(&w, p);
                for (uint32_t i = 0; i < k && w.sim.flights > 0; i++)
                    world_deliver(&w, 0);
                more = w.sim.flights;
                crash_leader(0, lose);
                world_settle(&w);
                ledger_read(&l, &w);
                world_run(&w, 20 * MS);
                ledger_all_decided(&l, &w, 3, "after the leader's crash");
                propose_all(3, 6);
                world_run(&w, 5 * MS);
                ledger_all_decided(&l, &w, 6, "in the next epoch");
                world_end(&w);
            }
        }
}

/* Nobody is given up for silence; that ◇P suspects the leader is enough for links and rows. */
static void test_UC1_a_crashed_leader_stops_nobody_who_is_never_given_up(void **state)
{
    (void)state;
    struct stack_conf conf = small;
    conf.ring_msgs = 64;
    conf.heartbeat_ns = 1 * MS;
    conf.detect_ns = 5 * MS;
    world_start(&w, stack_find("uc"), 3, &conf);
    uint64_t next = 0;
    for (int slice = 0; slice < 400; slice++) {
        if (slice == 20)
            world_crash(&w, 0);
        for (uint32_t room = co_room(stack_co(w.st[1], "uc")); room > 0 && next < 1000; room--)
            world_request(&w, 1, EV_UC_PROPOSE, 0, next++, world_msg(&w, 1, 1, 24));
        for (uint64_t i = world_count_type(&w, 0, EV_UC_DECIDE); slice < 20 && i < next; i++)
            world_request(&w, 0, EV_UC_PROPOSE, 0, i, world_msg(&w, 0, 0, 24));
        world_run(&w, MS);
    }
    assert_int_equal(next, 1000);
    for (uint16_t p = 1; p < 3; p++)
        assert_int_equal(world_count_type(&w, p, EV_UC_DECIDE), 1000);
    world_end(&w);
}

static void test_UC1_UC4_two_leaders_crash_one_after_the_other(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 150; seed++) {
        struct random r = random_seeded(seed, 7);
        struct stack_conf conf = small;
        conf.frame_records = 1 + random_below(&r, 3);
        start(7, &conf);
        propose_all(0, 4);
        for (uint16_t p = 0; p < 7; p++)
            world_step(&w, p);
        for (uint16_t leader = 0; leader < 2; leader++) {
            uint32_t k = random_below(&r, 60);
            while (k-- > 0 && w.sim.flights > 0)
                world_deliver(&w, random_below(&r, w.sim.flights));
            crash_leader(leader, random_below(&r, 2));
            for (uint16_t p = 0; p < 7; p++)
                world_step(&w, p);
            ledger_read(&l, &w);
        }
        world_run(&w, 30 * MS);
        ledger_all_decided(&l, &w, 4, "after two crashes");
        world_end(&w);
    }
}

/* What an adversary does once in a run of many steps. */
static void adversary_step(struct random *r, uint64_t *next, uint32_t fewest, bool slander)
{
    uint16_t p = (uint16_t)random_below(r, w.n), q = (uint16_t)random_below(r, w.n);
    uint32_t crashed = 0, what = random_below(r, 100);
    for (uint16_t i = 0; i < w.n; i++)
        crashed += w.crashed[i];
    if (what < 12 && !w.crashed[p] && next[p] < 100 && co_room(w.st[p]->app->use[0]) > 0) {
        propose(p, next[p]++);
        world_step(&w, p);
    } else if (what < 15 && !w.crashed[p]) {
        script_trust(&w, p, q);
        world_step(&w, p);
    } else if (what < 17 && !w.crashed[p] && p != q) {
        if (slander || w.crashed[q])
            script_suspect(&w, p, q, random_below(r, 2));
        world_step(&w, p);
    } else if (what == 17 && random_below(r, 8) == 0 && w.n - crashed > fewest) {
        world_crash(&w, p);
    } else if (what < 25 || w.sim.flights == 0) {
        w.sim.env[p].now_ns += 700000;
        world_step(&w, p);
    } else {
        uint32_t k = random_below(r, w.sim.flights);
        if (what < 32)
            sim_drop(&w.sim, k);
        else if (what < 37)
            sim_duplicate(&w.sim, k);
        else
            world_deliver(&w, k);
    }
}

/*
 * Loss, duplication, reordering, crashes of a minority, an Ω that lies; in every second seed a ◇P
 * that slanders. There the rows that a correct process still needs may be recycled, so only
 * safety is demanded.
 */
static void test_UC4_competing_leaders_never_disagree_and_UC1_when_omega_settles(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 600; seed++) {
        struct random r = random_seeded(seed, 1);
        struct stack_conf conf = small;
        conf.frame_records = 1 + random_below(&r, 8);
        conf.forward = random_below(&r, 2);
        conf.seed = seed;
        uint16_t n = sizes[seed / 2 % 4];
        uint64_t next[LEDGER_PROCS] = {0};
        bool slander = seed % 2;
        start(n, &conf);
        for (uint32_t step = 0; step < 1500; step++) {
            adversary_step(&r, next, n / 2 + 1, slander);
            ledger_read(&l, &w);
        }
        char when[64];
        snprintf(when, sizeof when, "seed %" PRIu64, seed);
        script_stable(&w);
        world_run(&w, 30 * MS);
        for (uint64_t end = 0; end < 100; end++)
            for (uint16_t p = 0; p < n; p++)
                if (!w.crashed[p] && next[p] == end && co_room(w.st[p]->app->use[0]) > 0) {
                    propose(p, next[p]++);
                    world_settle(&w);
                    ledger_read(&l, &w);
                }
        world_run(&w, 40 * MS);
        uint64_t all = 100;
        for (uint16_t p = 0; p < n; p++)
            if (!w.crashed[p] && next[p] < all)
                all = next[p];
        ledger_read(&l, &w);
        if (!slander)
            ledger_all_decided(&l, &w, all, when);
        world_end(&w);
    }
}

static void test_a_forwarded_proposal_is_decided(void **state)
{
    (void)state;
    struct stack_conf conf = small;
    conf.forward = true;
    start(3, &conf);
    propose(2, 0);
    world_settle(&w);
    ledger_all_decided(&l, &w, 1, "forwarded");
    assert_true(l.value[0] == proposal_of(2, 0));
    world_end(&w);
}

static void test_a_proposal_is_forwarded_again_to_the_next_leader(void **state)
{
    (void)state;
    struct stack_conf conf = small;
    conf.forward = true;
    start(3, &conf);
    propose(2, 0);
    world_step(&w, 2);
    crash_leader(0, true);
    world_run(&w, 10 * MS);
    ledger_all_decided(&l, &w, 1, "forwarded again");
    assert_true(l.value[0] == proposal_of(2, 0));
    world_end(&w);
}

/* The oldest frames from p to q, up to `frames` of them; all other frames of p are lost. */
static void deliver_only(uint16_t p, uint16_t q, uint32_t frames)
{
    for (uint32_t i = 0; i < w.sim.flights && frames > 0;)
        if (w.sim.flight[i].from == p && w.sim.flight[i].to == q) {
            world_deliver(&w, i);
            frames--;
        } else {
            i++;
        }
    world_lose(&w, p, UINT16_MAX);
}

/* p2 forwards its proposal to p1, whose own for that instance comes after it. p1 has read no majority
 * when p0 leads, and p2 crashes before it tells p0: p1 must. `later`: p1 proposes when p0 leads. */
static void own_behind_a_forwarded_one(bool later)
{
    struct stack_conf conf = small;
    conf.forward = true;
    conf.frame_records = 1;
    start(3, &conf);
    script_trust(&w, 1, 1);
    script_trust(&w, 2, 1);
    world_step(&w, 1);
    deliver_only(1, 2, 1); /* the new epoch, and not its READ */
    propose(2, 0);
    world_step(&w, 2);
    deliver_only(2, 1, UINT32_MAX);
    world_crash(&w, 2);
    if (!later) {
        propose(1, 0);
        world_step(&w, 1);
        world_lose(&w, 1, UINT16_MAX);
    }
    script_stable(&w);
    world_run(&w, 20 * MS);
    if (later)
        propose(1, 0);
    world_run(&w, 20 * MS);
    ledger_all_decided(&l, &w, 1, "behind a forwarded one");
    world_end(&w);
}

static void test_UC1_an_own_proposal_is_not_lost_behind_a_forwarded_one(void **state)
{
    (void)state;
    own_behind_a_forwarded_one(false);
    own_behind_a_forwarded_one(true);
}

static void test_a_proposal_waits_until_its_process_leads(void **state)
{
    (void)state;
    start(3, &small);
    propose(1, 0);
    world_run(&w, 5 * MS);
    assert_int_equal(world_count_type(&w, 1, EV_UC_DECIDE), 0);
    crash_leader(0, true);
    world_run(&w, 5 * MS);
    ledger_all_decided(&l, &w, 1, "p1 leads");
    world_end(&w);
}

static void test_a_long_stream_keeps_its_memory(void **state)
{
    (void)state;
    for (size_t s = 0; s < 3; s++) {
        unsigned most = 0;
        start(sizes[s], &small);
        uint64_t end = 20 * small.instances, next = 0;
        for (uint32_t turn = 0; next < end && turn < 100000; turn++) {
            for (uint32_t room = co_room(w.st[0]->app->use[0]); room > 0 && next < end; room--)
                propose(0, next++);
            world_run(&w, 1);
            unsigned used = rte_mempool_in_use_count(w.pool) - (16383 - w.pool_full);
            if (used > most)
                most = used;
            ledger_read(&l, &w);
        }
        world_run(&w, MS);
        ledger_all_decided(&l, &w, end, "stream");
        assert_in_range(most, 0, sizes[s] * 400);
        world_end(&w);
    }
}

static void test_a_crashed_follower_does_not_stop_the_stream(void **state)
{
    (void)state;
    start(3, &small);
    uint64_t next = 0;
    world_crash(&w, 2);
    script_stable(&w);
    /* Its links go on keeping what it does not acknowledge: as much as they have room for. */
    for (uint32_t turn = 0; turn < 2000; turn++) {
        if (co_room(w.st[0]->app->use[0]) > 0 && next < 60)
            propose(0, next++);
        world_settle(&w);
    }
    ledger_all_decided(&l, &w, 60, "without p2");
    world_end(&w);
}

/* Deliver all that is under way, but nothing to q. */
static void settle_without(uint16_t q)
{
    world_step(&w, 0);
    for (uint32_t k = 0; k < w.sim.flights;)
        if (w.sim.flight[k].to == q) {
            k++;
        } else {
            world_deliver(&w, k);
            k = 0;
        }
}

/* p2 is suspected while p0 and p1 decide [0, end) and recycle; then p0 crashes. p2 lacks it all, and
 * nobody can send it any more. */
static void leave_behind(uint64_t end)
{
    struct stack_conf conf = small;
    conf.detect_ns = 1 * MS;
    start(3, &conf);
    for (uint16_t p = 0; p < 2; p++)
        script_suspect(&w, p, 2, true);
    for (uint64_t i = 0; i < end; i++) {
        propose(0, i);
        settle_without(2);
    }
    ledger_read(&l, &w);
    assert_true(l.decided[end - 1][0] && l.decided[end - 1][1]);
    world_crash(&w, 0);
    world_lose(&w, 0, UINT16_MAX);
    script_suspect(&w, 1, 0, true);
    script_suspect(&w, 2, 0, true);
    script_suspect(&w, 1, 2, false);
}

/* Whoever leads: the two that are left decide all that is new, and p2 is told what it will not. */
static void test_UC1_who_was_left_behind_stops_nobody(void **state)
{
    (void)state;
    for (uint16_t leader = 1; leader < 3; leader++) {
        leave_behind(40);
        script_trust(&w, 1, leader);
        script_trust(&w, 2, leader);
        world_run(&w, 20 * MS);
        for (uint64_t i = 40; i < 200; i++) {
            propose(leader, i);
            world_run(&w, MS);
            if (i == 60)
                assert_true(world_count_type(&w, 2, EV_UC_MISSED) > 0);
            if (i > 60)
                ledger_read(&l, &w);
        }
        world_run(&w, 20 * MS);
        ledger_read(&l, &w);
        for (uint64_t i = 40; i < 200; i++)
            if (!l.decided[i][1] || !l.decided[i][2])
                fail_msg("p%u leads: %" PRIu64 " is not decided by both", leader, i);
        assert_in_range(w.st[2]->counters[COUNT_missed], 1, 40);
        world_end(&w);
    }
}

static void test_the_real_detectors_elect_a_new_leader(void **state)
{
    (void)state;
    struct stack_conf conf = small;
    conf.heartbeat_ns = 2 * MS;
    conf.detect_ns = 10 * MS;
    memset(&l, 0, sizeof l);
    world_start(&w, stack_find("uc"), 3, &conf);
    propose_all(0, 5);
    world_run(&w, 20 * MS);
    ledger_all_decided(&l, &w, 5, "led by p0");
    propose_all(5, 10);
    world_crash(&w, 0);
    world_run(&w, 200 * MS);
    ledger_all_decided(&l, &w, 10, "led by p1");
    world_end(&w);
}

static uint64_t run_and_hash(void)
{
    uint64_t hash = 0;
    start(3, &small);
    propose_all(0, 5);
    for (int i = 0; i < 6; i++) {
        for (uint16_t p = 0; p < 3; p++) {
            world_step(&w, p);
            hash = hash * 31 + stack_hash(w.st[p]);
        }
        if (w.sim.flights > 0)
            world_deliver(&w, 0);
    }
    crash_leader(0, false);
    world_run(&w, 5 * MS);
    for (uint16_t p = 0; p < 3; p++)
        hash = hash * 31 + stack_hash(w.st[p]);
    world_end(&w);
    return hash;
}

static void test_same_inputs_same_state(void **state)
{
    (void)state;
    assert_true(run_and_hash() == run_and_hash());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_UC1_UC2_UC3_UC4_without_failures),
        cmocka_unit_test(test_a_decision_costs_one_round_trip_at_the_leader),
        cmocka_unit_test(test_a_burst_of_proposals_costs_one_frame_each_way),
        cmocka_unit_test(test_UC1_UC4_the_leader_crashes_at_every_point),
        cmocka_unit_test(test_UC1_a_crashed_leader_stops_nobody_who_is_never_given_up),
        cmocka_unit_test(test_UC1_UC4_two_leaders_crash_one_after_the_other),
        cmocka_unit_test(test_UC4_competing_leaders_never_disagree_and_UC1_when_omega_settles),
        cmocka_unit_test(test_a_forwarded_proposal_is_decided),
        cmocka_unit_test(test_a_proposal_is_forwarded_again_to_the_next_leader),
        cmocka_unit_test(test_UC1_an_own_proposal_is_not_lost_behind_a_forwarded_one),
        cmocka_unit_test(test_a_proposal_waits_until_its_process_leads),
        cmocka_unit_test(test_a_long_stream_keeps_its_memory),
        cmocka_unit_test(test_a_crashed_follower_does_not_stop_the_stream),
        cmocka_unit_test(test_UC1_who_was_left_behind_stops_nobody),
        cmocka_unit_test(test_the_real_detectors_elect_a_new_leader),
        cmocka_unit_test(test_same_inputs_same_state),
    };
    harness_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
