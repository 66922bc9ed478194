/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Perfect links (CGR Module 2.3), for each channel (sender, receiver, user).
 *
 * PL1  reliable delivery: sent k times between correct processes, delivered k times in the end.
 * PL2  no duplication: delivered at most as often as it had been sent until then.
 * PL3  no creation: delivered only after the process that it is said to be from had sent it here.
 */
#include "check_link.h"

enum { PL1, PL2, PL3 };

static struct check *pl_open(uint16_t n)
{
    return link_open(&check_pl_class, n, sizeof(struct link_check));
}

static void pl_event(struct check *c, const struct check_event *e)
{
    bool sent;
    if (e->type == EV_PL_SUSPECT || e->type == EV_PL_RESTORE)
        return; /* promises are made to the correct, whoever is suspected */
    const struct link_row *r = link_count((struct link_check *)c, e, &sent);
    if (r == NULL || sent)
        return;
    link_no_duplication(c, PL2, r);
    link_no_creation(c, PL3, r);
}

static void pl_end(struct check *c, bool fair, uint64_t step)
{
    check_judge(c);
    link_reliable_delivery((struct link_check *)c, PL1, fair, step);
}

const struct check_class check_pl_class = {
    .abstraction = ABS_PL,
    .open = pl_open,
    .close = link_close,
    .reset = link_reset,
    .event = pl_event,
    .crash = check_crash,
    .end = pl_end,
};
