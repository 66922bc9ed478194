/* SPDX-License-Identifier: BSD-3-Clause */
/* The recovery oracle of the log as it is. */
#include "oracle_log.h"

#include "dataplane/log.h"
#include "mutants.h"

void oracle_log_as_it_is(uint64_t seed, struct check *check)
{
    oracle_run(seed, check);
}
