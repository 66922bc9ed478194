/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The files in a run's folder for what processes write down when they are asked (spool.h):
 * snapshot-p1-1.txt, snapshot-p1-2.txt … and trace-p1.txt. The control thread moves a trace to its
 * file a hundred times a second; a file that has become too long ends the trace.
 */
#ifndef UPON_PAPERS_H
#define UPON_PAPERS_H

#include "board.h"
#include "spool.h"

#define PAPERS_LOOK_NS     10000000
#define PAPERS_TRACE_BYTES (256u << 20) /* of a file */
#define PAPERS_PATH_BYTES  4200

struct papers {
    const char *folder;
    struct board *board;
    struct spool *spools; /* NULL: none could be made */
    uint64_t looked_ns;
    uint32_t tracing; /* files that are open */
    uint32_t snapshots[PSET_PROCS];
    FILE *trace[PSET_PROCS];
    uint64_t trace_bytes[PSET_PROCS];
};

void papers_open(struct papers *s, const char *folder, struct board *board);

/* Complete all files. */
void papers_close(struct papers *s);

/* Before a process is asked. */
void papers_prepare(struct papers *s);

/* The process has put down its state, has begun to trace, has ended that. 0 or −errno. */
int papers_snapshot(struct papers *s, uint32_t p);
int papers_trace_open(struct papers *s, uint32_t p);
void papers_trace_close(struct papers *s, uint32_t p);

/* Move traces to their files. Returns when to be called again; UINT64_MAX: need not be. */
uint64_t papers_look(struct papers *s, uint64_t now);

/* The newest file of each kind. */
void papers_snapshot_name(const struct papers *s, uint32_t p, char *path, size_t size);
void papers_trace_name(const struct papers *s, uint32_t p, char *path, size_t size);

#endif
