/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/fault.h"
#include "protocols/random.h"

static struct fault_engine one_rule(const char *text)
{
    struct fault_rule rule;
    struct fault_engine e;
    char why[256];
    if (fault_parse(text, &rule, why, sizeof why) != 0)
        fail_msg("%s", why);
    fault_init(&e, 7, &rule, 1);
    return e;
}

static void test_loss_hits_the_stated_share_of_one_edge(void **state)
{
    (void)state;
    struct fault_engine e = one_rule("loss 10% 0->1");
    uint32_t lost = 0;
    for (uint64_t i = 0; i < 100000; i++) {
        lost += fault_frame(&e, 0, 1, i, 0).lost;
        assert_false(fault_frame(&e, 1, 0, i, 0).lost);
    }
    assert_in_range(lost, 9500, 10500);
}

static void test_the_fate_of_a_frame_does_not_depend_on_other_frames(void **state)
{
    (void)state;
    struct fault_engine e = one_rule("delay pareto 1us 10ms");
    struct fault_fate alone = fault_frame(&e, 2, 1, 41, 0);
    for (uint64_t i = 0; i < 41; i++)
        fault_frame(&e, 2, 1, i, 0);
    struct fault_fate after = fault_frame(&e, 2, 1, 41, 0);
    assert_int_equal(alone.delay_ns, after.delay_ns);
}

static uint64_t mean_of(enum fault_law law, uint64_t a, uint64_t b, uint64_t *least, uint64_t *most)
{
    struct random r = random_seeded(3, 0);
    uint64_t sum = 0;
    *least = UINT64_MAX;
    *most = 0;
    for (int i = 0; i < 100000; i++) {
        uint64_t d = fault_delay(law, a, b, random_u64(&r));
        sum += d;
        *least = d < *least ? d : *least;
        *most = d > *most ? d : *most;
    }
    return sum / 100000;
}

static void test_delay_laws_have_their_moments(void **state)
{
    (void)state;
    uint64_t least, most;
    assert_int_equal(mean_of(LAW_CONSTANT, 1000, 0, &least, &most), 1000);
    assert_in_range(mean_of(LAW_UNIFORM, 1000, 3000, &least, &most), 1990, 2010);
    assert_in_range(least, 1000, 1001);
    assert_in_range(most, 2999, 3000);
    assert_in_range(mean_of(LAW_EXPONENTIAL, 100000, 0, &least, &most), 98000, 102000);
    /* Pareto with exponent 1.5: the mean is three times the least value, and the tail is heavy. */
    assert_in_range(mean_of(LAW_PARETO, 100000, 0, &least, &most), 270000, 330000);
    assert_in_range(least, 100000, 100010);
    assert_true(most > 20 * 100000);
    mean_of(LAW_PARETO, 100000, 500000, &least, &most);
    assert_int_equal(most, 500000);
}

static void test_partitions_cut_what_they_say(void **state)
{
    (void)state;
    struct fault_engine e = one_rule("partition 0,1|2");
    assert_true(fault_frame(&e, 0, 2, 0, 0).lost);
    assert_true(fault_frame(&e, 2, 1, 0, 0).lost);
    assert_false(fault_frame(&e, 0, 1, 0, 0).lost);
    e = one_rule("oneway 0>1,2");
    assert_true(fault_frame(&e, 0, 2, 0, 0).lost);
    assert_false(fault_frame(&e, 2, 0, 0, 0).lost);
    e = one_rule("isolate 1 @1ms..2ms");
    assert_false(fault_frame(&e, 0, 1, 0, 999999).lost);
    assert_true(fault_frame(&e, 0, 1, 0, 1000000).lost);
    assert_false(fault_frame(&e, 0, 1, 0, 2000000).lost);
}

static void test_a_side_is_of_those_alone_whom_it_names(void **state)
{
    (void)state;
    struct fault_engine e = one_rule("isolate 2");
    assert_true(fault_frame(&e, 2, 66, 0, 0).lost);
    assert_true(fault_frame(&e, 66, 2, 0, 0).lost);
    assert_false(fault_frame(&e, 66, 0, 0, 0).lost);
    e = one_rule("oneway 2 > 0");
    assert_false(fault_frame(&e, 66, 0, 0, 0).lost);
}

/* A drawn rule may hold a time that its law has no use for. */
static void test_a_law_is_written_with_its_own_times(void **state)
{
    (void)state;
    struct fault_rule r = one_rule("delay constant 1ms").rule[0];
    char text[256], why[256];
    r.b_ns = 400000;
    fault_text(&r, text, sizeof text);
    assert_string_equal(text, "delay constant 1ms");
    assert_int_equal(fault_parse(text, &r, why, sizeof why), 0);
}

static void test_rules_read_back_what_they_write(void **state)
{
    (void)state;
    static const char *const texts[] = {"loss 12.5% 0->1",
                                        "delay exponential 1ms",
                                        "reorder 5% pareto 1ms 50ms *->2",
                                        "partition 0,1|2",
                                        "oneway 2>0,1 @1ms..1s",
                                        "isolate 3",
                                        "duplicate 1% @0s..5ms",
                                        "delay uniform 10us 2ms 1->*",
                                        "receive-omit 20% 1",
                                        "send-omit 100% 0",
                                        "loss p=0.01 0-2",
                                        "partition 0,1 | 2 , 3",
                                        "rate 1.5k/s burst=8",
                                        "loss class=heartbeat 0 -> 1",
                                        "disk-slow 5% exponential 2.5ms 1",
                                        "disk-fail p=0.001",
                                        "oneway 0 > 1 class=heartbeat",
                                        "oneway 1> @7ms..39ms",
                                        "partition 1| class=heartbeat",
                                        "delay uniform 0s 0s"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct fault_rule a, b;
        char text[256], again[256], why[256];
        assert_int_equal(fault_parse(texts[i], &a, why, sizeof why), 0);
        fault_text(&a, text, sizeof text);
        assert_int_equal(fault_parse(text, &b, why, sizeof why), 0);
        fault_text(&b, again, sizeof again);
        assert_string_equal(text, again);
    }
}

static void test_words_may_stand_apart(void **state)
{
    (void)state;
    struct fault_rule a, b;
    char why[256];
    assert_int_equal(fault_parse("partition 0 , 1 | 2", &a, why, sizeof why), 0);
    assert_int_equal(fault_parse("partition 0,1|2", &b, why, sizeof why), 0);
    assert_memory_equal(&a, &b, sizeof a);
    assert_int_equal(fault_parse("loss p=0.01 0 -> 1 ", &a, why, sizeof why), 0);
    assert_int_equal(fault_parse("loss 1% 0->1", &b, why, sizeof why), 0);
    assert_memory_equal(&a, &b, sizeof a);
}

static void test_a_link_is_both_of_its_edges(void **state)
{
    (void)state;
    struct fault_engine e = one_rule("loss 0-2");
    assert_true(fault_frame(&e, 0, 2, 0, 0).lost);
    assert_true(fault_frame(&e, 2, 0, 0, 0).lost);
    assert_false(fault_frame(&e, 0, 1, 0, 0).lost);
    assert_int_equal(fault_touching(&e, 2, 0), 1);
    assert_int_equal(fault_touching(&e, 1, 0), 0);
}

static void test_a_rate_lets_its_burst_pass_and_then_its_rate(void **state)
{
    (void)state;
    struct fault_engine e = one_rule("rate 1k/s burst=4 0->1");
    uint64_t full_ns = 0;
    uint32_t passed = 0;
    assert_int_equal(fault_frame(&e, 0, 1, 0, 0).limited, 1);
    assert_int_equal(fault_frame(&e, 1, 0, 0, 0).limited, 0);
    for (int i = 0; i < 10; i++)
        passed += fault_token(&e.rule[0], &full_ns, 5000000);
    assert_int_equal(passed, 4);
    for (uint64_t now = 5000000; now < 1005000000; now += 10000)
        passed += fault_token(&e.rule[0], &full_ns, now);
    assert_in_range(passed, 4 + 999, 4 + 1000);
}

static void test_a_rule_for_heartbeats_loses_no_frame(void **state)
{
    (void)state;
    struct fault_engine e = one_rule("loss class=heartbeat 0->1");
    assert_false(fault_frame(&e, 0, 1, 0, 0).lost);
    assert_int_equal(fault_touching(&e, 0, 1), 0);
    assert_true(fault_heartbeats(&e, 0, 1, 0, 0).held);
    assert_int_equal(fault_heartbeats(&e, 0, 1, 0, 0).delay_ns, 0);
    assert_false(fault_heartbeats(&e, 1, 0, 0, 0).held);
    e = one_rule("delay 5ms class=heartbeat 0->1");
    assert_int_equal(fault_frame(&e, 0, 1, 0, 0).delay_ns, 0);
    assert_int_equal(fault_heartbeats(&e, 0, 1, 0, 0).delay_ns, 5000000);
    e = one_rule("loss 0->1");
    assert_false(fault_heartbeats(&e, 0, 1, 0, 0).held);
}

static void test_disks_have_rules_of_their_own(void **state)
{
    (void)state;
    struct fault_engine e = one_rule("disk-slow constant 3ms 1");
    assert_int_equal(fault_disk(&e, 1, 0, 0).delay_ns, 3000000);
    assert_int_equal(fault_disk(&e, 0, 0, 0).delay_ns, 0);
    assert_int_equal(fault_frame(&e, 1, 0, 0, 0).delay_ns, 0);
    e = one_rule("disk-fail p=0.1");
    uint32_t failed = 0;
    for (uint64_t i = 0; i < 10000; i++)
        failed += fault_disk(&e, 2, i, 0).fails;
    assert_in_range(failed, 850, 1150);
}

static void test_rules_that_do_not_fit_the_processes_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"loss 0->3", "partition 0|3", "isolate 5",
                                        "partition 0,1,2|", "disk-fail 3"};
    struct fault_rule r;
    char why[256];
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_int_equal(fault_parse(texts[i], &r, why, sizeof why), 0);
        assert_true(fault_check(&r, 3, why, sizeof why) < 0);
        assert_true(fault_check(&r, 6, why, sizeof why) == 0);
    }
}

static void test_rules_that_say_nothing_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "los 10%",
                                        "loss 200%",
                                        "loss 10% 0=1",
                                        "delay",
                                        "delay 10",
                                        "partition",
                                        "partition x|1",
                                        "delay 5% 1ms",
                                        "loss 1ms",
                                        "isolate",
                                        "loss @5ms..1ms",
                                        "partition 0,1|1",
                                        "loss 1->1",
                                        "rate",
                                        "rate 0/s",
                                        "duplicate class=heartbeat",
                                        "byzantine 1",
                                        "partition 0|1|2",
                                        "loss 0->1 1->2",
                                        "disk-fail 0->1",
                                        "loss p=1.5",
                                        "isolate 0|1",
                                        "isolate 64",
                                        "partition 0|70",
                                        "delay uniform 5ms",
                                        "delay uniform 5ms 1ms",
                                        "delay constant 1ms 9ms",
                                        "delay 1ms 9ms",
                                        "delay pareto 5ms 1ms",
                                        "reorder 5% exponential 5ms 1ms",
                                        "delay exponential 1ms 2ms 3ms"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct fault_rule r;
        char why[256] = "";
        assert_true(fault_parse(texts[i], &r, why, sizeof why) < 0);
        assert_true(strlen(why) > 10);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loss_hits_the_stated_share_of_one_edge),
        cmocka_unit_test(test_the_fate_of_a_frame_does_not_depend_on_other_frames),
        cmocka_unit_test(test_delay_laws_have_their_moments),
        cmocka_unit_test(test_partitions_cut_what_they_say),
        cmocka_unit_test(test_a_side_is_of_those_alone_whom_it_names),
        cmocka_unit_test(test_a_law_is_written_with_its_own_times),
        cmocka_unit_test(test_rules_read_back_what_they_write),
        cmocka_unit_test(test_words_may_stand_apart),
        cmocka_unit_test(test_a_link_is_both_of_its_edges),
        cmocka_unit_test(test_a_rate_lets_its_burst_pass_and_then_its_rate),
        cmocka_unit_test(test_a_rule_for_heartbeats_loses_no_frame),
        cmocka_unit_test(test_disks_have_rules_of_their_own),
        cmocka_unit_test(test_rules_that_do_not_fit_the_processes_are_refused),
        cmocka_unit_test(test_rules_that_say_nothing_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
