/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Perfect failure detector (CGR Module 2.6).
 *
 * PFD1  strong completeness: every crash is in the end detected by every correct process.
 * PFD2  strong accuracy: who is detected had crashed before.
 */
#include "check_table.h"

#include <stdlib.h>

enum { PFD1, PFD2 };

struct p_check {
    struct check check;
    bool detected[]; /* [at × n + whom] */
};

static struct check *p_open(uint16_t n)
{
    return check_open(&check_p_class, n, sizeof(struct p_check) + (size_t)n * n);
}

static void p_close(struct check *c)
{
    free(c);
}

static void p_reset(struct check *c)
{
    check_restart(c);
    memset(((struct p_check *)c)->detected, 0, (size_t)c->n * c->n);
}

static void p_event(struct check *c, const struct check_event *e)
{
    struct p_check *p = (struct p_check *)c;
    if (e->type != EV_P_CRASH)
        return;
    if (e->proc < c->n)
        p->detected[(size_t)e->at * c->n + e->proc] = true;
    if (e->proc >= c->n || check_correct(c, e->proc))
        check_violate(c, PFD2, e->step,
                      "p%u detected the crash of p%u (step %" PRIu64 "), which had not crashed",
                      e->at, e->proc, e->step);
}

static void strong_completeness(struct p_check *p, bool fair, uint64_t step)
{
    struct check *c = &p->check;
    for (uint16_t q = 0; q < c->n; q++)
        for (uint16_t at = 0; !check_correct(c, q) && at < c->n; at++)
            if (check_correct(c, at) && !p->detected[(size_t)at * c->n + q])
                check_owed(c, PFD1, fair, step,
                           "p%u crashed, but p%u, which is correct, did not detect it until step "
                           "%" PRIu64,
                           q, at, step);
}

static void p_end(struct check *c, bool fair, uint64_t step)
{
    check_judge(c);
    strong_completeness((struct p_check *)c, fair, step);
}

const struct check_class check_p_class = {
    .abstraction = ABS_P,
    .open = p_open,
    .close = p_close,
    .reset = p_reset,
    .event = p_event,
    .crash = check_crash,
    .end = p_end,
};
