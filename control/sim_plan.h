/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A script of faults in simulated time: its rules become rules of the job that hold in a window,
 * what befalls processes becomes choices that are due at a time. So a replay of what happened holds
 * all of it, and needs no script.
 */
#ifndef UPON_SIM_PLAN_H
#define UPON_SIM_PLAN_H

#include "faults.h"
#include "sim_world.h"

struct sim_plan {
    const struct faults *faults; /* NULL: nothing is planned */
    uint32_t next;               /* step */
    uint64_t left;               /* bitmap: processes that the step before has yet to befall */
};

/* Check the script for the job's processes and add its rules to the job's. 0, or −EINVAL with a
 * sentence. */
int sim_plan_rules(struct faults *f, struct sim_job *job, char *why, size_t size);

static inline struct sim_plan sim_plan_begin(const struct faults *f)
{
    return (struct sim_plan){.faults = f};
}

/* As sim_world_timed(): what happens next when a clock is kept, the plan included. */
bool sim_plan_timed(struct sim_plan *plan, const struct sim_world *w, struct choice *c);

/* When the last of it begins or ends; 0: nothing is planned. */
uint64_t sim_plan_end_ns(const struct sim_plan *plan);

/* The line that begins or ends next; NULL: all of it is behind us. */
const struct fault_line *sim_plan_next(const struct sim_plan *plan);

/* Whether all of it is behind us, the ends of its rules included. */
static inline bool sim_plan_over(const struct sim_plan *plan)
{
    return sim_plan_next(plan) == NULL;
}

#endif
