/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Eventual leader detector (CGR Module 2.9), judged on whom each process trusts when the run ends.
 *
 * ELD1  eventual accuracy: every correct process trusts some correct process.
 * ELD2  eventual agreement: no two correct processes trust different ones.
 */
#include "check_table.h"

#include <stdlib.h>

enum { ELD1, ELD2 };

#define NOBODY UINT16_MAX

struct trust {
    uint64_t step;
    uint16_t leader;
};

struct omega_check {
    struct check check;
    struct trust trust[]; /* by process */
};

static void omega_reset(struct check *c)
{
    check_restart(c);
    for (uint16_t p = 0; p < c->n; p++)
        ((struct omega_check *)c)->trust[p] = (struct trust){0, NOBODY};
}

static struct check *omega_open(uint16_t n)
{
    struct check *c =
        check_open(&check_omega_class, n, sizeof(struct omega_check) + n * sizeof(struct trust));
    omega_reset(c);
    return c;
}

static void omega_close(struct check *c)
{
    free(c);
}

static void omega_event(struct check *c, const struct check_event *e)
{
    if (e->type == EV_OMEGA_TRUST)
        ((struct omega_check *)c)->trust[e->at] = (struct trust){e->step, e->proc};
}

/* Its next life has trusted nobody yet. */
static void omega_recover(struct check *c, uint16_t p, uint64_t step)
{
    check_recovered(c, p, step);
    ((struct omega_check *)c)->trust[p] = (struct trust){step, NOBODY};
}

static void eventual_accuracy(struct omega_check *o, bool fair, uint64_t step)
{
    for (uint16_t p = 0; p < o->check.n; p++) {
        const struct trust *t = &o->trust[p];
        if (!check_correct(&o->check, p) || check_correct(&o->check, t->leader))
            continue;
        if (t->leader == NOBODY)
            check_owed(&o->check, ELD1, fair, step,
                       "p%u, which is correct, trusts nobody until step %" PRIu64, p, step);
        else
            check_owed(&o->check, ELD1, fair, step,
                       "p%u, which is correct, trusts p%u since step %" PRIu64
                       ", which has crashed",
                       p, t->leader, t->step);
    }
}

static void eventual_agreement(struct omega_check *o, bool fair, uint64_t step)
{
    uint16_t first = NOBODY;
    for (uint16_t p = 0; p < o->check.n; p++) {
        if (!check_correct(&o->check, p) || o->trust[p].leader == NOBODY)
            continue;
        if (first == NOBODY)
            first = p;
        if (o->trust[p].leader != o->trust[first].leader)
            check_owed(&o->check, ELD2, fair, step,
                       "p%u trusts p%u since step %" PRIu64 ", but p%u trusts p%u since step "
                       "%" PRIu64,
                       first, o->trust[first].leader, o->trust[first].step, p, o->trust[p].leader,
                       o->trust[p].step);
    }
}

static void omega_end(struct check *c, bool fair, uint64_t step)
{
    check_judge(c);
    eventual_accuracy((struct omega_check *)c, fair, step);
    eventual_agreement((struct omega_check *)c, fair, step);
}

const struct check_class check_omega_class = {
    .abstraction = ABS_OMEGA,
    .open = omega_open,
    .close = omega_close,
    .reset = omega_reset,
    .event = omega_event,
    .crash = check_crash,
    .recover = omega_recover,
    .end = omega_end,
};
