/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The second phase of a schedule: the world is healed and fair, and goes on until nothing happens
 * any more. adversary_settle() of adversary.h is all that others need; this is what the first phase
 * shares with it.
 */
#ifndef UPON_SETTLE_H
#define UPON_SETTLE_H

#include "sim_world.h"

#define SETTLE_NOBODY UINT16_MAX

/* Every correct process but `unstable` makes what is left of its requests. True: something was
 * requested. */
bool settle_requests(struct sim_world *w, uint16_t unstable);

/* Writes under way, of all disks. */
uint32_t settle_writes(const struct sim_world *w);

#endif
