/* SPDX-License-Identifier: BSD-3-Clause */
/* What the checkers of logged links and broadcasts share. */
#include "check_logged.h"

#include <stdlib.h>

/* The row of a user's releases. */
struct release {
    uint64_t below;
};

static struct logged_check *logged(struct check *c)
{
    return (struct logged_check *)c;
}

struct check *logged_open(const struct check_class *cls, uint16_t n, bool link)
{
    struct logged_check *l = check_open(cls, n, sizeof *l + n * sizeof(uint32_t));
    l->link = link;
    check_table_init(&l->rows, sizeof(struct logged_row) + n * sizeof(struct logged_got));
    check_table_init(&l->places, sizeof(struct logged_place));
    check_table_init(&l->releases, sizeof(struct release));
    return &l->check;
}

void logged_close(struct check *c)
{
    check_table_fini(&logged(c)->rows);
    check_table_fini(&logged(c)->places);
    check_table_fini(&logged(c)->releases);
    free(c);
}

void logged_reset(struct check *c)
{
    check_restart(c);
    check_table_reset(&logged(c)->rows);
    check_table_reset(&logged(c)->places);
    check_table_reset(&logged(c)->releases);
    memset(logged(c)->life, 0, c->n * sizeof(uint32_t));
}

void logged_recover(struct check *c, uint16_t p, uint64_t step)
{
    check_recovered(c, p, step);
    logged(c)->life[p]++;
}

/* ---- during the run -------------------------------------------------------------------------- */

/* A broadcast has one user; a link tells them apart. */
static uint16_t port_of(const struct logged_check *l, const struct check_event *e)
{
    return l->link ? e->port : 0;
}

static struct logged_row *row_of(struct logged_check *l, const struct check_event *e, uint16_t from,
                                 uint16_t to)
{
    uint64_t channel = (uint64_t)from << 32 | (uint64_t)to << 16 | port_of(l, e);
    struct logged_row *r = check_table_get(&l->rows, check_bytes_key(channel, 0, e->msg, e->len));
    if (r->tag.hash == 0) {
        r->tag = check_tag(e);
        r->from = from;
        r->to = to;
    }
    return r;
}

static void no_duplication(struct check *c, uint32_t property, const struct logged_row *r,
                           uint16_t at, uint64_t position)
{
    const struct logged_got *g = &r->got[at];
    if (g->times <= 1 || g->times <= r->times)
        return;
    check_violate(c, property, g->last_step,
                  "p%u log-delivered %s from p%u %s (first at step %" PRIu64 ", last at %" PRIu64
                  ", at position %" PRIu64 "), but it was sent %s",
                  at, check_tag_text(&r->tag).s, r->from, check_times_text(g->times).s,
                  g->first_step, g->last_step, position, check_times_text(r->times).s);
}

static void no_creation(struct check *c, uint32_t property, const struct logged_row *r, uint16_t at)
{
    if (r->times > 0)
        return;
    check_violate(c, property, r->got[at].last_step,
                  "p%u log-delivered %s from p%u (step %" PRIu64 "), but p%u had not sent it", at,
                  check_tag_text(&r->tag).s, r->from, r->got[at].last_step, r->from);
}

static void told_again(struct check *c, uint32_t property, const struct check_event *e,
                       struct logged_place *x)
{
    if (x->life == logged(c)->life[e->at])
        check_violate(c, property, e->step,
                      "p%u was told again of the log-delivery at position %" PRIu64
                      ", %s from p%u (step %" PRIu64 "), in the life that had been told of it",
                      e->at, e->inst, check_tag_text(&x->row->tag).s, x->row->from, e->step);
    x->life = logged(c)->life[e->at];
}

static void delivered(struct check *c, const struct check_event *e, uint32_t duplication,
                      uint32_t creation)
{
    struct logged_check *l = logged(c);
    struct logged_row *r = row_of(l, e, e->proc, l->link ? e->at : LOGGED_ALL);
    struct logged_place *x = check_table_get(&l->places, check_key(e->inst, e->at));
    if (x->row == r && x->port == port_of(l, e)) {
        told_again(c, duplication, e, x);
        return;
    }
    *x = (struct logged_place){r, e->inst, l->life[e->at], e->at, port_of(l, e)};
    struct logged_got *g = &r->got[e->at];
    if (g->times++ == 0)
        g->first_step = e->step;
    g->last_step = e->step;
    no_duplication(c, duplication, r, e->at, e->inst);
    no_creation(c, creation, r, e->at);
}

static void released(struct logged_check *l, const struct check_event *e)
{
    struct release *r = check_table_get(&l->releases, check_key(e->at, port_of(l, e)));
    r->below = e->attr > r->below ? e->attr : r->below;
}

void logged_event(struct check *c, const struct check_event *e, uint32_t duplication,
                  uint32_t creation)
{
    struct logged_check *l = logged(c);
    if (ev_infos[e->type].abstraction != c->cls->abstraction)
        return;
    if (ev_infos[e->type].way == EV_WAY_INDICATION) {
        delivered(c, e, duplication, creation);
    } else if (strchr(ev_infos[e->type].fields, 'm') == NULL) {
        released(l, e);
    } else {
        struct logged_row *r = row_of(l, e, e->at, l->link ? e->proc : LOGGED_ALL);
        r->times++;
        r->step = e->step;
    }
}

/* ---- the end --------------------------------------------------------------------------------- */

void logged_count_held(struct check *c)
{
    struct logged_check *l = logged(c);
    for (uint32_t i = 0; i < l->rows.rows; i++) {
        struct logged_row *r = check_table_row(&l->rows, i);
        for (uint16_t p = 0; p < c->n; p++)
            r->got[p].held = 0;
    }
    for (uint32_t i = 0; i < l->places.rows; i++) {
        struct logged_place *x = check_table_row(&l->places, i);
        const struct release *done = check_table_find(&l->releases, check_key(x->at, x->port));
        if (x->life == l->life[x->at] || (done != NULL && x->position < done->below))
            x->row->got[x->at].held++;
    }
}

void logged_validity(struct check *c, uint32_t property, enum logged_who who, bool fair,
                     uint64_t step)
{
    const struct check_table *rows = &logged(c)->rows;
    for (uint32_t i = 0; i < rows->rows; i++) {
        const struct logged_row *r = check_table_row(rows, i);
        if (r->times == 0 || !check_never_crashed(c, r->from))
            continue;
        for (uint16_t q = 0; q < c->n; q++) {
            bool owed = who == LOGGED_ITSELF ? q == r->from : r->to == LOGGED_ALL || r->to == q;
            if (owed && check_correct(c, q) && r->got[q].held < r->times)
                check_owed(c, property, fair, step,
                           "p%u sent %s (%s, last at step %" PRIu64
                           ") and never crashed, but p%u, which is up, holds %s of its "
                           "log-deliveries at step %" PRIu64 " (told of %s)",
                           r->from, check_tag_text(&r->tag).s, check_times_text(r->times).s,
                           r->step, q, r->got[q].held == 0 ? "none" : "too few", step,
                           check_times_text(r->got[q].times).s);
        }
    }
}

/* The process that log-delivered r most often. */
static uint16_t witness_of(const struct check *c, const struct logged_row *r)
{
    uint16_t best = UINT16_MAX;
    for (uint16_t p = 0; p < c->n; p++)
        if (r->got[p].times > 0 && (best == UINT16_MAX || r->got[p].times > r->got[best].times))
            best = p;
    return best;
}

void logged_agreement(struct check *c, uint32_t property, bool fair, uint64_t step)
{
    const struct check_table *rows = &logged(c)->rows;
    for (uint32_t i = 0; i < rows->rows; i++) {
        const struct logged_row *r = check_table_row(rows, i);
        uint16_t p = witness_of(c, r);
        if (p == UINT16_MAX)
            continue;
        uint32_t most = r->times > 1 ? r->times : 1; /* what is beyond is a duplication */
        uint32_t times = r->got[p].times < most ? r->got[p].times : most;
        for (uint16_t q = 0; q < c->n; q++)
            if (check_correct(c, q) && r->got[q].held < times)
                check_owed(
                    c, property, fair, step,
                    "p%u log-delivered %s from p%u (%s, first at step %" PRIu64
                    "), but p%u, which is up, holds %s of its log-deliveries at step %" PRIu64
                    " (told of %s)",
                    p, check_tag_text(&r->tag).s, r->from, check_times_text(r->got[p].times).s,
                    r->got[p].first_step, q, r->got[q].held == 0 ? "none" : "too few", step,
                    check_times_text(r->got[q].times).s);
    }
}
