/* SPDX-License-Identifier: BSD-3-Clause */
/* Disks in the simulator: what they keep, what keeps a process down, and the sweep of crashes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "control/sweep.h"
#include "dataplane/log_format.h"
#include "protocols/log/log.h"
#include "worlds.h"

static char why[256], refusal[256];

static void on_refused(void *ctx, struct sim_world *w, uint16_t p, const char *sentence)
{
    (void)ctx, (void)w, (void)p;
    snprintf(refusal, sizeof refusal, "%s", sentence);
}

static struct sim_world *start(const char *stack, uint16_t n)
{
    struct sim_job job = {.def = stack_find(stack), .n = n, .seed = 1, .ops = 40};
    struct sim_world *w = sim_world_new(pool);
    if (sim_world_start(w, &job, why, sizeof why) != 0)
        fail_msg("%s", why);
    w->observer.refused = on_refused;
    refusal[0] = '\0';
    return w;
}

static void finish(struct sim_world *w)
{
    uint16_t layer;
    const struct check_result *v = sim_world_violation(w, &layer);
    if (v != NULL)
        fail_msg("%s: %s", v->code, v->witness);
    world_free(w);
}

static void apply(struct sim_world *w, struct choice c)
{
    assert_true(sim_world_apply(w, &c));
}

static void store(struct sim_world *w)
{
    struct choice c;
    assert_true(sim_world_request(w, 0, &c));
    apply(w, c);
}

/* The oldest write of p0's disk comes to its end. */
static void written(struct sim_world *w, enum disk_sim_fate fate)
{
    const struct disk_sim *d = w->proc[0].disk;
    assert_true(d->writes > 0);
    apply(w, (struct choice){.kind = CHOICE_WRITTEN, .k = d->write[0].ordinal, .b = fate});
}

static void crash_and_recover(struct sim_world *w, uint64_t keeps)
{
    apply(w, (struct choice){.kind = CHOICE_CRASH, .a = keeps});
    apply(w, (struct choice){.kind = CHOICE_RECOVER});
}

static void test_every_life_has_another_incarnation(void **state)
{
    (void)state;
    struct sim_world *w = start("log", 1);
    crash_and_recover(w, KEEPS_NOTHING);
    assert_int_equal(w->proc[0].incarnation, 2);
    apply(w, (struct choice){.kind = CHOICE_CRASH});
    for (uint32_t copies = 0; copies < 2; copies++) /* it ends before, and between, the copies */
        apply(w, (struct choice){.kind = CHOICE_RECOVER, .k = 1 + copies});
    assert_int_equal(w->proc[0].state, SIM_CRASHED);
    apply(w, (struct choice){.kind = CHOICE_RECOVER});
    assert_int_equal(w->proc[0].incarnation, 4); /* the life of which one copy tells is none */
    finish(w);
}

static void test_a_crash_keeps_any_sectors_of_what_was_under_way(void **state)
{
    (void)state;
    for (uint64_t keeps = 0; keeps < 64; keeps++) {
        struct sim_world *w = start("log", 1);
        store(w);
        written(w, DISK_KEEPS);
        store(w);
        store(w);
        assert_true(w->proc[0].disk->writes > 0);
        crash_and_recover(w, keeps);
        assert_int_equal(w->proc[0].state, SIM_RUNNING);
        finish(w); /* LOG2: what was stored was found */
    }
}

static void test_a_write_that_fails_is_a_crash(void **state)
{
    (void)state;
    const enum disk_sim_fate fates[] = {DISK_FAILS, DISK_SHORT, DISK_FULL};
    for (int i = 0; i < 3; i++) {
        struct sim_world *w = start("log", 1);
        store(w);
        written(w, fates[i]);
        assert_int_equal(w->proc[0].state, SIM_CRASHED);
        apply(w, (struct choice){.kind = CHOICE_RECOVER});
        assert_int_equal(w->proc[0].state, SIM_RUNNING);
        finish(w);
    }
}

static void test_a_loss_that_a_later_write_shows_is_refused(void **state)
{
    (void)state;
    struct sim_world *w = start("log", 1);
    store(w);
    written(w, DISK_KEEPS);
    store(w);
    written(w, DISK_LOSES);
    assert_true(w->proc[0].disk->lied);
    store(w);
    written(w, DISK_KEEPS);
    assert_false(w->proc[0].disk->lied);
    crash_and_recover(w, KEEPS_NOTHING);
    assert_int_equal(w->proc[0].state, SIM_CRASHED);
    assert_non_null(strstr(refusal, "was acknowledged, and is missing"));
    assert_false(sim_world_apply(w, &(struct choice){.kind = CHOICE_RECOVER})); /* for good */
    finish(w);
}

static void test_a_loss_that_nothing_shows_keeps_the_process_down(void **state)
{
    (void)state;
    struct sim_world *w = start("log", 1);
    store(w);
    written(w, DISK_KEEPS);
    store(w);
    written(w, DISK_LOSES);
    crash_and_recover(w, KEEPS_NOTHING);
    assert_int_equal(w->proc[0].state, SIM_CRASHED);
    assert_non_null(strstr(refusal, "nothing on it shows that"));
    finish(w);
}

/* A rule that has a disk fail has super blocks fail, too: nobody recovers under it. */
static void test_a_rule_keeps_a_life_from_beginning(void **state)
{
    (void)state;
    struct sim_job job = {.def = stack_find("log"), .n = 1, .seed = 1, .ops = 40, .faults = 1};
    struct sim_world *w = sim_world_new(pool);
    assert_int_equal(fault_parse("disk-fail 0", &job.fault[0], why, sizeof why), 0);
    assert_int_equal(sim_world_start(w, &job, why, sizeof why), 0);
    assert_int_equal(w->proc[0].incarnation, 1); /* no rule holds before it is there */
    crash_and_recover(w, KEEPS_NOTHING);
    assert_int_equal(w->proc[0].state, SIM_CRASHED);
    apply(w, (struct choice){.kind = CHOICE_DISARM});
    apply(w, (struct choice){.kind = CHOICE_RECOVER});
    assert_int_equal(w->proc[0].state, SIM_RUNNING);
    assert_int_equal(w->proc[0].incarnation, 2);
    finish(w);
}

/* A life of which only its own batches tell, then one of which nothing tells. */
static void test_a_lost_super_block_keeps_the_process_down(void **state)
{
    (void)state;
    for (int batches = 0; batches < 2; batches++) {
        struct sim_world *w = start("log", 1);
        apply(w, (struct choice){.kind = CHOICE_CRASH});
        apply(w, (struct choice){.kind = CHOICE_LOSE_SUPER, .k = 3});
        apply(w, (struct choice){.kind = CHOICE_RECOVER});
        assert_int_equal(w->proc[0].incarnation, 2);
        if (batches > 0) {
            store(w);
            written(w, DISK_KEEPS);
        }
        crash_and_recover(w, KEEPS_NOTHING);
        assert_int_equal(w->proc[0].state, SIM_CRASHED);
        assert_non_null(strstr(refusal, batches > 0 ? "incarnation 1, and a batch of 2 is there"
                                                    : "nothing on it shows that"));
        finish(w);
    }
}

static void test_a_flipped_bit_is_refused_but_in_one_copy_of_the_super_block(void **state)
{
    (void)state;
    struct sim_world *w = start("log", 1);
    store(w);
    written(w, DISK_KEEPS);
    apply(w, (struct choice){.kind = CHOICE_FLIP, .k = SIM_DISK_SLOTS, .a = 30, .b = 2});
    crash_and_recover(w, KEEPS_NOTHING);
    assert_int_equal(w->proc[0].state, SIM_RUNNING);
    apply(w, (struct choice){.kind = CHOICE_FLIP, .k = 0, .a = 4096 + 77, .b = 2});
    crash_and_recover(w, KEEPS_NOTHING);
    assert_int_equal(w->proc[0].state, SIM_CRASHED);
    assert_non_null(strstr(refusal, "damaged"));
    finish(w);
}

static void test_a_frame_in_flight_may_reach_the_next_life(void **state)
{
    (void)state;
    struct sim_world *w = start("lpl", 2);
    struct choice c;
    assert_true(sim_world_request(w, 1, &c));
    c.q = 0;
    apply(w, c);
    assert_int_equal(w->sim.flights, 1);
    apply(w, (struct choice){.kind = CHOICE_CRASH});
    c = choice_frame(CHOICE_DELIVER, &w->sim, 0);
    assert_false(sim_world_apply(w, &c)); /* nobody is there */
    apply(w, (struct choice){.kind = CHOICE_RECOVER});
    assert_int_equal(w->sim.flights, 1);
    apply(w, c);
    finish(w);
}

/* ---- the sweep ------------------------------------------------------------------------------- */

static void sweep(struct sim_world *w, const char *stack, uint16_t n, uint32_t ops,
                  struct sweep_result *r)
{
    struct sim_job job = {.def = stack_find(stack), .n = n, .seed = 3, .ops = ops};
    assert_int_equal(sweep_run(w, &job, 0, NULL, r, why, sizeof why), 0);
    if (r->out.violated)
        fail_msg("%s: %s: %s", stack, r->out.result.code, r->out.result.witness);
    assert_true(r->points > 20 && r->bound == NULL && r->unfinished == 0);
    assert_true(r->whole + r->partial > 0);
}

static void test_the_sweep_finds_no_violation(void **state)
{
    (void)state;
    static const char *const stacks[] =
        {"log", "lpl", "lbeb", "lurb", "luc", "handover_cursor", "handover_redeliver"};
    struct sim_world *w = sim_world_new(pool);
    struct sweep_result r;
    for (size_t i = 0; i < sizeof stacks / sizeof stacks[0]; i++)
        sweep(w, stacks[i], 2, 1, &r);
    world_free(w);
}

/* The world of a log among one, in which a write is on its way. */
static struct disk_sim *write_under_way(struct sim_world *w)
{
    const struct sim_job job = {.def = stack_find("log"), .n = 1, .seed = 3, .ops = 4};
    struct choice c;
    assert_int_equal(sim_world_start(w, &job, why, sizeof why), 0);
    struct disk_sim *d = w->proc[0].disk;
    while (d->writes == 0)
        assert_true((sim_world_request(w, 0, &c) || sim_world_timed(w, &c)) &&
                    sim_world_apply(w, &c));
    return d;
}

/* Of a crash that names sectors these are on the medium, and none besides. */
static void test_a_crash_leaves_the_sectors_that_it_names(void **state)
{
    (void)state;
    struct sim_world *w = sim_world_new(pool);
    const size_t bytes = (size_t)SIM_DISK_SLOTS * write_under_way(w)->shape.segment_bytes;
    uint8_t *before = malloc(bytes);
    for (uint32_t k = 0; k < 32; k++) {
        struct disk_sim *d = write_under_way(w);
        const struct disk_sim_write *wr = &d->write[0];
        const uint32_t slot = wr->slot, sectors = wr->bytes / LOG_SECTOR_BYTES;
        const size_t at = (size_t)slot * d->shape.segment_bytes + wr->offset;
        const uint64_t all = (1ull << sectors) - 1,
                       mask = (k < 16 ? 1ull << k : ~(1ull << (k - 16))) & all;
        uint64_t there = 0;
        memcpy(before, d->image, bytes);
        const struct choice c = {.kind = CHOICE_CRASH, .a = KEEPS_CHOSEN + mask};
        assert_int_equal(d->writes, 1);
        assert_true(sectors <= 16 && sim_world_apply(w, &c));
        assert_int_equal(d->changes, sectors); /* each names its batch, whatever it holds */
        for (uint32_t i = 0; i < sectors; i++)
            if (memcmp(before + at + i * LOG_SECTOR_BYTES, d->image + at + i * LOG_SECTOR_BYTES,
                       LOG_SECTOR_BYTES) != 0)
                there |= 1ull << i;
        assert_int_equal(there, mask);
        memcpy(before + at, d->image + at, sectors * LOG_SECTOR_BYTES);
        assert_memory_equal(before, d->image, bytes);
    }
    free(before);
    world_free(w);
}

/* No two of them are equal; the first keeps nothing, and one all; each sector may be missing alone, or
 * be there alone. */
static void test_the_states_that_a_crash_leaves(void **state)
{
    (void)state;
    assert_int_equal(sim_disk_states(0), 1);
    assert_int_equal(sim_disk_states(SIM_DISK_SECTORS), 1 << SIM_DISK_SECTORS);
    assert_int_equal(sim_disk_states(SIM_DISK_SECTORS_MOST + 1), KEEPS);
    for (uint64_t k = 0; k < KEEPS; k++)
        assert_int_equal(sim_disk_state(SIM_DISK_SECTORS_MOST + 1, k), k);
    for (uint32_t n = 1; n <= SIM_DISK_SECTORS_MOST; n++) {
        const uint64_t all = (1ull << n) - 1, states = sim_disk_states(n);
        uint64_t kept[1 << SIM_DISK_SECTORS], cuts = 0, ones = 0;
        assert_in_range(states, n + 1, 1 << SIM_DISK_SECTORS);
        assert_int_equal(sim_disk_state(n, 0), KEEPS_NOTHING);
        kept[0] = 0;
        for (uint64_t k = 1; k < states; k++) {
            kept[k] = sim_disk_state(n, k) - KEEPS_CHOSEN;
            assert_in_range(kept[k], 1, all);
            for (uint64_t j = 0; j < k; j++)
                assert_true(kept[j] != kept[k]);
        }
        for (uint64_t k = 0; k < states; k++) {
            const uint64_t gone = all & ~kept[k];
            cuts += (kept[k] & (kept[k] + 1)) == 0 || (gone & (gone + 1)) == 0;
            ones += __builtin_popcountll(kept[k]) == 1 || __builtin_popcountll(gone) == 1;
        }
        assert_int_equal(cuts, 2 * n); /* nothing, all, up to, and behind, each between two */
        assert_int_equal(ones, n <= 2 ? 2 : 2 * n);
    }
}

/* Between the two copies of the super block all is let go of that is older. */
static void test_the_sweep_crashes_at_the_writes_of_a_checkpoint(void **state)
{
    (void)state;
    struct sim_world *w = sim_world_new(pool);
    struct sweep_result r;
    static const struct {
        const char *stack;
        uint16_t n;
        uint32_t ops;
    } jobs[] = {{"log", 1, 20}, {"lurb", 2, 5}, {"handover_redeliver", 2, 5}};
    for (size_t i = 0; i < sizeof jobs / sizeof jobs[0]; i++) {
        sweep(w, jobs[i].stack, jobs[i].n, jobs[i].ops, &r);
        assert_true(r.checkpoints > 0 && r.in_supers == 2 * r.checkpoints);
    }
    world_free(w);
}

static void test_a_sweep_says_that_its_measure_was_cut(void **state)
{
    (void)state;
    struct sim_world *w = sim_world_new(pool);
    struct sim_job job = {.def = stack_find("log"), .n = 1, .seed = 3, .ops = 10000};
    struct sweep_result r;
    assert_int_equal(sweep_run(w, &job, 1, NULL, &r, why, sizeof why), 0);
    assert_true(r.cut && r.bound != NULL);
    job.ops = 1;
    assert_int_equal(sweep_run(w, &job, 0, NULL, &r, why, sizeof why), 0);
    assert_true(!r.cut && r.bound == NULL);
    world_free(w);
}

/* A log that has its users store again and again in a second life, for longer than the first two tries
 * of a crash wait for it. */
static struct timer again;
static uint32_t restless;

static void restless_timeout(struct co *self, const struct ev *ev, uint32_t n)
{
    (void)ev, (void)n;
    if (restless == 0)
        return;
    restless--;
    trigger(self->st->app, ev_make(EV_LOG_COMPACT, 0, 0, 0, MSG_NONE));
    co_timer(self, &again, 1000000, 0);
}

static int restless_recover(struct co *self, char *text, size_t size)
{
    int err = log_device_class.recover(self, text, size);
    again = (struct timer){0};
    if (err == 0 && self->st->conf.incarnation > 1)
        co_timer(self, &again, 1000000, 0);
    return err;
}

static void test_a_sweep_says_what_did_not_come_to_rest(void **state)
{
    (void)state;
    co_upon_fn *const upon[EV_TYPES] = {[EV_LOG_STORE] = log_device_class.upon[EV_LOG_STORE],
                                        [EV_TIMER_TIMEOUT] = restless_timeout};
    struct co_class restless_class = log_device_class;
    restless_class.upon = upon;
    restless_class.recover = restless_recover;
    const struct stack_layer layers[] = {{"log", &restless_class, {NULL}}, {0}};
    const struct stack_def def = {.name = "restless_log", .top = "log", .layers = layers};
    struct sim_job job = {.def = &def, .n = 1, .seed = 1, .ops = 1};
    struct sim_world *w = sim_world_new(pool);
    struct sweep_result r;
    restless = 550000;
    assert_int_equal(sweep_run(w, &job, 0, NULL, &r, why, sizeof why), 0);
    assert_int_equal(restless, 0);
    assert_false(r.out.violated);
    assert_true(r.unfinished > 0);
    assert_int_equal(r.open.kind, CHOICE_CRASH);
    world_free(w);
}

/* A log that says Stored as soon as it is asked to store, and not when it has. */
static void hasty_poll(struct co *self)
{
    struct co *user = self->user[0];
    uint32_t tail = user->tail;
    log_device_class.poll(self);
    user->tail = tail;
    if (user->head == tail)
        self->st->ready &= ~user->bit;
}

static void hasty_store(struct co *self, const struct ev *ev, uint32_t n)
{
    log_device_class.upon[EV_LOG_STORE](self, ev, n);
    for (uint32_t i = 0; i < n; i++)
        trigger(self->st->port[ev[i].attr], ev_make(EV_LOG_STORED, 0, ev[i].inst, 0, MSG_NONE));
}

static void test_the_sweep_finds_an_acknowledgement_before_the_flush(void **state)
{
    (void)state;
    co_upon_fn *const upon[EV_TYPES] = {[EV_LOG_STORE] = hasty_store};
    struct co_class hasty = log_device_class;
    hasty.upon = upon;
    hasty.poll = hasty_poll;
    const struct stack_layer layers[] = {{"log", &hasty, {NULL}}, {0}};
    const struct stack_def def = {.name = "hasty_log", .top = "log", .layers = layers};
    struct sim_job job = {.def = &def, .n = 1, .seed = 1, .ops = 3};
    struct sim_world *w = sim_world_new(pool);
    struct sweep_result r;
    assert_int_equal(sweep_run(w, &job, 0, NULL, &r, why, sizeof why), 0);
    assert_true(r.out.violated);
    assert_string_equal(r.out.result.code, "LOG2");
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_life_has_another_incarnation),
        cmocka_unit_test(test_a_crash_keeps_any_sectors_of_what_was_under_way),
        cmocka_unit_test(test_a_write_that_fails_is_a_crash),
        cmocka_unit_test(test_a_loss_that_a_later_write_shows_is_refused),
        cmocka_unit_test(test_a_loss_that_nothing_shows_keeps_the_process_down),
        cmocka_unit_test(test_a_rule_keeps_a_life_from_beginning),
        cmocka_unit_test(test_a_lost_super_block_keeps_the_process_down),
        cmocka_unit_test(test_a_flipped_bit_is_refused_but_in_one_copy_of_the_super_block),
        cmocka_unit_test(test_a_frame_in_flight_may_reach_the_next_life),
        cmocka_unit_test(test_a_crash_leaves_the_sectors_that_it_names),
        cmocka_unit_test(test_the_sweep_finds_no_violation),
        cmocka_unit_test(test_the_states_that_a_crash_leaves),
        cmocka_unit_test(test_the_sweep_crashes_at_the_writes_of_a_checkpoint),
        cmocka_unit_test(test_a_sweep_says_that_its_measure_was_cut),
        cmocka_unit_test(test_a_sweep_says_what_did_not_come_to_rest),
        cmocka_unit_test(test_the_sweep_finds_an_acknowledgement_before_the_flush),
    };
    if (!worlds_start())
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
