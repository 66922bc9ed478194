/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The book's variable `delivered`, on stable storage and in bounded memory: what the logged links
 * and broadcasts share.
 *
 * A message is log-delivered at the moment at which its record is on stable storage. Log-deliveries
 * have positions, 0, 1, 2 …, which survive crashes. ⟨…, Deliver | i, p, m⟩ tells the layer above of
 * the one at position i; after a recovery it is told again of all that it has not released, in order,
 * under the same positions: that is no second log-delivery. ⟨…, Release | a⟩ says that it needs
 * none below a any more. What is not released takes room here, and in the end stops what sends.
 *
 * A release is not stored: no more than `rows` log-deliveries are ever unreleased, so a recovery
 * that finds position i knows that all up to i − rows were released. The others are told of again;
 * the layer above knows its own position (handover_cursor) or its messages (handover_redeliver).
 */
#ifndef UPON_DELIVERIES_H
#define UPON_DELIVERIES_H

#include "log.h"
#include "protocols/view.h"

#include <assert.h>

/* Names of records: what it is, of which process, and a number. */
enum record_kind {
    RECORD_DELIVERED = 1, /* a log-delivery: position; the message, whole */
    RECORD_FLOOR,         /* what has been delivered of a process, without gaps and beyond */
    RECORD_PENDING,       /* a message seen, not yet delivered; whole */
    RECORD_POSITION,      /* where to go on */
    RECORD_ROWS,          /* accepted values of instances */
    RECORD_DECIDED,       /* runs of decided instances */
    RECORD_EPOCH,         /* timestamps */
};

#define RECORD_NUMBER_MAX ((1ull << 48) - 1)

static inline uint64_t record_name(enum record_kind kind, uint16_t p, uint64_t number)
{
    assert(number <= RECORD_NUMBER_MAX);
    return (uint64_t)kind << 60 | (uint64_t)p << 48 | number;
}

static inline enum record_kind record_kind(uint64_t name)
{
    return (enum record_kind)(name >> 60);
}

static inline uint16_t record_proc(uint64_t name)
{
    return (uint16_t)(name >> 48 & 0xfff);
}

static inline uint64_t record_number(uint64_t name)
{
    return name & RECORD_NUMBER_MAX;
}

/* What stands in front of a message of a logged link or broadcast: its name. */
enum name_kind {
    NAME_DATA = 1, /* [DATA origin incarnation number] and the message */
    NAME_STORED,   /* [STORED origin incarnation number]: the sender has stored all below number */
};

struct name_wire {
    uint8_t kind;
    uint8_t user; /* links: port of the component above */
    uint8_t origin[2];
    uint8_t incarnation[4]; /* of the origin, where its numbers begin anew with each life */
    uint8_t number[8];
};
static_assert(sizeof(struct name_wire) == 16, "the layout is the protocol");
#define NAME_BYTES ((uint16_t)sizeof(struct name_wire))

struct name {
    uint64_t number;
    uint32_t incarnation;
    uint16_t origin;
    uint8_t kind;
    uint8_t user;
};

static inline void name_put(void *at, struct name x)
{
    struct name_wire *w = (struct name_wire *)at;
    w->kind = x.kind;
    w->user = x.user;
    le16_put(w->origin, x.origin);
    le32_put(w->incarnation, x.incarnation);
    le64_put(w->number, x.number);
}

/* Read and strip a name; false, and counted, if it is none. */
bool name_get(struct co *self, struct msg *m, struct name *x);

/* For a trace. */
int name_tell(struct msg m, char *text, size_t size);

/* ---- the ring of log-deliveries -------------------------------------------------------------- */

struct delivery {
    struct rte_mbuf *seg; /* the message with its name, held */
    uint16_t off;
    uint16_t len;
    uint16_t proc;
    uint8_t user;
    bool released;
    uint32_t incarnation;
    uint64_t number;
};

struct deliveries {
    uint64_t held;   /* rows below have given their message back */
    uint64_t first;  /* rows below are released */
    uint64_t stored; /* rows below are log-delivered */
    uint64_t next;
    uint32_t mask;
    struct delivery *row;
};

/* Log-deliveries that may be unreleased at a time. */
static inline uint32_t deliveries_rows(const struct stack_conf *conf)
{
    return conf->store_msgs >= 4 ? conf->store_msgs / 4 : 1;
}

static inline struct delivery *delivery_at(const struct deliveries *d, uint64_t position)
{
    return &d->row[position & d->mask];
}

static inline struct msg delivery_msg(const struct delivery *r)
{
    return (struct msg){r->seg, r->off, r->len};
}

static inline uint32_t deliveries_room(const struct deliveries *d)
{
    return d->mask + 1 - (uint32_t)(d->next - d->held);
}

void deliveries_init(struct deliveries *d, const struct stack_conf *conf, struct delivery *rows);

/* Take the next position for a message (with its name), which is held. There must be room. */
uint64_t deliveries_add(struct deliveries *d, uint16_t proc, const struct name *x,
                        struct msg whole);

/* A record of a position was found. False: it is known already, or was released. */
bool deliveries_found(struct deliveries *d, uint64_t position, uint16_t proc, const struct name *x,
                      struct msg whole);

/* Nothing below `position` is needed any more, and nothing at all if there is no row above. */
void deliveries_begin_at(struct deliveries *d, uint64_t position);

/* upon ⟨…, Release | a⟩ by the user of that port; UINT8_MAX: of whichever. */
void deliveries_release(struct co *self, struct deliveries *d, uint64_t a, uint8_t user);

/* The end of the breath: give back the messages of released rows. */
void deliveries_flush(struct deliveries *d);

void deliveries_fini(struct deliveries *d);
void deliveries_check(const struct deliveries *d);
void deliveries_show(const struct deliveries *d, struct view *v);

#endif
