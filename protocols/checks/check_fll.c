/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fair-loss links (CGR Module 2.1), for each channel (sender, receiver, user). Two of its
 * properties speak of infinite runs; these are their readings for a finite one:
 *
 * FLL1  fair loss: what is sent between correct processes after the network was healed is
 *       delivered at least once after that. Nothing lets a healed network lose a message. Unknown
 *       when nobody said when that was.
 *       What is addressed to a former life of its receiver is lost: who has not heard of the new
 *       one is owed nothing, and who has FLL_LOST_MAX sendings later (the life that it heard of
 *       may have been the former one, which had sent the same).
 * FLL2  finite duplication: delivered at most FLL_COPIES_MAX times for each sending.
 * FLL3  no creation.
 */
#include "check_link.h"

#define FLL_COPIES_MAX 256
#define FLL_LOST_MAX   64

enum { FLL1, FLL2, FLL3 };

struct fll_check {
    struct link_check link;
    uint64_t born[PROCS_MAX]; /* step at which the life of each process began */
    bool deaf[];              /* [p × n + q]: the life of q that p knows is a former one */
};

static struct check *fll_open(uint16_t n)
{
    return link_open(&check_fll_class, n, sizeof(struct fll_check) + (size_t)n * n);
}

static void fll_reset(struct check *c)
{
    link_reset(c);
    memset(((struct fll_check *)c)->born, 0, c->n * sizeof(uint64_t));
    memset(((struct fll_check *)c)->deaf, 0, (size_t)c->n * c->n);
}

/* Nobody has heard of its new life; that life itself addresses whoever there is. */
static void fll_recover(struct check *c, uint16_t p, uint64_t step)
{
    struct fll_check *f = (struct fll_check *)c;
    check_recovered(c, p, step);
    f->born[p] = step;
    for (uint16_t q = 0; q < c->n; q++) {
        f->deaf[(size_t)q * c->n + p] = q != p;
        f->deaf[(size_t)p * c->n + q] = false;
    }
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
    bool *deaf = &((struct fll_check *)c)->deaf[(size_t)e->at * c->n + (sent ? r->to : r->from)];
    if (sent) {
        r->healed_sent -= l->healed && *deaf;
        return;
    }
    *deaf = r->sent_step < ((struct fll_check *)c)->born[r->from];
    finite_duplication(c, r);
    link_no_creation(c, FLL3, r);
}

/* Sendings over the healed network from which on a delivery is owed. */
static uint32_t owed_from(const struct check *c, const struct link_row *r)
{
    bool one_life = check_never_crashed(c, r->from) && check_never_crashed(c, r->to);
    return one_life ? 1 : FLL_LOST_MAX + 1;
}

static void fair_loss(struct link_check *l, bool fair, uint64_t step)
{
    for (uint32_t i = 0; i < l->rows.rows; i++) {
        const struct link_row *r = check_table_row(&l->rows, i);
        if (r->healed_got == 0 && check_correct(&l->check, r->from) &&
            check_correct(&l->check, r->to) && r->healed_sent >= owed_from(&l->check, r))
            check_owed(&l->check, FLL1, fair, step,
                       "p%u sent %s to p%u %s over the healed network (last at step %" PRIu64
                       "), but p%u never delivered it after that",
                       r->from, check_tag_text(&r->tag).s, r->to,
                       check_times_text(r->healed_sent).s, r->sent_step, r->to);
    }
}

static void fll_end(struct check *c, bool fair, uint64_t step)
{
    struct link_check *l = (struct link_check *)c;
    check_judge(c);
    if (l->healed)
        fair_loss(l, fair, step);
    else
        c->result[FLL1].state = CHECK_UNKNOWN;
}

const struct check_class check_fll_class = {
    .abstraction = ABS_FLL,
    .open = fll_open,
    .close = link_close,
    .reset = fll_reset,
    .event = fll_event,
    .crash = check_crash,
    .recover = fll_recover,
    .healed = link_healed,
    .end = fll_end,
};
