/* SPDX-License-Identifier: BSD-3-Clause */
#include "harness.h"

#include "protocols/broadcast/broadcast.h"
#include "protocols/consensus/consensus.h"
#include "protocols/links/links.h"

#define MS        1000000u
#define INSTANCES 16

static struct world w;
static const uint16_t sizes[] = {1, 3, 4, 7};

/* P says what the test says. */
static size_t scripted_bytes(const struct stack_conf *conf)
{
    (void)conf;
    return sizeof(struct co);
}

static const struct co_class scripted_p = {.name = "p_scripted",
                                           .title = "whatever the test says",
                                           .implements = ABS_P,
                                           .bytes = scripted_bytes};

static const struct stack_def stack =
    {.name = "c",
     .top = "c",
     .layers = (const struct stack_layer[]){{"pl", &pl_window_class, {NULL}},
                                            {"P", &scripted_p, {NULL}},
                                            {"beb", &beb_basic_class, {"pl"}},
                                            {"c", &c_flooding_class, {"beb", "P"}},
                                            {0}}};

static void start(uint16_t n)
{
    static const struct stack_conf conf = {.instances = INSTANCES,
                                           .flight_msgs = 64,
                                           .ring_msgs = 1024,
                                           .inbox_events = 2048,
                                           .rto_min_ns = 1 * MS,
                                           .rto_max_ns = 4 * MS,
                                           .give_up_ns = UINT64_MAX};
    world_start(&w, &stack, n, &conf);
}

/* Big-endian, so that the order of bytes is that of numbers. */
static uint64_t value_of(uint64_t v)
{
    return __builtin_bswap64(v);
}

static void propose(uint16_t p, uint64_t inst, uint64_t v)
{
    world_request(&w, p, EV_C_PROPOSE, 0, inst, world_msg(&w, p, value_of(v), 16));
}

static void says_crashed(uint16_t p, uint16_t q)
{
    struct co *detector = stack_co(w.st[p], "P");
    indicate(detector, ev_make(EV_P_CRASH, q, 0, 0, MSG_NONE));
    world_step(&w, p);
}

/* Everybody's P says that q, who has crashed, did. */
static void detected(uint16_t q)
{
    for (uint16_t p = 0; p < w.n; p++)
        if (!w.crashed[p])
            says_crashed(p, q);
}

/* What p decided in that instance; fails if it decided twice. UINT64_MAX: nothing. */
static uint64_t decided(uint16_t p, uint64_t inst)
{
    uint64_t v = UINT64_MAX;
    for (uint32_t i = 0; i < w.seens; i++)
        if (w.seen_by[i] == p && w.seen[i].type == EV_C_DECIDE && w.seen[i].inst == inst) {
            assert_int_equal(v, UINT64_MAX);
            v = value_of(w.seen[i].value);
        }
    return v;
}

static void all_correct_decided(uint64_t inst, uint64_t v)
{
    for (uint16_t p = 0; p < w.n; p++)
        if (!w.crashed[p])
            assert_int_equal(decided(p, inst), v);
}

static void test_C1_C2_C3_C4_the_least_value_without_failures(void **state)
{
    (void)state;
    for (size_t s = 0; s < 4; s++) {
        start(sizes[s]);
        for (uint64_t i = 0; i < 5; i++)
            for (uint16_t p = 0; p < w.n; p++)
                propose(p, i, 100 * i + (uint64_t)(p + i) % w.n);
        world_settle(&w);
        for (uint64_t i = 0; i < 5; i++)
            all_correct_decided(i, 100 * i);
        assert_int_equal(w.seens, 5u * w.n);
        world_end(&w);
    }
}

static void test_C1_nobody_decides_before_all_correct_have_proposed(void **state)
{
    (void)state;
    start(3);
    propose(0, 0, 10);
    propose(1, 0, 11);
    world_settle(&w);
    assert_int_equal(decided(0, 0), UINT64_MAX);
    propose(2, 0, 12);
    world_settle(&w);
    all_correct_decided(0, 10);
    world_end(&w);
}

static void test_C4_whatever_reached_whom_when_a_process_crashed(void **state)
{
    (void)state;
    for (unsigned reached = 0; reached < 8; reached++) { /* bit p: the crashed one reached p */
        start(4);
        propose(3, 0, 5);
        world_step(&w, 3);
        for (uint16_t p = 0; p < 3; p++)
            if (!(reached >> p & 1))
                world_lose(&w, 3, p);
        world_crash(&w, 3);
        for (uint16_t p = 0; p < 3; p++)
            propose(p, 0, 10u + p);
        world_settle(&w);
        detected(3);
        world_settle(&w);
        all_correct_decided(0, reached != 0 ? 5 : 10);
        world_end(&w);
    }
}

/* The execution in the header of c_flooding.c: the textbook's rule lets p0 and p1 differ. */
static void test_C4_when_rounds_of_the_crashed_reach_some_and_not_others(void **state)
{
    (void)state;
    start(5);
    propose(3, 0, 5);
    world_step(&w, 3);
    world_lose(&w, 3, 0);
    world_lose(&w, 3, 1);
    world_lose(&w, 3, 2);
    propose(4, 0, 14);
    propose(0, 0, 10);
    propose(1, 0, 11);
    for (uint16_t p = 0; p < 5; p++)
        world_step(&w, p);
    world_lose(&w, 4, 0);
    world_settle(&w);
    world_crash(&w, 2);
    world_crash(&w, 3);
    says_crashed(4, 2); /* p4 has heard from 0, 1, 3 and goes on to round 2, knowing 5 */
    world_lose(&w, 4, 0);
    world_settle(&w);
    world_crash(&w, 4);
    says_crashed(1, 2);
    says_crashed(1, 3);
    says_crashed(0, 2);
    says_crashed(0, 3);
    says_crashed(0, 4);
    world_settle(&w);
    says_crashed(1, 4);
    world_settle(&w);
    all_correct_decided(0, 5);
    world_end(&w);
}

static void test_C4_rests_on_P_one_false_suspicion_splits(void **state)
{
    (void)state;
    start(2);
    propose(0, 0, 10);
    says_crashed(0, 1);
    propose(1, 0, 5);
    world_settle(&w);
    assert_int_equal(decided(0, 0), 10);
    assert_int_equal(decided(1, 0), 5);
    world_end(&w);
}

static void test_C4_a_decision_of_whom_P_excluded_is_not_taken_over(void **state)
{
    (void)state;
    start(3);
    for (uint16_t p = 0; p < 3; p++)
        propose(p, 0, 10u + p);
    says_crashed(2, 0);
    for (uint16_t p = 0; p < 2; p++)
        world_step(&w, p);
    world_lose(&w, 0, 2);
    world_lose(&w, 1, 2);
    world_settle(&w);
    assert_int_equal(decided(0, 0), 10);
    assert_int_equal(decided(2, 0), 10); /* from p1; what p0 said is ignored */
    world_end(&w);
}

static void test_what_is_no_message_of_ours_is_dropped_and_counted(void **state)
{
    (void)state;
    static const uint8_t bad[][24] = {{0}, {3, 1}, {1, 0}, {1, 7}, {2, 1}, {1, 1, [16] = 0xff}};
    start(3);
    struct co *beb = stack_co(w.st[0], "beb"), *c = stack_co(w.st[0], "c");
    assert_non_null(beb);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct msg m = msg_new(w.st[0], 24);
        memcpy(msg_data(m), bad[i], 24);
        trigger(c, ev_make(EV_BEB_DELIVER, 1, 0, 0, m));
        trigger(c, ev_make(EV_BEB_DELIVER, 1, 0, 0, (struct msg){m.seg, m.off, (uint16_t)(i * 4)}));
        world_step(&w, 0);
    }
    assert_int_equal(w.st[0]->counters[COUNT_drop_message], 2 * sizeof bad / sizeof bad[0]);
    struct msg m = msg_new(w.st[0], 24);
    memset(msg_data(m), 0, 24);
    msg_data(m)[0] = msg_data(m)[1] = 1;
    le64_put(msg_data(m) + 8, INSTANCES);
    trigger(c, ev_make(EV_BEB_DELIVER, 1, 0, 0, m));
    world_step(&w, 0);
    assert_int_equal(w.st[0]->counters[COUNT_drop_early], 1);
    world_end(&w);
}

static void test_a_long_stream_keeps_its_memory(void **state)
{
    (void)state;
    start(3);
    unsigned before = 0;
    for (uint64_t i = 0; i < 50 * INSTANCES; i++) {
        for (uint16_t p = 0; p < 3; p++)
            propose(p, i, 10u + p);
        world_settle(&w);
        w.seens = 0;
        unsigned free = rte_mempool_avail_count(w.pool);
        if (i == 5 * INSTANCES)
            before = free;
        if (i > 5 * INSTANCES)
            assert_in_range(free, before - 64, before + 64);
    }
    world_end(&w);
}

/* Any order, and crashes at any place: who is correct decides, and decides the same. */
static void schedule(uint16_t n, uint64_t seed)
{
    struct random r = random_seeded(seed, n);
    uint64_t proposed[7];
    start(n);
    for (uint16_t p = 0; p < n; p++)
        propose(p, 0, proposed[p] = 10 + random_below(&r, 100));
    for (uint16_t crashes = (uint16_t)random_below(&r, n); crashes > 0; crashes--) {
        for (uint64_t k = random_below(&r, 8u * n); k > 0 && w.sim.flights > 0; k--)
            world_deliver(&w, (uint32_t)random_below(&r, w.sim.flights));
        uint16_t q = (uint16_t)random_below(&r, n);
        if (w.crashed[q])
            continue;
        world_crash(&w, q);
        for (uint16_t p = 0; p < n; p++)
            if (random_below(&r, 2) == 0)
                world_lose(&w, q, p);
        for (uint16_t p = 0; p < n; p++) {
            for (uint64_t k = random_below(&r, 4); k > 0 && w.sim.flights > 0; k--)
                world_deliver(&w, (uint32_t)random_below(&r, w.sim.flights));
            if (!w.crashed[p])
                says_crashed(p, q);
        }
    }
    world_settle(&w);
    uint64_t v = UINT64_MAX;
    for (uint16_t p = 0; p < n; p++) {
        if (w.crashed[p])
            continue;
        v = v == UINT64_MAX ? decided(p, 0) : v;
        assert_int_not_equal(decided(p, 0), UINT64_MAX);
        assert_int_equal(decided(p, 0), v);
    }
    bool known = false;
    for (uint16_t p = 0; p < n; p++)
        known |= proposed[p] == v;
    assert_true(known);
    world_end(&w);
}

static void test_C1_C2_C3_C4_over_random_orders_and_crashes(void **state)
{
    (void)state;
    for (size_t s = 0; s < 4; s++)
        for (uint64_t seed = 0; seed < 300; seed++)
            schedule(sizes[s], seed);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_C1_C2_C3_C4_the_least_value_without_failures),
    cmocka_unit_test(test_C1_nobody_decides_before_all_correct_have_proposed),
    cmocka_unit_test(test_C4_whatever_reached_whom_when_a_process_crashed),
    cmocka_unit_test(test_C4_when_rounds_of_the_crashed_reach_some_and_not_others),
    cmocka_unit_test(test_C4_rests_on_P_one_false_suspicion_splits),
    cmocka_unit_test(test_C4_a_decision_of_whom_P_excluded_is_not_taken_over),
    cmocka_unit_test(test_what_is_no_message_of_ours_is_dropped_and_counted),
    cmocka_unit_test(test_a_long_stream_keeps_its_memory),
    cmocka_unit_test(test_C1_C2_C3_C4_over_random_orders_and_crashes),
};

HARNESS_MAIN(tests)
