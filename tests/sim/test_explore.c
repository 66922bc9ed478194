/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "control/explore.h"
#include "dataplane/eal.h"
#include "planted.h"

static struct rte_mempool *pool;
static unsigned pool_full;
static char why[256];

static struct explore_conf conf_of(const char *stack, uint16_t n)
{
    return (struct explore_conf){.job = {.def = stack_find(stack), .n = n, .ops = 1, .seed = 1},
                                 .crashes = n > 1};
}

static struct explore_result search(struct sim_world *w, const struct explore_conf *conf)
{
    struct explore_result r;
    if (explore_run(w, conf, &r, why, sizeof why) != 0)
        fail_msg("%s", why);
    return r;
}

static struct explore_result search_once(const struct explore_conf *conf)
{
    struct sim_world *w = sim_world_new(pool);
    struct explore_result r = search(w, conf);
    sim_world_free(w);
    assert_int_equal(rte_mempool_avail_count(pool), pool_full);
    return r;
}

static void test_a_search_of_each_stack_ends_with_all_properties_holding(void **state)
{
    (void)state;
    static const char *const stacks[] = {"beb", "rb_eager", "rb_lazy", "urb", "urb_all_ack", "uc"};
    for (size_t i = 0; i < sizeof stacks / sizeof stacks[0]; i++)
        for (uint16_t n = 2; n <= 3; n++) {
            struct explore_conf conf = conf_of(stacks[i], n);
            struct explore_result r = search_once(&conf);
            if (r.out.violated)
                fail_msg("%s n=%u: %s: %s", stacks[i], n, r.out.result.code, r.out.result.witness);
            assert_null(r.bound);
            assert_true(r.states > 5 && r.ends > 1);
        }
}

static void test_the_reduction_saves_transitions_and_no_state(void **state)
{
    (void)state;
    static const char *const stacks[] = {"beb", "rb_eager", "urb", "rb_lazy"};
    for (size_t i = 0; i < sizeof stacks / sizeof stacks[0]; i++)
        for (uint16_t crashes = 0; crashes <= 2; crashes++) {
            struct explore_conf conf = conf_of(stacks[i], 3);
            conf.crashes = crashes;
            conf.safety_only = true;
            struct explore_result reduced = search_once(&conf);
            conf.unreduced = true;
            struct explore_result full = search_once(&conf);
            assert_true(reduced.states == full.states);
            assert_true(reduced.ends == full.ends);
            assert_true(reduced.transitions < full.transitions);
            assert_true(full.slept == 0);
        }
}

/* Two frames to two processes, no crash: each set of what has arrived is a state. */
static void test_the_states_of_a_broadcast_can_be_counted_by_hand(void **state)
{
    (void)state;
    struct explore_conf conf = conf_of("beb", 3);
    conf.crashes = 0;
    struct explore_result r = search_once(&conf);
    assert_int_equal(r.states, 1 + 4); /* before the request, and {}, {1}, {2}, {1, 2} */
    assert_int_equal(r.ends, 1);
}

static void test_losses_and_duplicates_keep_what_links_promise(void **state)
{
    (void)state;
    struct explore_conf conf = conf_of("beb", 3);
    conf.losses = conf.duplicates = 1;
    conf.timers = 2;
    conf.crashes = 0;
    struct explore_result r = search_once(&conf);
    assert_false(r.out.violated);
    assert_null(r.bound);
    assert_true(r.states > 50);
}

static void test_a_planted_bug_is_found_and_its_record_shows_it(void **state)
{
    (void)state;
    struct explore_conf conf = conf_of("beb", 3);
    conf.job.def = &planted;
    struct sim_world *w = sim_world_new(pool);
    struct explore_result r = search(w, &conf);
    assert_true(r.out.violated);
    assert_string_equal(r.out.result.code, "RB4");
    uint64_t records = w->records, trace = w->trace_hash;
    struct choice *record = calloc(records, sizeof *record);
    memcpy(record, w->record, records * sizeof *record);
    assert_int_equal(sim_world_start(w, &w->job, why, sizeof why), 0);
    for (uint64_t i = 0; i < records; i++)
        assert_true(sim_world_apply(w, &record[i]));
    sim_world_end(w, r.out.fair);
    uint16_t layer;
    const struct check_result *v = sim_world_violation(w, &layer);
    assert_non_null(v);
    assert_string_equal(v->code, "RB4");
    assert_true(w->trace_hash == trace);
    free(record);
    sim_world_free(w);
    assert_int_equal(rte_mempool_avail_count(pool), pool_full);
}

static void test_a_bound_is_told(void **state)
{
    (void)state;
    struct explore_conf conf = conf_of("rb_eager", 3);
    conf.states_max = 50;
    assert_string_equal(search_once(&conf).bound, "states");
    conf.states_max = 0;
    conf.memory_bytes = 70000;
    conf.job.n = 4;
    assert_string_equal(search_once(&conf).bound, "memory");
    conf = conf_of("rb_eager", 3);
    conf.choices_max = 6;
    assert_string_equal(search_once(&conf).bound, "steps");
    conf.choices_max = 0;
    conf.time_ns = 1;
    conf.job.n = 4;
    assert_string_equal(search_once(&conf).bound, "time");
}

static void test_what_cannot_be_searched_is_refused(void **state)
{
    (void)state;
    struct sim_world *w = sim_world_new(pool);
    struct explore_result r;
    struct explore_conf conf = conf_of("beb", 9);
    assert_true(explore_run(w, &conf, &r, why, sizeof why) < 0);
    assert_non_null(strstr(why, "at most 8"));
    conf = conf_of("rb_lazy", 3);
    conf.timers = 1;
    assert_true(explore_run(w, &conf, &r, why, sizeof why) < 0);
    assert_non_null(strstr(why, "relies on P"));
    sim_world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_search_of_each_stack_ends_with_all_properties_holding),
        cmocka_unit_test(test_the_reduction_saves_transitions_and_no_state),
        cmocka_unit_test(test_the_states_of_a_broadcast_can_be_counted_by_hand),
        cmocka_unit_test(test_losses_and_duplicates_keep_what_links_promise),
        cmocka_unit_test(test_a_planted_bug_is_found_and_its_record_shows_it),
        cmocka_unit_test(test_a_bound_is_told),
        cmocka_unit_test(test_what_cannot_be_searched_is_refused),
    };
    if (eal_start_light(64) != 0 || (pool = eal_pool("sim", 16383, 256, 1024)) == NULL)
        return 2;
    pool_full = rte_mempool_avail_count(pool);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
