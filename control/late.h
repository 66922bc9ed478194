/* SPDX-License-Identifier: BSD-3-Clause */
/* Heartbeats that a rule held back, handed to the detectors: in live runs and in simulations. */
#ifndef UPON_LATE_H
#define UPON_LATE_H

#include "dataplane/env_fault.h"
#include "protocols/co.h"

/* Before a breath: detectors hear now what was held back, before what that breath receives. */
static inline void late_hand_over(struct env_fault *f, struct stack *st)
{
    struct env_fault_late late;
    while (env_fault_late(f, &late)) {
        struct msg m = msg_new(st, late.len);
        memcpy(msg_data(m), late.bytes, late.len);
        const enum ev_type deliver = late.kind == FRAME_KIND_PLAIN ? EV_FLL_DELIVER : EV_PL_DELIVER;
        trigger(st->port[late.port], ev_make(deliver, late.from, 0, 0, m));
    }
}

#endif
