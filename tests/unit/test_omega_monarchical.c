/* SPDX-License-Identifier: BSD-3-Clause */
#include "harness.h"

#include "protocols/random.h"

#define MS 1000000u

static struct world w;
static const uint16_t sizes[] = {1, 3, 4, 7};
static const struct stack_conf conf = {.heartbeat_ns = 2 * MS,
                                       .detect_ns = 10 * MS,
                                       .rto_min_ns = 1 * MS,
                                       .rto_max_ns = 4 * MS};

/* Whom p trusts, going by what it told its user; it never tells the same twice in a row. */
static int trusted(uint16_t p)
{
    int leader = -1;
    for (uint32_t i = 0; i < w.seens; i++)
        if (w.seen_by[i] == p) {
            assert_int_equal(w.seen[i].type, EV_OMEGA_TRUST);
            assert_int_not_equal(w.seen[i].proc, leader);
            leader = w.seen[i].proc;
        }
    return leader;
}

static void test_p0_is_trusted_from_the_first_step(void **state)
{
    (void)state;
    for (size_t s = 0; s < 4; s++) {
        world_start(&w, stack_find("omega"), sizes[s], &conf);
        world_settle(&w);
        for (uint16_t p = 0; p < sizes[s]; p++)
            assert_int_equal(trusted(p), 0);
        world_end(&w);
    }
}

static void test_ELD1_ELD2_the_correct_trust_the_highest_rank_left(void **state)
{
    (void)state;
    for (size_t s = 0; s < 4; s++) {
        uint16_t n = sizes[s];
        world_start(&w, stack_find("omega"), n, &conf);
        world_run(&w, 10 * MS);
        for (uint16_t f = 0; f + 1 < n; f++) {
            world_crash(&w, f);
            world_run(&w, 20 * MS);
            for (uint16_t p = f + 1; p < n; p++)
                assert_int_equal(trusted(p), f + 1);
        }
        world_end(&w);
    }
}

static bool none_from_p0(void *ctx, struct sim_frame *f)
{
    (void)ctx;
    return f->from != 0;
}

static void test_ELD1_ELD2_a_leader_that_was_only_slow_is_trusted_again(void **state)
{
    (void)state;
    for (size_t s = 0; s < 4; s++) {
        world_start(&w, stack_find("omega"), sizes[s], &conf);
        world_run(&w, 10 * MS);
        w.sim.sending = none_from_p0;
        world_run(&w, 20 * MS);
        for (uint16_t p = 0; p < w.n; p++)
            assert_int_equal(trusted(p), p == 0 ? 0 : 1);
        w.sim.sending = NULL;
        world_run(&w, 20 * MS);
        for (uint16_t p = 0; p < w.n; p++)
            assert_int_equal(trusted(p), 0);
        world_end(&w);
    }
}

static void test_ELD1_ELD2_over_loss_duplication_reordering(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 24; seed++) {
        struct random r = random_seeded(seed, 0);
        world_start(&w, stack_find("omega"), sizes[seed % 4], &conf);
        uint16_t victim = (uint16_t)(seed / 4 % w.n);
        for (int slice = 0; slice < 400; slice++) {
            for (uint16_t p = 0; p < w.n; p++) {
                w.sim.env[p].now_ns += MS * random_below(&r, 4);
                world_step(&w, p);
            }
            if (slice == 200 && w.n > 1)
                world_crash(&w, victim);
            for (uint32_t i = 0; i < 3u * w.n && w.sim.flights > 0; i++) {
                uint32_t k = random_below(&r, w.sim.flights), what = random_below(&r, 10);
                if (what < 3)
                    sim_drop(&w.sim, k);
                else if (what == 3 && !w.crashed[w.sim.flight[k].to])
                    sim_duplicate(&w.sim, k);
                else
                    world_deliver(&w, k);
            }
        }
        world_run(&w, 500 * MS);
        for (uint16_t p = 0; p < w.n; p++)
            if (!w.crashed[p])
                assert_int_equal(trusted(p), w.crashed[0] ? 1 : 0);
        world_end(&w);
    }
}

static void test_if_everybody_is_suspected_the_leader_stays(void **state)
{
    (void)state;
    world_start(&w, stack_find("omega"), 3, &conf);
    struct co *omega = stack_co(w.st[2], "omega");
    for (uint16_t q = 0; q < 3; q++)
        trigger(omega, ev_make(EV_EPFD_SUSPECT, q, 0, 0, MSG_NONE));
    world_settle(&w);
    assert_int_equal(trusted(2), 0);
    trigger(omega, ev_make(EV_EPFD_RESTORE, 1, 0, 0, MSG_NONE));
    world_settle(&w);
    assert_int_equal(trusted(2), 1);
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_p0_is_trusted_from_the_first_step),
        cmocka_unit_test(test_ELD1_ELD2_the_correct_trust_the_highest_rank_left),
        cmocka_unit_test(test_ELD1_ELD2_a_leader_that_was_only_slow_is_trusted_again),
        cmocka_unit_test(test_ELD1_ELD2_over_loss_duplication_reordering),
        cmocka_unit_test(test_if_everybody_is_suspected_the_leader_stays),
    };
    harness_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
