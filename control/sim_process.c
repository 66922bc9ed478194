/* SPDX-License-Identifier: BSD-3-Clause */
/* A process of a simulated world: its lives, its steps, its crashes. */
#include "sim_parts.h"

#include "late.h"

#include <stdio.h>

uint32_t sim_process_payload(const struct sim_world *w)
{
    return w->job.msg_bytes < 8 ? 8 : w->job.msg_bytes;
}

struct stack_conf sim_process_conf(const struct sim_world *w, uint16_t p)
{
    struct stack_conf conf = w->job.conf;
    conf.n = w->n;
    conf.self = p;
    conf.seed = w->job.seed;
    conf.incarnation = w->proc[p].incarnation;
    return conf;
}

void sim_process_refresh(struct sim_world *w, uint16_t p)
{
    const struct sim_proc *x = &w->proc[p];
    if (x->state != SIM_RUNNING)
        w->wake[p] = UINT64_MAX;
    else if (w->sim.env[p].ins > 0 || x->st->ready != 0 || x->st->dirty != 0 ||
             sim_process_disk_done(w, x))
        w->wake[p] = 0;
    else
        w->wake[p] = x->timer_ns;
}

/* ---- its lives ------------------------------------------------------------------------------- */

static int make_disk(struct sim_world *w, uint16_t p, char *why, size_t size)
{
    struct sim_proc *x = &w->proc[p];
    struct stack_conf conf = sim_process_conf(w, p);
    w->sim.env[p].env.disk = NULL;
    if (!w->needs.disk)
        return 0;
    int err = sim_disk_start(&x->disk, &conf, sim_process_payload(w), sim_rules_writing, x);
    if (err != 0)
        snprintf(why, size, "out of memory for the disk of p%u", p);
    else
        w->sim.env[p].env.disk = &x->disk->disk;
    return err;
}

static void wire(struct sim_world *w, uint16_t p)
{
    struct sim_proc *x = &w->proc[p];
    struct stack_conf conf = sim_process_conf(w, p);
    void *mem = w->stacks + p * w->stack_bytes;
    struct env *env = w->edge != NULL ? &w->edge[p].env : &w->sim.env[p].env;
    x->st = co_wire(mem, w->job.def, &sim_app_class, &conf, env);
    if (w->edge != NULL)
        w->edge[p].conf.heartbeat_ports = stack_heartbeat_ports(x->st);
    x->st->trace = &x->trace;
    sim_app_begin(x->st, w->job.lag, sim_process_payload(w));
    x->timer_ns = timer_next_ns(&x->st->wheel);
}

int sim_process_begin(struct sim_world *w, uint16_t p, char *why, size_t size)
{
    struct sim_proc *x = &w->proc[p];
    *x = (struct sim_proc){.trace = {sim_watch_handled},
                           .world = w,
                           .disk = x->disk,
                           .self = p,
                           .incarnation = 1,
                           .leader = UINT16_MAX,
                           .events_left = UINT64_MAX,
                           .sends_left = UINT64_MAX};
    int err = make_disk(w, p, why, size);
    if (err != 0)
        return err;
    if (w->edge != NULL)
        sim_rules_wire(w, p);
    wire(w, p);
    sim_process_refresh(w, p);
    return 0;
}

bool sim_process_live(struct sim_world *w, struct sim_proc *x)
{
    char why[256];
    struct env_sim *e = &w->sim.env[x->self];
    x->st->now = e->env.ops->now(&e->env);
    if (stack_recover(x->st, why, sizeof why) != 0) {
        if (!x->disk->crashed) /* its disk kept its word, or sim_disk_trusted() had refused it */
            rte_panic("simulator: p%u refuses an undamaged log: %s\n", x->self, why);
        stack_fini(x->st);
        return false;
    }
    x->incarnation = x->st->conf.incarnation;
    x->timer_ns = timer_next_ns(&x->st->wheel);
    return true;
}

/* ---- steps and crashes ----------------------------------------------------------------------- */

void sim_process_step(struct sim_world *w, struct sim_proc *x)
{
    if (x->state != SIM_RUNNING)
        return;
    const struct timer_wheel *wheel = &x->st->wheel;
    uint64_t order = wheel->order;
    uint32_t armed = wheel->armed;
    w->breaths++;
    if (unlikely(w->edge != NULL))
        late_hand_over(&w->edge[x->self], x->st);
    co_breath(x->st);
    if (unlikely(x->st->halted)) {
        if (!x->crashing) /* its disk failed */
            sim_process_crash(w, x,
                              w->current.kind == CHOICE_WRITTEN ? w->current.a : KEEPS_NOTHING);
        return;
    }
    /* With many processes the invariants, which look at all peers, are spared most of the time. */
    if (w->n <= 16 || w->breaths % (16u * w->n) == 0)
        stack_check(x->st);
    /* Most steps arm, cancel and fire no timer: then the earliest is still the same. */
    if (wheel->order != order || wheel->armed != armed || unlikely(w->edge != NULL))
        x->timer_ns = sim_rules_earliest(w, x);
}

void sim_process_lose_frames(struct sim *s, uint16_t p)
{
    for (uint32_t k = s->flights; k-- > 0;)
        if (s->flight[k].to == p)
            sim_drop(s, k);
}

void sim_process_crash(struct sim_world *w, struct sim_proc *x, uint64_t keeps)
{
    x->state = SIM_CRASHED;
    x->timer_ns = UINT64_MAX;
    w->alive--;
    if (w->edge != NULL)
        env_fault_forget_late(&w->edge[x->self]);
    stack_fini(x->st);
    struct sim *s = &w->sim;
    struct env_sim *e = &s->env[x->self];
    for (uint32_t k = 0; k < e->ins; k++)
        rte_pktmbuf_free(e->in[k]);
    e->ins = 0;
    if (w->needs.disk) /* what is in flight may yet reach its next life */
        sim_disk_crash(x->disk, keeps);
    else
        sim_process_lose_frames(s, x->self);
    if (unlikely(w->observer.crashed != NULL))
        w->observer.crashed(w->observer.ctx, w, x->self);
    for (int i = 0; i < CO_STACK_MAX; i++)
        if (w->check[i] != NULL)
            w->check[i]->cls->crash(w->check[i], x->self, w->steps);
    w->suspect = true;
}

void sim_process_crash_in_step(struct sim_world *w, struct sim_proc *x, const struct choice *c)
{
    x->state = SIM_RUNNING;
    x->events_left = c->kind == CHOICE_CRASH_AT ? c->k : UINT64_MAX;
    x->sends_left = c->kind == CHOICE_CRASH_SENT ? c->k : UINT64_MAX;
    x->crashing = true;
    sim_process_step(w, x);
    x->events_left = x->sends_left = UINT64_MAX;
    x->crashing = false;
    sim_process_crash(w, x, c->a);
}

/* ---- recovery -------------------------------------------------------------------------------- */

/* Its log is looked at before anybody hears of the new life. False: it stays down. */
static bool may_recover(struct sim_world *w, struct sim_proc *x)
{
    char why[256];
    struct stack_conf conf = sim_process_conf(w, x->self);
    if (!w->needs.disk || sim_disk_trusted(x->disk, &conf, why, sizeof why))
        return true;
    x->refused = true;
    w->refusals++;
    if (w->observer.refused != NULL)
        w->observer.refused(w->observer.ctx, w, x->self, why);
    return false;
}

/* A life that ends while the super block is written, before anything else can come of it. */
static void recover_in_vain(struct sim_world *w, struct sim_proc *x, uint32_t copies)
{
    x->disk->super_crash = (int)copies;
    w->deaf = true;
    sim_process_live(w, x);
    w->deaf = false;
    sim_disk_crash(x->disk, KEEPS_NOTHING);
}

bool sim_process_recover(struct sim_world *w, struct sim_proc *x, const struct choice *c)
{
    if (x->state != SIM_CRASHED || x->refused || (c->k > 0 && !w->needs.disk) || c->k > 2)
        return false;
    if (!may_recover(w, x))
        return true;
    x->incarnation++; /* a log knows better */
    x->misled = false;
    x->suspected = x->told = 0;
    x->leader = UINT16_MAX;
    wire(w, x->self);
    if (c->k > 0 || (w->needs.disk && sim_rules_super_fails(x))) {
        recover_in_vain(w, x, c->k > 0 ? c->k - 1 : 0);
        return true;
    }
    x->state = SIM_RUNNING;
    w->alive++;
    w->recoveries++;
    for (int i = 0; i < CO_STACK_MAX; i++)
        if (w->check[i] != NULL)
            check_recover(w->check[i], x->self, w->steps);
    sim_process_live(w, x);
    return true;
}
