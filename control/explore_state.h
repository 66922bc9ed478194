/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The state of an exhaustive search, shared by its parts: explore.c (the search itself),
 * explore_choices.c (what can be chosen in a state, and what sleeps there), explore_states.c (which
 * states are taken as one, and the table of those seen) and explore_walks.c (schedules at random).
 */
#ifndef UPON_EXPLORE_STATE_H
#define UPON_EXPLORE_STATE_H

#include <time.h>

#include "explore.h"

#define LIVES_MAX   8  /* of a process, of which others hear */
#define SLEEP_MAX   64 /* choices asleep at one state; those beyond are explored again */
#define SLOTS_START 4096u

/* A choice by content, so that it means the same in every path to a state. */
typedef uint64_t choice_key; /* hash, then the process that it acts on, then what it uses up */

enum {
    USES_CRASH = 1,
    USES_LOSS = 2,
    USES_DUPLICATE = 4,
    KEY_PROC = 0x38,
    ALONE = 0x40, /* it commutes with nothing */
    KEY_USES = USES_CRASH | USES_LOSS | USES_DUPLICATE | ALONE,
};
static_assert(EXPLORE_PROCS_MAX <= 8, "a process fits into its bits of a key");

static inline uint16_t key_proc(choice_key key)
{
    return (uint16_t)((key & KEY_PROC) >> 3);
}

struct act {
    struct choice first; /* of a crash within a step: what makes that step; NONE: nothing does */
    struct choice c;
    choice_key key;
    bool variant; /* of a step or a crash that was explored just before */
};

/* Whether its process crashes at it. */
static inline bool crashes(const struct choice *c)
{
    return c->kind == CHOICE_CRASH || c->kind == CHOICE_CRASH_AT || c->kind == CHOICE_CRASH_SENT;
}

struct seen {
    uint64_t hash;  /* 0: free */
    uint32_t sleep; /* where in the pool the choices start that were asleep */
    uint16_t sleeps;
    bool met; /* by a walk */
};

struct table {
    struct seen *slot;
    uint64_t mask;
    uint64_t states;
    choice_key *pool;
    uint64_t pooled;
    uint64_t pool_max;
    uint64_t memory_max;
    uint64_t peak; /* bytes, while one of the two grew */
    bool full;
};

/* A state on the path: what is left to be explored from it. */
struct level {
    uint64_t state[EXPLORE_PROCS_MAX];   /* hash of each process */
    uint64_t counted[EXPLORE_PROCS_MAX]; /* what its checkers heard: as a multiset … */
    uint64_t ordered[EXPLORE_PROCS_MAX]; /* … and in order */
    uint64_t heard[EXPLORE_PROCS_MAX];   /* bit 8 q + i: in this life, from incarnation i of p_q */
    uint32_t timers[EXPLORE_PROCS_MAX];
    uint8_t told[EXPLORE_PROCS_MAX]; /* bit c: its P has told that p_c crashed */
    uint16_t started;                /* so many have taken the step in which they start */
    uint32_t crashes;
    uint32_t losses;
    uint32_t duplicates;
    uint32_t recoveries;
    uint64_t records; /* the choices that lead here are the first of the world's record */
    struct act *act;
    uint32_t acts;
    uint32_t act_max;
    uint32_t next;
    uint32_t sleeps;
    choice_key sleep[SLEEP_MAX];
};

struct explore {
    struct sim_world *w;
    struct explore_conf conf;
    struct explore_result *r;
    struct table table;
    struct level *level;
    uint32_t levels_max;
    uint32_t depth;  /* levels on the path */
    bool there;      /* the world stands in the state of the last level */
    uint32_t sent;   /* frames of the choice that was applied last … */
    uint32_t events; /* … and events */
    struct level *hearing;
    struct timespec begin;
};

/* ---- explore.c ------------------------------------------------------------------------------- */

/* The i-th level of the path, which may move the others. */
struct level *explore_level(struct explore *x, uint32_t i);

/* The level behind the last one, which it may move; it keeps the memory of its own list. */
struct level *explore_child(struct explore *x);

/* Put the world into the state of a level, from the start. */
void explore_go_to(struct explore *x, const struct level *l);

/* The world takes the choice and comes to the child. */
void explore_apply(struct explore *x, const struct act *a, struct level *child);

/* Whether the world violates a property: then the result tells which. */
bool explore_violated(struct explore *x);

/* Nothing is left to do: let the world be fair, and judge what is owed. True: it is violated. */
bool explore_judge_end(struct explore *x, const struct level *l);

/* ---- explore_choices.c ----------------------------------------------------------------------- */

/* Everybody takes the step in which it starts, one after the other. False: all have done so. */
bool explore_put_start(const struct explore *x, struct level *l);

/* All that can be chosen next. Returns how many choices are neither crash nor recovery: with none,
 * nothing is left to do. */
uint32_t explore_put_all(const struct explore *x, struct level *l);

/*
 * What is to be explored next behind the choice that was applied last, which only its outcome tells:
 * the same step, with a crash at each of its events and sends; the same crash, with each other state
 * of the disk.
 */
void explore_put_variants(const struct explore *x, struct level *l, const struct act *a);

bool explore_asleep(const choice_key *sleep, uint32_t sleeps, choice_key key);

/* What sleeps behind a choice: what slept or was explored before it, and commutes with it. */
void explore_inherit_sleep(const struct explore *x, const struct level *l, choice_key key,
                           struct level *child);

/* A choice was explored: it sleeps behind those that follow. */
void explore_put_to_sleep(const struct explore *x, struct level *l, const struct act *a);

/* Leave out of what can be chosen what sleeps. */
void explore_drop_asleep(struct explore *x, struct level *l);

/* ---- explore_states.c ------------------------------------------------------------------------ */

/* From now on what happens is heard for `child`. */
void explore_hear(struct explore *x, struct level *child);

/* Another life of p_p begins: its checkers tell it from the one before. */
void explore_begin_life(struct explore *x, struct level *l, uint16_t p);

uint64_t explore_write_hash(const struct disk_sim_write *d);
uint64_t explore_frame_hash(const struct sim_frame *f);
uint64_t explore_process_hash(const struct explore *x, const struct level *l, uint16_t p);
uint64_t explore_state_hash(const struct explore *x, const struct level *l);

/* An empty table of `memory_max` bytes at most. 0 or −ENOMEM. */
int table_init(struct table *t, uint64_t memory_max);
void table_fini(struct table *t);

/* Bytes that it took at most, also while it grew. */
uint64_t table_peak(const struct table *t);

/* Where the state of this hash is, or belongs. */
struct seen *table_find(const struct table *t, uint64_t hash);

/* A new state, which belongs to `s`, with what sleeps in it. False: the memory is used up. */
bool table_remember(struct table *t, struct seen *s, uint64_t hash, const struct level *l);

/* ---- explore_walks.c ------------------------------------------------------------------------- */

/* All was seen: draw schedules in which no state is matched. */
void explore_walks(struct explore *x);

#endif
