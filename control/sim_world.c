/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim_world.h"

#include "dataplane/eal.h"
#include "dataplane/large.h"
#include "dataplane/refuse.h"
#include "late.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* ---- observing ------------------------------------------------------------------------------- */

/* What the trace hash takes of an event: no pointers, the same bytes everywhere. */
struct hashed {
    uint8_t at[2], to[2], type[2], proc[2];
    uint8_t inst[8], attr[8], len[4], zero[4];
};

static void hash_event(struct sim_world *w, uint16_t at, const struct co *to, const struct ev *e)
{
    struct hashed h = {0};
    le16_put(h.at, at);
    le16_put(h.to, to->index);
    le16_put(h.type, e->type);
    le16_put(h.proc, e->proc);
    le64_put(h.inst, e->inst);
    if (e->type == EV_NET_FRAME) { /* its attribute is a pointer, its message the whole frame */
        w->trace_hash = XXH3_64bits_withSeed(&h, sizeof h, w->trace_hash);
        for (const struct rte_mbuf *s = e->seg; s != NULL; s = s->next)
            w->trace_hash =
                XXH3_64bits_withSeed(rte_pktmbuf_mtod(s, const void *), s->data_len, w->trace_hash);
        return;
    }
    le64_put(h.attr, e->attr);
    le32_put(h.len, e->seg != NULL ? e->len : UINT32_MAX);
    w->trace_hash = XXH3_64bits_withSeed(&h, sizeof h, w->trace_hash);
    if (e->seg != NULL)
        w->trace_hash = XXH3_64bits_withSeed(msg_data(ev_msg(e)), e->len, w->trace_hash);
}

static void check_border(struct sim_world *w, const struct sim_proc *x, const struct co *to,
                         const struct ev *e, uint32_t layer)
{
    if (layer == x->st->app->use[0]->index) {
        w->top_ns = x->st->now;
        w->crossed++;
    }
    if (w->ears[layer] == 0)
        return;
    bool request = ev_infos[e->type].way == EV_WAY_REQUEST;
    uint64_t port = e->type == EV_LOG_STORE ? e->attr : e->inst; /* how requests name their user */
    struct check_event ce = {.step = w->steps,
                             .time_ns = x->st->now,
                             .at = x->self,
                             .type = e->type,
                             .proc = e->proc,
                             .port = request ? (uint16_t)port : to->port,
                             .inst = e->inst,
                             .attr = e->attr,
                             .msg = e->seg != NULL ? msg_data(ev_msg(e)) : NULL,
                             .len = e->seg != NULL ? e->len : 0};
    for (uint32_t ears = w->ears[layer]; ears != 0; ears &= ears - 1) {
        struct check *c = w->check[__builtin_ctz(ears)];
        check_observe(c, &ce);
        w->suspect |= c->violations != 0;
    }
}

/* A frame reaches a layer: its checker is told which life of the sender it is from. */
static void tell_heard(struct sim_world *w, const struct sim_proc *x, const struct co *to,
                       const struct ev *e)
{
    struct check *c = w->check[to->index];
    const struct frame *f = (const struct frame *)(uintptr_t)e->attr;
    if (c != NULL && c->cls->heard != NULL)
        c->cls->heard(c, x->self, e->proc, f->incarnation == w->proc[e->proc].incarnation);
}

/* Marks an indication that no detector gave: the attribute of a ⟨Ω, Trust⟩ means nothing else. */
#define LIE UINT64_MAX

/* Remember whom Ω trusts and whom ◇P suspects, unless they are made to say so. */
static void listen(struct sim_proc *x, const struct ev *ev, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        const bool lie = ev[i].attr == LIE;
        if (ev[i].type == EV_OMEGA_TRUST) {
            x->leader = lie ? x->leader : ev[i].proc;
            continue;
        }
        const uint64_t bit = ev[i].proc < 64 ? 1ull << ev[i].proc : 0;
        const uint64_t set = ev[i].type == EV_EPFD_SUSPECT ? bit : 0;
        x->told = (x->told & ~bit) | set;
        if (!lie)
            x->suspected = (x->suspected & ~bit) | set;
    }
}

static bool handled(struct trace *t, struct stack *st, struct co *to, const struct ev *ev,
                    uint32_t n)
{
    struct sim_proc *x = (struct sim_proc *)t;
    struct sim_world *w = x->world;
    if (unlikely(x->events_left < n))
        return false;
    x->events_left -= n;
    w->events += n;
    uint32_t layer = w->border[to->index][ev->type];
    if (ev->type == EV_OMEGA_TRUST || ev->type == EV_EPFD_SUSPECT || ev->type == EV_EPFD_RESTORE) {
        w->erred_ns = st->now;
        listen(x, ev, n);
    }
    if (ev->type == EV_LUC_RESUMED && to == st->app) /* whoever crashed proposes again from there */
        x->ops = (uint32_t)ev[n - 1].inst;
    for (uint32_t i = 0; i < n; i++) {
        hash_event(w, x->self, to, &ev[i]);
        if (unlikely(w->deaf))
            continue;
        if (layer != 0)
            check_border(w, x, to, &ev[i], layer - 1);
        else if (ev[i].type == EV_NET_FRAME)
            tell_heard(w, x, to, &ev[i]);
        if (unlikely(w->observer.event != NULL))
            w->observer.event(w->observer.ctx, w, st, to, &ev[i]);
    }
    return true;
}

static void strain(struct sim_world *w, enum sim_strain what)
{
    if (w->needs.synchronous && w->strain == STRAIN_NONE)
        w->strain = (uint8_t)what;
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
    f->due_ns += fate.delay_ns;
    f->copies = fate.copies;
    if (fate.lost || fate.corrupt != 0) /* a flipped bit is caught by the checksum: a loss */
        w->sim.env[f->to].counters[fate.lost ? COUNT_drop_fault : COUNT_drop_udp_checksum]++;
    if (fate.lost || fate.corrupt != 0)
        strain(w, STRAIN_LOSS);
    else if (f->due_ns - f->sent_ns >= w->job.conf.detect_ns / 2) /* a reply takes as long */
        strain(w, STRAIN_DELAY);
    return fate.lost || fate.corrupt != 0;
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

/* When what is sent now arrives, unless a rule delays it. */
static uint64_t due_ns(const struct sim_world *w, uint64_t sent_ns)
{
    const uint64_t convoy_ns = w->job.convoy_ns;
    if (!w->healed || convoy_ns == 0)
        return sent_ns + w->job.delay_ns;
    return (sent_ns / convoy_ns + 1) * convoy_ns;
}

/* A frame leaves a process. False: it never arrives. */
static bool sending(void *ctx, struct sim_frame *f)
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

/* A write begins at a process's disk. */
static void writing(void *ctx, struct disk_sim_write *write)
{
    const struct sim_proc *x = ctx;
    const struct sim_world *w = x->world;
    write->tag = w->tag;
    write->due_ns = x->st->now + (w->job.disk_ns != 0 ? w->job.disk_ns : SIM_DISK_NS);
    if (w->faults.armed == 0)
        return;
    struct fault_disk_fate fate = fault_disk(&w->faults, x->self, write->ordinal, x->st->now);
    write->due_ns += fate.delay_ns;
    write->fails = fate.fails;
}

/* Whether a rule has the next super block of a process's disk fail. It takes no time here. */
static bool super_fails(void *ctx)
{
    const struct sim_proc *x = ctx;
    const struct sim_world *w = x->world;
    struct env_sim *e = &x->world->sim.env[x->self];
    return w->faults.armed != 0 &&
           fault_disk(&w->faults, x->self, FAULT_DISK_WAITED | x->disk->supers,
                      e->env.ops->now(&e->env))
               .fails;
}

/* ---- life of a world ------------------------------------------------------------------------- */

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

static void close_checks(struct sim_world *w)
{
    for (int i = 0; i < CO_STACK_MAX; i++) {
        if (w->check[i] != NULL)
            w->check[i]->cls->close(w->check[i]);
        w->check[i] = NULL;
    }
    memset(w->ears, 0, sizeof w->ears);
    w->check_def = NULL;
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
    close_checks(w);
    free_procs(w);
    free_stacks(w);
    free(w->record);
    free(w->edge);
    free(w->bucket);
    free(w);
}

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
        w->sim.sending = sending;
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

/* Which checkers are given the events at the border of each layer. */
static void give_ears(struct sim_world *w)
{
    uint16_t layer = 0;
    memset(w->ears, 0, sizeof w->ears);
    for (const struct stack_layer *l = w->job.def->layers; l->name != NULL; l++, layer++)
        for (uint32_t i = 0; i < CO_STACK_MAX; i++)
            if (w->check[i] != NULL && check_hears(w->check[i], l->cls->implements) &&
                (i == layer || w->check[i]->cls->abstraction != l->cls->implements))
                w->ears[layer] |= 1u << i;
}

static void open_checks(struct sim_world *w)
{
    if (w->check_def == w->job.def && w->check_n == w->n) {
        for (int i = 0; i < CO_STACK_MAX; i++)
            if (w->check[i] != NULL)
                w->check[i]->cls->reset(w->check[i]);
        return;
    }
    close_checks(w);
    uint32_t i = 0;
    for (const struct stack_layer *l = w->job.def->layers; l->name != NULL; l++, i++) {
        const struct check_class *cls = check_find(l->cls->implements);
        if (cls != NULL)
            w->check[i] = cls->open(w->n);
    }
    w->check_def = w->job.def;
    w->check_n = w->n;
    give_ears(w);
}

/* Which layer's border each event crosses, by the component that handles it and its type. */
static void map_borders(struct sim_world *w)
{
    struct stack *st = w->proc[0].st;
    memset(w->border, 0, sizeof w->border);
    for (uint16_t c = 0; c < st->components; c++)
        for (uint16_t t = 1; t < EV_TYPES; t++) {
            struct ev e = {.type = t};
            if (ev_infos[t].way == EV_WAY_REQUEST &&
                ev_infos[t].abstraction != st->co[c]->cls->implements)
                continue;
            const struct co *border = ev_border(st->co[c], &e);
            if (border != NULL)
                w->border[c][t] = (uint8_t)(border->index + 1);
        }
}

static void refresh(struct sim_world *w, uint16_t p);

static uint32_t payload_bytes(const struct sim_world *w)
{
    return w->job.msg_bytes < 8 ? 8 : w->job.msg_bytes;
}

static struct stack_conf conf_of(const struct sim_world *w, uint16_t p)
{
    struct stack_conf conf = w->job.conf;
    conf.n = w->n;
    conf.self = p;
    conf.seed = w->job.seed;
    conf.incarnation = w->proc[p].incarnation;
    return conf;
}

/*
 * Room for the stacks of all processes: in one piece, so that large pages can carry it, and in steps
 * of an odd number of cache lines, so that the same field of many processes does not fall into a few
 * sets of the cache. With 1,000 processes an event costs a fifth less than with a block for each.
 */
static int make_stacks(struct sim_world *w, char *why, size_t size)
{
    struct stack_conf conf = conf_of(w, 0);
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

static void init_edge(struct sim_world *w, uint16_t p)
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

/* When a process that runs next has something to do by itself. */
static uint64_t earliest(const struct sim_world *w, const struct sim_proc *x)
{
    uint64_t timer = timer_next_ns(&x->st->wheel);
    uint64_t late = w->edge != NULL ? env_fault_late_ns(&w->edge[x->self]) : UINT64_MAX;
    return late < timer ? late : timer;
}

/* A rule has been armed, or is armed no more. What one for heartbeats does is not asked. */
static void arm_edges(struct sim_world *w)
{
    if (w->edge != NULL && w->faults.armed != 0)
        strain(w, STRAIN_LOSS);
    for (uint16_t p = 0; w->edge != NULL && p < w->n; p++) {
        struct env_fault *f = &w->edge[p];
        env_fault_clear(f);
        for (uint16_t i = 0; i < w->job.faults; i++)
            if ((w->faults.armed >> i & 1) && w->job.fault[i].befalls == FAULT_HEARTBEATS)
                env_fault_arm(f, i, &w->job.fault[i]);
        if (w->proc[p].state != SIM_CRASHED)
            w->proc[p].timer_ns = earliest(w, &w->proc[p]);
        refresh(w, p);
    }
}

static void wire(struct sim_world *w, uint16_t p)
{
    struct sim_proc *x = &w->proc[p];
    struct stack_conf conf = conf_of(w, p);
    void *mem = w->stacks + p * w->stack_bytes;
    struct env *env = w->edge != NULL ? &w->edge[p].env : &w->sim.env[p].env;
    x->st = co_wire(mem, w->job.def, &sim_app_class, &conf, env);
    if (w->edge != NULL)
        w->edge[p].conf.heartbeat_ports = stack_heartbeat_ports(x->st);
    x->st->trace = &x->trace;
    sim_app_begin(x->st, w->job.lag, payload_bytes(w));
    x->timer_ns = timer_next_ns(&x->st->wheel);
}

/* Read the log back, if there is one. False: the process crashed while it did. */
static bool begin_life(struct sim_world *w, struct sim_proc *x)
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

static int make_disk(struct sim_world *w, uint16_t p, char *why, size_t size)
{
    struct sim_proc *x = &w->proc[p];
    struct stack_conf conf = conf_of(w, p);
    w->sim.env[p].env.disk = NULL;
    if (!w->needs.disk)
        return 0;
    int err = sim_disk_start(&x->disk, &conf, payload_bytes(w), writing, x);
    if (err != 0)
        snprintf(why, size, "out of memory for the disk of p%u", p);
    else
        w->sim.env[p].env.disk = &x->disk->disk;
    return err;
}

/* What befalls disks befalls no stack without a log. */
static int check_faults(const struct sim_job *job, char *why, size_t size)
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

int sim_world_start(struct sim_world *w, const struct sim_job *job, char *why, size_t size)
{
    sim_world_give_back(w);
    if (job != &w->job)
        w->job = *job;
    sim_conf_default(&w->job.conf);
    struct stack_conf conf = w->job.conf;
    conf.n = w->job.n;
    uint32_t room = (uint32_t)rte_pktmbuf_data_room_size(w->pool) - RTE_PKTMBUF_HEADROOM;
    if (w->job.msg_bytes + MSG_HEADROOM_MAX + FRAME_BYTES + RECORD_BYTES > room)
        return refuse(why, size, "messages of %u bytes do not fit the simulator's packets of %u",
                      w->job.msg_bytes, room);
    int err = check_faults(&w->job, why, size);
    if (err != 0 || (err = check_unstable(&w->job, why, size)) != 0 ||
        (err = check_log_keys(&w->job, why, size)) != 0 ||
        (err = co_check_wiring(w->job.def, &sim_app_class, &conf, why, size)) != 0 ||
        (err = make_procs(w, w->job.n, why, size)) != 0 || (err = make_stacks(w, why, size)) != 0)
        return err;
    fault_init(&w->faults, w->job.seed, w->job.fault, w->job.faults);
    if ((err = make_edges(w, why, size)) != 0)
        return err;
    w->needs = sim_needs(w->job.def);
    w->strain = w->edge != NULL && w->needs.synchronous ? STRAIN_LOSS : STRAIN_NONE;
    if (make_buckets(w) != 0) {
        snprintf(why, size, "no memory for rates between %u processes; lower n", w->n);
        return -ENOMEM;
    }
    w->alive = w->n;
    w->steps = w->breaths = w->events = w->trace_hash = w->top_ns = w->crossed = w->erred_ns =
        w->lies = w->untrue = 0;
    w->tag = 0;
    w->records = 0;
    w->front_ns = w->due_ns = 0;
    w->healed = w->suspect = w->deaf = false;
    w->recoveries = w->refusals = 0;
    for (uint16_t p = 0; p < w->n; p++) {
        struct sim_proc *x = &w->proc[p];
        *x = (struct sim_proc){.trace = {handled},
                               .world = w,
                               .disk = x->disk,
                               .self = p,
                               .incarnation = 1,
                               .leader = UINT16_MAX,
                               .events_left = UINT64_MAX,
                               .sends_left = UINT64_MAX};
        if ((err = make_disk(w, p, why, size)) != 0)
            return err;
        if (w->edge != NULL)
            init_edge(w, p);
        wire(w, p);
        refresh(w, p);
    }
    if (w->n >= SIM_FETCH_PROCS)
        sim_fetch_learn(&w->fetch, w->proc[0].st);
    bool same = w->check_def == w->job.def && w->check_n == w->n;
    if (!same || w->job.unchecked) {
        w->app = sim_app_of(w->job.def);
        map_borders(w);
    }
    if (w->job.unchecked)
        close_checks(w);
    else
        open_checks(w);
    for (int i = 0; i < CO_STACK_MAX; i++)
        if (w->check[i] != NULL) {
            w->check[i]->forwarded = w->job.conf.forward;
            w->check[i]->port = (uint16_t)i;
        }
    for (uint16_t p = 0; p < w->n && w->needs.disk; p++) {
        begin_life(w, &w->proc[p]);
        w->proc[p].disk->super_fails = super_fails; /* no rule holds before there is a process */
        refresh(w, p);
    }
    return 0;
}

bool sim_world_owes(const struct sim_world *w)
{
    uint32_t faulty = 0;
    for (uint16_t p = 0; p < w->n; p++)
        faulty += w->proc[p].state == SIM_CRASHED || (!w->needs.disk && w->proc[p].incarnation > 1);
    return faulty <= sim_crashes_max(&w->needs, w->n);
}

void sim_world_end(struct sim_world *w, bool fair)
{
    fair = fair && sim_world_owes(w);
    for (int i = 0; i < CO_STACK_MAX; i++)
        if (w->check[i] != NULL && !(w->lies >> w->check[i]->cls->abstraction & 1))
            w->check[i]->cls->end(w->check[i], fair, w->steps);
    w->suspect = true;
}

const struct check_result *sim_world_violation(const struct sim_world *w, uint16_t *layer)
{
    const struct check_result *first = NULL;
    if (!w->suspect)
        return NULL;
    for (uint16_t i = 0; i < CO_STACK_MAX; i++) {
        const struct check *c = w->check[i];
        if (c == NULL || c->violations == 0 || (w->lies >> c->cls->abstraction & 1))
            continue;
        for (uint16_t r = 0; r < c->results; r++)
            if (c->result[r].state == CHECK_VIOLATED &&
                (first == NULL || c->result[r].step < first->step)) {
                first = &c->result[r];
                *layer = i;
            }
    }
    return first;
}

/* ---- applying choices ------------------------------------------------------------------------ */

static bool flying(const struct sim *s, uint32_t k, const struct choice *c)
{
    const struct sim_frame *f = &s->flight[k];
    return f->from == c->p && f->to == c->q && f->ordinal == c->k;
}

/* The index of the frame that a choice names; UINT32_MAX: it is not in flight. */
static uint32_t find_frame(const struct sim *s, const struct choice *c)
{
    if (c->hint < s->flights && flying(s, c->hint, c))
        return c->hint;
    for (uint32_t k = 0; k < s->flights; k++)
        if (flying(s, k, c))
            return k;
    return UINT32_MAX;
}

/* What is on its way to a process that is down never arrives. */
static void lose_frames_to(struct sim *s, uint16_t p)
{
    for (uint32_t k = s->flights; k-- > 0;)
        if (s->flight[k].to == p)
            sim_drop(s, k);
}

/* Its volatile state is lost; of what was on its way to the disk `keeps` is there. */
static void crash(struct sim_world *w, struct sim_proc *x, uint64_t keeps)
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
        lose_frames_to(s, x->self);
    if (unlikely(w->observer.crashed != NULL))
        w->observer.crashed(w->observer.ctx, w, x->self);
    for (int i = 0; i < CO_STACK_MAX; i++)
        if (w->check[i] != NULL)
            w->check[i]->cls->crash(w->check[i], x->self, w->steps);
    w->suspect = true;
}

static void step(struct sim_world *w, struct sim_proc *x)
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
            crash(w, x, w->current.kind == CHOICE_WRITTEN ? w->current.a : KEEPS_NOTHING);
        return;
    }
    /* With many processes the invariants, which look at all peers, are spared most of the time. */
    if (w->n <= 16 || w->breaths % (16u * w->n) == 0)
        stack_check(x->st);
    /* Most steps arm, cancel and fire no timer: then the earliest is still the same. */
    if (wheel->order != order || wheel->armed != armed || unlikely(w->edge != NULL))
        x->timer_ns = earliest(w, x);
}

static void crash_in_step(struct sim_world *w, struct sim_proc *x, const struct choice *c)
{
    x->state = SIM_RUNNING;
    x->events_left = c->kind == CHOICE_CRASH_AT ? c->k : UINT64_MAX;
    x->sends_left = c->kind == CHOICE_CRASH_SENT ? c->k : UINT64_MAX;
    x->crashing = true;
    step(w, x);
    x->events_left = x->sends_left = UINT64_MAX;
    x->crashing = false;
    crash(w, x, c->a);
}

/* Frames mostly arrive in the order of sending: the next one is likely to be that which follows. Of
 * the one behind it is fetched what says where the rest lies. */
static void fetch_ahead(const struct sim_world *w, uint32_t k)
{
    const struct sim_frame *f = &w->sim.flight[k];
    if (k + 1 < w->sim.flights) {
        rte_prefetch0(&w->proc[f[1].to]);
        rte_prefetch0(f[1].pkt);
    }
    rte_prefetch0(&w->sim.ordinal[(size_t)f->to * w->n + f->from]); /* of an answer */
    sim_fetch_ahead(&w->fetch, w->proc[f->to].st, &w->sim.env[f->to], f->pkt);
}

static bool on_frame(struct sim_world *w, const struct choice *c)
{
    uint32_t k = find_frame(&w->sim, c);
    if (k == UINT32_MAX)
        return false;
    struct sim_proc *x = &w->proc[c->q];
    if (x->state == SIM_CRASHED && c->kind != CHOICE_DROP)
        return false; /* it waits for the next life of q */
    if (x->state != SIM_CRASHED && (c->kind == CHOICE_DROP || c->kind == CHOICE_CORRUPT))
        strain(w, STRAIN_LOSS);
    switch (c->kind) {
    case CHOICE_DELIVER:
        sim_deliver(&w->sim, k);
        if (w->n >= SIM_FETCH_PROCS && k < w->sim.flights)
            fetch_ahead(w, k);
        step(w, x);
        return true;
    case CHOICE_ARRIVE:
        sim_deliver(&w->sim, k);
        return true;
    case CHOICE_DUPLICATE:
        sim_duplicate(&w->sim, k);
        if (c->b != WAITS)
            step(w, x);
        return true;
    case CHOICE_CORRUPT:
        sim_corrupt(&w->sim, k, (uint32_t)c->a);
        return true;
    default:
        sim_drop(&w->sim, k);
        return true;
    }
}

bool sim_world_takes(const struct sim_world *w, const struct choice *c)
{
    const struct co *top = w->proc[c->p].st->app->use[0];
    return co_room(top) > 0 &&
           (!w->app.instance || top->cls->takes == NULL || top->cls->takes(top, c->b));
}

static bool on_request(struct sim_world *w, struct sim_proc *x, const struct choice *c)
{
    struct stack *st = x->st;
    struct co *top = st->app->use[0];
    if (w->app.type == EV_NONE || c->q >= w->n || !sim_world_takes(w, c))
        return false;
    struct msg m = sim_app_payload(st, c->a, payload_bytes(w));
    bool link = sim_is_link(top->cls->implements), log = w->app.type == EV_LOG_STORE;
    uint64_t inst = link ? st->app->port : w->app.instance ? c->b : 0;
    trigger(top,
            ev_make(w->app.type, w->app.to_process ? c->q : 0, inst, log ? st->app->port : 0, m));
    x->ops++;
    if (c->k == 0)
        step(w, x);
    return true;
}

/* What a detector is made to say of q; ◇P the opposite of what it said last. */
static uint16_t lie_of(const struct sim_proc *x, uint8_t detector, uint16_t q, uint32_t whose)
{
    if (whose == LIE_EPFD)
        return detector != ABS_EPFD || q >= 64 ? EV_NONE
               : x->told >> q & 1              ? EV_EPFD_RESTORE
                                               : EV_EPFD_SUSPECT;
    return detector == ABS_P ? EV_P_CRASH : detector == ABS_OMEGA ? EV_OMEGA_TRUST : EV_NONE;
}

/* A detector of p says what is not so, or what nobody knows yet. Its checker is not asked then. */
static bool on_lie(struct sim_world *w, struct sim_proc *x, const struct choice *choice)
{
    const uint16_t q = choice->q;
    bool told = false;
    for (uint16_t i = 0; i < x->st->components; i++) {
        struct co *c = x->st->co[i];
        uint8_t a = c->cls->implements;
        uint16_t type = lie_of(x, a, q, choice->k);
        if (type == EV_NONE || q >= w->n)
            continue;
        w->lies |= 1ull << a;
        if (a != ABS_P || w->proc[q].state != SIM_CRASHED)
            w->untrue |= 1ull << a;
        indicate(c, ev_make(type, q, 0, LIE, MSG_NONE));
        x->misled |= type == EV_OMEGA_TRUST;
        told = true;
    }
    if (told && choice->b != WAITS)
        step(w, x);
    return told;
}

/* What Ω and ◇P said falsely is corrected by what they last said themselves. */
static void correct(struct sim_world *w, struct sim_proc *x)
{
    for (uint16_t i = 0; i < x->st->components; i++) {
        struct co *c = x->st->co[i];
        if (c->cls->implements == ABS_OMEGA && x->misled && x->leader != UINT16_MAX)
            indicate(c, ev_make(EV_OMEGA_TRUST, x->leader, 0, LIE, MSG_NONE));
        if (c->cls->implements != ABS_EPFD)
            continue;
        for (uint64_t wrong = x->told ^ x->suspected; wrong != 0; wrong &= wrong - 1) {
            uint16_t q = (uint16_t)__builtin_ctzll(wrong);
            uint16_t type = x->suspected >> q & 1 ? EV_EPFD_SUSPECT : EV_EPFD_RESTORE;
            indicate(c, ev_make(type, q, 0, LIE, MSG_NONE));
        }
    }
    x->misled = false;
    step(w, x);
}

/* Its log is looked at before anybody hears of the new life. False: it stays down. */
static bool may_recover(struct sim_world *w, struct sim_proc *x)
{
    char why[256];
    struct stack_conf conf = conf_of(w, x->self);
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
    begin_life(w, x);
    w->deaf = false;
    sim_disk_crash(x->disk, KEEPS_NOTHING);
}

static bool recover(struct sim_world *w, struct sim_proc *x, const struct choice *c)
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
    if (c->k > 0 || (w->needs.disk && super_fails(x))) {
        recover_in_vain(w, x, c->k > 0 ? c->k - 1 : 0);
        return true;
    }
    x->state = SIM_RUNNING;
    w->alive++;
    w->recoveries++;
    for (int i = 0; i < CO_STACK_MAX; i++)
        if (w->check[i] != NULL)
            check_recover(w->check[i], x->self, w->steps);
    begin_life(w, x);
    return true;
}

/* A write comes to its end. */
static bool on_written(struct sim_world *w, struct sim_proc *x, const struct choice *c)
{
    uint64_t fate = c->b % WRITTEN_WAITS;
    uint32_t k = w->needs.disk ? sim_disk_find(x->disk, c->k) : UINT32_MAX;
    if (k == UINT32_MAX || fate >= DISK_FATES)
        return false;
    sim_disk_finish(x->disk, k, (enum disk_sim_fate)fate, c->a);
    if (c->b < WRITTEN_WAITS)
        step(w, x);
    return true;
}

static bool on_process(struct sim_world *w, const struct choice *c)
{
    struct sim_proc *x = &w->proc[c->p];
    if (c->kind == CHOICE_RECOVER)
        return recover(w, x, c);
    if (c->kind == CHOICE_FLIP)
        return w->needs.disk && sim_disk_flip(x->disk, c->k, c->a, c->b);
    if (c->kind == CHOICE_LOSE_SUPER) {
        if (!w->needs.disk || c->k > 3)
            return false;
        x->disk->super_loses = c->k;
        return true;
    }
    if (x->state == SIM_CRASHED)
        return false;
    bool running = x->state == SIM_RUNNING;
    switch (c->kind) {
    case CHOICE_STEP:
        step(w, x);
        return running;
    case CHOICE_TIMER:
        if (!running || x->timer_ns == UINT64_MAX)
            return false;
        if (x->timer_ns > w->sim.env[c->p].now_ns)
            w->sim.env[c->p].now_ns = x->timer_ns;
        if (x->timer_ns > w->front_ns) {
            strain(w, STRAIN_DELAY); /* nobody else has come as far */
            w->front_ns = x->timer_ns;
        }
        if (c->b != WAITS)
            step(w, x);
        return true;
    case CHOICE_REQUEST:
        return running && on_request(w, x, c);
    case CHOICE_CRASH:
        crash(w, x, c->a);
        return true;
    case CHOICE_CRASH_AT:
    case CHOICE_CRASH_SENT:
        crash_in_step(w, x, c);
        return true;
    case CHOICE_CRASH_SUPER:
        if (!w->needs.disk || c->k > 1)
            return false;
        x->disk->super_crash = (int)c->k;
        return true;
    case CHOICE_WRITTEN:
        return on_written(w, x, c);
    case CHOICE_PAUSE:
        strain(w, STRAIN_PAUSE);
        x->state = SIM_PAUSED;
        return running;
    case CHOICE_RESUME:
        x->state = SIM_RUNNING;
        return !running;
    case CHOICE_LIE:
        return running && on_lie(w, x, c);
    default:
        return false;
    }
}

/* From here on nothing goes wrong that did not go wrong before. */
static void heal(struct sim_world *w)
{
    w->healed = true;
    w->faults.armed = 0;
    arm_edges(w);
    for (uint16_t p = 0; p < w->n; p++) {
        struct sim_proc *x = &w->proc[p];
        for (uint32_t k = 0; w->needs.disk && k < x->disk->writes; k++)
            x->disk->write[k].fails = false;
        if (w->needs.disk) {
            x->disk->super_crash = -1;
            x->disk->super_loses = 0;
        }
        if (x->state == SIM_CRASHED)
            lose_frames_to(&w->sim, p);
        if (x->state == SIM_PAUSED)
            x->state = SIM_RUNNING;
        if (x->state == SIM_RUNNING && (x->misled || x->told != x->suspected))
            correct(w, x);
        if (x->state == SIM_RUNNING && sim_app_release_all(x->st))
            step(w, x);
    }
    for (int i = 0; i < CO_STACK_MAX; i++)
        if (w->check[i] != NULL)
            check_healed(w->check[i], w->steps);
}

bool sim_world_late(const struct sim_world *w, const struct choice *c)
{
    const uint64_t then = w->front_ns + c->a;
    if (c->kind != CHOICE_ADVANCE || c->a == 0)
        return false;
    for (uint16_t p = 0; p < w->n; p++)
        if (w->wake[p] < then)
            return true;
    for (uint32_t k = 0; k < w->sim.flights; k++)
        if (w->sim.flight[k].due_ns < then && w->proc[w->sim.flight[k].to].state == SIM_RUNNING)
            return true;
    return false;
}

static bool on_world(struct sim_world *w, const struct choice *c)
{
    switch (c->kind) {
    case CHOICE_ADVANCE: {
        if (c->a > UINT64_MAX - w->front_ns)
            return false;
        if (w->needs.synchronous && w->strain == STRAIN_NONE && sim_world_late(w, c))
            w->strain = STRAIN_DELAY;
        w->front_ns += c->a;
        w->sim.now_ns = w->front_ns;
        return true;
    }
    case CHOICE_ARM:
    case CHOICE_DISARM:
        if (c->k >= w->faults.rules)
            return false;
        fault_arm(&w->faults, c->k, c->kind == CHOICE_ARM);
        arm_edges(w);
        return true;
    case CHOICE_HEAL:
        heal(w);
        return true;
    default:
        return false;
    }
}

/* Whether its disk has finished something that it has not taken notice of. */
static bool disk_done(const struct sim_world *w, const struct sim_proc *x)
{
    return w->needs.disk && x->disk->dones > 0;
}

/* When a process next has something to do. */
static void refresh(struct sim_world *w, uint16_t p)
{
    const struct sim_proc *x = &w->proc[p];
    if (x->state != SIM_RUNNING)
        w->wake[p] = UINT64_MAX;
    else if (w->sim.env[p].ins > 0 || x->st->ready != 0 || x->st->dirty != 0 || disk_done(w, x))
        w->wake[p] = 0;
    else
        w->wake[p] = x->timer_ns;
}

static void refresh_after(struct sim_world *w, const struct choice *c)
{
    if (c->kind == CHOICE_HEAL)
        for (uint16_t p = 0; p < w->n; p++)
            refresh(w, p);
    else if (c->kind >= CHOICE_DELIVER && c->kind <= CHOICE_CORRUPT)
        refresh(w, c->q);
    else if (c->kind != CHOICE_ADVANCE)
        refresh(w, c->p);
}

static void record(struct sim_world *w, const struct choice *c)
{
    if (w->records == w->record_max) {
        w->record_max = w->record_max == 0 ? 1024 : 2 * w->record_max;
        w->record = realloc(w->record, w->record_max * sizeof w->record[0]);
        if (w->record == NULL)
            rte_panic("simulator: out of memory for %" PRIu64 " choices\n", w->record_max);
    }
    w->record[w->records++] = *c;
}

bool sim_world_apply(struct sim_world *w, const struct choice *c)
{
    if (unlikely(w->observer.choice != NULL))
        w->observer.choice(w->observer.ctx, w, c);
    bool done = false;
    w->current = *c;
    w->trace_before = w->trace_hash;
    w->steps++;
    if (c->kind == CHOICE_NONE || c->kind >= CHOICES || c->p >= w->n)
        done = false;
    else if (c->kind == CHOICE_ADVANCE || c->kind >= CHOICE_ARM)
        done = on_world(w, c);
    else if (c->kind >= CHOICE_DELIVER && c->kind <= CHOICE_CORRUPT)
        done = on_frame(w, c);
    else
        done = on_process(w, c);
    if (!done) {
        w->steps--;
        return false;
    }
    refresh_after(w, &w->current);
    if (w->recording)
        record(w, &w->current);
    if (unlikely(w->observer.done != NULL))
        w->observer.done(w->observer.ctx, w, &w->current);
    return true;
}

/* ---- what is possible ------------------------------------------------------------------------ */

bool sim_world_request(const struct sim_world *w, uint16_t p, struct choice *c)
{
    const struct sim_proc *x = &w->proc[p];
    if (w->app.type == EV_NONE || x->state != SIM_RUNNING || x->ops >= w->job.ops ||
        co_room(x->st->app->use[0]) == 0)
        return false;
    *c = (struct choice){.kind = CHOICE_REQUEST, .p = p, .a = (uint64_t)p << 32 | (x->ops + 1)};
    if (w->app.to_process)
        c->q = (uint16_t)((p + 1 + x->ops) % w->n);
    if (w->app.instance)
        c->b = x->ops;
    return true;
}

bool sim_world_busy(const struct sim_world *w, uint16_t p)
{
    const struct sim_proc *x = &w->proc[p];
    return x->state == SIM_RUNNING &&
           (w->sim.env[p].ins > 0 || x->st->ready != 0 || x->st->dirty != 0 ||
            x->timer_ns <= w->sim.now_ns || disk_done(w, x));
}

uint32_t sim_world_choices(const struct sim_world *w, struct choice *out, uint32_t max)
{
    uint32_t n = 0;
#define PUT(...)                                   \
    do {                                           \
        if (n < max)                               \
            out[n] = (struct choice){__VA_ARGS__}; \
        n++;                                       \
    } while (0)
    for (uint32_t k = 0; k < w->sim.flights; k++)
        if (w->proc[w->sim.flight[k].to].state != SIM_CRASHED) {
            if (n < max)
                out[n] = choice_frame(CHOICE_DELIVER, &w->sim, k);
            n++;
        }
    for (uint16_t p = 0; p < w->n; p++) {
        struct choice c;
        for (uint32_t k = 0; w->needs.disk && k < w->proc[p].disk->writes; k++, n++)
            if (n < max)
                out[n] = sim_disk_choice(w->proc[p].disk, p, k);
        if (sim_world_busy(w, p))
            PUT(.kind = CHOICE_STEP, .p = p);
        if (w->proc[p].state == SIM_RUNNING && w->proc[p].timer_ns != UINT64_MAX)
            PUT(.kind = CHOICE_TIMER, .p = p);
        if (sim_world_request(w, p, &c)) {
            if (n < max)
                out[n] = c;
            n++;
        }
    }
#undef PUT
    return n;
}

/* The frame due first, the oldest of equals; frames to a paused process wait. */
static uint32_t first_due(const struct sim_world *w)
{
    const struct sim *s = &w->sim;
    uint32_t first = UINT32_MAX;
    if (s->flights > 0 && w->due_ordered && w->proc[s->flight[0].to].state == SIM_RUNNING)
        return 0;
    for (uint32_t k = 0; k < s->flights; k++)
        if ((first == UINT32_MAX || s->flight[k].due_ns < s->flight[first].due_ns) &&
            w->proc[s->flight[k].to].state == SIM_RUNNING)
            first = k;
    return first;
}

/* The process that has something to do first, the lowest of equals. */
static uint16_t first_awake(const struct sim_world *w)
{
    uint16_t first = 0;
    for (uint16_t p = 1; p < w->n; p++)
        if (w->wake[p] < w->wake[first])
            first = p;
    return first;
}

/* The write that is due first, of all disks. UINT64_MAX: none is under way. */
static uint64_t first_write(const struct sim_world *w, struct choice *c)
{
    uint64_t due = UINT64_MAX;
    for (uint16_t p = 0; w->needs.disk && p < w->n; p++) {
        const struct disk_sim *d = w->proc[p].disk;
        uint32_t k = sim_disk_first(d);
        if (k == UINT32_MAX || d->write[k].due_ns >= due)
            continue;
        due = d->write[k].due_ns;
        *c = sim_disk_choice(d, p, k);
    }
    return due;
}

bool sim_world_timed(const struct sim_world *w, struct choice *c)
{
    uint64_t now = sim_world_now(w), next = UINT64_MAX;
    uint32_t k = first_due(w);
    if (k != UINT32_MAX && w->sim.flight[k].due_ns <= now) {
        *c = choice_frame(CHOICE_DELIVER, &w->sim, k);
        return true;
    }
    if (k != UINT32_MAX)
        next = w->sim.flight[k].due_ns;
    uint64_t written = first_write(w, c);
    if (written <= now)
        return true;
    next = written < next ? written : next;
    uint16_t p = first_awake(w);
    if (w->wake[p] <= now) {
        *c = (struct choice){.kind = CHOICE_STEP, .p = p};
        if (w->sim.now_ns < now) /* first bring everybody to the clock furthest ahead */
            *c = (struct choice){.kind = CHOICE_ADVANCE};
        return true;
    }
    if (w->wake[p] < next)
        next = w->wake[p];
    *c = (struct choice){.kind = CHOICE_ADVANCE, .a = next - now};
    return next != UINT64_MAX;
}
