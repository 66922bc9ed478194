/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reliable broadcast (CGR Module 3.2).
 *
 * RB1  validity: what a correct process broadcasts, it delivers itself.
 * RB2  no duplication.  RB3  no creation: as in best-effort broadcast.
 * RB4  agreement: what some correct process delivered, every correct one delivers.
 */
#include "check_broadcast.h"

enum { RB1, RB2, RB3, RB4 };

static struct check *rb_open(uint16_t n)
{
    return broadcast_open(&check_rb_class, n);
}

static void rb_event(struct check *c, const struct check_event *e)
{
    const struct broadcast_row *r = broadcast_count(c, e);
    if (r == NULL)
        return;
    broadcast_no_duplication(c, RB2, r, e->at);
    broadcast_no_creation(c, RB3, r, e->at);
}

static void rb_end(struct check *c, bool fair, uint64_t step)
{
    check_judge(c);
    broadcast_validity(c, RB1, BY_ITSELF, fair, step);
    broadcast_agreement(c, RB4, false, fair, step);
}

const struct check_class check_rb_class = {
    .abstraction = ABS_RB,
    .open = rb_open,
    .close = broadcast_close,
    .reset = broadcast_reset,
    .event = rb_event,
    .crash = check_crash,
    .end = rb_end,
};
