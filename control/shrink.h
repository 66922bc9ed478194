/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Make a violation small: fewer processes, faults, requests, choices; shorter delays; simpler kinds
 * of choices; as long as the same property of the same layer is violated, or it stops at the same
 * assertion. Delta debugging (Zeller and Hildebrandt 2002) over the recorded choices: a candidate
 * runs from the start, and choices that have become impossible are left out of it. A candidate that
 * stops at an assertion and should not is no smaller one.
 *
 * A candidate may ask no more of who is blamed than the record did: no other detector says what is
 * not so, and where P is promised that nothing is late (sim_needs), nothing is, if nothing was.
 *
 * What the second, fair phase did is not kept choice by choice: where liveness is at stake, each
 * candidate is healed and settled anew.
 */
#ifndef UPON_SHRINK_H
#define UPON_SHRINK_H

#include "adversary.h"

struct shrink_size {
    uint16_t n;
    uint16_t faults;   /* rules of the job */
    uint64_t choices;  /* of the first phase */
    uint64_t requests; /* of these … */
    uint64_t mishaps;  /* … crashes, losses, duplicates, pauses, lies … */
    uint64_t delay_ns; /* … by which clocks were advanced */
};

struct shrink_result {
    struct outcome out; /* of the smallest; the world stands at its end, its record leads there */
    struct shrink_size before;
    struct shrink_size after;
    uint64_t candidates; /* that were run */
    bool complete;       /* nothing could be left out any more; false: the time was over */
    uint64_t ns;
};

/*
 * Shrink what the world has recorded, which violates `out`, within about `limit_ns` (0: no limit).
 * 0, or −EINVAL when the record does not show the violation again. No other world may hold packets
 * of its pool.
 */
int shrink_run(struct sim_world *w, const struct outcome *out, uint64_t limit_ns,
               struct shrink_result *r);

/* "3 → 2 processes, 81 → 5 choices …" */
int shrink_text(const struct shrink_result *r, char *text, size_t size);

#endif
