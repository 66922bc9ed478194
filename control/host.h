/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The processes of a job that live in this OS process: all of them in `upon run` over a device
 * within one memory, those of one processor in `upon node`.
 *
 * A thread for each processor takes breaths of its processes in turn; the caller's thread sets up,
 * sleeps, and takes apart.
 */
#ifndef UPON_HOST_H
#define UPON_HOST_H

#include "disk_held.h"
#include "dataplane/disk_fault.h"
#include "dataplane/fabric.h"
#include "dataplane/placement.h"
#include "job.h"
#include "process.h"
#include "record.h"

/* The processes that one lcore runs by taking their breaths in turn. */
struct host_worker {
    const struct board *board;
    const board_u64 *quit;
    struct fabric *fabric;
    board_u64 redial; /* asked by the control thread: call peers that are back */
    uint32_t count;
    struct process *process[PSET_PROCS];
    uint64_t preempted; /* times that another program took its processor */
};

struct host {
    const struct job *job;
    struct board *board;
    struct placement place; /* of the processes that live here */
    uint16_t self[PSET_PROCS];
    uint16_t selves;
    struct fabric_addr addr[PSET_PROCS];
    struct fabric *fabric;
    bool eal; /* started */
    struct stack *st[PSET_PROCS];
    void *mem[PSET_PROCS]; /* of a stack */
    size_t stack_bytes;
    struct process process[PSET_PROCS];
    struct spool *spools;                     /* of all processes; NULL: no memory for them */
    struct recorder *recorder[PSET_PROCS];    /* NULL: not recorded */
    struct disk *disk[PSET_PROCS];            /* of the log of a process that is up */
    struct disk_held disk_held[PSET_PROCS];   /* over it, if the job says log.hold */
    struct disk_fault disk_fault[PSET_PROCS]; /* the fault engine, over that */
    bool down[PSET_PROCS]; /* crashed, and taken apart; each is its own thread's to write */
    struct load_conf load; /* since host_attach() */
    struct host_worker worker[PLACEMENT_LCORES_MAX];
    board_u64 quit; /* our threads return, whatever others do */
};

/* What it has come to, when it is closed. */
struct host_account {
    uint64_t memory_bytes;
    uint64_t leaked_pkts;
    uint64_t preempted;
};

/* All processes of the job, or those that `place` gives to its k-th lcore. */
void host_init(struct host *h, const struct job *job, const struct placement *place);
void host_init_lcore(struct host *h, const struct job *job, const struct placement *place,
                     uint16_t k);

/* Start EAL. 0, or −errno and a sentence in `why`, here and below. */
int host_start(struct host *h, uint64_t tsc_hz, char *why, size_t why_size);

/* Fill in host.addr for the processes that live here. */
int host_addresses(struct host *h, char *why, size_t why_size);

/* Open the fabric and wire the stacks. `addr`: of all processes, or NULL for the default. */
int host_open(struct host *h, const struct fabric_addr *addr, char *why, size_t why_size);

/* "TSC at 2.1 GHz, 4 KiB pages" */
void host_machine_text(char *text, size_t size);

/* The load of a job. */
struct load_conf host_load_conf(const struct job *job, struct board *board, uint64_t start_ns);

/*
 * The load that begins at `start_ns`; stacks over a log read it back, those excepted that had
 * crashed by order and are not recovered yet, in an OS process that is gone. 0, or −errno and a
 * sentence: also where what an earlier life did cannot be told again.
 */
int host_attach(struct host *h, uint64_t start_ns, char *why, size_t why_size);

/*
 * Process p crashes: what it holds in memory is gone, what is under way to its disk comes to some
 * end. It takes no breath until host_recover(), which wires its stack again in the same memory and
 * reads its log back: 0, or −errno with a sentence (its stack has no log: it stays down). Both are
 * called by the thread that takes its breaths, between two of them; the processes that share the
 * thread wait.
 */
void host_crash(struct host *h, uint16_t p);
void host_halted(struct host *h, uint16_t p, enum board_halt why); /* by itself: its disk failed */
int host_recover(struct host *h, uint16_t p, char *why, size_t why_size);

/* Launch the threads; wait until they have returned, which the board's stop or host.quit asks. */
void host_launch(struct host *h);
void host_wait(struct host *h);

/* Now and then, where a peer's OS process may be killed and started again: have it called. */
void host_watch_peers(struct host *h);

/* Complete the board, take the stacks apart. */
void host_detach(struct host *h);

/* Close the fabric, count the packets. */
#define HOST_FILES 32 /* open ones of an OS process of ours, whatever it runs */

/* Let this OS process have so many files open. Else −EMFILE and a sentence in `why`. */
int host_allow_files(uint64_t files, char *why, size_t why_size);

struct host_account host_close(struct host *h);

/* End EAL, free all memory. Also after a start that failed. */
void host_free(struct host *h);

#endif
