/* SPDX-License-Identifier: BSD-3-Clause */
/* Starting DPDK's environment layer the way Upon needs it: quietly, and without asking for
 * anything. */
#ifndef UPON_EAL_H
#define UPON_EAL_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mempool.h>

/*
 * Start EAL without hugepages, PCI or files, for tests, benches and the simulator, with
 * `megabytes` of memory. Once a process. 0 or −errno.
 */
int eal_start_light(unsigned megabytes);

struct eal_conf {
    const uint16_t *cpu;   /* processors of the data lcores (placement.h), each pinned to its own */
    uint16_t cpus;         /* the k-th is lcore k + 1, see eal_lcore() */
    uint64_t memory_bytes; /* fabric_memory_wanted(), and whatever else is allocated from EAL */
    uint64_t touched_bytes; /* how many of them are written to: refused where fewer are left */
    const char *const *args; /* further arguments, e.g. "--vdev=…", "--allow=…"; NULL ends; or NULL
                              */
    uint64_t tsc_hz;         /* the frequency that another OS process of this job uses, or 0 */
    bool no_huge;            /* do not look for hugepages */
    bool telemetry;          /* a thread of DPDK's listens in its runtime folder */
};

/*
 * Start EAL for a live run. The calling thread becomes the main lcore: it floats over the
 * processors it may use now, and is for control, which sleeps. Needs neither root nor hugepages;
 * uses 2 MiB pages when enough are free. Leaves no file behind. Once a process; 0, or −errno with a
 * sentence in `why`.
 */
int eal_start(const struct eal_conf *conf, char *why, size_t why_size);

/* "2 MiB hugepages" or "4 KiB pages": what eal_start() found. */
const char *eal_memory_text(void);

/* EAL's id of the k-th data lcore, for rte_eal_remote_launch(). */
static inline unsigned eal_lcore(uint16_t k)
{
    return k + 1u;
}

/* The last thing that DPDK said, without its newline: the reason when something fails. */
const char *eal_last_words(void);

/* End EAL, when everything is closed. */
void eal_stop(void);

/*
 * The name that DPDK's files of the OS process `pid` begin with: it says in which namespace that
 * number counts, so that who sweeps after the dead does not take another's for them. And the folder
 * in which DPDK makes a folder of that name.
 */
#define EAL_PREFIX_BYTES 64
void eal_prefix(char *text, size_t size, long pid);
void eal_runtime_folder(char *path, size_t size);

/* A pool of `count` packets with `data_bytes` behind the headroom. NULL: rte_errno says why. */
struct rte_mempool *eal_pool(const char *name, unsigned count, unsigned cache, unsigned data_bytes);

/* Make it full again, whoever had its packets: nobody may look at one that it had. */
void eal_pool_refill(struct rte_mempool *pool);

#endif
