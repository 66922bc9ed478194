/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What epoch consensus keeps: the state that ep_read_write.c works on, lep_read_write.c takes to
 * stable storage and brings back, and ep_show.c tells of.
 */
#ifndef UPON_EP_ROWS_H
#define UPON_EP_ROWS_H

#include "ep_wire.h"

#include "protocols/co.h"
#include "protocols/post.h"
#include "protocols/view.h"

#define NOBODY UINT16_MAX

enum { USE_BEB, USE_PL, USE_EPFD, USE_LOG };

enum {
    ROW_DECIDED = 1, /* and indicated */
    ROW_TOLD = 2,    /* DECIDED has come, of epoch told_ts, before its value, or its record */
    ROW_LED = 4,     /* leader: its WRITE of this epoch has been sent */
    ROW_CHOSEN = 8,  /* leader: a majority accepted; DECIDED has been sent */
    ROW_AGAIN = 16,  /* lep: an older value is on its way to stable storage, this one follows */
};

struct row {
    struct rte_mbuf *seg; /* val, held; NULL: ⊥ */
    uint16_t off;
    uint16_t len;
    uint8_t flags;
    uint8_t front;     /* lep: bytes of the message that told of val, in front of it */
    uint16_t prop_off; /* leader: a proposal that waits for its WRITE, held */
    uint64_t valts;
    uint64_t told_ts;
    uint64_t accepted; /* leader: who sent ACCEPT in this epoch */
    struct rte_mbuf *prop_seg;
    uint16_t prop_len;
    uint16_t storing; /* lep: 1 while a record of the value is on its way to stable storage */
    uint8_t pad2[12];
};
static_assert(sizeof(struct row) == 64, "a row to a cache line");

/* Consecutive instances that wait to be told of, in one call of a handler. */
struct run {
    uint64_t first;
    uint32_t count;
};

/* What is known of a process. */
struct peer {
    uint64_t done;     /* the highest that it told */
    uint64_t read_ets; /* its READ for an epoch that we have not started; 0: none */
    uint64_t read_from;
    uint16_t read_round;
    uint32_t states;     /* leader: STATEs that came */
    uint32_t states_all; /* leader: as many as its END says, or COUNT_OPEN */
    uint64_t again;      /* leader: what it lost, or had no row for, is sent again, from here … */
    uint64_t again_end;  /* … to here */
};

struct ep {
    struct co co;
    struct co *log;     /* lep; NULL: ep */
    bool recovered;     /* lep: this is not the first life */
    bool resumed;       /* lep: the epoch is of an earlier life, and we do not lead it any more */
    bool sure_asked;    /* lep: a record of done is on its way */
    bool stored;        /* lep: this call stores a value: a record of done costs no write more */
    uint64_t stored_at; /* lep: ns: when it stored one last */
    uint64_t sure_next; /* lep: the done that it tells */
    uint64_t sure;      /* lep: done, on stable storage */
    uint64_t released;  /* lep: our user needs no decision before it */
    uint64_t ets;
    uint16_t leader;
    bool active;        /* not aborted */
    bool ready;         /* leader: a majority has been read */
    uint32_t mask;      /* rows − 1 */
    uint32_t window;    /* instances from stable on that a leader writes */
    uint64_t floor;     /* rows are [floor, floor + rows); all before it is decided and recycled */
    uint64_t kept;      /* rows before it take nothing more: floor; or more, till the breath ends */
    uint64_t stable;    /* everybody who is not suspected has decided all before it */
    uint64_t done;      /* we have decided all before it */
    uint64_t told;      /* done, as we told it last */
    uint64_t top;       /* no row from here on has a value or a proposal */
    uint64_t scan;      /* leader: all before it that could be written has been */
    uint64_t over;      /* leader: its quorum has recycled the rows before it */
    uint16_t round;     /* leader: how often it has read in this epoch */
    bool again;         /* leader: something is to be sent again to somebody */
    bool unheard;       /* leader: an answer went beyond its rows; it has to read again */
    uint64_t read_from; /* leader: its floor when it read */
    uint64_t suspected; /* by ◇P */
    uint64_t heard;     /* leader: who told its done in this epoch */
    uint64_t passed;    /* leader: who gets nowhere, and is not waited for */
    uint64_t relived;   /* who told of another life, and since then of no decision more */
    uint64_t answered;  /* leader: who answered READ in full */
    /* Answering a READ. */
    uint64_t answer_at;
    uint64_t answer_end;
    uint32_t answer_count;
    uint16_t answer_round; /* the last one that we answered, or are about to */
    bool answering;
    struct timer timer;
    struct timer rest;     /* lep: what is decided and not stored waits for it at most */
    struct timer patience; /* left behind: when it is over, what we lack is given up */
    uint64_t behind;       /* stable, when it was armed */
    uint64_t gap_from;     /* the first that was given up in this life */
    bool gap;              /* something was */
    struct timer hold;     /* leader: when it is over, stable is to have moved … */
    uint64_t held;         /* … from here */
    bool lost;         /* a message was too far ahead for our rows: it is to be sent again … */
    uint64_t lost_end; /* … and was of an instance before this */
    struct run accepts;
    struct run decides;
    struct peer *peer;
    struct row row[];
};

static inline struct ep *state(struct co *co)
{
    return (struct ep *)co;
}

static inline struct row *row_of(struct ep *s, uint64_t inst)
{
    return &s->row[inst & s->mask];
}

static inline struct msg value_of(const struct row *r)
{
    return (struct msg){r->seg, r->off, r->len};
}

static inline bool leading(const struct ep *s)
{
    return s->active && s->leader == s->co.st->self && !s->resumed;
}

/* Below this, we need nothing of anybody any more. It is what we tell others. */
static inline uint64_t settled(const struct ep *s)
{
    if (likely(s->log == NULL))
        return s->done;
    uint64_t needless = s->sure < s->released ? s->sure : s->released;
    return s->kept > needless ? s->kept : needless;
}

/* Of the window: so much may be decided before others, or our own stable storage, are told. */
static inline uint64_t quarter(const struct ep *s)
{
    return (s->window + 3) / 4;
}

static inline uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline uint64_t most(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* Whether the row's value is known to be what was decided. */
static inline bool settles(const struct row *r)
{
    return (r->flags & ROW_DECIDED) ||
           ((r->flags & ROW_TOLD) && r->seg != NULL && r->valts >= r->told_ts);
}

/* How the messages that carry a value tell stable. */
static inline uint32_t ahead_of_stable(const struct ep *s, uint64_t inst)
{
    return (uint32_t)(inst - least(s->stable, inst));
}

static inline void unreadable(struct ep *s)
{
    co_count(&s->co, COUNT_drop_message, 1);
}

/* Of this folder only: so the compiler may still inline them where they stand. */
#pragma GCC visibility push(hidden)

/* ep_read_write.c: what logged epoch consensus is built of … */
struct msg ep_plain(struct ep *s, enum kind kind, uint64_t inst, uint32_t count, uint64_t more);
struct msg ep_with_value(struct ep *s, struct msg value, bool fresh, enum kind kind, uint64_t inst,
                         uint32_t count, uint64_t more);
void ep_to_process(struct ep *s, uint16_t q, struct msg m);
void ep_later(struct ep *s);
uint32_t ep_budget(const struct ep *s);
void ep_accept(struct ep *s, const struct row *r, uint64_t inst);
void ep_decide_told(struct ep *s, struct row *r, uint64_t inst);
void ep_conclude(struct ep *s);

/* … and what of its class it takes over as it is. */
size_t ep_bytes(const struct stack_conf *conf);
void ep_init(struct co *self);
void ep_settle(struct co *self);
uint32_t ep_room(const struct co *self);
void ep_spans(const struct co *self, uint64_t *from, uint64_t *to);
uint32_t ep_unasked(const struct stack_conf *conf);
void ep_fini(struct co *self);
co_upon_fn ep_upon_init, ep_upon_propose, ep_upon_abort, ep_upon_beb_deliver, ep_upon_pl_deliver,
    ep_upon_suspect, ep_upon_restore, ep_upon_timeout;

/* ep_show.c: for a person, and for the checks of a simulation. */
void ep_check(const struct co *self);
void ep_show(const struct co *self, struct view *v);
void ep_post(const struct co *self, struct co_post *p);
int ep_tell(struct msg m, char *text, size_t size);

/* lep_read_write.c: called by ep_read_write.c where there is a log. */
void lep_store_row(struct ep *s, struct row *r, uint64_t inst);
void lep_store_done(struct ep *s);

#pragma GCC visibility pop

#endif
