/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A whole stack, pl_window under an application, among hostile peers.
 *
 * Input: a row of steps. A step is a byte that says what to do, a length of two bytes and so many
 * bytes of argument:
 *   0  a frame arrives as it is
 *   1  a frame arrives whose version, cluster, receiver and sender are made right, so that what is
 *      behind them is looked at
 *   2  the application sends a message to p0 or p2
 *   3  time passes: as many times 100 us as the length says
 * Every frame is an external buffer of its exact size. Nothing may crash, no invariant may break;
 * what is delivered lies within the frame that has just arrived; all packets return to the pool.
 */
#include "fuzz.h"

#include "dataplane/eal.h"
#include "dataplane/env_sim.h"
#include "protocols/co.h"

#define SELF  1
#define PROCS 3

static struct rte_mempool *pool;
static struct sim sim;
static void *mem;
static const struct stack_def *def;
static struct stack_conf conf;
static const uint8_t *arrived; /* the frame of this step; NULL: none */
static size_t arrived_len;

static size_t app_bytes(const struct stack_conf *c)
{
    (void)c;
    return sizeof(struct co);
}

static void upon_deliver(struct co *self, const struct ev *ev, uint32_t n)
{
    (void)self;
    for (uint32_t i = 0; i < n; i++) {
        struct msg m = ev_msg(&ev[i]);
        const uint8_t *p = msg_data(m);
        uint32_t sum = 0;
        MUST(ev[i].proc < PROCS && ev[i].proc != SELF);
        MUST(arrived != NULL && p >= arrived && p + m.len <= arrived + arrived_len);
        for (uint32_t k = 0; k < m.len; k++)
            sum += p[k];
        __asm__ volatile("" : : "r"(sum)); /* the bytes were read */
    }
}

static void upon_ready(struct co *self, const struct ev *ev, uint32_t n)
{
    (void)self, (void)ev, (void)n;
}

static co_upon_fn *const app_upon[EV_TYPES] =
    {[EV_PL_DELIVER] = upon_deliver, [EV_APP_READY] = upon_ready};
static const struct co_class app_class = {.name = "app",
                                          .title = "reads",
                                          .implements = ABS_APP,
                                          .bytes = app_bytes,
                                          .upon = app_upon};

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    MUST(eal_start_light(64) == 0);
    MUST((pool = eal_pool("fuzz", 2047, 0, 2048)) != NULL);
    MUST(sim_init(&sim, PROCS, pool) == 0);
    conf = (struct stack_conf){.n = PROCS, .self = SELF, .flight_msgs = 16, .ring_msgs = 64};
    stack_conf_default(&conf);
    def = stack_find("pl");
    MUST((mem = aligned_alloc(64, co_wire_bytes(def, &app_class, &conf))) != NULL);
    return 0;
}

static void free_frame(void *buffer, void *info)
{
    free(buffer);
    free(info);
}

/* A packet around an exactly sized buffer. */
static struct rte_mbuf *around(uint8_t *frame, uint16_t len)
{
    struct rte_mbuf *pkt = pkt_alloc(pool);
    struct rte_mbuf_ext_shared_info *info = malloc(sizeof *info);
    MUST(pkt != NULL && info != NULL);
    info->free_cb = free_frame;
    info->fcb_opaque = info;
    rte_mbuf_ext_refcnt_set(info, 1);
    rte_pktmbuf_attach_extbuf(pkt, frame, RTE_BAD_IOVA, len, info);
    pkt->data_off = 0;
    pkt->data_len = len;
    pkt->pkt_len = len;
    return pkt;
}

static void make_believable(uint8_t *frame, uint16_t len)
{
    struct frame_wire *w = (struct frame_wire *)frame;
    if (len < FRAME_BYTES)
        return;
    w->version = FRAME_VERSION;
    w->kind = FRAME_KIND_WINDOW;
    le32_put(w->cluster, conf.cluster);
    le16_put(w->to, SELF);
    le16_put(w->from, w->from[0] & 1 ? 0 : 2);
    le32_put(w->reserved, 0);
    if (w->bytes[3] != 0)
        le32_put(w->bytes, len);
}

static void arrive(struct stack *st, const uint8_t *bytes, uint16_t len, bool believable)
{
    uint8_t *frame = exact_copy(bytes, len);
    if (believable)
        make_believable(frame, len);
    struct rte_mbuf *pkt = around(frame, len);
    struct env *env = &sim.env[0].env;
    env->ops->tx(env, SELF, &pkt, 1);
    sim_deliver(&sim, sim.flights - 1);
    arrived = frame;
    arrived_len = len;
    co_breath(st);
    arrived = NULL;
}

static void step(struct stack *st, uint8_t what, const uint8_t *arg, uint16_t len)
{
    struct co *pl = st->app->use[0];
    switch (what % 4) {
    case 0:
    case 1:
        arrive(st, arg, len, what % 4 == 1);
        break;
    case 2:
        if (co_room(pl) > 0 && len <= 1024) {
            struct msg m = msg_new(st, len);
            memcpy(msg_data(m), arg, len);
            link_send(st->app, pl, EV_PL_SEND, len & 1 ? 0 : 2, m);
        }
        co_breath(st);
        break;
    default:
        sim.env[SELF].now_ns += len * 100000ull;
        co_breath(st);
    }
    while (sim.flights > 0) /* its answers are lost */
        sim_drop(&sim, 0);
    stack_check(st);
    /* Held: the ring of two peers, a slab, and the packets of one breath. */
    MUST(rte_mempool_in_use_count(pool) <= 2 * conf.ring_msgs + 8);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 65536)
        return 0;
    sim_reset(&sim);
    struct stack *st = co_wire(mem, def, &app_class, &conf, &sim.env[SELF].env);
    while (size >= 3) {
        uint16_t len = le16_get(data + 1);
        uint8_t what = data[0];
        data += 3;
        size -= 3;
        uint16_t have = len <= size ? len : (uint16_t)size;
        if (what % 4 == 3)
            have = 0;
        step(st, what, data, what % 4 == 3 ? len : have);
        data += have;
        size -= have;
    }
    stack_fini(st);
    sim_reset(&sim);
    MUST(rte_mempool_in_use_count(pool) == 0);
    return 0;
}
