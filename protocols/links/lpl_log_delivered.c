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
    struct intake in;
    struct demux demux;
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
    intake_init(self, EV_LPL_DELIVER, self->use[USE_LOG], self->use[USE_FLL], &s->out[self->st->n]);
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
        uint16_t q = ev[i].proc;
        struct lpl_out *o = &s->out[q];
        if (intake_answered(self, &ev[i], o->next, &o->acked))
            trigger(self->use[USE_SL],
                    ev_make(EV_SL_FORGET, q, self->port, o->acked - 1, MSG_NONE));
    }
}

/* ---- the rest; receiving is intake.c --------------------------------------------------------- */

static void lpl_check(const struct co *self)
{
    const struct lpl *s = (const struct lpl *)self;
    intake_check(self);
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
    intake_show(self, v);
}

static co_upon_fn *const upon[EV_TYPES] = {[EV_LPL_SEND] = upon_lpl_send,
                                           [EV_LPL_RELEASE] = intake_upon_release,
                                           [EV_SL_DELIVER] = intake_upon_deliver,
                                           [EV_FLL_DELIVER] = upon_fll_deliver,
                                           [EV_LOG_STORED] = intake_upon_stored,
                                           [EV_LOG_FOUND] = intake_upon_found,
                                           [EV_LOG_RECOVERED] = intake_upon_recovered,
                                           [EV_LOG_COMPACT] = intake_upon_compact};

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
    .stores = intake_stores,
    .keeps = intake_keeps,
    .tells = intake_tells,
    .flush = intake_flush,
    .fini = intake_fini,
    .check = lpl_check,
    .show = lpl_show,
    .tell = name_tell,
};
