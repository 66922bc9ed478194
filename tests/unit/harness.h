/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A world for unit tests: n processes of one named stack over the simulated environment, each with
 * a recording probe on top. The test is the adversary: it says what is delivered and who steps.
 */
#ifndef UPON_HARNESS_H
#define UPON_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/disk_sim.h"
#include "dataplane/env_sim.h"
#include "protocols/co.h"
#include "protocols/random.h"
#include "protocols/view.h"

#define SEEN_MAX 32768

/* What a probe saw, and in which life: an indication of the stack's top. The first 8 bytes of the
 * message as a number. */
struct seen {
    uint16_t type;
    uint16_t proc;
    uint32_t len;
    uint64_t inst;
    uint64_t attr;
    uint64_t value;
    uint64_t life;
};

struct world {
    struct sim sim;
    struct rte_mempool *pool;
    unsigned pool_full; /* packets in the pool before the world was made */
    struct stack *st[PROCS_MAX];
    void *mem[PROCS_MAX];
    bool crashed[PROCS_MAX];
    struct disk_sim *disk[PROCS_MAX]; /* of a stack with a log, else NULL */
    bool disks_held;                  /* writes stay under way until the test finishes them */
    struct random random; /* of what a crash leaves on a disk; seed 1 unless the test reseeds it */
    struct seen seen[SEEN_MAX]; /* of all processes, in order */
    uint16_t seen_by[SEEN_MAX];
    uint32_t seens;
    uint16_t n;
};

/* One per test program: starts EAL and makes the pool. Returns the value for main(). */
#define HARNESS_MAIN(tests)                               \
    int main(void)                                        \
    {                                                     \
        harness_start();                                  \
        return cmocka_run_group_tests(tests, NULL, NULL); \
    }

void harness_start(void);
struct rte_mempool *harness_pool(void);

/* Wire `n` processes of `stack`; `conf` may be NULL; n, self and what is 0 are filled in. */
void world_start(struct world *w, const struct stack_def *def, uint16_t n,
                 const struct stack_conf *conf);

/* End it; fails the test if a packet is missing from the pool. */
void world_end(struct world *w);

/* A message of process p that begins with `value` and is `bytes` (≥ 8) long. */
struct msg world_msg(struct world *w, uint16_t p, uint64_t value, uint32_t bytes);

/* Trigger an event at the top of p's stack, as the application would. */
void world_request(struct world *w, uint16_t p, enum ev_type type, uint16_t proc, uint64_t inst,
                   struct msg m);

/* One breath of process p (nothing if it crashed). */
void world_step(struct world *w, uint16_t p);

/* Deliver the frame at index k and let its receiver step. */
void world_deliver(struct world *w, uint32_t k);

/* Deliver all frames in order of sending, and step, until none is in flight; time stands still. */
void world_settle(struct world *w);

/* Let `ns` pass in small slices, settling after each: timers fire, everybody steps. */
void world_run(struct world *w, uint64_t ns);

/* Crash p: it steps no more; frames to it are lost when delivered. */
void world_crash(struct world *w, uint16_t p);

/*
 * p crashes, if it has not, and recovers: its volatile state is gone, its disk keeps any legal state
 * of what was under way, its incarnation is the next one.
 */
void world_restart(struct world *w, uint16_t p);

/* Lose every frame in flight from `from` to `to`; UINT16_MAX is any process. Returns how many. */
uint32_t world_lose(struct world *w, uint16_t from, uint16_t to);

/* How many indications of that type process p saw with that value (and, if not UINT16_MAX, proc).
 */
uint32_t world_count(const struct world *w, uint16_t p, enum ev_type type, uint16_t proc,
                     uint64_t value);

/* All indications of a type at p. */
uint32_t world_count_type(const struct world *w, uint16_t p, enum ev_type type);

#endif
