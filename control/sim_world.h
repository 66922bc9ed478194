/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A simulated world: n processes of one stack, the frames between them, their clocks, the checkers
 * at every border. It takes no decision. Everything that can happen is a choice; whoever holds the
 * world (a strategy, a script, a recorded list, an exhaustive search) applies one after the other:
 *
 *     sim_world_start(w, &job, why, sizeof why);
 *     while (...) { struct choice c = …; sim_world_apply(w, &c); }
 *     sim_world_end(w, fair);
 *
 * The state of a world is a function of the job and of the choices applied, byte for byte, in every
 * build. sim_world_start() takes the memory of the run before again: nothing is allocated for a
 * schedule of a shape seen before. One thread.
 */
#ifndef UPON_SIM_WORLD_H
#define UPON_SIM_WORLD_H

#include "dataplane/env_fault.h"
#include "dataplane/env_sim.h"
#include "dataplane/fault.h"
#include "protocols/checks/check.h"
#include "sim_choice.h"
#include "sim_disk.h"
#include "sim_fetch.h"
#include "sim_stack.h"

#define SIM_OPS_MAX    (1u << 20) /* requests of one process */
#define SIM_FRAMES_MAX 4096       /* in flight, when the adversary floods no further */
#define SIM_DISK_NS    100000     /* of a synced write */

/* ---- what is simulated ----------------------------------------------------------------------- */

struct sim_job {
    const struct stack_def *def;
    uint16_t n;
    uint64_t seed;          /* of the processes' random streams and of the fault engine */
    struct stack_conf conf; /* what is 0: small tables, virtual times (sim_conf_default) */
    uint32_t ops;           /* requests of each process's application */
    uint32_t msg_bytes;     /* of a request's payload, ≥ 8: its number, then bytes that follow */
    uint64_t delay_ns;      /* of a frame, where time is kept and no rule says otherwise */
    uint64_t disk_ns;       /* of a write to a disk, likewise; 0: SIM_DISK_NS */
    uint32_t lag;           /* log-deliveries that an application keeps before it releases them */
    uint64_t convoy_ns;     /* of frames once the world is healed: they arrive together, this far
                               apart, so that nothing takes longer; 0: after delay_ns */
    uint16_t unstable;      /* process that crashes and recovers for ever, + 1; 0: nobody */
    bool lies_void;         /* once P was made to lie, what rests on its accuracy is not judged */
    bool unchecked;         /* open no checkers */
    uint16_t faults;
    struct fault_rule fault[FAULT_RULES_MAX];
};

/* ---- the world ------------------------------------------------------------------------------- */

/* What broke the bound on delays that P is promised, first. */
enum sim_strain { STRAIN_NONE, STRAIN_PAUSE, STRAIN_LOSS, STRAIN_DELAY };

enum sim_state { SIM_RUNNING, SIM_PAUSED, SIM_CRASHED };

struct sim_world;

struct sim_proc {
    struct trace trace; /* first: the stack knows us by it */
    struct sim_world *world;
    struct stack *st;
    enum sim_state state;
    uint16_t self;
    uint32_t incarnation;
    uint32_t ops;         /* requests made */
    uint64_t sent_to;     /* links: destinations used in turn */
    uint64_t events_left; /* in this step, before a crash */
    uint64_t sends_left;
    struct disk_sim *disk; /* of a stack with a log; NULL: none */
    bool crashing;         /* in the step in which a choice has it crash */
    bool refused;          /* its log was not opened again: it stays down */
    uint64_t timer_ns;     /* its earliest timer, as of its last step */
    uint16_t leader;       /* whom its Ω truly named last */
    bool misled;           /* Ω has said something else since */
    uint64_t suspected;    /* bit q < 64: by its ◇P, truly … */
    uint64_t told;         /* … and as it was made to say */
};

/* Someone who watches. Any function may be NULL. */
struct sim_observer {
    /* An event is about to be handled. */
    void (*event)(void *ctx, struct sim_world *w, struct stack *st, struct co *to,
                  const struct ev *ev);
    /* A frame has left, and is in flight unless `lost`. */
    void (*sent)(void *ctx, struct sim_world *w, const struct sim_frame *f, bool lost);
    /* p has crashed, whatever the reason. */
    void (*crashed)(void *ctx, struct sim_world *w, uint16_t p);
    /* p was to recover, and its log was not opened: one sentence. */
    void (*refused)(void *ctx, struct sim_world *w, uint16_t p, const char *why);
    /* A choice is about to be applied. */
    void (*choice)(void *ctx, struct sim_world *w, const struct choice *c);
    /* It was applied. */
    void (*done)(void *ctx, struct sim_world *w, const struct choice *c);
    void *ctx;
};

struct sim_world {
    struct sim sim;
    struct sim_job job;
    struct sim_app app;
    struct sim_needs needs;
    struct fault_engine faults;
    struct env_fault
        *edge;        /* of each process, where a rule holds heartbeats back; NULL: none does */
    uint64_t *bucket; /* of rates: by rule and edge; NULL: no rule is one */
    struct sim_proc *proc;
    char *stacks; /* all processes' stacks, stack_bytes apart */
    size_t stack_bytes;
    size_t stacks_bytes; /* of the mapping; 0: none */
    struct sim_fetch fetch;
    uint64_t *wake;    /* of each process: when it next has something to do; 0: now */
    uint64_t front_ns; /* the clock furthest ahead */
    uint64_t due_ns;   /* the latest arrival among the frames in flight … */
    bool due_ordered;  /* … which arrive in the order in which they were sent */
    bool healed;       /* nothing goes wrong any more */
    bool suspect;      /* a checker has found a violation, or judged the end */
    uint16_t n;
    uint16_t n_max;
    uint16_t alive;
    uint64_t steps;        /* choices applied */
    uint64_t breaths;      /* steps of processes */
    uint64_t events;       /* handled, all processes */
    uint64_t trace_hash;   /* of every event handled, in order … */
    uint64_t trace_before; /* … until the choice that is being applied */
    uint64_t top_ns;       /* when the border of the top was last crossed, in virtual time */
    uint64_t crossed;      /* how often */
    uint64_t erred_ns;     /* when Ω or ◇P last changed its mind */
    uint32_t recoveries;   /* that came to their end */
    uint16_t refusals;     /* processes that stay down, since their log was not opened */
    bool deaf;             /* a life that never begins: checkers and observers hear nothing of it */
    uint64_t untrue;       /* bit per abstraction: a detector was made to say what was not so … */
    uint64_t lied;         /* … and P at this step, for the first time; 0: it was not */
    uint64_t doubted; /* bit p < 64: some ◇P suspected p at some time, or was made to say so */
    uint32_t behind;  /* bit per layer: there, or in one below, `left` was left behind … */
    uint16_t left;    /* … as is seen at the end of a run */
    uint8_t strain;   /* enum sim_strain; of stacks over P */
    uint32_t tag;     /* given to the frames that are sent now: the scheduler's */
    struct choice current; /* being applied, or the last one */
    struct choice *record; /* choices applied so far */
    uint64_t records;
    uint64_t record_max;
    bool recording;
    struct check *check[CO_STACK_MAX]; /* of each layer's border; NULL: none */
    uint32_t ears[CO_STACK_MAX];       /* bit i: the checker of layer i is given its border */
    uint8_t rests[CO_STACK_MAX];       /* bit r: its property r rests on the accuracy of P */
    const struct stack_def *check_def; /* for which they were opened */
    uint16_t check_n;
    uint8_t border[CO_STACK_MAX][EV_TYPES]; /* layer whose border it crosses, +1 */
    struct sim_observer observer;
    struct rte_mempool *pool;
    /* The pool has no packet left; who returns goes on with a run that proves nothing. NULL: so. */
    void (*starved)(const struct sim_world *w);
};

/* A world whose packets come from `pool`. NULL: out of memory. */
struct sim_world *sim_world_new(struct rte_mempool *pool);
void sim_world_free(struct sim_world *w);

/* Give back the packets that the run before holds: the world can only be started. */
void sim_world_give_back(struct sim_world *w);

/*
 * The run stopped within a choice (catch.h): what it holds is not looked at, and every packet of the
 * pool is there again, so nobody else may have one. Left are what was recorded, the `current` choice
 * unless that was, and what checkers had heard; the world can only be started.
 */
void sim_world_abandon(struct sim_world *w);

/* Begin a run. 0, or −EINVAL with one sentence in `why`. The run before is dropped. */
int sim_world_start(struct sim_world *w, const struct sim_job *job, char *why, size_t size);

/*
 * Apply a choice. False, and nothing has happened, if it is not possible now: there is no such
 * frame, the process has crashed, the top of the stack has no room.
 */
bool sim_world_apply(struct sim_world *w, const struct choice *c);

/*
 * Every choice that is possible now, without faults: deliveries, steps of processes that have
 * something to do, earliest timers, requests. Returns how many there are; writes at most `max`.
 */
uint32_t sim_world_choices(const struct sim_world *w, struct choice *out, uint32_t max);

/* The next request of p's application; false when it has made all, or there is no room. */
bool sim_world_request(const struct sim_world *w, uint16_t p, struct choice *c);

/* Whether the top of p's stack takes that request now, p being up: of that instance, too. */
bool sim_world_takes(const struct sim_world *w, const struct choice *c);

/* Whether p has something to do in a step: frames in its InBuf, events, a due timer. */
bool sim_world_busy(const struct sim_world *w, uint16_t p);

/* What comes next when time is kept: the earliest due frame or timer. False: nothing ever. */
bool sim_world_timed(const struct sim_world *w, struct choice *c);

/* Whether the stack withstands as many as are faulty; else nothing is owed. Who has begun another
 * life without a log is faulty, too. */
bool sim_world_owes(const struct sim_world *w);

/*
 * Whether time passes with `c` over something that was to happen before: a frame that is due, a
 * process that has something to do. Where time is kept nothing is late; P is promised that it is not.
 */
bool sim_world_late(const struct sim_world *w, const struct choice *c);

/*
 * The run is over: judge liveness. `fair`: it ended healed and fair, and what is open violates, unless
 * nothing is owed; or, of some layers, unless somebody was left behind (w->behind): a process that
 * was suspected, or down, lacks instances that another one has forgotten by its rule (spans()).
 */
void sim_world_end(struct sim_world *w, bool fair);

/* Whether property r of that layer rests on the accuracy of P, and P was made to lie. */
bool sim_world_excused(const struct sim_world *w, uint16_t layer, uint16_t r);

/* Whether it is not judged for that reason: the job says so, and it held until P lied. */
bool sim_world_void(const struct sim_world *w, uint16_t layer, uint16_t r);

/* The first violation: the checker and which of its results; NULL when nothing is violated. */
const struct check_result *sim_world_violation(const struct sim_world *w, uint16_t *layer);

/* Hash of the configuration C_t: every process's state and InBuf, and the multiset in flight. */
uint64_t sim_world_hash(struct sim_world *w);

/* Write C_t as text, a line each, through `put`. */
void sim_world_dump(struct sim_world *w, void (*put)(void *ctx, const char *line), void *ctx);

/* Of a run that stopped: whether `current`, which is not recorded, is the choice in which it did. */
static inline bool sim_world_within(const struct sim_world *w)
{
    return w->steps > w->records;
}

/* The clock that observers see: that of the process furthest ahead. */
static inline uint64_t sim_world_now(const struct sim_world *w)
{
    return w->front_ns;
}

#endif
