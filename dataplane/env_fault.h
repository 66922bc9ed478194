/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The fault engine at the edge of a live process: an environment over another one. While no rule is
 * armed and nothing is held back, the stack uses the environment below, and this one costs nothing:
 * who arms a rule swaps them, between two breaths.
 *
 * Everything is decided where a frame is sent, by the rules of fault.h and the number of the frame
 * on its edge since the process began to count (when its first rule was armed). What is delayed
 * waits here, in a bounded store by due time; what does not fit is lost and counted. A frame is
 * never copied to be delayed, lost or let pass; a second one shares the bytes of the first.
 *
 * Heartbeats alone are another matter: they share frames, sequence numbers and acknowledgements with
 * all else. They are taken out where they arrive, and handed to their users later.
 */
#ifndef UPON_ENV_FAULT_H
#define UPON_ENV_FAULT_H

#include "env.h"
#include "fault.h"
#include "frame.h"

/* No user of a link has this port: a record for it is counted as drop_user, and goes nowhere. */
#define ENV_FAULT_PORT_NOBODY 255

/* Send a packet whose bit `bit`, counted from the frame header, is flipped on its way. */
typedef void env_fault_flip_fn(struct env *env, uint16_t peer, struct rte_mbuf *pkt, uint32_t bit);

struct env_fault_conf {
    struct frame_self me;
    uint64_t seed;
    uint32_t heartbeat_ports; /* bit: port of a detector, whose records class=heartbeat means */
    bool watches; /* it is in use from the first frame on: no heartbeat that came before a rule did,
                     and is sent again under it, is had twice */
    uint32_t held_max;       /* frames that can be held back */
    env_fault_flip_fn *flip; /* NULL: the edge itself verifies the sum that UDP carries */
};

#define ENV_FAULT_LATES_MAX  256 /* messages of detectors that are held back */
#define ENV_FAULT_LATE_BYTES 32  /* longest of them; what is longer is not held back */

/* A message of a detector that was held back where it arrived. */
struct env_fault_late {
    uint64_t due_ns; /* UINT64_MAX: when no rule for heartbeats is armed any more */
    uint16_t from;
    uint8_t port;
    uint8_t len;
    uint8_t kind; /* of its frame: which link it belongs to */
    uint8_t bytes[ENV_FAULT_LATE_BYTES];
};

/* A record of a link that numbers them: what is sent again must not be had twice. */
struct env_fault_name {
    uint64_t number;
    uint32_t incarnation; /* of its sender */
    uint16_t from;
};

struct env_fault_held {
    uint64_t due_ns;
    uint64_t number; /* of frames with one due time the first comes first */
    struct rte_mbuf *pkt;
    uint16_t peer;
};

struct env_fault {
    struct env env; /* what the stack uses while rules are armed */
    struct env *below;
    struct env_fault_conf conf;
    struct fault_engine engine;
    struct env_fault_held *held; /* a binary heap, the earliest first */
    uint32_t helds;
    uint64_t next_number;
    uint32_t touching[PSET_PROCS]; /* armed rules that can befall a frame to this peer */
    uint64_t ordinal[PSET_PROCS];  /* of the next frame to it */
    uint64_t full_ns[FAULT_RULES_MAX][PSET_PROCS]; /* buckets of rates */
    uint32_t for_heartbeats;                       /* armed rules of that class */
    uint64_t arrived[PSET_PROCS];                  /* frames looked at, by sender */
    uint64_t named;
    struct env_fault_name name[ENV_FAULT_LATES_MAX]; /* the last that were seen, in turn */
    uint32_t lates;
    struct env_fault_late late[ENV_FAULT_LATES_MAX]; /* in the order of arrival */
};

/* Over `below`, no rule armed. Allocates the store; 0 or −ENOMEM. */
int env_fault_init(struct env_fault *f, struct env *below, const struct env_fault_conf *conf);

/* Release what is held, free the store. */
void env_fault_fini(struct env_fault *f);

/* Arm the rule under number i < FAULT_RULES_MAX, in place of the one that has it. Its time window
 * is in the environment's time. */
void env_fault_arm(struct env_fault *f, uint32_t i, const struct fault_rule *rule);
void env_fault_disarm(struct env_fault *f, uint32_t i);
void env_fault_clear(struct env_fault *f);

/* Whether the stack can as well use the environment below. */
static inline bool env_fault_idle(const struct env_fault *f)
{
    return f->engine.armed == 0 && f->helds == 0 && f->lates == 0;
}

/* Take a detector's message that was held back for long enough: its user is to have it now. False:
 * there is none. */
bool env_fault_late(struct env_fault *f, struct env_fault_late *late);

/* When the next of them is to be had; UINT64_MAX: none is held back, or not until a rule ends. */
uint64_t env_fault_late_ns(const struct env_fault *f);

/* The process has crashed: nothing is held back for it, and nothing has been seen by it. */
static inline void env_fault_forget_late(struct env_fault *f)
{
    f->lates = 0;
    f->named = 0;
}

/* Send what is due: the network goes on while its process does not. */
void env_fault_poll(struct env_fault *f);

#endif
