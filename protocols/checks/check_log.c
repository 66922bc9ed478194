/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stable storage (CGR Section 2.2.4: store and retrieve), as a log of records, for each user of it
 * at each process. What a user stores is kept here in order, over all its lives, and compared with
 * what a further life is told that it found.
 *
 * LOG1  what a process stores is stored, unless it crashes before.
 * LOG2  after a recovery every record that had been stored is found, and none but of those whose
 *       storing had begun. ⟨log, Compact⟩ excuses: the users store again in that same step what
 *       must survive; once all of that is found, what is older may be gone.
 * LOG3  records are found in the order of their storing, each once: without a gap.
 * LOG4  no two lives of a process have the same incarnation.
 * LOG5  ⟨log, Stored | i⟩ answers a ⟨log, Store | i⟩ of the same life, each one once.
 *
 * What was not found is gone for good: a later recovery must not bring it back.
 */
#include "check_table.h"

#include <stdlib.h>

enum { LOG1, LOG2, LOG3, LOG4, LOG5 };

struct record {
    uint64_t key; /* of its name and bytes */
    uint64_t name;
    uint64_t step;
    bool stored;
};

/* ⟨log, Compact⟩ at a user: what it stored before `at` is stored again in [at, end). */
struct compaction {
    uint64_t number; /* of the process's compactions */
    uint64_t step;
    size_t at;
    size_t end;
};

/* A user at a process. */
struct user {
    struct record *record;
    size_t records, record_max;
    size_t answered; /* all before it are stored, or of an earlier life */
    struct compaction *compaction;
    size_t compactions, compaction_max;
    struct record *found; /* in this life */
    size_t founds, found_max;
    size_t begin; /* where in `record` the found ones begin; SIZE_MAX: nowhere */
    bool recovered;
};

struct life {
    uint64_t recovered_step;
    uint64_t compact_step; /* of the last ⟨log, Compact⟩ */
    uint64_t compactions;
    uint64_t incarnation;
    uint32_t number;
    bool judged; /* what this life found */
};

/* The life that had an incarnation. */
struct lived {
    uint64_t step;
    uint32_t life;
    bool known;
};

struct log_check {
    struct check check;
    struct check_table incarnations; /* by process and number */
    struct user **user;              /* [process × CO_PORTS_MAX + port]; NULL: none yet */
    struct life life[];
};

static struct log_check *state(struct check *c)
{
    return (struct log_check *)c;
}

static struct check *log_open(uint16_t n)
{
    struct log_check *l =
        check_open(&check_log_class, n, sizeof(struct log_check) + n * sizeof(struct life));
    check_table_init(&l->incarnations, sizeof(struct lived));
    l->user = check_zeroed((size_t)n * CO_PORTS_MAX * sizeof(struct user *));
    return &l->check;
}

static void log_close(struct check *c)
{
    struct log_check *l = state(c);
    for (size_t i = 0; i < (size_t)c->n * CO_PORTS_MAX; i++)
        if (l->user[i] != NULL) {
            free(l->user[i]->record);
            free(l->user[i]->compaction);
            free(l->user[i]->found);
            free(l->user[i]);
        }
    free(l->user);
    check_table_fini(&l->incarnations);
    free(l);
}

static void log_reset(struct check *c)
{
    struct log_check *l = state(c);
    check_restart(c);
    check_table_reset(&l->incarnations);
    memset(l->life, 0, c->n * sizeof l->life[0]);
    for (size_t i = 0; i < (size_t)c->n * CO_PORTS_MAX; i++)
        if (l->user[i] != NULL) {
            struct user *u = l->user[i];
            u->records = u->answered = u->compactions = u->founds = 0;
            u->recovered = false;
        }
}

/* The user of that port at p. NULL: the port is none. */
static struct user *user_of(struct log_check *l, uint16_t p, uint16_t port)
{
    if (port >= CO_PORTS_MAX)
        return NULL;
    struct user **u = &l->user[(size_t)p * CO_PORTS_MAX + port];
    if (*u == NULL)
        *u = check_zeroed(sizeof **u);
    return *u;
}

/* ---- what a life found ----------------------------------------------------------------------- */

/* Whether what was found is what was stored from `at` on. */
static bool found_at(const struct user *u, size_t at)
{
    for (size_t i = 0; i < u->founds; i++)
        if (u->record[at + i].key != u->found[i].key)
            return false;
    return true;
}

/* Where what was found lies in what was stored, the latest place of several; SIZE_MAX: nowhere. */
static size_t place_found(const struct user *u)
{
    if (u->founds > u->records)
        return SIZE_MAX;
    for (size_t at = u->records - u->founds + 1; at-- > 0;)
        if (found_at(u, at))
            return at;
    return SIZE_MAX;
}

/* Whether all that the compaction stored again is found, at every user of p. */
static bool complete(const struct log_check *l, uint16_t p, uint64_t number)
{
    for (uint16_t port = 0; port < CO_PORTS_MAX; port++) {
        const struct user *u = l->user[(size_t)p * CO_PORTS_MAX + port];
        for (size_t i = 0; u != NULL && i < u->compactions; i++) {
            const struct compaction *k = &u->compaction[i];
            if (k->number == number && k->at < k->end &&
                (u->founds == 0 || u->begin == SIZE_MAX || u->begin + u->founds < k->end))
                return false;
        }
    }
    return true;
}

/* What was stored before it may be missing. */
static size_t excused(const struct log_check *l, uint16_t p, const struct user *u)
{
    for (size_t i = u->compactions; i-- > 0;)
        if (complete(l, p, u->compaction[i].number))
            return u->compaction[i].at;
    return 0;
}

static bool holds_key(const struct record *r, size_t n, uint64_t key)
{
    for (size_t i = 0; i < n; i++)
        if (r[i].key == key)
            return true;
    return false;
}

/* What was found is no part of what was stored: say how. */
static void misplaced(struct log_check *l, uint16_t p, uint16_t port, const struct user *u,
                      size_t from)
{
    for (size_t i = 0; i < u->founds; i++)
        if (!holds_key(u->record, u->records, u->found[i].key)) {
            check_violate(&l->check, LOG2, u->found[i].step,
                          "p%u found a record %016" PRIx64 " of user %u (step %" PRIu64
                          ") that it had not stored, or not found before",
                          p, u->found[i].name, port, u->found[i].step);
            return;
        }
    for (size_t i = from; i < u->records; i++)
        if (u->record[i].stored && !holds_key(u->found, u->founds, u->record[i].key)) {
            check_violate(&l->check, LOG2, l->life[p].recovered_step,
                          "p%u had stored record %016" PRIx64 " of user %u (step %" PRIu64
                          "), but did not find it when it recovered (step %" PRIu64 ")",
                          p, u->record[i].name, port, u->record[i].step, l->life[p].recovered_step);
            return;
        }
    check_violate(&l->check, LOG3, l->life[p].recovered_step,
                  "p%u recovered (step %" PRIu64 ") and found %zu records of user %u, which it had "
                  "stored, but not one after the other, each once",
                  p, l->life[p].recovered_step, u->founds, port);
}

/* The first record, stored and not excused, that lies outside of [at, at + founds). */
static const struct record *missing(const struct user *u, size_t from, size_t at)
{
    for (size_t i = from; i < u->records; i++)
        if (u->record[i].stored && (i < at || i >= at + u->founds))
            return &u->record[i];
    return NULL;
}

/*
 * All that was stored, and is not excused, must have been found. Equal records, which a compaction
 * makes, may leave several places for what was found: one that fits is enough.
 */
static void nothing_missing(struct log_check *l, uint16_t p, uint16_t port, const struct user *u,
                            size_t from)
{
    const struct record *r = missing(u, from, u->begin);
    for (size_t at = u->begin; r != NULL && at-- > 0;)
        if (found_at(u, at))
            r = missing(u, from, at);
    if (r != NULL)
        check_violate(&l->check, LOG2, l->life[p].recovered_step,
                      "p%u had stored record %016" PRIx64 " of user %u (step %" PRIu64
                      "), but did not find it when it recovered (step %" PRIu64 ")",
                      p, r->name, port, r->step, l->life[p].recovered_step);
}

/* From now on the log is what was found. */
static void keep_found(struct user *u)
{
    struct record *r = u->record;
    size_t max = u->record_max;
    u->record = u->found;
    u->record_max = u->found_max;
    u->records = u->answered = u->founds;
    for (size_t i = 0; i < u->records; i++)
        u->record[i].stored = true;
    u->found = r;
    u->found_max = max;
    u->founds = u->compactions = 0;
    u->recovered = false;
}

/* A life has been told all that it found; or it ended before, and then nothing is known. */
static void judge_found(struct log_check *l, uint16_t p)
{
    if (l->life[p].judged)
        return;
    l->life[p].judged = true;
    struct user **user = &l->user[(size_t)p * CO_PORTS_MAX];
    for (uint16_t port = 0; port < CO_PORTS_MAX; port++)
        if (user[port] != NULL)
            user[port]->begin = place_found(user[port]);
    for (uint16_t port = 0; port < CO_PORTS_MAX; port++) {
        struct user *u = user[port];
        if (u == NULL || !u->recovered)
            continue;
        size_t from = excused(l, p, u);
        if (u->begin == SIZE_MAX)
            misplaced(l, p, port, u, from);
        else
            nothing_missing(l, p, port, u, from);
    }
    for (uint16_t port = 0; port < CO_PORTS_MAX; port++)
        if (user[port] != NULL && user[port]->recovered)
            keep_found(user[port]);
        else if (user[port] != NULL)
            user[port]->founds = 0;
}

/* ---- events ---------------------------------------------------------------------------------- */

static struct record record_of(const struct check_event *e)
{
    return (struct record){check_bytes_key(e->inst, 0, e->msg, e->len), e->inst, e->step, false};
}

static void stores(struct user *u, const struct check_event *e)
{
    u->record = check_grow(u->record, u->records, &u->record_max, sizeof u->record[0]);
    u->record[u->records++] = record_of(e);
    if (u->compactions > 0 && u->compaction[u->compactions - 1].step == e->step)
        u->compaction[u->compactions - 1].end = u->records;
}

/* ⟨log, Stored | i⟩: the oldest of that name that is not answered yet. */
static void stored(struct log_check *l, struct user *u, const struct check_event *e)
{
    size_t i = u->answered;
    while (i < u->records && (u->record[i].stored || u->record[i].name != e->inst))
        i++;
    if (i < u->records)
        u->record[i].stored = true;
    else
        check_violate(&l->check, LOG5, e->step,
                      "p%u was told that record %016" PRIx64 " of user %u is stored (step %" PRIu64
                      "), but each that it asked for in this life under that name had its answer",
                      e->at, e->inst, e->port, e->step);
    while (u->answered < u->records && u->record[u->answered].stored)
        u->answered++;
}

static void found(struct user *u, const struct check_event *e)
{
    u->found = check_grow(u->found, u->founds, &u->found_max, sizeof u->found[0]);
    u->found[u->founds++] = record_of(e);
}

static void recovered(struct log_check *l, struct user *u, const struct check_event *e)
{
    struct life *life = &l->life[e->at];
    u->recovered = true;
    life->recovered_step = e->step;
    struct lived *x = check_table_get(&l->incarnations, check_key(e->attr, e->at));
    if (!x->known)
        *x = (struct lived){e->step, life->number, true};
    else if (x->life != life->number)
        check_violate(&l->check, LOG4, e->step,
                      "p%u began a life as incarnation %" PRIu64 " (step %" PRIu64
                      "), as it had before (step %" PRIu64 ")",
                      e->at, e->attr, e->step, x->step);
}

static void compacts(struct log_check *l, struct user *u, const struct check_event *e)
{
    struct life *life = &l->life[e->at];
    if (life->compactions == 0 || life->compact_step != e->step)
        life->compactions++;
    life->compact_step = e->step;
    u->compaction =
        check_grow(u->compaction, u->compactions, &u->compaction_max, sizeof u->compaction[0]);
    u->compaction[u->compactions++] =
        (struct compaction){life->compactions, e->step, u->records, u->records};
}

static void log_event(struct check *c, const struct check_event *e)
{
    struct log_check *l = state(c);
    uint16_t port = e->type == EV_LOG_STORE ? (uint16_t)e->attr : e->port;
    struct user *u = user_of(l, e->at, port);
    if (u == NULL || ev_infos[e->type].abstraction != ABS_LOG)
        return;
    if (e->type == EV_LOG_FOUND) {
        found(u, e);
        return;
    }
    if (e->type == EV_LOG_RECOVERED) {
        recovered(l, u, e);
        return;
    }
    judge_found(l, e->at);
    if (e->type == EV_LOG_STORE)
        stores(u, e);
    else if (e->type == EV_LOG_STORED)
        stored(l, u, e);
    else
        compacts(l, u, e);
}

static void log_crash(struct check *c, uint16_t p, uint64_t step)
{
    check_crash(c, p, step);
    judge_found(state(c), p);
}

static void log_recover(struct check *c, uint16_t p, uint64_t step)
{
    struct life *life = &state(c)->life[p];
    check_recovered(c, p, step);
    judge_found(state(c), p);
    *life = (struct life){.number = life->number + 1};
}

static void log_end(struct check *c, bool fair, uint64_t step)
{
    struct log_check *l = state(c);
    check_judge(c);
    for (uint16_t p = 0; p < c->n; p++) {
        judge_found(l, p);
        for (uint16_t port = 0; check_correct(c, p) && port < CO_PORTS_MAX; port++) {
            const struct user *u = l->user[(size_t)p * CO_PORTS_MAX + port];
            for (size_t i = 0; u != NULL && i < u->records; i++)
                if (!u->record[i].stored)
                    check_owed(c, LOG1, fair, step,
                               "p%u asked to store record %016" PRIx64 " of user %u (step %" PRIu64
                               ") and did not crash, but it was not stored until step %" PRIu64,
                               p, u->record[i].name, port, u->record[i].step, step);
        }
    }
}

const struct check_class check_log_class = {
    .abstraction = ABS_LOG,
    .open = log_open,
    .close = log_close,
    .reset = log_reset,
    .event = log_event,
    .crash = log_crash,
    .recover = log_recover,
    .end = log_end,
};
