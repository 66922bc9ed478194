/* SPDX-License-Identifier: BSD-3-Clause */
#include "process.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include <rte_pause.h>

void process_init(struct process *p, struct stack *st, struct orders *orders)
{
    *p = (struct process){.st = st, .orders = orders};
    /* What stands unanswered is still to be carried out, by whoever runs the process now. */
    p->taken = atomic_load_explicit(&orders->answered, memory_order_relaxed);
    atomic_store_explicit(&orders->state, PROCESS_UP, memory_order_relaxed);
    atomic_store_explicit(&orders->armed, 0, memory_order_relaxed);
}

static void become(struct process *p, enum process_state state)
{
    p->state = state;
    p->held = state != PROCESS_UP;
    atomic_store_explicit(&p->orders->state, state, memory_order_relaxed);
}

__attribute__((format(printf, 3, 4))) static int refuse(struct order_answer *a, int err,
                                                        const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(a->why, sizeof a->why, format, args);
    va_end(args);
    return -err;
}

/* From one state to another; from any other state it is refused. */
static int change(struct process *p, enum process_state from, enum process_state to,
                  const char *what, struct order_answer *a)
{
    static const char *const names[] =
        {[PROCESS_UP] = "runs", [PROCESS_PAUSED] = "is paused", [PROCESS_CRASHED] = "has crashed"};
    if (p->state != from)
        return refuse(a, EALREADY, "p%u %s: there is nothing to %s", p->st->self, names[p->state],
                      what);
    become(p, to);
    return 0;
}

static int write_down(struct process *p, const struct order *o, struct order_answer *a)
{
    if (p->spool == NULL)
        return refuse(a, ENOTSUP, "p%u has no memory to write into", p->st->self);
    if (p->state == PROCESS_CRASHED)
        return refuse(a, EINVAL, "p%u has crashed: it has no state", p->st->self);
    if (o->kind == ORDER_SNAPSHOT)
        spool_snapshot(p->spool, p->st);
    else if (o->arg != 0)
        spool_trace_on(&p->trace, p->spool, p->st);
    else
        spool_trace_off(&p->trace, p->st);
    return 0;
}

static int carry_out(struct process *p, const struct order *o, struct order_answer *a)
{
    switch (o->kind) {
    case ORDER_PAUSE:
        return change(p, PROCESS_UP, PROCESS_PAUSED, "pause", a);
    case ORDER_RESUME:
        return change(p, PROCESS_PAUSED, PROCESS_UP, "resume", a);
    case ORDER_CRASH:
        if (p->state == PROCESS_PAUSED) /* it does not notice */
            become(p, PROCESS_UP);
        return change(p, PROCESS_UP, PROCESS_CRASHED, "crash", a);
    case ORDER_RECOVER:
        return refuse(a, ENOTSUP, "p%u cannot recover: stack %s keeps nothing in a log",
                      p->st->self, p->st->def->name);
    case ORDER_SNAPSHOT:
    case ORDER_TRACE:
        return write_down(p, o, a);
    default:
        return refuse(a, ENOTSUP, "p%u does not know the order %s", p->st->self,
                      order_name(o->kind));
    }
}

/* Frames to a process that has crashed are lost. */
static void discard(struct process *p)
{
    struct env *env = p->st->env;
    struct rte_mbuf *pkts[RX_BURST_FRAMES];
    uint16_t n = env->ops->rx(env, pkts, RX_BURST_FRAMES);
    for (uint16_t i = 0; i < n; i++)
        pkt_free(pkts[i]);
    env->counters[COUNT_drop_fault] += n;
}

void process_attend(struct process *p)
{
    const struct order *o;
    while ((o = order_next(p->orders)) != NULL) {
        struct order_answer a = {0};
        p->taken++;
        a.result = carry_out(p, o, &a);
        a.effect_ns = p->st->env->ops->now(p->st->env);
        order_answer(p->orders, &a);
    }
    if (p->state == PROCESS_CRASHED)
        discard(p);
    if (p->held)
        rte_pause();
}
