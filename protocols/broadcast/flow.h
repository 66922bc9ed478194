/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What reliable and uniform broadcasts share: names of messages, and the window that bounds memory.
 *
 * A message is named by its origin and its number there, counted from 0. Each process keeps, per
 * origin, a floor, below which all is finished here, and rows for a window of `store_msgs` numbers
 * from the floor on. A number below the floor belongs to a message that was delivered: what still
 * comes of it (the relays of slower processes) is ignored.
 *
 * The rule that makes a window enough: now and then every process tells its floors, and an origin
 * broadcasts number k only when every process that it waits for has told a floor above
 * k − window. So whatever arrives finds a row, by whichever link and in whatever order it comes,
 * since its origin knew of that row before it sent. room() is how many numbers the rule leaves.
 *
 * Where everybody relays, a floor rises over a message only when all its relays have come. So a
 * link never holds more than the windows of n origins, and the window is made so small that these
 * fill a quarter of its ring: the link never has to refuse what arrives for want of space for the
 * relays that it would cause. That matters: two processes that refuse each other's messages since
 * their rings are full of messages to each other would wait for ever.
 *
 * Whom an origin waits for is everybody, less the crashed. Where there is P, it says who. Without
 * it nothing tells a crashed process from a slow one, and bounded memory has its price: a process
 * that says nothing whatever for `give_up_ns`, while half of the window waits for it, is given up,
 * as pl_window gives it up; it is counted. One that was alive after all is waited for again when
 * the floor that it tells is inside the window; if it is not, then it lacks messages for good, and
 * is to be treated as crashed. With give_up_ns = UINT64_MAX nobody is ever given up, and without P
 * a crash stops the sources once their window is used up.
 */
#ifndef UPON_FLOW_H
#define UPON_FLOW_H

#include "protocols/post.h"
#include "protocols/view.h"

#include <assert.h>

enum flow_kind {
    FLOW_DATA = 1, /* [DATA origin number]: a message, whole */
    FLOW_FLOOR,    /* [FLOOR origin floor]: its sender has finished all of origin below floor */
};

struct flow_wire {
    uint8_t kind;      /* enum flow_kind */
    uint8_t reserved;  /* 0 */
    uint8_t origin[2]; /* rank */
    uint8_t number[8]; /* of the message, or the floor; below FLOW_NUMBER_MAX */
};
static_assert(sizeof(struct flow_wire) == 12, "the layout is the protocol");

#define FLOW_HEADER_BYTES ((uint16_t)sizeof(struct flow_wire))
#define FLOW_NUMBER_MAX   (UINT64_MAX / 2) /* so that no sum of numbers wraps */

/* A header, decoded. */
struct flow_id {
    uint64_t number;
    uint16_t origin;
    uint8_t kind;
};

/* An origin's own side. */
struct flow {
    uint64_t next;     /* number of our next message */
    uint64_t waited;   /* whose floors bound it */
    uint64_t given_up; /* who was silent for too long; disjoint from `waited` */
    uint64_t heard;    /* who was heard of since the alarm was armed */
    uint32_t window;   /* numbers that may be open at once: store_msgs or less */
    struct timer alarm;
    uint64_t floor[PSET_PROCS]; /* of our messages, as each process told */
};

/* All processes, as a set. */
static inline uint64_t flow_everybody(uint16_t n)
{
    return UINT64_MAX >> (64 - n);
}

void flow_init(struct co *self, struct flow *f);

/* co_class.unasked of whoever relays: of each origin, whose window is one message at least, that
 * message and our floor. */
uint32_t flow_unasked(const struct stack_conf *conf);

/* The lowest of the floors of a set of processes; UINT64_MAX if it is empty. */
static inline uint64_t flow_lowest(const uint64_t *floor, uint64_t set)
{
    uint64_t low = UINT64_MAX;
    for (; set != 0; set &= set - 1) {
        uint64_t at = floor[__builtin_ctzll(set)];
        low = at < low ? at : low;
    }
    return low;
}

/* Messages that may be broadcast now. */
static inline uint32_t flow_room(const struct flow *f)
{
    uint64_t open = f->next - flow_lowest(f->floor, f->waited); /* we always wait for ourselves */
    return open < f->window ? (uint32_t)(f->window - open) : 0;
}

/* Name messages of our user and hand them to beb. More of them than room() said is a bug. */
void flow_broadcast(struct co *self, struct flow *f, struct co *beb, const struct ev *ev,
                    uint32_t n);

/* In a stack without P: whose floor keeps half of our window waiting, ourselves left out. */
uint64_t flow_laggards(const struct co *self, const struct flow *f);

/* Watch for signs of life of `late` processes, if any, unless that is being done. */
void flow_watch(struct co *self, struct flow *f, uint64_t late);

/* upon ⟨Timeout⟩ of the alarm that flow_watch() arms: give up those of `late` who were silent,
 * and return them. */
uint64_t flow_timeout(struct co *self, struct flow *f, uint64_t late);

/* P says that p has crashed. */
static inline void flow_crashed(struct flow *f, uint16_t p)
{
    f->waited &= ~(1ull << p);
}

/* Process p tells its floor for our messages. What it cannot know is dropped and counted. */
void flow_told(struct co *self, struct flow *f, uint16_t p, uint64_t floor);

/* Tell everybody our floor for the messages of `origin`. */
void flow_tell_floor(struct co *self, struct co *beb, uint16_t origin, uint64_t floor);

/* Read and strip the header of a message; false, and counted, if it is none of ours. */
static inline bool flow_decode(struct co *self, struct msg *m, struct flow_id *id)
{
    const struct flow_wire *w = msg_pull(m, FLOW_HEADER_BYTES);
    if (likely(w != NULL)) {
        *id = (struct flow_id){le64_get(w->number), le16_get(w->origin), w->kind};
        if (likely(id->origin < self->st->n && id->number < FLOW_NUMBER_MAX && w->reserved == 0 &&
                   (id->kind == FLOW_DATA || (id->kind == FLOW_FLOOR && m->len == 0))))
            return true;
    }
    co_count(self, COUNT_drop_message, 1);
    return false;
}

/*
 * The place of a message in a window of `window` numbers from `floor` on: whether it has a row.
 * It has none when it is finished, or beyond the window, or claims to be ours and was never sent;
 * the latter two are counted.
 */
static inline bool flow_has_row(struct co *self, const struct flow *f, struct flow_id id,
                                uint64_t floor)
{
    if (unlikely(id.origin == self->st->self && id.number >= f->next)) {
        co_count(self, COUNT_drop_message, 1);
        return false;
    }
    if (likely(id.number - floor < f->window))
        return true;
    if (unlikely(id.number > floor))
        co_count(self, COUNT_drop_early, 1);
    return false;
}

void flow_check(const struct co *self, const struct flow *f);
/* If half of our window is open: who keeps it so. */
void flow_post(const struct co *self, const struct flow *f, struct co_post *p);

void flow_show(const struct co *self, const struct flow *f, struct view *v);

/* A message in a trace: [DATA p0 17 payload] or [FLOOR p0 32]. */
int flow_tell(struct msg m, char *text, size_t size);

#endif
