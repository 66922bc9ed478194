/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Records and the judge: rings of several processes are merged in the order of time, nothing is
 * judged before everybody has come so far, what was not recorded is unknown, and a stack that runs
 * in simulated time is judged by the checkers from what its recorders wrote.
 */
#include <stdlib.h>

#include "control/judge.h"
#include "tests/unit/harness.h"

#define N       3
#define STEP_NS 1000

/* ---- records written by hand --------------------------------------------------------------------- */

struct desk {
    struct job job;
    struct record_plan plan;
    struct board *board;
    struct record_area *area;
    struct judge judge;
    struct verdict verdict;
    uint64_t next[N][RECORD_RINGS];
};

static struct desk desk;

static void open_desk(struct desk *d, const char *stack, const char *record, uint64_t capacity)
{
    char set[2][64], why[256];
    char *const sets[] = {set[0], set[1]};
    snprintf(set[0], sizeof set[0], "job.stack=%s", stack);
    snprintf(set[1], sizeof set[1], "job.record=%s", record);
    memset(d, 0, sizeof *d);
    assert_int_equal(job_read(&d->job, NULL, sets, 2, why, sizeof why), 0);
    assert_int_equal(job_check(&d->job, why, sizeof why), 0);
    record_plan(&d->plan, &d->job, false);
    for (uint32_t p = 0; p < N; p++)
        d->plan.border[p] = d->plan.border[p] > 0 ? capacity : 0;
    d->board = board_open_extra(N, 1, 1, 1, record_area_bytes(&d->plan, N), NULL);
    assert_non_null(d->board);
    d->area = record_area_of(d->board);
    record_area_init(d->area, &d->plan, N);
    assert_int_equal(judge_open(&d->judge, d->area, &d->job), 0);
    judge_start(&d->judge, 0);
    verdict_open(&d->verdict, d->job.top);
}

static void close_desk(struct desk *d)
{
    judge_close(&d->judge);
    board_close(d->board);
}

static void come_to(struct desk *d, uint16_t p, uint64_t time_ns)
{
    board_put(&d->area->row[p].seen_ns, time_ns);
}

static void put(struct desk *d, uint16_t p, enum ev_type type, uint16_t proc, uint64_t inst,
                uint64_t value, uint64_t time_ns)
{
    const enum record_ring k =
        ev_infos[type].abstraction == d->job.top->abstraction ? RECORD_BORDER : RECORD_RARE;
    struct record_row *row = &d->area->row[p];
    uint64_t head = d->next[p][k]++;
    record_ring(d->area, p, k)[head % row->capacity[k]] =
        (struct record){.time_ns = time_ns,
                        .digest = value * 0x9e3779b97f4a7c15u,
                        .inst = inst,
                        .number = (uint32_t)value,
                        .len = k == RECORD_BORDER ? 65 : 0,
                        .type = (uint8_t)type,
                        .proc = (uint8_t)proc};
    board_put(&row->head[k], head + 1);
    come_to(d, p, time_ns);
}

static const struct verdict_property *judged(struct desk *d, const char *code)
{
    for (uint32_t i = 0; i < d->verdict.properties; i++)
        if (strcmp(d->verdict.property[i].code, code) == 0)
            return &d->verdict.property[i];
    fail_msg("%s is not judged", code);
    return NULL;
}

static void finish(struct desk *d, bool fair)
{
    judge_drain(&d->judge, true);
    judge_end(&d->judge, fair, &d->verdict);
}

/* ---- merging ------------------------------------------------------------------------------------- */

/* p1's decision stands in a ring that is read after p2's, and was written before p0's proposal. */
static void rings_are_merged_in_the_order_of_time(void **state)
{
    (void)state;
    open_desk(&desk, "uc", "full", 64);
    put(&desk, 2, EV_UC_DECIDE, 0, 0, 7, 300);
    put(&desk, 1, EV_UC_DECIDE, 0, 0, 7, 200);
    put(&desk, 0, EV_UC_PROPOSE, 0, 0, 7, 100);
    put(&desk, 0, EV_UC_DECIDE, 0, 0, 7, 250);
    finish(&desk, true);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(desk.verdict.property[i].state, VERDICT_VALID);
        assert_int_equal(desk.verdict.property[i].judged_by, JUDGED_BY_CHECKER);
        assert_int_equal(desk.verdict.property[i].events, 4);
    }
    close_desk(&desk);
}

static void what_was_decided_before_it_was_proposed_is_found(void **state)
{
    (void)state;
    open_desk(&desk, "uc", "full", 64);
    put(&desk, 1, EV_UC_DECIDE, 0, 0, 7, 99);
    put(&desk, 0, EV_UC_PROPOSE, 0, 0, 7, 100);
    finish(&desk, false);
    assert_int_equal(judged(&desk, "UC2")->state, VERDICT_INVALID);
    assert_string_equal(judged(&desk, "UC2")->witness,
                        "p1 decided 7 in instance 0 (step 99), which nobody had proposed for it");
    close_desk(&desk);
}

static void nothing_is_judged_before_everybody_has_come_so_far(void **state)
{
    (void)state;
    open_desk(&desk, "uc", "full", 64);
    put(&desk, 1, EV_UC_DECIDE, 0, 0, 7, 200);
    come_to(&desk, 2, 1000);
    judge_drain(&desk.judge, false);
    assert_int_equal(desk.judge.events[ABS_UC], 0); /* p0 may still have proposed before */
    put(&desk, 0, EV_UC_PROPOSE, 0, 0, 7, 100);
    come_to(&desk, 0, 150);
    come_to(&desk, 1, 1000);
    judge_drain(&desk.judge, false);
    assert_int_equal(desk.judge.events[ABS_UC], 1);
    come_to(&desk, 0, 201);
    judge_drain(&desk.judge, false);
    assert_int_equal(desk.judge.events[ABS_UC], 2);
    finish(&desk, false);
    assert_int_equal(judged(&desk, "UC2")->state, VERDICT_VALID);
    close_desk(&desk);
}

static void who_crashed_is_not_waited_for(void **state)
{
    (void)state;
    open_desk(&desk, "uc", "full", 64);
    put(&desk, 0, EV_UC_PROPOSE, 0, 0, 7, 100);
    judge_watch(&desk.judge, desk.board);
    board_put(&desk.board->crashed, 1);
    judge_watch(&desk.judge, desk.board);
    put(&desk, 1, EV_UC_DECIDE, 0, 0, 7, 200);
    put(&desk, 2, EV_UC_DECIDE, 0, 0, 7, 300);
    come_to(&desk, 1, 400);
    come_to(&desk, 2, 400);
    judge_drain(&desk.judge, false);
    assert_int_equal(desk.judge.events[ABS_UC], 3);
    finish(&desk, true);
    assert_int_equal(judged(&desk, "UC1")->state, VERDICT_VALID); /* p0 owes nothing */
    close_desk(&desk);
}

static void put_life(struct desk *d, uint16_t p, uint64_t life, uint64_t time_ns)
{
    for (uint32_t k = 0; k < RECORD_RINGS; k++) {
        struct record_row *row = &d->area->row[p];
        record_ring(d->area, p, k)[d->next[p][k]++ % row->capacity[k]] =
            (struct record){.time_ns = time_ns, .type = EV_NONE, .digest = life};
        board_put(&row->head[k], d->next[p][k]);
    }
    come_to(d, p, time_ns);
}

/* uc knows no recovery: a further life may be told again of what the first had decided. */
static void a_further_life_is_told_from_the_first(void **state)
{
    (void)state;
    open_desk(&desk, "uc", "full", 64);
    put(&desk, 0, EV_UC_PROPOSE, 0, 0, 7, 100);
    put(&desk, 1, EV_UC_DECIDE, 0, 0, 7, 200);
    for (uint64_t life = 0; life < 2; life++) {
        put_life(&desk, 1, 2 + life, 300 + 100 * life);
        put(&desk, 1, EV_UC_DECIDE, 0, 0, 7, 350 + 100 * life);
    }
    put(&desk, 0, EV_UC_DECIDE, 0, 0, 7, 500);
    put(&desk, 2, EV_UC_DECIDE, 0, 0, 7, 500);
    finish(&desk, true);
    assert_int_equal(judged(&desk, "UC3")->state, VERDICT_VALID);
    assert_int_equal(judged(&desk, "UC1")->state, VERDICT_VALID);
    close_desk(&desk);
}

/* What a life is told in its first breath has the stamp of its beginning, which both rings tell of:
 * the border's is read before the other one here, since it has an earlier event. */
static void a_further_life_begins_before_what_it_is_told_at_once(void **state)
{
    (void)state;
    open_desk(&desk, "uc", "full", 64);
    put(&desk, 0, EV_UC_PROPOSE, 0, 0, 7, 100);
    put(&desk, 1, EV_UC_DECIDE, 0, 0, 7, 200);
    put_life(&desk, 1, 2, 300);
    put(&desk, 1, EV_UC_DECIDE, 0, 0, 7, 300);
    put(&desk, 0, EV_UC_DECIDE, 0, 0, 7, 500);
    put(&desk, 2, EV_UC_DECIDE, 0, 0, 7, 500);
    finish(&desk, true);
    assert_int_equal(judged(&desk, "UC3")->state, VERDICT_VALID);
    close_desk(&desk);
}

/* The OS process of a process was killed; the next one goes on in its rings. */
static void a_recorder_goes_on_where_the_one_before_was_killed(void **state)
{
    static struct recorder r;
    (void)state;
    open_desk(&desk, "uc", "full", 4);
    struct record_row *row = &desk.area->row[1];
    recorder_init(&r, desk.area, 1);
    assert_int_equal(r.head[RECORD_BORDER] + r.next[RECORD_BORDER], 0);
    board_put(&row->head[RECORD_BORDER], 7);
    board_put(&row->tail[RECORD_BORDER], 5);
    board_put(&row->lost_ns[RECORD_RARE], 900);
    recorder_init(&r, desk.area, 1);
    assert_int_equal(r.head[RECORD_BORDER], 7);
    assert_int_equal(r.next[RECORD_BORDER], 7 % 4);
    assert_int_equal(r.tail[RECORD_BORDER], 5);
    assert_false(r.ended[RECORD_BORDER]);
    assert_true(r.ended[RECORD_RARE]); /* a ring that ended has ended for good */
    close_desk(&desk);
}

static void a_ring_is_used_again_once_it_was_read(void **state)
{
    (void)state;
    open_desk(&desk, "uc", "full", 4);
    for (uint64_t i = 0; i < 100; i++) {
        put(&desk, 0, EV_UC_PROPOSE, 0, i, i, 1000 * i + 1);
        for (uint16_t p = 0; p < N; p++)
            put(&desk, p, EV_UC_DECIDE, 0, i, i, 1000 * i + 2 + p);
        for (uint16_t p = 0; p < N; p++)
            come_to(&desk, p, 1000 * i + 10);
        judge_drain(&desk.judge, false);
        for (uint16_t p = 0; p < N; p++)
            assert_int_equal(board_get(&desk.area->row[p].tail[RECORD_BORDER]),
                             desk.next[p][RECORD_BORDER]);
    }
    finish(&desk, true);
    assert_int_equal(judged(&desk, "UC1")->events, 400);
    assert_int_equal(desk.verdict.state, VERDICT_VALID);
    close_desk(&desk);
}

/* ---- what an end means ----------------------------------------------------------------------------- */

static void one_lacks_a_message(struct desk *d, bool fair)
{
    open_desk(d, "urb", "full", 64);
    put(d, 0, EV_URB_BROADCAST, 0, 0, 7, 100);
    put(d, 0, EV_URB_DELIVER, 0, 0, 7, 200);
    put(d, 1, EV_URB_DELIVER, 0, 0, 7, 200);
    finish(d, fair);
}

static void URB4_what_one_lacks_is_unknown_unless_the_end_was_fair(void **state)
{
    (void)state;
    one_lacks_a_message(&desk, false);
    assert_int_equal(judged(&desk, "URB4")->state, VERDICT_UNKNOWN);
    assert_int_equal(desk.verdict.state, VERDICT_UNKNOWN);
    close_desk(&desk);
    one_lacks_a_message(&desk, true);
    assert_int_equal(judged(&desk, "URB4")->state, VERDICT_INVALID);
    assert_int_equal(judged(&desk, "URB3")->state, VERDICT_VALID);
    assert_int_equal(desk.verdict.state, VERDICT_INVALID);
    close_desk(&desk);
}

static void PFD1_a_crash_that_was_not_detected_is_unknown_and_no_more(void **state)
{
    (void)state;
    open_desk(&desk, "urb_all_ack", "full", 64);
    come_to(&desk, 2, 100);
    judge_watch(&desk.judge, desk.board);
    board_put(&desk.board->crashed, 1u << 2);
    judge_watch(&desk.judge, desk.board);
    put(&desk, 0, EV_P_CRASH, 2, 0, 0, 5000);
    finish(&desk, true);
    assert_int_equal(judged(&desk, "PFD1")->state, VERDICT_UNKNOWN);
    assert_int_equal(judged(&desk, "PFD2")->state, VERDICT_VALID);
    assert_true(judged(&desk, "PFD1")->aside);
    assert_int_equal(desk.verdict.state, VERDICT_VALID); /* the top owes nothing */
    close_desk(&desk);
}

static void PFD2_a_false_detection_is_a_violation(void **state)
{
    (void)state;
    open_desk(&desk, "urb_all_ack", "full", 64);
    put(&desk, 0, EV_P_CRASH, 2, 0, 0, 5000);
    finish(&desk, true);
    assert_int_equal(judged(&desk, "PFD2")->state, VERDICT_INVALID);
    assert_int_equal(desk.verdict.state, VERDICT_INVALID);
    close_desk(&desk);
}

/* ---- what was not recorded -------------------------------------------------------------------------- */

/* p1's ring was full at 250: what p0 and p2 said later is not judged either. */
static void cut_short(struct desk *d, const char *record, uint64_t twice_at)
{
    open_desk(d, "uc", record, 64);
    put(d, 0, EV_UC_PROPOSE, 0, 0, 7, 100);
    put(d, 0, EV_UC_DECIDE, 0, 0, 7, 200);
    put(d, 0, EV_UC_DECIDE, 0, 0, 7, twice_at);
    board_put(&d->area->row[1].lost_ns[RECORD_BORDER], 250);
    finish(d, true);
}

static void what_was_not_recorded_is_unknown_and_said(void **state)
{
    (void)state;
    cut_short(&desk, "full", 300);
    for (int i = 1; i <= 4; i++) {
        char code[4] = {'U', 'C', (char)('0' + i), '\0'};
        assert_int_equal(judged(&desk, code)->state, VERDICT_UNKNOWN);
        assert_int_equal(judged(&desk, code)->covered_ns, 250);
        assert_non_null(strstr(judged(&desk, code)->witness, "until 0.000000 s"));
    }
    assert_int_equal(judged(&desk, "UC3")->events, 2);
    assert_int_equal(desk.verdict.state, VERDICT_UNKNOWN);
    close_desk(&desk);
}

static void what_is_violated_before_records_end_is_violated(void **state)
{
    (void)state;
    cut_short(&desk, "full", 201);
    assert_int_equal(judged(&desk, "UC3")->state, VERDICT_INVALID);
    assert_int_equal(judged(&desk, "UC4")->state, VERDICT_UNKNOWN);
    close_desk(&desk);
}

static void checkers_remember_within_a_bound(void **state)
{
    (void)state;
    open_desk(&desk, "uc", "full", 64);
    desk.judge.events_max = 2;
    put(&desk, 0, EV_UC_PROPOSE, 0, 0, 7, 100);
    put(&desk, 0, EV_UC_DECIDE, 0, 0, 7, 200);
    put(&desk, 0, EV_UC_DECIDE, 0, 0, 7, 300);
    finish(&desk, true);
    assert_int_equal(judged(&desk, "UC3")->state, VERDICT_UNKNOWN);
    assert_int_equal(judged(&desk, "UC3")->events, 2);
    assert_int_equal(judged(&desk, "UC3")->covered_ns, 300);
    close_desk(&desk);
}

static void digests_stand_where_records_end_unless_they_were_demanded(void **state)
{
    (void)state;
    cut_short(&desk, "auto", 300);
    assert_int_equal(judged(&desk, "UC3")->state, VERDICT_VALID);
    assert_int_equal(judged(&desk, "UC3")->judged_by, JUDGED_BY_DIGEST);
    assert_int_equal(judged(&desk, "UC3")->covered_ns, 250);
    close_desk(&desk);
}

/* ---- recorders --------------------------------------------------------------------------------------- */

struct scene {
    struct desk desk;
    struct sim sim;
    struct stack *st[N];
    struct recorder recorder[N];
    unsigned pool_full;
};

static bool dear; /* a breath may begin with the time of an earlier one */

static void open_scene(struct scene *s, const char *stack, enum load_plant plant, uint64_t capacity)
{
    open_desk(&s->desk, stack, "full", capacity);
    s->pool_full = rte_mempool_avail_count(harness_pool());
    assert_int_equal(sim_init(&s->sim, N, harness_pool()), 0);
    s->desk.board->from_ns = 1000000;
    board_put(&s->desk.board->end_ns, 3000000);
    const struct load_conf conf = {.top = s->desk.job.top,
                                   .board = s->desk.board,
                                   .seed = 42,
                                   .size = 64,
                                   .sources = 7,
                                   .interval_ns = 10000,
                                   .start_ns = 500000,
                                   .plant = plant};
    for (uint16_t p = 0; p < N; p++) {
        struct stack_conf c = s->desk.job.conf;
        s->sim.env[p].env.clock_dear = dear;
        c.self = p;
        void *mem = aligned_alloc(64, co_wire_bytes(s->desk.job.def, &load_class, &c));
        s->st[p] = co_wire(mem, s->desk.job.def, &load_class, &c, &s->sim.env[p].env);
        recorder_init(&s->recorder[p], s->desk.area, p);
        recorder_listen(&s->recorder[p], s->st[p]);
        load_attach(s->st[p], &conf);
    }
}

static void play(struct scene *s, bool judge_meanwhile)
{
    for (int i = 0; i < 6000; i++) {
        for (uint16_t p = 0; p < N; p++) {
            s->sim.env[p].now_ns += STEP_NS;
            co_breath(s->st[p]);
        }
        while (s->sim.flights > 0)
            sim_deliver(&s->sim, 0);
        if (judge_meanwhile && i % 50 == 0)
            judge_drain(&s->desk.judge, false);
    }
}

static void close_scene(struct scene *s)
{
    for (uint16_t p = 0; p < N; p++) {
        stack_fini(s->st[p]);
        free(s->st[p]);
    }
    sim_fini(&s->sim);
    assert_int_equal(rte_mempool_avail_count(harness_pool()), s->pool_full);
    close_desk(&s->desk);
}

static struct scene scene;

static void a_run_is_judged_from_every_event_at_its_border(void **state)
{
    (void)state;
    for (int meanwhile = 0; meanwhile < 2; meanwhile++) {
        open_scene(&scene, "urb", LOAD_PLANT_NONE, 4096);
        play(&scene, meanwhile);
        finish(&scene.desk, true);
        uint64_t issued = 0, delivered = 0;
        for (uint16_t p = 0; p < N; p++) {
            issued += board_get(&board_row(scene.desk.board, p)->issued);
            delivered += board_get(&board_row(scene.desk.board, p)->delivered);
        }
        assert_true(issued > 700);
        assert_int_equal(delivered, N * issued);
        assert_int_equal(judged(&scene.desk, "URB4")->events, issued + delivered);
        assert_int_equal(scene.desk.verdict.state, VERDICT_VALID);
        close_scene(&scene);
    }
}

static void causes_come_first_where_breaths_save_their_clock(void **state)
{
    (void)state;
    dear = true;
    open_scene(&scene, "urb", LOAD_PLANT_NONE, 4096);
    dear = false;
    play(&scene, true);
    finish(&scene.desk, true);
    assert_int_equal(judged(&scene.desk, "URB3")->state, VERDICT_VALID);
    assert_int_equal(scene.desk.verdict.state, VERDICT_VALID);
    close_scene(&scene);
}

static void detectors_and_leaders_are_recorded_from_their_first_indication_on(void **state)
{
    (void)state;
    open_scene(&scene, "uc", LOAD_PLANT_NONE, 4096);
    play(&scene, false);
    finish(&scene.desk, true);
    assert_int_equal(judged(&scene.desk, "ELD1")->events, N); /* each trusts p0, once */
    assert_int_equal(scene.desk.judge.rare[0].type, EV_OMEGA_TRUST);
    assert_int_equal(scene.desk.verdict.state, VERDICT_VALID);
    close_scene(&scene);
}

static void a_ring_that_is_too_small_ends_where_it_says(void **state)
{
    (void)state;
    open_scene(&scene, "urb", LOAD_PLANT_NONE, 100);
    play(&scene, false);
    finish(&scene.desk, true);
    const struct verdict_property *urb4 = judged(&scene.desk, "URB4");
    assert_int_equal(urb4->state, VERDICT_UNKNOWN);
    assert_in_range(urb4->events, 1, N * 100);
    assert_in_range(urb4->covered_ns, 500000, 3000000);
    close_scene(&scene);
}

static void what_is_planted_is_what_the_stack_did(void **state)
{
    static const struct {
        enum load_plant plant;
        const char *code;
    } cases[] = {{LOAD_PLANT_ALTER, "URB3"},
                 {LOAD_PLANT_REPEAT, "URB2"},
                 {LOAD_PLANT_LOSE, "URB4"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        open_scene(&scene, "urb", cases[i].plant, 4096);
        play(&scene, false);
        finish(&scene.desk, true);
        assert_int_equal(judged(&scene.desk, cases[i].code)->state, VERDICT_INVALID);
        assert_non_null(strstr(judged(&scene.desk, cases[i].code)->witness, " 100 "));
        close_scene(&scene);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(rings_are_merged_in_the_order_of_time),
    cmocka_unit_test(what_was_decided_before_it_was_proposed_is_found),
    cmocka_unit_test(nothing_is_judged_before_everybody_has_come_so_far),
    cmocka_unit_test(who_crashed_is_not_waited_for),
    cmocka_unit_test(a_further_life_is_told_from_the_first),
    cmocka_unit_test(a_further_life_begins_before_what_it_is_told_at_once),
    cmocka_unit_test(a_recorder_goes_on_where_the_one_before_was_killed),
    cmocka_unit_test(a_ring_is_used_again_once_it_was_read),
    cmocka_unit_test(URB4_what_one_lacks_is_unknown_unless_the_end_was_fair),
    cmocka_unit_test(PFD1_a_crash_that_was_not_detected_is_unknown_and_no_more),
    cmocka_unit_test(PFD2_a_false_detection_is_a_violation),
    cmocka_unit_test(what_was_not_recorded_is_unknown_and_said),
    cmocka_unit_test(what_is_violated_before_records_end_is_violated),
    cmocka_unit_test(checkers_remember_within_a_bound),
    cmocka_unit_test(digests_stand_where_records_end_unless_they_were_demanded),
    cmocka_unit_test(a_run_is_judged_from_every_event_at_its_border),
    cmocka_unit_test(causes_come_first_where_breaths_save_their_clock),
    cmocka_unit_test(detectors_and_leaders_are_recorded_from_their_first_indication_on),
    cmocka_unit_test(a_ring_that_is_too_small_ends_where_it_says),
    cmocka_unit_test(what_is_planted_is_what_the_stack_did),
};

HARNESS_MAIN(tests)
