/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The adversary: who picks Del(m, i, j) and Exec(i). A run has two phases. In the first, a strategy
 * chooses as it likes, within what the stack may assume. Then the world is healed and becomes fair:
 * frames arrive in order, timers fire in order of time, every process makes its requests, until
 * nothing happens any more. Safety is judged throughout, liveness at the end. Fair is not always
 * quick, and one process may crash for ever: sim_job.convoy_ns, sim_job.unstable.
 *
 * All it does is a function of (job, mix, seed).
 */
#ifndef UPON_ADVERSARY_H
#define UPON_ADVERSARY_H

#include "sim_plan.h"
#include "sim_world.h"

enum strategy {
    STRATEGY_RANDOM, /* a uniform choice among frames; other choices by the mix's probabilities */
    STRATEGY_PCTCP,  /* after Ozkan et al. 2018: chains of causally ordered messages, priorities,
                        and d − 1 places where the highest priority is lowered */
    STRATEGY_TIMED,  /* a clock is kept: frames take their delay, timers fire when they are due */
    STRATEGIES
};

extern const char *const strategy_names[STRATEGIES];

/*
 * How an adversary behaves. Probabilities are per choice, in millionths; all strategies make use of
 * all of them, unless it is said.
 */
struct mix {
    uint8_t strategy; /* enum strategy */
    uint8_t depth;    /* PCTCP: d */
    uint16_t crashes; /* at most */
    uint32_t steps;   /* choices of the first phase, at most */
    uint32_t drop;
    uint32_t duplicate;
    uint32_t corrupt;
    uint32_t arrive;  /* a frame waits in the InBuf, so that a step takes several */
    uint32_t timer;   /* fires early; not timed: there it fires when it is due */
    uint32_t request; /* not PCTCP: there requests are chains */
    uint32_t crash;
    uint32_t pause;
    uint32_t lie;   /* a detector says what is not so, until the world is healed */
    bool unsettled; /* Ω and ◇P do so for ever: nothing that needs them is owed */
    uint32_t arm;   /* arm or disarm one of … */
    uint32_t rules; /* … the first rules of the job: those that were drawn */
    /* Stacks with a log: */
    uint16_t restarts;  /* crashes beyond `crashes`, of processes that recover, at most */
    uint32_t recover;   /* who is down begins another life */
    uint32_t disk_fail; /* a write fails, is cut short, or finds the disk full: a crash */
    uint32_t disk_lie;  /* a write is lost or misdirected though said to be durable */
    uint32_t flip;      /* a bit of the medium flips */
    uint64_t bad_disks; /* bit p mod 64: p's disk may break its word; at most `crashes` of them */
    bool unfair;        /* no second phase: what is open at the end is not yet decided */
    uint32_t patience;  /* 0, 1, …: how long the second phase waits for something to happen */
    uint32_t fair_most; /* choices of the second phase, at most; 0: 1,000,000 */
    uint32_t plan_most; /* choices of a first phase that follows a plan, at most; 0: 4,000,000 */
    const struct faults *plan; /* timed: the first phase lasts until it is over; NULL: none */
};

struct adversary;

struct adversary *adversary_new(void);
void adversary_free(struct adversary *a);

/* How a run ended. */
struct outcome {
    bool violated;
    bool fair;   /* the second phase came to rest within its bound */
    bool beyond; /* more are faulty than the stack withstands: nothing is owed */
    const struct fault_line *missed; /* of the plan: it was not reached, and nothing was judged;
                                        NULL: all of it happened, or something was violated before */
    uint64_t first_steps;            /* choices of the first phase */
    uint64_t state;                  /* hash of the configuration between the phases */
    uint16_t layer;                  /* violated: at whose border … */
    struct check_result result;      /* … and what */
    bool
        starved; /* it ended without packets, and nothing was judged; the world is abandoned, too */
    bool stopped; /* violated: at an assertion, or by a panic, of a protocol: it is the witness, and
                     the world is abandoned (sim_world_abandon()) */
};

/*
 * Run one schedule of a world that has just been started, to its end, checkers judged. The world
 * stays as it is at the end, so that it can be looked at.
 */
struct outcome adversary_run(struct adversary *a, struct sim_world *w, const struct mix *mix,
                             uint64_t seed);

/* As adversary_run(), and a liveness violation is confirmed with much more patience. */
struct outcome adversary_judge(struct adversary *a, struct sim_world *w, const struct mix *mix,
                               uint64_t seed);

/* Whether detectors of the stack may lie for as long as they like: they promise only what is so in
 * the end. */
bool adversary_may_lie(const struct stack_def *def);

/* The second phase alone: heal, become fair, judge. For scripts. True: it came to rest. */
bool adversary_settle(struct sim_world *w, const struct mix *mix);

/*
 * Swarm: draw n (where job->n is 0), load, table sizes, strategy, faults and probabilities from
 * the seed, within what the stack may assume.
 */
void adversary_draw(uint64_t seed, struct sim_job *job, struct mix *mix);

/* The processes that may crash. */
uint16_t adversary_crashes_max(const struct stack_def *def, uint16_t n);

/* What is assumed of the first phase when nothing is drawn. */
struct mix mix_default(enum strategy strategy, const struct stack_def *def, uint16_t n);

/*
 * Have a clock kept, whatever was drawn, for faults that have their time or take some. The first
 * phase lasts as long as `plan`, which must outlive it, and requests are spread over that.
 */
void adversary_keep_time(struct mix *mix, const struct faults *plan);

/* A job and a mix in one line, as a person reads it. */
int adversary_text(const struct sim_job *job, const struct mix *mix, char *text, size_t size);

#endif
