/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The board of a run: what each process posts about itself for others to read. One row for a
 * process, which only its thread writes; the control thread reads while it runs, the verdict when
 * it has ended. It holds no pointers and lies in shared memory, so the rows may belong to
 * different OS processes.
 *
 * OS processes also meet here: each has a row of its own, by which `upon run` sees how far it has
 * come, and words that it waits for. What a node says besides figures it writes before it raises
 * its step.
 *
 * A figure is one 64-bit word, stored and loaded whole and relaxed: a reader may see words of
 * different moments while the process runs, and sees all of them when it has ended.
 */
#ifndef UPON_BOARD_H
#define UPON_BOARD_H

#include <stdatomic.h>

#include "board_post.h"
#include "dataplane/counters.h"
#include "dataplane/fabric.h"
#include "hist.h"
#include "orders.h"

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
    BOARD_SKIPPED,     /* a log-delivery that the process was never told of */
    BOARD_LEFT_BEHIND, /* what the others recycled: the process was told that it will not get it */
    BOARD_CHANGED,     /* another life had decided otherwise */
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

/*
 * The ledger of a process over a log: what was log-delivered or decided there, at its position or
 * instance. It is what outlives a crash of the process outside of its own log: a recovered one is
 * held to it, and takes its counts from it. An entry is there when its tag is not 0, which is
 * written last, so a process that is killed leaves whole entries only.
 */
struct board_entry {
    board_u64 tag;
    board_u64 key; /* as of a sample */
};

/* What stands in front of the ledgers, of each process: what a later run has to know besides. */
struct board_past {
    board_u64 issued; /* as in its row */
    board_u64 issued_digest;
    board_u64 forgotten; /* as in its row, of all runs */
};

/* Bytes in front of the ledgers: struct board_past of each process, and what ledger.h keeps there. */
#define BOARD_PAST_BYTES 4096

/* Why a process crashed by itself. */
enum board_halt {
    BOARD_RUNS,
    BOARD_HALT_INJECTED, /* its disk failed while a rule for its disk held */
    BOARD_HALT_DISK      /* its disk failed */
};

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
    board_u64 lives;     /* of the process in this run, this one included */
    board_u64 first;     /* this run's operations are numbered from here on … */
    board_u64 before;    /* … and so many were delivered in runs before it */
    /* Written now and then. */
    _Alignas(64) board_u64 counters[COUNTERS];
    board_u64 counters_from[COUNTERS]; /* when the measured interval began */
    board_u64 counters_end[COUNTERS];  /* … and when it ended */
    board_u64 edges;                   /* 1: the first of these stand there; 2: both */
    board_u64 offered_measured;        /* intended in the measured interval, as far as it came */
    board_u64 late_measured;           /* … and sent after it */
    board_u64 unsent;                  /* … and never sent; when the run has ended */
    board_u64
        forgotten; /* log-deliveries, decisions that the ledger, being full, has no entry for */
    board_u64 samples_missed;
    board_u64 fault[BOARD_FAULTS];
    char witness[BOARD_FAULTS][BOARD_WITNESS_BYTES]; /* of the first one; before its count */
    struct board_post post;                          /* what its components say */
    struct hist
        decide; /* intended time → decision or delivery at the source; links: at the receiver */
    board_u64 halted;     /* enum board_halt */
    board_u64 disk_error; /* BOARD_HALT_DISK: errno */
    struct hist store;    /* stacks with a log: from ⟨log, Store⟩ to ⟨log, Stored⟩ */
    /* Behind it: struct board_source[n], struct board_block[blocks], struct board_sample[max]. */
};

#define BOARD_NODES_MAX      64
#define BOARD_REVISION_BYTES 64

/* How far an OS process has come; a release, for what stands beside it. */
enum board_step {
    BOARD_STEP_NONE,
    BOARD_STEP_ADDRESSED, /* EAL runs; the addresses of its processes are on the board */
    BOARD_STEP_READY,     /* the fabric is open, the stacks are wired */
    BOARD_STEP_RETURNED,  /* its threads have stopped, its rows are complete */
    BOARD_STEP_CLOSED     /* its packets are counted */
};

struct board_node {
    _Alignas(64) board_u64 step;
    board_u64 memory_bytes;
    board_u64 leaked_pkts;
    board_u64 preempted;
    char device[256]; /* as the fabric describes it */
    char machine[128];
};

struct board {
    char revision[BOARD_REVISION_BYTES]; /* of the program that made it: the layout's version */
    uint64_t bytes;                      /* of the whole */
    uint32_t n;
    uint32_t blocks;
    uint32_t samples_max; /* of a process */
    uint32_t ledger_max;  /* log-deliveries of a process that are remembered */
    uint64_t ledger_at;   /* bytes from the beginning: BOARD_PAST_BYTES, and then n ledgers */
    /* Over logs that an earlier run has left (ledger.h). */
    uint32_t run;            /* of those over these logs, from 0 */
    uint32_t log_cluster;    /* as in the logs; 0: this run's */
    bool ledger_kept;        /* it lies with the logs */
    uint64_t sources_before; /* bitmap of the ranks that issued in earlier runs */
    uint64_t row_bytes;
    int spool_fd;      /* of the spools (spool.h); nodes inherit it; 0: there are none */
    uint64_t extra_at; /* bytes from the beginning: what lies behind the rows; 0: nothing */
    /* The measured interval [from, end) in the environment's time, set before any process runs. */
    uint64_t from_ns;
    _Alignas(64) board_u64 end_ns; /* nothing is intended from here on; an interrupt moves it */
    board_u64 stop;                /* processes return */
    board_u64 crashed; /* bitmap of ranks that took no step any more; the control thread's */
    /* A power of two: operations whose number it divides are sampled. Processes look when they start
     * and when the measured interval begins. */
    board_u64 sample_every;
    /* Between OS processes. A node takes its turn when all before it have taken theirs. */
    uint64_t tsc_hz;
    _Alignas(64) board_u64 start_turn; /* nodes that have started EAL, one at a time */
    board_u64 addressed;               /* all addresses are known */
    board_u64 start_ns;                /* of the load; 0: not all are ready */
    board_u64 close_turn;              /* 0: some still run; k + 1: k have closed their ports */
    struct fabric_addr addr[BOARD_NODES_MAX]; /* by rank */
    struct board_node node[BOARD_NODES_MAX];
    struct orders orders[BOARD_NODES_MAX]; /* to a process, by rank */
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

static inline bool board_correct(const struct board *b, uint32_t p)
{
    return (board_get(&b->crashed) >> p & 1) == 0;
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

static inline struct board_past *board_past(const struct board *b, uint32_t p)
{
    return (struct board_past *)((uintptr_t)b + b->ledger_at) + p;
}

static inline struct board_entry *board_ledger(const struct board *b, uint32_t p)
{
    uintptr_t entries = (uintptr_t)b + b->ledger_at + BOARD_PAST_BYTES;
    return (struct board_entry *)entries + (uint64_t)p * b->ledger_max;
}

/*
 * A board for n processes, in shared memory that is all present, so that no process faults a page
 * in while it is measured. `blocks` is 0 or BOARD_BLOCKS. With `fd` it lies in a file that has no
 * name, whose descriptor others inherit and give to board_map(). NULL: no memory.
 */
struct board *board_open(uint32_t n, uint32_t blocks, uint32_t samples_max, uint32_t sample_every,
                         int *fd);

/* The same with `extra` bytes behind the rows, for records. */
struct board *board_open_extra(uint32_t n, uint32_t blocks, uint32_t samples_max,
                               uint32_t sample_every, size_t extra, int *fd);
/* The same, with a ledger of so many entries for each process. */
struct board *board_open_ledger(uint32_t n, uint32_t blocks, uint32_t samples_max,
                                uint32_t sample_every, uint32_t ledger_max, size_t extra, int *fd);

/* Bytes of the ledgers of n processes, what stands in front of them included. */
size_t board_ledger_bytes(uint32_t n, uint32_t ledger_max);

/* Let a file of so many bytes be the ledgers, in place of memory. Each OS process that has the board
 * does so. False: it cannot be mapped. */
bool board_lay_ledger(struct board *b, int fd);

/* The board that another OS process of the same program opened. NULL: `why` says what is wrong. */
struct board *board_map(const char *path, char *why, size_t why_size);

uint64_t board_bytes(const struct board *b);
void board_close(struct board *b);

static inline uint64_t board_step(const struct board *b, uint32_t k)
{
    return atomic_load_explicit(&b->node[k].step, memory_order_acquire);
}

static inline void board_step_put(struct board *b, uint32_t k, enum board_step step)
{
    atomic_store_explicit(&b->node[k].step, step, memory_order_release);
}

#endif
