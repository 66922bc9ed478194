/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an operator asks of a running run, carried out: the requests of request.h, by reading the
 * board and by posting orders to processes. Answers to orders are awaited without waiting: the
 * control thread looks after them between its sleeps, for two seconds at most.
 */
#ifndef UPON_CONSOLE_H
#define UPON_CONSOLE_H

#include "dataplane/placement.h"
#include "figures.h"
#include "hand.h"
#include "host.h"
#include "nodes.h"
#include "papers.h"
#include "request.h"
#include "serve.h"

#define CONSOLE_PATIENCE_NS 2000000000ull /* for a process to answer an order */
#define CONSOLE_LOOK_NS     1000000       /* between two looks for answers */
#define CONSOLE_DEEDS_MAX   SERVE_CLIENTS_MAX

/* A request that processes are asked to carry out. */
struct console_deed {
    bool open;
    uint32_t client; /* REQUEST_ALL: it is gone */
    struct request request;
    bool by_hand; /* a fault: */
    struct hand_deed hand;
    uint64_t until_ns;
    uint64_t asked;              /* bitmap of ranks */
    uint64_t awaited;            /* of those */
    uint64_t order[PSET_PROCS];  /* its number */
    uint64_t effect[PSET_PROCS]; /* time at which it took effect */
    bool done;                   /* by somebody */
    char why[REQUEST_WHY_BYTES]; /* the first refusal */
};

struct console {
    /* The run, as its owner sees it. */
    const struct job *job;
    const struct placement *place;
    struct board *board;
    const struct nodes *nodes; /* NULL: the processes live here */
    const char *folder;
    struct figures *figures;
    struct serve *serve;
    struct papers papers;
    struct hand hand; /* its pointers are the owner's to set */
    struct console_deed deed[CONSOLE_DEEDS_MAX];
};

/* After the fields above were filled in. */
void console_open(struct console *o);

/* The processes have returned: complete the files. */
void console_close(struct console *o);

/* The hooks to give to serve_listen(). */
struct serve_user console_user(struct console *o);

#endif
