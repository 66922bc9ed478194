/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The audit of a run over logs: when all processes have ended, each log is read back as a recovery
 * would, and what its process had told the layer above is looked for in it. The ledger on the board
 * says what that was, as far as it goes; it does not depend on the process, nor on how often it
 * crashed.
 */
#ifndef UPON_AUDIT_H
#define UPON_AUDIT_H

#include "job.h"

struct audit {
    uint32_t logs;         /* read */
    uint64_t acknowledged; /* log-deliveries, decisions: of all processes */
    uint64_t found; /* of these, in the log of their process: at that position, where it says so */
    uint64_t released; /* not found, and below what the log says that its compaction kept */
    uint64_t lost;    /* not found else, or dropped without having been told of: a broken promise */
    uint64_t doubled; /* acknowledged under a second position or instance: another */
    uint64_t unaudited; /* acknowledged as well, beyond what the ledgers hold: not looked for */
    uint64_t records;
    uint64_t lives; /* of all processes */
    bool refused;   /* a log is damaged, or cannot be read */
    char why[320];  /* the first loss, doubling or refusal */
};

/* After a loss of power: make the entries again that the ledger lost, from what the logs tell. 0, or
 * −errno and a sentence in `why`. */
int audit_refill(const struct job *job, struct board *board, char *why, size_t why_size);

/* False: no memory. */
bool audit_logs(struct audit *a, const struct job *job, struct board *board);

#endif
