/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stable storage over the process's log.
 *
 * Abstraction   log, stable storage (CGR Section 2.2.4: store and retrieve)
 * Algorithm     ours: write-ahead log with group commit (dataplane/log.h); a request is answered
 *               once its record and all before it are durable
 * Uses          the disk of the environment
 * Properties    LOG1, LOG2, LOG3, LOG4
 * Model         crash-recovery; the disk keeps what it said to be durable, or recovery finds out
 * Space         as many requests, that wait for room in the log or for their write, as its users'
 *               tables may give rise to at once (co_class.stores)
 * Differs       The book stores variables, each overwriting its last value. Here records are
 *               appended, and a component that finds them at the start lets the later ones win.
 *               When the log is half full, components store their live state again (Compact), and
 *               everything older is released: this bounds the log, and is the one moment at which
 *               the process waits for its disk (two synced writes).
 */
#include "log.h"

#include "dataplane/log.h"
#include "protocols/post.h"
#include "protocols/view.h"
#include "dataplane/refuse.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

/* A request on its way: of which component, under which name, and the record's place in the log. */
struct request {
    uint64_t i;
    uint64_t seq;
    uint64_t at;  /* ns: when it was asked for */
    struct msg m; /* held while it waits for room; without a segment once it is staged */
    uint16_t port;
};

struct log_device {
    struct co co;
    struct log *log;
    uint64_t head;   /* oldest request not answered */
    uint64_t staged; /* requests before this one are in the log's hands */
    uint64_t tail;
    uint64_t compact_seq;  /* a compaction began here; UINT64_MAX: none is under way */
    uint64_t compact_step; /* components have stored again when this many breaths were taken */
    uint64_t compact_end; /* … and is complete once records below this are durable; UINT64_MAX: they
                            * have not asked for all yet */
    uint64_t found;       /* records found by this recovery */
    uint32_t mask;
    struct log_stats counted;
    struct co *user[CO_PORTS_MAX];
    struct request request[];
};

#define COMPACT_FILL 0.5 /* part of the log in use at which live state is stored again */

static struct log_device *device(struct co *co)
{
    return (struct log_device *)co;
}

static size_t log_device_bytes(const struct stack_conf *conf)
{
    return sizeof(struct log_device) + conf->log_requests * sizeof(struct request);
}

static void log_device_init(struct co *co)
{
    struct log_device *d = device(co);
    d->mask = co->st->conf.log_requests - 1;
    d->compact_seq = UINT64_MAX;
    for (uint16_t i = 0; i < co->users; i++)
        d->user[co->user[i]->port] = co->user[i];
}

/* ---- at the start ---------------------------------------------------------------------------- */

static void record_found(void *ctx, uint64_t seq, uint16_t type, const void *data, uint32_t len)
{
    struct log_device *d = ctx;
    struct stack *st = d->co.st;
    (void)seq;
    if (type >= CO_PORTS_MAX || d->user[type] == NULL || len < 8) {
        co_count(&d->co, COUNT_drop_user, 1); /* of a component that this stack does not have */
        return;
    }
    struct msg m = msg_new(st, len - 8);
    pkt_copy(msg_data(m), (const uint8_t *)data + 8, len - 8);
    trigger(d->user[type], ev_make(EV_LOG_FOUND, 0, le64_get(data), 0, m));
    d->found++;
    if (d->found % CO_BATCH_EVENTS == 0) {
        co_run(st);
        stack_release(st);
    }
}

static int log_device_recover(struct co *self, char *why, size_t why_size)
{
    struct log_device *d = device(self);
    struct stack *st = self->st;
    struct log_report report;
    uint32_t cluster = st->conf.log_cluster != 0 ? st->conf.log_cluster : st->conf.cluster;
    struct log_id id = {cluster, st->self};
    if (st->env->disk == NULL)
        return refuse_as(why, why_size, -ENODEV,
                         "stack %s needs stable storage: give the process a log folder",
                         st->def->name);
    int err = log_open(&d->log, st->env->disk, id, record_found, d, false, &report);
    if (err != 0)
        return refuse_as(why, why_size, err, "p%u: log: %s", st->self, report.why);
    co_run(st);
    st->conf.incarnation = report.incarnation; /* stored before anything is sent under it */
    for (uint16_t i = 0; i < self->users; i++)
        trigger(self->user[i], ev_make(EV_LOG_RECOVERED, 0, 0, report.incarnation, MSG_NONE));
    return 0;
}

/* ---- storing --------------------------------------------------------------------------------- */

/* Give the log what it has room for. */
static void stage(struct log_device *d)
{
    while (d->staged < d->tail) {
        struct request *r = &d->request[d->staged & d->mask];
        if (!log_room(d->log, 8u + r->m.len))
            return;
        uint8_t head[8];
        le64_put(head, r->i);
        r->seq = log_append(d->log, r->port, head, sizeof head,
                            r->m.seg != NULL ? msg_data(r->m) : NULL, r->m.len);
        co_count(&d->co, COUNT_log_records, 1);
        co_count(&d->co, COUNT_log_bytes, r->m.len);
        if (r->m.seg != NULL)
            msg_release(r->m);
        r->m = MSG_NONE;
        d->staged++;
    }
}

/* upon ⟨log, Store | i, m⟩: it is durable when all before it are. */
static void upon_log_store(struct co *self, const struct ev *ev, uint32_t n)
{
    struct log_device *d = device(self);
    for (uint32_t i = 0; i < n; i++) {
        assert(d->tail - d->head <= d->mask); /* what its users said that they store */
        struct request *r = &d->request[d->tail++ & d->mask];
        *r = (struct request){ev[i].inst, 0, self->st->now, ev_msg(&ev[i]), (uint16_t)ev[i].attr};
        if (r->m.seg != NULL)
            msg_hold(r->m);
    }
    stage(d);
    co_dirty(self);
}

static uint32_t log_device_room(const struct co *self)
{
    const struct log_device *d = (const struct log_device *)self;
    uint64_t used = d->tail - d->head, half = self->st->conf.store_msgs / 2;
    return used < half ? (uint32_t)(half - used) : 0;
}

/* The disk failed: this process has crashed. Nothing that was not durable is ever acknowledged. */
static void crash(struct co *self, int err)
{
    co_count(self, COUNT_log_failed, 1);
    self->st->disk_error = err;
    self->st->halted = true;
}

/* What the record of the next request will be: each has one, in the order of asking, also those that
 * wait for room. */
static uint64_t seq_of_next(const struct log_device *d)
{
    return log_next(d->log) + (d->tail - d->staged);
}

/*
 * A compaction begins between two breaths, when all inboxes are empty: so ⟨log, Compact⟩ is the next
 * event of each component, and of its records that are kept the first are those that it stores then.
 * Were anything older kept in front of them, a recovery would find a change before what it changes.
 * It does not wait until nothing waits for room: under a load that the disk does not keep up with
 * that moment never comes.
 */
static void compact_begin(struct log_device *d)
{
    struct co *self = &d->co;
    if (d->compact_seq != UINT64_MAX || log_fill(d->log) < COMPACT_FILL)
        return;
    d->compact_seq = seq_of_next(d);
    d->compact_end = UINT64_MAX;
    d->compact_step = self->st->steps + 2; /* this breath, and the one in which they are told */
    co_count(self, COUNT_log_compactions, 1);
    for (uint16_t i = 0; i < self->users; i++)
        trigger(self->user[i], ev_make(EV_LOG_COMPACT, 0, 0, 0, MSG_NONE));
}

/* All that was staged is durable, what is asked for has no room, and what would make some waits behind
 * it: so it will for ever. */
static bool is_full(const struct log_device *d)
{
    return d->compact_end != UINT64_MAX && d->staged < d->tail &&
           log_durable(d->log) == log_next(d->log);
}

/* Live state is stored again, all of it: what is older than that is needed no more. */
static void compact_end(struct log_device *d)
{
    if (d->compact_seq == UINT64_MAX)
        return;
    if (d->compact_end == UINT64_MAX && d->co.st->steps >= d->compact_step)
        d->compact_end = seq_of_next(d); /* users have asked for all */
    if (log_durable(d->log) < d->compact_end) {
        if (is_full(d))
            crash(&d->co, -ENOSPC);
        return;
    }
    const struct env *env = d->co.st->env;
    if (env->dropping != NULL)
        env->dropping(env->dropping_ctx);
    int err = log_checkpoint(d->log, d->compact_seq);
    if (err != 0)
        crash(&d->co, err);
    d->compact_seq = UINT64_MAX;
}

/* The end of a breath: group commit begins if the disk is free. */
static void log_device_flush(struct co *self)
{
    struct log_device *d = device(self);
    int err = log_pump(d->log);
    if (err != 0)
        crash(self, err);
    else
        compact_begin(d);
}

/* Writes of this life, added to those of earlier ones. */
static void count_writes(struct log_device *d)
{
    struct log_stats now = log_stats(d->log);
    co_count(&d->co, COUNT_log_writes, now.batches - d->counted.batches);
    co_count(&d->co, COUNT_log_blocks, now.blocks - d->counted.blocks);
    d->counted = now;
}

/* The beginning of a breath: trigger ⟨log, Stored⟩ for what has become durable. */
static void log_device_poll(struct co *self)
{
    struct log_device *d = device(self);
    int err = log_pump(d->log);
    if (err != 0) {
        crash(self, err);
        return;
    }
    struct env *env = self->st->env;
    uint64_t durable = log_durable(d->log);
    while (d->head < d->staged && d->request[d->head & d->mask].seq < durable) {
        const struct request *r = &d->request[d->head++ & d->mask];
        trigger(d->user[r->port], ev_make(EV_LOG_STORED, 0, r->i, 0, MSG_NONE));
        if (unlikely(env->stored != NULL))
            env->stored(env->stored_ctx, self->st->now - r->at);
    }
    count_writes(d);
    if (d->staged < d->tail) {
        stage(d);
        co_dirty(self);
    }
    compact_end(d);
}

/* ---- the rest -------------------------------------------------------------------------------- */

static void log_device_fini(struct co *self)
{
    struct log_device *d = device(self);
    for (; d->staged < d->tail; d->staged++)
        if (d->request[d->staged & d->mask].m.seg != NULL)
            msg_release(d->request[d->staged & d->mask].m);
    log_close(d->log);
    d->log = NULL;
}

static void log_device_check(const struct co *self)
{
    const struct log_device *d = (const struct log_device *)self;
    assert(d->head <= d->staged && d->staged <= d->tail);
    assert(d->tail - d->head <= d->mask + 1u);
}

static void show_staged(const struct log_device *d, struct view *v)
{
    uint8_t part[256];
    uint32_t at = 0;
    for (uint32_t len; (len = log_staged(d->log, at, part, sizeof part)) > 0; at += len) {
        view_group(v, "staged", at);
        v->bytes(v, "bytes", part, len);
    }
}

static void show_compaction(const struct log_device *d, struct view *v)
{
    if (d->compact_seq == UINT64_MAX)
        return;
    uint64_t steps = d->co.st->steps;
    view_u64(v, "compact_seq", d->compact_seq);
    view_u64(v, "compact_end", d->compact_end);
    view_u64(v, "compact_breaths", d->compact_step > steps ? d->compact_step - steps : 0);
}

static void log_device_show(const struct co *self, struct view *v)
{
    const struct log_device *d = (const struct log_device *)self;
    view_u64(v, "next", log_next(d->log));
    view_u64(v, "durable", log_durable(d->log));
    show_compaction(d, v);
    for (uint64_t i = d->head; i < d->tail; i++) {
        const struct request *r = &d->request[i & d->mask];
        view_group(v, "request", i - d->head);
        view_u64(v, "port", r->port);
        view_u64(v, "i", r->i);
        view_msg(v, "m", r->m);
    }
    show_staged(d, v);
}

static void log_device_post(const struct co *self, struct co_post *p)
{
    const struct log_device *d = (const struct log_device *)self;
    if (d->head < d->tail)
        post_wait(self, p,
                  (struct post_wait){.kind = POST_DISK,
                                     .open = d->tail - d->head,
                                     .origin = NOBODY_POSTED,
                                     .oldest = d->head});
}

static co_upon_fn *const upon[EV_TYPES] = {[EV_LOG_STORE] = upon_log_store};

const struct co_class log_device_class = {
    .name = "log_device",
    .title = "write-ahead log with group commit (ours)",
    .implements = ABS_LOG,
    .bytes = log_device_bytes,
    .init = log_device_init,
    .upon = upon,
    .room = log_device_room,
    .flush = log_device_flush,
    .poll = log_device_poll,
    .recover = log_device_recover,
    .fini = log_device_fini,
    .check = log_device_check,
    .show = log_device_show,
    .post = log_device_post,
};
