/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stubborn links (CGR Module 2.2), for each channel (sender, receiver, user).
 *
 * SL1  stubborn delivery: once sent, delivered for ever. Read for a finite run: what was sent
 *      before the network was healed is delivered at least once after that, and everything at
 *      least twice. (Without that moment: at least twice.)
 * SL2  no creation.
 */
#include "check_link.h"

enum { SL1, SL2 };

static struct check *sl_open(uint16_t n)
{
    return link_open(&check_sl_class, n, sizeof(struct link_check));
}

static void sl_event(struct check *c, const struct check_event *e)
{
    bool sent;
    const struct link_row *r = link_count((struct link_check *)c, e, &sent);
    if (r != NULL && !sent)
        link_no_creation(c, SL2, r);
}

static void stubborn_delivery(struct link_check *l, bool fair, uint64_t step)
{
    for (uint32_t i = 0; i < l->rows.rows; i++) {
        const struct link_row *r = check_table_row(&l->rows, i);
        if (r->sent == 0 || (r->got > 1 && (!l->healed || r->healed_got > 0)) ||
            !check_correct(&l->check, r->from) || !check_correct(&l->check, r->to))
            continue;
        check_owed(&l->check, SL1, fair, step,
                   "p%u sent %s to p%u (step %" PRIu64
                   "), but p%u delivered it %s (last at step %" PRIu64
                   ") and not again until step %" PRIu64,
                   r->from, check_tag_text(&r->tag).s, r->to, r->sent_step, r->to,
                   check_times_text(r->got).s, r->got_step, step);
    }
}

static void sl_end(struct check *c, bool fair, uint64_t step)
{
    check_judge(c);
    stubborn_delivery((struct link_check *)c, fair, step);
}

const struct check_class check_sl_class = {
    .abstraction = ABS_SL,
    .open = sl_open,
    .close = link_close,
    .reset = link_reset,
    .event = sl_event,
    .crash = check_crash,
    .healed = link_healed,
    .end = sl_end,
};
