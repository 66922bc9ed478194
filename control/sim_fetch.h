/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fetching ahead. With a thousand processes hardly a line of one is in the cache when its turn comes,
 * and an event costs several times what it costs among three. All stacks of a world are laid out
 * alike, so the lines that a step touches stand at the same places in each: while one receiver steps,
 * those of the next are fetched. It changes no execution. One thread.
 */
#ifndef UPON_SIM_FETCH_H
#define UPON_SIM_FETCH_H

#include "dataplane/env_sim.h"
#include "protocols/co.h"

#define SIM_FETCH_PROCS 256 /* fewer processes than this stay in the cache by themselves */
#define SIM_FETCH_LINES 96

struct sim_fetch {
    uint32_t at[SIM_FETCH_LINES]; /* bytes from the beginning of a stack */
    uint32_t lines;
};

/* Find the lines, in any wired stack of the world. */
void sim_fetch_learn(struct sim_fetch *f, const struct stack *st);

/* The process that runs `st` in `env` is about to receive `pkt`. */
void sim_fetch_ahead(const struct sim_fetch *f, const struct stack *st, const struct env_sim *env,
                     const struct rte_mbuf *pkt);

#endif
