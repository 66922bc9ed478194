/* SPDX-License-Identifier: BSD-3-Clause */
/* What crosses the borders of a world's layers: the hash of its trace, its checkers, their verdict. */
#include "sim_parts.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

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
    if (w->ears[layer] == 0 || sim_lies_made_up(e))
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

bool sim_watch_handled(struct trace *t, struct stack *st, struct co *to, const struct ev *ev,
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
        sim_lies_listen(x, ev, n);
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

/* ---- checkers -------------------------------------------------------------------------------- */

void sim_watch_close(struct sim_world *w)
{
    for (int i = 0; i < CO_STACK_MAX; i++) {
        if (w->check[i] != NULL)
            w->check[i]->cls->close(w->check[i]);
        w->check[i] = NULL;
    }
    memset(w->ears, 0, sizeof w->ears);
    w->check_def = NULL;
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

static bool has_word(const char *list, const char *word)
{
    const size_t len = strlen(word);
    for (const char *at = list; at != NULL; at = strchr(at, ' ')) {
        at += *at == ' ';
        if (strncmp(at, word, len) == 0 && (at[len] == ' ' || at[len] == '\0'))
            return true;
    }
    return false;
}

/* The properties of a class that rest on the accuracy of P, in the order of modules.def. */
static uint8_t named(const struct co_class *cls)
{
    uint8_t set = 0, r = 0;
    for (uint32_t i = 0; i < property_info_count; i++)
        if (property_infos[i].abstraction == cls->implements)
            set |= (uint8_t)(has_word(cls->accurate, property_infos[i].code) << r++);
    return set;
}

/* The layers that a layer uses, a bit each. */
static uint32_t used(const struct stack_def *def, uint16_t layer)
{
    const struct stack_layer *l = &def->layers[layer];
    uint32_t set = 0;
    for (uint16_t below = 0; below < layer; below++)
        for (int i = 0; i < CO_USES_MAX && l->uses[i] != NULL; i++)
            if (strcmp(l->uses[i], def->layers[below].name) == 0)
                set |= 1u << below;
    return set;
}

/* What rests on P's accuracy. Of a layer that uses another one of which something does, all: what
 * it needs of it, nobody has said. */
static void find_resting(struct sim_world *w)
{
    uint32_t some = 0;
    for (uint16_t i = 0; w->job.def->layers[i].name != NULL; i++) {
        w->rests[i] = named(w->job.def->layers[i].cls);
        if (used(w->job.def, i) & some)
            w->rests[i] = UINT8_MAX;
        some |= (uint32_t)(w->rests[i] != 0) << i;
    }
}

static void open_checks(struct sim_world *w)
{
    if (w->check_def == w->job.def && w->check_n == w->n) {
        for (int i = 0; i < CO_STACK_MAX; i++)
            if (w->check[i] != NULL)
                w->check[i]->cls->reset(w->check[i]);
        return;
    }
    sim_watch_close(w);
    uint32_t i = 0;
    for (const struct stack_layer *l = w->job.def->layers; l->name != NULL; l++, i++) {
        const struct check_class *cls = check_find(l->cls->implements);
        if (cls != NULL)
            w->check[i] = cls->open(w->n);
    }
    w->check_def = w->job.def;
    w->check_n = w->n;
    give_ears(w);
    find_resting(w);
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

void sim_watch_begin(struct sim_world *w)
{
    bool same = w->check_def == w->job.def && w->check_n == w->n;
    if (!same || w->job.unchecked) {
        w->app = sim_app_of(w->job.def);
        map_borders(w);
    }
    if (w->job.unchecked)
        sim_watch_close(w);
    else
        open_checks(w);
    for (int i = 0; i < CO_STACK_MAX; i++)
        if (w->check[i] != NULL) {
            w->check[i]->forwarded = w->job.conf.forward;
            w->check[i]->port = (uint16_t)i;
            w->check[i]->cursor = co_class_uses(w->job.def->layers[i].cls, ABS_LOG);
        }
}

/* ---- the verdict ----------------------------------------------------------------------------- */

bool sim_world_owes(const struct sim_world *w)
{
    uint32_t faulty = 0;
    for (uint16_t p = 0; p < w->n; p++)
        faulty += w->proc[p].state == SIM_CRASHED || (!w->needs.disk && w->proc[p].incarnation > 1);
    return faulty <= sim_crashes_max(&w->needs, w->n);
}

bool sim_world_excused(const struct sim_world *w, uint16_t layer, uint16_t r)
{
    return w->lied != 0 && (w->rests[layer] >> r & 1);
}

bool sim_world_void(const struct sim_world *w, uint16_t layer, uint16_t r)
{
    const struct check_result *result = &w->check[layer]->result[r];
    return w->job.lies_void && sim_world_excused(w, layer, r) &&
           (result->state != CHECK_VIOLATED || result->step >= w->lied);
}

/* Whether p, which runs, lacks what another one has forgotten, in that layer. By no rule is it
 * forgotten before p was suspected, or down. */
static bool lacks(const struct sim_world *w, uint16_t layer, uint16_t p)
{
    const struct sim_proc *x = &w->proc[p];
    uint64_t from, to, mine;
    if (x->state == SIM_CRASHED || (!(w->doubted >> p % 64 & 1) && x->incarnation == 1))
        return false;
    x->st->co[layer]->cls->spans(x->st->co[layer], &from, &mine);
    for (uint16_t q = 0; q < w->n; q++) {
        const struct sim_proc *y = &w->proc[q];
        if (y->state == SIM_CRASHED)
            continue;
        y->st->co[layer]->cls->spans(y->st->co[layer], &from, &to);
        if (from > mine)
            return true;
    }
    return false;
}

/* Layers in which somebody was left behind, and those that use them. */
static void find_left(struct sim_world *w)
{
    w->behind = 0;
    for (uint16_t i = 0; w->job.def->layers[i].name != NULL; i++) {
        if (used(w->job.def, i) & w->behind)
            w->behind |= 1u << i;
        for (uint16_t p = 0; w->job.def->layers[i].cls->spans != NULL && p < w->n; p++)
            if (lacks(w, i, p)) {
                w->behind |= 1u << i;
                w->left = p;
            }
    }
}

void sim_world_end(struct sim_world *w, bool fair)
{
    fair = fair && sim_world_owes(w);
    find_left(w);
    for (int i = 0; i < CO_STACK_MAX; i++)
        if (w->check[i] != NULL)
            w->check[i]->cls->end(w->check[i], fair && !(w->behind >> i & 1), w->steps);
    w->suspect = true;
}

const struct check_result *sim_world_violation(const struct sim_world *w, uint16_t *layer)
{
    const struct check_result *first = NULL;
    if (!w->suspect)
        return NULL;
    for (uint16_t i = 0; i < CO_STACK_MAX; i++) {
        const struct check *c = w->check[i];
        if (c == NULL || c->violations == 0)
            continue;
        for (uint16_t r = 0; r < c->results; r++)
            if (c->result[r].state == CHECK_VIOLATED && !sim_world_void(w, i, r) &&
                (first == NULL || c->result[r].step < first->step)) {
                first = &c->result[r];
                *layer = i;
            }
    }
    return first;
}
