/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "control/sim_world.h"
#include "worlds.h"

static char why[256];

static struct sim_job job_of(const char *stack, uint16_t n, uint64_t seed)
{
    return (struct sim_job){.def = stack_find(stack), .n = n, .seed = seed, .ops = 3};
}

static struct sim_world *start(const struct sim_job *job)
{
    struct sim_world *w = sim_world_new(pool);
    assert_non_null(w);
    if (sim_world_start(w, job, why, sizeof why) != 0)
        fail_msg("%s", why);
    return w;
}

static void finish(struct sim_world *w)
{
    world_free(w);
}

/* Pick among the possible choices at random, `steps` times. */
static void wander(struct sim_world *w, uint64_t seed, int steps)
{
    struct random r = random_seeded(seed, 1);
    for (int i = 0; i < steps; i++) {
        struct choice c[256];
        uint32_t n = sim_world_choices(w, c, 256);
        if (n == 0)
            break;
        assert_true(sim_world_apply(w, &c[random_below(&r, n < 256 ? n : 256)]));
    }
}

static void test_a_run_is_a_function_of_job_and_choices(void **state)
{
    (void)state;
    struct sim_job job = job_of("beb", 3, 5);
    struct sim_world *w = start(&job);
    wander(w, 9, 300);
    uint64_t trace = w->trace_hash, hash = sim_world_hash(w);
    assert_true(w->events > 50);
    uint64_t records = w->records;
    struct choice *record = calloc(records, sizeof *record);
    memcpy(record, w->record, records * sizeof *record);
    assert_int_equal(sim_world_start(w, &job, why, sizeof why), 0);
    for (uint64_t i = 0; i < records; i++) {
        record[i].hint = UINT32_MAX;
        assert_true(sim_world_apply(w, &record[i]));
    }
    assert_true(w->trace_hash == trace);
    assert_true(sim_world_hash(w) == hash);
    free(record);
    finish(w);
}

static void test_every_shape_follows_every_other(void **state)
{
    (void)state;
    struct sim_job job = job_of("beb", 3, 1);
    struct sim_world *w = start(&job);
    for (uint16_t n = 1; n <= 9; n++) {
        job = job_of(n % 2 != 0 ? "pl" : "beb", n, n);
        assert_int_equal(sim_world_start(w, &job, why, sizeof why), 0);
        wander(w, n, 100);
    }
    finish(w);
}

static void apply(struct sim_world *w, struct choice c)
{
    assert_true(sim_world_apply(w, &c));
}

static void test_a_crash_falls_between_two_sends(void **state)
{
    (void)state;
    struct sim_job job = job_of("beb", 5, 1);
    struct sim_world *w = start(&job);
    for (uint16_t p = 0; p < 5; p++)
        apply(w, (struct choice){.kind = CHOICE_STEP, .p = p});
    struct choice c;
    assert_true(sim_world_request(w, 0, &c));
    struct stack *st = w->proc[0].st; /* the request, to be handled by the step that crashes */
    trigger(st->app->use[0], ev_make(EV_BEB_BROADCAST, 0, 0, 0, msg_new(st, 8)));
    apply(w, (struct choice){.kind = CHOICE_CRASH_SENT, .p = 0, .k = 2});
    assert_int_equal(w->sim.flights, 2);
    assert_int_equal(w->alive, 4);
    assert_false(sim_world_apply(w, &(struct choice){.kind = CHOICE_STEP, .p = 0}));
    finish(w);
}

static void test_a_crash_at_an_event_sends_nothing(void **state)
{
    (void)state;
    struct sim_job job = job_of("beb", 3, 1);
    struct sim_world *w = start(&job);
    struct stack *st = w->proc[0].st;
    trigger(st->app->use[0], ev_make(EV_BEB_BROADCAST, 0, 0, 0, msg_new(st, 8)));
    apply(w, (struct choice){.kind = CHOICE_CRASH_AT, .p = 0, .k = 2});
    assert_int_equal(w->sim.flights, 0);
    assert_int_equal(w->proc[0].state, SIM_CRASHED);
    finish(w);
}

static void test_a_flipped_bit_is_caught_at_the_edge(void **state)
{
    (void)state;
    struct sim_job job = job_of("beb", 3, 1);
    struct sim_world *w = start(&job);
    struct choice c;
    for (uint32_t bit = 0; bit < 200; bit += 7) {
        if (!sim_world_request(w, 0, &c)) {
            assert_int_equal(sim_world_start(w, &job, why, sizeof why), 0);
            assert_true(sim_world_request(w, 0, &c));
        }
        apply(w, c);
        uint64_t before = w->sim.env[w->sim.flight[0].to].counters[COUNT_drop_udp_checksum];
        uint16_t to = w->sim.flight[0].to;
        c = choice_frame(CHOICE_CORRUPT, &w->sim, 0);
        c.a = bit;
        apply(w, c);
        assert_int_equal(w->sim.env[to].counters[COUNT_drop_udp_checksum], before + 1);
    }
    finish(w);
}

static void test_time_is_kept_in_order_of_due_times(void **state)
{
    (void)state;
    struct sim_job job = job_of("beb", 3, 4);
    assert_int_equal(fault_parse("delay uniform 10us 500us", &job.fault[0], why, sizeof why), 0);
    job.faults = 1;
    struct sim_world *w = start(&job);
    struct choice c;
    uint64_t last = 0;
    for (uint16_t p = 0; p < 3; p++)
        while (sim_world_request(w, p, &c))
            apply(w, c);
    for (int i = 0; i < 500 && sim_world_timed(w, &c); i++) {
        apply(w, c);
        assert_true(sim_world_now(w) >= last);
        last = sim_world_now(w);
    }
    assert_int_equal(w->sim.flights, 0);
    assert_int_equal(w->crossed, 9 + 27);
    finish(w);
}

static void test_a_fork_of_frames_is_two_frames(void **state)
{
    (void)state;
    struct sim_job job = job_of("beb", 3, 4);
    assert_int_equal(fault_parse("duplicate 100%", &job.fault[0], why, sizeof why), 0);
    job.faults = 1;
    struct sim_world *w = start(&job);
    struct choice c;
    assert_true(sim_world_request(w, 0, &c));
    apply(w, c);
    assert_int_equal(w->sim.flights, 4);
    finish(w);
}

/* As at the edge of a live run. */
static void test_a_frame_that_is_lost_takes_no_token(void **state)
{
    (void)state;
    struct sim_job job = job_of("beb", 2, 4);
    job.delay_ns = 1000;
    assert_int_equal(fault_parse("loss 0->1 @0s..1us", &job.fault[0], why, sizeof why), 0);
    assert_int_equal(fault_parse("rate 1/s burst=1 0->1", &job.fault[1], why, sizeof why), 0);
    job.faults = 2;
    struct sim_world *w = start(&job);
    struct choice c;
    assert_true(sim_world_request(w, 0, &c));
    apply(w, c);
    assert_int_equal(w->sim.flights, 0); /* lost by the first rule */
    apply(w, (struct choice){.kind = CHOICE_ADVANCE, .a = 1000});
    assert_true(sim_world_request(w, 0, &c));
    apply(w, c);
    assert_int_equal(w->sim.flights, 1); /* the one token was there */
    finish(w);
}

static void find_line(void *ctx, const char *line)
{
    bool *found = ctx;
    *found |= strncmp(line, "InBuf 0->1 #0 ", 14) == 0;
}

static void test_a_configuration_says_who_sent_what_waits(void **state)
{
    (void)state;
    struct sim_job job = job_of("beb", 2, 4);
    struct sim_world *w = start(&job);
    struct choice c;
    bool found = false;
    assert_true(sim_world_request(w, 0, &c));
    apply(w, c);
    apply(w, choice_frame(CHOICE_ARRIVE, &w->sim, 0));
    sim_world_dump(w, find_line, &found);
    assert_true(found);
    finish(w);
}

/* A delay of hundreds of years is no short one. */
static void test_a_delay_beyond_the_end_of_time_does_not_wrap(void **state)
{
    (void)state;
    struct sim_world *w = sim_world_new(pool);
    const struct sim_job job = {.def = stack_find("beb"),
                                .n = 2,
                                .seed = 1,
                                .ops = 1,
                                .faults = 1,
                                .fault = {{.kind = FAULT_DELAY,
                                           .law = LAW_CONSTANT,
                                           .from = FAULT_ANY,
                                           .to = FAULT_ANY,
                                           .ppm = FAULT_PPM,
                                           .a_ns = UINT64_MAX - 1}}};
    assert_int_equal(sim_world_start(w, &job, why, sizeof why), 0);
    assert_true(sim_world_apply(w, &(struct choice){.kind = CHOICE_ADVANCE, .a = 1000000}));
    assert_true(sim_world_apply(w, &(struct choice){.kind = CHOICE_REQUEST, .p = 0, .a = 1}));
    assert_true(w->sim.flights > 0);
    assert_true(w->sim.flight[0].due_ns == UINT64_MAX);
    sim_world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_delay_beyond_the_end_of_time_does_not_wrap),
        cmocka_unit_test(test_a_run_is_a_function_of_job_and_choices),
        cmocka_unit_test(test_every_shape_follows_every_other),
        cmocka_unit_test(test_a_crash_falls_between_two_sends),
        cmocka_unit_test(test_a_crash_at_an_event_sends_nothing),
        cmocka_unit_test(test_a_flipped_bit_is_caught_at_the_edge),
        cmocka_unit_test(test_time_is_kept_in_order_of_due_times),
        cmocka_unit_test(test_a_fork_of_frames_is_two_frames),
        cmocka_unit_test(test_a_frame_that_is_lost_takes_no_token),
        cmocka_unit_test(test_a_configuration_says_who_sent_what_waits),
    };
    if (!worlds_start())
        return 2;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
