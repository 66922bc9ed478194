/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Property checkers, one per abstraction. A checker watches the border of one instance (one layer
 * of the stack, at all processes): every request and indication, in the order of the execution. It
 * knows which processes are correct. Safety is judged at once, liveness when the run has ended in a
 * phase in which the network was healed and steps were fair. The same checkers judge simulations
 * and the records of live runs, so they take events, never stacks.
 *
 * A checker may allocate: it is an observer, not a part of a process. One thread.
 */
#ifndef UPON_CHECK_H
#define UPON_CHECK_H

#include "protocols/co.h"

#define CHECK_PROPERTIES_MAX 8

enum check_state {
    CHECK_HOLDS,    /* safety: not violated so far; liveness: every obligation was met */
    CHECK_VIOLATED, /* with a witness */
    CHECK_NOT_YET,  /* liveness: an obligation is open, or the run has not ended; if it did, it was
                       not fair to its end */
    CHECK_UNKNOWN,  /* not covered by what was recorded */
};

/* An event at the border, as a checker sees it. The message is its bytes, borrowed for the call. */
struct check_event {
    uint64_t step; /* of the execution: global and increasing */
    uint64_t time_ns;
    uint16_t at;   /* the process whose border it is */
    uint16_t type; /* enum ev_type */
    uint16_t proc; /* attribute: process */
    uint16_t port; /* links: the user */
    uint64_t inst;
    uint64_t attr;
    const uint8_t *msg;
    uint32_t len;
    bool named;    /* msg is a digest: a witness calls the message by its name instead */
    uint64_t name; /* what its sender calls it */
};

struct check;

struct check_class {
    uint8_t abstraction;
    /* Abstractions whose borders, in the same stack, it is to be given too. ABS_NONE ends them. */
    uint8_t hears[2];
    struct check *(*open)(uint16_t n);
    void (*close)(struct check *c);
    void (*reset)(struct check *c); /* as after open, without allocating where it can */
    void (*event)(struct check *c, const struct check_event *e);
    void (*crash)(struct check *c, uint16_t p, uint64_t step);
    /* p, which had crashed, begins another life: what follows at its border comes from that one.
     * NULL: the abstraction knows no recovery; see check_recover(). */
    void (*recover)(struct check *c, uint16_t p, uint64_t step);
    /* A frame that q sent in its present life, or in a former one, has arrived at p and is given to
     * this layer there: now p has heard of that life. Simulations tell, live runs do not. NULL: it
     * makes no difference. */
    void (*heard)(struct check *c, uint16_t p, uint16_t q, bool present);
    /* From here on the network is healed and steps are fair. NULL: it makes no difference. */
    void (*healed)(struct check *c, uint64_t step);
    /* The run has ended. `fair`: the last phase was healed and fair: open obligations violate. */
    void (*end)(struct check *c, bool fair, uint64_t step);
};

struct check_result {
    const char *code; /* of the property, as in modules.def */
    enum check_state state;
    uint64_t step;     /* at which it was violated */
    char witness[240]; /* one sentence: who, what, and what would have been right */
};

struct check {
    const struct check_class *cls;
    uint16_t n;
    uint16_t results;
    uint32_t violations; /* all of them; only the first of each property is described */
    /* Set by whoever opened it; kept by reset. uc: one correct proposal is enough to oblige
     * everybody to decide, since it is forwarded to the leader (check_uc.c). */
    bool forwarded;
    uint16_t port; /* likewise: of the layer in its stack, the name under which it uses others */
    bool cursor;   /* likewise: ho: its class keeps a cursor in the log (HO4), or none (HO5) */
    uint64_t crashed[PROCS_MAX / 64];   /* bit p: p is faulty; of those that recover: is down */
    uint64_t restarted[PROCS_MAX / 64]; /* bit p: p has crashed and begun another life */
    struct check_result result[CHECK_PROPERTIES_MAX]; /* in the order of modules.def */
};

/* The checker of an abstraction; NULL if there is none. */
const struct check_class *check_find(enum abstraction a);

static inline bool check_correct(const struct check *c, uint16_t p)
{
    return p < c->n && !(c->crashed[p / 64] >> p % 64 & 1);
}

/* Whether p has been up from the beginning until now, in one life. */
static inline bool check_never_crashed(const struct check *c, uint16_t p)
{
    return check_correct(c, p) && !(c->restarted[p / 64] >> p % 64 & 1);
}

/*
 * An event at the border. Where the abstraction knows no recovery, who has crashed is faulty for
 * good: what its further lives request was requested, and what they are told is not judged.
 */
static inline void check_observe(struct check *c, const struct check_event *e)
{
    if (c->cls->recover == NULL && (c->restarted[e->at / 64] >> e->at % 64 & 1) &&
        ev_infos[e->type].way == EV_WAY_INDICATION)
        return;
    c->cls->event(c, e);
}

/* p begins another life: before anything of it is observed. */
static inline void check_recover(struct check *c, uint16_t p, uint64_t step)
{
    c->restarted[p / 64] |= 1ull << p % 64;
    if (c->cls->recover != NULL)
        c->cls->recover(c, p, step);
}

/* Whether its checker wants to be given the events at the border of `a`. */
static inline bool check_hears(const struct check *c, uint8_t a)
{
    return a == c->cls->abstraction ||
           (a != ABS_NONE && (a == c->cls->hears[0] || a == c->cls->hears[1]));
}

static inline void check_healed(struct check *c, uint64_t step)
{
    if (c->cls->healed != NULL)
        c->cls->healed(c, step);
}

#endif
