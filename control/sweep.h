/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Crash-point sweep, for stacks with a log: one undisturbed execution is taken as a measure; then,
 * for each of its choices at which a process stores, its disk begins or ends a write, or something
 * is delivered at the top, that process crashes there, and recovers:
 *
 *   - before the choice, with every state of the disk that sim_disk_states() knows;
 *   - within the step, at each of its events, between its sends, and behind the last: nothing of what
 *     was on its way is kept, all, the first or the last half;
 *   - before the choice, with a recovery that first ends before, or between, the two copies of the
 *     super block; and where the choice writes a checkpoint, before, or between, its two copies.
 *
 * Each such run then goes on undisturbed until it comes to rest, and every property is judged. One that
 * does not come to rest, or in which something is violated, is tried again with much more patience.
 */
#ifndef UPON_SWEEP_H
#define UPON_SWEEP_H

#include <signal.h>

#include "adversary.h"

struct sweep_result {
    struct outcome out;   /* violated: the world stands there, its record leads there */
    uint64_t stores;      /* choices of the measure in which the process stored … */
    uint64_t begun;       /* … its disk began a write … */
    uint64_t finished;    /* … or finished one … */
    uint64_t deliveries;  /* … or its top delivered … */
    uint64_t checkpoints; /* … or its log wrote a checkpoint; one choice may be several of these */
    uint64_t points;      /* crashes tried … */
    uint64_t in_supers;   /* … those at a checkpoint's copies among them */
    uint64_t whole;      /* choices of the measure at which every state of the disk was tried … */
    uint64_t partial;    /* … or some, since more sectors were on their way */
    uint64_t unfinished; /* runs that did not come to rest within their bound: nobody judged them */
    struct choice open;  /* the crash of the first of them … */
    uint64_t open_at;    /* … and the choice of the measure at which it fell */
    bool cut;            /* the measure ended before it had calmed down */
    const char *bound;   /* what ended the sweep, or its measure; NULL: every point was tried */
};

/*
 * Sweep the job from its seed, until it is done, `limit_ns` (0: no limit) are over or *stop is not 0
 * (NULL: never). 0, or −errno with a sentence in `why`.
 */
int sweep_run(struct sim_world *w, const struct sim_job *job, uint64_t limit_ns,
              const volatile sig_atomic_t *stop, struct sweep_result *r, char *why, size_t size);

#endif
