/* SPDX-License-Identifier: BSD-3-Clause */
#include "device.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_lcore.h>

/* ---- the application ------------------------------------------------------------------------- */

struct device_app {
    struct co co;
    const struct device_job *job;
    uint64_t sent;
    uint64_t delivered;
    uint64_t wrong;
    uint64_t *seen[PSET_PROCS]; /* a bit for each message of a process */
};

static struct device_app *app_of(struct co *co)
{
    return (struct device_app *)co;
}

static size_t app_bytes(const struct stack_conf *conf)
{
    (void)conf;
    return sizeof(struct device_app);
}

static uint8_t pattern(uint64_t number, uint32_t at)
{
    return (uint8_t)(number * 31 + at);
}

/* upon ⟨app, Ready | room⟩: broadcast as many as fit. */
static void upon_app_ready(struct co *self, const struct ev *ev, uint32_t n)
{
    struct device_app *a = app_of(self);
    uint64_t room = ev[n - 1].attr < CO_BATCH_EVENTS ? ev[n - 1].attr : CO_BATCH_EVENTS;
    for (uint64_t i = 0; i < room && a->sent < a->job->messages; i++) {
        struct msg m = msg_new(self->st, a->job->bytes);
        uint8_t *p = msg_data(m);
        le64_put(p, a->sent);
        for (uint32_t k = 8; k < m.len; k++)
            p[k] = pattern(a->sent, k);
        trigger(self->use[0], ev_make(EV_BEB_BROADCAST, 0, 0, 0, m));
        a->sent++;
    }
    self->st->app_wants = a->sent < a->job->messages;
}

static bool good(struct device_app *a, const struct ev *e)
{
    const uint8_t *p = msg_data(ev_msg(e));
    uint64_t number = e->len >= 8 ? le64_get(p) : UINT64_MAX;
    if (e->len != a->job->bytes || number >= a->job->messages ||
        (a->seen[e->proc][number / 64] >> number % 64 & 1))
        return false;
    a->seen[e->proc][number / 64] |= 1ull << number % 64;
    for (uint32_t k = 8; k < e->len; k++)
        if (p[k] != pattern(number, k))
            return false;
    return true;
}

static void upon_beb_deliver(struct co *self, const struct ev *ev, uint32_t n)
{
    struct device_app *a = app_of(self);
    for (uint32_t i = 0; i < n; i++) {
        if (good(a, &ev[i]))
            a->delivered++;
        else
            a->wrong++;
    }
}

static const struct co_class app_class = {
    .name = "device_app",
    .title = "broadcasts numbers and checks what it is delivered",
    .implements = ABS_APP,
    .uses = {ABS_BEB},
    .bytes = app_bytes,
    .upon =
        (co_upon_fn *const[EV_TYPES]){
            [EV_APP_READY] = upon_app_ready, [EV_BEB_DELIVER] = upon_beb_deliver},
};

/* ---- processes ------------------------------------------------------------------------------- */

struct run {
    const struct device_job *job;
    struct stack *st[PSET_PROCS];
    atomic_uint done; /* processes that delivered everything */
    atomic_bool stop;
    atomic_uint_least64_t done_ns;
};

static struct device_app *app(struct stack *st)
{
    return app_of(st->app);
}

static int wire(struct run *run, struct fabric *f, uint16_t i)
{
    const struct device_job *job = run->job;
    const struct stack_def *def = stack_find("beb");
    struct stack_conf conf = {.n = job->fabric.n,
                              .self = job->fabric.self[i],
                              .msg_copy_bytes = job->copy_bytes,
                              .give_up_ns = UINT64_MAX,
                              .one_life = true};
    char why[256];
    stack_conf_default(&conf);
    if (co_check_wiring(def, &app_class, &conf, why, sizeof why) != 0) {
        fprintf(stderr, "%s\n", why);
        return -EINVAL;
    }
    void *mem = aligned_alloc(64, co_wire_bytes(def, &app_class, &conf));
    if (mem == NULL)
        return -ENOMEM;
    run->st[i] = co_wire(mem, def, &app_class, &conf, fabric_env(f, conf.self));
    struct device_app *a = app(run->st[i]);
    a->job = job;
    for (uint16_t q = 0; q < conf.n; q++)
        a->seen[q] = calloc(job->messages / 64 + 1, 8);
    run->st[i]->app_wants = job->messages > 0;
    return 0;
}

static bool complete(const struct run *run, uint16_t i)
{
    return app(run->st[i])->delivered == run->job->messages * run->job->fabric.n;
}

static void note_done(struct run *run, uint64_t now)
{
    if (atomic_fetch_add(&run->done, 1) + 1 == run->job->fabric.selves)
        atomic_store(&run->done_ns, now);
}

static void sum(const struct run *run, struct device_result *r)
{
    r->delivered = r->wrong = 0;
    memset(r->counters, 0, sizeof r->counters);
    for (uint16_t i = 0; i < run->job->fabric.selves; i++) {
        r->delivered += app(run->st[i])->delivered;
        r->wrong += app(run->st[i])->wrong;
        for (int c = 0; c < COUNTERS; c++)
            r->counters[c] += run->st[i]->counters[c];
    }
}

static void print_counters(const struct device_result *r)
{
    for (int c = 0; c < COUNTERS; c++)
        if (r->counters[c] > 0)
            printf("  %-20s %" PRIu64 "\n", counter_texts[c].id, r->counters[c]);
}

/* How far it is, for whoever sends garbage: a block that ends with "end". */
static void report(const struct run *run)
{
    struct device_result r;
    sum(run, &r);
    printf("now\n  %-20s %u\n  %-20s %" PRIu64 "\n  %-20s %" PRIu64 "\n", "cluster",
           run->st[0]->conf.cluster, "delivered", r.delivered, "wrong", r.wrong);
    print_counters(&r);
    printf("end\n");
    fflush(stdout);
}

/* By the clock: a stack's own time may be that of an earlier breath. */
static uint64_t now_ns(const struct stack *st)
{
    return st->env->ops->now(st->env);
}

/* Breaths of processes [first, end) in turn, until all are done and have lingered, or time is up.
 */
static void breathe(struct run *run, uint16_t first, uint16_t end)
{
    const struct device_job *job = run->job;
    bool noted[PSET_PROCS] = {0};
    uint64_t start = now_ns(run->st[first]);
    for (;;) {
        for (uint16_t i = first; i < end; i++) {
            co_breath(run->st[i]);
            if (!noted[i] && complete(run, i)) {
                noted[i] = true;
                note_done(run, now_ns(run->st[i]));
            }
        }
        if (job->report != NULL && *job->report) {
            *job->report = 0;
            report(run);
        }
        bool all = atomic_load(&run->done) == job->fabric.selves;
        uint64_t now = now_ns(run->st[first]);
        bool enough = (job->enough != NULL && *job->enough) ||
                      now - atomic_load(&run->done_ns) > job->linger_ns;
        if ((all && enough) || now - start > job->timeout_ns)
            return;
    }
}

struct thread {
    struct run *run;
    uint16_t i;
};

static int thread_main(void *arg)
{
    const struct thread *t = arg;
    breathe(t->run, t->i, (uint16_t)(t->i + 1));
    return 0;
}

static int launch(struct run *run)
{
    uint16_t selves = run->job->fabric.selves, i = 0;
    struct thread t[PSET_PROCS];
    if (!run->job->threads) {
        breathe(run, 0, selves);
        return 0;
    }
    unsigned lcore;
    RTE_LCORE_FOREACH_WORKER(lcore)
    {
        if (i == selves)
            break;
        t[i] = (struct thread){run, i};
        if (rte_eal_remote_launch(thread_main, &t[i], lcore) != 0)
            return -EBUSY;
        i++;
    }
    rte_eal_mp_wait_lcore();
    return i == selves ? 0 : -ENODEV;
}

static void collect(struct run *run, struct device_result *r)
{
    r->complete = true;
    sum(run, r);
    for (uint16_t i = 0; i < run->job->fabric.selves; i++) {
        struct stack *st = run->st[i];
        r->complete &= complete(run, i);
        if (!complete(run, i))
            fprintf(stderr, "p%u sent %" PRIu64 ", delivered %" PRIu64 " in %" PRIu64 " steps\n",
                    st->self, app(st)->sent, app(st)->delivered, st->steps);
        for (uint16_t q = 0; q < st->n; q++)
            free(app(st)->seen[q]);
        stack_fini(st);
    }
}

int device_run(const struct device_job *job, struct device_result *r)
{
    struct run run = {.job = job};
    struct fabric *f;
    char why[512];
    memset(r, 0, sizeof *r);
    int err = fabric_open(&f, &job->fabric, why, sizeof why);
    if (err != 0) {
        fprintf(stderr, "%s\n", why);
        return err;
    }
    snprintf(r->text, sizeof r->text, "%s", fabric_describe(f));
    for (uint16_t i = 0; i < job->fabric.selves && err == 0; i++)
        err = wire(&run, f, i);
    if (err != 0)
        return err;
    uint64_t start = now_ns(run.st[0]);
    err = launch(&run);
    r->ns = atomic_load(&run.done_ns) > start ? atomic_load(&run.done_ns) - start : 0;
    collect(&run, r);
    r->leak = fabric_close(f);
    for (uint16_t i = 0; i < job->fabric.selves; i++)
        free(run.st[i]);
    return err;
}

void device_print(const struct device_result *r)
{
    printf("%s: %" PRIu64 " delivered, %" PRIu64 " wrong, %scomplete, %.3f ms, leak %u\n", r->text,
           r->delivered, r->wrong, r->complete ? "" : "in", (double)r->ns / 1e6, r->leak);
    print_counters(r);
    fflush(stdout);
}

void device_check(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "FAILED: %s\n", what);
    exit(1);
}

bool device_shell(const char *command)
{
    char quiet[512];
    snprintf(quiet, sizeof quiet, "%s >/dev/null 2>&1", command);
    return system(quiet) == 0;
}
