/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Processes over real logs, in simulated time: what they are in another life, and in another OS
 * process that shares nothing with the former one but the board and the logs.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "control/host.h"
#include "control/storage.h"
#include "tests/unit/harness.h"

#define N          3
#define STEP_NS    10000
#define PATIENCE_S 30 /* for the disk of this machine: no measure of anything */

struct scene {
    char dir[32];
    struct job job;
    struct board *board;
    struct sim sim;
    struct host host;
};

static struct scene s;

/* ---- a fabric of simulated environments -------------------------------------------------------- */

int __wrap_fabric_open(struct fabric **f, const struct fabric_conf *conf, char *why,
                       size_t why_size);
struct env *__wrap_fabric_env(struct fabric *f, uint16_t rank);

int __wrap_fabric_open(struct fabric **f, const struct fabric_conf *conf, char *why,
                       size_t why_size)
{
    (void)f, (void)conf, (void)why, (void)why_size;
    return 0;
}

struct env *__wrap_fabric_env(struct fabric *f, uint16_t rank)
{
    (void)f;
    return &s.sim.env[rank].env;
}

/* ---- a run ------------------------------------------------------------------------------------- */

/* The OS process that runs all of them. */
static void begin_host(void)
{
    char why[512];
    const struct placement place = {.n = N, .lcores = 1};
    host_init(&s.host, &s.job, &place);
    s.host.board = s.board;
    if (host_open(&s.host, NULL, why, sizeof why) != 0)
        fail_msg("%s", why);
}

/* It is killed. */
static void end_host(void)
{
    for (uint16_t p = 0; p < N; p++) {
        process_fini(&s.host.process[p]);
        host_crash(&s.host, p);
    }
    while (s.sim.flights > 0)
        sim_drop(&s.sim, 0);
    host_free(&s.host);
}

static int attach(char *why, size_t size)
{
    why[0] = '\0';
    return host_attach(&s.host, 1000000, why, size);
}

static void open_scene(const char *stack, uint32_t ledger)
{
    char set[4][64], why[512];
    char *const sets[] = {set[0], set[1], set[2], set[3]};
    memset(&s, 0, sizeof s);
    strcpy(s.dir, "test-host-XXXXXX");
    assert_non_null(mkdtemp(s.dir));
    snprintf(set[0], sizeof set[0], "job.stack=%s", stack);
    snprintf(set[1], sizeof set[1], "log.dir=%s", s.dir);
    snprintf(set[2], sizeof set[2], "log.size=4MiB");
    snprintf(set[3], sizeof set[3], "load.rate=500");
    if (job_read(&s.job, NULL, sets, 4, why, sizeof why) != 0 ||
        job_check(&s.job, why, sizeof why) != 0 || storage_create(&s.job, why, sizeof why) != 0)
        fail_msg("%s", why);
    s.board = board_open_ledger(N, 1, 4096, 1, ledger, 0, NULL);
    assert_non_null(s.board);
    board_put(&s.board->end_ns, UINT64_MAX / 2);
    assert_int_equal(sim_init(&s.sim, N, harness_pool()), 0);
    begin_host();
    if (attach(why, sizeof why) != 0)
        fail_msg("%s", why);
}

static void close_scene(void)
{
    end_host();
    sim_fini(&s.sim);
    storage_remove(&s.job);
    board_close(s.board);
}

static void step(void)
{
    for (uint16_t p = 0; p < N; p++) {
        s.sim.env[p].now_ns += STEP_NS;
        process_step(&s.host.process[p]);
    }
    while (s.sim.flights > 0)
        sim_deliver(&s.sim, 0);
}

static uint64_t delivered(uint16_t p)
{
    return board_get(&board_row(s.board, p)->delivered);
}

/* Until each of `who` has delivered so many. */
static void play(uint64_t who, uint64_t many)
{
    time_t until = time(NULL) + PATIENCE_S;
    for (;;) {
        bool all = true;
        for (uint16_t p = 0; p < N; p++)
            all &= (who >> p & 1) == 0 || delivered(p) >= many;
        if (all)
            return;
        if (time(NULL) >= until)
            fail_msg("%lx stay at %lu, %lu, %lu; wanted were %lu", (unsigned long)who,
                     (unsigned long)delivered(0), (unsigned long)delivered(1),
                     (unsigned long)delivered(2), (unsigned long)many);
        step();
    }
}

static struct order_answer ask(uint16_t p, struct order order)
{
    struct order_answer a;
    uint64_t number = order_post(&s.board->orders[p], &order);
    process_step(&s.host.process[p]);
    assert_true(order_acked(&s.board->orders[p], number, &a));
    return a;
}

static uint64_t faults(void)
{
    uint64_t sum = 0;
    for (uint16_t p = 0; p < N; p++)
        for (uint32_t k = 0; k < BOARD_FAULTS; k++)
            sum += board_get(&board_row(s.board, p)->fault[k]);
    return sum;
}

/* ---- another OS process ------------------------------------------------------------------------ */

static void another_os_process_goes_on_where_the_former_was_killed(void **state)
{
    (void)state;
    char why[512];
    open_scene("lurb", 4096);
    play(7, 20);
    end_host();
    begin_host();
    if (attach(why, sizeof why) != 0)
        fail_msg("%s", why);
    uint64_t before = delivered(0);
    assert_true(before >= 20);
    play(7, before + 20);
    assert_int_equal(faults(), 0);
    assert_int_equal(board_get(&board_row(s.board, 2)->lives), 2);
    close_scene();
}

/* Nobody could tell what was delivered before from what is delivered twice. */
static void it_does_not_when_more_was_delivered_than_is_remembered(void **state)
{
    (void)state;
    char why[512];
    static const char *const stacks[] = {"lurb", "luc"};
    for (int k = 0; k < 2; k++) {
        open_scene(stacks[k], 8);
        play(7, 12);
        assert_int_equal(host_recover(&s.host, 1, why, sizeof why), -ENOTSUP);
        assert_non_null(strstr(why, "more was delivered than the run remembers"));
        end_host();
        begin_host();
        assert_int_equal(attach(why, sizeof why), -ENOTSUP);
        assert_non_null(strstr(why, "more was delivered than the run remembers"));
        assert_int_equal(faults(), 0);
        close_scene();
    }
}

static void it_does_not_with_a_source_whose_requests_are_not_stored(void **state)
{
    (void)state;
    char why[512];
    open_scene("lbeb", 4096);
    play(7, 20);
    end_host();
    begin_host();
    assert_int_equal(attach(why, sizeof why), -ENOTSUP);
    assert_non_null(strstr(why, "p0 cannot recover: lbeb does not store what a source requests"));
    close_scene();
}

/* How much p1 had delivered. */
static uint64_t p1_crashes_and_the_host_begins_again(void)
{
    char why[512];
    open_scene("lurb", 4096);
    play(7, 10);
    assert_int_equal(ask(1, (struct order){.kind = ORDER_CRASH}).result, 0);
    end_host();
    begin_host();
    if (attach(why, sizeof why) != 0)
        fail_msg("%s", why);
    return delivered(1);
}

static void who_had_crashed_by_order_is_down_there_until_it_is_told_to_recover(void **state)
{
    (void)state;
    uint64_t before = p1_crashes_and_the_host_begins_again();
    for (int i = 0; i < 1000; i++)
        step();
    assert_int_equal(delivered(1), before);
    assert_int_equal(board_get(&s.board->orders[1].state), PROCESS_CRASHED);
    assert_int_equal(board_get(&board_row(s.board, 1)->lives), 1);
    assert_int_equal(ask(1, (struct order){.kind = ORDER_RECOVER}).result, 0);
    play(7, delivered(0) + 10);
    assert_int_equal(board_get(&board_row(s.board, 1)->lives), 2);
    assert_int_equal(faults(), 0);
    host_detach(&s.host);
    begin_host();
    close_scene();
}

/* Who was never called to life here has nothing to complete. */
static void who_stays_down_ends_as_it_was(void **state)
{
    (void)state;
    uint64_t before = p1_crashes_and_the_host_begins_again();
    host_detach(&s.host);
    assert_int_equal(delivered(1), before);
    host_free(&s.host);
    begin_host();
    close_scene();
}

/* ---- a life after a crash ---------------------------------------------------------------------- */

/* A byte of an acknowledged record. */
static void damage(uint16_t p)
{
    char path[64];
    snprintf(path, sizeof path, "%s/p%u/seg-0000", s.dir, p);
    int fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, "x", 1, 4096 + 700), 1);
    close(fd);
}

static void a_recovery_that_fails_leaves_it_said_that_the_disk_had_failed(void **state)
{
    (void)state;
    char why[512];
    open_scene("lurb", 4096);
    play(7, 40);
    host_halted(&s.host, 1, BOARD_HALT_DISK);
    damage(1);
    assert_int_not_equal(host_recover(&s.host, 1, why, sizeof why), 0);
    assert_int_equal(board_get(&board_row(s.board, 1)->halted), BOARD_HALT_DISK);
    assert_true(s.host.down[1]);
    host_halted(&s.host, 2, BOARD_HALT_DISK);
    assert_int_equal(host_recover(&s.host, 2, why, sizeof why), 0);
    assert_int_equal(board_get(&board_row(s.board, 2)->halted), BOARD_RUNS);
    close_scene();
}

struct ear {
    struct trace trace;
    uint32_t found, recovered, delivered;
};

static bool hear(struct trace *t, struct stack *st, struct co *to, const struct ev *ev, uint32_t n)
{
    struct ear *e = (struct ear *)t;
    (void)st, (void)to;
    e->found += ev->type == EV_LOG_FOUND ? n : 0;
    e->recovered += ev->type == EV_LOG_RECOVERED ? n : 0;
    e->delivered += ev->type == EV_LURB_DELIVER ? n : 0;
    return true;
}

static void a_trace_that_is_on_hears_the_recovery(void **state)
{
    (void)state;
    char why[512];
    struct ear ear = {.trace = {hear}};
    open_scene("lurb", 4096);
    play(7, 20);
    s.host.st[1]->trace = &ear.trace;
    host_crash(&s.host, 1);
    if (host_recover(&s.host, 1, why, sizeof why) != 0)
        fail_msg("%s", why);
    assert_true(s.host.st[1]->trace == &ear.trace);
    assert_true(ear.found >= 20);
    assert_true(ear.recovered > 0 && ear.delivered > 0);
    s.host.st[1]->trace = NULL;
    close_scene();
}

static void a_rule_for_the_disk_of_who_is_down_holds_when_it_comes_back(void **state)
{
    (void)state;
    open_scene("lurb", 4096);
    play(7, 10);
    assert_int_equal(ask(1, (struct order){.kind = ORDER_CRASH}).result, 0);
    struct order order = {.kind = ORDER_ARM,
                          .arg = 2,
                          .rule = {.kind = FAULT_DISK_FAIL,
                                   .from = 1,
                                   .to = FAULT_ANY,
                                   .ppm = FAULT_PPM,
                                   .until_ns = UINT64_MAX}};
    struct order_answer a = ask(1, order);
    if (a.result != 0)
        fail_msg("%s", a.why);
    assert_int_equal(ask(1, (struct order){.kind = ORDER_RECOVER}).result, -EIO);
    assert_true(s.host.down[1]);
    assert_int_equal(ask(1, (struct order){.kind = ORDER_CLEAR}).result, 0);
    assert_int_equal(ask(1, (struct order){.kind = ORDER_RECOVER}).result, 0);
    play(7, delivered(0) + 10);
    close_scene();
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(another_os_process_goes_on_where_the_former_was_killed),
    cmocka_unit_test(it_does_not_when_more_was_delivered_than_is_remembered),
    cmocka_unit_test(it_does_not_with_a_source_whose_requests_are_not_stored),
    cmocka_unit_test(who_had_crashed_by_order_is_down_there_until_it_is_told_to_recover),
    cmocka_unit_test(who_stays_down_ends_as_it_was),
    cmocka_unit_test(a_recovery_that_fails_leaves_it_said_that_the_disk_had_failed),
    cmocka_unit_test(a_trace_that_is_on_hears_the_recovery),
    cmocka_unit_test(a_rule_for_the_disk_of_who_is_down_holds_when_it_comes_back),
};

HARNESS_MAIN(tests)
