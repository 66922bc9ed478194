/* SPDX-License-Identifier: BSD-3-Clause */
/* The strategies of `upon sim`, measured by the schedules that each needs to find a planted bug. */
#include "strategy.h"

#include <stdio.h>
#include <stdlib.h>

const struct rival rivals[RIVALS] = {
    {"faults", STRATEGY_RANDOM, 0, false}, {"random", STRATEGY_RANDOM, 0, true},
    {"d = 1", STRATEGY_PCTCP, 1, true},    {"d = 2", STRATEGY_PCTCP, 2, true},
    {"d = 3", STRATEGY_PCTCP, 3, true},    {"d = 4", STRATEGY_PCTCP, 4, true},
    {"d = 5", STRATEGY_PCTCP, 5, true},
};

bool rival_for(const struct stack_def *def)
{
    struct sim_needs needs = sim_needs(def);
    return !needs.synchronous && !needs.endless && !needs.disk;
}

uint32_t rival_run(struct sim_world *w, struct adversary *a, const struct stack_def *def,
                   const struct rival *rival, uint32_t base, const char *property,
                   uint32_t *schedule)
{
    struct sim_job job = {.def = def, .n = 3, .ops = 4, .msg_bytes = 8, .delay_ns = 20000};
    struct mix mix = mix_default(rival->strategy, def, job.n);
    mix.depth = rival->depth;
    if (rival->in_order)
        mix.drop = mix.duplicate = mix.corrupt = mix.arrive = 0;
    for (uint32_t k = 1; k <= RIVAL_SEEDS; k++) {
        char why[256];
        *schedule = k;
        job.seed = (uint64_t)base << 32 | k;
        if (sim_world_start(w, &job, why, sizeof why) != 0) {
            fprintf(stderr, "stack %s: %s\n", def->name, why);
            exit(2);
        }
        struct outcome out = adversary_run(a, w, &mix, job.seed);
        if (out.violated && strcmp(out.result.code, property) == 0)
            return k;
    }
    return RIVAL_SEEDS + 1;
}
