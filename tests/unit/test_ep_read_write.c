/* SPDX-License-Identifier: BSD-3-Clause */
#include "scripted.h"

#define MS 1000000u

static struct world w;
static struct ledger l;
static const uint16_t sizes[] = {1, 3, 4, 7};
/* One record to a frame: every message can be delivered, or held back, by itself. */
static const struct stack_conf conf = {.flight_msgs = 32,
                                       .ring_msgs = 1024,
                                       .instances = 64,
                                       .store_msgs = 64,
                                       .inbox_events = 2048,
                                       .frame_records = 1,
                                       .rto_min_ns = 1 * MS,
                                       .rto_max_ns = 4 * MS,
                                       .give_up_ns = UINT64_MAX};

/* ep; and lep, whose processes may recover. */
struct subject {
    const struct stack_def *def;
    enum ev_type init;
    enum ev_type propose;
    enum ev_type abort;
    enum ev_type aborted;
    bool logged;
};

static const struct subject of_ep = {&scripted_ep, EV_EP_INIT,    EV_EP_PROPOSE,
                                     EV_EP_ABORT,  EV_EP_ABORTED, false};
static const struct subject of_lep = {&scripted_lep, EV_LEP_INIT,    EV_LEP_PROPOSE,
                                      EV_LEP_ABORT,  EV_LEP_ABORTED, true};
static const struct subject *subject = &of_ep; /* of the test that runs */

#define CASE(name, f, of)                 \
    {                                     \
        name, f, NULL, NULL, (void *)(of) \
    }

static void abort_epoch(uint16_t p)
{
    trigger(w.st[p]->app->use[0], ev_make(subject->abort, 0, 0, 0, MSG_NONE));
}

static void init_epoch(uint16_t p, uint64_t ets, bool resumed)
{
    trigger(w.st[p]->app->use[0],
            ev_make(subject->init, (uint16_t)(ets % w.n), resumed, ets, MSG_NONE));
    world_step(&w, p);
}

static void start_epoch(uint16_t p, uint64_t ets)
{
    if (ets > 0)
        abort_epoch(p);
    init_epoch(p, ets, false);
}

static void start_epoch_everywhere(uint64_t ets)
{
    for (uint16_t p = 0; p < w.n; p++)
        if (!w.crashed[p])
            start_epoch(p, ets);
}

static void start_with(const struct subject *of, uint16_t n)
{
    subject = of;
    memset(&l, 0, sizeof l);
    world_start(&w, subject->def, n, &conf);
    start_epoch_everywhere(0);
}

static void start(uint16_t n)
{
    start_with(&of_ep, n);
}

static void propose(uint16_t p, uint64_t inst)
{
    ledger_propose(&l, &w, p, inst, subject->propose);
    world_step(&w, p);
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

static bool decided(uint16_t p, uint64_t inst)
{
    ledger_read(&l, &w);
    return l.decided[inst][p];
}

static void case_in_the_first_and_in_a_later_epoch(void **state)
{
    for (size_t s = 0; s < 4; s++) {
        start_with(*state, sizes[s]);
        for (uint64_t i = 0; i < 5; i++)
            propose(0, i);
        world_run(&w, 3 * MS);
        ledger_all_decided(&l, &w, 5, "epoch 0");
        uint64_t ets = 2u * w.n - 1;
        start_epoch_everywhere(ets);
        for (uint64_t i = 5; i < 10; i++)
            propose((uint16_t)(ets % w.n), i);
        world_run(&w, 3 * MS);
        ledger_all_decided(&l, &w, 10, "a later epoch");
        assert_int_equal(l.value[7], proposal_of((uint16_t)(ets % w.n), 7));
        world_end(&w);
    }
}

static void finish_disk(uint16_t p)
{
    while (w.disk[p]->writes > 0)
        disk_sim_finish(w.disk[p], 0, DISK_KEEPS, NULL, NULL);
}

/* The two others have stored the value, and q has heard that it is decided. */
static void test_LEP6_a_decision_is_told_when_the_own_disk_has_it(void **state)
{
    (void)state;
    for (uint16_t q = 0; q < 3; q++) {
        start_with(&of_lep, 3);
        w.disks_held = true;
        propose(0, 0);
        world_run(&w, 1 * MS);
        finish_disk((uint16_t)((q + 1) % 3));
        finish_disk((uint16_t)((q + 2) % 3));
        world_run(&w, 1 * MS);
        for (uint16_t p = 0; p < 3; p++)
            assert_int_equal(decided(p, 0), p != q);
        finish_disk(q);
        world_run(&w, 1 * MS);
        assert_true(decided(q, 0));
        world_end(&w);
    }
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

/* p crashes and recovers; it goes on in the epoch that it was in, and does not lead it. */
static void recover(uint16_t p, uint64_t ets)
{
    world_restart(&w, p);
    init_epoch(p, ets, true);
}

static void cut_epochs(uint16_t n, uint64_t seed, bool crashes)
{
    struct random r = random_seeded(seed, n);
    uint64_t last = crashes ? 6 : 4;
    for (uint64_t ets = 0; ets < last; ets++) {
        uint16_t leader = (uint16_t)(ets % n);
        if (ets > 0)
            start_epoch_everywhere(ets);
        for (uint64_t i = 0; i < 3; i++)
            propose(leader, i);
        for (uint32_t k = random_below(&r, 12u * n); k > 0; k--) {
            if (w.sim.flights > 0)
                world_deliver(&w, random_below(&r, w.sim.flights));
            if (crashes && ets + 1 < last && random_below(&r, 10) == 0)
                recover((uint16_t)random_below(&r, n), ets);
            ledger_read(&l, &w);
        }
    }
    world_run(&w, 20 * MS);
    ledger_all_decided(&l, &w, 3, "the last epoch");
    world_end(&w);
}

static void case_over_every_cut_of_an_epoch(void **state)
{
    const struct subject *of = *state;
    uint64_t seeds = of->logged ? 50 : 150;
    for (size_t s = 0; s < 4; s++)
        for (uint64_t seed = 1; seed <= seeds; seed++) {
            start_with(of, sizes[s]);
            cut_epochs(sizes[s], seed, of->logged && seed % 2);
        }
}

/* Aborted once, each, and nobody accepts from then on; the next epoch decides. */
static void case_who_aborts_is_aborted(void **state)
{
    for (size_t s = 0; s < 4; s++) {
        start_with(*state, sizes[s]);
        for (uint64_t i = 0; i < 3 && w.n > 1; i++)
            propose(0, i); /* alone, p0 would have decided */
        for (uint16_t p = 0; p < w.n; p++) {
            abort_epoch(p);
            world_step(&w, p);
        }
        world_run(&w, 3 * MS);
        for (uint16_t p = 0; p < w.n; p++)
            assert_int_equal(world_count_type(&w, p, subject->aborted), 1);
        for (uint32_t i = 0; i < w.seens; i++)
            assert_false(ledger_speaks(w.seen[i].type));
        for (uint16_t p = 0; p < w.n; p++)
            init_epoch(p, w.n, false);
        for (uint64_t i = 0; i < 3; i++)
            propose(0, i);
        world_run(&w, 3 * MS);
        for (uint16_t p = 0; p < w.n; p++)
            assert_int_equal(world_count_type(&w, p, subject->aborted), 1);
        ledger_all_decided(&l, &w, 3, "the epoch after");
        world_end(&w);
    }
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
        CASE("LEP1_LEP2_LEP4_in_the_first_and_in_a_later_epoch",
             case_in_the_first_and_in_a_later_epoch, &of_lep),
        cmocka_unit_test(test_LEP6_a_decision_is_told_when_the_own_disk_has_it),
        cmocka_unit_test(test_EP4_what_a_majority_accepted_is_what_the_next_leader_writes),
        CASE("EP1_to_EP5_over_every_cut_of_an_epoch", case_over_every_cut_of_an_epoch, &of_ep),
        CASE("LEP1_to_LEP4_over_every_cut_of_an_epoch_and_crashes", case_over_every_cut_of_an_epoch,
             &of_lep),
        CASE("EP6_who_aborts_is_aborted", case_who_aborts_is_aborted, &of_ep),
        CASE("LEP5_who_aborts_is_aborted", case_who_aborts_is_aborted, &of_lep),
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
