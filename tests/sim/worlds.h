/* SPDX-License-Identifier: BSD-3-Clause */
/* The packets of a test program's simulated worlds, none of which may be missing behind one. */
#ifndef UPON_TEST_WORLDS_H
#define UPON_TEST_WORLDS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "control/sim_world.h"
#include "dataplane/eal.h"

static struct rte_mempool *pool;
static unsigned pool_full; /* packets in it before the first test */

/* Before the first test. False: EAL does not start. */
static bool worlds_start(void)
{
    if (eal_start_light(64) != 0 || (pool = eal_pool("sim", 16383, 256, 1024)) == NULL)
        return false;
    pool_full = rte_mempool_avail_count(pool);
    return true;
}

/* Free the only world, or the last; fails the test if a packet is missing from the pool. */
static inline void world_free(struct sim_world *w)
{
    sim_world_free(w);
    assert_int_equal(rte_mempool_avail_count(pool), pool_full);
}

#endif
