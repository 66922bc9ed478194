/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the checkers of logged links and broadcasts share. In the log-delivered model (CGR Sections
 * 2.4.5 and 3.6) a message is delivered when it is in the variable `delivered` on stable storage, and
 * the layer above is told of it by an indication that comes after the storing. Here:
 *
 * - ⟨…, Deliver | i, p, m⟩ tells that m of p is the log-delivery at position i. The first telling of
 *   a position is a log-delivery; a further life may tell of it again, one life tells only once.
 * - A position that comes to tell of another message has lost the one before: it was never really
 *   on stable storage. So has a life that is not told again of what was not released.
 * - Correct is who is up for ever from some time on, hence who is up when the run ends. A sender
 *   obliges others only if it never crashes.
 *
 * One row for each message of a sender (and of a channel, for a link), as for other broadcasts.
 */
#ifndef UPON_CHECK_LOGGED_H
#define UPON_CHECK_LOGGED_H

#include "check_table.h"

struct logged_got {
    uint64_t first_step;
    uint64_t last_step;
    uint32_t times; /* log-deliveries told of, each position once */
    uint32_t held;  /* of them, on stable storage at the end */
};

struct logged_row {
    struct check_tag tag;
    uint64_t step; /* of the last sending */
    uint32_t times;
    uint16_t from;
    uint16_t to;             /* LOGGED_ALL: a broadcast */
    struct logged_got got[]; /* by process */
};

#define LOGGED_ALL UINT16_MAX

/* A position at a process, and of what it told last. */
struct logged_place {
    struct logged_row *row;
    uint64_t position;
    uint32_t life; /* that was told last */
    uint16_t at;
    uint16_t port;
};

struct logged_check {
    struct check check;
    struct check_table rows;
    struct check_table places;   /* by process and position */
    struct check_table releases; /* by process and user: positions below are not needed */
    bool link;
    uint32_t life[]; /* of each process */
};

struct check *logged_open(const struct check_class *cls, uint16_t n, bool link);
void logged_close(struct check *c);
void logged_reset(struct check *c);
void logged_recover(struct check *c, uint16_t p, uint64_t step);

/* Count an event and judge a log-delivery: no duplication, no creation. */
void logged_event(struct check *c, const struct check_event *e, uint32_t duplication,
                  uint32_t creation);

/* At the end: find out what every process holds. Then judge, by these: */
void logged_count_held(struct check *c);

/* What a process that never crashes sent, its receiver, it itself, or all correct log-deliver. */
enum logged_who { LOGGED_RECEIVER, LOGGED_ITSELF };
void logged_validity(struct check *c, uint32_t property, enum logged_who who, bool fair,
                     uint64_t step);

/* What any process log-delivered, every correct one log-delivers. */
void logged_agreement(struct check *c, uint32_t property, bool fair, uint64_t step);

#endif
