/* SPDX-License-Identifier: BSD-3-Clause */
/* What the checkers of broadcasts share. */
#include "check_broadcast.h"

#include <stdlib.h>

struct check *broadcast_open(const struct check_class *cls, uint16_t n)
{
    struct broadcast_check *b = check_open(cls, n, sizeof *b);
    check_table_init(&b->rows, sizeof(struct broadcast_row) + n * sizeof(struct got));
    return &b->check;
}

void broadcast_close(struct check *c)
{
    check_table_fini(&((struct broadcast_check *)c)->rows);
    free(c);
}

void broadcast_reset(struct check *c)
{
    check_restart(c);
    check_table_reset(&((struct broadcast_check *)c)->rows);
}

const struct broadcast_row *broadcast_count(struct check *c, const struct check_event *e)
{
    struct broadcast_check *b = (struct broadcast_check *)c;
    const struct ev_info *info = &ev_infos[e->type];
    if (info->abstraction != c->cls->abstraction)
        return NULL;
    bool request = info->way == EV_WAY_REQUEST;
    uint16_t origin = request ? e->at : e->proc;
    struct broadcast_row *r = check_table_get(&b->rows, check_bytes_key(origin, 0, e->msg, e->len));
    if (r->tag.hash == 0) {
        r->tag = check_tag(e);
        r->origin = origin;
    }
    if (request) {
        r->times++;
        r->step = e->step;
        return NULL;
    }
    struct got *g = &r->got[e->at];
    if (g->times++ == 0)
        g->first_step = e->step;
    g->last_step = e->step;
    return r;
}

void broadcast_no_duplication(struct check *c, uint32_t property, const struct broadcast_row *r,
                              uint16_t at)
{
    const struct got *g = &r->got[at];
    if (g->times <= 1 || g->times <= r->times)
        return;
    check_violate(c, property, g->last_step,
                  "p%u delivered %s from p%u %s (first at step %" PRIu64 ", last at %" PRIu64
                  "), but it was broadcast %s",
                  at, check_tag_text(&r->tag).s, r->origin, check_times_text(g->times).s,
                  g->first_step, g->last_step, check_times_text(r->times).s);
}

void broadcast_no_creation(struct check *c, uint32_t property, const struct broadcast_row *r,
                           uint16_t at)
{
    if (r->times > 0)
        return;
    check_violate(c, property, r->got[at].last_step,
                  "p%u delivered %s from p%u (step %" PRIu64 "), but p%u had not broadcast it", at,
                  check_tag_text(&r->tag).s, r->origin, r->got[at].last_step, r->origin);
}

void broadcast_validity(struct check *c, uint32_t property, enum broadcast_who who, bool fair,
                        uint64_t step)
{
    const struct check_table *rows = &((struct broadcast_check *)c)->rows;
    for (uint32_t i = 0; i < rows->rows; i++) {
        const struct broadcast_row *r = check_table_row(rows, i);
        if (!check_correct(c, r->origin))
            continue;
        for (uint16_t q = 0; q < c->n; q++)
            if ((who == BY_ALL || q == r->origin) && check_correct(c, q) &&
                r->got[q].times < r->times)
                check_owed(c, property, fair, step,
                           "p%u broadcast %s (%s, last at step %" PRIu64
                           ") and is correct, but p%u delivered it %s until step %" PRIu64,
                           r->origin, check_tag_text(&r->tag).s, check_times_text(r->times).s,
                           r->step, q, check_times_text(r->got[q].times).s, step);
    }
}

/* The process, correct if it must be, that delivered r most often. */
static uint16_t witness_of(const struct check *c, const struct broadcast_row *r, bool uniform)
{
    uint16_t best = UINT16_MAX;
    for (uint16_t p = 0; p < c->n; p++)
        if ((uniform || check_correct(c, p)) && r->got[p].times > 0 &&
            (best == UINT16_MAX || r->got[p].times > r->got[best].times))
            best = p;
    return best;
}

void broadcast_agreement(struct check *c, uint32_t property, bool uniform, bool fair, uint64_t step)
{
    const struct check_table *rows = &((struct broadcast_check *)c)->rows;
    for (uint32_t i = 0; i < rows->rows; i++) {
        const struct broadcast_row *r = check_table_row(rows, i);
        uint16_t p = witness_of(c, r, uniform);
        if (p == UINT16_MAX)
            continue;
        uint32_t most = r->times > 1 ? r->times : 1; /* what is beyond is a duplication */
        uint32_t times = r->got[p].times < most ? r->got[p].times : most;
        for (uint16_t q = 0; q < c->n; q++)
            if (check_correct(c, q) && r->got[q].times < times)
                check_owed(c, property, fair, step,
                           "p%u%s delivered %s from p%u (%s, first at step %" PRIu64
                           "), but p%u, which is correct, delivered it %s until step %" PRIu64,
                           p, check_correct(c, p) ? "" : ", which then crashed,",
                           check_tag_text(&r->tag).s, r->origin,
                           check_times_text(r->got[p].times).s, r->got[p].first_step, q,
                           check_times_text(r->got[q].times).s, step);
    }
}
