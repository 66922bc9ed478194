/* SPDX-License-Identifier: BSD-3-Clause */
/* Placement: no two polling threads on one processor, everybody somewhere, p0 alone if it can be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <sched.h>

#include "dataplane/placement.h"

static struct placement p;
static char why[256];

/* Some processor that we may use. */
static int own_cpu(void)
{
    cpu_set_t set;
    sched_getaffinity(0, sizeof set, &set);
    for (int c = 0; c < CPU_SETSIZE; c++)
        if (CPU_ISSET(c, &set))
            return c;
    return -1;
}

static void test_no_processor_is_polled_twice(void **state)
{
    (void)state;
    for (uint16_t n = 1; n <= 64; n++) {
        assert_int_equal(placement_make(&p, n, NULL, why, sizeof why), 0);
        assert_true(p.lcores >= 1 && p.lcores <= n);
        for (uint16_t a = 0; a < p.lcores; a++)
            for (uint16_t b = 0; b < a; b++)
                assert_int_not_equal(p.cpu[a], p.cpu[b]);
        for (uint16_t i = 0; i < n; i++)
            assert_true(p.lcore[i] < p.lcores);
        for (uint16_t i = 1; i < n && p.lcores > 1; i++)
            assert_int_not_equal(p.lcore[i], p.lcore[0]);
        assert_int_equal(placement_shared(&p), p.lcores < n || placement_siblings(&p));
    }
}

static void test_even_is_as_many_on_each(void **state)
{
    (void)state;
    for (uint16_t n = 1; n <= 64; n++) {
        uint16_t on[PLACEMENT_LCORES_MAX] = {0};
        assert_int_equal(placement_make(&p, n, NULL, why, sizeof why), 0);
        placement_even(&p);
        for (uint16_t i = 0; i < n; i++)
            on[p.lcore[i]]++;
        for (uint16_t k = 0; k < p.lcores; k++)
            assert_in_range(on[k], n / p.lcores, (n + p.lcores - 1) / p.lcores);
    }
}

static void test_an_override_is_taken_as_it_is(void **state)
{
    (void)state;
    char want[64], text[128], expect[128];
    int cpu = own_cpu();
    snprintf(want, sizeof want, "%d:0-1,2", cpu);
    assert_int_equal(placement_make(&p, 3, want, why, sizeof why), 0);
    placement_text(&p, text, sizeof text);
    snprintf(expect, sizeof expect, "cpu %d: p0 p1 p2", cpu);
    assert_string_equal(text, expect);
    snprintf(want, sizeof want, "%d", cpu);
    assert_int_equal(placement_make(&p, 3, want, why, sizeof why), 0);
    placement_text(&p, text, sizeof text);
    assert_string_equal(text, expect);
}

static void test_what_cannot_be_is_refused_in_a_sentence(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "x",           "0,",          "%d,%d",  "99999",  "-1",      "%d:0",
        "%d:0,1,2,3",  "%d:0,1,1,2",  "%d:0,1", "%d:0;1", "%d:0,1;", "%d:a",
        "99999:0,1,2", "%d:0;%d:1,2", "%d-",    ":0",     "3-1",     "%d:",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char want[64];
        int cpu = own_cpu();
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(want, sizeof want, bad[i], cpu, cpu);
#pragma GCC diagnostic pop
        why[0] = '\0';
        assert_true(placement_make(&p, 3, want, why, sizeof why) < 0);
        assert_non_null(strstr(why, want));
    }
    assert_true(placement_make(&p, 0, NULL, why, sizeof why) < 0);
}

static void test_a_long_mapping_is_cut_not_overrun(void **state)
{
    (void)state;
    char text[16];
    assert_int_equal(placement_make(&p, 64, NULL, why, sizeof why), 0);
    placement_text(&p, text, sizeof text);
    assert_true(strlen(text) < sizeof text);
}

static int two_threads_a_core(int cpu)
{
    return cpu % 4;
}

static void test_hardware_threads_of_one_core_are_told_from_cores(void **state)
{
    (void)state;
    const struct placement threads = {.n = 3, .lcores = 3, .cpu = {1, 2, 5}, .lcore = {0, 1, 2}};
    const struct placement cores = {.n = 3, .lcores = 3, .cpu = {1, 2, 4}, .lcore = {0, 1, 2}};
    assert_true(placement_siblings_by(&threads, two_threads_a_core));
    assert_false(placement_siblings_by(&cores, two_threads_a_core));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_processor_is_polled_twice),
        cmocka_unit_test(test_even_is_as_many_on_each),
        cmocka_unit_test(test_an_override_is_taken_as_it_is),
        cmocka_unit_test(test_what_cannot_be_is_refused_in_a_sentence),
        cmocka_unit_test(test_a_long_mapping_is_cut_not_overrun),
        cmocka_unit_test(test_hardware_threads_of_one_core_are_told_from_cores),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
