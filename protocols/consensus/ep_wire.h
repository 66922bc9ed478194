/* SPDX-License-Identifier: BSD-3-Clause */
/* The messages of read/write epoch consensus, as they go over the wire and, of lep, to the log. */
#ifndef UPON_EP_WIRE_H
#define UPON_EP_WIRE_H

#include "protocols/co.h"

#include <assert.h>

#define WIRE_MAX   (UINT64_MAX >> 2) /* no number on the wire is above: sums do not overflow */
#define COUNT_OPEN UINT32_MAX        /* END has not come yet */
#define HEADER_MAX 32

enum kind { READ = 1, STATE, END, WRITE, ACCEPT, DECIDED, DONE, RESUME };

/*              count           inst               more
 *   READ       -               first to tell of   -
 *   STATE      inst − stable   instance           valts          + value
 *   END        STATEs sent     done               floor
 *   WRITE      inst − stable   instance           -              + value
 *   ACCEPT     of instances    first              done
 *   DECIDED    of instances    first              -
 *   DONE       -               done; the          -
 *                              leader's: stable
 *   RESUME     -               done               -
 */
struct ep_wire {
    uint8_t kind;
    uint8_t reserved;
    uint8_t round[2]; /* of reading in this epoch: READ, STATE, END */
    uint8_t count[4];
    uint8_t ets[8]; /* of the epoch that it belongs to */
    uint8_t inst[8];
    uint8_t more[8]; /* STATE, END, ACCEPT only */
};
static_assert(sizeof(struct ep_wire) == HEADER_MAX, "the layout is the protocol");
#define SHORT_BYTES ((uint16_t)offsetof(struct ep_wire, more))

/* A message's header, decoded. */
struct said {
    uint64_t ets;
    uint64_t inst;
    uint64_t more;
    uint32_t count;
    uint16_t round;
    uint8_t kind;
};

static inline void ep_header(struct ep_wire *w, uint16_t bytes, enum kind kind, uint64_t ets,
                             uint64_t inst, uint32_t count, uint64_t more)
{
    memset(w, 0, 8);
    w->kind = (uint8_t)kind;
    le32_put(w->count, count);
    le64_put(w->ets, ets);
    le64_put(w->inst, inst);
    if (bytes == sizeof *w)
        le64_put(w->more, more);
}

/* Decode a header; what it says is within bounds, or false. The value, if any, is left in *m. */
static inline bool ep_decode(struct msg *m, struct said *said)
{
    const struct ep_wire *w = msg_pull(m, SHORT_BYTES);
    if (w == NULL || w->kind < READ || w->kind > RESUME)
        return false;
    said->kind = w->kind;
    said->round = le16_get(w->round);
    said->count = le32_get(w->count);
    said->ets = le64_get(w->ets);
    said->inst = le64_get(w->inst);
    said->more = 0;
    if (w->kind == STATE || w->kind == END || w->kind == ACCEPT) {
        if (msg_pull(m, sizeof w->more) == NULL)
            return false;
        said->more = le64_get(w->more);
    }
    return said->ets <= WIRE_MAX && said->inst <= WIRE_MAX && said->more <= WIRE_MAX &&
           (m->len == 0 || w->kind == STATE || w->kind == WRITE);
}

#endif
