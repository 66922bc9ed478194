/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The timeline of a run: rate and latency in cells of 10 ms, what befell it and when, and what
 * that did: how long until it was detected, until another led, until something was decided again.
 *
 * Faults are read from the run's events (events.h). Times count from the beginning of the load. A
 * detector tells of a crash when its time is over, so the figures stand beside its setting.
 */
#ifndef UPON_TIMELINE_H
#define UPON_TIMELINE_H

#include <jansson.h>

#include "judge.h"

#define TIMELINE_FAULTS_MAX 64
#define TIMELINE_WHAT_BYTES 160

#define TIMELINE_NEVER UINT64_MAX

struct timeline_fault {
    uint32_t id; /* in the run's events */
    char what[TIMELINE_WHAT_BYTES];
    uint64_t begin_ns; /* it took effect; the first of those that it befell */
    uint64_t end_ns;   /* TIMELINE_NEVER: it did not end */
    uint64_t procs;    /* crash, pause: who takes no step; partition: the side without a majority */
    /* What it did. TIMELINE_NEVER: it did not come to it. */
    uint64_t
        detect_first_ns;     /* after its beginning, here and below: first to suspect who stopped */
    uint64_t detect_last_ns; /* … last correct process */
    uint64_t leader_ns;      /* all correct processes trust another */
    uint16_t leader;
    uint64_t decision_ns; /* first decision or delivery at that one since it leads */
    uint64_t gap_ns;      /* longest time without a delivery at a process that was not stopped */
    uint16_t gap_at;
    bool detects, leads; /* the stack has a detector, a leader */
};

struct timeline {
    const struct job *job;
    const struct board *board;
    const struct judge *judge;
    uint64_t start_ns;
    uint64_t end_ns; /* of the load, since its beginning */
    uint32_t faults;
    struct timeline_fault fault[TIMELINE_FAULTS_MAX];
    uint64_t lost;     /* operations that are owed and did not arrive */
    uint64_t repeated; /* operations that came again */
};

/* When the processes have returned and the judge has ended. */
void timeline_make(struct timeline *t, const struct job *job, const struct board *board,
                   const struct judge *judge, const char *folder);

/* Write timeline.csv and timeline.svg to the run's folder. 0, or −errno and a sentence. */
int timeline_write(const struct timeline *t, const char *folder, char *why, size_t why_size);

/* For people; nothing where nothing befell the run. */
void timeline_report(FILE *out, const struct timeline *t);

/* An object: lost, repeated, faults. */
json_t *timeline_json(const struct timeline *t);

#endif
