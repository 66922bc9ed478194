/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Records of a live run: what crosses the borders of a process's abstractions, written by the
 * process's own thread into rings beside the board, read and judged by the control thread
 * (judge.h). Rings lie in shared memory and hold no pointers: the process may live in another OS
 * process.
 *
 * A recorder puts a handler of its own in front of a component's, for the events of a border alone:
 * the requests to the top of the stack and its indications, and those of detectors, leader
 * electors and epoch changes, which are rare. Who is not recorded runs the code that it always
 * runs; nothing in protocols/ knows of it.
 *
 * A process has two rings. What is rare has a small one, which is never short; the border of the
 * top has one that is sized by the job. When that is full, recording of the border ends for good,
 * and the ring says from when on: a record with holes would accuse the innocent.
 *
 * Records are stamped by a clock that is read before the first of a breath is handled: after the
 * breath has received its frames, and before it sends what it is about to cause. So a cause has an
 * earlier stamp than what it causes, on one host. (The breath's own time will not do: where clocks
 * are dear it may be older than the frames.)
 */
#ifndef UPON_RECORD_H
#define UPON_RECORD_H

#include "board.h"
#include "cells.h"
#include "job.h"

struct record {
    uint64_t time_ns;
    uint64_t digest; /* XXH3 of the message; of an event without one: its attribute */
    uint64_t inst;
    uint32_t number; /* of the operation that the message is; low bits, to name it */
    uint16_t len;    /* of the message, + 1; 0: none */
    uint8_t type;    /* enum ev_type; EV_NONE: the process begins another life */
    uint8_t proc;
};
static_assert(sizeof(struct record) == 32, "two to a cache line");
static_assert(EV_TYPES <= UINT8_MAX && PSET_PROCS < UINT8_MAX, "they fit a byte");

enum record_ring { RECORD_RARE, RECORD_BORDER, RECORD_RINGS };

#define RECORDS_RARE 8192               /* of a process's detectors, leaders, epochs */
#define RECORDS_MAX  (4u * 1024 * 1024) /* of all borders: 128 MiB */

/* What one process has written, and the reader has read. */
struct record_row {
    _Alignas(64) board_u64 head[RECORD_RINGS]; /* records ever written; a release */
    board_u64 seen_ns;               /* all that is stamped before was written; a release */
    board_u64 lost_ns[RECORD_RINGS]; /* from here on it was not recorded; 0: all was */
    board_u64 lives;                 /* begun, in this OS process or in one before it */
    _Alignas(64) board_u64 tail[RECORD_RINGS]; /* records ever read; the reader's */
    _Alignas(64) uint64_t capacity[RECORD_RINGS];
    uint64_t at[RECORD_RINGS]; /* bytes from the beginning of the area */
};

struct record_area {
    uint32_t n;
    uint32_t cells; /* of a process */
    uint64_t cell_ns;
    uint64_t cells_at; /* bytes from the beginning of the area */
    struct record_row row[];
};

static inline struct record *record_ring(const struct record_area *a, uint32_t p,
                                         enum record_ring ring)
{
    return (struct record *)((uintptr_t)a + a->row[p].at[ring]);
}

static inline struct cell *record_cells(const struct record_area *a, uint32_t p)
{
    return (struct cell *)((uintptr_t)a + a->cells_at) + (size_t)p * a->cells;
}

/* ---- what is to be recorded ------------------------------------------------------------------ */

struct record_plan {
    bool rare;                   /* detectors, leaders and epochs */
    uint64_t border[PSET_PROCS]; /* records of each process; 0: none */
    char why[160];               /* the border is not recorded because */
    uint32_t cells;              /* of time, for the timeline */
    uint64_t cell_ns;
};

/* `spare`: the control thread has a processor of its own, and reads while the processes run. */
void record_plan(struct record_plan *plan, const struct job *job, bool spare);

/* Bytes of the area, and its first state; it is zeroed memory, 64-aligned. */
size_t record_area_bytes(const struct record_plan *plan, uint32_t n);
void record_area_init(struct record_area *a, const struct record_plan *plan, uint32_t n);

/* The area beside a board; NULL: nothing is recorded. */
struct record_area *record_area_of(const struct board *b);

/* Whether it is a detector, a leader elector or an epoch change. */
bool record_is_rare(uint32_t abstraction);

/* ---- the process's thread ---------------------------------------------------------------------- */

struct recorder {
    struct record_row *row;
    struct record *ring[RECORD_RINGS];
    uint64_t capacity[RECORD_RINGS];
    uint64_t head[RECORD_RINGS];
    uint64_t next[RECORD_RINGS]; /* head modulo capacity */
    uint64_t tail[RECORD_RINGS]; /* as it was read last */
    bool ended[RECORD_RINGS];
    uint64_t breath; /* whose stamp it is; + 1 */
    uint64_t stamp_ns;
    uint8_t border[EV_TYPES];
    co_upon_fn *const *own[CO_STACK_MAX];     /* handlers that ours stand before; NULL: none */
    co_upon_fn *upon[CO_STACK_MAX][EV_TYPES]; /* and those with ours among them */
};

/* Goes on behind what another OS process has written for p, if one has. */
void recorder_init(struct recorder *r, struct record_area *a, uint16_t p);

/* Listen to a stack that is wired and has not run: at the start, and when it has recovered. */
void recorder_listen(struct recorder *r, struct stack *st);

/* Listen no more: every handler stands where it stood. */
void recorder_leave(struct recorder *r, struct stack *st);

#endif
