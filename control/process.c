/* SPDX-License-Identifier: BSD-3-Clause */
#include "process.h"

#include "late.h"

#include "host.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include <rte_pause.h>

#include "dataplane/env_dpdk.h"

/* ---- set-up ------------------------------------------------------------------------------------ */

int process_init(struct process *p, struct stack *st, struct orders *orders,
                 const struct process_conf *conf)
{
    const struct env_fault_conf fault = {.me = st->me,
                                         .seed = conf->seed,
                                         .heartbeat_ports = stack_heartbeat_ports(st),
                                         .held_max = conf->held_max,
                                         .flip = env_dpdk_has_headers(st->env) ? env_dpdk_tx_flipped
                                                                               : NULL};
    /* What crashed is down until it is told to recover, whoever runs it now. */
    bool down = atomic_load_explicit(&orders->state, memory_order_relaxed) == PROCESS_CRASHED;
    *p = (struct process){.st = st,
                          .host = conf->host,
                          .orders = orders,
                          .state = down ? PROCESS_CRASHED : PROCESS_UP,
                          .watched = down};
    /* What stands unanswered is still to be carried out, by whoever runs the process now. */
    p->taken = atomic_load_explicit(&orders->answered, memory_order_relaxed);
    atomic_store_explicit(&orders->state, p->state, memory_order_relaxed);
    atomic_store_explicit(&orders->armed, 0, memory_order_relaxed);
    return env_fault_init(&p->fault, st->env, &fault);
}

void process_fini(struct process *p)
{
    p->st->env = p->fault.below;
    env_fault_fini(&p->fault);
}

/* ---- orders ------------------------------------------------------------------------------------ */

static void become(struct process *p, enum process_state state)
{
    p->state = state;
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

static int arm(struct process *p, const struct order *o, struct order_answer *a)
{
    if (o->arg >= FAULT_RULES_MAX)
        return refuse(a, ENOSPC, "%d rules are armed at p%u: clear one first", FAULT_RULES_MAX,
                      p->st->self);
    if (fault_of_disk(&o->rule) && p->st->log == NULL) /* who is down has one, too */
        return refuse(a, ENODEV, "p%u keeps no log, so it has no disk: see `upon list stacks`",
                      p->st->self);
    env_fault_arm(&p->fault, o->arg, &o->rule);
    return 0;
}

static int disarm(struct process *p, const struct order *o, struct order_answer *a)
{
    if (o->arg >= FAULT_RULES_MAX || (p->fault.engine.armed >> o->arg & 1) == 0)
        return refuse(a, ENOENT, "p%u has no rule %u", p->st->self, o->arg);
    env_fault_disarm(&p->fault, o->arg);
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

/* What it held is gone. */
static int crash(struct process *p, struct order_answer *a)
{
    if (p->state == PROCESS_PAUSED) /* it does not notice */
        become(p, PROCESS_UP);
    env_fault_forget_late(&p->fault);
    int err = change(p, PROCESS_UP, PROCESS_CRASHED, "crash", a);
    if (err == 0 && p->host != NULL)
        host_crash(p->host, p->st->self);
    return err;
}

/* Whether a rule that holds now befalls the disk of p. */
static bool disk_rule(const struct process *p)
{
    const struct fault_engine *e = &p->fault.engine;
    for (uint32_t armed = e->armed; armed != 0; armed &= armed - 1)
        if (fault_of_disk(&e->rule[__builtin_ctz(armed)]))
            return true;
    return false;
}

/* Its disk failed: that is a crash. The control thread reads of it on the board. */
static void fall(struct process *p)
{
    env_fault_forget_late(&p->fault);
    become(p, PROCESS_CRASHED);
    if (p->host == NULL)
        return;
    board_put(&board_row(p->host->board, p->st->self)->disk_error, (uint64_t)-p->st->disk_error);
    host_halted(p->host, p->st->self, disk_rule(p) ? BOARD_HALT_INJECTED : BOARD_HALT_DISK);
}

static int recover(struct process *p, struct order_answer *a)
{
    if (p->state != PROCESS_CRASHED)
        return refuse(a, EALREADY, "p%u has not crashed: there is nothing to recover", p->st->self);
    if (p->host == NULL)
        return refuse(a, ENOTSUP, "p%u cannot recover: nobody can wire it again", p->st->self);
    int err = host_recover(p->host, p->st->self, a->why, sizeof a->why);
    if (err == 0)
        become(p, PROCESS_UP);
    return err;
}

static int carry_out(struct process *p, const struct order *o, struct order_answer *a)
{
    switch (o->kind) {
    case ORDER_ARM:
        return arm(p, o, a);
    case ORDER_DISARM:
        return disarm(p, o, a);
    case ORDER_CLEAR:
        env_fault_clear(&p->fault);
        return 0;
    case ORDER_PAUSE:
        return change(p, PROCESS_UP, PROCESS_PAUSED, "pause", a);
    case ORDER_RESUME:
        return change(p, PROCESS_PAUSED, PROCESS_UP, "resume", a);
    case ORDER_CRASH:
        return crash(p, a);
    case ORDER_RECOVER:
        return recover(p, a);
    case ORDER_SNAPSHOT:
    case ORDER_TRACE:
        return write_down(p, o, a);
    default:
        return refuse(a, ENOTSUP, "p%u does not know the order %s", p->st->self,
                      order_name(o->kind));
    }
}

/* ---- between breaths --------------------------------------------------------------------------- */

/* The stack uses its device itself, unless there is something that the fault engine has to do. */
static void swap_env(struct process *p)
{
    bool idle = env_fault_idle(&p->fault);
    p->st->env = idle ? p->fault.below : &p->fault.env;
    /* The last frames that were held back leave while no rule is armed any more. */
    p->watched = p->state != PROCESS_UP || p->fault.lates > 0 || p->fault.for_heartbeats != 0 ||
                 (!idle && p->fault.engine.armed == 0);
    atomic_store_explicit(&p->orders->armed, p->fault.engine.armed, memory_order_relaxed);
}

/* Frames to a process that has crashed are lost. */
static void discard(struct process *p)
{
    struct env *env = p->fault.below;
    struct rte_mbuf *pkts[RX_BURST_FRAMES];
    uint16_t n = env->ops->rx(env, pkts, RX_BURST_FRAMES);
    for (uint16_t i = 0; i < n; i++)
        pkt_free(pkts[i]);
    env->counters[COUNT_drop_fault] += n;
}

void process_attend(struct process *p)
{
    const struct order *o;
    if (p->st->halted && p->state == PROCESS_UP)
        fall(p);
    while ((o = order_next(p->orders)) != NULL) {
        struct order_answer a = {0};
        p->taken++;
        a.result = carry_out(p, o, &a);
        swap_env(p);
        a.effect_ns = p->st->env->ops->now(p->st->env);
        order_answer(p->orders, &a);
    }
    swap_env(p);
    if (p->state == PROCESS_UP) {
        late_hand_over(&p->fault, p->st);
        return;
    }
    env_fault_poll(&p->fault); /* what it sent before is on its way */
    if (p->state == PROCESS_CRASHED)
        discard(p);
    rte_pause();
}
