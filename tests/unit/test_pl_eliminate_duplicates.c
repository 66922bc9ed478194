/* SPDX-License-Identifier: BSD-3-Clause */
#include "sent.h"

#include "protocols/broadcast/broadcast.h"
#include "protocols/links/links.h"

#define MS 1000000u

static struct world w;

static void send_value(uint16_t from, uint16_t to, uint64_t value)
{
    world_request(&w, from, EV_PL_SEND, to, 0, world_msg(&w, from, value, 16));
}

static void start(uint16_t n, const struct stack_conf *conf)
{
    world_start(&w, stack_find("pl_textbook"), n, conf);
}

static void test_PL1_PL2_PL3_every_message_once(void **state)
{
    (void)state;
    static const struct sent twenty = {EV_PL_SEND, EV_PL_DELIVER, 20, false};
    for (size_t s = 0; s < 4; s++) {
        start(sizes[s], NULL);
        sent_all(&twenty, &w);
        world_run(&w, 20 * MS);
        sent_judge(&twenty, &w, 1, 1);
        world_end(&w);
    }
}

static void test_PL1_PL2_PL3_over_loss_duplication_reordering(void **state)
{
    (void)state;
    static const struct sent many = {EV_PL_SEND, EV_PL_DELIVER, 60, false};
    const struct stack_conf conf = {.flight_msgs = 64, .ring_msgs = 256, .frame_records = 3};
    for (size_t s = 0; s < 4; s++)
        for (uint64_t seed = 1; seed <= 10; seed++) {
            struct random r = random_seeded(seed, 0);
            start(sizes[s], &conf);
            sent_all(&many, &w);
            for (uint16_t p = 0; p < w.n; p++)
                world_step(&w, p);
            sent_disturb(&w, &r, 3000, 3);
            world_run(&w, 100 * MS);
            sent_judge(&many, &w, 1, 1);
            world_end(&w);
        }
}

/* The window turns over many times while frames are lost; numbers far apart share a bit. */
static void test_PL1_PL2_through_many_turns_of_a_small_window(void **state)
{
    (void)state;
    const struct stack_conf conf = {.flight_msgs = 8, .ring_msgs = 16, .frame_records = 2};
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct random r = random_seeded(seed, 0);
        uint64_t sent = 0;
        start(2, &conf);
        while (sent < 300) {
            for (uint32_t room = co_room(w.st[0]->app->use[0]); room > 0 && sent < 300; room--)
                send_value(0, 1, sent++);
            world_step(&w, 0);
            sent_disturb(&w, &r, 20, 3);
        }
        world_run(&w, 50 * MS);
        for (uint64_t i = 0; i < 300; i++)
            assert_int_equal(world_count(&w, 1, EV_PL_DELIVER, 0, i), 1);
        world_end(&w);
    }
}

static void test_what_is_acknowledged_is_not_sent_again(void **state)
{
    (void)state;
    start(3, NULL);
    for (uint64_t i = 0; i < 10; i++)
        send_value(0, 1, i);
    world_settle(&w);
    uint64_t frames = w.st[0]->counters[COUNT_tx_frames];
    world_run(&w, 50 * MS);
    assert_int_equal(w.st[0]->counters[COUNT_tx_frames], frames);
    world_end(&w);
}

static void test_one_message_to_many_peers_carries_a_header_of_its_own_to_each(void **state)
{
    (void)state;
    const struct stack_def def = {
        .name = "beb over the textbook's links",
        .top = "beb",
        .layers =
            (const struct stack_layer[]){{"fll", &fll_device_class, {NULL}},
                                         {"sl", &sl_retransmit_forever_class, {"fll"}},
                                         {"pl", &pl_eliminate_duplicates_class, {"sl", "fll"}},
                                         {"beb", &beb_basic_class, {"pl"}},
                                         {0}},
    };
    world_start(&w, &def, 4, NULL);
    for (uint64_t i = 0; i < 10; i++) {
        if (i > 0 && i < 4)
            trigger(stack_co(w.st[0], "pl"),
                    ev_make(EV_PL_SEND, (uint16_t)i, stack_co(w.st[0], "beb")->port, 0,
                            world_msg(&w, 0, 100 + i, 8)));
        world_request(&w, 0, EV_BEB_BROADCAST, 0, 0, world_msg(&w, 0, i, 8));
    }
    world_run(&w, 20 * MS);
    for (uint16_t q = 0; q < 4; q++)
        for (uint64_t i = 0; i < 10; i++)
            assert_int_equal(world_count(&w, q, EV_BEB_DELIVER, 0, i), 1);
    world_end(&w);
}

static void test_a_long_run_keeps_its_memory(void **state)
{
    (void)state;
    const struct stack_conf conf = {.flight_msgs = 16, .ring_msgs = 32};
    start(2, &conf);
    for (uint64_t i = 0; i < 3000; i++) {
        send_value(0, 1, i);
        world_settle(&w);
    }
    assert_int_equal(world_count_type(&w, 1, EV_PL_DELIVER), 3000);
    assert_true(rte_mempool_in_use_count(w.pool) < 64);
    world_end(&w);
}

/* p1 is slow to start, and given up before its first word: none of its words is heard. */
static void test_who_was_given_up_unheard_is_not_heard_later(void **state)
{
    (void)state;
    const struct stack_conf conf = {.flight_msgs = 16, .ring_msgs = 32, .give_up_ns = 20000000};
    start(2, &conf);
    uint64_t sent = 0;
    for (uint32_t room = co_room(w.st[0]->app->use[0]); room > 0; room--)
        send_value(0, 1, sent++);
    for (int ms = 0; ms < 100; ms++) { /* p1 takes no step */
        w.sim.env[0].now_ns += 1000000;
        world_step(&w, 0);
        world_lose(&w, 0, UINT16_MAX);
    }
    assert_true(w.st[0]->counters[COUNT_drop_lost_peer] > 0);
    for (uint64_t i = 0; i < 3; i++)
        send_value(1, 0, i);
    world_run(&w, 50000000);
    assert_int_equal(world_count_type(&w, 0, EV_PL_DELIVER), 0);
    assert_true(w.st[0]->counters[COUNT_drop_incarnation] > 0);
    world_end(&w);
}

static void test_a_crashed_peer_is_given_up_and_the_others_go_on(void **state)
{
    (void)state;
    const struct stack_conf conf = {.flight_msgs = 16, .ring_msgs = 32, .give_up_ns = 20 * MS};
    start(3, &conf);
    world_crash(&w, 2);
    uint64_t sent = 0;
    for (int slice = 0; slice < 200; slice++) {
        for (uint32_t room = co_room(w.st[0]->app->use[0]); room > 0 && sent < 500; room--) {
            send_value(0, 1, sent);
            send_value(0, 2, sent++);
        }
        world_run(&w, MS);
    }
    assert_int_equal(sent, 500);
    assert_int_equal(world_count_type(&w, 1, EV_PL_DELIVER), 500);
    assert_int_equal(w.st[0]->counters[COUNT_drop_lost_peer], 500);
    world_end(&w);
}

static void test_a_suspected_peer_is_given_up_when_it_holds_up_sources(void **state)
{
    (void)state;
    const struct stack_conf conf = {.flight_msgs = 16, .ring_msgs = 32, .give_up_ns = UINT64_MAX};
    for (int late = 0; late < 2; late++) {
        start(3, &conf);
        world_crash(&w, 2);
        uint64_t sent = 0;
        for (int slice = 0; slice < 200; slice++) {
            if (slice == late * 100)
                trigger(stack_co(w.st[0], "pl"), ev_make(EV_PL_SUSPECT, 2, 0, 0, MSG_NONE));
            for (uint32_t room = co_room(w.st[0]->app->use[0]); room > 0 && sent < 500; room--) {
                send_value(0, 1, sent);
                send_value(0, 2, sent++);
            }
            world_run(&w, MS);
        }
        assert_int_equal(sent, 500);
        assert_int_equal(world_count_type(&w, 1, EV_PL_DELIVER), 500);
        world_end(&w);
    }
}

/* Where the clock is dear, the first breath after a pause has an old time: a peer that is sent
 * something in that breath, or answers in it, is not given up for the silence that was ours. */
static void test_PL1_a_pause_of_our_own_gives_nobody_up(void **state)
{
    (void)state;
    const struct stack_conf conf = {.flight_msgs = 16,
                                    .ring_msgs = 32,
                                    .frame_records = 8,
                                    .give_up_ns = 20 * MS};
    for (int owed = 0; owed < 2; owed++) {
        start(2, &conf);
        w.sim.env[0].env.clock_dear = true;
        for (uint64_t i = 0; i < 24; i++)
            send_value(0, 1, i);
        world_step(&w, 0);
        if (owed)
            world_settle(&w); /* all is taken: what follows is owed from then on */
        else
            world_deliver(&w, 0); /* one frame of eight is; half of the store is still owed */
        world_lose(&w, 0, 1);
        send_value(1, 0, 99);
        world_step(&w, 1);
        for (uint16_t p = 0; p < 2; p++)
            w.sim.env[p].now_ns += 10 * conf.give_up_ns;
        for (uint64_t i = 24; owed && i < 48; i++)
            send_value(0, 1, i);
        while (w.sim.flights > 0 && w.sim.flight[0].to == 0)
            world_deliver(&w, 0);
        for (int idle = 0; idle < 4 * UNCLOCKED_BREATHS; idle++)
            world_step(&w, 0);
        assert_int_equal(w.st[0]->counters[COUNT_drop_lost_peer], 0);
        world_run(&w, 100 * MS);
        assert_int_equal(world_count_type(&w, 1, EV_PL_DELIVER), owed ? 48 : 24);
        world_end(&w);
    }
}

static void test_a_restarted_peer_is_a_new_one(void **state)
{
    (void)state;
    start(2, NULL);
    for (uint64_t i = 0; i < 5; i++) {
        send_value(0, 1, i);
        send_value(1, 0, i);
    }
    world_run(&w, 10 * MS);
    send_value(0, 1, 5); /* p1 crashes before this reaches it */
    world_step(&w, 0);
    world_lose(&w, 0, 1);
    struct stack_conf conf = w.st[1]->conf;
    const struct co_class *cls = w.st[1]->app->cls;
    conf.incarnation = 2;
    stack_fini(w.st[1]);
    w.st[1] = co_wire(w.mem[1], stack_find("pl_textbook"), cls, &conf, &w.sim.env[1].env);
    *(struct world **)(w.st[1]->app + 1) = &w;
    w.seens = 0;
    send_value(1, 0, 100);
    world_run(&w, 10 * MS);
    for (uint64_t i = 6; i < 9; i++)
        send_value(0, 1, i);
    world_run(&w, 10 * MS);
    assert_int_equal(world_count(&w, 0, EV_PL_DELIVER, 1, 100), 1);
    for (uint64_t i = 6; i < 9; i++)
        assert_int_equal(world_count(&w, 1, EV_PL_DELIVER, 0, i), 1);
    uint64_t frames = w.st[0]->counters[COUNT_tx_frames];
    world_run(&w, 20 * MS);
    assert_int_equal(w.st[0]->counters[COUNT_tx_frames], frames); /* nothing is still owed */
    world_end(&w);
}

static void hostile(enum ev_type type, uint32_t bytes, uint64_t first, uint64_t number)
{
    struct msg m = msg_new(w.st[1], bytes);
    memset(msg_data(m), 0, bytes);
    if (bytes >= 4)
        le32_put(msg_data(m), 1);
    if (bytes >= 16)
        le64_put(msg_data(m) + 8, first);
    if (bytes >= 24)
        le64_put(msg_data(m) + 16, number);
    trigger(stack_co(w.st[1], "pl"), ev_make(type, 0, 0, 0, m));
    world_settle(&w);
}

static void test_messages_and_acknowledgements_that_lie_are_dropped_and_counted(void **state)
{
    (void)state;
    const struct stack_conf conf = {.flight_msgs = 16, .ring_msgs = 32};
    start(2, &conf);
    uint64_t *counters = w.st[1]->counters;
    for (uint32_t bytes = 0; bytes < 24; bytes++)
        hostile(EV_SL_DELIVER, bytes, 1, 1);
    assert_int_equal(counters[COUNT_drop_message], 24);
    hostile(EV_SL_DELIVER, 32, 0, 1);  /* numbers begin with 1 */
    hostile(EV_SL_DELIVER, 32, 5, 4);  /* done with, and yet sent */
    hostile(EV_SL_DELIVER, 32, 1, 33); /* more than a window at once */
    assert_int_equal(counters[COUNT_drop_message], 27);
    hostile(EV_FLL_DELIVER, 15, 0, 0);
    hostile(EV_FLL_DELIVER, 17, 0, 0);
    assert_int_equal(counters[COUNT_drop_message], 29);
    hostile(EV_FLL_DELIVER, 16, 1, 0);
    assert_int_equal(counters[COUNT_drop_ack_future], 1);
    hostile(EV_SL_DELIVER, 32, 1ull << 62, 1ull << 62); /* a leap: no work, no memory */
    hostile(EV_SL_DELIVER, 32, UINT64_MAX, UINT64_MAX);
    hostile(EV_SL_DELIVER, 32, 1, 1);
    assert_int_equal(w.seens, 0); /* they name no user, either */
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_PL1_PL2_PL3_every_message_once),
        cmocka_unit_test(test_PL1_PL2_PL3_over_loss_duplication_reordering),
        cmocka_unit_test(test_PL1_PL2_through_many_turns_of_a_small_window),
        cmocka_unit_test(test_what_is_acknowledged_is_not_sent_again),
        cmocka_unit_test(test_one_message_to_many_peers_carries_a_header_of_its_own_to_each),
        cmocka_unit_test(test_a_long_run_keeps_its_memory),
        cmocka_unit_test(test_who_was_given_up_unheard_is_not_heard_later),
        cmocka_unit_test(test_a_crashed_peer_is_given_up_and_the_others_go_on),
        cmocka_unit_test(test_a_suspected_peer_is_given_up_when_it_holds_up_sources),
        cmocka_unit_test(test_PL1_a_pause_of_our_own_gives_nobody_up),
        cmocka_unit_test(test_a_restarted_peer_is_a_new_one),
        cmocka_unit_test(test_messages_and_acknowledgements_that_lie_are_dropped_and_counted),
    };
    harness_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
