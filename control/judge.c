/* SPDX-License-Identifier: BSD-3-Clause */
#include "judge.h"

#include "dataplane/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- opening ----------------------------------------------------------------------------------- */

static int open_sources(struct judge *j)
{
    j->source = calloc((size_t)j->n * RECORD_RINGS, sizeof *j->source);
    if (j->source == NULL)
        return -ENOMEM;
    for (uint16_t p = 0; p < j->n; p++)
        for (uint32_t k = 0; k < RECORD_RINGS; k++)
            if (j->area->row[p].capacity[k] > 0)
                j->source[j->sources++] =
                    (struct judge_source){.ring = record_ring(j->area, p, k),
                                          .capacity = j->area->row[p].capacity[k],
                                          .next_ns = UINT64_MAX,
                                          .p = (uint8_t)p,
                                          .kind = (uint8_t)k};
    return 0;
}

static bool is_recorded(const struct judge *j, uint32_t abstraction)
{
    if (abstraction == j->top->abstraction)
        return j->area->row[0].capacity[RECORD_BORDER] > 0;
    return record_is_rare(abstraction);
}

int judge_open(struct judge *j, struct record_area *area, const struct job *job)
{
    *j = (struct judge){.area = area,
                        .top = job->top,
                        .n = (uint16_t)job->n,
                        .covered_ns = {UINT64_MAX, UINT64_MAX},
                        .events_max = JUDGE_EVENTS_MAX,
                        .digests_do = job->record == JOB_RECORD_AUTO};
    if (area == NULL)
        return 0;
    for (const struct stack_layer *l = job->def->layers; l->name != NULL; l++) {
        uint8_t a = l->cls->implements;
        const struct check_class *cls = check_find(a);
        if (cls == NULL || j->check[a] != NULL || !is_recorded(j, a))
            continue;
        if (cls->hears[0] != ABS_NONE) /* borders that are not recorded */
            continue;
        j->layer[a] = l->name;
        j->check[a] = cls->open(j->n);
        j->check[a]->forwarded = job->conf.forward;
    }
    return open_sources(j);
}

void judge_close(struct judge *j)
{
    for (uint32_t a = 0; a < ABSTRACTIONS; a++)
        if (j->check[a] != NULL)
            j->check[a]->cls->close(j->check[a]);
    free(j->source);
    free(j->rare);
    *j = (struct judge){0};
}

void judge_start(struct judge *j, uint64_t start_ns)
{
    j->start_ns = start_ns;
}

/* ---- crashes ----------------------------------------------------------------------------------- */

void judge_crash(struct judge *j, uint16_t p, uint64_t time_ns)
{
    if (j->crashed >> p & 1 || j->crashes == JUDGE_CRASHES_MAX)
        return;
    j->crashed |= 1ull << p;
    uint32_t i = j->crashes++;
    for (; i > j->crashes_shown && j->crash[i - 1].time_ns > time_ns; i--)
        j->crash[i] = j->crash[i - 1];
    j->crash[i].time_ns = time_ns;
    j->crash[i].p = p;
}

/*
 * A process that has crashed comes no further; the last that it said is no later than the crash,
 * so a detector is not accused of having known too early. One that comes further lives again, and
 * its own record says from when on.
 */
void judge_watch(struct judge *j, const struct board *b)
{
    for (uint16_t p = 0; p < j->n && j->area != NULL; p++) {
        uint64_t seen = atomic_load_explicit(&j->area->row[p].seen_ns, memory_order_acquire);
        bool stopped =
            !board_correct(b, p) ||
            atomic_load_explicit(&b->orders[p].state, memory_order_relaxed) == PROCESS_CRASHED;
        if (seen != j->seen_ns[p])
            j->crashed &= ~(1ull << p);
        else if (stopped)
            judge_crash(j, p, seen);
        j->seen_ns[p] = seen;
    }
}

/* Steps are ns since the beginning; they never decrease. */
static uint64_t step_at(struct judge *j, uint64_t time_ns)
{
    uint64_t step = time_ns > j->start_ns ? time_ns - j->start_ns : 0;
    if (step > j->step)
        j->step = step;
    return j->step;
}

static void show_crash(struct judge *j, uint16_t p, uint64_t time_ns)
{
    uint64_t step = step_at(j, time_ns);
    for (uint32_t a = 0; a < ABSTRACTIONS; a++)
        if (j->check[a] != NULL)
            j->check[a]->cls->crash(j->check[a], p, step);
}

static void show_crashes(struct judge *j, uint64_t until_ns)
{
    while (j->crashes_shown < j->crashes && j->crash[j->crashes_shown].time_ns < until_ns) {
        uint32_t i = j->crashes_shown++;
        show_crash(j, j->crash[i].p, j->crash[i].time_ns);
    }
}

/* ---- events ------------------------------------------------------------------------------------ */

/* Another life, which each of the process's rings tells of, before anything else of that life: the
 * checkers hear it once, from whichever ring is read first. */
static void show_life(struct judge *j, const struct judge_source *s, const struct record *w)
{
    if (w->digest <= j->life[s->p])
        return;
    j->life[s->p] = w->digest;
    uint64_t step = step_at(j, w->time_ns);
    for (uint32_t a = 0; a < ABSTRACTIONS; a++) {
        struct check *c = j->check[a];
        if (c == NULL)
            continue;
        if (check_correct(c, s->p)) /* nobody told us of the crash before it */
            c->cls->crash(c, s->p, step);
        check_recover(c, s->p, step);
    }
}

static void keep_rare(struct judge *j, const struct judge_source *s, const struct record *w)
{
    if (j->rares == JUDGE_RARE_MAX)
        return;
    if (j->rares == j->rare_capacity) {
        size_t capacity = j->rare_capacity == 0 ? 1024 : 2 * j->rare_capacity;
        struct judge_rare *grown = realloc(j->rare, capacity * sizeof *grown);
        if (grown == NULL)
            return;
        j->rare = grown;
        j->rare_capacity = capacity;
    }
    j->rare[j->rares++] = (struct judge_rare){w->time_ns, s->p, w->type, w->proc};
}

/*
 * A checker sees the digest for the message: the two are equal where the messages are. In a
 * witness it is called by the number of the operation that it claims to be.
 */
static void show(struct judge *j, const struct judge_source *s, const struct record *w)
{
    if (w->type == EV_NONE) {
        show_life(j, s, w);
        return;
    }
    const uint32_t a = ev_infos[w->type].abstraction;
    struct check *c = j->check[a];
    if (s->kind == RECORD_RARE)
        keep_rare(j, s, w);
    if (c == NULL)
        return;
    struct check_event e = {.step = step_at(j, w->time_ns),
                            .time_ns = w->time_ns,
                            .at = s->p,
                            .type = w->type,
                            .proc = w->proc,
                            .inst = w->inst};
    if (w->len > 0) {
        e.msg = (const uint8_t *)&w->digest;
        e.len = sizeof w->digest;
        e.named = s->kind == RECORD_BORDER && w->len > OP_BYTES_MIN;
        e.name = w->number;
    } else {
        e.attr = w->digest;
    }
    j->events[a]++;
    check_observe(c, &e);
}

/* ---- merging ----------------------------------------------------------------------------------- */

static const struct record *record_at(const struct judge_source *s)
{
    return &s->ring[s->next % s->capacity];
}

static void look(struct judge_source *s)
{
    s->next_ns = s->next < s->head ? record_at(s)->time_ns : UINT64_MAX;
}

/* Nobody will write an event that is earlier. */
static uint64_t watermark(const struct judge *j)
{
    uint64_t least = UINT64_MAX;
    for (uint16_t p = 0; p < j->n; p++) {
        uint64_t seen = atomic_load_explicit(&j->area->row[p].seen_ns, memory_order_acquire);
        if (!(j->crashed >> p & 1) && seen < least)
            least = seen;
    }
    return least;
}

/* From where on a ring of this kind lacks something. */
static void note_losses(struct judge *j)
{
    for (uint16_t p = 0; p < j->n; p++)
        for (uint32_t k = 0; k < RECORD_RINGS; k++) {
            uint64_t lost = board_get(&j->area->row[p].lost_ns[k]);
            if (lost != 0 && lost < j->covered_ns[k])
                j->covered_ns[k] = lost;
        }
}

static void look_at_all(struct judge *j)
{
    for (uint32_t i = 0; i < j->sources; i++) {
        struct judge_source *s = &j->source[i];
        s->head = atomic_load_explicit(&j->area->row[s->p].head[s->kind], memory_order_acquire);
        look(s);
    }
}

/* The source with the earliest event; *second is the time of the next one elsewhere. */
static struct judge_source *earliest(struct judge *j, uint64_t *second)
{
    struct judge_source *first = NULL;
    uint64_t best = UINT64_MAX;
    *second = UINT64_MAX;
    for (uint32_t i = 0; i < j->sources; i++) {
        uint64_t t = j->source[i].next_ns;
        if (t < best) {
            *second = best;
            best = t;
            first = &j->source[i];
        } else if (t < *second) {
            *second = t;
        }
    }
    return first;
}

/* Show the events of one source that come before all others. */
static void show_run(struct judge *j, struct judge_source *s, uint64_t until_ns)
{
    while (s->next_ns <= until_ns && s->next_ns != UINT64_MAX) {
        if (j->crashes_shown < j->crashes)
            show_crashes(j, s->next_ns);
        if (s->kind == RECORD_BORDER && j->shown++ == j->events_max)
            j->covered_ns[RECORD_BORDER] = s->next_ns; /* memory has a bound */
        if (s->next_ns < j->covered_ns[s->kind])
            show(j, s, record_at(s));
        s->next++;
        look(s);
    }
}

void judge_drain(struct judge *j, bool all)
{
    const uint64_t begin = clock_now_ns();
    if (j->area == NULL)
        return;
    /* What was stamped before the watermark is in the rings that are looked at after it. */
    uint64_t until = all ? UINT64_MAX : watermark(j), second;
    note_losses(j);
    look_at_all(j);
    for (struct judge_source *s; (s = earliest(j, &second)) != NULL && s->next_ns < until;)
        show_run(j, s, second < until ? second : until - 1);
    for (uint32_t i = 0; i < j->sources; i++) {
        const struct judge_source *s = &j->source[i];
        atomic_store_explicit(&j->area->row[s->p].tail[s->kind], s->next, memory_order_release);
    }
    if (all)
        show_crashes(j, UINT64_MAX);
    j->busy_ns += clock_now_ns() - begin;
}

/* ---- the end ----------------------------------------------------------------------------------- */

bool judge_calm(const struct judge *j, const struct board *b)
{
    for (uint16_t p = 0; p < j->n; p++)
        if (!board_correct(b, p) ||
            atomic_load_explicit(&b->orders[p].state, memory_order_relaxed) != PROCESS_UP ||
            atomic_load_explicit(&b->orders[p].armed, memory_order_relaxed) != 0)
            return false;
    return j->crashes == 0;
}

bool judge_settling(struct judge *j, const struct board *b)
{
    struct check *c = j->check[j->top->abstraction];
    if (c == NULL || judge_calm(j, b))
        return false;
    judge_watch(j, b);
    judge_drain(j, false);
    if (j->covered_ns[RECORD_BORDER] != UINT64_MAX)
        return false;
    c->cls->end(c, false, j->step); /* says what is owed; it can be asked again */
    for (uint32_t i = 0; i < c->results; i++)
        if (c->result[i].state == CHECK_NOT_YET)
            return true;
    return false;
}

static enum verdict_state state_of(const struct check_result *r, bool covered)
{
    if (r->state == CHECK_VIOLATED)
        return VERDICT_INVALID;
    return r->state == CHECK_HOLDS && covered ? VERDICT_VALID : VERDICT_UNKNOWN;
}

/* What a checker says replaces what digests say, but for a violation that only they could see. */
static void tell(struct judge *j, uint32_t a, const struct check_result *r, struct verdict *v)
{
    const enum record_ring kind = a == j->top->abstraction ? RECORD_BORDER : RECORD_RARE;
    const bool covered = j->covered_ns[kind] == UINT64_MAX;
    struct verdict_property *p = verdict_property(v, r->code);
    if (p == NULL)
        return;
    const bool digests_do = j->digests_do && p->judged_by == JUDGED_BY_DIGEST;
    const enum verdict_state state = state_of(r, covered);
    p->layer = j->layer[a];
    p->aside = kind == RECORD_RARE || (j->top->lossy && r->state == CHECK_NOT_YET);
    p->events = j->events[a];
    p->covered_ns = covered ? 0 : j->covered_ns[kind] - j->start_ns;
    if ((p->state == VERDICT_INVALID || (!covered && digests_do)) && state != VERDICT_INVALID)
        return;
    p->judged_by = JUDGED_BY_CHECKER;
    p->state = state;
    if (r->witness[0] != '\0')
        snprintf(p->witness, sizeof p->witness, "%s", r->witness);
    else if (!covered)
        snprintf(p->witness, sizeof p->witness,
                 "held until %.6f s; what came afterwards was too much to record, and digests do "
                 "not show it: lower load.rate or job.duration",
                 (double)p->covered_ns / 1e9);
}

void judge_end(struct judge *j, bool fair, struct verdict *v)
{
    const uint64_t begin = clock_now_ns();
    for (uint32_t a = 0; a < ABSTRACTIONS; a++) {
        struct check *c = j->check[a];
        if (c == NULL)
            continue;
        const bool top = a == j->top->abstraction;
        if (j->covered_ns[top ? RECORD_BORDER : RECORD_RARE] == UINT64_MAX)
            c->cls->end(c, fair && top, j->step);
        for (uint32_t i = 0; i < c->results; i++)
            tell(j, a, &c->result[i], v);
    }
    j->busy_ns += clock_now_ns() - begin;
    v->judge_ns = j->busy_ns;
    verdict_settle(v);
}
