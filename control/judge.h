/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The judge of a live run: reads the records of all processes (record.h), merges them by time, and
 * shows them to the checkers that judge simulations (protocols/checks/). It is the control
 * thread's.
 *
 * Merging: an event is shown when no process can still write an earlier one. Each process says how
 * far it has come; the least of these is the watermark. Who has crashed writes nothing any more
 * and is waited for by nobody.
 *
 * What was not recorded is not judged: from the first moment on that some ring was too small for,
 * no event of any process is shown. Until then the events are a consistent cut, so a violation in
 * it is one; that nothing was violated afterwards is not known.
 *
 * Liveness: an obligation that is open at the end violates its property only if the run was fair
 * to its end: nobody crashed, all faults were healed, and all that was issued has arrived. Else it
 * is unknown: it may be met later. Of detectors, leaders and epochs it is never more than unknown,
 * since how long they may take is a matter of timing.
 */
#ifndef UPON_JUDGE_H
#define UPON_JUDGE_H

#include "protocols/checks/check.h"
#include "record.h"
#include "verdict.h"

#define JUDGE_CRASHES_MAX 256
/* Events of the top's border that are shown, in a run that is read while it goes on: checkers
 * remember, about 75 bytes for each event of uc or urb among three. */
#define JUDGE_EVENTS_MAX 8000000
#define JUDGE_RARE_MAX   65536 /* events of detectors, leaders and epochs that are kept */

/* An event of a detector, a leader elector or an epoch change, as the timeline wants it. */
struct judge_rare {
    uint64_t time_ns;
    uint8_t at;
    uint8_t type; /* enum ev_type */
    uint8_t proc;
};

struct judge_source {
    const struct record *ring;
    uint64_t capacity;
    uint64_t next;    /* record to show */
    uint64_t head;    /* written, when it was looked at last */
    uint64_t next_ns; /* time of that record; UINT64_MAX: there is none */
    uint8_t p;
    uint8_t kind; /* enum record_ring */
};

struct judge {
    struct record_area *area; /* NULL: nothing was recorded */
    const struct load_top *top;
    uint16_t n;
    uint32_t sources;
    struct judge_source *source;
    struct check *check[ABSTRACTIONS];
    const char *layer[ABSTRACTIONS]; /* name in the stack */
    uint64_t events[ABSTRACTIONS];
    uint64_t shown; /* of the top's border */
    uint64_t events_max;
    uint64_t start_ns; /* steps are counted from here */
    uint64_t step;
    uint64_t covered_ns[RECORD_RINGS]; /* events before are shown; UINT64_MAX: all */
    struct {
        uint64_t time_ns;
        uint16_t p;
    } crash[JUDGE_CRASHES_MAX];
    uint32_t crashes, crashes_shown;
    uint64_t crashed;             /* bitmap: writes no more, as far as we were told */
    uint64_t seen_ns[PSET_PROCS]; /* how far p had come when it was looked at last */
    uint64_t life[PSET_PROCS];    /* that a ring of p has told of last */
    bool digests_do;              /* where records end, what digests say stands */
    struct judge_rare *rare;
    size_t rares, rare_capacity;
    uint64_t busy_ns; /* spent reading, merging, judging */
};

/* 0, or −ENOMEM. `area` may be NULL: then nothing is judged. */
int judge_open(struct judge *j, struct record_area *area, const struct job *job);
void judge_close(struct judge *j);

/* Before the processes run: the time that steps are counted from. */
void judge_start(struct judge *j, uint64_t start_ns);

/* Process p took no step after that time. */
void judge_crash(struct judge *j, uint16_t p, uint64_t time_ns);

/* Learn from the board who has crashed, and who lives again. */
void judge_watch(struct judge *j, const struct board *b);

/* Read, merge, judge. `all`: the processes have returned, nothing more will be written. */
void judge_drain(struct judge *j, bool all);

/*
 * While nothing new is issued: whether it is worth to wait. Somebody crashed or was hindered, and
 * the top has an obligation that is open. Drains.
 */
bool judge_settling(struct judge *j, const struct board *b);

/* Nobody crashed, nobody is held, no fault is armed. */
bool judge_calm(const struct judge *j, const struct board *b);

/* After judge_drain(j, true): the end, and what it means for the verdict. */
void judge_end(struct judge *j, bool fair, struct verdict *v);

#endif
