/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Epoch change (CGR Module 5.3). Every process begins in epoch 0, led by p0, whether it is told so
 * or not.
 *
 * EC1  monotonicity: each process starts epochs of increasing timestamps.
 * EC2  consistency: epochs of equal timestamp have equal leaders.
 * EC3  eventual leadership: in the end all correct processes are in one epoch, whose leader is
 *      correct.
 */
#include "check_table.h"

#include <stdlib.h>

enum { EC1, EC2, EC3 };

struct epoch {
    uint64_t ts;
    uint64_t step;
    uint16_t leader;
    bool started; /* not merely the initial one */
};

/* Who led the epoch of a timestamp, and who was told so first. */
struct led {
    uint64_t step;
    uint16_t leader;
    uint16_t at;
    bool known;
};

struct ec_check {
    struct check check;
    struct check_table led; /* by timestamp */
    struct epoch epoch[];   /* the last one of each process */
};

static struct check *ec_open(uint16_t n)
{
    struct ec_check *ec =
        check_open(&check_ec_class, n, sizeof(struct ec_check) + n * sizeof(struct epoch));
    check_table_init(&ec->led, sizeof(struct led));
    return &ec->check;
}

static void ec_close(struct check *c)
{
    check_table_fini(&((struct ec_check *)c)->led);
    free(c);
}

static void ec_reset(struct check *c)
{
    struct ec_check *ec = (struct ec_check *)c;
    check_restart(c);
    check_table_reset(&ec->led);
    memset(ec->epoch, 0, c->n * sizeof ec->epoch[0]);
}

static void monotonicity(struct ec_check *ec, const struct check_event *e)
{
    const struct epoch *last = &ec->epoch[e->at];
    if (last->started && e->attr <= last->ts)
        check_violate(&ec->check, EC1, e->step,
                      "p%u started epoch %" PRIu64 " (step %" PRIu64 ") after epoch %" PRIu64
                      " (step %" PRIu64 "): timestamps must increase",
                      e->at, e->attr, e->step, last->ts, last->step);
}

static void consistency(struct ec_check *ec, const struct check_event *e)
{
    if (e->attr == 0 && e->proc != 0)
        check_violate(&ec->check, EC2, e->step,
                      "p%u started epoch 0 with leader p%u (step %" PRIu64
                      "), but everybody begins in it, led by p0",
                      e->at, e->proc, e->step);
    struct led *l = check_table_get(&ec->led, check_key(e->attr, 0));
    if (!l->known)
        *l = (struct led){e->step, e->proc, e->at, true};
    if (l->leader != e->proc)
        check_violate(&ec->check, EC2, e->step,
                      "p%u started epoch %" PRIu64 " with leader p%u (step %" PRIu64
                      "), but p%u had started it with leader p%u (step %" PRIu64 ")",
                      e->at, e->attr, e->proc, e->step, l->at, l->leader, l->step);
}

static void ec_event(struct check *c, const struct check_event *e)
{
    struct ec_check *ec = (struct ec_check *)c;
    if (e->type != EV_EC_START_EPOCH)
        return;
    monotonicity(ec, e);
    consistency(ec, e);
    ec->epoch[e->at] = (struct epoch){e->attr, e->step, e->proc, true};
}

static void eventual_leadership(struct ec_check *ec, bool fair, uint64_t step)
{
    const struct epoch *first = NULL;
    for (uint16_t p = 0; p < ec->check.n; p++) {
        const struct epoch *mine = &ec->epoch[p];
        if (!check_correct(&ec->check, p))
            continue;
        if (first == NULL)
            first = mine;
        if (!check_correct(&ec->check, mine->leader))
            check_owed(&ec->check, EC3, fair, step,
                       "p%u is in epoch %" PRIu64 " since step %" PRIu64
                       ", whose leader p%u has crashed",
                       p, mine->ts, mine->step, mine->leader);
        if (mine->ts != first->ts || mine->leader != first->leader)
            check_owed(&ec->check, EC3, fair, step,
                       "p%u is in epoch %" PRIu64 " of p%u since step %" PRIu64
                       ", but p%u in epoch %" PRIu64 " of p%u since step %" PRIu64,
                       (uint16_t)(first - ec->epoch), first->ts, first->leader, first->step, p,
                       mine->ts, mine->leader, mine->step);
    }
}

static void ec_end(struct check *c, bool fair, uint64_t step)
{
    check_judge(c);
    eventual_leadership((struct ec_check *)c, fair, step);
}

const struct check_class check_ec_class = {
    .abstraction = ABS_EC,
    .open = ec_open,
    .close = ec_close,
    .reset = ec_reset,
    .event = ec_event,
    .crash = check_crash,
    .end = ec_end,
};
