/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A script of faults: what befalls whom, and when in the run. One grammar for live runs, simulations
 * and scenarios; a line is a time and a deed.
 *
 *   2s..2.5s partition 0,1 | 2     from 2 s to 2.5 s after the load began
 *   1s.. loss p=0.01 0-2           from 1 s on
 *   at 1s delay exponential 2ms    the same
 *   loss 10% 0->1                  all the time
 *   at 3s crash 1                  p1 takes no step any more
 *   at 4s recover 1                p1 goes on with what its log holds
 *   2s..2.2s pause 0,2             or: at 2s pause 0,2, and at 2.2s resume 0,2
 *   at 5s clear                    no rule holds any more
 *   # a comment
 *
 * The rules are those of dataplane/fault.h. Lines may stand in any order; what happens at one time
 * happens in the order of the lines.
 */
#ifndef UPON_FAULTS_H
#define UPON_FAULTS_H

#include <stdio.h>

#include "dataplane/fault.h"

#define FAULTS_MAX        128 /* lines of a script */
#define FAULTS_NEVER      UINT64_MAX
#define FAULTS_FILES_MAX  2 /* a job and a script beside it */
#define FAULTS_FILE_BYTES 256

enum deed {
    DEED_RULE,
    DEED_PAUSE,
    DEED_RESUME,
    DEED_CRASH,
    DEED_RECOVER,
    DEED_CLEAR, /* all rules */
    DEEDS
};

struct fault_line {
    uint64_t at_ns;    /* in the run */
    uint64_t until_ns; /* a rule, a pause; FAULTS_NEVER: it does not end by itself */
    uint64_t procs;    /* bitmap of ranks that it befalls; a rule says that itself: 0 */
    struct fault_rule rule;
    uint32_t place; /* line of … */
    uint8_t file;   /* … that file */
    uint8_t deed;   /* enum deed */
    uint8_t number; /* of a rule, among those armed at one time; set by faults_check() */
};

/* One thing to do: a line begins or ends. */
struct fault_step {
    uint64_t at_ns;
    uint16_t line; /* index */
    bool ends;
};

struct faults {
    uint32_t count;
    uint32_t steps;
    uint32_t rules; /* armed at one time, at most: they have numbers from the top, … */
    uint32_t files;
    char file[FAULTS_FILES_MAX][FAULTS_FILE_BYTES];
    struct fault_line line[FAULTS_MAX];
    struct fault_step step[2 * FAULTS_MAX]; /* by time; made by faults_check() */
};

/* … so that those from 0 on are free for what is armed by hand. */
#define FAULTS_NUMBER_TOP (FAULT_RULES_MAX - 1)

/* Read one line into `line`. 0; 1: there is nothing on it; or −EINVAL with one sentence. */
int faults_parse(const char *text, struct fault_line *line, char *why, size_t size);

/* Read one line of a file and add it. Sentences begin with the place, here and below. */
int faults_add(struct faults *f, const char *text, const char *file, uint32_t place, char *why,
               size_t size);

/* Read a file of such lines and add them. */
int faults_read(struct faults *f, const char *path, char *why, size_t size);

/* The same of what is open already; `path` is its name in a sentence. */
int faults_read_from(struct faults *f, FILE *in, const char *path, char *why, size_t size);

/*
 * Whether the script makes sense for n processes in a run that ends at `end_ns` (FAULTS_NEVER: not
 * known): who crashes was up, who recovers had crashed, and so on. Puts its steps in order and gives
 * the rules their numbers.
 */
int faults_check(struct faults *f, uint16_t n, uint64_t end_ns, char *why, size_t size);

/* How many processes there must be, at least, for all that are named: `least` or more. */
uint16_t faults_named(const struct faults *f, uint16_t least);

/* Write a deed without its time, "crash 1", and with it; so that it can be read again. Return the
 * length. */
int faults_deed_text(const struct fault_line *line, char *text, size_t size);
int faults_text(const struct fault_line *line, char *text, size_t size);

#endif
