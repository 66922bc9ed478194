/* SPDX-License-Identifier: BSD-3-Clause */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "control/explore.h"
#include "control/script.h"
#include "dataplane/log_format.h"
#include "planted.h"
#include "protocols/detectors/detectors.h"
#include "protocols/log/log.h"
#include "protocols/view.h"
#include "worlds.h"

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
    world_free(w);
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

/* That the reduction saves no state; how many transitions it does. */
static uint64_t transitions_saved(struct explore_conf conf)
{
    conf.safety_only = true;
    struct explore_result reduced = search_once(&conf);
    conf.unreduced = true;
    struct explore_result full = search_once(&conf);
    assert_null(reduced.bound);
    assert_int_equal(reduced.states, full.states);
    assert_int_equal(reduced.ends, full.ends);
    assert_int_equal(full.slept, 0);
    return full.transitions - reduced.transitions;
}

static void test_the_reduction_saves_transitions_and_no_state(void **state)
{
    (void)state;
    static const char *const stacks[] = {"beb", "rb_eager", "urb", "rb_lazy", "c_flooding"};
    for (size_t i = 0; i < sizeof stacks / sizeof stacks[0]; i++)
        for (uint16_t crashes = 0; crashes <= 2; crashes++) {
            struct explore_conf conf = conf_of(stacks[i], 3);
            conf.crashes = crashes;
            assert_in_range(transitions_saved(conf), 1, UINT32_MAX);
        }
}

/* What reaches the next life of who crashed depends on whether it was sent before or after. */
static void test_the_reduction_saves_no_state_of_a_stack_with_a_log(void **state)
{
    (void)state;
    static const char *const stacks[] = {"log", "lpl", "lbeb"};
    for (size_t i = 0; i < sizeof stacks / sizeof stacks[0]; i++) {
        struct explore_conf conf = conf_of(stacks[i], 2);
        conf.recoveries = 1;
        (void)transitions_saved(conf);
    }
}

/* Where clocks move, states differ in what a link measures: a search must not take them as one. */
static void test_the_reduction_saves_no_state_where_timers_fire(void **state)
{
    (void)state;
    struct explore_conf conf = conf_of("uc", 2);
    conf.crashes = 0;
    conf.timers = 1;
    (void)transitions_saved(conf);
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

/*
 * The search finds a violation of the property. Its record, each choice of which reads as it was
 * written, leads there again; true: `line` is one of them.
 */
static bool finds(const struct explore_conf *conf, const char *code, const char *line)
{
    struct sim_world *w = sim_world_new(pool);
    struct explore_result r = search(w, conf);
    assert_true(r.out.violated);
    assert_string_equal(r.out.result.code, code);
    uint64_t records = w->records, trace = w->trace_hash;
    struct choice *record = calloc(records, sizeof *record);
    memcpy(record, w->record, records * sizeof *record);
    assert_int_equal(sim_world_start(w, &w->job, why, sizeof why), 0);
    bool met = false;
    for (uint64_t i = 0; i < records; i++) {
        char text[160];
        choice_text(&record[i], &w->app, text, sizeof text);
        met |= strcmp(text, line) == 0;
        if (script_choice(w, text, &record[i], why, sizeof why) != 0)
            fail_msg("%s: %s", text, why);
        assert_true(sim_world_apply(w, &record[i]));
    }
    sim_world_end(w, r.out.fair);
    uint16_t layer;
    const struct check_result *v = sim_world_violation(w, &layer);
    assert_non_null(v);
    assert_string_equal(v->code, code);
    assert_true(w->trace_hash == trace);
    free(record);
    world_free(w);
    return met;
}

static void test_a_planted_bug_is_found_and_its_record_shows_it(void **state)
{
    (void)state;
    struct explore_conf conf = conf_of("beb", 3);
    conf.job.def = &planted;
    assert_true(finds(&conf, "RB4", "request p0 broadcast 1 waiting"));
}

/* ---- a bug that only a crash in the step of a notice shows ------------------------------------ */

/* It relays what p0 sent to it when it hears that p0 crashed, and what others relayed never. */
struct first_hand {
    struct co co;
    uint8_t bytes[8];
    bool has;
    bool relays;
};

static size_t first_hand_bytes(const struct stack_conf *conf)
{
    (void)conf;
    return sizeof(struct first_hand);
}

static void first_hand_deliver(struct co *self, const struct ev *ev, uint32_t n)
{
    struct first_hand *f = (struct first_hand *)self;
    for (uint32_t i = 0; i < n; i++) {
        if (f->has)
            continue;
        f->has = true;
        f->relays = ev[i].proc == 0;
        memcpy(f->bytes, msg_data(ev_msg(&ev[i])), sizeof f->bytes);
        indicate(self, ev_make(EV_RB_DELIVER, 0, 0, 0, ev_msg(&ev[i])));
    }
}

static void first_hand_crash(struct co *self, const struct ev *ev, uint32_t n)
{
    struct first_hand *f = (struct first_hand *)self;
    for (uint32_t i = 0; i < n; i++) {
        if (ev[i].proc != 0 || !f->relays)
            continue;
        struct msg m = msg_new(self->st, sizeof f->bytes);
        memcpy(msg_data(m), f->bytes, sizeof f->bytes);
        trigger(self->use[0], ev_make(EV_BEB_BROADCAST, 0, 0, 0, m));
    }
}

static void first_hand_show(const struct co *self, struct view *v)
{
    const struct first_hand *f = (const struct first_hand *)self;
    view_u64(v, "has", f->has);
    view_u64(v, "relays", f->relays);
}

static co_upon_fn *const first_hand_upon[EV_TYPES] = {[EV_RB_BROADCAST] = planted_broadcast,
                                                      [EV_BEB_DELIVER] = first_hand_deliver,
                                                      [EV_P_CRASH] = first_hand_crash};

static const struct co_class first_hand_class = {.name = "rb_first_hand",
                                                 .title = "relays first-hand messages only",
                                                 .implements = ABS_RB,
                                                 .uses = {ABS_BEB, ABS_P},
                                                 .bytes = first_hand_bytes,
                                                 .upon = first_hand_upon,
                                                 .show = first_hand_show};

static const struct stack_def first_hand = {
    .name = "rb_first_hand",
    .summary = "a planted bug",
    .top = "rb",
    .layers = (const struct stack_layer[]){{"pl", &pl_window_class, {NULL}},
                                           {"P", &p_exclude_on_timeout_class, {"pl"}},
                                           {"beb", &beb_basic_class, {"pl"}},
                                           {"rb", &first_hand_class, {"beb", "P"}},
                                           {0}},
};

static void test_a_crash_falls_between_the_sends_of_any_step(void **state)
{
    (void)state;
    struct explore_conf conf = conf_of("beb", 4);
    conf.job.def = &first_hand;
    conf.crashes = 2;
    assert_true(finds(&conf, "RB4", "lie p1 p0 waiting"));
}

/* ---- a bug that only some states of the disk show ---------------------------------------------- */

/* The medium as a log takes it that believes in a batch whose first and last sector are there: what is
 * missing between these passes for zeros. */
static void take_for_whole(struct disk_sim *d, struct log_id id)
{
    for (uint32_t slot = 0; slot < d->shape.slots; slot++)
        for (uint32_t at = 0; at < d->shape.segment_bytes; at += LOG_BLOCK_BYTES) {
            uint8_t *sector = d->image + (size_t)slot * d->shape.segment_bytes + at;
            uint32_t first = at / LOG_SECTOR_BYTES, last = LOG_BLOCK_SECTORS - 1;
            uint64_t batch, other;
            if (log_sector_state(sector, id, slot, first, UINT64_MAX, &batch) != SECTOR_STALE ||
                log_sector_state(sector + last * LOG_SECTOR_BYTES, id, slot, first + last, batch,
                                 &other) != SECTOR_GOOD)
                continue;
            for (uint32_t i = 1; i < last; i++)
                if (log_sector_state(sector + i * LOG_SECTOR_BYTES, id, slot, first + i, batch,
                                     &other) == SECTOR_ZERO)
                    log_sector_seal(sector + i * LOG_SECTOR_BYTES, id, slot, first + i, batch,
                                    LOG_BODY);
        }
}

static int credulous_recover(struct co *self, char *text, size_t size)
{
    struct stack *st = self->st;
    struct log_id id = {st->conf.cluster, st->self};
    take_for_whole((struct disk_sim *)st->env->disk, id);
    return log_device_class.recover(self, text, size);
}

/* One record of two sectors, the second of which is the tenth of the first write. */
static void test_a_crash_leaves_every_state_of_the_disk(void **state)
{
    (void)state;
    struct co_class credulous_class = log_device_class;
    credulous_class.recover = credulous_recover;
    const struct stack_layer layers[] = {{"log", &credulous_class, {NULL}}, {0}};
    const struct stack_def def = {.name = "credulous_log", .top = "log", .layers = layers};
    struct explore_conf conf = {
        .job = {.def = &def, .n = 1, .ops = 1, .seed = 1, .msg_bytes = 600},
        .crashes = 1,
        .recoveries = 1,
    };
    assert_true(finds(&conf, "LOG2", "recover p0"));
}

/* A write of one block, behind that which opens its segment: 8 sectors that change the medium. */
static void test_a_search_says_where_it_tried_every_state_of_the_disk(void **state)
{
    (void)state;
    struct explore_conf conf = {.job = {.def = stack_find("log"), .n = 1, .ops = 1, .seed = 1},
                                .crashes = 1};
    struct explore_result r = search_once(&conf);
    assert_true(r.whole == 0 && r.partial > 0);
    conf.job.ops = 2;
    r = search_once(&conf);
    assert_true(r.whole > 0 && r.partial > 0);
    char text[1024];
    explore_text(&conf, &r, text, sizeof text);
    assert_non_null(strstr(text, "every state of the disk at"));
}

/* ---- what is taken as one has one future ------------------------------------------------------- */

/* Schedules in which no state is matched come through states of the search, and through no other. */
static void walk_through(const char *stack, struct explore_conf conf, uint32_t walks)
{
    conf.walks = walks;
    struct explore_result r = search_once(&conf);
    print_message("%s n=%u: %" PRIu64 " of %" PRIu64 " states met\n", stack, conf.job.n, r.met,
                  r.states);
    assert_null(r.bound);
    if (r.unseen)
        fail_msg("%s: states are taken as one that are not", stack);
    assert_in_range(r.met, r.states / 10, r.states);
}

static void test_schedules_without_matching_find_no_other_state(void **state)
{
    (void)state;
    static const char *const stacks[] = {"beb",         "rb_eager", "rb_lazy",   "urb",
                                         "urb_all_ack", "uc",       "c_flooding"};
    for (size_t i = 0; i < sizeof stacks / sizeof stacks[0]; i++)
        walk_through(stacks[i], conf_of(stacks[i], 3), 1000);
    struct explore_conf conf = conf_of("beb", 3);
    conf.losses = conf.duplicates = 1;
    conf.timers = 2;
    conf.crashes = 0;
    walk_through("beb", conf, 1000);
    conf = conf_of("uc", 2);
    conf.crashes = 0;
    conf.timers = 1;
    walk_through("uc", conf, 1000);
}

static void test_schedules_without_matching_find_no_other_state_of_a_log(void **state)
{
    (void)state;
    static const struct {
        const char *stack;
        uint16_t n;
    } jobs[] = {{"log", 2}, {"lpl", 2}, {"lbeb", 2}, {"handover_redeliver", 1}, {"luc", 1}};
    for (size_t i = 0; i < sizeof jobs / sizeof jobs[0]; i++) {
        struct explore_conf conf = conf_of(jobs[i].stack, jobs[i].n);
        conf.crashes = conf.recoveries = 1;
        conf.safety_only = true; /* an end is judged slowly */
        walk_through(jobs[i].stack, conf, 3000);
    }
}

/* p2 tells all who came first when it has heard three times, and shows it or not. */
struct first_come {
    struct co co;
    uint64_t heard;
    uint16_t first;
};

static size_t first_come_bytes(const struct stack_conf *conf)
{
    (void)conf;
    return sizeof(struct first_come);
}

static void first_come_deliver(struct co *self, const struct ev *ev, uint32_t n)
{
    struct first_come *f = (struct first_come *)self;
    for (uint32_t i = 0; i < n; i++) {
        f->first = f->heard == 0 ? ev[i].proc : f->first;
        if (++f->heard != 3 || self->st->self != 2)
            continue;
        struct msg m = msg_new(self->st, 8);
        le64_put(msg_data(m), f->first);
        trigger(self->use[0], ev_make(EV_BEB_BROADCAST, 0, 0, 0, m));
    }
}

static void first_come_show(const struct co *self, struct view *v)
{
    view_u64(v, "heard", ((const struct first_come *)self)->heard);
    view_u64(v, "first", ((const struct first_come *)self)->first);
}

static void first_come_show_less(const struct co *self, struct view *v)
{
    view_u64(v, "heard", ((const struct first_come *)self)->heard);
}

static co_upon_fn *const first_come_upon[EV_TYPES] =
    {[EV_RB_BROADCAST] = planted_broadcast, [EV_BEB_DELIVER] = first_come_deliver};

static struct explore_result search_first_come(void (*show)(const struct co *, struct view *))
{
    const struct co_class cls = {.name = "first_come",
                                 .title = "tells who came first",
                                 .implements = ABS_RB,
                                 .uses = {ABS_BEB},
                                 .bytes = first_come_bytes,
                                 .upon = first_come_upon,
                                 .show = show};
    const struct stack_layer layers[] = {{"pl", &pl_window_class, {NULL}},
                                         {"beb", &beb_basic_class, {"pl"}},
                                         {"rb", &cls, {"beb"}},
                                         {0}};
    const struct stack_def def = {.name = "first_come", .top = "rb", .layers = layers};
    struct explore_conf conf = conf_of("beb", 3);
    conf.job.def = &def;
    conf.sources = 3;
    conf.crashes = 0;
    conf.safety_only = true; /* its users hear nothing */
    conf.walks = 200;
    struct explore_result r = search_once(&conf);
    assert_false(r.out.violated);
    assert_null(r.bound);
    return r;
}

static void test_a_field_that_is_not_shown_is_found_out(void **state)
{
    (void)state;
    assert_true(search_first_come(first_come_show_less).unseen);
    assert_false(search_first_come(first_come_show).unseen);
}

static void test_ends_are_counted_by_what_is_judged_in_them(void **state)
{
    (void)state;
    struct explore_conf conf = conf_of("urb", 3);
    conf.crashes = 2; /* a majority stays up of three, if one crashes */
    struct explore_result r = search_once(&conf);
    assert_null(r.bound);
    assert_true(r.judged > 0 && r.beyond > 0);
    assert_int_equal(r.ends, r.judged + r.beyond + r.unfair);
}

/* Who proposes decides that. */
static void decide_own(struct co *self, const struct ev *ev, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        indicate(self, ev_make(EV_C_DECIDE, 0, ev[i].inst, 0, ev_msg(&ev[i])));
}

static void hear_nobody(struct co *self, const struct ev *ev, uint32_t n)
{
    (void)self, (void)ev, (void)n;
}

static co_upon_fn *const own_upon[EV_TYPES] =
    {[EV_C_PROPOSE] = decide_own, [EV_PL_DELIVER] = hear_nobody};

static void test_safety_that_is_judged_at_the_end_is_found_without_liveness(void **state)
{
    (void)state;
    const struct co_class own = {.name = "c_own",
                                 .title = "consensus of each with itself",
                                 .implements = ABS_C,
                                 .uses = {ABS_PL},
                                 .bytes = planted_bytes,
                                 .upon = own_upon};
    const struct stack_layer layers[] = {{"pl", &pl_window_class, {NULL}},
                                         {"c", &own, {"pl"}},
                                         {0}};
    const struct stack_def def = {.name = "c_own", .top = "c", .layers = layers};
    struct explore_conf conf = {.job = {.def = &def, .n = 2, .ops = 1, .seed = 1},
                                .sources = 2,
                                .safety_only = true};
    struct explore_result r = search_once(&conf);
    assert_true(r.out.violated);
    assert_string_equal(r.out.result.code, "C4");
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
    conf.memory_bytes = 200000; /* room for a table twice as large, but not for both */
    conf.unreduced = true;
    struct explore_result r = search_once(&conf);
    assert_string_equal(r.bound, "memory");
    assert_int_equal(r.states, 4096 * 3 / 4);
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
    conf = conf_of("beb", 3);
    conf.recoveries = 1;
    assert_true(explore_run(w, &conf, &r, why, sizeof why) < 0);
    assert_non_null(strstr(why, "no log"));
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_search_of_each_stack_ends_with_all_properties_holding),
        cmocka_unit_test(test_the_reduction_saves_transitions_and_no_state),
        cmocka_unit_test(test_the_reduction_saves_no_state_of_a_stack_with_a_log),
        cmocka_unit_test(test_the_reduction_saves_no_state_where_timers_fire),
        cmocka_unit_test(test_the_states_of_a_broadcast_can_be_counted_by_hand),
        cmocka_unit_test(test_losses_and_duplicates_keep_what_links_promise),
        cmocka_unit_test(test_a_planted_bug_is_found_and_its_record_shows_it),
        cmocka_unit_test(test_a_crash_falls_between_the_sends_of_any_step),
        cmocka_unit_test(test_a_crash_leaves_every_state_of_the_disk),
        cmocka_unit_test(test_a_search_says_where_it_tried_every_state_of_the_disk),
        cmocka_unit_test(test_schedules_without_matching_find_no_other_state),
        cmocka_unit_test(test_schedules_without_matching_find_no_other_state_of_a_log),
        cmocka_unit_test(test_a_field_that_is_not_shown_is_found_out),
        cmocka_unit_test(test_ends_are_counted_by_what_is_judged_in_them),
        cmocka_unit_test(test_safety_that_is_judged_at_the_end_is_found_without_liveness),
        cmocka_unit_test(test_a_bound_is_told),
        cmocka_unit_test(test_what_cannot_be_searched_is_refused),
    };
    if (!worlds_start())
        return 2;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
