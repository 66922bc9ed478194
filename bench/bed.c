/* SPDX-License-Identifier: BSD-3-Clause */
/* Stacks over a device, with an application that sends, counts and answers. */
#include "bed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/disk_uring.h"
#include "dataplane/log.h"
#include "tsc.h"

/* ---- the application ------------------------------------------------------------------------- */

static size_t bed_app_bytes(const struct stack_conf *conf)
{
    (void)conf;
    return sizeof(struct bed_app);
}

static void request(struct bed_app *a, uint16_t to, uint64_t number)
{
    struct bed *b = a->bed;
    struct co *top = a->co.use[0];
    struct msg m = msg_new(a->co.st, b->conf.bytes);
    memset(msg_data(m), (int)number, b->conf.bytes);
    if (b->link)
        link_send(&a->co, top, (enum ev_type)b->request, to, m);
    else
        trigger(top, ev_make((enum ev_type)b->request, 0, number, 0, m));
}

static void upon_ready(struct co *self, const struct ev *ev, uint32_t n)
{
    struct bed_app *a = (struct bed_app *)self;
    struct bed *b = a->bed;
    uint64_t room = ev[n - 1].attr, window = b->alone ? 1 : b->conf.window;
    uint64_t k = a->target - a->begun;
    if (k > CO_BATCH_EVENTS)
        k = CO_BATCH_EVENTS;
    if (k > room)
        k = room;
    if (window != 0 && k > window - (a->begun - a->heard))
        k = window - (a->begun - a->heard);
    if (b->alone && b->took != NULL)
        b->begun_at = tsc_now();
    for (uint64_t i = 0; i < k; i++)
        request(a, 1, a->begun++);
    self->st->app_wants = a->begun < a->target && !b->alone;
}

static void upon_top(struct co *self, const struct ev *ev, uint32_t n)
{
    struct bed_app *a = (struct bed_app *)self;
    for (uint32_t i = 0; i < n; i++)
        a->sum += le64_get(msg_data(ev_msg(&ev[i])));
    a->heard += n;
    if (self->st->self == 0 && a->bed->alone) {
        if (a->bed->took != NULL)
            *a->bed->took++ = tsc_now() - a->bed->begun_at;
        self->st->app_wants = a->begun < a->target;
    }
    if (a->bed->conf.echo && self->st->self != 0)
        for (uint32_t i = 0; i < n; i++)
            request(a, ev[i].proc, a->heard);
    if (a->shown != NULL)
        atomic_store_explicit(a->shown, a->heard, memory_order_release);
}

static co_upon_fn *app_upon[EV_TYPES];

static const struct co_class app_class = {.name = "bed",
                                          .title = "sends, counts and answers",
                                          .implements = ABS_APP,
                                          .bytes = bed_app_bytes,
                                          .upon = app_upon};

/* luc: a decision is over as soon as it is known. */
static void upon_luc_decide(struct co *self, const struct ev *ev, uint32_t n)
{
    upon_top(self, ev, n);
    trigger(self->use[0], ev_make(EV_LUC_RELEASE, 0, ((struct bed_app *)self)->heard, 0, MSG_NONE));
}

static void upon_luc_resumed(struct co *self, const struct ev *ev, uint32_t n)
{
    (void)self, (void)ev, (void)n; /* a new log: nothing was decided before */
}

static void upon_missed(struct co *self, const struct ev *ev, uint32_t n)
{
    (void)ev, (void)n;
    rte_panic("p%u lacks decisions that others have recycled: a bench has rows for all\n",
              self->st->self);
}

static void fill_upon(void)
{
    for (uint16_t t = 1; t < EV_TYPES; t++)
        if (ev_infos[t].way == EV_WAY_INDICATION)
            app_upon[t] = t == EV_APP_READY                         ? upon_ready
                          : t == EV_LUC_DECIDE                      ? upon_luc_decide
                          : t == EV_LUC_RESUMED                     ? upon_luc_resumed
                          : t == EV_UC_MISSED || t == EV_LUC_MISSED ? upon_missed
                                                                    : upon_top;
}

/* ---- the bed --------------------------------------------------------------------------------- */

static bool is_link(uint8_t abstraction)
{
    return abstraction == ABS_FLL || abstraction == ABS_SL || abstraction == ABS_PL ||
           abstraction == ABS_FPL;
}

static uint16_t request_of(uint8_t abstraction)
{
    for (uint16_t t = 1; t < EV_TYPES; t++)
        if (ev_infos[t].abstraction == abstraction && ev_infos[t].way == EV_WAY_REQUEST)
            return t;
    return EV_NONE;
}

static struct stack_conf conf_of(const struct bed *b, uint16_t p)
{
    struct stack_conf c = b->conf.stack_conf;
    c.n = b->conf.n;
    c.self = p;
    stack_conf_default(&c);
    return c;
}

/* A log of its own for process p, for its only life. */
static int open_log(struct bed *b, const struct stack_conf *c, uint16_t p, char *why, size_t size)
{
    char dir[80];
    snprintf(dir, sizeof dir, "%s/p%u", b->dir, p);
    struct disk_uring_conf conf = {.dir = dir,
                                   .shape = {4, 8u << 20},
                                   .buffers = 8,
                                   .buffer_bytes = 128u << 10};
    int err = disk_uring_create(&conf, why, size);
    if (err == 0)
        err = disk_uring_open(&b->disk[p], &conf, false, why, size);
    if (err == 0)
        err = log_format(b->disk[p], (struct log_id){c->cluster, p}, conf.shape);
    return err;
}

static void remove_logs(struct bed *b)
{
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", b->dir);
    if (b->dir[0] != '\0' && system(command) != 0)
        fprintf(stderr, "bench: %s is left behind\n", b->dir);
}

static void wire_process(struct bed *b, uint16_t p)
{
    struct stack_conf c = conf_of(b, p);
    b->st[p] =
        co_wire(b->mem[p], stack_find(b->conf.stack), &app_class, &c, fabric_env(b->fabric, p));
    bed_app(b, p)->bed = b;
}

void bed_begin_again(struct bed *b, uint16_t p)
{
    stack_fini(b->st[p]);
    wire_process(b, p);
}

static bool wire(struct bed *b, const struct stack_def *def, const char **why)
{
    static char text[256];
    *why = text;
    if (b->conf.logs && mkdtemp(strcpy(b->dir, "upon-bench-bed-XXXXXX")) == NULL) {
        snprintf(text, sizeof text, "no folder can be made here");
        b->dir[0] = '\0';
        return false;
    }
    for (uint16_t p = 0; p < b->conf.n; p++) {
        struct stack_conf c = conf_of(b, p);
        if (co_check_wiring(def, &app_class, &c, text, sizeof text) != 0)
            return false;
        b->mem[p] = aligned_alloc(64, co_wire_bytes(def, &app_class, &c));
        if (b->conf.logs && open_log(b, &c, p, text, sizeof text) != 0)
            return false;
        fabric_env(b->fabric, p)->disk = b->disk[p];
        wire_process(b, p);
        if (b->conf.logs && stack_recover(b->st[p], text, sizeof text) != 0)
            return false;
    }
    uint8_t top = b->st[0]->app->use[0]->cls->implements;
    b->request = request_of(top);
    b->link = is_link(top);
    return true;
}

struct bed *bed_open(const struct bed_conf *conf, const char **why)
{
    static char text[256];
    static const uint16_t ranks[BED_PROCS] = {0, 1, 2, 3, 4, 5, 6, 7};
    const struct stack_def *def = stack_find(conf->stack);
    if (def == NULL) {
        snprintf(text, sizeof text, "there is no stack %s", conf->stack);
        *why = text;
        return NULL;
    }
    fill_upon();
    struct bed *b = aligned_alloc(128, sizeof *b);
    memset(b, 0, sizeof *b);
    b->conf = *conf;
    struct fabric_conf fc = {.device = conf->device != NULL ? conf->device : "ring",
                             .n = conf->n,
                             .self = ranks,
                             .selves = conf->n,
                             .mtu = conf->mtu != 0       ? conf->mtu
                                    : conf->bytes > 1024 ? 9000
                                                         : 1500,
                             .msg_bytes = conf->bytes,
                             .pool_pkts = conf->n > 3 ? 8192 : 16384};
    if (fabric_open(&b->fabric, &fc, text, sizeof text) != 0) {
        *why = text;
        free(b);
        return NULL;
    }
    if (!wire(b, def, why)) {
        bed_close(b);
        return NULL;
    }
    return b;
}

void bed_close(struct bed *b)
{
    for (uint16_t p = 0; p < b->conf.n && b->st[p] != NULL; p++)
        stack_fini(b->st[p]);
    uint32_t leak = fabric_close(b->fabric);
    if (leak != 0) {
        fprintf(stderr, "bench: stack %s: %u packets are missing\n", b->conf.stack, leak);
        exit(1);
    }
    for (uint16_t p = 0; p < b->conf.n; p++) {
        if (b->disk[p] != NULL)
            b->disk[p]->ops->close(b->disk[p]);
        free(b->mem[p]);
    }
    remove_logs(b);
    free(b);
}

/* What the processes did beside sending each message once, and what they dropped. */
void bed_report(struct bed *b, struct bench_out *out)
{
    for (int c = 0; c < COUNTERS; c++) {
        uint64_t sum = 0;
        for (uint16_t p = 0; p < b->conf.n; p++)
            sum += b->st[p]->counters[c];
        if (sum > 0 && (c >= COUNT_drop_first || c == COUNT_tx_retransmits))
            bench_put(out, counter_texts[c].id, (double)sum);
        if (c == COUNT_tx_frames)
            bench_put(out, "frames_per_op", (double)sum / (double)bed_app(b, 0)->begun);
    }
}

/* Whether what p0 has begun is finished at every process that is to hear of it. */
static bool finished(struct bed *b)
{
    for (uint16_t p = b->link ? 1 : 0; p < (b->link ? 2 : b->conf.n); p++)
        if (bed_app(b, p)->heard < bed_app(b, 0)->target)
            return false;
    return true;
}

double bed_round(struct bed *b, uint64_t ops)
{
    struct bed_app *source = bed_app(b, 0);
    source->target += ops;
    b->st[0]->app_wants = true;
    uint64_t start = tsc_now();
    while (!finished(b))
        bed_breath(b, 0);
    return tsc_ns(tsc_now() - start) / (double)ops;
}

double bed_alone(struct bed *b, uint64_t ops)
{
    struct bed_app *source = bed_app(b, 0);
    uint64_t start = tsc_now();
    source->target += ops;
    b->alone = b->st[0]->app_wants = true;
    while (source->heard < source->target)
        bed_breath(b, 0);
    b->alone = false;
    return tsc_ns(tsc_now() - start) / (double)ops;
}
