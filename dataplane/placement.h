/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which process is run by which lcore, and on which processor. At most one polling thread stands on
 * a processor: processes that share one take their breaths in turn.
 */
#ifndef UPON_PLACEMENT_H
#define UPON_PLACEMENT_H

#include "limits.h"

#include <stdbool.h>
#include <stddef.h>

#define PLACEMENT_LCORES_MAX 127 /* of EAL's 128, one is the control thread's */

struct placement {
    uint16_t n;                         /* processes */
    uint16_t lcores;                    /* data lcores; EAL's id of the k-th is k + 1 */
    uint16_t cpu[PLACEMENT_LCORES_MAX]; /* where the k-th is pinned */
    uint16_t lcore[PROCS_MAX];          /* which one runs process p */
};

/*
 * Place `n` processes on the processors that this thread may use; other hardware threads of a core
 * come last. With a processor for each, each has one; with fewer, p0, where a leader usually is,
 * has the first alone and the others share the rest; with one, all share it.
 *
 * `want` overrides: "0,2-4" are the processors to use; "0:0;1:1,2" says for each processor which
 * processes it runs. NULL or "": as above. 0, or −EINVAL with a sentence in `why`.
 */
int placement_make(struct placement *p, uint16_t n, const char *want, char *why, size_t why_size);

/* The same lcores, and as many processes on each of them, give or take one: where p0 alone leaves more
 * to another than that can take. */
void placement_even(struct placement *p);

/* "cpu 0: p0; cpu 1: p1 p2" */
void placement_text(const struct placement *p, char *text, size_t size);

/* Whether some lcore runs more than one process, or two lcores are hardware threads of one core. */
bool placement_shared(const struct placement *p);

/* Whether two lcores are hardware threads of one core, as the kernel tells. */
bool placement_siblings(const struct placement *p);

/* The same by the caller's word for which core a processor is of. */
bool placement_siblings_by(const struct placement *p, int (*core)(int cpu));

#endif
