/* SPDX-License-Identifier: BSD-3-Clause */
#include "epoch_cases.h"

static void start(uint16_t n)
{
    start_with(&of_ep, n);
}

/* What a frame in flight carries: "[WRITE 0 17]"; "" for an acknowledgement of the link. */
static void text_of(const struct sim_frame *f, char *text, size_t size)
{
    struct frame h = {0};
    struct frame_self me = {w.st[f->to]->conf.cluster, w.n, f->to};
    text[0] = '\0';
    assert_true(frame_decode(pkt_data(f->pkt), f->pkt->data_len, f->pkt->pkt_len, &me, &h) < 0);
    struct frame_cursor c = frame_records(f->pkt, &h);
    struct msg m;
    uint8_t user;
    if (frame_next_record(&c, &m, &user) == 1)
        assert_true(ep_read_write_class.tell(m, text, size) > 0);
}

/* Deliver the first frame that carries `text` to process `to`. False if there is none. */
static bool deliver(uint16_t to, const char *text)
{
    for (uint32_t k = 0; k < w.sim.flights; k++) {
        char have[64];
        text_of(&w.sim.flight[k], have, sizeof have);
        if (w.sim.flight[k].to == to && strcmp(have, text) == 0) {
            world_deliver(&w, k);
            return true;
        }
    }
    return false;
}

static bool in_flight(const char *text)
{
    for (uint32_t k = 0; k < w.sim.flights; k++) {
        char have[64];
        text_of(&w.sim.flight[k], have, sizeof have);
        if (strcmp(have, text) == 0)
            return true;
    }
    return false;
}

static void test_EP4_what_a_majority_accepted_is_what_the_next_leader_writes(void **state)
{
    (void)state;
    start(3);
    propose(0, 0);
    assert_true(deliver(1, "[WRITE 0 0]"));
    assert_true(deliver(0, "[ACCEPT 0 0]"));
    assert_true(decided(0, 0));
    world_crash(&w, 0);
    world_lose(&w, 0, UINT16_MAX);
    for (uint16_t p = 1; p < 3; p++)
        start_epoch(p, 2);
    propose(2, 0);
    world_settle(&w);
    ledger_all_decided(&l, &w, 1, "epoch 2");
    assert_int_equal(l.value[0], proposal_of(0, 0));
    world_end(&w);
}

static void test_EP6_who_aborts_accepts_no_more(void **state)
{
    (void)state;
    start(3);
    propose(0, 0);
    abort_epoch(1);
    world_step(&w, 1);
    assert_true(deliver(1, "[WRITE 0 0]"));
    assert_false(in_flight("[ACCEPT 0 0]"));
    world_end(&w);
}

static void test_a_process_answers_no_epoch_older_than_its_own(void **state)
{
    (void)state;
    start(4);
    start_epoch(1, 1);
    start_epoch(2, 2);
    propose(0, 0);
    assert_true(deliver(2, "[WRITE 0 0]"));
    assert_true(deliver(2, "[READ 1 0]"));
    assert_false(in_flight("[ACCEPT 0 0]"));
    assert_false(in_flight("[END 1 0 0]"));
    assert_int_equal(w.st[2]->counters[COUNT_drop_stale], 1);
    world_end(&w);
}

static void test_DECIDED_before_its_WRITE_decides_when_the_WRITE_comes(void **state)
{
    (void)state;
    start(3);
    propose(0, 0);
    assert_true(deliver(1, "[WRITE 0 0]"));
    assert_true(deliver(0, "[ACCEPT 0 0]"));
    assert_true(deliver(2, "[DECIDED 0 0]"));
    assert_false(decided(2, 0));
    assert_true(deliver(2, "[WRITE 0 0]"));
    assert_true(decided(2, 0));
    world_end(&w);
}

static void test_DECIDED_and_WRITE_of_an_epoch_that_is_over_still_decide(void **state)
{
    (void)state;
    start(3);
    propose(0, 0);
    assert_true(deliver(1, "[WRITE 0 0]"));
    assert_true(deliver(0, "[ACCEPT 0 0]"));
    start_epoch(2, 1);
    assert_true(deliver(2, "[WRITE 0 0]"));
    assert_false(decided(2, 0));
    assert_true(deliver(2, "[DECIDED 0 0]"));
    assert_true(decided(2, 0));
    world_end(&w);
}

static void test_DECIDED_does_not_decide_a_value_of_an_older_epoch(void **state)
{
    (void)state;
    start(3);
    propose(0, 0);
    assert_true(deliver(2, "[WRITE 0 0]")); /* reaches p2 alone */
    world_crash(&w, 0);
    start_epoch(1, 1);
    world_settle(&w); /* READ comes to p2, early */
    start_epoch(2, 1);
    world_step(&w, 1);
    propose(1, 0);
    world_settle(&w);
    ledger_all_decided(&l, &w, 1, "epoch 1");
    world_end(&w);

    /* p1 reads from p0, who has nothing, and has its own value decided; p2 holds p0's. */
    start(4);
    propose(0, 0);
    assert_true(deliver(2, "[WRITE 0 0]"));
    world_lose(&w, 0, UINT16_MAX);
    world_crash(&w, 0);
    start_epoch(1, 1);
    start_epoch(3, 1);
    propose(1, 0);
    assert_true(deliver(3, "[READ 1 0]"));
    start_epoch(2, 1);
    assert_false(decided(2, 0));
    world_settle(&w);
    ledger_all_decided(&l, &w, 1, "epoch 1");
    world_end(&w);
}

static void test_a_READ_before_its_epoch_is_started_is_answered_with_it(void **state)
{
    (void)state;
    start(3);
    world_crash(&w, 0);
    start_epoch(1, 1);
    propose(1, 0);
    assert_true(deliver(2, "[READ 1 0]"));
    assert_false(in_flight("[END 1 0 0]"));
    start_epoch(2, 1);
    assert_true(in_flight("[END 1 0 0]"));
    world_settle(&w);
    ledger_all_decided(&l, &w, 1, "epoch 1");
    world_end(&w);
}

static void test_READs_of_two_epochs_to_come_are_both_kept(void **state)
{
    (void)state;
    start(4);
    start_epoch(1, 1);
    start_epoch(2, 2);
    assert_true(deliver(3, "[READ 2 0]"));
    assert_true(deliver(3, "[READ 1 0]"));
    start_epoch(3, 1);
    assert_true(in_flight("[END 1 0 0]"));
    start_epoch(3, 2);
    assert_true(in_flight("[END 2 0 0]"));
    world_end(&w);
}

static void test_a_WRITE_before_its_epoch_is_started_is_accepted_with_it(void **state)
{
    (void)state;
    start(3);
    start_epoch(0, 1);
    start_epoch(1, 1);
    propose(1, 0);
    propose(1, 1);
    assert_true(deliver(0, "[READ 1 0]"));
    assert_true(deliver(1, "[END 1 0 0]"));
    world_crash(&w, 0); /* p2 is needed */
    assert_true(deliver(2, "[WRITE 1 0]"));
    assert_true(deliver(2, "[WRITE 1 1]"));
    assert_false(in_flight("[ACCEPT 1 0..1]"));
    start_epoch(2, 1);
    assert_true(deliver(1, "[ACCEPT 1 0..1]"));
    assert_true(decided(1, 0) && decided(1, 1));
    world_end(&w);
}

static void test_EP1_DECIDED_before_its_epoch_is_started_is_learned(void **state)
{
    (void)state;
    start(3);
    start_epoch(0, 1);
    start_epoch(1, 1);
    propose(1, 0);
    assert_true(deliver(0, "[READ 1 0]"));
    assert_true(deliver(1, "[END 1 0 0]"));
    assert_true(deliver(0, "[WRITE 1 0]"));
    assert_true(deliver(1, "[ACCEPT 1 0]"));
    assert_true(deliver(2, "[WRITE 1 0]"));
    assert_true(deliver(2, "[DECIDED 1 0]"));
    assert_int_equal(world_count_type(&w, 2, EV_EP_DECIDE), 0);
    assert_int_equal(world_count_type(&w, 2, EV_EP_LEARN), 1);
    start_epoch(2, 1);
    assert_int_equal(world_count_type(&w, 2, EV_EP_DECIDE), 0);
    world_end(&w);
}

static void test_a_new_leader_completes_what_it_finds_without_a_proposal_of_its_own(void **state)
{
    (void)state;
    start(3);
    for (uint64_t i = 0; i < 3; i++)
        propose(0, i);
    assert_true(deliver(2, "[WRITE 0 0]"));
    assert_true(deliver(2, "[WRITE 0 2]"));
    world_lose(&w, 0, UINT16_MAX);
    world_crash(&w, 0);
    start_epoch(1, 1);
    start_epoch(2, 1);
    world_settle(&w);
    assert_true(decided(1, 0) && decided(2, 0) && decided(1, 2) && decided(2, 2));
    assert_false(decided(1, 1));
    propose(1, 1);
    world_settle(&w);
    ledger_all_decided(&l, &w, 3, "with the gap filled");
    assert_int_equal(l.value[1], proposal_of(1, 1));
    world_end(&w);
}

static void test_a_stable_leader_reads_once(void **state)
{
    (void)state;
    start(3);
    start_epoch_everywhere(1);
    world_settle(&w);
    propose(1, 0);
    assert_true(in_flight("[WRITE 1 0]"));
    world_settle(&w);
    propose(1, 1);
    assert_true(in_flight("[WRITE 1 1]"));
    assert_false(in_flight("[READ 1 0]"));
    world_end(&w);
}

static void test_rows_are_recycled_and_the_window_moves(void **state)
{
    (void)state;
    for (size_t s = 0; s < 4; s++) {
        start(sizes[s]);
        for (uint64_t i = 0; i < 1000; i++) {
            propose(0, i);
            world_settle(&w);
            ledger_read(&l, &w);
        }
        world_run(&w, MS);
        ledger_all_decided(&l, &w, 1000, "stream");
        assert_in_range(rte_mempool_avail_count(w.pool), w.pool_full - 200 * w.n, w.pool_full);
        world_end(&w);
    }
}

static void test_a_suspected_process_does_not_hold_the_window(void **state)
{
    (void)state;
    start(3);
    world_crash(&w, 2);
    for (uint64_t i = 0; i < 64; i++)
        propose(0, i);
    world_settle(&w);
    assert_true(decided(1, 31));
    assert_false(decided(1, 32)); /* the window is closed by p2, who tells nothing */
    script_suspect(&w, 0, 2, true);
    world_run(&w, 10 * MS);
    ledger_all_decided(&l, &w, 64, "without p2");
    world_end(&w);
}

/* Bytes that no process sends, in every field: dropped, and no invariant breaks. */
static void test_what_cannot_be_read_is_counted_and_dropped(void **state)
{
    (void)state;
    start(3);
    struct co *ep = stack_co(w.st[1], "ep"), *beb = stack_co(w.st[1], "beb");
    struct random r = random_seeded(1, 1);
    for (uint32_t len = 0; len < 24; len++) {
        struct msg m = msg_new(w.st[1], len);
        memset(msg_data(m), 1 + (int)(len % 7), len);
        link_send(ep, ep->use[1], EV_PL_SEND, 0, m);
    }
    world_run(&w, 3 * MS);
    assert_int_equal(w.st[0]->counters[COUNT_drop_message], 24);
    for (uint32_t i = 0; i < 4000; i++) {
        uint32_t len = random_below(&r, 50);
        struct msg m = msg_new(w.st[1], len);
        uint8_t *b = msg_data(m);
        for (uint32_t k = 0; k < len; k++)
            b[k] = k >= 8 && k % 8 > 0 && random_below(&r, 30) > 0 ? 0 : (uint8_t)random_u64(&r);
        if (len > 0)
            b[0] = (uint8_t)random_below(&r, 9);
        if (random_below(&r, 2))
            link_send(ep, ep->use[1], EV_PL_SEND, (uint16_t)random_below(&r, 3), m);
        else
            trigger(beb, ev_make(EV_BEB_BROADCAST, 0, 0, 0, m));
        if (i % 16 == 0)
            world_settle(&w);
        if (i % 512 == 0)
            start_epoch_everywhere(1 + i / 512);
        w.seens = 0;
    }
    world_run(&w, 3 * MS);
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE("EP1_EP2_EP3_EP5_in_the_first_and_in_a_later_epoch",
             case_in_the_first_and_in_a_later_epoch, &of_ep),
        cmocka_unit_test(test_EP4_what_a_majority_accepted_is_what_the_next_leader_writes),
        CASE("EP1_to_EP5_over_every_cut_of_an_epoch", case_over_every_cut_of_an_epoch, &of_ep),
        CASE("EP6_who_aborts_is_aborted", case_who_aborts_is_aborted, &of_ep),
        cmocka_unit_test(test_EP6_who_aborts_accepts_no_more),
        cmocka_unit_test(test_a_process_answers_no_epoch_older_than_its_own),
        cmocka_unit_test(test_DECIDED_before_its_WRITE_decides_when_the_WRITE_comes),
        cmocka_unit_test(test_DECIDED_and_WRITE_of_an_epoch_that_is_over_still_decide),
        cmocka_unit_test(test_DECIDED_does_not_decide_a_value_of_an_older_epoch),
        cmocka_unit_test(test_a_READ_before_its_epoch_is_started_is_answered_with_it),
        cmocka_unit_test(test_READs_of_two_epochs_to_come_are_both_kept),
        cmocka_unit_test(test_a_WRITE_before_its_epoch_is_started_is_accepted_with_it),
        cmocka_unit_test(test_EP1_DECIDED_before_its_epoch_is_started_is_learned),
        cmocka_unit_test(test_a_new_leader_completes_what_it_finds_without_a_proposal_of_its_own),
        cmocka_unit_test(test_a_stable_leader_reads_once),
        cmocka_unit_test(test_rows_are_recycled_and_the_window_moves),
        cmocka_unit_test(test_a_suspected_process_does_not_hold_the_window),
        cmocka_unit_test(test_what_cannot_be_read_is_counted_and_dropped),
    };
    harness_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
