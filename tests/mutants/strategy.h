/* SPDX-License-Identifier: BSD-3-Clause */
/* One seeded run of a stack under an adversary, then healed and fair. */
#ifndef UPON_MUTANT_STRATEGY_H
#define UPON_MUTANT_STRATEGY_H

#include "control/sim_world.h"

/*
 * Run `def` under the adversary that `seed` draws: shape, load, schedule, losses, duplicates,
 * partitions, crashes. Then the network is healed, steps become fair, and the run ends when every
 * obligation is met or the bound of the fair phase is reached. It ends early when `property` is
 * violated, or any at all if that is "". Returns the choices applied.
 */
uint64_t strategy_run(struct sim_world *w, const struct stack_def *def, uint64_t seed, uint32_t ops,
                      const char *property);

#endif
