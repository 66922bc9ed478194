/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Uniform consensus, a row of instances (CGR Module 5.2); each instance is judged by itself.
 *
 * UC1  termination. In the book every process proposes. In a stream not every process has a value
 *      for each instance, so this is what obliges every correct process to decide an instance:
 *      all correct processes proposed for it; or a correct process decided it; or, where proposals
 *      are forwarded to the leader (check.forwarded), one correct process proposed for it.
 * UC2  validity: what is decided was proposed for this instance before, by any process.
 * UC3  integrity: no process decides an instance twice.
 * UC4  uniform agreement: no two processes decide an instance differently, crashed or not.
 *
 * Regular consensus (CGR Module 5.1) differs in its agreement alone, and is judged here too:
 *
 * C1 to C3  as UC1 to UC3; proposals are not forwarded.
 * C4   agreement: no two correct processes decide an instance differently. Who is correct is known
 *      when the run has ended, so that is when it is judged.
 */
#include "check_table.h"

#include <stdlib.h>

enum { UC1, UC2, UC3, UC4 };

struct voice {
    uint64_t proposed_step; /* + 1; 0: did not */
    uint64_t decided_step;  /* + 1; 0: did not */
    struct check_tag value; /* first decided */
};

struct instance {
    struct check_tag value; /* of the first decision */
    uint64_t inst;
    uint64_t step;
    uint16_t at;
    bool decided;
    struct voice voice[]; /* by process */
};

/* A row of `proposals` exists for each (instance, value) that was proposed. */
struct uc_check {
    struct check check;
    struct check_table instances;
    struct check_table proposals;
};

static struct check *open_as(const struct check_class *cls, uint16_t n)
{
    struct uc_check *u = check_open(cls, n, sizeof *u);
    check_table_init(&u->instances, sizeof(struct instance) + n * sizeof(struct voice));
    check_table_init(&u->proposals, 8);
    return &u->check;
}

static struct check *uc_open(uint16_t n)
{
    return open_as(&check_uc_class, n);
}

static struct check *c_open(uint16_t n)
{
    return open_as(&check_c_class, n);
}

static void uc_close(struct check *c)
{
    check_table_fini(&((struct uc_check *)c)->instances);
    check_table_fini(&((struct uc_check *)c)->proposals);
    free(c);
}

static void uc_reset(struct check *c)
{
    check_restart(c);
    check_table_reset(&((struct uc_check *)c)->instances);
    check_table_reset(&((struct uc_check *)c)->proposals);
}

static void validity(struct uc_check *u, const struct check_event *e)
{
    if (check_table_find(&u->proposals, check_bytes_key(e->inst, 1, e->msg, e->len)) != NULL)
        return;
    struct check_tag value = check_tag(e);
    check_violate(&u->check, UC2, e->step,
                  "p%u decided %s in instance %" PRIu64 " (step %" PRIu64
                  "), which nobody had proposed for it",
                  e->at, check_tag_text(&value).s, e->inst, e->step);
}

static void integrity(struct uc_check *u, const struct check_event *e, const struct instance *in)
{
    if (in->voice[e->at].decided_step != 0)
        check_violate(&u->check, UC3, e->step,
                      "p%u decided instance %" PRIu64 " twice (steps %" PRIu64 ", %" PRIu64 ")",
                      e->at, e->inst, in->voice[e->at].decided_step - 1, e->step);
}

static void uniform_agreement(struct uc_check *u, const struct check_event *e,
                              const struct instance *in, const struct check_tag *value)
{
    if (in->decided && in->value.hash != value->hash)
        check_violate(&u->check, UC4, e->step,
                      "p%u decided %s in instance %" PRIu64 " (step %" PRIu64
                      "), but p%u had decided %s (step %" PRIu64 ")",
                      e->at, check_tag_text(value).s, e->inst, e->step, in->at,
                      check_tag_text(&in->value).s, in->step);
}

static void decided(struct uc_check *u, const struct check_event *e, struct instance *in)
{
    struct check_tag value = check_tag(e);
    validity(u, e);
    integrity(u, e, in);
    if (u->check.cls->abstraction == ABS_UC)
        uniform_agreement(u, e, in, &value);
    if (in->voice[e->at].decided_step == 0)
        in->voice[e->at].value = value;
    if (!in->decided) {
        in->decided = true;
        in->value = value;
        in->at = e->at;
        in->step = e->step;
    }
    in->voice[e->at].decided_step = e->step + 1;
}

static void uc_event(struct check *c, const struct check_event *e)
{
    struct uc_check *u = (struct uc_check *)c;
    bool decide = e->type == EV_UC_DECIDE || e->type == EV_C_DECIDE;
    if (!decide && e->type != EV_UC_PROPOSE && e->type != EV_C_PROPOSE)
        return;
    struct instance *in = check_table_get(&u->instances, check_key(e->inst, 0));
    in->inst = e->inst;
    if (decide) {
        decided(u, e, in);
        return;
    }
    in->voice[e->at].proposed_step = e->step + 1;
    check_table_get(&u->proposals, check_bytes_key(e->inst, 1, e->msg, e->len));
}

/* What obliges all to decide this instance; NULL: nothing does. */
static const char *obliged(const struct uc_check *u, const struct instance *in)
{
    bool some = false, all = true;
    for (uint16_t p = 0; p < u->check.n; p++) {
        if (!check_correct(&u->check, p))
            continue;
        if (in->voice[p].decided_step != 0)
            return "a correct process decided it";
        some |= in->voice[p].proposed_step != 0;
        all &= in->voice[p].proposed_step != 0;
    }
    return some && all ? "all correct processes proposed for it"
           : some && u->check.forwarded && u->check.cls->abstraction == ABS_UC
               ? "a correct process proposed for it"
               : NULL;
}

static void termination(struct uc_check *u, bool fair, uint64_t step)
{
    for (uint32_t i = 0; i < u->instances.rows; i++) {
        const struct instance *in = check_table_row(&u->instances, i);
        const char *why = obliged(u, in);
        for (uint16_t p = 0; why != NULL && p < u->check.n; p++)
            if (check_correct(&u->check, p) && in->voice[p].decided_step == 0)
                check_owed(&u->check, UC1, fair, step,
                           "p%u, which is correct, did not decide instance %" PRIu64
                           " until step %" PRIu64 ", though %s",
                           p, in->inst, step, why);
    }
}

static void agreement(struct uc_check *u, uint64_t step)
{
    for (uint32_t i = 0; i < u->instances.rows; i++) {
        const struct instance *in = check_table_row(&u->instances, i);
        const struct voice *first = NULL;
        for (uint16_t p = 0; p < u->check.n; p++) {
            const struct voice *v = &in->voice[p];
            if (!check_correct(&u->check, p) || v->decided_step == 0)
                continue;
            if (first == NULL)
                first = v;
            else if (v->value.hash != first->value.hash)
                check_violate(&u->check, UC4, step,
                              "p%u and p%u, which are correct, decided %s (step %" PRIu64
                              ") and %s (step %" PRIu64 ") in instance %" PRIu64,
                              (unsigned)(first - in->voice), p, check_tag_text(&first->value).s,
                              first->decided_step - 1, check_tag_text(&v->value).s,
                              v->decided_step - 1, in->inst);
        }
    }
}

static void c_end(struct check *c, bool fair, uint64_t step)
{
    check_judge(c);
    agreement((struct uc_check *)c, step);
    termination((struct uc_check *)c, fair, step);
}

static void uc_end(struct check *c, bool fair, uint64_t step)
{
    check_judge(c);
    termination((struct uc_check *)c, fair, step);
}

const struct check_class check_uc_class = {
    .abstraction = ABS_UC,
    .open = uc_open,
    .close = uc_close,
    .reset = uc_reset,
    .event = uc_event,
    .crash = check_crash,
    .end = uc_end,
};

const struct check_class check_c_class = {
    .abstraction = ABS_C,
    .open = c_open,
    .close = uc_close,
    .reset = uc_reset,
    .event = uc_event,
    .crash = check_crash,
    .end = c_end,
};
