/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Best-effort broadcast (CGR Module 3.1).
 *
 * BEB1  validity: what a correct process broadcast k times, each correct one delivers k times.
 * BEB2  no duplication: delivered at most as often as it had been broadcast until then.
 * BEB3  no creation: delivered only after the process that it is said to be from broadcast it.
 */
#include "check_broadcast.h"

enum { BEB1, BEB2, BEB3 };

static struct check *beb_open(uint16_t n)
{
    return broadcast_open(&check_beb_class, n);
}

static void beb_event(struct check *c, const struct check_event *e)
{
    const struct broadcast_row *r = broadcast_count(c, e);
    if (r == NULL)
        return;
    broadcast_no_duplication(c, BEB2, r, e->at);
    broadcast_no_creation(c, BEB3, r, e->at);
}

static void beb_end(struct check *c, bool fair, uint64_t step)
{
    check_judge(c);
    broadcast_validity(c, BEB1, BY_ALL, fair, step);
}

const struct check_class check_beb_class = {
    .abstraction = ABS_BEB,
    .open = beb_open,
    .close = broadcast_close,
    .reset = broadcast_reset,
    .event = beb_event,
    .crash = check_crash,
    .end = beb_end,
};
