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
    struct co co;
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
    intake_init(self, &s->in, EV_LBEB_DELIVER, self->use[USE_LOG], self->use[USE_FLL],
                &s->acked[self->st->n]);
}

/* ---- sending --------------------------------------------------------------------------------- */

static uint64_t least_acked(const struct lbeb *s)
{
    uint64_t least = UINT64_MAX;
    for (uint16_t q = 0; q < s->co.st->n; q++)
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
        struct msg m = ev_msg(&ev[i]);
        uint16_t q = ev[i].proc;
        struct name x;
        if (!name_get(self, &m, &x))
            continue;
        if (x.incarnation != self->st->conf.incarnation) {
            co_count(self, COUNT_drop_incarnation, 1);
        } else if (x.kind != NAME_STORED || x.origin != self->st->self || x.number > s->next) {
            co_count(self, COUNT_drop_message, 1);
        } else if (x.number > s->acked[q]) {
            s->acked[q] = x.number;
            trigger(self->use[USE_SBEB], ev_make(EV_SBEB_FORGET, q, 0, x.number - 1, MSG_NONE));
        }
    }
}

/* ---- receiving ------------------------------------------------------------------------------- */

/* upon ⟨sbeb, Deliver | p, m⟩ do if m ∉ delivered then delivered := delivered ∪ {m};
 * store(delivered) */
static void upon_sbeb_deliver(struct co *self, const struct ev *ev, uint32_t n)
{
    struct lbeb *s = lbeb(self);
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

/* upon ⟨log, Stored⟩ do trigger ⟨lbeb, Deliver | delivered⟩ */
static void upon_log_stored(struct co *self, const struct ev *ev, uint32_t n)
{
    intake_stored(self, &lbeb(self)->in, ev, n);
}

/* upon ⟨lbeb, Release | a⟩: the layer above needs no log-delivery below a any more. */
static void upon_lbeb_release(struct co *self, const struct ev *ev, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        deliveries_release(self, &lbeb(self)->in.d, ev[i].attr, UINT8_MAX);
}

/* upon ⟨lbeb, Recovery⟩ do retrieve(delivered); trigger ⟨lbeb, Deliver | delivered⟩ */
static void upon_log_found(struct co *self, const struct ev *ev, uint32_t n)
{
    intake_found(self, &lbeb(self)->in, ev, n);
}

static void upon_log_recovered(struct co *self, const struct ev *ev, uint32_t n)
{
    (void)ev, (void)n;
    intake_recovered(self, &lbeb(self)->in);
}

static void upon_log_compact(struct co *self, const struct ev *ev, uint32_t n)
{
    (void)ev, (void)n;
    intake_compact(self, &lbeb(self)->in);
}

/* ---- the rest -------------------------------------------------------------------------------- */

static void lbeb_flush(struct co *self)
{
    deliveries_flush(&lbeb(self)->in.d);
}

static void lbeb_fini(struct co *self)
{
    deliveries_fini(&lbeb(self)->in.d);
}

static void lbeb_check(const struct co *self)
{
    const struct lbeb *s = (const struct lbeb *)self;
    intake_check(self, &s->in);
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
    intake_show(self, &s->in, v);
}

static const struct co_upon upon[] = {{EV_LBEB_BROADCAST, upon_lbeb_broadcast},
                                      {EV_LBEB_RELEASE, upon_lbeb_release},
                                      {EV_SBEB_DELIVER, upon_sbeb_deliver},
                                      {EV_FLL_DELIVER, upon_fll_deliver},
                                      {EV_LOG_STORED, upon_log_stored},
                                      {EV_LOG_FOUND, upon_log_found},
                                      {EV_LOG_RECOVERED, upon_log_recovered},
                                      {EV_LOG_COMPACT, upon_log_compact},
                                      {EV_NONE, NULL}};

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
    .flush = lbeb_flush,
    .fini = lbeb_fini,
    .check = lbeb_check,
    .show = lbeb_show,
    .tell = name_tell,
};
