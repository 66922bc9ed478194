/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of planted bugs, made from the *.mutants files. */
#ifndef UPON_MUTANTS_H
#define UPON_MUTANTS_H

#include "protocols/co.h"

struct check;

/* A log with a planted bug, and the recovery oracle that runs it (oracle_log.h). */
struct log_mutant {
    void (*run)(uint64_t seed, struct check *check); /* NULL: it could not be made */
    const char *why;
};

/* The log as it is. */
void oracle_log_as_it_is(uint64_t seed, struct check *check);

struct mutant {
    const char *name; /* NULL ends the table */
    const char *file;
    const struct co_class *cls;   /* either a class, */
    const struct log_mutant *log; /* or a log */
    const char *replaces;         /* name of the class in whose place it stands */
    const char *stack;
    const char *breaks; /* the property; "": harmless */
    const char *also;   /* properties that may be violated as a consequence */
    uint32_t seeds;     /* found within them; harmless: silent over them */
    uint32_t ops;       /* requests of each process; 0: drawn */
    uint32_t instances; /* rows of tables of them; 0: drawn */
    const char *bug;
};

extern const struct mutant mutants[];

#endif
