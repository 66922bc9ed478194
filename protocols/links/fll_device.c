/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fair-loss links over the device.
 *
 * Abstraction   fll, fair-loss links (CGR Module 2.1)
 *
 * Algorithm     none: the device is one. All messages of one breath to one peer ride in one frame,
 *               or in as few as they fit
 *
 * Uses          the device, directly: it owns frames of kind PLAIN
 *
 * Properties    FLL1, FLL2, FLL3, as far as the device has them
 *
 * Model         crash-stop and crash-recovery: a frame from or to an earlier incarnation is dropped
 *
 * Space         per peer one open frame, during a breath, and one number
 *
 * Differs       It loses nothing itself but for want of a packet, which is counted. A message to
 *               ourselves does not leave the process. Whoever sends to what we were before a crash
 *               is told, in an empty frame, who we are now; otherwise it would never be heard again.
 */
#include "demux.h"
#include "frames.h"
#include "links.h"
#include "procs.h"
#include "protocols/view.h"

#include <assert.h>

struct fll_peer {
    struct frame_builder frame; /* open while its packet is not NULL */
    uint32_t incarnation;       /* the highest that we have seen; 0: not heard of yet */
};

struct fll_device {
    struct co co;
    struct demux demux;
    struct procs open; /* peers with an open frame */
    struct fll_peer peer[];
};

static struct fll_device *fll(struct co *co)
{
    return (struct fll_device *)co;
}

static size_t fll_bytes(const struct stack_conf *conf)
{
    return sizeof(struct fll_device) + conf->n * sizeof(struct fll_peer);
}

static void fll_init(struct co *self)
{
    demux_init(&fll(self)->demux, self);
}

/* It keeps nothing beyond a breath; what bounds a burst is the inbox. */
static uint32_t fll_room(const struct co *self)
{
    return self->st->conf.ring_msgs;
}

/* ---- sending --------------------------------------------------------------------------------- */

static void close_frame(struct fll_device *s, uint16_t q)
{
    struct fll_peer *p = &s->peer[q];
    frame_close(&p->frame, q,
                (struct frame){.kind = FRAME_KIND_PLAIN, .to_incarn = p->incarnation});
}

static bool __attribute__((noinline)) begin_frame(struct fll_device *s, uint16_t q)
{
    procs_add(&s->open, q);
    co_dirty(&s->co);
    return frame_open(&s->peer[q].frame, s->co.st);
}

/* Have a frame to q open; false, and counted, when there is no packet. */
static inline bool open_frame(struct fll_device *s, uint16_t q)
{
    return likely(s->peer[q].frame.pkt != NULL) || begin_frame(s, q);
}

static void __attribute__((noinline))
add(struct fll_device *s, uint16_t q, uint8_t user, struct msg m)
{
    struct fll_peer *p = &s->peer[q];
    if (unlikely(!open_frame(s, q)) || likely(frame_add(&p->frame, m, user)))
        return;
    if (frame_records_so_far(&p->frame) > 0) { /* it is full */
        close_frame(s, q);
        if (unlikely(!open_frame(s, q)) || likely(frame_add(&p->frame, m, user)))
            return;
    }
    co_count(&s->co, COUNT_drop_pool_empty, 1); /* no packet for a shared body */
}

/* Messages that follow each other and go to one peer. Returns how many. */
static uint32_t add_run(struct fll_device *s, const struct ev *ev, uint32_t n)
{
    uint16_t q = ev[0].proc;
    struct frame_builder *b = &s->peer[q].frame;
    uint32_t run = 1;
    while (run < n && ev[run].proc == q)
        run++;
    for (uint32_t i = 0; i < run;) {
        if (likely(b->pkt != NULL)) {
            struct frame_pen pen = frame_pen(b, s->co.st);
            while (i < run && frame_write(&pen, ev_msg(&ev[i]), (uint8_t)ev[i].inst))
                i++;
            frame_pen_down(b, pen);
        }
        if (i < run) { /* a frame is to be opened, or a body to be shared */
            add(s, q, (uint8_t)ev[i].inst, ev_msg(&ev[i]));
            i++;
        }
    }
    return run;
}

/* upon ⟨fll, Send | q, m⟩: into the open frame to q; it leaves when the breath ends. */
static void upon_fll_send(struct co *self, const struct ev *ev, uint32_t n)
{
    struct fll_device *s = fll(self);
    for (uint32_t i = 0; i < n;) {
        if (ev[i].proc == self->st->self) {
            demux_deliver(&s->demux, self, EV_FLL_DELIVER, (uint8_t)ev[i].inst, ev[i].proc,
                          ev_msg(&ev[i]));
            i++;
        } else {
            i += add_run(s, &ev[i], n - i);
        }
    }
}

static void fll_flush(struct co *self)
{
    struct fll_device *s = fll(self);
    struct procs_walk walk = procs_walk(&s->open);
    for (uint16_t q; procs_take(&s->open, &walk, &q);)
        if (s->peer[q].frame.pkt != NULL)
            close_frame(s, q);
}

/* ---- receiving ------------------------------------------------------------------------------- */

/* False when the frame belongs to an earlier life, of the peer or of ours. */
static bool current_incarnation(struct fll_device *s, uint16_t q, const struct frame *f)
{
    struct fll_peer *p = &s->peer[q];
    if (unlikely(f->incarnation < p->incarnation)) {
        co_count(&s->co, COUNT_drop_incarnation, 1);
        return false;
    }
    p->incarnation = f->incarnation;
    if (likely(f->to_incarn == s->co.st->conf.incarnation || f->to_incarn == 0))
        return true;
    co_count(&s->co, COUNT_drop_incarnation, 1);
    open_frame(s, q); /* if nothing else is to be said, it leaves empty */
    return false;
}

static void deliver_records(struct fll_device *s, uint16_t q, const struct frame *f,
                            struct rte_mbuf *pkt)
{
    struct frame_cursor c = frame_records(pkt, f);
    struct msg m;
    uint8_t user;
    int more;
    uint32_t records = 0;
    while ((more = frame_next_record(&c, &m, &user)) > 0) {
        demux_deliver(&s->demux, &s->co, EV_FLL_DELIVER, user, q, m);
        records++;
    }
    if (unlikely(more < 0))
        co_count(&s->co, COUNT_drop_record, 1);
    co_count(&s->co, COUNT_rx_records, records);
}

/* upon a frame from q: trigger ⟨fll, Deliver | q, m⟩ for each m in it. */
static void upon_net_frame(struct co *self, const struct ev *ev, uint32_t n)
{
    struct fll_device *s = fll(self);
    for (uint32_t i = 0; i < n; i++) {
        const struct frame *f = (const struct frame *)(uintptr_t)ev[i].attr;
        if (unlikely((f->seq | f->ack | f->sack | f->credit) != 0))
            co_count(self, COUNT_drop_field, 1); /* they mean nothing here */
        else if (likely(current_incarnation(s, ev[i].proc, f)))
            deliver_records(s, ev[i].proc, f, ev[i].seg);
    }
}

/* ---- the rest -------------------------------------------------------------------------------- */

/* A process that was stopped in mid-step leaves frames open. */
static void fll_fini(struct co *self)
{
    struct fll_device *s = fll(self);
    for (uint16_t q = 0; q < self->st->n; q++)
        if (s->peer[q].frame.pkt != NULL) {
            pkt_free(s->peer[q].frame.pkt);
            s->peer[q].frame.pkt = NULL;
        }
}

static void fll_check(const struct co *self)
{
    const struct fll_device *s = (const struct fll_device *)self;
    for (uint16_t q = 0; q < self->st->n; q++)
        assert(s->peer[q].frame.pkt == NULL || procs_has(&s->open, q));
    assert(s->peer[self->st->self].frame.pkt == NULL);
}

static void fll_show(const struct co *self, struct view *v)
{
    const struct fll_device *s = (const struct fll_device *)self;
    for (uint16_t q = 0; q < self->st->n; q++) {
        view_group(v, "peer", q);
        view_u64(v, "incarnation", s->peer[q].incarnation);
    }
}

static co_upon_fn *const upon[EV_TYPES] =
    {[EV_FLL_SEND] = upon_fll_send, [EV_NET_FRAME] = upon_net_frame};

const struct co_class fll_device_class = {
    .name = "fll_device",
    .title = "fair-loss links over the device",
    .implements = ABS_FLL,
    .frame_kind = FRAME_KIND_PLAIN,
    .bytes = fll_bytes,
    .init = fll_init,
    .upon = upon,
    .room = fll_room,
    .flush = fll_flush,
    .fini = fll_fini,
    .check = fll_check,
    .show = fll_show,
};
