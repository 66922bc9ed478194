/* SPDX-License-Identifier: BSD-3-Clause */
#include "hand.h"

#include "dataplane/refuse.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- preparing ---------------------------------------------------------------------------------- */

/* The script's rules have numbers from the top. */
static int free_number(const struct hand *h, uint8_t *number)
{
    for (uint32_t i = 0; i + h->inject->faults->rules < FAULT_RULES_MAX; i++)
        if (!h->used[i]) {
            *number = (uint8_t)i;
            return 0;
        }
    return -ENOSPC;
}

static int prepare_rule(struct hand *h, const char *text, struct fault_line *l, char *why,
                        size_t size)
{
    uint64_t now = l->at_ns;
    int err = faults_parse(text, l, why, size);
    if (err > 0)
        return refuse(why, size, "there is no rule on that line; give one, as loss 10%% 0->1");
    if (err != 0)
        return err;
    if (l->deed != DEED_RULE || l->at_ns != 0 || l->until_ns != FAULTS_NEVER)
        return refuse(why, size,
                      "by hand a rule holds from now on until it is cleared: give it without a "
                      "time; crash, pause and the like are requests of their own");
    if (fault_check(&l->rule, (uint16_t)h->board->n, why, size) != 0)
        return -EINVAL;
    l->at_ns = now;
    if (free_number(h, &l->number) != 0)
        return refuse(why, size, "as many rules are armed as can be, %d; clear one first",
                      FAULT_RULES_MAX);
    return 0;
}

/* Whether a line of the script has begun, and not ended. */
static bool holds(const struct hand *h, uint32_t line, uint64_t now_ns)
{
    const struct inject *i = h->inject;
    const struct fault_line *l = &i->faults->line[line];
    return l->deed == DEED_RULE && i->id[line] != 0 && !i->healed && !h->ended[line] &&
           (l->until_ns == FAULTS_NEVER || now_ns < i->start_ns + l->until_ns);
}

/* The deed whose end is asked for: by hand, or of the script. */
static int prepare_clear(struct hand *h, uint32_t id, struct hand_deed *d, char *why, size_t size)
{
    d->ends = true;
    for (uint32_t i = 0; i < FAULT_RULES_MAX; i++)
        if (h->used[i] && h->rule[i].id == id) {
            d->line = h->rule[i].line;
            d->id = id;
            return 0;
        }
    for (uint32_t i = 0; i < h->inject->faults->count; i++)
        if (h->inject->id[i] == id && holds(h, i, d->asked_ns)) {
            d->line = h->inject->faults->line[i];
            d->id = id;
            return 0;
        }
    return refuse(why, size, "there is no fault %u; \"fault list\" tells which there are", id);
}

/* No two deeds have one time, and none one before the load: who reads them sees their order. */
static uint64_t asked_at(struct hand *h, uint64_t now_ns)
{
    uint64_t least = h->asked_ns >= h->inject->start_ns ? h->asked_ns + 1 : h->inject->start_ns;
    h->asked_ns = now_ns > least ? now_ns : least;
    return h->asked_ns;
}

int hand_prepare(struct hand *h, const struct request *r, uint64_t now_ns, struct hand_deed *d,
                 uint64_t *whom, char *why, size_t why_size)
{
    static const uint8_t deeds[REQUEST_VERBS] = {[REQUEST_FAULT_CLEAR] = DEED_CLEAR,
                                                 [REQUEST_PAUSE] = DEED_PAUSE,
                                                 [REQUEST_RESUME] = DEED_RESUME,
                                                 [REQUEST_CRASH] = DEED_CRASH,
                                                 [REQUEST_RECOVER] = DEED_RECOVER};
    int err = 0;
    now_ns = asked_at(h, now_ns);
    *d = (struct hand_deed){.line = {.at_ns = now_ns - h->inject->start_ns,
                                     .until_ns = FAULTS_NEVER,
                                     .deed = deeds[r->verb],
                                     .procs = r->process < 64 ? 1ull << r->process : 0},
                            .asked_ns = now_ns};
    if (r->verb == REQUEST_FAULT_ADD)
        err = prepare_rule(h, r->rule, &d->line, why, why_size);
    else if (r->verb == REQUEST_FAULT_CLEAR && r->fault != REQUEST_ALL)
        err = prepare_clear(h, r->fault, d, why, why_size);
    if (err != 0)
        return err;
    if (d->id == 0)
        d->id = events_id(h->events);
    if (r->verb == REQUEST_FAULT_ADD) {
        h->used[d->line.number] = true;
        h->rule[d->line.number] = *d;
    }
    *whom = inject_whom(&d->line, h->board);
    return 0;
}

/* ---- after it ----------------------------------------------------------------------------------- */

void hand_done(struct hand *h, struct hand_deed *d, uint32_t p, uint64_t effect_ns)
{
    const struct event e = {.id = d->id,
                            .by = EVENT_HAND,
                            .ends = d->ends,
                            .what = &d->line,
                            .asked_ns = d->asked_ns,
                            .process = (uint16_t)p,
                            .effect_ns = effect_ns};
    events_put(h->events, &e);
}

/* What the script has begun has ended: the line of an id, or (0) all. */
static void end_lines(struct hand *h, uint32_t id)
{
    for (uint32_t i = 0; i < h->inject->faults->count; i++)
        if (h->inject->id[i] != 0 && (id == 0 || h->inject->id[i] == id))
            h->ended[i] = true;
}

void hand_end(struct hand *h, const struct hand_deed *d, bool done)
{
    if (d->ends && done)
        end_lines(h, d->id);
    if (d->line.deed == DEED_CLEAR && done) {
        memset(h->used, 0, sizeof h->used);
        end_lines(h, 0);
    } else if (d->line.deed == DEED_RULE && h->rule[d->line.number].id == d->id &&
               d->ends == done) {
        h->used[d->line.number] = false;
    }
}

void hand_each(const struct hand *h, uint64_t now_ns,
               void (*each)(void *ctx, uint32_t id, const char *by, const struct fault_line *l),
               void *ctx)
{
    for (uint32_t i = 0; i < h->inject->faults->count; i++)
        if (holds(h, i, now_ns))
            each(ctx, h->inject->id[i], "script", &h->inject->faults->line[i]);
    for (uint32_t i = 0; i < FAULT_RULES_MAX; i++)
        if (h->used[i] && !h->inject->healed)
            each(ctx, h->rule[i].id, "hand", &h->rule[i].line);
}
