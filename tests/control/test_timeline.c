/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The timeline, of runs written by hand: what a fault did is found in the records and cells, and
 * what it did not come to is not made up.
 */
#include <stdlib.h>
#include <unistd.h>

#include "control/timeline.h"
#include "tests/unit/harness.h"

#define N     3
#define START 5000000000ull
#define MS    1000000ull

struct desk {
    char folder[64];
    struct job job;
    struct record_plan plan;
    struct board *board;
    struct record_area *area;
    struct judge judge;
    struct timeline timeline;
    FILE *events;
};

static struct desk desk;

static void open_desk(struct desk *d)
{
    char set[] = "job.duration=1s", warm[] = "job.warmup=0s", why[256], path[128];
    char *const sets[] = {set, warm};
    memset(d, 0, sizeof *d);
    assert_int_equal(job_read(&d->job, NULL, sets, 2, why, sizeof why), 0);
    assert_int_equal(job_check(&d->job, why, sizeof why), 0);
    record_plan(&d->plan, &d->job, false);
    for (uint32_t p = 0; p < N; p++)
        d->plan.border[p] = 64;
    d->board = board_open_extra(N, 1, 1, 1, record_area_bytes(&d->plan, N), NULL);
    assert_non_null(d->board);
    d->area = record_area_of(d->board);
    record_area_init(d->area, &d->plan, N);
    assert_int_equal(judge_open(&d->judge, d->area, &d->job), 0);
    judge_start(&d->judge, START);
    board_put(&d->board->end_ns, START + 1000 * MS);
    snprintf(d->folder, sizeof d->folder, "/tmp/upon-timeline-XXXXXX");
    assert_non_null(mkdtemp(d->folder));
    snprintf(path, sizeof path, "%s/events.ndjson", d->folder);
    d->events = fopen(path, "w");
    assert_non_null(d->events);
    fprintf(d->events, "{\"schema\":\"upon.events/1\",\"start_ns\":%llu}\n", START);
}

static void remove_file(const struct desk *d, const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", d->folder, name);
    unlink(path);
}

static void close_desk(struct desk *d)
{
    remove_file(d, "events.ndjson");
    remove_file(d, "timeline.csv");
    remove_file(d, "timeline.svg");
    assert_int_equal(rmdir(d->folder), 0);
    judge_close(&d->judge);
    board_close(d->board);
}

static void event(struct desk *d, int id, const char *what, const char *edge, int p, uint64_t ms)
{
    fprintf(d->events,
            "{\"id\":%d,\"by\":\"script\",\"what\":\"%s\",\"edge\":\"%s\",\"process\":%d,"
            "\"effect_ns\":%llu,\"result\":\"ok\"}\n",
            id, what, edge, p, (unsigned long long)(ms * MS));
}

static void rare(struct desk *d, uint16_t p, enum ev_type type, uint16_t whom, uint64_t ms)
{
    struct record_row *row = &d->area->row[p];
    uint64_t head = board_get(&row->head[RECORD_RARE]);
    record_ring(d->area, p, RECORD_RARE)[head] =
        (struct record){.time_ns = START + ms * MS, .type = (uint8_t)type, .proc = (uint8_t)whom};
    board_put(&row->head[RECORD_RARE], head + 1);
}

/* p delivers once a millisecond in [from, until). */
static void deliver(struct desk *d, uint16_t p, uint64_t from_ms, uint64_t until_ms)
{
    const struct cells c = {record_cells(d->area, p), START, d->area->cell_ns, d->area->cells};
    for (uint64_t ms = from_ms; ms < until_ms; ms++) {
        struct cell *at = cells_at(&c, START + ms * MS);
        assert_non_null(at);
        cell_deliver(at, START + ms * MS, 1);
        if (p == 1)
            cell_complete(at, 1000 * (1 + ms % 10));
    }
}

static const struct timeline *make(struct desk *d)
{
    fclose(d->events);
    judge_drain(&d->judge, true);
    timeline_make(&d->timeline, &d->job, d->board, &d->judge, d->folder);
    return &d->timeline;
}

static void trust_p0(struct desk *d)
{
    for (uint16_t p = 0; p < N; p++)
        rare(d, p, EV_OMEGA_TRUST, 0, 0);
}

/* ---- a leader crashes -------------------------------------------------------------------------- */

static void leader_crashes(struct desk *d)
{
    trust_p0(d);
    event(d, 1, "crash 0", "begin", 0, 400);
    rare(d, 1, EV_EPFD_SUSPECT, 0, 510);
    rare(d, 2, EV_EPFD_SUSPECT, 0, 505);
    rare(d, 1, EV_OMEGA_TRUST, 1, 511);
    rare(d, 2, EV_OMEGA_TRUST, 1, 506);
    deliver(d, 0, 0, 400);
    for (uint16_t p = 1; p < N; p++) {
        deliver(d, p, 0, 399);
        deliver(d, p, 520 + p, 1000);
    }
}

static void the_crash_of_a_leader_is_told_from_its_detection_to_the_next_decision(void **state)
{
    (void)state;
    open_desk(&desk);
    leader_crashes(&desk);
    const struct timeline *t = make(&desk);
    assert_int_equal(t->faults, 1);
    const struct timeline_fault *f = &t->fault[0];
    assert_string_equal(f->what, "crash 0");
    assert_int_equal(f->begin_ns, 400 * MS);
    assert_int_equal(f->end_ns, TIMELINE_NEVER);
    assert_int_equal(f->detect_first_ns, 105 * MS);
    assert_int_equal(f->detect_last_ns, 110 * MS);
    assert_int_equal(f->leader, 1);
    assert_int_equal(f->leader_ns, 111 * MS);
    assert_int_equal(f->decision_ns, 121 * MS);
    assert_int_equal(f->gap_ns, (522 - 398) * MS);
    assert_int_equal(f->gap_at, 2);
    close_desk(&desk);
}

static void the_crash_of_another_changes_no_leader(void **state)
{
    (void)state;
    open_desk(&desk);
    trust_p0(&desk);
    event(&desk, 1, "crash 2", "begin", 2, 400);
    rare(&desk, 0, EV_EPFD_SUSPECT, 2, 500);
    for (uint16_t p = 0; p < N; p++)
        deliver(&desk, p, 0, p == 2 ? 400 : 1000);
    const struct timeline_fault *f = &make(&desk)->fault[0];
    assert_false(f->leads);
    assert_int_equal(f->detect_first_ns, 100 * MS);
    assert_int_equal(f->detect_last_ns, TIMELINE_NEVER); /* p1 did not come to it */
    assert_in_range(f->gap_ns, 1, 2 * MS);
    close_desk(&desk);
}

/* The last process crashes: nobody is left who could suspect it, or trust another. */
static void of_the_last_crash_nothing_is_made_up(void **state)
{
    (void)state;
    open_desk(&desk);
    trust_p0(&desk);
    for (int p = 1; p <= N; p++) {
        char what[16];
        snprintf(what, sizeof what, "crash %d", p % N);
        event(&desk, p, what, "begin", p % N, 300 + 100 * (uint64_t)p);
    }
    for (uint16_t p = 0; p < N; p++)
        deliver(&desk, p, 0, 400);
    const struct timeline *t = make(&desk);
    assert_int_equal(t->faults, 3);
    assert_string_equal(t->fault[2].what, "crash 0");
    assert_true(t->fault[2].detect_first_ns == TIMELINE_NEVER);
    assert_true(t->fault[2].detect_last_ns == TIMELINE_NEVER);
    assert_true(t->fault[2].leader_ns == TIMELINE_NEVER);
    assert_true(t->fault[2].decision_ns == TIMELINE_NEVER);
    close_desk(&desk);
}

static void a_process_that_dies_unasked_is_a_crash(void **state)
{
    (void)state;
    open_desk(&desk);
    for (uint16_t p = 0; p < N; p++)
        deliver(&desk, p, 0, p == 2 ? 400 : 1000);
    judge_crash(&desk.judge, 2, START + 400 * MS);
    const struct timeline *t = make(&desk);
    assert_int_equal(t->faults, 1);
    assert_string_equal(t->fault[0].what, "crash 2");
    assert_int_equal(t->fault[0].begin_ns, 400 * MS);
    close_desk(&desk);
}

/* ---- other faults ------------------------------------------------------------------------------ */

static void effects_belong_to_the_last_fault_before_them(void **state)
{
    (void)state;
    open_desk(&desk);
    event(&desk, 1, "loss 10% 0->1", "begin", 0, 100);
    event(&desk, 1, "loss 10% 0->1", "end", 0, 200);
    event(&desk, 2, "pause 2", "begin", 2, 500);
    event(&desk, 2, "pause 2", "end", 2, 700);
    rare(&desk, 0, EV_EPFD_SUSPECT, 2, 650);
    rare(&desk, 1, EV_EPFD_SUSPECT, 2, 660);
    for (uint16_t p = 0; p < 2; p++)
        deliver(&desk, p, 0, 1000);
    deliver(&desk, 2, 0, 500);
    deliver(&desk, 2, 700, 1000);
    const struct timeline *t = make(&desk);
    assert_int_equal(t->faults, 2);
    assert_int_equal(t->fault[0].end_ns, 200 * MS);
    assert_int_equal(t->fault[0].detect_first_ns, TIMELINE_NEVER);
    assert_int_equal(t->fault[1].detect_first_ns, 150 * MS);
    assert_int_equal(t->fault[1].detect_last_ns, 160 * MS);
    assert_in_range(t->fault[1].gap_ns, 1, 2 * MS); /* who is paused is not waited for */
    close_desk(&desk);
}

/* p0 led, and is cut off: the others suspect it, and go on under p1. */
static void a_partition_is_told_as_the_loss_of_the_side_without_a_majority(void **state)
{
    static const char *const cuts[] = {"partition 0|1,2", "partition 1,2|0", "isolate 0",
                                       "oneway 0>1,2"};
    (void)state;
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        open_desk(&desk);
        trust_p0(&desk);
        for (int p = 0; p < N; p++)
            event(&desk, 1, cuts[i], "begin", p, 400);
        if (i % 2 == 0)
            event(&desk, 1, cuts[i], "end", 0, 700);
        else
            event(&desk, 2, "clear", "begin", 0, 700); /* by hand: of all that holds */
        rare(&desk, 0, EV_EPFD_SUSPECT, 1, 490);       /* what the minority thinks is not told */
        rare(&desk, 1, EV_EPFD_SUSPECT, 0, 510);
        rare(&desk, 2, EV_EPFD_SUSPECT, 0, 505);
        rare(&desk, 1, EV_OMEGA_TRUST, 1, 511);
        rare(&desk, 2, EV_OMEGA_TRUST, 1, 506);
        deliver(&desk, 0, 0, 400);
        deliver(&desk, 0, 800, 1000);
        for (uint16_t p = 1; p < N; p++) {
            deliver(&desk, p, 0, 399);
            deliver(&desk, p, 520, 1000);
        }
        const struct timeline_fault *f = &make(&desk)->fault[0];
        assert_int_equal(f->procs, 1);
        assert_int_equal(f->end_ns, 700 * MS);
        assert_int_equal(f->detect_first_ns, 105 * MS);
        assert_int_equal(f->detect_last_ns, 110 * MS);
        assert_int_equal(f->leader, 1);
        assert_int_equal(f->leader_ns, 111 * MS);
        assert_int_equal(f->gap_ns, (520 - 398) * MS);
        close_desk(&desk);
    }
}

static void who_recovered_is_waited_for_again(void **state)
{
    (void)state;
    open_desk(&desk);
    event(&desk, 1, "crash 2", "begin", 2, 100);
    event(&desk, 2, "recover 2", "begin", 2, 200);
    event(&desk, 3, "loss 0->2", "begin", 0, 500);
    event(&desk, 3, "loss 0->2", "begin", 2, 501);
    event(&desk, 3, "loss 0->2", "end", 0, 800);
    deliver(&desk, 0, 0, 1000);
    deliver(&desk, 1, 0, 1000);
    deliver(&desk, 2, 0, 100);
    deliver(&desk, 2, 200, 500);
    deliver(&desk, 2, 810, 1000);
    const struct timeline *t = make(&desk);
    assert_int_equal(t->faults, 3);
    assert_int_equal(t->fault[2].begin_ns, 500 * MS);
    assert_int_equal(t->fault[2].gap_ns, (810 - 499) * MS);
    assert_int_equal(t->fault[2].gap_at, 2);
    close_desk(&desk);
}

static void lines_that_are_no_events_are_passed_over(void **state)
{
    (void)state;
    open_desk(&desk);
    fputs("no object\n[1,2]\n{\"id\":1}\n{\"id\":1,\"what\":5,\"effect_ns\":1}\n", desk.events);
    event(&desk, 4, "crash 9", "begin", 9, 100);
    fputs("{\"id\":5,\"what\":\"crash 1\",\"edge\":\"begin\",\"process\":1,\"effect_ns\":null}\n",
          desk.events);
    fputs("{\"id\":6,\"what\":\"crash 1\"", desk.events);
    assert_int_equal(make(&desk)->faults, 0);
    close_desk(&desk);
}

static void operations_that_came_again_or_not_at_all_are_counted(void **state)
{
    (void)state;
    open_desk(&desk);
    board_put(&board_row(desk.board, 0)->issued, 10);
    board_put(&board_source(desk.board, 0, 0)->delivered, 10);
    board_put(&board_source(desk.board, 1, 0)->delivered, 7);
    board_put(&board_source(desk.board, 2, 0)->delivered, 10);
    board_put(&board_row(desk.board, 2)->fault[BOARD_DUPLICATION], 2);
    const struct timeline *t = make(&desk);
    assert_int_equal(t->lost, 3);
    assert_int_equal(t->repeated, 2);
    close_desk(&desk);
}

/* ---- what is written ------------------------------------------------------------------------------ */

static char *slurp(const struct desk *d, const char *name)
{
    static char text[1 << 18];
    char path[128];
    snprintf(path, sizeof path, "%s/%s", d->folder, name);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    return text;
}

static void the_table_has_a_row_for_each_cell_and_names_the_faults(void **state)
{
    char why[256];
    (void)state;
    open_desk(&desk);
    leader_crashes(&desk);
    assert_int_equal(timeline_write(make(&desk), desk.folder, why, sizeof why), 0);
    const char *csv = slurp(&desk, "timeline.csv");
    uint32_t lines = 0;
    for (const char *c = csv; *c != '\0'; c++)
        lines += *c == '\n';
    assert_int_equal(lines, 1 + 100);
    assert_non_null(strstr(csv, "time_s,delivered_per_s,p50_ns,p99_ns,max_ns,p0,p1,p2,faults\n"));
    /* Ten completions from 1 to 10 us: too few for a percentile, in slots of an eighth. */
    assert_non_null(strstr(csv, "\n0.100,1000,,,10239,10,10,10,\n"));
    assert_non_null(strstr(csv, "\n0.400,0,,,,0,0,0,\"crash 0\"\n"));
    const char *svg = slurp(&desk, "timeline.svg");
    assert_non_null(strstr(svg, "<title>crash 0</title>"));
    assert_non_null(strstr(svg, "</svg>\n"));
    close_desk(&desk);
}

static void a_run_without_faults_has_no_timeline_on_the_page(void **state)
{
    char page[256] = "";
    (void)state;
    open_desk(&desk);
    deliver(&desk, 0, 0, 1000);
    FILE *out = fmemopen(page, sizeof page, "w");
    timeline_report(out, make(&desk));
    fclose(out);
    assert_string_equal(page, "");
    close_desk(&desk);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(the_crash_of_a_leader_is_told_from_its_detection_to_the_next_decision),
    cmocka_unit_test(the_crash_of_another_changes_no_leader),
    cmocka_unit_test(of_the_last_crash_nothing_is_made_up),
    cmocka_unit_test(a_process_that_dies_unasked_is_a_crash),
    cmocka_unit_test(effects_belong_to_the_last_fault_before_them),
    cmocka_unit_test(a_partition_is_told_as_the_loss_of_the_side_without_a_majority),
    cmocka_unit_test(who_recovered_is_waited_for_again),
    cmocka_unit_test(lines_that_are_no_events_are_passed_over),
    cmocka_unit_test(operations_that_came_again_or_not_at_all_are_counted),
    cmocka_unit_test(the_table_has_a_row_for_each_cell_and_names_the_faults),
    cmocka_unit_test(a_run_without_faults_has_no_timeline_on_the_page),
};

HARNESS_MAIN(tests)
