/* SPDX-License-Identifier: BSD-3-Clause */
#include "catch.h"

#include <assert.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_log.h>

static sigjmp_buf *back; /* of the innermost; NULL: there is none */
static char place[240];
static bool quiet;

const char *catch_place(void)
{
    return place[0] != '\0' ? place : "a panic";
}

void catch_quiet(bool now)
{
    static uint32_t level;
    if (now == quiet)
        return;
    if (now)
        level = rte_log_get_global_level();
    rte_log_set_global_level(now ? RTE_LOG_EMERG : level); /* a panic is logged, with its stack */
    quiet = now;
}

/* In place of the C library's, which keeps to itself where it was. */
void __assert_fail(const char *assertion, const char *file, unsigned line, const char *function)
{
    const char *name = strrchr(file, '/');
    snprintf(place, sizeof place, "%s:%u: %s", name != NULL ? name + 1 : file, line, assertion);
    if (back == NULL || !quiet) {
        fflush(stdout);
        fprintf(stderr, "%s:%u: %s: assertion '%s' failed\n", file, line, function, assertion);
    }
    abort();
}

static void on_abort(int signal_number)
{
    if (back != NULL)
        siglongjmp(*back, 1);
    signal(signal_number, SIG_DFL); /* nobody catches it: abort() goes on */
}

bool catch_run(void (*fn)(void *ctx), void *ctx)
{
    const struct sigaction catch = {.sa_handler = on_abort, .sa_flags = SA_NODEFER};
    struct sigaction before;
    sigjmp_buf here, *const outer = back;
    sigaction(SIGABRT, &catch, &before);
    place[0] = '\0';
    const bool done = sigsetjmp(here, 1) == 0;
    if (done) {
        back = &here;
        fn(ctx);
    }
    back = outer;
    sigaction(SIGABRT, &before, NULL);
    return done;
}
