/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stubborn best-effort broadcast (CGR Module 3.5).
 *
 * SBEB1  best-effort validity: what a process that never crashes broadcast, every correct one
 *        delivers infinitely often. Read for a finite run as SL1 is: what was broadcast before the
 *        network was healed is delivered at least once after that, and everything at least twice.
 * SBEB2  no creation.
 *
 * ⟨sbeb, Forget | q, a⟩ ends the obligation towards q for what its user broadcast under a number up
 * to a.
 */
#include "check_table.h"

#include <stdlib.h>

enum { SBEB1, SBEB2 };

struct got {
    uint64_t step; /* last */
    uint32_t times;
    bool healed; /* once more since the network is healed */
};

struct row {
    struct check_tag tag;
    uint64_t step;   /* of the last broadcast */
    uint64_t number; /* of the last broadcast */
    uint32_t times;
    uint16_t origin;
    struct got got[]; /* by process */
};

struct sbeb_check {
    struct check check;
    struct check_table rows;
    bool healed;
    uint64_t forgotten[]; /* [origin × n + receiver]: numbers below */
};

static struct check *sbeb_open(uint16_t n)
{
    struct sbeb_check *s = check_open(&check_sbeb_class, n,
                                      sizeof(struct sbeb_check) + (size_t)n * n * sizeof(uint64_t));
    check_table_init(&s->rows, sizeof(struct row) + n * sizeof(struct got));
    return &s->check;
}

static void sbeb_close(struct check *c)
{
    check_table_fini(&((struct sbeb_check *)c)->rows);
    free(c);
}

static void sbeb_reset(struct check *c)
{
    struct sbeb_check *s = (struct sbeb_check *)c;
    check_restart(c);
    check_table_reset(&s->rows);
    s->healed = false;
    memset(s->forgotten, 0, (size_t)c->n * c->n * sizeof(uint64_t));
}

static void sbeb_healed(struct check *c, uint64_t step)
{
    (void)step;
    ((struct sbeb_check *)c)->healed = true;
}

static struct row *row_of(struct sbeb_check *s, const struct check_event *e, uint16_t origin)
{
    struct row *r = check_table_get(&s->rows, check_bytes_key(origin, 0, e->msg, e->len));
    if (r->tag.hash == 0) {
        r->tag = check_tag(e);
        r->origin = origin;
    }
    return r;
}

static void forget(struct sbeb_check *s, const struct check_event *e)
{
    if (e->proc >= s->check.n)
        return;
    uint64_t *below = &s->forgotten[(size_t)e->at * s->check.n + e->proc];
    *below = e->attr + 1 > *below ? e->attr + 1 : *below;
}

static void delivered(struct sbeb_check *s, const struct check_event *e)
{
    struct row *r = row_of(s, e, e->proc);
    r->got[e->at].times++;
    r->got[e->at].step = e->step;
    r->got[e->at].healed |= s->healed;
    if (r->times == 0)
        check_violate(&s->check, SBEB2, e->step,
                      "p%u delivered %s from p%u (step %" PRIu64 "), but p%u had not broadcast it",
                      e->at, check_tag_text(&r->tag).s, e->proc, e->step, e->proc);
}

static void sbeb_event(struct check *c, const struct check_event *e)
{
    struct sbeb_check *s = (struct sbeb_check *)c;
    if (e->type == EV_SBEB_BROADCAST) {
        struct row *r = row_of(s, e, e->at);
        r->times++;
        r->step = e->step;
        r->number = e->attr;
    } else if (e->type == EV_SBEB_FORGET) {
        forget(s, e);
    } else if (e->type == EV_SBEB_DELIVER) {
        delivered(s, e);
    }
}

static void best_effort_validity(struct sbeb_check *s, bool fair, uint64_t step)
{
    for (uint32_t i = 0; i < s->rows.rows; i++) {
        const struct row *r = check_table_row(&s->rows, i);
        if (r->times == 0 || !check_never_crashed(&s->check, r->origin))
            continue;
        for (uint16_t q = 0; q < s->check.n; q++) {
            const struct got *g = &r->got[q];
            bool forgotten = r->number < s->forgotten[(size_t)r->origin * s->check.n + q];
            if (!check_correct(&s->check, q) || forgotten ||
                (g->times > 1 && (!s->healed || g->healed)))
                continue;
            check_owed(&s->check, SBEB1, fair, step,
                       "p%u broadcast %s (step %" PRIu64
                       ") and never crashed, but p%u delivered it %s (last at step %" PRIu64
                       ") and not again until step %" PRIu64,
                       r->origin, check_tag_text(&r->tag).s, r->step, q,
                       check_times_text(g->times).s, g->step, step);
        }
    }
}

static void sbeb_end(struct check *c, bool fair, uint64_t step)
{
    check_judge(c);
    best_effort_validity((struct sbeb_check *)c, fair, step);
}

const struct check_class check_sbeb_class = {
    .abstraction = ABS_SBEB,
    .open = sbeb_open,
    .close = sbeb_close,
    .reset = sbeb_reset,
    .event = sbeb_event,
    .crash = check_crash,
    .recover = check_recovered,
    .healed = sbeb_healed,
    .end = sbeb_end,
};
