/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests of handing over share: a user that takes what is handed over, and filters. */
#ifndef UPON_HANDOVER_CASES_H
#define UPON_HANDOVER_CASES_H

#include "logged_cases.h"

static struct world w;
static uint64_t at[3];     /* each user's own memory, which survives: taken all below */
static uint64_t handed[3]; /* deliveries to it */
static bool knows[3][256]; /* values taken */

static const struct stack_conf small = {.store_msgs = 256, .ring_msgs = 128, .flight_msgs = 16};

static inline void start(const char *stack)
{
    memset(at, 0, sizeof at);
    memset(handed, 0, sizeof handed);
    memset(knows, 0, sizeof knows);
    world_start(&w, stack_find(stack), 3, &small);
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

/* Look at what was handed over: in order, less what is handed over again; say so if `done`. */
static inline void take(bool done)
{
    for (uint32_t k = 0; k < w.seens; k++) {
        uint16_t p = w.seen_by[k];
        if (w.seen[k].type != EV_HO_DELIVER)
            continue;
        handed[p]++;
        assert_true(w.seen[k].inst <= at[p]);
        if (!done)
            continue;
        if (w.seen[k].inst == at[p]) {
            assert_false(knows[p][w.seen[k].value % 256]); /* lurb keeps no order */
            knows[p][w.seen[k].value % 256] = true;
            at[p]++;
        }
        take_at(p, w.seen[k].inst);
    }
    w.seens = 0;
}

static inline void broadcast_and_run(uint64_t value)
{
    for (int i = 0; i < 60 && co_room(w.st[0]->app->use[0]) == 0; i++) {
        world_run(&w, 1 << 19);
        take(true);
    }
    world_request(&w, 0, EV_HO_BROADCAST, 0, 0, world_msg(&w, 0, value, 30));
    world_run(&w, 1 << 19);
    take(true);
}

#endif
