/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the tests of logged links and broadcasts share: log-deliveries as the probe saw them, over
 * all lives, and an adversary that loses frames, holds disks, crashes and recovers.
 */
#ifndef UPON_LOGGED_CASES_H
#define UPON_LOGGED_CASES_H

#include "harness.h"

#define LOGGED_PROCS 7

static const uint16_t sizes[] = {1, 3, 4, 7};

/* Log-deliveries of one process: of each position, what it was. */
struct logged {
    uint64_t value[SEEN_MAX];
    uint16_t from[SEEN_MAX];
    uint64_t told[SEEN_MAX]; /* the last life in which it was; 0: never */
    uint64_t positions;
    uint64_t released; /* asked for */
};

/*
 * Take what the probe saw since the last call. A position is told of again in a later life, and
 * then is the same message; a message has one position.
 */
static inline void logged_take(struct world *w, struct logged *l, enum ev_type type)
{
    for (uint32_t k = 0; k < w->seens; k++) {
        const struct seen *s = &w->seen[k];
        struct logged *of = &l[w->seen_by[k]];
        if (s->type != type)
            continue;
        assert_true(s->inst < SEEN_MAX);
        if (of->told[s->inst] != 0) {
            assert_int_equal(of->value[s->inst], s->value);
            assert_int_equal(of->from[s->inst], s->proc);
            assert_true(s->life > of->told[s->inst]); /* once in a life */
            of->told[s->inst] = s->life;
            continue;
        }
        for (uint64_t i = 0; i < of->positions; i++)
            if (of->told[i] != 0 && of->value[i] == s->value && of->from[i] == s->proc)
                fail_msg("p%u: value %lu from p%u is log-delivered at %lu and at %lu",
                         w->seen_by[k], (unsigned long)s->value, s->proc, (unsigned long)i,
                         (unsigned long)s->inst);
        of->told[s->inst] = s->life;
        of->value[s->inst] = s->value;
        of->from[s->inst] = s->proc;
        if (s->inst >= of->positions)
            of->positions = s->inst + 1;
    }
    w->seens = 0;
}

/* How often p has log-delivered a value from a process. */
static inline uint32_t logged_from(const struct logged *l, uint16_t p, uint16_t from,
                                   uint64_t value)
{
    uint32_t n = 0;
    for (uint64_t i = 0; i < l[p].positions; i++)
        n += l[p].told[i] != 0 && l[p].value[i] == value && l[p].from[i] == from;
    return n;
}

/* How often p has log-delivered a value. */
static inline uint32_t logged_count(const struct logged *l, uint16_t p, uint64_t value)
{
    uint32_t n = 0;
    for (uint64_t i = 0; i < l[p].positions; i++)
        n += l[p].told[i] != 0 && l[p].value[i] == value;
    return n;
}

static inline bool keep_coin(void *ctx)
{
    return random_below(&((struct world *)ctx)->random, 2) == 0;
}

/* Finish one write of p's disk, any. */
static inline void finish_some(struct world *w, uint16_t p)
{
    if (w->disk[p]->writes > 0)
        disk_sim_finish(w->disk[p], random_below(&w->random, w->disk[p]->writes), DISK_KEEPS, NULL,
                        NULL);
}

/* One step of an adversary that delivers, loses, duplicates nothing, holds disks and lets time go. */
static inline void wander(struct world *w)
{
    uint32_t what = random_below(&w->random, 16);
    uint16_t p = (uint16_t)random_below(&w->random, w->n);
    if (what < 7 && w->sim.flights > 0) {
        world_deliver(w, random_below(&w->random, w->sim.flights));
    } else if (what == 7 && w->sim.flights > 0) {
        sim_drop(&w->sim, random_below(&w->random, w->sim.flights));
    } else if (what < 12) {
        finish_some(w, p);
        world_step(w, p);
    } else if (what < 14) {
        world_step(w, p);
    } else {
        for (uint16_t q = 0; q < w->n; q++)
            w->sim.env[q].now_ns += 1 << 19;
        world_step(w, p);
    }
}

/* The network is whole and disks are prompt, for `ns`. */
static inline void heal(struct world *w, uint64_t ns)
{
    w->disks_held = false;
    for (uint16_t p = 0; p < w->n; p++)
        while (w->disk[p]->writes > 0)
            disk_sim_finish(w->disk[p], 0, DISK_KEEPS, NULL, NULL);
    world_run(w, ns);
}

#endif
