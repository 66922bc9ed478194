/* SPDX-License-Identifier: BSD-3-Clause */
/* The life of a world: made, started for a job, given back. */
#include "sim_parts.h"

#include "dataplane/eal.h"
#include "dataplane/large.h"
#include "dataplane/refuse.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

struct sim_world *sim_world_new(struct rte_mempool *pool)
{
    struct sim_world *w = calloc(1, sizeof *w);
    if (w == NULL)
        return NULL;
    sim_app_prepare();
    w->pool = pool;
    w->recording = true;
    return w;
}

void sim_world_give_back(struct sim_world *w)
{
    for (uint16_t p = 0; p < w->n; p++)
        if (w->proc[p].st != NULL) {
            if (w->proc[p].state != SIM_CRASHED)
                stack_fini(w->proc[p].st);
            w->proc[p].st = NULL;
        }
    if (w->n_max > 0)
        sim_reset(&w->sim);
}

void sim_world_abandon(struct sim_world *w)
{
    w->observer = (struct sim_observer){0};
    for (uint16_t p = 0; p < w->n; p++) {
        w->proc[p].st = NULL;
        w->sim.env[p].ins = 0;
    }
    w->sim.flights = 0;
    eal_pool_refill(w->pool);
}

static void free_procs(struct sim_world *w)
{
    for (uint16_t p = 0; p < w->n_max; p++)
        if (w->proc[p].disk != NULL)
            disk_sim_free(w->proc[p].disk);
    free(w->proc);
    free(w->wake);
    if (w->n_max > 0)
        sim_fini(&w->sim);
    w->n_max = 0;
}

static void free_stacks(struct sim_world *w)
{
    large_free(w->stacks, w->stacks_bytes);
    w->stacks = NULL;
    w->stacks_bytes = 0;
}

void sim_world_free(struct sim_world *w)
{
    sim_world_give_back(w);
    sim_watch_close(w);
    free_procs(w);
    free_stacks(w);
    free(w->record);
    free(w->edge);
    free(w->bucket);
    free(w);
}

/* ---- a run begins ---------------------------------------------------------------------------- */

/* Nothing goes on without packets: what a link would take for a loss, no protocol is to blame for. */
static void starved(void *ctx)
{
    struct sim_world *w = ctx;
    if (w->starved != NULL)
        w->starved(w);
}

static int make_procs(struct sim_world *w, uint16_t n, char *why, size_t size)
{
    if (n > w->n_max) {
        free_procs(w);
        uint16_t room = n < 8 ? 8 : n;
        w->proc = calloc(room, sizeof w->proc[0]);
        w->wake = calloc(room, sizeof w->wake[0]);
        if (w->proc == NULL || w->wake == NULL || sim_init(&w->sim, room, w->pool) != 0)
            return refuse_as(why, size, -ENOMEM, "out of memory for %u simulated processes", n);
        w->n_max = room;
        w->sim.sending = sim_rules_sending;
        w->sim.ctx = w;
        for (uint16_t p = 0; p < room; p++) {
            w->sim.env[p].env.starved = starved;
            w->sim.env[p].env.starved_ctx = w;
        }
    }
    if (w->sim.n != n)
        sim_resize(&w->sim, n);
    w->n = n;
    return 0;
}

/*
 * Room for the stacks of all processes: in one piece, so that large pages can carry it, and in steps
 * of an odd number of cache lines, so that the same field of many processes does not fall into a few
 * sets of the cache. With 1,000 processes an event costs a fifth less than with a block for each.
 */
static int make_stacks(struct sim_world *w, char *why, size_t size)
{
    struct stack_conf conf = sim_process_conf(w, 0);
    size_t bytes = co_wire_bytes(w->job.def, &sim_app_class, &conf);
    w->stack_bytes = (RTE_ALIGN(bytes, RTE_CACHE_LINE_SIZE) | RTE_CACHE_LINE_SIZE);
    size_t all = w->stack_bytes * w->n;
    if (all <= w->stacks_bytes)
        return 0;
    free_stacks(w);
    w->stacks = large_new(all);
    if (w->stacks == NULL)
        return refuse_as(why, size, -ENOMEM,
                         "out of memory for the stacks of %u processes: %zu bytes", w->n, all);
    w->stacks_bytes = all;
    return 0;
}

/* What is said of disks and log-deliveries is said of a stack with a log. */
static int check_log_keys(const struct sim_job *job, char *why, size_t size)
{
    if (sim_needs(job->def).disk || (job->disk_ns == 0 && job->lag == 0))
        return 0;
    return refuse(why, size, "%s=%" PRIu64 ": stack %s has no log",
                  job->disk_ns != 0 ? "disk_ns" : "lag",
                  job->disk_ns != 0 ? job->disk_ns : job->lag, job->def->name);
}

/* Who is to crash and recover for ever must be there, and able to. */
static int check_unstable(const struct sim_job *job, char *why, size_t size)
{
    if (job->unstable == 0)
        return 0;
    if (!sim_needs(job->def).disk)
        return refuse(why, size, "unstable=%u: stack %s has no log, and who crashes stays down",
                      job->unstable, job->def->name);
    if (job->unstable > job->n)
        return refuse(why, size, "unstable=%u: it is 1 for p0, to %u for p%d", job->unstable,
                      job->n, job->n - 1);
    return 0;
}

/* Whoever excuses the lies of P has one. */
static int check_lies(const struct sim_job *job, char *why, size_t size)
{
    if (!job->lies_void || sim_needs(job->def).synchronous)
        return 0;
    return refuse(why, size, "lies_void=1: stack %s has no P, which could lie", job->def->name);
}

/* Whether the world can honour its job. */
static int check_job(const struct sim_world *w, char *why, size_t size)
{
    const struct sim_job *job = &w->job;
    struct stack_conf conf = job->conf;
    conf.n = job->n;
    uint32_t room = (uint32_t)rte_pktmbuf_data_room_size(w->pool) - RTE_PKTMBUF_HEADROOM;
    if (job->msg_bytes + MSG_HEADROOM_MAX + FRAME_BYTES + RECORD_BYTES > room)
        return refuse(why, size, "messages of %u bytes do not fit the simulator's packets of %u",
                      job->msg_bytes, room);
    int err = sim_rules_check(job, why, size);
    if (err == 0)
        err = check_unstable(job, why, size);
    if (err == 0)
        err = check_log_keys(job, why, size);
    if (err == 0)
        err = check_lies(job, why, size);
    return err != 0 ? err : co_check_wiring(job->def, &sim_app_class, &conf, why, size);
}

/* Nothing has happened yet. */
static void clear(struct sim_world *w)
{
    w->alive = w->n;
    w->steps = w->breaths = w->events = w->trace_hash = w->top_ns = w->crossed = w->erred_ns =
        w->untrue = w->lied = w->doubted = 0;
    w->behind = 0;
    w->tag = 0;
    w->records = 0;
    w->front_ns = w->due_ns = 0;
    w->healed = w->suspect = w->deaf = false;
    w->recoveries = w->refusals = 0;
}

int sim_world_start(struct sim_world *w, const struct sim_job *job, char *why, size_t size)
{
    sim_world_give_back(w);
    if (job != &w->job)
        w->job = *job;
    w->job.conf.n = w->job.n;
    sim_conf_default(&w->job.conf);
    int err = check_job(w, why, size);
    if (err != 0 || (err = make_procs(w, w->job.n, why, size)) != 0 ||
        (err = make_stacks(w, why, size)) != 0)
        return err;
    w->needs = sim_needs(w->job.def);
    if ((err = sim_rules_begin(w, why, size)) != 0)
        return err;
    clear(w);
    for (uint16_t p = 0; p < w->n; p++)
        if ((err = sim_process_begin(w, p, why, size)) != 0)
            return err;
    if (w->n >= SIM_FETCH_PROCS)
        sim_fetch_learn(&w->fetch, w->proc[0].st);
    sim_watch_begin(w);
    for (uint16_t p = 0; p < w->n && w->needs.disk; p++) {
        sim_process_live(w, &w->proc[p]);
        /* No rule holds before there is a process. */
        w->proc[p].disk->super_fails = sim_rules_super_fails;
        sim_process_refresh(w, p);
    }
    return 0;
}
