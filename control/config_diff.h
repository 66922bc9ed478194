/* SPDX-License-Identifier: BSD-3-Clause */
/* Configurations as text, and what differs between two of them, field by field. */
#ifndef UPON_CONFIG_DIFF_H
#define UPON_CONFIG_DIFF_H

#include "sim_world.h"

/* C_t as sim_world_dump() writes it: a line a field, by process. */
struct config {
    char **line;
    uint32_t lines;
    uint32_t max;
};

void config_take(struct config *c, struct sim_world *w);
void config_free(struct config *c);

/*
 * Put what differs: "p1 pl.peer[0].rcv = 3, was 2"; "+ " and "- " in front of what only the second,
 * only the first has. Returns how many lines.
 */
uint32_t config_diff(const struct config *before, const struct config *after,
                     void (*put)(void *ctx, const char *line), void *ctx);

#endif
