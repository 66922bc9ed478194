/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Log delivered.
 *
 * Abstraction   lpl, logged perfect links (CGR Module 2.4)
 *
 * Algorithm     log delivered (CGR Algorithm 2.3): what a stubborn link delivers and is not in
 *               `delivered` yet is stored there, and delivered when it is
 *
 * Uses          sl; fll (for acknowledgements only); log
 *
 * Properties    LPL1, LPL2, LPL3
 *
 * Model         crash-recovery
 *
 * Space         per peer a window of numbers (a quarter of the lesser of `ring_msgs` and
 *               `store_msgs`), messages of which sl keeps until they are stored over there, and
 *               bytes here; `store_msgs` / 4 log-deliveries that the layer above has not released
 *
 * Differs       - sl is told to forget what the receiver has stored. Which link below? A window
 *                 that acknowledges on receipt (pl_window) would lose what was acknowledged, and not
 *                 stored yet, when its receiver crashes; so the sender has to keep a message until
 *                 the receiver's lpl says that it is stored. That is a stubborn link.
 *               - The book hands over the whole variable `delivered` each time. Here a log-delivery
 *                 has a position, and is told of under it (deliveries.h).
 *               - What the sender had not got across when it crashed is lost with it: LPL1 speaks of
 *                 senders that never crash. Its next life says so by a higher incarnation.
 */
#include "demux.h"
#include "links.h"
#include "protocols/log/intake.h"

enum { USE_SL, USE_FLL, USE_LOG };

struct lpl_out {
    uint64_t next;
    uint64_t acked; /* all below are stored there */
};

struct lpl {
    struct co co;
    struct demux demux;
    struct intake in;
    struct lpl_out out[];
};

static struct lpl *lpl(struct co *co)
{
    return (struct lpl *)co;
}

static size_t lpl_bytes(const struct stack_conf *conf)
{
    return sizeof(struct lpl) + conf->n * sizeof(struct lpl_out) + intake_bytes(conf);
}

static void lpl_init(struct co *self)
{
    struct lpl *s = lpl(self);
    demux_init(&s->demux, self);
    intake_init(self, &s->in, EV_LPL_DELIVER, self->use[USE_LOG], self->use[USE_FLL],
                &s->out[self->st->n]);
    s->in.user = s->demux.user;
}

/* ---- sending --------------------------------------------------------------------------------- */

static uint32_t lpl_room(const struct co *self)
{
    const struct lpl *s = (const struct lpl *)self;
    uint64_t most = 0;
    for (uint16_t q = 0; q < self->st->n; q++)
        if (s->out[q].next - s->out[q].acked > most)
            most = s->out[q].next - s->out[q].acked;
    uint32_t own = most <= s->in.mask ? s->in.mask + 1 - (uint32_t)most : 0;
    uint32_t below = co_room(self->use[USE_SL]);
    return own < below ? own : below;
}

/* upon ⟨lpl, Send | q, m⟩ do trigger ⟨sl, Send | q, m⟩ */
static void upon_lpl_send(struct co *self, const struct ev *ev, uint32_t n)
{
    struct lpl *s = lpl(self);
    for (uint32_t i = 0; i < n; i++) {
        struct lpl_out *o = &s->out[ev[i].proc];
        assert(o->next - o->acked <= s->in.mask); /* users keep to room() */
        struct msg m = msg_copy_behind(self->st, ev_msg(&ev[i]), NAME_BYTES);
        name_put(msg_data(m), (struct name){.kind = NAME_DATA,
                                            .user = (uint8_t)ev[i].inst,
                                            .origin = self->st->self,
                                            .incarnation = self->st->conf.incarnation,
                                            .number = o->next});
        trigger(self->use[USE_SL], ev_make(EV_SL_SEND, ev[i].proc, self->port, o->next++, m));
    }
}

/* upon ⟨fll, Deliver | q, [STORED floor]⟩ do trigger ⟨sl, Forget | q, floor − 1⟩ */
static void upon_fll_deliver(struct co *self, const struct ev *ev, uint32_t n)
{
    struct lpl *s = lpl(self);
    for (uint32_t i = 0; i < n; i++) {
        struct msg m = ev_msg(&ev[i]);
        uint16_t q = ev[i].proc;
        struct name x;
        if (!name_get(self, &m, &x))
            continue;
        if (x.incarnation != self->st->conf.incarnation) {
            co_count(self, COUNT_drop_incarnation, 1);
        } else if (x.kind != NAME_STORED || x.origin != self->st->self ||
                   x.number > s->out[q].next) {
            co_count(self, COUNT_drop_message, 1);
        } else if (x.number > s->out[q].acked) {
            s->out[q].acked = x.number;
            trigger(self->use[USE_SL],
                    ev_make(EV_SL_FORGET, q, self->port, x.number - 1, MSG_NONE));
        }
    }
}

/* ---- receiving ------------------------------------------------------------------------------- */

/* upon ⟨sl, Deliver | p, m⟩ do if m ∉ delivered then delivered := delivered ∪ {m};
 * store(delivered) */
static void upon_sl_deliver(struct co *self, const struct ev *ev, uint32_t n)
{
    struct lpl *s = lpl(self);
    uint32_t budget = co_room(self->use[USE_LOG]);
    for (uint32_t i = 0; i < n; i++) {
        struct msg m = ev_msg(&ev[i]), whole = m;
        struct name x;
        if (!name_get(self, &m, &x))
            continue;
        if (likely(x.kind == NAME_DATA))
            intake_data(self, &s->in, ev[i].proc, &x, whole, &budget);
        else
            co_count(self, COUNT_drop_message, 1);
    }
    intake_answer(self, &s->in);
}

/* upon ⟨log, Stored⟩ do trigger ⟨lpl, Deliver | delivered⟩ */
static void upon_log_stored(struct co *self, const struct ev *ev, uint32_t n)
{
    intake_stored(self, &lpl(self)->in, ev, n);
}

/* upon ⟨lpl, Release | a⟩: that user needs no log-delivery below a any more. */
static void upon_lpl_release(struct co *self, const struct ev *ev, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        deliveries_release(self, &lpl(self)->in.d, ev[i].attr, (uint8_t)ev[i].inst);
}

/* upon ⟨lpl, Recovery⟩ do retrieve(delivered); trigger ⟨lpl, Deliver | delivered⟩ */
static void upon_log_found(struct co *self, const struct ev *ev, uint32_t n)
{
    intake_found(self, &lpl(self)->in, ev, n);
}

static void upon_log_recovered(struct co *self, const struct ev *ev, uint32_t n)
{
    (void)ev, (void)n;
    intake_recovered(self, &lpl(self)->in);
}

static void upon_log_compact(struct co *self, const struct ev *ev, uint32_t n)
{
    (void)ev, (void)n;
    intake_compact(self, &lpl(self)->in);
}

/* ---- the rest -------------------------------------------------------------------------------- */

static void lpl_flush(struct co *self)
{
    deliveries_flush(&lpl(self)->in.d);
}

static void lpl_fini(struct co *self)
{
    deliveries_fini(&lpl(self)->in.d);
}

static void lpl_check(const struct co *self)
{
    const struct lpl *s = (const struct lpl *)self;
    intake_check(self, &s->in);
    for (uint16_t q = 0; q < self->st->n; q++) {
        assert(s->out[q].acked <= s->out[q].next);
        assert(s->out[q].next - s->out[q].acked <= s->in.mask + 1u);
    }
}

static void lpl_show(const struct co *self, struct view *v)
{
    const struct lpl *s = (const struct lpl *)self;
    for (uint16_t q = 0; q < self->st->n; q++) {
        view_group(v, "receiver", q);
        view_u64(v, "next", s->out[q].next);
        view_u64(v, "acked", s->out[q].acked);
    }
    intake_show(self, &s->in, v);
}

static const struct co_upon upon[] = {{EV_LPL_SEND, upon_lpl_send},
                                      {EV_LPL_RELEASE, upon_lpl_release},
                                      {EV_SL_DELIVER, upon_sl_deliver},
                                      {EV_FLL_DELIVER, upon_fll_deliver},
                                      {EV_LOG_STORED, upon_log_stored},
                                      {EV_LOG_FOUND, upon_log_found},
                                      {EV_LOG_RECOVERED, upon_log_recovered},
                                      {EV_LOG_COMPACT, upon_log_compact},
                                      {EV_NONE, NULL}};

const struct co_class lpl_log_delivered_class = {
    .name = "lpl_log_delivered",
    .title = "log delivered (CGR Algorithm 2.3)",
    .implements = ABS_LPL,
    .uses = {ABS_SL, ABS_FLL, ABS_LOG},
    .procs_max = PSET_PROCS,
    .bytes = lpl_bytes,
    .init = lpl_init,
    .upon = upon,
    .room = lpl_room,
    .flush = lpl_flush,
    .fini = lpl_fini,
    .check = lpl_check,
    .show = lpl_show,
    .tell = name_tell,
};
