/* SPDX-License-Identifier: BSD-3-Clause */
/* lec, lep and luc together: logged consensus through crashes and recoveries. */
#include "logged_cases.h"

#include <stdio.h>

#include "protocols/post.h"

#define INSTANCES 4096

static struct world w;

/* What was decided, by anybody, in any life; and by each process in its present life. */
static uint64_t chosen[INSTANCES];
static bool known[INSTANCES];
static bool has[LOGGED_PROCS][INSTANCES];
static uint64_t all_before[LOGGED_PROCS]; /* each process has decided all before it, in any life */
static uint64_t next[LOGGED_PROCS];       /* what it may propose next */
static bool asked[LOGGED_PROCS]
                 [INSTANCES + 1]; /* in its present life it proposed for it or was told */
static uint64_t tries;            /* proposals of push() */

static const struct stack_conf small = {.store_msgs = 256,
                                        .instances = 64,
                                        .ring_msgs = 256,
                                        .flight_msgs = 64,
                                        .heartbeat_ns = 1000000,
                                        .detect_ns = 4000000,
                                        .forward = true};

/* A queue much shorter than the table of instances. */
static const struct stack_conf short_log = {.store_msgs = 32,
                                            .instances = 64,
                                            .ring_msgs = 256,
                                            .flight_msgs = 64,
                                            .heartbeat_ns = 1000000,
                                            .detect_ns = 4000000};

/* Rows for more instances than are decided: nobody who is suspected while it lags is left behind
 * (see ep_read_write.c). */
static const struct stack_conf large = {.store_msgs = 512,
                                        .instances = 128,
                                        .ring_msgs = 256,
                                        .flight_msgs = 64,
                                        .heartbeat_ns = 1000000,
                                        .detect_ns = 4000000,
                                        .forward = true};

static void start_with(uint16_t n, const struct stack_conf *conf)
{
    memset(known, 0, sizeof known);
    memset(has, 0, sizeof has);
    memset(all_before, 0, sizeof all_before);
    memset(next, 0, sizeof next);
    memset(asked, 0, sizeof asked);
    world_start(&w, stack_find("luc"), n, conf);
}

static void start(uint16_t n)
{
    start_with(n, &small);
}

static void propose(uint16_t p, uint64_t inst, uint64_t value)
{
    world_request(&w, p, EV_LUC_PROPOSE, 0, inst, world_msg(&w, p, value, 40));
    asked[p][inst] = true;
    while (asked[p][next[p]])
        next[p]++;
}

static void release(uint16_t p, uint64_t inst)
{
    trigger(w.st[p]->app->use[0], ev_make(EV_LUC_RELEASE, 0, inst, 0, MSG_NONE));
}

/* LUC2, LUC3: values begin with their instance; nobody decides differently, in any life. */
static void take(void)
{
    for (uint32_t k = 0; k < w.seens; k++) {
        const struct seen *s = &w.seen[k];
        uint16_t p = w.seen_by[k];
        if (s->type == EV_LUC_RESUMED) {
            assert_true(s->inst <= all_before[p]); /* what it never decided is not skipped */
            next[p] = s->inst; /* what it proposed is forgotten: it proposes again */
            memset(asked[p], 0, sizeof asked[p]);
        }
        if (s->type == EV_LUC_MISSED && s->inst > all_before[p]) {
            all_before[p] = s->inst;
            while (has[p][all_before[p]])
                all_before[p]++;
            next[p] = next[p] > s->inst ? next[p] : s->inst;
        }
        if (s->type != EV_LUC_DECIDE)
            continue;
        assert_true(s->inst < INSTANCES);
        assert_int_equal(s->value / 1000, s->inst);
        if (known[s->inst])
            assert_int_equal(chosen[s->inst], s->value);
        chosen[s->inst] = s->value;
        known[s->inst] = has[p][s->inst] = asked[p][s->inst] = true;
        while (has[p][all_before[p]])
            all_before[p]++;
        while (asked[p][next[p]])
            next[p]++;
    }
    w.seens = 0;
}

static void test_LUC1_LUC2_LUC3_all_decide_alike(void **state)
{
    (void)state;
    for (int k = 0; k < 4; k++) {
        start(sizes[k]);
        for (uint64_t i = 0; i < 5; i++)
            for (uint16_t p = 0; p < sizes[k]; p++)
                propose(p, i, i * 1000 + p);
        world_run(&w, 20000000);
        take();
        for (uint16_t p = 0; p < sizes[k]; p++)
            assert_int_equal(all_before[p], 5);
        world_end(&w);
    }
}

static void test_nothing_is_decided_before_a_majority_has_stored_it(void **state)
{
    (void)state;
    start(3);
    w.disks_held = true;
    propose(0, 0, 7);
    for (int i = 0; i < 8; i++) {
        world_run(&w, 1 << 20);
        finish_some(&w, 2);
    }
    assert_int_equal(world_count_type(&w, 0, EV_LUC_DECIDE), 0);
    for (int i = 0; i < 8; i++) {
        world_run(&w, 1 << 20);
        finish_some(&w, 1);
    }
    assert_int_equal(world_count_type(&w, 1, EV_LUC_DECIDE), 1); /* p0's own disk has it not */
    assert_int_equal(world_count_type(&w, 0, EV_LUC_DECIDE), 0);
    world_end(&w);
}

static void test_LUC1_a_follower_that_recovers_decides_all(void **state)
{
    (void)state;
    start(3);
    for (uint64_t i = 0; i < 20; i++) {
        propose(0, i, i * 1000);
        world_run(&w, 1 << 18);
        if (i % 4 == 2)
            world_restart(&w, 1);
    }
    world_run(&w, 40000000);
    take();
    for (uint16_t p = 0; p < 3; p++)
        assert_int_equal(all_before[p], 20);
    world_end(&w);
}

static void test_LUC1_a_leader_that_recovers_leaves_its_epoch_to_others(void **state)
{
    (void)state;
    start(3);
    for (uint64_t i = 0; i < 5; i++)
        propose(0, i, i * 1000);
    world_step(&w, 0);
    world_restart(&w, 0);
    world_run(&w, 60000000);
    take();
    for (uint64_t i = all_before[1]; i < 10; i++)
        propose(1, i, i * 1000 + 1);
    world_run(&w, 60000000);
    take();
    for (uint16_t p = 0; p < 3; p++)
        assert_int_equal(all_before[p], 10);
    world_end(&w);
}

static void test_LUC3_everybody_crashes_and_decisions_stand(void **state)
{
    (void)state;
    start(3);
    for (uint64_t i = 0; i < 5; i++)
        propose(0, i, i * 1000 + 7);
    world_run(&w, 10000000);
    take();
    assert_int_equal(all_before[0], 5);
    for (uint16_t p = 0; p < 3; p++)
        world_restart(&w, p);
    for (uint16_t p = 0; p < 3; p++) /* decisions are handed over again, since not released */
        assert_int_equal(world_count_type(&w, p, EV_LUC_DECIDE), 5);
    world_run(&w, 40000000);
    take();
    for (uint16_t p = 0; p < 3; p++)
        for (uint64_t i = 0; i < 5; i++)
            propose(p, i, i * 1000 + 99);
    for (uint16_t p = 0; p < 3; p++)
        propose(p, 5, 5000 + p);
    world_run(&w, 60000000);
    take();
    for (uint16_t p = 0; p < 3; p++)
        assert_int_equal(all_before[p], 6);
    world_end(&w);
}

/* One after the other: a process writes once for each, and once more when it rests. */
static void test_what_is_decided_is_stored_with_the_next_value(void **state)
{
    (void)state;
    start(3);
    for (uint64_t i = 0; i < 20; i++) {
        propose(0, i, i * 1000);
        world_run(&w, 1 << 18);
    }
    take();
    for (uint16_t p = 0; p < 3; p++) {
        assert_int_equal(all_before[p], 20);
        assert_int_equal(w.st[p]->counters[COUNT_log_writes], 20);
    }
    world_run(&w, 2 * small.heartbeat_ns);
    for (uint16_t p = 0; p < 3; p++) {
        assert_int_equal(w.st[p]->counters[COUNT_log_writes], 21);
        world_restart(&w, p);
        assert_int_equal(world_count_type(&w, p, EV_LUC_DECIDE), 20); /* its own log tells */
    }
    world_end(&w);
}

/* A window that is decided at once opens again though no later value comes. */
static void test_a_window_decided_at_once_is_stored_by_itself(void **state)
{
    (void)state;
    struct stack_conf conf = small;
    conf.heartbeat_ns = 1000000000;
    conf.detect_ns = 4000000000;
    start_with(3, &conf);
    for (uint64_t decided = 0; decided < 4 * conf.instances; decided = all_before[0]) {
        for (; co_room(w.st[0]->app->use[0]) > 0; world_step(&w, 0))
            propose(0, next[0], next[0] * 1000);
        world_run(&w, 1 << 20);
        take();
        assert_true(all_before[0] > decided);
        for (uint16_t p = 0; p < 3; p++)
            release(p, all_before[p]);
    }
    world_end(&w);
}

static void test_what_is_released_is_not_handed_over_again_after_compaction(void **state)
{
    (void)state;
    start(3);
    uint64_t decided = 0;
    for (int round = 0; round < 3000 && decided < 3900; round++) {
        for (int i = 0; i < 4 && next[0] < INSTANCES && co_room(w.st[0]->app->use[0]) > 0; i++) {
            world_request(&w, 0, EV_LUC_PROPOSE, 0, next[0], world_msg(&w, 0, next[0] * 1000, 700));
            next[0]++;
            world_step(&w, 0);
        }
        world_run(&w, 1 << 18);
        if (round % 197 == 100)
            world_restart(&w, (uint16_t)(1 + round % 2));
        take();
        for (uint16_t p = 0; p < 3; p++)
            release(p, all_before[p]);
        decided = all_before[0];
    }
    world_run(&w, 40000000);
    take();
    for (uint16_t p = 0; p < 3; p++) {
        assert_true(all_before[p] >= 3900);
        assert_true(w.st[p]->counters[COUNT_log_compactions] > 1);
        assert_int_equal(w.st[p]->counters[COUNT_left_behind], 0); /* each was waited for */
    }
    world_end(&w);
}

/* Release, and propose the next at whoever may. */
static void push(uint64_t upto)
{
    take();
    for (uint16_t p = 0; p < w.n; p++) {
        if (w.crashed[p])
            continue;
        release(p, all_before[p]);
        if (next[p] < all_before[p])
            next[p] = all_before[p];
        if (next[p] < upto && co_room(w.st[p]->app->use[0]) > 0)
            propose(p, next[p], next[p] * 1000 + ++tries % 1000); /* never the same again */
        world_step(&w, p);
    }
}

static void all_end_well(uint64_t upto)
{
    for (int i = 0; i < 30; i++) {
        heal(&w, 6000000);
        push(upto);
    }
    for (uint16_t p = 0; p < w.n; p++)
        if (all_before[p] < upto)
            fail_msg("p%u decided %lu of %lu", p, (unsigned long)all_before[p],
                     (unsigned long)upto);
}

static void test_LUC1_LUC2_LUC3_under_crashes_of_all(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 48; seed++) { /* 1,500 were tried once, of three */
        start_with(seed % 6 != 0 ? 3 : sizes[seed / 6 % 4], &large);
        w.random = random_seeded(seed, 0);
        w.disks_held = true;
        for (int i = 0; i < 1500; i++) {
            if (random_below(&w.random, 20) == 0)
                push(20);
            if (random_below(&w.random, 100) == 0)
                world_restart(&w, (uint16_t)random_below(&w.random, w.n));
            wander(&w);
        }
        all_end_well(24);
        world_end(&w);
    }
}

/* p0 and p1 decide all up to `upto`, and release; p2 is left alone. */
/* Half a millisecond. False: both have decided all before `upto`. */
static bool two_go_on(uint64_t upto)
{
    if (all_before[0] >= upto && all_before[1] >= upto)
        return false;
    world_run(&w, 1 << 19);
    take();
    for (uint16_t p = 0; p < 2; p++)
        release(p, all_before[p]);
    while (next[0] < upto && next[0] < all_before[0] + 4 && co_room(w.st[0]->app->use[0]) > 0) {
        propose(0, next[0], next[0] * 1000);
        world_step(&w, 0);
    }
    return true;
}

static void two_decide(uint64_t upto)
{
    for (int i = 0; i < 400 && two_go_on(upto); i++)
        ;
    assert_int_equal(all_before[0], upto);
    assert_int_equal(all_before[1], upto);
}

static void test_LUC1_one_that_stays_down_does_not_stop_the_window(void **state)
{
    (void)state;
    start_with(3, &short_log);
    world_crash(&w, 2);
    two_decide(60);
    world_end(&w);
}

/* p2 is never suspected, for each of its lives is heard of; and none is long enough to come as far as
 * the others' epoch. */
static void test_LUC1_one_that_crashes_again_and_again_does_not_stop_the_window(void **state)
{
    (void)state;
    start_with(3, &short_log);
    for (int i = 0; i < 1000 && two_go_on(200); i++)
        world_restart(&w, 2);
    assert_int_equal(all_before[0], 200);
    assert_int_equal(all_before[1], 200);
    world_end(&w);
}

/* p2 was away for longer than others keep decisions. It is told what it will not learn, decides all
 * that is new with the others, and knows both in its next life. */
static void test_LUC1_who_was_left_behind_goes_on_with_the_others(void **state)
{
    (void)state;
    start(3);
    world_crash(&w, 2);
    two_decide(300);
    world_restart(&w, 2);
    uint64_t missed = 0;
    for (int life = 0; life < 3; life++) {
        uint64_t upto = 400 + 100 * (uint64_t)life;
        for (int i = 0; i < 1000 && all_before[2] < upto; i++) {
            push(upto);
            world_run(&w, 1 << 19);
        }
        take();
        for (uint16_t p = 0; p < 3; p++)
            assert_true(all_before[p] >= upto);
        assert_true(life == 0 || w.st[2]->counters[COUNT_missed] == missed);
        missed = w.st[2]->counters[COUNT_missed]; /* all before it: it had decided nothing yet */
        assert_in_range(missed, 250, 399);
        for (uint64_t i = missed; i < upto; i++)
            assert_true(has[2][i]);
        world_restart(&w, 2);
    }
    world_end(&w);
}

/* p2 was away, and is told of as many instances as it has rows, while its disk takes its time; then
 * it compacts. Its log takes all that it asks for. */
static void test_a_slow_disk_holds_a_record_of_each_row(void **state)
{
    (void)state;
    start_with(3, &short_log);
    world_crash(&w, 2);
    two_decide(60);
    w.crashed[2] = false;
    w.disks_held = true;
    uint32_t waiting = 0;
    for (int i = 0; i < 100; i++) {
        world_run(&w, 1 << 20);
        struct co_post post = {0};
        struct co *log = stack_co(w.st[2], "log");
        log->cls->post(log, &post);
        waiting = post.wait[0].open > waiting ? (uint32_t)post.wait[0].open : waiting;
    }
    assert_true(waiting > short_log.store_msgs);
    struct co *lep = stack_co(w.st[2], "lep");
    trigger(lep, ev_make(EV_LOG_COMPACT, 0, 0, 0, MSG_NONE));
    world_step(&w, 2);
    heal(&w, 20000000);
    take();
    world_end(&w);
}

/* ---- what is told and stored of decisions, and when ------------------------------------------- */

/* Deliver what is in flight, but not to `q`, and let all step but `q`. */
static void settle_but(uint16_t q)
{
    for (bool any = true; any;) {
        any = false;
        for (uint16_t p = 0; p < w.n; p++)
            if (p != q && !w.crashed[p])
                world_step(&w, p);
        for (uint32_t k = 0; k < w.sim.flights && !any; k++)
            if (w.sim.flight[k].to != q) {
                world_deliver(&w, k);
                any = true;
            }
    }
}

static void finish_disk(uint16_t p)
{
    while (w.disk[p] != NULL && w.disk[p]->writes > 0)
        disk_sim_finish(w.disk[p], 0, DISK_KEEPS, NULL, NULL);
    world_step(&w, p);
}

/* Time passes for all; every disk ends its writes but that of `q`. */
static void run_but_disk_of(uint16_t q, uint64_t ns)
{
    for (uint64_t end = w.sim.now_ns + ns; w.sim.now_ns < end;) {
        for (uint16_t p = 0; p < w.n; p++)
            w.sim.env[p].now_ns += 1 << 18;
        for (uint16_t p = 0; p < w.n; p++)
            if (p != q && !w.crashed[p])
                finish_disk(p);
        settle_but(UINT16_MAX);
        w.sim.now_ns += 1 << 18;
    }
}

/* The newest frame to q. */
static void deliver_last_to(uint16_t q)
{
    for (uint32_t k = w.sim.flights; k-- > 0;)
        if (w.sim.flight[k].to == q) {
            world_deliver(&w, k);
            return;
        }
    fail_msg("nothing is in flight to p%u", q);
}

/* A majority without q has stored the value, and q has heard of it: q's application has not, until q's
 * disk has it too. For a leader as for others. */
static void test_a_decision_is_told_when_the_own_disk_has_it(void **state)
{
    (void)state;
    for (uint16_t q = 0; q < 3; q++) {
        start(3);
        world_settle(&w);
        w.disks_held = true;
        propose(0, 0, 7);
        run_but_disk_of(q, 4 << 18);
        for (uint16_t p = 0; p < 3; p++)
            assert_int_equal(world_count_type(&w, p, EV_LUC_DECIDE), p != q);
        run_but_disk_of(UINT16_MAX, 4 << 18);
        assert_int_equal(world_count_type(&w, q, EV_LUC_DECIDE), 1);
        world_end(&w);
    }
}

/* More rows than an inbox has room for besides: a compaction asks for all of them in one call. */
static void test_inboxes_take_a_record_of_each_row(void **state)
{
    (void)state;
    struct stack_conf conf = {.instances = 32768};
    start_with(1, &conf);
    w.disks_held = true;
    while (next[0] < CO_INBOX_EVENTS + 100) {
        for (int i = 0; i < 32; i++, next[0]++)
            world_request(&w, 0, EV_LUC_PROPOSE, 0, next[0], world_msg(&w, 0, next[0], 8));
        world_step(&w, 0);
    }
    trigger(stack_co(w.st[0], "lep"), ev_make(EV_LOG_COMPACT, 0, 0, 0, MSG_NONE));
    world_step(&w, 0);
    static const char *const told[] = {"log", "lep", "luc", "app"}; /* of each, by a recovery */
    for (size_t i = 0; i < sizeof told / sizeof told[0]; i++)
        assert_true(stack_co(w.st[0], told[i])->inbox_events > 2 * conf.instances);
    assert_true(stack_co(w.st[0], "pl")->inbox_events < conf.instances);
    world_end(&w);
}

/* p1 hears that five instances are decided while its disk writes the sixth's value. When that write
 * has ended it accepts, and what it says of the five must not make others forget them, for it has
 * not stored that they are decided: it crashes then, and asks for them. */
static void test_done_is_told_only_when_it_is_stored(void **state)
{
    (void)state;
    start(3);
    world_settle(&w);
    for (uint64_t i = 0; i < 5; i++)
        propose(0, i, i * 1000);
    world_step(&w, 0);
    deliver_last_to(1); /* the WRITEs; the DECIDED stays on its way */
    settle_but(1);
    take();
    assert_int_equal(all_before[0], 5);
    assert_int_equal(all_before[1], 0);
    for (uint16_t p = 0; p < 3; p += 2) {
        release(p, 5);
        w.sim.env[p].now_ns += 2 * small.heartbeat_ns;
    }
    settle_but(1); /* p0 and p2 have stored that they are */
    w.disks_held = true;
    propose(0, 5, 5000);
    world_step(&w, 0);
    deliver_last_to(1);
    while (world_count_type(&w, 1, EV_LUC_DECIDE) < 5)
        world_deliver(&w, 0);
    take();
    release(1, 5);
    world_step(&w, 1);
    finish_disk(1);
    settle_but(1);
    for (uint16_t p = 0; p < 3; p += 2)
        finish_disk(p);
    settle_but(1); /* all have accepted the sixth */
    take();
    assert_int_equal(all_before[0], 6);
    world_lose(&w, UINT16_MAX, 1);
    world_restart(&w, 1);
    w.disks_held = false;
    for (int i = 0; i < 200; i++) { /* a window and more: who lacks one of the five stops all */
        push(100);
        world_run(&w, 1 << 19);
    }
    take();
    for (uint16_t p = 0; p < 3; p++)
        assert_int_equal(all_before[p], 100);
    world_end(&w);
}

/* p4 alone hears p0's value, and its disk takes long over it. p0 is gone; the next leader, who never
 * heard of that value, has another one decided. p4 learns both while its disk still writes the
 * first: that the instance is decided must not be told, nor stored, in front of the value that it is. */
static void test_done_is_stored_behind_the_values_that_it_speaks_of(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 16; seed++) {
        start(5);
        world_settle(&w);
        w.random = random_seeded(seed, 0);
        w.disks_held = true;
        propose(0, 0, 0);
        world_step(&w, 0);
        for (uint16_t q = 1; q < 4; q++)
            world_lose(&w, 0, q);
        deliver_last_to(4);
        assert_int_equal(w.disk[4]->writes, 1);
        world_crash(&w, 0);
        world_lose(&w, 4, UINT16_MAX); /* nobody hears of it */
        for (uint16_t q = 1; q < 5; q++)
            propose(q, 0, 1);
        run_but_disk_of(4, 60000000);
        take();
        assert_false(has[4][0]);
        assert_int_equal(chosen[0], 1);
        uint32_t writes = w.disk[4]->writes;
        disk_sim_finish(w.disk[4], 0, DISK_KEEPS, NULL, NULL); /* of the first value … */
        world_step(&w, 4);
        assert_int_equal(w.disk[4]->writes, writes); /* … behind which the last one follows now */
        for (uint32_t k = 1; k < writes; k++)
            disk_sim_finish(w.disk[4], 0, DISK_KEEPS, NULL, NULL);
        world_restart(&w, 4);
        w.disks_held = false;
        world_run(&w, 100000000);
        take();
        for (uint16_t q = 1; q < 5; q++)
            assert_true(all_before[q] >= 1);
        world_end(&w);
    }
}

/* The epoch that p's lep is in. */
static uint64_t epoch_of(uint16_t p)
{
    struct co_post post = {0};
    struct co *lep = stack_co(w.st[p], "lep");
    lep->cls->post(lep, &post);
    assert_true(post.have & POST_EPOCH);
    return post.epoch;
}

/* p0 is gone, and p1 is trusted. It announces an epoch once it has stored that it does: else it could
 * crash, forget it, and be told of it by nobody, since it is its own. */
static void test_an_epoch_is_announced_only_when_it_is_stored(void **state)
{
    (void)state;
    start(3);
    world_settle(&w);
    w.disks_held = true;
    world_crash(&w, 0);
    run_but_disk_of(1, 60000000);
    assert_true(w.disk[1]->writes > 0);
    assert_int_equal(epoch_of(2), 0);
    run_but_disk_of(UINT16_MAX, 20000000);
    assert_true(epoch_of(2) > 0);
    assert_int_equal(epoch_of(2), epoch_of(1));
    world_end(&w);
}

/* ---- crash sweep ----------------------------------------------------------------------------- */

static void sweep_step(uint32_t step)
{
    if (step % 3 == 0)
        for (uint16_t p = 0; p < 3; p++)
            w.sim.env[p].now_ns += 1 << 18;
    if (w.sim.flights > 0 && step % 2 == 0) {
        world_deliver(&w, 0);
        return;
    }
    uint16_t p = (uint16_t)(step / 2 % 3);
    if (w.disk[p]->writes > 0)
        disk_sim_finish(w.disk[p], 0, DISK_KEEPS, NULL, NULL);
    world_step(&w, p);
}

/* Crash `victim` at step `at`, recover it `back` steps later; with another one crashed on the way. */
static void sweep_point(uint16_t victim, uint32_t at, uint32_t back, uint64_t seed)
{
    start(3);
    w.random = random_seeded(seed, at);
    w.disks_held = true;
    for (uint64_t i = 0; i < 3; i++)
        propose(0, i, i * 1000);
    for (uint32_t step = 0; step < at + back; step++) {
        if (step == at)
            world_crash(&w, victim);
        sweep_step(step);
    }
    take();
    world_restart(&w, victim);
    if (seed % 2 == 0)
        world_restart(&w, (uint16_t)((victim + 1) % 3));
    all_end_well(4);
    world_end(&w);
}

static void test_crash_sweep(void **state)
{
    (void)state;
    uint32_t points = 0;
    for (uint16_t victim = 0; victim < 3; victim++)
        for (uint32_t at = 0; at < 120; at++)
            for (uint32_t back = 0; back <= 40; back += 40, points++)
                sweep_point(victim, at, back, 1 + at / 2);
    printf("luc, n = 3: %u crash points\n", points);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_LUC1_LUC2_LUC3_all_decide_alike),
        cmocka_unit_test(test_nothing_is_decided_before_a_majority_has_stored_it),
        cmocka_unit_test(test_LUC1_a_follower_that_recovers_decides_all),
        cmocka_unit_test(test_LUC1_a_leader_that_recovers_leaves_its_epoch_to_others),
        cmocka_unit_test(test_LUC3_everybody_crashes_and_decisions_stand),
        cmocka_unit_test(test_what_is_decided_is_stored_with_the_next_value),
        cmocka_unit_test(test_a_window_decided_at_once_is_stored_by_itself),
        cmocka_unit_test(test_what_is_released_is_not_handed_over_again_after_compaction),
        cmocka_unit_test(test_LUC1_who_was_left_behind_goes_on_with_the_others),
        cmocka_unit_test(test_LUC1_LUC2_LUC3_under_crashes_of_all),
        cmocka_unit_test(test_LUC1_one_that_stays_down_does_not_stop_the_window),
        cmocka_unit_test(test_LUC1_one_that_crashes_again_and_again_does_not_stop_the_window),
        cmocka_unit_test(test_a_slow_disk_holds_a_record_of_each_row),
        cmocka_unit_test(test_a_decision_is_told_when_the_own_disk_has_it),
        cmocka_unit_test(test_inboxes_take_a_record_of_each_row),
        cmocka_unit_test(test_done_is_told_only_when_it_is_stored),
        cmocka_unit_test(test_done_is_stored_behind_the_values_that_it_speaks_of),
        cmocka_unit_test(test_an_epoch_is_announced_only_when_it_is_stored),
        cmocka_unit_test(test_crash_sweep),
    };
    harness_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
