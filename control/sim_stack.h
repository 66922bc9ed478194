/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a stack is to the simulator: its sizes and times, what it asks of its environment and of the
 * adversary, and how an application uses its top.
 */
#ifndef UPON_SIM_STACK_H
#define UPON_SIM_STACK_H

#include "protocols/co.h"

/* Fill what is 0 for a simulation: tables that wrap soon, times in virtual milliseconds. */
void sim_conf_default(struct stack_conf *conf);

/* What a stack asks of its environment and adversary, derived from its layers. */
struct sim_needs {
    bool synchronous; /* P is accurate only while delays and steps stay within its bound */
    bool majority;    /* correct only while a majority is */
    bool detector;    /* its timers never rest: it has a detector */
    bool omega;       /* it has an eventual leader detector */
    bool epfd;        /* it has an eventually perfect failure detector */
    bool disk;        /* it has a log */
    bool endless;     /* it sends again for ever: it never comes to rest by itself */
};
struct sim_needs sim_needs(const struct stack_def *def);

/* How many of n processes may be faulty: with more nothing is owed. */
uint16_t sim_crashes_max(const struct sim_needs *needs, uint16_t n);

/* How the application uses the top of a stack; type EV_NONE: it only listens. */
struct sim_app {
    uint16_t type;   /* enum ev_type of the request */
    bool to_process; /* it names a process: a link's Send */
    bool instance;   /* it names an instance: consensus */
    char verb[16];   /* "broadcast" */
};
struct sim_app sim_app_of(const struct stack_def *def);

/* The application that the simulator puts on top of a stack: ready once sim_app_prepare() ran. */
extern const struct co_class sim_app_class;
void sim_app_prepare(void);

/* What the application of a life is: sizes of its requests, log-deliveries that it keeps. */
void sim_app_begin(struct stack *st, uint32_t lag, uint32_t bytes);

/* It keeps none from now on. True: something was triggered. */
bool sim_app_release_all(struct stack *st);

/* A payload of `bytes` ≥ 8 that begins with `value`. */
struct msg sim_app_payload(struct stack *st, uint64_t value, uint32_t bytes);

/* Whether users of this abstraction name themselves by their port: it delivers to their peers. */
bool sim_is_link(uint8_t abstraction);

#endif
