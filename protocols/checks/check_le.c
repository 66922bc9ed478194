/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Leader election (CGR Module 2.7).
 *
 * LE1  eventual detection: in the end all correct processes have one leader, which is correct.
 * LE2  accuracy: when a process elects a leader, all that it had elected before have crashed.
 */
#include "check_table.h"

#include <stdlib.h>

enum { LE1, LE2 };

#define NOBODY UINT16_MAX

struct elected {
    uint64_t step;
    uint16_t leader;
};

/* An earlier leader that is correct is a violation when it is replaced: one step back is enough. */
struct le_check {
    struct check check;
    struct elected elected[]; /* by process: the last one */
};

static void le_reset(struct check *c)
{
    check_restart(c);
    for (uint16_t p = 0; p < c->n; p++)
        ((struct le_check *)c)->elected[p] = (struct elected){0, NOBODY};
}

static struct check *le_open(uint16_t n)
{
    struct check *c =
        check_open(&check_le_class, n, sizeof(struct le_check) + n * sizeof(struct elected));
    le_reset(c);
    return c;
}

static void le_close(struct check *c)
{
    free(c);
}

static void le_event(struct check *c, const struct check_event *e)
{
    struct elected *last = &((struct le_check *)c)->elected[e->at];
    if (e->type != EV_LE_LEADER)
        return;
    if (last->leader != e->proc && check_correct(c, last->leader))
        check_violate(c, LE2, e->step,
                      "p%u elected p%u (step %" PRIu64 ") after p%u (step %" PRIu64
                      "), which had not crashed",
                      e->at, e->proc, e->step, last->leader, last->step);
    *last = (struct elected){e->step, e->proc};
}

static void eventual_detection(struct le_check *l, bool fair, uint64_t step)
{
    uint16_t first = NOBODY;
    for (uint16_t p = 0; p < l->check.n; p++) {
        const struct elected *its = &l->elected[p];
        if (!check_correct(&l->check, p))
            continue;
        if (first == NOBODY)
            first = p;
        if (its->leader == NOBODY)
            check_owed(&l->check, LE1, fair, step,
                       "p%u, which is correct, has no leader at step %" PRIu64, p, step);
        else if (!check_correct(&l->check, its->leader))
            check_owed(&l->check, LE1, fair, step,
                       "p%u elected p%u (step %" PRIu64 "), which has crashed", p, its->leader,
                       its->step);
        else if (its->leader != l->elected[first].leader)
            check_owed(&l->check, LE1, fair, step,
                       "the leader of p%u is p%u since step %" PRIu64
                       ", but that of p%u is p%u since step %" PRIu64,
                       p, its->leader, its->step, first, l->elected[first].leader,
                       l->elected[first].step);
    }
}

static void le_end(struct check *c, bool fair, uint64_t step)
{
    check_judge(c);
    eventual_detection((struct le_check *)c, fair, step);
}

const struct check_class check_le_class = {
    .abstraction = ABS_LE,
    .open = le_open,
    .close = le_close,
    .reset = le_reset,
    .event = le_event,
    .crash = check_crash,
    .end = le_end,
};
