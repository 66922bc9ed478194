/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The two ways to hand over after a crash (protocols/log/README.md), beside logged uniform reliable
 * broadcast without either (the floor), and each beside the other (floor2): one process, its log on
 * files, messages broadcast as fast as room() admits and taken as they come. What they differ in is
 * seen here: a round is the time until all is delivered and on its way to be released. All three
 * are there in each bench, and take turns: floors of different benches are of different files and
 * minutes, and are not to be compared.
 */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/disk_uring.h"
#include "dataplane/eal.h"
#include "dataplane/log.h"
#include "protocols/co.h"
#include "tsc.h"

#define SEGMENT_BYTES (16u << 20)
#define MESSAGES      4096

struct handover_app {
    struct co co;
    uint64_t begun;
    uint64_t target;
    uint64_t next; /* position: all below are taken */
    uint64_t handed;
    bool each; /* say Done of each delivery, not of the last of a batch */
    uint16_t bytes;
};

/* A process, and the network that it does not need. */
struct process {
    struct env env;
    struct stack *st;
    void *mem;
    uint64_t counters[COUNTERS];
    char dir[64];
    struct disk_uring_conf conf;
};

/* Whose turn it is. */
enum { LURB, CURSOR, REDELIVER, WAYS };

static const char *const stacks[WAYS] = {"lurb", "handover_cursor", "handover_redeliver"};

struct handover_bench {
    struct rte_mempool *pool;
    int way; /* the subject */
    struct process process[WAYS];
};

static uint16_t no_rx(struct env *env, struct rte_mbuf **pkts, uint16_t n)
{
    (void)env, (void)pkts, (void)n;
    return 0;
}

static void no_tx(struct env *env, uint16_t peer, struct rte_mbuf **pkts, uint16_t n)
{
    (void)env, (void)peer;
    for (uint16_t i = 0; i < n; i++)
        rte_pktmbuf_free(pkts[i]);
}

static uint64_t now(struct env *env)
{
    (void)env;
    return (uint64_t)tsc_ns(tsc_now());
}

static const struct env_ops ops = {no_rx, no_tx, now};

static size_t app_bytes(const struct stack_conf *conf)
{
    (void)conf;
    return sizeof(struct handover_app);
}

static void upon_ready(struct co *self, const struct ev *ev, uint32_t n)
{
    struct handover_app *a = (struct handover_app *)self;
    struct co *top = self->use[0];
    uint64_t k = a->target - a->begun, room = ev[n - 1].attr;
    enum ev_type type = top->cls->implements == ABS_LURB ? EV_LURB_BROADCAST : EV_HO_BROADCAST;
    k = k < room ? k : room;
    k = k < CO_BATCH_EVENTS ? k : CO_BATCH_EVENTS;
    for (; k > 0; k--, a->begun++) {
        struct msg m = msg_new(self->st, a->bytes);
        memset(msg_data(m), (int)a->begun, a->bytes);
        trigger(top, ev_make(type, 0, 0, 0, m));
    }
    self->st->app_wants = a->begun < a->target;
}

/* Take what is handed over, and filter what is handed over again. */
static void upon_deliver(struct co *self, const struct ev *ev, uint32_t n)
{
    struct handover_app *a = (struct handover_app *)self;
    struct co *top = self->use[0];
    a->handed += n;
    for (uint32_t i = 0; i < n; i++) {
        if (ev[i].inst >= a->next)
            a->next = ev[i].inst + 1;
        if (a->each)
            trigger(top, ev_make(EV_HO_DONE, 0, ev[i].inst, 0, MSG_NONE));
    }
    if (ev->type == EV_LURB_DELIVER)
        trigger(top, ev_make(EV_LURB_RELEASE, 0, 0, a->next, MSG_NONE));
    else if (!a->each)
        trigger(top, ev_make(EV_HO_DONE, 0, a->next - 1, 0, MSG_NONE));
}

static co_upon_fn *const app_upon[EV_TYPES] =
    {[EV_APP_READY] = upon_ready, [EV_LURB_DELIVER] = upon_deliver, [EV_HO_DELIVER] = upon_deliver};

static const struct co_class app_class = {.name = "app",
                                          .title = "taker",
                                          .implements = ABS_APP,
                                          .bytes = app_bytes,
                                          .upon = app_upon};

static bool start(struct process *p, struct rte_mempool *pool, const char *stack, uint16_t bytes,
                  const char **why)
{
    static char sentence[256];
    struct stack_conf conf = {.n = 1};
    stack_conf_default(&conf);
    *why = sentence;
    strcpy(p->dir, "upon-bench-ho-XXXXXX");
    if (mkdtemp(p->dir) == NULL) {
        snprintf(sentence, sizeof sentence, "no folder can be made here");
        return false;
    }
    p->conf = (struct disk_uring_conf){.dir = p->dir,
                                       .shape = {4, SEGMENT_BYTES},
                                       .buffers = 4,
                                       .buffer_bytes = 256 * 1024};
    p->env =
        (struct env){.ops = &ops, .pool = pool, .counters = p->counters, .frame_bytes_max = 9000};
    if (disk_uring_create(&p->conf, sentence, sizeof sentence) != 0 ||
        disk_uring_open(&p->env.disk, &p->conf, false, sentence, sizeof sentence) != 0 ||
        log_format(p->env.disk, (struct log_id){conf.cluster, 0}, p->conf.shape) != 0)
        return false;
    const struct stack_def *def = stack_find(stack);
    p->mem = aligned_alloc(64, co_wire_bytes(def, &app_class, &conf));
    p->st = co_wire(p->mem, def, &app_class, &conf, &p->env);
    struct handover_app *a = (struct handover_app *)p->st->app;
    a->bytes = bytes;
    a->each = strcmp(stack, "handover_redeliver") == 0;
    return stack_recover(p->st, sentence, sizeof sentence) == 0;
}

static void stop(struct process *p)
{
    char path[128];
    stack_fini(p->st);
    p->env.disk->ops->close(p->env.disk);
    free(p->mem);
    snprintf(path, sizeof path, "rm -rf %s", p->dir);
    if (system(path) != 0)
        fprintf(stderr, "handover bench: %s is left behind\n", p->dir);
}

static double round_of(struct process *p)
{
    struct handover_app *a = (struct handover_app *)p->st->app;
    uint64_t start = tsc_now();
    a->target += MESSAGES;
    p->st->app_wants = true;
    while (a->next < a->target)
        co_breath(p->st);
    return tsc_ns(tsc_now() - start) / MESSAGES;
}

static struct handover_bench *open_all(const int64_t *args, int way, const char **why)
{
    struct handover_bench *b = calloc(1, sizeof *b);
    b->way = way;
    b->pool = eal_pool("handover", 16383, 256, 9216);
    bool good = b->pool != NULL;
    for (int k = 0; k < WAYS && good; k++)
        good = start(&b->process[k], b->pool, stacks[k], (uint16_t)args[0], why);
    if (good)
        return b;
    free(b);
    return NULL;
}

static void *cursor_open(const int64_t *args, const char **why)
{
    return open_all(args, CURSOR, why);
}

static void *redeliver_open(const int64_t *args, const char **why)
{
    return open_all(args, REDELIVER, why);
}

static double subject(void *ctx)
{
    struct handover_bench *b = ctx;
    return round_of(&b->process[b->way]);
}

static double lurb_alone(void *ctx)
{
    return round_of(&((struct handover_bench *)ctx)->process[LURB]);
}

static double other_way(void *ctx)
{
    struct handover_bench *b = ctx;
    return round_of(&b->process[CURSOR + REDELIVER - b->way]);
}

static void report(void *ctx, struct bench_out *out)
{
    const struct handover_bench *b = ctx;
    const struct process *p = &b->process[b->way];
    const struct handover_app *a = (const struct handover_app *)p->st->app;
    double messages = (double)a->next;
    bench_put(out, "records_per_message", (double)p->counters[COUNT_log_records] / messages);
    bench_put(out, "log_bytes_per_message", (double)p->counters[COUNT_log_bytes] / messages);
    bench_put(out, "handed_per_message", (double)a->handed / messages);
}

static void close_all(void *ctx)
{
    struct handover_bench *b = ctx;
    for (int k = 0; k < WAYS; k++)
        stop(&b->process[k]);
    rte_mempool_free(b->pool);
    free(b);
}

BENCH(handover_cursor, .arg_names = {"bytes"}, .cases = {{64}, {1024}}, .case_count = 2,
      .rounds = 41, .open = cursor_open, .floor = lurb_alone, .subject = subject,
      .floor2 = other_way, .report = report, .close = close_all,
      .wanted = "the cost of a cursor over lurb alone; floor2: beside delivering again")

BENCH(handover_redeliver, .arg_names = {"bytes"}, .cases = {{64}, {1024}}, .case_count = 2,
      .rounds = 41, .open = redeliver_open, .floor = lurb_alone, .subject = subject,
      .floor2 = other_way, .report = report, .close = close_all,
      .wanted = "the cost of delivering again over lurb alone; floor2: beside a cursor")
