/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The result of a run: every figure that is reported, computed once from the board; its JSON, its
 * files, and the page that a person reads (report.c). All latencies come from the histograms.
 */
#ifndef UPON_RESULT_H
#define UPON_RESULT_H

#include "audit.h"
#include "ledger.h"
#include "figures.h"
#include "job.h"
#include "verdict.h"

struct timeline;

#define RESULT_SCHEMA      "upon.run/1"
#define RESULT_PERCENTILES 5
#define RESULT_WAITS_MAX   16

struct result_percentile {
    const char *key; /* in JSON */
    const char *title;
    double percent;
};
extern const struct result_percentile result_percentiles[RESULT_PERCENTILES];

struct result_latency {
    bool has[RESULT_PERCENTILES]; /* enough samples lie beyond it */
    uint64_t value_ns[RESULT_PERCENTILES];
    uint64_t max_ns;
    uint64_t count;
};

/* Stacks over a log. */
struct result_disk {
    char device[256];
    uint64_t records;
    uint64_t bytes; /* of records */
    uint64_t flushes;
    uint64_t written_bytes; /* to the disk, all included */
    uint64_t compactions;
    struct result_latency store; /* from ⟨log, Store⟩ to ⟨log, Stored⟩ */
    struct audit audit;
    uint32_t run;       /* of those over these logs: ledger_runs(), ledger_restores() */
    uint64_t recovered; /* operations that earlier runs had acknowledged, of all processes */
};

struct result {
    const struct job *job;
    const struct verdict *verdict;
    char when[64]; /* of the start, ISO 8601 */
    double start_unix;
    const char *device;    /* as the fabric describes it */
    const char *machine;   /* its clock and pages */
    const char *placement; /* one line */
    const char *crash;     /* what crashed and was tolerated, or NULL */
    uint32_t lcores;
    bool shared;    /* processes share cores */
    bool siblings;  /* … in that some of the processors are hardware threads of one core */
    double seconds; /* measured */
    bool interrupted;
    uint64_t operations; /* sent in the measured interval */
    double offered_per_s;
    double sent_per_s;
    double delivered_per_s;
    bool saturated;     /* as far as sources that did not crash tell */
    uint64_t behind;    /* intended in the measured interval and not sent in it */
    uint64_t unsent;    /* … and not after it: they have no latency */
    uint64_t caught_up; /* sent in the measured interval, and intended in the warm-up */
    struct result_latency decide;
    struct result_latency deliver_all;
    uint32_t sample_every; /* operations, for deliver_all */
    uint64_t samples_missed;
    uint64_t counters[COUNTERS]; /* all processes, the whole run */
    uint64_t measured[COUNTERS]; /* … in the measured interval */
    uint64_t memory_bytes;       /* packets, stacks, board */
    uint64_t leaked_pkts;
    uint64_t preemptions; /* of the polling threads, by other programs */
    /* Who waited for whom when the drain had ended in vain, the oldest first. */
    uint32_t waits;
    char wait[RESULT_WAITS_MAX][FIGURES_LINE_BYTES];
    const struct timeline *timeline;
    struct result_disk disk; /* job_logs() */
    struct hist decide_hist;
    struct hist deliver_all_hist;
};

/* Compute from the board. The processes have returned and load_detach() was called for each. */
void result_compute(struct result *r, const struct job *job, const struct board *b);

struct result_latency result_latency(const struct hist *h);

/* What the logs were asked for, from the board; device and audit are the caller's. */
void result_disk(struct result *r, const struct board *b);

/* summary.json, as text that the caller frees; NULL: no memory. */
char *result_json(const struct result *r);

/* Make the run's folder: `out`, or runs/<time>-<stack>. The path is written to `path`, and to `made`
 * whether it was not there before. 0, or −errno and a sentence in `why`. */
int result_folder(const char *out, const struct job *job, char *path, size_t path_size, bool *made,
                  char *why, size_t why_size);

/* Let runs/latest be the folder that result_folder() made there. 0, or −errno and a sentence. */
int result_latest(const char *path, char *why, size_t why_size);

/* Take away what an earlier run left in the folder, of what is written when a run has ended; not its
 * job.ini, which may be the one that is run again. */
void result_clear(const char *path);

/* Take away the folder of a run that did not begin. */
void result_unfolder(const char *path);

/*
 * A file of a run, written behind another name until it is whole: no half of one is ever met under its
 * own. result_open() as fopen(); result_close() gives it its name, or takes it away: 0, or −errno and
 * a sentence in `why`.
 */
FILE *result_open(const char *path);
int result_close(FILE *f, const char *path, char *why, size_t why_size);

/* Write a text, and an end of its line, to a file of the folder. NULL is a text that could not be made
 * for want of memory. 0, or −errno and a sentence in `why`. */
int result_put(const char *folder, const char *name, const char *text, char *why, size_t why_size);

/* Write job.ini, summary.json and hist.hlog to the folder. 0, or −errno and a sentence in `why`. */
int result_write(const struct result *r, const char *folder, char *why, size_t why_size);

/* The revision that this program was built from. */
extern const char upon_revision[];

/* ---- report.c: for people -------------------------------------------------------------------- */

/* Before the start: what is going to run, and where. */
void report_head(FILE *out, const struct result *r);
/* After the end. `folder` may be NULL. */
void report_tail(FILE *out, const struct result *r, const char *folder);
/* One line. */
void report_line(FILE *out, const struct result *r);

/* A figure with three digits and a unit: "4.12 us", "1.5 M". Returns `text`. */
char *report_ns(char *text, size_t size, uint64_t ns);
char *report_count(char *text, size_t size, double value);

#endif
