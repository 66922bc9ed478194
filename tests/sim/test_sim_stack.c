/* SPDX-License-Identifier: BSD-3-Clause */
/* What a stack asks of its environment, and how an application uses its top. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "control/sim_stack.h"

/* What it asks for, a letter each. */
static const char *needs_of(const char *stack)
{
    static char text[8];
    const struct sim_needs n = sim_needs(stack_find(stack));
    char *at = text;
    const struct {
        bool is;
        char letter;
    } all[] = {{n.synchronous, 'P'}, {n.majority, 'm'}, {n.detector, 'd'}, {n.omega, 'O'},
               {n.epfd, 'e'},        {n.disk, 'l'},     {n.endless, 's'}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (all[i].is)
            *at++ = all[i].letter;
    *at = '\0';
    return text;
}

static void test_what_stacks_need_comes_of_their_layers(void **state)
{
    (void)state;
    static const char *const needs[][2] =
        {{"pl", ""},          {"beb", ""},    {"rb_eager", ""},      {"rb_lazy", "Pd"},
         {"urb", "m"},        {"epfd", "de"}, {"urb_all_ack", "Pd"}, {"log", "l"},
         {"sl", "s"},         {"uc", "mdOe"}, {"lurb", "mls"},       {"luc", "mdOel"},
         {"c_flooding", "Pd"}};
    for (size_t i = 0; i < sizeof needs / sizeof needs[0]; i++) {
        assert_non_null(stack_find(needs[i][0]));
        if (strcmp(needs_of(needs[i][0]), needs[i][1]) != 0)
            fail_msg("%s needs '%s', not '%s'", needs[i][0], needs_of(needs[i][0]), needs[i][1]);
    }
}

static void test_as_many_may_crash_as_a_stack_withstands(void **state)
{
    (void)state;
    static const uint16_t majority[] = {0, 0, 1, 1, 2, 2, 3}; /* of 1 … 7 */
    for (uint16_t n = 1; n <= 7; n++) {
        assert_int_equal(sim_crashes_max(&(struct sim_needs){.majority = true}, n),
                         majority[n - 1]);
        assert_int_equal(sim_crashes_max(&(struct sim_needs){0}, n), n - 1);
    }
}

static void test_how_the_top_is_used(void **state)
{
    (void)state;
    static const struct {
        const char *stack;
        uint16_t type;
        bool to_process, instance;
        const char *verb;
    } uses[] = {{"pl", EV_PL_SEND, true, false, "send"},
                {"beb", EV_BEB_BROADCAST, false, false, "broadcast"},
                {"uc", EV_UC_PROPOSE, false, true, "propose"},
                {"log", EV_LOG_STORE, false, true, "store"},
                {"epfd", EV_NONE, false, false, ""}};
    for (size_t i = 0; i < sizeof uses / sizeof uses[0]; i++) {
        struct sim_app app = sim_app_of(stack_find(uses[i].stack));
        assert_int_equal(app.type, uses[i].type);
        assert_int_equal(app.to_process, uses[i].to_process);
        assert_int_equal(app.instance, uses[i].instance);
        assert_string_equal(app.verb, uses[i].verb);
    }
}

/* Every stack that there is has sizes that fit together, whatever its user says least of. */
static void test_the_sizes_of_a_simulation_fit_every_stack(void **state)
{
    (void)state;
    sim_app_prepare();
    for (size_t i = 0; stack_defs[i] != NULL; i++)
        for (uint16_t n = 1; n <= 5; n += 2) {
            struct stack_conf conf = {.n = n};
            char why[256] = "";
            sim_conf_default(&conf);
            if (co_check_wiring(stack_defs[i], &sim_app_class, &conf, why, sizeof why) != 0)
                fail_msg("%s: %s", stack_defs[i]->name, why);
            assert_int_equal(conf.store_msgs, 64);
        }
    struct stack_conf given = {.n = 3, .store_msgs = 8, .give_up_ns = 5};
    sim_conf_default(&given); /* what is given stays */
    assert_int_equal(given.store_msgs, 8);
    assert_int_equal(given.give_up_ns, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_stacks_need_comes_of_their_layers),
        cmocka_unit_test(test_as_many_may_crash_as_a_stack_withstands),
        cmocka_unit_test(test_how_the_top_is_used),
        cmocka_unit_test(test_the_sizes_of_a_simulation_fit_every_stack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
