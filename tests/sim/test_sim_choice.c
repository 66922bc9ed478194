/* SPDX-License-Identifier: BSD-3-Clause */
/* Choices in words, and without the step that they have their process take. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "control/sim_choice.h"

static const struct sim_app beb = {.type = EV_BEB_BROADCAST, .verb = "broadcast"};
static const struct sim_app pl = {.type = EV_PL_SEND, .to_process = true, .verb = "send"};
static const struct sim_app uc = {.type = EV_UC_PROPOSE, .instance = true, .verb = "propose"};

static const struct {
    struct choice c;
    const struct sim_app *app;
    const char *text;
} words[] = {
    {{.kind = CHOICE_STEP, .p = 2}, &beb, "step p2"},
    {{.kind = CHOICE_DELIVER, .p = 1, .q = 0, .k = 7}, &beb, "deliver 1->0 #7"},
    {{.kind = CHOICE_ARRIVE, .p = 1, .q = 0, .k = 7}, &beb, "arrive 1->0 #7"},
    {{.kind = CHOICE_DUPLICATE, .p = 1, .q = 0}, &beb, "duplicate 1->0 #0"},
    {{.kind = CHOICE_DUPLICATE, .p = 1, .q = 0, .b = WAITS}, &beb, "duplicate 1->0 #0 waiting"},
    {{.kind = CHOICE_DROP, .p = 0, .q = 9, .k = SIM_COPY_ORDINAL}, &beb, "drop 0->9 #16777216"},
    {{.kind = CHOICE_CORRUPT, .p = 0, .q = 1, .k = 2, .a = 300}, &beb, "corrupt 0->1 #2 bit 300"},
    {{.kind = CHOICE_TIMER, .p = 1}, &beb, "timer p1"},
    {{.kind = CHOICE_TIMER, .p = 1, .b = WAITS}, &beb, "timer p1 waiting"},
    {{.kind = CHOICE_ADVANCE, .a = 5000000000}, &beb, "advance 5000000000ns"},
    {{.kind = CHOICE_REQUEST, .p = 1, .a = 4}, &beb, "request p1 broadcast 4"},
    {{.kind = CHOICE_REQUEST, .p = 1, .q = 2, .a = 4}, &pl, "request p1 send p2 4"},
    {{.kind = CHOICE_REQUEST, .p = 1, .a = 4, .b = 3, .k = 1},
     &uc,
     "request p1 propose 4 @3 waiting"},
    {{.kind = CHOICE_CRASH, .p = 3}, &beb, "crash p3"},
    {{.kind = CHOICE_CRASH, .p = 3, .a = KEEPS_ALL}, &beb, "crash p3 keeps all"},
    {{.kind = CHOICE_CRASH, .p = 3, .a = KEEPS}, &beb, "crash p3 keeps 4"},
    {{.kind = CHOICE_CRASH, .p = 3, .a = KEEPS_CHOSEN + 5}, &beb, "crash p3 keeps 4294967301"},
    {{.kind = CHOICE_CRASH_AT, .p = 0, .a = KEEPS_FIRST}, &beb, "crash-at p0 0 keeps first"},
    {{.kind = CHOICE_CRASH_SENT, .p = 0, .k = 2, .a = KEEPS_LAST},
     &beb,
     "crash-sent p0 2 keeps last"},
    {{.kind = CHOICE_CRASH_SUPER, .p = 0, .k = 1}, &beb, "crash-super p0 1"},
    {{.kind = CHOICE_LOSE_SUPER, .p = 0, .k = 3}, &beb, "lose-super p0 3"},
    {{.kind = CHOICE_RECOVER, .p = 0}, &beb, "recover p0"},
    {{.kind = CHOICE_RECOVER, .p = 0, .k = 1}, &beb, "recover p0 super 0"},
    {{.kind = CHOICE_RECOVER, .p = 0, .k = 2}, &beb, "recover p0 super 1"},
    {{.kind = CHOICE_WRITTEN, .p = 0, .k = 8}, &beb, "written p0 #8"},
    {{.kind = CHOICE_WRITTEN, .p = 0, .k = 8, .b = DISK_FAILS, .a = KEEPS_LAST},
     &beb,
     "written p0 #8 failed keeps last"},
    {{.kind = CHOICE_WRITTEN, .p = 0, .k = 8, .b = DISK_LOSES + WRITTEN_WAITS},
     &beb,
     "written p0 #8 lost waiting"},
    {{.kind = CHOICE_FLIP, .p = 0, .k = 4, .a = 17, .b = 7},
     &beb,
     "flip p0 segment 4 byte 17 bit 7"},
    {{.kind = CHOICE_PAUSE, .p = 4}, &beb, "pause p4"},
    {{.kind = CHOICE_RESUME, .p = 4}, &beb, "resume p4"},
    {{.kind = CHOICE_LIE, .p = 0, .q = 1}, &beb, "lie p0 p1"},
    {{.kind = CHOICE_LIE, .p = 0, .q = 1, .k = LIE_EPFD, .b = WAITS},
     &beb,
     "lie p0 p1 epfd waiting"},
    {{.kind = CHOICE_ARM, .k = 2}, &beb, "arm 2"},
    {{.kind = CHOICE_DISARM, .k = 2}, &beb, "disarm 2"},
    {{.kind = CHOICE_HEAL}, &beb, "heal"},
};
#define WORDS (sizeof words / sizeof words[0])

static void test_each_kind_has_its_words(void **state)
{
    (void)state;
    bool met[CHOICES] = {false};
    for (size_t i = 0; i < WORDS; i++) {
        char text[160];
        int len = choice_text(&words[i].c, words[i].app, text, sizeof text);
        assert_string_equal(text, words[i].text);
        assert_int_equal(len, strlen(text));
        met[words[i].c.kind] = true;
    }
    for (int kind = CHOICE_NONE + 1; kind < CHOICES; kind++)
        if (!met[kind])
            fail_msg("'%s' is not among the words", choice_names[kind]);
}

/* What is left of a choice without its step, in words; NULL: there is no step in it. */
static const char *stepless(struct choice c)
{
    static char text[160];
    if (!choice_without_step(&c))
        return NULL;
    if (c.kind == CHOICE_NONE)
        return "";
    choice_text(&c, &beb, text, sizeof text);
    return text;
}

static void test_the_cause_of_a_step_stands_apart_from_it(void **state)
{
    (void)state;
    assert_string_equal(stepless((struct choice){.kind = CHOICE_STEP, .p = 1}), "");
    assert_string_equal(stepless((struct choice){.kind = CHOICE_DELIVER, .p = 1, .q = 2}),
                        "arrive 1->2 #0");
    assert_string_equal(stepless((struct choice){.kind = CHOICE_DUPLICATE, .p = 1, .q = 2}),
                        "duplicate 1->2 #0 waiting");
    assert_string_equal(stepless((struct choice){.kind = CHOICE_REQUEST, .a = 1}),
                        "request p0 broadcast 1 waiting");
    assert_string_equal(stepless((struct choice){.kind = CHOICE_TIMER}), "timer p0 waiting");
    assert_string_equal(stepless((struct choice){.kind = CHOICE_LIE, .q = 1}), "lie p0 p1 waiting");
    assert_string_equal(stepless((struct choice){.kind = CHOICE_WRITTEN, .b = DISK_FAILS}),
                        "written p0 #0 failed waiting");
}

static void assert_same(const struct choice *c, const struct choice *d)
{
    assert_int_equal(c->kind, d->kind);
    assert_int_equal(c->p, d->p);
    assert_int_equal(c->q, d->q);
    assert_int_equal(c->k, d->k);
    assert_int_equal(c->a, d->a);
    assert_int_equal(c->b, d->b);
}

/* Of one that waits already the same is left; of all other kinds nothing. */
static void test_what_takes_no_step_stays_as_it_is(void **state)
{
    (void)state;
    const struct choice waits = {.kind = CHOICE_WRITTEN, .b = DISK_LOSES + WRITTEN_WAITS};
    struct choice c = waits;
    assert_true(choice_without_step(&c));
    assert_same(&c, &waits);
    for (uint8_t kind = CHOICE_NONE; kind < CHOICES; kind++) {
        const struct choice before = {.kind = kind, .p = 3, .q = 1, .k = 2, .a = 7};
        c = before;
        if (!choice_without_step(&c))
            assert_same(&c, &before);
    }
    assert_null(stepless((struct choice){.kind = CHOICE_CRASH}));
    assert_null(stepless((struct choice){.kind = CHOICE_RECOVER}));
    assert_null(stepless((struct choice){.kind = CHOICE_DROP}));
    assert_null(stepless((struct choice){.kind = CHOICE_ADVANCE, .a = 1}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_kind_has_its_words),
        cmocka_unit_test(test_the_cause_of_a_step_stands_apart_from_it),
        cmocka_unit_test(test_what_takes_no_step_stays_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
