/* SPDX-License-Identifier: BSD-3-Clause */
/* What a person reads of a run: before it, and after. */
#include "result.h"
#include "timeline.h"

#include <inttypes.h>
#include <math.h>

#define PREEMPTIONS_QUIET_PER_S 10  /* per core: what a quiet machine shows */
#define RATE_OPS_FEW            100 /* one more or less is a hundredth of the rate */

char *report_ns(char *text, size_t size, uint64_t ns)
{
    static const char *const units[] = {"ns", "us", "ms", "s"};
    double v = (double)ns;
    int u = 0;
    for (; v >= 999.5 && u < 3; u++)
        v /= 1000;
    snprintf(text, size,
             u == 0 || v >= 99.95 ? "%.0f %s"
             : v >= 9.995         ? "%.1f %s"
                                  : "%.2f %s",
             v, units[u]);
    return text;
}

char *report_count(char *text, size_t size, double value)
{
    static const char *const units[] = {"", " k", " M", " G"};
    int u = 0;
    for (; value >= 999.5 && u < 3; u++)
        value /= 1000;
    snprintf(text, size,
             value >= 99.95 || (u == 0 && value == floor(value)) ? "%.0f%s"
             : value >= 9.995                                    ? "%.1f%s"
                                                                 : "%.2f%s",
             value, units[u]);
    return text;
}

static char *bytes_text(char *text, size_t size, uint64_t bytes)
{
    if (bytes < 10240)
        snprintf(text, size, "%" PRIu64 " B", bytes);
    else if (bytes < 10u << 20)
        snprintf(text, size, "%.0f KiB", (double)bytes / 1024);
    else
        snprintf(text, size, "%.0f MiB", (double)bytes / 1048576);
    return text;
}

static void load_text(const struct job *job, char *text, size_t size)
{
    char rate[32], bytes[32], who[64];
    bytes_text(bytes, sizeof bytes, job->size);
    if (strcmp(job->proposer, "leader") == 0)
        snprintf(who, sizeof who, "p0");
    else if (strcmp(job->proposer, "all") == 0)
        snprintf(who, sizeof who, "every process");
    else
        snprintf(who, sizeof who, "p%.60s", job->proposer);
    if (job->mode == JOB_CLOSED)
        snprintf(text, size, "closed loop, %s, %u outstanding, of %s", who, job->window, bytes);
    else
        snprintf(text, size, "open loop, %s, %s/s %s, of %s", who,
                 report_count(rate, sizeof rate, job->rate),
                 job->arrival == LOAD_POISSON ? "Poisson" : "constant", bytes);
}

static void put_layers(FILE *out, const struct stack_def *def)
{
    for (const struct stack_layer *l = def->layers; l->name != NULL; l++)
        fprintf(out, "%s%s", l == def->layers ? "" : " · ", l->cls->name);
}

void report_head(FILE *out, const struct result *r)
{
    const struct job *job = r->job;
    char load[256];
    load_text(job, load, sizeof load);
    fprintf(out, "%s among %u over %s: %s\n\n", job->stack, job->n, job->device, job->def->summary);
    fprintf(out, "  layers     ");
    put_layers(out, job->def);
    fprintf(out, "\n  device     %s\n", r->device);
    fprintf(out, "  placement  %s%s\n", r->placement,
            !r->shared              ? "   (a core each)"
            : !r->siblings          ? "   (shared: breaths in turn)"
            : r->lcores < r->job->n ? "   (shared: breaths in turn, hardware threads of one core)"
                                    : "   (shared: hardware threads of one core)");
    fprintf(out, "  machine    %s\n", r->machine);
    fprintf(out, "  load       %s\n", load);
    fprintf(out, "  measured   %.3g s after %.3g s of warm-up, seed %" PRIu64 "\n",
            (double)job->duration_ns / 1e9, (double)job->warmup_ns / 1e9, job->seed);
    fprintf(out, "  upon       %s, %s\n\n", upon_revision, r->when);
}

static void put_latency(FILE *out, const char *name, const struct result_latency *l)
{
    char text[32];
    fprintf(out, "  %-12s", name);
    for (uint32_t i = 0; i < RESULT_PERCENTILES; i++)
        fprintf(out, "%10s", l->has[i] ? report_ns(text, sizeof text, l->value_ns[i]) : "-");
    fprintf(out, "%10s", l->count > 0 ? report_ns(text, sizeof text, l->max_ns) : "-");
    fprintf(out, "%10s\n", report_count(text, sizeof text, (double)l->count));
}

/* The title of each line says from where to where it was measured. */
static void put_latencies(FILE *out, const struct result *r)
{
    const uint8_t shape = r->job->top->shape;
    fprintf(out, "  %-12s", "latency");
    for (uint32_t i = 0; i < RESULT_PERCENTILES; i++)
        fprintf(out, "%10s", result_percentiles[i].title);
    fprintf(out, "%10s%10s\n", "max", "samples");
    if (shape != LOAD_TO_NEXT)
        put_latency(out, shape == LOAD_ONE_VALUE ? "decided" : "delivered", &r->decide);
    put_latency(out, shape == LOAD_TO_NEXT ? "delivered" : "by all", &r->deliver_all);
    fprintf(out, "  %-12s", "");
    if (shape == LOAD_TO_NEXT)
        fprintf(out, "from the intended time to the receiver's delivery");
    else
        fprintf(out, "from the intended time to the %s at the proposer, and at the last process",
                shape == LOAD_ONE_VALUE ? "decision" : "delivery");
    if (r->sample_every > 1)
        fprintf(out, " (1 in %u)", r->sample_every);
    fprintf(out, "\n");
    if (r->deliver_all.count == 0)
        fprintf(out, "  %-12snothing that was intended in the interval was sent and arrived\n", "");
    if (r->unsent > 0)
        fprintf(out,
                "  %-12s%" PRIu64 " more were intended and never sent: they are not in these\n", "",
                r->unsent);
    if (r->samples_missed > 0)
        fprintf(out, "  %-12s%" PRIu64 " more could not be remembered\n", "", r->samples_missed);
}

/* Few operations make a coarse rate, and what the warm-up left may make more sent than offered. */
static void put_rates(FILE *out, const struct result *r)
{
    char a[32], b[32], c[32];
    fprintf(out, "  rate        offered %s/s   sent %s/s   delivered %s/s%s\n",
            report_count(a, sizeof a, r->offered_per_s), report_count(b, sizeof b, r->sent_per_s),
            report_count(c, sizeof c, r->delivered_per_s),
            r->saturated ? "   SATURATED: it could not send what was offered" : "");
    if (r->operations < RATE_OPS_FEW)
        fprintf(out, "  %-12s%" PRIu64 " operations in %s: too few for a rate\n", "", r->operations,
                report_ns(a, sizeof a, (uint64_t)llround(r->seconds * 1e9)));
    if (r->caught_up > 0 && r->sent_per_s > r->offered_per_s)
        fprintf(out, "  %-12s%s of what was sent were due in the warm-up\n", "",
                report_count(a, sizeof a, (double)r->caught_up));
}

static void put_wire(FILE *out, const struct result *r)
{
    const double ops = (double)r->operations, sent = (double)r->measured[COUNT_tx_frames];
    char frames[32], bytes[32];
    fprintf(out, "  wire        ");
    if (r->operations > 0)
        fprintf(out, "%.3g frames, %.3g records, %.4g bytes per operation;  ", sent / ops,
                (double)r->measured[COUNT_tx_records] / ops,
                (double)r->measured[COUNT_tx_bytes] / ops);
    else
        fprintf(out, "- per operation, none was sent;  ");
    fprintf(out, "%s frames, %s\n", report_count(frames, sizeof frames, sent),
            bytes_text(bytes, sizeof bytes, r->measured[COUNT_tx_bytes]));
    if (r->measured[COUNT_tx_retransmits] > 0)
        fprintf(out, "  %-12sof these, records sent again: %s\n", "",
                report_count(frames, sizeof frames, (double)r->measured[COUNT_tx_retransmits]));
}

/* Stacks over a log: what the disks did, and what was found in them afterwards. */
static void put_disk(FILE *out, const struct result *r)
{
    const struct result_disk *d = &r->disk;
    const struct audit *a = &d->audit;
    char records[32], flushes[32], bytes[32], p50[32] = "-", p99[32] = "-";
    if (!job_logs(r->job))
        return;
    if (d->store.has[0])
        report_ns(p50, sizeof p50, d->store.value_ns[0]);
    if (d->store.has[2])
        report_ns(p99, sizeof p99, d->store.value_ns[2]);
    fprintf(out, "  disk        %s\n", d->device);
    if (r->job->goes_on)
        fprintf(out,
                "  %-12slog continued: run %" PRIu32 " over it%s, %" PRIu64
                " operations recovered\n",
                "", ledger_runs(d->run) + 1, ledger_restores(d->run) > 0 ? ", restored" : "",
                d->recovered);
    fprintf(out, "  %-12sin the whole run %s records in %s flushes, %.3g each; %s written\n", "",
            report_count(records, sizeof records, (double)d->records),
            report_count(flushes, sizeof flushes, (double)d->flushes),
            d->flushes > 0 ? (double)d->records / (double)d->flushes : 0,
            bytes_text(bytes, sizeof bytes, d->written_bytes));
    fprintf(out, "  %-12sfrom Store to Stored: p50 %s, p99 %s\n", "", p50, p99);
    if (d->compactions > 0)
        fprintf(out, "  %-12s%" PRIu64 " compactions\n", "", d->compactions);
    fprintf(out,
            "  audit       %" PRIu64 " of %" PRIu64 " acknowledged operations found in %u logs",
            a->found, a->acknowledged, a->logs);
    if (a->released > 0)
        fprintf(out, ", %" PRIu64 " released and dropped", a->released);
    if (a->doubled > 0)
        fprintf(out, ", %" PRIu64 " acknowledged twice", a->doubled);
    fprintf(out, ", %" PRIu64 " lost; %" PRIu64 " lives\n", a->lost, a->lives);
    if (a->unaudited > 0)
        fprintf(out,
                "  %-12s%" PRIu64
                " more were acknowledged when the ledger was full, and not looked "
                "for\n",
                "", a->unaudited);
}

/* In the interval, like all above; and in the whole run, where that is more. */
static void put_drops(FILE *out, const struct result *r)
{
    bool any = false;
    char n[32], all[32];
    for (uint32_t c = COUNT_drop_first; c < COUNTERS; c++)
        if (r->counters[c] > 0) {
            fprintf(out, "  %-12s%s %s", any ? "" : "drops",
                    report_count(n, sizeof n, (double)r->measured[c]), counter_texts[c].text);
            if (r->counters[c] > r->measured[c])
                fprintf(out, "; %s in the whole run",
                        report_count(all, sizeof all, (double)r->counters[c]));
            fputs("\n", out);
            any = true;
        }
    if (!any)
        fprintf(out, "  drops       none\n");
}

/* A core that is not ours alone shows in the tail: say so beside it. */
static void put_preemptions(FILE *out, const struct result *r)
{
    char n[32];
    double seconds = (double)(r->job->warmup_ns) / 1e9 + r->seconds;
    if ((double)r->preemptions > PREEMPTIONS_QUIET_PER_S * seconds * r->lcores)
        fprintf(out,
                "  disturbed   other programs took these cores %s times: the tail is theirs too\n",
                report_count(n, sizeof n, (double)r->preemptions));
}

static const char *const verdict_states[] = {"holds", "VIOLATED", "unknown"};

/* The properties of the top on one line, those of the layers below on another. */
static void put_properties(FILE *out, const struct verdict *v, bool below)
{
    for (uint32_t i = 0; i < v->properties; i++)
        if (v->property[i].aside == below)
            fprintf(out, "  %s %s", v->property[i].code, verdict_states[v->property[i].state]);
    fprintf(out, "\n");
}

/* From what the properties were judged: records of every event, or digests, and why. */
static void put_judged_by(FILE *out, const struct verdict *v)
{
    const struct verdict_property *top = &v->property[0];
    char n[32], took[32];
    if (v->unrecorded != NULL)
        fprintf(out, "  judged by   digests: %s\n", v->unrecorded);
    else if (top->judged_by == JUDGED_BY_DIGEST)
        fprintf(out, "  judged by   digests; by checkers only until %.6f s: records did not fit\n",
                (double)top->covered_ns / 1e9);
    else
        fprintf(out, "  judged by   checkers, %s recorded events in %s; steps are ns of the run\n",
                report_count(n, sizeof n, (double)top->events),
                report_ns(took, sizeof took, v->judge_ns));
}

static void put_verdict(FILE *out, const struct verdict *v)
{
    bool below = false;
    fprintf(out, "  verdict     %s  ", verdict_name(v->state));
    put_properties(out, v, false);
    for (uint32_t i = 0; i < v->properties; i++) {
        below |= v->property[i].aside;
        if (v->property[i].state != VERDICT_VALID)
            fprintf(out, "              %s: %s\n", v->property[i].code, v->property[i].witness);
    }
    for (uint32_t i = 0; i < v->notes; i++)
        fprintf(out, "              %s\n", v->note[i]);
    if (below) {
        fprintf(out, "  below     ");
        put_properties(out, v, true);
    }
    if (v->properties > 0)
        put_judged_by(out, v);
}

static void put_waits(FILE *out, const struct result *r)
{
    for (uint32_t i = 0; i < r->waits; i++)
        fprintf(out, "  %-12s%s\n", i == 0 ? "waits" : "", r->wait[i]);
}

void report_tail(FILE *out, const struct result *r, const char *folder)
{
    char memory[32];
    if (r->interrupted)
        fprintf(out, "  interrupted after %.2f s of the measured interval\n", r->seconds);
    put_rates(out, r);
    put_latencies(out, r);
    put_preemptions(out, r);
    if (r->crash != NULL)
        fprintf(out, "  crash       %s\n", r->crash);
    put_wire(out, r);
    put_disk(out, r);
    put_drops(out, r);
    fprintf(out, "  memory      %s\n", bytes_text(memory, sizeof memory, r->memory_bytes));
    if (r->timeline != NULL)
        timeline_report(out, r->timeline);
    put_verdict(out, r->verdict);
    put_waits(out, r);
    if (folder != NULL)
        fprintf(out, "  files       %s/\n", folder);
}

void report_line(FILE *out, const struct result *r)
{
    const struct result_latency *l =
        r->job->top->shape == LOAD_TO_NEXT ? &r->deliver_all : &r->decide;
    char rate[32], p50[32] = "-", p99[32] = "-";
    if (l->has[0])
        report_ns(p50, sizeof p50, l->value_ns[0]);
    if (l->has[2])
        report_ns(p99, sizeof p99, l->value_ns[2]);
    fprintf(out, "%s: %s among %u over %s, %s/s%s, p50 %s, p99 %s\n",
            verdict_name(r->verdict->state), r->job->stack, r->job->n, r->job->device,
            report_count(rate, sizeof rate, r->delivered_per_s), r->saturated ? " saturated" : "",
            p50, p99);
}
