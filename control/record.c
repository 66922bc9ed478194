/* SPDX-License-Identifier: BSD-3-Clause */
#include "record.h"

#include <math.h>
#include <stdio.h>

#define XXH_INLINE_ALL /* an operation is short: a call would cost more than the hash */
#include <xxhash.h>

#define RECORDS_LIVE   (256u * 1024) /* of a process, where they are read while it runs */
#define RECORDS_SPARE  4096          /* beyond what is expected */
#define RECORDS_MARGIN 1.02

/* ---- what is to be recorded ------------------------------------------------------------------ */

/* Operations that all sources together will issue; consensus: that each of them will. */
static double expected_ops(const struct job *job)
{
    uint64_t ns = job->warmup_ns + job->duration_ns + LOAD_GRACE_NS;
    return job->rate * (double)ns / 1e9 * RECORDS_MARGIN;
}

/* Records of process p: what it requests, and what it is told. */
static double expected_records(const struct job *job, uint32_t p)
{
    const uint8_t shape = job->top->shape;
    const double ops = expected_ops(job), sources = __builtin_popcountll(job->sources);
    const double each = shape == LOAD_ONE_VALUE ? ops : ops / sources;
    bool source = job->sources >> p & 1, hears = job->sources >> (p + job->n - 1) % job->n & 1;
    double told = shape != LOAD_TO_NEXT ? ops : hears ? each : 0;
    return (source ? each : 0) + told + RECORDS_SPARE;
}

static bool nothing(struct record_plan *plan, const char *why)
{
    snprintf(plan->why, sizeof plan->why, "%s", why);
    return false;
}

/* Whether auto records the border: the number of records must be known, and within the bound. */
static bool worth(struct record_plan *plan, const struct job *job)
{
    double all = 0;
    if (job->mode == JOB_CLOSED)
        return nothing(plan, "a closed loop has no rate that bounds its records");
    if (job->top->lossy)
        return nothing(plan, "a link that delivers again and again has no bound of records");
    for (uint32_t p = 0; p < job->n; p++)
        all += expected_records(job, p);
    if (all <= RECORDS_MAX)
        return true;
    snprintf(plan->why, sizeof plan->why, "%.3g M records are expected, and %.3g M are kept",
             all / 1e6, RECORDS_MAX / 1e6);
    return false;
}

/* Cells until the load has ended, of a multiple of the least width. */
static void plan_cells(struct record_plan *plan, const struct job *job)
{
    uint64_t ns = job->warmup_ns + job->duration_ns + LOAD_GRACE_NS;
    plan->cell_ns = (ns / CELLS_MAX / CELL_NS + 1) * CELL_NS;
    plan->cells = (uint32_t)(ns / plan->cell_ns) + 1;
}

void record_plan(struct record_plan *plan, const struct job *job, bool spare)
{
    *plan = (struct record_plan){.rare = job->record != JOB_RECORD_OFF};
    if (job->record == JOB_RECORD_OFF) {
        (void)nothing(plan, "job.record is off");
        return;
    }
    plan_cells(plan, job);
    if (job->goes_on) {
        (void)nothing(plan, "what earlier runs over these logs requested is not recorded");
        return;
    }
    if (job->record == JOB_RECORD_AUTO && !worth(plan, job))
        return;
    const double share = (double)RECORDS_MAX / job->n;
    for (uint32_t p = 0; p < job->n; p++) {
        double want = job->mode == JOB_CLOSED || job->top->lossy ? share : expected_records(job, p);
        /* In auto the sum is bounded, and a source may have more than its share. */
        if (job->record == JOB_RECORD_FULL && want > share)
            want = share;
        plan->border[p] = spare && want > RECORDS_LIVE ? RECORDS_LIVE : (uint64_t)want;
    }
}

/* ---- the area ---------------------------------------------------------------------------------- */

static size_t head_bytes(uint32_t n)
{
    return (sizeof(struct record_area) + n * sizeof(struct record_row) + 63) & ~(size_t)63;
}

static uint64_t capacity(const struct record_plan *plan, uint32_t p, uint32_t ring)
{
    return ring == RECORD_BORDER ? plan->border[p] : plan->rare ? RECORDS_RARE : 0;
}

size_t record_area_bytes(const struct record_plan *plan, uint32_t n)
{
    size_t bytes = head_bytes(n);
    if (!plan->rare)
        return 0;
    for (uint32_t p = 0; p < n; p++)
        for (uint32_t k = 0; k < RECORD_RINGS; k++)
            bytes += (capacity(plan, p, k) + 1) / 2 * 2 * sizeof(struct record);
    return bytes + (size_t)n * plan->cells * sizeof(struct cell);
}

void record_area_init(struct record_area *a, const struct record_plan *plan, uint32_t n)
{
    uint64_t at = head_bytes(n);
    a->n = n;
    a->cells = plan->cells;
    a->cell_ns = plan->cell_ns;
    for (uint32_t p = 0; p < n; p++)
        for (uint32_t k = 0; k < RECORD_RINGS; k++) {
            a->row[p].capacity[k] = capacity(plan, p, k);
            a->row[p].at[k] = at;
            at += (capacity(plan, p, k) + 1) / 2 * 2 * sizeof(struct record);
        }
    a->cells_at = at;
}

struct record_area *record_area_of(const struct board *b)
{
    return b->extra_at != 0 ? (struct record_area *)((uintptr_t)b + b->extra_at) : NULL;
}

/* ---- writing ----------------------------------------------------------------------------------- */

/* From now on this ring is not written: whoever reads learns from when on. */
static __attribute__((cold, noinline)) void end_ring(struct recorder *r, uint32_t k,
                                                     uint64_t now_ns)
{
    r->ended[k] = true;
    board_put(&r->row->lost_ns[k], now_ns > 0 ? now_ns : 1);
}

/* Records that fit; the reader's word is looked at when they seem not to. */
static bool fits(struct recorder *r, uint32_t k, uint32_t n)
{
    if (likely(r->head[k] + n - r->tail[k] <= r->capacity[k]))
        return true;
    r->tail[k] = atomic_load_explicit(&r->row->tail[k], memory_order_acquire);
    return r->head[k] + n - r->tail[k] <= r->capacity[k];
}

static void describe(struct record *w, const struct ev *e, uint64_t now_ns)
{
    w->time_ns = now_ns;
    w->digest = e->attr;
    w->inst = e->inst;
    w->number = 0;
    w->len = 0;
    w->type = (uint8_t)e->type;
    w->proc = e->proc < UINT8_MAX ? (uint8_t)e->proc : UINT8_MAX;
    if (e->seg == NULL)
        return;
    const uint8_t *data = msg_data(ev_msg(e));
    w->digest = XXH3_64bits(data, e->len);
    w->len = (uint16_t)(e->len + 1);
    if (e->len >= OP_BYTES_MIN)
        w->number = le32_get(data + offsetof(struct op_wire, number));
}

static void publish(struct recorder *r, uint32_t k, uint64_t now_ns)
{
    atomic_store_explicit(&r->row->head[k], r->head[k], memory_order_release);
    atomic_store_explicit(&r->row->seen_ns, now_ns, memory_order_release);
}

static void write_run(struct recorder *r, uint32_t k, const struct ev *ev, uint32_t n,
                      uint64_t now_ns)
{
    if (unlikely(r->ended[k]))
        return;
    if (unlikely(!fits(r, k, n))) {
        end_ring(r, k, now_ns);
        return;
    }
    uint64_t at = r->next[k];
    for (uint32_t i = 0; i < n; i++) {
        describe(&r->ring[k][at], &ev[i], now_ns);
        at = at + 1 == r->capacity[k] ? 0 : at + 1;
    }
    r->next[k] = at;
    r->head[k] += n;
    publish(r, k, now_ns);
}

/* The stamp of this breath's records. */
static uint64_t stamp(struct recorder *r, const struct stack *st)
{
    if (r->breath != st->steps + 1) {
        r->breath = st->steps + 1;
        r->stamp_ns = st->env->ops->now(st->env);
    }
    return r->stamp_ns;
}

/* Stands before a handler: record, then let it do its work. */
static void upon_border(struct co *self, const struct ev *ev, uint32_t n)
{
    struct recorder *r = self->st->recorder;
    write_run(r, r->border[ev->type], ev, n, stamp(r, self->st));
    r->own[self->index][ev->type](self, ev, n);
}

/* An alarm of the application: a process to which nothing happens says that nothing did. */
static void upon_alarm(struct co *self, const struct ev *ev, uint32_t n)
{
    struct recorder *r = self->st->recorder;
    atomic_store_explicit(&r->row->seen_ns, stamp(r, self->st), memory_order_release);
    r->own[self->index][ev->type](self, ev, n);
}

/* ---- where it stands --------------------------------------------------------------------------- */

static void stand_before(struct recorder *r, struct co *c, uint32_t type, co_upon_fn *ours)
{
    if (c->upon[type] == NULL)
        return;
    if (r->own[c->index] == NULL) {
        r->own[c->index] = c->upon;
        memcpy(r->upon[c->index], c->upon, sizeof r->upon[c->index]);
        c->upon = r->upon[c->index];
    }
    r->upon[c->index][type] = ours;
}

/* All events of an abstraction that go one way, at the component that handles them. */
static void listen_at(struct recorder *r, struct co *c, uint32_t abstraction, enum ev_way way,
                      enum record_ring ring)
{
    for (uint32_t type = 0; type < EV_TYPES; type++)
        if (ev_infos[type].abstraction == abstraction && ev_infos[type].way == way) {
            r->border[type] = (uint8_t)ring;
            stand_before(r, c, type, upon_border);
        }
}

bool record_is_rare(uint32_t abstraction)
{
    switch (abstraction) {
    case ABS_P:
    case ABS_LE:
    case ABS_EPFD:
    case ABS_OMEGA:
    case ABS_EC:
    case ABS_LEC:
        return true;
    default:
        return false;
    }
}

void recorder_init(struct recorder *r, struct record_area *a, uint16_t p)
{
    struct record_row *row = &a->row[p];
    *r = (struct recorder){.row = row};
    for (uint32_t k = 0; k < RECORD_RINGS; k++) {
        r->ring[k] = record_ring(a, p, k);
        r->capacity[k] = row->capacity[k];
        r->ended[k] = r->capacity[k] == 0 || board_get(&row->lost_ns[k]) != 0;
        r->head[k] = atomic_load_explicit(&row->head[k], memory_order_acquire);
        r->tail[k] = atomic_load_explicit(&row->tail[k], memory_order_acquire);
        r->next[k] = r->capacity[k] > 0 ? r->head[k] % r->capacity[k] : 0;
    }
}

void recorder_listen(struct recorder *r, struct stack *st)
{
    st->recorder = r;
    memset(r->own, 0, sizeof r->own); /* another life's components are gone */
    r->breath = 0;
    for (uint32_t i = 0; i < st->components; i++) {
        struct co *c = st->co[i];
        if (record_is_rare(c->cls->implements) &&
            c->users > 0) /* its first user: each indication once */
            listen_at(r, c->user[0], c->cls->implements, EV_WAY_INDICATION, RECORD_RARE);
    }
    if (r->capacity[RECORD_BORDER] > 0) {
        struct co *top = st->app->use[0];
        listen_at(r, top, top->cls->implements, EV_WAY_REQUEST, RECORD_BORDER);
        listen_at(r, st->app, top->cls->implements, EV_WAY_INDICATION, RECORD_BORDER);
    }
    stand_before(r, st->app, EV_TIMER_TIMEOUT, upon_alarm);
    uint64_t lives = board_get(&r->row->lives) + 1;
    board_put(&r->row->lives, lives); /* before it is recorded: else a kill here would hide it */
    if (lives > 1) {
        const struct ev life = {.type = EV_NONE, .attr = lives};
        for (uint32_t k = 0; k < RECORD_RINGS; k++)
            write_run(r, k, &life, 1, stamp(r, st));
    }
}

void recorder_leave(struct recorder *r, struct stack *st)
{
    for (uint32_t i = 0; i < st->components; i++)
        if (r->own[i] != NULL) {
            st->co[i]->upon = r->own[i];
            r->own[i] = NULL;
        }
    st->recorder = NULL;
}
