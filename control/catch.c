/* SPDX-License-Identifier: BSD-3-Clause */
#include "catch.h"

#include <assert.h>
#include <ctype.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_debug.h>
#include <rte_log.h>

#define PANIC "panic in "

static sigjmp_buf *back; /* of the innermost; NULL: there is none */
static char place[240];
static bool left, quiet;

const char *catch_place(void)
{
    return place[0] != '\0' ? place : "an abort";
}

bool catch_left(void)
{
    return left;
}

static const char *past_digits(const char *text)
{
    while (isdigit((unsigned char)*text))
        text++;
    return text;
}

bool catch_place_is(const char *other)
{
    const char *a = catch_place();
    if (strncmp(a, PANIC, strlen(PANIC)) != 0)
        return strcmp(a, other) == 0;
    for (; *a != '\0' && *other != '\0'; a++, other++) {
        a = past_digits(a);
        other = past_digits(other);
        if (*a != *other)
            return false;
        if (*a == '\0')
            return true;
    }
    return *past_digits(a) == *past_digits(other);
}

void catch_quiet(bool now)
{
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

/* In place of DPDK's, which says where it was, and keeps nothing of it. */
void __rte_panic(const char *function, const char *format, ...)
{
    va_list args;
    int at = snprintf(place, sizeof place, PANIC "%s(): ", function);
    va_start(args, format);
    vsnprintf(place + at, sizeof place - (size_t)at, format, args);
    va_end(args);
    place[strcspn(place, "\n")] = '\0';
    if (back == NULL || !quiet) {
        fflush(stdout);
        fprintf(stderr, "%s\n", place);
        rte_dump_stack();
    }
    abort();
}

void catch_leave(void)
{
    if (back == NULL)
        return;
    left = true;
    siglongjmp(*back, 1);
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
    left = false;
    const bool done = sigsetjmp(here, 1) == 0;
    if (done) {
        back = &here;
        fn(ctx);
    }
    back = outer;
    sigaction(SIGABRT, &before, NULL);
    return done;
}
