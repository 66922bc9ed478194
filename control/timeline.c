/* SPDX-License-Identifier: BSD-3-Clause */
#include "timeline.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "result.h"

#define EVENTS_LINE_BYTES 8192
#define SPARK_COLUMNS     60
#define PERCENTILE_BEYOND 10 /* samples that must lie beyond a percentile */

/* ---- cells --------------------------------------------------------------------------------------- */

static const struct record_area *area_of(const struct timeline *t)
{
    return record_area_of(t->board);
}

/* What all processes did in one cell. */
struct instant {
    uint64_t delivered; /* at the process that delivered most; links: at all */
    uint64_t completed;
    uint32_t slot[CELL_SLOTS];
};

static void sum_cell(const struct timeline *t, uint32_t k, struct instant *s)
{
    memset(s, 0, sizeof *s);
    for (uint32_t p = 0; p < t->board->n; p++) {
        const struct cell *c = &record_cells(area_of(t), p)[k];
        if (t->job->top->shape == LOAD_TO_NEXT)
            s->delivered += c->delivered;
        else if (c->delivered > s->delivered)
            s->delivered = c->delivered;
        s->completed += c->completed;
        for (uint32_t i = 0; i < CELL_SLOTS && c->completed > 0; i++)
            s->slot[i] += c->slot[i];
    }
}

/* False: fewer than ten samples lie beyond it. */
static bool percentile(const struct instant *s, double percent, uint64_t *ns)
{
    uint64_t want = (uint64_t)ceil((double)s->completed * percent / 100), seen = 0;
    if (s->completed - want < PERCENTILE_BEYOND)
        return false;
    for (uint32_t i = 0; i < CELL_SLOTS; i++) {
        seen += s->slot[i];
        if (seen >= want) {
            *ns = cell_slot_top(i);
            return true;
        }
    }
    return false;
}

static bool greatest(const struct instant *s, uint64_t *ns)
{
    for (uint32_t i = CELL_SLOTS; i-- > 0;)
        if (s->slot[i] > 0) {
            *ns = cell_slot_top(i);
            return true;
        }
    return false;
}

/* Cells in which the load was on. */
static uint32_t cells_used(const struct timeline *t)
{
    uint64_t used = t->end_ns / area_of(t)->cell_ns + (t->end_ns % area_of(t)->cell_ns != 0);
    return used < area_of(t)->cells ? (uint32_t)used : area_of(t)->cells;
}

static double per_second(const struct timeline *t, uint64_t count)
{
    return (double)count * 1e9 / (double)area_of(t)->cell_ns;
}

/* ---- faults -------------------------------------------------------------------------------------- */

/* A crash, a pause, or the end of one, by its first word. */
static bool is_about(const struct timeline_fault *f, const char *word)
{
    size_t len = strlen(word);
    return strncmp(f->what, word, len) == 0 && (f->what[len] == ' ' || f->what[len] == '\0');
}

static bool stops(const struct timeline_fault *f)
{
    return is_about(f, "crash") || is_about(f, "pause");
}

static bool ends_something(const struct timeline_fault *f)
{
    return is_about(f, "recover") || is_about(f, "resume") || is_about(f, "clear");
}

static bool needs_majority(const struct stack_def *def)
{
    for (const struct stack_layer *l = def->layers; l->name != NULL; l++)
        if (l->cls->majority)
            return true;
    return false;
}

/* Whom a rule parts from a majority, where one is needed: they cannot go on, the others can. */
static uint64_t cut_off(const char *what, uint16_t n)
{
    struct fault_rule r;
    char why[256];
    if (fault_parse(what, &r, why, sizeof why) != 0 ||
        (r.kind != FAULT_PARTITION && r.kind != FAULT_ONEWAY))
        return 0;
    const uint64_t all = UINT64_MAX >> (64 - n), other = all & ~r.side;
    const int here = __builtin_popcountll(r.side), there = __builtin_popcountll(other);
    return here < there ? r.side : there < here ? other : 0;
}

static struct timeline_fault *fault_of(struct timeline *t, uint32_t id, const char *what)
{
    for (uint32_t i = 0; i < t->faults; i++)
        if (t->fault[i].id == id)
            return &t->fault[i];
    if (t->faults == TIMELINE_FAULTS_MAX)
        return NULL;
    struct timeline_fault *f = &t->fault[t->faults++];
    *f = (struct timeline_fault){.id = id,
                                 .begin_ns = TIMELINE_NEVER,
                                 .end_ns = TIMELINE_NEVER,
                                 .detect_first_ns = TIMELINE_NEVER,
                                 .detect_last_ns = TIMELINE_NEVER,
                                 .leader_ns = TIMELINE_NEVER,
                                 .decision_ns = TIMELINE_NEVER};
    snprintf(f->what, sizeof f->what, "%s", what);
    return f;
}

/* A line of the run's events (events.h). What it does not hold is passed over. */
static void read_event(struct timeline *t, const json_t *o)
{
    const json_t *effect = json_object_get(o, "effect_ns");
    const char *what = json_string_value(json_object_get(o, "what"));
    const char *edge = json_string_value(json_object_get(o, "edge"));
    const char *by = json_string_value(json_object_get(o, "by"));
    const json_int_t p = json_integer_value(json_object_get(o, "process"));
    if (what == NULL || !json_is_integer(effect) || p < 0 || p >= t->board->n)
        return;
    if (by != NULL && strcmp(by, "end") == 0) /* the load was over */
        return;
    struct timeline_fault *f =
        fault_of(t, (uint32_t)json_integer_value(json_object_get(o, "id")), what);
    if (f == NULL)
        return;
    uint64_t at = (uint64_t)json_integer_value(effect);
    if (edge != NULL && strcmp(edge, "end") == 0) {
        f->end_ns = f->end_ns == TIMELINE_NEVER || at > f->end_ns ? at : f->end_ns;
    } else {
        f->begin_ns = at < f->begin_ns ? at : f->begin_ns;
        if (stops(f) || is_about(f, "recover") || is_about(f, "resume"))
            f->procs |= 1ull << p;
        else if (needs_majority(t->job->def))
            f->procs = cut_off(what, (uint16_t)t->board->n);
    }
}

static void read_events(struct timeline *t, const char *folder)
{
    char path[4200], *line = malloc(EVENTS_LINE_BYTES);
    snprintf(path, sizeof path, "%s/events.ndjson", folder);
    FILE *in = fopen(path, "r");
    while (in != NULL && line != NULL && fgets(line, EVENTS_LINE_BYTES, in) != NULL) {
        json_t *o = json_loads(line, 0, NULL);
        if (o != NULL)
            read_event(t, o);
        json_decref(o);
    }
    if (in != NULL)
        fclose(in);
    free(line);
}

/* Processes that died without being asked to. */
static void add_deaths(struct timeline *t)
{
    for (uint32_t i = 0; i < t->judge->crashes; i++) {
        uint16_t p = t->judge->crash[i].p;
        bool asked = false;
        for (uint32_t k = 0; k < t->faults; k++)
            asked |= is_about(&t->fault[k], "crash") && (t->fault[k].procs >> p & 1) != 0;
        char what[32];
        snprintf(what, sizeof what, "crash %u", p);
        struct timeline_fault *f = asked ? NULL : fault_of(t, UINT32_MAX - p, what);
        if (f == NULL)
            continue;
        uint64_t at = t->judge->crash[i].time_ns;
        f->begin_ns = at > t->start_ns ? at - t->start_ns : 0;
        f->procs = 1ull << p;
    }
}

/* A rule that has no end of its own ends where all are cleared. */
static void end_cleared(struct timeline *t)
{
    for (uint32_t c = 0; c < t->faults; c++)
        for (uint32_t i = 0; i < t->faults && is_about(&t->fault[c], "clear"); i++) {
            const uint64_t at = t->fault[c].begin_ns;
            struct timeline_fault *f = &t->fault[i];
            if (!stops(f) && !ends_something(f) && f->begin_ns < at && at < f->end_ns)
                f->end_ns = at;
        }
}

/* In the order of their beginnings; without those that took no effect while the load was on. */
static void order_faults(struct timeline *t)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < t->faults; i++)
        if (t->fault[i].begin_ns < t->end_ns)
            t->fault[kept++] = t->fault[i];
    t->faults = kept;
    for (uint32_t i = 1; i < kept; i++)
        for (uint32_t k = i; k > 0 && t->fault[k].begin_ns < t->fault[k - 1].begin_ns; k--) {
            const struct timeline_fault f = t->fault[k];
            t->fault[k] = t->fault[k - 1];
            t->fault[k - 1] = f;
        }
}

/* ---- what a fault did ----------------------------------------------------------------------------- */

/* Who takes no step at that moment. */
static uint64_t stopped_at(const struct timeline *t, uint64_t ns)
{
    uint64_t stopped = 0;
    for (uint32_t i = 0; i < t->faults && t->fault[i].begin_ns <= ns; i++) {
        const struct timeline_fault *f = &t->fault[i];
        if (stops(f) && f->end_ns > ns)
            stopped |= f->procs;
        if (ends_something(f))
            stopped &= ~f->procs;
    }
    return stopped;
}

/* Until when an effect is this fault's: the next one has its own. */
static uint64_t effects_until(const struct timeline *t, uint32_t i)
{
    for (uint32_t k = i + 1; k < t->faults; k++)
        if (!ends_something(&t->fault[k]) && t->fault[k].begin_ns > t->fault[i].begin_ns)
            return t->fault[k].begin_ns;
    return t->end_ns;
}

static bool has(const struct timeline *t, uint32_t abstraction)
{
    for (const struct stack_layer *l = t->job->def->layers; l->name != NULL; l++)
        if (l->cls->implements == abstraction)
            return true;
    return false;
}

/* First event at process q that `about` says is one, in [from, until). */
static uint64_t first_event(const struct timeline *t, uint16_t q, uint64_t from, uint64_t until,
                            bool (*about)(const struct judge_rare *e, uint64_t procs),
                            uint64_t procs, uint16_t *whom)
{
    for (size_t i = 0; i < t->judge->rares; i++) {
        const struct judge_rare *e = &t->judge->rare[i];
        uint64_t at = e->time_ns > t->start_ns ? e->time_ns - t->start_ns : 0;
        if (e->at != q || at < from || at >= until || !about(e, procs))
            continue;
        *whom = e->proc;
        return at;
    }
    return TIMELINE_NEVER;
}

static bool suspects(const struct judge_rare *e, uint64_t procs)
{
    return (e->type == EV_EPFD_SUSPECT || e->type == EV_P_CRASH) && (procs >> e->proc & 1) != 0;
}

static bool trusts_another(const struct judge_rare *e, uint64_t procs)
{
    return (e->type == EV_OMEGA_TRUST || e->type == EV_LE_LEADER) && (procs >> e->proc & 1) == 0;
}

/* Whether all who run trusted one of `procs` when the fault began. */
static bool led_by(const struct timeline *t, uint64_t procs, uint64_t ns)
{
    uint16_t leader = UINT16_MAX;
    for (size_t i = 0; i < t->judge->rares; i++) {
        const struct judge_rare *e = &t->judge->rare[i];
        bool runs = (procs >> e->at & 1) == 0;
        if ((e->type == EV_OMEGA_TRUST || e->type == EV_LE_LEADER) && runs &&
            e->time_ns < t->start_ns + ns)
            leader = e->proc;
    }
    return leader < 64 && (procs >> leader & 1) != 0;
}

static void find_detection(const struct timeline *t, struct timeline_fault *f, uint64_t until)
{
    const uint64_t stopped = stopped_at(t, f->begin_ns) | f->procs;
    const uint64_t of = f->procs != 0 ? f->procs : UINT64_MAX; /* a rule may seem to stop anybody */
    uint64_t first = TIMELINE_NEVER, last = TIMELINE_NEVER;
    uint16_t whom, looked = 0;
    for (uint16_t q = 0; q < t->board->n; q++) {
        if (stopped >> q & 1)
            continue;
        uint64_t at = first_event(t, q, f->begin_ns, until, suspects, of, &whom);
        first = at < first ? at : first;
        last = looked++ == 0 || at > last ? at : last;
    }
    f->detects = has(t, ABS_EPFD) || has(t, ABS_P);
    f->detect_first_ns = first != TIMELINE_NEVER ? first - f->begin_ns : first;
    f->detect_last_ns = last != TIMELINE_NEVER ? last - f->begin_ns : last;
}

/* First delivery at p from that moment on. Within a cell only the last one is known. */
static uint64_t first_delivery(const struct timeline *t, uint16_t p, uint64_t from)
{
    const struct cell *c = record_cells(area_of(t), p);
    for (uint32_t k = (uint32_t)(from / area_of(t)->cell_ns); k < area_of(t)->cells; k++) {
        if (c[k].first_ns >= t->start_ns + from)
            return c[k].first_ns - t->start_ns;
        if (c[k].first_ns != 0 && c[k].last_ns >= t->start_ns + from)
            return c[k].last_ns - t->start_ns;
    }
    return TIMELINE_NEVER;
}

static void find_leader(const struct timeline *t, struct timeline_fault *f, uint64_t until)
{
    const uint64_t stopped = stopped_at(t, f->begin_ns) | f->procs;
    uint64_t last = TIMELINE_NEVER, own = TIMELINE_NEVER;
    uint16_t looked = 0;
    f->leads = led_by(t, f->procs, f->begin_ns);
    for (uint16_t q = 0; q < t->board->n && f->leads; q++) {
        uint16_t whom = UINT16_MAX;
        if (stopped >> q & 1)
            continue;
        uint64_t at = first_event(t, q, f->begin_ns, until, trusts_another, stopped, &whom);
        last = looked++ == 0 || at > last ? at : last;
        if (at != TIMELINE_NEVER) {
            f->leader = whom;
            own = whom == q ? at : own;
        }
    }
    if (!f->leads || last == TIMELINE_NEVER)
        return;
    f->leader_ns = last - f->begin_ns;
    uint64_t decided = first_delivery(t, f->leader, own != TIMELINE_NEVER ? own : last);
    f->decision_ns = decided < until ? decided - f->begin_ns : TIMELINE_NEVER;
}

/* The longest time without a delivery at p that reaches into [from, until). */
static uint64_t longest_gap(const struct timeline *t, uint16_t p, uint64_t from, uint64_t until)
{
    const struct cell *c = record_cells(area_of(t), p);
    uint64_t last = 0, longest = 0;
    for (uint32_t k = 0; k < cells_used(t); k++) {
        if (c[k].first_ns == 0)
            continue;
        uint64_t next = c[k].first_ns - t->start_ns;
        if (next > from && last < until && next - last > longest)
            longest = next - last;
        last = c[k].last_ns - t->start_ns;
    }
    if (last < until && t->end_ns > last && t->end_ns - last > longest) /* none came any more */
        longest = t->end_ns - last;
    return longest;
}

static void find_gap(const struct timeline *t, struct timeline_fault *f, uint64_t until)
{
    const uint64_t stopped = stopped_at(t, f->begin_ns) | f->procs;
    for (uint16_t p = 0; p < t->board->n; p++) {
        uint64_t gap = stopped >> p & 1 ? 0 : longest_gap(t, p, f->begin_ns, until);
        if (gap > f->gap_ns) {
            f->gap_ns = gap;
            f->gap_at = p;
        }
    }
}

void timeline_make(struct timeline *t, const struct job *job, const struct board *board,
                   const struct judge *judge, const char *folder)
{
    uint64_t end = board_get(&board->end_ns);
    *t = (struct timeline){.job = job,
                           .board = board,
                           .judge = judge,
                           .start_ns = judge->start_ns,
                           .lost = verdict_lacking(job->top, board)};
    t->end_ns = end > t->start_ns ? end - t->start_ns : 0;
    for (uint32_t p = 0; p < board->n; p++)
        t->repeated += board_get(&board_row(board, p)->fault[BOARD_DUPLICATION]);
    read_events(t, folder);
    add_deaths(t);
    end_cleared(t);
    order_faults(t);
    for (uint32_t i = 0; i < t->faults && area_of(t) != NULL; i++) {
        struct timeline_fault *f = &t->fault[i];
        uint64_t until = effects_until(t, i);
        if (ends_something(f))
            continue;
        find_gap(t, f, until);
        find_detection(t, f, until);
        if (f->procs != 0)
            find_leader(t, f, until);
    }
}

/* ---- files ---------------------------------------------------------------------------------------- */

static int file_error(char *why, size_t size, const char *path)
{
    int err = errno;
    snprintf(why, size, "%.800s: %s; choose another place with --out DIR", path, strerror(err));
    return -err;
}

static void put_ns(FILE *out, bool has, uint64_t ns)
{
    if (has)
        fprintf(out, ",%" PRIu64, ns);
    else
        putc(',', out);
}

/* What holds in a cell, separated by semicolons: no fault's words hold a comma and a quote. */
static void put_faults(FILE *out, const struct timeline *t, uint64_t from, uint64_t until)
{
    const char *sep = ",\"";
    for (uint32_t i = 0; i < t->faults; i++) {
        const struct timeline_fault *f = &t->fault[i];
        uint64_t end = f->end_ns != TIMELINE_NEVER ? f->end_ns : f->begin_ns + 1;
        if (f->begin_ns >= until || end <= from)
            continue;
        fprintf(out, "%s%s", sep, f->what);
        sep = "; ";
    }
    fputs(sep[0] == ',' ? "," : "\"", out);
}

static int write_csv(const struct timeline *t, const char *path, char *why, size_t size)
{
    const uint64_t width = area_of(t)->cell_ns;
    struct instant s;
    uint64_t ns = 0;
    FILE *out = result_open(path);
    if (out == NULL)
        return file_error(why, size, path);
    fputs("time_s,delivered_per_s,p50_ns,p99_ns,max_ns", out);
    for (uint32_t p = 0; p < t->board->n; p++)
        fprintf(out, ",p%u", p);
    fputs(",faults\n", out);
    for (uint32_t k = 0; k < cells_used(t); k++) {
        sum_cell(t, k, &s);
        fprintf(out, "%.3f,%.0f", (double)(k * width) / 1e9, per_second(t, s.delivered));
        bool has = percentile(&s, 50, &ns);
        put_ns(out, has, ns);
        has = percentile(&s, 99, &ns);
        put_ns(out, has, ns);
        has = greatest(&s, &ns);
        put_ns(out, has, ns);
        for (uint32_t p = 0; p < t->board->n; p++)
            fprintf(out, ",%" PRIu32, record_cells(area_of(t), p)[k].delivered);
        put_faults(out, t, k * width, (k + 1) * width);
        putc('\n', out);
    }
    return result_close(out, path, why, size);
}

/* ---- the picture ----------------------------------------------------------------------------------- */

#define SVG_LEFT    70
#define SVG_RIGHT   20
#define SVG_WIDTH   960
#define SVG_TOP     34
#define SVG_PANEL   150
#define SVG_BETWEEN 40

struct panel {
    const char *title;
    double top; /* y of its upper edge */
    double low, high;
    bool logarithmic;
};

static double x_of(const struct timeline *t, double ns)
{
    double part = t->end_ns > 0 ? ns / (double)t->end_ns : 0;
    return SVG_LEFT + (part < 1 ? part : 1) * (SVG_WIDTH - SVG_LEFT - SVG_RIGHT);
}

static double y_of(const struct panel *p, double v)
{
    double part = p->logarithmic ? log(fmax(v, p->low) / p->low) / log(p->high / p->low)
                                 : (v - p->low) / (p->high - p->low);
    return p->top + SVG_PANEL * (1 - fmin(fmax(part, 0), 1));
}

static void put_panel(FILE *out, const struct timeline *t, const struct panel *p, const char *low,
                      const char *high)
{
    fprintf(out,
            "<rect x=\"%d\" y=\"%.1f\" width=\"%d\" height=\"%d\" class=\"panel\"/>\n"
            "<text x=\"%d\" y=\"%.1f\">%s</text>\n"
            "<text x=\"%d\" y=\"%.1f\" class=\"scale\">%s</text>\n"
            "<text x=\"%d\" y=\"%.1f\" class=\"scale\">%s</text>\n",
            SVG_LEFT, p->top, SVG_WIDTH - SVG_LEFT - SVG_RIGHT, SVG_PANEL, SVG_LEFT, p->top - 6,
            p->title, SVG_LEFT - 6, p->top + 10, high, SVG_LEFT - 6, p->top + SVG_PANEL, low);
    for (uint32_t i = 0; i < t->faults; i++) {
        const struct timeline_fault *f = &t->fault[i];
        double x = x_of(t, (double)f->begin_ns);
        double end = f->end_ns != TIMELINE_NEVER ? x_of(t, (double)f->end_ns) : x;
        fprintf(out,
                "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" class=\"fault\">"
                "<title>%s</title></rect>\n"
                "<text x=\"%.1f\" y=\"%.1f\" class=\"letter\">%c</text>\n",
                x, p->top, fmax(end - x, 1.5), SVG_PANEL, f->what, x + 3, p->top + 12,
                (char)('a' + i % 26));
    }
}

/* A line through the cells that have a value. `which` 0: rate, 1: p99, 2: the greatest latency. */
static bool value_of(const struct timeline *t, uint32_t k, int which, double *v)
{
    struct instant s;
    uint64_t ns = 0;
    sum_cell(t, k, &s);
    *v = per_second(t, s.delivered);
    if (which == 0)
        return true;
    bool has = which == 1 ? percentile(&s, 99, &ns) : greatest(&s, &ns);
    *v = (double)ns;
    return has;
}

static void put_line(FILE *out, const struct timeline *t, const struct panel *p, int which)
{
    bool open = false;
    double v;
    for (uint32_t k = 0; k < cells_used(t); k++) {
        bool has = value_of(t, k, which, &v);
        if (has && !open)
            fprintf(out, "<polyline class=\"v%d\" points=\"", which);
        if (has)
            fprintf(out, "%.1f,%.1f ", x_of(t, ((double)k + 0.5) * (double)area_of(t)->cell_ns),
                    y_of(p, v));
        if (!has && open)
            fputs("\"/>\n", out);
        open = has;
    }
    if (open)
        fputs("\"/>\n", out);
}

static double greatest_of(const struct timeline *t, int which)
{
    double most = 0, v;
    for (uint32_t k = 0; k < cells_used(t); k++)
        if (value_of(t, k, which, &v) && v > most)
            most = v;
    return most;
}

static int write_svg(const struct timeline *t, const char *path, char *why, size_t size)
{
    char high[32], top[32], end[32];
    const double most = greatest_of(t, 0), slow = greatest_of(t, 2);
    const struct panel rate = {"delivered per second", SVG_TOP, 0, fmax(most, 1), false};
    const struct panel late = {"latency: p99, and the greatest in grey",
                               SVG_TOP + SVG_PANEL + SVG_BETWEEN, 1000, fmax(slow, 10000), true};
    const double height = late.top + SVG_PANEL + 30;
    FILE *out = result_open(path);
    if (out == NULL)
        return file_error(why, size, path);
    fprintf(out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%.0f\" "
            "font-family=\"sans-serif\" font-size=\"12\">\n<style>rect.panel{fill:none;"
            "stroke:#999}rect.fault{fill:#d33;fill-opacity:.25}text.scale{text-anchor:end}"
            "text.letter{fill:#a00}polyline{fill:none;stroke:#247;stroke-width:1.3}"
            "polyline.v2{stroke:#aaa}</style>\n<rect width=\"100%%\" height=\"100%%\" "
            "fill=\"#fff\"/>\n",
            SVG_WIDTH, height);
    put_panel(out, t, &rate, "0", report_count(high, sizeof high, rate.high));
    put_line(out, t, &rate, 0);
    put_panel(out, t, &late, "1 us", report_ns(top, sizeof top, (uint64_t)late.high));
    put_line(out, t, &late, 2);
    put_line(out, t, &late, 1);
    fprintf(out,
            "<text x=\"%d\" y=\"%.0f\">0</text>\n<text x=\"%d\" y=\"%.0f\" class=\"scale\">%s"
            "</text>\n</svg>\n",
            SVG_LEFT, height - 12, SVG_WIDTH - SVG_RIGHT, height - 12,
            report_ns(end, sizeof end, t->end_ns));
    return result_close(out, path, why, size);
}

int timeline_write(const struct timeline *t, const char *folder, char *why, size_t why_size)
{
    char path[4200];
    if (area_of(t) == NULL)
        return 0;
    snprintf(path, sizeof path, "%s/timeline.csv", folder);
    int err = write_csv(t, path, why, why_size);
    if (err != 0)
        return err;
    snprintf(path, sizeof path, "%s/timeline.svg", folder);
    return write_svg(t, path, why, why_size);
}

/* ---- for people ------------------------------------------------------------------------------------- */

/* The rate in columns of equal time, as bars of eighths; below, where faults began. */
static void put_spark(FILE *out, const struct timeline *t)
{
    static const char *const bars[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    const uint32_t cells = cells_used(t);
    const uint32_t columns = cells < SPARK_COLUMNS ? cells : SPARK_COLUMNS;
    double rate[SPARK_COLUMNS] = {0}, most = 1;
    char marks[SPARK_COLUMNS + 1];
    for (uint32_t k = 0; k < cells; k++) {
        double v;
        value_of(t, k, 0, &v);
        rate[(uint64_t)k * columns / cells] += v * columns / cells;
    }
    for (uint32_t c = 0; c < columns; c++)
        most = fmax(most, rate[c]);
    memset(marks, ' ', columns);
    marks[columns] = '\0';
    for (uint32_t i = t->faults; i-- > 0;) /* of two in a column the first is seen */
        marks[t->fault[i].begin_ns * columns / (t->end_ns + 1)] = (char)('a' + i % 26);
    fprintf(out, "  timeline    ");
    for (uint32_t c = 0; c < columns; c++)
        fputs(bars[(int)ceil(rate[c] / most * 8)], out);
    fprintf(out, "\n              %s\n", marks);
}

static void put_duration(FILE *out, const char *before, uint64_t ns, const char *after)
{
    char text[32];
    fprintf(out, "%s%s%s", before, report_ns(text, sizeof text, ns), after);
}

static void put_fault(FILE *out, const struct timeline *t, const struct timeline_fault *f,
                      char letter)
{
    fprintf(out, "  %c %8.3f s  %s", letter, (double)f->begin_ns / 1e9, f->what);
    if (f->end_ns != TIMELINE_NEVER)
        put_duration(out, ", for ", f->end_ns - f->begin_ns, "");
    const char *sep = ": ";
    if (f->detects && f->procs != 0 && f->detect_first_ns == TIMELINE_NEVER) {
        fprintf(out, "%snobody suspected it", sep);
        sep = ", ";
    } else if (f->detects && f->detect_first_ns != TIMELINE_NEVER) {
        fprintf(out, "%s", sep);
        put_duration(out, "suspected after ", f->detect_first_ns, "");
        if (f->detect_last_ns == TIMELINE_NEVER && f->procs != 0)
            fprintf(out, ", not by all");
        else if (f->procs != 0)
            put_duration(out, ", by all after ", f->detect_last_ns, "");
        sep = ", ";
    }
    if (f->leads && f->leader_ns == TIMELINE_NEVER) {
        fprintf(out, "%snot all trusted another", sep);
        sep = ", ";
    } else if (f->leads) {
        fprintf(out, "%sp%u trusted by all after", sep, f->leader);
        put_duration(out, " ", f->leader_ns, "");
        if (f->decision_ns != TIMELINE_NEVER)
            put_duration(out, ", first decision under it after ", f->decision_ns, "");
        sep = ", ";
    }
    if (f->gap_ns > 0) {
        fprintf(out, "%s", sep);
        put_duration(out, "nothing delivered for ", f->gap_ns, "");
        fprintf(out, " at p%u", f->gap_at);
    }
    fprintf(out, "\n");
    (void)t;
}

void timeline_report(FILE *out, const struct timeline *t)
{
    char lost[32], again[32];
    if (t->faults == 0 || area_of(t) == NULL || cells_used(t) == 0)
        return;
    put_spark(out, t);
    bool detects = false;
    for (uint32_t i = 0; i < t->faults; i++) {
        put_fault(out, t, &t->fault[i], (char)('a' + i % 26));
        detects |= t->fault[i].detects;
    }
    if (detects) {
        put_duration(out, "              the detector's setting bounds these: detect = ",
                     t->job->conf.detect_ns, "");
        put_duration(out, ", heartbeat = ", t->job->conf.heartbeat_ns, "\n");
    }
    fprintf(out, "              operations lost %s, repeated %s\n",
            report_count(lost, sizeof lost, (double)t->lost),
            report_count(again, sizeof again, (double)t->repeated));
}

/* ---- JSON ------------------------------------------------------------------------------------------- */

static json_t *json_ns(bool has, uint64_t ns)
{
    return has && ns != TIMELINE_NEVER ? json_integer((json_int_t)ns) : json_null();
}

static json_t *json_fault(const struct timeline_fault *f)
{
    const bool led = f->leads && f->leader_ns != TIMELINE_NEVER;
    return json_pack("{s:s, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:i}", "what", f->what,
                     "begin_ns", (json_int_t)f->begin_ns, "end_ns", json_ns(true, f->end_ns),
                     "detect_first_ns", json_ns(f->detects, f->detect_first_ns), "detect_last_ns",
                     json_ns(f->detects, f->detect_last_ns), "leader",
                     led ? json_integer(f->leader) : json_null(), "leader_ns",
                     json_ns(led, f->leader_ns), "first_decision_ns", json_ns(led, f->decision_ns),
                     "unavailable_ns", (json_int_t)f->gap_ns, "unavailable_at", (int)f->gap_at);
}

json_t *timeline_json(const struct timeline *t)
{
    json_t *faults = json_array();
    for (uint32_t i = 0; i < t->faults; i++)
        json_array_append_new(faults, json_fault(&t->fault[i]));
    return json_pack("{s:I, s:I, s:I, s:I, s:o}", "operations_lost", (json_int_t)t->lost,
                     "operations_repeated", (json_int_t)t->repeated, "detect_ns",
                     (json_int_t)t->job->conf.detect_ns, "heartbeat_ns",
                     (json_int_t)t->job->conf.heartbeat_ns, "faults", faults);
}
