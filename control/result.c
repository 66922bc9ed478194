/* SPDX-License-Identifier: BSD-3-Clause */
#include "result.h"
#include "timeline.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "dataplane/log_format.h"
#include "dataplane/refuse.h"
#include "revision.h"

#define SATURATED_SHARE 0.01 /* of what was offered, and not sent in the interval */
#define FOLDER_TRIES    100
#define LATEST          "runs/latest"
#define PART            ".part" /* behind the name of a file that is not whole yet */

const char upon_revision[] = UPON_REVISION;

const struct result_percentile result_percentiles[RESULT_PERCENTILES] = {
    {"p50", "p50", 50},       {"p90", "p90", 90},          {"p99", "p99", 99},
    {"p99_9", "p99.9", 99.9}, {"p99_99", "p99.99", 99.99},
};

/* ---- computing -------------------------------------------------------------------------------- */

struct result_latency result_latency(const struct hist *h)
{
    struct result_latency l = {.max_ns = h->max, .count = hist_count(h)};
    for (uint32_t i = 0; i < RESULT_PERCENTILES; i++)
        l.has[i] = hist_percentile(h, result_percentiles[i].percent, &l.value_ns[i]);
    return l;
}

/* The latest of the deliveries of one sampled operation. */
struct last_delivery {
    uint64_t latency_ns;
    uint32_t deliveries;
};

/* The first operation of this run, of a source, or of all that propose. */
static uint64_t first_of(const struct result *r, const struct board *b, uint64_t source)
{
    uint64_t first = UINT64_MAX;
    if (r->job->top->shape != LOAD_ONE_VALUE)
        return board_get(&board_row(b, (uint32_t)source)->first);
    for (uint32_t p = 0; p < b->n; p++)
        if ((r->job->sources >> p & 1) != 0 && board_get(&board_row(b, p)->first) < first)
            first = board_get(&board_row(b, p)->first);
    return first;
}

/* Join the samples of all processes: an operation counts when all of its receivers have it. */
static void join_samples(struct result *r, const struct board *b)
{
    const bool one_value = r->job->top->shape == LOAD_ONE_VALUE;
    const uint64_t every = board_get(&b->sample_every);
    uint64_t rows = 0;
    uint32_t receivers = b->n - (uint32_t)__builtin_popcountll(board_get(&b->crashed));
    for (uint32_t p = 0; p < b->n; p++) {
        uint64_t end = board_get(&board_row(b, p)->issued) / every + 1;
        uint64_t first = first_of(r, b, p) / every;
        if (end > first && end - first > rows)
            rows = end - first;
    }
    uint32_t sources = one_value ? 1 : b->n;
    struct last_delivery *last = calloc(rows * sources, sizeof *last);
    if (last == NULL)
        return;
    for (uint32_t p = 0; p < b->n; p++) {
        const struct board_sample *s = board_samples(b, p);
        if (!board_correct(b, p))
            continue;
        uint64_t count = atomic_load_explicit(&board_row(b, p)->samples, memory_order_acquire);
        for (uint64_t i = 0; i < count; i++) {
            uint64_t source = one_value ? 0 : s[i].key >> BOARD_KEY_SHIFT;
            uint64_t row = (s[i].key & ((1ull << BOARD_KEY_SHIFT) - 1)) / every;
            if (source < b->n) /* below the first: too large */
                row -= first_of(r, b, source) / every;
            if (row >= rows || source >= sources)
                continue;
            struct last_delivery *d = &last[row * sources + source];
            if (s[i].latency_ns > d->latency_ns)
                d->latency_ns = s[i].latency_ns;
            if (++d->deliveries == receivers)
                hist_record(&r->deliver_all_hist, d->latency_ns);
        }
        r->samples_missed += board_get(&board_row(b, p)->samples_missed);
    }
    free(last);
}

/* What sources were to send in the measured interval, and what they did in it. */
struct offer {
    uint64_t offered; /* intended in it */
    uint64_t behind;  /* of these, not sent in it: late, or unsent */
    uint64_t unsent;  /* of these, not even after it */
    uint64_t sent;    /* sent in it, whenever intended */
};

/* Sources of consensus propose for the same instances: the one that came farthest counts. */
static void add_offer(struct offer *all, const struct board_row *row, uint8_t shape)
{
    const struct offer one = {
        .offered = board_get(&row->offered_measured),
        .behind = board_get(&row->late_measured) + board_get(&row->unsent),
        .unsent = board_get(&row->unsent),
        .sent = board_get(&row->issued_measured),
    };
    if (shape != LOAD_ONE_VALUE) {
        all->offered += one.offered;
        all->behind += one.behind;
        all->unsent += one.unsent;
        all->sent += one.sent;
    } else if (one.sent > all->sent || (one.sent == all->sent && one.offered > all->offered)) {
        *all = one;
    }
}

/* Whether a source could not keep up is told by those that went on to the end. */
static void compute_rates(struct result *r, const struct board *b)
{
    const uint8_t shape = r->job->top->shape;
    struct offer all = {0}, correct = {0};
    uint64_t delivered = shape == LOAD_TO_NEXT ? 0 : UINT64_MAX;
    for (uint32_t p = 0; p < b->n; p++) {
        const struct board_row *row = board_row(b, p);
        uint64_t d = board_get(&row->delivered_measured);
        add_offer(&all, row, shape);
        if (board_correct(b, p))
            add_offer(&correct, row, shape);
        if (shape == LOAD_TO_NEXT)
            delivered += d;
        else if (board_correct(b, p))
            delivered = d < delivered ? d : delivered;
    }
    if (delivered == UINT64_MAX) /* nobody is left who could have */
        delivered = 0;
    r->operations = all.sent;
    r->unsent = all.unsent;
    r->behind = all.behind;
    if (all.sent + all.behind > all.offered)
        r->caught_up = all.sent + all.behind - all.offered;
    if (r->seconds > 0) {
        r->offered_per_s = (double)all.offered / r->seconds;
        r->sent_per_s = (double)all.sent / r->seconds;
        r->delivered_per_s = (double)delivered / r->seconds;
    }
    r->saturated = (double)correct.behind > SATURATED_SHARE * (double)correct.offered;
}

/* What a process counted in the measured interval; who crashed in it, up to its last post. */
static uint64_t in_interval(const struct board_row *row, uint32_t c)
{
    uint64_t edges = board_get(&row->edges);
    uint64_t end = board_get(edges == 2 ? &row->counters_end[c] : &row->counters[c]);
    uint64_t from = board_get(&row->counters_from[c]);
    return edges > 0 && end > from ? end - from : 0;
}

void result_compute(struct result *r, const struct job *job, const struct board *b)
{
    r->job = job;
    uint64_t end = board_get(&b->end_ns);
    r->seconds = end > b->from_ns ? (double)(end - b->from_ns) / 1e9 : 0;
    r->interrupted = end < b->from_ns + job->duration_ns;
    r->sample_every = (uint32_t)board_get(&b->sample_every);
    compute_rates(r, b);
    if (job->top->shape != LOAD_TO_NEXT)
        join_samples(r, b);
    for (uint32_t p = 0; p < b->n; p++) {
        const struct board_row *row = board_row(b, p);
        hist_add(&r->decide_hist, &row->decide);
        for (uint32_t c = 0; c < COUNTERS; c++) {
            r->counters[c] += board_get(&row->counters[c]);
            r->measured[c] += in_interval(row, c);
        }
    }
    if (job->top->shape == LOAD_TO_NEXT) { /* the one receiver is the last */
        hist_add(&r->deliver_all_hist, &r->decide_hist);
        r->sample_every = 1;
    }
    r->decide = result_latency(&r->decide_hist);
    r->deliver_all = result_latency(&r->deliver_all_hist);
}

void result_disk(struct result *r, const struct board *b)
{
    struct result_disk *d = &r->disk;
    struct hist *store = calloc(1, sizeof *store);
    for (uint32_t p = 0; p < b->n; p++) {
        const board_u64 *c = board_row(b, p)->counters;
        d->records += board_get(&c[COUNT_log_records]);
        d->bytes += board_get(&c[COUNT_log_bytes]);
        d->flushes += board_get(&c[COUNT_log_writes]);
        d->written_bytes += board_get(&c[COUNT_log_blocks]) * LOG_BLOCK_BYTES;
        d->compactions += board_get(&c[COUNT_log_compactions]);
        if (store != NULL)
            hist_add(store, &board_row(b, p)->store);
    }
    if (store != NULL)
        d->store = result_latency(store);
    free(store);
}

/* ---- JSON -------------------------------------------------------------------------------------- */

static double rounded(double v)
{
    return round(v * 1000) / 1000;
}

static json_t *json_latency(const struct result_latency *l)
{
    json_t *o = json_object();
    for (uint32_t i = 0; i < RESULT_PERCENTILES; i++)
        json_object_set_new(o, result_percentiles[i].key,
                            l->has[i] ? json_integer((json_int_t)l->value_ns[i]) : json_null());
    json_object_set_new(o, "max", l->count > 0 ? json_integer((json_int_t)l->max_ns) : json_null());
    json_object_set_new(o, "count", json_integer((json_int_t)l->count));
    return o;
}

/* Of nothing that was sent there is no share. */
static json_t *json_per_op(const struct result *r, uint64_t count)
{
    return r->operations > 0 ? json_real(rounded((double)count / (double)r->operations))
                             : json_null();
}

static json_t *json_wire(const struct result *r)
{
    const uint64_t *m = r->measured;
    return json_pack("{s:I, s:I, s:I, s:o, s:o, s:o}", "frames", (json_int_t)m[COUNT_tx_frames],
                     "bytes", (json_int_t)m[COUNT_tx_bytes], "records",
                     (json_int_t)m[COUNT_tx_records], "frames_per_op",
                     json_per_op(r, m[COUNT_tx_frames]), "bytes_per_op",
                     json_per_op(r, m[COUNT_tx_bytes]), "records_per_op",
                     json_per_op(r, m[COUNT_tx_records]));
}

static json_t *json_disk(const struct result *r)
{
    const struct result_disk *d = &r->disk;
    const struct audit *a = &d->audit;
    json_t *audit =
        json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "logs", (json_int_t)a->logs,
                  "lives", (json_int_t)a->lives, "records", (json_int_t)a->records, "acknowledged",
                  (json_int_t)a->acknowledged, "found", (json_int_t)a->found, "released",
                  (json_int_t)a->released, "lost", (json_int_t)a->lost, "doubled",
                  (json_int_t)a->doubled, "unaudited", (json_int_t)a->unaudited);
    return json_pack("{s:s, s:b, s:i, s:i, s:I, s:I, s:I, s:I, s:I, s:f, s:I, s:o, s:o}", "device",
                     d->device, "direct", true, "run", (int)ledger_runs(d->run), "restores",
                     (int)ledger_restores(d->run), "recovered", (json_int_t)d->recovered, "records",
                     (json_int_t)d->records, "bytes", (json_int_t)d->bytes, "flushes",
                     (json_int_t)d->flushes, "written_bytes", (json_int_t)d->written_bytes,
                     "records_per_flush",
                     rounded(d->flushes > 0 ? (double)d->records / (double)d->flushes : 0),
                     "compactions", (json_int_t)d->compactions, "store_ns", json_latency(&d->store),
                     "audit", audit);
}

static json_t *json_drops(const uint64_t *counters)
{
    json_t *o = json_object();
    for (uint32_t c = COUNT_drop_first; c < COUNTERS; c++)
        if (counters[c] > 0)
            json_object_set_new(o, counter_texts[c].id, json_integer((json_int_t)counters[c]));
    return o;
}

static json_t *json_properties(const struct verdict *v)
{
    static const char *const states[] = {"holds", "violated", "unknown"};
    json_t *o = json_object();
    for (uint32_t i = 0; i < v->properties; i++)
        json_object_set_new(o, v->property[i].code, json_string(states[v->property[i].state]));
    return o;
}

/* Each property by itself: who judged it, from what. */
static json_t *json_judgements(const struct result *r)
{
    static const char *const states[] = {"holds", "violated", "unknown"};
    static const char *const by[] =
        {[JUDGED_BY_DIGEST] = "digest", [JUDGED_BY_CHECKER] = "checker"};
    const struct verdict *v = r->verdict;
    json_t *a = json_array();
    for (uint32_t i = 0; i < v->properties; i++) {
        const struct verdict_property *p = &v->property[i];
        const bool checker = p->judged_by == JUDGED_BY_CHECKER;
        json_t *o = json_pack("{s:s, s:s, s:s, s:b}", "code", p->code, "verdict", states[p->state],
                              "judged_by", by[p->judged_by], "counts", !p->aside);
        json_object_set_new(o, "layer",
                            json_string(p->layer != NULL ? p->layer : r->job->def->top));
        json_object_set_new(o, "events",
                            checker ? json_integer((json_int_t)p->events) : json_null());
        json_object_set_new(o, "covered_until_s",
                            p->covered_ns != 0 ? json_real((double)p->covered_ns / 1e9)
                                               : json_null());
        json_object_set_new(o, "witness",
                            p->state != VERDICT_VALID ? json_string(p->witness) : json_null());
        json_array_append_new(a, o);
    }
    return a;
}

static json_t *json_why(const struct verdict *v)
{
    json_t *a = json_array();
    for (uint32_t i = 0; i < v->properties; i++)
        if (v->property[i].state != VERDICT_VALID) {
            char text[VERDICT_TEXT_BYTES + 32];
            snprintf(text, sizeof text, "%s: %s", v->property[i].code, v->property[i].witness);
            json_array_append_new(a, json_string(text));
        }
    for (uint32_t i = 0; i < v->notes; i++)
        json_array_append_new(a, json_string(v->note[i]));
    return a;
}

static json_t *json_waits(const struct result *r)
{
    json_t *a = json_array();
    for (uint32_t i = 0; i < r->waits; i++)
        json_array_append_new(a, json_string(r->wait[i]));
    return a;
}

static json_t *json_load(const struct job *job)
{
    json_t *o = json_pack("{s:s, s:s}", "mode", job->mode == JOB_OPEN ? "open" : "closed",
                          "proposer", job->proposer);
    if (job->mode == JOB_OPEN) {
        json_object_set_new(o, "rate", json_real(job->rate));
        json_object_set_new(o, "arrival",
                            json_string(job->arrival == LOAD_POISSON ? "poisson" : "constant"));
    } else {
        json_object_set_new(o, "window", json_integer(job->window));
    }
    return o;
}

char *result_json(const struct result *r)
{
    const struct job *job = r->job;
    json_t *o = json_object();
#define PUT(key, value) json_object_set_new(o, key, value)
    PUT("schema", json_string(RESULT_SCHEMA));
    PUT("verdict", json_string(verdict_name(r->verdict->state)));
    PUT("stack", json_string(job->stack));
    PUT("n", json_integer(job->n));
    PUT("device", json_string(job->device));
    PUT("device_text", json_string(r->device));
    PUT("lcores", json_integer(r->lcores));
    PUT("placement", json_string(r->placement));
    PUT("machine", json_string(r->machine));
    PUT("shared_cores", json_boolean(r->shared));
    PUT("size_bytes", json_integer((json_int_t)job->size));
    PUT("load", json_load(job));
    PUT("seed", json_integer((json_int_t)job->seed));
    PUT("cluster", json_integer(job->conf.cluster));
    PUT("revision", json_string(upon_revision));
    PUT("started", json_string(r->when));
    PUT("duration_s", json_real(rounded(r->seconds)));
    PUT("crash", r->crash != NULL ? json_string(r->crash) : json_null());
    PUT("interrupted", json_boolean(r->interrupted));
    PUT("operations", json_integer((json_int_t)r->operations));
    PUT("offered_per_s", json_real(rounded(r->offered_per_s)));
    PUT("sent_per_s", json_real(rounded(r->sent_per_s)));
    PUT("delivered_per_s", json_real(rounded(r->delivered_per_s)));
    PUT("saturated", json_boolean(r->saturated));
    PUT("behind", json_integer((json_int_t)r->behind));
    PUT("unsent", json_integer((json_int_t)r->unsent));
    PUT("caught_up", json_integer((json_int_t)r->caught_up));
    PUT("latency_ns", json_pack("{s:o, s:o}", "decide", json_latency(&r->decide), "deliver_all",
                                json_latency(&r->deliver_all)));
    PUT("deliver_all_sampled_1_in", json_integer(r->sample_every));
    PUT("wire", json_wire(r));
    if (job_logs(job))
        PUT("disk", json_disk(r));
    PUT("retransmits", json_integer((json_int_t)r->measured[COUNT_tx_retransmits]));
    PUT("drops", json_drops(r->measured));
    PUT("drops_whole_run", json_drops(r->counters));
    PUT("memory_bytes", json_integer((json_int_t)r->memory_bytes));
    PUT("preemptions", json_integer((json_int_t)r->preemptions));
    PUT("leaked_packets", json_integer((json_int_t)r->leaked_pkts));
    PUT("properties", json_properties(r->verdict));
    if (r->timeline != NULL)
        PUT("timeline", timeline_json(r->timeline));
    PUT("judgements", json_judgements(r));
    PUT("judge_s", json_real(rounded((double)r->verdict->judge_ns / 1e9)));
    PUT("unrecorded",
        r->verdict->unrecorded != NULL ? json_string(r->verdict->unrecorded) : json_null());
    PUT("why", json_why(r->verdict));
    PUT("waits", json_waits(r));
#undef PUT
    char *text = json_dumps(o, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
    json_decref(o);
    return text;
}

/* ---- files -------------------------------------------------------------------------------------- */

static int file_error(char *why, size_t size, const char *path)
{
    int err = errno;
    snprintf(why, size, "%s: %s; choose another place with --out DIR", path, strerror(err));
    return -err;
}

static int make_folder(const char *path)
{
    return mkdir(path, 0777) == 0 ? 0 : -errno;
}

/* Replace the link in one step: who looks finds the old one or the new. */
static int point_latest(const char *name)
{
    char next[64];
    snprintf(next, sizeof next, "runs/.latest-%d", (int)getpid());
    unlink(next);
    if (symlink(name, next) == 0 && rename(next, LATEST) == 0)
        return 0;
    int err = -errno;
    unlink(next);
    return err;
}

int result_latest(const char *path, char *why, size_t why_size)
{
    int err = point_latest(path + sizeof "runs/" - 1);
    errno = -err;
    return err == 0 ? 0 : file_error(why, why_size, LATEST);
}

int result_folder(const char *out, const struct job *job, char *path, size_t path_size, bool *made,
                  char *why, size_t why_size)
{
    struct stat st;
    if (out != NULL) {
        snprintf(path, path_size, "%s", out);
        int err = make_folder(path);
        *made = err == 0;
        if (err == -EEXIST && stat(path, &st) == 0 && !S_ISDIR(st.st_mode))
            err = -ENOTDIR;
        errno = -err;
        return err == 0 || err == -EEXIST ? 0 : file_error(why, why_size, path);
    }
    if (lstat(LATEST, &st) == 0 && !S_ISLNK(st.st_mode)) {
        snprintf(why, why_size,
                 LATEST " shall be a link to this run, and is something else; move it away, or "
                        "choose another place with --out DIR");
        return -EEXIST;
    }
    char date[32];
    time_t now = time(NULL);
    struct tm tm;
    localtime_r(&now, &tm);
    strftime(date, sizeof date, "%Y%m%d-%H%M%S", &tm);
    int err = make_folder("runs");
    for (int i = 1; (err == 0 || err == -EEXIST) && i < FOLDER_TRIES; i++) {
        char again[16] = "";
        if (i > 1)
            snprintf(again, sizeof again, "-%d", i);
        snprintf(path, path_size, "runs/%s-%s%s", date, job->stack, again);
        err = make_folder(path);
        *made = err == 0;
        if (err == 0)
            return 0;
    }
    errno = -err;
    return file_error(why, why_size, path[0] != '\0' ? path : "runs");
}

static void remove_files(const char *path, const char *const names[], size_t count)
{
    char name[4200];
    for (size_t i = 0; i < count; i++) {
        snprintf(name, sizeof name, "%s/%s", path, names[i]);
        unlink(name);
    }
}

void result_clear(const char *path)
{
    static const char *const late[] = {"summary.json", "hist.hlog", "timeline.csv", "timeline.svg"};
    remove_files(path, late, sizeof late / sizeof late[0]);
}

void result_unfolder(const char *path)
{
    static const char *const early[] = {"series.csv", "events.ndjson"};
    remove_files(path, early, sizeof early / sizeof early[0]);
    if (rmdir(path) == 0 && strncmp(path, "runs/", 5) == 0)
        rmdir("runs"); /* unless others are in it */
}

static int name_part(char *part, size_t size, const char *path)
{
    return snprintf(part, size, "%s" PART, path);
}

FILE *result_open(const char *path)
{
    char part[PATH_MAX];
    if (name_part(part, sizeof part, path) >= (int)sizeof part) {
        errno = ENAMETOOLONG;
        return NULL;
    }
    return fopen(part, "we");
}

int result_close(FILE *f, const char *path, char *why, size_t why_size)
{
    char part[PATH_MAX];
    name_part(part, sizeof part, path);
    bool bad = ferror(f) != 0; /* errno is still that of the write */
    if (fclose(f) == 0 && !bad && rename(part, path) == 0)
        return 0;
    int err = file_error(why, why_size, path);
    unlink(part);
    return err;
}

static FILE *open_in(const char *folder, const char *name, char *path, size_t path_size)
{
    snprintf(path, path_size, "%s/%s", folder, name);
    return result_open(path);
}

int result_put(const char *folder, const char *name, const char *text, char *why, size_t why_size)
{
    char path[4096];
    if (text == NULL)
        return refuse_as(why, why_size, -ENOMEM, "%s: out of memory", name);
    FILE *f = open_in(folder, name, path, sizeof path);
    if (f == NULL)
        return file_error(why, why_size, path);
    size_t len = strlen(text);
    fprintf(f, "%s%s", text, len > 0 && text[len - 1] == '\n' ? "" : "\n");
    return result_close(f, path, why, why_size);
}

int result_write(const struct result *r, const char *folder, char *why, size_t why_size)
{
    char path[4096];
    FILE *f = open_in(folder, "job.ini", path, sizeof path);
    if (f == NULL)
        return file_error(why, why_size, path);
    fprintf(f, "; run %s, revision %s\n", r->when, upon_revision);
    job_write(r->job, f);
    int err = result_close(f, path, why, why_size);
    if (err != 0)
        return err;

    f = open_in(folder, "hist.hlog", path, sizeof path);
    if (f == NULL)
        return file_error(why, why_size, path);
    const struct hist *const hists[] = {&r->decide_hist, &r->deliver_all_hist};
    const char *const tags[] = {"decide", "deliver_all"};
    hist_log_write(f, hists, tags, 2, r->start_unix, r->seconds);
    err = result_close(f, path, why, why_size);
    if (err != 0)
        return err;

    char *text = result_json(r); /* the last: where it is, all the others are */
    err = result_put(folder, "summary.json", text, why, why_size);
    free(text);
    return err;
}
