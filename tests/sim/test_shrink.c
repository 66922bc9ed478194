/* SPDX-License-Identifier: BSD-3-Clause */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#undef assert /* protocols have the C library's */
#include <assert.h>

#include "control/catch.h"
#include "control/shrink.h"
#include "planted.h"
#include "protocols/detectors/detectors.h"
#include "worlds.h"

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
        assert_true(r.after.faults + r.after.mishaps <= 3); /* a rule is armed, too */
        assert_true(r.after.choices <= 8); /* a few more where credit holds a message back */
        assert_true(r.after.requests <= 4);
    }
    world_free(w);
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
    world_free(w);
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
    world_free(w);
}

/* ---- what a candidate may not ask --------------------------------------------------------------- */

static co_upon_fn *handler_of(const struct co_class *cls, uint16_t type)
{
    return cls->upon[type];
}

/* A class as it is, but for one of its handlers. */
static struct co_class with_bug(const struct co_class *cls, co_upon_fn *upon[EV_TYPES],
                                uint16_t type, co_upon_fn *fn)
{
    struct co_class bug = *cls;
    memcpy(upon, cls->upon, EV_TYPES * sizeof upon[0]);
    upon[type] = fn;
    bug.upon = upon;
    return bug;
}

/* Who hears that q has crashed takes the next but one for dead as well. */
static void too_many_crash(struct co *self, const struct ev *ev, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        struct ev two[2] = {ev[i], ev[i]};
        two[1].proc = (uint16_t)((ev[i].proc + 2) % self->st->conf.n);
        handler_of(&urb_all_ack_class, EV_P_CRASH)(self, two, 2);
    }
}

static void test_a_true_notice_of_a_crash_does_not_become_a_lie(void **state)
{
    (void)state;
    static co_upon_fn *upon[EV_TYPES];
    static struct co_class urb;
    urb = with_bug(&urb_all_ack_class, upon, EV_P_CRASH, too_many_crash);
    const struct stack_layer layers[] = {{"pl", &pl_window_class, {NULL}},
                                         {"P", &p_exclude_on_timeout_class, {"pl"}},
                                         {"beb", &beb_basic_class, {"pl"}},
                                         {"urb", &urb, {"beb", "P"}},
                                         {0}};
    const struct stack_def def = {.name = "urb_too_many_crash", .top = "urb", .layers = layers};
    const struct sim_job job = {.def = &def, .n = 3, .ops = 1};
    const struct choice choices[] = {{.kind = CHOICE_REQUEST, .p = 1, .a = 17},
                                     {.kind = CHOICE_CRASH, .p = 0},
                                     {.kind = CHOICE_LIE, .p = 1, .q = 0},
                                     {.kind = CHOICE_CRASH, .p = 1}};
    struct sim_world *w = sim_world_new(pool);
    assert_int_equal(sim_world_start(w, &job, why, sizeof why), 0);
    for (size_t i = 0; i < RTE_DIM(choices); i++) {
        assert_true(sim_world_apply(w, &choices[i]));
        while (w->sim.flights > 0) { /* nobody hears of p1's message */
            struct choice c = choice_frame(CHOICE_DROP, &w->sim, 0);
            assert_true(sim_world_apply(w, &c));
        }
    }
    const struct mix mix = mix_default(STRATEGY_RANDOM, &def, 3);
    struct outcome out = {.violated = true, .fair = adversary_settle(w, &mix)};
    sim_world_end(w, out.fair);
    const struct check_result *v = sim_world_violation(w, &out.layer);
    assert_non_null(v);
    assert_string_equal(v->code, "URB4");
    out.result = *v;
    assert_int_equal(w->untrue, 0);
    struct shrink_result r;
    assert_int_equal(shrink_run(w, &out, 0, &r), 0);
    assert_string_equal(r.out.result.code, "URB4");
    assert_int_equal(w->untrue, 0);
    world_free(w);
}

static void delivers_twice(struct co *self, const struct ev *ev, uint32_t n)
{
    planted_deliver(self, ev, n);
    planted_deliver(self, ev, n);
}

/* A broadcast names no process: p0, which does nothing, is left out like any other. */
static void test_who_does_nothing_is_left_out_though_it_is_p0(void **state)
{
    (void)state;
    static co_upon_fn *upon[EV_TYPES];
    static struct co_class twice;
    twice = with_bug(&planted_class, upon, EV_BEB_DELIVER, delivers_twice);
    const struct stack_layer layers[] = {{"pl", &pl_window_class, {NULL}},
                                         {"beb", &beb_basic_class, {"pl"}},
                                         {"rb", &twice, {"beb"}},
                                         {0}};
    const struct stack_def def = {.name = "rb_twice", .top = "rb", .layers = layers};
    const struct sim_job job = {.def = &def, .n = 3, .ops = 1};
    const struct choice c = {.kind = CHOICE_REQUEST, .p = 2, .a = 17};
    struct sim_world *w = sim_world_new(pool);
    assert_int_equal(sim_world_start(w, &job, why, sizeof why), 0);
    assert_true(sim_world_apply(w, &c));
    struct outcome out = {.violated = true};
    const struct check_result *v = sim_world_violation(w, &out.layer);
    assert_non_null(v);
    assert_string_equal(v->code, "RB2");
    out.result = *v;
    struct shrink_result r;
    assert_int_equal(shrink_run(w, &out, 0, &r), 0);
    assert_int_equal(r.after.n, 1);
    world_free(w);
}

/* p3 reaches p4 alone, and crashes: of p0 to p2 one is needed, and the rule follows the numbers. */
static void test_processes_are_left_out_where_a_rule_names_them(void **state)
{
    (void)state;
    struct sim_job job = {.def = &planted, .n = 5, .ops = 1, .faults = 1};
    assert_int_equal(fault_parse("oneway 3,4 > 0,1,2", &job.fault[0], why, sizeof why), 0);
    const struct choice choices[] = {{.kind = CHOICE_REQUEST, .p = 3, .a = 17},
                                     {.kind = CHOICE_DELIVER, .p = 3, .q = 4},
                                     {.kind = CHOICE_CRASH, .p = 3}};
    struct sim_world *w = sim_world_new(pool);
    assert_int_equal(sim_world_start(w, &job, why, sizeof why), 0);
    for (size_t i = 0; i < RTE_DIM(choices); i++)
        assert_true(sim_world_apply(w, &choices[i]));
    const struct mix mix = mix_default(STRATEGY_RANDOM, &planted, 5);
    struct outcome out = {.violated = true, .fair = adversary_settle(w, &mix)};
    sim_world_end(w, out.fair);
    const struct check_result *v = sim_world_violation(w, &out.layer);
    assert_non_null(v);
    assert_string_equal(v->code, "RB4");
    out.result = *v;
    struct shrink_result r;
    assert_int_equal(shrink_run(w, &out, 0, &r), 0);
    assert_string_equal(r.out.result.code, "RB4");
    assert_int_equal(r.after.n, 3);
    assert_int_equal(r.after.faults, 1);
    char rule[160];
    fault_text(&w->job.fault[0], rule, sizeof rule);
    assert_string_equal(rule, "oneway 1,2>0");
    world_free(w);
}

/* From 20 ms on p0 says that p1 has crashed. */
static void p0_slanders(struct co *self, const struct ev *ev, uint32_t n)
{
    handler_of(&p_exclude_on_timeout_class, EV_P_JUDGE)(self, ev, n);
    if (self->st->self == 0 && self->st->now > 20000000)
        indicate(self, ev_make(EV_P_CRASH, 1, 0, 0, MSG_NONE));
}

static void test_where_P_may_be_believed_nothing_becomes_late(void **state)
{
    (void)state;
    static co_upon_fn *upon[EV_TYPES];
    static struct co_class slander;
    slander = with_bug(&p_exclude_on_timeout_class, upon, EV_P_JUDGE, p0_slanders);
    const struct stack_layer wrong[] = {{"pl", &pl_window_class, {NULL}},
                                        {"P", &slander, {"pl"}},
                                        {0}};
    const struct stack_layer right[] = {{"pl", &pl_window_class, {NULL}},
                                        {"P", &p_exclude_on_timeout_class, {"pl"}},
                                        {0}};
    const struct stack_def bad = {.name = "p_slanders", .top = "P", .layers = wrong};
    const struct stack_def good = {.name = "p_right", .top = "P", .layers = right};
    struct sim_job job = {.def = &bad, .n = 3, .delay_ns = 20000};
    struct mix mix = mix_default(STRATEGY_TIMED, &bad, 3);
    mix.steps = 2000;
    mix.crash = 0;
    struct sim_world *w = sim_world_new(pool);
    assert_int_equal(sim_world_start(w, &job, why, sizeof why), 0);
    struct outcome out = adversary_judge(adversary, w, &mix, 1);
    assert_true(out.violated);
    assert_string_equal(out.result.code, "PFD2");
    struct shrink_result r;
    assert_int_equal(shrink_run(w, &out, 0, &r), 0);
    assert_string_equal(r.out.result.code, "PFD2");
    print_message("%" PRIu64 " choices of %" PRIu64 "\n", r.after.choices, r.before.choices);

    /* What is left is no complaint about a P without the bug. */
    struct choice record[4096];
    const uint64_t records = w->records;
    assert_in_range(records, 1, RTE_DIM(record));
    memcpy(record, w->record, records * sizeof record[0]);
    job = w->job;
    job.def = &good;
    assert_int_equal(sim_world_start(w, &job, why, sizeof why), 0);
    for (uint64_t i = 0; i < records; i++)
        sim_world_apply(w, &record[i]);
    uint16_t layer;
    assert_null(sim_world_violation(w, &layer));
    world_free(w);
}

/* ---- what stops at an assertion ------------------------------------------------------------------ */

static uint32_t last[8]; /* request of each process */
static uint32_t gaps;

static void strict_init(struct co *self)
{
    last[self->st->self] = 0;
}

/* Requests of a process are numbered from 1 on, and none is missing; the first goes nowhere. */
static void strict_broadcast(struct co *self, const struct ev *ev, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t k = (uint32_t)le64_get(msg_data(ev_msg(&ev[i])));
        gaps += k != last[self->st->self] + 1;
        assert(k == last[self->st->self] + 1);
        last[self->st->self] = k;
        if (k > 1)
            handler_of(&planted_class, EV_RB_BROADCAST)(self, &ev[i], 1);
    }
}

/* A stack that forgets to relay, and asserts that no request is missing. */
static const struct stack_def *strict_stack(void)
{
    static co_upon_fn *upon[EV_TYPES];
    static struct co_class strict;
    static const struct stack_layer layers[] = {{"pl", &pl_window_class, {NULL}},
                                                {"beb", &beb_basic_class, {"pl"}},
                                                {"rb", &strict, {"beb"}},
                                                {0}};
    static const struct stack_def def = {.name = "rb_strict", .top = "rb", .layers = layers};
    strict = with_bug(&planted_class, upon, EV_RB_BROADCAST, strict_broadcast);
    strict.init = strict_init;
    return &def;
}

static void test_a_candidate_that_stops_at_an_assertion_is_no_smaller_one(void **state)
{
    (void)state;
    struct sim_world *w = sim_world_new(pool);
    const struct sim_job job = {.def = strict_stack(), .n = 3};
    assert_int_equal(sim_world_start(w, &job, why, sizeof why), 0);
    struct choice choices[] = {{.kind = CHOICE_REQUEST, .p = 0, .a = 1},
                               {.kind = CHOICE_REQUEST, .p = 0, .a = 2},
                               {.kind = CHOICE_CRASH, .p = 0}};
    assert_true(sim_world_apply(w, &choices[0]));
    assert_true(sim_world_apply(w, &choices[1]));
    while (w->sim.flights > 0) { /* p1 hears of the second, p2 does not */
        struct choice c = choice_frame(CHOICE_DELIVER, &w->sim, 0);
        c.kind = c.q == 1 ? CHOICE_DELIVER : CHOICE_DROP;
        assert_true(sim_world_apply(w, &c));
    }
    assert_true(sim_world_apply(w, &choices[2]));
    const struct mix mix = mix_default(STRATEGY_RANDOM, job.def, 3);
    struct outcome out = {.violated = true, .fair = adversary_settle(w, &mix)};
    sim_world_end(w, out.fair);
    out.result = *sim_world_violation(w, &out.layer);
    assert_string_equal(out.result.code, "RB4");
    struct shrink_result r;
    gaps = 0;
    assert_int_equal(shrink_run(w, &out, 0, &r), 0);
    assert_true(gaps > 0);
    assert_string_equal(r.out.result.code, "RB4");
    assert_int_equal(r.after.requests, 2);
    world_free(w);
}

static void apply_all(void *ctx)
{
    const struct choice choices[] = {{.kind = CHOICE_REQUEST, .p = 1, .a = 1},
                                     {.kind = CHOICE_REQUEST, .p = 1, .a = 2},
                                     {.kind = CHOICE_ADVANCE, .a = 1000},
                                     {.kind = CHOICE_REQUEST, .p = 1, .a = 4}};
    for (size_t i = 0; i < RTE_DIM(choices); i++)
        sim_world_apply(ctx, &choices[i]);
}

static void test_what_stops_at_an_assertion_shrinks_to_it(void **state)
{
    (void)state;
    struct sim_world *w = sim_world_new(pool);
    const struct sim_job job = {.def = strict_stack(), .n = 3, .ops = 4};
    assert_int_equal(sim_world_start(w, &job, why, sizeof why), 0);
    assert_false(catch_run(apply_all, w));
    sim_world_abandon(w);
    assert_int_equal(rte_mempool_avail_count(pool), pool_full);
    assert_true(sim_world_within(w));
    struct outcome out = {.violated = true, .stopped = true};
    snprintf(out.result.witness, sizeof out.result.witness, "%s", catch_place());
    assert_non_null(strstr(catch_place(), "test_shrink.c:"));
    struct shrink_result r;
    assert_int_equal(shrink_run(w, &out, 0, &r), 0);
    assert_int_equal(r.before.choices, 4);
    assert_int_equal(r.after.choices, 1);
    assert_int_equal(r.after.n, 1);
    assert_true(sim_world_within(w));
    assert_int_equal(w->current.a, 4);
    world_free(w);
}

/* The fourth request is the end: of one kind behind all others, of another kind behind fewer. */
static void panicking_broadcast(struct co *self, const struct ev *ev, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        const uint64_t k = le64_get(msg_data(ev_msg(&ev[i])));
        if (k == 4 && last[self->st->self] == 2)
            rte_panic("p%u had all\n", self->st->self);
        if (k == 4)
            rte_panic("p%u had fewer\n", self->st->self);
        last[self->st->self]++;
    }
}

static void test_one_panic_is_not_taken_for_another(void **state)
{
    (void)state;
    static co_upon_fn *upon[EV_TYPES];
    struct co_class panicking =
        with_bug(&planted_class, upon, EV_RB_BROADCAST, panicking_broadcast);
    panicking.init = strict_init;
    const struct stack_layer layers[] = {{"pl", &pl_window_class, {NULL}},
                                         {"beb", &beb_basic_class, {"pl"}},
                                         {"rb", &panicking, {"beb"}},
                                         {0}};
    const struct stack_def def = {.name = "rb_panicking", .top = "rb", .layers = layers};
    const struct sim_job job = {.def = &def, .n = 3, .ops = 4};
    struct sim_world *w = sim_world_new(pool);
    assert_int_equal(sim_world_start(w, &job, why, sizeof why), 0);
    catch_quiet(true);
    assert_false(catch_run(apply_all, w));
    catch_quiet(false);
    assert_string_equal(catch_place(), "panic in panicking_broadcast(): p1 had all");
    assert_true(catch_place_is("panic in panicking_broadcast(): p0 had all"));
    assert_false(catch_place_is("panic in panicking_broadcast(): p1 had fewer"));
    assert_false(catch_place_is("panic in panicking_broadcast(): p1 had all 3"));
    sim_world_abandon(w);
    struct outcome out = {.violated = true, .stopped = true};
    snprintf(out.result.witness, sizeof out.result.witness, "%s", catch_place());
    struct shrink_result r;
    assert_int_equal(shrink_run(w, &out, 0, &r), 0);
    assert_int_equal(r.before.choices, 4);
    assert_int_equal(r.after.choices, 3); /* the requests; as p0, of one */
    assert_int_equal(r.after.n, 1);
    world_free(w);
}

static void leave(void *ctx)
{
    catch_leave();
    *(bool *)ctx = true; /* not reached */
}

static void test_what_is_left_on_purpose_is_nobodys_fault(void **state)
{
    (void)state;
    bool on = false;
    catch_leave(); /* nobody catches it: nothing happens */
    assert_false(catch_run(leave, &on));
    assert_true(catch_left() && !on);
}

/* ---- a sequence of instances --------------------------------------------------------------------- */

static size_t alone_bytes(const struct stack_conf *conf)
{
    (void)conf;
    return sizeof(struct co);
}

/* Consensus among one, which forgets instance 3. */
static void forgetful_propose(struct co *self, const struct ev *ev, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (ev[i].inst != 3)
            indicate(self, ev_make(EV_UC_DECIDE, 0, ev[i].inst, 0, ev_msg(&ev[i])));
}

static void test_no_gap_comes_into_a_sequence_of_instances(void **state)
{
    (void)state;
    co_upon_fn *const upon[EV_TYPES] = {[EV_UC_PROPOSE] = forgetful_propose};
    const struct co_class forgetful = {.name = "forgetful",
                                       .title = "forgets one of them",
                                       .implements = ABS_UC,
                                       .bytes = alone_bytes,
                                       .upon = upon};
    const struct stack_layer layers[] = {{"uc", &forgetful, {NULL}}, {0}};
    const struct stack_def def = {.name = "uc_forgetful", .top = "uc", .layers = layers};
    struct sim_world *w = sim_world_new(pool);
    const struct sim_job job = {.def = &def, .n = 1, .ops = 6};
    assert_int_equal(sim_world_start(w, &job, why, sizeof why), 0);
    for (uint64_t i = 0; i < 6; i++) {
        const struct choice c = {.kind = CHOICE_REQUEST, .a = i + 1, .b = i};
        assert_true(sim_world_apply(w, &c));
    }
    const struct mix mix = mix_default(STRATEGY_RANDOM, job.def, 1);
    struct outcome out = {.violated = true, .fair = adversary_settle(w, &mix)};
    sim_world_end(w, out.fair);
    out.result = *sim_world_violation(w, &out.layer);
    assert_string_equal(out.result.code, "UC1");
    struct shrink_result r;
    assert_int_equal(shrink_run(w, &out, 0, &r), 0);
    assert_string_equal(r.out.result.code, "UC1");
    assert_int_equal(r.after.requests, 4); /* 3, and all in front of it */
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_violation_shrinks_to_a_broadcast_and_a_crash),
        cmocka_unit_test(test_the_record_of_the_smallest_shows_the_violation),
        cmocka_unit_test(test_a_record_without_violation_is_refused),
        cmocka_unit_test(test_a_true_notice_of_a_crash_does_not_become_a_lie),
        cmocka_unit_test(test_who_does_nothing_is_left_out_though_it_is_p0),
        cmocka_unit_test(test_processes_are_left_out_where_a_rule_names_them),
        cmocka_unit_test(test_where_P_may_be_believed_nothing_becomes_late),
        cmocka_unit_test(test_a_candidate_that_stops_at_an_assertion_is_no_smaller_one),
        cmocka_unit_test(test_what_stops_at_an_assertion_shrinks_to_it),
        cmocka_unit_test(test_one_panic_is_not_taken_for_another),
        cmocka_unit_test(test_what_is_left_on_purpose_is_nobodys_fault),
        cmocka_unit_test(test_no_gap_comes_into_a_sequence_of_instances),
    };
    if (!worlds_start())
        return 2;
    adversary = adversary_new();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    adversary_free(adversary);
    return failed;
}
