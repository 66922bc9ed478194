/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of planted bugs, made from the *.mutants files. */
#ifndef UPON_MUTANTS_H
#define UPON_MUTANTS_H

#include "protocols/co.h"

struct mutant {
    const char *name; /* NULL ends the table */
    const char *file;
    const struct co_class *cls;
    const char *replaces; /* name of the class in whose place it stands */
    const char *stack;
    const char *breaks; /* the property; "": harmless */
    const char *also;   /* properties that may be violated as a consequence */
    uint32_t seeds;     /* found within them; harmless: silent over them */
    uint32_t ops;       /* requests of each process; 0: drawn */
    const char *bug;
};

extern const struct mutant mutants[];

#endif
