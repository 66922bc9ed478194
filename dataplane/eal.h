/* SPDX-License-Identifier: BSD-3-Clause */
/* Starting DPDK's environment layer the way Upon needs it: quietly, and without asking for
 * anything. */
#ifndef UPON_EAL_H
#define UPON_EAL_H

#include <rte_mempool.h>

/*
 * Start EAL without hugepages, PCI or files, for tests, benches and the simulator, with
 * `megabytes` of memory. Once a process. 0 or −errno.
 */
int eal_start_light(unsigned megabytes);

/* A pool of `count` packets with `data_bytes` behind the headroom. NULL: rte_errno says why. */
struct rte_mempool *eal_pool(const char *name, unsigned count, unsigned cache, unsigned data_bytes);

#endif
