/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `upon run`: processes on polling lcores, this thread asleep beside them; or in nodes of their
 * own (nodes.h), where the device reaches from one OS process to another.
 *
 * Whatever can be refused is refused before anything starts. While the processes run, this thread
 * wakes once in a tick, reads the board, and writes a line of the series; it touches nothing that
 * a process waits for. When the load has ended it waits, in bounded time, for what is still on its
 * way, stops the processes, takes the stacks apart, counts the packets, and judges.
 */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/clock.h"
#include "dataplane/refuse.h"
#include "host.h"
#include "inject.h"
#include "judge.h"
#include "ledger.h"
#include "metrics.h"
#include "nodes.h"
#include "console.h"
#include "result.h"
#include "telemetry.h"
#include "runs.h"
#include "storage.h"
#include "timeline.h"
#include "verbs.h"

#define SETS_MAX         64
#define TICK_NS          100000000  /* with a processor to spare for this thread */
#define TICK_CROWDED_NS  1000000000 /* with none: it takes its time from a process */
#define DRAIN_TICK_NS    2000000
#define SETTLE_TICK_NS   50000000
#define START_NS         20000000   /* the processes are all polling by then */
#define SAMPLES_ALL      (1u << 21) /* deliveries that are remembered, of all processes */
#define CLOSED_OPS_PER_S 4e6        /* more than a closed loop will do */
#define FASTER_THAN_WARM 1.5        /* … than it did in the warm-up */

struct arguments {
    const char *job;
    const char *out;
    char *set[SETS_MAX];
    uint32_t sets;
    char metrics[64]; /* --metrics and --telemetry are keys of the job */
    char telemetry[32];
    char faults[JOB_TEXT_BYTES + 16];
    bool json;
    bool quiet;
};

struct run {
    const struct arguments *args;
    struct job job;
    struct placement place;
    struct board *board;
    int board_fd;
    bool apart;       /* processes live in nodes; else they live here */
    struct host host; /* of all processes */
    struct nodes nodes;
    struct figures *figures; /* for whoever looks on */
    struct metrics *metrics; /* NULL: the job does not ask for it */
    struct serve serve;
    struct console console;
    struct runs_mark mark;
    struct events events;
    struct inject inject;
    struct verdict verdict;
    struct record_plan records;
    struct judge judge;
    struct timeline timeline;
    struct result result;
    char placement_text[1024];
    char device_text[256];
    char machine_text[128];
    char crash_text[320];
    char folder[4096];
    bool folder_made; /* it was not there before */
    int lock_fd;      /* of a file there, so that no other run takes it */
    bool begun;
    bool log_here; /* the logs lie there */
    bool logs;     /* they were made, or found */
    struct ledger ledger;
    bool evidence; /* the audit was not content with them */
    FILE *say;     /* for people */
    FILE *series;
    uint64_t tick_ns;
    bool spare;   /* this thread has a processor of its own */
    bool drained; /* all that was issued has arrived */
    bool cut;     /* what the device was to keep is not all there */
    /* The last second, or tick. */
    struct hist recent;
    struct hist before;
    uint64_t before_ns;
    uint64_t before_sent[PSET_PROCS];
    uint64_t before_delivered[PSET_PROCS];
    char why[1024];
};

static int fail(const struct run *r)
{
    fprintf(stderr, "upon: %s\n", r->why);
    return STATUS_FAILED;
}

/* ---- setting up --------------------------------------------------------------------------------- */

static int spare_processors(const struct placement *p)
{
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    sched_getaffinity(0, sizeof cpus, &cpus);
    return CPU_COUNT(&cpus) - p->lcores;
}

/* Which power of two keeps so many deliveries within bounds, if one in so many is remembered. */
static uint32_t sample_every(double expected, uint32_t budget)
{
    uint32_t every = 1;
    while (expected / every * 1.02 + 1024 > budget)
        every *= 2;
    return every;
}

static struct board *open_board(const struct job *job, const struct record_plan *records, int *fd)
{
    double per_s = job->mode == JOB_OPEN ? job->rate : CLOSED_OPS_PER_S;
    double expected = per_s * (double)job->duration_ns / 1e9;
    uint32_t budget = SAMPLES_ALL / (job->n > 4 ? job->n : 4);
    uint32_t every = sample_every(expected, budget);
    uint32_t samples = (uint32_t)(expected / every * 1.05) + 1024;
    if (job->top->shape == LOAD_TO_NEXT) /* no delivery waits for another: none is remembered */
        samples = every = 1;
    struct board *b =
        board_open_ledger(job->n, job->top->shape == LOAD_ONE_VALUE ? BOARD_BLOCKS : 1, samples,
                          every, job_ledger(job), record_area_bytes(records, job->n), fd);
    if (b != NULL && record_area_of(b) != NULL)
        record_area_init(record_area_of(b), records, job->n);
    return b;
}

/* The processes, wherever they live, up to where they wait for the start. */
static int open_processes(struct run *r, const sigset_t *signals)
{
    int err = host_allow_files(HOST_FILES + 4u * r->place.lcores, r->why, sizeof r->why);
    if (err != 0)
        return err;
    if (r->apart)
        return nodes_start(&r->nodes, &r->job, &r->place, r->board, r->board_fd, signals, r->why,
                           sizeof r->why);
    host_init(&r->host, &r->job, &r->place);
    r->host.board = r->board;
    err = host_start(&r->host, 0, r->why, sizeof r->why);
    if (err == -ENOMEM)
        job_blame_memory(&r->job, r->why, sizeof r->why);
    return err != 0 ? err : host_open(&r->host, NULL, r->why, sizeof r->why);
}

/* The logs lie in the run's folder. Nodes and whoever runs this again read so from a job file. */
static bool put_log_dir(struct run *r)
{
    char *dir = r->job.log_dir;
    size_t size = sizeof r->job.log_dir;
    int len = snprintf(dir, size, "%s/log", r->folder);
    if (len >= (int)size - 16) /* a log's name comes behind it */
        return false;
    return !(r->apart || r->job.log_keep) || job_text_fits(offsetof(struct job, log_dir), dir);
}

/* What earlier runs were told must be in the logs with which this one goes on. */
static int look_back(struct run *r)
{
    struct audit a;
    char why[512];
    if (r->ledger.torn && audit_refill(&r->job, r->board, why, sizeof why) != 0) {
        snprintf(r->why, sizeof r->why,
                 "log.dir = %s: %s; go on from a backup, or name another folder", r->job.log_dir,
                 why);
        return -ENODATA;
    }
    if (!audit_logs(&a, &r->job, r->board)) {
        snprintf(r->why, sizeof r->why, "no memory to audit the logs");
        return -ENOMEM;
    }
    r->result.disk.run = r->ledger.run;
    r->result.disk.recovered = a.acknowledged;
    if (a.lost == 0 && a.doubled == 0 && !a.refused)
        return 0;
    snprintf(
        r->why, sizeof r->why,
        "log.dir = %s: %s; restore all logs from a backup of one moment, or name another folder",
        r->job.log_dir, a.why);
    return -EILSEQ;
}

/* No other run writes into it as long as this one lives: the lock is on a file that every run has. The
 * folder's own is held while a socket is made there. */
static int lock_folder(struct run *r)
{
    char path[4200];
    snprintf(path, sizeof path, "%s/series.csv", r->folder);
    r->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (r->lock_fd < 0 || flock(r->lock_fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
        return 0; /* a file system without locks keeps nobody from running */
    return refuse_as(r->why, sizeof r->why, -EBUSY,
                     "%.800s: another run writes there; choose another place with --out DIR",
                     r->folder);
}

/* The folder of the run, and the logs, which lie there unless the job says otherwise. */
static int open_folder(struct run *r)
{
    struct job *job = &r->job;
    int err = result_folder(r->args->out, job, r->folder, sizeof r->folder, &r->folder_made, r->why,
                            sizeof r->why);
    if (err == 0)
        err = lock_folder(r);
    if (err != 0 || !job_logs(job))
        return err;
    r->log_here = job->log_dir[0] == '\0';
    if (r->log_here && !put_log_dir(r)) {
        snprintf(r->why, sizeof r->why,
                 "the path of the run's folder is too long to name the logs, or has in it what a "
                 "job file cannot hold; give log.dir");
        return -ENAMETOOLONG;
    }
    err = r->ledger.found ? 0 : storage_create(job, r->why, sizeof r->why);
    r->logs = err == 0;
    if (err == 0 && job_keeps_logs(job))
        err = ledger_open(&r->ledger, job, r->board, r->why, sizeof r->why);
    return err != 0 || !r->ledger.found ? err : look_back(r);
}

/* Whether the disk of p failed, and no rule had asked for it. */
static bool disk_failed(const struct run *r, uint16_t p)
{
    return r->board != NULL && board_get(&board_row(r->board, p)->halted) == BOARD_HALT_DISK;
}

/* The logs of a run whose disk failed, or of which the audit has something to say, stay: somebody
 * will want to look. */
static bool keep_logs(const struct run *r)
{
    bool keep = r->ledger.found || r->evidence || (r->begun && job_keeps_logs(&r->job));
    for (uint16_t p = 0; p < r->job.n; p++)
        keep |= disk_failed(r, p);
    return keep;
}

static void close_logs(struct run *r)
{
    if (r->logs && !keep_logs(r)) {
        ledger_remove(&r->job);
        storage_remove(&r->job);
    }
    r->logs = false;
}

static uint64_t now_ns(void)
{
    return clock_now_ns();
}

static double unix_time(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The instant at which everything begins is the same for all processes. */
static int start_processes(struct run *r)
{
    uint64_t start = now_ns() + START_NS;
    r->board->from_ns = start + r->job.warmup_ns;
    board_put(&r->board->end_ns, r->board->from_ns + r->job.duration_ns);
    judge_start(&r->judge, start);
    atomic_store_explicit(&r->board->start_ns, start, memory_order_release);
    events_begin(&r->events, unix_time() + START_NS / 1e9, start);
    inject_open(&r->inject, &r->job.faults, r->board, &r->events, start);
    if (r->apart)
        return 0;
    int err = host_attach(&r->host, start, r->why, sizeof r->why);
    if (err == 0)
        host_launch(&r->host);
    return err;
}

/* ---- while it runs ------------------------------------------------------------------------------- */

/* Serve and sleep until `until_ns`, or until there is a reason to end: then true. */
static bool sleep_until(struct run *r, uint64_t until_ns)
{
    for (;;) {
        uint64_t now = now_ns();
        if (now >= until_ns)
            return false;
        uint64_t wake = inject_poll(&r->inject, now);
        int signal = serve_wait(&r->serve, wake < until_ns ? wake : until_ns);
        if (signal != 0 && (signal != SIGCHLD || nodes_reap(&r->nodes)))
            return true;
    }
}

/* What came since the last tick, to a count that only grows; one that was set back counts from
 * there. */
static uint64_t since(uint64_t now, uint64_t *before)
{
    uint64_t more = now > *before ? now - *before : 0;
    *before = now;
    return more;
}

/* Since the last tick, by those who have not crashed. */
static void progress_of(struct run *r, uint64_t *sent, uint64_t *delivered)
{
    const uint8_t shape = r->job.top->shape;
    bool any = false;
    *sent = *delivered = 0;
    for (uint32_t p = 0; p < r->job.n; p++) {
        const struct board_row *row = board_row(r->board, p);
        uint64_t first = board_get(&row->first), before = board_get(&row->before);
        uint64_t s = since(board_get(&row->issued) - first, &r->before_sent[p]);
        uint64_t d = since(board_get(&row->delivered) - before, &r->before_delivered[p]);
        if (!board_correct(r->board, p))
            continue;
        *sent = shape != LOAD_ONE_VALUE ? *sent + s : s > *sent ? s : *sent;
        if (shape == LOAD_TO_NEXT)
            *delivered += d;
        else if (!any || d < *delivered)
            *delivered = d;
        any = true;
    }
}

static void put_percentile(FILE *f, const struct hist *h, double percent)
{
    uint64_t value;
    if (hist_percentile(h, percent, &value))
        fprintf(f, ",%" PRIu64, value);
    else
        fputs(",", f);
}

/* One line of the series, and of the progress. */
static void tick(struct run *r, uint64_t now, bool progress)
{
    uint64_t sent, delivered;
    progress_of(r, &sent, &delivered);
    double seconds = (double)(now - r->before_ns) / 1e9;
    uint64_t end = board_get(&r->board->end_ns);
    double time = ((double)(now < end ? now : end) - (double)r->board->from_ns) / 1e9;
    double sent_per_s = (double)sent / seconds;
    double delivered_per_s = (double)delivered / seconds;
    memset(&r->recent, 0, sizeof r->recent);
    for (uint32_t p = 0; p < r->job.n; p++)
        hist_add(&r->recent, &board_row(r->board, p)->decide);
    hist_since(&r->recent, &r->before);
    if (r->series != NULL) {
        fprintf(r->series, "%.3f,%.0f,%.0f,%.0f", time,
                r->job.mode == JOB_OPEN ? r->job.rate : sent_per_s, sent_per_s, delivered_per_s);
        put_percentile(r->series, &r->recent, 50);
        put_percentile(r->series, &r->recent, 99);
        putc('\n', r->series);
    }
    if (progress) {
        char a[32], b[32], c[32] = "-", d[32] = "-";
        uint64_t value;
        if (hist_percentile(&r->recent, 50, &value))
            report_ns(c, sizeof c, value);
        if (hist_percentile(&r->recent, 99, &value))
            report_ns(d, sizeof d, value);
        fprintf(stderr, "\r\033[K  %5.1f s   sent %s/s   delivered %s/s   p50 %s   p99 %s", time,
                report_count(a, sizeof a, sent_per_s), report_count(b, sizeof b, delivered_per_s),
                c, d);
        fflush(stderr);
    }
    r->before_ns = now;
}

/* How fast a closed loop is, only its warm-up tells. Too late, if the interval has begun. */
static void plan_samples(const struct run *r, uint64_t now)
{
    const uint64_t begin = r->board->from_ns - r->job.warmup_ns;
    uint64_t most = 0;
    if (now >= r->board->from_ns)
        return;
    for (uint32_t p = 0; p < r->job.n; p++) {
        const struct board_row *row = board_row(r->board, p);
        uint64_t delivered = board_get(&row->delivered) - board_get(&row->before);
        most = delivered > most ? delivered : most;
    }
    double per_ns = (double)most / (double)(now - begin);
    board_put(&r->board->sample_every,
              sample_every(FASTER_THAN_WARM * per_ns * (double)r->job.duration_ns,
                           r->board->samples_max));
}

/* When to look: with a quarter of the warm-up to spare. */
static uint64_t plan_samples_at(const struct run *r)
{
    bool look = r->job.mode == JOB_CLOSED && r->job.top->shape != LOAD_TO_NEXT;
    return look && r->job.warmup_ns > 0 ? r->board->from_ns - r->job.warmup_ns / 4 : UINT64_MAX;
}

/* Watch until the load ends, or is ended. A tick that this thread slept through is passed over: the
 * next one's rates are over all of the time since the last. */
static void watch(struct run *r)
{
    const bool progress = isatty(STDERR_FILENO) && !r->args->quiet;
    const uint64_t begin = r->board->from_ns - r->job.warmup_ns;
    uint64_t ticks = 0, per_second = 1000000000 / r->tick_ns, plan = plan_samples_at(r);
    r->before_ns = begin;
    for (;;) {
        uint64_t end = board_get(&r->board->end_ns), next = begin + (ticks + 1) * r->tick_ns;
        uint64_t wake = plan < next ? plan : next;
        bool asked = sleep_until(r, wake < end ? wake : end);
        uint64_t now = now_ns(), second = ticks / per_second;
        if (asked)
            board_put(&r->board->end_ns, now < end ? now : end);
        if (asked || now >= end)
            break;
        if (now >= plan) {
            plan_samples(r, now);
            plan = UINT64_MAX;
        }
        if (now < next)
            continue;
        ticks = (now - begin) / r->tick_ns;
        tick(r, now, progress && ticks / per_second > second);
        verdict_compare(&r->verdict, r->board);
        judge_watch(&r->judge, r->board);
        if (r->spare)
            judge_drain(&r->judge, false);
    }
    if (board_get(&r->board->end_ns) > r->before_ns)
        tick(r, now_ns(), false); /* what is left of a second */
    if (progress)
        fputs("\r\033[K", stderr);
}

static void drain(struct run *r)
{
    uint64_t until = now_ns() + r->job.drain_ns;
    bool enough = r->apart && nodes_spoilt(&r->nodes); /* what it had does not come any more */
    inject_heal(&r->inject, now_ns());
    while (!enough &&
           (!(r->drained = verdict_drained(r->job.top, r->board)) || r->inject.waits > 0) &&
           now_ns() < until)
        enough = sleep_until(r, now_ns() + DRAIN_TICK_NS);
    /* What somebody owes to others for the sake of who crashed, counts do not tell. */
    while (!enough && judge_settling(&r->judge, r->board) && now_ns() < until)
        enough = sleep_until(r, now_ns() + SETTLE_TICK_NS);
    verdict_compare(&r->verdict, r->board);
}

/* What does not come to an end: whom it waits for, while they can still tell. */
static void keep_waits(struct run *r)
{
    if (verdict_drained(r->job.top, r->board))
        return;
    const struct figures_page *page = figures_lock(r->figures, 0);
    r->result.waits =
        figures_wait_lines(page, (uint16_t)r->job.n, r->result.wait, RESULT_WAITS_MAX);
    figures_unlock(r->figures);
}

static int run_processes(struct run *r)
{
    int err = start_processes(r);
    if (err != 0)
        return err;
    watch(r);
    drain(r);
    keep_waits(r);
    board_put(&r->board->stop, 1);
    return 0;
}

/* ---- ending --------------------------------------------------------------------------------------- */

/* The processes end; their rows are complete. */
static struct host_account close_processes(struct run *r)
{
    if (r->apart)
        return nodes_stop(&r->nodes);
    host_wait(&r->host);
    host_detach(&r->host);
    r->cut = !fabric_whole(r->host.fabric, r->why, sizeof r->why);
    return host_close(&r->host);
}

/* What is said of processes that crashed since they were told to. */
static const char *crash_text(struct run *r)
{
    char who[256];
    snprintf(r->crash_text, sizeof r->crash_text, "%s, as asked: see " EVENTS_FILE,
             inject_crashed_text(r->board, who, sizeof who));
    return r->crash_text;
}

/* What the logs hold in the end. */
static void audit(struct run *r)
{
    struct result_disk *d = &r->result.disk;
    if (!r->logs)
        return;
    r->evidence = true;
    result_disk(&r->result, r->board);
    storage_describe(&r->job, d->device, sizeof d->device);
    if (!audit_logs(&d->audit, &r->job, r->board))
        verdict_note(&r->verdict, "no memory for an audit of the logs");
    else if (d->audit.lost > 0 || d->audit.doubled > 0 || d->audit.refused)
        verdict_break(&r->verdict, "%s", d->audit.why);
    else
        r->evidence = false;
    if (r->evidence)
        verdict_note(&r->verdict, "the logs are left in %.280s", r->job.log_dir);
    close_logs(r);
}

/* A log whose files are made before it is used is full of its own records alone. */
static void note_failed_disk(struct run *r, uint16_t p)
{
    int err = (int)board_get(&board_row(r->board, p)->disk_error);
    if (err == ENOSPC)
        verdict_note(&r->verdict,
                     "the log of p%u is full, and with it p%u crashed: what a compaction stores "
                     "again, and what waits in front of it, does not fit behind the rest; raise "
                     "log.size, or lower job.size",
                     p, p);
    else
        verdict_note(&r->verdict,
                     "the disk of p%u failed (%s), and with it p%u: see `upon log verify %s/p%u`; "
                     "job.tolerate_crash judges the rest",
                     p, strerror(err), p, r->job.log_dir, p);
}

static void note_failed_disks(struct run *r)
{
    for (uint16_t p = 0; p < r->job.n && !r->job.tolerate_crash; p++)
        if (disk_failed(r, p))
            note_failed_disk(r, p);
    if (r->log_here && !r->job.log_keep)
        r->job.log_dir[0] = '\0'; /* it goes with this run, and is not part of the job */
}

static void judge(struct run *r)
{
    struct result *res = &r->result;
    const struct host_account account = close_processes(r);
    console_close(&r->console);
    if (r->cut)
        verdict_note(&r->verdict, "%.600s", r->why);
    if (r->board->ledger_kept && ledger_end(r->board) != 0)
        verdict_note(&r->verdict, "the ledger of the logs could not be written to the disk");
    res->preemptions = account.preempted;
    res->memory_bytes = account.memory_bytes + board_bytes(r->board);
    res->leaked_pkts = account.leaked_pkts;
    for (int look = 0; look < 2; look++) /* who stands still between two looks has stopped */
        judge_watch(&r->judge, r->board);
    verdict_close(&r->verdict, r->board);
    judge_drain(&r->judge, true);
    judge_end(&r->judge, r->drained && judge_calm(&r->judge, r->board), &r->verdict);
    result_compute(res, &r->job, r->board);
    timeline_make(&r->timeline, &r->job, r->board, &r->judge, r->folder);
    res->timeline = &r->timeline;
    audit(r);
    if (r->apart && nodes_spoilt(&r->nodes))
        verdict_note(&r->verdict, "%s", r->nodes.why);
    else if (r->apart && r->nodes.lost > 0)
        res->crash = r->nodes.why;
    else if (board_get(&r->board->crashed) != 0)
        res->crash = crash_text(r);
    note_failed_disks(r);
    if (res->interrupted && res->operations == 0)
        verdict_note(&r->verdict, "it was interrupted before an operation was measured");
    if (res->leaked_pkts > 0)
        verdict_note(&r->verdict, "%" PRIu64 " packets did not return to their pool: a leak",
                     res->leaked_pkts);
    if (res->counters[COUNT_missed] > 0 ||
        (res->counters[COUNT_left_behind] > 0 && r->verdict.state != VERDICT_VALID))
        verdict_note(&r->verdict,
                     "a process was away, or suspected, for longer than the others keep decisions: "
                     "they keep a quarter of params.instances, raise it");
    /* What was for a process that was down, lurb and luc tell its next life again. */
    bool made_good = r->verdict.top->logged == LOAD_LOG_STORES && r->verdict.state == VERDICT_VALID;
    bool crashed = board_get(&r->board->crashed) != 0; /* it is they who were given up, then */
    if (res->counters[COUNT_drop_lost_peer] > 0 && !crashed && !made_good)
        verdict_note(&r->verdict,
                     "%" PRIu64 " messages went to a peer that was given up as crashed; raise "
                     "params.give_up",
                     res->counters[COUNT_drop_lost_peer]);
}

static int report(struct run *r)
{
    const struct arguments *args = r->args;
    int err = timeline_write(&r->timeline, r->folder, r->why, sizeof r->why);
    if (err == 0)
        err = result_write(&r->result, r->folder, r->why, sizeof r->why);
    if (err != 0) /* nobody shall read of a valid run whose files are not there */
        verdict_note(&r->verdict, "%.600s", r->why);
    if (args->quiet && !args->json)
        report_line(r->say, &r->result);
    else if (!args->quiet)
        report_tail(r->say, &r->result, r->folder);
    if (args->json) {
        char *text = result_json(&r->result);
        puts(text != NULL ? text : "{}");
        free(text);
    }
    if (err != 0)
        return fail(r);
    return verdict_status(&r->verdict);
}

/* Who tunes what nobody reads shall not believe the figures. */
static void warn_of_unread(const struct job *job)
{
    char name[JOB_TEXT_BYTES + 96];
    uint32_t next = 0;
    while (job_unread_next(job, &next, name, sizeof name) != NULL)
        fprintf(stderr,
                "upon: warning: %s changes nothing here: nothing in stack %s over %s reads it\n",
                name, job->stack, job->device);
}

static void describe(struct run *r)
{
    struct result *res = &r->result;
    struct timespec t;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, &t);
    res->start_unix = (double)t.tv_sec + (double)t.tv_nsec / 1e9;
    gmtime_r(&t.tv_sec, &tm);
    strftime(res->when, sizeof res->when, "%Y-%m-%dT%H:%M:%SZ", &tm);
    placement_text(&r->place, r->placement_text, sizeof r->placement_text);
    if (r->apart) {
        const struct board_node *node = &r->board->node[0];
        snprintf(r->device_text, sizeof r->device_text, "%.180s; %u OS process%s", node->device,
                 r->nodes.count, r->nodes.count == 1 ? "" : "es");
        snprintf(r->machine_text, sizeof r->machine_text, "%s", node->machine);
    } else {
        snprintf(r->device_text, sizeof r->device_text, "%s", fabric_describe(r->host.fabric));
        host_machine_text(r->machine_text, sizeof r->machine_text);
    }
    res->machine = r->machine_text;
    res->job = &r->job;
    res->verdict = &r->verdict;
    res->placement = r->placement_text;
    res->device = r->device_text;
    res->lcores = r->place.lcores;
    res->shared = placement_shared(&r->place);
    res->siblings = placement_siblings(&r->place);
    r->tick_ns = r->spare ? TICK_NS : TICK_CROWDED_NS;
}

/* Last of what can fail: in a folder that was there before, the files of an earlier run go. */
static int open_series(struct run *r)
{
    char path[4200];
    result_clear(r->folder);
    snprintf(path, sizeof path, "%s/series.csv", r->folder);
    r->series = fopen(path, "w");
    if (r->series == NULL) {
        int err = -errno;
        snprintf(r->why, sizeof r->why, "%.800s: %s; choose another place with --out DIR", path,
                 strerror(errno));
        return err;
    }
    int err = events_open(&r->events, r->folder, r->why, sizeof r->why);
    if (err != 0)
        return err;
    fputs("time_s,offered_per_s,sent_per_s,delivered_per_s,p50_ns,p99_ns\n", r->series);
    return 0;
}

/* What grew with the run. 0, or errno. */
static int close_series(struct run *r)
{
    int lost = ferror(r->series) != 0 ? EIO : 0;
    errno = 0;
    if (fclose(r->series) != 0)
        lost = errno;
    errno = 0;
    if (!events_close(&r->events))
        lost = errno != 0 ? errno : EIO;
    return lost;
}

/* Let others look on. */
static int open_figures(struct run *r)
{
    r->figures = figures_open(&r->job, r->board, r->folder);
    if (r->figures == NULL) {
        snprintf(r->why, sizeof r->why, "no memory for figures; lower job.n");
        return -ENOMEM;
    }
    if (r->job.telemetry && !r->apart) /* nodes serve their own processes */
        telemetry_open(r->figures, UINT64_MAX >> (64 - r->job.n));
    return r->job.metrics == 0 ? 0
                               : metrics_open(&r->metrics, r->figures, (uint16_t)r->job.metrics,
                                              r->why, sizeof r->why);
}

/* Before what they look at goes. */
static void close_figures(struct run *r)
{
    metrics_close(r->metrics);
    telemetry_close();
    figures_close(r->figures);
    r->metrics = NULL;
    r->figures = NULL;
}

/* Signals reach this thread's loop alone: blocked before EAL makes threads, which inherit it. */
static int take_signals(struct run *r, sigset_t *signals)
{
    struct sigaction hangup;
    sigemptyset(signals);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGTERM);
    sigaction(SIGHUP, NULL, &hangup);
    if (hangup.sa_handler != SIG_IGN) /* as nohup has it */
        sigaddset(signals, SIGHUP);
    sigaddset(signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, signals, NULL);
    int err = serve_open(&r->serve, signals);
    if (err != 0)
        snprintf(r->why, sizeof r->why, "signals cannot be taken: %s", strerror(-err));
    return err;
}

/* Listen to `upon ctl`, and let it find us. */
static int listen_to_console(struct run *r)
{
    char path[4200];
    if (strcmp(r->job.control, "off") == 0)
        return 0;
    if (strcmp(r->job.control, "auto") == 0)
        snprintf(path, sizeof path, "%s/" RUNS_SOCKET, r->folder);
    else
        snprintf(path, sizeof path, "%s", r->job.control);
    r->console =
        (struct console){.job = &r->job,
                         .place = &r->place,
                         .board = r->board,
                         .nodes = r->apart ? &r->nodes : NULL,
                         .folder = r->folder,
                         .figures = r->figures,
                         .serve = &r->serve,
                         .hand = {.board = r->board, .events = &r->events, .inject = &r->inject}};
    console_open(&r->console);
    const struct serve_user user = console_user(&r->console);
    int err = serve_listen(&r->serve, path, &user, r->why, sizeof r->why);
    if (err == 0)
        (void)runs_mark(&r->mark, r->folder, path);
    return err;
}

/* Frames of another run on the same network are dropped by their cluster: draw one, unless the job
 * names it. */
static int draw_cluster(struct run *r)
{
    uint32_t *cluster = &r->job.conf.cluster;
    while (*cluster == 0)
        if (getrandom(cluster, sizeof *cluster, 0) != sizeof *cluster) {
            snprintf(r->why, sizeof r->why, "no random numbers from the kernel: %s",
                     strerror(errno));
            return -errno;
        }
    return 0;
}

static int run(struct run *r)
{
    const struct arguments *args = r->args;
    sigset_t signals;
    if (take_signals(r, &signals) != 0)
        return fail(r);
    (void)runs_sweep();
    if (job_read(&r->job, args->job, args->set, args->sets, r->why, sizeof r->why) != 0 ||
        job_check(&r->job, r->why, sizeof r->why) != 0 || draw_cluster(r) != 0)
        return fail(r);
    if (job_place(&r->job, &r->place, r->why, sizeof r->why) != 0)
        return fail(r);
    if (ledger_find(&r->ledger, &r->job, r->why, sizeof r->why) != 0)
        return fail(r);
    verdict_open(&r->verdict, r->job.top);
    r->apart = job_apart(&r->job);
    r->spare = spare_processors(&r->place) > 0;
    record_plan(&r->records, &r->job, r->spare);
    if (r->records.why[0] != '\0')
        r->verdict.unrecorded = r->records.why;
    r->board = open_board(&r->job, &r->records, r->apart ? &r->board_fd : NULL);
    if (r->board == NULL || judge_open(&r->judge, record_area_of(r->board), &r->job) != 0) {
        snprintf(r->why, sizeof r->why, "no memory for the board; lower job.n");
        return fail(r);
    }
    r->board->spool_fd = spools_make(r->job.n); /* a run without them can do all but write down */
    clock_start(0);
    if ((job_logs(&r->job) && open_folder(r) != 0) || open_processes(r, &signals) != 0 ||
        (!job_logs(&r->job) && open_folder(r) != 0) || open_figures(r) != 0 ||
        listen_to_console(r) != 0 || open_series(r) != 0 ||
        (args->out == NULL && result_latest(r->folder, r->why, sizeof r->why) != 0))
        return fail(r);
    r->begun = true;
    describe(r);
    if (!args->quiet) {
        report_head(r->say, &r->result);
        warn_of_unread(&r->job);
    }
    const char *note = r->apart ? NULL : fabric_note(r->host.fabric);
    if (note != NULL)
        fprintf(stderr, "upon: warning: %s\n", note);
    fflush(r->say);
    int err = run_processes(r);
    close_figures(r);
    const int lost = close_series(r);
    if (err != 0)
        return fail(r);
    judge(r);
    if (lost != 0)
        verdict_note(&r->verdict, "series.csv or " EVENTS_FILE " could not be written: %s",
                     strerror(lost));
    return report(r);
}

/* ---- arguments -------------------------------------------------------------------------------------- */

enum {
    OPTION_FAULTS = 'F',
    OPTION_SET = 's',
    OPTION_OUT = 'o',
    OPTION_JSON = 'j',
    OPTION_QUIET = 'q',
    OPTION_METRICS = 256,
    OPTION_TELEMETRY
};

static const struct argp_option options[] =
    {{"set", OPTION_SET, "SECTION.KEY=VALUE", 0, "Override a key of the job; may be repeated", 0},
     {"out", OPTION_OUT, "DIR", 0, "Write the files there, not to runs/<time>-<stack>", 0},
     {"faults", OPTION_FAULTS, "FILE", 0,
      "Let these faults happen: a script, or the events.ndjson of a run", 0},
     {"json", OPTION_JSON, NULL, 0, "Print summary.json and nothing else on stdout", 0},
     {"quiet", OPTION_QUIET, NULL, 0, "Print the result alone", 0},
     {"metrics", OPTION_METRICS, "PORT", 0, "Give figures to Prometheus on this port of 127.0.0.1",
      0},
     {"telemetry", OPTION_TELEMETRY, NULL, 0, "Answer to dpdk-telemetry.py", 0},
     {0}};

static void add_set(struct arguments *a, char *set, struct argp_state *state)
{
    if (a->sets == SETS_MAX)
        argp_error(state, "--set is given more than %d times; use a job file", SETS_MAX);
    a->set[a->sets++] = set;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;
    switch (key) {
    case OPTION_SET:
        add_set(a, arg, state);
        return 0;
    case OPTION_METRICS:
        snprintf(a->metrics, sizeof a->metrics, "job.metrics=%s", arg);
        add_set(a, a->metrics, state);
        return 0;
    case OPTION_TELEMETRY:
        snprintf(a->telemetry, sizeof a->telemetry, "job.telemetry=on");
        add_set(a, a->telemetry, state);
        return 0;
    case OPTION_OUT:
        a->out = arg;
        return 0;
    case OPTION_FAULTS:
        if (a->faults[0] == '\0')
            add_set(a, a->faults, state);
        if (snprintf(a->faults, sizeof a->faults, "faults.file=%s", arg) >= (int)sizeof a->faults)
            argp_error(state, "--faults \"%.40s…\": the name is too long", arg);
        return 0;
    case OPTION_JSON:
        a->json = true;
        return 0;
    case OPTION_QUIET:
        a->quiet = true;
        return 0;
    case ARGP_KEY_ARG:
        if (a->job != NULL)
            argp_error(state, "\"%s\": one job file is run at a time", arg);
        a->job = arg;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int run_main(int argc, char **argv)
{
    static const struct argp argp =
        {.options = options,
         .parser = parse,
         .args_doc = "[JOB.ini]",
         .doc =
             "Run a stack over a device under load; measure and judge it.\v"
             "Without a job: uniform consensus among three processes over rings in memory, "
             "100000 proposals per second, for five seconds. `upon list keys` tells the keys of a "
             "job and their defaults.\n\n"
             "Exit status: 0 valid, 1 a property was violated, 2 could not run, or unknown."};
    struct arguments args = {0};
    argp_err_exit_status = STATUS_FAILED;
    if (argp_parse(&argp, argc, argv, 0, NULL, &args) != 0)
        return STATUS_FAILED;
    struct run *r = calloc(1, sizeof *r);
    if (r == NULL) {
        fprintf(stderr, "upon: no memory\n");
        return STATUS_FAILED;
    }
    r->args = &args;
    r->say = args.json ? stderr : stdout;
    r->mark.fd = r->ledger.fd = -1;
    int status = run(r);
    close_figures(r); /* of a run that did not begin */
    serve_close(&r->serve);
    runs_unmark(&r->mark);
    if (r->apart)
        nodes_end(&r->nodes);
    else
        host_free(&r->host);
    judge_close(&r->judge);
    close_logs(r);
    ledger_close(&r->ledger);
    if (r->folder_made && !r->begun)
        result_unfolder(r->folder);
    if (r->lock_fd >= 0)
        close(r->lock_fd);
    board_close(r->board);
    free(r);
    return status;
}
