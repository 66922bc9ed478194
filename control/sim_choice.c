/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim_choice.h"

#include <inttypes.h>
#include <stdio.h>

const char *const choice_names[CHOICES] = {
    [CHOICE_STEP] = "step",         [CHOICE_DELIVER] = "deliver",
    [CHOICE_ARRIVE] = "arrive",     [CHOICE_DUPLICATE] = "duplicate",
    [CHOICE_DROP] = "drop",         [CHOICE_CORRUPT] = "corrupt",
    [CHOICE_TIMER] = "timer",       [CHOICE_ADVANCE] = "advance",
    [CHOICE_REQUEST] = "request",   [CHOICE_CRASH] = "crash",
    [CHOICE_CRASH_AT] = "crash-at", [CHOICE_CRASH_SENT] = "crash-sent",
    [CHOICE_RECOVER] = "recover",   [CHOICE_PAUSE] = "pause",
    [CHOICE_RESUME] = "resume",     [CHOICE_LIE] = "lie",
    [CHOICE_ARM] = "arm",           [CHOICE_DISARM] = "disarm",
    [CHOICE_HEAL] = "heal",
};

int choice_text(const struct choice *c, const struct sim_app *app, char *text, size_t size)
{
    const char *name = choice_names[c->kind];
    switch (c->kind) {
    case CHOICE_DELIVER:
    case CHOICE_ARRIVE:
    case CHOICE_DUPLICATE:
    case CHOICE_DROP:
        return snprintf(text, size, "%s %u->%u #%u", name, c->p, c->q, c->k);
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
    case CHOICE_CRASH_AT:
    case CHOICE_CRASH_SENT:
        return snprintf(text, size, "%s p%u %u", name, c->p, c->k);
    case CHOICE_LIE:
        return snprintf(text, size, "%s p%u p%u", name, c->p, c->q);
    case CHOICE_ARM:
    case CHOICE_DISARM:
        return snprintf(text, size, "%s %u", name, c->k);
    case CHOICE_HEAL:
        return snprintf(text, size, "%s", name);
    default:
        return snprintf(text, size, "%s p%u", name, c->p);
    }
}
