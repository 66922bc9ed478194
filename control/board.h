/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The board of a run: what each process posts about itself for others to read. One row for a
 * process, which only its thread writes; the control thread reads while it runs, the verdict when
 * it has ended. It holds no pointers and lies in shared memory, so the rows may belong to
 * different OS processes.
 *
 * A figure is one 64-bit word, stored and loaded whole and relaxed: a reader may see words of
 * different moments while the process runs, and sees all of them when it has ended.
 */
#ifndef UPON_BOARD_H
#define UPON_BOARD_H

#include <stdatomic.h>

#include "dataplane/counters.h"
#include "hist.h"

#define BOARD_BLOCK_INSTANCES 1024  /* decisions that share a digest */
#define BOARD_BLOCKS          16384 /* newest blocks of a process that can be compared */
#define BOARD_WITNESS_BYTES   240

typedef _Atomic uint64_t board_u64;

/* What the receiver itself can see to be wrong. */
enum board_fault {
    BOARD_CREATION,    /* nobody sent, broadcast or proposed this */
    BOARD_DUPLICATION, /* delivered or decided before */
    BOARD_ORDER,       /* overtaken by a later one of the same sender */
    BOARD_UNCHECKED,   /* too far ahead of what is missing to tell whether it came before */
    BOARD_FAULTS
};

/* Operations of one source, or the decisions (source 0), as one process has delivered them. */
struct board_source {
    board_u64 delivered;
    board_u64 digest; /* sum of their tags */
    board_u64 floor;  /* all operations below were delivered */
    board_u64 top;    /* none from here on was */
};

/* A digest over BOARD_BLOCK_INSTANCES consecutive decisions: the sum of their tags. */
struct board_block {
    board_u64 number; /* of the block, plus 1; 0: none */
    board_u64 count;
    board_u64 digest;
};

/* One sampled delivery. */
struct board_sample {
    uint64_t key; /* source << BOARD_KEY_SHIFT | operation */
    uint64_t latency_ns;
};

#define BOARD_KEY_SHIFT 48

struct board_row {
    /* Written at each batch of operations. */
    _Alignas(64) board_u64 issued;
    board_u64 issued_digest;
    board_u64 issued_measured; /* sent in the measured interval */
    board_u64 delivered;
    board_u64 delivered_measured;
    board_u64 completed; /* own operations, delivered or decided at ourselves */
    board_u64 samples;   /* written; a release, the samples stand behind it */
    board_u64 done;      /* issues no more */
    /* Written now and then. */
    _Alignas(64) board_u64 counters[COUNTERS];
    board_u64 counters_from[COUNTERS]; /* when the measured interval began */
    board_u64 offered_measured;        /* when the run has ended */
    board_u64 samples_missed;
    board_u64 fault[BOARD_FAULTS];
    char witness[BOARD_FAULTS][BOARD_WITNESS_BYTES]; /* of the first one; before its count */
    struct hist
        decide; /* intended time → decision or delivery at the source; links: at the receiver */
    /* Behind it: struct board_source[n], struct board_block[blocks], struct board_sample[max]. */
};

struct board {
    uint32_t n;
    uint32_t blocks;
    uint32_t samples_max;  /* of a process */
    uint32_t sample_every; /* a power of two: operations whose number it divides are sampled */
    uint64_t row_bytes;
    /* The measured interval [from, end) in the environment's time, set before any process runs. */
    uint64_t from_ns;
    _Alignas(64) board_u64 end_ns; /* nothing is intended from here on; an interrupt moves it */
    board_u64 stop;                /* processes return */
};

static inline uint64_t board_get(const board_u64 *w)
{
    return atomic_load_explicit(w, memory_order_relaxed);
}

static inline void board_put(board_u64 *w, uint64_t value)
{
    atomic_store_explicit(w, value, memory_order_relaxed);
}

/* A word that only the caller writes. */
static inline void board_add(board_u64 *w, uint64_t value)
{
    board_put(w, board_get(w) + value);
}

static inline struct board_row *board_row(const struct board *b, uint32_t p)
{
    uintptr_t rows = ((uintptr_t)(b + 1) + 63) & ~(uintptr_t)63;
    return (struct board_row *)(rows + p * b->row_bytes);
}

static inline struct board_source *board_source(const struct board *b, uint32_t p, uint32_t source)
{
    return (struct board_source *)(board_row(b, p) + 1) + source;
}

static inline struct board_block *board_blocks(const struct board *b, uint32_t p)
{
    return (struct board_block *)board_source(b, p, b->n);
}

static inline struct board_sample *board_samples(const struct board *b, uint32_t p)
{
    return (struct board_sample *)(board_blocks(b, p) + b->blocks);
}

/*
 * A board for n processes, in shared memory that is all present, so that no process faults a page
 * in while it is measured. `blocks` is 0 or BOARD_BLOCKS. NULL: no memory.
 */
struct board *board_open(uint32_t n, uint32_t blocks, uint32_t samples_max, uint32_t sample_every);
uint64_t board_bytes(const struct board *b);
void board_close(struct board *b);

#endif
