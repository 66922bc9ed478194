/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The runs that are alive, and what others left behind.
 *
 * A run that listens has a file in a folder that is its user's alone: $XDG_RUNTIME_DIR/upon,
 * /run/user/<uid>/upon or /tmp/upon-<uid>. The file says where its socket stands, and is locked as
 * long as the run lives, so that the kernel tells who is alive, whatever killed the others; a
 * process number that is used again deceives nobody. `upon run` sweeps at its start: what belongs
 * to a run that is no more is taken away, and nothing else.
 */
#ifndef UPON_RUNS_H
#define UPON_RUNS_H

#include <stdbool.h>
#include <stddef.h>

#define RUNS_SOCKET     "ctl.sock" /* in the run's folder */
#define RUNS_PATH_BYTES 4096

/* This run's file. */
struct runs_mark {
    int fd; /* −1: none */
    char path[RUNS_PATH_BYTES];
};

/* Make this run known. 0 or −errno: then it can be reached by the name of its folder alone. */
int runs_mark(struct runs_mark *m, const char *folder, const char *socket);
void runs_unmark(struct runs_mark *m);

/* Take away what runs that are no more have left: their marks and sockets, the runtime folders and
 * hugepage files of their DPDK. Returns how many things. */
unsigned runs_sweep(void);

/* A folder of DPDK's, or one with hugepages: take away what carries the name of an OS process of
 * ours that is no more. For runs_sweep() and its test. */
unsigned runs_sweep_eal(const char *folder);

/*
 * Where the socket of a run stands. `run`: its folder, its name, or the socket itself; NULL: that of
 * runs/latest if it is alive, or the only run that is. 0, or −errno and a sentence in `why`.
 */
int runs_find(const char *run, char *socket, size_t size, char *why, size_t why_size);

#endif
