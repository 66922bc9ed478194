/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Eventually perfect failure detector (CGR Module 2.8). Nothing that it says can be wrong for ever
 * but what it says last: both properties are judged on the suspicions that stand when the run ends.
 * Who has recovered is correct; its own suspicions are those of its last life. Who goes on crashing
 * and recovering when the world is healed is neither correct nor crashed for good: nothing is owed
 * of it.
 *
 * EPFD1  strong completeness: every crashed process is suspected by every correct one.
 * EPFD2  eventual strong accuracy: no correct process is suspected by a correct one.
 */
#include "check_table.h"

#include <stdlib.h>

enum { EPFD1, EPFD2 };

struct epfd_check {
    struct check check;
    bool healed;
    uint64_t unstable[PROCS_MAX / 64];
    uint64_t since[]; /* [at × n + whom]: suspected since that step, + 1; 0: trusted */
};

static struct check *epfd_open(uint16_t n)
{
    return check_open(&check_epfd_class, n,
                      sizeof(struct epfd_check) + (size_t)n * n * sizeof(uint64_t));
}

static void epfd_close(struct check *c)
{
    free(c);
}

static void epfd_reset(struct check *c)
{
    struct epfd_check *d = (struct epfd_check *)c;
    check_restart(c);
    d->healed = false;
    memset(d->unstable, 0, sizeof d->unstable);
    memset(d->since, 0, (size_t)c->n * c->n * sizeof(uint64_t));
}

static void epfd_healed(struct check *c, uint64_t step)
{
    (void)step;
    ((struct epfd_check *)c)->healed = true;
}

static void epfd_event(struct check *c, const struct check_event *e)
{
    struct epfd_check *d = (struct epfd_check *)c;
    if (e->proc >= c->n)
        return;
    uint64_t *since = &d->since[(size_t)e->at * c->n + e->proc];
    if (e->type == EV_EPFD_SUSPECT)
        *since = e->step + 1;
    else if (e->type == EV_EPFD_RESTORE)
        *since = 0;
}

/* Its next life begins without suspicions. */
static void epfd_recover(struct check *c, uint16_t p, uint64_t step)
{
    struct epfd_check *d = (struct epfd_check *)c;
    check_recovered(c, p, step);
    if (d->healed)
        d->unstable[p / 64] |= 1ull << p % 64;
    memset(d->since + (size_t)p * c->n, 0, c->n * sizeof(uint64_t));
}

static void strong_completeness(struct epfd_check *d, uint16_t at, uint16_t q, bool fair,
                                uint64_t step)
{
    if (!check_correct(&d->check, q) && !(d->unstable[q / 64] >> q % 64 & 1) &&
        d->since[(size_t)at * d->check.n + q] == 0)
        check_owed(&d->check, EPFD1, fair, step,
                   "p%u crashed, but p%u, which is correct, does not suspect it at step %" PRIu64,
                   q, at, step);
}

static void eventual_strong_accuracy(struct epfd_check *d, uint16_t at, uint16_t q, bool fair,
                                     uint64_t step)
{
    uint64_t since = d->since[(size_t)at * d->check.n + q];
    if (check_correct(&d->check, q) && since != 0)
        check_owed(&d->check, EPFD2, fair, step,
                   "p%u suspects p%u since step %" PRIu64 " and still at step %" PRIu64
                   ", but p%u is correct",
                   at, q, since - 1, step, q);
}

static void epfd_end(struct check *c, bool fair, uint64_t step)
{
    check_judge(c);
    for (uint16_t at = 0; at < c->n; at++)
        for (uint16_t q = 0; check_correct(c, at) && q < c->n; q++) {
            strong_completeness((struct epfd_check *)c, at, q, fair, step);
            eventual_strong_accuracy((struct epfd_check *)c, at, q, fair, step);
        }
}

const struct check_class check_epfd_class = {
    .abstraction = ABS_EPFD,
    .open = epfd_open,
    .close = epfd_close,
    .reset = epfd_reset,
    .event = epfd_event,
    .crash = check_crash,
    .recover = epfd_recover,
    .healed = epfd_healed,
    .end = epfd_end,
};
