/* SPDX-License-Identifier: BSD-3-Clause */
#include "spacetime.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static void *grow(void *array, uint32_t count, uint32_t *max, size_t bytes)
{
    if (count < *max)
        return array;
    *max = *max == 0 ? 256 : 2 * *max;
    array = realloc(array, *max * bytes);
    if (array == NULL)
        rte_panic("space-time diagram: out of memory for %u events\n", *max);
    return array;
}

static struct happening *happen(struct spacetime *s, enum happening_kind kind, uint16_t p)
{
    s->happening = grow(s->happening, s->happenings, &s->happenings_max, sizeof s->happening[0]);
    struct happening *h = &s->happening[s->happenings++];
    *h = (struct happening){.kind = (uint8_t)kind, .p = p, .choice = s->choice};
    return h;
}

static struct flight *new_flight(struct spacetime *s)
{
    s->flight = grow(s->flight, s->flights, &s->flights_max, sizeof s->flight[0]);
    return &s->flight[s->flights++];
}

/* ---- what a frame says ----------------------------------------------------------------------- */

/* Who above the link wrote the header of a message: what only passes messages on is passed over. */
static const struct co_class *writer_of(const struct stack *st, uint8_t user)
{
    const struct co *c = user < CO_PORTS_MAX ? st->port[user] : NULL;
    while (c != NULL && c->cls->header_bytes == 0 && c->users == 1 && c->user[0] != st->app)
        c = c->user[0];
    return c != NULL ? c->cls : NULL;
}

static int message_text(const struct stack *st, uint8_t user, struct msg m, char *text, size_t size)
{
    const struct co_class *cls = writer_of(st, user);
    if (cls != NULL && cls->tell != NULL) {
        int n = cls->tell(m, text, size);
        if (n >= 0)
            return n;
    }
    uint64_t v = 0;
    memcpy(&v, msg_data(m), m.len < 8 ? m.len : 8);
    return snprintf(text, size, m.len <= 8 ? "%" PRIu64 : "%" PRIu64 "…", rte_le_to_cpu_64(v));
}

/* The messages of a frame, the first three in words. Returns how many there are. */
static uint32_t frame_text(const struct stack *st, const struct sim_frame *f, char *text,
                           size_t size)
{
    struct frame_self receiver = st->me;
    struct frame header;
    receiver.self = f->to;
    text[0] = '\0';
    if (frame_decode(rte_pktmbuf_mtod(f->pkt, const uint8_t *), f->pkt->data_len, f->pkt->pkt_len,
                     &receiver, &header) >= 0)
        return 0;
    struct frame_cursor c = frame_records(f->pkt, &header);
    struct msg m;
    uint8_t user;
    uint32_t count = 0;
    size_t at = 0;
    while (frame_next_record(&c, &m, &user) > 0) {
        char one[80];
        message_text(st, user, m, one, sizeof one);
        if (count < 3 && at < size)
            at += (size_t)snprintf(text + at, size - at, "%s%s", count > 0 ? ", " : "", one);
        else if (count == 3 && at < size)
            at += (size_t)snprintf(text + at, size - at, " …");
        count++;
    }
    return count;
}

/* ---- watching -------------------------------------------------------------------------------- */

static void on_sent(void *ctx, struct sim_world *w, const struct sim_frame *f, bool lost)
{
    struct spacetime *s = ctx;
    struct happening *h = happen(s, HAPPENS_SEND, f->from);
    h->bare = frame_text(w->proc[f->from].st, f, h->text, sizeof h->text) == 0;
    for (uint32_t i = 0; i <= f->copies; i++) {
        struct flight *l = new_flight(s);
        *l = (struct flight){.sent = s->happenings - 1,
                             .received = FLIGHT_OPEN,
                             .ordinal = f->ordinal + i * SIM_COPY_ORDINAL,
                             .from = f->from,
                             .to = f->to,
                             .lost = lost,
                             .bare = h->bare,
                             .lost_at = s->choice};
    }
    h->flight = s->flights - 1;
}

static struct flight *find_flight(struct spacetime *s, const struct choice *c)
{
    for (uint32_t i = s->flights; i-- > 0;)
        if (s->flight[i].from == c->p && s->flight[i].to == c->q && s->flight[i].ordinal == c->k &&
            s->flight[i].received == FLIGHT_OPEN)
            return &s->flight[i];
    return NULL;
}

static void receive(struct spacetime *s, const struct choice *c)
{
    struct flight *l = find_flight(s, c);
    if (l == NULL)
        return;
    struct happening *h = happen(s, HAPPENS_RECEIVE, c->q);
    memcpy(h->text, s->happening[l->sent].text, sizeof h->text);
    h->bare = l->bare;
    h->flight = (uint32_t)(l - s->flight);
    l->received = s->happenings - 1;
    if (c->kind == CHOICE_DUPLICATE) { /* the frame itself is still on its way */
        struct flight again = *l;
        again.received = FLIGHT_OPEN;
        *new_flight(s) = again;
    }
}

/* Frames to a process that crashes are lost with its InBuf. */
static void crash(struct spacetime *s, uint16_t p)
{
    for (uint32_t i = 0; i < s->flights; i++)
        if (s->flight[i].to == p && s->flight[i].received == FLIGHT_OPEN && !s->flight[i].lost) {
            s->flight[i].lost = true;
            s->flight[i].lost_at = s->choice;
        }
}

/* Whether something comes of the choice, as far as it is drawn (sim_world_apply). */
static bool possible(const struct sim_world *w, const struct choice *c)
{
    switch (c->kind) {
    case CHOICE_DELIVER:
    case CHOICE_ARRIVE:
    case CHOICE_DUPLICATE:
    case CHOICE_CORRUPT:
        return w->proc[c->q].state != SIM_CRASHED;
    case CHOICE_RECOVER:
        return w->proc[c->p].state == SIM_CRASHED && !w->proc[c->p].refused;
    case CHOICE_PAUSE:
        return w->proc[c->p].state == SIM_RUNNING;
    case CHOICE_RESUME:
        return w->proc[c->p].state == SIM_PAUSED;
    default:
        return true;
    }
}

static void on_choice(void *ctx, struct sim_world *w, const struct choice *c)
{
    struct spacetime *s = ctx;
    struct flight *l;
    s->choice = w->steps + 1;
    if (c->p >= w->n || c->q >= w->n || !possible(w, c))
        return;
    switch (c->kind) {
    case CHOICE_DELIVER:
    case CHOICE_ARRIVE:
    case CHOICE_DUPLICATE:
        receive(s, c);
        break;
    case CHOICE_DROP:
    case CHOICE_CORRUPT:
        l = find_flight(s, c);
        if (l != NULL) {
            l->lost = true;
            l->lost_at = s->choice;
        }
        break;
    case CHOICE_RECOVER: /* in front of what its new life does */
        s->recovery = s->happenings;
        snprintf(happen(s, HAPPENS_RECOVERY, c->p)->text, sizeof s->happening[0].text, "recovers");
        break;
    case CHOICE_PAUSE:
    case CHOICE_RESUME:
        snprintf(happen(s, HAPPENS_PAUSE, c->p)->text, sizeof s->happening[0].text,
                 c->kind == CHOICE_PAUSE ? "pauses" : "goes on");
        break;
    default:
        break;
    }
}

/* Only now it is known whether there is a new life. */
static void on_done(void *ctx, struct sim_world *w, const struct choice *c)
{
    struct spacetime *s = ctx;
    if (c->kind != CHOICE_RECOVER || w->proc[c->p].state == SIM_RUNNING)
        return;
    struct happening *h = &s->happening[s->recovery];
    h->kind = HAPPENS_IN_VAIN;
    snprintf(h->text, sizeof h->text, "%s",
             w->proc[c->p].refused ? "stays down: its log is refused" : "recovers in vain");
}

/* A crash falls behind what the step still did, whether it was chosen or a disk failed. */
static void on_crashed(void *ctx, struct sim_world *w, uint16_t p)
{
    struct spacetime *s = ctx;
    snprintf(happen(s, HAPPENS_CRASH, p)->text, sizeof s->happening[0].text, "crash");
    if (!w->needs.disk) /* what is in flight may yet reach its next life */
        crash(s, p);
}

static bool detection(uint16_t type)
{
    uint8_t a = ev_infos[type].abstraction;
    return ev_infos[type].way == EV_WAY_INDICATION &&
           (a == ABS_P || a == ABS_EPFD || a == ABS_OMEGA || a == ABS_LE || a == ABS_EC);
}

static void on_event(void *ctx, struct sim_world *w, struct stack *st, struct co *to,
                     const struct ev *ev)
{
    struct spacetime *s = ctx;
    uint32_t layer = w->border[to->index][ev->type];
    bool top = layer == st->app->use[0]->index + 1u;
    if (layer == 0 || (!top && !detection(ev->type)))
        return;
    enum happening_kind kind = detection(ev->type)                        ? HAPPENS_DETECTION
                               : ev_infos[ev->type].way == EV_WAY_REQUEST ? HAPPENS_REQUEST
                                                                          : HAPPENS_INDICATION;
    struct happening *h = happen(s, kind, st->self);
    ev_text(st, to, ev, h->text, sizeof h->text);
    const char *behind = strchr(h->text, ' '); /* the lane says which process */
    if (behind != NULL)
        memmove(h->text, behind + 1, strlen(behind));
}

void spacetime_attach(struct spacetime *s, struct sim_world *w)
{
    s->w = w;
    w->observer = (struct sim_observer){.event = on_event,
                                        .sent = on_sent,
                                        .choice = on_choice,
                                        .crashed = on_crashed,
                                        .done = on_done,
                                        .ctx = s};
}

void spacetime_detach(struct spacetime *s)
{
    s->w->observer = (struct sim_observer){0};
}

void spacetime_free(struct spacetime *s)
{
    free(s->happening);
    free(s->flight);
}
