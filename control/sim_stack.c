/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim_stack.h"

#include <stdio.h>

#define MS 1000000ull

void sim_conf_default(struct stack_conf *c)
{
#define DEFAULT(field, value) \
    if (c->field == 0)        \
    c->field = (value)
    DEFAULT(flight_msgs, 16);
    DEFAULT(ring_msgs, 256); /* half of it holds what answers a burst of full frames */
    DEFAULT(instances, 16);
    DEFAULT(store_msgs, 64);
    DEFAULT(inbox_events, 4096);
    DEFAULT(frame_records, 4);
    DEFAULT(rto_min_ns, 1 * MS);
    DEFAULT(rto_max_ns, 8 * MS);
    DEFAULT(ack_delay_ns, MS / 10);
    DEFAULT(give_up_ns, UINT64_MAX);
    DEFAULT(heartbeat_ns, 2 * MS);
    DEFAULT(detect_ns, 10 * MS);
#undef DEFAULT
    stack_conf_default(c);
}

bool sim_is_link(uint8_t abstraction)
{
    return abstraction == ABS_FLL || abstraction == ABS_SL || abstraction == ABS_PL ||
           abstraction == ABS_FPL;
}

struct sim_needs sim_needs(const struct stack_def *def)
{
    struct sim_needs needs = {0};
    for (const struct stack_layer *l = def->layers; l->name != NULL; l++) {
        uint8_t a = l->cls->implements;
        needs.synchronous |= a == ABS_P;
        needs.detector |= a == ABS_P || a == ABS_EPFD || a == ABS_OMEGA;
        needs.majority |= l->cls->majority;
        needs.omega |= a == ABS_OMEGA;
        needs.disk |= a == ABS_LOG;
        needs.endless |= a == ABS_SL;
    }
    return needs;
}

static const struct stack_layer *top_layer(const struct stack_def *def)
{
    for (const struct stack_layer *l = def->layers; l->name != NULL; l++)
        if (strcmp(l->name, def->top) == 0)
            return l;
    return NULL;
}

struct sim_app sim_app_of(const struct stack_def *def)
{
    struct sim_app app = {0};
    const struct stack_layer *top = top_layer(def);
    for (uint16_t t = 1; top != NULL && t < EV_TYPES && app.type == 0; t++) {
        const struct ev_info *info = &ev_infos[t];
        if (info->abstraction != top->cls->implements || info->way != EV_WAY_REQUEST ||
            strchr(info->fields, 'm') == NULL)
            continue;
        app.type = t;
        app.to_process = strchr(info->fields, 'p') != NULL;
        app.instance = strchr(info->fields, 'i') != NULL;
        snprintf(app.verb, sizeof app.verb, "%s", info->name);
        for (char *c = app.verb; *c != '\0'; c++)
            *c = *c >= 'A' && *c <= 'Z' ? (char)(*c + 32) : *c;
    }
    return app;
}

/* The application hears every indication and keeps nothing: the checkers and observers do. */
static void upon_anything(struct co *self, const struct ev *ev, uint32_t n)
{
    (void)self, (void)ev, (void)n;
}

static size_t app_sim_bytes(const struct stack_conf *conf)
{
    (void)conf;
    return sizeof(struct co);
}

static struct co_upon app_upon[EV_TYPES + 1];

const struct co_class sim_app_class = {.name = "app_sim",
                                       .title = "the simulator's application",
                                       .implements = ABS_APP,
                                       .bytes = app_sim_bytes,
                                       .upon = app_upon};

void sim_app_prepare(void)
{
    uint32_t u = 0;
    for (uint16_t t = 1; t < EV_TYPES; t++)
        if (ev_infos[t].way == EV_WAY_INDICATION)
            app_upon[u++] = (struct co_upon){t, upon_anything};
}
