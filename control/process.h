/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A process as its worker runs it: breaths, and between two of them the orders that the control
 * thread posts.
 */
#ifndef UPON_PROCESS_H
#define UPON_PROCESS_H

#include "orders.h"
#include "protocols/co.h"
#include "spool.h"

struct process {
    struct stack *st;
    struct orders *orders;
    uint64_t taken; /* orders seen */
    bool held;      /* paused or crashed: it takes no breath */
    enum process_state state;
    struct spool *spool; /* where snapshot and trace go; NULL: nowhere */
    struct spool_trace trace;
};

/* A stack that is wired and has not run. */
void process_init(struct process *p, struct stack *st, struct orders *orders);

/* Carry out what was posted; when it is held, do what the world does without it. */
void process_attend(struct process *p) __attribute__((cold, noinline));

/* Once in its worker's turn. */
static inline void process_step(struct process *p)
{
    if (unlikely(orders_pending(p->orders, p->taken) | p->held)) {
        process_attend(p);
        if (p->held)
            return;
    }
    co_breath(p->st);
}

#endif
