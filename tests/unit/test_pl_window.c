/* SPDX-License-Identifier: BSD-3-Clause */
#include "sent.h"

#include "protocols/links/links.h"

static struct world w;
static const struct sent twenty = {EV_PL_SEND, EV_PL_DELIVER, 20, false};

static void send_value(uint16_t from, uint16_t to, uint64_t value, uint32_t bytes)
{
    world_request(&w, from, EV_PL_SEND, to, 0, world_msg(&w, from, value, bytes));
}

static void test_PL1_PL2_PL3_every_message_once(void **state)
{
    (void)state;
    for (size_t s = 0; s < 4; s++) {
        world_start(&w, stack_find("pl"), sizes[s], NULL);
        sent_all(&twenty, &w);
        world_settle(&w);
        sent_judge(&twenty, &w, 1, 1);
        world_end(&w);
    }
}

static void test_PL1_PL2_PL3_over_loss_duplication_reordering(void **state)
{
    (void)state;
    static const struct sent many = {EV_PL_SEND, EV_PL_DELIVER, 60, false};
    const struct stack_conf conf = {.flight_msgs = 64, .ring_msgs = 512, .frame_records = 3};
    for (size_t s = 0; s < 4; s++)
        for (uint64_t seed = 1; seed <= 10; seed++) {
            struct random r = random_seeded(seed, 0);
            world_start(&w, stack_find("pl"), sizes[s], &conf);
            sent_all(&many, &w);
            for (uint16_t p = 0; p < w.n; p++)
                world_step(&w, p);
            sent_disturb(&w, &r, 3000, 2);
            world_run(&w, 1000000000);
            sent_judge(&many, &w, 1, 1);
            world_end(&w);
        }
}

static void test_large_bodies_are_shared_not_copied(void **state)
{
    (void)state;
    world_start(&w, stack_find("beb"), 3, NULL);
    struct msg m = world_msg(&w, 0, 42, 8192);
    world_request(&w, 0, EV_BEB_BROADCAST, 0, 0, m);
    world_step(&w, 0);
    assert_int_equal(w.sim.flights, 2);
    for (uint32_t k = 0; k < 2; k++) {
        assert_int_equal(w.sim.flight[k].pkt->nb_segs, 2);
        assert_ptr_equal(rte_pktmbuf_mtod(w.sim.flight[k].pkt->next, uint8_t *), msg_data(m));
    }
    world_settle(&w);
    for (uint16_t p = 0; p < 3; p++)
        assert_int_equal(world_count(&w, p, EV_BEB_DELIVER, 0, 42), 1);
    world_run(&w, 5000000);
    world_end(&w);
}

static void test_PL1_a_lost_window_is_sent_again_within_a_few_alarms(void **state)
{
    (void)state;
    world_start(&w, stack_find("pl"), 2, NULL);
    for (uint64_t i = 0; i < 1000; i++)
        send_value(0, 1, i, 8);
    world_step(&w, 0);
    assert_true(world_lose(&w, 0, 1) > 1);
    world_run(&w, 5 * w.st[0]->conf.rto_min_ns);
    assert_int_equal(world_count_type(&w, 1, EV_PL_DELIVER), 1000);
    assert_true(w.st[0]->counters[COUNT_tx_retransmits] < 1100);
    world_end(&w);
}

/* Nothing is lost, one process stands still for 100 ms (its core was taken away): each alarm, whose
 * delays double, asks with a single frame, and what arrives late on its own is not sent again. */
static void test_a_pause_of_a_peer_costs_a_frame_for_each_alarm(void **state)
{
    (void)state;
    struct stack_conf conf = {.frame_records = 1};
    world_start(&w, stack_find("pl"), 2, &conf);
    for (uint64_t i = 0; i < 1000; i++)
        send_value(0, 1, i, 8);
    for (int ms = 0; ms < 100; ms++) {
        world_step(&w, 0);
        w.sim.env[0].now_ns += 1000000;
        w.sim.env[1].now_ns += 1000000;
    }
    const uint64_t *again = &w.st[0]->counters[COUNT_tx_retransmits];
    assert_in_range(*again, 1, 6); /* 2, 4, 8, 16, 32, 64 ms */
    uint64_t before = *again;
    world_run(&w, 50000000);
    assert_int_equal(world_count_type(&w, 1, EV_PL_DELIVER), 1000);
    assert_in_range(*again - before, 0, 1);
    world_end(&w);
}

/* p1 is slow to start, and given up before its first word: none of its words is heard. */
static void test_who_was_given_up_unheard_is_not_heard_later(void **state)
{
    (void)state;
    const struct stack_conf conf = {.flight_msgs = 16, .ring_msgs = 32, .give_up_ns = 20000000};
    world_start(&w, stack_find("pl"), 2, &conf);
    uint64_t sent = 0;
    for (uint32_t room = co_room(w.st[0]->app->use[0]); room > 0; room--)
        send_value(0, 1, sent++, 8);
    for (int ms = 0; ms < 100; ms++) { /* p1 takes no step */
        w.sim.env[0].now_ns += 1000000;
        world_step(&w, 0);
        world_lose(&w, 0, UINT16_MAX);
    }
    assert_true(w.st[0]->counters[COUNT_drop_lost_peer] > 0);
    for (uint64_t i = 0; i < 3; i++)
        send_value(1, 0, i, 8);
    world_run(&w, 50000000);
    assert_int_equal(world_count_type(&w, 0, EV_PL_DELIVER), 0);
    assert_true(w.st[0]->counters[COUNT_drop_incarnation] > 0);
    world_end(&w);
}

/* Where the clock is dear, the first breath after a pause has an old time: a peer whose answer is
 * taken in that breath is not given up for the silence that was ours. */
static void test_PL1_a_pause_of_our_own_gives_nobody_up(void **state)
{
    (void)state;
    struct stack_conf conf = {.flight_msgs = 64, .ring_msgs = 256, .frame_records = 8};
    world_start(&w, stack_find("pl"), 2, &conf);
    w.sim.env[0].env.clock_dear = true;
    for (uint64_t i = 0; i < 250; i++)
        send_value(0, 1, i, 8);
    world_step(&w, 0);
    world_deliver(&w, 0); /* p1 takes one frame of eight, whose messages it acknowledges */
    w.sim.env[0].now_ns += 2 * w.st[0]->conf.give_up_ns;
    w.sim.env[1].now_ns += 2 * w.st[0]->conf.give_up_ns;
    world_step(&w, 1);
    world_deliver(&w, w.sim.flights - 1); /* the acknowledgement: a breath with an old time */
    for (int idle = 0; idle < 4 * UNCLOCKED_BREATHS; idle++)
        world_step(&w, 0);
    assert_int_equal(w.st[0]->counters[COUNT_drop_lost_peer], 0);
    world_run(&w, 100000000);
    assert_int_equal(world_count_type(&w, 1, EV_PL_DELIVER), 250);
    world_end(&w);
}

/* p0 sends to both of the others as much as room() allows, for `ms` milliseconds. */
static uint64_t send_to_both(uint64_t from, uint64_t total, int ms)
{
    uint64_t sent = from;
    for (int slice = 0; slice < ms; slice++) {
        for (uint32_t room = co_room(stack_co(w.st[0], "pl")); room > 0 && sent < total; room--) {
            send_value(0, 1, sent, 8);
            send_value(0, 2, sent++, 8);
        }
        world_run(&w, 1000000);
    }
    return sent;
}

static void tell_link(enum ev_type type, uint16_t q)
{
    trigger(stack_co(w.st[0], "pl"), ev_make(type, q, 0, 0, MSG_NONE));
    world_step(&w, 0);
}

/* Nobody is given up for silence: a crashed peer stops the sources until a detector speaks. */
static void test_who_is_suspected_stops_no_source(void **state)
{
    (void)state;
    struct stack_conf conf = {.flight_msgs = 64, .ring_msgs = 256, .give_up_ns = UINT64_MAX};
    world_start(&w, stack_find("pl"), 3, &conf);
    world_crash(&w, 2);
    assert_int_equal(send_to_both(0, 2000, 100), 128); /* half of a ring */
    tell_link(EV_PL_SUSPECT, 2);
    assert_int_equal(w.st[0]->counters[COUNT_drop_lost_peer], 0);
    assert_int_equal(send_to_both(128, 2000, 100), 2000);
    assert_int_equal(world_count_type(&w, 1, EV_PL_DELIVER), 2000);
    assert_int_equal(w.st[0]->counters[COUNT_drop_lost_peer], 2000); /* its ring was full */
    world_end(&w);
}

static void test_PL1_who_is_restored_gets_what_was_kept(void **state)
{
    (void)state;
    struct stack_conf conf = {.flight_msgs = 64, .ring_msgs = 256, .give_up_ns = UINT64_MAX};
    world_start(&w, stack_find("pl"), 3, &conf);
    w.crashed[2] = true; /* it takes no steps, for a while */
    assert_int_equal(send_to_both(0, 128, 50), 128);
    tell_link(EV_PL_SUSPECT, 2);
    assert_int_equal(send_to_both(128, 256, 50), 256); /* the ring is full */
    w.crashed[2] = false;
    tell_link(EV_PL_RESTORE, 2);
    assert_int_equal(co_room(stack_co(w.st[0], "pl")), 0); /* it is waited for */
    world_run(&w, 200000000);
    for (uint64_t i = 0; i < 256; i++)
        assert_int_equal(world_count(&w, 2, EV_PL_DELIVER, 0, i), 1);
    assert_int_equal(w.st[0]->counters[COUNT_drop_lost_peer], 0);
    assert_int_equal(send_to_both(256, 2000, 100), 2000);
    assert_int_equal(world_count_type(&w, 2, EV_PL_DELIVER), 2000);
    world_end(&w);
}

static void test_messages_of_one_breath_ride_in_one_frame(void **state)
{
    (void)state;
    world_start(&w, stack_find("pl"), 2, NULL);
    for (uint64_t i = 0; i < 20; i++)
        send_value(0, 1, i, 64);
    world_step(&w, 0);
    assert_int_equal(w.sim.flights, 1);
    world_settle(&w);
    world_end(&w);
}

static void test_acknowledgement_of_what_was_not_sent_is_refused(void **state)
{
    (void)state;
    world_start(&w, stack_find("pl"), 2, NULL);
    send_value(0, 1, 1, 8);
    world_step(&w, 0);
    struct rte_mbuf *pkt = w.sim.flight[0].pkt;
    le64_put(((struct frame_wire *)rte_pktmbuf_mtod(pkt, void *))->ack, 5);
    world_deliver(&w, 0);
    assert_int_equal(w.st[1]->counters[COUNT_drop_ack_future], 1);
    assert_int_equal(world_count_type(&w, 1, EV_PL_DELIVER), 0);
    world_run(&w, 10000000);
    assert_int_equal(world_count(&w, 1, EV_PL_DELIVER, 0, 1), 1);
    world_end(&w);
}

static void test_a_restarted_peer_gets_what_its_former_self_lacked(void **state)
{
    (void)state;
    world_start(&w, stack_find("pl"), 2, NULL);
    for (uint64_t i = 0; i < 5; i++)
        send_value(0, 1, i, 8);
    world_settle(&w);
    world_run(&w, 1000000); /* acknowledged */
    for (uint64_t i = 5; i < 10; i++)
        send_value(0, 1, i, 8);
    world_step(&w, 0);
    world_lose(&w, 0, 1);
    /* p1 crashes and comes back with nothing but a higher incarnation. */
    struct stack_conf conf = w.st[1]->conf;
    conf.incarnation = 2;
    struct co *app = w.st[1]->app;
    const struct co_class *cls = app->cls;
    stack_fini(w.st[1]);
    w.st[1] = co_wire(w.mem[1], stack_find("pl"), cls, &conf, &w.sim.env[1].env);
    *(struct world **)(w.st[1]->app + 1) = &w;
    w.seens = 0;
    world_run(&w, 50000000);
    assert_int_equal(world_count_type(&w, 1, EV_PL_DELIVER), 5);
    for (uint64_t i = 5; i < 10; i++)
        assert_int_equal(world_count(&w, 1, EV_PL_DELIVER, 0, i), 1);
    world_end(&w);
}

/* A frame that was sent before anything was heard of p1 arrives when its second life is known: its
 * numbers have been given to other messages since. */
static void test_a_frame_to_an_unknown_life_is_none_of_a_further_life(void **state)
{
    (void)state;
    world_start(&w, stack_find("pl"), 2, NULL);
    for (uint64_t i = 0; i < 3; i++)
        send_value(0, 1, i, 8);
    world_step(&w, 0);
    sim_duplicate(&w.sim, 0); /* it stays in flight, too */
    world_step(&w, 1);
    assert_int_equal(world_count_type(&w, 1, EV_PL_DELIVER), 3);
    w.sim.env[1].now_ns += 1000000;
    world_step(&w, 1);
    assert_int_equal(w.sim.flights, 2);
    world_deliver(&w, 1); /* acknowledged */
    world_restart(&w, 1);
    send_value(1, 0, 7, 8);
    world_step(&w, 1);
    world_deliver(&w, w.sim.flights - 1); /* the second life is known */
    assert_int_equal(world_count(&w, 0, EV_PL_DELIVER, 1, 7), 1);
    world_deliver(&w, 0);
    w.seens = 0;
    for (uint64_t i = 10; i < 13; i++)
        send_value(0, 1, i, 8);
    world_run(&w, 50000000);
    for (uint64_t i = 10; i < 13; i++)
        assert_int_equal(world_count(&w, 1, EV_PL_DELIVER, 0, i), 1);
    world_end(&w);
}

/* The pool is empty when a message is to leave, and nothing else happens at p0: once there are
 * packets again it leaves all the same. */
static void test_PL1_an_empty_pool_delays_a_message_and_loses_none(void **state)
{
    (void)state;
    static struct rte_mbuf *taken[65536];
    uint32_t n = 0;
    world_start(&w, stack_find("pl"), 2, NULL);
    send_value(0, 1, 7, 8);
    while (n < 65536 && (taken[n] = pkt_alloc(w.pool)) != NULL)
        n++;
    assert_true(n < 65536);
    world_step(&w, 0);
    assert_int_equal(w.sim.flights, 0);
    assert_true(w.st[0]->counters[COUNT_drop_pool_empty] > 0);
    for (int i = 0; i < 10; i++) { /* the alarm comes, and finds it still empty */
        w.sim.env[0].now_ns += 10000000;
        world_step(&w, 0);
    }
    while (n > 0)
        pkt_free(taken[--n]);
    world_run(&w, 200000000);
    assert_int_equal(world_count(&w, 1, EV_PL_DELIVER, 0, 7), 1);
    assert_int_equal(w.st[0]->counters[COUNT_tx_retransmits], 0);
    world_end(&w);
}

static void test_a_run_longer_than_the_window_keeps_its_memory(void **state)
{
    (void)state;
    struct stack_conf conf = {.flight_msgs = 16, .ring_msgs = 32};
    world_start(&w, stack_find("pl"), 2, &conf);
    for (uint64_t i = 0; i < 3000; i++) {
        send_value(0, 1, i, 8);
        world_settle(&w);
        if (i % 8 == 0)
            world_run(&w, 1);
    }
    assert_int_equal(world_count_type(&w, 1, EV_PL_DELIVER), 3000);
    assert_true(rte_mempool_in_use_count(w.pool) < 64);
    world_end(&w);
}

/* A layer that answers every delivery with a message to everyone, and a process cut off: no ring
 * overflows, what finds no room is shed and sent again. */
static void test_answers_never_overflow_a_ring(void **state)
{
    (void)state;
    struct stack_conf conf = {.flight_msgs = 64,
                              .ring_msgs = 128,
                              .store_msgs = 4096,
                              .give_up_ns = UINT64_MAX};
    world_start(&w, stack_find("beb"), 3, &conf);
    uint64_t answered[3] = {0}, sent = 0;
    for (int round = 0; round < 400; round++) {
        for (uint16_t p = 0; p < 3; p++) {
            struct co *pl = stack_co(w.st[p], "pl");
            if (p == 0 && co_room(pl) > 0 && sent < 300)
                world_request(&w, 0, EV_BEB_BROADCAST, 0, 0, world_msg(&w, 0, sent++, 8));
            world_step(&w, p);
            /* p2 is cut off for a while; the others answer what they hear from p0. */
            uint32_t heard = world_count_type(&w, p, EV_BEB_DELIVER);
            if (p != 0 && heard > answered[p] && answered[p] < sent) {
                for (; answered[p] < heard && answered[p] < sent; answered[p]++)
                    world_request(&w, p, EV_BEB_BROADCAST, 0, 0,
                                  world_msg(&w, p, 1000 + answered[p], 8));
            }
        }
        if (round < 200) {
            world_lose(&w, 2, UINT16_MAX);
            world_lose(&w, UINT16_MAX, 2);
        }
        while (w.sim.flights > 0)
            world_deliver(&w, 0);
        for (uint16_t p = 0; p < 3; p++)
            w.sim.env[p].now_ns += 500000;
    }
    world_run(&w, 3000000000u);
    assert_int_equal(world_count_type(&w, 2, EV_BEB_DELIVER) >= sent, 1);
    for (uint64_t i = 0; i < sent; i++)
        assert_int_equal(world_count(&w, 2, EV_BEB_DELIVER, 0, i), 1);
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_PL1_PL2_PL3_every_message_once),
        cmocka_unit_test(test_PL1_PL2_PL3_over_loss_duplication_reordering),
        cmocka_unit_test(test_large_bodies_are_shared_not_copied),
        cmocka_unit_test(test_PL1_a_lost_window_is_sent_again_within_a_few_alarms),
        cmocka_unit_test(test_a_pause_of_a_peer_costs_a_frame_for_each_alarm),
        cmocka_unit_test(test_who_was_given_up_unheard_is_not_heard_later),
        cmocka_unit_test(test_PL1_a_pause_of_our_own_gives_nobody_up),
        cmocka_unit_test(test_who_is_suspected_stops_no_source),
        cmocka_unit_test(test_PL1_who_is_restored_gets_what_was_kept),
        cmocka_unit_test(test_messages_of_one_breath_ride_in_one_frame),
        cmocka_unit_test(test_acknowledgement_of_what_was_not_sent_is_refused),
        cmocka_unit_test(test_a_restarted_peer_gets_what_its_former_self_lacked),
        cmocka_unit_test(test_a_frame_to_an_unknown_life_is_none_of_a_further_life),
        cmocka_unit_test(test_answers_never_overflow_a_ring),
        cmocka_unit_test(test_PL1_an_empty_pool_delays_a_message_and_loses_none),
        cmocka_unit_test(test_a_run_longer_than_the_window_keeps_its_memory),
    };
    harness_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
