/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Logged best-effort broadcast (CGR Module 3.6); check_logged.h says what a log-delivery is.
 *
 * LBEB1  validity: what a process that never crashes broadcast, every correct one log-delivers.
 * LBEB2  no duplication: log-delivered at most as often as it had been broadcast until then; told of
 *        once in a life.
 * LBEB3  no creation.
 */
#include "check_logged.h"

enum { LBEB1, LBEB2, LBEB3 };

static struct check *lbeb_open(uint16_t n)
{
    return logged_open(&check_lbeb_class, n, false);
}

static void lbeb_event(struct check *c, const struct check_event *e)
{
    logged_event(c, e, LBEB2, LBEB3);
}

static void lbeb_end(struct check *c, bool fair, uint64_t step)
{
    check_judge(c);
    logged_count_held(c);
    logged_validity(c, LBEB1, LOGGED_RECEIVER, fair, step);
}

const struct check_class check_lbeb_class = {
    .abstraction = ABS_LBEB,
    .open = lbeb_open,
    .close = logged_close,
    .reset = logged_reset,
    .event = lbeb_event,
    .crash = check_crash,
    .recover = logged_recover,
    .end = lbeb_end,
};
