/* SPDX-License-Identifier: BSD-3-Clause */
/* What `upon sim` was asked for, and what it shares with `upon replay` of a command line. */
#ifndef UPON_SIM_ARGS_H
#define UPON_SIM_ARGS_H

#include "adversary.h"
#include "explore.h"
#include "faults.h"

#include <argp.h>

#define SETS_MAX   32
#define PKTS_LEAST 1023 /* of --memory */
#define PKTS_MOST  16777215

enum { EXIT_HOLDS = 0, EXIT_VIOLATED = 1, EXIT_FAILED = 2 };

/* ---- pictures of an execution ---------------------------------------------------------------- */

/* Where an execution is drawn, or written with vector clocks; and which choices of it. */
struct picture {
    const char *diagram;
    const char *shiviz;
    uint64_t first, last;
};

enum { OPT_DIAGRAM = 320, OPT_SHIVIZ, OPT_WINDOW, OPTS };

#define PICTURE_OPTIONS                                                                  \
    {"diagram", OPT_DIAGRAM, "FILE", 0, "draw the execution in space and time, as SVG"}, \
        {"window", OPT_WINDOW, "A..B", 0, "draw only these choices"},                    \
    {                                                                                    \
        "shiviz", OPT_SHIVIZ, "FILE", 0, "write it with vector clocks, for ShiViz"       \
    }

/* One of these options. 0, or ARGP_ERR_UNKNOWN: it is none of them. */
error_t arg_picture(int key, const char *arg, struct argp_state *state, struct picture *p);

/* Choices are picked for a picture, and there is none. */
bool arg_picture_lacks(const struct picture *p);

/* "A..B", A ≤ B */
bool arg_range(const char *text, uint64_t *first, uint64_t *last);

/* A number within bounds, or the end of the program with a sentence. */
uint64_t arg_number(struct argp_state *state, const char *name, const char *arg, uint64_t least,
                    uint64_t most);

/* ---- upon sim -------------------------------------------------------------------------------- */

struct options {
    const struct stack_def *stack; /* NULL: all */
    uint64_t first, last;          /* seeds */
    uint64_t time_ns;              /* 0: no limit */
    uint64_t steps;                /* 0: the strategy's own */
    uint64_t n;                    /* 0: drawn, or 3 */
    uint64_t depth;
    uint64_t pool_pkts;
    uint32_t lie_ppm;
    enum strategy strategy;
    bool swarm;
    bool exhaustive;
    bool sweep;
    bool scenario; /* --strategy script */
    struct picture picture;
    struct explore_conf search; /* what an exhaustive search may do, and its bounds */
    bool crashes_given;
    bool recoveries_given;
    bool seeds_given;
    bool given[OPTS]; /* by key */
    bool trace, transcript, quiet, json, keep_going, unfair, unsettled, unchecked;
    const char *script;
    const char *out;
    const char *set[SETS_MAX];
    uint32_t sets;
    const char *job_path;
    char *job_set[SETS_MAX]; /* section.key=value */
    uint32_t job_sets;
    uint64_t size;          /* of a message, from the job; 0: drawn, or 8 */
    struct stack_conf conf; /* what the job's [params] gave; the rest is 0 */
    struct faults faults;
    bool plan;  /* they are a script, with its own time */
    bool clock; /* some of them have their time, or take some */
};

/* Read the command line, and the job that it names. 0, or EXIT_FAILED with a sentence on stderr. */
int sim_args(int argc, char **argv, struct options *o);

/* Whether a strategy was asked for that keeps no clock. */
bool sim_args_untimed(const struct options *o);

/* Copy what a job gave over what is drawn. A job that gives nothing changes nothing. */
void sim_args_conf(const struct stack_conf *from, struct stack_conf *to);

#endif
