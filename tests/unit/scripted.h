/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For the tests of consensus: detectors that say what the test tells them to, stacks over them, and
 * a ledger of who proposed and who decided what, which fails the test at the first violation.
 */
#ifndef UPON_SCRIPTED_H
#define UPON_SCRIPTED_H

#include "harness.h"

#include <inttypes.h>

#include "protocols/broadcast/broadcast.h"
#include "protocols/consensus/consensus.h"
#include "protocols/links/links.h"
#include "protocols/log/log.h"
#include "protocols/random.h"

static inline size_t scripted_bytes(const struct stack_conf *conf)
{
    (void)conf;
    return sizeof(struct co);
}

static const struct co_class scripted_omega = {.name = "omega_scripted",
                                               .title = "whatever the test says",
                                               .implements = ABS_OMEGA,
                                               .bytes = scripted_bytes};

static const struct co_class scripted_epfd = {.name = "epfd_scripted",
                                              .title = "whatever the test says",
                                              .implements = ABS_EPFD,
                                              .bytes = scripted_bytes};

static const struct stack_def scripted_ec =
    {.name = "ec",
     .top = "ec",
     .layers = (const struct stack_layer[]){{"pl", &pl_window_class, {NULL}},
                                            {"omega", &scripted_omega, {NULL}},
                                            {"beb", &beb_basic_class, {"pl"}},
                                            {"ec", &ec_leader_based_class, {"omega", "beb", "pl"}},
                                            {0}}};

static const struct stack_def scripted_ep =
    {.name = "ep",
     .top = "ep",
     .layers = (const struct stack_layer[]){{"pl", &pl_window_class, {NULL}},
                                            {"epfd", &scripted_epfd, {NULL}},
                                            {"beb", &beb_basic_class, {"pl"}},
                                            {"ep", &ep_read_write_class, {"beb", "pl", "epfd"}},
                                            {0}}};

static const struct stack_def scripted_lec =
    {.name = "lec",
     .top = "lec",
     .layers = (const struct stack_layer[]){{"log", &log_device_class, {NULL}},
                                            {"pl", &pl_window_class, {NULL}},
                                            {"omega", &scripted_omega, {NULL}},
                                            {"beb", &beb_basic_class, {"pl"}},
                                            {"lec",
                                             &lec_leader_based_class,
                                             {"omega", "beb", "pl", "log"}},
                                            {0}}};

static const struct stack_def scripted_lep =
    {.name = "lep",
     .top = "lep",
     .layers =
         (const struct stack_layer[]){{"log", &log_device_class, {NULL}},
                                      {"pl", &pl_window_class, {NULL}},
                                      {"epfd", &scripted_epfd, {NULL}},
                                      {"beb", &beb_basic_class, {"pl"}},
                                      {"lep", &lep_read_write_class, {"beb", "pl", "epfd", "log"}},
                                      {0}}};

static const struct stack_def scripted_uc =
    {.name = "uc",
     .top = "uc",
     .layers =
         (const struct stack_layer[]){{"pl", &pl_window_class, {NULL}},
                                      {"epfd", &scripted_epfd, {NULL}},
                                      {"omega", &scripted_omega, {NULL}},
                                      {"beb.ec", &beb_basic_class, {"pl"}},
                                      {"ec", &ec_leader_based_class, {"omega", "beb.ec", "pl"}},
                                      {"beb.ep", &beb_basic_class, {"pl"}},
                                      {"ep", &ep_read_write_class, {"beb.ep", "pl", "epfd"}},
                                      {"uc", &uc_leader_driven_class, {"ec", "ep", "pl"}},
                                      {0}}};

/* p's Ω trusts q from now on. */
static inline void script_trust(struct world *w, uint16_t p, uint16_t q)
{
    indicate(stack_co(w->st[p], "omega"), ev_make(EV_OMEGA_TRUST, q, 0, 0, MSG_NONE));
}

static inline void script_suspect(struct world *w, uint16_t p, uint16_t q, bool suspect)
{
    indicate(stack_co(w->st[p], "epfd"),
             ev_make(suspect ? EV_EPFD_SUSPECT : EV_EPFD_RESTORE, q, 0, 0, MSG_NONE));
}

/* All that live suspect who crashed, restore the others, and trust the first of these. */
static inline void script_stable(struct world *w)
{
    uint16_t leader = 0;
    while (w->crashed[leader])
        leader++;
    for (uint16_t p = 0; p < w->n; p++) {
        for (uint16_t q = 0; q < w->n; q++)
            if (!w->crashed[p])
                script_suspect(w, p, q, w->crashed[q]);
        if (!w->crashed[p])
            script_trust(w, p, leader);
    }
}

/* ---- the ledger ------------------------------------------------------------------------------ */

#define LEDGER_INSTS 2048
#define LEDGER_PROCS 8

/* What process p proposes for an instance. Never 0. */
static inline uint64_t proposal_of(uint16_t p, uint64_t inst)
{
    return (uint64_t)(p + 1) << 32 | inst;
}

struct ledger {
    uint64_t value[LEDGER_INSTS]; /* decided; 0: none */
    uint8_t proposed[LEDGER_INSTS][LEDGER_PROCS];
    uint8_t decided[LEDGER_INSTS][LEDGER_PROCS]; /* the last life in which it did; 0: never */
};

static inline bool ledger_speaks(enum ev_type type)
{
    return type == EV_UC_DECIDE || type == EV_EP_DECIDE || type == EV_EP_LEARN ||
           type == EV_LEP_DECIDE || type == EV_LEP_LEARN;
}

/* Read the new indications of all probes: what is decided was proposed for that instance, nobody
 * decides twice in one life, and all decide the same. */
static inline void ledger_read(struct ledger *l, struct world *w)
{
    for (uint32_t i = 0; i < w->seens; i++) {
        const struct seen *e = &w->seen[i];
        uint16_t p = w->seen_by[i];
        if (!ledger_speaks(e->type))
            continue;
        uint16_t from = (uint16_t)((e->value >> 32) - 1);
        if (e->inst >= LEDGER_INSTS || e->value != proposal_of(from, e->inst) || from >= w->n ||
            !l->proposed[e->inst][from])
            fail_msg("p%u decides %" PRIx64 " in %" PRIu64 ": nobody proposed it", p, e->value,
                     e->inst);
        if (l->decided[e->inst][p] >= e->life)
            fail_msg("p%u decides twice in %" PRIu64, p, e->inst);
        if (l->value[e->inst] != 0 && l->value[e->inst] != e->value)
            fail_msg("p%u decides %" PRIx64 " in %" PRIu64 ", and another process %" PRIx64, p,
                     e->value, e->inst, l->value[e->inst]);
        l->value[e->inst] = e->value;
        l->decided[e->inst][p] = (uint8_t)e->life;
    }
    w->seens = 0;
}

static inline void ledger_propose(struct ledger *l, struct world *w, uint16_t p, uint64_t inst,
                                  enum ev_type type)
{
    l->proposed[inst][p] = 1;
    world_request(w, p, type, 0, inst, world_msg(w, p, proposal_of(p, inst), 16));
}

/* Every process that lives has decided instances [0, end). */
static inline void ledger_all_decided(struct ledger *l, struct world *w, uint64_t end,
                                      const char *when)
{
    ledger_read(l, w);
    for (uint64_t i = 0; i < end; i++)
        for (uint16_t p = 0; p < w->n; p++)
            if (!w->crashed[p] && !l->decided[i][p])
                fail_msg("%s: p%u of %u has not decided %" PRIu64, when, p, w->n, i);
}

#endif
