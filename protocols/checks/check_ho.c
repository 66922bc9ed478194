/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Handing over log-deliveries after a crash (ours). The properties speak of what lies below: of
 * log-deliveries, and of a cursor on stable storage. So this checker also hears the border of lurb,
 * where log-deliveries are told of, and that of the log, where a record of 8 bytes under the port of
 * ho is the cursor: all positions below are over. What it is not told of there it does not judge.
 *
 * HO1  every log-delivery is handed over; and what the application has not taken
 *      (⟨ho, Done | i⟩), nor the cursor passed, is handed over in the last life of a correct
 *      process, which is one that is up at the end.
 * HO2  no position below a cursor that is stored is handed over, in whichever life.
 * HO3  what is handed over at a position was log-delivered there, the same message of the same
 *      process; the first handing-over of a position comes when all below had theirs.
 * HO4  where a cursor is kept (`cursor`): no position is handed over twice in one life.
 * HO5  where none is: what a process that is up at the end has not taken was handed over twice at
 *      least in its last life, and since the network was healed, if that is known.
 */
#include "check_table.h"

#include <stdlib.h>

enum { HO1, HO2, HO3, HO4, HO5 };

struct life {
    uint64_t fresh;  /* positions below have been handed over */
    uint64_t cursor; /* stored */
    uint64_t cursor_step;
    uint32_t number;
    bool hears; /* its log-deliveries are told of */
};

/* A position at a process. */
struct place {
    struct check_tag value; /* log-delivered there last; hash 0: not told of */
    uint64_t position;
    uint64_t step;
    uint16_t at;
    uint16_t from;
    uint32_t handed; /* the last life in which it was, + 1; 0: never */
    uint32_t times;  /* that it was in that life */
    uint64_t last;   /* step */
    bool taken;
};

/* A record of the cursor on its way, by process and name. */
struct storing {
    uint64_t cursor;
};

struct ho_check {
    struct check check;
    struct check_table places;
    struct check_table storing;
    uint64_t healed; /* step; 0: not known */
    struct life life[];
};

static struct check *ho_open(uint16_t n)
{
    struct ho_check *h =
        check_open(&check_ho_class, n, sizeof(struct ho_check) + n * sizeof(struct life));
    check_table_init(&h->places, sizeof(struct place));
    check_table_init(&h->storing, sizeof(struct storing));
    return &h->check;
}

static void ho_close(struct check *c)
{
    check_table_fini(&((struct ho_check *)c)->places);
    check_table_fini(&((struct ho_check *)c)->storing);
    free(c);
}

static void ho_reset(struct check *c)
{
    struct ho_check *h = (struct ho_check *)c;
    check_restart(c);
    check_table_reset(&h->places);
    check_table_reset(&h->storing);
    h->healed = 0;
    memset(h->life, 0, c->n * sizeof h->life[0]);
}

static void ho_recover(struct check *c, uint16_t p, uint64_t step)
{
    check_recovered(c, p, step);
    ((struct ho_check *)c)->life[p].number++;
}

static void ho_healed(struct check *c, uint64_t step)
{
    ((struct ho_check *)c)->healed = step;
}

static struct place *place_of(struct ho_check *h, uint16_t at, uint64_t position)
{
    struct place *x = check_table_get(&h->places, check_key(position, at));
    x->position = position;
    x->at = at;
    return x;
}

/* ⟨lurb, Deliver | i, p, m⟩ */
static void log_delivered(struct ho_check *h, const struct check_event *e)
{
    struct place *x = place_of(h, e->at, e->inst);
    h->life[e->at].hears = true;
    x->value = check_tag(e);
    x->from = e->proc;
    x->step = e->step;
}

/* ⟨log, Store⟩ and ⟨log, Stored⟩ of a cursor. */
static void cursor_event(struct ho_check *h, const struct check_event *e)
{
    struct life *life = &h->life[e->at];
    uint64_t key = check_key(e->inst, e->at);
    if (e->type == EV_LOG_STORE && e->attr == h->check.port && e->len == 8) {
        struct storing *s = check_table_get(&h->storing, key);
        s->cursor = 0;
        for (uint32_t i = 8; i-- > 0;)
            s->cursor = s->cursor << 8 | e->msg[i];
    } else if (e->type == EV_LOG_STORED && e->port == h->check.port) {
        const struct storing *s = check_table_find(&h->storing, key);
        if (s != NULL && s->cursor > life->cursor) {
            life->cursor = s->cursor;
            life->cursor_step = e->step;
        }
    }
}

static void not_again(struct ho_check *h, const struct check_event *e)
{
    const struct life *life = &h->life[e->at];
    if (e->inst < life->cursor)
        check_violate(&h->check, HO2, e->step,
                      "p%u handed over position %" PRIu64 " (step %" PRIu64
                      "), but the cursor %" PRIu64 " had been stored (step %" PRIu64 ")",
                      e->at, e->inst, e->step, life->cursor, life->cursor_step);
}

static void as_delivered(struct ho_check *h, const struct check_event *e, const struct place *x)
{
    struct check_tag value = check_tag(e);
    if (h->life[e->at].hears && x->value.hash == 0)
        check_violate(&h->check, HO3, e->step,
                      "p%u handed over %s from p%u at position %" PRIu64 " (step %" PRIu64
                      "), where nothing had been log-delivered",
                      e->at, check_tag_text(&value).s, e->proc, e->inst, e->step);
    else if (x->value.hash != 0 && (x->value.hash != value.hash || x->from != e->proc))
        check_violate(&h->check, HO3, e->step,
                      "p%u handed over %s from p%u at position %" PRIu64 " (step %" PRIu64
                      "), but %s from p%u is the log-delivery there (step %" PRIu64 ")",
                      e->at, check_tag_text(&value).s, e->proc, e->inst, e->step,
                      check_tag_text(&x->value).s, x->from, x->step);
    else if (e->inst > h->life[e->at].fresh)
        check_violate(&h->check, HO3, e->step,
                      "p%u handed over position %" PRIu64 " (step %" PRIu64
                      "), but position %" PRIu64 " before it never",
                      e->at, e->inst, e->step, h->life[e->at].fresh);
}

static void handed_over(struct ho_check *h, const struct check_event *e, struct place *x)
{
    struct life *life = &h->life[e->at];
    if (x->handed != life->number + 1)
        x->times = 0;
    if (x->times++ > 0 && h->check.cursor)
        check_violate(&h->check, HO4, e->step,
                      "p%u handed over position %" PRIu64 " twice in one life (steps %" PRIu64
                      " and %" PRIu64 "), and keeps a cursor",
                      e->at, e->inst, x->last, e->step);
    x->handed = life->number + 1;
    x->last = e->step;
    if (e->inst >= life->fresh)
        life->fresh = e->inst + 1;
}

static void ho_event(struct check *c, const struct check_event *e)
{
    struct ho_check *h = (struct ho_check *)c;
    if (e->type == EV_LURB_DELIVER) {
        log_delivered(h, e);
    } else if (e->type == EV_LOG_STORE || e->type == EV_LOG_STORED) {
        cursor_event(h, e);
    } else if (e->type == EV_HO_DONE) {
        place_of(h, e->at, e->inst)->taken = true;
    } else if (e->type == EV_HO_DELIVER) {
        struct place *x = place_of(h, e->at, e->inst);
        not_again(h, e);
        as_delivered(h, e, x);
        handed_over(h, e, x);
    }
}

static void ho_end(struct check *c, bool fair, uint64_t step)
{
    struct ho_check *h = (struct ho_check *)c;
    check_judge(c);
    for (uint32_t i = 0; i < h->places.rows; i++) {
        const struct place *x = check_table_row(&h->places, i);
        const struct life *life = &h->life[x->at];
        bool over = x->taken || x->position < life->cursor;
        bool now = x->handed == life->number + 1;
        if (!check_correct(c, x->at))
            continue;
        if (now && !over && !c->cursor && (x->times < 2 || x->last < h->healed))
            check_owed(c, HO5, fair, step,
                       "p%u did not take position %" PRIu64 ", and was handed it %s in its last "
                       "life, last at step %" PRIu64 " of %" PRIu64,
                       x->at, x->position, check_times_text(x->times).s, x->last, step);
        if (!(x->handed != 0 && (over || now)) && (x->value.hash != 0 || x->handed != 0))
            check_owed(c, HO1, fair, step,
                       "p%u was not handed over the log-delivery at position %" PRIu64
                       "%s until step %" PRIu64,
                       x->at, x->position,
                       x->handed != 0 ? " again after its recovery, nor has it taken it" : "",
                       step);
    }
}

const struct check_class check_ho_class = {
    .abstraction = ABS_HO,
    .hears = {ABS_LURB, ABS_LOG},
    .open = ho_open,
    .close = ho_close,
    .reset = ho_reset,
    .event = ho_event,
    .crash = check_crash,
    .recover = ho_recover,
    .healed = ho_healed,
    .end = ho_end,
};
