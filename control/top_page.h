/* SPDX-License-Identifier: BSD-3-Clause */
/* A page of figures (their JSON, README.md) as a terminal shows it. */
#ifndef UPON_TOP_PAGE_H
#define UPON_TOP_PAGE_H

#include <stdbool.h>

#include <jansson.h>

struct top_view {
    int rows;
    int columns;
    bool color;
};

/*
 * Lines of at most `columns` characters, `rows` of them at most, each ended by a newline: processes,
 * who waits for whom, links, drops. What does not fit is counted. The caller frees it; NULL: no
 * memory. What lacks in `figures` is left out.
 */
char *top_page(const json_t *figures, const struct top_view *view);

#endif
