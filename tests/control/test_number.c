/* SPDX-License-Identifier: BSD-3-Clause */
/* Whole numbers, as a person writes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "control/number.h"

static void test_numbers_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t value;
    } cases[] = {{"0", 0},
                 {"42", 42},
                 {"007", 7},
                 {"0x0", 0},
                 {"0X1f", 31},
                 {"0xFFFFFFFFFFFFFFFF", UINT64_MAX},
                 {"18446744073709551615", UINT64_MAX},
                 {"00000000000000000000000000000001", 1}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t value = 99;
        if (!number_parse(cases[i].text, &value))
            fail_msg("'%s' is no number", cases[i].text);
        assert_true(value == cases[i].value);
    }
}

static void test_what_is_no_number_is_not(void **state)
{
    (void)state;
    static const char *const cases[] = {"",
                                        " 1",
                                        "1 ",
                                        "-1",
                                        "+1",
                                        "1.5",
                                        "1e3",
                                        "0x",
                                        "0xg",
                                        "x1",
                                        "1f",
                                        "a",
                                        "f00",
                                        "1_0",
                                        "0x-1",
                                        "0x+1",
                                        "0x 1",
                                        "0x1 ",
                                        "18446744073709551616",
                                        "0x10000000000000000"};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t value;
        if (number_parse(cases[i], &value))
            fail_msg("'%s' is taken for a number", cases[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_are_read),
        cmocka_unit_test(test_what_is_no_number_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
