/* SPDX-License-Identifier: BSD-3-Clause */
#include "harness.h"

#define MS 1000000u

static struct world w;
static const uint16_t sizes[] = {1, 3, 4, 7};
static const struct stack_conf conf = {.heartbeat_ns = 2 * MS,
                                       .detect_ns = 10 * MS,
                                       .rto_max_ns = 4 * MS};

/* Who leads, as p was told; all whom it was told of before have crashed (LE2). */
static int leader(uint16_t p)
{
    int last = -1;
    for (uint32_t i = 0; i < w.seens; i++)
        if (w.seen_by[i] == p) {
            assert_int_equal(w.seen[i].type, EV_LE_LEADER);
            assert_true(last < 0 || w.crashed[last]);
            last = w.seen[i].proc;
        }
    return last;
}

static void test_LE1_LE2_in_the_end_a_correct_process_leads(void **state)
{
    (void)state;
    for (size_t s = 0; s < 4; s++) {
        uint16_t n = sizes[s];
        world_start(&w, stack_find("le"), n, &conf);
        world_run(&w, 10 * MS);
        for (uint16_t f = 0; f + 1 < n; f++) {
            for (uint16_t p = f; p < n; p++)
                assert_int_equal(leader(p), f);
            world_crash(&w, f);
            world_run(&w, 20 * MS);
        }
        assert_int_equal(leader((uint16_t)(n - 1)), n - 1);
        world_end(&w);
    }
}

static void test_LE2_former_leaders_have_crashed(void **state)
{
    (void)state;
    for (size_t s = 0; s < 4; s++) {
        uint16_t n = sizes[s];
        world_start(&w, stack_find("le"), n, &conf);
        world_run(&w, 10 * MS);
        for (uint16_t f = n; f > 1; f--) { /* from the lowest rank up: the leader never changes */
            world_crash(&w, (uint16_t)(f - 1));
            world_run(&w, 20 * MS);
        }
        assert_int_equal(w.seens, n);
        assert_int_equal(leader(0), 0);
        world_end(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_LE1_LE2_in_the_end_a_correct_process_leads),
        cmocka_unit_test(test_LE2_former_leaders_have_crashed),
    };
    harness_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
