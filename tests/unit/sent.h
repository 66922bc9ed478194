/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the tests of links and of broadcasts without memory share: every process sends to every
 * process, itself included, and what is delivered is held against that: by whom it was sent, to
 * whom, and how often it came. Nothing else may be delivered.
 */
#ifndef UPON_SENT_H
#define UPON_SENT_H

#include "harness.h"

#include <inttypes.h>

#include "protocols/random.h"

#define SENT_PROCS 7
#define SENT_MAX   100

static const uint16_t sizes[] = {1, 3, 4, 7};

/* Each process sends `each` messages to each; or broadcasts as many. */
struct sent {
    enum ev_type send;
    enum ev_type deliver;
    uint64_t each;
    bool broadcast;
};

/* Every message has a value of its own. */
static inline uint64_t sent_value(const struct sent *s, uint16_t from, uint16_t to, uint64_t k)
{
    return (uint64_t)(from + 1) << 48 | (s->broadcast ? 0 : (uint64_t)(to + 1) << 32) | k;
}

static inline void sent_one(const struct sent *s, struct world *w, uint16_t p, uint16_t q,
                            uint64_t k)
{
    world_request(w, p, s->send, q, 0, world_msg(w, p, sent_value(s, p, q, k), 16));
}

static inline void sent_all(const struct sent *s, struct world *w)
{
    for (uint64_t k = 0; k < s->each; k++)
        for (uint16_t p = 0; p < w->n; p++)
            for (uint16_t q = 0; q < (s->broadcast ? 1 : w->n); q++)
                sent_one(s, w, p, q, k);
}

/* Of each message, how often it has been delivered to each process. */
static uint32_t sent_times[SENT_PROCS][SENT_PROCS][SENT_MAX]; /* from, to, k */

/* No creation: all that was delivered was sent, by whom it is said to be from, to whoever has it. */
static inline void sent_read(const struct sent *s, const struct world *w)
{
    memset(sent_times, 0, sizeof sent_times);
    for (uint32_t i = 0; i < w->seens; i++) {
        const struct seen *e = &w->seen[i];
        uint16_t q = w->seen_by[i];
        uint64_t k = e->value & UINT32_MAX;
        assert_int_equal(e->type, s->deliver);
        if (e->proc >= w->n || k >= s->each || e->value != sent_value(s, e->proc, q, k))
            fail_msg("p%u of %u is delivered %" PRIx64 " from p%u, who never sent it to it", q,
                     w->n, e->value, e->proc);
        sent_times[e->proc][q][k]++;
    }
}

/* No creation; and each message has come so often. */
static inline void sent_judge(const struct sent *s, const struct world *w, uint32_t least,
                              uint32_t most)
{
    sent_read(s, w);
    for (uint16_t p = 0; p < w->n; p++)
        for (uint16_t q = 0; q < w->n; q++)
            for (uint64_t k = 0; k < s->each; k++)
                if (sent_times[p][q][k] < least || sent_times[p][q][k] > most)
                    fail_msg("p%u of %u: message %" PRIu64 " from p%u came %u times", q, w->n, k, p,
                             sent_times[p][q][k]);
}

/* No duplication, and the messages of one sender in the order of their sending. */
static inline void sent_judge_order(const struct sent *s, const struct world *w)
{
    uint64_t next[SENT_PROCS][SENT_PROCS] = {0};
    sent_judge(s, w, 1, 1);
    for (uint32_t i = 0; i < w->seens; i++)
        assert_int_equal(w->seen[i].value & UINT32_MAX, next[w->seen[i].proc][w->seen_by[i]]++);
}

/* Loss of `lost` frames in ten, duplication of one, reordering; time passes when all is quiet. */
static inline void sent_disturb(struct world *w, struct random *r, int steps, uint32_t lost)
{
    for (int step = 0; step < steps; step++) {
        if (w->sim.flights == 0) {
            for (uint16_t p = 0; p < w->n; p++) {
                w->sim.env[p].now_ns += 3000000;
                world_step(w, p);
            }
            continue;
        }
        uint32_t k = random_below(r, w->sim.flights), what = random_below(r, 10);
        if (what < lost)
            sim_drop(&w->sim, k);
        else if (what == lost)
            sim_duplicate(&w->sim, k);
        else
            world_deliver(w, k);
    }
}

#endif
