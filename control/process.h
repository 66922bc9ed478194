/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A process as its worker runs it: breaths, and between two of them the orders that the control
 * thread posts.
 */
#ifndef UPON_PROCESS_H
#define UPON_PROCESS_H

#include "dataplane/env_fault.h"
#include "orders.h"
#include "protocols/co.h"
#include "spool.h"

struct host;

struct process {
    struct stack *st;
    struct host *host;
    struct orders *orders;
    uint64_t taken; /* orders seen */
    bool watched;   /* it needs attention although nothing was posted */
    enum process_state state;
    struct spool *spool; /* where snapshot and trace go; NULL: nowhere */
    struct spool_trace trace;
    struct env_fault fault; /* between its stack and its device while rules are armed */
};

struct process_conf {
    struct host *host; /* which takes it apart, and makes it anew; NULL: nobody, in tests */
    uint64_t seed;     /* of the fault engine */
    uint32_t held_max; /* frames that it may hold back */
};

/* A stack that is wired and has not run. 0 or −ENOMEM. */
int process_init(struct process *p, struct stack *st, struct orders *orders,
                 const struct process_conf *conf);

/* Give back what the fault engine holds; before its stack's packets are counted. */
void process_fini(struct process *p);

/* Carry out what was posted; and what the world does while the process does nothing. */
void process_attend(struct process *p) __attribute__((cold, noinline));

/* Once in its worker's turn. */
static inline void process_step(struct process *p)
{
    if (unlikely(orders_pending(p->orders, p->taken) | p->watched | p->st->halted)) {
        process_attend(p);
        if (p->state != PROCESS_UP)
            return;
    }
    co_breath(p->st);
}

#endif
