/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Logged basic broadcast.
 *
 * Abstraction   lbeb, logged best-effort broadcast (CGR Module 3.6)
 *
 * Algorithm     logged basic broadcast (CGR Algorithm 3.7): broadcast stubbornly; what is not in
 *               `delivered` yet is stored there, and delivered when it is
 *
 * Uses          sbeb; fll (for acknowledgements only); log
 *
 * Properties    LBEB1, LBEB2, LBEB3
 *
 * Model         crash-recovery; any number of crashes
 *
 * Space         as lpl_log_delivered, for each sender: a window of numbers, whose messages sl keeps
 *               until every process has stored them; `store_msgs` / 4 log-deliveries that the layer
 *               above has not released
 *
 * Differs       As lpl_log_delivered: sbeb is told to forget, for each receiver, what it has stored,
 *               and log-deliveries have positions (intake.h). Nobody is given up: a process that is
 *               down may come back, and then is to deliver all. While it is down, a sender stops
 *               when its window is used up.
 */
#include "broadcast.h"
#include "protocols/log/intake.h"

enum { USE_SBEB, USE_FLL, USE_LOG };

struct lbeb {
    struct intake in;
    uint64_t next;
    uint64_t acked[]; /* of each process: it has stored all below */
};

static struct lbeb *lbeb(struct co *co)
{
    return (struct lbeb *)co;
}

static size_t lbeb_bytes(const struct stack_conf *conf)
{
    return sizeof(struct lbeb) + conf->n * sizeof(uint64_t) + intake_bytes(conf);
}

static void lbeb_init(struct co *self)
{
    struct lbeb *s = lbeb(self);
    intake_init(self, EV_LBEB_DELIVER, self->use[USE_LOG], self->use[USE_FLL],
                &s->acked[self->st->n]);
}

/* ---- sending --------------------------------------------------------------------------------- */

static uint64_t least_acked(const struct lbeb *s)
{
    uint64_t least = UINT64_MAX;
    for (uint16_t q = 0; q < s->in.co.st->n; q++)
        least = s->acked[q] < least ? s->acked[q] : least;
    return least;
}

static uint32_t lbeb_room(const struct co *self)
{
    const struct lbeb *s = (const struct lbeb *)self;
    uint64_t open = s->next - least_acked(s);
    uint32_t own = open <= s->in.mask ? s->in.mask + 1 - (uint32_t)open : 0;
    uint32_t below = co_room(self->use[USE_SBEB]);
    return own < below ? own : below;
}

/* upon ⟨lbeb, Broadcast | m⟩ do trigger ⟨sbeb, Broadcast | m⟩ */
static void upon_lbeb_broadcast(struct co *self, const struct ev *ev, uint32_t n)
{
    struct lbeb *s = lbeb(self);
    for (uint32_t i = 0; i < n; i++) {
        assert(s->next - least_acked(s) <= s->in.mask); /* users keep to room() */
        struct msg m = ev_msg(&ev[i]);
        name_put(msg_push(&m, NAME_BYTES), (struct name){.kind = NAME_DATA,
                                                         .origin = self->st->self,
                                                         .incarnation = self->st->conf.incarnation,
                                                         .number = s->next});
        trigger(self->use[USE_SBEB], ev_make(EV_SBEB_BROADCAST, 0, 0, s->next++, m));
    }
}

/* upon ⟨fll, Deliver | q, [STORED floor]⟩ do trigger ⟨sbeb, Forget | q, floor − 1⟩ */
static void upon_fll_deliver(struct co *self, const struct ev *ev, uint32_t n)
{
    struct lbeb *s = lbeb(self);
    for (uint32_t i = 0; i < n; i++) {
        uint16_t q = ev[i].proc;
        if (intake_answered(self, &ev[i], s->next, &s->acked[q]))
            trigger(self->use[USE_SBEB], ev_make(EV_SBEB_FORGET, q, 0, s->acked[q] - 1, MSG_NONE));
    }
}

/* ---- the rest; receiving is intake.c --------------------------------------------------------- */

static void lbeb_check(const struct co *self)
{
    const struct lbeb *s = (const struct lbeb *)self;
    intake_check(self);
    for (uint16_t q = 0; q < self->st->n; q++)
        assert(s->acked[q] <= s->next);
    assert(s->next - least_acked(s) <= s->in.mask + 1u);
}

static void lbeb_show(const struct co *self, struct view *v)
{
    const struct lbeb *s = (const struct lbeb *)self;
    view_u64(v, "next", s->next);
    for (uint16_t q = 0; q < self->st->n; q++)
        view_u64(v, "acked", s->acked[q]);
    intake_show(self, v);
}

static co_upon_fn *const upon[EV_TYPES] =
    {[EV_LBEB_BROADCAST] = upon_lbeb_broadcast,  [EV_LBEB_RELEASE] = intake_upon_release,
     [EV_SBEB_DELIVER] = intake_upon_deliver,    [EV_FLL_DELIVER] = upon_fll_deliver,
     [EV_LOG_STORED] = intake_upon_stored,       [EV_LOG_FOUND] = intake_upon_found,
     [EV_LOG_RECOVERED] = intake_upon_recovered, [EV_LOG_COMPACT] = intake_upon_compact};

const struct co_class lbeb_basic_class = {
    .name = "lbeb_basic",
    .title = "logged basic broadcast (CGR Algorithm 3.7)",
    .implements = ABS_LBEB,
    .uses = {ABS_SBEB, ABS_FLL, ABS_LOG},
    .header_bytes = NAME_BYTES,
    .procs_max = PSET_PROCS,
    .bytes = lbeb_bytes,
    .init = lbeb_init,
    .upon = upon,
    .room = lbeb_room,
    .stores = intake_stores,
    .keeps = intake_keeps,
    .tells = intake_tells,
    .flush = intake_flush,
    .fini = intake_fini,
    .check = lbeb_check,
    .show = lbeb_show,
    .tell = name_tell,
};
