/* SPDX-License-Identifier: BSD-3-Clause */
/* Scripts of faults: what is read is what was meant, what makes no sense is refused by its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "control/faults.h"

#define MS 1000000ull

static struct fault_line line_of(const char *text)
{
    struct fault_line l;
    char why[512] = "";
    if (faults_parse(text, &l, why, sizeof why) != 0)
        fail_msg("%s: %s", text, why);
    return l;
}

static void a_line_is_a_time_and_a_deed(void **state)
{
    (void)state;
    struct fault_line l = line_of("2s..2.5s partition 0,1 | 2");
    assert_int_equal(l.at_ns, 2000 * MS);
    assert_int_equal(l.until_ns, 2500 * MS);
    assert_int_equal(l.rule.kind, FAULT_PARTITION);
    assert_int_equal(l.rule.side, 3);
    l = line_of("at 3s crash 1");
    assert_int_equal(l.deed, DEED_CRASH);
    assert_int_equal(l.procs, 2);
    assert_int_equal(l.until_ns, FAULTS_NEVER);
    l = line_of("1s.. loss p=0.01 0-2   # a comment");
    assert_int_equal(l.rule.ppm, 10000);
    assert_int_equal(l.until_ns, FAULTS_NEVER);
    l = line_of("loss 10% 0->1");
    assert_int_equal(l.at_ns, 0);
    l = line_of("loss 10% 0->1 @1ms..2ms");
    assert_int_equal(l.at_ns, 1 * MS);
    assert_int_equal(l.until_ns, 2 * MS);
    assert_int_equal(l.rule.until_ns, 0);
    l = line_of("100ms..200ms pause 0, p2");
    assert_int_equal(l.deed, DEED_PAUSE);
    assert_int_equal(l.procs, 5);
    assert_int_equal(line_of("at 1s clear").deed, DEED_CLEAR);
}

static void nothing_on_a_line_is_no_fault(void **state)
{
    (void)state;
    struct faults f = {0};
    char why[512];
    assert_int_equal(faults_add(&f, "  # only words\n", "f", 1, why, sizeof why), 0);
    assert_int_equal(faults_add(&f, "\n", "f", 2, why, sizeof why), 0);
    assert_int_equal(f.count, 0);
}

static void lines_read_back_what_they_write(void **state)
{
    (void)state;
    static const char *const texts[] = {"2s..2500ms partition 0,1|2",
                                        "at 3s crash 1",
                                        "1s.. loss 1.05% 0-2",
                                        "10ms..20ms pause 0,2",
                                        "at 5s clear",
                                        "at 4s recover 1"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct fault_line l = line_of(texts[i]);
        char text[512];
        faults_text(&l, text, sizeof text);
        assert_string_equal(text, texts[i]);
    }
}

static void lines_that_say_nothing_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"2s..1s loss 1%", "at crash 1",
                                        "at 3x crash 1",  "at 3s",
                                        "at 3s crash",    "at 3s crash x",
                                        "1s..2s crash 1", "at 3s explode 1",
                                        "1s..x loss 1%",  "1s..2s loss @1s..2s",
                                        "at 1s clear 2",  "at 1s crash 1,",
                                        "at 1s crash 64"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct fault_line l;
        char why[512] = "";
        assert_true(faults_parse(texts[i], &l, why, sizeof why) < 0);
        assert_true(strlen(why) > 10);
    }
}

/* Read a script of lines that a '\n' ends. */
static int script(struct faults *f, const char *text, char *why, size_t size)
{
    *f = (struct faults){0};
    char copy[4096];
    strcpy(copy, text);
    uint32_t place = 0;
    for (char *save, *l = strtok_r(copy, "\n", &save); l != NULL; l = strtok_r(NULL, "\n", &save))
        if (faults_add(f, l, "script", ++place, why, size) != 0)
            return -1;
    return faults_check(f, 3, 5000 * MS, why, size);
}

static void steps_come_by_time_and_what_ends_comes_first(void **state)
{
    (void)state;
    struct faults f;
    char why[512] = "";
    assert_int_equal(script(&f, "1s..2s loss 1%\n500ms..1s delay 1ms\nat 1s crash 0", why,
                            sizeof why),
                     0);
    assert_int_equal(f.steps, 5);
    assert_int_equal(f.step[0].line, 1);
    assert_true(f.step[1].ends);
    assert_int_equal(f.step[1].line, 1);
    assert_int_equal(f.step[2].line, 0);
    assert_int_equal(f.step[3].line, 2);
    /* One after the other: the same number serves both rules. */
    assert_int_equal(f.rules, 1);
    assert_int_equal(f.line[0].number, FAULTS_NUMBER_TOP);
    assert_int_equal(f.line[1].number, FAULTS_NUMBER_TOP);
}

static void what_makes_no_sense_is_refused_by_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
    } cases[] = {{"at 1s crash 3", "script:1: p3 is not one"},
                 {"loss 1%\nat 6s crash 1", "script:2: the load ends at 5s"},
                 {"at 1s recover 1", "script:1: p1 has not crashed"},
                 {"at 2s recover 1\nat 3s crash 1", "script:1: p1 has not crashed"},
                 {"at 1s crash 1\nat 2s crash 1", "script:2: p1 has crashed already"},
                 {"at 1s resume 1", "script:1: p1 is not paused"},
                 {"1s..2s pause 1\nat 1500ms pause 1", "script:2: p1 is paused already"},
                 {"partition 0,1|1", "script:1: fault 'partition 0,1|1' names p1 on both sides"},
                 {"1s..2s isolate 3", "script:1: p3 is not one"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct faults f;
        char why[512] = "";
        assert_true(script(&f, cases[i].text, why, sizeof why) < 0);
        if (strncmp(why, cases[i].why, strlen(cases[i].why)) != 0)
            fail_msg("%s", why);
    }
}

static void more_rules_at_one_time_than_there_are_numbers_are_refused(void **state)
{
    (void)state;
    struct faults f;
    char text[2048] = "", why[512] = "";
    for (int i = 0; i < FAULT_RULES_MAX; i++)
        strcat(text, "1s..2s loss 1%\n");
    assert_int_equal(script(&f, text, why, sizeof why), 0);
    strcat(text, "2s..3s loss 1%\n");
    assert_int_equal(script(&f, text, why, sizeof why), 0);
    strcat(text, "1500ms..3s loss 1%\n");
    assert_true(script(&f, text, why, sizeof why) < 0);
    assert_non_null(strstr(why, "more than 16 rules"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_a_time_and_a_deed),
        cmocka_unit_test(nothing_on_a_line_is_no_fault),
        cmocka_unit_test(lines_read_back_what_they_write),
        cmocka_unit_test(lines_that_say_nothing_are_refused),
        cmocka_unit_test(steps_come_by_time_and_what_ends_comes_first),
        cmocka_unit_test(what_makes_no_sense_is_refused_by_its_place),
        cmocka_unit_test(more_rules_at_one_time_than_there_are_numbers_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
