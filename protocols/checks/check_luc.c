/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Logged uniform consensus, a row of instances (CGR Module 5.7); each instance is judged by itself.
 *
 * LUC1  termination. As in check_uc.c, this obliges every correct process, that is everybody who is
 *       up at the end, to log-decide an instance: all of them proposed for it; or some process
 *       log-decided it, in whichever life; or, where proposals are forwarded to the leader
 *       (check.forwarded), one of them proposed for it. Proposals are not stored, so only those of
 *       the present life count. Who is up has log-decided an instance if it was told so in this
 *       life, or does not need the decision any more (⟨luc, Release | i⟩).
 * LUC2  validity: what is log-decided was proposed for this instance before, by any process.
 * LUC3  uniform agreement: no two log-decisions of an instance differ, by whomever and in whichever
 *       lives. A further life may be told again.
 */
#include "check_table.h"

#include <stdlib.h>

enum { LUC1, LUC2, LUC3 };

struct voice {
    uint32_t proposed; /* the last life that did, + 1; 0: none */
    uint32_t decided;  /* the last life that was told, + 1; 0: none */
};

struct instance {
    struct check_tag value; /* of the first decision */
    uint64_t inst;
    uint64_t step;
    uint16_t at;
    bool decided;
    struct voice voice[]; /* by process */
};

struct life {
    uint64_t released; /* instances before it are not needed */
    uint32_t number;
};

/* A row of `proposals` exists for each (instance, value) that was proposed. */
struct luc_check {
    struct check check;
    struct check_table instances;
    struct check_table proposals;
    struct life life[]; /* of each process */
};

static struct check *luc_open(uint16_t n)
{
    struct luc_check *u =
        check_open(&check_luc_class, n, sizeof(struct luc_check) + n * sizeof(struct life));
    check_table_init(&u->instances, sizeof(struct instance) + n * sizeof(struct voice));
    check_table_init(&u->proposals, 8);
    return &u->check;
}

static void luc_close(struct check *c)
{
    check_table_fini(&((struct luc_check *)c)->instances);
    check_table_fini(&((struct luc_check *)c)->proposals);
    free(c);
}

static void luc_reset(struct check *c)
{
    struct luc_check *u = (struct luc_check *)c;
    check_restart(c);
    check_table_reset(&u->instances);
    check_table_reset(&u->proposals);
    memset(u->life, 0, c->n * sizeof u->life[0]);
}

static void luc_recover(struct check *c, uint16_t p, uint64_t step)
{
    check_recovered(c, p, step);
    ((struct luc_check *)c)->life[p].number++;
}

static void validity(struct luc_check *u, const struct check_event *e,
                     const struct check_tag *value)
{
    if (check_table_find(&u->proposals, check_bytes_key(e->inst, 1, e->msg, e->len)) == NULL)
        check_violate(&u->check, LUC2, e->step,
                      "p%u log-decided %s in instance %" PRIu64 " (step %" PRIu64
                      "), which nobody had proposed for it",
                      e->at, check_tag_text(value).s, e->inst, e->step);
}

static void uniform_agreement(struct luc_check *u, const struct check_event *e,
                              const struct instance *in, const struct check_tag *value)
{
    if (in->decided && in->value.hash != value->hash)
        check_violate(&u->check, LUC3, e->step,
                      "p%u log-decided %s in instance %" PRIu64 " (step %" PRIu64
                      "), but p%u had log-decided %s (step %" PRIu64 ")",
                      e->at, check_tag_text(value).s, e->inst, e->step, in->at,
                      check_tag_text(&in->value).s, in->step);
}

static void decided(struct luc_check *u, const struct check_event *e, struct instance *in)
{
    struct check_tag value = check_tag(e);
    validity(u, e, &value);
    uniform_agreement(u, e, in, &value);
    if (!in->decided) {
        in->decided = true;
        in->value = value;
        in->at = e->at;
        in->step = e->step;
    }
    in->voice[e->at].decided = u->life[e->at].number + 1;
}

static void luc_event(struct check *c, const struct check_event *e)
{
    struct luc_check *u = (struct luc_check *)c;
    struct life *life = &u->life[e->at];
    if (e->type == EV_LUC_RELEASE && e->inst > life->released)
        life->released = e->inst;
    if (e->type != EV_LUC_DECIDE && e->type != EV_LUC_PROPOSE)
        return;
    struct instance *in = check_table_get(&u->instances, check_key(e->inst, 0));
    in->inst = e->inst;
    if (e->type == EV_LUC_DECIDE) {
        decided(u, e, in);
        return;
    }
    in->voice[e->at].proposed = life->number + 1;
    check_table_get(&u->proposals, check_bytes_key(e->inst, 1, e->msg, e->len));
}

/* What obliges all to decide this instance; NULL: nothing does. */
static const char *obliged(const struct luc_check *u, const struct instance *in)
{
    bool some = false, all = true;
    if (in->decided)
        return "some process log-decided it";
    for (uint16_t p = 0; p < u->check.n; p++) {
        if (!check_correct(&u->check, p))
            continue;
        bool proposed = in->voice[p].proposed == u->life[p].number + 1;
        some |= proposed;
        all &= proposed;
    }
    return some && all                  ? "all that are up proposed for it"
           : some && u->check.forwarded ? "a process that is up proposed for it"
                                        : NULL;
}

static bool has_decided(const struct luc_check *u, const struct instance *in, uint16_t p)
{
    return in->voice[p].decided == u->life[p].number + 1 || in->inst < u->life[p].released;
}

static void luc_end(struct check *c, bool fair, uint64_t step)
{
    const struct luc_check *u = (const struct luc_check *)c;
    check_judge(c);
    for (uint32_t i = 0; i < u->instances.rows; i++) {
        const struct instance *in = check_table_row(&u->instances, i);
        const char *why = obliged(u, in);
        for (uint16_t p = 0; why != NULL && p < c->n; p++)
            if (check_correct(c, p) && !has_decided(u, in, p))
                check_owed(c, LUC1, fair, step,
                           "p%u, which is up, did not log-decide instance %" PRIu64
                           "%s until step %" PRIu64 ", though %s",
                           p, in->inst,
                           in->voice[p].decided != 0 ? " again after its recovery" : "", step, why);
    }
}

const struct check_class check_luc_class = {
    .abstraction = ABS_LUC,
    .open = luc_open,
    .close = luc_close,
    .reset = luc_reset,
    .event = luc_event,
    .crash = check_crash,
    .recover = luc_recover,
    .end = luc_end,
};
