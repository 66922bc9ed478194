/* SPDX-License-Identifier: BSD-3-Clause */
#include "shrink.h"

#include "catch.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define PAIRS_MAX 40
#define PATIENCE  9 /* of a fair phase that is said to owe something (adversary_judge) */

/* A schedule: a job and the choices of its first phase. */
struct schedule {
    struct sim_job job;
    struct choice *c;
    uint64_t count;
};

struct shrink {
    struct sim_world *w;
    struct schedule best;
    struct schedule try;
    uint64_t max; /* choices that both have room for */
    struct outcome want;
    uint64_t untrue; /* detectors that said what was not so; in a candidate no other may */
    bool strained;   /* the bound that P is promised did not hold; else it must in a candidate */
    bool timely;     /* P may be believed: so it must be in a candidate, see sim_world_late() */
    bool settle;     /* it is violated only in the fair phase */
    bool requests;   /* … in which further requests are made */
    bool gapped;     /* instances are left out between those asked for; else none may be */
    struct shrink_result *r;
    uint64_t limit_ns;
    struct timespec begin;
};

static uint64_t since_ns(const struct timespec *begin)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)(now.tv_sec - begin->tv_sec) * 1000000000u + (uint64_t)now.tv_nsec -
           (uint64_t)begin->tv_nsec;
}

static bool time_is_over(const struct shrink *s)
{
    return s->limit_ns != 0 && since_ns(&s->begin) >= s->limit_ns;
}

/* ---- running a candidate --------------------------------------------------------------------- */

static bool on_frame(const struct choice *c)
{
    return c->kind >= CHOICE_DELIVER && c->kind <= CHOICE_CORRUPT;
}

/* The same choice about the oldest frame of the edge, where the one it names was never sent. */
static bool rename_frame(const struct sim_world *w, struct choice *c)
{
    const struct sim *s = &w->sim;
    for (uint32_t k = 0; on_frame(c) && k < s->flights; k++)
        if (s->flight[k].from == c->p && s->flight[k].to == c->q) {
            c->k = s->flight[k].ordinal;
            c->hint = k;
            return true;
        }
    return false;
}

static bool same(const struct shrink *s, struct outcome *out)
{
    const struct check_result *v = sim_world_violation(s->w, &out->layer);
    if ((s->w->untrue & ~s->untrue) != 0 || (s->w->strain != STRAIN_NONE && !s->strained))
        return false; /* a correct protocol would break, too */
    if (v == NULL || out->layer != s->want.layer || strcmp(v->code, s->want.result.code) != 0)
        return false;
    out->violated = true;
    out->result = *v;
    return true;
}

static void settle(struct shrink *s, struct outcome *out)
{
    struct sim_world *w = s->w;
    struct mix mix = mix_default(STRATEGY_RANDOM, w->job.def, w->n);
    uint32_t ops = w->job.ops;
    mix.patience = PATIENCE;
    if (!s->requests)
        w->job.ops = 0;
    out->fair = adversary_settle(w, &mix);
    w->job.ops = ops;
    if (!same(s, out))
        sim_world_end(w, out->fair);
}

static bool asks_for(const struct schedule *t, uint64_t count, uint64_t inst)
{
    for (uint64_t i = 0; i < count; i++)
        if (t->c[i].kind == CHOICE_REQUEST && t->c[i].b == inst)
            return true;
    return false;
}

/* Whether nobody asks for an instance in front of one that is asked for: a sequence waits there. */
static bool leaves_gap(const struct shrink *s, const struct schedule *t, uint64_t count)
{
    for (uint64_t i = 0; i < count && s->w->app.instance; i++)
        if (t->c[i].kind == CHOICE_REQUEST && t->c[i].b > 0 && !asks_for(t, count, t->c[i].b - 1))
            return true;
    return false;
}

/* A schedule that is being run. */
struct trial {
    struct shrink *s;
    struct schedule *t;
    struct outcome *out;
    uint64_t count;  /* of its choices so far, without those that were not possible */
    bool timely;     /* nothing was late */
    bool settling;   /* it is in its second phase */
    bool unsuitable; /* it asks for more than it may */
};

static void try_choices(void *ctx)
{
    struct trial *x = ctx;
    struct shrink *s = x->s;
    struct sim_world *w = s->w;
    struct schedule *t = x->t;
    char why[256];
    x->unsuitable = sim_world_start(w, &t->job, why, sizeof why) != 0;
    for (uint64_t i = 0; i < t->count && !x->unsuitable && !same(s, x->out); i++) {
        struct choice c = t->c[i];
        x->timely &= !sim_world_late(w, &c);
        x->unsuitable = !x->timely && s->timely;
        if (!x->unsuitable &&
            (sim_world_apply(w, &c) || (rename_frame(w, &c) && sim_world_apply(w, &c))))
            t->c[x->count++] = c;
    }
    x->unsuitable |= s->settle && !s->gapped && leaves_gap(s, t, x->count);
    x->out->first_steps = w->steps;
    x->settling = !x->unsuitable && !x->out->violated && s->settle;
    if (x->settling)
        settle(s, x->out);
}

/* It stopped at an assertion. True: at the one at which it should. */
static bool stops(struct trial *x)
{
    struct shrink *s = x->s;
    struct sim_world *w = s->w;
    sim_world_abandon(w);
    if (!s->want.stopped || catch_left() || !catch_place_is(s->want.result.witness) ||
        (w->untrue & ~s->untrue) != 0)
        return false;
    if (!x->settling && sim_world_within(w))
        x->t->c[x->count++] = w->current;
    x->t->count = x->count;
    w->job.ops = x->t->job.ops;
    *x->out = s->want;
    x->out->first_steps = x->count;
    x->out->result.step = w->steps;
    return true;
}

/* Run a schedule. True: it violates what it should; its choices become those that were possible. */
static bool shows(struct shrink *s, struct schedule *t, struct outcome *out)
{
    struct trial x = {.s = s, .t = t, .out = out, .timely = true};
    s->r->candidates++;
    *out = (struct outcome){0};
    if (!catch_run(try_choices, &x))
        return stops(&x);
    t->count = x.count;
    if (x.unsuitable || !same(s, out))
        return false;
    s->timely |= x.timely && s->w->needs.synchronous;
    return true;
}

/* Begin a candidate that is the best one so far. */
static struct schedule *candidate(struct shrink *s)
{
    s->try.job = s->best.job;
    s->try.count = s->best.count;
    memcpy(s->try.c, s->best.c, s->best.count * sizeof s->best.c[0]);
    return &s->try;
}

/* Run the candidate; keep it if it shows the violation. */
static bool keep(struct shrink *s)
{
    struct outcome out;
    if (time_is_over(s) || !shows(s, &s->try, &out))
        return false;
    struct choice *c = s->best.c;
    s->best = s->try;
    s->try.c = c;
    return true;
}

/* ---- what is left out ------------------------------------------------------------------------ */

static void drop(struct schedule *t, uint64_t from, uint64_t count)
{
    t->count -= count;
    memmove(&t->c[from], &t->c[from + count], (t->count - from) * sizeof t->c[0]);
}

/* Runs of choices, from halves down to single ones, the last first: what is late matters least. */
static bool drop_choices(struct shrink *s)
{
    bool any = false;
    for (uint64_t size = (s->best.count + 1) / 2; size > 0; size /= 2)
        for (uint64_t end = s->best.count; end >= size && end > 0 && !time_is_over(s);) {
            drop(candidate(s), end - size, size);
            if (keep(s))
                any = true;
            end -= size;
            end = end < s->best.count ? end : s->best.count;
        }
    return any;
}

/* Two that only go together; worth its square of candidates when few are left. */
static bool drop_pairs(struct shrink *s)
{
    bool any = false;
    if (s->best.count > PAIRS_MAX)
        return false;
    for (uint64_t j = s->best.count; j-- > 1;)
        for (uint64_t i = j; i-- > 0 && j < s->best.count && !time_is_over(s);) {
            struct schedule *t = candidate(s);
            drop(t, j, 1);
            drop(t, i, 1);
            any |= keep(s);
        }
    return any;
}

/* Where a choice names no second process, its q says nothing. */
static bool names_two(const struct choice *c, const struct sim_app *app)
{
    return on_frame(c) || c->kind == CHOICE_LIE || (c->kind == CHOICE_REQUEST && app->to_process);
}

/* Leave out process p; those behind it move up. */
static void drop_process(struct schedule *t, const struct sim_app *app, uint16_t p)
{
    uint64_t count = 0;
    for (uint64_t i = 0; i < t->count; i++) {
        struct choice c = t->c[i];
        bool of_process = c.kind != CHOICE_ADVANCE && c.kind < CHOICE_ARM;
        bool of_two = of_process && names_two(&c, app);
        if ((of_process && c.p == p) || (of_two && c.q == p))
            continue;
        c.p = (uint16_t)(c.p - (of_process && c.p > p));
        c.q = (uint16_t)(c.q - (of_two && c.q > p));
        /* Of a broadcast that was cut short, one frame at least still stays behind. */
        if (c.kind == CHOICE_CRASH_SENT && t->job.n > 2 && c.k + 2u > t->job.n - 1u)
            c.k = t->job.n - 3u;
        t->c[count++] = c;
    }
    t->count = count;
    t->job.n--;
    if (t->job.unstable == p + 1)
        t->job.unstable = 0;
    else if (t->job.unstable > p + 1)
        t->job.unstable--;
}

static uint64_t without_bit(uint64_t set, uint16_t p)
{
    const uint64_t below = p < 64 ? (1ull << p) - 1 : UINT64_MAX;
    return (set & below) | (set >> 1 & ~below);
}

/* In a rule, too, those behind p move up. False: it is about p, or one of its sides about nobody. */
static bool drop_from_rule(struct fault_rule *r, uint16_t p, uint16_t left)
{
    const uint64_t all = left < 64 ? (1ull << left) - 1 : UINT64_MAX;
    const uint64_t side = without_bit(r->side, p) & all;
    if (r->from == p || r->to == p || (r->side != 0 && (side == 0 || (side == all && left <= 64))))
        return false;
    r->from = (uint16_t)(r->from - (r->from != FAULT_ANY && r->from > p));
    r->to = (uint16_t)(r->to - (r->to != FAULT_ANY && r->to > p));
    r->side = side;
    r->other = without_bit(r->other, p);
    return true;
}

static bool drop_processes(struct shrink *s)
{
    bool any = false;
    for (uint16_t p = s->best.job.n; p-- > 0 && s->best.job.n > 1;) {
        struct schedule *t = candidate(s);
        bool left_out = true;
        for (uint16_t i = 0; i < t->job.faults; i++)
            left_out &= drop_from_rule(&t->job.fault[i], p, (uint16_t)(t->job.n - 1));
        if (!left_out)
            continue;
        drop_process(t, &s->w->app, p);
        any |= keep(s);
    }
    return any;
}

static void drop_rule(struct schedule *t, uint16_t rule)
{
    uint64_t count = 0;
    for (uint64_t i = 0; i < t->count; i++) {
        struct choice c = t->c[i];
        bool about_rule = c.kind == CHOICE_ARM || c.kind == CHOICE_DISARM;
        if (about_rule && c.k == rule)
            continue;
        c.k -= about_rule && c.k > rule;
        t->c[count++] = c;
    }
    t->count = count;
    t->job.faults--;
    memmove(&t->job.fault[rule], &t->job.fault[rule + 1],
            (size_t)(t->job.faults - rule) * sizeof t->job.fault[0]);
}

static bool drop_rules(struct shrink *s)
{
    bool any = false;
    for (uint16_t i = s->best.job.faults; i-- > 0;) {
        drop_rule(candidate(s), i);
        any |= keep(s);
    }
    return any;
}

/* ---- what becomes simpler -------------------------------------------------------------------- */

/* A simpler choice in place of one; false: it is simple. */
static bool simplify(struct choice *c)
{
    switch (c->kind) {
    case CHOICE_DUPLICATE:
        c->kind = c->b == WAITS ? CHOICE_ARRIVE : CHOICE_DELIVER;
        c->b = 0;
        return true;
    case CHOICE_ARRIVE:
        c->kind = CHOICE_DELIVER;
        return true;
    case CHOICE_CORRUPT:
        c->kind = CHOICE_DROP;
        return true;
    case CHOICE_CRASH_AT:
    case CHOICE_CRASH_SENT:
        c->kind = CHOICE_CRASH;
        c->k = 0;
        return true;
    case CHOICE_ADVANCE:
        c->a /= 2;
        return c->a > 0;
    default:
        return false;
    }
}

static bool simplify_choices(struct shrink *s)
{
    bool any = false;
    for (uint64_t i = s->best.count; i-- > 0;)
        while (i < s->best.count && simplify(&candidate(s)->c[i]) && keep(s))
            any = true;
    return any;
}

static uint64_t requests_of(const struct schedule *t)
{
    uint64_t most = 0, count[PROCS_MAX] = {0};
    for (uint64_t i = 0; i < t->count; i++)
        if (t->c[i].kind == CHOICE_REQUEST && ++count[t->c[i].p] > most)
            most = count[t->c[i].p];
    return most;
}

static bool simplify_job(struct shrink *s)
{
    bool any = false;
    if (s->best.job.msg_bytes > 8) {
        candidate(s)->job.msg_bytes = 8;
        any |= keep(s);
    }
    uint64_t ops = requests_of(&s->best);
    if (s->best.job.ops > ops) {
        candidate(s)->job.ops = (uint32_t)ops;
        any |= keep(s);
    }
    return any;
}

/* ---- shrinking ------------------------------------------------------------------------------- */

static bool is_mishap(const struct choice *c)
{
    return c->kind != CHOICE_STEP && c->kind != CHOICE_DELIVER && c->kind != CHOICE_ARRIVE &&
           c->kind != CHOICE_TIMER && c->kind != CHOICE_ADVANCE && c->kind != CHOICE_REQUEST &&
           c->kind != CHOICE_RESUME && c->kind != CHOICE_HEAL;
}

static struct shrink_size size_of(const struct schedule *t)
{
    struct shrink_size z = {.n = t->job.n, .faults = t->job.faults, .choices = t->count};
    for (uint64_t i = 0; i < t->count; i++) {
        z.requests += t->c[i].kind == CHOICE_REQUEST;
        z.mishaps += is_mishap(&t->c[i]);
        z.delay_ns += t->c[i].kind == CHOICE_ADVANCE ? t->c[i].a : 0;
    }
    return z;
}

/* The choices of the first phase: the second begins when the world is healed. */
static void take_record(struct shrink *s)
{
    const struct sim_world *w = s->w;
    s->best.job = w->job;
    memcpy(s->best.c, w->record, w->records * sizeof s->best.c[0]);
    s->best.count = w->records;
    if (s->want.stopped && sim_world_within(w))
        s->best.c[s->best.count++] = w->current;
    for (uint64_t i = 0; i < s->best.count; i++)
        if (s->best.c[i].kind == CHOICE_HEAL) {
            s->best.count = i;
            return;
        }
}

/* How the record shows the violation again: without a fair phase, with one, with its requests. */
static bool again(struct shrink *s)
{
    struct outcome out;
    for (int how = 0; how < 3; how++) {
        s->settle = how > 0;
        s->requests = how > 1;
        candidate(s);
        if (shows(s, &s->try, &out))
            return true;
    }
    return false;
}

static void shrink_all(struct shrink *s)
{
    bool any = true;
    while (any && !time_is_over(s)) {
        any = drop_rules(s);
        any |= drop_choices(s);
        any |= drop_processes(s);
        any |= simplify_choices(s);
        any |= simplify_job(s);
        if (!any)
            any = drop_pairs(s);
    }
    s->r->complete = !time_is_over(s);
}

int shrink_run(struct sim_world *w, const struct outcome *out, uint64_t limit_ns,
               struct shrink_result *r)
{
    struct shrink s = {.w = w,
                       .want = *out,
                       .untrue = w->untrue,
                       .strained = w->strain != STRAIN_NONE,
                       .r = r,
                       .limit_ns = limit_ns,
                       .max = w->records + 2};
    *r = (struct shrink_result){0};
    clock_gettime(CLOCK_MONOTONIC, &s.begin);
    s.best.c = malloc(s.max * sizeof s.best.c[0]);
    s.try.c = malloc(s.max * sizeof s.try.c[0]);
    int err = s.best.c == NULL || s.try.c == NULL ? -ENOMEM : 0;
    catch_quiet(true);
    if (err == 0) {
        take_record(&s);
        r->before = size_of(&s.best);
        s.gapped = leaves_gap(&s, &s.best, s.best.count);
        err = again(&s) ? 0 : -EINVAL;
    }
    if (err == 0) {
        shrink_all(&s);
        candidate(&s);
        err = shows(&s, &s.try, &r->out) ? 0 : -EINVAL;
        r->after = size_of(&s.try);
    }
    catch_quiet(false);
    free(s.best.c);
    free(s.try.c);
    r->ns = since_ns(&s.begin);
    return err;
}

int shrink_text(const struct shrink_result *r, char *text, size_t size)
{
    const struct shrink_size *b = &r->before, *a = &r->after;
    return snprintf(text, size,
                    "%u → %u processes, %" PRIu64 " → %" PRIu64 " choices, %" PRIu64 " → %" PRIu64
                    " requests, %" PRIu64 " → %" PRIu64 " mishaps, %u → %u fault rules, %.3f → "
                    "%.3f ms advanced; %" PRIu64 " candidates in %.2f s%s",
                    b->n, a->n, b->choices, a->choices, b->requests, a->requests, b->mishaps,
                    a->mishaps, b->faults, a->faults, (double)b->delay_ns / 1e6,
                    (double)a->delay_ns / 1e6, r->candidates, (double)r->ns / 1e9,
                    r->complete ? ", nothing can be left out" : ", the time was over");
}
