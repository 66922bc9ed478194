/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "control/shrink.h"
#include "dataplane/eal.h"
#include "planted.h"

static struct rte_mempool *pool;
static unsigned pool_full;
static struct adversary *adversary;
static char why[256];

/* Some seed at which the swarm violates RB4 of the planted stack. */
static struct outcome violate(struct sim_world *w, uint64_t from)
{
    for (uint64_t seed = from; seed < from + 2000; seed++) {
        struct mix mix;
        struct sim_job job = {.def = &planted, .n = 5};
        adversary_draw(seed, &job, &mix);
        assert_int_equal(sim_world_start(w, &job, why, sizeof why), 0);
        struct outcome out = adversary_judge(adversary, w, &mix, seed);
        if (out.violated && strcmp(out.result.code, "RB4") == 0)
            return out;
    }
    fail_msg("the planted bug was not found");
    return (struct outcome){0};
}

static void test_a_violation_shrinks_to_a_broadcast_and_a_crash(void **state)
{
    (void)state;
    struct sim_world *w = sim_world_new(pool);
    for (uint64_t seed = 1; seed < 400; seed += 100) {
        struct outcome out = violate(w, seed);
        struct shrink_result r;
        assert_int_equal(shrink_run(w, &out, 0, &r), 0);
        char text[512];
        shrink_text(&r, text, sizeof text);
        print_message("%s\n", text);
        assert_true(r.complete);
        assert_true(r.before.choices > r.after.choices);
        assert_string_equal(r.out.result.code, "RB4");
        /* The source, who delivers and who does not; request, crash between the sends, deliver. */
        assert_int_equal(r.after.n, 3);
        assert_true(r.after.faults + r.after.mishaps <= 2);
        assert_true(r.after.choices <= 8); /* a few more where credit holds a message back */
        assert_true(r.after.requests <= 4);
    }
    sim_world_free(w);
    assert_int_equal(rte_mempool_avail_count(pool), pool_full);
}

static void test_the_record_of_the_smallest_shows_the_violation(void **state)
{
    (void)state;
    struct sim_world *w = sim_world_new(pool);
    struct outcome out = violate(w, 1);
    struct shrink_result r;
    assert_int_equal(shrink_run(w, &out, 0, &r), 0);
    uint64_t records = w->records, trace = w->trace_hash;
    struct choice *record = calloc(records, sizeof *record);
    memcpy(record, w->record, records * sizeof *record);
    struct sim_job job = w->job;
    assert_int_equal(sim_world_start(w, &job, why, sizeof why), 0);
    for (uint64_t i = 0; i < records; i++)
        assert_true(sim_world_apply(w, &record[i]));
    sim_world_end(w, r.out.fair);
    uint16_t layer;
    assert_string_equal(sim_world_violation(w, &layer)->code, "RB4");
    assert_true(w->trace_hash == trace);
    free(record);
    sim_world_free(w);
}

static void test_a_record_without_violation_is_refused(void **state)
{
    (void)state;
    struct sim_world *w = sim_world_new(pool);
    struct outcome out = violate(w, 1);
    struct sim_job job = {.def = stack_find("rb_eager"), .n = 3, .ops = 1};
    struct shrink_result r;
    assert_int_equal(sim_world_start(w, &job, why, sizeof why), 0);
    assert_true(shrink_run(w, &out, 0, &r) < 0);
    sim_world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_violation_shrinks_to_a_broadcast_and_a_crash),
        cmocka_unit_test(test_the_record_of_the_smallest_shows_the_violation),
        cmocka_unit_test(test_a_record_without_violation_is_refused),
    };
    if (eal_start_light(64) != 0 || (pool = eal_pool("sim", 16383, 256, 1024)) == NULL)
        return 2;
    pool_full = rte_mempool_avail_count(pool);
    adversary = adversary_new();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    adversary_free(adversary);
    return failed;
}
