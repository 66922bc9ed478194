/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stubborn links (CGR Module 2.2), for each channel (sender, receiver, user).
 *
 * SL1  stubborn delivery: once sent, delivered for ever. Read for a finite run: what was sent
 *      before the network was healed is delivered at least once after that, and everything at
 *      least twice. (Without that moment: at least twice.)
 * SL2  no creation.
 *
 * ⟨sl, Forget | q, a⟩ ends the obligation for what its user sent to q under a number up to a, if it
 * had numbered it. So does a crash of the sender, for all: its next life has forgotten what it sent.
 */
#include "check_link.h"

enum { SL1, SL2 };

struct sl_check {
    struct link_check link;
    uint64_t born[PROCS_MAX]; /* step at which the life of each process began */
};

static struct check *sl_open(uint16_t n)
{
    return link_open(&check_sl_class, n, sizeof(struct sl_check));
}

static void sl_reset(struct check *c)
{
    link_reset(c);
    memset(((struct sl_check *)c)->born, 0, c->n * sizeof(uint64_t));
}

/* The row of a channel itself, which was neither sent nor delivered. */
static struct link_row *channel(struct link_check *l, uint16_t from, uint16_t to, uint16_t port)
{
    uint64_t key = 1ull << 63 | (uint64_t)from << 32 | (uint64_t)to << 16 | port;
    struct link_row *r = check_table_get(&l->rows, check_bytes_key(key, 0, NULL, 0));
    r->from = from;
    return r;
}

static void sl_event(struct check *c, const struct check_event *e)
{
    struct link_check *l = (struct link_check *)c;
    bool sent;
    if (e->type == EV_SL_FORGET) {
        struct link_row *r = channel(l, e->at, e->proc, e->port);
        r->number = e->attr + 1 > r->number ? e->attr + 1 : r->number;
        return;
    }
    struct link_row *r = link_count(l, e, &sent);
    if (r == NULL)
        return;
    if (sent) {
        r->number = e->attr;
        channel(l, r->from, r->to, r->port); /* so that the end adds no row while it looks */
    } else {
        link_no_creation(c, SL2, r);
    }
}

static bool forgotten(struct link_check *l, const struct link_row *r)
{
    return r->number < channel(l, r->from, r->to, r->port)->number;
}

/* What the life before this one sent is owed no more, and its numbers mean nothing any more. */
static void sl_recover(struct check *c, uint16_t p, uint64_t step)
{
    struct link_check *l = (struct link_check *)c;
    check_recovered(c, p, step);
    ((struct sl_check *)c)->born[p] = step;
    for (uint32_t i = 0; i < l->rows.rows; i++) {
        struct link_row *r = check_table_row(&l->rows, i);
        if (r->sent + r->got == 0 && r->from == p)
            r->number = 0;
    }
}

static void stubborn_delivery(struct link_check *l, bool fair, uint64_t step)
{
    for (uint32_t i = 0; i < l->rows.rows; i++) {
        const struct link_row *r = check_table_row(&l->rows, i);
        if (r->sent == 0 || (r->got > 1 && (!l->healed || r->healed_got > 0)) ||
            !check_correct(&l->check, r->from) || !check_correct(&l->check, r->to) ||
            r->sent_step < ((struct sl_check *)l)->born[r->from] || forgotten(l, r))
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
    .reset = sl_reset,
    .event = sl_event,
    .crash = check_crash,
    .recover = sl_recover,
    .healed = link_healed,
    .end = sl_end,
};
