/* SPDX-License-Identifier: BSD-3-Clause */
/* A disk over another one: what it does not do itself is handed on. */
#ifndef UPON_DISK_OVER_H
#define UPON_DISK_OVER_H

#include "disk.h"

struct disk_over {
    struct disk disk; /* what the log uses */
    struct disk_ops ops;
    struct disk *below;
};

/*
 * Over `below`, whose buffers it shares and which stays the caller's to close: with those of `own`
 * that are not NULL, and the others of `below`. What is optional, and `below` has not, it has not
 * either. Any thread; no errors.
 */
void disk_over_init(struct disk_over *o, struct disk *below, const struct disk_ops *own);

#endif
