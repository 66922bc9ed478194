/* SPDX-License-Identifier: BSD-3-Clause */
#include "figures.h"

#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/clock.h"

const char *const figures_phases[FIGURES_PHASES] =
    {[FIGURES_WARMUP] = "warmup", [FIGURES_MEASURED] = "measured", [FIGURES_DRAIN] = "drain"};
const char *const figures_states[FIGURES_STATES] =
    {[FIGURES_STARTING] = "starting",     [FIGURES_RUNNING] = "running",
     [FIGURES_PAUSED] = "paused",         [FIGURES_CRASHED] = "crashed",
     [FIGURES_RECOVERING] = "recovering", [FIGURES_SILENT] = "silent"};
const char *const figures_roles[FIGURES_ROLES] =
    {[FIGURES_ROLE_NONE] = "none", [FIGURES_LEADER] = "leader", [FIGURES_FOLLOWER] = "follower"};
const char *const figures_link_states[] = {[POST_LINK_NONE] = "none",
                                           [POST_LINK_UNHEARD] = "unheard",
                                           [POST_LINK_UP] = "up",
                                           [POST_LINK_LOST] = "lost"};
const char *const figures_wait_kinds[POST_KINDS + 1] =
    {[POST_QUORUM] = "quorum",      [POST_ALL] = "all",
     [POST_READ] = "read",          [POST_LEADER] = "leader",
     [POST_EPOCH_CHANGE] = "epoch", [POST_WINDOW] = "window",
     [POST_DISK] = "disk",          [FIGURES_LINK] = "link"};

/* What a process had come to when the last page was made. */
struct before {
    uint64_t issued;
    uint64_t delivered;
    uint64_t samples;
    uint64_t counters[COUNTERS];
    struct hist decide;
};

struct figures {
    pthread_mutex_t lock;
    const struct job *job;
    const struct board *board;
    char run[1024];
    bool made; /* a page was made before */
    struct figures_page page;
    struct hist recent; /* of a process, in the interval */
    struct hist all;    /* of all of them, without the sampled deliveries */
    struct before before[];
};

struct figures *figures_open(const struct job *job, const struct board *board, const char *run)
{
    struct figures *f = calloc(1, sizeof *f + board->n * sizeof f->before[0]);
    if (f == NULL)
        return NULL;
    pthread_mutex_init(&f->lock, NULL);
    f->job = job;
    f->board = board;
    snprintf(f->run, sizeof f->run, "%s", run);
    return f;
}

void figures_close(struct figures *f)
{
    if (f == NULL)
        return;
    pthread_mutex_destroy(&f->lock);
    free(f);
}

const struct job *figures_job(const struct figures *f)
{
    return f->job;
}

const struct board *figures_board(const struct figures *f)
{
    return f->board;
}

const char *figures_run(const struct figures *f)
{
    return f->run;
}

/* ---- a process ----------------------------------------------------------------------------------- */

/* Whether the order that its thread is about to carry out is to recover. */
static bool recovers(const struct orders *o)
{
    uint64_t answered = atomic_load_explicit(&o->answered, memory_order_acquire);
    return atomic_load_explicit(&o->posted, memory_order_acquire) != answered &&
           o->slot[answered % ORDERS_MAX].order.kind == ORDER_RECOVER;
}

/* Who crashed once is put down as crashed for the verdict; if it posts, it has recovered. */
static enum figures_state state_of(const struct figures *f, uint32_t p, uint64_t now_ns)
{
    const struct figures_process *fp = &f->page.process[p];
    const struct orders *o = &f->board->orders[p];
    uint64_t told = atomic_load_explicit(&o->state, memory_order_relaxed);
    bool fresh = fp->posted && now_ns <= fp->post_ns + FIGURES_SILENT_NS;
    if (told == PROCESS_CRASHED || (!fresh && !board_correct(f->board, p)))
        return recovers(o) ? FIGURES_RECOVERING : FIGURES_CRASHED;
    if (told == PROCESS_PAUSED)
        return FIGURES_PAUSED;
    if (!fp->posted)
        return FIGURES_STARTING;
    return fresh ? FIGURES_RUNNING : FIGURES_SILENT;
}

/* Its own opinion: whether it leads the epoch that it is in, or is the one that it trusts. */
static enum figures_role role_of(const struct figures_process *fp, uint32_t p)
{
    if (fp->state == FIGURES_CRASHED || fp->state == FIGURES_STARTING)
        return FIGURES_ROLE_NONE;
    if (fp->post.have & POST_EPOCH)
        return fp->post.leader == p ? FIGURES_LEADER : FIGURES_FOLLOWER;
    if (fp->post.have & POST_TRUSTED)
        return fp->post.trusted == p ? FIGURES_LEADER : FIGURES_FOLLOWER;
    return FIGURES_ROLE_NONE;
}

static void set_latency(struct figures_latency *l, const struct hist *h)
{
    l->count = hist_count(h);
    if (!hist_percentile(h, 50, &l->p50_ns))
        l->p50_ns = UINT64_MAX;
    if (!hist_percentile(h, 99, &l->p99_ns))
        l->p99_ns = UINT64_MAX;
}

/*
 * What ended at a process in the interval: its own operations, of which each is in a histogram; at
 * a process that issues none, the sampled deliveries.
 */
static void read_latency(struct figures *f, uint32_t p)
{
    const struct board_row *row = board_row(f->board, p);
    struct before *before = &f->before[p];
    uint64_t samples = atomic_load_explicit(&row->samples, memory_order_acquire);
    memset(&f->recent, 0, sizeof f->recent);
    hist_add(&f->recent, &row->decide);
    hist_since(&f->recent, &before->decide);
    hist_add(&f->all, &f->recent);
    if (before->samples > samples || samples > f->board->samples_max)
        before->samples = 0; /* it has begun anew */
    if (hist_count(&f->recent) == 0)
        for (uint64_t i = before->samples; i < samples && i < f->board->samples_max; i++)
            hist_record(&f->recent, board_samples(f->board, p)[i].latency_ns);
    before->samples = samples;
    set_latency(&f->page.process[p].latency, &f->recent);
}

/* Events a second, of a count that only grows; one that was set back counts from there. */
static double rate(uint64_t now, uint64_t *before, double seconds)
{
    uint64_t more = now >= *before ? now - *before : 0;
    *before = now;
    return seconds > 0 ? (double)more / seconds : 0;
}

static void read_rates(struct figures *f, uint32_t p)
{
    const struct board_row *row = board_row(f->board, p);
    struct figures_process *fp = &f->page.process[p];
    struct before *before = &f->before[p];
    double seconds = f->page.interval_s;
    fp->issued = board_get(&row->issued);
    fp->delivered = board_get(&row->delivered);
    fp->sent_per_s = rate(fp->issued, &before->issued, seconds);
    fp->delivered_per_s = rate(fp->delivered, &before->delivered, seconds);
    for (uint32_t c = 0; c < COUNTERS; c++) {
        fp->counters[c] = board_get(&row->counters[c]);
        fp->counters_per_s[c] = rate(fp->counters[c], &before->counters[c], seconds);
    }
}

static void read_process(struct figures *f, uint32_t p, uint64_t now_ns)
{
    struct figures_process *fp = &f->page.process[p];
    uint16_t n = (uint16_t)f->board->n;
    memset(fp, 0, sizeof *fp);
    fp->posted = board_post_read(&board_row(f->board, p)->post, n, &fp->post, &fp->post_ns);
    fp->state = state_of(f, p, now_ns);
    fp->role = role_of(fp, p);
    read_rates(f, p);
    read_latency(f, p);
    for (uint16_t q = 0; q < n && (fp->post.have & POST_LINKS); q++) {
        fp->flight += fp->post.link[q].flight;
        fp->window += fp->post.link[q].window;
        fp->queued += fp->post.link[q].queued;
    }
    for (uint64_t i = 0; i < fp->post.waits && i < POST_WAITS_MAX; i++)
        if (fp->post.wait[i].open > fp->pending && fp->post.wait[i].kind != POST_DISK)
            fp->pending = fp->post.wait[i].open;
}

static bool steps(const struct figures_process *fp)
{
    return fp->state == FIGURES_RUNNING || fp->state == FIGURES_SILENT ||
           fp->state == FIGURES_PAUSED;
}

static void find_suspects(struct figures *f)
{
    for (uint32_t p = 0; p < f->board->n; p++) {
        const struct figures_process *fp = &f->page.process[p];
        uint64_t said = fp->post.suspected | fp->post.crashed;
        if (!steps(fp))
            continue;
        for (uint32_t q = 0; q < f->board->n; q++)
            f->page.process[q].suspected_by |= (said >> q & 1) << p;
    }
}

/* ---- who waits ------------------------------------------------------------------------------------- */

static const char *layer_name(const struct job *job, uint64_t index)
{
    uint64_t i = 0;
    for (; job->def->layers[i].name != NULL; i++)
        if (i == index)
            return job->def->layers[i].name;
    return i == index ? "app" : "?";
}

/* The layer whose links were posted: the last one that is a link and keeps messages. */
static const char *link_name(const struct job *job)
{
    const char *name = "link";
    for (const struct stack_layer *l = job->def->layers; l->name != NULL; l++)
        if (l->cls->implements == ABS_PL || l->cls->implements == ABS_SL)
            name = l->name;
    return name;
}

static void add_wait(struct figures *f, uint32_t p, const char *layer, const struct post_wait *w,
                     double age_s)
{
    if (f->page.waits < FIGURES_WAITS_MAX)
        f->page.wait[f->page.waits++] =
            (struct figures_wait){(uint16_t)p, layer, *w, age_s > 0 ? age_s : 0};
}

/* Peers that have acknowledged nothing for a while, as one wait of the link. */
static void add_link_wait(struct figures *f, uint32_t p)
{
    const struct figures_process *fp = &f->page.process[p];
    struct post_wait w = {.kind = FIGURES_LINK, .origin = NOBODY_POSTED, .need = 0};
    uint64_t age = 0;
    for (uint32_t q = 0; q < f->board->n; q++) {
        const struct post_link *l = &fp->post.link[q];
        if (l->state == POST_LINK_NONE || l->state == POST_LINK_LOST ||
            l->stalled_ns < FIGURES_STALLED_NS)
            continue;
        w.missing |= 1ull << q;
        w.open += l->flight + l->queued;
        age = l->stalled_ns > age ? l->stalled_ns : age;
    }
    if (w.missing != 0)
        add_wait(f, p, link_name(f->job), &w, (double)age / 1e9);
}

/* What a process that crashed waited for concerns nobody any more. */
static void find_waits(struct figures *f, uint64_t now_ns)
{
    f->page.waits = 0;
    for (uint32_t p = 0; p < f->board->n; p++) {
        const struct figures_process *fp = &f->page.process[p];
        if (!fp->posted || !steps(fp))
            continue;
        uint64_t until = fp->state == FIGURES_RUNNING ? fp->post_ns : now_ns;
        for (uint64_t i = 0; i < fp->post.waits && i < POST_WAITS_MAX; i++) {
            const struct post_wait *w = &fp->post.wait[i];
            add_wait(f, p, layer_name(f->job, w->layer), w,
                     ((double)until - (double)w->since_ns) / 1e9);
        }
        add_link_wait(f, p);
    }
}

/* ---- the page ---------------------------------------------------------------------------------------- */

static void sum_up(struct figures *f)
{
    struct figures_page *page = &f->page;
    const uint8_t shape = f->job->top->shape;
    uint32_t correct = 0;
    page->sent_per_s = page->delivered_per_s = 0;
    page->drops = 0;
    page->drops_per_s = page->resent_per_s = 0;
    for (uint32_t p = 0; p < f->board->n; p++) {
        const struct figures_process *fp = &page->process[p];
        page->resent_per_s += fp->counters_per_s[COUNT_tx_retransmits];
        for (uint32_t c = COUNT_drop_first; c < COUNTERS; c++) {
            page->drops += fp->counters[c];
            page->drops_per_s += fp->counters_per_s[c];
        }
        if (fp->state == FIGURES_CRASHED)
            continue;
        page->sent_per_s = shape == LOAD_ONE_VALUE ? fmax(page->sent_per_s, fp->sent_per_s)
                                                   : page->sent_per_s + fp->sent_per_s;
        if (shape == LOAD_TO_NEXT)
            page->delivered_per_s += fp->delivered_per_s;
        else if (correct++ == 0 || fp->delivered_per_s < page->delivered_per_s)
            page->delivered_per_s = fp->delivered_per_s;
    }
    page->offered_per_s = f->job->mode == JOB_OPEN && isfinite(f->job->rate) ? f->job->rate : 0;
}

static void make_page(struct figures *f, uint64_t now_ns)
{
    struct figures_page *page = &f->page;
    const struct board *b = f->board;
    uint64_t began = atomic_load_explicit(&b->start_ns, memory_order_relaxed);
    uint64_t before = f->made ? page->at_ns : began;
    f->made = true;
    page->at_ns = now_ns;
    page->time_s = ((double)now_ns - (double)b->from_ns) / 1e9;
    page->interval_s = before != 0 && now_ns > before ? (double)(now_ns - before) / 1e9 : 0;
    page->phase = now_ns < b->from_ns              ? FIGURES_WARMUP
                  : now_ns < board_get(&b->end_ns) ? FIGURES_MEASURED
                                                   : FIGURES_DRAIN;
    memset(&f->all, 0, sizeof f->all);
    for (uint32_t p = 0; p < b->n; p++)
        read_process(f, p, now_ns);
    set_latency(&page->latency, &f->all);
    find_suspects(f);
    find_waits(f, now_ns);
    sum_up(f);
}

const struct figures_page *figures_lock(struct figures *f, uint64_t now_ns)
{
    pthread_mutex_lock(&f->lock);
    if (now_ns == 0)
        now_ns = clock_now_ns();
    if (!f->made || now_ns >= f->page.at_ns + FIGURES_FRESH_NS)
        make_page(f, now_ns);
    return &f->page;
}

void figures_unlock(struct figures *f)
{
    pthread_mutex_unlock(&f->lock);
}

/* ---- words --------------------------------------------------------------------------------------------- */

__attribute__((format(printf, 4, 5))) static void put(char *text, size_t size, size_t *at,
                                                      const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text + *at, size - *at, format, args);
    va_end(args);
    if (len > 0)
        *at = *at + (size_t)len < size ? *at + (size_t)len : size - 1;
}

char *figures_set_text(char *text, size_t size, uint64_t set)
{
    size_t at = 0;
    text[0] = '\0';
    if (set == 0)
        put(text, size, &at, "-");
    for (uint64_t rest = set; rest != 0; rest &= rest - 1)
        put(text, size, &at, "%sp%d", rest == set ? "" : " ", __builtin_ctzll(rest));
    return text;
}

static void put_quorum(char *text, size_t size, size_t *at, const struct post_wait *w, uint16_t n)
{
    char has[FIGURES_TEXT_BYTES], missing[FIGURES_TEXT_BYTES];
    static const char *const before[POST_KINDS] = {[POST_QUORUM] = "quorum",
                                                   [POST_ALL] = "all",
                                                   [POST_READ] = "a read from",
                                                   [POST_WINDOW] = "room, held by"};
    if (w->kind == POST_QUORUM || w->kind == POST_READ)
        put(text, size, at, "%s %" PRIu64 " of %u", before[w->kind], w->need, n);
    else
        put(text, size, at, "%s", before[w->kind]);
    if (w->kind != POST_WINDOW)
        put(text, size, at, ", has %s", figures_set_text(has, sizeof has, w->have));
    put(text, size, at, "%s %s", w->kind == POST_WINDOW ? "" : ", missing",
        figures_set_text(missing, sizeof missing, w->missing));
}

char *figures_wait_text(char *text, size_t size, const struct figures_wait *fw, uint16_t n)
{
    const struct post_wait *w = &fw->wait;
    char set[FIGURES_TEXT_BYTES];
    size_t at = 0;
    text[0] = '\0';
    if (w->kind == FIGURES_LINK) {
        put(text, size, &at, "%" PRIu64 " message%s: acknowledgement of %s", w->open,
            w->open == 1 ? "" : "s", figures_set_text(set, sizeof set, w->missing));
        return text;
    }
    if (w->kind == POST_DISK)
        put(text, size, &at, "record %" PRIu64 ": ", w->oldest);
    else if (w->origin == NOBODY_POSTED)
        put(text, size, &at, "instance %" PRIu64 ": ", w->oldest);
    else
        put(text, size, &at, "message %" PRIu64 " of p%" PRIu64 ": ", w->oldest, w->origin);
    if (w->kind == POST_LEADER)
        put(text, size, &at, "leader %s", figures_set_text(set, sizeof set, w->missing));
    else if (w->kind == POST_EPOCH_CHANGE)
        put(text, size, &at, "the next epoch");
    else if (w->kind == POST_DISK)
        put(text, size, &at, "the disk");
    else if (w->kind < POST_KINDS)
        put_quorum(text, size, &at, w, n);
    return text;
}

static int older_first(const void *a, const void *b)
{
    double x = (*(const struct figures_wait *const *)a)->age_s;
    double y = (*(const struct figures_wait *const *)b)->age_s;
    return (y > x) - (y < x);
}

uint32_t figures_wait_lines(const struct figures_page *page, uint16_t n,
                            char line[][FIGURES_LINE_BYTES], uint32_t max)
{
    const struct figures_wait *old[FIGURES_WAITS_MAX];
    char text[FIGURES_TEXT_BYTES];
    uint32_t count = 0;
    for (uint32_t i = 0; i < page->waits; i++)
        if (page->wait[i].age_s >= FIGURES_WAITING_S)
            old[count++] = &page->wait[i];
    qsort(old, count, sizeof old[0], older_first);
    for (uint32_t i = 0; i < count && i < max; i++)
        snprintf(line[i], FIGURES_LINE_BYTES, "p%u %s, %.1f s: %s", old[i]->process, old[i]->layer,
                 old[i]->age_s, figures_wait_text(text, sizeof text, old[i], n));
    return count < max ? count : max;
}
