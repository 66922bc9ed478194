/* SPDX-License-Identifier: BSD-3-Clause */
/* The terminal page of figures: what stands on it, that it fits, that nothing else comes along. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "control/top_page.h"

/* A leader that is cut off from two others, one of which has crashed. */
static const char cut[] =
    "{\"schema\":\"upon.figures/1\",\"run\":\"runs/"
    "20261121-uc\",\"stack\":\"uc\",\"device\":\"ring\","
    "\"n\":3,\"size\":64,\"phase\":\"measured\",\"time_s\":12.25,\"duration_s\":60,\"interval_s\":"
    "1.0,"
    "\"total\":{\"offered_per_s\":100000,\"sent_per_s\":99950.0,\"delivered_per_s\":0.0,"
    "\"p50_ns\":4120,\"p99_ns\":null,\"resent_per_s\":0,\"drops\":2160,\"drops_per_s\":1},"
    "\"process\":["
    "{\"rank\":0,\"state\":\"running\",\"role\":\"leader\",\"trusts\":0,\"epoch\":0,\"leader\":0,"
    "\"suspects\":[1,2],\"suspected_by\":[1],\"sent_per_s\":99950.0,\"delivered_per_s\":0.0,"
    "\"p50_ns\":4120,\"p99_ns\":12300,\"pending\":1024,\"drops\":{}},"
    "{\"rank\":1,\"state\":\"paused\",\"role\":\"follower\",\"trusts\":0,\"epoch\":0,\"leader\":0,"
    "\"suspects\":[],\"suspected_by\":[0],\"sent_per_s\":0.0,\"delivered_per_s\":0.0,"
    "\"p50_ns\":null,\"p99_ns\":null,\"pending\":0,\"drops\":{\"drop_duplicate\":2160}},"
    "{\"rank\":2,\"state\":\"crashed\",\"role\":\"none\",\"trusts\":null,\"epoch\":null,"
    "\"leader\":null,\"suspects\":[],\"suspected_by\":[0,1],\"sent_per_s\":0.0,"
    "\"delivered_per_s\":0.0,\"p50_ns\":null,\"p99_ns\":null,\"pending\":0,\"drops\":{}}],"
    "\"link\":["
    "{\"from\":0,\"to\":1,\"state\":\"up\",\"flight\":1024,\"window\":1024,\"credit\":0,"
    "\"queued\":7,\"rtt_ns\":1500000,\"stalled_s\":3.2,\"resent\":12},"
    "{\"from\":0,\"to\":2,\"state\":\"lost\",\"flight\":0,\"window\":1024,\"credit\":0,"
    "\"queued\":0,\"rtt_ns\":null,\"stalled_s\":0,\"resent\":0}],"
    "\"wait\":["
    "{\"process\":0,\"layer\":\"ep\",\"for\":\"quorum\",\"open\":1024,\"oldest\":17,\"origin\":"
    "null,"
    "\"need\":2,\"have\":[0],\"missing\":[1,2],\"age_s\":3.2,"
    "\"text\":\"instance 17: quorum 2 of 3, has p0, missing p1 p2\"},"
    "{\"process\":0,\"layer\":\"uc\",\"for\":\"leader\",\"age_s\":0.01,\"text\":\"brief\"}]}";

static json_t *figures;

static int load(void **state)
{
    (void)state;
    json_error_t error;
    figures = json_loads(cut, 0, &error);
    if (figures == NULL)
        fprintf(stderr, "%s at %d\n", error.text, error.position);
    return figures == NULL;
}

static int unload(void **state)
{
    (void)state;
    json_decref(figures);
    return 0;
}

static char *page(int rows, int columns, bool color)
{
    const struct top_view v = {.rows = rows, .columns = columns, .color = color};
    char *text = top_page(figures, &v);
    assert_non_null(text);
    return text;
}

static void test_it_says_who_leads_who_crashed_and_who_waits_for_whom(void **state)
{
    (void)state;
    char *text = page(24, 80, false);
    static const char *const say[] = {
        "uc over ring, n = 3, 64 B",
        "20261121-uc",
        "offered 100 k/s",
        "p50 4.12 us  p99 -",
        "p0   leader          0 p0     p1",
        "p1   paused",
        "p2   crashed         - -      p0 p1           -       -       -       -      -\n",
        "p0   ep         3.2 s  instance 17: quorum 2 of 3, has p0, missing p1 p2",
        "p0 -> p1   up        1024   1024      0      7  1.50 ms    3.2 s          12",
        "p0 -> p2   lost",
        "p1     2.16 k  records that had been delivered before",
    };
    for (size_t i = 0; i < sizeof say / sizeof say[0]; i++)
        if (strstr(text, say[i]) == NULL)
            fail_msg("the page lacks \"%s\":\n%s", say[i], text);
    assert_null(strstr(text, "brief")); /* who waits so short is at work */
    free(text);
}

static void assert_fits(const char *text, int rows, int columns)
{
    int lines = 0;
    for (; *text != '\0'; text++, lines++) {
        int width = 0;
        for (; *text != '\n'; text++)
            width += ((unsigned char)*text & 0xc0) != 0x80;
        assert_in_range(width, 0, columns);
    }
    assert_in_range(lines, 1, rows);
}

static void test_it_fits_every_terminal(void **state)
{
    (void)state;
    for (int rows = 2; rows < 40; rows++)
        for (int columns = 1; columns < 100; columns += 7) {
            char *text = page(rows, columns, false);
            assert_fits(text, rows, columns);
            free(text);
        }
}

static void test_what_does_not_fit_is_counted(void **state)
{
    (void)state;
    json_t *processes = json_object_get(figures, "process");
    for (int i = 0; i < 61; i++)
        json_array_append(processes, json_array_get(processes, 0));
    char *text = page(24, 80, false);
    assert_fits(text, 24, 80);
    assert_non_null(strstr(text, "and 55 more"));
    /* … and leaves the rest its place. */
    assert_non_null(strstr(text, "WAITS FOR SOMEBODY"));
    assert_non_null(strstr(text, "LINK"));
    assert_non_null(strstr(text, "DROPS"));
    free(text);
}

static void test_without_color_there_is_no_escape_sequence(void **state)
{
    (void)state;
    char *plain = page(24, 80, false), *color = page(24, 80, true);
    assert_null(strchr(plain, '\033'));
    assert_non_null(strstr(color, "\033[31mcrashed"));
    free(plain);
    free(color);
}

static void test_control_characters_of_a_run_do_not_reach_the_terminal(void **state)
{
    (void)state;
    json_object_set_new(figures, "stack", json_string("u\033]0;x\007\nc"));
    char *text = page(24, 80, true);
    assert_non_null(strstr(text, "u?]0;x??c over ring"));
    free(text);
}

static void test_figures_that_lack_everything_make_a_page_nevertheless(void **state)
{
    (void)state;
    json_object_clear(figures);
    char *text = page(24, 80, false);
    assert_fits(text, 24, 80);
    assert_non_null(strstr(text, "nobody waits"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_it_says_who_leads_who_crashed_and_who_waits_for_whom,
                                        load, unload),
        cmocka_unit_test_setup_teardown(test_it_fits_every_terminal, load, unload),
        cmocka_unit_test_setup_teardown(test_what_does_not_fit_is_counted, load, unload),
        cmocka_unit_test_setup_teardown(test_without_color_there_is_no_escape_sequence, load,
                                        unload),
        cmocka_unit_test_setup_teardown(test_control_characters_of_a_run_do_not_reach_the_terminal,
                                        load, unload),
        cmocka_unit_test_setup_teardown(test_figures_that_lack_everything_make_a_page_nevertheless,
                                        load, unload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
