/* SPDX-License-Identifier: BSD-3-Clause */
/* What is left of this machine. */
#ifndef UPON_MACHINE_H
#define UPON_MACHINE_H

#include <stdint.h>

/*
 * Memory that can still be had, in bytes: of the machine, or within the limit of our cgroups where
 * that is less. UINT64_MAX: neither can be read. Any thread; reads files.
 */
uint64_t machine_memory_left(void);

/* The same, with what is read below `root` in place of /. For tests. */
uint64_t machine_memory_left_below(const char *root);

#endif
