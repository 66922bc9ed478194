/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Uniform reliable broadcast (CGR Module 3.3).
 *
 * URB1  validity: what a correct process broadcasts, it delivers itself.
 * URB2  no duplication.  URB3  no creation: as in best-effort broadcast.
 * URB4  uniform agreement: what any process delivered, even one that crashed after it, every
 *       correct one delivers.
 */
#include "check_broadcast.h"

enum { URB1, URB2, URB3, URB4 };

static struct check *urb_open(uint16_t n)
{
    return broadcast_open(&check_urb_class, n);
}

static void urb_event(struct check *c, const struct check_event *e)
{
    const struct broadcast_row *r = broadcast_count(c, e);
    if (r == NULL)
        return;
    broadcast_no_duplication(c, URB2, r, e->at);
    broadcast_no_creation(c, URB3, r, e->at);
}

static void urb_end(struct check *c, bool fair, uint64_t step)
{
    check_judge(c);
    broadcast_validity(c, URB1, BY_ITSELF, fair, step);
    broadcast_agreement(c, URB4, true, fair, step);
}

const struct check_class check_urb_class = {
    .abstraction = ABS_URB,
    .open = urb_open,
    .close = broadcast_close,
    .reset = broadcast_reset,
    .event = urb_event,
    .crash = check_crash,
    .end = urb_end,
};
