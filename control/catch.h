/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What may stop at an assertion, or panic, is run so that it is left there, and the program goes on.
 * What it had allocated is lost, and what it worked on is in no state to be used:
 * sim_world_abandon(). One thread.
 */
#ifndef UPON_CATCH_H
#define UPON_CATCH_H

#include <stdbool.h>

/* Do fn(ctx). False: it stopped at an assertion, or panicked. Calls may be nested. */
bool catch_run(void (*fn)(void *ctx), void *ctx);

/* Where the last catch_run() that returned false stopped: "file:line: assertion"; "a panic". Valid
 * until the next one does. */
const char *catch_place(void);

/* Whether what is caught says so on stderr, as it does at first. */
void catch_quiet(bool quiet);

#endif
