/* SPDX-License-Identifier: BSD-3-Clause */
#include "scripted.h"

#define MS 1000000u

static struct world w;
static const uint16_t sizes[] = {1, 3, 4, 7};
static const struct stack_conf conf = {.flight_msgs = 16,
                                       .ring_msgs = 4096,
                                       .inbox_events = 2048,
                                       .frame_records = 1,
                                       .rto_min_ns = 1 * MS,
                                       .rto_max_ns = 4 * MS,
                                       .give_up_ns = UINT64_MAX};

/* ec; and lec, which starts epoch 0, too, and in a later life the last one again. */
struct subject {
    const struct stack_def *def;
    enum ev_type started;
    bool logged;
};

static const struct subject of_ec = {&scripted_ec, EV_EC_START_EPOCH, false};
static const struct subject of_lec = {&scripted_lec, EV_LEC_START_EPOCH, true};
static const struct subject *subject; /* of the test that runs */

#define CASE(name, f, of)                 \
    {                                     \
        name, f, NULL, NULL, (void *)(of) \
    }

static void start(const struct subject *of, uint16_t n)
{
    subject = of;
    world_start(&w, subject->def, n, &conf);
}

struct epoch {
    uint64_t ts;
    uint64_t life;
    uint16_t leader;
};

/* The epoch that p started last: epoch 0 of p0, if none. Holds all of them to EC1 and EC2. */
static struct epoch last_epoch(uint16_t p)
{
    struct epoch last = {0, 0, 0};
    for (uint32_t i = 0; i < w.seens; i++) {
        const struct seen *e = &w.seen[i];
        assert_int_equal(e->type, subject->started);
        for (uint32_t j = 0; j < i; j++)
            if (w.seen[j].attr == e->attr)
                assert_int_equal(w.seen[j].proc, e->proc);
        if (w.seen_by[i] != p)
            continue;
        if (subject->logged && e->life > last.life)
            assert_true(e->attr == last.ts && e->inst == (e->life > 1)); /* resumed */
        else
            assert_true(e->attr > last.ts && e->inst == 0);
        last = (struct epoch){e->attr, e->life, e->proc};
    }
    return last;
}

static void all_in_one_epoch_of(uint16_t leader)
{
    struct epoch one = last_epoch(leader);
    assert_int_equal(one.leader, leader);
    for (uint16_t p = 0; p < w.n; p++)
        if (!w.crashed[p])
            assert_int_equal(last_epoch(p).ts, one.ts);
}

static void case_nothing_is_sent_while_p0_is_trusted(void **state)
{
    for (size_t s = 0; s < 4; s++) {
        start(*state, sizes[s]);
        for (uint16_t p = 0; p < w.n; p++)
            script_trust(&w, p, 0);
        for (uint16_t p = 0; p < w.n; p++)
            world_step(&w, p);
        assert_int_equal(w.sim.flights, 0);
        all_in_one_epoch_of(0);
        assert_int_equal(last_epoch(0).ts, 0);
        world_end(&w);
    }
}

static void case_a_new_leader_starts_a_new_epoch(void **state)
{
    for (size_t s = 0; s < 4; s++) {
        start(*state, sizes[s]);
        for (uint16_t f = 0; f + 1 < w.n; f++) {
            world_crash(&w, f);
            for (uint16_t p = f + 1; p < w.n; p++)
                script_trust(&w, p, f + 1);
            world_run(&w, 3 * MS);
            all_in_one_epoch_of(f + 1);
            assert_true(last_epoch(f + 1).ts > 0);
        }
        assert_int_equal(w.seens, w.n * (w.n - 1) / 2 + (subject->logged ? w.n : 0));
        world_end(&w);
    }
}

static void test_an_epoch_that_comes_before_the_trust_in_its_leader_is_started_with_it(void **state)
{
    (void)state;
    start(&of_ec, 3);
    script_trust(&w, 1, 1);
    world_settle(&w);
    assert_int_equal(last_epoch(2).ts, 0);
    script_trust(&w, 2, 1);
    world_step(&w, 2);
    assert_int_equal(last_epoch(2).ts, last_epoch(1).ts);
    assert_int_equal(w.sim.flights, 0);
    world_end(&w);
}

static void test_EC3_a_leader_who_never_lost_trust_at_home_learns_that_others_moved_on(void **state)
{
    (void)state;
    start(&of_ec, 3);
    for (uint16_t p = 1; p < 3; p++)
        script_trust(&w, p, 1);
    world_settle(&w);
    assert_int_equal(last_epoch(2).leader, 1);
    assert_int_equal(last_epoch(0).ts, 0);
    for (uint16_t p = 1; p < 3; p++)
        script_trust(&w, p, 0);
    world_settle(&w);
    all_in_one_epoch_of(0);
    world_end(&w);
}

/* In every second seed processes of lec crash and recover. */
static void adversary_step(struct random *r, bool crashes)
{
    uint16_t p = (uint16_t)random_below(r, w.n);
    uint32_t what = random_below(r, 10);
    if (what == 0) {
        script_trust(&w, p, (uint16_t)random_below(r, w.n));
        world_step(&w, p);
    } else if (crashes && what == 1 && random_below(r, 4) == 0) {
        world_restart(&w, p);
    } else if (w.sim.flights == 0 || what == 1) {
        w.sim.env[p].now_ns += MS;
        world_step(&w, p);
    } else {
        uint32_t k = random_below(r, w.sim.flights);
        if (what == 2)
            sim_drop(&w.sim, k);
        else if (what == 3)
            sim_duplicate(&w.sim, k);
        else
            world_deliver(&w, k);
    }
}

static void case_over_lies_loss_duplication_reordering(void **state)
{
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct random r = random_seeded(seed, 3);
        start(*state, sizes[seed / 2 % 4]);
        for (int step = 0; step < 300; step++)
            adversary_step(&r, subject->logged && seed % 2);
        uint16_t leader = (uint16_t)random_below(&r, w.n);
        for (uint16_t p = 0; p < w.n; p++)
            script_trust(&w, p, leader);
        world_run(&w, 20 * MS);
        all_in_one_epoch_of(leader);
        uint32_t epochs = w.seens;
        world_run(&w, 20 * MS);
        assert_int_equal(w.seens, epochs);
        world_end(&w);
    }
}

static void test_LEC1_LEC2_LEC3_everybody_crashes_and_goes_on_in_its_last_epoch(void **state)
{
    (void)state;
    for (size_t s = 0; s < 4; s++) {
        start(&of_lec, sizes[s]);
        uint16_t leader = (uint16_t)(w.n - 1);
        for (uint16_t p = 0; p < w.n; p++)
            script_trust(&w, p, leader);
        world_run(&w, 3 * MS);
        uint64_t before = last_epoch(leader).ts;
        for (uint16_t p = 0; p < w.n; p++)
            world_restart(&w, p);
        all_in_one_epoch_of(leader);
        assert_int_equal(last_epoch(leader).ts, before);
        for (uint16_t p = 0; p < w.n; p++)
            script_trust(&w, p, 0);
        world_run(&w, 20 * MS);
        all_in_one_epoch_of(0);
        assert_true(last_epoch(0).ts > before);
        world_end(&w);
    }
}

/* What a peer may send that no process sends. */
static void test_what_cannot_be_read_is_counted_and_dropped(void **state)
{
    (void)state;
    start(&of_ec, 3);
    script_trust(&w, 0, 1);
    uint32_t bad = 0;
    struct co *ec = stack_co(w.st[1], "ec"), *beb = stack_co(w.st[1], "beb");
    for (uint32_t len = 0; len <= 20; len++) {
        struct msg m = msg_new(w.st[1], len);
        memset(msg_data(m), 0xff, len);
        if (len > 0)
            msg_data(m)[0] = (uint8_t)(1 + len % 2);
        link_send(ec, ec->use[2], EV_PL_SEND, 0, m);
        trigger(beb, ev_make(EV_BEB_BROADCAST, 0, 0, 0, m));
        bad += 2;
    }
    uint8_t other[16] = {1, 0, 0, 0, 0, 0, 0, 0, 5}; /* an epoch of p2, not of p1 */
    struct msg m = msg_new(w.st[1], sizeof other);
    memcpy(msg_data(m), other, sizeof other);
    trigger(beb, ev_make(EV_BEB_BROADCAST, 0, 0, 0, m));
    world_settle(&w);
    world_run(&w, 3 * MS);
    assert_int_equal(w.st[0]->counters[COUNT_drop_message], bad + 1);
    assert_int_equal(w.seens, 0);
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE("EC1_EC2_EC3_nothing_is_sent_while_p0_is_trusted",
             case_nothing_is_sent_while_p0_is_trusted, &of_ec),
        CASE("LEC1_LEC2_LEC3_nothing_is_sent_while_p0_is_trusted",
             case_nothing_is_sent_while_p0_is_trusted, &of_lec),
        CASE("EC1_EC2_EC3_a_new_leader_starts_a_new_epoch", case_a_new_leader_starts_a_new_epoch,
             &of_ec),
        CASE("LEC1_LEC2_LEC3_a_new_leader_starts_a_new_epoch", case_a_new_leader_starts_a_new_epoch,
             &of_lec),
        CASE("EC1_EC2_EC3_over_lies_loss_duplication_reordering",
             case_over_lies_loss_duplication_reordering, &of_ec),
        CASE("LEC1_LEC2_LEC3_over_lies_loss_duplication_reordering_crashes",
             case_over_lies_loss_duplication_reordering, &of_lec),
        cmocka_unit_test(test_LEC1_LEC2_LEC3_everybody_crashes_and_goes_on_in_its_last_epoch),
        cmocka_unit_test(
            test_an_epoch_that_comes_before_the_trust_in_its_leader_is_started_with_it),
        cmocka_unit_test(
            test_EC3_a_leader_who_never_lost_trust_at_home_learns_that_others_moved_on),
        cmocka_unit_test(test_what_cannot_be_read_is_counted_and_dropped),
    };
    harness_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
