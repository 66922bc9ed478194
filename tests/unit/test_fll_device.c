/* SPDX-License-Identifier: BSD-3-Clause */
#include "sent.h"

#include "dataplane/env_dpdk.h"

static struct world w;

static void send_value(uint16_t from, uint16_t to, uint64_t value, uint32_t bytes)
{
    world_request(&w, from, EV_FLL_SEND, to, 0, world_msg(&w, from, value, bytes));
}

static struct frame_wire *header(uint32_t k)
{
    return rte_pktmbuf_mtod(w.sim.flight[k].pkt, struct frame_wire *);
}

/* p crashes and comes back with nothing but a higher incarnation. */
static void restart_on(uint16_t p, struct env *env)
{
    struct stack_conf conf = w.st[p]->conf;
    const struct co_class *cls = w.st[p]->app->cls;
    conf.incarnation++;
    stack_fini(w.st[p]);
    w.st[p] = co_wire(w.mem[p], stack_find("fll"), cls, &conf, env);
    *(struct world **)(w.st[p]->app + 1) = &w;
}

static void restart(uint16_t p)
{
    restart_on(p, &w.sim.env[p].env);
}

static void test_FLL1_FLL2_FLL3_every_process_to_every_process_itself_included(void **state)
{
    (void)state;
    static const struct sent twenty = {EV_FLL_SEND, EV_FLL_DELIVER, 20, false};
    for (size_t s = 0; s < 4; s++) {
        world_start(&w, stack_find("fll"), sizes[s], NULL);
        sent_all(&twenty, &w);
        world_settle(&w);
        sent_judge(&twenty, &w, 1, 1);
        world_end(&w);
    }
}

/* How many frames with each message reached a process, which are as many as it is delivered. */
static uint32_t copies[SENT_PROCS][SENT_PROCS][SENT_MAX];

static void any_frame(const struct sent *sent, struct random *r)
{
    uint32_t k = random_below(r, w.sim.flights), what = random_below(r, 10);
    const struct sim_frame *f = &w.sim.flight[k];
    uint64_t value = le64_get((uint8_t *)header(k) + FRAME_BYTES + RECORD_BYTES);
    uint32_t *times = &copies[f->from][f->to][value & 0xff];
    assert_true(value == sent_value(sent, f->from, f->to, value & 0xff));
    if (what < 3) {
        sim_drop(&w.sim, k);
        --*times;
    } else if (what == 3) {
        sim_duplicate(&w.sim, k);
        ++*times;
    } else {
        world_deliver(&w, k);
    }
}

static void test_FLL1_FLL2_FLL3_what_the_network_does_is_what_is_delivered(void **state)
{
    (void)state;
    static const struct sent fifty = {EV_FLL_SEND, EV_FLL_DELIVER, 50, false};
    for (size_t s = 0; s < 4; s++)
        for (uint64_t seed = 1; seed <= 6; seed++) {
            struct random r = random_seeded(seed, 0);
            world_start(&w, stack_find("fll"), sizes[s], NULL);
            for (uint64_t k = 0; k < fifty.each; k++)
                for (uint16_t p = 0; p < w.n; p++) {
                    for (uint16_t q = 0; q < w.n; q++) {
                        copies[p][q][k] = 1;
                        sent_one(&fifty, &w, p, q, k);
                    }
                    world_step(&w, p); /* a frame for each peer */
                }
            while (w.sim.flights > 0)
                any_frame(&fifty, &r);
            world_settle(&w);
            sent_read(&fifty, &w);
            assert_memory_equal(sent_times, copies, sizeof copies);
            memset(copies, 0, sizeof copies);
            world_end(&w);
        }
}

static void test_messages_of_one_breath_to_one_peer_ride_in_one_frame(void **state)
{
    (void)state;
    world_start(&w, stack_find("fll"), 3, NULL);
    for (uint64_t i = 0; i < 40; i++)
        send_value(0, (uint16_t)(1 + i % 2), i, 64);
    world_step(&w, 0);
    assert_int_equal(w.sim.flights, 2);
    world_settle(&w);
    assert_int_equal(world_count_type(&w, 1, EV_FLL_DELIVER), 20);
    world_end(&w);
}

static void test_what_does_not_fit_one_frame_rides_in_the_next(void **state)
{
    (void)state;
    const struct stack_conf conf = {.frame_records = 3};
    world_start(&w, stack_find("fll"), 2, &conf);
    for (uint64_t i = 0; i < 10; i++)
        send_value(0, 1, i, 64);
    world_step(&w, 0);
    assert_int_equal(w.sim.flights, 4);
    world_settle(&w);
    for (uint64_t i = 0; i < 10; i++)
        assert_int_equal(w.seen[i].value, i);
    world_end(&w);
}

/* Over a lane of four slots: what is counted as sent is what lies in it. */
static void test_what_the_device_refuses_is_not_counted_as_sent(void **state)
{
    (void)state;
    const struct stack_conf conf = {.frame_records = 3};
    static lane_slot slots[4];
    struct lane_end out[2] = {{0}, {.slot = slots, .mask = 3}}, in = out[1];
    static struct env_dpdk e;
    struct rte_mbuf *pkts[5];
    uint64_t bytes = 0, records = 0;
    world_start(&w, stack_find("fll"), 2, &conf);
    e.env = w.sim.env[0].env;
    e.env.ops = &env_memory_ops;
    e.env.counters = e.counters;
    e.env.lower_bytes = 0;
    e.out = out;
    restart_on(0, &e.env);
    const uint64_t *counters = w.st[0]->counters;
    for (uint64_t i = 0; i < 20; i++) /* 7 frames */
        send_value(0, 1, i, 64);
    world_step(&w, 0);
    assert_int_equal(lane_get(&in, pkts, 5), 4);
    for (uint16_t i = 0; i < 4; i++) {
        bytes += pkts[i]->pkt_len;
        records += le16_get(rte_pktmbuf_mtod(pkts[i], struct frame_wire *)->records);
        rte_pktmbuf_free(pkts[i]);
    }
    assert_int_equal(counters[COUNT_drop_tx_full], 3);
    assert_int_equal(counters[COUNT_tx_frames], 4);
    assert_int_equal(counters[COUNT_tx_bytes], bytes);
    assert_int_equal(counters[COUNT_tx_records], records);
    world_end(&w);
}

static void test_large_bodies_are_shared_not_copied(void **state)
{
    (void)state;
    world_start(&w, stack_find("fll"), 3, NULL);
    struct msg m = world_msg(&w, 0, 42, 8000);
    world_request(&w, 0, EV_FLL_SEND, 1, 0, m);
    world_request(&w, 0, EV_FLL_SEND, 2, 0, m);
    send_value(0, 1, 43, 8); /* behind a shared body: in a frame of its own */
    world_step(&w, 0);
    assert_int_equal(w.sim.flights, 3);
    assert_ptr_equal(rte_pktmbuf_mtod(w.sim.flight[0].pkt->next, uint8_t *), msg_data(m));
    world_settle(&w);
    assert_int_equal(world_count(&w, 1, EV_FLL_DELIVER, 0, 42), 1);
    assert_int_equal(world_count(&w, 2, EV_FLL_DELIVER, 0, 42), 1);
    assert_int_equal(world_count(&w, 1, EV_FLL_DELIVER, 0, 43), 1);
    world_end(&w);
}

static void test_frames_from_an_earlier_life_are_dropped(void **state)
{
    (void)state;
    world_start(&w, stack_find("fll"), 2, NULL);
    send_value(0, 1, 1, 8);
    world_step(&w, 0); /* in flight when p0 crashes */
    restart(0);
    send_value(0, 1, 2, 8);
    world_step(&w, 0);
    world_deliver(&w, 1);
    world_deliver(&w, 0);
    assert_int_equal(world_count(&w, 1, EV_FLL_DELIVER, 0, 1), 0);
    assert_int_equal(world_count(&w, 1, EV_FLL_DELIVER, 0, 2), 1);
    assert_int_equal(w.st[1]->counters[COUNT_drop_incarnation], 1);
    world_end(&w);
}

static void test_FLL1_a_restarted_peer_is_heard_and_reached_even_if_it_only_listens(void **state)
{
    (void)state;
    world_start(&w, stack_find("fll"), 2, NULL);
    send_value(0, 1, 1, 8);
    send_value(1, 0, 1, 8);
    world_settle(&w);
    restart(1);
    restart(0); /* both forgot each other */
    send_value(0, 1, 2, 8);
    world_settle(&w);
    restart(1);
    send_value(0, 1, 3, 8); /* to the former p1: lost, and p0 is told */
    world_settle(&w);
    assert_int_equal(world_count(&w, 1, EV_FLL_DELIVER, 0, 2), 1);
    send_value(1, 0, 9, 8);
    world_settle(&w);
    restart(1);
    send_value(0, 1, 4, 8);
    world_settle(&w);
    assert_int_equal(world_count(&w, 1, EV_FLL_DELIVER, 0, 4), 0);
    send_value(0, 1, 5, 8);
    world_settle(&w);
    assert_int_equal(world_count(&w, 1, EV_FLL_DELIVER, 0, 5), 1);
    assert_int_equal(w.sim.flights, 0); /* and they do not tell each other for ever */
    world_end(&w);
}

static void test_frames_that_claim_a_sequence_are_dropped_and_counted(void **state)
{
    (void)state;
    static const size_t fields[] = {offsetof(struct frame_wire, seq),
                                    offsetof(struct frame_wire, ack),
                                    offsetof(struct frame_wire, sack),
                                    offsetof(struct frame_wire, credit)};
    world_start(&w, stack_find("fll"), 2, NULL);
    for (size_t i = 0; i < 4; i++) {
        send_value(0, 1, i, 8);
        world_step(&w, 0);
        ((uint8_t *)header(0))[fields[i]] = 1;
        world_deliver(&w, 0);
    }
    assert_int_equal(w.st[1]->counters[COUNT_drop_field], 4);
    assert_int_equal(w.seens, 0);
    world_end(&w);
}

static void test_records_for_no_user_and_records_that_overrun_are_counted(void **state)
{
    (void)state;
    world_start(&w, stack_find("fll"), 2, NULL);
    for (uint64_t i = 0; i < 3; i++) {
        send_value(0, 1, i, 8);
        send_value(0, 1, 10 + i, 8);
        world_step(&w, 0);
        uint8_t *record = (uint8_t *)header(0) + FRAME_BYTES;
        if (i == 0)
            record[2] = 255; /* no such port */
        else if (i == 1)
            record[2] = 0; /* the port of fll itself */
        else
            le16_put(record, 200);
        world_deliver(&w, 0);
    }
    assert_int_equal(w.st[1]->counters[COUNT_drop_user], 2);
    assert_int_equal(w.st[1]->counters[COUNT_drop_record], 1);
    assert_int_equal(w.seens, 2);
    world_end(&w);
}

static bool stop_at_once(struct trace *t, struct stack *st, struct co *to, const struct ev *ev,
                         uint32_t n)
{
    (void)t, (void)st, (void)ev, (void)n;
    return to->cls->implements != ABS_APP;
}

static void test_a_process_stopped_in_mid_step_gives_back_its_open_frames(void **state)
{
    (void)state;
    struct trace trace = {stop_at_once};
    world_start(&w, stack_find("fll"), 3, NULL);
    w.st[0]->trace = &trace;
    send_value(0, 1, 1, 8);
    send_value(0, 2, 1, 8);
    send_value(0, 0, 1, 8);
    world_step(&w, 0);
    assert_true(w.st[0]->halted);
    assert_int_equal(w.sim.flights, 0);
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_FLL1_FLL2_FLL3_every_process_to_every_process_itself_included),
        cmocka_unit_test(test_FLL1_FLL2_FLL3_what_the_network_does_is_what_is_delivered),
        cmocka_unit_test(test_messages_of_one_breath_to_one_peer_ride_in_one_frame),
        cmocka_unit_test(test_what_does_not_fit_one_frame_rides_in_the_next),
        cmocka_unit_test(test_what_the_device_refuses_is_not_counted_as_sent),
        cmocka_unit_test(test_large_bodies_are_shared_not_copied),
        cmocka_unit_test(test_frames_from_an_earlier_life_are_dropped),
        cmocka_unit_test(test_FLL1_a_restarted_peer_is_heard_and_reached_even_if_it_only_listens),
        cmocka_unit_test(test_frames_that_claim_a_sequence_are_dropped_and_counted),
        cmocka_unit_test(test_records_for_no_user_and_records_that_overrun_are_counted),
        cmocka_unit_test(test_a_process_stopped_in_mid_step_gives_back_its_open_frames),
    };
    harness_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
