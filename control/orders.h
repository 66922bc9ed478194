/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Orders: what the control thread asks of a running process, and what became of it. Each process
 * has a ring of them on the board, with one writer (the control thread of `upon run`) and one
 * reader (the thread that takes the process's breaths, in whatever OS process it lives).
 *
 * The reader looks at one word in each breath, which lies in a line of its own that is written
 * when an order is posted and at no other time: a load that hits and a branch that is never taken.
 * An order is carried out between two breaths, so a process never sees half of one, and is
 * answered with its result and the time at which it took effect.
 *
 * Who posts watches for the answer without waiting: a process whose thread is gone never gives
 * one.
 */
#ifndef UPON_ORDERS_H
#define UPON_ORDERS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "dataplane/fault.h"

#define ORDERS_MAX      32 /* posted and not answered, of one process; a power of two */
#define ORDER_WHY_BYTES 160

enum order_kind {
    ORDER_NONE,
    ORDER_ARM,      /* the rule, under number `arg` */
    ORDER_DISARM,   /* rule `arg` */
    ORDER_CLEAR,    /* all rules */
    ORDER_PAUSE,    /* the process takes no breath; frames wait in the device, as far as they can */
    ORDER_RESUME,   /* from a pause */
    ORDER_CRASH,    /* it takes no breath any more; what it held is gone, frames to it as well */
    ORDER_RECOVER,  /* from a crash, with what its log holds */
    ORDER_SNAPSHOT, /* its state as text */
    ORDER_TRACE,    /* `arg` 1: on, 0: off */
    ORDERS
};

struct order {
    uint32_t kind; /* enum order_kind */
    uint32_t arg;
    struct fault_rule rule; /* ARM */
};

/* What became of it. */
struct order_answer {
    int32_t result;            /* 0 or −errno */
    char why[ORDER_WHY_BYTES]; /* one sentence, when it was refused */
    uint64_t effect_ns;        /* when it took effect, or was refused; environment's time */
};

/* What a process is doing, for others to read. */
enum process_state { PROCESS_UP, PROCESS_PAUSED, PROCESS_CRASHED };

struct orders {
    _Alignas(64) _Atomic uint64_t posted;   /* orders ever posted; the writer's */
    _Alignas(64) _Atomic uint64_t answered; /* orders ever answered; the reader's, from here on */
    _Atomic uint64_t state;                 /* enum process_state */
    _Atomic uint64_t armed;                 /* bit i: rule i holds */
    struct {
        struct order order;
        struct order_answer answer;
    } slot[ORDERS_MAX];
};

/* ---- the control thread ------------------------------------------------------------------------ */

/* Post. Returns the order's number, from 1; 0: ORDERS_MAX are not answered yet. */
uint64_t order_post(struct orders *o, const struct order *order);

/* Whether order `number` was answered; then `answer` says how, unless it is NULL. Answers are kept
 * until ORDERS_MAX more were posted: −ESTALE behind that. */
bool order_acked(const struct orders *o, uint64_t number, struct order_answer *answer);

/* ---- the process's thread ---------------------------------------------------------------------- */

/* Whether something was posted since `taken` orders were taken. */
static inline bool orders_pending(const struct orders *o, uint64_t taken)
{
    return atomic_load_explicit(&o->posted, memory_order_relaxed) != taken;
}

/* The oldest order that was not answered; NULL: there is none. Valid until it is answered. */
const struct order *order_next(const struct orders *o);

/* Answer the order that order_next() gave. */
void order_answer(struct orders *o, const struct order_answer *answer);

/* "crash" */
const char *order_name(enum order_kind kind);

#endif
