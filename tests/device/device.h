/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A driver for device tests: processes of the stack "beb" with an application that broadcasts
 * numbered messages and checks what it is delivered, in breaths in turn on one thread or each on a
 * polling thread of its own.
 */
#ifndef UPON_TEST_DEVICE_H
#define UPON_TEST_DEVICE_H

#include <signal.h>

#include "dataplane/fabric.h"
#include "protocols/co.h"

#define DEVICE_SKIP 77 /* meson's status of a test that cannot run here */

struct device_job {
    struct fabric_conf fabric;
    uint64_t messages;             /* that each process broadcasts */
    uint32_t bytes;                /* of a message, at least 16 */
    uint64_t linger_ns;            /* go on for so long after all is delivered, to acknowledge */
    volatile sig_atomic_t *enough; /* linger no more; may be NULL */
    volatile sig_atomic_t *report; /* say how far it is, and clear this; may be NULL */
    uint64_t timeout_ns;           /* give up after */
    uint32_t copy_bytes;           /* stack_conf.msg_copy_bytes; 0: the default */
    bool threads;                  /* a thread for each process, else one for all */
};

struct device_result {
    uint64_t delivered; /* by all local processes */
    uint64_t wrong;     /* delivered twice, out of range, or with another content */
    uint64_t ns;        /* from the first breath until all was delivered */
    uint64_t counters[COUNTERS];
    uint32_t leak;
    bool complete; /* every local process delivered every message of every process */
    char text[256];
};

/* Open the fabric, run, close. 0, or −errno with a sentence on stderr. */
int device_run(const struct device_job *job, struct device_result *r);

/* Print what happened, drops by cause. */
void device_print(const struct device_result *r);

/* Fail the program with a sentence unless `ok`. */
void device_check(bool ok, const char *what);

/* Whether a command succeeds, with its output thrown away. */
bool device_shell(const char *command);

#endif
