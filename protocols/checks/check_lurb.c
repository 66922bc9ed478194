/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Logged uniform reliable broadcast (CGR Module 3.7); check_logged.h says what a log-delivery is.
 *
 * LURB1  validity: what a process that never crashes broadcast, it log-delivers itself.
 * LURB2  no duplication.  LURB3  no creation: as in logged best-effort broadcast.
 * LURB4  uniform agreement: what any process log-delivered, even one that is down for good, every
 *        correct one log-delivers; also who was told of it and then lost it.
 */
#include "check_logged.h"

enum { LURB1, LURB2, LURB3, LURB4 };

static struct check *lurb_open(uint16_t n)
{
    return logged_open(&check_lurb_class, n, false);
}

static void lurb_event(struct check *c, const struct check_event *e)
{
    logged_event(c, e, LURB2, LURB3);
}

static void lurb_end(struct check *c, bool fair, uint64_t step)
{
    check_judge(c);
    logged_count_held(c);
    logged_validity(c, LURB1, LOGGED_ITSELF, fair, step);
    logged_agreement(c, LURB4, fair, step);
}

const struct check_class check_lurb_class = {
    .abstraction = ABS_LURB,
    .open = lurb_open,
    .close = logged_close,
    .reset = logged_reset,
    .event = lurb_event,
    .crash = check_crash,
    .recover = logged_recover,
    .end = lurb_end,
};
