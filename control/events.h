/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What befell a run: events.ndjson in its folder, a JSON object on a line. The first line says
 *
 *   {"schema":"upon.events/1","start_unix":1700000000.25,"start_ns":123456789}
 *
 * when the load began, by the calendar and by the environment's clock. Each other line is what one
 * process made of one thing that it was asked, in nanoseconds since then:
 *
 *   {"id":1,"by":"script","script":"2s..3s loss 10% 0->1","what":"loss 10% 0->1","edge":"begin",
 *    "asked_ns":2000000000,"process":0,"effect_ns":2000031817,"result":"ok"}
 *
 * Lines with one id belong together. `by`: "script", "hand", "end" for what the end of the load
 * ends, or "disk" for a process that crashed because a write to its disk failed. `edge`: "begin", or "end" where something ends that had begun. `result`: "ok", or the
 * sentence by which it was refused; then nothing took effect. A process that gives no answer has
 * "effect_ns" null. Readers pass over members that they do not know.
 *
 * The file is a script, too: events_read() makes one of it, so that what was done by hand can be
 * done again.
 */
#ifndef UPON_EVENTS_H
#define UPON_EVENTS_H

#include <stdio.h>

#include "faults.h"

#define EVENTS_SCHEMA "upon.events/1"
#define EVENTS_FILE   "events.ndjson"

enum event_source { EVENT_SCRIPT, EVENT_HAND, EVENT_END_OF_LOAD, EVENT_DISK };

struct event {
    uint32_t id;
    enum event_source by;
    bool ends;                     /* what began under this id */
    const struct fault_line *what; /* times since the load began */
    uint64_t asked_ns;             /* environment's time, here and below */
    uint16_t process;
    uint64_t effect_ns; /* 0: none is known */
    const char *why;    /* the refusal; NULL or "": it was done */
};

struct events {
    FILE *out; /* NULL: nothing is written */
    uint64_t start_ns;
    uint32_t next_id;
};

/* Make the file in a run's folder. 0, or −errno and a sentence. */
int events_open(struct events *e, const char *folder, char *why, size_t why_size);

/* The load begins at `start_ns`: its first line. */
void events_begin(struct events *e, double start_unix, uint64_t start_ns);

/* A number for something new that is asked; from 1. */
uint32_t events_id(struct events *e);

/* Write a line; it is in the file when this returns. */
void events_put(struct events *e, const struct event *event);

/* False: not all that was put is in the file; errno may say why. */
bool events_close(struct events *e);

/* Add the script in a file: lines of faults.h, or the events of an earlier run. */
int events_read(struct faults *f, const char *path, char *why, size_t size);

#endif
