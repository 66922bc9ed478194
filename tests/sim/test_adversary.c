/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "control/adversary.h"
#include "planted.h"
#include "protocols/detectors/detectors.h"
#include "protocols/links/links.h"
#include "worlds.h"

#define MS 1000000ull

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
    world_free(w);
}

/* The least ring that is taken for this job. */
static uint32_t least_ring(struct sim_world *w, struct sim_job *job)
{
    for (job->conf.ring_msgs = 2; job->conf.ring_msgs < 4096; job->conf.ring_msgs *= 2) {
        job->conf.flight_msgs = 1;
        if (sim_world_start(w, job, why, sizeof why) == 0)
            return job->conf.ring_msgs;
        assert_true(strncmp(why, "ring_msgs = ", 12) == 0);
    }
    fail_msg("%s", why);
    return 0;
}

/* Whatever is not refused works: layers send without asking for room, and their rings must hold it. */
static void test_the_least_rings_hold_what_layers_send_unasked(void **state)
{
    (void)state;
    static const uint16_t ns[] = {1, 3, 4, 7};
    struct sim_world *w = sim_world_new(pool);
    for (const struct stack_def *const *d = stack_defs; *d != NULL; d++)
        for (uint32_t i = 0; i < 4 * sizeof ns / sizeof ns[0]; i++) {
            struct mix mix;
            struct sim_job job = swarm_job(*d, ns[i % 4], 1000 + i, &mix);
            if (job.ops > 8) /* who is suspected for longer than its ring lasts is given up */
                job.ops = 8;
            uint32_t ring = least_ring(w, &job);
            job.conf.flight_msgs = i / 4 % 2 == 0 ? 1 : ring / 2;
            struct outcome out = run(w, &job, &mix);
            if (out.violated)
                fail_msg("stack %s n %u seed %u: flight %u, ring %u: %s: %s", (*d)->name, job.n,
                         1000 + i, job.conf.flight_msgs, ring, out.result.code, out.result.witness);
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
    world_free(w);
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
    world_free(w);
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
    world_free(w);
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
        for (uint64_t seed = 1; seed <= 100; seed++) {
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
        world_free(w);
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
    assert_int_equal(w->untrue, 0);
    world_free(w);
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
            job.lies_void = false;
            struct outcome out = run(w, &job, &mix);
            broken = out.violated;
            if (broken && (what[k].breaks == NULL || strcmp(out.result.code, what[k].breaks) != 0))
                fail_msg("%s: %s", what[k].stack, out.result.witness);
            assert_true(!broken || w->untrue >> ABS_P & 1);
        }
        assert_int_equal(broken, what[k].breaks != NULL);
        world_free(w);
    }
}

/* Where P's lies are drawn, what rests on its accuracy is void: nobody is accused of the split. */
static void test_what_rests_on_accuracy_is_void_once_P_lied(void **state)
{
    (void)state;
    struct sim_world *w = sim_world_new(pool);
    uint32_t lied = 0, split = 0;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct mix mix;
        struct sim_job job = swarm_job(stack_find("c_flooding"), 3, seed, &mix);
        mix.lie = 50000;
        job.lies_void = true;
        struct outcome out = run(w, &job, &mix);
        if (out.violated)
            fail_msg("seed %u: %s", (unsigned)seed, out.result.witness);
        const struct check *c = w->check[3];
        for (uint16_t r = 0; r < c->results; r++) { /* C1 and C4 rest on it, C2 and C3 do not */
            assert_int_equal(sim_world_void(w, 3, r), w->lied != 0 && r % 3 == 0);
            split += r == 3 && c->result[r].state == CHECK_VIOLATED;
        }
        lied += w->lied != 0;
        assert_int_equal(w->lied != 0, w->untrue >> ABS_P & 1);
    }
    assert_true(lied > 20 && split > 0);
    world_free(w);
}

/* Reliable broadcast that delivers twice once P has told it of a crash: RB2 needs no accuracy. */
static bool told_of_crash[PROCS_MAX];

static void nervous_crash(struct co *self, const struct ev *ev, uint32_t n)
{
    (void)ev, (void)n;
    told_of_crash[self->st->self] = true;
}

static void nervous_deliver(struct co *self, const struct ev *ev, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        for (int k = 0; k <= told_of_crash[self->st->self]; k++)
            indicate(self, ev_make(EV_RB_DELIVER, ev[i].proc, 0, 0, ev_msg(&ev[i])));
}

static void nervous_init(struct co *self)
{
    told_of_crash[self->st->self] = false;
}

static void test_a_bug_does_not_hide_behind_the_lies_of_P(void **state)
{
    (void)state;
    co_upon_fn *const upon[EV_TYPES] = {[EV_RB_BROADCAST] = planted_broadcast,
                                        [EV_BEB_DELIVER] = nervous_deliver,
                                        [EV_P_CRASH] = nervous_crash};
    const struct co_class rb = {.name = "rb_nervous",
                                .implements = ABS_RB,
                                .uses = {ABS_BEB, ABS_P},
                                .accurate = "RB4",
                                .bytes = planted_bytes,
                                .init = nervous_init,
                                .upon = upon};
    const struct stack_layer layers[] = {{"pl", &pl_window_class, {NULL}},
                                         {"P", &p_exclude_on_timeout_class, {"pl"}},
                                         {"beb", &beb_basic_class, {"pl"}},
                                         {"rb", &rb, {"beb", "P"}},
                                         {0}};
    const struct stack_def def = {.name = "rb_nervous", .top = "rb", .layers = layers};
    struct sim_world *w = sim_world_new(pool);
    uint32_t drawn = 0, found = 0;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct mix mix;
        struct sim_job job = swarm_job(&def, 3, seed, &mix);
        drawn += job.lies_void;
        mix.crash = 0; /* P alone makes it nervous */
        struct outcome out = run(w, &job, &mix);
        assert_true(!out.violated || (job.lies_void && strcmp(out.result.code, "RB2") == 0));
        found += out.violated;
    }
    assert_in_range(drawn, 5, 30); /* about a quarter */
    assert_in_range(found, 1, drawn);
    world_free(w);
}

/* Who uses P says what rests on its accuracy, and names what is there. */
static void test_classes_say_what_rests_on_the_accuracy_of_P(void **state)
{
    (void)state;
    for (const struct co_class *const *c = co_classes; *c != NULL; c++) {
        bool uses_p = false;
        char words[64], *save = NULL;
        for (int i = 0; i < CO_USES_MAX; i++)
            uses_p |= (*c)->uses[i] == ABS_P;
        assert_int_equal(uses_p, (*c)->accurate != NULL);
        snprintf(words, sizeof words, "%s", uses_p ? (*c)->accurate : "");
        for (char *x = strtok_r(words, " ", &save); x != NULL; x = strtok_r(NULL, " ", &save)) {
            bool known = false;
            for (uint32_t i = 0; i < property_info_count; i++)
                known |= property_infos[i].abstraction == (*c)->implements &&
                         strcmp(property_infos[i].code, x) == 0;
            if (!known)
                fail_msg("%s has no property %s", (*c)->name, x);
        }
    }
}

/* Where few rows are kept for whom ◇P suspected, it may be left behind: liveness is open then, and
 * safety is judged as ever. The schedules are those of `upon sim --set instances=8`. */
static void test_who_was_left_behind_leaves_liveness_open(void **state)
{
    (void)state;
    struct sim_world *w = sim_world_new(pool);
    uint32_t left = 0, open = 0;
    for (uint64_t seed = 340; seed < 900; seed++) {
        struct mix mix;
        struct sim_job job = swarm_job(stack_find("uc"), 0, seed, &mix);
        job.conf.instances = 8;
        struct outcome out = run(w, &job, &mix);
        if (out.violated)
            fail_msg("seed %u: %s", (unsigned)seed, out.result.witness);
        assert_int_equal(w->behind & 0x3f, 0); /* ep and uc alone stand on it */
        left += w->behind != 0;
        open += w->check[7]->result[0].state == CHECK_NOT_YET; /* UC1 */
    }
    assert_true(left > 0);
    assert_int_equal(open, left); /* it is no excuse for others */
    sim_world_free(w);
}

/* Who forgets what others lack, and suspected nobody, has no excuse. */
static void forgets_spans(const struct co *self, uint64_t *from, uint64_t *to)
{
    *from = *to = self->st->self == 1;
}

static void forgets_suspect(struct co *self, const struct ev *ev, uint32_t n)
{
    (void)self, (void)ev, (void)n;
}

static void test_who_was_never_suspected_was_not_left_behind(void **state)
{
    (void)state;
    co_upon_fn *const upon[EV_TYPES] = {[EV_RB_BROADCAST] = planted_broadcast,
                                        [EV_BEB_DELIVER] = planted_deliver,
                                        [EV_EPFD_SUSPECT] = forgets_suspect,
                                        [EV_EPFD_RESTORE] = forgets_suspect};
    const struct co_class rb = {.name = "rb_forgets",
                                .implements = ABS_RB,
                                .uses = {ABS_BEB, ABS_EPFD},
                                .bytes = planted_bytes,
                                .spans = forgets_spans,
                                .upon = upon};
    const struct stack_layer layers[] = {{"pl", &pl_window_class, {NULL}},
                                         {"epfd", &epfd_increasing_timeout_class, {"pl"}},
                                         {"beb", &beb_basic_class, {"pl"}},
                                         {"rb", &rb, {"beb", "epfd"}},
                                         {0}};
    const struct stack_def def = {.name = "rb_forgets", .top = "rb", .layers = layers};
    const struct sim_job job = {.def = &def, .n = 3, .ops = 1, .delay_ns = 20000};
    const struct choice alone[] = {{.kind = CHOICE_REQUEST, .p = 0, .a = 17, .k = 1},
                                   {.kind = CHOICE_CRASH_SENT, .p = 0, .k = 1}};
    const struct choice lie = {.kind = CHOICE_LIE, .p = 1, .q = 2, .k = LIE_EPFD};
    struct sim_world *w = sim_world_new(pool);
    for (int doubted = 0; doubted < 2; doubted++) {
        struct mix mix = {.patience = 0};
        assert_int_equal(sim_world_start(w, &job, why, sizeof why), 0);
        if (doubted)
            assert_true(sim_world_apply(w, &lie));
        for (size_t i = 0; i < RTE_DIM(alone); i++)
            assert_true(sim_world_apply(w, &alone[i]));
        sim_world_end(w, adversary_settle(w, &mix)); /* p1 alone has it, and relays nothing */
        assert_int_equal(w->behind, doubted << 3);
        assert_int_equal(is_violated(w), !doubted);
    }
    sim_world_free(w);
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
        world_free(w);
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
        world_free(w);
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
    world_free(w);
}

/* ---- what is drawn is done ------------------------------------------------------------------- */

/* Choices of a kind, in schedules of ten seeds. */
static uint32_t made[CHOICES];
static uint32_t fates[DISK_FATES];

static void count_choices(const struct sim_world *w)
{
    for (uint64_t i = 0; i < w->records; i++) {
        made[w->record[i].kind]++;
        if (w->record[i].kind == CHOICE_WRITTEN)
            fates[w->record[i].b % WRITTEN_WAITS]++;
    }
}

static void run_ten(const char *stack, struct mix mix)
{
    struct sim_world *w = sim_world_new(pool);
    struct sim_job job = {.def = stack_find(stack), .n = 3, .ops = 4, .delay_ns = 20000};
    job.faults = 1;
    job.fault[0] = (struct fault_rule){.kind = FAULT_LOSS,
                                       .from = FAULT_ANY,
                                       .to = FAULT_ANY,
                                       .ppm = 10000,
                                       .off = true};
    memset(made, 0, sizeof made);
    memset(fates, 0, sizeof fates);
    mix.unfair = true;
    mix.steps = 400;
    for (job.seed = 1; job.seed <= 10; job.seed++) {
        run(w, &job, &mix);
        count_choices(w);
    }
    world_free(w);
}

static void test_every_strategy_does_all_that_its_mix_has(void **state)
{
    (void)state;
    static const uint8_t all[] = {CHOICE_DROP,  CHOICE_DUPLICATE, CHOICE_CORRUPT, CHOICE_ARRIVE,
                                  CHOICE_PAUSE, CHOICE_LIE,       CHOICE_ARM,     CHOICE_REQUEST};
    for (int s = 0; s < STRATEGIES; s++) {
        struct mix mix = mix_default((enum strategy)s, stack_find("uc"), 3);
        mix.drop = mix.duplicate = mix.corrupt = mix.arrive = 50000;
        mix.pause = mix.lie = mix.arm = 20000;
        mix.rules = 1;
        mix.depth = 1;
        mix.crash = 5000;
        run_ten("uc", mix);
        for (size_t k = 0; k < RTE_DIM(all); k++)
            if (made[all[k]] == 0)
                fail_msg("%s: no %s", strategy_names[s], choice_names[all[k]]);
        assert_true(made[CHOICE_CRASH] + made[CHOICE_CRASH_AT] + made[CHOICE_CRASH_SENT] > 0);
    }
}

static void test_every_strategy_does_to_disks_what_its_mix_has(void **state)
{
    (void)state;
    for (int s = 0; s < STRATEGIES; s++) {
        struct mix mix = mix_default((enum strategy)s, stack_find("lurb"), 3);
        mix.disk_fail = mix.disk_lie = 50000;
        mix.flip = 10000;
        mix.bad_disks = 1;
        mix.recover = 100000;
        run_ten("lurb", mix);
        assert_true(made[CHOICE_FLIP] > 0 && made[CHOICE_RECOVER] > 0);
        assert_true(fates[DISK_FAILS] > 0 && fates[DISK_LOSES] + fates[DISK_MISDIRECTS] > 0);
        assert_int_equal(made[CHOICE_ARM] + made[CHOICE_DISARM], 0); /* nobody drew the rule */
    }
}

/* P is promised that nothing is lost or late, not that nothing comes twice. */
static void test_duplicates_befall_stacks_over_P(void **state)
{
    (void)state;
    static const char *const stacks[] = {"P", "le", "rb_lazy", "urb_all_ack", "c_flooding"};
    for (size_t k = 0; k < RTE_DIM(stacks); k++) {
        struct mix mix = mix_default(STRATEGY_PCTCP, stack_find(stacks[k]), 3);
        assert_int_equal(mix.strategy, STRATEGY_TIMED);
        mix.crash = 0; /* some begin with an arrival */
        run_ten(stacks[k], mix);
        assert_true(made[CHOICE_DUPLICATE] > 0);
        assert_int_equal(made[CHOICE_DROP] + made[CHOICE_ARRIVE] + made[CHOICE_LIE], 0);
    }
}

/* Crashes and timers are no part of the d − 1 events, and fall anywhere. */
static void test_crashes_of_pctcp_are_spread_over_the_schedule(void **state)
{
    (void)state;
    struct sim_world *w = sim_world_new(pool);
    struct sim_job job = {.def = stack_find("uc"), .n = 3, .ops = 2, .delay_ns = 20000};
    struct mix mix = mix_default(STRATEGY_PCTCP, job.def, job.n);
    uint32_t early = 0, late = 0;
    mix.steps = 1000;
    mix.unfair = true;
    for (job.seed = 1; job.seed <= 40; job.seed++) {
        run(w, &job, &mix);
        for (uint64_t i = 0; i < w->records; i++) {
            uint8_t kind = w->record[i].kind;
            bool crash = kind >= CHOICE_CRASH && kind <= CHOICE_CRASH_SENT;
            early += crash && i < 500;
            late += crash && i >= 500;
        }
    }
    assert_true(early > 2 && late > 2);
    world_free(w);
}

static void test_a_swarm_draws_what_a_correct_protocol_survives(void **state)
{
    (void)state;
    uint32_t kinds[FAULT_KINDS] = {0}, heartbeats = 0, off = 0, windows = 0, waits = 0;
    for (uint64_t seed = 1; seed <= 400; seed++) {
        struct mix mix;
        struct sim_job job = swarm_job(stack_find("luc"), 0, seed, &mix);
        assert_int_equal(mix.rules, job.faults);
        waits += job.conf.store_msgs < 8u * job.n;
        assert_true(mix.strategy != STRATEGY_TIMED || mix.timer == 0);
        assert_true(mix.strategy != STRATEGY_PCTCP || mix.request == 0);
        for (uint16_t i = 0; i < job.faults; i++) {
            const struct fault_rule *r = &job.fault[i];
            kinds[r->kind]++;
            heartbeats += r->befalls == FAULT_HEARTBEATS;
            off += r->off;
            windows += r->until_ns != 0;
            assert_true(!r->off || mix.arm > 0);
            if (mix.strategy == STRATEGY_TIMED)
                continue; /* a clock is kept: what takes or has its time does so */
            assert_int_equal(r->until_ns, 0);
            assert_true(r->kind != FAULT_REORDER && r->kind != FAULT_RATE &&
                        r->kind != FAULT_DISK_SLOW);
            assert_true(r->kind != FAULT_DELAY || r->befalls == FAULT_HEARTBEATS);
        }
    }
    assert_true(kinds[FAULT_REORDER] > 0 && kinds[FAULT_RATE] > 0 && kinds[FAULT_DISK_SLOW] > 0);
    assert_true(heartbeats > 0 && off > 0 && windows > 0);
    assert_in_range(waits, 400 / 8, 400 / 2); /* the log's queue is short */
}

static void test_a_mix_is_printed_whole(void **state)
{
    (void)state;
    static const char *const words[] = {" arrive=", " request=", " arm=",
                                        " ring=",   " store=",   " instances=",
                                        " copy=",   " forward=", " timer="};
    struct sim_job job = {.def = stack_find("luc"), .n = 3, .seed = 1};
    char text[2048];
    for (int s = 0; s < STRATEGIES; s++) {
        struct mix mix = mix_default((enum strategy)s, job.def, job.n);
        adversary_text(&job, &mix, text, sizeof text);
        for (size_t k = 0; k < RTE_DIM(words); k++) {
            bool unused = (s == STRATEGY_PCTCP && strcmp(words[k], " request=") == 0) ||
                          (s == STRATEGY_TIMED && strcmp(words[k], " timer=") == 0);
            assert_true((strstr(text, words[k]) == NULL) == unused);
        }
    }
}

/* ---- a detector that never settles ----------------------------------------------------------- */

struct wavering {
    struct co co;
    struct timer timer;
    bool suspects;
};

static size_t wavering_bytes(const struct stack_conf *conf)
{
    (void)conf;
    return sizeof(struct wavering);
}

static void wavering_init(struct co *self)
{
    co_timer(self, &((struct wavering *)self)->timer, 20 * MS, 0);
}

static void wavering_timeout(struct co *self, const struct ev *ev, uint32_t n)
{
    struct wavering *d = (struct wavering *)self;
    (void)ev, (void)n;
    d->suspects = !d->suspects;
    if (self->st->self != 1)
        indicate(self, ev_make(d->suspects ? EV_EPFD_SUSPECT : EV_EPFD_RESTORE, 1, 0, 0, MSG_NONE));
    co_timer(self, &d->timer, 20 * MS, 0);
}

static void wavering_deliver(struct co *self, const struct ev *ev, uint32_t n)
{
    (void)self, (void)ev, (void)n;
}

static co_upon_fn *const wavering_upon[EV_TYPES] =
    {[EV_TIMER_TIMEOUT] = wavering_timeout, [EV_PL_DELIVER] = wavering_deliver};

static const struct co_class wavering_class = {.name = "epfd_wavering",
                                               .title = "◇P that suspects p1 every other 20 ms",
                                               .implements = ABS_EPFD,
                                               .uses = {ABS_PL},
                                               .bytes = wavering_bytes,
                                               .init = wavering_init,
                                               .upon = wavering_upon};

static const struct stack_def wavering = {
    .name = "epfd_wavering",
    .summary = "a planted bug",
    .top = "epfd",
    .layers = (const struct stack_layer[]){{"pl", &pl_window_class, {NULL}},
                                           {"epfd", &wavering_class, {"pl"}},
                                           {0}},
};

/* In a quick world, too: it is not waited for until the last choice, and not judged when it is right. */
static void test_a_detector_that_never_settles_is_found_out(void **state)
{
    (void)state;
    struct sim_world *w = sim_world_new(pool);
    struct sim_job job = {.def = &wavering, .n = 3, .delay_ns = 20000};
    struct mix mix = mix_default(STRATEGY_RANDOM, job.def, job.n);
    mix.crash = 0;
    for (job.seed = 1; job.seed <= 10; job.seed++) {
        struct outcome out = run(w, &job, &mix);
        assert_true(out.fair && out.violated);
        assert_string_equal(out.result.code, "EPFD2");
    }
    world_free(w);
}

/* ---- what is owed, and what is reached ---------------------------------------------------------- */

static void test_nothing_is_owed_beyond_what_a_stack_withstands(void **state)
{
    (void)state;
    struct sim_world *w = sim_world_new(pool);
    const struct sim_job job = {.def = stack_find("urb"), .n = 3, .ops = 1};
    const struct mix mix = mix_default(STRATEGY_RANDOM, job.def, 3);
    for (uint16_t down = 1; down <= 2; down++)
        for (int restarted = 0; restarted < 2; restarted++) {
            uint16_t layer;
            assert_int_equal(sim_world_start(w, &job, why, sizeof why), 0);
            for (uint16_t p = 0; p < down; p++) {
                assert_true(sim_world_apply(w, &(struct choice){.kind = CHOICE_CRASH, .p = p}));
                if (restarted) /* without a log: alive, and faulty */
                    assert_true(
                        sim_world_apply(w, &(struct choice){.kind = CHOICE_RECOVER, .p = p}));
            }
            assert_int_equal(sim_world_owes(w), down == 1);
            bool fair = adversary_settle(w, &mix);
            sim_world_end(w, fair);
            assert_null(sim_world_violation(w, &layer));
        }
    world_free(w);
}

static void test_a_plan_that_is_not_reached_is_said(void **state)
{
    (void)state;
    static struct faults plan;
    struct sim_world *w = sim_world_new(pool);
    struct sim_job job = {.def = stack_find("epfd"), .n = 2, .delay_ns = 20000};
    struct mix mix = mix_default(STRATEGY_TIMED, job.def, 2);
    assert_int_equal(faults_add(&plan, "at 1ms pause 1", "x", 1, why, sizeof why), 0);
    assert_int_equal(faults_add(&plan, "at 1s crash 0", "x", 2, why, sizeof why), 0);
    assert_int_equal(sim_plan_rules(&plan, &job, why, sizeof why), 0);
    adversary_keep_time(&mix, &plan);
    mix.crash = 0;
    for (mix.plan_most = 500; mix.plan_most <= 50000; mix.plan_most *= 100) {
        assert_int_equal(sim_world_start(w, &job, why, sizeof why), 0);
        struct outcome out = adversary_judge(adversary, w, &mix, 1);
        assert_false(out.violated);
        if (mix.plan_most == 500)
            assert_int_equal(out.missed->place, 2);
        else
            assert_null(out.missed);
    }
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_property_of_any_stack_is_violated),
        cmocka_unit_test(test_the_least_rings_hold_what_layers_send_unasked),
        cmocka_unit_test(test_a_seed_gives_one_trace),
        cmocka_unit_test(test_an_unfair_schedule_leaves_liveness_open),
        cmocka_unit_test(test_a_lie_of_P_is_not_held_against_P),
        cmocka_unit_test(test_detectors_that_never_settle_leave_liveness_open),
        cmocka_unit_test(test_a_lie_of_epfd_is_taken_back),
        cmocka_unit_test(test_what_rests_on_accuracy_is_void_once_P_lied),
        cmocka_unit_test(test_a_bug_does_not_hide_behind_the_lies_of_P),
        cmocka_unit_test(test_who_was_left_behind_leaves_liveness_open),
        cmocka_unit_test(test_who_was_never_suspected_was_not_left_behind),
        cmocka_unit_test(test_classes_say_what_rests_on_the_accuracy_of_P),
        cmocka_unit_test(test_a_false_suspicion_breaks_what_needs_accuracy),
        cmocka_unit_test(test_a_healed_world_may_be_slower_than_the_first_timeout),
        cmocka_unit_test(test_one_process_may_crash_and_recover_for_ever),
        cmocka_unit_test(test_an_unstable_process_leaves_a_majority),
        cmocka_unit_test(test_every_strategy_does_all_that_its_mix_has),
        cmocka_unit_test(test_every_strategy_does_to_disks_what_its_mix_has),
        cmocka_unit_test(test_duplicates_befall_stacks_over_P),
        cmocka_unit_test(test_crashes_of_pctcp_are_spread_over_the_schedule),
        cmocka_unit_test(test_a_swarm_draws_what_a_correct_protocol_survives),
        cmocka_unit_test(test_a_mix_is_printed_whole),
        cmocka_unit_test(test_a_detector_that_never_settles_is_found_out),
        cmocka_unit_test(test_nothing_is_owed_beyond_what_a_stack_withstands),
        cmocka_unit_test(test_a_plan_that_is_not_reached_is_said),
    };
    if (!worlds_start())
        return 2;
    adversary = adversary_new();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    adversary_free(adversary);
    return failed;
}
