/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Logged epoch consensus, a row of instances (CGR Module 5.8). As in check_ep.c one component runs
 * all epochs, one after the other: an event belongs to the epoch of the last ⟨lep, Init | ts, ℓ⟩ at
 * its process, and to epoch 0 of p0 before the first. Before the first one of a further life, and
 * for ⟨lep, Learn⟩, it belongs to none: what is told then is judged against all epochs.
 *
 * A further life may be told again of decisions. Who is up has log-decided an instance if it was
 * told so in this life, or does not need the decision any more (⟨lep, Release | i⟩).
 *
 * LEP1  validity: what is log-decided was proposed for this instance in this epoch or an earlier
 *       one, by the leader of that epoch.
 * LEP2  uniform agreement: no two processes log-decide an instance differently in one epoch.
 * LEP3  lock-in: what was log-decided in one epoch is what other epochs log-decide.
 * LEP4  termination: if the leader never crashes and has proposed, and every correct process is in
 *       its epoch and was not told to abort it, every correct process log-decides.
 * LEP5  abort behaviour: a correct process that is told to abort has in the end aborted, unless it
 *       crashed in between; and it aborts only when it was told to.
 * LEP6  durability: what a process log-decides is on its own stable storage by then: a record under
 *       the instance's number that ends with the value was stored or found in this life. So this
 *       checker also hears the border of the log, and does not judge whom it is told nothing of
 *       there.
 */
#include "check_table.h"
#include "protocols/log/deliveries.h"

#include <stdio.h>
#include <stdlib.h>

enum { LEP1, LEP2, LEP3, LEP4, LEP5, LEP6 };

#define NO_EPOCH UINT64_MAX

/* A process: where it is. */
struct place {
    uint64_t ts;         /* NO_EPOCH: a further life, before its first Init */
    uint64_t abort_step; /* of the ⟨lep, Abort⟩ that is not answered, + 1; 0: none */
    uint64_t released;   /* instances before it are not needed */
    uint32_t life;
    uint16_t leader;
    bool aborted;
    bool logs; /* what it stores is told of */
};

/* A record on its way to stable storage, or there. */
struct record {
    uint64_t name;
    size_t at; /* its bytes: in `bytes` */
    uint32_t len;
    uint32_t life;  /* of the process, + 1 */
    uint32_t older; /* of the same process and number, + 1; 0: none */
    bool stored;
};

/* The records of a process and a number. */
struct numbered {
    uint32_t last; /* + 1; 0: none */
};

/* A proposal by the leader of its epoch, by (instance, value). */
struct proposal {
    uint64_t ts; /* the earliest epoch in which it was made, + 1 */
};

struct decision {
    struct check_tag value;
    uint64_t ts; /* NO_EPOCH: of none in particular */
    uint64_t step;
    uint16_t at;
    bool made;
};

/* An instance in an epoch, by (instance, timestamp). */
struct epoch_row {
    struct decision first;
};

/* An instance, by its number. */
struct instance {
    struct decision first; /* of any epoch */
    uint64_t inst;
    uint64_t ts; /* of the last proposal by the leader of its epoch */
    uint64_t step;
    uint16_t proposer;
    bool proposed;
    uint32_t life[]; /* by process: the one that was told of a decision last, + 1; 0: none */
};

struct lep_check {
    struct check check;
    struct check_table proposals;
    struct check_table epochs;
    struct check_table instances;
    struct check_table numbered;
    struct record *record;
    uint8_t *bytes; /* of all records, one behind the other */
    size_t records, records_max, used, bytes_max;
    struct place place[];
};

static struct check *lep_open(uint16_t n)
{
    struct lep_check *ep =
        check_open(&check_lep_class, n, sizeof(struct lep_check) + n * sizeof(struct place));
    check_table_init(&ep->proposals, sizeof(struct proposal));
    check_table_init(&ep->epochs, sizeof(struct epoch_row));
    check_table_init(&ep->instances, sizeof(struct instance) + n * sizeof(uint32_t));
    check_table_init(&ep->numbered, sizeof(struct numbered));
    return &ep->check;
}

static void lep_close(struct check *c)
{
    struct lep_check *ep = (struct lep_check *)c;
    check_table_fini(&ep->proposals);
    check_table_fini(&ep->epochs);
    check_table_fini(&ep->instances);
    check_table_fini(&ep->numbered);
    free(ep->record);
    free(ep->bytes);
    free(c);
}

static void lep_reset(struct check *c)
{
    struct lep_check *ep = (struct lep_check *)c;
    check_restart(c);
    check_table_reset(&ep->proposals);
    check_table_reset(&ep->epochs);
    check_table_reset(&ep->instances);
    check_table_reset(&ep->numbered);
    ep->records = ep->used = 0;
    memset(ep->place, 0, c->n * sizeof ep->place[0]);
}

static void lep_recover(struct check *c, uint16_t p, uint64_t step)
{
    struct place *at = &((struct lep_check *)c)->place[p];
    check_recovered(c, p, step);
    *at = (struct place){.ts = NO_EPOCH,
                         .released = at->released,
                         .life = at->life + 1,
                         .logs = at->logs};
}

/* ---- stable storage -------------------------------------------------------------------------- */

static void keep(struct lep_check *ep, const struct check_event *e, bool stored)
{
    struct numbered *x =
        check_table_get(&ep->numbered, check_key(e->inst & RECORD_NUMBER_MAX, e->at));
    while (ep->used + e->len >= ep->bytes_max)
        ep->bytes = check_grow(ep->bytes, ep->bytes_max, &ep->bytes_max, 1);
    if (e->len > 0)
        memcpy(ep->bytes + ep->used, e->msg, e->len);
    ep->record = check_grow(ep->record, ep->records, &ep->records_max, sizeof ep->record[0]);
    ep->record[ep->records++] = (struct record){.name = e->inst,
                                                .at = ep->used,
                                                .len = e->len,
                                                .life = ep->place[e->at].life + 1,
                                                .older = x->last,
                                                .stored = stored};
    ep->used += e->len;
    x->last = (uint32_t)ep->records;
}

/* The records of that number at p, in its present life, the newest first: of *i, which is one more
 * than an index. NULL: there are no more. */
static struct record *next_of(const struct lep_check *ep, uint16_t p, uint32_t *i)
{
    struct record *r = *i > 0 ? &ep->record[*i - 1] : NULL;
    if (r == NULL || r->life != ep->place[p].life + 1)
        return NULL;
    *i = r->older;
    return r;
}

static uint32_t records_of(const struct lep_check *ep, uint16_t p, uint64_t number)
{
    const struct numbered *x = check_table_find(&ep->numbered, check_key(number, p));
    return x != NULL ? x->last : 0;
}

/* ⟨log, Stored | i⟩: the oldest of that name that is not yet. */
static void stored(struct lep_check *ep, const struct check_event *e)
{
    uint32_t i = records_of(ep, e->at, e->inst & RECORD_NUMBER_MAX);
    struct record *oldest = NULL;
    for (struct record *r; (r = next_of(ep, e->at, &i)) != NULL;)
        if (r->name == e->inst && !r->stored)
            oldest = r;
    if (oldest != NULL)
        oldest->stored = true;
}

/* What this layer asks of the log, and is told by it. */
static void log_event(struct lep_check *ep, const struct check_event *e)
{
    if ((e->type == EV_LOG_STORE ? (uint16_t)e->attr : e->port) != ep->check.port)
        return;
    ep->place[e->at].logs = true;
    if (e->type == EV_LOG_STORE || e->type == EV_LOG_FOUND)
        keep(ep, e, e->type == EV_LOG_FOUND);
    else if (e->type == EV_LOG_STORED)
        stored(ep, e);
}

static void durability(struct lep_check *ep, const struct check_event *e)
{
    if (!ep->place[e->at].logs)
        return;
    uint32_t i = records_of(ep, e->at, e->inst);
    for (const struct record *r; (r = next_of(ep, e->at, &i)) != NULL;)
        if (r->stored && r->len >= e->len &&
            (e->len == 0 || memcmp(ep->bytes + r->at + r->len - e->len, e->msg, e->len) == 0))
            return;
    struct check_tag value = check_tag(e);
    check_violate(&ep->check, LEP6, e->step,
                  "p%u log-decided %s in instance %" PRIu64 " (step %" PRIu64
                  "), but had no record of that value on its stable storage",
                  e->at, check_tag_text(&value).s, e->inst, e->step);
}

/* ---- decisions ------------------------------------------------------------------------------- */

static struct check_text epoch_text(uint64_t ts)
{
    struct check_text text;
    if (ts == NO_EPOCH)
        snprintf(text.s, sizeof text.s, "no epoch");
    else
        snprintf(text.s, sizeof text.s, "epoch %" PRIu64, ts);
    return text;
}

static void validity(struct lep_check *ep, const struct check_event *e, const struct decision *d)
{
    const struct proposal *p =
        check_table_find(&ep->proposals, check_bytes_key(e->inst, 1, e->msg, e->len));
    if (p == NULL)
        check_violate(&ep->check, LEP1, e->step,
                      "p%u log-decided %s in instance %" PRIu64 ", %s (step %" PRIu64
                      "), which no leader had proposed for it",
                      e->at, check_tag_text(&d->value).s, e->inst, epoch_text(d->ts).s, e->step);
    else if (p->ts - 1 > d->ts)
        check_violate(&ep->check, LEP1, e->step,
                      "p%u log-decided %s in instance %" PRIu64 ", epoch %" PRIu64 " (step %" PRIu64
                      "), which was proposed only later, in epoch %" PRIu64,
                      e->at, check_tag_text(&d->value).s, e->inst, d->ts, e->step, p->ts - 1);
}

static void differ(struct lep_check *ep, uint32_t property, const struct decision *d, uint64_t inst,
                   const struct decision *before)
{
    check_violate(&ep->check, property, d->step,
                  "p%u log-decided %s in instance %" PRIu64 ", %s (step %" PRIu64
                  "), but p%u had log-decided %s in %s (step %" PRIu64 ")",
                  d->at, check_tag_text(&d->value).s, inst, epoch_text(d->ts).s, d->step,
                  before->at, check_tag_text(&before->value).s, epoch_text(before->ts).s,
                  before->step);
}

static void uniform_agreement(struct lep_check *ep, const struct decision *d, uint64_t inst)
{
    if (d->ts == NO_EPOCH)
        return;
    struct epoch_row *row = check_table_get(&ep->epochs, check_key(inst, d->ts));
    if (!row->first.made)
        row->first = *d;
    else if (row->first.value.hash != d->value.hash)
        differ(ep, LEP2, d, inst, &row->first);
}

static void lock_in(struct lep_check *ep, const struct decision *d, struct instance *in)
{
    bool another = d->ts == NO_EPOCH || in->first.ts != d->ts;
    if (!in->first.made)
        in->first = *d;
    else if (another && in->first.value.hash != d->value.hash)
        differ(ep, LEP3, d, in->inst, &in->first);
}

static struct instance *instance_of(struct lep_check *ep, uint64_t inst)
{
    struct instance *in = check_table_get(&ep->instances, check_key(inst, 0));
    in->inst = inst;
    return in;
}

static void decided(struct lep_check *ep, const struct check_event *e, uint64_t ts)
{
    const struct decision d = {check_tag(e), ts, e->step, e->at, true};
    struct instance *in = instance_of(ep, e->inst);
    validity(ep, e, &d);
    uniform_agreement(ep, &d, e->inst);
    lock_in(ep, &d, in);
    durability(ep, e);
    in->life[e->at] = ep->place[e->at].life + 1;
}

static void proposed(struct lep_check *ep, const struct check_event *e)
{
    const struct place *at = &ep->place[e->at];
    if (at->leader != e->at || at->ts == NO_EPOCH)
        return; /* nobody may log-decide it for that */
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

static void aborted(struct lep_check *ep, const struct check_event *e)
{
    struct place *at = &ep->place[e->at];
    if (at->abort_step == 0)
        check_violate(&ep->check, LEP5, e->step,
                      "p%u aborted %s (step %" PRIu64 ") without being told to", e->at,
                      epoch_text(at->ts).s, e->step);
    at->abort_step = 0;
}

static void lep_event(struct check *c, const struct check_event *e)
{
    struct lep_check *ep = (struct lep_check *)c;
    struct place *at = &ep->place[e->at];
    if (ev_infos[e->type].abstraction == ABS_LOG) {
        log_event(ep, e);
        return;
    }
    switch (e->type) {
    case EV_LEP_INIT:
        at->ts = e->attr;
        at->leader = e->proc;
        at->aborted = false;
        break;
    case EV_LEP_PROPOSE:
        proposed(ep, e);
        break;
    case EV_LEP_ABORT:
        at->abort_step = e->step + 1;
        at->aborted = true;
        break;
    case EV_LEP_ABORTED:
        aborted(ep, e);
        break;
    case EV_LEP_RELEASE:
        at->released = e->inst > at->released ? e->inst : at->released;
        break;
    case EV_LEP_DECIDE:
        decided(ep, e, at->ts);
        break;
    case EV_LEP_LEARN:
        decided(ep, e, NO_EPOCH);
        break;
    default:
        break;
    }
}

/* ---- the end --------------------------------------------------------------------------------- */

/* Whether every correct process stays in the epoch of p's place. */
static bool undisturbed(const struct lep_check *ep, uint16_t p)
{
    const struct place *its = &ep->place[p];
    for (uint16_t q = 0; q < ep->check.n; q++)
        if (check_correct(&ep->check, q) &&
            (ep->place[q].ts != its->ts || ep->place[q].leader != its->leader ||
             ep->place[q].aborted))
            return false;
    return true;
}

static bool has_decided(const struct lep_check *ep, const struct instance *in, uint16_t p)
{
    return in->life[p] == ep->place[p].life + 1 || in->inst < ep->place[p].released;
}

static void termination(struct lep_check *ep, bool fair, uint64_t step)
{
    for (uint32_t i = 0; i < ep->instances.rows; i++) {
        const struct instance *in = check_table_row(&ep->instances, i);
        if (!in->proposed || !check_never_crashed(&ep->check, in->proposer) ||
            ep->place[in->proposer].ts != in->ts || !undisturbed(ep, in->proposer))
            continue;
        for (uint16_t p = 0; p < ep->check.n; p++)
            if (check_correct(&ep->check, p) && !has_decided(ep, in, p))
                check_owed(&ep->check, LEP4, fair, step,
                           "p%u, which is up, did not log-decide instance %" PRIu64
                           "%s until step %" PRIu64 ", though p%u, leader of epoch %" PRIu64
                           ", proposed for it (step %" PRIu64
                           "), never crashed, and nobody aborted",
                           p, in->inst, in->life[p] != 0 ? " again after its recovery" : "", step,
                           in->proposer, in->ts, in->step);
    }
}

static void abort_behaviour(struct lep_check *ep, bool fair, uint64_t step)
{
    for (uint16_t p = 0; p < ep->check.n; p++)
        if (check_correct(&ep->check, p) && ep->place[p].abort_step != 0)
            check_owed(&ep->check, LEP5, fair, step,
                       "p%u was told to abort %s (step %" PRIu64
                       "), but had not aborted it at step %" PRIu64,
                       p, epoch_text(ep->place[p].ts).s, ep->place[p].abort_step - 1, step);
}

static void lep_end(struct check *c, bool fair, uint64_t step)
{
    check_judge(c);
    termination((struct lep_check *)c, fair, step);
    abort_behaviour((struct lep_check *)c, fair, step);
}

const struct check_class check_lep_class = {
    .abstraction = ABS_LEP,
    .hears = {ABS_LOG},
    .open = lep_open,
    .close = lep_close,
    .reset = lep_reset,
    .event = lep_event,
    .crash = check_crash,
    .recover = lep_recover,
    .end = lep_end,
};
