/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Histograms. With the argument "export FILE" the program writes a log of a known histogram, and
 * its counts to stdout, for an independent decoder to compare.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "control/hist.h"
#include "protocols/random.h"

static struct hist h, other;

static void clear(void)
{
    memset(&h, 0, sizeof h);
    memset(&other, 0, sizeof other);
}

static void a_value_is_kept_to_three_digits(void **state)
{
    (void)state;
    for (uint64_t v = 1; v < HIST_VALUE_MAX; v += v / 3 + 1) {
        assert_true(hist_slot(v) < HIST_SLOTS);
        uint64_t top = hist_slot_top(v);
        assert_true(top >= v);
        assert_true(top - v <= v / 1000);
        assert_int_equal(hist_slot(top), hist_slot(v));
        assert_int_equal(hist_slot(top + 1), hist_slot(v) + 1);
    }
    assert_int_equal(hist_slot(HIST_VALUE_MAX), HIST_SLOTS - 1);
}

static void what_is_too_large_counts_as_the_largest(void **state)
{
    (void)state;
    clear();
    hist_record(&h, UINT64_MAX);
    assert_int_equal(h.max, HIST_VALUE_MAX);
    assert_int_equal(h.count[HIST_SLOTS - 1], 1);
}

static void a_percentile_has_ten_samples_beyond_it_or_is_left_out(void **state)
{
    (void)state;
    uint64_t v;
    clear();
    for (uint64_t i = 1; i <= 1000; i++)
        hist_record(&h, i);
    assert_true(hist_percentile(&h, 50, &v));
    assert_int_equal(v, 500);
    assert_true(hist_percentile(&h, 99, &v));
    assert_int_equal(v, 990);
    assert_false(hist_percentile(&h, 99.9, &v));
    assert_int_equal(hist_count(&h), 1000);
    clear();
    assert_false(hist_percentile(&h, 50, &v));
}

static void merging_loses_nothing(void **state)
{
    (void)state;
    struct random r = random_seeded(1, 1);
    clear();
    uint64_t max = 0;
    for (int i = 0; i < 10000; i++) {
        uint64_t v = random_u64(&r) >> (24 + random_below(&r, 40));
        max = v > max ? v : max;
        hist_record(i % 2 ? &h : &other, v);
    }
    hist_add(&h, &other);
    assert_int_equal(hist_count(&h), 10000);
    assert_int_equal(h.max, max);
}

static void the_last_interval_is_what_came_since(void **state)
{
    (void)state;
    static struct hist before;
    clear();
    memset(&before, 0, sizeof before);
    hist_record(&h, 5);
    other = h;
    hist_since(&other, &before);
    assert_int_equal(hist_count(&other), 1);
    hist_record(&h, 7000);
    hist_record(&h, 5);
    other = h;
    hist_since(&other, &before);
    assert_int_equal(hist_count(&other), 2);
    assert_int_equal(other.count[hist_slot(5)], 1);
    assert_int_equal(other.count[hist_slot(7000)], 1);
}

/* Small and large values, single and long runs of empty slots, counts of one byte and of many. */
static int export(const char *path)
{
    struct random r = random_seeded(7, 7);
    for (int i = 0; i < 20000; i++)
        hist_record(&h, random_u64(&r) >> (24 + random_below(&r, 40)));
    for (int i = 0; i < 100000; i++)
        hist_record(&h, 1234567);
    hist_record(&h, 0);
    hist_record(&h, 2);
    hist_record(&h, HIST_VALUE_MAX);
    hist_record(&other, 42);
    FILE *f = fopen(path, "w");
    if (f == NULL)
        return 1;
    const struct hist *const hists[] = {&h, &other};
    const char *const tags[] = {"first", "second"};
    int err = hist_log_write(f, hists, tags, 2, 1700000000.5, 2.25);
    if (fclose(f) != 0 || err != 0)
        return 1;
    for (int i = 0; i < 2; i++)
        for (uint32_t s = 0; s < HIST_SLOTS; s++)
            if (hists[i]->count[s] > 0)
                printf("%s %u %llu\n", tags[i], s, (unsigned long long)hists[i]->count[s]);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "export") == 0)
        return export(argv[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_is_kept_to_three_digits),
        cmocka_unit_test(what_is_too_large_counts_as_the_largest),
        cmocka_unit_test(a_percentile_has_ten_samples_beyond_it_or_is_left_out),
        cmocka_unit_test(merging_loses_nothing),
        cmocka_unit_test(the_last_interval_is_what_came_since),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
