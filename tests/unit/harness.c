/* SPDX-License-Identifier: BSD-3-Clause */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>

#include "dataplane/eal.h"

static struct rte_mempool *pool;

void harness_start(void)
{
    if (eal_start_light(256) != 0 || (pool = eal_pool("harness", 16383, 0, 9216)) == NULL) {
        fprintf(stderr, "EAL does not start\n");
        exit(2);
    }
}

struct rte_mempool *harness_pool(void)
{
    return pool;
}

/* ---- the probe ------------------------------------------------------------------------------- */

struct probe {
    struct co co;
    struct world *world;
};

static size_t probe_bytes(const struct stack_conf *conf)
{
    (void)conf;
    return sizeof(struct probe);
}

static void upon_anything(struct co *self, const struct ev *ev, uint32_t n)
{
    struct world *w = ((struct probe *)self)->world;
    for (uint32_t i = 0; i < n; i++) {
        if (w->seens == SEEN_MAX)
            fail_msg("the probe saw more than %d indications", SEEN_MAX);
        uint64_t value = 0;
        if (ev[i].seg != NULL && ev[i].len >= 8)
            value = le64_get(msg_data(ev_msg(&ev[i])));
        w->seen_by[w->seens] = self->st->self;
        w->seen[w->seens++] = (struct seen){ev[i].type,
                                            ev[i].proc,
                                            ev[i].len,
                                            ev[i].inst,
                                            ev[i].attr,
                                            value,
                                            self->st->conf.incarnation};
    }
}

/* The probe handles every indication there is. */
static co_upon_fn *probe_upon[EV_TYPES];

static const struct co_class probe_class = {.name = "probe",
                                            .title = "recording probe",
                                            .implements = ABS_APP,
                                            .bytes = probe_bytes,
                                            .upon = probe_upon};

/* ---- the world ------------------------------------------------------------------------------- */

static bool has_log(const struct stack_def *def)
{
    for (const struct stack_layer *l = def->layers; l->name != NULL; l++)
        if (l->cls->implements == ABS_LOG)
            return true;
    return false;
}

static void wire(struct world *w, uint16_t p, const struct stack_def *def,
                 const struct stack_conf *conf)
{
    char why[256];
    w->st[p] = co_wire(w->mem[p], def, &probe_class, conf, &w->sim.env[p].env);
    ((struct probe *)w->st[p]->app)->world = w;
    if (stack_recover(w->st[p], why, sizeof why) != 0)
        fail_msg("%s", why);
}

static void make_disk(struct world *w, uint16_t p, const struct stack_conf *conf)
{
    const struct log_shape shape = {4, 256 * 1024};
    w->disk[p] = disk_sim_new(shape, 4, 64 * 1024);
    assert_non_null(w->disk[p]);
    w->sim.env[p].env.disk = &w->disk[p]->disk;
    struct log_id id = {conf->cluster, p};
    assert_int_equal(log_format(&w->disk[p]->disk, id, shape), 0);
}

void world_start(struct world *w, const struct stack_def *def, uint16_t n,
                 const struct stack_conf *conf)
{
    for (uint16_t t = 1; t < EV_TYPES; t++)
        if (ev_infos[t].way == EV_WAY_INDICATION)
            probe_upon[t] = upon_anything;
    memset(w, 0, sizeof *w);
    w->random = random_seeded(1, 0);
    w->n = n;
    w->pool = pool;
    w->pool_full = rte_mempool_avail_count(pool);
    assert_int_equal(sim_init(&w->sim, n, pool), 0);
    for (uint16_t p = 0; p < n; p++) {
        struct stack_conf c = conf != NULL ? *conf : (struct stack_conf){0};
        char why[256];
        c.n = n;
        c.self = p;
        if (c.inbox_events == 0)
            c.inbox_events = 4096;
        stack_conf_default(&c);
        if (co_check_wiring(def, &probe_class, &c, why, sizeof why) != 0)
            fail_msg("%s", why);
        w->mem[p] = aligned_alloc(64, co_wire_bytes(def, &probe_class, &c));
        if (has_log(def))
            make_disk(w, p, &c);
        wire(w, p, def, &c);
    }
}

void world_end(struct world *w)
{
    for (uint16_t p = 0; p < w->n; p++) {
        stack_fini(w->st[p]);
        free(w->mem[p]);
        if (w->disk[p] != NULL)
            disk_sim_free(w->disk[p]);
    }
    sim_fini(&w->sim);
    assert_int_equal(rte_mempool_avail_count(w->pool), w->pool_full);
}

struct msg world_msg(struct world *w, uint16_t p, uint64_t value, uint32_t bytes)
{
    struct msg m = msg_new(w->st[p], bytes);
    memset(msg_data(m), (int)value, bytes);
    le64_put(msg_data(m), value);
    return m;
}

void world_request(struct world *w, uint16_t p, enum ev_type type, uint16_t proc, uint64_t inst,
                   struct msg m)
{
    struct co *top = w->st[p]->app->use[0];
    uint8_t abs = top->cls->implements;
    if (abs == ABS_FLL || abs == ABS_SL || abs == ABS_PL || abs == ABS_FPL || abs == ABS_LPL)
        inst = w->st[p]->app->port; /* a link delivers to its user's port */
    trigger(top, ev_make(type, proc, inst, 0, m));
}

void world_step(struct world *w, uint16_t p)
{
    if (w->crashed[p])
        return;
    co_breath(w->st[p]);
    if (w->disk[p] != NULL && !w->disks_held && w->disk[p]->writes > 0) {
        while (w->disk[p]->writes > 0)
            disk_sim_finish(w->disk[p], 0, DISK_KEEPS, NULL, NULL);
        co_breath(w->st[p]);
    }
    stack_check(w->st[p]);
}

void world_deliver(struct world *w, uint32_t k)
{
    uint16_t to = w->sim.flight[k].to;
    if (w->crashed[to]) {
        sim_drop(&w->sim, k);
        return;
    }
    sim_deliver(&w->sim, k);
    world_step(w, to);
}

void world_settle(struct world *w)
{
    for (uint16_t p = 0; p < w->n; p++)
        world_step(w, p);
    while (w->sim.flights > 0)
        world_deliver(w, 0);
}

void world_run(struct world *w, uint64_t ns)
{
    const uint64_t slice = 1 << 18;
    for (uint64_t t = 0; t < ns; t += slice) {
        for (uint16_t p = 0; p < w->n; p++)
            w->sim.env[p].now_ns += slice;
        world_settle(w);
    }
}

void world_crash(struct world *w, uint16_t p)
{
    w->crashed[p] = true;
}

static bool keep_sector(void *ctx)
{
    return random_below(&((struct world *)ctx)->random, 2) == 0;
}

void world_restart(struct world *w, uint16_t p)
{
    const struct stack_def *def = w->st[p]->def;
    struct stack_conf conf = w->st[p]->conf;
    struct env_sim *e = &w->sim.env[p];
    stack_fini(w->st[p]);
    while (e->ins > 0)
        rte_pktmbuf_free(e->in[--e->ins]);
    if (w->disk[p] != NULL)
        disk_sim_crash(w->disk[p], keep_sector, w);
    conf.incarnation++;
    w->crashed[p] = false;
    wire(w, p, def, &conf);
}

uint32_t world_lose(struct world *w, uint16_t from, uint16_t to)
{
    uint32_t lost = 0;
    for (uint32_t k = 0; k < w->sim.flights;) {
        const struct sim_frame *f = &w->sim.flight[k];
        if ((from == UINT16_MAX || f->from == from) && (to == UINT16_MAX || f->to == to)) {
            sim_drop(&w->sim, k);
            lost++;
        } else {
            k++;
        }
    }
    return lost;
}

uint32_t world_count(const struct world *w, uint16_t p, enum ev_type type, uint16_t proc,
                     uint64_t value)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < w->seens; i++)
        if (w->seen_by[i] == p && w->seen[i].type == type && w->seen[i].value == value &&
            (proc == UINT16_MAX || w->seen[i].proc == proc))
            n++;
    return n;
}

uint32_t world_count_type(const struct world *w, uint16_t p, enum ev_type type)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < w->seens; i++)
        n += w->seen_by[i] == p && w->seen[i].type == type;
    return n;
}
