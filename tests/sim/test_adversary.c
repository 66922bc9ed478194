/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "control/adversary.h"
#include "dataplane/eal.h"

#define MS 1000000ull

static struct rte_mempool *pool;
static unsigned pool_full;
static struct adversary *adversary;
static char why[256];

static struct sim_job swarm_job(const struct stack_def *def, uint16_t n, uint64_t seed,
                                struct mix *mix)
{
    struct sim_job job = {.def = def, .n = n};
    adversary_draw(seed, &job, mix);
    return job;
}

static struct outcome run(struct sim_world *w, const struct sim_job *job, const struct mix *mix)
{
    if (sim_world_start(w, job, why, sizeof why) != 0)
        fail_msg("%s", why);
    return adversary_judge(adversary, w, mix, job->seed);
}

static void test_no_property_of_any_stack_is_violated(void **state)
{
    (void)state;
    struct sim_world *w = sim_world_new(pool);
    for (const struct stack_def *const *d = stack_defs; *d != NULL; d++)
        for (uint64_t seed = 1; seed <= 60; seed++) {
            struct mix mix;
            struct sim_job job = swarm_job(*d, 0, seed, &mix);
            struct outcome out = run(w, &job, &mix);
            if (out.violated)
                fail_msg("stack %s seed %u: %s: %s", (*d)->name, (unsigned)seed, out.result.code,
                         out.result.witness);
        }
    sim_world_free(w);
    assert_int_equal(rte_mempool_avail_count(pool), pool_full);
}

static void test_a_seed_gives_one_trace(void **state)
{
    (void)state;
    struct sim_world *w = sim_world_new(pool);
    for (uint64_t seed = 100; seed < 120; seed++) {
        struct mix mix;
        struct sim_job job = swarm_job(stack_find("beb"), 0, seed, &mix);
        run(w, &job, &mix);
        uint64_t trace = w->trace_hash;
        struct sim_world *other = sim_world_new(pool);
        run(other, &job, &mix);
        assert_true(other->trace_hash == trace);
        assert_true(sim_world_hash(other) == sim_world_hash(w));
        sim_world_free(other);
    }
    sim_world_free(w);
}

/* The same numbers in every build: another compiler, level of optimisation or sanitizer. */
static void test_traces_are_the_same_in_every_build(void **state)
{
    (void)state;
    struct sim_world *w = sim_world_new(pool);
    uint64_t digest = 0;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct mix mix;
        struct sim_job job = swarm_job(stack_find("beb"), 0, seed, &mix);
        run(w, &job, &mix);
        digest = digest * 31 + w->trace_hash;
    }
    print_message("digest of 50 seeds: %016llx\n", (unsigned long long)digest);
    sim_world_free(w);
}

/* What an algorithm that says nothing at all would do: an unfair schedule is called unfair. */
static void test_an_unfair_schedule_leaves_liveness_open(void **state)
{
    (void)state;
    struct sim_world *w = sim_world_new(pool);
    struct sim_job job = {.def = stack_find("beb"), .n = 3, .seed = 1, .ops = 2};
    struct mix mix = mix_default(STRATEGY_RANDOM, job.def, job.n);
    mix.drop = 1000000;
    mix.unfair = true;
    mix.crash = 0;
    struct outcome out = run(w, &job, &mix);
    assert_false(out.violated);
    assert_false(out.fair);
    assert_int_equal(w->check[1]->result[0].state, CHECK_NOT_YET); /* BEB1 */
    mix.unfair = false;
    out = run(w, &job, &mix);
    assert_false(out.violated);
    assert_true(out.fair);
    assert_int_equal(w->check[1]->result[0].state, CHECK_HOLDS);
    sim_world_free(w);
}

static void test_a_lie_of_P_is_not_held_against_P(void **state)
{
    (void)state;
    struct sim_world *w = sim_world_new(pool);
    struct sim_job job = {.def = stack_find("P"), .n = 3, .seed = 1, .delay_ns = 20000};
    if (sim_world_start(w, &job, why, sizeof why) != 0)
        fail_msg("%s", why);
    assert_true(sim_world_apply(w, &(struct choice){.kind = CHOICE_LIE, .p = 0, .q = 2}));
    uint16_t layer;
    assert_null(sim_world_violation(w, &layer));
    assert_true(w->crossed == 1);
    sim_world_free(w);
}

static bool is_violated(const struct sim_world *w)
{
    uint16_t layer;
    return sim_world_violation(w, &layer) != NULL;
}

/* Safety does not depend on Ω and ◇P; liveness is open, and nobody is accused. */
static void test_detectors_that_never_settle_leave_liveness_open(void **state)
{
    (void)state;
    static const char *const stacks[] = {"uc", "luc"};
    for (int k = 0; k < 2; k++) {
        struct sim_world *w = sim_world_new(pool);
        uint32_t open = 0;
        for (uint64_t seed = 1; seed <= 40; seed++) {
            struct mix mix;
            struct sim_job job = swarm_job(stack_find(stacks[k]), 0, seed, &mix);
            mix.unsettled = true;
            struct outcome out = run(w, &job, &mix);
            assert_false(out.violated);
            assert_false(out.fair);
            assert_true(w->untrue >> ABS_OMEGA & 1);
            uint16_t top = 0;
            while (job.def->layers[top + 1].name != NULL)
                top++;
            open += w->check[top]->result[0].state == CHECK_NOT_YET; /* termination */
        }
        assert_true(open > 0);
        sim_world_free(w);
    }
}

/* ◇P says the opposite of what it said last, and what it means when the world is healed. */
static void test_a_lie_of_epfd_is_taken_back(void **state)
{
    (void)state;
    struct sim_world *w = sim_world_new(pool);
    struct sim_job job = {.def = stack_find("epfd"), .n = 3, .seed = 1, .delay_ns = 20000};
    if (sim_world_start(w, &job, why, sizeof why) != 0)
        fail_msg("%s", why);
    const struct choice lie = {.kind = CHOICE_LIE, .p = 0, .q = 2, .k = LIE_EPFD};
    assert_true(sim_world_apply(w, &lie));
    assert_int_equal(w->proc[0].told, 4);
    assert_true(sim_world_apply(w, &lie));
    assert_int_equal(w->proc[0].told, 0);
    assert_true(sim_world_apply(w, &lie));
    assert_int_equal(w->proc[0].told, 4);
    assert_int_equal(w->proc[0].suspected, 0);
    assert_true(sim_world_apply(w, &(struct choice){.kind = CHOICE_HEAL}));
    assert_int_equal(w->proc[0].told, 0);
    assert_false(is_violated(w));
    /* Where there is no ◇P, nothing happens. */
    job.def = stack_find("beb");
    if (sim_world_start(w, &job, why, sizeof why) != 0)
        fail_msg("%s", why);
    assert_false(sim_world_apply(w, &lie));
    assert_int_equal(w->lies, 0);
    sim_world_free(w);
}

/* A P that errs costs rb_lazy messages and breaks what needs P's accuracy; P itself is not accused. */
static void test_a_false_suspicion_breaks_what_needs_accuracy(void **state)
{
    (void)state;
    static const struct {
        const char *stack;
        const char *breaks; /* NULL: nothing */
    } what[] = {{"rb_lazy", NULL}, {"P", NULL}, {"c_flooding", "C4"}, {"le", "LE2"}};
    for (size_t k = 0; k < RTE_DIM(what); k++) {
        struct sim_world *w = sim_world_new(pool);
        bool broken = false;
        for (uint64_t seed = 1; seed <= 40 && !broken; seed++) {
            struct mix mix;
            struct sim_job job = swarm_job(stack_find(what[k].stack), 3, seed, &mix);
            mix.lie = 50000;
            struct outcome out = run(w, &job, &mix);
            broken = out.violated;
            if (broken && (what[k].breaks == NULL || strcmp(out.result.code, what[k].breaks) != 0))
                fail_msg("%s: %s", what[k].stack, out.result.witness);
            assert_true(!broken || w->untrue >> ABS_P & 1);
        }
        assert_int_equal(broken, what[k].breaks != NULL);
        sim_world_free(w);
    }
}

/* A bound exists, above what ◇P and Ω wait for at first: they err, learn, and rest in the end. */
static void test_a_healed_world_may_be_slower_than_the_first_timeout(void **state)
{
    (void)state;
    static const char *const stacks[] = {"epfd", "omega_recovery", "uc", "luc"};
    for (size_t k = 0; k < RTE_DIM(stacks); k++) {
        struct sim_world *w = sim_world_new(pool);
        struct sim_job job = {.def = stack_find(stacks[k]), .n = 3, .seed = 1, .delay_ns = 20000};
        struct mix mix = mix_default(STRATEGY_RANDOM, job.def, job.n);
        job.ops = 2;
        job.conf.detect_ns = 2 * MS;
        job.convoy_ns = 7 * MS;
        mix.steps = 0;
        struct outcome out = run(w, &job, &mix);
        if (out.violated)
            fail_msg("%s: %s", stacks[k], out.result.witness);
        assert_true(out.fair);
        assert_true(w->erred_ns > 2 * job.convoy_ns);
        assert_int_equal(w->sim.flights, 0);
        sim_world_free(w);
    }
}

/* Who never stops crashing begins more lives than all others, and is not waited for. */
static void test_one_process_may_crash_and_recover_for_ever(void **state)
{
    (void)state;
    static const char *const stacks[] = {"log", "lpl", "lurb", "omega_recovery", "luc"};
    for (size_t k = 0; k < RTE_DIM(stacks); k++) {
        struct sim_world *w = sim_world_new(pool);
        struct sim_job job = {.def = stack_find(stacks[k]), .n = 3, .seed = 1, .delay_ns = 20000};
        struct mix mix = mix_default(STRATEGY_RANDOM, job.def, job.n);
        job.ops = 2;
        job.unstable = 1;
        struct outcome out = run(w, &job, &mix);
        if (out.violated)
            fail_msg("%s: %s", stacks[k], out.result.witness);
        assert_true(out.fair);
        assert_int_equal(w->proc[0].state, SIM_CRASHED);
        assert_true(w->proc[0].incarnation > w->proc[1].incarnation);
        assert_true(w->proc[0].incarnation > w->proc[2].incarnation);
        assert_true(w->alive >= 2);
        sim_world_free(w);
    }
}

/* Not where the stack withstands no further crash. */
static void test_an_unstable_process_leaves_a_majority(void **state)
{
    (void)state;
    struct sim_world *w = sim_world_new(pool);
    struct sim_job job = {.def = stack_find("lurb"), .n = 3, .seed = 1, .delay_ns = 20000};
    struct mix mix = mix_default(STRATEGY_RANDOM, job.def, job.n);
    job.unstable = 1;
    if (sim_world_start(w, &job, why, sizeof why) != 0)
        fail_msg("%s", why);
    assert_true(sim_world_apply(w, &(struct choice){.kind = CHOICE_CRASH, .p = 2}));
    assert_true(adversary_settle(w, &mix));
    assert_int_equal(w->proc[0].state, SIM_RUNNING);
    assert_int_equal(w->recoveries, 0);
    sim_world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_property_of_any_stack_is_violated),
        cmocka_unit_test(test_a_seed_gives_one_trace),
        cmocka_unit_test(test_traces_are_the_same_in_every_build),
        cmocka_unit_test(test_an_unfair_schedule_leaves_liveness_open),
        cmocka_unit_test(test_a_lie_of_P_is_not_held_against_P),
        cmocka_unit_test(test_detectors_that_never_settle_leave_liveness_open),
        cmocka_unit_test(test_a_lie_of_epfd_is_taken_back),
        cmocka_unit_test(test_a_false_suspicion_breaks_what_needs_accuracy),
        cmocka_unit_test(test_a_healed_world_may_be_slower_than_the_first_timeout),
        cmocka_unit_test(test_one_process_may_crash_and_recover_for_ever),
        cmocka_unit_test(test_an_unstable_process_leaves_a_majority),
    };
    if (eal_start_light(64) != 0 || (pool = eal_pool("sim", 16383, 256, 1024)) == NULL)
        return 2;
    pool_full = rte_mempool_avail_count(pool);
    adversary = adversary_new();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    adversary_free(adversary);
    return failed;
}
