/* SPDX-License-Identifier: BSD-3-Clause */
/* The state of a load, shared by load.c and load_lives.c. */
#ifndef UPON_LOAD_STATE_H
#define UPON_LOAD_STATE_H

#include "load.h"
#include "record.h"

/* Which numbers of a sequence were seen: all below floor, and those whose bit is set above it. */
struct sequence {
    uint64_t floor;
    uint64_t top;
    uint64_t count;
    uint64_t digest;
    uint64_t bits[LOAD_WINDOW_OPS / 64];
};

enum seen { SEEN_FIRST, SEEN_AGAIN, SEEN_BEYOND };

struct load {
    struct co co;
    struct load_conf conf;
    struct board_row *row;
    bool source;
    co_upon_fn *planted_before;         /* the handler that a planted bug stands before */
    co_upon_fn *planted_upon[EV_TYPES]; /* our handlers, with the bug */
    uint64_t sample_mask;
    /* Issuing. */
    struct random random;
    double phase_ns;   /* from the start to the first operation */
    double poisson_ns; /* … to the next one, of Poisson arrivals */
    uint64_t drawn;    /* operations of this run before the next one */
    uint64_t next_ns;  /* intended time of the next operation */
    uint64_t next_op;
    uint64_t outstanding;
    uint64_t pool_seen_op; /* the pool was looked at before this operation */
    uint32_t pool_reserve;
    bool pool_low;
    uint64_t issued_digest;
    uint64_t issued_measured;
    uint64_t offered_measured; /* open loop */
    uint64_t late_measured;    /* of these, sent when the interval was over */
    /* Taking. */
    uint64_t delivered;
    uint64_t delivered_measured;
    uint64_t completed;
    uint64_t samples;
    struct cells cells;
    struct cell *cell; /* of this batch */
    struct timer timer[3];
    uint64_t edges; /* of the measured interval that were posted, as in the row */
    struct board_post_memory post;
    /* Over a log. */
    bool ledger;         /* what was taken is remembered on the board */
    uint64_t told;       /* log-deliveries below this position were told of in this life */
    uint64_t places;     /* … and below this one in any life */
    uint64_t again_op;   /* operations below were issued in an earlier life of this run */
    uint64_t owed_op;    /* … or of an earlier run */
    struct sequence own; /* what our log holds of our own, and what was taken of it */
    uint8_t pattern[MSG_BYTES_MAX];
    struct sequence seen[];
};

/* An operation as it was received. */
struct op {
    uint64_t intended_ns;
    uint64_t number;
    uint64_t tag;
    uint32_t run;
    uint16_t source;
};

static inline struct load *load(struct co *co)
{
    return (struct load *)co;
}

/* With a ledger: what later runs are told. */
static inline struct board_past *load_past(const struct load *l)
{
    return board_past(l->conf.board, l->co.st->self);
}

static inline bool measured(const struct load *l, uint64_t ns)
{
    const struct board *b = l->conf.board;
    return ns >= b->from_ns && ns < board_get(&b->end_ns);
}

static inline enum seen sequence_add(struct sequence *s, uint64_t number, uint64_t tag)
{
    if (likely(number == s->floor && s->floor == s->top)) {
        s->floor = ++s->top;
        s->count++;
        s->digest += tag;
        return SEEN_FIRST;
    }
    if (number < s->floor)
        return SEEN_AGAIN;
    if (number - s->floor >= LOAD_WINDOW_OPS)
        return SEEN_BEYOND;
    uint64_t *word = &s->bits[number % LOAD_WINDOW_OPS / 64], bit = 1ull << number % 64;
    if (*word & bit)
        return SEEN_AGAIN;
    *word |= bit;
    s->count++;
    s->digest += tag;
    if (number >= s->top)
        s->top = number + 1;
    while (s->floor < s->top) {
        word = &s->bits[s->floor % LOAD_WINDOW_OPS / 64];
        bit = 1ull << s->floor % 64;
        if (!(*word & bit))
            break;
        *word &= ~bit;
        s->floor++;
    }
    return SEEN_FIRST;
}

/* Whether these bytes are an operation that a source issued. */
bool load_op_read(const struct load *l, const uint8_t *data, uint32_t len, struct op *op);

/* Make the pattern with which operations are filled. */
void load_fill(struct load *l);

/* Note what is wrong; the first of a kind leaves a sentence. */
void load_fault(struct load *l, enum board_fault what, const char *format, ...)
    __attribute__((format(printf, 3, 4), cold));

/* The intended time of the next operation is taken: set that of the one behind it. */
void load_intend(struct load *l);

void load_post_issued(struct load *l);
void load_post_sequence(struct load *l, uint32_t source);
/* Add a decision to the digest of its block. */
void load_post_block(struct load *l, const struct op *op);

/* ---- load_lives.c ---------------------------------------------------------------------------- */

/* A log-delivery at a position, or the decision of an instance: whether it is news. */
bool load_remember(struct load *l, uint64_t place, const struct op *op);

/* Whether this is another life of the process, in this run or after an earlier one. */
static inline bool load_lived(const struct load *l)
{
    return board_get(&l->row->lives) > 1 || l->conf.board->run > 0;
}

/* Before the first event of another life: take over what the board remembers of earlier ones. */
void load_take_over(struct load *l);

/* Before the source stops: operations that it owes, since it may have proposed them in an earlier
 * life, or others are decided behind them. */
static inline uint64_t load_owed(const struct load *l)
{
    if (!l->ledger || l->conf.top->shape != LOAD_ONE_VALUE)
        return 0;
    return l->owed_op > l->seen[0].top ? l->owed_op : l->seen[0].top;
}

#endif
