/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the checkers of broadcasts share: one row for each message of an origin, with the deliveries
 * of each process. Equal messages of an origin share a row, and count.
 */
#ifndef UPON_CHECK_BROADCAST_H
#define UPON_CHECK_BROADCAST_H

#include "check_table.h"

struct got {
    uint64_t first_step;
    uint64_t last_step;
    uint32_t times;
};

struct broadcast_row {
    struct check_tag tag;
    uint64_t step; /* of the last broadcast */
    uint32_t times;
    uint16_t origin;
    struct got got[]; /* by process */
};

struct broadcast_check {
    struct check check;
    struct check_table rows;
};

struct check *broadcast_open(const struct check_class *cls, uint16_t n);
void broadcast_close(struct check *c);
void broadcast_reset(struct check *c);

/* Count a request or an indication. Returns the row for a delivery, else NULL. */
const struct broadcast_row *broadcast_count(struct check *c, const struct check_event *e);

/* Judge a delivery at e->at that has been counted. */
void broadcast_no_duplication(struct check *c, uint32_t property, const struct broadcast_row *r,
                              uint16_t at);
void broadcast_no_creation(struct check *c, uint32_t property, const struct broadcast_row *r,
                           uint16_t at);

/* Judge the end: what a correct process broadcast, it has itself delivered, or all correct have. */
enum broadcast_who { BY_ITSELF, BY_ALL };
void broadcast_validity(struct check *c, uint32_t property, enum broadcast_who who, bool fair,
                        uint64_t step);

/* Judge the end: what a correct process (uniform: any) delivered, all correct ones did. */
void broadcast_agreement(struct check *c, uint32_t property, bool uniform, bool fair,
                         uint64_t step);

#endif
