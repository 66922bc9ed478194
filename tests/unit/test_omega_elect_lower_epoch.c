/* SPDX-License-Identifier: BSD-3-Clause */
#include "harness.h"

static struct world w;
static const uint16_t sizes[] = {1, 3, 4, 7};
static const struct stack_conf conf = {.heartbeat_ns = 1000000, .detect_ns = 4000000};

/* Whom p trusted last; UINT16_MAX: nobody yet. */
static uint16_t trusted(uint16_t p)
{
    uint16_t leader = UINT16_MAX;
    for (uint32_t k = 0; k < w.seens; k++)
        if (w.seen_by[k] == p && w.seen[k].type == EV_OMEGA_TRUST)
            leader = w.seen[k].proc;
    return leader;
}

static void start(uint16_t n)
{
    world_start(&w, stack_find("omega_recovery"), n, &conf);
}

static void test_ELD1_ELD2_all_trust_the_first_when_nobody_crashes(void **state)
{
    (void)state;
    for (int k = 0; k < 4; k++) {
        start(sizes[k]);
        world_run(&w, 20000000);
        for (uint16_t p = 0; p < sizes[k]; p++) {
            assert_int_equal(trusted(p), 0);
            assert_int_equal(world_count_type(&w, p, EV_OMEGA_TRUST), 1);
        }
        world_end(&w);
    }
}

static void test_ELD1_ELD2_who_recovered_is_trusted_less(void **state)
{
    (void)state;
    for (int k = 0; k < 4; k++) {
        start(sizes[k]);
        world_run(&w, 20000000);
        world_restart(&w, 0);
        world_run(&w, 60000000);
        for (uint16_t p = 0; p < w.n; p++)
            assert_int_equal(trusted(p), w.n > 1 ? 1 : 0);
        for (uint16_t p = 1; p < w.n; p++)
            world_restart(&w, p);
        world_run(&w, 60000000);
        for (uint16_t p = 0; p < w.n; p++) /* one life each: rank decides */
            assert_int_equal(trusted(p), 0);
        world_end(&w);
    }
}

static void test_ELD1_ELD2_who_stays_down_is_not_trusted(void **state)
{
    (void)state;
    for (int k = 1; k < 4; k++) {
        start(sizes[k]);
        world_run(&w, 20000000);
        for (uint16_t f = 0; f + 1 < w.n; f++) {
            world_crash(&w, f);
            world_run(&w, 80000000);
            for (uint16_t p = f + 1; p < w.n; p++)
                assert_int_equal(trusted(p), f + 1);
        }
        world_end(&w);
    }
}

/* One that crashes again and again cannot hold the others in its epochs. */
static void test_ELD1_ELD2_who_crashes_for_ever_is_not_trusted(void **state)
{
    (void)state;
    for (int k = 1; k < 4; k++) {
        start(sizes[k]);
        for (int i = 0; i < 20; i++) {
            if (i == 10)
                w.seens = 0;
            world_run(&w, 15000000);
            world_restart(&w, 0);
        }
        for (uint16_t p = 1; p < w.n; p++)
            assert_int_equal(world_count_type(&w, p, EV_OMEGA_TRUST), 0);
        world_end(&w);
    }
}

static void test_a_heartbeat_of_a_former_life_is_ignored(void **state)
{
    (void)state;
    start(2);
    world_run(&w, 20000000);
    world_restart(&w, 0);
    world_run(&w, 40000000);
    assert_int_equal(trusted(1), 1);
    struct co *omega = stack_co(w.st[0], "omega"), *fll = omega->use[0];
    for (int i = 0; i < 20; i++) {
        struct msg m = msg_new(w.st[0], 4);
        le32_put(msg_data(m), 1);
        link_send(omega, fll, EV_FLL_SEND, 1, m);
        world_run(&w, 2000000);
    }
    assert_int_equal(trusted(1), 1);
    world_end(&w);
}

static void test_bad_messages_are_dropped_and_counted(void **state)
{
    (void)state;
    start(2);
    struct co *omega = stack_co(w.st[0], "omega"), *fll = omega->use[0];
    for (uint32_t bytes = 0; bytes < 8; bytes++) {
        struct msg m = msg_new(w.st[0], bytes);
        memset(msg_data(m), bytes == 4 ? 0 : 1, bytes);
        link_send(omega, fll, EV_FLL_SEND, 1, m);
    }
    world_settle(&w);
    assert_int_equal(w.st[1]->counters[COUNT_drop_message], 8);
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ELD1_ELD2_all_trust_the_first_when_nobody_crashes),
        cmocka_unit_test(test_ELD1_ELD2_who_recovered_is_trusted_less),
        cmocka_unit_test(test_ELD1_ELD2_who_stays_down_is_not_trusted),
        cmocka_unit_test(test_ELD1_ELD2_who_crashes_for_ever_is_not_trusted),
        cmocka_unit_test(test_a_heartbeat_of_a_former_life_is_ignored),
        cmocka_unit_test(test_bad_messages_are_dropped_and_counted),
    };
    harness_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
