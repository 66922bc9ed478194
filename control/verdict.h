/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The verdict of a run, property by property, from what the processes posted to the board.
 *
 * The receivers themselves check that each operation was issued (its tag) and comes once. The
 * rest is comparison. Consensus: processes must have equal digests over each block of consecutive
 * instances. Broadcasts and links: when the load has stopped and everything has had time to
 * arrive, each receiver must have the count and the digest that the source issued. Of a source that
 * crashed the receivers are compared with each other: where the abstraction says so, each must have
 * what another one has. What did not arrive in bounded time is not known to be lost: the verdict is
 * then `unknown`, and says who lacks what.
 */
#ifndef UPON_VERDICT_H
#define UPON_VERDICT_H

#include "load.h"

enum verdict_state { VERDICT_VALID, VERDICT_INVALID, VERDICT_UNKNOWN };

#define VERDICT_PROPERTIES_MAX 40
#define VERDICT_NOTES_MAX      8
#define VERDICT_TEXT_BYTES     320

enum judged_by { JUDGED_BY_DIGEST, JUDGED_BY_CHECKER };

struct verdict_property {
    const char *code; /* as in modules.def */
    enum verdict_state state;
    enum judged_by judged_by;
    const char *layer;   /* whose it is, in the stack; NULL: the top's */
    bool aside;          /* of a layer below: unknown does not make the whole unknown */
    uint64_t events;     /* shown to the checker */
    uint64_t covered_ns; /* since the load began; 0: the whole run */
    char witness[VERDICT_TEXT_BYTES]; /* when it is not valid */
};

struct verdict {
    enum verdict_state state;
    uint32_t properties;
    struct verdict_property property[VERDICT_PROPERTIES_MAX];
    /* Why the whole is worse than its properties: a leak, a lost peer. */
    uint32_t notes;
    char note[VERDICT_NOTES_MAX][VERDICT_TEXT_BYTES];
    /* Consensus: blocks up to here were compared; `lapped` could not be, being overwritten. */
    uint64_t next_block;
    uint64_t lapped_blocks;
    uint64_t compared_blocks;
    const struct load_top *top;
    uint64_t judge_ns;      /* that checkers took, all records together */
    const char *unrecorded; /* why no checker saw the border of the top; NULL: one did */
};

void verdict_open(struct verdict *v, const struct load_top *top);

/* While the processes run: compare what is complete. Call it before a block is overwritten. */
void verdict_compare(struct verdict *v, const struct board *b);

/* Whether everything that was issued has arrived wherever it should, and what one process has of a
 * source that crashed at all that owe it. The load must have stopped. */
bool verdict_drained(const struct load_top *top, const struct board *b);

/* How many operations are owed to correct processes and have not arrived. */
uint64_t verdict_lacking(const struct load_top *top, const struct board *b);

/* The processes have returned: judge. */
void verdict_close(struct verdict *v, const struct board *b);

/* The property of that code, added if it was not judged until now; NULL: there are too many. */
struct verdict_property *verdict_property(struct verdict *v, const char *code);

/* Properties have changed: what they make of the whole. */
void verdict_settle(struct verdict *v);

/* Something that no property covers makes the verdict unknown. */
void verdict_note(struct verdict *v, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Something that no property covers was promised and broken. */
void verdict_break(struct verdict *v, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

const char *verdict_name(enum verdict_state s);

/* 0 valid, 1 violated, 2 unknown. */
int verdict_status(const struct verdict *v);

#endif
