/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What `upon sim` leaves behind: a table that a person reads, on stdout as it comes and in table.txt,
 * and the same for programs, summary.json. Both files stand in --out DIR, beside the replay files.
 */
#ifndef UPON_SIM_RESULT_H
#define UPON_SIM_RESULT_H

#include "explore.h"
#include "sim_session.h"
#include "sweep.h"

#define SIM_RESULT_SCHEMA "upon.sim/1"

/* Begin. From here on stdout has nothing but the summary, if that is asked for (--json): all else
 * goes to stderr. 0, or EXIT_FAILED with a sentence on stderr. */
int sim_result_open(struct session *s);

/* Print a line, or a part of one, of the table. */
void sim_result_say(struct session *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A stack was searched, or swept. */
void sim_result_search(struct session *s, const struct explore_conf *c,
                       const struct explore_result *r);
void sim_result_sweep(struct session *s, const struct sim_job *job, const struct sweep_result *r);

/*
 * The session is over with that exit status: write the files (--out), print the summary (--json).
 * The status, or EXIT_FAILED with a sentence on stderr.
 */
int sim_result_close(struct session *s, int argc, char *const *argv, int status);

#endif
