/* SPDX-License-Identifier: BSD-3-Clause */
/* A script carried out: nothing of it is left out in silence. */
#include "control/inject.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/harness.h"

#define MS 1000000u

struct fixture {
    struct faults faults;
    struct events events;
    struct board *board;
    struct inject inject;
    char *text;
    size_t size;
};

static void open_fixture(struct fixture *f, const char *const *lines)
{
    char why[256];
    memset(f, 0, sizeof *f);
    for (uint32_t i = 0; lines[i] != NULL; i++)
        assert_int_equal(faults_add(&f->faults, lines[i], "script", i + 1, why, sizeof why), 0);
    if (faults_check(&f->faults, 3, 1000 * MS, why, sizeof why) != 0)
        fail_msg("%s", why);
    f->board = board_open(3, 0, 1, 1, NULL);
    assert_non_null(f->board);
    f->events.out = open_memstream(&f->text, &f->size);
    inject_open(&f->inject, &f->faults, f->board, &f->events, 1000 * MS);
}

static void close_fixture(struct fixture *f)
{
    events_close(&f->events);
    board_close(f->board);
    free(f->text);
}

static uint32_t lines_with(const struct fixture *f, const char *words)
{
    uint32_t lines = 0;
    fflush(f->events.out);
    for (const char *at = f->text; (at = strstr(at, words)) != NULL; at += strlen(words))
        lines++;
    return lines;
}

static void what_is_due_is_asked_at_its_time(void **state)
{
    (void)state;
    static const char *const lines[] = {"at 5ms pause 1", "20ms..30ms loss 10% 0->2", NULL};
    struct fixture f;
    open_fixture(&f, lines);
    assert_int_equal(inject_poll(&f.inject, 1000 * MS), 1005 * MS);
    assert_null(order_next(&f.board->orders[1]));
    inject_poll(&f.inject, 1005 * MS);
    const struct order *o = order_next(&f.board->orders[1]);
    assert_non_null(o);
    assert_int_equal(o->kind, ORDER_PAUSE);
    order_answer(&f.board->orders[1], &(struct order_answer){.effect_ns = 1006 * MS});
    assert_int_equal(inject_poll(&f.inject, 1007 * MS), 1020 * MS);
    assert_int_equal(lines_with(&f, "\"result\":\"ok\""), 1);
    inject_poll(&f.inject, 1020 * MS);
    assert_int_equal(order_next(&f.board->orders[0])->kind, ORDER_ARM);
    assert_null(order_next(&f.board->orders[2]));
    close_fixture(&f);
}

static void what_the_load_leaves_no_time_for_is_an_event_that_says_so(void **state)
{
    (void)state;
    static const char *const lines[] = {"at 1ms crash 1", "at 5ms recover 1", "6ms..9ms isolate 2",
                                        NULL};
    struct fixture f;
    open_fixture(&f, lines);
    inject_poll(&f.inject, 1001 * MS);
    assert_int_equal(order_next(&f.board->orders[1])->kind, ORDER_CRASH);
    order_answer(&f.board->orders[1], &(struct order_answer){.effect_ns = 1001 * MS});
    inject_poll(&f.inject, 1002 * MS);
    inject_heal(&f.inject, 2000 * MS); /* nobody called in between */
    assert_int_equal(lines_with(&f, "\"result\":\"ok\""), 1);
    assert_int_equal(lines_with(&f, "the load ended before its turn came"),
                     1 + (uint32_t)__builtin_popcountll(inject_whom(&f.faults.line[2], f.board)));
    assert_int_equal(lines_with(&f, "\"what\":\"recover 1\""), 1);
    assert_int_equal(inject_poll(&f.inject, 2001 * MS), UINT64_MAX);
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_due_is_asked_at_its_time),
        cmocka_unit_test(what_the_load_leaves_no_time_for_is_an_event_that_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
