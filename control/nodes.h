/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The nodes of a run: an OS process for each processor that polls, hosting the processes that are
 * placed there. `upon run` starts them for devices that reach from one OS process to another.
 *
 * Nothing outlives the run, however it ends: board, job and last words lie in files without names,
 * memif's sockets are abstract unless a folder is asked for, and the kernel kills a node whose
 * launcher is gone.
 */
#ifndef UPON_NODES_H
#define UPON_NODES_H

#include <signal.h>
#include <sys/types.h>

#include "dataplane/placement.h"
#include "host.h"

#define NODE_WHY_BYTES 640

struct nodes {
    const struct job *job;
    struct placement place;
    struct board *board;
    int board_fd;
    int job_fd;
    sigset_t
        signals; /* blocked: SIGINT, SIGTERM and SIGHUP ask to end, SIGCHLD says that a node ended */
    uint16_t count;
    bool stopping;
    uint32_t lost;            /* nodes that ended by themselves, and were not started again */
    uint32_t restarts;        /* nodes that were */
    char why[NODE_WHY_BYTES]; /* of the first one */
    struct {
        pid_t pid;                  /* 0: not started, or reaped */
        int words;                  /* what it wrote to its standard error */
        char ranks[PSET_PROCS * 3]; /* "0,1,…,63" */
    } node[BOARD_NODES_MAX];
};

/*
 * Start all nodes and wait until they are ready. The board was opened with `board_fd`, `signals`
 * are blocked. 0, or −errno with a sentence in `why`; then nodes_end() is still due.
 */
int nodes_start(struct nodes *n, const struct job *job, const struct placement *place,
                struct board *board, int board_fd, const sigset_t *signals, char *why,
                size_t why_size);

/* After SIGCHLD: whether a node has ended that should not have, since it was asked last; not where
 * the job tolerates it while somebody is left. Its processes are put down as crashed. */
bool nodes_reap(struct nodes *n);

/* The sentence in `said`, all that a node wrote: what it panicked over, and not the backtrace behind
 * that; else its last line. Changes `said`, and points into it. */
const char *nodes_words(char *said);

/* Whether the run is spoilt by what was lost. */
bool nodes_spoilt(const struct nodes *n);

/* The processes stop, one node after another closes its ports; sums up what they account for.
 * Bounded in time: who does not come to an end is killed. */
struct host_account nodes_stop(struct nodes *n);

/* Kill what is left, close all. */
void nodes_end(struct nodes *n);

#endif
