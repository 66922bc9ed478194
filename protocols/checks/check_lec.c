/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Logged epoch change (CGR Module 5.6). Every process begins in epoch 0, led by p0, whether it is
 * told so or not; a further life is in no epoch until it is told of one.
 *
 * LEC1  monotonicity: through all its lives a process starts epochs of increasing timestamps, but
 *       that a life may begin with the last one again.
 * LEC2  consistency: epochs of equal timestamp have equal leaders.
 * LEC3  eventual leadership: in the end all correct processes, that is who is up, are in one epoch,
 *       whose leader is correct.
 */
#include "check_table.h"

#include <stdlib.h>

enum { LEC1, LEC2, LEC3 };

struct epoch {
    uint64_t ts;
    uint64_t step;
    uint16_t leader;
    bool started; /* in some life; not merely the initial one */
    bool lost;    /* a further life, which has not been told yet */
};

/* Who led the epoch of a timestamp, and who was told so first. */
struct led {
    uint64_t step;
    uint16_t leader;
    uint16_t at;
    bool known;
};

struct lec_check {
    struct check check;
    struct check_table led; /* by timestamp */
    struct epoch epoch[];   /* the last one of each process */
};

static struct check *lec_open(uint16_t n)
{
    struct lec_check *ec =
        check_open(&check_lec_class, n, sizeof(struct lec_check) + n * sizeof(struct epoch));
    check_table_init(&ec->led, sizeof(struct led));
    return &ec->check;
}

static void lec_close(struct check *c)
{
    check_table_fini(&((struct lec_check *)c)->led);
    free(c);
}

static void lec_reset(struct check *c)
{
    struct lec_check *ec = (struct lec_check *)c;
    check_restart(c);
    check_table_reset(&ec->led);
    memset(ec->epoch, 0, c->n * sizeof ec->epoch[0]);
}

static void lec_recover(struct check *c, uint16_t p, uint64_t step)
{
    check_recovered(c, p, step);
    ((struct lec_check *)c)->epoch[p].lost = true;
}

static void monotonicity(struct lec_check *ec, const struct check_event *e)
{
    const struct epoch *last = &ec->epoch[e->at];
    if (!last->started || e->attr > last->ts || (e->attr == last->ts && last->lost))
        return;
    check_violate(&ec->check, LEC1, e->step,
                  "p%u started epoch %" PRIu64 " (step %" PRIu64 ") after epoch %" PRIu64
                  " (step %" PRIu64 "): %s",
                  e->at, e->attr, e->step, last->ts, last->step,
                  last->lost ? "a further life must not go back behind it"
                             : "timestamps must increase");
}

static void consistency(struct lec_check *ec, const struct check_event *e)
{
    if (e->attr == 0 && e->proc != 0)
        check_violate(&ec->check, LEC2, e->step,
                      "p%u started epoch 0 with leader p%u (step %" PRIu64
                      "), but everybody begins in it, led by p0",
                      e->at, e->proc, e->step);
    struct led *l = check_table_get(&ec->led, check_key(e->attr, 0));
    if (!l->known)
        *l = (struct led){e->step, e->proc, e->at, true};
    if (l->leader != e->proc)
        check_violate(&ec->check, LEC2, e->step,
                      "p%u started epoch %" PRIu64 " with leader p%u (step %" PRIu64
                      "), but p%u had started it with leader p%u (step %" PRIu64 ")",
                      e->at, e->attr, e->proc, e->step, l->at, l->leader, l->step);
}

static void lec_event(struct check *c, const struct check_event *e)
{
    struct lec_check *ec = (struct lec_check *)c;
    if (e->type != EV_LEC_START_EPOCH)
        return;
    monotonicity(ec, e);
    consistency(ec, e);
    ec->epoch[e->at] = (struct epoch){e->attr, e->step, e->proc, true, false};
}

static void judge_one(struct lec_check *ec, uint16_t p, const struct epoch *first, bool fair,
                      uint64_t step)
{
    const struct epoch *mine = &ec->epoch[p];
    if (mine->lost)
        check_owed(&ec->check, LEC3, fair, step,
                   "p%u has recovered and is in no epoch at step %" PRIu64, p, step);
    else if (!check_correct(&ec->check, mine->leader))
        check_owed(&ec->check, LEC3, fair, step,
                   "p%u is in epoch %" PRIu64 " since step %" PRIu64
                   ", whose leader p%u has crashed",
                   p, mine->ts, mine->step, mine->leader);
    else if (mine->ts != first->ts || mine->leader != first->leader)
        check_owed(&ec->check, LEC3, fair, step,
                   "p%u is in epoch %" PRIu64 " of p%u since step %" PRIu64
                   ", but p%u in epoch %" PRIu64 " of p%u since step %" PRIu64,
                   (unsigned)(first - ec->epoch), first->ts, first->leader, first->step, p,
                   mine->ts, mine->leader, mine->step);
}

static void eventual_leadership(struct lec_check *ec, bool fair, uint64_t step)
{
    const struct epoch *first = NULL;
    for (uint16_t p = 0; p < ec->check.n; p++) {
        if (!check_correct(&ec->check, p))
            continue;
        if (first == NULL)
            first = &ec->epoch[p];
        judge_one(ec, p, first, fair, step);
    }
}

static void lec_end(struct check *c, bool fair, uint64_t step)
{
    check_judge(c);
    eventual_leadership((struct lec_check *)c, fair, step);
}

const struct check_class check_lec_class = {
    .abstraction = ABS_LEC,
    .open = lec_open,
    .close = lec_close,
    .reset = lec_reset,
    .event = lec_event,
    .crash = check_crash,
    .recover = lec_recover,
    .end = lec_end,
};
