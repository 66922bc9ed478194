/* SPDX-License-Identifier: BSD-3-Clause */
/* One seeded run of a stack under an adversary, then healed and fair. */
#ifndef UPON_MUTANT_STRATEGY_H
#define UPON_MUTANT_STRATEGY_H

#include "control/adversary.h"
#include "mutants.h"

/*
 * Run `def` under the adversary that `seed` draws: shape, load, schedule, losses, duplicates,
 * partitions, crashes; of the row is taken what it gives of the shape. Then the network is healed,
 * steps become fair, and the run ends when every obligation is met or the bound of the fair phase is
 * reached. It ends early when the property that the row breaks is violated, or any at all if it is
 * harmless. Returns the choices applied.
 */
uint64_t strategy_run(struct sim_world *w, const struct stack_def *def, uint64_t seed,
                      const struct mutant *row);

/* A strategy of `upon sim`, as it is compared with others. */
struct rival {
    const char *name;
    enum strategy strategy;
    uint8_t depth; /* PCTCP: d */
    bool in_order; /* the order alone, timers and crashes are chosen: nothing is lost or copied */
};

#define RIVALS      7
#define RIVAL_BASES 5   /* ranges of seeds, each of which begins anew */
#define RIVAL_SEEDS 400 /* schedules of a range, at most */

extern const struct rival rivals[RIVALS];

/* Whether PCTCP is for such a stack: it keeps no clock, which detectors that must not err rely on. */
bool rival_for(const struct stack_def *def);

/*
 * How many schedules of three processes with four requests each a rival needs, in the given range of
 * seeds, until `property` is violated; RIVAL_SEEDS + 1: more than it was given. *schedule is where
 * it is.
 */
uint32_t rival_run(struct sim_world *w, struct adversary *a, const struct stack_def *def,
                   const struct rival *rival, uint32_t base, const char *property,
                   uint32_t *schedule);

#endif
