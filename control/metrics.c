/* SPDX-License-Identifier: BSD-3-Clause */
#include "metrics.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "result.h"

/* ---- one metric, for each process ----------------------------------------------------------------- */

/* The bounds of the histogram, 1-2-5 from a microsecond to a second. */
static const uint64_t bounds_ns[] = {1000,      2000,      5000,      10000,     20000,
                                     50000,     100000,    200000,    500000,    1000000,
                                     2000000,   5000000,   10000000,  20000000,  50000000,
                                     100000000, 200000000, 500000000, 1000000000};

struct text {
    FILE *out;
    const struct figures_page *page;
    const struct figures *figures;
    uint16_t n;
};

static void head(const struct text *t, const char *name, const char *type, const char *help)
{
    fprintf(t->out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* A value of a label: backslash, quote and newline are escaped. */
static void put_escaped(FILE *out, const char *value)
{
    for (; *value != '\0'; value++)
        switch (*value) {
        case '\\':
            fputs("\\\\", out);
            break;
        case '"':
            fputs("\\\"", out);
            break;
        case '\n':
            fputs("\\n", out);
            break;
        default:
            putc(*value, out);
        }
}

static void put_label(FILE *out, const char *sep, const char *name, const char *value)
{
    fprintf(out, "%s%s=\"", sep, name);
    put_escaped(out, value);
    putc('"', out);
}

static void run_metrics(const struct text *t)
{
    const struct job *job = figures_job(t->figures);
    head(t, "upon_run_info", "gauge", "What runs; always 1.");
    fputs("upon_run_info{", t->out);
    put_label(t->out, "", "run", figures_run(t->figures));
    put_label(t->out, ",", "stack", job->stack);
    put_label(t->out, ",", "device", job->device);
    put_label(t->out, ",", "revision", upon_revision);
    fputs("} 1\n", t->out);
    head(t, "upon_run_seconds", "gauge", "Time since the measured interval began.");
    fprintf(t->out, "upon_run_seconds %.3f\n", t->page->time_s);
    head(t, "upon_processes", "gauge", "Processes of the run.");
    fprintf(t->out, "upon_processes %u\n", t->n);
}

static void state_metrics(const struct text *t)
{
    head(t, "upon_process_state", "gauge", "1 for the state that a process is in.");
    for (uint16_t p = 0; p < t->n; p++)
        for (int s = 0; s < FIGURES_STATES; s++)
            fprintf(t->out, "upon_process_state{process=\"p%u\",state=\"%s\"} %d\n", p,
                    figures_states[s], (int)t->page->process[p].state == s);
    head(t, "upon_process_leader", "gauge", "1 if the process holds itself to be the leader.");
    for (uint16_t p = 0; p < t->n; p++)
        fprintf(t->out, "upon_process_leader{process=\"p%u\"} %d\n", p,
                t->page->process[p].role == FIGURES_LEADER);
    head(t, "upon_process_suspected_by", "gauge", "Processes whose detector suspects this one.");
    for (uint16_t p = 0; p < t->n; p++)
        fprintf(t->out, "upon_process_suspected_by{process=\"p%u\"} %d\n", p,
                __builtin_popcountll(t->page->process[p].suspected_by));
    head(t, "upon_process_post_age_seconds", "gauge",
         "Since the process last said something about itself.");
    for (uint16_t p = 0; p < t->n; p++)
        if (t->page->process[p].posted)
            fprintf(t->out, "upon_process_post_age_seconds{process=\"p%u\"} %.3f\n", p,
                    ((double)t->page->at_ns - (double)t->page->process[p].post_ns) / 1e9);
    head(t, "upon_process_epoch", "gauge", "Timestamp of the epoch that the process is in.");
    for (uint16_t p = 0; p < t->n; p++)
        if (t->page->process[p].post.have & POST_EPOCH)
            fprintf(t->out, "upon_process_epoch{process=\"p%u\"} %" PRIu64 "\n", p,
                    t->page->process[p].post.epoch);
}

#define FIELD(member) offsetof(struct figures_process, member)

/* Words of struct figures_process, as they are. */
static const struct word_metric {
    const char *name;
    const char *type;
    const char *help;
    size_t offset;
} word_metrics[] = {
    {"upon_operations_issued_total", "counter", "Operations that the process has issued.",
     FIELD(issued)},
    {"upon_operations_delivered_total", "counter",
     "Operations delivered or decided at the process.", FIELD(delivered)},
    {"upon_operations_pending", "gauge", "Operations open in the layers of the process.",
     FIELD(pending)},
    {"upon_process_flight_messages", "gauge", "Sent on all links and not acknowledged.",
     FIELD(flight)},
    {"upon_process_queued_messages", "gauge", "Waiting on all links to be sent.", FIELD(queued)},
};

static void operation_metrics(const struct text *t)
{
    for (size_t i = 0; i < sizeof word_metrics / sizeof word_metrics[0]; i++) {
        const struct word_metric *m = &word_metrics[i];
        head(t, m->name, m->type, m->help);
        for (uint16_t p = 0; p < t->n; p++)
            fprintf(t->out, "%s{process=\"p%u\"} %" PRIu64 "\n", m->name, p,
                    *(const uint64_t *)((const char *)&t->page->process[p] + m->offset));
    }
}

/* counters.def: drops are one metric, by cause. */
static void counter_metrics(const struct text *t)
{
    for (uint32_t c = 0; c < COUNT_drop_first; c++) {
        char name[64];
        snprintf(name, sizeof name, "upon_%s_total", counter_texts[c].id);
        head(t, name, "counter", counter_texts[c].text);
        for (uint16_t p = 0; p < t->n; p++)
            fprintf(t->out, "%s{process=\"p%u\"} %" PRIu64 "\n", name, p,
                    t->page->process[p].counters[c]);
    }
    head(t, "upon_drops_total", "counter", "What a process dropped, by cause.");
    for (uint16_t p = 0; p < t->n; p++)
        for (uint32_t c = COUNT_drop_first; c < COUNTERS; c++)
            fprintf(t->out, "upon_drops_total{process=\"p%u\",cause=\"%s\"} %" PRIu64 "\n", p,
                    counter_texts[c].id + strlen("drop_"), t->page->process[p].counters[c]);
}

/* ---- links, waits, latencies ---------------------------------------------------------------------- */

#define LINK_FIELD(member) offsetof(struct post_link, member)

static const struct link_metric {
    const char *name;
    const char *type;
    const char *help;
    size_t offset;
    double unit; /* 0: whole numbers */
} link_metrics[] = {
    {"upon_link_flight_messages", "gauge", "Sent to the peer and not acknowledged.",
     LINK_FIELD(flight), 0},
    {"upon_link_window_messages", "gauge", "What may be in flight to the peer.", LINK_FIELD(window),
     0},
    {"upon_link_credit_messages", "gauge", "What the peer takes beyond what is in flight.",
     LINK_FIELD(credit), 0},
    {"upon_link_queued_messages", "gauge", "Waiting to be sent to the peer.", LINK_FIELD(queued),
     0},
    {"upon_link_resent_total", "counter", "Messages sent to the peer again.", LINK_FIELD(resent),
     0},
    {"upon_link_round_trip_seconds", "gauge", "Smoothed round trip to the peer.",
     LINK_FIELD(rtt_ns), 1e9},
    {"upon_link_stalled_seconds", "gauge",
     "Something is in flight, and the peer has acknowledged nothing for so long.",
     LINK_FIELD(stalled_ns), 1e9},
};

/* With many processes the sums by process must do. */
static void link_metrics_all(const struct text *t)
{
    if (t->n > FIGURES_LINKS_ALL_N)
        return;
    for (size_t i = 0; i < sizeof link_metrics / sizeof link_metrics[0]; i++) {
        const struct link_metric *m = &link_metrics[i];
        head(t, m->name, m->type, m->help);
        for (uint16_t p = 0; p < t->n; p++)
            for (uint16_t q = 0; q < t->n; q++) {
                const struct post_link *l = &t->page->process[p].post.link[q];
                uint64_t v = *(const uint64_t *)((const char *)l + m->offset);
                if (l->state == POST_LINK_NONE)
                    continue;
                fprintf(t->out, "%s{process=\"p%u\",peer=\"p%u\"} ", m->name, p, q);
                if (m->unit > 0)
                    fprintf(t->out, "%.9f\n", (double)v / m->unit);
                else
                    fprintf(t->out, "%" PRIu64 "\n", v);
            }
    }
}

static void wait_labels(const struct text *t, const char *name, const struct figures_wait *w)
{
    fprintf(t->out, "%s{process=\"p%u\",layer=\"%s\",for=\"%s\"", name, w->process, w->layer,
            figures_wait_kinds[w->wait.kind]);
}

static void wait_metrics(const struct text *t)
{
    head(t, "upon_wait_seconds", "gauge", "Age of the oldest open operation of a layer.");
    for (uint32_t i = 0; i < t->page->waits; i++) {
        wait_labels(t, "upon_wait_seconds", &t->page->wait[i]);
        fprintf(t->out, "} %.3f\n", t->page->wait[i].age_s);
    }
    head(t, "upon_wait_missing", "gauge", "1 for each process that this operation waits for.");
    for (uint32_t i = 0; i < t->page->waits; i++)
        for (uint64_t set = t->page->wait[i].wait.missing; set != 0; set &= set - 1) {
            wait_labels(t, "upon_wait_missing", &t->page->wait[i]);
            fprintf(t->out, ",peer=\"p%d\"} 1\n", __builtin_ctzll(set));
        }
}

static void latency_metrics(const struct text *t, struct hist *scratch)
{
    const char *name = "upon_latency_seconds";
    head(
        t, name, "histogram",
        "From the intended time of an operation to its end at its source; links: at the receiver.");
    for (uint16_t p = 0; p < t->n; p++) {
        memset(scratch, 0, sizeof *scratch);
        hist_add(scratch, &board_row(figures_board(t->figures), p)->decide);
        for (size_t i = 0; i < sizeof bounds_ns / sizeof bounds_ns[0]; i++)
            fprintf(t->out, "%s_bucket{process=\"p%u\",le=\"%g\"} %" PRIu64 "\n", name, p,
                    (double)bounds_ns[i] / 1e9, hist_count_to(scratch, bounds_ns[i]));
        uint64_t count = hist_count(scratch);
        fprintf(t->out, "%s_bucket{process=\"p%u\",le=\"+Inf\"} %" PRIu64 "\n", name, p, count);
        fprintf(t->out, "%s_sum{process=\"p%u\"} %.9f\n", name, p, hist_sum(scratch) / 1e9);
        fprintf(t->out, "%s_count{process=\"p%u\"} %" PRIu64 "\n", name, p, count);
    }
}

char *metrics_text(const struct figures *f, const struct figures_page *page)
{
    char *text = NULL;
    size_t bytes = 0;
    struct hist *scratch = malloc(sizeof *scratch);
    FILE *out = scratch != NULL ? open_memstream(&text, &bytes) : NULL;
    if (out != NULL) {
        const struct text t = {out, page, f, (uint16_t)figures_board(f)->n};
        run_metrics(&t);
        state_metrics(&t);
        operation_metrics(&t);
        counter_metrics(&t);
        link_metrics_all(&t);
        wait_metrics(&t);
        latency_metrics(&t, scratch);
        bool bad = ferror(out) != 0;
        if (fclose(out) != 0 || bad || bytes > METRICS_BYTES_MAX) {
            free(text);
            text = NULL;
        }
    }
    free(scratch);
    return text;
}
