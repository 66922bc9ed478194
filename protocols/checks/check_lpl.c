/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Logged perfect links (CGR Module 2.4), for each channel (sender, receiver, user); check_logged.h
 * says what a log-delivery is.
 *
 * LPL1  reliable delivery: what a process that never crashes sent to a correct one, that one has
 *       log-delivered in the end, as often as it was sent.
 * LPL2  no duplication: log-delivered at most as often as it had been sent until then; told of once
 *       in a life.
 * LPL3  no creation.
 */
#include "check_logged.h"

enum { LPL1, LPL2, LPL3 };

static struct check *lpl_open(uint16_t n)
{
    return logged_open(&check_lpl_class, n, true);
}

static void lpl_event(struct check *c, const struct check_event *e)
{
    logged_event(c, e, LPL2, LPL3);
}

static void lpl_end(struct check *c, bool fair, uint64_t step)
{
    check_judge(c);
    logged_count_held(c);
    logged_validity(c, LPL1, LOGGED_RECEIVER, fair, step);
}

const struct check_class check_lpl_class = {
    .abstraction = ABS_LPL,
    .open = lpl_open,
    .close = logged_close,
    .reset = logged_reset,
    .event = lpl_event,
    .crash = check_crash,
    .recover = logged_recover,
    .end = lpl_end,
};
