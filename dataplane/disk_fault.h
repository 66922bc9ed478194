/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A disk under the fault engine: over another disk, it lets writes take longer, and fail. It sits
 * there for as long as the process does, since a write costs microseconds and a rule may be armed
 * at any time. A write that fails is not begun below: what stood there stands there still. The super
 * block, and the flush with which a life begins, are waited for, so what makes them slow blocks; each
 * is one write to the rules, whatever it takes below.
 */
#ifndef UPON_DISK_FAULT_H
#define UPON_DISK_FAULT_H

#include "disk_over.h"
#include "fault.h"

#define DISK_FAULT_BUFFERS_MAX 256 /* writes under way, one for each buffer */

struct env;

struct disk_fault {
    struct disk_over over; /* over.disk is what the log uses */
    const struct fault_engine *engine;
    struct env *clock; /* whose time it is */
    uint16_t self;
    uint64_t writes;
    uint64_t waited;                          /* flushes, and super blocks written */
    uint64_t slow_ns[DISK_FAULT_BUFFERS_MAX]; /* what is added to the write from this buffer */
    uint32_t lates;
    struct disk_late {
        struct disk_done done;
        uint64_t due_ns;
    } late[DISK_FAULT_BUFFERS_MAX]; /* finished, but not told yet */
};

/* Over `below`, whose buffers it shares. 0, or −E2BIG if it has more of them than fit. */
int disk_fault_init(struct disk_fault *d, struct disk *below, const struct fault_engine *engine,
                    uint16_t self, struct env *clock);

#endif
