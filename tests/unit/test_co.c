/* SPDX-License-Identifier: BSD-3-Clause */
/* The runtime: what is refused when wired, notation, determinism, what a process tells itself, where
 * its messages come from. */
#include "harness.h"

#include "dataplane/eal.h"
#include "protocols/broadcast/broadcast.h"
#include "protocols/detectors/detectors.h"
#include "protocols/links/links.h"

static struct world w;

static void refused(const struct stack_def *def, const char *part)
{
    struct stack_conf conf = {.n = 3};
    char why[256] = "";
    stack_conf_default(&conf);
    assert_int_equal(co_check_wiring(def, NULL, &conf, why, sizeof why), -22);
    if (strstr(why, part) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", why, part);
}

static void test_a_stack_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    const struct stack_layer missing[] = {{"pl", &pl_window_class, {NULL}},
                                          {"beb", &beb_basic_class, {NULL}},
                                          {0}};
    refused(&(struct stack_def){"x", "", "beb", missing}, "uses pl, and is given none");
    const struct stack_layer wrong[] = {{"pl", &pl_window_class, {NULL}},
                                        {"beb", &beb_basic_class, {"pl"}},
                                        {"beb2", &beb_basic_class, {"beb"}},
                                        {0}};
    refused(&(struct stack_def){"x", "", "beb", wrong}, "uses beb as pl, but it implements beb");
    const struct stack_layer twice[] = {{"pl", &pl_window_class, {NULL}},
                                        {"pl2", &pl_window_class, {NULL}},
                                        {0}};
    refused(&(struct stack_def){"x", "", "pl", twice}, "both receive frames of kind 2");
    const struct stack_layer top[] = {{"pl", &pl_window_class, {NULL}}, {0}};
    refused(&(struct stack_def){"x", "", "urb", top}, "its top, urb, is none of its layers");
    const struct stack_layer unheard[] = {{"pl", &pl_window_class, {NULL}},
                                          {"epfd", &epfd_increasing_timeout_class, {"pl"}},
                                          {"beb", &beb_basic_class, {"pl"}},
                                          {0}};
    refused(&(struct stack_def){"x", "", "beb", unheard}, "no layer uses epfd");
}

struct lines {
    struct trace trace;
    char text[4096];
};

static bool write_line(struct trace *t, struct stack *st, struct co *to, const struct ev *ev,
                       uint32_t n)
{
    struct lines *l = (struct lines *)t;
    for (uint32_t i = 0; i < n; i++) {
        char line[256];
        ev_text(st, to, &ev[i], line, sizeof line);
        strncat(l->text, line, sizeof l->text - strlen(l->text) - 1);
        strncat(l->text, "\n", sizeof l->text - strlen(l->text) - 1);
    }
    return true;
}

static void test_a_trace_is_the_execution_in_the_books_notation(void **state)
{
    (void)state;
    struct lines lines = {.trace = {write_line}};
    world_start(&w, stack_find("beb"), 2, NULL);
    w.st[0]->trace = &lines.trace;
    w.st[1]->trace = &lines.trace;
    world_request(&w, 0, EV_BEB_BROADCAST, 0, 0, world_msg(&w, 0, 17, 8));
    world_settle(&w);
    assert_string_equal(lines.text, "p0 ⟨beb, Broadcast | 17⟩\n"
                                    "p0 ⟨pl, Send | p0, 17⟩\n"
                                    "p0 ⟨pl, Send | p1, 17⟩\n"
                                    "p0 ⟨pl, Deliver | p0, 17⟩\n"
                                    "p0 ⟨beb, Deliver | p0, 17⟩\n"
                                    "p1 ⟨net, Frame | p0, 68B#1ac05d⟩\n"
                                    "p1 ⟨pl, Deliver | p0, 17⟩\n"
                                    "p1 ⟨beb, Deliver | p0, 17⟩\n");
    world_end(&w);
}

static uint64_t run_and_hash(void)
{
    uint64_t hash = 0;
    world_start(&w, stack_find("beb"), 3, NULL);
    for (uint64_t i = 0; i < 10; i++)
        for (uint16_t p = 0; p < 3; p++)
            world_request(&w, p, EV_BEB_BROADCAST, 0, 0, world_msg(&w, p, i, 100));
    world_settle(&w);
    for (uint16_t p = 0; p < 3; p++)
        hash = hash * 31 + stack_hash(w.st[p]);
    world_end(&w);
    return hash;
}

/* Three times as many as the stack keeps for the end of a breath, and all in one: those that do not
 * fit are handed over early; none is lost, none is told twice, and their order stays. */
static void test_what_a_process_tells_itself_keeps_its_order(void **state)
{
    (void)state;
    const uint64_t n = 3 * STACK_OWNS;
    world_start(&w, stack_find("pl"), 2, NULL);
    for (uint64_t i = 0; i < n; i++)
        world_request(&w, 0, EV_PL_SEND, i % 3 == 2, 0, world_msg(&w, 0, i, 8));
    world_settle(&w);
    uint64_t next = 0, own = 0;
    for (uint32_t k = 0; k < w.seens; k++) {
        if (w.seen_by[k] != 0)
            continue;
        assert_int_equal(w.seen[k].value, next);
        next += next % 3 == 1 ? 2 : 1; /* every third went to p1 */
        own++;
    }
    assert_int_equal(own, n / 3 * 2);
    assert_int_equal(world_count_type(&w, 1, EV_PL_DELIVER), n / 3);
    world_end(&w);
}

/* Messages have a pool of their own. When it is empty, the common one serves; what was taken goes
 * back to where it came from. */
static void test_messages_come_from_their_own_pool_first(void **state)
{
    (void)state;
    struct rte_mempool *slabs = eal_pool("slabs", 7, 0, 2048);
    assert_non_null(slabs);
    world_start(&w, stack_find("pl"), 2, NULL);
    w.sim.env[0].env.slabs = slabs;
    unsigned common = rte_mempool_avail_count(w.pool);
    for (uint64_t i = 0; rte_mempool_avail_count(slabs) > 0; i++) {
        world_request(&w, 0, EV_PL_SEND, 1, 0, world_msg(&w, 0, i, 1000));
        assert_true(i < 100);
    }
    assert_int_equal(rte_mempool_avail_count(w.pool), common);
    for (uint64_t i = 0; i < 20; i++)
        world_request(&w, 0, EV_PL_SEND, 1, 0, world_msg(&w, 0, 1000 + i, 1000));
    assert_true(rte_mempool_avail_count(w.pool) < common);
    world_settle(&w);
    for (uint64_t i = 0; i < 20; i++)
        assert_int_equal(world_count(&w, 1, EV_PL_DELIVER, 0, 1000 + i), 1);
    world_end(&w);
    assert_int_equal(rte_mempool_avail_count(slabs), 7);
    rte_mempool_free(slabs);
}

static void test_same_inputs_same_state(void **state)
{
    (void)state;
    assert_true(run_and_hash() == run_and_hash());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_stack_that_does_not_fit_is_refused),
        cmocka_unit_test(test_a_trace_is_the_execution_in_the_books_notation),
        cmocka_unit_test(test_same_inputs_same_state),
        cmocka_unit_test(test_what_a_process_tells_itself_keeps_its_order),
        cmocka_unit_test(test_messages_come_from_their_own_pool_first),
    };
    harness_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
