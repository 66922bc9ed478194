/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An execution as Lamport's space-time diagrams see it: what happens at each process, and which
 * frame went from where to where. Collected by watching a world; drawn by diagram.c, written for
 * ShiViz by shiviz.c.
 */
#ifndef UPON_SPACETIME_H
#define UPON_SPACETIME_H

#include "sim_world.h"

enum happening_kind {
    HAPPENS_REQUEST,    /* at the top of the stack */
    HAPPENS_INDICATION, /* likewise: a delivery, a decision */
    HAPPENS_DETECTION,  /* a detector speaks, an epoch starts */
    HAPPENS_SEND,
    HAPPENS_RECEIVE,
    HAPPENS_CRASH,
    HAPPENS_RECOVERY,
    HAPPENS_IN_VAIN, /* a recovery that leaves the process down */
    HAPPENS_PAUSE,
};

struct happening {
    uint8_t kind;    /* enum happening_kind */
    bool bare;       /* a frame without records: acknowledgements only */
    uint16_t p;      /* where */
    uint32_t flight; /* SEND, RECEIVE: which, in the list of flights */
    uint64_t choice; /* in which, from 1 */
    char text[96];   /* in the book's notation, without the process; of a frame: its messages */
};

#define FLIGHT_OPEN UINT32_MAX

/* A frame's way, or that of a copy. */
struct flight {
    uint32_t sent;     /* index of the happening */
    uint32_t received; /* likewise; FLIGHT_OPEN: not yet, or never */
    uint32_t ordinal;
    uint16_t from;
    uint16_t to;
    bool lost;
    bool bare;
    uint64_t lost_at; /* in which choice */
};

struct spacetime {
    struct sim_world *w;
    uint64_t choice;
    uint32_t recovery; /* the last one, in the list of happenings */
    struct happening *happening;
    uint32_t happenings;
    uint32_t happenings_max;
    struct flight *flight;
    uint32_t flights;
    uint32_t flights_max;
};

/* Watch a world, from its start on. The structure must be zeroed. */
void spacetime_attach(struct spacetime *s, struct sim_world *w);
void spacetime_detach(struct spacetime *s);
void spacetime_free(struct spacetime *s);

#endif
