/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What ep and lep have in common: worlds whose epochs the test starts and aborts, and the cases that
 * both must pass.
 */
#ifndef UPON_EPOCH_CASES_H
#define UPON_EPOCH_CASES_H

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

static inline void abort_epoch(uint16_t p)
{
    trigger(w.st[p]->app->use[0], ev_make(subject->abort, 0, 0, 0, MSG_NONE));
}

static inline void init_epoch(uint16_t p, uint64_t ets, bool resumed)
{
    trigger(w.st[p]->app->use[0],
            ev_make(subject->init, (uint16_t)(ets % w.n), resumed, ets, MSG_NONE));
    world_step(&w, p);
}

static inline void start_epoch(uint16_t p, uint64_t ets)
{
    if (ets > 0)
        abort_epoch(p);
    init_epoch(p, ets, false);
}

static inline void start_epoch_everywhere(uint64_t ets)
{
    for (uint16_t p = 0; p < w.n; p++)
        if (!w.crashed[p])
            start_epoch(p, ets);
}

static inline void start_with(const struct subject *of, uint16_t n)
{
    subject = of;
    memset(&l, 0, sizeof l);
    world_start(&w, subject->def, n, &conf);
    start_epoch_everywhere(0);
}

static inline void propose(uint16_t p, uint64_t inst)
{
    ledger_propose(&l, &w, p, inst, subject->propose);
    world_step(&w, p);
}

static inline bool decided(uint16_t p, uint64_t inst)
{
    ledger_read(&l, &w);
    return l.decided[inst][p];
}

static inline void case_in_the_first_and_in_a_later_epoch(void **state)
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

/* p crashes and recovers; it goes on in the epoch that it was in, and does not lead it. */
static inline void recover(uint16_t p, uint64_t ets)
{
    world_restart(&w, p);
    init_epoch(p, ets, true);
}

static inline void cut_epochs(uint16_t n, uint64_t seed, bool crashes)
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

static inline void case_over_every_cut_of_an_epoch(void **state)
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
static inline void case_who_aborts_is_aborted(void **state)
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

#endif
