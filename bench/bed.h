/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Test beds: processes of a named stack over a device, each with an application that sends, counts
 * and answers; and the bare rings that they are held against.
 *
 * On one core the processes take breaths in turn on the bench's own thread. On two, p0 has that
 * thread, on the first processor, and a helper has all others, on the second: never more than two
 * threads that poll.
 */
#ifndef UPON_BENCH_BED_H
#define UPON_BENCH_BED_H

#include <stdatomic.h>
#include <stdbool.h>

#include "bench.h"
#include "dataplane/fabric.h"
#include "dataplane/lane.h"
#include "protocols/co.h"

#define BED_PROCS  8
#define BED_BURST  32
#define BED_SECOND ((uint64_t)1000000000)

struct bed_conf {
    const char *stack;
    const char *device; /* NULL: ring */
    uint16_t n;
    uint32_t bytes;  /* of a message */
    uint32_t window; /* operations begun and not finished at the source; 0: as many as fit */
    uint32_t mtu;    /* 0: 1500, or 9000 for messages that need it */
    bool echo;       /* p1 answers every message */
    bool two_cores;
    bool logs; /* each process has a log, on files of one disk, in a folder of this bench */
    struct stack_conf stack_conf;
};

struct bed_app {
    struct co co;
    struct bed *bed;
    uint64_t target;      /* operations to begin */
    uint64_t begun;       /* operations begun here */
    uint64_t heard;       /* indications of the top, whoever is their origin */
    uint64_t sum;         /* what was read in the messages */
    atomic_ullong *shown; /* heard, for other threads; NULL: there is none */
};

struct bed {
    struct bed_conf conf;
    struct fabric *fabric;
    struct stack *st[BED_PROCS];
    void *mem[BED_PROCS];
    char dir[64];                 /* of the logs */
    struct disk *disk[BED_PROCS]; /* of each process's */
    uint16_t request;             /* of the top of the stack */
    bool link;                    /* the top is a link: p0 sends to p1 alone */
    bool alone;                   /* p0 begins an operation when it hears of the last */
    /* p0 writes these at each message; what is above, every process reads at each message. */
    uint64_t begun_at __attribute__((aligned(128)));
    uint64_t *took; /* how long each operation took p0, in cycles; NULL: not noted */
};

/* Open and wire. NULL: *why says why in one sentence. */
struct bed *bed_open(const struct bed_conf *conf, const char **why);

/* End process p and wire it anew, in its first state. */
void bed_begin_again(struct bed *b, uint16_t p);

/* Close; ends the bench with a sentence if a packet is missing. */
void bed_close(struct bed *b);

static inline struct bed_app *bed_app(struct bed *b, uint16_t p)
{
    return (struct bed_app *)b->st[p]->app;
}

void bed_report(struct bed *b, struct bench_out *out);

/* p0 begins `ops` operations, and everybody takes breaths in turn until they are finished
 * everywhere. Returns the ns that it took for each. */
double bed_round(struct bed *b, uint64_t ops);

/* One operation at a time: p0 begins the next when it has heard of the last. */
double bed_alone(struct bed *b, uint64_t ops);

/* A breath of every process from `first` on. */
static inline void bed_breath(struct bed *b, uint16_t first)
{
    for (uint16_t p = first; p < b->conf.n; p++)
        co_breath(b->st[p]);
}

/* ---- bare rings and lanes -------------------------------------------------------------------- */

/* Where a side stands in its two lanes; in lines of its own. */
struct bare_side {
    struct lane_end in;
    struct lane_end out;
} __attribute__((aligned(128)));

/* Two ports, p0's transmit ring being p1's receive ring and the other way round; and two lanes. */
struct bare {
    struct bare_side side[2];
    uint16_t port[2];
    struct rte_mempool *pool;
    uint32_t bytes;
};

struct bare *bare_open(uint32_t bytes, const char **why);

/* Allocate a burst, write it, send; receive, read, free. Returns ns for each packet. */
double bare_round(struct bare *r, uint64_t packets);

/* One packet there and back. Returns ns for each round trip. */
double bare_alone(struct bare *r, uint64_t packets);

/* The same for a broadcast to `peers`: a body written once, and for each peer a packet that copies
 * it or, above MSG_COPY_BYTES, one that refers to it. Returns ns for each broadcast. */
double bare_broadcast_round(struct bare *r, uint16_t peers, uint64_t broadcasts);

/* ---- two cores ------------------------------------------------------------------------------- */

enum duo_mode { DUO_IDLE, DUO_BARE, DUO_BARE_ECHO, DUO_BARE_ANSWER, DUO_BED, DUO_STOP };

struct duo {
    struct bare *bare;
    struct bed *bed;
    cpu_set_t allowed; /* before the bench bound its thread */
    pthread_t helper;
    atomic_int mode;
    atomic_int seen; /* the mode that the helper is in */
    atomic_ullong bare_heard __attribute__((aligned(128)));
    atomic_ullong bed_heard __attribute__((aligned(128)));
};

struct duo *duo_open(const struct bed_conf *conf, const char **why);
void duo_close(struct duo *d);

/* Stream `ops` operations from p0, or packets over the bare ring; ns for each. */
double duo_bare_stream(struct duo *d, uint64_t ops);
double duo_bed_stream(struct duo *d, uint64_t ops);

/* The median round trip of `ops` packets or operations, one at a time, in ns. */
double duo_bare_echo(struct duo *d, uint32_t ops);

/* The same over lanes, with what any message must cost: each side allocates a packet and writes it,
 * reads the other's and frees it. */
double duo_bare_answer(struct duo *d, uint32_t ops);
double duo_bed_alone(struct duo *d, uint32_t ops);

#endif
