/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Exhaustive search for small n: every order of the adversary's choices, depth first, each state
 * once.
 *
 * The choices: deliver a frame, make the next request, crash a process before a step, at any event
 * of a step or between any two of its sends; and, as often as allowed, fire a process's earliest
 * timer, lose or duplicate a frame. Of stacks with a log also: finish any write that is under way;
 * at any crash leave each state of the disk that sim_disk_states() knows of; begin another life, and
 * crash while its super block is written. A perfect failure detector is an oracle here:
 * after a crash it tells each process at any later moment, and never errs. All of them take the
 * steps in which they start before anything else happens, one after the other; a crash may fall
 * into these, too. Where no timer may fire, links do not send again and detectors other than P are
 * silent; what that leaves open is settled by the fair phase in which liveness is judged, at each
 * state in which nothing is left to do, unless more are down there than the stack withstands.
 *
 * States. Two states are taken as one when all processes show the same state (view.h; with times,
 * where a timer may fire), the same frames are in flight as a multiset, the same processes have
 * crashed, as much of each allowance is left, and the checkers have heard the same: counting
 * checkers (links, broadcasts, uc) the same events at each process as a multiset, which is all that
 * they remember; the others the same events at each process in the same order; all of them life by
 * life. With `total_order` the order among processes counts too; that is needed only for a property
 * that tells apart two orders of events that no message links, and it switches the reduction off.
 * Equality is by 64-bit hashes: in a search of S states one is missed with probability S² / 2^65.
 *
 * Reduction. Sleep sets (Godefroid 1996), kept with each state so that they go with the matching of
 * states (Godefroid, Holzmann and Pirottin 1995): choices that act on different processes commute.
 * Not so where processes recover: what is sent to who is down is lost, and what was sent before
 * waits for the next life. There a recovery commutes with nothing, and all is tried in each order
 * until the last crash that is allowed has happened. Sleep sets save transitions, never states, so
 * every violation of safety is found that the unreduced search finds, but for the order of
 * unrelated events as above.
 *
 * A backtrack runs the path again from the start.
 *
 * That states which are taken as one have the same future is looked at by `walks`: when all has been
 * seen, so many schedules are drawn at random, in which no state is matched with another. Each state
 * on their way must be one that the search has seen, and none may violate what it has not.
 */
#ifndef UPON_EXPLORE_H
#define UPON_EXPLORE_H

#include <signal.h>

#include "adversary.h"

#define EXPLORE_PROCS_MAX 8

struct explore_conf {
    struct sim_job job; /* what is 0 in its conf: tables of the least size */
    uint16_t sources;   /* processes 0 … that make requests; 0: one */
    uint16_t crashes;
    uint16_t recoveries; /* of processes of stacks with a log; else refused */
    uint32_t timers;     /* of each process */
    uint32_t losses;
    uint32_t duplicates;
    uint64_t states_max;               /* 0: no bound */
    uint64_t choices_max;              /* of one schedule; 0: no bound */
    uint64_t time_ns;                  /* 0: no bound */
    uint64_t memory_bytes;             /* of the table of states, also while it grows; 0: 1 GiB */
    uint32_t walks;                    /* schedules without matching, if all was seen */
    const volatile sig_atomic_t *stop; /* not 0: the search is to end; NULL: never */
    bool unreduced;
    bool total_order;
    bool safety_only;
};

struct explore_result {
    struct outcome out; /* violated: the world stands where it happened, its record leads there */
    const char *bound;  /* what ended the search; NULL: all was seen */
    uint64_t states;    /* distinct */
    uint64_t transitions;
    uint64_t matched;  /* transitions that led to a state seen before */
    uint64_t slept;    /* transitions left out by the reduction */
    uint64_t ends;     /* states with nothing left to do: … */
    uint64_t judged;   /* … those in which liveness was judged … */
    uint64_t beyond;   /* … that have more crashes than the stack withstands … */
    uint64_t unfair;   /* … that did not come to rest */
    uint64_t whole;    /* crashes at which every state of the disk was tried … */
    uint64_t partial;  /* … or some, since more sectors were on their way (sim_disk_states()) */
    uint64_t met;      /* states that the walks came through */
    bool unseen;       /* a walk came to something that the search has not seen: there it ended,
                          and the world stands there */
    uint64_t replayed; /* choices applied again by backtracks */
    uint64_t depth;    /* of the longest schedule, in choices */
    uint64_t memory_bytes;
    uint64_t ns;
};

/* Search. 0, or −EINVAL or −ENOMEM with one sentence in `why`. */
int explore_run(struct sim_world *w, const struct explore_conf *conf, struct explore_result *r,
                char *why, size_t size);

/* The result in a few lines, as a person reads it: "exhausted", or "bounded by …". */
int explore_text(const struct explore_conf *conf, const struct explore_result *r, char *text,
                 size_t size);

#endif
