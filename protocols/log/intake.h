/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Receiving, for lpl and lbeb: what is new is stored, and log-delivered when it is.
 *
 * A message is named by its sender, the sender's incarnation and a number there, counted from 0.
 * For each sender the receiver keeps a floor, below which all numbers are stored, and a byte for
 * each number of a window above it. When DATA has come, and when more of it is stored, it answers
 * [STORED floor] over fair-loss links; the sender then makes its stubborn link forget those, and
 * sends no number that is a window beyond the floor. So:
 *
 * - nothing acknowledged is lost: a floor covers only what is on stable storage, and what it does
 *   not cover is still sent for ever;
 * - nothing is log-delivered twice: the record of a log-delivery holds its name, so that floors and
 *   windows are known again after a recovery; ids are not reused, since incarnations are not;
 * - memory is bounded: a window of bytes for each sender, and the ring of log-deliveries. DATA for
 *   which the ring or the log has no room is dropped; it comes again.
 *
 * A sender that crashed has forgotten what it had not got across. Its next life numbers from 0
 * under a higher incarnation, at which its former life's window is dropped.
 */
#ifndef UPON_INTAKE_H
#define UPON_INTAKE_H

#include "deliveries.h"

struct intake_peer {
    uint64_t floor; /* all below is stored */
    uint32_t incarnation;
    uint8_t *state; /* enum intake_state, of number k at k mod window */
};

enum intake_state { NUMBER_NEW, NUMBER_STORING, NUMBER_STORED };

/* A component that receives so begins with this. */
struct intake {
    struct co co;
    struct deliveries d;
    struct co *log;
    struct co *fll;
    struct co **user; /* by port; NULL: indications go to every user */
    uint64_t answer;  /* who is to hear how far we are */
    uint32_t mask;    /* of a window */
    uint16_t type;    /* the indication: EV_LPL_DELIVER or EV_LBEB_DELIVER */
    struct intake_peer *peer;
};

/* What is known of a window is stored again as one record, a bit for each number: any packet of a
 * fabric holds it. */
#define INTAKE_WINDOW_MAX 8192

/* Numbers of one sender that may be under way: a power of two. */
static inline uint32_t intake_window(const struct stack_conf *conf)
{
    uint32_t w = conf->ring_msgs < conf->store_msgs ? conf->ring_msgs : conf->store_msgs;
    w = w >= 4 ? w / 4 : 1;
    return w < INTAKE_WINDOW_MAX ? w : INTAKE_WINDOW_MAX;
}

/* co_class.keeps, co_class.tells */
bool intake_keeps(uint64_t i, const void *data, uint32_t len, uint64_t *from);
bool intake_tells(uint64_t i, const void *data, uint32_t len, struct co_record *r);

/* Records on their way at once: log-deliveries, and at a compaction all again with the floors. */
static inline uint32_t intake_stores(const struct stack_conf *conf)
{
    return 2 * deliveries_rows(conf) + conf->n;
}

/* Bytes of the tables, to be laid out behind the state. */
size_t intake_bytes(const struct stack_conf *conf);
void intake_init(struct co *self, enum ev_type type, struct co *log, struct co *fll, void *tables);

/* upon ⟨sl or sbeb, Deliver | p, m⟩ do if m ∉ delivered then delivered := delivered ∪ {m};
 * store(delivered) */
void intake_upon_deliver(struct co *self, const struct ev *ev, uint32_t n);

/* upon ⟨log, Stored⟩ do trigger ⟨…, Deliver | delivered⟩ */
void intake_upon_stored(struct co *self, const struct ev *ev, uint32_t n);

/* upon ⟨…, Release | a⟩: that user needs no log-delivery below a any more. */
void intake_upon_release(struct co *self, const struct ev *ev, uint32_t n);

/* upon ⟨…, Recovery⟩ do retrieve(delivered); trigger ⟨…, Deliver | delivered⟩ */
void intake_upon_found(struct co *self, const struct ev *ev, uint32_t n);
void intake_upon_recovered(struct co *self, const struct ev *ev, uint32_t n);

/* upon ⟨log, Compact⟩: store again what is still needed. */
void intake_upon_compact(struct co *self, const struct ev *ev, uint32_t n);

/*
 * ⟨fll, Deliver | q, [STORED floor]⟩ to whoever sent q the numbers below `next`: true, and `acked`
 * has become floor, if q has stored more than was known. What is not such an answer is counted.
 */
bool intake_answered(struct co *self, const struct ev *ev, uint64_t next, uint64_t *acked);

void intake_flush(struct co *self);
void intake_fini(struct co *self);
void intake_check(const struct co *self);
void intake_show(const struct co *self, struct view *v);

#endif
