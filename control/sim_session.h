/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What `upon sim` and `upon replay` share: a pool, worlds, and what is done about an execution once
 * it has been run: said, drawn, shrunk, kept in a file.
 */
#ifndef UPON_SIM_SESSION_H
#define UPON_SIM_SESSION_H

#include "replay.h"
#include "sim_args.h"

#include <jansson.h>
#include <time.h>

#define STACKS_MAX 64
#define SHAPES_MAX 9 /* worlds are kept for n = 1 … 8 of each stack */
#define STATES_MAX (1u << 21)

struct tally {
    uint64_t runs;
    uint64_t stopped;   /* at an assertion: what their checkers had heard is not counted */
    uint64_t starved;   /* that ended without packets, likewise */
    uint64_t unfair;    /* that did not come to rest */
    uint64_t beyond;    /* in which more were faulty than the stack withstands */
    uint64_t unsettled; /* in which Ω or ◇P never settled */
    uint64_t left;      /* in which a process was left behind: liveness is open that needs it */
    uint64_t misled;    /* in which P lied, and what rests on its accuracy is void */
    uint64_t state[CO_STACK_MAX][CHECK_PROPERTIES_MAX][4];
    const char *code[CO_STACK_MAX][CHECK_PROPERTIES_MAX];
};

struct session {
    struct options o;
    struct rte_mempool *pool;
    struct adversary *adversary;
    struct sim_world *world[STACKS_MAX][SHAPES_MAX];
    struct sim_world *large;
    struct tally tally[STACKS_MAX];
    uint32_t stacks;
    uint64_t *states; /* hashes seen: open addressing */
    uint64_t distinct;
    uint64_t runs, events, breaths, choices, violations, leaks;
    uint64_t digest; /* of all trace hashes, in order of seeds */
    struct timespec begin;
    uint64_t next_progress_ns;
    uint64_t last;     /* seed that was run */
    const char *bound; /* what ended the range of seeds before its end; NULL: nothing did */
    /* What is left behind, see sim_result.h: */
    json_t *found; /* violations */
    json_t *parts; /* searches or sweeps */
    FILE *table;
    char *table_text;
    size_t table_bytes;
    int json_fd;    /* --json: what stdout was */
    char open[240]; /* what was not judged, or not seen, though nothing is violated; "": nothing */
};

/*
 * Start EAL and make what a session of `verb` has: the pool for jobs of as many processes, and of
 * messages of as many bytes, as `like`. 0, or EXIT_FAILED with a sentence on stderr.
 */
int session_start(struct session *s, const char *verb, const struct sim_job *like);
void session_end(struct session *s);

/* Nothing may be violated, but this was not judged or not seen: the verdict is unknown. The first
 * sentence is kept. */
void session_open(struct session *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * A schedule is over and its world is not needed any more: it gives back what it holds, and the pool
 * must be full. False, and said, when a packet is missing: a leak in a protocol, of this schedule.
 */
bool session_give_back(struct session *s, struct sim_world *w);

/* The same when all is over: a packet that is missing is a leak in a protocol. */
int session_leak(struct session *s, int status);

/* Its place in stack_defs. */
uint32_t session_stack(const struct stack_def *def);

/* A world of this session, without a job. NULL: out of memory. */
struct sim_world *session_new_world(struct session *s);

/* The world in which a job is run: one is kept for each shape. NULL: out of memory. */
struct sim_world *session_world(struct session *s, const struct sim_job *job);

/*
 * Do fn(ctx), which runs schedules in `w`. False: a protocol stopped at an assertion of its own, or
 * panicked, and *out says where; or no packet was left, and the verdict is open. The world is
 * abandoned, and all others of the session have given back what they held.
 */
bool session_run(struct session *s, struct sim_world *w, void (*fn)(void *ctx), void *ctx,
                 struct outcome *out);

/* Make the folder of the replay files. 0, or EXIT_FAILED with a sentence on stderr. */
int session_make_dir(const struct options *o);

/*
 * What ran again was recorded: its status; EXIT_FAILED with a sentence where it is not the execution
 * that was recorded, which is only said of a file of another revision.
 */
int session_recorded(const struct replay_info *info, const char *path, uint64_t choices,
                     uint64_t trace_hash, const char *property, int status);

/* Say a violation, keep the schedule in a file, draw it as `p` asks (NULL: it does not), keep a small
 * one beside it. EXIT_FAILED with a sentence where it could not be drawn, else EXIT_HOLDS. */
int session_report(struct session *s, struct sim_world *w, const struct outcome *out,
                   const struct picture *p);

/* Run what the world has recorded again and draw it, if that was asked. `out`: what it violates;
 * NULL, nothing. Of a run that stopped the choice in which it did is not drawn. */
int session_draw(struct sim_world *w, const struct picture *p, const struct outcome *out);

/* Make what the world has recorded as small as `limit_ns` allows, and keep that in a file. */
int session_shrink(struct sim_world *w, const struct outcome *out, const char *path,
                   uint64_t limit_ns);

/* "runs/urb-7.replay" → "runs/urb-7.small.replay" */
void session_small_path(const char *path, char *small, size_t size);

/* Obey a scenario, or what was `recorded` (NULL: it was not), and judge it. An exit status, and in
 * *out what is violated. */
int session_script(struct session *s, struct sim_world *w, const char *name, const char *text,
                   const struct replay_info *recorded, bool trace, bool transcript,
                   struct outcome *out);

/* Draw what a scenario or a replay did. Its exit status stands, unless drawing fails. */
int session_draw_script(struct sim_world *w, const struct picture *p, const struct outcome *out,
                        int status);

#endif
