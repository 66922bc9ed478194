/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a person wants to know of a running job, computed from its board: for each process its role
 * and state, rates and latencies of the last second, its links, its drops, and whom its oldest
 * operations wait for. One page of figures serves the socket, `upon top`, DPDK's telemetry and
 * Prometheus.
 *
 * Nothing runs while nobody looks. Who looks gets the page of the last interval; it is made anew
 * when it is older than FIGURES_FRESH_NS, so that many who look cost what one does. Any thread but a
 * data core's may look: a lock keeps them apart, which no process knows of.
 */
#ifndef UPON_FIGURES_H
#define UPON_FIGURES_H

#include <jansson.h>

#include "job.h"

#define FIGURES_SCHEMA      "upon.figures/1"
#define FIGURES_FRESH_NS    900000000ull  /* a page is good for so long */
#define FIGURES_WAITING_S   0.1           /* who waits less is at work */
#define FIGURES_STALLED_NS  100000000ull  /* a link that hears nothing for so long is waited for */
#define FIGURES_SILENT_NS   1000000000ull /* so does a process that posts nothing: it is silent */
#define FIGURES_LINKS_ALL_N 16            /* with more processes, links are summed up by process */
#define FIGURES_WAITS_MAX   (PSET_PROCS * (POST_WAITS_MAX + 1))
#define FIGURES_TEXT_BYTES  256
#define FIGURES_LINE_BYTES  320

enum figures_phase { FIGURES_WARMUP, FIGURES_MEASURED, FIGURES_DRAIN, FIGURES_PHASES };

enum figures_state {
    FIGURES_STARTING, /* it has posted nothing yet */
    FIGURES_RUNNING,
    FIGURES_PAUSED,
    FIGURES_CRASHED,
    FIGURES_RECOVERING,
    FIGURES_SILENT, /* it has stopped posting, and nobody asked it to */
    FIGURES_STATES
};

enum figures_role { FIGURES_ROLE_NONE, FIGURES_LEADER, FIGURES_FOLLOWER, FIGURES_ROLES };

/* A latency of the interval; UINT64_MAX: too few samples. */
struct figures_latency {
    uint64_t count;
    uint64_t p50_ns;
    uint64_t p99_ns;
};

struct figures_process {
    enum figures_state state;
    enum figures_role role;
    bool posted; /* `post` has been written */
    uint64_t post_ns;
    struct co_post post;
    uint64_t suspected_by; /* whose detectors say so, and take steps themselves */
    uint64_t issued;
    uint64_t delivered;
    uint64_t counters[COUNTERS];
    uint64_t pending; /* operations of its top layer that are open, as far as it tells */
    uint64_t flight;  /* messages on all its links */
    uint64_t window;
    uint64_t queued;
    /* Of the interval, a second. */
    double sent_per_s;
    double delivered_per_s;
    double counters_per_s[COUNTERS];
    struct figures_latency latency; /* from the intended time to the end, here */
};

/* Who waits for whom. Kinds beyond POST_KINDS are ours. */
#define FIGURES_LINK POST_KINDS

struct figures_wait {
    uint16_t process;
    const char *layer;
    struct post_wait wait;
    double age_s;
};

struct figures_page {
    uint64_t at_ns;
    double time_s; /* since the measured interval began; negative in the warm-up */
    double interval_s;
    enum figures_phase phase;
    double offered_per_s; /* by the job; 0: a closed loop */
    double sent_per_s;
    double delivered_per_s; /* at the slowest process; links: of all */
    struct figures_latency latency;
    uint64_t drops;
    double drops_per_s;
    double resent_per_s;
    struct figures_process process[PSET_PROCS];
    uint32_t waits;
    struct figures_wait wait[FIGURES_WAITS_MAX];
};

struct figures;

/* For the processes of `board`, which run as `job` says. `run` names the run for people: its folder.
 * NULL: no memory. */
struct figures *figures_open(const struct job *job, const struct board *board, const char *run);
void figures_close(struct figures *f);

const struct job *figures_job(const struct figures *f);
const struct board *figures_board(const struct figures *f);
const char *figures_run(const struct figures *f);

/* The page, made anew if it is not fresh; until figures_unlock(). `now_ns` in the environment's
 * time, 0: the clock's. */
const struct figures_page *figures_lock(struct figures *f, uint64_t now_ns);
void figures_unlock(struct figures *f);

/* The page as JSON, in the schema of control/looking.md. NULL: no memory. */
json_t *figures_json(struct figures *f);
json_t *figures_page_json(const struct figures *f, const struct figures_page *page);

/* ---- words ------------------------------------------------------------------------------------- */

extern const char *const figures_phases[FIGURES_PHASES];
extern const char *const figures_states[FIGURES_STATES];
extern const char *const figures_roles[FIGURES_ROLES];
extern const char *const figures_link_states[]; /* by enum post_link_state */
extern const char *const figures_wait_kinds[POST_KINDS + 1];

/* "instance 17: quorum 2 of 3, has p0, missing p1 p2" */
char *figures_wait_text(char *text, size_t size, const struct figures_wait *w, uint16_t n);

/* "p0 ep, 3.2 s: instance 17: quorum 2 of 3, has p0, missing p1 p2": a line for each wait that is
 * FIGURES_WAITING_S old, the oldest first. Returns how many of `max` there are. */
uint32_t figures_wait_lines(const struct figures_page *page, uint16_t n,
                            char line[][FIGURES_LINE_BYTES], uint32_t max);

/* "p0 p2"; "-" for none. */
char *figures_set_text(char *text, size_t size, uint64_t set);

#endif
