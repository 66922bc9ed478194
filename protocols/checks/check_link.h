/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the checkers of links share: one row for each message of a channel, a channel being (sender,
 * receiver, user). Equal messages of a channel share a row, and count.
 */
#ifndef UPON_CHECK_LINK_H
#define UPON_CHECK_LINK_H

#include "check_table.h"

struct link_row {
    struct check_tag tag;
    uint64_t sent_step;  /* last */
    uint64_t got_step;   /* last */
    uint64_t first_step; /* first delivery */
    uint64_t number;     /* sl: of the last sending; of a channel's own row: forgotten below */
    uint32_t sent;
    uint32_t got;
    uint32_t healed_sent; /* since the network is healed */
    uint32_t healed_got;
    uint16_t from;
    uint16_t to;
    uint16_t port;
};

struct link_check {
    struct check check;
    struct check_table rows;
    bool healed;
};

struct check *link_open(const struct check_class *cls, uint16_t n, size_t bytes);
void link_close(struct check *c);
void link_reset(struct check *c);
void link_healed(struct check *c, uint64_t step);

/* Count a request or an indication; *sent tells which. NULL: neither, or no process of Π. */
struct link_row *link_count(struct link_check *l, const struct check_event *e, bool *sent);

/* Judge a delivery that has been counted. */
void link_no_duplication(struct check *c, uint32_t property, const struct link_row *r);
void link_no_creation(struct check *c, uint32_t property, const struct link_row *r);

/* Judge the end: what was sent between correct processes has been delivered as often. */
void link_reliable_delivery(struct link_check *l, uint32_t property, bool fair, uint64_t step);

#endif
