/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What may stop at an assertion, or panic, is run so that it is left there, and the program goes on.
 * What it had allocated is lost, and what it worked on is in no state to be used:
 * sim_world_abandon(). One thread.
 */
#ifndef UPON_CATCH_H
#define UPON_CATCH_H

#include <stdbool.h>

/* Do fn(ctx). False: it stopped at an assertion, or panicked, or was left. Calls may be nested. */
bool catch_run(void (*fn)(void *ctx), void *ctx);

/* Leave the innermost catch_run(), which is nobody's fault. Returns if there is none. */
void catch_leave(void);

/* Whether the last catch_run() that returned false was left so. */
bool catch_left(void);

/* Where the last catch_run() that returned false stopped: "file:line: assertion", or "panic in
 * function(): message". Valid until the next one does. */
const char *catch_place(void);

/* Whether that is the place at which another one stopped. The numbers in a panic's message are of the
 * moment: they make no other place of it. */
bool catch_place_is(const char *place);

/* Whether what is caught says so on stderr, as it does at first. */
void catch_quiet(bool quiet);

#endif
