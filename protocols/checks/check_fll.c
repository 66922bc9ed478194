/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fair-loss links (CGR Module 2.1), for each channel (sender, receiver, user). Two of its
 * properties speak of infinite runs; these are their readings for a finite one:
 *
 * FLL1  fair loss: what is sent between correct processes after the network was healed is
 *       delivered at least once after that. Nothing lets a healed network lose a message. Unknown
 *       when nobody said when that was.
 *       A life that begins owes and is owed anew. Who last heard a former life of a process
 *       addresses that one, and what it sends may be lost; but it must hear of the present one for
 *       it. Heard is a life by any frame of it that has arrived, as whoever observes the network
 *       knows.
 * FLL2  finite duplication: delivered at most FLL_COPIES_MAX times for each sending.
 * FLL3  no creation.
 */
#include "check_link.h"

#define FLL_COPIES_MAX 256

enum { FLL1, FLL2, FLL3 };

/* Which life of a peer a process addresses. */
enum { WHOEVER, PRESENT, FORMER };

struct fll_pair {
    uint8_t heard; /* the last life of the peer */
    bool in_vain;  /* it has addressed a former one since the network was healed */
};

struct fll_check {
    struct link_check link;
    struct fll_pair pair[]; /* [p × n + q]: what p knows of q */
};

static struct check *fll_open(uint16_t n)
{
    return link_open(&check_fll_class, n,
                     sizeof(struct fll_check) + (size_t)n * n * sizeof(struct fll_pair));
}

static void fll_reset(struct check *c)
{
    link_reset(c);
    memset(((struct fll_check *)c)->pair, 0, (size_t)c->n * c->n * sizeof(struct fll_pair));
}

static struct fll_pair *pair_of(struct check *c, uint16_t p, uint16_t q)
{
    return &((struct fll_check *)c)->pair[(size_t)p * c->n + q];
}

/* Nobody has heard of its new life; that life itself addresses whoever there is. What was on its
 * way from or to the former one may be lost with it. */
static void fll_recover(struct check *c, uint16_t p, uint64_t step)
{
    struct link_check *l = (struct link_check *)c;
    check_recovered(c, p, step);
    for (uint16_t q = 0; q < c->n; q++) {
        struct fll_pair *to = pair_of(c, q, p);
        to->heard = to->heard == WHOEVER ? WHOEVER : FORMER;
        to->in_vain = false;
        *pair_of(c, p, q) = (struct fll_pair){0};
    }
    for (uint32_t i = 0; i < l->rows.rows; i++) {
        struct link_row *r = check_table_row(&l->rows, i);
        if (r->from == p || r->to == p)
            r->healed_sent = r->healed_got = 0;
    }
}

static void fll_heard(struct check *c, uint16_t p, uint16_t q, bool present)
{
    struct fll_pair *x = pair_of(c, p, q);
    if (present)
        x->heard = PRESENT;
    else if (x->heard == WHOEVER)
        x->heard = FORMER;
}

static void finite_duplication(struct check *c, const struct link_row *r)
{
    if (r->sent > 0 && r->got / r->sent > FLL_COPIES_MAX)
        check_violate(c, FLL2, r->got_step,
                      "p%u delivered %s from p%u %s until step %" PRIu64
                      ", but it was sent %s: it seems to multiply for ever",
                      r->to, check_tag_text(&r->tag).s, r->from, check_times_text(r->got).s,
                      r->got_step, check_times_text(r->sent).s);
}

static void fll_event(struct check *c, const struct check_event *e)
{
    bool sent;
    struct link_check *l = (struct link_check *)c;
    struct link_row *r = link_count(l, e, &sent);
    if (r == NULL)
        return;
    if (sent) {
        struct fll_pair *x = pair_of(c, r->from, r->to);
        if (!l->healed || x->heard != FORMER)
            return;
        r->healed_sent--;
        x->in_vain = true;
        return;
    }
    finite_duplication(c, r);
    link_no_creation(c, FLL3, r);
}

static void fair_loss(struct link_check *l, bool fair, uint64_t step)
{
    for (uint32_t i = 0; i < l->rows.rows; i++) {
        const struct link_row *r = check_table_row(&l->rows, i);
        if (r->healed_got == 0 && r->healed_sent > 0 && check_correct(&l->check, r->from) &&
            check_correct(&l->check, r->to))
            check_owed(&l->check, FLL1, fair, step,
                       "p%u sent %s to p%u %s over the healed network (last at step %" PRIu64
                       "), but p%u never delivered it after that",
                       r->from, check_tag_text(&r->tag).s, r->to,
                       check_times_text(r->healed_sent).s, r->sent_step, r->to);
    }
}

/* Who addresses a former life hears of the present one: else all that it sends is lost for ever. */
static void told(struct check *c, bool fair, uint64_t step)
{
    for (uint16_t p = 0; p < c->n; p++)
        for (uint16_t q = 0; q < c->n; q++) {
            const struct fll_pair *x = pair_of(c, p, q);
            if (x->in_vain && x->heard == FORMER && check_correct(c, p) && check_correct(c, q))
                check_owed(c, FLL1, fair, step,
                           "p%u sent to a former life of p%u over the healed network, but until "
                           "step %" PRIu64 " it never heard of the present one",
                           p, q, step);
        }
}

static void fll_end(struct check *c, bool fair, uint64_t step)
{
    struct link_check *l = (struct link_check *)c;
    check_judge(c);
    if (l->healed) {
        fair_loss(l, fair, step);
        told(c, fair, step);
    } else {
        c->result[FLL1].state = CHECK_UNKNOWN;
    }
}

const struct check_class check_fll_class = {
    .abstraction = ABS_FLL,
    .open = fll_open,
    .close = link_close,
    .reset = fll_reset,
    .event = fll_event,
    .crash = check_crash,
    .recover = fll_recover,
    .heard = fll_heard,
    .healed = link_healed,
    .end = fll_end,
};
