/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a process writes down when an operator asks: its state, and its events as they are handled.
 *
 * Both go from the process's thread to the control thread through memory that their OS processes
 * share, and that is touched by nobody before somebody asks. The process never waits: of events
 * for which there is no room it counts the number and goes on; a state that is too long is cut
 * short, and says so.
 */
#ifndef UPON_SPOOL_H
#define UPON_SPOOL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>

#include "protocols/co.h"

#define SPOOL_TRACE_BYTES    (1u << 20) /* a power of two */
#define SPOOL_SNAPSHOT_BYTES (16u << 20)
#define SPOOL_LINE_BYTES     512

struct spool {
    /* A ring of whole lines. */
    _Alignas(64) _Atomic uint64_t head; /* bytes ever written; a release */
    uint64_t start_ns; /* of the load: what a line's time counts from; set before the order */
    uint64_t dropped;  /* events since the last line */
    _Alignas(64) _Atomic uint64_t tail; /* bytes ever read; the reader's */
    /* Belongs to the process from order to answer, then to the reader. */
    _Alignas(64) uint64_t snapshot_bytes;
    bool snapshot_cut;
    char trace[SPOOL_TRACE_BYTES];
    char snapshot[SPOOL_SNAPSHOT_BYTES];
};

/* Memory for the spools of n processes, in a file without a name that OS processes inherit. A
 * descriptor or −errno. */
int spools_make(uint32_t n);

/* Map it. NULL: errno says why. */
struct spool *spools_map(int fd, uint32_t n);
void spools_unmap(struct spool *s, uint32_t n);

/* ---- the process's thread ---------------------------------------------------------------------- */

/* In front of whoever observes the process already. */
struct spool_trace {
    struct trace trace; /* first: the stack knows us by it */
    struct trace *next;
    struct spool *spool;
};

/* Write down hash and state, between two breaths. */
void spool_snapshot(struct spool *s, struct stack *st);

void spool_trace_on(struct spool_trace *t, struct spool *s, struct stack *st);
void spool_trace_off(struct spool_trace *t, struct stack *st);

/* ---- the control thread ------------------------------------------------------------------------ */

/* Move what is there of the trace to the file. How many bytes. */
uint64_t spool_trace_drain(struct spool *s, FILE *out);

/* The same when the process traces no more; tells what was left out last. */
void spool_trace_end(struct spool *s, FILE *out);

/* Write the snapshot, and give its memory back. 0 or −errno. */
int spool_snapshot_write(struct spool *s, FILE *out);

#endif
