/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim_plan.h"

#include <errno.h>
#include <stdio.h>

#define FOREVER_NS 1000000000000000000ull /* of virtual time; a rule's window is written and read */

/* ---- rules ------------------------------------------------------------------------------------- */

/* A rule ends with its line, or where all rules are cleared. */
static uint64_t end_of(const struct faults *f, const struct fault_line *rule)
{
    uint64_t end = rule->until_ns < FOREVER_NS ? rule->until_ns : FOREVER_NS;
    for (uint32_t i = 0; i < f->count; i++) {
        const struct fault_line *l = &f->line[i];
        if (l->deed == DEED_CLEAR && l->at_ns > rule->at_ns && l->at_ns < end)
            end = l->at_ns;
    }
    return end;
}

int sim_plan_rules(struct faults *f, struct sim_job *job, char *why, size_t size)
{
    int err = faults_check(f, job->n, FAULTS_NEVER, why, size);
    for (uint32_t i = 0; err == 0 && i < f->count; i++) {
        const struct fault_line *l = &f->line[i];
        if (l->deed != DEED_RULE)
            continue;
        if (job->faults == FAULT_RULES_MAX) {
            snprintf(why, size,
                     "%.200s:%u: a simulation has 16 rules at most, all times together; leave one "
                     "out",
                     f->file[l->file], l->place);
            return -EINVAL;
        }
        struct fault_rule *r = &job->fault[job->faults++];
        *r = l->rule;
        r->since_ns = l->at_ns;
        r->until_ns = end_of(f, l);
    }
    return err;
}

/* ---- what befalls processes -------------------------------------------------------------------- */

static uint8_t choice_of(const struct fault_line *l, bool ends)
{
    switch (l->deed) {
    case DEED_PAUSE:
        return ends ? CHOICE_RESUME : CHOICE_PAUSE;
    case DEED_RESUME:
        return CHOICE_RESUME;
    case DEED_CRASH:
        return CHOICE_CRASH;
    case DEED_RECOVER:
        return CHOICE_RECOVER;
    default: /* rules hold in their windows */
        return 0;
    }
}

static const struct fault_step *step_at(const struct sim_plan *p, uint32_t i)
{
    return p->faults != NULL && i < p->faults->steps ? &p->faults->step[i] : NULL;
}

/* Something that is due now. */
static bool due(struct sim_plan *p, uint64_t now_ns, struct choice *c)
{
    for (;;) {
        if (p->left != 0) {
            const struct fault_step *before = step_at(p, p->next - 1);
            *c = (struct choice){.kind = choice_of(&p->faults->line[before->line], before->ends),
                                 .p = (uint16_t)__builtin_ctzll(p->left)};
            p->left &= p->left - 1;
            return true;
        }
        const struct fault_step *step = step_at(p, p->next);
        if (step == NULL || step->at_ns > now_ns)
            return false;
        const struct fault_line *l = &p->faults->line[step->line];
        p->left = choice_of(l, step->ends) != 0 ? l->procs : 0;
        p->next++;
    }
}

bool sim_plan_timed(struct sim_plan *p, const struct sim_world *w, struct choice *c)
{
    uint64_t now = sim_world_now(w);
    if (due(p, now, c))
        return true;
    bool any = sim_world_timed(w, c);
    const struct fault_step *step = step_at(p, p->next);
    if (step == NULL || (any && (c->kind != CHOICE_ADVANCE || now + c->a <= step->at_ns)))
        return any;
    *c = (struct choice){.kind = CHOICE_ADVANCE, .a = step->at_ns - now};
    return true;
}

uint64_t sim_plan_end_ns(const struct sim_plan *p)
{
    return p->faults != NULL && p->faults->steps > 0 ? p->faults->step[p->faults->steps - 1].at_ns
                                                     : 0;
}

const struct fault_line *sim_plan_next(const struct sim_plan *p)
{
    const struct fault_step *step = step_at(p, p->left != 0 ? p->next - 1 : p->next);
    return step != NULL ? &p->faults->line[step->line] : NULL;
}
