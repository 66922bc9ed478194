/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The words of scenarios, transcripts and replay files: one line, one thing.
 *
 *   start beb n=3 seed=7 ops=2 flight_msgs=4   begin a run: stack, then what differs from the default
 *   fault loss 10% 0->1                        a rule of the fault engine; before the first choice
 *   2ms..5ms partition 0,1|2     at 3ms crash 1    a line of a script of faults (faults.h), its times
 *                                              from the start; before the first choice. What befalls
 *                                              processes happens within a `run`
 *   request p0 broadcast 17                    p0's application; ⟨pl, Send⟩: request p0 send p1 17;
 *                                              consensus: request p0 propose 17 @3
 *   deliver 0->1 [#k]     arrive 0->1     duplicate 0->1     drop 0->1     corrupt 0->1 [#k] bit 9
 *                                              the k-th frame of that edge; without #k the oldest;
 *                                              `deliver 0->1 all`: those that are there, if any
 *   deliver               the oldest frame of all
 *   step p1     timer p1     advance 5ms     pause p1     resume p1     recover p1
 *   crash p0     crash-at p0 3     crash-sent p0 1     lie p1 p2     arm 0     disarm 0     heal
 *   lie p1 p2 epfd                             ◇P's; without it P's or Ω's
 *   timer p1 waiting                           nobody steps yet; also of lie and duplicate
 *   written p1 [#k] [FATE]                     stacks with a log: that write of p1's disk, or the
 *                                              oldest, comes to its end, and p1 steps; FATE: lost,
 *                                              misdirected, failed, short, full; `waiting`: no step
 *   crash p1 keeps first                       of what was on its way to the disk the first half of
 *                                              all sectors is there; nothing (the default), all,
 *                                              last, or a number: a coin for each, seeded by it
 *   crash-super p1 1                           p1 crashes when next it writes its super block, one
 *                                              copy of two being written
 *   lose-super p1 3                            when next p1 writes its super block, its disk loses
 *                                              copy 0 (1), copy 1 (2) or both (3), and does not say so
 *   recover p1 super 0                         it crashes again at once, no copy being written
 *   flip p1 segment 2 byte 4097 bit 3          damage (segments 4 and 5: the super block's copies)
 *   settle                                     deliver in order and step until nothing is in flight
 *   run 100ms                                  keep time for so long
 *   fair                                       heal, be fair until nothing happens, judge liveness
 *   end                                        judge, liveness left open
 *   show pl beb                                from here on a trace has what crosses the borders of
 *                                              these layers only; `show` alone: everything again
 *   # a comment
 */
#ifndef UPON_SCRIPT_H
#define UPON_SCRIPT_H

#include <stdio.h>

#include "adversary.h"
#include "faults.h"

struct script {
    struct sim_world *w;
    struct sim_job job;
    struct mix mix;
    struct faults faults; /* what `run` follows */
    struct sim_plan plan;
    bool named;   /* `start` was read */
    bool started; /* the first choice was applied */
    bool judged;  /* liveness too */
    bool fair;
    uint32_t shown;   /* bit i: a trace has what crosses layer i's border; 0: it has everything */
    FILE *echo;       /* each line is written here before it is obeyed; NULL: nowhere */
    const char *name; /* of the text, in sentences; NULL: "scenario" */
    uint32_t line;    /* of it, which is obeyed; from 1 */
    bool placed;      /* the sentence begins with a name and a line already */
    bool recorded; /* by a simulation: a side was drawn of any 64 processes, and is not checked */
};

/* Obey one line. 0, or −EINVAL with one sentence in `why` that names the word. */
int script_line(struct script *s, const char *line, char *why, size_t size);

/* Obey a text; the sentence begins with its name and the number of the line. */
int script_text(struct script *s, const char *text, char *why, size_t size);

/* The text was all: 0, or −EINVAL with a sentence on what was to befall processes and did not, since
 * no `run` went as far. */
int script_over(const struct script *s, char *why, size_t size);

/* The job of a text, whose first line must be a `start`; 0, or −EINVAL: it will not run. */
int script_job(const char *text, struct sim_job *job);

/* Set one key of a job: n, seed, ops, bytes, delay, forward, or a field of struct stack_conf. */
int script_set(struct sim_job *job, const char *key, const char *value, char *why, size_t size);

/* Write the lines that start this job. Returns the length. */
int script_start_text(const struct sim_job *job, char *text, size_t size);

/* Read a line that is a choice. 0, or −EINVAL with a sentence. */
int script_choice(const struct sim_world *w, const char *line, struct choice *c, char *why,
                  size_t size);

#endif
