/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ledger of a folder of logs: what all runs over them were told, and the numbers that they used.
 * It is the board's ledger, in a file beside the logs instead of in memory: what a process is told is
 * in it at that instant, so it outlives a SIGKILL of every process of the run. A loss of power while a
 * run is under way takes its last entries; those that a log has dropped are on the disk by then.
 *
 * It lies there if the logs are kept. A run that goes on with them (log.reuse) has a ledger of its
 * own, which begins with all entries of the one before and takes its place when it is whole.
 *
 * Little-endian, as the board.
 */
#ifndef UPON_LEDGER_H
#define UPON_LEDGER_H

#include "job.h"

#define LEDGER_FILE          "ledger"
#define LEDGER_RESTORED_RUNS (1u << 20)

/* Of the number of a run: how many were before it since a restore, and restores. */
static inline uint32_t ledger_runs(uint32_t run)
{
    return run % LEDGER_RESTORED_RUNS;
}

static inline uint32_t ledger_restores(uint32_t run)
{
    return run / LEDGER_RESTORED_RUNS;
}

/* Logs of earlier runs that a run goes on with. */
struct ledger {
    int fd;           /* holds the lock: one run at a time uses the logs of a folder */
    bool found;       /* there are such logs */
    bool torn;        /* the machine went down: entries are lost that the logs still tell of */
    uint32_t run;     /* the number of this one, from 0 */
    uint32_t cluster; /* as in the logs */
    uint64_t sources; /* bitmap of ranks that issued in earlier runs */
    uint64_t places;  /* that one process was told of in earlier runs, at most */
};

/*
 * Whether this checked job goes on with logs, and whether it can. What the job does not say it takes
 * from them: seed, cluster, log.size. 0, or −errno and a sentence in `why`, here and below. Then, and
 * also after an error, ledger_close().
 */
int ledger_find(struct ledger *l, struct job *job, char *why, size_t why_size);

/* Make the ledger of this run beside its logs and lay it over the board's, before anybody writes
 * there. */
int ledger_open(struct ledger *l, const struct job *job, struct board *b, char *why,
                size_t why_size);

/* The same in another OS process that has the board. */
int ledger_join(const struct job *job, struct board *b, char *why, size_t why_size);

/* What process p was told is on stable storage from here on. Blocks. The thread of p. */
void ledger_sync(struct board *b, uint32_t p);

/* The processes have ended: what they were told is on stable storage from here on. 0 or −errno. */
int ledger_end(struct board *b);

void ledger_close(struct ledger *l);
void ledger_remove(const struct job *job);

/* ---- for `upon log` ---------------------------------------------------------------------------- */

struct ledger_summary {
    char stack[64];
    uint32_t n;
    uint32_t run;  /* the last, from 0; restores included */
    uint64_t told; /* by all runs to all processes */
    bool ended;    /* the last run came to its end */
};

/* Read the ledger in a folder of logs, and hold its lock, so that no run begins there: close *fd. */
int ledger_hold(const char *dir, struct ledger_summary *s, int *fd, char *why, size_t why_size);

/*
 * This ledger was restored from a backup, after which there may have been other runs: lead its number
 * of the run on by LEDGER_RESTORED_RUNS, so that the next one takes the name of none of them.
 */
int ledger_restored(const char *dir, char *why, size_t why_size);

#endif
