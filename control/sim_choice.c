/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim_choice.h"

#include <inttypes.h>
#include <stdio.h>

const char *const choice_names[CHOICES] = {
    [CHOICE_STEP] = "step",
    [CHOICE_DELIVER] = "deliver",
    [CHOICE_ARRIVE] = "arrive",
    [CHOICE_DUPLICATE] = "duplicate",
    [CHOICE_DROP] = "drop",
    [CHOICE_CORRUPT] = "corrupt",
    [CHOICE_TIMER] = "timer",
    [CHOICE_ADVANCE] = "advance",
    [CHOICE_REQUEST] = "request",
    [CHOICE_CRASH] = "crash",
    [CHOICE_CRASH_AT] = "crash-at",
    [CHOICE_CRASH_SENT] = "crash-sent",
    [CHOICE_CRASH_SUPER] = "crash-super",
    [CHOICE_LOSE_SUPER] = "lose-super",
    [CHOICE_WRITTEN] = "written",
    [CHOICE_FLIP] = "flip",
    [CHOICE_RECOVER] = "recover",
    [CHOICE_PAUSE] = "pause",
    [CHOICE_RESUME] = "resume",
    [CHOICE_LIE] = "lie",
    [CHOICE_ARM] = "arm",
    [CHOICE_DISARM] = "disarm",
    [CHOICE_HEAL] = "heal",
};

const char *const fate_names[DISK_FATES] = {
    [DISK_KEEPS] = "kept",   [DISK_LOSES] = "lost",  [DISK_MISDIRECTS] = "misdirected",
    [DISK_FAILS] = "failed", [DISK_SHORT] = "short", [DISK_FULL] = "full",
};

const char *const keeps_names[KEEPS] = {"nothing", "all", "first", "last"};

/* " keeps first", " keeps 77", or nothing where nothing is kept. */
static int keeps_text(uint64_t keeps, char *text, size_t size)
{
    if (keeps == KEEPS_NOTHING)
        return 0;
    if (keeps < KEEPS)
        return snprintf(text, size, " keeps %s", keeps_names[keeps]);
    return snprintf(text, size, " keeps %" PRIu64, keeps);
}

static int written_text(const struct choice *c, char *text, size_t size)
{
    int at = snprintf(text, size, "%s p%u #%u", choice_names[c->kind], c->p, c->k);
    if (c->b % WRITTEN_WAITS != DISK_KEEPS)
        at += snprintf(text + at, size - (size_t)at, " %s", fate_names[c->b % WRITTEN_WAITS]);
    at += keeps_text(c->a, text + at, size - (size_t)at);
    if (c->b >= WRITTEN_WAITS)
        at += snprintf(text + at, size - (size_t)at, " waiting");
    return at;
}

static int crash_text(const struct choice *c, char *text, size_t size)
{
    int at = snprintf(text, size, "%s p%u", choice_names[c->kind], c->p);
    if (c->kind != CHOICE_CRASH)
        at += snprintf(text + at, size - (size_t)at, " %u", c->k);
    return at + keeps_text(c->a, text + at, size - (size_t)at);
}

int choice_text(const struct choice *c, const struct sim_app *app, char *text, size_t size)
{
    const char *name = choice_names[c->kind], *waits = c->b == WAITS ? " waiting" : "";
    switch (c->kind) {
    case CHOICE_DELIVER:
    case CHOICE_ARRIVE:
    case CHOICE_DUPLICATE:
    case CHOICE_DROP:
        return snprintf(text, size, "%s %u->%u #%u%s", name, c->p, c->q, c->k,
                        c->kind == CHOICE_DUPLICATE ? waits : "");
    case CHOICE_CORRUPT:
        return snprintf(text, size, "%s %u->%u #%u bit %" PRIu64, name, c->p, c->q, c->k, c->a);
    case CHOICE_ADVANCE:
        return snprintf(text, size, "%s %" PRIu64 "ns", name, c->a);
    case CHOICE_REQUEST: {
        int at = snprintf(text, size, "%s p%u %s", name, c->p, app->verb);
        if (app->to_process)
            at += snprintf(text + at, size - (size_t)at, " p%u", c->q);
        at += snprintf(text + at, size - (size_t)at, " %" PRIu64, c->a);
        if (app->instance)
            at += snprintf(text + at, size - (size_t)at, " @%" PRIu64, c->b);
        if (c->k != 0)
            at += snprintf(text + at, size - (size_t)at, " waiting");
        return at;
    }
    case CHOICE_CRASH:
    case CHOICE_CRASH_AT:
    case CHOICE_CRASH_SENT:
    case CHOICE_CRASH_SUPER:
    case CHOICE_LOSE_SUPER:
        return crash_text(c, text, size);
    case CHOICE_RECOVER:
        if (c->k > 0)
            return snprintf(text, size, "%s p%u super %u", name, c->p, c->k - 1);
        return snprintf(text, size, "%s p%u", name, c->p);
    case CHOICE_WRITTEN:
        return written_text(c, text, size);
    case CHOICE_FLIP:
        return snprintf(text, size, "%s p%u segment %u byte %" PRIu64 " bit %" PRIu64, name, c->p,
                        c->k, c->a, c->b);
    case CHOICE_LIE:
        return snprintf(text, size, "%s p%u p%u%s%s", name, c->p, c->q,
                        c->k == LIE_EPFD ? " epfd" : "", waits);
    case CHOICE_TIMER:
        return snprintf(text, size, "%s p%u%s", name, c->p, waits);
    case CHOICE_ARM:
    case CHOICE_DISARM:
        return snprintf(text, size, "%s %u", name, c->k);
    case CHOICE_HEAL:
        return snprintf(text, size, "%s", name);
    default:
        return snprintf(text, size, "%s p%u", name, c->p);
    }
}

bool choice_without_step(struct choice *c)
{
    switch (c->kind) {
    case CHOICE_STEP:
        c->kind = CHOICE_NONE;
        return true;
    case CHOICE_DELIVER:
        c->kind = CHOICE_ARRIVE;
        return true;
    case CHOICE_REQUEST:
        c->k = 1;
        return true;
    case CHOICE_WRITTEN:
        c->b = c->b % WRITTEN_WAITS + WRITTEN_WAITS;
        return true;
    case CHOICE_TIMER:
    case CHOICE_LIE:
    case CHOICE_DUPLICATE:
        c->b = WAITS;
        return true;
    default:
        return false;
    }
}
