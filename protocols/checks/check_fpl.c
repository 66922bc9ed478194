/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * FIFO perfect links (CGR Module 2.11), for each channel (sender, receiver, user).
 *
 * FPL1–3  as PL1–3.
 * FPL4    FIFO delivery: a message is delivered only after all that its sender had sent to this
 *         receiver before it. The k-th delivery of a message is that of its k-th sending; what was
 *         not sent, or is delivered too often, is no matter of order.
 */
#include "check_link.h"

#include <stdlib.h>

enum { FPL1, FPL2, FPL3, FPL4 };

/* A sending, in the list of its channel. */
struct sending {
    struct link_row *row;
    uint64_t step;
    uint32_t ordinal; /* the how many-th of its row */
    uint32_t next;    /* index of the next sending of the channel + 1; 0: none */
};

struct channel {
    uint32_t first; /* the first one that is not delivered, index + 1 */
    uint32_t last;
};

struct fpl_check {
    struct link_check link;
    struct check_table channels;
    struct sending *sending;
    size_t sendings;
    size_t capacity;
};

static struct check *fpl_open(uint16_t n)
{
    struct check *c = link_open(&check_fpl_class, n, sizeof(struct fpl_check));
    check_table_init(&((struct fpl_check *)c)->channels, sizeof(struct channel));
    return c;
}

static void fpl_close(struct check *c)
{
    struct fpl_check *f = (struct fpl_check *)c;
    check_table_fini(&f->channels);
    free(f->sending);
    link_close(c);
}

static void fpl_reset(struct check *c)
{
    struct fpl_check *f = (struct fpl_check *)c;
    check_table_reset(&f->channels);
    f->sendings = 0;
    link_reset(c);
}

static struct channel *channel_of(struct fpl_check *f, const struct link_row *r)
{
    return check_table_get(&f->channels, check_key((uint64_t)r->from << 16 | r->to, r->port));
}

static void note_sending(struct fpl_check *f, struct link_row *r)
{
    struct channel *ch = channel_of(f, r);
    f->sending = check_grow(f->sending, f->sendings, &f->capacity, sizeof f->sending[0]);
    f->sending[f->sendings++] = (struct sending){r, r->sent_step, r->sent, 0};
    uint32_t at = (uint32_t)f->sendings; /* index + 1 */
    if (ch->first == 0)
        ch->first = at;
    if (ch->last != 0)
        f->sending[ch->last - 1].next = at;
    ch->last = at;
}

static void fifo_delivery(struct fpl_check *f, const struct link_row *r)
{
    if (r->got > r->sent)
        return;
    struct channel *ch = channel_of(f, r);
    const struct sending *s = ch->first != 0 ? &f->sending[ch->first - 1] : NULL;
    if (s != NULL && (s->row != r || s->ordinal != r->got))
        check_violate(&f->link.check, FPL4, r->got_step,
                      "p%u delivered %s from p%u (step %" PRIu64
                      ") before %s, which p%u had sent earlier (step %" PRIu64 ")",
                      r->to, check_tag_text(&r->tag).s, r->from, r->got_step,
                      check_tag_text(&s->row->tag).s, r->from, s->step);
    while (ch->first != 0 &&
           f->sending[ch->first - 1].row->got >= f->sending[ch->first - 1].ordinal)
        ch->first = f->sending[ch->first - 1].next;
    if (ch->first == 0)
        ch->last = 0;
}

static void fpl_event(struct check *c, const struct check_event *e)
{
    struct fpl_check *f = (struct fpl_check *)c;
    bool sent;
    struct link_row *r = link_count(&f->link, e, &sent);
    if (r == NULL)
        return;
    if (sent) {
        note_sending(f, r);
        return;
    }
    link_no_duplication(c, FPL2, r);
    link_no_creation(c, FPL3, r);
    fifo_delivery(f, r);
}

static void fpl_end(struct check *c, bool fair, uint64_t step)
{
    check_judge(c);
    link_reliable_delivery((struct link_check *)c, FPL1, fair, step);
}

const struct check_class check_fpl_class = {
    .abstraction = ABS_FPL,
    .open = fpl_open,
    .close = fpl_close,
    .reset = fpl_reset,
    .event = fpl_event,
    .crash = check_crash,
    .end = fpl_end,
};
