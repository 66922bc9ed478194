/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A disk that is in no hurry: over another disk, it keeps each write in memory for a while before it
 * hands it on. What a killed process had asked for and not been told of is then truly missing, or
 * partly there and out of order, while a device takes whatever the kernel was given. The super
 * block, whose writer waits for it, is not held back.
 */
#ifndef UPON_DISK_HELD_H
#define UPON_DISK_HELD_H

#include "dataplane/disk_over.h"
#include "protocols/random.h"

#define DISK_HELD_BUFFERS_MAX 64 /* writes held, one for each buffer */

struct env;

struct disk_held {
    struct disk_over over; /* over.disk is what the log uses */
    struct env *clock;     /* whose time it is */
    uint64_t most_ns;
    struct random random;
    uint32_t writes;
    struct disk_held_write {
        uint64_t due_ns, offset;
        uint32_t slot, buffer, from, bytes;
    } write[DISK_HELD_BUFFERS_MAX];
};

/*
 * Over `below`, whose buffers it shares and which stays the caller's to close: what is held then is
 * never written. A write is held for up to `most_ns`, drawn with `seed`. 0, or −E2BIG if `below` has
 * more buffers than fit.
 */
int disk_held_init(struct disk_held *d, struct disk *below, uint64_t most_ns, uint64_t seed,
                   struct env *clock);

#endif
