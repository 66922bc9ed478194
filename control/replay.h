/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Replay files: a scenario (script.h) that was recorded, under a header that says of which revision
 * it is, what it violates and which trace it must give, and a sum over all that follows the header.
 */
#ifndef UPON_REPLAY_H
#define UPON_REPLAY_H

#include "script.h"

#include <stdio.h>

extern const char upon_revision[]; /* which this program was built from */

struct replay_info {
    char revision[64];
    char property[16]; /* "-": none was violated */
    uint64_t trace_hash;
    uint64_t choices;
};

/* The property of a file whose last choice does not come to its end: an assertion fails within it. */
#define REPLAY_ASSERT "assert"

/* What is written behind the choices; CUT: the one that is being applied, which stops there. */
enum replay_end { REPLAY_CUT, REPLAY_END, REPLAY_END_FAIR };

/* Write the choices that the world has recorded. 0 or −errno. */
int replay_write(const char *path, const struct sim_world *w, const char *property,
                 enum replay_end end);

/*
 * Whether a run is the one that was recorded: of so many choices, with this trace, and this
 * violation ("-": none). False, and one sentence says what differs.
 */
bool replay_same(const struct replay_info *info, uint64_t choices, uint64_t trace_hash,
                 const char *property, char *why, size_t size);

/*
 * Read a file: its header into *info, its scenario into *text, which the caller frees. 0, or
 * −errno with one sentence: not a replay file, cut off, altered, of another revision (unless
 * `any_revision`).
 */
int replay_read(const char *path, bool any_revision, struct replay_info *info, char **text,
                char *why, size_t size);

/*
 * An execution in the book's notation: all of it, or its last lines, without what only keeps time
 * and links alive.
 */
struct explain {
    struct sim_world *w;
    FILE *all;             /* print every line here; NULL: keep the last ones */
    bool transcript;       /* no choices between the events: a scenario says what it does */
    const uint32_t *shown; /* bit i: have what crosses layer i's border; 0 or NULL: everything */
    char choice[240];      /* not kept yet: nothing worth a line has followed */
    char line[24][240];
    uint64_t lines;
};

/* Watch a world, from its start on. */
void explain_attach(struct explain *x, struct sim_world *w, FILE *all);
void explain_detach(struct explain *x);
void explain_print(const struct explain *x, FILE *out);

#endif
