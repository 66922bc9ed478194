/* SPDX-License-Identifier: BSD-3-Clause */
#include "harness.h"

#include "protocols/post.h"
#include "protocols/random.h"

#define MS 1000000u

static struct world w;
static const uint16_t sizes[] = {1, 3, 4, 7};
static const struct stack_conf conf = {.heartbeat_ns = 2 * MS,
                                       .detect_ns = 10 * MS,
                                       .rto_min_ns = 1 * MS,
                                       .rto_max_ns = 4 * MS};

/* Whether p suspects q, going by what it told its user; the two must alternate. */
static bool suspects(uint16_t p, uint16_t q)
{
    bool suspected = false;
    for (uint32_t i = 0; i < w.seens; i++)
        if (w.seen_by[i] == p && w.seen[i].proc == q) {
            assert_true(suspected == (w.seen[i].type == EV_EPFD_RESTORE));
            suspected = !suspected;
        }
    return suspected;
}

static void assert_nobody_is_suspected(void)
{
    for (uint16_t p = 0; p < w.n; p++)
        for (uint16_t q = 0; q < w.n; q++)
            assert_false(suspects(p, q));
}

static void test_EPFD1_the_crashed_are_suspected_for_ever_by_all_correct(void **state)
{
    (void)state;
    for (size_t s = 0; s < 4; s++) {
        uint16_t n = sizes[s], f = n / 2;
        world_start(&w, stack_find("epfd"), n, &conf);
        world_run(&w, 20 * MS);
        for (uint16_t p = 0; p < f; p++)
            world_crash(&w, p);
        world_run(&w, 200 * MS);
        for (uint16_t p = f; p < n; p++)
            for (uint16_t q = 0; q < n; q++)
                assert_int_equal(suspects(p, q), q < f);
        world_end(&w);
    }
}

static uint16_t cut_off;

static bool all_but_from_cut_off(void *ctx, struct sim_frame *f)
{
    (void)ctx;
    return f->from != cut_off;
}

static void cut_for(uint16_t p, uint64_t ns)
{
    cut_off = p;
    w.sim.sending = all_but_from_cut_off;
    world_run(&w, ns);
    w.sim.sending = NULL;
}

static void test_EPFD2_a_false_suspicion_is_withdrawn_and_not_repeated(void **state)
{
    (void)state;
    for (size_t s = 1; s < 4; s++) {
        uint16_t last = (uint16_t)(sizes[s] - 1);
        world_start(&w, stack_find("epfd"), sizes[s], &conf);
        world_run(&w, 20 * MS);
        cut_for(last, 18 * MS);
        for (uint16_t p = 0; p < last; p++)
            assert_true(suspects(p, last));
        world_run(&w, 20 * MS);
        assert_nobody_is_suspected();
        uint32_t seens = w.seens;
        cut_for(last, 11 * MS); /* longer than the first delay, shorter than the second */
        world_run(&w, 100 * MS);
        assert_int_equal(w.seens, seens);
        world_end(&w);
    }
}

static void test_EPFD2_over_loss_duplication_reordering(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 24; seed++) {
        struct random r = random_seeded(seed, 0);
        world_start(&w, stack_find("epfd"), sizes[seed % 4], &conf);
        for (int slice = 0; slice < 500; slice++) {
            for (uint16_t p = 0; p < w.n; p++) {
                w.sim.env[p].now_ns += MS * random_below(&r, 4); /* clocks run apart, too */
                world_step(&w, p);
            }
            for (uint32_t i = 0; i < 3u * w.n && w.sim.flights > 0; i++) {
                uint32_t k = random_below(&r, w.sim.flights), what = random_below(&r, 10);
                if (what < 3)
                    sim_drop(&w.sim, k);
                else if (what == 3)
                    sim_duplicate(&w.sim, k);
                else
                    world_deliver(&w, k);
            }
        }
        world_run(&w, 500 * MS);
        uint32_t seens = w.seens;
        world_run(&w, 200 * MS);
        assert_int_equal(w.seens, seens);
        assert_nobody_is_suspected();
        world_end(&w);
    }
}

static void test_a_peer_that_came_back_to_life_is_restored(void **state)
{
    (void)state;
    world_start(&w, stack_find("epfd"), 2, &conf);
    world_run(&w, 20 * MS);
    world_crash(&w, 1);
    world_run(&w, 50 * MS);
    assert_true(suspects(0, 1));
    struct stack_conf again = w.st[1]->conf;
    again.incarnation = 2;
    const struct co_class *cls = w.st[1]->app->cls;
    stack_fini(w.st[1]);
    w.st[1] = co_wire(w.mem[1], stack_find("epfd"), cls, &again, &w.sim.env[1].env);
    *(struct world **)(w.st[1]->app + 1) = &w;
    w.crashed[1] = false;
    world_run(&w, 50 * MS);
    assert_false(suspects(0, 1));
    world_end(&w);
}

static void test_a_crashed_peer_is_owed_one_request_however_long_it_is_away(void **state)
{
    (void)state;
    world_start(&w, stack_find("epfd"), 2, &conf);
    world_run(&w, 20 * MS);
    world_crash(&w, 1);
    world_run(&w, 4 * MS);
    uint64_t sent = w.st[0]->counters[COUNT_tx_records] - w.st[0]->counters[COUNT_tx_retransmits];
    world_run(&w, 500 * MS);
    assert_int_equal(w.st[0]->counters[COUNT_tx_records] - w.st[0]->counters[COUNT_tx_retransmits],
                     sent);
    world_end(&w);
}

/* Frames take much longer than a period: what a process asked is not asked again meanwhile. */
static void test_a_peer_that_is_far_away_is_owed_a_request_and_a_reply(void **state)
{
    (void)state;
    struct stack_conf narrow = conf;
    narrow.flight_msgs = 2;
    narrow.rto_min_ns = narrow.rto_max_ns = 100 * MS;
    world_start(&w, stack_find("epfd"), 2, &narrow);
    for (int ms = 0; ms < 1000; ms++) {
        for (uint16_t p = 0; p < 2; p++) {
            struct co_post post;
            w.sim.env[p].now_ns += MS;
            world_step(&w, p);
            stack_post(w.st[p], &post);
            assert_in_range(post.link[1 - p].flight + post.link[1 - p].queued, 0, 2);
        }
        for (uint32_t k = 0; k < w.sim.flights;)
            if (w.sim.flight[k].sent_ns + 25 * MS <= w.sim.env[0].now_ns)
                world_deliver(&w, k);
            else
                k++;
    }
    assert_false(suspects(0, 1) || suspects(1, 0)); /* the delay has grown beyond the way */
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_EPFD1_the_crashed_are_suspected_for_ever_by_all_correct),
        cmocka_unit_test(test_EPFD2_a_false_suspicion_is_withdrawn_and_not_repeated),
        cmocka_unit_test(test_EPFD2_over_loss_duplication_reordering),
        cmocka_unit_test(test_a_peer_that_came_back_to_life_is_restored),
        cmocka_unit_test(test_a_crashed_peer_is_owed_one_request_however_long_it_is_away),
        cmocka_unit_test(test_a_peer_that_is_far_away_is_owed_a_request_and_a_reply),
    };
    harness_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
