/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stable storage, for components.
 *
 *   log_store(self, log, i, m)    trigger ⟨log, Store | i, m⟩; i is the component's own name for it
 *   ⟨log, Stored | i⟩             it is on stable storage: what must not be forgotten may be revealed
 *   ⟨log, Found | i, m⟩           at the start: a record of an earlier life, in the order of storing
 *   ⟨log, Recovered | k⟩          at the start, last: this is incarnation k of the process; 1 is the
 *                                 first. Nothing is sent before it.
 *   ⟨log, Compact⟩                store again all that must survive: what is older is then dropped
 */
#ifndef UPON_PROTOCOLS_LOG_H
#define UPON_PROTOCOLS_LOG_H

#include "protocols/co.h"

extern const struct co_class log_device_class;

static inline void log_store(struct co *self, struct co *log, uint64_t i, struct msg m)
{
    trigger(log, ev_make(EV_LOG_STORE, 0, i, self->port, m));
}

#endif
