/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Epoch consensus, a row of instances (CGR Module 5.4). One component runs all epochs, one after
 * the other: an event belongs to the epoch of the last ⟨ep, Init | ts, ℓ⟩ at its process, and to
 * epoch 0 of p0 before the first. The book's instance of epoch consensus is here the pair
 * (instance, epoch).
 *
 * EP1  validity: what is decided was proposed for this instance in this epoch or an earlier one, by
 *      the leader of that epoch. What is learned is judged as what is decided, of no epoch in
 *      particular.
 * EP2  uniform agreement: no two processes decide an instance differently in one epoch.
 * EP3  integrity: a process decides an instance at most once in an epoch.
 * EP4  lock-in: what was decided in one epoch is what other epochs decide.
 * EP5  termination: if the leader is correct, has proposed, and no correct process left its epoch
 *      or asked to abort it, every correct process decides. A process that had decided the
 *      instance in an earlier epoch, or learned what a later one decided, need not do so again.
 * EP6  abort behaviour: a correct process that is told to abort has in the end aborted; and it
 *      aborts only when it was told to.
 */
#include "check_table.h"

#include <stdio.h>
#include <stdlib.h>

enum { EP1, EP2, EP3, EP4, EP5, EP6 };

#define NO_EPOCH UINT64_MAX

/* A process: where it is. */
struct place {
    uint64_t ts;
    uint64_t abort_step; /* of the ⟨ep, Abort⟩ that is not answered, + 1; 0: none */
    uint16_t leader;
    bool aborted;
};

/* A proposal by the leader of its epoch, by (instance, value). */
struct proposal {
    uint64_t ts; /* the earliest epoch in which it was made, + 1 */
};

struct decision {
    struct check_tag value;
    uint64_t ts; /* NO_EPOCH: it was learned */
    uint64_t step;
    uint16_t at;
    bool made;
};

/* An instance in an epoch, by (instance, timestamp). */
struct epoch_row {
    struct decision first;
    uint64_t step[]; /* by process: decided in this epoch, + 1 */
};

/* An instance, by its number. */
struct instance {
    struct decision first; /* of any epoch */
    uint64_t inst;
    uint64_t ts; /* of the last proposal by the leader of its epoch */
    uint64_t step;
    uint16_t proposer;
    bool proposed;
    bool decided[]; /* by process, in any epoch */
};

struct ep_check {
    struct check check;
    struct check_table proposals;
    struct check_table epochs;
    struct check_table instances;
    struct place place[];
};

static struct check *ep_open(uint16_t n)
{
    struct ep_check *ep =
        check_open(&check_ep_class, n, sizeof(struct ep_check) + n * sizeof(struct place));
    check_table_init(&ep->proposals, sizeof(struct proposal));
    check_table_init(&ep->epochs, sizeof(struct epoch_row) + n * sizeof(uint64_t));
    check_table_init(&ep->instances, sizeof(struct instance) + n * sizeof(bool));
    return &ep->check;
}

static void ep_close(struct check *c)
{
    struct ep_check *ep = (struct ep_check *)c;
    check_table_fini(&ep->proposals);
    check_table_fini(&ep->epochs);
    check_table_fini(&ep->instances);
    free(c);
}

static void ep_reset(struct check *c)
{
    struct ep_check *ep = (struct ep_check *)c;
    check_restart(c);
    check_table_reset(&ep->proposals);
    check_table_reset(&ep->epochs);
    check_table_reset(&ep->instances);
    memset(ep->place, 0, c->n * sizeof ep->place[0]);
}

/* ---- decisions ------------------------------------------------------------------------------- */

static const char *how_text(const struct decision *d)
{
    return d->ts == NO_EPOCH ? "learned" : "decided";
}

/* ", epoch 3", or nothing of what was learned. */
static struct check_text epoch_text(const struct decision *d)
{
    struct check_text text = {""};
    if (d->ts != NO_EPOCH)
        snprintf(text.s, sizeof text.s, ", epoch %" PRIu64, d->ts);
    return text;
}

static void validity(struct ep_check *ep, const struct check_event *e, const struct decision *d)
{
    const struct proposal *p =
        check_table_find(&ep->proposals, check_bytes_key(e->inst, 1, e->msg, e->len));
    if (p == NULL)
        check_violate(&ep->check, EP1, e->step,
                      "p%u %s %s in instance %" PRIu64 "%s (step %" PRIu64
                      "), which no leader had proposed for it",
                      e->at, how_text(d), check_tag_text(&d->value).s, e->inst, epoch_text(d).s,
                      e->step);
    else if (p->ts - 1 > d->ts)
        check_violate(&ep->check, EP1, e->step,
                      "p%u decided %s in instance %" PRIu64 ", epoch %" PRIu64 " (step %" PRIu64
                      "), which was proposed only later, in epoch %" PRIu64,
                      e->at, check_tag_text(&d->value).s, e->inst, d->ts, e->step, p->ts - 1);
}

static void uniform_agreement(struct ep_check *ep, const struct check_event *e,
                              const struct decision *d, const struct epoch_row *row)
{
    if (row->first.made && row->first.value.hash != d->value.hash)
        check_violate(&ep->check, EP2, e->step,
                      "p%u decided %s in instance %" PRIu64 ", epoch %" PRIu64 " (step %" PRIu64
                      "), but p%u had decided %s (step %" PRIu64 ")",
                      e->at, check_tag_text(&d->value).s, e->inst, d->ts, e->step, row->first.at,
                      check_tag_text(&row->first.value).s, row->first.step);
}

static void integrity(struct ep_check *ep, const struct check_event *e, const struct decision *d,
                      const struct epoch_row *row)
{
    if (row->step[e->at] != 0)
        check_violate(&ep->check, EP3, e->step,
                      "p%u decided instance %" PRIu64 " twice in epoch %" PRIu64 " (steps %" PRIu64
                      ", %" PRIu64 ")",
                      e->at, e->inst, d->ts, row->step[e->at] - 1, e->step);
}

static void lock_in(struct ep_check *ep, const struct check_event *e, const struct decision *d,
                    struct instance *in)
{
    bool another = d->ts == NO_EPOCH || in->first.ts != d->ts;
    if (in->first.made && another && in->first.value.hash != d->value.hash)
        check_violate(&ep->check, EP4, e->step,
                      "p%u %s %s in instance %" PRIu64 "%s (step %" PRIu64
                      "), but p%u had %s %s%s (step %" PRIu64 ")",
                      e->at, how_text(d), check_tag_text(&d->value).s, e->inst, epoch_text(d).s,
                      e->step, in->first.at, how_text(&in->first),
                      check_tag_text(&in->first.value).s, epoch_text(&in->first).s, in->first.step);
    if (!in->first.made)
        in->first = *d;
}

static struct instance *instance_of(struct ep_check *ep, uint64_t inst)
{
    struct instance *in = check_table_get(&ep->instances, check_key(inst, 0));
    in->inst = inst;
    return in;
}

static void decided(struct ep_check *ep, const struct check_event *e)
{
    const struct decision d = {check_tag(e), ep->place[e->at].ts, e->step, e->at, true};
    struct epoch_row *row = check_table_get(&ep->epochs, check_key(e->inst, d.ts));
    struct instance *in = instance_of(ep, e->inst);
    validity(ep, e, &d);
    uniform_agreement(ep, e, &d, row);
    integrity(ep, e, &d, row);
    lock_in(ep, e, &d, in);
    if (!row->first.made)
        row->first = d;
    row->step[e->at] = e->step + 1;
    in->decided[e->at] = true;
}

/* A decision of an epoch that its process has not started: valid, the same, and it settles EP5. */
static void learned(struct ep_check *ep, const struct check_event *e)
{
    const struct decision d = {check_tag(e), NO_EPOCH, e->step, e->at, true};
    struct instance *in = instance_of(ep, e->inst);
    validity(ep, e, &d);
    lock_in(ep, e, &d, in);
    in->decided[e->at] = true;
}

static void proposed(struct ep_check *ep, const struct check_event *e)
{
    const struct place *at = &ep->place[e->at];
    if (at->leader != e->at)
        return; /* nobody may decide it for that */
    struct proposal *p =
        check_table_get(&ep->proposals, check_bytes_key(e->inst, 1, e->msg, e->len));
    if (p->ts == 0 || at->ts + 1 < p->ts)
        p->ts = at->ts + 1;
    struct instance *in = instance_of(ep, e->inst);
    if (!in->proposed || at->ts >= in->ts) {
        in->proposed = true;
        in->ts = at->ts;
        in->step = e->step;
        in->proposer = e->at;
    }
}

/* ---- epochs ---------------------------------------------------------------------------------- */

static void aborted(struct ep_check *ep, const struct check_event *e)
{
    struct place *at = &ep->place[e->at];
    if (at->abort_step == 0)
        check_violate(&ep->check, EP6, e->step,
                      "p%u aborted epoch %" PRIu64 " (step %" PRIu64 ") without being told to",
                      e->at, at->ts, e->step);
    at->abort_step = 0;
}

static void ep_event(struct check *c, const struct check_event *e)
{
    struct ep_check *ep = (struct ep_check *)c;
    struct place *at = &ep->place[e->at];
    switch (e->type) {
    case EV_EP_INIT:
        at->ts = e->attr;
        at->leader = e->proc;
        at->aborted = false;
        break;
    case EV_EP_PROPOSE:
        proposed(ep, e);
        break;
    case EV_EP_ABORT:
        at->abort_step = e->step + 1;
        at->aborted = true;
        break;
    case EV_EP_ABORTED:
        aborted(ep, e);
        break;
    case EV_EP_DECIDE:
        decided(ep, e);
        break;
    case EV_EP_LEARN:
        learned(ep, e);
        break;
    default:
        break;
    }
}

/* ---- the end --------------------------------------------------------------------------------- */

/* Whether every correct process stays in the epoch of p's place. */
static bool undisturbed(const struct ep_check *ep, uint16_t p)
{
    const struct place *its = &ep->place[p];
    for (uint16_t q = 0; q < ep->check.n; q++)
        if (check_correct(&ep->check, q) &&
            (ep->place[q].ts != its->ts || ep->place[q].leader != its->leader ||
             ep->place[q].aborted))
            return false;
    return true;
}

static void termination(struct ep_check *ep, bool fair, uint64_t step)
{
    for (uint32_t i = 0; i < ep->instances.rows; i++) {
        const struct instance *in = check_table_row(&ep->instances, i);
        if (!in->proposed || !check_correct(&ep->check, in->proposer) ||
            ep->place[in->proposer].ts != in->ts || !undisturbed(ep, in->proposer))
            continue;
        for (uint16_t p = 0; p < ep->check.n; p++)
            if (check_correct(&ep->check, p) && !in->decided[p])
                check_owed(&ep->check, EP5, fair, step,
                           "p%u, which is correct, did not decide instance %" PRIu64
                           " until step %" PRIu64 ", though p%u, leader of epoch %" PRIu64
                           ", proposed for it (step %" PRIu64 ") and nobody aborted",
                           p, in->inst, step, in->proposer, in->ts, in->step);
    }
}

static void abort_behaviour(struct ep_check *ep, bool fair, uint64_t step)
{
    for (uint16_t p = 0; p < ep->check.n; p++)
        if (check_correct(&ep->check, p) && ep->place[p].abort_step != 0)
            check_owed(&ep->check, EP6, fair, step,
                       "p%u was told to abort epoch %" PRIu64 " (step %" PRIu64
                       "), but had not aborted it at step %" PRIu64,
                       p, ep->place[p].ts, ep->place[p].abort_step - 1, step);
}

static void ep_end(struct check *c, bool fair, uint64_t step)
{
    check_judge(c);
    termination((struct ep_check *)c, fair, step);
    abort_behaviour((struct ep_check *)c, fair, step);
}

const struct check_class check_ep_class = {
    .abstraction = ABS_EP,
    .open = ep_open,
    .close = ep_close,
    .reset = ep_reset,
    .event = ep_event,
    .crash = check_crash,
    .end = ep_end,
};
