/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules of the fault engine, as they befall frames, disks and heartbeats of a simulated world. */
#include "sim_parts.h"

#include "dataplane/refuse.h"

#include <errno.h>
#include <stdlib.h>

/* ---- frames ---------------------------------------------------------------------------------- */

void sim_rules_strain(struct sim_world *w, enum sim_strain what)
{
    if (w->needs.synchronous && w->strain == STRAIN_NONE)
        w->strain = (uint8_t)what;
}

/* Virtual time ends somewhere: what is later than that never happens. */
static uint64_t later(uint64_t ns, uint64_t by_ns)
{
    return by_ns < UINT64_MAX - ns ? ns + by_ns : UINT64_MAX;
}

/* Whether a frame that is sent to somebody who is there is lost by the rules. */
static bool faulty(struct sim_world *w, struct sim_frame *f)
{
    struct fault_fate fate = fault_frame(&w->faults, f->from, f->to, f->ordinal, f->sent_ns);
    for (uint32_t left = fate.lost ? 0 : fate.limited; left != 0; left &= left - 1) {
        uint32_t i = (uint32_t)__builtin_ctz(left);
        uint64_t *bucket = &w->bucket[((uint64_t)i * w->n + f->from) * w->n + f->to];
        fate.lost |= !fault_token(&w->faults.rule[i], bucket, f->sent_ns);
    }
    f->due_ns = later(f->due_ns, fate.delay_ns);
    f->copies = fate.copies;
    if (fate.lost || fate.corrupt != 0) /* a flipped bit is caught by the checksum: a loss */
        w->sim.env[f->to].counters[fate.lost ? COUNT_drop_fault : COUNT_drop_udp_checksum]++;
    if (fate.lost || fate.corrupt != 0)
        sim_rules_strain(w, STRAIN_LOSS);
    else if (f->due_ns - f->sent_ns >= w->job.conf.detect_ns / 2) /* a reply takes as long */
        sim_rules_strain(w, STRAIN_DELAY);
    return fate.lost || fate.corrupt != 0;
}

/* When what is sent now arrives, unless a rule delays it. */
static uint64_t due_ns(const struct sim_world *w, uint64_t sent_ns)
{
    const uint64_t convoy_ns = w->job.convoy_ns;
    if (!w->healed || convoy_ns == 0)
        return later(sent_ns, w->job.delay_ns);
    return (sent_ns / convoy_ns + 1) * convoy_ns;
}

bool sim_rules_sending(void *ctx, struct sim_frame *f)
{
    struct sim_world *w = ctx;
    struct sim_proc *x = &w->proc[f->from];
    bool lost = w->proc[f->to].state == SIM_CRASHED;
    if (unlikely(x->sends_left == 0))
        return false; /* it crashed before: nobody is told */
    x->sends_left--;
    f->tag = w->tag;
    f->due_ns = due_ns(w, f->sent_ns);
    if (unlikely(w->faults.armed != 0) && !lost)
        lost = faulty(w, f);
    if (w->sim.flights == 0) {
        w->due_ordered = true;
        w->due_ns = 0;
    }
    w->due_ordered &= f->due_ns >= w->due_ns;
    w->due_ns = f->due_ns > w->due_ns ? f->due_ns : w->due_ns;
    if (unlikely(w->observer.sent != NULL))
        w->observer.sent(w->observer.ctx, w, f, lost);
    return !lost;
}

/* ---- disks ----------------------------------------------------------------------------------- */

void sim_rules_writing(void *ctx, struct disk_sim_write *write)
{
    const struct sim_proc *x = ctx;
    const struct sim_world *w = x->world;
    write->tag = w->tag;
    write->due_ns = later(x->st->now, w->job.disk_ns != 0 ? w->job.disk_ns : SIM_DISK_NS);
    if (w->faults.armed == 0)
        return;
    struct fault_disk_fate fate = fault_disk(&w->faults, x->self, write->ordinal, x->st->now);
    write->due_ns = later(write->due_ns, fate.delay_ns);
    write->fails = fate.fails;
}

/* It takes no time here. */
bool sim_rules_super_fails(void *ctx)
{
    const struct sim_proc *x = ctx;
    const struct sim_world *w = x->world;
    struct env_sim *e = &x->world->sim.env[x->self];
    return w->faults.armed != 0 &&
           fault_disk(&w->faults, x->self, FAULT_DISK_WAITED | x->disk->supers,
                      e->env.ops->now(&e->env))
               .fails;
}

/* ---- heartbeats ------------------------------------------------------------------------------ */

/* Rules for heartbeats alone are carried out at the edge of the process that they reach, by the code
 * of live runs. Processes have no edge unless there is such a rule. */
static int make_edges(struct sim_world *w, char *why, size_t size)
{
    bool any = false;
    for (uint16_t i = 0; i < w->job.faults; i++)
        any |= w->job.fault[i].befalls == FAULT_HEARTBEATS;
    free(w->edge);
    w->edge = NULL;
    if (!any)
        return 0;
    if (w->n > PSET_PROCS)
        return refuse(why, size, "class=heartbeat is for %d processes at most, not %u", PSET_PROCS,
                      w->n);
    w->edge = calloc(w->n, sizeof w->edge[0]);
    return w->edge != NULL ? 0 : -ENOMEM;
}

void sim_rules_wire(struct sim_world *w, uint16_t p)
{
    const struct env_fault_conf conf = {.me = {w->job.conf.cluster, w->n, p},
                                        .seed = w->job.seed,
                                        .watches = true};
    struct env_fault *f = &w->edge[p];
    env_fault_init(f, &w->sim.env[p].env, &conf); /* it keeps no frames: nothing to allocate */
    for (uint16_t i = 0; i < w->job.faults; i++)
        if (w->job.fault[i].befalls == FAULT_HEARTBEATS && !w->job.fault[i].off)
            env_fault_arm(f, i, &w->job.fault[i]);
}

uint64_t sim_rules_earliest(const struct sim_world *w, const struct sim_proc *x)
{
    uint64_t timer = timer_next_ns(&x->st->wheel);
    uint64_t late = w->edge != NULL ? env_fault_late_ns(&w->edge[x->self]) : UINT64_MAX;
    return late < timer ? late : timer;
}

/* What one for heartbeats does to P is not asked: that it may. */
void sim_rules_arm(struct sim_world *w)
{
    if (w->edge != NULL && w->faults.armed != 0)
        sim_rules_strain(w, STRAIN_LOSS);
    for (uint16_t p = 0; w->edge != NULL && p < w->n; p++) {
        struct env_fault *f = &w->edge[p];
        env_fault_clear(f);
        for (uint16_t i = 0; i < w->job.faults; i++)
            if ((w->faults.armed >> i & 1) && w->job.fault[i].befalls == FAULT_HEARTBEATS)
                env_fault_arm(f, i, &w->job.fault[i]);
        if (w->proc[p].state != SIM_CRASHED)
            w->proc[p].timer_ns = sim_rules_earliest(w, &w->proc[p]);
        sim_process_refresh(w, p);
    }
}

/* ---- a run begins ---------------------------------------------------------------------------- */

/* What befalls disks befalls no stack without a log. */
int sim_rules_check(const struct sim_job *job, char *why, size_t size)
{
    for (uint16_t i = 0; i < job->faults && !sim_needs(job->def).disk; i++) {
        char rule[160];
        if (!fault_of_disk(&job->fault[i]))
            continue;
        fault_text(&job->fault[i], rule, sizeof rule);
        return refuse(why, size,
                      "'%s': stack %s has no log, and so no disk that could fail or be slow", rule,
                      job->def->name);
    }
    return 0;
}

/* Buckets for the rates of the job, all full. */
static int make_buckets(struct sim_world *w)
{
    bool rates = false;
    for (uint16_t i = 0; i < w->job.faults; i++)
        rates |= w->job.fault[i].kind == FAULT_RATE;
    free(w->bucket);
    w->bucket = rates ? calloc((size_t)FAULT_RULES_MAX * w->n * w->n, sizeof w->bucket[0]) : NULL;
    return rates && w->bucket == NULL ? -ENOMEM : 0;
}

int sim_rules_begin(struct sim_world *w, char *why, size_t size)
{
    fault_init(&w->faults, w->job.seed, w->job.fault, w->job.faults);
    int err = make_edges(w, why, size);
    if (err != 0)
        return err;
    w->strain = w->edge != NULL && w->needs.synchronous ? STRAIN_LOSS : STRAIN_NONE;
    if (make_buckets(w) != 0)
        return refuse_as(why, size, -ENOMEM, "no memory for rates between %u processes; lower n",
                         w->n);
    return 0;
}
