/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Faults by hand: a request becomes a line of a script that happens now, is carried out by the
 * same orders, and is written down in the same file (events.h), from which it can be done again.
 */
#ifndef UPON_HAND_H
#define UPON_HAND_H

#include "inject.h"
#include "request.h"

/* What somebody asked for. */
struct hand_deed {
    struct fault_line line;
    uint32_t id; /* of the event; 0: nothing was done yet */
    bool ends;   /* what was begun under this id */
    uint64_t asked_ns;
};

struct hand {
    struct board *board;
    struct events *events;
    const struct inject *inject;            /* the script's part */
    struct hand_deed rule[FAULT_RULES_MAX]; /* armed by hand, by number */
    bool used[FAULT_RULES_MAX];
    uint64_t asked_ns;      /* of the last deed */
    bool ended[FAULTS_MAX]; /* lines of the script that were ended by hand */
};

/* The deed that a request asks for, and whom to ask. 0, or −EINVAL and a sentence. */
int hand_prepare(struct hand *h, const struct request *r, uint64_t now_ns, struct hand_deed *d,
                 uint64_t *whom, char *why, size_t why_size);

/* A process has done it. What was refused is no event: it would be refused again. */
void hand_done(struct hand *h, struct hand_deed *d, uint32_t p, uint64_t effect_ns);

/* All have answered; `done` says whether some did it. */
void hand_end(struct hand *h, const struct hand_deed *d, bool done);

/* The rules that hold now, of the script and by hand: call `each` for them. */
void hand_each(const struct hand *h, uint64_t now_ns,
               void (*each)(void *ctx, uint32_t id, const char *by, const struct fault_line *l),
               void *ctx);

#endif
