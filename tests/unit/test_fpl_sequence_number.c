/* SPDX-License-Identifier: BSD-3-Clause */
#include "sent.h"

#include "protocols/links/links.h"

#define MS 1000000u

static struct world w;

static const struct stack_def over_textbook = {
    .name = "fpl over the textbook's links",
    .top = "fpl",
    .layers = (const struct stack_layer[]){{"fll", &fll_device_class, {NULL}},
                                           {"sl", &sl_retransmit_forever_class, {"fll"}},
                                           {"pl", &pl_eliminate_duplicates_class, {"sl", "fll"}},
                                           {"fpl", &fpl_sequence_number_class, {"pl"}},
                                           {0}},
};

static void send_value(uint16_t from, uint16_t to, uint64_t value)
{
    world_request(&w, from, EV_FPL_SEND, to, 0, world_msg(&w, from, value, 16));
}

/* q saw the values 0 … count − 1 from p, each once, in this order. */
static void assert_in_order(uint16_t q, uint16_t p, uint64_t count)
{
    uint64_t next = 0;
    for (uint32_t i = 0; i < w.seens; i++)
        if (w.seen_by[i] == q && w.seen[i].proc == p) {
            assert_int_equal(w.seen[i].type, EV_FPL_DELIVER);
            assert_int_equal(w.seen[i].value, next++);
        }
    assert_int_equal(next, count);
}

static void test_FPL1_FPL2_FPL3_FPL4_everything_once_and_in_order(void **state)
{
    (void)state;
    static const struct sent twenty = {EV_FPL_SEND, EV_FPL_DELIVER, 20, false};
    for (size_t s = 0; s < 4; s++) {
        world_start(&w, stack_find("fpl"), sizes[s], NULL);
        sent_all(&twenty, &w);
        world_settle(&w);
        sent_judge_order(&twenty, &w);
        world_end(&w);
    }
}

static void over_a_bad_network(const struct stack_def *def)
{
    static const struct sent many = {EV_FPL_SEND, EV_FPL_DELIVER, 60, false};
    const struct stack_conf conf = {.flight_msgs = 64, .ring_msgs = 256, .frame_records = 3};
    for (size_t s = 0; s < 4; s++)
        for (uint64_t seed = 1; seed <= 10; seed++) {
            struct random r = random_seeded(seed, 0);
            world_start(&w, def, sizes[s], &conf);
            sent_all(&many, &w);
            for (uint16_t p = 0; p < w.n; p++)
                world_step(&w, p);
            sent_disturb(&w, &r, 2000, 3);
            world_run(&w, 1000 * MS);
            sent_judge_order(&many, &w);
            world_end(&w);
        }
}

static void test_FPL1_FPL2_FPL3_FPL4_over_loss_duplication_reordering(void **state)
{
    (void)state;
    over_a_bad_network(stack_find("fpl"));
}

static void test_FPL1_FPL2_FPL3_FPL4_over_the_textbooks_links(void **state)
{
    (void)state;
    over_a_bad_network(&over_textbook);
}

/* The first frame is the last to come, all in one breath with more behind it. */
static void test_FPL4_when_all_but_the_first_is_early(void **state)
{
    (void)state;
    const struct stack_conf conf = {.flight_msgs = 16, .ring_msgs = 32, .frame_records = 1};
    world_start(&w, stack_find("fpl"), 2, &conf);
    for (uint64_t i = 0; i < 16; i++)
        send_value(0, 1, i);
    world_step(&w, 0);
    assert_int_equal(w.sim.flights, 16);
    for (uint32_t k = 0; k < 10; k++)
        world_deliver(&w, 1);
    assert_int_equal(w.seens, 0);
    sim_deliver(&w.sim, 0);
    while (w.sim.flights > 0)
        sim_deliver(&w.sim, w.sim.flights - 1);
    world_settle(&w);
    assert_in_order(1, 0, 16);
    world_end(&w);
}

static void test_one_message_to_many_peers_is_numbered_for_each(void **state)
{
    (void)state;
    world_start(&w, stack_find("fpl"), 4, NULL);
    send_value(0, 2, 0); /* so that the numbers differ */
    for (uint64_t i = 1; i < 10; i++) {
        struct msg m = world_msg(&w, 0, i, 8);
        for (uint16_t q = 1; q < 4; q++)
            world_request(&w, 0, EV_FPL_SEND, q, 0, m);
    }
    world_settle(&w);
    assert_in_order(2, 0, 10);
    for (uint64_t i = 1; i < 10; i++) {
        assert_int_equal(world_count(&w, 1, EV_FPL_DELIVER, 0, i), 1);
        assert_int_equal(world_count(&w, 3, EV_FPL_DELIVER, 0, i), 1);
    }
    world_end(&w);
}

static void test_a_long_run_out_of_order_keeps_its_memory(void **state)
{
    (void)state;
    const struct stack_conf conf = {.flight_msgs = 16, .ring_msgs = 32, .frame_records = 1};
    world_start(&w, stack_find("fpl"), 2, &conf);
    for (uint64_t i = 0; i < 3000; i += 3) {
        for (uint64_t k = 0; k < 3; k++)
            send_value(0, 1, i + k);
        world_step(&w, 0);
        world_deliver(&w, 2);
        world_deliver(&w, 1);
        world_deliver(&w, 0);
        world_run(&w, 1);
    }
    assert_in_order(1, 0, 3000);
    assert_true(rte_mempool_in_use_count(w.pool) < 64);
    world_end(&w);
}

static void hostile(uint32_t bytes, uint32_t incarnation, uint64_t number)
{
    struct msg m = msg_new(w.st[1], bytes);
    memset(msg_data(m), 0, bytes);
    if (bytes >= 16) {
        le32_put(msg_data(m), incarnation);
        msg_data(m)[4] = (uint8_t)w.st[1]->app->port;
        le64_put(msg_data(m) + 8, number);
    }
    trigger(stack_co(w.st[1], "fpl"), ev_make(EV_PL_DELIVER, 0, 0, 0, m));
    world_settle(&w);
}

static void test_numbers_that_lie_are_dropped_and_counted(void **state)
{
    (void)state;
    const struct stack_conf conf = {.flight_msgs = 16, .ring_msgs = 32, .frame_records = 1};
    world_start(&w, stack_find("fpl"), 2, &conf);
    uint64_t *counters = w.st[1]->counters;
    for (uint32_t bytes = 0; bytes < 16; bytes++)
        hostile(bytes, 1, 0);
    assert_int_equal(counters[COUNT_drop_message], 16);
    hostile(16, 1, UINT64_MAX);
    hostile(16, 1, 1000);
    assert_int_equal(counters[COUNT_drop_early], 2);
    hostile(16, 1, 0);
    hostile(16, 1, 0); /* again */
    assert_int_equal(counters[COUNT_drop_duplicate], 1);
    hostile(16, 1, 2);
    hostile(16, 1, 2); /* twice early: one is delivered */
    hostile(16, 1, 1);
    assert_int_equal(counters[COUNT_drop_duplicate], 2);
    assert_int_equal(w.seens, 3);
    for (int i = 0; i < 1000; i++) /* a flood of one early number is bounded */
        hostile(16, 1, 5);
    assert_true(counters[COUNT_drop_early] > 900);
    hostile(16, 2, 0); /* a new incarnation begins anew */
    hostile(16, 1, 3);
    assert_int_equal(counters[COUNT_drop_incarnation], 1);
    assert_int_equal(w.seens, 4);
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_FPL1_FPL2_FPL3_FPL4_everything_once_and_in_order),
        cmocka_unit_test(test_FPL1_FPL2_FPL3_FPL4_over_loss_duplication_reordering),
        cmocka_unit_test(test_FPL1_FPL2_FPL3_FPL4_over_the_textbooks_links),
        cmocka_unit_test(test_FPL4_when_all_but_the_first_is_early),
        cmocka_unit_test(test_one_message_to_many_peers_is_numbered_for_each),
        cmocka_unit_test(test_a_long_run_out_of_order_keeps_its_memory),
        cmocka_unit_test(test_numbers_that_lie_are_dropped_and_counted),
    };
    harness_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
