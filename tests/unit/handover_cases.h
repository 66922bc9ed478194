/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests of handing over share: a user that takes what is handed over, and filters. */
#ifndef UPON_HANDOVER_CASES_H
#define UPON_HANDOVER_CASES_H

#include "logged_cases.h"

#define HANDED_MAX 1024

static struct world w;
static uint64_t sent;              /* by p0, numbers from 0 on */
static uint64_t at[LOGGED_PROCS];  /* each user's own memory, which survives: taken all below */
static uint64_t met[LOGGED_PROCS]; /* handed over at least once: all positions below */
static uint64_t value_at[LOGGED_PROCS][HANDED_MAX]; /* and what they were */
static bool knows[LOGGED_PROCS][HANDED_MAX];        /* values handed over */
static uint64_t handed[LOGGED_PROCS];               /* deliveries to it */

static const struct stack_conf small = {.store_msgs = 256, .ring_msgs = 128, .flight_msgs = 16};

static inline void start(const char *stack, uint16_t n)
{
    sent = 0;
    memset(at, 0, sizeof at);
    memset(met, 0, sizeof met);
    memset(knows, 0, sizeof knows);
    memset(handed, 0, sizeof handed);
    world_start(&w, stack_find(stack), n, &small);
}

static inline bool keep_nothing(void *ctx)
{
    (void)ctx;
    return false;
}

static inline void take_at(uint16_t p, uint64_t i)
{
    trigger(w.st[p]->app->use[0], ev_make(EV_HO_DONE, 0, i, 0, MSG_NONE));
}

/* HO3: for the first time in order, each value once; later the same again; all of it from p0. */
static inline void hold_to_order(uint16_t p, const struct seen *s)
{
    assert_int_equal(s->proc, 0);
    assert_true(s->value < sent && s->inst <= met[p]);
    if (s->inst == met[p]) {
        assert_false(knows[p][s->value]); /* lurb keeps no order */
        knows[p][s->value] = true;
        value_at[p][met[p]++] = s->value;
    }
    assert_int_equal(s->value, value_at[p][s->inst]);
}

/* Look at what was handed over; say that it is taken if `done`. */
static inline void take(bool done)
{
    for (uint32_t k = 0; k < w.seens; k++) {
        uint16_t p = w.seen_by[k];
        if (w.seen[k].type != EV_HO_DELIVER)
            continue;
        handed[p]++;
        hold_to_order(p, &w.seen[k]);
        if (!done)
            continue;
        at[p] += w.seen[k].inst == at[p];
        take_at(p, w.seen[k].inst);
    }
    w.seens = 0;
}

static inline void broadcast(uint32_t bytes)
{
    assert_true(sent < HANDED_MAX);
    world_request(&w, 0, EV_HO_BROADCAST, 0, 0, world_msg(&w, 0, sent++, bytes));
}

static inline void broadcast_and_run(void)
{
    for (int i = 0; i < 60 && co_room(w.st[0]->app->use[0]) == 0; i++) {
        world_run(&w, 1 << 19);
        take(true);
    }
    broadcast(30);
    world_run(&w, 1 << 19);
    take(true);
}

/* HO1: each user has taken all. */
static inline void all_taken(void)
{
    for (uint16_t p = 0; p < w.n; p++)
        assert_int_equal(at[p], sent);
}

#endif
